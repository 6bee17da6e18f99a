//! The JSON API (docs/frames.md): what programs use, and the product's own page script.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::Site;
use super::error::{Answer, Trouble};
use super::extract::{Admitted, Asked, Caller, Ids, Sent};
use super::live::ViewName;
use crate::chat::messages::{Post, Posted};
use crate::chat::rooms::{PAGE, RoomChange, Window};
use crate::domain::Invalid;
use crate::domain::id::{AssistantId, FileId, MessageId, PersonId, RoomId};
use crate::domain::room::{Role, RoomDetail};
use crate::live::View;
use crate::live::frame;

pub async fn me(caller: Caller) -> Json<Value> {
    let person = &caller.person;
    Json(json!({ "id": person.id, "name": person.name, "admin": person.admin }))
}

/// One's rooms, and the open ones that one could join.
pub async fn rooms(State(site): State<Site>, caller: Caller) -> Answer<Json<Value>> {
    let (mine, open) = site.chat.all_rooms(caller.id()).await?;
    let mine = mine.into_iter().map(|(line, room, role)| {
        let mut value = json!(line);
        value["topic"] = json!(room.topic);
        value["member"] = json!(true);
        value["role"] = json!(role);
        value["cursor"] = json!(room.cursor().to_string());
        value
    });
    // Of a room that one is not in, name and topic are all there is to see.
    let open =
        open.into_iter().map(|room| json!({ "id": room.id, "name": room.name, "topic": room.topic, "private": false, "member": false }));
    Ok(Json(json!({ "rooms": mine.chain(open).collect::<Vec<_>>() })))
}

#[derive(Debug, Deserialize)]
pub struct NewRoom {
    name: String,
    #[serde(default)]
    topic: String,
    #[serde(default)]
    private: bool,
}

pub async fn add_room(State(site): State<Site>, caller: Caller, Sent(new): Sent<NewRoom>) -> Answer<Response> {
    let room = site.chat.add_room(caller.id(), &new.name, &new.topic, new.private).await?;
    Ok((StatusCode::CREATED, room_json(&site, &caller, room.id).await?).into_response())
}

pub async fn room(State(site): State<Site>, caller: Caller, Ids(room): Ids<RoomId>) -> Answer<Json<Value>> {
    room_json(&site, &caller, room).await
}

#[derive(Debug, Deserialize)]
pub struct ChangedRoom {
    name: Option<String>,
    topic: Option<String>,
    private: Option<bool>,
}

pub async fn change_room(
    State(site): State<Site>,
    caller: Caller,
    Ids(room): Ids<RoomId>,
    Sent(change): Sent<ChangedRoom>,
) -> Answer<Json<Value>> {
    site.chat.change_room(caller.id(), room, RoomChange { name: change.name, topic: change.topic, private: change.private }).await?;
    room_json(&site, &caller, room).await
}

pub(super) async fn room_json(site: &Site, caller: &Caller, room: RoomId) -> Answer<Json<Value>> {
    let (detail, role) = site.chat.room(caller.id(), room).await?;
    Ok(Json(described(&detail, role)))
}

/// A room as in its frame, with what this reader needs to follow it.
fn described(detail: &RoomDetail, role: Role) -> Value {
    let mut value = json!(frame::room(detail));
    value["id"] = json!(detail.room.id);
    value["name"] = json!(detail.room.name);
    value["role"] = json!(role);
    value["head"] = json!(detail.room.head);
    value["cursor"] = json!(detail.room.cursor().to_string());
    value
}

#[derive(Debug, Deserialize)]
pub struct Page {
    before: Option<i64>,
    after: Option<i64>,
    around: Option<MessageId>,
    limit: Option<usize>,
    #[serde(default)]
    view: ViewName,
    lang: Option<String>,
}

/// A page of messages, in order of place; `more` in the direction that was asked for.
pub async fn messages(State(site): State<Site>, caller: Caller, Ids(room): Ids<RoomId>, Asked(page): Asked<Page>) -> Answer<Json<Value>> {
    let window = match (page.before, page.after, page.around) {
        (Some(before), None, None) => Window::Before(before),
        (None, Some(after), None) => Window::After(after),
        (None, None, Some(id)) => site.chat.window_around(caller.id(), room, id).await?,
        (None, None, None) => Window::Latest,
        _ => return Err(Invalid::new("bad_page", "Give one of before, after and around, not several.").into()),
    };
    let state = site.chat.room_state(caller.id(), room, window, page.limit.unwrap_or(PAGE)).await?;
    let view = page.view.view(page.lang.as_deref(), caller.look);
    let messages: Vec<_> = state.messages.iter().map(|stored| frame::message(stored, view)).collect();
    let more = if page.after.is_some() { state.more_after } else { state.more_before };
    Ok(Json(json!({
        "messages": messages,
        "more": more,
        "more_before": state.more_before,
        "more_after": state.more_after,
        "cursor": state.detail.room.cursor().to_string(),
    })))
}

/// Something to be said, or a command, as it is sent.
#[derive(Debug, Deserialize)]
pub struct NewPost {
    id: Option<String>,
    text: String,
    reply_to: Option<MessageId>,
    #[serde(default)]
    files: Vec<FileId>,
}

impl NewPost {
    /// Who sends no id gets one. A server that ends takes nothing more.
    pub(super) fn post(self, site: &Site) -> Answer<Post> {
        if site.stopping.is_cancelled() {
            return Err(Trouble::shutting_down());
        }
        let id = match &self.id {
            Some(id) => MessageId::from_client(id)?,
            None => MessageId(site.chat.clock().new_id()),
        };
        Ok(Post { id, text: self.text, reply_to: self.reply_to, files: self.files })
    }
}

/// Says something. Send the same `id` again if the answer was lost: it is the key under which a repeated post is recognised.
pub async fn post(
    State(site): State<Site>,
    Admitted(author): Admitted,
    Ids(room): Ids<RoomId>,
    Sent(new): Sent<NewPost>,
) -> Answer<(StatusCode, Json<Posted>)> {
    let posted = site.chat.post(author.reader.person, room, new.post(&site)?).await?;
    site.hub.typed(room, author.reader.person);
    Ok((StatusCode::CREATED, Json(posted)))
}

#[derive(Debug, Default, Deserialize)]
pub struct Seen {
    #[serde(default)]
    view: ViewName,
    lang: Option<String>,
}

pub async fn message(
    State(site): State<Site>,
    caller: Caller,
    Ids((room, id)): Ids<(RoomId, MessageId)>,
    Asked(seen): Asked<Seen>,
) -> Answer<Json<Value>> {
    message_json(&site, &caller, room, id, seen.view.view(seen.lang.as_deref(), caller.look)).await
}

/// A message as in its frame; a reply with its attempts, and with its text so far while it is being written.
pub(super) async fn message_json(site: &Site, caller: &Caller, room: RoomId, id: MessageId, view: View) -> Answer<Json<Value>> {
    let found = site.chat.message(caller.id(), room, id).await?;
    let message = &found.stored.message;
    let mut value = json!(frame::message(&found.stored, view));
    if message.author.is_assistant() {
        let attempts: Vec<Value> = found
            .attempts
            .iter()
            .map(|attempt| {
                // The newest attempt's text is its message's.
                let newest = attempt.attempt == message.attempt;
                let text = if newest { &message.text } else { &attempt.text };
                json!({ "attempt": attempt.attempt, "kind": attempt.kind, "state": attempt.state, "asked_by": attempt.asked_by_name,
                        "why": attempt.why, "text": text, "facts": attempt.facts, "asked_at": attempt.asked_at, "ended_at": attempt.ended_at })
            })
            .collect();
        value["attempts"] = json!(attempts);
    }
    if message.state.kind().is_open() && view == View::Text {
        value["so_far"] = json!(found.so_far.answer);
    }
    Ok(Json(value))
}

#[derive(Debug, Deserialize)]
pub struct Edit {
    text: String,
    rev: Option<i64>,
}

pub async fn edit(
    State(site): State<Site>,
    caller: Caller,
    Ids((room, id)): Ids<(RoomId, MessageId)>,
    Asked(seen): Asked<Seen>,
    Sent(edit): Sent<Edit>,
) -> Answer<Json<Value>> {
    site.chat.edit(caller.id(), room, id, &edit.text, edit.rev).await?;
    message_json(&site, &caller, room, id, seen.view.view(seen.lang.as_deref(), caller.look)).await
}

pub async fn delete(
    State(site): State<Site>,
    caller: Caller,
    Ids((room, id)): Ids<(RoomId, MessageId)>,
    Asked(seen): Asked<Seen>,
) -> Answer<Json<Value>> {
    site.chat.delete(caller.id(), room, id).await?;
    message_json(&site, &caller, room, id, seen.view.view(seen.lang.as_deref(), caller.look)).await
}

#[derive(Debug, Deserialize)]
pub struct Attempted {
    attempt: Option<i64>,
}

pub async fn stop(
    State(site): State<Site>,
    caller: Caller,
    Ids((room, id)): Ids<(RoomId, MessageId)>,
    Asked(seen): Asked<Seen>,
    Sent(which): Sent<Attempted>,
) -> Answer<Json<Value>> {
    site.chat.stop(caller.id(), room, id, which.attempt).await?;
    message_json(&site, &caller, room, id, seen.view.view(seen.lang.as_deref(), caller.look)).await
}

pub async fn retry(
    State(site): State<Site>,
    caller: Caller,
    Ids((room, id)): Ids<(RoomId, MessageId)>,
    Asked(seen): Asked<Seen>,
    Sent(which): Sent<Attempted>,
) -> Answer<Json<Value>> {
    site.chat.retry(caller.id(), room, id, which.attempt).await?;
    message_json(&site, &caller, room, id, seen.view.view(seen.lang.as_deref(), caller.look)).await
}

pub async fn continue_reply(
    State(site): State<Site>,
    caller: Caller,
    Ids((room, id)): Ids<(RoomId, MessageId)>,
    Asked(seen): Asked<Seen>,
    Sent(which): Sent<Attempted>,
) -> Answer<Json<Value>> {
    site.chat.continue_reply(caller.id(), room, id, which.attempt).await?;
    message_json(&site, &caller, room, id, seen.view.view(seen.lang.as_deref(), caller.look)).await
}

pub async fn members(State(site): State<Site>, caller: Caller, Ids(room): Ids<RoomId>) -> Answer<Json<Value>> {
    let (detail, _) = site.chat.room(caller.id(), room).await?;
    let whole = json!(frame::room(&detail));
    Ok(Json(json!({ "members": whole["members"], "assistants": whole["assistants"] })))
}

#[derive(Debug, Deserialize)]
pub struct NewMember {
    name: Option<String>,
    id: Option<PersonId>,
}

/// Adds somebody by name or id; with `{}` joins oneself, where the room is open.
pub async fn add_member(State(site): State<Site>, caller: Caller, Ids(room): Ids<RoomId>, Sent(new): Sent<NewMember>) -> Answer<Response> {
    match (&new.name, new.id) {
        (Some(name), _) => drop(site.chat.add_member(caller.id(), room, name).await?),
        (None, Some(id)) => site.chat.add_person_to_room(caller.id(), room, id).await?,
        (None, None) => site.chat.join(caller.id(), room).await?,
    }
    Ok((StatusCode::CREATED, room_json(&site, &caller, room).await?).into_response())
}

pub async fn remove_member(State(site): State<Site>, caller: Caller, Ids((room, person)): Ids<(RoomId, PersonId)>) -> Answer<StatusCode> {
    site.chat.remove_member(caller.id(), room, person).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
pub struct AssistantHere {
    #[serde(deserialize_with = "speaks")]
    speaks: crate::domain::assistant::Speaks,
}

fn speaks<'de, D: Deserializer<'de>>(input: D) -> Result<crate::domain::assistant::Speaks, D::Error> {
    String::deserialize(input)?.parse().map_err(serde::de::Error::custom)
}

pub async fn put_assistant(
    State(site): State<Site>,
    caller: Caller,
    Ids((room, id)): Ids<(RoomId, AssistantId)>,
    Sent(here): Sent<AssistantHere>,
) -> Answer<Json<Value>> {
    site.chat.put_assistant(caller.id(), room, id, here.speaks).await?;
    room_json(&site, &caller, room).await
}

pub async fn take_assistant(State(site): State<Site>, caller: Caller, Ids((room, id)): Ids<(RoomId, AssistantId)>) -> Answer<Json<Value>> {
    site.chat.take_assistant(caller.id(), room, id).await?;
    room_json(&site, &caller, room).await
}
