//! Names of people, assistants and rooms.
//!
//! People and assistants share one namespace, because both are mentioned with `@`. A name is kept as it was written
//! (after NFKC and trimming); its [`Name::key`] decides who is meant, and its [`Name::skeleton`] refuses names that merely
//! look like one that is taken (Unicode Technical Standard 39, "confusable detection").

use std::fmt;

use serde::Serialize;
use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection::skeleton;

use super::Invalid;

/// Longest name, in characters after normalisation.
pub const NAME_CHARS: usize = 64;

/// The name of a person or an assistant: 1 to 64 characters, letters, digits, single spaces and `- _ . '`.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let name = tidy(text, "name")?;
        // What ends a mention in running text cannot be part of a name, or `@Ann, hello` would have two readings.
        if let Some(odd) = name.chars().find(|c| !(c.is_alphanumeric() || is_mark(*c) || matches!(c, ' ' | '-' | '_' | '.' | '\''))) {
            return Err(Invalid::new("bad_name", format!("A name cannot contain “{odd}”: use letters, digits, spaces and - _ . '")));
        }
        if !name.starts_with(char::is_alphanumeric) || name.ends_with(['.', '\'', '-']) {
            return Err(Invalid::new(
                "bad_name",
                "A name must begin with a letter or a digit, and must not end with a dot, an apostrophe or a hyphen.",
            ));
        }
        Ok(Self(name))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Equal for two spellings of one name (`Ada`, `ADA`).
    pub fn key(&self) -> String {
        key(&self.0)
    }

    /// Equal for two names that look alike (`Ada` with a Cyrillic `а`).
    pub fn skeleton(&self) -> String {
        // Capitals are looked at as capitals: a Cyrillic `В` passes for a `B`, its small letter `в` for nothing Latin.
        let small = |c: char| match skeleton(c.encode_utf8(&mut [0; 4])).next() {
            Some(latin) if latin.is_ascii_uppercase() => latin.to_ascii_lowercase().to_string(),
            _ => c.to_lowercase().collect(),
        };
        skeleton(&key(&self.0.chars().map(small).collect::<String>())).collect::<String>().to_lowercase()
    }
}

/// The key under which a name is looked up, also for text that is no valid name (a sign-in with rubbish finds nobody).
pub fn key(text: &str) -> String {
    // No name contains a NUL, and Postgres cannot even be asked for one.
    let plain = text.nfkc().filter(|c| *c != '\0').collect::<String>();
    plain.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase().nfkc().collect()
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The name of a room: 1 to 64 characters of any visible text. Rooms may share a name; their ids differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomName(String);

impl RoomName {
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        tidy(text, "room's name").map(Self)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Longest topic of a room, in characters.
pub const TOPIC_CHARS: usize = 280;

/// What a room is about: one line of at most 280 characters, possibly empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topic(String);

impl Topic {
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let line = text.nfc().map(|c| if c.is_whitespace() { ' ' } else { c }).collect::<String>();
        let line = line.trim();
        if line.chars().any(is_hidden) {
            return Err(Invalid::new("bad_topic", "The topic contains invisible control characters: remove them."));
        }
        match line.chars().count() {
            0..=TOPIC_CHARS => Ok(Self(line.to_owned())),
            n => Err(Invalid::new("bad_topic", format!("The topic has {n} characters; at most {TOPIC_CHARS} fit."))),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// NFKC, trimmed, inner white space as single spaces; length and hidden characters checked.
fn tidy(text: &str, what: &str) -> Result<String, Invalid> {
    let normal: String = text.nfkc().collect();
    if normal.chars().any(is_hidden) {
        return Err(Invalid::new("bad_name", format!("The {what} contains invisible control characters: remove them.")));
    }
    let name = normal.split_whitespace().collect::<Vec<_>>().join(" ");
    match name.chars().count() {
        0 => Err(Invalid::new("bad_name", format!("The {what} is empty: write at least one character."))),
        1..=NAME_CHARS => Ok(name),
        n => Err(Invalid::new("bad_name", format!("The {what} has {n} characters; at most {NAME_CHARS} fit."))),
    }
}

/// Controls, bidirectional controls, zero-width and other invisible characters: they let one text pose as another.
pub(super) fn is_hidden(c: char) -> bool {
    (c.is_control() && !c.is_whitespace())
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Combining marks belong to the letter before them (Devanagari, Thai, accents that have no composed form).
fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tidied_and_keep_their_spelling() {
        assert_eq!(Name::parse("  Ada   Lovelace ").unwrap().as_str(), "Ada Lovelace");
        assert_eq!(Name::parse("助手").unwrap().as_str(), "助手");
        assert_eq!(Name::parse("Ａｄａ").unwrap().as_str(), "Ada");
        assert_eq!(Name::parse("สมชาย").unwrap().as_str(), "สมชาย");
    }

    #[test]
    fn names_that_hide_or_break_mentions_are_refused() {
        for bad in ["", "   ", "Ada\u{202e}", "A\u{200b}da", "@ada", "a,b", "ada\u{0}", "x.", "'x", &"x".repeat(65), "a/b", "<b>"] {
            assert!(Name::parse(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn look_alikes_share_a_skeleton() {
        let ada = Name::parse("Ada").unwrap();
        for other in ["ada", "ADA", "Аdа", "Αda"] {
            assert_eq!(Name::parse(other).unwrap().skeleton(), ada.skeleton(), "{other}");
        }
        assert_ne!(Name::parse("Ida").unwrap().skeleton(), ada.skeleton());
        for (one, other) in [("Bob", "Вob"), ("BOB", "ВОВ"), ("Ida", "іda"), ("Hans", "Нans")] {
            assert_eq!(Name::parse(one).unwrap().skeleton(), Name::parse(other).unwrap().skeleton(), "{other}");
        }
    }

    #[test]
    fn a_name_is_found_however_its_blanks_and_capitals_are_written() {
        assert_eq!(key("  aDA   lovelace\0"), Name::parse("Ada Lovelace").unwrap().key());
    }

    #[test]
    fn topics_are_one_line() {
        assert_eq!(Topic::parse(" two\nlines ").unwrap().as_str(), "two lines");
        assert!(Topic::parse(&"x".repeat(281)).is_err());
        assert_eq!(Topic::parse("").unwrap().as_str(), "");
    }
}
