//! Writing: who may write when, what is committed together, and what is told afterwards.
//!
//! SQLite: one task owns the only connection that writes. Requests wait in a bounded channel; the task takes all that wait, runs
//! each in a savepoint of one `BEGIN IMMEDIATE` transaction, commits once, announces, answers. With `synchronous=FULL` a commit
//! costs a flush of the disk, so a hundred posters share one. An error undoes one request and not its neighbours, unless SQLite
//! undid the whole transaction (full disk, I/O error): then the whole batch is answered with the error and nothing of it stands.
//!
//! Postgres: each request runs in a task of its own, so that a client that goes away cannot leave a transaction half done.
//!
//! Both: what a transaction announces is told after its commit and before it is answered; revocations first, under the gate.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::postgres::PgPool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Postgres, Transaction};
use tokio::sync::{RwLock, Semaphore, mpsc, oneshot};
use tracing::{error, warn};

use super::{Announce, Announcement, Conn, Db, StoreError, open_sqlite};
use crate::clock::Clock;
use crate::domain::Millis;
use crate::domain::id::RoomId;

/// Requests that may wait before posts are refused with "busy". At some thousand posts a second this is a fraction of a second.
const QUEUE: usize = 1024;
/// Requests of one commit: enough to make the flush cheap, few enough that the first does not wait long for the last.
const BATCH: usize = 200;
/// Writes under way at once on Postgres: fewer than its connections, so that readers are never starved.
const POSTGRES_WRITES: usize = 10;
/// Pause before a broken SQLite connection is opened again.
const REOPEN: Duration = Duration::from_millis(250);

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
}

/// A request of any kind. It keeps its own result until it is known whether the transaction stands.
trait Request: Send {
    /// Runs the work; true if what it did shall stand.
    fn run<'r>(&'r mut self, tx: &'r mut Tx) -> BoxFuture<'r, bool>;
    /// Hands the result to whoever waits, or the reason why nothing stands.
    fn answer(self: Box<Self>, fate: Result<(), StoreError>);
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
            let outcome = AssertUnwindSafe(work(tx)).catch_unwind().await;
            self.result = Some(outcome.unwrap_or_else(|panic| Err(StoreError::Undone(panic_text(&*panic).into()).into())));
            matches!(self.result, Some(Ok(_)))
        })
    }

    fn answer(self: Box<Self>, fate: Result<(), StoreError>) {
        let answer = match (self.result, fate) {
            // Its own refusal says more than the batch's fate.
            (Some(Err(own)), _) => Err(own),
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

struct PostgresWriter {
    pool: PgPool,
    /// One permit a write; closed at shutdown.
    turns: Semaphore,
    /// Requests that were taken and are not answered: the counterpart of SQLite's queue.
    waiting: AtomicUsize,
    announcer: Announcer,
    clock: Clock,
}

impl Writer {
    pub(super) fn sqlite(
        conn: SqliteConnection,
        options: SqliteConnectOptions,
        announce: Arc<dyn Announce>,
        gate: Arc<RwLock<()>>,
        clock: Clock,
    ) -> Self {
        let (queue, requests) = mpsc::channel(QUEUE);
        let (closing, close) = mpsc::channel(1);
        let task = SqliteWriter { options, requests, close, announcer: Announcer { announce, gate }, clock };
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
                tokio::spawn(writer.clone().run(request));
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
        commit.await?;
        said.sort_by_key(|a| !matches!(a, Announcement::Revoked(_)));
        if !said.is_empty() {
            self.announce.announce(said);
        }
        Ok(())
    }
}

struct SqliteWriter {
    options: SqliteConnectOptions,
    requests: mpsc::Receiver<Box<dyn Request>>,
    close: mpsc::Receiver<oneshot::Sender<()>>,
    announcer: Announcer,
    clock: Clock,
}

impl SqliteWriter {
    async fn run(mut self, conn: SqliteConnection) {
        let mut tx = Tx { link: Db::Sqlite(conn), now: 0, said: Vec::new() };
        let mut batch = Vec::with_capacity(BATCH);
        let mut done = None;
        loop {
            tokio::select! {
                biased;
                Some(waiting) = self.close.recv(), if done.is_none() => {
                    // What waits already is still written; new requests are refused.
                    self.requests.close();
                    done = Some(waiting);
                }
                count = self.requests.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        break;
                    }
                    let broken = self.commit_batch(&mut tx, std::mem::take(&mut batch)).await;
                    if broken {
                        self.reopen(&mut tx).await;
                    }
                }
            }
        }
        if let Db::Sqlite(mut conn) = tx.link {
            if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut conn).await {
                warn!(%error, "the last checkpoint failed; the next start makes it good");
            }
            let _ = conn.close().await;
        }
        if let Some(done) = done {
            let _ = done.send(());
        }
    }

    /// Runs and commits a batch and answers everyone in it. True if the connection can no longer be trusted.
    async fn commit_batch(&self, tx: &mut Tx, mut batch: Vec<Box<dyn Request>>) -> bool {
        tx.now = self.clock.now();
        tx.said.clear();
        if let Err(error) = execute(tx, "BEGIN IMMEDIATE").await {
            return fail(batch, &error);
        }
        for request in &mut batch {
            let before = tx.said.len();
            let step = async {
                execute(tx, "SAVEPOINT request").await?;
                let stands = request.run(tx).await;
                if !stands {
                    tx.said.truncate(before);
                    execute(tx, "ROLLBACK TO request").await?;
                }
                execute(tx, "RELEASE request").await
            };
            // Only SQLite itself can fail here: it has undone the whole transaction.
            if let Err(error) = step.await {
                let _ = execute(tx, "ROLLBACK").await;
                return fail(batch, &error);
            }
        }
        let said = std::mem::take(&mut tx.said);
        match self.announcer.commit(said, execute(tx, "COMMIT")).await {
            Ok(()) => {
                batch.into_iter().for_each(|request| request.answer(Ok(())));
                false
            }
            Err(error) => {
                let _ = execute(tx, "ROLLBACK").await;
                fail(batch, &error)
            }
        }
    }

    /// After a failure of the database itself: a fresh connection holds no half transaction. Tries until it works, for a disk that
    /// is full now may have room again; requests that wait are answered meanwhile.
    async fn reopen(&mut self, tx: &mut Tx) {
        loop {
            match open_sqlite(&self.options).await {
                Ok(conn) => {
                    if let Db::Sqlite(old) = std::mem::replace(&mut tx.link, Db::Sqlite(conn)) {
                        let _ = old.close_hard().await;
                    }
                    return;
                }
                Err(error) => {
                    error!(%error, "the database cannot be opened again; trying on");
                    tokio::time::sleep(REOPEN).await;
                    while let Ok(request) = self.requests.try_recv() {
                        request.answer(Err(StoreError::Busy));
                    }
                }
            }
        }
    }
}

/// Answers a whole batch with the database's error: nothing of it stands.
fn fail(batch: Vec<Box<dyn Request>>, error: &sqlx::Error) -> bool {
    error!(%error, requests = batch.len(), "the database undid a batch of writes");
    let why: Arc<str> = error.to_string().into();
    batch.into_iter().for_each(|request| request.answer(Err(StoreError::Undone(why.clone()))));
    true
}

async fn execute(tx: &mut Tx, sql: &'static str) -> Result<(), sqlx::Error> {
    with!(tx.conn(), |db| sqlx::query(sql).execute(&mut *db).await.map(|_| ()))
}

impl PostgresWriter {
    async fn run(self: Arc<Self>, request: Box<dyn Request>) {
        self.commit(request).await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    async fn commit(&self, mut request: Box<dyn Request>) {
        let Ok(_turn) = self.turns.acquire().await else { return request.answer(Err(StoreError::Closed)) };
        let link = match self.pool.begin().await {
            Ok(link) => link,
            Err(error) => return request.answer(Err(error.into())),
        };
        let mut tx = Tx { link: Db::Postgres(link), now: self.clock.now(), said: Vec::new() };
        let stands = request.run(&mut tx).await;
        let Db::Postgres(link) = tx.link else { return request.answer(Err(StoreError::Closed)) };
        let fate = match stands {
            true => self.announcer.commit(tx.said, link.commit()).await,
            false => link.rollback().await,
        };
        request.answer(fate.map_err(|error| {
            error!(%error, "Postgres undid a write");
            StoreError::Undone(error.to_string().into())
        }));
    }
}
