//! A code block's element: what it is called, its lines, and the control that folds it if it is long.
//!
//! It holds no words of the interface, since it is stored once for readers of all languages: the control refers to a name
//! that the page carries, the style sheet decides whether the block is long enough to have one, and the button that
//! copies is put in by the page's script.

use crate::render::highlight::{Lines, Named, named};
use crate::render::html;

/// Everything in front of the first line, by the line that opens the block. [`END`] closes it.
pub(crate) fn start(info: &str) -> String {
    let language = named(info);
    let mut start = String::from("<figure class=\"code\"><figcaption>");
    if let Some(language) = language {
        start.push_str("<span class=\"language\">");
        html::text(&mut start, language.shown);
        start.push_str("</span>");
    }
    start.push_str("<input type=\"checkbox\" class=\"fold\" aria-labelledby=\"word-unfold\"></figcaption><pre tabindex=\"0\"><code");
    if let Some(id) = language.and_then(|language| Named::id(&language)) {
        html::attribute(&mut start, "class", &format!("language-{id}"));
    }
    start.push('>');
    start
}

pub(crate) const END: &str = "</code></pre></figure>";

/// Appends a whole block.
pub(crate) fn block(out: &mut String, info: &str, code: &str) {
    out.push_str(&start(info));
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
}

impl Growth {
    /// How it stands if `block` shows `code`.
    pub(crate) fn of(info: &str, code: &str) -> Self {
        let start = code.rfind('\n').map_or(0, |end| end + 1);
        let mut before = self::start(info);
        let mut lines = Lines::new(named(info));
        lines.all(&mut before, &code[..start]);
        Self { lines, start, at: before.len(), utf16: utf16(&before) }
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
        (keep, more)
    }
}

fn utf16(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}
