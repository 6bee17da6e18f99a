//! Readers that stop: their sockets are full, and a busy room goes on without them. Others get everything, memory stays bounded; who wakes in
//! time is caught up from rows, and who does not is let go, told so between two whole frames, and comes back by cursor.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::support::{On, Options, PATIENCE, Person, Server, Stream, encoded, eventually};

/// Streams of one person at once.
const STREAMS: usize = 32;
/// How long a socket may take nothing before its stream is let go.
const STALL: Duration = Duration::from_secs(30);
/// What one stopped reader's sockets can hold at the very most: both kernel buffers, as the system's limits allow.
const BUFFERS: usize = 12 * 1024 * 1024;

/// Length of each post of a flood, in bytes.
const WORDS: usize = 42_000;

/// A server where people may talk as fast as they can.
async fn server() -> (Server, Person, String) {
    let server = Server::with(On::Sqlite, Options { posts_per_minute: Some(1_000_000), ..Options::default() }).await;
    let ada = server.first("Ada").await;
    let room = ada.makes_room("Kitchen").await;
    (server, ada, room)
}

async fn guest(server: &Server, room: &str, n: usize) -> Person {
    let guest = server.person(&format!("Guest {n}")).await;
    guest.joins(room).await;
    guest
}

/// Says all of these, so many at once.
async fn says_all(person: &Person, room: &str, texts: impl Iterator<Item = String>, at_once: usize) {
    stream::iter(texts).map(|text| async move { person.says(room, &text).await }).buffer_unordered(at_once).for_each(async |_| ()).await;
}

/// Megabytes of memory that the server's process has in use.
fn resident(server: &Server) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid().as_raw_nonzero())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("the kernel tells it");
    line.split_whitespace().nth(1).expect("a number").parse::<f64>().expect("a number") / 1024.0
}

/// When a post was sent, by what it says.
type Sent = Arc<Mutex<BTreeMap<String, Instant>>>;

/// A reader that only looks when each post comes: cheap enough for two hundred of them.
struct Watch {
    task: JoinHandle<Vec<(String, Instant)>>,
    seen: Arc<AtomicUsize>,
}

impl Watch {
    /// Opens a stream; `posts` is how many it waits for.
    async fn open(person: &Person, room: &str, posts: usize) -> Self {
        let path = format!("/rooms/{room}/live?{}", encoded(&[("at", &person.cursor(room).await)]));
        let mut response = person.request(reqwest::Method::GET, &path).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let seen = Arc::new(AtomicUsize::new(0));
        let count = seen.clone();
        let (open, opened) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            let (mut open, mut when, mut rest) = (Some(open), Vec::new(), String::new());
            while when.len() < posts {
                let Ok(Some(piece)) = response.chunk().await else { break };
                let now = Instant::now();
                rest.push_str(std::str::from_utf8(&piece).expect("these posts are ASCII"));
                while let Some((frame, later)) = rest.split_once("\n\n") {
                    if frame.starts_with("event: caught-up")
                        && let Some(open) = open.take()
                    {
                        let _ = open.send(());
                    }
                    if let Some((_, after)) = frame.split_once("\"text\":\"post ") {
                        when.push((after.split(['"', ' ']).next().unwrap_or_default().to_owned(), now));
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    rest = later.to_owned();
                }
            }
            when
        });
        timeout(PATIENCE, opened).await.expect("the stream opens").expect("and catches up");
        Self { task, seen }
    }

    /// All that it saw, in order; fails if it does not see everything.
    async fn all(self, sent: &Sent) -> Vec<Duration> {
        let seen = self.seen.clone();
        let when =
            timeout(3 * PATIENCE, self.task).await.unwrap_or_else(|_| panic!("a reader has only {} posts", seen.load(Ordering::Relaxed)));
        let sent = sent.lock().unwrap();
        let mut when = when.unwrap();
        let took = when.iter().map(|(post, at)| at.duration_since(sent[post])).collect();
        when.sort();
        let posts: Vec<&String> = when.iter().map(|(post, _)| post).collect();
        let expected: Vec<&String> = sent.keys().collect();
        assert!(posts == expected, "each post once: {} of {}", posts.len(), expected.len());
        took
    }
}

/// The middle, the slowest hundredth, and the slowest.
fn percentiles(mut took: Vec<Duration>) -> String {
    took.sort();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
    format!("p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms of {}", at(50), at(99), at(100), took.len())
}

/// So many posts, at a steady rate, each noted when it is sent.
async fn posts(person: &Person, room: &str, count: usize, every: Duration, sent: &Sent) {
    let mut ticks = tokio::time::interval(every);
    let mut under_way = Vec::new();
    for n in 0..count {
        ticks.tick().await;
        let (person, room, sent) = (person.clone(), room.to_owned(), sent.clone());
        under_way.push(tokio::spawn(async move {
            sent.lock().unwrap().insert(n.to_string(), Instant::now());
            person.says(&room, &format!("post {n} and some words beside it")).await;
        }));
    }
    for post in join_all(under_way).await {
        post.unwrap();
    }
}

/// A reader that is not read any more: as much as this flows past it, more than any buffer on the way holds.
async fn floods(person: &Person, room: &str, bytes: usize) {
    let words = "lots of words ".repeat(WORDS / 14);
    says_all(person, room, (0..posts_of(bytes)).map(|n| format!("{n} {words}")), 16).await;
}

/// The same in portions, each of them seen by somebody who is awake before the next: who reads slowly is not left behind for good.
async fn floods_past(awake: &mut Stream, person: &Person, room: &str, bytes: usize) {
    let portion = 1024 * 1024;
    for _ in 0..bytes.div_ceil(portion) {
        let posts = awake.rows.len() + posts_of(portion);
        // Counted, not looked through: these are megabytes.
        let reading = awake.until("all of them are shown", |tab| tab.rows.len() >= posts);
        tokio::join!(reading, floods(person, room, portion));
        awake.forget();
    }
}

/// How many posts a flood of so many bytes is.
fn posts_of(bytes: usize) -> usize {
    bytes.div_ceil(WORDS)
}

/// What a fresh page shows of these messages is what this tab shows.
async fn shows_what_a_fresh_page_shows(tab: &Stream, person: &Person, room: &str) {
    let fresh = person.messages(room).await;
    assert_eq!(fresh.len(), 50, "a page is full");
    for message in fresh {
        let id = message["id"].as_str().unwrap();
        let shown = tab.rows.get(id).unwrap_or_else(|| panic!("{id} is missing"));
        assert!(shown.json == message, "{id} is shown as {} and is {message}", shown.json);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_stop_hold_up_nobody() {
    const READERS: usize = 200;
    const STOPPED: usize = READERS / 10;
    const POSTS: usize = 300;
    let (server, ada, room) = server().await;
    let guests: Vec<Person> = join_all((0..READERS.div_ceil(STREAMS)).map(|n| guest(&server, &room, n))).await;
    let who = |n: usize| &guests[n / STREAMS];
    let mut said = Vec::new();
    for stopped in [0, STOPPED] {
        // Those that stop are open and never read.
        let mut sleepers = Vec::new();
        for n in 0..stopped {
            let mut sleeper = who(n).live(&room).await;
            sleeper.catches_up().await;
            sleepers.push(sleeper);
        }
        if stopped > 0 {
            floods(&ada, &room, BUFFERS).await;
        }
        let mut watches = Vec::new();
        for n in stopped..READERS {
            watches.push(Watch::open(who(n), &room, POSTS).await);
        }
        let sent = Sent::default();
        posts(&ada, &room, POSTS, Duration::from_millis(10), &sent).await;
        let took: Vec<Duration> = join_all(watches.into_iter().map(|watch| watch.all(&sent))).await.concat();
        said.push(format!("{READERS} readers, {stopped} of them stopped: from post to frame {}", percentiles(took)));
        // They wake within their time: what they missed comes from rows, in order, or they are told to load the room anew.
        for mut sleeper in sleepers {
            sleeper
                .until("it has the latest post, or a reset", |tab| {
                    !tab.resets.is_empty() || tab.texts().iter().any(|text| text.starts_with(&format!("post {} ", POSTS - 1)))
                })
                .await;
            assert_eq!((sleeper.gaps, &sleeper.byes), (0, &Vec::new()));
        }
    }
    println!("{}", said.join("\n"));
    server.database.holds().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_stop_cost_no_memory() {
    const STOPPED: usize = 3 * STREAMS;
    let (server, ada, room) = server().await;
    let guests: Vec<Person> = join_all((0..3).map(|n| guest(&server, &room, n))).await;
    let mut awake = ada.live(&room).await;
    let mut sleepers = Vec::new();
    for n in 0..STOPPED {
        let mut sleeper = guests[n / STREAMS].live(&room).await;
        sleeper.catches_up().await;
        sleepers.push(sleeper);
    }
    // Once without and once with everything warm: caches and pools have their size after the first.
    let mut before = 0.0;
    let flowing = 16 * 1024 * 1024;
    let began = Instant::now();
    for round in 0..2 {
        floods_past(&mut awake, &ada, &room, flowing / 2).await;
        if round == 0 {
            before = resident(&server);
        }
    }
    let after = resident(&server);
    let past = STOPPED * flowing / 1024 / 1024;
    println!(
        "{past} MB flowed past {STOPPED} readers that had stopped, in {:?}: the server has {before:.0} MB, then {after:.0} MB",
        began.elapsed()
    );
    assert!(after - before <= 16.0, "memory does not grow with what stopped readers miss: {before:.0} MB, then {after:.0} MB");
    // They wake, some of them after they were let go; all come back to what a fresh page shows.
    let last = ada.says(&room, "the last word").await;
    for mut sleeper in sleepers.into_iter().step_by(16) {
        while sleeper.resets.is_empty() && sleeper.byes.is_empty() && !sleeper.rows.contains_key(&last) {
            assert!(timeout(PATIENCE, sleeper.more()).await.expect("it goes on"), "a stream ends with a word");
        }
        assert_eq!(sleeper.gaps, 0);
        let mut back = ada.live_at(&room, &sleeper.last_event_id).await;
        back.until("it has caught up, or is to load the room anew", |tab| !tab.caught_up.is_empty() || !tab.resets.is_empty()).await;
    }
    server.database.holds().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wakes_in_time_is_caught_up_and_who_does_not_is_let_go() {
    let (server, ada, room) = server().await;
    let bob = guest(&server, &room, 0).await;
    let mut short = bob.live(&room).await;
    let mut long = bob.live(&room).await;
    let mut others = Vec::new();
    for _ in 2..STREAMS {
        let mut other = bob.live(&room).await;
        other.catches_up().await;
        others.push(other);
    }
    short.catches_up().await;
    long.catches_up().await;
    let path = format!("/rooms/{room}/live");
    assert_eq!(bob.tries_stream(&path).await.expect_err("his streams are all open").code(), "too_many_streams");

    // Far more than the sockets and the ring hold, and no more than rows make up for: 500 of them, 4 MiB with their markup.
    let began = Instant::now();
    let words = "lots of words ".repeat(500);
    let flood = says_all(&ada, &room, (0..250).map(|n| format!("{n} {words}")), 16);
    let reading = join_all(others.iter_mut().map(|other| other.until("everything is shown", |tab| tab.rows.len() == 251)));
    let last = async {
        flood.await;
        ada.says(&room, "the last word").await
    };
    let (_, last) = tokio::join!(reading, last);

    // One wakes in time: no word of it, no gap, nothing missing.
    assert!(began.elapsed() < STALL, "this took too long to say anything about who wakes in time");
    short.until("the last word is shown", |tab| tab.rows.contains_key(&last)).await;
    assert_eq!((&short.byes, &short.resets, short.gaps), (&Vec::new(), &Vec::new(), 0));
    shows_what_a_fresh_page_shows(&short, &bob, &room).await;
    assert_eq!(short.rows.len(), 251, "every row has come");

    // The other does not: its place is free again, and not before its time.
    let freed = async {
        loop {
            if let Ok(stream) = bob.tries_stream(&path).await {
                return stream;
            }
            sleep(Duration::from_millis(200)).await;
        }
    };
    let freed = timeout(2 * STALL, freed).await.expect("a stream whose reader stopped is let go");
    let waited = began.elapsed();
    println!("a stopped reader's place was free after {waited:?}");
    assert!(waited >= STALL, "not before its time: {waited:?}");
    let after = ada.says(&room, "after it was let go").await;
    // `more` and `ends` see to it that only whole frames come.
    long.ends().await;
    assert_eq!(long.byes, [json!({ "why": "slow" })]);
    assert!(!long.heard("after it was let go") && !long.heard("the last word"), "what waited does not come any more");
    assert_eq!(long.gaps, 0);
    let missed = long.rows.len();

    // It comes back by its cursor, with what it knew.
    drop(freed);
    let path = format!("{path}?{}", encoded(&[("at", &long.last_event_id)]));
    let mut back = eventually("a place is free", async || bob.tries_stream(&path).await.ok()).await;
    back.rows = std::mem::take(&mut long.rows);
    back.until("what was said meanwhile is shown", |tab| tab.rows.contains_key(&after)).await;
    assert_eq!((&back.byes, &back.resets, back.gaps), (&Vec::new(), &Vec::new(), 0));
    shows_what_a_fresh_page_shows(&back, &bob, &room).await;
    assert!(missed < 200 && back.rows.len() == 252, "it had {missed} rows, and has {}", back.rows.len());
    server.database.holds().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_removed_while_stopped_hears_nothing_of_what_comes_after() {
    let (server, ada, room) = server().await;
    let (bob, eve) = (guest(&server, &room, 0).await, guest(&server, &room, 1).await);
    let (mut his, mut hers, mut control) = (bob.live(&room).await, eve.live(&room).await, ada.live(&room).await);
    his.catches_up().await;
    hers.catches_up().await;
    floods_past(&mut control, &ada, &room, BUFFERS).await;
    ada.removes(&room, &bob).await;
    eve.signs_out().await;
    ada.says(&room, "a secret").await;
    control.sees("a secret").await;
    his.ends().await;
    hers.ends().await;
    assert_eq!(his.byes, [json!({ "why": "revoked", "room": room })]);
    assert_eq!(hers.byes, [json!({ "why": "signed-out" })]);
    for gone in [&his, &hers] {
        assert!(!gone.heard("a secret"));
        assert!(gone.rows.len() < control.rows.len() / 2, "what waited was dropped");
    }
    assert!(control.heard("a secret"));
}
