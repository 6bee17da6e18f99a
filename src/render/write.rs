//! Tree → markup.
//!
//! Walks the tree with a stack of its own, so no depth of nesting can overflow the thread's, and writes a small fixed
//! vocabulary. Decisions that are ours and not the parser's:
//!
//! - line breaks are kept: who breaks a line in a chat means it;
//! - headings start at `<h3>`: a message makes no title of the page;
//! - raw HTML is text, shown as it was written;
//! - images from elsewhere are links, never loaded;
//! - beyond a depth that nobody reads, quotes, lists and emphasis keep their text and lose their tags.

use std::collections::BTreeSet;

use comrak::nodes::{ListType, Node, NodeLink, NodeList, NodeValue, TableAlignment};

use crate::render::{html, link, mention};

/// How deep quotes and lists, and emphasis, nest in markup.
const DEEPEST_BLOCK: usize = 24;
const DEEPEST_INLINE: usize = 12;

/// Longest title of a link, in bytes. Longer ones are left out.
const LONGEST_TITLE: usize = 300;

/// Languages have short names. A longer token is something else.
const LONGEST_LANGUAGE: usize = 32;

/// Markup with gaps where the numbers of footnotes go, which are known only when the whole text is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Markup {
    pub(crate) html: String,
    pub(crate) gaps: Vec<Gap>,
    /// Which of the known names are mentioned, by index.
    pub(crate) mentioned: BTreeSet<usize>,
}

impl From<String> for Markup {
    fn from(html: String) -> Self {
        Self { html, ..Self::default() }
    }
}

/// A reference to a footnote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gap {
    /// Where it goes, in bytes.
    pub(crate) at: usize,
    /// The footnote's label, as it was written.
    pub(crate) label: String,
    /// Inside a link, where no other link can be.
    pub(crate) linked: bool,
}

/// A footnote: what it is called, and its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) label: String,
    pub(crate) markup: Markup,
}

/// What a section becomes.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// One element each.
    pub(crate) blocks: Vec<Markup>,
    pub(crate) notes: Vec<Note>,
}

/// Writes a block of the document and those behind it.
pub(crate) fn blocks(first: Option<Node<'_>>, names: &[String]) -> Written {
    let mut writer = Writer { names, ..Writer::default() };
    for node in first.into_iter().flat_map(|first| first.following_siblings()) {
        writer.block(node);
        let block = std::mem::take(&mut writer.out);
        if !block.html.is_empty() {
            writer.written.blocks.push(block);
        }
    }
    writer.written
}

/// `<pre><code …>` for a code block, by the line that opened it. [`CODE_END`] closes it.
pub(crate) fn code_start(info: &str) -> String {
    let mut start = String::from("<pre><code");
    let language = info.split([' ', '\t', ',', '{']).next().unwrap_or_default();
    let sound = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'+' | b'#' | b'.');
    if (1..=LONGEST_LANGUAGE).contains(&language.len()) && language.bytes().all(sound) {
        // The place where highlighting will look which language it is.
        html::attribute(&mut start, "class", &format!("language-{}", language.to_ascii_lowercase()));
    }
    start.push('>');
    start
}

pub(crate) const CODE_END: &str = "</code></pre>";

enum Step<'a> {
    Enter(Node<'a>),
    Leave(Leave),
}

/// What is to be done behind the children of a node.
enum Leave {
    Tag(&'static str),
    Block(&'static str),
    Inline(&'static str),
    Link,
    List(&'static str),
    Note(String, Markup),
}

#[derive(Default)]
struct Writer<'n> {
    names: &'n [String],
    out: Markup,
    written: Written,
    /// Elements that are open, of each sort that is limited.
    blocks: usize,
    inlines: usize,
    links: usize,
    /// Cells written of the row that is open.
    column: usize,
    /// For each list that is open in the tree: whether it is in the markup too.
    lists: Vec<bool>,
}

impl Writer<'_> {
    fn block(&mut self, node: Node<'_>) {
        let mut steps = vec![Step::Enter(node)];
        while let Some(step) = steps.pop() {
            match step {
                Step::Enter(node) => {
                    let (leave, inside) = self.enter(node);
                    steps.extend(leave.map(Step::Leave));
                    if inside {
                        steps.extend(node.reverse_children().map(Step::Enter));
                    }
                }
                Step::Leave(leave) => self.leave(leave),
            }
        }
    }

    /// Writes what is in front of a node's children. Returns what is behind them, and whether to write them at all.
    fn enter(&mut self, node: Node<'_>) -> (Option<Leave>, bool) {
        let data = node.data();
        match &data.value {
            NodeValue::Paragraph if self.is_tight(node) => (None, true),
            NodeValue::Paragraph => self.tag("<p>", "</p>"),
            NodeValue::Heading(heading) => match heading.level {
                0 | 1 => self.tag("<h3>", "</h3>"),
                2 => self.tag("<h4>", "</h4>"),
                3 => self.tag("<h5>", "</h5>"),
                _ => self.tag("<h6>", "</h6>"),
            },
            NodeValue::ThematicBreak => self.only("<hr>"),
            NodeValue::CodeBlock(code) => {
                self.out.html.push_str(&code_start(&code.info));
                html::text(&mut self.out.html, &code.literal);
                self.only(CODE_END)
            }
            NodeValue::HtmlBlock(block) => {
                self.out.html.push_str("<p class=\"raw\">");
                html::lines(&mut self.out.html, &block.literal);
                self.only("</p>")
            }
            NodeValue::BlockQuote if self.blocks < DEEPEST_BLOCK => {
                self.blocks += 1;
                self.out.html.push_str("<blockquote>");
                (Some(Leave::Block("</blockquote>")), true)
            }
            NodeValue::List(list) => (Some(self.list(list)), true),
            NodeValue::Item(_) if self.in_list() => self.tag("<li>", "</li>"),
            NodeValue::TaskItem(task) if self.in_list() => {
                // The box has no label of its own; what it says is told to who cannot see it.
                let state = if task.symbol.is_some() { " checked=\"\" aria-label=\"done\"" } else { " aria-label=\"to do\"" };
                let start = format!("<li class=\"task\"><input type=\"checkbox\" disabled=\"\"{state}> ");
                self.tag(&start, "</li>")
            }
            NodeValue::Table(_) => self.tag("<table>", "</table>"),
            NodeValue::TableRow(header) => self.row(node, *header),
            NodeValue::TableCell => self.cell(node),
            NodeValue::FootnoteDefinition(note) => {
                let around = std::mem::take(&mut self.out);
                (Some(Leave::Note(note.name.clone(), around)), true)
            }
            NodeValue::Text(text) => {
                self.text(text);
                (None, false)
            }
            NodeValue::SoftBreak | NodeValue::LineBreak => self.only("<br>"),
            NodeValue::Code(code) => {
                self.out.html.push_str("<code>");
                html::text(&mut self.out.html, &code.literal);
                self.only("</code>")
            }
            NodeValue::HtmlInline(raw) => {
                html::lines(&mut self.out.html, raw);
                (None, false)
            }
            NodeValue::Emph => self.inline("<em>", "</em>"),
            NodeValue::Strong => self.inline("<strong>", "</strong>"),
            NodeValue::Strikethrough => self.inline("<del>", "</del>"),
            NodeValue::Link(link) => self.link(link),
            NodeValue::Image(image) => {
                self.image(node, image);
                (None, false)
            }
            NodeValue::FootnoteReference(reference) => {
                let label: String = reference.texts.iter().map(|(text, _)| text.as_str()).collect();
                let label = label.strip_prefix('^').unwrap_or(&reference.name).to_owned();
                self.out.gaps.push(Gap { at: self.out.html.len(), label, linked: self.links > 0 });
                (None, false)
            }
            // Quotes, items and the like that are nested too deep; extensions that the dialect does not have.
            _ => (None, true),
        }
    }

    fn leave(&mut self, leave: Leave) {
        let tag = match leave {
            Leave::Tag(tag) => tag,
            Leave::Block(tag) => {
                self.blocks -= 1;
                tag
            }
            Leave::Inline(tag) => {
                self.inlines -= 1;
                tag
            }
            Leave::Link => {
                self.links -= 1;
                "</a>"
            }
            Leave::List(tag) => {
                if self.lists.pop() == Some(true) {
                    self.blocks -= 1;
                }
                tag
            }
            Leave::Note(label, around) => {
                let markup = std::mem::replace(&mut self.out, around);
                self.written.notes.push(Note { label, markup });
                ""
            }
        };
        self.out.html.push_str(tag);
    }

    fn only(&mut self, markup: &str) -> (Option<Leave>, bool) {
        self.out.html.push_str(markup);
        (None, false)
    }

    fn tag(&mut self, start: &str, end: &'static str) -> (Option<Leave>, bool) {
        self.out.html.push_str(start);
        (Some(Leave::Tag(end)), true)
    }

    fn inline(&mut self, start: &str, end: &'static str) -> (Option<Leave>, bool) {
        if self.inlines >= DEEPEST_INLINE {
            return (None, true);
        }
        self.inlines += 1;
        self.out.html.push_str(start);
        (Some(Leave::Inline(end)), true)
    }

    fn list(&mut self, list: &NodeList) -> Leave {
        let shown = self.blocks < DEEPEST_BLOCK;
        self.lists.push(shown);
        if !shown {
            return Leave::List("");
        }
        self.blocks += 1;
        match list.list_type {
            ListType::Bullet => {
                self.out.html.push_str(if list.is_task_list { "<ul class=\"tasks\">" } else { "<ul>" });
                Leave::List("</ul>")
            }
            ListType::Ordered => {
                self.out.html.push_str("<ol");
                if list.start != 1 {
                    html::attribute(&mut self.out.html, "start", &list.start.to_string());
                }
                self.out.html.push('>');
                Leave::List("</ol>")
            }
        }
    }

    fn in_list(&self) -> bool {
        self.lists.last() == Some(&true)
    }

    /// Whether a paragraph is the text of an item in a list without blank lines, and so has no tag of its own.
    fn is_tight(&self, paragraph: Node<'_>) -> bool {
        let list = paragraph.parent().and_then(|item| item.parent());
        self.in_list() && list.is_some_and(|list| matches!(&list.data().value, NodeValue::List(list) if list.tight))
    }

    fn row(&mut self, row: Node<'_>, header: bool) -> (Option<Leave>, bool) {
        let last = row.next_sibling().is_none();
        self.column = 0;
        if header {
            return self.tag("<thead><tr>", "</tr></thead>");
        }
        let previous = row.previous_sibling();
        let first = previous.is_none_or(|row| matches!(row.data().value, NodeValue::TableRow(true)));
        self.tag(if first { "<tbody><tr>" } else { "<tr>" }, if last { "</tr></tbody>" } else { "</tr>" })
    }

    fn cell(&mut self, cell: Node<'_>) -> (Option<Leave>, bool) {
        let column = self.column;
        self.column += 1;
        let row = cell.parent();
        let header = row.is_some_and(|row| matches!(row.data().value, NodeValue::TableRow(true)));
        let alignment = row.and_then(|row| row.parent()).and_then(|table| match &table.data().value {
            NodeValue::Table(table) => table.alignments.get(column).copied(),
            _ => None,
        });
        let class = match alignment {
            Some(TableAlignment::Left) => " class=\"left\"",
            Some(TableAlignment::Center) => " class=\"center\"",
            Some(TableAlignment::Right) => " class=\"right\"",
            Some(TableAlignment::None) | None => "",
        };
        let (start, end) = if header { ("<th", "</th>") } else { ("<td", "</td>") };
        self.tag(&format!("{start}{class}>"), end)
    }

    fn text(&mut self, text: &str) {
        let mut from = 0;
        if self.links == 0 {
            while let Some(mention) = mention::next(text, from, self.names) {
                html::text(&mut self.out.html, &text[from..mention.start]);
                self.out.html.push_str("<span class=\"mention\"");
                html::attribute(&mut self.out.html, "data-name", &self.names[mention.name]);
                self.out.html.push('>');
                html::text(&mut self.out.html, &text[mention.start..mention.end]);
                self.out.html.push_str("</span>");
                self.out.mentioned.insert(mention.name);
                from = mention.end;
            }
        }
        html::text(&mut self.out.html, &text[from..]);
    }

    fn link(&mut self, link: &NodeLink) -> (Option<Leave>, bool) {
        match link::address(&link.url) {
            Some(address) if self.links == 0 => {
                self.open_link(&address, &link.title, None);
                (Some(Leave::Link), true)
            }
            _ => (None, true),
        }
    }

    fn image(&mut self, node: Node<'_>, image: &NodeLink) {
        let mut alternative = plain(node);
        if alternative.trim().is_empty() {
            alternative.clone_from(&image.url);
        }
        match link::address(&image.url) {
            Some(address) if self.links == 0 => {
                self.open_link(&address, &image.title, Some("outside-image"));
                html::text(&mut self.out.html, &alternative);
                self.leave(Leave::Link);
            }
            _ => html::text(&mut self.out.html, &alternative),
        }
    }

    fn open_link(&mut self, address: &str, title: &str, class: Option<&str>) {
        let out = &mut self.out.html;
        out.push_str("<a");
        if let Some(class) = class {
            html::attribute(out, "class", class);
        }
        html::attribute(out, "href", address);
        if !title.is_empty() && title.len() <= LONGEST_TITLE {
            html::attribute(out, "title", title);
        }
        out.push_str(" rel=\"noopener noreferrer nofollow\" target=\"_blank\">");
        self.links += 1;
    }
}

/// The text below a node, without any markup.
pub(crate) fn plain(node: Node<'_>) -> String {
    let mut text = String::new();
    for node in node.descendants() {
        match &node.data().value {
            NodeValue::Text(part) => text.push_str(part),
            NodeValue::Code(code) => text.push_str(&code.literal),
            NodeValue::HtmlInline(raw) => text.push_str(raw),
            NodeValue::SoftBreak | NodeValue::LineBreak => text.push(' '),
            _ => {}
        }
    }
    text
}
