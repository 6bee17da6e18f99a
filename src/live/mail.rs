//! What waits for a stream besides its rooms' frames: lines of its reader's list of rooms, and who is in the rooms that it follows. One line a
//! room, the newest alone.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::Serialize;

use super::frame::event;
use crate::domain::id::RoomId;
use crate::domain::room::RoomLine;

/// What waits for a stream besides what its rooms' rings hold.
#[derive(Debug, Default)]
pub(super) struct Mail {
    /// The lines are the whole list.
    whole: bool,
    lines: BTreeMap<RoomId, RoomLine>,
    gone: BTreeSet<RoomId>,
    /// Who is in the rooms that it follows, as frames.
    pub people: BTreeMap<RoomId, Bytes>,
}

impl Mail {
    pub fn put_whole(&mut self, lines: &[RoomLine]) {
        self.whole = true;
        self.gone.clear();
        self.lines = lines.iter().map(|line| (line.id, line.clone())).collect();
    }

    pub fn put(&mut self, line: &RoomLine) {
        self.gone.remove(&line.id);
        self.lines.insert(line.id, line.clone());
    }

    pub fn take_out(&mut self, room: RoomId) {
        self.people.remove(&room);
        self.lines.remove(&room);
        if !self.whole {
            self.gone.insert(room);
        }
    }

    /// The `rooms` frame; nothing if there is no news.
    pub fn rooms_frame(&self) -> Bytes {
        #[derive(Serialize)]
        struct Data<'a> {
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            all: bool,
            rooms: Vec<&'a RoomLine>,
            #[serde(skip_serializing_if = "BTreeSet::is_empty")]
            gone: &'a BTreeSet<RoomId>,
        }
        match self.whole || !self.lines.is_empty() || !self.gone.is_empty() {
            true => event("rooms", None, &Data { all: self.whole, rooms: self.lines.values().collect(), gone: &self.gone }),
            false => Bytes::new(),
        }
    }
}
