//! What a section defines for the whole text, and what it must be told of.
//!
//! comrak keeps link definitions to itself, so a section is asked: its candidates (anything that looks like `[label]:`)
//! are put in front of it as links, and those that lead somewhere are defined.

use std::collections::HashSet;

use comrak::nodes::NodeValue;

use crate::render::parse::{self, Destination, LONGEST_LABEL, Links};

/// The links that a section defines, by normalised label. Sections without a candidate cost one search.
pub(crate) fn links(source: &str) -> Vec<(String, Destination)> {
    let labels = candidates(source);
    if labels.is_empty() {
        return Vec::new();
    }
    let questions = labels.iter().fold(String::new(), |questions, label| questions + "[" + label + "]\n\n");
    // Unresolved labels of other links do not matter here; the tree is only looked at in front of the ruler.
    let answers = parse::tree(&format!("{questions}***\n{source}"), |root| {
        root.children()
            .take_while(|node| !matches!(node.data().value, NodeValue::ThematicBreak))
            .map(|paragraph| {
                let link = paragraph.first_child()?;
                match &link.data().value {
                    NodeValue::Link(link) => Some(Destination { url: link.url.clone(), title: link.title.clone() }),
                    _ => None,
                }
            })
            .collect::<Vec<_>>()
    });
    let normal = labels.iter().map(|label| parse::normalised(label));
    normal.zip(answers.unwrap_or_default()).filter_map(|(label, answer)| Some((label, answer?))).collect()
}

/// The lines that a section needs in front of it: a stub for each footnote it may refer to, and each link that it
/// defines once more although it is defined already, since the first definition counts.
pub(crate) fn prelude(source: &str, earlier: &Links) -> String {
    let mut prelude = String::new();
    for label in notes(source) {
        prelude.push_str(&format!("[^{label}]: .\n"));
    }
    if !earlier.is_empty() {
        for label in candidates(source) {
            if let Some(destination) = earlier.get(&parse::normalised(label)) {
                prelude.push_str(&format!("\n[{label}]: <{}>", escaped(&destination.url)));
                if !destination.title.is_empty() {
                    prelude.push_str(&format!(" \"{}\"", escaped(&destination.title)));
                }
                prelude.push('\n');
            }
        }
    }
    prelude
}

/// Anything that looks like `[label]:`, each label once. A label that spans lines is not among them: such a
/// definition counts in its own section only.
fn candidates(source: &str) -> Vec<&str> {
    let mut seen = HashSet::new();
    let labels = source.match_indices("]:").filter_map(|(end, _)| {
        let from = source.floor_char_boundary(end.saturating_sub(LONGEST_LABEL));
        let before = &source[from..end];
        let bracket = before.rfind(['[', ']', '\n']).filter(|_| !is_escaped(before, before.len()));
        let mut start = bracket?;
        while is_escaped(before, start) {
            start = before[..start].rfind(['[', ']', '\n'])?;
        }
        let label = before[start..].strip_prefix('[')?;
        (!label.trim().is_empty() && !label.starts_with('^')).then_some(label)
    });
    labels.filter(|label| seen.insert(*label)).collect()
}

/// Whether the character at this byte stands behind a backslash that counts.
fn is_escaped(text: &str, at: usize) -> bool {
    text[..at].bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
}

/// The labels in anything that looks like `[^label]`, each once.
fn notes(source: &str) -> Vec<&str> {
    let mut seen = HashSet::new();
    source
        .match_indices("[^")
        .filter_map(|(start, _)| {
            let behind = &source[start + 2..];
            let end = behind.find([']', '[', ' ', '\t', '\n', '\\'])?;
            (end > 0 && end <= 100 && behind[end..].starts_with(']')).then(|| &behind[..end])
        })
        .filter(|label| seen.insert(*label))
        .collect()
}

/// A text as it can be written between brackets or quotes and comes out the same.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            _ if character.is_control() || character.is_whitespace() => escaped.push_str(&format!("&#{};", u32::from(character))),
            _ if character.is_ascii_punctuation() => escaped.extend(['\\', character]),
            _ => escaped.push(character),
        }
    }
    escaped
}
