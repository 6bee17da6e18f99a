//! Viewers: tabs in the background, which load a page, follow its stream, and come back after any failure.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::poster::{ANSWER, call};
use super::shown::Shown;
use super::{Answer, PAUSE, SETTLED, lock, pause};
use crate::support::person::text;
use crate::support::stream::Row;
use crate::support::{Person, Stream, encoded};

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
    pub(super) how: Watching,
    pub(super) kept: Arc<Mutex<Kept>>,
    pub(super) shown: Arc<Mutex<Shown>>,
    pub(super) task: Arc<Mutex<Option<JoinHandle<()>>>>,
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
    pub(super) fn leaves(&self) {
        if let Some(task) = lock(&self.task).as_ref() {
            task.abort();
        }
    }
}

pub(super) fn reached(cursor: &str) -> i64 {
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
pub(super) async fn watch(person: Person, room: String, how: Watching, kept: Arc<Mutex<Kept>>, shown: Arc<Mutex<Shown>>) {
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
pub(super) fn row(json: &Value) -> Row {
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
