//! The core without any script: forms, links, and pages that say what became of them.

use crate::stage::{play, script};
use crate::tab::Tab;

#[tokio::test(flavor = "multi_thread")]
async fn one_talks_without_script() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        stage.person("Bob").await;
        let bob = stage.browser_without_script("Bob").await;
        bob.signs_in("Bob", crate::stage::PASSWORD).await;
        bob.goes("/rooms").await;
        bob.clicks("Join Kitchen").await;
        bob.is_at(&format!("/rooms/{}", room.id)).await;
        assert!(bob.asks("document.documentElement.dataset.live ?? null", &[]).await.is_null(), "no script runs");
        bob.reads("New messages appear when you reload").await;

        bob.posts("Good *evening*").await;
        let shown = bob.finds("Good evening").await;
        assert!(shown.html.contains("<em>evening</em>"), "{}", shown.html);
        person.says(&room.id, "Hello Bob").await;
        bob.clicks("Reload").await;
        bob.finds("Hello Bob").await;

        // Edit, on the message's page.
        bob.clicks_more(&shown.id).await;
        bob.fills("Text", "Good **night**").await;
        bob.clicks("Save").await;
        bob.is_at(&format!("/rooms/{}", room.id)).await;
        assert!(bob.finds(&shown.id).await.html.contains("<strong>night</strong>"));
        bob.reads("edited").await;

        // Reply to Ada's.
        let hers = bob.finds("Hello Bob").await.id;
        bob.clicks_more(&hers).await;
        bob.clicks("Reply").await;
        bob.reads("Replying to Ada").await;
        bob.posts("Hello Ada").await;
        bob.waits("a quote", "document.querySelector('.quote')?.textContent.includes('Hello Bob')", &[]).await;

        // Delete.
        bob.clicks_more(&shown.id).await;
        bob.clicks("Delete the message").await;
        bob.is_at(&format!("/rooms/{}", room.id)).await;
        bob.sees_state(&shown.id, "deleted").await;
        bob.reads("This message was deleted.").await;
        assert_eq!(person.message(&room.id, &shown.id).await["text"], "");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_are_stopped_and_tried_again_without_script() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let ada = stage.browser_without_script("Ada").await;
        ada.signs_in("Ada", crate::stage::PASSWORD).await;
        ada.goes(&format!("/rooms/{}", room.id)).await;
        ada.posts(&script(&[r#"say "One.\n\nTwo ""#, "wait go", "say three.", "continue", "say and four."])).await;
        let reply = person.live(&room.id).await.sees_reply_to(&ada.finds("Please").await.id).await;
        person.live(&room.id).await.sees_so_far(&reply, "One.\n\nTwo ").await;
        ada.reloads().await;
        let shown = ada.finds(&reply).await;
        assert_eq!(shown.state, "streaming");
        assert!(shown.html.contains("Two"), "what is written so far is on the page: {}", shown.html);
        ada.clicks_in(&reply, "Stop").await;
        ada.reads("Stopped by Ada.").await;
        ada.clicks_in(&reply, "Continue").await;
        person.live(&room.id).await.sees_state(&reply, "complete").await;
        ada.reloads().await;
        ada.reads_in(&reply, "Two and four.").await;

        stage.open("go");
        ada.clicks_more(&reply).await;
        ada.clicks("Another attempt").await;
        // Before the click has arrived, the earlier attempt is complete.
        ada.is_at(&format!("/rooms/{}", room.id)).await;
        person.live(&room.id).await.sees_state(&reply, "complete").await;
        ada.reloads().await;
        ada.reads_in(&reply, "Two three.").await;
        ada.clicks("attempt 3").await;
        ada.reads("Two and four.").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_is_watched_without_script() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let question = person.says(&room.id, &script(&[r#"say "One.\n\nTwo.\n\nThr""#, "wait go", "say ee."])).await;
        let mut stream = person.live(&room.id).await;
        let reply = stream.sees_reply_to(&question).await;
        stream.sees_so_far(&reply, "One.\n\nTwo.\n\nThr").await;
        let ada = stage.impatient_browser_without_script("Ada").await;
        ada.signs_in("Ada", crate::stage::PASSWORD).await;
        ada.goes(&format!("/rooms/{}/messages/{reply}", room.id)).await;
        ada.clicks("Watch it being written").await;
        ada.reads("is answering").await;
        ada.reads("Two.").await;
        stage.open("go");
        ada.reads("Three.").await;
        ada.reads("That is all so far.").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_lead_to_older_messages_without_script() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        for number in 1..=120 {
            person.says(&room.id, &format!("Message {number}.")).await;
        }
        let ada = stage.browser_without_script("Ada").await;
        ada.signs_in("Ada", crate::stage::PASSWORD).await;
        ada.goes(&format!("/rooms/{}", room.id)).await;
        ada.finds("Message 71.").await;
        let at_end = "document.querySelector('.messages > .message:last-child').getBoundingClientRect().bottom <= document.querySelector('.log').getBoundingClientRect().bottom";
        ada.waits("the last message in sight", at_end, &[]).await;
        ada.clicks("Older messages").await;
        ada.finds("Message 21.").await;
        ada.clicks("Older messages").await;
        ada.finds("Message 1.").await;
        ada.clicks("Newest messages").await;
        ada.finds("Message 120.").await;
    })
    .await;
}

impl Tab {
    /// Sends the composer's form.
    async fn posts(&self, text: &str) {
        self.does("document.querySelector('#text').focus()", &[]).await;
        self.browser.devtools(&self.window, "Input.insertText", serde_json::json!({ "text": text })).await;
        let stale = "document.documentElement.dataset.stale = 'yes'";
        self.does(stale, &[]).await;
        self.clicks("Send").await;
        self.waits("the page that follows", "!document.documentElement.dataset.stale && document.readyState === 'complete'", &[]).await;
    }

    /// The dots of a message, which lead to its page.
    async fn clicks_more(&self, id: &str) {
        self.clicks_on(&format!("#m-{id} > .head > .more")).await;
        self.waits("the message's page", "/[/]messages[/]/.test(location.pathname) && document.readyState === 'complete'", &[]).await;
    }
}
