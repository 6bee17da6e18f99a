//! A reply watched without script: a page whose response goes on. Each block of the text is sent when it is finished, the rest at the end, and
//! the browser shows what has come.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use async_stream::stream;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use futures_util::Stream;

use super::Site;
use super::error::{Answer, Trouble};
use super::extract::{Caller, Ids, SignedIn};
use super::live::too_many_streams;
use super::page::Around;
use crate::chat::ChatError;
use crate::chat::messages::MessageDetail;
use crate::domain::id::{MessageId, RoomId};
use crate::domain::message::Part;
use crate::live::Hub;
use crate::live::draft::scope;
use crate::live::listener::Listener;
use crate::live::markup;
use crate::render::{Context, Growing};
use crate::view::WatchPage;

/// How often the stored text is looked at: seldom enough to cost little, often enough to be watched.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The longest that one page goes on; a reply that takes longer is watched by loading it again.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// `GET /rooms/{room}/messages/{id}/watch`
pub async fn reply(State(site): State<Site>, SignedIn(caller): SignedIn, Ids((room, id)): Ids<(RoomId, MessageId)>) -> Answer<Response> {
    let found = site.chat.message(caller.id(), room, id).await?;
    if !found.stored.message.state.kind().is_open() {
        return Ok(Redirect::to(&format!("/rooms/{room}?around={id}#m-{id}")).into_response());
    }
    let around = Around::read(&site, &caller).await?;
    let page = WatchPage { chrome: around.chrome(Some(room)), message: &found.stored.message };
    let page = page.render().map_err(|error| Trouble::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string()))?;
    let (before, after) = page.split_once(WatchPage::HERE).unwrap_or((&page, ""));
    // Counted with the reader's streams, and ended like them.
    let listener = site.hub.listen(caller.reader()).map_err(|_| too_many_streams())?;
    let seat = Seat { hub: site.hub.clone(), listener };
    let body = pieces(site.clone(), caller.clone(), seat, &found, before.to_owned(), after.to_owned());
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform")),
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(pieces_ok(body))).into_response())
}

fn pieces_ok(body: impl Stream<Item = String>) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
    use futures_util::StreamExt;
    body.map(|piece| Ok(Bytes::from(piece)))
}

fn pieces(
    site: Site,
    caller: Caller,
    seat: Seat,
    begun: &MessageDetail,
    before: String,
    after: String,
) -> impl Stream<Item = String> + use<> {
    let (room, id, attempt) = (begun.stored.message.room, begun.stored.message.id, begun.stored.message.attempt);
    stream! {
        yield before;
        let (mut sent, mut seen) = (0, usize::MAX);
        let until = tokio::time::Instant::now() + LONGEST;
        // Whoever loses access in the meantime is found no more, and the page ends.
        while let Ok(found) = still_there(&site, &caller, room, id).await {
            // Another attempt begins from nothing: its text does not follow what stands here.
            if found.stored.message.attempt != attempt || seat.is_told_to_end() {
                break;
            }
            let open = found.stored.message.state.kind().is_open();
            let length = found.so_far.answer.len();
            if !open || length != seen {
                seen = length;
                let blocks = blocks(&found);
                // The last block may still change.
                let finished = if open { blocks.len().saturating_sub(1) } else { blocks.len() };
                if finished > sent {
                    yield blocks[sent..finished].concat();
                    sent = finished;
                }
            }
            if !open || tokio::time::Instant::now() >= until || site.stopping.is_cancelled() {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        yield after;
    }
}

/// A place among the reader's streams.
struct Seat {
    hub: Hub,
    listener: Arc<Listener>,
}

impl Seat {
    fn is_told_to_end(&self) -> bool {
        self.listener.take_notice().is_some_and(|notice| notice.end.is_some())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.leave(&self.listener, std::iter::empty());
    }
}

/// The reply, as long as the reader may see it: a page that goes on is not a way round signing out.
async fn still_there(site: &Site, caller: &Caller, room: RoomId, id: MessageId) -> Result<MessageDetail, ChatError> {
    if !site.chat.is_valid(&caller.credential).await? {
        return Err(ChatError::NotFound);
    }
    site.chat.message(caller.id(), room, id).await
}

fn blocks(found: &MessageDetail) -> Vec<String> {
    let message = &found.stored.message;
    if message.state.kind().is_open() {
        let scope = scope(message.id, Part::Answer);
        return Growing::from(&found.so_far.answer, &Context { scope: &scope, names: &[], rooms: &[] }).blocks().to_vec();
    }
    match message.text.is_empty() {
        true => Vec::new(),
        false => markup::blocks(message),
    }
}
