//! A reply while it grows: text comes in pieces, patches of markup go out.
//!
//! - **The text alone decides.** [`Growing::blocks`] is the same however the text was cut into pieces.
//! - **Nothing flashes.** What is unfinished at the end of the text is shown as what it becomes, or not yet: see
//!   `heal`. Only the last leaf of the open section is treated so.
//! - **The end is the message.** After [`Growing::finish`] the blocks are [`crate::render::markdown::blocks`] of the
//!   whole text, made by the same code.
//! - **Finished blocks rest.** They are sent again only if a link or a footnote that is defined later changes them, or
//!   stand behind one that does. A link definition counts once its section is finished, a footnote at once.
//!
//! What a push costs: parsing the open section (`split`) a few times, to find where its end lies, to heal it and to
//! render it, and comparing its markup. Inside a fenced code block without indentation it costs the piece that came.
//! A late link definition costs the sections that wait for it and the writing of the blocks behind the first of them;
//! a change in which footnotes there are costs writing, not parsing, the whole.
//!
//! The bound, then, is the open section. A list with all its items is one, and so is a paragraph: a push into a list
//! of 50 kB parses 50 kB. Whoever pushes decides how often that may happen.

mod formula;
mod heal;
mod inline;
mod leaf;
mod patch;
#[cfg(test)]
mod tests;

pub use self::patch::{Patch, apply};

use crate::render::document::Document;
use crate::render::footnote::{Numbers, Undefined};
use crate::render::split::Fence;
use crate::render::{Context, highlight, markdown, parse};

/// A reply, its text so far, and what is shown of it.
#[derive(Debug, Clone)]
pub struct Growing {
    text: String,
    utf16: usize,
    document: Document,
    blocks: Vec<String>,
    /// For each finished section, which block is its first.
    starts: Vec<usize>,
    /// How many blocks belong to finished sections.
    finished: usize,
    /// Numbers of footnotes that finished sections refer to.
    numbers: Numbers,
    /// The footnotes there were at the last push: of finished sections how many, and of the open one which.
    notes: (usize, Vec<String>),
    code: Option<OpenCode>,
}

/// A fenced code block that grows at the end of the text.
#[derive(Debug, Clone, Copy)]
struct OpenCode {
    fence: Fence,
    /// How much of the section is in the markup, in bytes.
    shown: usize,
    /// Where its code begins in the section, and how that grows.
    start: usize,
    growth: highlight::Growth,
}

impl Growing {
    /// A reply without text.
    pub fn new(cx: &Context<'_>) -> Self {
        Self {
            text: String::new(),
            utf16: 0,
            document: Document::new(cx),
            blocks: Vec::new(),
            starts: Vec::new(),
            finished: 0,
            numbers: Numbers::default(),
            notes: (0, Vec::new()),
            code: None,
        }
    }

    /// A reply whose text so far is known, for instance from storage. The same as pushing it, in any pieces.
    pub fn from(text: &str, cx: &Context<'_>) -> Self {
        let mut growing = Self::new(cx);
        growing.push(text);
        growing
    }

    /// Appends text. Returns what changes in [`Self::blocks`].
    pub fn push(&mut self, more: &str) -> Patch {
        if more.is_empty() {
            return Patch::nothing(self.blocks.len());
        }
        self.text.push_str(more);
        self.utf16 += utf16(more);
        let changed = self.document.push(more);
        match self.code {
            Some(code) if changed.is_none() => self.push_code(code),
            _ => self.push_flow(changed),
        }
    }

    /// No more text comes. Returns what changes: what was held back is shown as it was written.
    pub fn finish(&mut self) -> Patch {
        self.document.end();
        self.code = None;
        let blocks = markdown::finished(&self.document, &self.text);
        self.replace(0, blocks)
    }

    /// The markup that is shown, one element each.
    pub fn blocks(&self) -> &[String] {
        &self.blocks
    }

    /// The text so far, as it came.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Length of the text in UTF-16 units.
    pub fn len_utf16(&self) -> usize {
        self.utf16
    }

    fn push_flow(&mut self, changed: Option<usize>) -> Patch {
        let fence = self.document.open_fence();
        let text = self.document.open_text();
        let (before, line) = text.split_at(self.document.open_line());
        let source = match fence {
            Some(fence) if fence.may_be_closed_by(line) => before.into(),
            Some(_) => text.into(),
            None => heal::heal(before, line),
        };
        let open = self.document.render_open(&source);

        // Sections from `first` on are written anew: those that changed, or all if the footnotes did.
        let notes = (self.document.notes(), open.note_labels().map(String::from).collect());
        let known = self.starts.len();
        let mut first = changed.unwrap_or(known).min(known);
        if notes != self.notes || first < known {
            first = if notes == (0, Vec::new()) && self.notes == notes { first } else { 0 };
            self.numbers = Numbers::default();
        }
        self.notes = notes;
        let from = self.starts.get(first).copied().unwrap_or(self.finished);
        let shown = self.document.shown(first, Some(&open), Undefined::Pending, &mut self.numbers);
        self.starts.truncate(first);
        self.starts.extend(shown.starts.iter().map(|start| from + start));
        self.finished = from + shown.finished;
        self.code = match (fence, shown.blocks.last()) {
            (Some(fence), Some(block)) if !shown.has_notes && block.ends_with(highlight::END) => {
                let (opening, code) = source.split_once('\n').unwrap_or((&source, ""));
                let growth = highlight::Growth::of(&parse::info(opening), code);
                Some(OpenCode { fence, shown: source.len(), start: source.len() - code.len(), growth })
            }
            _ => None,
        };
        self.replace(from, shown.blocks)
    }

    /// The short way inside a code block: only what came is read and written, nothing is parsed or compared.
    fn push_code(&mut self, mut code: OpenCode) -> Patch {
        let text = self.document.open_text();
        let line = self.document.open_line();
        let end = if code.fence.may_be_closed_by(&text[line..]) { line } else { text.len() };
        let Some(block) = self.blocks.last_mut().filter(|_| end > code.shown) else {
            return Patch::nothing(self.blocks.len());
        };
        let (keep, more) = code.growth.grow(block, &text[code.start..end]);
        code.shown = end;
        self.code = Some(code);
        Patch { block: self.blocks.len() - 1, keep, html: vec![more] }
    }

    /// Puts `blocks` in the place of those from `from` on.
    fn replace(&mut self, from: usize, blocks: Vec<String>) -> Patch {
        let patch = Patch::between(&self.blocks[from..], &blocks, from);
        self.blocks.truncate(from);
        self.blocks.extend(blocks);
        patch
    }
}

fn utf16(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}
