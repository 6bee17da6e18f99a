//! Invitations: how a friend gets an account.

use std::net::IpAddr;

use super::accounts::{insert_person, require_admin};
use super::rooms::put_member;
use super::{Chat, ChatError, talk_is_fixed};
use crate::domain::id::{InviteId, PersonId, RoomId};
use crate::domain::name::Name;
use crate::domain::person::{Password, Person};
use crate::domain::room::Role;
use crate::domain::secret::fingerprint;
use crate::domain::{Invalid, Millis};
use crate::store::invites::Invite;
use crate::store::{Patience, accounts, invites, rooms};

const DAY_MS: Millis = 24 * 60 * 60 * 1000;
/// The longest that an invitation may be good for, in days.
pub const DAYS_MAX: i64 = 365;
/// And unless something else is wanted.
pub const DAYS_DEFAULT: i64 = 7;
/// The most people that one invitation may let in.
pub const USES_MAX: i64 = 1000;

impl Chat {
    /// Makes an invitation; gives its secret, the last part of the link. `by` nobody is the command line. Without a room it
    /// leads into the oldest open one.
    pub async fn add_invite(
        &self,
        by: Option<PersonId>,
        room: Option<RoomId>,
        uses: i64,
        days: i64,
    ) -> Result<(InviteId, String), ChatError> {
        if !(1..=USES_MAX).contains(&uses) {
            return Err(Invalid::new("bad_uses", format!("An invitation is for 1 to {USES_MAX} people.")).into());
        }
        if !(1..=DAYS_MAX).contains(&days) {
            return Err(Invalid::new("bad_days", format!("An invitation is good for 1 to {DAYS_MAX} days.")).into());
        }
        let id = InviteId(self.clock().new_id());
        let secret = self.clock().new_secret();
        let stored = fingerprint(&secret);
        self.store
            .write(Patience::Refuse, move |tx| {
                Box::pin(async move {
                    if let Some(by) = by {
                        require_admin(tx, by).await?;
                    }
                    let now = tx.now();
                    let room = match room {
                        Some(room) => {
                            // A third would read along.
                            if rooms::find(&mut tx.conn(), room).await?.is_some_and(|room| room.kind.is_direct()) {
                                return Err(talk_is_fixed());
                            }
                            Some(room)
                        }
                        None => rooms::list_all(&mut tx.conn())
                            .await?
                            .into_iter()
                            .filter(|r| !r.private)
                            .min_by_key(|r| r.created_at)
                            .map(|r| r.id),
                    };
                    let invite = Invite {
                        id,
                        room,
                        created_by: by,
                        created_at: now,
                        expires_at: now + days * DAY_MS,
                        uses_left: uses,
                        revoked: false,
                    };
                    Ok::<_, ChatError>(invites::insert(&mut tx.conn(), &invite, &stored).await?)
                })
            })
            .await?;
        Ok((id, secret))
    }

    /// Who invites with this link's secret, nobody being the command line; not found unless the invitation is (still) good.
    pub async fn inviter(&self, secret: &str) -> Result<Option<Person>, ChatError> {
        let mut snapshot = self.store.snapshot().await?;
        let invite = invites::find_by_secret(&mut snapshot.conn(), &fingerprint(secret)).await?;
        let invite = invite.filter(|invite| invite.is_good(self.clock().now())).ok_or(ChatError::NotFound)?;
        Ok(match invite.created_by {
            Some(by) => accounts::find(&mut snapshot.conn(), by).await?,
            None => None,
        })
    }

    /// Makes an account with an invitation, and puts it into the invitation's room.
    pub async fn accept_invite(
        &self,
        secret: &str,
        name: &str,
        password: &str,
        address: IpAddr,
    ) -> Result<(Person, Option<RoomId>), ChatError> {
        self.throttles.stranger(address)?;
        let (name, password) = (Name::parse(name)?, Password::parse(password)?);
        self.inviter(secret).await?;
        let hash = self.passwords.hash(password).await?;
        let stored = fingerprint(secret);
        let id = PersonId(self.clock().new_id());
        self.store
            .write(Patience::Refuse, move |tx| {
                Box::pin(async move {
                    let now = tx.now();
                    let invite = invites::find_by_secret(&mut tx.conn(), &stored).await?.ok_or(ChatError::NotFound)?;
                    if !invites::take_use(&mut tx.conn(), invite.id, now).await? {
                        return Err(ChatError::NotFound);
                    }
                    let person = insert_person(tx, id, &name, false, &hash).await?;
                    if let Some(room) = invite.room {
                        let rev = tx.advance(room).await?;
                        put_member(tx, room, id, Role::Member).await?;
                        rooms::touch(&mut tx.conn(), room, rev, true).await?;
                    }
                    Ok((person, invite.room))
                })
            })
            .await
    }

    pub async fn invites(&self) -> Result<Vec<Invite>, ChatError> {
        let mut snapshot = self.store.snapshot().await?;
        Ok(invites::list(&mut snapshot.conn()).await?)
    }

    pub async fn revoke_invite(&self, by: Option<PersonId>, id: InviteId) -> Result<(), ChatError> {
        self.store
            .write(Patience::Wait, move |tx| {
                Box::pin(async move {
                    if let Some(by) = by {
                        require_admin(tx, by).await?;
                    }
                    match invites::revoke(&mut tx.conn(), id).await? {
                        true => Ok(()),
                        false => Err(ChatError::NotFound),
                    }
                })
            })
            .await
    }
}
