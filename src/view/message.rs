//! One message as markup: the fragment that the room's page, the live stream and the API's `view=html` share.
//!
//! It is the same for every viewer. Its root carries what the script needs to know (`data-seq`, `data-rev`,
//! `data-state`, `data-attempt`, `data-author`); its `.body` and `.thought` hold the blocks of the two texts and nothing
//! else, not even white space, because the script replaces them block by block and the style asks whether they are empty.

use askama::Template;

use super::{avatar, when};
use crate::domain::message::{Facts, Message, State};
use crate::words::Words;

/// Messages of one author within this time stand under one name, in ms.
pub const GROUP_MS: i64 = 5 * 60 * 1000;

/// A message with its texts rendered.
#[derive(Clone, Debug, Template)]
#[template(path = "_message.html")]
pub struct MessageFragment<'a> {
    pub w: Words,
    pub message: &'a Message,
    /// The answer as safe markup. In a frame empty while the reply is open; a page may show what is stored so far.
    pub body: &'a str,
    /// What was thought aloud, as safe markup; empty for most.
    pub reasoning_html: &'a str,
    /// How it stands to the message before it; the default in a frame, where nothing is known of that.
    pub place: Place,
}

/// Where a message stands in a page.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// It goes on under the name of the message before. Replies never do: each stands for itself, with its own state.
    pub follows: bool,
    /// It replies to the message right before it: there is no need to quote that.
    pub answers: bool,
    /// The day that begins with it.
    pub day: Option<String>,
}

impl<'a> MessageFragment<'a> {
    /// As frames and the API show it.
    pub fn new(w: Words, message: &'a Message, body: &'a str, reasoning_html: &'a str) -> Self {
        Self { w, message, body, reasoning_html, place: Place::default() }
    }

    /// Puts a page's messages in their places: groups and day lines.
    pub fn arrange(log: &mut [Self]) {
        let mut before: Option<&Message> = None;
        for fragment in log {
            let message = fragment.message;
            let new_day = before.is_none_or(|b| when::day_number(b.at) != when::day_number(message.at));
            fragment.place = Place {
                follows: !new_day
                    && message.attempt == 0
                    && message.reply_to.is_none()
                    && before.is_some_and(|b| b.author == message.author && message.at - b.at < GROUP_MS),
                answers: before.is_some_and(|b| message.reply_to.as_ref().is_some_and(|quote| quote.id == b.id)),
                day: new_day.then(|| when::day(&message.at, &fragment.w)),
            };
            before = Some(message);
        }
    }

    fn hue(&self) -> String {
        avatar::hue(self.message.author)
    }

    fn initials(&self) -> String {
        avatar::initials(&self.message.author_name)
    }

    /// Where what is done to this message is sent.
    pub(super) fn path(&self) -> String {
        format!("/rooms/{}/messages/{}", self.message.room, self.message.id)
    }

    /// The small line under a reply: model, tokens, time, speed. Each only where it is known.
    fn facts_line(&self) -> Vec<String> {
        match &self.message.facts {
            Some(facts) => facts_line(facts, self.w),
            None => Vec::new(),
        }
    }

    /// A reply that can be tried again: one that has ended.
    pub(super) fn may_retry(&self) -> bool {
        self.message.attempt > 0 && !matches!(self.message.state, State::Queued | State::Streaming | State::Deleted)
    }
}

/// `SmolLM2 · 128 tokens · 4.2 s · 31 tokens/s`.
pub fn facts_line(facts: &Facts, w: Words) -> Vec<String> {
    let mut line = Vec::new();
    if !facts.model.is_empty() {
        line.push(facts.model.clone());
    }
    if let Some(tokens) = facts.completion_tokens {
        line.push(w.tokens_written(tokens));
    }
    // How long it took says something only beside how much came of it.
    if let (Some(_), Some(total)) = (facts.completion_tokens, facts.total_ms) {
        line.push(when::duration(total, &w));
    }
    // Speed from the first text on: waiting for the prompt to be read says nothing of how fast it writes.
    if let (Some(tokens), Some(total)) = (facts.completion_tokens, facts.total_ms) {
        let writing = total - facts.first_text_ms.unwrap_or(0);
        if tokens > 1 && writing > 0 {
            line.push(w.tokens_a_second(tokens.saturating_mul(1000) / writing));
        }
    }
    line
}
