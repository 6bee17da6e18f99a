//! The room → a prompt: what an assistant sees when it is asked.
//!
//! The conversation up to the question and nothing after it, also for a later attempt; the newest messages that fit the budget; roles kept,
//! authors named, quotes shown, pictures and files named. Replies that are not finished, and deleted messages, are left out. Turns of the same role in a row are
//! joined, because many models' templates insist that roles alternate. With each prompt comes what is kept of it, made from the same messages.

use super::provider::{Prompt, Role, Turn};
use crate::domain::Millis;
use crate::domain::assistant::{Assistant, Provider};
use crate::domain::id::{MessageId, RoomId};
use crate::domain::message::{AuthorId, Message, utf16_len};
use crate::domain::prompt::{self, Given, JOINT, Parameters, Record, Version, shows_quote, with_files};
use crate::store::{Conn, StoreError, messages};

/// How much of a room fits into a prompt, in estimated tokens; leaves room for the answer in models with 16 k.
const BUDGET_TOKENS: usize = 8_000;
/// The built-in model's context is shared by several rooms.
const BUILTIN_BUDGET_TOKENS: usize = 1_000;
/// A prompt that had to leave something out begins where a run of so many places begins. So its beginning stays the same for several turns,
/// and a server that keeps what it has read need not read it all again each time.
const STEADY: i64 = 16;
/// Messages read at once, and at most: beyond that short messages alone would make a very long search.
const PAGE: usize = 100;
const MOST: usize = 400;
/// An assistant's answer from the built-in model, which loses its way after that.
const BUILTIN_MAX_TOKENS: u32 = 200;

/// A prompt, and what is to be kept of it.
pub struct Built {
    pub prompt: Prompt,
    pub record: Record,
}

/// What the model is asked for one attempt.
pub async fn build(
    conn: &mut Conn<'_>,
    room: RoomId,
    question: Option<MessageId>,
    reply: &Message,
    assistant: &Assistant,
    so_far: &str,
    now: Millis,
) -> Result<Built, StoreError> {
    let builtin = assistant.provider == Provider::Builtin;
    let budget = if builtin { BUILTIN_BUDGET_TOKENS } else { BUDGET_TOKENS };
    // Up to and with the question; where it is gone, up to the reply's own place.
    let until = match question {
        Some(id) => messages::find(conn, room, id).await?.map(|stored| stored.message.seq + 1),
        None => None,
    };
    let mut before = until.unwrap_or(reply.seq);
    let mut seen: Vec<Message> = Vec::new();
    let mut left = budget;
    let mut left_out = false;
    'reading: while seen.len() < MOST {
        let page = messages::page_before(conn, room, before, PAGE).await?;
        let Some(first) = page.first() else { break };
        before = first.message.seq;
        for stored in page.into_iter().rev() {
            let mut message = stored.message;
            message.text = with_files(&message.text, &message.files);
            if message.state.kind().is_open() || message.text.is_empty() {
                continue;
            }
            let cost = cost(&message);
            // The question itself goes in whatever it costs: without it there is nothing to answer.
            if cost > left && !seen.is_empty() {
                left_out = true;
                break 'reading;
            }
            left = left.saturating_sub(cost);
            seen.push(message);
        }
    }
    seen.reverse();
    if left_out {
        let steady = (1..=seen.len() / 2).find(|i| seen[*i].seq / STEADY != seen[i - 1].seq / STEADY);
        seen.drain(..steady.unwrap_or(0));
    }
    // A tiny model that talks with one person does better without names.
    let named = !builtin || several_people(&seen);
    let instructions = instructions(assistant, builtin);
    let record = Record {
        given: given(conn, &seen, named).await?,
        named,
        continued: utf16_len(so_far) as i64,
        // Filled in by whoever asks the model, and knows its name.
        model: String::new(),
        budget: budget as i64,
        estimate: seen.iter().map(|message| cost(message) as i64).sum(),
        parameters: Parameters { max_tokens: builtin.then_some(BUILTIN_MAX_TOKENS), temperature: None },
        at: now,
        instructions: instructions.clone(),
    };
    let mut turns = vec![Turn { role: Role::System, text: instructions }];
    for message in &seen {
        let turn = match message.author == AuthorId::Assistant(assistant.id) {
            true => Turn { role: Role::Assistant, text: message.text.clone() },
            false if !named => Turn { role: Role::User, text: message.text.clone() },
            false => Turn { role: Role::User, text: said(message) },
        };
        match turns.last_mut() {
            Some(last) if last.role == turn.role => {
                last.text.push_str(JOINT);
                last.text.push_str(&turn.text);
            }
            _ => turns.push(turn),
        }
    }
    let prompt = Prompt {
        turns,
        continue_from: (!so_far.is_empty()).then(|| so_far.to_owned()),
        max_tokens: record.parameters.max_tokens,
        temperature: record.parameters.temperature,
    };
    Ok(Built { prompt, record })
}

/// References to what is given: enough to say later which texts these were.
async fn given(conn: &mut Conn<'_>, seen: &[Message], named: bool) -> Result<Vec<Given>, StoreError> {
    let quoted = |message: &Message| message.reply_to.as_ref().filter(|_| named && shows_quote(message)).map(|quote| quote.id);
    let quotes: Vec<MessageId> = seen.iter().filter_map(quoted).collect();
    let versions = messages::versions(conn, &quotes).await?;
    let given = seen.iter().map(|message| Given {
        seq: message.seq,
        version: Version { edited: message.edited, attempt: message.attempt },
        len: if message.attempt > 0 { utf16_len(&message.text) as i64 } else { 0 },
        quote: quoted(message).map(|id| versions.get(&id).copied().unwrap_or_default()),
    });
    Ok(given.collect())
}

fn said(message: &Message) -> String {
    let quote = message.reply_to.as_ref().filter(|_| shows_quote(message));
    prompt::said(&message.author_name, quote.map(|quote| (quote.author.as_str(), quote.excerpt.as_str())), &message.text)
}

fn cost(message: &Message) -> usize {
    tokens(&message.text) + TURN_TOKENS
}

/// What a turn costs besides its text: role marks and the author's name.
const TURN_TOKENS: usize = 8;

/// An estimate that errs on the high side: about 3.5 bytes of ASCII a token, and a token for every other character.
fn tokens(text: &str) -> usize {
    let ascii = text.bytes().filter(u8::is_ascii).count();
    let other = text.chars().filter(|c| !c.is_ascii()).count();
    ascii * 2 / 7 + other + 1
}

fn several_people(messages: &[Message]) -> bool {
    let mut people = messages.iter().filter(|m| !m.author.is_assistant()).map(|m| m.author);
    let first = people.next();
    people.any(|author| Some(author) != first)
        || messages.iter().any(|m| m.author.is_assistant() && messages.iter().any(|o| o.author.is_assistant() && o.author != m.author))
}

fn instructions(assistant: &Assistant, builtin: bool) -> String {
    match assistant.system_prompt.as_str() {
        "" if builtin => "You are a helpful assistant.".to_owned(),
        "" => format!(
            "You are {name}, an assistant in a chat room where people talk with each other and with you. Each of their messages begins with its \
             author's name. Answer the last message, briefly and to the point, in the language in which it was written. Do not begin with your name. \
             You may use Markdown.",
            name = assistant.name
        ),
        own => own.to_owned(),
    }
}
