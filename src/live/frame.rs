//! The frames of a live stream, to the letter (docs/frames.md). Each is encoded once per view, when the first reader of that view
//! needs it, and shared as bytes by all of them.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::Serialize;

use super::markup;
use crate::domain::cursor::{Cursor, Epoch};
use crate::domain::file::File;
use crate::domain::id::{MessageId, RoomId};
use crate::domain::message::{Message, Part, Quote};
use crate::domain::reaction::Reactions;
use crate::domain::room::RoomDetail;
use crate::render::Patch;
use crate::store::messages::Stored;
use crate::words::{Lang, Words};

/// What a stream's reader wants to get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// Markup, for pages, in the reader's language.
    Html(Lang),
    /// Text as it was written, for programs.
    #[default]
    Text,
}

impl View {
    pub const COUNT: usize = 3;

    /// Its place in a table with one entry a view.
    pub fn index(self) -> usize {
        match self {
            Self::Text => 0,
            Self::Html(Lang::En) => 1,
            Self::Html(Lang::Zh) => 2,
        }
    }
}

/// One frame of a room, the same for everyone of one view.
#[derive(Debug)]
pub struct Frame {
    /// For a durable frame, its number and the one before it in this room.
    pub durable: Option<Numbers>,
    source: Source,
    /// One for each view. What holds no words of the interface is encoded once for all languages.
    encoded: [OnceLock<Bytes>; View::COUNT],
}

/// The numbers of a durable frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// The room's number that the hub had published before.
    pub prev: i64,
    pub rev: i64,
}

#[derive(Debug)]
enum Source {
    Message {
        epoch: Epoch,
        stored: Box<Stored>,
    },
    Room {
        detail: Box<RoomDetail>,
    },
    Delta(Delta),
    /// A part as a whole, already encoded.
    Draft {
        html: Bytes,
        text: Bytes,
    },
}

/// A piece of a growing reply, as text and as what it does to the markup.
#[derive(Debug)]
pub struct Delta {
    pub at: Growth,
    pub off: usize,
    pub text: String,
    pub patch: Patch,
}

/// Which text grows, and how long it is now in UTF-16 units.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Growth {
    pub room: RoomId,
    pub id: MessageId,
    pub attempt: i64,
    pub part: Part,
    pub len: usize,
}

impl Frame {
    pub fn message(epoch: Epoch, stored: Stored, prev: i64) -> Self {
        let rev = stored.message.rev;
        Self::new(Some(Numbers { prev, rev }), Source::Message { epoch, stored: Box::new(stored) })
    }

    pub fn room(detail: RoomDetail, prev: i64) -> Self {
        let rev = detail.room.rev;
        Self::new(Some(Numbers { prev, rev }), Source::Room { detail: Box::new(detail) })
    }

    pub fn delta(delta: Delta) -> Self {
        Self::new(None, Source::Delta(delta))
    }

    pub fn draft(html: Bytes, text: Bytes) -> Self {
        Self::new(None, Source::Draft { html, text })
    }

    fn new(durable: Option<Numbers>, source: Source) -> Self {
        Self { durable, source, encoded: Default::default() }
    }

    /// The frame as it goes over the wire.
    pub fn bytes(&self, view: View) -> Bytes {
        let shared = match (view, &self.source) {
            (View::Html(_), Source::Room { .. } | Source::Delta(_) | Source::Draft { .. }) => View::Html(Lang::default()),
            (view, _) => view,
        };
        self.encoded[shared.index()].get_or_init(|| self.encode(shared)).clone()
    }

    /// The message whose row this is, if it is a message's.
    pub fn message_id(&self) -> Option<MessageId> {
        match &self.source {
            Source::Message { stored, .. } => Some(stored.message.id),
            _ => None,
        }
    }

    /// About how much memory it holds on to, in bytes, for the ring's limit.
    pub fn weight(&self) -> usize {
        const FIXED: usize = 512;
        FIXED
            + match &self.source {
                // Its markup stands in the row and in the encoded frame.
                Source::Message { stored, .. } => {
                    3 * (stored.message.text.len() + stored.message.html.len() + stored.message.reasoning.len())
                }
                Source::Room { detail } => 64 * (detail.members.len() + detail.assistants.len()),
                Source::Delta(delta) => 2 * delta.text.len() + 2 * delta.patch.html.iter().map(String::len).sum::<usize>(),
                Source::Draft { html, text } => html.len() + text.len(),
            }
    }

    fn encode(&self, view: View) -> Bytes {
        match &self.source {
            Source::Message { epoch, stored } => {
                let cursor = Cursor { room: stored.message.room, epoch: *epoch, seq: stored.message.rev };
                event("message", Some(cursor), &message(stored, view))
            }
            Source::Room { detail } => {
                let cursor = Cursor { room: detail.room.id, epoch: detail.room.epoch, seq: detail.room.rev };
                event("room", Some(cursor), &room(detail))
            }
            Source::Delta(delta) => match view {
                View::Html(_) => event(
                    "delta",
                    None,
                    &HtmlDelta { at: delta.at, off: delta.off, block: delta.patch.block, keep: delta.patch.keep, html: &delta.patch.html },
                ),
                View::Text => event("delta", None, &TextDelta { at: delta.at, off: delta.off, text: &delta.text }),
            },
            Source::Draft { html, text } => match view {
                View::Html(_) => html.clone(),
                View::Text => text.clone(),
            },
        }
    }
}

#[derive(Serialize)]
struct HtmlDelta<'a> {
    #[serde(flatten)]
    at: Growth,
    off: usize,
    block: usize,
    keep: usize,
    html: &'a [String],
}

#[derive(Serialize)]
struct TextDelta<'a> {
    #[serde(flatten)]
    at: Growth,
    off: usize,
    text: &'a str,
}

/// The whole of a part so far, as a frame for each view.
pub fn draft(at: Growth, text: &str, blocks: &[String]) -> (Bytes, Bytes) {
    #[derive(Serialize)]
    struct Html<'a> {
        #[serde(flatten)]
        at: Growth,
        blocks: &'a [String],
    }
    #[derive(Serialize)]
    struct Text<'a> {
        #[serde(flatten)]
        at: Growth,
        text: &'a str,
    }
    (event("draft", None, &Html { at, blocks }), event("draft", None, &Text { at, text }))
}

/// A message as its frame and the API give it.
#[derive(Serialize)]
pub struct MessageJson<'a> {
    room: RoomId,
    id: MessageId,
    seq: i64,
    rev: i64,
    author: Author<'a>,
    kind: &'static str,
    state: &'static str,
    attempt: i64,
    at: i64,
    edited: Option<i64>,
    reply_to: Option<&'a Quote>,
    asked_by: Option<&'a crate::domain::message::Named>,
    by: Option<&'a crate::domain::message::Named>,
    why: Option<&'a str>,
    reactions: &'a Reactions,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<FileJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    facts: Option<&'a crate::domain::message::Facts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    reasoning: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    html: Option<String>,
}

/// A file as an upload's answer, a message's frame and the API give it.
#[derive(Serialize)]
pub struct FileJson<'a> {
    #[serde(flatten)]
    file: &'a File,
    kind: &'static str,
    url: String,
}

/// The JSON of a file.
pub fn file(file: &File, room: RoomId) -> FileJson<'_> {
    FileJson { file, kind: file.kind(), url: file.url(room) }
}

#[derive(Serialize)]
struct Author<'a> {
    id: String,
    name: &'a str,
}

/// The JSON of a message in a view.
pub fn message(stored: &Stored, view: View) -> MessageJson<'_> {
    let Message { state, reactions, .. } = &stored.message;
    let message = &stored.message;
    MessageJson {
        room: message.room,
        id: message.id,
        seq: message.seq,
        rev: message.rev,
        author: Author { id: message.author.to_string(), name: &message.author_name },
        kind: message.author.kind(),
        state: state.kind().as_str(),
        attempt: message.attempt,
        at: message.at,
        edited: message.edited,
        reply_to: message.reply_to.as_ref(),
        asked_by: message.asked_by.as_ref(),
        by: state.by(),
        why: state.why(),
        reactions,
        files: message.files.iter().map(|one| file(one, message.room)).collect(),
        facts: message.facts.as_ref(),
        text: (view == View::Text).then_some(message.text.as_str()),
        reasoning: if view == View::Text { &message.reasoning } else { "" },
        html: match view {
            View::Html(lang) => Some(markup::message_markup(message, stored.renderer, Words(lang))),
            View::Text => None,
        },
    }
}

/// A room as its frame and the API give it.
#[derive(Serialize)]
pub struct RoomJson<'a> {
    room: RoomId,
    rev: i64,
    name: &'a str,
    topic: &'a str,
    kind: crate::domain::room::RoomKind,
    private: bool,
    members: Vec<MemberJson<'a>>,
    assistants: Vec<AssistantJson<'a>>,
}

#[derive(Serialize)]
pub struct MemberJson<'a> {
    id: crate::domain::id::PersonId,
    name: &'a str,
    role: crate::domain::room::Role,
}

#[derive(Serialize)]
pub struct AssistantJson<'a> {
    id: crate::domain::id::AssistantId,
    name: &'a str,
    provider: &'static str,
    model: &'a str,
    speaks: &'static str,
}

/// The JSON of a room.
pub fn room(detail: &RoomDetail) -> RoomJson<'_> {
    RoomJson {
        room: detail.room.id,
        rev: detail.room.rev,
        name: &detail.room.name,
        topic: &detail.room.topic,
        kind: detail.room.kind,
        private: detail.room.private,
        members: detail.members.iter().map(|m| MemberJson { id: m.id, name: &m.name, role: m.role }).collect(),
        assistants: detail
            .assistants
            .iter()
            .map(|a| AssistantJson { id: a.id, name: &a.name, provider: a.provider.as_str(), model: &a.model, speaks: a.speaks.as_str() })
            .collect(),
    }
}

/// All up to the cursor has been sent.
pub fn caught_up(cursor: Cursor) -> Bytes {
    #[derive(Serialize)]
    struct Data {
        room: RoomId,
        seq: i64,
    }
    event("caught-up", Some(cursor), &Data { room: cursor.room, seq: cursor.seq })
}

/// Why a reader must load the room anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResetWhy {
    BadCursor,
    OtherEpoch,
    Ahead,
    TooFar,
}

/// `head` is where the stream goes on from.
pub fn reset(head: Cursor, why: ResetWhy) -> Bytes {
    #[derive(Serialize)]
    struct Data {
        room: RoomId,
        why: ResetWhy,
    }
    event("reset", Some(head), &Data { room: head.room, why })
}

/// Why a whole stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ByeWhy {
    /// This room only: the reader is no longer a member.
    Revoked,
    SignedOut,
    Expired,
    Slow,
    /// Nothing is wrong: reopen at once.
    Renew,
    Shutdown,
}

/// With a room, that room ends and the others go on; without, the stream does.
pub fn bye(why: ByeWhy, room: Option<RoomId>) -> Bytes {
    #[derive(Serialize)]
    struct Data {
        why: ByeWhy,
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<RoomId>,
    }
    event("bye", None, &Data { why, room })
}

pub fn heartbeat() -> Bytes {
    Bytes::from_static(b"event: heartbeat\ndata: {}\n\n")
}

/// How long a reader waits before it reconnects by itself, in ms.
pub fn retry(ms: u64) -> Bytes {
    Bytes::from(format!("retry: {ms}\n\n"))
}

/// Names are constants, the id is a cursor, and JSON has no line breaks outside of escapes: no text of people or models can end a line.
pub(super) fn event(name: &'static str, id: Option<Cursor>, data: &impl Serialize) -> Bytes {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    if let Some(cursor) = id {
        out.extend_from_slice(b"\nid: ");
        out.extend_from_slice(cursor.to_string().as_bytes());
    }
    out.extend_from_slice(b"\ndata: ");
    serde_json::to_writer(&mut out, data).expect("plain structs of strings and numbers serialise");
    out.extend_from_slice(b"\n\n");
    Bytes::from(out)
}

/// What a ring holds.
pub type SharedFrame = Arc<Frame>;
