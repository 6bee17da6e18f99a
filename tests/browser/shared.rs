//! One stream for all windows of a browser, and none of its own for any: however many there are, whichever of them ends, and whatever becomes
//! of the network, each shows in the end what a fresh page would show.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::cable::Cable;
use crate::driver::{LOOK_EVERY, PATIENCE};
use crate::stage::{Room, Stage, play, script};
use crate::support::Person;
use crate::support::proxy::{Door, End, Faults, Way};
use crate::tab::Tab;

/// What a browser says of a network that is bad, and of answers that are not there.
const BAD_NETWORK: [&str; 3] = ["net::ERR_", "503", "Failed to load resource"];
/// From the end of a fault until a page has found back: the longest pause between two attempts, and some.
const BACK: Duration = Duration::from_secs(45);
/// A network that swallows everything is noticed after 40 s.
const SILENCE: Duration = Duration::from_secs(40);

/// Three pieces of a reply, the second and third when they are let go.
const REPLY: [&str; 5] = [r#"say "One **bold** ""#, "wait two", r#"say "two\n\n- a list""#, "wait three", r#"say "\n\nand three.""#];

const WAY: &str = "document.documentElement.dataset.stream";

/// A room in which the scripted assistant answers who asks it.
async fn kitchen(stage: &Stage, person: &Person) -> Room {
    let room = stage.room(person, "Kitchen").await;
    stage.assistant("echo", &room.id, "mention").await;
    room
}

fn asks(lines: &[&str]) -> String {
    format!("@echo {}", script(lines))
}

/// Further windows of a browser with the same room.
async fn more_windows(stage: &Stage, tab: &Tab, room: &Room, count: usize) -> Vec<Tab> {
    let mut tabs = Vec::new();
    for _ in 0..count {
        let another = stage.another_tab(tab).await;
        another.opens(&room.id).await;
        tabs.push(another);
    }
    tabs
}

/// Waits for a fact about the cable.
async fn waits_for(what: &str, fact: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !fact() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        sleep(LOOK_EVERY).await;
    }
}

async fn is_back(tab: &Tab) {
    tab.waits_long(BACK, "the room is caught up", "document.documentElement.dataset.live === 'caught-up'", &[]).await;
}

async fn has_all(tab: &Tab, words: &[&str]) {
    for words in words {
        tab.waits_long(BACK, words, "document.querySelector('.messages').textContent.includes(arguments[0])", &[json!(words)]).await;
    }
    let open = "!document.querySelector('[data-state=streaming], [data-state=queued], .pending')";
    tab.waits_long(BACK, "nothing is open", open, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_of_one_browser_share_one_stream() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let kitchen = kitchen(stage, &person).await;
        let garden = stage.room(&person, "Garden").await;
        let bob = stage.person("Bob").await;
        bob.joins(&kitchen.id).await;
        bob.joins(&garden.id).await;
        let first = stage.in_room_by_cable("Ada", &kitchen).await;
        let second = more_windows(stage, &first, &kitchen, 1).await.remove(0);
        let other = more_windows(stage, &first, &garden, 1).await.remove(0);
        for tab in [&first, &second, &other] {
            tab.is_caught_up().await;
            assert_eq!(tab.asks(WAY, &[]).await, "shared");
        }
        waits_for("one stream", || first.cable().streams_open() == 1).await;
        let asked = first.cable().streams_asked();

        bob.says(&kitchen.id, &asks(&["say soup"])).await;
        bob.says(&garden.id, "Weeds").await;
        second.types_and_sends("and me").await;
        for tab in [&first, &second] {
            tab.sees_state("soup", "complete").await;
            tab.finds("and me").await;
        }
        other.finds("Weeds").await;
        assert_eq!(other.texts().await, ["Weeds"], "nothing of the other room");
        first.shows_the_same_as(&second).await;

        // A window more that lacks nothing costs the others nothing.
        let third = more_windows(stage, &first, &kitchen, 1).await.remove(0);
        third.shows_the_same_as(&first).await;
        assert_eq!((first.cable().streams_asked(), first.cable().streams_open()), (asked, 1));
        for tab in [&first, &second, &third, &other] {
            tab.shows_what_a_reload_shows().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_windows_on_plain_http_load_post_and_stream() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = kitchen(stage, &person).await;
        let first = stage.in_room_by_cable("Ada", &room).await;
        let mut tabs = more_windows(stage, &first, &room, 19).await;
        tabs.insert(0, first);
        waits_for("one stream", || tabs[0].cable().streams_open() == 1).await;
        for (n, tab) in tabs.iter().enumerate().step_by(5) {
            // The windows share one draft: what another one has sent may still stand here for a moment.
            tab.waits("an empty composer", "document.querySelector('#text').value === ''", &[]).await;
            tab.types_and_sends(&format!("from window {n}")).await;
        }
        tabs[19].waits("an empty composer", "document.querySelector('#text').value === ''", &[]).await;
        tabs[19].types_and_sends(&asks(&REPLY)).await;
        let id = tabs[0].sees_reply_growing("One").await;
        for tab in &tabs {
            tab.reads_in(&id, "One").await;
        }
        stage.open("two");
        for tab in &tabs {
            tab.shows_in(&id, "li", "a list").await;
        }
        stage.open("three");
        for tab in &tabs {
            tab.sees_state(&id, "complete").await;
            tab.waits("nothing is pale", "!document.querySelector('.pending')", &[]).await;
            for n in [0, 5, 10, 15] {
                tab.finds(&format!("from window {n}")).await;
            }
            tab.shows_the_same_as(&tabs[0]).await;
        }
        assert_eq!(tabs[0].cable().streams_open(), 1);
        tabs[7].shows_what_a_reload_shows().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_any_window_costs_the_others_nothing() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = kitchen(stage, &person).await;
        let bob = stage.person("Bob").await;
        bob.joins(&room.id).await;
        let first = stage.in_room_by_cable("Ada", &room).await;
        let mut others = more_windows(stage, &first, &room, 2).await;
        let (last, middle) = (others.remove(1), others.remove(0));
        bob.says(&room.id, &asks(&REPLY)).await;
        let id = last.sees_reply_growing("One").await;
        // What is asked for by now is asked for; the last window came before the reply.
        let cable = last.cable.clone().unwrap();
        let asked = cable.streams_asked();
        last.does("new MutationObserver(() => { window.states = (window.states ?? '') + document.documentElement.dataset.live; }).observe(document.documentElement, { attributes: true, attributeFilter: ['data-live'] })", &[]).await;

        first.closes().await;
        stage.open("two");
        last.shows_in(&id, "li", "a list").await;
        middle.shows_in(&id, "li", "a list").await;
        middle.closes().await;
        stage.open("three");
        last.sees_state(&id, "complete").await;
        bob.says(&room.id, "still there?").await;
        last.finds("still there?").await;
        assert_eq!((cable.streams_asked(), cable.streams_open()), (asked, 1));
        assert_eq!(last.asks("window.states ?? null", &[]).await, json!(null), "its connection never faltered");
        last.shows_what_a_reload_shows().await;

        // With the last one the stream ends; the page it goes to has none.
        last.goes("/api/me").await;
        waits_for("no stream", || cable.streams_open() == 0).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_crashes_costs_the_others_nothing() {
    crashes("", Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_is_noticed_where_nobody_tells_of_it() {
    // On plain http there are no locks; then it is the silence that tells.
    crashes("delete Navigator.prototype.locks", SILENCE + PATIENCE).await;
}

async fn crashes(before: &str, within: Duration) {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let bob = stage.person("Bob").await;
        bob.joins(&room.id).await;
        let first = stage.in_room_by_cable("Ada", &room).await;
        first.browser.forgive(&BAD_NETWORK);
        let last = more_windows(stage, &first, &room, 1).await.remove(0);
        last.begins_with(before).await;
        last.opens(&room.id).await;
        // The worker may live in the process of the first window, and ends with it.
        first.browser.crashes(&first.window).await;
        bob.says(&room.id, "Hello?").await;
        let since = Instant::now();
        last.waits_long(within, "the message", "document.querySelector('.messages').textContent.includes('Hello?')", &[]).await;
        println!("the other window goes on {} ms after the crash", since.elapsed().as_millis());
        is_back(&last).await;
        assert_eq!(last.asks(WAY, &[]).await, "shared", "with another worker");
        last.shows_what_a_reload_shows().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_joins_late_has_the_reply_that_grows() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = kitchen(stage, &person).await;
        let first = stage.in_room_by_cable("Ada", &room).await;
        first.types_and_sends(&asks(&REPLY)).await;
        let id = first.sees_reply_growing("One").await;
        let late = more_windows(stage, &first, &room, 1).await.remove(0);
        late.reads_in(&id, "One bold").await;
        stage.open("two");
        let later = more_windows(stage, &first, &room, 1).await.remove(0);
        let tabs = [&first, &late, &later];
        for tab in tabs {
            tab.shows_in(&id, "li", "a list").await;
        }
        stage.open("three");
        for tab in tabs {
            tab.sees_state(&id, "complete").await;
            tab.shows_the_same_as(&first).await;
        }
        assert_eq!(first.cable().streams_open(), 1);
        for tab in tabs {
            tab.shows_what_a_reload_shows().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_shared_workers_each_window_has_a_stream_of_its_own() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = kitchen(stage, &person).await;
        let first = stage.in_room_by_cable("Ada", &room).await;
        let second = stage.another_tab(&first).await;
        for tab in [&first, &second] {
            tab.begins_with("delete window.SharedWorker").await;
            tab.opens(&room.id).await;
            assert_eq!(tab.asks(WAY, &[]).await, "own");
        }
        waits_for("two streams", || first.cable().streams_open() == 2).await;
        first.types_and_sends(&asks(&REPLY)).await;
        let id = second.sees_reply_growing("One").await;
        stage.open("two");
        stage.open("three");
        for tab in [&first, &second] {
            tab.sees_state(&id, "complete").await;
            tab.shows_what_a_reload_shows().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_does_not_run_is_done_without_aloud() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let bob = stage.person("Bob").await;
        bob.joins(&room.id).await;
        let tab = stage.in_room("Ada", &room).await;
        tab.browser.forgive(&["TrustedScriptURL", "requires 'Trusted"]);
        let said = "window.warnings = []; console.warn = (words) => warnings.push(words);";
        // The policy of the page refuses it; its script does not run; it runs and says nothing.
        let refuses = "const Real = SharedWorker; window.SharedWorker = function (url, how) { return new Real('/elsewhere.js', how); };";
        let fails = "const Real = SharedWorker; window.SharedWorker = function (url, how) { const worker = new Real(url, { ...how, name: 'parlor-fails' }); worker.port.start = () => {}; setTimeout(() => worker.dispatchEvent(new Event('error'))); return worker; };";
        let silent = "const Real = SharedWorker; window.SharedWorker = function (url, how) { const worker = new Real(url, { ...how, name: 'parlor-silent' }); worker.port.start = () => {}; return worker; };";
        for (n, why) in [refuses, fails, silent].into_iter().enumerate() {
            let tab = stage.another_tab(&tab).await;
            tab.begins_with(&format!("{said} {why}")).await;
            tab.opens(&room.id).await;
            tab.waits("a stream of its own", "document.documentElement.dataset.stream === 'own'", &[]).await;
            let warned = tab.asks("warnings.filter((words) => words.startsWith('The stream is not shared')).length", &[]).await;
            assert_eq!(warned, 1, "{why}");
            let words = format!("Message {n}");
            bob.says(&room.id, &words).await;
            tab.finds(&words).await;
            tab.shows_what_a_reload_shows().await;
        }
        tab.finds("Message 2").await;
        assert_eq!(tab.asks(WAY, &[]).await, "shared", "the others are not concerned");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_from_the_cache_for_back_is_caught_up() {
    comes_back(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_to_a_stream_of_its_own_is_caught_up() {
    comes_back(false).await;
}

async fn comes_back(shared: bool) {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = kitchen(stage, &person).await;
        let bob = stage.person("Bob").await;
        bob.joins(&room.id).await;
        let tab = stage.in_room_by_cable("Ada", &room).await;
        if !shared {
            tab.begins_with("delete window.SharedWorker").await;
            tab.opens(&room.id).await;
        }
        bob.says(&room.id, &asks(&REPLY)).await;
        let id = tab.sees_reply_growing("One").await;
        tab.does("window.same = true; addEventListener('pageshow', (event) => { window.persisted = event.persisted; })", &[]).await;
        // Something that listens to nothing itself, unlike our pages, which all have the list of rooms.
        tab.goes("/api/me").await;
        tab.is_at("/api/me").await;
        // It does not count as a listener while it is away.
        waits_for("no stream", || tab.cable().streams_open() == 0).await;
        stage.open("two");
        stage.open("three");
        bob.says(&room.id, "meanwhile").await;
        tab.does("history.back()", &[]).await;
        tab.is_at(&format!("/rooms/{}", room.id)).await;
        tab.finds("meanwhile").await;
        tab.sees_state(&id, "complete").await;
        tab.is_caught_up().await;
        assert_eq!(tab.asks(WAY, &[]).await, if shared { "shared" } else { "own" });
        let reasons = tab.asks("JSON.stringify(performance.getEntriesByType('navigation')[0].notRestoredReasons ?? null)", &[]).await;
        assert_eq!(tab.asks("[window.same ?? null, window.persisted ?? null]", &[]).await, json!([true, true]), "it was kept: {reasons}");
        bob.says(&room.id, "and now").await;
        tab.finds("and now").await;
        tab.shows_what_a_reload_shows().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_window_follows_without_drawing_each_word() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = kitchen(stage, &person).await;
        let bob = stage.person("Bob").await;
        bob.joins(&room.id).await;
        let tab = stage.in_room_by_cable("Ada", &room).await;
        bob.says(&room.id, &asks(&REPLY)).await;
        let id = tab.sees_reply_growing("One").await;
        let seen = more_windows(stage, &tab, &room, 1).await.remove(0);
        tab.browser.with(&tab.window, async |client| client.minimize_window().await).await.unwrap();
        tab.waits("nobody sees it", "document.hidden", &[]).await;
        tab.watches().await;
        let asked = tab.cable().streams_asked();
        stage.open("two");
        seen.shows_in(&id, "li", "a list").await;
        // Longer than a tab with a stream of its own would keep it.
        sleep(Duration::from_secs(12)).await;
        assert_eq!(tab.has_seen().await, [""; 0], "nothing was drawn for nobody");
        tab.browser.with(&tab.window, async |client| client.set_window_size(1280, 900).await).await.unwrap();
        tab.shows_in(&id, "li", "a list").await;
        stage.open("three");
        tab.sees_state(&id, "complete").await;
        assert_eq!((tab.cable().streams_asked(), tab.cable().streams_open()), (asked, 1), "it kept its stream");
        tab.shows_what_a_reload_shows().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_was_frozen_has_missed_nothing() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let bob = stage.person("Bob").await;
        bob.joins(&room.id).await;
        let first = stage.in_room_by_cable("Ada", &room).await;
        let frozen = more_windows(stage, &first, &room, 1).await.remove(0);
        first.browser.devtools(&frozen.window, "Page.setWebLifecycleState", json!({ "state": "frozen" })).await;
        for n in 0..5 {
            bob.says(&room.id, &format!("Word {n}")).await;
        }
        first.finds("Word 4").await;
        first.browser.devtools(&frozen.window, "Page.setWebLifecycleState", json!({ "state": "active" })).await;
        frozen.finds("Word 4").await;
        frozen.shows_the_same_as(&first).await;
        frozen.shows_what_a_reload_shows().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_slept_has_missed_nothing() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let bob = stage.person("Bob").await;
        bob.joins(&room.id).await;
        let first = stage.in_room_by_cable("Ada", &room).await;
        first.browser.forgive(&BAD_NETWORK);
        let second = more_windows(stage, &first, &room, 1).await.remove(0);
        let ticks = "window.last = Date.now(); window.longest = 0; setInterval(() => { longest = Math.max(longest, Date.now() - last); last = Date.now(); }, 500);";
        second.does(ticks, &[]).await;
        first.browser.falls_asleep();
        // Longer than heartbeats and looks at the clock are apart; and meanwhile the network forgets it.
        let sleeps = Instant::now() + Duration::from_secs(35);
        first.cable().proxy.set(Faults::black_hole()).await;
        bob.says(&room.id, "In the night").await;
        tokio::time::sleep_until(sleeps).await;
        first.cable().mend().await;
        first.browser.wakes_up();
        for tab in [&first, &second] {
            has_all(tab, &["In the night"]).await;
            is_back(tab).await;
        }
        assert!(second.asks("longest", &[]).await.as_f64().is_some_and(|ms| ms > 30_000.0), "it did sleep");
        bob.says(&room.id, "In the morning").await;
        for tab in [&first, &second] {
            has_all(tab, &["In the morning"]).await;
            tab.shows_what_a_reload_shows().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_the_connection_is_shown_in_every_window_and_online_ends_the_wait() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let bob = stage.person("Bob").await;
        bob.joins(&room.id).await;
        let first = stage.in_room_by_cable("Ada", &room).await;
        first.browser.forgive(&BAD_NETWORK);
        let second = more_windows(stage, &first, &room, 1).await.remove(0);
        let tabs = [&first, &second];
        first.cable().cut().await;
        for tab in tabs {
            tab.waits("it is offline", "document.documentElement.dataset.live === 'offline'", &[]).await;
            tab.reads("No connection.").await;
        }
        bob.says(&room.id, "Not yet").await;
        // By now the pauses between attempts are long; the browser's word that it is online ends them.
        sleep(Duration::from_secs(10)).await;
        first.cable().mend().await;
        for tab in tabs {
            tab.does("dispatchEvent(new Event('online'))", &[]).await;
        }
        let since = Instant::now();
        for tab in tabs {
            tab.finds("Not yet").await;
            tab.is_caught_up().await;
            tab.waits("no line about the connection", "document.querySelector('.offline').hidden", &[]).await;
        }
        println!("caught up {} ms after “online”", since.elapsed().as_millis());
        assert_eq!(first.cable().streams_open(), 1);
        for tab in tabs {
            tab.shows_what_a_reload_shows().await;
        }
    })
    .await;
}

// ---- each fault of the network: the page is what a reload shows

/// Two windows of one browser while a reply grows, on a network with a fault. `during` is what is to be seen before it is mended.
async fn survives(fault: impl AsyncFnOnce(&Cable), during: impl AsyncFnOnce(&[&Tab; 2], &str)) {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = kitchen(stage, &person).await;
        let bob = stage.person("Bob").await;
        bob.joins(&room.id).await;
        let first = stage.in_room_by_cable("Ada", &room).await;
        first.browser.forgive(&BAD_NETWORK);
        let second = more_windows(stage, &first, &room, 1).await.remove(0);
        let tabs = [&first, &second];
        bob.says(&room.id, &asks(&REPLY)).await;
        let id = first.sees_reply_growing("One").await;
        second.reads_in(&id, "One").await;

        fault(first.cable()).await;
        bob.says(&room.id, "in bad times").await;
        stage.open("two");
        first.types_and_sends("written in bad times").await;
        during(&tabs, &id).await;
        first.cable().mend().await;
        let since = Instant::now();
        stage.open("three");
        for tab in tabs {
            has_all(tab, &["in bad times", "written in bad times", "and three."]).await;
            is_back(tab).await;
        }
        println!("all is there {} ms after the end of the fault", since.elapsed().as_millis());
        bob.says(&room.id, "in good times").await;
        for tab in tabs {
            tab.finds("in good times").await;
            assert_eq!(tab.whole_log().await.len(), 5);
        }
        first.shows_the_same_as(&second).await;
        for tab in tabs {
            tab.shows_what_a_reload_shows().await;
        }
        let mine = person.messages(&room.id).await.into_iter().filter(|m| m["text"] == "written in bad times");
        assert_eq!(mine.count(), 1, "it was sent once");
    })
    .await;
}

/// Waits until the windows know that something is wrong.
async fn is_noticed(tabs: &[&Tab; 2], within: Duration) {
    for tab in tabs {
        tab.waits_long(within, "the fault is noticed", "document.documentElement.dataset.live !== 'caught-up'", &[]).await;
    }
}

async fn all_is_seen_nonetheless(tabs: &[&Tab; 2], id: &str) {
    for tab in tabs {
        tab.waits_long(BACK, "the list", "!!document.querySelector(`#m-${arguments[0]} li`)", &[json!(id)]).await;
        for words in ["in bad times", "written in bad times"] {
            tab.waits_long(BACK, words, "document.querySelector('.messages').textContent.includes(arguments[0])", &[json!(words)]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_answers_503_is_waited_for() {
    // A browser's own reconnection ends for good at such an answer.
    let fault = async |cable: &Cable| cable.breaks(Faults::door(Door::Unavailable)).await;
    survives(fault, async |tabs, _| {
        is_noticed(tabs, PATIENCE).await;
        // What it answers itself does not reach the server: connections tell of the attempts.
        let accepted = tabs[0].cable().proxy.accepted();
        waits_for("further attempts", || tabs[0].cable().proxy.accepted() >= accepted + 2).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_falls_silent_is_noticed() {
    let fault = async |cable: &Cable| cable.proxy.set(Faults::black_hole()).await;
    survives(fault, async |tabs, _| is_noticed(tabs, SILENCE + PATIENCE).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_network_only_delays() {
    let way = Way { latency: Duration::from_millis(400), jitter: Duration::from_millis(200), ..Way::default() };
    let fault = async |cable: &Cable| cable.proxy.set(Faults::both(&way)).await;
    survives(fault, all_is_seen_nonetheless).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_slices_everything_into_bytes_changes_nothing() {
    let fault = async |cable: &Cable| cable.proxy.set(Faults::both(&Way { sliced: true, ..Way::default() })).await;
    survives(fault, all_is_seen_nonetheless).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_reset_are_opened_anew() {
    survives(async |cable| cable.proxy.reset().await, all_is_seen_nonetheless).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_bytes_a_second_are_survived() {
    let fault = async |cable: &Cable| cable.proxy.set(Faults::both(&Way { rate: Some(100), ..Way::default() })).await;
    survives(fault, async |tabs, id| {
        for tab in tabs {
            tab.waits_long(2 * BACK, "the list", "!!document.querySelector(`#m-${arguments[0]} li`)", &[json!(id)]).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_again_and_again_lose_nothing() {
    for (bytes, end) in [(900, End::Fin), (1500, End::Rst)] {
        let fault = async |cable: &Cable| cable.proxy.set(Faults::down(Way { cut: Some((bytes, end)), ..Way::default() })).await;
        survives(fault, async |tabs, _| {
            is_noticed(tabs, PATIENCE).await;
            let asked = tabs[0].cable().streams_asked();
            waits_for("further attempts", || tabs[0].cable().streams_asked() >= asked + 2).await;
        })
        .await;
    }
}

// ---- who listens

#[tokio::test(flavor = "multi_thread")]
async fn no_window_attaches_to_the_next_persons_stream() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let bob = stage.person("Bob").await;
        bob.joins(&room.id).await;
        let first = stage.in_room_by_cable("Ada", &room).await;
        let second = more_windows(stage, &first, &room, 1).await.remove(0);
        first.browser.forgive(&BAD_NETWORK);
        first.browser.forgive(&["409"]);
        // In the same browser Bob is signed in now, and the windows know nothing of it.
        let bobs = bob.cookies();
        for (name, value) in &bobs {
            let cookie = json!({ "name": name, "value": value, "url": first.origin, "httpOnly": true });
            first.browser.devtools(&first.window, "Network.setCookie", cookie).await;
        }
        let asked = first.cable().streams_asked();
        first.cable().proxy.reset().await;
        for tab in [&first, &second] {
            tab.waits("the page is Bob's", "document.querySelector('chat-room')?.dataset.myName === 'Bob'", &[]).await;
            tab.is_caught_up().await;
        }
        assert!(first.cable().streams_asked() > asked);
        assert_eq!(first.cable().streams_open(), 1, "Bob's own");
        first.types_and_sends("It is me").await;
        second.finds("It is me").await;
        let says = person.messages(&room.id).await;
        assert_eq!(says[0]["author"]["name"], "Bob");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_is_taken_away_ends_its_windows_alone() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let (kitchen, garden) = (stage.room(&person, "Kitchen").await, stage.room(&person, "Garden").await);
        let bob = stage.person("Bob").await;
        bob.joins(&kitchen.id).await;
        bob.joins(&garden.id).await;
        let out = stage.in_room_by_cable("Bob", &kitchen).await;
        out.browser.forgive(&["404"]);
        let out_too = more_windows(stage, &out, &kitchen, 1).await.remove(0);
        let stays = more_windows(stage, &out, &garden, 1).await.remove(0);
        stays.does("window.same = true", &[]).await;
        person.removes(&kitchen.id, &bob).await;
        for tab in [&out, &out_too] {
            tab.is_at("/rooms").await;
        }
        person.says(&garden.id, "You may stay here").await;
        stays.finds("You may stay here").await;
        assert_eq!(stays.asks("window.same ?? null", &[]).await, true);
    })
    .await;
}
