use std::time::Instant;

use proptest::prelude::*;
use proptest::sample::select;

use super::pen::{CLASSES, is_sound};
use super::{LANGUAGES, LONGEST_CODE, LONGEST_LINE, Lines, Reader, named};

/// The markup of code.
fn lines(language: &str, code: &str) -> String {
    let mut out = String::new();
    Lines::new(named(language)).all(&mut out, code);
    assert!(is_sound(&out), "{out}");
    assert_eq!(text_of(&out), code);
    out
}

/// What a reader reads in markup.
fn text_of(markup: &str) -> String {
    let text: String = markup.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect();
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", "\u{a0}").replace("&amp;", "&")
}

/// The runs of a line that have a class, as `class:text`.
fn runs(language: &str, code: &str) -> Vec<String> {
    lines(language, code)
        .split("<span class=\"")
        .skip(1)
        .map(|run| {
            let (class, rest) = run.split_once("\">").expect("a class ends");
            format!("{class}:{}", text_of(rest.split_once("</span>").expect("a span ends").0).trim_end())
        })
        .collect()
}

#[track_caller]
fn shows(language: &str, code: &str, expected: &[&str]) {
    assert_eq!(runs(language, code), expected, "{code:?}");
}

#[test]
fn each_language_has_names_of_its_own() {
    let mut seen = std::collections::HashSet::new();
    for language in LANGUAGES {
        for name in language.names.split(' ') {
            assert!(!name.is_empty() && seen.insert(name), "{name:?} of {}", language.name);
            assert_eq!(name, name.to_ascii_lowercase());
        }
    }
}

#[test]
fn languages_are_shown_by_their_proper_names() {
    for (token, name) in [
        ("rs", "Rust"),
        ("Rust,ignore", "Rust"),
        ("py", "Python"),
        ("js", "JavaScript"),
        ("ts", "TypeScript"),
        ("sh", "Shell"),
        ("bash", "Bash"),
        ("c++", "C++"),
        ("C#", "C#"),
        ("jsx", "JSX"),
        ("toml", "TOML"),
        ("yml", "YAML"),
        ("sql", "SQL"),
        ("diff", "Diff"),
        ("Dockerfile", "Dockerfile"),
        ("mermaid", "mermaid"),
        ("py:main.py", "Python"),
    ] {
        assert_eq!(named(token).map(|named| named.shown), Some(name), "{token}");
    }
    for token in ["", "text", "\"><script>", "a/b", "über", &"x".repeat(33)] {
        assert!(named(token).is_none(), "{token}");
    }
}

#[test]
fn rust() {
    shows("rust", "pub fn main() -> Option<u8> {", &["k:pub fn", "f:main", "t:Option", "t:u8"]);
    shows("rust", "    println!(\"{}\", 1_000u32 + 0x1F); // done", &["f:println!", "s:\"{}\"", "n:1_000u32", "n:0x1F", "c:// done"]);
    shows(
        "rust",
        "#[derive(Debug)] struct A<'a>(&'a str, char);",
        &["a:#[derive(Debug)]", "k:struct", "t:A", "a:'a", "a:'a", "t:str", "t:char"],
    );
    shows("rust", "let c = '\\u{1F600}'; let d = '\"'; x.await", &["k:let", "s:'\\u{1F600}'", "k:let", "s:'\"'"]);
    shows("rust", "let s = r#\"a\n\"b\n\"#; c", &["k:let", "s:r#\"a", "s:\"b", "s:\"#"]);
    shows("rust", "/* a /* b\n*/ c */ fn f", &["c:/* a /* b", "c:*/ c */", "k:fn", "f:f"]);
}

#[test]
fn python() {
    shows("py", "@app.get(\"/\")\nasync def f(x: int) -> str:", &["a:@app.get", "s:\"/\"", "k:async def", "f:f", "t:int", "t:str"]);
    shows("py", "x = f\"a {b + len('c')} d\" # e", &["s:f\"a", "a:{", "f:len", "s:'c'", "a:}", "s: d\"", "c:# e"]);
    shows("py", "\"\"\"one\n# two\nthree\"\"\" None", &["s:\"\"\"one", "s:# two", "s:three\"\"\"", "n:None"]);
    shows("py", "class A(B): pass", &["k:class", "t:A", "t:B", "k:pass"]);
}

#[test]
fn javascript_and_its_relatives() {
    shows("js", "const a = /[/]\\/x/g.test(b) / 2;", &["k:const", "s:/[/]\\/x/g", "f:test", "n:2"]);
    shows("js", "let s = `a ${b(`c`)}\nd`; // e", &["k:let", "s:`a", "a:${", "f:b", "s:`c`", "a:}", "s:d`", "c:// e"]);
    shows("ts", "export interface A { type: string }", &["k:export interface", "t:A", "k:type", "t:string"]);
    shows("jsx", "return <Button onClick={go}>don't</Button>;", &["k:return", "g:<Button", "a:onClick", "g:</Button"]);
    shows("js", "new Map(), map.delete(x), obj.class", &["k:new", "t:Map", "f:delete"]);
}

#[test]
fn shells() {
    shows(
        "bash",
        "for f in *.txt; do echo \"$f ${x}\" # all",
        &["k:for", "k:in", "k:do", "f:echo", "s:\"", "a:$f", "a:${", "a:}", "s:\"", "c:# all"],
    );
    shows("sh", "cat <<EOF > out\n$x 'y\nEOF\nls -la", &["f:cat", "k:<<EOF", "s:$x 'y", "k:EOF", "f:ls", "a:-la"]);
    shows("console", "$ ls -l\ntotal 0", &["c:$", "f:ls", "a:-l"]);
    shows("dockerfile", "FROM rust:1 AS build\nRUN cargo build --release", &["k:FROM", "k:AS", "k:RUN", "f:cargo", "a:--release"]);
}

#[test]
fn data() {
    shows("json", "{\"a\": [1, true, \"b\"]}", &["a:\"a\"", "n:1", "n:true", "s:\"b\""]);
    shows("yaml", "a:\n  - b: 1 # c\n    d: |\n      e: f\n  - g", &["a:a", "a:b", "n:1", "c:# c", "a:d", "k:|", "s:      e: f", "s:g"]);
    shows("yaml", "a: [80:80, b] # c", &["a:a", "n:80:80", "s:b", "c:# c"]);
    shows("toml", "[a.b]\nc = \"d\" # e\nf = [1, true]", &["h:[a.b]", "a:c", "s:\"d\"", "c:# e", "a:f", "n:1", "n:true"]);
    shows("sql", "SELECT count(*) FROM t WHERE a = 'it''s' -- b", &["k:SELECT", "f:count", "k:FROM", "k:WHERE", "s:'it''s'", "c:-- b"]);
    shows("diff", "@@ -1 +1 @@\n-a\n+b\n c", &["h:@@ -1 +1 @@", "d:-a", "i:+b"]);
}

#[test]
fn pages() {
    shows(
        "html",
        "<a href=\"x\">b &amp; c</a><!-- d\ne -->",
        &["g:<a", "a:href", "s:\"x\"", "g:>", "n:&amp;", "g:</a>", "c:<!-- d", "c:e -->"],
    );
    shows("html", "<script>\nlet a = 1;\n</script>", &["g:<script>", "k:let", "n:1", "g:</script>"]);
    shows("css", "a.b:hover { color: #fff; margin: 0 auto }", &["g:a", "t:.b", "f::hover", "a:color", "n:#fff", "a:margin", "n:0"]);
    shows(
        "css",
        "@media (width > 4rem) {\n  --x: calc(1px + var(--y));\n}",
        &["k:@media", "n:4rem", "a:--x", "f:calc", "n:1px", "f:var", "a:--y"],
    );
}

#[test]
fn c_and_its_relatives() {
    shows(
        "c",
        "#include <stdio.h>\nint main(void) { return p->type; }",
        &["k:#include", "s:<stdio.h>", "t:int", "f:main", "t:void", "k:return"],
    );
    shows("cpp", "auto n = 1'000; std::string s;", &["k:auto", "n:1'000"]);
    shows("go", "func (s *Server) Run() error {", &["k:func", "t:Server", "f:Run", "t:error"]);
    shows("java", "@Override public String toString()", &["a:@Override", "k:public", "t:String", "f:toString"]);
}

#[test]
fn what_is_beyond_the_limits_stays_plain() {
    let long = "let a = 1; ".repeat(LONGEST_LINE / 10);
    assert!(runs("rust", &long).is_empty());
    shows("rust", &format!("/* a\n{long}\nb */ let"), &["c:/* a", "c:b */", "k:let"]);
    let much = "let a;\n".repeat(LONGEST_CODE / 7 + 10);
    assert_eq!(runs("rust", &much).len(), LONGEST_CODE / 7);
    assert!(runs("unknown", "let a = 1").is_empty());
}

#[test]
fn soundness_is_exact() {
    for good in ["", "<span></span>", "<span>a\n</span><span><span class=\"k\">b &lt;</span> c</span>"] {
        assert!(is_sound(good), "{good}");
    }
    for bad in [
        "a",
        "<span>",
        "</span>",
        "<span>a</span>b",
        "<span><span class=\"x\">a</span></span>",
        "<span><span>a</span></span>",
        "<b></b>",
        "<span onclick=\"x\"></span>",
        "<span><span class=\"k\"><span class=\"k\"></span></span></span>",
        "<span class=\"k\"></span>",
        "<span>></span>",
        "<span",
        "<span><</span>",
        "<span>\"></span",
    ] {
        assert!(!is_sound(bad), "{bad}");
    }
    assert!(CLASSES.iter().all(|class| class.len() == 1));
}

/// Scraps of code that open, close and confuse.
fn scraps() -> impl Strategy<Value = String> {
    let scrap = select(
        &[
            "\"",
            "'",
            "`",
            "\"\"\"",
            "'''",
            "/*",
            "*/",
            "//",
            "#",
            "--",
            "{-",
            "-}",
            "(*",
            "<!--",
            "-->",
            "<script>",
            "</script>",
            "<style>",
            "</style>",
            "<a b=\"",
            "{",
            "}",
            "${",
            "#{",
            "\\(",
            ")",
            "(",
            "[",
            "]",
            "[[",
            "]==]",
            "--[==[",
            "r#\"",
            "\"#",
            "<<EOF",
            "EOF",
            "<<<X",
            "$",
            "@",
            ":",
            ":a",
            "\\",
            "\n",
            "\n\n",
            "\n    ",
            "\t",
            " ",
            "a",
            "B",
            "fn ",
            "class ",
            "0x1f",
            "1.5e-3",
            "é",
            "👩‍🚀",
            "=",
            "|",
            ">",
            "<",
            "-",
            "+",
            "---",
            "```",
            "~~~~",
            "key: ",
            "key: |\n  ",
            "@@ ",
            "$ ",
            "RUN ",
            "RUN a \\",
            "let x = 'a",
            "'a'",
            "&amp;",
            "#[",
            "#include <",
            "%",
            "!",
            "?",
            ",",
            ";",
            "\u{a0}",
            "f\"",
            "$\"",
            "@\"",
            "<?php ",
            "\u{2028}",
            "end",
            "x.type",
            "a::b",
            "\\begin{",
            "\0",
            "🇩🇪",
        ][..],
    );
    prop::collection::vec(scrap, 0..60).prop_map(|scraps| scraps.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_text_in_any_language_is_sound_and_whole(code in scraps(), at in 0..LANGUAGES.len()) {
        let name = LANGUAGES[at].names.split(' ').next().unwrap_or_default();
        let code = code.replace('\0', "");
        lines(name, &code);
    }
}

/// Lines that a careless reader would read again and again. Prints what the slowest costs; what is asserted is the size.
#[test]
fn hostile_lines_cost_little() {
    let seeds = [
        "(", "[", "{", "<", "\"", "'", "`", "/", "\\", "a", "a.", "a(", "<a ", "<a b=\"", "*", "#", "${", "#{", "\"${", "f\"{", "`${`${",
        "$", "@a", "/*", "{-", "(*", "#[", "r#\"", "[=", "--[=", "<<A", "_", " ", "\t", "\\\"", "[a](", "**", "a: ", "key: \"", "- ", "$ ",
        "&a", "'a", "é",
    ];
    let mut slowest = (0, String::new());
    for language in LANGUAGES.iter().filter(|language| !matches!(language.reader, Reader::Plain)) {
        let name = language.names.split(' ').next().unwrap_or_default();
        for seed in seeds {
            let code = (seed.repeat((LONGEST_LINE - 1) / seed.len()) + "\n").repeat(4);
            let began = Instant::now();
            let markup = lines(name, &code);
            let took = began.elapsed().as_micros() / 4;
            assert!(markup.len() <= 40 * code.len(), "{name} {seed:?}: {}", markup.len());
            if took > slowest.0 {
                slowest = (took, format!("{name} {seed:?}"));
            }
        }
    }
    println!("the slowest line of {LONGEST_LINE} bytes took {} µs: {}", slowest.0, slowest.1);
}
