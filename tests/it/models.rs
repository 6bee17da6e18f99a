//! Real models in real rooms: the one inside, and llama.cpp's own server, which others wrote.
//!
//! Needs `PARLOR_TEST_MODEL` (the demo model's file) and `PARLOR_TEST_PYTHON` (a Python with the package `xllamacpp`); `./test` sets both.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::person::text;
use crate::support::server::test_model;
use crate::support::{On, Options, Person, Row, Server, Stream, eventually};

/// A real model on a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(90);

async fn live(person: &Person, room: &str) -> Stream {
    let mut tab = person.live(room).await;
    tab.patience = PATIENCE;
    tab
}

fn has_ended(row: &Row) -> bool {
    // A small model that finds no end meets the limit of length.
    row.state == "complete" || (row.state == "interrupted" && row.json["why"].as_str().unwrap().contains("length"))
}

async fn sees_end(tab: &mut Stream, reply: &str) -> Row {
    tab.until(&format!("the end of {reply}"), |tab| {
        tab.rows.get(reply).is_some_and(|row| !matches!(row.state.as_str(), "queued" | "streaming"))
    })
    .await;
    tab.rows[reply].clone()
}

/// The process of the model inside.
async fn model_process(server: &Server) -> Pid {
    let parent = server.pid().as_raw_nonzero().to_string();
    eventually("the model's process", async || {
        std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
            let mut fields = rest.split_whitespace();
            let is_it = name == "parlor-model" && fields.nth(1) == Some(parent.as_str());
            is_it.then(|| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)).flatten()
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_inside_answers_in_two_rooms_at_once_and_survives_its_process() {
    let server = Server::with(On::Sqlite, Options::default().with_model()).await;
    let ada = server.first("Ada").await;
    let bob = server.person("Bob").await;
    let rooms = ada.call(reqwest::Method::GET, "/api/rooms", None).await.ok();
    let living_room = text(&rooms["rooms"][0]["id"]);
    let mut tab = live(&bob, &living_room).await;

    // No key, no network: a question, an answer that grows.
    let question = ada.says(&living_room, "What is the capital of France?").await;
    let reply = tab.sees_reply_to(&question).await;
    tab.until("its first words", |tab| tab.rows[&reply].text().len() > 3 || has_ended(&tab.rows[&reply])).await;
    let row = sees_end(&mut tab, &reply).await;
    assert!(has_ended(&row), "{row:?}");
    assert!(!row.text().trim().is_empty());
    assert!(row.json["facts"]["model"].as_str().unwrap().contains("demo model"), "it is labelled honestly: {}", row.json["facts"]);
    assert!(row.json["facts"]["completion_tokens"].as_i64().unwrap() > 0);
    assert_eq!(tab.gaps, 0);

    // Two rooms share it: each is written while the other is.
    let hall = bob.makes_room("Hall").await;
    ada.joins(&hall).await;
    let name = row.author().to_owned();
    let mut other = live(&ada, &hall).await;
    let one = ada.says(&living_room, "Tell me a long story about a dragon, a forest and a king.").await;
    let two = bob.says(&hall, &format!("@{name} Tell me a long story about a ship, the sea and a storm.")).await;
    let one = tab.sees_reply_to(&one).await;
    let two = other.sees_reply_to(&two).await;
    let writes = |tab: &Stream, id: &str| tab.rows[id].state == "streaming" && tab.rows[id].answer.frames > 2;
    tokio::join!(tab.until("text in one room", |tab| writes(tab, &one)), other.until("text in the other", |tab| writes(tab, &two)));

    // The process dies in the middle: what was shown is there, marked.
    kill_process(model_process(&server).await, Signal::KILL).unwrap();
    for (tab, reply) in [(&mut tab, &one), (&mut other, &two)] {
        let shown = tab.rows[reply].text();
        let row = sees_end(tab, reply).await;
        assert_eq!(row.state, "interrupted", "{row:?}");
        assert!(row.text().starts_with(&shown) && !shown.is_empty());
    }
    // The chat goes on, and the next question is answered; so is Continue.
    bob.continues(&hall, &two).await;
    let before = other.rows[&two].text();
    other.until("more of the story", |tab| tab.rows[&two].attempt == 2 && tab.rows[&two].text().len() > before.len()).await;
    assert!(other.rows[&two].text().starts_with(&before));
    bob.stops(&hall, &two).await;
    sees_end(&mut other, &two).await;
    let question = ada.says(&living_room, "Is water wet?").await;
    let reply = tab.sees_reply_to(&question).await;
    assert!(has_ended(&sees_end(&mut tab, &reply).await));
    server.database.holds().await;
    // Nothing of it outlives the server.
    let process = model_process(&server).await;
    server.terminate().await;
    eventually("the model's process ends too", async || rustix::process::test_kill_process(process).is_err().then_some(())).await;
}

/// llama.cpp's own server.
struct LlamaServer {
    process: Child,
    base_url: String,
}

impl LlamaServer {
    fn start(api_key: &str) -> Self {
        let python = std::env::var_os("PARLOR_TEST_PYTHON")
            .expect("PARLOR_TEST_PYTHON must name a Python that has the package xllamacpp; ./test sets it, and a run by hand must too");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/llama_server.py");
        let mut process = Command::new(python)
            .arg(script)
            .arg("--model")
            .arg(test_model())
            .args(["--port", "0", "--api-key", api_key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the Python of PARLOR_TEST_PYTHON starts");
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready: Option<Value> = lines.map_while(Result::ok).find_map(|line| serde_json::from_str(&line).ok());
        let ready = ready.expect("llama.cpp's server starts: does that Python have the package xllamacpp?");
        let address = text(&ready["ready"]);
        let address = address.trim_start_matches("http://").trim_end_matches('/');
        Self { process, base_url: format!("http://{address}/v1") }
    }
}

impl Drop for LlamaServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_of_llama_cpp_answers_in_a_room() {
    let llama = tokio::task::spawn_blocking(|| LlamaServer::start("sk-for-tests")).await.unwrap();
    let server = Server::with(On::Sqlite, Options::default().env("LLAMA_KEY", "sk-for-tests").env("WRONG_KEY", "sk-wrong-one")).await;
    let ada = server.first("Ada").await;
    let bob = server.person("Bob").await;
    let room = ada.makes_room("Kitchen").await;
    bob.joins(&room).await;
    for (name, key) in [("Llama", "LLAMA_KEY"), ("Locked", "WRONG_KEY")] {
        let settings = [
            "--provider",
            "openai",
            "--base-url",
            &llama.base_url,
            "--model",
            "smollm2",
            "--key-env",
            key,
            "--system-prompt",
            "Answer in a few words.",
        ];
        server.assistant_of(name, &room, "mention", &settings).await;
    }
    let mut tab = live(&bob, &room).await;
    let question = ada.says(&room, "@Llama What is the capital of France?").await;
    let reply = tab.sees_reply_to(&question).await;
    tab.until("text that grows", |tab| tab.rows[&reply].answer.frames > 1 || has_ended(&tab.rows[&reply])).await;
    let row = sees_end(&mut tab, &reply).await;
    assert!(has_ended(&row), "{row:?}");
    assert!(!row.text().trim().is_empty());
    let tokens = |name: &str| row.json["facts"][name].as_i64().unwrap_or_else(|| panic!("no {name}: {}", row.json["facts"]));
    assert!(tokens("prompt_tokens") > 10 && tokens("completion_tokens") > 0);

    // Stopped by the other, gone on with, in the same text.
    let question = ada.says(&room, "@Llama Count from one to one hundred in words: one, two, three, four, five").await;
    let reply = tab.sees_reply_to(&question).await;
    tab.until("some of it", |tab| tab.rows[&reply].text().len() > 10 || has_ended(&tab.rows[&reply])).await;
    bob.stops(&room, &reply).await;
    let row = sees_end(&mut tab, &reply).await;
    if row.state == "stopped" {
        ada.continues(&room, &reply).await;
        tab.until("it goes on", |tab| {
            tab.rows[&reply].attempt == 2
                && (tab.rows[&reply].text().len() > row.text().len()
                    || tab.rows[&reply].state != "streaming" && tab.rows[&reply].state != "queued")
        })
        .await;
        assert!(tab.rows[&reply].text().starts_with(&row.text()), "{:?} {:?}", row.text(), tab.rows[&reply].text());
        ada.stops(&room, &reply).await;
        sees_end(&mut tab, &reply).await;
    }

    // A wrong key is a clear line without the key.
    let question = ada.says(&room, "@Locked Hello?").await;
    let reply = tab.sees_reply_to(&question).await;
    let row = sees_end(&mut tab, &reply).await;
    let why = row.json["why"].as_str().unwrap();
    assert!(row.state == "failed" && why.contains("did not accept the API key") && !why.contains("sk-wrong"), "{why}");
    // And so is a server that is gone.
    drop(llama);
    let question = ada.says(&room, "@Llama Are you still there?").await;
    let reply = tab.sees_reply_to(&question).await;
    let row = sees_end(&mut tab, &reply).await;
    assert!(row.state == "failed" && row.json["why"].as_str().unwrap().contains("Could not reach"), "{row:?}");
    assert!(!tab.heard("sk-") && !server.log().contains("sk-"));
    server.database.holds().await;
}
