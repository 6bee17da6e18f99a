//! Finding messages: a page of its own, of which a room's third column takes the middle.

use askama::Template;

use super::{Chrome, RoomLink, when};
use crate::domain::id::RoomId;
use crate::domain::search::Hit;

#[derive(Clone, Debug, Template)]
#[template(path = "search.html")]
pub struct SearchPage<'a> {
    pub chrome: Chrome<'a>,
    /// As it was typed.
    pub query: &'a str,
    /// Nothing: all rooms.
    pub room: Option<RoomId>,
    /// Nothing where nothing was looked for.
    pub hits: Option<&'a [Hit]>,
    /// Where there are more.
    pub more: Option<&'a str>,
    pub error: Option<&'a str>,
}

impl SearchPage<'_> {
    /// The room of a hit as the reader calls it; nothing once they have left it.
    fn room_of(&self, hit: &Hit) -> Option<&RoomLink> {
        self.chrome.rooms.iter().find(|room| room.id == hit.room)
    }

    fn is_chosen(&self, room: &RoomLink) -> bool {
        self.room == Some(room.id)
    }

    fn says(&self) -> String {
        let w = self.chrome.w;
        if let Some(error) = self.error {
            return w.sentence(error).into_owned();
        }
        match (self.hits, self.more) {
            (None, _) => w.search_hint().to_owned(),
            (Some([]), _) => w.search_nothing().to_owned(),
            (Some(hits), None) => w.search_found(hits.len()),
            (Some(hits), Some(_)) => w.search_more_than(hits.len()),
        }
    }
}
