//! Replies that end before their time, and what one does about it: Stop, Retry, Continue.

use crate::stage::{play, script};

#[tokio::test(flavor = "multi_thread")]
async fn anybody_stops_a_reply_and_all_see_who_did() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let (ada, bob) = stage.both_in(&room).await;
        let question = script(&[r#"say "One, ""#, "wait go", "say two.", "continue", "say and so on."]);
        ada.types_and_sends(&question).await;
        let id = bob.sees_reply_growing("One,").await;
        bob.clicks_in(&id, "Stop").await;
        for tab in [&ada, &bob] {
            tab.sees_state(&id, "stopped").await;
            tab.reads("Stopped by Bob.").await;
            tab.reads_in(&id, "One,").await;
        }
        ada.shows_the_same_as(&bob).await;

        // Continue goes on behind what is there.
        ada.clicks_in(&id, "Continue").await;
        for tab in [&ada, &bob] {
            tab.sees_state(&id, "complete").await;
            tab.reads_in(&id, "One, and so on.").await;
        }
        ada.shows_the_same_as(&bob).await;
        assert_eq!(person.message(&room.id, &id).await["text"], "One, and so on.");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_is_stopped_before_its_first_word() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let (ada, bob) = stage.both_in(&room).await;
        ada.types_and_sends(&script(&["wait never", "say too late"])).await;
        bob.waits("a reply", "!!document.querySelector('.message[data-state=streaming]')", &[]).await;
        bob.reads("thinking…").await;
        bob.clicks("Stop").await;
        for tab in [&ada, &bob] {
            tab.reads("Stopped by Bob.").await;
            tab.waits(
                "Retry and no Continue",
                "[...document.querySelectorAll('.state button')].map((b) => b.textContent).join() === 'Retry'",
                &[],
            )
            .await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_attempt_leaves_the_first_to_be_read() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let (ada, bob) = stage.both_in(&room).await;
        ada.types_and_sends(&script(&["unless better say Cold soup", "unless better error 503 the pot is broken", "say Hot soup"])).await;
        for tab in [&ada, &bob] {
            tab.sees_state("Cold soup", "failed").await;
            tab.reads("the pot is broken").await;
        }
        let id = ada.finds("Cold soup").await.id;
        stage.open("better");
        bob.clicks_in(&id, "Retry").await;
        for tab in [&ada, &bob] {
            tab.sees_state(&id, "complete").await;
            tab.reads_in(&id, "Hot soup").await;
            tab.reads("attempt 2").await;
        }
        ada.shows_the_same_as(&bob).await;
        ada.clicks("attempt 2").await;
        ada.is_at(&format!("/rooms/{}/messages/{id}", room.id)).await;
        ada.reads("Earlier attempts").await;
        ada.reads("Cold soup").await;
        ada.reads("the pot is broken").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_reply_can_be_tried_again() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let (ada, bob) = stage.both_in(&room).await;
        ada.types_and_sends(&script(&["unless better say Lukewarm soup", "say with a spoon"])).await;
        ada.sees_state("Lukewarm soup", "complete").await;
        let id = ada.finds("Lukewarm soup").await.id;
        stage.open("better");
        bob.acts(&id, "retry").await;
        for tab in [&ada, &bob] {
            tab.reads("attempt 2").await;
            tab.sees_state(&id, "complete").await;
            assert!(!tab.finds(&id).await.html.contains("Lukewarm"));
        }
        ada.shows_the_same_as(&bob).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_deleted_while_it_grows_is_gone() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let (ada, bob) = stage.both_in(&room).await;
        ada.types_and_sends(&script(&["say A secret recipe", "wait more", "say with saffron"])).await;
        let id = bob.sees_reply_growing("A secret recipe").await;
        ada.goes(&format!("/rooms/{}/messages/{id}", room.id)).await;
        ada.clicks("Delete the message").await;
        ada.is_at(&format!("/rooms/{}", room.id)).await;
        for tab in [&ada, &bob] {
            tab.sees_state(&id, "deleted").await;
        }
        stage.open("more");
        bob.types_and_sends(&script(&["say Another one"])).await;
        for tab in [&ada, &bob] {
            tab.sees_state("Another one", "complete").await;
            assert_eq!(tab.finds(&id).await.html, "");
        }
        ada.shows_the_same_as(&bob).await;
        assert_eq!(stage.database.number("SELECT COUNT(*) FROM chunks").await, 0);
    })
    .await;
}
