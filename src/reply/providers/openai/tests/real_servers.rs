//! What real servers sent, byte for byte; `tests/data/provider-wire/README.md` names them.

use serde_json::json;

use super::{STOP, chunk, complete, config, hear_from, provider, question, said};
use crate::reply::provider::{Finish, Prompt, Provider, ProviderError, Usage};
use crate::reply::providers::fake_server::{FakeServer, Response};
use crate::reply::providers::heard::Heard;
use crate::reply::providers::openai::{Continuation, OpenAi, OpenAiConfig};

#[tokio::test]
async fn streams_of_real_servers_are_read_however_they_are_cut() {
    let tokens = |prompt, completion| Some(Usage { prompt_tokens: Some(prompt), completion_tokens: Some(completion), ..Usage::default() });
    let llama = Usage { cached_prompt_tokens: Some(0), ..tokens(36, 12).unwrap() };
    let litellm = Usage { reasoning_tokens: Some(0), ..tokens(8, 9).unwrap() };
    for (file, title, text, usage) in [
        ("llamaserver_openai_stream.txt", None, "Hello, welcome to my little corner of the world.", Some(llama)),
        ("llamacpppython_openai_stream.txt", None, "Hello, welcome to my little corner of the world!", None),
        ("litellm_mock.txt", Some("ok stream + usage"), "Hello from a mock. 你好 🌱", Some(litellm)),
    ] {
        for bytes in [1, 7, 1000, usize::MAX] {
            let heard = hear_from(Response::recorded(file, title).in_pieces_of(bytes)).await;
            assert_eq!(heard, Heard { usage, ..complete(text) }, "{file} in pieces of {bytes}");
        }
    }
}

const XLLAMACPP: &str = "xllamacpp-2026.10.11549.txt";

#[tokio::test]
async fn thoughts_inside_the_text_of_a_real_server_are_told_apart() {
    for bytes in [1, 100, usize::MAX] {
        let heard = hear_from(Response::recorded(XLLAMACPP, Some("inline think")).in_pieces_of(bytes)).await;
        assert_eq!((heard.reasoning.as_str(), heard.text.as_str()), ("\nLet me think.\n", "你好 🌱"));
    }
}

#[tokio::test]
async fn a_continued_message_is_not_repeated() {
    // The same server repeats it in an answer in one piece, and does not in a stream.
    for (title, text) in [("prefill", "re, four, five, six, seven, eight,"), ("prefill nonstream", "re, four, five, six, seven, eight,")] {
        let server = FakeServer::answering([Response::recorded(XLLAMACPP, Some(title))]);
        let provider = OpenAi::new(OpenAiConfig { continuation: Continuation::Prefill, ..config(&server.base_url()) }).unwrap();
        let prompt = Prompt { continue_from: Some("One, two, th".to_owned()), ..question() };
        assert_eq!(Heard::all_of(provider.stream(prompt)).await.text, text, "{title}");
        assert_eq!(server.asked()[0].body["messages"][1], json!({"role": "assistant", "content": "One, two, th"}));
    }
}

#[tokio::test]
async fn comments_while_the_prompt_is_read_are_patience() {
    let ping = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/provider-wire/llamaserver_ping.txt")).unwrap();
    let body = format!("{ping}: OPENROUTER PROCESSING\n\n\n\n: keep-alive\n\n{}{STOP}data: [DONE]\n\n", chunk("Hi"));
    assert_eq!(hear_from(Response::events(body)).await, complete("Hi"));
}

#[tokio::test]
async fn reasoning_of_a_real_server_is_told_apart() {
    let deltas =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/provider-wire/llamaserver_reasoning_deltas.txt")).unwrap();
    let events: String = deltas.lines().map(|delta| format!("data: {{\"choices\":[{{\"index\":0,{delta}}}]}}\n\n")).collect();
    let heard = hear_from(Response::events(events + STOP)).await;
    assert_eq!(heard, Heard { reasoning: "\nLet me think.\n".to_owned(), ..complete("\n\n你好 🌱") });
}

#[tokio::test]
async fn answers_in_one_piece_are_answers() {
    let usage = |prompt, cached, completion| {
        Some(Usage {
            prompt_tokens: Some(prompt),
            cached_prompt_tokens: cached,
            completion_tokens: Some(completion),
            reasoning_tokens: None,
        })
    };
    let heard = hear_from(Response::recorded("llamaserver_openai_nonstream.txt", None)).await;
    assert_eq!(heard, Heard { usage: usage(31, Some(24), 5), outcome: Some(Ok(Finish::Length)), ..complete("Hugeldre") });
    let heard = hear_from(Response::recorded("llamacpppython_errors.txt", Some("nonstream"))).await;
    assert_eq!((heard.text.as_str(), heard.outcome), ("Hello there!", Some(Ok(Finish::Length))));
}

#[tokio::test]
async fn stop_at_the_limit_is_a_cut() {
    let server = FakeServer::answering([Response::recorded("llamacpppython_openai_stream.txt", None)]);
    let heard = Heard::all_of(provider(&server).stream(Prompt { max_tokens: Some(11), ..question() })).await;
    assert_eq!(heard.outcome, Some(Ok(Finish::Length)));
}

#[tokio::test]
async fn errors_of_real_servers_become_clear_ones() {
    let refused = |text: &str| ProviderError::Refused { status: 400, said: said(text) };
    let failed = |text: &str| ProviderError::Failed { status: Some(500), said: said(text) };
    let key = |text: &str| ProviderError::KeyRefused { status: 401, said: said(text) };
    let not_found = |text: &str| ProviderError::NotFound { said: said(text), hint: "Check the model's name and the address.".to_owned() };
    let cases = [
        ("llamacpppython_errors.txt", "no key", key("Invalid API key")),
        ("llamacpppython_errors.txt", "bad json", failed("Internal Server Error")),
        ("llamacpppython_errors.txt", "404", not_found("Not Found")),
        ("llamacpppython_errors.txt", "overflow stream", ProviderError::CutOff { after_text: false }),
        ("llamaserver_auth_reasoning.txt", "no key", key("Invalid API Key")),
        ("llamaserver_errors.txt", "missing messages", refused("'messages' is required")),
        ("llamaserver_errors.txt", "404", not_found("File Not Found")),
        (
            "llamaserver_errors.txt",
            "context overflow, stream",
            ProviderError::PromptTooLong {
                said: said("request (9031 tokens) exceeds the available context size (2048 tokens), try increasing it"),
            },
        ),
        (
            "litellm_mock.txt",
            "internal, stream",
            failed(
                "litellm.InternalServerError: this is a mock internal server error LiteLLM: model group 'mock-mid' failed with the error above. No fallback was attempted.",
            ),
        ),
    ];
    for (file, title, error) in cases {
        assert_eq!(hear_from(Response::recorded(file, Some(title))).await.error(), error, "{file}: {title}");
    }
}
