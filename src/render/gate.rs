//! The last gate: an allow-list of tags, attributes, classes and addresses.
//!
//! [`crate::render::write`] makes nothing that would not pass here, so the gate changes nothing: a property test and,
//! in debug builds, every rendering say so. It is there for the day when that is no longer true. Two things go round
//! it, both of them text without a single `<`: what comes inside a code block while it grows (it passes when the block
//! is finished), and the inside of long runs of text (see [`pass`]).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};

/// The tags there are.
pub(crate) const TAGS: [&str; 28] = [
    "a",
    "blockquote",
    "br",
    "code",
    "del",
    "em",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "input",
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
    builder
        .tags(set(&TAGS))
        .generic_attributes(HashSet::new())
        .tag_attributes(HashMap::from([
            ("a", set(&["href", "title", "rel", "target", "class", "id", "role"])),
            ("code", set(&["class"])),
            ("input", set(&["aria-label", "checked", "disabled"])),
            ("li", set(&["class", "id"])),
            ("ol", set(&["start"])),
            ("p", set(&["class"])),
            ("section", set(&["class"])),
            ("span", set(&["class", "data-name"])),
            ("sup", set(&["class"])),
            ("td", set(&["class"])),
            ("th", set(&["class"])),
            ("ul", set(&["class"])),
        ]))
        .tag_attribute_values(HashMap::from([("input", HashMap::from([("type", set(&["checkbox"]))]))]))
        .url_schemes(set(&["http", "https", "mailto"]))
        .url_relative(UrlRelative::Custom(Box::new(only_fragments)))
        .link_rel(None);
    builder
});

/// The only address without a scheme leads to a place in the same page.
fn only_fragments(address: &str) -> Option<Cow<'_, str>> {
    address.starts_with('#').then_some(Cow::Borrowed(address))
}

/// A run of text without any tag that is longer than this, in bytes, is not looked at again. Text without `<` is text
/// wherever tags of our list put it, and a serialiser takes its time with much of it.
const LONG_TEXT: usize = 4096;

/// Lets a block through, without anything that is not allowed.
pub(crate) fn pass(block: &str) -> String {
    if block.len() > LONG_TEXT {
        let tags = without_long_text(block);
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
