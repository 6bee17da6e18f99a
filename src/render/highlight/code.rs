//! Reads a line of a programming language by the tables of its [`Grammar`].
//!
//! It knows what all of them share: words, numbers, comments, texts between delimiters, names that are called. What a
//! language has of its own are switches of the grammar.

use std::collections::HashMap;

use crate::render::highlight::languages::{Fill, Grammar, Language, Reader, Text};
use crate::render::highlight::pen::{Class, Pen};

/// How deep code inside of texts inside of code is coloured.
const DEEPEST_FILL: usize = 3;

/// How far the other end of a character between single quotes is looked for, in bytes: `'\u{10FFFF}'`.
const LONGEST_CHARACTER: usize = 12;

/// How far the end of code inside a text is looked for, in bytes.
const LONGEST_FILL: usize = 240;

/// How far behind the name of a program the sign of an assignment is looked for, in bytes.
const LONGEST_COMMAND: usize = 64;

/// A language and its words.
#[derive(Debug)]
pub(super) struct Lexicon {
    pub(super) language: &'static Language,
    words: HashMap<&'static str, Word>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Keyword,
    /// A keyword that the name of a function follows.
    BeforeFunction,
    /// A keyword that the name of a type follows.
    BeforeType,
    Constant,
    Type,
}

impl Lexicon {
    pub(super) fn new(language: &'static Language) -> Self {
        let mut words = HashMap::new();
        if let Reader::Code(grammar) = &language.reader {
            let lists = [
                (grammar.keywords, Word::Keyword),
                (grammar.before_function, Word::BeforeFunction),
                (grammar.before_type, Word::BeforeType),
                (grammar.constants, Word::Constant),
                (grammar.types, Word::Type),
            ];
            for (list, word) in lists {
                words.extend(list.split_ascii_whitespace().map(|text| (text, word)));
            }
        }
        Self { language, words }
    }
}

/// What a line leaves open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Open {
    #[default]
    Nothing,
    /// A comment of this kind, so many levels deep.
    Comment { kind: u8, depth: u16 },
    /// A text of this kind, with code in it if `fills`.
    Text { kind: u8, fills: bool },
    /// A text up to a closing delimiter with so many signs.
    Counted { sort: Counted, count: u16 },
    /// A text up to a line with this word.
    Here(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// `r##"…"##`
    Hashes,
    /// `[==[…]==]`
    Brackets,
    /// The same, as a comment.
    BracketsComment,
}

/// What stands in front, as far as it says what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    Value,
    Keyword,
    Dot,
    Operator,
}

/// Reads a line without its end.
pub(super) fn line(lexicon: &'static Lexicon, grammar: &'static Grammar, open: Open, line: &str, pen: &mut Pen<'_>) -> Open {
    let mut reader = Line {
        lexicon,
        grammar,
        line,
        at: 0,
        pen,
        open,
        before: Before::Nothing,
        name: Class::Plain,
        here: None,
        depth: 0,
        no_pattern: false,
    };
    reader.read();
    match (reader.open, reader.here) {
        (Open::Nothing, Some(word)) => Open::Here(word),
        (open, _) => open,
    }
}

struct Line<'a, 'p, 'o> {
    lexicon: &'static Lexicon,
    grammar: &'static Grammar,
    line: &'a str,
    at: usize,
    pen: &'p mut Pen<'o>,
    open: Open,
    before: Before,
    /// The class of the name that is awaited, behind `fn` or `class`.
    name: Class,
    /// The word of a text that begins with the next line.
    here: Option<u64>,
    depth: usize,
    /// There is no closing slash in the rest of this line.
    no_pattern: bool,
}

impl<'a> Line<'a, '_, '_> {
    fn rest(&self) -> &'a str {
        &self.line[self.at..]
    }

    fn take(&mut self, class: Class, length: usize) {
        let line = self.line;
        self.pen.put(class, &line[self.at..self.at + length]);
        self.at += length;
    }

    fn read(&mut self) {
        self.resume();
        if self.at == 0 && self.open == Open::Nothing {
            self.start();
        }
        while self.at < self.line.len() {
            let before = self.at;
            if self.open == Open::Nothing {
                self.token();
            } else {
                self.resume();
            }
            debug_assert!(self.at > before || self.open == Open::Nothing, "reading goes on");
            if self.at == before && self.open != Open::Nothing {
                self.take(Class::Plain, self.line.len() - before);
            }
        }
    }

    /// What can only stand at the start of a line.
    fn start(&mut self) {
        let grammar = self.grammar;
        let content = self.line.trim_start_matches([' ', '\t']);
        let indent = self.line.len() - content.len();
        if grammar.directives && content.starts_with('#') {
            let behind = content[1..].trim_start_matches([' ', '\t']);
            let space = content.len() - behind.len();
            let word = behind.bytes().take_while(u8::is_ascii_alphabetic).count();
            self.take(Class::Plain, indent);
            self.take(Class::Keyword, space + word);
            if behind[..word].ends_with("include") || &behind[..word] == "import" {
                let rest = self.rest();
                let quoted = rest.trim_start_matches([' ', '\t']);
                self.take(Class::Plain, rest.len() - quoted.len());
                if let (true, Some(end)) = (quoted.starts_with('<'), quoted.find('>')) {
                    self.take(Class::Text, end + 1);
                }
            }
        } else if grammar.attributes && (content.starts_with("#[") || content.starts_with("#![")) {
            self.take(Class::Plain, indent);
            self.attribute();
        } else if let Some(comment) = grammar.first_column.filter(|mark| self.line.starts_with(*mark)) {
            debug_assert!(!comment.is_empty(), "a mark");
            self.take(Class::Comment, self.line.len());
        }
    }

    /// `#[…]`, up to the bracket that closes it.
    fn attribute(&mut self) {
        let mut depth = 0;
        let end = self.rest().bytes().position(|b| {
            depth += match b {
                b'[' => 1,
                b']' => -1,
                _ => 0,
            };
            b == b']' && depth == 0
        });
        self.take(Class::Attribute, end.map_or(self.rest().len(), |end| end + 1));
    }

    /// Goes on with what is open.
    fn resume(&mut self) {
        match self.open {
            Open::Nothing => {}
            Open::Comment { kind, depth } => self.comment(kind, depth),
            Open::Text { kind, fills } => self.text(&self.grammar.texts[usize::from(kind)], kind, fills),
            Open::Counted { sort, count } => {
                let count = usize::from(count);
                let (end, class) = match sort {
                    Counted::Hashes => ("\"".to_owned() + &"#".repeat(count), Class::Text),
                    Counted::Brackets => (format!("]{}]", "=".repeat(count)), Class::Text),
                    Counted::BracketsComment => (format!("]{}]", "=".repeat(count)), Class::Comment),
                };
                match self.rest().find(&end) {
                    Some(at) => {
                        self.take(class, at + end.len());
                        self.close();
                    }
                    None => self.take(class, self.rest().len()),
                }
            }
            Open::Here(word) => {
                let ended = hash(self.line.trim().trim_end_matches([';', ',', ')'])) == word;
                self.take(if ended { Class::Keyword } else { Class::Text }, self.rest().len());
                if ended {
                    self.close();
                }
            }
        }
    }

    fn close(&mut self) {
        self.open = Open::Nothing;
        self.before = Before::Value;
    }

    fn comment(&mut self, kind: u8, mut depth: u16) {
        let (start, end) = self.grammar.comments[usize::from(kind)];
        let rest = self.rest();
        let mut at = 0;
        while let Some(found) = rest[at..].find([first(start), first(end)]) {
            at += found;
            if rest[at..].starts_with(end) {
                at += end.len();
                depth -= 1;
                if depth == 0 {
                    self.take(Class::Comment, at);
                    self.open = Open::Nothing;
                    return;
                }
            } else if self.grammar.nested && rest[at..].starts_with(start) {
                at += start.len();
                depth = depth.saturating_add(1);
            } else {
                at += rest[at..].chars().next().map_or(1, char::len_utf8);
            }
        }
        self.take(Class::Comment, rest.len());
        self.open = Open::Comment { kind, depth };
    }

    /// The rest of a text behind its opening delimiter.
    fn text(&mut self, text: &'static Text, kind: u8, fills: bool) {
        let fill = if fills { text.fill } else { Fill::None };
        let rest = self.rest();
        let mut at = 0;
        let mut written = 0;
        while at < rest.len() {
            let here = &rest[at..];
            if text.escape.is_some_and(|escape| here.starts_with(escape)) {
                let escape = here.chars().next().map_or(1, char::len_utf8);
                let twice = text.open == text.close && text.escape == Some(first(text.close));
                if !twice || here[escape..].starts_with(text.close) {
                    at += escape + here[escape..].chars().next().map_or(0, char::len_utf8);
                    continue;
                }
            }
            if here.starts_with(text.close) {
                at += text.close.len();
                self.take(Class::Text, at - written);
                self.close();
                return;
            }
            if let Some((start, inside, end)) = filling(fill, here) {
                self.take(Class::Text, at - written);
                self.fill(start, inside, end);
                at += start + inside + end;
                written = at;
                continue;
            }
            at += here.chars().next().map_or(1, char::len_utf8);
        }
        self.take(Class::Text, at - written);
        if text.many_lines {
            self.open = Open::Text { kind, fills };
        } else {
            // An end that never came: the next line is code again.
            let goes_on = text.escape == Some('\\') && rest.ends_with('\\') && self.grammar.goes_on;
            self.open = if goes_on { Open::Text { kind, fills } } else { Open::Nothing };
        }
    }

    /// Code inside a text.
    fn fill(&mut self, start: usize, inside: usize, end: usize) {
        if start == 0 {
            self.take(Class::Attribute, inside);
            return;
        }
        self.take(Class::Attribute, start);
        if self.depth < DEEPEST_FILL {
            let line = &self.line[..self.at + inside];
            let mut reader = Line {
                lexicon: self.lexicon,
                grammar: self.grammar,
                line,
                at: self.at,
                pen: &mut *self.pen,
                open: Open::Nothing,
                before: Before::Operator,
                name: Class::Plain,
                here: None,
                depth: self.depth + 1,
                no_pattern: false,
            };
            reader.read();
            self.at = line.len();
        } else {
            self.take(Class::Plain, inside);
        }
        self.take(Class::Attribute, end);
    }

    fn token(&mut self) {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let grammar = self.grammar;
        let blanks = bytes.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        if blanks > 0 {
            return self.take(Class::Plain, blanks);
        }
        if self.starts_comment() {
            return;
        }
        let next = bytes[0];
        if next.is_ascii_digit() || next == b'.' && bytes.get(1).is_some_and(u8::is_ascii_digit) && self.before != Before::Value {
            return self.number();
        }
        if let Some(sign) = self.sign_of_variable() {
            self.before = Before::Value;
            return self.take(Class::Attribute, sign);
        }
        if let Some(length) = self.word() {
            return self.name(length);
        }
        if self.starts_text(0) || self.special() {
            return;
        }
        let character = rest.chars().next().unwrap_or(' ');
        self.before = match character {
            ')' | ']' | '}' => Before::Value,
            '.' => Before::Dot,
            ':' if rest.starts_with("::") => {
                self.take(Class::Plain, 1);
                Before::Dot
            }
            '-' if rest.starts_with("->") && grammar.arrow_is_dot => {
                self.take(Class::Plain, 1);
                Before::Dot
            }
            _ => Before::Operator,
        };
        if !matches!(character, '*' | '&' | '<') {
            self.name = Class::Plain;
        }
        self.take(Class::Plain, character.len_utf8());
    }

    fn starts_comment(&mut self) -> bool {
        let rest = self.rest();
        let grammar = self.grammar;
        if grammar.long_brackets
            && let Some(behind) = rest.strip_prefix("--[")
            && let Some(count) = brackets(behind)
        {
            self.take(Class::Comment, count + 4);
            self.open = Open::Counted { sort: Counted::BracketsComment, count: count as u16 };
            return true;
        }
        for (kind, (start, _)) in grammar.comments.iter().enumerate() {
            if rest.starts_with(start) {
                self.take(Class::Comment, start.len());
                self.open = Open::Comment { kind: kind as u8, depth: 1 };
                // What is open is closed at the end of the line, if not before.
                self.comment(kind as u8, 1);
                return true;
            }
        }
        // In a shell a comment begins a word: `$#`, `a#b` are none.
        let apart = !grammar.comments_apart || self.at == 0 || self.line[..self.at].ends_with([' ', '\t', ';', '(', ')']);
        if apart && grammar.line_comments.iter().any(|mark| rest.starts_with(mark)) {
            self.take(Class::Comment, rest.len());
            return true;
        }
        false
    }

    fn number(&mut self) {
        let bytes = self.rest().as_bytes();
        let mut length = 0;
        while let Some(byte) = bytes.get(length) {
            let next = bytes.get(length + 1);
            let goes_on = match byte {
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' => true,
                b'.' => next.is_some_and(u8::is_ascii_digit),
                b'\'' => self.grammar.quoted_digits && next.is_some_and(u8::is_ascii_hexdigit),
                b'+' | b'-' => {
                    length > 0
                        && matches!(bytes[length - 1], b'e' | b'E')
                        && next.is_some_and(u8::is_ascii_digit)
                        && !bytes.starts_with(b"0x")
                }
                _ => false,
            };
            if !goes_on {
                break;
            }
            length += 1;
        }
        self.before = Before::Value;
        self.take(Class::Constant, length.max(1));
    }

    /// `$name`, `${name}`, `@name`: how long it is.
    fn sign_of_variable(&self) -> Option<usize> {
        let rest = self.rest();
        let sign = rest.chars().next().filter(|sign| self.grammar.signs.contains(*sign))?;
        let behind = rest[sign.len_utf8()..].trim_start_matches(['$', '@']);
        let signs = rest.len() - behind.len();
        if sign == '$' && behind.starts_with('{') {
            let end = behind.bytes().take(LONGEST_FILL).position(|b| b == b'}')?;
            return Some(signs + end + 1);
        }
        let name = behind.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80).count();
        if name > 0 {
            return Some(signs + name);
        }
        let special = sign == '$' && self.grammar.comments_apart && behind.starts_with(['?', '!', '#', '*', '-']);
        (special || signs > 1 && sign == '$').then_some(signs + usize::from(special))
    }

    /// How long the word is that begins here.
    fn word(&self) -> Option<usize> {
        let rest = self.rest();
        let extra = self.grammar.in_words;
        let begins = |c: char| c.is_alphabetic() || c == '_' || c == '$' && extra.contains('$');
        if !rest.starts_with(begins) {
            return None;
        }
        let part = |c: char| c.is_alphanumeric() || c == '_' || extra.contains(c);
        Some(rest.find(|c| !part(c)).unwrap_or(rest.len()))
    }

    fn name(&mut self, length: usize) {
        let grammar = self.grammar;
        let word = &self.rest()[..length];
        let behind = &self.rest()[length..];
        if behind.starts_with(['"', '\'', '`'])
            && length <= 3
            && word.chars().all(|c| grammar.prefixes.contains(c))
            && self.starts_text(length)
        {
            return;
        }
        if grammar.raw_hashes && matches!(word, "r" | "br" | "cr") && behind.starts_with('#') {
            let count = behind.bytes().take_while(|b| *b == b'#').count();
            if behind[count..].starts_with('"') {
                self.take(Class::Text, length + count + 1);
                self.open = Open::Counted { sort: Counted::Hashes, count: count as u16 };
                return;
            }
        }
        let lower;
        let known = if grammar.any_case {
            lower = word.to_ascii_lowercase();
            self.lexicon.words.get(lower.as_str())
        } else {
            self.lexicon.words.get(word)
        };
        // What stands behind a dot is a name of somebody else's, whatever it is called.
        let known = known.copied().filter(|_| self.before != Before::Dot || grammar.any_case);
        let called = behind.trim_start_matches(' ').starts_with('(') && (!grammar.calls_tight || behind.starts_with('('));
        let macro_call = grammar.bang_calls && behind.starts_with('!') && behind[1..].trim_start().starts_with(['(', '[', '{']);
        let awaited = std::mem::replace(&mut self.name, Class::Plain);
        if grammar.keys
            && behind.starts_with(':')
            && !behind.starts_with("::")
            && !behind.starts_with(":=")
            && known.is_none()
            && matches!(self.before, Before::Nothing | Before::Operator)
        {
            self.before = Before::Operator;
            return self.take(Class::Attribute, length);
        }
        let class = match known {
            Some(Word::Keyword) => Class::Keyword,
            Some(Word::BeforeFunction) => {
                self.name = Class::Function;
                Class::Keyword
            }
            Some(Word::BeforeType) => {
                self.name = Class::Type;
                Class::Keyword
            }
            Some(Word::Constant) => Class::Constant,
            Some(Word::Type) => Class::Type,
            // An attribute among tags; what is assigned has a space in front of its sign.
            None if grammar.tags && (behind.starts_with("=\"") || behind.starts_with("={")) => Class::Attribute,
            None if awaited != Class::Plain => {
                if behind.starts_with(['.', ':']) {
                    self.name = awaited;
                }
                awaited
            }
            None if self.depth == 0 && grammar.commands && self.is_command() => Class::Function,
            None if macro_call => Class::Function,
            None if called && grammar.calls && !(grammar.capital_types && is_type(word) && self.is_made()) => Class::Function,
            None if grammar.capital_constants && is_constant(word) => Class::Constant,
            None if grammar.capital_types && is_type(word) => Class::Type,
            None if grammar.lisp && self.line[..self.at].ends_with('(') => Class::Function,
            None => Class::Plain,
        };
        let word_is_operator = matches!(known, Some(Word::Keyword | Word::BeforeFunction | Word::BeforeType));
        self.before = if word_is_operator { Before::Keyword } else { Before::Value };
        self.take(class, length + usize::from(macro_call && class == Class::Function));
    }

    /// Whether a type in front of a parenthesis is made rather than called: `new Map(…)`.
    fn is_made(&self) -> bool {
        self.line[..self.at].trim_end().ends_with("new")
    }

    /// Whether the word here is the name of a program that a shell is to run.
    fn is_command(&self) -> bool {
        let before = self.line[..self.at].trim_end_matches([' ', '\t']);
        let begins = before.is_empty()
            || before.ends_with(['|', ';', '&', '('])
            || ["then", "do", "else", "sudo", "exec", "!"].iter().any(|word| before.ends_with(word));
        // An assignment is none.
        let ahead = &self.rest()[..self.rest().floor_char_boundary(LONGEST_COMMAND)];
        begins && !ahead.find([' ', '\t', '=', ';', '|', ')']).is_some_and(|end| ahead[end..].starts_with('='))
    }

    /// A text that begins behind `prefix` bytes.
    fn starts_text(&mut self, prefix: usize) -> bool {
        let rest = &self.rest()[prefix..];
        let grammar = self.grammar;
        for (kind, text) in grammar.texts.iter().enumerate() {
            if !rest.starts_with(text.open) {
                continue;
            }
            // Quotes in the middle of words are apostrophes: text between tags, Haskell's names.
            let in_word = self.at > 0 && self.line[..self.at].ends_with(char::is_alphanumeric);
            if grammar.apostrophes && prefix == 0 && in_word && text.open == "'" {
                continue;
            }
            let fills = text.fill != Fill::None
                && (text.fill_prefix.is_empty()
                    || self.rest()[..prefix].contains(|c| text.fill_prefix.contains(c))
                    || prefix == 0 && self.line[..self.at].ends_with(|c| text.fill_prefix.contains(c)));
            if let Some(length) = self.quoted_key(text) {
                self.before = Before::Value;
                self.take(Class::Attribute, length);
                return true;
            }
            self.take(Class::Text, prefix + text.open.len());
            self.text(text, kind as u8, fills);
            return true;
        }
        false
    }

    /// How long the text that begins here is, if it is a key.
    fn quoted_key(&self, text: &Text) -> Option<usize> {
        if !self.grammar.quoted_keys || self.before == Before::Value {
            return None;
        }
        let mut escaped = false;
        let inside = self.rest().strip_prefix(text.open)?.bytes().position(|b| {
            let ends = b == text.close.as_bytes()[0] && !escaped;
            escaped = b == b'\\' && !escaped;
            ends
        })?;
        let length = text.open.len() + inside + text.close.len();
        self.rest()[length..].trim_start().starts_with(':').then_some(length)
    }

    /// Signs that mean something in some languages alone.
    fn special(&mut self) -> bool {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let grammar = self.grammar;
        match bytes[0] {
            b'\'' if grammar.characters => {
                let behind = &rest[1..];
                let character = if let Some(escaped) = behind.strip_prefix('\\') {
                    let end = escaped.char_indices().skip(1).take_while(|(at, _)| *at <= LONGEST_CHARACTER).find(|(_, c)| *c == '\'');
                    end.map(|(at, _)| at + 3)
                } else {
                    let first = behind.chars().next().map_or(0, char::len_utf8);
                    (first > 0 && behind[first..].starts_with('\'')).then_some(first + 2)
                };
                if let Some(length) = character {
                    self.before = Before::Value;
                    self.take(Class::Text, length);
                } else {
                    // A lifetime, a type variable, a quoted symbol.
                    let name = behind.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
                    self.take(if name > 0 { Class::Attribute } else { Class::Plain }, 1 + name);
                }
                true
            }
            b'@' if grammar.decorators => {
                let name = rest[1..].bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.')).count();
                self.take(if name > 0 { Class::Attribute } else { Class::Plain }, 1 + name);
                true
            }
            b'#' if grammar.attributes && (rest.starts_with("#[") || rest.starts_with("#![")) => {
                self.attribute();
                true
            }
            b':' if grammar.symbols && !matches!(self.before, Before::Value) || bytes[0] == b':' && grammar.lisp => {
                let name = rest[1..].bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'?' | b'!' | b'-')).count();
                if name == 0 || rest.starts_with("::") {
                    return false;
                }
                self.before = Before::Value;
                self.take(Class::Constant, 1 + name);
                true
            }
            b'/' if grammar.patterns && self.before != Before::Value && !self.no_pattern => {
                let Some(end) = pattern(rest) else {
                    self.no_pattern = true;
                    return false;
                };
                self.before = Before::Value;
                self.take(Class::Text, end);
                true
            }
            b'[' if grammar.long_brackets => {
                let Some(count) = brackets(&rest[1..]) else { return false };
                self.take(Class::Text, count + 2);
                self.open = Open::Counted { sort: Counted::Brackets, count: count as u16 };
                true
            }
            b'<' if grammar.tags && (self.before != Before::Value || rest.starts_with("</")) => {
                let slash = usize::from(bytes.get(1) == Some(&b'/'));
                let behind = &rest[1 + slash..];
                let name = behind.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':')).count();
                if name == 0 && !behind.starts_with('>') || behind.starts_with(|c: char| c.is_ascii_digit()) {
                    return false;
                }
                self.before = Before::Operator;
                self.take(Class::Tag, 1 + slash + name);
                true
            }
            b'<' if grammar.here && rest.starts_with("<<") && !rest.starts_with("<<<")
                || bytes[0] == b'<' && grammar.here_three && rest.starts_with("<<<") =>
            {
                let marks = if rest.starts_with("<<<") { 3 } else { 2 };
                let behind = rest[marks..].trim_start_matches(['-', '~', ' ', '"', '\'', '\\']);
                let skipped = rest.len() - marks - behind.len();
                let word = behind.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
                if word == 0
                    || behind.starts_with(|c: char| c.is_ascii_digit())
                    || marks == 2 && !grammar.comments_apart && !is_constant(&behind[..word])
                {
                    return false;
                }
                self.here = Some(hash(&behind[..word]));
                let quote = usize::from(behind[word..].starts_with(['"', '\'']));
                self.take(Class::Keyword, marks + skipped + word + quote);
                true
            }
            b'$' if grammar.dollar_texts => {
                let Some(end) = rest[1..].find('$') else { return false };
                let tag = &rest[1..=end];
                if !tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                    return false;
                }
                // Bodies of functions are code themselves: only the delimiter stands out.
                self.take(Class::Keyword, tag.len() + 2);
                true
            }
            b'\\' if grammar.backslash_names => {
                let name = rest[1..]
                    .bytes()
                    .take_while(u8::is_ascii_alphabetic)
                    .count()
                    .max(usize::from(rest.len() > 1 && rest.is_char_boundary(2)));
                self.take(Class::Keyword, 1 + name);
                true
            }
            b'-' if grammar.commands && self.line[..self.at].ends_with([' ', '\t']) => {
                let option = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))).unwrap_or(rest.len());
                let named = rest[..option].contains(|c: char| c.is_ascii_alphanumeric());
                self.take(if named { Class::Attribute } else { Class::Plain }, option);
                true
            }
            _ => false,
        }
    }
}

/// Where code or a variable begins inside a text: how long its start, what is inside, and its end are. No start: a name.
fn filling(fill: Fill, here: &str) -> Option<(usize, usize, usize)> {
    let start = match fill {
        Fill::None => return None,
        Fill::Dollar | Fill::DollarBrace => "${",
        Fill::Brace => "{",
        Fill::HashBrace => "#{",
        Fill::BackslashParenthesis => "\\(",
    };
    if let Some(behind) = here.strip_prefix(start) {
        if fill == Fill::Brace && behind.starts_with('{') {
            return None;
        }
        let (opening, closing) = if fill == Fill::BackslashParenthesis { (b'(', b')') } else { (b'{', b'}') };
        let mut depth = 1;
        let end = behind.bytes().take(LONGEST_FILL).position(|b| {
            depth += i32::from(b == opening) - i32::from(b == closing);
            depth == 0
        })?;
        return Some((start.len(), end, 1));
    }
    if fill == Fill::Dollar
        && let Some(behind) = here.strip_prefix('$')
    {
        let name = behind.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        return (name > 0).then_some((0, name + 1, 0));
    }
    None
}

/// How long a regular expression between slashes is, if it ends on this line.
fn pattern(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut class = false;
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'[' => class = true,
            b']' => class = false,
            b'/' if !class => {
                let flags = bytes[at + 1..].iter().take_while(|b| b.is_ascii_lowercase()).count();
                return (at > 1).then_some(at + 1 + flags);
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// For what follows a `[`: how many `=` stand between it and a second one.
fn brackets(text: &str) -> Option<usize> {
    let count = text.bytes().take_while(|b| *b == b'=').count();
    text[count..].starts_with('[').then_some(count)
}

fn is_type(word: &str) -> bool {
    word.starts_with(char::is_uppercase)
}

fn is_constant(word: &str) -> bool {
    word.len() > 1
        && word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

fn first(text: &str) -> char {
    text.chars().next().unwrap_or(' ')
}

/// FNV-1a. A state must be small and comparable; two words with one number would only end a text too early.
fn hash(word: &str) -> u64 {
    word.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
