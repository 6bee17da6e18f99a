//! Files as members read them, so that no browser runs what somebody sent.
//!
//! What goes out says what it is by its bytes alone, is shown in place only where that is a picture or plain text, and carries a policy under
//! which even a page of markup could do nothing.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::Site;
use super::error::{Answer, Trouble};
use super::extract::{Asked, Caller, Ids};
use crate::chat::files::Found;
use crate::domain::file::{File, PREVIEW_WIDTHS};
use crate::domain::id::{FileId, RoomId};

/// Read from disk at once, in bytes.
const READ: usize = 64 * 1024;
/// A file never changes under its address.
const KEEP: &str = "private, max-age=31536000, immutable";
/// Whatever a browser takes it for: nothing in it loads, runs, or belongs to this site.
const FILE_POLICY: &str = "default-src 'none'; sandbox";

#[derive(Debug, Deserialize)]
pub struct Wanted {
    w: Option<u32>,
    still: Option<u8>,
}

/// `GET /rooms/{room}/files/{id}/{name}`: the bytes, or with `w` a preview. The name is for people and programs that save it.
pub async fn show(
    State(site): State<Site>,
    caller: Result<Caller, Trouble>,
    Ids((room, id, _)): Ids<(RoomId, FileId, String)>,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
) -> Answer<Response> {
    // Who is not signed in learns no more than who is no member.
    let caller = caller.map_err(|trouble| if trouble.status.is_server_error() { trouble } else { Trouble::not_found() })?;
    if wanted.w.is_some_and(|width| !PREVIEW_WIDTHS.contains(&width)) {
        return Err(Trouble::not_found());
    }
    let found = site.chat.file(caller.id(), room, id, wanted.w, wanted.still.is_some()).await?;
    let mut file = match tokio::fs::File::open(&found.path).await {
        Ok(file) => file,
        Err(error) => {
            tracing::warn!(file.id = %id, %error, "the bytes of a file cannot be read");
            return Err(Trouble::not_found());
        }
    };
    let length = file.metadata().await.map_err(|error| unreadable(&error))?.len();
    let kind = match found.is_preview {
        true => preview_type(&mut file).await.map_err(|error| unreadable(&error))?,
        false => media_type(&found.file),
    };
    let tag = format!("\"{}\"", found.tag);
    let mut answer = Response::new(Body::empty());
    let set = answer.headers_mut();
    for (name, value) in [(header::CONTENT_SECURITY_POLICY, FILE_POLICY), (header::CACHE_CONTROL, KEEP), (header::ACCEPT_RANGES, "bytes")] {
        set.insert(name, HeaderValue::from_static(value));
    }
    set.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    for (name, value) in [(header::CONTENT_TYPE, kind), (header::ETAG, tag.clone()), (header::CONTENT_DISPOSITION, disposition(&found))] {
        set.insert(name, HeaderValue::from_str(&value).map_err(|_| Trouble::not_found())?);
    }
    let said = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if said(header::IF_NONE_MATCH).is_some_and(|tags| tags.split(',').any(|one| one.trim().trim_start_matches("W/") == tag)) {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(answer);
    }
    let is_same = said(header::IF_RANGE).is_none_or(|one| one == tag);
    let (from, count) = match said(header::RANGE).filter(|_| is_same).and_then(|range| asked_range(range, length)) {
        None => (0, length),
        Some(Range::Part(from, to)) => {
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
            let range = HeaderValue::from_str(&format!("bytes {from}-{to}/{length}")).map_err(|_| Trouble::not_found())?;
            answer.headers_mut().insert(header::CONTENT_RANGE, range);
            (from, to - from + 1)
        }
        Some(Range::Outside) => {
            *answer.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            let range = HeaderValue::from_str(&format!("bytes */{length}")).map_err(|_| Trouble::not_found())?;
            answer.headers_mut().insert(header::CONTENT_RANGE, range);
            return Ok(answer);
        }
    };
    file.seek(std::io::SeekFrom::Start(from)).await.map_err(|error| unreadable(&error))?;
    answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(count));
    *answer.body_mut() = Body::from_stream(ReaderStream::with_capacity(file.take(count), READ));
    Ok(answer)
}

fn unreadable(error: &std::io::Error) -> Trouble {
    crate::store::StoreError::Undone(format!("a file cannot be read: {error}").into()).into()
}

fn media_type(file: &File) -> String {
    match file.is_plain_text() {
        true => format!("{}; charset=utf-8", file.media_type),
        false => file.media_type.clone(),
    }
}

/// Previews are JPEG or PNG, whichever suits the picture.
async fn preview_type(file: &mut tokio::fs::File) -> std::io::Result<String> {
    let kind = if file.read_u8().await? == 0x89 { "image/png" } else { "image/jpeg" };
    Ok(kind.to_owned())
}

/// Shown in place, or saved; under its name.
fn disposition(found: &Found) -> String {
    if found.is_preview {
        return "inline".to_owned();
    }
    let file = &found.file;
    let way = if file.opens() { "inline" } else { "attachment" };
    // For old programs without what is not plain, for all others as it is (RFC 6266).
    let plain: String =
        file.name.chars().map(|c| if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') || c == ' ' { c } else { '_' }).collect();
    let mut whole = String::new();
    for byte in file.name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => whole.push(byte as char),
            _ => whole.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("{way}; filename=\"{plain}\"; filename*=UTF-8''{whole}")
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    /// The first and the last byte.
    Part(u64, u64),
    Outside,
}

/// A single range of bytes. Several, and what cannot be read, count as none: then the whole goes out, which is always right.
fn asked_range(said: &str, length: u64) -> Option<Range> {
    let (from, to) = said.strip_prefix("bytes=")?.split_once('-')?;
    let (from, to) = match (from.trim(), to.trim()) {
        ("", last) => {
            let last: u64 = last.parse().ok()?;
            if last == 0 {
                return Some(Range::Outside);
            }
            (length.saturating_sub(last), length.checked_sub(1)?)
        }
        (from, "") => (from.parse().ok()?, length.checked_sub(1)?),
        (from, to) => (from.parse().ok()?, to.parse::<u64>().ok()?.min(length.checked_sub(1)?)),
    };
    match from < length {
        true => (from <= to).then_some(Range::Part(from, to)),
        false => Some(Range::Outside),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        for (said, found) in [
            ("bytes=0-0", Some(Range::Part(0, 0))),
            ("bytes=2-", Some(Range::Part(2, 9))),
            ("bytes=-3", Some(Range::Part(7, 9))),
            ("bytes=-30", Some(Range::Part(0, 9))),
            ("bytes=5-99", Some(Range::Part(5, 9))),
            ("bytes=10-", Some(Range::Outside)),
            ("bytes=-0", Some(Range::Outside)),
            ("bytes=5-2", None),
            ("bytes=0-1,4-5", None),
            ("lines=0-1", None),
            ("bytes=a-b", None),
        ] {
            assert_eq!(asked_range(said, 10), found, "{said}");
        }
    }
}
