//! What one has read, one's favourites, direct talks, and that one is writing: by form and by call.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::Site;
use super::api;
use super::error::{Answer, Trouble};
use super::extract::{Admitted, Caller, Fields, Ids, Sent, SignedIn};
use crate::domain::id::{PersonId, RoomId};

#[derive(Debug, Deserialize)]
pub struct ReadTo {
    seq: i64,
    /// Back to there, not on to there.
    #[serde(default)]
    unread: bool,
}

/// `POST /api/rooms/{room}/read`
pub async fn read(State(site): State<Site>, caller: Caller, Ids(room): Ids<RoomId>, Sent(to): Sent<ReadTo>) -> Answer<StatusCode> {
    mark(&site, caller.id(), room, &to).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /rooms/{room}/read`
pub async fn read_form(
    State(site): State<Site>,
    SignedIn(caller): SignedIn,
    Ids(room): Ids<RoomId>,
    Fields(to): Fields<ReadTo>,
) -> Answer<Redirect> {
    mark(&site, caller.id(), room, &to).await?;
    // The room itself would be read by being shown.
    Ok(Redirect::to(&if to.unread { "/rooms".to_owned() } else { format!("/rooms/{room}") }))
}

async fn mark(site: &Site, person: PersonId, room: RoomId, to: &ReadTo) -> Answer<()> {
    match to.unread {
        true => site.chat.unread(person, room, to.seq).await?,
        false => site.chat.read(person, room, to.seq).await?,
    }
    Ok(())
}

/// `PUT /api/rooms/{room}/favourite`
pub async fn add_favourite(State(site): State<Site>, caller: Caller, Ids(room): Ids<RoomId>) -> Answer<StatusCode> {
    site.chat.set_favourite(caller.id(), room, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /api/rooms/{room}/favourite`
pub async fn remove_favourite(State(site): State<Site>, caller: Caller, Ids(room): Ids<RoomId>) -> Answer<StatusCode> {
    site.chat.set_favourite(caller.id(), room, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
pub struct Favourite {
    on: bool,
}

/// `POST /rooms/{room}/favourite`
pub async fn favourite_form(
    State(site): State<Site>,
    SignedIn(caller): SignedIn,
    Ids(room): Ids<RoomId>,
    Fields(form): Fields<Favourite>,
) -> Answer<Redirect> {
    site.chat.set_favourite(caller.id(), room, form.on).await?;
    Ok(Redirect::to(&format!("/rooms/{room}")))
}

/// `POST /api/rooms/{room}/typing`: stored nowhere, and forgotten after a few seconds.
pub async fn typing(State(site): State<Site>, Admitted(admission): Admitted, Ids(room): Ids<RoomId>) -> Answer<StatusCode> {
    if !admission.rooms.contains(&room) {
        return Err(Trouble::not_found());
    }
    site.hub.typing(room, admission.reader.person);
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/people/{person}/talk`
pub async fn talk(State(site): State<Site>, caller: Caller, Ids(other): Ids<PersonId>) -> Answer<Response> {
    let (room, new) = site.chat.talk(caller.id(), other).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    let described: Json<_> = api::room_json(&site, &caller, room).await?;
    Ok((status, described).into_response())
}

/// `POST /people/{person}/talk`
pub async fn talk_form(State(site): State<Site>, SignedIn(caller): SignedIn, Ids(other): Ids<PersonId>) -> Answer<Redirect> {
    let (room, _) = site.chat.talk(caller.id(), other).await?;
    Ok(Redirect::to(&format!("/rooms/{room}")))
}
