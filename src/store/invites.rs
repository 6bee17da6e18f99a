//! Invitations: links with which a new person makes an account. Stored as fingerprints.

use super::decode::{parse, parse_opt};
use super::{Conn, StoreError};
use crate::domain::Millis;
use crate::domain::id::{InviteId, PersonId, RoomId};

/// An invitation as it is listed. Its secret is shown once, when it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    pub id: InviteId,
    /// The room that who accepts it lands in.
    pub room: Option<RoomId>,
    /// Nobody if it came from the command line.
    pub created_by: Option<PersonId>,
    pub created_at: Millis,
    pub expires_at: Millis,
    pub uses_left: i64,
    pub revoked: bool,
}

impl Invite {
    pub fn is_good(&self, now: Millis) -> bool {
        !self.revoked && self.uses_left > 0 && now < self.expires_at
    }
}

#[derive(sqlx::FromRow)]
struct InviteRow {
    id: String,
    room_id: Option<String>,
    created_by: Option<String>,
    created_at: i64,
    expires_at: i64,
    uses_left: i64,
    revoked: bool,
}

impl InviteRow {
    fn decode(self) -> Result<Invite, StoreError> {
        Ok(Invite {
            id: parse("invites.id", &self.id)?,
            room: parse_opt("invites.room_id", self.room_id.as_deref())?,
            created_by: parse_opt("invites.created_by", self.created_by.as_deref())?,
            created_at: self.created_at,
            expires_at: self.expires_at,
            uses_left: self.uses_left,
            revoked: self.revoked,
        })
    }
}

pub async fn insert(conn: &mut Conn<'_>, invite: &Invite, secret: &str) -> Result<(), StoreError> {
    with!(conn, |db| sqlx::query(
        "INSERT INTO invites (id, secret, room_id, created_by, created_at, expires_at, uses_left, revoked)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
    )
    .bind(invite.id.to_string())
    .bind(secret)
    .bind(invite.room.map(|id| id.to_string()))
    .bind(invite.created_by.map(|id| id.to_string()))
    .bind(invite.created_at)
    .bind(invite.expires_at)
    .bind(invite.uses_left)
    .bind(invite.revoked)
    .execute(&mut **db)
    .await
    .map(|_| ()))?;
    Ok(())
}

pub async fn find_by_secret(conn: &mut Conn<'_>, secret: &str) -> Result<Option<Invite>, StoreError> {
    let row: Option<InviteRow> = with!(conn, |db| sqlx::query_as(
        "SELECT id, room_id, created_by, created_at, expires_at, uses_left, revoked FROM invites WHERE secret = $1"
    )
    .bind(secret)
    .fetch_optional(&mut **db)
    .await)?;
    row.map(InviteRow::decode).transpose()
}

/// Takes one use. False if none was left, or it has expired or was revoked: decided by the database, so that two at once cannot
/// share the last one.
pub async fn take_use(conn: &mut Conn<'_>, id: InviteId, now: Millis) -> Result<bool, StoreError> {
    let done = with!(conn, |db| sqlx::query(
        "UPDATE invites SET uses_left = uses_left - 1 WHERE id = $1 AND uses_left > 0 AND NOT revoked AND expires_at > $2"
    )
    .bind(id.to_string())
    .bind(now)
    .execute(&mut **db)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(done == 1)
}

/// Newest first.
pub async fn list(conn: &mut Conn<'_>) -> Result<Vec<Invite>, StoreError> {
    let rows: Vec<InviteRow> = with!(conn, |db| sqlx::query_as(
        "SELECT id, room_id, created_by, created_at, expires_at, uses_left, revoked FROM invites ORDER BY created_at DESC, id"
    )
    .fetch_all(&mut **db)
    .await)?;
    rows.into_iter().map(InviteRow::decode).collect()
}

pub async fn revoke(conn: &mut Conn<'_>, id: InviteId) -> Result<bool, StoreError> {
    let done = with!(conn, |db| sqlx::query("UPDATE invites SET revoked = $2 WHERE id = $1 AND NOT revoked")
        .bind(id.to_string())
        .bind(true)
        .execute(&mut **db)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(done == 1)
}
