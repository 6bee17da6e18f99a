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
        for raw in [
            "**", "](", "```", "|--", "| -", "|:-", "~~", "__", "==", "--", "&am", "![", "[ ]", "[x]", "[^", "<http", "`", "| ", "$",
            ":tad", "\\(", "\\[", "\\f", "\\a", "\\b", "\\l", "^2",
        ] {
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

#[test]
fn formulas_wait_until_they_are_whole() {
    for text in
        ["so $x^2", "so $x^2$", "so \\(x", "so \\(x\\", "so \\", "so $$x = y", "so $$x$", "so \\[ x\n= y", "so $\\frac{a}{b", "so $"]
    {
        grows(text, &["<p>so</p>"]);
    }
    grows("so\n\n```math\n\\frac{a", &["<p>so</p>", "<p class=\"awaited\"></p>"]);
    grows("**so $x", &["<p><strong>so</strong></p>"]);
    let whole = Growing::from("so $x^2$ is", &with_names(&[]));
    assert!(whole.blocks()[0].starts_with("<p>so <span class=\"math\"><math><msup>"), "{:?}", whole.blocks());
    // A price does not wait for long.
    grows("it costs $5 or so", &["<p>it costs $5 or so</p>"]);
    grows("it costs $5 and $6 in total", &["<p>it costs $5 and $6 in total</p>"]);
    grows("in $HOME there are", &["<p>in $HOME there are</p>"]);
}

#[test]
fn what_waited_in_vain_is_text_in_the_end() {
    let cx = with_names(&[]);
    for text in ["a $x^2", "a \\(x", "a \\[ x\n\ny", "$$\nx\n\nb", "a :tad", "```math\nx"] {
        let mut growing = Growing::from(text, &cx);
        growing.finish();
        assert_eq!(growing.blocks(), markdown::blocks(text, &cx));
        assert!(visible(growing.blocks()).contains(['x', 't']), "{:?}", growing.blocks());
    }
}

#[test]
fn names_of_emoji_wait_while_they_are_typed() {
    grows("yes :tad", &["<p>yes</p>"]);
    grows("yes :tada:", &["<p>yes 🎉</p>"]);
    grows("yes :tad no", &["<p>yes :tad no</p>"]);
    grows("at 10:30", &["<p>at 10:30</p>"]);
    grows("that is: x", &["<p>that is: x</p>"]);
    grows("that is :qqq", &["<p>that is :qqq</p>"]);
}

/// Lines that Markdown would take for items, underlines, headings, quotes, or the end of the paragraph.
#[test]
fn formulas_are_whole_whatever_their_lines_begin_with() {
    let cx = with_names(&[]);
    let (open, close) = ("\\[", "\\]");
    for line in ["- b", "+ b", "= b", "=", "> b"] {
        for (first, prefix) in [("", ""), ("text\n", ""), ("1. ", "   "), ("- text\n  ", "  "), ("> ", "> "), ("> - ", ">   ")] {
            let lines = line.replace('\n', &format!("\n{prefix}"));
            let text = format!("{first}{open}\n{prefix}a\n{prefix}{lines}\n{prefix}{close}, so\n\nEnd.");
            never_flashes(&text);
            let whole = markdown::render(&text, &cx);
            assert_eq!(whole.matches("<math").count(), 1, "{text:?}: {whole}");
            assert!(!whole.contains("<h3") && !whole.contains("<table") && !whole.contains("<hr"), "{whole}");
            assert_eq!(Growing::from(&text, &cx).blocks().concat(), whole);
            whole.split_inclusive("</p>").for_each(|part| assert!(!part.contains('\u{fdd0}')));
        }
    }
}

#[test]
fn what_only_looks_like_a_formula_is_text() {
    for text in [
        "$$\n\nThis is some text about money.\n\n- one\n- two\n",
        "\\[1] A source of something, as is written here.\n\n- one",
        "$$\n```\n$$\n```\n\n- one",
        "```\n\\[\n- one\n\\]\n```\n\n- one",
        "    $$\n    - one\n    $$\n\n- one",
        "- ```\n  $$\n  a\n  $$\n  ```\n- one",
    ] {
        let whole = markdown::render(text, &with_names(&[]));
        assert!(!whole.contains("<math") && whole.contains("<li>one"), "{text:?}: {whole}");
    }
    // Nobody waits for the end of what is far too long.
    let long = Growing::from(&format!("$$\n{}", "x = y\n\n".repeat(1000)), &with_names(&[]));
    assert!(long.blocks().len() > 900);
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
        &[
            "<div class=\"table\"><table><colgroup><col width=\"40\"><col width=\"40\"></colgroup><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td><strong>x</strong></td><td></td></tr></tbody></table></div>",
        ],
    );
}

#[test]
fn lone_marks_wait() {
    for mark in ["*", "**", "_", "`", "```", "~~", "[", "![", "#", "## ", ">", "- ", "-", "1.", "1. ", "|", "---", "<", "&", "\\"] {
        grows(&format!("text\n\n{mark}"), &["<p>text</p>"]);
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
    assert!(table.blocks()[0].starts_with("<div class=\"table\"><table><colgroup><col width=\"40\"></colgroup><thead>"));
}

/// What stands at the right of its column, or in its middle, would move with each letter.
#[test]
fn cells_that_are_no_beginning_of_a_line_wait_until_they_are_whole() {
    let head = "| a | b | c |\n|---|--:|:-:|\n";
    let rows = |text: &str| {
        let growing = Growing::from(&format!("{head}{text}"), &with_names(&[]));
        let block = growing.blocks()[0].clone();
        block.split_once("</thead>").expect("a head").1.replace("</table></div>", "")
    };
    let row = |a: &str, b: &str, c: &str| {
        format!("<tbody><tr><td>{a}</td><td class=\"right\">{b}</td><td class=\"center\">{c}</td></tr></tbody>")
    };
    assert_eq!(rows("| one"), row("one", "", ""));
    assert_eq!(rows("| one | 1"), row("one", "", ""));
    assert_eq!(rows("| one | 12 "), row("one", "", ""));
    assert_eq!(rows("| one | 12 |"), row("one", "12", ""));
    assert_eq!(rows("| one | 12 | **x"), row("one", "12", ""));
    assert_eq!(rows("| one | 12 | **x** |"), row("one", "12", "<strong>x</strong>"));
    assert_eq!(rows("one | 1"), row("one", "", ""));
    assert_eq!(rows("one | 12 | x\n"), row("one", "12", "x"));
    let right = Growing::from("| n |\n|--:|\n| 1", &with_names(&[]));
    assert!(right.blocks()[0].ends_with("</thead></table></div>"), "{:?}", right.blocks());
}

fn code_block(name: &str, class: &str, lines: &str) -> String {
    let named = if name.is_empty() { "" } else { " named" };
    format!(
        "<figure class=\"code{named}\"><figcaption>{name}</figcaption><input type=\"checkbox\" class=\"fold\" aria-labelledby=\"word-unfold\">\
         <pre tabindex=\"0\"><code{class}>{lines}</code></pre></figure>"
    )
}

#[test]
fn code_grows_by_what_comes() {
    let cx = with_names(&[]);
    let mut growing = Growing::from("text\n\n```ru", &cx);
    assert_eq!(growing.blocks(), ["<p>text</p>"]);
    growing.push("st\nfn main() {");
    let rust = |lines: &str| code_block("<span class=\"language\">Rust</span>", " class=\"language-rust\"", lines);
    let main = "<span><span class=\"k\">fn </span><span class=\"f\">main</span>() {";
    assert_eq!(growing.blocks()[1], rust(&format!("{main}</span>")));
    let patch = growing.push(" a < b ");
    assert_eq!((patch.block, patch.html), (1, vec![" a &lt; b </span></code></pre></figure>".to_owned()]));
    assert!(growing.push("\n").html[0].starts_with('\n'));
    assert!(growing.push("``").is_nothing(2));
    assert!(growing.push("`").is_nothing(2));
    assert!(growing.push("\n").is_nothing(2));
    assert_eq!(growing.push("end").html, ["<p>end</p>"]);
}

/// A client that holds the code of a reply gets each line until it ends, and never again, but for the one moment when the code turns out
/// to be long: that is said where the block begins.
#[test]
fn finished_lines_are_never_sent_again() {
    let cx = with_names(&[]);
    let code = "/* a comment\nover lines */ let s = \"one\ntwo\"; // 3\nfn f() -> u8 { 4 }\n".repeat(20);
    for lengths in [&[1][..], &[3, 1, 7], &[40], &[200]] {
        let mut growing = Growing::from("```rust\n", &cx);
        let mut client = growing.blocks().to_vec();
        for piece in samples::pieces(&code, lengths) {
            let ended = growing.text()[8..].rfind('\n').map_or(0, |end| growing.text()[8..=end + 8].lines().count());
            let kept = finished(&client[0], ended);
            let was_long = is_long(&client[0]);
            let patch = growing.push(piece);
            assert_eq!(is_long(&growing.blocks()[0]), growing.text().lines().count() > 33);
            let turned = !was_long && is_long(&growing.blocks()[0]);
            assert!(patch.keep >= kept || turned, "{} of {kept} stay after {:?}", patch.keep, growing.text());
            apply(&mut client, &patch);
            assert_eq!(client, growing.blocks());
        }
        assert_eq!(client, markdown::blocks(growing.text(), &cx));
    }
}

fn is_long(block: &str) -> bool {
    block.starts_with("<figure class=\"code named long\">")
}

/// How long the markup is up to the end of so many lines of code.
fn finished(block: &str, lines: usize) -> usize {
    block.match_indices("\n</span>").nth(lines.wrapping_sub(1)).map_or(0, |(at, end)| at + end.len())
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
    assert!(markup < 24 * growing.text().len(), "{markup} for {}", growing.text().len());
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
