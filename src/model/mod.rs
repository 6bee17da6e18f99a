//! The built-in model: replies without a provider, on this machine.
//!
//! A child process of the same binary loads one GGUF file with llama.cpp and answers over its stdin and stdout. What that buys, and what every file
//! here keeps true:
//!
//! - A crash, an abort or a `kill -9` of the engine ends the replies it was writing, each with an error. Never the chat.
//! - A reply nobody reads any more stops costing anything: dropping its [`Generation`] cancels it in the child.
//! - What people type stays text. Role markers come from the file's own template alone; nobody can forge one.
//! - Several conversations share one loaded model, take turns fairly, and each finds its earlier text still read.
//! - No message text is logged, on either side of the pipe.
//!
//! On the app's side: [`child`] (the handle and the task that keeps the process), [`files`] (the models of a data folder). In the child: [`worker`]
//! (the process), then with the feature `builtin-model` `engine` (llama.cpp), `slots` (who may use which part of its memory), `template` and
//! `prompt` (a conversation as tokens), `characters` (tokens as text). Between them: [`pipe`]. A leaf: nothing here knows rooms, HTTP or the database.

pub mod child;
pub mod error;
pub mod files;
mod gguf;
pub mod pipe;
mod process;
mod supervisor;
pub mod worker;

#[cfg(feature = "builtin-model")]
mod characters;
#[cfg(feature = "builtin-model")]
mod engine;
#[cfg(feature = "builtin-model")]
mod prompt;
#[cfg(feature = "builtin-model")]
mod slots;
#[cfg(feature = "builtin-model")]
mod template;

use serde::{Deserialize, Serialize};

pub use self::child::{BuiltinModel, Generation, Settings, Status, WorkerCommand};
pub use self::error::ModelError;

/// What the model is told when a conversation brings no system text of its own. Better than the default inside SmolLM2's template, which makes it
/// introduce itself.
pub const DEFAULT_SYSTEM: &str = "You are a helpful assistant.";

/// One reply to write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The conversation, oldest first. Without a leading system turn, [`DEFAULT_SYSTEM`] is put in front.
    pub turns: Vec<Turn>,
    /// The beginning of the assistant's answer, to be carried on; the events then hold only what comes after it.
    pub continue_from: Option<String>,
    /// At most so many tokens are written; fewer if the context ends first.
    pub max_tokens: u32,
    pub sampling: Sampling,
    /// Now, in milliseconds since 1970. Only for chat templates that write today's date into the prompt.
    pub now_ms: i64,
}

impl Request {
    /// A request with the sampling and the length that suit a small model.
    pub fn new(turns: Vec<Turn>, now_ms: i64) -> Self {
        Self { turns, continue_from: None, max_tokens: 200, sampling: Sampling::default(), now_ms }
    }
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    pub role: Role,
    pub text: String,
}

impl Turn {
    pub fn system(text: impl Into<String>) -> Self {
        Self { role: Role::System, text: text.into() }
    }

    pub fn user(text: impl Into<String>) -> Self {
        Self { role: Role::User, text: text.into() }
    }

    pub fn assistant(text: impl Into<String>) -> Self {
        Self { role: Role::Assistant, text: text.into() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    System,
    User,
    Assistant,
}

/// How the next token is chosen. The default suits models of about 135 M parameters: taking always the likeliest makes them loop, and much warmth
/// makes them babble.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// 0 takes the likeliest token; 0.2–0.5 suits small models.
    pub temperature: f32,
    /// Only the likeliest tokens that together reach this probability, 0–1.
    pub top_p: f32,
    /// Only so many of the likeliest tokens; 0 for all.
    pub top_k: u32,
    /// Divides the score of tokens among the last 64 written; 1 for none.
    pub repeat_penalty: f32,
    /// The same seed, prompt and model give the same text if nothing else runs beside it; none for a fresh one.
    pub seed: Option<u32>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.3, top_p: 0.9, top_k: 40, repeat_penalty: 1.1, seed: None }
    }
}

impl Sampling {
    /// The same, with what llama.cpp would choke on (not a number, or out of range) replaced by the nearest value that makes sense.
    #[must_use]
    pub fn sane(self) -> Self {
        let default = Self::default();
        let or = |value: f32, default: f32| if value.is_finite() { value } else { default };
        Self {
            temperature: or(self.temperature, default.temperature).clamp(0.0, 2.0),
            top_p: or(self.top_p, default.top_p).clamp(0.01, 1.0),
            top_k: self.top_k,
            repeat_penalty: or(self.repeat_penalty, default.repeat_penalty).clamp(0.5, 2.0),
            seed: self.seed,
        }
    }
}

/// What happens while a reply is written, in this order: `Started`, any number of `Reading`, of `Piece`, one `Usage`, `End`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The request has a slot. `cached_tokens` of the prompt were still in memory and need not be read again.
    Started { prompt_tokens: u32, cached_tokens: u32 },
    /// So many of the prompt's tokens are read. A sign of life during long prompts, nothing to show.
    Reading { tokens: u32 },
    /// The next piece of text, of whole characters, never empty.
    Piece(String),
    /// What it took: the whole prompt, cached or not, and the tokens written.
    Usage { prompt_tokens: u32, completion_tokens: u32 },
    /// The last event.
    End(Finish),
}

/// Why a reply is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model ended its turn.
    Stop,
    /// `max_tokens` or the context ended it.
    Length,
}

/// A loaded model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// The file's own name for it, or else the file's name.
    pub name: String,
    /// Tokens that all conversations being written can hold together, and the most that a single one can.
    pub context_tokens: u32,
    /// Conversations written at the same time; more wait in a queue.
    pub slots: u32,
    /// Milliseconds it took to load.
    pub load_ms: u64,
}
