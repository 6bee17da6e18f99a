//! What people do to a reply: stop it, try it again, continue it. Each names the attempt it means; if that is no longer the newest,
//! somebody was faster, nothing happens, and the present row is the answer.

use super::messages::{body, touch_quotes};
use super::{Chat, ChatError, room_of};
use crate::domain::id::{AssistantId, MessageId, PersonId, RoomId};
use crate::domain::message::{AttemptKind, AuthorId, Facts, Message, Part, StateKind};
use crate::store::attempts::NewAttempt;
use crate::store::messages::Ending;
use crate::store::{Announcement, Patience, Tx, assistants, attempts, messages};

impl Chat {
    /// Stops a reply, whether it waits or is being written. Everyone in the room may.
    pub async fn stop(&self, person: PersonId, room: RoomId, id: MessageId, attempt: Option<i64>) -> Result<(), ChatError> {
        // A waiting attempt that continues another has text already. It is rendered here, for the writer renders nothing; as long as
        // the attempt waits, the text cannot change.
        let so_far = self.message(person, room, id).await?.so_far;
        let kept = body(id, so_far.answer, &[]);
        self.store
            .write(Patience::Refuse, move |tx| {
                Box::pin(async move {
                    let Some(message) = reply(tx, person, room, id, attempt).await? else { return Ok(()) };
                    match message.state.kind() {
                        StateKind::Queued => {
                            let now = tx.now();
                            if !attempts::cancel(&mut tx.conn(), id, message.attempt, person, now).await? {
                                return Ok(());
                            }
                            let end = Ending {
                                state: StateKind::Stopped,
                                by: Some(person),
                                why: "",
                                body: &kept,
                                reasoning: &so_far.reasoning,
                                facts: &Facts::default(),
                            };
                            let rev = tx.advance(room).await?;
                            messages::finish(&mut tx.conn(), id, message.attempt, &end, rev).await?;
                            touch_quotes(tx, room, id).await
                        }
                        StateKind::Streaming => {
                            if attempts::ask_stop(&mut tx.conn(), id, message.attempt, person).await? {
                                tx.announce(Announcement::Stop { message: id, attempt: message.attempt });
                            }
                            Ok(())
                        }
                        _ => Ok(()),
                    }
                })
            })
            .await
    }

    /// Tries a reply again from nothing. What was there stays readable as an earlier attempt.
    pub async fn retry(&self, person: PersonId, room: RoomId, id: MessageId, attempt: Option<i64>) -> Result<(), ChatError> {
        self.throttles.post(person)?;
        self.store
            .write(Patience::Refuse, move |tx| {
                Box::pin(async move {
                    let Some(message) = reply(tx, person, room, id, attempt).await? else { return Ok(()) };
                    if message.state.kind().is_open() {
                        return Ok(());
                    }
                    attempts::keep_text(&mut tx.conn(), id, message.attempt).await?;
                    again(tx, person, &message, AttemptKind::Retry).await
                })
            })
            .await
    }

    /// Goes on where a reply broke off.
    pub async fn continue_reply(&self, person: PersonId, room: RoomId, id: MessageId, attempt: Option<i64>) -> Result<(), ChatError> {
        self.throttles.post(person)?;
        self.store
            .write(Patience::Refuse, move |tx| {
                Box::pin(async move {
                    let Some(message) = reply(tx, person, room, id, attempt).await? else { return Ok(()) };
                    if message.state.kind().is_open() {
                        return Ok(());
                    }
                    if !message.state.kind().is_broken_off() {
                        return Err(ChatError::conflict(
                            "complete",
                            "This reply is complete: there is nothing to continue. Ask on, or try it again.",
                        ));
                    }
                    again(tx, person, &message, AttemptKind::Continue).await?;
                    for (part, text) in [(Part::Reasoning, &message.reasoning), (Part::Answer, &message.text)] {
                        if !text.is_empty() {
                            attempts::seed(&mut tx.conn(), id, message.attempt + 1, part, text).await?;
                        }
                    }
                    Ok(())
                })
            })
            .await
    }
}

/// The reply, if it is (still) at the attempt that is meant.
async fn reply(tx: &mut Tx, person: PersonId, room: RoomId, id: MessageId, attempt: Option<i64>) -> Result<Option<Message>, ChatError> {
    // Of two at once the second sees what the first has done, and a deletion is not undone by a retry.
    tx.hold(room).await?;
    room_of(&mut tx.conn(), room, person).await?;
    let message = messages::find(&mut tx.conn(), room, id).await?.ok_or(ChatError::NotFound)?.message;
    if !message.author.is_assistant() || message.state.kind() == StateKind::Deleted {
        return Err(ChatError::conflict("no_reply", "That is not an assistant's reply, or it was deleted."));
    }
    Ok(attempt.is_none_or(|meant| meant == message.attempt).then_some(message))
}

/// Puts the next attempt at a reply into the queue.
async fn again(tx: &mut Tx, person: PersonId, message: &Message, kind: AttemptKind) -> Result<(), ChatError> {
    let assistant = assistant_of(tx, message).await?;
    let attempt = message.attempt + 1;
    let rev = tx.advance(message.room).await?;
    let job = NewAttempt { message: message.id, attempt, kind, asked_by: person, assistant, first_seq: rev, at: tx.now() };
    attempts::insert(&mut tx.conn(), &job).await?;
    messages::reopen(&mut tx.conn(), message.id, StateKind::Queued, attempt, person, rev).await?;
    touch_quotes(tx, message.room, message.id).await?;
    tx.announce(Announcement::Asked);
    Ok(())
}

async fn assistant_of(tx: &mut Tx, message: &Message) -> Result<AssistantId, ChatError> {
    let AuthorId::Assistant(id) = message.author else { return Err(ChatError::NotFound) };
    match assistants::find(&mut tx.conn(), id).await? {
        Some(assistant) if !assistant.removed => Ok(id),
        _ => Err(ChatError::conflict("assistant_removed", "This assistant was removed: ask another one.")),
    }
}
