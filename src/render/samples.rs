//! Texts for tests: documents as people and models write them, and nasty ones that nobody does.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::select;

use crate::render::{Context, Room, gate, math};

/// Replies as models write them, one of each kind of block and more.
pub(crate) const DOCUMENTS: [&str; 10] = [
    "Sure! Here is **bold text**, *emphasis*, ***both***, ~~gone~~ and `code`.\n\nA [link](https://example.org/a_b \"Title\") \
     and ![a picture](https://example.org/p.png), and an address <https://example.org/x>.\n\n## A heading with `code`\n\nDone.",
    "Steps:\n\n1. First **thing**\n2. Second _thing_:\n   ```rust\n   fn main() { a[0] = **b; }\n   ```\n3. Third\n\n- [ ] open\n- [x] done\n  - nested `one`\n  - nested **two**\n\n> A quote with *stress*\n> that goes on.\n\nEnd.",
    "| Name | Value |\n|:-----|------:|\n| **a** | `1` |\n| b | [two](https://two.example) |\n\nAfter the table.\n",
    "Title\n=====\n\nSub\n---\n\nText & more &amp; &copy; 2 * 3 = 6, snake_case_name and a < b.\n\n---\n\nEnd\n",
    "```python\ndef f(x):\n    return x ** 2  # `tick` [a](b)\n```\n\n~~~\nplain ``` inside\n~~~\nText right behind.\n",
    "你好，**世界**！请看 [链接](https://例子.example/路径)。\n\n- 第一项：`代码`\n- 第二项 👩‍🚀 *重点*\n\n| 名称 | 值 |\n| --- | --- |\n| 甲 | 乙 |\n",
    "A claim[^1] and another[^note].\n\n[^1]: The **proof**.\n[^note]: See [here](https://example.org).\n\nSee [the spec][spec].\n\n[spec]: https://example.org/spec \"The spec\"\n",
    "The roots of $ax^2 + bx + c = 0$ are\n\n\\[\nx = \\frac{-b \\pm \\sqrt{b^2 - 4ac}}{2a},\n\\]\n\nwhere \\(a \\ne 0\\). Thus\n$$\n\\begin{aligned}\n\
     x_1 + x_2 &= -\\frac{b}{a} \\\\\nx_1 x_2 &= \\frac{c}{a}\n\\end{aligned}\n$$\n\n1. **So** $x$ is\n   $$x = 1$$\n2. and \\(y\\):\n   \\[y = 2\\]\n",
    "## 勾股定理 :tada:\n\n设直角边为 \\(a\\) 和 $b$，则：\n\n$$c = \\sqrt{a^2 + b^2}$$\n\n| 量 | 值 |\n|---|---|\n| $a$ | $3$ |\n\n```math\nE = mc^2\n```\n\n     完毕 :+1:。\n",
    "**Note:** use `a | b`.\r\n\r\n* one\r\n* two\r\n\r\nA line\r\nand its next.\r\n",
];

/// What makes careless parsers slow, or deep, or large, if it is repeated.
pub(crate) const PATHOLOGICAL: [&str; 66] = [
    ">",
    "[",
    "]",
    "*",
    "_",
    "`",
    "~",
    "<",
    "&",
    "|",
    "-",
    "(",
    "![",
    "[](",
    "*a_",
    "**a*",
    "[a](",
    "[a]",
    "<!--",
    "- ",
    "1. ",
    "a\n>",
    "> - ",
    "`a``b",
    "@Ada ",
    "[^a]",
    "[^a]: x\n",
    "[a]: b\n",
    "<b>",
    "\\",
    "\t",
    "# ",
    "```\n",
    "&amp;",
    "[[a]",
    "a**b",
    "\n\n",
    "|\n",
    "~~a~",
    "<a@b.c>",
    "www.a",
    "x@y.z ",
    "*a b_ ",
    "[a](b (x ",
    "[a](<b ",
    "![[a](b)",
    "*_",
    "$",
    "$$",
    "$a",
    "$a ",
    "$$a ",
    "$\\$a",
    "\\(",
    "\\[",
    "\\( \\] ",
    "\\)\\(",
    "$x$ ",
    ":",
    ":a",
    ":tada:",
    "#Kitchen ",
    "\\[\n",
    "$$\n",
    "$$\n\n- ",
    "> \\[\n- a\n",
];

/// Pieces that are harmless alone.
const PIECES: [&str; 152] = [
    "*",
    "**",
    "***",
    "_",
    "__",
    "~",
    "~~",
    "`",
    "``",
    "```",
    "~~~",
    "````",
    "[",
    "]",
    "(",
    ")",
    "![",
    "](",
    "[^",
    "]:",
    "<",
    ">",
    "&",
    "\\",
    "|",
    "#",
    "##",
    "-",
    "+",
    "=",
    ":",
    "!",
    "\n",
    "\n",
    "\n",
    "\n",
    "\n\n",
    "\n\n",
    "\n\n",
    "\r\n",
    "\r",
    " ",
    " ",
    "  ",
    "    ",
    "\t",
    "\n- ",
    "\n* ",
    "\n1. ",
    "\n2) ",
    "\n  - ",
    "\n   ",
    "\n    ",
    "\n> ",
    "\n> > ",
    "\n>",
    "\n# ",
    "\n## ",
    "\n---\n",
    "\n***\n",
    "\n===\n",
    "\n```\n",
    "\n```rust\n",
    "\n~~~\n",
    "\n  ```\n",
    "\n   ```\n",
    "\n| a | b |\n|---|---|\n",
    "\n| c | d |",
    "|---|",
    "a | b\n--|--\n",
    "- [ ] ",
    "- [x] ",
    "[a](https://a.example)",
    "[b](javascript:alert(1))",
    "![i](https://i.example/i.png)",
    "[a][ref]",
    "[ref]",
    "[Ref][]",
    "\n\n[ref]: https://ref.example 'T'\n",
    "\n\n[a]: <https://a.example/?x=1&y=2>\n\n",
    "[ref]: /relative\n",
    "[^n]",
    "[^m]",
    "\n\n[^n]: note\n",
    "\n\n[^m]: more\n\n    code\n",
    "[^n]: again [^m]\n",
    "https://bare.example/a_b?c=d",
    "www.bare.example",
    "me@mail.example",
    "<https://auto.example>",
    "<me@mail.example>",
    "<b>",
    "</b>",
    "<div>\n",
    "\n<div onclick=\"x()\">\n",
    "\n<script>\nalert(1)\n</script>\n",
    "<!--",
    "-->",
    "\n<!-- x\n\ny -->\n",
    "<?php ?>",
    "<img src=x onerror=alert(1)>",
    "\n<details>\n<summary>s</summary>\n\n",
    "&amp;",
    "&lt;script&gt;",
    "&#0;",
    "&#13;",
    "&#x202e;",
    "&nbsp;",
    "&am",
    "\0",
    "\u{feff}",
    "\u{a0}",
    "$",
    "$",
    "$$",
    "$$",
    "\\(",
    "\\)",
    "\\[",
    "\\]",
    "$x$",
    "$a_1 * b_2$",
    "$$\nx\n$$",
    "\\(a\\)",
    "\n\\[\n",
    "\n\\]\n",
    "\n$$\n",
    "\\frac{a}{b}",
    "\\begin{aligned} a &= b \\\\ &= c \\end{aligned}",
    "\n```math\n",
    "$5 and $6",
    ":tada:",
    ":tad",
    ":",
    "#Kitchen",
    "＃厨房",
    "word",
    "words and more",
    "snake_case",
    "2 * 3",
    "Ada",
    "@Ada",
    "@Ada Lovelace",
    "@Adamant",
    "@助手，",
    "助手",
    "汉字",
    "，",
    "👩‍🚀",
    "😀",
    "e\u{301}",
    "\u{2028}",
];

/// Random mixes of everything.
pub(crate) fn nasty() -> impl Strategy<Value = String> {
    prop::collection::vec(prop_oneof![12 => select(&PIECES[..]).prop_map(String::from), 1 => "[ -~]{1,6}", 1 => "\\PC{1,4}"], 0..48)
        .prop_map(|pieces| pieces.concat())
}

/// Well-formed documents, of the kind that models write.
pub(crate) fn tidy() -> impl Strategy<Value = String> {
    let inline = select(
        &[
            "word",
            "some words,",
            "**bold**",
            "**two words**",
            "*stress*",
            "_also_",
            "***both***",
            "**bold *and* more**",
            "~~gone~~",
            "`code`",
            "`` a`b ``",
            "[label](https://a.example/x_y)",
            "[**bold** label](https://a.example \"Title\")",
            "![alt](https://a.example/i.png)",
            "2 * 3",
            "a_b_c",
            "a < b",
            "R&amp;D",
            "R&D",
            "**重点：**请看",
            "*（注）*",
            "C:\\\\path",
            "(see [x](<https://a.example/>))",
            "5 - 3",
            "f(x)",
            "\\*no\\*",
            "<https://auto.example>",
            "**`code` in bold**",
            "*a **b** c*",
            "👩‍🚀",
            "$x$",
            "$\\alpha_1 + \\beta^2$",
            "\\(a \\le b\\)",
            "$$\\frac{a}{b}$$",
            "\\[x\\]",
            "**$n$ of them**",
            ":tada:",
        ][..],
    );
    let line = || prop::collection::vec(inline.clone(), 1..5).prop_map(|words| words.join(" "));
    let block = prop_oneof![
        4 => line(),
        2 => prop::collection::vec(line(), 2..4).prop_map(|lines| lines.join("\n")),
        1 => line().prop_map(|line| format!("## {line}")),
        1 => prop::collection::vec(line(), 1..4).prop_map(|lines| format!("- {}", lines.join("\n- "))),
        1 => prop::collection::vec(line(), 1..4).prop_map(|lines| format!("1. {}", lines.join("\n   - ["))).prop_map(|l| l.replace("- [", "- ")),
        1 => prop::collection::vec(line(), 1..3).prop_map(|lines| format!("- [ ] {}", lines.join("\n- [x] "))),
        1 => prop::collection::vec(line(), 1..3).prop_map(|lines| format!("> {}", lines.join("\n> "))),
        1 => prop::collection::vec(line(), 1..3).prop_map(|rows| format!("| A | B |\n|---|:-:|\n| {} | x |", rows.join(" | x |\n| "))),
        1 => line().prop_map(|code| format!("```rust\n{code}\n\n{code}\n```")),
        1 => line().prop_map(|item| format!("1. {item}\n\n   ```\n   {item}\n   ```\n\n2. {item}")),
        1 => line().prop_map(|line| format!("{line}\n\\[\n\\begin{{aligned}}\na &= b \\\\\n&= c\n\\end{{aligned}}\n\\]\n{line}")),
        1 => select(&["- b", "+ b", "= b", "> b", "", "1. b"][..]).prop_map(|line| format!("\\[\na\n{line}\n\\]")),
        1 => select(&["- b", "= b", ""][..]).prop_map(|line| format!("1. $$\n   a\n   {line}\n   $$")),
        1 => Just("```math\n\\sum_{i=1}^n i\n```".to_owned()),
        1 => Just("---".to_owned()),
    ];
    prop::collection::vec(block, 1..6).prop_map(|blocks| blocks.join("\n\n"))
}

/// A text and characters after which it is cut.
pub(crate) fn cut() -> impl Strategy<Value = (String, Vec<usize>)> {
    (nasty(), prop::collection::vec(1_usize..12, 1..24))
}

/// A text in pieces of so many characters, again and again.
pub(crate) fn pieces<'a>(text: &'a str, lengths: &[usize]) -> Vec<&'a str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let end = rest.char_indices().nth(*length).map_or(rest.len(), |(at, _)| at);
        let (piece, behind) = rest.split_at(end);
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

pub(crate) fn names() -> Vec<String> {
    ["Ada", "Ada Lovelace", "助手"].map(String::from).to_vec()
}

pub(crate) fn with_names(names: &[String]) -> Context<'_> {
    Context { scope: "m1", names, rooms: rooms() }
}

/// Rooms that a text may link to.
pub(crate) fn rooms() -> &'static [Room] {
    static ROOMS: LazyLock<[Room; 2]> = LazyLock::new(|| {
        [("Kitchen", 1), ("厨房", 2)]
            .map(|(name, last)| Room { name: name.to_owned(), id: format!("018f3a00-0000-7000-8000-00000000000{last}") })
    });
    &*ROOMS
}

/// What holds for every block of markup: the gate has nothing to do, and it is one element of known tags.
pub(crate) fn assert_sound(block: &str) {
    assert_eq!(gate::clean(block), block);
    let mut open = Vec::new();
    let mut rest = block;
    let mut elements = 0;
    while let Some(start) = rest.find('<') {
        assert!(!open.is_empty() || start == 0, "text outside of the element: {block}");
        let end = start + rest[start..].find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        let name = tag.trim_start_matches('/').split(' ').next().unwrap_or_default();
        assert!(gate::TAGS.contains(&name) || math::ELEMENTS.contains(&name), "{name} in {block}");
        elements += usize::from(open.is_empty());
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{block}");
        } else if !["br", "col", "hr", "input"].contains(&name) {
            open.push(name);
        }
        for word in tag.split('"').step_by(2).flat_map(str::split_whitespace).skip(1) {
            assert!(!word.starts_with("on"), "{block}");
        }
        rest = &rest[end + 1..];
    }
    assert!(rest.is_empty() && open.is_empty() && elements == 1, "not one element: {block}");
    let lower = block.to_lowercase();
    assert!(!lower.contains("<script") && !lower.contains("\"javascript:"), "{block}");
}

/// What a reader reads in markup, on lines.
pub(crate) fn visible(blocks: &[String]) -> String {
    let mut text = String::new();
    for part in blocks.concat().split('<') {
        let (tag, behind) = part.split_once('>').unwrap_or(("", part));
        let name = tag.trim_start_matches('/').split(' ').next().unwrap_or_default();
        if tag.contains("class=\"tex\"") {
            // Out of sight.
            continue;
        }
        if !["a", "em", "strong", "del", "span", "sup", "code", "label"].contains(&name) {
            text.push('\n');
        }
        text.push_str(behind);
    }
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", "\u{a0}").replace("&amp;", "&")
}
