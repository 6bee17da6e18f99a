//! Reactions: a change of the message's row like any other, with a number of its own; and no change, and no number, where it stands already.

use super::{Chat, ChatError, NotDone, room_of, settled};
use crate::domain::Invalid;
use crate::domain::id::{MessageId, PersonId, RoomId};
use crate::domain::message::{Named, StateKind};
use crate::render;
use crate::store::{Patience, accounts, messages};

/// What becomes of somebody's reaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum React {
    Add,
    Remove,
    /// The other of the two: for a form, which does not know how it stands.
    Toggle,
}

impl Chat {
    /// Adds one's reaction to a message or takes it back. Done twice it is done once.
    pub async fn react(&self, person: PersonId, room: RoomId, id: MessageId, emoji: &str, what: React) -> Result<(), ChatError> {
        if !render::emoji_names().any(|known| known.emoji == emoji) {
            return Err(Invalid::new("bad_emoji", "A reaction is one emoji: choose one from the list.").into());
        }
        self.throttles.post(person)?;
        let emoji = emoji.to_owned();
        let done = self
            .store
            .write(Patience::Refuse, move |tx| {
                Box::pin(async move {
                    let rev = tx.advance(room).await?;
                    room_of(&mut tx.conn(), room, person).await?;
                    let message = messages::find(&mut tx.conn(), room, id).await?.ok_or(ChatError::NotFound)?.message;
                    if message.state.kind() == StateKind::Deleted {
                        return Err(ChatError::conflict("deleted", "The message was deleted: nobody can react to it any more.").into());
                    }
                    let name = accounts::find(&mut tx.conn(), person).await?.ok_or(ChatError::NotFound)?.name;
                    let me = Named { id: person.to_string(), name };
                    let mut reactions = message.reactions;
                    let on = match what {
                        React::Add => true,
                        React::Remove => false,
                        React::Toggle => !reactions.has(&emoji, &me.id),
                    };
                    if !reactions.set(&emoji, &me, on).map_err(ChatError::from)? {
                        return Err(NotDone::Nothing);
                    }
                    Ok(messages::set_reactions(&mut tx.conn(), id, &reactions, rev).await?)
                })
            })
            .await;
        settled(done)
    }
}
