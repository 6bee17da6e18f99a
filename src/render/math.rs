//! Formulas: LaTeX → MathML, drawn by the browser itself, without script and without fonts of ours.
//!
//! The work is math-core's. What is done here is what a public place needs:
//!
//! - **Bounded.** Long or deeply nested formulas are not converted (its parser calls itself), and neither are those that
//!   would become much larger than they are. It knows neither `\def` nor `\newcommand`, so a formula cannot make work.
//! - **Rewritten.** What it makes is read tag by tag and written again: known elements, known attributes with sound values,
//!   classes in the place of style attributes (which the page's policy forbids), no addresses, no colours (nobody can
//!   promise that they are readable in both themes).
//! - **Never broken.** A formula that is not understood, or that makes the library panic, is shown as it was written.
//! - **Copied as LaTeX.** Behind each formula stands what was typed, out of sight. The style makes the drawn formula
//!   unselectable and this selectable, so a copied paragraph has the formula once, as it can be pasted again. Screen
//!   readers get the MathML alone.

use std::panic::{self, AssertUnwindSafe};
use std::sync::LazyLock;

use math_core::{LatexToMathML, MathCoreConfig, MathDisplay};

use crate::render::html;

/// Longest formula that is drawn, in bytes: pages of mathematics consist of shorter ones.
pub(crate) const LONGEST: usize = 4000;

/// How deep braces may nest, and how many commands there may be in one cell of a formula. Each can be a call within a call.
const DEEPEST: usize = 40;
const MOST_COMMANDS: usize = 200;

/// How much longer than its source a formula's markup may be.
const GROWTH: usize = 64;
const GROWTH_FOR_ANY: usize = 4096;

/// Widest space and thickest line, in em, and how many signs are likely to be wider than a phone.
const WIDEST_SPACE: f32 = 20.0;
const MANY_SIGNS: usize = 26;

/// Commands that models and people use and that the library does not know.
const MACROS: [(&str, &str); 33] = [
    // A thing that is struck out twice in the same direction stands for a box, see [`Rewriter::start`].
    ("boxed", r"\bcancel{\bcancel{#1}}"),
    ("fbox", r"\bcancel{\bcancel{#1}}"),
    ("textcolor", r"{\color{#1}#2}"),
    ("pmb", r"\boldsymbol{#1}"),
    ("mathds", r"\mathbb{#1}"),
    ("widetilde", r"\tilde{#1}"),
    ("smash", "{#1}"),
    ("ce", r"\mathrm{#1}"),
    ("rule", ""),
    ("hfill", r"\qquad"),
    ("dotsb", r"\cdots"),
    ("dotsm", r"\cdots"),
    ("dotsi", r"\cdots"),
    ("dotso", r"\ldots"),
    ("varlimsup", r"\limsup"),
    ("varliminf", r"\liminf"),
    ("argmax", r"\operatorname*{arg\,max}"),
    ("argmin", r"\operatorname*{arg\,min}"),
    ("R", r"\mathbb{R}"),
    ("N", r"\mathbb{N}"),
    ("Z", r"\mathbb{Z}"),
    ("Q", r"\mathbb{Q}"),
    ("C", r"\mathbb{C}"),
    ("E", r"\mathbb{E}"),
    ("small", ""),
    ("normalsize", ""),
    ("large", ""),
    ("Large", ""),
    ("LARGE", ""),
    ("huge", ""),
    ("Huge", ""),
    ("displaylines", "{#1}"),
    ("hskip", ""),
];

/// Environments under the names of those that the library draws without numbers: the numbers would begin at 1 in each formula.
const ENVIRONMENTS: [(&str, &str); 14] = [
    ("split", "aligned"),
    ("align", "aligned"),
    ("align*", "aligned"),
    ("alignat", "aligned"),
    ("alignat*", "aligned"),
    ("alignedat", "aligned"),
    ("eqnarray", "aligned"),
    ("eqnarray*", "aligned"),
    ("flalign", "aligned"),
    ("gather", "gathered"),
    ("gather*", "gathered"),
    ("equation", "gathered"),
    ("equation*", "gathered"),
    ("smallmatrix", "matrix"),
];

/// Without its own commands if they should not be understood: then formulas that use them are shown as they are written.
static CONVERTER: LazyLock<LatexToMathML> = LazyLock::new(|| {
    let macros = MACROS.iter().map(|(name, body)| ((*name).to_owned(), (*body).to_owned())).collect();
    LatexToMathML::new(MathCoreConfig { macros, ..MathCoreConfig::default() }).unwrap_or_default()
});

/// What stands around a formula in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marks {
    /// `$…$`
    Dollar,
    /// `$$…$$` or `\[…\]`: the parser does not tell which.
    Dollars,
    /// `\(…\)`
    Parentheses,
    /// A fenced code block whose language is `math`.
    Fence,
}

impl Marks {
    fn around(self) -> (&'static str, &'static str) {
        match self {
            Self::Dollar => ("$", "$"),
            Self::Dollars | Self::Fence => ("$$", "$$"),
            Self::Parentheses => (r"\(", r"\)"),
        }
    }

    pub(crate) fn is_display(self) -> bool {
        matches!(self, Self::Dollars | Self::Fence)
    }
}

/// Appends a formula: drawn, or as it was written.
pub(crate) fn formula(out: &mut String, latex: &str, marks: Marks) {
    let display = marks.is_display();
    let (before, behind) = marks.around();
    let source = format!("{before}{latex}{behind}");
    let Some(drawn) = draw(latex, display) else {
        out.push_str("<code class=\"tex\">");
        html::lines(out, &source);
        out.push_str("</code>");
        return;
    };
    let class = match (display, drawn.signs > MANY_SIGNS) {
        (true, false) => "formula",
        (true, true) => "formula\" tabindex=\"0",
        (false, false) => "math",
        (false, true) => "math wide",
    };
    out.push_str(&format!("<span class=\"{class}\">{}<span class=\"tex\" aria-hidden=\"true\">", drawn.markup));
    html::text(out, source.trim());
    out.push_str("</span></span>");
}

struct Drawn {
    markup: String,
    /// How many letters, digits and other signs it shows.
    signs: usize,
}

fn draw(latex: &str, display: bool) -> Option<Drawn> {
    if latex.trim().is_empty() || latex.len() > LONGEST || !is_shallow(latex) {
        return None;
    }
    let latex = adapted(latex);
    let style = if display { MathDisplay::Block } else { MathDisplay::Inline };
    // The library asserts what it believes of itself. If it is wrong, one formula is shown as it was written.
    let converted = panic::catch_unwind(AssertUnwindSafe(|| CONVERTER.convert_with_local_state(&latex, style).ok()));
    let mathml = converted.ok().flatten()?.mathml;
    if mathml.len() > GROWTH * latex.len() + GROWTH_FOR_ANY {
        return None;
    }
    Rewriter::default().rewrite(&mathml)
}

/// Whether nothing in a formula nests deeper than the library's parser may go.
fn is_shallow(latex: &str) -> bool {
    let bytes = latex.as_bytes();
    let (mut depth, mut commands) = (0_usize, 0);
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => {
                commands = if bytes.get(at + 1) == Some(&b'\\') { 0 } else { commands + 1 };
                at += 1;
            }
            b'&' if depth == 0 => commands = 0,
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST || commands > MOST_COMMANDS {
            return false;
        }
        at += 1;
    }
    true
}

/// A formula with names that the library knows.
fn adapted(latex: &str) -> String {
    let mut adapted = String::with_capacity(latex.len());
    let mut rest = latex;
    while let Some(at) = rest.find('\\') {
        adapted.push_str(&rest[..at]);
        rest = &rest[at..];
        let name = rest[1..].bytes().take_while(u8::is_ascii_alphabetic).count();
        // One sign, or letters.
        let end = if name > 0 { 1 + name } else { 1 + rest[1..].chars().next().map_or(0, char::len_utf8) };
        let (command, behind) = rest.split_at(end);
        rest = behind;
        match command {
            r"\begin" | r"\end" => {
                adapted.push_str(command);
                if let Some((name, behind)) = group(behind)
                    && let Some((_, known)) = ENVIRONMENTS.iter().find(|(unknown, _)| *unknown == name)
                {
                    adapted.push_str(&format!("{{{known}}}"));
                    // The number of columns.
                    let columns = command == r"\begin" && name.starts_with("align") && name.contains("at");
                    rest = group(behind).filter(|_| columns).map_or(behind, |(_, behind)| behind);
                }
            }
            r"\tag" => match group(behind.strip_prefix('*').unwrap_or(behind)) {
                Some((tag, behind)) => {
                    adapted.push_str(&format!(r"\qquad\text{{({tag})}}"));
                    rest = behind;
                }
                None => adapted.push_str(command),
            },
            r"\label" => rest = group(behind).map_or(behind, |(_, behind)| behind),
            r"\mbox" | r"\hbox" => adapted.push_str(r"\text"),
            _ => adapted.push_str(command),
        }
    }
    adapted.push_str(rest);
    adapted
}

/// The inside of the braces that a text begins with, and what is behind them. Nothing if there are braces inside.
fn group(text: &str) -> Option<(&str, &str)> {
    text.trim_start().strip_prefix('{')?.split_once('}').filter(|(inside, _)| !inside.contains(['{', '\\']))
}

/// The elements of MathML there are in our markup.
pub(crate) const ELEMENTS: [&str; 23] = [
    "math",
    "mfrac",
    "mi",
    "mmultiscripts",
    "mn",
    "mo",
    "mover",
    "mpadded",
    "mphantom",
    "mprescripts",
    "mroot",
    "mrow",
    "mspace",
    "msqrt",
    "msub",
    "msubsup",
    "msup",
    "mtable",
    "mtd",
    "mtext",
    "mtr",
    "munder",
    "munderover",
];

/// The attributes there are, by element.
pub(crate) const ATTRIBUTES: [(&str, &[&str]); 11] = [
    ("math", &["display"]),
    ("mfrac", &["linethickness", "displaystyle", "scriptlevel"]),
    ("mi", &["mathvariant"]),
    ("mo", &["form", "largeop", "lspace", "maxsize", "minsize", "movablelimits", "rspace", "stretchy", "symmetric"]),
    ("mover", &["accent"]),
    ("mpadded", &["height", "width"]),
    ("mrow", &["class", "displaystyle", "scriptlevel"]),
    ("mspace", &["class", "width"]),
    ("mtable", &["class", "displaystyle", "scriptlevel"]),
    ("mtd", &["class"]),
    ("munder", &["accentunder"]),
];

/// What a style of the library's is as a class of ours. The longer of two that begin alike comes first.
const CLASSES: [(&str, &str); 13] = [
    ("text-align: right", "end"),
    ("text-align: left", "start"),
    ("padding-right: 0;", "close-end"),
    ("padding-left: 0;", "close-start"),
    ("padding-left:1em", "apart"),
    ("padding-top: 0", "low"),
    ("border-right: 0.05em solid", "line-end"),
    ("border-right: 0.05em dashed", "dash-end"),
    ("border-left: 0.05em solid", "line-start"),
    ("border-left: 0.05em dashed", "dash-start"),
    ("border-top: 0.05em solid", "line-top"),
    ("border-top: 0.05em dashed", "dash-top"),
    ("margin-left:-0.16666667em", "back"),
];

/// Reads what the library made, and writes what we want of it.
#[derive(Default)]
struct Rewriter {
    out: String,
    signs: usize,
    /// The elements that are open: what they were, and what they are in our markup, if anything.
    open: Vec<(String, Option<&'static str>)>,
    /// An element was left out that was struck out in this way. If the next is the same, both are a box.
    struck: Option<String>,
}

impl Rewriter {
    /// Nothing if there is anything unexpected.
    fn rewrite(mut self, mathml: &str) -> Option<Drawn> {
        let mut rest = mathml;
        while let Some(at) = rest.find('<') {
            self.text(&rest[..at])?;
            let end = at + rest[at..].find('>')?;
            self.tag(&rest[at + 1..end])?;
            rest = &rest[end + 1..];
        }
        (rest.trim().is_empty() && self.open.is_empty()).then_some(Drawn { markup: self.out, signs: self.signs })
    }

    fn text(&mut self, text: &str) -> Option<()> {
        let mut plain = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('&') {
            plain.push_str(&rest[..at]);
            let end = at + rest[at..].find(';')?;
            plain.push(match &rest[at + 1..end] {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "#39" => '\'',
                "nbsp" => '\u{a0}',
                _ => return None,
            });
            rest = &rest[end + 1..];
        }
        plain.push_str(rest);
        // Variation selectors tell letters apart that most fonts do not.
        plain.retain(|c| !matches!(c, '\u{fe00}' | '\u{fe01}') && !c.is_control());
        self.signs += plain.chars().filter(|c| !c.is_whitespace()).count();
        html::text(&mut self.out, &plain);
        Some(())
    }

    fn tag(&mut self, tag: &str) -> Option<()> {
        if let Some(name) = tag.strip_prefix('/') {
            let (open, ours) = self.open.pop()?;
            if let Some(ours) = ours {
                self.out.push_str(&format!("</{ours}>"));
            }
            return (open == name).then_some(());
        }
        let (tag, alone) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let ours = self.start(name, attributes)?;
        if alone {
            self.out.extend(ours.map(|ours| format!("</{ours}>")));
        } else {
            self.open.push((name.to_owned(), ours));
        }
        // What browsers take for nested too deep, they put elsewhere.
        (self.open.len() < 4 * DEEPEST).then_some(())
    }

    /// Opens an element of ours. Nothing of it is written if it is one that only styles text.
    fn start(&mut self, name: &str, attributes: &str) -> Option<Option<&'static str>> {
        if name == "menclose" {
            let (_, behind) = attributes.split_once("notation=\"")?;
            let (notation, _) = behind.split_once('"')?;
            return self.strike(notation);
        }
        let Some(known) = ELEMENTS.iter().find(|element| **element == name) else {
            let styles_text = matches!(name, "a" | "b" | "i" | "em" | "code" | "span" | "s" | "u");
            return styles_text.then_some(None);
        };
        if name == "mrow" && attributes.contains("menclose-") {
            // A helper for a style that we do not use.
            return Some(None);
        }
        self.struck = None;
        let allowed = ATTRIBUTES.iter().find(|(element, _)| *element == name).map_or(&[][..], |(_, allowed)| allowed);
        self.out.push('<');
        self.out.push_str(known);
        let mut rest = attributes.trim();
        while !rest.is_empty() {
            let (attribute, behind) = rest.split_once("=\"")?;
            let (value, behind) = behind.split_once('"')?;
            rest = behind.trim_start();
            if attribute == "style" && allowed.contains(&"class") {
                let classes: Vec<&str> = CLASSES.iter().filter(|(style, _)| value.contains(style)).map(|(_, class)| *class).collect();
                if !classes.is_empty() {
                    html::attribute(&mut self.out, "class", &classes.join(" "));
                }
            } else if let Some(attribute) = allowed.iter().find(|allowed| **allowed == attribute && **allowed != "class")
                && is_sound(value)
            {
                html::attribute(&mut self.out, attribute, value);
            }
        }
        self.out.push('>');
        Some(Some(known))
    }

    /// Opens what is struck out: once it is drawn so, twice it is in a box.
    fn strike(&mut self, notation: &str) -> Option<Option<&'static str>> {
        let class = match notation {
            "updiagonalstrike" => "strike-up",
            "downdiagonalstrike" => "strike-down",
            "horizontalstrike" => "strike",
            _ => "strike-up strike-down",
        };
        let plain = format!("<mrow class=\"{class}\">");
        if class == "strike-down" && self.struck.as_deref() == Some(notation) && self.out.ends_with(&plain) {
            self.out.truncate(self.out.len() - plain.len());
            self.out.push_str("<mrow class=\"box\">");
            self.struck = None;
            return Some(None);
        }
        self.struck = Some(notation.to_owned());
        self.out.push_str(&plain);
        Some(Some("mrow"))
    }
}

/// Whether a value is a word, or a length that does not tear the page apart.
fn is_sound(value: &str) -> bool {
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
    let unit = &value[digits.len()..];
    if digits.is_empty() {
        return unit.len() <= 12 && unit.bytes().all(|b| b.is_ascii_lowercase());
    }
    matches!(unit, "" | "em" | "ex" | "rem" | "%") && digits.parse::<f32>().is_ok_and(|number| (0.0..=WIDEST_SPACE).contains(&number))
}

#[cfg(test)]
mod tests;
