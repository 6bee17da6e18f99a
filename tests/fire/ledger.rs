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

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use parlor::render::{Context, Growing};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::support::database::Database;
use crate::support::person::{message_path, text};
use crate::support::stream::{Part, Row};
use crate::support::{Person, Server, Stream, encoded, new_id};

/// How long a request waits for its answer before it counts as lost.
const ANSWER: Duration = Duration::from_secs(10);
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

// ---- posting ----

/// Somebody whose every word is written down before it is sent.
#[derive(Clone)]
pub struct Poster {
    pub person: Person,
    pub room: String,
    book: Arc<Book>,
}

impl Poster {
    /// Says something, again and again under one id until it is answered; gives the id.
    pub async fn says(&self, words: &str) -> String {
        let id = self.notes(words, None);
        let answer = self.sends_until_answered(&id).await;
        assert!(answer.is_ok(), "the post {id} is refused: {answer:?}");
        id
    }

    pub async fn replies(&self, to: &str, words: &str) -> String {
        let id = self.notes(words, Some(to));
        let answer = self.sends_until_answered(&id).await;
        assert!(answer.is_ok(), "the post {id} is refused: {answer:?}");
        id
    }

    /// Says something once. Without an answer it is sent again when the ledger settles.
    pub async fn tries_to_say(&self, words: &str) -> (String, Answer) {
        let id = self.notes(words, None);
        let answer = self.sends(&id).await;
        (id, answer)
    }

    /// Asks a scripted assistant to play these steps (`src/reply/providers/scripted/script.rs`).
    pub async fn asks(&self, assistant: &str, steps: &[&str]) -> String {
        self.says(&question(assistant, steps)).await
    }

    /// Writes down a post that is about to be sent.
    fn notes(&self, words: &str, reply_to: Option<&str>) -> String {
        let id = new_id();
        let post = Posted {
            room: self.room.clone(),
            text: words.to_owned(),
            reply_to: reply_to.map(str::to_owned),
            who: Some(self.person.clone()),
            tries: Vec::new(),
        };
        lock(&self.book.entries).posts.insert(id.clone(), post);
        id
    }

    async fn sends(&self, id: &str) -> Answer {
        let (body, number) = {
            let mut entries = lock(&self.book.entries);
            let post = entries.posts.get_mut(id).expect("it was written down");
            post.tries.push(Try { began: self.book.now(), ..Try::default() });
            (post.body(id), post.tries.len() - 1)
        };
        let answer = self.calls(Method::POST, &self.messages(), Some(body)).await;
        let mut entries = lock(&self.book.entries);
        let tried = &mut entries.posts.get_mut(id).expect("it was written down").tries[number];
        (tried.ended, tried.answer) = (Some(self.book.now()), answer.noted());
        answer
    }

    async fn sends_until_answered(&self, id: &str) -> Answer {
        let until = Instant::now() + SETTLED;
        loop {
            let answer = self.sends(id).await;
            if !answer.asks_to_try_again() {
                return answer;
            }
            assert!(Instant::now() < until, "the post {id} is never answered; last {answer:?}");
            pause(PAUSE).await;
        }
    }

    /// Changes one's own message, once.
    pub async fn edits(&self, id: &str, words: &str) -> Answer {
        self.changes(id, What::Edit(words.to_owned()), Method::PATCH, Some(json!({ "text": words }))).await
    }

    /// Deletes a message, once.
    pub async fn deletes(&self, id: &str) -> Answer {
        self.changes(id, What::Delete, Method::DELETE, None).await
    }

    async fn changes(&self, id: &str, what: What, method: Method, body: Option<Value>) -> Answer {
        let number = {
            let mut entries = lock(&self.book.entries);
            let tried = Try { began: self.book.now(), ..Try::default() };
            entries.changes.push(Change { message: id.to_owned(), what, tried });
            entries.changes.len() - 1
        };
        let answer = self.calls(method, &message_path(&self.room, id), body).await;
        let mut entries = lock(&self.book.entries);
        let tried = &mut entries.changes[number].tried;
        (tried.ended, tried.answer) = (Some(self.book.now()), answer.noted());
        answer
    }

    pub async fn stops(&self, reply: &str) -> Answer {
        self.does(reply, "stop", json!({})).await
    }

    pub async fn retries(&self, reply: &str, attempt: i64) -> Answer {
        self.does(reply, "retry", json!({ "attempt": attempt })).await
    }

    pub async fn continues(&self, reply: &str, attempt: i64) -> Answer {
        self.does(reply, "continue", json!({ "attempt": attempt })).await
    }

    async fn does(&self, reply: &str, what: &str, body: Value) -> Answer {
        self.calls(Method::POST, &format!("{}/{what}", message_path(&self.room, reply)), Some(body)).await
    }

    fn messages(&self) -> String {
        format!("/api/rooms/{}/messages", self.room)
    }

    pub async fn calls(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        call(&self.person, method, path, body).await
    }

    pub async fn calls_until_answered(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        call_until_answered(&self.person, method, path, body).await
    }
}

/// What to say to a scripted assistant so that it plays these steps.
pub fn question(assistant: &str, steps: &[&str]) -> String {
    format!("@{assistant}\n```script\n{}\n```", steps.join("\n"))
}

/// One call, which may fail in every way.
pub async fn call(person: &Person, method: Method, path: &str, body: Option<Value>) -> Answer {
    let mut request = person.request(method, path);
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let whole = async {
        let response = request.send().await?;
        let status = response.status().as_u16();
        // Without its body it is no answer: a tab would not know what was said.
        Ok::<_, reqwest::Error>(Answer::Came { status, body: response.text().await? })
    };
    match timeout(ANSWER, whole).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => Answer::Lost(format!("{error:?}")),
        Err(_) => Answer::Lost("no answer in time".to_owned()),
    }
}

async fn call_until_answered(person: &Person, method: Method, path: &str, body: Option<Value>) -> Answer {
    let until = Instant::now() + SETTLED;
    loop {
        let answer = call(person, method.clone(), path, body.clone()).await;
        if !answer.asks_to_try_again() || Instant::now() > until {
            return answer;
        }
        pause(PAUSE).await;
    }
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

// ---- judging what is stored ----

/// The rows that the ledger looks at.
#[derive(Default)]
pub struct Stored {
    /// By id; more than one row of an id would be a fault.
    messages: HashMap<String, Vec<StoredMessage>>,
    attempts: BTreeMap<(String, i64), StoredAttempt>,
    /// The chunks of each part, joined.
    chunks: HashMap<(String, i64, String), String>,
}

#[derive(Clone, Default)]
pub struct StoredMessage {
    room: String,
    author: String,
    by_person: bool,
    state: String,
    attempt: i64,
    seq: i64,
    text: String,
    reasoning: String,
    /// Whatever else could hold words of it.
    other: String,
}

#[derive(Clone, Default)]
pub struct StoredAttempt {
    kind: String,
    state: String,
    text: String,
    reasoning: String,
    other: String,
}

impl Stored {
    async fn read(database: &Database, rooms: &[String]) -> Self {
        let mut stored = Self::default();
        let rooms = quoted(rooms);
        let sql = format!(
            "SELECT id, room_id, author_id, author_kind, state, attempt, created_seq, text, reasoning, html, excerpt, facts, state_why
               FROM messages WHERE room_id IN ({rooms})"
        );
        for row in database.rows(&sql).await {
            let cell = |i: usize| row[i].clone().unwrap_or_default();
            let message = StoredMessage {
                room: cell(1),
                author: cell(2),
                by_person: cell(3) == "person",
                state: cell(4),
                attempt: cell(5).parse().unwrap(),
                seq: cell(6).parse().unwrap(),
                text: cell(7),
                reasoning: cell(8),
                other: [cell(9), cell(10), cell(11), cell(12)].concat(),
            };
            stored.messages.entry(cell(0)).or_default().push(message);
        }
        let sql = format!(
            "SELECT t.message_id, t.attempt, t.kind, t.state, t.text, t.reasoning, t.why, t.facts
               FROM attempts t JOIN messages m ON m.id = t.message_id WHERE m.room_id IN ({rooms})"
        );
        for row in database.rows(&sql).await {
            let cell = |i: usize| row[i].clone().unwrap_or_default();
            let attempt =
                StoredAttempt { kind: cell(2), state: cell(3), text: cell(4), reasoning: cell(5), other: [cell(6), cell(7)].concat() };
            stored.attempts.insert((cell(0), cell(1).parse().unwrap()), attempt);
        }
        let sql = format!(
            "SELECT c.message_id, c.attempt, c.part, c.text FROM chunks c JOIN messages m ON m.id = c.message_id
              WHERE m.room_id IN ({rooms}) ORDER BY c.message_id, c.attempt, c.part, c.off"
        );
        for row in database.rows(&sql).await {
            let cell = |i: usize| row[i].clone().unwrap_or_default();
            stored.chunks.entry((cell(0), cell(1).parse().unwrap(), cell(2))).or_default().push_str(&cell(3));
        }
        stored
    }

    /// What is stored of a part of an attempt; nothing if it was deleted, and an error if there is no such thing.
    fn text_of(&self, id: &str, attempt: i64, part: &str) -> Result<Option<String>, String> {
        let Some(message) = self.messages.get(id).and_then(|rows| rows.first()) else { return Err("there is no such message".into()) };
        if message.state == "deleted" {
            return Ok(None);
        }
        let Some(row) = self.attempts.get(&(id.to_owned(), attempt)) else { return Err(format!("there is no attempt {attempt}")) };
        let chunks = || self.chunks.get(&(id.to_owned(), attempt, part.to_owned())).cloned().unwrap_or_default();
        let of = |answer: &str, reasoning: &str| if part == "answer" { answer.to_owned() } else { reasoning.to_owned() };
        let next = self.attempts.get(&(id.to_owned(), attempt + 1));
        Ok(Some(match (attempt == message.attempt, next) {
            (true, _) if matches!(row.state.as_str(), "queued" | "streaming") => chunks(),
            (true, _) => of(&message.text, &message.reasoning),
            // Its text lives on in the one that continued it.
            (false, Some(next)) if next.kind == "continue" => return self.text_of(id, attempt + 1, part),
            (false, _) => of(&row.text, &row.reasoning),
        }))
    }
}

/// What the book promises of the rows at one moment: what was answered by then.
#[derive(Default)]
struct Promised {
    posts: Vec<PromisedPost>,
}

struct PromisedPost {
    id: String,
    room: String,
    acknowledged: bool,
    /// Texts of which one must be stored.
    texts: Vec<String>,
    deleted: bool,
    may_be_deleted: bool,
    /// The place that was told.
    seq: Option<i64>,
}

impl Entries {
    fn answered(&self) -> Promised {
        let mut changes: HashMap<&str, Vec<&Change>> = HashMap::new();
        for change in self.changes.iter().filter(|change| !change.tried.is_refused()) {
            changes.entry(&change.message).or_default().push(change);
        }
        let promised = self.posts.iter().map(|(id, post)| {
            let of = changes.get(id.as_str()).cloned().unwrap_or_default();
            let edits: Vec<(&str, &Try)> = of
                .iter()
                .filter_map(|change| match &change.what {
                    What::Edit(text) => Some((text.as_str(), &change.tried)),
                    What::Delete => None,
                })
                .collect();
            // An edit is certainly over if another one that was answered began after its end.
            let is_over = |ended: Option<u64>| edits.iter().any(|(_, t)| t.is_acknowledged() && ended.is_some_and(|ended| t.began > ended));
            let of_edit = |t: &Try| if t.is_acknowledged() { t.ended } else { None };
            let mut texts: Vec<String> = edits.iter().filter(|(_, t)| !is_over(of_edit(t))).map(|(text, _)| as_stored(text)).collect();
            // The first text is over with any answered edit: what is edited is there already.
            if !edits.iter().any(|(_, t)| t.is_acknowledged()) {
                texts.push(as_stored(&post.text));
            }
            let deletions = || of.iter().filter(|change| change.what == What::Delete);
            let answers = post.tries.iter().filter(|t| t.is_acknowledged());
            PromisedPost {
                id: id.clone(),
                room: post.room.clone(),
                acknowledged: post.tries.iter().any(Try::is_acknowledged),
                texts,
                deleted: deletions().any(|change| change.tried.is_acknowledged()),
                may_be_deleted: deletions().next().is_some(),
                seq: answers.filter_map(|t| serde_json::from_str::<Value>(&t.answer.as_ref()?.1).ok()?["seq"].as_i64()).next(),
            }
        });
        // Deleted replies are no posts of ours.
        let replies = changes.iter().filter(|(id, _)| !self.posts.contains_key(**id)).map(|(id, of)| PromisedPost {
            id: (*id).to_owned(),
            room: String::new(),
            acknowledged: false,
            texts: Vec::new(),
            deleted: of.iter().any(|change| change.what == What::Delete && change.tried.is_acknowledged()),
            may_be_deleted: true,
            seq: None,
        });
        Promised { posts: promised.chain(replies).collect() }
    }

    /// Every answer to one post is the first one.
    fn judge_answers(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (id, post) in &self.posts {
            let mut answers = post.tries.iter().filter(|t| t.is_acknowledged()).filter_map(|t| t.answer.as_ref());
            let Some((_, first)) = answers.next() else { continue };
            for (_, other) in answers {
                if !same_json(first, other) {
                    faults.push(format!("{id}: it was first answered {first}, then {other}"));
                }
            }
        }
        faults
    }

    /// What the posters are said to have said, and did not.
    fn judge_strangers(&self, stored: &Stored) -> Vec<String> {
        let posters: HashSet<&str> = self.posts.values().filter_map(|post| Some(post.who.as_ref()?.id.as_str())).collect();
        let is_strange = |id: &&String, rows: &[StoredMessage]| {
            rows.iter().any(|row| row.by_person && posters.contains(row.author.as_str())) && !self.posts.contains_key(*id)
        };
        let strange = stored.messages.iter().filter(|(id, rows)| is_strange(id, rows));
        strange.map(|(id, rows)| format!("{id}: nobody posted this; it says “{}”", start(&rows[0].text))).collect()
    }
}

/// Line ends as they are stored.
fn as_stored(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Enough of a text to know it again.
fn start(text: &str) -> String {
    let start: String = text.chars().take(60).collect();
    if start.len() < text.len() { format!("{start}… ({} bytes)", text.len()) } else { start }
}

impl Promised {
    fn judge(&self, stored: &Stored) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |id: &str, what: String| faults.push(format!("{id}: {what}"));
        for post in &self.posts {
            let rows = stored.messages.get(&post.id).map(Vec::as_slice).unwrap_or_default();
            match rows {
                [] if post.acknowledged => fault(&post.id, format!("was answered and is not there; it said {:?}", post.texts)),
                [] => {}
                [row] => {
                    if !post.room.is_empty() && row.room != post.room {
                        fault(&post.id, format!("was said in {} and is in {}", post.room, row.room));
                    }
                    if post.seq.is_some_and(|seq| seq != row.seq) {
                        fault(&post.id, format!("was answered with place {:?} and is at {}", post.seq, row.seq));
                    }
                    if row.state == "deleted" {
                        if !post.may_be_deleted {
                            fault(&post.id, "is deleted, and nobody deleted it".into());
                        }
                        for (place, left) in erased(stored, &post.id) {
                            fault(&post.id, format!("is deleted, and {place} still says “{}”", start(&left)));
                        }
                    } else if post.deleted {
                        fault(&post.id, format!("its deletion was answered, and it is {}", row.state));
                    } else if row.by_person && !post.texts.contains(&row.text) {
                        fault(&post.id, format!("says “{}” and should say one of {:?}", start(&row.text), post.texts));
                    }
                }
                many => fault(&post.id, format!("is there {} times", many.len())),
            }
        }
        faults
    }
}

/// Places where a deleted message still has text.
fn erased(stored: &Stored, id: &str) -> Vec<(String, String)> {
    let mut left = Vec::new();
    let mut look = |place: String, texts: [&str; 3]| {
        let all = texts.concat();
        if !all.is_empty() {
            left.push((place, all));
        }
    };
    for row in stored.messages.get(id).into_iter().flatten() {
        look("its row".into(), [&row.text, &row.reasoning, &row.other]);
    }
    for ((_, attempt), row) in stored.attempts.range((id.to_owned(), 0)..(id.to_owned(), i64::MAX)) {
        look(format!("attempt {attempt}"), [&row.text, &row.reasoning, &row.other]);
    }
    for ((_, attempt, part), text) in stored.chunks.iter().filter(|((of, _, _), _)| of == id) {
        look(format!("a chunk of attempt {attempt}, {part},"), [text, "", ""]);
    }
    left
}

// ---- what was shown ----

/// An attempt's part: message, attempt, `answer` or `reasoning`.
type Which = (String, i64, String);

/// Every text of a growing reply that one viewer has shown.
#[derive(Clone, Default)]
pub struct Shown {
    steps: usize,
    /// In the text view: the longest of each run of texts that went on from each other. More than one where a viewer began anew.
    texts: HashMap<Which, Vec<String>>,
    /// In the view of pages: the text's length at each step, and a fingerprint of the markup.
    markup: HashMap<Which, BTreeMap<usize, u64>>,
    /// Markup that was two different things at one length.
    faults: Vec<String>,
}

impl Shown {
    /// What a viewer shows after a step.
    pub fn note(&mut self, id: &str, attempt: i64, part: &str, shows: &Part, is_page: bool) {
        self.steps += 1;
        let which = (id.to_owned(), attempt, part.to_owned());
        if is_page {
            let mark = fingerprint(&shows.blocks);
            let known = *self.markup.entry(which).or_default().entry(shows.len).or_insert(mark);
            if known != mark {
                self.faults.push(format!("{id}: at {} units of attempt {attempt}, {part}, the markup was two different things", shows.len));
            }
            return;
        }
        let texts = self.texts.entry(which).or_default();
        match texts.iter_mut().find(|known| shows.text.starts_with(known.as_str())) {
            Some(known) => known.clone_from(&shows.text),
            None => texts.push(shows.text.clone()),
        }
    }

    fn judge(&self, stored: &Stored) -> Vec<String> {
        let mut faults = self.faults.clone();
        let lookup = |which: &Which, faults: &mut Vec<String>| match stored.text_of(&which.0, which.1, &which.2) {
            Ok(text) => text,
            Err(why) => {
                faults.push(format!("{}: text of it was shown, and {why}", which.0));
                None
            }
        };
        for (which, texts) in &self.texts {
            let Some(whole) = lookup(which, &mut faults) else { continue };
            for shown in texts.iter().filter(|shown| !whole.starts_with(shown.as_str())) {
                let same = shown.bytes().zip(whole.bytes()).take_while(|(a, b)| a == b).count();
                faults.push(format!(
                    "{}: of attempt {}, {}, {} bytes were shown and {} are stored; they part at byte {same}: shown “{}”",
                    which.0,
                    which.1,
                    which.2,
                    shown.len(),
                    whole.len(),
                    start(&String::from_utf8_lossy(&shown.as_bytes()[same.saturating_sub(20)..])),
                ));
            }
        }
        for (which, steps) in &self.markup {
            let Some(whole) = lookup(which, &mut faults) else { continue };
            faults.extend(judge_markup(which, steps, &whole));
        }
        faults
    }
}

fn fingerprint(blocks: &[String]) -> u64 {
    let mut hasher = DefaultHasher::new();
    blocks.hash(&mut hasher);
    hasher.finish()
}

/// The markup at each length is that of the stored text's beginning. Who is mentioned depends on the room's members of that time, so a text
/// with a mention is judged by its length alone.
fn judge_markup((id, attempt, part): &Which, steps: &BTreeMap<usize, u64>, whole: &str) -> Vec<String> {
    let scope = if part == "answer" { id.clone() } else { format!("{id}-r") };
    let mut growing = Growing::new(&Context { scope: &scope, names: &[] });
    let (mut faults, mut at, mut units) = (Vec::new(), 0, 0);
    for (&len, &mark) in steps {
        let rest = &whole[at..];
        let mut taken = 0;
        for c in rest.chars() {
            if units >= len {
                break;
            }
            units += c.len_utf16();
            taken += c.len_utf8();
        }
        if units != len {
            faults.push(format!("{id}: of attempt {attempt}, {part}, {len} units were shown as markup and {units} are stored"));
            break;
        }
        growing.push(&rest[..taken]);
        at += taken;
        if !whole.contains('@') && fingerprint(growing.blocks()) != mark {
            let now = growing.blocks().concat();
            faults.push(format!(
                "{id}: of attempt {attempt}, {part}, the markup shown at {len} units is not that of the text: “{}”",
                start(&now)
            ));
        }
    }
    faults
}

// ---- viewing ----

/// How a viewer watches.
#[derive(Clone)]
pub struct Watching {
    /// `text` or `html`.
    pub view: &'static str,
    /// Silence after which it comes back.
    pub silence: Duration,
    /// Messages of its page.
    pub limit: usize,
    /// Pause before it comes back, in ms: the least and the most.
    pub pause: (u64, u64),
}

impl Default for Watching {
    fn default() -> Self {
        Self { view: "text", silence: Duration::from_secs(40), limit: 50, pause: PAUSE }
    }
}

/// A tab in the background. Clones are the same tab.
#[derive(Clone)]
pub struct Viewer {
    pub person: Person,
    pub room: String,
    how: Watching,
    kept: Arc<Mutex<Kept>>,
    shown: Arc<Mutex<Shown>>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// What a tab keeps, and what it has been through.
#[derive(Default)]
pub struct Kept {
    /// By id.
    pub rows: HashMap<String, Row>,
    /// The room's own row.
    pub about: Value,
    /// Place from which on it shows messages.
    pub from: i64,
    /// What it will come back with; empty before the first page load.
    pub cursor: String,
    /// A stream is open and has said `caught-up`.
    pub follows: bool,
    pub loads: usize,
    pub opened: usize,
    pub broken: usize,
    pub resets: usize,
    pub gaps: usize,
    /// Why streams said good-bye, and when.
    pub byes: Vec<(String, Instant)>,
    /// What a request for a stream or page was refused with.
    pub refused: Vec<u16>,
}

impl Viewer {
    pub fn describe(&self) -> String {
        format!("{}, who watches {} as {}", self.person.name, self.room, self.how.view)
    }

    /// The number of the latest change that it knows.
    pub fn reached(&self) -> i64 {
        reached(&lock(&self.kept).cursor)
    }

    /// Looks at what it keeps.
    pub fn looks<T>(&self, at: impl FnOnce(&Kept) -> T) -> T {
        at(&lock(&self.kept))
    }

    /// Waits until it keeps something.
    pub async fn until(&self, what: &str, fact: impl Fn(&Kept) -> bool) {
        let until = Instant::now() + SETTLED;
        while !self.looks(&fact) {
            let gone = lock(&self.task).as_ref().is_none_or(JoinHandle::is_finished);
            assert!(!gone, "{} has ended before: {what}", self.describe());
            assert!(Instant::now() < until, "{} waits in vain: {what}", self.describe());
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until its stream is open and has caught up.
    pub async fn follows(&self) {
        self.until("it follows the room", |kept| kept.follows).await;
    }

    /// Closes the tab. What it has shown stays written down; it is no longer compared with a fresh page.
    fn leaves(&self) {
        if let Some(task) = lock(&self.task).as_ref() {
            task.abort();
        }
    }
}

fn reached(cursor: &str) -> i64 {
    cursor.rsplit('.').next().and_then(|seq| seq.parse().ok()).unwrap_or(-1)
}

/// How a stream came to its end.
enum Ended {
    /// The room is to be loaded anew.
    Reset,
    /// Come back by cursor.
    Broken,
    /// Come back by cursor at once.
    Renew,
}

/// Lives as a tab does: loads, follows, comes back.
async fn watch(person: Person, room: String, how: Watching, kept: Arc<Mutex<Kept>>, shown: Arc<Mutex<Shown>>) {
    loop {
        load(&person, &room, &how, &kept).await;
        loop {
            match follow(&person, &room, &how, &kept, &shown).await {
                Ended::Reset => break,
                Ended::Renew => {}
                Ended::Broken => pause(how.pause).await,
            }
        }
        pause(how.pause).await;
    }
}

/// Loads the page until it is there.
async fn load(person: &Person, room: &str, how: &Watching, kept: &Mutex<Kept>) {
    loop {
        let page = call(person, Method::GET, &format!("/api/rooms/{room}/messages?view={}&limit={}", how.view, how.limit), None).await;
        let about = call(person, Method::GET, &format!("/api/rooms/{room}"), None).await;
        match (page, about) {
            (Answer::Came { status: 200, body: page }, Answer::Came { status: 200, body: about }) => {
                let page: Value = serde_json::from_str(&page).expect("JSON");
                let messages = page["messages"].as_array().expect("messages");
                let mut kept = lock(kept);
                kept.loads += 1;
                kept.rows = messages.iter().map(|json| (text(&json["id"]), row(json))).collect();
                kept.about = serde_json::from_str(&about).expect("JSON");
                kept.from = match page["more"] {
                    Value::Bool(true) => messages.first().map_or(0, |first| first["seq"].as_i64().expect("a number")),
                    _ => 0,
                };
                kept.cursor = text(&page["cursor"]);
                return;
            }
            (page, about) => {
                let refused = [page, about].into_iter().filter_map(|answer| answer.noted()).map(|(status, _)| status).find(|s| *s >= 300);
                lock(kept).refused.extend(refused);
                pause(how.pause).await;
            }
        }
    }
}

/// A message of a page.
fn row(json: &Value) -> Row {
    let number = |name: &str| json[name].as_i64().unwrap_or_else(|| panic!("no {name}: {json}"));
    Row {
        json: json.clone(),
        rev: number("rev"),
        seq: number("seq"),
        state: text(&json["state"]),
        attempt: number("attempt"),
        ..Row::default()
    }
}

/// Opens a stream at the cursor and follows it to its end, however that comes.
async fn follow(person: &Person, room: &str, how: &Watching, kept: &Mutex<Kept>, shown: &Arc<Mutex<Shown>>) -> Ended {
    let cursor = lock(kept).cursor.clone();
    // Programs come back as an EventSource does, pages as their script does.
    let request = match how.view {
        "html" => person.request(Method::GET, &format!("/live?{}", encoded(&[("at", &cursor), ("view", "html")]))),
        _ => person.request(Method::GET, &format!("/api/rooms/{room}/live")).header("last-event-id", &cursor),
    };
    let response = match timeout(ANSWER, request.header("accept", "text/event-stream").send()).await {
        Ok(Ok(response)) => response,
        _ => return Ended::Broken,
    };
    let mut stream = match Stream::open(response, &person.name).await {
        Ok(stream) => stream,
        Err(refused) => {
            lock(kept).refused.push(refused.status);
            return Ended::Broken;
        }
    };
    stream.loaded(room, &[], &cursor);
    let (shown, is_page) = (shown.clone(), how.view == "html");
    stream.watcher = Some(Box::new(move |data, part| {
        let attempt = data["attempt"].as_i64().unwrap_or_default();
        lock(&shown).note(data["id"].as_str().unwrap_or_default(), attempt, data["part"].as_str().unwrap_or_default(), part, is_page);
    }));
    lock(kept).opened += 1;
    let ended = loop {
        let piece = match timeout(how.silence, stream.piece()).await {
            Ok(Ok(Some(piece))) => piece,
            // The body's end, a broken connection, silence.
            _ => break None,
        };
        let mut kept = lock(kept);
        std::mem::swap(&mut stream.rows, &mut kept.rows);
        stream.take(&piece);
        std::mem::swap(&mut stream.rows, &mut kept.rows);
        kept.cursor.clone_from(&stream.last_event_id);
        kept.follows = !stream.caught_up.is_empty();
        if let Some(about) = stream.rooms.remove(room)
            && about["rev"].as_i64() > kept.about["rev"].as_i64()
        {
            kept.about = about;
        }
        stream.forget();
        if !stream.resets.is_empty() {
            kept.resets += 1;
            break Some(Ended::Reset);
        }
        if stream.gaps > 0 {
            kept.gaps += 1;
            break None;
        }
        if let Some(bye) = stream.byes.first() {
            let why = text(&bye["why"]);
            kept.byes.push((why.clone(), Instant::now()));
            match why.as_str() {
                "renew" => break Some(Ended::Renew),
                _ => break None,
            }
        }
    };
    let mut kept = lock(kept);
    kept.follows = false;
    ended.unwrap_or_else(|| {
        kept.broken += 1;
        Ended::Broken
    })
}

// ---- judging what is shown ----

/// What a fresh page load shows.
struct Fresh {
    from: i64,
    rows: Vec<Value>,
    about: Value,
    /// Of the first page.
    head: i64,
    /// What is wrong with it by itself.
    faults: Vec<String>,
}

impl Fresh {
    /// Loads a room back to the place `from`, and opens a stream there.
    async fn load(person: &Person, room: &str, view: &str, from: i64) -> Self {
        let get = async |path: String| match call_until_answered(person, Method::GET, &path, None).await {
            Answer::Came { status: 200, body } => serde_json::from_str::<Value>(&body).expect("JSON"),
            other => panic!("{} cannot load {path}: {other:?}", person.name),
        };
        let mut rows: Vec<Value> = Vec::new();
        let mut cursor = String::new();
        loop {
            let before = rows.first().map(|first| format!("&before={}", first["seq"])).unwrap_or_default();
            let page = get(format!("/api/rooms/{room}/messages?view={view}&limit=200{before}")).await;
            if cursor.is_empty() {
                cursor = text(&page["cursor"]);
            }
            let mut older = page["messages"].as_array().expect("messages").clone();
            older.append(&mut rows);
            rows = older;
            let oldest = rows.first().map_or(0, |first| first["seq"].as_i64().expect("a number"));
            if page["more"] != true || oldest <= from {
                break;
            }
        }
        let about = get(format!("/api/rooms/{room}")).await;
        let mut faults = Vec::new();
        let mut stream = Stream::open(
            person
                .request(Method::GET, &format!("/rooms/{room}/live?{}", encoded(&[("at", &cursor), ("view", view)])))
                .send()
                .await
                .unwrap(),
            &person.name,
        )
        .await
        .unwrap_or_else(|refused| panic!("{} cannot open a stream: {refused:?}", person.name));
        stream.loaded(room, &rows, &cursor);
        stream.catches_up().await;
        for frame in stream.frames.iter().filter(|frame| frame.event != "caught-up") {
            faults.push(format!("{}: is not in a fresh page, and comes with its stream: {}", frame.data["id"], frame.data));
        }
        for pair in rows.windows(2) {
            if pair[0]["seq"].as_i64() >= pair[1]["seq"].as_i64() {
                faults.push(format!("{}: stands out of order in a fresh page", pair[1]["id"]));
            }
        }
        Self { from, rows, about, head: reached(&cursor), faults }
    }
}

fn judge_view(kept: &Kept, fresh: &Fresh) -> Vec<String> {
    let mut faults = fresh.faults.clone();
    if reached(&kept.cursor) < fresh.head {
        faults.push(format!("a viewer is at {} and the room at {}", reached(&kept.cursor), fresh.head));
    }
    let mut there = HashSet::new();
    for message in fresh.rows.iter().filter(|message| message["seq"].as_i64() >= Some(kept.from)) {
        let id = message["id"].as_str().unwrap_or_default();
        there.insert(id);
        match kept.rows.get(id) {
            None => faults.push(format!("{id}: a fresh page shows it, a viewer does not")),
            Some(row) if row.json != *message => faults.push(format!("{id}: a fresh page shows {message}, a viewer {}", row.json)),
            Some(_) => {}
        }
    }
    for (id, row) in &kept.rows {
        if row.seq >= kept.from && !there.contains(id.as_str()) {
            faults.push(format!("{id}: a viewer shows it, a fresh page does not: {}", row.json));
        }
    }
    for field in ["name", "topic", "private", "members", "assistants"] {
        if kept.about[field] != fresh.about[field] {
            faults.push(format!("the room's {field}: a fresh page shows {}, a viewer {}", fresh.about[field], kept.about[field]));
        }
    }
    faults
}

/// The ledger finds what is wrong.
#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: &str = "room";

    fn answered(began: u64, status: u16) -> Try {
        let body = json!({ "id": "a", "room": ROOM, "seq": 1 }).to_string();
        Try { began, ended: Some(began + 1), answer: Some((status, body)) }
    }

    fn post(entries: &mut Entries, id: &str, text: &str, tries: Vec<Try>) {
        entries.posts.insert(id.into(), Posted { room: ROOM.into(), text: text.into(), reply_to: None, who: None, tries });
    }

    fn edit(entries: &mut Entries, text: &str, tried: Try) {
        entries.changes.push(Change { message: "a".into(), what: What::Edit(text.into()), tried });
    }

    fn message(text: &str) -> StoredMessage {
        StoredMessage {
            room: ROOM.into(),
            by_person: true,
            state: "complete".into(),
            seq: 1,
            text: text.into(),
            ..StoredMessage::default()
        }
    }

    fn stored(messages: Vec<StoredMessage>) -> Stored {
        Stored { messages: [("a".to_owned(), messages)].into(), ..Stored::default() }
    }

    fn finds(faults: &[String], words: &str) {
        assert!(matches!(faults, [one] if one.starts_with("a: ") && one.contains(words)), "{words}: {faults:?}");
    }

    #[test]
    fn a_post_that_was_answered_and_is_lost() {
        let mut entries = Entries::default();
        post(&mut entries, "a", "hello", vec![Try::default(), answered(1, 201)]);
        assert_eq!(entries.answered().judge(&stored(vec![message("hello")])), Vec::<String>::new());
        finds(&entries.answered().judge(&Stored::default()), "is not there");
        // What was never answered may be there or not.
        let mut entries = Entries::default();
        post(&mut entries, "a", "hello", vec![Try::default()]);
        assert_eq!(entries.answered().judge(&Stored::default()), Vec::<String>::new());
        assert_eq!(entries.answered().judge(&stored(vec![message("hello")])), Vec::<String>::new());
    }

    #[test]
    fn a_post_that_is_there_twice() {
        let mut entries = Entries::default();
        post(&mut entries, "a", "hello", vec![answered(1, 201)]);
        finds(&entries.answered().judge(&stored(vec![message("hello"), message("hello")])), "2 times");
        // Under another id.
        let mut ada = Person::stranger("http://127.0.0.1:1");
        ada.id = "ada".into();
        post(&mut entries, "b", "hello", vec![]);
        entries.posts.get_mut("b").unwrap().who = Some(ada);
        let again = StoredMessage { author: "ada".into(), ..message("hello") };
        let faults = entries.judge_strangers(&Stored { messages: [("c".to_owned(), vec![again])].into(), ..Stored::default() });
        assert!(matches!(&faults[..], [one] if one.starts_with("c: nobody posted this")), "{faults:?}");
    }

    #[test]
    fn a_text_that_changed() {
        let mut entries = Entries::default();
        post(&mut entries, "a", "hello", vec![answered(1, 201)]);
        finds(&entries.answered().judge(&stored(vec![message("hullo")])), "says “hullo”");
        finds(&entries.answered().judge(&stored(vec![StoredMessage { room: "other".into(), ..message("hello") }])), "is in other");
        finds(&entries.answered().judge(&stored(vec![StoredMessage { seq: 2, ..message("hello") }])), "is at 2");
        let mut twice = vec![answered(1, 201), answered(3, 201)];
        twice[1].answer = Some((201, json!({ "seq": 9 }).to_string()));
        post(&mut entries, "a", "hello", twice);
        finds(&entries.judge_answers(), "first answered");
    }

    #[test]
    fn an_edit_that_was_lost() {
        let mut entries = Entries::default();
        post(&mut entries, "a", "one", vec![answered(1, 201)]);
        edit(&mut entries, "two", answered(3, 200));
        finds(&entries.answered().judge(&stored(vec![message("one")])), "says “one”");
        // One that was lost, and two at once, may each have come last; one that was refused has not come.
        edit(&mut entries, "three", Try { began: 5, ended: Some(6), answer: None });
        edit(&mut entries, "four", Try { began: 7, ended: Some(10), answer: Some((200, String::new())) });
        edit(&mut entries, "five", Try { began: 8, ended: Some(9), answer: Some((200, String::new())) });
        edit(&mut entries, "six", answered(11, 409));
        for (text, may_be) in [("one", false), ("two", false), ("three", true), ("four", true), ("five", true), ("six", false)] {
            assert_eq!(entries.answered().judge(&stored(vec![message(text)])).is_empty(), may_be, "{text}");
        }
    }

    #[test]
    fn a_deletion_that_was_not_one() {
        let mut entries = Entries::default();
        post(&mut entries, "a", "hello", vec![answered(1, 201)]);
        let gone = StoredMessage { state: "deleted".into(), ..message("") };
        finds(&entries.answered().judge(&stored(vec![gone.clone()])), "nobody deleted it");
        entries.changes.push(Change { message: "a".into(), what: What::Delete, tried: answered(3, 200) });
        assert_eq!(entries.answered().judge(&stored(vec![gone.clone()])), Vec::<String>::new());
        finds(&entries.answered().judge(&stored(vec![message("hello")])), "its deletion was answered");
        let excerpt = StoredMessage { other: "hel".into(), ..gone.clone() };
        finds(&entries.answered().judge(&stored(vec![excerpt])), "still says “hel”");
        let mut chunk = stored(vec![gone.clone()]);
        chunk.chunks.insert(("a".into(), 1, "answer".into()), "hel".into());
        finds(&entries.answered().judge(&chunk), "a chunk");
        let mut attempt = stored(vec![gone]);
        attempt.attempts.insert(("a".into(), 1), StoredAttempt { text: "hel".into(), ..StoredAttempt::default() });
        finds(&entries.answered().judge(&attempt), "attempt 1");
    }

    /// A reply as it is stored, at its first attempt.
    fn reply(text: &str) -> Stored {
        let mut stored = stored(vec![StoredMessage { by_person: false, attempt: 1, ..message(text) }]);
        stored
            .attempts
            .insert(("a".into(), 1), StoredAttempt { kind: "first".into(), state: "complete".into(), ..StoredAttempt::default() });
        stored
    }

    fn shows(texts: &[&str]) -> Shown {
        let mut shown = Shown::default();
        for text in texts {
            let part = Part { len: text.encode_utf16().count(), text: (*text).into(), ..Part::default() };
            shown.note("a", 1, "answer", &part, false);
        }
        shown
    }

    #[test]
    fn a_shown_text_that_is_not_stored() {
        assert_eq!(shows(&["He", "Hello"]).judge(&reply("Hello.")), Vec::<String>::new());
        finds(&shows(&["He", "Hello"]).judge(&reply("Hell")), "they part at byte 4");
        finds(&shows(&["He", "Hx", "Hello"]).judge(&reply("Hello.")), "they part at byte 1");
        let gone = shows(&["He"]).judge(&Stored::default());
        finds(&gone, "there is no such message");
        // While it is open, what counts are its chunks.
        let mut open = reply("");
        open.attempts.get_mut(&("a".into(), 1)).unwrap().state = "streaming".into();
        open.chunks.insert(("a".into(), 1, "answer".into()), "Hell".into());
        assert_eq!(shows(&["He"]).judge(&open), Vec::<String>::new());
        finds(&shows(&["Hello"]).judge(&open), "they part at byte 4");
    }

    #[test]
    fn a_shown_text_of_an_earlier_attempt() {
        for (kind, kept, found) in [("continue", "", ""), ("retry", "Hello", ""), ("retry", "He", "they part at byte 2")] {
            let mut stored = reply("Hello and on");
            stored.messages.get_mut("a").unwrap()[0].attempt = 2;
            stored.attempts.get_mut(&("a".into(), 1)).unwrap().text = kept.into();
            let next = StoredAttempt { kind: kind.into(), state: "complete".into(), ..StoredAttempt::default() };
            stored.attempts.insert(("a".into(), 2), next);
            let faults = shows(&["Hello"]).judge(&stored);
            if found.is_empty() { assert_eq!(faults, Vec::<String>::new(), "{kind}") } else { finds(&faults, found) }
        }
    }

    #[test]
    fn markup_that_is_not_the_texts() {
        let at = |text: &str, shown: &str| {
            let part = Part { len: text.encode_utf16().count(), blocks: vec![shown.into()], ..Part::default() };
            let mut all = Shown::default();
            all.note("a", 1, "answer", &part, true);
            all
        };
        assert_eq!(at("🌱 *a", "<p>🌱 <em>a</em></p>").judge(&reply("🌱 *a* b")), Vec::<String>::new());
        finds(&at("🌱 *a", "<p>🌱 *a</p>").judge(&reply("🌱 *a* b")), "is not that of the text");
        finds(&at("🌱 *a* b", "<p></p>").judge(&reply("🌱 *a")), "5 are stored");
        let mut two = at("a", "<p>a</p>");
        two.note("a", 1, "answer", &Part { len: 1, blocks: vec!["<p>b</p>".into()], ..Part::default() }, true);
        finds(&two.judge(&reply("a")), "two different things");
    }

    #[test]
    fn a_viewer_that_misses_a_row() {
        let json = |rev: i64| json!({ "id": "a", "seq": 5, "rev": rev, "attempt": 0, "state": "complete", "text": "hello" });
        let fresh = |rows: Vec<Value>| Fresh { from: 0, rows, about: Value::Null, head: 9, faults: Vec::new() };
        let keeps = |rows: Vec<Value>| Kept {
            rows: rows.iter().map(|json| (text(&json["id"]), row(json))).collect(),
            cursor: "room.epoch.9".into(),
            ..Kept::default()
        };
        assert_eq!(judge_view(&keeps(vec![json(5)]), &fresh(vec![json(5)])), Vec::<String>::new());
        finds(&judge_view(&keeps(vec![]), &fresh(vec![json(5)])), "a viewer does not");
        finds(&judge_view(&keeps(vec![json(5)]), &fresh(vec![])), "a fresh page does not");
        finds(&judge_view(&keeps(vec![json(5)]), &fresh(vec![json(6)])), "a fresh page shows {");
        // Outside of its window it need not show it, and must not.
        assert_eq!(judge_view(&Kept { from: 6, ..keeps(vec![]) }, &fresh(vec![json(5)])), Vec::<String>::new());
        let behind = judge_view(&Kept { cursor: "room.epoch.8".into(), ..keeps(vec![]) }, &fresh(vec![]));
        assert_eq!(behind, ["a viewer is at 8 and the room at 9"]);
    }
}
