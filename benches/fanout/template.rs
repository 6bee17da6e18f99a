//! A frame as Parlor really sends it, in which only the mark changes: so that everyone writes the same bytes.

use std::path::Path;

use crate::load::find_mark;

#[derive(Clone, Debug)]
pub struct Template {
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Template {
    pub fn new(frame: &[u8]) -> Result<Self, String> {
        let mark = find_mark(frame).ok_or("a frame without a mark")?;
        let (before, after) = (frame[..mark.start].to_vec(), frame[mark.end..].to_vec());
        match find_mark(&after) {
            None => Ok(Self { before, after }),
            Some(_) => Err("a frame has its text twice, and this counts marks".into()),
        }
    }

    pub fn read(path: &Path) -> Result<Self, String> {
        Self::new(&std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?)
    }

    pub fn write(&self, path: &Path) -> Result<(), String> {
        let mark = crate::load::mark(0, 0);
        std::fs::write(path, [&self.before, mark.as_bytes(), &self.after].concat()).map_err(|error| format!("{}: {error}", path.display()))
    }

    pub fn len(&self) -> usize {
        self.before.len() + crate::load::MARK_BYTES + self.after.len()
    }

    /// The frame with the mark that stands in a posted body.
    pub fn frame(&self, body: &[u8]) -> Option<Vec<u8>> {
        find_mark(body).map(|mark| [&self.before, &body[mark], &self.after].concat())
    }

    /// The same without the frame around it: its `id`, and its `data` with the mark.
    pub fn parts(&self, body: &[u8]) -> Option<(String, String)> {
        let frame = String::from_utf8(self.frame(body)?).ok()?;
        let line = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
        Some((line("id: ")?, line("data: ")?))
    }
}
