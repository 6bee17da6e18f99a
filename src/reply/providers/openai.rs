//! Any server that speaks OpenAI's chat completions: `POST {base_url}/chat/completions`, answered by a stream of events.
//!
//! Dozens of servers speak this, each with an accent; those known are listed where they are understood, in `completion.rs` and
//! `request.rs`, and each has a test with the bytes of a real server or the words of its documentation.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_stream::try_stream;
use futures_util::{Stream, StreamExt};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::answer::{EventReader, read_answer};
use super::http::{Body, Refusal, Server, bytes};
use super::limits::bounded;
use super::secret::{Secret, Secrets};
use crate::reply::provider::{Chunk, ChunkStream, Limits, Prompt, Provider, ProviderError};

mod completion;
mod request;
#[cfg(test)]
mod tests;

pub use completion::ChatCompletionParser;
pub use request::Continuation;
use request::RequestShape;

/// How to reach one model. It has no `Debug`, because the address may hold a key.
#[derive(Clone)]
pub struct OpenAiConfig {
    /// Normally ends in `/v1`. A slash at the end, or the whole address with `/chat/completions`, is understood too.
    pub base_url: String,
    /// Sent as `Authorization: Bearer …`.
    pub api_key: Option<Secret>,
    /// Sent with each request, for servers that want a key elsewhere or to know who asks. The values are treated as secrets.
    pub headers: Vec<(String, Secret)>,
    pub model: String,
    pub continuation: Continuation,
    pub limits: Limits,
}

/// A model on a server that speaks OpenAI's chat completions.
pub struct OpenAi {
    shared: Arc<Shared>,
    label: String,
}

/// What every answer needs, so that a stream can outlive the provider it came from.
struct Shared {
    server: Server,
    secrets: Arc<Secrets>,
    model: String,
    continuation: Continuation,
    limits: Limits,
    /// What this server was found to understand, so that it is asked rightly from the second question on. A lock of the standard library,
    /// because it is held for a copy and never across an await.
    shape: Mutex<RequestShape>,
}

impl OpenAi {
    /// Checks the settings; nothing is sent.
    pub fn new(config: OpenAiConfig) -> Result<Self, ProviderError> {
        let url = completions_url(&config.base_url)?;
        let in_address = url.query_pairs().map(|(_, value)| Secret::new(value));
        let in_headers = config.headers.iter().map(|(_, value)| value.clone());
        let secrets = Arc::new(Secrets::new(config.api_key.iter().cloned().chain(in_headers).chain(in_address)));
        let headers = headers(config.api_key.as_ref(), &config.headers)?;
        let hint = not_found_hint(&url);
        let server = Server::new(url, headers, secrets.clone(), config.limits, hint)?;
        let label = format!("{} at {}", config.model, server.origin());
        let shared = Shared {
            server,
            secrets,
            model: config.model,
            continuation: config.continuation,
            limits: config.limits,
            shape: Mutex::new(RequestShape::default()),
        };
        Ok(Self { shared: Arc::new(shared), label })
    }
}

impl Provider for OpenAi {
    fn stream(&self, prompt: Prompt) -> ChunkStream {
        bounded(self.shared.limits, self.shared.clone().answer(prompt))
    }

    fn label(&self) -> &str {
        &self.label
    }
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OpenAi").field(&self.label).finish()
    }
}

impl Shared {
    fn answer(self: Arc<Self>, prompt: Prompt) -> impl Stream<Item = Result<Chunk, ProviderError>> {
        try_stream! {
            let mut parser = ChatCompletionParser::new(self.secrets.clone(), prompt.max_tokens);
            match self.ask(&prompt).await? {
                Body::Events(response) => {
                    let mut chunks = Box::pin(read_answer(bytes(response), parser, self.limits));
                    while let Some(chunk) = chunks.next().await {
                        yield chunk?;
                    }
                }
                Body::Json(body) => {
                    let mut chunks = Vec::new();
                    let so_far = prompt.continue_from.as_deref().filter(|_| self.continuation == Continuation::Prefill);
                    let outcome = parser.read_whole(&body, so_far, &mut chunks);
                    parser.flush(&mut chunks);
                    let outcome = outcome.and_then(|()| parser.close(&mut chunks));
                    for chunk in chunks {
                        yield chunk;
                    }
                    outcome?;
                }
            }
        }
    }

    /// Asks in the way the server is known to understand. When it objects to a field that we can do without, it is asked again without
    /// that field, each at most once.
    async fn ask(&self, prompt: &Prompt) -> Result<Body, ProviderError> {
        let mut shape = *self.shape.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let body = request::body(&self.model, prompt, shape, self.continuation);
            let Refusal { error, complaint } = match self.server.ask(&body).await {
                Ok(answer) => return Ok(answer),
                Err(refusal) => refusal,
            };
            let is_about_fields = matches!(error, ProviderError::Refused { status: 400 | 422, .. });
            match shape.without_what_is_named(&complaint) {
                Some(simpler) if is_about_fields => shape = simpler,
                _ => return Err(error),
            }
            *self.shape.lock().unwrap_or_else(PoisonError::into_inner) = shape;
        }
    }
}

/// The address to post to.
fn completions_url(base_url: &str) -> Result<Url, ProviderError> {
    let misconfigured = |problem: &str| ProviderError::Misconfigured(problem.to_owned());
    let mut url = Url::parse(base_url.trim())
        .map_err(|_| misconfigured("its address is not a URL. It should look like https://api.example.org/v1."))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(misconfigured("its address must begin with http:// or https://."));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(misconfigured("its address holds a user name or a password. Put the key into the key's own setting."));
    }
    let base = url.path().trim_end_matches('/');
    let base = base.strip_suffix("/chat/completions").unwrap_or(base);
    let path = format!("{base}/chat/completions");
    url.set_path(&path);
    url.set_fragment(None);
    Ok(url)
}

/// What to say when the server answers 404.
fn not_found_hint(url: &Url) -> String {
    let is_version = |part: &str| part.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    match url.path_segments().is_some_and(|mut parts| parts.any(is_version)) {
        true => "Check the model's name and the address.".to_owned(),
        false => format!("The address has no /v1 at its end, which most servers need: try {}/v1.", url.origin().ascii_serialization()),
    }
}

fn headers(api_key: Option<&Secret>, extra: &[(String, Secret)]) -> Result<HeaderMap, ProviderError> {
    let mut headers = HeaderMap::new();
    if let Some(key) = api_key {
        let value = secret_value(&format!("Bearer {}", key.expose().trim()))
            .ok_or_else(|| ProviderError::Misconfigured("its key holds characters that no key has. Copy it again.".to_owned()))?;
        headers.insert(AUTHORIZATION, value);
    }
    for (name, value) in extra {
        let (Ok(name), Some(value)) = (name.trim().parse::<HeaderName>(), secret_value(value.expose().trim())) else {
            return Err(ProviderError::Misconfigured("one of its extra headers is not a valid header.".to_owned()));
        };
        headers.insert(name, value);
    }
    Ok(headers)
}

fn secret_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
