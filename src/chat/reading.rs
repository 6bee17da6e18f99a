//! How far somebody has read, and what they hold dear. It is theirs alone: it takes no number of the room and is told to nobody else.

use super::{Chat, ChatError, room_of};
use crate::domain::id::{MessageId, PersonId, RoomId};
use crate::store::reading::{self, Way};
use crate::store::{Announcement, Patience, StoreError};

impl Chat {
    /// Everything up to the place `seq` has been read. Never moves back, nor beyond the last message; a reply at the end that is still being
    /// written is not read by that. What was said before costs no write.
    pub async fn read(&self, person: PersonId, room: RoomId, seq: i64) -> Result<(), ChatError> {
        let mark = {
            let mut reader = self.store.reader().await?;
            reading::mark(&mut reader.conn(), room, person, seq).await?.ok_or(ChatError::NotFound)?
        };
        match mark.upto > mark.read {
            true => self.set_mark(person, room, mark.upto, Way::Forward).await,
            false => Ok(()),
        }
    }

    /// Everything after the place `seq` is unread again. Never moves forward.
    pub async fn unread(&self, person: PersonId, room: RoomId, seq: i64) -> Result<(), ChatError> {
        {
            let mut reader = self.store.reader().await?;
            room_of(&mut reader.conn(), room, person).await?;
        }
        self.set_mark(person, room, seq.max(0), Way::Back).await
    }

    /// Who has lost the room meanwhile has no mark there, and nothing happens.
    async fn set_mark(&self, person: PersonId, room: RoomId, seq: i64, way: Way) -> Result<(), ChatError> {
        self.throttles.mark(person)?;
        let done: Result<(), StoreError> = self
            .store
            .write(Patience::Refuse, move |tx| {
                Box::pin(async move {
                    if reading::move_mark(&mut tx.conn(), room, person, seq, way).await? {
                        tx.announce(Announcement::Concerns { room, person });
                    }
                    Ok(())
                })
            })
            .await;
        Ok(done?)
    }

    /// The first message of a room that somebody has not read, if there is one.
    pub async fn first_unread(&self, person: PersonId, room: RoomId) -> Result<Option<MessageId>, ChatError> {
        let mut snapshot = self.store.snapshot().await?;
        let conn = &mut snapshot.conn();
        let mark = reading::mark(conn, room, person, 0).await?.ok_or(ChatError::NotFound)?;
        Ok(reading::first_unread(conn, room, person, mark.read).await?.map(|(id, _)| id))
    }

    pub async fn set_favourite(&self, person: PersonId, room: RoomId, on: bool) -> Result<(), ChatError> {
        self.throttles.mark(person)?;
        self.store
            .write(Patience::Refuse, move |tx| {
                Box::pin(async move {
                    room_of(&mut tx.conn(), room, person).await?;
                    if reading::set_favourite(&mut tx.conn(), room, person, on).await? {
                        tx.announce(Announcement::Concerns { room, person });
                    }
                    Ok(())
                })
            })
            .await
    }
}
