//! Scripts and styles as they travel: without comments and indentation, which are for those who read the source and a third of its weight.
//! Lines stay where they are, so that a browser's complaint names the line of the source.

/// Words after which a slash begins a pattern and does not divide.
const BEFORE_PATTERN: [&str; 12] = ["return", "typeof", "case", "in", "of", "delete", "void", "throw", "new", "else", "await", "yield"];

/// A script, without comments and indentation. Strings, templates and patterns stay as they are.
pub fn script(source: &str) -> String {
    let mut out = Out::new(source);
    let text: Vec<char> = source.chars().collect();
    // Where templates stand open: how many braces are open in the part that is code.
    let mut templates: Vec<usize> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let length = match (rest[0], rest.get(1)) {
            ('/', Some('/')) => {
                at += length_until(rest, |c| c == '\n');
                continue;
            }
            ('/', Some('*')) => {
                at += out.skip(rest);
                continue;
            }
            ('"' | '\'', _) => string(rest),
            ('/', _) if out.expects_value() => pattern(rest),
            ('`', _) => {
                let (length, opens) = template(&rest[1..]);
                templates.extend(opens.then_some(0));
                length + 1
            }
            ('}', _) if templates.last() == Some(&0) => {
                let (length, opens) = template(&rest[1..]);
                if !opens {
                    templates.pop();
                }
                length + 1
            }
            (c, _) => {
                match (c, templates.last_mut()) {
                    ('{', Some(open)) => *open += 1,
                    ('}', Some(open)) => *open -= 1,
                    _ => {}
                }
                out.code(c);
                at += 1;
                continue;
            }
        };
        out.as_it_is(&rest[..length]);
        at += length;
    }
    out.done()
}

/// A style sheet, without comments and indentation.
pub fn style(source: &str) -> String {
    let mut out = Out::new(source);
    let text: Vec<char> = source.chars().collect();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        match (rest[0], rest.get(1)) {
            ('/', Some('*')) => at += out.skip(rest),
            ('"' | '\'', _) => {
                let length = string(rest);
                out.as_it_is(&rest[..length]);
                at += length;
            }
            (c, _) => {
                out.code(c);
                at += 1;
            }
        }
    }
    out.done()
}

fn length_until(text: &[char], is_end: impl Fn(char) -> bool) -> usize {
    text.iter().position(|c| is_end(*c)).unwrap_or(text.len())
}

/// The length of a string with its quotation marks.
fn string(text: &[char]) -> usize {
    let mut at = 1;
    while at < text.len() && text[at] != text[0] {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

/// The length of a pattern with its slashes. A slash in a class does not end it.
fn pattern(text: &[char]) -> usize {
    let mut at = 1;
    let mut in_class = false;
    while at < text.len() && (text[at] != '/' || in_class) && text[at] != '\n' {
        match text[at] {
            '\\' => at += 1,
            '[' => in_class = true,
            ']' => in_class = false,
            _ => {}
        }
        at += 1;
    }
    (at + 1).min(text.len())
}

/// The length of a template's text up to its end or to the next part that is code, and whether it is the latter.
fn template(text: &[char]) -> (usize, bool) {
    let mut at = 0;
    while at < text.len() {
        match (text[at], text.get(at + 1)) {
            ('\\', _) => at += 1,
            ('`', _) => return (at + 1, false),
            ('$', Some('{')) => return (at + 2, true),
            _ => {}
        }
        at += 1;
    }
    (text.len(), false)
}

struct Out {
    text: String,
    /// Nothing but blanks has come on this line.
    at_start: bool,
}

impl Out {
    fn new(source: &str) -> Self {
        Self { text: String::with_capacity(source.len()), at_start: true }
    }

    fn code(&mut self, c: char) {
        match c {
            '\n' => {
                self.text.truncate(self.text.trim_end_matches([' ', '\t']).len());
                self.text.push('\n');
                self.at_start = true;
            }
            ' ' | '\t' if self.at_start => {}
            c => {
                self.text.push(c);
                self.at_start = false;
            }
        }
    }

    fn as_it_is(&mut self, text: &[char]) {
        self.text.extend(text);
        self.at_start = false;
    }

    /// Passes over a comment of several lines, which ends a line as they would; gives its length.
    fn skip(&mut self, text: &[char]) -> usize {
        let length = text.windows(2).skip(2).position(|two| two == ['*', '/']).map_or(text.len(), |end| end + 4);
        for _ in text[..length].iter().filter(|c| **c == '\n') {
            self.code('\n');
        }
        // What it stood between stays apart.
        self.code(' ');
        length
    }

    /// Whether a value may come next, so that a slash begins a pattern.
    fn expects_value(&self) -> bool {
        let before = self.text.trim_end();
        let Some(last) = before.chars().next_back() else { return true };
        if !last.is_alphanumeric() && !matches!(last, '_' | '$') {
            return !matches!(last, ')' | ']' | '}' | '"' | '\'' | '`');
        }
        let word = before.rsplit(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '$')).next().unwrap_or_default();
        BEFORE_PATTERN.contains(&word)
    }

    fn done(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_go_and_lines_stay() {
        let source = "// What it is.\nexport function a(b) {\n  /** @type {string} */\n  const c = b; // why\n\n  /* one\n     two */ return c;\n}\n";
        assert_eq!(script(source), "\nexport function a(b) {\n\nconst c = b;\n\n\nreturn c;\n}\n");
        assert_eq!(script("a /* b */ + c"), "a   + c");
        assert_eq!(script("x /* never closed"), "x  ");
    }

    #[test]
    fn what_only_looks_like_a_comment_stays() {
        for kept in [
            r#"const a = "// no"; const b = '/* no */';"#,
            r#"const a = "\"// no"; b('\\');"#,
            "const a = `// ${b({ c: `/* ${d} */` })} // no`;",
            "const a = `\n  // indented\n`;",
            "const a = /[/*]\\/\\/\"/.test(b);",
            "return /\"/g;",
            "const a = b / c; const d = e / f;",
            "const a = (b) / 2; c[1] / 3; d = '//';",
            "a.replace(/'/g, \"/*\");",
            "f(`${a}//${b}`, /`/);",
        ] {
            assert_eq!(script(kept), kept);
        }
    }

    #[test]
    fn styles_lose_comments_alone() {
        assert_eq!(
            style("/* A */\n.a {\n  content: \"/* b */\"; /* c */\n  color: red;\n}\n"),
            "\n.a {\ncontent: \"/* b */\";\ncolor: red;\n}\n"
        );
    }
}
