//! No string of the interface outside the catalogues: templates, the page's script, styles, and the sentences of errors are read and
//! searched for words.

use std::fs;
use std::path::{Path, PathBuf};

use parlor::words;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    fn collect(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => collect(&path, ending, found),
                false if path.to_str().unwrap().ends_with(ending) => found.push(path),
                false => {}
            }
        }
    }
    let mut found = Vec::new();
    collect(&root().join(folder), ending, &mut found);
    found.sort();
    assert!(!found.is_empty(), "there are files in {folder}");
    found
        .into_iter()
        .map(|path| (path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect()
}

/// `text` without what stands between `open` and `close`.
fn without(text: &str, open: &str, close: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, inside)) = rest.split_once(open) {
        out.push_str(before);
        rest = inside.split_once(close).map_or("", |(_, after)| after);
    }
    out + rest
}

/// What a template says in words of its own: its text, and those attributes that are read out or shown.
fn own_words(template: &str) -> Vec<String> {
    // Names of things, not words of a language.
    const NAMES: [&str; 4] = ["Parlor", "parlor token add", "curl", "/web/StreamChat"];
    // The class of a page.
    let template = &without(template, "{% block kind %}", "{% endblock %}");
    let bare = without(&without(&without(template, "{#", "#}"), "{%", "%}"), "{{", "}}");
    let bare = without(&bare, "<!--", "-->");
    let mut said = Vec::new();
    for attribute in ["aria-label=\"", "title=\"", "placeholder=\"", "alt=\"", "label=\"", "data-say=\""] {
        for (at, _) in bare.match_indices(attribute) {
            said.push(bare[at + attribute.len()..].split('"').next().unwrap().to_owned());
        }
    }
    said.extend(without(&bare, "<", ">").split('\n').map(str::to_owned));
    for words in &mut said {
        for name in NAMES {
            *words = words.replace(name, "");
        }
        for entity in ["&amp;", "&nbsp;", "&times;", "&middot;"] {
            *words = words.replace(entity, "");
        }
    }
    said.retain(|words| words.chars().any(char::is_alphabetic));
    said.into_iter().map(|words| words.trim().to_owned()).collect()
}

#[test]
fn templates_have_no_words_of_their_own() {
    assert_eq!(own_words("<p title=\"Hello\">{{ w.x() }} there <b class=\"x\">1</b></p>"), ["Hello", "there 1"], "this test can fail");
    for (path, template) in files("templates", ".html") {
        assert!(own_words(&template).is_empty(), "{path} says {:?}: put it into src/words", own_words(&template));
    }
}

/// The string literals of a script, without comments.
fn literals(script: &str) -> Vec<String> {
    let code: String = script
        .lines()
        .filter(|line| {
            let line = line.trim_start();
            // What goes to the console is for who mends it.
            !["//", "*", "/*", "console."].iter().any(|other| line.starts_with(other))
        })
        .map(|line| line.to_owned() + "\n")
        .collect();
    let mut found = Vec::new();
    let mut characters = code.chars();
    while let Some(open) = characters.next() {
        if !matches!(open, '"' | '`') {
            continue;
        }
        let mut text = String::new();
        while let Some(character) = characters.next() {
            match character {
                '\\' => text.extend(characters.next()),
                character if character == open => break,
                character => text.push(character),
            }
        }
        found.push(without(&text, "${", "}"));
    }
    found
}

#[test]
fn the_script_says_nothing_of_its_own() {
    // Sentences: a word with a capital letter first and another word, or anything that is not ASCII letters of code.
    let is_said = |text: &str| {
        let mut words = text.split(' ').filter(|word| word.chars().filter(|c| c.is_alphabetic()).count() > 1);
        let first = words.next().unwrap_or_default().chars().next().unwrap_or_default();
        (first.is_uppercase() && words.next().is_some() && !text.contains(['<', '{', '=', ';']))
            || text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
    };
    assert!(
        is_said("Jump to latest") && is_said("复制") && !is_said("parlor-send") && !is_said("[data-act]:not([hidden])"),
        "this test can fail"
    );
    for (path, script) in files("assets/js", ".js") {
        if path.contains("/words.") {
            continue;
        }
        for text in literals(&script) {
            assert!(!is_said(&text), "{path} says {text:?}: put it into words.en.js and words.zh.js");
        }
        // What is set as text comes from the catalogue.
        for setter in ["textContent = \"", "setAttribute(\"aria-label\", \"", ".title = \"", "placeholder = \""] {
            for (at, _) in script.match_indices(setter) {
                let text = script[at + setter.len()..].split('"').next().unwrap();
                assert!(!text.chars().any(char::is_alphabetic), "{path} sets {text:?}: put it into words.en.js and words.zh.js");
            }
        }
    }
}

#[test]
fn styles_say_nothing() {
    for (path, style) in files("assets/css", ".css") {
        for (at, _) in style.match_indices("content: \"") {
            let text = style[at + 10..].split('"').next().unwrap();
            let text: String = without(text, "\\", " ");
            assert!(!text.chars().any(char::is_alphabetic), "{path} shows {text:?}");
        }
    }
}

/// The sentences that a source file can say to people: literals that begin like a sentence and end like one.
fn sentences(source: &str) -> Vec<String> {
    let product = source.split("#[cfg(test)]").next().unwrap();
    let mut code = String::new();
    for line in product.lines() {
        let start = line.trim_start();
        // Logs are for who runs the server, `expect` for who mends it.
        if !["//", "info!", "warn!", "error!", "debug!", "trace!", ".expect(", "assert", "debug_assert"]
            .iter()
            .any(|other| start.starts_with(other))
        {
            code.push_str(line);
            code.push('\n');
        }
    }
    let is_sentence = |text: &str| {
        text.contains(' ')
            && text.starts_with(|c: char| c.is_uppercase() || c == '“' || c == '{')
            && text.ends_with(['.', '!', '?', '}'])
            && !["SELECT", "INSERT", "UPDATE", "DELETE", "{}", "{column}", "{{", "{plain}", "{name}={}"]
                .iter()
                .any(|other| text.starts_with(other))
    };
    literals(&code).into_iter().filter(|text| is_sentence(text)).collect()
}

/// A sentence as it comes out: each gap filled with something.
fn filled(sentence: &str) -> String {
    let mut out = String::new();
    let mut rest = sentence;
    while let Some((before, inside)) = rest.split_once('{') {
        out.push_str(before);
        out.push('7');
        rest = inside.split_once('}').map_or("", |(_, after)| after);
    }
    out + rest
}

#[test]
fn every_error_is_in_the_catalogue() {
    // What only the command line says, whose language is English, and what a scripted model says.
    const ELSEWHERE: [&str; 10] = [
        // Of our own scripts, to the log.
        "src/http/script.rs",
        "src/domain/assistant.rs",
        "src/chat/assistants.rs",
        "src/http/tls.rs",
        "src/http/client.rs",
        // What models are told.
        "src/domain/prompt.rs",
        "src/reply/prompt.rs",
        "src/reply/providers/scripted",
        "src/reply/providers/openai",
        "src/reply/connect.rs",
    ];
    let mut unknown = Vec::new();
    let mut seen = 0;
    for folder in ["src/domain", "src/chat", "src/http", "src/reply"] {
        for (path, source) in files(folder, ".rs") {
            if ELSEWHERE.iter().any(|other| path.starts_with(other)) || path.contains("/tests") || path.ends_with("fake_server.rs") {
                continue;
            }
            for sentence in sentences(&source) {
                seen += 1;
                // “The provider failed{}.”: a gap right behind a word holds nothing or brackets.
                if !words::is_known(&filled(&sentence)) && !words::is_known(&filled(&sentence.replace("failed{}", "failed"))) {
                    unknown.push(format!("{path}: {sentence}"));
                }
            }
        }
    }
    // Why a model server could not be used stands inside such a sentence, after a colon.
    for path in ["src/reply/connect.rs", "src/reply/providers/http.rs", "src/reply/providers/openai.rs"] {
        let source = fs::read_to_string(root().join(path)).unwrap();
        let product = source.split("#[cfg(test)]").next().unwrap().to_owned();
        for reason in literals(&product) {
            // A literal that goes on in the next line goes on behind the line's blanks.
            let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
            if reason.starts_with(char::is_lowercase) && reason.matches(' ').count() >= 3 && !reason.contains(": {") {
                seen += 1;
                if !words::is_known(&filled(&reason)) {
                    unknown.push(format!("{path}: {reason}"));
                }
            }
        }
    }
    assert!(seen > 90, "the sentences were found: {seen}");
    assert!(unknown.is_empty(), "these have no entry in src/words/sentence.rs:\n{}", unknown.join("\n"));
}
