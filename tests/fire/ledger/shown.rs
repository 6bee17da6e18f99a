//! What was shown of replies while they grew, against what is stored of them.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use parlor::render::{Context, Growing};

use super::stored::{Stored, start};
use crate::support::stream::Part;

/// An attempt's part: message, attempt, `answer` or `reasoning`.
type Which = (String, i64, String);

/// Every text of a growing reply that one viewer has shown.
#[derive(Clone, Default)]
pub struct Shown {
    pub(super) steps: usize,
    /// In the text view: the longest of each run of texts that went on from each other. More than one where a viewer began anew.
    pub(super) texts: HashMap<Which, Vec<String>>,
    /// In the view of pages: the text's length at each step, and a fingerprint of the markup.
    pub(super) markup: HashMap<Which, BTreeMap<usize, u64>>,
    /// Markup that was two different things at one length.
    pub(super) faults: Vec<String>,
}

impl Shown {
    /// What a viewer shows after a step.
    pub fn note(&mut self, id: &str, attempt: i64, part: &str, shows: &Part, is_page: bool) {
        self.steps += 1;
        let which = (id.to_owned(), attempt, part.to_owned());
        if is_page {
            let mark = fingerprint(&shows.blocks);
            let known = *self.markup.entry(which).or_default().entry(shows.len).or_insert(mark);
            if known != mark {
                self.faults.push(format!("{id}: at {} units of attempt {attempt}, {part}, the markup was two different things", shows.len));
            }
            return;
        }
        let texts = self.texts.entry(which).or_default();
        match texts.iter_mut().find(|known| shows.text.starts_with(known.as_str())) {
            Some(known) => known.clone_from(&shows.text),
            None => texts.push(shows.text.clone()),
        }
    }

    pub(super) fn judge(&self, stored: &Stored) -> Vec<String> {
        let mut faults = self.faults.clone();
        let lookup = |which: &Which, faults: &mut Vec<String>| match stored.text_of(&which.0, which.1, &which.2) {
            Ok(text) => text,
            Err(why) => {
                faults.push(format!("{}: text of it was shown, and {why}", which.0));
                None
            }
        };
        for (which, texts) in &self.texts {
            let Some(whole) = lookup(which, &mut faults) else { continue };
            for shown in texts.iter().filter(|shown| !whole.starts_with(shown.as_str())) {
                let same = shown.bytes().zip(whole.bytes()).take_while(|(a, b)| a == b).count();
                faults.push(format!(
                    "{}: of attempt {}, {}, {} bytes were shown and {} are stored; they part at byte {same}: shown “{}”",
                    which.0,
                    which.1,
                    which.2,
                    shown.len(),
                    whole.len(),
                    start(&String::from_utf8_lossy(&shown.as_bytes()[same.saturating_sub(20)..])),
                ));
            }
        }
        for (which, steps) in &self.markup {
            let Some(whole) = lookup(which, &mut faults) else { continue };
            faults.extend(judge_markup(which, steps, &whole));
        }
        faults
    }
}

fn fingerprint(blocks: &[String]) -> u64 {
    let mut hasher = DefaultHasher::new();
    blocks.hash(&mut hasher);
    hasher.finish()
}

/// The markup at each length is that of the stored text's beginning. Who is mentioned depends on the room's members of that time, so a text
/// with a mention is judged by its length alone.
fn judge_markup((id, attempt, part): &Which, steps: &BTreeMap<usize, u64>, whole: &str) -> Vec<String> {
    let scope = if part == "answer" { id.clone() } else { format!("{id}-r") };
    let mut growing = Growing::new(&Context { scope: &scope, names: &[], rooms: &[] });
    let (mut faults, mut at, mut units) = (Vec::new(), 0, 0);
    for (&len, &mark) in steps {
        let rest = &whole[at..];
        let mut taken = 0;
        for c in rest.chars() {
            if units >= len {
                break;
            }
            units += c.len_utf16();
            taken += c.len_utf8();
        }
        if units != len {
            faults.push(format!("{id}: of attempt {attempt}, {part}, {len} units were shown as markup and {units} are stored"));
            break;
        }
        growing.push(&rest[..taken]);
        at += taken;
        if !whole.contains('@') && fingerprint(growing.blocks()) != mark {
            let now = growing.blocks().concat();
            faults.push(format!(
                "{id}: of attempt {attempt}, {part}, the markup shown at {len} units is not that of the text: “{}”",
                start(&now)
            ));
        }
    }
    faults
}
