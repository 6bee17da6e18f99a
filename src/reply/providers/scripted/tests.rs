//! Scripts in questions, models by name, and the gate.

use std::fs;
use std::path::Path;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;

use super::script::Script;
use super::{Chunk, Finish, Limits, Prompt, Provider, ProviderError, Scripted, Step};
use crate::reply::provider::{Role, ServerText, Turn, Usage};
use crate::reply::providers::heard::Heard;

fn question(text: &str) -> Prompt {
    let turn = |role, text: &str| Turn { role, text: text.to_owned() };
    Prompt { turns: vec![turn(Role::User, "earlier"), turn(Role::Assistant, "words"), turn(Role::User, text)], ..Prompt::default() }
}

fn script(lines: &str) -> Prompt {
    question(&format!("ada: Please do this: ```script\n{lines}\n```\nThank you."))
}

async fn hear(model: &str, prompt: Prompt) -> Heard {
    let provider = Scripted::from_model(model, Limits::default()).expect("a good model");
    Heard::all_of(provider.stream(prompt)).await
}

fn said(text: &str) -> ServerText {
    ServerText::new(text, str::to_owned)
}

#[tokio::test(start_paused = true)]
async fn a_script_in_the_question_is_followed() {
    let started = Instant::now();
    let heard = hear(
        "echo",
        script(
            "reason Hm.\n\n# a comment\nsay \"Hello,\\n\"\n  say   world  \npace 20\nrepeat 2 \" ha\"\nsleep 50\nsay \" ha\"\nusage 12 34\nend length",
        ),
    )
    .await;
    assert_eq!(
        heard,
        Heard {
            reasoning: "Hm.".to_owned(),
            text: "Hello,\nworld ha ha ha".to_owned(),
            usage: Some(Usage { prompt_tokens: Some(12), completion_tokens: Some(34), ..Usage::default() }),
            outcome: Some(Ok(Finish::Length)),
        }
    );
    assert_eq!(started.elapsed(), Duration::from_millis(50 + 3 * 20));
}

#[tokio::test(start_paused = true)]
async fn a_script_can_end_in_every_way_an_answer_can() {
    let busy = ProviderError::Busy { status: 503, said: said("Loading model"), retry_after: None };
    for (line, outcome) in [
        ("", Ok(Finish::Stop)),
        ("end filter", Ok(Finish::ContentFilter)),
        ("end\nsay never", Ok(Finish::Stop)),
        ("cut", Err(ProviderError::CutOff { after_text: true })),
        ("hang", Err(ProviderError::Silent { limit: Duration::from_secs(60) })),
        ("error 503 Loading model", Err(busy)),
        ("error It broke.", Err(ProviderError::Failed { status: None, said: said("It broke.") })),
        ("wait never", Err(ProviderError::TookTooLong { limit: Duration::from_secs(600) })),
        ("repeat 4000000000 xxxxxxxxxxxxxxxx", Err(ProviderError::ReplyTooLarge { limit: 1024 * 1024 })),
    ] {
        let heard = hear("echo?gates=/nowhere", script(&format!("say Hi\n{line}"))).await;
        assert_eq!((heard.text.starts_with("Hi"), heard.outcome), (true, Some(outcome)), "{line}");
    }
}

#[tokio::test]
async fn files_are_gates() {
    let folder = tempfile::tempdir().unwrap();
    let model = format!("echo?gates={}", folder.path().display());
    let provider = Scripted::from_model(&model, Limits::default()).unwrap();
    let lines = format!("unless second error 500 first\nsay a\nwait go\nsay b\nwait {}\nsay c", folder.path().join("there").display());

    assert_eq!(hear(&model, script(&lines)).await.error(), ProviderError::Failed { status: Some(500), said: said("first") });

    fs::write(folder.path().join("second"), "").unwrap();
    fs::write(folder.path().join("there"), "").unwrap();
    let mut stream = provider.stream(script(&lines));
    assert_eq!(stream.next().await, Some(Ok(Chunk::Answer("a".to_owned()))));
    let next = stream.next();
    assert!(tokio::time::timeout(Duration::from_millis(30), next).await.is_err());
    fs::write(folder.path().join("go"), "").unwrap();
    let mut rest = Heard::default();
    while let Some(chunk) = stream.next().await {
        rest.hear([chunk]);
    }
    assert_eq!((rest.text.as_str(), rest.outcome), ("bc", Some(Ok(Finish::Stop))));
}

#[test]
fn no_script_looks_outside_its_gates() {
    let gates = Path::new("/gates");
    let read = |file: &str, gates| {
        Script::in_question(&format!("```script\nwait {file}\n```"), gates).map(|script| script.unwrap().steps_for(false))
    };
    for inside in ["a", "/gates/a", "./a", "b/c"] {
        assert!(matches!(read(inside, Some(gates)).as_deref(), Ok([Step::WaitFor(file)]) if file.starts_with(gates)), "{inside}");
    }
    for outside in ["", "/etc/passwd", "../a", "a/../../b", "/gates/../etc", "/gatesx"] {
        let error = ProviderError::BadScript { line: 1, problem: "the file is not in the gates folder".to_owned() };
        assert_eq!(read(outside, Some(gates)), Err(error), "{outside:?}");
    }
    assert!(read("a", None).is_err());
}

#[tokio::test]
async fn a_script_that_makes_no_sense_says_where() {
    for (lines, line) in [
        ("say a\nsing b", 2),
        ("say \"a", 1),
        ("\n\nrepeat many a", 3),
        ("sleep", 1),
        ("error 200 fine", 1),
        ("cut it", 1),
        ("end soon", 1),
        ("continue\nsay a\ncontinue", 3),
        ("unless a", 1),
    ] {
        let error = hear("echo?gates=/gates", script(lines)).await.error();
        assert!(matches!(error, ProviderError::BadScript { line: at, .. } if at == line), "{lines:?}: {error:?}");
        assert!(error.to_string().starts_with(&format!("Line {line} of the script cannot be followed: ")), "{error}");
    }
    let error = hear("echo", question("```script\nsay a")).await.error();
    assert_eq!(error.to_string(), "Line 2 of the script cannot be followed: the block is never closed.");
}

#[tokio::test]
async fn a_script_may_continue_otherwise() {
    let prompt = script("say Hello\ncut\ncontinue\nsay \", world\"");
    assert_eq!(hear("echo", prompt.clone()).await.text, "Hello");
    let continued = Prompt { continue_from: Some("Hello".to_owned()), ..prompt };
    assert_eq!(hear("echo", continued).await.text, ", world");
    let plain = Prompt { continue_from: Some("x".to_owned()), ..script("say again") };
    assert_eq!(hear("echo", plain).await.text, "again");
}

#[tokio::test(start_paused = true)]
async fn models_answer_by_their_names() {
    let text = "ada: Hello  you,\nall of you";
    let echo = hear("echo", question(text)).await;
    assert_eq!((echo.text.as_str(), echo.outcome), (text, Some(Ok(Finish::Stop))));
    assert_eq!(echo.usage.and_then(|usage| usage.completion_tokens), Some(6));

    let lorem = hear("lorem?tokens=400", question("?")).await;
    assert_eq!(lorem.text.split_whitespace().count(), 400);
    assert!(hear("markdown", question("?")).await.text.ends_with("That is all.\n"));
    let reasoning = hear("reasoning", question("Why?")).await;
    assert_eq!((reasoning.reasoning.is_empty(), reasoning.text.as_str()), (false, "Why?"));

    assert!(matches!(hear("error", question("?")).await.error(), ProviderError::Failed { status: Some(500), .. }));
    assert_eq!(hear("cut", question("?")).await.error(), ProviderError::CutOff { after_text: true });
    assert_eq!(hear("hang", question("?")).await.error(), ProviderError::Silent { limit: Duration::from_secs(60) });
}

#[tokio::test(start_paused = true)]
async fn models_keep_their_pace() {
    let started = Instant::now();
    hear("lorem?tokens=400&tokens_per_second=50", question("?")).await;
    assert_eq!(started.elapsed(), Duration::from_secs(8));
    let started = Instant::now();
    hear("lorem?tokens=400&tokens_per_second=20000", question("?")).await;
    assert_eq!(started.elapsed(), Duration::from_millis(20));
}

#[tokio::test(start_paused = true)]
async fn a_continued_answer_goes_on_where_it_was() {
    let continued = Prompt { continue_from: Some("One t".to_owned()), ..question("One two three") };
    assert_eq!(hear("echo", continued).await.text, "wo three");
}

#[test]
fn a_model_that_does_not_exist_says_which_do() {
    for bad in ["", "gpt", "echo?speed=1", "echo?tokens_per_second=0", "lorem?tokens=-1", "echo?gates=here"] {
        let error = Scripted::from_model(bad, Limits::default()).expect_err(bad);
        assert!(matches!(error, ProviderError::Misconfigured(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_gate_lets_one_piece_through_per_pull() {
    let steps = ["a", "", "b", "c", "d"].map(|text| Step::Say(text.to_owned())).to_vec();
    let (provider, gate) = Scripted::with_gate(steps);
    let mut stream = provider.stream(question("Well?"));
    assert_eq!(gate.prompts(), []);

    let say = |text: &str| Some(Some(Ok(Chunk::Answer(text.to_owned()))));
    assert_eq!(stream.next().now_or_never(), None);
    assert_eq!(gate.prompts(), [question("Well?")]);
    gate.pull();
    assert_eq!(stream.next().now_or_never(), say("a"));
    assert_eq!(stream.next().now_or_never(), None);
    gate.pull();
    gate.pull();
    assert_eq!(stream.next().now_or_never(), say("b"));
    assert_eq!(stream.next().now_or_never(), say("c"));
    assert_eq!(stream.next().now_or_never(), None);
    gate.open();
    assert_eq!(stream.next().now_or_never(), say("d"));
    assert_eq!(stream.next().now_or_never(), Some(Some(Ok(Chunk::End(Finish::Stop)))));
    assert_eq!(stream.next().now_or_never(), Some(None));
}

#[tokio::test]
async fn a_gate_knows_how_many_answers_are_running() {
    let (provider, gate) = Scripted::with_gate(vec![Step::Say("a".to_owned())]);
    let (mut first, mut second) = (provider.stream(question("1")), provider.stream(question("2")));
    gate.running(0).await;
    assert_eq!(first.next().now_or_never(), None);
    assert_eq!(second.next().now_or_never(), None);
    gate.running(2).await;
    drop(first);
    gate.running(1).await;
    assert_eq!(gate.running(0).now_or_never(), None);
    drop(second);
    gate.running(0).await;
}
