//! What an assistant saw, for everyone in the room: as a page, and as JSON for programs.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Site;
use super::error::Answer;
use super::extract::{Asked, Caller, Ids, SignedIn};
use super::page::{Around, show};
use crate::domain::id::{MessageId, RoomId};
use crate::domain::prompt::{Piece, Shown, Text};
use crate::view::SawPage;

#[derive(Debug, Default, Deserialize)]
pub struct Which {
    attempt: Option<i64>,
}

/// `GET /rooms/{room}/messages/{id}/saw`: of the newest attempt, or of the one that `attempt` names.
pub async fn page(
    State(site): State<Site>,
    SignedIn(caller): SignedIn,
    Ids((room, id)): Ids<(RoomId, MessageId)>,
    Asked(which): Asked<Which>,
) -> Answer<Response> {
    let saw = site.chat.saw(caller.id(), room, id, which.attempt).await?;
    let (detail, _) = site.chat.room(caller.id(), room).await?;
    let around = Around::read(&site, &caller).await?;
    show(&SawPage { chrome: around.chrome(Some(room)), room: &detail.room, saw: &saw })
}

/// `GET /api/rooms/{room}/messages/{id}/saw`: `prompt` is null where nothing was kept. `content` is what the model was given, word for word;
/// null where the text is gone. `was` says what became of it: `exact`, `edited` (then it is today's), `deleted`.
pub async fn call(
    State(site): State<Site>,
    caller: Caller,
    Ids((room, id)): Ids<(RoomId, MessageId)>,
    Asked(which): Asked<Which>,
) -> Answer<Json<Value>> {
    let saw = site.chat.saw(caller.id(), room, id, which.attempt).await?;
    let prompt = saw.prompt.as_ref().map(|shown| {
        let record = &shown.record;
        json!({
            "instructions": record.instructions,
            "messages": shown.pieces.iter().map(|piece| piece_json(shown, piece)).collect::<Vec<_>>(),
            "continued": shown.continued,
            "left_out": shown.left_out,
            "unfinished": shown.unfinished,
            "exact": shown.is_exact(),
            "model": record.model,
            "parameters": record.parameters,
            "budget_tokens": record.budget,
            "estimated_tokens": record.estimate,
            "prompt_tokens": saw.counted,
            "at": record.at,
        })
    });
    Ok(Json(json!({
        "id": saw.reply.id,
        "attempt": saw.attempt,
        "attempts": saw.attempts,
        "asked_by": saw.asked_by,
        "prompt": prompt,
    })))
}

fn piece_json(shown: &Shown, piece: &Piece) -> Value {
    let message = &piece.message;
    json!({
        "id": message.id,
        "seq": message.seq,
        "role": if piece.own { "assistant" } else { "user" },
        "author": { "id": message.author.to_string(), "name": message.author_name },
        "kind": message.author.kind(),
        "was": was(&piece.text),
        "text": piece.text.as_str(),
        "quote": piece.quote.as_ref().map(|quote| json!({ "author": quote.author, "was": was(&quote.text), "excerpt": quote.text.as_str() })),
        "content": shown.content(piece),
    })
}

fn was(text: &Text) -> &'static str {
    match text {
        Text::Exact(_) => "exact",
        Text::Today(_) => "edited",
        Text::Deleted => "deleted",
    }
}
