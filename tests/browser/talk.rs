//! People talking: posts, edits, deletions, replies, and the composer.

use serde_json::json;

use crate::stage::play;
use crate::tab::Key;

#[tokio::test(flavor = "multi_thread")]
async fn a_post_is_seen_by_the_other_at_once() {
    play(async |stage| {
        let ada = stage.first("Ada").await;
        let room = stage.room(&ada, "Kitchen").await;
        let (ada, bob) = stage.both_in(&room).await;
        ada.types_and_sends("Shall we have **soup**?").await;
        bob.sees("Shall we have soup?").await;
        bob.types_and_sends("Yes, with `leeks`.").await;
        ada.sees("Yes, with leeks.").await;
        ada.shows_the_same_as(&bob).await;
        assert!(ada.finds("soup").await.html.contains("<strong>soup</strong>"));

        // What a page shows after its stream is what a fresh page shows.
        let before = bob.log().await;
        bob.reloads().await;
        bob.is_caught_up().await;
        assert_eq!(bob.log().await, before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_and_deletions_are_seen_by_the_other() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let (ada, bob) = stage.both_in(&room).await;
        ada.types_and_sends("Diner at seven").await;
        bob.sees("Diner at seven").await;
        let id = ada.finds("Diner").await.id;
        ada.acts("Diner", "edit").await;
        ada.waits("a form", "!!document.querySelector('form.edit textarea')", &[]).await;
        ada.does("const field = document.querySelector('form.edit textarea'); field.focus(); field.select()", &[]).await;
        ada.browser.devtools(&ada.window, "Input.insertText", json!({ "text": "Dinner at _seven_" })).await;
        ada.presses(Key::Enter).await;
        bob.sees("Dinner at seven").await;
        bob.sees_no("Diner").await;
        bob.waits("a note that it was edited", "!!document.getElementById('m-' + arguments[0]).querySelector('.edited')", &[json!(id)])
            .await;
        ada.sees("Dinner at seven").await;
        ada.waits("no form", "!document.querySelector('form.edit')", &[]).await;

        bob.acts(&id, "reply").await;
        bob.types_and_sends("I am in").await;
        ada.sees("I am in").await;
        ada.waits("the quote", "document.querySelector('.quote')?.textContent.includes('Dinner at seven')", &[]).await;

        ada.acts(&id, "delete").await;
        ada.clicks("Delete").await;
        bob.sees_state(&id, "deleted").await;
        bob.sees_no("Dinner at").await;
        bob.waits("the quote without its text", "document.querySelector('.quote')?.textContent.includes('a deleted message')", &[]).await;
        ada.sees_state(&id, "deleted").await;
        ada.shows_the_same_as(&bob).await;
        assert_eq!(person.message(&room.id, &id).await["text"], "");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn enter_sends_and_shift_enter_breaks_the_line() {
    play(async |stage| {
        let ada = stage.first("Ada").await;
        let room = stage.room(&ada, "Kitchen").await;
        let ada = stage.in_room("Ada", &room).await;
        ada.types("One").await;
        ada.presses(Key::ShiftEnter).await;
        ada.types("Two").await;
        assert_eq!(ada.draft().await, "One\nTwo");
        ada.presses(Key::Enter).await;
        ada.sees("Two").await;
        assert_eq!(ada.draft().await, "");

        // Nothing but blanks is no message.
        ada.types("   ").await;
        ada.presses(Key::Enter).await;
        ada.types_and_sends("Three").await;
        ada.sees("Three").await;
        ada.waits("both are sent", "document.querySelectorAll('.message').length === 2 && !document.querySelector('.pending')", &[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_enter_of_an_input_method_does_not_send() {
    play(async |stage| {
        let ada = stage.first("Ada").await;
        let room = stage.room(&ada, "Kitchen").await;
        let ada = stage.in_room("Ada", &room).await;
        ada.does("document.querySelector('#text').focus()", &[]).await;
        // A word is being composed; Enter confirms it.
        let composing = json!({ "text": "にほん", "selectionStart": 3, "selectionEnd": 3 });
        ada.browser.devtools(&ada.window, "Input.imeSetComposition", composing).await;
        ada.waits("the composed word in the field", "document.querySelector('#text').value === 'にほん'", &[]).await;
        let press = "const key = (more) => document.querySelector('#text').dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', code: 'Enter', bubbles: true, cancelable: true, ...more }));";
        ada.does(&format!("{press} key({{ isComposing: true, keyCode: 13 }}); key({{ keyCode: 229 }});"), &[]).await;
        ada.browser.devtools(&ada.window, "Input.insertText", json!({ "text": "日本" })).await;
        // Safari's Enter comes just after the end of the composition.
        let late = format!(
            "{press} document.querySelector('#text').dispatchEvent(new CompositionEvent('compositionend', {{ bubbles: true, data: '日本' }})); key({{ keyCode: 13 }});"
        );
        ada.does(&late, &[]).await;
        assert_eq!(ada.draft().await, "日本", "it is still being written");
        // An Enter of its own does send.
        ada.waits("a moment later", "(window.moment ??= performance.now()) + 100 < performance.now()", &[]).await;
        ada.presses(Key::Enter).await;
        ada.finds("日本").await;
        assert_eq!(ada.texts().await, ["日本"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_half_written_is_kept_over_a_reload() {
    play(async |stage| {
        let ada = stage.first("Ada").await;
        let (kitchen, garden) = (stage.room(&ada, "Kitchen").await, stage.room(&ada, "Garden").await);
        let ada = stage.signed_in("Ada").await;
        ada.opens(&kitchen.id).await;
        ada.types("About the so").await;
        ada.reloads().await;
        ada.is_caught_up().await;
        assert_eq!(ada.draft().await, "About the so");
        ada.opens(&garden.id).await;
        assert_eq!(ada.draft().await, "", "a draft belongs to its room");
        ada.opens(&kitchen.id).await;
        ada.types("up").await;
        ada.presses(Key::Enter).await;
        ada.sees("About the soup").await;
        ada.reloads().await;
        ada.is_caught_up().await;
        assert_eq!(ada.draft().await, "");
        assert_eq!(ada.texts().await, ["About the soup"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn up_edits_ones_last_message_and_escape_gives_it_back() {
    play(async |stage| {
        let ada = stage.first("Ada").await;
        let room = stage.room(&ada, "Kitchen").await;
        let ada = stage.in_room("Ada", &room).await;
        ada.types_and_sends("First").await;
        ada.types_and_sends("Second").await;
        ada.waits("both are sent", "document.querySelectorAll('.message').length === 2 && !document.querySelector('.pending')", &[]).await;
        ada.does("document.querySelector('#text').focus()", &[]).await;
        ada.presses(Key::Up).await;
        ada.waits("the form", "document.activeElement.closest('form.edit') && document.activeElement.value === 'Second'", &[]).await;
        ada.presses(Key::Escape).await;
        ada.waits("back in the composer", "document.activeElement.id === 'text' && !document.querySelector('form.edit')", &[]).await;
        assert_eq!(ada.texts().await, ["First", "Second"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_of_one_person_show_the_same() {
    play(async |stage| {
        let ada = stage.first("Ada").await;
        let room = stage.room(&ada, "Kitchen").await;
        let left = stage.signed_in("Ada").await;
        left.opens(&room.id).await;
        let right = stage.another_tab(&left).await;
        right.opens(&room.id).await;
        left.types_and_sends("From the left").await;
        right.sees("From the left").await;
        right.types_and_sends("From the right").await;
        left.sees("From the right").await;
        left.waits("nothing is pending", "!document.querySelector('.pending')", &[]).await;
        right.waits("nothing is pending", "!document.querySelector('.pending')", &[]).await;
        left.shows_the_same_as(&right).await;
        assert_eq!(left.texts().await, ["From the left", "From the right"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_actions_of_a_message_are_reached_by_keyboard() {
    play(async |stage| {
        let ada = stage.first("Ada").await;
        let room = stage.room(&ada, "Kitchen").await;
        for number in 1..=30 {
            ada.says(&room.id, &format!("Message {number}")).await;
        }
        let ada = stage.in_room("Ada", &room).await;
        // The mouse lies somewhere over the log, and stays there.
        ada.points_at(".message:nth-last-of-type(3) > .body").await;
        ada.does("document.querySelector('#text').focus()", &[]).await;
        for _ in 0..40 {
            ada.presses(Key::ShiftTab).await;
            if ada.asks("!!document.activeElement.closest('.message')?.matches(':nth-last-of-type(20)') && document.activeElement.matches('.more')", &[]).await == true {
                break;
            }
        }
        let on = "document.querySelector('.actions')?.parentElement === document.activeElement.closest('.message')";
        ada.waits("the toolbar at what has the focus", on, &[]).await;
        let text = ada.asks("document.activeElement.closest('.message').querySelector('.body').textContent", &[]).await;
        ada.presses(Key::Tab).await;
        ada.waits("the first action", "document.activeElement.dataset.act === 'reply'", &[]).await;
        for _ in 0..4 {
            ada.presses(Key::Right).await;
        }
        ada.waits("Edit", "document.activeElement.dataset.act === 'edit'", &[]).await;
        ada.presses(Key::Enter).await;
        ada.waits("the form", "document.activeElement.closest('form.edit') && document.activeElement.value === arguments[0]", &[text]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_see_one_order() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let (ada, bob) = stage.both_in(&room).await;
        for number in 1..=8 {
            let (hers, his) = (format!("Ada {number}"), format!("Bob {number}"));
            tokio::join!(ada.types_and_sends(&hers), bob.types_and_sends(&his));
        }
        for tab in [&ada, &bob] {
            tab.waits(
                "all are there",
                "document.querySelectorAll('.message:not(.pending)').length === 16 && !document.querySelector('.pending')",
                &[],
            )
            .await;
        }
        ada.shows_the_same_as(&bob).await;
        let kept: Vec<String> = person.messages(&room.id).await.iter().map(|m| m["text"].as_str().unwrap_or_default().to_owned()).collect();
        assert_eq!(ada.texts().await, kept);
        let hers: Vec<&String> = kept.iter().filter(|text| text.starts_with("Ada")).collect();
        assert_eq!(hers, (1..=8).map(|number| format!("Ada {number}")).collect::<Vec<_>>().iter().collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_is_refused_says_why_and_is_not_lost() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let ada = stage.in_room("Ada", &room).await;
        ada.browser.forgive(&["413", "422"]);
        ada.types_and_sends(&"A long story. ".repeat(5_000)).await;
        ada.waits("a refusal", "document.querySelector('.message.refused .ending')?.textContent.includes('bytes')", &[]).await;
        ada.types_and_sends("A short one").await;
        ada.waits("the next is sent all the same", "document.querySelectorAll('.message:not(.pending)').length === 1", &[]).await;
        ada.reloads().await;
        ada.is_caught_up().await;
        ada.waits("it is still there", "document.querySelector('.message.refused .body')?.textContent.startsWith('A long story.')", &[])
            .await;
        ada.clicks("Discard").await;
        ada.waits("it is gone", "!document.querySelector('.refused')", &[]).await;
        ada.reloads().await;
        ada.is_caught_up().await;
        assert_eq!(ada.texts().await, ["A short one"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_of_the_room_is_seen_by_all() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let (ada, bob) = stage.both_in(&room).await;
        ada.goes(&format!("/rooms/{}/settings", room.id)).await;
        ada.fills("Name", "Canteen").await;
        ada.fills("Topic", "Lunch").await;
        ada.clicks("Save").await;
        bob.waits(
            "the name",
            "document.querySelector('.room-title h1 bdi').textContent === 'Canteen' && document.title.startsWith('Canteen')",
            &[],
        )
        .await;
        bob.waits("the topic", "document.querySelector('.room-topic').textContent === 'Lunch'", &[]).await;
        bob.waits("the list", "document.querySelector('.side-room[aria-current] .side-name').textContent === 'Canteen'", &[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_never_overwrites_what_was_changed_meanwhile() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let id = person.says(&room.id, "Seven o'clock").await;
        let ada = stage.in_room("Ada", &room).await;
        ada.browser.forgive(&["409"]);
        ada.acts(&id, "edit").await;
        ada.waits("the form", "document.activeElement.closest('form.edit') && document.activeElement.value.startsWith('Seven')", &[]).await;
        person.edits(&room.id, &id, "Eight o'clock").await;
        ada.reads_in(&id, "Eight o'clock").await;
        ada.browser.devtools(&ada.window, "Input.insertText", json!({ "text": ", or later" })).await;
        ada.presses(Key::Enter).await;
        ada.reads("It was changed meanwhile.").await;
        assert_eq!(ada.asks("document.querySelector('form.edit textarea').value", &[]).await, "Seven o'clock, or later");
        assert_eq!(person.message(&room.id, &id).await["text"], "Eight o'clock");
        ada.presses(Key::Escape).await;
        ada.reads("Eight o'clock").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_of_a_message_and_its_link_can_be_copied() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let id = person.says(&room.id, "Some **soup**").await;
        let ada = stage.in_room("Ada", &room).await;
        let allow = json!({ "origin": ada.origin, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
        ada.browser.devtools(&ada.window, "Browser.grantPermissions", allow).await;
        for (action, copied) in
            [("copy", "Some **soup**".to_owned()), ("link", format!("{}/rooms/{}?around={id}#m-{id}", ada.origin, room.id))]
        {
            ada.acts(&id, action).await;
            ada.waits("what was copied", "navigator.clipboard.readText().then((text) => text === arguments[0])", &[json!(copied)]).await;
        }
    })
    .await;
}
