//! Tokens as text: a token is a run of bytes that may begin or end inside a character, and what leaves here are whole characters.

use std::str;

/// The bytes of a reply that do not make a whole character yet: at most three.
#[derive(Debug, Default)]
pub struct Characters {
    pending: Vec<u8>,
}

impl Characters {
    /// Adds the bytes of a token and takes out the text that is whole, which may be empty. Bytes that can never become a character are U+FFFD.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        loop {
            match str::from_utf8(&self.pending) {
                Ok(whole) => {
                    text.push_str(whole);
                    self.pending.clear();
                    return text;
                }
                Err(error) => {
                    let (whole, rest) = self.pending.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(whole));
                    match error.error_len() {
                        Some(wrong) => {
                            text.push(char::REPLACEMENT_CHARACTER);
                            self.pending = rest[wrong..].to_vec();
                        }
                        None => {
                            self.pending = rest.to_vec();
                            return text;
                        }
                    }
                }
            }
        }
    }

    /// What is left at the end: U+FFFD for a character that was never finished, or nothing.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_out_the_same_for_every_way_of_cutting_it() {
        let text = "naïve 猫 👩‍🚀 end";
        for size in 1..=text.len() {
            let mut characters = Characters::default();
            let mut seen = String::new();
            for cut in text.as_bytes().chunks(size) {
                seen.push_str(&characters.push(cut));
            }
            assert_eq!(seen, text, "cut into pieces of {size}");
            assert_eq!(characters.finish(), "");
        }
    }

    #[test]
    fn half_a_character_waits_for_its_other_half() {
        let mut characters = Characters::default();
        assert_eq!(characters.push(b"a\xE7\x8C"), "a");
        assert_eq!(characters.push(b"\xABb"), "猫b");
    }

    #[test]
    fn bytes_that_are_no_text_are_marked_and_hold_nothing_up() {
        let mut characters = Characters::default();
        assert_eq!(characters.push(b"a\xFFb\xE7c"), "a\u{FFFD}b\u{FFFD}c");
        assert_eq!(characters.push(b"\xF0\x9F"), "");
        assert_eq!(characters.finish(), "\u{FFFD}");
    }
}
