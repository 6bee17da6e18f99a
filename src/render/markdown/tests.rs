use proptest::prelude::*;

use crate::render::samples::{self, assert_sound, names, with_names};
use crate::render::{RENDERER, blocks, mentions, render};

fn shown(text: &str) -> String {
    render(text, &with_names(&names()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn every_block_is_one_sound_element(text in samples::nasty()) {
        let names = names();
        let blocks = blocks(&text, &with_names(&names));
        blocks.iter().for_each(|block| assert_sound(block));
        prop_assert!(!blocks.is_empty() || text.trim().is_empty());
    }

    #[test]
    fn mentions_are_what_is_marked(text in samples::nasty()) {
        let names = names();
        let markup = render(&text, &with_names(&names));
        let marked = names.iter().filter(|name| markup.contains(&format!("data-name=\"{name}\""))).cloned();
        prop_assert_eq!(mentions(&text, &names), marked.collect::<Vec<_>>());
    }

    #[test]
    fn sections_do_not_show(text in samples::nasty()) {
        let names = names();
        let cx = with_names(&names);
        prop_assert_eq!(blocks(&text, &cx), super::blocks_in_one(&text, &cx));
    }
}

#[test]
fn inline_markup() {
    assert_eq!(shown("**a** *b* ~~c~~ `d<e>`\nf"), "<p><strong>a</strong> <em>b</em> <del>c</del> <code>d&lt;e&gt;</code><br>f</p>");
    assert_eq!(shown("\"q\" & a < b\u{a0}c"), "<p>\"q\" &amp; a &lt; b&nbsp;c</p>");
    assert_eq!(shown("**这是重点。**然后"), "<p><strong>这是重点。</strong>然后</p>");
}

#[test]
fn headings_are_demoted() {
    assert_eq!(shown("# a\n## b\n###### c"), "<h3>a</h3><h4>b</h4><h6>c</h6>");
    assert_eq!(shown("a\n==="), "<h3>a</h3>");
}

#[test]
fn lists_and_tasks() {
    assert_eq!(shown("- a\n- b"), "<ul><li>a</li><li>b</li></ul>");
    assert_eq!(shown("3. a\n\n4. b"), "<ol start=\"3\"><li><p>a</p></li><li><p>b</p></li></ol>");
    assert_eq!(
        shown("- [x] a\n- [ ] b"),
        "<ul class=\"tasks\"><li class=\"task\"><input type=\"checkbox\" disabled=\"\" checked=\"\" aria-label=\"done\"> a</li>\
         <li class=\"task\"><input type=\"checkbox\" disabled=\"\" aria-label=\"to do\"> b</li></ul>"
    );
}

#[test]
fn tables() {
    assert_eq!(
        shown("| a | b |\n|:-:|---|\n| 1 | 2 |"),
        "<table><thead><tr><th class=\"center\">a</th><th>b</th></tr></thead><tbody><tr><td class=\"center\">1</td><td>2</td></tr></tbody></table>"
    );
}

#[test]
fn code() {
    assert_eq!(shown("```Rust,ignore\na < b\n\nc\n```"), "<pre><code class=\"language-rust\">a &lt; b\n\nc\n</code></pre>");
    assert_eq!(shown("```\"><script>\nx\n```"), "<pre><code>x\n</code></pre>");
    assert_eq!(shown("- a\n  ```c++\n  x\n  ```"), "<ul><li>a<pre><code class=\"language-c++\">x\n</code></pre></li></ul>");
}

#[test]
fn raw_html_is_text() {
    assert_eq!(shown("<b onclick=\"x\">hi</b>"), "<p>&lt;b onclick=\"x\"&gt;hi&lt;/b&gt;</p>");
    assert_eq!(shown("<script>\nalert(1)\n</script>"), "<p class=\"raw\">&lt;script&gt;<br>alert(1)<br>&lt;/script&gt;</p>");
}

#[test]
fn links_lead_to_known_places() {
    assert_eq!(
        shown("[a](https://x.example/?a=1&b=\"2\")"),
        "<p><a href=\"https://x.example/?a=1&amp;b=%222%22\" rel=\"noopener noreferrer nofollow\" target=\"_blank\">a</a></p>"
    );
    assert_eq!(
        shown("[a](https://x.example 'T<\"')"),
        "<p><a href=\"https://x.example/\" title=\"T&lt;&quot;\" rel=\"noopener noreferrer nofollow\" target=\"_blank\">a</a></p>"
    );
    for bad in ["javascript:alert(1)", "JAVA\tSCRIPT:alert(1)", "data:text/html,x", "/relative", "//host", "vbscript:x", "file:///etc"] {
        assert_eq!(shown(&format!("[a](<{bad}>)")), "<p>a</p>", "{bad}");
    }
    assert!(shown("me@mail.example").contains("href=\"mailto:me@mail.example\""));
}

#[test]
fn pictures_from_elsewhere_are_links() {
    let link = |text| {
        format!(
            "<p><a class=\"outside-image\" href=\"https://x.example/p.png\" rel=\"noopener noreferrer nofollow\" target=\"_blank\">{text}</a></p>"
        )
    };
    assert_eq!(shown("![a *b*](https://x.example/p.png)"), link("a b"));
    assert_eq!(shown("![](https://x.example/p.png)"), link("https://x.example/p.png"));
}

#[test]
fn footnotes_are_numbered_as_they_are_referred_to() {
    let blocks = blocks("b[^b] a[^a] b[^b] none[^c]\n\n[^a]: A\n[^b]: B\n", &with_names(&[]));
    assert_eq!(
        blocks,
        [
            "<p>b<sup class=\"footnote\"><a href=\"#m1-note-1\" id=\"m1-ref-1\">1</a></sup> \
             a<sup class=\"footnote\"><a href=\"#m1-note-2\" id=\"m1-ref-2\">2</a></sup> \
             b<sup class=\"footnote\"><a href=\"#m1-note-1\">1</a></sup> none[^c]</p>",
            "<section class=\"footnotes\"><ol>\
             <li id=\"m1-note-1\"><p>B <a class=\"footnote-back\" href=\"#m1-ref-1\">↩</a></p></li>\
             <li id=\"m1-note-2\"><p>A <a class=\"footnote-back\" href=\"#m1-ref-2\">↩</a></p></li></ol></section>",
        ]
    );
}

#[test]
fn the_first_definition_counts_wherever_it_is() {
    let text = "[a]: https://one.example\n\n[a]: https://two.example\n\nSee [A].\n\n- x\n\n  [a]: https://three.example\n\n[a]";
    assert_eq!(shown(text).matches("https://one.example/").count(), 2, "{}", shown(text));
}

#[test]
fn a_message_of_definitions_is_not_empty() {
    assert_eq!(shown("[a]: https://x.example"), "<p class=\"raw\">[a]: https://x.example</p>");
    assert!(blocks(" \n\t\n", &with_names(&[])).is_empty());
}

#[test]
fn mentions_are_marked_in_plain_text_only() {
    assert_eq!(
        shown("@ada lovelace, `@Ada` [@Ada](https://x.example) **@助手，**"),
        "<p><span class=\"mention\" data-name=\"Ada Lovelace\">@ada lovelace</span>, <code>@Ada</code> \
         <a href=\"https://x.example/\" rel=\"noopener noreferrer nofollow\" target=\"_blank\">@Ada</a> \
         <strong><span class=\"mention\" data-name=\"助手\">@助手</span>，</strong></p>"
    );
    assert_eq!(mentions("```\n@Ada\n```\n\n@助手 hi", &names()), ["助手"]);
}

/// Nothing here may overflow the stack, run for minutes or blow up. Markup is bounded by what the text is worth.
#[test]
fn pathological_texts_stay_small() {
    let names = names();
    let cx = with_names(&names);
    for pattern in samples::PATHOLOGICAL {
        let text = pattern.repeat(20_000 / pattern.len());
        let markup = render(&text, &cx);
        assert!(markup.len() < 200 * text.len() + 10_000, "{pattern:?}: {}", markup.len());
    }
    let nested: String = (0..300).map(|depth| "  ".repeat(depth) + "- a\n").collect();
    assert!(render(&nested, &cx).len() < 20 * nested.len());
    let quotes = "> ".repeat(5000) + "a\n" + &"> a\n".repeat(5000);
    assert!(render(&quotes, &cx).len() < 20 * quotes.len());
    let table = format!("{0}\n{1}\n{2}", "a|".repeat(2000), "-|".repeat(2000), "x\n".repeat(10_000));
    assert!(render(&table, &cx).len() < 200 * table.len());
    let uses = format!("[a]: https://x.example/{}\n\n{}", "y".repeat(1500), "[a] ".repeat(5000));
    assert!(render(&uses, &cx).len() < 100 * uses.len());
}

#[test]
fn the_version_is_positive() {
    const { assert!(RENDERER > 0) }
}
