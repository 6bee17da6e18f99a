//! Files: whose they are, and which message has taken them. Their bytes lie elsewhere, under `stored`.
//!
//! A row is in one of three states: it waits for a message (`message_id` is NULL), a message has it, or it is erased: then nobody finds it
//! any more, and it stands only until whoever keeps the bytes has removed them.

use super::decode::parse;
use super::{Conn, StoreError};
use crate::domain::Millis;
use crate::domain::file::{FILE_LEAST, File, Size};
use crate::domain::id::{FileId, MessageId, PersonId, RoomId};

/// An upload that has come whole.
#[derive(Clone, Debug)]
pub struct NewFile {
    pub file: File,
    pub stored: String,
    pub room: RoomId,
    pub person: PersonId,
    pub at: Millis,
}

/// A file as its row is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    pub file: File,
    /// Under what its bytes lie.
    pub stored: String,
    pub person: PersonId,
    /// A message has taken it.
    pub is_taken: bool,
}

#[derive(sqlx::FromRow)]
struct FileRow {
    id: String,
    stored: String,
    person_id: String,
    message_id: Option<String>,
    name: String,
    media_type: String,
    bytes: i64,
    width: Option<i64>,
    height: Option<i64>,
}

impl FileRow {
    fn decode(self) -> Result<StoredFile, StoreError> {
        let side = |side: i64| u32::try_from(side).map_err(|_| StoreError::Corrupt(format!("a side of file {} is {side}", self.id)));
        let size = match (self.width, self.height) {
            (Some(width), Some(height)) => Some(Size { width: side(width)?, height: side(height)? }),
            _ => None,
        };
        let bytes = u64::try_from(self.bytes).map_err(|_| StoreError::Corrupt(format!("files.bytes = {}", self.bytes)))?;
        let file = File { id: parse("files.id", &self.id)?, name: self.name, media_type: self.media_type, bytes, size };
        let is_taken = self.message_id.is_some();
        Ok(StoredFile { file, stored: self.stored, person: parse("files.person_id", &self.person_id)?, is_taken })
    }
}

/// False if there is a file with this id: then nothing has changed.
pub async fn insert(conn: &mut Conn<'_>, new: &NewFile) -> Result<bool, StoreError> {
    let rows = with!(conn, |db| sqlx::query(
        "INSERT INTO files (id, stored, room_id, person_id, name, media_type, bytes, width, height, erased, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, FALSE, $10)
         ON CONFLICT (id) DO NOTHING"
    )
    .bind(new.file.id.to_string())
    .bind(&new.stored)
    .bind(new.room.to_string())
    .bind(new.person.to_string())
    .bind(&new.file.name)
    .bind(&new.file.media_type)
    .bind(new.file.bytes as i64)
    .bind(new.file.size.map(|size| i64::from(size.width)))
    .bind(new.file.size.map(|size| i64::from(size.height)))
    .bind(new.at)
    .execute(&mut **db)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(rows == 1)
}

/// A file of a room. Never found through another room, and not once it is erased.
pub async fn find(conn: &mut Conn<'_>, room: RoomId, id: FileId) -> Result<Option<StoredFile>, StoreError> {
    let row: Option<FileRow> = with!(conn, |db| sqlx::query_as(
        "SELECT id, stored, person_id, message_id, name, media_type, bytes, width, height FROM files
          WHERE id = $1 AND room_id = $2 AND NOT erased"
    )
    .bind(id.to_string())
    .bind(room.to_string())
    .fetch_optional(&mut **db)
    .await)?;
    row.map(FileRow::decode).transpose()
}

/// What a person's uploads that wait for a message count together, in bytes.
pub async fn waiting(conn: &mut Conn<'_>, person: PersonId) -> Result<u64, StoreError> {
    let sizes: Vec<i64> =
        with!(conn, |db| sqlx::query_scalar("SELECT bytes FROM files WHERE person_id = $1 AND message_id IS NULL AND NOT erased")
            .bind(person.to_string())
            .fetch_all(&mut **db)
            .await)?;
    Ok(counted(sizes))
}

/// What all of a person's files count together, in bytes, whether a message has them or not.
pub async fn kept(conn: &mut Conn<'_>, person: PersonId) -> Result<u64, StoreError> {
    let sizes: Vec<i64> = with!(conn, |db| sqlx::query_scalar("SELECT bytes FROM files WHERE person_id = $1 AND NOT erased")
        .bind(person.to_string())
        .fetch_all(&mut **db)
        .await)?;
    Ok(counted(sizes))
}

/// Added up here, because Postgres' sum of BIGINT is of another type than SQLite's.
fn counted(sizes: Vec<i64>) -> u64 {
    sizes.into_iter().map(|bytes| (bytes.max(0) as u64).max(FILE_LEAST)).sum()
}

/// Gives a person's waiting upload to a message of the same room. Nothing if it is not there, somebody else's, or taken.
pub async fn take(conn: &mut Conn<'_>, id: FileId, person: PersonId, room: RoomId, message: MessageId) -> Result<Option<File>, StoreError> {
    let row: Option<FileRow> = with!(conn, |db| sqlx::query_as(
        "UPDATE files SET message_id = $4
          WHERE id = $1 AND person_id = $2 AND room_id = $3 AND message_id IS NULL AND NOT erased
         RETURNING id, stored, person_id, message_id, name, media_type, bytes, width, height"
    )
    .bind(id.to_string())
    .bind(person.to_string())
    .bind(room.to_string())
    .bind(message.to_string())
    .fetch_optional(&mut **db)
    .await)?;
    row.map(|row| row.decode().map(|stored| stored.file)).transpose()
}

/// Erases what a message carries.
pub async fn erase_of_message(conn: &mut Conn<'_>, message: MessageId) -> Result<(), StoreError> {
    with!(conn, |db| sqlx::query("UPDATE files SET erased = TRUE, message_id = NULL, name = '' WHERE message_id = $1")
        .bind(message.to_string())
        .execute(&mut **db)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// Erases a person's own upload that no message has taken. False if there is none.
pub async fn erase_waiting(conn: &mut Conn<'_>, id: FileId, person: PersonId, room: RoomId) -> Result<bool, StoreError> {
    let rows = with!(conn, |db| sqlx::query(
        "UPDATE files SET erased = TRUE, name = ''
          WHERE id = $1 AND person_id = $2 AND room_id = $3 AND message_id IS NULL AND NOT erased"
    )
    .bind(id.to_string())
    .bind(person.to_string())
    .bind(room.to_string())
    .execute(&mut **db)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(rows == 1)
}

/// Erases uploads from before a time that no message has taken.
pub async fn erase_stale(conn: &mut Conn<'_>, before: Millis) -> Result<u64, StoreError> {
    let rows = with!(conn, |db| sqlx::query(
        "UPDATE files SET erased = TRUE, name = '' WHERE message_id IS NULL AND NOT erased AND created_at < $1"
    )
    .bind(before)
    .execute(&mut **db)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(rows)
}

/// Whether there is anything that [`erase_stale`] would erase, which can be asked without writing.
pub async fn has_stale(conn: &mut Conn<'_>, before: Millis) -> Result<bool, StoreError> {
    let found: Option<String> =
        with!(conn, |db| sqlx::query_scalar("SELECT id FROM files WHERE message_id IS NULL AND NOT erased AND created_at < $1 LIMIT 1")
            .bind(before)
            .fetch_optional(&mut **db)
            .await)?;
    Ok(found.is_some())
}

/// What is erased and still has its row: where its bytes may lie.
pub async fn erased(conn: &mut Conn<'_>, most: usize) -> Result<Vec<String>, StoreError> {
    let stored = with!(conn, |db| sqlx::query_scalar("SELECT stored FROM files WHERE message_id IS NULL AND erased LIMIT $1")
        .bind(most as i64)
        .fetch_all(&mut **db)
        .await)?;
    Ok(stored)
}

/// Removes the row of an erased file whose bytes are gone.
pub async fn remove(conn: &mut Conn<'_>, stored: &str) -> Result<(), StoreError> {
    with!(conn, |db| sqlx::query("DELETE FROM files WHERE stored = $1 AND erased").bind(stored).execute(&mut **db).await.map(|_| ()))?;
    Ok(())
}

/// Whether a row says that bytes lie under this.
pub async fn is_stored(conn: &mut Conn<'_>, stored: &str) -> Result<bool, StoreError> {
    let found: Option<String> = with!(conn, |db| sqlx::query_scalar("SELECT id FROM files WHERE stored = $1 AND NOT erased")
        .bind(stored)
        .fetch_optional(&mut **db)
        .await)?;
    Ok(found.is_some())
}
