//! Crashes, restarts and orderly ends: what was shown is there afterwards.

use std::time::Duration;

use reqwest::Method;
use rustix::process::Signal;
use serde_json::json;

use crate::support::{On, Options, Server, kitchen_that_answers, new_id, on_both, script};

on_both! {
    async fn after_a_crash_all_that_was_shown_is_there_and_goes_on(on: On) {
        let (server, ada, bob, room) = kitchen_that_answers(on, Options::default()).await;
        let mut tab = bob.live(&room).await;
        let steps = ["reason \"So. \"", "say \"Shown **before** \"", "wait never", "continue", "say \"and after.\""];
        let question = ada.says(&room, &script(&steps)).await;
        let reply = tab.sees_reply_to(&question).await;
        tab.sees_so_far(&reply, "Shown **before** ").await;
        server.kill9().await;
        tab.breaks().await;
        let epoch = |cursor: &str| cursor.split('.').nth(1).unwrap().to_owned();
        let last = tab.last_event_id.clone();

        server.restart().await;
        // The tab comes back by its last id, signed in as before, and shows what a fresh page shows.
        let mut again = bob.live_at(&room, &last).await;
        again.rows = std::mem::take(&mut tab.rows);
        // On Postgres another server might be writing it: that is known when its lease of 15 s has run out.
        again.patience = Duration::from_secs(40);
        let row = again.sees_state(&reply, "interrupted").await;
        assert_eq!(row.text(), "Shown **before** ");
        assert_eq!(row.json["reasoning"], "So. ");
        assert_eq!(row.json["why"], "The server ended while this was being written.");
        assert_eq!(epoch(&again.last_event_id), epoch(&last), "a restart keeps the room's history");
        let mut fresh = ada.live(&room).await;
        fresh.catches_up().await;
        assert_eq!(again.shows(), fresh.shows());
        server.database.holds().await;

        ada.continues(&room, &reply).await;
        let row = again.sees_state(&reply, "complete").await;
        assert_eq!(row.text(), "Shown **before** and after.");
        assert_eq!(again.gaps, 0);
        server.database.holds().await;
    }

    async fn a_post_that_was_answered_survives_a_crash_and_is_there_once(on: On) {
        let (server, ada, bob, room) = kitchen_that_answers(on, Options::default()).await;
        // Posts are under way when the process dies; each is repeated until it is answered.
        let posts: Vec<(String, String)> = (0..40).map(|n| (new_id(), format!("word {n}"))).collect();
        let send = async |id: &str, words: &str| {
            let request = ada.request(Method::POST, &format!("/api/rooms/{room}/messages")).header("content-type", "application/json");
            request.body(json!({ "id": id, "text": words }).to_string()).send().await.is_ok_and(|answer| answer.status() == 201)
        };
        let mut answered = Vec::new();
        let crash = async {
            let mut guard = bob.live(&room).await;
            guard.sees("word 10").await;
            server.kill9().await;
        };
        let writing = async {
            for (id, words) in &posts {
                if !send(id, words).await {
                    return;
                }
                answered.push(id.clone());
            }
        };
        tokio::join!(crash, writing);
        assert!(answered.len() >= 10, "some were answered");
        server.restart().await;
        for id in &answered {
            assert_eq!(bob.message(&room, id).await["state"], "complete");
        }
        for (id, words) in posts.iter().chain(&posts) {
            assert!(send(id, words).await, "{words}");
        }
        let count = server.database.number(&format!("SELECT COUNT(*) FROM messages WHERE room_id = '{room}' AND author_kind = 'person'")).await;
        assert_eq!(count, 40);
        server.database.holds().await;
    }

    async fn what_waits_is_answered_after_a_restart(on: On) {
        let (server, ada, bob, room) = kitchen_that_answers(on, Options::default()).await;
        let mut tab = bob.live(&room).await;
        let endless = script(&["say on", "wait never"]);
        futures_util::future::join_all((0..64).map(|_| ada.says(&room, &endless))).await;
        tab.until("all of them run", |tab| tab.rows.values().filter(|row| row.state == "streaming" && row.text() == "on").count() == 64).await;
        let question = ada.says(&room, &script(&["say finally"])).await;
        let waiting = tab.sees_reply_to(&question).await;
        server.kill9().await;
        // As if a while had passed: on Postgres a reply belongs to its server until its lease has run out.
        server.database.execute("UPDATE attempts SET lease_until = 0").await;
        server.restart().await;
        let mut tab = bob.live(&room).await;
        assert_eq!(tab.sees_state(&waiting, "complete").await.text(), "finally");
        // Nothing spins for ever.
        tab.until("the others have ended", |tab| tab.rows.values().filter(|row| row.attempt > 0 && row.seq > 64).all(|row| row.state == "interrupted" || row.state == "complete")).await;
        let open = "SELECT COUNT(*) FROM messages WHERE state IN ('queued', 'streaming')";
        crate::support::eventually("no reply is open", async || (server.database.number(open).await == 0).then_some(())).await;
        server.database.holds().await;
    }

    async fn an_orderly_end_says_good_bye_to_everyone(on: On) {
        let (server, ada, bob, room) = kitchen_that_answers(on, Options::default()).await;
        let mut tabs = Vec::new();
        for n in 0..20 {
            tabs.push(if n % 2 == 0 { ada.live(&room).await } else { bob.live(&room).await });
        }
        let question = ada.says(&room, &script(&["say \"In the middle\"", "wait never"])).await;
        let reply = tabs[0].sees_reply_to(&question).await;
        tabs[0].sees_so_far(&reply, "In the middle").await;
        let (took, ()) = tokio::join!(server.terminate(), async {
            for tab in &mut tabs {
                tab.ends().await;
                assert_eq!(tab.byes, [json!({ "why": "shutdown" })]);
            }
        });
        assert!(took <= Duration::from_secs(10), "{took:?}");
        let log = std::fs::metadata(server.data().join("parlor.db-wal")).map_or(0, |log| log.len());
        assert_eq!(log, 0, "SQLite's log is folded into the file");
        server.restart().await;
        let message = bob.message(&room, &reply).await;
        assert_eq!((&message["state"], &message["text"]), (&json!("interrupted"), &json!("In the middle")));
        assert_eq!(message["why"], "The server was stopped while this was being written.");
        server.database.holds().await;
    }

    async fn a_reply_that_ends_in_time_ends_well(on: On) {
        let (server, ada, bob, room) = kitchen_that_answers(on, Options::default()).await;
        let mut tab = bob.live(&room).await;
        let question = ada.says(&room, &script(&["say \"Nearly \"", "wait go", "say done"])).await;
        let reply = tab.sees_reply_to(&question).await;
        tab.sees_so_far(&reply, "Nearly ").await;
        server.signal(Signal::TERM);
        tab.ends().await;
        server.open("go");
        assert!(server.ended().await.success());
        server.restart().await;
        assert_eq!(bob.message(&room, &reply).await["text"], "Nearly done");
    }
}

#[tokio::test]
async fn while_it_ends_nothing_new_is_taken() {
    let (server, ada, bob, room) = kitchen_that_answers(On::Sqlite, Options::default()).await;
    let mut tab = bob.live(&room).await;
    let question = ada.says(&room, &script(&["say on", "wait go"])).await;
    let reply = tab.sees_reply_to(&question).await;
    tab.sees_so_far(&reply, "on").await;
    // A connection that is open already can still ask.
    assert_eq!(ada.get("/readyz").await.status, 200);
    server.signal(Signal::TERM);
    tab.ends().await;
    let path = format!("/api/rooms/{room}/messages");
    let request =
        ada.request(Method::POST, &path).header("content-type", "application/json").body(json!({ "text": "too late" }).to_string());
    match request.send().await {
        // Either the connection is gone, or the answer says so.
        Err(error) => assert!(error.is_connect() || error.is_request(), "{error:?}"),
        Ok(answer) => {
            assert_eq!(answer.status(), 503);
            assert!(answer.headers().contains_key("retry-after"));
        }
    }
    server.open("go");
    assert!(server.ended().await.success());
    server.restart().await;
    assert!(!server.log().contains("panicked"));
    assert!(bob.messages(&room).await.iter().all(|message| message["text"] != "too late"));
}

#[tokio::test]
async fn a_second_server_on_the_same_folder_is_refused() {
    let server = Server::start(On::Sqlite).await;
    let second = server.cli(&["serve", "--listen", "127.0.0.1:0"], "").await;
    let sentence = second.refused();
    assert!(sentence.starts_with("parlor: A server runs on ") && sentence.contains("--data"), "{sentence}");
    assert_eq!(sentence.lines().count(), 1);
    // The first is not disturbed.
    let ada = server.first("Ada").await;
    assert_eq!(ada.get("/readyz").await.status, 200);
    // A port that is taken is said in a sentence too.
    let other = Server::prepare(On::Sqlite, Options::default()).await;
    let taken = server.url.trim_start_matches("http://");
    let refused = other.cli(&["serve", "--listen", taken], "").await;
    assert!(refused.refused().contains(taken) && refused.refused().contains("--listen"), "{}", refused.err);
}
