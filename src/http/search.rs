//! Finding messages: a page, which a room shows in its third column, and a call.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Site;
use super::error::{Answer, Trouble};
use super::extract::{Asked, Caller, SignedIn};
use super::page::{Around, show};
use crate::chat::ChatError;
use crate::chat::search::Found;
use crate::domain::id::RoomId;
use crate::view::SearchPage;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Search {
    q: String,
    /// Empty: in all rooms.
    room: String,
    before: Option<String>,
}

impl Search {
    /// What cannot be a room is one that is not there.
    fn room(&self) -> Answer<Option<RoomId>> {
        match self.room.as_str() {
            "" => Ok(None),
            room => room.parse().map(Some).map_err(|_| Trouble::not_found()),
        }
    }
}

/// `GET /search`. What cannot be searched for is said on the page, beside what was typed.
pub async fn page(State(site): State<Site>, SignedIn(caller): SignedIn, Asked(asked): Asked<Search>) -> Answer<Response> {
    let room = asked.room()?;
    let (found, error) = match asked.q.trim() {
        "" => (None, None),
        _ => match site.chat.search(caller.id(), &asked.q, room, asked.before.as_deref()).await {
            Ok(found) => (Some(found), None),
            Err(ChatError::Invalid(invalid)) => (None, Some(invalid.sentence)),
            Err(error) => return Err(error.into()),
        },
    };
    let around = Around::read(&site, &caller).await?;
    let more = found.as_ref().and_then(|found| found.more.as_deref()).map(|before| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("q", &asked.q).append_pair("room", &asked.room).append_pair("before", before);
        format!("/search?{}", query.finish())
    });
    show(&SearchPage {
        chrome: around.chrome(None),
        query: &asked.q,
        room,
        hits: found.as_ref().map(|found| found.hits.as_slice()),
        more: more.as_deref(),
        error: error.as_deref(),
    })
}

/// `GET /api/search`.
pub async fn call(State(site): State<Site>, caller: Caller, Asked(asked): Asked<Search>) -> Answer<Json<Value>> {
    let Found { hits, more } = site.chat.search(caller.id(), &asked.q, asked.room()?, asked.before.as_deref()).await?;
    let rooms = site.chat.room_lines(caller.id()).await?;
    let messages: Vec<Value> = hits
        .into_iter()
        .filter_map(|hit| {
            // Who was just removed is told of nothing.
            let room = rooms.iter().find(|room| room.id == hit.room)?;
            let excerpt: Vec<Value> = hit.excerpt.iter().map(|piece| json!({ "text": piece.text, "found": piece.found })).collect();
            Some(json!({
                "id": hit.id,
                "room": { "id": room.id, "name": room.name },
                "kind": hit.author.kind(),
                "author": { "id": hit.author.to_string(), "name": hit.author_name },
                "at": hit.at,
                "excerpt": excerpt,
                "url": format!("/rooms/{}?around={}#m-{}", hit.room, hit.id, hit.id),
            }))
        })
        .collect();
    Ok(Json(json!({ "messages": messages, "more": more })))
}
