//! One message on a page of its own: everything that can be done with it also without script, and its earlier attempts.

use askama::Template;

use super::{Chrome, MessageFragment, message::facts_line, when};
use crate::domain::{
    message::{AttemptKind, Facts, State, StateKind},
    room::Room,
};
use crate::words::Words;

#[derive(Clone, Debug, Template)]
#[template(path = "message.html")]
pub struct MessagePage<'a> {
    pub chrome: Chrome<'a>,
    pub room: &'a Room,
    pub message: MessageFragment<'a>,
    /// The reader wrote it: may edit and delete it.
    pub mine: bool,
    /// What the edit form holds: the source as it is, or as it was typed when it came back with `error`.
    pub text: &'a str,
    pub error: Option<&'a str>,
    /// Attempts of a reply before the one that is shown, the newest first.
    pub attempts: &'a [AttemptView<'a>],
}

/// An earlier attempt of a reply.
#[derive(Clone, Debug)]
pub struct AttemptView<'a> {
    pub attempt: i64,
    pub kind: AttemptKind,
    pub state: State,
    /// Its text as safe markup.
    pub html: &'a str,
    pub reasoning_html: &'a str,
    pub facts: Option<Facts>,
}

impl MessagePage<'_> {
    fn may_edit(&self) -> bool {
        self.mine && self.message.message.state.kind() == StateKind::Complete
    }

    fn may_delete(&self) -> bool {
        self.mine && self.message.message.state.kind() != StateKind::Deleted
    }
}

impl AttemptView<'_> {
    /// How it ended, in a word or a sentence.
    fn ending(&self, w: &Words) -> String {
        match &self.state {
            State::Complete => w.ended_finished().to_owned(),
            State::Queued | State::Streaming => w.ended_open().to_owned(),
            State::Stopped { by: Some(by) } => w.ended_stopped_by(&by.name),
            State::Stopped { by: None } => w.ended_stopped().to_owned(),
            State::Interrupted { why } => w.ended_interrupted(w.sentence(why)),
            State::Failed { why } => w.ended_failed(w.sentence(why)),
            State::Deleted => w.ended_deleted().to_owned(),
        }
    }

    fn facts_line(&self, w: &Words) -> Vec<String> {
        self.facts.as_ref().map(|facts| facts_line(facts, *w)).unwrap_or_default()
    }
}
