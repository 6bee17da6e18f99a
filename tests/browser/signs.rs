//! Sounds and notifications: one for each thing that is new, however many windows a person has, in whatever language they are and however
//! they hear of it.

use serde_json::json;

use crate::stage::{Room, Stage, play};
use crate::support::Person;
use crate::tab::Tab;

/// Notifications, and sounds as far as somebody could hear them, are written down where all windows see it.
const TOLD: &str = "window.Notification = class { static permission = 'granted'; constructor(title, { body }) { if (window.phone) throw new TypeError('only workers'); wrote('told', `${title} / ${body}`); } close() {} }; \
     const wrote = (key, line) => { localStorage[key] = (localStorage[key] ?? '') + line + '\\n'; }; \
     ServiceWorkerRegistration.prototype.showNotification = async (title, { body, data }) => wrote('told', `${title} / ${body} / ${data.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '…')}`); \
     const Real = AudioContext; window.AudioContext = class extends Real { constructor() { super(); wrote('sounded', 'x'); } }; \
     localStorage['parlor.notify'] = localStorage['parlor.sound'] = 'all';";
const SOUNDS: &str = "(localStorage.sounded ?? '').split('\\n').filter(Boolean).length";

/// Ada's two rooms, in both of which Bob is too.
async fn house(stage: &Stage) -> (Person, [Room; 2]) {
    let ada = stage.first("Ada").await;
    let bob = stage.person("Bob").await;
    let rooms = [stage.room(&ada, "Kitchen").await, stage.room(&ada, "Garden").await];
    for room in &rooms {
        bob.joins(&room.id).await;
    }
    (bob, rooms)
}

/// Windows of Ada's, each begun by `begin`.
async fn windows(stage: &Stage, begin: &str, room: &Room, count: usize) -> Vec<Tab> {
    let first = stage.signed_in("Ada").await;
    let mut tabs = vec![first.clone()];
    while tabs.len() < count {
        tabs.push(stage.another_tab(&first).await);
    }
    for (n, tab) in tabs.iter().enumerate() {
        tab.begins_with(&format!("{TOLD} {begin}")).await;
        if n == 0 { tab.opens(&room.id).await } else { tab.goes("/account").await }
    }
    tabs
}

impl Tab {
    /// Waits until this many messages of the room are unread here, so that everything before has been heard.
    async fn has_unread(&self, room: &Room, count: u32) {
        let unread = "document.querySelector(`.side-item[data-room=\"${arguments[0]}\"]`)?.dataset.unread === arguments[1]";
        self.waits(&format!("{count} unread"), unread, &[json!(room.id), json!(count.to_string())]).await;
    }

    async fn is_told(&self, lines: &[&str]) {
        let told = "(localStorage.told ?? '').split('\\n').filter(Boolean)";
        self.waits("news", &format!("{told}.length >= arguments[0] && {SOUNDS} >= arguments[0]"), &[json!(lines.len())]).await;
        assert_eq!(self.asks(&format!("[{told}, {SOUNDS}]"), &[]).await, json!([lines, lines.len()]));
    }
}

/// Two messages of Bob's, one after the other: by the second all windows know what became of the first.
async fn each_is_told_once(bob: &Person, garden: &Room, tabs: &[Tab]) {
    let mut told = Vec::new();
    for (count, text) in [(1, "Weeds"), (2, "And snails")] {
        bob.says(&garden.id, text).await;
        for tab in tabs {
            tab.has_unread(garden, count).await;
        }
        told.push(format!("Garden / Bob: {text}"));
        tabs[0].is_told(&told.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_that_share_no_stream_tell_once() {
    play(async |stage| {
        let (bob, [kitchen, garden]) = house(stage).await;
        let tabs = windows(stage, "delete window.SharedWorker;", &kitchen, 3).await;
        assert_eq!(tabs[0].asks("document.documentElement.dataset.stream", &[]).await, "own");
        each_is_told_once(&bob, &garden, &tabs).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_in_two_languages_tell_once() {
    play(async |stage| {
        let (bob, [kitchen, garden]) = house(stage).await;
        let tabs = windows(stage, "", &kitchen, 4).await;
        tabs[2].does("[...document.querySelectorAll('button')].find((one) => one.lang === 'zh-Hans' || one.textContent.includes('简体')).click()", &[]).await;
        tabs[2].waits("Chinese", "document.documentElement.lang === 'zh-Hans'", &[]).await;
        tabs[3].goes("/account").await;
        tabs[3].waits("Chinese", "document.documentElement.lang === 'zh-Hans'", &[]).await;
        assert_eq!(tabs[1].asks("document.documentElement.lang", &[]).await, "en");
        for tab in &tabs {
            tab.waits("a list that lives", "!!document.querySelector('.side-item')", &[]).await;
        }
        each_is_told_once(&bob, &garden, &tabs).await;
    })
    .await;
}

/// Where pages may not notify by themselves, their service worker does; and what is seen anyway is told by nobody.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_phone_the_service_worker_tells_and_what_is_looked_at_is_not_told() {
    play(async |stage| {
        let (bob, [kitchen, garden]) = house(stage).await;
        let looks = "Object.defineProperty(document, 'hasFocus', { value: () => location.pathname.startsWith('/rooms/') });";
        let tabs = windows(stage, &format!("delete window.SharedWorker; window.phone = true; {looks}"), &kitchen, 2).await;
        tabs[0].waits("the service worker", "navigator.serviceWorker.ready.then(() => true)", &[]).await;
        bob.says(&kitchen.id, "Soup").await;
        tabs[0].sees("Soup").await;
        bob.says(&garden.id, "Weeds").await;
        for tab in &tabs {
            tab.has_unread(&garden, 1).await;
        }
        tabs[1].is_told(&["Garden / Bob: Weeds / /rooms/…?around=…#m-…"]).await;
    })
    .await;
}
