//! Rooms, who is in them, and what each of them may do there.

use super::{
    Millis,
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
