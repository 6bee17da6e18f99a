//! The API for programs, the check of streaming, and what watches over the server.

use futures_util::future::join_all;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::person::text;
use crate::support::{On, PATIENCE, Person, Server, on_both};

on_both! {
    async fn a_program_does_by_token_what_a_person_does(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let bob = server.person("Bob").await;
        let program = server.program("Ada").await;
        let call = async |method: Method, path: &str, body: Value| program.call(method, path, Some(body)).await;
        assert_eq!(program.call(Method::GET, "/api/me", None).await.ok(), json!({ "id": ada.id, "name": "Ada", "admin": true }));
        let made = call(Method::POST, "/api/rooms", json!({ "name": "Lab", "topic": "Tests", "private": true })).await;
        assert_eq!(made.status, 201);
        let room = text(&made.json()["id"]);
        assert_eq!(made.json()["cursor"], program.cursor(&room).await.as_str());
        let path = format!("/api/rooms/{room}");
        assert_eq!(call(Method::PATCH, &path, json!({ "topic": "More tests" })).await.ok()["topic"], "More tests");
        assert_eq!(call(Method::POST, &format!("{path}/members"), json!({ "name": "Bob" })).await.status, 201);
        let members = program.call(Method::GET, &format!("{path}/members"), None).await.ok();
        assert_eq!(members["members"].as_array().unwrap().len(), 2);
        let mut stream = program.live(&room).await;
        // Without an id the server makes one.
        let posted = call(Method::POST, &format!("{path}/messages"), json!({ "text": "From a program" })).await;
        assert_eq!(posted.status, 201);
        let id = text(&posted.json()["id"]);
        stream.sees("From a program").await;
        assert_eq!(bob.message(&room, &id).await["author"]["name"], "Ada");
        program.edits(&room, &id, "From a program, edited").await;
        stream.sees("From a program, edited").await;
        program.deletes(&room, &id).await;
        stream.sees_state(&id, "deleted").await;
        assert_eq!(program.call(Method::DELETE, &format!("{path}/members/{}", bob.id), None).await.status, 204);
        // Members by their id, as by their name.
        assert_eq!(call(Method::POST, &format!("{path}/members"), json!({ "id": bob.id })).await.status, 201);
        assert_eq!(bob.room(&room).await["role"], "member");
        // A token is no cookie: pages want a browser's session.
        assert_eq!(program.get("/rooms").await.status, 303);
        // A token that is wrong is never overlooked for the sake of a cookie.
        let both = ada.clone().with_header("authorization", "Bearer parlor_wrong");
        assert_eq!(both.call(Method::GET, "/api/me", None).await.status, 401);
        let odd = ada.clone().with_header("authorization", "Basic QTpC");
        assert_eq!(odd.call(Method::GET, "/api/me", None).await.status, 401);
        server.database.holds().await;
    }

    async fn errors_are_json_with_a_code_and_a_sentence(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let stranger = Person::stranger(&server.url);
        let page = stranger.call(Method::GET, "/api/me", None).await;
        assert_eq!(page.status, 401);
        assert_eq!(page.json(), json!({ "error": { "code": "sign_in", "message": "Sign in first, or send a token: “Authorization: Bearer …”." } }));
        let page = ada.call(Method::GET, "/api/nothing", None).await;
        assert_eq!((page.status, page.code().as_str(), page.header("content-type")), (404, "no_such_call", "application/json"));
        assert_eq!(page.header("x-request-id").len(), 32);
        // As a page for a browser.
        let page = ada.get("/nothing").await;
        assert_eq!(page.status, 404);
        assert!(page.body.contains(page.header("x-request-id")), "the request's id is on the page too");
        // An empty body counts as an empty object.
        let room = ada.makes_room("Kitchen").await;
        let page = ada.call(Method::POST, &format!("/api/rooms/{room}/members"), None).await;
        assert_eq!(page.status, 201, "{}", page.body);
    }

    async fn whoever_watches_learns_how_it_is(on: On) {
        let server = Server::start(on).await;
        let stranger = Person::stranger(&server.url);
        for (path, words) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
            let page = stranger.get(path).await;
            assert_eq!((page.status, page.body.as_str()), (200, words));
        }
        server.first("Ada").await;
        // Logs tell of requests, and not of what was in them.
        let ada = server.signs_in("Ada").await;
        let room = ada.makes_room("Kitchen").await;
        ada.says(&room, "unmistakable words").await;
        let log = server.log();
        assert!(log.contains("request.id=") && log.contains("http.status=201"), "{log}");
        assert!(!log.contains("unmistakable"));
        for (_, value) in ada.cookies() {
            assert!(!log.contains(&value));
        }
    }
}

/// Reads events until the body ends.
async fn events(mut response: Response, at_most: usize) -> (Vec<(String, String)>, usize) {
    let (mut text, mut pieces) = (String::new(), 0);
    while let Some(bytes) = timeout(PATIENCE, response.chunk()).await.expect("numbers come").unwrap() {
        text.push_str(std::str::from_utf8(&bytes).unwrap());
        pieces += 1;
        if text.matches("data: ").count() >= at_most {
            break;
        }
    }
    let events = text.split("\n\n").filter(|event| event.contains("data: "));
    let events = events.map(|event| {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
        (field("id: "), field("data: "))
    });
    (events.collect(), pieces)
}

async fn check(person: &Person, query: &str, last: &str) -> Response {
    let mut request = person.request(Method::GET, &format!("/web/StreamChat{query}"));
    if !last.is_empty() {
        request = request.header("last-event-id", last);
    }
    timeout(PATIENCE, request.send()).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_check_of_streaming_counts_for_everyone() {
    let server = Server::start(On::Sqlite).await;
    let stranger = Person::stranger(&server.url).with_header("origin", "https://elsewhere.example");
    let response = check(&stranger, "?n=20&every_ms=20", "").await;
    let header = |name: &str| response.headers().get(name).map_or(String::new(), |value| value.to_str().unwrap().to_owned());
    assert_eq!((response.status().as_u16(), header("content-type").as_str()), (200, "text/event-stream"));
    assert_eq!((header("access-control-allow-origin").as_str(), header("cache-control").as_str()), ("*", "no-store, no-transform"));
    let (numbers, pieces) = events(response, usize::MAX).await;
    let expected = |range: std::ops::RangeInclusive<u32>| range.map(|n| (n.to_string(), n.to_string())).collect::<Vec<_>>();
    assert_eq!(numbers, expected(1..=20));
    assert!(pieces >= 10, "one by one and not in lumps: {pieces} pieces");
    // A reconnect goes on, and after the last there is nothing more.
    let (numbers, _) = events(check(&stranger, "?n=20&every_ms=20", "15").await, usize::MAX).await;
    assert_eq!(numbers, expected(16..=20));
    for last in ["20", "500"] {
        let response = check(&stranger, "?n=20&every_ms=20", last).await;
        assert_eq!(response.status(), 204);
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
    }
    // A hundred unless something else is asked for; within bounds.
    let (numbers, _) = events(check(&stranger, "?every_ms=1", "").await, usize::MAX).await;
    assert_eq!(numbers.len(), 100);
    let page = Person::stranger(&server.url).get("/web/stream-chat").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("100"));
}

#[tokio::test]
async fn open_checks_are_capped() {
    let server = Server::start(On::Sqlite).await;
    let stranger = Person::stranger(&server.url);
    let mut open = join_all((0..8).map(|_| check(&stranger, "?every_ms=60000", ""))).await;
    assert!(open.iter().all(|response| response.status() == 200));
    let refused = check(&stranger, "", "").await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    drop(open.pop());
    crate::support::eventually("a closed one makes room", async || {
        (check(&stranger, "?every_ms=60000", "").await.status() == 200).then_some(())
    })
    .await;
}
