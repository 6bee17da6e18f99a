//! Each person's list of rooms in their open streams: what is unread, who is writing, what has gone (the `rooms` frames).
//!
//! What is announced is only noted here, as a room or a membership in a set: no more than that is done between one commit and the next,
//! however many are in the room. Once a second at most, whoever is concerned is looked up, and what their lists show is read for all of
//! them together, a portion at a time. A round that took long is followed by a longer rest, so that this never takes more than a part of
//! the database's time. What is handed to a stream waits there as one line a room, the newest alone: a reader that takes nothing
//! holds on to one list.
//!
//! A line is read in one statement with the membership that entitles to it, so nothing is read here that was committed after somebody's
//! removal. What was read before it, and not yet handed out when the removal is announced, is dropped.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::warn;

use super::channel::lock;
use super::listener::Listener;
use crate::domain::id::{PersonId, RoomId};
use crate::domain::room::RoomLine;
use crate::store::{Store, StoreError, reading};

/// Rest after a round of changes.
const EVERY: Duration = Duration::from_secs(1);
/// A round's rest is at least so many times as long as the round took.
const REST_FACTOR: u32 = 4;
/// Rest after lists were read for streams that have just opened: those that open together are read together.
const FRESH_EVERY: Duration = Duration::from_millis(50);
/// Memberships, and people with all their rooms, of one question.
const PAIRS_AT_ONCE: usize = 1_000;
const PEOPLE_AT_ONCE: usize = 20;
/// After this long a person's whole list is read again, in case word of something was lost.
const HEAL_AFTER: Duration = Duration::from_secs(60);
/// People whose lists are healed in one round, at most.
const HEAL_AT_ONCE: usize = 40;
/// How often it is looked whether anybody's list is to be healed while nothing happens.
const HEAL_LOOK: Duration = Duration::from_secs(5);
/// Rest after the database has failed.
const PAUSE: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(super) struct Board {
    /// Streams with a list. Without any, nothing is noted.
    streams: AtomicUsize,
    /// Locked for a moment by the writer's task; never together with `people`.
    noted: Mutex<Noted>,
    people: Mutex<People>,
    knock: Notify,
}

/// What was announced since the last round.
#[derive(Default)]
struct Noted {
    rooms: HashSet<RoomId>,
    pairs: HashSet<(PersonId, RoomId)>,
}

#[derive(Default)]
struct People {
    of: HashMap<PersonId, Watcher>,
    /// Who of them is in a room.
    in_room: HashMap<RoomId, HashSet<PersonId>>,
    /// Whose newest streams have no list yet.
    fresh: HashSet<PersonId>,
    /// Who was removed from where since the round began.
    lost: HashSet<(PersonId, RoomId)>,
}

/// A person with streams that show their list.
struct Watcher {
    listeners: Vec<Arc<Listener>>,
    /// Streams that have not been given the whole list yet.
    fresh: HashSet<u64>,
    /// Their rooms, with a fingerprint of what the streams were given last; nothing where not all of them were given the same.
    known: HashMap<RoomId, Option<u64>>,
    heal_at: Instant,
}

/// What one round reads.
#[derive(Default)]
struct Round {
    fresh: Vec<PersonId>,
    heal: Vec<PersonId>,
    pairs: Vec<(PersonId, RoomId)>,
}

impl Board {
    /// A stream wants its reader's list.
    pub fn watch(&self, listener: &Arc<Listener>) {
        self.streams.fetch_add(1, Ordering::AcqRel);
        let person = listener.reader.person;
        let mut people = lock(&self.people);
        let watcher = people.of.entry(person).or_insert_with(|| Watcher {
            listeners: Vec::new(),
            fresh: HashSet::new(),
            known: HashMap::new(),
            heal_at: Instant::now() + HEAL_AFTER,
        });
        watcher.listeners.push(listener.clone());
        watcher.fresh.insert(listener.id);
        people.fresh.insert(person);
        drop(people);
        self.knock.notify_one();
    }

    /// A stream that wanted it has ended.
    pub fn leave(&self, listener: &Listener) {
        let person = listener.reader.person;
        let mut people = lock(&self.people);
        let Some(watcher) = people.of.get_mut(&person) else { return };
        let before = watcher.listeners.len();
        watcher.listeners.retain(|other| other.id != listener.id);
        watcher.fresh.remove(&listener.id);
        self.streams.fetch_sub(before - watcher.listeners.len(), Ordering::AcqRel);
        if watcher.listeners.is_empty()
            && let Some(watcher) = people.of.remove(&person)
        {
            people.fresh.remove(&person);
            for room in watcher.known.keys() {
                people.forget(*room, person);
            }
        }
    }

    /// Something in this room has changed.
    pub fn hear_room(&self, room: RoomId) {
        if self.streams.load(Ordering::Acquire) > 0 && lock(&self.noted).rooms.insert(room) {
            self.knock.notify_one();
        }
    }

    /// Something of this room has changed for this person.
    pub fn hear_person(&self, person: PersonId, room: RoomId) {
        if self.streams.load(Ordering::Acquire) > 0 && lock(&self.noted).pairs.insert((person, room)) {
            self.knock.notify_one();
        }
    }

    /// This person is no longer in this room: what waits of it goes nowhere.
    pub fn revoke(&self, person: PersonId, room: RoomId) {
        if self.streams.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut people = lock(&self.people);
        people.lost.insert((person, room));
        people.forget(room, person);
        let Some(watcher) = people.of.get_mut(&person) else { return };
        watcher.known.remove(&room);
        for listener in watcher.listeners.iter().filter(|listener| !watcher.fresh.contains(&listener.id)) {
            listener.mail(|mail| mail.take_out(room));
        }
    }

    /// Carries lists to streams, for as long as the server runs.
    pub async fn run(&self, store: Store) {
        let (mut changes_at, mut fresh_at) = (Instant::now(), Instant::now());
        loop {
            let (has_fresh, has_changes) = self.has_work();
            let at = match (has_fresh, has_changes) {
                (true, _) => Some(fresh_at),
                (false, true) => Some(changes_at),
                (false, false) => None,
            };
            match at {
                Some(at) if at > Instant::now() => {
                    tokio::select! {
                        () = sleep_until(at) => {}
                        () = self.knock.notified() => {}
                    }
                    continue;
                }
                Some(_) => {}
                None => {
                    tokio::select! {
                        () = sleep(HEAL_LOOK), if self.streams.load(Ordering::Acquire) > 0 => {}
                        () = self.knock.notified() => {}
                    }
                    continue;
                }
            }
            let began = Instant::now();
            let with_changes = began >= changes_at;
            let round = self.begin(with_changes);
            let done = self.carry_out(&store, &round).await;
            let took = began.elapsed();
            if let Err(error) = done {
                warn!(%error, "the lists of rooms cannot be read; trying again");
                self.put_back(round);
                sleep(PAUSE).await;
            }
            let now = Instant::now();
            fresh_at = now + FRESH_EVERY.max(took);
            if with_changes {
                changes_at = now + EVERY.max(took * REST_FACTOR);
            }
        }
    }

    fn has_work(&self) -> (bool, bool) {
        let noted = {
            let noted = lock(&self.noted);
            !noted.rooms.is_empty() || !noted.pairs.is_empty()
        };
        let people = lock(&self.people);
        let now = Instant::now();
        (!people.fresh.is_empty(), noted || people.of.values().any(|watcher| watcher.heal_at <= now))
    }

    /// What is to be read now. What is announced from here on is another round's.
    fn begin(&self, with_changes: bool) -> Round {
        let noted = if with_changes { std::mem::take(&mut *lock(&self.noted)) } else { Noted::default() };
        let mut people = lock(&self.people);
        people.lost.clear();
        let mut round = Round { fresh: people.fresh.drain().collect(), ..Round::default() };
        if with_changes {
            let now = Instant::now();
            let due = people.of.iter_mut().filter(|(_, watcher)| watcher.heal_at <= now).take(HEAL_AT_ONCE);
            for (person, watcher) in due {
                watcher.heal_at = now + HEAL_AFTER;
                round.heal.push(*person);
            }
        }
        let mut pairs: HashSet<(PersonId, RoomId)> = noted.pairs.into_iter().filter(|(person, _)| people.of.contains_key(person)).collect();
        for room in noted.rooms {
            pairs.extend(people.in_room.get(&room).into_iter().flatten().map(|person| (*person, room)));
        }
        round.pairs = pairs.into_iter().collect();
        round
    }

    /// Pairs first: a whole list that is read after them is at least as new.
    async fn carry_out(&self, store: &Store, round: &Round) -> Result<(), StoreError> {
        for pairs in round.pairs.chunks(PAIRS_AT_ONCE) {
            let lines = {
                let mut reader = store.reader().await?;
                reading::lines_of_pairs(&mut reader.conn(), pairs).await?
            };
            let lines: HashMap<(PersonId, RoomId), RoomLine> = lines.into_iter().map(|(person, line)| ((person, line.id), line)).collect();
            let again = lock(&self.people).hand_out(pairs, &lines);
            lock(&self.noted).pairs.extend(again);
        }
        for (people, fresh) in [(&round.heal, false), (&round.fresh, true)] {
            for some in people.chunks(PEOPLE_AT_ONCE) {
                let lines = {
                    let mut reader = store.reader().await?;
                    reading::lines_of_people(&mut reader.conn(), some).await?
                };
                let mut of: HashMap<PersonId, Vec<RoomLine>> = some.iter().map(|person| (*person, Vec::new())).collect();
                for (person, line) in lines {
                    of.entry(person).or_default().push(line);
                }
                for (person, lines) in of {
                    lock(&self.people).hand_out_whole(person, lines, fresh);
                }
            }
        }
        Ok(())
    }

    fn put_back(&self, round: Round) {
        lock(&self.noted).pairs.extend(round.pairs);
        let mut people = lock(&self.people);
        for person in round.fresh {
            // Who was served before it failed has nobody fresh any more.
            if people.of.get(&person).is_some_and(|watcher| !watcher.fresh.is_empty()) {
                people.fresh.insert(person);
            }
        }
        for person in round.heal {
            if let Some(watcher) = people.of.get_mut(&person) {
                watcher.heal_at = Instant::now();
            }
        }
    }
}

impl People {
    fn forget(&mut self, room: RoomId, person: PersonId) {
        if let Some(inside) = self.in_room.get_mut(&room) {
            inside.remove(&person);
            if inside.is_empty() {
                self.in_room.remove(&room);
            }
        }
    }

    /// Gives the streams what was read of these memberships, where it is news. Gives back those of whom something else was heard meanwhile.
    fn hand_out(&mut self, pairs: &[(PersonId, RoomId)], lines: &HashMap<(PersonId, RoomId), RoomLine>) -> Vec<(PersonId, RoomId)> {
        let mut again = Vec::new();
        for pair @ (person, room) in pairs {
            if self.lost.contains(pair) {
                // It may be theirs again by now.
                again.push(*pair);
                continue;
            }
            let Some(watcher) = self.of.get_mut(person) else { continue };
            match lines.get(pair) {
                Some(line) => {
                    let mark = fingerprint(line);
                    if watcher.known.insert(*room, Some(mark)) != Some(Some(mark)) {
                        watcher.settled().for_each(|listener| listener.mail(|mail| mail.put(line)));
                    }
                    self.in_room.entry(*room).or_default().insert(*person);
                }
                None => {
                    if watcher.known.remove(room).is_some() {
                        watcher.settled().for_each(|listener| listener.mail(|mail| mail.take_out(*room)));
                    }
                    self.forget(*room, *person);
                }
            }
        }
        again
    }

    /// Gives a person's streams the whole list: those that have just opened all of it, or the others what is news to them.
    fn hand_out_whole(&mut self, person: PersonId, mut lines: Vec<RoomLine>, fresh: bool) {
        lines.retain(|line| !self.lost.contains(&(person, line.id)));
        let Some(watcher) = self.of.get_mut(&person) else { return };
        if fresh {
            let new = std::mem::take(&mut watcher.fresh);
            for listener in watcher.listeners.iter().filter(|listener| new.contains(&listener.id)) {
                listener.mail(|mail| mail.put_whole(&lines));
            }
            // The others hear of changes at their own pace, and of each against what they were given.
            for line in &lines {
                let mark = fingerprint(line);
                match watcher.known.entry(line.id) {
                    Entry::Vacant(unknown) => {
                        unknown.insert(Some(mark));
                        let others = watcher
                            .listeners
                            .iter()
                            .filter(|listener| !new.contains(&listener.id) && !watcher.fresh.contains(&listener.id));
                        others.for_each(|listener| listener.mail(|mail| mail.put(line)));
                    }
                    // What comes next is news to some of them, whatever it is.
                    Entry::Occupied(mut known) if *known.get() != Some(mark) => drop(known.insert(None)),
                    Entry::Occupied(_) => {}
                }
                self.in_room.entry(line.id).or_default().insert(person);
            }
            return;
        }
        let here: HashSet<RoomId> = lines.iter().map(|line| line.id).collect();
        let gone: Vec<RoomId> = watcher.known.keys().filter(|room| !here.contains(room)).copied().collect();
        for line in &lines {
            let mark = fingerprint(line);
            if watcher.known.insert(line.id, Some(mark)) != Some(Some(mark)) {
                watcher.settled().for_each(|listener| listener.mail(|mail| mail.put(line)));
            }
            self.in_room.entry(line.id).or_default().insert(person);
        }
        for room in gone {
            if let Some(watcher) = self.of.get_mut(&person) {
                watcher.known.remove(&room);
                watcher.settled().for_each(|listener| listener.mail(|mail| mail.take_out(room)));
            }
            self.forget(room, person);
        }
    }
}

impl Watcher {
    /// Streams that have been given the whole list before.
    fn settled(&self) -> impl Iterator<Item = &Arc<Listener>> {
        self.listeners.iter().filter(|listener| !self.fresh.contains(&listener.id))
    }
}

fn fingerprint(line: &RoomLine) -> u64 {
    let mut hasher = DefaultHasher::new();
    line.hash(&mut hasher);
    hasher.finish()
}
