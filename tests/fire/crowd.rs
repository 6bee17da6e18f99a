//! Crowds: thousands that send half a request, send bodies by the byte, hold connections, open streams beyond their share, or all come back
//! at once. Whoever uses the server as it is meant notices nothing: each of their posts is answered at its first try, each frame arrives.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use parlor::chat::Chat;
use parlor::clock::Clock;
use parlor::live::LocalBus;
use parlor::store::Store;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, sleep, timeout};

use crate::ledger::{Ledger, Poster, Viewer};
use crate::support::{On, Options, PASSWORD, PATIENCE, Person, Server};

/// Streams that one person may have open, and checks of streaming that one address may.
const STREAMS: usize = 32;
const CHECKS: usize = 8;
/// Times of the server for a request's head and body, and for the next request on a connection.
const HEAD: Duration = Duration::from_secs(10);
const BODY: Duration = Duration::from_secs(30);
const IDLE: Duration = Duration::from_secs(75);
/// How long a socket may take nothing.
const STALL: Duration = Duration::from_secs(30);
/// How much later than its time something may end: the machine is busy.
const LATE: Duration = Duration::from_secs(20);

// ---- the others ----

/// Those who just use the server: two who post, four who read, one of them a page.
struct Others<'s> {
    ledger: Ledger<'s>,
    posters: Vec<Poster>,
    viewers: Vec<Viewer>,
}

impl<'s> Others<'s> {
    async fn of(server: &'s Server, people: &[&Person], room: &str) -> Self {
        let ledger = Ledger::over(server);
        let posters = people.iter().map(|person| ledger.poster(person, room)).collect();
        let mut viewers: Vec<Viewer> = (0..3).map(|n| ledger.viewer(people[n % people.len()], room)).collect();
        viewers.push(ledger.page_viewer(people[0], room));
        for viewer in &viewers {
            viewer.follows().await;
        }
        Self { ledger, posters, viewers }
    }

    /// They post one after the other while something is under way. Each post is answered at its first try.
    async fn go_on<T>(&self, what: &str, under_way: impl Future<Output = T>) -> T {
        let (over, is_over) = watch::channel(false);
        let posting = join_all(self.posters.iter().map(|poster| {
            let mut is_over = is_over.clone();
            async move {
                let mut took = Vec::new();
                for n in 0.. {
                    let began = Instant::now();
                    let (id, answer) = poster.tries_to_say(&format!("{what}: {n}")).await;
                    assert!(answer.is_ok(), "{what}: the post {id} is answered {answer:?}");
                    took.push(began.elapsed());
                    if timeout(Duration::from_millis(20), is_over.wait_for(|over| *over)).await.is_ok() {
                        break;
                    }
                }
                took
            }
        }));
        let (took, done) = tokio::join!(posting, async {
            let done = under_way.await;
            over.send_replace(true);
            done
        });
        let mut took = took.concat();
        took.sort();
        let at = |percent: usize| took[(took.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
        println!("posts of others, {what}: p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms of {}", at(50), at(99), at(100), took.len());
        done
    }

    /// How it is without a crowd.
    async fn are_alone(&self) {
        self.go_on("alone", sleep(Duration::from_secs(1))).await;
    }

    /// Nobody noticed anything: no stream broke, everything arrived.
    async fn noticed_nothing(&self) {
        self.ledger.settles().await;
        for viewer in &self.viewers {
            assert_eq!(viewer.looks(|kept| (kept.opened, kept.broken, kept.gaps, kept.loads)), (1, 0, 0, 1), "{}", viewer.describe());
        }
        self.ledger.judge().await;
    }
}

async fn server(options: Options) -> (Server, Person, Person, String) {
    let server = Server::with(On::Sqlite, Options { posts_per_minute: Some(1_000_000), ..options }).await;
    let ada = server.first("Ada").await;
    let bob = server.person("Bob").await;
    let room = ada.makes_room("Kitchen").await;
    bob.joins(&room).await;
    (server, ada, bob, room)
}

// ---- bare connections ----

/// A connection as it is, without a client's manners.
struct Line {
    socket: TcpStream,
    heard: Vec<u8>,
}

/// The head of an answer, and how much was read with it.
struct Head {
    status: u16,
    head: String,
    /// Where the body begins.
    end: usize,
}

impl Line {
    async fn to(server: &Server) -> Self {
        Self::from(server, Ipv4Addr::LOCALHOST).await
    }

    async fn from(server: &Server, address: Ipv4Addr) -> Self {
        let to: SocketAddr = server.url.trim_start_matches("http://").parse().unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(IpAddr::V4(address), 0)).unwrap();
        let socket = timeout(PATIENCE, socket.connect(to)).await.expect("connections are taken").expect("the server can be reached");
        Self { socket, heard: Vec::new() }
    }

    async fn says(&mut self, words: &str) -> io::Result<()> {
        self.socket.write_all(words.as_bytes()).await
    }

    /// Reads more. False at the end, however it came.
    async fn hears(&mut self) -> bool {
        self.socket.read_buf(&mut self.heard).await.is_ok_and(|n| n > 0)
    }

    async fn head(&mut self) -> Option<Head> {
        loop {
            if let Some(end) = self.heard.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8(self.heard[..end].to_vec()).expect("ASCII").to_lowercase();
                let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
                return Some(Head { status, head, end: end + 4 });
            }
            if !self.hears().await {
                return None;
            }
        }
    }

    /// An answer with a length, whole; the connection can be used again.
    async fn answer(&mut self) -> Option<(Head, String)> {
        let head = self.head().await?;
        let length: usize = head.field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        while self.heard.len() < head.end + length {
            if !self.hears().await {
                return None;
            }
        }
        let body = String::from_utf8(self.heard[head.end..head.end + length].to_vec()).expect("UTF-8");
        self.heard.drain(..head.end + length);
        Some((head, body))
    }

    /// Sends a byte a second until the other side has answered and closed, or closed; how long that took.
    async fn drips(mut self) -> (Duration, String) {
        let began = Instant::now();
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                more = self.hears() => if !more { break },
                _ = ticks.tick() => drop(self.socket.try_write(b"a")),
            }
        }
        (began.elapsed(), String::from_utf8(self.heard).expect("UTF-8"))
    }

    /// Waits for the end without a word; how long that took.
    async fn waits(mut self) -> Duration {
        let began = Instant::now();
        while self.hears().await {}
        began.elapsed()
    }
}

impl Head {
    fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

fn within(took: &[Duration], time: Duration) {
    let (first, last) = (took.iter().min().unwrap(), took.iter().max().unwrap());
    // The clock of the server begins with a byte's arrival, that of the test with its own.
    assert!(*first + Duration::from_secs(1) >= time, "one ended after {first:?}, before its time of {time:?}");
    assert!(*last <= time + LATE, "one ended only after {last:?}, long after its time of {time:?}");
    println!("{} ended after {first:?} to {last:?}", took.len());
}

// ---- crowds ----

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_slow_on_purpose_is_ended_and_nobody_else() {
    const HEADS: usize = 2000;
    const SILENT: usize = 100;
    const BODIES: usize = 200;
    let (server, ada, bob, room) = server(Options::default()).await;
    let eve = server.person("Eve").await;
    eve.joins(&room).await;
    let token = server.cli(&["token", "add", "Eve"], "").await.ok().to_owned();
    let others = Others::of(&server, &[&ada, &bob], &room).await;
    others.are_alone().await;
    let heads = async {
        let slow = join_all((0..HEADS).map(async |n| {
            let mut line = Line::to(&server).await;
            let half =
                ["G", "GET /rooms HTTP/1.1\r\n", "GET / HTTP/1.1\r\nhost: x\r\nx-slow: ", "POST /sign-in HTTP/1.1\r\nhost: x\r\n"][n % 4];
            line.says(half).await.unwrap();
            line.drips().await
        }));
        let slow = slow.await;
        for (_, heard) in &slow {
            assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 408 "), "{heard}");
        }
        let told = slow.iter().filter(|(_, heard)| heard.starts_with("HTTP/1.1 408 ")).count();
        println!("{told} of {HEADS} slow heads were told 408");
        assert!(told > HEADS / 2, "who is slow is told so");
        within(&slow.iter().map(|(took, _)| *took).collect::<Vec<_>>(), HEAD);
    };
    let silent = async {
        let took = join_all((0..SILENT).map(async |_| Line::to(&server).await.waits().await)).await;
        within(&took, HEAD);
    };
    let bodies = async {
        let slow = join_all((0..BODIES).map(async |_| {
            let mut line = Line::to(&server).await;
            let head = format!(
                "POST /api/rooms/{room}/messages HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
                 content-length: 100000\r\n\r\n{{\"text\":\""
            );
            line.says(&head).await.unwrap();
            line.drips().await
        }));
        let slow = slow.await;
        for (_, heard) in &slow {
            assert!(heard.starts_with("HTTP/1.1 408 ") && heard.contains("\"code\":\"too_slow\""), "{heard}");
        }
        within(&slow.iter().map(|(took, _)| *took).collect::<Vec<_>>(), BODY);
    };
    others.go_on("beside slow heads and bodies", async { tokio::join!(heads, silent, bodies) }).await;
    let stored = server.database.number(&format!("SELECT COUNT(*) FROM messages WHERE author_id = '{}'", eve.id)).await;
    assert_eq!(stored, 0);
    others.noticed_nothing().await;
}

/// Answers that nobody reads: one of each such connection waits in memory, for as long as a reader may take nothing, and not longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_and_does_not_read_is_ended() {
    const LINES: usize = 100;
    let (server, ada, bob, room) = server(Options::default()).await;
    let archive = bob.makes_room("Archive").await;
    let words = "lots of words ".repeat(1500);
    for n in 0..50 {
        bob.says(&archive, &format!("{n} {words}")).await;
    }
    let token = server.cli(&["token", "add", "Bob"], "").await.ok().to_owned();
    let others = Others::of(&server, &[&ada, &bob], &room).await;
    others.are_alone().await;
    let asks = format!("GET /api/rooms/{archive}/messages HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n").repeat(10);
    let files = || std::fs::read_dir(format!("/proc/{}/fd", server.pid().as_raw_nonzero())).expect("it runs").count();
    let before = files();
    let took = others
        .go_on("beside those who do not read", async {
            let began = Instant::now();
            let lines = join_all((0..LINES).map(async |_| {
                let mut line = Line::to(&server).await;
                line.says(&asks).await.unwrap();
                line
            }))
            .await;
            crate::support::eventually("they are all connected", async || (files() >= before + LINES).then_some(())).await;
            // A few files of the server's own may be open now that were not before.
            while files() > before + LINES / 10 {
                assert!(began.elapsed() < STALL + LATE, "{} files are open, {before} were before", files());
                sleep(Duration::from_millis(100)).await;
            }
            drop(lines);
            began.elapsed()
        })
        .await;
    within(&[took], STALL);
    others.noticed_nothing().await;
}

/// Proxies keep a connection for 60 s (nginx) and may send into it to the last moment, so it is not closed before; but it is closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn idle_connections_are_kept_for_proxies_and_not_for_ever() {
    const EACH: usize = 20;
    let (server, ada, bob, room) = server(Options::default()).await;
    let others = Others::of(&server, &[&ada, &bob], &room).await;
    let asks = async |path: &str| {
        let mut line = Line::to(&server).await;
        line.says(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await.unwrap();
        assert!(line.answer().await.is_some_and(|(head, _)| head.status == 200), "{path}");
        line
    };
    let idle = async {
        let paths = ["/healthz", "/sign-in"];
        let took = join_all((0..2 * EACH).map(async |n| {
            let mut line = asks(paths[n % 2]).await;
            if n < EACH {
                // Used again at the last moment of a proxy.
                let early = timeout(Duration::from_secs(60), line.hears()).await;
                assert!(early.is_err(), "a connection that served {} is closed before a proxy's time", paths[n % 2]);
                line.says("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
                assert!(line.answer().await.is_some_and(|(head, _)| head.status == 200), "it still answers");
                return None;
            }
            Some(line.waits().await)
        }))
        .await;
        within(&took.into_iter().flatten().collect::<Vec<_>>(), IDLE);
    };
    // The others are idle too, and hear heartbeats.
    idle.await;
    others.noticed_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_beyond_a_persons_share_are_refused_and_disturb_none() {
    let (server, ada, bob, room) = server(Options::default()).await;
    let eve = server.person("Eve").await;
    eve.joins(&room).await;
    let others = Others::of(&server, &[&ada, &bob], &room).await;
    others.are_alone().await;
    let path = format!("/rooms/{room}/live");
    others
        .go_on("beside 200 streams of one person", async {
            let tried = join_all((0..200).map(|_| eve.tries_stream(&path))).await;
            let (open, refused): (Vec<_>, Vec<_>) = tried.into_iter().partition(Result::is_ok);
            assert_eq!(open.len(), STREAMS);
            for refused in refused.into_iter().filter_map(Result::err) {
                assert_eq!((refused.status, refused.code().as_str()), (429, "too_many_streams"));
                let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
                assert!((1..=60).contains(&wait));
            }
            // Those that are open are streams like all others; one that goes makes room for one.
            let mut open: Vec<_> = open.into_iter().filter_map(Result::ok).collect();
            eve.says(&room, "all of these hear it").await;
            for stream in &mut open {
                stream.sees("all of these hear it").await;
            }
            drop(open.pop());
            let again = crate::support::eventually("a place is free again", async || eve.tries_stream(&path).await.ok()).await;
            assert_eq!(eve.tries_stream(&path).await.expect_err("all are open again").status, 429);
            drop((open, again));
        })
        .await;
    others.noticed_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_of_streaming_are_bounded_by_address() {
    let (server, ada, bob, room) = server(Options::default()).await;
    let others = Others::of(&server, &[&ada, &bob], &room).await;
    let check = async |from: Ipv4Addr| {
        let mut line = Line::from(&server, from).await;
        line.says("GET /web/StreamChat?n=1000&every_ms=1000 HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\r\n").await.unwrap();
        let head = line.head().await.expect("an answer");
        (line, head)
    };
    others
        .go_on("beside checks of streaming", async {
            let (here, there) = (Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2));
            let tried = join_all((0..50).map(|_| check(here))).await;
            let (mut open, refused): (Vec<_>, Vec<_>) = tried.into_iter().partition(|(_, head)| head.status == 200);
            assert_eq!((open.len(), refused.len()), (CHECKS, 50 - CHECKS));
            for (mut line, head) in refused {
                assert_eq!(head.status, 429);
                assert!(head.field("retry-after").is_some(), "{}", head.head);
                let (_, body) = line.answer().await.expect("a body");
                assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["error"]["code"], "too_many_streams");
            }
            // Who comes from elsewhere has a share of their own.
            assert_eq!(check(there).await.1.status, 200);
            for (line, _) in &mut open {
                while !String::from_utf8_lossy(&line.heard).contains("data: 2\n") {
                    assert!(timeout(PATIENCE, line.hears()).await.expect("numbers come"), "a check goes on");
                }
            }
            drop(open.pop());
            crate::support::eventually("a place is free again", async || (check(here).await.1.status == 200).then_some(())).await;
        })
        .await;
    others.noticed_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_beyond_the_last_place_are_told_so() {
    const PLACES: usize = 60;
    let (server, ada, bob, room) = server(Options::args(&["--max-connections", &PLACES.to_string()])).await;
    let others = Others::of(&server, &[&ada, &bob], &room).await;
    others.are_alone().await;
    let asks = async || {
        let mut line = Line::to(&server).await;
        // It may be told before it has said anything.
        let _ = line.says("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let answer = timeout(PATIENCE, line.answer()).await.expect("an answer or an end");
        (line, answer)
    };
    let taken = others
        .go_on("with every place taken", async {
            let mut taken = Vec::new();
            let first = loop {
                match asks().await {
                    (line, Some((head, _))) if head.status == 200 => taken.push(line),
                    (_, Some(answer)) => break answer,
                    (_, None) => panic!("the first that finds no place is told so"),
                }
                assert!(taken.len() < PLACES, "there are more places than there should be");
            };
            assert_eq!(first.0.status, 503);
            assert_eq!(first.0.field("connection"), Some("close"));
            assert!(first.0.field("retry-after").is_some() && first.1.contains("Try again"), "{}\n{}", first.0.head, first.1);
            // A crowd at the door: each is told so, or at least not kept waiting.
            let refused = join_all((0..300).map(|_| asks())).await;
            assert!(refused.iter().all(|(_, answer)| answer.as_ref().is_none_or(|(head, _)| head.status == 503)), "nobody gets in");
            let told = refused.iter().filter(|(_, answer)| answer.is_some()).count();
            println!("{told} of 300 without a place were told 503");
            assert!(told >= 30, "only {told} of 300 were told");
            taken
        })
        .await;
    drop(taken);
    crate::support::eventually("there are places again", async || asks().await.1.is_some_and(|(head, _)| head.status == 200).then_some(()))
        .await;
    others.noticed_nothing().await;
}

// ---- all come back at once ----

/// A server with so many people in one room, each with a token. Made on the database itself before the server starts.
async fn town(people: usize) -> (Server, String, Vec<String>) {
    let server = Server::prepare(On::Sqlite, Options { posts_per_minute: Some(1_000_000), ..Options::default() }).await;
    let store = Store::open(&server.database.url(), Clock::system(), Arc::new(LocalBus::default())).await.unwrap();
    let chat = Chat::new(store.clone(), 60);
    let (ada, _) = chat.set_up("Ada", PASSWORD, IpAddr::V4(Ipv4Addr::LOCALHOST)).await.unwrap();
    let room = chat.add_room(ada.id, "Market", "", false).await.unwrap().id;
    let tokens = join_all((0..people).map(async |n| {
        let person = chat.add_person(&format!("Citizen {n}"), PASSWORD, false).await.unwrap();
        chat.join(person.id, room).await.unwrap();
        chat.add_token(person.id).await.unwrap().1
    }))
    .await;
    chat.add_person("Bob", PASSWORD, false).await.unwrap();
    store.close().await;
    let server = server.go().await;
    (server, room.to_string(), tokens)
}

/// What a crowd has been through.
#[derive(Default)]
struct Count {
    caught_up: AtomicUsize,
    refused: AtomicUsize,
    broken: AtomicUsize,
    done: AtomicUsize,
}

/// A tab in a crowd: open since `wave` 1, gone and back with each further one, until it has seen the last word. Gives all that it saw.
async fn tab(server: &Server, room: &str, token: &str, mut cursor: String, mut wave: watch::Receiver<usize>, count: &Count) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        let now = *wave.borrow_and_update();
        // All of them come within a second.
        sleep(Duration::from_millis(Clock::system().draw(0, 1000))).await;
        let mut caught_up = false;
        'tries: loop {
            let mut line = Line::to(server).await;
            let request = format!(
                "GET /rooms/{room}/live HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\naccept: text/event-stream\r\nlast-event-id: {cursor}\r\n\r\n"
            );
            let head = match line.says(&request).await {
                Ok(()) => line.head().await,
                Err(_) => None,
            };
            match head {
                Some(head) if head.status == 200 => drop(line.heard.drain(..head.end)),
                Some(head) => {
                    assert!(matches!(head.status, 429 | 503), "{}", head.head);
                    count.refused.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_millis(500)).await;
                    continue 'tries;
                }
                None => {
                    count.broken.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_millis(500)).await;
                    continue 'tries;
                }
            }
            loop {
                while let Some(end) = line.heard.windows(2).position(|two| two == b"\n\n") {
                    let frame = String::from_utf8(line.heard.drain(..end + 2).collect()).expect("UTF-8");
                    if let Some((_, id)) = frame.split_once("\nid: ") {
                        cursor = id.lines().next().unwrap_or_default().to_owned();
                    }
                    if let Some((_, text)) = frame.split_once("\"text\":\"") {
                        seen.push(text.split('"').next().unwrap_or_default().to_owned());
                    }
                    if frame.starts_with("event: caught-up") && !caught_up {
                        caught_up = true;
                        count.caught_up.fetch_add(1, Ordering::Relaxed);
                    }
                    assert!(!frame.starts_with("event: reset") && !frame.starts_with("event: bye"), "{frame}");
                }
                if seen.last().is_some_and(|text| text == "the last word") {
                    count.done.fetch_add(1, Ordering::Relaxed);
                    return seen;
                }
                tokio::select! {
                    more = line.hears() => if !more {
                        count.broken.fetch_add(1, Ordering::Relaxed);
                        continue 'tries;
                    },
                    _ = wave.wait_for(|wave| *wave != now) => break 'tries,
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_come_back_within_a_second() {
    const PEOPLE: usize = 170;
    const TABS: usize = 5000;
    let (server, room, tokens) = town(PEOPLE).await;
    let (ada, bob) = (server.signs_in("Ada").await, server.signs_in("Bob").await);
    let quiet = ada.makes_room("Kitchen").await;
    bob.joins(&quiet).await;
    let others = Others::of(&server, &[&ada, &bob], &quiet).await;
    others.are_alone().await;
    let cursor = ada.cursor(&room).await;
    let count = Arc::new(Count::default());
    let (wave, waves) = watch::channel(1);
    let server = Arc::new(&server);
    let all = async |what: &str, began: Instant, number: &AtomicUsize, of: usize| {
        while number.load(Ordering::Relaxed) < of {
            assert!(
                began.elapsed() < 4 * PATIENCE,
                "{what}: {} of {of}; {} were refused and {} broken",
                number.load(Ordering::Relaxed),
                count.refused.load(Ordering::Relaxed),
                count.broken.load(Ordering::Relaxed)
            );
            sleep(Duration::from_millis(10)).await;
        }
        began.elapsed()
    };
    let crowd = join_all((0..TABS).map(|n| tab(&server, &room, &tokens[n % PEOPLE], cursor.clone(), waves.clone(), &count)));
    let story = others.go_on("while thousands come and come back", async {
        let began = Instant::now();
        println!("{TABS} came, and had caught up after {:?}", all("they come", began, &count.caught_up, TABS).await);
        for n in 0..5 {
            ada.says(&room, &format!("before {n}")).await;
        }
        let began = Instant::now();
        wave.send_replace(2);
        for n in 0..5 {
            ada.says(&room, &format!("meanwhile {n}")).await;
        }
        println!("{TABS} came back, and had caught up after {:?}", all("they come back", began, &count.caught_up, 2 * TABS).await);
        println!(
            "{} were asked to wait, {} connections broke",
            count.refused.load(Ordering::Relaxed),
            count.broken.load(Ordering::Relaxed)
        );
        let began = Instant::now();
        ada.says(&room, "the last word").await;
        println!("all heard the last word after {:?}", all("they hear the last word", began, &count.done, TABS).await);
    });
    let (seen, ()) = tokio::join!(crowd, story);
    let mut expected: Vec<String> = (0..5).map(|n| format!("before {n}")).chain((0..5).map(|n| format!("meanwhile {n}"))).collect();
    expected.push("the last word".to_owned());
    for seen in seen {
        assert_eq!(seen, expected, "each of them saw everything, once and in order");
    }
    others.noticed_nothing().await;
}
