//! Files that go: taken back, not sent for a day, of a deleted message, or cut off when the server ended.
//!
//! What is erased is first erased in the database, so that nobody finds it, then on disk; whatever comes between, the next sweep or the
//! next start goes on from there.

use std::time::Duration;

use tracing::warn;

use super::files::on_disk;
use super::{Chat, ChatError, room_of};
use crate::domain::id::{FileId, PersonId, RoomId};
use crate::store::{Patience, files};

/// How long an upload waits for its message.
const WAIT: Duration = Duration::from_secs(24 * 60 * 60);
/// Erased files whose bytes are removed between two looks into the database.
const REMOVE: usize = 100;

impl Chat {
    /// Takes back one's own upload that no message has taken.
    pub async fn discard_upload(&self, person: PersonId, room: RoomId, id: FileId) -> Result<(), ChatError> {
        {
            let mut reader = self.store.reader().await?;
            room_of(&mut reader.conn(), room, person).await?;
        }
        match self.erase_waiting(person, room, id).await? {
            true => self.remove_erased_soon().await,
            false => return Err(ChatError::NotFound),
        }
        Ok(())
    }

    pub(super) async fn erase_waiting(&self, person: PersonId, room: RoomId, id: FileId) -> Result<bool, ChatError> {
        self.store
            .write(Patience::Refuse, move |tx| Box::pin(async move { Ok(files::erase_waiting(&mut tx.conn(), id, person, room).await?) }))
            .await
    }

    /// Erases uploads that no message has taken for a day, and removes from disk whatever is erased.
    pub async fn sweep_files(&self) -> Result<(), ChatError> {
        let before = self.clock().now() - WAIT.as_millis() as i64;
        let has_stale = {
            let mut reader = self.store.reader().await?;
            files::has_stale(&mut reader.conn(), before).await?
        };
        if has_stale {
            self.store
                .write(Patience::Wait, move |tx| {
                    Box::pin(async move { Ok::<_, ChatError>(files::erase_stale(&mut tx.conn(), before).await?) })
                })
                .await?;
        }
        self.remove_erased().await
    }

    /// At the start: what was under way when the server ended is finished, or is gone.
    pub async fn recover_files(&self) -> Result<(), ChatError> {
        let shelf = self.files()?.shelf();
        for stored in shelf.left_over().await.map_err(|error| on_disk(&error))? {
            let has_row = {
                let mut reader = self.store.reader().await?;
                files::is_stored(&mut reader.conn(), &stored).await?
            };
            // What cannot be helped now stays as it is, and the next start tries again; it keeps none of the others.
            match has_row {
                true => {
                    if let Err(error) = shelf.place_left_over(&stored).await {
                        warn!(file.stored = stored, %error, "a file that had come cannot be put into its place: clear the way to it and start again");
                    }
                }
                false => {
                    if let Err(error) = shelf.remove(&stored).await {
                        warn!(file.stored = stored, %error, "an upload that was cut off cannot be removed");
                    }
                }
            }
        }
        self.sweep_files().await
    }

    /// Removes what was just erased, also if whoever erased it goes away. What cannot be removed now is removed by the next sweep: nobody
    /// finds it any more.
    pub(super) async fn remove_erased_soon(&self) {
        let Ok(files) = self.files() else { return };
        let chat = self.clone();
        let removed = files.tasks().spawn(async move { chat.remove_erased().await });
        if let Ok(Err(error)) = removed.await {
            warn!(%error, "erased files cannot be removed yet; trying again later");
        }
    }

    async fn remove_erased(&self) -> Result<(), ChatError> {
        let shelf = self.files()?.shelf();
        loop {
            let erased = {
                let mut reader = self.store.reader().await?;
                files::erased(&mut reader.conn(), REMOVE).await?
            };
            let count = erased.len();
            let (mut gone, mut failed) = (Vec::new(), None);
            for stored in erased {
                // One that cannot be removed keeps none of the others.
                match shelf.remove(&stored).await {
                    Ok(()) => gone.push(stored),
                    Err(error) => failed = Some(on_disk(&error)),
                }
            }
            if !gone.is_empty() {
                self.store
                    .write(Patience::Wait, move |tx| {
                        Box::pin(async move {
                            for stored in &gone {
                                files::remove(&mut tx.conn(), stored).await?;
                            }
                            Ok::<_, ChatError>(())
                        })
                    })
                    .await?;
            }
            if let Some(error) = failed {
                return Err(error);
            }
            if count < REMOVE {
                return Ok(());
            }
        }
    }
}
