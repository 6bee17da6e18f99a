//! Which language a paragraph is in, as far as its letters tell: for fonts and line breaks.
//!
//! One Han letter is drawn differently in Chinese, Japanese and Korean, and a browser without a hint takes the page's
//! language or the reader's. Only East Asian texts are marked; of others the letters say nothing.

use comrak::nodes::{Node, NodeValue};

/// So many letters decide: what comes behind them does not change the mark of a paragraph that grows.
const ENOUGH: usize = 48;

/// The language of the text right below a node, if it is East Asian. Lists and other blocks inside have their own.
pub(crate) fn of(node: Node<'_>) -> Option<&'static str> {
    let mut letters = Letters::default();
    let mut waiting: Vec<Node<'_>> = node.reverse_children().collect();
    while let Some(node) = waiting.pop() {
        match &node.data().value {
            NodeValue::Text(text) => {
                if !letters.read(text) {
                    break;
                }
            }
            value if value.block() && !matches!(value, NodeValue::Paragraph) => {}
            _ => waiting.extend(node.reverse_children()),
        }
    }
    letters.language()
}

#[derive(Default)]
struct Letters {
    han: usize,
    kana: usize,
    hangul: usize,
    others: usize,
}

impl Letters {
    /// Whether more letters are wanted.
    fn read(&mut self, text: &str) -> bool {
        for character in text.chars() {
            match character {
                '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{ff66}'..='\u{ff9f}' => self.kana += 1,
                '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7ff}' => self.hangul += 1,
                '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' => self.han += 1,
                _ if character.is_alphabetic() => self.others += 1,
                _ => continue,
            }
            if self.han + self.kana + self.hangul + self.others >= ENOUGH {
                return false;
            }
        }
        true
    }

    fn language(&self) -> Option<&'static str> {
        let east_asian = self.han + self.kana + self.hangul;
        // A word of four Latin letters says about as much as one of theirs.
        if east_asian == 0 || 4 * east_asian < self.others {
            return None;
        }
        Some(if 4 * self.kana >= east_asian {
            "ja"
        } else if self.hangul > self.han {
            "ko"
        } else {
            "zh"
        })
    }
}
