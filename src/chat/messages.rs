//! Messages: posted exactly once, edited and deleted by who wrote them, found through their room.

use super::files::too_many_files;
use super::rooms::Window;
use super::talks::bring_back_other;
use super::{Chat, ChatError, room_of};
use crate::domain::Invalid;
use crate::domain::assistant::Speaks;
use crate::domain::file::{FILES_MAX, File};
use crate::domain::id::{FileId, MessageId, PersonId, RoomId};
use crate::domain::message::{AttemptKind, AuthorId, EXCERPT_CHARS, MessageBody, State, StateKind, post_hash};
use crate::domain::room::RoomAssistant;
use crate::render;
use crate::store::attempts::{Attempt, NewAttempt};
use crate::store::messages::{Body, NewMessage, Stored};
use crate::store::reading::{self, Way};
use crate::store::{Announcement, Patience, StoreError, Tx, assistants, attempts, files, messages, rooms};

/// What somebody wants to say.
#[derive(Clone, Debug)]
pub struct Post {
    pub id: MessageId,
    pub text: String,
    pub reply_to: Option<MessageId>,
    /// Uploads that it takes, in this order.
    pub files: Vec<FileId>,
}

/// What stands now. The same for the first and for every repeated post of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Posted {
    pub id: MessageId,
    pub room: RoomId,
    pub seq: i64,
}

/// The message with all attempts at it.
#[derive(Clone, Debug)]
pub struct MessageDetail {
    pub stored: Stored,
    /// The first first; empty for a person's message.
    pub attempts: Vec<Attempt>,
    /// Text so far of a reply that is being written.
    pub so_far: attempts::SoFar,
}

impl Chat {
    /// Says something in a room. Whoever sends the same post again, with the same id, gets the same answer and no second message.
    pub async fn post(&self, person: PersonId, room: RoomId, post: Post) -> Result<Posted, ChatError> {
        if post.files.len() > FILES_MAX {
            return Err(too_many_files().into());
        }
        let text = match post.files.is_empty() {
            true => MessageBody::parse(&post.text)?,
            false => MessageBody::parse_beside_files(&post.text)?,
        };
        let hash = post_hash(person, room, post.reply_to, &text, &post.files);
        // Whoever only asks again whether it arrived has said nothing more, and is not counted.
        if let Some(seq) = self.posted_before(person, room, post.id, &hash).await? {
            return Ok(Posted { id: post.id, room, seq });
        }
        self.throttles.post(person)?;
        let names = self.names_for(person, room, text.as_str()).await?;
        let mentioned = render::mentions(text.as_str(), &names);
        let rooms = self.rooms_for(Some(person), room, text.as_str()).await?;
        let body = body(post.id, text.into_string(), &names, &rooms);
        let uploads = post.files;
        let reply_ids = std::array::from_fn::<_, REPLIES_MAX, _>(|_| MessageId(self.clock().new_id()));
        let done = self
            .store
            .write(Patience::Refuse, move |tx| {
                Box::pin(async move {
                    // First the number: on Postgres it holds the room, so that what is read next stays true until the commit.
                    let mut seq = tx.advance_active(room).await?;
                    let (found, _) = room_of(&mut tx.conn(), room, person).await?;
                    if found.kind.is_direct() && bring_back_other(tx, room, person, seq).await? {
                        seq = tx.advance_active(room).await?;
                    }
                    let parent = match post.reply_to {
                        Some(id) => Some(messages::find(&mut tx.conn(), room, id).await?.ok_or_else(parent_gone)?.message),
                        None => None,
                    };
                    let new = NewMessage {
                        id: post.id,
                        room,
                        author: AuthorId::Person(person),
                        post_hash: hash.clone(),
                        seq,
                        state: StateKind::Complete,
                        attempt: 0,
                        reply_to: post.reply_to,
                        asked_by: None,
                        body,
                        at: tx.now(),
                    };
                    if !messages::insert(tx, &new).await? {
                        return Err(match messages::find_post(&mut tx.conn(), post.id).await? {
                            Some((its_room, its_hash, its_seq)) if its_room == room && its_hash == hash => NotPosted::Repeated(its_seq),
                            _ => id_taken().into(),
                        });
                    }
                    take_files(tx, person, room, post.id, &uploads).await?;
                    if !mentioned.is_empty() || post.reply_to.is_some() {
                        reading::note_mentions(&mut tx.conn(), post.id, &mentioned).await?;
                    }
                    // Who speaks has read what was said before.
                    reading::move_mark(&mut tx.conn(), room, person, seq, Way::Forward).await?;
                    let here = assistants::of_room(&mut tx.conn(), room).await?;
                    let asked = here.iter().filter(|assistant| is_asked(assistant, &mentioned, parent.as_ref().map(|p| p.author)));
                    for (assistant, id) in asked.zip(reply_ids) {
                        ask(tx, person, &new, assistant, id).await?;
                    }
                    Ok(seq)
                })
            })
            .await;
        match done {
            Ok(seq) | Err(NotPosted::Repeated(seq)) => Ok(Posted { id: post.id, room, seq }),
            Err(NotPosted::Refused(error)) => Err(error),
        }
    }

    /// Changes one's own message. `rev` is the version it was made on; if that is no longer the present one, nothing changes.
    pub async fn edit(&self, person: PersonId, room: RoomId, id: MessageId, text: &str, rev: Option<i64>) -> Result<(), ChatError> {
        let text = MessageBody::parse_beside_files(text)?;
        self.throttles.post(person)?;
        let names = self.names_for(person, room, text.as_str()).await?;
        let mentioned = render::mentions(text.as_str(), &names);
        let rooms = self.rooms_for(Some(person), room, text.as_str()).await?;
        let mut body = body(id, text.into_string(), &names, &rooms);
        self.store
            .write(Patience::Refuse, move |tx| {
                Box::pin(async move {
                    let next = tx.advance(room).await?;
                    room_of(&mut tx.conn(), room, person).await?;
                    let message = messages::find(&mut tx.conn(), room, id).await?.ok_or(ChatError::NotFound)?.message;
                    if message.author != AuthorId::Person(person) {
                        return Err(ChatError::Forbidden("Only who wrote a message may change it."));
                    }
                    if message.state != State::Complete {
                        return Err(ChatError::conflict("deleted", "The message was deleted: it cannot be changed any more."));
                    }
                    if rev.is_some_and(|rev| rev != message.rev) && message.text != body.text {
                        return Err(ChatError::conflict(
                            "changed",
                            "The message has changed since you began: look at it again, then save once more.",
                        ));
                    }
                    if body.text.is_empty() {
                        if message.files.is_empty() {
                            return Err(MessageBody::parse(&body.text).err().map_or(ChatError::NotFound, ChatError::from));
                        }
                        body.excerpt = names_of(&message.files);
                    }
                    let now = tx.now();
                    messages::edit(tx, id, &body, next, now).await?;
                    reading::note_mentions(&mut tx.conn(), id, &mentioned).await?;
                    touch_quotes(tx, room, id).await
                })
            })
            .await
    }

    /// Deletes a message: one's own, a reply one asked for, or, as an owner of the room, any. Its text and its files are erased everywhere.
    pub async fn delete(&self, person: PersonId, room: RoomId, id: MessageId) -> Result<(), ChatError> {
        let had_files = self
            .store
            .write(Patience::Refuse, move |tx| {
                Box::pin(async move {
                    let rev = tx.advance(room).await?;
                    let (_, role) = room_of(&mut tx.conn(), room, person).await?;
                    let message = messages::find(&mut tx.conn(), room, id).await?.ok_or(ChatError::NotFound)?.message;
                    // The first asker's: who only tried it again does not thereby own it.
                    let asked = attempts::find(&mut tx.conn(), id, 1).await?.is_some_and(|first| first.asked_by == person);
                    if message.author != AuthorId::Person(person) && !asked && !role.may_manage() {
                        return Err(ChatError::Forbidden("Only who wrote a message, or an owner of the room, may delete it."));
                    }
                    let now = tx.now();
                    messages::erase(tx, id, rev).await?;
                    files::erase_of_message(&mut tx.conn(), id).await?;
                    attempts::erase(&mut tx.conn(), id, now).await?;
                    tx.announce(Announcement::Stop { message: id, attempt: message.attempt });
                    touch_quotes(tx, room, id).await?;
                    Ok::<_, ChatError>(!message.files.is_empty())
                })
            })
            .await?;
        if had_files {
            // What cannot be removed now, the next sweep removes: nobody finds it any more.
            self.remove_erased_soon().await;
        }
        Ok(())
    }

    /// A message of a room, for a member, with its attempts.
    pub async fn message(&self, person: PersonId, room: RoomId, id: MessageId) -> Result<MessageDetail, ChatError> {
        let mut snapshot = self.store.snapshot().await?;
        let conn = &mut snapshot.conn();
        room_of(conn, room, person).await?;
        let stored = messages::find(conn, room, id).await?.ok_or(ChatError::NotFound)?;
        let mut attempts = match stored.message.author.is_assistant() {
            true => attempts::list(conn, id).await?,
            false => Vec::new(),
        };
        // A continued attempt has taken the place of the one before it.
        let continued: Vec<i64> = attempts.iter().filter(|a| a.kind == AttemptKind::Continue).map(|a| a.attempt - 1).collect();
        attempts.retain(|a| !continued.contains(&a.attempt));
        let so_far = match stored.message.state.kind().is_open() {
            true => attempts::so_far(conn, id, stored.message.attempt).await?,
            false => attempts::SoFar::default(),
        };
        Ok(MessageDetail { stored, attempts, so_far })
    }

    /// The window that shows a message among its neighbours.
    pub async fn window_around(&self, person: PersonId, room: RoomId, id: MessageId) -> Result<Window, ChatError> {
        let mut snapshot = self.store.snapshot().await?;
        let conn = &mut snapshot.conn();
        room_of(conn, room, person).await?;
        let stored = messages::find(conn, room, id).await?.ok_or(ChatError::NotFound)?;
        Ok(Window::Around(stored.message.seq))
    }

    /// The place of this very post, if it was made before.
    async fn posted_before(&self, person: PersonId, room: RoomId, id: MessageId, hash: &str) -> Result<Option<i64>, ChatError> {
        let mut reader = self.store.reader().await?;
        let conn = &mut reader.conn();
        match messages::find_post(conn, id).await? {
            Some((its_room, its_hash, seq)) if its_room == room && its_hash == hash => {
                // Who is no member any more is told nothing, not even that.
                room_of(conn, room, person).await?;
                Ok(Some(seq))
            }
            // Whatever else stands under this id is found in the transaction.
            _ => Ok(None),
        }
    }

    /// Names that this text may mention in a room, for a member. They only colour the markup; who is asked is decided in the transaction.
    /// Most texts name nobody, and then nothing needs to be known of who could be named.
    pub(super) async fn names_for(&self, person: PersonId, room: RoomId, text: &str) -> Result<Vec<String>, ChatError> {
        if !render::may_mention(text) {
            return Ok(Vec::new());
        }
        let mut snapshot = self.store.snapshot().await?;
        let conn = &mut snapshot.conn();
        let (room, _) = room_of(conn, room, person).await?;
        Ok(rooms::detail(conn, room).await?.names())
    }

    /// Rooms that this text may link to by name. Most texts name none, and then nothing needs to be known of the rooms.
    pub async fn rooms_for(&self, writer: Option<PersonId>, room: RoomId, text: &str) -> Result<Vec<render::Room>, ChatError> {
        if !render::may_name_room(text) {
            return Ok(Vec::new());
        }
        let mut snapshot = self.store.snapshot().await?;
        let rooms = rooms::linked(&mut snapshot.conn(), room, writer).await?;
        Ok(rooms.into_iter().map(|(id, name)| render::Room { name, id: id.to_string() }).collect())
    }
}

/// Gives a new message the uploads that its post names.
async fn take_files(tx: &mut Tx, person: PersonId, room: RoomId, id: MessageId, uploads: &[FileId]) -> Result<(), ChatError> {
    if uploads.is_empty() {
        return Ok(());
    }
    let mut taken = Vec::with_capacity(uploads.len());
    for upload in uploads {
        taken.push(files::take(&mut tx.conn(), *upload, person, room, id).await?.ok_or_else(no_file)?);
    }
    messages::set_files(&mut tx.conn(), id, &taken, &names_of(&taken)).await?;
    Ok(())
}

/// What stands in a quote of a message that says nothing beside its files.
fn names_of(files: &[File]) -> String {
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    names.join(", ").chars().take(EXCERPT_CHARS).collect()
}

fn no_file() -> Invalid {
    Invalid::new("no_file", "A file is not there any more: it was sent already, or has waited for longer than a day. Attach it again.")
}

/// Assistants that one message may ask at most: a room with more of them is a mistake that would cost dearly.
const REPLIES_MAX: usize = 8;

/// Why a post was not made.
enum NotPosted {
    /// It stands already, at this place: undo what this transaction did and give the first answer again.
    Repeated(i64),
    Refused(ChatError),
}

impl From<ChatError> for NotPosted {
    fn from(error: ChatError) -> Self {
        Self::Refused(error)
    }
}

impl From<StoreError> for NotPosted {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

fn id_taken() -> ChatError {
    ChatError::conflict("id_taken", "There is another message with this id: send yours again with a new one.")
}

fn parent_gone() -> ChatError {
    Invalid::new("no_parent", "The message that you reply to is not in this room.").into()
}

/// An assistant answers always, or when it is named, or when one of its messages is replied to.
fn is_asked(assistant: &RoomAssistant, mentioned: &[String], parent: Option<AuthorId>) -> bool {
    assistant.speaks == Speaks::Always || mentioned.contains(&assistant.name) || parent == Some(AuthorId::Assistant(assistant.id))
}

/// Puts a reply into the queue: its message, and its first attempt, which is the job.
async fn ask(tx: &mut Tx, asker: PersonId, question: &NewMessage, assistant: &RoomAssistant, id: MessageId) -> Result<(), StoreError> {
    let seq = tx.advance_active(question.room).await?;
    let at = tx.now();
    let reply = NewMessage {
        id,
        room: question.room,
        author: AuthorId::Assistant(assistant.id),
        post_hash: String::new(),
        seq,
        state: StateKind::Queued,
        attempt: 1,
        reply_to: Some(question.id),
        asked_by: Some(asker),
        body: Body::default(),
        at,
    };
    if !messages::insert(tx, &reply).await? {
        return Err(StoreError::Corrupt(format!("the new id {id} is taken")));
    }
    let job =
        NewAttempt { message: id, attempt: 1, kind: AttemptKind::First, asked_by: asker, assistant: assistant.id, first_seq: seq, at };
    attempts::insert(&mut tx.conn(), &job).await?;
    tx.announce(Announcement::Asked);
    Ok(())
}

/// Quotes are drawn by reference: when a message changes, so do those that quote it.
pub(super) async fn touch_quotes(tx: &mut Tx, room: RoomId, parent: MessageId) -> Result<(), ChatError> {
    for id in messages::quoting(&mut tx.conn(), parent).await? {
        let rev = tx.advance(room).await?;
        messages::touch(&mut tx.conn(), id, rev).await?;
    }
    Ok(())
}

/// A text in the forms in which it is stored.
pub(super) fn body(id: MessageId, text: String, names: &[String], rooms: &[render::Room]) -> Body {
    let html = render::render(&text, &render::Context { scope: &id.to_string(), names, rooms });
    let excerpt = render::plain_excerpt(&text, EXCERPT_CHARS);
    Body { text, html, excerpt, renderer: render::RENDERER }
}
