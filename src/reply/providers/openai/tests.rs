//! The provider over real connections: bytes of real servers, and what goes wrong between two machines.

use std::time::Duration;

use serde_json::json;

use super::{Continuation, Limits, OpenAi, OpenAiConfig, Prompt, Provider, ProviderError, Secret};
use crate::reply::provider::{Finish, Role, ServerText, Turn};
use crate::reply::providers::fake_server::{FakeServer, Response};
use crate::reply::providers::heard::Heard;

mod endings;
mod real_servers;
mod refusals;

const KEY: &str = "sk-test-0123456789";

/// So long that only something broken meets them, except for waiting, which tests do meet.
const LIMITS: Limits = Limits {
    event_bytes: 1024 * 1024,
    reply_bytes: 1024 * 1024,
    connect: Duration::from_secs(10),
    silence: Duration::from_secs(20),
    after_finish: Duration::from_secs(20),
    total: Duration::from_secs(30),
    tries: 3,
    first_wait: Duration::from_millis(5),
    waiting: Duration::from_secs(1),
};

fn config(base_url: &str) -> OpenAiConfig {
    OpenAiConfig {
        base_url: base_url.to_owned(),
        api_key: Some(Secret::new(KEY)),
        headers: Vec::new(),
        model: "some-model".to_owned(),
        continuation: Continuation::default(),
        limits: LIMITS,
    }
}

fn provider(server: &FakeServer) -> OpenAi {
    OpenAi::new(config(&server.base_url())).expect("good settings")
}

fn question() -> Prompt {
    Prompt { turns: vec![Turn { role: Role::User, text: "Hello?".to_owned() }], ..Prompt::default() }
}

/// Asks once.
async fn hear(server: &FakeServer) -> Heard {
    Heard::all_of(provider(server).stream(question())).await
}

/// What one response leads to.
async fn hear_from(response: Response) -> Heard {
    hear(&FakeServer::answering([response])).await
}

fn complete(text: &str) -> Heard {
    Heard { text: text.to_owned(), outcome: Some(Ok(Finish::Stop)), ..Heard::default() }
}

fn said(text: &str) -> ServerText {
    ServerText::new(text, str::to_owned)
}

fn chunk(content: &str) -> String {
    format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": content}}]}))
}

const STOP: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

#[tokio::test]
async fn the_request_is_what_every_server_expects() {
    let server = FakeServer::answering([Response::events(STOP)]);
    let headers = vec![("X-Title".to_owned(), Secret::new("Parlor"))];
    let provider = OpenAi::new(OpenAiConfig { headers, ..config(&format!("{}/", server.base_url())) }).unwrap();
    assert_eq!(Heard::all_of(provider.stream(question())).await, complete(""));

    let asked = server.asked().remove(0);
    assert!(asked.head.starts_with("POST /v1/chat/completions HTTP/1.1\n"), "{}", asked.head);
    for line in ["authorization: Bearer sk-test-0123456789", "x-title: Parlor", "content-type: application/json"] {
        assert!(asked.head.lines().any(|header| header == line), "{line} is missing from\n{}", asked.head);
    }
    assert_eq!(
        asked.body,
        json!({
            "model": "some-model", "messages": [{"role": "user", "content": "Hello?"}], "stream": true, "stream_options": {"include_usage": true},
        })
    );
    assert_eq!(provider.label(), format!("some-model at {}", server.origin()));
    assert!(!format!("{provider:?}").contains(KEY));
}

#[tokio::test]
async fn a_key_is_optional() {
    let server = FakeServer::answering([Response::events(STOP)]);
    let provider = OpenAi::new(OpenAiConfig { api_key: None, ..config(&server.base_url()) }).unwrap();
    Heard::all_of(provider.stream(question())).await;
    assert!(!server.asked()[0].head.contains("authorization"));
}

#[test]
fn the_address_may_be_written_in_several_ways() {
    for (base_url, asked) in [
        ("https://api.example.org/v1", "https://api.example.org/v1/chat/completions"),
        (" https://api.example.org/v1// ", "https://api.example.org/v1/chat/completions"),
        ("https://api.example.org/v1/chat/completions", "https://api.example.org/v1/chat/completions"),
        ("http://localhost:8080", "http://localhost:8080/chat/completions"),
        ("https://example.org/openai/v1?api-version=3#x", "https://example.org/openai/v1/chat/completions?api-version=3"),
    ] {
        assert_eq!(super::completions_url(base_url).unwrap().as_str(), asked);
    }
}

#[test]
fn settings_that_cannot_work_are_refused_without_quoting_them() {
    let with_key = |key: &str| OpenAiConfig { api_key: Some(Secret::new(key)), ..config("http://localhost/v1") };
    let with_header =
        |name: &str, value: &str| OpenAiConfig { headers: vec![(name.to_owned(), Secret::new(value))], ..config("http://localhost/v1") };
    for bad in [
        config("localhost:8080/v1"),
        config("not a url SECRET"),
        config("ftp://example.org/SECRET"),
        config("https://SECRET:SECRET@example.org/v1"),
        with_key("SECRET\nX"),
        with_header("a b", "SECRET"),
        with_header("x-key", "SECRET\0"),
    ] {
        let error = OpenAi::new(bad).expect_err("bad settings");
        assert!(matches!(error, ProviderError::Misconfigured(_)), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("SECRET"), "{error:?}");
    }
}

#[tokio::test]
async fn nothing_is_asked_before_the_stream_is_polled() {
    let server = FakeServer::answering([Response::events(STOP)]);
    drop(provider(&server).stream(question()));
    tokio::task::yield_now().await;
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn a_field_that_the_server_does_not_know_is_left_out_from_then_on() {
    let objection = Response::json("400 Bad Request", r#"{"error":{"message":"Unrecognized request argument supplied: stream_options"}}"#);
    let answer = || Response::events(format!("{}{STOP}", chunk("Hi")));
    let server = FakeServer::answering([objection, answer(), answer()]);
    let provider = provider(&server);
    assert_eq!(Heard::all_of(provider.stream(question())).await, complete("Hi"));
    assert_eq!(Heard::all_of(provider.stream(question())).await, complete("Hi"));
    let sent: Vec<bool> = server.asked().iter().map(|asked| asked.body.get("stream_options").is_some()).collect();
    assert_eq!(sent, [true, false, false]);
}

#[tokio::test]
async fn a_server_that_objects_for_ever_is_not_asked_for_ever() {
    let objection = Response::json("400 Bad Request", r#"{"error":"Unsupported: stream_options max_completion_tokens temperature"}"#);
    let server = FakeServer::answering(vec![objection; 10]);
    let error = hear(&server).await.error();
    assert!(matches!(error, ProviderError::Refused { status: 400, .. }), "{error:?}");
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test]
async fn a_missing_v1_is_pointed_out() {
    let server = FakeServer::answering([Response::new("404 Not Found", "text/plain", "404 page not found")]);
    let provider = OpenAi::new(config(&server.origin())).unwrap();
    let message = Heard::all_of(provider.stream(question())).await.error().to_string();
    assert!(message.contains(&format!("try {}/v1.", server.origin())), "{message}");
}
