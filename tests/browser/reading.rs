//! Reading: nothing moves that the reader did not move.

use serde_json::json;

use crate::stage::{play, script};
use crate::tab::{AT_END, Tab};

#[tokio::test(flavor = "multi_thread")]
async fn older_messages_come_without_moving_what_is_read() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        for number in 1..=120 {
            person.says(&room.id, &format!("Message {number}\n\nwith a second line.")).await;
        }
        let ada = stage.in_room("Ada", &room).await;
        assert_eq!(ada.texts().await.len(), 50, "a page is what one came for");
        ada.waits("the end", AT_END, &[]).await;

        // Up by wheel, as far as it takes; what is in sight at each load stays there to the pixel.
        let mark = "(() => { const log = document.querySelector('.log'); const top = log.getBoundingClientRect().top; \
             const first = [...document.querySelectorAll('.messages > .message')].find((m) => m.getBoundingClientRect().bottom > top); \
             return { id: first.id, top: first.getBoundingClientRect().top, count: document.querySelectorAll('.messages > .message').length }; })()";
        ada.wheel(-300).await;
        let watch = format!(
            "window.jumps = []; let last = null; const look = () => {{ const now = {mark}; \
             if (last && now.count > last.count) {{ const there = document.getElementById(last.id).getBoundingClientRect().top; if (Math.abs(there - last.top) > 1) jumps.push([last, there]); }} last = now; }}; \
             new MutationObserver(look).observe(document.querySelector('.messages'), {{ childList: true }}); document.querySelector('.log').addEventListener('scroll', look); look();"
        );
        ada.does(&watch, &[]).await;
        for _ in 0..200 {
            if ada.asks("!document.querySelector('.older') && document.querySelector('.log').scrollTop === 0", &[]).await == true {
                break;
            }
            ada.wheel(-600).await;
        }
        ada.waits("all messages", "document.querySelectorAll('.messages > .message').length === 120", &[]).await;
        assert_eq!(ada.asks("window.jumps", &[]).await, json!([]), "what was read moved");
        let texts = ada.texts().await;
        let wanted: Vec<String> = (1..=120).map(|number| format!("Message {number}")).collect();
        for (text, wanted) in texts.iter().zip(&wanted) {
            assert!(text.starts_with(wanted.as_str()), "{text} should be {wanted}");
        }

        // New ones below are announced, not forced upon who reads.
        let bob = stage.person("Bob").await;
        bob.joins(&room.id).await;
        bob.says(&room.id, "The newest").await;
        ada.reads("1 new · jump to latest").await;
        assert_eq!(ada.asks("document.querySelector('.log').scrollTop", &[]).await, 0);
        ada.clicks_pill().await;
        ada.waits("the end", AT_END, &[]).await;
        ada.finds("The newest").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_leads_to_an_old_message_and_newer_ones_follow() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let mut ids = Vec::new();
        for number in 1..=130 {
            ids.push(person.says(&room.id, &format!("Message {number}.")).await);
        }
        let ada = stage.signed_in("Ada").await;
        let old = &ids[9];
        ada.goes(&format!("/rooms/{}?around={old}#m-{old}", room.id)).await;
        ada.is_caught_up().await;
        let in_sight = "(() => { const m = document.getElementById('m-' + arguments[0]).getBoundingClientRect(); const log = document.querySelector('.log').getBoundingClientRect(); return m.top >= log.top && m.bottom <= log.bottom; })()";
        ada.waits("the message in sight", in_sight, &[json!(old)]).await;
        for _ in 0..200 {
            if ada.asks("!document.querySelector('.newer')", &[]).await == true {
                break;
            }
            ada.wheel(600).await;
        }
        ada.finds("Message 130.").await;
        let texts: Vec<String> = ada.texts().await.iter().map(|text| text.trim().to_owned()).collect();
        assert_eq!(texts, (1..=130).map(|number| format!("Message {number}.")).collect::<Vec<_>>());
        person.says(&room.id, "Message 131.").await;
        ada.finds("Message 131.").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn around_a_message_both_sides_are_loaded_although_nobody_moves() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let mut ids = Vec::new();
        for number in 1..=130 {
            ids.push(person.says(&room.id, &format!("Message {number}.")).await);
        }
        let ada = stage.signed_in("Ada").await;
        // So tall that both edges are near.
        ada.browser.with(&ada.window, async |client| client.set_window_size(1280, 2400).await).await.unwrap();
        ada.goes(&format!("/rooms/{}?around={}", room.id, ids[64])).await;
        ada.finds("Message 1.").await;
        ada.finds("Message 130.").await;
        let texts: Vec<String> = ada.texts().await.iter().map(|text| text.trim().to_owned()).collect();
        assert_eq!(texts, (1..=130).map(|number| format!("Message {number}.")).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_left_at_an_old_message_does_not_grow_without_end() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        for number in 1..=60 {
            person.says(&room.id, &format!("Message {number}.")).await;
        }
        let ada = stage.in_room("Ada", &room).await;
        ada.wheel(-600).await;
        for number in 61..=360 {
            person.says(&room.id, &format!("Message {number}.")).await;
        }
        ada.waits("all is heard", "Number(document.querySelector('chat-room').dataset.seq) >= 360", &[]).await;
        ada.waits("a link to the newest", "document.querySelector('.newer a')?.textContent === 'Newest messages'", &[]).await;
        let count = ada.texts().await.len();
        assert!((200..=300).contains(&count), "{count} messages");
        // Whoever goes on reading finds them.
        for _ in 0..200 {
            if ada.asks("!document.querySelector('.newer')", &[]).await == true {
                break;
            }
            ada.wheel(3000).await;
        }
        ada.finds("Message 360.").await;
        let texts: Vec<String> = ada.texts().await.iter().map(|text| text.trim().to_owned()).collect();
        let first = 361 - texts.len();
        assert_eq!(texts, (first..=360).map(|number| format!("Message {number}.")).collect::<Vec<_>>());
        person.says(&room.id, "Message 361.").await;
        ada.finds("Message 361.").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_scrolls_up_is_left_alone_and_the_pill_leads_back() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        for number in 1..=30 {
            person.says(&room.id, &format!("Message {number}")).await;
        }
        stage.assistant("echo", &room.id, "always").await;
        let (ada, bob) = stage.both_in(&room).await;
        let paragraphs = r#"repeat 30 "A paragraph of the answer.\n\n""#;
        ada.types_and_sends(&script(&[
            r#"say "Begin.\n\n""#,
            paragraphs,
            "wait more",
            paragraphs,
            "say Middle.",
            "wait end",
            paragraphs,
            "say The end.",
        ]))
        .await;
        let id = ada.sees_reply_growing("Begin.").await;
        let count = "document.querySelectorAll(`#m-${arguments[0]} > .body > p`).length";
        ada.waits("31 paragraphs", &format!("{count} === 31"), &[json!(id)]).await;
        ada.waits("the end", AT_END, &[]).await;
        bob.waits("31 paragraphs", &format!("{count} === 31"), &[json!(id)]).await;

        // Bob reads something above; Ada follows.
        bob.wheel(-900).await;
        bob.waits("the pill", "!document.querySelector('.pill').hidden", &[]).await;
        let settled = bob.settled().await;
        stage.open("more");
        for tab in [&ada, &bob] {
            tab.reads_in(&id, "Middle.").await;
        }
        ada.waits("the end", AT_END, &[]).await;
        assert_eq!(bob.settled().await, settled, "his view stays where it is");
        let place = bob.asks(AT_END, &[]).await;
        assert_eq!(place, false);

        bob.clicks_pill().await;
        bob.waits("the end", AT_END, &[]).await;
        bob.waits("no pill", "document.querySelector('.pill').hidden", &[]).await;
        stage.open("end");
        for tab in [&ada, &bob] {
            tab.sees_state(&id, "complete").await;
            tab.reads_in(&id, "The end.").await;
            tab.waits("the end", AT_END, &[]).await;
        }
        ada.shows_the_same_as(&bob).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_let_go_as_the_wheel_does() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        for number in 1..=40 {
            person.says(&room.id, &format!("Message {number}")).await;
        }
        let ada = stage.in_room("Ada", &room).await;
        ada.waits("the end", AT_END, &[]).await;
        ada.does("document.querySelector('.log').focus()", &[]).await;
        ada.presses(crate::tab::Key::PageUp).await;
        ada.waits("not the end", &format!("!{AT_END}"), &[]).await;
        let settled = ada.settled().await;
        let bob = stage.person("Bob").await;
        bob.joins(&room.id).await;
        bob.says(&room.id, "News").await;
        ada.reads("1 new · jump to latest").await;
        assert_eq!(ada.settled().await, settled);
        ada.presses(crate::tab::Key::End).await;
        ada.waits("the end", AT_END, &[]).await;
        person.says(&room.id, "More news").await;
        ada.finds("More news").await;
        ada.waits("the end", AT_END, &[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_screen_that_changes_its_shape_keeps_the_place() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        for number in 1..=40 {
            person
                .says(
                    &room.id,
                    &format!("Message {number}, which is a little longer, so that a narrow screen breaks it into several lines."),
                )
                .await;
        }
        let ada = stage.in_room("Ada", &room).await;
        ada.waits("the end", AT_END, &[]).await;
        for _ in 0..3 {
            ada.becomes_a_phone().await;
            ada.settled().await;
            ada.waits("the end", AT_END, &[]).await;
            ada.becomes_a_desk().await;
            ada.settled().await;
            ada.waits("the end", AT_END, &[]).await;
        }
        // Who reads something else goes on reading that.
        ada.wheel(-1500).await;
        ada.wheel(-700).await;
        let place = ada.settled().await;
        for _ in 0..3 {
            ada.becomes_a_phone().await;
            assert_eq!(ada.settled().await, place);
            ada.becomes_a_desk().await;
            assert_eq!(ada.settled().await, place);
        }
        ada.clicks_pill().await;
        // The composer that grows takes from the log, not from its end.
        ada.types("One\nTwo\nThree\nFour\nFive\nSix").await;
        ada.settled().await;
        ada.waits("the end", AT_END, &[]).await;
        ada.waits("no pill", "document.querySelector('.pill').hidden", &[]).await;
    })
    .await;
}

impl Tab {
    /// Turns the wheel over the log, and waits until the browser has scrolled as far as it will.
    async fn wheel(&self, by: i32) {
        let middle = self.asks("(() => { const log = document.querySelector('.log').getBoundingClientRect(); return [log.x + log.width / 2, log.y + log.height / 2]; })()", &[]).await;
        let event = json!({ "type": "mouseWheel", "x": middle[0], "y": middle[1], "deltaX": 0, "deltaY": by });
        self.browser.devtools(&self.window, "Input.dispatchMouseEvent", event).await;
        self.settled().await;
    }

    /// Which message stands where, once nothing moves any more.
    async fn settled(&self) -> (String, i64) {
        let place = "(() => { const top = document.querySelector('.log').getBoundingClientRect().top; \
             const first = [...document.querySelectorAll('.messages > .message')].find((m) => m.getBoundingClientRect().bottom > top); \
             return [first.id, Math.round(first.getBoundingClientRect().top)]; })()";
        // The same in five frames one after the other.
        let still = format!(
            "new Promise((done) => {{ let last = '', same = 0; const look = () => {{ const now = JSON.stringify({place}); same = now === last ? same + 1 : 0; last = now; if (same >= 5) done(JSON.parse(now)); else requestAnimationFrame(look); }}; look(); }})"
        );
        let place = self.asks(&still, &[]).await;
        (place[0].as_str().unwrap_or_default().to_owned(), place[1].as_i64().unwrap_or_default())
    }

    async fn clicks_pill(&self) {
        self.clicks_on(".pill").await;
    }
}
