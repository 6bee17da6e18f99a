//! Keys and header values that must not come out again: not in `Debug`, and not in what a server says about them.

use std::fmt;

/// Text that never shows itself by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([hidden])")
    }
}

/// The secrets that a server was sent, and so could send back.
#[derive(Debug, Clone, Default)]
pub struct Secrets(Vec<Secret>);

impl Secrets {
    /// Servers often quote a part of a key ("sk-proj-abcd****"), and so many characters in a row are no accident.
    const TELLING_CHARS: usize = 8;
    const HIDDEN: &str = "[hidden]";

    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Self {
        Self(secrets.into_iter().filter(|secret| !secret.0.is_empty()).collect())
    }

    /// Replaces what `text` shows of the secrets: every run of 8 or more characters that occurs in one of them,
    /// and shorter secrets where they stand as a word. (Keys like `x` or `none` are common where no key is needed; hiding their letters
    /// inside other words would protect nothing.)
    pub fn hide(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        let mut previous = None;
        while let Some(next) = rest.chars().next() {
            let hidden = self.0.iter().map(|secret| secret.shown_at_start_of(rest, previous)).max().unwrap_or(0);
            let taken = match hidden {
                0 => {
                    shown.push(next);
                    next.len_utf8()
                }
                hidden => {
                    shown.push_str(Self::HIDDEN);
                    hidden
                }
            };
            previous = rest[..taken].chars().next_back();
            rest = &rest[taken..];
        }
        shown
    }
}

impl Secret {
    /// How many bytes at the start of `text` show this secret.
    fn shown_at_start_of(&self, text: &str, previous: Option<char>) -> usize {
        let is_part_of_word = |c: char| c.is_alphanumeric();
        if self.0.chars().count() < Secrets::TELLING_CHARS {
            return match text.strip_prefix(&self.0) {
                Some(after) if !previous.is_some_and(is_part_of_word) && !after.starts_with(is_part_of_word) => self.0.len(),
                _ => 0,
            };
        }
        let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
        ends.skip(Secrets::TELLING_CHARS - 1).take_while(|&end| self.0.contains(&text[..end])).last().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Secret, Secrets};

    fn hide(secrets: &[&str], text: &str) -> String {
        Secrets::new(secrets.iter().map(|&secret| Secret::new(secret))).hide(text)
    }

    #[test]
    fn whole_secrets_and_telling_parts_are_hidden() {
        let secrets = ["sk-proj-0123456789abcdef", "Token xyz-zyx"];
        assert_eq!(hide(&secrets, "key sk-proj-0123456789abcdef is wrong"), "key [hidden] is wrong");
        assert_eq!(hide(&secrets, "key sk-proj-****cdef is wrong"), "key [hidden]****cdef is wrong");
        assert_eq!(hide(&secrets, "é0123456789é Token xyz"), "é[hidden]é [hidden]");
        assert_eq!(hide(&secrets, "sk-proj-0123456789abcdefsk-proj-0123456789abcdef"), "[hidden][hidden]");
        assert_eq!(hide(&secrets, "sk-proj is a prefix"), "sk-proj is a prefix");
    }

    #[test]
    fn short_secrets_are_hidden_where_they_are_words() {
        assert_eq!(hide(&["x"], "key 'x' exceeds x"), "key '[hidden]' exceeds [hidden]");
        assert_eq!(hide(&["", "schlüss"], "schlüss schlüssel"), "[hidden] schlüssel");
    }

    #[test]
    fn debug_hides_them() {
        assert_eq!(format!("{:?}", Secrets::new([Secret::new("sk-1")])), "Secrets([Secret([hidden])])");
    }
}
