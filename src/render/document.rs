//! A text as sections: what is finished is rendered once, and again only if a later definition changes it.
//!
//! The finished message and the growing reply are both made here. State depends on the text alone: lines are read one
//! by one, and what a line does does not depend on when the next one comes.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use crate::render::footnote::{Filler, Numbers, Undefined};
use crate::render::mention::Names;
use crate::render::parse::{Destination, Links};
use crate::render::source::Source;
use crate::render::split::{Fence, Kind, Splitter};
use crate::render::write::{self, Known, Markup, Note, Written};
use crate::render::{Context, Room, definition, gate, highlight, html, parse};

/// A text, its finished sections, and the one that is open at its end.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    scope: String,
    names: Arc<Names<String>>,
    rooms: Arc<Names<Room>>,
    source: Source,
    splitter: Splitter,
    /// Bytes of whole lines that the splitter has read.
    read: usize,
    /// Where the open section begins.
    open: usize,
    sections: Vec<Section>,
    /// Links that finished sections define.
    links: Arc<Links>,
    /// Sections that would use a link if it were defined, by its label.
    waiting: HashMap<String, Vec<usize>>,
    /// Footnotes that finished sections define: which section, and which of its notes.
    notes: Vec<(usize, usize)>,
}

/// A rendered section.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    source: Range<usize>,
    kind: Kind,
    blocks: Vec<Markup>,
    /// Footnotes it defines, by normalised label.
    notes: Vec<(String, Note)>,
    wanted: Vec<String>,
}

impl Document {
    pub(crate) fn new(cx: &Context<'_>) -> Self {
        let sound = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        Self {
            scope: cx.scope.chars().filter(sound).collect(),
            names: Arc::new(cx.names.into()),
            rooms: Arc::new(cx.rooms.into()),
            source: Source::default(),
            splitter: Splitter::new(),
            read: 0,
            open: 0,
            sections: Vec::new(),
            links: Arc::default(),
            waiting: HashMap::new(),
            notes: Vec::new(),
        }
    }

    /// Makes the whole text one section.
    #[cfg(test)]
    pub(crate) fn never_cut(&mut self) {
        self.splitter = Splitter::unclear();
    }

    /// Appends more of the text. Returns the first section that is new or has changed, if there is one.
    pub(crate) fn push(&mut self, more: &str) -> Option<usize> {
        self.source.push(more);
        let finished = self.read_lines();
        self.finish(finished)
    }

    /// No more text comes: finishes the open section.
    pub(crate) fn end(&mut self) {
        self.source.end();
        let mut finished = self.read_lines();
        let end = self.source.text().len();
        if self.read < end {
            self.read_line(end, end, &mut finished);
        }
        self.cut(end, &mut finished);
        self.finish(finished);
    }

    /// Reads all lines that have ended.
    fn read_lines(&mut self) -> Vec<(Range<usize>, Kind)> {
        let mut finished = Vec::new();
        while let Some(length) = self.source.text()[self.read..].find('\n') {
            self.read_line(self.read + length, self.read + length + 1, &mut finished);
        }
        finished
    }

    /// Reads the line up to `end`; the next one begins at `next`.
    fn read_line(&mut self, end: usize, next: usize, finished: &mut Vec<(Range<usize>, Kind)>) {
        let kind = self.splitter.kind();
        let cut = self.splitter.line(&self.source.text()[self.read..end]);
        if cut.is_before() {
            finished.push((self.open..self.read, kind));
            self.open = self.read;
        }
        self.read = next;
        if cut.is_after() {
            self.cut(next, finished);
        }
    }

    /// Ends the open section.
    fn cut(&mut self, end: usize, finished: &mut Vec<(Range<usize>, Kind)>) {
        finished.push((self.open..end, self.splitter.kind()));
        self.open = end;
        self.splitter = Splitter::new();
    }

    /// The text of the open section.
    pub(crate) fn open_text(&self) -> &str {
        &self.source.text()[self.open..]
    }

    /// Where the last line of the open section begins that may still go on, in bytes of [`Self::open_text`].
    pub(crate) fn open_line(&self) -> usize {
        self.read - self.open
    }

    /// The fence of the open section, if it is a code block that is not closed yet.
    pub(crate) fn open_fence(&self) -> Option<Fence> {
        self.splitter.open_fence()
    }

    /// How many footnotes finished sections define.
    pub(crate) fn notes(&self) -> usize {
        self.notes.len()
    }

    /// Names that finished sections mention, where it shows.
    pub(crate) fn mentioned(&self) -> Vec<String> {
        let mut labels = HashSet::new();
        let notes = self.notes.iter().map(|(section, note)| &self.sections[*section].notes[*note]);
        let notes = notes.filter(|(label, _)| labels.insert(label)).map(|(_, note)| &note.markup);
        let blocks = self.sections.iter().flat_map(|section| &section.blocks);
        let mentioned: BTreeSet<usize> = blocks.chain(notes).flat_map(|markup| markup.mentioned.iter().copied()).collect();
        mentioned.into_iter().map(|name| self.names[name].clone()).collect()
    }

    /// Renders `source` as the open section, with what it defines itself.
    pub(crate) fn render_open(&self, source: &str) -> Section {
        let own = definition::links(source);
        if own.is_empty() {
            return self.render(0..0, self.splitter.kind(), source, &self.links, true);
        }
        let mut links = Links::clone(&self.links);
        add(&mut links, own);
        self.render(0..0, self.splitter.kind(), source, &Arc::new(links), true)
    }

    /// The markup of sections from `first` on, then of `open`, if given, then of the footnotes. `numbers` are those
    /// given by the sections before, and become those given by all finished sections.
    pub(crate) fn shown(&self, first: usize, open: Option<&Section>, undefined: Undefined, numbers: &mut Numbers) -> Shown {
        let finished = self.notes.iter().map(|(section, note)| &self.sections[*section].notes[*note]);
        let notes: Vec<&(String, Note)> = finished.chain(open.into_iter().flat_map(|open| &open.notes)).collect();
        let filler = Filler::new(&self.scope, undefined, &notes);
        let mut blocks = Vec::new();
        let mut starts = Vec::new();
        for section in &self.sections[first..] {
            starts.push(blocks.len());
            blocks.extend(section.blocks.iter().map(|block| gate::pass(&filler.fill(block, numbers))));
        }
        let finished = blocks.len();
        if open.is_some() || !notes.is_empty() {
            let mut numbers = numbers.clone();
            let open = open.into_iter().flat_map(|open| &open.blocks);
            blocks.extend(open.map(|block| gate::pass(&filler.fill(block, &mut numbers))));
            blocks.extend(filler.section(&mut numbers).map(|section| gate::pass(&section)));
        }
        Shown { blocks, starts, finished, has_notes: !notes.is_empty() }
    }

    fn finish(&mut self, finished: Vec<(Range<usize>, Kind)>) -> Option<usize> {
        let new = self.sections.len();
        let mut again = BTreeSet::new();
        for (range, kind) in &finished {
            if *kind == Kind::Flow {
                let own = definition::links(&self.source.text()[range.clone()]);
                for label in add(Arc::make_mut(&mut self.links), own) {
                    again.extend(self.waiting.remove(&label).unwrap_or_default());
                }
            }
        }
        let changed = again.first().copied().or((!finished.is_empty()).then_some(new));
        for index in again {
            let Section { source, kind, .. } = self.sections[index].clone();
            let section = self.render(source.clone(), kind, &self.source.text()[source], &self.links, false);
            self.wait(index, &section);
            self.sections[index] = section;
        }
        for (range, kind) in finished {
            let section = self.render(range.clone(), kind, &self.source.text()[range], &self.links, false);
            self.wait(self.sections.len(), &section);
            self.notes.extend((0..section.notes.len()).map(|note| (self.sections.len(), note)));
            self.sections.push(section);
        }
        changed
    }

    fn wait(&mut self, index: usize, section: &Section) {
        for label in &section.wanted {
            let waiting = self.waiting.entry(label.clone()).or_default();
            if waiting.last() != Some(&index) {
                waiting.push(index);
            }
        }
    }

    /// `grows`: what is not closed at the end of the section may still be.
    fn render(&self, range: Range<usize>, kind: Kind, source: &str, links: &Arc<Links>, grows: bool) -> Section {
        let known = Known { names: &self.names, rooms: &self.rooms };
        let (written, mut wanted) = match kind {
            Kind::Fence(fence) => (code(source, fence, grows), Vec::new()),
            Kind::Flow => {
                let prelude = definition::prelude(source, links);
                match parse::section(source, &prelude, links, |first| write::blocks(first, known, grows)) {
                    Some(parsed) => (parsed.seen, parsed.wanted),
                    None => (as_written(source), Vec::new()),
                }
            }
        };
        wanted.sort_unstable();
        wanted.dedup();
        let notes = written.notes.into_iter().map(|note| (parse::normalised(&note.label), note)).collect();
        Section { source: range, kind, blocks: written.blocks, notes, wanted }
    }
}

/// What a reader sees.
pub(crate) struct Shown {
    pub(crate) blocks: Vec<String>,
    /// For each finished section, which of the blocks is its first.
    pub(crate) starts: Vec<usize>,
    /// How many of the blocks belong to finished sections.
    pub(crate) finished: usize,
    /// The last block is the footnotes.
    pub(crate) has_notes: bool,
}

impl Section {
    /// Labels of the footnotes that this section defines.
    pub(crate) fn note_labels(&self) -> impl Iterator<Item = &str> {
        self.notes.iter().map(|(label, _)| label.as_str())
    }
}

/// A section too costly to understand, as it was written.
pub(crate) fn as_written(source: &str) -> Written {
    let mut html = String::from("<p class=\"raw\">");
    html::lines(&mut html, source.trim_matches('\n'));
    html.push_str("</p>");
    Written { blocks: vec![html.into()], notes: Vec::new() }
}

/// A code block by its section: the line that opens it, code, and perhaps the line that closes it.
fn code(source: &str, fence: Fence, grows: bool) -> Written {
    let (opening, rest) = source.split_once('\n').unwrap_or((source, ""));
    let length = rest.split_inclusive('\n').take_while(|line| !fence.is_closed_by(line.trim_end_matches('\n'))).map(str::len).sum();
    let info = parse::info(opening);
    if write::is_math(&info) {
        // While it grows, the section is open: the line that closes it ends it.
        let block = if grows { write::AWAITED.to_owned() } else { write::math_block(&rest[..length]) };
        return Written { blocks: vec![block.into()], notes: Vec::new() };
    }
    let mut html = String::new();
    highlight::block(&mut html, &info, &rest[..length]);
    Written { blocks: vec![html.into()], notes: Vec::new() }
}

/// Adds definitions; the first of a label counts. Returns the labels that are new.
fn add(links: &mut Links, definitions: Vec<(String, Destination)>) -> Vec<String> {
    let mut added = Vec::new();
    for (label, destination) in definitions {
        links.entry(label.clone()).or_insert_with(|| {
            added.push(label);
            destination
        });
    }
    added
}
