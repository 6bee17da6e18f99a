//! The list of rooms beside every page, and moving about: what is unread shows in every window, pages change in place and fall back to
//! plain ones, everything can be reached by keys, and one window of ten tells the news.

use reqwest::Method;
use serde_json::{Value, json};

use crate::stage::{Room, Stage, play, script};
use crate::support::Person;
use crate::support::person::text;
use crate::tab::{Key, Tab};

/// Ada, Bob and three rooms that both are in.
async fn house(stage: &Stage) -> (Person, Person, [Room; 3]) {
    let ada = stage.first("Ada").await;
    let bob = stage.person("Bob").await;
    let mut rooms = Vec::new();
    for name in ["Kitchen", "Garden"] {
        let room = stage.room(&ada, name).await;
        bob.joins(&room.id).await;
        rooms.push(room);
    }
    // Bob looks after it, so that Ada can leave.
    let attic = stage.room(&bob, "Attic").await;
    ada.joins(&attic.id).await;
    rooms.push(attic);
    (ada, bob, rooms.try_into().unwrap())
}

impl Tab {
    /// Waits for something about a room's line in the list.
    async fn lists(&self, room: &Room, what: &str) {
        let line = format!("(line => line && ({what}))(document.querySelector(`.side-item[data-room=\"${{arguments[0]}}\"]`))");
        self.waits(&format!("{what} of a room's line"), &line, &[json!(room.id)]).await;
    }

    async fn is_called(&self, title: &str) {
        self.waits(&format!("the title {title}"), "document.title === arguments[0]", &[json!(title)]).await;
    }

    /// Goes to a room by its line in the list.
    async fn chooses(&self, room: &Room) {
        self.clicks_on(&format!(".side-item[data-room=\"{}\"] > a", room.id)).await;
        self.shows(room).await;
    }

    async fn shows(&self, room: &Room) {
        let there = "document.querySelector('chat-room')?.dataset.room === arguments[0] && location.pathname === `/rooms/${arguments[0]}` && document.documentElement.dataset.live === 'caught-up'";
        self.waits("the room", there, &[json!(room.id)]).await;
    }

    /// From here on a page that was loaded anew can be told from one that came in place.
    async fn marks_itself(&self) {
        self.does("window.stayed = true", &[]).await;
    }

    async fn stayed(&self) -> bool {
        self.asks("window.stayed === true", &[]).await == json!(true)
    }
}

async fn talk_of(one: &Person, other: &Person) -> Room {
    let id = text(&other.call(Method::GET, "/api/me", None).await.ok()["id"]);
    let room = one.call(Method::POST, &format!("/api/people/{id}/talk"), None).await;
    assert!(room.status == 201 || room.status == 200, "{}", room.body);
    Room { id: text(&room.json()["id"]) }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unread_shows_in_every_window_and_is_gone_when_it_is_read_in_one() {
    play(async |stage| {
        let (person, bob, [kitchen, garden, attic]) = house(stage).await;
        let first = stage.in_room("Ada", &kitchen).await;
        let second = stage.another_tab(&first).await;
        // A page without a room lives as well.
        second.goes("/account").await;
        second.lists(&garden, "!line.dataset.unread").await;
        bob.says(&garden.id, "Weeds").await;
        for tab in [&first, &second] {
            tab.lists(&garden, "line.dataset.unread === '1' && line.querySelector('.side-badge').hidden").await;
            tab.lists(&garden, "line.querySelector('.side-says').textContent === ' (1 unread)'").await;
            tab.lists(&garden, "getComputedStyle(line.querySelector('.side-name')).fontWeight >= 600").await;
            tab.waits("an icon", "document.querySelector('link[rel=icon]').href.endsWith('/parlor-unread.svg')", &[]).await;
        }
        first.is_called("• Kitchen · Parlor").await;
        bob.says(&garden.id, "@Ada, do you have the spade?").await;
        for tab in [&first, &second] {
            tab.lists(&garden, "line.querySelector('.side-badge').textContent === '1' && !line.querySelector('.side-badge').hidden").await;
        }
        first.is_called("(1) Kitchen · Parlor").await;
        second.is_called("(1) Your account · Parlor").await;

        // The latest activity stands first.
        let order = "[...document.querySelectorAll('[data-group=rooms] .side-name')].map((name) => name.textContent)";
        first.waits("the order", &format!("{order}[0] === 'Garden'"), &[]).await;

        // A talk that begins, and a room that ends.
        let talk = talk_of(&bob, &person).await;
        bob.says(&talk.id, "Between us").await;
        second
            .lists(
                &talk,
                "line.closest('[data-group]').dataset.group === 'talks' && line.querySelector('.side-name').textContent === 'Bob'",
            )
            .await;
        second.is_called("(2) Your account · Parlor").await;
        person.leaves(&attic.id).await;
        second.waits("no attic", "!document.querySelector(`.side-item[data-room=\"${arguments[0]}\"]`)", &[json!(attic.id)]).await;

        // Read in one window, read in all; and again by the server when it draws the page.
        second.chooses(&garden).await;
        second.chooses(&talk).await;
        for tab in [&first, &second] {
            tab.lists(&garden, "!line.dataset.unread").await;
            tab.lists(&talk, "!line.dataset.unread").await;
        }
        first.is_called("Kitchen · Parlor").await;
        first.waits("the plain icon", "document.querySelector('link[rel=icon]').href.endsWith('/parlor.svg')", &[]).await;
        bob.says(&kitchen.id, "Soup").await;
        second.lists(&kitchen, "line.dataset.unread === '1'").await;
        second.goes("/rooms").await;
        second.lists(&kitchen, "!!line").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_pulses_while_an_assistant_writes_there() {
    play(async |stage| {
        let (_, bob, [kitchen, garden, _]) = house(stage).await;
        stage.assistant("echo", &garden.id, "always").await;
        let ada = stage.in_room("Ada", &kitchen).await;
        bob.says(&garden.id, &script(&[r#"say "One ""#, "wait go", r#"say "two""#])).await;
        ada.lists(&garden, "'writing' in line.dataset && getComputedStyle(line.querySelector('.side-pulse')).display === 'block'").await;
        ada.lists(&garden, "line.querySelector('.side-says').textContent.includes('an assistant is writing')").await;
        stage.open("go");
        ada.lists(&garden, "!('writing' in line.dataset) && line.dataset.unread === '2'").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn favourites_stand_first_with_script_and_without() {
    play(async |stage| {
        let (_, _, [kitchen, garden, _]) = house(stage).await;
        let ada = stage.in_room("Ada", &kitchen).await;
        let star = |room: &Room| format!(".side-item[data-room=\"{}\"] .side-star button", room.id);
        ada.points_at(&format!(".side-item[data-room=\"{}\"]", garden.id)).await;
        ada.clicks_on(&star(&garden)).await;
        ada.lists(&garden, "line.closest('[data-group]').dataset.group === 'favourites' && line.querySelector('.side-star button').getAttribute('aria-pressed') === 'true'").await;
        ada.reloads().await;
        ada.lists(&garden, "line.closest('[data-group]').dataset.group === 'favourites'").await;

        // What is folded stays folded on this device.
        ada.clicks_on("[data-group=favourites] > summary").await;
        ada.waits("folded", "!!localStorage.getItem('parlor.folded.favourites')", &[]).await;
        ada.reloads().await;
        ada.waits("still folded", "!document.querySelector('[data-group=favourites]').open", &[]).await;

        let plain = stage.browser_without_script("Ada").await;
        plain.signs_in("Ada", crate::stage::PASSWORD).await;
        plain.goes("/rooms").await;
        plain.lists(&garden, "line.closest('[data-group]').dataset.group === 'favourites'").await;
        plain.clicks_on(&star(&garden)).await;
        plain.is_at(&format!("/rooms/{}", garden.id)).await;
        plain.lists(&garden, "line.closest('[data-group]').dataset.group === 'rooms'").await;
        // The other browser hears of it.
        ada.lists(&garden, "line.closest('[data-group]').dataset.group === 'rooms'").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anywhere_by_a_few_letters() {
    play(async |stage| {
        let (_, bob, [kitchen, garden, _]) = house(stage).await;
        stage.person("Grace").await;
        let open = stage.room(&bob, "Open garden").await;
        bob.says(&garden.id, "Weeds").await;
        let ada = stage.in_room("Ada", &kitchen).await;
        ada.marks_itself().await;
        let options = "[...document.querySelectorAll('.switcher [role=option] bdi')].map((one) => one.textContent)";
        ada.presses(Key::CtrlK).await;
        // The latest first, and where one is last.
        ada.waits("all rooms and people", &format!("{options}[0] === 'Garden' && {options}[3] === 'Kitchen' && {options}.includes('Grace')"), &[]).await;
        ada.waits("unread ones are marked", "'unread' in document.querySelector('#switcher-0').dataset", &[]).await;
        ada.browser.devtools(&ada.window, "Input.insertText", json!({ "text": "gard" })).await;
        ada.waits("what fits", &format!("JSON.stringify({options}) === '[\"Garden\",\"Open garden\"]'"), &[]).await;
        let marked = "(() => { const field = document.activeElement; return field.getAttribute('role') === 'combobox' && document.getElementById(field.getAttribute('aria-activedescendant')).querySelector('bdi').textContent; })()";
        assert_eq!(ada.asks(marked, &[]).await, "Garden");
        ada.presses(Key::Down).await;
        assert_eq!(ada.asks(marked, &[]).await, "Open garden");
        ada.presses(Key::Enter).await;
        ada.shows(&open).await;
        ada.lists(&open, "!!line").await;

        // A person, with whom a talk begins.
        ada.presses(Key::CtrlK).await;
        ada.waits("the field", "document.activeElement.getAttribute('role') === 'combobox'", &[]).await;
        ada.browser.devtools(&ada.window, "Input.insertText", json!({ "text": "gra" })).await;
        ada.waits("Grace", &format!("{options}[0] === 'Grace'"), &[]).await;
        ada.presses(Key::Enter).await;
        ada.waits("a talk", "document.querySelector('.room-title h1 bdi')?.textContent === 'Grace'", &[]).await;

        // Closed by Escape, and opened by the mouse too.
        ada.does("document.querySelector('.log').focus()", &[]).await;
        ada.presses(Key::CtrlK).await;
        ada.waits("open", "!!document.querySelector('.switcher[open]')", &[]).await;
        ada.presses(Key::Escape).await;
        ada.waits("closed", "!document.querySelector('.switcher') && document.activeElement.matches('.log')", &[]).await;
        ada.clicks_on(".side-find").await;
        ada.clicks_on("#switcher-0").await;
        ada.shows(&garden).await;
        assert!(ada.stayed().await, "no page was loaded");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_change_in_place_with_one_stream_and_a_history() {
    play(async |stage| {
        let (_, bob, [kitchen, garden, _]) = house(stage).await;
        for n in 0..40 {
            bob.says(&kitchen.id, &format!("Step {n}")).await;
        }
        let ada = stage.in_room_by_cable("Ada", &kitchen).await;
        ada.marks_itself().await;
        ada.types("a draft").await;
        ada.chooses(&garden).await;
        ada.is_called("Garden · Parlor").await;
        ada.lists(&garden, "line.firstElementChild.getAttribute('aria-current') === 'page'").await;
        ada.lists(&kitchen, "!line.firstElementChild.hasAttribute('aria-current')").await;
        ada.waits("it is said", "document.querySelector('#says').textContent === 'Garden · Parlor'", &[]).await;
        // Where there is a mouse one can write at once; where there is none the heading has the focus, and no keyboard comes up.
        assert_eq!(ada.asks("document.activeElement.matches('#text, h1')", &[]).await, json!(true));
        ada.types_and_sends("Hello garden").await;
        ada.sees("Hello garden").await;
        ada.clicks_on(".side-me > a").await;
        ada.waits("the account", "location.pathname === '/account' && document.activeElement.localName === 'h1'", &[]).await;
        ada.does("scrollTo(0, 200)", &[]).await;
        ada.chooses(&kitchen).await;
        assert_eq!(ada.draft().await, "a draft");

        // Back to the account, where it was left, and to the garden.
        ada.does("history.back()", &[]).await;
        ada.waits("the account again", "location.pathname === '/account' && document.querySelector('h1').textContent === 'Your account' && scrollY === 200", &[]).await;
        ada.does("history.back()", &[]).await;
        ada.shows(&garden).await;
        ada.sees("Hello garden").await;
        ada.does("history.go(-1)", &[]).await;
        ada.shows(&kitchen).await;

        // The place in the log comes back too.
        ada.does("document.querySelector('.log').focus()", &[]).await;
        ada.finds("Step 12").await;
        ada.does("[...document.querySelectorAll('.message')].find((one) => one.textContent.includes('Step 12')).scrollIntoView({ block: 'start' })", &[]).await;
        let place = "[...document.querySelectorAll('.message')].find((one) => one.textContent.includes('Step 12'))?.getBoundingClientRect().top";
        ada.waits("the place is kept", "!!history.state.log?.id", &[]).await;
        let top = ada.asks(place, &[]).await.as_f64().unwrap();
        ada.chooses(&garden).await;
        ada.does("history.back()", &[]).await;
        ada.shows(&kitchen).await;
        ada.waits("the same place", &format!("Math.abs({place} - arguments[0]) < 3"), &[json!(top)]).await;

        assert!(ada.stayed().await, "no page was loaded");
        assert_eq!(ada.cable().streams_open(), 1);
        bob.says(&kitchen.id, "Still here").await;
        ada.waits("the stream goes on", "document.documentElement.dataset.live === 'caught-up'", &[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_not_as_expected_becomes_a_plain_navigation() {
    play(async |stage| {
        let (person, _, [kitchen, garden, attic]) = house(stage).await;
        let ada = stage.in_room("Ada", &kitchen).await;
        ada.browser.forgive(&["404"]);
        let leaves_for = async |room: &Room| {
            ada.clicks_on(&format!(".side-item[data-room=\"{}\"] > a", room.id)).await;
            ada.waits("a page that was loaded", "window.stayed === undefined && document.readyState === 'complete'", &[]).await;
            ada.is_at(&format!("/rooms/{}", room.id)).await;
        };
        // Another build.
        ada.marks_itself().await;
        ada.does("document.documentElement.dataset.build = 'older'", &[]).await;
        leaves_for(&garden).await;
        // A script that fails.
        ada.marks_itself().await;
        ada.does("DOMParser.prototype.parseFromString = () => { throw new Error('broken'); }", &[]).await;
        leaves_for(&kitchen).await;
        // A network that fails the script alone.
        ada.marks_itself().await;
        ada.does("window.fetch = () => Promise.reject(new TypeError('no network'))", &[]).await;
        leaves_for(&garden).await;
        // In the middle of the change.
        ada.marks_itself().await;
        ada.does("document.getElementById('main').replaceChildren = () => { throw new Error('broken'); }", &[]).await;
        leaves_for(&kitchen).await;
        // A room that is gone: its page says so.
        ada.marks_itself().await;
        person.leaves(&attic.id).await;
        ada.does("document.querySelector('.side-find').setAttribute('href', '/rooms/019ab000-0000-7000-8000-000000000001'); document.querySelector('.side-find').removeAttribute('data-does'); document.querySelector('.side-find').click()", &[]).await;
        ada.waits("a page of its own", "window.stayed === undefined && document.body.innerText.includes('404')", &[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_phone_the_list_is_a_sheet() {
    play(async |stage| {
        let (_, _, [kitchen, garden, _]) = house(stage).await;
        let ada = stage.signed_in("Ada").await;
        ada.becomes_a_phone().await;
        ada.opens(&kitchen.id).await;
        let open = "document.querySelector('nav.side').matches(':popover-open')";
        ada.clicks_on(".sheet-button").await;
        ada.waits("the sheet, with the focus in it", &format!("{open} && document.querySelector('nav.side').contains(document.activeElement) && document.getElementById('main').inert"), &[]).await;
        for _ in 0..30 {
            ada.presses(Key::Tab).await;
            assert_eq!(ada.asks("!document.activeElement.closest('#main')", &[]).await, json!(true), "nothing beside it can be reached");
        }
        ada.presses(Key::Escape).await;
        ada.waits("closed", &format!("!{open} && !document.getElementById('main').inert"), &[]).await;
        ada.clicks_on(".sheet-button").await;
        ada.waits("the sheet", open, &[]).await;
        ada.marks_itself().await;
        ada.chooses(&garden).await;
        ada.waits("closed", &format!("!{open} && !document.getElementById('main').inert"), &[]).await;
        assert!(ada.stayed().await);
        ada.waits("the focus in what has come", "document.activeElement.closest('#main') !== null", &[]).await;
        // Who is here comes as a sheet too.
        ada.clicks_on(".room-who").await;
        ada.waits("the members", "document.querySelector('.column').matches(':popover-open') && document.querySelector('.column').innerText.includes('Bob')", &[]).await;
        ada.presses(Key::Escape).await;
        ada.waits("closed", "!document.querySelector('.column').matches(':popover-open') && document.querySelector('.room-who').getAttribute('aria-expanded') === 'false'", &[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_lead_from_room_to_room_and_a_sheet_lists_them() {
    play(async |stage| {
        let (_, bob, [kitchen, garden, attic]) = house(stage).await;
        let ada = stage.in_room("Ada", &attic).await;
        let order = ada
            .asks("[...document.querySelectorAll('[data-group=rooms] .side-item')].slice(0, 3).map((one) => one.dataset.room)", &[])
            .await;
        assert_eq!(order, json!([attic.id, garden.id, kitchen.id]), "the latest first");
        ada.marks_itself().await;
        // Also while one types.
        ada.types("half a").await;
        ada.presses(Key::AltDown).await;
        ada.shows(&garden).await;
        ada.presses(Key::AltUp).await;
        ada.shows(&attic).await;
        assert_eq!(ada.draft().await, "half a");
        bob.says(&kitchen.id, "Soup").await;
        ada.lists(&kitchen, "line.dataset.unread === '1'").await;
        ada.presses(Key::AltShiftDown).await;
        ada.shows(&kitchen).await;
        // A question mark is one where one types; elsewhere it opens the sheet.
        ada.does("document.querySelector('#text').focus()", &[]).await;
        ada.presses(Key::Question).await;
        assert_eq!(ada.draft().await, "?");
        ada.does("document.querySelector('.log').focus()", &[]).await;
        ada.presses(Key::Question).await;
        ada.waits("the sheet of keys", "document.querySelectorAll('dialog.keys[open] kbd').length > 12", &[]).await;
        ada.presses(Key::Escape).await;
        ada.waits("closed", "!document.querySelector('dialog.keys')", &[]).await;
        ada.clicks("Keyboard shortcuts").await;
        ada.waits("the sheet again", "!!document.querySelector('dialog.keys[open]')", &[]).await;
        assert!(ada.stayed().await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_ten_windows_tells_the_news() {
    play(async |stage| {
        let (_, bob, [kitchen, garden, _]) = house(stage).await;
        const TOLD: &str = "window.Notification = class { static permission = 'default'; \
             static async requestPermission() { Notification.permission = 'granted'; localStorage.granted = 1; return 'granted'; } \
             constructor(title, { body }) { localStorage.told = (localStorage.told ?? '') + `${title} / ${body}\\n`; window.note = this; } close() {} }; \
             if (localStorage.granted) Notification.permission = 'granted';";
        let first = stage.signed_in("Ada").await;
        first.begins_with(TOLD).await;
        first.goes("/account").await;
        // Nothing is told before somebody has chosen so.
        bob.says(&garden.id, "@Ada, not yet").await;
        first.lists(&garden, "line.dataset.mentions === '1'").await;
        first.does("const choice = document.querySelector('sign-choices select'); choice.value = 'concerns'; choice.dispatchEvent(new Event('change'))", &[]).await;
        first.waits("the choice is kept", "localStorage.getItem('parlor.notify') === 'concerns'", &[]).await;
        let mut tabs = Vec::new();
        for n in 0..10 {
            let tab = stage.another_tab(&first).await;
            tab.begins_with(TOLD).await;
            if n % 2 == 0 { tab.opens(&kitchen.id).await } else { tab.goes("/account").await }
            tab.lists(&garden, "line.dataset.mentions === '1'").await;
            tabs.push(tab);
        }
        bob.says(&garden.id, "Only talk").await;
        bob.says(&garden.id, "@Ada, come out").await;
        let told = "(localStorage.told ?? '').split('\\n').filter(Boolean)";
        first.waits("a notification", &format!("{told}.length > 0"), &[]).await;
        for tab in &tabs {
            tab.lists(&garden, "line.dataset.mentions === '2'").await;
        }
        bob.says(&garden.id, "@Ada, bring a spade").await;
        first.waits("another one", &format!("{told}.some((line) => line.includes('spade'))"), &[]).await;
        assert_eq!(first.asks(told, &[]).await, json!(["Garden / Bob: @Ada, come out", "Garden / Bob: @Ada, bring a spade"]));
        // It leads to what it tells of.
        let mut all = vec![first.clone()];
        all.extend(tabs);
        for tab in &all {
            if tab.asks("!!window.note", &[]).await == json!(true) {
                tab.does("window.note.onclick()", &[]).await;
                tab.shows_around(&garden, "bring a spade").await;
                return;
            }
        }
        panic!("nobody told");
    })
    .await;
}

impl Tab {
    async fn shows_around(&self, room: &Room, words: &str) {
        self.shows(room).await;
        self.sees(words).await;
    }
}

/// Nodes, listeners and documents that the page holds on to, after a thorough cleaning.
async fn held(tab: &Tab) -> [f64; 3] {
    for _ in 0..3 {
        tab.browser.devtools(&tab.window, "HeapProfiler.collectGarbage", json!({})).await;
    }
    tab.browser.devtools(&tab.window, "Performance.enable", json!({})).await;
    let metrics = tab.browser.devtools(&tab.window, "Performance.getMetrics", json!({})).await;
    let value = |name: &str| {
        let all = metrics["metrics"].as_array().unwrap();
        all.iter().find(|metric| metric["name"] == name).and_then(|metric| metric["value"].as_f64()).unwrap()
    };
    [value("Nodes"), value("JSEventListeners"), value("Documents")]
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_switches_leave_nothing_behind() {
    play(async |stage| {
        let (_, bob, [kitchen, garden, _]) = house(stage).await;
        for n in 0..10 {
            bob.says(&kitchen.id, &format!("Step {n}")).await;
        }
        let ada = stage.in_room_by_cable("Ada", &kitchen).await;
        ada.marks_itself().await;
        let there_and_back = async |times: usize| {
            for _ in 0..times {
                ada.chooses(&garden).await;
                ada.chooses(&kitchen).await;
            }
        };
        there_and_back(4).await;
        let before = held(&ada).await;
        there_and_back(25).await;
        let after = held(&ada).await;
        println!("nodes, listeners, documents: {before:?} before, {after:?} after 50 switches");
        assert!(ada.stayed().await);
        // Each room has some 300 nodes and 60 listeners: fifty of them would not be overlooked.
        assert!(after[0] < before[0] + 1_000.0, "nodes: {before:?} → {after:?}");
        assert!(after[1] < before[1] + 200.0, "listeners: {before:?} → {after:?}");
        assert!(after[2] < before[2] + 10.0, "documents: {before:?} → {after:?}");
        assert_eq!(ada.cable().streams_open(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_here_and_who_writes() {
    play(async |stage| {
        let (_, _, [kitchen, ..]) = house(stage).await;
        let (ada, bob) = tokio::join!(stage.in_room("Ada", &kitchen), stage.in_room("Bob", &kitchen));
        ada.clicks_on(".room-who").await;
        let here = "[...document.querySelectorAll('.members [data-here] .row-name')].map((name) => name.textContent).sort().join()";
        ada.waits("both are here", &format!("{here} === 'Ada,Bob'"), &[]).await;
        ada.waits(
            "beside the log",
            "document.querySelector('.column').matches('[data-open]') && !document.querySelector('.column').matches(':popover-open')",
            &[],
        )
        .await;
        bob.types("Let me think").await;
        ada.waits("Bob types", "document.querySelector('.typing').textContent === 'Bob is typing…'", &[]).await;
        bob.presses(Key::Enter).await;
        ada.waits("no more", "document.querySelector('.typing').textContent === ''", &[]).await;
        bob.goes("/account").await;
        ada.waits("Bob has gone", &format!("{here} === 'Ada'"), &[]).await;
        ada.clicks("Talk with Bob").await;
        ada.waits("a talk", "document.querySelector('.room-title h1 bdi')?.textContent === 'Bob'", &[]).await;
    })
    .await;
}

/// For whoever looks at it: `PARLOR_SCREENSHOTS=folder`.
#[tokio::test(flavor = "multi_thread")]
async fn the_list_in_pictures() {
    play(async |stage| {
        let (person, bob, [kitchen, garden, attic]) = house(stage).await;
        stage.assistant("echo", &garden.id, "mention").await;
        let grace = stage.person("Grace").await;
        let secret = Room { id: person.makes_private_room("Birthday").await };
        person.adds(&secret.id, &bob).await;
        let talk = talk_of(&bob, &person).await;
        talk_of(&person, &grace).await;
        let open = stage.room(&bob, "Music").await;
        assert!(!open.id.is_empty());
        person.call(Method::PUT, &format!("/api/rooms/{}/favourite", kitchen.id), None).await;
        bob.says(&kitchen.id, "Soup is ready").await;
        bob.says(&attic.id, "@Ada, is the skylight shut?").await;
        bob.says(&talk.id, "Between us").await;
        bob.says(&garden.id, &format!("@echo {}", script(&["wait go", "say done"]))).await;
        let ada = stage.in_room("Ada", &kitchen).await;
        ada.lists(&garden, "'writing' in line.dataset").await;
        let keep = async |name: &str| {
            let Some(folder) = std::env::var_os("PARLOR_SCREENSHOTS").map(std::path::PathBuf::from) else { return };
            ada.asks("new Promise((done) => setTimeout(() => requestAnimationFrame(() => done(true)), 300))", &[]).await;
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(format!("{name}.png")), ada.browser.picture(&ada.window).await).unwrap();
        };
        keep("side").await;
        ada.clicks_on(".room-who").await;
        ada.waits("members", "!!document.querySelector('.column .members')", &[]).await;
        keep("side-members").await;
        ada.presses(Key::CtrlK).await;
        ada.waits("people", "document.querySelector('.switcher')?.textContent.includes('Music')", &[]).await;
        keep("switcher").await;
        ada.presses(Key::Escape).await;
        ada.clicks("Keyboard shortcuts").await;
        keep("keys").await;
        ada.presses(Key::Escape).await;
        ada.goes("/account").await;
        ada.does("document.querySelector('sign-choices').scrollIntoView({ block: 'center' })", &[]).await;
        keep("choices").await;
        ada.goes("/rooms").await;
        keep("rooms").await;
        ada.becomes_dark().await;
        ada.opens(&kitchen.id).await;
        ada.presses(Key::CtrlK).await;
        ada.waits("people", "document.querySelector('.switcher')?.textContent.includes('Music')", &[]).await;
        keep("dark-switcher").await;
        ada.presses(Key::Escape).await;
        ada.becomes_a_phone().await;
        ada.reloads().await;
        ada.clicks_on(".sheet-button").await;
        keep("phone-side-dark").await;
        ada.becomes_light().await;
        ada.does("document.cookie = 'parlor_lang=zh-Hans; path=/'", &[]).await;
        ada.opens(&kitchen.id).await;
        ada.clicks_on(".sheet-button").await;
        keep("phone-side-zh").await;
        ada.presses(Key::Escape).await;
        ada.clicks_on(".room-who").await;
        ada.waits("members", "!!document.querySelector('.column .members')", &[]).await;
        keep("phone-members-zh").await;
        ada.becomes_a_desk().await;
        ada.opens(&kitchen.id).await;
        ada.clicks("键盘快捷键").await;
        keep("keys-zh").await;
        let shown: Value = ada.asks("document.documentElement.lang", &[]).await;
        assert_eq!(shown, "zh-Hans");
        stage.open("go");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_fetched_ahead_and_never_comes_is_not_waited_for() {
    play(async |stage| {
        let (_, _, [kitchen, garden, _]) = house(stage).await;
        let ada = stage.in_room("Ada", &kitchen).await;
        // Whatever is fetched ahead gets no answer; and the browser's patience is shortened.
        let stuck = "const ask = window.fetch, later = window.setTimeout; window.ahead = 0; \
             window.fetch = (url, how) => how?.headers?.purpose !== 'prefetch' ? ask(url, how) : new Promise((_, fails) => { ahead += 1; how.signal?.addEventListener('abort', () => fails(how.signal.reason)); }); \
             window.setTimeout = (then, ms, ...more) => later(then, ms === 10_000 ? 500 : ms, ...more);";
        ada.does(stuck, &[]).await;
        ada.points_at(&format!(".side-item[data-room=\"{}\"] > a", garden.id)).await;
        ada.waits("it is fetched ahead", "window.ahead === 1", &[]).await;
        ada.chooses(&garden).await;
    })
    .await;
}
