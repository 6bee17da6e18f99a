//! A tab as docs/live-protocol.md §8 and docs/frames.md describe one: frames go in, and what it shows comes out. Written from those
//! pages alone, so that where the server and the page agree on something else, this one does not.
//!
//! A tab's socket is modelled too: the stream is polled only after it has woken its task, as an executor would, so a wake-up that is
//! lost shows as a tab that stands still; and a tab that does not read is simply not polled.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::Stream;
use parlor::live::{Feed, View};
use serde_json::Value;

use crate::support::person::text;

/// What a tab knows of one room.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub rows: BTreeMap<String, Row>,
    /// The room's own row.
    pub room: Value,
    /// The id of the last durable frame, or the page's own cursor.
    pub cursor: Option<String>,
    /// It was opened without a cursor, at this number: it knows nothing of what was before.
    pub since: Option<i64>,
    /// A `reset` came: it must be loaded anew.
    pub stale: bool,
    /// A `bye` with this room came, or the stream was opened without it.
    pub gone: bool,
    /// `caught-up` came over this connection.
    pub caught_up: bool,
    /// The highest number that came over this connection.
    pub sent: i64,
    /// Messages whose rows came over this connection.
    pub fresh: BTreeSet<String>,
}

/// One message, in its newest version.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub data: Value,
    pub answer: Growth,
    pub reasoning: Growth,
}

/// A text that grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// In UTF-16 units of the text.
    pub len: usize,
    pub text: String,
    pub blocks: Vec<String>,
}

impl Row {
    pub fn rev(&self) -> i64 {
        self.data["rev"].as_i64().unwrap_or(0)
    }

    pub fn attempt(&self) -> i64 {
        self.data["attempt"].as_i64().unwrap_or(0)
    }

    pub fn state(&self) -> &str {
        self.data["state"].as_str().unwrap_or_default()
    }

    fn is_open(&self) -> bool {
        matches!(self.state(), "queued" | "streaming")
    }
}

/// Something that the tab has just shown of a growing text, to be compared with what is stored.
#[derive(Clone, Debug)]
pub struct Shown {
    pub id: String,
    pub attempt: i64,
    pub part: String,
    pub growth: Growth,
}

/// Whether the stream has woken its reader since it was last polled.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// One connection.
struct Connection {
    feed: Pin<Box<Feed>>,
    woken: Arc<Woken>,
    /// The socket takes nothing, and a piece waits to be written to it: the stream is not asked for more.
    stuck: bool,
    began: bool,
    bytes: Vec<u8>,
}

pub struct Tab {
    pub name: String,
    pub view: View,
    pub pages: BTreeMap<String, Page>,
    connection: Option<Connection>,
    /// A gap was seen: the stream is to be opened again from the last cursor.
    pub gap: bool,
    /// Why the last stream ended, if it was told.
    pub bye: Option<String>,
    pub gaps: usize,
    pub shown: Vec<Shown>,
    /// The names of the frames of the last poll, with their rooms: what a revoked stream may not have.
    pub came: Vec<(String, String)>,
    /// The highest number that came of each room over this connection, and the lengths of its growing texts.
    pub revs: BTreeMap<String, i64>,
    pub lens: BTreeMap<(String, i64, String), usize>,
    /// The last frames, for who reads a failure.
    pub last: Vec<String>,
}

impl Tab {
    pub fn new(name: String, view: View) -> Self {
        Self {
            name,
            view,
            pages: BTreeMap::new(),
            connection: None,
            gap: false,
            bye: None,
            gaps: 0,
            shown: Vec::new(),
            came: Vec::new(),
            revs: BTreeMap::new(),
            lens: BTreeMap::new(),
            last: Vec::new(),
        }
    }

    pub fn is_open(&self) -> bool {
        self.connection.is_some()
    }

    /// Takes a stream that was just opened. `from` is where each of its rooms begins; the others are not followed by it.
    pub fn open(&mut self, feed: Feed, from: &BTreeMap<String, i64>) {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        self.connection = Some(Connection { feed: Box::pin(feed), woken, stuck: false, began: false, bytes: Vec::new() });
        (self.gap, self.bye) = (false, None);
        self.revs.clear();
        self.lens.clear();
        self.last.push("(opened)".into());
        for (room, page) in &mut self.pages {
            page.caught_up = false;
            page.fresh.clear();
            page.gone = !from.contains_key(room);
            page.sent = from.get(room).copied().unwrap_or(0);
        }
    }

    pub fn close(&mut self) {
        self.connection = None;
    }

    /// Reads what waits, in at most this many pieces; a reader that stands still takes one and no more. True if anything came.
    pub fn read(&mut self, pieces: usize, stands_still: bool) -> bool {
        self.came.clear();
        let mut any = false;
        for _ in 0..pieces {
            let Some(connection) = &mut self.connection else { break };
            if !stands_still && connection.stuck {
                connection.stuck = false;
                connection.woken.0.store(true, Ordering::SeqCst);
            }
            if connection.stuck {
                // Only its end is heard of then, and said in the place of what waits.
                let waker = Waker::from(connection.woken.clone());
                if connection.woken.0.swap(false, Ordering::SeqCst)
                    && let Some(last) = connection.feed.stuck(&mut Context::from_waker(&waker))
                {
                    connection.bytes.extend_from_slice(&last);
                    self.take();
                    self.connection = None;
                }
                break;
            }
            if !connection.woken.0.swap(false, Ordering::SeqCst) {
                break;
            }
            let waker = Waker::from(connection.woken.clone());
            match connection.feed.as_mut().poll_next(&mut Context::from_waker(&waker)) {
                Poll::Pending => break,
                Poll::Ready(None) => {
                    assert!(connection.bytes.is_empty(), "{}: a stream ends between two frames", self.name);
                    self.connection = None;
                }
                Poll::Ready(Some(bytes)) => {
                    any = true;
                    assert!(!bytes.is_empty(), "{}: an empty piece", self.name);
                    // More may wait: whoever got something asks again.
                    connection.woken.0.store(true, Ordering::SeqCst);
                    connection.stuck = stands_still;
                    connection.bytes.extend_from_slice(&bytes);
                    self.take();
                }
            }
        }
        any
    }

    fn take(&mut self) {
        while let Some(connection) = &mut self.connection {
            let Some(end) = connection.bytes.windows(2).position(|two| two == b"\n\n") else { return };
            let frame: Vec<u8> = connection.bytes.drain(..end + 2).collect();
            let frame = std::str::from_utf8(&frame[..end]).expect("frames are UTF-8").to_owned();
            if !connection.began {
                connection.began = true;
                let ms: u64 = frame.strip_prefix("retry: ").expect("the first frame is the time to reconnect").parse().unwrap();
                assert!((2000..=5000).contains(&ms));
                continue;
            }
            self.frame(&frame);
        }
    }

    fn frame(&mut self, lines: &str) {
        let (mut event, mut id, mut data) = ("", None, None);
        for line in lines.split('\n') {
            match line.split_once(": ").expect("a line has a name and a value") {
                ("event", value) => event = value,
                ("id", value) => id = Some(value.to_owned()),
                ("data", value) => data = Some(serde_json::from_str::<Value>(value).expect("data is JSON")),
                other => panic!("{}: a line that the protocol does not know: {other:?}", self.name),
            }
        }
        let data = data.expect("data is never empty");
        if event != "heartbeat" {
            let lines = lines.replace('\n', " ").replacen("event: ", "", 1);
            self.last.push(lines.chars().take(320).collect());
        }
        if self.last.len() > 30 {
            self.last.remove(0);
        }
        let durable = matches!(event, "message" | "room" | "caught-up" | "reset");
        assert_eq!(id.is_some(), durable, "{}: durable frames have an id, and no others: {lines}", self.name);
        let room = data["room"].as_str().unwrap_or_default().to_owned();
        self.came.push((event.to_owned(), room.clone()));
        if let Some(id) = id {
            self.number(event, &room, &id, &data);
        }
        match event {
            "message" => self.message(&room, &data),
            "room" => {
                let page = self.pages.get_mut(&room).expect("a room that was asked for");
                if data["rev"].as_i64() > page.room["rev"].as_i64() {
                    page.room = data;
                }
            }
            "draft" | "delta" => self.grow(event, &room, &data),
            "caught-up" => {
                let page = self.pages.get_mut(&room).unwrap();
                page.caught_up = true;
                page.since = page.since.map(|since| since.min(page.sent));
            }
            "reset" => self.pages.get_mut(&room).unwrap().stale = true,
            "bye" if room.is_empty() => self.bye = Some(text(&data["why"])),
            "bye" => {
                assert_eq!(data["why"], "revoked");
                if let Some(page) = self.pages.get_mut(&room) {
                    page.gone = true;
                }
            }
            "heartbeat" => {}
            other => panic!("{}: an event that the protocol does not know: {other}", self.name),
        }
    }

    /// A durable frame's id: of its own room, and never a number twice or backwards.
    fn number(&mut self, event: &str, room: &str, id: &str, data: &Value) {
        let name = &self.name;
        let page = self.pages.get_mut(room).unwrap_or_else(|| panic!("{name}: a frame of a room that was not asked for: {data}"));
        assert!(!page.gone, "{name}: a frame of a room after its end: {data}");
        let [its_room, _epoch, seq] = id.split('.').collect::<Vec<_>>()[..] else { panic!("{name}: {id} is no cursor") };
        assert_eq!(its_room, room, "{name}: an id of another room");
        let seq: i64 = seq.parse().unwrap();
        match event {
            "message" | "room" => {
                assert_eq!(data["rev"].as_i64(), Some(seq), "{name}: an id is the row's number");
                assert!(seq > page.sent, "{name}: {event} {seq} after {}: {data}", page.sent);
            }
            "caught-up" => assert!(seq >= page.sent && data["seq"].as_i64() == Some(seq), "{name}: caught up to {seq} after {}", page.sent),
            _ => {}
        }
        page.sent = seq;
        page.cursor = Some(id.to_owned());
        let rev = self.revs.entry(room.to_owned()).or_default();
        *rev = seq.max(*rev);
    }

    fn message(&mut self, room: &str, data: &Value) {
        let (name, page) = (&self.name, self.pages.get_mut(room).unwrap());
        page.fresh.insert(text(&data["id"]));
        let row = page.rows.entry(text(&data["id"])).or_default();
        if data["rev"].as_i64().unwrap() <= row.rev() {
            return;
        }
        let before = std::mem::replace(row, Row { data: data.clone(), ..Row::default() });
        if row.is_open() {
            assert!(row.data["text"].as_str().is_none_or(str::is_empty), "{name}: the row of an open reply has no text: {data}");
            if row.attempt() == before.attempt() {
                (row.answer, row.reasoning) = (before.answer, before.reasoning);
            }
        } else if row.attempt() == before.attempt()
            && row.state() != "deleted"
            && let Some(whole) = row.data["text"].as_str()
        {
            assert!(whole.starts_with(&before.answer.text), "{name}: shown {:?}, stored {whole:?}", before.answer.text);
            let thoughts = row.data["reasoning"].as_str().unwrap_or_default();
            assert!(thoughts.starts_with(&before.reasoning.text), "{name}: shown {:?}, stored {thoughts:?}", before.reasoning.text);
        }
    }

    fn grow(&mut self, event: &str, room: &str, data: &Value) {
        let name = &self.name;
        let number = |field: &str| data[field].as_u64().unwrap_or_else(|| panic!("{name}: no {field}: {data}")) as usize;
        let (id, attempt, part, len) = (text(&data["id"]), data["attempt"].as_i64().unwrap(), text(&data["part"]), number("len"));
        let most = self.lens.entry((id.clone(), attempt, part.clone())).or_default();
        *most = len.max(*most);
        let page = self.pages.get_mut(room).unwrap_or_else(|| panic!("{name}: a frame of a room that was not asked for: {data}"));
        assert!(!page.gone, "{name}: a frame of a room after its end: {data}");
        if event == "draft" && !page.caught_up && page.fresh.contains(&id) {
            let row = &page.rows[&id];
            let now = (row.state(), row.attempt());
            assert_eq!(now, ("streaming", attempt), "{name}: the draft of a reply whose row, just sent, says otherwise: {data}");
        }
        let Some(row) = page.rows.get_mut(&id).filter(|row| row.state() == "streaming" && row.attempt() == attempt) else { return };
        let growth = match part.as_str() {
            "answer" => &mut row.answer,
            "reasoning" => &mut row.reasoning,
            other => panic!("{name}: no such part: {other}"),
        };
        if event == "draft" {
            if len < growth.len {
                return;
            }
            growth.text = data["text"].as_str().unwrap_or_default().to_owned();
            growth.blocks = data["blocks"].as_array().into_iter().flatten().map(text).collect();
        } else {
            let off = number("off");
            if off < growth.len {
                return;
            }
            if off > growth.len {
                (self.gap, self.gaps) = (true, self.gaps + 1);
                return;
            }
            growth.text.push_str(data["text"].as_str().unwrap_or_default());
            let html: Vec<String> = data["html"].as_array().into_iter().flatten().map(text).collect();
            if !html.is_empty() {
                let block = number("block");
                assert!(block <= growth.blocks.len(), "{name}: a block is skipped: {data}");
                let old: Vec<u16> = growth.blocks.get(block).map_or(Vec::new(), |old| old.encode_utf16().collect());
                let kept = String::from_utf16(&old[..number("keep")]).expect("whole characters are kept");
                growth.blocks.truncate(block);
                growth.blocks.extend(html);
                growth.blocks[block].insert_str(0, &kept);
            }
        }
        growth.len = len;
        self.shown.push(Shown { id, attempt, part, growth: growth.clone() });
    }
}
