//! What changes in a list of blocks, and what a client does with it.

/// A change of the markup that a client holds as a list of strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// The first block that changes.
    pub block: usize,
    /// How many UTF-16 units of that block's markup stay. They never end inside a character.
    pub keep: usize,
    /// What comes behind them, then the blocks behind that one. Blocks the client holds beyond these are dropped.
    pub html: Vec<String>,
}

impl Patch {
    /// The patch that changes nothing in `held` blocks.
    pub(crate) fn nothing(held: usize) -> Self {
        Self { block: held, keep: 0, html: Vec::new() }
    }

    /// Whether this patch changes nothing for a client that holds `held` blocks.
    pub fn is_nothing(&self, held: usize) -> bool {
        self.html.is_empty() && self.keep == 0 && self.block == held
    }

    /// What turns `old` into `new`, both behind `before` blocks that do not change.
    pub(crate) fn between(old: &[String], new: &[String], before: usize) -> Self {
        let same = old.iter().zip(new).take_while(|(old, new)| old == new).count();
        let block = before + same;
        let (Some(old), Some((changed, behind))) = (old.get(same), new[same..].split_first()) else {
            return Self { block, keep: 0, html: new[same..].to_vec() };
        };
        let common = common_prefix(old, changed);
        let mut html = vec![changed[common..].to_owned()];
        html.extend_from_slice(behind);
        Self { block, keep: super::utf16(&changed[..common]), html }
    }
}

/// Does what a client does with a patch: afterwards `blocks` is what the server has.
///
/// A patch that does not fit `blocks`, since an earlier one is missing, changes what it can and drops the rest.
pub fn apply(blocks: &mut Vec<String>, patch: &Patch) {
    let mut html = patch.html.iter();
    if let (Some(block), Some(rest)) = (blocks.get_mut(patch.block), patch.html.first()) {
        block.truncate(at_utf16(block, patch.keep));
        block.push_str(rest);
        blocks.truncate(patch.block + 1);
        html.next();
    } else {
        blocks.truncate(patch.block);
    }
    blocks.extend(html.cloned());
}

/// Bytes that two strings begin with, up to the end of a character.
fn common_prefix(a: &str, b: &str) -> usize {
    let same = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    b.floor_char_boundary(same)
}

/// Where in `text` so many UTF-16 units end, in bytes.
fn at_utf16(text: &str, units: usize) -> usize {
    let mut passed = 0;
    for (at, character) in text.char_indices() {
        if passed >= units {
            return at;
        }
        passed += character.len_utf16();
    }
    text.len()
}
