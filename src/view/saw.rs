//! What an assistant saw: a page of its own, of which the room's third column takes the middle.

use askama::Template;

use super::{Chrome, avatar, saw, when};
use crate::domain::{
    message::StateKind,
    prompt::{LEFT_OUT_MOST, Piece, Saw, Shown},
    room::Room,
};
use crate::words::number;

/// A text that is longer than this folds.
const LONG_CHARS: usize = 700;
const LONG_LINES: usize = 14;

#[derive(Clone, Debug, Template)]
#[template(path = "saw.html")]
pub struct SawPage<'a> {
    pub chrome: Chrome<'a>,
    pub room: &'a Room,
    pub saw: &'a Saw,
}

impl SawPage<'_> {
    fn path(&self) -> String {
        format!("/rooms/{}/messages/{}", self.room.id, self.saw.reply.id)
    }

    /// What else the model was told.
    fn told(&self, shown: &Shown) -> impl Iterator<Item = String> {
        let (w, parameters) = (self.chrome.w, shown.record.parameters);
        let most = parameters.max_tokens.map(|most| w.saw_at_most(most));
        most.into_iter().chain(parameters.temperature.map(|degree| w.saw_temperature(degree)))
    }

    fn size(&self, shown: &Shown) -> String {
        let estimate = self.chrome.w.saw_estimate(number(shown.record.estimate), number(shown.record.budget));
        match self.saw.counted {
            Some(counted) => estimate + &self.chrome.w.saw_counted(counted),
            None => estimate,
        }
    }

    /// How full the budget was, in percent.
    fn full(&self, shown: &Shown) -> i64 {
        (shown.record.estimate * 100 / shown.record.budget.max(1)).clamp(1, 100)
    }

    fn left_out(&self, shown: &Shown) -> String {
        match shown.left_out {
            LEFT_OUT_MOST.. => self.chrome.w.saw_left_out_many(number(LEFT_OUT_MOST)),
            few => self.chrome.w.saw_left_out(few),
        }
    }

    /// Why there is nothing to see.
    fn nothing(&self) -> &'static str {
        let newest = self.saw.attempt == self.saw.reply.attempt;
        match self.saw.reply.state.kind() {
            StateKind::Deleted => self.chrome.w.saw_gone(),
            StateKind::Queued if newest => self.chrome.w.saw_waits(),
            StateKind::Streaming if newest => self.chrome.w.saw_begins(),
            _ => self.chrome.w.saw_unknown(),
        }
    }

    /// Said on the day on which it was asked: then the time is enough.
    fn is_same_day(&self, piece: &Piece) -> bool {
        self.saw.prompt.as_ref().is_some_and(|shown| when::day_number(shown.record.at) == when::day_number(piece.message.at))
    }

    fn where_it_stands(&self, piece: &Piece) -> String {
        format!("/rooms/{}?around={id}#m-{id}", self.room.id, id = piece.message.id)
    }
}

pub(super) fn is_long(text: &str) -> bool {
    text.chars().nth(LONG_CHARS).is_some() || text.lines().nth(LONG_LINES).is_some()
}

pub(super) fn characters(text: &str) -> usize {
    text.chars().count()
}
