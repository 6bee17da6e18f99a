//! The latest frames of a room, in order, as all its streams read them: by position, many at a time, each change once.
//!
//! Durable frames lie in order of their numbers, each naming the one before; the row that begins an attempt before its first delta. A
//! position is never used twice. Nothing here waits or knows who reads.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::draft::{Draft, Grown, Known};
use super::frame::{self, Frame, Numbers, SharedFrame, View};
use crate::domain::cursor::{Cursor, Epoch};
use crate::domain::id::MessageId;
use crate::domain::message::StateKind;
use crate::domain::room::RoomDetail;
use crate::store::messages::Stored;
use crate::store::{ChunkDelta, attempts};

/// The ring's limits: whichever is met first. A stream that is further behind reads rows instead.
const RING_FRAMES: usize = 1024;
const RING_BYTES: usize = 1024 * 1024;
/// Bytes of the ring handed out at once: what a reader that stops can hold on to.
const PIECE: usize = 128 * 1024;

/// The latest frames of a room, its growing replies, and what was handed out last.
pub(super) struct Ring {
    frames: VecDeque<SharedFrame>,
    /// Position of the oldest frame; the next one to come gets `first + frames.len()`.
    first: u64,
    weight: usize,
    pub epoch: Epoch,
    /// Everything up to this number has been put in.
    pub published: i64,
    /// From this number on, every change is in one of the frames that are still there.
    pub reaches_back: i64,
    /// Number of the room's own row that was put in last.
    pub room_rev: i64,
    /// What growing replies can refer to.
    pub known: Known,
    pub drafts: HashMap<MessageId, Draft>,
    /// The stretch that was handed out last, for each view.
    spans: [Option<Span>; View::COUNT],
    /// What was answered last to who came back, for each view.
    answered: [Option<Answered>; View::COUNT],
}

/// What the ring has for a stream at a position.
#[derive(Debug)]
pub enum Waiting {
    Nothing,
    /// Frames as one piece, the position after them, and the last number that has then been sent.
    Piece {
        bytes: Bytes,
        next: u64,
        sent: i64,
    },
    /// A change between what was sent and the next frame is missing.
    Gap,
    /// It is too far behind.
    FellOut,
}

/// What a reader that comes back gets without a look at the database.
#[derive(Clone, Debug)]
pub struct Return {
    pub bytes: Bytes,
    pub position: u64,
    pub sent: i64,
}

/// A stretch of the ring as one piece of bytes, kept because most streams stand at the same place and want the same.
#[derive(Debug)]
pub(super) struct Span {
    from: u64,
    next: u64,
    bytes: Bytes,
    /// The numbers of its first durable frame, and the last number in it.
    durable: Option<(Numbers, i64)>,
    /// More did not fit.
    full: bool,
}

/// The answer to everyone who comes back from the same cursor: after a lost network that is nearly everybody.
#[derive(Debug)]
struct Answered {
    after: i64,
    whole: Return,
}

/// What a look into the ring gives.
pub(super) enum Look {
    Answer(Waiting),
    /// To be made into a piece by [`piece`], outside of the ring's lock.
    Frames(Vec<SharedFrame>),
}

impl Default for Ring {
    /// Empty, on no state of the database yet.
    fn default() -> Self {
        Self {
            frames: VecDeque::new(),
            first: 0,
            weight: 0,
            epoch: Epoch(0),
            published: 0,
            reaches_back: 0,
            room_rev: 0,
            known: Known::default(),
            drafts: HashMap::new(),
            spans: Default::default(),
            answered: Default::default(),
        }
    }
}

impl Ring {
    pub fn next(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    /// The newest durable frame of each message and of the room that came after this number, in order.
    fn newest_after(&self, seq: i64) -> Vec<SharedFrame> {
        let mut seen = HashSet::new();
        let durable = self.frames.iter().rev().filter(|frame| frame.durable.is_some());
        let mut newest: Vec<SharedFrame> = durable
            .take_while(|frame| frame.durable.is_some_and(|numbers| numbers.rev > seq))
            .filter(|frame| seen.insert(frame.message_id()))
            .cloned()
            .collect();
        newest.reverse();
        newest
    }

    fn put(&mut self, frame: Frame) {
        self.weight += frame.weight();
        self.frames.push_back(Arc::new(frame));
        // At least the newest stays, however big it is.
        while self.frames.len() > 1 && (self.frames.len() > RING_FRAMES || self.weight > RING_BYTES) {
            if let Some(old) = self.frames.pop_front() {
                self.weight -= old.weight();
                self.first += 1;
                self.reaches_back = old.durable.map_or(self.reaches_back, |numbers| numbers.rev);
            }
        }
    }

    pub fn put_room(&mut self, detail: RoomDetail) {
        let rev = detail.room.rev;
        self.known.names = detail.names();
        self.room_rev = rev;
        let prev = self.published;
        self.put(Frame::room(detail, prev));
        self.published = rev;
    }

    pub fn put_message(&mut self, stored: Stored, begun: &mut Vec<(MessageId, i64, attempts::SoFar)>) {
        let (room, id, attempt, state) = (stored.message.room, stored.message.id, stored.message.attempt, stored.message.state.kind());
        let rev = stored.message.rev;
        let prev = self.published;
        self.put(Frame::message(self.epoch, stored, prev));
        self.published = rev;
        if state != StateKind::Streaming {
            self.drafts.remove(&id);
        } else if self.drafts.get(&id).is_none_or(|draft| draft.attempt != attempt)
            && let Some(at) = begun.iter().position(|(message, _, _)| *message == id)
        {
            let (_, _, so_far) = begun.swap_remove(at);
            let draft = Draft::new(room, id, attempt, &so_far, &self.known);
            self.put_draft(id, draft);
        }
    }

    /// Sends a draft's whole text and keeps it.
    pub fn put_draft(&mut self, id: MessageId, mut draft: Draft) {
        for (html, text) in draft.frames().to_vec() {
            self.put(Frame::draft(html, text));
        }
        self.drafts.insert(id, draft);
    }

    /// Adds a delta to its draft and to the ring. True if something is missing before it.
    pub fn grow(&mut self, delta: &ChunkDelta) -> bool {
        let Some(draft) = self.drafts.get_mut(&delta.message).filter(|draft| draft.attempt == delta.attempt) else { return false };
        match draft.grow(delta) {
            Grown::By(delta) => {
                self.put(Frame::delta(*delta));
                false
            }
            Grown::Known => false,
            Grown::Gap => true,
        }
    }

    /// What a stream at a position gets: what another at the same place just got, or the frames of which a piece is made.
    pub fn look(&self, position: u64, sent: i64, view: View) -> Look {
        if position == self.next() {
            return Look::Answer(Waiting::Nothing);
        }
        let Some(skip) = position.checked_sub(self.first) else { return Look::Answer(Waiting::FellOut) };
        if let Some(span) = &self.spans[view.index()]
            && span.from == position
            && (span.full || span.next == self.next())
            && span.durable.is_none_or(|(first, _)| first.prev <= sent && sent < first.rev)
        {
            let sent = span.durable.map_or(sent, |(_, last)| last);
            return Look::Answer(Waiting::Piece { bytes: span.bytes.clone(), next: span.next, sent });
        }
        Look::Frames(self.frames.range(skip as usize..).cloned().collect())
    }

    pub fn remember(&mut self, span: Span, view: View) {
        self.spans[view.index()] = Some(span);
    }

    /// What a reader with this cursor has missed, if the frames reach back so far and it is not more than `most` bytes.
    pub fn return_from(&mut self, cursor: Cursor, view: View, most: usize) -> Option<Return> {
        if self.epoch != cursor.epoch || !(self.reaches_back..=self.published).contains(&cursor.seq) {
            return None;
        }
        let position = self.next();
        if let Some(answered) = &self.answered[view.index()]
            && answered.after == cursor.seq
            && answered.whole.position == position
        {
            return (answered.whole.bytes.len() <= most).then(|| answered.whole.clone());
        }
        let mut bytes = BytesMut::new();
        for frame in self.newest_after(cursor.seq) {
            bytes.extend_from_slice(&frame.bytes(view));
            if bytes.len() > most {
                return None;
            }
        }
        for draft in self.drafts.values_mut() {
            draft.frames_for(view).iter().for_each(|frame| bytes.extend_from_slice(frame));
            if bytes.len() > most {
                return None;
            }
        }
        let sent = self.published;
        bytes.extend_from_slice(&frame::caught_up(Cursor { seq: sent, ..cursor }));
        let whole = Return { bytes: bytes.freeze(), position, sent };
        self.answered[view.index()] = Some(Answered { after: cursor.seq, whole: whole.clone() });
        Some(whole)
    }

    /// Throws the frames away: the ring begins anew, and every position in it has fallen out.
    pub fn clear(&mut self) {
        self.first = self.next() + 1;
        self.frames.clear();
        self.weight = 0;
    }
}

/// As many of these frames, which begin at `position`, as fit in a piece, at least one, and each change once. Also as a span, if others who stand at the same
/// place want exactly the same.
pub(super) fn piece(frames: &[SharedFrame], position: u64, sent: i64, view: View) -> (Waiting, Option<Span>) {
    let (mut bytes, mut next, mut last) = (Gathered::default(), position, sent);
    let (mut durable, mut whole): (Option<(Numbers, i64)>, bool) = (None, true);
    for frame in frames {
        if bytes.len() >= PIECE {
            break;
        }
        if let Some(numbers) = frame.durable {
            if numbers.prev > last {
                // What came before the gap is handed out first; the next look finds the gap at its beginning.
                if next > position {
                    break;
                }
                return (Waiting::Gap, None);
            }
            if numbers.rev <= last {
                whole = false;
                next += 1;
                continue;
            }
            last = numbers.rev;
            durable = Some((durable.map_or(numbers, |(first, _)| first), last));
        }
        bytes.add(frame.bytes(view));
        next += 1;
    }
    let bytes = bytes.into_bytes();
    let span = whole.then(|| Span { from: position, next, bytes: bytes.clone(), durable, full: bytes.len() >= PIECE });
    (Waiting::Piece { bytes, next, sent: last }, span)
}

/// Frames on their way into one piece: a single one is shared, not copied.
#[derive(Default)]
struct Gathered {
    only: Bytes,
    several: BytesMut,
}

impl Gathered {
    fn len(&self) -> usize {
        self.only.len() + self.several.len()
    }

    fn add(&mut self, bytes: Bytes) {
        if self.len() == 0 {
            self.only = bytes;
            return;
        }
        self.several.extend_from_slice(&std::mem::take(&mut self.only));
        self.several.extend_from_slice(&bytes);
    }

    fn into_bytes(self) -> Bytes {
        if self.several.is_empty() { self.only } else { self.several.freeze() }
    }
}
