//! Where the end of a section lies: in which block, and since where.
//!
//! The parser itself is asked, by parsing what is there. Guessing from the lines would be guessing.

use comrak::nodes::{Node, NodeValue};

use crate::render::parse;

/// The innermost block at the end of a section, if the section's last line belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaf {
    /// Text that goes on with the next line; it begins at this byte.
    Paragraph(usize),
    /// Text that ends with its line; it begins at this byte.
    Line(usize),
    /// A fenced code block that is not closed; `opened_here` if the last line opened it.
    Fence { mark: u8, opened_here: bool },
    /// Code or raw HTML where nothing has to be healed.
    Verbatim,
    /// A ruler, an empty item, a definition …
    Other,
}

pub(super) fn at_end(source: &str) -> Leaf {
    let lines = source.lines().count();
    parse::tree(source, |root| {
        let mut node = root;
        while let Some(last) = node.last_child().filter(|last| last.data().value.block()) {
            node = last;
        }
        leaf(node, source, lines)
    })
    .unwrap_or(Leaf::Other)
}

fn leaf(node: Node<'_>, source: &str, lines: usize) -> Leaf {
    let data = node.data();
    let (start, end) = (data.sourcepos.start, data.sourcepos.end);
    match &data.value {
        NodeValue::CodeBlock(code) if code.fenced && !code.closed => {
            Leaf::Fence { mark: code.fence_char, opened_here: start.line == lines }
        }
        NodeValue::CodeBlock(_) | NodeValue::HtmlBlock(_) => Leaf::Verbatim,
        NodeValue::Paragraph if end.line == lines => Leaf::Paragraph(offset(source, start.line, start.column)),
        NodeValue::Heading(heading) if start.line == lines && !heading.setext => Leaf::Line(offset(source, start.line, start.column)),
        NodeValue::TableCell if start.line == lines => {
            // Behind the last pipe that is none of the text: cells that are not written yet are in the tree too.
            let line = offset(source, lines, 1);
            let text = &source[line..];
            let pipe = text.match_indices('|').map(|(at, _)| at).rfind(|at| !text[..*at].ends_with('\\'));
            Leaf::Line(pipe.map_or(line, |at| line + at + 1))
        }
        _ => Leaf::Other,
    }
}

/// The byte where a column of a line is, both counted from 1.
fn offset(source: &str, line: usize, column: usize) -> usize {
    let start: usize = source.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    source.floor_char_boundary(start + column.saturating_sub(1))
}
