//! What the usage page adds up. Messages are counted here, from an index alone; attempts are handed out one by one, because the middle of many
//! times cannot be had from sums.

use futures_util::TryStreamExt;

use super::decode::{json, parse};
use super::{Conn, StoreError};
use crate::domain::Millis;
use crate::domain::id::{AssistantId, PersonId};
use crate::domain::message::StateKind;
use crate::domain::usage::DAY;

const _: () = assert!(DAY == 86_400_000, "the queries divide by this number");

/// Messages of one day by people, or by assistants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    pub day: i64,
    pub by_assistants: bool,
    pub count: u64,
}

/// How many messages were posted on which day in the rooms of a person, or in all.
pub async fn messages_a_day(conn: &mut Conn<'_>, of: Option<PersonId>, from: Millis, to: Millis) -> Result<Vec<Said>, StoreError> {
    let rows: Vec<(i64, String, i64)> = match of {
        Some(person) => with!(conn, |db| sqlx::query_as(
            "SELECT m.created_at / 86400000 AS day, m.author_kind, COUNT(*)
               FROM members e JOIN messages m ON m.room_id = e.room_id
              WHERE e.person_id = $1 AND m.created_at >= $2 AND m.created_at < $3
              GROUP BY day, m.author_kind"
        )
        .bind(person.to_string())
        .bind(from)
        .bind(to)
        .fetch_all(&mut **db)
        .await)?,
        // Room by room: SQLite takes a CROSS JOIN in the order in which it is written, and would read the whole index otherwise.
        None => with!(conn, |db| sqlx::query_as(
            "SELECT m.created_at / 86400000 AS day, m.author_kind, COUNT(*)
               FROM rooms r CROSS JOIN messages m
              WHERE m.room_id = r.id AND m.created_at >= $1 AND m.created_at < $2
              GROUP BY day, m.author_kind"
        )
        .bind(from)
        .bind(to)
        .fetch_all(&mut **db)
        .await)?,
    };
    let said = rows.into_iter().map(|(day, kind, count)| Said { day, by_assistants: kind == "assistant", count: count.max(0) as u64 });
    Ok(said.collect())
}

/// An attempt that has ended, with what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    pub assistant: AssistantId,
    pub day: i64,
    pub state: StateKind,
    pub facts: Measured,
}

/// The numbers of an attempt's facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
pub struct Measured {
    pub prompt_tokens: Option<i64>,
    pub completion_tokens: Option<i64>,
    pub first_text_ms: Option<i64>,
    pub total_ms: Option<i64>,
}

/// The attempts asked for in a span, in the rooms of a person or in all; in no order, at most `most`. Deleted replies have lost their numbers.
pub async fn attempts(conn: &mut Conn<'_>, of: Option<PersonId>, from: Millis, to: Millis, most: usize) -> Result<Vec<Tried>, StoreError> {
    let mut tried = Vec::new();
    with!(conn, |db| {
        let mut query = sqlx::QueryBuilder::new(
            "SELECT t.assistant_id, t.state, t.facts, t.asked_at FROM attempts t
              WHERE t.state IN ('complete', 'stopped', 'interrupted', 'failed') AND t.asked_at >= ",
        );
        query.push_bind(from).push(" AND t.asked_at < ").push_bind(to);
        if let Some(person) = of {
            query.push(
                " AND (SELECT m.room_id FROM messages m WHERE m.id = t.message_id)
                   IN (SELECT e.room_id FROM members e WHERE e.person_id = ",
            );
            query.push_bind(person.to_string()).push(")");
        }
        query.push(" LIMIT ").push_bind(most as i64);
        // One by one: what is needed of each is a few numbers.
        let mut rows = query.build_query_as::<(String, String, String, i64)>().fetch(&mut **db);
        while let Some((assistant, state, facts, asked_at)) = rows.try_next().await? {
            tried.push(Tried {
                assistant: parse("attempts.assistant_id", &assistant)?,
                day: asked_at.div_euclid(DAY),
                state: parse("attempts.state", &state)?,
                facts: if facts.is_empty() { Measured::default() } else { json("attempts.facts", &facts)? },
            });
        }
    });
    Ok(tried)
}

/// What assistants are called, those that were removed too.
pub async fn names(conn: &mut Conn<'_>) -> Result<Vec<(AssistantId, String)>, StoreError> {
    let rows: Vec<(String, String)> = with!(conn, |db| sqlx::query_as("SELECT id, name FROM assistants").fetch_all(&mut **db).await)?;
    rows.into_iter().map(|(id, name)| Ok((parse("assistants.id", &id)?, name))).collect()
}
