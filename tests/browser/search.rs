//! Finding messages: in the room's third column, on a phone's sheet, by keyboard alone, in Chinese, and on a page without script.

use serde_json::{Value, json};

use crate::stage::{PASSWORD, Room, Stage, play};
use crate::support::Person;
use crate::tab::{Key, Tab};

/// Somebody's house of two rooms, what Bob said in each at first, in both languages, and much afterwards.
async fn house(stage: &Stage) -> (Person, [Room; 2], [String; 2]) {
    let person = stage.first("Ada").await;
    let kitchen = stage.room(&person, "Kitchen").await;
    let garden = stage.room(&person, "Garden").await;
    let bob = stage.person("Bob").await;
    for room in [&kitchen, &garden] {
        bob.joins(&room.id).await;
    }
    let old =
        bob.says(&kitchen.id, "The risotto wants **400 g** of rice for five people, and patience. <b>Stir</b> it all the time!").await;
    let late = bob.says(&garden.id, "我们明天七点在花园见面，带上risotto。").await;
    for n in 0..130 {
        person.says(&kitchen.id, &format!("Pea {n}.")).await;
    }
    (person, [kitchen, garden], [old, late])
}

impl Tab {
    async fn inserts(&self, text: &str) {
        self.browser.devtools(&self.window, "Input.insertText", json!({ "text": text })).await;
    }

    /// Begins a word with an input method.
    async fn begins_to_compose(&self, text: &str) {
        let end = text.len();
        self.browser
            .devtools(&self.window, "Input.imeSetComposition", json!({ "text": text, "selectionStart": end, "selectionEnd": end }))
            .await;
    }

    /// What is found, as it is marked.
    async fn found(&self, what: &str, marked: &[&str]) {
        let marks = "JSON.stringify([...document.querySelectorAll('.search-hits mark')].map((mark) => mark.textContent))";
        self.waits(what, &format!("{marks} === arguments[0]"), &[json!(json!(marked).to_string())]).await;
    }

    async fn field_has_focus(&self) {
        self.waits("the field", "document.activeElement.matches('.search [type=search]')", &[]).await;
    }

    async fn marks_itself_as_it_is(&self) {
        self.does("window.here = 'still'", &[]).await;
    }

    async fn was_never_loaded_anew(&self) {
        assert_eq!(self.asks("window.here", &[]).await, "still");
    }

    /// The message that a link led to, in view and with the focus.
    async fn shows_message(&self, id: &str) {
        self.waits(
            "the message, in view and focused",
            "(() => { const message = document.getElementById(`m-${arguments[0]}`); if (!message || document.activeElement !== message) return false; \
             const { top, bottom } = message.getBoundingClientRect(), view = document.querySelector('.log').getBoundingClientRect(); \
             return bottom > view.top && top < view.bottom && 'marked' in message.dataset; })()",
            &[json!(id)],
        )
        .await;
    }
}

const BESIDE: &str = "document.querySelector('.column').matches('[data-open]') && document.querySelector('.room').matches('[data-three]')";
const CLOSED: &str = "!document.querySelector('.column').matches('[data-open], :popover-open') && !document.querySelector('.column').firstElementChild \
                      && !document.querySelector('.room').matches('[data-three]') && document.querySelector('.room-search').getAttribute('aria-expanded') === 'false'";

#[tokio::test(flavor = "multi_thread")]
async fn by_keyboard_alone_beside_the_room_and_on_to_another() {
    play(async |stage| {
        let (_, [kitchen, garden], [old, late]) = house(stage).await;
        let ada = stage.in_room("Ada", &kitchen).await;
        ada.marks_itself_as_it_is().await;
        // What is typed is typed; elsewhere the key opens the search.
        ada.types("and/or").await;
        ada.presses(Key::Slash).await;
        assert_eq!(ada.draft().await, "and/or/");
        ada.does("document.querySelector('.log').focus()", &[]).await;
        ada.presses(Key::Slash).await;
        ada.field_has_focus().await;
        ada.waits("beside the log", BESIDE, &[]).await;
        assert_eq!(ada.asks("document.querySelector('.room-search').getAttribute('aria-expanded')", &[]).await, "true");
        // Results come by themselves, and the field keeps what is typed.
        ada.inserts("risot").await;
        ada.found("both", &["risotto", "risotto"]).await;
        assert_eq!(ada.asks("document.activeElement.value", &[]).await, "risot");
        ada.inserts("to stir").await;
        ada.found("one", &["risotto", "Stir"]).await;
        assert_eq!(ada.asks("document.querySelector('.search-hits b') === null", &[]).await, true, "what was written is text");
        ada.presses(Key::Enter).await;
        // On to the result: far above in this room, and the results stay.
        for _ in 0..3 {
            ada.presses(Key::Tab).await;
        }
        ada.waits("the result", "document.activeElement.matches('.hit')", &[]).await;
        ada.presses(Key::Enter).await;
        ada.shows_message(&old).await;
        ada.waits("still beside it", BESIDE, &[]).await;
        // Another question, whose answer lies in another room.
        ada.presses(Key::Slash).await;
        ada.field_has_focus().await;
        ada.inserts("花园见").await;
        ada.found("the one", &["花园见"]).await;
        ada.presses(Key::Down).await;
        ada.waits("the result", "document.activeElement.matches('.hit')", &[]).await;
        ada.presses(Key::Up).await;
        ada.field_has_focus().await;
        ada.presses(Key::Down).await;
        ada.presses(Key::Enter).await;
        ada.waits("the other room", "document.querySelector('chat-room')?.dataset.room === arguments[0]", &[json!(garden.id)]).await;
        ada.shows_message(&late).await;
        ada.waits(
            "the results came along",
            &format!("{BESIDE} && document.querySelector('.search [type=search]').value === '花园见'"),
            &[],
        )
        .await;
        ada.found("as they were", &["花园见"]).await;
        // Members take its place, and closing gives the focus back.
        ada.does("document.querySelector('.room-who').focus()", &[]).await;
        ada.presses(Key::Space).await;
        ada.waits("the members", "document.activeElement.matches('.members h2')", &[]).await;
        assert_eq!(ada.asks("document.querySelector('.room-search').getAttribute('aria-expanded')", &[]).await, "false");
        ada.presses(Key::Escape).await;
        ada.waits("closed", &format!("{CLOSED} && document.activeElement.matches('.room-who')"), &[]).await;
        // As it was left, to be typed over.
        ada.presses(Key::Slash).await;
        ada.found("again", &["花园见"]).await;
        ada.inserts("nothing of the kind").await;
        ada.waits("a word on it", "document.querySelector('.search-says').textContent.startsWith('Nothing was found')", &[]).await;
        ada.presses(Key::Escape).await;
        ada.waits("closed", CLOSED, &[]).await;
        ada.was_never_loaded_anew().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_results_newest_question_and_no_network() {
    play(async |stage| {
        let (_, [kitchen, _], _) = house(stage).await;
        let ada = stage.in_room_by_cable("Ada", &kitchen).await;
        ada.browser.forgive(&["net::ERR_"]);
        ada.clicks_on(".room-search").await;
        ada.field_has_focus().await;
        ada.inserts("pea").await;
        let count = "document.querySelectorAll('.search-hits .hit').length";
        ada.waits("twenty", &format!("{count} === 20"), &[]).await;
        ada.clicks("More").await;
        ada.waits("forty, and the focus on the first of the new ones", &format!("{count} === 40 && document.activeElement === document.querySelectorAll('.hit')[20]"), &[]).await;
        let texts: Value = ada.asks("[...document.querySelectorAll('.hit-text')].map((hit) => hit.textContent)", &[]).await;
        let expected: Vec<String> = (90..130).rev().map(|n| format!("Pea {n}.")).collect();
        assert_eq!(texts, json!(expected));
        ada.does("(() => { const where = document.querySelector('.search select'); where.value = [...where.options].find((one) => one.text === 'Garden').value; where.dispatchEvent(new InputEvent('input', { bubbles: true })); })()", &[]).await;
        ada.waits("none there", &format!("{count} === 0"), &[]).await;
        // Without a network it says so, and the room stays.
        ada.goes_offline().await;
        ada.does("document.querySelector('.search [type=search]').select()", &[]).await;
        ada.inserts("risotto").await;
        ada.waits("a word on it", "document.querySelector('.search-says').textContent === 'The server cannot be reached. Try again.'", &[]).await;
        ada.comes_online().await;
        ada.is_caught_up().await;
        ada.does("document.querySelector('.search form').requestSubmit()", &[]).await;
        ada.found("that in the garden", &["risotto"]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_phone_in_chinese() {
    play(async |stage| {
        let (_, [kitchen, garden], [_, late]) = house(stage).await;
        let ada = stage.in_room("Ada", &kitchen).await;
        ada.does("document.cookie = 'parlor_lang=zh-Hans; path=/'", &[]).await;
        ada.becomes_a_phone().await;
        ada.opens(&kitchen.id).await;
        ada.clicks("搜索").await;
        ada.waits("a sheet", "document.querySelector('.column').matches(':popover-open')", &[]).await;
        ada.field_has_focus().await;
        // While an input method composes, nothing is asked; then what was composed is.
        ada.does("window.asked = 0; const { fetch } = window; window.fetch = (...how) => { if (String(how[0]).includes('/search')) window.asked += 1; return fetch(...how); }", &[]).await;
        ada.begins_to_compose("ming tian").await;
        ada.asks("new Promise((done) => setTimeout(() => done(true), 400))", &[]).await;
        assert_eq!(ada.asks("window.asked", &[]).await, 0);
        ada.inserts("明天").await;
        ada.found("the one", &["明天"]).await;
        ada.clicks_on(".hit").await;
        ada.waits("the other room", "document.querySelector('chat-room')?.dataset.room === arguments[0]", &[json!(garden.id)]).await;
        ada.shows_message(&late).await;
        ada.waits("no sheet over it", CLOSED, &[]).await;
        // Another look at the results.
        ada.clicks("搜索").await;
        ada.found("as they were", &["明天"]).await;
        ada.presses(Key::Escape).await;
        ada.waits("closed", CLOSED, &[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_script_it_is_a_page() {
    play(async |stage| {
        let (_, [kitchen, _], [_, late]) = house(stage).await;
        let ada = stage.browser_without_script("Ada").await;
        ada.signs_in("Ada", PASSWORD).await;
        ada.goes(&format!("/rooms/{}", kitchen.id)).await;
        ada.clicks("Search").await;
        ada.reads("Words in any order").await;
        let field = "document.querySelector('[type=search]')";
        ada.does(&format!("{field}.value = 'risotto'"), &[]).await;
        ada.clicks_on(".search-field > button").await;
        ada.reads("2 messages").await;
        ada.found("both", &["risotto", "risotto"]).await;
        assert_eq!(ada.asks(&format!("{field}.value"), &[]).await, "risotto");
        ada.clicks_on(".hit").await;
        ada.finds(&late).await;
        ada.waits("at the message", "location.hash === `#m-${arguments[0]}`", &[json!(late)]).await;
    })
    .await;
}

/// Each view, looked at by axe; with `PARLOR_SCREENSHOTS=folder` kept as a picture.
#[tokio::test(flavor = "multi_thread")]
async fn what_it_looks_like() {
    play(async |stage| {
        let (person, [kitchen, _], _) = house(stage).await;
        person.says(&kitchen.id, "明天做意大利烩饭（risotto），米够吗？我记得还有半袋米，要是不够就去楼下的小店买。").await;
        let ada = stage.in_room("Ada", &kitchen).await;
        ada.clicks_on(".room-search").await;
        ada.field_has_focus().await;
        ada.looks("search-empty").await;
        ada.inserts("risotto").await;
        ada.found("all", &["risotto", "risotto", "risotto"]).await;
        ada.looks("search").await;
        ada.becomes_dark().await;
        ada.looks("search-dark").await;
        ada.goes("/search?q=risotto").await;
        ada.looks("search-page-dark").await;
        ada.becomes_light().await;
        ada.looks("search-page").await;
        ada.becomes_a_phone().await;
        ada.looks("search-page-phone").await;
        ada.does("document.cookie = 'parlor_lang=zh-Hans; path=/'", &[]).await;
        ada.opens(&kitchen.id).await;
        ada.clicks("搜索").await;
        ada.field_has_focus().await;
        ada.looks("search-phone-empty-zh").await;
        ada.inserts("米 烩饭").await;
        ada.found("the one", &["烩饭", "米", "米"]).await;
        ada.looks("search-phone-zh").await;
        ada.becomes_dark().await;
        ada.looks("search-phone-zh-dark").await;
        ada.becomes_light().await;
        ada.becomes_a_desk().await;
        ada.opens(&kitchen.id).await;
        ada.clicks("搜索").await;
        ada.field_has_focus().await;
        ada.inserts("米").await;
        ada.found("the one", &["米", "米"]).await;
        ada.looks("search-zh").await;
        ada.does(
            "(() => { const field = document.querySelector('[type=search]'); field.value = '！！'; field.form.requestSubmit(); })()",
            &[],
        )
        .await;
        ada.waits("a refusal", "document.querySelector('.search-says').textContent.startsWith('里面没有')", &[]).await;
        ada.looks("search-refused-zh").await;
    })
    .await;
}
