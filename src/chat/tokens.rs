//! Bearer tokens: how programs act for a person.

use super::accounts::require_admin;
use super::{Chat, ChatError, note};
use crate::domain::Millis;
use crate::domain::id::{PersonId, TokenId};
use crate::domain::person::Person;
use crate::domain::secret::fingerprint;
use crate::store::tokens::Token;
use crate::store::{Announcement, Patience, Revocation, tokens};

/// A token's "last used" is exact to this.
const USED_EVERY_MS: Millis = 10 * 60 * 1000;
/// What every token begins with, so that people and scanners recognise one that leaked.
const PREFIX: &str = "parlor_";

impl Chat {
    /// Makes a token for a person; gives its secret, which is not shown again.
    pub async fn add_token(&self, person: PersonId) -> Result<(TokenId, String), ChatError> {
        let id = TokenId(self.clock().new_id());
        let secret = format!("{PREFIX}{}", self.clock().new_secret());
        let stored = fingerprint(&secret);
        self.store
            .write(Patience::Wait, move |tx| {
                Box::pin(async move {
                    let now = tx.now();
                    Ok::<_, ChatError>(tokens::insert(&mut tx.conn(), id, person, &stored, now).await?)
                })
            })
            .await?;
        Ok((id, secret))
    }

    /// Whose token this is, if it is good.
    pub async fn person_of_token(&self, secret: &str) -> Result<Option<(TokenId, Person)>, ChatError> {
        let found = {
            let mut reader = self.store.reader().await?;
            tokens::find_by_secret(&mut reader.conn(), &fingerprint(secret)).await?
        };
        let Some((id, person, used_at)) = found else { return Ok(None) };
        let now = self.clock().now();
        if used_at.is_none_or(|used| now - used > USED_EVERY_MS) {
            let used =
                self.store.write(Patience::Refuse, move |tx| Box::pin(async move { Ok(tokens::used(&mut tx.conn(), id, now).await?) }));
            note(used).await;
        }
        Ok(Some((id, person)))
    }

    /// All tokens, or one person's.
    pub async fn tokens(&self, person: Option<PersonId>) -> Result<Vec<Token>, ChatError> {
        let mut snapshot = self.store.snapshot().await?;
        Ok(tokens::list(&mut snapshot.conn(), person).await?)
    }

    /// Revokes a token: one's own, or, for an administrator or the command line (`by` nobody), anyone's. Its streams end.
    pub async fn revoke_token(&self, by: Option<PersonId>, id: TokenId) -> Result<(), ChatError> {
        self.store
            .write(Patience::Wait, move |tx| {
                Box::pin(async move {
                    if let Some(by) = by
                        && !tokens::list(&mut tx.conn(), Some(by)).await?.iter().any(|token| token.id == id)
                    {
                        require_admin(tx, by).await.map_err(|_| ChatError::NotFound)?;
                    }
                    if !tokens::revoke(&mut tx.conn(), id).await? {
                        return Err(ChatError::NotFound);
                    }
                    tx.announce(Announcement::Revoked(Revocation::Credential(id.to_string())));
                    Ok(())
                })
            })
            .await
    }
}
