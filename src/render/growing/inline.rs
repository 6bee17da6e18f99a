//! Healing of inline markup: emphasis, code, links and the like that the text has begun and not ended.
//!
//! What is open is closed (`**bol` → `**bol**`), what cannot be shown yet waits (a lone `*`, the address of a link), in
//! one pass over the leaf. It need not find exactly what the parser will find: it decides what is shown for the
//! moment between two pushes, and the parser has the last word.

use std::collections::HashSet;

use crate::render::emoji;
use crate::render::growing::formula::{self, Formula};

/// A bracket that was not closed for so long belongs to the text.
const LONGEST_LABEL: usize = 256;

/// How much emphasis and how many brackets are kept in mind. What is nested deeper is not healed; this bounds the work
/// for texts that only open.
const DEEPEST: usize = 64;

/// Longer runs of backticks are text for the parser, too.
const LONGEST_BACKTICKS: usize = 80;

/// How far behind a bracket the end of an address and a title is looked for.
const LONGEST_TARGET: usize = 1024;

/// The parser takes no address with parentheses nested deeper.
const DEEPEST_PARENTHESES: usize = 32;

/// No entity that people write is longer.
const LONGEST_ENTITY: usize = 10;

/// Heals the text of a leaf from its start to the end of what there is. Nothing if it is fine as it is.
pub(super) fn heal(text: &str) -> Option<String> {
    let mut healer = Healer { text, end: text.len(), ..Healer::default() };
    healer.read();
    healer.healed()
}

#[derive(Default)]
struct Healer<'a> {
    text: &'a str,
    /// What is behind waits.
    end: usize,
    /// Other bytes that wait.
    cuts: Vec<(usize, usize)>,
    emphasis: Vec<Run>,
    brackets: Vec<Bracket>,
    /// How often an address was looked for. More than a few in each kilobyte are no links.
    targets: usize,
    latex: formula::Latex,
    /// Backticks that close the code span at the end.
    code: Option<(usize, usize)>,
}

/// Marks of emphasis that may open or close it.
#[derive(Clone, Copy)]
struct Run {
    mark: u8,
    start: usize,
    left: usize,
    length: usize,
    both: bool,
}

struct Bracket {
    start: usize,
    image: bool,
    /// How many runs of emphasis were open in front of it.
    emphasis: usize,
}

/// What a link's bracket is followed by.
enum Target {
    /// It ends at this byte.
    Whole(usize),
    Unfinished,
    None,
}

impl Healer<'_> {
    fn read(&mut self) {
        let bytes = self.text.as_bytes();
        let mut missing = HashSet::new();
        let mut at = 0;
        while at < self.end {
            at = match bytes[at] {
                b'\\' => self.backslash(at),
                b'`' => self.backticks(at, &mut missing),
                b'<' => self.angle(at),
                b'&' => self.entity(at),
                b'*' | b'_' => self.run(at),
                b'~' => self.tildes(at),
                b'$' => self.formula(at, formula::at_dollar(&self.text[..self.end], at)),
                b'[' => self.open_bracket(at),
                b']' => self.close_bracket(at),
                _ => at + 1,
            };
        }
        self.emoji();
        let recent = self.end.saturating_sub(LONGEST_LABEL);
        for bracket in std::mem::take(&mut self.brackets) {
            if bracket.start >= recent {
                self.cut_bracket(&bracket);
            }
        }
    }

    /// Puts together what is left and closes what is open.
    fn healed(mut self) -> Option<String> {
        self.cuts.sort_unstable();
        // What opens something that has no content yet waits too.
        if let Some((start, length)) = self.code
            && self.rest(start + length).trim_matches(['`', ' ', '\n']).is_empty()
        {
            self.end = start;
            self.code = None;
        }
        while let Some(run) = self.emphasis.last()
            && self.code.is_none()
            && self.rest(run.start + run.length).trim().is_empty()
        {
            self.end = run.start;
            self.emphasis.pop();
        }
        if self.end == self.text.len() && self.cuts.is_empty() && self.emphasis.is_empty() && self.code.is_none() {
            return None;
        }
        let mut healed = self.kept(0);
        if let Some((_, length)) = self.code {
            // Backticks at the end are the beginning of those that close the span.
            let content = healed.trim_end_matches('`').len();
            healed.truncate(content);
            healed.push_str(&"`".repeat(length));
        } else {
            healed.truncate(healed.trim_end().len());
        }
        for run in self.emphasis.iter().rev() {
            healed.extend(std::iter::repeat_n(char::from(run.mark), run.left));
        }
        Some(healed)
    }

    /// What is shown of the text from `start` on.
    fn kept(&self, start: usize) -> String {
        let mut kept = String::with_capacity(self.end - start.min(self.end) + 16);
        let mut from = start;
        for &(cut, end) in &self.cuts {
            if cut >= from && cut < self.end {
                kept.push_str(&self.text[from..cut]);
                from = end;
            }
        }
        if from < self.end {
            kept.push_str(&self.text[from..self.end]);
        }
        kept
    }

    fn rest(&self, start: usize) -> String {
        self.kept(start)
    }

    /// Passes a formula that is whole; one that may become whole waits, for it is not to be read before it is drawn.
    fn formula(&mut self, at: usize, formula: Formula) -> usize {
        match formula {
            Formula::Whole(end) => end,
            Formula::Unfinished => {
                self.end = at;
                at
            }
            Formula::None(behind) => behind,
        }
    }

    /// Lets a name of an emoji wait that is being typed.
    fn emoji(&mut self) {
        let text = &self.text[..self.end];
        if self.code.is_none()
            && let Some(colon) = text.rfind(':')
            && emoji::may_become(&text[..colon], &text[colon..])
        {
            self.end = colon;
        }
    }

    fn backslash(&mut self, at: usize) -> usize {
        if at + 1 == self.end {
            self.end = at;
        }
        match self.text.as_bytes().get(at + 1) {
            Some(b'(' | b'[') => {
                let formula = self.latex.at(&self.text[..self.end], at);
                self.formula(at, formula)
            }
            Some(next) if next.is_ascii_punctuation() => at + 2,
            _ => at + 1,
        }
    }

    fn backticks(&mut self, at: usize, missing: &mut HashSet<usize>) -> usize {
        let length = self.run_length(at);
        let behind = at + length;
        if length > LONGEST_BACKTICKS {
            return behind;
        }
        if behind == self.end {
            self.end = at;
            return at;
        }
        if !missing.contains(&length) {
            let mut from = behind;
            while let Some(offset) = self.text[from..self.end].find('`') {
                let start = from + offset;
                let found = self.run_length(start);
                from = start + found;
                if found == length {
                    return from;
                }
            }
            missing.insert(length);
        }
        self.code = Some((at, length));
        self.end
    }

    fn angle(&mut self, at: usize) -> usize {
        let behind = &self.text[at + 1..self.end];
        if let Some(length) = behind.find(['>', '<', '\n']) {
            let tag = behind.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
            return if tag && behind[length..].starts_with('>') { at + length + 2 } else { at + 1 };
        }
        let schemes = ["https://", "http://", "mailto:"];
        if schemes.iter().any(|scheme| scheme.starts_with(behind)) {
            self.end = at;
        } else if !behind.contains(' ') && (schemes.iter().any(|s| behind.starts_with(s)) || behind.contains('@')) {
            self.cuts.push((at, at + 1));
            return self.end;
        }
        at + 1
    }

    fn entity(&mut self, at: usize) -> usize {
        let name = &self.text[at + 1..self.end];
        let digits = name.strip_prefix('#').unwrap_or(name);
        if name.len() <= LONGEST_ENTITY && digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
            self.end = at;
        }
        at + 1
    }

    fn run(&mut self, at: usize) -> usize {
        let bytes = self.text.as_bytes();
        let (mark, length) = (bytes[at], self.run_length(at));
        let behind = at + length;
        let before = self.text[..at].chars().next_back();
        let after = self.text[behind..self.end].chars().next();
        let blank = |c: Option<char>| c.is_none_or(char::is_whitespace);
        let sign = |c: Option<char>| c.is_some_and(|c| c.is_ascii_punctuation());
        let left = !blank(after) && (!sign(after) || blank(before) || sign(before));
        let right = !blank(before) && (!sign(before) || blank(after) || sign(after));
        let (opens, closes) = match mark {
            b'_' => (left && (!right || sign(before)), right && (!left || sign(after))),
            _ => (left, right),
        };
        let mut run = Run { mark, start: at, left: length, length, both: opens && closes };
        if closes {
            self.close(&mut run);
        }
        if run.left > 0 && behind == self.end {
            // It may grow, open or close: nobody can tell yet.
            self.end = behind - run.left;
        } else if run.left > 0 && opens && self.emphasis.len() < DEEPEST {
            self.emphasis.push(run);
        }
        behind
    }

    /// Lets a run close what is open.
    fn close(&mut self, run: &mut Run) {
        let floor = self.brackets.last().map_or(0, |bracket| bracket.emphasis);
        while run.left > 0 {
            let fits = |open: &Run| {
                let thirds = |length: usize| length.is_multiple_of(3);
                let odd = thirds(open.length + run.length) && !(thirds(open.length) && thirds(run.length));
                open.mark == run.mark && !((open.both || run.both) && odd)
            };
            let Some(index) = self.emphasis.iter().rposition(fits).filter(|index| *index >= floor) else { return };
            self.emphasis.truncate(index + 1);
            let open = &mut self.emphasis[index];
            let used = if open.left >= 2 && run.left >= 2 { 2 } else { 1 };
            open.left -= used;
            run.left -= used;
            if open.left == 0 {
                self.emphasis.pop();
            }
        }
    }

    fn tildes(&mut self, at: usize) -> usize {
        let length = self.run_length(at);
        let behind = at + length;
        let open = self.emphasis.iter().rposition(|open| open.mark == b'~');
        if length == 2
            && let Some(index) = open
            && !self.text[..at].ends_with(char::is_whitespace)
        {
            self.emphasis.truncate(index);
        } else if behind == self.end {
            self.end = at;
        } else if length == 2 && !self.text[behind..].starts_with(char::is_whitespace) && self.emphasis.len() < DEEPEST {
            self.emphasis.push(Run { mark: b'~', start: at, left: 2, length: 2, both: false });
        }
        behind
    }

    fn open_bracket(&mut self, at: usize) -> usize {
        let behind = &self.text[at + 1..self.end];
        if behind.starts_with('^') {
            // A reference to a footnote has no white space.
            return match behind.find([']', ' ', '\n', '[']) {
                None => {
                    self.end = at;
                    at + 1
                }
                Some(length) if behind[length..].starts_with(']') => at + length + 2,
                Some(_) => at + 1,
            };
        }
        let image = self.text[..at].ends_with('!') && !self.text[..at].ends_with("\\!");
        if self.brackets.len() == DEEPEST {
            self.brackets.remove(0);
        }
        self.brackets.push(Bracket { start: at, image, emphasis: self.emphasis.len() });
        at + 1
    }

    fn close_bracket(&mut self, at: usize) -> usize {
        let Some(bracket) = self.brackets.pop() else { return at + 1 };
        let target = match self.text.as_bytes()[at + 1..self.end].first() {
            None => Target::Unfinished,
            Some(b'(') => self.inline_target(at + 2),
            Some(b'[') => self.reference_target(at + 2),
            Some(_) => Target::None,
        };
        match target {
            Target::None => at + 1,
            Target::Whole(end) => {
                self.emphasis.truncate(self.emphasis.len().max(bracket.emphasis));
                if !bracket.image {
                    // Links do not hold links.
                    self.brackets.retain(|outer| outer.image);
                }
                end
            }
            Target::Unfinished => {
                self.cut_bracket(&bracket);
                self.end = at;
                at
            }
        }
    }

    fn cut_bracket(&mut self, bracket: &Bracket) {
        self.cuts.push((bracket.start - usize::from(bracket.image), bracket.start + 1));
    }

    /// The address and title in parentheses, from behind the opening one.
    fn inline_target(&mut self, start: usize) -> Target {
        let limit = self.text.floor_char_boundary(start + LONGEST_TARGET);
        self.targets += 1;
        if self.targets * LONGEST_TARGET > 8 * (self.text.len() + 8 * LONGEST_TARGET) {
            return Target::None;
        }
        match scan_target(&self.text[start..self.end.min(limit)]) {
            Target::Whole(length) => Target::Whole(start + length),
            Target::Unfinished if limit < self.end => Target::None,
            target => target,
        }
    }

    /// The label in a second pair of brackets, from behind the opening one.
    fn reference_target(&self, start: usize) -> Target {
        match self.text[start..self.end].find([']', '[']) {
            None if self.end - start <= LONGEST_LABEL => Target::Unfinished,
            Some(end) if self.text[start + end..].starts_with(']') => Target::Whole(start + end + 1),
            _ => Target::None,
        }
    }

    fn run_length(&self, at: usize) -> usize {
        let bytes = &self.text.as_bytes()[at..self.end];
        bytes.iter().take_while(|b| **b == bytes[0]).count()
    }
}

/// Reads an address, perhaps a title, and the parenthesis that closes them. [`Target::Whole`] is their length.
fn scan_target(text: &str) -> Target {
    let blank = |text: &str| text.len() - text.trim_start().len();
    let mut at = blank(text);
    if let Some(quoted) = text[at..].strip_prefix('<') {
        match quoted.find(['>', '\n']) {
            None => return Target::Unfinished,
            Some(end) if quoted[end..].starts_with('>') => at += end + 2,
            Some(_) => return Target::None,
        }
    } else {
        let mut depth = 0_usize;
        let mut escaped = false;
        let end = text[at..].find(|c: char| {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '(' if depth == DEEPEST_PARENTHESES => return true,
                '(' => depth += 1,
                ')' if depth == 0 => return true,
                ')' => depth -= 1,
                _ => return c.is_whitespace() || c.is_control(),
            }
            false
        });
        match end {
            None => return Target::Unfinished,
            Some(end) => at += end,
        }
    }
    let space = blank(&text[at..]);
    at += space;
    let Some(first) = text[at..].chars().next() else { return Target::Unfinished };
    if first == ')' {
        return Target::Whole(at + 1);
    }
    let closing = match first {
        '"' | '\'' => first,
        '(' => ')',
        _ => return Target::None,
    };
    if space == 0 {
        return Target::None;
    }
    let Some(end) = text[at + 1..].find(closing) else { return Target::Unfinished };
    at += end + 2;
    at += blank(&text[at..]);
    match text[at..].chars().next() {
        None => Target::Unfinished,
        Some(')') => Target::Whole(at + 1),
        Some(_) => Target::None,
    }
}
