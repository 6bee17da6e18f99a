//! Searching: how a text is cut into words, what somebody looks for, and where in a text that is.
//!
//! Both databases index what is cut here and nothing else, so that they find the same. A text is folded (compatible forms become one,
//! capitals small, accents go) and cut: a run of letters and digits is a word; in writing without spaces between words each character is one.
//! What is looked for is cut in the same way, and its words must follow each other: for Chinese that is finding any piece of a text, be it
//! one character long. A word holds nothing but letters, digits and marks, so none can be taken for an operator of a database's own language.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

use super::id::{MessageId, RoomId};
use super::message::AuthorId;
use super::{Invalid, Millis, name};

/// Longest text to look for, in characters.
pub const QUERY_CHARS: usize = 200;
/// Longer words are known by their beginning, in characters: Postgres takes 2 kB, and nobody types that.
const WORD_CHARS: usize = 64;
/// From so many letters on, a last word may go on: “risot” finds “risotto”.
const PREFIX_CHARS: usize = 2;
/// A result shows about so much text, in characters, and so much of it before the first word that was found.
const EXCERPT_CHARS: usize = 180;
const BEFORE_CHARS: usize = 48;

/// A word of a text, folded, and where it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    folded: String,
    /// In bytes of the text.
    from: usize,
    to: usize,
}

/// The words of a text, each once more where it stands again, with single spaces between them. Empty if it has none.
pub fn cut(text: &str) -> String {
    let mut out = String::new();
    for word in words(text) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&word.folded);
    }
    out
}

fn words(text: &str) -> Vec<Word> {
    let mut out: Vec<Word> = Vec::new();
    let mut chars = 0;
    // Whether the last word may go on, with letters or with marks alone.
    let (mut open, mut marks) = (false, false);
    for (from, to) in clusters(text) {
        if text[from..].starts_with(is_ignored) {
            continue;
        }
        // A compatible form may be several words, or the end of one and the beginning of another.
        for c in fold(&text[from..to]).chars() {
            let alone = stands_alone(c);
            let goes_on = if canonical_combining_class(c) != 0 { marks } else { open && !alone && c.is_alphanumeric() };
            match out.last_mut() {
                Some(word) if goes_on => {
                    word.to = to;
                    if chars < WORD_CHARS {
                        word.folded.push(c);
                        chars += 1;
                    }
                }
                _ if alone || c.is_alphanumeric() => {
                    out.push(Word { folded: c.to_string(), from, to });
                    (open, marks, chars) = (!alone, true, 1);
                }
                _ => (open, marks) = (false, false),
            }
        }
    }
    out
}

/// Characters with the marks that belong to them, as ranges of bytes.
fn clusters(text: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
    let mut chars = text.char_indices().peekable();
    std::iter::from_fn(move || {
        let (from, first) = chars.next()?;
        let mut to = from + first.len_utf8();
        while let Some((at, c)) =
            chars.next_if(|(_, c)| canonical_combining_class(*c) != 0 || matches!(c, '\u{1160}'..='\u{11ff}' | '\u{ff9e}' | '\u{ff9f}'))
        {
            to = at + c.len_utf8();
        }
        Some((from, to))
    })
}

/// One character with its marks, so that however it was written it is the same.
fn fold(cluster: &str) -> String {
    if let [byte] = cluster.as_bytes() {
        return char::from(byte.to_ascii_lowercase()).to_string();
    }
    let small: String = cluster.nfkc().flat_map(char::to_lowercase).collect();
    // Accents of Latin, Greek and Cyrillic letters. Marks of other writings are letters of their own.
    small.nfd().filter(|c| !('\u{300}'..='\u{36f}').contains(c)).nfc().nfkc().collect()
}

/// What is not seen and parts no words: soft hyphens, joiners, directions, variants of characters.
fn is_ignored(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}')
}

/// A word by itself: ideographs, kana, hangul, the writings of Southeast Asia, and pictures.
fn stands_alone(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{2fdf}'
        | '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{3029}' | '\u{3040}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{a4cf}'
        | '\u{a960}'..='\u{a97f}' | '\u{ac00}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
        || is_picture(c)
}

fn is_picture(c: char) -> bool {
    matches!(c, '\u{2600}'..='\u{27bf}' | '\u{1f000}'..='\u{1faff}')
}

/// What somebody looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Each a run of words that follow each other; a text must have them all, anywhere. May be empty where an author is named.
    pub phrases: Vec<Phrase>,
    /// The author's name as a key (`name::key`).
    pub from: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase {
    pub words: Vec<String>,
    /// The last word may be the beginning of one.
    pub open: bool,
}

impl Query {
    /// Parts are parted by spaces; what stands between quotation marks is one part; `from:NAME` (or `来自:NAME`) names the author.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.chars().count() > QUERY_CHARS {
            return Err(Invalid::new("search_too_long", format!("A search can be {QUERY_CHARS} characters long. Shorten it.")));
        }
        let mut phrases: Vec<Phrase> = Vec::new();
        let mut from = None;
        for part in parts(text) {
            match author(&part.text) {
                Some(name) if !part.quoted => from = Some(name::key(name)),
                _ => {
                    let words: Vec<String> = words(&part.text).into_iter().map(|word| word.folded).collect();
                    if !words.is_empty() {
                        phrases.push(Phrase { words, open: false });
                    }
                }
            }
        }
        // What was typed last may not be finished.
        if let Some(last) = phrases.last_mut()
            && text.ends_with(|c: char| c.is_alphanumeric())
            && last.words.last().is_some_and(|word| word.chars().count() >= PREFIX_CHARS)
        {
            last.open = true;
        }
        if phrases.is_empty() && from.is_none() {
            return Err(Invalid::new("search_no_words", "There is no word in that to search for. Use letters, digits or characters."));
        }
        Ok(Self { phrases, from })
    }
}

struct Part {
    text: String,
    quoted: bool,
}

/// Parts of what was typed. A name after `from:` may stand in quotation marks too. A mark that is not closed holds to the end.
fn parts(text: &str) -> Vec<Part> {
    let mut out = vec![Part { text: String::new(), quoted: false }];
    let mut inside = false;
    for c in text.chars() {
        let Some(part) = out.last_mut() else { break };
        match c {
            '"' | '“' | '”' => {
                inside = !inside;
                if inside && author(&part.text) != Some("") {
                    out.push(Part { text: String::new(), quoted: true });
                } else if !inside {
                    out.push(Part { text: String::new(), quoted: false });
                }
            }
            c if c.is_whitespace() && !inside => out.push(Part { text: String::new(), quoted: false }),
            c => part.text.push(c),
        }
    }
    out
}

fn author(part: &str) -> Option<&str> {
    let (what, name) = part.split_once([':', '：'])?;
    matches!(what.to_lowercase().as_str(), "from" | "来自").then_some(name)
}

/// A message that was found.
#[derive(Clone, Debug)]
pub struct Hit {
    pub id: MessageId,
    pub room: RoomId,
    pub author: AuthorId,
    pub author_name: String,
    pub at: Millis,
    pub excerpt: Vec<Piece>,
}

/// A piece of an excerpt: as it stands in the text, and whether it is what was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub text: String,
    pub found: bool,
}

/// A stretch of a text around the first thing that was looked for, on one line, with all in it that was.
pub fn excerpt(text: &str, query: &Query) -> Vec<Piece> {
    let words = words(text);
    let mut found: Vec<(usize, usize)> = Vec::new();
    for phrase in &query.phrases {
        let fits = |at: &[Word]| {
            let last = at.len() - 1;
            at.iter().zip(&phrase.words).enumerate().all(|(n, (word, wanted))| match phrase.open && n == last {
                true => word.folded.starts_with(wanted.as_str()),
                false => word.folded == *wanted,
            })
        };
        found.extend(words.windows(phrase.words.len()).filter(|at| fits(at)).map(|at| (at[0].from, at[at.len() - 1].to)));
    }
    found.sort_unstable();
    let first = found.first().map_or(0, |(from, _)| *from);
    // From a few words before it on, where a line or a word begins.
    let mut from = text[..first].char_indices().rev().nth(BEFORE_CHARS - 1).map_or(0, |(at, _)| at);
    if from > 0 {
        from = words.iter().map(|word| word.from).find(|at| *at >= from).unwrap_or(first).min(first);
    }
    let to = text[from..].char_indices().nth(EXCERPT_CHARS).map_or(text.len(), |(at, _)| from + at);
    let mut out: Vec<Piece> = Vec::new();
    let mut add = |part: &str, found: bool| {
        // Lines become one; what was found keeps its letters.
        let mut line = String::with_capacity(part.len());
        for c in part.chars() {
            match c.is_whitespace() || c.is_control() {
                true if line.ends_with(' ') => {}
                true => line.push(' '),
                false => line.push(c),
            }
        }
        if !line.is_empty() {
            out.push(Piece { text: line, found });
        }
    };
    if from > 0 {
        add("… ", false);
    }
    let mut at = from;
    for (start, end) in found {
        let (start, end) = (start.max(at), end.min(to));
        if start >= end {
            continue;
        }
        add(&text[at..start], false);
        add(&text[start..end], true);
        at = end;
    }
    add(&text[at..to.max(at)], false);
    if to < text.len() {
        add(" …", false);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_into_words() {
        for (text, cut_up) in [
            ("", ""),
            (" \n\t…", ""),
            ("Is anyone cooking?", "is anyone cooking"),
            ("Crème BRÛLÉE, naïve Ёлка", "creme brulee naive елка"),
            ("Cre\u{300}me", "creme"),
            ("don’t don't", "don t don t"),
            ("我们7点见面，好吗？", "我 们 7 点 见 面 好 吗"),
            ("iPhone手机 15Pro", "iphone 手 机 15pro"),
            ("ｆｕｌｌ　ｗｉｄｔｈ １２３", "full width 123"),
            ("ガラス か\u{3099}らす", "ガ ラ ス が ら す"),
            ("ｶﾞﾗｽ ㍿", "ガ ラ ス 株 式 会 社"),
            ("한국어 \u{1112}\u{1161}\u{11ab}", "한 국 어 한"),
            ("soft\u{ad}ware zero\u{200d}width", "software zerowidth"),
            ("İstanbul ﬁn ½", "istanbul fin 1 2"),
            ("party 🎉🎂 C++ a_b", "party 🎉 🎂 c a b"),
            ("हिन्दी", "हिन्दी"),
        ] {
            assert_eq!(cut(text), cut_up, "{text:?}");
        }
        let long = "x".repeat(500);
        assert_eq!(cut(&long), long[..WORD_CHARS]);
    }

    #[test]
    fn queries_say_what_is_looked_for() {
        let said = |text: &str| {
            let query = Query::parse(text).map_err(|error| error.code)?;
            let phrases: Vec<String> =
                query.phrases.iter().map(|phrase| format!("{}{}", phrase.words.join(" "), if phrase.open { "…" } else { "" })).collect();
            Ok::<_, &str>((phrases.join(" & "), query.from))
        };
        assert_eq!(said("Soup ris"), Ok(("soup & ris…".into(), None)));
        assert_eq!(said("soup "), Ok(("soup".into(), None)));
        assert_eq!(said("a"), Ok(("a".into(), None)), "one letter begins too much");
        assert_eq!(said("见面 7点"), Ok(("见 面 & 7 点".into(), None)));
        assert_eq!(said("\"warm soup\" bread"), Ok(("warm soup & bread…".into(), None)));
        assert_eq!(said("\"never closed"), Ok(("never closed…".into(), None)));
        assert_eq!(said("from:Ada soup"), Ok(("soup…".into(), Some("ada".into()))));
        assert_eq!(said("来自：\"Ada  Lovelace\""), Ok((String::new(), Some("ada lovelace".into()))));
        assert_eq!(said("\"from:ada\""), Ok(("from ada".into(), None)));
        assert_eq!(said("NEAR(a b) OR c* -d:e & | ! <-> '"), Ok(("near a & b & or & c & d e".into(), None)));
        for nothing in ["", "  ", "*", "\"\"", "\0", "&|!<>", "'"] {
            assert_eq!(said(nothing), Err("search_no_words"), "{nothing:?}");
        }
        assert_eq!(said(&"x".repeat(QUERY_CHARS + 1)), Err("search_too_long"));
    }

    #[test]
    fn excerpts_mark_what_was_found() {
        let marked = |text: &str, query: &str| {
            let pieces = excerpt(text, &Query::parse(query).unwrap());
            pieces.into_iter().map(|piece| if piece.found { format!("[{}]", piece.text) } else { piece.text }).collect::<String>()
        };
        assert_eq!(marked("Warm the Broth,\n\nthen more broth.", "broth"), "Warm the [Broth], then more [broth].");
        assert_eq!(marked("Crème brûlée", "creme bru"), "[Crème] [brûlée]");
        assert_eq!(marked("明天我们七点见面吗？", "见面"), "明天我们七点[见面]吗？");
        assert_eq!(marked("<b>soup</b>", "soup"), "<b>[soup]</b>");
        assert_eq!(marked("nothing of it", "soup"), "nothing of it");
        let long = format!("{} needle {}", "hay ".repeat(100), "straw ".repeat(100));
        let marked = marked(&long, "needle");
        assert!(marked.starts_with("… hay hay") && marked.contains("[needle] straw") && marked.ends_with(" …"), "{marked}");
        assert!(marked.chars().count() < EXCERPT_CHARS + 10);
    }
}
