//! The only place with SQL: one schema on two databases, SQLite and Postgres.
//!
//! Every statement is written once and dispatched by `with!`. The rules that make this possible: `$1` placeholders; ids and
//! fingerprints as TEXT, times and numbers as BIGINT, flags as BOOLEAN; no `now()`, casts, arrays, ILIKE, JSON operators; time is
//! a parameter; helpers take a [`Conn`], never the pool, because a second acquire while holding one deadlocks a full pool.
//!
//! Reading is [`Store::snapshot`]: one consistent state of the database, open for as long as it lives, which must not be as long
//! as a stream. Writing is [`Store::write`]: a closure that runs in a transaction, possibly beside others of the same batch
//! (`writer.rs`), and whose announcements go out after the commit in the order of commits.
//!
//! What is decoded here is checked here: a row that makes no sense is [`StoreError::Corrupt`], not a panic and not a guess.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteError, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Postgres, Sqlite, Transaction};
use tokio::sync::{RwLock, RwLockReadGuard};

use crate::clock::Clock;

/// Runs one body on whichever database this is. The body is compiled twice, so all in it must mean the same on both.
macro_rules! with {
    ($conn:expr, |$db:ident| $body:expr) => {
        match $conn {
            $crate::store::Db::Sqlite($db) => $body,
            $crate::store::Db::Postgres($db) => $body,
        }
    };
}

pub mod accounts;
pub mod announce;
pub mod assistants;
pub mod attempts;
mod decode;
mod dialect;
pub mod files;
pub mod invites;
pub mod messages;
pub mod prompts;
pub mod reading;
pub mod rooms;
pub mod search;
pub mod sessions;
pub mod tokens;
pub mod usage;
pub mod writer;

pub use announce::{Announce, Announcement, ChunkDelta, Revocation};
pub use writer::{Patience, Tx};

/// One of the two databases, or what belongs to one of them.
#[derive(Debug)]
pub enum Db<S, P> {
    Sqlite(S),
    Postgres(P),
}

/// A connection, inside a transaction or not: what every function with SQL takes.
pub type Conn<'c> = Db<&'c mut SqliteConnection, &'c mut PgConnection>;

/// What can go wrong below. `Busy`, `Locked` and `Full` say what to do; the rest is for the log and an apology.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the server is busy: too many writes wait")]
    Busy,
    #[error("the server is shutting down")]
    Closed,
    #[error("there is no such room")]
    NoRoom,
    #[error("the database holds something that makes no sense: {0}")]
    Corrupt(String),
    /// Somebody else holds the database's lock (a backup, a `sqlite3` shell), longer than a request waits.
    #[error("another program holds the database's lock")]
    Locked,
    /// Nothing new fits. What is there is whole and can be read.
    #[error("the disk is full, or the file may not grow")]
    Full,
    /// The file of that name is gone, or is another one by now.
    #[error("the database file {0} was removed or replaced while the server runs: put it back, or start the server again")]
    Moved(String),
    /// The transaction was undone as a whole by the database (I/O error) although this request itself was sound.
    #[error("the write was undone: {0}")]
    Undone(Arc<str>),
    /// The connection broke while the commit was under way: it may stand or not.
    #[error("it is not known whether the write stands: {0}")]
    Unknown(Arc<str>),
    #[error("{0}")]
    Open(String),
    #[error(transparent)]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(inner) = &error else { return Self::Database(error) };
        let code = inner.code().unwrap_or_default();
        // SQLite's codes are numbers, the general one in the last byte; Postgres' are five characters.
        let kind = match inner.try_downcast_ref::<SqliteError>() {
            Some(_) => match code.parse::<i32>().map(|code| code & 0xff) {
                Ok(SQLITE_BUSY | SQLITE_LOCKED) => Some(Self::Locked),
                Ok(SQLITE_FULL) => Some(Self::Full),
                _ => None,
            },
            None => match &*code {
                POSTGRES_DISK_FULL => Some(Self::Full),
                POSTGRES_NO_LOCK | POSTGRES_DEADLOCK | POSTGRES_SERIALIZATION => Some(Self::Locked),
                _ => None,
            },
        };
        if let Some(kind) = &kind {
            writer::note_failure(kind);
        }
        kind.unwrap_or(Self::Database(error))
    }
}

const SQLITE_BUSY: i32 = 5;
const SQLITE_LOCKED: i32 = 6;
const SQLITE_FULL: i32 = 13;
const POSTGRES_DISK_FULL: &str = "53100";
const POSTGRES_NO_LOCK: &str = "55P03";
const POSTGRES_DEADLOCK: &str = "40P01";
const POSTGRES_SERIALIZATION: &str = "40001";

impl StoreError {
    /// A second row where only one may be: somebody was faster, or the id is taken.
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(e)) if e.is_unique_violation())
    }

    /// The same for another request that it undid as well.
    fn for_another(&self) -> Self {
        match self {
            Self::Locked => Self::Locked,
            Self::Full => Self::Full,
            Self::Moved(file) => Self::Moved(file.clone()),
            error => Self::Undone(error.to_string().into()),
        }
    }
}

/// The oldest SQLite that may hold data: before 3.51.3 a reset of the write-ahead log could corrupt the file.
const SQLITE_AT_LEAST: (u32, u32, u32) = (3, 51, 3);
/// Connections that read at once. SQLite reads are short and run on threads of their own; Postgres shares these with writers.
const SQLITE_READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 16;
/// How long a statement waits for another process's lock (a backup, a curious `sqlite3` shell) before it fails.
const SQLITE_LOCK_WAIT: Duration = Duration::from_secs(5);
/// How long a request waits for a free connection.
const ACQUIRE: Duration = Duration::from_secs(10);

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pool: Arc<Db<SqlitePool, PgPool>>,
    writer: writer::Writer,
    clock: Clock,
    /// Held for writing from the commit of a revocation until it has been announced, and for reading by whoever reads rows to
    /// send on. So nothing is ever read that was committed after a revocation which the hub has not heard of.
    gate: Arc<RwLock<()>>,
}

impl Store {
    /// Opens the database at `url` (`sqlite:PATH` or `postgres://…`), brings its tables up to date and starts the writer.
    pub async fn open(url: &str, clock: Clock, announce: Arc<dyn Announce>) -> Result<Self, StoreError> {
        Self::open_batching(url, clock, announce, writer::BATCH).await
    }

    /// The same with at most `batch` writes in one commit of SQLite: with 1 there is none but its own for each, to measure what sharing
    /// one is worth.
    pub async fn open_batching(url: &str, clock: Clock, announce: Arc<dyn Announce>, batch: usize) -> Result<Self, StoreError> {
        let gate = Arc::new(RwLock::new(()));
        match url.split_once(':') {
            Some(("sqlite", path)) => {
                let options = sqlite_options(Path::new(path.trim_start_matches("//")));
                let mut conn = open_sqlite(&options).await?;
                check_sqlite_version(&mut conn).await?;
                sqlx::migrate!("migrations/sqlite").run(&mut conn).await.map_err(|error| migration_failed(&error))?;
                let pool = SqlitePoolOptions::new()
                    .max_connections(SQLITE_READERS)
                    .acquire_timeout(ACQUIRE)
                    // A file does not go away like a server does, and each question is a hop to another thread and back.
                    .test_before_acquire(false)
                    .connect_with(options.clone().read_only(true))
                    .await?;
                let writer = writer::Writer::sqlite(conn, options, announce, gate.clone(), clock.clone(), batch.max(1));
                Ok(Self { pool: Arc::new(Db::Sqlite(pool)), writer, clock, gate })
            }
            Some(("postgres" | "postgresql", _)) => {
                let options = PgConnectOptions::from_str(url)
                    .map_err(|e| {
                        StoreError::Open(format!(
                            "The address of the database cannot be read ({e}): it looks like postgres://user@host/database."
                        ))
                    })?
                    .application_name("parlor")
                    .disable_statement_logging();
                // A pool would try again and again, and then know nothing but that it took too long.
                PgConnection::connect_with(&options)
                    .await
                    .map_err(|error| not_reached(&error))?
                    .close()
                    .await
                    .map_err(|error| not_reached(&error))?;
                let pool =
                    PgPoolOptions::new().max_connections(POSTGRES_CONNECTIONS).acquire_timeout(ACQUIRE).connect_with(options).await?;
                sqlx::migrate!("migrations/postgres").run(&pool).await.map_err(|error| migration_failed(&error))?;
                let writer = writer::Writer::postgres(pool.clone(), announce, gate.clone(), clock.clone());
                Ok(Self { pool: Arc::new(Db::Postgres(pool)), writer, clock, gate })
            }
            _ => Err(StoreError::Open("The database must be sqlite:PATH or postgres://user@host/database.".into())),
        }
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether nothing else can write to this database, so that what is announced here is all that happens.
    pub fn hears_every_write(&self) -> bool {
        matches!(*self.pool, Db::Sqlite(_))
    }

    /// One consistent state of the database, to read several things from.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Ok(Snapshot(match &*self.pool {
            Db::Sqlite(pool) => Db::Sqlite(pool.begin().await?),
            Db::Postgres(pool) => {
                // In a task of its own: where a caller goes away in the middle of it, the transaction that had just begun would stay open on a
                // connection that the next one gets, who could not write.
                let pool = pool.clone();
                let begun = tokio::spawn(async move { pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await });
                Db::Postgres(begun.await.map_err(|_| StoreError::Closed)??)
            }
        }))
    }

    /// For one question, or several that need not see the same state: cheaper than a snapshot by two hops to the database's thread.
    pub async fn reader(&self) -> Result<Reader, StoreError> {
        Ok(Reader(match &*self.pool {
            Db::Sqlite(pool) => Db::Sqlite(pool.acquire().await?),
            Db::Postgres(pool) => Db::Postgres(pool.acquire().await?),
        }))
    }

    /// To be held while rows are read that go to streams: see `gate`. Taken after the snapshot, whose state is that of its first question: a
    /// writer must not wait for those who wait for a connection.
    pub async fn gate(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().await
    }

    /// Runs `work` in a write transaction and returns once it is on disk. An error undoes what `work` did, and nothing else.
    /// The work goes on if the caller goes away: a handler that is dropped never leaves a transaction half done.
    pub async fn write<T, E, F>(&self, patience: Patience, work: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> futures_util::future::BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.writer.write(patience, work).await
    }

    /// Ends the writer after what waits has been written; SQLite's log is folded into the database file.
    pub async fn close(&self) {
        self.writer.close().await;
        match &*self.pool {
            Db::Sqlite(pool) => pool.close().await,
            Db::Postgres(pool) => pool.close().await,
        }
    }

    /// Whether the database answers: for `/readyz`.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut reader = self.reader().await?;
        with!(reader.conn(), |db| sqlx::query("SELECT 1").execute(&mut *db).await.map(|_| ()))?;
        Ok(())
    }
}

/// A read transaction. Dropping it ends it.
pub struct Snapshot(Db<Transaction<'static, Sqlite>, Transaction<'static, Postgres>>);

impl Snapshot {
    pub fn conn(&mut self) -> Conn<'_> {
        match &mut self.0 {
            Db::Sqlite(tx) => Db::Sqlite(&mut *tx),
            Db::Postgres(tx) => Db::Postgres(&mut *tx),
        }
    }
}

/// A connection to read from. Each question sees what is committed when it is asked.
pub struct Reader(Db<PoolConnection<Sqlite>, PoolConnection<Postgres>>);

impl Reader {
    pub fn conn(&mut self) -> Conn<'_> {
        match &mut self.0 {
            Db::Sqlite(conn) => Db::Sqlite(&mut *conn),
            Db::Postgres(conn) => Db::Postgres(&mut *conn),
        }
    }
}

fn sqlite_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // What is deleted is overwritten: a deleted message is in the file no more.
        .pragma("secure_delete", "ON")
        // Nor in others: else SQLite keeps what a savepoint changed, and what it sorts, in the system's folder for such files, and writes nothing
        // where there is none.
        .pragma("temp_store", "MEMORY")
        // The writer does that itself, when nobody waits for it.
        .pragma("wal_autocheckpoint", "0")
        // A log that grew while somebody read for long (a backup) gives the room back.
        .pragma("journal_size_limit", "16777216")
        .busy_timeout(SQLITE_LOCK_WAIT)
        // Rows go from the connection's thread to ours; each time this many wait, both threads sleep and wake.
        .row_buffer_size(1024)
        .disable_statement_logging()
}

async fn open_sqlite(options: &SqliteConnectOptions) -> Result<SqliteConnection, StoreError> {
    SqliteConnection::connect_with(options).await.map_err(|e| {
        StoreError::Open(format!(
            "The database {} cannot be opened ({e}): check that the folder exists and can be written to.",
            options.get_filename().display()
        ))
    })
}

async fn check_sqlite_version(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(conn).await?;
    let mut numbers = version.split('.').map(|n| n.parse::<u32>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    match found >= SQLITE_AT_LEAST {
        true => Ok(()),
        false => Err(StoreError::Open(format!(
            "This binary was built with SQLite {version}, which can corrupt data: build it with 3.51.3 or later."
        ))),
    }
}

fn not_reached(error: &sqlx::Error) -> StoreError {
    StoreError::Open(format!("The database server cannot be used ({error}): check that it runs, and the address given with --database."))
}

fn migration_failed(error: &sqlx::migrate::MigrateError) -> StoreError {
    StoreError::Open(format!(
        "The tables cannot be brought up to date ({error}). A newer Parlor may have written this database: start that one, or restore a backup."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a savepoint may have to restore, and what is sorted, is more here than SQLite keeps beside a file.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn no_text_goes_into_files_beside_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let mut conn = open_sqlite(&sqlite_options(&folder.path().join("test.db"))).await.unwrap();
        let texts = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)";
        sqlx::raw_sql("CREATE TABLE texts (id INTEGER PRIMARY KEY, text TEXT)").execute(&mut conn).await.unwrap();
        let fill = format!("{texts} INSERT INTO texts SELECT i, hex(randomblob(2000)) FROM n");
        let change = "SAVEPOINT request; UPDATE texts SET text = text || 'x'";
        for sql in ["BEGIN IMMEDIATE", &fill, "COMMIT", "BEGIN IMMEDIATE", change] {
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
        }
        let open = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
        let others: Vec<_> = open.filter(|path| path.to_string_lossy().contains("etilqs_")).collect();
        assert_eq!(others, Vec::<std::path::PathBuf>::new());
    }
}
