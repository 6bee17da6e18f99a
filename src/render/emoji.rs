//! Emoji by name: `:tada:` → 🎉, with GitHub's short names.
//!
//! A name stands on its own: `10:30:45`, `std::tada::x` and addresses have none, while `你好:tada:世界` does, since
//! Chinese puts no spaces between words.

use crate::render::mention::in_word;

/// No name is longer.
const LONGEST: usize = 40;

/// An emoji's name in a text: bytes `start..end` are it with its colons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) emoji: &'static str,
}

/// An emoji as a picker shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmojiName {
    /// The short name, without colons.
    pub name: &'static str,
    /// The characters.
    pub emoji: &'static str,
    /// What it shows, in English.
    pub about: &'static str,
}

/// All emoji that have a name, in the order in which pickers show them; an emoji with several names comes several times,
/// the usual name first.
pub fn emoji_names() -> impl Iterator<Item = EmojiName> {
    emojis::iter().flat_map(|emoji| emoji.shortcodes().map(|name| EmojiName { name, emoji: emoji.as_str(), about: emoji.name() }))
}

/// The first emoji's name in `text` at or behind byte `from`.
pub(crate) fn next(text: &str, from: usize) -> Option<Found> {
    for (offset, _) in text[from..].match_indices(':') {
        let start = from + offset;
        let name = &text[start + 1..];
        let length = name.bytes().take(LONGEST + 1).take_while(|b| is_of_name(*b)).count();
        let end = start + length + 2;
        if (1..=LONGEST).contains(&length)
            && name[length..].starts_with(':')
            && stands_alone(&text[..start])
            && !text[end..].chars().next().is_some_and(in_word)
            && let Some(emoji) = emojis::get_by_shortcode(&name[..length])
        {
            return Some(Found { start, end, emoji: emoji.as_str() });
        }
    }
    None
}

/// A text with emoji in the place of their names.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    while let Some(found) = next(text, from) {
        shown.push_str(&text[from..found.start]);
        shown.push_str(found.emoji);
        from = found.end;
    }
    shown.push_str(&text[from..]);
    shown
}

/// Whether a text that begins with a colon, behind `before`, may become an emoji's name when more comes: so far it is the
/// beginning of one.
pub(crate) fn may_become(before: &str, text: &str) -> bool {
    let Some(name) = text.strip_prefix(':') else { return false };
    (1..=LONGEST).contains(&name.len())
        && name.bytes().all(is_of_name)
        && stands_alone(before)
        && emojis::iter().any(|emoji| emoji.shortcodes().any(|code| code.starts_with(name)))
}

fn stands_alone(before: &str) -> bool {
    !before.chars().next_back().is_some_and(|c| in_word(c) || c == ':')
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'+')
}

#[cfg(test)]
mod tests {
    use super::{emoji_names, may_become, shown};

    #[test]
    fn names_become_emoji() {
        assert_eq!(shown(":tada: done :+1:, (:smile:) 好:tada:的"), "🎉 done 👍, (😄) 好🎉的");
        assert_eq!(shown(":tada::tada:"), "🎉:tada:");
        assert_eq!(shown(":white_check_mark:"), "✅");
    }

    #[test]
    fn times_words_and_unknown_names_stay() {
        for text in ["10:30:45", "a:tada:b", "std::tada::x", "http://x:tada:", ":nobody_knows:", ": tada :", ":TADA:", "::", ":", ":tada"] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn beginnings_are_known() {
        assert!(may_become("well ", ":tad") && may_become("", ":t") && may_become("好", ":tada"));
        assert!(!may_become("10", ":30") && !may_become("", ":qqq") && !may_become("", ":") && !may_become("", ":ta da"));
    }

    #[test]
    fn a_picker_finds_every_name_once() {
        let names: Vec<_> = emoji_names().collect();
        let mut unique: Vec<_> = names.iter().map(|emoji| emoji.name).collect();
        unique.sort_unstable();
        unique.dedup();
        assert!(names.len() > 1500 && unique.len() == names.len());
        assert!(names.iter().any(|emoji| emoji.name == "thumbsup" && emoji.emoji == "👍"));
    }
}
