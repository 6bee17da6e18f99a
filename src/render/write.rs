//! Tree → markup.
//!
//! Walks the tree with a stack of its own, so no depth of nesting can overflow the thread's, and writes a small fixed
//! vocabulary. Decisions that are ours and not the parser's:
//!
//! - line breaks are kept: who breaks a line in a chat means it;
//! - headings start at `<h3>`: a message makes no title of the page;
//! - raw HTML is text, shown as it was written;
//! - images from elsewhere are links, never loaded;
//! - a table that is wide can be scrolled by itself, with the keyboard too;
//! - what a task's box says is its item's own text: markup is stored once for readers of all languages, so it holds no
//!   words of the interface;
//! - beyond a depth that nobody reads, quotes, lists and emphasis keep their text and lose their tags.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use comrak::nodes::{ListType, Node, NodeLink, NodeList, NodeValue, TableAlignment};

use crate::render::Room;
use crate::render::math::{self, Marks};
use crate::render::source::LINE_END;
use crate::render::{emoji, highlight, html, lang, link, mention};

/// How deep quotes and lists, and emphasis, nest in markup.
const DEEPEST_BLOCK: usize = 24;
const DEEPEST_INLINE: usize = 12;

/// Longest title of a link, in bytes. Longer ones are left out.
const LONGEST_TITLE: usize = 300;

/// Widths of tables, in CSS pixels: of a line on a phone, of a letter, and of what stands beside a cell's text; and between
/// how many letters a column is made for.
const PHONE: usize = 320;
const LETTER: usize = 8;
const BESIDE_TEXT: usize = 24;
const NARROW: usize = 2;
const WIDE: usize = 16;

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

/// What a text can refer to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    /// People and assistants.
    pub(crate) names: &'a mention::Names<String>,
    /// Rooms with their ids.
    pub(crate) rooms: &'a mention::Names<Room>,
}

/// Writes a block of the document and those behind it. `grows`: what is not closed at the end may still be.
pub(crate) fn blocks(first: Option<Node<'_>>, known: Known<'_>, grows: bool) -> Written {
    let mut writer = Writer {
        known,
        grows,
        out: Markup::default(),
        written: Written::default(),
        blocks: 0,
        inlines: 0,
        links: 0,
        bare: false,
        column: 0,
        lists: Vec::new(),
    };
    for node in first.into_iter().flat_map(|first| first.following_siblings()) {
        writer.block(node);
        let block = std::mem::take(&mut writer.out);
        if !block.html.is_empty() {
            writer.written.blocks.push(block);
        }
    }
    writer.written
}

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

struct Writer<'n> {
    known: Known<'n>,
    grows: bool,
    out: Markup,
    written: Written,
    /// Elements that are open, of each sort that is limited.
    blocks: usize,
    inlines: usize,
    links: usize,
    /// The link that is open shows its address: nothing in that means anything else.
    bare: bool,
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
            NodeValue::Paragraph => self.paragraph(node),
            NodeValue::Heading(heading) => match heading.level {
                0 | 1 => self.in_language("<h3", node, "</h3>"),
                2 => self.in_language("<h4", node, "</h4>"),
                3 => self.in_language("<h5", node, "</h5>"),
                _ => self.in_language("<h6", node, "</h6>"),
            },
            NodeValue::ThematicBreak => self.only("<hr>"),
            NodeValue::CodeBlock(code) if is_math(&code.info) && (code.closed || !self.grows) => {
                self.out.html.push_str(&math_block(&code.literal));
                (None, false)
            }
            NodeValue::CodeBlock(code) if is_math(&code.info) => self.only(AWAITED),
            NodeValue::CodeBlock(code) => {
                highlight::block(&mut self.out.html, &code.info, &code.literal);
                (None, false)
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
            NodeValue::Item(_) if self.in_list() => self.in_language("<li", node, "</li>"),
            NodeValue::TaskItem(task) if self.in_list() => {
                let (leave, inside) = self.in_language("<li class=\"task\"", node, "</li>");
                if !node.first_child().is_some_and(|child| matches!(child.data().value, NodeValue::Paragraph)) {
                    self.out.html.push_str(&task_box(task.symbol.is_some()));
                }
                (leave, inside)
            }
            NodeValue::Table(_) => {
                let columns = columns(node);
                let reachable = if columns.iter().sum::<usize>() > PHONE { " tabindex=\"0\"" } else { "" };
                let _ = write!(self.out.html, "<div class=\"table\"{reachable}><table><colgroup>");
                for width in columns {
                    let _ = write!(self.out.html, "<col width=\"{width}\">");
                }
                self.tag("</colgroup>", "</table></div>")
            }
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
            NodeValue::SoftBreak | NodeValue::LineBreak if stands_apart(node) => (None, false),
            NodeValue::SoftBreak | NodeValue::LineBreak => self.only("<br>"),
            NodeValue::Math(_) => {
                self.math(node);
                (None, false)
            }
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
            NodeValue::Link(link) => self.link(node, link),
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
                self.bare = false;
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

    /// A paragraph, or the text of an item in a list without blank lines, which has no tag of its own. That of a task
    /// labels its box.
    fn paragraph(&mut self, paragraph: Node<'_>) -> (Option<Leave>, bool) {
        let item = paragraph.parent();
        let list = item.and_then(|item| item.parent());
        let tight = self.in_list() && list.is_some_and(|list| matches!(&list.data().value, NodeValue::List(list) if list.tight));
        let first = paragraph.previous_sibling().is_none();
        let done = item.and_then(|item| match &item.data().value {
            NodeValue::TaskItem(task) if first && self.in_list() => Some(task.symbol.is_some()),
            _ => None,
        });
        let leave = match (tight, done.is_some()) {
            (true, false) => None,
            (true, true) => Some(Leave::Tag("</label>")),
            (false, false) => Some(Leave::Tag("</p>")),
            (false, true) => Some(Leave::Tag("</label></p>")),
        };
        if !tight {
            self.language("<p", paragraph);
        }
        if let Some(done) = done {
            self.out.html.push_str(&format!("<label>{} ", task_box(done)));
        }
        (leave, true)
    }

    /// An element with the language of its text.
    fn in_language(&mut self, start: &str, node: Node<'_>, end: &'static str) -> (Option<Leave>, bool) {
        self.language(start, node);
        (Some(Leave::Tag(end)), true)
    }

    fn language(&mut self, start: &str, node: Node<'_>) {
        self.out.html.push_str(start);
        if let Some(language) = lang::of(node) {
            html::attribute(&mut self.out.html, "lang", language);
        }
        self.out.html.push('>');
    }

    fn math(&mut self, node: Node<'_>) {
        let data = node.data();
        let NodeValue::Math(formula) = &data.value else { return };
        let (start, end) = (data.sourcepos.start, data.sourcepos.end);
        // The parser does not tell which marks it found, but where.
        let longer = start.line == end.line && end.column + 1 - start.column.min(end.column) == formula.literal.len() + 4;
        let marks = match (formula.display_math, longer) {
            (false, false) if is_money(node, &formula.literal) => {
                self.text(&format!("${}$", formula.literal));
                return;
            }
            (false, false) => Marks::Dollar,
            (false, true) => Marks::Parentheses,
            (true, _) => Marks::Dollars,
        };
        math::formula(&mut self.out.html, &formula.literal.replace(LINE_END, "\n"), marks);
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
        self.in_language(&format!("{start}{class}"), cell, end)
    }

    /// Text, with what is mentioned in it and emoji in the place of their names.
    fn text(&mut self, text: &str) {
        if self.bare {
            return html::text(&mut self.out.html, text);
        }
        let Known { names, rooms } = self.known;
        let plain = self.links == 0;
        let mut mentions =
            Ahead::new(|from| mention::next(text, from, mention::AT, names).filter(|_| plain).map(|m| (m.start, m.end, m.name)));
        let mut links =
            Ahead::new(|from| mention::next(text, from, mention::NUMBER, rooms).filter(|_| plain).map(|m| (m.start, m.end, m.name)));
        let mut emojis = Ahead::new(|from| emoji::next(text, from).map(|e| (e.start, e.end, e.emoji)));
        let mut from = 0;
        loop {
            let (person, room, emoji) = (mentions.from(from), links.from(from), emojis.from(from));
            let starts = [person.map(|p| p.0), room.map(|r| r.0), emoji.map(|e| e.0)];
            let Some(start) = starts.into_iter().flatten().min() else { break };
            let out = &mut self.out.html;
            html::text(out, &text[from..start]);
            if let Some((_, end, name)) = person.filter(|p| p.0 == start) {
                out.push_str("<span class=\"mention\"");
                html::attribute(out, "data-name", &names[name]);
                out.push('>');
                html::text(out, &text[start..end]);
                out.push_str("</span>");
                self.out.mentioned.insert(name);
                from = end;
            } else if let Some((_, end, room)) = room.filter(|r| r.0 == start) {
                out.push_str("<a class=\"room-link\"");
                html::attribute(out, "href", &format!("/rooms/{}", rooms[room].id));
                out.push('>');
                html::text(out, &text[start..end]);
                out.push_str("</a>");
                from = end;
            } else if let Some((_, end, emoji)) = emoji {
                html::text(out, emoji);
                from = end;
            }
        }
        html::text(&mut self.out.html, &text[from..]);
    }

    fn link(&mut self, node: Node<'_>, link: &NodeLink) -> (Option<Leave>, bool) {
        let shown = node.first_child().filter(|first| first.next_sibling().is_none()).and_then(|first| match &first.data().value {
            NodeValue::Text(text) if link.url.ends_with(&**text) => Some(text.clone()),
            _ => None,
        });
        if let Some(text) = &shown
            && link::end_of_bare(text) < text.len()
            && self.links == 0
        {
            self.bare_links(text);
            return (None, false);
        }
        match link::address(&link.url) {
            Some(address) if self.links == 0 => {
                self.open_link(&address, &link.title, None);
                self.bare = shown.is_some();
                (Some(Leave::Link), true)
            }
            _ => (None, true),
        }
    }

    /// What the parser took for one address, although Chinese punctuation ends it: perhaps several, and text.
    fn bare_links(&mut self, mut rest: &str) {
        loop {
            let (written, behind) = rest.split_at(link::end_of_bare(rest));
            let scheme = if written.starts_with("www.") { "http://" } else { "" };
            match link::address(&format!("{scheme}{written}")) {
                Some(address) => {
                    self.open_link(&address, "", None);
                    html::text(&mut self.out.html, written);
                    self.leave(Leave::Link);
                }
                None => html::text(&mut self.out.html, written),
            }
            let next = ["https://", "http://", "www."].iter().filter_map(|start| behind.find(start)).min();
            self.text(&behind[..next.unwrap_or(behind.len())]);
            let Some(next) = next else { return };
            rest = &behind[next..];
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

fn task_box(done: bool) -> String {
    format!("<input type=\"checkbox\" disabled=\"\"{}>", if done { " checked=\"\"" } else { "" })
}

/// A formula that is being written: it has no shape yet.
pub(crate) const AWAITED: &str = "<p class=\"awaited\"></p>";

/// Whether the line that opens a code block says that it holds a formula.
pub(crate) fn is_math(info: &str) -> bool {
    info.split([' ', '\t', '{']).next() == Some("math")
}

/// A formula from a code block.
pub(crate) fn math_block(latex: &str) -> String {
    let mut block = String::from("<p>");
    math::formula(&mut block, latex.trim(), Marks::Fence);
    block.push_str("</p>");
    block
}

/// Whether what stands between dollars is no formula but prices or names of variables in a shell.
fn is_money(formula: Node<'_>, literal: &str) -> bool {
    let text = |node: Option<Node<'_>>, last: bool| {
        node.and_then(|node| match &node.data().value {
            NodeValue::Text(text) if last => text.chars().next_back(),
            NodeValue::Text(text) => text.chars().next(),
            _ => None,
        })
    };
    let in_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let digit = literal.starts_with(|c: char| c.is_ascii_digit());
    let latex = literal.contains(['\\', '^', '_', '=', '{']);
    let variable = literal.len() > 2 && literal.bytes().take(2).all(|b| b.is_ascii_uppercase() || b == b'_');
    let before = in_word(text(formula.previous_sibling(), true));
    let behind = in_word(text(formula.next_sibling(), false));
    before && digit && !latex || behind && (variable || literal.len() > 2 && !latex)
}

/// Whether a line break stands beside a formula that has lines of its own anyway.
fn stands_apart(line_break: Node<'_>) -> bool {
    let display =
        |node: Option<Node<'_>>| node.is_some_and(|node| matches!(&node.data().value, NodeValue::Math(math) if math.display_math));
    display(line_break.previous_sibling()) || display(line_break.next_sibling())
}

/// How wide each column of a table is at least, in CSS pixels; what room there is besides is shared in the same proportion.
///
/// The head alone decides, which is whole before the table is shown: were it the widest cell, all columns would move with each
/// row that grows. Longer text takes more lines.
fn columns(table: Node<'_>) -> Vec<usize> {
    let letters = |cell: Node<'_>| plain(cell).chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum::<usize>();
    let head = table.first_child();
    head.iter().flat_map(|row| row.children()).map(|cell| BESIDE_TEXT + LETTER * letters(cell).clamp(NARROW, WIDE)).collect()
}

/// Things that are looked for in a text from left to right: what was found is looked for again only once it is passed, so
/// that looking for several kinds costs each of them one walk.
struct Ahead<T, F> {
    find: F,
    /// The last answer; nothing before the first question.
    found: Option<Option<(usize, usize, T)>>,
}

impl<T: Copy, F: Fn(usize) -> Option<(usize, usize, T)>> Ahead<T, F> {
    fn new(find: F) -> Self {
        Self { find, found: None }
    }

    /// The first at or behind this byte.
    fn from(&mut self, from: usize) -> Option<(usize, usize, T)> {
        if self.found.is_none_or(|found| found.is_some_and(|(start, ..)| start < from)) {
            self.found = Some((self.find)(from));
        }
        self.found.flatten()
    }
}

/// The text below a node, without any markup.
pub(crate) fn plain(node: Node<'_>) -> String {
    let mut text = String::new();
    for node in node.descendants() {
        match &node.data().value {
            NodeValue::Text(part) => text.push_str(part),
            NodeValue::Code(code) => text.push_str(&code.literal),
            NodeValue::Math(math) => text.push_str(&math.literal.replace(LINE_END, " ")),
            NodeValue::HtmlInline(raw) => text.push_str(raw),
            NodeValue::SoftBreak | NodeValue::LineBreak => text.push(' '),
            _ => {}
        }
    }
    text
}
