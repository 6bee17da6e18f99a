//! What a model is asked and what comes back, whoever serves it.
//!
//! A provider turns one [`Prompt`] into one stream of [`Chunk`]s. What every provider promises:
//!
//! - Nothing happens before the stream is polled, and all of it happens inside the poll: no task outlives the stream.
//! - Dropping the stream closes the connection to the model at once. That is how Stop works.
//! - A stream that went well ends with exactly one [`Chunk::End`], and nothing follows it. Every other stream ends with exactly
//!   one error. A stream that simply ran dry is never taken for a finished answer.
//! - [`Limits`] hold, whatever the model or its server does.
//! - Nothing reaches the caller but answer text, reasoning text, token counts, and errors already worded for people.
//!
//! Nothing here knows HTTP, rooms, people or the database.

use std::time::Duration;

use futures_util::stream::BoxStream;

mod error;

pub use error::{ProviderError, ServerText};

/// What an assistant is connected to: a server that speaks some protocol, the built-in model, or a script.
pub trait Provider: Send + Sync + 'static {
    /// Starts one answer. Drop the stream to stop it.
    fn stream(&self, prompt: Prompt) -> ChunkStream;

    /// Names the model and where it runs, for logs and admin pages: never a key or any other secret.
    fn label(&self) -> &str;
}

/// One answer as it arrives; see the [promises](self) that hold for it.
pub type ChunkStream = BoxStream<'static, Result<Chunk, ProviderError>>;

/// Everything a model is told for one answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prompt {
    /// The conversation, oldest first. The last turn is normally the question.
    pub turns: Vec<Turn>,
    /// The answer so far, when an interrupted one is continued. The new text is meant to follow it without a seam.
    pub continue_from: Option<String>,
    /// The longest answer wanted, in the model's own tokens. `None` leaves it to the server.
    pub max_tokens: Option<u32>,
    /// How freely to choose words, usually 0.0 to 2.0. `None` leaves it to the server.
    pub temperature: Option<f32>,
}

impl Prompt {
    /// What people last said: the text of the last [`Role::User`] turn.
    pub fn question(&self) -> Option<&str> {
        self.turns.iter().rev().find(|turn| turn.role == Role::User).map(|turn| turn.text.as_str())
    }
}

/// One contribution to the conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub role: Role,
    /// The names of the people who wrote are already part of it.
    pub text: String,
}

/// Who speaks in a [`Turn`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The instructions of the assistant.
    System,
    /// People, and other assistants.
    User,
    /// The assistant that is being asked.
    Assistant,
}

/// One piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk {
    /// Text of the answer, never empty and without NUL characters, to be appended to what came before.
    Answer(String),
    /// Text the model wrote while thinking, never empty and without NUL characters. It usually comes before the answer.
    Reasoning(String),
    /// What the answer cost. At most one, directly before [`Chunk::End`].
    Usage(Usage),
    /// The answer is complete. Always the last chunk.
    End(Finish),
}

/// Counts of tokens, as far as the server told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub prompt_tokens: Option<i64>,
    /// Of `prompt_tokens`, those that the server still knew from an earlier prompt.
    pub cached_prompt_tokens: Option<i64>,
    pub completion_tokens: Option<i64>,
    /// Of `completion_tokens`, those spent on reasoning.
    pub reasoning_tokens: Option<i64>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model had nothing to add, or the server gave a reason we have no use for.
    Stop,
    /// The limit on tokens was met; the text may stop in the middle of a sentence.
    Length,
    /// A filter of the provider ended it.
    ContentFilter,
}

/// How much and how long a provider may go on. Each limit has its own [`ProviderError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// One event of a stream, in bytes. Also what an answer in one piece (not a stream) may have beyond `reply_bytes`.
    pub event_bytes: usize,
    /// Answer and reasoning together, in bytes of UTF-8.
    pub reply_bytes: usize,
    /// How long a server may take to accept a connection, TLS included.
    pub connect: Duration,
    /// How long a server may send nothing at all. Any byte is a sign of life, also of a comment that only says "still working",
    /// because that is how servers ask for patience while they read a long prompt; `total` ends such patience.
    pub silence: Duration,
    /// How long a server may keep the connection after it said that the answer is finished. Token counts come in this time; when it is
    /// over, the answer counts as complete all the same.
    pub after_finish: Duration,
    /// The whole of it: connecting, waiting for a busy server, reasoning and answer.
    pub total: Duration,
    /// How often a busy server (429, 503) is asked in all, before the first text.
    pub tries: u32,
    /// How long a busy server that names no time is left alone before the second try. Each further wait is four times as long, which suits
    /// a short overload as well as a model that is still being loaded.
    pub first_wait: Duration,
    /// The longest that waiting between tries may take in all. A server that asks for more is not waited for.
    pub waiting: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            event_bytes: MIB,
            reply_bytes: MIB,
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(60),
            after_finish: Duration::from_secs(5),
            total: Duration::from_secs(10 * 60),
            tries: 3,
            first_wait: Duration::from_secs(2),
            waiting: Duration::from_secs(30),
        }
    }
}
