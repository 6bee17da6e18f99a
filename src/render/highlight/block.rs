//! A code block's element: what it is called, its lines, and the control that folds it if it is long.
//!
//! It holds no words of the interface, since it is stored once for readers of all languages: the control refers to a name
//! that the page carries, and the button that copies is put in by the page's script. Whether the block has a name and
//! whether it is long stands in its classes: a style sheet that looked for it inside (`:has`) would look anew at each token.

use crate::render::highlight::{Lines, Named, named};
use crate::render::html;

/// A block with more lines than this is long.
const SHORT: usize = 32;

/// What stays of the markup when a block becomes long while it grows: its classes differ from here on.
const SAME: &str = "<figure class=\"code";
const NAMED: &str = " named";
const LONG: &str = " long";

/// Everything in front of the first line, by the line that opens the block. [`END`] closes it.
fn start(info: &str, long: bool) -> String {
    let language = named(info);
    let mut start = String::from(SAME);
    start.push_str(if language.is_some() { NAMED } else { "" });
    start.push_str(if long { LONG } else { "" });
    start.push_str("\"><figcaption>");
    if let Some(language) = language {
        start.push_str("<span class=\"language\">");
        html::text(&mut start, language.shown);
        start.push_str("</span>");
    }
    start.push_str("</figcaption><input type=\"checkbox\" class=\"fold\" aria-labelledby=\"word-unfold\"><pre tabindex=\"0\"><code");
    if let Some(id) = language.and_then(|language| Named::id(&language)) {
        html::attribute(&mut start, "class", &format!("language-{id}"));
    }
    start.push('>');
    start
}

pub(crate) const END: &str = "</code></pre></figure>";

/// Appends a whole block.
pub(crate) fn block(out: &mut String, info: &str, code: &str) {
    out.push_str(&start(info, is_long(code)));
    Lines::new(named(info)).all(out, code);
    out.push_str(END);
}

/// A code block that grows at the end of its markup.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Growth {
    lines: Lines,
    /// Where the line that is open begins in the code.
    start: usize,
    /// Where its markup begins in the block's: in bytes, and in UTF-16 units.
    at: usize,
    utf16: usize,
    /// How many lines are finished.
    finished: usize,
    long: bool,
}

impl Growth {
    /// How it stands if `block` shows `code`.
    pub(crate) fn of(info: &str, code: &str) -> Self {
        let start = code.rfind('\n').map_or(0, |end| end + 1);
        let finished = code[..start].lines().count();
        let long = is_long(code);
        let mut before = self::start(info, long);
        let mut lines = Lines::new(named(info));
        lines.all(&mut before, &code[..start]);
        Self { lines, start, at: before.len(), utf16: utf16(&before), finished, long }
    }

    /// Makes `block` show `code`, which it showed the beginning of. Returns how many UTF-16 units of it stay, and what comes
    /// behind them. Lines that were finished are not looked at again.
    ///
    /// The line that is open is coloured as it comes: most of it keeps its colour when more comes, while colouring each line
    /// only when it ends would change every line once before the reader's eyes.
    pub(crate) fn grow(&mut self, block: &mut String, code: &str) -> (usize, String) {
        let (before, first) = (self.at, self.utf16);
        let mut more = String::new();
        for line in code[self.start..].split_inclusive('\n') {
            if line.ends_with('\n') {
                let from = more.len();
                self.lines.line(&mut more, line);
                self.start += line.len();
                self.finished += 1;
                self.at += more.len() - from;
                self.utf16 += utf16(&more[from..]);
            } else {
                // What an open line leaves to the next one is not known yet.
                self.lines.clone().line(&mut more, line);
            }
        }
        more.push_str(END);
        let same = block[before..].bytes().zip(more.bytes()).take_while(|(old, new)| old == new).count();
        let same = more.floor_char_boundary(same);
        let keep = first + utf16(&more[..same]);
        more.drain(..same);
        block.truncate(before + same);
        block.push_str(&more);
        if self.long || self.finished + usize::from(self.start < code.len()) <= SHORT {
            return (keep, more);
        }
        // Now it is long, and says so where it begins: this once, it is sent from there on.
        self.long = true;
        let classes = if block[SAME.len()..].starts_with(NAMED) { SAME.len() + NAMED.len() } else { SAME.len() };
        block.insert_str(classes, LONG);
        self.at += LONG.len();
        self.utf16 += LONG.len();
        (classes, block[classes..].to_owned())
    }
}

fn is_long(code: &str) -> bool {
    code.lines().nth(SHORT).is_some()
}

fn utf16(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}
