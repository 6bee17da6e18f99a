//! Direct talks of two people, and who is here and writes.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::reading::line;
use crate::support::person::text;
use crate::support::{On, Person, Server, Stream, on_both};

async fn talks_to(person: &Person, other: &Person) -> Value {
    person.call(Method::POST, &format!("/api/people/{}/talk", other.id), Some(json!({}))).await.ok()
}

/// The ids in a list of a room's `people` frame, as names.
fn names(tab: &Stream, room: &str, list: &str, people: &[&Person]) -> Vec<String> {
    let ids: Vec<String> = tab.people.get(room).map_or_else(Vec::new, |frame| frame[list].as_array().unwrap().iter().map(text).collect());
    people.iter().filter(|person| ids.contains(&person.id)).map(|person| person.name.clone()).collect()
}

/// A page's stream of a room, with its people.
async fn page_of(person: &Person, room: &str) -> Stream {
    let cursor = person.cursor(room).await;
    person.stream(&format!("/live?people=1&at={cursor}")).await
}

on_both! {
    async fn two_people_have_one_talk_whoever_asks_and_however_often_at_once(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        for round in 0..4 {
            let bob = server.person(&format!("Bob {round}")).await;
            let asked = join_all((0..12).map(|n| {
                let (one, other) = if n % 2 == 0 { (&ada, &bob) } else { (&bob, &ada) };
                async move { one.call(Method::POST, &format!("/api/people/{}/talk", other.id), Some(json!({}))).await }
            }))
            .await;
            let rooms: BTreeSet<String> = asked.iter().map(|page| text(&page.ok()["id"])).collect();
            assert_eq!(rooms.len(), 1, "{rooms:?}");
            assert_eq!(asked.iter().filter(|page| page.status == 201).count(), 1, "one of them made it");
            let sql = format!("SELECT COUNT(*) FROM members WHERE room_id = '{}'", rooms.first().unwrap());
            assert_eq!(server.database.rows(&sql).await[0][0].as_deref(), Some("2"));
        }
        server.database.holds().await;
    }

    async fn a_talk_is_between_two_and_stays_so(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let (bob, carol) = (server.person("Bob").await, server.person("Carol").await);
        let talk = talks_to(&bob, &ada).await;
        let room = text(&talk["id"]);
        assert_eq!((&talk["name"], &talk["kind"], &talk["private"]), (&json!("Ada"), &json!("direct"), &json!(true)));
        assert_eq!(ada.room(&room).await["name"], "Bob");
        assert_eq!((&line(&ada, &room).await["name"], &line(&bob, &room).await["name"]), (&json!("Bob"), &json!("Ada")));
        assert!(ada.get(&format!("/rooms/{room}")).await.body.contains("Bob"));
        // By form it is the same one.
        let page = ada.post(&format!("/people/{}/talk", bob.id), &[]).await;
        assert_eq!((page.status, page.header("location")), (303, &*format!("/rooms/{room}")));
        // Nobody changes it, comes in, or finds it.
        for person in [&ada, &bob] {
            let renamed = person.call(Method::PATCH, &format!("/api/rooms/{room}"), Some(json!({ "name": "Ours", "private": false }))).await;
            assert_eq!(renamed.status, 403, "{}", renamed.body);
            let added = person.call(Method::POST, &format!("/api/rooms/{room}/members"), Some(json!({ "name": "Carol" }))).await;
            assert_eq!(added.status, 403, "{}", added.body);
        }
        assert_eq!(ada.call(Method::DELETE, &format!("/api/rooms/{room}/members/{}", bob.id), None).await.status, 403);
        // An administrator, who may invite into any other room, invites nobody into this one.
        let invited = ada.call(Method::POST, &format!("/api/rooms/{room}/commands"), Some(json!({ "text": "/invite" }))).await;
        assert_eq!(invited.status, 403, "{}", invited.body);
        assert_eq!(carol.call(Method::POST, &format!("/api/rooms/{room}/members"), Some(json!({}))).await.status, 404);
        assert_eq!(carol.call(Method::GET, &format!("/api/rooms/{room}"), None).await.status, 404);
        // Nor does who runs the server put anybody there.
        let add = ["assistant", "add", "Echo", "--provider", "scripted", "--model", "echo", "--room"];
        let refused = server.cli(&[add.as_slice(), &[room.as_str()]].concat(), "").await;
        assert!(refused.refused().contains("A direct talk is between two people"), "{}", refused.err);
        let refused = server.cli(&["invite", "--room", &room], "").await;
        assert!(refused.refused().contains("A direct talk is between two people"), "{}", refused.err);
        assert_eq!(ada.room(&room).await["assistants"], json!([]));
        let other = ada.makes_room("Kitchen").await;
        server.cli(&[add.as_slice(), &[other.as_str()]].concat(), "").await.ok();
        let with_oneself = ada.call(Method::POST, &format!("/api/people/{}/talk", ada.id), Some(json!({}))).await;
        assert_eq!((with_oneself.status, with_oneself.code()), (422, "oneself".to_owned()));
        let nobody = ada.call(Method::POST, &format!("/api/people/{}/talk", crate::support::new_id()), Some(json!({}))).await;
        assert_eq!(nobody.status, 404);
        server.database.holds().await;
    }

    async fn who_leaves_a_talk_sees_it_again_when_something_is_said(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let bob = server.person("Bob").await;
        let room = text(&talks_to(&ada, &bob).await["id"]);
        ada.says(&room, "Hello").await;
        let mut list = bob.stream("/live?rooms=1").await;
        list.lists("the talk", &room, |line| line["unread"] == 1 && line["name"] == "Ada" && line["kind"] == "direct").await;
        bob.leaves(&room).await;
        list.until("it has gone", |tab| !tab.list.contains_key(&room)).await;
        assert_eq!(line(&bob, &room).await, Value::Null);
        assert_eq!(line(&ada, &room).await["name"], "Bob", "she still sees with whom it was");
        // What was said before he left he knows.
        ada.says(&room, "Are you there?").await;
        list.lists("the talk again", &room, |line| line["unread"] == 1).await;
        // Who leaves and asks for it has it again, with nothing to read.
        bob.leaves(&room).await;
        assert_eq!(talks_to(&bob, &ada).await["id"], json!(room));
        assert_eq!(line(&bob, &room).await["unread"], 0);
        ada.leaves(&room).await;
        bob.leaves(&room).await;
        assert_eq!(talks_to(&bob, &ada).await["id"], json!(room));
        server.database.holds().await;
    }

    async fn two_people_see_that_the_other_is_here_and_writes(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let bob = server.person("Bob").await;
        let (room, other) = (ada.makes_room("Kitchen").await, ada.makes_room("Hall").await);
        bob.joins(&room).await;
        bob.joins(&other).await;
        let people = [&ada, &bob];
        // A program that follows the room is not here.
        let mut program = bob.live(&room).await;
        program.catches_up().await;
        let mut hers = page_of(&ada, &room).await;
        hers.until("Ada alone", |tab| names(tab, &room, "here", &people) == ["Ada"] && tab.people[&room]["count"] == 1).await;
        let mut his = page_of(&bob, &room).await;
        hers.until("both", |tab| names(tab, &room, "here", &people) == ["Ada", "Bob"]).await;
        his.until("both", |tab| names(tab, &room, "here", &people) == ["Ada", "Bob"]).await;
        // A second page of his changes nothing, and knows all the same.
        let mut second = page_of(&bob, &room).await;
        second.until("both", |tab| tab.people.get(&room).is_some_and(|frame| frame["count"] == 2)).await;
        drop(second);
        for _ in 0..5 {
            assert_eq!(bob.call(Method::POST, &format!("/api/rooms/{room}/typing"), None).await.status, 204);
        }
        hers.until("Bob writes", |tab| names(tab, &room, "typing", &people) == ["Bob"]).await;
        // A post ends it.
        bob.says(&room, "There").await;
        hers.until("Bob has written", |tab| tab.people[&room]["typing"] == json!([])).await;
        assert_eq!(names(&hers, &room, "here", &people), ["Ada", "Bob"]);
        // So does time.
        assert_eq!(bob.call(Method::POST, &format!("/api/rooms/{room}/typing"), None).await.status, 204);
        hers.until("Bob writes", |tab| names(tab, &room, "typing", &people) == ["Bob"]).await;
        hers.until("nobody writes", |tab| tab.people[&room]["typing"] == json!([])).await;
        // Who goes is gone; who is removed is gone, and hears of nobody.
        drop(his);
        hers.until("Ada alone", |tab| names(tab, &room, "here", &people) == ["Ada"]).await;
        let cursors = (bob.cursor(&room).await, bob.cursor(&other).await);
        let mut his = bob.stream(&format!("/live?people=1&at={}&at={}", cursors.0, cursors.1)).await;
        his.until("both rooms", |tab| tab.people.contains_key(&room) && tab.people.contains_key(&other)).await;
        hers.until("both", |tab| names(tab, &room, "here", &people) == ["Ada", "Bob"]).await;
        ada.removes(&room, &bob).await;
        hers.until("Ada alone", |tab| names(tab, &room, "here", &people) == ["Ada"]).await;
        assert_eq!(ada.call(Method::POST, &format!("/api/rooms/{room}/typing"), None).await.status, 204);
        hers.until("Ada writes", |tab| names(tab, &room, "typing", &people) == ["Ada"]).await;
        // The guard: what he hears of the other room comes after all that.
        assert_eq!(bob.call(Method::POST, &format!("/api/rooms/{other}/typing"), None).await.status, 204);
        his.until("himself", |tab| names(tab, &other, "typing", &people) == ["Bob"]).await;
        assert_eq!(names(&his, &room, "typing", &people), Vec::<String>::new());
        // What is told is told to all in one frame, and seldom.
        let frames = hers.frames.iter().filter(|frame| frame.event == "people").count();
        assert!(frames <= 20, "{frames} frames");
    }
}
