//! What is stored, against what was answered.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::{Change, Entries, Try, What, quoted, same_json};
use crate::support::database::Database;

/// The rows that the ledger looks at.
#[derive(Default)]
pub struct Stored {
    /// By id; more than one row of an id would be a fault.
    pub(super) messages: HashMap<String, Vec<StoredMessage>>,
    pub(super) attempts: BTreeMap<(String, i64), StoredAttempt>,
    /// The chunks of each part, joined.
    pub(super) chunks: HashMap<(String, i64, String), String>,
}

#[derive(Clone, Default)]
pub struct StoredMessage {
    pub(super) room: String,
    pub(super) author: String,
    pub(super) by_person: bool,
    pub(super) state: String,
    pub(super) attempt: i64,
    pub(super) seq: i64,
    pub(super) text: String,
    pub(super) reasoning: String,
    /// Whatever else could hold words of it.
    pub(super) other: String,
}

#[derive(Clone, Default)]
pub struct StoredAttempt {
    pub(super) kind: String,
    pub(super) state: String,
    pub(super) text: String,
    pub(super) reasoning: String,
    pub(super) other: String,
}

impl Stored {
    pub(super) async fn read(database: &Database, rooms: &[String]) -> Self {
        let mut stored = Self::default();
        let rooms = quoted(rooms);
        let sql = format!(
            "SELECT id, room_id, author_id, author_kind, state, attempt, created_seq, text, reasoning, html, excerpt, facts, state_why
               FROM messages WHERE room_id IN ({rooms})"
        );
        for row in database.rows(&sql).await {
            let cell = |i: usize| row[i].clone().unwrap_or_default();
            let message = StoredMessage {
                room: cell(1),
                author: cell(2),
                by_person: cell(3) == "person",
                state: cell(4),
                attempt: cell(5).parse().unwrap(),
                seq: cell(6).parse().unwrap(),
                text: cell(7),
                reasoning: cell(8),
                other: [cell(9), cell(10), cell(11), cell(12)].concat(),
            };
            stored.messages.entry(cell(0)).or_default().push(message);
        }
        let sql = format!(
            "SELECT t.message_id, t.attempt, t.kind, t.state, t.text, t.reasoning, t.why, t.facts
               FROM attempts t JOIN messages m ON m.id = t.message_id WHERE m.room_id IN ({rooms})"
        );
        for row in database.rows(&sql).await {
            let cell = |i: usize| row[i].clone().unwrap_or_default();
            let attempt =
                StoredAttempt { kind: cell(2), state: cell(3), text: cell(4), reasoning: cell(5), other: [cell(6), cell(7)].concat() };
            stored.attempts.insert((cell(0), cell(1).parse().unwrap()), attempt);
        }
        let sql = format!(
            "SELECT c.message_id, c.attempt, c.part, c.text FROM chunks c JOIN messages m ON m.id = c.message_id
              WHERE m.room_id IN ({rooms}) ORDER BY c.message_id, c.attempt, c.part, c.off"
        );
        for row in database.rows(&sql).await {
            let cell = |i: usize| row[i].clone().unwrap_or_default();
            stored.chunks.entry((cell(0), cell(1).parse().unwrap(), cell(2))).or_default().push_str(&cell(3));
        }
        stored
    }

    /// What is stored of a part of an attempt; nothing if it was deleted, and an error if there is no such thing.
    pub(super) fn text_of(&self, id: &str, attempt: i64, part: &str) -> Result<Option<String>, String> {
        let Some(message) = self.messages.get(id).and_then(|rows| rows.first()) else { return Err("there is no such message".into()) };
        if message.state == "deleted" {
            return Ok(None);
        }
        let Some(row) = self.attempts.get(&(id.to_owned(), attempt)) else { return Err(format!("there is no attempt {attempt}")) };
        let chunks = || self.chunks.get(&(id.to_owned(), attempt, part.to_owned())).cloned().unwrap_or_default();
        let of = |answer: &str, reasoning: &str| if part == "answer" { answer.to_owned() } else { reasoning.to_owned() };
        let next = self.attempts.get(&(id.to_owned(), attempt + 1));
        Ok(Some(match (attempt == message.attempt, next) {
            (true, _) if matches!(row.state.as_str(), "queued" | "streaming") => chunks(),
            (true, _) => of(&message.text, &message.reasoning),
            // Its text lives on in the one that continued it.
            (false, Some(next)) if next.kind == "continue" => return self.text_of(id, attempt + 1, part),
            (false, _) => of(&row.text, &row.reasoning),
        }))
    }
}

/// What the book promises of the rows at one moment: what was answered by then.
#[derive(Default)]
pub(super) struct Promised {
    posts: Vec<PromisedPost>,
}

struct PromisedPost {
    id: String,
    room: String,
    acknowledged: bool,
    /// Texts of which one must be stored.
    texts: Vec<String>,
    deleted: bool,
    may_be_deleted: bool,
    /// The place that was told.
    seq: Option<i64>,
}

impl Entries {
    pub(super) fn answered(&self) -> Promised {
        let mut changes: HashMap<&str, Vec<&Change>> = HashMap::new();
        for change in self.changes.iter().filter(|change| !change.tried.is_refused()) {
            changes.entry(&change.message).or_default().push(change);
        }
        let promised = self.posts.iter().map(|(id, post)| {
            let of = changes.get(id.as_str()).cloned().unwrap_or_default();
            let edits: Vec<(&str, &Try)> = of
                .iter()
                .filter_map(|change| match &change.what {
                    What::Edit(text) => Some((text.as_str(), &change.tried)),
                    What::Delete => None,
                })
                .collect();
            // An edit is certainly over if another one that was answered began after its end.
            let is_over = |ended: Option<u64>| edits.iter().any(|(_, t)| t.is_acknowledged() && ended.is_some_and(|ended| t.began > ended));
            let of_edit = |t: &Try| if t.is_acknowledged() { t.ended } else { None };
            let mut texts: Vec<String> = edits.iter().filter(|(_, t)| !is_over(of_edit(t))).map(|(text, _)| as_stored(text)).collect();
            // The first text is over with any answered edit: what is edited is there already.
            if !edits.iter().any(|(_, t)| t.is_acknowledged()) {
                texts.push(as_stored(&post.text));
            }
            let deletions = || of.iter().filter(|change| change.what == What::Delete);
            let answers = post.tries.iter().filter(|t| t.is_acknowledged());
            PromisedPost {
                id: id.clone(),
                room: post.room.clone(),
                acknowledged: post.tries.iter().any(Try::is_acknowledged),
                texts,
                deleted: deletions().any(|change| change.tried.is_acknowledged()),
                may_be_deleted: deletions().next().is_some(),
                seq: answers.filter_map(|t| serde_json::from_str::<Value>(&t.answer.as_ref()?.1).ok()?["seq"].as_i64()).next(),
            }
        });
        // Deleted replies are no posts of ours.
        let replies = changes.iter().filter(|(id, _)| !self.posts.contains_key(**id)).map(|(id, of)| PromisedPost {
            id: (*id).to_owned(),
            room: String::new(),
            acknowledged: false,
            texts: Vec::new(),
            deleted: of.iter().any(|change| change.what == What::Delete && change.tried.is_acknowledged()),
            may_be_deleted: true,
            seq: None,
        });
        Promised { posts: promised.chain(replies).collect() }
    }

    /// Every answer to one post is the first one.
    pub(super) fn judge_answers(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (id, post) in &self.posts {
            let mut answers = post.tries.iter().filter(|t| t.is_acknowledged()).filter_map(|t| t.answer.as_ref());
            let Some((_, first)) = answers.next() else { continue };
            for (_, other) in answers {
                if !same_json(first, other) {
                    faults.push(format!("{id}: it was first answered {first}, then {other}"));
                }
            }
        }
        faults
    }

    /// What the posters are said to have said, and did not.
    pub(super) fn judge_strangers(&self, stored: &Stored) -> Vec<String> {
        let posters: HashSet<&str> = self.posts.values().filter_map(|post| Some(post.who.as_ref()?.id.as_str())).collect();
        let is_strange = |id: &&String, rows: &[StoredMessage]| {
            rows.iter().any(|row| row.by_person && posters.contains(row.author.as_str())) && !self.posts.contains_key(*id)
        };
        let strange = stored.messages.iter().filter(|(id, rows)| is_strange(id, rows));
        strange.map(|(id, rows)| format!("{id}: nobody posted this; it says “{}”", start(&rows[0].text))).collect()
    }
}

/// Line ends as they are stored.
fn as_stored(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Enough of a text to know it again.
pub(super) fn start(text: &str) -> String {
    let start: String = text.chars().take(60).collect();
    if start.len() < text.len() { format!("{start}… ({} bytes)", text.len()) } else { start }
}

impl Promised {
    pub(super) fn judge(&self, stored: &Stored) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |id: &str, what: String| faults.push(format!("{id}: {what}"));
        for post in &self.posts {
            let rows = stored.messages.get(&post.id).map(Vec::as_slice).unwrap_or_default();
            match rows {
                [] if post.acknowledged => fault(&post.id, format!("was answered and is not there; it said {:?}", post.texts)),
                [] => {}
                [row] => {
                    if !post.room.is_empty() && row.room != post.room {
                        fault(&post.id, format!("was said in {} and is in {}", post.room, row.room));
                    }
                    if post.seq.is_some_and(|seq| seq != row.seq) {
                        fault(&post.id, format!("was answered with place {:?} and is at {}", post.seq, row.seq));
                    }
                    if row.state == "deleted" {
                        if !post.may_be_deleted {
                            fault(&post.id, "is deleted, and nobody deleted it".into());
                        }
                        for (place, left) in erased(stored, &post.id) {
                            fault(&post.id, format!("is deleted, and {place} still says “{}”", start(&left)));
                        }
                    } else if post.deleted {
                        fault(&post.id, format!("its deletion was answered, and it is {}", row.state));
                    } else if row.by_person && !post.texts.contains(&row.text) {
                        fault(&post.id, format!("says “{}” and should say one of {:?}", start(&row.text), post.texts));
                    }
                }
                many => fault(&post.id, format!("is there {} times", many.len())),
            }
        }
        faults
    }
}

/// Places where a deleted message still has text.
fn erased(stored: &Stored, id: &str) -> Vec<(String, String)> {
    let mut left = Vec::new();
    let mut look = |place: String, texts: [&str; 3]| {
        let all = texts.concat();
        if !all.is_empty() {
            left.push((place, all));
        }
    };
    for row in stored.messages.get(id).into_iter().flatten() {
        look("its row".into(), [&row.text, &row.reasoning, &row.other]);
    }
    for ((_, attempt), row) in stored.attempts.range((id.to_owned(), 0)..(id.to_owned(), i64::MAX)) {
        look(format!("attempt {attempt}"), [&row.text, &row.reasoning, &row.other]);
    }
    for ((_, attempt, part), text) in stored.chunks.iter().filter(|((of, _, _), _)| of == id) {
        look(format!("a chunk of attempt {attempt}, {part},"), [text, "", ""]);
    }
    left
}
