//! The attempts at a reply, and the chunks of text that one grows by.
//!
//! An attempt that is `queued` is the job itself. Whoever claims it gets a fence; every later write of that run repeats attempt, state
//! and fence in its WHERE, so that nothing can land after a stop, a deletion or a newer attempt: a write that is refused ends the run.

use tracing::error;

use super::decode::{parse, parse_opt};
use super::messages::{decode_facts, encode_facts};
use super::{Conn, StoreError, prompts};
use crate::domain::Millis;
use crate::domain::assistant::Provider;
use crate::domain::id::{AssistantId, MessageId, PersonId, RoomId};
use crate::domain::message::{AttemptKind, Facts, Part, StateKind};

/// A reply that waits to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub room: RoomId,
    pub message: MessageId,
    pub attempt: i64,
    pub assistant: AssistantId,
    pub asked_by: PersonId,
    /// The message that is answered.
    pub question: Option<MessageId>,
}

/// A new attempt's row.
#[derive(Clone, Debug)]
pub struct NewAttempt {
    pub message: MessageId,
    pub attempt: i64,
    pub kind: AttemptKind,
    pub asked_by: PersonId,
    pub assistant: AssistantId,
    /// The room's number with which it began.
    pub first_seq: i64,
    pub at: Millis,
}

/// An attempt as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub attempt: i64,
    pub kind: AttemptKind,
    pub assistant: AssistantId,
    pub asked_by: PersonId,
    pub asked_by_name: String,
    pub state: StateKind,
    pub stop_by: Option<PersonId>,
    pub why: String,
    /// The text of an attempt that a later one has followed; the newest one's is in its message.
    pub text: String,
    pub reasoning: String,
    pub facts: Option<Facts>,
    pub asked_at: Millis,
    pub ended_at: Option<Millis>,
}

/// What a run holds to prove that the attempt is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    pub message: MessageId,
    pub attempt: i64,
    pub fence: i64,
}

pub async fn insert(conn: &mut Conn<'_>, new: &NewAttempt) -> Result<(), StoreError> {
    with!(conn, |db| sqlx::query(
        "INSERT INTO attempts (message_id, attempt, kind, asked_by, assistant_id, state, fence, lease_until, first_seq, text, reasoning,
                               why, facts, asked_at)
         VALUES ($1, $2, $3, $4, $5, 'queued', 0, 0, $6, '', '', '', '', $7)"
    )
    .bind(new.message.to_string())
    .bind(new.attempt)
    .bind(new.kind.as_str())
    .bind(new.asked_by.to_string())
    .bind(new.assistant.to_string())
    .bind(new.first_seq)
    .bind(new.at)
    .execute(&mut **db)
    .await
    .map(|_| ()))?;
    Ok(())
}

/// The replies that wait for assistants of one provider, the longest waiting first.
pub async fn queued_for(conn: &mut Conn<'_>, provider: Provider, limit: usize) -> Result<Vec<Job>, StoreError> {
    let rows: Vec<JobRow> = with!(conn, |db| sqlx::query_as(
        "SELECT m.room_id, t.message_id, t.attempt, t.assistant_id, t.asked_by, m.reply_to
           FROM attempts t JOIN messages m ON m.id = t.message_id JOIN assistants a ON a.id = t.assistant_id
          WHERE t.state = 'queued' AND a.provider = $1 ORDER BY t.asked_at, t.message_id LIMIT $2"
    )
    .bind(provider.as_str())
    .bind(limit as i64)
    .fetch_all(&mut **db)
    .await)?;
    rows.into_iter().map(decode_job).collect()
}

/// The replies that wait, the longest waiting first.
pub async fn queued(conn: &mut Conn<'_>, limit: usize) -> Result<Vec<Job>, StoreError> {
    let rows: Vec<JobRow> = with!(conn, |db| sqlx::query_as(
        "SELECT m.room_id, t.message_id, t.attempt, t.assistant_id, t.asked_by, m.reply_to
           FROM attempts t JOIN messages m ON m.id = t.message_id
          WHERE t.state = 'queued' ORDER BY t.asked_at, t.message_id LIMIT $1"
    )
    .bind(limit as i64)
    .fetch_all(&mut **db)
    .await)?;
    rows.into_iter().map(decode_job).collect()
}

type JobRow = (String, String, i64, String, String, Option<String>);

fn decode_job((room, message, attempt, assistant, asked_by, question): JobRow) -> Result<Job, StoreError> {
    Ok(Job {
        room: parse("messages.room_id", &room)?,
        message: parse("attempts.message_id", &message)?,
        attempt,
        assistant: parse("attempts.assistant_id", &assistant)?,
        asked_by: parse("attempts.asked_by", &asked_by)?,
        question: parse_opt("messages.reply_to", question.as_deref())?,
    })
}

/// Takes a waiting attempt for `owner`. Nothing if somebody else has it, or it was stopped or deleted meanwhile.
pub async fn claim(
    conn: &mut Conn<'_>,
    message: MessageId,
    attempt: i64,
    owner: &str,
    now: Millis,
    lease_until: Millis,
) -> Result<Option<Claim>, StoreError> {
    let fence: Option<i64> = with!(conn, |db| sqlx::query_scalar(
        "UPDATE attempts SET state = 'streaming', owner = $3, fence = fence + 1, claimed_at = $4, lease_until = $5
          WHERE message_id = $1 AND attempt = $2 AND state = 'queued'
         RETURNING fence"
    )
    .bind(message.to_string())
    .bind(attempt)
    .bind(owner)
    .bind(now)
    .bind(lease_until)
    .fetch_optional(&mut **db)
    .await)?;
    Ok(fence.map(|fence| Claim { message, attempt, fence }))
}

/// Keeps an owner's attempts its own until `lease_until`.
pub async fn renew(conn: &mut Conn<'_>, owner: &str, lease_until: Millis) -> Result<(), StoreError> {
    with!(conn, |db| sqlx::query("UPDATE attempts SET lease_until = $2 WHERE owner = $1 AND state = 'streaming'")
        .bind(owner)
        .bind(lease_until)
        .execute(&mut **db)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// Adds a piece of text at `off` (UTF-16 units). False if the attempt is no longer this run's to write.
pub async fn append(conn: &mut Conn<'_>, claim: Claim, part: Part, off: i64, text: &str) -> Result<bool, StoreError> {
    // Written to, not only read, so that on Postgres the row is held: whoever ends or erases the attempt meanwhile waits, and then finds
    // this piece too.
    let held = with!(conn, |db| sqlx::query(
        "UPDATE attempts SET lease_until = lease_until
          WHERE message_id = $1 AND attempt = $2 AND fence = $3 AND state = 'streaming' AND stop_by IS NULL"
    )
    .bind(claim.message.to_string())
    .bind(claim.attempt)
    .bind(claim.fence)
    .execute(&mut **db)
    .await
    .map(|done| done.rows_affected()))?;
    if held == 0 {
        return Ok(false);
    }
    with!(conn, |db| sqlx::query("INSERT INTO chunks (message_id, attempt, part, off, text) VALUES ($1, $2, $3, $4, $5)")
        .bind(claim.message.to_string())
        .bind(claim.attempt)
        .bind(part.as_str())
        .bind(off)
        .bind(text)
        .execute(&mut **db)
        .await
        .map(|_| ()))?;
    Ok(true)
}

/// Puts down the text with which a continued attempt begins, in the transaction that makes it.
pub async fn seed(conn: &mut Conn<'_>, message: MessageId, attempt: i64, part: Part, text: &str) -> Result<(), StoreError> {
    with!(conn, |db| sqlx::query("INSERT INTO chunks (message_id, attempt, part, off, text) VALUES ($1, $2, $3, 0, $4)")
        .bind(message.to_string())
        .bind(attempt)
        .bind(part.as_str())
        .bind(text)
        .execute(&mut **db)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// The text of both parts so far, from the chunks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SoFar {
    pub answer: String,
    pub reasoning: String,
}

impl SoFar {
    pub fn part(&self, part: Part) -> &str {
        match part {
            Part::Answer => &self.answer,
            Part::Reasoning => &self.reasoning,
        }
    }
}

pub async fn so_far(conn: &mut Conn<'_>, message: MessageId, attempt: i64) -> Result<SoFar, StoreError> {
    let rows: Vec<(String, i64, String)> =
        with!(conn, |db| sqlx::query_as("SELECT part, off, text FROM chunks WHERE message_id = $1 AND attempt = $2 ORDER BY part, off")
            .bind(message.to_string())
            .bind(attempt)
            .fetch_all(&mut **db)
            .await)?;
    let mut so_far = SoFar::default();
    let mut known = (0, 0);
    for (part, off, text) in rows {
        let (whole, len) = match part.as_str() {
            "answer" => (&mut so_far.answer, &mut known.0),
            "reasoning" => (&mut so_far.reasoning, &mut known.1),
            _ => return Err(StoreError::Corrupt(format!("chunks.part = {part:?}"))),
        };
        // What stands before a gap is all that anybody was shown in order. A reply that could not be read at all would never end.
        if off != *len {
            error!(message.id = %message, attempt, gap.at = *len, next.at = off, "the chunks of a reply have a gap; what follows is left out");
            continue;
        }
        *len += crate::domain::message::utf16_len(&text) as i64;
        whole.push_str(&text);
    }
    Ok(so_far)
}

/// Ends an attempt that is `from`; with a claim, only if it is still this run's. Its chunks go in the same transaction.
/// False if it is not to be ended: somebody was faster.
pub async fn end(
    conn: &mut Conn<'_>,
    claim: Claim,
    from: StateKind,
    to: StateKind,
    why: &str,
    facts: Option<&Facts>,
    now: Millis,
) -> Result<bool, StoreError> {
    let facts = encode_facts(facts)?;
    let done = with!(conn, |db| sqlx::query(
        "UPDATE attempts SET state = $5, why = $6, facts = $7, ended_at = $8, owner = NULL
          WHERE message_id = $1 AND attempt = $2 AND fence = $3 AND state = $4"
    )
    .bind(claim.message.to_string())
    .bind(claim.attempt)
    .bind(claim.fence)
    .bind(from.as_str())
    .bind(to.as_str())
    .bind(why)
    .bind(facts)
    .bind(now)
    .execute(&mut **db)
    .await
    .map(|done| done.rows_affected()))?;
    if done == 1 {
        drop_chunks(conn, claim.message, claim.attempt).await?;
    }
    Ok(done == 1)
}

async fn drop_chunks(conn: &mut Conn<'_>, message: MessageId, attempt: i64) -> Result<(), StoreError> {
    with!(conn, |db| sqlx::query("DELETE FROM chunks WHERE message_id = $1 AND attempt = $2")
        .bind(message.to_string())
        .bind(attempt)
        .execute(&mut **db)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// Ends an attempt that still waits, with what it began with. False if it does not wait any more.
pub async fn cancel(conn: &mut Conn<'_>, message: MessageId, attempt: i64, by: PersonId, now: Millis) -> Result<bool, StoreError> {
    let done = with!(conn, |db| sqlx::query(
        "UPDATE attempts SET state = 'stopped', stop_by = $3, ended_at = $4 WHERE message_id = $1 AND attempt = $2 AND state = 'queued'"
    )
    .bind(message.to_string())
    .bind(attempt)
    .bind(by.to_string())
    .bind(now)
    .execute(&mut **db)
    .await
    .map(|done| done.rows_affected()))?;
    if done == 1 {
        drop_chunks(conn, message, attempt).await?;
    }
    Ok(done == 1)
}

/// Notes who wants the attempt to end. False if it is not running, or somebody has said so already.
pub async fn ask_stop(conn: &mut Conn<'_>, message: MessageId, attempt: i64, by: PersonId) -> Result<bool, StoreError> {
    let done = with!(conn, |db| sqlx::query(
        "UPDATE attempts SET stop_by = $3 WHERE message_id = $1 AND attempt = $2 AND state = 'streaming' AND stop_by IS NULL"
    )
    .bind(message.to_string())
    .bind(attempt)
    .bind(by.to_string())
    .execute(&mut **db)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(done == 1)
}

/// Running attempts of an owner that somebody wants to end: heals a stop whose signal was lost.
pub async fn stops_wanted(conn: &mut Conn<'_>, owner: &str) -> Result<Vec<(MessageId, i64)>, StoreError> {
    let rows: Vec<(String, i64)> = with!(conn, |db| sqlx::query_as(
        "SELECT message_id, attempt FROM attempts WHERE owner = $1 AND state = 'streaming' AND stop_by IS NOT NULL"
    )
    .bind(owner)
    .fetch_all(&mut **db)
    .await)?;
    rows.into_iter().map(|(id, attempt)| Ok((parse("attempts.message_id", &id)?, attempt))).collect()
}

/// Attempts that an owner is writing, as far as the database knows.
pub async fn owned_by(conn: &mut Conn<'_>, owner: &str) -> Result<Vec<(RoomId, Claim)>, StoreError> {
    let rows: Vec<ClaimRow> = with!(conn, |db| sqlx::query_as(
        "SELECT m.room_id, t.message_id, t.attempt, t.fence
           FROM attempts t JOIN messages m ON m.id = t.message_id
          WHERE t.state = 'streaming' AND t.owner = $1 ORDER BY t.asked_at"
    )
    .bind(owner)
    .fetch_all(&mut **db)
    .await)?;
    rows.into_iter().map(decode_claim).collect()
}

type ClaimRow = (String, String, i64, i64);

fn decode_claim((room, message, attempt, fence): ClaimRow) -> Result<(RoomId, Claim), StoreError> {
    Ok((parse("messages.room_id", &room)?, Claim { message: parse("attempts.message_id", &message)?, attempt, fence }))
}

/// Attempts that are `streaming` although their lease has run out: their owner is gone.
pub async fn orphans(conn: &mut Conn<'_>, now: Millis) -> Result<Vec<(RoomId, Claim)>, StoreError> {
    let rows: Vec<ClaimRow> = with!(conn, |db| sqlx::query_as(
        "SELECT m.room_id, t.message_id, t.attempt, t.fence
           FROM attempts t JOIN messages m ON m.id = t.message_id
          WHERE t.state = 'streaming' AND t.lease_until <= $1 ORDER BY t.asked_at"
    )
    .bind(now)
    .fetch_all(&mut **db)
    .await)?;
    rows.into_iter().map(decode_claim).collect()
}

#[derive(sqlx::FromRow)]
struct AttemptRow {
    attempt: i64,
    kind: String,
    assistant_id: String,
    asked_by: String,
    asked_by_name: String,
    state: String,
    stop_by: Option<String>,
    why: String,
    text: String,
    reasoning: String,
    facts: String,
    asked_at: i64,
    ended_at: Option<i64>,
}

impl AttemptRow {
    fn decode(self) -> Result<Attempt, StoreError> {
        Ok(Attempt {
            attempt: self.attempt,
            kind: match self.kind.as_str() {
                "first" => AttemptKind::First,
                "retry" => AttemptKind::Retry,
                "continue" => AttemptKind::Continue,
                other => return Err(StoreError::Corrupt(format!("attempts.kind = {other:?}"))),
            },
            assistant: parse("attempts.assistant_id", &self.assistant_id)?,
            asked_by: parse("attempts.asked_by", &self.asked_by)?,
            asked_by_name: self.asked_by_name,
            state: parse("attempts.state", &self.state)?,
            stop_by: parse_opt("attempts.stop_by", self.stop_by.as_deref())?,
            why: self.why,
            text: self.text,
            reasoning: self.reasoning,
            facts: match self.facts.as_str() {
                "" => None,
                facts => Some(decode_facts(facts)?),
            },
            asked_at: self.asked_at,
            ended_at: self.ended_at,
        })
    }
}

/// All attempts at a reply, the first first.
pub async fn list(conn: &mut Conn<'_>, message: MessageId) -> Result<Vec<Attempt>, StoreError> {
    let rows: Vec<AttemptRow> = with!(conn, |db| sqlx::query_as(
        "SELECT t.attempt, t.kind, t.assistant_id, t.asked_by, p.name AS asked_by_name, t.state, t.stop_by, t.why, t.text, t.reasoning,
                t.facts, t.asked_at, t.ended_at
           FROM attempts t JOIN people p ON p.id = t.asked_by
          WHERE t.message_id = $1 ORDER BY t.attempt"
    )
    .bind(message.to_string())
    .fetch_all(&mut **db)
    .await)?;
    rows.into_iter().map(AttemptRow::decode).collect()
}

/// One attempt.
pub async fn find(conn: &mut Conn<'_>, message: MessageId, attempt: i64) -> Result<Option<Attempt>, StoreError> {
    Ok(list(conn, message).await?.into_iter().find(|a| a.attempt == attempt))
}

/// Moves the text of a message into the attempt that made it, before a retry takes its place.
pub async fn keep_text(conn: &mut Conn<'_>, message: MessageId, attempt: i64) -> Result<(), StoreError> {
    with!(conn, |db| sqlx::query(
        "UPDATE attempts SET text      = (SELECT m.text      FROM messages m WHERE m.id = attempts.message_id),
                             reasoning = (SELECT m.reasoning FROM messages m WHERE m.id = attempts.message_id)
          WHERE message_id = $1 AND attempt = $2"
    )
    .bind(message.to_string())
    .bind(attempt)
    .execute(&mut **db)
    .await
    .map(|_| ()))?;
    Ok(())
}

/// Erases everything that any attempt at this message ever said and was given, and ends those that wait or run.
pub async fn erase(conn: &mut Conn<'_>, message: MessageId, now: Millis) -> Result<(), StoreError> {
    // The attempts first: that waits for a piece that is being added, which the second statement then removes with the others.
    with!(conn, |db| {
        sqlx::query(
            "UPDATE attempts SET text = '', reasoning = '', why = '', facts = '', state = 'deleted', owner = NULL,
                                 ended_at = COALESCE(ended_at, $2)
              WHERE message_id = $1",
        )
        .bind(message.to_string())
        .bind(now)
        .execute(&mut **db)
        .await
        .map(|_| ())
    })?;
    with!(conn, |db| sqlx::query("DELETE FROM chunks WHERE message_id = $1")
        .bind(message.to_string())
        .execute(&mut **db)
        .await
        .map(|_| ()))?;
    prompts::erase(conn, message).await
}
