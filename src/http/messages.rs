//! Messages by form: what works without any script. Each post is answered with the page that shows what it did.

use std::time::Duration;

use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::Site;
use super::commands::{self, Done, Origin};
use super::error::{Answer, Trouble};
use super::extract::{Caller, Fields, Ids, SignedIn};
use super::page::{Around, form_error, show_as};
use super::rooms::{Place, Typed, show_room};
use super::uploads::{self, ReadForm, SentForm};
use crate::chat::messages::{MessageDetail, Post};
use crate::domain::id::{FileId, MessageId, PersonId, RoomId};
use crate::domain::message::{AuthorId, Message, Part, State as MessageState, StateKind};
use crate::live::draft::scope;
use crate::live::markup;
use crate::render::{self, Context, Growing};
use crate::store::attempts::Attempt;
use crate::view::{AttemptView, MessageFragment, MessagePage};

/// A stopped run ends well within this time; a page that waited so long shows what there is.
const STOP_TAKES: Duration = Duration::from_secs(1);
/// How often it is looked at meanwhile.
const STOP_LOOK: Duration = Duration::from_millis(20);

#[derive(Debug, Deserialize)]
pub struct NewPost {
    id: String,
    text: String,
    /// Empty where the form replies to nothing.
    #[serde(default)]
    reply_to: String,
    /// Whose page the form stands on.
    #[serde(rename = "as")]
    author: Option<PersonId>,
}

impl From<NewPost> for SentForm {
    fn from(post: NewPost) -> Self {
        Self { id: post.id, text: post.text, reply_to: post.reply_to, author: post.author }
    }
}

/// `POST /rooms/{room}/messages`
pub async fn post(
    State(site): State<Site>,
    signed_in: Option<SignedIn>,
    Origin(origin): Origin,
    Ids(room): Ids<RoomId>,
    request: Request,
) -> Answer<Response> {
    let caller = signed_in.map(|SignedIn(caller)| caller);
    let ReadForm { form, files, refused } = match uploads::is_multipart(&request) {
        true => uploads::read_form(&site, caller.as_ref(), room, request).await?,
        false => ReadForm { form: Fields::<NewPost>::from_request(request, &site).await?.0.into(), ..ReadForm::default() },
    };
    let caller = caller.ok_or_else(|| signed_out(&form.text))?;
    let uploads = files.clone();
    let reply_to = match form.reply_to.as_str() {
        "" => None,
        id => Some(id.parse().map_err(|invalid| Trouble::from(invalid).typed(&form.text))?),
    };
    let posted = match form.author {
        Some(author) if author != caller.id() => Err(Trouble::new(
            StatusCode::CONFLICT,
            "other_person",
            "Somebody else had been signed in when this was written. Send it again if you want to say it.",
        )),
        _ if site.stopping.is_cancelled() => Err(Trouble::shutting_down()),
        _ => match refused {
            Some(trouble) => Err(trouble),
            None => say(&site, &caller, &origin, room, &form, reply_to, files).await,
        },
    };
    if !matches!(posted, Ok(Done::Said(_))) {
        // The form comes back without its files; a command takes none.
        for id in uploads {
            let _ = site.chat.discard_upload(caller.id(), room, id).await;
        }
    }
    match posted {
        Ok(Done::Said(posted)) => Ok(Redirect::to(&format!("/rooms/{room}#m-{}", posted.id)).into_response()),
        Ok(Done::To(id)) => Ok(to_message(room, id)),
        Ok(Done::Nothing) => Ok(Redirect::to(&format!("/rooms/{room}")).into_response()),
        Ok(Done::Answered { notice, .. }) => {
            let typed = Typed { notice: Some(&notice), ..Typed::default() };
            show_room(&site, &caller, room, &Place::default(), StatusCode::OK, typed).await
        }
        Err(trouble) if trouble.status == StatusCode::NOT_FOUND || trouble.status.is_server_error() => Err(trouble.typed(&form.text)),
        Err(trouble) => {
            // The form comes back with its text; with a new id where this one is another message's, or was never a good one.
            let keeps_id = !matches!(trouble.code, "id_taken" | "other_person" | "bad_id");
            let (status, sentence) = form_error(trouble)?;
            let id = if keeps_id { form.id.parse().ok() } else { None };
            let typed = Typed { id, text: &form.text, reply_to, error: Some(&sentence), notice: None };
            show_room(&site, &caller, room, &Place::default(), status, typed).await
        }
    }
}

/// What was written must survive a session that has ended meanwhile: it is shown for copying, where a redirect would lose it.
fn signed_out(text: &str) -> Trouble {
    let sentence = "You are signed out. Copy your text, sign in, and send it again.";
    Trouble::new(StatusCode::UNAUTHORIZED, "sign_in", sentence).typed(text)
}

async fn say(
    site: &Site,
    caller: &Caller,
    origin: &str,
    room: RoomId,
    form: &SentForm,
    reply_to: Option<MessageId>,
    files: Vec<FileId>,
) -> Answer<Done> {
    let id = MessageId::from_client(&form.id)?;
    commands::run(site, caller, origin, room, Post { id, text: form.text.clone(), reply_to, files }).await
}

/// `GET /rooms/{room}/messages/{id}`: the message, what can be done with it, and its earlier attempts.
pub async fn show(State(site): State<Site>, SignedIn(caller): SignedIn, Ids((room, id)): Ids<(RoomId, MessageId)>) -> Answer<Response> {
    show_message(&site, &caller, room, id, StatusCode::OK, None).await
}

async fn show_message(
    site: &Site,
    caller: &Caller,
    room: RoomId,
    id: MessageId,
    status: StatusCode,
    typed: Option<(&str, &str)>,
) -> Answer<Response> {
    let found = site.chat.message(caller.id(), room, id).await?;
    let (detail, role) = site.chat.room(caller.id(), room).await?;
    let around = Around::read(site, caller).await?;
    let message = &found.stored.message;
    let (body, reasoning) = texts(&found);
    let earlier: Vec<(&Attempt, String, String)> = found
        .attempts
        .iter()
        .rev()
        .filter(|attempt| attempt.attempt != message.attempt)
        .map(|attempt| {
            (attempt, markup_of(&attempt.text, id, attempt.attempt, ""), markup_of(&attempt.reasoning, id, attempt.attempt, "r"))
        })
        .collect();
    let attempts: Vec<AttemptView<'_>> = earlier
        .iter()
        .map(|(attempt, html, reasoning_html)| AttemptView {
            attempt: attempt.attempt,
            kind: attempt.kind,
            state: state_of(attempt),
            html,
            reasoning_html,
            facts: attempt.facts.clone(),
        })
        .collect();
    let page = MessagePage {
        chrome: around.chrome(Some(room)),
        room: &detail.room,
        message: MessageFragment::new(caller.look.w, message, &body, &reasoning),
        mine: message.author == AuthorId::Person(caller.id()) || may_delete(message, caller.id(), role.may_manage()),
        text: typed.map_or(&message.text, |(text, _)| text),
        error: typed.map(|(_, error)| error),
        attempts: &attempts,
    };
    show_as(status, &page)
}

/// Replies are deleted by who asked for them, and anything by an owner.
fn may_delete(message: &Message, person: PersonId, owner: bool) -> bool {
    owner || message.asked_by.as_ref().is_some_and(|by| by.id == person.to_string())
}

fn texts(found: &MessageDetail) -> (String, String) {
    let message = &found.stored.message;
    if !message.state.kind().is_open() {
        return (markup::body(message, found.stored.renderer).into_owned(), markup::reasoning(message));
    }
    let grown = |part: Part| {
        Growing::from(found.so_far.part(part), &Context { scope: &scope(message.id, part), names: &[], rooms: &[] }).blocks().concat()
    };
    (grown(Part::Answer), grown(Part::Reasoning))
}

fn markup_of(text: &str, id: MessageId, attempt: i64, part: &str) -> String {
    render::render(text, &Context { scope: &format!("{id}-{attempt}{part}"), names: &[], rooms: &[] })
}

fn state_of(attempt: &Attempt) -> MessageState {
    match attempt.state {
        StateKind::Complete => MessageState::Complete,
        StateKind::Queued => MessageState::Queued,
        StateKind::Streaming => MessageState::Streaming,
        StateKind::Stopped => MessageState::Stopped { by: None },
        StateKind::Interrupted => MessageState::Interrupted { why: attempt.why.clone() },
        StateKind::Failed => MessageState::Failed { why: attempt.why.clone() },
        StateKind::Deleted => MessageState::Deleted,
    }
}

#[derive(Debug, Deserialize)]
pub struct Edit {
    text: String,
    rev: Option<i64>,
}

pub async fn edit(
    State(site): State<Site>,
    signed_in: Option<SignedIn>,
    Ids((room, id)): Ids<(RoomId, MessageId)>,
    Fields(form): Fields<Edit>,
) -> Answer<Response> {
    let SignedIn(caller) = signed_in.ok_or_else(|| signed_out(&form.text))?;
    match site.chat.edit(caller.id(), room, id, &form.text, form.rev).await.map_err(Trouble::from) {
        Ok(()) => Ok(to_message(room, id)),
        Err(trouble) if trouble.status == StatusCode::NOT_FOUND || trouble.status.is_server_error() => Err(trouble.typed(&form.text)),
        Err(trouble) => {
            let (status, sentence) = form_error(trouble)?;
            show_message(&site, &caller, room, id, status, Some((&form.text, &sentence))).await
        }
    }
}

pub async fn delete(State(site): State<Site>, SignedIn(caller): SignedIn, Ids((room, id)): Ids<(RoomId, MessageId)>) -> Answer<Response> {
    site.chat.delete(caller.id(), room, id).await?;
    Ok(to_message(room, id))
}

#[derive(Debug, Deserialize)]
pub struct Attempted {
    attempt: Option<i64>,
}

pub async fn stop(
    State(site): State<Site>,
    SignedIn(caller): SignedIn,
    Ids((room, id)): Ids<(RoomId, MessageId)>,
    Fields(form): Fields<Attempted>,
) -> Answer<Response> {
    site.chat.stop(caller.id(), room, id, form.attempt).await?;
    // The run ends by itself a moment later. The page that follows cannot change any more, so it waits for that.
    let until = Instant::now() + STOP_TAKES;
    while site.chat.message(caller.id(), room, id).await?.stored.message.state.kind().is_open() && Instant::now() < until {
        sleep(STOP_LOOK).await;
    }
    Ok(to_message(room, id))
}

pub async fn retry(
    State(site): State<Site>,
    SignedIn(caller): SignedIn,
    Ids((room, id)): Ids<(RoomId, MessageId)>,
    Fields(form): Fields<Attempted>,
) -> Answer<Response> {
    site.chat.retry(caller.id(), room, id, form.attempt).await?;
    Ok(to_message(room, id))
}

pub async fn continue_reply(
    State(site): State<Site>,
    SignedIn(caller): SignedIn,
    Ids((room, id)): Ids<(RoomId, MessageId)>,
    Fields(form): Fields<Attempted>,
) -> Answer<Response> {
    site.chat.continue_reply(caller.id(), room, id, form.attempt).await?;
    Ok(to_message(room, id))
}

/// Back to the room, at the message; the latest page if it is there, else around it.
pub(super) fn to_message(room: RoomId, id: MessageId) -> Response {
    Redirect::to(&format!("/rooms/{room}?around={id}#m-{id}")).into_response()
}
