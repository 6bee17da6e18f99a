//! What a person does and sees in one window, in the product's words.
//!
//! Nothing here sleeps to let something happen: every look is repeated until what is looked for is there, and one that never comes fails
//! with what the page showed instead.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fantoccini::error::CmdError;
use fantoccini::wd::WindowHandle;
use fantoccini::{Client, Locator};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::cable::Cable;
use crate::driver::{Browser, LOOK_EVERY, PATIENCE};

/// One window of a person's browser.
#[derive(Clone, Debug)]
pub struct Tab {
    pub browser: Arc<Browser>,
    pub window: WindowHandle,
    /// The server's origin.
    pub origin: String,
    /// What connects it with the server, where that can be cut.
    pub cable: Option<Arc<Cable>>,
}

/// Whether the log is at its end, to the pixel.
pub const AT_END: &str =
    "(() => { const log = document.querySelector('.log'); return log.scrollHeight - log.clientHeight - log.scrollTop <= 1; })()";

/// A message as a page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub id: String,
    pub state: String,
    pub html: String,
}

/// Finds a message by its id, or by a part of its text, the newest first. What a question says in a script is not its text: the reply says it.
const MESSAGE: &str = "const said = (m) => { const body = m.querySelector(':scope > .body'); \
     return m.dataset.kind === 'assistant' ? body.textContent : [...body.children].filter((block) => !block.matches('pre, :has(pre)')).map((block) => block.textContent).join(' '); }; \
     const message = (what) => document.getElementById('m-' + what) \
     ?? [...document.querySelectorAll('.messages > .message')].reverse().find((m) => said(m).includes(what));";

impl Tab {
    // ---- going somewhere

    pub async fn goes(&self, path: &str) {
        self.browser.goto(&self.window, &format!("{}{path}", self.origin)).await;
    }

    /// Opens a room and waits until all of it is on screen.
    pub async fn opens(&self, room: &str) {
        self.goes(&format!("/rooms/{room}")).await;
        self.is_caught_up().await;
    }

    pub async fn reloads(&self) {
        self.browser.reload(&self.window).await;
    }

    /// Closes the window; the browser stays.
    pub async fn closes(self) {
        self.browser.close_window(&self.window).await;
    }

    pub async fn is_caught_up(&self) {
        self.waits("the room is caught up", "document.documentElement.dataset.live === 'caught-up'", &[]).await;
    }

    /// Waits until the address is this path, with anything behind it.
    pub async fn is_at(&self, path: &str) {
        self.waits(
            &format!("the address is {path}"),
            "location.pathname === arguments[0] && document.readyState === 'complete'",
            &[json!(path)],
        )
        .await;
    }

    // ---- writing

    /// Types into the composer, key by key where it matters: line breaks are typed as text, nothing is sent.
    pub async fn types(&self, text: &str) {
        self.does("document.querySelector('#text').focus()", &[]).await;
        self.browser.devtools(&self.window, "Input.insertText", json!({ "text": text })).await;
    }

    /// Presses a key where the focus is.
    pub async fn presses(&self, key: Key) {
        let (modifiers, name, code, number, text) = key.facts();
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({ "type": kind, "modifiers": modifiers, "key": name, "code": code, "windowsVirtualKeyCode": number });
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = json!(text);
            }
            self.browser.devtools(&self.window, "Input.dispatchKeyEvent", event).await;
        }
    }

    pub async fn types_and_sends(&self, text: &str) {
        self.types(text).await;
        self.presses(Key::Enter).await;
    }

    /// What stands in the composer.
    pub async fn draft(&self) -> String {
        self.asks("document.querySelector('#text').value", &[]).await.as_str().unwrap_or_default().to_owned()
    }

    /// Fills the field with this label.
    pub async fn fills(&self, label: &str, text: &str) {
        let path = format!(
            "//label[.//span[contains(@class,'label') and starts-with(normalize-space(),'{label}')]]//*[self::input or self::textarea][not(@hidden)]"
        );
        self.tries(&format!("a field “{label}”"), async |client| {
            let field = client.find(Locator::XPath(&path)).await?;
            field.clear().await?;
            field.send_keys(text).await
        })
        .await;
    }

    /// Clicks the button or link with these words.
    pub async fn clicks(&self, words: &str) {
        let path = format!("//*[(self::button or self::a) and not(@hidden) and (normalize-space()='{words}' or @aria-label='{words}')]");
        self.tries(&format!("a button “{words}”"), async |client| click(client, Locator::XPath(&path)).await).await;
    }

    /// Clicks a button of the message that holds `text`, or has this id.
    pub async fn clicks_in(&self, message: &str, words: &str) {
        let id = self.finds(message).await.id;
        let path = format!("//*[@id='m-{id}']//button[normalize-space()='{words}']");
        self.tries(&format!("“{words}” under “{message}”"), async |client| click(client, Locator::XPath(&path)).await).await;
    }

    pub async fn clicks_on(&self, selector: &str) {
        self.tries(selector, async |client| click(client, Locator::Css(selector)).await).await;
    }

    /// Chooses an action of the toolbar that comes to a message under the mouse.
    pub async fn acts(&self, message: &str, action: &str) {
        let id = self.finds(message).await.id;
        self.points_at(&format!("#m-{id} > .head")).await;
        self.waits("the toolbar", "!!document.querySelector(`#m-${arguments[0]} > .actions`)", &[json!(id)]).await;
        self.clicks_on(&format!("#m-{id} > .actions [data-act={action}]")).await;
    }

    /// Moves the mouse there.
    pub async fn points_at(&self, selector: &str) {
        let middle = "(() => { const found = document.querySelector(arguments[0]); found.scrollIntoView({ block: 'nearest' }); const box = found.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()";
        let middle = self.asks(middle, &[json!(selector)]).await;
        self.browser
            .devtools(&self.window, "Input.dispatchMouseEvent", json!({ "type": "mouseMoved", "x": middle[0], "y": middle[1] }))
            .await;
    }

    // ---- seeing

    /// Waits until a message with this text is on screen.
    pub async fn sees(&self, text: &str) {
        let held = json!(text);
        self.waits(
            &format!("“{text}” in the room"),
            "(document.querySelector('.messages')?.textContent ?? '').includes(arguments[0])",
            &[held],
        )
        .await;
    }

    /// Waits until these words stand anywhere on the page, where they can be read.
    pub async fn reads(&self, words: &str) {
        self.waits(&format!("“{words}” on the page"), "document.body.innerText.includes(arguments[0])", &[json!(words)]).await;
    }

    pub async fn sees_no(&self, text: &str) {
        self.waits(
            &format!("no “{text}” in the room"),
            "!document.querySelector('.messages').textContent.includes(arguments[0])",
            &[json!(text)],
        )
        .await;
    }

    /// Waits until the message is in this state.
    pub async fn sees_state(&self, message: &str, state: &str) {
        let script = format!("{MESSAGE} return message(arguments[0])?.dataset.state === arguments[1]");
        self.waits_for(&format!("“{message}” {state}"), &script, &[json!(message), json!(state)]).await;
    }

    /// Waits until a reply holds this text, and is still being written.
    pub async fn sees_reply_growing(&self, text: &str) -> String {
        let script = format!("{MESSAGE} const m = message(arguments[0]); return m?.dataset.state === 'streaming' && m.dataset.id");
        let id = self.waits_for(&format!("a reply that grows, with “{text}”"), &script, &[json!(text)]).await;
        id.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the text of a message holds these words.
    pub async fn reads_in(&self, message: &str, words: &str) {
        let script = format!("{MESSAGE} return message(arguments[0])?.querySelector(':scope > .body').textContent.includes(arguments[1])");
        self.waits_for(&format!("“{words}” in “{message}”"), &script, &[json!(message), json!(words)]).await;
    }

    /// Waits until the text of a message has an element like this, with these words.
    pub async fn shows_in(&self, message: &str, selector: &str, words: &str) {
        let script = format!(
            "{MESSAGE} return [...message(arguments[0])?.querySelectorAll(':scope > .body ' + arguments[1]) ?? []].some((found) => found.textContent.includes(arguments[2]))"
        );
        self.waits_for(&format!("{selector} with “{words}” in “{message}”"), &script, &[json!(message), json!(selector), json!(words)])
            .await;
    }

    /// The message with this text or id, when it is there.
    pub async fn finds(&self, message: &str) -> Shown {
        let script = format!(
            "{MESSAGE} const m = message(arguments[0]); return m?.dataset.id && [m.dataset.id, m.dataset.state, m.querySelector(':scope > .body').innerHTML]"
        );
        let found = self.waits_for(&format!("a message “{message}”"), &script, &[json!(message)]).await;
        let word = |at: usize| found[at].as_str().unwrap_or_default().to_owned();
        Shown { id: word(0), state: word(1), html: word(2) }
    }

    /// The texts of all messages on screen, in order.
    pub async fn texts(&self) -> Vec<String> {
        let all = self.asks("[...document.querySelectorAll('.messages > .message > .body')].map((body) => body.textContent)", &[]).await;
        all.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Each message on screen with its state and markup, by id, in the order of the page.
    pub async fn log(&self) -> Vec<Shown> {
        let script = "[...document.querySelectorAll('.messages > .message:not(.pending)')].map((m) => [m.dataset.id, m.dataset.state, m.querySelector(':scope > .body').innerHTML])";
        let all = self.asks(script, &[]).await;
        let word = |row: &Value, at: usize| row[at].as_str().unwrap_or_default().to_owned();
        all.as_array().into_iter().flatten().map(|row| Shown { id: word(row, 0), state: word(row, 1), html: word(row, 2) }).collect()
    }

    /// Waits until this page shows just what another does.
    pub async fn shows_the_same_as(&self, other: &Tab) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (mine, theirs) = (self.log().await, other.log().await);
            if mine == theirs {
                return;
            }
            if Instant::now() > deadline {
                panic!("{} and {} see different rooms:\n{mine:#?}\n{theirs:#?}", self.browser.name, other.browser.name);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// All of every message on screen that a fresh page would show too: what the page itself has put in is left out.
    pub async fn whole_log(&self) -> Vec<String> {
        let script = "[...document.querySelectorAll('.messages > .message')].map((message) => { \
             const copy = message.cloneNode(true); \
             for (const local of copy.querySelectorAll('[data-local]')) local.remove(); \
             copy.removeAttribute('tabindex'); \
             for (const element of [copy, ...copy.querySelectorAll('*')]) { \
                 const attributes = [...element.attributes].map(({ name, value }) => [name, value]).sort(); \
                 for (const [name] of attributes) element.removeAttribute(name); \
                 for (const [name, value] of attributes) element.setAttribute(name, value); } \
             return copy.outerHTML.replace(/>\\s+</g, '><'); })";
        let all = self.asks(script, &[]).await;
        all.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Reloads, and finds just what was there before.
    pub async fn shows_what_a_reload_shows(&self) {
        let before = self.whole_log().await;
        self.reloads().await;
        self.is_caught_up().await;
        let after = self.whole_log().await;
        for (before, after) in before.iter().zip(&after) {
            let same = before.bytes().zip(after.bytes()).take_while(|(a, b)| a == b).count();
            let from = |text: &str| String::from_utf8_lossy(&text.as_bytes()[same.saturating_sub(200)..]).into_owned();
            assert_eq!(before, after, "{}: a reload shows otherwise\nbefore …{}\nafter …{}", self.browser.name, from(before), from(after));
        }
        assert_eq!(before.len(), after.len(), "{}: a reload shows other messages", self.browser.name);
    }

    /// From here on remembers everything that the texts of replies show, so that what flashes up is seen too.
    pub async fn watches(&self) {
        let script = "window.seen = []; \
             const look = () => { for (const body of document.querySelectorAll('.message[data-kind=assistant] > .body')) { const copy = body.cloneNode(true); \
             for (const typed of copy.querySelectorAll('.tex[aria-hidden]')) typed.remove(); const text = copy.textContent; \
             if (seen.at(-1) !== text) seen.push(text); } }; \
             new MutationObserver(look).observe(document.querySelector('.messages'), { subtree: true, childList: true, characterData: true });";
        self.does(script, &[]).await;
    }

    /// All that was seen since `watches`.
    pub async fn has_seen(&self) -> Vec<String> {
        let seen = self.asks("window.seen", &[]).await;
        seen.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    // ---- the network and the screen

    /// The network is gone: the browser knows it, and so does every connection.
    pub async fn goes_offline(&self) {
        self.cable().cut().await;
        self.network(true).await;
    }

    pub async fn comes_online(&self) {
        self.cable().mend().await;
        self.network(false).await;
    }

    async fn network(&self, offline: bool) {
        self.browser.devtools(&self.window, "Network.enable", json!({})).await;
        let how = json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
        self.browser.devtools(&self.window, "Network.emulateNetworkConditions", how).await;
    }

    /// Runs a script in every page of this window before the page's own.
    pub async fn begins_with(&self, script: &str) {
        self.browser.devtools(&self.window, "Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await;
    }

    pub fn cable(&self) -> &Cable {
        self.cable.as_ref().expect("a browser on a cable")
    }

    /// A screen of 390 × 844 that is touched.
    pub async fn becomes_a_phone(&self) {
        let screen = json!({ "width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true });
        self.browser.devtools(&self.window, "Emulation.setDeviceMetricsOverride", screen).await;
        self.browser.devtools(&self.window, "Emulation.setTouchEmulationEnabled", json!({ "enabled": true })).await;
    }

    pub async fn becomes_a_desk(&self) {
        self.browser.devtools(&self.window, "Emulation.clearDeviceMetricsOverride", json!({})).await;
        self.browser.devtools(&self.window, "Emulation.setTouchEmulationEnabled", json!({ "enabled": false })).await;
    }

    pub async fn becomes_dark(&self) {
        self.colours("dark").await;
    }

    pub async fn becomes_light(&self) {
        self.colours("light").await;
    }

    async fn colours(&self, scheme: &str) {
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.browser.devtools(&self.window, "Emulation.setEmulatedMedia", media).await;
    }

    // ---- underneath

    /// The value of an expression.
    pub async fn asks(&self, expression: &str, arguments: &[Value]) -> Value {
        match self.run(&format!("return ({expression})"), arguments).await {
            Ok(value) => value,
            // The page was just being left.
            Err(_) => self.waits_for("the page answers", &format!("return [({expression})]"), arguments).await[0].clone(),
        }
    }

    pub async fn does(&self, script: &str, arguments: &[Value]) {
        self.run(script, arguments).await.unwrap_or_else(|error| panic!("{}: {script}: {error}", self.browser.name));
    }

    /// Waits until an expression is true, and gives its value.
    pub async fn waits(&self, what: &str, expression: &str, arguments: &[Value]) -> Value {
        self.waits_for(what, &format!("return ({expression})"), arguments).await
    }

    /// The same for something that takes longer.
    pub async fn waits_long(&self, patience: Duration, what: &str, expression: &str, arguments: &[Value]) -> Value {
        self.waits_until(Instant::now() + patience, what, &format!("return ({expression})"), arguments).await
    }

    async fn waits_for(&self, what: &str, script: &str, arguments: &[Value]) -> Value {
        self.waits_until(Instant::now() + PATIENCE, what, script, arguments).await
    }

    async fn waits_until(&self, deadline: Instant, what: &str, script: &str, arguments: &[Value]) -> Value {
        loop {
            let last = self.run(script, arguments).await;
            if let Ok(value) = &last
                && !matches!(value, Value::Null | Value::Bool(false))
            {
                return value.clone();
            }
            if Instant::now() > deadline {
                panic!("{} waits in vain for {what} ({last:?}). {}", self.browser.name, self.tells().await);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Does something with elements of the page until it succeeds.
    async fn tries(&self, what: &str, work: impl AsyncFn(&Client) -> Result<(), CmdError>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let done = self.browser.with(&self.window, async |client| work(client).await).await;
            match done {
                Ok(()) => return,
                Err(error) if Instant::now() > deadline => {
                    panic!("{} finds no {what} ({error}). {}", self.browser.name, self.tells().await)
                }
                Err(_) => sleep(LOOK_EVERY).await,
            }
        }
    }

    async fn run(&self, script: &str, arguments: &[Value]) -> Result<Value, CmdError> {
        self.browser.run(&self.window, script, arguments).await
    }

    /// What the page looks like, for whoever reads a failure.
    async fn tells(&self) -> String {
        let script = "return { at: location.href, live: document.documentElement.dataset.live ?? null, seq: document.querySelector('chat-room')?.dataset.seq ?? null, text: document.body?.innerText }";
        let page: BTreeMap<String, Value> =
            self.run(script, &[]).await.ok().and_then(|page| serde_json::from_value(page).ok()).unwrap_or_default();
        let text = page.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
        let others: Vec<String> = page.iter().filter(|(name, _)| *name != "text").map(|(name, value)| format!("{name} {value}")).collect();
        format!("The page: {}\n{text}\nThe console: {:#?}", others.join(", "), self.browser.complaints().await)
    }
}

/// Clicks what is found, once it is in sight: the driver itself cannot scroll a log that is drawn from its end.
async fn click(client: &Client, what: Locator<'_>) -> Result<(), CmdError> {
    let found = client.find(what).await?;
    client.execute("arguments[0].scrollIntoView({ block: 'nearest' })", vec![serde_json::to_value(&found)?]).await?;
    found.click().await
}

/// Keys that mean something.
#[derive(Clone, Copy, Debug)]
pub enum Key {
    Enter,
    ShiftEnter,
    CtrlEnter,
    Tab,
    ShiftTab,
    Escape,
    Space,
    Up,
    Down,
    Right,
    PageUp,
    AltPageUp,
    End,
    AltUp,
    AltDown,
    AltShiftDown,
    CtrlK,
    Slash,
    Question,
}

impl Key {
    /// Modifiers, name, code, number, text.
    fn facts(self) -> (u8, &'static str, &'static str, u16, &'static str) {
        const CTRL: u8 = 2;
        const SHIFT: u8 = 8;
        const ALT: u8 = 1;
        match self {
            Self::Enter => (0, "Enter", "Enter", 13, "\r"),
            Self::CtrlEnter => (CTRL, "Enter", "Enter", 13, ""),
            Self::ShiftEnter => (SHIFT, "Enter", "Enter", 13, "\r"),
            Self::Tab => (0, "Tab", "Tab", 9, ""),
            Self::ShiftTab => (SHIFT, "Tab", "Tab", 9, ""),
            Self::Right => (0, "ArrowRight", "ArrowRight", 39, ""),
            Self::Space => (0, " ", "Space", 32, " "),
            Self::Escape => (0, "Escape", "Escape", 27, ""),
            Self::Down => (0, "ArrowDown", "ArrowDown", 40, ""),
            Self::Up => (0, "ArrowUp", "ArrowUp", 38, ""),
            Self::AltPageUp => (ALT, "PageUp", "PageUp", 33, ""),
            Self::PageUp => (0, "PageUp", "PageUp", 33, ""),
            Self::AltUp => (ALT, "ArrowUp", "ArrowUp", 38, ""),
            Self::AltDown => (ALT, "ArrowDown", "ArrowDown", 40, ""),
            Self::AltShiftDown => (ALT | SHIFT, "ArrowDown", "ArrowDown", 40, ""),
            Self::CtrlK => (CTRL, "k", "KeyK", 75, ""),
            Self::Slash => (0, "/", "Slash", 191, "/"),
            Self::Question => (SHIFT, "?", "Slash", 191, "?"),
            Self::End => (0, "End", "End", 35, ""),
        }
    }
}
