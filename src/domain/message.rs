//! Messages: what is written, its states, and the attempts of a reply.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    Invalid, Millis,
    file::File,
    id::{AssistantId, FileId, MessageId, PersonId, RoomId},
    reaction::Reactions,
};

/// Longest message, in bytes of UTF-8.
pub const MESSAGE_BYTES: usize = 64 * 1024;

/// The text of a message: not blank, at most 64 KiB, line ends as LF, no NUL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageBody(String);

impl MessageBody {
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        // A form sends CRLF, a script LF: the same text must give the same hash.
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        if text.trim().is_empty() {
            return Err(Invalid::new("empty", "The message is empty: write something first."));
        }
        Self::bounded(text)
    }

    /// The text beside files, which may say everything: then it is empty.
    pub fn parse_beside_files(text: &str) -> Result<Self, Invalid> {
        match text.trim().is_empty() {
            true => Ok(Self(String::new())),
            false => Self::parse(text),
        }
    }

    fn bounded(text: String) -> Result<Self, Invalid> {
        if text.len() > MESSAGE_BYTES {
            return Err(Invalid::new(
                "too_long",
                format!("The message is {} bytes long; at most {MESSAGE_BYTES} fit. Shorten it or send it in parts.", text.len()),
            ));
        }
        // Postgres cannot store it, and no reader can see it.
        if text.contains('\0') {
            return Err(Invalid::new("bad_text", "The message contains a NUL character: remove it."));
        }
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

/// The fingerprint of a post as first received: a second post with the same id must have the same, or it is another message.
/// SHA-256 over author, room, reply-to, text and each file's id, each led by its length, in hex.
pub fn post_hash(author: PersonId, room: RoomId, reply_to: Option<MessageId>, text: &MessageBody, files: &[FileId]) -> String {
    let mut hash = Sha256::new();
    let said = [author.to_string(), room.to_string(), reply_to.map(|id| id.to_string()).unwrap_or_default(), text.as_str().to_owned()];
    for part in said.into_iter().chain(files.iter().map(FileId::to_string)) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorId {
    Person(PersonId),
    Assistant(AssistantId),
}

impl AuthorId {
    /// `person` or `assistant`: the `kind` of a `message` frame.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Person(_) => "person",
            Self::Assistant(_) => "assistant",
        }
    }

    pub fn is_assistant(self) -> bool {
        matches!(self, Self::Assistant(_))
    }
}

impl std::fmt::Display for AuthorId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Person(id) => id.fmt(f),
            Self::Assistant(id) => id.fmt(f),
        }
    }
}

/// A person's or assistant's id with the name to show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    pub id: String,
    pub name: String,
}

/// What a message is at the moment. Each state has just what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Complete,
    /// A reply that waits for its turn.
    Queued,
    /// A reply that is being written.
    Streaming,
    Stopped {
        by: Option<Named>,
    },
    /// Cut off: by a crash, a shutdown, or a provider's stream without an end.
    Interrupted {
        why: String,
    },
    /// The provider refused or broke; `why` is a sentence for people.
    Failed {
        why: String,
    },
    Deleted,
}

/// The state without its particulars: one word, as stored and as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StateKind {
    Complete,
    Queued,
    Streaming,
    Stopped,
    Interrupted,
    Failed,
    Deleted,
}

impl StateKind {
    const ALL: [Self; 7] = [Self::Complete, Self::Queued, Self::Streaming, Self::Stopped, Self::Interrupted, Self::Failed, Self::Deleted];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Queued => "queued",
            Self::Streaming => "streaming",
            Self::Stopped => "stopped",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
            Self::Deleted => "deleted",
        }
    }

    /// A reply that is not finished: its row carries no text.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Streaming)
    }

    /// A reply that ended early and can be continued or tried again.
    pub fn is_broken_off(self) -> bool {
        matches!(self, Self::Stopped | Self::Interrupted | Self::Failed)
    }
}

impl FromStr for StateKind {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL.into_iter().find(|s| s.as_str() == text).ok_or_else(|| Invalid::new("bad_state", format!("unknown state “{text}”")))
    }
}

impl State {
    pub fn kind(&self) -> StateKind {
        match self {
            Self::Complete => StateKind::Complete,
            Self::Queued => StateKind::Queued,
            Self::Streaming => StateKind::Streaming,
            Self::Stopped { .. } => StateKind::Stopped,
            Self::Interrupted { .. } => StateKind::Interrupted,
            Self::Failed { .. } => StateKind::Failed,
            Self::Deleted => StateKind::Deleted,
        }
    }

    /// Who stopped it, if anyone.
    pub fn by(&self) -> Option<&Named> {
        match self {
            Self::Stopped { by } => by.as_ref(),
            _ => None,
        }
    }

    /// The sentence that says why it broke off, if there is one.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Interrupted { why } | Self::Failed { why } => Some(why),
            _ => None,
        }
    }
}

/// Length of a quote's excerpt, in characters: one line on a wide screen.
pub const EXCERPT_CHARS: usize = 120;

/// The message that another replies to, as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quote {
    pub id: MessageId,
    pub author: String,
    /// Beginning of its text as one plain line; empty if it was deleted or is still being written.
    pub excerpt: String,
    pub deleted: bool,
}

/// What a finished reply says of how it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The model's name, as the provider reports it, or as it was asked for.
    pub model: String,
    pub prompt_tokens: Option<i64>,
    pub completion_tokens: Option<i64>,
    /// From claiming the reply to its first text, in ms.
    pub first_text_ms: Option<i64>,
    /// From claiming the reply to its end, in ms.
    pub total_ms: Option<i64>,
}

/// A message as its row is now, with the names and the quote that go with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub id: MessageId,
    pub room: RoomId,
    /// Its place in the room, for ever.
    pub seq: i64,
    /// The room's head at its latest change.
    pub rev: i64,
    pub author: AuthorId,
    pub author_name: String,
    pub state: State,
    /// 0 for a person's message; 1 and up for a reply.
    pub attempt: i64,
    pub at: Millis,
    pub edited: Option<Millis>,
    pub reply_to: Option<Quote>,
    /// Empty while the reply is open and after deletion.
    pub text: String,
    /// `text` as safe markup; empty where `text` is.
    pub html: String,
    /// What the model thought aloud before it answered, as text; empty for most.
    pub reasoning: String,
    /// Who asked, for a reply.
    pub asked_by: Option<Named>,
    /// For a reply that has run.
    pub facts: Option<Facts>,
    pub reactions: Reactions,
    /// What it carries, in the order of the post.
    pub files: Vec<File>,
}

/// The two texts of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Answer,
    Reasoning,
}

impl Part {
    pub const ALL: [Self; 2] = [Self::Reasoning, Self::Answer];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Reasoning => "reasoning",
        }
    }
}

/// How an attempt came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptKind {
    First,
    /// From nothing; the earlier ones stay readable.
    Retry,
    /// From the earlier one's text, whose place it takes.
    Continue,
}

impl AttemptKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Retry => "retry",
            Self::Continue => "continue",
        }
    }
}

/// A name for length in UTF-16 units, which is what `off`, `len` and `keep` of the frames count (live-protocol §5).
pub fn utf16_len(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}
