//! `kill -9` at any moment: under load, while the server starts, while it makes its tables, in the middle of a checkpoint, in the middle of its
//! end. What was answered and what was shown is on disk at once (`Ledger::judge_what_is_left`), and in the end everything is as promised.
//!
//! `PARLOR_FIRE_ROUNDS` kills in all (`tools/fire` runs a hundred), `PARLOR_FIRE_SEED` decides about them as an earlier run did.

use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::ledger::{Ledger, Poster};
use crate::life::{Dice, Life, rounds};
use crate::model::{FAULTS, Model};
use crate::support::{On, Options, Person, Server};

/// Kills of one server, after which another begins with an empty folder: what is judged after each of them grows with the rest.
const LOT: usize = 10;
/// Texts that fill the log until SQLite folds it into the file (at 1,000 pages of 4 KiB).
const HEAVY_BYTES: usize = 60_000;
/// How many, and how many are written at once.
const HEAVY: usize = 24;
const HEAVY_AT_ONCE: usize = 12;

/// When a server is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    /// At any moment under load.
    Load,
    /// Again and again while it starts.
    Start,
    /// When SQLite begins to fold the log into the file, under heavy writes.
    Checkpoint,
    /// On its way out.
    End,
    /// When it folds the log for the last time.
    LastCheckpoint,
}

const ON_SQLITE: [Moment; 7] =
    [Moment::Load, Moment::Checkpoint, Moment::Start, Moment::LastCheckpoint, Moment::Load, Moment::Checkpoint, Moment::End];
const ON_POSTGRES: [Moment; 3] = [Moment::Load, Moment::Start, Moment::End];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_answered_or_shown_is_lost_on_sqlite() {
    killed(On::Sqlite, (rounds(10) * 7).div_ceil(10), &ON_SQLITE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_answered_or_shown_is_lost_on_postgres() {
    killed(On::Postgres, (rounds(10) * 3).div_ceil(10), &ON_POSTGRES).await;
}

async fn killed(on: On, rounds: usize, moments: &[Moment]) {
    let mut dice = Dice::from_environment(&format!("kills on {on:?}"));
    let mut done = 0;
    let mut moments = moments.iter().copied().cycle();
    while done < rounds {
        let lot = LOT.min(rounds - done);
        let these: Vec<Moment> = moments.by_ref().take(lot).collect();
        one_lot(on, &these, dice.fork(), (done, rounds)).await;
        done += lot;
    }
}

/// An address of this machine that no other server has and from which nobody connects: while the server is down, its port stays free.
fn own_address() -> String {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let process = std::process::id();
    format!("127.{}.{}.{}:0", 1 + process % 250, (process / 250) % 250, NEXT.fetch_add(1, Ordering::Relaxed))
}

fn options() -> Options {
    Options { listen: Some(own_address()), ..Options::args(&["--reply-silence", "2"]) }
}

/// A server in use, killed again and again.
async fn one_lot(on: On, moments: &[Moment], mut dice: Dice, (done, all): (usize, usize)) {
    let server = Server::with(on, options()).await;
    let model = Model::start().await;
    let ada = server.first("Ada").await;
    let (bob, cem) = (server.person("Bob").await, server.program("Ada").await);
    let ledger = Ledger::over(&server);
    let end = CancellationToken::new();
    let mut living = Vec::new();
    for (name, echo) in [("Kitchen", "Echo"), ("Garden", "Parrot")] {
        let room = ada.makes_room(name).await;
        bob.joins(&room).await;
        server.assistant(echo, &room, "mention").await;
        let viewers = [ledger.viewer(&bob, &room), ledger.page_viewer(&ada, &room), ledger.page_viewer(&bob, &room)];
        for viewer in viewers {
            viewer.follows().await;
        }
        for person in [&ada, &bob, &cem] {
            let life = Life::new(ledger.poster(person, &room), dice.fork(), &[echo]);
            living.push(tokio::spawn(life.lives(end.clone())));
        }
    }
    let study = ada.makes_room("Study").await;
    bob.joins(&study).await;
    let to_model = ["--provider", "openai", "--base-url", &model.url, "--model", "m"];
    server.assistant_of("Model", &study, "mention", &to_model).await;
    ledger.viewer(&bob, &study).follows().await;
    ledger.page_viewer(&ada, &study).follows().await;
    living.push(tokio::spawn(asks_a_bad_model(ledger.poster(&bob, &study), dice.fork(), end.clone())));
    let attic = heavy_room(&ledger, &ada, &bob).await;

    for (number, &moment) in moments.iter().enumerate() {
        let began = Instant::now();
        let killed = kill_at(&server, moment, &attic, &mut dice).await;
        let wal = wal(server.data(), matches!(moment, Moment::Checkpoint | Moment::LastCheckpoint));
        ledger.judge_what_is_left().await;
        if moment == Moment::Start {
            // Mostly before it is ready, sometimes just after.
            for _ in 0..dice.between(2, 4) {
                server.begin();
                sleep(dice.millis(0, 300)).await;
                server.kill9().await;
            }
            ledger.judge_what_is_left().await;
        }
        let starts = Instant::now();
        server.restart().await;
        let (posts, answered) = ledger.count();
        eprintln!(
            "kill {} of {all} on {on:?}: {moment:?}, {killed}; log {wal}; ready again after {} ms; {posts} posts, {answered} answered; {} ms",
            done + number + 1,
            starts.elapsed().as_millis(),
            began.elapsed().as_millis(),
        );
    }

    end.cancel();
    for life in living {
        life.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    }
    ledger.settles().await;
    ledger.judge().await;
    eprintln!("{}", ledger.summary());
    assert!(!server.log().contains("panicked"), "nothing panics");
    // The orderly end of all this, and one more start.
    server.signal(Signal::TERM);
    assert!(server.ended().await.success());
    server.restart().await;
    ledger.settles().await;
    ledger.judge().await;
}

/// Asks a model's server that fails in every way.
async fn asks_a_bad_model(poster: Poster, mut dice: Dice, end: CancellationToken) {
    while !end.is_cancelled() {
        let fault = dice.one_of(&FAULTS);
        poster.says(&format!("@Model fault:{fault}")).await;
        sleep(dice.millis(100, 400)).await;
    }
}

/// A room with long texts, which are edited to fill the log.
async fn heavy_room(ledger: &Ledger<'_>, ada: &Person, bob: &Person) -> Heavy {
    let room = ada.makes_room("Attic").await;
    bob.joins(&room).await;
    let poster = ledger.poster(ada, &room);
    let mut ids = Vec::new();
    for _ in 0..HEAVY {
        ids.push(poster.says("empty so far").await);
    }
    ledger.viewer(bob, &room).follows().await;
    ledger.page_viewer(bob, &room).follows().await;
    Heavy { poster, ids }
}

struct Heavy {
    poster: Poster,
    ids: Vec<String>,
}

impl Heavy {
    /// Edits all texts at once, until it is to end.
    fn writes(&self, dice: &mut Dice, end: &CancellationToken) -> Vec<tokio::task::JoinHandle<()>> {
        let write = |ids: &[String], mut dice: Dice| {
            let (poster, ids, end) = (self.poster.clone(), ids.to_vec(), end.clone());
            async move {
                for id in ids.iter().cycle() {
                    let text = format!("{:x} ", dice.next()).repeat(HEAVY_BYTES / 17);
                    if end.is_cancelled() || poster.edits(id, &text).await.asks_to_try_again() {
                        break;
                    }
                }
            }
        };
        self.ids.chunks(HEAVY / HEAVY_AT_ONCE).map(|ids| tokio::spawn(write(ids, dice.fork()))).collect()
    }
}

/// Kills the server at its moment, and says when that was.
async fn kill_at(server: &Server, moment: Moment, attic: &Heavy, dice: &mut Dice) -> String {
    let after = dice.millis(30, 900);
    sleep(after).await;
    let told = format!("after {} ms", after.as_millis());
    match moment {
        Moment::Load | Moment::Start => {
            server.kill9().await;
            told
        }
        Moment::End => {
            server.signal(Signal::TERM);
            let more = dice.millis(0, 800);
            sleep(more).await;
            server.kill9().await;
            format!("{told}, {} ms after SIGTERM", more.as_millis())
        }
        Moment::Checkpoint => {
            let end = CancellationToken::new();
            let writing = attic.writes(dice, &end);
            let hit = kill_when_the_file_changes(server, dice, Duration::from_secs(10)).await;
            end.cancel();
            for task in writing {
                task.await.unwrap();
            }
            format!("{told}, {hit}")
        }
        Moment::LastCheckpoint => {
            server.signal(Signal::TERM);
            let hit = kill_when_the_file_changes(server, dice, Duration::from_secs(9)).await;
            format!("{told}, {hit}")
        }
    }
}

/// Kills when the database's file is written to: in WAL mode, only a checkpoint does that.
async fn kill_when_the_file_changes(server: &Server, dice: &mut Dice, at_most: Duration) -> String {
    let (pid, file) = (server.pid(), server.data().join("parlor.db"));
    // A checkpoint writes for some milliseconds, then waits for the disk.
    let later = Duration::from_micros(dice.between(0, 4000) as u64);
    let hit = tokio::task::spawn_blocking(move || watch_and_kill(pid, &file, later, at_most)).await.unwrap();
    server.kill9().await;
    if hit { format!("{} µs into a checkpoint", later.as_micros()) } else { "no checkpoint came".to_owned() }
}

fn watch_and_kill(pid: Pid, file: &Path, later: Duration, at_most: Duration) -> bool {
    let changed = || -> Option<SystemTime> { std::fs::metadata(file).ok()?.modified().ok() };
    let (before, began) = (changed(), Instant::now());
    while changed() == before {
        if began.elapsed() > at_most {
            return false;
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    std::thread::sleep(later);
    // It may have ended by itself meanwhile.
    let _ = kill_process(pid, Signal::KILL);
    true
}

/// How much of SQLite's log had been folded into the file, as the index of the log says (sqlite.org/walformat.html). That more was tried than
/// done tells of a checkpoint under way only where one was waited for: recovery leaves it like that too.
fn wal(data: &Path, in_checkpoint: bool) -> String {
    let size = std::fs::metadata(data.join("parlor.db-wal")).map_or(0, |log| log.len());
    let index = std::fs::read(data.join("parlor.db-shm")).unwrap_or_default();
    let number = |at: usize| index.get(at..at + 4).map(|bytes| u32::from_ne_bytes(bytes.try_into().unwrap()));
    match (number(16), number(96), number(128)) {
        (Some(frames), Some(done), Some(tried)) if in_checkpoint && done < tried => {
            format!("{} kB, {frames} frames, killed while those from {done} to {tried} were being folded", size / 1024)
        }
        (Some(frames), Some(done), _) => format!("{} kB, {frames} frames, {done} of them folded", size / 1024),
        _ => format!("{} kB", size / 1024),
    }
}

/// A first start that is killed while it makes its tables, and then goes well.
async fn killed_while_it_makes_its_tables(on: On, rounds: usize) {
    let mut dice = Dice::from_environment(&format!("kills while tables are made, on {on:?}"));
    // How long a first start takes here and now.
    let began = Instant::now();
    let server = Server::with(on, options()).await;
    let whole = began.elapsed().as_micros() as usize;
    drop(server);
    for round in 1..=rounds {
        let server = Server::prepare(on, options()).await;
        let mut moments = Vec::new();
        for _ in 0..dice.between(1, 3) {
            let moment = Duration::from_micros(dice.between(0, whole) as u64);
            server.begin();
            sleep(moment).await;
            server.kill9().await;
            moments.push(moment.as_millis());
        }
        let server = server.go().await;
        eprintln!("killed {moments:?} ms into a first start of {} ms on {on:?} ({round} of {rounds})", whole / 1000);
        let ada = server.first("Ada").await;
        let room = ada.makes_room("Kitchen").await;
        let ledger = Ledger::over(&server);
        let viewer = ledger.viewer(&ada, &room);
        viewer.follows().await;
        ledger.poster(&ada, &room).says("It works.").await;
        ledger.settles().await;
        ledger.judge().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_start_that_is_killed_on_sqlite() {
    killed_while_it_makes_its_tables(On::Sqlite, (rounds(10) / 3).max(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_start_that_is_killed_on_postgres() {
    killed_while_it_makes_its_tables(On::Postgres, (rounds(10) / 3).max(1)).await;
}
