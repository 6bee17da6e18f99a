//! What protects every page: a content policy without exceptions, headers that narrow what others can do with us, refusal of writes and
//! streams that another site's page asks for.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower_http::csrf::ProtectionError;

use super::client::Client;
use super::error::Trouble;

/// Only what we serve ourselves, nothing inline, framed by nobody; forms go to us alone.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; \
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
    protect(response.headers_mut());
    if secure {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

pub fn protect(headers: &mut HeaderMap) {
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
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

/// Whether a page of another site makes this request. Only browsers say; programs are their own masters.
pub fn is_cross_site(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site")
}

pub fn refused_cross_site() -> Trouble {
    Trouble::new(
        StatusCode::FORBIDDEN,
        "cross_site",
        "This was sent by a page of another site, and was refused. Open Parlor itself and do it there.",
    )
}
