//! Live streams over HTTP: what is refused before the body, the headers, and a body that hands out what waits.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::Stream;
use http_body::Frame;
use serde::Deserialize;
use tokio::time::Instant;

use super::Site;
use super::error::{Answer, Trouble};
use super::extract::{Admitted, Asked, Ids};
use super::security::{is_cross_site, refused_cross_site};
use crate::domain::cursor::Cursor;
use crate::domain::id::RoomId;
use crate::live::frame::{self, ByeWhy};
use crate::live::{Admission, Extras, Feed, Follow, View};
use crate::view::Look;
use crate::words::Lang;

/// Rooms in one stream at most.
const ROOMS: usize = 256;
/// When who has too many streams may try again.
const TOO_MANY_WAIT: Duration = Duration::from_secs(10);

/// How a page or program asks for a view.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewName {
    Html,
    #[default]
    Text,
}

impl ViewName {
    /// The view in the language that was asked for by name (`lang=`), or else in the one that the reader's pages have.
    pub fn view(self, named: Option<&str>, look: Look) -> View {
        match self {
            Self::Html => View::Html(named.and_then(Lang::of_tag).unwrap_or(look.w.0)),
            Self::Text => View::Text,
        }
    }
}

#[derive(Debug, Deserialize)]
pub struct OneRoom {
    at: Option<String>,
    #[serde(default)]
    view: ViewName,
    lang: Option<String>,
}

/// `GET /rooms/{room}/live?at=CURSOR`: the stream of one room. Also what a plain `EventSource` reconnects to.
pub async fn room(
    State(site): State<Site>,
    Admitted(admission): Admitted,
    Ids(room): Ids<RoomId>,
    Asked(asked): Asked<OneRoom>,
    look: Look,
    headers: HeaderMap,
) -> Answer<Response> {
    let last = last_event_id(&headers);
    let follow = match last.as_deref().or(asked.at.as_deref()) {
        None | Some("") => Follow::Now(room),
        Some(cursor) => match cursor.parse::<Cursor>() {
            Ok(cursor) if cursor.room == room => Follow::After(cursor),
            _ => Follow::Lost(room),
        },
    };
    open(&site, admission, vec![follow], Extras::default(), asked.view.view(asked.lang.as_deref(), look), &headers).await
}

/// `GET /live?at=CURSOR&at=CURSOR…`: several rooms over one connection.
pub async fn several(
    State(site): State<Site>,
    Admitted(admission): Admitted,
    request: axum::extract::RawQuery,
    look: Look,
    headers: HeaderMap,
) -> Answer<Response> {
    let query = request.0.unwrap_or_default();
    let mut view = ViewName::Text;
    let mut lang = None;
    let mut extras = Extras::default();
    let mut rooms: Vec<Follow> = Vec::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "at" => {
                let Some(room) = Cursor::room_of(&value) else { continue };
                if !rooms.iter().any(|follow| follow.room() == room) {
                    rooms.push(value.parse().map_or(Follow::Lost(room), Follow::After));
                }
            }
            "view" if value == "html" => view = ViewName::Html,
            "lang" => lang = Some(value),
            "rooms" => extras.rooms = value == "1",
            "people" => extras.people = value == "1",
            _ => {}
        }
    }
    // The browser's own reconnection names the last change of one room; the others go on from where the address says.
    if let Some(cursor) = last_event_id(&headers).and_then(|last| last.parse::<Cursor>().ok())
        && let Some(follow) = rooms.iter_mut().find(|follow| follow.room() == cursor.room)
    {
        *follow = Follow::After(cursor);
    }
    if rooms.len() > ROOMS {
        return Err(Trouble::new(StatusCode::UNPROCESSABLE_ENTITY, "too_many_rooms", format!("One stream follows at most {ROOMS} rooms.")));
    }
    open(&site, admission, rooms, extras, view.view(lang.as_deref(), look), &headers).await
}

fn last_event_id(headers: &HeaderMap) -> Option<String> {
    headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned).filter(|id| !id.is_empty())
}

async fn open(site: &Site, admission: Admission, rooms: Vec<Follow>, extras: Extras, view: View, headers: &HeaderMap) -> Answer<Response> {
    if is_cross_site(headers, site.public_url.as_deref()) {
        return Err(refused_cross_site());
    }
    if site.stopping.is_cancelled() {
        return Err(Trouble::shutting_down());
    }
    let is_mine = |follow: &Follow| admission.rooms.contains(&follow.room());
    // Rooms that are not for the reader get a `bye` of their own; only if there is no other is there nothing here.
    let (rooms, absent): (Vec<Follow>, Vec<Follow>) = rooms.into_iter().partition(is_mine);
    // The list of one's rooms may be all that is wanted.
    if rooms.is_empty() && !(extras.rooms && absent.is_empty()) {
        return Err(Trouble::not_found());
    }
    let absent: Vec<RoomId> = absent.into_iter().map(Follow::room).collect();
    let feed = Feed::open_for(&site.hub, &admission, &rooms, &absent, view).map_err(|_| too_many_streams())?.with(extras);
    let leaving = Leaving::of(feed);
    let mut response = event_stream(FeedBody(leaving.clone()));
    response.extensions_mut().insert(leaving);
    Ok(response)
}

pub fn too_many_streams() -> Trouble {
    Trouble::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", "You have too many streams open. Close some tabs or programs.")
        .retry_after(TOO_MANY_WAIT)
}

/// A response that nothing between here and the reader may hold back, change or keep.
pub fn event_stream(body: impl http_body::Body<Data = Bytes, Error = std::convert::Infallible> + Send + 'static) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform")),
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, Body::new(body)).into_response()
}

/// A stream that the connection may take out of the response and write by itself; if it does not, the response's body hands it out.
#[derive(Clone)]
pub struct Leaving(Arc<Mutex<Kept>>);

struct Kept {
    /// Nothing once the stream has ended, or was taken.
    feed: Option<Feed>,
    /// What is still said after that.
    last: Option<Bytes>,
    /// When a piece was handed out, if nobody has asked for another since.
    handed_at: Option<Instant>,
}

impl Leaving {
    fn of(feed: Feed) -> Self {
        Self(Arc::new(Mutex::new(Kept { feed: Some(feed), last: None, handed_at: None })))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn take(&self) -> Option<Feed> {
        self.kept().feed.take()
    }

    pub fn has_ended(&self) -> bool {
        self.kept().feed.is_none()
    }

    /// Gives the feed up if nobody has asked for more for so long; should they ask once more, they are told.
    pub fn end_if_stuck(&self, longest: Duration) {
        let mut kept = self.kept();
        if kept.feed.is_some() && kept.handed_at.is_some_and(|at| at.elapsed() >= longest) {
            kept.feed = None;
            kept.last = Some(frame::bye(ByeWhy::Slow, None));
        }
    }
}

/// A feed as a response's body: all that waits is one piece.
struct FeedBody(Leaving);

impl http_body::Body for FeedBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let kept = &mut *self.0.kept();
        kept.handed_at = None;
        let piece = match &mut kept.feed {
            Some(feed) => ready!(Pin::new(feed).poll_next(cx)),
            None => kept.last.take(),
        };
        match piece {
            Some(bytes) => {
                kept.handed_at = Some(Instant::now());
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            None => {
                kept.feed = None;
                Poll::Ready(None)
            }
        }
    }
}
