//! A reply while it grows: in every window, formatted all the way, for whoever comes late, reloads, or has long gone.

use serde_json::json;

use crate::stage::{play, script};

/// An answer with most of what a reply holds, cut at awkward places.
const ANSWER: [&str; 11] = [
    r#"say "Soup is **really""#,
    "wait one",
    r#"say " good** for `you""#,
    "wait two",
    r#"say "` all.\n\nThe second [paragraph](https://example.org""#,
    "wait three",
    r#"say "/soup) ends.\n\n```rust\nfn main() {""#,
    "wait four",
    r#"say "\n}\n```\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 |""#,
    "wait five",
    r#"say " 2 |\n\nDone & *served*.""#,
];
const TEXT: &str = "Soup is **really good** for `you` all.\n\nThe second [paragraph](https://example.org/soup) ends.\n\n```rust\nfn main() {\n}\n```\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nDone & *served*.";

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_grows_in_both_windows_formatted_all_the_way() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let (ada, bob) = stage.both_in(&room).await;
        let both = [&ada, &bob];
        for tab in both {
            tab.watches().await;
        }
        ada.types_and_sends(&script(&ANSWER)).await;
        let id = ada.sees_reply_growing("Soup is").await;
        for tab in both {
            assert_eq!(tab.sees_reply_growing("really").await, id);
        }
        stage.open("one");
        for tab in both {
            tab.shows_in(&id, "strong", "really good").await;
        }
        stage.open("two");
        for tab in both {
            tab.shows_in(&id, "code", "you").await;
            tab.shows_in(&id, "p:nth-child(2)", "The second").await;
            // The first block is finished. It is remembered by a property of its node.
            tab.does("document.querySelector(`#m-${arguments[0]} > .body > p`).remembered = 'first'", &[json!(id)]).await;
        }
        stage.open("three");
        for tab in both {
            tab.shows_in(&id, "a[href='https://example.org/soup']", "paragraph").await;
            tab.shows_in(&id, "pre code", "fn main() {").await;
            tab.does("document.querySelector(`#m-${arguments[0]} > .body > p:nth-child(2)`).remembered = 'second'", &[json!(id)]).await;
        }
        stage.open("four");
        for tab in both {
            tab.shows_in(&id, "li", "one").await;
            tab.shows_in(&id, "table th", "a").await;
            tab.does("document.querySelector(`#m-${arguments[0]} > .body pre`).remembered = 'code'", &[json!(id)]).await;
        }
        stage.open("five");
        for tab in both {
            tab.sees_state(&id, "complete").await;
            tab.shows_in(&id, "p:last-child em", "served").await;
            let kept = "[...document.querySelector(`#m-${arguments[0]} > .body`).querySelectorAll('*')].map((node) => node.remembered).filter(Boolean)";
            assert_eq!(tab.asks(kept, &[json!(id)]).await, json!(["first", "second", "code"]), "finished blocks are never made anew");
            for seen in tab.has_seen().await {
                for raw in ["**", "`", "](", "http", "|", "--"] {
                    assert!(!seen.contains(raw), "{raw} was seen raw: {seen}");
                }
            }
        }
        ada.shows_the_same_as(&bob).await;

        // The same text everywhere: on both pages, in the store, and on a page that is loaded now.
        let kept = person.message(&room.id, &id).await;
        assert_eq!(kept["text"], TEXT);
        let before = bob.log().await;
        bob.reloads().await;
        bob.is_caught_up().await;
        assert_eq!(bob.log().await, before);
        stage.database.holds().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_in_the_middle_sees_what_the_others_see() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let (ada, bob) = stage.both_in(&room).await;
        let carol = stage.person("Carol").await;
        carol.joins(&room.id).await;
        bob.goes("/rooms").await;
        ada.types_and_sends(&script(&ANSWER)).await;
        stage.open("one");
        stage.open("two");
        let id = ada.sees_reply_growing("The second").await;

        let carol = stage.in_room("Carol", &room).await;
        assert_eq!(carol.finds(&id).await.state, "streaming");
        carol.shows_in(&id, "p:nth-child(2)", "The second").await;
        carol.shows_the_same_as(&ada).await;
        bob.opens(&room.id).await;
        bob.shows_the_same_as(&ada).await;

        stage.open("three");
        for tab in [&ada, &bob, &carol] {
            tab.shows_in(&id, "pre code", "fn main() {").await;
        }
        carol.shows_the_same_as(&ada).await;
        stage.open("four");
        stage.open("five");
        for tab in [&ada, &bob, &carol] {
            tab.sees_state(&id, "complete").await;
        }
        carol.shows_the_same_as(&ada).await;
        bob.shows_the_same_as(&ada).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_reloads_in_the_middle_lose_nothing() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let (ada, bob) = stage.both_in(&room).await;
        ada.types_and_sends(&script(&ANSWER)).await;
        let id = ada.sees_reply_growing("really").await;
        for (gate, shown) in [("one", "really good"), ("two", "The second"), ("three", "fn main"), ("four", "two"), ("", "two")] {
            if !gate.is_empty() {
                stage.open(gate);
            }
            bob.reads_in(&id, shown).await;
            bob.reloads().await;
            bob.is_caught_up().await;
            bob.reads_in(&id, shown).await;
            assert_eq!(bob.finds(&id).await.state, "streaming");
        }
        stage.open("five");
        for tab in [&ada, &bob] {
            tab.sees_state(&id, "complete").await;
        }
        bob.shows_the_same_as(&ada).await;
        assert_eq!(person.message(&room.id, &id).await["text"], TEXT);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_goes_on_when_who_asked_has_gone() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let (ada, bob) = stage.both_in(&room).await;
        let window = stage.another_tab(&ada).await;
        ada.goes("/account").await;
        window.opens(&room.id).await;
        window.types_and_sends(&script(&[r#"say "One ""#, "wait gone", "say two"])).await;
        window.sees_reply_growing("One").await;
        window.closes().await;
        let id = bob.sees_reply_growing("One").await;
        stage.open("gone");
        bob.sees_state(&id, "complete").await;
        bob.reads_in(&id, "One two").await;
        // And it is there when she comes back.
        ada.opens(&room.id).await;
        ada.reads_in(&id, "One two").await;
        ada.shows_the_same_as(&bob).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reasoning_is_folded_and_grows_too() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let (ada, bob) = stage.both_in(&room).await;
        ada.types_and_sends(&script(&[r#"reason "Let me **think**.""#, "wait thought", r#"say "Forty-two.""#])).await;
        let thought = "[...document.querySelectorAll('.message[data-state=streaming] > .reasoning > .thought strong')].map((s) => s.textContent).join() === 'think'";
        for tab in [&ada, &bob] {
            tab.waits("a thought", thought, &[]).await;
            assert_eq!(tab.asks("document.querySelector('.message[data-state=streaming] > .reasoning').open", &[]).await, false);
        }
        stage.open("thought");
        for tab in [&ada, &bob] {
            tab.sees_state("Forty-two.", "complete").await;
        }
        ada.shows_the_same_as(&bob).await;
        let id = ada.finds("Forty-two.").await.id;
        assert_eq!(person.message(&room.id, &id).await["reasoning"], "Let me **think**.");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fast_reply_arrives_whole() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        stage.assistant_of("Tour", &room.id, "always", &["--provider", "scripted", "--model", "markdown?tokens_per_second=120"]).await;
        let (ada, bob) = stage.both_in(&room).await;
        for tab in [&ada, &bob] {
            tab.watches().await;
        }
        ada.types_and_sends("Show us").await;
        for tab in [&ada, &bob] {
            tab.sees_state("A tour of a message", "complete").await;
            // It came in many steps, and each only added to what was shown.
            let seen = tab.has_seen().await;
            assert!(seen.len() > 1, "{} steps", seen.len());
        }
        ada.shows_the_same_as(&bob).await;
        let shown = bob.log().await;
        bob.reloads().await;
        bob.is_caught_up().await;
        assert_eq!(bob.log().await, shown);
    })
    .await;
}

/// How many replies run at once.
const AT_ONCE: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_says_for_whose_question_and_how_many_come_before() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let ada = stage.in_room("Ada", &room).await;
        let busy = script(&["wait never"]);
        futures_util::future::join_all((0..AT_ONCE).map(|_| person.says(&room.id, &busy))).await;
        let running = "document.querySelectorAll('.message[data-state=streaming]').length === arguments[0]";
        ada.waits("all of them run", running, &[json!(AT_ONCE)]).await;
        ada.types_and_sends(&script(&["say first"])).await;
        let waits = "[...document.querySelectorAll('.message[data-state=queued] .thinking')].map((line) => getComputedStyle(line, '::after').content).join() === arguments[0]";
        let first = "\"waiting for Ada’s question (64 before)…\"";
        ada.waits("whom it waits for", waits, &[json!(first)]).await;
        ada.types_and_sends(&script(&["say second"])).await;
        ada.waits("one more", waits, &[json!(format!("{first},{}", first.replace("64", "65")))]).await;
        // What ends makes room, and those behind it move up.
        ada.does("document.querySelector('.message[data-state=streaming] [data-act=stop] button').click()", &[]).await;
        ada.sees_state("first", "complete").await;
        ada.sees_state("second", "complete").await;
        ada.waits("nobody", "!document.querySelector('.message [data-queue]')", &[]).await;
    })
    .await;
}
