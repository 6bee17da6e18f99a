//! HTML and its relatives: tags with attributes, comments, and the pieces of other languages between them.

use crate::render::highlight::code::{self, Open};
use crate::render::highlight::languages::Reader;
use crate::render::highlight::pen::{Class, Pen};
use crate::render::highlight::{State, embedded, notation};

/// Where the next line begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Place {
    #[default]
    Content,
    Comment,
    /// Inside a tag that began on an earlier line.
    Tag(Island),
    /// Inside an attribute's value, up to this quote.
    Value(Island, u8),
    Script,
    Style(Block),
    /// Inside a block of a notation whose lines mean something of their own: a fence, a front matter, a block of text.
    Block(Block),
}

/// What a tag opens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Island {
    #[default]
    Nothing,
    Script,
    Style,
}

/// A number that a notation gives its blocks a meaning by.
pub(super) type Block = u16;

/// Reads a line without its end.
pub(super) fn line(mut state: State, line: &str, pen: &mut Pen<'_>) -> State {
    let mut rest = line;
    while !rest.is_empty() {
        let before = rest.len();
        rest = match state.place {
            Place::Content | Place::Block(_) => content(&mut state, rest, pen),
            Place::Comment => {
                let end = rest.find("-->").map(|at| at + 3);
                if end.is_some() {
                    state.place = Place::Content;
                }
                put(pen, Class::Comment, rest, end.unwrap_or(rest.len()))
            }
            Place::Tag(island) => tag(&mut state, island, rest, pen),
            Place::Value(island, quote) => {
                let end = rest.bytes().position(|b| b == quote).map(|at| at + 1);
                if end.is_some() {
                    state.place = Place::Tag(island);
                }
                put(pen, Class::Text, rest, end.unwrap_or(rest.len()))
            }
            Place::Script => island_line(&mut state, "</script", rest, pen),
            Place::Style(_) => island_line(&mut state, "</style", rest, pen),
        };
        if rest.len() == before {
            // Nothing read: whatever it is, it is text.
            pen.put(Class::Plain, rest);
            break;
        }
    }
    state
}

fn put<'a>(pen: &mut Pen<'_>, class: Class, text: &'a str, length: usize) -> &'a str {
    pen.put(class, &text[..length]);
    &text[length..]
}

fn content<'a>(state: &mut State, text: &'a str, pen: &mut Pen<'_>) -> &'a str {
    let Some(at) = text.find(['<', '&']) else { return put(pen, Class::Plain, text, text.len()) };
    let rest = put(pen, Class::Plain, text, at);
    if let Some(entity) = rest.strip_prefix('&') {
        let name = entity.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'#').count();
        let whole = name > 0 && entity[name..].starts_with(';');
        return if whole { put(pen, Class::Constant, rest, name + 2) } else { put(pen, Class::Plain, rest, 1) };
    }
    if rest.starts_with("<!--") {
        state.place = Place::Comment;
        return put(pen, Class::Comment, rest, 4);
    }
    let marks = 1 + usize::from(rest[1..].starts_with(['/', '!', '?']));
    let name =
        rest[marks..].bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':' | b'.') || *b >= 0x80).count();
    if name == 0 {
        return put(pen, Class::Plain, rest, 1);
    }
    let island = match &rest[..marks + name] {
        tag if tag.eq_ignore_ascii_case("<script") => Island::Script,
        tag if tag.eq_ignore_ascii_case("<style") => Island::Style,
        _ => Island::Nothing,
    };
    state.place = Place::Tag(island);
    put(pen, Class::Tag, rest, marks + name)
}

fn tag<'a>(state: &mut State, island: Island, text: &'a str, pen: &mut Pen<'_>) -> &'a str {
    let next = text.bytes().next().unwrap_or(b'>');
    match next {
        b'>' => {
            state.open = Open::Nothing;
            state.place = match island {
                Island::Nothing => Place::Content,
                Island::Script => Place::Script,
                Island::Style => Place::Style(0),
            };
            put(pen, Class::Tag, text, 1)
        }
        b'/' | b'?' if text[1..].starts_with('>') => {
            state.place = Place::Content;
            put(pen, Class::Tag, text, 2)
        }
        b'"' | b'\'' => {
            state.place = Place::Value(island, next);
            put(pen, Class::Text, text, 1)
        }
        b'<' => {
            // The tag was none.
            state.place = Place::Content;
            content(state, text, pen)
        }
        _ => {
            let name =
                text.find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '"' | '\'' | '/' | '<' | '?')).unwrap_or(text.len());
            if name > 0 {
                put(pen, Class::Attribute, text, name)
            } else {
                put(pen, Class::Plain, text, text.chars().next().map_or(0, char::len_utf8))
            }
        }
    }
}

/// A line, or its part, in the language of a script or a style.
fn island_line<'a>(state: &mut State, end: &str, text: &'a str, pen: &mut Pen<'_>) -> &'a str {
    let length = find_any_case(text, end).unwrap_or(text.len());
    let (inside, behind) = text.split_at(length);
    if let Place::Style(block) = state.place {
        let read = notation::css(State { place: Place::Block(block), ..*state }, inside, pen);
        state.open = read.open;
        state.place = Place::Style(match read.place {
            Place::Block(block) => block,
            _ => 0,
        });
    } else if let Some(lexicon) = embedded("javascript")
        && let Reader::Code(grammar) = lexicon.language.reader
    {
        state.open = code::line(lexicon, grammar, state.open, inside, pen);
    }
    if !behind.is_empty() {
        state.open = Open::Nothing;
        state.place = Place::Content;
        return content(state, behind, pen);
    }
    behind
}

fn find_any_case(text: &str, wanted: &str) -> Option<usize> {
    let (text, wanted) = (text.as_bytes(), wanted.as_bytes());
    text.windows(wanted.len()).position(|window| window.eq_ignore_ascii_case(wanted))
}
