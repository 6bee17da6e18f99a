use proptest::prelude::*;

use crate::render::samples::{self, DOCUMENTS, assert_sound, names, visible, with_names};
use crate::render::{Growing, apply, markdown, parse};

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_text_alone_decides_and_the_end_is_the_message((text, lengths) in samples::cut()) {
        let names = names();
        let cx = with_names(&names);
        let mut growing = Growing::new(&cx);
        let mut client = Vec::new();
        for piece in samples::pieces(&text, &lengths) {
            let patch = growing.push(piece);
            apply(&mut client, &patch);
            prop_assert_eq!(&client[..], growing.blocks());
            let whole = Growing::from(growing.text(), &cx);
            prop_assert_eq!(growing.blocks(), whole.blocks(), "after {:?}", growing.text());
        }
        prop_assert_eq!(growing.text(), &text);
        prop_assert_eq!(growing.len_utf16(), text.encode_utf16().count());
        growing.blocks().iter().for_each(|block| assert_sound(block));

        apply(&mut client, &growing.finish());
        prop_assert_eq!(&client[..], growing.blocks());
        prop_assert_eq!(growing.blocks(), markdown::blocks(&text, &cx));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn nothing_flashes(text in samples::tidy()) {
        never_flashes(&text);
        let cx = with_names(&[]);
        let growing = Growing::from(&format!("{text}\n\nEnd."), &cx);
        let whole = markdown::blocks(growing.text(), &cx);
        prop_assert_eq!(growing.blocks(), whole);
    }
}

#[test]
fn documents_grow_without_raw_syntax() {
    for document in DOCUMENTS {
        never_flashes(document);
    }
}

/// Grows a text character by character and looks for syntax in what shows.
#[track_caller]
fn never_flashes(text: &str) {
    let names = names();
    let mut growing = Growing::new(&with_names(&names));
    for character in text.chars() {
        growing.push(character.encode_utf8(&mut [0; 4]));
        let outside_code = growing.blocks().iter().map(|block| without_code(block));
        let shown = visible(&outside_code.collect::<Vec<_>>());
        for raw in ["**", "](", "```", "|--", "| -", "|:-", "~~", "__", "==", "--", "&am", "![", "[ ]", "[x]", "[^", "<http", "`", "| "] {
            assert!(!shown.contains(raw), "{raw:?} in {shown:?} after {:?}", growing.text());
        }
    }
}

#[test]
fn what_a_finished_text_shows_a_growing_one_does_too() {
    let names = names();
    let cx = with_names(&names);
    for document in DOCUMENTS {
        // A word behind it closes what was open.
        let text = format!("{document}\n\nEnd.");
        if !document.contains("]:") {
            assert_eq!(Growing::from(&text, &cx).blocks(), markdown::blocks(&text, &cx), "{text}");
        }
    }
}

fn without_code(block: &str) -> String {
    let mut rest = block;
    let mut kept = String::new();
    while let Some((before, behind)) = rest.split_once("<code") {
        kept.push_str(before);
        rest = behind.split_once("</code>").map_or("", |(_, behind)| behind);
    }
    kept + rest
}

#[track_caller]
fn grows(text: &str, expected: &[&str]) {
    let growing = Growing::from(text, &with_names(&[]));
    assert_eq!(growing.blocks(), expected, "{text:?}");
}

#[test]
fn emphasis_shows_before_it_ends() {
    grows("**bol", &["<p><strong>bol</strong></p>"]);
    grows("**bold*", &["<p><strong>bold</strong></p>"]);
    grows("a *b **c", &["<p>a <em>b <strong>c</strong></em></p>"]);
    grows("_a ~~b `c", &["<p><em>a <del>b <code>c</code></del></em></p>"]);
    grows("- **one", &["<ul><li><strong>one</strong></li></ul>"]);
    grows("> *one\n> two ", &["<blockquote><p><em>one<br>two</em></p></blockquote>"]);
    grows("## **Tit", &["<h4><strong>Tit</strong></h4>"]);
    grows(
        "|a|b|\n|-|-|\n|**x",
        &["<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td><strong>x</strong></td><td></td></tr></tbody></table>"],
    );
}

#[test]
fn lone_marks_wait() {
    for mark in ["*", "**", "_", "`", "```", "~~", "[", "![", "#", "## ", ">", "- ", "-", "1.", "1. ", "|", "---", "<", "&", "\\"] {
        grows(&format!("text\n\n{mark}"), if mark == "```" { &["<p>text</p>", "<pre><code></code></pre>"] } else { &["<p>text</p>"] });
    }
    grows("a [", &["<p>a</p>"]);
    grows("a ![", &["<p>a</p>"]);
    grows("text\n---", &["<p>text</p>"]);
    grows("text\n=", &["<p>text</p>"]);
    grows("one &am", &["<p>one</p>"]);
}

#[test]
fn links_show_their_text_first() {
    for text in
        ["see [the la", "see [the la](", "see [the la](htt", "see [the la](https://x.example \"ti", "see [the la][re", "see ![the la](ht"]
    {
        grows(text, &["<p>see the la</p>"]);
    }
    grows("[**a** b](ht", &["<p><strong>a</strong> b</p>"]);
}

#[test]
fn prose_is_not_held_back() {
    grows("2 * 3 = 6", &["<p>2 * 3 = 6</p>"]);
    grows("snake_case", &["<p>snake_case</p>"]);
    grows("a < b & c", &["<p>a &lt; b &amp; c</p>"]);
    grows("f(x)[0](no link", &["<p>f(x)[0](no link</p>"]);
    grows("Hello!", &["<p>Hello!</p>"]);
    grows("42", &["<p>42</p>"]);
}

#[test]
fn tables_do_not_begin_as_text() {
    grows("| a | b |", &[]);
    grows("| a | b |\n", &[]);
    grows("| a | b |\n|--", &[]);
    grows("text\n\na | b\n--", &["<p>text</p>"]);
    let table = Growing::from("| a |\n|---|\n| x", &with_names(&[]));
    assert!(table.blocks()[0].starts_with("<table>"));
}

#[test]
fn code_grows_by_what_comes() {
    let cx = with_names(&[]);
    let mut growing = Growing::from("text\n\n```ru", &cx);
    assert_eq!(growing.blocks()[1], "<pre><code></code></pre>");
    growing.push("st\nfn main() {");
    assert_eq!(growing.blocks()[1], "<pre><code class=\"language-rust\">fn main() {</code></pre>");
    let patch = growing.push(" 1 < 2 ");
    assert_eq!((patch.block, patch.html), (1, vec![" 1 &lt; 2 </code></pre>".to_owned()]));
    assert!(growing.push("\n").html[0].starts_with('\n'));
    assert!(growing.push("``").is_nothing(2));
    assert!(growing.push("`").is_nothing(2));
    assert!(growing.push("\n").is_nothing(2));
    assert_eq!(growing.push("end").html, ["<p>end</p>"]);
}

#[test]
fn a_finished_block_rests() {
    let names = names();
    let mut growing = Growing::new(&with_names(&names));
    let text = "First **one**.\n\nSecond one.\n\n- a\n- b\n\nThird.\n\n```\ncode\n```\n\nLast one";
    let mut sent = Vec::new();
    for character in text.chars() {
        let patch = growing.push(character.encode_utf8(&mut [0; 4]));
        if !patch.is_nothing(growing.blocks().len()) {
            sent.push(patch.block);
        }
    }
    assert!(sent.is_sorted(), "{sent:?}");
}

#[test]
fn late_definitions_reach_back() {
    let cx = with_names(&[]);
    let mut growing = Growing::from("See [spec] and[^1].\n\nMore.\n\n", &cx);
    assert_eq!(growing.blocks()[0], "<p>See [spec] and<sup class=\"footnote\">1</sup>.</p>");
    growing.push("[spec]: https://x.example\n\n[^1]: No");
    assert!(growing.blocks()[0].starts_with("<p>See [spec] and<sup class=\"footnote\"><a"), "{:?}", growing.blocks());
    growing.push("te.\n");
    assert!(growing.blocks()[0].starts_with("<p>See <a href=\"https://x.example/\""), "{:?}", growing.blocks());
    assert!(growing.blocks()[0].contains("href=\"#m1-note-1\" id=\"m1-ref-1\""));
    assert!(growing.blocks().last().is_some_and(|last| last.starts_with("<section")));
}

#[test]
fn prose_costs_its_length() {
    let cx = with_names(&[]);
    let text = "Some prose with **bold** words, `code` and so on; it is as long as a paragraph is.\n\n".repeat(2500);
    parse::PARSED.with(|parsed| parsed.set(0));
    let mut growing = Growing::new(&cx);
    for piece in samples::pieces(&text, &[10]) {
        growing.push(piece);
    }
    let parsed = parse::PARSED.with(std::cell::Cell::get);
    assert!(parsed < 40 * text.len(), "parsed {parsed} bytes for {}", text.len());
}

#[test]
fn code_costs_nothing_to_parse() {
    let cx = with_names(&[]);
    let mut growing = Growing::from("```\n", &cx);
    parse::PARSED.with(|parsed| parsed.set(0));
    let mut markup = 0;
    for piece in samples::pieces(&"let x = a < b;\n".repeat(2000), &[10]) {
        markup += growing.push(piece).html.concat().len();
    }
    assert_eq!(parse::PARSED.with(std::cell::Cell::get), 0);
    assert!(markup < 6 * growing.text().len());
}

/// Texts that only open, and open, and open.
#[test]
fn pathological_texts_grow_too() {
    let names = names();
    for pattern in samples::PATHOLOGICAL {
        let text = pattern.repeat(6_000 / pattern.len());
        let mut growing = Growing::new(&with_names(&names));
        let mut client = Vec::new();
        for piece in samples::pieces(&text, &[997]) {
            apply(&mut client, &growing.push(piece));
        }
        assert_eq!(client, growing.blocks());
        growing.finish();
        assert_eq!(growing.blocks(), markdown::blocks(&text, &with_names(&names)));
    }
}
