//! Highlighting of code: text → lines of markup, one element each.
//!
//! What it promises:
//!
//! - **Line by line.** What a line looks like depends on itself and on a small state that the lines before it left
//!   ([`Lines`]). A code block that grows costs the text that came, and a finished line never changes again.
//! - **Bounded.** Each line is read once from left to right, by hand-written readers and tables of words: the work is
//!   in proportion to the text, whatever the text is.
//! - **Safe.** The markup is `<span>`s with classes of a small vocabulary ([`Class`]) around escaped text;
//!   [`is_sound`] recognises exactly that, and no line goes out that it does not.
//!
//! Why not a library: those that there are run grammars of regular expressions made for files that one trusts. Tried on
//! lines of 400 characters such as anybody can post, the best kept of them took up to half a second for a line, and
//! the compiled grammars of 36 languages held 390 MB of memory. What is here knows less of each language, needs
//! neither, and is content with colours that are right nearly always.

mod block;
mod code;
mod languages;
mod markup;
mod notation;
mod pen;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

pub(crate) use crate::render::highlight::block::{END, Growth, block};
use crate::render::highlight::code::{Lexicon, Open};
use crate::render::highlight::languages::{LANGUAGES, Reader};
pub(crate) use crate::render::highlight::pen::{CLASSES, is_sound};
use crate::render::highlight::pen::{Class, Pen};

/// A longer line, in bytes, is nothing that people read: it stays plain.
const LONGEST_LINE: usize = 2_000;

/// Behind so many bytes of code the rest stays plain, for the sake of the pages that must hold all these elements.
const LONGEST_CODE: usize = 256 * 1024;

/// Languages have short names. A longer token is something else.
const LONGEST_NAME: usize = 32;

/// What the line that opens a code block says of its language.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'a> {
    /// As it is shown: a proper name, or what was written if that is no language that is known here.
    pub(crate) shown: &'a str,
    lexicon: Option<&'static Lexicon>,
}

/// Finds the language that an info string names, if it names one.
pub(crate) fn named(info: &str) -> Option<Named<'_>> {
    let token = info.split([' ', '\t', ',', '{', ':']).next().unwrap_or_default();
    let sound = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'+' | b'#' | b'.');
    if !(1..=LONGEST_NAME).contains(&token.len()) || !token.bytes().all(sound) {
        return None;
    }
    match INDEX.get(token.to_ascii_lowercase().as_str()) {
        // What says that it is no language needs no name.
        Some(at) if matches!(LANGUAGES[*at].reader, Reader::Plain) => None,
        Some(at) => Some(Named { shown: LANGUAGES[*at].name, lexicon: Some(lexicon(*at)) }),
        None => Some(Named { shown: token, lexicon: None }),
    }
}

impl Named<'_> {
    /// The short name by which programs know the language, if it is known.
    pub(crate) fn id(&self) -> Option<&'static str> {
        Some(self.lexicon?.language.names.split(' ').next().unwrap_or_default())
    }
}

/// Whether a class is that of a known language.
pub(crate) fn is_language_class(class: &str) -> bool {
    let id = class.strip_prefix("language-").unwrap_or_default();
    INDEX.get(id).is_some_and(|at| LANGUAGES[*at].names.split(' ').next() == Some(id))
}

/// Languages by each of their names.
static INDEX: LazyLock<HashMap<&'static str, usize>> = LazyLock::new(|| {
    LANGUAGES.iter().enumerate().flat_map(|(at, language)| language.names.split(' ').map(move |name| (name, at))).collect()
});

/// The words of each language, from its first use on.
static LEXICONS: LazyLock<Vec<OnceLock<Lexicon>>> = LazyLock::new(|| LANGUAGES.iter().map(|_| OnceLock::new()).collect());

fn lexicon(at: usize) -> &'static Lexicon {
    LEXICONS[at].get_or_init(|| Lexicon::new(&LANGUAGES[at]))
}

/// The language that other languages hold pieces of.
fn embedded(name: &str) -> Option<&'static Lexicon> {
    INDEX.get(name).map(|at| lexicon(*at))
}

/// What lines leave to the lines behind them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct State {
    open: Open,
    /// Inside a tag, a script, a style, a front matter …
    place: markup::Place,
}

/// Reads code from its first line on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lines {
    lexicon: Option<&'static Lexicon>,
    state: State,
    read: usize,
}

impl Lines {
    pub(crate) fn new(language: Option<Named<'_>>) -> Self {
        Self { lexicon: language.and_then(|named| named.lexicon), state: State::default(), read: 0 }
    }

    /// Appends the markup of the next line, with its end if it has come.
    pub(crate) fn line(&mut self, out: &mut String, line: &str) {
        let content = line.strip_suffix('\n').unwrap_or(line);
        let from = out.len();
        let mut pen = Pen::new(out);
        match self.lexicon.filter(|_| content.len() <= LONGEST_LINE && self.read + line.len() <= LONGEST_CODE) {
            Some(lexicon) => self.state = read(lexicon, self.state, content, &mut pen),
            None => pen.put(Class::Plain, content),
        }
        pen.put(Class::Plain, &line[content.len()..]);
        pen.end();
        self.read += line.len();
        if !is_sound(&out[from..]) {
            debug_assert!(false, "no sound line: {}", &out[from..]);
            out.truncate(from);
            let mut pen = Pen::new(out);
            pen.put(Class::Plain, line);
            pen.end();
        }
    }

    /// Appends the markup of all lines of `code`, the last of which may have no end.
    pub(crate) fn all(&mut self, out: &mut String, code: &str) {
        for line in code.split_inclusive('\n') {
            self.line(out, line);
        }
    }
}

fn read(lexicon: &'static Lexicon, state: State, line: &str, pen: &mut Pen<'_>) -> State {
    match lexicon.language.reader {
        Reader::Plain => {
            pen.put(Class::Plain, line);
            state
        }
        Reader::Code(grammar) => State { open: code::line(lexicon, grammar, state.open, line, pen), ..state },
        Reader::Markup => markup::line(state, line, pen),
        Reader::Css => notation::css(state, line, pen),
        Reader::Yaml => notation::yaml(state, line, pen),
        Reader::Toml => notation::toml(state, line, pen),
        Reader::Diff => notation::diff(state, line, pen),
        Reader::Markdown => notation::markdown(state, line, pen),
        Reader::Session => notation::session(state, line, pen),
        Reader::Docker => notation::docker(state, line, pen),
        Reader::Make => notation::make(state, line, pen),
        Reader::Tex => notation::tex(state, line, pen),
    }
}
