//! What it looks like. With `PARLOR_SCREENSHOTS=folder` each view is kept there as a picture, for somebody to look at; with or without,
//! nothing may be wider than its screen, and axe may find nothing.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::stage::{PASSWORD, Room, Stage, play, script};
use crate::support::Person;
use crate::support::person::text;
use crate::tab::Tab;

#[tokio::test(flavor = "multi_thread")]
async fn the_door() {
    play(async |stage| {
        let ada = stage.browser("Ada").await;
        ada.goes("/").await;
        ada.looks("first-visit").await;
        let person = stage.first("Ada").await;
        ada.goes("/").await;
        ada.looks("sign-in").await;
        ada.browser.forgive(&["401", "403", "422"]);
        ada.fills("Name", "Ada").await;
        ada.fills("Password", "not this one").await;
        ada.clicks("Sign in").await;
        ada.waits("a refusal", "!!document.querySelector('.flash.error')", &[]).await;
        ada.looks("sign-in-refused").await;
        let link = person.invites(1).await;
        ada.goes(&link).await;
        ada.looks("invitation").await;
        ada.becomes_dark().await;
        ada.goes("/sign-in").await;
        ada.looks("dark-sign-in").await;
        ada.becomes_a_phone().await;
        ada.looks("phone-sign-in").await;
        ada.goes(&link).await;
        ada.looks("phone-invitation").await;
        ada.goes("/web/stream-chat?n=20&every_ms=50").await;
        ada.reads("All 20 came").await;
        ada.looks("phone-stream-check").await;
        ada.browser.forgive(&["404"]);
        ada.goes("/invite/nothing").await;
        ada.looks("phone-no-invitation").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_room() {
    play(async |stage| {
        let (room, person, bob) = furnished(stage).await;
        let ada = stage.in_room("Ada", &room).await;
        ada.looks("room").await;
        ada.points_at(".message:last-of-type > .body").await;
        ada.waits("the toolbar", "!!document.querySelector('.message > .actions')", &[]).await;
        ada.looks("room-actions").await;
        let hers = text(&person.messages(&room.id).await[0]["id"]);
        ada.acts(&hers, "edit").await;
        ada.waits("a form", "!!document.querySelector('form.edit textarea')", &[]).await;
        ada.looks("room-editing").await;
        ada.clicks("Cancel").await;
        ada.acts(&hers, "reply").await;
        ada.types("Yes, let us **do** that.\n\nAnd a second paragraph, which is a little longer than the first one was.").await;
        ada.looks("room-composing").await;
        ada.acts(&hers, "delete").await;
        ada.waits("a question", "document.querySelector('#delete-message').open", &[]).await;
        ada.looks("room-deleting").await;
        ada.clicks("Keep it").await;
        ada.does("document.querySelector('.log').scrollTop = 0", &[]).await;
        bob.says(&room.id, "Meanwhile, below.").await;
        ada.reads("1 new · jump to latest").await;
        ada.looks("room-pill").await;
        ada.becomes_dark().await;
        ada.clicks_on(".pill").await;
        ada.looks("dark-room").await;
        ada.becomes_a_phone().await;
        ada.looks("dark-phone-room").await;
        ada.becomes_light().await;
        ada.opens(&room.id).await;
        ada.looks("phone-room").await;
        ada.clicks("Rooms").await;
        ada.waits("the list", "document.querySelector('#rooms').matches(':popover-open')", &[]).await;
        ada.looks("phone-rooms").await;
        let empty = stage.room(&person, "Empty").await;
        ada.opens(&empty.id).await;
        ada.looks("phone-empty").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_in_every_state() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let (ada, bob) = stage.both_in(&room).await;
        ada.types_and_sends(&script(&[
            "wait words",
            r###"say "## Leek soup\n\nFor **four** people:\n\n1. three leeks\n2. two potatoes\n3. a litre of stock, and ""###,
            "wait more",
            r#"say "salt.\n\n```python\nsoup = boil(leeks, potatoes)\n""#,
            "wait never",
            "say nothing",
        ]))
        .await;
        let seconds = "getComputedStyle(document.querySelector('.message[data-state=streaming] .thinking'), '::after').content";
        bob.waits("how long it has been thinking", &format!("/[2-9] s/.test({seconds})"), &[]).await;
        bob.looks("reply-thinking").await;
        stage.open("words");
        bob.shows_in("Leek soup", "ol li", "stock").await;
        bob.looks("reply-growing").await;
        bob.becomes_a_phone().await;
        bob.looks("phone-reply-growing").await;
        bob.becomes_dark().await;
        bob.looks("dark-phone-reply-growing").await;
        bob.becomes_light().await;
        bob.becomes_a_desk().await;
        stage.open("more");
        bob.shows_in("Leek soup", "pre code", "boil").await;
        bob.looks("reply-growing-code").await;
        bob.clicks_in("Leek soup", "Stop").await;
        bob.reads("Stopped by Bob.").await;
        bob.looks("reply-stopped").await;
        ada.types_and_sends(&script(&[
            "reason I had better look at the pot first.",
            "say The soup is",
            r#"error 503 "the kitchen is on fire""#,
        ]))
        .await;
        ada.sees_state("The soup is", "failed").await;
        ada.looks("reply-failed").await;
        ada.becomes_dark().await;
        ada.looks("dark-reply-failed").await;
        ada.becomes_a_phone().await;
        ada.looks("dark-phone-reply-failed").await;
        let reply = ada.finds("The soup is").await.id;
        ada.clicks_in(&reply, "Retry").await;
        ada.reads("attempt 2").await;
        ada.sees_state(&reply, "failed").await;
        ada.becomes_light().await;
        ada.becomes_a_desk().await;
        ada.goes(&format!("/rooms/{}/messages/{reply}", room.id)).await;
        ada.looks("message-page").await;
        ada.becomes_a_phone().await;
        ada.looks("phone-message-page").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_beside_the_room() {
    play(async |stage| {
        let (room, person, _) = furnished(stage).await;
        person.invites(3).await;
        stage.cli(&["token", "add", "Ada"], "").await.ok();
        stage.signs_in("Ada").await;
        let ada = stage.signed_in("Ada").await;
        ada.browser.forgive(&["404", "422", "409"]);
        let mine = text(&person.messages(&room.id).await[0]["id"]);
        let reply = reply_in(&person, &room).await;
        let views = [
            ("saw", format!("/rooms/{}/messages/{reply}/saw", room.id)),
            ("usage", "/usage?days=7&of=all".to_owned()),
            ("rooms", "/rooms".to_owned()),
            ("settings", format!("/rooms/{}/settings", room.id)),
            ("people", "/people".to_owned()),
            ("account", "/account".to_owned()),
            ("own-message-page", format!("/rooms/{}/messages/{mine}", room.id)),
            ("error", "/rooms/nowhere".to_owned()),
        ];
        for (name, path) in &views {
            ada.goes(path).await;
            ada.looks(name).await;
        }
        ada.goes("/usage?days=90&of=all").await;
        ada.does("for (const numbers of document.querySelectorAll('.numbers')) numbers.open = true", &[]).await;
        ada.looks("usage-numbers").await;
        ada.goes("/people").await;
        ada.clicks("Make a link").await;
        ada.reads("The invitation is ready.").await;
        ada.looks("people-invited").await;
        ada.goes(&format!("/rooms/{}/settings", room.id)).await;
        ada.fills("Add someone", "Nobody at all").await;
        ada.clicks("Add").await;
        ada.waits("a refusal", "!!document.querySelector('.flash.error')", &[]).await;
        ada.looks("settings-refused").await;
        ada.becomes_dark().await;
        for (name, path) in &views {
            ada.goes(path).await;
            ada.looks(&format!("dark-{name}")).await;
        }
        ada.becomes_light().await;
        ada.becomes_a_phone().await;
        for (name, path) in &views {
            ada.goes(path).await;
            ada.looks(&format!("phone-{name}")).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_script_and_without_network() {
    play(async |stage| {
        let (room, _, _) = furnished(stage).await;
        let bob = stage.browser_without_script("Bob").await;
        bob.signs_in("Bob", PASSWORD).await;
        bob.goes(&format!("/rooms/{}", room.id)).await;
        bob.looks("plain-room").await;
        let ada = stage.in_room_by_cable("Ada", &room).await;
        ada.browser.forgive(&["net::ERR_"]);
        ada.goes_offline().await;
        ada.types_and_sends("Can anybody hear me?").await;
        ada.reads("No connection.").await;
        ada.looks("room-offline").await;
        ada.comes_online().await;
        ada.is_caught_up().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_house_in_chinese() {
    play(async |stage| {
        let (room, person, bob) = furnished(stage).await;
        let link = person.invites(1).await;
        let li = stage.browser("Nobody").await;
        li.goes("/sign-in").await;
        li.clicks("简体中文").await;
        li.reads("登录").await;
        li.speaks_only_chinese("zh-sign-in").await;
        li.looks("zh-sign-in").await;
        li.goes(&link).await;
        li.speaks_only_chinese("zh-invitation").await;
        li.looks("zh-invitation").await;
        let ada = stage.in_room("Ada", &room).await;
        ada.browser.forgive(&["404", "422"]);
        ada.goes("/account").await;
        ada.clicks("简体中文").await;
        ada.reads("登录的设备").await;
        ada.opens(&room.id).await;
        // What comes by the stream speaks the page's language, and the same words as a page that is loaded.
        let mentioned = bob.says(&room.id, "@Tour once more, please").await;
        ada.waits("the answer", "[...document.querySelectorAll('.message[data-kind=assistant]')].length === 2 && !document.querySelector('.message[data-state=streaming], .message[data-state=queued]')", &[]).await;
        ada.shows_what_a_reload_shows().await;
        ada.speaks_only_chinese("zh-room").await;
        ada.looks("zh-room").await;
        let views = [
            ("rooms", "/rooms".to_owned()),
            ("settings", format!("/rooms/{}/settings", room.id)),
            ("people", "/people".to_owned()),
            ("account", "/account".to_owned()),
            ("message-page", format!("/rooms/{}/messages/{mentioned}", room.id)),
            ("saw", format!("/rooms/{}/messages/{}/saw", room.id, reply_in(&person, &room).await)),
            ("usage", "/usage".to_owned()),
            ("error", "/rooms/nowhere".to_owned()),
        ];
        for (name, path) in &views {
            ada.goes(path).await;
            ada.speaks_only_chinese(&format!("zh-{name}")).await;
            ada.looks(&format!("zh-{name}")).await;
        }
        ada.goes(&format!("/rooms/{}/settings", room.id)).await;
        ada.fills("添加成员", "Nobody at all").await;
        ada.clicks("添加").await;
        ada.reads("没有叫“Nobody at all”的人").await;
        ada.becomes_dark().await;
        ada.becomes_a_phone().await;
        ada.opens(&room.id).await;
        ada.looks("zh-dark-phone-room").await;
        for (name, path) in &views {
            ada.goes(path).await;
            ada.looks(&format!("zh-dark-phone-{name}")).await;
        }
    })
    .await;
}

/// An assistant's answer.
async fn reply_in(person: &Person, room: &Room) -> String {
    let messages = person.messages(&room.id).await;
    text(&messages.iter().find(|message| message["attempt"] != 0).expect("an answer")["id"])
}

/// A room in which some talk has been.
async fn furnished(stage: &Stage) -> (Room, Person, Person) {
    let ada = stage.first("Ada").await;
    let room = stage.room(&ada, "Kitchen").await;
    let settings = json!({ "topic": "What we cook, and who brings the bread" });
    ada.call(reqwest::Method::PATCH, &format!("/api/rooms/{}", room.id), Some(settings)).await.ok();
    for name in ["Garden", "A room with a rather long name that does not fit"] {
        ada.makes_room(name).await;
    }
    ada.makes_private_room("Accounts").await;
    stage.assistant_of("Tour", &room.id, "mention", &["--provider", "scripted", "--model", "markdown?tokens_per_second=1000"]).await;
    let bob = stage.person("Bob").await;
    let li = stage.person("李小龙").await;
    bob.joins(&room.id).await;
    li.joins(&room.id).await;
    let first = ada.says(&room.id, "Shall we cook something on **Friday**? I would like to try the soup again.").await;
    ada.says(&room.id, "Or a risotto.").await;
    bob.replies(&room.id, &first, "Soup! Here is what I wrote down last time:\n\n- leeks, *washed*\n- potatoes\n- `salt`").await;
    bob.says(&room.id, "> Never trust a thin cook.\n\nSee https://example.org/soup for the rest.").await;
    li.says(&room.id, "我带面包。星期五晚上七点见！").await;
    let asked = ada.says(&room.id, "@Tour show us what you can do").await;
    let mut tab = ada.live(&room.id).await;
    let reply = tab.sees_reply_to(&asked).await;
    tab.sees_state(&reply, "complete").await;
    bob.says(&room.id, "That is a lot.").await;
    let gone = bob.says(&room.id, "I should not have said that.").await;
    bob.deletes(&room.id, &gone).await;
    ada.says(&room.id, "It is settled then.").await;
    (room, ada, bob)
}

impl Tab {
    /// Every word that is shown or read out and is not somebody's own is Chinese.
    async fn speaks_only_chinese(&self, view: &str) {
        // Each text counts for itself, so that an initial and the name after it are two words; what stands in a `noscript` is text to the
        // page, and markup to who reads it.
        let own = "(() => { const clone = document.body.cloneNode(true); \
             for (const plain of clone.querySelectorAll('noscript')) plain.textContent = plain.textContent.replace(/<[^>]*>/g, ' '); \
             for (const theirs of clone.querySelectorAll('bdi, .prose, .saw-text, code, pre, input, textarea, script, time, [lang], option, .avatar, .room-names, .row-name, .facts > span:first-child, .row-sub > bdi')) theirs.remove(); \
             const said = [document.title]; \
             const hear = (root) => { const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT); while (texts.nextNode()) said.push(texts.currentNode.data); \
                 for (const template of root.querySelectorAll('template')) hear(template.content); }; \
             hear(clone); \
             for (const one of document.querySelectorAll('[aria-label], [title], [placeholder]')) if (!one.closest('.prose, [lang]:not(html), time, code')) said.push(one.getAttribute('aria-label') ?? '', one.localName === 'time' ? '' : one.title, one.getAttribute('placeholder') ?? ''); \
             return [...new Set(said.join('\\n').match(/[A-Za-z]{3,}/g) ?? [])]; })()";
        let words = self.asks(own, &[]).await;
        // Names: of the product, of people and rooms in labels, of models, of keys and of machines.
        const NAMES: [&str; 31] = [
            "Parlor", "Ada", "Bob", "Nobody", "Kitchen", "Garden", "Living", "Accounts", "Tour", "Echo", "room", "with", "rather", "long",
            "name", "that", "does", "not", "fit", "Esc", "UTC", "Chrome", "Linux", "Chromium", "parlor", "token", "add", "English", "Ctrl",
            "Enter", "Shift",
        ];
        let strays: Vec<&str> = words.as_array().unwrap().iter().filter_map(Value::as_str).filter(|word| !NAMES.contains(word)).collect();
        assert!(strays.is_empty(), "{view} says {strays:?}");
        assert_eq!(self.asks("document.documentElement.lang", &[]).await, json!("zh-Hans"));
    }

    /// Keeps a picture, if that is wanted, and sees to it that nothing sticks out.
    pub async fn looks(&self, name: &str) {
        self.waits("styles and fonts", "document.fonts.status === 'loaded' && document.readyState === 'complete'", &[]).await;
        // Two frames on, what was just changed is drawn.
        if !self.browser.without_script() {
            self.asks("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))", &[]).await;
        }
        let wide = "(() => { const width = document.documentElement.clientWidth; if (document.documentElement.scrollWidth <= width) return []; \
             return [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > width).map((one) => `${one.localName}.${one.className} to ${one.getBoundingClientRect().right} of ${width}`); })()";
        assert_eq!(self.asks(wide, &[]).await, json!([]), "{name} is wider than its screen");
        self.is_accessible(name).await;
        let Some(folder) = std::env::var_os("PARLOR_SCREENSHOTS").map(PathBuf::from) else { return };
        std::fs::create_dir_all(&folder).expect("a folder for pictures");
        std::fs::write(folder.join(format!("{name}.png")), self.browser.picture(&self.window).await).expect("a picture");
    }
}
