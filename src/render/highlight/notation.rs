//! Notations that are no programming languages: style sheets, settings, differences, Markdown and the like.

use crate::render::highlight::code::{self, Open};
use crate::render::highlight::languages::Reader;
use crate::render::highlight::markup::Place;
use crate::render::highlight::pen::{Class, Pen};
use crate::render::highlight::{State, embedded};

fn block(state: State) -> u16 {
    match state.place {
        Place::Block(block) => block,
        _ => 0,
    }
}

fn with_block(state: State, block: u16) -> State {
    State { place: Place::Block(block), ..state }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '\t']).len()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || byte >= 0x80
}

fn word_length(text: &str) -> usize {
    text.bytes().take_while(|b| is_word(*b)).count()
}

/// A text in quotes at the start of `text`: how long it is, to the end of the line if it does not end.
fn quoted(text: &str) -> usize {
    let quote = text.as_bytes()[0];
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|b| {
        let ends = b == quote && !escaped;
        escaped = b == b'\\' && !escaped && quote == b'"';
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

fn first_length(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

/// Shell code within another notation.
fn shell(open: Open, text: &str, pen: &mut Pen<'_>) -> Open {
    match embedded("sh") {
        Some(lexicon) => match lexicon.language.reader {
            Reader::Code(grammar) => code::line(lexicon, grammar, open, text, pen),
            _ => open,
        },
        None => open,
    }
}

/// Style sheets. The block is how many braces are open, twice, and one if a value goes on.
pub(super) fn css(mut state: State, line: &str, pen: &mut Pen<'_>) -> State {
    let mut depth = block(state) / 2;
    let mut value = block(state) % 2 == 1;
    let mut rest = line;
    // What the words up to the next brace or semicolon are.
    let mut selector = !value && is_selector(rest, depth);
    while !rest.is_empty() {
        if let Open::Comment { .. } = state.open {
            let end = rest.find("*/").map(|at| at + 2);
            if end.is_some() {
                state.open = Open::Nothing;
            }
            let (comment, behind) = rest.split_at(end.unwrap_or(rest.len()));
            pen.put(Class::Comment, comment);
            rest = behind;
            continue;
        }
        let before = &line[..line.len() - rest.len()];
        let next = rest.as_bytes()[0];
        let number = |text: &str| text.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'%')).count();
        let (class, length) = match next {
            b'/' if rest.starts_with("/*") => {
                state.open = Open::Comment { kind: 0, depth: 1 };
                (Class::Comment, 2)
            }
            b'/' if rest.starts_with("//") && (before.is_empty() || before.ends_with([' ', '\t', ';', '{', '}'])) => {
                (Class::Comment, rest.len())
            }
            b'"' | b'\'' => (Class::Text, quoted(rest)),
            b'{' => {
                depth = depth.saturating_add(1).min(1000);
                (value, selector) = (false, is_selector(&rest[1..], depth));
                (Class::Plain, 1)
            }
            b'}' => {
                depth = depth.saturating_sub(1);
                (value, selector) = (false, is_selector(&rest[1..], depth));
                (Class::Plain, 1)
            }
            b';' => {
                (value, selector) = (false, is_selector(&rest[1..], depth));
                (Class::Plain, 1)
            }
            b':' if !selector && !value => {
                value = true;
                (Class::Plain, 1)
            }
            b'@' => {
                selector = false;
                value = true;
                (Class::Keyword, 1 + word_length(&rest[1..]))
            }
            b'$' => (Class::Attribute, 1 + word_length(&rest[1..])),
            b'!' => (Class::Keyword, 1 + word_length(&rest[1..])),
            b'#' if !selector && rest[1..].starts_with(|c: char| c.is_ascii_hexdigit()) => (Class::Constant, 1 + word_length(&rest[1..])),
            b'.' | b'#' | b':' | b'&' if selector => {
                let marks = 1 + rest[1..].bytes().take_while(|b| *b == b':').count();
                let name = word_length(&rest[marks..]);
                (if next == b':' { Class::Function } else { Class::Type }, marks + name)
            }
            b'0'..=b'9' => (Class::Constant, number(rest)),
            b'.' | b'-' | b'+' if value && rest[1..].starts_with(|c: char| c.is_ascii_digit()) => (Class::Constant, 1 + number(&rest[1..])),
            _ if is_word(next) => {
                let length = word_length(rest);
                let class = if selector {
                    Class::Tag
                } else if rest[length..].starts_with('(') {
                    Class::Function
                } else if !value || rest.starts_with("--") {
                    Class::Attribute
                } else {
                    Class::Plain
                };
                (class, length)
            }
            _ => (Class::Plain, first_length(rest)),
        };
        let (text, behind) = rest.split_at(length);
        pen.put(class, text);
        rest = behind;
    }
    // A value without a semicolon goes on if its line ends with a comma or the like; a declaration may be the last of its block.
    let goes_on = value && line.trim_end().ends_with([',', '(', ':']);
    with_block(state, depth * 2 + u16::from(goes_on))
}

/// Whether the words that begin here select elements, up to the next brace or semicolon.
fn is_selector(text: &str, depth: u16) -> bool {
    let text = text.trim_start();
    match text.find(['{', '}', ';']) {
        Some(at) if text[at..].starts_with('{') => !text.starts_with('@'),
        Some(_) => false,
        None => {
            depth == 0 && !text.starts_with(['$', '@', '-'])
                || text.trim_end().ends_with(',') && !text.contains(": ")
                || text.starts_with(['.', '#', '&', '>', '+', '~', '*']) && !text.contains(": ")
        }
    }
}

/// YAML. The block is one more than the indentation whose deeper lines are a block of text.
pub(super) fn yaml(state: State, line: &str, pen: &mut Pen<'_>) -> State {
    let indented = indent(line);
    let parent = usize::from(block(state));
    if parent > 0 && (line.trim().is_empty() || indented + 1 > parent) {
        pen.put(Class::Text, line);
        return state;
    }
    let state = with_block(state, 0);
    pen.put(Class::Plain, &line[..indented]);
    let mut rest = &line[indented..];
    if rest.starts_with("---") || rest.starts_with("...") || rest.starts_with('%') {
        pen.put(Class::Comment, rest);
        return state;
    }
    while rest == "-" || rest.starts_with("- ") {
        let length = 1 + indent(&rest[1..]);
        pen.put(Class::Plain, &rest[..length]);
        rest = &rest[length..];
    }
    if let Some(length) = key(rest) {
        pen.put(Class::Attribute, &rest[..length]);
        pen.put(Class::Plain, ":");
        rest = &rest[length + 1..];
    }
    let scalar = rest.trim();
    let mark = scalar.trim_end_matches(|c: char| matches!(c, '-' | '+') || c.is_ascii_digit());
    if matches!(mark, "|" | ">") {
        pen.put(Class::Plain, &rest[..indent(rest)]);
        pen.put(Class::Keyword, &rest[indent(rest)..]);
        return with_block(state, u16::try_from(indented + 1).unwrap_or(0));
    }
    yaml_value(rest, pen);
    state
}

/// How long the key is that a line begins with.
fn key(text: &str) -> Option<usize> {
    let length = match text.as_bytes().first()? {
        b'"' | b'\'' => quoted(text),
        b'#' | b'[' | b'{' | b'&' | b'!' | b'|' => return None,
        _ => {
            let end =
                text.match_indices(':').map(|(at, _)| at).find(|at| matches!(text.as_bytes().get(at + 1), None | Some(b' ' | b'\t')))?;
            if text[..end].contains(" #") {
                return None;
            }
            end
        }
    };
    let ends = text[length..].starts_with(':') && matches!(text.as_bytes().get(length + 1), None | Some(b' ' | b'\t'));
    ends.then_some(length)
}

fn yaml_value(text: &str, pen: &mut Pen<'_>) {
    let mut rest = text;
    let mut begins = true;
    while !rest.is_empty() {
        let space = indent(rest);
        if space > 0 {
            pen.put(Class::Plain, &rest[..space]);
            rest = &rest[space..];
            if rest.starts_with('#') {
                pen.put(Class::Comment, rest);
                return;
            }
            continue;
        }
        let next = rest.as_bytes()[0];
        let (class, length) = match next {
            b'#' if rest.len() == text.len() => (Class::Comment, rest.len()),
            b'"' | b'\'' if begins => (Class::Text, quoted(rest)),
            b'&' | b'*' | b'!' if begins && rest.len() > 1 => (Class::Type, rest.find([' ', ',', ']', '}']).unwrap_or(rest.len())),
            b'[' | b']' | b'{' | b'}' | b',' | b':' => (Class::Plain, 1),
            _ => {
                // A colon ends a word only in front of white space: `8080:80`, `https://…`
                let ends = |at: usize, c: char| c != ':' || matches!(rest.as_bytes().get(at + 1), None | Some(b' ' | b'\t'));
                let end = rest.char_indices().find(|(at, c)| matches!(c, ' ' | '\t' | ',' | ']' | '}' | ':') && ends(*at, *c));
                let length = end.map_or(rest.len(), |(at, _)| at).max(first_length(rest));
                let word = &rest[..length];
                let alone = begins && rest[length..].trim_start().is_empty()
                    || rest[length..].starts_with([',', ']', '}'])
                    || rest[length..].trim_start().starts_with('#');
                let class = if rest[length..].starts_with(": ") && begins {
                    Class::Attribute
                } else if alone && begins && is_value(word) {
                    Class::Constant
                } else {
                    Class::Text
                };
                (class, length)
            }
        };
        begins = matches!(next, b'[' | b'{' | b',' | b':' | b'&' | b'!');
        pen.put(class, &rest[..length]);
        rest = &rest[length..];
    }
}

/// A number, a truth, a date, nothing.
fn is_value(word: &str) -> bool {
    let number = word.trim_start_matches(['-', '+']);
    number.starts_with(|c: char| c.is_ascii_digit())
        && number.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':' | b'+'))
        || ["true", "false", "yes", "no", "on", "off", "null", "nil", "none", "nan", "inf", "~"]
            .iter()
            .any(|value| word.eq_ignore_ascii_case(value))
}

/// TOML and INI. The block is 1 or 2 inside a text of many lines.
pub(super) fn toml(state: State, line: &str, pen: &mut Pen<'_>) -> State {
    let inside = block(state);
    if inside > 0 {
        let mark = if inside == 1 { "\"\"\"" } else { "'''" };
        let Some(end) = line.find(mark) else {
            pen.put(Class::Text, line);
            return state;
        };
        pen.put(Class::Text, &line[..end + 3]);
        return values(with_block(state, 0), &line[end + 3..], pen);
    }
    let content = line.trim_start();
    if content.starts_with(['#', ';', '!']) {
        pen.put(Class::Comment, line);
        return state;
    }
    if content.starts_with('[') && content.trim_end().ends_with(']') && !content.contains([',', '"']) || content.starts_with("[[") {
        pen.put(Class::Heading, line);
        return state;
    }
    match line.find('=') {
        Some(equals) if !line[..equals].contains(['[', '{']) => {
            pen.put(Class::Attribute, &line[..equals]);
            pen.put(Class::Plain, "=");
            values(state, &line[equals + 1..], pen)
        }
        _ => values(state, line, pen),
    }
}

fn values(state: State, text: &str, pen: &mut Pen<'_>) -> State {
    let mut rest = text;
    while !rest.is_empty() {
        for (kind, mark) in [(1, "\"\"\""), (2, "'''")] {
            if let Some(behind) = rest.strip_prefix(mark) {
                let Some(end) = behind.find(mark) else {
                    pen.put(Class::Text, rest);
                    return with_block(state, kind);
                };
                pen.put(Class::Text, &rest[..end + 6]);
                rest = &behind[end + 3..];
            }
        }
        let Some(next) = rest.as_bytes().first() else { break };
        let before = &text[..text.len() - rest.len()];
        let (class, length) = match next {
            b'"' => (Class::Text, quoted(rest)),
            b'\'' if !before.ends_with(char::is_alphanumeric) => (Class::Text, quoted(rest)),
            b'#' | b';' if before.is_empty() || before.ends_with([' ', '\t', ']', '"', '\'', ',']) => (Class::Comment, rest.len()),
            b'-' | b'+' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => (Class::Plain, 1),
            b if is_word(*b) => {
                let length = rest.bytes().take_while(|b| is_word(*b) || matches!(b, b'.' | b':' | b'+')).count();
                let class = if rest[length..].trim_start().starts_with('=') {
                    Class::Attribute
                } else if is_value(&rest[..length]) {
                    Class::Constant
                } else {
                    Class::Plain
                };
                (class, length)
            }
            _ => (Class::Plain, first_length(rest)),
        };
        pen.put(class, &rest[..length]);
        rest = &rest[length..];
    }
    state
}

/// Differences between files, line by line.
pub(super) fn diff(state: State, line: &str, pen: &mut Pen<'_>) -> State {
    let heads = ["+++ ", "--- ", "@@", "diff ", "index ", "Index: ", "new file", "deleted file", "rename ", "similarity ", "***"];
    let class = if heads.iter().any(|head| line.starts_with(head)) {
        Class::Heading
    } else if line.starts_with(['+', '>']) {
        Class::Inserted
    } else if line.starts_with(['-', '<']) {
        Class::Deleted
    } else if line.starts_with(['#', '\\']) {
        Class::Comment
    } else {
        Class::Plain
    };
    pen.put(class, line);
    state
}

/// Markdown. The block is how many marks the open fence has, twice, and one for tildes.
pub(super) fn markdown(state: State, line: &str, pen: &mut Pen<'_>) -> State {
    let content = line.trim_start();
    let open = block(state);
    for (kind, mark) in [(0, b'`'), (1, b'~')] {
        let marks = content.bytes().take_while(|b| *b == mark).count();
        let fence = u16::try_from(marks * 2).unwrap_or(u16::MAX - 1) + kind;
        if marks >= 3 && (open == 0 || open % 2 == kind && fence >= open && content[marks..].trim().is_empty()) {
            pen.put(Class::Keyword, line);
            return with_block(state, if open == 0 { fence } else { 0 });
        }
    }
    if open > 0 {
        pen.put(Class::Text, line);
        return state;
    }
    let hashes = content.bytes().take_while(|b| *b == b'#').count();
    if (1..=6).contains(&hashes) && matches!(content.as_bytes().get(hashes), None | Some(b' ')) {
        pen.put(Class::Heading, line);
        return state;
    }
    let mut rest = line;
    let digits = content.bytes().take_while(u8::is_ascii_digit).count();
    let marker = if content.starts_with("- ") || content.starts_with("* ") || content.starts_with("+ ") || content.starts_with('>') {
        1
    } else if digits > 0 && content[digits..].starts_with(". ") {
        digits + 1
    } else {
        0
    };
    if marker > 0 {
        let length = line.len() - content.len() + marker;
        pen.put(Class::Keyword, &line[..length]);
        rest = &line[length..];
    }
    while let Some(at) = rest.find(['`', '*', '[', '<']) {
        pen.put(Class::Plain, &rest[..at]);
        rest = &rest[at..];
        let closes = |mark: &str| {
            rest[mark.len()..]
                .bytes()
                .take(400)
                .collect::<Vec<_>>()
                .windows(mark.len())
                .position(|w| w == mark.as_bytes())
                .filter(|at| *at > 0)
                .map(|at| at + 2 * mark.len())
        };
        let (class, length) = match rest.as_bytes()[0] {
            b'`' => (Class::Text, closes("`")),
            b'*' if rest.starts_with("**") => (Class::Type, closes("**")),
            b'*' => (Class::Type, closes("*").filter(|_| !rest[1..].starts_with(' '))),
            b'<' => (
                Class::Tag,
                rest.find('>').map(|end| end + 1).filter(|_| rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')),
            ),
            _ => (Class::Function, rest.find("](").and_then(|middle| rest[middle..].find(')').map(|end| middle + end + 1))),
        };
        let (class, length) = length.map_or((Class::Plain, 1), |length| (class, length));
        pen.put(class, &rest[..length]);
        rest = &rest[length..];
    }
    pen.put(Class::Plain, rest);
    state
}

/// What a terminal showed: commands behind prompts, and what they said. The block is 1 if a command goes on.
pub(super) fn session(state: State, line: &str, pen: &mut Pen<'_>) -> State {
    let prompt = if block(state) == 1 { Some(0) } else { prompt(line) };
    let Some(length) = prompt else {
        pen.put(Class::Plain, line);
        return State::default();
    };
    pen.put(Class::Comment, &line[..length]);
    let open = shell(state.open, &line[length..], pen);
    let goes_on = line.ends_with('\\') || open != Open::Nothing;
    with_block(State { open, ..state }, u16::from(goes_on))
}

/// How long the prompt is.
fn prompt(line: &str) -> Option<usize> {
    ["$ ", "% ", "> ", "# ", ">>> "].iter().find(|prompt| line.starts_with(*prompt)).map(|prompt| prompt.len()).or_else(|| {
        let end = line.find("$ ").or_else(|| line.find("# "))?;
        let named = line[..end].contains(['@', '~', ':']) && !line[..end].contains("  ");
        named.then_some(end + 2)
    })
}

/// Dockerfiles: an instruction, then mostly a shell's. The block is 1 if an instruction goes on.
pub(super) fn docker(state: State, line: &str, pen: &mut Pen<'_>) -> State {
    let content = line.trim_start();
    if content.starts_with('#') {
        pen.put(Class::Comment, line);
        return state;
    }
    let mut rest = line;
    if block(state) == 0 {
        let space = line.len() - content.len();
        let word = content.bytes().take_while(u8::is_ascii_alphabetic).count();
        pen.put(Class::Plain, &line[..space]);
        pen.put(Class::Keyword, &content[..word]);
        rest = &content[word..];
        if !matches!(&content[..word].to_ascii_uppercase()[..], "RUN" | "CMD" | "ENTRYPOINT" | "HEALTHCHECK") {
            // No command: names, addresses, files.
            let mut words = rest;
            while !words.is_empty() {
                let blank = indent(words);
                let length = blank + words[blank..].find([' ', '\t']).unwrap_or(words.len() - blank);
                let text = &words[blank..length];
                let class = match text {
                    "AS" | "as" => Class::Keyword,
                    _ if text.starts_with("--") => Class::Attribute,
                    _ if text.starts_with(['"', '\'']) => Class::Text,
                    _ if text.contains('$') => Class::Attribute,
                    _ if is_value(text) => Class::Constant,
                    _ => Class::Plain,
                };
                pen.put(Class::Plain, &words[..blank]);
                pen.put(class, text);
                words = &words[length..];
            }
            return with_block(state, u16::from(line.ends_with('\\')));
        }
    }
    let open = shell(state.open, rest, pen);
    with_block(State { open, ..state }, u16::from(line.ends_with('\\') || open != Open::Nothing))
}

/// Makefiles: rules, variables, and a shell's commands behind a tab.
pub(super) fn make(state: State, line: &str, pen: &mut Pen<'_>) -> State {
    if line.starts_with('\t') {
        let open = shell(Open::Nothing, line, pen);
        return State { open: if open == Open::Nothing { open } else { Open::Nothing }, ..state };
    }
    let content = line.trim_start();
    let word = content.bytes().take_while(|b| is_word(*b)).count();
    let directives =
        ["ifeq", "ifneq", "ifdef", "ifndef", "else", "endif", "include", "-include", "define", "endef", "export", "override", "vpath"];
    let rest = if content.starts_with('#') {
        pen.put(Class::Comment, line);
        return state;
    } else if directives.contains(&&content[..word]) {
        let length = line.len() - content.len() + word;
        pen.put(Class::Keyword, &line[..length]);
        &line[length..]
    } else if let Some(at) = line.find(['=', ':']) {
        let assigns = line[at..].starts_with('=') || line[at..].starts_with(":=") || line[at..].starts_with("::=");
        let name = line[..at].trim_end_matches(['?', '+', '!', ' ']).len();
        pen.put(if assigns { Class::Attribute } else { Class::Function }, &line[..name]);
        &line[name..]
    } else {
        line
    };
    let mut rest = rest;
    while let Some(at) = rest.find(['$', '#']) {
        pen.put(Class::Plain, &rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('#') {
            break;
        }
        let length = match rest.as_bytes().get(1) {
            Some(b'(') => rest.find(')').map_or(rest.len(), |end| end + 1),
            Some(b'{') => rest.find('}').map_or(rest.len(), |end| end + 1),
            Some(_) => 1 + first_length(&rest[1..]),
            None => 1,
        };
        pen.put(Class::Attribute, &rest[..length]);
        rest = &rest[length..];
    }
    pen.put(if rest.starts_with('#') { Class::Comment } else { Class::Plain }, rest);
    state
}

/// TeX: commands, mathematics, comments.
pub(super) fn tex(state: State, line: &str, pen: &mut Pen<'_>) -> State {
    let mut rest = line;
    while let Some(at) = rest.find(['\\', '%', '$']) {
        pen.put(Class::Plain, &rest[..at]);
        rest = &rest[at..];
        let (class, length) = match rest.as_bytes()[0] {
            b'%' => (Class::Comment, rest.len()),
            b'$' => (Class::Constant, rest.bytes().take_while(|b| *b == b'$').count()),
            _ => {
                let name = rest[1..].bytes().take_while(|b| b.is_ascii_alphabetic() || *b == b'@').count();
                (Class::Keyword, 1 + if name > 0 { name } else { first_length(&rest[1..]) })
            }
        };
        let environment = matches!(&rest[..length], "\\begin" | "\\end");
        pen.put(class, &rest[..length]);
        rest = &rest[length..];
        if environment
            && let Some(name) = rest.strip_prefix('{')
            && let Some(end) = name.find('}')
        {
            pen.put(Class::Plain, "{");
            pen.put(Class::Type, &name[..end]);
            rest = &name[end..];
        }
    }
    pen.put(Class::Plain, rest);
    state
}
