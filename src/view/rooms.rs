//! The list of rooms: one's own, open ones to join, and a form for a new one.

use askama::Template;

use super::Chrome;
use crate::domain::id::RoomId;

#[derive(Clone, Debug, Template)]
#[template(path = "rooms.html")]
pub struct RoomsPage<'a> {
    pub chrome: Chrome<'a>,
    /// Open rooms that the reader is not in.
    pub open: &'a [OpenRoom],
    /// What was typed in the form for a new room.
    pub name: &'a str,
    pub topic: &'a str,
    pub private: bool,
    pub error: Option<&'a str>,
    pub notice: Option<&'a str>,
}

/// What everyone signed in may see of an open room.
#[derive(Clone, Debug)]
pub struct OpenRoom {
    pub id: RoomId,
    pub name: String,
    pub topic: String,
}
