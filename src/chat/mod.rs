//! What people can do: each verb one transaction, with its permissions checked inside it.
//!
//! Nothing here knows HTTP, and nothing here knows how a reply is made: a question leaves a job in the database, and whoever makes
//! replies finds it there. Whom something is refused to learns no more than that it is not there.

pub mod accounts;
pub mod assistants;
pub mod commands;
mod erasure;
pub mod files;
mod inspect;
pub mod invites;
pub mod messages;
pub mod password;
mod picture;
pub mod reactions;
pub mod reading;
pub mod replies;
pub mod rooms;
pub mod saw;
pub mod search;
pub mod sessions;
mod shelf;
pub mod talks;
pub mod throttle;
pub mod tokens;
pub mod usage;

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::Invalid;
use crate::domain::id::{PersonId, RoomId};
use crate::domain::room::{Role, Room};
use crate::store::{Conn, Store, StoreError, rooms as room_rows};

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// What was sent cannot be taken.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Not there, or not for you: the answer is the same.
    #[error("There is nothing here, or it is not for you.")]
    NotFound,
    /// You see it, but may not do this.
    #[error("{0}")]
    Forbidden(&'static str),
    /// It is no longer as you saw it, or the id or name is taken.
    #[error("{sentence}")]
    Conflict { code: &'static str, sentence: String },
    #[error("That was too much in a short time. Try again in {} seconds.", .0.as_secs().max(1))]
    TooMany(Duration),
    #[error("The name or the password is not right.")]
    WrongPassword,
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for ChatError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoRoom => Self::NotFound,
            error => Self::Store(error),
        }
    }
}

impl ChatError {
    pub fn conflict(code: &'static str, sentence: impl Into<String>) -> Self {
        Self::Conflict { code, sentence: sentence.into() }
    }
}

/// Everything that people do goes through here. Cheap to clone.
#[derive(Clone)]
pub struct Chat {
    store: Store,
    passwords: password::Passwords,
    throttles: Arc<throttle::Throttles>,
    /// To add up what was used takes long: one reader at a time, so that the others of the database are there for who talks.
    adding_up: Arc<tokio::sync::Semaphore>,
    /// Nothing for a command that works on the database alone.
    files: Option<files::Files>,
}

impl Chat {
    /// `posts_per_minute`: how much one person may say.
    pub fn new(store: Store, posts_per_minute: u32) -> Self {
        Self {
            store,
            passwords: password::Passwords::new(),
            throttles: Arc::new(throttle::Throttles::new(posts_per_minute)),
            adding_up: Arc::new(tokio::sync::Semaphore::new(1)),
            files: None,
        }
    }

    /// The same with a place for files.
    pub fn with_files(self, files: files::Files) -> Self {
        Self { files: Some(files), ..self }
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    pub fn clock(&self) -> &Clock {
        self.store.clock()
    }
}

/// Why a transaction was undone, with the number it had taken.
enum NotDone {
    /// There is nothing to do, or somebody was faster: the present row is the answer.
    Nothing,
    /// It is no longer what it was when it was looked at.
    LookAgain,
    Refused(ChatError),
}

impl From<ChatError> for NotDone {
    fn from(error: ChatError) -> Self {
        Self::Refused(error)
    }
}

impl From<StoreError> for NotDone {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

fn settled(done: Result<(), NotDone>) -> Result<(), ChatError> {
    match done {
        Ok(()) | Err(NotDone::Nothing | NotDone::LookAgain) => Ok(()),
        Err(NotDone::Refused(error)) => Err(error),
    }
}

/// How long who reads waits for what is only noted on the way (where a session was seen): the write goes on by itself.
const NOTE: Duration = Duration::from_millis(250);

/// Waits a moment for a note to be written. Who may read must not be kept from it because nothing can be written.
pub(crate) async fn note(written: impl Future<Output = Result<(), ChatError>>) {
    if let Ok(Err(error)) = tokio::time::timeout(NOTE, written).await {
        tracing::warn!(%error, "when somebody was last seen cannot be noted");
    }
}

/// The room through its membership: who is no member finds nothing.
pub(crate) async fn room_of(conn: &mut Conn<'_>, room: RoomId, person: PersonId) -> Result<(Room, Role), ChatError> {
    room_rows::find_for(conn, room, person).await?.ok_or(ChatError::NotFound)
}

/// Nobody changes a talk or brings a third into it, not even who runs the server.
fn talk_is_fixed() -> ChatError {
    ChatError::Forbidden("A direct talk is between two people: nothing of it can be changed.")
}

/// The room through its membership, for whoever may manage it.
pub(crate) async fn managed_room(conn: &mut Conn<'_>, room: RoomId, person: PersonId) -> Result<Room, ChatError> {
    match room_of(conn, room, person).await? {
        (room, _) if room.kind.is_direct() => Err(talk_is_fixed()),
        (room, role) if role.may_manage() => Ok(room),
        _ => Err(ChatError::Forbidden("Only an owner of the room may do that.")),
    }
}
