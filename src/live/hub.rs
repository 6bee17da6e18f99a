//! All channels and all streams: who hears of a commit, whose stream ends, and what heals a lost signal.
//!
//! The writer calls [`Hub::announce`] between commits; nothing in it waits. Revocations are carried out right there, before the heads and
//! deltas of the same or a later commit are passed on: a stream that is told to end looks at that first, and drops what waited for it.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, warn};

use super::admission::{Admission, Admissions};
use super::board::Board;
use super::channel::{Channel, lock};
use super::frame::ByeWhy;
use super::listener::{Listener, Reader};
use super::presence::Presence;
use crate::domain::Millis;
use crate::domain::id::{PersonId, RoomId};
use crate::store::{Announce, Announcement, Revocation, Store, StoreError, rooms, sessions};

/// Streams of one person at once; a browser needs one, each program another.
pub const STREAMS_PER_PERSON: usize = 32;
/// Silence after which a stream says that it lives.
pub const HEARTBEAT: Duration = Duration::from_secs(15);
/// A stream is renewed after about this long (±20 %), so that none lives on settings of last month.
const RENEW_AFTER: Duration = Duration::from_secs(4 * 60 * 60);
/// How often the streams' clocks are looked at; heartbeats are exact to this.
const TICK: Duration = Duration::from_secs(1);
/// How often the heads of rooms with listeners are compared with what was announced.
const HEAL_HEADS: u64 = 2;
/// How often everybody's access is checked against the database, in ticks.
const RECHECK: u64 = 15;
/// Over how long streams are sent away at shutdown, so that they do not all come back at one moment.
pub const FAREWELL: Duration = Duration::from_secs(3);

/// Too many streams of one person are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyStreams;

/// Finds channels and streams. Cheap to clone.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    store: Store,
    tasks: TaskTracker,
    stop: CancellationToken,
    channels: Mutex<HashMap<RoomId, Arc<Channel>>>,
    listeners: Mutex<Listeners>,
    next_id: AtomicU64,
    admissions: Admissions,
    board: Board,
    presence: Presence,
    /// Somebody's access is in doubt: it is checked at the next tick, and again until that works.
    doubt: AtomicBool,
}

#[derive(Default)]
struct Listeners {
    all: HashMap<u64, Arc<Listener>>,
    /// Streams of each person, by the listeners' ids.
    of_person: HashMap<PersonId, HashSet<u64>>,
    closed: bool,
}

impl Hub {
    /// `tasks` owns the background work; `stop` ends it.
    pub fn new(store: Store, tasks: TaskTracker, stop: CancellationToken) -> Self {
        let hub = Self(Arc::new(Inner {
            store,
            tasks,
            stop,
            channels: Mutex::default(),
            listeners: Mutex::default(),
            next_id: AtomicU64::new(1),
            admissions: Admissions::default(),
            board: Board::default(),
            presence: Presence::default(),
            doubt: AtomicBool::new(false),
        }));
        hub.0.tasks.spawn(hub.clone().tick());
        hub.0.tasks.spawn(hub.clone().heal());
        hub.0.tasks.spawn(hub.clone().carry_lists());
        hub
    }

    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Who asks with this credential (a token's fingerprint, a session's stored id), if it is remembered and still so.
    pub fn admission(&self, credential: &str) -> Option<Admission> {
        if !self.0.store.hears_every_write() {
            return None;
        }
        self.0.admissions.find(credential, self.0.store.clock().now())
    }

    /// To be read before the database is asked who somebody is: see [`Hub::admit`].
    pub fn revocations(&self) -> u64 {
        self.0.admissions.count()
    }

    /// What the database said of somebody, after [`Hub::revocations`] was read.
    pub fn admit(&self, credential: &str, reader: Reader, rooms: HashSet<RoomId>, revocations: u64) -> Admission {
        let admission = Admission::new(reader, rooms, revocations, self.0.store.clock().now());
        if self.0.store.hears_every_write() {
            self.0.admissions.note(credential, &admission);
        }
        admission
    }

    /// Whether what was said is certain to be so still: for who has registered, and is told by the hub from then on.
    pub(super) fn is_certain(&self, admission: &Admission) -> bool {
        self.0.store.hears_every_write() && self.0.admissions.is_current(admission)
    }

    /// Registers a stream.
    pub fn listen(&self, reader: Reader) -> Result<Arc<Listener>, TooManyStreams> {
        let listener = Arc::new(Listener::new(self.0.next_id.fetch_add(1, Ordering::Relaxed), reader));
        let mut listeners = lock(&self.0.listeners);
        let own = listeners.of_person.entry(listener.reader.person).or_default();
        if own.len() >= STREAMS_PER_PERSON {
            return Err(TooManyStreams);
        }
        own.insert(listener.id);
        listeners.all.insert(listener.id, listener.clone());
        if listeners.closed {
            listener.end(ByeWhy::Shutdown);
        }
        Ok(listener)
    }

    /// The channel of a room, with this stream among its listeners. Starts the channel if it is the first.
    pub fn join(&self, room: RoomId, listener: &Arc<Listener>) -> Arc<Channel> {
        let mut channels = lock(&self.0.channels);
        let channel = channels.entry(room).or_insert_with(|| {
            let channel = Arc::new(Channel::new(room));
            let hub = Arc::downgrade(&self.0);
            let watch = Watch { hub: hub.clone(), channel: channel.clone() };
            let close = move || hub.upgrade().is_none_or(|hub| close_channel(&hub, room));
            let run = channel.clone().run(self.0.store.clone(), close);
            self.spawn(async move {
                let _watch = watch;
                run.await;
            });
            channel
        });
        channel.add(listener);
        channel.clone()
    }

    /// Forgets a stream that has ended.
    pub fn leave(&self, listener: &Listener, channels: impl Iterator<Item = Arc<Channel>>) {
        channels.for_each(|channel| channel.remove(listener));
        let mut listeners = lock(&self.0.listeners);
        listeners.all.remove(&listener.id);
        if let Some(own) = listeners.of_person.get_mut(&listener.reader.person) {
            own.remove(&listener.id);
            if own.is_empty() {
                listeners.of_person.remove(&listener.reader.person);
            }
        }
    }

    /// A stream gets its reader's list of rooms from now on.
    pub(super) fn watch_list(&self, listener: &Arc<Listener>) {
        self.0.board.watch(listener);
    }

    pub(super) fn leave_list(&self, listener: &Listener) {
        self.0.board.leave(listener);
    }

    /// A stream shows this room, whose people it wants to know: after it was looked whether its reader may see it.
    pub(super) fn enter(&self, room: RoomId, listener: &Arc<Listener>) {
        self.0.presence.enter(room, listener, self.0.store.clock().now());
    }

    pub(super) fn exit(&self, room: RoomId, listener: &Listener) {
        self.0.presence.leave(room, listener, self.0.store.clock().now());
    }

    /// A member is writing, as far as their page knows.
    pub fn typing(&self, room: RoomId, person: PersonId) {
        self.0.presence.typing(room, person, self.0.store.clock().now());
    }

    /// They have said it.
    pub fn typed(&self, room: RoomId, person: PersonId) {
        self.0.presence.typed(room, person, self.0.store.clock().now());
    }

    /// Streams that are open.
    pub fn count(&self) -> usize {
        lock(&self.0.listeners).all.len()
    }

    /// When a stream that opens now is to be renewed.
    pub fn renewal(&self) -> Millis {
        let clock = self.0.store.clock();
        let about = RENEW_AFTER.as_millis() as u64;
        clock.now() + clock.draw(about * 8 / 10, about * 12 / 10) as i64
    }

    /// Sends every stream away, spread over [`FAREWELL`], and refuses new ones.
    pub async fn shutdown(&self) {
        const STEPS: u32 = 60;
        let mut open: Vec<Arc<Listener>> = {
            let mut listeners = lock(&self.0.listeners);
            listeners.closed = true;
            listeners.all.values().cloned().collect()
        };
        let clock = self.0.store.clock();
        open.sort_by_cached_key(|_| clock.draw(0, u64::MAX));
        let share = open.len().div_ceil(STEPS as usize).max(1);
        let mut groups = open.chunks(share).peekable();
        while let Some(some) = groups.next() {
            some.iter().for_each(|listener| listener.end(ByeWhy::Shutdown));
            if groups.peek().is_some() {
                tokio::time::sleep(FAREWELL / (STEPS - 1)).await;
            }
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.0.stop.clone();
        self.0.tasks.spawn(async move {
            stop.run_until_cancelled(task).await;
        });
    }

    /// Wakes streams for their own sake. By itself, so that they say that they live also while the database does not answer.
    async fn tick(self) {
        let mut ticks = ticks();
        while self.0.stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.wake_due();
            self.0.presence.tick(self.0.store.clock().now());
        }
    }

    async fn carry_lists(self) {
        self.0.stop.run_until_cancelled(self.0.board.run(self.0.store.clone())).await;
    }

    /// Heals what was lost on the way.
    async fn heal(self) {
        let mut ticks = ticks();
        for count in 1_u64.. {
            if self.0.stop.run_until_cancelled(ticks.tick()).await.is_none() {
                return;
            }
            if count.is_multiple_of(HEAL_HEADS)
                && let Err(error) = self.heal_heads().await
            {
                warn!(%error, "the rooms' heads cannot be compared with the database");
            }
            let doubt = self.0.doubt.swap(false, Ordering::Relaxed);
            if (doubt || count.is_multiple_of(RECHECK))
                && let Err(error) = self.recheck().await
            {
                warn!(%error, "the streams' access cannot be checked");
                self.0.doubt.store(true, Ordering::Relaxed);
            }
        }
    }

    fn wake_due(&self) {
        let now = self.0.store.clock().now();
        for listener in lock(&self.0.listeners).all.values() {
            listener.wake_if_due(now);
        }
    }

    /// A head that was announced and not heard is heard now.
    async fn heal_heads(&self) -> Result<(), StoreError> {
        let watched: Vec<RoomId> = lock(&self.0.channels).keys().copied().collect();
        if watched.is_empty() {
            return Ok(());
        }
        let heads = {
            let mut snapshot = self.0.store.snapshot().await?;
            let _gate = self.0.store.gate().await;
            rooms::heads(&mut snapshot.conn(), &watched).await?
        };
        let channels = lock(&self.0.channels);
        for (room, head) in heads {
            if let Some(channel) = channels.get(&room) {
                channel.heal_head(head);
            }
        }
        Ok(())
    }

    /// Ends what should have ended, in case a signal was lost or time alone has ended it.
    async fn recheck(&self) -> Result<(), StoreError> {
        let listeners: Vec<Arc<Listener>> = lock(&self.0.listeners).all.values().cloned().collect();
        if listeners.is_empty() {
            return Ok(());
        }
        // Who listens is noted before the database is read: who joins meanwhile is in nobody's list yet and must not be sent away.
        let watched: Vec<(RoomId, Vec<Arc<Listener>>)> =
            lock(&self.0.channels).iter().map(|(id, channel)| (*id, channel.listeners())).collect();
        let credentials: HashSet<String> = listeners.iter().map(|l| l.reader.credential.clone()).collect();
        let mut snapshot = self.0.store.snapshot().await?;
        let conn = &mut snapshot.conn();
        let now = self.0.store.clock().now();
        let valid: HashSet<String> =
            sessions::still_valid(conn, &credentials.into_iter().collect::<Vec<_>>(), now).await?.into_iter().collect();
        let rooms: Vec<RoomId> = watched.iter().map(|(room, _)| *room).collect();
        let members: HashSet<(RoomId, PersonId)> = rooms::members_of(conn, &rooms).await?.into_iter().collect();
        drop(snapshot);
        for listener in listeners.iter().filter(|l| !valid.contains(&l.reader.credential)) {
            listener.end(ByeWhy::Expired);
        }
        for (room, listeners) in watched {
            for listener in listeners {
                if !members.contains(&(room, listener.reader.person)) {
                    listener.revoke(room);
                }
            }
        }
        Ok(())
    }

    fn revoke(&self, what: &Revocation) {
        self.0.admissions.revoked();
        if let Revocation::Member { room, person } = what {
            self.0.board.revoke(*person, *room);
        }
        let concerned = self.concerned(what);
        match what {
            Revocation::Member { room, .. } => concerned.iter().for_each(|listener| listener.revoke(*room)),
            Revocation::Person(_) | Revocation::Credential(_) => concerned.iter().for_each(|listener| listener.end(ByeWhy::SignedOut)),
        }
    }

    /// Nobody is sent away for what may not be so: their streams open again, which asks the database. Should the commit still be under
    /// way then, the next check finds it.
    fn doubt(&self, what: &Revocation) {
        self.0.admissions.revoked();
        if let Revocation::Member { room, person } = what {
            self.0.board.hear_person(*person, *room);
        }
        self.concerned(what).iter().for_each(|listener| listener.end(ByeWhy::Renew));
        self.0.doubt.store(true, Ordering::Relaxed);
    }

    /// The streams that a revocation is about.
    fn concerned(&self, what: &Revocation) -> Vec<Arc<Listener>> {
        match what {
            Revocation::Member { room, person } => {
                let Some(channel) = lock(&self.0.channels).get(room).cloned() else { return Vec::new() };
                channel.listeners().into_iter().filter(|l| l.reader.person == *person).collect()
            }
            Revocation::Person(person) => self.of_person(*person),
            Revocation::Credential(id) => lock(&self.0.listeners).all.values().filter(|l| l.reader.credential == *id).cloned().collect(),
        }
    }

    fn of_person(&self, person: PersonId) -> Vec<Arc<Listener>> {
        let listeners = lock(&self.0.listeners);
        listeners.of_person.get(&person).into_iter().flatten().filter_map(|id| listeners.all.get(id).cloned()).collect()
    }
}

impl Announce for Hub {
    fn announce(&self, batch: Vec<Announcement>) {
        for what in &batch {
            match what {
                Announcement::Revoked(revocation) => self.revoke(revocation),
                Announcement::Doubted(revocation) => self.doubt(revocation),
                Announcement::Head { room, head } => {
                    if let Some(channel) = lock(&self.0.channels).get(room) {
                        channel.hear_head(*head);
                    }
                    self.0.board.hear_room(*room);
                }
                Announcement::Concerns { room, person } => self.0.board.hear_person(*person, *room),
                Announcement::Delta(delta) => {
                    if let Some(channel) = lock(&self.0.channels).get(&delta.room) {
                        channel.hear_delta(delta);
                    }
                }
                Announcement::Asked | Announcement::Stop { .. } => {}
            }
        }
    }
}

fn ticks() -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks
}

/// Sees to it that a room whose task has panicked does not stay silent: its streams are sent to open again, which starts a new one.
struct Watch {
    hub: Weak<Inner>,
    channel: Arc<Channel>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        error!(room.id = %self.channel.room, "a room's task broke; its streams open again");
        if let Some(hub) = self.hub.upgrade() {
            lock(&hub.channels).remove(&self.channel.room);
        }
        for listener in self.channel.listeners() {
            listener.end(ByeWhy::Renew);
        }
    }
}

/// Forgets a channel unless somebody listens again: decided under the lock under which streams join.
fn close_channel(hub: &Inner, room: RoomId) -> bool {
    let mut channels = lock(&hub.channels);
    match channels.get(&room) {
        Some(channel) if channel.has_listeners() => false,
        _ => {
            channels.remove(&room);
            true
        }
    }
}
