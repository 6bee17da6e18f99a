//! Rooms as pages: the list, the room itself, its settings.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::Site;
use super::error::{Answer, Trouble};
use super::extract::{Asked, Caller, Fields, Ids, SignedIn};
use super::page::{Around, form_error, show_as};
use crate::chat::rooms::{PAGE, RoomChange, RoomState, Window};
use crate::domain::id::{AssistantId, MessageId, PersonId, RoomId};
use crate::domain::message::{EXCERPT_CHARS, Part, Quote};
use crate::live::draft::{Known, grown};
use crate::live::markup;
use crate::store::messages::Stored;
use crate::view::{AssistantChoice, Composer, Line, MessageFragment, OpenRoom, RoomPage, RoomSettingsPage, RoomsPage, Unread};

/// `GET /`: the first of one's rooms, or the list where there is none.
pub async fn home(State(site): State<Site>, SignedIn(caller): SignedIn) -> Answer<Redirect> {
    let rooms = site.chat.rooms_of(caller.id()).await?;
    let latest = rooms.into_iter().min_by_key(|(room, _)| room.created_at);
    Ok(Redirect::to(&latest.map_or("/rooms".to_owned(), |(room, _)| format!("/rooms/{}", room.id))))
}

#[derive(Debug, Default, Deserialize)]
pub struct Done {
    done: Option<String>,
}

pub async fn list(State(site): State<Site>, SignedIn(caller): SignedIn, Asked(asked): Asked<Done>) -> Answer<Response> {
    let notice = match asked.done.as_deref() {
        Some("left") => Some(caller.look.w.left()),
        _ => None,
    };
    show_list(&site, &caller, StatusCode::OK, &NewRoom::default(), None, notice).await
}

async fn show_list(
    site: &Site,
    caller: &Caller,
    status: StatusCode,
    form: &NewRoom,
    error: Option<&str>,
    notice: Option<&str>,
) -> Answer<Response> {
    let around = Around::read(site, caller).await?;
    let open = site.chat.open_rooms(caller.id()).await?;
    let open: Vec<OpenRoom> = open.into_iter().map(|room| OpenRoom { id: room.id, name: room.name, topic: room.topic }).collect();
    let page = RoomsPage {
        chrome: around.chrome(None),
        open: &open,
        name: &form.name,
        topic: &form.topic,
        private: form.private.is_some(),
        error,
        notice,
    };
    show_as(status, &page)
}

#[derive(Debug, Default, Deserialize)]
pub struct NewRoom {
    name: String,
    #[serde(default)]
    topic: String,
    /// A checkbox: there or not.
    private: Option<String>,
}

pub async fn add(State(site): State<Site>, SignedIn(caller): SignedIn, Fields(form): Fields<NewRoom>) -> Answer<Response> {
    match site.chat.add_room(caller.id(), &form.name, &form.topic, form.private.is_some()).await {
        Ok(room) => Ok(to_room(room.id)),
        Err(error) => {
            let (status, sentence) = form_error(error.into())?;
            show_list(&site, &caller, status, &form, Some(&sentence), None).await
        }
    }
}

fn to_room(room: RoomId) -> Response {
    Redirect::to(&format!("/rooms/{room}")).into_response()
}

#[derive(Debug, Default, Deserialize)]
pub struct Place {
    /// `unread`: where the reader left off.
    at: Option<String>,
    /// Asked for before it is wanted: nobody reads it yet.
    #[serde(skip)]
    ahead: bool,
    before: Option<i64>,
    around: Option<MessageId>,
    reply_to: Option<MessageId>,
}

pub async fn show_room(
    site: &Site,
    caller: &Caller,
    room: RoomId,
    place: &Place,
    status: StatusCode,
    typed: Typed<'_>,
) -> Answer<Response> {
    let window = match (place.around, place.before) {
        (Some(id), _) => site.chat.window_around(caller.id(), room, id).await?,
        (None, Some(before)) => Window::Before(before),
        (None, None) => Window::Latest,
    };
    let state = site.chat.room_state(caller.id(), room, window, PAGE).await?;
    let mut around = Around::read(site, caller).await?;
    if !state.more_after && !place.ahead {
        // Read by being shown, which the list in the same page knows already.
        around.is_read(room);
    }
    let reply_to = match typed.reply_to.or(place.reply_to) {
        Some(id) => quote(site, caller, room, id).await?,
        None => None,
    };
    let texts = texts(site, &state).await?;
    let mut log: Vec<MessageFragment<'_>> = state
        .messages
        .iter()
        .zip(&texts)
        .map(|(stored, (body, reasoning))| MessageFragment::new(caller.look.w, &stored.message, body, reasoning))
        .collect();
    let line = Line { reader: caller.id(), after: state.read, from_start: !state.more_before };
    MessageFragment::arrange(&mut log, state.unread.map(|_| line));
    let id = typed.id.unwrap_or_else(|| MessageId(site.chat.clock().new_id()));
    let composer = Composer { id, text: typed.text, reply_to, error: typed.error, notice: typed.notice };
    let page = RoomPage {
        chrome: around.chrome(Some(room)),
        room: &state.detail,
        log,
        older: state.more_before,
        newer: state.more_after,
        around: place.around,
        may_manage: state.role.may_manage(),
        read_seq: state.read,
        unread: state.unread.map(|unread| Unread { first: unread.first, count: unread.count, since: unread.since }),
        composer,
    };
    let shown = show_as(status, &page)?;
    // After the page was made, so that it still shows what was new.
    if let Some(last) = state.messages.last().filter(|last| !state.more_after && !place.ahead && last.message.seq > state.read) {
        crate::chat::note(site.chat.read(caller.id(), room, last.message.seq)).await;
    }
    Ok(shown)
}

/// What the composer holds when a form comes back.
#[derive(Clone, Copy, Debug, Default)]
pub struct Typed<'a> {
    /// The id that the post keeps, so that sending it again cannot say it twice; none where it needs a new one.
    pub id: Option<MessageId>,
    pub text: &'a str,
    pub reply_to: Option<MessageId>,
    pub error: Option<&'a str>,
    /// What is told to the reader alone.
    pub notice: Option<&'a str>,
}

/// The markup of each message's answer and reasoning. For a reply that is being written: what is stored so far, as its viewers see it.
async fn texts(site: &Site, state: &RoomState) -> Answer<Vec<(String, String)>> {
    let mut known = Known { names: state.detail.names(), rooms: Vec::new() };
    for so_far in state.so_far.values() {
        if known.rooms.is_empty() {
            known.rooms = site.chat.rooms_for(None, state.detail.room.id, &so_far.answer).await?;
        }
    }
    let text = |stored: &Stored| {
        let message = &stored.message;
        let Some(so_far) = state.so_far.get(&message.id) else {
            return (markup::body(message, stored.renderer).into_owned(), markup::reasoning(message));
        };
        let text = |part: Part| grown(message.id, part, so_far, &known).blocks().concat();
        (text(Part::Answer), text(Part::Reasoning))
    };
    Ok(state.messages.iter().map(text).collect())
}

async fn quote(site: &Site, caller: &Caller, room: RoomId, id: MessageId) -> Answer<Option<Quote>> {
    match site.chat.message(caller.id(), room, id).await {
        Ok(found) => {
            let message = found.stored.message;
            let excerpt = crate::render::plain_excerpt(&message.text, EXCERPT_CHARS);
            Ok(Some(Quote { id, author: message.author_name, excerpt, deleted: false }))
        }
        Err(crate::chat::ChatError::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub async fn show(
    State(site): State<Site>,
    SignedIn(caller): SignedIn,
    Ids(room): Ids<RoomId>,
    Asked(mut place): Asked<Place>,
    headers: HeaderMap,
) -> Answer<Response> {
    // Browsers say so themselves; the page's script, which may not use their word, says it by the older one.
    place.ahead =
        ["sec-purpose", "purpose"].iter().any(|name| headers.get(*name).is_some_and(|value| value.as_bytes().starts_with(b"prefetch")));
    if place.at.as_deref() == Some("unread") {
        let first = site.chat.first_unread(caller.id(), room).await?;
        return Ok(first.map_or_else(|| to_room(room), |id| super::messages::to_message(room, id)));
    }
    show_room(&site, &caller, room, &place, StatusCode::OK, Typed::default()).await
}

pub async fn join(State(site): State<Site>, SignedIn(caller): SignedIn, Ids(room): Ids<RoomId>) -> Answer<Response> {
    site.chat.join(caller.id(), room).await?;
    Ok(to_room(room))
}

pub async fn leave(State(site): State<Site>, SignedIn(caller): SignedIn, Ids(room): Ids<RoomId>) -> Answer<Redirect> {
    site.chat.remove_member(caller.id(), room, caller.id()).await?;
    Ok(Redirect::to("/rooms?done=left"))
}

pub async fn settings(
    State(site): State<Site>,
    SignedIn(caller): SignedIn,
    Ids(room): Ids<RoomId>,
    Asked(asked): Asked<Done>,
) -> Answer<Response> {
    let notice = asked.done.is_some().then(|| caller.look.w.saved());
    show_settings(&site, &caller, room, StatusCode::OK, Said { notice, ..Said::default() }).await
}

/// What a form on the settings page said when it came back.
#[derive(Default)]
struct Said<'a> {
    form: Option<&'a NewRoom>,
    member: &'a str,
    error: Option<&'a str>,
    notice: Option<&'a str>,
}

async fn show_settings(site: &Site, caller: &Caller, room: RoomId, status: StatusCode, said: Said<'_>) -> Answer<Response> {
    let (detail, role) = site.chat.room(caller.id(), room).await?;
    let around = Around::read(site, caller).await?;
    let people = site.chat.people().await?;
    let others: Vec<String> =
        people.into_iter().filter(|p| !p.disabled && !detail.members.iter().any(|m| m.id == p.id)).map(|p| p.name).collect();
    let choices: Vec<AssistantChoice> = site
        .chat
        .assistants()
        .await?
        .into_iter()
        .filter(|a| !detail.assistants.iter().any(|here| here.id == a.id))
        .map(|a| AssistantChoice {
            id: a.id,
            model: if a.model.is_empty() { a.provider.as_str().to_owned() } else { a.model },
            name: a.name,
        })
        .collect();
    let page = RoomSettingsPage {
        chrome: around.chrome(Some(room)),
        room: &detail,
        may_manage: role.may_manage(),
        name: said.form.map_or(&detail.room.name, |form| &form.name),
        topic: said.form.map_or(&detail.room.topic, |form| &form.topic),
        private: said.form.map_or(detail.room.private, |form| form.private.is_some()),
        member: said.member,
        others: &others,
        choices: &choices,
        error: said.error,
        notice: said.notice,
    };
    show_as(status, &page)
}

async fn settings_done(site: &Site, caller: &Caller, room: RoomId, done: Answer<()>, said: Said<'_>) -> Answer<Response> {
    match done {
        Ok(()) => Ok(Redirect::to(&format!("/rooms/{room}/settings?done=1")).into_response()),
        Err(trouble) if trouble.status == StatusCode::NOT_FOUND => Err(trouble),
        Err(trouble) => {
            let (status, sentence) = form_error(trouble)?;
            show_settings(site, caller, room, status, Said { error: Some(&sentence), ..said }).await
        }
    }
}

pub async fn change(
    State(site): State<Site>,
    SignedIn(caller): SignedIn,
    Ids(room): Ids<RoomId>,
    Fields(form): Fields<NewRoom>,
) -> Answer<Response> {
    let change = RoomChange { name: Some(form.name.clone()), topic: Some(form.topic.clone()), private: Some(form.private.is_some()) };
    let done = site.chat.change_room(caller.id(), room, change).await.map_err(Trouble::from);
    settings_done(&site, &caller, room, done, Said { form: Some(&form), ..Said::default() }).await
}

#[derive(Debug, Deserialize)]
pub struct NewMember {
    name: String,
}

pub async fn add_member(
    State(site): State<Site>,
    SignedIn(caller): SignedIn,
    Ids(room): Ids<RoomId>,
    Fields(form): Fields<NewMember>,
) -> Answer<Response> {
    let done = site.chat.add_member(caller.id(), room, &form.name).await.map(drop).map_err(Trouble::from);
    settings_done(&site, &caller, room, done, Said { member: &form.name, ..Said::default() }).await
}

pub async fn remove_member(
    State(site): State<Site>,
    SignedIn(caller): SignedIn,
    Ids((room, person)): Ids<(RoomId, PersonId)>,
) -> Answer<Response> {
    let done = site.chat.remove_member(caller.id(), room, person).await.map_err(Trouble::from);
    if done.is_ok() && person == caller.id() {
        return Ok(Redirect::to("/rooms?done=left").into_response());
    }
    settings_done(&site, &caller, room, done, Said::default()).await
}

#[derive(Debug, Deserialize)]
pub struct AssistantHere {
    assistant: AssistantId,
    speaks: String,
}

pub async fn put_assistant(
    State(site): State<Site>,
    SignedIn(caller): SignedIn,
    Ids(room): Ids<RoomId>,
    Fields(form): Fields<AssistantHere>,
) -> Answer<Response> {
    let done = match form.speaks.parse() {
        Ok(speaks) => site.chat.put_assistant(caller.id(), room, form.assistant, speaks).await.map_err(Trouble::from),
        Err(invalid) => Err(Trouble::from(invalid)),
    };
    settings_done(&site, &caller, room, done, Said::default()).await
}

pub async fn take_assistant(
    State(site): State<Site>,
    SignedIn(caller): SignedIn,
    Ids((room, assistant)): Ids<(RoomId, AssistantId)>,
) -> Answer<Response> {
    let done = site.chat.take_assistant(caller.id(), room, assistant).await.map_err(Trouble::from);
    settings_done(&site, &caller, room, done, Said::default()).await
}
