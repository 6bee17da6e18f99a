//! Who is in a room, as a page; and who there is at all, for who looks for somebody.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Site;
use super::error::Answer;
use super::extract::{Caller, Ids, SignedIn};
use super::page::{Around, show};
use crate::domain::id::RoomId;
use crate::view::MembersPage;

/// `GET /rooms/{room}/members`.
pub async fn page(State(site): State<Site>, SignedIn(caller): SignedIn, Ids(room): Ids<RoomId>) -> Answer<Response> {
    let (detail, _) = site.chat.room(caller.id(), room).await?;
    let around = Around::read(&site, &caller).await?;
    show(&MembersPage { chrome: around.chrome(Some(room)), room: &detail })
}

/// `GET /api/people`: everybody with an account that can be talked with.
pub async fn people(State(site): State<Site>, _: Caller) -> Answer<Response> {
    let people = site.chat.people().await?;
    let people: Vec<_> =
        people.into_iter().filter(|person| !person.disabled).map(|person| json!({ "id": person.id, "name": person.name })).collect();
    Ok(Json(json!({ "people": people })).into_response())
}
