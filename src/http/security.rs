//! What protects every page: a content policy without exceptions, headers that narrow what others can do with us, refusal of writes and
//! streams that another site's page asks for.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower_http::csrf::ProtectionError;

use super::client::Client;
use super::error::Trouble;

/// Only what we serve ourselves, nothing inline, framed by nobody; forms go to us alone. `blob:` shows a picture before it is sent.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; \
     manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types parlor";

const ALWAYS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

/// Sets the headers that protect, on every response.
pub async fn headers(request: Request, next: Next) -> Response {
    let secure = request.extensions().get::<Client>().is_some_and(|client| client.secure);
    let mut response = next.run(request).await;
    match response.extensions().get::<MerePart>().is_some() {
        true => drop(response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))),
        false => protect(response.headers_mut()),
    }
    if secure {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

/// What a handler has set itself stays: files have a stricter policy than pages.
/// Marks a style or a module of ours: what browsers only take into a page, whose own policy counts. Fifty of them come with a room, and what
/// would be said with each is more than most of them weigh. A script with which a worker begins is none: its policy is the worker's.
#[derive(Clone, Copy, Debug)]
pub struct MerePart;

pub fn protect(headers: &mut HeaderMap) {
    for (name, value) in ALWAYS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// What one person sees is in nobody's cache, and in a browser's own only until it asks again.
pub async fn pages_are_private(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Cookie, Accept"));
    response
}

/// The answer to a write that another site's page sends in a visitor's name.
pub fn cross_site(_error: ProtectionError) -> Response {
    refused_cross_site().into_response()
}

/// Whether a page of another site makes this request. Only browsers say; programs are their own masters. Over plain http a browser does
/// not say from where it comes, but names the page's origin when that is not ours.
pub fn is_cross_site(headers: &HeaderMap, public_url: Option<&str>) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
        return site == "cross-site" || site == "same-site";
    }
    let Some(origin) = text(header::ORIGIN) else { return false };
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    Some(origin) != public_url && Some(host) != text(header::HOST)
}

pub fn refused_cross_site() -> Trouble {
    Trouble::new(
        StatusCode::FORBIDDEN,
        "cross_site",
        "This was sent by a page of another site, and was refused. Open Parlor itself and do it there.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites_are_told_by_what_browsers_say() {
        let cross = |pairs: &[(&'static str, &'static str)], public| {
            let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect::<HeaderMap>();
            is_cross_site(&headers, public)
        };
        assert!(!cross(&[("host", "chat.lan")], None), "programs say nothing");
        assert!(cross(&[("sec-fetch-site", "cross-site")], None));
        assert!(!cross(&[("sec-fetch-site", "same-origin"), ("origin", "http://chat.lan"), ("host", "127.0.0.1")], None));
        assert!(cross(&[("origin", "http://evil.lan"), ("host", "chat.lan")], None));
        assert!(cross(&[("origin", "null"), ("host", "chat.lan")], None));
        assert!(!cross(&[("origin", "http://chat.lan:8080"), ("host", "chat.lan:8080")], None));
        assert!(!cross(&[("origin", "https://chat.example.org"), ("host", "backend:8080")], Some("https://chat.example.org")));
    }
}
