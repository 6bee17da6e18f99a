//! Fewer bytes on the way: which coding a reader takes, and pages packed as they leave.
//!
//! Only an answer whose body is whole already is packed: a page or a call's JSON. A live stream, a reply that is watched, a file that is
//! handed on piece by piece have no length beforehand, and pass untouched and unbuffered, whatever their reader would take. Assets are
//! packed once and kept (`assets.rs`).
//!
//! BREACH: who can put text of their own into a page that a victim's browser loads, again and again, and sees how long each
//! answer is, can guess at what else stands in it: a guess that is right packs better. Our pages hold no cookie and no token against
//! forged forms, since `Origin` and `Sec-Fetch-Site` decide about those; but they do hold what people say. So three things are never packed: answers to
//! requests that a page of another site makes (it is such a page that asks again and again in the victim's name), answers to anything
//! but GET (a new link of invitation or a new token is shown in the answer to a form), and streams.

use std::io::Write;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, VARY};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::Body as _;

use super::Site;
use super::security::is_cross_site;

/// Shorter answers gain less than the work costs, in bytes: they fit into one packet as they are.
const SMALLEST: u64 = 1_000;
/// Longer ones are not held in memory twice. The largest page is a room of fifty of the longest messages.
const LARGEST: u64 = 16 * 1024 * 1024;
/// Longer answers are packed beside everything else, in bytes: what takes more than a few milliseconds must not keep others waiting.
const AT_ONCE: usize = 256 * 1024;
/// How hard a page is packed while its reader waits: most of the gain, for about a millisecond per 100 kB.
const PAGE_GZIP: u32 = 5;
const PAGE_BROTLI: i32 = 4;

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Brotli,
    Gzip,
    Identity,
}

impl Coding {
    /// As `Content-Encoding` says it; nothing for a body as it is.
    pub fn name(self) -> Option<HeaderValue> {
        match self {
            Self::Brotli => Some(HeaderValue::from_static("br")),
            Self::Gzip => Some(HeaderValue::from_static("gzip")),
            Self::Identity => None,
        }
    }

    /// The one that a request asks for most, by its weights; of equals the one that packs best. A body as it is always goes, even to who
    /// says otherwise: an answer that is hard to read beats none.
    pub fn asked(headers: &HeaderMap) -> Self {
        let said: Vec<(&str, f32)> = headers
            .get_all(ACCEPT_ENCODING)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|part| {
                let mut pieces = part.split(';').map(str::trim);
                let name = pieces.next().filter(|name| !name.is_empty())?;
                // A weight that cannot be read is no wish.
                let weight = pieces.find_map(|piece| piece.strip_prefix("q=").or_else(|| piece.strip_prefix("Q=")));
                let weight = weight.map_or(1.0, |q| q.trim().parse::<f32>().ok().filter(|q| (0.0..=1.0).contains(q)).unwrap_or(0.0));
                Some((name, weight))
            })
            .collect();
        let weight = |names: &[&str]| {
            let named = said.iter().find(|(said, _)| names.iter().any(|name| said.eq_ignore_ascii_case(name)));
            named.or_else(|| said.iter().find(|(said, _)| *said == "*")).map(|(_, weight)| *weight)
        };
        let mut best =
            (Self::Identity, said.iter().find(|(name, _)| name.eq_ignore_ascii_case("identity")).map_or(0.0, |(_, weight)| *weight));
        for (coding, names) in [(Self::Gzip, &["gzip", "x-gzip"][..]), (Self::Brotli, &["br"][..])] {
            match weight(names) {
                Some(weight) if weight > 0.0 && weight >= best.1 => best = (coding, weight),
                _ => {}
            }
        }
        best.0
    }
}

/// Packs as well as it can be done: for what is packed once and sent often. Without the compiler's optimisations that would take seconds.
pub fn pack_well(bytes: &[u8], coding: Coding) -> Option<Bytes> {
    pack(bytes, coding, 9, if cfg!(debug_assertions) { PAGE_BROTLI } else { 11 })
}

/// Nothing for a body as it is, and if it cannot be packed.
fn pack(bytes: &[u8], coding: Coding, gzip: u32, brotli: i32) -> Option<Bytes> {
    let mut packed = Vec::with_capacity(bytes.len() / 3);
    match coding {
        Coding::Identity => return None,
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(&mut packed, Compression::new(gzip));
            encoder.write_all(bytes).ok()?;
            encoder.finish().ok()?;
        }
        Coding::Brotli => {
            let settings = brotli::enc::BrotliEncoderParams {
                quality: brotli,
                mode: brotli::enc::backward_references::BrotliEncoderMode::BROTLI_MODE_TEXT,
                size_hint: bytes.len(),
                ..Default::default()
            };
            brotli::BrotliCompress(&mut &*bytes, &mut packed, &settings).ok()?;
        }
    }
    Some(packed.into())
}

/// Packs pages and the JSON of calls as they leave.
pub async fn pages(State(site): State<Site>, request: Request, next: Next) -> Response {
    let coding = match request.method() == Method::GET && !is_cross_site(request.headers(), site.public_url.as_deref()) {
        true => Coding::asked(request.headers()),
        false => Coding::Identity,
    };
    let mut response = next.run(request).await;
    if !may_be_packed(&response) {
        return response;
    }
    // Also where this answer goes as it is: another reader's does not.
    response.headers_mut().append(VARY, HeaderValue::from_static("Accept-Encoding"));
    if coding == Coding::Identity {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, LARGEST as usize).await else {
        // A body of known length that is none: nothing of it can be told.
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let packed = match bytes.len() > AT_ONCE {
        false => pack(&bytes, coding, PAGE_GZIP, PAGE_BROTLI),
        true => {
            let whole = bytes.clone();
            tokio::task::spawn_blocking(move || pack(&whole, coding, PAGE_GZIP, PAGE_BROTLI)).await.ok().flatten()
        }
    };
    let body = match packed.filter(|packed| packed.len() < bytes.len()) {
        Some(packed) => {
            head.headers.extend(coding.name().map(|name| (CONTENT_ENCODING, name)));
            head.headers.remove(CONTENT_LENGTH);
            packed
        }
        None => bytes,
    };
    Response::from_parts(head, Body::from(body))
}

/// Text of ours that is whole, and that nobody has said must stay as it is.
fn may_be_packed(response: &Response) -> bool {
    let headers = response.headers();
    let says = |name, words: &[&str]| {
        headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(|value| words.iter().any(|word| value.contains(word)))
    };
    let length = response.body().size_hint().exact();
    says(CONTENT_TYPE, &["text/html", "application/json"])
        && !says(CACHE_CONTROL, &["no-transform"])
        && !headers.contains_key(CONTENT_ENCODING)
        && !headers.contains_key(ETAG)
        && length.is_some_and(|length| (SMALLEST..=LARGEST).contains(&length))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn weights_decide_and_of_equals_the_best() {
        for (said, coding) in [
            ("", Coding::Identity),
            ("gzip, deflate, br, zstd", Coding::Brotli),
            ("gzip, deflate", Coding::Gzip),
            ("br;q=0.5, gzip;q=0.8", Coding::Gzip),
            ("br;q=0, gzip;q=0", Coding::Identity),
            ("GZIP;Q=1.0", Coding::Gzip),
            ("x-gzip", Coding::Gzip),
            ("*", Coding::Brotli),
            ("*, br;q=0", Coding::Gzip),
            ("*;q=0", Coding::Identity),
            ("identity", Coding::Identity),
            ("identity;q=1, gzip;q=0.5", Coding::Identity),
            ("identity;q=0.5, gzip;q=1", Coding::Gzip),
            ("gzip;q=rubbish, ,;", Coding::Identity),
            ("gzip;q=7", Coding::Identity),
            ("deflate, zstd", Coding::Identity),
        ] {
            let headers: HeaderMap = [(ACCEPT_ENCODING, HeaderValue::from_static(said))].into_iter().collect();
            assert_eq!(Coding::asked(&headers), coding, "{said:?}");
        }
        assert_eq!(Coding::asked(&HeaderMap::new()), Coding::Identity);
        let twice: HeaderMap = [(ACCEPT_ENCODING, HeaderValue::from_static("gzip")), (ACCEPT_ENCODING, HeaderValue::from_static("br"))]
            .into_iter()
            .fold(HeaderMap::new(), |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            });
        assert_eq!(Coding::asked(&twice), Coding::Brotli);
    }

    #[test]
    fn what_is_packed_is_the_same_unpacked() {
        let text = "A room is a room. ".repeat(1000) + "Ähm — 好";
        let packed = pack_well(text.as_bytes(), Coding::Gzip).unwrap();
        let mut back = String::new();
        flate2::read::GzDecoder::new(&*packed).read_to_string(&mut back).unwrap();
        assert_eq!(back, text);
        let packed = pack(text.as_bytes(), Coding::Brotli, PAGE_GZIP, PAGE_BROTLI).unwrap();
        assert!(packed.len() < 400, "{}", packed.len());
        back.clear();
        brotli::Decompressor::new(&*packed, 4096).read_to_string(&mut back).unwrap();
        assert_eq!(back, text);
        assert_eq!(pack_well(b"x", Coding::Identity), None);
    }
}
