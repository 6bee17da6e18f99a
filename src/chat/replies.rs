//! What people do to a reply: stop it, try it again, continue it. Each names the attempt it means; if that is no longer the newest,
//! somebody was faster, nothing happens, and the present row is the answer.

use futures_util::future::BoxFuture;

use super::messages::{body, touch_quotes};
use super::{Chat, ChatError, NotDone, room_of, settled};
use crate::domain::id::{AssistantId, MessageId, PersonId, RoomId};
use crate::domain::message::{AttemptKind, AuthorId, Facts, Message, Part, StateKind};
use crate::render;
use crate::store::attempts::{NewAttempt, SoFar};
use crate::store::messages::{Body, Ending};
use crate::store::{Announcement, Patience, StoreError, Tx, assistants, attempts, messages, reading};

/// How often a stop looks again when the reply moved on between looking and writing.
const LOOKS: usize = 5;

impl Chat {
    /// Stops a reply, whether it waits or is being written. Everyone in the room may.
    pub async fn stop(&self, person: PersonId, room: RoomId, id: MessageId, attempt: Option<i64>) -> Result<(), ChatError> {
        for _ in 0..LOOKS {
            // A waiting attempt that continues another has text already. It is rendered here, for the writer renders nothing. As long as
            // that attempt waits, its text cannot change; should it be another attempt by then, this begins again.
            let seen = self.message(person, room, id).await?;
            let names = self.names_for(person, room, &seen.so_far.answer).await?;
            let rooms = self.rooms_for(None, room, &seen.so_far.answer).await?;
            let kept = Kept {
                attempt: seen.stored.message.attempt,
                body: body(id, seen.so_far.answer.clone(), &names, &rooms),
                mentioned: render::mentions(&seen.so_far.answer, &names),
                so_far: seen.so_far,
            };
            let done =
                self.change_reply(person, room, id, attempt, move |tx, message, rev| Box::pin(stop(tx, person, message, rev, kept))).await;
            match done {
                Err(NotDone::LookAgain) => {}
                done => return settled(done),
            }
        }
        Err(StoreError::Busy.into())
    }

    /// Tries a reply again from nothing. What was there stays readable as an earlier attempt.
    pub async fn retry(&self, person: PersonId, room: RoomId, id: MessageId, attempt: Option<i64>) -> Result<(), ChatError> {
        self.throttles.post(person)?;
        let done = self
            .change_reply(person, room, id, attempt, move |tx, message, rev| {
                Box::pin(async move {
                    if message.state.kind().is_open() {
                        return Err(NotDone::Nothing);
                    }
                    attempts::keep_text(&mut tx.conn(), id, message.attempt).await?;
                    again(tx, person, &message, AttemptKind::Retry, rev).await
                })
            })
            .await;
        settled(done)
    }

    /// Goes on where a reply broke off.
    pub async fn continue_reply(&self, person: PersonId, room: RoomId, id: MessageId, attempt: Option<i64>) -> Result<(), ChatError> {
        self.throttles.post(person)?;
        let done = self
            .change_reply(person, room, id, attempt, move |tx, message, rev| {
                Box::pin(async move {
                    if message.state.kind().is_open() {
                        return Err(NotDone::Nothing);
                    }
                    if !message.state.kind().is_broken_off() {
                        let sentence = "This reply is complete: there is nothing to continue. Ask on, or try it again.";
                        return Err(ChatError::conflict("complete", sentence).into());
                    }
                    again(tx, person, &message, AttemptKind::Continue, rev).await?;
                    for (part, text) in [(Part::Reasoning, &message.reasoning), (Part::Answer, &message.text)] {
                        if !text.is_empty() {
                            attempts::seed(&mut tx.conn(), id, message.attempt + 1, part, text).await?;
                        }
                    }
                    Ok(())
                })
            })
            .await;
        settled(done)
    }

    /// Finds the reply in a transaction that holds the room, and does something to it under the number `rev`; unless another attempt
    /// than the newest is meant.
    async fn change_reply<F>(&self, person: PersonId, room: RoomId, id: MessageId, attempt: Option<i64>, change: F) -> Result<(), NotDone>
    where
        F: for<'t> FnOnce(&'t mut Tx, Message, i64) -> BoxFuture<'t, Result<(), NotDone>> + Send + 'static,
    {
        self.store
            .write(Patience::Refuse, move |tx| {
                Box::pin(async move {
                    let rev = tx.advance(room).await?;
                    room_of(&mut tx.conn(), room, person).await?;
                    let message = messages::find(&mut tx.conn(), room, id).await?.ok_or(ChatError::NotFound)?.message;
                    if !message.author.is_assistant() || message.state.kind() == StateKind::Deleted {
                        return Err(ChatError::conflict("no_reply", "That is not an assistant's reply, or it was deleted.").into());
                    }
                    match attempt {
                        Some(meant) if meant != message.attempt => Err(NotDone::Nothing),
                        _ => change(tx, message, rev).await,
                    }
                })
            })
            .await
    }
}

/// What a waiting attempt holds, as it was looked at before the transaction.
struct Kept {
    attempt: i64,
    body: Body,
    mentioned: Vec<String>,
    so_far: SoFar,
}

async fn stop(tx: &mut Tx, person: PersonId, message: Message, rev: i64, kept: Kept) -> Result<(), NotDone> {
    let (id, attempt) = (message.id, message.attempt);
    match message.state.kind() {
        StateKind::Queued if attempt != kept.attempt => Err(NotDone::LookAgain),
        StateKind::Queued => {
            let now = tx.now();
            if !attempts::cancel(&mut tx.conn(), id, attempt, person, now).await? {
                return Err(NotDone::LookAgain);
            }
            let end = Ending {
                state: StateKind::Stopped,
                by: Some(person),
                why: "",
                body: &kept.body,
                reasoning: &kept.so_far.reasoning,
                facts: &Facts::default(),
            };
            messages::finish(tx, id, attempt, &end, rev).await?;
            reading::note_mentions(&mut tx.conn(), id, &kept.mentioned).await?;
            Ok(touch_quotes(tx, message.room, id).await?)
        }
        StateKind::Streaming => {
            if !attempts::ask_stop(&mut tx.conn(), id, attempt, person).await? {
                return Err(NotDone::Nothing);
            }
            // The run ends it, which is the change that everyone sees; this one has to show in the row all the same, for it has a number.
            messages::touch(&mut tx.conn(), id, rev).await?;
            tx.announce(Announcement::Stop { message: id, attempt });
            Ok(())
        }
        _ => Err(NotDone::Nothing),
    }
}

/// Puts the next attempt at a reply into the queue, under the number `rev`.
async fn again(tx: &mut Tx, person: PersonId, message: &Message, kind: AttemptKind, rev: i64) -> Result<(), NotDone> {
    let assistant = assistant_of(tx, message).await?;
    let attempt = message.attempt + 1;
    let job = NewAttempt { message: message.id, attempt, kind, asked_by: person, assistant, first_seq: rev, at: tx.now() };
    attempts::insert(&mut tx.conn(), &job).await?;
    messages::reopen(tx, message.id, StateKind::Queued, attempt, person, rev).await?;
    touch_quotes(tx, message.room, message.id).await?;
    tx.announce(Announcement::Asked);
    Ok(())
}

/// The assistant that wrote a reply, if it is still in the room to write it again.
async fn assistant_of(tx: &mut Tx, message: &Message) -> Result<AssistantId, ChatError> {
    let AuthorId::Assistant(id) = message.author else { return Err(ChatError::NotFound) };
    let here = assistants::of_room(&mut tx.conn(), message.room).await?;
    match here.iter().any(|assistant| assistant.id == id) {
        true => Ok(id),
        false => Err(ChatError::conflict("assistant_removed", "This assistant is no longer in the room: ask another one.")),
    }
}
