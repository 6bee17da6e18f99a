//! Servers that are busy, that refuse, or that are none.

use std::time::Duration;

use serde_json::json;

use super::{KEY, LIMITS, STOP, chunk, complete, config, hear, hear_from, question, said};
use crate::reply::provider::{Limits, Provider, ProviderError};
use crate::reply::providers::fake_server::{FakeServer, Response};
use crate::reply::providers::heard::Heard;
use crate::reply::providers::openai::{OpenAi, OpenAiConfig};

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let loading =
        Response::json("503 Service Unavailable", r#"{"error":{"message":"Loading model","type":"unavailable_error","code":503}}"#);
    let later = Response::recorded("litellm_mock.txt", Some("rate limit, stream")).header("retry-after", "0");
    let server = FakeServer::answering([loading, later, Response::events(format!("{}{STOP}", chunk("Hi")))]);
    assert_eq!(hear(&server).await, complete("Hi"));
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn a_server_that_stays_busy_is_left_alone_after_three_tries() {
    let server = FakeServer::answering(vec![Response::json("503 Service Unavailable", r#"{"error":{"message":"Loading model"}}"#); 5]);
    assert_eq!(hear(&server).await.error(), ProviderError::Busy { status: 503, said: said("Loading model"), retry_after: None });
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn a_server_that_asks_for_too_much_patience_is_told_on_at_once() {
    for wait in ["2", "18446744073709551615"] {
        let server = FakeServer::answering(vec![Response::json("429 Too Many Requests", "{}").header("retry-after", wait); 2]);
        let error = hear(&server).await.error();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(wait.parse().unwrap())));
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn all_waiting_together_is_bounded() {
    // 60 ms and then 240 ms would each fit into 250 ms, but not both.
    let limits = Limits { first_wait: Duration::from_millis(60), waiting: Duration::from_millis(250), ..LIMITS };
    let server = FakeServer::answering(vec![Response::json("503 Service Unavailable", "{}"); 3]);
    let provider = OpenAi::new(OpenAiConfig { limits, ..config(&server.base_url()) }).unwrap();
    Heard::all_of(provider.stream(question())).await.error();
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn no_other_failure_is_asked_twice() {
    let quota = r#"{"error":{"message":"You exceeded your current quota.","type":"insufficient_quota"}}"#;
    for response in [
        Response::json("500 Internal Server Error", "{}"),
        Response::json("401 Unauthorized", "{}"),
        Response::json("429 Too Many Requests", quota),
    ] {
        let server = FakeServer::answering([response.clone(), response]);
        hear(&server).await.error();
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_web_page_is_not_an_answer() {
    let page = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>";
    let failed = ProviderError::Failed { status: Some(502), said: said("502 Bad Gateway") };
    assert_eq!(hear_from(Response::new("502 Bad Gateway", "text/html", page)).await.error(), failed);
    let not_an_answer = ProviderError::NotAnAnswer { found: "a web page".to_owned() };
    assert_eq!(hear_from(Response::new("200 OK", "text/html; charset=utf-8", page)).await.error(), not_an_answer);
    let not_an_answer = ProviderError::NotAnAnswer { found: "application/x-ndjson".to_owned() };
    assert_eq!(hear_from(Response::new("200 OK", "application/x-ndjson", "{}\n")).await.error(), not_an_answer);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = FakeServer::answering([Response::events(STOP)]);
    let redirect =
        Response::new("307 Temporary Redirect", "text/plain", "").header("location", &format!("{}/chat/completions", elsewhere.base_url()));
    assert_eq!(hear_from(redirect).await.error(), ProviderError::Redirected { status: 307 });
    assert_eq!(elsewhere.asked().len(), 0);
}

#[tokio::test]
async fn a_key_that_the_server_quotes_is_hidden() {
    let body = json!({"error": {"message": format!("Incorrect API key provided: {KEY}."), "code": "invalid_api_key"}}).to_string();
    let in_stream = Response::events(format!("data: {body}\n\n"));
    for response in [Response::json("401 Unauthorized", &body), Response::new("500 Oh", "text/plain", format!("Bearer {KEY}")), in_stream] {
        let error = hear_from(response).await.error();
        assert!(!format!("{error} {error:?}").contains("0123456789"), "{error}");
        assert!(error.to_string().contains("[hidden]"), "{error}");
    }
}
