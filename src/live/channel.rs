//! A room that somebody listens to: the ring of its latest frames and the task that fills it.
//!
//! The writer leaves word in the inbox (the highest head, and deltas in order) and never waits. The task reads the rows that changed,
//! once for everybody, puts their frames into the ring, then the deltas, and wakes the streams: at once after a quiet spell, else at
//! most every 16 ms, so that a busy room costs each reader sixty wake-ups a second and not a thousand.
//!
//! Order within the ring is what every stream relies on: durable frames in order of their numbers, each naming the one before; the row
//! that begins an attempt before its first delta. Heads are handled before the deltas of the same moment, which keeps that order,
//! since the row is committed first; a delta that a newer row has made pointless is dropped.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tracing::warn;

use super::draft::{Draft, Grown};
use super::frame::{self, Frame, Numbers, SharedFrame, View};
use super::hub::Listener;
use crate::domain::cursor::{Cursor, Epoch};
use crate::domain::id::{MessageId, RoomId};
use crate::domain::message::StateKind;
use crate::store::messages::{Changes, Stored};
use crate::store::{ChunkDelta, Store, StoreError, attempts, messages, rooms};

/// The ring's limits: whichever is met first. A stream that is further behind reads rows instead.
const RING_FRAMES: usize = 1024;
const RING_BYTES: usize = 1024 * 1024;
/// Rows read at once for the ring; the same limits as a stream's own catching up.
pub(super) const CATCH_UP_ROWS: usize = 500;
pub(super) const CATCH_UP_BYTES: usize = 4 * 1024 * 1024;
/// A room wakes its streams at once after a pause of this length, else this often.
const WAKE_EVERY: Duration = Duration::from_millis(16);
/// Bytes of the ring handed out at once: what a reader that stops can hold on to.
const PIECE: usize = 128 * 1024;
/// Deltas that may wait for the task. Beyond that its drafts are read from the store again, which is never wrong, only slower.
const INBOX_DELTAS: usize = 4096;
/// Pauses between attempts to read the database when it fails: the first, and the longest.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LONGEST: Duration = Duration::from_secs(2);
/// How long a room that nobody listens to is kept, for the reader who reloads.
pub(super) const LINGER: Duration = Duration::from_secs(30);

pub struct Channel {
    pub room: RoomId,
    inbox: Mutex<Inbox>,
    knock: Notify,
    ring: Mutex<Ring>,
    listeners: Mutex<HashMap<u64, Arc<Listener>>>,
    /// A stream waits for the ring to stand on a state of the database before it enters.
    phase: watch::Sender<Phase>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Beginning,
    Ready,
    /// The room is not there.
    Gone,
}

#[derive(Default)]
struct Inbox {
    head: i64,
    deltas: VecDeque<ChunkDelta>,
    overflowed: bool,
}

struct Ring {
    frames: VecDeque<SharedFrame>,
    /// Position of the oldest frame; the next one to come gets `first + frames.len()`.
    first: u64,
    weight: usize,
    epoch: Epoch,
    /// Everything up to this number has been put in.
    published: i64,
    /// From this number on, every change is in one of the frames that are still there.
    reaches_back: i64,
    /// Number of the room's own row that was put in last.
    room_rev: i64,
    names: Vec<String>,
    drafts: HashMap<MessageId, Draft>,
    /// The stretch that was handed out last, for each view.
    spans: [Option<Span>; View::COUNT],
    /// What was answered last to who came back, for each view.
    answered: [Option<Answered>; View::COUNT],
}

/// Where a stream stands in the ring after entering.
#[derive(Debug)]
pub struct Entry {
    pub position: u64,
    /// The drafts at that position: message, attempt, frames.
    pub drafts: Vec<(MessageId, i64, Vec<Bytes>)>,
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
struct Span {
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

impl Channel {
    pub(super) fn new(room: RoomId) -> Self {
        let ring = Ring {
            frames: VecDeque::new(),
            first: 0,
            weight: 0,
            epoch: Epoch(0),
            published: 0,
            reaches_back: 0,
            room_rev: 0,
            names: Vec::new(),
            drafts: HashMap::new(),
            spans: [None, None],
            answered: [None, None],
        };
        Self {
            room,
            inbox: Mutex::default(),
            knock: Notify::new(),
            ring: Mutex::new(ring),
            listeners: Mutex::default(),
            phase: watch::Sender::new(Phase::Beginning),
        }
    }

    /// The room has a change of this number. A maximum: word that comes late or twice does no harm.
    pub(super) fn hear_head(&self, head: i64) {
        let mut inbox = lock(&self.inbox);
        if head > inbox.head {
            inbox.head = head;
            drop(inbox);
            self.knock.notify_one();
        }
    }

    pub(super) fn hear_delta(&self, delta: &ChunkDelta) {
        let mut inbox = lock(&self.inbox);
        if inbox.deltas.len() < INBOX_DELTAS {
            inbox.deltas.push_back(delta.clone());
        } else {
            inbox.deltas.clear();
            inbox.overflowed = true;
        }
        drop(inbox);
        self.knock.notify_one();
    }

    pub(super) fn add(&self, listener: &Arc<Listener>) {
        lock(&self.listeners).insert(listener.id, listener.clone());
    }

    pub(super) fn remove(&self, listener: &Listener) {
        lock(&self.listeners).remove(&listener.id);
    }

    pub(super) fn listeners(&self) -> Vec<Arc<Listener>> {
        lock(&self.listeners).values().cloned().collect()
    }

    pub(super) fn has_listeners(&self) -> bool {
        !lock(&self.listeners).is_empty()
    }

    /// Takes a position and the drafts as of that position, in one step. Nothing if the room is not there.
    pub async fn enter(&self, view: View) -> Option<Entry> {
        let phase = *self.phase.subscribe().wait_for(|phase| *phase != Phase::Beginning).await.ok()?;
        if phase == Phase::Gone {
            return None;
        }
        let mut ring = lock(&self.ring);
        let position = ring.next();
        let drafts = ring.drafts.iter_mut().map(|(id, draft)| (*id, draft.attempt, draft.frames_for(view))).collect();
        Some(Entry { position, drafts })
    }

    /// What a reader with this cursor has missed, if the ring alone can tell: it reaches back so far, and everything that is announced is in
    /// it. Of each message the newest frame alone: what was edited or deleted since is nobody's any more.
    pub fn return_from(&self, cursor: Cursor, view: View) -> Option<Return> {
        if *self.phase.borrow() != Phase::Ready {
            return None;
        }
        let announced = lock(&self.inbox).head;
        let mut ring = lock(&self.ring);
        if ring.epoch != cursor.epoch || announced > ring.published || !(ring.reaches_back..=ring.published).contains(&cursor.seq) {
            return None;
        }
        let position = ring.next();
        if let Some(answered) = &ring.answered[view.index()]
            && answered.after == cursor.seq
            && answered.whole.position == position
        {
            return Some(answered.whole.clone());
        }
        let mut bytes = BytesMut::new();
        for frame in ring.newest_after(cursor.seq) {
            bytes.extend_from_slice(&frame.bytes(view));
        }
        for draft in ring.drafts.values_mut() {
            draft.frames_for(view).iter().for_each(|frame| bytes.extend_from_slice(frame));
        }
        let sent = ring.published;
        bytes.extend_from_slice(&frame::caught_up(Cursor { seq: sent, ..cursor }));
        let whole = Return { bytes: bytes.freeze(), position, sent };
        ring.answered[view.index()] = Some(Answered { after: cursor.seq, whole: whole.clone() });
        Some(whole)
    }

    /// The frames from a position on, as many as fit in a piece, at least one; each change once.
    pub fn waiting(&self, position: u64, sent: i64, view: View) -> Waiting {
        let frames: Vec<SharedFrame> = {
            let ring = lock(&self.ring);
            if position == ring.next() {
                return Waiting::Nothing;
            }
            let Some(skip) = position.checked_sub(ring.first) else { return Waiting::FellOut };
            if let Some(span) = &ring.spans[view.index()]
                && span.from == position
                && (span.full || span.next == ring.next())
                && span.durable.is_none_or(|(first, _)| first.prev <= sent && sent < first.rev)
            {
                let sent = span.durable.map_or(sent, |(_, last)| last);
                return Waiting::Piece { bytes: span.bytes.clone(), next: span.next, sent };
            }
            ring.frames.range(skip as usize..).cloned().collect()
        };
        // Encoding happens here, outside of the lock, by whoever is first.
        let (mut bytes, mut next, mut last) = (Gathered::default(), position, sent);
        let (mut durable, mut whole): (Option<(Numbers, i64)>, bool) = (None, true);
        for frame in &frames {
            if bytes.len() >= PIECE {
                break;
            }
            if let Some(numbers) = frame.durable {
                if numbers.prev > last {
                    // What came before the gap is handed out first; the next look finds the gap at its beginning.
                    if next > position {
                        break;
                    }
                    return Waiting::Gap;
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
        if whole {
            let mut ring = lock(&self.ring);
            ring.spans[view.index()] = Some(Span { from: position, next, bytes: bytes.clone(), durable, full: bytes.len() >= PIECE });
        }
        Waiting::Piece { bytes, next, sent: last }
    }

    fn wake(&self) {
        for listener in lock(&self.listeners).values() {
            listener.wake_for_frames();
        }
    }

    /// The room's task. Ends when nobody has listened for a while, which `close` decides (under the hub's lock).
    pub(super) async fn run(self: Arc<Self>, store: Store, close: impl Fn() -> bool) {
        let mut last_wake = Instant::now() - WAKE_EVERY;
        let mut pause = RETRY_FIRST;
        while let Err(error) = self.begin(&store).await {
            if matches!(error, Begin::NoRoom) {
                self.phase.send_replace(Phase::Gone);
                return;
            }
            warn!(room.id = %self.room, %error, "a room's state cannot be read; trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY_LONGEST);
            if close() {
                return;
            }
        }
        self.phase.send_replace(Phase::Ready);
        let mut idle_since: Option<Instant> = None;
        let mut pause = RETRY_FIRST;
        loop {
            let looked = tokio::time::timeout(LINGER / 2, self.knock.notified()).await;
            if self.has_listeners() {
                idle_since = None;
            } else if idle_since.get_or_insert_with(Instant::now).elapsed() >= LINGER && close() {
                return;
            }
            if looked.is_err() {
                continue;
            }
            match self.publish(&store).await {
                Ok(()) => pause = RETRY_FIRST,
                Err(error) => {
                    warn!(room.id = %self.room, %error, "a room's changes cannot be read; trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(RETRY_LONGEST);
                    self.knock.notify_one();
                }
            }
            tokio::time::sleep_until(last_wake + WAKE_EVERY).await;
            self.wake();
            last_wake = Instant::now();
        }
    }

    /// Reads the state on which the ring stands: head, names, and the text so far of growing replies. What was announced since the
    /// channel exists waits in the inbox, so nothing falls between.
    async fn begin(&self, store: &Store) -> Result<(), Begin> {
        let _gate = store.gate().await;
        let mut snapshot = store.snapshot().await?;
        let conn = &mut snapshot.conn();
        let room = rooms::find(conn, self.room).await?.ok_or(Begin::NoRoom)?;
        let detail = rooms::detail(conn, room).await?;
        let names = detail.names();
        let mut drafts = HashMap::new();
        for (id, attempt) in messages::streaming(conn, self.room).await? {
            let so_far = attempts::so_far(conn, id, attempt).await?;
            drafts.insert(id, Draft::new(self.room, id, attempt, &so_far, &names));
        }
        let mut ring = lock(&self.ring);
        ring.epoch = detail.room.epoch;
        ring.published = detail.room.head;
        ring.reaches_back = detail.room.head;
        ring.room_rev = detail.room.rev;
        ring.names = names;
        ring.drafts = drafts;
        Ok(())
    }

    /// Turns what waits in the inbox into frames. On an error the inbox is as it was, and nothing was put into the ring for it.
    async fn publish(&self, store: &Store) -> Result<(), StoreError> {
        let (head, overflowed) = {
            let inbox = lock(&self.inbox);
            (inbox.head, inbox.overflowed)
        };
        let published = lock(&self.ring).published;
        if head > published {
            self.publish_rows(store, published).await?;
        }
        if overflowed {
            // Taken back before reading: what overflows while this reads is read again.
            lock(&self.inbox).overflowed = false;
            self.reload_drafts(store, None).await.inspect_err(|_| lock(&self.inbox).overflowed = true)?;
        }
        let deltas: Vec<ChunkDelta> = lock(&self.inbox).deltas.drain(..).collect();
        let mut gaps = Vec::new();
        {
            let mut ring = lock(&self.ring);
            for delta in &deltas {
                if ring.grow(delta) && !gaps.contains(&delta.message) {
                    gaps.push(delta.message);
                }
            }
        }
        for message in gaps {
            // The drained deltas are in the store, and so is what was missing before them.
            self.reload_drafts(store, Some(message)).await.inspect_err(|_| lock(&self.inbox).overflowed = true)?;
        }
        Ok(())
    }

    async fn publish_rows(&self, store: &Store, published: i64) -> Result<(), StoreError> {
        let gate = store.gate().await;
        let mut snapshot = store.snapshot().await?;
        let conn = &mut snapshot.conn();
        let Some(room) = rooms::find(conn, self.room).await? else { return Ok(()) };
        let head = room.head;
        let epoch = room.epoch;
        let detail = match room.rev > published {
            true => Some(rooms::detail(conn, room).await?),
            false => None,
        };
        let changes = messages::changed_since(conn, self.room, published, CATCH_UP_ROWS, CATCH_UP_BYTES).await?;
        let Changes::Rows(rows) = changes else {
            // So far behind that every stream does better to read for itself: the ring begins anew.
            drop((snapshot, gate));
            self.begin(store).await.map_err(Begin::into_store)?;
            let mut ring = lock(&self.ring);
            ring.first = ring.next() + 1;
            ring.frames.clear();
            ring.weight = 0;
            return Ok(());
        };
        // A reply that is (again) being written needs what is stored of it: a continued one does not begin empty.
        let mut begun = Vec::new();
        for stored in &rows {
            let message = &stored.message;
            if message.state.kind() == StateKind::Streaming {
                begun.push((message.id, message.attempt, attempts::so_far(conn, message.id, message.attempt).await?));
            }
        }
        drop((snapshot, gate));

        let mut ring = lock(&self.ring);
        ring.epoch = epoch;
        let mut detail = detail;
        for stored in rows {
            if detail.as_ref().is_some_and(|d| d.room.rev < stored.message.rev)
                && let Some(detail) = detail.take()
            {
                ring.put_room(detail);
            }
            ring.put_message(stored, &mut begun);
        }
        if let Some(detail) = detail {
            ring.put_room(detail);
        }
        ring.published = ring.published.max(head);
        Ok(())
    }

    /// Reads the text so far of one growing reply, or of all, and sends it as drafts: the repair of a gap.
    async fn reload_drafts(&self, store: &Store, only: Option<MessageId>) -> Result<(), StoreError> {
        let _gate = store.gate().await;
        let mut snapshot = store.snapshot().await?;
        let conn = &mut snapshot.conn();
        for (id, attempt) in messages::streaming(conn, self.room).await? {
            if only.is_none_or(|only| only == id) {
                let so_far = attempts::so_far(conn, id, attempt).await?;
                let mut ring = lock(&self.ring);
                if ring.drafts.get(&id).is_some_and(|draft| draft.attempt == attempt) {
                    let draft = Draft::new(self.room, id, attempt, &so_far, &ring.names);
                    ring.put_draft(id, draft);
                }
            }
        }
        Ok(())
    }
}

impl Ring {
    fn next(&self) -> u64 {
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

    fn put_room(&mut self, detail: crate::domain::room::RoomDetail) {
        let rev = detail.room.rev;
        self.names = detail.names();
        self.room_rev = rev;
        let prev = self.published;
        self.put(Frame::room(detail, prev));
        self.published = rev;
    }

    fn put_message(&mut self, stored: Stored, begun: &mut Vec<(MessageId, i64, attempts::SoFar)>) {
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
            let draft = Draft::new(room, id, attempt, &so_far, &self.names);
            self.put_draft(id, draft);
        }
    }

    /// Sends a draft's whole text and keeps it.
    fn put_draft(&mut self, id: MessageId, mut draft: Draft) {
        for (html, text) in draft.frames().to_vec() {
            self.put(Frame::draft(html, text));
        }
        self.drafts.insert(id, draft);
    }

    /// Adds a delta to its draft and to the ring. True if something is missing before it.
    fn grow(&mut self, delta: &ChunkDelta) -> bool {
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

#[derive(Debug, thiserror::Error)]
enum Begin {
    #[error("the room is not there")]
    NoRoom,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Begin {
    fn into_store(self) -> StoreError {
        match self {
            Self::NoRoom => StoreError::Corrupt("a room vanished".into()),
            Self::Store(error) => error,
        }
    }
}

/// The data behind these locks is whole after every statement, so a panic elsewhere must not silence a room for ever.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
