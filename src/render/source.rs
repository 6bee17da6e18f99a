//! The text as the parser gets it: line ends are `\n`, and characters that Markdown or HTML give a meaning of their
//! own are gone.
//!
//! - `\r\n` and a lone `\r` become `\n`; HTML knows no other line end inside a text.
//! - U+0000 becomes U+FFFD, as CommonMark asks.
//! - U+FEFF is dropped. At the start of a document it is a byte order mark, elsewhere an obsolete invisible space;
//!   a section in the middle of a text must not lose one that a section at the start keeps.
//!
//! Cleaning is incremental and does not depend on how the text was cut.

/// A text that was cleaned so far.
#[derive(Debug, Default, Clone)]
pub(crate) struct Source {
    text: String,
    /// The text so far ended with `\r`: a `\n` that comes now belongs to it.
    after_return: bool,
}

impl Source {
    /// The whole of a text at once.
    pub(crate) fn of(text: &str) -> Self {
        let mut source = Self::default();
        source.push(text);
        source
    }

    /// Appends more of the text.
    pub(crate) fn push(&mut self, more: &str) {
        self.text.reserve(more.len());
        for character in more.chars() {
            let follows_return = std::mem::replace(&mut self.after_return, character == '\r');
            match character {
                '\r' => self.text.push('\n'),
                '\n' if follows_return => {}
                '\0' => self.text.push('\u{fffd}'),
                '\u{feff}' => {}
                _ => self.text.push(character),
            }
        }
    }

    /// The cleaned text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}
