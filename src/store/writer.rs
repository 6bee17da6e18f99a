//! Writing: who may write when, what is committed together, and what is told afterwards.
//!
//! SQLite: one task owns the only connection that writes. Requests wait in a bounded channel; the task takes all that wait, runs
//! each in a savepoint of one `BEGIN IMMEDIATE` transaction, commits once, announces, answers. With `synchronous=FULL` a commit
//! costs a flush of the disk, so a hundred posters share one. An error undoes one request and not its neighbours, unless SQLite
//! undid the whole transaction (full disk, I/O error): then the whole batch is answered with the error and nothing of it stands.
//! The log is folded into the database file here too, after the answers, so that no post waits for it that need not.
//!
//! What can go wrong with the file is answered in bounded time and mends itself: a lock that another program holds ends everybody's
//! waiting together; a full disk fails one batch at a time until there is room; an I/O error costs the connection, which is opened
//! again; a file that was moved away is not written to, because nobody would find it again.
//!
//! Postgres: each request runs in a task of its own, so that a client that goes away cannot leave a transaction half done. A server
//! that is gone is met again by the pool. Where the answer to a COMMIT is lost, it is not known whether it stands: the request is told
//! so, and streams whose right to go on is in doubt open again.
//!
//! Both: what a transaction announces is told after its commit and before it is answered; revocations first, under the gate.

use std::any::Any;
use std::cell::Cell;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::postgres::PgPool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, Postgres, Transaction};
use tokio::sync::{RwLock, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout};
use tracing::{error, warn};

use super::{ACQUIRE, Announce, Announcement, Conn, Db, SQLITE_LOCK_WAIT, StoreError, open_sqlite};
use crate::clock::Clock;
use crate::domain::Millis;
use crate::domain::id::RoomId;

/// Requests that may wait before posts are refused with "busy". At some thousand posts a second this is a fraction of a second.
const QUEUE: usize = 1024;
/// Requests of one commit: enough to make the flush cheap, few enough that the first does not wait long for the last.
pub(super) const BATCH: usize = 200;
/// Writes under way at once on Postgres: fewer than its connections, so that readers are never starved.
const POSTGRES_WRITES: usize = 10;
/// Pause before a broken SQLite connection is opened again.
const REOPEN: Duration = Duration::from_millis(250);
/// Pages of SQLite's log (4 KiB each) that are worth folding into the file when nobody waits; and those after which the log has to
/// begin anew, since it grows for as long as somebody always waits and somebody always reads.
const LOG_PAGES: i64 = 1000;
const LOG_PAGES_MOST: i64 = 4000;
/// How long readers are waited for to begin the log anew, and how long it is left alone where one of them did not end: a backup may take
/// minutes.
const LOG_WAIT: Duration = Duration::from_millis(50);
const LOG_PAUSE: Duration = Duration::from_secs(1);

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

/// What the database refused within a request: its own errors may say it in words that are not the store's.
#[derive(Clone, Copy, Debug)]
enum Failure {
    Locked,
    Full,
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Locked => Self::Locked,
            Failure::Full => Self::Full,
        }
    }
}

tokio::task_local! {
    /// The last of these that the request under way has met.
    static FAILURE: Cell<Option<Failure>>;
}

/// Notes what the database refused, if a request of the writer is under way here.
pub(super) fn note_failure(error: &StoreError) {
    let failure = match error {
        StoreError::Locked => Failure::Locked,
        StoreError::Full => Failure::Full,
        _ => return,
    };
    // Elsewhere there is nobody to note it for.
    let _ = FAILURE.try_with(|noted| noted.set(Some(failure)));
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

/// Which file the database is, however it is called.
#[derive(Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(options: &SqliteConnectOptions) -> Option<Self> {
        std::fs::metadata(options.get_filename()).ok().map(|file| Self { device: file.dev(), inode: file.ino() })
    }
}

struct SqliteWriter {
    options: SqliteConnectOptions,
    /// The file that was opened at first.
    file: Option<FileId>,
    requests: mpsc::Receiver<Box<dyn Request>>,
    close: mpsc::Receiver<oneshot::Sender<()>>,
    announcer: Announcer,
    clock: Clock,
    batch: usize,
    /// Until then a log that is too long stays so.
    fold_after: Instant,
}

impl SqliteWriter {
    async fn run(mut self, conn: SqliteConnection) {
        let mut tx = Tx { link: Db::Sqlite(conn), now: 0, said: Vec::new() };
        let mut batch = Vec::with_capacity(self.batch);
        let mut done = None;
        loop {
            tokio::select! {
                biased;
                Some(waiting) = self.close.recv(), if done.is_none() => {
                    // What waits already is still written; new requests are refused.
                    self.requests.close();
                    done = Some(waiting);
                }
                count = self.requests.recv_many(&mut batch, self.batch) => {
                    if count == 0 {
                        break;
                    }
                    match self.write(&mut tx, &mut batch).await {
                        Ok(()) => {
                            batch.drain(..).for_each(|request| request.answer(Ok(()), true));
                            self.fold_log(&mut tx).await;
                        }
                        Err(error) => self.fail(&mut tx, &mut batch, &error).await,
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

    /// Runs a batch, commits and announces it. After an error nothing of it stands.
    async fn write(&self, tx: &mut Tx, batch: &mut [Box<dyn Request>]) -> Result<(), StoreError> {
        tx.now = self.clock.now();
        tx.said.clear();
        // SQLite would go on writing to a file that has no name any more, and all of that would be gone with the process.
        if FileId::of(&self.options) != self.file {
            return Err(StoreError::Moved(self.options.get_filename().display().to_string()));
        }
        execute(tx, "BEGIN IMMEDIATE").await?;
        let last = batch.len() - 1;
        for (n, request) in batch.iter_mut().enumerate() {
            // A request that is alone is undone with its transaction.
            if n == 0 && last > 0 {
                execute(tx, "SAVEPOINT request").await?;
            }
            let before = tx.said.len();
            let (stands, failure) = FAILURE.scope(Cell::new(None), async { (request.run(tx).await, FAILURE.with(Cell::get)) }).await;
            if !stands {
                tx.said.truncate(before);
            }
            // Only SQLite itself can fail here: it has undone the whole transaction, and has forgotten why. What the request met says it.
            // The commit releases the last savepoint.
            let undone = |error: sqlx::Error| failure.map_or_else(|| StoreError::from(error), StoreError::from);
            match stands {
                false if last == 0 => return execute(tx, "ROLLBACK").await.map_err(undone),
                false => execute(tx, "ROLLBACK TO request").await.map_err(undone)?,
                true if n == last => {}
                true => execute(tx, "RELEASE request; SAVEPOINT request").await.map_err(undone)?,
            }
        }
        let said = std::mem::take(&mut tx.said);
        Ok(self.announcer.commit(said, execute(tx, "COMMIT")).await?)
    }

    /// Answers a whole batch with the database's error, and sees to it that the next one can be written.
    async fn fail(&mut self, tx: &mut Tx, batch: &mut Vec<Box<dyn Request>>, error: &StoreError) {
        // Where SQLite has done this already, it is an error that says nothing.
        let _ = execute(tx, "ROLLBACK").await;
        error!(%error, requests = batch.len(), "a batch of writes was undone");
        let shared = batch.len() > 1;
        batch.drain(..).for_each(|request| request.answer(Err(error.for_another()), shared));
        match error {
            // Whoever came meanwhile has waited too. If each batch waited for the lock anew, the last would be answered after minutes.
            StoreError::Locked => {
                for _ in 0..QUEUE {
                    let Ok(request) = self.requests.try_recv() else { break };
                    request.answer(Err(StoreError::Locked), false);
                }
            }
            // The log may be what found no room: folded into the file it can be begun again, in the room that it has.
            StoreError::Full => self.checkpoint(tx).await,
            StoreError::Moved(_) => {}
            _ => self.reopen(tx).await,
        }
    }

    /// Folds the log into the database file once it is worth it: in a quiet moment, or when it has become too long.
    async fn fold_log(&mut self, tx: &mut Tx) {
        let Db::Sqlite(conn) = &mut tx.link else { return };
        let pages = sqlx::query_as("PRAGMA wal_checkpoint(NOOP)").fetch_one(conn).await;
        let Ok((_, log, folded)): Result<(i64, i64, i64), _> = pages else { return };
        if log - folded >= LOG_PAGES && self.requests.is_empty() {
            return self.checkpoint(tx).await;
        }
        if log >= LOG_PAGES_MOST && Instant::now() >= self.fold_after {
            self.fold_after = Instant::now() + LOG_PAUSE;
            // Most of it first, for which nobody has to wait.
            self.checkpoint(tx).await;
            self.restart_log(tx).await;
        }
    }

    /// Waits for those who read from the log, so that the next write begins it anew. Who begins to read meanwhile reads the file.
    async fn restart_log(&self, tx: &mut Tx) {
        let pragmas = [
            format!("PRAGMA busy_timeout = {}", LOG_WAIT.as_millis()),
            "PRAGMA wal_checkpoint(RESTART)".to_owned(),
            format!("PRAGMA busy_timeout = {}", SQLITE_LOCK_WAIT.as_millis()),
        ];
        let Db::Sqlite(conn) = &mut tx.link else { return };
        for pragma in pragmas {
            if let Err(error) = sqlx::query(AssertSqlSafe(pragma)).execute(&mut *conn).await {
                warn!(%error, "the log cannot be begun anew; it grows until it can");
            }
        }
    }

    async fn checkpoint(&self, tx: &mut Tx) {
        // Passive: it waits for nobody who reads. What it leaves, the next one takes.
        if let Err(error) = execute(tx, "PRAGMA wal_checkpoint(PASSIVE)").await {
            warn!(%error, "the log cannot be folded into the database file; it grows until it can");
        }
    }

    /// After a failure of the database itself: a fresh connection holds no half transaction. Tries until it works, for what is broken
    /// now may be mended; requests that wait are answered meanwhile.
    async fn reopen(&mut self, tx: &mut Tx) {
        // Never a new file: an empty one in the old one's place would take what belongs into the other.
        let options = self.options.clone().create_if_missing(false);
        loop {
            match open_sqlite(&options).await {
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
                        request.answer(Err(StoreError::Busy), false);
                    }
                    // At shutdown nobody waits for a file that does not come back.
                    if self.requests.is_closed() || !self.close.is_empty() {
                        return;
                    }
                }
            }
        }
    }
}

async fn execute(tx: &mut Tx, sql: &'static str) -> Result<(), sqlx::Error> {
    with!(tx.conn(), |db| sqlx::query(sql).execute(&mut *db).await.map(|_| ()))
}

impl PostgresWriter {
    async fn run(self: Arc<Self>, request: Box<dyn Request>, patience: Patience) {
        self.commit(request, patience).await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    async fn commit(&self, mut request: Box<dyn Request>, patience: Patience) {
        let turn = match patience {
            Patience::Wait => self.turns.acquire().await,
            // A server that is gone costs each turn its whole patience. Behind a thousand others that would be minutes.
            Patience::Refuse => match timeout(ACQUIRE, self.turns.acquire()).await {
                Ok(turn) => turn,
                Err(_) => return request.answer(Err(StoreError::Busy), false),
            },
        };
        let Ok(_turn) = turn else { return request.answer(Err(StoreError::Closed), false) };
        let link = match self.pool.begin().await {
            Ok(link) => link,
            Err(error) => return request.answer(Err(error.into()), false),
        };
        let mut tx = Tx { link: Db::Postgres(link), now: self.clock.now(), said: Vec::new() };
        let stands = request.run(&mut tx).await;
        let Db::Postgres(link) = tx.link else { return request.answer(Err(StoreError::Closed), false) };
        let fate = match stands {
            true => self.announcer.commit(tx.said, link.commit()).await,
            false => link.rollback().await,
        };
        let fate = fate.map_err(|error| {
            error!(%error, "a write was not committed");
            match StoreError::from(error) {
                // The server has said no. Where it has said nothing, or only that it goes away, it may have committed before that.
                StoreError::Database(sqlx::Error::Database(error)) if error.code().is_none_or(|code| !code.starts_with("57P")) => {
                    StoreError::Undone(error.to_string().into())
                }
                StoreError::Database(error) => StoreError::Unknown(error.to_string().into()),
                error => error,
            }
        });
        // What it saw of others was committed.
        request.answer(fate, false);
    }
}
