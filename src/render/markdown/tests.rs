use proptest::prelude::*;

use crate::render::samples::{self, assert_sound, names, with_names};
use crate::render::{Context, RENDERER, Room, blocks, gate, may_name_room, mentions, render};

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
    assert_eq!(shown("**这是重点。**然后"), "<p lang=\"zh\"><strong>这是重点。</strong>然后</p>");
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
        "<ul class=\"tasks\"><li class=\"task\"><label><input type=\"checkbox\" disabled=\"\" checked=\"\"> a</label></li>\
         <li class=\"task\"><label><input type=\"checkbox\" disabled=\"\"> b</label></li></ul>"
    );
    assert_eq!(
        shown("- [x] a\n  - b\n\n  c\n- [ ]"),
        "<ul class=\"tasks\"><li class=\"task\"><p><label><input type=\"checkbox\" disabled=\"\" checked=\"\"> a</label></p>\
         <ul><li>b</li></ul><p>c</p></li><li class=\"task\"><input type=\"checkbox\" disabled=\"\"></li></ul>"
    );
}

#[test]
fn tables() {
    assert_eq!(
        shown("| a | b |\n|:-:|---|\n| 1 | 2 |"),
        "<div class=\"table\"><table><colgroup><col width=\"40\"><col width=\"40\"></colgroup>\
         <thead><tr><th class=\"center\">a</th><th>b</th></tr></thead>\
         <tbody><tr><td class=\"center\">1</td><td>2</td></tr></tbody></table></div>"
    );
    // The head alone says how wide columns are: what comes below moves none of them.
    let columns = |head: &str, row: &str| {
        let table = shown(&format!("| {head} |\n|---|---|---|\n| {row} |"));
        table[..table.find("<thead>").expect("a head")].to_owned()
    };
    let few = columns("Number | 名字 | **What it is for and why**", "1 | 2 | 3");
    assert_eq!(few, "<div class=\"table\"><table><colgroup><col width=\"72\"><col width=\"56\"><col width=\"152\"></colgroup>");
    assert_eq!(columns("Number | 名字 | **What it is for and why**", "several words here | 名字 | and the last ones"), few);
    // What is likely to be wider than a phone can be reached by the keyboard, to scroll it.
    let wide = columns("The first column | The second column | The third", "1 | 2 | 3");
    assert!(wide.starts_with("<div class=\"table\" tabindex=\"0\"><table>"), "{wide}");
}

#[test]
fn code() {
    let block = |name: &str, class: &str, lines: &str| {
        let named = if name.is_empty() { "" } else { " named" };
        format!(
            "<figure class=\"code{named}\"><figcaption>{name}</figcaption><input type=\"checkbox\" class=\"fold\" aria-labelledby=\"word-unfold\">\
             <pre tabindex=\"0\"><code{class}>{lines}</code></pre></figure>"
        )
    };
    assert_eq!(
        shown("```Rust,ignore\nlet a < 1;\n\nc\n```"),
        block(
            "<span class=\"language\">Rust</span>",
            " class=\"language-rust\"",
            "<span><span class=\"k\">let </span>a &lt; <span class=\"n\">1</span>;\n</span><span>\n</span><span>c\n</span>"
        )
    );
    assert_eq!(shown("```\"><script>\nlet x\n```"), block("", "", "<span>let x\n</span>"));
    assert_eq!(
        shown("- a\n  ```c++\n  x\n  ```"),
        format!("<ul><li>a{}</li></ul>", block("<span class=\"language\">C++</span>", " class=\"language-cpp\"", "<span>x\n</span>"))
    );
    assert_eq!(shown("    let x"), block("", "", "<span>let x\n</span>"));
    // What is no language that is known keeps its name and stays plain.
    assert_eq!(shown("```mermaid\nlet x\n```"), block("<span class=\"language\">mermaid</span>", "", "<span>let x\n</span>"));
    assert_eq!(shown("```"), block("", "", ""));
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
            "<p>b<sup class=\"footnote\"><a href=\"#m1-note-1\" id=\"m1-ref-1\" role=\"doc-noteref\">1</a></sup> \
             a<sup class=\"footnote\"><a href=\"#m1-note-2\" id=\"m1-ref-2\" role=\"doc-noteref\">2</a></sup> \
             b<sup class=\"footnote\"><a href=\"#m1-note-1\" role=\"doc-noteref\">1</a></sup> none[^c]</p>",
            "<section class=\"footnotes\" role=\"doc-endnotes\"><ol>\
             <li id=\"m1-note-1\"><p>B <a class=\"footnote-back\" href=\"#m1-ref-1\" role=\"doc-backlink\">↩</a></p></li>\
             <li id=\"m1-note-2\"><p>A <a class=\"footnote-back\" href=\"#m1-ref-2\" role=\"doc-backlink\">↩</a></p></li></ol></section>",
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

/// Formulas in a text, by what is copied of them.
fn formulas(text: &str) -> Vec<String> {
    let shown = shown(text);
    let parts = shown.split("<span class=\"tex\" aria-hidden=\"true\">").skip(1);
    parts.filter_map(|part| Some(part.split_once("</span>")?.0.to_owned())).collect()
}

#[test]
fn formulas_have_four_kinds_of_marks() {
    assert_eq!(formulas("a $x$ b $$y$$ c \\(z\\) d \\[w\\]"), ["$x$", "$$y$$", "\\(z\\)", "$$w$$"]);
    assert_eq!(formulas("第$n$个，**$a_1$ 和 $b_2$**"), ["$n$", "$a_1$", "$b_2$"]);
    assert_eq!(formulas("the \\(n\\)th, $k$NN, a $3\\times 3$ matrix"), ["\\(n\\)", "$k$", "$3\\times 3$"]);
    assert_eq!(formulas("1. So\n   \\[\n   a\n   = b\n   \\]\n2. $$\n   c\n   $$").len(), 2);
    assert_eq!(formulas("| $a$ | b |\n|---|---|\n| $c_1$ | $d$ |").len(), 3);
    assert_eq!(formulas("```math\n\\frac{a}{b}\n```\n\n~~~math\nx\n~~~\n- a\n  ```math\n  y\n  ```").len(), 3);
    let apart = shown("So\n$$\nx\n$$\nwhere");
    assert!(apart.starts_with("<p>So<span class=\"formula\">") && apart.ends_with("</span>where</p>"), "{apart}");
}

#[test]
fn prices_and_shells_are_no_formulas() {
    for text in [
        "costs $5 and $6",
        "$5-$10",
        "from $5/month to $50/year",
        "US$100 (about A$150)",
        "it is $5, I mean $6.",
        "$HOME:$PATH",
        "echo $USER and $HOME",
        "a $ b $ c",
        "\\$x\\$",
        "$$ and $",
        "$",
        "$$",
        "$$$",
        "$$$$",
        "\\( and",
    ] {
        assert!(!shown(text).contains("<math"), "{text:?}: {}", shown(text));
    }
    assert_eq!(shown("costs $5 and $6"), "<p>costs $5 and $6</p>");
    assert!(formulas("`$x$`\n\n    $x$\n\n```\n\\(x\\)\n```\n\n[$x$][a]\n\n<$x$>").len() <= 2);
    assert!(formulas("`$x$`\n\n```\n\\(x\\) $$y$$\n```").is_empty());
}

#[test]
fn a_formula_that_is_not_understood_stays_as_it_was() {
    assert_eq!(shown("a $\\zz{1}$ b"), "<p>a <code class=\"tex\">$\\zz{1}$</code> b</p>");
    assert_eq!(shown("```math\n\\zz\n```"), "<p><code class=\"tex\">$$\\zz$$</code></p>");
}

#[test]
fn emoji_have_names() {
    assert_eq!(shown(":tada: **:+1:** `:tada:` at 10:30:45"), "<p>🎉 <strong>👍</strong> <code>:tada:</code> at 10:30:45</p>");
    assert!(shown("https://a.example/:tada:/x and :tada:").ends_with(">https://a.example/:tada:/x</a> and 🎉</p>"));
    assert!(shown("[a :tada:](https://a.example)").contains(">a 🎉</a>"));
    assert_eq!(shown("```\n:tada:\n```").matches('🎉').count(), 0);
}

#[test]
fn rooms_are_links_by_their_names() {
    let rooms = [("Kitchen", "018f3a00-0000-7000-8000-000000000001"), ("厨房", "018f3a00-0000-7000-8000-000000000002")];
    let rooms = rooms.map(|(name, id)| Room { name: name.to_owned(), id: id.to_owned() });
    let names = names();
    let cx = Context { scope: "m1", names: &names, rooms: &rooms };
    let kitchen = |text: &str| format!("<a class=\"room-link\" href=\"/rooms/{}\">{text}</a>", rooms[0].id);
    assert_eq!(render("#Kitchen @Ada #kitchen.", &cx).matches("class=\"room-link\"").count(), 2);
    assert_eq!(render("in #kitchen, #Kitchens", &cx), format!("<p>in {}, #Kitchens</p>", kitchen("#kitchen")));
    assert!(render("去＃厨房吧", &cx).contains(&rooms[1].id));
    for text in [
        "# Kitchen",
        "`#Kitchen`",
        "[#Kitchen](https://a.example)",
        "https://a.example/#Kitchen",
        "a#Kitchen",
        "#Hall",
        "```\n#Kitchen\n```",
    ] {
        assert!(!render(text, &cx).contains("class=\"room-link\""), "{text}");
    }
    assert!(may_name_room("a #b") && may_name_room("＃厨房") && !may_name_room("# b\n## c\n#"));
    // A place in this very site is a link like any other.
    let link = render(&format!("https://host.example/rooms/{}?around=x", rooms[0].id), &cx);
    assert!(link.contains("rel=\"noopener") && !link.contains("class=\"room-link\""), "{link}");
}

#[test]
fn only_links_to_rooms_are_relative() {
    let room = "<a class=\"room-link\" href=\"/rooms/018f3a00-0000-7000-8000-000000000001\">#a</a>";
    assert_eq!(gate::clean(room), room);
    for bad in [
        "/rooms/x",
        "/sign-out",
        "/rooms/018f3a00-0000-7000-8000-000000000001/..",
        "//evil.example",
        "/rooms/018F3A00-0000-7000-8000-000000000001",
    ] {
        assert_eq!(gate::clean(&format!("<a href=\"{bad}\">a</a>")), "<a>a</a>", "{bad}");
    }
}

#[test]
fn east_asian_paragraphs_say_their_language() {
    assert_eq!(shown("# 标题\n\n- 你好\n\n| 名称 |\n|---|\n| a |").matches(" lang=\"zh\"").count(), 3);
    assert_eq!(shown("こんにちは世界"), "<p lang=\"ja\">こんにちは世界</p>");
    assert_eq!(shown("안녕하세요"), "<p lang=\"ko\">안녕하세요</p>");
    assert_eq!(shown("使用 JavaScript 写"), "<p lang=\"zh\">使用 JavaScript 写</p>");
    assert_eq!(shown("The word 好 means good."), "<p>The word 好 means good.</p>");
    assert_eq!(shown("日本語\n\nhello"), "<p lang=\"zh\">日本語</p><p>hello</p>");
}

#[test]
fn chinese_punctuation_is_beside_markup() {
    for (text, expected) in [
        ("**“强调”**的", "<strong>“强调”</strong>的"),
        ("**注意：**请看", "<strong>注意：</strong>请看"),
        ("这是**《书名》**。", "这是<strong>《书名》</strong>。"),
        ("请*（小心）*走", "请<em>（小心）</em>走"),
        ("~~“删”~~掉", "<del>“删”</del>掉"),
        ("第一行\n第二行", "第一行<br>第二行"),
    ] {
        assert_eq!(shown(text), format!("<p lang=\"zh\">{expected}</p>"), "{text}");
    }
    for (text, address) in [
        ("看https://a.example/x，然后", "https://a.example/x"),
        ("（https://a.example/x）", "https://a.example/x"),
        ("https://a.example/x。", "https://a.example/x"),
        ("https://a.example/x、https://b.example/", "https://a.example/x"),
        ("www.a.example/x；", "http://www.a.example/x"),
        ("https://a.example/x“引”", "https://a.example/x"),
        ("https://a.example/路径。", "https://a.example/%E8%B7%AF%E5%BE%84"),
    ] {
        assert!(shown(text).contains(&format!("href=\"{address}\"")), "{text}: {}", shown(text));
    }
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
