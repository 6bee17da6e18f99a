//! A reply while it grows, as the hub knows it: what is stored of its two parts, rendered.

use bytes::Bytes;

use super::frame::{self, Delta, Growth, View};
use crate::domain::id::{MessageId, RoomId};
use crate::domain::message::Part;
use crate::render::{Context, Growing, Room};
use crate::store::ChunkDelta;
use crate::store::attempts::SoFar;

/// The drafts of one attempt.
#[derive(Debug)]
pub struct Draft {
    room: RoomId,
    id: MessageId,
    pub attempt: i64,
    reasoning: Growing,
    answer: Growing,
    /// Encoded for late joiners; forgotten when more comes.
    encoded: Vec<(Bytes, Bytes)>,
}

/// What a delta did to a draft.
#[derive(Debug)]
pub enum Grown {
    /// It fits: this goes out.
    By(Box<Delta>),
    /// It was known already.
    Known,
    /// Something before it is missing: read the stored text again.
    Gap,
}

impl Draft {
    /// From what is stored.
    pub fn new(room: RoomId, id: MessageId, attempt: i64, so_far: &SoFar, known: &Known) -> Self {
        let part = |part: Part| grown(id, part, so_far, known);
        Self { room, id, attempt, reasoning: part(Part::Reasoning), answer: part(Part::Answer), encoded: Vec::new() }
    }

    pub fn grow(&mut self, chunk: &ChunkDelta) -> Grown {
        let off = chunk.off.max(0) as usize;
        let part = match chunk.part {
            Part::Answer => &mut self.answer,
            Part::Reasoning => &mut self.reasoning,
        };
        let known = part.len_utf16();
        if off < known {
            return Grown::Known;
        }
        if off > known {
            return Grown::Gap;
        }
        let patch = part.push(&chunk.text);
        let at = Growth { room: self.room, id: self.id, attempt: self.attempt, part: chunk.part, len: part.len_utf16() };
        self.encoded.clear();
        Grown::By(Box::new(Delta { at, off, text: chunk.text.clone(), patch }))
    }

    /// Frames with the whole of each part that has any text: for both views, reasoning first.
    pub fn frames(&mut self) -> &[(Bytes, Bytes)] {
        if self.encoded.is_empty() {
            for (part, growing) in [(Part::Reasoning, &self.reasoning), (Part::Answer, &self.answer)] {
                if growing.len_utf16() > 0 {
                    let at = Growth { room: self.room, id: self.id, attempt: self.attempt, part, len: growing.len_utf16() };
                    self.encoded.push(frame::draft(at, growing.text(), growing.blocks()));
                }
            }
        }
        &self.encoded
    }

    pub fn frames_for(&mut self, view: View) -> Vec<Bytes> {
        self.frames().iter().map(|(html, text)| if view == View::Text { text.clone() } else { html.clone() }).collect()
    }
}

/// What the texts of replies in a room can refer to.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Names that can be mentioned.
    pub names: Vec<String>,
    /// Rooms that can be linked to.
    pub rooms: Vec<Room>,
}

impl Known {
    /// Takes what the store says of rooms.
    pub fn set_rooms(&mut self, rooms: Vec<(RoomId, String)>) {
        self.rooms = rooms.into_iter().map(|(id, name)| Room { name, id: id.to_string() }).collect();
    }
}

/// A text of a reply as it is while it grows. What was thought aloud refers to nobody, as in the finished message.
pub fn grown(id: MessageId, part: Part, so_far: &SoFar, known: &Known) -> Growing {
    let scope = scope(id, part);
    let cx = match part {
        Part::Answer => Context { scope: &scope, names: &known.names, rooms: &known.rooms },
        Part::Reasoning => Context { scope: &scope, names: &[], rooms: &[] },
    };
    Growing::from(so_far.part(part), &cx)
}

/// Ids in the markup of a message's two texts must not meet.
pub fn scope(id: MessageId, part: Part) -> String {
    match part {
        Part::Answer => id.to_string(),
        Part::Reasoning => format!("{id}-r"),
    }
}
