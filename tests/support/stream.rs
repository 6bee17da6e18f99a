//! One tab's stream, read strictly: a frame that docs/frames.md does not allow fails the test, and so does a number that goes back, a gap,
//! or text that was shown and is not a beginning of what is stored in the end.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::PATIENCE;
use super::person::text;

/// One event as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    pub event: String,
    pub id: Option<String>,
    pub data: Value,
}

/// A request for a stream that was answered with something else.
#[derive(Clone, Debug)]
pub struct Refused {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Refused {
    pub fn code(&self) -> String {
        let json: Value = serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.body));
        text(&json["error"]["code"])
    }
}

/// What a tab knows of one message.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// The newest frame's data.
    pub json: Value,
    pub rev: i64,
    pub seq: i64,
    pub state: String,
    pub attempt: i64,
    /// While it grows.
    pub answer: Part,
    pub reasoning: Part,
}

/// A growing text.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// In UTF-16 units of the text.
    pub len: usize,
    /// In the text view.
    pub text: String,
    /// In the view for pages.
    pub blocks: Vec<String>,
    /// How many frames it came in.
    pub frames: usize,
}

impl Row {
    fn is_open(&self) -> bool {
        matches!(self.state.as_str(), "queued" | "streaming")
    }

    /// What is shown: the text so far, or the whole.
    pub fn text(&self) -> String {
        match self.is_open() {
            true => self.answer.text.clone(),
            false => self.json["text"].as_str().unwrap_or_default().to_owned(),
        }
    }

    /// The markup that is shown: the blocks so far, or the whole article.
    pub fn html(&self) -> String {
        match self.is_open() {
            true => self.answer.blocks.concat(),
            false => self.json["html"].as_str().unwrap_or_default().to_owned(),
        }
    }

    pub fn author(&self) -> &str {
        self.json["author"]["name"].as_str().unwrap_or_default()
    }
}

/// Is told of each step of a growing text: the frame's data, and the part as it is shown after it.
pub type Watcher = Box<dyn FnMut(&Value, &Part) + Send>;

/// An open stream and what a tab that reads it shows.
pub struct Stream {
    response: Response,
    who: String,
    pub headers: HeaderMap,
    /// By id.
    pub rows: HashMap<String, Row>,
    /// The newest `room` frame of each room.
    pub rooms: BTreeMap<String, Value>,
    /// The last id that came: what a browser would reconnect with.
    pub last_event_id: String,
    /// Number up to which each room is known to be shown.
    pub caught_up: HashMap<String, i64>,
    pub resets: Vec<Value>,
    pub byes: Vec<Value>,
    pub heartbeats: usize,
    /// The reader's list of rooms, by id, in a stream that was asked for it.
    pub list: BTreeMap<String, Value>,
    /// When each frame with news of the list came.
    pub list_frames: Vec<Instant>,
    /// Who is in each room, in a stream that was asked for it.
    pub people: BTreeMap<String, Value>,
    pub retry: Option<u64>,
    /// Every frame, in order.
    pub frames: Vec<Frame>,
    /// Every byte, in order.
    pub raw: Vec<u8>,
    /// The body has ended.
    pub ended: bool,
    /// Deltas that began beyond what was known. A reader reopens then; a server has no reason to make one.
    pub gaps: usize,
    /// How long it waits for a fact: more for what a real model writes.
    pub patience: Duration,
    pub watcher: Option<Watcher>,
    /// Number of the last durable frame of each room.
    sent: HashMap<String, i64>,
    read: usize,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

impl Stream {
    pub async fn open(response: Response, who: &str) -> Result<Self, Refused> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        if status != 200 {
            let body = response.text().await.unwrap_or_default();
            return Err(Refused { status, headers, body });
        }
        let header = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap());
        assert_eq!(header("content-type"), "text/event-stream");
        assert_eq!(header("cache-control"), "no-store, no-transform");
        assert_eq!(header("x-accel-buffering"), "no");
        assert_eq!(header("content-encoding"), "");
        Ok(Self {
            response,
            who: who.to_owned(),
            headers,
            rows: HashMap::new(),
            rooms: BTreeMap::new(),
            last_event_id: String::new(),
            caught_up: HashMap::new(),
            resets: Vec::new(),
            byes: Vec::new(),
            heartbeats: 0,
            list: BTreeMap::new(),
            list_frames: Vec::new(),
            people: BTreeMap::new(),
            retry: None,
            frames: Vec::new(),
            raw: Vec::new(),
            ended: false,
            gaps: 0,
            patience: PATIENCE,
            watcher: None,
            sent: HashMap::new(),
            read: 0,
        })
    }

    /// Begins with what a page of the room had, and its cursor.
    pub fn loaded(&mut self, room: &str, messages: &[Value], cursor: &str) {
        for message in messages {
            self.upsert(message);
        }
        self.last_event_id = cursor.to_owned();
        self.sent.insert(room.to_owned(), cursor.rsplit('.').next().unwrap().parse().unwrap());
    }

    /// Reads until the fact is there.
    pub async fn until(&mut self, what: &str, mut fact: impl FnMut(&Self) -> bool) {
        let until = Instant::now() + self.patience;
        while !fact(self) {
            match timeout_at(until, self.more()).await {
                Ok(true) => {}
                Ok(false) => panic!("the stream of {} ended before: {what}\n{}", self.who, self.describe()),
                Err(_) => panic!("{} waits in vain: {what}\n{}", self.who, self.describe()),
            }
        }
    }

    /// Reads until some message shows this text, growing or finished.
    pub async fn sees(&mut self, words: &str) {
        self.until(&format!("“{words}” is shown"), |tab| {
            tab.rows.values().any(|row| row.text().contains(words) || row.html().contains(words))
        })
        .await;
    }

    /// Reads until everything that there was when it was opened is shown.
    pub async fn catches_up(&mut self) {
        self.until("caught-up", |tab| !tab.caught_up.is_empty()).await;
    }

    /// Reads until a message is in this state.
    pub async fn sees_state(&mut self, id: &str, state: &str) -> Row {
        self.until(&format!("{id} is {state}"), |tab| tab.rows.get(id).is_some_and(|row| row.state == state)).await;
        self.rows[id].clone()
    }

    /// Reads until there is a reply to this message; gives its id.
    pub async fn sees_reply_to(&mut self, question: &str) -> String {
        let reply = |tab: &Self| {
            tab.rows.iter().find(|(_, row)| row.attempt > 0 && row.json["reply_to"]["id"] == question).map(|(id, _)| id.clone())
        };
        self.until(&format!("a reply to {question}"), |tab| reply(tab).is_some()).await;
        reply(self).unwrap()
    }

    /// The same where several assistants answer: the reply of this one.
    pub async fn until_reply_by(&mut self, name: &str, question: &str) -> String {
        let by = |row: &Row| row.attempt > 0 && row.author() == name && row.json["reply_to"]["id"] == question;
        let reply = |tab: &Self| tab.rows.iter().find(|(_, row)| by(row)).map(|(id, _)| id.clone());
        self.until(&format!("a reply by {name} to {question}"), |tab| reply(tab).is_some()).await;
        reply(self).unwrap()
    }

    /// Reads until a message's text so far is this.
    pub async fn sees_so_far(&mut self, id: &str, words: &str) {
        self.until(&format!("{id} has grown to “{words}”"), |tab| tab.rows.get(id).is_some_and(|row| row.text() == words)).await;
    }

    /// Reads to the end of the body, which must come by itself.
    pub async fn ends(&mut self) {
        let until = Instant::now() + self.patience;
        while timeout_at(until, self.more())
            .await
            .unwrap_or_else(|_| panic!("the stream of {} does not end\n{}", self.who, self.describe()))
        {}
    }

    /// Reads until the body ends or breaks off, as that of a server that is killed does.
    pub async fn breaks(&mut self) {
        let until = Instant::now() + self.patience;
        while let Ok(Some(bytes)) = timeout_at(until, self.response.chunk()).await.expect("a stream of a dead server ends") {
            self.take(&bytes);
        }
        self.ended = true;
    }

    /// Reads one piece of the body. False at its end.
    pub async fn more(&mut self) -> bool {
        match self.response.chunk().await {
            Ok(Some(bytes)) => {
                self.take(&bytes);
                true
            }
            Ok(None) => {
                assert_eq!(self.read, self.raw.len(), "the body ends between two frames");
                self.ended = true;
                false
            }
            Err(error) => panic!("the stream of {} broke: {error:?}\n{}", self.who, self.describe()),
        }
    }

    /// For readers that live through broken connections: the next piece of the body as it came, to be given to [`Self::take`]; nothing at
    /// its end. May be dropped while it waits.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, reqwest::Error> {
        let piece = self.response.chunk().await?;
        // A network that closes in good order may do so in the middle of a frame: only `more` is for those who know that it does not.
        self.ended = piece.is_none();
        Ok(piece)
    }

    /// Lets go of the frames and bytes that were read, where a stream is open for long. What they did to the rows stays.
    pub fn forget(&mut self) {
        self.frames.clear();
        self.raw.drain(..self.read);
        self.read = 0;
    }

    /// Reads what is whole in these bytes and those before them.
    pub fn take(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        while let Some(end) = find(&self.raw[self.read..], b"\n\n") {
            let frame = self.raw[self.read..self.read + end].to_vec();
            self.read += end + 2;
            self.frame(std::str::from_utf8(&frame).expect("frames are UTF-8"));
        }
    }

    fn frame(&mut self, lines: &str) {
        if self.retry.is_none() {
            let ms = lines.strip_prefix("retry: ").unwrap_or_else(|| panic!("the first frame is the reconnection time, not {lines:?}"));
            self.retry = Some(ms.parse().expect("a number"));
            assert!((2000..=5000).contains(&self.retry.unwrap()), "{lines}");
            return;
        }
        let mut lines = lines.split('\n');
        let event = lines.next().and_then(|line| line.strip_prefix("event: ")).expect("a frame begins with its name").to_owned();
        let mut line = lines.next().expect("a frame has data");
        let id = line.strip_prefix("id: ").map(str::to_owned);
        if id.is_some() {
            line = lines.next().expect("a frame has data");
        }
        let data = line.strip_prefix("data: ").unwrap_or_else(|| panic!("data is one line: {line:?}"));
        assert_eq!(lines.next(), None, "nothing stands after the data");
        let data: Value = serde_json::from_str(data).unwrap_or_else(|error| panic!("data is JSON: {error}: {data}"));
        let durable = matches!(event.as_str(), "message" | "room" | "caught-up" | "reset");
        assert_eq!(id.is_some(), durable, "durable frames have an id, and no others: {event}");
        if let Some(id) = &id {
            self.check_id(&event, id, &data);
            self.last_event_id.clone_from(id);
        }
        self.apply(&event, &data);
        self.frames.push(Frame { event, id, data });
    }

    /// `<room>.<epoch>.<seq>`, of the frame's own room, and no number twice or backwards.
    fn check_id(&mut self, event: &str, id: &str, data: &Value) {
        let [room, epoch, seq] = id.split('.').collect::<Vec<_>>()[..] else { panic!("a cursor has three parts: {id}") };
        assert_eq!(room, text(&data["room"]));
        assert!(epoch.len() == 32 && epoch.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
        let seq: i64 = seq.parse().expect("a number");
        let sent = self.sent.entry(room.to_owned()).or_default();
        match event {
            "message" | "room" => {
                assert_eq!(data["rev"], seq);
                assert!(seq > *sent, "{event} {seq} after {sent}: a number came twice or backwards\n{data}");
            }
            "caught-up" => assert!(seq >= *sent, "caught up to {seq} after {sent}"),
            _ => {}
        }
        *sent = seq;
    }

    fn apply(&mut self, event: &str, data: &Value) {
        match event {
            "message" => self.upsert(data),
            "room" => drop(self.rooms.insert(text(&data["room"]), data.clone())),
            "draft" => self.draft(data),
            "delta" => self.delta(data),
            "caught-up" => drop(self.caught_up.insert(text(&data["room"]), data["seq"].as_i64().unwrap())),
            "reset" => self.resets.push(data.clone()),
            "bye" => self.byes.push(data.clone()),
            "rooms" => self.list(data),
            "people" => drop(self.people.insert(text(&data["room"]), data.clone())),
            "heartbeat" => {
                assert_eq!(data, &serde_json::json!({}));
                self.heartbeats += 1;
            }
            other => panic!("an event that the protocol does not know: {other}"),
        }
    }

    fn list(&mut self, data: &Value) {
        if data["all"] == true {
            self.list.clear();
        } else {
            assert!(!self.list_frames.is_empty(), "the first frame is the whole list");
        }
        let lines = data["rooms"].as_array().expect("a list of rooms");
        self.list.extend(lines.iter().map(|line| (text(&line["id"]), line.clone())));
        for room in data["gone"].as_array().into_iter().flatten() {
            self.list.remove(room.as_str().unwrap());
        }
        self.list_frames.push(Instant::now());
    }

    /// Reads until the list says this of a room.
    pub async fn lists(&mut self, what: &str, room: &str, mut fact: impl FnMut(&Value) -> bool) {
        self.until(&format!("{what} in the list"), |tab| tab.list.get(room).is_some_and(&mut fact)).await;
    }

    fn upsert(&mut self, data: &Value) {
        let id = text(&data["id"]);
        let rev = data["rev"].as_i64().unwrap();
        let row = self.rows.entry(id).or_default();
        if rev <= row.rev {
            return;
        }
        let before = std::mem::replace(
            row,
            Row {
                json: data.clone(),
                rev,
                seq: data["seq"].as_i64().unwrap(),
                state: text(&data["state"]),
                attempt: data["attempt"].as_i64().unwrap(),
                ..Row::default()
            },
        );
        assert!(before.rev == 0 || before.seq == row.seq, "a message never leaves its place");
        assert!(row.attempt >= before.attempt, "attempts only grow");
        if row.is_open() {
            assert!(row.json["text"].as_str().is_none_or(str::is_empty), "an open reply's frame has no text: {data}");
            // A higher attempt clears what is shown; else it stays.
            if row.attempt == before.attempt {
                (row.answer, row.reasoning) = (before.answer, before.reasoning);
            }
        } else if before.state == "streaming"
            && row.attempt == before.attempt
            && row.state != "deleted"
            && let Some(whole) = row.json["text"].as_str()
        {
            assert!(whole.starts_with(&before.answer.text), "shown {:?}, stored {whole:?}", before.answer.text);
            let thoughts = row.json["reasoning"].as_str().unwrap_or_default();
            assert!(thoughts.starts_with(&before.reasoning.text), "shown {:?}, stored {thoughts:?}", before.reasoning.text);
        }
    }

    /// The row and part that a draft or delta is for, if they are to be shown.
    fn growing<'r>(rows: &'r mut HashMap<String, Row>, data: &Value) -> Option<&'r mut Part> {
        let row = rows.get_mut(data["id"].as_str().unwrap())?;
        if row.state != "streaming" || row.attempt != data["attempt"].as_i64().unwrap() {
            return None;
        }
        Some(match data["part"].as_str().unwrap() {
            "answer" => &mut row.answer,
            "reasoning" => &mut row.reasoning,
            other => panic!("no such part: {other}"),
        })
    }

    fn draft(&mut self, data: &Value) {
        let len = data["len"].as_u64().unwrap() as usize;
        let Some(part) = Self::growing(&mut self.rows, data) else { return };
        if len < part.len {
            return;
        }
        if let Some(whole) = data["text"].as_str() {
            assert_eq!(whole.encode_utf16().count(), len, "`len` counts UTF-16 units");
            assert!(whole.starts_with(&part.text), "a draft goes on from what was shown");
            part.text = whole.to_owned();
        }
        if let Some(blocks) = data["blocks"].as_array() {
            part.blocks = blocks.iter().map(text).collect();
        }
        part.len = len;
        part.frames += 1;
        if let Some(watcher) = &mut self.watcher {
            watcher(data, part);
        }
    }

    fn delta(&mut self, data: &Value) {
        let number = |name: &str| data[name].as_u64().unwrap_or_else(|| panic!("no {name}: {data}")) as usize;
        let Some(part) = Self::growing(&mut self.rows, data) else { return };
        if number("off") != part.len {
            self.gaps += usize::from(number("off") > part.len);
            return;
        }
        if let Some(more) = data["text"].as_str() {
            assert_eq!(number("off") + more.encode_utf16().count(), number("len"), "`off` and `len` count UTF-16 units");
            part.text.push_str(more);
        } else {
            let html: Vec<String> = data["html"].as_array().unwrap().iter().map(text).collect();
            if !html.is_empty() {
                let block = number("block");
                assert!(block <= part.blocks.len(), "no block is skipped");
                let old = part.blocks.get(block).cloned().unwrap_or_default();
                let kept: Vec<u16> = old.encode_utf16().take(number("keep")).collect();
                assert_eq!(kept.len(), number("keep"), "what is to be kept was there");
                part.blocks.truncate(block);
                part.blocks.extend(html);
                part.blocks[block].insert_str(0, &String::from_utf16(&kept).expect("whole characters"));
            }
        }
        part.len = number("len");
        part.frames += 1;
        if let Some(watcher) = &mut self.watcher {
            watcher(data, part);
        }
    }

    /// The rows as text, in order of place: what two tabs can be compared by.
    pub fn shows(&self) -> Vec<(String, String, String)> {
        let mut rows: Vec<&Row> = self.rows.values().collect();
        rows.sort_by_key(|row| row.seq);
        rows.into_iter().map(|row| (row.author().to_owned(), row.state.clone(), row.text())).collect()
    }

    pub fn texts(&self) -> Vec<String> {
        self.shows().into_iter().map(|(_, _, text)| text).collect()
    }

    /// Whether these bytes ever came.
    pub fn heard(&self, words: &str) -> bool {
        find(&self.raw, words.as_bytes()).is_some()
    }

    fn describe(&self) -> String {
        let last = self.frames.iter().rev().take(12).rev();
        let last: Vec<String> = last.map(|frame| format!("  {} {}", frame.event, frame.data)).collect();
        format!("{} frames; it shows {:?}; the last frames are\n{}", self.frames.len(), self.shows(), last.join("\n"))
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
