//! Rooms, who is in them, and what each of them may do there.

use super::{
    Invalid, Millis,
    assistant::{Provider, Speaks},
    cursor::{Cursor, Epoch},
    id::{AssistantId, PersonId, RoomId},
};

/// A room's own row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    pub id: RoomId,
    pub name: String,
    pub topic: String,
    pub kind: RoomKind,
    /// Private rooms are invisible to non-members; open ones show their name and topic to everyone signed in.
    pub private: bool,
    pub epoch: Epoch,
    /// Number of the room's latest change.
    pub head: i64,
    /// Number of the latest change of the room's own row: name, topic, members, assistants.
    pub rev: i64,
    pub created_at: Millis,
}

impl Room {
    /// The cursor that says: everything up to the room's head is known.
    pub fn cursor(&self) -> Cursor {
        Cursor { room: self.id, epoch: self.epoch, seq: self.head }
    }
}

/// What a room is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomKind {
    /// Has a name, and whoever is let in.
    #[default]
    Room,
    /// The talk of exactly two people, private and without an owner. Its stored name is for lists of all rooms; each of the two sees
    /// the other's name.
    Direct,
}

impl RoomKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Room => "room",
            Self::Direct => "direct",
        }
    }

    pub fn is_direct(self) -> bool {
        self == Self::Direct
    }
}

impl std::str::FromStr for RoomKind {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        [Self::Room, Self::Direct]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| Invalid::new("bad_kind", format!("unknown kind of room “{text}”")))
    }
}

/// What is unread or mentioned is counted to here: who has more to read than this wants no exact number.
pub const COUNT_MOST: i64 = 100;

/// A room as one person's list of rooms shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct RoomLine {
    pub id: RoomId,
    /// As this person sees it: of a direct talk the other's name.
    pub name: String,
    pub kind: RoomKind,
    pub private: bool,
    pub head: i64,
    /// Time of the newest message, or of the room's making.
    pub at: Millis,
    /// Messages up to this place have been read.
    pub read: i64,
    /// Messages of others after it that can be read, to [`COUNT_MOST`].
    pub unread: u32,
    /// Those of them that concern this person, to [`COUNT_MOST`].
    pub mentions: u32,
    pub favourite: bool,
    /// A reply waits or is being written.
    pub writing: bool,
}

/// What a member may do in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May rename the room, set its topic, add and remove members and choose its assistants.
    Owner,
    Member,
}

impl Role {
    pub fn may_manage(self) -> bool {
        self == Self::Owner
    }
}

/// A person in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub id: PersonId,
    pub name: String,
    pub role: Role,
}

/// An assistant in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomAssistant {
    pub id: AssistantId,
    pub name: String,
    pub provider: Provider,
    pub model: String,
    pub speaks: Speaks,
}

/// A room with everyone in it: what its `room` frame and its page show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomDetail {
    pub room: Room,
    /// By name.
    pub members: Vec<Member>,
    /// By name.
    pub assistants: Vec<RoomAssistant>,
}

impl RoomDetail {
    /// Names that can be mentioned in the room: its people's and its assistants'.
    pub fn names(&self) -> Vec<String> {
        let people = self.members.iter().map(|member| member.name.clone());
        people.chain(self.assistants.iter().map(|assistant| assistant.name.clone())).collect()
    }
}
