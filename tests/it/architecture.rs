//! Who may know whom: reads the source and enforces ARCHITECTURE.md. A rule that gets in the way is changed there and here together.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file: its path inside `src`, and its text without comments, tests and the words inside quotation marks.
struct Source {
    path: String,
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 80, "the source was found");
    let inside = |file: &Path| file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
    let sources = files.iter().map(|file| Source { path: inside(file), code: code(&fs::read_to_string(file).unwrap()) });
    // Tests may know everybody.
    sources
        .filter(|source| !source.path.ends_with("tests.rs") && !source.path.contains("/tests/") && !source.path.ends_with("fake_server.rs"))
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => collect(&path, files),
            false if path.extension().is_some_and(|extension| extension == "rs") => files.push(path),
            false => {}
        }
    }
}

fn code(text: &str) -> String {
    let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = product.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| without_strings(line) + "\n").collect()
}

fn without_strings(line: &str) -> String {
    line.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

/// The part of the house that a file belongs to.
fn part(path: &str) -> &str {
    path.split(['/', '.']).next().unwrap()
}

/// Whether this word stands in the code by itself, as a path's beginning or the whole of a name.
fn names(code: &str, word: &str) -> bool {
    let is_part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        !code[..at].chars().next_back().is_some_and(is_part_of_name) && !code[at + word.len()..].chars().next().is_some_and(is_part_of_name)
    })
}

/// The parts of the house that a file uses: after `crate::`, also in groups, and after enough `super::`.
fn uses(source: &Source) -> Vec<String> {
    let mut used = Vec::new();
    for (at, _) in source.code.match_indices("crate::") {
        let rest = &source.code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => {
                let group = group.split(';').next().unwrap();
                let mut depth = 0;
                let mut first = true;
                let mut word = String::new();
                for c in group.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => {
                            used.push(std::mem::take(&mut word));
                            first = true;
                        }
                        ':' => first = false,
                        c if depth == 0 && first && (c.is_alphanumeric() || c == '_') => word.push(c),
                        _ => {}
                    }
                }
                used.push(word);
            }
            None => used.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()),
        }
    }
    // From a file directly under `src`, or a folder's own mod.rs, one step up is the root.
    let depth = source.path.matches('/').count() + usize::from(!source.path.ends_with("mod.rs"));
    let up = "super::".repeat(depth.max(1));
    for (at, _) in source.code.match_indices(&up) {
        let word: String = source.code[at + up.len()..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if word != "super"
            && fs::exists(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/{word}"))).unwrap()
            && depth > 0
            && source.path.matches('/').count() == depth - 1
        {
            used.push(word);
        }
    }
    used.retain(|word| !word.is_empty());
    used
}

/// `main → cli → app → http → { chat, reply, live } → store → domain`; `live → view → { render, domain }`; `chat, reply → render`;
/// clock, config, telemetry, model and words are leaves. What a part may use besides itself:
const MAY_USE: [(&str, &[&str]); 16] = [
    ("main", &["cli", "parlor"]),
    ("cli", &["app", "chat", "clock", "config", "domain", "live", "model", "store", "telemetry", "view"]),
    ("app", &["chat", "clock", "config", "http", "live", "model", "reply", "store"]),
    ("http", &["chat", "clock", "domain", "live", "model", "render", "store", "view", "words"]),
    ("live", &["clock", "domain", "render", "store", "view", "words"]),
    ("reply", &["clock", "domain", "model", "render", "store"]),
    ("chat", &["clock", "domain", "render", "store"]),
    ("view", &["domain", "render", "words"]),
    ("store", &["clock", "domain"]),
    ("render", &[]),
    ("words", &[]),
    ("domain", &[]),
    ("clock", &["domain"]),
    // The limits that it reads from flags and files are theirs.
    ("config", &["chat", "http", "reply"]),
    ("telemetry", &["config"]),
    ("model", &[]),
];

#[test]
fn every_part_knows_only_those_below_it() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.path != "lib.rs") {
        let part = part(&source.path);
        let (_, may) = MAY_USE
            .iter()
            .find(|(name, _)| *name == part)
            .unwrap_or_else(|| panic!("nothing is said of src/{part}: add it here and to ARCHITECTURE.md"));
        for used in uses(source) {
            // The crate's root holds parts alone; whatever else follows `crate::` is a macro.
            let is_part = MAY_USE.iter().any(|(name, _)| *name == used);
            if is_part && used != part && !may.contains(&used.as_str()) {
                wrong.push(format!("src/{} uses {used}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{part} knows more than it may:\n{}", wrong.join("\n"), part = "a part");
}

/// Fails if a file outside of `places` names one of these words.
fn only_in(words: &[&str], places: &[&str], why: &str) {
    let allowed = |path: &str| places.iter().any(|place| path == *place || (place.ends_with('/') && path.starts_with(place)));
    let wrong: Vec<String> = sources()
        .iter()
        .filter(|source| !allowed(&source.path))
        .flat_map(|source| {
            words.iter().filter(|word| names(&source.code, word)).map(|word| format!("src/{}: {word}", source.path)).collect::<Vec<_>>()
        })
        .collect();
    assert!(wrong.is_empty(), "{why}:\n{}", wrong.join("\n"));
}

#[test]
fn sql_is_in_the_store_alone() {
    only_in(&["sqlx"], &["store/"], "only the store knows the database");
}

#[test]
fn http_is_at_the_edge_alone() {
    only_in(&["axum", "tower_http", "hyper"], &["http/"], "only http/ knows axum and hyper");
    only_in(
        &["tower_sessions", "StatusCode"],
        &["http/", "reply/providers/"],
        "only http/ knows sessions and its status codes; providers know those of others",
    );
    only_in(&["reqwest"], &["reply/providers/"], "only providers ask other servers");
}

#[test]
fn templates_are_rendered_in_few_places() {
    only_in(&["askama"], &["view/", "view.rs", "http/", "live/markup.rs"], "markup is made in view/, in pages, and for the stream");
}

#[test]
fn background_work_is_owned() {
    let places = [
        "app.rs",
        // Commands that wait for an answer.
        "cli/desk.rs",
        // The writer, and reading transactions that must not be left half begun.
        "store/writer.rs",
        "store/mod.rs",
        "live/",
        "reply/engine.rs",
        // A stream that leaves hyper goes on in a task of its own; the connection's place goes with it.
        "http/connection.rs",
    ];
    only_in(&["tokio::spawn", "task::spawn"], &places, "background work has an owner");
}

#[test]
fn time_and_randomness_come_from_the_clock() {
    only_in(
        &["SystemTime", "now_v7", "new_v7", "getrandom", "OsRng", "thread_rng"],
        &["clock.rs", "model/worker.rs", "model/engine.rs"],
        "time and chance come from Clock",
    );
}

#[test]
fn nobody_prints_but_the_command_line() {
    only_in(&["println!", "print!"], &["cli/"], "what is printed is the command line's result; the rest is logged");
}

#[test]
fn the_reader_of_source_is_no_fool() {
    let source = |path: &str, code: &str| Source { path: path.to_owned(), code: super::architecture::code(code) };
    assert_eq!(uses(&source("chat/a.rs", "use crate::store::{a, b};\nuse crate::{domain::x, render};")), ["store", "domain", "render"]);
    assert_eq!(uses(&source("chat/a.rs", "// crate::http\nlet x = \"crate::http\";")), Vec::<String>::new());
    assert!(names("use sqlx::query;", "sqlx") && !names("let my_sqlx = 1;", "sqlx"));
}
