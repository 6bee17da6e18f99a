//! “What it saw”, from the line under a reply: beside the log, on a phone's sheet, by keyboard, and as a page without script.

use serde_json::json;

use crate::stage::{PASSWORD, play, script};
use crate::tab::Key;

const SHOWN: &str = "document.querySelector('room-column [data-column-part=saw]')?.textContent.includes(arguments[0]) ?? false";

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_opens_beside_the_log() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let mut live = person.live(&room.id).await;
        person.says(&room.id, &format!("A first one. {}", script(&["say One."]))).await;
        let question = person.says(&room.id, &script(&["say \"Two, which is \"", "wait more", "say longer."])).await;
        let reply = live.sees_reply_to(&question).await;
        live.sees_so_far(&reply, "Two, which is ").await;
        person.stops(&room.id, &reply).await;
        live.sees_state(&reply, "stopped").await;
        stage.open("more");
        person.continues(&room.id, &reply).await;
        live.until("the second attempt", |tab| tab.rows[&reply].attempt == 2 && tab.rows[&reply].state == "complete").await;

        let ada = stage.in_room("Ada", &room).await;
        ada.does("window.here = 'still'", &[]).await;
        let link = format!("#m-{reply} > .facts > a[data-column]");
        ada.does("document.querySelector(arguments[0]).focus()", &[json!(link)]).await;
        ada.presses(Key::Enter).await;
        ada.waits("the prompt", SHOWN, &[json!("A first one.")]).await;
        ada.waits("its heading has the focus", "document.activeElement.textContent === 'What echo saw'", &[]).await;
        ada.waits("what it was to go on from", SHOWN, &[json!("Two, which is ")]).await;
        assert_eq!(
            ada.asks("document.documentElement.scrollHeight <= innerHeight", &[]).await,
            json!(true),
            "the page itself does not scroll"
        );
        ada.looks("room-saw").await;
        // The first attempt began with nothing; its prompt takes the place of the other.
        ada.clicks_on("room-column .pick > a:first-child").await;
        let first = "document.querySelector('room-column .pick [aria-current]')?.textContent === 'Attempt 1' \
             && !document.querySelector('room-column').textContent.includes('to go on from')";
        ada.waits("the first attempt's", first, &[]).await;
        ada.presses(Key::Escape).await;
        ada.waits("the focus is back", "document.activeElement === document.querySelector(arguments[0])", &[json!(link)]).await;
        assert_eq!(ada.asks("window.here", &[]).await, "still", "nothing was loaded anew");
        ada.becomes_dark().await;
        ada.becomes_a_phone().await;
        ada.clicks_on(&link).await;
        ada.waits("the sheet", SHOWN, &[json!("A first one.")]).await;
        ada.looks("dark-phone-room-saw").await;

        let plain = stage.browser_without_script("Ada").await;
        plain.signs_in("Ada", PASSWORD).await;
        plain.goes(&format!("/rooms/{}", room.id)).await;
        plain.clicks_on(&link).await;
        plain.reads("What echo saw").await;
        plain.looks("plain-saw").await;
    })
    .await;
}
