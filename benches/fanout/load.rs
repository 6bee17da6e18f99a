//! The readers and the writers: thousands of streams on one thread, at as little cost as can be, because they share the machine with the
//! server that is measured.
//!
//! Every message carries a mark: who wrote it (a lane), its number in that lane, and when it was sent. A writer has one message on its way
//! at a time, so on every stream each lane must count up by one: a jump is a loss, a number that was there is a double. Nothing else of a
//! frame is read.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use memchr::memmem::Finder;
use mio::{Events, Interest, Poll, Token};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};

use crate::Candidate;
use crate::process::{Cpu, Server, Used, machine_cpu};

/// Messages on their way at once, at most.
pub const LANES: usize = 16;
/// Requests for streams on their way at once while streams are opened in peace: fewer than any server's queue of connections that wait to be
/// accepted, because beyond it the kernel throws away what the client sends again a second later.
pub const IN_PEACE: usize = 100;
/// How long streams may take to open.
const OPEN_PATIENCE: Duration = Duration::from_secs(60);
/// What is on its way when the writers have ended may take so long in all, and nothing may come for so long: then what is missing is lost.
const DRAIN_PATIENCE: u64 = 60_000_000;
const SILENCE: u64 = 3_000_000;
/// When a stream that was refused is tried again.
const AGAIN: Duration = Duration::from_millis(100);
const READ_BYTES: usize = 512 * 1024;
/// Room before what is read, for the end of what was read before.
const CARRY: usize = 128;
/// What a reader that stops reading lets its kernel take in for it, in bytes.
const STOPPED_RECEIVE_BUFFER: usize = 8 * 1024;
/// A mark: these letters, two digits of lane, eight of number, sixteen of time in µs.
const MARK: &[u8] = b"zqx";
pub const MARK_BYTES: usize = MARK.len() + 26;
/// In a reply, a word that says when it was sent: these letters, two digits of reply, sixteen of time in µs.
const WORD: &[u8] = b"zqt";
const WORD_BYTES: usize = WORD.len() + 18;
/// A piece of a reply: these bytes, its id, what stands between, and two lengths; a frame goes on for so many bytes from here at least.
const PIECE: &[u8] = b"\"id\":\"";
const ID_BYTES: usize = 36;
const BETWEEN: &[u8] = b"\",\"attempt\":1,\"part\":\"answer\",\"len\":";
const PIECE_BYTES: usize = 108;
/// Replies at once on one stream, at most.
const REPLIES: usize = 20;

static MARKS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(MARK));
static WORDS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(WORD));
static PIECES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(PIECE));
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Microseconds since this process began.
pub fn now() -> u64 {
    BEGINNING.elapsed().as_micros() as u64
}

pub fn mark(lane: usize, number: u32) -> String {
    format!("zqx{lane:02}{number:08}{:016}", now())
}

pub fn word(reply: usize) -> String {
    format!("zqt{:02}{:016}", reply % REPLIES, now())
}

/// Where the mark in some bytes stands.
pub fn find_mark(bytes: &[u8]) -> Option<std::ops::Range<usize>> {
    MARKS.find(bytes).map(|at| at..at + MARK_BYTES).filter(|range| range.end <= bytes.len())
}

/// What is on the streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Messages with marks.
    Messages,
    /// Pieces of a reply, each with the length of the text before and after it.
    Pieces,
}

/// How messages are sent.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// So many a second.
    Every(Duration),
    /// Each writer as fast as it gets its answers.
    AsAcknowledged,
    /// So many, at once.
    Burst(usize),
    /// Nobody writes.
    Nothing,
}

/// What happened in a stretch of time.
#[derive(Clone, Debug)]
pub struct Seen {
    pub seconds: f64,
    pub posted: u64,
    pub refused: u64,
    pub delivered: u64,
    pub lost: u64,
    pub doubled: u64,
    pub latency: Latency,
    pub server: Used,
    /// Share of a core that the readers and writers themselves used.
    pub own_cores: f64,
    /// The same of everything else on the machine, which disturbs.
    pub other_cores: f64,
}

struct Reader {
    socket: Option<mio::net::TcpStream>,
    phase: Phase,
    carry: [u8; CARRY],
    carried: usize,
    /// The newest number of each lane.
    newest: [u32; LANES],
    /// Replies that are being read.
    replies: Vec<Reply>,
    /// When the newest word of each reply was sent, and how many came.
    words: Vec<(u64, u32)>,
}

/// A reply on one stream.
struct Reply {
    /// The end of its id.
    id: [u8; 12],
    /// Length of its text so far.
    text: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed,
    /// The request is to be sent when the connection stands.
    Connecting,
    /// The answer's head is to come.
    Asked,
    Open,
    /// Open, and not read.
    Stopped,
}

struct Writer {
    socket: Option<mio::net::TcpStream>,
    number: u32,
    acknowledged: u32,
    waiting: bool,
    answer: Vec<u8>,
}

/// Makes the request for a stream, by its number.
pub type Ask = Rc<dyn Fn(usize) -> String>;
/// Makes the request that posts a text, from a lane.
pub type Post = Rc<dyn Fn(usize, &str) -> String>;

pub struct Load {
    address: SocketAddr,
    poll: Poll,
    events: Events,
    readers: Vec<Reader>,
    writers: Vec<Writer>,
    reading: Reading,
    post: Post,
    buffer: Vec<u8>,
    /// The loopback address that the next round of connections comes from: each has ports of its own.
    round: u8,
    delivered: u64,
    lost: u64,
    doubled: u64,
    refused: u64,
    latency: Latency,
    last_delivery: u64,
    /// Streams that the server has ended.
    ended: u64,
    /// Streams that were opened since opening began, those that were refused and are to be tried again, how many were, and what the first
    /// of them was told.
    opened: usize,
    again: Vec<usize>,
    refused_streams: u64,
    refusal: Option<String>,
}

impl Load {
    /// Readers and writers of this server.
    pub fn new(candidate: &Candidate, reading: Reading) -> Result<Self, String> {
        LazyLock::force(&BEGINNING);
        Ok(Self {
            address: candidate.address,
            poll: Poll::new().map_err(|error| error.to_string())?,
            events: Events::with_capacity(4096),
            readers: Vec::new(),
            writers: Vec::new(),
            reading,
            post: candidate.post.clone(),
            buffer: vec![0; CARRY + READ_BYTES],
            round: 1,
            delivered: 0,
            lost: 0,
            doubled: 0,
            refused: 0,
            latency: Latency::default(),
            last_delivery: 0,
            ended: 0,
            opened: 0,
            again: Vec::new(),
            refused_streams: 0,
            refusal: None,
        })
    }

    /// Streams that the server has ended since this was last asked.
    pub fn take_ended(&mut self) -> u64 {
        std::mem::take(&mut self.ended)
    }

    /// Streams that were refused when they were opened, and opened after all.
    pub fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused_streams)
    }

    /// Opens streams until there are so many, and those that were cut again; so many at once, and the first `small` with a receive buffer that
    /// soon fills. Gives the seconds until the last one's answer had begun.
    pub fn open(&mut self, streams: usize, ask: &Ask, at_once: usize, small: usize) -> Result<f64, String> {
        let newest = self.acknowledged();
        self.readers.resize_with(streams.max(self.readers.len()), || Reader {
            socket: None,
            phase: Phase::Closed,
            carry: [0; CARRY],
            carried: 0,
            newest,
            replies: Vec::new(),
            words: Vec::new(),
        });
        self.round = self.round.wrapping_add(1).max(1);
        let closed: Vec<usize> = (0..self.readers.len()).filter(|index| self.readers[*index].phase == Phase::Closed).collect();
        let began = Instant::now();
        let (mut next, all) = (0, closed.len());
        let mut last_try = began;
        self.opened = 0;
        while self.opened < all {
            while next < all && next - self.opened < at_once {
                self.connect(closed[next], small)?;
                next += 1;
            }
            if began.elapsed() > OPEN_PATIENCE {
                let why = self.refusal.take().unwrap_or_default();
                return Err(format!("only {} of {all} streams were open after {} s. {why}", self.opened, OPEN_PATIENCE.as_secs()));
            }
            self.turn(Some(AGAIN), Some(ask))?;
            if last_try.elapsed() >= AGAIN {
                last_try = Instant::now();
                for index in std::mem::take(&mut self.again) {
                    self.connect(index, small)?;
                }
            }
        }
        Ok(began.elapsed().as_secs_f64())
    }

    /// After all streams were opened again within so many seconds: reads until they have everything. Gives the seconds from the beginning,
    /// unless something is missing, and how much is.
    pub fn catch_up(&mut self, back: f64) -> Result<(Option<f64>, u64), String> {
        let began = Instant::now();
        let since = now();
        while now() < self.last_delivery.max(since) + SILENCE {
            if self.all_arrived(Pace::Nothing, now()) {
                return Ok((Some(back + began.elapsed().as_secs_f64()), 0));
            }
            self.turn(Some(Duration::from_millis(10)), None)?;
        }
        Ok((None, self.missing()))
    }

    /// Cuts all streams at once.
    pub fn cut(&mut self) {
        for reader in &mut self.readers {
            reader.socket = None;
            reader.phase = Phase::Closed;
            reader.carried = 0;
        }
    }

    /// Stops reading the first so many streams, or reads them again.
    pub fn stop_reading(&mut self, streams: usize, stop: bool) -> Result<(), String> {
        for (index, reader) in self.readers.iter_mut().enumerate().take(streams) {
            let Some(socket) = &mut reader.socket else { continue };
            let registry = self.poll.registry();
            let done = match stop {
                true => registry.deregister(socket),
                false => registry.register(socket, Token(index), Interest::READABLE),
            };
            done.map_err(|error| error.to_string())?;
            reader.phase = if stop { Phase::Stopped } else { Phase::Open };
        }
        Ok(())
    }

    /// Reads for so long, while the writers write, then until everything has arrived or nothing more comes.
    pub fn run(&mut self, server: &Server, pace: Pace, time: Duration) -> Result<Seen, String> {
        let before = self.acknowledged();
        self.begin();
        let (cpu, own, all, began) = (server.cpu(), Cpu::own(), machine_cpu(), now());
        let end = began + time.as_micros() as u64;
        let mut due = began;
        let mut burst = match pace {
            Pace::Burst(messages) => messages,
            _ => 0,
        };
        if !matches!(pace, Pace::Nothing) {
            self.connect_writers()?;
        }
        let mut drain_until = u64::MAX;
        loop {
            let at = now();
            let mut wait = Duration::from_millis(50);
            let writing = at < end && drain_until == u64::MAX;
            match pace {
                Pace::AsAcknowledged if writing => {
                    for lane in 0..self.writers.len() {
                        self.write(lane)?;
                    }
                }
                Pace::Every(pause) if writing => {
                    if at >= due
                        && let Some(lane) = self.writers.iter().position(|writer| !writer.waiting)
                    {
                        self.write(lane)?;
                        due += pause.as_micros() as u64;
                    }
                    wait = wait.min(Duration::from_micros(due.saturating_sub(now())));
                }
                Pace::Burst(_) => {
                    for lane in 0..self.writers.len() {
                        if burst > 0 && !self.writers[lane].waiting {
                            self.write(lane)?;
                            burst -= 1;
                        }
                    }
                    if burst == 0 && drain_until == u64::MAX {
                        drain_until = at + DRAIN_PATIENCE;
                    }
                }
                _ => {}
            }
            if at >= end && drain_until == u64::MAX {
                drain_until = at + DRAIN_PATIENCE;
            }
            let silent = at > self.last_delivery.max(drain_until.saturating_sub(DRAIN_PATIENCE)) + SILENCE;
            if drain_until != u64::MAX && (at >= drain_until || silent || self.all_arrived(pace, at)) {
                break;
            }
            self.turn(Some(wait), None)?;
        }
        let until = if self.last_delivery > began { self.last_delivery } else { now() };
        let (server, own, all) = (server.cpu().since(&cpu), Cpu::own().since(&own), machine_cpu() - all);
        let elapsed = (now() - began) as f64 / 1e6;
        let after = self.acknowledged();
        Ok(Seen {
            seconds: (until - began) as f64 / 1e6,
            posted: after.iter().zip(before).map(|(after, before)| u64::from(after - before)).sum(),
            refused: self.refused,
            delivered: self.delivered,
            lost: self.lost + self.missing(),
            doubled: self.doubled,
            latency: std::mem::take(&mut self.latency),
            server,
            own_cores: own.seconds / elapsed,
            other_cores: (all - server.seconds - own.seconds).max(0.0) / elapsed,
        })
    }

    fn begin(&mut self) {
        (self.delivered, self.lost, self.doubled, self.refused, self.last_delivery) = (0, 0, 0, 0, 0);
        self.latency = Latency::default();
    }

    /// Whether every open stream has everything that was acknowledged, and nothing is on its way.
    fn all_arrived(&self, pace: Pace, at: u64) -> bool {
        match self.reading {
            // Of a reply nobody here knows how long it is to be: it is over when nothing comes.
            Reading::Pieces => matches!(pace, Pace::Nothing) && at > self.last_delivery + 1_000_000,
            Reading::Messages => {
                let all = self.acknowledged();
                let idle = self.writers.iter().all(|writer| !writer.waiting);
                idle && self.readers.iter().filter(|reader| reader.phase == Phase::Open).all(|reader| reader.newest == all)
            }
        }
    }

    /// What open streams should have and do not; from now on it counts as gone.
    fn missing(&mut self) -> u64 {
        if self.reading == Reading::Pieces {
            return 0;
        }
        let all = self.acknowledged();
        let mut missing = 0;
        for reader in self.readers.iter_mut().filter(|reader| reader.phase == Phase::Open) {
            missing += all.iter().zip(reader.newest).map(|(all, has)| u64::from(all.saturating_sub(has))).sum::<u64>();
            reader.newest = all;
        }
        missing
    }

    fn acknowledged(&self) -> [u32; LANES] {
        std::array::from_fn(|lane| self.writers.get(lane).map_or(0, |writer| writer.acknowledged))
    }

    /// Streams that did not get so many replies with so many words each, every word once.
    pub fn incomplete(&self, replies: usize, words: u32) -> usize {
        let is_whole = |reader: &Reader| reader.words.iter().filter(|(_, count)| *count == words).count() == replies;
        self.readers.iter().filter(|reader| !is_whole(reader)).count()
    }

    fn connect(&mut self, index: usize, small: usize) -> Result<(), String> {
        // Addresses by round and by thousands of streams, so that no port is asked for while an earlier connection still holds it.
        let source = Ipv4Addr::new(127, 1, self.round, (index / 4000 + 1) as u8);
        let mut socket = dial(self.address, source, index < small).map_err(|error| format!("a stream cannot connect: {error}"))?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut socket, Token(index), interest).map_err(|error| error.to_string())?;
        let reader = &mut self.readers[index];
        reader.socket = Some(socket);
        reader.phase = Phase::Connecting;
        reader.carried = 0;
        Ok(())
    }

    fn connect_writers(&mut self) -> Result<(), String> {
        self.writers.resize_with(LANES, || Writer { socket: None, number: 0, acknowledged: 0, waiting: false, answer: Vec::new() });
        (0..LANES).try_for_each(|lane| self.connect_writer(lane))
    }

    fn connect_writer(&mut self, lane: usize) -> Result<(), String> {
        if self.writers[lane].socket.is_none() {
            let stream = TcpStream::connect(self.address).map_err(|error| format!("a writer cannot connect: {error}"))?;
            stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true)).map_err(|error| error.to_string())?;
            let mut socket = mio::net::TcpStream::from_std(stream);
            let token = Token(WRITERS + lane);
            self.poll.registry().register(&mut socket, token, Interest::READABLE).map_err(|error| error.to_string())?;
            self.writers[lane].socket = Some(socket);
        }
        Ok(())
    }

    /// Sends the next message of a lane, unless its last one has not been answered.
    fn write(&mut self, lane: usize) -> Result<(), String> {
        if self.writers[lane].waiting {
            return Ok(());
        }
        self.connect_writer(lane)?;
        let writer = &mut self.writers[lane];
        let Some(socket) = &mut writer.socket else { return Ok(()) };
        let request = (self.post)(lane, &text(&mark(lane, writer.number + 1)));
        // A few hundred bytes on a connection without anything on its way: the kernel takes them at once.
        socket.write_all(request.as_bytes()).map_err(|error| format!("a message cannot be sent: {error}"))?;
        writer.number += 1;
        writer.waiting = true;
        Ok(())
    }

    /// Waits for what comes and reads it.
    fn turn(&mut self, wait: Option<Duration>, ask: Option<&Ask>) -> Result<(), String> {
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        match self.poll.poll(&mut events, wait) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.to_string()),
            _ => {}
        }
        for event in &events {
            match event.token().0 {
                token if token >= WRITERS => self.hear_writer(token - WRITERS)?,
                index => {
                    if self.readers[index].phase == Phase::Connecting && (event.is_writable() || event.is_error()) {
                        self.ask(index, ask);
                    }
                    if event.is_readable() {
                        self.hear_reader(index);
                    }
                }
            }
        }
        self.events = events;
        Ok(())
    }

    fn ask(&mut self, index: usize, ask: Option<&Ask>) {
        let reader = &mut self.readers[index];
        let (Some(ask), Some(socket)) = (ask, &mut reader.socket) else { return };
        match socket.write_all(ask(index).as_bytes()) {
            Ok(()) => reader.phase = Phase::Asked,
            Err(error) => self.try_again(index, &error.to_string()),
        }
    }

    /// A stream that was refused, or whose connection broke before it was open.
    fn try_again(&mut self, index: usize, why: &str) {
        self.refused_streams += 1;
        self.refusal.get_or_insert_with(|| why.to_owned());
        self.readers[index].socket = None;
        self.readers[index].phase = Phase::Closed;
        self.again.push(index);
    }

    fn hear_writer(&mut self, lane: usize) -> Result<(), String> {
        let writer = &mut self.writers[lane];
        let Some(socket) = &mut writer.socket else { return Ok(()) };
        loop {
            match socket.read(&mut self.buffer) {
                Ok(0) if writer.waiting => return Err("the server closed a connection on which a message was on its way".into()),
                // One on which nothing was sent for a while.
                Ok(0) => {
                    writer.socket = None;
                    return Ok(());
                }
                Ok(read) => writer.answer.extend_from_slice(&self.buffer[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(format!("an answer cannot be read: {error}")),
            }
        }
        if let Some((status, length)) = whole_answer(&writer.answer) {
            match status {
                200..300 => writer.acknowledged = writer.number,
                _ => {
                    if self.refused == 0 {
                        eprintln!("a message was refused: {}", String::from_utf8_lossy(&writer.answer));
                    }
                    self.refused += 1;
                    writer.number -= 1;
                }
            }
            writer.answer.drain(..length);
            writer.waiting = false;
        }
        Ok(())
    }

    fn hear_reader(&mut self, index: usize) {
        loop {
            let reader = &mut self.readers[index];
            if !matches!(reader.phase, Phase::Asked | Phase::Open) {
                return;
            }
            let Some(socket) = &mut reader.socket else { return };
            let read = match socket.read(&mut self.buffer[CARRY..]) {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => 0,
            };
            if read == 0 && reader.phase == Phase::Asked {
                return self.try_again(index, "The connection was closed before the answer.");
            }
            if read == 0 {
                reader.socket = None;
                reader.phase = Phase::Closed;
                self.ended += 1;
                return;
            }
            let begin = CARRY - reader.carried;
            self.buffer[begin..CARRY].copy_from_slice(&reader.carry[..reader.carried]);
            let mut bytes = &self.buffer[begin..CARRY + read];
            if reader.phase == Phase::Asked {
                // Heads are short and come in one piece with whatever follows.
                let end = memchr::memmem::find(bytes, b"\r\n\r\n").filter(|_| bytes.starts_with(b"HTTP/1.1 200"));
                let Some(end) = end else {
                    let why = String::from_utf8_lossy(bytes).into_owned();
                    return self.try_again(index, &why);
                };
                bytes = &bytes[end + 4..];
                reader.phase = Phase::Open;
                self.opened += 1;
            }
            let at = now();
            let counts = match self.reading {
                Reading::Messages => reader.messages(bytes, at, &mut self.latency),
                Reading::Pieces => reader.pieces(bytes, at, &mut self.latency),
            };
            if counts.delivered > 0 {
                self.last_delivery = at;
            }
            self.delivered += counts.delivered;
            self.lost += counts.lost;
            self.doubled += counts.doubled;
            // Less than was asked for: there is no more now.
            if read < READ_BYTES {
                return;
            }
        }
    }
}

const WRITERS: usize = 1 << 20;

#[derive(Default)]
struct Counts {
    delivered: u64,
    lost: u64,
    doubled: u64,
}

impl Reader {
    fn messages(&mut self, bytes: &[u8], at: u64, latency: &mut Latency) -> Counts {
        let mut counts = Counts::default();
        let read = each(&MARKS, bytes, MARK_BYTES, |found| {
            let digits = &found[MARK.len()..MARK_BYTES];
            let lane = number(&digits[..2]) as usize % LANES;
            let new = number(&digits[2..10]) as u32;
            counts.delivered += 1;
            match new.checked_sub(self.newest[lane]) {
                None | Some(0) => counts.doubled += 1,
                Some(step) => {
                    counts.lost += u64::from(step - 1);
                    self.newest[lane] = new;
                    latency.add(at.saturating_sub(number(&digits[10..])));
                }
            }
        });
        self.keep(&bytes[read..]);
        counts
    }

    /// Of a reply each piece says how long the text is with it and was before: `"len":12,"off":7`. A draft, which is the whole so far, says
    /// the first alone.
    fn pieces(&mut self, bytes: &[u8], at: u64, latency: &mut Latency) -> Counts {
        let mut counts = Counts::default();
        let words = each(&WORDS, bytes, WORD_BYTES, |found| {
            let digits = &found[WORD.len()..WORD_BYTES];
            let (reply, sent) = (number(&digits[..2]) as usize % REPLIES, number(&digits[2..]));
            self.words.resize(REPLIES.max(self.words.len()), (0, 0));
            // The whole text at the end has all words once more.
            if let Some((newest, count)) = self.words.get_mut(reply).filter(|(newest, _)| sent > *newest) {
                (*newest, *count) = (sent, *count + 1);
                latency.add(at.saturating_sub(sent));
            }
        });
        let pieces = each(&PIECES, bytes, PIECE_BYTES, |found| {
            let (id, rest) = found[PIECE.len()..].split_at(ID_BYTES);
            let Some(rest) = rest.strip_prefix(BETWEEN) else { return };
            let (length, rest) = leading_number(rest);
            let mut known = [0; 12];
            known.copy_from_slice(&id[ID_BYTES - 12..]);
            let index = self.replies.iter().position(|reply| reply.id == known).unwrap_or_else(|| {
                self.replies.push(Reply { id: known, text: 0 });
                self.replies.len() - 1
            });
            let reply = &mut self.replies[index];
            if let Some(rest) = rest.strip_prefix(b",\"off\":") {
                counts.delivered += 1;
                match leading_number(rest).0.cmp(&reply.text) {
                    std::cmp::Ordering::Less => counts.doubled += 1,
                    std::cmp::Ordering::Greater => counts.lost += 1,
                    std::cmp::Ordering::Equal => {}
                }
            }
            reply.text = reply.text.max(length);
        });
        // What either has found incomplete, the other has not read: a piece's lengths stand well before its words.
        self.keep(&bytes[words.min(pieces)..]);
        counts
    }

    /// Keeps the end of what was read for the next time.
    fn keep(&mut self, rest: &[u8]) {
        self.carried = rest.len().min(CARRY);
        self.carry[..self.carried].copy_from_slice(&rest[rest.len() - self.carried..]);
    }
}

/// Calls `hear` with all from each place on where something begins. Gives how much was read: up to the last that is not whole, or up to
/// where one may have begun.
fn each(what: &Finder<'_>, bytes: &[u8], longest: usize, mut hear: impl FnMut(&[u8])) -> usize {
    let mut from = 0;
    while let Some(found) = what.find(&bytes[from..]) {
        let begin = from + found;
        if bytes.len() - begin < longest {
            return begin;
        }
        hear(&bytes[begin..]);
        from = begin + what.needle().len();
    }
    from.max(bytes.len().saturating_sub(what.needle().len() - 1))
}

fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit.wrapping_sub(b'0')))
}

fn leading_number(bytes: &[u8]) -> (u64, &[u8]) {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (number(&bytes[..digits]), &bytes[digits..])
}

/// Status and length of an answer, once it is there as a whole.
fn whole_answer(bytes: &[u8]) -> Option<(u16, usize)> {
    let head_end = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..head_end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).and_then(|length| length.trim().parse::<usize>().ok());
    let end = match length {
        Some(length) => head_end + length,
        None if head.contains("transfer-encoding: chunked") => head_end + memchr::memmem::find(&bytes[head_end..], b"0\r\n\r\n")? + 5,
        None => head_end,
    };
    (bytes.len() >= end).then_some((status, end))
}

/// A message of 200 bytes with this mark in it.
pub fn text(mark: &str) -> String {
    const BYTES: usize = 200;
    const WORDS: &str = " The kettle is on and the bread is nearly done; whoever comes first may cut it, and whoever comes last \
                         washes up, as it was last week and the week before that, when it rained all evening and nobody left.";
    let mut text = String::with_capacity(BYTES);
    text.push_str(mark);
    text.push_str(&WORDS[..BYTES - mark.len()]);
    text
}

fn dial(address: SocketAddr, source: Ipv4Addr, small: bool) -> std::io::Result<mio::net::TcpStream> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
    if small {
        sockopt::set_socket_recv_buffer_size(&socket, STOPPED_RECEIVE_BUFFER)?;
    }
    bind(&socket, &SocketAddr::V4(SocketAddrV4::new(source, 0)))?;
    match connect(&socket, &address) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(mio::net::TcpStream::from_std(TcpStream::from(socket)))
}

/// How long things took, in buckets of about 3 %.
#[derive(Clone, Debug)]
pub struct Latency {
    buckets: Vec<u32>,
    count: u64,
}

impl Default for Latency {
    fn default() -> Self {
        Self { buckets: vec![0; 32 * 40], count: 0 }
    }
}

impl Latency {
    fn add(&mut self, micros: u64) {
        let micros = micros.max(1);
        let octave = micros.ilog2();
        let within = if octave >= 5 { (micros >> (octave - 5)) & 31 } else { (micros << (5 - octave)) & 31 };
        let last = self.buckets.len() - 1;
        self.buckets[((octave * 32) as usize + within as usize).min(last)] += 1;
        self.count += 1;
    }

    /// The time, in ms, within which this share of them took.
    pub fn at(&self, share: f64) -> f64 {
        let wanted = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= wanted && wanted > 0 {
                let (octave, within) = (bucket as i32 / 32, bucket as f64 % 32.0);
                return 2_f64.powi(octave) * (1.0 + (within + 0.5) / 32.0) / 1000.0;
            }
        }
        f64::NAN
    }
}
