//! A room's settings: its name and topic, who is in it, and which assistants speak when.

use askama::Template;

use super::{Chrome, avatar};
use crate::domain::{assistant::Speaks, id::AssistantId, room::RoomDetail};

#[derive(Clone, Debug, Template)]
#[template(path = "room_settings.html")]
pub struct RoomSettingsPage<'a> {
    pub chrome: Chrome<'a>,
    pub room: &'a RoomDetail,
    /// The reader may change what is here; others see it.
    pub may_manage: bool,
    /// What the form of name and topic holds: as it is, or as it was typed.
    pub name: &'a str,
    pub topic: &'a str,
    pub private: bool,
    /// What was typed in the form that adds a member.
    pub member: &'a str,
    /// People with an account who are not in the room, for choosing.
    pub others: &'a [String],
    /// Assistants that are not in the room.
    pub choices: &'a [AssistantChoice],
    pub error: Option<&'a str>,
    /// What was just done: “Saved.”
    pub notice: Option<&'a str>,
}

/// An assistant that can be added.
#[derive(Clone, Debug)]
pub struct AssistantChoice {
    pub id: AssistantId,
    pub name: String,
    pub model: String,
}

impl RoomSettingsPage<'_> {
    /// When an assistant answers, in words.
    fn speaks_words(&self, speaks: &Speaks) -> &'static str {
        let w = self.chrome.w;
        match speaks {
            Speaks::Always => w.answers_always(),
            Speaks::Mention => w.answers_when_mentioned(),
        }
    }
}
