//! The splice: whatever happens between the rows and a tab, in whatever order, the tab shows the rows in the end; and what it shows of a
//! growing text was stored first; and after a revocation it hears nothing more.
//!
//! Real store, real hub, real streams, in this process. What is scripted is all that the world may do to them: announcements that are
//! late, doubled, out of order or lost (`bus.rs`); tabs that connect with good, old and false cursors, read, stand still, fall behind,
//! and go (`tab.rs`); people who come and are shut out; runs that write replies; a server that ends and starts again (`world.rs`). Time
//! stands still unless a step lets it pass, so that a case says what heals when.
//!
//! Cases are drawn by proptest, which finds a shorter one for each that fails and prints it with the seed. `PARLOR_FIRE_SEED` draws the
//! same cases again.

mod bus;
mod gate;
mod tab;
mod world;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use parlor::domain::message::{Part, StateKind};
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof};
use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};

use self::bus::Fate;
use self::world::{At, TABS, World, Write, pieces};
use crate::support::On;

/// Cases on each database by default; `PARLOR_FIRE_ROUNDS` multiplies them.
const CASES_SQLITE: u32 = 160;
const CASES_POSTGRES: u32 = 12;

/// One thing that happens. Numbers are reduced to what there is.
#[derive(Clone, Debug)]
enum Act {
    /// Writes that are under way at once.
    Write(Vec<What>),
    Claim,
    /// A tab loads its page, of both rooms or of one.
    Load(usize, bool),
    Open(usize, At),
    Close(usize),
    /// A tab does not read until it is told to.
    Stall(usize),
    Read(usize),
    /// What was held back is delivered now: from its end or its beginning.
    Deliver(Vec<bool>),
    Pass(u64),
    Hours,
    Admit(usize),
    Restart {
        gracefully: bool,
        restored: bool,
    },
    /// Everybody who is connected shows what is stored, apart from texts that the hub was not told of.
    Agree,
}

#[derive(Clone, Debug)]
enum What {
    Post {
        by: usize,
        room: usize,
    },
    Answer {
        by: usize,
        to: usize,
    },
    /// A post that asks the assistant.
    Ask {
        by: usize,
        room: usize,
    },
    Storm {
        room: usize,
        rows: usize,
        bytes: usize,
    },
    Edit(usize),
    Delete {
        by: usize,
        what: usize,
    },
    DeleteReply(usize),
    Rename(usize),
    Remove {
        room: usize,
        who: usize,
    },
    Leave {
        room: usize,
        who: usize,
    },
    SignOut(usize),
    RevokeToken(usize),
    Disable(usize),
    Stop(usize),
    Retry(usize),
    Continue(usize),
    Append {
        run: usize,
        pieces: Vec<(bool, usize)>,
    },
    /// More pieces than a ring holds.
    Burst(usize),
    End {
        run: usize,
        how: usize,
    },
}

#[derive(Clone)]
struct Step {
    act: Act,
    /// Of heads, deltas and revocations that come of it.
    fates: [Fate; 3],
    /// How many turns everything else has before the next step.
    turns: usize,
}

impl fmt::Debug for Step {
    /// One line each, also where a whole case is printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step({:?}, {:?}, {})", self.act, self.fates, self.turns)
    }
}

/// What models say, cut where it hurts: inside markup, beside characters of two units, within a word.
const PIECES: [&str; 14] = [
    "Hello",
    ", **wor",
    "ld** \u{1f331}",
    "\n\n- a\n- b",
    "\n\n```rust\nfn main() {",
    "}\n```\n",
    " e\u{301}\u{1f469}\u{200d}\u{1f467}",
    "[link](https://example.org/",
    "x) ",
    "\n\n# T\n\n",
    "<b>&amp;",
    "\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n",
    "*",
    "[^1]\n\n[^1]: note\n",
];

const ENDS: [StateKind; 4] = [StateKind::Complete, StateKind::Failed, StateKind::Interrupted, StateKind::Stopped];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fate = || prop_oneof![12 => Just(Fate::Now), 2 => Just(Fate::Twice), 3 => Just(Fate::Later), 3 => Just(Fate::Never)];
    // A revocation is told at once on one node; that it is lost is another fault than the rest, and rarer.
    let revoked = prop_oneof![12 => Just(Fate::Now), 3 => Just(Fate::Twice), 1 => Just(Fate::Never), 1 => Just(Fate::Later)];
    let step = (act(), fate(), fate(), revoked, prop_oneof![2 => Just(0), 3 => 1..4_usize])
        .prop_map(|(act, head, delta, revoked, turns)| Step { act, fates: [head, delta, revoked], turns });
    vec(step, 1..45)
}

fn act() -> impl Strategy<Value = Act> {
    let tab = || 0..TABS;
    let at = prop_oneof![12 => Just(At::Own), 3 => Just(At::Now), 1 => Just(At::Lost), 1 => Just(At::Ahead), 1 => Just(At::OtherEpoch)];
    prop_oneof![
        30 => vec(what(), 1..2).prop_map(Act::Write),
        12 => vec(what(), 2..6).prop_map(Act::Write),
        9 => Just(Act::Claim),
        6 => (tab(), any::<bool>()).prop_map(|(tab, both)| Act::Load(tab, both)),
        16 => (tab(), at).prop_map(|(tab, at)| Act::Open(tab, at)),
        4 => tab().prop_map(Act::Close),
        4 => tab().prop_map(Act::Stall),
        4 => tab().prop_map(Act::Read),
        5 => vec(any::<bool>(), 1..6).prop_map(Act::Deliver),
        4 => prop_oneof![Just(16), Just(2000), Just(31_000)].prop_map(Act::Pass),
        1 => Just(Act::Hours),
        4 => (1..3_usize).prop_map(Act::Admit),
        2 => (any::<bool>(), prop_oneof![4 => Just(false), 1 => Just(true)]).prop_map(|(gracefully, restored)| Act::Restart { gracefully, restored }),
        3 => Just(Act::Agree),
    ]
}

fn what() -> impl Strategy<Value = What> {
    let (who, room, any) = (|| 0..3_usize, || prop_oneof![3 => Just(0_usize), 1 => Just(1)], || 0..64_usize);
    let piece = (prop_oneof![4 => Just(false), 1 => Just(true)], 0..PIECES.len());
    prop_oneof![
        16 => (who(), room()).prop_map(|(by, room)| What::Post { by, room }),
        8 => (who(), any()).prop_map(|(by, to)| What::Answer { by, to }),
        14 => (who(), room()).prop_map(|(by, room)| What::Ask { by, room }),
        2 => (room(), prop_oneof![Just((7, 60_000)), Just((12, 60_000)), Just((501, 1))])
            .prop_map(|(room, (rows, bytes))| What::Storm { room, rows, bytes }),
        6 => any().prop_map(What::Edit),
        4 => (who(), any()).prop_map(|(by, what)| What::Delete { by, what }),
        2 => any().prop_map(What::DeleteReply),
        3 => room().prop_map(What::Rename),
        3 => (room(), 1..3_usize).prop_map(|(room, who)| What::Remove { room, who }),
        1 => (room(), 1..3_usize).prop_map(|(room, who)| What::Leave { room, who }),
        2 => (1..3_usize).prop_map(What::SignOut),
        1 => (1..3_usize).prop_map(What::RevokeToken),
        1 => (1..3_usize).prop_map(What::Disable),
        5 => any().prop_map(What::Stop),
        4 => any().prop_map(What::Retry),
        4 => any().prop_map(What::Continue),
        36 => (any(), vec(piece, 1..4)).prop_map(|(run, pieces)| What::Append { run, pieces }),
        1 => any().prop_map(What::Burst),
        8 => (any(), 0..ENDS.len()).prop_map(|(run, how)| What::End { run, how }),
    ]
}

/// One of these, whatever the number is.
fn pick<T: Clone>(of: &[T], number: usize) -> Option<T> {
    (!of.is_empty()).then(|| of[number % of.len()].clone())
}

impl What {
    /// With everything that it names; nothing if there is no such thing yet.
    fn resolve(&self, world: &mut World) -> Option<Write> {
        let person = |world: &World, n: usize| world.people[n].id;
        let ada = person(world, 0);
        match self {
            What::Post { by, room } | What::Ask { by, room } => {
                let (by, room) = (person(world, *by), world.rooms[*room]);
                let text = world.words(if matches!(self, What::Ask { .. }) { "@Echo what of" } else { "number" });
                Some(Write::Post { by, room, post: (world.new_message(room, by), text, None) })
            }
            What::Answer { by, to } => {
                let to = pick(&[world.messages.iter().map(|(room, id, _)| (*room, *id)).collect(), world.replies.clone()].concat(), *to);
                let (room, to) = to?;
                let (by, text) = (person(world, *by), world.words("well,"));
                Some(Write::Post { by, room, post: (world.new_message(room, by), text, Some(to)) })
            }
            What::Storm { room, rows, bytes } => Some(Write::Storm { by: ada, room: world.rooms[*room], rows: *rows, bytes: *bytes }),
            What::Edit(n) => {
                let (room, id, by) = pick(&world.messages, *n)?;
                Some(Write::Edit { by, room, id, text: world.words("better:") })
            }
            What::Delete { by, what } => {
                pick(&world.messages, *what).map(|(room, id, _)| Write::Delete { by: person(world, *by), room, id })
            }
            What::DeleteReply(n) => pick(&world.replies, *n).map(|(room, id)| Write::Delete { by: ada, room, id }),
            What::Rename(room) => Some(Write::Rename { by: ada, room: world.rooms[*room], name: world.words("Room") }),
            What::Remove { room, who } => Some(Write::Remove { by: ada, room: world.rooms[*room], who: person(world, *who) }),
            What::Leave { room, who } => {
                Some(Write::Remove { by: person(world, *who), room: world.rooms[*room], who: person(world, *who) })
            }
            What::SignOut(who) => Some(Write::SignOut { who: person(world, *who), session: world.session(*who).to_owned() }),
            What::RevokeToken(who) => Some(Write::Revoke { token: world.token(*who) }),
            What::Disable(who) => Some(Write::Disable { by: ada, who: person(world, *who) }),
            What::Stop(n) => pick(&world.replies, *n).map(|(room, id)| Write::Stop { by: ada, room, id }),
            What::Retry(n) => pick(&world.replies, *n).map(|(room, id)| Write::Retry { by: ada, room, id }),
            What::Continue(n) => pick(&world.replies, *n).map(|(room, id)| Write::Continue { by: ada, room, id }),
            What::Append { run, pieces } => {
                let part = |reasoning: bool| if reasoning { Part::Reasoning } else { Part::Answer };
                let pieces = pieces.iter().map(|(reasoning, n)| (part(*reasoning), PIECES[*n].to_owned())).collect();
                pick(&world.runs, *run).map(|run| Write::Append { run, pieces })
            }
            What::Burst(run) => {
                let pieces = (0..1_100).flat_map(|n| pieces(&format!("{n}\n\n"))).collect();
                pick(&world.runs, *run).map(|run| Write::Append { run, pieces })
            }
            What::End { run, how } => pick(&world.runs, *run).map(|run| Write::End { run, state: ENDS[*how] }),
        }
    }
}

async fn play(on: On, steps: &[Step]) {
    let mut world = World::new(on).await;
    for step in steps {
        world.bus.state().fates = step.fates;
        match &step.act {
            Act::Write(all) => {
                let mut writes: Vec<Write> = Vec::new();
                for what in all {
                    // A run does one thing at a time.
                    match what.resolve(&mut world) {
                        Some(Write::Append { run, .. } | Write::End { run, .. }) if writes.iter().any(|write| write.is_of(&run)) => {}
                        Some(write) => writes.push(write),
                        None => {}
                    }
                }
                world.write(writes).await;
            }
            Act::Claim => world.claim().await,
            Act::Load(tab, both) => world.load(*tab, *both).await,
            Act::Open(tab, at) => world.open(*tab, *at).await,
            Act::Close(tab) => world.tabs[*tab].close(),
            Act::Stall(tab) => world.stalled[*tab] = true,
            Act::Read(tab) => world.stalled[*tab] = false,
            Act::Deliver(which) => world.bus.deliver(which),
            Act::Pass(ms) => {
                for _ in 0..ms.div_ceil(1000) {
                    world.pass(ms.clamp(&1, &1000).to_owned()).await;
                }
            }
            Act::Hours => world.hours().await,
            Act::Admit(person) => world.admit(*person).await,
            Act::Restart { gracefully, restored } => world.restart(*gracefully, *restored).await,
            Act::Agree => world.agree(false, "in the middle").await,
        }
        for _ in 0..step.turns {
            world.turn().await;
        }
    }
    world.end().await;
}

/// Plays a case in a runtime of its own, in which time stands still.
fn case(on: On, steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    // While something blocks, paused time does not run ahead by itself when the runtime waits for the database.
    let (over, wait) = std::sync::mpsc::channel::<()>();
    runtime.spawn_blocking(move || wait.recv());
    let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(play(on, steps))));
    drop(over);
    // What waits for ever waits without us.
    runtime.shutdown_background();
    if let Err(why) = outcome {
        world::failed();
        resume_unwind(why);
    }
}

fn cases(on: On, count: u32) {
    let rounds: u32 = std::env::var("PARLOR_FIRE_ROUNDS").ok().map_or(1, |rounds| rounds.parse().expect("PARLOR_FIRE_ROUNDS is a number"));
    let seed: u64 = match std::env::var("PARLOR_FIRE_SEED") {
        Ok(seed) => seed.parse().expect("PARLOR_FIRE_SEED is a number"),
        Err(_) => parlor::clock::Clock::system().draw(0, u64::MAX),
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = ProptestConfig { cases: count * rounds, max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let began = Instant::now();
    let outcome = runner.run(&steps(), |steps| {
        case(on, &steps);
        Ok(())
    });
    match outcome {
        Ok(()) => println!("{on:?}: {} cases in {:.1} s, PARLOR_FIRE_SEED={seed}", count * rounds, Duration::as_secs_f64(&began.elapsed())),
        Err(TestError::Fail(why, steps)) => {
            let steps: Vec<String> = steps.iter().map(|step| format!("  {step:?},")).collect();
            let why: String = why.message().chars().take(3000).collect();
            panic!("PARLOR_FIRE_SEED={seed}\n{why}\nthe shortest case found:\n{}", steps.join("\n"))
        }
        Err(TestError::Abort(why)) => panic!("PARLOR_FIRE_SEED={seed}: {why}"),
    }
}

#[test]
fn whatever_happens_the_tabs_show_the_rows_on_sqlite() {
    cases(On::Sqlite, CASES_SQLITE);
}

#[test]
fn whatever_happens_the_tabs_show_the_rows_on_postgres() {
    cases(On::Postgres, CASES_POSTGRES);
}

/// A step of a case that is written down here, as a failure prints it.
fn step(act: Act, fates: [Fate; 3], turns: usize) -> Step {
    Step { act, fates, turns }
}

const TOLD: [Fate; 3] = [Fate::Now; 3];

/// A stream is not polled while its socket takes nothing. What it had begun to read must not hold up those who write.
#[test]
fn a_reader_that_is_stuck_while_it_catches_up_keeps_nobody_from_writing() {
    let steps = [
        step(Act::Open(0, At::Own), TOLD, 0),
        step(Act::Agree, TOLD, 0),
        step(Act::Stall(4), TOLD, 0),
        step(Act::Open(4, At::Own), TOLD, 1),
        step(Act::Write(vec![What::Remove { room: 0, who: 2 }]), TOLD, 0),
        step(Act::Write(vec![What::Post { by: 0, room: 0 }]), TOLD, 0),
    ];
    case(On::Sqlite, &steps);
    case(On::Postgres, &steps);
}

/// Quotes are drawn by reference, and one that stands in a deleted reply is no exception.
#[test]
fn a_deleted_reply_follows_the_question_that_it_quotes() {
    let steps = [
        step(Act::Write(vec![What::Ask { by: 0, room: 0 }]), TOLD, 0),
        step(Act::Write(vec![What::DeleteReply(0)]), TOLD, 0),
        step(Act::Open(0, At::Own), TOLD, 5),
        step(Act::Write(vec![What::Edit(0)]), TOLD, 0),
        step(Act::Agree, TOLD, 0),
    ];
    case(On::Sqlite, &steps);
}

/// No head is heard; what was lost is found when the hub looks.
const UNHEARD: [Fate; 3] = [Fate::Never, Fate::Now, Fate::Now];

/// The hub sees the one attempt and the other, and nothing of what was between.
#[test]
fn a_reply_that_went_on_while_the_hub_heard_nothing_grows_on_in_its_new_attempt() {
    let more = || step(Act::Write(vec![What::Append { run: 0, pieces: vec![(false, 0), (true, 1)] }]), TOLD, 2);
    for again in [What::Continue(0), What::Retry(0)] {
        let steps = [
            step(Act::Open(0, At::Own), TOLD, 0),
            step(Act::Open(1, At::Own), TOLD, 0),
            step(Act::Write(vec![What::Ask { by: 0, room: 0 }]), TOLD, 0),
            step(Act::Claim, TOLD, 0),
            more(),
            step(Act::Agree, TOLD, 0),
            step(Act::Write(vec![What::End { run: 0, how: 2 }]), UNHEARD, 0),
            step(Act::Write(vec![again]), UNHEARD, 0),
            step(Act::Claim, UNHEARD, 0),
            step(Act::Pass(3000), TOLD, 3),
            more(),
            step(Act::Agree, TOLD, 0),
        ];
        case(On::Sqlite, &steps);
    }
}

/// The ring still has its draft, and the rows say that it has ended: only they count.
#[test]
fn a_reply_that_ended_while_the_hub_heard_nothing_comes_without_its_draft() {
    for how in 0..ENDS.len() {
        let steps = [
            step(Act::Open(1, At::Own), TOLD, 0),
            step(Act::Load(0, false), TOLD, 0),
            step(Act::Write(vec![What::Ask { by: 0, room: 0 }]), TOLD, 0),
            step(Act::Claim, TOLD, 0),
            step(Act::Write(vec![What::Append { run: 0, pieces: vec![(false, 0), (true, 1)] }]), TOLD, 2),
            step(Act::Agree, TOLD, 0),
            step(Act::Write(vec![What::End { run: 0, how }]), UNHEARD, 0),
            step(Act::Open(0, At::Own), TOLD, 5),
        ];
        case(On::Sqlite, &steps);
        // Where others may write to the same database, nobody comes back without a look at the rows.
        case(On::Postgres, &steps);
    }
}
