//! The index of messages by their words, and finding in it.
//!
//! It changes in the transaction that changes a message's text (`messages.rs`): a text that can be read has its words here, and nothing else
//! has. On SQLite it learns of all texts of a transaction at its end. Messages from before there was an index come into it by
//! [`index_older`], a few at a time.

use std::collections::HashSet;

use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteConnection;

use super::decode::parse;
use super::{Conn, Db, StoreError, Tx, dialect, messages};
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

/// What the index has to learn of a message.
#[derive(Debug)]
pub(super) struct News {
    pub message: MessageId,
    /// As they are now; there may be none.
    pub words: String,
    /// Whether it may know others.
    pub known: bool,
}

/// Puts a new message into the index, if its text has words.
pub(super) async fn add(tx: &mut Tx, id: MessageId, text: &str) -> Result<(), StoreError> {
    match cut(text) {
        words if words.is_empty() => Ok(()),
        words => learn(tx, News { message: id, words, known: false }).await,
    }
}

/// Takes a message out of the index.
pub(super) async fn remove(tx: &mut Tx, id: MessageId) -> Result<(), StoreError> {
    learn(tx, News { message: id, words: String::new(), known: true }).await
}

/// Puts another text in the place of what the index knows of a message.
pub(super) async fn replace(tx: &mut Tx, id: MessageId, text: &str) -> Result<(), StoreError> {
    learn(tx, News { message: id, words: cut(text), known: true }).await
}

async fn learn(tx: &mut Tx, news: News) -> Result<(), StoreError> {
    match tx.conn() {
        Db::Sqlite(_) => tx.teach(news),
        Db::Postgres(db) => {
            if news.known {
                dialect::remove(db, news.message).await?;
            }
            if !news.words.is_empty() {
                dialect::add(db, news.message, &news.words).await?;
            }
        }
    }
    Ok(())
}

/// Ends a transaction of SQLite in which the index learns this, in order: of each message what was said last.
pub(super) async fn commit(conn: &mut SqliteConnection, mut news: Vec<News>) -> Result<(), StoreError> {
    let mut later = HashSet::new();
    news.reverse();
    news.retain(|news| later.insert(news.message));
    news.reverse();
    dialect::commit(conn, &news).await
}

/// Rooms with messages from before there was an index.
pub async fn rooms_to_index(conn: &mut Conn<'_>) -> Result<Vec<RoomId>, StoreError> {
    let rows: Vec<String> =
        with!(conn, |db| sqlx::query_scalar("SELECT id FROM rooms WHERE to_index > 0 ORDER BY active_at DESC").fetch_all(&mut **db).await)?;
    rows.iter().map(|id| parse("rooms.id", id)).collect()
}

/// Puts the newest of a room's older messages into the index. False once there are none left.
pub async fn index_older(tx: &mut Tx, room: RoomId) -> Result<bool, StoreError> {
    // This also holds the room on Postgres, where somebody might else erase what was just read and is about to be indexed.
    let up_to: Option<i64> =
        with!(tx.conn(), |db| sqlx::query_scalar("UPDATE rooms SET to_index = to_index WHERE id = $1 RETURNING to_index")
            .bind(room.to_string())
            .fetch_optional(&mut *db)
            .await)?;
    let Some(up_to) = up_to.filter(|up_to| *up_to > 0) else { return Ok(false) };
    let mut batch: Vec<(String, i64, String)> = Vec::new();
    let mut bytes = 0;
    with!(tx.conn(), |db| {
        let mut found = sqlx::query_as(
            "SELECT id, created_seq, CASE WHEN state IN ('deleted', 'queued', 'streaming') THEN '' ELSE text END
               FROM messages WHERE room_id = $1 AND created_seq <= $2 ORDER BY created_seq DESC LIMIT $3",
        )
        .bind(room.to_string())
        .bind(up_to)
        .bind(BATCH)
        .fetch(&mut *db);
        while bytes < BATCH_BYTES {
            let Some(row) = found.try_next().await? else { break };
            let (_, _, text): &(String, i64, String) = &row;
            bytes += text.len();
            batch.push(row);
        }
    });
    let left = batch.last().map_or(0, |(_, seq, _)| seq - 1);
    for (id, _, text) in &batch {
        // It may be there already, if it was changed meanwhile.
        replace(tx, parse("messages.id", id)?, text).await?;
    }
    with!(tx.conn(), |db| sqlx::query("UPDATE rooms SET to_index = $2 WHERE id = $1")
        .bind(room.to_string())
        .bind(left)
        .execute(&mut *db)
        .await
        .map(|_| ()))?;
    Ok(left > 0)
}
