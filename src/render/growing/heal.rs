//! Healing: the end of an unfinished text, written so that it is parsed as what it becomes.
//!
//! Two steps. First the last line, if it is not finished: markers that have nothing behind them yet (`-`, `>`, `##`,
//! a ruler, the row under a table's head …), definitions, rows that look like a table's head, and the line that
//! opens a fence wait; so does a cell of a table that stands at the right or in the middle. Then, if the text ends in a
//! leaf that is still open, its inline markup
//! ([`super::inline`]).
//!
//! Healing is a function of the section's text. It never looks at what was shown before.

use std::borrow::Cow;

use crate::render::growing::inline;
use crate::render::growing::leaf::{self, Leaf};
use crate::render::split::indentation;

/// Heals a section of whole lines `before` and an unfinished `line`.
pub(super) fn heal<'a>(before: &'a str, line: &'a str) -> Cow<'a, str> {
    let whole = join(before, line);
    let lines = match &whole {
        Cow::Borrowed(text) => last_line(before, line, text),
        Cow::Owned(text) => last_line(before, line, text).into_owned().into(),
    };
    leaf_end(lines)
}

/// The text with its last line healed.
fn last_line<'a>(before: &'a str, line: &'a str, whole: &str) -> Cow<'a, str> {
    if line.trim_matches([' ', '\t']).is_empty() {
        return without_head(before);
    }
    match leaf::at_end(whole) {
        Leaf::Verbatim => return join(before, line),
        // What language it is in, or that it is a formula, is known once the line is whole.
        Leaf::Fence { opened_here: true, .. } => return Cow::Borrowed(before),
        Leaf::Fence { mark, .. } => {
            let closing = line.trim_matches([' ', '\t']).trim_start_matches('>').trim_start_matches([' ', '\t']);
            let may_close = closing.bytes().all(|b| b == mark);
            return if may_close { Cow::Borrowed(before) } else { join(before, line) };
        }
        Leaf::Paragraph(_) | Leaf::Line(_) | Leaf::Aside(_) | Leaf::Other => {}
    }
    let content = behind_markers(line);
    if content.is_empty() || is_marks(content) || is_number_of_list(before, content) {
        let delimiter = content.bytes().all(|b| matches!(b, b'|' | b':' | b'-' | b' ' | b'\t'));
        return if delimiter { without_head_in(before, '|') } else { Cow::Borrowed(before) };
    }
    if is_definition(content) || content.starts_with('|') && !in_table(whole) {
        return Cow::Borrowed(before);
    }
    join(before, line)
}

/// The text with the inline markup of its last leaf healed, if more text can still belong to that leaf.
fn leaf_end(text: Cow<'_, str>) -> Cow<'_, str> {
    let end = text.strip_suffix('\n').unwrap_or(&text);
    let whole_line = end.len() < text.len();
    let last = end.rsplit('\n').next().unwrap_or(end);
    if behind_quotes(last).is_empty() {
        return text;
    }
    let start = match leaf::at_end(&text) {
        Leaf::Paragraph(start) => start,
        Leaf::Line(start) if !whole_line => start,
        // It is shown once it is whole, and with it the row if it is the first.
        Leaf::Aside(start) if !whole_line => {
            let row = end.rfind('\n').map_or(0, |at| at + 1);
            let none = behind_markers(&end[row..start]).trim_matches(['|', ' ', '\t']).is_empty();
            return Cow::Owned(if none { end[..row].to_owned() } else { format!("{}\n", &end[..start]) });
        }
        _ => return text,
    };
    match inline::heal(&end[start..]) {
        Some(healed) => Cow::Owned(format!("{}{healed}\n", &end[..start])),
        None => text,
    }
}

/// Whole lines without the last one, if that may be the head of a table whose next row is awaited.
fn without_head(before: &str) -> Cow<'_, str> {
    let last = before.trim_end_matches('\n').rsplit('\n').next().unwrap_or_default();
    if behind_markers(last).starts_with('|') { without_head_in(before, '|') } else { Cow::Borrowed(before) }
}

/// Whole lines without the last one, if it holds `mark` and is text of a paragraph.
fn without_head_in(before: &str, mark: char) -> Cow<'_, str> {
    let Some(lines) = before.strip_suffix('\n') else { return Cow::Borrowed(before) };
    let start = lines.rfind('\n').map_or(0, |at| at + 1);
    let head = &lines[start..];
    let waits = head.contains(mark) && matches!(leaf::at_end(before), Leaf::Paragraph(_));
    // Two rows are no head: the paragraph is text.
    Cow::Borrowed(if waits { &before[..start] } else { before })
}

fn in_table(text: &str) -> bool {
    matches!(leaf::at_end(text), Leaf::Line(_) | Leaf::Aside(_))
}

/// A line without the markers of quotes, lists, headings and tasks that it begins with. A heading's marker counts
/// only with nothing behind it.
fn behind_markers(line: &str) -> &str {
    let mut rest = line;
    loop {
        let (_, content) = indentation(rest);
        let hashes = content.trim_start_matches('#');
        if content.len() - hashes.len() <= 6 && indentation(hashes).1.is_empty() {
            return "";
        }
        let digits = content.trim_start_matches(|c: char| c.is_ascii_digit());
        let behind = if let Some(behind) = content.strip_prefix('>') {
            behind
        } else if let Some(behind) = content.strip_prefix(['-', '+', '*']).filter(|b| is_space(b)) {
            behind_task(behind)
        } else if let Some(behind) = digits.strip_prefix(['.', ')']).filter(|b| is_space(b))
            && (1..=9).contains(&(content.len() - digits.len()))
        {
            behind_task(behind)
        } else {
            return content;
        };
        rest = behind;
    }
}

fn is_space(text: &str) -> bool {
    text.is_empty() || text.starts_with([' ', '\t'])
}

/// An item's text without the box of a task that nothing follows yet.
fn behind_task(text: &str) -> &str {
    let unfinished = ["[", "[ ", "[x", "[X", "[ ]", "[x]", "[X]"];
    if unfinished.contains(&text.trim_start_matches([' ', '\t'])) { "" } else { text }
}

fn behind_quotes(line: &str) -> &str {
    line.trim_start_matches([' ', '\t', '>'])
}

/// Whether a line may become a ruler, an underline, a row of dashes, a fence: nothing but their marks.
fn is_marks(content: &str) -> bool {
    content.bytes().all(|b| b" \t-=|:*_+`~".contains(&b))
}

/// Whether a line of digits may become the number of a list's next item.
fn is_number_of_list(before: &str, content: &str) -> bool {
    let number = |text: &str| text.len() <= 9 && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    number(content.trim_end_matches(['.', ')']))
        && (content.ends_with(['.', ')'])
            || before.lines().any(|line| {
                let item = line.trim_start_matches([' ', '\t', '>']);
                item.split_once(['.', ')']).is_some_and(|(first, _)| number(first))
            }))
}

/// Whether a line begins a definition of a link, or of a footnote that has no text yet. What the definition of a link
/// says shows elsewhere or nowhere; a footnote's text is shown as it comes.
fn is_definition(content: &str) -> bool {
    let Some(label) = content.strip_prefix('[') else { return false };
    let closed = label.split_once(']');
    match closed {
        None => label.starts_with('^') && !label.contains([' ', '\t']),
        Some((label, "")) => label.starts_with('^'),
        Some((label, behind)) => match behind.strip_prefix(':') {
            Some(text) => !label.starts_with('^') || text.trim().is_empty(),
            None => false,
        },
    }
}

fn join<'a>(before: &'a str, line: &str) -> Cow<'a, str> {
    if line.is_empty() { Cow::Borrowed(before) } else { Cow::Owned(format!("{before}{line}")) }
}
