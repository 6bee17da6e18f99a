//! For who does not see the page, or does not use a mouse: axe finds nothing on any view that `looks.rs` passes through, and the trees that
//! screen readers get are kept as snapshots, so that a change of them is seen.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::stage::{PASSWORD, Stage, play};
use crate::tab::Tab;

/// axe-core, which `./test` installs; its path is told by `PARLOR_TEST_AXE`.
static AXE: LazyLock<String> = LazyLock::new(|| {
    let home = std::env::var("HOME").expect("a home folder");
    let path = std::env::var("PARLOR_TEST_AXE").unwrap_or_else(|_| format!("{home}/.cache/parlor/node/node_modules/axe-core/axe.min.js"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("axe-core is not at {path} ({error}): run ./test, which installs it"))
});

impl Tab {
    /// Asks axe for what is wrong with what is shown now, by the rules of WCAG 2.2 A and AA and by best practice. Two findings are none:
    ///
    /// - Headings in the text of a message have the levels that their author gave them, which may begin or jump anywhere.
    /// - While a sheet lies over the page, all beside it is inert, its main part and first heading too; axe knows that of dialogs alone.
    pub async fn is_accessible(&self, view: &str) {
        // Where a page may run no script there are no timers either: what axe puts off comes at once.
        if self.browser.without_script() {
            self.evaluates("window.setTimeout = (then, _, ...given) => { Promise.resolve().then(() => then(...given)); return 0; }").await;
        }
        self.evaluates(&AXE).await;
        let ran = self
            .evaluates(
                "(() => { const sheet = document.querySelector('main')?.inert && document.querySelector('nav:popover-open'); \
                 const rules = sheet ? { 'landmark-one-main': { enabled: false }, 'page-has-heading-one': { enabled: false } } : {}; \
                 return axe.run(document, { resultTypes: ['violations'], rules, elementRef: true, preload: false }).then(({ violations }) => violations \
                     .map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.filter(({ element }) => !(id === 'heading-order' && element.closest('.prose'))) })) \
                     .filter(({ nodes }) => nodes.length > 0) \
                     .map(({ id, impact, nodes }) => `${id} (${impact}): ` + nodes.slice(0, 4) \
                         .map(({ html, failureSummary }) => `${html.slice(0, 300)} ${failureSummary.split('\\n').slice(1).join(' ')}`).join(' | '))); })()",
            )
            .await;
        assert_eq!(ran["result"]["value"], json!([]), "{view}: axe has found something, or did not run: {ran}");
    }

    /// Beside the page's policy, as developers' tools do.
    async fn evaluates(&self, expression: &str) -> Value {
        let how = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        self.browser.devtools(&self.window, "Runtime.evaluate", how).await
    }

    /// What a screen reader finds: a line for each thing, its role, name and states, those inside it further in. Times and ids differ each
    /// time and are left out.
    async fn outline(&self) -> String {
        self.browser.devtools(&self.window, "Accessibility.enable", json!({})).await;
        let tree = self.browser.devtools(&self.window, "Accessibility.getFullAXTree", json!({})).await;
        let nodes = tree["nodes"].as_array().expect("a tree");
        let by_id: HashMap<&str, &Value> = nodes.iter().map(|node| (node["nodeId"].as_str().unwrap(), node)).collect();
        let mut out = String::new();
        lines(nodes.first().expect("a root"), &by_id, 0, &mut out);
        out
    }
}

fn lines(node: &Value, by_id: &HashMap<&str, &Value>, depth: usize, out: &mut String) {
    let role = node["role"]["value"].as_str().unwrap_or_default();
    let name = node["name"]["value"].as_str().unwrap_or_default();
    // Boxes of lines and what is there for the layout alone say nothing.
    let silent = node["ignored"] == json!(true) || ["InlineTextBox", "none", "generic", "LineBreak", "ListMarker"].contains(&role);
    let deeper = if silent { depth } else { depth + 1 };
    if !silent {
        let states = node["properties"].as_array().into_iter().flatten().filter_map(|state| {
            let (name, value) = (state["name"].as_str()?, &state["value"]["value"]);
            match (name, value) {
                ("level", value) => Some(format!("level={value}")),
                ("live", Value::String(live)) if live != "off" => Some(format!("live={live}")),
                ("expanded" | "pressed" | "checked" | "selected" | "required" | "invalid" | "modal", value)
                    if !["false", "\"false\""].contains(&value.to_string().as_str()) || name == "expanded" || name == "pressed" =>
                {
                    Some(format!("{name}={}", value.to_string().trim_matches('"')))
                }
                ("disabled" | "readonly", Value::Bool(true)) => Some(name.to_owned()),
                _ => None,
            }
        });
        let states: String = states.map(|state| format!(" [{state}]")).collect();
        let name = match role {
            "time" | "Time" => String::new(),
            // A text inside something that is named by it would be said twice here.
            _ => steady(name),
        };
        let line = if name.is_empty() { format!("{role}{states}") } else { format!("{role} “{name}”{states}") };
        out.push_str(&"  ".repeat(depth));
        out.push_str(line.trim_end());
        out.push('\n');
    }
    for child in node["childIds"].as_array().into_iter().flatten() {
        if let Some(child) = by_id.get(child.as_str().unwrap_or_default()) {
            lines(child, by_id, deeper, out);
        }
    }
}

/// Words that another day changes.
const DAYS_AND_MONTHS: [&str; 19] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A name without clock times, dates, durations and speeds, and without the folder of this test's gates, which is part of a model's name.
fn steady(name: &str) -> String {
    let name = name.split_once("&gates=").map_or(name, |(model, _)| model);
    let mut out = String::new();
    let mut digits = false;
    for character in name.trim().chars() {
        match character {
            '0'..='9' | ':' | '.' | ',' if digits || character.is_ascii_digit() => {
                if !digits {
                    out.push('#');
                }
                digits = true;
            }
            character => {
                digits = false;
                out.push(character);
            }
        }
    }
    for word in DAYS_AND_MONTHS {
        out = out.replace(word, "#");
    }
    out.replace("# AM", "#").replace("# PM", "#").replace("#\u{202f}AM", "#").replace("#\u{202f}PM", "#")
}

/// A room in which everything has its place: a person's message with all that text can hold, a quote, a finished reply.
async fn furnished(stage: &Stage) -> crate::stage::Room {
    let ada = stage.first("Ada").await;
    let room = stage.room_with_echo(&ada, "Kitchen").await;
    let bob = stage.person("Bob").await;
    bob.joins(&room.id).await;
    let first = ada
        .says(&room.id, "# Soup\n\n- [ ] leeks\n- [x] potatoes\n\n| what | how much |\n|---|---|\n| salt | a pinch |\n\n```rust\nfn boil() {}\n```\n\nSee[^1] $x^2$.\n\n[^1]: The book.")
        .await;
    // One after the other: what is said while a reply is written is not in it.
    let mut tab = ada.live(&room.id).await;
    let mut answered = async |asked: &str| {
        let reply = tab.sees_reply_to(asked).await;
        tab.sees_state(&reply, "complete").await;
    };
    answered(&first).await;
    answered(&bob.replies(&room.id, &first, "Good.").await).await;
    answered(&ada.says(&room.id, "@Echo say it again").await).await;
    room
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_screen_reader_finds() {
    play(async |stage| {
        let room = furnished(stage).await;
        let ada = stage.in_room("Ada", &room).await;
        ada.is_caught_up().await;
        insta::assert_snapshot!("room", ada.outline().await);
        let pages = [
            ("rooms", "/rooms".to_owned()),
            ("settings", format!("/rooms/{}/settings", room.id)),
            ("people", "/people".to_owned()),
            ("account", "/account".to_owned()),
        ];
        for (name, path) in pages {
            ada.goes(&path).await;
            insta::assert_snapshot!(name, ada.outline().await);
        }
        let stranger = stage.browser("Nobody").await;
        stranger.goes("/sign-in").await;
        insta::assert_snapshot!("sign-in", stranger.outline().await);
        let bob = stage.browser_without_script("Bob").await;
        bob.signs_in("Bob", PASSWORD).await;
        bob.goes(&format!("/rooms/{}", room.id)).await;
        insta::assert_snapshot!("room-without-script", bob.outline().await);
    })
    .await;
}
