//! Sessions of browsers: which there are, and how one ends.

use super::{Chat, ChatError, note};
use crate::domain::Millis;
use crate::domain::id::PersonId;
use crate::domain::person::Person;
use crate::store::sessions::Session;
use crate::store::{Announcement, Patience, Revocation, accounts, sessions};

/// How long an unused session lasts: 30 days.
pub const SESSION_MS: Millis = 30 * 24 * 60 * 60 * 1000;
/// A session's "last seen" is exact to this: a write for every request would be waste.
const SEEN_EVERY_MS: Millis = 10 * 60 * 1000;

impl Chat {
    pub async fn find_session(&self, id: &str) -> Result<Option<Session>, ChatError> {
        let mut reader = self.store.reader().await?;
        Ok(sessions::find(&mut reader.conn(), id, self.clock().now()).await?)
    }

    pub async fn save_session(&self, session: Session) -> Result<(), ChatError> {
        self.store.write(Patience::Wait, move |tx| Box::pin(async move { Ok(sessions::save(&mut tx.conn(), &session).await?) })).await
    }

    /// Who is signed in with this session, if anyone who may be. Notes where it was seen.
    pub async fn person_of_session(&self, id: &str, address: String, agent: String) -> Result<Option<Person>, ChatError> {
        let now = self.clock().now();
        let (session, person) = {
            let mut reader = self.store.reader().await?;
            let conn = &mut reader.conn();
            let Some(session) = sessions::find(conn, id, now).await? else { return Ok(None) };
            let Some(person) = session.person else { return Ok(None) };
            let person = accounts::find(conn, person).await?;
            (session, person)
        };
        if now - session.seen_at > SEEN_EVERY_MS || session.agent.is_empty() {
            let id = id.to_owned();
            let seen = self.store.write(Patience::Refuse, move |tx| {
                Box::pin(async move { Ok(sessions::seen(&mut tx.conn(), &id, &address, &agent, now, now + SESSION_MS).await?) })
            });
            note(seen).await;
        }
        Ok(person.filter(|person| !person.disabled))
    }

    /// Whether a session or token, by its stored id, still gives access: for what goes on after the request that it came with.
    pub async fn is_valid(&self, credential: &str) -> Result<bool, ChatError> {
        let mut reader = self.store.reader().await?;
        let valid = sessions::still_valid(&mut reader.conn(), &[credential.to_owned()], self.clock().now()).await?;
        Ok(!valid.is_empty())
    }

    /// One's own sessions, the latest seen first.
    pub async fn sessions(&self, person: PersonId) -> Result<Vec<Session>, ChatError> {
        let mut snapshot = self.store.snapshot().await?;
        Ok(sessions::list(&mut snapshot.conn(), person, self.clock().now()).await?)
    }

    /// Ends one of one's own sessions, here or on another device, and its streams.
    pub async fn end_session(&self, person: PersonId, id: String) -> Result<(), ChatError> {
        self.store
            .write(Patience::Wait, move |tx| {
                Box::pin(async move {
                    let now = tx.now();
                    match sessions::find(&mut tx.conn(), &id, now).await? {
                        Some(session) if session.person == Some(person) => {}
                        _ => return Err(ChatError::NotFound),
                    }
                    sessions::delete(&mut tx.conn(), &id).await?;
                    tx.announce(Announcement::Revoked(Revocation::Credential(id)));
                    Ok(())
                })
            })
            .await
    }

    /// Forgets a session whoever's it is: the session library's own clean-up. One that does not exist costs nobody anything.
    pub async fn drop_session(&self, id: String) -> Result<(), ChatError> {
        self.store
            .write(Patience::Wait, move |tx| {
                Box::pin(async move {
                    if sessions::delete(&mut tx.conn(), &id).await? {
                        tx.announce(Announcement::Revoked(Revocation::Credential(id)));
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Deletes what has expired; called now and then.
    pub async fn sweep_sessions(&self) -> Result<u64, ChatError> {
        self.store
            .write(Patience::Wait, move |tx| {
                Box::pin(async move {
                    let now = tx.now();
                    Ok(sessions::delete_expired(&mut tx.conn(), now).await?)
                })
            })
            .await
    }
}
