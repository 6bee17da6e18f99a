//! The main page: a room, its log and its composer.

use askama::Template;

use super::{Chrome, MessageFragment};
use crate::domain::Millis;
use crate::domain::id::MessageId;
use crate::domain::message::Quote;
use crate::domain::room::{COUNT_MOST, RoomDetail};

#[derive(Clone, Debug, Template)]
#[template(path = "room.html")]
pub struct RoomPage<'a> {
    pub chrome: Chrome<'a>,
    pub room: &'a RoomDetail,
    /// In order of `seq`, read in the same snapshot as `room.room.head`, and arranged ([`MessageFragment::arrange`]).
    pub log: Vec<MessageFragment<'a>>,
    /// There are older messages than the first of `log`.
    pub older: bool,
    /// There are newer messages than the last of `log` (the page was opened around a message, or at an older place).
    pub newer: bool,
    /// The message that the page was opened around.
    pub around: Option<MessageId>,
    /// The reader may change the room's settings.
    pub may_manage: bool,
    /// Up to this place the reader had read before this page: what others said after it is new.
    pub read_seq: i64,
    /// What others have said since, if anything.
    pub unread: Option<Unread>,
    pub composer: Composer<'a>,
}

/// What the reader has not read.
#[derive(Clone, Copy, Debug)]
pub struct Unread {
    pub first: MessageId,
    /// Counted to [`COUNT_MOST`].
    pub count: u32,
    /// When the first was said.
    pub since: Millis,
}

impl Unread {
    /// The number in words: what was only counted so far says that there are more.
    fn many(&self) -> String {
        match i64::from(self.count) >= COUNT_MOST {
            true => format!("{}+", COUNT_MOST - 1),
            false => self.count.to_string(),
        }
    }
}

/// The form at the foot of a room.
#[derive(Clone, Debug)]
pub struct Composer<'a> {
    /// The id of the message that this form will post: a UUIDv7 made by the server, new for each page.
    pub id: MessageId,
    /// What was typed, when the form comes back with `error`.
    pub text: &'a str,
    pub reply_to: Option<Quote>,
    pub error: Option<&'a str>,
    /// What a command answers to its writer alone.
    pub notice: Option<&'a str>,
}

/// An emoji that a message's own page offers.
pub const FREQUENT: [&str; 5] = ["👍", "❤️", "😄", "🎉", "👀"];

impl RoomPage<'_> {
    /// The commands with what they do, as they are offered where one is typed.
    fn commands(&self) -> [(&'static str, &'static str); 9] {
        let w = self.chrome.w;
        [
            ("ask", w.command_ask()),
            ("stop", w.command_stop()),
            ("retry", w.command_retry()),
            ("continue", w.command_continue()),
            ("summarise", w.command_summarise()),
            ("model", w.command_model()),
            ("invite", w.command_invite()),
            ("topic", w.command_topic()),
            ("me", w.command_me()),
        ]
    }

    fn first_seq(&self) -> i64 {
        self.log.first().map_or(0, |m| m.message.seq)
    }

    fn my_name(&self) -> &str {
        self.chrome.me.map_or("", |me| me.name)
    }

    /// `Ada, Bob and 3 more`, with the assistants first: they are whom a newcomer wonders about.
    pub(super) fn who(&self) -> String {
        const SHOWN: usize = 3;
        let names: Vec<&str> =
            self.room.assistants.iter().map(|a| a.name.as_str()).chain(self.room.members.iter().map(|m| m.name.as_str())).collect();
        let w = self.chrome.w;
        match names.len() {
            0 => w.nobody_yet().to_owned(),
            n if n <= SHOWN + 1 => names.join(w.list_comma()),
            n => w.and_more(n - SHOWN, names[..SHOWN].join(w.list_comma())),
        }
    }
}
