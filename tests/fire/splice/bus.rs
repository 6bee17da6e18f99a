//! What stands between the writer and the hub here: it passes an announcement on at once, later, twice or never, as the case says, and
//! writes down what had been committed when somebody lost access.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};

use parlor::domain::id::{MessageId, RoomId};
use parlor::domain::message::{Part, utf16_len};
use parlor::live::Hub;
use parlor::store::{Announce, Announcement, ChunkDelta, Revocation};

/// What becomes of an announcement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    #[default]
    Now,
    Twice,
    /// When the case says so, in whatever order.
    Later,
    Never,
}

/// Which text of which attempt.
pub type Text = (MessageId, i64, Part);

/// A revocation that the hub was told of.
#[derive(Clone, Debug)]
pub struct Told {
    pub what: Revocation,
    /// What had been committed before it; nothing if it was told too late to know.
    pub before: Option<Committed>,
}

/// What has been committed so far, as far as streams may show it.
#[derive(Clone, Debug, Default)]
pub struct Committed {
    pub heads: HashMap<RoomId, i64>,
    pub lens: HashMap<Text, i64>,
}

#[derive(Default)]
pub struct Script(Mutex<State>);

#[derive(Default)]
pub struct State {
    pub hub: Option<Hub>,
    /// Of heads, of deltas, of revocations.
    pub fates: [Fate; 3],
    pub held: Vec<Announcement>,
    pub committed: Committed,
    pub told: Vec<Told>,
    /// A revocation was lost or is late: only the regular check ends its streams.
    pub lost: bool,
    /// Texts whose newest piece the hub was not told of.
    pub behind: HashSet<Text>,
}

impl Script {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Tells the hub what was held back, chosen from the front or the back.
    pub fn deliver(&self, backwards: &[bool]) {
        for &back in backwards {
            let mut state = self.state();
            if state.held.is_empty() {
                return;
            }
            let at = if back { state.held.len() - 1 } else { 0 };
            let what = state.held.remove(at);
            if let Announcement::Revoked(what) = &what {
                state.told.push(Told { what: what.clone(), before: None });
            }
            let hub = state.hub.clone();
            drop(state);
            if let Some(hub) = hub {
                hub.announce(vec![what]);
            }
        }
    }
}

pub fn text_of(delta: &ChunkDelta) -> Text {
    (delta.message, delta.attempt, delta.part)
}

impl Announce for Script {
    fn announce(&self, batch: Vec<Announcement>) {
        let mut state = self.state();
        let mut passed = Vec::new();
        for what in batch {
            let fate = match &what {
                Announcement::Head { room, head } => {
                    let known = state.committed.heads.entry(*room).or_default();
                    *known = (*known).max(*head);
                    state.fates[0]
                }
                Announcement::Delta(delta) => {
                    let fate = state.fates[1];
                    let len = delta.off + utf16_len(&delta.text) as i64;
                    let known = state.committed.lens.entry(text_of(delta)).or_default();
                    *known = (*known).max(len);
                    match fate {
                        Fate::Now | Fate::Twice => state.behind.remove(&text_of(delta)),
                        Fate::Later | Fate::Never => state.behind.insert(text_of(delta)),
                    };
                    fate
                }
                Announcement::Revoked(revocation) => {
                    let fate = state.fates[2];
                    match fate {
                        Fate::Now | Fate::Twice => {
                            let before = Some(state.committed.clone());
                            state.told.push(Told { what: revocation.clone(), before });
                        }
                        Fate::Later | Fate::Never => state.lost = true,
                    }
                    fate
                }
                Announcement::Doubted(_) => Fate::Now,
                // For the engine, which is not here.
                Announcement::Concerns { .. } | Announcement::Asked | Announcement::Stop { .. } => continue,
            };
            match fate {
                Fate::Now => passed.push(what),
                Fate::Twice if matches!(what, Announcement::Revoked(_)) => {
                    // Once more when its person may be back.
                    state.held.push(what.clone());
                    passed.push(what);
                }
                Fate::Twice => passed.extend([what.clone(), what]),
                Fate::Later => state.held.push(what),
                Fate::Never => {}
            }
        }
        let hub = state.hub.clone();
        drop(state);
        if let Some(hub) = hub
            && !passed.is_empty()
        {
            hub.announce(passed);
        }
    }
}
