//! Writing text into markup.
//!
//! The two functions here are the only way from foreign text into a page. They write what an HTML serialiser would
//! write (the same characters escaped, none more), so that markup which is parsed and serialised again, as
//! [`crate::render::gate`] does, comes back unchanged.

use crate::render::source::LINE_END;

/// Appends `text` as the content of an element.
pub(crate) fn text(out: &mut String, text: &str) {
    escape(out, text, false);
}

/// Appends ` name="value"`.
pub(crate) fn attribute(out: &mut String, name: &'static str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    escape(out, value, true);
    out.push('"');
}

fn escape(out: &mut String, text: &str, quoted: bool) {
    let mut plain = 0;
    for (at, character) in text.char_indices() {
        let escaped = match character {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' if quoted => "&quot;",
            '\u{a0}' => "&nbsp;",
            // Only entities bring these here. A parser of HTML would turn them into something else.
            '\r' => " ",
            '\0' => "\u{fffd}",
            // What looked like a formula and is none, in code or raw HTML: it has its lines again.
            LINE_END => "\n",
            _ => continue,
        };
        out.push_str(&text[plain..at]);
        out.push_str(escaped);
        plain = at + character.len_utf8();
    }
    out.push_str(&text[plain..]);
}

/// Appends `text` with a `<br>` for each of its line ends but the last.
pub(crate) fn lines(out: &mut String, text: &str) {
    for (index, line) in text.trim_end_matches('\n').split('\n').enumerate() {
        if index > 0 {
            out.push_str("<br>");
        }
        escape(out, line, false);
    }
}
