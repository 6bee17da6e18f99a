//! Finding `@Name` and `#Room` in plain text.
//!
//! A mention is an at sign (also the full-width one that Chinese input methods write) and a known name, in any case,
//! the longest that fits. It stands on its own: neither before the at sign nor behind the name goes a word on in the
//! same script, so `ada@Ada.org` and `@Adamant` mention nobody, while `问@助手，` and `@助手3点` mention 助手, since Chinese
//! puts no spaces between words. A room's name behind a number sign, full-width or not, is found by the same rules.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So often names are gone through one by one before an index of them is made, which costs about as much as that.
const WALKS: usize = 32;

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

/// Names that may be mentioned, in the order in which they were given.
#[derive(Debug)]
pub(crate) struct Names<N> {
    list: Vec<N>,
    /// How often they were gone through one by one.
    walks: AtomicUsize,
    /// Made once that has cost as much as making it does.
    index: OnceLock<Index>,
}

impl<N: AsRef<str> + Clone> From<&[N]> for Names<N> {
    fn from(list: &[N]) -> Self {
        Self { list: list.to_vec(), walks: AtomicUsize::new(0), index: OnceLock::new() }
    }
}

impl<N> Deref for Names<N> {
    type Target = [N];

    fn deref(&self) -> &[N] {
        &self.list
    }
}

impl<N: AsRef<str>> Names<N> {
    /// The longest name that `text` begins with: how many bytes of the text it is, and which. Of equal ones the first.
    fn longest(&self, text: &str) -> Option<(usize, usize)> {
        if self.index.get().is_none() && self.walks.fetch_add(1, Ordering::Relaxed) < WALKS {
            return self.longest_of_all(text);
        }
        self.index.get_or_init(|| Index::new(&self.list)).longest(text)
    }

    /// The same by looking at one name after the other.
    fn longest_of_all(&self, text: &str) -> Option<(usize, usize)> {
        let fitting = self.list.iter().enumerate().filter_map(|(index, name)| Some((prefix(text, name.as_ref())?, index)));
        fitting.max_by_key(|(length, index)| (*length, Reverse(*index)))
    }
}

/// Names as a tree of their characters, so that a sign costs no more with a thousand of them than with ten.
#[derive(Debug)]
struct Index {
    /// From a node by a character to the next node; the first one is 0.
    steps: HashMap<(u32, Folded), u32>,
    ends: Vec<End>,
}

/// Which names end at a node.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    /// The first of those that may be followed by anything.
    free: Option<usize>,
    /// The first of those that end a word.
    word: Option<usize>,
}

impl Index {
    fn new<N: AsRef<str>>(names: &[N]) -> Self {
        let mut index = Self { steps: HashMap::new(), ends: vec![End::default()] };
        for (number, name) in names.iter().enumerate() {
            let mut node = 0;
            for character in name.as_ref().chars() {
                let new = index.ends.len() as u32;
                node = *index.steps.entry((node, folded(character))).or_insert(new);
                if node == new {
                    index.ends.push(End::default());
                }
            }
            let Some(last) = name.as_ref().chars().next_back() else { continue };
            let end = &mut index.ends[node as usize];
            let place = if in_word(last) { &mut end.word } else { &mut end.free };
            place.get_or_insert(number);
        }
        index
    }

    fn longest(&self, text: &str) -> Option<(usize, usize)> {
        let mut longest = None;
        let mut node = 0;
        let mut rest = text.chars();
        while let Some(next) = rest.next().and_then(|character| self.steps.get(&(node, folded(character)))) {
            node = *next;
            let End { free, word } = self.ends[node as usize];
            let word = word.filter(|_| !rest.clone().next().is_some_and(in_word));
            if let Some(name) = free.into_iter().chain(word).min() {
                longest = Some((text.len() - rest.as_str().len(), name));
            }
        }
        longest
    }
}

/// A character in whatever case, as [`prefix`] compares it.
type Folded = [char; 3];

fn folded(character: char) -> Folded {
    let mut folded = ['\0'; 3];
    for (place, lower) in folded.iter_mut().zip(character.to_lowercase()) {
        *place = lower;
    }
    folded
}

/// The first mention in `text` at or behind byte `from`, of names that have one of `signs` in front of them.
pub(crate) fn next<N: AsRef<str>>(text: &str, from: usize, signs: [char; 2], names: &Names<N>) -> Option<Mention> {
    if names.is_empty() {
        return None;
    }
    for (offset, sign) in text[from..].match_indices(signs) {
        let start = from + offset;
        if text[..start].chars().next_back().is_some_and(|before| in_word(before) || NUMBER.contains(&before)) {
            continue;
        }
        let behind = start + sign.len();
        if let Some((length, name)) = names.longest(&text[behind..]) {
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
    use proptest::prelude::*;

    use super::{AT, Index, NUMBER, Names, WALKS, next};

    fn found(text: &str) -> Vec<&'static str> {
        let names = ["Ada", "Ada Lovelace", "助手", "Zoë"];
        let owned = Names::from(&names.map(String::from)[..]);
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
        let rooms = Names::from(&["Kitchen", "Kitchen talk", "厨房", "C#"].map(String::from)[..]);
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

    proptest! {
        /// Letters of several scripts and cases, of which some change their length with it, signs, and what stands between words.
        #[test]
        fn the_index_finds_what_is_found_name_by_name(
            names in prop::collection::vec("[abABkK\u{212a}ßẞiIİ\u{307}σςΣ助手ａＡ #＃@_1.]{0,4}", 0..12),
            text in "[abABkK\u{212a}ßẞiIİ\u{307}σςΣ助手ａＡ #＃@_1.]{0,24}",
        ) {
            let (index, names) = (Index::new(&names), Names::from(&names[..]));
            for (at, _) in text.char_indices() {
                prop_assert_eq!(index.longest(&text[at..]), names.longest_of_all(&text[at..]), "{:?} in {:?}", &text[at..], &*names);
            }
        }

        #[test]
        fn whatever_the_text_and_the_names(names in prop::collection::vec(".{0,3}", 0..6), text in ".{0,12}") {
            let index = Index::new(&names);
            let cut = names.iter().map(|name| format!("{}{text}", name.to_uppercase())).chain([text.clone()]);
            let names = Names::from(&names[..]);
            for text in cut {
                prop_assert_eq!(index.longest(&text), names.longest_of_all(&text), "{:?} in {:?}", &text, &*names);
            }
        }
    }

    /// A text of signs alone in a large room: the names are gone through a few times, not once for each sign.
    #[test]
    fn many_signs_do_not_cost_as_many_walks_through_the_names() {
        let people: Vec<String> = (0..1000).map(|number| format!("a{number}")).collect();
        let names = Names::from(&people[..]);
        let began = std::time::Instant::now();
        assert_eq!(next(&"@a ".repeat(20_000), 0, AT, &names), None);
        println!("20,000 signs, 1,000 names: {:?}", began.elapsed());
        assert!(names.walks.load(super::Ordering::Relaxed) <= WALKS + 1);
        let told = "@A7 ".repeat(20_000);
        let mut from = 0;
        while let Some(mention) = next(&told, from, AT, &names) {
            assert_eq!(mention.name, 7);
            from = mention.end;
        }
        assert_eq!(from, told.len() - 1);
        assert!(names.walks.load(super::Ordering::Relaxed) <= WALKS + 1);
    }
}
