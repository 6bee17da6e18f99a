//! What an assistant saw: the prompt of an attempt, put together again from what is kept of it and today's rows.
//!
//! A person's text that was edited since is gone; today's is shown, and said to be today's. A reply's is never gone: an attempt's text stays
//! readable, and one that was continued still begins with what it was.

use super::{Chat, ChatError, room_of};
use crate::domain::id::{MessageId, PersonId, RoomId};
use crate::domain::message::{AttemptKind, AuthorId, Message, StateKind};
use crate::domain::prompt::{self, Given, LEFT_OUT_MOST, Piece, Quoted, Record, Saw, Shown, Text, Version};
use crate::store::attempts::Attempt;
use crate::store::{Conn, StoreError, attempts, messages, prompts};

impl Chat {
    /// For everyone in the room. `attempt`: the newest, if none is named.
    pub async fn saw(&self, person: PersonId, room: RoomId, id: MessageId, attempt: Option<i64>) -> Result<Saw, ChatError> {
        let mut snapshot = self.store.snapshot().await?;
        let conn = &mut snapshot.conn();
        room_of(conn, room, person).await?;
        let reply = messages::find(conn, room, id).await?.ok_or(ChatError::NotFound)?.message;
        let all = attempts::list(conn, id).await?;
        let wanted = attempt.unwrap_or(reply.attempt);
        // Who posted a message has given nothing to anybody: only replies have attempts.
        let one = all.iter().find(|one| one.attempt == wanted).ok_or(ChatError::NotFound)?;
        let prompt = match prompts::find(conn, id, wanted).await? {
            Some(record) => Some(shown(conn, room, &reply, &all, wanted, record).await?),
            None => None,
        };
        Ok(Saw {
            attempt: wanted,
            attempts: all.iter().map(|one| one.attempt).collect(),
            asked_by: one.asked_by_name.clone(),
            // The newest attempt's facts are its message's as well; both say the same.
            counted: one.facts.as_ref().and_then(|facts| facts.prompt_tokens),
            prompt,
            reply,
        })
    }
}

async fn shown(
    conn: &mut Conn<'_>,
    room: RoomId,
    reply: &Message,
    all: &[Attempt],
    attempt: i64,
    record: Record,
) -> Result<Shown, StoreError> {
    let places: Vec<i64> = record.given.iter().map(|given| given.seq).collect();
    let found = messages::at_places(conn, room, &places).await?;
    let quoted: Vec<MessageId> = found.iter().filter_map(|stored| stored.message.reply_to.as_ref()).map(|quote| quote.id).collect();
    let versions = messages::versions(conn, &quoted).await?;
    let mut pieces = Vec::with_capacity(found.len());
    let mut readable = 0;
    for stored in found {
        let message = stored.message;
        let Some(given) = record.given.iter().find(|given| given.seq == message.seq) else { continue };
        if message.state.kind() != StateKind::Deleted && !message.state.kind().is_open() {
            readable += 1;
        }
        let text = text_of(conn, &message, given).await?;
        let quote = given.quote.map(|then| quoted_then(&message, then, &versions));
        pieces.push(Piece { own: message.author == reply.author, message, text, quote });
    }
    let (left_out, unfinished) = match (places.first(), places.last()) {
        (Some(first), Some(last)) => {
            let between = messages::count_between(conn, room, *first, last + 1, LEFT_OUT_MOST).await?;
            (messages::count_between(conn, room, 0, *first, LEFT_OUT_MOST).await?, between.saturating_sub(readable))
        }
        _ => (0, 0),
    };
    let continued = match record.continued {
        0 => None,
        len => text_of_attempt(conn, reply, all, attempt, len).await?,
    };
    Ok(Shown { record, pieces, left_out, unfinished, continued })
}

/// A message's text as it was given, as far as it is still there.
async fn text_of(conn: &mut Conn<'_>, message: &Message, given: &Given) -> Result<Text, StoreError> {
    let with_files = |text: &str| prompt::with_files(text, &message.files);
    match (message.state.kind(), message.author) {
        (StateKind::Deleted, _) => Ok(Text::Deleted),
        (_, AuthorId::Person(_)) if message.edited == given.version.edited => Ok(Text::Exact(with_files(&message.text))),
        (_, AuthorId::Person(_)) => Ok(Text::Today(with_files(&message.text))),
        (state, AuthorId::Assistant(_)) => {
            // Most replies are what they were: their row has the text.
            if message.attempt == given.version.attempt && !state.is_open() {
                return Ok(Text::Exact(message.text.clone()));
            }
            let all = attempts::list(conn, message.id).await?;
            let then = text_of_attempt(conn, message, &all, given.version.attempt, given.len).await?;
            Ok(then.map_or_else(|| Text::Today(message.text.clone()), Text::Exact))
        }
    }
}

/// The first `len` UTF-16 units that an attempt of a reply wrote or began with. An attempt that was continued gave its text to the next.
async fn text_of_attempt(
    conn: &mut Conn<'_>,
    reply: &Message,
    all: &[Attempt],
    attempt: i64,
    len: i64,
) -> Result<Option<String>, StoreError> {
    let mut holds = attempt;
    while all.iter().any(|later| later.attempt == holds + 1 && later.kind == AttemptKind::Continue) {
        holds += 1;
    }
    let text = match all.iter().find(|one| one.attempt == holds) {
        _ if holds == reply.attempt && reply.state.kind().is_open() => attempts::so_far(conn, reply.id, holds).await?.answer,
        _ if holds == reply.attempt => reply.text.clone(),
        Some(one) => one.text.clone(),
        None => return Ok(None),
    };
    Ok(prompt::beginning(&text, len).map(str::to_owned))
}

fn quoted_then(message: &Message, then: Version, versions: &std::collections::HashMap<MessageId, Version>) -> Quoted {
    let Some(quote) = &message.reply_to else { return Quoted { author: String::new(), text: Text::Deleted } };
    let text = match versions.get(&quote.id) {
        _ if quote.deleted => Text::Deleted,
        Some(now) if *now == then => Text::Exact(quote.excerpt.clone()),
        _ => Text::Today(quote.excerpt.clone()),
    };
    Quoted { author: quote.author.clone(), text }
}
