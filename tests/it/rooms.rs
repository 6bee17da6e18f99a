//! Rooms: open and private ones, who is in them, and what everybody else learns of them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{On, Page, Person, Server, new_id, on_both};

/// A page without the request's own id, which is in every error page.
fn body(page: &Page) -> String {
    match page.body.split_once("request <code>") {
        Some((before, after)) => format!("{before}{}", after.split_once("</code>").unwrap().1),
        None => page.body.clone(),
    }
}

/// Every address of a room, with what is sent there.
fn calls(room: &str, message: &str, person: &str, assistant: &str) -> Vec<(Method, String, Option<Value>)> {
    let call = |method: Method, path: &str, body: Option<Value>| (method, format!("/api/rooms/{room}{path}"), body);
    let of_message = format!("/messages/{message}");
    vec![
        call(Method::GET, "", None),
        call(Method::PATCH, "", Some(json!({ "name": "Mine" }))),
        call(Method::GET, "/messages", None),
        call(Method::GET, &format!("/messages?around={message}"), None),
        call(Method::POST, "/messages", Some(json!({ "text": "hello" }))),
        call(Method::POST, "/messages", Some(json!({ "text": "hello", "reply_to": message }))),
        call(Method::POST, "/messages", Some(json!({ "id": message, "text": "hello" }))),
        call(Method::GET, &of_message, None),
        call(Method::PATCH, &of_message, Some(json!({ "text": "mine" }))),
        call(Method::DELETE, &of_message, None),
        call(Method::POST, &format!("{of_message}/stop"), Some(json!({}))),
        call(Method::POST, &format!("{of_message}/retry"), Some(json!({}))),
        call(Method::POST, &format!("{of_message}/continue"), Some(json!({}))),
        call(Method::GET, "/members", None),
        call(Method::POST, "/members", Some(json!({ "name": "Bob" }))),
        call(Method::POST, "/members", Some(json!({ "name": "Nobody Known" }))),
        call(Method::DELETE, &format!("/members/{person}"), None),
        call(Method::PATCH, &format!("/assistants/{assistant}"), Some(json!({ "speaks": "always" }))),
        call(Method::DELETE, &format!("/assistants/{assistant}"), None),
        call(Method::GET, "/live", None),
        (Method::GET, format!("/rooms/{room}/live"), None),
    ]
}

/// A page or a form: its method, address and fields.
type Form = (Method, String, Vec<(&'static str, String)>);

fn forms(room: &str, message: &str, person: &str, assistant: &str) -> Vec<Form> {
    let page = |path: &str| (Method::GET, format!("/rooms/{room}{path}"), vec![]);
    let form = |path: &str, fields: &[(&'static str, &str)]| {
        (Method::POST, format!("/rooms/{room}{path}"), fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
    };
    let of_message = format!("/messages/{message}");
    vec![
        page(""),
        page("?before=5"),
        page(&format!("?around={message}")),
        page("/settings"),
        page(&of_message),
        form("/leave", &[]),
        form("/settings", &[("name", "Mine"), ("topic", "")]),
        form("/members", &[("name", "Bob")]),
        form(&format!("/members/{person}/remove"), &[]),
        form("/assistants", &[("assistant", assistant), ("speaks", "always")]),
        form(&format!("/assistants/{assistant}/remove"), &[]),
        form(&format!("{of_message}/edit"), &[("text", "mine")]),
        form(&format!("{of_message}/delete"), &[]),
        form(&format!("{of_message}/stop"), &[]),
        form(&format!("{of_message}/retry"), &[]),
        form(&format!("{of_message}/continue"), &[]),
    ]
}

async fn answer_to_form(person: &Person, method: &Method, path: &str, fields: &[(&'static str, String)]) -> Page {
    match *method {
        Method::GET => person.get(path).await,
        _ => person.post(path, &fields.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>()).await,
    }
}

on_both! {
    async fn a_room_that_one_is_not_in_is_like_one_that_is_not_there(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let bob = server.person("Bob").await;
        let (open, private) = (ada.makes_room("Open Kitchen").await, ada.makes_private_room("Secret Kitchen").await);
        let missing = new_id();
        server.assistant("Echo", &private, "mention").await;
        let assistant = crate::support::person::text(&ada.room(&private).await["assistants"][0]["id"]);
        for room in [&private, &open] {
            let message = ada.says(room, "a word among members").await;
            let before = ada.room(room).await;
            let pairs = calls(room, &message, &ada.id, &assistant).into_iter().zip(calls(&missing, &message, &ada.id, &assistant));
            for ((method, path, sent), (_, nowhere, _)) in pairs {
                let (hidden, gone) = (bob.call(method.clone(), &path, sent.clone()).await, bob.call(method.clone(), &nowhere, sent).await);
                assert_eq!((hidden.status, gone.status), (404, 404), "{method} {path}: {}", hidden.body);
                assert_eq!(hidden.body, gone.body, "{method} {path}");
            }
            let pairs = forms(room, &message, &ada.id, &assistant).into_iter().zip(forms(&missing, &message, &ada.id, &assistant));
            for ((method, path, fields), (_, nowhere, _)) in pairs {
                let (hidden, gone) = (answer_to_form(&bob, &method, &path, &fields).await, answer_to_form(&bob, &method, &nowhere, &fields).await);
                assert_eq!((hidden.status, gone.status), (404, 404), "{method} {path}: {}", hidden.body);
                assert_eq!(body(&hidden), body(&gone), "{method} {path}");
            }
            // A post by form: also with the text given back.
            let words = [("id", new_id()), ("text", "typed <words>".to_owned()), ("as", bob.id.clone())];
            let hidden = answer_to_form(&bob, &Method::POST, &format!("/rooms/{room}/messages"), &words).await;
            let gone = answer_to_form(&bob, &Method::POST, &format!("/rooms/{missing}/messages"), &words).await;
            assert_eq!((hidden.status, body(&hidden)), (404, body(&gone)));
            assert!(hidden.body.contains("typed &#60;words&#62;"), "what was typed is not lost");
            let after = ada.room(room).await;
            assert_eq!(before, after, "nothing of it did anything");
        }
        // A message is only ever found through its own room.
        let hers = ada.says(&private, "found here alone").await;
        bob.joins(&open).await;
        for person in [&ada, &bob] {
            let elsewhere = person.call(Method::GET, &format!("/api/rooms/{open}/messages/{hers}"), None).await;
            assert_eq!((elsewhere.status, elsewhere.code().as_str()), (404, "not_found"));
        }
        // Joining: an open room can be joined, a private one is not there.
        let hidden = bob.call(Method::POST, &format!("/api/rooms/{private}/members"), Some(json!({}))).await;
        let gone = bob.call(Method::POST, &format!("/api/rooms/{missing}/members"), Some(json!({}))).await;
        assert_eq!((hidden.status, &hidden.body), (404, &gone.body));
        let (hidden, gone) = (bob.post(&format!("/rooms/{private}/join"), &[]).await, bob.post(&format!("/rooms/{missing}/join"), &[]).await);
        assert_eq!((hidden.status, body(&hidden)), (404, body(&gone)));
    }

    async fn open_rooms_show_name_and_topic_to_everyone(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let bob = server.person("Bob").await;
        let made = ada.post("/rooms", &[("name", "  Open   Kitchen "), ("topic", "What we <cook>")]).await;
        assert_eq!(made.status, 303);
        let open = made.header("location").trim_start_matches("/rooms/").to_owned();
        ada.post("/rooms", &[("name", "Secret Kitchen"), ("private", "on")]).await;
        let page = bob.get("/rooms").await.body;
        assert!(page.contains("Open Kitchen") && page.contains("What we &#60;cook&#62;") && !page.contains("Secret Kitchen"), "{page}");
        let rooms = bob.call(Method::GET, "/api/rooms", None).await.ok();
        let seen = rooms["rooms"].as_array().unwrap().iter().find(|room| room["id"] == open.as_str()).unwrap();
        assert_eq!(seen, &json!({ "id": open, "name": "Open Kitchen", "topic": "What we <cook>", "private": false, "member": false }));
        assert!(!rooms.to_string().contains("Secret"));
        // Join, see, leave, see no more.
        assert_eq!(bob.post(&format!("/rooms/{open}/join"), &[]).await.header("location"), format!("/rooms/{open}"));
        assert_eq!(bob.get(&format!("/rooms/{open}")).await.status, 200);
        assert_eq!(bob.post(&format!("/rooms/{open}/join"), &[]).await.status, 303, "twice is once");
        let hers = ada.call(Method::GET, "/api/rooms", None).await.ok();
        assert_eq!(hers["rooms"].as_array().unwrap().iter().find(|room| room["id"] == open.as_str()).unwrap()["role"], "owner");
        bob.leaves(&open).await;
        assert_eq!(bob.get(&format!("/rooms/{open}")).await.status, 404);
        server.database.holds().await;
    }

    async fn owners_manage_and_members_do_not(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let bob = server.person("Bob").await;
        let carol = server.person("Carol").await;
        let room = ada.makes_private_room("Attic").await;
        ada.adds(&room, &bob).await;
        assert_eq!(bob.room(&room).await["role"], "member");
        let path = format!("/api/rooms/{room}");
        let forbidden = [
            bob.call(Method::PATCH, &path, Some(json!({ "name": "Mine" }))).await,
            bob.call(Method::POST, &format!("{path}/members"), Some(json!({ "name": "Carol" }))).await,
            bob.call(Method::DELETE, &format!("{path}/members/{}", ada.id), None).await,
        ];
        for page in forbidden {
            assert_eq!((page.status, page.code().as_str()), (403, "forbidden"));
        }
        let form = bob.post(&format!("/rooms/{room}/settings"), &[("name", "Mine")]).await;
        assert!(form.status == 403 && form.body.contains("Only an owner"), "{} {}", form.status, form.body);
        // Names are found however they are written; unknown ones are said.
        ada.call(Method::POST, &format!("{path}/members"), Some(json!({ "name": " cAROL " }))).await.ok();
        let unknown = ada.call(Method::POST, &format!("{path}/members"), Some(json!({ "name": "Dave" }))).await;
        assert_eq!((unknown.status, unknown.code().as_str()), (422, "nobody"));
        assert_eq!(carol.room(&room).await["members"].as_array().unwrap().len(), 3);
        let page = ada.post(&format!("/rooms/{room}/members/{}/remove", carol.id), &[]).await;
        assert_eq!(page.status, 303);
        assert_eq!(carol.call(Method::GET, &path, None).await.status, 404);
        let again = ada.call(Method::DELETE, &format!("{path}/members/{}", carol.id), None).await;
        assert_eq!(again.status, 404, "she is no member any more");
        // The only owner stays while others are there.
        let page = ada.call(Method::DELETE, &format!("{path}/members/{}", ada.id), None).await;
        assert_eq!((page.status, page.code().as_str()), (403, "forbidden"));
        bob.leaves(&room).await;
        ada.leaves(&room).await;
        server.database.holds().await;
    }

    async fn names_and_topics_have_rules(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let long = "x".repeat(65);
        let topic = "y".repeat(281);
        for (name, topic, code) in [("", "", "bad_name"), (" \t", "", "bad_name"), (long.as_str(), "", "bad_name"), ("a\u{202e}b", "", "bad_name"), ("ok", topic.as_str(), "bad_topic"), ("ok", "a\u{200b}", "bad_topic")] {
            let page = ada.call(Method::POST, "/api/rooms", Some(json!({ "name": name, "topic": topic }))).await;
            assert_eq!((page.status, page.code().as_str()), (422, code), "{name:?}");
            let form = ada.post("/rooms", &[("name", name), ("topic", topic)]).await;
            assert_eq!(form.status, 422);
        }
        let room = ada.call(Method::POST, "/api/rooms", Some(json!({ "name": "Ｋitchen", "topic": "two\nlines" }))).await.ok();
        assert_eq!((&room["name"], &room["topic"]), (&json!("Kitchen"), &json!("two lines")));
        let id = crate::support::person::text(&room["id"]);
        let same = ada.makes_room("Kitchen").await;
        assert_ne!(id, same, "rooms may share a name");
        let changed = ada.call(Method::PATCH, &format!("/api/rooms/{id}"), Some(json!({ "private": true }))).await.ok();
        assert_eq!((&changed["private"], &changed["name"]), (&json!(true), &json!("Kitchen")), "what is not named stays");
        server.database.holds().await;
    }

    async fn the_first_room_has_the_assistant_inside(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let rooms = ada.call(Method::GET, "/api/rooms", None).await.ok();
        let [room] = rooms["rooms"].as_array().unwrap().as_slice() else { panic!("{rooms}") };
        assert_eq!((&room["name"], &room["role"], &room["private"]), (&json!("Living room"), &json!("owner"), &json!(false)));
        let id = crate::support::person::text(&room["id"]);
        let assistants = &ada.room(&id).await["assistants"];
        assert_eq!((&assistants[0]["provider"], &assistants[0]["speaks"]), (&json!("builtin"), &json!("always")));
        // Without a model in the folder it says what to do.
        let mut tab = ada.live(&id).await;
        let question = ada.says(&id, "Hello?").await;
        let reply = tab.sees_reply_to(&question).await;
        let row = tab.sees_state(&reply, "failed").await;
        assert!(row.json["why"].as_str().unwrap().contains("parlor model add"), "{}", row.json["why"]);
        // Its owner decides when it speaks.
        let assistant = crate::support::person::text(&assistants[0]["id"]);
        let page = ada.post(&format!("/rooms/{id}/assistants"), &[("assistant", &assistant), ("speaks", "mention")]).await;
        assert_eq!(page.status, 303);
        assert_eq!(ada.room(&id).await["assistants"][0]["speaks"], "mention");
        let page = ada.post(&format!("/rooms/{id}/assistants/{assistant}/remove"), &[]).await;
        assert_eq!(page.status, 303);
        assert_eq!(ada.room(&id).await["assistants"], json!([]));
        server.database.holds().await;
    }
}
