//! Text in messages, drawn: formulas, tables, tasks, footnotes, emoji, links to rooms, Chinese; and formulas in a reply that grows.

use serde_json::{Value, json};

use crate::stage::{play, script};

/// The body of a message, for scripts.
const BODY: &str = "document.querySelector(`#m-${arguments[0]} > .body`)";

/// All but code.
const TEXT: &str = r"Roots of $ax^2 + bx + c = 0$ for @Bob, see #Garden :tada:

\[ x_{1,2} = \frac{-b \pm \sqrt{b^2 - 4ac}}{2a} \]

$$
\begin{aligned} f(x) &= \sum_{n=0}^{\infty} \frac{f^{(n)}(a)}{n!} (x - a)^n + R_n(x) + R_{n+1}(x) + R_{n+2}(x) + R_{n+3}(x) \\ &= 1 \end{aligned}
$$

| One column | Another column | A third column | And a fourth |
|:--|:-:|--:|---|
| incomprehensibilities in here | $\alpha$ and internationalization | 42 | characteristically the last |

- [x] shopping
- [ ] cooking
  - [ ] soup

## 勾股定理

设直角三角形的两条直角边长为 \(a\) 和 \(b\)，斜边长为 \(c\)，则有：**“勾三股四弦五”**的说法由来已久。

A claim.[^1] ![a plan](https://pictures.example/plan.png)

> quoted ~~gone~~

[^1]: The proof.";

#[tokio::test(flavor = "multi_thread")]
async fn text_is_drawn() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let garden = person.makes_room("Garden").await;
        let (ada, bob) = stage.both_in(&room).await;
        let id = person.says(&room.id, TEXT).await;
        for tab in [&ada, &bob] {
            tab.shows_in(&id, "a.room-link", "#Garden").await;
            let sizes = tab.asks(&format!("[...{BODY}.querySelectorAll('math')].map((one) => {{ const box = one.getBoundingClientRect(); return box.width > 4 && box.height > 8; }})"), &[json!(id)]).await;
            assert_eq!(sizes, json!(vec![true; 7]), "every formula is drawn");
        }
        // The fraction is taller than its line: this is MathML, not text.
        let tall = ada.asks(&format!("{BODY}.querySelector('mfrac').getBoundingClientRect().height > {BODY}.querySelector('mi').getBoundingClientRect().height * 2"), &[json!(id)]).await;
        assert_eq!(tall, json!(true));
        // What is copied is what was typed, once, and on its line.
        let allow = json!({ "origin": ada.origin, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
        ada.browser.devtools(&ada.window, "Browser.grantPermissions", allow).await;
        ada.does("const range = document.createRange(); range.selectNodeContents(document.querySelector(`#m-${arguments[0]} > .body > p`)); getSelection().removeAllRanges(); getSelection().addRange(range);", &[json!(id)]).await;
        let keys = json!({ "type": "keyDown", "modifiers": 2, "key": "c", "code": "KeyC", "windowsVirtualKeyCode": 67, "commands": ["copy"] });
        ada.browser.devtools(&ada.window, "Input.dispatchKeyEvent", keys).await;
        let copied = json!("Roots of $ax^2 + bx + c = 0$ for @Bob, see #Garden 🎉");
        ada.waits("what was typed, in the clipboard", "navigator.clipboard.readText().then((text) => text === arguments[0])", &[copied]).await;

        // Boxes are named by their items, and notes lead there and back.
        let names = ada.asks(&format!("[...{BODY}.querySelectorAll('.task input')].map((one) => [one.labels[0]?.textContent.trim(), one.checked, one.disabled])"), &[json!(id)]).await;
        assert_eq!(names, json!([["shopping", true, true], ["cooking", false, true], ["soup", false, true]]));
        let there_and_back = format!("(() => {{ const there = {BODY}.querySelector('.footnote a'); const note = document.getElementById(there.hash.slice(1)); return document.getElementById(note.querySelector('.footnote-back').hash.slice(1)) === there && note.textContent.startsWith('The proof.'); }})()");
        assert_eq!(ada.asks(&there_and_back, &[json!(id)]).await, json!(true));
        let chinese = ada.asks(&format!("[...{BODY}.querySelectorAll(':lang(zh)')].map((one) => one.localName)"), &[json!(id)]).await;
        assert!(chinese.as_array().is_some_and(|found| found.contains(&json!("h4")) && found.contains(&json!("p"))), "{chinese}");
        let picture = ada.asks(&format!("(() => {{ const link = {BODY}.querySelector('a.outside-image'); return [link.textContent, link.href, getComputedStyle(link, '::before').maskImage.includes('picture.svg'), {BODY}.querySelectorAll('img').length]; }})()"), &[json!(id)]).await;
        assert_eq!(picture, json!(["a plan", "https://pictures.example/plan.png", true, 0]));

        ada.does("document.querySelector('[data-id=\"' + arguments[0] + '\"]').scrollIntoView()", &[json!(id)]).await;
        ada.looks("text").await;
        ada.becomes_dark().await;
        ada.looks("dark-text").await;
        ada.becomes_light().await;

        // On a phone wide things move in themselves, and the keyboard reaches them; the page does not move sideways.
        bob.becomes_a_phone().await;
        let wide = format!("[...{BODY}.querySelectorAll('.table, .formula')].filter((one) => one.scrollWidth > one.clientWidth).map((one) => [one.className, one.tabIndex, (() => {{ one.scrollLeft = 40; return one.scrollLeft > 0; }})()])");
        bob.waits("wide things scroll in themselves", &format!("{wide}.length >= 2"), &[json!(id)]).await;
        let wide = bob.asks(&wide, &[json!(id)]).await;
        assert_eq!(wide, json!([["formula", 0, true], ["table", 0, true]]));
        let sideways = bob.asks("[document.documentElement.scrollWidth <= document.documentElement.clientWidth, document.querySelector('.messages').closest('.log, .scroller, main').scrollWidth <= document.documentElement.clientWidth]", &[]).await;
        assert_eq!(sideways, json!([true, true]), "the page stays where it is");

        bob.looks("phone-text").await;

        ada.does(&format!("{BODY}.querySelector('a.room-link').click()"), &[json!(id)]).await;
        ada.waits("the other room", "location.pathname === arguments[0]", &[json!(format!("/rooms/{garden}"))]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_message_unfolds_by_keyboard() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let ada = stage.in_room("Ada", &room).await;
        let id = person.says(&room.id, &format!("{}the very end", "one more line\n".repeat(60))).await;
        ada.reads_in(&id, "the very end").await;
        ada.looks("long-message").await;
        let height = format!("{BODY}.getBoundingClientRect().height");
        let folded = ada.asks(&height, &[json!(id)]).await.as_f64().unwrap();
        let name = "(() => { const label = document.querySelector(`#m-${arguments[0]} > .unclamp`); return label.innerText.trim(); })()";
        assert_eq!(ada.asks(name, &[json!(id)]).await, "Show all");
        ada.does("document.querySelector(`#m-${arguments[0]} > .unclamp > input`).focus()", &[json!(id)]).await;
        ada.presses(crate::tab::Key::Space).await;
        ada.waits("the whole message", &format!("{height} > 2 * arguments[1]"), &[json!(id), json!(folded)]).await;
        assert_eq!(ada.asks(name, &[json!(id)]).await, "Show less");
    })
    .await;
}

/// A reply full of formulas, cut where it hurts.
const ANSWER: [&str; 19] = [
    r#"say "The area is $\\pi""#,
    "wait one",
    r#"say " r^2$, so it costs $5 or""#,
    "wait two",
    r#"say " more.\n\n\\[\nx = \\fra""#,
    "wait three",
    r#"say "c{-b}{2a}\n\\""#,
    "wait four",
    r#"say "]\n\nThus \\(a \\l""#,
    "wait five",
    r#"say "e b\\) and\n$$\n\\begin{aligned}\na &= b \\\\""#,
    "wait six",
    r#"say "\n&= c\n\\end{aligned}\n$""#,
    "wait seven",
    r#"say "$\nwhich is :ta""#,
    "wait eight",
    r#"say "da: done.\n\n```math\n\\sum_{i=1}^n""#,
    "wait nine",
    r#"say " i\n```\n\nThe end.""#,
];

#[tokio::test(flavor = "multi_thread")]
async fn formulas_grow_without_a_flash_of_latex() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let ada = stage.in_room("Ada", &room).await;
        // All that can be read of replies, at every change; what stands behind formulas for the clipboard cannot.
        ada.does(
            "window.read = []; const look = () => { for (const body of document.querySelectorAll('.message[data-kind=assistant] > .body')) { \
             const copy = body.cloneNode(true); for (const out of copy.querySelectorAll('.tex[aria-hidden]')) out.remove(); \
             if (read.at(-1) !== copy.textContent) read.push(copy.textContent); } }; \
             new MutationObserver(look).observe(document.querySelector('.messages'), { subtree: true, childList: true, characterData: true });",
            &[],
        )
        .await;
        ada.types_and_sends(&script(&ANSWER)).await;
        let id = ada.sees_reply_growing("The area is").await;
        stage.open("one");
        ada.shows_in(&id, "p:first-child math", "π").await;
        // A price is shown without waiting.
        ada.reads_in(&id, "so it costs $5 or").await;
        stage.open("two");
        ada.reads_in(&id, "more.").await;
        for gate in ["three", "four", "five", "six", "seven", "eight"] {
            stage.open(gate);
        }
        ada.shows_in(&id, ".formula mtable", "c").await;
        ada.reads_in(&id, "🎉").await;
        ada.shows_in(&id, ".awaited", "").await;
        stage.open("nine");
        ada.sees_state(&id, "complete").await;
        ada.shows_in(&id, "p:last-child", "The end.").await;
        assert_eq!(ada.asks(&format!("{BODY}.querySelectorAll('math').length"), &[json!(id)]).await, json!(5));
        let read = ada.asks("read", &[]).await;
        let read: Vec<&str> = read.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert!(read.len() > 5, "{read:?}");
        for seen in read {
            for raw in ["\\", "$$", "^", "_{", "frac", "begin", ":ta", "$\u{3c0}", "[ x"] {
                assert!(!seen.contains(raw), "{raw} was seen raw: {seen}");
            }
        }
    })
    .await;
}
