//! Writing: who may write when, what is committed together, and what is told afterwards.
//!
//! SQLite (`writer/sqlite.rs`): one task owns the only connection that writes, and commits together what waits together. Postgres
//! (`writer/postgres.rs`): each request runs in a task of its own.
//!
//! Both: what a transaction announces is told after its commit and before it is answered; revocations first, under the gate.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::postgres::PgPool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Postgres, Transaction};
use tokio::sync::{RwLock, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tracing::error;

use self::postgres::{POSTGRES_WRITES, PostgresWriter};
use self::sqlite::{FileId, SqliteWriter};
use super::search::News;
use super::{Announce, Announcement, Conn, Db, StoreError};
use crate::clock::Clock;
use crate::domain::Millis;
use crate::domain::id::RoomId;

pub(super) use self::sqlite::note_failure;

mod postgres;
mod sqlite;

/// Requests that may wait before posts are refused with "busy". At some thousand posts a second this is a fraction of a second.
const QUEUE: usize = 1024;
/// Requests of one commit: enough to make the flush cheap, few enough that the first does not wait long for the last.
pub(super) const BATCH: usize = 200;

/// What a request does when too many others wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Waits for its turn: the engine's writes, housekeeping.
    Wait,
    /// Is refused with [`StoreError::Busy`]: what people and programs send, who are told to come back.
    Refuse,
}

/// A write transaction in the hands of one request.
pub struct Tx {
    link: Db<SqliteConnection, Transaction<'static, Postgres>>,
    now: Millis,
    said: Vec<Announcement>,
    /// What the index of words learns at the commit, on SQLite.
    news: Vec<News>,
}

impl Tx {
    pub fn conn(&mut self) -> Conn<'_> {
        match &mut self.link {
            Db::Sqlite(conn) => Db::Sqlite(conn),
            Db::Postgres(tx) => Db::Postgres(&mut *tx),
        }
    }

    /// The time of this transaction.
    pub fn now(&self) -> Millis {
        self.now
    }

    /// Says something after the commit, if there is one.
    pub fn announce(&mut self, what: Announcement) {
        self.said.push(what);
    }

    /// Has the index of words learn this at the commit, if there is one.
    pub(super) fn teach(&mut self, news: News) {
        self.news.push(news);
    }

    /// Makes what is read of this room from here on stay true until the commit, where it is not known yet whether anything will change.
    /// On Postgres others who change the room wait meanwhile; on SQLite they do anyway.
    pub async fn hold(&mut self, room: RoomId) -> Result<(), StoreError> {
        super::rooms::hold(&mut self.conn(), room).await
    }

    /// Takes the room's next number and announces it. On Postgres this also holds the room's row until the commit, which is what
    /// makes numbers go out in the order of commits.
    pub async fn advance(&mut self, room: RoomId) -> Result<i64, StoreError> {
        let head = super::rooms::next_head(&mut self.conn(), room).await?;
        self.said.push(Announcement::Head { room, head });
        Ok(head)
    }

    /// The same for a new message: the room is active now.
    pub async fn advance_active(&mut self, room: RoomId) -> Result<i64, StoreError> {
        let now = self.now;
        let head = super::rooms::next_head_at(&mut self.conn(), room, now).await?;
        self.said.push(Announcement::Head { room, head });
        Ok(head)
    }
}

/// A request of any kind. It keeps its own result until it is known whether the transaction stands.
trait Request: Send {
    /// Runs the work; true if what it did shall stand.
    fn run<'r>(&'r mut self, tx: &'r mut Tx) -> BoxFuture<'r, bool>;
    /// Hands the result to whoever waits, or the reason why nothing stands. `shared` if others' writes were in the same transaction.
    fn answer(self: Box<Self>, fate: Result<(), StoreError>, shared: bool);
}

struct Pending<F, T, E> {
    work: Option<F>,
    result: Option<Result<T, E>>,
    waiting: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Request for Pending<F, T, E>
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run<'r>(&'r mut self, tx: &'r mut Tx) -> BoxFuture<'r, bool> {
        Box::pin(async move {
            let Some(work) = self.work.take() else { return false };
            // A panic in one request must not take the writer, and with it everybody's writes, along.
            let outcome = AssertUnwindSafe(async { work(tx).await }).catch_unwind().await;
            self.result = Some(outcome.unwrap_or_else(|panic| Err(StoreError::Undone(panic_text(&*panic).into()).into())));
            matches!(self.result, Some(Ok(_)))
        })
    }

    fn answer(self: Box<Self>, fate: Result<(), StoreError>, shared: bool) {
        let answer = match (self.result, fate) {
            // Its own refusal says more than the fate of what did not happen, unless it may rest on what another of the batch wrote and what
            // is undone now: “that is there already” would be a lie.
            (Some(Err(own)), Err(_)) if !shared => Err(own),
            (_, Err(fate)) => Err(fate.into()),
            (Some(result), Ok(())) => result,
            (None, Ok(())) => Err(StoreError::Closed.into()),
        };
        // Nobody waits any more: the client went away. What was committed stays committed.
        let _ = self.waiting.send(answer);
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    format!("a request panicked: {}", text.unwrap_or_default())
}

/// The handle through which everyone writes.
#[derive(Clone)]
pub struct Writer(Arc<Kind>);

enum Kind {
    Sqlite { queue: mpsc::Sender<Box<dyn Request>>, closing: mpsc::Sender<oneshot::Sender<()>> },
    Postgres(Arc<PostgresWriter>),
}

impl Writer {
    pub(super) fn sqlite(
        conn: SqliteConnection,
        options: SqliteConnectOptions,
        announce: Arc<dyn Announce>,
        gate: Arc<RwLock<()>>,
        clock: Clock,
        batch: usize,
    ) -> Self {
        let (queue, requests) = mpsc::channel(QUEUE);
        let (closing, close) = mpsc::channel(1);
        let file = FileId::of(&options);
        let announcer = Announcer { announce, gate };
        let task = SqliteWriter { options, file, requests, close, announcer, clock, batch, fold_after: Instant::now() };
        tokio::spawn(task.run(conn));
        Self(Arc::new(Kind::Sqlite { queue, closing }))
    }

    pub(super) fn postgres(pool: PgPool, announce: Arc<dyn Announce>, gate: Arc<RwLock<()>>, clock: Clock) -> Self {
        let turns = Semaphore::new(POSTGRES_WRITES);
        Self(Arc::new(Kind::Postgres(Arc::new(PostgresWriter {
            pool,
            turns,
            waiting: AtomicUsize::new(0),
            announcer: Announcer { announce, gate },
            clock,
        }))))
    }

    pub(super) async fn write<T, E, F>(&self, patience: Patience, work: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (waiting, answer) = oneshot::channel();
        let request: Box<dyn Request> = Box::new(Pending { work: Some(work), result: None, waiting });
        match &*self.0 {
            Kind::Sqlite { queue, .. } => match patience {
                Patience::Wait => queue.send(request).await.map_err(|_| StoreError::Closed)?,
                Patience::Refuse => queue.try_send(request).map_err(|e| match e {
                    mpsc::error::TrySendError::Full(_) => StoreError::Busy,
                    mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
                })?,
            },
            Kind::Postgres(writer) => {
                let waiting = writer.waiting.fetch_add(1, Ordering::Relaxed);
                if patience == Patience::Refuse && waiting >= QUEUE {
                    writer.waiting.fetch_sub(1, Ordering::Relaxed);
                    return Err(StoreError::Busy.into());
                }
                tokio::spawn(writer.clone().run(request, patience));
            }
        }
        answer.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    pub(super) async fn close(&self) {
        match &*self.0 {
            Kind::Sqlite { closing, .. } => {
                let (done, ended) = oneshot::channel();
                // An error on either channel means that the writer has ended already.
                if closing.send(done).await.is_ok() {
                    let _ = ended.await;
                }
            }
            Kind::Postgres(writer) => {
                // With every permit in hand no write is under way.
                let _ = writer.turns.acquire_many(POSTGRES_WRITES as u32).await;
                writer.turns.close();
            }
        }
    }
}

/// Tells what was committed, revocations first and under the gate.
struct Announcer {
    announce: Arc<dyn Announce>,
    gate: Arc<RwLock<()>>,
}

impl Announcer {
    /// Commits by `commit` and tells `said`. If access was revoked, nobody reads rows for streams from just before the commit until
    /// the hub has heard of it.
    async fn commit<E>(&self, mut said: Vec<Announcement>, commit: impl Future<Output = Result<(), E>>) -> Result<(), E> {
        let revokes = said.iter().any(|a| matches!(a, Announcement::Revoked(_)));
        let _exclusive;
        let _shared;
        // Others take the gate too, shared: on Postgres a revocation must be heard before what another task commits after it.
        match revokes {
            true => _exclusive = self.gate.write().await,
            false => _shared = self.gate.read().await,
        }
        let committed = commit.await;
        if committed.is_err() {
            // It may stand all the same, if only the answer was lost. Numbers, pieces of text and jobs are looked for in any case; whose
            // access it ended has to show it anew.
            said = said.into_iter().filter_map(doubted).collect();
        }
        said.sort_by_key(|a| !matches!(a, Announcement::Revoked(_)));
        if !said.is_empty() && catch_unwind(AssertUnwindSafe(|| self.announce.announce(said))).is_err() {
            // Whoever listens looks into the database every few seconds anyway. Without the writer nobody could write any more.
            error!("who listens to commits broke; what it missed it finds by itself");
        }
        committed
    }
}

fn doubted(said: Announcement) -> Option<Announcement> {
    match said {
        Announcement::Revoked(revocation) => Some(Announcement::Doubted(revocation)),
        _ => None,
    }
}
