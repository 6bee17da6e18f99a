//! Formulas at the end of an unfinished text: which are whole, which may become so, and which are none.
//!
//! The rules are the parser's. Where it would go on to the end of the paragraph in search of the closing mark, a decision
//! is made here: between `\(`, `\[` or `$$` and their ends there is a formula, and it waits; behind a lone `$` there may be
//! a price, and it waits only as long as it looks like a formula.

use crate::render::math::LONGEST;

/// What stands between marks of a formula.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Formula {
    /// A formula that ends at this byte.
    Whole(usize),
    /// One that may become whole.
    Unfinished,
    /// None; the text goes on at this byte.
    None(usize),
}

/// How long something with signs of LaTeX waits for its second dollar, and something without, in bytes.
const LONGEST_WAIT: usize = 300;
const LONGEST_PLAIN_WAIT: usize = 16;

/// What begins with the dollars at a byte of a text.
pub(super) fn at_dollar(text: &str, at: usize) -> Formula {
    let bytes = text.as_bytes();
    let run = |at: usize| bytes[at..].iter().take_while(|b| **b == b'$').count();
    let marks = run(at);
    let start = at + marks;
    if marks > 2 {
        return Formula::None(start);
    }
    let Some(first) = bytes.get(start) else { return Formula::Unfinished };
    if marks == 1 && first.is_ascii_whitespace() {
        return Formula::None(start);
    }
    let mut from = start;
    while let Some(offset) = text[from..].find('$') {
        let end = from + offset;
        let before = bytes[end - 1];
        if marks == 1 && before.is_ascii_whitespace() {
            return Formula::None(start);
        }
        if marks == 1 && before == b'\\' {
            from = end + 1;
            continue;
        }
        let behind = end + run(end).min(marks);
        if marks == 1 {
            return match bytes.get(behind) {
                Some(next) if next.is_ascii_digit() => Formula::None(start),
                Some(_) => Formula::Whole(behind),
                // A digit that comes now would make it a second price.
                None if looks_like_formula(&text[start..end]) => Formula::Unfinished,
                None => Formula::None(start),
            };
        }
        if behind - end == marks {
            return Formula::Whole(behind);
        }
        from = behind;
    }
    let waits = match marks {
        1 => looks_like_formula(&text[start..]),
        _ => text.len() - start <= LONGEST,
    };
    if waits { Formula::Unfinished } else { Formula::None(start) }
}

/// Looks for formulas in parentheses and brackets with backslashes.
#[derive(Debug, Default)]
pub(super) struct Latex {
    /// There are no more closing marks of these kinds: nobody looks for them again.
    missing: [bool; 2],
}

impl Latex {
    /// What begins with the backslash at a byte of a text, in front of a parenthesis or bracket.
    pub(super) fn at(&mut self, text: &str, at: usize) -> Formula {
        let (kind, closing) = if text[at + 1..].starts_with('(') { (0, r"\)") } else { (1, r"\]") };
        let start = at + 2;
        if !self.missing[kind] {
            match text[start..].find(closing) {
                Some(0) => return Formula::None(start),
                Some(length) => return Formula::Whole(start + length + closing.len()),
                None => self.missing[kind] = true,
            }
        }
        if text.len() - start <= LONGEST { Formula::Unfinished } else { Formula::None(start) }
    }
}

/// Whether what stands behind a lone dollar may be a formula, for all that is known.
fn looks_like_formula(text: &str) -> bool {
    if text.len() > LONGEST_WAIT {
        return false;
    }
    let latex = text.contains(['\\', '^', '_', '{', '=', '<', '>', '+', '*', '|']);
    let words = text.split_whitespace().skip(1).any(|word| word.chars().filter(|c| c.is_alphabetic()).count() > 1);
    latex && text.matches('\n').count() < 3 || text.len() <= LONGEST_PLAIN_WAIT && !words
}

#[cfg(test)]
mod tests {
    use super::{Formula, Latex, at_dollar};

    #[test]
    fn dollars() {
        assert_eq!(at_dollar("$x$ a", 0), Formula::Whole(3));
        assert_eq!(at_dollar("$x$", 0), Formula::Unfinished);
        assert_eq!(at_dollar("$$x$$", 0), Formula::Whole(5));
        assert_eq!(at_dollar(r"$\frac{a", 0), Formula::Unfinished);
        assert_eq!(at_dollar("$$x + y is long and still a formula", 0), Formula::Unfinished);
        assert_eq!(at_dollar("$5 and $6", 0), Formula::None(1));
        assert_eq!(at_dollar("$5 and", 0), Formula::None(1));
        assert_eq!(at_dollar("$ x$", 0), Formula::None(1));
        assert_eq!(at_dollar("$$$x", 0), Formula::None(3));
    }

    #[test]
    fn backslashes() {
        assert_eq!(Latex::default().at(r"\(x\) a", 0), Formula::Whole(5));
        assert_eq!(Latex::default().at(r"\[x", 0), Formula::Unfinished);
        assert_eq!(Latex::default().at(&format!(r"\[{}", "x".repeat(5000)), 0), Formula::None(2));
    }
}
