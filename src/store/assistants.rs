//! Assistants: which model stands behind a name, and in which rooms it is.

use super::decode::{json, parse, to_json};
use super::{Conn, StoreError};
use crate::domain::assistant::{Assistant, Speaks};
use crate::domain::id::{AssistantId, RoomId};
use crate::domain::room::RoomAssistant;

#[derive(sqlx::FromRow)]
struct AssistantRow {
    id: String,
    name: String,
    provider: String,
    base_url: String,
    model: String,
    key_env: Option<String>,
    headers: String,
    system_prompt: String,
    created_at: i64,
    removed: bool,
}

impl AssistantRow {
    fn decode(self) -> Result<Assistant, StoreError> {
        Ok(Assistant {
            id: parse("assistants.id", &self.id)?,
            name: self.name,
            provider: parse("assistants.provider", &self.provider)?,
            base_url: self.base_url,
            model: self.model,
            key_env: self.key_env,
            headers: json("assistants.headers", &self.headers)?,
            system_prompt: self.system_prompt,
            created_at: self.created_at,
            removed: self.removed,
        })
    }
}

pub async fn insert(conn: &mut Conn<'_>, assistant: &Assistant) -> Result<(), StoreError> {
    let headers = to_json(&assistant.headers)?;
    with!(conn, |db| sqlx::query(
        "INSERT INTO assistants (id, name, provider, base_url, model, key_env, headers, system_prompt, created_at, removed)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
    )
    .bind(assistant.id.to_string())
    .bind(&assistant.name)
    .bind(assistant.provider.as_str())
    .bind(&assistant.base_url)
    .bind(&assistant.model)
    .bind(&assistant.key_env)
    .bind(headers)
    .bind(&assistant.system_prompt)
    .bind(assistant.created_at)
    .bind(assistant.removed)
    .execute(&mut **db)
    .await
    .map(|_| ()))?;
    Ok(())
}

pub async fn find(conn: &mut Conn<'_>, id: AssistantId) -> Result<Option<Assistant>, StoreError> {
    let row: Option<AssistantRow> = with!(conn, |db| sqlx::query_as(
        "SELECT id, name, provider, base_url, model, key_env, headers, system_prompt, created_at, removed FROM assistants WHERE id = $1"
    )
    .bind(id.to_string())
    .fetch_optional(&mut **db)
    .await)?;
    row.map(AssistantRow::decode).transpose()
}

/// Those that were not removed, by name.
pub async fn list(conn: &mut Conn<'_>) -> Result<Vec<Assistant>, StoreError> {
    let rows: Vec<AssistantRow> = with!(conn, |db| sqlx::query_as(
        "SELECT id, name, provider, base_url, model, key_env, headers, system_prompt, created_at, removed
           FROM assistants WHERE NOT removed ORDER BY name, id"
    )
    .fetch_all(&mut **db)
    .await)?;
    rows.into_iter().map(AssistantRow::decode).collect()
}

/// Marks an assistant as removed and frees its name. What it wrote stays, under its name.
pub async fn remove(conn: &mut Conn<'_>, id: AssistantId) -> Result<(), StoreError> {
    let id = id.to_string();
    with!(conn, |db| sqlx::query("UPDATE assistants SET removed = $2 WHERE id = $1")
        .bind(&id)
        .bind(true)
        .execute(&mut **db)
        .await
        .map(|_| ()))?;
    with!(conn, |db| sqlx::query("DELETE FROM names WHERE owner_kind = 'assistant' AND owner_id = $1")
        .bind(&id)
        .execute(&mut **db)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// The assistants of a room, by name.
pub async fn of_room(conn: &mut Conn<'_>, room: RoomId) -> Result<Vec<RoomAssistant>, StoreError> {
    let rows: Vec<(String, String, String, String, String)> = with!(conn, |db| sqlx::query_as(
        "SELECT a.id, a.name, a.provider, a.model, r.speaks
           FROM room_assistants r JOIN assistants a ON a.id = r.assistant_id
          WHERE r.room_id = $1 ORDER BY a.name, a.id"
    )
    .bind(room.to_string())
    .fetch_all(&mut **db)
    .await)?;
    rows.into_iter()
        .map(|(id, name, provider, model, speaks)| {
            Ok(RoomAssistant {
                id: parse("assistants.id", &id)?,
                name,
                provider: parse("assistants.provider", &provider)?,
                model,
                speaks: parse("room_assistants.speaks", &speaks)?,
            })
        })
        .collect()
}

/// The rooms that an assistant is in.
pub async fn rooms_of(conn: &mut Conn<'_>, id: AssistantId) -> Result<Vec<RoomId>, StoreError> {
    let rows: Vec<String> =
        with!(conn, |db| sqlx::query_scalar("SELECT room_id FROM room_assistants WHERE assistant_id = $1 ORDER BY room_id")
            .bind(id.to_string())
            .fetch_all(&mut **db)
            .await)?;
    rows.iter().map(|id| parse("room_assistants.room_id", id)).collect()
}

/// Puts an assistant into a room, or changes when it speaks there.
pub async fn put_into_room(conn: &mut Conn<'_>, room: RoomId, id: AssistantId, speaks: Speaks) -> Result<(), StoreError> {
    with!(conn, |db| sqlx::query(
        "INSERT INTO room_assistants (room_id, assistant_id, speaks) VALUES ($1, $2, $3)
         ON CONFLICT (room_id, assistant_id) DO UPDATE SET speaks = $3"
    )
    .bind(room.to_string())
    .bind(id.to_string())
    .bind(speaks.as_str())
    .execute(&mut **db)
    .await
    .map(|_| ()))?;
    Ok(())
}

/// True if it was there.
pub async fn take_from_room(conn: &mut Conn<'_>, room: RoomId, id: AssistantId) -> Result<bool, StoreError> {
    let done = with!(conn, |db| sqlx::query("DELETE FROM room_assistants WHERE room_id = $1 AND assistant_id = $2")
        .bind(room.to_string())
        .bind(id.to_string())
        .execute(&mut **db)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(done == 1)
}
