//! The last gate: an allow-list of tags, attributes, classes and addresses.
//!
//! [`crate::render::write`] makes nothing that would not pass here, so the gate changes nothing: a property test and,
//! in debug builds, every rendering say so. It is there for the day when that is no longer true. Two things go round
//! it: lines of code, which have a gate of their own ([`highlight::is_sound`]) that costs little enough to be passed line by
//! line while a block grows, and the inside of long runs of text without a single `<` (see [`pass`]).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};

use crate::render::{highlight, link, math};

/// The tags of HTML there are. Those of MathML are [`math::ELEMENTS`].
pub(crate) const TAGS: [&str; 34] = [
    "a",
    "blockquote",
    "br",
    "code",
    "col",
    "colgroup",
    "del",
    "div",
    "em",
    "figcaption",
    "figure",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "input",
    "label",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "section",
    "span",
    "strong",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "ul",
];

static GATE: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let set = |values: &[&'static str]| values.iter().copied().collect::<HashSet<_>>();
    let mut builder = Builder::empty();
    let mut attributes = HashMap::from([
        ("a", set(&["href", "title", "rel", "target", "class", "id", "role"])),
        ("code", set(&["class"])),
        ("col", set(&["width"])),
        ("div", set(&["class", "tabindex"])),
        ("figure", set(&["class"])),
        ("h3", set(&["lang"])),
        ("h4", set(&["lang"])),
        ("h5", set(&["lang"])),
        ("h6", set(&["lang"])),
        ("input", set(&["aria-labelledby", "checked", "class", "disabled"])),
        ("li", set(&["class", "id", "lang"])),
        ("ol", set(&["start"])),
        ("p", set(&["class", "lang"])),
        ("pre", set(&["tabindex"])),
        ("section", set(&["class", "role"])),
        ("span", set(&["aria-hidden", "class", "data-name", "tabindex"])),
        ("sup", set(&["class"])),
        ("td", set(&["class", "lang"])),
        ("th", set(&["class", "lang"])),
        ("ul", set(&["class"])),
    ]);
    attributes.extend(math::ATTRIBUTES.iter().map(|(element, allowed)| (*element, set(allowed))));
    builder
        .tags(TAGS.iter().chain(&math::ELEMENTS).copied().collect())
        .generic_attributes(HashSet::new())
        .tag_attributes(attributes)
        .tag_attribute_values(HashMap::from([("input", HashMap::from([("type", set(&["checkbox"]))]))]))
        .attribute_filter(|element, attribute, value| is_known(element, attribute, value).then_some(Cow::Borrowed(value)))
        .url_schemes(set(&["http", "https", "mailto"]))
        .url_relative(UrlRelative::Custom(Box::new(only_here)))
        .link_rel(None);
    builder
});

/// Whether a value is one that the writer writes. Those of MathML are the business of [`math`].
fn is_known(element: &str, attribute: &str, value: &str) -> bool {
    let values: &[&str] = match (element, attribute) {
        ("a", "class") => &["footnote-back", "outside-image", "room-link"],
        ("code", "class") => return value == "tex" || highlight::is_language_class(value),
        ("col", "width") => return value.len() <= 3 && value.bytes().all(|digit| digit.is_ascii_digit()),
        ("div", "class") => &["table"],
        ("figure", "class") => &["code", "code long", "code named", "code named long"],
        ("input", "aria-labelledby") => &["word-unfold"],
        ("input", "class") => &["fold"],
        ("li", "class") => &["task"],
        ("p", "class") => &["awaited", "raw"],
        ("section", "class") => &["footnotes"],
        ("span", "class") => {
            return highlight::CLASSES.contains(&value) || ["formula", "language", "math", "math wide", "mention", "tex"].contains(&value);
        }
        ("sup", "class") => &["footnote"],
        ("td" | "th", "class") => &["center", "left", "right"],
        ("ul", "class") => &["tasks"],
        ("div" | "pre" | "span", "tabindex") => &["0"],
        ("span", "aria-hidden") => &["true"],
        ("a", "role") => &["doc-backlink", "doc-noteref"],
        ("section", "role") => &["doc-endnotes"],
        (_, "lang") => &["ja", "ko", "zh"],
        _ => return true,
    };
    values.contains(&value)
}

/// The only addresses without a scheme lead to a place in the same page, and to a room.
fn only_here(address: &str) -> Option<Cow<'_, str>> {
    let is_room = |address: &str| address.strip_prefix("/rooms/").is_some_and(link::is_room_id);
    (address.starts_with('#') || is_room(address)).then_some(Cow::Borrowed(address))
}

/// A run of text without any tag that is longer than this, in bytes, is not looked at again. Text without `<` is text
/// wherever tags of our list put it, and a serialiser takes its time with much of it.
const LONG_TEXT: usize = 4096;

/// Lets a block through, without anything that is not allowed.
pub(crate) fn pass(block: &str) -> String {
    if block.len() > LONG_TEXT {
        let tags = without_long_text(&without_lines(block));
        if tags.len() < block.len() && clean(&tags) == tags {
            return block.to_owned();
        }
    }
    let passed = clean(block);
    debug_assert_eq!(passed, block, "the writer made markup that the gate had to change");
    passed
}

/// What the allow-list leaves of a block.
pub(crate) fn clean(block: &str) -> String {
    GATE.clean(block).to_string()
}

/// A block without the lines of code in it that are seen to be sound without a parser of HTML.
fn without_lines(block: &str) -> String {
    let mut tags = String::new();
    let mut rest = block;
    while let Some(tag) = rest.find("<code")
        && let Some(length) = rest[tag..].find('>')
    {
        let (before, behind) = rest.split_at(tag + length + 1);
        tags.push_str(before);
        let lines = behind.find("</code>").unwrap_or_default();
        rest = if highlight::is_sound(&behind[..lines]) { &behind[lines..] } else { behind };
    }
    tags.push_str(rest);
    tags
}

fn without_long_text(block: &str) -> String {
    let mut tags = String::new();
    for part in block.split_inclusive('<') {
        // The end of a tag, text, and the `<` of the next one.
        match part.find('>') {
            Some(end) if part.len() - end > LONG_TEXT => {
                tags.push_str(&part[..=end]);
                tags.push_str(if part.ends_with('<') { "<" } else { "" });
            }
            _ => tags.push_str(part),
        }
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::{LONG_TEXT, pass};

    #[test]
    fn long_text_passes_and_bad_tags_around_it_do_not() {
        let text = "a &amp; b".repeat(LONG_TEXT);
        let block = format!("<p><em>{text}</em></p>");
        assert_eq!(pass(&block), block);
        let tags = super::without_long_text(&format!("<p onclick=\"x\">{text}</p>"));
        assert_eq!(tags, "<p onclick=\"x\"></p>");
        assert_eq!(super::clean(&tags), "<p></p>");
    }
}
