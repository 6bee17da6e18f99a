//! Writes a line: runs of text of one class each, and nothing else.

use crate::render::html;

/// What a run of code is. The style sheet gives each a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Plain,
    Keyword,
    Text,
    Comment,
    /// Numbers, and names for values that never change.
    Constant,
    Function,
    Type,
    /// Keys, attributes, decorators, variables with a sign.
    Attribute,
    Tag,
    Heading,
    Inserted,
    Deleted,
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Keyword => "k",
            Self::Text => "s",
            Self::Comment => "c",
            Self::Constant => "n",
            Self::Function => "f",
            Self::Type => "t",
            Self::Attribute => "a",
            Self::Tag => "g",
            Self::Heading => "h",
            Self::Inserted => "i",
            Self::Deleted => "d",
        }
    }
}

/// All names of classes, which is what may stand in the markup of a line.
pub(crate) const CLASSES: [&str; 11] = ["k", "s", "c", "n", "f", "t", "a", "g", "h", "i", "d"];

/// Writes one line.
pub(super) struct Pen<'o> {
    out: &'o mut String,
    open: Class,
}

impl<'o> Pen<'o> {
    pub(super) fn new(out: &'o mut String) -> Self {
        out.push_str("<span>");
        Self { out, open: Class::Plain }
    }

    /// Writes text. White space has no colour and takes that of what it follows.
    pub(super) fn put(&mut self, class: Class, text: &str) {
        if text.is_empty() {
            return;
        }
        let blank = text.bytes().all(|b| matches!(b, b' ' | b'\t'));
        if self.open != class && !(blank && self.open != Class::Plain && class == Class::Plain) {
            self.close();
            if class != Class::Plain && !blank {
                self.out.push_str("<span class=\"");
                self.out.push_str(class.name());
                self.out.push_str("\">");
                self.open = class;
            }
        }
        html::text(self.out, text);
    }

    pub(super) fn end(mut self) {
        self.close();
        self.out.push_str("</span>");
    }

    fn close(&mut self) {
        if self.open != Class::Plain {
            self.out.push_str("</span>");
            self.open = Class::Plain;
        }
    }
}

/// Whether markup is nothing but lines as [`Pen`] writes them. The gate lets such markup through without parsing it.
pub(crate) fn is_sound(lines: &str) -> bool {
    let mut depth = 0;
    let mut rest = lines;
    while let Some(start) = rest.find('<') {
        if rest[..start].contains('>') || depth == 0 && start > 0 {
            return false;
        }
        rest = &rest[start..];
        let tag = &rest[..rest.find('>').map_or(rest.len(), |end| end + 1)];
        depth = match (depth, tag) {
            (0, "<span>") => 1,
            (1 | 2, "</span>") => depth - 1,
            (1, _) if tag.strip_prefix("<span class=\"").and_then(|tag| tag.strip_suffix("\">")).is_some_and(|c| CLASSES.contains(&c)) => 2,
            _ => return false,
        };
        rest = &rest[tag.len()..];
    }
    depth == 0 && rest.is_empty()
}
