//! SIGTERM, with a thousand streams open, twice, and while the server starts: it ends in order and in time, and everybody comes back.

use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use crate::ledger::{Answer, Ledger, Viewer, Watching, call, question};
use crate::life::Dice;
use crate::support::{On, Options, PASSWORD, PATIENCE, Person, Server, on_both};

const PEOPLE: usize = 40;
/// Streams of each: most are idle, some follow replies, one takes nothing. A person may have 32.
const IDLE: usize = 20;
const FOLLOWING: usize = 4;
/// How long an end may take, and over how long good-byes must at least be spread (3 s are meant).
const END: Duration = Duration::from_secs(10);
const SPREAD: Duration = Duration::from_millis(2500);
/// A request that is sent takes no longer to reach the server on the same machine, busy as it is.
const ON_ITS_WAY: Duration = Duration::from_millis(100);
/// Longer than a socket's buffers.
const LONG_TEXT: usize = 60_000;

/// As many files as the system lets us open.
fn many_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).expect("a limit may be raised to its maximum");
}

/// Somebody whose program has a token, made from the command line.
async fn person(server: &Server, name: &str) -> (Person, String) {
    server.cli(&["user", "add", name, "--password-stdin"], PASSWORD).await.ok();
    let token = server.cli(&["token", "add", name], "").await.ok().to_owned();
    (Person::program(&server.url, &token).known().await, token)
}

/// A stream whose reader takes nothing.
async fn stuck(server: &Server, token: &str, room: &str, cursor: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let address = server.url.trim_start_matches("http://");
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    let request = format!("GET /api/rooms/{room}/live?at={cursor} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    // The head has come: it is a stream.
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    stream
}

/// Asks the same thing again and again, and notes when each was asked and what was said.
async fn keeps_asking<T>(over: &AtomicBool, mut ask: impl AsyncFnMut() -> T) -> Vec<(Instant, T)> {
    let mut answers = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let asked = Instant::now();
        answers.push((asked, ask().await));
        sleep(Duration::from_millis(20)).await;
    }
    answers
}

on_both! {
    async fn a_thousand_streams_end_in_order_and_all_come_back(on: On) {
        many_files();
        let server = Server::with(on, Options::default()).await;
        let ada = server.first("Ada").await;
        let (hall, kitchen) = (ada.makes_room("Hall").await, ada.makes_room("Kitchen").await);
        server.assistant("Echo", &kitchen, "mention").await;
        let names: Vec<String> = (0..PEOPLE).map(|n| format!("Person {n}")).collect();
        let mut people = Vec::new();
        for some in names.chunks(4) {
            people.extend(join_all(some.iter().map(|name| person(&server, name))).await);
        }
        let ledger = Ledger::over(&server);
        let cursor = {
            for (person, _) in &people {
                person.joins(&hall).await;
                person.joins(&kitchen).await;
            }
            ada.cursor(&kitchen).await
        };
        // They come back as a browser does, after two to five seconds.
        let calm = Watching { pause: (2000, 5000), ..Watching::default() };
        let page = Watching { view: "html", ..calm.clone() };
        let mut viewers: Vec<Viewer> = Vec::new();
        let mut stuck_ones = Vec::new();
        for (person, token) in &people {
            let own: Vec<Viewer> = (0..IDLE)
                .map(|n| ledger.viewer_with(person, &hall, if n % 2 == 0 { calm.clone() } else { page.clone() }))
                .chain((0..FOLLOWING).map(|n| ledger.viewer_with(person, &kitchen, if n > 0 { calm.clone() } else { page.clone() })))
                .collect();
            for viewer in &own {
                viewer.follows().await;
            }
            viewers.extend(own);
            stuck_ones.push(stuck(&server, token, &kitchen, &cursor).await);
        }
        assert_eq!(viewers.len() + stuck_ones.len(), 1000);

        let poster = ledger.poster(&ada, &kitchen);
        // More than the buffers of those who take nothing.
        for n in 0..4 {
            poster.says(&format!("{n} long text. ").repeat(LONG_TEXT / 13)).await;
        }
        let questions = [
            ("endless", vec!["say \"It begins \"", "pace 40", "repeat 5000 \"and goes on \""]),
            ("silent", vec!["reason \"Hm. \"", "say \"So far \"", "wait never"]),
            ("in time", vec!["say \"Nearly \"", "wait done", "say done"]),
        ];
        let mut asked = Vec::new();
        for (_, steps) in &questions {
            asked.push(poster.says(&question("Echo", steps)).await);
        }
        let follower = viewers[IDLE + FOLLOWING - 1].clone();
        let mut replies = Vec::new();
        for (id, begins) in asked.iter().zip(["It begins and goes on", "So far ", "Nearly "]) {
            let find = |kept: &crate::ledger::Kept| {
                kept.rows.iter().find(|(_, row)| row.json["reply_to"]["id"] == id.as_str() && row.text().starts_with(begins)).map(|(id, _)| id.clone())
            };
            follower.until("its beginning", |kept| find(kept).is_some()).await;
            replies.push(follower.looks(find).unwrap());
        }

        // What goes on while it ends: somebody posts, somebody asks over new connections whether it is ready.
        let over = AtomicBool::new(false);
        let mut number = 0;
        let posting = keeps_asking(&over, async || {
            number += 1;
            poster.tries_to_say(&format!("one more: {number}")).await.1
        });
        let watching = keeps_asking(&over, async || call(&Person::stranger(&server.url), Method::GET, "/readyz", None).await);
        let ending = async {
            sleep(Duration::from_millis(300)).await;
            let began = Instant::now();
            server.signal(Signal::TERM);
            follower.until("its good-bye", |kept| !kept.byes.is_empty()).await;
            server.open("done");
            let status = server.ended().await;
            over.store(true, Ordering::Relaxed);
            assert!(status.success(), "{status:?}");
            (began, began.elapsed())
        };
        let (posted, ready, (began, took)) = tokio::join!(posting, watching, ending);
        assert!(took <= END, "{took:?}");

        // Everyone who read was told, once and not all at one moment.
        let mut told: Vec<Instant> = Vec::new();
        for viewer in &viewers {
            let byes = viewer.looks(|kept| kept.byes.clone());
            assert!(matches!(&byes[..], [(why, _)] if why == "shutdown"), "{}: {byes:?}", viewer.describe());
            told.push(byes[0].1);
        }
        told.sort();
        let spread = told[told.len() - 1] - told[0];
        eprintln!("on {on:?}: ended after {took:?}; {} good-byes over {spread:?}, the first after {:?}", told.len(), told[0] - began);
        assert!(spread >= SPREAD, "{spread:?}");
        for mut socket in stuck_ones {
            let end = timeout(PATIENCE, async { while socket.read(&mut [0; 65536]).await.is_ok_and(|n| n > 0) {} }).await;
            assert!(end.is_ok(), "who takes nothing keeps no connection");
        }
        // Nothing was taken any more once anybody had been sent away, and nobody was told that all is well.
        let count = |answers: &[(Instant, Answer)], what: fn(&Answer) -> bool| answers.iter().filter(|(_, answer)| what(answer)).count();
        for (what, answers) in [("posts", posted), ("readiness", ready)] {
            for (asked, answer) in &answers {
                match answer {
                    Answer::Came { status: 200 | 201, .. } => assert!(*asked <= told[0], "{what}: {answer:?} after the first good-bye"),
                    Answer::Came { status: 503, body } => assert!(what == "readiness" || body.contains("shutting_down"), "{answer:?}"),
                    // Asked a moment before, it may have been on its way still when the connection, idle as the server saw it, was closed.
                    Answer::Lost(_) => assert!(*asked + ON_ITS_WAY >= began, "{what}: {answer:?}"),
                    Answer::Came { .. } => panic!("{what}: {answer:?}"),
                }
            }
            let (well, lost) = (count(&answers, Answer::is_ok), count(&answers, |answer| matches!(answer, Answer::Lost(_))));
            let refused = answers.len() - well - lost;
            eprintln!("{what}: {well} times well, {refused} times 503, {lost} times no answer");
            // Some meet a connection that is just being closed, or come after its end.
            assert!(refused > lost, "{what}: who asks is told");
        }
        ledger.judge_what_is_left().await;

        server.restart().await;
        for viewer in &viewers {
            viewer.follows().await;
        }
        ledger.settles().await;
        ledger.judge().await;
        for viewer in &viewers {
            // By cursor: nobody had to load anything anew.
            viewer.looks(|kept| assert_eq!((kept.loads, kept.resets, kept.gaps), (1, 0, 0), "{}", viewer.describe()));
        }
        for (person, _) in &people {
            let mut again = person.live_at(&kitchen, &cursor).await;
            again.catches_up().await;
            assert_eq!(again.last_event_id, person.cursor(&kitchen).await, "who was stuck has caught up too");
        }
        let stored = join_all(replies.iter().map(|id| ada.message(&kitchen, id))).await;
        for (reply, begins) in stored.iter().zip(["It begins and goes on", "So far "]) {
            assert_eq!((&reply["state"], &reply["why"]), (&json!("interrupted"), &json!("The server was stopped while this was being written.")));
            assert!(reply["text"].as_str().unwrap().starts_with(begins), "{reply}");
        }
        assert_eq!((&stored[2]["state"], &stored[2]["text"]), (&json!("complete"), &json!("Nearly done")));
        eprintln!("{}", ledger.summary());
        assert!(!server.log().contains("panicked"));
    }

    async fn a_second_and_third_sigterm_change_nothing(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let room = ada.makes_room("Kitchen").await;
        server.assistant("Echo", &room, "mention").await;
        let ledger = Ledger::over(&server);
        let viewer = ledger.viewer(&ada, &room);
        viewer.follows().await;
        let poster = ledger.poster(&ada, &room);
        poster.asks("Echo", &["say \"So far\"", "wait never"]).await;
        viewer.until("the beginning", |kept| kept.rows.values().any(|row| row.text() == "So far")).await;
        let began = Instant::now();
        server.signal(Signal::TERM);
        viewer.until("the good-bye", |kept| !kept.byes.is_empty()).await;
        for signal in [Signal::TERM, Signal::INT, Signal::TERM] {
            server.signal(signal);
            sleep(Duration::from_millis(50)).await;
        }
        let status = server.ended().await;
        assert!(status.success() && began.elapsed() <= END, "{status:?} after {:?}", began.elapsed());
        ledger.judge_what_is_left().await;
        server.restart().await;
        ledger.settles().await;
        ledger.judge().await;
        let reply = viewer.looks(|kept| kept.rows.values().find(|row| row.attempt > 0).unwrap().json.clone());
        assert_eq!((&reply["state"], &reply["text"]), (&json!("interrupted"), &json!("So far")));
        assert_eq!(reply["why"], "The server was stopped while this was being written.");
    }

    async fn sigterm_while_it_starts(on: On) {
        let mut dice = Dice::from_environment(&format!("SIGTERM at a start on {on:?}"));
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let room = ada.makes_room("Kitchen").await;
        server.assistant("Echo", &room, "mention").await;
        let ledger = Ledger::over(&server);
        let poster = ledger.poster(&ada, &room);
        poster.asks("Echo", &["say \"So far\"", "wait never"]).await;
        poster.says("Still here?").await;
        let began = Instant::now();
        server.terminate().await;
        assert!(began.elapsed() <= END);
        let mut ends = Vec::new();
        for _ in 0..12 {
            let log = server.log().len();
            server.begin();
            let moment = dice.millis(0, 120);
            sleep(moment).await;
            let began = Instant::now();
            server.signal(Signal::TERM);
            let status = server.ended().await;
            // Before it hears signals, which is before it does or says anything, it is as if it had never begun.
            let unheard = status.signal() == Some(Signal::TERM.as_raw()) && server.log().len() == log;
            assert!(status.success() || unheard, "{status:?} {moment:?} into a start\n{}", server.log());
            assert!(began.elapsed() <= END, "{:?}", began.elapsed());
            ends.push((moment.as_millis(), status.code()));
        }
        eprintln!("on {on:?}: SIGTERM so many ms into a start, and the exit code: {ends:?}");
        ledger.judge_what_is_left().await;
        server.restart().await;
        ledger.viewer(&ada, &room);
        ledger.settles().await;
        ledger.judge().await;
    }
}
