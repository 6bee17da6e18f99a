//! Sessions of browsers. A session's id here is a fingerprint of the cookie: who reads the database cannot sign in with it.

use super::decode::parse_opt;
use super::{Conn, StoreError};
use crate::domain::Millis;
use crate::domain::id::PersonId;

/// A session as it is stored. `data` is the JSON of the session library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: String,
    pub person: Option<PersonId>,
    pub data: String,
    /// Where it was last seen from, and with which browser.
    pub address: String,
    pub agent: String,
    pub created_at: Millis,
    pub seen_at: Millis,
    pub expires_at: Millis,
}

#[derive(sqlx::FromRow)]
struct SessionRow {
    id: String,
    person_id: Option<String>,
    data: String,
    address: String,
    agent: String,
    created_at: i64,
    seen_at: i64,
    expires_at: i64,
}

impl SessionRow {
    fn decode(self) -> Result<Session, StoreError> {
        Ok(Session {
            person: parse_opt("sessions.person_id", self.person_id.as_deref())?,
            id: self.id,
            data: self.data,
            address: self.address,
            agent: self.agent,
            created_at: self.created_at,
            seen_at: self.seen_at,
            expires_at: self.expires_at,
        })
    }
}

/// Inserts or replaces a session's data; where it was seen is kept by [`seen`].
pub async fn save(conn: &mut Conn<'_>, session: &Session) -> Result<(), StoreError> {
    with!(conn, |db| sqlx::query(
        "INSERT INTO sessions (id, person_id, data, address, agent, created_at, seen_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (id) DO UPDATE SET person_id = $2, data = $3, expires_at = $8"
    )
    .bind(&session.id)
    .bind(session.person.map(|id| id.to_string()))
    .bind(&session.data)
    .bind(&session.address)
    .bind(&session.agent)
    .bind(session.created_at)
    .bind(session.seen_at)
    .bind(session.expires_at)
    .execute(&mut **db)
    .await
    .map(|_| ()))?;
    Ok(())
}

/// A session that has not expired.
pub async fn find(conn: &mut Conn<'_>, id: &str, now: Millis) -> Result<Option<Session>, StoreError> {
    let row: Option<SessionRow> = with!(conn, |db| sqlx::query_as(
        "SELECT id, person_id, data, address, agent, created_at, seen_at, expires_at FROM sessions WHERE id = $1 AND expires_at > $2"
    )
    .bind(id)
    .bind(now)
    .fetch_optional(&mut **db)
    .await)?;
    row.map(SessionRow::decode).transpose()
}

/// A person's sessions, the latest seen first.
pub async fn list(conn: &mut Conn<'_>, person: PersonId, now: Millis) -> Result<Vec<Session>, StoreError> {
    let rows: Vec<SessionRow> = with!(conn, |db| sqlx::query_as(
        "SELECT id, person_id, data, address, agent, created_at, seen_at, expires_at
           FROM sessions WHERE person_id = $1 AND expires_at > $2 ORDER BY seen_at DESC, id"
    )
    .bind(person.to_string())
    .bind(now)
    .fetch_all(&mut **db)
    .await)?;
    rows.into_iter().map(SessionRow::decode).collect()
}

/// Notes where and when a session was used, and puts its end off.
pub async fn seen(conn: &mut Conn<'_>, id: &str, address: &str, agent: &str, now: Millis, expires_at: Millis) -> Result<(), StoreError> {
    with!(conn, |db| sqlx::query("UPDATE sessions SET address = $2, agent = $3, seen_at = $4, expires_at = $5 WHERE id = $1")
        .bind(id)
        .bind(address)
        .bind(agent)
        .bind(now)
        .bind(expires_at)
        .execute(&mut **db)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// True if there was one.
pub async fn delete(conn: &mut Conn<'_>, id: &str) -> Result<bool, StoreError> {
    let rows = with!(conn, |db| {
        sqlx::query("DELETE FROM sessions WHERE id = $1").bind(id).execute(&mut **db).await.map(|done| done.rows_affected())
    })?;
    Ok(rows == 1)
}

/// Ends a person's sessions except `keep`; gives the ids of those that ended.
pub async fn delete_of_person(conn: &mut Conn<'_>, person: PersonId, keep: Option<&str>) -> Result<Vec<String>, StoreError> {
    Ok(with!(conn, |db| sqlx::query_scalar("DELETE FROM sessions WHERE person_id = $1 AND id <> $2 RETURNING id")
        .bind(person.to_string())
        .bind(keep.unwrap_or(""))
        .fetch_all(&mut **db)
        .await)?)
}

pub async fn delete_expired(conn: &mut Conn<'_>, now: Millis) -> Result<u64, StoreError> {
    Ok(with!(conn, |db| sqlx::query("DELETE FROM sessions WHERE expires_at <= $1")
        .bind(now)
        .execute(&mut **db)
        .await
        .map(|done| done.rows_affected()))?)
}

/// Which of these sessions and tokens still give access: not expired, not revoked, their person not disabled. One query each, for
/// the regular check of all open streams.
pub async fn still_valid(conn: &mut Conn<'_>, credentials: &[String], now: Millis) -> Result<Vec<String>, StoreError> {
    let mut valid = Vec::with_capacity(credentials.len());
    // SQLite takes 32,766 parameters, Postgres 65,535.
    for some in credentials.chunks(10_000) {
        let more: Vec<String> = with!(conn, |db| {
            let mut query = sqlx::QueryBuilder::new(
                "SELECT s.id FROM sessions s JOIN people p ON p.id = s.person_id WHERE NOT p.disabled AND s.expires_at > ",
            );
            query.push_bind(now).push(" AND s.id IN (");
            let mut list = query.separated(", ");
            for id in some {
                list.push_bind(id.clone());
            }
            query.push(") UNION ALL SELECT t.id FROM tokens t JOIN people p ON p.id = t.person_id WHERE NOT p.disabled AND NOT t.revoked AND t.id IN (");
            let mut list = query.separated(", ");
            for id in some {
                list.push_bind(id.clone());
            }
            query.push(")");
            query.build_query_scalar().fetch_all(&mut **db).await
        })?;
        valid.extend(more);
    }
    Ok(valid)
}
