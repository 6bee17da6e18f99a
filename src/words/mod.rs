//! Every word of the interface, in each language it speaks: English and Simplified Chinese.
//!
//! Two catalogues. `page` holds what pages say, as methods of [`Words`]: a template that asks for a sentence that is not there, or forgets
//! one of its values, does not compile, and neither does an entry without one of the languages. `sentence` holds what can go wrong, found
//! by its English sentence. What the page's script says stands in `assets/js/words.en.js` and `words.zh.js`; what a body of a message shows is free of words.
//!
//! What is not here: people's and models' own texts, logs, and the command line, which speak English.

mod lang;
mod page;
mod sentence;

pub use lang::{Count, Lang, Plural, number};
pub use page::Words;
pub use sentence::is_known;

/// A sentence that contains markup: whatever was put into it is escaped and isolated, so that a name from right to left cannot turn the
/// sentence around.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Markup(String);

impl std::fmt::Display for Markup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// `<bdi>…</bdi>` around an escaped text.
pub(crate) fn isolated(text: impl std::fmt::Display) -> String {
    let text = text.to_string();
    let mut out = String::with_capacity(text.len() + 11);
    out.push_str("<bdi>");
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            character => out.push(character),
        }
    }
    out.push_str("</bdi>");
    out
}
