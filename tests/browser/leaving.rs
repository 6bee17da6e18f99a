//! Losing access: nothing more comes, and the page says where one is now.

use crate::stage::play;

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_is_sent_to_the_list_of_rooms() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let (ada, bob) = stage.both_in(&room).await;
        bob.browser.forgive(&["404"]);
        let carol = stage.person("Carol").await;
        carol.joins(&room.id).await;
        let carol = stage.in_room("Carol", &room).await;
        ada.goes(&format!("/rooms/{}/settings", room.id)).await;
        ada.clicks("Remove Bob").await;
        bob.is_at("/rooms").await;
        ada.opens(&room.id).await;
        ada.types_and_sends("Bob must not read this").await;
        // Who is still there does hear it.
        carol.finds("Bob must not read this").await;
        bob.goes(&format!("/rooms/{}", room.id)).await;
        bob.waits("no room", "!document.querySelector('chat-room')", &[]).await;
        let page = bob.asks("document.documentElement.textContent", &[]).await;
        assert!(!page.as_str().unwrap_or_default().contains("must not read"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_in_one_tab_ends_the_other() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let left = stage.in_room("Ada", &room).await;
        left.browser.forgive(&["401"]);
        let right = stage.another_tab(&left).await;
        right.opens(&room.id).await;
        right.types("Half a thought").await;
        left.clicks("Sign out").await;
        left.is_at("/sign-in").await;
        right.is_at("/sign-in").await;

        // Whoever signs in next in this browser is somebody else, with nothing of hers.
        let bob = stage.person("Bob").await;
        bob.joins(&room.id).await;
        left.signs_in("Bob", crate::stage::PASSWORD).await;
        left.opens(&room.id).await;
        assert_eq!(left.draft().await, "");
        // And she finds what she had begun.
        left.clicks("Sign out").await;
        left.is_at("/sign-in").await;
        right.signs_in("Ada", crate::stage::PASSWORD).await;
        right.opens(&room.id).await;
        assert_eq!(right.draft().await, "Half a thought");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_signs_out_everywhere_else() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let (here, there) = tokio::join!(stage.in_room("Ada", &room), stage.in_room("Ada", &room));
        there.browser.forgive(&["401"]);
        here.goes("/account").await;
        here.fills("The one you have", crate::stage::PASSWORD).await;
        here.fills("A new one", "five small green quiet words").await;
        here.clicks("Change the password").await;
        there.is_at("/sign-in").await;
        here.opens(&room.id).await;
        here.types_and_sends("Still here").await;
        here.finds("Still here").await;
        there.signs_in("Ada", "five small green quiet words").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_back_button_does_not_show_a_room_to_who_signed_out() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        person.says(&room.id, "For members alone").await;
        let left = stage.in_room("Ada", &room).await;
        left.browser.forgive(&["401"]);
        let right = stage.another_tab(&left).await;
        right.opens(&room.id).await;
        right.finds("For members alone").await;
        // The next page of this window can ask it.
        right.does("addEventListener('pageshow', (event) => sessionStorage.setItem('kept', event.persisted))", &[]).await;
        left.clicks("Sign out").await;
        left.is_at("/sign-in").await;
        right.is_at("/sign-in").await;
        right.does("history.back()", &[]).await;
        right.waits("the page was kept for this", "sessionStorage.getItem('kept') === 'true'", &[]).await;
        right.is_at("/sign-in").await;
        right.waits("no room", "!document.querySelector('chat-room')", &[]).await;
        let page = right.asks("document.documentElement.textContent", &[]).await;
        assert!(!page.as_str().unwrap_or_default().contains("For members alone"));
    })
    .await;
}
