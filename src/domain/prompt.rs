//! What an assistant is given of a room: how each message is put to a model, and what is kept of that afterwards.
//!
//! Kept are references: which message, and which text of it, never the text. The engine writes a prompt with the functions here, and whoever
//! looks at it later puts it together with the same ones, so both say the same of the same messages.

use serde::{Deserialize, Serialize};

use super::Millis;
use super::file::File;
use super::message::Message;

/// Between messages of one role that stand in a row: many models insist that roles alternate, so they are given as one turn.
pub const JOINT: &str = "\n\n";

/// A message's text with what it carries: models hear of pictures and files by name alone.
pub fn with_files(text: &str, files: &[File]) -> String {
    let mut all = text.to_owned();
    for file in files {
        if !all.is_empty() {
            all.push('\n');
        }
        let kind = if file.is_picture() { "picture" } else { "file" };
        all.push_str(&format!("[{kind}: {}]", file.name));
    }
    all
}

/// A message as others see it: who said it, and to what (author and beginning of what it answers).
pub fn said(author: &str, quote: Option<(&str, &str)>, text: &str) -> String {
    match quote {
        Some((to, excerpt)) => format!("{author} (in reply to {to}: “{excerpt}”): {text}"),
        None => format!("{author}: {text}"),
    }
}

/// Whether the message that this one answers is shown with it. An assistant's answer stands after its question anyway.
pub fn shows_quote(message: &Message) -> bool {
    !message.author.is_assistant() && message.reply_to.as_ref().is_some_and(|quote| !quote.deleted && !quote.excerpt.is_empty())
}

/// Which text of a message it was: a person's changes by editing, a reply's by another attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<Millis>,
    #[serde(rename = "a", default, skip_serializing_if = "is_none")]
    pub attempt: i64,
}

/// One message of a prompt. Short names, because every reply keeps as many of these as it was given messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Its place in the room, which is for ever.
    #[serde(rename = "s")]
    pub seq: i64,
    #[serde(flatten)]
    pub version: Version,
    /// Of a reply: how long its text was, in UTF-16 units. Continue lets it grow, and it still begins with what was given.
    #[serde(rename = "l", default, skip_serializing_if = "is_none")]
    pub len: i64,
    /// Of the message that was quoted with it, if one was.
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<Version>,
}

fn is_none(n: &i64) -> bool {
    *n == 0
}

/// What the model was asked for besides; where nothing is said, its server decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Parameters {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
}

/// What is kept of one prompt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    pub instructions: String,
    /// In order of place.
    pub given: Vec<Given>,
    /// Messages of others began with their author's name, and with what they answer.
    pub named: bool,
    /// How much of its own text it was given to go on from, in UTF-16 units.
    pub continued: i64,
    pub model: String,
    /// How much fits, and how much of it was used, in tokens as they were estimated.
    pub budget: i64,
    pub estimate: i64,
    pub parameters: Parameters,
    pub at: Millis,
}

/// What somebody is shown of a prompt.
#[derive(Clone, Debug)]
pub struct Saw {
    /// The reply, as it is now.
    pub reply: Message,
    /// The attempt that is looked at, and all there are.
    pub attempt: i64,
    pub attempts: Vec<i64>,
    pub asked_by: String,
    /// Tokens of the prompt as the model counted them.
    pub counted: Option<i64>,
    /// Nothing where none was kept.
    pub prompt: Option<Shown>,
}

/// A prompt put together again from today's rows.
#[derive(Clone, Debug)]
pub struct Shown {
    pub record: Record,
    pub pieces: Vec<Piece>,
    /// Earlier messages that were not given, counted up to [`LEFT_OUT_MOST`].
    pub left_out: u32,
    /// Messages between those that were given that had no text then: most often replies that were still being written.
    pub unfinished: u32,
    /// Its own text that it was to go on from.
    pub continued: Option<String>,
}

/// From here on it is not said how many earlier messages were left out.
pub const LEFT_OUT_MOST: u32 = 1_000;

/// One message of a prompt, with as much of its text as there still is.
#[derive(Clone, Debug)]
pub struct Piece {
    /// As it is now, for its author and its place.
    pub message: Message,
    /// The assistant's own.
    pub own: bool,
    pub text: Text,
    pub quote: Option<Quoted>,
}

/// A text that was given, as far as it can still be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// To the letter.
    Exact(String),
    /// It has changed since; this is today's.
    Today(String),
    Deleted,
}

impl Text {
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Exact(text) | Self::Today(text) => Some(text),
            Self::Deleted => None,
        }
    }

    pub fn is_exact(&self) -> bool {
        matches!(self, Self::Exact(_))
    }
}

/// What was quoted with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted {
    pub author: String,
    pub text: Text,
}

impl Shown {
    /// The piece as the model was given it; nothing where its text, or that of its quote, is gone.
    pub fn content(&self, piece: &Piece) -> Option<String> {
        let text = piece.text.as_str()?;
        if piece.own || !self.record.named {
            return Some(text.to_owned());
        }
        let quote = match &piece.quote {
            Some(quote) => Some((quote.author.as_str(), quote.text.as_str()?)),
            None => None,
        };
        Some(said(&piece.message.author_name, quote, text))
    }

    /// All of it can still be shown to the letter.
    pub fn is_exact(&self) -> bool {
        self.pieces.iter().all(|piece| piece.text.is_exact() && piece.quote.as_ref().is_none_or(|quote| quote.text.is_exact()))
    }
}

/// The beginning of a text, `len` UTF-16 units long; nothing if it is shorter, or a character would be cut.
pub fn beginning(text: &str, len: i64) -> Option<&str> {
    let mut units = 0;
    for (at, character) in text.char_indices() {
        if units == len {
            return Some(&text[..at]);
        }
        units += character.len_utf16() as i64;
    }
    (units == len).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_small_and_comes_back() {
        let given = [
            Given { seq: 12, version: Version::default(), len: 0, quote: None },
            Given { seq: 13, version: Version { edited: Some(7), attempt: 0 }, len: 0, quote: Some(Version::default()) },
            Given { seq: 14, version: Version { edited: None, attempt: 2 }, len: 40, quote: None },
        ];
        let kept = serde_json::to_string(&given).unwrap();
        assert_eq!(kept, r#"[{"s":12},{"s":13,"e":7,"q":{}},{"s":14,"a":2,"l":40}]"#);
        assert_eq!(serde_json::from_str::<Vec<Given>>(&kept).unwrap(), given);
    }

    #[test]
    fn beginnings_are_counted_in_utf16_and_cut_no_character() {
        for (text, len, is) in [
            ("", 0, Some("")),
            ("a🌱b", 1, Some("a")),
            ("a🌱b", 2, None),
            ("a🌱b", 3, Some("a🌱")),
            ("a🌱b", 4, Some("a🌱b")),
            ("a", 2, None),
        ] {
            assert_eq!(beginning(text, len), is, "{text:?} {len}");
        }
    }
}
