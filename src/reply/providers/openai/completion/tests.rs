//! Each way in which servers are known to speak, without HTTP: events in, chunks out.

use std::sync::Arc;

use proptest::prelude::{Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};
use serde_json::{Value, json};

use super::{ChatCompletionParser, Event, EventReader, Finish, Progress, ProviderError, Usage};
use crate::reply::provider::ServerText;
use crate::reply::providers::event_stream::EventStreamParser;
use crate::reply::providers::heard::Heard;

fn parser(max_tokens: Option<u32>) -> ChatCompletionParser {
    ChatCompletionParser::new(Arc::default(), max_tokens)
}

/// Reads events and closes, as `read_answer` does.
fn read(mut parser: ChatCompletionParser, events: impl IntoIterator<Item = Event>) -> Heard {
    let mut answer = Heard::default();
    let mut chunks = Vec::new();
    let mut outcome = Ok(());
    for event in events {
        match parser.read(&event, &mut chunks) {
            Ok(Progress::Ended) => break,
            Ok(_) => {}
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    parser.flush(&mut chunks);
    let outcome = outcome.and_then(|()| parser.close(&mut chunks));
    answer.hear(chunks.into_iter().map(Ok).chain(outcome.err().map(Err)));
    answer
}

#[expect(clippy::needless_pass_by_value, reason = "the cases are easier to read without borrows")]
fn data(data: impl ToString) -> Event {
    Event { name: "message".to_owned(), data: data.to_string(), id: String::new() }
}

#[expect(clippy::needless_pass_by_value, reason = "the cases are easier to read without borrows")]
fn delta(delta: Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn finish(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

fn stream(chunks: impl IntoIterator<Item = Value>) -> Heard {
    read(parser(None), chunks.into_iter().map(data).chain([data("[DONE]")]))
}

fn complete(reasoning: &str, text: &str) -> Heard {
    Heard { reasoning: reasoning.to_owned(), text: text.to_owned(), usage: None, outcome: Some(Ok(Finish::Stop)) }
}

#[test]
fn deltas_add_up() {
    let answer = stream([
        delta(json!({"role": "assistant", "content": null})),
        delta(json!({"content": "Hel"})),
        delta(json!({"content": ""})),
        delta(json!({"content": "lo"})),
        finish("stop"),
    ]);
    assert_eq!(answer, complete("", "Hello"));
}

#[test]
fn chunks_without_choices_or_delta_and_further_choices_are_passed_over() {
    let answer = stream([
        // Azure: what its filter thinks of the prompt comes first, what it thinks of the answer comes without a delta.
        json!({"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}),
        delta(json!({"content": "Hello"})),
        json!({"choices": [{"index": 0, "content_filter_offsets": {}, "finish_reason": null}]}),
        json!({"choices": [{"index": 1, "delta": {"content": "another answer"}, "finish_reason": "length"}]}),
        json!({"type": "ping"}),
        json!({}),
        finish("stop"),
    ]);
    assert_eq!(answer, complete("", "Hello"));
}

#[test]
fn empty_events_are_passed_over() {
    assert_eq!(
        read(parser(None), [data(""), data(delta(json!({"content": "Hi"}))), data(" \n"), data(finish("stop")), data(" [DONE]")]),
        complete("", "Hi")
    );
}

#[test]
fn usage_is_found_wherever_it_comes() {
    let counts = json!({
        "prompt_tokens": 8, "completion_tokens": 9, "total_tokens": 17,
        "prompt_tokens_details": {"cached_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": 2},
    });
    let usage = Usage { prompt_tokens: Some(8), cached_prompt_tokens: Some(3), completion_tokens: Some(9), reasoning_tokens: Some(2) };
    let hi = delta(json!({"content": "Hi"}));
    let early = json!({"prompt_tokens": 8, "completion_tokens": 1});
    for (place, chunks) in [
        ("own chunk with empty choices", vec![hi.clone(), finish("stop"), json!({"choices": [], "usage": counts})]),
        (
            "own chunk with an empty delta",
            vec![hi.clone(), finish("stop"), json!({"choices": [{"index": 0, "delta": {}}], "usage": counts})],
        ),
        ("on the finish", vec![hi.clone(), json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": counts})]),
        (
            "in a field of its own",
            vec![hi.clone(), json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "x_groq": {"usage": counts}})],
        ),
        (
            "growing on every chunk",
            vec![
                json!({"choices": [{"index": 0, "delta": {"content": "Hi"}}], "usage": early}),
                finish("stop"),
                json!({"choices": [], "usage": counts}),
                json!({"choices": [], "usage": null}),
            ],
        ),
    ] {
        assert_eq!(stream(chunks), Heard { usage: Some(usage), ..complete("", "Hi") }, "{place}");
    }
    assert_eq!(stream([hi, finish("stop")]).usage, None);
}

#[test]
fn reasoning_is_found_whatever_it_is_called() {
    let answer = || delta(json!({"content": "Yes."}));
    for (who, chunks) in [
        (
            "DeepSeek, llama.cpp",
            vec![delta(json!({"reasoning_content": "Hm. ", "content": null})), delta(json!({"reasoning_content": "Ok."})), answer()],
        ),
        (
            "vLLM, OpenRouter, Ollama",
            vec![delta(json!({"reasoning": "Hm. ", "content": ""})), delta(json!({"reasoning": "Ok."})), answer()],
        ),
        ("both at once", vec![delta(json!({"reasoning": "Hm. Ok.", "reasoning_content": "Hm. Ok."})), answer()]),
        ("null beside the other", vec![delta(json!({"reasoning": "Hm. Ok.", "reasoning_content": null})), answer()]),
        (
            "Mistral",
            vec![
                delta(json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm. "}]}]})),
                delta(
                    json!({"content": [{"type": "thinking", "thinking": "Ok."}, {"type": "reference", "reference_ids": [1]}, {"type": "text", "text": "Ye"}]}),
                ),
                delta(json!({"content": "s."})),
            ],
        ),
        (
            "inline",
            vec![delta(json!({"content": "<thi"})), delta(json!({"content": "nk>Hm. Ok.</th"})), delta(json!({"content": "ink>\n\nYes."}))],
        ),
    ] {
        assert_eq!(stream(chunks.into_iter().chain([finish("stop")])), complete("Hm. Ok.", "Yes."), "{who}");
    }
}

#[test]
fn an_answer_whose_thoughts_never_end_is_reasoning_to_its_last_letter() {
    let answer = read(parser(None), [data(delta(json!({"content": "<think>Hm. </thin"})))]);
    assert_eq!(answer.reasoning, "Hm. </thin");
    assert_eq!(answer.outcome, Some(Err(ProviderError::CutOff { after_text: true })));
}

#[test]
fn each_finish_reason_is_understood() {
    for (reason, expected) in [
        ("stop", Finish::Stop),
        ("eos", Finish::Stop),
        ("tool_calls", Finish::Stop),
        ("something new", Finish::Stop),
        ("length", Finish::Length),
        ("model_length", Finish::Length),
        ("content_filter", Finish::ContentFilter),
    ] {
        assert_eq!(stream([finish(reason)]).outcome, Some(Ok(expected)), "{reason}");
    }
    // Not a reason at all, so the end of the body is no end of the answer.
    assert_eq!(read(parser(None), [data(finish(""))]).outcome, Some(Err(ProviderError::CutOff { after_text: false })));
}

#[test]
fn a_refusal_in_a_field_of_its_own_is_the_answer() {
    let answer = stream([delta(json!({"content": null, "refusal": "I will "})), delta(json!({"refusal": "not."})), finish("stop")]);
    assert_eq!(answer, complete("", "I will not."));
}

#[test]
fn stop_at_the_limit_is_a_cut() {
    let hi = || [data(delta(json!({"content": "H"}))), data(delta(json!({"content": "i"})))];
    let with_limit = |max, last: Value| read(parser(Some(max)), hi().into_iter().chain([data(last), data("[DONE]")])).outcome;
    // llama-cpp-python counts nothing: a piece is a token.
    assert_eq!(with_limit(2, finish("stop")), Some(Ok(Finish::Length)));
    assert_eq!(with_limit(3, finish("stop")), Some(Ok(Finish::Stop)));
    // More pieces than tokens allowed: here a piece is something smaller, and nothing is known.
    assert_eq!(with_limit(1, finish("stop")), Some(Ok(Finish::Stop)));
    // Where tokens are counted, the count decides.
    let counted = |tokens| json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"completion_tokens": tokens}});
    assert_eq!(with_limit(5, counted(5)), Some(Ok(Finish::Length)));
    assert_eq!(with_limit(2, counted(1)), Some(Ok(Finish::Stop)));
    assert_eq!(with_limit(2, finish("content_filter")), Some(Ok(Finish::ContentFilter)));
}

#[test]
fn either_end_is_an_end_and_neither_is_cut_off() {
    let hi = || data(delta(json!({"content": "Hi"})));
    assert_eq!(read(parser(None), [hi(), data("[DONE]")]), complete("", "Hi"));
    assert_eq!(read(parser(None), [hi(), data(finish("stop"))]), complete("", "Hi"));
    assert_eq!(read(parser(None), [hi()]).outcome, Some(Err(ProviderError::CutOff { after_text: true })));
    assert_eq!(read(parser(None), []).outcome, Some(Err(ProviderError::CutOff { after_text: false })));
}

#[test]
fn nothing_counts_after_done() {
    assert_eq!(read(parser(None), [data("[DONE]"), data("nonsense"), data(delta(json!({"content": "late"})))]), complete("", ""));
}

#[test]
fn an_error_in_the_middle_keeps_the_text_before_it() {
    let said = |text: &str| ServerText::new(text, str::to_owned);
    let failed = |status| ProviderError::Failed { status, said: said("It broke.") };
    let named = |name: &str, text: &str| Event { name: name.to_owned(), ..data(text) };
    for (who, event, error) in [
        (
            "OpenRouter",
            data(
                json!({"error": {"code": 502, "message": "It broke."}, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]}),
            ),
            failed(Some(502)),
        ),
        ("OpenAI", data(json!({"error": {"message": "It broke.", "type": "server_error", "code": null}})), failed(None)),
        ("a string", data(json!({"error": "It broke."})), failed(None)),
        ("vLLM", data(json!({"object": "error", "message": "It broke.", "type": "BadRequestError", "code": 500})), failed(Some(500))),
        ("an event of that name", named("error", r#"{"message": "It broke."}"#), failed(None)),
        ("an event of that name, in words", named("error", "It broke."), failed(None)),
        ("in one word", data(finish("error")), ProviderError::Failed { status: None, said: said("") }),
        ("not JSON", data("{\"choices\": [{\"del"), ProviderError::Malformed { what: "text that is not JSON" }),
    ] {
        let answer = read(parser(None), [data(delta(json!({"content": "Hi"}))), event]);
        assert_eq!((answer.text.as_str(), answer.outcome), ("Hi", Some(Err(error))), "{who}");
    }
}

#[test]
fn an_answer_in_one_piece_is_an_answer() {
    let whole = |body: &str| {
        let (mut parser, mut chunks, mut answer) = (parser(None), Vec::new(), Heard::default());
        let outcome = parser.read_whole(body.as_bytes(), None, &mut chunks);
        parser.flush(&mut chunks);
        let outcome = outcome.and_then(|()| parser.close(&mut chunks));
        answer.hear(chunks.into_iter().map(Ok).chain(outcome.err().map(Err)));
        answer
    };
    let message = json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "<think>Hm.</think>Yes."}, "finish_reason": "length"}], "usage": {"prompt_tokens": 1}});
    assert_eq!(
        whole(&message.to_string()),
        Heard {
            usage: Some(Usage { prompt_tokens: Some(1), ..Usage::default() }),
            outcome: Some(Ok(Finish::Length)),
            ..complete("Hm.", "Yes.")
        }
    );
    let separate = json!({"choices": [{"message": {"content": "Yes.", "reasoning_content": "Hm."}}]});
    assert_eq!(whole(&separate.to_string()), complete("Hm.", "Yes."));
    assert_eq!(whole("").outcome, Some(Err(ProviderError::CutOff { after_text: false })));
    assert_eq!(whole("{}").outcome, Some(Err(ProviderError::Malformed { what: "JSON without choices" })));
    assert_eq!(
        whole(r#"{"error": "no"}"#).outcome,
        Some(Err(ProviderError::Failed { status: None, said: ServerText::new("no", str::to_owned) }))
    );
}

/// Any JSON at all in the place of a chunk, built from the names that the parser looks at.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        prop::sample::select(vec![
            json!(null),
            json!(true),
            json!(0),
            json!(-1.5),
            json!(1e300),
            json!(""),
            json!("stop"),
            json!("text"),
            json!("thinking")
        ]),
        any::<i64>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let name = prop::sample::select(vec![
            "choices",
            "delta",
            "content",
            "index",
            "finish_reason",
            "usage",
            "type",
            "text",
            "thinking",
            "x_groq",
            "completion_tokens",
            "reasoning",
            "detail",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())),
        ]
    })
}

/// A delta of a random accent, with the reasoning and the raw text in it.
fn any_delta() -> impl Strategy<Value = (Value, String, String)> {
    let piece = prop::sample::select(vec!["", "a", " ", "\n", "<", "<think>", "</think>", "</thi", "nk>", "é", "🌱", "word "]);
    (0..5, piece).prop_map(|(accent, piece)| {
        let (reasoning, text) = if accent < 2 { (piece, "") } else { ("", piece) };
        let value = match accent {
            0 => json!({"reasoning_content": piece}),
            1 => json!({"reasoning": piece, "content": null}),
            2 => json!({"content": piece}),
            3 => json!({"content": [{"type": "text", "text": piece}]}),
            _ => json!({"role": "assistant", "content": piece, "tool_calls": []}),
        };
        (value, reasoning.to_owned(), text.to_owned())
    })
}

proptest! {
    #[test]
    fn any_deltas_cut_anywhere_give_the_same_answer(
        deltas in prop::collection::vec(any_delta(), 0..20),
        crlf in any::<bool>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let line_end = if crlf { "\r\n" } else { "\n" };
        let mut body = format!(": hello{line_end}{line_end}");
        for (value, _, _) in &deltas {
            body += &format!("data: {}{line_end}{line_end}", delta(value.clone()));
        }
        body += &format!("data: {}{line_end}{line_end}data: [DONE]{line_end}{line_end}", finish("stop"));

        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        at.extend([0, body.len()]);
        at.sort_unstable();
        let (mut events, mut stream) = (Vec::new(), EventStreamParser::new(1 << 20));
        for ends in at.windows(2) {
            stream.read(&body.as_bytes()[ends[0]..ends[1]], &mut events).unwrap();
        }
        let answer = read(parser(None), events);

        // The rule on the whole text: thoughts count at the beginning only.
        let text: String = deltas.iter().map(|(_, _, text)| text.as_str()).collect();
        let (thoughts, text) = match text.trim_start().strip_prefix("<think>") {
            None => ("", text.as_str()),
            Some(rest) => rest.split_once("</think>").map_or((rest, ""), |(thoughts, text)| (thoughts, text.trim_start())),
        };
        let reasoning: usize = deltas.iter().map(|(_, reasoning, _)| reasoning.len()).sum();
        prop_assert_eq!(answer.text, text);
        prop_assert_eq!(answer.reasoning.len(), reasoning + thoughts.len());
        prop_assert_eq!(answer.outcome, Some(Ok(Finish::Stop)));
    }

    #[test]
    fn no_json_is_too_strange(chunks in prop::collection::vec(any_json(), 0..6)) {
        let answer = stream(chunks.clone());
        prop_assert_eq!(answer.outcome.is_some(), true);
        for chunk in chunks {
            let _ = parser(None).read_whole(chunk.to_string().as_bytes(), Some("a"), &mut Vec::new());
        }
    }
}
