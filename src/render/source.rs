//! The text as the parser gets it: line ends are `\n`, and characters that Markdown or HTML give a meaning of their
//! own are gone.
//!
//! - `\r\n` and a lone `\r` become `\n`; HTML knows no other line end inside a text.
//! - U+0000 becomes U+FFFD, as CommonMark asks.
//! - U+FEFF is dropped. At the start of a document it is a byte order mark, elsewhere an obsolete invisible space;
//!   a section in the middle of a text must not lose one that a section at the start keeps.
//! - A formula that opens at the start of a line, with `\[` or `$$`, and ends on a later one, is put on one line. To the
//!   parser its lines would be lines like others: `- b` an item, `= c` an underline, a blank line the paragraph's end.
//!   Where a line ended stands [`LINE_END`], so that what is shown and copied has its lines.
//!
//! Cleaning is incremental and does not depend on how the text was cut. The lines of an unfinished formula are held
//! back until it ends, or turns out to be none.

use crate::render::math::LONGEST;
use crate::render::split::{Fence, indentation, marker};

/// Stands for a line's end inside a formula. Unicode keeps it for uses like this one, and no text can bring it here.
pub(crate) const LINE_END: char = '\u{fdd0}';

/// A text that was cleaned so far.
#[derive(Debug, Default, Clone)]
pub(crate) struct Source {
    text: String,
    /// The text so far ended with `\r`: a `\n` that comes now belongs to it.
    after_return: bool,
    /// Where the last line begins.
    line: usize,
    /// Columns by which what belongs to the open list item is indented; 0 if there is none.
    item: usize,
    code: Option<Code>,
    formula: Option<Formula>,
    /// What came since the first line of the open formula ended.
    held: String,
}

/// A fenced code block that is open, and what it lies in. There are no formulas inside.
#[derive(Debug, Clone, Copy)]
struct Code {
    fence: Fence,
    quotes: usize,
    item: usize,
}

/// A formula that is open, and what it lies in.
#[derive(Debug, Clone, Copy)]
struct Formula {
    closing: &'static str,
    quotes: usize,
    indent: usize,
    after_blank: bool,
}

impl Source {
    /// The whole of a text at once.
    pub(crate) fn of(text: &str) -> Self {
        let mut source = Self::default();
        source.push(text);
        source.end();
        source
    }

    /// Appends more of the text.
    pub(crate) fn push(&mut self, more: &str) {
        self.text.reserve(more.len());
        for character in more.chars() {
            let follows_return = std::mem::replace(&mut self.after_return, character == '\r');
            match character {
                '\r' => self.put('\n'),
                '\n' if follows_return => {}
                '\0' | LINE_END => self.put('\u{fffd}'),
                '\u{feff}' => {}
                _ => self.put(character),
            }
        }
    }

    /// No more text comes: a formula that did not end is none.
    pub(crate) fn end(&mut self) {
        self.release();
    }

    /// The cleaned text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn put(&mut self, character: char) {
        let Some(formula) = self.formula else {
            self.text.push(character);
            if character == '\n' {
                self.end_line(true);
            }
            return;
        };
        self.held.push(character);
        if self.held.ends_with(formula.closing) {
            self.join(formula);
        } else if self.held.len() > LONGEST || character == '\n' && !self.goes_on() {
            self.release();
        }
    }

    /// Puts the lines that were held back behind the first of their formula.
    fn join(&mut self, formula: Formula) {
        self.formula = None;
        for line in std::mem::take(&mut self.held).split('\n').skip(1) {
            let mut line = behind_quotes(line, formula.quotes).unwrap_or(line);
            for _ in 0..formula.indent {
                line = line.strip_prefix(' ').unwrap_or(line);
            }
            if !line.trim().is_empty() {
                self.text.push(LINE_END);
                self.text.push_str(line);
            }
        }
    }

    /// What was held back is lines like others. None of them opens a formula: each byte is held back once at most.
    fn release(&mut self) {
        self.formula = None;
        for character in std::mem::take(&mut self.held).chars() {
            self.text.push(character);
            if character == '\n' {
                self.end_line(false);
            }
        }
    }

    /// Whether the formula may go on behind the line that just ended.
    fn goes_on(&mut self) -> bool {
        let Some(formula) = &mut self.formula else { return false };
        let lines = &self.held[..self.held.len() - 1];
        let line = lines.rsplit('\n').next().unwrap_or_default();
        let Some(line) = behind_quotes(line, formula.quotes) else { return false };
        let content = line.trim();
        if content.is_empty() {
            formula.after_blank = true;
            return true;
        }
        Fence::opened_by(content).is_none() && !(formula.after_blank && is_prose(content))
    }

    /// The last line ended: takes note of what it opened.
    fn end_line(&mut self, may_open: bool) {
        let end = self.text.len() - 1;
        let line = &self.text[self.line..end];
        if let Some(code) = self.code {
            let inside = behind_quotes(line, code.quotes).map(indentation);
            if let Some((indent, content)) = inside.filter(|(indent, content)| content.is_empty() || *indent >= code.item) {
                if indent < code.item + 4 && code.fence.is_closed_by(content) {
                    self.code = None;
                }
                self.line = self.text.len();
                return;
            }
            self.code = None;
        }
        let (mut rest, mut quotes, mut column, mut marked) = (line, 0, 0, false);
        let content = loop {
            let (indent, content) = indentation(rest);
            if let Some(behind) = content.strip_prefix('>') {
                (rest, quotes, column) = (behind.strip_prefix(' ').unwrap_or(behind), quotes + 1, 0);
                continue;
            }
            column += indent;
            let limit = if marked { column } else { self.item };
            match marker(content).filter(|_| column < limit + 4) {
                Some(width) => {
                    column += width;
                    marked = true;
                    rest = content.get(width..).unwrap_or_default();
                }
                None => break content,
            }
        };
        if marked || !content.is_empty() && column < self.item {
            self.item = if marked { column } else { 0 };
        }
        // What is indented further is code.
        if !content.is_empty() && column < self.item + 4 {
            if let Some(fence) = Fence::opened_by(content) {
                self.code = Some(Code { fence, quotes, item: self.item });
            } else if may_open && let Some(closing) = opens_formula(content) {
                // The line goes on with the rest of its formula.
                self.formula = Some(Formula { closing, quotes, indent: column, after_blank: false });
                self.text.truncate(end);
                self.held.push('\n');
                return;
            }
        }
        self.line = self.text.len();
    }
}

/// What ends the formula that a line opens, if it does so and leaves it open.
fn opens_formula(content: &str) -> Option<&'static str> {
    let (behind, closing) = match content.strip_prefix(r"\[") {
        Some(behind) => (behind, r"\]"),
        None => (content.strip_prefix("$$").filter(|behind| !behind.starts_with('$'))?, "$$"),
    };
    (!behind.contains(closing) && !is_prose(behind)).then_some(closing)
}

/// Whether a line is words, without a sign of LaTeX.
fn is_prose(line: &str) -> bool {
    let latex = line.contains(['\\', '^', '_', '=', '&', '{', '}', '+', '<', '>']);
    let words = line.split_whitespace().filter(|word| word.bytes().filter(u8::is_ascii_alphabetic).count() > 1).count();
    !latex && (words > 3 || line.chars().filter(|c| !c.is_ascii() && c.is_alphabetic()).count() > 7)
}

/// A line without the marks of so many quotes; nothing if it has fewer.
fn behind_quotes(mut line: &str, quotes: usize) -> Option<&str> {
    for _ in 0..quotes {
        line = line.trim_start_matches([' ', '\t']).strip_prefix('>')?;
        line = line.strip_prefix(' ').unwrap_or(line);
    }
    Some(line)
}
