use proptest::prelude::*;

use super::{DEEPEST, LONGEST, Marks, formula};
use crate::render::gate;
use crate::render::samples::assert_sound;

fn drawn(latex: &str, marks: Marks) -> String {
    let mut out = String::new();
    formula(&mut out, latex, marks);
    assert_sound(&out);
    out
}

/// The MathML of a formula that must be drawn.
#[track_caller]
fn mathml(latex: &str) -> String {
    let out = drawn(latex, Marks::Dollar);
    let start = out.find("<math").unwrap_or_else(|| panic!("not drawn: {out}"));
    let end = out.find("</math>").expect("a formula ends") + "</math>".len();
    out[start..end].to_owned()
}

#[track_caller]
fn as_written(latex: &str) {
    let out = drawn(latex, Marks::Dollar);
    assert!(out.starts_with("<code class=\"tex\">$"), "{out}");
}

#[test]
fn a_formula_is_drawn_and_copied_as_it_was_typed() {
    assert_eq!(
        drawn("a<b", Marks::Dollar),
        "<span class=\"math\"><math><mi>a</mi><mo>&lt;</mo><mi>b</mi></math><span class=\"tex\" aria-hidden=\"true\">$a&lt;b$</span></span>"
    );
    let shown = drawn("\nx\n", Marks::Dollars);
    assert!(shown.starts_with("<span class=\"formula\"><math display=\"block\"><mi>x</mi></math>"), "{shown}");
    assert!(shown.contains(">$$\nx\n$$</span>"), "{shown}");
}

#[test]
fn what_models_write_is_drawn() {
    for latex in [
        r"\frac{-b \pm \sqrt{b^2 - 4ac}}{2a}",
        r"\begin{aligned} a &= b + c \\ &= d \end{aligned}",
        r"\begin{align*} a &= b \tag{1} \\ c &= d \label{eq:x} \end{align*}",
        r"\begin{alignat}{2} a &= b \end{alignat}",
        r"\begin{equation} E = mc^2 \end{equation}",
        r"\begin{split} a &= b \end{split}",
        r"f(x) = \begin{cases} x^2 & \text{if } x > 0 \\ 0 & \text{否则} \end{cases}",
        r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}",
        r"\begin{array}{c|c} a & b \\ \hline c & d \end{array}",
        r"\sum_{n=1}^\infty \frac{1}{n^2} = \boxed{\frac{\pi^2}{6}}",
        r"\operatorname{argmin}_\theta \mathbb{E}[L(\theta)]",
        r"\underbrace{a+b}_{n} \overline{x} \hat{y} \vec{v}",
        r"\left.\frac{dy}{dx}\right|_{x=0} \to \infty",
        r"\textcolor{red}{x} + \cancel{y}",
        r"\mbox{where } x \in \R",
        r"速度 = \frac{路程}{时间}",
    ] {
        let mathml = mathml(latex);
        assert!(!mathml.contains(" style=") && !mathml.contains("href") && !mathml.contains("merror"), "{mathml}");
    }
}

#[test]
fn styles_become_classes() {
    let aligned = mathml(r"\begin{aligned} a &= b \end{aligned}");
    assert!(aligned.contains("<mtd class=\"end close-end\">") && aligned.contains("<mtd class=\"start close-start\">"), "{aligned}");
    let lines = mathml(r"\begin{array}{c|c} a & b \\ \hline c & d \end{array}");
    assert!(lines.contains("line-end") && lines.contains("line-top"), "{lines}");
    assert_eq!(mathml(r"\boxed{x}"), "<math><mrow class=\"box\"><mi>x</mi></mrow></math>");
    assert_eq!(mathml(r"\cancel{x}"), "<math><mrow class=\"strike-up\"><mi>x</mi></mrow></math>");
    assert!(mathml(r"a\!b").contains("<mspace class=\"back\"></mspace>"));
}

#[test]
fn what_is_not_understood_is_shown_as_it_was_written() {
    for latex in [
        r"\unknown{x}",
        r"\frac{1}",
        r"a & b",
        r"\href{javascript:alert(1)}{x}",
        r"\def\a{x}\a",
        r"\newcommand{\a}{\a\a}\a",
        r"\let\a\b",
        r"\includegraphics{x}",
        r"\begin{aligned} a",
        "x}",
        "{",
        "",
        " ",
    ] {
        as_written(latex);
    }
    assert_eq!(drawn(r"\zz<b>", Marks::Dollars), r#"<code class="tex">$$\zz&lt;b&gt;$$</code>"#);
}

#[test]
fn formulas_bring_no_markup_of_their_own() {
    for latex in [
        r"\text{<script>alert(1)</script>}",
        r"\text{\textbf{a}<b onclick='x'>}",
        r"\textcolor{red;background:url(x)}{a}",
        r"\class{x}{y}",
        r"\url{javascript:x}",
        r"\eqref{x}",
        r#"\text{"'&lt;&amp;}"#,
        r"<annotation-xml encoding='text/html'><img src=x onerror=alert(1)></annotation-xml>",
        r"</math><script>alert(1)</script>",
    ] {
        let out = drawn(latex, Marks::Dollars);
        for bad in ["<script", "<img", "<b", "<annotation", "style=", "href="] {
            assert!(!out.contains(bad), "{out}");
        }
    }
    assert!(!mathml(r"\hspace{1000em} x \hspace{-90em}").contains("1000"));
}

#[test]
fn work_is_bounded() {
    as_written(&"x".repeat(LONGEST + 1));
    as_written(&format!("{}x{}", "{".repeat(DEEPEST + 1), "}".repeat(DEEPEST + 1)));
    // Commands that take the next as their argument, or the rest of the formula.
    for command in
        [r"\sqrt", r"\hat", r"\frac x", r"\displaystyle x", r"\color{red} x", r"\left(", r"\not", r"x^\sqrt", r"\sqrt[", r"\text{\text{"]
    {
        for times in [30, 190, 1000] {
            drawn(&(command.repeat(times) + "x"), Marks::Dollar);
        }
        as_written(&(command.repeat(1000) + "x"));
    }
    // As much as may be converted, nested as deeply as may be, in the stack of an ordinary thread.
    drawn(&(r"\displaystyle".repeat(190) + &"{".repeat(DEEPEST) + "x" + &"}".repeat(DEEPEST)), Marks::Dollar);
    for latex in [r"\begin{matrix}".repeat(100), r"\begin{aligned} &&&&&&&& \\ ".repeat(60), r"\iff".repeat(199), r"a \\ ".repeat(700)] {
        assert!(drawn(&latex, Marks::Dollars).len() < 100 * latex.len() + 10_000);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_formula_gives_sound_markup(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..40)) {
        let latex = pieces.concat();
        for marks in [Marks::Dollar, Marks::Dollars] {
            let out = drawn(&latex, marks);
            prop_assert_eq!(gate::clean(&out), out);
        }
    }
}

const PIECES: [&str; 64] = [
    "x",
    "1",
    "+",
    "=",
    " ",
    "{",
    "}",
    "{",
    "}",
    "^",
    "_",
    "&",
    r"\\",
    "[",
    "]",
    "(",
    ")",
    "|",
    "<",
    ">",
    "\"",
    "'",
    "#",
    "%",
    "~",
    "$",
    "\n",
    "中",
    "😀",
    "\u{301}",
    r"\frac",
    r"\sqrt",
    r"\left",
    r"\right",
    r"\left(",
    r"\right)",
    r"\begin{aligned}",
    r"\end{aligned}",
    r"\begin{cases}",
    r"\end{cases}",
    r"\begin{array}{c|c}",
    r"\end{array}",
    r"\hline",
    r"\text",
    r"\text{a b}",
    r"\mathbb",
    r"\hat",
    r"\underbrace",
    r"\boxed",
    r"\cancel",
    r"\bcancel",
    r"\color{red}",
    r"\displaystyle",
    r"\tag{1}",
    r"\label{a}",
    r"\sum",
    r"\limits",
    r"\operatorname{f}",
    r"\over",
    r"\not",
    r"\xrightarrow[a]",
    r"\!",
    r"\middle|",
    r"\substack",
];
