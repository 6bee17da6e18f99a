//! What every page has around its middle: the assets it needs, the reader's rooms, and the reader.

use crate::domain::id::{PersonId, RoomId};

/// Around the middle of a page.
#[derive(Clone, Copy, Debug)]
pub struct Chrome<'a> {
    /// Names the build in the addresses of assets (`/assets/{build}/…`), so that they can be kept for ever.
    pub build: &'a str,
    /// Who reads; nobody on the pages in front of the door.
    pub me: Option<Me<'a>>,
    /// The reader's rooms, in the order of the list.
    pub rooms: &'a [RoomLink],
    /// The room that the page is about.
    pub current: Option<RoomId>,
}

impl<'a> Chrome<'a> {
    /// For a reader who is not signed in.
    pub fn outside(build: &'a str) -> Self {
        Self { build, me: None, rooms: &[], current: None }
    }

    /// The reader's id as the page carries it; empty outside.
    pub fn my_id(&self) -> String {
        self.me.map(|me| me.id.to_string()).unwrap_or_default()
    }

    pub fn is_current(&self, room: &RoomId) -> bool {
        self.current.as_ref() == Some(room)
    }
}

/// The reader.
#[derive(Clone, Copy, Debug)]
pub struct Me<'a> {
    pub id: PersonId,
    pub name: &'a str,
    pub admin: bool,
}

/// A room in the list.
#[derive(Clone, Debug)]
pub struct RoomLink {
    pub id: RoomId,
    pub name: String,
    pub private: bool,
}
