//! What is seen and heard on screens that differ: with little motion, in colours of the reader's own, from right to left; and that what is
//! shown in words has them in every language, without script too.

use serde_json::json;

use crate::stage::{PASSWORD, play, script};
use crate::tab::{Key, Tab};

/// What the box of long code says and where, and which lines the style sheet has counted.
const FOLD: &str = "(([code]) => getComputedStyle(code, '::after').content)(document.querySelectorAll('.code'))";

#[tokio::test(flavor = "multi_thread")]
async fn long_code_says_in_words_how_much_of_it_there_is() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let code: String = (1..=36).map(|line| format!("print({line})\n")).collect();
        person.says(&room.id, &format!("```py\n{code}```\n\nAnd so on.")).await;
        let ada = stage.browser_without_script("Ada").await;
        ada.signs_in("Ada", PASSWORD).await;
        ada.goes(&format!("/rooms/{}", room.id)).await;
        assert_eq!(ada.asks(FOLD, &[]).await, r#""Show all " counter(line) " lines" / """#);
        ada.looks("code-folded").await;
        ada.clicks_on(".fold").await;
        assert_eq!(ada.asks(FOLD, &[]).await, r#""Show less" / """#);
        ada.looks("code-unfolded").await;
        ada.does("document.documentElement.lang = 'zh-Hans'", &[]).await;
        assert_eq!(ada.asks(FOLD, &[]).await, r#""收起" / """#);
        ada.clicks_on(".fold").await;
        assert_eq!(ada.asks(FOLD, &[]).await, r#""显示全部 " counter(line) " 行" / """#);
        ada.looks("code-folded-chinese").await;
    })
    .await;
}

impl Tab {
    async fn is_pictured(&self, name: &str) {
        let Some(folder) = std::env::var_os("PARLOR_SCREENSHOTS").map(std::path::PathBuf::from) else { return };
        std::fs::write(folder.join(format!("{name}.png")), self.browser.picture(&self.window).await).expect("a picture");
    }

    async fn emulates(&self, feature: &str, value: &str) {
        let media = json!({ "features": [{ "name": feature, "value": value }] });
        self.browser.devtools(&self.window, "Emulation.setEmulatedMedia", media).await;
        self.waits("it is so", &format!("matchMedia('({feature}: {value})').matches"), &[]).await;
    }
}

/// Whoever wants little motion sees none: not while a reply grows, nor when something opens or a page passes into another.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_moves_for_who_wants_little_motion() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let garden = stage.room(&person, "Garden").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let first = person.says(&garden.id, "Weeds").await;
        let ada = stage.signed_in("Ada").await;
        // All that ever begins to move is noticed.
        let notices = "window.moved = []; for (const begins of ['animationstart', 'transitionrun']) document.addEventListener(begins, (event) => moved.push(`${event.type} ${event.target.className}`), { capture: true }); \
             const passing = document.startViewTransition; if (passing) document.startViewTransition = function (...how) { moved.push('view transition'); return passing.apply(this, how); };";
        ada.begins_with(notices).await;
        ada.opens(&room.id).await;
        let line = format!(".side-item[data-room=\"{}\"] > a", garden.id);
        let tour = async || {
            ada.becomes_a_phone().await;
            ada.clicks_on(".sheet-button").await;
            ada.waits("the sheet", "document.querySelector('nav.side').matches(':popover-open')", &[]).await;
            ada.clicks_on(&line).await;
            ada.waits("the other room", "location.pathname === arguments[0] && document.documentElement.dataset.live === 'caught-up'", &[json!(format!("/rooms/{}", garden.id))]).await;
            ada.becomes_a_desk().await;
            ada.goes(&format!("/rooms/{}?around={first}#m-{first}", garden.id)).await;
            ada.is_caught_up().await;
        };
        // With motion there is some, or this test would see nothing.
        tour().await;
        let some = "moved.length + document.getAnimations().length";
        ada.waits("something moves", &format!("{some} > 0"), &[]).await;
        ada.emulates("prefers-reduced-motion", "reduce").await;
        ada.opens(&room.id).await;
        ada.types_and_sends(&script(&[r#"say "One ""#, "wait two", r#"say "two\n\n- a list""#, "wait three", r#"say "\n\nand three.""#])).await;
        let id = ada.sees_reply_growing("One").await;
        assert_eq!(ada.asks("document.getAnimations().length", &[]).await, 0, "a reply begins");
        stage.open("two");
        ada.shows_in(&id, "li", "a list").await;
        assert_eq!(ada.asks("document.getAnimations().length", &[]).await, 0, "a reply grows");
        stage.open("three");
        ada.sees_state(&id, "complete").await;
        assert_eq!(ada.asks("[moved, document.getAnimations().length]", &[]).await, json!([[], 0]));
        tour().await;
        assert_eq!(ada.asks("[moved, document.getAnimations().length]", &[]).await, json!([[], 0]));
    })
    .await;
}

/// In colours of the reader's own, buttons have edges and the focus is seen.
#[tokio::test(flavor = "multi_thread")]
async fn buttons_and_the_focus_are_seen_in_forced_colours() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let code: String = (1..=36).map(|line| format!("print({line})\n")).collect();
        person.says(&room.id, &format!("```py\n{code}```\n\nHello @echo")).await;
        let ada = stage.in_room("Ada", &room).await;
        ada.emulates("forced-colors", "active").await;
        ada.looks("room-forced-colours").await;
        let blind = "(() => { const blind = []; for (const one of document.querySelectorAll('main :is(button:not(.plain, .copy-code), .button, input:not([type=checkbox], [type=hidden], [type=file]), select)')) { \
             if (!one.checkVisibility()) continue; const { borderTopWidth, borderTopColor, backgroundColor, color } = getComputedStyle(one); \
             if (parseFloat(borderTopWidth) < 1 || borderTopColor === backgroundColor || color === backgroundColor || /rgba.*, 0\\)$/.test(borderTopColor)) blind.push(`${one.outerHTML.slice(0, 90)} ${borderTopWidth} ${borderTopColor} on ${backgroundColor}, ${color}`); } return blind; })()";
        assert_eq!(ada.asks(blind, &[]).await, json!([]), "the room");
        // Each control that the keyboard comes to has an outline.
        let outlined = "(({ outlineStyle, outlineWidth }) => outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1)(getComputedStyle(document.activeElement))";
        for _ in 0..25 {
            ada.presses(Key::Tab).await;
            let what = ada.asks("document.activeElement.outerHTML.slice(0, 120)", &[]).await;
            // What is drawn over by its own box shows the focus there.
            let boxed = "document.activeElement.matches('body, #text, .attach input')";
            assert_eq!(ada.asks(&format!("{boxed} || {outlined}"), &[]).await, true, "{what}");
        }
        ada.goes(&format!("/rooms/{}/settings", room.id)).await;
        // Only seen: axe takes the colours that the styles name for those that are shown.
        ada.is_pictured("settings-forced-colours").await;
        assert_eq!(ada.asks(blind, &[]).await, json!([]), "the settings");
    })
    .await;
}

/// Hebrew and Arabic run their own way, and nothing around them is turned.
#[tokio::test(flavor = "multi_thread")]
async fn names_and_texts_from_right_to_left_turn_nothing_around() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "מטבח").await;
        let dalia = stage.person("דליה כהן").await;
        dalia.joins(&room.id).await;
        let first = dalia.says(&room.id, "שלום, מה שלומך?\n\nPlain English again.\n\n- ראשון\n- שני\n\n> ציטוט\n\n```py\nprint(1)\n```").await;
        person.replies(&room.id, &first, "Well, thank you.").await;
        person.says(&room.id, "@דליה כהן مرحبا 123").await;
        let ada = stage.in_room("Ada", &room).await;
        ada.looks("right-to-left").await;
        // The name stands left of the time, whatever its letters are; and the text begins at the right.
        let left = |one: &str| format!("document.querySelector('#m-{first} {one}').getBoundingClientRect().left");
        assert_eq!(ada.asks(&format!("{} < {}", left(".author"), left(".at")), &[]).await, true);
        let starts = "((block) => { const text = document.createRange(); text.selectNodeContents(block); const box = block.getBoundingClientRect(), ink = text.getBoundingClientRect(); return Math.round(ink.left - box.left) > Math.round(box.right - ink.right) ? 'right' : 'left'; })";
        let blocks = format!("[...document.querySelectorAll('#m-{first} > .body > p')].map({starts})");
        assert_eq!(ada.asks(&blocks, &[]).await, json!(["right", "left"]));
        assert_eq!(ada.asks(&format!("getComputedStyle(document.querySelector('#m-{first} pre')).direction"), &[]).await, "ltr");
        // Each name that stands beside other words is isolated.
        let bare = "[...document.querySelectorAll('.author, .side-name, .room-title h1 > :first-child, .quote-text')].filter((one) => /[\\u0590-\\u06ff]/.test(one.textContent) && !/isolate|plaintext/.test(getComputedStyle(one).unicodeBidi)).map((one) => one.outerHTML)";
        assert_eq!(ada.asks(bare, &[]).await, json!([]));
        ada.becomes_a_phone().await;
        ada.looks("right-to-left-phone").await;
    })
    .await;
}
