//! People and the namespace that they share with assistants.

use super::decode::parse;
use super::{Conn, StoreError};
use crate::domain::Millis;
use crate::domain::id::{AssistantId, PersonId};
use crate::domain::name::Name;
use crate::domain::person::Person;

#[derive(sqlx::FromRow)]
struct PersonRow {
    id: String,
    name: String,
    admin: bool,
    disabled: bool,
    created_at: i64,
}

impl PersonRow {
    fn decode(self) -> Result<Person, StoreError> {
        Ok(Person {
            id: parse("people.id", &self.id)?,
            name: self.name,
            admin: self.admin,
            disabled: self.disabled,
            created_at: self.created_at,
        })
    }
}

/// Who owns a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameOwner {
    Person(PersonId),
    Assistant(AssistantId),
}

/// Whether there is any account yet.
pub async fn any(conn: &mut Conn<'_>) -> Result<bool, StoreError> {
    let count: i64 = with!(conn, |db| sqlx::query_scalar("SELECT COUNT(*) FROM people").fetch_one(&mut **db).await)?;
    Ok(count > 0)
}

/// Takes a name for its owner. False if it, or one that looks like it, is taken.
pub async fn take_name(conn: &mut Conn<'_>, name: &Name, owner: NameOwner) -> Result<bool, StoreError> {
    let (kind, id) = match owner {
        NameOwner::Person(id) => ("person", id.to_string()),
        NameOwner::Assistant(id) => ("assistant", id.to_string()),
    };
    let added = with!(conn, |db| sqlx::query(
        "INSERT INTO names (name_key, skeleton, owner_kind, owner_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
    )
    .bind(name.key())
    .bind(name.skeleton())
    .bind(kind)
    .bind(id)
    .execute(&mut **db)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(added == 1)
}

/// Who is meant by a name, by its key.
pub async fn owner_of_name(conn: &mut Conn<'_>, name_key: &str) -> Result<Option<NameOwner>, StoreError> {
    let row: Option<(String, String)> = with!(conn, |db| sqlx::query_as("SELECT owner_kind, owner_id FROM names WHERE name_key = $1")
        .bind(name_key)
        .fetch_optional(&mut **db)
        .await)?;
    row.map(|(kind, id)| match kind.as_str() {
        "person" => Ok(NameOwner::Person(parse("names.owner_id", &id)?)),
        "assistant" => Ok(NameOwner::Assistant(parse("names.owner_id", &id)?)),
        _ => Err(StoreError::Corrupt(format!("names.owner_kind = {kind:?}"))),
    })
    .transpose()
}

pub async fn insert(conn: &mut Conn<'_>, person: &Person, password_hash: &str) -> Result<(), StoreError> {
    with!(conn, |db| sqlx::query(
        "INSERT INTO people (id, name, password_hash, admin, disabled, created_at, password_changed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6)"
    )
    .bind(person.id.to_string())
    .bind(&person.name)
    .bind(password_hash)
    .bind(person.admin)
    .bind(person.disabled)
    .bind(person.created_at)
    .execute(&mut **db)
    .await
    .map(|_| ()))?;
    Ok(())
}

pub async fn find(conn: &mut Conn<'_>, id: PersonId) -> Result<Option<Person>, StoreError> {
    let row: Option<PersonRow> =
        with!(conn, |db| sqlx::query_as("SELECT id, name, admin, disabled, created_at FROM people WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&mut **db)
            .await)?;
    row.map(PersonRow::decode).transpose()
}

/// The person of that name, by its key.
pub async fn find_by_name(conn: &mut Conn<'_>, name_key: &str) -> Result<Option<Person>, StoreError> {
    let row: Option<PersonRow> = with!(conn, |db| sqlx::query_as(
        "SELECT p.id, p.name, p.admin, p.disabled, p.created_at
           FROM names n JOIN people p ON p.id = n.owner_id
          WHERE n.name_key = $1 AND n.owner_kind = 'person'"
    )
    .bind(name_key)
    .fetch_optional(&mut **db)
    .await)?;
    row.map(PersonRow::decode).transpose()
}

/// Everyone, oldest account first.
pub async fn list(conn: &mut Conn<'_>) -> Result<Vec<Person>, StoreError> {
    let rows: Vec<PersonRow> =
        with!(conn, |db| sqlx::query_as("SELECT id, name, admin, disabled, created_at FROM people ORDER BY created_at, id")
            .fetch_all(&mut **db)
            .await)?;
    rows.into_iter().map(PersonRow::decode).collect()
}

/// The PHC string of a person's password.
pub async fn password_hash(conn: &mut Conn<'_>, id: PersonId) -> Result<Option<String>, StoreError> {
    Ok(with!(conn, |db| sqlx::query_scalar("SELECT password_hash FROM people WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(&mut **db)
        .await)?)
}

pub async fn set_password(conn: &mut Conn<'_>, id: PersonId, password_hash: &str, now: Millis) -> Result<(), StoreError> {
    with!(conn, |db| sqlx::query("UPDATE people SET password_hash = $2, password_changed_at = $3 WHERE id = $1")
        .bind(id.to_string())
        .bind(password_hash)
        .bind(now)
        .execute(&mut **db)
        .await
        .map(|_| ()))?;
    Ok(())
}

pub async fn set_disabled(conn: &mut Conn<'_>, id: PersonId, disabled: bool) -> Result<bool, StoreError> {
    let done = with!(conn, |db| sqlx::query("UPDATE people SET disabled = $2 WHERE id = $1 AND disabled <> $2")
        .bind(id.to_string())
        .bind(disabled)
        .execute(&mut **db)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(done == 1)
}

/// Holds a person's row until the transaction ends, so that of what they do at once each sees what came before it.
pub async fn hold(conn: &mut Conn<'_>, person: PersonId) -> Result<(), StoreError> {
    with!(conn, |db| sqlx::query("UPDATE people SET disabled = disabled WHERE id = $1")
        .bind(person.to_string())
        .execute(&mut **db)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// Holds the administrators' rows until the transaction ends, so that of two who disable each other the second sees what the first did.
pub async fn hold_admins(conn: &mut Conn<'_>) -> Result<(), StoreError> {
    with!(conn, |db| sqlx::query("UPDATE people SET admin = admin WHERE admin").execute(&mut **db).await.map(|_| ()))?;
    Ok(())
}

/// Administrators who can sign in: the last one must not be disabled.
pub async fn count_active_admins(conn: &mut Conn<'_>) -> Result<i64, StoreError> {
    Ok(with!(conn, |db| sqlx::query_scalar("SELECT COUNT(*) FROM people WHERE admin AND NOT disabled").fetch_one(&mut **db).await)?)
}
