//! A text in one line, for quotes and notifications.

use comrak::nodes::{Node, NodeValue};

use crate::render::source::{LINE_END, Source};
use crate::render::{emoji, parse};

/// How much text is looked at for each character asked for, and in any case: markup is longer than what it shows.
const LOOKAHEAD: usize = 16;
const LOOKAHEAD_FOR_ANY: usize = 1024;

/// The beginning of what a text says, without its Markdown, on one line: at most `max_chars` characters, the last one
/// `…` if there is more.
pub fn plain_excerpt(text: &str, max_chars: usize) -> String {
    let limit = text.floor_char_boundary(max_chars.saturating_mul(LOOKAHEAD).saturating_add(LOOKAHEAD_FOR_ANY));
    let source = Source::of(&text[..limit]);
    let plain = parse::tree(source.text(), plain).unwrap_or_else(|| source.text().to_owned());
    let mut excerpt = String::new();
    let mut length = 0;
    for word in plain.split_whitespace() {
        let space = usize::from(length > 0);
        let room = max_chars.saturating_sub(length + space);
        let size = word.chars().count();
        if size > room {
            return cut(excerpt, length, word, max_chars);
        }
        if space > 0 {
            excerpt.push(' ');
        }
        excerpt.push_str(word);
        length += space + size;
    }
    if limit < text.len() && length > 0 {
        return cut(excerpt, length, "…", max_chars);
    }
    excerpt
}

/// Ends an excerpt of `length` characters with as much of `word` as fits, and `…`.
fn cut(mut excerpt: String, length: usize, word: &str, max_chars: usize) -> String {
    let Some(last) = max_chars.checked_sub(1) else { return String::new() };
    if length > 0 && length < last {
        excerpt.push(' ');
        excerpt.extend(word.chars().filter(|c| *c != '…').take(last - length - 1));
    } else if length == 0 {
        excerpt.extend(word.chars().take(last));
    } else if length > last {
        excerpt.pop();
    }
    excerpt.truncate(excerpt.trim_end().len());
    excerpt.push('…');
    excerpt
}

/// Everything readable below a node, blocks apart from each other.
fn plain(root: Node<'_>) -> String {
    let mut text = String::new();
    for node in root.descendants() {
        match &node.data().value {
            NodeValue::Text(part) => text.push_str(&emoji::shown(part)),
            NodeValue::Math(math) => text.push_str(&math.literal.replace(LINE_END, " ")),
            NodeValue::Code(code) => text.push_str(&code.literal),
            NodeValue::HtmlInline(raw) => text.push_str(raw),
            NodeValue::CodeBlock(code) => {
                text.push(' ');
                text.push_str(&code.literal);
            }
            NodeValue::HtmlBlock(block) => {
                text.push(' ');
                text.push_str(&block.literal);
            }
            NodeValue::FootnoteReference(_) => {}
            value if value.block() || matches!(value, NodeValue::SoftBreak | NodeValue::LineBreak) => text.push(' '),
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::plain_excerpt;

    #[test]
    fn markdown_is_stripped_to_one_line() {
        let text = "# Title\n\n**Bold** and [a link](https://x.example), `code`\n- one\n- two\n\n```rust\nfn f() {}\n```";
        assert_eq!(plain_excerpt(text, 100), "Title Bold and a link, code one two fn f() {}");
    }

    #[test]
    fn it_is_never_longer_than_asked() {
        assert_eq!(plain_excerpt("one two three", 13), "one two three");
        assert_eq!(plain_excerpt("one two three", 12), "one two thr…");
        assert_eq!(plain_excerpt("one two three", 8), "one two…");
        assert_eq!(plain_excerpt("one two three", 7), "one tw…");
        assert_eq!(plain_excerpt("汉字汉字汉字", 4), "汉字汉…");
        assert_eq!(plain_excerpt("👩‍🚀 up", 0), "");
        for max in 0..40 {
            let excerpt = plain_excerpt(&"some words 和 **more** ".repeat(300), max);
            assert!(excerpt.chars().count() <= max, "{max}: {excerpt}");
        }
    }
}
