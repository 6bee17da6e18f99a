//! What a finger presses is 44 px high and wide, on every page, in every sheet and under every message.

use serde_json::json;

use crate::stage::play;
use crate::tab::{Key, Tab};

/// Each control in `arguments[0]` that a finger can miss, with the height and width that it finds. Where a control ends is asked of the
/// browser, pixel by pixel, since many are larger than they look. Links within a line of text are as large as their words.
const SMALL: &str = "(() => { const small = []; \
     for (const one of document.querySelectorAll(`${arguments[0]} :is(a[href], button, summary, select, textarea, input:not([type=hidden]), [role=option]):not(:disabled)`)) { \
     if (!one.checkVisibility({ visibilityProperty: true, opacityProperty: !one.matches('label input') }) || one.matches('.skip:not(:focus)')) continue; \
     const inText = one.matches('.at') || one.matches('a') && getComputedStyle(one).display === 'inline'; \
     const field = one.matches('.attach input, .unclamp input') ? one.closest('label') : one; \
     if (inText || getComputedStyle(field).clipPath !== 'none') continue; \
     field.scrollIntoView({ block: 'center', inline: 'center' }); \
     const box = field.getBoundingClientRect(); const label = one.closest('label'); \
     const x = Math.round(box.x + box.width / 2), y = Math.round(box.y + box.height / 2); \
     const hits = (x, y) => { const found = document.elementFromPoint(x, y); return !!found && (field.contains(found) || found.contains(field) && found === label || !!label?.contains(found)); }; \
     if (!hits(x, y)) { if (box.width > 0) small.push(`${one.outerHTML.slice(0, 120)}: covered`); continue; } \
     const reach = (dx, dy) => { let n = 0; while (n < 60 && hits(x + dx * (n + 1), y + dy * (n + 1))) n += 1; return n; }; \
     const high = reach(0, -1) + 1 + reach(0, 1), wide = reach(-1, 0) + 1 + reach(1, 0); \
     if (high < 43 || wide < 43) small.push(`${one.outerHTML.slice(0, 120)}: ${wide} × ${high}, above ${document.elementFromPoint(x, y - reach(0, -1) - 1)?.outerHTML.slice(0, 60)}, below ${document.elementFromPoint(x, y + reach(0, 1) + 1)?.outerHTML.slice(0, 60)}`); } \
     return small; })()";

impl Tab {
    /// As a finger does, in the middle of it.
    async fn taps(&self, selector: &str) {
        let middle = "(([found]) => { found.scrollIntoView({ block: 'center' }); const box = found.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })(document.querySelectorAll(arguments[0]))";
        let middle = self.asks(middle, &[json!(selector)]).await;
        for (kind, points) in [("touchStart", json!([{ "x": middle[0], "y": middle[1] }])), ("touchEnd", json!([]))] {
            self.browser.devtools(&self.window, "Input.dispatchTouchEvent", json!({ "type": kind, "touchPoints": points })).await;
        }
    }

    async fn has_room_for_fingers(&self, view: &str, inside: &str) {
        let small = self.asks(SMALL, &[json!(inside)]).await;
        assert_eq!(small, json!([]), "{view}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_control_has_room_for_a_finger() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let bob = stage.person("Bob").await;
        bob.joins(&room.id).await;
        let code: String = (1..=36).map(|line| format!("print({line})\n")).collect();
        let long = "One more line.\n".repeat(60);
        let first = bob.says(&room.id, &format!("```py\n{code}```\n\n- [ ] leeks\n\nSee https://example.org/ and @Ada.")).await;
        bob.replies(&room.id, &first, &long).await;
        let invitation = person.invites(3).await;
        let mut live = person.live(&room.id).await;
        let asked = person.says(&room.id, "Soup?").await;
        let reply = live.sees_reply_to(&asked).await;
        live.sees_state(&reply, "complete").await;

        let stranger = stage.browser("Nobody").await;
        stranger.becomes_a_phone().await;
        stranger.browser.forgive(&["404"]);
        for path in ["/sign-in", &invitation, "/nothing"] {
            stranger.goes(path).await;
            stranger.has_room_for_fingers(path, "body").await;
        }

        let ada = stage.signed_in("Ada").await;
        ada.becomes_a_phone().await;
        ada.browser.forgive(&["404"]);
        let in_room = ["", "/settings", "/members", &format!("/messages/{asked}"), &format!("/messages/{reply}")]
            .map(|path| format!("/rooms/{}{path}", room.id));
        let pages = ["/rooms", "/people", "/account", "/search", "/usage", "/nothing"].map(str::to_owned);
        let mut missed = Vec::new();
        for path in in_room.iter().chain(&pages) {
            ada.goes(path).await;
            let small = ada.asks(SMALL, &[json!("main")]).await;
            missed.extend(small.as_array().unwrap().iter().map(|one| format!("{path} {one}")));
        }
        assert!(missed.is_empty(), "{missed:#?}");

        // What opens over a page.
        ada.opens(&room.id).await;
        ada.clicks_on(".sheet-button").await;
        ada.waits("the sheet", "document.querySelector('nav.side').matches(':popover-open')", &[]).await;
        ada.has_room_for_fingers("the list of rooms", "nav.side").await;
        ada.clicks_on(".side-find").await;
        ada.waits("the switcher", "!!document.querySelector('.switcher [role=option]')", &[]).await;
        ada.has_room_for_fingers("the switcher", ".switcher").await;
        ada.presses(Key::Escape).await;
        let more = format!("#m-{asked} > .head > .more");
        ada.taps(&more).await;
        ada.waits("the toolbar", "!!document.querySelector('.message > .actions')", &[]).await;
        ada.has_room_for_fingers("the toolbar", ".actions").await;
        ada.clicks_on(".actions [data-act=react]").await;
        ada.waits("the panel", "!!document.querySelector('.react-row > button')", &[]).await;
        ada.has_room_for_fingers("reactions", ".react").await;
        ada.clicks_on(".react-row > button").await;
        ada.waits("a reaction", "!!document.querySelector('.reaction')", &[]).await;
        ada.has_room_for_fingers("a reaction", ".reactions").await;
        let more = format!("#m-{asked} > .head > .more");
        ada.taps(&more).await;
        ada.clicks_on(".actions [data-act=edit]").await;
        ada.waits("the form", "!!document.querySelector('form.edit')", &[]).await;
        ada.has_room_for_fingers("an edit", "form.edit").await;
    })
    .await;
}
