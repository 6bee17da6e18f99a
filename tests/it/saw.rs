//! What an assistant saw: it is what the model was given, for everyone in the room and nobody else, and deletion reaches it by itself.

use reqwest::Method;
use serde_json::{Value, json};

use crate::replies::FakeModel;
use crate::support::database::Database;
use crate::support::person::message_path;
use crate::support::{On, Options, Person, Stream, eventually, kitchen, kitchen_that_answers, on_both, script};

async fn saw(person: &Person, room: &str, reply: &str) -> Value {
    person.call(Method::GET, &format!("{}/saw", message_path(room, reply)), None).await.ok()
}

async fn saw_attempt(person: &Person, room: &str, reply: &str, attempt: i64) -> Value {
    person.call(Method::GET, &format!("{}/saw?attempt={attempt}", message_path(room, reply)), None).await.ok()
}

async fn page(person: &Person, room: &str, reply: &str) -> String {
    let page = person.get(&format!("/rooms/{room}/messages/{reply}/saw")).await;
    assert_eq!(page.status, 200, "{}", page.body);
    page.body
}

/// The turns as a server of OpenAI's kind is sent them, put together from what the API tells: instructions, then messages, those of one role
/// in a row as one.
fn turns(saw: &Value) -> Vec<(String, String)> {
    let mut turns = vec![("system".to_owned(), saw["prompt"]["instructions"].as_str().unwrap().to_owned())];
    for message in saw["prompt"]["messages"].as_array().unwrap() {
        let role = message["role"].as_str().unwrap();
        let content = message["content"].as_str().unwrap_or_else(|| panic!("its text is there: {message}"));
        match turns.last_mut() {
            Some((last, text)) if last == role => *text += &format!("\n\n{content}"),
            _ => turns.push((role.to_owned(), content.to_owned())),
        }
    }
    turns
}

fn sent(prompt: &Value) -> Vec<(String, String)> {
    let messages = prompt["messages"].as_array().unwrap();
    messages.iter().map(|m| (m["role"].as_str().unwrap().to_owned(), m["content"].as_str().unwrap().to_owned())).collect()
}

/// The texts of messages that it was given, and what became of each.
fn texts(saw: &Value) -> Vec<(&str, Option<&str>)> {
    saw["prompt"]["messages"].as_array().unwrap().iter().map(|m| (m["was"].as_str().unwrap(), m["text"].as_str())).collect()
}

/// Tables and columns in which a word still stands.
async fn places_of(database: &Database, word: &str) -> Vec<String> {
    let columns = match database {
        Database::Postgres { .. } => {
            "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = 'public' AND data_type = 'text'"
        }
        _ => {
            "SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND upper(c.type) LIKE '%TEXT%'"
        }
    };
    let mut found = Vec::new();
    for row in database.rows(columns).await {
        let (table, column) = (row[0].clone().unwrap(), row[1].clone().unwrap());
        if database.number(&format!("SELECT COUNT(*) FROM \"{table}\" WHERE \"{column}\" LIKE '%{word}%'")).await > 0 {
            found.push(format!("{table}.{column}"));
        }
    }
    found
}

/// A server with a model that says what the test says, and the room's tab.
async fn house(on: On) -> (crate::support::Server, Person, Person, String, FakeModel, Stream) {
    let (server, ada, bob, room) = kitchen(on).await;
    let model = FakeModel::start().await;
    let connection = ["--provider", "openai", "--base-url", &model.url, "--model", "m-1", "--system-prompt", "Be kind."];
    server.assistant_of("Model", &room, "mention", &connection).await;
    let tab = bob.live(&room).await;
    (server, ada, bob, room, model, tab)
}

on_both! {
    async fn what_is_shown_is_what_the_model_was_given(on: On) {
        let (server, ada, bob, room, model, mut tab) = house(on).await;
        server.assistant("Other", &room, "mention").await;
        let said = ada.says(&room, "The soup was *too* salty 🧂").await;
        bob.replies(&room, &said, "Was it?").await;
        let other = ada.says(&room, &format!("@Other {}", script(&["say \"Add a potato.\""]))).await;
        let other = tab.sees_reply_to(&other).await;
        tab.sees_state(&other, "complete").await;
        let first = ada.says(&room, "@Model what now?").await;
        let first = model.answers(&mut tab, &first, &["Water, ", "and **patience**."]).await;
        let second = bob.replies(&room, &first, "@Model how much?").await;
        let second = model.answers(&mut tab, &second, &["A cup."]).await;
        for (reply, prompt) in [&first, &second].into_iter().zip(model.prompts()) {
            let seen = saw(&ada, &room, reply).await;
            assert_eq!(turns(&seen), sent(&prompt));
            assert_eq!((&seen["prompt"]["exact"], &seen["prompt"]["left_out"], &seen["prompt"]["model"]), (&json!(true), &json!(0), &json!("m-1")));
        }
        let seen = saw(&bob, &room, &second).await;
        assert_eq!(seen["asked_by"], "Bob");
        assert_eq!(seen["prompt"]["messages"].as_array().unwrap().last().unwrap()["quote"], json!({ "author": "Model", "was": "exact", "excerpt": "Water, and patience." }));
        assert!(seen["prompt"]["estimated_tokens"].as_i64().unwrap() > 20 && seen["prompt"]["budget_tokens"].as_i64().unwrap() > 1_000);
        let page = page(&bob, &room, &second).await;
        for words in ["Be kind.", "The soup was *too* salty 🧂", "Add a potato.", "and **patience**.", "asked by <bdi>Bob</bdi>", "m-1", "data-column-part=\"saw\""] {
            assert!(page.contains(words), "{words:?} is on the page");
        }
        let room_page = bob.get(&format!("/rooms/{room}")).await.body;
        assert!(room_page.contains(&format!("<a href=\"/rooms/{room}/messages/{second}/saw\" data-column>")), "a link leads to it");
        server.database.holds().await;
    }

    async fn what_is_deleted_is_gone_from_here_too(on: On) {
        let (server, ada, bob, room, model, mut tab) = house(on).await;
        let gone = bob.says(&room, "My password is xyzzyplugh.").await;
        bob.replies(&room, &gone, "I should not have said that.").await;
        let kept = ada.says(&room, "Bring tomatoes.").await;
        let question = ada.says(&room, "@Model what shall I bring?").await;
        let reply = model.answers(&mut tab, &question, &["Tomatoes."]).await;
        assert!(page(&ada, &room, &reply).await.contains("xyzzyplugh"));
        bob.deletes(&room, &gone).await;
        ada.edits(&room, &kept, "Bring potatoes.").await;
        let seen = saw(&ada, &room, &reply).await;
        assert_eq!(seen["prompt"]["exact"], json!(false));
        assert_eq!(texts(&seen), [
            ("deleted", None),
            ("exact", Some("I should not have said that.")),
            ("edited", Some("Bring potatoes.")),
            ("exact", Some("@Model what shall I bring?")),
        ]);
        assert_eq!(seen["prompt"]["messages"][1]["quote"], json!({ "author": "Bob", "was": "deleted", "excerpt": null }));
        let shown = page(&ada, &room, &reply).await;
        assert!(!shown.contains("xyzzyplugh") && shown.contains("Deleted since") && shown.contains("Edited since") && shown.contains("Bring potatoes."));
        assert_eq!(places_of(&server.database, "xyzzyplugh").await, Vec::<String>::new());
        assert!(!places_of(&server.database, "Bring potatoes").await.is_empty(), "who looks for words finds them");
        // A reply takes what is kept of its prompt with it.
        let count = format!("SELECT COUNT(*) FROM prompts WHERE message_id = '{reply}'");
        assert_eq!(server.database.number(&count).await, 1);
        ada.deletes(&room, &reply).await;
        assert_eq!(server.database.number(&count).await, 0);
        assert_eq!(saw(&bob, &room, &reply).await["prompt"], Value::Null);
        assert!(page(&bob, &room, &reply).await.contains("The reply was deleted"));
        server.database.holds().await;
    }

    async fn an_earlier_reply_is_shown_as_it_was_given(on: On) {
        let (server, ada, bob, room, model, mut tab) = house(on).await;
        // Stopped in the middle, then asked about, then continued, then tried again from nothing.
        let first = ada.says(&room, "@Model tell me").await;
        let mut connection = model.asked().await;
        connection.says("Once upon 🌱 a").await;
        let first = tab.until_reply_by("Model", &first).await;
        tab.sees_so_far(&first, "Once upon 🌱 a").await;
        bob.stops(&room, &first).await;
        tab.sees_state(&first, "stopped").await;
        let about = bob.says(&room, "@Model is that all?").await;
        let about = model.answers(&mut tab, &about, &["For now."]).await;
        let given = sent(&model.prompts()[1]);
        assert!(given.iter().any(|(role, text)| role == "assistant" && text == "Once upon 🌱 a"), "{given:?}");
        let unchanged = async |when: &str| {
            let seen = saw(&ada, &room, &about).await;
            assert_eq!((turns(&seen), &seen["prompt"]["exact"]), (given.clone(), &json!(true)), "{when}");
        };
        unchanged("stopped").await;
        bob.continues(&room, &first).await;
        let mut connection = model.asked().await;
        connection.says(" time").await;
        tab.until("it grows", |tab| tab.rows[&first].text() == "Once upon 🌱 a time").await;
        unchanged("while it is continued").await;
        connection.ends().await;
        tab.until("it is complete", |tab| tab.rows[&first].state == "complete").await;
        unchanged("continued").await;
        let seen = saw(&ada, &room, &first).await;
        assert_eq!((&seen["attempt"], &seen["attempts"], &seen["prompt"]["continued"]), (&json!(2), &json!([1, 2]), &json!("Once upon 🌱 a")));
        assert_eq!(saw_attempt(&ada, &room, &first, 1).await["prompt"]["continued"], Value::Null);
        bob.retries(&room, &first).await;
        let mut connection = model.asked().await;
        connection.says("Long ago").await;
        tab.until("it is another", |tab| tab.rows[&first].text() == "Long ago").await;
        unchanged("while it is tried again").await;
        connection.ends().await;
        tab.until("it is complete", |tab| tab.rows[&first].state == "complete").await;
        unchanged("tried again").await;
        assert_eq!(saw_attempt(&bob, &room, &first, 2).await["prompt"]["continued"], "Once upon 🌱 a");
        assert_eq!(saw(&bob, &room, &first).await["attempt"], 3);
        // A later attempt saw the room up to its question, as the first did.
        assert_eq!(turns(&saw(&bob, &room, &first).await), turns(&saw_attempt(&bob, &room, &first, 1).await));
        assert_eq!(bob.call(Method::GET, &format!("{}/saw?attempt=9", message_path(&room, &first)), None).await.status, 404);
        server.database.holds().await;
    }

    async fn what_did_not_fit_is_counted(on: On) {
        let (server, ada, bob, room, model, mut tab) = house(on).await;
        for n in 0..8 {
            bob.says(&room, &format!("{n} {}", "a good word ".repeat(500))).await;
        }
        let gone = bob.says(&room, "never mind").await;
        bob.deletes(&room, &gone).await;
        let question = ada.says(&room, "@Model and?").await;
        let reply = model.answers(&mut tab, &question, &["So."]).await;
        let seen = saw(&ada, &room, &reply).await;
        let given = seen["prompt"]["messages"].as_array().unwrap().len();
        assert!((2..9).contains(&given), "some fit: {given}");
        assert_eq!(seen["prompt"]["left_out"], json!(9 - given), "nine can be read");
        assert_eq!(turns(&seen), sent(&model.prompts()[0]));
        let page = page(&ada, &room, &reply).await;
        assert!(page.contains(&format!("{} earlier messages did not fit", 9 - given)), "{page}");
        server.database.holds().await;
    }

    async fn nobody_else_finds_it(on: On) {
        let (server, ada, bob, room, model, mut tab) = house(on).await;
        let eve = server.person("Eve").await;
        let question = ada.says(&room, "@Model hello").await;
        let reply = model.answers(&mut tab, &question, &["Hello."]).await;
        let (path, call) = (format!("/rooms/{room}/messages/{reply}/saw"), format!("{}/saw", message_path(&room, &reply)));
        assert_eq!(bob.get(&path).await.status, 200);
        ada.removes(&room, &bob).await;
        for outsider in [&eve, &bob] {
            assert_eq!((outsider.get(&path).await.status, outsider.get(&call).await.status), (404, 404), "{}", outsider.name);
        }
        let stranger = Person::stranger(&server.url);
        assert_eq!((stranger.get(&path).await.status, stranger.get(&call).await.status), (303, 401));
        // Through another room neither, and of a person's message there is nothing to see.
        let other = eve.makes_room("Other").await;
        assert_eq!(eve.get(&format!("/rooms/{other}/messages/{reply}/saw")).await.status, 404);
        assert_eq!(ada.get(&format!("/rooms/{room}/messages/{question}/saw")).await.status, 404);
        server.database.holds().await;
    }

    async fn whatever_was_shown_has_its_record_after_a_kill(on: On) {
        let (server, ada, bob, room, model, mut tab) = house(on).await;
        ada.says(&room, "We were talking of soup.").await;
        let question = ada.says(&room, "@Model tell me").await;
        let mut connection = model.asked().await;
        connection.says("Once").await;
        let reply = tab.until_reply_by("Model", &question).await;
        tab.sees_so_far(&reply, "Once").await;
        // Another was asked and has not said a word.
        let silent = bob.says(&room, "@Model and you?").await;
        let _open = model.asked().await;
        let silent = tab.until_reply_by("Model", &silent).await;
        tab.until("it is being written", |tab| tab.rows[&silent].state == "streaming").await;
        assert!(page(&ada, &room, &silent).await.contains("kept together with the first words"));
        server.kill9().await;
        server.restart().await;
        eventually("it is marked", async || (ada.message(&room, &reply).await["state"] == "interrupted").then_some(())).await;
        let seen = saw(&ada, &room, &reply).await;
        assert_eq!((turns(&seen), &seen["prompt"]["exact"]), (sent(&model.prompts()[0]), &json!(true)));
        // Of the other nothing was ever shown, and nothing is claimed.
        assert_eq!(saw(&ada, &room, &silent).await["prompt"], Value::Null);
        assert!(page(&ada, &room, &silent).await.contains("was not kept"));
        server.database.holds().await;
    }

    async fn replies_that_failed_and_replies_of_before(on: On) {
        let (server, ada, bob, room) = kitchen_that_answers(on, Options::default()).await;
        let mut tab = bob.live(&room).await;
        let question = ada.says(&room, &script(&["error 503 \"on fire\""])).await;
        let reply = tab.sees_reply_to(&question).await;
        tab.sees_state(&reply, "failed").await;
        // The model was asked, even though it said nothing.
        assert_eq!(texts(&saw(&bob, &room, &reply).await).len(), 1);
        // As a database of before has it.
        server.database.execute("DELETE FROM prompts").await;
        assert_eq!(saw(&bob, &room, &reply).await["prompt"], Value::Null);
        assert!(page(&bob, &room, &reply).await.contains("was not kept"));
        let zh = bob.clone().with_header("accept-language", "zh");
        let shown = page(&zh, &room, &reply).await;
        assert!(shown.contains("没有保存这次回答所看到的内容"), "{shown}");
        server.database.holds().await;
    }
}
