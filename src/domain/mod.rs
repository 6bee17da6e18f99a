//! The words of the product and their rules: what a name, a room, a message, a cursor is, and who may do what.
//!
//! Nothing here does I/O, waits, or knows of a database, of HTTP or of anything else of ours. A value of these types
//! has been parsed: inside the house there are no strings to distrust.

pub mod assistant;
pub mod command;
pub mod cursor;
pub mod file;
pub mod id;
pub mod message;
pub mod name;
pub mod person;
pub mod prompt;
pub mod reaction;
pub mod room;
pub mod search;
pub mod secret;
pub mod usage;

/// A moment: milliseconds since 1970-01-01T00:00:00Z. For showing and for deadlines; never for order within a room.
pub type Millis = i64;

/// Text from outside that cannot be taken, as one sentence that says what to change. `code` is the stable word for programs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Invalid {
    pub code: &'static str,
    pub sentence: String,
}

impl Invalid {
    pub fn new(code: &'static str, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into() }
    }
}
