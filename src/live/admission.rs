//! Who may listen to what, remembered for a minute: after a lost network thousands come back within a second, and asking the database about
//! each of them again would take most of that second.
//!
//! What is remembered is exact, not merely recent. Every revocation is announced after its commit and counted here; what was read from
//! the database is kept with the count as of *before* it was read, and is worth something only while the count is the same. A stream
//! compares once more after it is registered: from then on the hub tells it itself. Where others may write to the same database
//! (Postgres), their revocations are not heard here, so nothing is remembered.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::channel::lock;
use super::listener::Reader;
use crate::domain::Millis;
use crate::domain::id::RoomId;

/// How long something is remembered, in ms: sessions that end by themselves, and notes of when they were last seen, are no less exact than this.
const LIFE: Millis = 60_000;
/// How many are remembered at most; then all is forgotten, which costs a question each.
const MOST: usize = 50_000;

/// Who asks for a stream, and which rooms are theirs.
#[derive(Clone, Debug)]
pub struct Admission {
    pub reader: Reader,
    pub rooms: Arc<HashSet<RoomId>>,
    count: u64,
    until: Millis,
}

impl Admission {
    /// What the database said of somebody, after so many revocations.
    pub(super) fn new(reader: Reader, rooms: HashSet<RoomId>, count: u64, now: Millis) -> Self {
        Self { reader, rooms: Arc::new(rooms), count, until: now + LIFE }
    }
}

/// What is remembered.
#[derive(Default)]
pub(super) struct Admissions {
    revocations: AtomicU64,
    known: Mutex<HashMap<String, Admission>>,
}

impl Admissions {
    /// Revocations so far. To be read before the database is.
    pub fn count(&self) -> u64 {
        self.revocations.load(Ordering::Acquire)
    }

    /// Somebody's access has ended, or may have.
    pub fn revoked(&self) {
        // Counted first: who reads the old count now finds it changed when it compares.
        self.revocations.fetch_add(1, Ordering::AcqRel);
        lock(&self.known).clear();
    }

    pub fn find(&self, credential: &str, now: Millis) -> Option<Admission> {
        lock(&self.known).get(credential).filter(|known| known.until > now && known.count == self.count()).cloned()
    }

    /// Notes what the database said after `count` was read.
    pub fn note(&self, credential: &str, admission: &Admission) {
        let mut known = lock(&self.known);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(credential.to_owned(), admission.clone());
    }

    /// Whether nothing has been revoked since.
    pub fn is_current(&self, admission: &Admission) -> bool {
        admission.count == self.count()
    }
}
