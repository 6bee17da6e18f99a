//! Takes apart answers that begin with the model's thoughts in `<think>` … `</think>`.
//!
//! Many servers pass on what a reasoning model writes as it is, tags included, cut anywhere. A pair of tags counts only at the very
//! beginning (blanks aside): further in, they are text like any other, for instance in an answer about such tags. Blanks between the
//! closing tag and the answer belong to neither.

use std::mem;

use crate::reply::provider::Chunk;

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// More blanks than this before a tag are an answer that begins with blanks. Without an end to it, holding them back would cost ever
/// more for each new piece.
const MAX_BLANKS_BEFORE: usize = 256;

/// Sorts the text of one answer into reasoning and answer as it arrives.
#[derive(Debug, Default)]
pub struct ThinkSplitter {
    at: At,
    /// Text that may turn out to be part of a tag, or blanks before one.
    held: String,
}

#[derive(Debug, Default, Clone, Copy)]
enum At {
    #[default]
    Beginning,
    Thoughts,
    AfterThoughts,
    Answer,
}

impl ThinkSplitter {
    /// Takes the next piece of text and appends the chunks that are certain by now.
    pub fn push(&mut self, text: &str, chunks: &mut Vec<Chunk>) {
        let mut text = mem::take(&mut self.held) + text;
        loop {
            match self.at {
                At::Beginning => {
                    let start = text.trim_start();
                    if text.len() - start.len() > MAX_BLANKS_BEFORE {
                        self.at = At::Answer;
                    } else if let Some(thoughts) = start.strip_prefix(OPEN) {
                        self.at = At::Thoughts;
                        text = thoughts.to_owned();
                    } else if OPEN.starts_with(start) {
                        self.held = text;
                        return;
                    } else {
                        self.at = At::Answer;
                    }
                }
                At::Thoughts => match text.split_once(CLOSE) {
                    Some((thoughts, rest)) => {
                        push_reasoning(thoughts, chunks);
                        self.at = At::AfterThoughts;
                        text = rest.to_owned();
                    }
                    None => {
                        self.held = text.split_off(text.len() - partial_tag_len(&text));
                        push_reasoning(&text, chunks);
                        return;
                    }
                },
                At::AfterThoughts => {
                    text = text.trim_start().to_owned();
                    if text.is_empty() {
                        return;
                    }
                    self.at = At::Answer;
                }
                At::Answer => {
                    if !text.is_empty() {
                        chunks.push(Chunk::Answer(text));
                    }
                    return;
                }
            }
        }
    }

    /// Gives out what was held back, because nothing more will come.
    pub fn flush(&mut self, chunks: &mut Vec<Chunk>) {
        let held = mem::take(&mut self.held);
        match self.at {
            At::Thoughts => push_reasoning(&held, chunks),
            _ if held.is_empty() => {}
            _ => chunks.push(Chunk::Answer(held)),
        }
    }
}

fn push_reasoning(text: &str, chunks: &mut Vec<Chunk>) {
    if !text.is_empty() {
        chunks.push(Chunk::Reasoning(text.to_owned()));
    }
}

/// How many bytes at the end of `text` could be the beginning of the closing tag.
fn partial_tag_len(text: &str) -> usize {
    (1..CLOSE.len()).rev().find(|&len| text.ends_with(&CLOSE[..len])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::{CLOSE, Chunk, OPEN, ThinkSplitter};

    /// (reasoning, answer) of a text that arrives in pieces.
    fn split<'a>(pieces: impl IntoIterator<Item = &'a str>) -> (String, String) {
        let mut splitter = ThinkSplitter::default();
        let mut chunks = Vec::new();
        for piece in pieces {
            splitter.push(piece, &mut chunks);
        }
        splitter.flush(&mut chunks);
        let (mut reasoning, mut answer) = (String::new(), String::new());
        for chunk in chunks {
            match chunk {
                Chunk::Reasoning(text) => reasoning += &text,
                Chunk::Answer(text) => answer += &text,
                other => panic!("a splitter of text made {other:?}"),
            }
        }
        (reasoning, answer)
    }

    #[track_caller]
    fn is_split(text: &str, reasoning: &str, answer: &str) {
        let expected = (reasoning.to_owned(), answer.to_owned());
        assert_eq!(split([text]), expected, "{text:?} in one piece");
        assert_eq!(split(text.split("").filter(|piece| !piece.is_empty())), expected, "{text:?} by characters");
    }

    #[test]
    fn thoughts_at_the_beginning_are_reasoning() {
        is_split("<think>\nHm.\n</think>\n\nYes.", "\nHm.\n", "Yes.");
        is_split(" \n<think>Hm.</think>Yes. ", "Hm.", "Yes. ");
        is_split("<think></think>\n\nYes.", "", "Yes.");
    }

    #[test]
    fn tags_elsewhere_are_text() {
        is_split("Use <think>…</think>.", "", "Use <think>…</think>.");
        is_split("Let me think.\n</think>\n\nYes.", "", "Let me think.\n</think>\n\nYes.");
        is_split("<think>a</think>b<think>c</think>", "a", "b<think>c</think>");
        is_split("<thinking>a", "", "<thinking>a");
        is_split("  plain", "", "  plain");
        let blanks = " ".repeat(257);
        is_split(&format!("{blanks}<think>a"), "", &format!("{blanks}<think>a"));
    }

    #[test]
    fn an_answer_that_ends_early_loses_nothing() {
        is_split("<think>Hm. </thin", "Hm. </thin", "");
        is_split(" <thi", "", " <thi");
        is_split("<think>a</think> \n", "a", "");
        is_split("", "", "");
    }

    #[test]
    fn certain_text_is_not_held_back() {
        let mut splitter = ThinkSplitter::default();
        let mut chunks = Vec::new();
        for piece in ["<think>", "a <", "b"] {
            splitter.push(piece, &mut chunks);
        }
        assert_eq!(chunks, ["a ", "<b"].map(|text| Chunk::Reasoning(text.to_owned())));
    }

    /// The rule read a second time, on the whole text.
    fn whole_at_once(text: &str) -> (String, String) {
        match text.trim_start().strip_prefix(OPEN) {
            None => (String::new(), text.to_owned()),
            Some(rest) => match rest.split_once(CLOSE) {
                None => (rest.to_owned(), String::new()),
                Some((thoughts, answer)) => (thoughts.to_owned(), answer.trim_start().to_owned()),
            },
        }
    }

    proptest! {
        #[test]
        fn any_text_cut_anywhere_is_sorted_as_the_whole(
            parts in prop::collection::vec(prop::sample::select(vec!["<think>", "</think>", "<", "</", "</thi", "think>", ">", " ", "\n", "a", "é", "你"]), 0..12),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let text = parts.concat();
            let mut at: Vec<usize> = cuts.iter().map(|cut| text.floor_char_boundary(cut.index(text.len() + 1))).collect();
            at.extend([0, text.len()]);
            at.sort_unstable();
            prop_assert_eq!(split(at.windows(2).map(|ends| &text[ends[0]..ends[1]])), whole_at_once(&text));
        }
    }
}
