//! What assistants were given, by reference: no text of a message stands here, so deletion has nothing to find but the reply's own rows.

use super::decode::{json, to_json};
use super::{Conn, StoreError};
use crate::domain::id::MessageId;
use crate::domain::prompt::Record;
use crate::domain::secret::fingerprint;

/// Keeps what an attempt was given, in a transaction that has proved that the attempt is its own to write. Once: where an earlier try was
/// committed although its answer was lost, it stands.
pub async fn insert(conn: &mut Conn<'_>, message: MessageId, attempt: i64, record: &Record) -> Result<(), StoreError> {
    let instructions = fingerprint(&record.instructions);
    with!(conn, |db| sqlx::query("INSERT INTO instructions (id, text) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING")
        .bind(&instructions)
        .bind(&record.instructions)
        .execute(&mut **db)
        .await
        .map(|_| ()))?;
    let (given, parameters) = (to_json(&record.given)?, to_json(&record.parameters)?);
    with!(conn, |db| sqlx::query(
        "INSERT INTO prompts (message_id, attempt, instructions_id, given, named, continued, model, budget, estimate, parameters, built_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (message_id, attempt) DO NOTHING"
    )
    .bind(message.to_string())
    .bind(attempt)
    .bind(&instructions)
    .bind(&given)
    .bind(record.named)
    .bind(record.continued)
    .bind(&record.model)
    .bind(record.budget)
    .bind(record.estimate)
    .bind(&parameters)
    .bind(record.at)
    .execute(&mut **db)
    .await
    .map(|_| ()))?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct PromptRow {
    instructions: String,
    given: String,
    named: bool,
    continued: i64,
    model: String,
    budget: i64,
    estimate: i64,
    parameters: String,
    built_at: i64,
}

/// What is kept of an attempt's prompt, if anything.
pub async fn find(conn: &mut Conn<'_>, message: MessageId, attempt: i64) -> Result<Option<Record>, StoreError> {
    let row: Option<PromptRow> = with!(conn, |db| sqlx::query_as(
        "SELECT i.text AS instructions, p.given, p.named, p.continued, p.model, p.budget, p.estimate, p.parameters, p.built_at
           FROM prompts p JOIN instructions i ON i.id = p.instructions_id
          WHERE p.message_id = $1 AND p.attempt = $2"
    )
    .bind(message.to_string())
    .bind(attempt)
    .fetch_optional(&mut **db)
    .await)?;
    row.map(|row| {
        Ok(Record {
            instructions: row.instructions,
            given: json("prompts.given", &row.given)?,
            named: row.named,
            continued: row.continued,
            model: row.model,
            budget: row.budget,
            estimate: row.estimate,
            parameters: json("prompts.parameters", &row.parameters)?,
            at: row.built_at,
        })
    })
    .transpose()
}

/// Forgets what all attempts at a reply were given.
pub async fn erase(conn: &mut Conn<'_>, message: MessageId) -> Result<(), StoreError> {
    with!(conn, |db| sqlx::query("DELETE FROM prompts WHERE message_id = $1")
        .bind(message.to_string())
        .execute(&mut **db)
        .await
        .map(|_| ()))?;
    Ok(())
}
