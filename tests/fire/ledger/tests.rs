//! The ledger finds what is wrong.

use serde_json::{Value, json};

use super::fresh::{Fresh, judge_view};
use super::shown::Shown;
use super::stored::{Stored, StoredAttempt, StoredMessage};
use super::viewer::{Kept, row};
use super::{Change, Entries, Posted, Try, What};
use crate::support::Person;
use crate::support::person::text;
use crate::support::stream::Part;

const ROOM: &str = "room";

fn answered(began: u64, status: u16) -> Try {
    let body = json!({ "id": "a", "room": ROOM, "seq": 1 }).to_string();
    Try { began, ended: Some(began + 1), answer: Some((status, body)) }
}

fn post(entries: &mut Entries, id: &str, text: &str, tries: Vec<Try>) {
    entries.posts.insert(id.into(), Posted { room: ROOM.into(), text: text.into(), reply_to: None, who: None, tries });
}

fn edit(entries: &mut Entries, text: &str, tried: Try) {
    entries.changes.push(Change { message: "a".into(), what: What::Edit(text.into()), tried });
}

fn message(text: &str) -> StoredMessage {
    StoredMessage { room: ROOM.into(), by_person: true, state: "complete".into(), seq: 1, text: text.into(), ..StoredMessage::default() }
}

fn stored(messages: Vec<StoredMessage>) -> Stored {
    Stored { messages: [("a".to_owned(), messages)].into(), ..Stored::default() }
}

fn finds(faults: &[String], words: &str) {
    assert!(matches!(faults, [one] if one.starts_with("a: ") && one.contains(words)), "{words}: {faults:?}");
}

#[test]
fn a_post_that_was_answered_and_is_lost() {
    let mut entries = Entries::default();
    post(&mut entries, "a", "hello", vec![Try::default(), answered(1, 201)]);
    assert_eq!(entries.answered().judge(&stored(vec![message("hello")])), Vec::<String>::new());
    finds(&entries.answered().judge(&Stored::default()), "is not there");
    // What was never answered may be there or not.
    let mut entries = Entries::default();
    post(&mut entries, "a", "hello", vec![Try::default()]);
    assert_eq!(entries.answered().judge(&Stored::default()), Vec::<String>::new());
    assert_eq!(entries.answered().judge(&stored(vec![message("hello")])), Vec::<String>::new());
}

#[test]
fn a_post_that_is_there_twice() {
    let mut entries = Entries::default();
    post(&mut entries, "a", "hello", vec![answered(1, 201)]);
    finds(&entries.answered().judge(&stored(vec![message("hello"), message("hello")])), "2 times");
    // Under another id.
    let mut ada = Person::stranger("http://127.0.0.1:1");
    ada.id = "ada".into();
    post(&mut entries, "b", "hello", vec![]);
    entries.posts.get_mut("b").unwrap().who = Some(ada);
    let again = StoredMessage { author: "ada".into(), ..message("hello") };
    let faults = entries.judge_strangers(&Stored { messages: [("c".to_owned(), vec![again])].into(), ..Stored::default() });
    assert!(matches!(&faults[..], [one] if one.starts_with("c: nobody posted this")), "{faults:?}");
}

#[test]
fn a_text_that_changed() {
    let mut entries = Entries::default();
    post(&mut entries, "a", "hello", vec![answered(1, 201)]);
    finds(&entries.answered().judge(&stored(vec![message("hullo")])), "says “hullo”");
    finds(&entries.answered().judge(&stored(vec![StoredMessage { room: "other".into(), ..message("hello") }])), "is in other");
    finds(&entries.answered().judge(&stored(vec![StoredMessage { seq: 2, ..message("hello") }])), "is at 2");
    let mut twice = vec![answered(1, 201), answered(3, 201)];
    twice[1].answer = Some((201, json!({ "seq": 9 }).to_string()));
    post(&mut entries, "a", "hello", twice);
    finds(&entries.judge_answers(), "first answered");
}

#[test]
fn an_edit_that_was_lost() {
    let mut entries = Entries::default();
    post(&mut entries, "a", "one", vec![answered(1, 201)]);
    edit(&mut entries, "two", answered(3, 200));
    finds(&entries.answered().judge(&stored(vec![message("one")])), "says “one”");
    // One that was lost, and two at once, may each have come last; one that was refused has not come.
    edit(&mut entries, "three", Try { began: 5, ended: Some(6), answer: None });
    edit(&mut entries, "four", Try { began: 7, ended: Some(10), answer: Some((200, String::new())) });
    edit(&mut entries, "five", Try { began: 8, ended: Some(9), answer: Some((200, String::new())) });
    edit(&mut entries, "six", answered(11, 409));
    for (text, may_be) in [("one", false), ("two", false), ("three", true), ("four", true), ("five", true), ("six", false)] {
        assert_eq!(entries.answered().judge(&stored(vec![message(text)])).is_empty(), may_be, "{text}");
    }
}

#[test]
fn a_deletion_that_was_not_one() {
    let mut entries = Entries::default();
    post(&mut entries, "a", "hello", vec![answered(1, 201)]);
    let gone = StoredMessage { state: "deleted".into(), ..message("") };
    finds(&entries.answered().judge(&stored(vec![gone.clone()])), "nobody deleted it");
    entries.changes.push(Change { message: "a".into(), what: What::Delete, tried: answered(3, 200) });
    assert_eq!(entries.answered().judge(&stored(vec![gone.clone()])), Vec::<String>::new());
    finds(&entries.answered().judge(&stored(vec![message("hello")])), "its deletion was answered");
    let excerpt = StoredMessage { other: "hel".into(), ..gone.clone() };
    finds(&entries.answered().judge(&stored(vec![excerpt])), "still says “hel”");
    let mut chunk = stored(vec![gone.clone()]);
    chunk.chunks.insert(("a".into(), 1, "answer".into()), "hel".into());
    finds(&entries.answered().judge(&chunk), "a chunk");
    let mut attempt = stored(vec![gone]);
    attempt.attempts.insert(("a".into(), 1), StoredAttempt { text: "hel".into(), ..StoredAttempt::default() });
    finds(&entries.answered().judge(&attempt), "attempt 1");
}

/// A reply as it is stored, at its first attempt.
fn reply(text: &str) -> Stored {
    let mut stored = stored(vec![StoredMessage { by_person: false, attempt: 1, ..message(text) }]);
    stored.attempts.insert(("a".into(), 1), StoredAttempt { kind: "first".into(), state: "complete".into(), ..StoredAttempt::default() });
    stored
}

fn shows(texts: &[&str]) -> Shown {
    let mut shown = Shown::default();
    for text in texts {
        let part = Part { len: text.encode_utf16().count(), text: (*text).into(), ..Part::default() };
        shown.note("a", 1, "answer", &part, false);
    }
    shown
}

#[test]
fn a_shown_text_that_is_not_stored() {
    assert_eq!(shows(&["He", "Hello"]).judge(&reply("Hello.")), Vec::<String>::new());
    finds(&shows(&["He", "Hello"]).judge(&reply("Hell")), "they part at byte 4");
    finds(&shows(&["He", "Hx", "Hello"]).judge(&reply("Hello.")), "they part at byte 1");
    let gone = shows(&["He"]).judge(&Stored::default());
    finds(&gone, "there is no such message");
    // While it is open, what counts are its chunks.
    let mut open = reply("");
    open.attempts.get_mut(&("a".into(), 1)).unwrap().state = "streaming".into();
    open.chunks.insert(("a".into(), 1, "answer".into()), "Hell".into());
    assert_eq!(shows(&["He"]).judge(&open), Vec::<String>::new());
    finds(&shows(&["Hello"]).judge(&open), "they part at byte 4");
}

#[test]
fn a_shown_text_of_an_earlier_attempt() {
    for (kind, kept, found) in [("continue", "", ""), ("retry", "Hello", ""), ("retry", "He", "they part at byte 2")] {
        let mut stored = reply("Hello and on");
        stored.messages.get_mut("a").unwrap()[0].attempt = 2;
        stored.attempts.get_mut(&("a".into(), 1)).unwrap().text = kept.into();
        let next = StoredAttempt { kind: kind.into(), state: "complete".into(), ..StoredAttempt::default() };
        stored.attempts.insert(("a".into(), 2), next);
        let faults = shows(&["Hello"]).judge(&stored);
        if found.is_empty() { assert_eq!(faults, Vec::<String>::new(), "{kind}") } else { finds(&faults, found) }
    }
}

#[test]
fn markup_that_is_not_the_texts() {
    let at = |text: &str, shown: &str| {
        let part = Part { len: text.encode_utf16().count(), blocks: vec![shown.into()], ..Part::default() };
        let mut all = Shown::default();
        all.note("a", 1, "answer", &part, true);
        all
    };
    assert_eq!(at("🌱 *a", "<p>🌱 <em>a</em></p>").judge(&reply("🌱 *a* b")), Vec::<String>::new());
    finds(&at("🌱 *a", "<p>🌱 *a</p>").judge(&reply("🌱 *a* b")), "is not that of the text");
    finds(&at("🌱 *a* b", "<p></p>").judge(&reply("🌱 *a")), "5 are stored");
    let mut two = at("a", "<p>a</p>");
    two.note("a", 1, "answer", &Part { len: 1, blocks: vec!["<p>b</p>".into()], ..Part::default() }, true);
    finds(&two.judge(&reply("a")), "two different things");
}

#[test]
fn a_viewer_that_misses_a_row() {
    let json = |rev: i64| json!({ "id": "a", "seq": 5, "rev": rev, "attempt": 0, "state": "complete", "text": "hello" });
    let fresh = |rows: Vec<Value>| Fresh { from: 0, rows, about: Value::Null, head: 9, faults: Vec::new() };
    let keeps = |rows: Vec<Value>| Kept {
        rows: rows.iter().map(|json| (text(&json["id"]), row(json))).collect(),
        cursor: "room.epoch.9".into(),
        ..Kept::default()
    };
    assert_eq!(judge_view(&keeps(vec![json(5)]), &fresh(vec![json(5)])), Vec::<String>::new());
    finds(&judge_view(&keeps(vec![]), &fresh(vec![json(5)])), "a viewer does not");
    finds(&judge_view(&keeps(vec![json(5)]), &fresh(vec![])), "a fresh page does not");
    finds(&judge_view(&keeps(vec![json(5)]), &fresh(vec![json(6)])), "a fresh page shows {");
    // Outside of its window it need not show it, and must not.
    assert_eq!(judge_view(&Kept { from: 6, ..keeps(vec![]) }, &fresh(vec![json(5)])), Vec::<String>::new());
    let behind = judge_view(&Kept { cursor: "room.epoch.8".into(), ..keeps(vec![]) }, &fresh(vec![]));
    assert_eq!(behind, ["a viewer is at 8 and the room at 9"]);
}
