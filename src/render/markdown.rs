//! A whole text: Markdown → safe HTML.

use crate::render::document::{self, Document};
use crate::render::footnote::{Numbers, Undefined};
use crate::render::{Context, gate, mention};

/// The markup of a text: its [`blocks`], one behind the other.
pub fn render(text: &str, cx: &Context<'_>) -> String {
    blocks(text, cx).concat()
}

/// The markup of a text, one string for each block of the document, each of them one element. Footnotes, if there
/// are any, are the last block. A text that is not blank has at least one.
pub fn blocks(text: &str, cx: &Context<'_>) -> Vec<String> {
    finished(&whole(text, cx), text)
}

/// Whether a text can mention anybody at all, whatever the names are.
pub fn may_mention(text: &str) -> bool {
    text.contains(mention::AT)
}

/// Whether a text can link to a room by its name, whatever the rooms are: a number sign stands in it, not all of them
/// are those of headings.
pub fn may_name_room(text: &str) -> bool {
    text.match_indices(mention::NUMBER).any(|(at, sign)| {
        let behind = &text[at + sign.len()..];
        !behind.starts_with(|c: char| c.is_whitespace() || c == '#') && !behind.is_empty()
    })
}

/// Which of `names` a text mentions, in the order of `names`: exactly those that [`render`] marks.
pub fn mentions(text: &str, names: &[String]) -> Vec<String> {
    if !may_mention(text) {
        return Vec::new();
    }
    whole(text, &Context { scope: "", names, rooms: &[] }).mentioned()
}

/// What a document that has ended shows.
pub(crate) fn finished(document: &Document, text: &str) -> Vec<String> {
    let blocks = document.shown(0, None, Undefined::Text, &mut Numbers::default()).blocks;
    if blocks.is_empty() && !text.trim().is_empty() {
        // Nothing but definitions. A message is never empty without a reason that can be seen.
        return document::as_written(text).blocks.into_iter().map(|block| gate::pass(&block.html)).collect();
    }
    blocks
}

fn whole(text: &str, cx: &Context<'_>) -> Document {
    let mut document = Document::new(cx);
    document.push(text);
    document.end();
    document
}

/// The blocks of a text that is parsed in one piece: what cutting it into sections must not change.
#[cfg(test)]
fn blocks_in_one(text: &str, cx: &Context<'_>) -> Vec<String> {
    let mut document = Document::new(cx);
    document.never_cut();
    document.push(text);
    document.end();
    finished(&document, text)
}

#[cfg(test)]
mod tests;
