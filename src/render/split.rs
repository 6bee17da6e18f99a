//! Where a text can be cut so that its parts mean the same apart as together.
//!
//! A **section** is a run of whole lines that starts a new block of the document whatever came before it. Sections
//! are found line by line, from the lines alone: where a text is cut does not depend on how it arrived, what is
//! finished stays finished, and a growing reply costs the section that is open, not the reply.
//!
//! A section begins at a line without indentation
//!
//! - behind a blank line, unless a list could go on (a list, its items apart, is one section);
//! - that opens a fence or is a heading (`#`), since these end whatever is open;
//!
//! and it ends behind a heading, the end of a fence or of an HTML block. Inside a fence, or an HTML block that
//! blank lines do not end, no section begins. Where the lines alone do not tell whether such a block lies
//! in a list item or beside it, the rest of the text is one section: right, only slower.

/// What a section holds, as far as it matters outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any Markdown.
    Flow,
    /// A fenced code block without indentation: the line that opens it, code, and, if it came, the line that closes.
    Fence(Fence),
}

/// The line that opens a code block: how often it repeats which character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fence {
    mark: u8,
    length: usize,
}

#[derive(Debug, Clone, Copy)]
enum Inside {
    Flow,
    Fence(Fence),
    /// An HTML block up to a line with one of these.
    Html(&'static [&'static str]),
    /// The rest of the text.
    Unclear,
}

/// Where a line cuts the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Nowhere,
    /// A section begins with the line.
    Before,
    /// The section ends with the line.
    After,
    /// The line is a section.
    Around,
}

impl Cut {
    fn new(before: bool, after: bool) -> Self {
        match (before, after) {
            (false, false) => Self::Nowhere,
            (true, false) => Self::Before,
            (false, true) => Self::After,
            (true, true) => Self::Around,
        }
    }

    pub(crate) fn is_before(self) -> bool {
        matches!(self, Self::Before | Self::Around)
    }

    pub(crate) fn is_after(self) -> bool {
        matches!(self, Self::After | Self::Around)
    }
}

/// Reads the lines of a section, and the one behind it. Behind a section's end there must be a new one.
#[derive(Debug, Clone)]
pub(crate) struct Splitter {
    inside: Inside,
    kind: Kind,
    /// Nothing but blank lines so far: the first line begins no second section.
    empty: bool,
    after_blank: bool,
    /// The section may hold a list.
    list: bool,
    /// Columns by which a line is indented that belongs to the open outermost list item; 0 if there is none.
    item: usize,
    /// A line came that goes on the item's paragraph, or ends its list: the lines alone do not tell.
    doubtful: bool,
    /// An HTML block may be open that ends at the next blank line.
    html: bool,
}

impl Splitter {
    pub(crate) fn new() -> Self {
        Self { inside: Inside::Flow, kind: Kind::Flow, empty: true, after_blank: false, list: false, item: 0, doubtful: false, html: false }
    }

    /// One that never cuts.
    #[cfg(test)]
    pub(crate) fn unclear() -> Self {
        Self { inside: Inside::Unclear, ..Self::new() }
    }

    /// Reads the next line, without its end.
    pub(crate) fn line(&mut self, line: &str) -> Cut {
        match self.inside {
            Inside::Unclear => Cut::Nowhere,
            Inside::Fence(fence) => Cut::new(false, fence.is_closed_by(line)),
            Inside::Html(ends) => Cut::new(false, contains_any(line, ends)),
            Inside::Flow => self.flow(line),
        }
    }

    /// What the section that is open now holds.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The fence that is open without indentation, if the last line read is inside one.
    pub(crate) fn open_fence(&self) -> Option<Fence> {
        match (self.inside, self.kind) {
            (Inside::Fence(fence), Kind::Fence(_)) => Some(fence),
            _ => None,
        }
    }

    fn flow(&mut self, line: &str) -> Cut {
        let (indent, content) = indentation(line);
        if content.is_empty() {
            self.after_blank = true;
            self.html = false;
            return Cut::Nowhere;
        }
        let fence = if indent < 4 { Fence::opened_by(content) } else { None };
        let heading = indent < 4 && is_heading(content);
        let marker = if indent < 4 { marker(content) } else { None };

        // A code block has a section of its own, without the blank lines that a text may begin with.
        let code = fence.is_some() && indent == 0 && self.empty && self.after_blank;
        let begins = code
            || !self.empty
                && indent == 0
                && (self.after_blank && !(self.list && marker.is_some()) || !self.html && (fence.is_some() || heading));
        if begins || self.empty {
            *self = Self { empty: false, ..Self::new() };
        }
        let after_text = !begins && !self.after_blank;
        self.after_blank = false;

        if heading && indent == 0 && !self.html {
            return Cut::new(begins, true);
        }
        if let Some(fence) = fence {
            if indent == 0 && !self.html {
                // Such a line always begins a section.
                self.kind = Kind::Fence(fence);
                self.inside = Inside::Fence(fence);
            } else if self.doubtful || self.html {
                self.inside = Inside::Unclear;
            } else if self.item == 0 || indent < self.item {
                self.inside = Inside::Fence(fence);
            }
            return Cut::new(begins, false);
        }
        let outside = self.item == 0 || indent < self.item;
        if indent < 4 && content.starts_with('<') && (outside || self.doubtful) {
            if let Some(ends) = html_ends(content)
                && !contains_any(content, ends)
            {
                self.inside = if self.doubtful || self.html { Inside::Unclear } else { Inside::Html(ends) };
            }
            self.html = true;
        }
        self.follow_list(indent, content, marker, after_text);
        Cut::new(begins, false)
    }

    /// Keeps track of the outermost list item.
    fn follow_list(&mut self, indent: usize, content: &str, marker: Option<usize>, after_text: bool) {
        match marker {
            Some(width) if self.item == 0 || indent < self.item => {
                // A ruler looks like a marker, some markers do not end a paragraph, and an item without text ends with
                // a blank line.
                let ruler = content.bytes().all(|b| matches!(b, b'*' | b'-' | b'_' | b' ' | b'\t'));
                let bare = !content.contains([' ', '\t']) || content.trim_end().len() < width;
                self.doubtful |= ruler || bare || after_text && !self.list;
                self.list = true;
                self.item = indent + width;
            }
            None if self.item > 0 && indent < self.item => self.doubtful = true,
            _ => {}
        }
    }
}

impl Fence {
    pub(crate) fn opened_by(content: &str) -> Option<Self> {
        let mark = *content.as_bytes().first()?;
        if !matches!(mark, b'`' | b'~') {
            return None;
        }
        let length = content.bytes().take_while(|b| *b == mark).count();
        let info = &content[length..];
        (length >= 3 && (mark == b'~' || !info.contains('`'))).then_some(Self { mark, length })
    }

    /// Whether a line without its end closes this fence.
    pub(crate) fn is_closed_by(self, line: &str) -> bool {
        let (indent, content) = indentation(line);
        let length = content.bytes().take_while(|b| *b == self.mark).count();
        indent < 4 && length >= self.length && content[length..].trim_matches([' ', '\t']).is_empty()
    }

    /// Whether a line without its end is, or may still become, the line that closes this fence.
    pub(crate) fn may_be_closed_by(self, line: &str) -> bool {
        let (indent, content) = indentation(line);
        let length = content.bytes().take_while(|b| *b == self.mark).count();
        let rest = content[length..].trim_matches([' ', '\t']);
        indent < 4 && (length == content.len() || length >= self.length && rest.is_empty())
    }
}

/// Columns of white space that a line begins with, and what is behind them.
pub(crate) fn indentation(line: &str) -> (usize, &str) {
    let content = line.trim_start_matches([' ', '\t']);
    let mut columns = 0;
    for byte in line[..line.len() - content.len()].bytes() {
        columns += if byte == b'\t' { 4 - columns % 4 } else { 1 };
    }
    (columns, content)
}

fn is_heading(content: &str) -> bool {
    let level = content.bytes().take_while(|b| *b == b'#').count();
    (1..=6).contains(&level) && matches!(content.as_bytes().get(level), None | Some(b' ' | b'\t'))
}

/// If a line begins with a list marker: by how many columns the item's content is indented behind it.
pub(crate) fn marker(content: &str) -> Option<usize> {
    let digits = content.bytes().take_while(u8::is_ascii_digit).count();
    let length = match content.as_bytes().get(digits)? {
        b'-' | b'+' | b'*' if digits == 0 => 1,
        b'.' | b')' if (1..=9).contains(&digits) => digits + 1,
        _ => return None,
    };
    let rest = &content[length..];
    if !rest.is_empty() && !rest.starts_with([' ', '\t']) {
        return None;
    }
    let (space, text) = indentation(rest);
    Some(length + if text.is_empty() || space > 4 { 1 } else { space })
}

/// For a line that opens an HTML block which blank lines do not end: what ends it.
fn html_ends(content: &str) -> Option<&'static [&'static str]> {
    let behind = content.strip_prefix('<')?;
    if let Some(declaration) = behind.strip_prefix('!') {
        return if declaration.starts_with("--") {
            Some(&["-->"])
        } else if declaration.starts_with("[CDATA[") {
            Some(&["]]>"])
        } else if declaration.starts_with(|c: char| c.is_ascii_alphabetic()) {
            Some(&[">"])
        } else {
            None
        };
    }
    if behind.starts_with('?') {
        return Some(&["?>"]);
    }
    let name = behind.bytes().take_while(u8::is_ascii_alphabetic).count();
    let verbatim = ["script", "pre", "style", "textarea"].iter().any(|tag| behind[..name].eq_ignore_ascii_case(tag));
    let ends = matches!(behind.as_bytes().get(name), None | Some(b' ' | b'\t' | b'>'));
    (verbatim && ends).then_some(&["</script>", "</pre>", "</style>", "</textarea>"])
}

fn contains_any(line: &str, ends: &[&str]) -> bool {
    let line = line.to_ascii_lowercase();
    ends.iter().any(|end| line.contains(&end.to_ascii_lowercase()))
}
