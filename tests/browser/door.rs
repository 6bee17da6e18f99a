//! Coming in: the first visit, signing in and out, an invitation.

use crate::stage::{PASSWORD, play};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_visit_makes_an_account_and_lands_in_a_room() {
    play(async |stage| {
        let ada = stage.browser("Ada").await;
        ada.goes("/").await;
        ada.reads("Make the first account").await;
        ada.fills("Your name", "Ada").await;
        ada.fills("Password", PASSWORD).await;
        ada.clicks("Make the account").await;
        ada.waits("a room", "!!document.querySelector('chat-room')", &[]).await;
        ada.is_caught_up().await;
        ada.types_and_sends("Is anybody here?").await;
        ada.sees("Is anybody here?").await;
        ada.finds("Is anybody here?").await;

        // The door is closed behind her.
        let eve = stage.browser("Eve").await;
        eve.goes("/").await;
        eve.is_at("/sign-in").await;
        eve.goes("/setup").await;
        eve.waits("no second first account", "!document.querySelector('form[action=\"/setup\"]')", &[]).await;
        eve.browser.forgive(&["404", "403", "409"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_leads_to_where_one_wanted_to_go() {
    play(async |stage| {
        let ada = stage.first("Ada").await;
        let room = stage.room(&ada, "Kitchen").await;
        let ada = stage.browser("Ada").await;
        ada.browser.forgive(&["401", "403", "422"]);
        ada.goes(&format!("/rooms/{}", room.id)).await;
        ada.is_at("/sign-in").await;

        ada.fills("Name", "Ada").await;
        ada.fills("Password", "not this one").await;
        ada.clicks("Sign in").await;
        ada.waits("a refusal", "!!document.querySelector('.flash.error')", &[]).await;
        assert_eq!(ada.asks("document.querySelector('input[name=name]').value", &[]).await, "Ada", "the name that was typed is kept");

        ada.fills("Password", PASSWORD).await;
        ada.clicks("Sign in").await;
        ada.is_at(&format!("/rooms/{}", room.id)).await;
        ada.is_caught_up().await;

        ada.clicks("Sign out").await;
        ada.is_at("/sign-in").await;
        ada.goes(&format!("/rooms/{}", room.id)).await;
        ada.is_at("/sign-in").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_accepted_in_another_browser() {
    play(async |stage| {
        let ada = stage.first("Ada").await;
        let room = stage.room(&ada, "Kitchen").await;
        let ada = stage.signed_in("Ada").await;
        ada.goes("/people").await;
        ada.clicks("Make a link").await;
        let link = ada.waits("the link", "document.querySelector('.flash input.link')?.value", &[]).await;
        let link = link.as_str().expect("a link").to_owned();

        let bob = stage.browser("Bob").await;
        bob.goes(link.strip_prefix(&stage.url).expect("a link to here")).await;
        bob.reads("Ada invites you").await;
        bob.fills("Your name", "Bob").await;
        bob.fills("Password", PASSWORD).await;
        bob.clicks("Join").await;
        bob.waits("inside", "location.pathname.startsWith('/rooms')", &[]).await;
        // Ada's oldest open room is where one lands; the other one is joined.
        bob.is_caught_up().await;
        bob.goes("/rooms").await;
        bob.clicks("Join Kitchen").await;
        bob.is_at(&format!("/rooms/{}", room.id)).await;
        bob.is_caught_up().await;
        ada.opens(&room.id).await;
        bob.types_and_sends("Thank you for having me.").await;
        ada.sees("Thank you for having me.").await;

        // It was good for one.
        let eve = stage.browser("Eve").await;
        eve.browser.forgive(&["404", "410", "403"]);
        eve.goes(link.strip_prefix(&stage.url).expect("a link to here")).await;
        eve.waits("a refusal", "!document.querySelector('form[action^=\"/invite/\"]')", &[]).await;
    })
    .await;
}
