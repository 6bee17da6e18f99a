//! What a fresh page load shows, against what a viewer shows.

use std::collections::HashSet;

use reqwest::Method;
use serde_json::Value;

use super::Answer;
use super::poster::call_until_answered;
use super::viewer::{Kept, reached};
use crate::support::person::text;
use crate::support::{Person, Stream, encoded};

/// What a fresh page load shows.
pub(super) struct Fresh {
    pub(super) from: i64,
    pub(super) rows: Vec<Value>,
    pub(super) about: Value,
    /// Of the first page.
    pub(super) head: i64,
    /// What is wrong with it by itself.
    pub(super) faults: Vec<String>,
}

impl Fresh {
    /// Loads a room back to the place `from`, and opens a stream there.
    pub(super) async fn load(person: &Person, room: &str, view: &str, from: i64) -> Self {
        let get = async |path: String| match call_until_answered(person, Method::GET, &path, None).await {
            Answer::Came { status: 200, body } => serde_json::from_str::<Value>(&body).expect("JSON"),
            other => panic!("{} cannot load {path}: {other:?}", person.name),
        };
        let mut rows: Vec<Value> = Vec::new();
        let mut cursor = String::new();
        loop {
            let before = rows.first().map(|first| format!("&before={}", first["seq"])).unwrap_or_default();
            let page = get(format!("/api/rooms/{room}/messages?view={view}&limit=200{before}")).await;
            if cursor.is_empty() {
                cursor = text(&page["cursor"]);
            }
            let mut older = page["messages"].as_array().expect("messages").clone();
            older.append(&mut rows);
            rows = older;
            let oldest = rows.first().map_or(0, |first| first["seq"].as_i64().expect("a number"));
            if page["more"] != true || oldest <= from {
                break;
            }
        }
        let about = get(format!("/api/rooms/{room}")).await;
        let mut faults = Vec::new();
        let mut stream = Stream::open(
            person
                .request(Method::GET, &format!("/rooms/{room}/live?{}", encoded(&[("at", &cursor), ("view", view)])))
                .send()
                .await
                .unwrap(),
            &person.name,
        )
        .await
        .unwrap_or_else(|refused| panic!("{} cannot open a stream: {refused:?}", person.name));
        stream.loaded(room, &rows, &cursor);
        stream.catches_up().await;
        for frame in stream.frames.iter().filter(|frame| frame.event != "caught-up") {
            faults.push(format!("{}: is not in a fresh page, and comes with its stream: {}", frame.data["id"], frame.data));
        }
        for pair in rows.windows(2) {
            if pair[0]["seq"].as_i64() >= pair[1]["seq"].as_i64() {
                faults.push(format!("{}: stands out of order in a fresh page", pair[1]["id"]));
            }
        }
        Self { from, rows, about, head: reached(&cursor), faults }
    }
}

pub(super) fn judge_view(kept: &Kept, fresh: &Fresh) -> Vec<String> {
    let mut faults = fresh.faults.clone();
    if reached(&kept.cursor) < fresh.head {
        faults.push(format!("a viewer is at {} and the room at {}", reached(&kept.cursor), fresh.head));
    }
    let mut there = HashSet::new();
    for message in fresh.rows.iter().filter(|message| message["seq"].as_i64() >= Some(kept.from)) {
        let id = message["id"].as_str().unwrap_or_default();
        there.insert(id);
        match kept.rows.get(id) {
            None => faults.push(format!("{id}: a fresh page shows it, a viewer does not")),
            Some(row) if row.json != *message => faults.push(format!("{id}: a fresh page shows {message}, a viewer {}", row.json)),
            Some(_) => {}
        }
    }
    for (id, row) in &kept.rows {
        if row.seq >= kept.from && !there.contains(id.as_str()) {
            faults.push(format!("{id}: a viewer shows it, a fresh page does not: {}", row.json));
        }
    }
    for field in ["name", "topic", "private", "members", "assistants"] {
        if kept.about[field] != fresh.about[field] {
            faults.push(format!("the room's {field}: a fresh page shows {}, a viewer {}", fresh.about[field], kept.about[field]));
        }
    }
    faults
}
