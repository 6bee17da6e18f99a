//! A room that somebody listens to: the task that fills its ring, who listens, and what waits to be put in.
//!
//! The writer leaves word in the inbox (the highest head, and deltas in order) and never waits. The task reads the rows that changed,
//! once for everybody, puts their frames into the ring, then the deltas, and wakes the streams: at once after a quiet spell, else at
//! most every 16 ms, so that a busy room costs each reader sixty wake-ups a second and not a thousand.
//!
//! Order within the ring is what every stream relies on: durable frames in order of their numbers, each naming the one before; the row
//! that begins an attempt before its first delta. Heads are handled before the deltas of the same moment, which keeps that order,
//! since the row is committed first; a delta that a newer row has made pointless is dropped.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tracing::warn;

use super::draft::{Draft, Known};
use super::frame::View;
use super::listener::Listener;
use super::ring::{self, Look, Return, Ring, Waiting};
use crate::domain::cursor::Cursor;
use crate::domain::id::{MessageId, RoomId};
use crate::domain::message::StateKind;
use crate::store::messages::Changes;
use crate::store::{ChunkDelta, Store, StoreError, attempts, messages, rooms};

/// Rows read at once for the ring; the same limits as a stream's own catching up.
pub(super) const CATCH_UP_ROWS: usize = 500;
pub(super) const CATCH_UP_BYTES: usize = 4 * 1024 * 1024;
/// A room wakes its streams at once after a pause of this length, else this often.
const WAKE_EVERY: Duration = Duration::from_millis(16);
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

/// Where a stream stands in the ring after entering.
#[derive(Debug)]
pub struct Entry {
    pub position: u64,
    /// The drafts at that position: message, attempt, frames.
    pub drafts: Vec<(MessageId, i64, Vec<Bytes>)>,
}

impl Channel {
    pub(super) fn new(room: RoomId) -> Self {
        Self {
            room,
            inbox: Mutex::default(),
            knock: Notify::new(),
            ring: Mutex::default(),
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

    /// The same from whoever has looked into the database: knocks also if word had come and nothing was made of it.
    pub(super) fn heal_head(&self, head: i64) {
        self.hear_head(head);
        if lock(&self.ring).published < head {
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
    /// it. Of each message the newest frame alone: what was edited or deleted since is nobody's any more. Nothing if it is more than so many
    /// bytes.
    pub fn return_from(&self, cursor: Cursor, view: View, most: usize) -> Option<Return> {
        if *self.phase.borrow() != Phase::Ready {
            return None;
        }
        let announced = lock(&self.inbox).head;
        let mut ring = lock(&self.ring);
        match announced > ring.published {
            true => None,
            false => ring.return_from(cursor, view, most),
        }
    }

    /// The frames from a position on, as many as fit in a piece, at least one; each change once.
    pub fn waiting(&self, position: u64, sent: i64, view: View) -> Waiting {
        let look = lock(&self.ring).look(position, sent, view);
        let frames = match look {
            Look::Frames(frames) => frames,
            Look::Answer(answer) => return answer,
        };
        // Encoding happens here, outside of the lock, by whoever is first.
        let (answer, span) = ring::piece(&frames, position, sent, view);
        if let Some(span) = span {
            lock(&self.ring).remember(span, view);
        }
        answer
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
        let mut snapshot = store.snapshot().await?;
        let _gate = store.gate().await;
        let conn = &mut snapshot.conn();
        let room = rooms::find(conn, self.room).await?.ok_or(Begin::NoRoom)?;
        let detail = rooms::detail(conn, room).await?;
        let mut known = Known { names: detail.names(), rooms: Vec::new() };
        known.set_rooms(rooms::linked(conn, self.room, None).await?);
        let mut drafts = HashMap::new();
        for (id, attempt) in messages::streaming(conn, self.room).await? {
            let so_far = attempts::so_far(conn, id, attempt).await?;
            drafts.insert(id, Draft::new(self.room, id, attempt, &so_far, &known));
        }
        let mut ring = lock(&self.ring);
        ring.epoch = detail.room.epoch;
        ring.published = detail.room.head;
        ring.reaches_back = detail.room.head;
        ring.room_rev = detail.room.rev;
        ring.known = known;
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
        let mut snapshot = store.snapshot().await?;
        let gate = store.gate().await;
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
            lock(&self.ring).clear();
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
        // What a reply may link to is read when it begins.
        let linked = if begun.is_empty() { None } else { Some(rooms::linked(conn, self.room, None).await?) };
        drop((snapshot, gate));

        let mut ring = lock(&self.ring);
        ring.epoch = epoch;
        if let Some(linked) = linked {
            ring.known.set_rooms(linked);
        }
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
        let mut snapshot = store.snapshot().await?;
        let _gate = store.gate().await;
        let conn = &mut snapshot.conn();
        for (id, attempt) in messages::streaming(conn, self.room).await? {
            if only.is_none_or(|only| only == id) {
                let so_far = attempts::so_far(conn, id, attempt).await?;
                let mut ring = lock(&self.ring);
                if ring.drafts.get(&id).is_some_and(|draft| draft.attempt == attempt) {
                    let draft = Draft::new(self.room, id, attempt, &so_far, &ring.known);
                    ring.put_draft(id, draft);
                }
            }
        }
        Ok(())
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
