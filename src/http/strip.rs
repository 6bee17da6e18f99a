//! Styles as they travel: without comments and indentation, which are for those who read the source. Lines stay where they are, so that a
//! browser's complaint names the line of the source.

/// A style sheet, without comments and indentation. Strings stay as they are.
pub fn style(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("/*") => {
                let length = rest[2..].find("*/").map_or(rest.len(), |end| end + 4);
                out.extend(rest[..length].matches('\n'));
                rest = &rest[length..];
                continue;
            }
            '"' | '\'' => string(rest, first),
            '\n' => {
                out.truncate(out.trim_end_matches([' ', '\t']).len());
                1
            }
            ' ' | '\t' if out.is_empty() || out.ends_with('\n') => {
                rest = &rest[1..];
                continue;
            }
            other => other.len_utf8(),
        };
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out
}

/// The length of a string with its quotation marks, in bytes.
fn string(text: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            character if character == mark => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::style;

    #[test]
    fn styles_lose_comments_alone() {
        assert_eq!(
            style("/* A\n B */\n.a {\n  content: \"/* b */\"; /* c */\n  color: red;\n}\n"),
            "\n\n.a {\ncontent: \"/* b */\";\ncolor: red;\n}\n"
        );
        assert_eq!(style("a { content: '\\'/*' } /* never closed"), "a { content: '\\'/*' } ");
        assert_eq!(style("a { content: \"never closed /*"), "a { content: \"never closed /*");
    }
}
