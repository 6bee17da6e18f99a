//! One message as markup: the fragment that the room's page, the live stream and the API's `view=html` share.
//!
//! It is the same for every viewer. Its root carries what the script needs to know (`data-seq`, `data-rev`,
//! `data-state`, `data-attempt`, `data-author`); its `.body` and `.thought` hold the blocks of the two texts and nothing
//! else, not even white space, because the script replaces them block by block and the style asks whether they are empty.

use askama::Template;

use super::files::{self, Picture};
use super::{avatar, when};
use crate::domain::file::File;
use crate::domain::id::PersonId;
use crate::domain::message::{AuthorId, Facts, Message, Named, State};
use crate::words::Words;

/// Messages of one author within this time stand under one name, in ms.
pub const GROUP_MS: i64 = 5 * 60 * 1000;

/// A person's message that is longer than this folds.
const LONG_CHARS: usize = 4000;
const LONG_LINES: usize = 40;

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
    /// What the reader has not read begins with it.
    pub new: bool,
}

/// Where what is new to a reader begins.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    pub reader: PersonId,
    /// The reader has read up to this place.
    pub after: i64,
    /// The page begins with the room: else a first message that is new need not be the first that is.
    pub from_start: bool,
}

impl<'a> MessageFragment<'a> {
    /// As frames and the API show it.
    pub fn new(w: Words, message: &'a Message, body: &'a str, reasoning_html: &'a str) -> Self {
        Self { w, message, body, reasoning_html, place: Place::default() }
    }

    /// Puts a page's messages in their places: groups, day lines, and the line before what is new. The page's script does the same
    /// (`arrange.js`), with days as the reader's clock has them.
    pub fn arrange(log: &mut [Self], line: Option<Line>) {
        let mut before: Option<&Message> = None;
        let mut line = line.filter(|line| line.from_start || log.first().is_some_and(|first| first.message.seq <= line.after));
        for fragment in log {
            let message = fragment.message;
            let new_day = before.is_none_or(|b| when::day_number(b.at) != when::day_number(message.at));
            let new = line.is_some_and(|line| message.seq > line.after && message.author != AuthorId::Person(line.reader));
            if new {
                line = None;
            }
            fragment.place = Place {
                follows: !new_day
                    && !new
                    && message.attempt == 0
                    && message.reply_to.is_none()
                    && before.is_some_and(|b| b.author == message.author && message.at - b.at < GROUP_MS),
                answers: before.is_some_and(|b| message.reply_to.as_ref().is_some_and(|quote| quote.id == b.id)),
                day: new_day.then(|| when::day(&message.at, &fragment.w)),
                new,
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

    /// Who chose a reaction.
    fn names(&self, people: &[Named]) -> String {
        people.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(self.w.list_comma())
    }

    /// The pictures that it carries.
    fn pictures(&self) -> Vec<Picture<'_>> {
        files::pictures(&self.message.files, self.message.room)
    }

    fn url_of(&self, file: &File) -> String {
        file.url(self.message.room)
    }

    /// Its other files.
    fn attachments(&self) -> impl Iterator<Item = &File> {
        self.message.files.iter().filter(|file| !file.is_picture())
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

    /// A person's message that is so long that it is shown in part. Replies are not: they are what was asked for, and they grow.
    fn is_long(&self) -> bool {
        let text = &self.message.text;
        !self.message.author.is_assistant() && (text.chars().nth(LONG_CHARS).is_some() || text.lines().nth(LONG_LINES).is_some())
    }

    /// A reply of which it can be asked what it saw.
    fn has_seen(&self) -> bool {
        self.message.attempt > 0 && !matches!(self.message.state, State::Queued | State::Deleted)
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
