//! SQLite: one task owns the only connection that writes. Requests wait in a bounded channel; the task takes all that wait, runs
//! each in a savepoint of one `BEGIN IMMEDIATE` transaction, commits once, announces, answers. With `synchronous=FULL` a commit
//! costs a flush of the disk, so a hundred posters share one. An error undoes one request and not its neighbours, unless SQLite
//! undid the whole transaction (full disk, I/O error): then the whole batch is answered with the error and nothing of it stands.
//! The log is folded into the database file here too, after the answers, so that no post waits for it that need not.
//!
//! What can go wrong with the file is answered in bounded time and mends itself: a lock that another program holds ends everybody's
//! waiting together; a full disk fails one batch at a time until there is room; an I/O error costs the connection, which is opened
//! again; a file that was moved away is not written to, because nobody would find it again.

use std::cell::Cell;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::{error, warn};

use super::{Announcer, QUEUE, Request, Tx};
use crate::clock::Clock;
use crate::store::{Db, SQLITE_LOCK_WAIT, StoreError, open_sqlite, search};

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

/// Which file the database is, however it is called.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(super) fn of(options: &SqliteConnectOptions) -> Option<Self> {
        std::fs::metadata(options.get_filename()).ok().map(|file| Self { device: file.dev(), inode: file.ino() })
    }
}

pub(super) struct SqliteWriter {
    pub(super) options: SqliteConnectOptions,
    /// The file that was opened at first.
    pub(super) file: Option<FileId>,
    pub(super) requests: mpsc::Receiver<Box<dyn Request>>,
    pub(super) close: mpsc::Receiver<oneshot::Sender<()>>,
    pub(super) announcer: Announcer,
    pub(super) clock: Clock,
    pub(super) batch: usize,
    /// Until then a log that is too long stays so.
    pub(super) fold_after: Instant,
}

impl SqliteWriter {
    pub(super) async fn run(mut self, conn: SqliteConnection) {
        let mut tx = Tx { link: Db::Sqlite(conn), now: 0, said: Vec::new(), news: Vec::new() };
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
        tx.news.clear();
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
            let before = (tx.said.len(), tx.news.len());
            let (stands, failure) = FAILURE.scope(Cell::new(None), async { (request.run(tx).await, FAILURE.with(Cell::get)) }).await;
            if !stands {
                tx.said.truncate(before.0);
                tx.news.truncate(before.1);
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
        let (said, news) = (std::mem::take(&mut tx.said), std::mem::take(&mut tx.news));
        let Db::Sqlite(conn) = &mut tx.link else { return Err(StoreError::Closed) };
        self.announcer.commit(said, search::commit(conn, news)).await
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
pub(in crate::store) fn note_failure(error: &StoreError) {
    let failure = match error {
        StoreError::Locked => Failure::Locked,
        StoreError::Full => Failure::Full,
        _ => return,
    };
    // Elsewhere there is nobody to note it for.
    let _ = FAILURE.try_with(|noted| noted.set(Some(failure)));
}
