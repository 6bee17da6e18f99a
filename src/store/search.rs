//! The index of messages by their words, and finding in it.
//!
//! It changes in the transaction that changes a message's text (`messages.rs`): a text that can be read has its words here, and nothing else
//! has. Messages from before there was an index come into it by [`index_older`], a few at a time.

use futures_util::TryStreamExt;

use super::decode::parse;
use super::{Conn, StoreError, dialect, messages};
use crate::domain::Millis;
use crate::domain::id::{MessageId, PersonId, RoomId};
use crate::domain::message::AuthorId;
use crate::domain::search::{Phrase, cut};

/// Older messages that are put into the index in one transaction, at most, and about how much text, in bytes: others wait for it.
const BATCH: i64 = 100;
const BATCH_BYTES: usize = 64 * 1024;

/// What is looked for, and by whom.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    pub phrases: &'a [Phrase],
    /// Only messages of rooms that this person is in are found.
    pub reader: PersonId,
    pub room: Option<RoomId>,
    pub author: Option<String>,
    pub before: Place,
    pub most: usize,
}

/// Where a message stands among all: by time, and where several have one place, by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub place: i64,
    pub message: String,
}

/// A message that was found.
#[derive(Clone, Debug)]
pub struct Hit {
    pub id: MessageId,
    pub room: RoomId,
    pub author: AuthorId,
    pub author_name: String,
    pub text: String,
    pub at: Millis,
    pub place: Place,
}

#[derive(sqlx::FromRow)]
pub(super) struct HitRow {
    id: String,
    room_id: String,
    place: i64,
    author_id: String,
    author_kind: String,
    author_name: Option<String>,
    text: String,
    created_at: i64,
}

/// The newest messages with all that is wanted.
pub async fn find(conn: &mut Conn<'_>, wanted: &Wanted<'_>) -> Result<Vec<Hit>, StoreError> {
    let rows = dialect::find(conn, wanted).await?;
    let hit = |row: HitRow| {
        Ok(Hit {
            id: parse("messages.id", &row.id)?,
            room: parse("messages.room_id", &row.room_id)?,
            author: messages::decode_author(&row.author_kind, &row.author_id)?,
            author_name: row.author_name.unwrap_or_default(),
            text: row.text,
            at: row.created_at,
            place: Place { place: row.place, message: row.id },
        })
    };
    rows.into_iter().map(hit).collect()
}

/// Puts a message that is not in the index there, if its text has words.
pub(super) async fn add(conn: &mut Conn<'_>, id: MessageId, text: &str) -> Result<(), StoreError> {
    match cut(text) {
        words if words.is_empty() => Ok(()),
        words => dialect::add(conn, id, &words).await,
    }
}

/// Takes a message out of the index.
pub(super) async fn remove(conn: &mut Conn<'_>, id: MessageId) -> Result<(), StoreError> {
    dialect::remove(conn, id).await
}

/// Puts another text in the place of what the index knows of a message.
pub(super) async fn replace(conn: &mut Conn<'_>, id: MessageId, text: &str) -> Result<(), StoreError> {
    remove(conn, id).await?;
    add(conn, id, text).await
}

/// Rooms with messages from before there was an index.
pub async fn rooms_to_index(conn: &mut Conn<'_>) -> Result<Vec<RoomId>, StoreError> {
    let rows: Vec<String> =
        with!(conn, |db| sqlx::query_scalar("SELECT id FROM rooms WHERE to_index > 0 ORDER BY active_at DESC").fetch_all(&mut **db).await)?;
    rows.iter().map(|id| parse("rooms.id", id)).collect()
}

/// Puts the newest of a room's older messages into the index. False once there are none left.
pub async fn index_older(conn: &mut Conn<'_>, room: RoomId) -> Result<bool, StoreError> {
    // This also holds the room on Postgres, where somebody might else erase what was just read and is about to be indexed.
    let up_to: Option<i64> = with!(conn, |db| sqlx::query_scalar("UPDATE rooms SET to_index = to_index WHERE id = $1 RETURNING to_index")
        .bind(room.to_string())
        .fetch_optional(&mut **db)
        .await)?;
    let Some(up_to) = up_to.filter(|up_to| *up_to > 0) else { return Ok(false) };
    let mut batch: Vec<(String, i64, String)> = Vec::new();
    let mut bytes = 0;
    with!(&mut *conn, |db| {
        let mut found = sqlx::query_as(
            "SELECT id, created_seq, CASE WHEN state IN ('deleted', 'queued', 'streaming') THEN '' ELSE text END
               FROM messages WHERE room_id = $1 AND created_seq <= $2 ORDER BY created_seq DESC LIMIT $3",
        )
        .bind(room.to_string())
        .bind(up_to)
        .bind(BATCH)
        .fetch(&mut **db);
        while bytes < BATCH_BYTES {
            let Some(row) = found.try_next().await? else { break };
            let (_, _, text): &(String, i64, String) = &row;
            bytes += text.len();
            batch.push(row);
        }
    });
    let left = batch.last().map_or(0, |(_, seq, _)| seq - 1);
    for (id, _, text) in &batch {
        add(conn, parse("messages.id", id)?, text).await?;
    }
    with!(conn, |db| sqlx::query("UPDATE rooms SET to_index = $2 WHERE id = $1")
        .bind(room.to_string())
        .bind(left)
        .execute(&mut **db)
        .await
        .map(|_| ()))?;
    Ok(left > 0)
}
