//! Code in messages: it grows line by line, is copied as it was written, and folds when it is long.

use serde_json::{Value, json};

use crate::stage::{PASSWORD, play, script};
use crate::tab::{Key, Tab};

/// The lines of the newest code block, as expressions see them.
const LINES: &str = "[...[...document.querySelectorAll('.code')].pop().querySelectorAll('code > span')]";
/// How much of the newest code block is seen, and how much there is, in CSS pixels.
const HEIGHTS: &str = "(([pre]) => [pre.clientHeight, pre.scrollHeight])([...document.querySelectorAll('.code > pre')].slice(-1))";

fn long_code(lines: usize) -> String {
    (1..=lines).map(|line| format!("print({line})\n")).collect()
}

impl Tab {
    async fn presses_space(&self) {
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { " " } else { "" };
            let event = json!({ "type": kind, "key": " ", "code": "Space", "windowsVirtualKeyCode": 32, "text": text });
            self.browser.devtools(&self.window, "Input.dispatchKeyEvent", event).await;
        }
    }

    async fn sees_it_folded(&self) {
        self.waits("folded code", &format!("(([seen, all]) => seen + 100 < all)({HEIGHTS})"), &[]).await;
    }

    async fn sees_it_unfolded(&self) {
        self.waits("unfolded code", &format!("(([seen, all]) => seen === all)({HEIGHTS})"), &[]).await;
    }

    /// Unfolds and folds by keyboard, in the order in which one comes to the controls.
    async fn folds_by_keyboard(&self, with_button: bool) {
        self.sees_it_folded().await;
        let name =
            "(([fold]) => document.getElementById(fold.getAttribute('aria-labelledby')).textContent)(document.querySelectorAll('.fold'))";
        assert_eq!(self.asks(name, &[]).await, json!("Show all of the code"));
        if with_button {
            self.does("document.querySelector('.copy-code').focus()", &[]).await;
            self.presses(Key::Tab).await;
            self.waits("the box has the focus", "document.activeElement.matches('.fold')", &[]).await;
        }
        self.does("document.querySelector('.fold').focus()", &[]).await;
        self.presses_space().await;
        self.sees_it_unfolded().await;
        self.presses_space().await;
        self.sees_it_folded().await;
        self.presses(Key::Tab).await;
        self.waits("the code has the focus", "document.activeElement.matches('.code > pre')", &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn code_grows_line_by_line() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let ada = stage.in_room("Ada", &room).await;
        ada.types_and_sends(&script(&[
            r#"say "```rust\nfn one() {}\n/* a com""#,
            "wait one",
            r#"say "ment\nfn none() {} */ let s = \"two""#,
            "wait two",
            r#"say "\nlines\";\nfn two() {}\n```\n\nDone.""#,
        ]))
        .await;
        let id = ada.sees_reply_growing("/* a com").await;
        ada.shows_in(&id, ".language", "Rust").await;
        ada.shows_in(&id, "code > span .c", "/* a com").await;
        ada.waits("its button", "document.querySelectorAll('.message:last-child .copy-code').length === 1", &[]).await;
        // Nodes are remembered by a property of theirs; part of the first line is selected.
        ada.does(&format!("{LINES}.forEach((line, i) => {{ line.remembered = i; }})"), &[]).await;
        ada.does(
            &format!("const [name] = {LINES}[0].querySelector('.f').childNodes; getSelection().setBaseAndExtent(name, 0, name, 3)"),
            &[],
        )
        .await;
        stage.open("one");
        ada.shows_in(&id, "code > span:nth-child(3) .c", "fn none() {} */").await;
        ada.does(&format!("{LINES}[2].remembered = 2"), &[]).await;
        stage.open("two");
        ada.sees_state(&id, "complete").await;
        ada.shows_in(&id, "code > span:nth-child(4) .s", "lines\"").await;
        assert_eq!(
            ada.asks(&format!("{LINES}.map((line) => [line.textContent, line.remembered ?? null])"), &[]).await,
            json!([
                ["fn one() {}\n", 0],
                ["/* a comment\n", 1],
                ["fn none() {} */ let s = \"two\n", 2],
                ["lines\";\n", null],
                ["fn two() {}\n", null]
            ]),
        );
        assert_eq!(ada.asks("String(getSelection())", &[]).await, json!("one"), "what is selected stays so");
        assert_eq!(ada.asks("document.querySelectorAll('.message:last-child .copy-code').length", &[]).await, json!(1));
        let before = ada.finds(&id).await.html;
        ada.opens(&room.id).await;
        assert_eq!(ada.finds(&id).await.html, before, "a page that is loaded now shows the same");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_is_copied_as_it_was_written() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let id = person.says(&room.id, "See:\n\n```html\n<b>a &amp; b</b>\n\n\t\"c\"\n```\n\nAnd so on.").await;
        let code = "<b>a &amp; b</b>\n\n\t\"c\"";
        let ada = stage.in_room("Ada", &room).await;
        let allow = json!({ "origin": ada.origin, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
        ada.browser.devtools(&ada.window, "Browser.grantPermissions", allow).await;
        ada.clicks_on(&format!("#m-{id} .copy-code")).await;
        ada.waits("the code", "navigator.clipboard.readText().then((text) => text === arguments[0])", &[json!(code)]).await;
        ada.waits("the button says so", "document.querySelector('.copy-code').textContent === 'Copied'", &[]).await;
        ada.waits("the status says so", "[...document.querySelectorAll('[role=status]')].some((status) => status.textContent === 'Copied')", &[]).await;
        ada.waits("the button copies again", "document.querySelector('.copy-code').textContent === 'Copy'", &[]).await;

        // A page that came over plain http has no such clipboard.
        ada.does("Object.defineProperty(navigator, 'clipboard', { value: undefined }); document.addEventListener('copy', () => { window.copied = document.activeElement.value; })", &[]).await;
        ada.clicks_on(&format!("#m-{id} .copy-code")).await;
        ada.waits("the code again", "window.copied === arguments[0]", &[json!(code)]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_code_folds() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        // More than the log can show.
        person.says(&room.id, &"One more line.\n\n".repeat(30)).await;
        person.says(&room.id, &format!("```py\n{}```", long_code(60))).await;
        let ada = stage.in_room("Ada", &room).await;
        ada.folds_by_keyboard(true).await;
        // The reader was at the end of the log and unfolds: what is read does not leave the screen.
        ada.does("document.querySelector('.fold').focus({ preventScroll: true })", &[]).await;
        let top = "Math.round(document.querySelector('.code').getBoundingClientRect().top)";
        let before = ada.asks(top, &[]).await;
        ada.presses_space().await;
        ada.sees_it_unfolded().await;
        assert_eq!(ada.asks(top, &[]).await, before);

        person.says(&room.id, &format!("```py\n{}```", long_code(32))).await;
        ada.sees("print(32)").await;
        ada.waits(
            "a short one",
            "[...document.querySelectorAll('.fold')].map((fold) => getComputedStyle(fold).display).join() === 'grid,none'",
            &[],
        )
        .await;
        ada.sees_it_unfolded().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_code_folds_without_script() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        person.says(&room.id, &format!("```py\n{}```", long_code(60))).await;
        let ada = stage.browser_without_script("Ada").await;
        ada.signs_in("Ada", PASSWORD).await;
        ada.goes(&format!("/rooms/{}", room.id)).await;
        ada.folds_by_keyboard(false).await;
        ada.clicks_on(".fold").await;
        ada.sees_it_unfolded().await;
    })
    .await;
}

/// Who saw it grow reads on; who comes later finds it folded.
#[tokio::test(flavor = "multi_thread")]
async fn code_that_grew_stays_unfolded() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let ada = stage.in_room("Ada", &room).await;
        let begin = Value::from(format!("```py\n{}", long_code(50))).to_string();
        ada.types_and_sends(&script(&[&format!("say {begin}"), "wait one", r#"say "```""#])).await;
        let id = ada.sees_reply_growing("print(50)").await;
        ada.sees_it_unfolded().await;
        let before = ada.asks(HEIGHTS, &[]).await;
        stage.open("one");
        ada.sees_state(&id, "complete").await;
        assert_eq!(ada.asks(HEIGHTS, &[]).await, before, "nothing jumps when it ends");
        ada.reloads().await;
        ada.is_caught_up().await;
        ada.sees_it_folded().await;
    })
    .await;
}
