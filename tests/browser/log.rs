//! The log, to the pixel: what is read stays where it is, whatever happens around it, and everything in it can be found again.

use serde_json::{Value, json};

use crate::stage::{Room, play, script};
use crate::support::Person;
use crate::tab::{AT_END, Key, Tab};

/// What stands at the middle of the view: its message, and where the innermost block there begins.
const MIDDLE: &str = "(() => { const log = document.querySelector('.log').getBoundingClientRect(); \
     const found = document.elementFromPoint(log.x + log.width / 2, log.y + log.height / 2); \
     const block = found.closest('.body > *') ?? found.closest('.message'); \
     return [found.closest('.message')?.id, block?.textContent.slice(0, 40), block?.getBoundingClientRect().top]; })()";
/// The most messages that there ever were in the page.
const COUNTED: &str = "window.most = 0; { const list = document.querySelector('.messages'); const count = () => { most = Math.max(most, list.children.length); }; \
     new MutationObserver(count).observe(list, { childList: true }); count(); }";
/// Whoever wants to see whether what is read has moved: compares it before and after each change of the list.
const JUMPS: &str = "window.jumps = []; { let last = null; const log = document.querySelector('.log'); \
     const look = (changed) => { const box = log.getBoundingClientRect(); const y = box.top + log.clientHeight / 2; \
         if (changed && last?.isConnected && Math.abs(last.getBoundingClientRect().top - last.stood) >= 1) jumps.push([last.id, last.stood, last.getBoundingClientRect().top]); \
         last = [...document.querySelectorAll('.messages > .message')].find((m) => m.getBoundingClientRect().bottom > y) ?? null; \
         if (last) last.stood = last.getBoundingClientRect().top; }; \
     new MutationObserver(() => look(true)).observe(document.querySelector('.messages'), { childList: true }); log.addEventListener('scroll', () => look(false)); look(false); }";

async fn fill(person: &Person, room: &Room, numbers: std::ops::RangeInclusive<u32>) -> Vec<String> {
    let mut ids = Vec::new();
    for number in numbers {
        // Not all of one height.
        let more = "\n\nAnother paragraph of it, which is long enough for a second line on a narrow screen.".repeat(number as usize % 4);
        ids.push(person.says(&room.id, &format!("Message {number}.{more}")).await);
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_and_days_are_the_same_without_script_and_with_it() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let bob = stage.person("Bob").await;
        let room = stage.room(&person, "Kitchen").await;
        bob.joins(&room.id).await;
        // Minutes after eight in the evening (UTC) of a day, by whom, and what it answers.
        let said: [(&Person, i64, Option<usize>); 14] = [
            (&person, 0, None),
            (&person, 4, None),
            (&person, 8, None),
            (&person, 14, None),
            (&bob, 15, None),
            (&bob, 16, Some(4)),
            (&bob, 17, Some(2)),
            (&bob, 18, None),
            (&person, 237, None),
            (&person, 239, None),
            (&person, 241, None),
            (&person, 243, None),
            (&bob, 244, None),
            (&bob, 29 * 60, None),
        ];
        let mut ids: Vec<String> = Vec::new();
        for (number, (who, minutes, to)) in said.iter().enumerate() {
            let id = match to {
                Some(to) => who.replies(&room.id, &ids[*to], &format!("Answer {number}.")).await,
                None => who.says(&room.id, &format!("Message {number}.")).await,
            };
            // Twenty o'clock of 9 November 2026.
            let at = 1_794_254_400_000_i64 + minutes * 60_000;
            stage.database.execute(&format!("UPDATE messages SET created_at = {at} WHERE id = '{id}'")).await;
            ids.push(id);
        }
        let places = "[...document.querySelectorAll('.messages > .message')].map((m) => ['follows', 'answers', 'day'].filter((name) => name in m.dataset).join(' '))";
        let plain = stage.browser_without_script("Ada").await;
        plain.signs_in("Ada", crate::stage::PASSWORD).await;
        plain.goes(&format!("/rooms/{}", room.id)).await;
        let drawn = plain.asks(places, &[]).await;
        let wanted = json!(["day", "follows", "follows", "", "", "answers", "", "follows", "", "follows", "day", "follows", "", "day"]);
        assert_eq!(drawn, wanted, "as the server draws it");

        let ada = stage.signed_in("Ada").await;
        let zone = async |name: &str| ada.browser.devtools(&ada.window, "Emulation.setTimezoneOverride", json!({ "timezoneId": name })).await;
        zone("UTC").await;
        ada.opens(&room.id).await;
        assert_eq!(ada.asks(places, &[]).await, drawn, "as the script does, where the clock is the server's");
        // Where it is four in the morning the days are others, and all else is the same.
        zone("Asia/Shanghai").await;
        ada.opens(&room.id).await;
        let wanted = json!(["day", "follows", "follows", "", "", "answers", "", "follows", "", "follows", "follows", "follows", "", "day"]);
        assert_eq!(ada.asks(places, &[]).await, wanted, "by the reader's days");
        let first = "[document.querySelector('.message').dataset.day, document.querySelector('.message time').textContent]";
        assert_eq!(ada.asks(first, &[]).await, json!(["Tuesday, November 10", "4:00 AM"]));
        // What comes now is arranged by the same rules.
        bob.says(&room.id, "Now.").await;
        ada.finds("Now.").await;
        let last = "['follows', 'answers', 'day'].filter((name) => name in [...document.querySelectorAll('.messages > .message')].at(-1).dataset).join(' ')";
        assert_eq!(ada.asks(last, &[]).await, json!("day"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_room_is_read_both_ways_with_few_messages_in_the_page() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let bob = stage.person("Bob").await;
        bob.joins(&room.id).await;
        fill(&person, &room, 1..=1500).await;
        let ada = stage.in_room("Ada", &room).await;
        ada.waits("the end", AT_END, &[]).await;
        ada.does(COUNTED, &[]).await;
        ada.does(JUMPS, &[]).await;
        // As many screens up as it takes, while others go on talking.
        let first = "document.querySelector('.messages > .message')?.querySelector('.body').textContent";
        let mut news = 0;
        for turn in 0..400 {
            if ada.asks("!document.querySelector('.older') && document.querySelector('.log').scrollTop === 0", &[]).await == true {
                break;
            }
            ada.does("const log = document.querySelector('.log'); log.dispatchEvent(new WheelEvent('wheel', { deltaY: -1 })); log.scrollTop -= 2000;", &[]).await;
            ada.frames(2).await;
            if turn % 10 == 0 {
                news += 1;
                bob.says(&room.id, &format!("News {news}.")).await;
            }
        }
        ada.waits("the first message", &format!("{first}.startsWith('Message 1.')"), &[]).await;
        ada.reads(&format!("{news} new · jump to latest")).await;
        assert_eq!(ada.asks("window.jumps", &[]).await, json!([]), "what was read moved on the way up");
        // And down again, to the end and the news.
        for _ in 0..600 {
            if ada.asks(&format!("!document.querySelector('.newer') && {AT_END}"), &[]).await == true {
                break;
            }
            ada.does("document.querySelector('.log').scrollTop += 2000;", &[]).await;
            ada.frames(2).await;
        }
        ada.finds(&format!("News {news}.")).await;
        ada.waits("no pill", "document.querySelector('.pill').hidden", &[]).await;
        assert_eq!(ada.asks("window.jumps", &[]).await, json!([]), "what was read moved on the way down");
        let most = ada.asks("window.most", &[]).await;
        assert!(most.as_u64().is_some_and(|most| (200..=300).contains(&most)), "{most} messages at once");
        // All that is there is there once and in order.
        let seqs = "(() => { const seqs = [...document.querySelectorAll('.messages > .message')].map((m) => Number(m.dataset.seq)); return seqs.every((seq, i) => i === 0 || seq === seqs[i - 1] + 1); })()";
        assert_eq!(ada.asks(seqs, &[]).await, true, "no hole, nothing twice");
        // What comes now is followed.
        for number in 1..=70 {
            bob.says(&room.id, &format!("More {number}.")).await;
        }
        ada.finds("More 70.").await;
        ada.waits("the end", AT_END, &[]).await;
        assert_eq!(ada.asks("window.most <= 300", &[]).await, true);
        assert_eq!(ada.asks(seqs, &[]).await, true, "no hole, nothing twice");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pill_leads_from_far_above_to_the_end_without_leaving_the_page() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let bob = stage.person("Bob").await;
        let room = stage.room(&person, "Kitchen").await;
        bob.joins(&room.id).await;
        let ids = fill(&person, &room, 1..=200).await;
        let ada = stage.signed_in("Ada").await;
        ada.goes(&format!("/rooms/{}?around={}", room.id, ids[20])).await;
        ada.is_caught_up().await;
        ada.does("window.here = true", &[]).await;
        bob.says(&room.id, "News.").await;
        bob.says(&room.id, "More news.").await;
        ada.reads("2 new · jump to latest").await;
        // Deleted before it was read: there is nothing new about it any more.
        let id = bob.says(&room.id, "A slip.").await;
        ada.reads("3 new · jump to latest").await;
        bob.deletes(&room.id, &id).await;
        ada.reads("2 new · jump to latest").await;
        ada.clicks_on(".pill").await;
        ada.finds("More news.").await;
        ada.waits("the end", AT_END, &[]).await;
        ada.waits("no pill", "document.querySelector('.pill').hidden && window.here", &[]).await;
        assert_eq!(ada.asks("location.search", &[]).await, "");
        bob.says(&room.id, "The newest.").await;
        ada.finds("The newest.").await;
        ada.waits("the end", AT_END, &[]).await;
        // And what is written far above goes to the end too.
        ada.goes(&format!("/rooms/{}?around={}", room.id, ids[20])).await;
        ada.is_caught_up().await;
        ada.does("window.here = true", &[]).await;
        ada.types_and_sends("From above.").await;
        ada.finds("From above.").await;
        ada.finds("The newest.").await;
        ada.waits("the end", &format!("window.here && {AT_END}"), &[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_around_moves_what_is_read() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let bob = stage.person("Bob").await;
        let room = stage.room(&person, "Kitchen").await;
        bob.joins(&room.id).await;
        let ids = fill(&person, &room, 1..=30).await;
        stage.assistant("echo", &room.id, "always").await;
        let asked = script(&[
            r#"reason "One thought.\n\nAnother one.\n\nA third.""#,
            r#"repeat 12 "A paragraph of the answer.\n\n""#,
            "wait more",
            r#"repeat 40 "More of it.\n\n""#,
            "say The end.",
        ]);
        bob.says(&room.id, &asked).await;
        let ada = stage.in_room("Ada", &room).await;
        let reply = ada.sees_reply_growing("A paragraph").await;
        for anchoring in ["none", "auto"] {
            ada.does("document.querySelector('.log').style.overflowAnchor = arguments[0]", &[json!(anchoring)]).await;
            ada.reads_from(&ids[15]).await;
            let still = ada.still().await;

            // Above: an edit, a deletion, and a message that is not yet loaded. Below: growth.
            person.edits(&room.id, &ids[13], &format!("Edited above ({anchoring}).\n\nWith more.\n\nAnd more.\n\nAnd still more.")).await;
            ada.finds(&format!("Edited above ({anchoring})")).await;
            assert_eq!(ada.still().await, still, "{anchoring}: an edit above");
            let gone = if anchoring == "none" { &ids[12] } else { &ids[11] };
            person.deletes(&room.id, gone).await;
            ada.sees_state(gone, "deleted").await;
            assert_eq!(ada.still().await, still, "{anchoring}: a deletion above");
            if anchoring == "none" {
                stage.open("more");
                ada.sees_state(&reply, "complete").await;
            }
            bob.says(&room.id, &format!("Something new ({anchoring}).")).await;
            ada.finds(&format!("Something new ({anchoring})")).await;
            assert_eq!(ada.still().await, still, "{anchoring}: growth below");

            // Something above gets another size without a word of ours: a picture, a fold.
            ada.does(&format!("document.getElementById('m-{}').style.paddingBlockEnd = '137px'", ids[14]), &[]).await;
            ada.frames(2).await;
            assert_eq!(ada.still().await, still, "{anchoring}: what becomes higher above");
            ada.does(&format!("document.getElementById('m-{}').style.paddingBlockEnd = ''", ids[14]), &[]).await;
            ada.frames(2).await;
            assert_eq!(ada.still().await, still, "{anchoring}: what becomes lower above");

            // The composer grows, and shrinks again.
            ada.types("One\nTwo\nThree\nFour\nFive\nSix").await;
            ada.frames(2).await;
            assert_eq!(ada.still_at(&still).await, still, "{anchoring}: the composer grew");
            ada.does(
                "const text = document.querySelector('#text'); text.value = ''; text.dispatchEvent(new Event('input', { bubbles: true }));",
                &[],
            )
            .await;
            ada.frames(2).await;
            assert_eq!(ada.still().await, still, "{anchoring}: the composer shrank");

            // The letters become larger: what is read keeps its place.
            ada.does("document.documentElement.style.fontSize = '20px'", &[]).await;
            ada.frames(2).await;
            let larger = ada.still_at(&still).await;
            assert_eq!(larger.0, still.0, "{anchoring}: larger letters");
            ada.does("document.documentElement.style.fontSize = ''", &[]).await;
            ada.frames(2).await;
            assert_eq!(ada.still_at(&still).await.0, still.0, "{anchoring}: letters as before");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_that_unfolds_keeps_what_was_clicked_in_its_place() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        fill(&person, &room, 1..=3).await;
        let ada = stage.in_room("Ada", &room).await;
        ada.types_and_sends(&script(&[
            r#"reason "One.\n\n""#,
            r#"reason "Two.\n\nThree.\n\nFour.\n\nFive.\n\nSix.\n\nSeven.\n\nEight.\n\nNine.\n\nTen.""#,
            "say Done.",
        ]))
        .await;
        ada.finds("Done.").await;
        ada.sees_state("Done.", "complete").await;
        ada.waits("the end", AT_END, &[]).await;
        let summary = "[...document.querySelectorAll('.reasoning > summary')].at(-1)";
        let top = format!("Math.round({summary}.getBoundingClientRect().top)");
        let before = ada.asks(&top, &[]).await;
        ada.does(&format!("{summary}.click()"), &[]).await;
        ada.frames(3).await;
        assert_eq!(ada.asks(&top, &[]).await, before, "what was clicked stays under the finger");
        assert_eq!(ada.asks(AT_END, &[]).await, false, "what was unfolded goes on below");
        ada.does(&format!("{summary}.click()"), &[]).await;
        ada.frames(3).await;
        ada.waits("the end", AT_END, &[]).await;
        // Who is at the end follows again.
        person.says(&room.id, &script(&["say Followed."])).await;
        ada.sees_state("Followed.", "complete").await;
        ada.waits("the end", AT_END, &[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_smallest_turn_of_the_wheel_lets_go_of_a_reply_that_grows_fast() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        fill(&person, &room, 1..=20).await;
        stage.assistant_of("quick", &room.id, "always", &["--provider", "scripted", "--model", "lorem?tokens=4000&tokens_per_second=400"]).await;
        let ada = stage.in_room("Ada", &room).await;
        ada.types_and_sends("Go on.").await;
        ada.waits("it grows", "(document.querySelector('.message[data-state=streaming] > .body')?.textContent.length ?? 0) > 500", &[]).await;
        for key in [false, true] {
            ada.waits("the end", AT_END, &[]).await;
            let middle = ada.asks("(() => { const log = document.querySelector('.log').getBoundingClientRect(); return [log.x + log.width / 2, log.y + log.height / 2]; })()", &[]).await;
            if key {
                ada.does("document.querySelector('.log').focus()", &[]).await;
                ada.presses(Key::Up).await;
            } else {
                let event = json!({ "type": "mouseWheel", "x": middle[0], "y": middle[1], "deltaX": 0, "deltaY": -24 });
                ada.browser.devtools(&ada.window, "Input.dispatchMouseEvent", event).await;
            }
            ada.waits("not at the end", &format!("!{AT_END}"), &[]).await;
            let place = ada.settles().await;
            let length = ada.asks("document.querySelector('.message[data-state=streaming] > .body').textContent.length", &[]).await;
            ada.waits("it has grown", "document.querySelector('.message[data-state=streaming] > .body').textContent.length > arguments[0] + 500", &[length]).await;
            assert_eq!(ada.settles().await, place, "the view stays where it was left");
            ada.clicks_on(".pill").await;
            ada.waits("the end", AT_END, &[]).await;
        }
        let id = ada.asks("document.querySelector('.message[data-state=streaming]').dataset.id", &[]).await;
        person.stops(&room.id, id.as_str().unwrap_or_default()).await;
        ada.sees_state(id.as_str().unwrap_or_default(), "stopped").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_to_messages_lead_there_and_back() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let bob = stage.person("Bob").await;
        let room = stage.room(&person, "Kitchen").await;
        bob.joins(&room.id).await;
        let ids = fill(&person, &room, 1..=120).await;
        let near = bob.replies(&room.id, &ids[90], "To one that is here.").await;
        let far = bob.replies(&room.id, &ids[9], "To one far above.").await;
        let ada = stage.in_room("Ada", &room).await;
        ada.does("window.here = true", &[]).await;
        ada.waits("the end", AT_END, &[]).await;
        for (answer, to) in [(&near, &ids[90]), (&far, &ids[9])] {
            ada.reads_from(answer).await;
            ada.frames(2).await;
            let before = ada.top_of(answer).await;
            ada.clicks_on(&format!("#m-{answer} > .quote")).await;
            ada.waits("the message is in view", IN_VIEW, &[json!(to)]).await;
            ada.waits(
                "it is marked and has the focus",
                "document.activeElement.id === 'm-' + arguments[0] && 'marked' in document.activeElement.dataset",
                &[json!(to)],
            )
            .await;
            assert_eq!(
                ada.asks("location.pathname + location.search + location.hash", &[]).await,
                json!(format!("/rooms/{}?around={to}#m-{to}", room.id))
            );
            ada.does("history.back()", &[]).await;
            ada.waits("back where one was", IN_VIEW, &[json!(answer)]).await;
            ada.settles().await;
            assert_eq!(ada.top_of(answer).await, before, "to the pixel");
        }
        assert_eq!(ada.asks("window.here", &[]).await, true, "without leaving the page");

        // The link that is copied leads whoever opens it there.
        let link = format!("/rooms/{}?around={}#m-{}", room.id, ids[9], ids[9]);
        ada.does("window.copied = []; navigator.clipboard.writeText = async (text) => { copied.push(text); }", &[]).await;
        ada.acts(&near, "link").await;
        ada.waits(
            "the copied link",
            "window.copied[0] === location.origin + arguments[0]",
            &[json!(format!("/rooms/{}?around={near}#m-{near}", room.id))],
        )
        .await;
        let bob = stage.signed_in("Bob").await;
        bob.goes(&link).await;
        bob.is_caught_up().await;
        bob.waits("the message is in view", IN_VIEW, &[json!(ids[9])]).await;
        bob.waits(
            "it is marked and has the focus",
            "document.activeElement.id === 'm-' + arguments[0] && 'marked' in document.activeElement.dataset",
            &[json!(ids[9])],
        )
        .await;
    })
    .await;
}

/// Whether a message stands in the view as a whole.
const IN_VIEW: &str = "(() => { const m = document.getElementById('m-' + arguments[0])?.getBoundingClientRect(); const log = document.querySelector('.log').getBoundingClientRect(); return !!m && m.top >= log.top - 1 && m.bottom <= log.bottom + 1; })()";

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_and_the_way_back_find_the_place_again() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let ids = fill(&person, &room, 1..=200).await;
        let ada = stage.in_room("Ada", &room).await;
        // One that is in the page as it is loaded, and one that is far above.
        for id in [&ids[180], &ids[40]] {
            if ada.asks("!document.getElementById('m-' + arguments[0])", &[json!(id)]).await == true {
                ada.goes(&format!("/rooms/{}?around={id}#m-{id}", room.id)).await;
                ada.is_caught_up().await;
            }
            ada.reads_from(id).await;
            let place = ada.settles().await;
            ada.kept().await;
            ada.reloads().await;
            ada.is_caught_up().await;
            ada.waits("the message", "!!document.getElementById('m-' + arguments[0])", &[json!(id)]).await;
            assert_eq!(ada.settles().await, place, "after a reload");
            ada.goes("/rooms").await;
            ada.does("history.back()", &[]).await;
            ada.is_at(&format!("/rooms/{}", room.id)).await;
            ada.is_caught_up().await;
            ada.waits("the message", "!!document.getElementById('m-' + arguments[0])", &[json!(id)]).await;
            assert_eq!(ada.settles().await, place, "after going back");
        }
        // Who was at the end finds the end.
        ada.opens(&room.id).await;
        ada.waits("the end", AT_END, &[]).await;
        person.says(&room.id, "The last one.").await;
        ada.finds("The last one.").await;
        ada.kept().await;
        ada.reloads().await;
        ada.is_caught_up().await;
        ada.waits("the end", AT_END, &[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_in_a_finished_block_outlives_the_growth_and_the_end() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let ada = stage.in_room("Ada", &room).await;
        ada.types_and_sends(&script(&[r#"say "The **first** paragraph.\n\nThe second""#, "wait more", r#"say " goes on.\n\n- one\n- two\n\nThe last.""#])).await;
        let id = ada.sees_reply_growing("The second").await;
        ada.does("const p = document.querySelector(`#m-${arguments[0]} > .body > p`); const range = document.createRange(); range.setStart(p.firstChild, 1); range.setEnd(p.querySelector('strong').firstChild, 3); getSelection().removeAllRanges(); getSelection().addRange(range);", &[json!(id)]).await;
        assert_eq!(ada.asks("getSelection().toString()", &[]).await, "he fir");
        stage.open("more");
        ada.sees_state(&id, "complete").await;
        ada.reads_in(&id, "The last.").await;
        assert_eq!(ada.asks("getSelection().toString()", &[]).await, "he fir");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_heard_is_calm_and_the_focus_is_never_lost() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let bob = stage.person("Bob").await;
        bob.joins(&room.id).await;
        let ada = stage.in_room("Ada", &room).await;
        ada.does("window.heard = []; { const status = document.querySelector('chat-room > [role=status]'); new MutationObserver(() => heard.push(status.textContent)).observe(status, { childList: true, characterData: true, subtree: true }); }", &[]).await;
        assert_eq!(ada.asks("[document.querySelector('.log').getAttribute('role'), document.querySelector('.log').getAttribute('aria-live')]", &[]).await, json!(["log", "off"]));
        bob.says(&room.id, "Good *morning*, all.").await;
        ada.waits("Bob is heard", "window.heard.includes('Bob: Good morning, all.')", &[]).await;
        for number in 1..=5 {
            bob.says(&room.id, &format!("Hurry {number}.")).await;
        }
        ada.waits("many are counted", "window.heard.some((text) => /^[345] new messages$/.test(text))", &[]).await;
        stage.assistant("echo", &room.id, "always").await;
        ada.types_and_sends(&script(&[r#"say "See [this](https://example.org/one) and""#, "wait more", r#"say " more.""#, "wait end", "say Done."])).await;
        let id = ada.sees_reply_growing("See this").await;
        ada.waits("it answers", "window.heard.includes('echo is answering')", &[]).await;
        // The focus is on a link in what grows, and stays there through growth and end.
        ada.does("document.querySelector(`#m-${arguments[0]} > .body a`).focus()", &[json!(id)]).await;
        stage.open("more");
        ada.reads_in(&id, "more.").await;
        assert_eq!(ada.asks("document.activeElement.href", &[]).await, "https://example.org/one");
        stage.open("end");
        ada.sees_state(&id, "complete").await;
        assert_eq!(ada.asks("document.activeElement.href", &[]).await, "https://example.org/one");
        ada.waits("it is done", "window.heard.includes('echo finished')", &[]).await;
        assert_eq!(ada.asks("window.heard.filter((text) => text.includes('See')).length", &[]).await, 0, "growth is not read aloud");

        // The focus is on Stop, which goes away: the message has it then.
        ada.types_and_sends(&script(&["say Begin.", "wait never"])).await;
        let id = ada.sees_reply_growing("Begin.").await;
        ada.does("document.querySelector(`#m-${arguments[0]} > .state button`).focus()", &[json!(id)]).await;
        ada.presses(Key::Enter).await;
        ada.sees_state(&id, "stopped").await;
        assert_eq!(ada.asks("document.activeElement.id", &[]).await, json!(format!("m-{id}")));
        ada.waits("it was stopped", "window.heard.includes('echo was stopped')", &[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_walks_through_messages() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let ids = fill(&person, &room, 1..=60).await;
        let ada = stage.in_room("Ada", &room).await;
        ada.waits("the end", AT_END, &[]).await;
        let at = async |id: &str| {
            ada.waits("the message has the focus", "document.activeElement.dataset.id === arguments[0]", &[json!(id)]).await
        };
        // From the field where one writes.
        ada.does("document.querySelector('#text').focus()", &[]).await;
        ada.presses(Key::AltPageUp).await;
        at(&ids[59]).await;
        for number in (50..59).rev() {
            ada.types_key("k").await;
            at(&ids[number]).await;
            ada.waits("it is in view", IN_VIEW, &[json!(ids[number])]).await;
        }
        ada.types_key("j").await;
        at(&ids[51]).await;
        assert_eq!(
            ada.asks(
                "document.activeElement.matches(':focus-visible') && !!document.activeElement.querySelector(':scope > .actions')",
                &[]
            )
            .await,
            true,
            "its actions are at hand"
        );
        // It does not follow what comes now, for it was left upward.
        let place = ada.settles().await;
        person.says(&room.id, "News.").await;
        ada.finds("News.").await;
        assert_eq!(ada.settles().await, place);
        ada.presses(Key::Escape).await;
        ada.waits("back to writing", "document.activeElement.id === 'text'", &[]).await;
        // Pages turn wherever the focus is.
        ada.does("document.activeElement.blur()", &[]).await;
        let top = "document.querySelector('.log').scrollTop";
        let before = ada.asks(top, &[]).await;
        ada.presses(Key::PageUp).await;
        ada.waits("a page up", &format!("{top} < arguments[0] - 300"), &[before]).await;
        ada.presses(Key::End).await;
        ada.waits("the end", AT_END, &[]).await;
        ada.waits("no pill", "document.querySelector('.pill').hidden", &[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_can_delete_what_others_said() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let (ada, bob) = stage.both_in(&room).await;
        bob.types_and_sends("Said by Bob.").await;
        let id = ada.finds("Said by Bob.").await.id;
        ada.types_and_sends("Said by Ada.").await;
        let other = bob.finds("Said by Ada.").await.id;
        bob.points_at(&format!("#m-{other} > .head")).await;
        bob.waits("the toolbar", "!!document.querySelector(`#m-${arguments[0]} > .actions`)", &[json!(other)]).await;
        assert_eq!(bob.asks("document.querySelector('.actions [data-act=delete]').hidden", &[]).await, true, "Bob is no owner");
        ada.acts(&id, "delete").await;
        ada.clicks("Delete").await;
        for tab in [&ada, &bob] {
            tab.sees_state(&id, "deleted").await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_line_stands_where_what_is_new_begins() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let bob = stage.person("Bob").await;
        let room = stage.room(&person, "Kitchen").await;
        bob.joins(&room.id).await;
        for number in 1..=3 {
            bob.says(&room.id, &format!("Old {number}.")).await;
        }
        let ada = stage.in_room("Ada", &room).await;
        let line = "document.querySelector('[data-new] > .body')?.textContent.trim() ?? 'none'";
        let stands =
            async |at: &str| ada.waits(&format!("the line before {at}"), &format!("({line}) === arguments[0]"), &[json!(at)]).await;
        ada.waits("all of it is known to be read", "history.state?.log?.end", &[]).await;
        ada.goes("/rooms").await;
        let first = bob.says(&room.id, "New 1.").await;
        person.says(&room.id, "My own.").await;
        bob.says(&room.id, "New 2.").await;
        // What one writes oneself reads what was said before: from there on it is new.
        let plain = stage.browser_without_script("Ada").await;
        plain.signs_in("Ada", crate::stage::PASSWORD).await;
        bob.says(&room.id, "New 3.").await;
        plain.goes(&format!("/rooms/{}", room.id)).await;
        assert_eq!(plain.asks(line, &[]).await, "New 2.", "without script");
        bob.says(&room.id, "New 4.").await;
        bob.says(&room.id, "New 5.").await;
        ada.opens(&room.id).await;
        stands("New 4.").await;
        assert_eq!(
            ada.asks("document.querySelector('[data-new]').dataset.new + ('follows' in document.querySelector('[data-new]').dataset)", &[])
                .await,
            "Newfalse"
        );
        ada.waits("it has been read", "history.state?.log?.end", &[]).await;
        ada.reloads().await;
        ada.is_caught_up().await;
        stands("New 4.").await;
        // Nothing moves while one is there; whoever has gone and comes back finds the line gone, or before what came meanwhile.
        bob.says(&room.id, "New 6.").await;
        ada.finds("New 6.").await;
        stands("New 4.").await;
        person.waits_for_unread(&room.id, 0).await;
        ada.looks_away(true).await;
        bob.says(&room.id, "New 7.").await;
        ada.finds("New 7.").await;
        stands("New 4.").await;
        ada.looks_away(false).await;
        stands("New 7.").await;
        person.waits_for_unread(&room.id, 0).await;
        ada.looks_away(true).await;
        ada.looks_away(false).await;
        stands("none").await;
        ada.looks_away(true).await;
        bob.says(&room.id, "New 8.").await;
        stands("New 8.").await;
        person.waits_for_unread(&room.id, 1).await;
        ada.looks_away(false).await;
        stands("New 8.").await;
        // Esc reads all.
        ada.presses(Key::Escape).await;
        stands("none").await;
        person.waits_for_unread(&room.id, 0).await;
        ada.reloads().await;
        ada.is_caught_up().await;
        stands("none").await;
        assert_ne!(first, "");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_new_far_above_is_one_click_away() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let bob = stage.person("Bob").await;
        let room = stage.room(&person, "Kitchen").await;
        bob.joins(&room.id).await;
        fill(&bob, &room, 1..=5).await;
        let ada = stage.in_room("Ada", &room).await;
        for count in [8, 80] {
            person.waits_for_unread(&room.id, 0).await;
            ada.goes("/rooms").await;
            fill(&bob, &room, 1..=count).await;
            ada.opens(&room.id).await;
            ada.does("window.here = true", &[]).await;
            ada.reads(&format!("{count} new since ")).await;
            ada.clicks_on(".unread > a").await;
            ada.waits(
                "the first that is new",
                "document.querySelector('[data-new] > .body')?.textContent.startsWith('Message 1.') && window.here",
                &[],
            )
            .await;
            let id = ada.asks("document.querySelector('[data-new]').dataset.id", &[]).await;
            ada.waits("it is in view", IN_VIEW, &[id]).await;
            ada.waits("the bar has gone", "document.querySelector('.unread').hidden", &[]).await;
            ada.opens(&room.id).await;
        }
        // It can be sent away too.
        ada.goes("/rooms").await;
        fill(&bob, &room, 1..=60).await;
        ada.opens(&room.id).await;
        ada.reads("60 new since ").await;
        ada.clicks_on(".unread > button").await;
        ada.waits("no bar and no line", "document.querySelector('.unread').hidden && !document.querySelector('[data-new]')", &[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_on_screen_is_read() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let bob = stage.person("Bob").await;
        let room = stage.room(&person, "Kitchen").await;
        bob.joins(&room.id).await;
        fill(&bob, &room, 1..=40).await;
        let ada = stage.in_room("Ada", &room).await;
        bob.says(&room.id, "Seen.").await;
        ada.finds("Seen.").await;
        person.waits_for_unread(&room.id, 0).await;
        // Who reads something above has not read what comes below.
        ada.does(
            "const log = document.querySelector('.log'); log.dispatchEvent(new WheelEvent('wheel', { deltaY: -1 })); log.scrollTop -= 900;",
            &[],
        )
        .await;
        bob.says(&room.id, "Unseen.").await;
        ada.reads("1 new · jump to latest").await;
        person.waits_for_unread(&room.id, 1).await;
        ada.clicks_on(".pill").await;
        person.waits_for_unread(&room.id, 0).await;
        // Nor has who looks elsewhere.
        ada.looks_away(true).await;
        bob.says(&room.id, "Unseen too.").await;
        ada.finds("Unseen too.").await;
        person.waits_for_unread(&room.id, 1).await;
        ada.looks_away(false).await;
        person.waits_for_unread(&room.id, 0).await;
        // A reply is read when it has come to its end.
        stage.assistant("echo", &room.id, "always").await;
        bob.says(&room.id, &script(&["say Begin.", "wait end", "say The end."])).await;
        ada.sees_reply_growing("Begin.").await;
        stage.open("end");
        ada.sees_state("The end.", "complete").await;
        person.waits_for_unread(&room.id, 0).await;
    })
    .await;
}

impl Person {
    /// Waits until the server counts so many unread messages of a room.
    async fn waits_for_unread(&self, room: &str, count: u64) {
        let mut last = Value::Null;
        for _ in 0..400 {
            last = self.call(axum::http::Method::GET, "/api/rooms", None).await.json();
            let line = last["rooms"].as_array().into_iter().flatten().find(|line| line["id"] == room).cloned().unwrap_or_default();
            if line["unread"] == count {
                return;
            }
            tokio::time::sleep(crate::driver::LOOK_EVERY).await;
        }
        panic!("not {count} unread: {last}");
    }
}

impl Tab {
    /// The window is left for another one, or the reader comes back to it.
    async fn looks_away(&self, away: bool) {
        let script = "document.hasFocus = () => !arguments[0]; window.dispatchEvent(new Event(arguments[0] ? 'blur' : 'focus'));";
        self.does(script, &[json!(away)]).await;
    }

    /// Waits for some frames of the screen.
    async fn frames(&self, count: u32) {
        self.asks("new Promise((done) => { let left = arguments[0]; const next = () => (left-- > 0 ? requestAnimationFrame(next) : done(true)); next(); })", &[json!(count)]).await;
    }

    /// Which message stands where at the top of the view, once nothing moves any more.
    async fn settles(&self) -> (String, i64) {
        let place = "(() => { const top = document.querySelector('.log').getBoundingClientRect().top; \
             const first = [...document.querySelectorAll('.messages > .message')].find((m) => m.getBoundingClientRect().bottom > top); \
             return [first.id, Math.round(first.getBoundingClientRect().top)]; })()";
        let still = format!(
            "new Promise((done) => {{ let last = '', same = 0; const look = () => {{ const now = JSON.stringify({place}); same = now === last ? same + 1 : 0; last = now; if (same >= 5) done(JSON.parse(now)); else requestAnimationFrame(look); }}; look(); }})"
        );
        let place = self.asks(&still, &[]).await;
        (place[0].as_str().unwrap_or_default().to_owned(), place[1].as_i64().unwrap_or_default())
    }

    /// Goes up until this message begins near the middle of the view, as the scroll bar does.
    async fn reads_from(&self, id: &str) {
        let there = "(() => { const log = document.querySelector('.log'); const box = log.getBoundingClientRect(); const m = document.getElementById('m-' + arguments[0]); \
             log.scrollTop += m.getBoundingClientRect().top - (box.top + log.clientHeight / 2 - 10); })()";
        self.asks(there, &[json!(id)]).await;
        self.frames(2).await;
    }

    /// What stands at the middle of the view, and where.
    async fn still(&self) -> (String, i64) {
        let middle = self.asks(MIDDLE, &[]).await;
        let top = middle[2].as_f64().unwrap_or_default().round() as i64;
        (format!("{} {}", middle[0], middle[1]), top)
    }

    /// Where that is now, wherever the middle may be.
    async fn still_at(&self, (what, _): &(String, i64)) -> (String, i64) {
        let id: String = what.chars().skip_while(|c| *c != 'm').take_while(|c| *c != '"').collect();
        let top =
            self.asks("document.getElementById(arguments[0]).querySelector('.body > *').getBoundingClientRect().top", &[json!(id)]).await;
        (what.clone(), top.as_f64().unwrap_or_default().round() as i64)
    }

    async fn top_of(&self, id: &str) -> i64 {
        let top: Value =
            self.asks("Math.round(document.getElementById('m-' + arguments[0]).getBoundingClientRect().top)", &[json!(id)]).await;
        top.as_i64().unwrap_or_default()
    }

    /// Waits until the page has remembered where one is.
    async fn kept(&self) {
        let kept = "(() => { const kept = history.state?.log; if (!kept) return false; if (kept.end) return true; \
             const m = document.getElementById('m-' + kept.id); return !!m && Math.abs(m.getBoundingClientRect().top - document.querySelector('.log').getBoundingClientRect().top - kept.top) < 1; })()";
        self.waits("the place is kept", kept, &[]).await;
    }

    /// A letter where the focus is.
    async fn types_key(&self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            self.browser
                .devtools(
                    &self.window,
                    "Input.dispatchKeyEvent",
                    json!({ "type": kind, "key": key, "code": format!("Key{}", key.to_uppercase()), "text": key }),
                )
                .await;
        }
    }
}
