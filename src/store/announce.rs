//! What the writer tells the rest of the house after a commit, in the order of commits.

use crate::domain::id::{MessageId, PersonId, RoomId};
use crate::domain::message::Part;

/// Who hears of commits. Called by the writer between one commit and the next, so it must not wait for anything.
pub trait Announce: Send + Sync + 'static {
    /// What one batch of commits has to say: its revocations first.
    fn announce(&self, batch: Vec<Announcement>);
}

/// One thing that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// Somebody lost access: before anything else of the batch is heard, their streams end.
    Revoked(Revocation),
    /// Somebody may have lost access: the answer to the commit was lost. Their streams open again, which looks.
    Doubted(Revocation),
    /// The room has a change of this number.
    Head { room: RoomId, head: i64 },
    /// Text of a growing reply is on disk.
    Delta(ChunkDelta),
    /// Something of this room changed for this person alone: they came in, have read on, made it a favourite.
    Concerns { room: RoomId, person: PersonId },
    /// A reply waits to be claimed.
    Asked,
    /// Somebody wants this attempt to end.
    Stop { message: MessageId, attempt: i64 },
}

/// Whose streams end, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// One room, for one person.
    Member { room: RoomId, person: PersonId },
    /// All of a person's streams.
    Person(PersonId),
    /// The streams that were opened with this session or token; the text is its stored id.
    Credential(String),
}

/// A piece of a reply as it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkDelta {
    pub room: RoomId,
    pub message: MessageId,
    pub attempt: i64,
    pub part: Part,
    /// Where it begins, in UTF-16 units of the part's text.
    pub off: i64,
    pub text: String,
}
