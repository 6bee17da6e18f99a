//! The two databases that every test of the store's behaviour runs on.

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    Sqlite,
    Postgres,
}

/// A database of one test, gone with it.
#[derive(Debug)]
pub enum Database {
    /// The file of that path, in a folder that somebody else owns.
    Sqlite(std::path::PathBuf),
    Postgres {
        url: String,
        name: String,
    },
}

impl Database {
    /// A new, empty one. For SQLite a file in `folder` that the product itself makes.
    pub async fn new(on: On, folder: &std::path::Path) -> Self {
        match on {
            On::Sqlite => Self::Sqlite(folder.join("parlor.db")),
            On::Postgres => {
                let name = format!("test_{}", parlor::clock::Clock::system().new_id().simple());
                on_postgres(&format!("CREATE DATABASE {name}")).await;
                let url = server_url();
                let (server, _) = url.rsplit_once('/').expect("PARLOR_TEST_POSTGRES looks like postgres://user@host/postgres");
                Self::Postgres { url: format!("{server}/{name}"), name }
            }
        }
    }

    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres { url, .. } => url.clone(),
        }
    }

    /// Every row of a query, each column as text.
    pub async fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(path) => {
                let mut conn = sqlite(path).await;
                let rows = sqlx::query(sql).fetch_all(&mut conn).await.expect("the query is right");
                let text = |row: &sqlx::sqlite::SqliteRow, i| {
                    let number = || row.try_get_unchecked::<Option<i64>, _>(i).map(|n| n.map(|n| n.to_string()));
                    row.try_get::<Option<String>, _>(i).or_else(|_| number()).expect("a column is text or a number")
                };
                rows.iter().map(|row| (0..row.len()).map(|i| text(row, i)).collect()).collect()
            }
            Self::Postgres { url, .. } => {
                let mut conn = PgConnection::connect(url).await.expect("the database can be reached");
                let rows = sqlx::query(sql).fetch_all(&mut conn).await.expect("the query is right");
                let text = |row: &sqlx::postgres::PgRow, i| {
                    let number = || row.try_get::<Option<i64>, _>(i).map(|n| n.map(|n| n.to_string()));
                    let flag = || row.try_get::<Option<bool>, _>(i).map(|b| b.map(|b| i64::from(b).to_string()));
                    row.try_get::<Option<String>, _>(i).or_else(|_| number()).or_else(|_| flag()).expect("a column is text or a number")
                };
                rows.iter().map(|row| (0..row.len()).map(|i| text(row, i)).collect()).collect()
            }
        }
    }

    /// One number.
    pub async fn number(&self, sql: &str) -> i64 {
        self.rows(sql).await[0][0].as_deref().unwrap_or("0").parse().expect("a number")
    }

    /// Changes something behind the product's back.
    pub async fn execute(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(path) => {
                let mut conn = sqlite(path).await;
                sqlx::query(sql).execute(&mut conn).await.map(drop)
            }
            Self::Postgres { url, .. } => {
                let mut conn = PgConnection::connect(url).await.expect("the database can be reached");
                sqlx::query(sql).execute(&mut conn).await.map(drop)
            }
        }
        .expect("the statement is right");
    }

    /// The invariants of live-protocol §10 that can be seen in the rows.
    pub async fn holds(&self) {
        let heads = self
            .rows(
                "SELECT r.id, r.head, r.rev_seq, (SELECT MAX(m.rev_seq) FROM messages m WHERE m.room_id = r.id),
                        (SELECT COUNT(*) FROM messages m WHERE m.room_id = r.id),
                        (SELECT COUNT(DISTINCT m.rev_seq) FROM messages m WHERE m.room_id = r.id)
                   FROM rooms r",
            )
            .await;
        for row in heads {
            let number = |i: usize| row[i].as_deref().unwrap_or("0").parse::<i64>().unwrap();
            assert_eq!(number(1), number(2).max(number(3)), "a room's head is the largest number of its rows: {row:?}");
            assert_eq!(number(4), number(5), "no two messages of a room share a number: {row:?}");
        }
        let shared = "SELECT COUNT(*) FROM messages m JOIN rooms r ON r.id = m.room_id AND r.rev_seq = m.rev_seq";
        assert_eq!(self.number(shared).await, 0, "no message shares its number with its room's own row");
        let astray = "SELECT COUNT(*) FROM mentions n JOIN messages m ON m.id = n.message_id
                       WHERE n.room_id <> m.room_id OR n.seq <> m.created_seq OR n.person_id = m.author_id
                          OR m.state IN ('deleted', 'queued', 'streaming')";
        assert_eq!(self.number(astray).await, 0, "only what can be read concerns anybody, and never its author");
        let astray = "SELECT COUNT(*) FROM searchable s JOIN messages m ON m.id = s.message_id
                       WHERE s.room_id <> m.room_id OR s.author_id <> m.author_id OR m.state IN ('deleted', 'queued', 'streaming')";
        assert_eq!(self.number(astray).await, 0, "search finds only what can be read, where it stands");
        let more = "SELECT (SELECT COUNT(*) FROM searchable) - (SELECT COUNT(*) FROM search_words)";
        assert_eq!(self.number(more).await, 0, "the index has words for every message that can be found, and no others");
        assert_eq!(
            self.number("SELECT COUNT(*) FROM members m JOIN rooms r ON r.id = m.room_id WHERE m.read_seq > r.head").await,
            0,
            "nobody has read what is not there"
        );
        let mut known = std::collections::HashMap::new();
        for row in self.rows("SELECT message_id, attempt, part, off, text FROM chunks ORDER BY message_id, attempt, part, off").await {
            let cell = |i: usize| row[i].clone().unwrap();
            let len: &mut usize = known.entry((cell(0), cell(1), cell(2))).or_default();
            assert_eq!(cell(3), len.to_string(), "the chunks of a part are contiguous from 0");
            *len += cell(4).encode_utf16().count();
        }
        let orphans = "SELECT COUNT(*) FROM chunks c JOIN attempts t ON t.message_id = c.message_id AND t.attempt = c.attempt
                        WHERE t.state NOT IN ('queued', 'streaming')";
        assert_eq!(self.number(orphans).await, 0, "an attempt that has ended has no chunks");
        let states =
            "SELECT COUNT(*) FROM messages m JOIN attempts t ON t.message_id = m.id AND t.attempt = m.attempt WHERE m.state <> t.state";
        assert_eq!(self.number(states).await, 0, "a reply and its newest attempt are in one state");
        self.is_sound().await;
    }

    /// The database itself is whole: pages, indexes, references.
    pub async fn is_sound(&self) {
        match self {
            Self::Sqlite(_) => {
                assert_eq!(self.rows("PRAGMA integrity_check").await, [[Some("ok".to_owned())]], "the file is whole");
                assert_eq!(self.rows("PRAGMA foreign_key_check").await, Vec::<Vec<_>>::new(), "every reference leads somewhere");
            }
            Self::Postgres { .. } => {
                // Each index against its table, and what the constraints claim.
                self.execute("CREATE EXTENSION IF NOT EXISTS amcheck").await;
                let indexes =
                    "SELECT COUNT(bt_index_check(i.indexrelid, true)::TEXT) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                                 JOIN pg_am a ON a.oid = c.relam AND a.amname = 'btree'
                                WHERE c.relnamespace = 'public'::REGNAMESPACE";
                assert!(self.number(indexes).await > 0, "there are indexes");
                let unproved = "SELECT COUNT(*) FROM pg_constraint WHERE NOT convalidated";
                assert_eq!(self.number(unproved).await, 0, "every reference leads somewhere");
            }
        }
    }

    /// What is stored now that the server is dead, without touching it: of SQLite's files a copy in `folder` is looked at, since opening them
    /// would be the recovery that the server's next start is to do. On Postgres, once the dead server's last statements have ended.
    pub async fn as_left(&self, folder: &std::path::Path) -> Option<Self> {
        match self {
            Self::Sqlite(path) => {
                let copy = folder.join("parlor.db");
                for end in ["", "-wal"] {
                    let name = |path: &std::path::Path| std::path::PathBuf::from(format!("{}{end}", path.display()));
                    let _ = std::fs::remove_file(name(&copy));
                    match std::fs::copy(name(path), name(&copy)) {
                        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                        copied => drop(copied.expect("the files can be copied")),
                    }
                }
                let _ = std::fs::remove_file(folder.join("parlor.db-shm"));
                Some(Self::Sqlite(copy))
            }
            Self::Postgres { name, .. } => {
                let at_work = format!("SELECT COUNT(*) FROM pg_stat_activity WHERE datname = '{name}' AND application_name = 'parlor'");
                super::eventually("the dead server's statements end", async || (self.number(&at_work).await == 0).then_some(())).await;
                None
            }
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Self::Postgres { name, .. } = self else { return };
        let drop_it = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        // A runtime of its own: the test's may be the one that is ending.
        let dropped = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().map(|runtime| runtime.block_on(on_postgres(&drop_it)))
        });
        let _ = dropped.join();
    }
}

async fn sqlite(path: &std::path::Path) -> SqliteConnection {
    let options = SqliteConnectOptions::from_str(&format!("sqlite:{}", path.display())).unwrap();
    options.busy_timeout(super::PATIENCE).disable_statement_logging().connect().await.expect("the database file can be opened")
}

async fn on_postgres(sql: &str) {
    let options = PgConnectOptions::from_str(&server_url()).expect("PARLOR_TEST_POSTGRES is the address of a Postgres server");
    let mut conn = options.connect().await.expect("the Postgres server of PARLOR_TEST_POSTGRES can be reached");
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut conn).await.expect("the tests may make databases there");
}

fn server_url() -> String {
    std::env::var("PARLOR_TEST_POSTGRES")
        .expect("PARLOR_TEST_POSTGRES is not set, so nothing can be proved on Postgres: run ./test, which starts a throw-away server")
}
