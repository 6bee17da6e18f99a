//! Who is in a room: a page of its own, of which the room's third column takes the middle.

use askama::Template;

use super::{Chrome, avatar};
use crate::domain::{
    assistant::Speaks,
    room::{Room, RoomDetail},
};

#[derive(Clone, Debug, Template)]
#[template(path = "members.html")]
pub struct MembersPage<'a> {
    pub chrome: Chrome<'a>,
    pub room: &'a RoomDetail,
}

impl MembersPage<'_> {
    fn speaks(&self, speaks: &Speaks) -> &'static str {
        match speaks {
            Speaks::Always => self.chrome.w.answers_always(),
            Speaks::Mention => self.chrome.w.answers_when_mentioned(),
        }
    }

    fn is_talk(&self) -> bool {
        let Room { kind, .. } = &self.room.room;
        kind.is_direct()
    }
}
