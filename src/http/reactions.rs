//! Reactions, by call and by form, and the emoji with their short names.

use std::sync::LazyLock;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::Value;

use super::error::{Answer, Trouble};
use super::extract::{Caller, Fields, Ids, Sent, SignedIn};
use super::{Site, api, assets};
use crate::chat::reactions::React;
use crate::domain::id::{MessageId, RoomId};
use crate::live::View;
use crate::render;

#[derive(Debug, Deserialize)]
pub struct Reaction {
    emoji: String,
    on: bool,
}

/// `POST /api/rooms/{room}/messages/{id}/reactions`
pub async fn call(
    State(site): State<Site>,
    caller: Caller,
    Ids((room, id)): Ids<(RoomId, MessageId)>,
    Sent(new): Sent<Reaction>,
) -> Answer<Json<Value>> {
    let what = if new.on { React::Add } else { React::Remove };
    site.chat.react(caller.id(), room, id, &new.emoji, what).await?;
    api::message_json(&site, &caller, room, id, View::Text).await
}

#[derive(Debug, Deserialize)]
pub struct Chosen {
    emoji: String,
}

/// `POST /rooms/{room}/messages/{id}/reactions`: adds the reader's reaction, or takes it back.
pub async fn form(
    State(site): State<Site>,
    SignedIn(caller): SignedIn,
    Ids((room, id)): Ids<(RoomId, MessageId)>,
    Fields(form): Fields<Chosen>,
) -> Answer<Redirect> {
    site.chat.react(caller.id(), room, id, form.emoji.trim(), React::Toggle).await?;
    Ok(Redirect::to(&format!("/rooms/{room}?around={id}#m-{id}")))
}

/// `GET /emoji/{build}.json`: each short name with its emoji, in the order of the standard.
pub async fn emoji(Path(name): Path<String>) -> Answer<Response> {
    static ALL: LazyLock<String> = LazyLock::new(|| {
        let lines = render::emoji_names().map(|known| format!("{}:{}", Value::from(known.name), Value::from(known.emoji)));
        format!("{{{}}}", lines.collect::<Vec<_>>().join(","))
    });
    let build = name.strip_suffix(".json").ok_or_else(Trouble::not_found)?;
    let keep = if build == assets::build() { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, keep)];
    Ok((headers.map(|(name, value)| (name, HeaderValue::from_static(value))), ALL.as_str()).into_response())
}
