//! Direct talks: a private room of exactly two people, one for each pair, found or made when either of them asks for it. Nobody owns it, so
//! nothing of it can be changed and nobody can be added. Who leaves it does not see it until one of the two asks for it or says something.

use super::rooms::put_member;
use super::{Chat, ChatError};
use crate::domain::Invalid;
use crate::domain::cursor::Epoch;
use crate::domain::id::{PersonId, RoomId};
use crate::domain::room::{Role, Room, RoomKind};
use crate::store::{Patience, Tx, accounts, rooms};

impl Chat {
    /// The talk of these two, and whether it is new.
    pub async fn talk(&self, person: PersonId, other: PersonId) -> Result<(RoomId, bool), ChatError> {
        self.throttles.mark(person)?;
        match self.find_or_make_talk(person, other).await {
            // On Postgres the other may have asked at the same moment and been first: then it is there now.
            Err(ChatError::Store(error)) if error.is_unique_violation() => self.find_or_make_talk(person, other).await,
            done => done,
        }
    }

    async fn find_or_make_talk(&self, person: PersonId, other: PersonId) -> Result<(RoomId, bool), ChatError> {
        if person == other {
            return Err(Invalid::new("oneself", "A direct talk is between two people: choose somebody else.").into());
        }
        let (id, epoch) = (RoomId(self.clock().new_id()), Epoch(u128::from_be_bytes(self.clock().random())));
        self.store
            .write(Patience::Refuse, move |tx| {
                Box::pin(async move {
                    if let Some(room) = rooms::of_pair(&mut tx.conn(), (person, other)).await? {
                        tx.hold(room).await?;
                        if rooms::find_for(&mut tx.conn(), room, person).await?.is_none() {
                            let rev = tx.advance(room).await?;
                            put_member(tx, room, person, Role::Member).await?;
                            rooms::touch(&mut tx.conn(), room, rev, true).await?;
                        }
                        return Ok((room, false));
                    }
                    let me = accounts::find(&mut tx.conn(), person).await?.ok_or(ChatError::NotFound)?;
                    let them = accounts::find(&mut tx.conn(), other).await?.filter(|them| !them.disabled).ok_or(ChatError::NotFound)?;
                    let now = tx.now();
                    let room = Room {
                        id,
                        name: format!("{}, {}", me.name, them.name),
                        topic: String::new(),
                        kind: RoomKind::Direct,
                        private: true,
                        epoch,
                        head: 1,
                        rev: 1,
                        created_at: now,
                    };
                    rooms::insert(&mut tx.conn(), &room).await?;
                    rooms::set_pair(&mut tx.conn(), id, (person, other)).await?;
                    put_member(tx, id, person, Role::Member).await?;
                    put_member(tx, id, other, Role::Member).await?;
                    Ok((id, true))
                })
            })
            .await
    }
}

/// What is said in a talk reaches the other, who may have left it: they are in it again, under the number `rev`, and what comes after it
/// is theirs to read. False if they had not left.
pub(super) async fn bring_back_other(tx: &mut Tx, room: RoomId, person: PersonId, rev: i64) -> Result<bool, ChatError> {
    let Some((other, _)) = rooms::other_of(&mut tx.conn(), room, person).await? else { return Ok(false) };
    let back = put_member(tx, room, other, Role::Member).await?;
    if back {
        rooms::touch(&mut tx.conn(), room, rev, true).await?;
    }
    Ok(back)
}
