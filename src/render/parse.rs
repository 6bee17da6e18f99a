//! Text → tree: comrak with our dialect, a limit of steps, and what a section must know of the rest of its text.
//!
//! Sections are parsed apart. What one needs from the others comes in two ways: link definitions through a callback,
//! which also tells which labels were looked for in vain; footnotes and repeated definitions through a **prelude**,
//! lines in front of the section that end with a ruler and are skipped in the tree.

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, PoisonError};

use comrak::nodes::{Node, NodeValue};
use comrak::options::{BrokenLinkReference, Options};
use comrak::{Arena, ResolvedReference};

/// Links by [`normalised`] label.
pub(crate) type Links = HashMap<String, Destination>;

/// What a link definition defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) url: String,
    pub(crate) title: String,
}

/// Markup may become this much longer than its text by links that are defined once and used often.
const GROWTH: usize = 16;

/// Longest label that CommonMark allows, in bytes.
pub(crate) const LONGEST_LABEL: usize = 1000;

/// Steps the parser may take for each byte, and for any text: generous for what people write. What needs more
/// (tables whose empty cells are many times their text) is shown as it was written.
const STEPS_PER_BYTE: usize = 48;
const STEPS_FOR_ANY: usize = 32 * 1024;

/// Formulas of several lines that a section may have.
const MOST_OPEN: usize = 500;

/// comrak asks once in so many steps whether it shall go on.
const STEPS_BETWEEN_QUESTIONS: usize = 256;

#[cfg(test)]
thread_local! {
    /// Bytes handed to the parser by this thread: what tests of cost count.
    pub(crate) static PARSED: Cell<usize> = const { Cell::new(0) };
}

/// Our Markdown: CommonMark with tables, strikethrough, task lists, footnotes, bare addresses and formulas.
fn dialect(source: &str) -> Options<'static> {
    let mut options = Options::default();
    options.extension.strikethrough = true;
    options.extension.table = true;
    options.extension.autolink = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    options.extension.cjk_friendly_emphasis = true;
    options.extension.math_dollars = true;
    options.extension.math_latex = !opens_too_often(source);
    options.parse.leave_footnote_definitions = true;
    options
}

/// Whether a text opens so many formulas with `\(` or `\[` that it does not close on the same line that looking for
/// their ends, each time up to the end of the paragraph, would take long.
fn opens_too_often(source: &str) -> bool {
    let mut open = 0;
    for line in source.lines() {
        for (opening, closing) in [(r"\(", r"\)"), (r"\[", r"\]")] {
            let behind = line.rfind(closing).map_or(line, |at| &line[at..]);
            open += behind.matches(opening).count();
        }
        if open > MOST_OPEN {
            return true;
        }
    }
    false
}

/// The form in which labels are compared: case and the amount of white space do not matter.
pub(crate) fn normalised(label: &str) -> String {
    let words: Vec<&str> = label.split_whitespace().collect();
    // Upper case first: `ß`, `ẞ` and `ss` are the same then, as with Unicode's case folding.
    words.join(" ").to_uppercase().to_lowercase()
}

/// Parses `source` and hands the root of its tree to `see`; nothing if it takes too many steps.
pub(crate) fn tree<T>(source: &str, see: impl for<'a> FnOnce(Node<'a>) -> T) -> Option<T> {
    parse(source, &dialect(source), see)
}

/// What the line that opens a code block says behind its fence.
pub(crate) fn info(opening: &str) -> String {
    let info = tree(opening, |root| match &root.first_child()?.data().value {
        NodeValue::CodeBlock(code) => Some(code.info.clone()),
        _ => None,
    });
    info.flatten().unwrap_or_default()
}

/// What came of parsing a section.
pub(crate) struct Parsed<T> {
    pub(crate) seen: T,
    /// Labels of links that are not defined (yet).
    pub(crate) wanted: Vec<String>,
}

/// Parses a section behind its prelude. `see` gets the root and the first block of the section itself.
pub(crate) fn section<T>(
    source: &str,
    prelude: &str,
    links: &Arc<Links>,
    see: impl for<'a> FnOnce(Option<Node<'a>>) -> T,
) -> Option<Parsed<T>> {
    let wanted = Arc::new(Mutex::new(Vec::new()));
    let growth = Mutex::new(GROWTH * source.len() + 2048);
    let mut options = dialect(source);
    if source.contains('[') {
        let wanted = Arc::clone(&wanted);
        let links = Arc::clone(links);
        options.parse.broken_link_callback = Some(Arc::new(move |label: BrokenLinkReference<'_>| {
            let label = label.original;
            if label.len() > LONGEST_LABEL || label.trim().is_empty() {
                return None;
            }
            let label = normalised(label);
            let Some(destination) = links.get(&label) else {
                wanted.lock().unwrap_or_else(PoisonError::into_inner).push(label);
                return None;
            };
            let mut growth = growth.lock().unwrap_or_else(PoisonError::into_inner);
            *growth = growth.checked_sub(destination.url.len() + destination.title.len())?;
            Some(ResolvedReference { url: destination.url.clone(), title: destination.title.clone() })
        }));
    }
    let seen = if prelude.is_empty() {
        parse(source, &options, |root| see(root.first_child()))
    } else {
        parse(&format!("{prelude}\n{RULER}\n{source}"), &options, |root| {
            let ruler = root.children().find(|node| matches!(node.data().value, NodeValue::ThematicBreak));
            see(ruler.and_then(|ruler| ruler.next_sibling()))
        })
    }?;
    drop(options);
    let wanted = std::mem::take(&mut *wanted.lock().unwrap_or_else(PoisonError::into_inner));
    Some(Parsed { seen, wanted })
}

/// Ends a prelude. No line of a prelude is one.
const RULER: &str = "***";

fn parse<T>(source: &str, options: &Options<'_>, see: impl for<'a> FnOnce(Node<'a>) -> T) -> Option<T> {
    #[cfg(test)]
    PARSED.with(|parsed| parsed.set(parsed.get() + source.len()));
    let questions = Cell::new((STEPS_FOR_ANY + STEPS_PER_BYTE * source.len()) / STEPS_BETWEEN_QUESTIONS);
    let enough = || {
        let left = questions.get();
        questions.set(left.saturating_sub(1));
        left == 0
    };
    let arena = Arena::new();
    let root = unless_it_panics(|| comrak::try_parse_document(&arena, source, options, &enough).ok())?;
    Some(see(root))
}

/// The parser asserts what it believes of itself. If it is wrong, one text is shown as it was written; nothing else
/// comes to harm. Debug builds do panic: tests shall see it.
fn unless_it_panics<T>(parse: impl FnOnce() -> Option<T>) -> Option<T> {
    if cfg!(debug_assertions) {
        return parse();
    }
    panic::catch_unwind(AssertUnwindSafe(parse)).ok().flatten()
}
