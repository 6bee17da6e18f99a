//! Files that come in over HTTP: by a call whose body is the file, or with the composer's form.
//!
//! What comes in goes to disk as it comes; nothing here holds a file in memory.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use axum::Json;
use axum::body::BodyDataStream;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use multer::{Constraints, Multipart, SizeLimit};
use serde::Deserialize;

use super::error::{Answer, Trouble};
use super::extract::{Asked, Caller, Ids, broken_off};
use super::{BODY_BYTES, Site};
use crate::chat::ChatError;
use crate::chat::files::{Upload, too_many_files};
use crate::domain::file::{FILE_BYTES, FILES_MAX, File};
use crate::domain::id::{FileId, MessageId, PersonId, RoomId};
use crate::live::frame;

/// How much of a refused upload is read all the same, in bytes: a browser that still sends does not hear the answer.
const DRAIN: u64 = 2 * FILE_BYTES;
/// Largest form, in bytes: its files, and what stands around them.
const FORM_BYTES: u64 = FILES_MAX as u64 * FILE_BYTES + 1024 * 1024;
/// What has come of a form and is not made use of yet, in bytes, at most: more than the longest text. The head of a part has no largest
/// size of its own; without this it would be gathered whole, and looked through from its beginning with each piece.
const HELD: usize = 1024 * 1024;
/// Handed on of a form before something is made of it, in bytes.
const AT_ONCE: usize = 256 * 1024;

#[derive(Debug, Deserialize)]
pub struct Called {
    #[serde(default)]
    name: String,
}

/// `POST /api/rooms/{room}/files?name=`: the body is the file.
pub async fn upload(
    State(site): State<Site>,
    caller: Caller,
    Ids(room): Ids<RoomId>,
    Asked(called): Asked<Called>,
    request: Request,
) -> Answer<Response> {
    if site.stopping.is_cancelled() {
        return Err(Trouble::shutting_down());
    }
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|value| value.parse().ok());
    let mut body = request.into_body().into_data_stream();
    let file = match take_in(&site, &caller, room, &called.name, length, &mut body).await {
        Ok(file) => file,
        Err(trouble) => {
            drain(body).await;
            return Err(trouble);
        }
    };
    Ok((StatusCode::CREATED, Json(frame::file(&file, room))).into_response())
}

async fn take_in(site: &Site, caller: &Caller, room: RoomId, name: &str, length: Option<u64>, body: &mut BodyDataStream) -> Answer<File> {
    let mut upload = site.chat.begin_upload(caller.id(), room, name, length).await.map_err(refused)?;
    while let Some(bytes) = body.try_next().await.map_err(|error| broken_off(&error))? {
        upload.write(&bytes).await.map_err(refused)?;
    }
    site.chat.finish_upload(upload).await.map_err(refused)
}

/// Reads on for a while what nobody wants, so that the answer is heard.
async fn drain(mut body: BodyDataStream) {
    let mut left = DRAIN;
    while let Ok(Some(bytes)) = body.try_next().await {
        left = left.saturating_sub(bytes.len() as u64);
        if left == 0 {
            return;
        }
    }
}

/// What is too large has a status of its own.
fn refused(error: ChatError) -> Trouble {
    let mut trouble = Trouble::from(error);
    if matches!(trouble.code, "too_large" | "too_much" | "all_kept") {
        trouble.status = StatusCode::PAYLOAD_TOO_LARGE;
    }
    trouble
}

/// `DELETE /api/rooms/{room}/files/{id}`: takes back what no message has taken.
pub async fn discard(State(site): State<Site>, caller: Caller, Ids((room, id)): Ids<(RoomId, FileId)>) -> Answer<StatusCode> {
    site.chat.discard_upload(caller.id(), room, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

// ---- the composer's form with files

/// A post as the form sends it.
#[derive(Debug, Default)]
pub struct SentForm {
    pub id: String,
    pub text: String,
    pub reply_to: String,
    pub author: Option<PersonId>,
}

pub fn is_multipart(request: &Request) -> bool {
    boundary(request.headers()).is_some()
}

fn boundary(headers: &HeaderMap) -> Option<String> {
    multer::parse_boundary(headers.get(header::CONTENT_TYPE)?.to_str().ok()?).ok()
}

/// A form that was read to its end.
#[derive(Debug, Default)]
pub struct ReadForm {
    pub form: SentForm,
    /// Uploads then that wait for the post.
    pub files: Vec<FileId>,
    /// Why a file could not be taken: what was typed can still be given back.
    pub refused: Option<Trouble>,
}

/// Reads the form. Files of who is nobody here are not looked at.
pub async fn read_form(site: &Site, caller: Option<&Caller>, room: RoomId, request: Request) -> Answer<ReadForm> {
    let Some(boundary) = boundary(request.headers()) else { return Err(broken_off(&multer::Error::NoMultipart)) };
    let most = if caller.is_some() { FORM_BYTES } else { 2 * BODY_BYTES as u64 };
    let mut limits = SizeLimit::new().whole_stream(most);
    for field in ["id", "text", "reply_to", "as"] {
        limits = limits.for_field(field, BODY_BYTES as u64);
    }
    let held = Held::default();
    let body = Flow { body: request.into_body().into_data_stream(), held: held.clone(), at_once: 0 };
    let mut parts = Multipart::with_constraints(body, boundary, Constraints::new().size_limit(limits));
    let mut read = ReadForm::default();
    loop {
        let mut part = match parts.next_field().await {
            Ok(Some(part)) => part,
            Ok(None) => return Ok(read),
            // What has come of the text is given back.
            Err(error) => {
                read.refused.get_or_insert(unread(&error));
                return Ok(read);
            }
        };
        held.used();
        match part.name().unwrap_or_default() {
            "id" => read.form.id = text(part).await?,
            "text" => read.form.text = text(part).await?,
            "reply_to" => read.form.reply_to = text(part).await?,
            "as" => read.form.author = text(part).await?.parse().ok(),
            "file" => {
                let Some(caller) = caller.filter(|_| read.refused.is_none()) else {
                    pass_over(&mut part, &held).await;
                    continue;
                };
                let name = part.file_name().unwrap_or_default().to_owned();
                let first = match part.chunk().await {
                    Ok(first) => first,
                    Err(error) => {
                        read.refused = Some(unread(&error));
                        continue;
                    }
                };
                // A field in which nothing was chosen.
                if name.is_empty() && first.as_ref().is_none_or(Bytes::is_empty) {
                    continue;
                }
                if read.files.len() == FILES_MAX {
                    read.refused = Some(too_many_files().into());
                    pass_over(&mut part, &held).await;
                    continue;
                }
                let post = MessageId::from_client(&read.form.id).ok().map(|id| (id, read.files.len()));
                match take_part(site, caller, room, &name, post, first, &mut part, &held).await {
                    Ok(file) => read.files.push(file.id),
                    Err(trouble) => {
                        read.refused = Some(trouble);
                        pass_over(&mut part, &held).await;
                    }
                }
            }
            _ => pass_over(&mut part, &held).await,
        }
    }
}

/// How much of a form has come and is not made use of yet, in bytes.
#[derive(Clone, Debug, Default)]
struct Held(Arc<AtomicUsize>);

impl Held {
    fn used(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// A form's body on its way to who takes it apart, who would otherwise take all that there is before looking at it.
struct Flow {
    body: BodyDataStream,
    held: Held,
    /// Handed on without a rest.
    at_once: usize,
}

impl Stream for Flow {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let flow = self.get_mut();
        if flow.at_once >= AT_ONCE {
            flow.at_once = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = ready!(Pin::new(&mut flow.body).poll_next(cx));
        if let Some(Ok(bytes)) = &next {
            flow.at_once += bytes.len();
            if flow.held.0.fetch_add(bytes.len(), Ordering::Relaxed) + bytes.len() > HELD {
                return Poll::Ready(Some(Err(axum::Error::new("nothing can be made of so much"))));
            }
        }
        Poll::Ready(next)
    }
}

/// Reads to the end of a part that nobody wants: what comes after it is wanted.
async fn pass_over(part: &mut multer::Field<'_>, held: &Held) {
    while let Ok(Some(_)) = part.chunk().await {
        held.used();
    }
}

async fn text(part: multer::Field<'_>) -> Answer<String> {
    part.text().await.map_err(|error| unread(&error))
}

#[expect(clippy::too_many_arguments, reason = "a part of the form's loop, with all that it knows")]
async fn take_part(
    site: &Site,
    caller: &Caller,
    room: RoomId,
    name: &str,
    post: Option<(MessageId, usize)>,
    first: Option<Bytes>,
    part: &mut multer::Field<'_>,
    held: &Held,
) -> Answer<File> {
    let upload = site.chat.begin_upload(caller.id(), room, name, None).await.map_err(refused)?;
    let mut upload: Upload = match post {
        Some((message, place)) => upload.of_post(message, place),
        None => upload,
    };
    let mut next = first;
    while let Some(bytes) = next {
        upload.write(&bytes).await.map_err(refused)?;
        held.used();
        next = part.chunk().await.map_err(|error| unread(&error))?;
    }
    site.chat.finish_upload(upload).await.map_err(refused)
}

fn unread(error: &multer::Error) -> Trouble {
    match error {
        multer::Error::FieldSizeExceeded { .. } | multer::Error::StreamSizeExceeded { .. } => super::error::too_large(),
        error => broken_off(error),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[tokio::test]
    async fn the_head_of_a_part_is_not_gathered_without_end() {
        const PIECE: &[u8] = &[b'a'; 64 * 1024];
        let taken = Arc::new(AtomicUsize::new(0));
        let count = taken.clone();
        let begins = Bytes::from_static(b"--between\r\ncontent-disposition: ");
        let pieces = std::iter::once(begins).chain(std::iter::repeat_n(Bytes::from_static(PIECE), 500));
        let body = futures_util::stream::iter(pieces.map(move |piece| {
            count.fetch_add(piece.len(), Ordering::Relaxed);
            Ok::<_, std::convert::Infallible>(piece)
        }));
        let flow = Flow { body: Body::from_stream(body).into_data_stream(), held: Held::default(), at_once: 0 };
        assert!(Multipart::new(flow, "between").next_field().await.is_err());
        assert!(taken.load(Ordering::Relaxed) <= HELD + PIECE.len());
    }
}
