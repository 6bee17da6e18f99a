//! Replies: who answers when, text that grows, Stop, Retry, Continue, and what becomes of one that fails.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::person::{message_path, text};
use crate::support::{On, Options, Person, Stream, eventually, kitchen_that_answers, new_id, on_both, script};

/// Asks with a script, and waits until the reply shows this much of it.
async fn asks(person: &Person, tab: &mut Stream, room: &str, steps: &[&str], shows: &str) -> String {
    let question = person.says(room, &script(steps)).await;
    let reply = tab.sees_reply_to(&question).await;
    if !shows.is_empty() {
        tab.sees_so_far(&reply, shows).await;
    }
    reply
}

on_both! {
    async fn an_assistant_answers_always_or_when_it_is_spoken_to(on: On) {
        let (server, ada, bob, room) = kitchen_that_answers(on, Options::default()).await;
        server.assistant("Listener", &room, "mention").await;
        let mut tab = bob.live(&room).await;
        let authors = |tab: &Stream, question: &str| -> Vec<String> {
            let mut names: Vec<String> =
                tab.rows.values().filter(|row| row.attempt > 0 && row.json["reply_to"]["id"] == question).map(|row| row.author().to_owned()).collect();
            names.sort();
            names
        };
        let plain = ada.says(&room, &script(&["say fine"])).await;
        tab.until("Echo's answer", |tab| authors(tab, &plain) == ["Echo"]).await;
        let mention = ada.says(&room, &format!("@listener and `@Listener`? {}", script(&["say both"]))).await;
        tab.until("both answers", |tab| authors(tab, &mention) == ["Echo", "Listener"]).await;
        let row = tab.rows.iter().find(|(_, row)| row.author() == "Listener").map(|(id, _)| id.clone()).unwrap();
        tab.sees_state(&row, "complete").await;
        assert_eq!(tab.rows[&row].json["asked_by"], json!({ "id": ada.id, "name": "Ada" }));
        // To answer an assistant's message is to speak to it.
        let answer = bob.replies(&room, &row, &script(&["say again"])).await;
        tab.until("both answers", |tab| authors(tab, &answer) == ["Echo", "Listener"]).await;
        // A name in code, or as part of another word, is no mention. Assistants do not answer each other.
        let quiet = ada.says(&room, "mail@Listener.example and `@Listener` and @Listeners").await;
        tab.until("Echo's answer", |tab| authors(tab, &quiet) == ["Echo"]).await;
        let last = ada.says(&room, &script(&["say \"@Listener what do you think?\""])).await;
        let reply = tab.sees_reply_to(&last).await;
        tab.sees_state(&reply, "complete").await;
        let end = ada.says(&room, &script(&["say end"])).await;
        let end = tab.sees_reply_to(&end).await;
        tab.sees_state(&end, "complete").await;
        for question in [&quiet, &reply] {
            assert!(!authors(&tab, question).contains(&"Listener".to_owned()));
        }
        server.database.holds().await;
    }

    async fn text_grows_for_everyone_and_is_stored_first(on: On) {
        let (server, ada, bob, room) = kitchen_that_answers(on, Options::default()).await;
        let (mut hers, mut his) = (ada.live(&room).await, bob.live(&room).await);
        let reply = asks(&ada, &mut hers, &room, &["pace 40", "repeat 12 \"wörd 🌱 \"", "wait end", "say end"], "").await;
        let stored = async |tab: &Stream| {
            // What a tab shows is a beginning of what is stored.
            let so_far = text(&bob.message(&room, &reply).await["so_far"]);
            assert!(so_far.starts_with(&tab.rows[&reply].text()), "{so_far:?} {:?}", tab.rows[&reply].text());
        };
        for n in [2, 6, 11] {
            his.until("more of it", |tab| tab.rows.get(&reply).is_some_and(|row| row.text().matches("wörd").count() >= n)).await;
            stored(&his).await;
        }
        let all = "wörd 🌱 ".repeat(12);
        hers.sees_so_far(&reply, &all).await;
        his.sees_so_far(&reply, &all).await;
        assert!(his.rows[&reply].answer.frames >= 4, "it came in pieces: {:?}", his.rows[&reply].answer.frames);
        server.open("end");
        assert_eq!(hers.sees_state(&reply, "complete").await.text(), format!("{all}end"));
        his.sees_state(&reply, "complete").await;
        assert_eq!(hers.shows(), his.shows());
        assert_eq!((hers.gaps, his.gaps), (0, 0));
        // The two tabs, the API and the database have one text.
        assert_eq!(bob.message(&room, &reply).await["text"], format!("{all}end"));
        let rows = server.database.rows(&format!("SELECT text FROM messages WHERE id = '{reply}'")).await;
        assert_eq!(rows[0][0].as_deref(), Some(format!("{all}end").as_str()));
        server.database.holds().await;
    }

    async fn the_next_prompt_has_what_people_read(on: On) {
        let (server, ada, bob, room) = kitchen_that_answers(on, Options::default()).await;
        let model = FakeModel::start().await;
        server.assistant_of("Model", &room, "mention", &["--provider", "openai", "--base-url", &model.url, "--model", "m", "--system-prompt", "Be kind."]).await;
        let mut tab = bob.live(&room).await;
        let first = ada.says(&room, "@Model what is *this*?").await;
        let reply = model.answers(&mut tab, &first, &["An **answer** ", "with 🌱\n\n- one"]).await;
        let second = bob.replies(&room, &reply, "@Model and that?").await;
        let reply_two = model.answers(&mut tab, &second, &["More."]).await;
        let prompt = &model.prompts()[1];
        let turns: Vec<(&str, &str)> =
            prompt["messages"].as_array().unwrap().iter().map(|m| (m["role"].as_str().unwrap(), m["content"].as_str().unwrap())).collect();
        let shown = tab.rows[&reply].text();
        let echo = tab.rows.values().find(|row| row.author() == "Echo" && row.json["reply_to"]["id"] == first.as_str()).unwrap().text();
        assert_eq!(turns[0], ("system", "Be kind."));
        assert!(turns[1].1.starts_with("Ada: @Model what is *this*?"), "{turns:?}");
        assert!(turns.contains(&("assistant", shown.as_str())), "what was read is what is asked about: {turns:?}");
        let last = turns.last().unwrap();
        assert_eq!(last.0, "user");
        assert!(last.1.contains("Bob (in reply to Model: “An answer with 🌱 one”): @Model and that?"), "{turns:?}");
        assert!(turns.iter().any(|(_, words)| words.contains(&echo)), "other assistants are heard");
        // A later attempt sees the room up to its question, and not what came after.
        ada.says(&room, "something else entirely").await;
        bob.retries(&room, &reply_two).await;
        model.answers_again(&mut tab, &reply_two, 2, &["Other."]).await;
        let prompt = model.prompts()[2].to_string();
        assert!(!prompt.contains("something else") && !prompt.contains("More."), "{prompt}");
    }

    async fn anyone_in_the_room_may_stop_a_reply(on: On) {
        let (server, ada, bob, room) = kitchen_that_answers(on, Options::default()).await;
        let model = FakeModel::start().await;
        server.assistant_of("Model", &room, "mention", &["--provider", "openai", "--base-url", &model.url, "--model", "m"]).await;
        let (mut hers, mut his) = (ada.live(&room).await, bob.live(&room).await);
        let question = ada.says(&room, "@Model tell me").await;
        let mut connection = model.asked().await;
        connection.says("Once upon a time").await;
        let reply = his.until_reply_by("Model", &question).await;
        his.sees_so_far(&reply, "Once upon a time").await;
        let stopped = tokio::time::Instant::now();
        bob.stops(&room, &reply).await;
        connection.is_closed_by_the_other_end().await;
        assert!(stopped.elapsed().as_millis() < 1000, "the provider's connection closes at once: {:?}", stopped.elapsed());
        for tab in [&mut hers, &mut his] {
            let row = tab.sees_state(&reply, "stopped").await;
            assert_eq!(row.text(), "Once upon a time");
            assert_eq!(row.json["by"], json!({ "id": bob.id, "name": "Bob" }));
        }
        let page = ada.get(&format!("/rooms/{room}")).await;
        assert!(page.body.contains("Stopped by <bdi>Bob</bdi>."), "who stopped it is shown");
        // To stop what has ended changes nothing.
        let before = ada.message(&room, &reply).await;
        assert_eq!(ada.stops(&room, &reply).await["rev"], before["rev"]);
        server.database.holds().await;
    }

    async fn a_reply_that_waits_can_be_stopped(on: On) {
        let (server, ada, bob, room) = kitchen_that_answers(on, Options::default()).await;
        let mut tab = bob.live(&room).await;
        // As many as run at once are kept busy, so that the next one waits.
        let endless = script(&["wait never"]);
        let busy: Vec<String> = futures_util::future::join_all((0..64).map(|_| ada.says(&room, &endless))).await;
        tab.until("all of them run", |tab| tab.rows.values().filter(|row| row.state == "streaming").count() == 64).await;
        let question = ada.says(&room, &script(&["say no"])).await;
        let waiting = tab.sees_reply_to(&question).await;
        let next = ada.says(&room, &script(&["say next"])).await;
        let next = tab.sees_reply_to(&next).await;
        assert_eq!(tab.rows[&waiting].state, "queued");
        bob.stops(&room, &waiting).await;
        let row = tab.sees_state(&waiting, "stopped").await;
        assert_eq!((row.text(), &row.json["by"]["name"]), (String::new(), &json!("Bob")));
        // One that ends makes room for the next that waits.
        let running = tab.rows.iter().find(|(_, row)| row.json["reply_to"]["id"] == busy[0].as_str()).map(|(id, _)| id.clone()).unwrap();
        bob.stops(&room, &running).await;
        assert_eq!(tab.sees_state(&next, "complete").await.text(), "next");
        assert_eq!(tab.rows[&waiting].state, "stopped");
        server.database.holds().await;
    }

    async fn retry_keeps_earlier_attempts_readable(on: On) {
        let (server, ada, bob, room) = kitchen_that_answers(on, Options::default()).await;
        let mut tab = bob.live(&room).await;
        let reply = asks(&ada, &mut tab, &room, &["unless better say \"First try.\"", "unless better error 500 \"It broke.\"", "say \"Second try.\""], "").await;
        let row = tab.sees_state(&reply, "failed").await;
        assert_eq!(row.text(), "First try.", "an error keeps the text so far");
        assert!(row.json["why"].as_str().unwrap().contains("It broke."), "{}", row.json["why"]);
        server.open("better");
        bob.retries(&room, &reply).await;
        tab.until("the second attempt", |tab| tab.rows[&reply].attempt == 2).await;
        let row = tab.sees_state(&reply, "complete").await;
        assert_eq!((row.text(), row.attempt), ("Second try.".to_owned(), 2));
        assert_eq!(row.json["asked_by"]["name"], "Bob");
        let message = ada.message(&room, &reply).await;
        let attempts: Vec<(i64, &str, &str)> = message["attempts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|a| (a["attempt"].as_i64().unwrap(), a["state"].as_str().unwrap(), a["text"].as_str().unwrap()))
            .collect();
        assert_eq!(attempts, [(1, "failed", "First try."), (2, "complete", "Second try.")]);
        let page = ada.get(&format!("/rooms/{room}/messages/{reply}")).await;
        assert!(page.body.contains("First try.") && page.body.contains("Second try."), "{}", page.body);
        // A retry of an attempt that is no longer the newest changes nothing.
        let path = format!("{}/retry", message_path(&room, &reply));
        let now = bob.call(Method::POST, &path, Some(json!({ "attempt": 1 }))).await.ok();
        assert_eq!((&now["attempt"], &now["rev"]), (&json!(2), &message["rev"]));
        // Two at once are one.
        let (one, two) = tokio::join!(
            ada.call(Method::POST, &path, Some(json!({ "attempt": 2 }))),
            bob.call(Method::POST, &path, Some(json!({ "attempt": 2 })))
        );
        assert_eq!((one.status, two.status), (200, 200), "{} {}", one.body, two.body);
        tab.until("the third attempt", |tab| tab.rows[&reply].attempt == 3 && tab.rows[&reply].state == "complete").await;
        assert_eq!(ada.message(&room, &reply).await["attempts"].as_array().unwrap().len(), 3);
        // A complete one cannot be continued.
        let refused = bob.call(Method::POST, &format!("{}/continue", message_path(&room, &reply)), Some(json!({}))).await;
        assert_eq!((refused.status, refused.code().as_str()), (409, "complete"));
        server.database.holds().await;
    }

    async fn continue_goes_on_after_the_text_so_far(on: On) {
        let (server, ada, bob, room) = kitchen_that_answers(on, Options::default()).await;
        let mut tab = bob.live(&room).await;
        let steps = ["say \"Once upon \"", "cut", "continue", "say \"a time \"", "wait end", "say \"🌱.\""];
        let reply = asks(&ada, &mut tab, &room, &steps, "").await;
        let row = tab.sees_state(&reply, "interrupted").await;
        assert_eq!(row.text(), "Once upon ");
        assert!(row.json["why"].as_str().unwrap().contains("cut the answer off"), "{}", row.json["why"]);
        bob.continues(&room, &reply).await;
        tab.until("it goes on", |tab| tab.rows[&reply].attempt == 2 && tab.rows[&reply].text() == "Once upon a time ").await;
        let mut late = ada.live(&room).await;
        late.sees_so_far(&reply, "Once upon a time ").await;
        server.open("end");
        for tab in [&mut tab, &mut late] {
            let row = tab.sees_state(&reply, "complete").await;
            assert_eq!(row.text(), "Once upon a time 🌱.");
            assert_eq!(tab.gaps, 0);
        }
        // It takes the earlier one's place.
        let message = ada.message(&room, &reply).await;
        assert_eq!(message["attempts"].as_array().unwrap().len(), 1);
        assert_eq!(message["attempts"][0]["kind"], "continue");
        server.database.holds().await;
    }

    async fn a_continuation_that_is_stopped_while_it_waits_keeps_its_text(on: On) {
        let (server, ada, bob, room) = kitchen_that_answers(on, Options::default()).await;
        let mut tab = bob.live(&room).await;
        let reply = asks(&ada, &mut tab, &room, &["reason \"Hm.\"", "say \"Half of\"", "cut", "continue", "say it"], "").await;
        tab.sees_state(&reply, "interrupted").await;
        let endless = script(&["wait never"]);
        let waiters = futures_util::future::join_all((0..64).map(|_| ada.says(&room, &endless))).await;
        tab.until("all of them run", |tab| tab.rows.values().filter(|row| row.state == "streaming").count() == waiters.len()).await;
        bob.continues(&room, &reply).await;
        tab.until("it waits", |tab| tab.rows[&reply].attempt == 2).await;
        assert_eq!(tab.rows[&reply].state, "queued");
        bob.stops(&room, &reply).await;
        let row = tab.sees_state(&reply, "stopped").await;
        assert_eq!((row.text().as_str(), &row.json["reasoning"]), ("Half of", &json!("Hm.")));
        server.database.holds().await;
    }

    async fn what_goes_wrong_becomes_a_clear_line(on: On) {
        let (server, ada, bob, room) = kitchen_that_answers(on, Options::args(&["--reply-silence", "1"]).env("SECRET_OF_MODELS", "sk-very-secret")).await;
        server.assistant_of("Nowhere", &room, "mention", &["--provider", "openai", "--base-url", "http://127.0.0.1:1/v1", "--model", "m", "--key-env", "SECRET_OF_MODELS"]).await;
        server.assistant_of("Keyless", &room, "mention", &["--provider", "openai", "--base-url", "http://127.0.0.1:1/v1", "--model", "m", "--key-env", "NO_SUCH_VARIABLE"]).await;
        let mut tab = bob.live(&room).await;
        for (steps, state, text, why) in [
            (&["say \"Some text\"", "error 429 \"Slow down\""][..], "failed", "Some text", "busy (429)"),
            (&["error 401 \"no\""][..], "failed", "", "did not accept the API key"),
            (&["say \"In the middle\"", "error \"oh no\""][..], "failed", "In the middle", "oh no"),
            (&["say half", "cut"][..], "interrupted", "half", "cut the answer off"),
            (&["cut"][..], "interrupted", "", "closed the connection without a word"),
            (&["say quiet", "hang"][..], "failed", "quiet", "sent nothing for 1 second"),
            (&["say long", "end length"][..], "interrupted", "long", "limit of length"),
            (&["say no", "end filter"][..], "failed", "no", "content filter"),
            (&["end"][..], "failed", "", "gave no answer"),
            (&["dance"][..], "failed", "", "Line 1 of the script cannot be followed"),
        ] {
            let question = ada.says(&room, &script(steps)).await;
            let reply = tab.sees_reply_to(&question).await;
            let row = tab.sees_state(&reply, state).await;
            assert_eq!(row.text(), text, "{steps:?}");
            let said = row.json["why"].as_str().unwrap();
            assert!(said.contains(why), "{steps:?}: {said}");
            let page = ada.get(&format!("/rooms/{room}")).await.body;
            let article = page.split(&format!("id=\"m-{reply}\"")).nth(1).unwrap().split("</article>").next().unwrap();
            assert!(article.contains(">Retry<"), "each can be tried again");
            assert_eq!(article.contains(">Continue<"), !text.is_empty(), "what has text can be continued");
        }
        for (name, why) in [("Nowhere", "Could not reach"), ("Keyless", "NO_SUCH_VARIABLE")] {
            let question = ada.says(&room, &format!("@{name} hello")).await;
            let reply = tab.until_reply_by(name, &question).await;
            let row = tab.sees_state(&reply, "failed").await;
            assert!(row.json["why"].as_str().unwrap().contains(why), "{}", row.json["why"]);
        }
        assert!(!tab.heard("sk-very-secret") && !server.log().contains("sk-very-secret"));
        server.database.holds().await;
    }

    async fn reasoning_is_its_own_text(on: On) {
        let (server, ada, bob, room) = kitchen_that_answers(on, Options::default()).await;
        let mut tab = bob.live(&room).await;
        let reply = asks(&ada, &mut tab, &room, &["reason \"Let me \"", "reason think.", "wait go", "say \"Forty-\"", "say two.", "wait end", "usage 12 3"], "").await;
        tab.until("the thoughts", |tab| tab.rows[&reply].reasoning.text == "Let me think.").await;
        assert_eq!(tab.rows[&reply].text(), "");
        server.open("go");
        tab.sees_so_far(&reply, "Forty-two.").await;
        let mut late = ada.live(&room).await;
        late.until("both parts", |tab| tab.rows.get(&reply).is_some_and(|row| row.reasoning.text == "Let me think." && row.text() == "Forty-two.")).await;
        server.open("end");
        let row = tab.sees_state(&reply, "complete").await;
        assert_eq!((row.text().as_str(), &row.json["reasoning"]), ("Forty-two.", &json!("Let me think.")));
        assert_eq!((&row.json["facts"]["prompt_tokens"], &row.json["facts"]["completion_tokens"]), (&json!(12), &json!(3)));
        server.database.holds().await;
    }

    async fn a_deleted_reply_is_gone_while_it_is_written(on: On) {
        let (server, ada, bob, room) = kitchen_that_answers(on, Options::default()).await;
        let mut tab = bob.live(&room).await;
        let reply = asks(&ada, &mut tab, &room, &["reason hushhush", "say \"unspeakable\"", "wait go", "say \"more\""], "unspeakable").await;
        // Bob neither asked for it nor owns the room.
        let refused = bob.call(Method::DELETE, &message_path(&room, &reply), None).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"));
        ada.deletes(&room, &reply).await;
        let row = tab.sees_state(&reply, "deleted").await;
        assert_eq!(row.text(), "");
        server.open("go");
        // A later reply proves that nothing of the deleted one comes afterwards.
        let later = asks(&ada, &mut tab, &room, &["say later"], "").await;
        tab.sees_state(&later, "complete").await;
        assert_eq!(bob.message(&room, &reply).await["state"], "deleted");
        for table in ["messages", "attempts"] {
            let kept = server.database.number(&format!("SELECT COUNT(*) FROM {table} WHERE text LIKE '%unspeakabl%' AND text NOT LIKE '%script%' OR reasoning LIKE '%hushhus%'")).await;
            assert_eq!(kept, 0, "{table}");
        }
        assert_eq!(server.database.number(&format!("SELECT COUNT(*) FROM chunks WHERE message_id = '{reply}'")).await, 0);
        for verb in ["stop", "retry", "continue"] {
            let refused = ada.call(Method::POST, &format!("{}/{verb}", message_path(&room, &reply)), Some(json!({}))).await;
            assert_eq!((refused.status, refused.code().as_str()), (409, "no_reply"), "{verb}");
        }
        server.database.holds().await;
    }

    async fn the_question_may_go_and_the_reply_goes_on(on: On) {
        let (server, ada, bob, room) = kitchen_that_answers(on, Options::default()).await;
        let mut tab = bob.live(&room).await;
        let question = ada.says(&room, &script(&["say \"Still \"", "wait go", "say here."])).await;
        let reply = tab.sees_reply_to(&question).await;
        tab.sees_so_far(&reply, "Still ").await;
        ada.deletes(&room, &question).await;
        tab.until("the deleted quote", |tab| tab.rows[&reply].json["reply_to"]["deleted"] == true).await;
        assert_eq!(tab.rows[&reply].text(), "Still ", "a change of its quote does not touch the text that is shown");
        server.open("go");
        assert_eq!(tab.sees_state(&reply, "complete").await.text(), "Still here.");
        assert_eq!(tab.gaps, 0);
        server.database.holds().await;
    }

    async fn the_reply_goes_on_without_who_asked(on: On) {
        let (server, ada, bob, room) = kitchen_that_answers(on, Options::default()).await;
        let carol = server.person("Carol").await;
        carol.joins(&room).await;
        let mut guard = ada.live(&room).await;
        let mut hers = carol.live(&room).await;
        let reply = asks(&carol, &mut hers, &room, &["say \"One \"", "wait go", "say two"], "One ").await;
        drop(hers);
        carol.leaves(&room).await;
        carol.signs_out().await;
        server.open("go");
        assert_eq!(guard.sees_state(&reply, "complete").await.text(), "One two");
        // Whoever asks and is gone before the answer of the post came is answered all the same.
        let id = new_id();
        let post = bob.request(Method::POST, &format!("/api/rooms/{room}/messages")).header("content-type", "application/json");
        let post = post.body(json!({ "id": id, "text": script(&["say \"for nobody\""]) }).to_string());
        let sent = tokio::spawn(post.send());
        eventually("the post is there or was lost", async || {
            let page = ada.call(Method::GET, &message_path(&room, &id), None).await;
            (page.status == 200 || sent.is_finished()).then_some(())
        })
        .await;
        sent.abort();
        let reply = guard.sees_reply_to(&id).await;
        assert_eq!(guard.sees_state(&reply, "complete").await.text(), "for nobody");
        server.database.holds().await;
    }

    async fn two_assistants_answer_side_by_side(on: On) {
        let (server, ada, bob, room) = kitchen_that_answers(on, Options::default()).await;
        server.assistant("Other", &room, "always").await;
        let mut tab = bob.live(&room).await;
        let question = ada.says(&room, &script(&["say \"together \"", "wait go", "say done"])).await;
        let growing = |tab: &Stream| tab.rows.values().filter(|row| row.state == "streaming" && row.text() == "together ").count();
        tab.until("both write", |tab| growing(tab) == 2).await;
        server.open("go");
        let done = |row: &crate::support::Row| row.json["reply_to"]["id"] == question.as_str() && row.text() == "together done";
        tab.until("both are done", |tab| tab.rows.values().filter(|row| done(row)).count() == 2).await;
        assert_eq!(tab.gaps, 0);
        server.database.holds().await;
    }

    async fn of_a_deletion_and_a_retry_at_once_the_deletion_stays(on: On) {
        let (server, ada, bob, room) = kitchen_that_answers(on, Options::default()).await;
        let mut tab = bob.live(&room).await;
        for _ in 0..8 {
            let reply = asks(&ada, &mut tab, &room, &["say secret-words"], "").await;
            tab.sees_state(&reply, "complete").await;
            let (retry, stop) = (format!("{}/retry", message_path(&room, &reply)), format!("{}/stop", message_path(&room, &reply)));
            let (_, _, stopped) = tokio::join!(
                ada.deletes(&room, &reply),
                bob.call(Method::POST, &retry, Some(json!({}))),
                bob.call(Method::POST, &stop, Some(json!({}))),
            );
            assert!(matches!(stopped.status, 200 | 409), "{}", stopped.body);
            tab.sees_state(&reply, "deleted").await;
            // A later reply proves that nothing of it comes back.
            let later = asks(&ada, &mut tab, &room, &["say later"], "").await;
            tab.sees_state(&later, "complete").await;
            let message = bob.message(&room, &reply).await;
            assert_eq!((&message["state"], &message["text"]), (&json!("deleted"), &json!("")));
        }
        server.database.holds().await;
    }

    async fn a_removed_assistant_answers_no_more(on: On) {
        let (server, ada, bob, room) = kitchen_that_answers(on, Options::default()).await;
        let mut tab = bob.live(&room).await;
        let reply = asks(&ada, &mut tab, &room, &["say here"], "").await;
        tab.sees_state(&reply, "complete").await;
        server.cli(&["assistant", "remove", "echo"], "").await.ok();
        tab.until("it has left", |tab| tab.rooms.get(&room).is_some_and(|r| r["assistants"].as_array().unwrap().iter().all(|a| a["name"] != "Echo"))).await;
        let quiet = ada.says(&room, "@Echo are you there?").await;
        tab.sees_state(&quiet, "complete").await;
        let refused = bob.call(Method::POST, &format!("{}/retry", message_path(&room, &reply)), Some(json!({}))).await;
        assert_eq!((refused.status, refused.code().as_str()), (409, "assistant_removed"));
        assert_eq!(bob.message(&room, &reply).await["text"], "here", "what it wrote stays");
        assert_eq!(bob.messages(&room).await.len(), 3);
        server.database.holds().await;
    }
}

/// A server with OpenAI's chat completions that says what a test tells it to say, and notes what it was asked.
pub struct FakeModel {
    pub url: String,
    connections: tokio::sync::Mutex<tokio::sync::mpsc::UnboundedReceiver<Connection>>,
    prompts: std::sync::Arc<std::sync::Mutex<Vec<Value>>>,
    accepting: tokio::task::JoinHandle<()>,
}

/// One request to it.
pub struct Connection {
    socket: tokio::net::TcpStream,
}

impl FakeModel {
    pub async fn start() -> Self {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (say, connections) = tokio::sync::mpsc::unbounded_channel();
        let prompts = std::sync::Arc::<std::sync::Mutex<Vec<Value>>>::default();
        let noted = prompts.clone();
        let accepting = tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let (say, noted) = (say.clone(), noted.clone());
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    let body = loop {
                        if socket.read_buf(&mut request).await.unwrap_or(0) == 0 {
                            return;
                        }
                        let head = String::from_utf8_lossy(&request).to_lowercase();
                        let Some((head, _)) = head.split_once("\r\n\r\n") else { continue };
                        let length = head
                            .split("content-length: ")
                            .nth(1)
                            .and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok())
                            .unwrap_or(0);
                        if request.len() >= head.len() + 4 + length {
                            break request.split_off(head.len() + 4);
                        }
                    };
                    noted.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
                    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
                    socket.write_all(head.as_bytes()).await.unwrap();
                    let _ = say.send(Connection { socket });
                });
            }
        });
        Self { url, connections: connections.into(), prompts, accepting }
    }

    pub fn prompts(&self) -> Vec<Value> {
        self.prompts.lock().unwrap().clone()
    }

    /// The next request.
    pub async fn asked(&self) -> Connection {
        tokio::time::timeout(crate::support::PATIENCE, async { self.connections.lock().await.recv().await })
            .await
            .expect("the model is asked")
            .unwrap()
    }

    /// Answers the next request whole, and waits until the reply is complete; gives its id.
    pub async fn answers(&self, tab: &mut Stream, question: &str, pieces: &[&str]) -> String {
        self.plays(pieces).await;
        let reply = tab.until_reply_by("Model", question).await;
        assert_eq!(tab.sees_state(&reply, "complete").await.text(), pieces.concat());
        reply
    }

    pub async fn answers_again(&self, tab: &mut Stream, reply: &str, attempt: i64, pieces: &[&str]) {
        self.plays(pieces).await;
        tab.until("the later attempt", |tab| tab.rows[reply].attempt == attempt && tab.rows[reply].state == "complete").await;
        assert_eq!(tab.rows[reply].text(), pieces.concat());
    }

    async fn plays(&self, pieces: &[&str]) {
        let mut connection = self.asked().await;
        for piece in pieces {
            connection.says(piece).await;
        }
        connection.ends().await;
    }
}

impl Drop for FakeModel {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Connection {
    pub async fn says(&mut self, words: &str) {
        self.sends(&json!({ "choices": [{ "index": 0, "delta": { "content": words } }] })).await;
    }

    pub async fn ends(mut self) {
        use tokio::io::AsyncWriteExt;
        self.sends(&json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] })).await;
        self.socket.write_all(b"data: [DONE]\n\n").await.unwrap();
    }

    async fn sends(&mut self, data: &Value) {
        use tokio::io::AsyncWriteExt;
        self.socket.write_all(format!("data: {data}\n\n").as_bytes()).await.unwrap();
    }

    /// Waits until the other end has closed the connection.
    pub async fn is_closed_by_the_other_end(&mut self) {
        use tokio::io::AsyncReadExt;
        let read = tokio::time::timeout(crate::support::PATIENCE, self.socket.read(&mut [0; 16])).await.expect("the connection is closed");
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
}
