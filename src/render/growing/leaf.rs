//! Where the end of a section lies: in which block, and since where.
//!
//! The parser itself is asked, by parsing what is there. Guessing from the lines would be guessing.

use comrak::nodes::{Node, NodeValue, TableAlignment};

use crate::render::parse;

/// The innermost block at the end of a section, if the section's last line belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaf {
    /// Text that goes on with the next line; it begins at this byte.
    Paragraph(usize),
    /// Text that ends with its line; it begins at this byte.
    Line(usize),
    /// Text of a table's cell that does not stand at the beginning of its column: what is there moves with each letter more. The row
    /// without it ends at this byte.
    Aside(usize),
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
            let mut pipes = text.match_indices('|').map(|(at, _)| at).filter(|at| !text[..*at].ends_with('\\'));
            let first = pipes.clone().next().is_some_and(|at| text[..at].trim_matches([' ', '\t', '>']).is_empty());
            let column = pipes.clone().count() - usize::from(first);
            let start = pipes.next_back().map_or(line, |at| line + at + 1);
            if is_aside(node, column) { Leaf::Aside(start) } else { Leaf::Line(start) }
        }
        _ => Leaf::Other,
    }
}

/// Whether a column of the table around a cell stands at its end or in its middle.
fn is_aside(cell: Node<'_>, column: usize) -> bool {
    let table = cell.parent().and_then(|row| row.parent());
    table.is_some_and(|table| match &table.data().value {
        NodeValue::Table(table) => matches!(table.alignments.get(column), Some(TableAlignment::Right | TableAlignment::Center)),
        _ => false,
    })
}

/// The byte where a column of a line is, both counted from 1.
fn offset(source: &str, line: usize, column: usize) -> usize {
    let start: usize = source.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    source.floor_char_boundary(start + column.saturating_sub(1))
}
