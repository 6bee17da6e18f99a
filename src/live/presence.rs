//! Who has a room open, and who is writing there (the `people` frames): in memory alone, best effort, forgotten with the process.
//!
//! Of a room there is one frame for all its streams, made at most once a second and only if it says something new. In a crowd it comes
//! more seldom, and names only some: nobody reads a list of hundreds.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde::Serialize;

use super::channel::lock;
use super::frame::event;
use super::listener::Listener;
use crate::domain::Millis;
use crate::domain::id::{PersonId, RoomId};

/// How long somebody counts as writing who has said so once, in ms.
pub const TYPING: Millis = 6_000;
/// Ids in each list of a frame at most.
pub const NAMED: usize = 50;
/// Least time between two frames of a room, in ms; and where more are here than are named.
const EVERY: Millis = 1_000;
const CROWD_EVERY: Millis = 5_000;

#[derive(Default)]
pub(super) struct Presence(Mutex<HashMap<RoomId, Here>>);

#[derive(Default)]
struct Here {
    streams: HashMap<u64, Arc<Listener>>,
    /// How many streams each person has.
    people: BTreeMap<PersonId, usize>,
    /// Until when each counts as writing.
    typing: BTreeMap<PersonId, Millis>,
    /// The last frame, and when it was made.
    told: Bytes,
    told_at: Millis,
    changed: bool,
}

impl Presence {
    /// A stream shows this room from now on.
    pub fn enter(&self, room: RoomId, listener: &Arc<Listener>, now: Millis) {
        let mut rooms = lock(&self.0);
        let here = rooms.entry(room).or_default();
        if here.streams.insert(listener.id, listener.clone()).is_some() {
            return;
        }
        let own = here.people.entry(listener.reader.person).or_default();
        *own += 1;
        here.changed |= *own == 1;
        // It learns how things stand now; should its coming change them, then with the others.
        if !here.told.is_empty() {
            listener.mail(|mail| drop(mail.people.insert(room, here.told.clone())));
        }
        here.tell_if_due(room, now);
    }

    pub fn leave(&self, room: RoomId, listener: &Listener, now: Millis) {
        let mut rooms = lock(&self.0);
        let Some(here) = rooms.get_mut(&room) else { return };
        if here.streams.remove(&listener.id).is_none() {
            return;
        }
        if here.streams.is_empty() {
            rooms.remove(&room);
            return;
        }
        if let Some(own) = here.people.get_mut(&listener.reader.person) {
            *own -= 1;
            if *own == 0 {
                here.people.remove(&listener.reader.person);
                here.typing.remove(&listener.reader.person);
                here.changed = true;
            }
        }
        here.tell_if_due(room, now);
    }

    /// Somebody is writing in a room. Where nobody looks it is not noted.
    pub fn typing(&self, room: RoomId, person: PersonId, now: Millis) {
        let mut rooms = lock(&self.0);
        let Some(here) = rooms.get_mut(&room) else { return };
        here.changed |= here.typing.insert(person, now + TYPING).is_none();
        here.tell_if_due(room, now);
    }

    /// Somebody has said it, or given up.
    pub fn typed(&self, room: RoomId, person: PersonId, now: Millis) {
        let mut rooms = lock(&self.0);
        let Some(here) = rooms.get_mut(&room) else { return };
        here.changed |= here.typing.remove(&person).is_some();
        here.tell_if_due(room, now);
    }

    /// What has waited for its time, and who has stopped writing without a word.
    pub fn tick(&self, now: Millis) {
        for (room, here) in lock(&self.0).iter_mut() {
            let before = here.typing.len();
            here.typing.retain(|_, until| *until > now);
            here.changed |= here.typing.len() < before;
            here.tell_if_due(*room, now);
        }
    }
}

impl Here {
    fn tell_if_due(&mut self, room: RoomId, now: Millis) {
        let pause = if self.people.len() > NAMED { CROWD_EVERY } else { EVERY };
        if !self.changed || now < self.told_at + pause {
            return;
        }
        self.changed = false;
        #[derive(Serialize)]
        struct Data<'a> {
            room: RoomId,
            here: Vec<&'a PersonId>,
            count: usize,
            typing: Vec<&'a PersonId>,
        }
        let data = Data {
            room,
            here: self.people.keys().take(NAMED).collect(),
            count: self.people.len(),
            typing: self.typing.keys().take(NAMED).collect(),
        };
        let frame = event("people", None, &data);
        if frame == self.told {
            return;
        }
        (self.told, self.told_at) = (frame, now);
        for listener in self.streams.values() {
            listener.mail(|mail| drop(mail.people.insert(room, self.told.clone())));
        }
    }
}
