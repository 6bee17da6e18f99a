//! Which reply runs when: claims jobs in the order in which they were asked, a few at a time, keeps their leases, passes stops on, marks what
//! a crash cut off, and ends everything in time at shutdown.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::connect::Connections;
use super::run::{self, Run, Signals};
use crate::domain::Millis;
use crate::domain::assistant::Provider;
use crate::domain::id::{MessageId, RoomId};
use crate::domain::message::{Facts, StateKind};
use crate::store::attempts::{Claim, Job};
use crate::store::{Announce, Announcement, Patience, Store, StoreError, attempts, messages};

/// Replies written at once by all providers, and by the built-in model, which shares one processor.
const AT_ONCE: usize = 64;
const BUILTIN_AT_ONCE: usize = 4;
/// Waiting jobs looked at in one go.
const LOOK_AT: usize = 256;
/// How often jobs and stops are looked for without being told: heals a lost signal.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a claim holds without being renewed, and how often it is renewed.
const LEASE: Millis = 15_000;
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// How long running replies may go on at shutdown.
const GRACE: Duration = Duration::from_secs(5);

/// Runs replies. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    store: Store,
    connections: Arc<Connections>,
    /// Names this process in the claims it holds.
    owner: String,
    asked: Notify,
    running: Mutex<HashMap<(MessageId, i64), Running>>,
    /// The loop itself, and the runs.
    tasks: TaskTracker,
    runs: TaskTracker,
    no_more: CancellationToken,
    cut: CancellationToken,
}

struct Running {
    stop: CancellationToken,
    builtin: bool,
}

impl Engine {
    /// Marks what an earlier process left behind, then starts working. `alone`: no other process works on this database, so whatever is
    /// being written by another was written by one that is gone.
    pub async fn start(store: Store, connections: Arc<Connections>, tasks: TaskTracker, alone: bool) -> Result<Self, StoreError> {
        let owner = store.clock().new_id().to_string();
        let engine = Self(Arc::new(Inner {
            store,
            connections,
            owner,
            asked: Notify::new(),
            running: Mutex::default(),
            tasks,
            runs: TaskTracker::new(),
            no_more: CancellationToken::new(),
            cut: CancellationToken::new(),
        }));
        engine.recover(if alone { Millis::MAX } else { engine.0.store.clock().now() }).await?;
        engine.0.tasks.spawn(engine.clone().work());
        Ok(engine)
    }

    /// Takes no more jobs, gives those that run a few seconds, and marks the rest as interrupted. Jobs that wait stay waiting.
    pub async fn shutdown(&self) {
        self.0.no_more.cancel();
        self.0.runs.close();
        if timeout(GRACE, self.0.runs.wait()).await.is_err() {
            self.0.cut.cancel();
            self.0.runs.wait().await;
        }
    }

    async fn work(self) {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut renewed = Instant::now();
        loop {
            let mut healing = false;
            tokio::select! {
                () = self.0.asked.notified() => {}
                _ = look.tick() => healing = true,
                () = self.0.no_more.cancelled() => break,
            }
            if healing && let Err(error) = self.heal(&mut renewed).await {
                warn!(%error, "the replies' state cannot be looked at");
            }
            if let Err(error) = self.claim_waiting().await {
                warn!(%error, "waiting replies cannot be claimed; trying again");
            }
        }
        // Leases are kept while the last runs end.
        while !self.0.runs.is_empty() {
            let _ = self.renew().await;
            let _ = timeout(RENEW_EVERY, self.0.runs.wait()).await;
        }
    }

    /// Passes on stops whose signal was lost, keeps leases, marks what another process left behind.
    async fn heal(&self, renewed: &mut Instant) -> Result<(), StoreError> {
        if renewed.elapsed() >= RENEW_EVERY {
            self.renew().await?;
            *renewed = Instant::now();
        }
        let wanted = {
            let mut snapshot = self.0.store.snapshot().await?;
            attempts::stops_wanted(&mut snapshot.conn(), &self.0.owner).await?
        };
        for (message, attempt) in wanted {
            self.stop(message, attempt);
        }
        // A run that panicked has left its attempt behind under our own name.
        let left = {
            let mut snapshot = self.0.store.snapshot().await?;
            attempts::owned_by(&mut snapshot.conn(), &self.0.owner).await?
        };
        self.mark(left).await?;
        self.recover(self.0.store.clock().now()).await
    }

    async fn renew(&self) -> Result<(), StoreError> {
        if self.running().is_empty() {
            return Ok(());
        }
        let owner = self.0.owner.clone();
        self.0
            .store
            .write(Patience::Wait, move |tx| {
                Box::pin(async move {
                    let until = tx.now() + LEASE;
                    attempts::renew(&mut tx.conn(), &owner, until).await
                })
            })
            .await
    }

    /// Replies that nobody writes any more become `interrupted`, with the text that is stored.
    async fn recover(&self, now: Millis) -> Result<(), StoreError> {
        let orphans = {
            let mut snapshot = self.0.store.snapshot().await?;
            attempts::orphans(&mut snapshot.conn(), now).await?
        };
        self.mark(orphans).await
    }

    /// Marks attempts that nobody writes any more.
    async fn mark(&self, left: Vec<(RoomId, Claim)>) -> Result<(), StoreError> {
        for (room, claim) in left {
            if self.running().contains_key(&(claim.message, claim.attempt)) {
                continue;
            }
            let (so_far, found) = {
                let mut snapshot = self.0.store.snapshot().await?;
                let conn = &mut snapshot.conn();
                (attempts::so_far(conn, claim.message, claim.attempt).await?, attempts::find(conn, claim.message, claim.attempt).await?)
            };
            let Some(attempt) = found else { continue };
            let job = Job {
                room,
                message: claim.message,
                attempt: claim.attempt,
                assistant: attempt.assistant,
                asked_by: attempt.asked_by,
                question: None,
            };
            let (state, why) = match attempt.stop_by {
                // Its stop had been asked for: that is what happened to it.
                Some(_) => (StateKind::Stopped, ""),
                None => (StateKind::Interrupted, run::CRASHED),
            };
            // What its model was given was stored with its first text; of one without text it is not known.
            let left = run::Left { so_far: &so_far, given: None };
            run::end(&self.0.store, &job, claim, left, state, why, &Facts::default()).await?;
            info!(message.id = %claim.message, "a reply whose process is gone was marked as interrupted");
        }
        Ok(())
    }

    async fn claim_waiting(&self) -> Result<(), StoreError> {
        let jobs = {
            let mut snapshot = self.0.store.snapshot().await?;
            let conn = &mut snapshot.conn();
            // One by one, so that many who wait for the slow model inside never hide who waits for another.
            let mut jobs = Vec::new();
            for provider in Provider::ALL {
                let waiting = attempts::queued_for(conn, provider, LOOK_AT).await?;
                jobs.extend(waiting.into_iter().map(|job| (provider == Provider::Builtin, job)));
            }
            jobs
        };
        for (builtin, job) in jobs {
            let (all, own) = {
                let running = self.running();
                (running.len(), running.values().filter(|r| r.builtin).count())
            };
            if all >= AT_ONCE || self.0.no_more.is_cancelled() {
                break;
            }
            if builtin && own >= BUILTIN_AT_ONCE {
                continue;
            }
            if let Some(claim) = self.claim(&job).await? {
                self.launch(job, claim, builtin);
            }
        }
        Ok(())
    }

    /// Takes a job, if it is still to be had: `queued` → `streaming` is a change of the room like any other.
    async fn claim(&self, job: &Job) -> Result<Option<Claim>, StoreError> {
        let (owner, room, message, attempt, asked_by) = (self.0.owner.clone(), job.room, job.message, job.attempt, job.asked_by);
        let claimed = self
            .0
            .store
            .write(Patience::Wait, move |tx| {
                Box::pin(async move {
                    let rev = tx.advance(room).await?;
                    let now = tx.now();
                    let claim = attempts::claim(&mut tx.conn(), message, attempt, &owner, now, now + LEASE).await?;
                    // An error only to undo the number that was taken.
                    let claim = claim.ok_or(Taken::ByAnother)?;
                    messages::reopen(tx, message, StateKind::Streaming, attempt, asked_by, rev).await?;
                    Ok(claim)
                })
            })
            .await;
        match claimed {
            Ok(claim) => Ok(Some(claim)),
            Err(Taken::ByAnother) => Ok(None),
            Err(Taken::Store(error)) => Err(error),
        }
    }

    fn launch(&self, job: Job, claim: Claim, builtin: bool) {
        let key = (claim.message, claim.attempt);
        let signals = Signals { stop: CancellationToken::new(), shutdown: self.0.cut.clone() };
        self.running().insert(key, Running { stop: signals.stop.clone(), builtin });
        let run = Run { store: self.0.store.clone(), connections: self.0.connections.clone(), job, claim, signals };
        let done = Done { engine: self.clone(), key };
        self.0.runs.spawn(async move {
            let _done = done;
            run.run().await;
        });
    }

    fn stop(&self, message: MessageId, attempt: i64) {
        if let Some(running) = self.running().get(&(message, attempt)) {
            running.stop.cancel();
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<(MessageId, i64), Running>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room for the next job when a run ends, also by a panic.
struct Done {
    engine: Engine,
    key: (MessageId, i64),
}

impl Drop for Done {
    fn drop(&mut self) {
        self.engine.running().remove(&self.key);
        self.engine.0.asked.notify_one();
    }
}

enum Taken {
    ByAnother,
    Store(StoreError),
}

impl From<StoreError> for Taken {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Announce for Engine {
    fn announce(&self, batch: Vec<Announcement>) {
        for what in batch {
            match what {
                Announcement::Asked => self.0.asked.notify_one(),
                Announcement::Stop { message, attempt } => self.stop(message, attempt),
                Announcement::Head { .. }
                | Announcement::Concerns { .. }
                | Announcement::Delta(_)
                | Announcement::Revoked(_)
                | Announcement::Doubted(_) => {}
            }
        }
    }
}
