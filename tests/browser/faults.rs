//! Lost networks and killed servers: what was written is sent once, what was seen is there.

use serde_json::json;

use crate::stage::{play, script};
use crate::tab::Tab;

/// What a browser says of a network that is not there.
const NO_NETWORK: &str = "net::ERR_";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_offline_is_sent_once_even_after_a_reload() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let bob = stage.person("Bob").await;
        bob.joins(&room.id).await;
        let (ada, bob) = tokio::join!(stage.in_room_by_cable("Ada", &room), stage.in_room("Bob", &room));
        ada.browser.forgive(&[NO_NETWORK]);
        ada.goes_offline().await;
        ada.types_and_sends("Written in the tunnel").await;
        ada.waits("it is pale", "!!document.querySelector('.message.pending')", &[]).await;
        ada.types_and_sends("And another").await;
        ada.waits("both are pale", "document.querySelectorAll('.message.pending').length === 2", &[]).await;
        ada.reloads().await;
        ada.waits("no page", "!document.querySelector('chat-room')", &[]).await;
        assert_eq!(bob.texts().await, [""; 0]);

        ada.comes_online().await;
        ada.opens(&room.id).await;
        bob.finds("Written in the tunnel").await;
        bob.finds("And another").await;
        bob.types_and_sends("Welcome back").await;
        for tab in [&ada, &bob] {
            tab.finds("Welcome back").await;
            tab.waits("nothing is pale", "!document.querySelector('.pending')", &[]).await;
            assert_eq!(tab.texts().await, ["Written in the tunnel", "And another", "Welcome back"]);
        }
        assert_eq!(person.messages(&room.id).await.len(), 3);
        ada.shows_the_same_as(&bob).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_that_stays_open_catches_up_by_itself() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let bob = stage.person("Bob").await;
        bob.joins(&room.id).await;
        let (ada, bob) = tokio::join!(stage.in_room_by_cable("Ada", &room), stage.in_room("Bob", &room));
        ada.browser.forgive(&[NO_NETWORK]);
        bob.types_and_sends(&script(&[r#"say "One ""#, "wait two", r#"say "two ""#, "wait three", "say three"])).await;
        let id = ada.sees_reply_growing("One").await;
        ada.goes_offline().await;
        ada.waits("it is offline", "document.documentElement.dataset.live !== 'caught-up'", &[]).await;
        ada.reads("No connection.").await;
        stage.open("two");
        bob.reads_in(&id, "One two").await;
        ada.types_and_sends("@nobody: written offline").await;
        ada.comes_online().await;
        ada.is_caught_up().await;
        ada.reads_in(&id, "One two").await;
        ada.waits("no line about the connection", "document.querySelector('.offline').hidden", &[]).await;
        bob.finds("written offline").await;
        stage.open("three");
        for tab in [&ada, &bob] {
            tab.sees_state(&id, "complete").await;
            tab.reads_in(&id, "One two three").await;
            tab.waits("all is answered", "!document.querySelector('[data-state=streaming], [data-state=queued], .pending')", &[]).await;
        }
        ada.shows_the_same_as(&bob).await;
        let mine = person.messages(&room.id).await.into_iter().filter(|m| m["kind"] == "person" && m["text"] == "@nobody: written offline");
        assert_eq!(mine.count(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_nothing_that_was_seen() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let (ada, bob) = stage.both_in(&room).await;
        for tab in [&ada, &bob] {
            tab.browser.forgive(&[NO_NETWORK]);
        }
        let question = script(&[
            r#"say "The **first** half.\n\n""#,
            "sleep 50",
            r#"say "Then ""#,
            "wait never",
            "say nothing",
            "continue",
            "say the rest.",
        ]);
        ada.types_and_sends(&question).await;
        let id = ada.sees_reply_growing("Then").await;
        assert_eq!(bob.sees_reply_growing("Then").await, id);
        for tab in [&ada, &bob] {
            tab.does("document.querySelector(`#m-${arguments[0]} > .body > p`).remembered = true; window.same = true", &[json!(id)]).await;
        }

        stage.kill9().await;
        for tab in [&ada, &bob] {
            tab.waits("the connection is lost", "document.documentElement.dataset.live !== 'caught-up'", &[]).await;
            tab.reads_in(&id, "Then").await;
        }
        bob.types_and_sends("Is it still there?").await;
        stage.restart().await;

        for tab in [&ada, &bob] {
            tab.is_caught_up().await;
            tab.sees_state(&id, "interrupted").await;
            tab.reads_in(&id, "The first half.").await;
            tab.reads_in(&id, "Then").await;
            tab.reads("Interrupted.").await;
            tab.finds("Is it still there?").await;
            assert_eq!(tab.asks("window.same", &[]).await, true, "nobody had to reload");
            assert_eq!(tab.asks("document.querySelector(`#m-${arguments[0]} > .body > p`).remembered", &[json!(id)]).await, true);
        }
        all_is_answered(&[&ada, &bob]).await;
        ada.shows_the_same_as(&bob).await;
        assert_eq!(person.message(&room.id, &id).await["text"], "The **first** half.\n\nThen ");

        bob.clicks_in(&id, "Continue").await;
        for tab in [&ada, &bob] {
            tab.sees_state(&id, "complete").await;
            tab.reads_in(&id, "Then the rest.").await;
        }
        ada.shows_the_same_as(&bob).await;
        let posted = person.messages(&room.id).await.into_iter().filter(|m| m["kind"] == "person" && m["text"] == "Is it still there?");
        assert_eq!(posted.count(), 1);
        stage.database.holds().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_asked_to_end_says_so_and_comes_back() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let (ada, bob) = stage.both_in(&room).await;
        for tab in [&ada, &bob] {
            tab.browser.forgive(&[NO_NETWORK]);
        }
        ada.types_and_sends("Before").await;
        bob.finds("Before").await;
        stage.restart().await;
        ada.types_and_sends("After").await;
        bob.finds("After").await;
        for tab in [&ada, &bob] {
            tab.is_caught_up().await;
            tab.waits("nothing is pale", "!document.querySelector('.pending')", &[]).await;
            assert_eq!(tab.texts().await, ["Before", "After"]);
        }
    })
    .await;
}

async fn all_is_answered(tabs: &[&Tab]) {
    for tab in tabs {
        tab.waits("all is answered", "!document.querySelector('[data-state=streaming], [data-state=queued], .pending')", &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_by_the_back_button_is_caught_up() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let (ada, bob) = stage.both_in(&room).await;
        bob.types_and_sends(&script(&[r#"say "One ""#, "wait away", "say two"])).await;
        let id = ada.sees_reply_growing("One").await;
        ada.clicks_on(".side-me a.side-room").await;
        ada.is_at("/account").await;
        stage.open("away");
        bob.sees_state(&id, "complete").await;
        ada.does("history.back()", &[]).await;
        ada.is_at(&format!("/rooms/{}", room.id)).await;
        ada.sees_state(&id, "complete").await;
        ada.reads_in(&id, "One two").await;
        ada.shows_the_same_as(&bob).await;
        // And the stream is alive again.
        bob.types_and_sends(&script(&["say three"])).await;
        ada.sees_state("three", "complete").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_window_rests_and_catches_up_when_it_is_shown() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let (ada, bob) = stage.both_in(&room).await;
        // Where a stream is not shared it is each tab's own.
        ada.begins_with("delete window.SharedWorker").await;
        ada.opens(&room.id).await;
        assert_eq!(ada.asks("document.documentElement.dataset.stream", &[]).await, "own");
        let watch = "const close = EventSource.prototype.close; EventSource.prototype.close = function () { window.rests = true; close.call(this); };";
        ada.does(watch, &[]).await;
        ada.browser.with(&ada.window, async |client| client.minimize_window().await).await.unwrap();
        ada.waits("nobody sees it", "document.hidden", &[]).await;
        bob.types_and_sends("Soon after").await;
        ada.finds("Soon after").await;
        ada.waits("it gives its connection up", "window.rests", &[]).await;
        bob.types_and_sends("Long after").await;
        bob.waits("it is sent", "document.querySelectorAll('.message:not(.pending)').length === 2", &[]).await;
        assert_eq!(ada.texts().await, ["Soon after"]);
        ada.browser.with(&ada.window, async |client| client.set_window_size(1280, 900).await).await.unwrap();
        ada.waits("somebody sees it", "!document.hidden", &[]).await;
        ada.finds("Long after").await;
        ada.shows_the_same_as(&bob).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_was_never_seen_rests_too() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let bob = stage.person("Bob").await;
        bob.joins(&room.id).await;
        let ada = stage.in_room_by_cable("Ada", &room).await;
        ada.goes("/account").await;
        ada.browser.with(&ada.window, async |client| client.minimize_window().await).await.unwrap();
        let sources = "window.sources = []; const Source = EventSource; window.EventSource = class extends Source { constructor(url) { super(url); sources.push(this); } };";
        ada.begins_with(sources).await;
        // There is none from the start, or one that breaks while nobody looks.
        let fails = "const Real = SharedWorker; window.SharedWorker = function (url, how) { const worker = new Real(url, { ...how, name: 'parlor-fails' }); worker.port.start = () => {}; setTimeout(() => worker.dispatchEvent(new Event('error'))); return worker; };";
        for (n, how) in [fails, "delete window.SharedWorker;"].into_iter().enumerate() {
            ada.begins_with(how).await;
            ada.opens(&room.id).await;
            assert_eq!(ada.asks("[document.hidden, document.documentElement.dataset.stream]", &[]).await, json!([true, "own"]));
            ada.waits("it gives its connection up", "sources.length > 0 && sources.every((source) => source.readyState === EventSource.CLOSED)", &[]).await;
            let words = format!("Message {n}");
            bob.says(&room.id, &words).await;
            assert!(!ada.texts().await.contains(&words));
            ada.browser.with(&ada.window, async |client| client.set_window_size(1280, 900).await).await.unwrap();
            ada.finds(&words).await;
            ada.browser.with(&ada.window, async |client| client.minimize_window().await).await.unwrap();
            ada.waits("nobody sees it", "document.hidden", &[]).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_long_ago_does_not_stay_pale() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let first = person.says(&room.id, "Long ago").await;
        for number in 1..=60 {
            person.says(&room.id, &format!("Message {number}.")).await;
        }
        let ada = stage.in_room("Ada", &room).await;
        // The answer was lost, and the browser was closed for a while.
        let keep = "localStorage.setItem(`parlor.outbox.${document.querySelector('chat-room').dataset.me}.${arguments[0]}`, JSON.stringify({ id: arguments[0], room: arguments[1], text: 'Long ago', reply_to: null }))";
        ada.does(keep, &[json!(first), json!(room.id)]).await;
        ada.reloads().await;
        ada.is_caught_up().await;
        ada.waits("it is sent", "!Object.keys(localStorage).some((key) => key.startsWith('parlor.outbox.'))", &[]).await;
        ada.waits("nothing is pale", "!document.querySelector('.pending')", &[]).await;
        ada.shows_what_a_reload_shows().await;
        // Nor what another window has sent in the meantime.
        let window = stage.another_tab(&ada).await;
        window.opens(&room.id).await;
        window.does(&format!("window.held = navigator.locks.request(`parlor.outbox.${{document.querySelector('chat-room').dataset.me}}`, () => new Promise(() => {{}})); {keep}"), &[json!(first), json!(room.id)]).await;
        ada.waits("it is pale", "!!document.querySelector('.pending')", &[]).await;
        window.does("for (const key of Object.keys(localStorage)) if (key.startsWith('parlor.outbox.')) localStorage.removeItem(key)", &[]).await;
        ada.waits("nothing is pale", "!document.querySelector('.pending')", &[]).await;
        ada.shows_what_a_reload_shows().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_drawn_keeps_no_other_from_being_so() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let (ada, bob) = stage.both_in(&room).await;
        ada.browser.forgive(&["thorn"]);
        bob.types_and_sends("Before").await;
        ada.finds("Before").await;
        let breaks = "const { after } = Element.prototype; \
             Element.prototype.after = function (...nodes) { if (nodes.some((node) => node.textContent.includes('thorn'))) throw new Error('thorn'); return after.apply(this, nodes); }; \
             performance.now = () => 3600_000;";
        ada.does(breaks, &[]).await;
        bob.types_and_sends("A thorn").await;
        bob.types_and_sends("A rose").await;
        ada.finds("A rose").await;
        // It starts anew by itself, and has it.
        ada.finds("A thorn").await;
        ada.shows_the_same_as(&bob).await;
    })
    .await;
}
