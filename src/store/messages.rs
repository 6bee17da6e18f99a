//! Messages: rows that are replicated to every open tab. Each read gives rows as they are now, with names and quotes.

use std::collections::HashMap;

use futures_util::TryStreamExt;

use super::decode::{json, parse, parse_opt, to_json};
use super::{Conn, StoreError, Tx, reading, search};
use crate::domain::Millis;
use crate::domain::file::File;
use crate::domain::id::{AssistantId, MessageId, PersonId, RoomId};
use crate::domain::message::{AuthorId, Facts, Message, Named, Quote, State, StateKind};
use crate::domain::prompt::Version;
use crate::domain::reaction::Reactions;

/// The columns and joins of every read of messages, followed by its own WHERE and ORDER BY.
macro_rules! select_messages {
    ($tail:literal) => {
        concat!(
            "SELECT m.id, m.room_id, m.created_seq, m.rev_seq, m.author_id, m.author_kind, m.state, m.state_by, m.state_why, m.attempt,
                    m.reply_to, m.asked_by, m.text, m.html, m.reasoning, m.renderer, m.facts, m.reactions, m.files, m.created_at, m.edited_at,
                    COALESCE(p.name, a.name)   AS author_name,
                    sb.name                    AS state_by_name,
                    ab.name                    AS asked_by_name,
                    q.state                    AS quote_state,
                    q.excerpt                  AS quote_excerpt,
                    COALESCE(qp.name, qa.name) AS quote_author
               FROM messages m
               LEFT JOIN people     p  ON m.author_kind = 'person'    AND p.id  = m.author_id
               LEFT JOIN assistants a  ON m.author_kind = 'assistant' AND a.id  = m.author_id
               LEFT JOIN people     sb ON sb.id = m.state_by
               LEFT JOIN people     ab ON ab.id = m.asked_by
               LEFT JOIN messages   q  ON q.id  = m.reply_to
               LEFT JOIN people     qp ON q.author_kind = 'person'    AND qp.id = q.author_id
               LEFT JOIN assistants qa ON q.author_kind = 'assistant' AND qa.id = q.author_id
              ",
            $tail
        )
    };
}

#[derive(sqlx::FromRow)]
struct MessageRow {
    id: String,
    room_id: String,
    created_seq: i64,
    rev_seq: i64,
    author_id: String,
    author_kind: String,
    state: String,
    state_by: Option<String>,
    state_why: String,
    attempt: i64,
    reply_to: Option<String>,
    asked_by: Option<String>,
    text: String,
    html: String,
    reasoning: String,
    renderer: i64,
    facts: String,
    reactions: String,
    files: String,
    created_at: i64,
    edited_at: Option<i64>,
    author_name: Option<String>,
    state_by_name: Option<String>,
    asked_by_name: Option<String>,
    quote_state: Option<String>,
    quote_excerpt: Option<String>,
    quote_author: Option<String>,
}

/// A message as its row is, with the version of the renderer that made its markup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub message: Message,
    pub renderer: i64,
}

impl MessageRow {
    fn decode(self) -> Result<Stored, StoreError> {
        let state = match parse::<StateKind>("messages.state", &self.state)? {
            StateKind::Complete => State::Complete,
            StateKind::Queued => State::Queued,
            StateKind::Streaming => State::Streaming,
            StateKind::Stopped => State::Stopped { by: named(self.state_by, self.state_by_name) },
            StateKind::Interrupted => State::Interrupted { why: self.state_why },
            StateKind::Failed => State::Failed { why: self.state_why },
            StateKind::Deleted => State::Deleted,
        };
        let reply_to = match (parse_opt("messages.reply_to", self.reply_to.as_deref())?, self.quote_state.as_deref()) {
            (Some(id), Some(state)) => Some(Quote {
                id,
                author: self.quote_author.unwrap_or_default(),
                excerpt: self.quote_excerpt.unwrap_or_default(),
                deleted: parse::<StateKind>("messages.state", state)? == StateKind::Deleted,
            }),
            _ => None,
        };
        let author_id = decode_author(&self.author_kind, &self.author_id)?;
        let message = Message {
            id: parse("messages.id", &self.id)?,
            room: parse("messages.room_id", &self.room_id)?,
            seq: self.created_seq,
            rev: self.rev_seq,
            author: author_id,
            author_name: self.author_name.ok_or_else(|| StoreError::Corrupt(format!("the author of message {} is not there", self.id)))?,
            state,
            attempt: self.attempt,
            at: self.created_at,
            edited: self.edited_at,
            reply_to,
            text: self.text,
            html: self.html,
            reasoning: self.reasoning,
            asked_by: named(self.asked_by, self.asked_by_name),
            facts: match self.facts.as_str() {
                "" => None,
                facts => Some(decode_facts(facts)?),
            },
            reactions: json("messages.reactions", &self.reactions)?,
            files: match self.files.as_str() {
                "" => Vec::new(),
                files => json("messages.files", files)?,
            },
        };
        Ok(Stored { message, renderer: self.renderer })
    }
}

fn named(id: Option<String>, name: Option<String>) -> Option<Named> {
    Some(Named { id: id?, name: name? })
}

pub(super) fn decode_author(kind: &str, id: &str) -> Result<AuthorId, StoreError> {
    match kind {
        "person" => Ok(AuthorId::Person(parse::<PersonId>("messages.author_id", id)?)),
        "assistant" => Ok(AuthorId::Assistant(parse::<AssistantId>("messages.author_id", id)?)),
        _ => Err(StoreError::Corrupt(format!("messages.author_kind = {kind:?}"))),
    }
}

pub(super) fn decode_facts(text: &str) -> Result<Facts, StoreError> {
    json("messages.facts", text)
}

pub(super) fn encode_facts(facts: Option<&Facts>) -> Result<String, StoreError> {
    facts.map_or(Ok(String::new()), to_json)
}

/// What a new message's row is made of. Its markup was made before; the writer renders nothing.
#[derive(Clone, Debug)]
pub struct NewMessage {
    pub id: MessageId,
    pub room: RoomId,
    pub author: AuthorId,
    pub post_hash: String,
    /// The number that was taken for it: both its place and its first version.
    pub seq: i64,
    /// `Complete` for a person's, `Queued` for a reply.
    pub state: StateKind,
    pub attempt: i64,
    pub reply_to: Option<MessageId>,
    pub asked_by: Option<PersonId>,
    pub body: Body,
    pub at: Millis,
}

/// A text in the forms in which it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    pub text: String,
    /// Safe markup.
    pub html: String,
    /// Its beginning as one plain line, for quotes.
    pub excerpt: String,
    /// Version of the renderer that made `html`.
    pub renderer: i64,
}

/// False if there is a message with this id, in whatever room: then nothing has changed.
pub async fn insert(tx: &mut Tx, new: &NewMessage) -> Result<bool, StoreError> {
    let rows = with!(tx.conn(), |db| sqlx::query(
        "INSERT INTO messages (id, room_id, author_id, author_kind, post_hash, created_seq, rev_seq, state, state_why, attempt,
                               reply_to, asked_by, text, html, reasoning, excerpt, renderer, facts, reactions, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6, $7, '', $8, $9, $10, $11, $12, '', $13, $14, '', '{}', $15)
         ON CONFLICT (id) DO NOTHING"
    )
    .bind(new.id.to_string())
    .bind(new.room.to_string())
    .bind(new.author.to_string())
    .bind(new.author.kind())
    .bind(&new.post_hash)
    .bind(new.seq)
    .bind(new.state.as_str())
    .bind(new.attempt)
    .bind(new.reply_to.map(|id| id.to_string()))
    .bind(new.asked_by.map(|id| id.to_string()))
    .bind(&new.body.text)
    .bind(&new.body.html)
    .bind(&new.body.excerpt)
    .bind(new.body.renderer)
    .bind(new.at)
    .execute(&mut *db)
    .await
    .map(|done| done.rows_affected()))?;
    if rows > 0 {
        search::add(tx, new.id, &new.body.text).await?;
    }
    Ok(rows > 0)
}

/// Notes what a message carries, for all who read it. Where it says nothing, quotes show `names`.
pub async fn set_files(conn: &mut Conn<'_>, id: MessageId, files: &[File], names: &str) -> Result<(), StoreError> {
    let files = to_json(&files)?;
    with!(conn, |db| sqlx::query("UPDATE messages SET files = $2, excerpt = CASE WHEN text = '' THEN $3 ELSE excerpt END WHERE id = $1")
        .bind(id.to_string())
        .bind(files)
        .bind(names)
        .execute(&mut **db)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// The room, fingerprint and place of the post with this id, if there is one: in any room, since ids are taken once for all.
pub async fn find_post(conn: &mut Conn<'_>, id: MessageId) -> Result<Option<(RoomId, String, i64)>, StoreError> {
    let row: Option<(String, String, i64)> =
        with!(conn, |db| sqlx::query_as("SELECT room_id, post_hash, created_seq FROM messages WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&mut **db)
            .await)?;
    row.map(|(room, hash, seq)| Ok((parse("messages.room_id", &room)?, hash, seq))).transpose()
}

/// A message of a room. Never found through another room.
pub async fn find(conn: &mut Conn<'_>, room: RoomId, id: MessageId) -> Result<Option<Stored>, StoreError> {
    let row: Option<MessageRow> = with!(conn, |db| sqlx::query_as(select_messages!("WHERE m.room_id = $1 AND m.id = $2"))
        .bind(room.to_string())
        .bind(id.to_string())
        .fetch_optional(&mut **db)
        .await)?;
    row.map(MessageRow::decode).transpose()
}

/// Rows that changed after a cursor, or word that there are too many.
#[derive(Debug)]
pub enum Changes {
    Rows(Vec<Stored>),
    TooMany,
}

/// Rows with `rev > after`, in the order of their changes; at most `most` rows and about `bytes` of text and markup.
pub async fn changed_since(conn: &mut Conn<'_>, room: RoomId, after: i64, most: usize, bytes: usize) -> Result<Changes, StoreError> {
    let mut rows = Vec::new();
    let mut size = 0;
    let enough = with!(conn, |db| {
        // One more than fits tells "all" from "too many"; fetched one by one, so that what is too much is never read whole.
        let mut found =
            sqlx::query_as::<_, MessageRow>(select_messages!("WHERE m.room_id = $1 AND m.rev_seq > $2 ORDER BY m.rev_seq LIMIT $3"))
                .bind(room.to_string())
                .bind(after)
                .bind(most as i64 + 1)
                .fetch(&mut **db);
        loop {
            let Some(row) = found.try_next().await? else { break true };
            size += row.text.len() + row.html.len() + row.reasoning.len();
            if rows.len() == most || size > bytes {
                break false;
            }
            rows.push(row);
        }
    });
    match enough {
        true => Ok(Changes::Rows(rows.into_iter().map(MessageRow::decode).collect::<Result<_, _>>()?)),
        false => Ok(Changes::TooMany),
    }
}

/// The last `limit` messages before the place `before` (exclusive), in order of place.
pub async fn page_before(conn: &mut Conn<'_>, room: RoomId, before: i64, limit: usize) -> Result<Vec<Stored>, StoreError> {
    let rows: Vec<MessageRow> = with!(conn, |db| sqlx::query_as(select_messages!(
        "WHERE m.room_id = $1 AND m.created_seq < $2 ORDER BY m.created_seq DESC LIMIT $3"
    ))
    .bind(room.to_string())
    .bind(before)
    .bind(limit as i64)
    .fetch_all(&mut **db)
    .await)?;
    rows.into_iter().rev().map(MessageRow::decode).collect()
}

/// The first `limit` messages after the place `after` (exclusive), in order of place.
pub async fn page_after(conn: &mut Conn<'_>, room: RoomId, after: i64, limit: usize) -> Result<Vec<Stored>, StoreError> {
    let rows: Vec<MessageRow> =
        with!(conn, |db| sqlx::query_as(select_messages!("WHERE m.room_id = $1 AND m.created_seq > $2 ORDER BY m.created_seq LIMIT $3"))
            .bind(room.to_string())
            .bind(after)
            .bind(limit as i64)
            .fetch_all(&mut **db)
            .await)?;
    rows.into_iter().map(MessageRow::decode).collect()
}

/// The messages at these places, in order of place.
pub async fn at_places(conn: &mut Conn<'_>, room: RoomId, places: &[i64]) -> Result<Vec<Stored>, StoreError> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<MessageRow> = with!(conn, |db| {
        let mut query = sqlx::QueryBuilder::new(select_messages!("WHERE m.room_id = "));
        query.push_bind(room.to_string()).push(" AND m.created_seq IN (");
        let mut list = query.separated(", ");
        for place in places {
            list.push_bind(*place);
        }
        query.push(") ORDER BY m.created_seq");
        query.build_query_as().persistent(false).fetch_all(&mut **db).await
    })?;
    rows.into_iter().map(MessageRow::decode).collect()
}

/// Which texts these messages have now.
pub async fn versions(conn: &mut Conn<'_>, ids: &[MessageId]) -> Result<HashMap<MessageId, Version>, StoreError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(String, Option<i64>, i64)> = with!(conn, |db| {
        let mut query = sqlx::QueryBuilder::new("SELECT id, edited_at, attempt FROM messages WHERE id IN (");
        let mut list = query.separated(", ");
        for id in ids {
            list.push_bind(id.to_string());
        }
        query.push(")");
        query.build_query_as().persistent(false).fetch_all(&mut **db).await
    })?;
    rows.into_iter().map(|(id, edited, attempt)| Ok((parse("messages.id", &id)?, Version { edited, attempt }))).collect()
}

/// How many messages that can be read stand at the places from `from` (inclusive) to `to` (exclusive), counted up to `most`.
pub async fn count_between(conn: &mut Conn<'_>, room: RoomId, from: i64, to: i64, most: u32) -> Result<u32, StoreError> {
    let count: i64 = with!(conn, |db| sqlx::query_scalar(
        "SELECT COUNT(*) FROM (SELECT 1 FROM messages
                                WHERE room_id = $1 AND created_seq >= $2 AND created_seq < $3
                                  AND state NOT IN ('deleted', 'queued', 'streaming') LIMIT $4) AS found"
    )
    .bind(room.to_string())
    .bind(from)
    .bind(to)
    .bind(i64::from(most))
    .fetch_one(&mut **db)
    .await)?;
    Ok(count.clamp(0, i64::from(most)) as u32)
}

/// Replies of a room that are being written.
pub async fn streaming(conn: &mut Conn<'_>, room: RoomId) -> Result<Vec<(MessageId, i64)>, StoreError> {
    let rows: Vec<(String, i64)> = with!(conn, |db| sqlx::query_as(
        "SELECT id, attempt FROM messages WHERE room_id = $1 AND state = 'streaming' ORDER BY created_seq"
    )
    .bind(room.to_string())
    .fetch_all(&mut **db)
    .await)?;
    rows.into_iter().map(|(id, attempt)| Ok((parse("messages.id", &id)?, attempt))).collect()
}

/// Messages that quote this one: when it changes, so do they. Deleted ones too, for what they replied to is still shown with them.
pub async fn quoting(conn: &mut Conn<'_>, parent: MessageId) -> Result<Vec<MessageId>, StoreError> {
    let rows: Vec<String> = with!(conn, |db| sqlx::query_scalar("SELECT id FROM messages WHERE reply_to = $1 ORDER BY created_seq")
        .bind(parent.to_string())
        .fetch_all(&mut **db)
        .await)?;
    rows.iter().map(|id| parse("messages.id", id)).collect()
}

/// Gives a row a new version because something that it shows has changed.
pub async fn touch(conn: &mut Conn<'_>, id: MessageId, rev: i64) -> Result<(), StoreError> {
    with!(conn, |db| sqlx::query("UPDATE messages SET rev_seq = $2 WHERE id = $1")
        .bind(id.to_string())
        .bind(rev)
        .execute(&mut **db)
        .await
        .map(|_| ()))?;
    Ok(())
}

pub async fn edit(tx: &mut Tx, id: MessageId, body: &Body, rev: i64, now: Millis) -> Result<(), StoreError> {
    with!(tx.conn(), |db| sqlx::query(
        "UPDATE messages SET text = $2, html = $3, excerpt = $4, renderer = $5, rev_seq = $6, edited_at = $7 WHERE id = $1"
    )
    .bind(id.to_string())
    .bind(&body.text)
    .bind(&body.html)
    .bind(&body.excerpt)
    .bind(body.renderer)
    .bind(rev)
    .bind(now)
    .execute(&mut *db)
    .await
    .map(|_| ()))?;
    search::replace(tx, id, &body.text).await
}

pub async fn set_reactions(conn: &mut Conn<'_>, id: MessageId, reactions: &Reactions, rev: i64) -> Result<(), StoreError> {
    let reactions = to_json(reactions)?;
    with!(conn, |db| sqlx::query("UPDATE messages SET reactions = $2, rev_seq = $3 WHERE id = $1")
        .bind(id.to_string())
        .bind(reactions)
        .bind(rev)
        .execute(&mut **db)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// Erases a message's text; the row stays as a mark that something stood there, and the fingerprint of its post, so that a late
/// repetition of the post brings nothing back.
pub async fn erase(tx: &mut Tx, id: MessageId, rev: i64) -> Result<(), StoreError> {
    reading::forget_mentions(&mut tx.conn(), id).await?;
    search::remove(tx, id).await?;
    with!(tx.conn(), |db| sqlx::query(
        "UPDATE messages SET state = 'deleted', state_by = NULL, state_why = '', text = '', html = '', reasoning = '', excerpt = '',
                             facts = '', reactions = '{}', files = '', rev_seq = $2
          WHERE id = $1"
    )
    .bind(id.to_string())
    .bind(rev)
    .execute(&mut *db)
    .await
    .map(|_| ()))?;
    Ok(())
}

/// Puts a reply's row into the state of its (new) attempt, with no text: `queued` when it is asked again, `streaming` when claimed.
pub async fn reopen(tx: &mut Tx, id: MessageId, state: StateKind, attempt: i64, asked_by: PersonId, rev: i64) -> Result<(), StoreError> {
    reading::forget_mentions(&mut tx.conn(), id).await?;
    search::remove(tx, id).await?;
    with!(tx.conn(), |db| sqlx::query(
        "UPDATE messages SET state = $2, state_by = NULL, state_why = '', attempt = $3, asked_by = $4, text = '', html = '',
                             reasoning = '', excerpt = '', facts = '', rev_seq = $5
          WHERE id = $1"
    )
    .bind(id.to_string())
    .bind(state.as_str())
    .bind(attempt)
    .bind(asked_by.to_string())
    .bind(rev)
    .execute(&mut *db)
    .await
    .map(|_| ()))?;
    Ok(())
}

/// The end of a reply: its text and how it ended. `by` and `why` as the state has them.
pub struct Ending<'a> {
    pub state: StateKind,
    pub by: Option<PersonId>,
    pub why: &'a str,
    pub body: &'a Body,
    pub reasoning: &'a str,
    pub facts: &'a Facts,
}

pub async fn finish(tx: &mut Tx, id: MessageId, attempt: i64, end: &Ending<'_>, rev: i64) -> Result<(), StoreError> {
    let facts = encode_facts(Some(end.facts))?;
    let done = with!(tx.conn(), |db| sqlx::query(
        "UPDATE messages SET state = $3, state_by = $4, state_why = $5, text = $6, html = $7, excerpt = $8, renderer = $9,
                             reasoning = $10, facts = $11, rev_seq = $12
          WHERE id = $1 AND attempt = $2"
    )
    .bind(id.to_string())
    .bind(attempt)
    .bind(end.state.as_str())
    .bind(end.by.map(|by| by.to_string()))
    .bind(end.why)
    .bind(&end.body.text)
    .bind(&end.body.html)
    .bind(&end.body.excerpt)
    .bind(end.body.renderer)
    .bind(end.reasoning)
    .bind(facts)
    .bind(rev)
    .execute(&mut *db)
    .await
    .map(|done| done.rows_affected()))?;
    match done {
        0 => Ok(()),
        _ => search::replace(tx, id, &end.body.text).await,
    }
}
