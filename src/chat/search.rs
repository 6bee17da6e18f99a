//! Finding messages by their words, in the rooms that somebody is in.

use tokio::sync::Semaphore;

use super::{Chat, ChatError, room_of};
use crate::domain::Invalid;
use crate::domain::id::{MessageId, PersonId, RoomId};
use crate::domain::search::{Hit, Piece, Query, excerpt};
use crate::render;
use crate::store::accounts::NameOwner;
use crate::store::search::{Place, Wanted};
use crate::store::{Patience, StoreError, accounts, search};

/// So many are found at once.
pub const FOUND: usize = 20;
/// A longer text is shown as it was written, in bytes: reading the Markdown of many long ones would take its time.
const PLAIN_BYTES: usize = 8 * 1024;
/// Searches at the same time, fewer than connections that read: whoever just opens a room must not wait for them.
static SEARCHES: Semaphore = Semaphore::const_new(2);

/// The newest that fit, and from where there are more.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub hits: Vec<Hit>,
    pub more: Option<String>,
}

impl Chat {
    /// What fits `query` of all that `person` may read, or of one room; `before` is what an earlier answer said in `more`.
    pub async fn search(&self, person: PersonId, query: &str, room: Option<RoomId>, before: Option<&str>) -> Result<Found, ChatError> {
        let query = Query::parse(query)?;
        let before = before.map_or(Ok(Place { place: i64::MAX, message: String::new() }), parse_place)?;
        let _one = SEARCHES.acquire().await.map_err(|_| StoreError::Closed)?;
        let mut snapshot = self.store.snapshot().await?;
        let conn = &mut snapshot.conn();
        if let Some(room) = room {
            room_of(conn, room, person).await?;
        }
        let author = match &query.from {
            None => None,
            Some(key) => match accounts::owner_of_name(conn, key).await? {
                Some(NameOwner::Person(id)) => Some(id.to_string()),
                Some(NameOwner::Assistant(id)) => Some(id.to_string()),
                None => return Ok(Found::default()),
            },
        };
        let wanted = Wanted { phrases: &query.phrases, reader: person, room, author, before, most: FOUND + 1 };
        let mut rows = search::find(conn, &wanted).await?;
        drop(snapshot);
        let more = rows.len() > FOUND;
        rows.truncate(FOUND);
        let more = rows.last().filter(|_| more).map(|last| format!("{}.{}", last.place.place, last.place.message));
        let hits = rows.into_iter().map(|hit| Hit {
            id: hit.id,
            room: hit.room,
            author: hit.author,
            author_name: hit.author_name,
            at: hit.at,
            excerpt: shown(&hit.text, &query),
        });
        Ok(Found { hits: hits.collect(), more })
    }

    /// Puts some of the messages from before there was an index into it. False once there are none.
    pub async fn index_older(&self) -> Result<bool, ChatError> {
        let rooms = {
            let mut reader = self.store.reader().await?;
            search::rooms_to_index(&mut reader.conn()).await?
        };
        let Some(room) = rooms.first().copied() else { return Ok(false) };
        self.store
            .write(Patience::Wait, move |tx| Box::pin(async move { search::index_older(tx, room).await.map_err(ChatError::from) }))
            .await?;
        Ok(true)
    }
}

/// An excerpt of what is read, and not of how it was written; unless that is where the words are, as in a link's address.
fn shown(text: &str, query: &Query) -> Vec<Piece> {
    let plain = if text.len() <= PLAIN_BYTES { excerpt(&render::plain_excerpt(text, PLAIN_BYTES), query) } else { Vec::new() };
    match plain.iter().any(|piece| piece.found) || (query.phrases.is_empty() && !plain.is_empty()) {
        true => plain,
        false => excerpt(text, query),
    }
}

fn parse_place(text: &str) -> Result<Place, ChatError> {
    let place = text.split_once('.').and_then(|(place, message)| {
        let message: MessageId = message.parse().ok()?;
        Some(Place { place: place.parse().ok()?, message: message.to_string() })
    });
    Ok(place.ok_or_else(|| Invalid::new("bad_page", "There is no such page of results. Search again."))?)
}
