//! Identifiers: UUIDs (version 7 where we make them), one type for each kind of thing, so that a room's id never
//! lands where a person's is meant. Written in lower case with hyphens.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Invalid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($what, " {}"), self.0.hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                parse(text).map(Self).ok_or_else(|| Invalid::new("bad_id", concat!("That is not the id of a ", $what, ": it must be a UUID.")))
            }
        }
    )*};
}

ids! {
    /// A person with an account.
    PersonId = "person";
    /// An assistant: a name under which a model answers.
    AssistantId = "assistant";
    /// A room.
    RoomId = "room";
    /// A message. Made by whoever writes it, and the key under which a repeated post is recognised.
    MessageId = "message";
    /// A person's bearer token for programs.
    TokenId = "token";
    /// An invitation.
    InviteId = "invitation";
    /// A file of a message, or one that waits for its message.
    FileId = "file";
}

/// Only the usual form, 36 characters with hyphens: braces, URNs and bare digits would give one thing several spellings.
fn parse(text: &str) -> Option<Uuid> {
    match text.len() {
        36 => Uuid::try_parse(text).ok(),
        _ => None,
    }
}

impl MessageId {
    /// The id of a new message as its writer made it. It must be a UUID of version 7, whose leading time keeps the
    /// index of messages dense.
    pub fn from_client(text: &str) -> Result<Self, Invalid> {
        let id: Self = text.parse()?;
        match id.0.get_version_num() {
            7 => Ok(id),
            _ => Err(Invalid::new("bad_id", "The id of a new message must be a UUID of version 7.")),
        }
    }
}
