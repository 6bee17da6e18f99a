//! Footnotes of a whole text: numbers in the order of reference, and the section at the end.
//!
//! A footnote may be referred to before it is defined, from any section, so sections leave gaps. They are filled
//! when it is known which footnotes there are.

use std::collections::HashMap;

use crate::render::write::{Gap, Markup, Note};
use crate::render::{html, parse};

/// What a reference to a footnote that is not defined is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undefined {
    /// A definition may still come: shown like a reference that leads nowhere yet.
    Pending,
    /// None will come: shown as it was written.
    Text,
}

/// Numbers given so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Numbers {
    of: HashMap<String, usize>,
    /// Labels in the order of their numbers.
    order: Vec<String>,
}

impl Numbers {
    /// The number of a footnote, and whether it is new.
    fn give(&mut self, label: &str) -> (usize, bool) {
        if let Some(number) = self.of.get(label) {
            return (*number, false);
        }
        self.order.push(label.to_owned());
        self.of.insert(label.to_owned(), self.order.len());
        (self.order.len(), true)
    }
}

/// Fills gaps.
pub(crate) struct Filler<'a> {
    /// Prefix of ids.
    scope: &'a str,
    undefined: Undefined,
    /// All footnotes of the text in the order of their definition, by normalised label.
    notes: &'a [&'a (String, Note)],
    /// The first note of each label.
    by_label: HashMap<&'a str, &'a Note>,
}

impl<'a> Filler<'a> {
    pub(crate) fn new(scope: &'a str, undefined: Undefined, notes: &'a [&'a (String, Note)]) -> Self {
        let by_label = notes.iter().rev().map(|(label, note)| (label.as_str(), note)).collect();
        Self { scope, undefined, notes, by_label }
    }

    /// Markup without gaps.
    pub(crate) fn fill(&self, markup: &Markup, numbers: &mut Numbers) -> String {
        let mut filled = String::with_capacity(markup.html.len() + 160 * markup.gaps.len());
        let mut from = 0;
        for gap in &markup.gaps {
            filled.push_str(&markup.html[from..gap.at]);
            self.reference(&mut filled, gap, numbers);
            from = gap.at;
        }
        filled.push_str(&markup.html[from..]);
        filled
    }

    /// The section of footnotes, if there are any. Those that nothing refers to come last.
    pub(crate) fn section(&self, numbers: &mut Numbers) -> Option<String> {
        if self.notes.is_empty() {
            return None;
        }
        let mut section = String::from("<section class=\"footnotes\" role=\"doc-endnotes\"><ol>");
        let mut next = 0;
        let mut unreferred = self.notes.iter();
        loop {
            let referred = next < numbers.order.len();
            if !referred {
                match unreferred.find(|(label, _)| !numbers.of.contains_key(label)) {
                    Some((label, _)) => numbers.give(label),
                    None => break,
                };
            }
            let Some(note) = self.by_label.get(numbers.order[next].as_str()) else { break };
            next += 1;
            self.note(&mut section, note, next, referred, numbers);
        }
        section.push_str("</ol></section>");
        Some(section)
    }

    fn note(&self, out: &mut String, note: &Note, number: usize, referred: bool, numbers: &mut Numbers) {
        let scope = self.scope;
        out.push_str("<li");
        html::attribute(out, "id", &format!("{scope}-note-{number}"));
        out.push('>');
        let content = self.fill(&note.markup, numbers);
        let inside = content.strip_suffix("</p>");
        out.push_str(inside.unwrap_or(&content));
        if referred {
            out.push_str(" <a class=\"footnote-back\"");
            html::attribute(out, "href", &format!("#{scope}-ref-{number}"));
            // The arrow has no name; what it is, a screen reader says in its own words.
            out.push_str(" role=\"doc-backlink\">↩</a>");
        }
        out.push_str(if inside.is_some() { "</p></li>" } else { "</li>" });
    }

    fn reference(&self, out: &mut String, gap: &Gap, numbers: &mut Numbers) {
        let label = parse::normalised(&gap.label);
        if !self.by_label.contains_key(label.as_str()) {
            match self.undefined {
                Undefined::Text => {
                    out.push_str("[^");
                    html::text(out, &gap.label);
                    out.push(']');
                }
                Undefined::Pending => {
                    out.push_str("<sup class=\"footnote\">");
                    html::text(out, &gap.label);
                    out.push_str("</sup>");
                }
            }
            return;
        }
        let (number, first) = numbers.give(&label);
        out.push_str("<sup class=\"footnote\">");
        if gap.linked {
            out.push_str(&format!("{number}</sup>"));
            return;
        }
        out.push_str("<a");
        html::attribute(out, "href", &format!("#{}-note-{number}", self.scope));
        if first {
            html::attribute(out, "id", &format!("{}-ref-{number}", self.scope));
        }
        out.push_str(&format!(" role=\"doc-noteref\">{number}</a></sup>"));
    }
}
