//! Asks a server over HTTP and gives back the body of its answer, or why there is none.
//!
//! - One request has one connection, which closes as soon as the body is dropped. Nothing is pooled: a model takes far longer than a
//!   handshake, and a server that closes idle connections can never meet a new request with a closed one.
//! - Redirects are not followed. Only an event stream or JSON counts as an answer.
//! - A server that is busy or loading is asked again, within [`Limits`] and never after it began to answer.
//! - `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` are followed, except for servers on this machine: what runs beside us is
//!   never asked through a proxy, whatever the environment says.
//! - No error shows more of the address than scheme, host and port.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_stream::stream;
use bytes::Bytes;
use futures_util::Stream;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, redirect, retry};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::time::{sleep, timeout};
use url::{Host, Url};

use super::answer::Broken;
use super::refusal::Complaint;
use super::secret::Secrets;
use crate::reply::provider::{Limits, ProviderError, ServerText};

const USER_AGENT: &str = concat!("parlor/", env!("CARGO_PKG_VERSION"));

/// What is read of a body that only explains an error, and for how long. The explanation is a courtesy; the status says enough.
const COMPLAINT_BYTES: usize = 64 * 1024;
const COMPLAINT_TIME: Duration = Duration::from_secs(5);

/// One address of one server, with all that is needed to ask it. It has no `Debug`, because the address may hold a key.
pub struct Server {
    client: Client,
    url: Url,
    headers: HeaderMap,
    secrets: Arc<Secrets>,
    limits: Limits,
    /// What to say when the server does not know the address or the model.
    not_found_hint: String,
}

/// The body of an answer.
pub enum Body {
    /// `text/event-stream`
    Events(Response),
    /// The whole of an `application/json`.
    Json(Vec<u8>),
}

/// Why there is no answer.
pub struct Refusal {
    pub error: ProviderError,
    /// What the server said, if it said anything, to find out what it objects to. Not for showing.
    pub complaint: Complaint,
}

impl From<ProviderError> for Refusal {
    fn from(error: ProviderError) -> Self {
        Self { error, complaint: Complaint::default() }
    }
}

impl Server {
    /// Prepares asking at `url`; nothing is sent. Each request carries `headers`; whatever is secret in them or in the address must be
    /// among `secrets`.
    pub fn new(url: Url, headers: HeaderMap, secrets: Arc<Secrets>, limits: Limits, not_found_hint: String) -> Result<Self, ProviderError> {
        // reqwest is built without a crypto library of its own choice, so one must be installed for the process before a client is built.
        // An error means that one is: all the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(limits.connect)
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(retry::never())
            .pool_max_idle_per_host(0);
        if is_loopback(&url) {
            client = client.no_proxy();
        }
        if url.scheme() == "http" {
            // No certificate will ever be checked, so a machine without any installed can still use a local model.
            client = client.tls_certs_only([]);
        }
        let client = client.build().map_err(|_| {
            ProviderError::Misconfigured("no TLS certificates were found on this machine. Install the package ca-certificates.".to_owned())
        })?;
        Ok(Self { client, url, headers, secrets, limits, not_found_hint })
    }

    /// Scheme, host and port, which is as much as anyone may see of the address.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Sends `body`, again if the server is busy, and waits for the beginning of its answer.
    pub async fn ask(&self, body: &str) -> Result<Body, Refusal> {
        let mut waited = Duration::ZERO;
        let mut next_wait = self.limits.first_wait;
        for _ in 1..self.limits.tries {
            let refusal = match self.ask_once(body).await {
                Err(refusal) if matches!(refusal.error, ProviderError::Busy { .. }) => refusal,
                answered => return answered,
            };
            let wait = refusal.error.retry_after().unwrap_or(next_wait);
            if waited.saturating_add(wait) > self.limits.waiting {
                return Err(refusal);
            }
            sleep(wait).await;
            waited += wait;
            next_wait *= 4;
        }
        self.ask_once(body).await
    }

    async fn ask_once(&self, body: &str) -> Result<Body, Refusal> {
        let request =
            self.client.post(self.url.clone()).headers(self.headers.clone()).header(CONTENT_TYPE, "application/json").body(body.to_owned());
        let response = match timeout(self.limits.silence, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.unreachable(&error).into()),
            Err(_elapsed) => return Err(ProviderError::Silent { limit: self.limits.silence }.into()),
        };
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let media_type = media_type(&response);
        match media_type.as_deref() {
            Some("text/event-stream") => Ok(Body::Events(response)),
            Some("application/json") => Ok(Body::Json(self.read_json(response).await?)),
            _ => Err(ProviderError::NotAnAnswer { found: self.describe(media_type.as_deref()) }.into()),
        }
    }

    async fn read_json(&self, mut response: Response) -> Result<Vec<u8>, ProviderError> {
        let limit = self.limits.reply_bytes + self.limits.event_bytes;
        let mut body = Vec::new();
        loop {
            match timeout(self.limits.silence, response.chunk()).await {
                Ok(Ok(None)) => return Ok(body),
                Ok(Ok(Some(piece))) if body.len() + piece.len() <= limit => body.extend_from_slice(&piece),
                Ok(Ok(Some(_))) => return Err(ProviderError::ReplyTooLarge { limit: self.limits.reply_bytes }),
                Ok(Err(_broken)) => return Err(ProviderError::CutOff { after_text: false }),
                Err(_elapsed) => return Err(ProviderError::Silent { limit: self.limits.silence }),
            }
        }
    }

    async fn refused(&self, mut response: Response) -> Refusal {
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        let mut body = Vec::new();
        let reading = async {
            while body.len() < COMPLAINT_BYTES {
                match response.chunk().await {
                    Ok(Some(piece)) => body.extend_from_slice(&piece[..piece.len().min(COMPLAINT_BYTES - body.len())]),
                    Ok(None) | Err(_) => return,
                }
            }
        };
        // Too late or not, what has come is read.
        let _ = timeout(COMPLAINT_TIME, reading).await;
        let complaint = Complaint::from_body(&body);
        let error = complaint.clone().into_error(status, retry_after, &self.secrets, &self.not_found_hint);
        Refusal { error, complaint }
    }

    /// Words for a request that got no response. The error itself is not shown: its text may hold the whole address.
    fn unreachable(&self, error: &reqwest::Error) -> ProviderError {
        let why = if error.is_timeout() {
            "it did not accept a connection in time"
        } else if error.is_dns() {
            "its name could not be looked up"
        } else if causes(error).any(|cause| cause.is::<rustls::Error>()) {
            "its TLS certificate or protocol was not accepted"
        } else if causes(error)
            .any(|cause| cause.downcast_ref().is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused))
        {
            "nothing listens there"
        } else if error.is_connect() {
            "the connection could not be made"
        } else {
            "the connection broke before an answer began"
        };
        ProviderError::Unreachable { server: self.origin(), why }
    }

    fn describe(&self, media_type: Option<&str>) -> String {
        match media_type {
            None => "something of an unknown kind".to_owned(),
            Some("text/html") => "a web page".to_owned(),
            Some(other) => ServerText::new(other, |text| self.secrets.hide(text)).as_str().to_owned(),
        }
    }
}

/// The bytes of a response as they arrive. Dropping the stream closes the connection.
pub fn bytes(mut response: Response) -> impl Stream<Item = Result<Bytes, Broken>> + Send {
    stream! {
        loop {
            match response.chunk().await {
                Ok(Some(piece)) => yield Ok(piece),
                Ok(None) => return,
                Err(_) => {
                    yield Err(Broken);
                    return;
                }
            }
        }
    }
}

/// Whether `url` means this machine.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback() || address.is_unspecified(),
        None => false,
    }
}

fn media_type(response: &Response) -> Option<String> {
    let value = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next()?.trim().to_ascii_lowercase())
}

/// The time a server asks for: seconds, or a date, which is taken relative to the server's own `Date` so that nobody's clock matters.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let header = |name| headers.get(name)?.to_str().ok();
    let value = header(RETRY_AFTER)?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| OffsetDateTime::parse(text.trim(), &Rfc2822).ok();
    let wait = date(value)? - date(header(DATE)?)?;
    wait.try_into().ok()
}

/// The chain of causes, including those that hide inside an I/O error.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    fn next<'a>(cause: &&'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
        let cause: &'a (dyn Error + 'static) = *cause;
        match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => cause.source(),
        }
    }
    std::iter::successors(error.source(), next)
}

#[cfg(test)]
mod tests {
    use super::{DATE, Duration, HeaderMap, RETRY_AFTER, Url, is_loopback, retry_after};

    #[test]
    fn this_machine_is_recognised_by_its_names() {
        for local in ["localhost", "LOCALHOST", "models.localhost", "127.0.0.1", "127.8.9.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"] {
            assert!(is_loopback(&Url::parse(&format!("http://{local}:8080/v1")).unwrap()), "{local}");
        }
        for other in ["example.org", "localhost.example.org", "10.0.0.1", "[fe80::1]"] {
            assert!(!is_loopback(&Url::parse(&format!("http://{other}/v1")).unwrap()), "{other}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_by_the_servers_own_clock() {
        let read = |retry: &str, date: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, retry.parse().unwrap());
            if let Some(date) = date {
                headers.insert(DATE, date.parse().unwrap());
            }
            retry_after(&headers)
        };
        assert_eq!(read("7", None), Some(Duration::from_secs(7)));
        let date = Some("Mon, 23 Nov 2026 05:17:24 GMT");
        assert_eq!(read("Mon, 23 Nov 2026 05:18:24 GMT", date), Some(Duration::from_secs(60)));
        assert_eq!(read("Mon, 23 Nov 2026 05:17:00 GMT", date), None);
        for nonsense in ["soon", "-1", "1e9", "99999999999999999999999"] {
            assert_eq!(read(nonsense, date), None, "{nonsense}");
        }
        assert_eq!(read("Mon, 23 Nov 2026 05:18:24 GMT", None), None);
    }
}
