//! Commands typed into the composer: each is something that can be done in another way too, found by what is nearest.
//!
//! What is told to who typed alone comes back as an [`Outcome`], and is put into words where it is shown.

use super::invites::DAYS_DEFAULT;
use super::messages::{Post, Posted};
use super::rooms::{PAGE_MAX, RoomChange, Window};
use super::{Chat, ChatError};
use crate::domain::Invalid;
use crate::domain::assistant::Speaks;
use crate::domain::command::Command;
use crate::domain::id::{MessageId, PersonId, RoomId};
use crate::domain::message::{AuthorId, Message, StateKind};
use crate::domain::name;
use crate::domain::room::{RoomAssistant, RoomDetail};

/// What a command did.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It said something in the room.
    Posted(Posted),
    /// It did something to this message, which everyone sees.
    Done(MessageId),
    /// The room has a new topic, which everyone sees.
    TopicSet,
    /// What the topic is; empty if there is none.
    Topic(String),
    /// The assistants of the room, or the one of that name.
    Models(Vec<RoomAssistant>),
    /// The secret of a new invitation, which is the last part of its link.
    Invited { secret: String, days: i64 },
}

impl Chat {
    /// Does what was typed. `post` is the message, where it becomes one: with another text. `summary` words what `/summarise` asks.
    pub async fn command(
        &self,
        person: PersonId,
        room: RoomId,
        post: Post,
        command: Command,
        summary: impl Fn(&str, u32) -> String,
    ) -> Result<Outcome, ChatError> {
        let (detail, role) = self.room(person, room).await?;
        let say = async |text: String| Ok(Outcome::Posted(self.post(person, room, Post { text, ..post }).await?));
        match command {
            Command::Ask(given) => {
                let (assistant, question) = asked(&detail, &given)?;
                say(format!("@{} {question}", assistant.name)).await
            }
            Command::Summarise(count) => {
                let assistant = detail.assistants.iter().find(|a| a.speaks == Speaks::Always).or(detail.assistants.first());
                let assistant = assistant.ok_or_else(nobody)?;
                say(summary(&assistant.name, count)).await
            }
            Command::Me(what) => say(in_italics(&what)).await,
            Command::Stop(name) => {
                let reply = self.newest(person, &detail, name.as_deref(), |m| m.state.kind().is_open()).await?;
                let reply = reply.ok_or_else(|| nothing("Nothing is being written here that could be stopped."))?;
                self.stop(person, room, reply.id, Some(reply.attempt)).await?;
                Ok(Outcome::Done(reply.id))
            }
            Command::Retry(name) => {
                let reply = self.newest(person, &detail, name.as_deref(), |_| true).await?;
                let reply = reply.ok_or_else(|| nothing("There is no reply here that could be tried again."))?;
                has_ended(&reply)?;
                self.retry(person, room, reply.id, Some(reply.attempt)).await?;
                Ok(Outcome::Done(reply.id))
            }
            Command::Continue(name) => {
                let reply = self
                    .newest(person, &detail, name.as_deref(), |m| {
                        m.state.kind().is_open() || m.state.kind().is_broken_off() && !m.text.is_empty()
                    })
                    .await?;
                let reply = reply.ok_or_else(|| nothing("There is no reply here that broke off and could be continued."))?;
                has_ended(&reply)?;
                self.continue_reply(person, room, reply.id, Some(reply.attempt)).await?;
                Ok(Outcome::Done(reply.id))
            }
            Command::Model(None) => Ok(Outcome::Models(detail.assistants)),
            Command::Model(Some(name)) => Ok(Outcome::Models(vec![of_name(&detail, &name)?.clone()])),
            Command::Invite => {
                let days = DAYS_DEFAULT;
                let (_, secret) = self.add_invite(Some(person), Some(room), 1, days).await?;
                Ok(Outcome::Invited { secret, days })
            }
            Command::Topic(None) => Ok(Outcome::Topic(detail.room.topic)),
            Command::Topic(Some(_)) if !role.may_manage() => Err(ChatError::Forbidden("Only an owner of the room may do that.")),
            Command::Topic(topic) => {
                self.change_room(person, room, RoomChange { topic, ..RoomChange::default() }).await?;
                Ok(Outcome::TopicSet)
            }
        }
    }

    /// The newest reply that is like that, of the assistant of that name if one is given.
    async fn newest(
        &self,
        person: PersonId,
        detail: &RoomDetail,
        name: Option<&str>,
        fits: impl Fn(&Message) -> bool,
    ) -> Result<Option<Message>, ChatError> {
        let by = name.map(|name| of_name(detail, name)).transpose()?.map(|assistant| AuthorId::Assistant(assistant.id));
        let state = self.room_state(person, detail.room.id, Window::Latest, PAGE_MAX).await?;
        let found = state.messages.into_iter().rev().map(|stored| stored.message).find(|message| {
            let gone = message.state.kind() == StateKind::Deleted;
            message.author.is_assistant() && !gone && by.is_none_or(|by| by == message.author) && fits(message)
        });
        Ok(found)
    }
}

/// Whom a question is for, and the question without the name. Where there is but one assistant, nobody needs to be named.
fn asked<'a>(detail: &'a RoomDetail, given: &'a str) -> Result<(&'a RoomAssistant, &'a str), ChatError> {
    let given = given.trim_start_matches(['@', '＠']);
    let named = detail.assistants.iter().filter_map(|assistant| {
        // As many words as the name has, whatever their case.
        let words = assistant.name.split_whitespace().count();
        let end = given.match_indices(char::is_whitespace).nth(words - 1).map_or(given.len(), |(at, _)| at);
        let (first, rest) = given.split_at(end);
        (name::key(first.trim_end_matches([',', ':', '，', '：'])) == name::key(&assistant.name)).then(|| (assistant, rest.trim()))
    });
    let (assistant, question) = match (named.max_by_key(|(assistant, _)| assistant.name.len()), detail.assistants.as_slice()) {
        (Some(found), _) => found,
        (None, [only]) => (only, given),
        (None, []) => return Err(nobody()),
        (None, several) => return Err(which(several)),
    };
    match question.is_empty() {
        true => Err(Invalid::new("bad_command", "Write what to ask: /ask Name question.").into()),
        false => Ok((assistant, question)),
    }
}

fn of_name<'a>(detail: &'a RoomDetail, given: &str) -> Result<&'a RoomAssistant, ChatError> {
    let key = name::key(given.trim_start_matches(['@', '＠']));
    let found = detail.assistants.iter().find(|assistant| name::key(&assistant.name) == key);
    found.ok_or_else(|| if detail.assistants.is_empty() { nobody() } else { which(&detail.assistants) })
}

fn which(assistants: &[RoomAssistant]) -> ChatError {
    let names = assistants.iter().map(|assistant| assistant.name.as_str()).collect::<Vec<_>>().join(", ");
    Invalid::new("which_assistant", format!("Name one of the assistants in this room: {names}.")).into()
}

fn nobody() -> ChatError {
    Invalid::new("no_assistant", "There is no assistant in this room: add one on its settings page.").into()
}

/// Who types it twice means the same reply twice, and not the one before it.
fn has_ended(reply: &Message) -> Result<(), ChatError> {
    match reply.state.kind().is_open() {
        true => Err(ChatError::conflict("being_written", "The newest reply is being written already: wait for it, or stop it first.")),
        false => Ok(()),
    }
}

fn nothing(sentence: &str) -> ChatError {
    ChatError::conflict("nothing", sentence)
}

/// One line in italics, whatever stands in it.
fn in_italics(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("*{}*", line.replace('\\', "\\\\").replace('*', "\\*"))
}
