//! What it costs to reach many open tabs: Parlor beside the floor, beside what one writes first, and beside nginx with Nchan, in one run.
//! Nothing here asserts anything; it measures and prints tables in Markdown, and what was lost or doubled it prints loudly.
//!
//! `tools/bench`, or `cargo bench --bench fanout` (with `-- quick`: fewer streams, shorter).
//!
//! Every server is a process of its own with as many threads as there are cores, and all write the same bytes: frames as Parlor really
//! sends them to browsers. The readers and writers are one thread of this process (`load.rs`).

mod floor;
mod load;
mod nchan;
mod parlor;
mod plain;
mod process;
mod provider;
mod report;
mod template;
mod web;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::rc::Rc;
use std::time::Duration;

use crate::load::{Ask, IN_PEACE, Load, Pace, Post, Reading};
use crate::parlor::Parlor;
use crate::process::Server;
use crate::provider::Model;
use crate::report::{FLOOR, FanOut, Idle, NCHAN, PARLOR, PLAIN, Replies, Report, Stopped, Storm};
use crate::template::Template;

/// How much of everything.
#[derive(Clone, Debug)]
pub struct Plan {
    streams: Vec<usize>,
    /// How long each measurement writes.
    time: Duration,
    /// Messages a second, where they come at a steady pace.
    per_second: u32,
    storm: usize,
    missed: usize,
    stopped: usize,
    model: Model,
    only: Vec<String>,
}

impl Plan {
    fn of(words: &[String]) -> Self {
        let quick = words.iter().any(|word| word == "quick");
        let seconds = if quick { 3 } else { 5 };
        Self {
            streams: if quick { vec![100, 1000] } else { vec![100, 1000, 5000, 10_000] },
            time: Duration::from_secs(seconds),
            per_second: 20,
            storm: if quick { 1000 } else { 5000 },
            missed: 10,
            stopped: 1000,
            model: Model { tokens: 100 * if quick { 4 } else { 8 }, every: Duration::from_millis(10) },
            only: words.iter().filter(|word| *word != "quick").cloned().collect(),
        }
    }

    /// Whether this part is wanted: all are, unless some are named.
    fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }
}

/// The parts of the run, by the words that choose them.
const PARTS: [&str; 5] = ["idle", "fanout", "replies", "storm", "stopped"];

fn main() -> ExitCode {
    // Cargo adds a flag of its own.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let done = match words.first().map(String::as_str) {
        Some("serve-floor") => in_runtime(|| async { floor::serve(template_of(&words)?).await.map_err(|error| error.to_string()) }),
        Some("serve-plain") => in_runtime(|| async {
            let routes = words.get(3).and_then(|routes| routes.parse().ok()).unwrap_or(0);
            plain::serve(template_of(&words)?, words.get(2).cloned().unwrap_or_default(), routes).await.map_err(|error| error.to_string())
        }),
        _ => match words.iter().find(|word| *word != "quick" && !PARTS.contains(&word.as_str())) {
            Some(unknown) => Err(format!("there is no “{unknown}”: quick, {}", PARTS.join(", "))),
            None => measure(&Plan::of(&words)),
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("fanout: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn in_runtime<F: Future<Output = Result<(), String>>>(serve: impl FnOnce() -> F) -> Result<(), String> {
    tokio::runtime::Runtime::new().map_err(|error| error.to_string())?.block_on(serve())
}

fn template_of(words: &[String]) -> Result<Template, String> {
    Template::read(Path::new(words.get(1).ok_or("which template?")?))
}

/// One of those that are compared.
struct Candidate {
    name: &'static str,
    server: Server,
    address: SocketAddr,
    ask: Ask,
    post: Post,
    /// To be called before streams are opened or cut: they begin, or come back, from here.
    mark_place: Box<dyn Fn() -> Result<(), String>>,
}

fn measure(plan: &Plan) -> Result<(), String> {
    let folder = tempfile::Builder::new().prefix("parlor-bench-").tempdir().map_err(|error| error.to_string())?;
    let folder = folder.path();
    let provider = provider::start(plan.model)?;
    let mut report = Report::new(plan);

    note("Parlor: people, rooms and an assistant are made");
    let template = of_parlor(plan, folder, provider, &mut report)?;
    report.frame_bytes = template.len();
    template.write(&folder.join(FRAME))?;
    for (part, measure) in [("idle", idle as Measure), ("fanout", fan_out)] {
        if plan.wants(part) {
            measure(plan, &own(FLOOR, &["serve-floor"], folder)?, &mut report)?;
        }
    }
    of_plain(plan, folder, provider, &mut report)?;
    match nchan::is_there() {
        true => of_nchan(plan, folder, &template, &mut report)?,
        false => report.absent = Some(format!("nginx with Nchan is not here and not in the tables: {}", nchan::INSTALL)),
    }
    report.print();
    Ok(())
}

/// Everything about Parlor. Gives the frame that all others are to write too.
fn of_parlor(plan: &Plan, folder: &Path, provider: SocketAddr, report: &mut Report) -> Result<Template, String> {
    let most = plan.streams.iter().copied().max().unwrap_or(0).max(plan.storm).max(plan.stopped);
    let (server, parlor) = Parlor::start(folder, most, provider)?;
    let parlor = Rc::new(parlor);
    let template = parlor.template()?;
    let marked = parlor.clone();
    let candidate = Candidate {
        name: PARLOR,
        server,
        address: parlor.address,
        ask: parlor.ask(),
        post: parlor.post(),
        mark_place: Box::new(move || marked.mark_place()),
    };
    all(plan, &candidate, report);
    if plan.wants("replies") {
        for crowd in CROWDS {
            replies(plan, &candidate, crowd, &parlor.ask_replies(crowd.rooms)?, || parlor.question(crowd.rooms), report)?;
        }
    }
    Ok(template)
}

fn of_plain(plan: &Plan, folder: &Path, provider: SocketAddr, report: &mut Report) -> Result<(), String> {
    let provider = provider.to_string();
    let plain = own(PLAIN, &["serve-plain", &provider], folder)?;
    all(plan, &plain, report);
    if plan.wants("replies") {
        let address = plain.address;
        for crowd in CROWDS {
            let ask: Ask = Rc::new(move |stream| format!("GET /rooms/{}/live HTTP/1.1\r\nhost: {address}\r\n\r\n", stream % crowd.rooms));
            let question = || {
                let ask = |reply| web::call(address, "POST", &format!("/rooms/{}/ask", reply % crowd.rooms), "", "")?.expect(201).map(drop);
                (0..REPLIES).try_for_each(ask)
            };
            replies(plan, &plain, crowd, &ask, question, report)?;
        }
    }
    drop(plain);
    if plan.wants("idle") {
        idle(plan, &own("axum `Sse`, router with 50 routes", &["serve-plain", &provider, "50"], folder)?, report)?;
    }
    Ok(())
}

fn of_nchan(plan: &Plan, folder: &Path, template: &Template, report: &mut Report) -> Result<(), String> {
    let (server, address) = nchan::start(folder)?;
    let last: Rc<RefCell<String>> = Rc::default();
    let (from, template) = (last.clone(), template.clone());
    // A message that nobody counts.
    let nobody = move |body: &str| web::call(address, "POST", "/say", "x-eventsource-event: message\r\n", body);
    nobody("the first")?;
    let candidate = Candidate {
        name: NCHAN,
        server,
        address,
        ask: Rc::new(move |_| {
            let last = from.borrow();
            let last = if last.is_empty() { String::new() } else { format!("last-event-id: {last}\r\n") };
            format!("GET /live HTTP/1.1\r\nhost: {address}\r\naccept: text/event-stream\r\n{last}\r\n")
        }),
        post: Rc::new(move |_, text| {
            let data = template.parts(text.as_bytes()).map(|(_, data)| data).unwrap_or_default();
            let length = data.len();
            format!("POST /say HTTP/1.1\r\nhost: {address}\r\nx-eventsource-event: message\r\ncontent-length: {length}\r\n\r\n{data}")
        }),
        mark_place: Box::new(move || {
            let answer = nobody("the last")?;
            let id = answer.body.lines().find_map(|line| line.strip_prefix("last message id: ")).ok_or("Nchan gives no id")?;
            id.clone_into(&mut last.borrow_mut());
            Ok(())
        }),
    };
    all(plan, &candidate, report);
    Ok(())
}

/// A server that is this very program in another role.
fn own(name: &'static str, words: &[&str], folder: &Path) -> Result<Candidate, String> {
    let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
    command.arg(words[0]).arg(folder.join(FRAME)).args(&words[1..]);
    let (server, said) = Server::start(command, &folder.join("server.log"), "listening on ")?;
    let address = said.first().and_then(|address| address.parse().ok()).ok_or("no address")?;
    Ok(Candidate {
        name,
        server,
        address,
        ask: Rc::new(move |_| format!("GET /rooms/room/live HTTP/1.1\r\nhost: {address}\r\naccept: text/event-stream\r\n\r\n")),
        post: Rc::new(move |_, text| {
            let body = format!(r#"{{"text":"{text}"}}"#);
            let head = format!("POST /rooms/room/messages HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n", body.len());
            head + "content-type: application/json\r\n\r\n" + &body
        }),
        mark_place: Box::new(|| Ok(())),
    })
}

/// The frame that all write, in the folder of a run.
const FRAME: &str = "frame";
/// How long nothing happens before memory is read.
const SETTLE: Duration = Duration::from_secs(1);

fn all(plan: &Plan, candidate: &Candidate, report: &mut Report) {
    for (part, measure) in [("idle", idle as Measure), ("fanout", fan_out), ("storm", storm), ("stopped", stopped)] {
        if plan.wants(part)
            && let Err(error) = measure(plan, candidate, report)
        {
            report.failed.push(format!("{}, {part}: {error}", candidate.name));
        }
        // Until the streams of this part are gone.
        std::thread::sleep(SETTLE);
    }
}

type Measure = fn(&Plan, &Candidate, &mut Report) -> Result<(), String>;

/// What a stream takes on which nothing happens. Before everything else, because memory that was used once is used again.
fn idle(plan: &Plan, candidate: &Candidate, report: &mut Report) -> Result<(), String> {
    let mut load = Load::new(candidate, Reading::Messages)?;
    let mut first = None;
    for streams in plan.streams.iter().copied() {
        note(&format!("{}: {streams} streams are opened", candidate.name));
        (candidate.mark_place)()?;
        let seconds = load.open(streams, &candidate.ask, IN_PEACE, 0)?;
        std::thread::sleep(SETTLE);
        let memory = candidate.server.memory();
        // What the server makes once, for its first readers, is not counted.
        let (few, base) = *first.get_or_insert((streams, memory));
        if streams > few {
            let bytes = memory.saturating_sub(base) / (streams - few) as u64;
            report.idle.push(Idle { name: candidate.name, streams, bytes, seconds });
        }
    }
    Ok(())
}

/// More and more streams: messages at a steady pace, then as fast as they are acknowledged.
fn fan_out(plan: &Plan, candidate: &Candidate, report: &mut Report) -> Result<(), String> {
    let mut load = Load::new(candidate, Reading::Messages)?;
    for streams in plan.streams.iter().copied() {
        (candidate.mark_place)()?;
        load.open(streams, &candidate.ask, IN_PEACE, 0)?;
        std::thread::sleep(SETTLE);
        note(&format!("{}: {streams} streams, {} messages a second", candidate.name, plan.per_second));
        let steady = load.run(&candidate.server, Pace::Every(Duration::from_secs(1) / plan.per_second), plan.time)?;
        let fast = match candidate.name {
            FLOOR => None,
            name => {
                note(&format!("{name}: {streams} streams, as fast as acknowledged"));
                Some(load.run(&candidate.server, Pace::AsAcknowledged, plan.time)?)
            }
        };
        report.fan_out.push(FanOut { name: candidate.name, streams, steady, fast, ended: load.take_ended() });
    }
    Ok(())
}

/// All streams are cut at once, some messages are missed, and all come back at once.
fn storm(plan: &Plan, candidate: &Candidate, report: &mut Report) -> Result<(), String> {
    note(&format!("{}: {} streams are cut and come back", candidate.name, plan.storm));
    let mut load = Load::new(candidate, Reading::Messages)?;
    (candidate.mark_place)()?;
    load.open(plan.storm, &candidate.ask, IN_PEACE, 0)?;
    load.run(&candidate.server, Pace::Burst(1), Duration::from_secs(1))?;
    (candidate.mark_place)()?;
    load.cut();
    load.run(&candidate.server, Pace::Burst(plan.missed), Duration::from_secs(1))?;
    let before = candidate.server.cpu();
    let back = load.open(plan.storm, &candidate.ask, plan.storm, 0)?;
    let (caught_up, missing) = load.catch_up(back)?;
    let cpu = candidate.server.cpu().since(&before);
    report.storms.push(Storm {
        name: candidate.name,
        back,
        caught_up,
        refused: load.take_refused(),
        missing: missing / plan.storm as u64,
        cpu,
    });
    Ok(())
}

/// One in ten reads nothing any more.
fn stopped(plan: &Plan, candidate: &Candidate, report: &mut Report) -> Result<(), String> {
    /// Often enough for what waits to fill the sockets' buffers.
    const PACE: Pace = Pace::Every(Duration::from_millis(10));
    let stopped = plan.stopped / 10;
    note(&format!("{}: {stopped} of {} readers stop", candidate.name, plan.stopped));
    let mut load = Load::new(candidate, Reading::Messages)?;
    (candidate.mark_place)()?;
    load.open(plan.stopped, &candidate.ask, IN_PEACE, stopped)?;
    std::thread::sleep(SETTLE);
    let memory = candidate.server.memory();
    let none = load.run(&candidate.server, PACE, plan.time)?;
    load.stop_reading(stopped, true)?;
    let some = load.run(&candidate.server, PACE, plan.time)?;
    let grown = candidate.server.memory().saturating_sub(memory);
    load.stop_reading(stopped, false)?;
    let after = load.run(&candidate.server, Pace::Nothing, Duration::from_secs(1))?;
    report.stopped.push(Stopped { name: candidate.name, none, some, grown, after, ended: load.take_ended() });
    Ok(())
}

/// Replies at once.
pub const REPLIES: usize = 20;
/// Who reads a reply.
pub const VIEWERS: usize = 50;

/// Where the replies are written.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    /// So many rooms share the replies, and each has its viewers.
    pub rooms: usize,
}

/// All in one room, and each in a room of its own.
const CROWDS: [Crowd; 2] = [Crowd { rooms: 1 }, Crowd { rooms: REPLIES }];

/// Replies of a model, token by token.
fn replies(
    plan: &Plan,
    candidate: &Candidate,
    crowd: Crowd,
    ask: &Ask,
    question: impl FnOnce() -> Result<(), String>,
    report: &mut Report,
) -> Result<(), String> {
    let streams = crowd.rooms * VIEWERS;
    note(&format!("{}: {REPLIES} replies, {streams} streams", candidate.name));
    let mut load = Load::new(candidate, Reading::Pieces)?;
    load.open(streams, ask, IN_PEACE, 0)?;
    std::thread::sleep(SETTLE);
    question()?;
    let seen = load.run(&candidate.server, Pace::Nothing, plan.model.every * plan.model.tokens)?;
    let incomplete = load.incomplete(REPLIES / crowd.rooms, plan.model.words());
    report.replies.push(Replies { name: candidate.name, streams, seen, incomplete });
    Ok(())
}

/// What is being done, for whoever waits.
fn note(what: &str) {
    eprintln!("… {what}");
}
