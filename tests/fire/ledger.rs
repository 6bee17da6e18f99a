//! The ledger: what was sent and answered, what was shown, and whether both are true. All tests under fire are judged by it.
//!
//! ```text
//! let server = Server::start(on).await;
//! let ledger = Ledger::over(&server);
//! let poster = ledger.poster(&ada, &room);            // writes down each post before it sends it
//! let viewer = ledger.viewer(&bob, &room);            // a tab in the background: page, stream, comes back by cursor after any failure
//! let page = ledger.page_viewer(&bob, &room);         // the same with the markup of pages
//! let id = poster.says("Hello").await;                // sent again under its id until it is answered
//! poster.tries_to_say("Hello?").await;                // sent once; perhaps there is no answer
//! let asked = poster.asks("Echo", &["pace 10", "repeat 50 \"word \""]).await;
//! …kills, faults, crowds…
//! ledger.settles().await;                             // posts without an answer are repeated, replies end, viewers have caught up
//! ledger.judge().await;                               // fails with a list of everything that is not as promised
//! ```
//!
//! Between a `server.kill9()` and its next start, `ledger.judge_what_is_left()` looks at what the dead server left on disk.
//!
//! What is judged (live-protocol §1 and §10), each fault named by the message's id:
//!
//! - a post that was answered is stored exactly once, one that was not at most once; whoever sends it again gets the first answer, and who
//!   sends another text under its id is refused;
//! - an edit that was answered is what is stored, unless a later one took its place; of what was deleted there is no text anywhere;
//! - each viewer shows what a fresh page load shows, for every message of its window, and a fresh stream has nothing to add to the page;
//! - each text of a growing reply that any viewer showed is a beginning of what is stored of that attempt in the end (Continue goes on from
//!   it, Retry keeps it with the earlier attempt, deletion erases it), and its markup is the markup of that beginning;
//! - nothing is `streaming` beyond its lease, and the database holds what `Database::holds` asks of it.
//!
//! Rooms of the ledger are the ledger's: who is one of its posters says nothing in them in another way. Rounds of a viewer (connections,
//! resets, gaps) are counted in [`Kept`], for tests that want to know.

#![allow(dead_code, reason = "each of the tests under fire uses its own part of this")]

mod fresh;
mod poster;
mod shown;
mod stored;
#[cfg(test)]
mod tests;
mod viewer;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use self::fresh::{Fresh, judge_view};
pub use self::poster::{Poster, call, question};
use self::shown::Shown;
use self::stored::Stored;
use self::viewer::watch;
pub use self::viewer::{Kept, Viewer, Watching};
use crate::support::database::Database;
use crate::support::{Person, Server};

/// How long things may take to settle: the longest is a reply on Postgres whose server was killed, which waits for its lease of 15 s.
const SETTLED: Duration = Duration::from_secs(90);
/// Pause before something is tried again, in ms; drawn anew each time, so that those who come back do not all come at one moment.
const PAUSE: (u64, u64) = (20, 200);
/// How long a reply may be `streaming` after its lease has run out: it is looked for every 2 s.
const LEASE_GRACE: i64 = 6_000;
/// Posts that are repeated for the sake of the question whether the first answer comes again.
const REPEATED: usize = 60;
/// Faults that are listed; there may be thousands of one kind.
const LISTED: usize = 40;

/// What was done and seen in the rooms of one server.
pub struct Ledger<'s> {
    server: &'s Server,
    book: Arc<Book>,
    viewers: Mutex<Vec<Viewer>>,
}

/// What is written down. Order is told by one counter, which every beginning and every end of a request advances.
#[derive(Default)]
pub struct Book {
    moment: AtomicU64,
    entries: Mutex<Entries>,
}

#[derive(Default)]
pub struct Entries {
    /// By id.
    posts: BTreeMap<String, Posted>,
    /// Edits and deletions, in the order in which they were begun.
    changes: Vec<Change>,
}

/// A post, and every time it was sent.
pub struct Posted {
    room: String,
    text: String,
    reply_to: Option<String>,
    /// Who says it; nobody in tests of the ledger itself.
    who: Option<Person>,
    tries: Vec<Try>,
}

struct Change {
    message: String,
    what: What,
    tried: Try,
}

#[derive(Clone, PartialEq)]
enum What {
    Edit(String),
    Delete,
}

#[derive(Clone, Default)]
struct Try {
    began: u64,
    ended: Option<u64>,
    /// Nothing if it was lost.
    answer: Option<(u16, String)>,
}

impl Try {
    fn is_acknowledged(&self) -> bool {
        matches!(self.answer, Some((200..=299, _)))
    }

    /// Whether it is certain that it did nothing.
    fn is_refused(&self) -> bool {
        matches!(self.answer, Some((400..=499, _)))
    }
}

/// What came of a request that was sent once.
#[derive(Clone, Debug)]
pub enum Answer {
    Came {
        status: u16,
        body: String,
    },
    /// The connection failed or nothing came: it may have been carried out, or not.
    Lost(String),
}

impl Answer {
    pub fn is_ok(&self) -> bool {
        matches!(self, Self::Came { status: 200..=299, .. })
    }

    /// Whether whoever gets it is to come back: lost, busy, or at its end.
    pub fn asks_to_try_again(&self) -> bool {
        match self {
            Self::Came { status, .. } => matches!(status, 429 | 500..=599),
            Self::Lost(_) => true,
        }
    }

    fn noted(&self) -> Option<(u16, String)> {
        match self {
            Self::Came { status, body } => Some((*status, body.clone())),
            Self::Lost(_) => None,
        }
    }
}

pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn pause((least, most): (u64, u64)) {
    sleep(Duration::from_millis(parlor::clock::Clock::system().draw(least, most))).await;
}

impl<'s> Ledger<'s> {
    pub fn over(server: &'s Server) -> Self {
        Self { server, book: Arc::default(), viewers: Mutex::default() }
    }

    /// Somebody who writes down what is said before it is sent. `person` may reach the server by a detour.
    pub fn poster(&self, person: &Person, room: &str) -> Poster {
        Poster { person: person.clone(), room: room.to_owned(), book: self.book.clone() }
    }

    /// A program that follows a room in the text view, from now to the end of the ledger.
    pub fn viewer(&self, person: &Person, room: &str) -> Viewer {
        self.viewer_with(person, room, Watching::default())
    }

    /// A page that does.
    pub fn page_viewer(&self, person: &Person, room: &str) -> Viewer {
        self.viewer_with(person, room, Watching { view: "html", ..Watching::default() })
    }

    pub fn viewer_with(&self, person: &Person, room: &str, how: Watching) -> Viewer {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let shown = Arc::new(Mutex::new(Shown::default()));
        let task = tokio::spawn(watch(person.clone(), room.to_owned(), how.clone(), kept.clone(), shown.clone()));
        let viewer = Viewer { person: person.clone(), room: room.to_owned(), how, kept, shown, task: Arc::new(Mutex::new(Some(task))) };
        lock(&self.viewers).push(viewer.clone());
        viewer
    }

    pub fn viewers(&self) -> Vec<Viewer> {
        lock(&self.viewers).clone()
    }

    /// How many posts were written down, and how many of them are answered.
    pub fn count(&self) -> (usize, usize) {
        let entries = lock(&self.book.entries);
        let answered = entries.posts.values().filter(|post| post.tries.iter().any(Try::is_acknowledged)).count();
        (entries.posts.len(), answered)
    }

    /// In words, for whoever looks at a run.
    pub fn summary(&self) -> String {
        let (posts, answered) = self.count();
        let entries = lock(&self.book.entries);
        let tries: usize = entries.posts.values().map(|post| post.tries.len()).sum();
        let of = |what: fn(&What) -> bool| entries.changes.iter().filter(|c| what(&c.what) && c.tried.is_acknowledged()).count();
        let (edits, deletions) = (of(|w| matches!(w, What::Edit(_))), of(|w| *w == What::Delete));
        let mut kept = Kept::default();
        let (mut steps, mut replies) = (0, HashSet::new());
        for viewer in self.viewers() {
            let one = lock(&viewer.kept);
            kept.opened += one.opened;
            kept.loads += one.loads;
            kept.broken += one.broken;
            kept.gaps += one.gaps;
            kept.resets += one.resets;
            let shown = lock(&viewer.shown);
            steps += shown.steps;
            replies.extend(shown.texts.keys().chain(shown.markup.keys()).map(|(id, attempt, _)| (id.clone(), *attempt)));
        }
        format!(
            "{posts} posts ({answered} answered, sent {tries} times), {edits} edits and {deletions} deletions answered; {} viewers: {} streams, {} of them \
             broken, {} page loads, {} resets, {} gaps; {steps} steps of {} attempts shown",
            self.viewers().len(),
            kept.opened,
            kept.broken,
            kept.loads,
            kept.resets,
            kept.gaps,
            replies.len(),
        )
    }

    /// Waits until all is quiet: every post without an answer is sent again until it has one, no reply is open, every viewer has caught up.
    /// Whoever posts must have stopped; faults must have ended.
    pub async fn settles(&self) {
        self.repeats_what_was_not_answered().await;
        let rooms = self.rooms();
        let open = format!(
            "SELECT m.id, m.state, t.lease_until FROM messages m LEFT JOIN attempts t ON t.message_id = m.id AND t.attempt = m.attempt
              WHERE m.state IN ('queued', 'streaming') AND m.room_id IN ({}) ORDER BY m.created_seq",
            quoted(&rooms)
        );
        self.until("no reply is open", async || match &self.server.database.rows(&open).await[..] {
            [] => Ok(()),
            open => Err(format!("{} are, the first being {:?}", open.len(), open[0])),
        })
        .await;
        for viewer in self.viewers() {
            let head = format!("SELECT head FROM rooms WHERE id = '{}'", viewer.room);
            self.until("every viewer has caught up", async || {
                let head = self.server.database.number(&head).await;
                let reached = viewer.reached();
                if reached >= head { Ok(()) } else { Err(format!("{} is at {reached}, the room at {head}", viewer.describe())) }
            })
            .await;
        }
    }

    async fn until(&self, what: &str, mut look: impl AsyncFnMut() -> Result<(), String>) {
        let until = Instant::now() + SETTLED;
        loop {
            self.viewers_live().await;
            match look().await {
                Ok(()) => return,
                Err(why) => assert!(Instant::now() < until, "in vain: {what}: {why}\n{}", self.summary()),
            }
            sleep(Duration::from_millis(25)).await;
        }
    }

    /// A viewer that met something that the protocol does not allow has ended with that complaint: here it comes out.
    async fn viewers_live(&self) {
        for viewer in self.viewers() {
            let ended = lock(&viewer.task).take_if(|task| task.is_finished());
            if let Some(task) = ended {
                match task.await {
                    Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                    other => panic!("{} has ended: {other:?}", viewer.describe()),
                }
            }
        }
    }

    /// Sends again what has no answer yet, as its author's page does.
    pub async fn repeats_what_was_not_answered(&self) {
        let waiting: Vec<String> = {
            let entries = lock(&self.book.entries);
            let waits = |post: &&Posted| !post.tries.iter().any(|t| t.is_acknowledged() || t.is_refused()) && post.who.is_some();
            entries.posts.iter().filter(|(_, post)| waits(post)).map(|(id, _)| id.clone()).collect()
        };
        for id in waiting {
            let poster = self.poster_of(&id);
            let answer = poster.sends_until_answered(&id).await;
            assert!(answer.is_ok(), "the post {id}, sent again, is refused: {answer:?}");
        }
    }

    fn poster_of(&self, id: &str) -> Poster {
        let entries = lock(&self.book.entries);
        let post = &entries.posts[id];
        Poster { person: post.who.clone().expect("somebody"), room: post.room.clone(), book: self.book.clone() }
    }

    fn rooms(&self) -> Vec<String> {
        let mut rooms: HashSet<String> = lock(&self.book.entries).posts.values().map(|post| post.room.clone()).collect();
        rooms.extend(self.viewers().into_iter().map(|viewer| viewer.room));
        rooms.into_iter().collect()
    }

    /// Judges everything. Call [`Self::settles`] before.
    pub async fn judge(&self) {
        self.viewers_live().await;
        let mut faults = self.judge_rows(&self.server.database).await;
        let late = format!(
            "SELECT message_id FROM attempts WHERE state = 'streaming' AND lease_until < {}",
            parlor::clock::Clock::system().now() - LEASE_GRACE
        );
        faults.extend(ids(&self.server.database.rows(&late).await).map(|id| format!("{id}: is being written beyond its lease")));
        faults.extend(self.judge_answers().await);
        let mut fresh: HashMap<(String, &str, String), Fresh> = HashMap::new();
        for viewer in self.viewers() {
            // What a fresh page shows is the same for everyone in the room.
            let key = (viewer.room.clone(), viewer.how.view, viewer.person.id.clone());
            let from = lock(&viewer.kept).from;
            if fresh.get(&key).is_none_or(|known| known.from > from) {
                fresh.insert(key.clone(), Fresh::load(&viewer.person, &viewer.room, viewer.how.view, from).await);
            }
            let fresh = &fresh[&key];
            let kept = lock(&viewer.kept);
            faults.extend(judge_view(&kept, fresh).into_iter().map(|fault| format!("{fault} ({})", viewer.describe())));
        }
        self.report(&faults);
        self.server.database.holds().await;
    }

    /// Judges what a dead server has left, before the next one mends anything. Nothing is settled: answers and shown texts must be there.
    pub async fn judge_what_is_left(&self) {
        self.viewers_live().await;
        let folder = tempfile::tempdir().unwrap();
        let copy = self.server.database.as_left(folder.path()).await;
        let left = copy.as_ref().unwrap_or(&self.server.database);
        let faults = self.judge_rows(left).await;
        self.report(&faults);
        left.holds().await;
    }

    /// Posts, edits, deletions and shown texts against the rows. What is answered meanwhile does not matter: the book is read first.
    async fn judge_rows(&self, database: &Database) -> Vec<String> {
        let shown: Vec<(String, Shown)> = self.viewers().iter().map(|v| (v.describe(), lock(&v.shown).clone())).collect();
        let answered = lock(&self.book.entries).answered();
        let rooms = self.rooms();
        let stored = Stored::read(database, &rooms).await;
        let mut faults = answered.judge(&stored);
        faults.extend(lock(&self.book.entries).judge_strangers(&stored));
        for (viewer, shown) in shown {
            faults.extend(shown.judge(&stored).into_iter().map(|fault| format!("{fault} ({viewer})")));
        }
        faults
    }

    /// The same post again has the first answer, another one under its id is refused.
    async fn judge_answers(&self) -> Vec<String> {
        let (all, faults) = {
            let entries = lock(&self.book.entries);
            (entries.posts.keys().cloned().collect::<Vec<_>>(), entries.judge_answers())
        };
        let mut faults = faults;
        let sample = all.iter().step_by(all.len().div_ceil(REPEATED).max(1));
        for id in sample {
            let poster = self.poster_of(id);
            let (acknowledged, body) = {
                let entries = lock(&self.book.entries);
                let post = &entries.posts[id];
                let first = post.tries.iter().find(|t| t.is_acknowledged()).and_then(|t| t.answer.clone());
                (first, post.body(id))
            };
            let Some((_, first)) = acknowledged else { continue };
            match poster.calls_until_answered(Method::POST, &poster.messages(), Some(body.clone())).await {
                Answer::Came { status: 201, body } if same_json(&body, &first) => {}
                other => faults.push(format!("{id}: sent again, it is answered {other:?} and not {first}")),
            }
            let mut another = body;
            another["text"] = json!(format!("{} and more", another["text"].as_str().unwrap_or_default()));
            match poster.calls_until_answered(Method::POST, &poster.messages(), Some(another)).await {
                Answer::Came { status: 409, .. } => {}
                other => faults.push(format!("{id}: another post under its id is answered {other:?} and not 409")),
            }
        }
        faults
    }

    fn report(&self, faults: &[String]) {
        if faults.is_empty() {
            return;
        }
        let mut said = String::new();
        for fault in faults.iter().take(LISTED) {
            let _ = writeln!(said, "  {fault}");
        }
        panic!("{} faults:\n{said}{}", faults.len(), self.summary());
    }
}

impl Drop for Ledger<'_> {
    fn drop(&mut self) {
        for viewer in self.viewers() {
            viewer.leaves();
        }
    }
}

fn quoted(ids: &[String]) -> String {
    let all: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    if all.is_empty() { "''".to_owned() } else { all.join(", ") }
}

fn ids(rows: &[Vec<Option<String>>]) -> impl Iterator<Item = String> {
    rows.iter().map(|row| row[0].clone().unwrap_or_default())
}

fn same_json(one: &str, other: &str) -> bool {
    serde_json::from_str::<Value>(one).ok() == serde_json::from_str::<Value>(other).ok()
}

impl Book {
    /// The next moment.
    fn now(&self) -> u64 {
        self.moment.fetch_add(1, Ordering::SeqCst)
    }
}

impl Posted {
    fn body(&self, id: &str) -> Value {
        let mut body = json!({ "id": id, "text": self.text });
        if let Some(parent) = &self.reply_to {
            body["reply_to"] = json!(parent);
        }
        body
    }
}
