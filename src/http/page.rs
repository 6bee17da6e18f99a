//! What pages have in common: a reader with their rooms around the middle, and rendering.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use super::error::{Answer, Trouble};
use super::extract::Caller;
use super::{Site, assets};
use crate::domain::id::RoomId;
use crate::view::{Chrome, Me, RoomLink};

/// The reader and their rooms, read once for a page.
pub struct Around {
    caller: Caller,
    rooms: Vec<RoomLink>,
}

impl Around {
    pub async fn read(site: &Site, caller: &Caller) -> Answer<Self> {
        let lines = site.chat.room_lines(caller.id()).await?;
        let rooms = lines
            .into_iter()
            .map(|line| RoomLink {
                id: line.id,
                direct: line.kind.is_direct(),
                name: line.name,
                private: line.private,
                unread: line.unread,
                mentions: line.mentions,
                favourite: line.favourite,
                writing: line.writing,
                active_at: line.at,
            })
            .collect();
        Ok(Self { caller: caller.clone(), rooms })
    }

    /// Nothing in this room is unread any more.
    pub fn is_read(&mut self, room: RoomId) {
        if let Some(link) = self.rooms.iter_mut().find(|link| link.id == room) {
            (link.unread, link.mentions) = (0, 0);
        }
    }

    pub fn chrome(&self, current: Option<RoomId>) -> Chrome<'_> {
        let person = &self.caller.person;
        Chrome {
            w: self.caller.look.w,
            theme: self.caller.look.theme,
            build: assets::build(),
            me: Some(Me { id: person.id, name: &person.name, admin: person.admin }),
            rooms: &self.rooms,
            current,
        }
    }
}

/// A rendered page.
pub fn show(page: &impl Template) -> Answer<Response> {
    show_as(StatusCode::OK, page)
}

/// A form that comes back with an error; the browser keeps it out of its history all the same.
pub fn show_as(status: StatusCode, page: &impl Template) -> Answer<Response> {
    match page.render() {
        Ok(html) => Ok((status, Html(html)).into_response()),
        Err(error) => Err(Trouble::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", format!("This page cannot be shown: {error}"))),
    }
}

/// What a form says about itself when it comes back: the sentence and the status of what went wrong. Failures of the server itself are not
/// the form's matter and go on as they are.
pub fn form_error(trouble: Trouble) -> Answer<(StatusCode, String)> {
    match trouble.status.is_server_error() {
        true => Err(trouble),
        false => Ok((trouble.status, trouble.sentence)),
    }
}
