//! The writer when things go wrong: a request that fails among others, a lock that another program holds, a full disk, a file that is gone,
//! a process that is killed at each step of a commit, a Postgres that goes away. Clear answers, nothing lost, nothing there twice, and
//! it goes on without a restart.
//!
//! What needs a step of the writer to be held or counted works on the store itself, in this process or in a child of it; what people see is
//! proved on the real server.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::future::Future;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use futures_util::{FutureExt, poll};
use parlor::chat::messages::{Post, Posted};
use parlor::chat::{Chat, ChatError};
use parlor::clock::Clock;
use parlor::domain::id::{MessageId, PersonId, RoomId};
use parlor::domain::message::{AuthorId, MessageBody, StateKind, post_hash};
use parlor::domain::search::{Phrase, cut};
use parlor::store::messages::{Body, NewMessage};
use parlor::store::search::{Place, Wanted};
use parlor::store::{Announce, Announcement, Patience, Revocation, Store, StoreError, Tx, messages, search};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use reqwest::Method;
use rustix::process::{Pid, Resource, Rlimit, Signal, getpid, kill_process, prlimit};
use serde_json::json;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, RwLock};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::support::database::Database;
use crate::support::{On, Options, PASSWORD, PATIENCE, Page, Person, Server, eventually, kitchen_of, new_id, on_both, script};

/// Writes that wait before more are refused, as the writer has it.
const QUEUE: usize = 1024;

// ---- the store by itself ----

/// Notes each batch that is announced.
#[derive(Default)]
struct Ears(Mutex<Vec<Vec<Announcement>>>);

impl Announce for Ears {
    fn announce(&self, batch: Vec<Announcement>) {
        self.0.lock().unwrap().push(batch);
    }
}

impl Ears {
    fn heads(batch: &[Announcement]) -> Vec<i64> {
        batch.iter().filter_map(|a| if let Announcement::Head { head, .. } = a { Some(*head) } else { None }).collect()
    }

    /// The numbers of each batch since it was last asked.
    fn take(&self) -> Vec<Vec<i64>> {
        std::mem::take(&mut *self.0.lock().unwrap()).iter().map(|batch| Self::heads(batch)).collect()
    }
}

/// A store with somebody in a room without assistants.
struct House {
    chat: Chat,
    store: Store,
    ears: Arc<Ears>,
    database: Database,
    ada: PersonId,
    room: RoomId,
    folder: TempDir,
}

impl House {
    async fn new(on: On) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::new(on, folder.path()).await;
        let ears = Arc::<Ears>::default();
        let store = Store::open(&database.url(), Clock::system(), ears.clone()).await.unwrap();
        let chat = Chat::new(store.clone(), 1_000_000);
        let (ada, _) = chat.set_up("Ada", PASSWORD, IpAddr::V4(Ipv4Addr::LOCALHOST)).await.unwrap();
        let room = chat.add_room(ada.id, "Kitchen", "", false).await.unwrap().id;
        ears.take();
        Self { chat, store, ears, database, ada: ada.id, room, folder }
    }

    fn message(&self, text: &str) -> NewMessage {
        new_message(self.ada, self.room, MessageId(self.store.clock().new_id()), text, self.store.clock().now())
    }

    /// A write that waits in the writer's queue once this has returned.
    async fn queued<F>(&self, patience: Patience, work: F) -> BoxFuture<'static, Result<i64, StoreError>>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<i64, StoreError>> + Send + 'static,
    {
        let store = self.store.clone();
        let mut written = async move { store.write(patience, work).await }.boxed();
        match poll!(&mut written) {
            std::task::Poll::Pending => written,
            std::task::Poll::Ready(done) => std::future::ready(done).boxed(),
        }
    }

    async fn queued_message(&self, text: &str) -> BoxFuture<'static, Result<i64, StoreError>> {
        let new = self.message(text);
        self.queued(Patience::Refuse, move |tx| Box::pin(insert(tx, new))).await
    }

    async fn posts(&self, text: &str) -> Result<Posted, ChatError> {
        let post = Post { id: MessageId(self.store.clock().new_id()), text: text.to_owned(), reply_to: None, files: Vec::new() };
        self.chat.post(self.ada, self.room, post).await
    }

    async fn texts(&self) -> Vec<String> {
        let mut snapshot = self.store.snapshot().await.unwrap();
        let there = messages::page_after(&mut snapshot.conn(), self.room, 0, 5000).await.unwrap();
        there.into_iter().map(|stored| stored.message.text).collect()
    }
}

fn new_message(author: PersonId, room: RoomId, id: MessageId, text: &str, at: i64) -> NewMessage {
    let body = MessageBody::parse(text).unwrap();
    NewMessage {
        id,
        room,
        author: AuthorId::Person(author),
        post_hash: post_hash(author, room, None, &body, &[]),
        seq: 0,
        state: StateKind::Complete,
        attempt: 0,
        reply_to: None,
        asked_by: None,
        body: Body { text: text.to_owned(), html: format!("<p>{text}</p>"), excerpt: text.chars().take(80).collect(), renderer: 1 },
        at,
    }
}

async fn insert(tx: &mut Tx, new: NewMessage) -> Result<i64, StoreError> {
    let seq = tx.advance(new.room).await?;
    match messages::insert(tx, &NewMessage { seq, ..new }).await? {
        true => Ok(seq),
        false => Err(StoreError::Corrupt("there is a message with this id".into())),
    }
}

/// Another program that holds the lock of SQLite's file.
struct Intruder(SqliteConnection);

impl Intruder {
    async fn locks(database: &Database) -> Self {
        let Database::Sqlite(path) = database else { panic!("this is SQLite's lock") };
        let options = SqliteConnectOptions::new().filename(path).busy_timeout(PATIENCE);
        let mut conn = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut conn).await.unwrap();
        Self(conn)
    }

    async fn lets_go(mut self) {
        sqlx::query("ROLLBACK").execute(&mut self.0).await.unwrap();
        self.0.close().await.unwrap();
    }
}

async fn bounded<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_batch_only_what_fails_is_undone() {
    let house = House::new(On::Sqlite).await;
    // Nothing is committed before all of them wait: so they share transactions, which the announcements prove.
    let intruder = Intruder::locks(&house.database).await;
    let mut waiting = Vec::new();
    for n in 0..60 {
        let (new, room, ada) = (house.message(&format!("{n}")), house.room, house.ada);
        let written = match n % 6 {
            // A panic before the work has even begun, and one in the middle of it.
            1 => house.queued(Patience::Refuse, |_| panic!("at once")).await,
            2 => house.queued(Patience::Refuse, move |tx| Box::pin(async move { insert(tx, new).await.map(|_| panic!("later")) })).await,
            // What the tables refuse, after something that they took.
            3 => {
                house
                    .queued(Patience::Refuse, move |tx| {
                        Box::pin(async move {
                            insert(tx, new).await?;
                            let parlor::store::Db::Sqlite(conn) = tx.conn() else { panic!("this is SQLite") };
                            sqlx::query("INSERT INTO rooms SELECT * FROM rooms").execute(conn).await?;
                            Ok(0)
                        })
                    })
                    .await
            }
            // It changes much, wants to announce that somebody lost access, and then thinks better of it.
            4 => {
                house
                    .queued(Patience::Refuse, move |tx| {
                        Box::pin(async move {
                            insert(tx, new).await?;
                            tx.announce(Announcement::Revoked(Revocation::Member { room, person: ada }));
                            Err(StoreError::Corrupt("better not".into()))
                        })
                    })
                    .await
            }
            _ => house.queued(Patience::Refuse, move |tx| Box::pin(insert(tx, new))).await,
        };
        waiting.push(written);
    }
    intruder.lets_go().await;
    let done = bounded("all are answered", join_all(waiting)).await;
    let mut stored = Vec::new();
    for (n, done) in done.into_iter().enumerate() {
        match (n % 6, done) {
            (0 | 5, Ok(seq)) => stored.push((seq, n.to_string())),
            (1, Err(StoreError::Undone(why))) => assert!(why.contains("at once"), "{why}"),
            (2, Err(StoreError::Undone(why))) => assert!(why.contains("later"), "{why}"),
            (3, Err(error)) => assert!(error.is_unique_violation(), "{error}"),
            (4, Err(StoreError::Corrupt(why))) => assert_eq!(why, "better not"),
            (_, other) => panic!("number {n}: {other:?}"),
        }
    }
    assert_eq!(stored.len(), 20);
    stored.sort();
    assert_eq!(house.texts().await, stored.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>());
    let numbers: Vec<i64> = stored.iter().map(|(seq, _)| *seq).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "numbers of what was undone are given again: {numbers:?}");
    let batches = house.ears.0.lock().unwrap().clone();
    // The writer takes the first as soon as it comes, and then all that came meanwhile.
    assert!(batches.len() <= 2, "they shared commits: {batches:?}");
    let told = batches.concat();
    assert!(told.iter().all(|what| matches!(what, Announcement::Head { .. })), "what was undone is not announced: {told:?}");
    assert_eq!(Ears::heads(&told), numbers);
    house.database.holds().await;
}

/// Whoever is told “it stands already” must not have been told of something that is then undone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_answered_by_what_was_undone_after_all() {
    let house = House::new(On::Sqlite).await;
    // The first is under way until the others wait: then they are one batch.
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tells, waits, new) = (begun.clone(), go.clone(), house.message("first"));
    let first = house
        .queued(Patience::Refuse, move |tx| {
            Box::pin(async move {
                tells.notify_one();
                waits.notified().await;
                insert(tx, new).await
            })
        })
        .await;
    bounded("the first begins", begun.notified()).await;
    let new = house.message("twice");
    let again = new.clone();
    let once = house.queued(Patience::Refuse, move |tx| Box::pin(insert(tx, new))).await;
    let twice = house.queued(Patience::Refuse, move |tx| Box::pin(insert(tx, again))).await;
    let spoils = house
        .queued(Patience::Refuse, |tx| {
            Box::pin(async move {
                let parlor::store::Db::Sqlite(conn) = tx.conn() else { panic!("this is SQLite") };
                // What is wrong is only looked at when everything is committed.
                sqlx::query("PRAGMA defer_foreign_keys = ON").execute(&mut *conn).await?;
                sqlx::query("UPDATE messages SET reply_to = 'nobody'").execute(conn).await?;
                Ok(0)
            })
        })
        .await;
    go.notify_one();
    assert!(bounded("the first", first).await.is_ok());
    for (who, answer) in [("once", once), ("twice", twice), ("who spoilt it", spoils)] {
        let answer = bounded(who, answer).await;
        assert!(
            matches!(&answer, Err(error) if !matches!(error, StoreError::Corrupt(_))),
            "{who} is told of nothing that is not there: {answer:?}"
        );
    }
    assert_eq!(house.texts().await, ["first"]);
    house.database.holds().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_goes_in_time_is_only_waited_for() {
    let house = House::new(On::Sqlite).await;
    let intruder = Intruder::locks(&house.database).await;
    let first = house.queued_message("0").await;
    let mut waiting = vec![first];
    // As many as can wait; the first batch may have left the queue already. Then people are told to come back at once.
    let refused = loop {
        assert!(waiting.len() <= 2 * QUEUE, "the queue has an end");
        let mut next = house.queued_message(&waiting.len().to_string()).await;
        match (&mut next).now_or_never() {
            Some(done) => break done,
            None => waiting.push(next),
        }
    };
    assert!(matches!(refused, Err(StoreError::Busy)), "{refused:?}");
    assert!(waiting.len() >= QUEUE);
    // What the house itself writes waits for its turn.
    let own = house.message("the engine's");
    let mut own = house.queued(Patience::Wait, move |tx| Box::pin(insert(tx, own))).await;
    assert!((&mut own).now_or_never().is_none());
    let later = house.queued_message("refused").await.now_or_never();
    assert!(matches!(later, Some(Err(StoreError::Busy))), "nobody overtakes it: {later:?}");
    intruder.lets_go().await;
    waiting.push(own);
    let written = waiting.len();
    for done in bounded("all are answered", join_all(waiting)).await {
        done.unwrap();
    }
    assert_eq!(house.texts().await.len(), written);
    let batches: Vec<usize> = house.ears.take().iter().map(Vec::len).collect();
    assert!(batches.len() <= 10 && batches.iter().all(|len| *len <= 200), "{batches:?}");
    house.database.holds().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_stays_is_told_to_all_who_wait_at_once() {
    let house = House::new(On::Sqlite).await;
    let intruder = Intruder::locks(&house.database).await;
    let mut waiting = Vec::new();
    for n in 0..QUEUE {
        waiting.push(house.queued_message(&n.to_string()).await);
    }
    // Five batches of them: were each to wait for the lock anew, the last would be answered long after this.
    for done in bounded("all are answered", join_all(waiting)).await {
        assert!(matches!(done, Err(StoreError::Locked)), "{done:?}");
    }
    assert_eq!(house.ears.take(), Vec::<Vec<i64>>::new());
    assert_eq!(house.texts().await, Vec::<String>::new(), "reading goes on, and nothing was half done");
    intruder.lets_go().await;
    house.posts("again").await.unwrap();
    assert_eq!(house.texts().await, ["again"]);
    house.database.holds().await;
}

/// Breaks at every other thing that it is told.
#[derive(Default)]
struct Broken(AtomicUsize);

impl Announce for Broken {
    fn announce(&self, _: Vec<Announcement>) {
        assert!(self.0.fetch_add(1, Ordering::SeqCst).is_multiple_of(2), "it breaks");
    }
}

on_both! {
    async fn whoever_listens_to_commits_may_break_and_writing_goes_on(on: On) {
        let house = House::new(on).await;
        house.store.close().await;
        let broken = Arc::<Broken>::default();
        let store = Store::open(&house.database.url(), Clock::system(), broken.clone()).await.unwrap();
        let house = House { chat: Chat::new(store.clone(), 1_000_000), store, ..house };
        for n in 0..6 {
            bounded("it is answered", house.posts(&n.to_string())).await.unwrap();
        }
        assert_eq!(broken.0.load(Ordering::SeqCst), 6);
        assert_eq!(house.texts().await.len(), 6);
        house.database.holds().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_is_refused_and_the_rest_stays() {
    let house = House::new(On::Sqlite).await;
    let limit = async |pages: i64| {
        let set: Result<(), StoreError> = house
            .store
            .write(Patience::Wait, move |tx| {
                Box::pin(async move {
                    let parlor::store::Db::Sqlite(conn) = tx.conn() else { panic!("this is SQLite") };
                    sqlx::query(AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"))).execute(conn).await?;
                    Ok(())
                })
            })
            .await;
        set.unwrap();
    };
    let words = "word ".repeat(400);
    let (mut stored, mut full) = (Vec::new(), 0);
    for round in 0..20 {
        // Room for a post or two. The limit is the connection's, so it is gone when the writer opens a new one.
        limit(house.database.number("PRAGMA page_count").await + 6).await;
        let posts = (0..8).map(|n| {
            let text = format!("{round} {n} {}", words.trim());
            let house = &house;
            async move { (house.posts(&text).await, text) }
        });
        for (done, text) in join_all(posts).await {
            match done {
                Ok(_) => stored.push(text),
                Err(ChatError::Store(StoreError::Full)) => full += 1,
                // Sound itself, and undone with the one beside it that found no room.
                Err(ChatError::Store(StoreError::Undone(_))) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    }
    assert!(full >= 20 && !stored.is_empty(), "{full} {}", stored.len());
    let there = async || {
        let mut there = house.texts().await;
        there.sort();
        there
    };
    stored.sort();
    assert_eq!(there().await, stored, "what was answered is there, and nothing else");
    let told: usize = house.ears.take().iter().map(Vec::len).sum();
    assert_eq!(told, stored.len());
    house.database.holds().await;
    limit(1_000_000).await;
    house.posts("room again").await.unwrap();
    stored.push("room again".to_owned());
    stored.sort();
    assert_eq!(there().await, stored);
    house.database.holds().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_folded_into_the_file_also_when_there_is_never_a_quiet_moment() {
    let house = House::new(On::Sqlite).await;
    let words = "log ".repeat(4000);
    let longest = AtomicU64::new(0);
    let Database::Sqlite(path) = &house.database else { panic!("this is SQLite") };
    let log = PathBuf::from(format!("{}-wal", path.display()));
    // Many at once, so that somebody always waits, and readers between them.
    let posting = async |poster: usize| {
        for n in 0..50 {
            house.posts(&format!("{poster} {n} {words}")).await.unwrap();
            longest.fetch_max(size(&log), Ordering::SeqCst);
        }
    };
    join_all((0..24).map(posting)).await;
    let (file, longest) = (size(path), longest.load(Ordering::SeqCst));
    assert!(file > 30 << 20, "what was written is in the file: {file}");
    assert!(longest < 25 << 20, "the log grew to {longest} bytes");
    // Somebody reads for long, as a backup does: the log has to keep what they see, and nobody waits for them.
    let mut backup = house.store.snapshot().await.unwrap();
    let first = messages::page_after(&mut backup.conn(), house.room, 0, 1).await.unwrap();
    join_all((0..24).map(posting)).await;
    assert!(size(&log) > 30 << 20);
    assert_eq!(messages::page_after(&mut backup.conn(), house.room, 0, 1).await.unwrap(), first);
    drop(backup);
    for n in 0..3 {
        house.posts(&format!("after the backup, {n}")).await.unwrap();
    }
    assert!(size(&log) <= 17 << 20, "it gives the room back");
    house.database.holds().await;
}

fn size(file: &Path) -> u64 {
    std::fs::metadata(file).unwrap().len()
}

/// The log of a commit that a power cut tore off: after each prefix of it, a batch is there as a whole or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_log_holds_whole_batches() {
    let house = House::new(On::Sqlite).await;
    house.store.close().await;
    let ears = Arc::<Ears>::default();
    let store = Store::open(&house.database.url(), Clock::system(), ears.clone()).await.unwrap();
    let house = House { chat: Chat::new(store.clone(), 1_000_000), store, ears, ..house };
    let mut states = vec![0];
    for size in [1, 12, 3, 20] {
        let intruder = Intruder::locks(&house.database).await;
        let mut waiting = Vec::new();
        for n in 0..size {
            waiting.push(house.queued_message(&format!("{size} {n}")).await);
        }
        intruder.lets_go().await;
        join_all(waiting).await.into_iter().for_each(|done| assert!(done.unwrap() > 1));
        for batch in house.ears.take() {
            states.push(states.last().unwrap() + batch.len() as i64);
        }
    }
    let Database::Sqlite(path) = &house.database else { panic!("this is SQLite") };
    let log = std::fs::read(format!("{}-wal", path.display())).unwrap();
    // The log's own head, then frames of a head and a page.
    let (head, frame) = (32, 24 + 4096);
    let frames = (log.len() - head) / frame;
    assert!(frames > 3 * states.len(), "a batch is several frames: {frames}");
    let mut seen = Vec::new();
    for cut in (0..=frames).flat_map(|n| [head + n * frame, head + n * frame + frame / 2]).filter(|cut| *cut <= log.len()) {
        let copy = house.folder.path().join(format!("torn-{cut}.db"));
        std::fs::copy(path, &copy).unwrap();
        std::fs::write(format!("{}-wal", copy.display()), &log[..cut]).unwrap();
        let torn = Database::Sqlite(copy);
        let count = torn.number(&format!("SELECT COUNT(*) FROM messages WHERE room_id = '{}'", house.room)).await;
        assert!(states.contains(&count), "{count} messages after {cut} bytes: a part of a batch; whole ones are {states:?}");
        torn.holds().await;
        seen.push(count);
    }
    assert!(seen.is_sorted());
    seen.dedup();
    assert_eq!(seen, states);
}

// ---- the index of words, which learns once a commit ----

/// What one write does to the messages of a test, each known by its number.
#[derive(Clone, Debug)]
enum Change {
    /// Where there is this message already, it changes nothing.
    Says(usize, String),
    Edits(usize, String),
    Erases(usize),
}

/// How a write ends after its changes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Stands,
    Fails,
    Panics,
}

/// Words of which the texts are made; one for each way in which a text is cut.
const WORDS: [&str; 5] = ["heron", "otter", "树", "quay", "獭"];

/// Writes as they come, among them some that fail in the end. Only of a message that can be read is anything changed, as in the product.
fn writes() -> impl Strategy<Value = Vec<(Vec<Change>, End)>> {
    let text = vec(select(&WORDS), 0..4).prop_map(|words| if words.is_empty() { "…".to_owned() } else { words.join(" ") });
    let message = 0..MESSAGES;
    let change = prop_oneof![
        3 => (message.clone(), text.clone()).prop_map(|(n, text)| Change::Says(n, text)),
        3 => (message.clone(), text).prop_map(|(n, text)| Change::Edits(n, text)),
        1 => message.prop_map(Change::Erases),
    ];
    let end = prop_oneof![4 => Just(End::Stands), 1 => Just(End::Fails), 1 => Just(End::Panics)];
    vec((vec(change, 1..4), end), 20..60)
}

const MESSAGES: usize = 16;

/// What is said, by its number, while it can be read; `None` once it is erased.
type Said = BTreeMap<usize, Option<String>>;

/// The changes that make sense where `said` is said, and what is said after them.
fn played(changes: &[Change], said: &Said) -> (Vec<Change>, Said) {
    let mut after = said.clone();
    let mut done = Vec::new();
    for change in changes {
        let (n, text) = match change {
            Change::Says(n, text) | Change::Edits(n, text) => (*n, Some(text.clone())),
            Change::Erases(n) => (*n, None),
        };
        match (change, after.get(&n)) {
            (Change::Says(..), Some(_)) => {}
            (Change::Says(..), None) | (_, Some(Some(_))) => _ = after.insert(n, text),
            _ => continue,
        }
        done.push(change.clone());
    }
    (done, after)
}

/// Does what is asked, all of it, and then ends as it is told to.
async fn change(tx: &mut Tx, changes: Vec<(Change, NewMessage)>, end: End) -> Result<i64, StoreError> {
    let mut last = 0;
    for (change, new) in changes {
        let seq = tx.advance(new.room).await?;
        let (id, at) = (new.id, new.at);
        match change {
            Change::Says(..) => {
                if !messages::insert(tx, &NewMessage { seq, ..new }).await? {
                    // The number that it took is some row's, as always.
                    messages::touch(&mut tx.conn(), id, seq).await?;
                }
            }
            Change::Edits(..) => messages::edit(tx, id, &new.body, seq, at).await?,
            Change::Erases(_) => messages::erase(tx, id, seq).await?,
        }
        last = seq;
    }
    match end {
        End::Stands => Ok(last),
        End::Fails => Err(StoreError::Corrupt("better not".into())),
        End::Panics => panic!("better not"),
    }
}

impl House {
    /// What is found with these words one after the other, or all that can be found, the newest first.
    async fn finds(&self, words: &[&str]) -> Vec<MessageId> {
        let phrases: Vec<Phrase> = match words {
            [] => Vec::new(),
            words => vec![Phrase { words: words.iter().map(|word| (*word).to_owned()).collect(), open: false }],
        };
        let before = Place { place: i64::MAX, message: String::new() };
        let wanted = Wanted { phrases: &phrases, reader: self.ada, room: None, author: None, before, most: 1000 };
        let mut reader = self.store.reader().await.unwrap();
        search::find(&mut reader.conn(), &wanted).await.unwrap().into_iter().map(|hit| hit.id).collect()
    }
}

on_both! {
    /// Whatever happens in writes that share a commit, also when some of them are undone: each word is found in what is said in the end, and
    /// nowhere else, as if each had been committed alone.
    async fn what_shares_a_commit_is_found_as_if_each_were_alone(on: On) {
        let mut runner = TestRunner::deterministic();
        let house = House::new(on).await;
        for _ in 0..4 {
            // Several of one millisecond, so that places in the index are taken again.
            let now = house.store.clock().now();
            let news: Vec<NewMessage> = (0..MESSAGES)
                .map(|n| NewMessage { at: now - (n % 3) as i64, ..house.message("…") })
                .collect();
            let mut said = Said::new();
            for _ in 0..5 {
                let intruder = if on == On::Sqlite { Some(Intruder::locks(&house.database).await) } else { None };
                let mut waiting = Vec::new();
                let mut expected = Vec::new();
                for (changes, end) in writes().new_tree(&mut runner).unwrap().current() {
                    let (changes, after) = played(&changes, &said);
                    if end == End::Stands {
                        said = after;
                    }
                    expected.push(end);
                    let changes = changes.into_iter().map(|change| {
                        let (n, text) = match &change {
                            Change::Says(n, text) | Change::Edits(n, text) => (*n, text.clone()),
                            Change::Erases(n) => (*n, String::new()),
                        };
                        (change, NewMessage { body: Body { text, ..Body::default() }, ..news[n].clone() })
                    });
                    let changes: Vec<_> = changes.collect();
                    let mut written = house.queued(Patience::Refuse, move |tx| Box::pin(change(tx, changes, end))).await;
                    if on == On::Postgres {
                        // One after the other; here each has a commit of its own.
                        let done = (&mut written).await;
                        written = std::future::ready(done).boxed();
                    }
                    waiting.push(written);
                }
                if let Some(intruder) = intruder {
                    intruder.lets_go().await;
                }
                for (done, end) in bounded("all are answered", join_all(waiting)).await.into_iter().zip(expected) {
                    assert_eq!(done.is_ok(), end == End::Stands, "{done:?}");
                }
                let commits = house.ears.take().len();
                assert!(on == On::Postgres || commits <= 2, "they shared commits: {commits}");
                // Every pair of words too: where a word stands is known as well.
                let pairs = WORDS.iter().flat_map(|a| WORDS.iter().map(|b| vec![*a, *b]));
                for wanted in WORDS.iter().map(|word| vec![*word]).chain(pairs).chain([Vec::new()]) {
                    let has = |text: &String| match (cut(text), wanted.as_slice()) {
                        (words, []) => !words.is_empty(),
                        (words, wanted) => words.split(' ').collect::<Vec<_>>().windows(wanted.len()).any(|run| run == wanted),
                    };
                    let of_these = said.iter().filter(|(_, text)| text.as_ref().is_some_and(has));
                    let expected: BTreeSet<String> = of_these.map(|(n, _)| news[*n].id.to_string()).collect();
                    let ours = |id: &MessageId| news.iter().any(|new| new.id == *id);
                    let found: Vec<String> = house.finds(&wanted).await.iter().filter(|id| ours(id)).map(MessageId::to_string).collect();
                    assert_eq!(found.len(), expected.len(), "{wanted:?}: {found:?}");
                    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "{wanted:?} in {said:?}");
                }
                if on == On::Sqlite {
                    // FTS5 compares the index with its rows.
                    house.database.execute("INSERT INTO search_words (search_words) VALUES ('integrity-check')").await;
                }
                house.database.holds().await;
            }
        }
    }
}

/// No text without its words: where the index cannot take them, nothing of the batch stands, and all are told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_index_does_not_take_is_not_stored() {
    let house = House::new(On::Sqlite).await;
    house.posts("a heron").await.unwrap();
    house.ears.take();
    let refuses = "BEFORE INSERT ON search_words_content BEGIN SELECT RAISE(ABORT, 'no more words'); END";
    house.database.execute(&format!("CREATE TRIGGER refuses {refuses}")).await;
    for writes in [1, 7] {
        let intruder = Intruder::locks(&house.database).await;
        let mut waiting = Vec::new();
        for n in 0..writes {
            waiting.push(house.queued_message(&format!("an otter, {n}")).await);
        }
        intruder.lets_go().await;
        for done in bounded("all are answered", join_all(waiting)).await {
            assert!(matches!(&done, Err(StoreError::Undone(why)) if why.contains("constraint failed")), "{done:?}");
        }
    }
    assert_eq!(house.ears.take(), Vec::<Vec<i64>>::new());
    assert_eq!(house.texts().await, ["a heron"]);
    house.database.execute("DROP TRIGGER refuses").await;
    house.posts("another heron").await.unwrap();
    assert_eq!(house.texts().await, ["a heron", "another heron"]);
    assert_eq!((house.finds(&["heron"]).await.len(), house.finds(&["otter"]).await.len()), (2, 0));
    house.database.holds().await;
}

// ---- killed at each step ----

/// Where a process dies, in the order of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The transaction has begun, and no request has done anything.
    Begun,
    /// In the middle of the batch.
    Request,
    /// All have run; the commit waits for the gate, since they revoke something.
    Uncommitted,
    /// Committed, and nobody has been told.
    Committed,
    /// The house has been told, and nobody answered.
    Announced,
    /// The first has its answer.
    Answered,
}

const STEPS: [Step; 6] = [Step::Begun, Step::Request, Step::Uncommitted, Step::Committed, Step::Announced, Step::Answered];
/// Writes of the batch in which it dies.
const BATCH: usize = 10;

on_both! {
    async fn killed_at_each_step_nothing_is_lost_and_nothing_is_there_twice(on: On) {
        for step in STEPS {
            let house = House::new(on).await;
            house.store.close().await;
            let died = die(&house, step).await;
            // Opened again, as the next start does.
            let store = Store::open(&house.database.url(), Clock::system(), Arc::<Ears>::default()).await.unwrap();
            let house = House { chat: Chat::new(store.clone(), 1_000_000), store, ..house };
            let there = house.texts().await;
            for text in &died.answered {
                assert!(there.contains(text), "{step:?}: “{text}” was answered and is lost: {there:?}");
            }
            let mut snapshot = house.store.snapshot().await.unwrap();
            let stored = messages::page_after(&mut snapshot.conn(), house.room, 0, 100).await.unwrap();
            drop(snapshot);
            for head in &died.told {
                assert!(stored.iter().any(|s| s.message.rev == *head), "{step:?}: {head} was announced and is lost");
            }
            let of_batch = there.iter().filter(|text| text.starts_with("batch")).count();
            match (step, on) {
                (Step::Begun | Step::Request, On::Sqlite) | (Step::Uncommitted, _) => assert_eq!(of_batch, 0, "{step:?}: never committed"),
                (Step::Committed | Step::Announced | Step::Answered, On::Sqlite) => assert_eq!(of_batch, BATCH, "{step:?}: committed as one"),
                // Each in a transaction of its own.
                (Step::Begun | Step::Request, On::Postgres) => assert!(of_batch < BATCH, "{step:?}: {of_batch}"),
                (_, On::Postgres) => assert!(of_batch >= 1, "{step:?}: {of_batch}"),
            }
            match (step, on) {
                (Step::Begun | Step::Request, On::Postgres) => {}
                (Step::Begun | Step::Request | Step::Uncommitted | Step::Committed, _) => assert!(died.told.is_empty(), "{step:?}: {:?}", died.told),
                (Step::Announced | Step::Answered, _) => assert!(!died.told.is_empty(), "{step:?}"),
            }
            house.database.holds().await;
            // Whoever got no answer sends it again, and so does who did.
            for _ in 0..2 {
                for (id, text) in &died.sent {
                    let post = Post { id: *id, text: text.clone(), reply_to: None, files: Vec::new() };
                    house.chat.post(house.ada, house.room, post).await.unwrap_or_else(|error| panic!("{step:?}: {error}"));
                }
            }
            let mut there = house.texts().await;
            let mut sent: Vec<String> = died.sent.iter().map(|(_, text)| text.clone()).collect();
            there.sort();
            sent.sort();
            assert_eq!(there, sent, "{step:?}: each once");
            house.database.holds().await;
        }
    }
}

/// What a process said before it was killed.
#[derive(Default)]
struct Died {
    sent: Vec<(MessageId, String)>,
    answered: Vec<String>,
    told: Vec<i64>,
}

/// Lets a process of this program write to the house's database until it kills itself at a step.
async fn die(house: &House, step: Step) -> Died {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["writer::a_process_that_dies", "--exact", "--ignored", "--nocapture"]);
    command.env("WRITER_DATABASE", house.database.url()).env("WRITER_STEP", format!("{step:?}"));
    command.env("WRITER_PERSON", house.ada.to_string()).env("WRITER_ROOM", house.room.to_string());
    let mut child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
    let stdout = child.stdout.take().unwrap();
    let said = tokio::task::spawn_blocking(move || BufReader::new(stdout).lines().map_while(Result::ok).collect::<Vec<_>>());
    let said = timeout(PATIENCE, said).await;
    if said.is_err() {
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    let said = said.unwrap_or_else(|_| panic!("{step:?}: the process did not die")).unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{step:?}: {status:?} {said:?}");
    let mut died = Died::default();
    for line in said {
        let Some(rest) = line.split_once('!').map(|(_, rest)| rest) else { continue };
        match rest.split_once(' ') {
            Some(("sent", rest)) => {
                let (id, text) = rest.split_once(' ').unwrap();
                died.sent.push((id.parse().unwrap(), text.to_owned()));
            }
            Some(("answered", text)) => died.answered.push(text.to_owned()),
            Some(("told", head)) => died.told.push(head.parse().unwrap()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(died.sent.len(), BATCH + 3, "{step:?}");
    assert!(died.answered.len() >= 3, "{step:?}");
    died
}

/// In one write each, so that what it says before it dies is whole.
fn say(words: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("!{words}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

fn die_now() -> ! {
    kill_process(getpid(), Signal::KILL).unwrap();
    loop {
        std::thread::park();
    }
}

/// Dies when it is told of the batch, before or after it has passed that on.
struct Listener {
    step: Step,
    armed: Arc<AtomicBool>,
}

impl Announce for Listener {
    fn announce(&self, batch: Vec<Announcement>) {
        if !self.armed.load(Ordering::SeqCst) {
            return;
        }
        if self.step == Step::Committed {
            die_now();
        }
        Ears::heads(&batch).iter().for_each(|head| say(&format!("told {head}")));
        if self.step == Step::Announced {
            die_now();
        }
    }
}

#[test]
#[ignore = "the other process of the tests of crashes; they start it and let it die"]
fn a_process_that_dies() {
    let variable = |name: &str| std::env::var(name).expect("the tests of crashes set this");
    let step = STEPS.into_iter().find(|step| format!("{step:?}") == variable("WRITER_STEP")).unwrap();
    let (person, room): (PersonId, RoomId) = (variable("WRITER_PERSON").parse().unwrap(), variable("WRITER_ROOM").parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let clock = Clock::system();
        let armed = Arc::new(AtomicBool::new(false));
        let store =
            Store::open(&variable("WRITER_DATABASE"), clock.clone(), Arc::new(Listener { step, armed: armed.clone() })).await.unwrap();
        let chat = Chat::new(store.clone(), 1_000_000);
        println!();
        for n in 0..3 {
            let (id, text) = (MessageId(clock.new_id()), format!("before {n}"));
            say(&format!("sent {id} {text}"));
            chat.post(person, room, Post { id, text: text.clone(), reply_to: None, files: Vec::new() }).await.unwrap();
            say(&format!("answered {text}"));
        }
        // Until this write goes on, all that follow wait: on SQLite they are then one batch.
        let (began, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let opener = tokio::spawn({
            let (store, began, go_on) = (store.clone(), began.clone(), go_on.clone());
            async move {
                let opened: Result<(), StoreError> = store
                    .write(Patience::Wait, move |_| {
                        Box::pin(async move {
                            began.notify_one();
                            go_on.notified().await;
                            Ok(())
                        })
                    })
                    .await;
                opened
            }
        });
        began.notified().await;
        // On Postgres nothing waits for it, and it would only take somebody's turn.
        let (mut go_on, mut opener) = (Some(go_on), Some(opener));
        if variable("WRITER_DATABASE").starts_with("postgres")
            && let (Some(go_on), Some(opener)) = (go_on.take(), opener.take())
        {
            go_on.notify_one();
            opener.await.unwrap().unwrap();
        }
        armed.store(true, Ordering::SeqCst);
        // Held, it keeps those that revoke something from being committed.
        let gate = if step == Step::Uncommitted { Some(store.gate().await) } else { None };
        let ran = Arc::new(AtomicUsize::new(0));
        let mut waiting = Vec::new();
        // All are told of first: on Postgres one may be committed, and be the end, before the next has begun.
        let batch: Vec<(MessageId, String)> = (0..BATCH).map(|n| (MessageId(clock.new_id()), format!("batch {n}"))).collect();
        batch.iter().for_each(|(id, text)| say(&format!("sent {id} {text}")));
        for (n, (id, text)) in batch.into_iter().enumerate() {
            let (new, ran, store) = (new_message(person, room, id, &text, clock.now()), ran.clone(), store.clone());
            let mut written = async move {
                let written: Result<i64, StoreError> = store
                    .write(Patience::Refuse, move |tx| {
                        Box::pin(async move {
                            if step == Step::Begun {
                                die_now();
                            }
                            let seq = match step {
                                // On Postgres they hold the room one after the other; here all are to have run.
                                Step::Uncommitted if n > 0 && matches!(tx.conn(), parlor::store::Db::Postgres(_)) => 0,
                                _ => insert(tx, new).await?,
                            };
                            if step == Step::Uncommitted {
                                tx.announce(Announcement::Revoked(Revocation::Credential("nobody's".into())));
                            }
                            if ran.fetch_add(1, Ordering::SeqCst) == BATCH / 2 && step == Step::Request {
                                die_now();
                            }
                            Ok(seq)
                        })
                    })
                    .await;
                written.unwrap();
                say(&format!("answered {text}"));
                if step == Step::Answered {
                    die_now();
                }
            }
            .boxed();
            if poll!(&mut written).is_pending() {
                waiting.push(written);
            }
        }
        if let (Some(go_on), Some(opener)) = (go_on.take(), opener.take()) {
            go_on.notify_one();
            opener.await.unwrap().unwrap();
        }
        if gate.is_some() {
            let all = async {
                while ran.load(Ordering::SeqCst) < BATCH {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                die_now();
            };
            futures_util::future::join(join_all(waiting), all).await;
        } else {
            join_all(waiting).await;
        }
    });
    panic!("it was to die");
}

// ---- the real server ----

/// Ada and Bob in a room with an assistant that answers when it is named.
async fn kitchen(server: &Server) -> (Person, Person, String) {
    let (ada, bob, room) = kitchen_of(server).await;
    server.assistant("Echo", &room, "mention").await;
    (ada, bob, room)
}

async fn posts(person: &Person, room: &str, id: &str, words: &str) -> Page {
    person.tries_to_post(room, json!({ "id": id, "text": words })).await
}

/// A post by form: the answer is a page for people.
async fn posts_by_form(person: &Person, room: &str, words: &str) -> Page {
    let id = new_id();
    person.post(&format!("/rooms/{room}/messages"), &[("id", id.as_str()), ("text", words), ("reply_to", "")]).await
}

/// A refusal for now, as programs and people see it.
fn is_clear(page: &Page, status: u16, code: &str) {
    assert_eq!((page.status, page.code().as_str()), (status, code), "{}", page.body);
    assert!(page.header("retry-after").parse::<u64>().is_ok_and(|seconds| (1..=60).contains(&seconds)), "when to come back");
    let sentence = page.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(sentence.contains("not stored") || sentence.contains("could not store") || sentence.contains("may be there"), "{sentence}");
}

fn is_clear_page(page: &Page, status: u16, words: &str) {
    assert_eq!(page.status, status, "{}", page.body);
    assert!(page.header("retry-after").parse::<u64>().is_ok());
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.body.contains(words), "what was typed comes back: {}", page.body);
}

async fn texts(person: &Person, room: &str) -> Vec<String> {
    let page = person.call(Method::GET, &format!("/api/rooms/{room}/messages?limit=200"), None).await.ok();
    page["messages"].as_array().unwrap().iter().map(|message| message["text"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_another_program_holds_the_database_people_are_told_and_read_on() {
    let server = Server::start(On::Sqlite).await;
    let (ada, bob, room) = kitchen(&server).await;
    let mut tab = bob.live(&room).await;
    let question = ada.says(&room, &format!("@Echo {}", script(&["say one", "wait go", "say \" two\""]))).await;
    let reply = tab.sees_reply_to(&question).await;
    tab.sees_so_far(&reply, "one").await;

    let intruder = Intruder::locks(&server.database).await;
    server.open("go");
    let id = new_id();
    let (api, form) = tokio::join!(posts(&ada, &room, &id, "held up"), posts_by_form(&ada, &room, "held up too"));
    is_clear(&api, 503, "locked");
    is_clear_page(&form, 503, "held up too");
    // Reading goes on, also for who comes now; and nothing is shown that is not stored.
    let mut late = bob.live(&room).await;
    late.sees_so_far(&reply, "one").await;
    assert_eq!(late.rows[&reply].text(), "one");
    assert!(!texts(&bob, &room).await.iter().any(|text| text.contains("held up")));
    assert_eq!(ada.get("/readyz").await.status, 200);

    intruder.lets_go().await;
    assert_eq!(posts(&ada, &room, &id, "held up").await.status, 201);
    for tab in [&mut tab, &mut late] {
        tab.sees("held up").await;
        assert_eq!(tab.sees_state(&reply, "complete").await.text(), "one two");
        assert_eq!(tab.gaps, 0);
    }
    assert_eq!(texts(&bob, &room).await.iter().filter(|text| *text == "held up").count(), 1);
    server.database.holds().await;
}

/// How a disk is too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    /// A small file system of its own, filled up. Where mounting one is not allowed, as in most containers, the next.
    Disk,
    /// No file of the process may grow beyond a size. What is in the way is an I/O error then, so the connection is opened again too.
    FileSize,
}

/// A data folder with little room, on which the server starts.
struct Small {
    limit: Limit,
    folder: PathBuf,
}

impl Small {
    fn new(limit: Limit, folder: &Path) -> Self {
        let mounted = limit == Limit::Disk
            && Command::new("mount")
                .args(["-t", "tmpfs", "-o", "size=8m", "parlor-test"])
                .arg(folder)
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success());
        let limit = if mounted { Limit::Disk } else { Limit::FileSize };
        Self { limit, folder: folder.to_owned() }
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }

    /// From now on hardly anything fits.
    fn fill(&self, server: Pid) {
        match self.limit {
            Limit::Disk => {
                let mut file = File::create(self.filler()).unwrap();
                while file.write_all(&[0; 4096]).is_ok() {}
            }
            Limit::FileSize => {
                let size = |name: &str| std::fs::metadata(self.folder.join(name)).map_or(0, |file| file.len());
                let limit = size("parlor.db").max(size("parlor.db-wal"));
                prlimit(Some(server), Resource::Fsize, Rlimit { current: Some(limit), maximum: None }).unwrap();
            }
        }
    }

    fn free(&self, server: Pid) {
        match self.limit {
            Limit::Disk => std::fs::remove_file(self.filler()).unwrap(),
            Limit::FileSize => drop(prlimit(Some(server), Resource::Fsize, Rlimit { current: None, maximum: None }).unwrap()),
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        if self.limit == Limit::Disk {
            // At once for everyone, also while the server still has its files open.
            let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
        }
    }
}

/// Long enough that a full disk is soon noticed: what is freed within the files is used before they grow.
fn long(words: &str) -> String {
    format!("{words} {}", "and so on ".repeat(4000).trim())
}

async fn nothing_can_be_stored(limit: Limit) {
    let server = Server::prepare(On::Sqlite, Options::default()).await;
    let small = Small::new(limit, server.data());
    let (status, code) = match small.limit {
        Limit::Disk => (507, "disk_full"),
        Limit::FileSize => (503, "storage"),
    };
    let server = server.go().await;
    let (ada, bob, room) = kitchen(&server).await;
    let mut tab = bob.live(&room).await;
    let question =
        ada.says(&room, &format!("@Echo {}", script(&["say one", "wait go", "say \" two\"", "wait more", "say \" three\""]))).await;
    let reply = tab.sees_reply_to(&question).await;
    tab.sees_so_far(&reply, "one").await;

    small.fill(server.pid());
    let mut stored = Vec::new();
    let (refused, page) = loop {
        assert!(stored.len() < 200, "it is full at last");
        let (id, words) = (new_id(), long(&format!("number {}", stored.len())));
        match posts(&ada, &room, &id, &words).await {
            page if page.status == 201 => stored.push(words),
            page => break ((id, words), page),
        }
    };
    is_clear(&page, status, code);
    is_clear_page(&posts_by_form(&ada, &room, &long("by form")).await, status, "by form and so on");
    // Small things may still fit: long ones do not, and stay away.
    for _ in 0..3 {
        is_clear(&posts(&ada, &room, &new_id(), &long("never")).await, status, code);
    }
    // Reading goes on, who comes is let in, and streams live on.
    let mut late = bob.live(&room).await;
    late.catches_up().await;
    let shown = texts(&bob, &room).await;
    assert!(stored.iter().all(|words| shown.contains(words)), "what was answered is there");
    assert!(!shown.iter().any(|text| text.starts_with("never") || text.starts_with("by form") || *text == refused.1));
    server.open("go");

    small.free(server.pid());
    assert_eq!(posts(&ada, &room, &refused.0, &refused.1).await.status, 201, "with room again it works, without a restart");
    server.open("more");
    tab.sees(&refused.1).await;
    late.sees(&refused.1).await;
    for tab in [&mut tab, &mut late] {
        assert_eq!(tab.sees_state(&reply, "complete").await.text(), "one two three");
        assert_eq!(tab.gaps, 0);
    }
    assert_eq!(tab.shows(), {
        let mut fresh = bob.live(&room).await;
        fresh.catches_up().await;
        fresh.shows()
    });
    server.database.holds().await;
    server.kill9().await;
    server.restart().await;
    let shown = texts(&bob, &room).await;
    stored.push(refused.1);
    for words in &stored {
        assert_eq!(shown.iter().filter(|text| *text == words).count(), 1);
    }
    assert_eq!(shown.len(), stored.len() + 2, "and nothing else");
    server.database.holds().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_people_are_told_and_read_on() {
    nothing_can_be_stored(Limit::Disk).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_errors_of_the_disk_the_database_is_opened_again() {
    nothing_can_be_stored(Limit::FileSize).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_cannot_be_stored_for_long_is_interrupted_with_what_came() {
    let server = Server::prepare(On::Sqlite, Options::args(&["--reply-silence", "4"])).await;
    let small = Small::new(Limit::FileSize, server.data());
    let server = server.go().await;
    let (ada, bob, room) = kitchen(&server).await;
    let mut tab = bob.live(&room).await;
    let question = ada.says(&room, &format!("@Echo {}", script(&["say one", "wait go", "say \" two\"", "wait never"]))).await;
    let reply = tab.sees_reply_to(&question).await;
    tab.sees_so_far(&reply, "one").await;
    small.fill(server.pid());
    server.open("go");
    eventually("it is given up", async || server.log().contains("the end of a reply cannot be stored").then_some(())).await;
    let mut late = bob.live(&room).await;
    late.sees_so_far(&reply, "one").await;
    assert_eq!(
        (late.rows[&reply].state.as_str(), late.rows[&reply].text().as_str()),
        ("streaming", "one"),
        "what is not stored is not shown"
    );
    small.free(server.pid());
    let row = tab.sees_state(&reply, "interrupted").await;
    assert_eq!(row.text(), "one two");
    assert_eq!(row.json["why"], "The server could not store this for a while, so it was ended. Continue from here.");
    server.database.holds().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_file_that_is_gone_is_not_written_to() {
    let server = Server::start(On::Sqlite).await;
    let (ada, bob, room) = kitchen(&server).await;
    ada.says(&room, "before").await;
    let Database::Sqlite(path) = &server.database else { panic!("this is SQLite") };
    let away = path.with_extension("away");
    std::fs::rename(path, &away).unwrap();
    is_clear(&posts(&ada, &room, &new_id(), "into nowhere").await, 503, "storage");
    assert!(server.log().contains("was removed or replaced"), "whoever runs it is told");
    assert_eq!(texts(&bob, &room).await, ["before"], "what is open can be read");
    assert!(!path.exists(), "and no empty one takes its place");
    // Another file of that name is not the database either.
    std::fs::copy(&away, path).unwrap();
    let untouched = std::fs::read(path).unwrap();
    is_clear(&posts(&ada, &room, &new_id(), "into another").await, 503, "storage");
    assert!(std::fs::read(path).unwrap() == untouched);
    // Put back, it goes on.
    std::fs::rename(&away, path).unwrap();
    ada.says(&room, "after").await;
    assert_eq!(texts(&bob, &room).await, ["before", "after"]);
    server.database.holds().await;
    server.kill9().await;
    server.restart().await;
    assert_eq!(texts(&bob, &room).await, ["before", "after"]);
}

// ---- Postgres ----

/// What happens to a COMMIT on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Commits {
    Pass,
    /// The server commits, and the connection is lost before it can say so.
    Unanswered,
    /// The connection is lost before it arrives.
    Lost,
}

/// A way to a Postgres server that can be led elsewhere and can lose connections at the worst moment.
struct Relay {
    port: u16,
    target: Arc<Mutex<String>>,
    commits: Arc<Mutex<Commits>>,
    /// While this is held for writing, nothing is carried.
    still: Arc<RwLock<()>>,
    task: JoinHandle<()>,
}

impl Relay {
    /// To the server of an address such as `postgres://user@host:port/database`.
    async fn to(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (target, commits, still) = (Arc::new(Mutex::new(host(url))), Arc::new(Mutex::new(Commits::Pass)), Arc::<RwLock<()>>::default());
        let task = tokio::spawn({
            let (target, commits, still) = (target.clone(), commits.clone(), still.clone());
            async move {
                let mut connections = JoinSet::new();
                loop {
                    let Ok((client, _)) = listener.accept().await else { continue };
                    let (target, commits, still) = (target.lock().unwrap().clone(), commits.clone(), still.clone());
                    // Where nobody listens, the client's connection is closed too.
                    connections.spawn(async move {
                        if let Ok(server) = TcpStream::connect(target).await {
                            carry(client, server, &commits, &still).await;
                        }
                    });
                }
            }
        });
        Self { port, target, commits, still, task }
    }

    /// The same address by way of this.
    fn url(&self, url: &str) -> String {
        url.replace(&host(url), &format!("127.0.0.1:{}", self.port))
    }

    fn lead_to(&self, url: &str) {
        *self.target.lock().unwrap() = host(url);
    }

    fn set(&self, commits: Commits) {
        *self.commits.lock().unwrap() = commits;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn host(url: &str) -> String {
    url.split_once('@').unwrap().1.split_once('/').unwrap().0.to_owned()
}

/// Carries both ways until one side ends, or a COMMIT is to be lost.
async fn carry(mut client: TcpStream, mut server: TcpStream, commits: &Mutex<Commits>, still: &RwLock<()>) {
    let (mut asked, mut said) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(len @ 1..) = read else { return };
                drop(still.read().await);
                let commits = match asked[..len].windows(6).any(|word| word == b"COMMIT") {
                    true => *commits.lock().unwrap(),
                    false => Commits::Pass,
                };
                if commits == Commits::Lost || server.write_all(&asked[..len]).await.is_err() {
                    return;
                }
                if commits == Commits::Unanswered {
                    // Once it has answered it has committed.
                    let _ = server.read(&mut said).await;
                    return;
                }
            }
            read = server.read(&mut said) => {
                let Ok(len @ 1..) = read else { return };
                drop(still.read().await);
                if client.write_all(&said[..len]).await.is_err() {
                    return;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_it_is_not_known_whether_a_commit_stands_nobody_is_told_wrong() {
    let mut server = Server::prepare(On::Postgres, Options::default()).await;
    let relay = Relay::to(&server.database.url()).await;
    if let Database::Postgres { url, .. } = &mut server.database {
        *url = relay.url(url);
    }
    let server = server.go().await;
    let (ada, bob, room) = kitchen(&server).await;
    let carol = server.person("Carol").await;
    carol.joins(&room).await;
    let mut hers = ada.live(&room).await;

    for (commits, stands) in [(Commits::Unanswered, true), (Commits::Lost, false)] {
        let who = if stands { &bob } else { &carol };
        let mut his = who.live(&room).await;
        his.catches_up().await;
        let (id, words) = (new_id(), format!("said while commits were {commits:?}"));
        relay.set(commits);
        is_clear(&posts(&ada, &room, &id, &words).await, 503, "unknown");
        let removed = ada.call(Method::DELETE, &format!("/api/rooms/{room}/members/{}", who.id), None).await;
        is_clear(&removed, 503, "unknown");
        // Whether they still may read is looked up anew, before anything more is sent.
        his.ends().await;
        assert_eq!(his.byes, [json!({ "why": "renew" })]);
        let path = format!("/rooms/{room}/live?at={}", his.last_event_id);
        let again = who.tries_stream(&path).await;
        relay.set(Commits::Pass);
        match (again, stands) {
            (Err(refused), true) => assert_eq!(refused.status, 404),
            (Ok(mut again), false) => {
                ada.says(&room, "you are still here").await;
                again.sees("you are still here").await;
                assert_eq!(again.gaps, 0);
            }
            (again, _) => panic!("{commits:?}: {}", again.is_ok()),
        }
        // Sent again, it is there once.
        assert_eq!(posts(&ada, &room, &id, &words).await.status, 201);
        hers.sees(&words).await;
        assert_eq!(texts(&ada, &room).await.iter().filter(|text| **text == words).count(), 1);
        assert_eq!(hers.gaps, 0);
        server.database.holds().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_postgres_does_not_answer_people_are_told_and_streams_live_on() {
    let mut server = Server::prepare(On::Postgres, Options::default()).await;
    let relay = Relay::to(&server.database.url()).await;
    if let Database::Postgres { url, .. } = &mut server.database {
        *url = relay.url(url);
    }
    let server = server.go().await;
    let (ada, bob, room) = kitchen(&server).await;
    let mut tab = bob.live(&room).await;
    tab.catches_up().await;
    let still = relay.still.clone().write_owned().await;
    // More than it has connections and turns.
    let sent: Vec<(String, String)> = (0..60).map(|n| (new_id(), format!("still {n}"))).collect();
    let send = || join_all(sent.iter().map(|(id, words)| posts(&ada, &room, id, words)));
    let posting = async {
        for page in send().await {
            is_clear(&page, 503, "storage");
        }
    };
    let living = async {
        tab.patience = 2 * PATIENCE;
        tab.until("it says that it lives", |tab| tab.frames.iter().any(|frame| frame.event == "heartbeat")).await;
    };
    tokio::join!(posting, living);
    drop(still);
    let after = bounded("it goes on", async {
        loop {
            let pages = send().await;
            if pages.iter().all(|page| page.status == 201) {
                break;
            }
        }
    });
    after.await;
    for (_, words) in &sent {
        tab.sees(words).await;
    }
    assert_eq!(tab.gaps, 0);
    assert_eq!(texts(&ada, &room).await.len(), sent.len());
    server.database.holds().await;
}

/// A Postgres of one test, ended with it.
struct OwnPostgres(TempDir);

impl OwnPostgres {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Postgres does not run as root, and whoever it runs as must come in.
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        Self(folder)
    }

    fn script(&self, verb: &str) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/postgres.sh");
        let done = Command::new(script).arg(verb).arg(self.0.path()).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    /// Starts it, on another port than before; gives its address.
    async fn start(&self) -> String {
        let url = self.script("start");
        // Durable against the end of its process, which is what this is about. The script's settings are for speed.
        let mut conn = PgConnection::connect(&url).await.unwrap();
        sqlx::query("ALTER DATABASE postgres SET synchronous_commit = on").execute(&mut conn).await.unwrap();
        url
    }

    /// Ends it without letting anything end in order: as after a crash.
    async fn crash(&self) {
        let pid = std::fs::read_to_string(self.0.path().join("cluster/postmaster.pid")).unwrap();
        let pid: i32 = pid.lines().next().unwrap().parse().unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::QUIT).unwrap();
        let gone = PathBuf::from(format!("/proc/{pid}"));
        eventually("Postgres has ended", async || (!gone.exists()).then_some(())).await;
    }
}

impl Drop for OwnPostgres {
    fn drop(&mut self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/postgres.sh");
        let _ = Command::new(script).arg("stop").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_postgres_crashes_under_load_it_goes_on_with_it_and_nothing_is_lost() {
    let postgres = OwnPostgres::new();
    let direct = postgres.start().await;
    let relay = Relay::to(&direct).await;
    let mut server = Server::prepare(On::Sqlite, Options::default()).await;
    server.database = Database::Postgres { url: relay.url(&direct), name: "of_its_own_server".to_owned() };
    let server = server.go().await;
    let (ada, bob, room) = kitchen(&server).await;
    let mut tab = bob.live(&room).await;
    let question = ada.says(&room, &format!("@Echo {}", script(&["say one", "wait go", "say \" two\""]))).await;
    let reply = tab.sees_reply_to(&question).await;
    tab.sees_so_far(&reply, "one").await;

    // Everybody repeats a post until it is answered, as the page does.
    let (answered, refused, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let posting = async |poster: usize| {
        let mut sent = Vec::new();
        while !done.load(Ordering::SeqCst) {
            assert!(sent.len() < 5000, "it comes to an end");
            let (id, words) = (new_id(), format!("{poster}: {}", sent.len()));
            loop {
                let page = posts(&ada, &room, &id, &words).await;
                if page.status == 201 {
                    break;
                }
                assert!(page.status == 503 && !page.header("retry-after").is_empty(), "{} {}", page.status, page.body);
                refused.fetch_add(1, Ordering::SeqCst);
            }
            answered.fetch_add(1, Ordering::SeqCst);
            sent.push(words);
        }
        sent
    };
    let crashing = async {
        let more =
            async |than: usize| eventually("posts are answered", async || (answered.load(Ordering::SeqCst) > than).then_some(())).await;
        more(50).await;
        postgres.crash().await;
        server.open("go");
        eventually("posts are refused", async || (refused.load(Ordering::SeqCst) > 0).then_some(())).await;
        relay.lead_to(&postgres.start().await);
        more(answered.load(Ordering::SeqCst) + 50).await;
        done.store(true, Ordering::SeqCst);
    };
    let (sent, ()) = tokio::join!(join_all((0..6).map(posting)), crashing);
    let mut sent = sent.concat();
    let stored = server.database.rows(&format!("SELECT text FROM messages WHERE room_id = '{room}' AND text LIKE '_: %'")).await;
    let mut stored: Vec<String> = stored.into_iter().map(|mut row| row.remove(0).unwrap()).collect();
    sent.sort();
    stored.sort();
    assert_eq!(stored, sent, "each post is there once");
    ada.says(&room, "all is well").await;
    tab.sees("all is well").await;
    assert_eq!(tab.sees_state(&reply, "complete").await.text(), "one two");
    assert_eq!(tab.gaps, 0);
    server.database.holds().await;
}
