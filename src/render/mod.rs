//! Text → safe HTML: the only Markdown renderer there is.
//!
//! What it promises:
//!
//! - **Safe.** Markup is made of a small fixed vocabulary; everything a person or a model wrote passes through
//!   `html`'s escaping, and each block passes an allow-list of tags and attributes (`gate`) on its way out.
//! - **One machine.** A finished text (`markdown`) and a reply that still grows ([`growing`]) are cut into the same
//!   sections (`split`), rendered by the same code (`document`): the last state of a growing reply is the
//!   finished message, not something that looks like it.
//! - **Bounded.** No recursion over the input, no work out of proportion to it: nesting, addresses and the
//!   steps of the parser have limits, and a text beyond them is shown as it was written.
//!
//! What is not here: no I/O, no async, no clock; nothing knows of rooms, messages or HTTP.
//!
//! The parser is comrak; where its idea of a document and ours meet is `parse`, and nowhere else.

mod definition;
mod document;
mod emoji;
mod excerpt;
mod footnote;
mod gate;
pub mod growing;
mod highlight;
mod html;
mod lang;
mod link;
pub mod markdown;
mod math;
mod mention;
mod parse;
mod source;
mod split;
mod write;

#[cfg(test)]
mod samples;

pub use crate::render::emoji::{EmojiName, emoji_names};
pub use crate::render::excerpt::plain_excerpt;
pub use crate::render::growing::{Growing, Patch, apply};
pub use crate::render::markdown::{blocks, may_mention, may_name_room, mentions, render};

/// Version of the markup. It is stored with each rendered text, so that rows written by an older renderer can be
/// told apart and rendered again. Raise it whenever the same text would give different markup.
pub const RENDERER: i64 = 5;

/// What markup depends on besides the text.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Prefix of every id in the markup, unique in a page: the message's id. Only ASCII letters, digits, `-` and
    /// `_` of it are used.
    pub scope: &'a str,
    /// Names that can be mentioned, of people and of assistants, as they are to be shown.
    pub names: &'a [String],
    /// Rooms that can be linked to by name.
    pub rooms: &'a [Room],
}

/// A room that a text can link to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    pub name: String,
    /// Its id as it stands in addresses.
    pub id: String,
}

impl AsRef<str> for Room {
    fn as_ref(&self) -> &str {
        &self.name
    }
}
