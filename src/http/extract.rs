//! What a request says, parsed: who asks, which room, which form. Whatever cannot be read becomes a sentence here.

use axum::extract::rejection::{FormRejection, JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tower_sessions::Session;

use super::Site;
use super::client::Client;
use super::connection::BodyTooSlow;
use super::error::{Trouble, too_large};
use super::look;
use super::session::stored_id;
use crate::domain::cursor::Cursor;
use crate::domain::id::{PersonId, RoomId};
use crate::domain::person::Person;
use crate::domain::secret::fingerprint;
use crate::live::{Admission, Reader};
use crate::view::Look;

/// Who asks, signed in by a session or a token: for calls of the API and for streams.
#[derive(Clone, Debug)]
pub struct Caller {
    pub person: Person,
    /// The stored id of the session or token.
    pub credential: String,
    /// How the browser wants its pages, and errors worded.
    pub look: Look,
}

impl Caller {
    pub fn id(&self) -> PersonId {
        self.person.id
    }

    pub fn reader(&self) -> Reader {
        Reader { person: self.person.id, credential: self.credential.clone() }
    }
}

impl FromRequestParts<Site> for Caller {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Trouble> {
        let caller = match bearer(parts)? {
            Some(secret) => {
                let found = site.chat.person_of_token(&secret).await?;
                found.map(|(token, person)| Self { person, credential: token.to_string(), look: look::of(&parts.headers) })
            }
            None => of_session(parts, site).await?,
        };
        let caller = caller.ok_or_else(Trouble::sign_in)?;
        is_meant(parts, caller.id())?;
        Ok(caller)
    }
}

/// An old tab never acts in the name of whoever signed in after it.
fn is_meant(parts: &Parts, person: PersonId) -> Result<(), Trouble> {
    match meant(parts) {
        Some(meant) if meant != person.to_string() => Err(Trouble::new(
            StatusCode::CONFLICT,
            "other_person",
            "Somebody else has signed in here since this page was loaded. Load it again.",
        )),
        _ => Ok(()),
    }
}

/// Who asks for a stream or posts, and the rooms that are theirs: as a [`Caller`], but asked of the database only if that is not known.
pub struct Admitted(pub Admission);

impl FromRequestParts<Site> for Admitted {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Trouble> {
        let credential = match bearer(parts)? {
            Some(secret) => Some(fingerprint(&secret)),
            None => parts.extensions.get::<Session>().and_then(Session::id).map(stored_id),
        };
        let known = credential.as_deref().and_then(|credential| site.hub.admission(credential));
        // A room that somebody has just joined is asked for anew.
        if let Some(known) = known.filter(|known| asks_only_for(parts, known)) {
            is_meant(parts, known.reader.person)?;
            return Ok(Self(known));
        }
        let revocations = site.hub.revocations();
        let caller = Caller::from_request_parts(parts, site).await?;
        let rooms = site.chat.rooms_of(caller.id()).await?.into_iter().map(|(room, _)| room.id).collect();
        Ok(Self(site.hub.admit(&credential.unwrap_or_default(), caller.reader(), rooms, revocations)))
    }
}

/// Whether all rooms that a stream is asked for are among those known to be the reader's.
fn asks_only_for(parts: &Parts, known: &Admission) -> bool {
    let in_path = parts.uri.path().split('/').filter_map(|step| step.parse::<RoomId>().ok());
    let cursors = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
    let in_query = cursors.filter(|(name, _)| name == "at").filter_map(|(_, value)| Cursor::room_of(&value));
    in_path.chain(in_query).all(|room| known.rooms.contains(&room))
}

/// The person that the page was made for, if the request says (`?as=`).
fn meant(parts: &Parts) -> Option<String> {
    #[derive(Deserialize)]
    struct As {
        #[serde(rename = "as")]
        person: Option<String>,
    }
    Query::<As>::try_from_uri(&parts.uri).ok().and_then(|query| query.0.person)
}

fn bearer(parts: &Parts) -> Result<Option<String>, Trouble> {
    let Some(value) = parts.headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let secret = value.to_str().ok().and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    // Sent and not understood is refused; falling back to the cookie would act for somebody else.
    secret.map(|(_, secret)| Some(secret.trim().to_owned())).ok_or_else(Trouble::sign_in)
}

async fn of_session(parts: &mut Parts, site: &Site) -> Result<Option<Caller>, Trouble> {
    let Some(session) = parts.extensions.get::<Session>().cloned() else { return Ok(None) };
    let Some(id) = session.id() else { return Ok(None) };
    let credential = stored_id(id);
    let address = parts.extensions.get::<Client>().map(|client| client.address.to_string()).unwrap_or_default();
    let agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("unknown");
    let agent: String = agent.chars().take(AGENT_CHARS).collect();
    let person = site.chat.person_of_session(&credential, address, agent).await?;
    Ok(person.map(|person| Caller { person, credential, look: look::of(&parts.headers) }))
}

/// How much of a browser's self-description is kept, in characters.
const AGENT_CHARS: usize = 300;

/// Who reads a page. Who is not signed in is sent to the sign-in page and comes back afterwards.
#[derive(Clone, Debug)]
pub struct SignedIn(pub Caller);

impl FromRequestParts<Site> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Response> {
        match of_session(parts, site).await.map_err(Trouble::into_response)? {
            Some(caller) => Ok(Self(caller)),
            None if site.chat.is_new().await.map_err(|e| Trouble::from(e).into_response())? => Err(Redirect::to("/setup").into_response()),
            None => {
                let next = match parts.method.is_safe() {
                    true => parts.uri.path_and_query().map_or("/", |p| p.as_str()),
                    false => "/",
                };
                let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
                Err(Redirect::to(&format!("/sign-in?{query}")).into_response())
            }
        }
    }
}

impl OptionalFromRequestParts<Site> for SignedIn {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Option<Self>, Trouble> {
        Ok(of_session(parts, site).await?.map(Self))
    }
}

impl FromRequestParts<Site> for Client {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Site) -> Result<Self, Self::Rejection> {
        let unknown = Client { address: std::net::Ipv4Addr::UNSPECIFIED.into(), secure: false, here: false };
        Ok(parts.extensions.get::<Client>().copied().unwrap_or(unknown))
    }
}

/// Ids in the path. One that cannot be an id is one that is not there.
pub struct Ids<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Site> for Ids<T> {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Trouble> {
        <Path<T> as FromRequestParts<Site>>::from_request_parts(parts, site)
            .await
            .map(|path| Self(path.0))
            .map_err(|_| Trouble::not_found())
    }
}

/// The query.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Site> for Asked<T> {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Trouble> {
        Query::<T>::from_request_parts(parts, site)
            .await
            .map(|query| Self(query.0))
            .map_err(|error: QueryRejection| unreadable(&error.body_text()))
    }
}

/// A form's fields.
pub struct Fields<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Site> for Fields<T> {
    type Rejection = Trouble;

    async fn from_request(request: Request, site: &Site) -> Result<Self, Trouble> {
        match Form::<T>::from_request(request, site).await {
            Ok(form) => Ok(Self(form.0)),
            Err(FormRejection::BytesRejection(error)) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(too_large()),
            Err(FormRejection::BytesRejection(error)) => Err(broken_off(&error)),
            Err(error) => Err(unreadable(&error.body_text())),
        }
    }
}

/// A call's JSON. An empty body counts as `{}`.
pub struct Sent<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Site> for Sent<T> {
    type Rejection = Trouble;

    async fn from_request(request: Request, site: &Site) -> Result<Self, Trouble> {
        if request.headers().get(header::CONTENT_TYPE).is_none()
            && request.headers().get(header::CONTENT_LENGTH).is_none_or(|length| length == "0")
        {
            return serde_json::from_str("{}").map(Self).map_err(|error| unreadable(&error.to_string()));
        }
        match Json::<T>::from_request(request, site).await {
            Ok(json) => Ok(Self(json.0)),
            Err(JsonRejection::BytesRejection(error)) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(too_large()),
            Err(JsonRejection::BytesRejection(error)) => Err(broken_off(&error)),
            Err(JsonRejection::MissingJsonContentType(_)) => {
                Err(Trouble::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", "Send JSON, with “Content-Type: application/json”."))
            }
            Err(error) => Err(unreadable(&error.body_text())),
        }
    }
}

/// A body that did not come to its end.
pub(super) fn broken_off(error: &(dyn std::error::Error + 'static)) -> Trouble {
    // axum, http-body-util and hyper each put their own error around ours; an I/O error holds it in its hands, not among its causes.
    let causes = std::iter::successors(Some(error), |error| error.source());
    let too_slow = causes.into_iter().any(|cause| {
        cause.is::<BodyTooSlow>()
            || cause.downcast_ref::<std::io::Error>().and_then(|io| io.get_ref()).is_some_and(|io| io.is::<BodyTooSlow>())
    });
    match too_slow {
        true => Trouble::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "What you sent did not arrive in time. Try again."),
        false => unreadable("it broke off"),
    }
}

fn unreadable(why: &str) -> Trouble {
    Trouble::new(StatusCode::BAD_REQUEST, "unreadable", format!("What was sent cannot be read: {}", why.trim_end_matches('.')))
}
