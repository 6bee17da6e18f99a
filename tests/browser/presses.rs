//! What is pressed does what it says, also when it is pressed twice, and nothing that is on its way is lost by a careless moment.

use reqwest::Method;
use serde_json::json;

use crate::stage::play;
use crate::support::person::text;
use crate::tab::Key;

#[tokio::test(flavor = "multi_thread")]
async fn a_quick_second_press_takes_a_reaction_back() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let id = person.says(&room.id, "Soup?").await;
        let (ada, bob) = stage.both_in(&room).await;
        let react = format!("/api/rooms/{}/messages/{id}/reactions", room.id);
        person.call(Method::POST, &react, Some(json!({ "emoji": "👍", "on": true }))).await.ok();
        bob.waits("hers", "document.querySelector('.reaction')?.textContent === '👍 1'", &[]).await;
        // The server takes its time with the first, and both are pressed before anything is known of it.
        let slow = "const ask = window.fetch; window.asked = []; window.open1 = null; \
             window.fetch = async (url, how) => { if (how?.method !== 'POST' || !url.includes('/reactions')) return ask(url, how); \
             asked.push(JSON.parse(how.body).on); if (asked.length === 1) await new Promise((go) => { window.open1 = go; }); \
             const answer = await ask(url, how); window.answered = (window.answered ?? 0) + 1; return answer; };";
        bob.does(slow, &[]).await;
        let pressed = "document.querySelector('.reaction').ariaPressed";
        bob.does("document.querySelector('.reaction').click()", &[]).await;
        assert_eq!(bob.asks(pressed, &[]).await, "true", "it shows at once that it was pressed");
        bob.does("document.querySelector('.reaction').click(); window.open1()", &[]).await;
        bob.waits("both are answered", "window.answered === 2", &[]).await;
        assert_eq!(bob.asks("window.asked", &[]).await, json!([true, false]));
        bob.waits(
            "only hers is left",
            &format!("document.querySelector('.reaction').textContent === '👍 1' && {pressed} === 'false'"),
            &[],
        )
        .await;
        // What is refused is shown as it was.
        bob.browser.forgive(&["403", "404"]);
        bob.does("window.fetch = async () => new Response('{}', { status: 403 }); document.querySelector('.reaction').click()", &[]).await;
        bob.waits("what is wrong", &format!("!!document.querySelector('.complaint') && {pressed} === 'false'"), &[]).await;
        drop(ada);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_switcher_counts_a_talk_once() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let bob = stage.person("Bob").await;
        let id = text(&person.call(Method::GET, "/api/me", None).await.ok()["id"]);
        let talk = text(&bob.call(Method::POST, &format!("/api/people/{id}/talk"), None).await.json()["id"]);
        bob.says(&talk, "Soup?").await;
        bob.says(&talk, "Now?").await;
        let ada = stage.in_room("Ada", &room).await;
        ada.presses(Key::CtrlK).await;
        ada.waits("the talk", "document.querySelector('#switcher-0')?.textContent.startsWith('Bob')", &[]).await;
        assert_eq!(ada.asks("document.querySelector('#switcher-0').textContent", &[]).await, "Bob 2 unread");
    })
    .await;
}

/// Keeps files from being sent until `letGo` is called.
const HOLDS: &str = "const send = XMLHttpRequest.prototype.send; window.held = []; \
     XMLHttpRequest.prototype.send = function (body) { held.push(() => send.call(this, body)); }; \
     window.letGo = () => { for (const one of held.splice(0)) one(); }; \
     window.adds = () => document.querySelector('chat-composer').files.add([new File(['A note.'], 'note.txt', { type: 'text/plain' })]);";

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_while_a_file_is_on_its_way_is_asked() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let ada = stage.in_room("Ada", &room).await;
        let warns = "!dispatchEvent(new Event('beforeunload', { cancelable: true }))";
        assert_eq!(ada.asks(warns, &[]).await, false, "nothing is lost");
        ada.does(HOLDS, &[]).await;
        ada.does("adds()", &[]).await;
        assert_eq!(ada.asks(warns, &[]).await, true, "one is on its way");
        ada.does("letGo()", &[]).await;
        ada.waits("it has arrived", "document.querySelector('chat-composer').files.files.length === 1", &[]).await;
        assert_eq!(ada.asks(warns, &[]).await, false, "it is kept with the draft");
        // One that did not arrive is only here.
        ada.does("adds(); XMLHttpRequest.prototype.send = function () { this.onerror(); }; adds()", &[]).await;
        assert_eq!(ada.asks(warns, &[]).await, true, "one is on its way, one has failed");
        // Taken away, they are not missed.
        for _ in 0..3 {
            ada.does("document.querySelector('.file-chip:last-child > button:last-child').click()", &[]).await;
        }
        assert_eq!(
            ada.asks(
                "[document.querySelectorAll('.file-chip').length, !dispatchEvent(new Event('beforeunload', { cancelable: true }))]",
                &[]
            )
            .await,
            json!([0, false])
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_that_is_over_leads_a_stranger_to_the_door() {
    play(async |stage| {
        stage.first("Ada").await;
        let stranger = stage.browser("Nobody").await;
        stranger.browser.forgive(&["404"]);
        stranger.goes("/invite/that-is-over").await;
        stranger.reads("This invitation is over").await;
        assert_eq!(stranger.asks("document.body.innerText.includes('To your rooms')", &[]).await, false);
        stranger.clicks("Sign in").await;
        stranger.is_at("/sign-in").await;
        // Who is at home goes home.
        let ada = stage.signed_in("Ada").await;
        ada.browser.forgive(&["404"]);
        ada.goes("/invite/that-is-over").await;
        ada.clicks("To your rooms").await;
        ada.waits("her rooms", "location.pathname.startsWith('/rooms')", &[]).await;
    })
    .await;
}
