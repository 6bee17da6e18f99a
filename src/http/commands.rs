//! What is typed into the composer and may be a command: read once, for the form and the script, and answered in the reader's words.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use serde_json::{Value, json};

use super::Site;
use super::api::NewPost;
use super::client::Client;
use super::error::Answer;
use super::extract::{Caller, Ids, Sent};
use super::people::origin;
use crate::chat::commands::Outcome;
use crate::chat::messages::{Post, Posted};
use crate::domain::command::{self, Typed};
use crate::domain::id::{MessageId, RoomId};
use crate::domain::room::RoomAssistant;
use crate::words::Words;

/// Where this site is reached, as its visitor sees it.
pub struct Origin(pub String);

impl FromRequestParts<Site> for Origin {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Self::Rejection> {
        let client = Client::from_request_parts(parts, site).await?;
        Ok(Self(origin(site, client, &parts.headers)))
    }
}

/// What became of what was typed.
pub enum Done {
    /// It was said, or was a command that says something.
    Said(Posted),
    /// It did something to this message.
    To(MessageId),
    /// It is answered to who typed it alone, perhaps with a link.
    Answered { notice: String, link: Option<String> },
    /// It did what everyone sees.
    Nothing,
}

/// Says or does what was typed; `post` has its text as it was typed.
pub async fn run(site: &Site, caller: &Caller, origin: &str, room: RoomId, post: Post) -> Answer<Done> {
    let command = match command::parse(&post.text)? {
        Typed::Text(text) => return Ok(Done::Said(site.chat.post(caller.id(), room, Post { text, ..post }).await?)),
        Typed::Command(command) => command,
    };
    let w = caller.look.w;
    let answered = |notice: String| Done::Answered { notice, link: None };
    Ok(match site.chat.command(caller.id(), room, post, command, |name, count| w.summary_question(name, count)).await? {
        Outcome::Posted(posted) => Done::Said(posted),
        Outcome::Done(id) => Done::To(id),
        Outcome::TopicSet => Done::Nothing,
        Outcome::Topic(topic) if topic.is_empty() => answered(w.topic_none().to_owned()),
        Outcome::Topic(topic) => answered(w.topic_is(topic)),
        Outcome::Models(assistants) => answered(models(w, &assistants)),
        Outcome::Invited { secret, days } => {
            let link = format!("{origin}/invite/{secret}");
            Done::Answered { notice: w.invited_here(days, &link), link: Some(link) }
        }
    })
}

/// One line for each assistant.
fn models(w: Words, assistants: &[RoomAssistant]) -> String {
    if assistants.is_empty() {
        return w.no_assistants().to_owned();
    }
    let line = |assistant: &RoomAssistant| {
        let when = match assistant.speaks {
            crate::domain::assistant::Speaks::Always => w.speaks_always_here(),
            crate::domain::assistant::Speaks::Mention => w.speaks_when_named(),
        };
        let model = if assistant.model.is_empty() { w.model_none() } else { &assistant.model };
        w.model_line(&assistant.name, model, when)
    };
    assistants.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// `POST /api/rooms/{room}/commands`
pub async fn post(
    State(site): State<Site>,
    caller: Caller,
    Origin(origin): Origin,
    Ids(room): Ids<RoomId>,
    Sent(new): Sent<NewPost>,
) -> Answer<Json<Value>> {
    Ok(Json(match run(&site, &caller, &origin, room, new.post(&site)?).await? {
        Done::Said(posted) => json!({ "posted": posted }),
        Done::To(id) => json!({ "message": id }),
        Done::Answered { notice, link } => json!({ "notice": notice, "link": link }),
        Done::Nothing => json!({}),
    }))
}
