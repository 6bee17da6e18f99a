//! What each person has and has not read: how far they are, whom a message concerns, and the counts that follow from both.
//!
//! Nothing here takes a number of a room: it is no part of what a room's readers have in common. Counting reads indices alone
//! (`messages_to_read`, `mentions_to_count`), stops at [`COUNT_MOST`], and asks for all of a person's rooms, or for many people's, at once.

use super::decode::parse;
use super::{Conn, StoreError};
use crate::domain::id::{MessageId, PersonId, RoomId};
use crate::domain::room::{COUNT_MOST, RoomLine};

/// The columns and joins of a line in a person's list of rooms, from their membership `m`.
const LINE: &str = "
    SELECT m.person_id, r.id, COALESCE(o.name, r.name) AS name, r.kind, r.private, r.head, r.active_at, m.read_seq, m.favourite,
           (SELECT COUNT(*) FROM (SELECT 1 FROM messages u
                                   WHERE u.room_id = m.room_id AND u.created_seq > m.read_seq AND u.author_id <> m.person_id
                                     AND u.state NOT IN ('deleted', 'queued', 'streaming') LIMIT 100) AS a) AS unread,
           (SELECT COUNT(*) FROM (SELECT 1 FROM mentions n
                                   WHERE n.person_id = m.person_id AND n.room_id = m.room_id AND n.seq > m.read_seq LIMIT 100) AS b) AS mentions,
           (SELECT COUNT(*) FROM (SELECT 1 FROM messages w
                                   WHERE w.room_id = m.room_id AND w.state IN ('queued', 'streaming') LIMIT 1) AS c) AS writing ";
const _: () = assert!(COUNT_MOST == 100, "the limits in LINE are this number");
/// How a line's rows belong together. Whom somebody talks with is found by the pair, whether or not the other is in the room.
const JOINS: &str = "
      JOIN rooms r ON r.id = m.room_id
      LEFT JOIN people o ON o.id = CASE WHEN r.pair_low = m.person_id THEN r.pair_high ELSE r.pair_low END ";
/// People or pairs in one question: both databases take many more values.
const AT_ONCE: usize = 2_000;

#[derive(sqlx::FromRow)]
struct LineRow {
    person_id: String,
    id: String,
    name: String,
    kind: String,
    private: bool,
    head: i64,
    active_at: i64,
    read_seq: i64,
    favourite: bool,
    unread: i64,
    mentions: i64,
    writing: i64,
}

impl LineRow {
    fn decode(self) -> Result<(PersonId, RoomLine), StoreError> {
        let count = |count: i64| count.clamp(0, COUNT_MOST) as u32;
        let line = RoomLine {
            id: parse("rooms.id", &self.id)?,
            name: self.name,
            kind: parse("rooms.kind", &self.kind)?,
            private: self.private,
            head: self.head,
            at: self.active_at,
            read: self.read_seq,
            unread: count(self.unread),
            mentions: count(self.mentions),
            favourite: self.favourite,
            writing: self.writing > 0,
        };
        Ok((parse("members.person_id", &self.person_id)?, line))
    }
}

/// All rooms of these people, by name.
pub async fn lines_of_people(conn: &mut Conn<'_>, people: &[PersonId]) -> Result<Vec<(PersonId, RoomLine)>, StoreError> {
    let mut lines = Vec::new();
    for some in people.chunks(AT_ONCE) {
        let rows: Vec<LineRow> = with!(conn, |db| {
            let mut query = sqlx::QueryBuilder::new(LINE);
            query.push(" FROM members m ").push(JOINS).push(" WHERE m.person_id IN (");
            let mut list = query.separated(", ");
            for person in some {
                list.push_bind(person.to_string());
            }
            query.push(") ORDER BY 3, 2");
            // One person's is asked for by every page; of how many others, is new each time.
            query.build_query_as().persistent(some.len() == 1).fetch_all(&mut **db).await
        })?;
        for row in rows {
            lines.push(row.decode()?);
        }
    }
    Ok(lines)
}

/// The lines of these memberships, in no order; where somebody is not in that room (any more) there is none.
pub async fn lines_of_pairs(conn: &mut Conn<'_>, pairs: &[(PersonId, RoomId)]) -> Result<Vec<(PersonId, RoomLine)>, StoreError> {
    let mut lines = Vec::with_capacity(pairs.len());
    for some in pairs.chunks(AT_ONCE) {
        let rows: Vec<LineRow> = with!(conn, |db| {
            let mut query = sqlx::QueryBuilder::new("WITH wanted(room, person) AS (");
            query.push_values(some, |mut row, (person, room)| {
                row.push_bind(room.to_string()).push_bind(person.to_string());
            });
            query
                .push(") ")
                .push(LINE)
                .push(" FROM wanted JOIN members m ON m.room_id = wanted.room AND m.person_id = wanted.person ")
                .push(JOINS);
            query.build_query_as().persistent(some.len() == 1).fetch_all(&mut **db).await
        })?;
        for row in rows {
            lines.push(row.decode()?);
        }
    }
    Ok(lines)
}

/// How far a person has read, and how far they can have read who have seen everything up to the place `seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub read: i64,
    /// Place of the last message up to there that is not still being written; 0 if there is none.
    pub upto: i64,
}

/// Nothing for who is no member.
pub async fn mark(conn: &mut Conn<'_>, room: RoomId, person: PersonId, seq: i64) -> Result<Option<Mark>, StoreError> {
    let row: Option<(i64, Option<i64>)> = with!(conn, |db| sqlx::query_as(
        "SELECT m.read_seq,
                (SELECT u.created_seq FROM messages u
                  WHERE u.room_id = m.room_id AND u.created_seq <= $3 AND u.state NOT IN ('queued', 'streaming')
                  ORDER BY u.created_seq DESC LIMIT 1)
           FROM members m JOIN people p ON p.id = m.person_id
          WHERE m.room_id = $1 AND m.person_id = $2 AND NOT p.disabled"
    )
    .bind(room.to_string())
    .bind(person.to_string())
    .bind(seq)
    .fetch_optional(&mut **db)
    .await)?;
    Ok(row.map(|(read, upto)| Mark { read, upto: upto.unwrap_or(0) }))
}

/// Moves a person's mark, forward or back alone. False if it is there already, or beyond.
pub async fn move_mark(conn: &mut Conn<'_>, room: RoomId, person: PersonId, seq: i64, way: Way) -> Result<bool, StoreError> {
    let sql = match way {
        Way::Forward => "UPDATE members SET read_seq = $3 WHERE room_id = $1 AND person_id = $2 AND read_seq < $3",
        Way::Back => "UPDATE members SET read_seq = $3 WHERE room_id = $1 AND person_id = $2 AND read_seq > $3",
    };
    let done = with!(conn, |db| sqlx::query(sql)
        .bind(room.to_string())
        .bind(person.to_string())
        .bind(seq)
        .execute(&mut **db)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(done == 1)
}

/// Which way a mark may move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Forward,
    Back,
}

/// False if it was so already.
pub async fn set_favourite(conn: &mut Conn<'_>, room: RoomId, person: PersonId, on: bool) -> Result<bool, StoreError> {
    let done =
        with!(conn, |db| sqlx::query("UPDATE members SET favourite = $3 WHERE room_id = $1 AND person_id = $2 AND favourite <> $3")
            .bind(room.to_string())
            .bind(person.to_string())
            .bind(on)
            .execute(&mut **db)
            .await
            .map(|done| done.rows_affected()))?;
    Ok(done == 1)
}

/// The first message of others after this place that can be read.
pub async fn first_unread(conn: &mut Conn<'_>, room: RoomId, person: PersonId, read: i64) -> Result<Option<(MessageId, i64)>, StoreError> {
    let row: Option<(String, i64)> = with!(conn, |db| sqlx::query_as(
        "SELECT id, created_seq FROM messages
          WHERE room_id = $1 AND created_seq > $3 AND author_id <> $2 AND state NOT IN ('deleted', 'queued', 'streaming')
          ORDER BY created_seq LIMIT 1"
    )
    .bind(room.to_string())
    .bind(person.to_string())
    .bind(read)
    .fetch_optional(&mut **db)
    .await)?;
    row.map(|(id, seq)| Ok((parse("messages.id", &id)?, seq))).transpose()
}

/// Notes whom a message concerns as it stands: members whom its text names, and the person whose message it answers; never its author.
/// `names` are those that its text mentions.
pub async fn note_mentions(conn: &mut Conn<'_>, message: MessageId, names: &[String]) -> Result<(), StoreError> {
    forget_mentions(conn, message).await?;
    let row: Option<(String, i64, String, Option<String>)> = with!(conn, |db| sqlx::query_as(
        "SELECT m.room_id, m.created_seq, m.author_id, q.author_id
           FROM messages m LEFT JOIN messages q ON q.id = m.reply_to AND q.author_kind = 'person'
          WHERE m.id = $1"
    )
    .bind(message.to_string())
    .fetch_optional(&mut **db)
    .await)?;
    let Some((room, seq, author, answered)) = row else { return Ok(()) };
    let mut people = match names.is_empty() {
        true => Vec::new(),
        false => members_named(conn, &room, names).await?,
    };
    people.extend(answered);
    people.retain(|person| *person != author);
    for some in people.chunks(AT_ONCE) {
        with!(conn, |db| {
            let mut query = sqlx::QueryBuilder::new("INSERT INTO mentions (message_id, person_id, room_id, seq) ");
            query.push_values(some, |mut row, person| {
                row.push_bind(message.to_string()).push_bind(person).push_bind(&room).push_bind(seq);
            });
            query.push(" ON CONFLICT DO NOTHING");
            query.build().persistent(some.len() == 1).execute(&mut **db).await.map(|_| ())
        })?;
    }
    Ok(())
}

async fn members_named(conn: &mut Conn<'_>, room: &str, names: &[String]) -> Result<Vec<String>, StoreError> {
    let mut people = Vec::new();
    for some in names.chunks(AT_ONCE) {
        let more: Vec<String> = with!(conn, |db| {
            let mut query = sqlx::QueryBuilder::new("SELECT p.id FROM people p JOIN members m ON m.person_id = p.id WHERE m.room_id = ");
            query.push_bind(room).push(" AND p.name IN (");
            let mut list = query.separated(", ");
            for name in some {
                list.push_bind(name);
            }
            query.push(")");
            query.build_query_scalar().fetch_all(&mut **db).await
        })?;
        people.extend(more);
    }
    Ok(people)
}

/// A message that is erased, or written anew, concerns nobody.
pub(super) async fn forget_mentions(conn: &mut Conn<'_>, message: MessageId) -> Result<(), StoreError> {
    with!(conn, |db| sqlx::query("DELETE FROM mentions WHERE message_id = $1")
        .bind(message.to_string())
        .execute(&mut **db)
        .await
        .map(|_| ()))?;
    Ok(())
}
