//! Sessions: the library keeps the cookie, our own store keeps the rows, so that people see their sessions and can end them.
//!
//! Two names of one cookie: `__Host-parlor`, `Secure`, where the browser sees https, and `parlor` where it sees plain http. A browser keeps
//! a `__Host-` cookie only if nothing but this very host, over TLS, can have set it.

use std::convert::Infallible;
use std::fmt;
use std::task::{Context, Poll};

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures_util::future::BoxFuture;
use tower::{Layer, Service};
use tower_sessions::cookie::SameSite;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};
use tower_sessions::{Expiry, SessionManagerLayer, SessionStore};

use super::Site;
use super::client::Client;
use crate::chat::Chat;
use crate::chat::sessions::SESSION_MS;
use crate::domain::id::PersonId;
use crate::domain::secret::fingerprint;
use crate::store::sessions::Session;

/// How long a browser keeps the cookie: the longest that browsers allow.
const COOKIE_LIFE: time::Duration = time::Duration::days(400);
/// The key under which a session holds who is signed in.
pub const PERSON: &str = "person";

/// The stored id of a session: what its cookie says, unreadable.
pub fn stored_id(id: Id) -> String {
    fingerprint(&id.to_string())
}

/// Rows of our own database as the library's session store.
#[derive(Clone)]
pub struct Rows(Chat);

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rows")
    }
}

#[async_trait]
impl SessionStore for Rows {
    /// A new id is 128 random bits, so it is nobody's yet.
    async fn create(&self, record: &mut Record) -> Result<()> {
        self.save(record).await
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let now = self.0.clock().now();
        let person = record.data.get(PERSON).and_then(|value| value.as_str()).and_then(|id| id.parse::<PersonId>().ok());
        let session = Session {
            id: stored_id(record.id),
            person,
            data: serde_json::to_string(&record.data).map_err(|error| Error::Encode(error.to_string()))?,
            address: String::new(),
            agent: String::new(),
            created_at: now,
            seen_at: now,
            // The row decides how long a session lasts, and every use puts its end off; the cookie only has to outlive it.
            expires_at: now + SESSION_MS,
        };
        self.0.save_session(session).await.map_err(|error| Error::Backend(error.to_string()))
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let found = self.0.find_session(&stored_id(*id)).await.map_err(|error| Error::Backend(error.to_string()))?;
        found
            .map(|session| {
                let data = serde_json::from_str(&session.data).map_err(|error| Error::Decode(error.to_string()))?;
                let expiry_date = time::OffsetDateTime::from_unix_timestamp(session.expires_at / 1000)
                    .map_err(|error| Error::Decode(error.to_string()))?;
                Ok(Record { id: *id, data, expiry_date })
            })
            .transpose()
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.0.drop_session(stored_id(*id)).await.map_err(|error| Error::Backend(error.to_string()))
    }
}

/// Gives every request its session, under the cookie that fits the connection.
pub fn layer(site: &Site) -> SessionLayer {
    let make = |name: &'static str, secure| {
        SessionManagerLayer::new(Rows(site.chat.clone()))
            .with_name(name)
            .with_secure(secure)
            .with_http_only(true)
            .with_same_site(SameSite::Lax)
            .with_path("/")
            .with_expiry(Expiry::OnInactivity(COOKIE_LIFE))
    };
    SessionLayer { plain: make("parlor", false), secure: make("__Host-parlor", true) }
}

#[derive(Clone)]
pub struct SessionLayer {
    plain: SessionManagerLayer<Rows>,
    secure: SessionManagerLayer<Rows>,
}

impl<S: Clone> Layer<S> for SessionLayer {
    type Service = SessionService<<SessionManagerLayer<Rows> as Layer<S>>::Service>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService { plain: self.plain.layer(inner.clone()), secure: self.secure.layer(inner) }
    }
}

/// The same service twice, once for each cookie.
#[derive(Clone)]
pub struct SessionService<S> {
    plain: S,
    secure: S,
}

impl<S> Service<Request> for SessionService<S>
where
    S: Service<Request, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, std::result::Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        match (self.plain.poll_ready(cx), self.secure.poll_ready(cx)) {
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(Ok(())),
            (Poll::Ready(Err(never)), _) | (_, Poll::Ready(Err(never))) => match never {},
            _ => Poll::Pending,
        }
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let secure = request.extensions().get::<Client>().is_some_and(|client| client.secure);
        match secure {
            true => Box::pin(self.secure.call(request)),
            false => Box::pin(self.plain.call(request)),
        }
    }
}
