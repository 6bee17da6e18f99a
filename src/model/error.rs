//! What can go wrong with the built-in model, each as one sentence that can be shown to people.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// An error of adding a model file or of running one. Cloneable, because one crash ends several replies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    // ---- files ----
    #[error("There is no file {}.", .0.display())]
    NotThere(PathBuf),
    #[error("{} is neither a GGUF model nor a Python wheel that holds one.", .0.display())]
    NotAModel(PathBuf),
    #[error("The wheel {} holds no .gguf file.", .0.display())]
    WheelWithoutModel(PathBuf),
    #[error("The wheel {} holds several .gguf files ({names}). Unpack it and add the one you want.", .file.display())]
    WheelWithSeveral { file: PathBuf, names: String },
    #[error("{name} is damaged or not whole: {why}. Get it again.")]
    Damaged { name: String, why: String },
    #[error("{0} is not made for chat: it has no chat template. Choose one that is (“instruct”).")]
    NotForChat(String),
    #[error("{name} is not the file it claims to be: its SHA-256 is {found}, not {expected}. Get it again.")]
    WrongSum { name: String, expected: String, found: String },
    #[error("A different model called {0} is already there. Remove it first, or rename the new one.")]
    NameTaken(String),
    #[error("The disk is full: {0} needs {1} bytes.")]
    DiskFull(String, u64),
    #[error("Another model is being added to this folder right now.")]
    AddingElsewhere,
    #[error("{} could not be read or written: {why}.", .path.display())]
    Io { path: PathBuf, why: String },

    // ---- running ----
    #[error("The built-in model could not be started: {0}")]
    CannotStart(String),
    #[error("The built-in model's process ended in the middle of the reply.")]
    Ended,
    #[error("{0}")]
    TooLong(String),
    #[error("The built-in model is busy with other replies. Try again in a moment.")]
    Busy,
    #[error("{0}")]
    Failed(String),
    #[error("The built-in model is shutting down.")]
    ShuttingDown,
}

impl ModelError {
    /// An I/O error at `path`, with the operating system's reason.
    pub(super) fn io(path: impl Into<PathBuf>, error: &io::Error) -> Self {
        Self::Io { path: path.into(), why: error.to_string() }
    }
}

/// The kinds of refusal that cross the pipe; the sentence travels beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The prompt is longer than the context.
    TooLong,
    /// Too many requests wait already.
    Busy,
    /// Anything else: the file cannot be loaded, its template refuses the conversation.
    Failed,
}
