//! A message's markup from its row: what a frame, a page and the API have in common.

use std::borrow::Cow;

use askama::Template;

use crate::domain::message::Message;
use crate::render::{self, Context, RENDERER};
use crate::view::MessageFragment;
use crate::words::Words;

/// From this renderer on, markup has passed the gate that today's does, and today's styles know all its classes: it is
/// shown as it is stored, with the mentions and the links to rooms that its author knew. To make it anew would lose them,
/// since names and rooms are not at hand here. What is older than 5 has no classes for named and for long code, which only
/// loses its bar and its fold.
const OLDEST_KEPT: i64 = 3;

/// The message's text as safe markup: as stored, or made anew if a far older renderer, or one not known here, made it.
pub fn body(message: &Message, renderer: i64) -> Cow<'_, str> {
    match (OLDEST_KEPT..=RENDERER).contains(&renderer) || message.text.is_empty() {
        true => Cow::Borrowed(&message.html),
        false => Cow::Owned(render::render(&message.text, &Context { scope: &message.id.to_string(), names: &[], rooms: &[] })),
    }
}

/// What a model thought aloud, as safe markup.
pub fn reasoning(message: &Message) -> String {
    match message.reasoning.is_empty() {
        true => String::new(),
        false => render::render(&message.reasoning, &Context { scope: &format!("{}-r", message.id), names: &[], rooms: &[] }),
    }
}

/// The whole `<article>`, as every viewer gets it.
pub fn message_markup(message: &Message, renderer: i64, w: Words) -> String {
    let (body, reasoning) = (body(message, renderer), reasoning(message));
    // Rendering into a String fails only if a filter does, and ours do not.
    MessageFragment::new(w, message, &body, &reasoning).render().unwrap_or_default()
}

/// A finished text as its blocks, one top-level element each.
pub fn blocks(message: &Message) -> Vec<String> {
    render::blocks(&message.text, &Context { scope: &message.id.to_string(), names: &[], rooms: &[] })
}
