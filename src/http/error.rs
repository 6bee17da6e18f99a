//! What goes wrong, decided once: a status, a code for programs, and for people a sentence that says what to do.
//!
//! Handlers give a [`Trouble`]; the outermost layer turns it into a page or into JSON, whichever the request wants, logs what is ours to
//! mend, and names the request's id in both.

use std::sync::Arc;
use std::time::{Duration, Instant};

use askama::Template;
use axum::Json;
use axum::extract::{MatchedPath, OptionalFromRequestParts, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;
use tracing::{Instrument, error, info, info_span};

use super::extract::SignedIn;
use super::page::Around;
use super::{Site, assets, look};
use crate::chat::ChatError;
use crate::domain::Invalid;
use crate::store::StoreError;
use crate::view::{Chrome, ErrorPage, Look, WayOut};

/// Why a request was not done.
#[derive(Clone, Debug)]
pub struct Trouble {
    pub status: StatusCode,
    /// Stable, for programs.
    pub code: &'static str,
    /// For people.
    pub sentence: String,
    pub retry_after: Option<Duration>,
    /// What had been typed, given back.
    pub typed: Option<String>,
    /// For the log alone.
    detail: Option<String>,
}

impl Trouble {
    pub fn new(status: StatusCode, code: &'static str, sentence: impl Into<String>) -> Self {
        Self { status, code, sentence: sentence.into(), retry_after: None, typed: None, detail: None }
    }

    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is nothing here, or it is not for you.")
    }

    pub fn sign_in() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "sign_in", "Sign in first, or send a token: “Authorization: Bearer …”.")
    }

    pub fn shutting_down() -> Self {
        Self {
            retry_after: Some(Duration::from_secs(3)),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", "The server is shutting down. Try again in a moment.")
        }
    }

    pub fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    pub fn typed(self, text: &str) -> Self {
        Self { typed: Some(text.to_owned()), ..self }
    }
}

impl From<Invalid> for Trouble {
    fn from(invalid: Invalid) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, invalid.code, invalid.sentence)
    }
}

impl From<ChatError> for Trouble {
    fn from(error: ChatError) -> Self {
        let sentence = error.to_string();
        match error {
            ChatError::Invalid(invalid) => invalid.into(),
            ChatError::NotFound => Self::not_found(),
            ChatError::Forbidden(_) => Self::new(StatusCode::FORBIDDEN, "forbidden", sentence),
            ChatError::Conflict { code, .. } => Self::new(StatusCode::CONFLICT, code, sentence),
            ChatError::TooMany(wait) => Self { retry_after: Some(wait), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many", sentence) },
            ChatError::WrongPassword => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong_password", sentence),
            ChatError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoRoom => Self::not_found(),
            StoreError::Busy => Self {
                retry_after: Some(Duration::from_secs(1)),
                ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "The server is busy. Try again in a moment.")
            },
            StoreError::Closed => Self::shutting_down(),
            StoreError::Locked => Self {
                detail: Some(error.to_string()),
                retry_after: Some(Duration::from_secs(2)),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "locked",
                    "Another program holds the server's database, so this was not stored. Try again in a moment; if it stays, tell who runs the server.",
                )
            },
            StoreError::Full => Self {
                detail: Some(error.to_string()),
                retry_after: Some(Duration::from_secs(30)),
                ..Self::new(
                    StatusCode::INSUFFICIENT_STORAGE,
                    "disk_full",
                    "The server's disk is full, so this was not stored. Keep your text and tell who runs the server; it works again as soon as there is room.",
                )
            },
            StoreError::Unknown(_) => Self {
                detail: Some(error.to_string()),
                retry_after: Some(Duration::from_secs(2)),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "unknown",
                    "The database went away while this was being stored, so it may be there or not. Look before you send it again.",
                )
            },
            error => Self {
                detail: Some(error.to_string()),
                retry_after: Some(Duration::from_secs(2)),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "storage",
                    "The server could not store or read this. Nothing was lost that had been sent before; try again.",
                )
            },
        }
    }
}

impl IntoResponse for Trouble {
    /// A bare response that carries the trouble; the outermost layer gives it a body.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

pub type Answer<T> = Result<T, Trouble>;

pub async fn not_found() -> Trouble {
    Trouble::not_found()
}

pub async fn no_such_call() -> Trouble {
    Trouble::new(StatusCode::NOT_FOUND, "no_such_call", "The API has no such call. See the README for those it has.")
}

/// Has the page about what went wrong show the rooms of who is signed in, like any other page. Nothing is read where nothing went wrong.
pub async fn with_rooms(State(site): State<Site>, request: Request, next: Next) -> Response {
    if wants_json(&request) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let mut asked = parts.clone();
    let mut response = next.run(Request::from_parts(parts, body)).await;
    let failed = response.extensions().get::<Trouble>().is_some() || axum_refusal(&response).is_some();
    if failed && let Ok(Some(SignedIn(caller))) = <SignedIn as OptionalFromRequestParts<Site>>::from_request_parts(&mut asked, &site).await
    {
        // Where the database fails too, the page stands alone.
        if let Ok(around) = Around::read(&site, &caller).await {
            response.extensions_mut().insert(Arc::new(around));
        }
    }
    response
}

/// The outermost layer: the request's id and span, one log line, and a body for what went wrong.
pub async fn at_the_edge(State(site): State<Site>, request: Request, next: Next) -> Response {
    let id = site.chat.clock().new_id().simple().to_string();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let wants_json = wants_json(&request);
    let look = look::of(request.headers());
    let head = method == Method::HEAD;
    // Never the query: set-up keys and search words stand there. Never the path itself where it holds an invitation's secret.
    let span = info_span!("request", request.id = %id, http.method = %method, http.route = route.as_deref().unwrap_or("-"));
    async move {
        let began = Instant::now();
        let mut response = next.run(request).await;
        let status = response.status();
        // axum's own refusals (a path that cannot be read, a method that is not there) are worded like ours.
        let trouble = response.extensions_mut().remove::<Trouble>().or_else(|| axum_refusal(&response));
        if let Some(trouble) = trouble {
            let around = response.extensions_mut().remove::<Arc<Around>>();
            if let Some(detail) = &trouble.detail {
                error!(error = %detail, "a request failed");
            }
            let kept = response.headers().clone();
            response = match wants_json {
                true => as_json(&trouble, look),
                false => as_page(&trouble, method.is_safe().then_some(path.as_str()), &id, look, around.as_deref()),
            };
            for name in [
                header::ALLOW,
                header::SET_COOKIE,
                header::LOCATION,
                header::STRICT_TRANSPORT_SECURITY,
                header::ACCESS_CONTROL_ALLOW_ORIGIN,
            ] {
                for value in kept.get_all(&name) {
                    response.headers_mut().append(&name, value.clone());
                }
            }
            if head {
                *response.body_mut() = axum::body::Body::empty();
            }
        }
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert("x-request-id", id);
        }
        info!(http.status = status.as_u16(), duration_ms = began.elapsed().as_millis() as u64, "answered");
        response
    }
    .instrument(span)
    .await
}

/// Programs, our own script and streams read JSON; browsers that navigate read pages.
fn wants_json(request: &Request) -> bool {
    let path = request.uri().path();
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    path.starts_with("/api/")
        || path == "/live"
        || path.ends_with("/live")
        || accept.starts_with("application/json")
        || accept.starts_with("text/event-stream")
}

fn axum_refusal(response: &Response) -> Option<Trouble> {
    let plain = response.headers().get(header::CONTENT_TYPE).is_none_or(|value| value.as_bytes().starts_with(b"text/plain"));
    match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => {
            Some(Trouble::new(StatusCode::METHOD_NOT_ALLOWED, "method", "This address does not take that method."))
        }
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND if plain => Some(Trouble::not_found()),
        StatusCode::PAYLOAD_TOO_LARGE if plain => Some(too_large()),
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::UNSUPPORTED_MEDIA_TYPE if plain => {
            Some(Trouble::new(response.status(), "unreadable", "What was sent cannot be read. Check its form and try again."))
        }
        status if plain && status.is_server_error() => {
            Some(Trouble::new(status, "internal", "Something broke on the server. Try again; if it stays, tell who runs it."))
        }
        _ => None,
    }
}

pub fn too_large() -> Trouble {
    Trouble::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("That is too large: at most {} kB fit.", super::BODY_BYTES / 1024))
}

fn as_json(trouble: &Trouble, look: Look) -> Response {
    let body = Json(json!({ "error": { "code": trouble.code, "message": look.w.sentence(&trouble.sentence) } }));
    let mut response = (trouble.status, body).into_response();
    super::security::protect(response.headers_mut());
    with_retry(trouble, response)
}

/// `path` is where to try again, if the request can be repeated by following a link.
fn as_page(trouble: &Trouble, path: Option<&str>, id: &str, look: Look, around: Option<&Around>) -> Response {
    let w = look.w;
    let title = match trouble.status {
        StatusCode::NOT_FOUND if trouble.code == "no_invite" => w.invitation_over(),
        StatusCode::NOT_FOUND => w.nothing_here(),
        StatusCode::UNAUTHORIZED => w.signed_out_title(),
        StatusCode::FORBIDDEN => w.not_allowed(),
        StatusCode::CONFLICT => w.has_changed(),
        StatusCode::TOO_MANY_REQUESTS => w.too_fast(),
        StatusCode::PAYLOAD_TOO_LARGE => w.too_large(),
        StatusCode::SERVICE_UNAVAILABLE => w.not_just_now(),
        StatusCode::INSUFFICIENT_STORAGE => w.no_room_left(),
        status if status.is_server_error() => w.something_broke(),
        _ => w.did_not_work(),
    };
    let retry = WayOut { href: path.unwrap_or("/"), label: w.try_again() };
    // Who is not signed in has no rooms here; where the server failed, nobody knows who asked.
    let stranger = around.is_none() && !trouble.status.is_server_error();
    let rooms = match stranger {
        true => WayOut { href: "/sign-in", label: w.sign_in() },
        false => WayOut { href: "/", label: w.to_your_rooms() },
    };
    let again = trouble.status.is_server_error() && path.is_some();
    let ways_out: &[WayOut<'_>] = if again { &[retry, rooms] } else { &[rooms] };
    let page = ErrorPage {
        chrome: around.map_or_else(|| Chrome::outside(assets::build(), look), |around| around.chrome(None)),
        status: trouble.status.as_u16(),
        title,
        text: &w.sentence(&trouble.sentence),
        ways_out,
        typed: trouble.typed.as_deref(),
        request_id: Some(id),
    };
    let body = page.render().unwrap_or_else(|_| trouble.sentence.clone());
    let mut response = (trouble.status, Html(body)).into_response();
    super::security::protect(response.headers_mut());
    with_retry(trouble, response)
}

fn with_retry(trouble: &Trouble, mut response: Response) -> Response {
    if let Some(wait) = trouble.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs_f64().ceil().max(1.0) as u64));
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
