//! Bearer tokens of programs, stored as fingerprints.

use super::decode::parse;
use super::{Conn, StoreError};
use crate::domain::Millis;
use crate::domain::id::{PersonId, TokenId};
use crate::domain::person::Person;

/// A token as it is listed. Its secret is shown once, when it is made, and is not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub id: TokenId,
    pub person: PersonId,
    pub person_name: String,
    pub created_at: Millis,
    pub used_at: Option<Millis>,
    pub revoked: bool,
}

pub async fn insert(conn: &mut Conn<'_>, id: TokenId, person: PersonId, secret: &str, now: Millis) -> Result<(), StoreError> {
    with!(conn, |db| sqlx::query("INSERT INTO tokens (id, person_id, secret, created_at, revoked) VALUES ($1, $2, $3, $4, $5)")
        .bind(id.to_string())
        .bind(person.to_string())
        .bind(secret)
        .bind(now)
        .bind(false)
        .execute(&mut **db)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// Whose token has this fingerprint, and when it was last used; neither revoked tokens nor disabled people.
pub async fn find_by_secret(conn: &mut Conn<'_>, secret: &str) -> Result<Option<(TokenId, Person, Option<Millis>)>, StoreError> {
    let row: Option<(String, Option<i64>, String, String, bool, i64)> = with!(conn, |db| sqlx::query_as(
        "SELECT t.id, t.used_at, p.id, p.name, p.admin, p.created_at
           FROM tokens t JOIN people p ON p.id = t.person_id
          WHERE t.secret = $1 AND NOT t.revoked AND NOT p.disabled"
    )
    .bind(secret)
    .fetch_optional(&mut **db)
    .await)?;
    row.map(|(token, used_at, id, name, admin, created_at)| {
        let person = Person { id: parse("people.id", &id)?, name, admin, disabled: false, created_at };
        Ok((parse("tokens.id", &token)?, person, used_at))
    })
    .transpose()
}

pub async fn used(conn: &mut Conn<'_>, id: TokenId, now: Millis) -> Result<(), StoreError> {
    with!(conn, |db| sqlx::query("UPDATE tokens SET used_at = $2 WHERE id = $1")
        .bind(id.to_string())
        .bind(now)
        .execute(&mut **db)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// All tokens, or one person's; oldest first.
pub async fn list(conn: &mut Conn<'_>, person: Option<PersonId>) -> Result<Vec<Token>, StoreError> {
    let rows: Vec<(String, String, String, i64, Option<i64>, bool)> = with!(conn, |db| sqlx::query_as(
        "SELECT t.id, p.id, p.name, t.created_at, t.used_at, t.revoked
           FROM tokens t JOIN people p ON p.id = t.person_id
          WHERE $1 = '' OR t.person_id = $1
          ORDER BY t.created_at, t.id"
    )
    .bind(person.map(|id| id.to_string()).unwrap_or_default())
    .fetch_all(&mut **db)
    .await)?;
    rows.into_iter()
        .map(|(id, person, person_name, created_at, used_at, revoked)| {
            Ok(Token {
                id: parse("tokens.id", &id)?,
                person: parse("tokens.person_id", &person)?,
                person_name,
                created_at,
                used_at,
                revoked,
            })
        })
        .collect()
}

/// True if there was such a token and it was not revoked before.
pub async fn revoke(conn: &mut Conn<'_>, id: TokenId) -> Result<bool, StoreError> {
    let done = with!(conn, |db| sqlx::query("UPDATE tokens SET revoked = $2 WHERE id = $1 AND NOT revoked")
        .bind(id.to_string())
        .bind(true)
        .execute(&mut **db)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(done == 1)
}
