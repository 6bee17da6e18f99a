//! The built-in model as a real process with the real demo model.
//!
//! Needs `PARLOR_TEST_MODEL`: the path of SmolLM2-135M-Instruct.Q4_1.gguf (`files::SMOLLM2` has its sum). `./test` sets it; without it these tests
//! fail rather than skip. The worker is this build's own binary. Waits are on events and states, never on time.

#![cfg(feature = "builtin-model")]

use std::env;
use std::io::{BufReader, Write};
use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use parlor::model::pipe::{self, Ask, Load, Tell};
use parlor::model::{BuiltinModel, Event, Finish, Generation, ModelError, Request, Settings, Status, Turn, WorkerCommand, files, worker};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

const PROGRAM: &str = env!("CARGO_BIN_EXE_parlor");

/// Far more than anything here takes: a test that comes this far has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// 1 May 2026.
const NOW_MS: i64 = 1_777_593_600_000;

#[tokio::test]
async fn a_reply_comes_in_pieces_and_ends() {
    let model = Model::new().await;
    let mut request = ask("What is the capital of France?");
    request.sampling.temperature = 0.0;
    let events = all(model.generate(request)).await;
    let (first, last) = (events.first().unwrap(), events.last().unwrap());
    assert!(matches!(first, Ok(Event::Started { cached_tokens: 0, prompt_tokens: 20..60 })), "{first:?}");
    assert_eq!(last, &Ok(Event::End(Finish::Stop)));
    assert!(text(&events).contains("Paris"), "{}", text(&events));
    let pieces = events.iter().filter(|event| matches!(event, Ok(Event::Piece(_)))).count();
    let Some(Ok(Event::Usage { completion_tokens, .. })) = events.iter().nth_back(1) else { panic!("usage comes before the end") };
    assert!((2..=*completion_tokens as usize).contains(&pieces), "{pieces} pieces of {completion_tokens} tokens");
}

#[tokio::test]
async fn the_length_is_kept_and_the_seed_decides() {
    let model = Model::new().await;
    let mut request = ask("Tell me a story.");
    request.max_tokens = 12;
    request.sampling.seed = Some(7);
    let first = all(model.generate(request.clone())).await;
    assert_eq!(first.last(), Some(&Ok(Event::End(Finish::Length))));
    assert!(matches!(first[first.len() - 2], Ok(Event::Usage { completion_tokens: 12, .. })));
    assert_eq!(text(&all(model.generate(request)).await), text(&first));
}

#[tokio::test]
async fn an_answer_is_continued_where_it_stopped() {
    let model = Model::new().await;
    let mut request = ask("What is the capital of France?");
    request.continue_from = Some("The capital of France is the city of".to_owned());
    request.sampling.temperature = 0.0;
    let events = all(model.generate(request)).await;
    assert!(text(&events).starts_with(" Paris"), "{}", text(&events));
}

#[tokio::test]
async fn two_at_once_both_get_on() {
    let model = Model::new().await;
    let named = |name: &'static str, request| model.generate(request).map(move |event| (name, event.unwrap()));
    let [one, two] = ["one", "two"].map(|name| {
        let mut request = endless();
        request.max_tokens = 40;
        named(name, request)
    });
    let order: Vec<_> = timeout(PATIENCE, stream::select(one, two).collect()).await.unwrap();
    let at = |name: &str, wanted: fn(&Event) -> bool| order.iter().position(|(who, event)| *who == name && wanted(event)).unwrap();
    let piece = |event: &Event| matches!(event, Event::Piece(_));
    let end = |event: &Event| matches!(event, Event::End(_));
    assert!(at("one", piece) < at("two", end), "one was written while two was");
    assert!(at("two", piece) < at("one", end), "two was written while one was");
}

#[tokio::test]
async fn the_second_turn_reads_only_what_is_new() {
    let model = Model::new().await;
    let mut turns =
        vec![Turn::system("You are a helpful assistant in a chat between friends."), Turn::user("What is the capital of France?")];
    let first = all(model.generate(Request::new(turns.clone(), NOW_MS))).await;
    let Ok(Event::Started { prompt_tokens: read_before, .. }) = first[0] else { panic!("{first:?}") };
    turns.extend([Turn::assistant(text(&first)), Turn::user("And of Italy?")]);
    let second = all(model.generate(Request::new(turns, NOW_MS))).await;
    let Ok(Event::Started { prompt_tokens, cached_tokens }) = second[0] else { panic!("{second:?}") };
    assert!(cached_tokens >= read_before, "{cached_tokens} of {prompt_tokens} were kept, after a first prompt of {read_before}");
}

#[tokio::test]
async fn another_room_shares_the_beginning_while_the_first_is_being_written() {
    let model = Model::new().await;
    let mut first = model.generate(endless());
    until_piece(&mut first).await;
    let events = all(model.generate(ask("Hi"))).await;
    assert!(matches!(events[0], Ok(Event::Started { cached_tokens: 10.., .. })), "{:?}", events[0]);
}

#[tokio::test]
async fn a_dropped_reply_gives_its_place_to_the_next() {
    let model = Model::with(|settings| settings.slots = 1).await;
    let mut first = model.generate(endless());
    until_piece(&mut first).await;
    let mut given_up = model.generate(ask("I wait, and leave before my turn."));
    let mut third = model.generate(ask("I wait for the one place."));
    assert!(futures_util::poll!(given_up.next()).is_pending());
    drop(given_up);
    // It would go on for thousands of tokens: that the third is ever started shows that the first was ended.
    drop(first);
    let started = timeout(PATIENCE, third.next()).await.unwrap();
    assert!(matches!(started, Some(Ok(Event::Started { .. }))), "{started:?}");
}

#[tokio::test]
async fn a_killed_process_ends_its_replies_and_nothing_else() {
    let model = Model::new().await;
    let (mut one, mut two) = (model.generate(endless()), model.generate(endless()));
    until_piece(&mut one).await;
    until_piece(&mut two).await;
    let pid = model.pid().unwrap();
    kill(pid);
    for reply in [one, two] {
        assert_eq!(all(reply).await.last(), Some(&Err(ModelError::Ended)));
    }
    assert_eq!(model.pid(), None);
    assert!(all(model.generate(ask("Hi"))).await.last().unwrap().is_ok(), "the next request starts it again");
    assert_ne!(model.pid(), Some(pid));
}

#[tokio::test]
async fn a_conversation_that_is_too_long_is_refused_in_a_sentence() {
    let model = Model::new().await;
    let pid = model.pid();
    let events = all(model.generate(ask(&"word ".repeat(9000)))).await;
    let [Err(error @ ModelError::TooLong(_))] = events.as_slice() else { panic!("{events:?}") };
    assert!(error.to_string().contains("is too long for this model: it is 90"), "{error}");
    let events = all(model.generate(ask(&"x".repeat(pipe::FRAME_LIMIT)))).await;
    assert!(matches!(events.as_slice(), [Err(ModelError::TooLong(_))]));
    assert!(all(model.generate(ask("Hi"))).await.last().unwrap().is_ok());
    assert_eq!(model.pid(), pid, "and the process goes on");
}

#[tokio::test]
async fn a_long_prompt_fills_the_context_to_its_end() {
    let model = Model::with(|settings| settings.context_tokens = 256).await;
    let mut request = endless();
    request.turns[0].text = "word ".repeat(150);
    request.max_tokens = 10_000;
    let events = all(model.generate(request)).await;
    let [.., Ok(Event::Usage { prompt_tokens, completion_tokens }), Ok(Event::End(Finish::Length))] = events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(prompt_tokens + completion_tokens, 256);
    assert!(events.iter().filter(|event| matches!(event, Ok(Event::Reading { .. }))).count() > 2, "it was read in steps");
}

#[tokio::test]
async fn more_than_fit_wait_their_turn() {
    // Four slots, but memory for two such replies.
    let model = Model::with(|settings| settings.context_tokens = 256).await;
    let replies = (0..6).map(|_| {
        let mut request = endless();
        request.max_tokens = 50;
        model.generate(request)
    });
    let ends = timeout(PATIENCE, futures_util::future::join_all(replies.map(all))).await.unwrap();
    assert!(ends.iter().all(|events| events.last() == Some(&Ok(Event::End(Finish::Length)))));
}

#[tokio::test]
async fn a_file_that_cannot_be_served_is_said_at_once_and_every_time() {
    let place = tempfile::tempdir().unwrap();
    let garbage = place.path().join("garbage.gguf");
    std::fs::write(&garbage, b"GGUF and nothing after it").unwrap();
    for (file, why) in [(place.path().join("nowhere.gguf"), "There is no model file"), (garbage, "cannot be loaded")] {
        let tasks = TaskTracker::new();
        let model = BuiltinModel::new(Settings { file, ..settings() }, &tasks);
        for _ in 0..5 {
            let error = model.warm().await.unwrap_err();
            assert!(matches!(&error, ModelError::CannotStart(sentence) if sentence.contains(why)), "{error}");
        }
        assert_eq!(model.pid(), None);
        assert_eq!(*model.status().borrow(), Status::Resting);
        model.shutdown().await;
    }
}

#[tokio::test]
async fn a_program_that_is_no_worker_is_an_error_and_is_not_started_without_end() {
    for (program, args) in [("/bin/false", vec![]), ("/bin/echo", vec!["hello".into()]), ("/nowhere/at/all", vec![])] {
        let tasks = TaskTracker::new();
        let command = WorkerCommand { program: program.into(), args };
        let model = BuiltinModel::new(Settings { command, ..settings() }, &tasks);
        for _ in 0..2 {
            let events = all(model.generate(ask("Hi"))).await;
            assert!(matches!(events.as_slice(), [Err(ModelError::Ended | ModelError::CannotStart(_))]), "{program}: {events:?}");
        }
        timeout(PATIENCE, model.status().wait_for(|status| *status == Status::Resting)).await.unwrap().unwrap();
        model.shutdown().await;
    }
}

#[tokio::test]
async fn an_idle_process_is_let_go_and_comes_back() {
    let model = Model::with(|settings| settings.unload_after = Some(Duration::from_millis(1))).await;
    let asleep = async || timeout(PATIENCE, model.status().wait_for(|status| *status == Status::Asleep)).await.unwrap().map(drop);
    asleep().await.unwrap();
    assert!(all(model.generate(ask("Hi"))).await.last().unwrap().is_ok());
    asleep().await.unwrap();
}

#[tokio::test]
async fn shutting_down_ends_everything() {
    let model = Model::new().await;
    let mut reply = model.generate(endless());
    until_piece(&mut reply).await;
    let pid = model.pid().unwrap();
    timeout(PATIENCE, model.shutdown()).await.unwrap();
    assert_eq!(all(reply).await.last(), Some(&Err(ModelError::ShuttingDown)));
    assert_eq!(*model.status().borrow(), Status::Gone);
    assert!(rustix::process::test_kill_process(process(pid)).is_err(), "the process is gone");
    assert_eq!(all(model.generate(ask("Hi"))).await, [Err(ModelError::ShuttingDown)]);
    assert_eq!(model.warm().await, Err(ModelError::ShuttingDown));
    model.tasks.close();
    timeout(PATIENCE, model.tasks.wait()).await.unwrap();
}

/// Whatever becomes of the parent, the kernel closes the pipe.
#[test]
fn a_worker_ends_with_its_stdin_even_in_the_middle_of_a_reply() {
    let mut worker =
        Command::new(PROGRAM).arg(worker::SUBCOMMAND).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = worker.stdin.take().unwrap();
    let mut stdout = BufReader::new(worker.stdout.take().unwrap());
    let file = test_model().into_os_string().into_string().unwrap();
    let load = Ask::Load(Load { file, context_tokens: 2048, slots: 1, threads: 1 });
    stdin.write_all(&pipe::encode(&load).unwrap()).unwrap();
    stdin.write_all(&pipe::encode(&Ask::Generate { id: 1, request: endless() }).unwrap()).unwrap();
    while !matches!(pipe::read::<Tell>(&mut stdout).unwrap().unwrap(), Tell::Piece { .. }) {}
    drop(stdin);
    while pipe::read::<Tell>(&mut stdout).unwrap().is_some() {}
    assert!(worker.wait().unwrap().success());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_process_is_modest() {
    let model = Model::new().await;
    let pid = model.pid().unwrap();
    let proc = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap();
    assert_eq!(proc("comm"), "parlor-model\n");
    assert_eq!(proc("oom_score_adj"), "800\n", "out of memory, the kernel takes it before the chat");
    assert!(!proc("environ").contains("PARLOR_TEST_MODEL"), "it has nothing of our environment");
    let stat = proc("stat");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    assert_eq!(fields[2], pid.to_string(), "Ctrl-C is for the server's process group, and it leads its own");
    assert_eq!(fields[16], "10", "it is niced");
}

#[test]
fn the_demo_model_is_known_to_the_last_bit() {
    let place = tempfile::tempdir().unwrap();
    let mut told = 0;
    let added = files::add(place.path(), &test_model(), |done, _| told = done).unwrap();
    assert!(added.verified);
    assert_eq!((added.sha256.as_str(), added.bytes, told), (files::SMOLLM2.sha256, files::SMOLLM2.bytes, files::SMOLLM2.bytes));
}

// ---- helpers ----

/// A model that is loaded, with the tracker that owns its task.
struct Model {
    model: BuiltinModel,
    tasks: TaskTracker,
}

impl Model {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        let tasks = TaskTracker::new();
        let model = BuiltinModel::new(settings, &tasks);
        timeout(PATIENCE, model.warm()).await.expect("loading ends").expect("the demo model loads");
        Self { model, tasks }
    }
}

impl Deref for Model {
    type Target = BuiltinModel;

    fn deref(&self) -> &BuiltinModel {
        &self.model
    }
}

fn settings() -> Settings {
    let command = WorkerCommand { program: PROGRAM.into(), args: vec![worker::SUBCOMMAND.into()] };
    Settings { command, ..Settings::new(test_model()).expect("this program knows its own file") }
}

fn test_model() -> PathBuf {
    let path = env::var_os("PARLOR_TEST_MODEL")
        .expect("PARLOR_TEST_MODEL must name SmolLM2-135M-Instruct.Q4_1.gguf; ./test sets it, and a run by hand must too");
    path.into()
}

fn ask(text: &str) -> Request {
    Request::new(vec![Turn::user(text)], NOW_MS)
}

/// A reply that goes round in circles until its length ends it: the likeliest token, no penalty, and a song to begin with.
fn endless() -> Request {
    let mut request = ask("Sing.");
    request.continue_from = Some("la la la la la la la la la la la la la la la la la la la la la la la la".to_owned());
    request.sampling.temperature = 0.0;
    request.sampling.repeat_penalty = 1.0;
    request.max_tokens = 4000;
    request
}

async fn all(reply: impl Stream<Item = Result<Event, ModelError>>) -> Vec<Result<Event, ModelError>> {
    timeout(PATIENCE, reply.collect()).await.expect("a reply ends")
}

fn text(events: &[Result<Event, ModelError>]) -> String {
    let piece = |event: &Result<Event, ModelError>| match event {
        Ok(Event::Piece(text)) => Some(text.clone()),
        _ => None,
    };
    events.iter().filter_map(piece).collect()
}

async fn until_piece(reply: &mut Generation) {
    loop {
        match timeout(PATIENCE, reply.next()).await.expect("a piece comes") {
            Some(Ok(Event::Piece(_))) => return,
            Some(Ok(_)) => {}
            other => panic!("no piece came, but {other:?}"),
        }
    }
}

fn process(pid: u32) -> Pid {
    i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id")
}

fn kill(pid: u32) {
    kill_process(process(pid), Signal::KILL).expect("it was alive");
}
