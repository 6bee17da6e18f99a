//! Finding `@Name` and `#Room` in plain text.
//!
//! A mention is an at sign (also the full-width one that Chinese input methods write) and a known name, in any case,
//! the longest that fits. It stands on its own: neither before the at sign nor behind the name goes a word on in the
//! same script, so `ada@Ada.org` and `@Adamant` mention nobody, while `问@助手，` and `@助手3点` mention 助手, since Chinese
//! puts no spaces between words. A room's name behind a number sign, full-width or not, is found by the same rules.

/// The signs in front of the name of a person or an assistant, and of a room.
pub(crate) const AT: [char; 2] = ['@', '＠'];
pub(crate) const NUMBER: [char; 2] = ['#', '＃'];

/// A mention: bytes `start..end` of the text name `names[name]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mention {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) name: usize,
}

/// The first mention in `text` at or behind byte `from`, of names that have one of `signs` in front of them.
pub(crate) fn next<N: AsRef<str>>(text: &str, from: usize, signs: [char; 2], names: &[N]) -> Option<Mention> {
    if names.is_empty() {
        return None;
    }
    for (offset, sign) in text[from..].match_indices(signs) {
        let start = from + offset;
        if text[..start].chars().next_back().is_some_and(|before| in_word(before) || NUMBER.contains(&before)) {
            continue;
        }
        let behind = start + sign.len();
        let longest = names
            .iter()
            .enumerate()
            .filter_map(|(index, name)| Some((prefix(&text[behind..], name.as_ref())?, index)))
            .max_by_key(|(length, index)| (*length, std::cmp::Reverse(*index)));
        if let Some((length, name)) = longest {
            return Some(Mention { start, end: behind + length, name });
        }
    }
    None
}

/// Length in bytes of the beginning of `text` that is `name`, if it is one and ends there.
fn prefix(text: &str, name: &str) -> Option<usize> {
    let mut rest = text.char_indices();
    let mut end = 0;
    for wanted in name.chars() {
        let (at, found) = rest.next()?;
        if found != wanted && !found.to_lowercase().eq(wanted.to_lowercase()) {
            return None;
        }
        end = at + found.len_utf8();
    }
    let last = name.chars().next_back()?;
    let goes_on = text[end..].chars().next().is_some_and(in_word);
    (!(in_word(last) && goes_on)).then_some(end)
}

/// Whether a character belongs to a word of a script that separates words: Latin, Cyrillic, Greek … but not Chinese,
/// Japanese or Korean.
pub(crate) fn in_word(character: char) -> bool {
    let east_asian = matches!(character,
        '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}'
        | '\u{ff00}'..='\u{ffef}' | '\u{1b000}'..='\u{1b16f}' | '\u{20000}'..='\u{3ffff}');
    let mark = matches!(character, '\u{300}'..='\u{36f}');
    (character.is_alphanumeric() || character == '_' || mark) && !east_asian
}

#[cfg(test)]
mod tests {
    use super::{AT, NUMBER, next};

    fn found(text: &str) -> Vec<&'static str> {
        let names = ["Ada", "Ada Lovelace", "助手", "Zoë"];
        let owned = names.map(String::from);
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(mention) = next(text, from, AT, &owned) {
            found.push(names[mention.name]);
            from = mention.end;
        }
        found
    }

    #[test]
    fn the_longest_name_that_fits_is_meant() {
        assert_eq!(found("@Ada and @ada lovelace!"), ["Ada", "Ada Lovelace"]);
        assert_eq!(found("@Ada Lovelaces"), ["Ada"]);
        assert_eq!(found("@ZOË: hi"), ["Zoë"]);
    }

    #[test]
    fn a_word_that_goes_on_is_another_word() {
        assert!(found("@Adamant, @Ada1, @Adaé, @Ada_b").is_empty());
        assert!(found("mail ada@Ada.org").is_empty());
        assert_eq!(found("(@Ada), @Ada's"), ["Ada", "Ada"]);
    }

    #[test]
    fn rooms_have_a_number_sign() {
        let rooms = ["Kitchen", "Kitchen talk", "厨房", "C#"].map(String::from);
        let found = |text: &str| {
            let mut found = Vec::new();
            let mut from = 0;
            while let Some(room) = next(text, from, NUMBER, &rooms) {
                found.push(rooms[room.name].clone());
                from = room.end;
            }
            found
        };
        assert_eq!(found("#kitchen, (#Kitchen Talk) 去＃厨房吧，#厨房。#C#"), ["Kitchen", "Kitchen talk", "厨房", "厨房", "C#"]);
        assert!(found("# Kitchen, ##Kitchen, a#Kitchen, #Kitchens, #12").is_empty());
    }

    #[test]
    fn chinese_needs_no_spaces() {
        assert_eq!(found("请问@助手，还有＠助手们，@Ada你好，@助手3点"), ["助手", "助手", "Ada", "助手"]);
    }
}
