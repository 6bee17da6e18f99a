//! How answers end that do not end well, and connections that never were.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::timeout;

use super::{LIMITS, STOP, chunk, complete, config, hear, hear_from, provider, question};
use crate::reply::provider::{Chunk, Limits, Provider, ProviderError};
use crate::reply::providers::fake_server::{FakeServer, Response};
use crate::reply::providers::heard::Heard;
use crate::reply::providers::openai::{OpenAi, OpenAiConfig};

/// Long enough for a busy machine to get a few bytes across.
const SHORT: Duration = Duration::from_millis(250);

#[tokio::test]
async fn an_answer_without_an_end_is_cut_off_and_keeps_its_text() {
    let cut_off = || Heard { text: "Hi".to_owned(), outcome: Some(Err(ProviderError::CutOff { after_text: true })), ..Heard::default() };
    assert_eq!(hear_from(Response::events(chunk("Hi"))).await, cut_off());
    assert_eq!(hear_from(Response::events(chunk("Hi")).then_break()).await, cut_off());
    // Cut in the middle of an event, which is discarded.
    assert_eq!(
        hear_from(Response::events(chunk("Hi") + &chunk("there")).truncated_to(chunk("Hi").len() + 20).then_break()).await,
        cut_off()
    );
    assert_eq!(hear_from(Response::events("")).await.error(), ProviderError::CutOff { after_text: false });
    assert_eq!(hear_from(Response::json("200 OK", "")).await.error(), ProviderError::CutOff { after_text: false });
    assert_eq!(
        hear_from(Response::json("200 OK", "{\"choices\":").then_break()).await.error(),
        ProviderError::CutOff { after_text: false }
    );
}

#[tokio::test]
async fn a_finish_is_an_end_without_done() {
    assert_eq!(hear_from(Response::events(chunk("Hi") + STOP)).await, complete("Hi"));
    assert_eq!(hear_from(Response::events(chunk("Hi") + STOP).then_break()).await, complete("Hi"));
}

#[tokio::test]
async fn done_ends_although_the_server_stays() {
    let server = FakeServer::answering([Response::events(chunk("Hi") + "data: [DONE]\n\n").then_hang()]);
    assert_eq!(hear(&server).await, complete("Hi"));
}

/// Asks with changed limits.
async fn hear_with(limits: Limits, response: Response) -> Heard {
    let server = FakeServer::answering([response]);
    let provider = OpenAi::new(OpenAiConfig { limits, ..config(&server.base_url()) }).unwrap();
    Heard::all_of(provider.stream(question())).await
}

#[tokio::test]
async fn silence_is_an_error_before_the_answer_and_in_it() {
    let limits = Limits { silence: SHORT, ..LIMITS };
    let silent = || Some(Err(ProviderError::Silent { limit: SHORT }));
    assert_eq!(hear_with(limits, Response::silence()).await.outcome, silent());
    assert_eq!(hear_with(limits, Response::json("200 OK", "{").then_hang()).await.outcome, silent());
    let heard = hear_with(limits, Response::events(chunk("Hi")).then_hang()).await;
    assert_eq!((heard.text.as_str(), heard.outcome), ("Hi", silent()));
}

#[tokio::test]
async fn the_whole_time_is_limited() {
    let heard = hear_with(Limits { total: SHORT, ..LIMITS }, Response::events(chunk("Hi")).then_hang()).await;
    assert_eq!((heard.text.as_str(), heard.outcome), ("Hi", Some(Err(ProviderError::TookTooLong { limit: SHORT }))));
}

#[tokio::test]
async fn events_and_replies_are_limited() {
    let heard = hear_with(Limits { event_bytes: 200, ..LIMITS }, Response::events(chunk("Hi") + &chunk(&"x".repeat(200)))).await;
    assert_eq!((heard.text.as_str(), heard.outcome), ("Hi", Some(Err(ProviderError::EventTooLarge { limit: 200 }))));

    let limits = Limits { reply_bytes: 200, event_bytes: 400, ..LIMITS };
    let too_large = || Some(Err(ProviderError::ReplyTooLarge { limit: 200 }));
    let heard = hear_with(limits, Response::events(chunk(&"x".repeat(150)) + &chunk(&"y".repeat(51)))).await;
    assert_eq!((heard.text.len(), heard.outcome), (150, too_large()));
    assert_eq!(hear_with(limits, Response::json("200 OK", "x".repeat(601))).await.outcome, too_large());
}

#[tokio::test]
async fn stopping_closes_the_connection_at_once() {
    let mut server = FakeServer::answering([Response::events(chunk("Hi")).then_hang(), Response::silence()]);
    let provider = provider(&server);

    // In the middle of an answer.
    let mut stream = provider.stream(question());
    assert_eq!(stream.next().await, Some(Ok(Chunk::Answer("Hi".to_owned()))));
    drop(stream);
    timeout(Duration::from_millis(300), server.client_left()).await.expect("the connection closes");

    // While the server says nothing yet.
    let mut stream = provider.stream(question());
    assert!(timeout(SHORT, stream.next()).await.is_err());
    drop(stream);
    timeout(Duration::from_millis(300), server.client_left()).await.expect("the connection closes");
}

#[tokio::test]
async fn where_nothing_listens_the_address_is_named_without_its_secrets() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let provider = OpenAi::new(config(&format!("http://{free}/v1?key=SECRET"))).unwrap();
    let error = Heard::all_of(provider.stream(question())).await.error();
    assert_eq!(error, ProviderError::Unreachable { server: format!("http://{free}"), why: "nothing listens there" });
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_told_apart_from_one_that_never_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let limits = Limits { connect: SHORT, ..LIMITS };
    let ask = async |listener: &TcpListener| {
        let base_url = format!("https://{}/v1", listener.local_addr().unwrap());
        let provider = OpenAi::new(OpenAiConfig { limits, ..config(&base_url) }).unwrap();
        match Heard::all_of(provider.stream(question())).await.error() {
            ProviderError::Unreachable { why, .. } => why,
            other => panic!("unexpected {other:?}"),
        }
    };
    assert_eq!(ask(&silent).await, "it did not accept a connection in time");

    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let answering = plain.try_clone().unwrap();
    std::thread::spawn(move || {
        let Ok((mut connection, _)) = answering.accept() else { return };
        let _ = connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = connection.read_to_end(&mut Vec::new());
    });
    assert_eq!(ask(&plain).await, "its TLS certificate or protocol was not accepted");
}

#[tokio::test]
async fn a_connection_that_breaks_before_an_answer_is_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || drop(listener.accept()));
    let provider = OpenAi::new(config(&format!("http://{address}/v1"))).unwrap();
    let error = Heard::all_of(provider.stream(question())).await.error();
    assert_eq!(
        error,
        ProviderError::Unreachable { server: format!("http://{address}"), why: "the connection broke before an answer began" }
    );
}
