//! The models of the scripted provider: what it does when a question holds no script.
//!
//! | model | answer |
//! |---|---|
//! | `echo` | the question, word by word |
//! | `lorem` | as many words as `tokens` says |
//! | `markdown` | a tour of what a message can hold |
//! | `reasoning` | some thoughts, then the question |
//! | `error` | fails before the first word |
//! | `cut` | ends in the middle of a sentence |
//! | `hang` | falls silent in the middle of a sentence |
//!
//! Options follow as in an address: `lorem?tokens=400&tokens_per_second=50`. `gates` is the folder of the files that scripts may wait for.
//! A continued answer goes on where the text so far ends.

use std::iter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::form_urlencoded;

use super::script::Step;
use crate::reply::provider::{Prompt, ProviderError, ServerText, Usage};

/// A pace that can be watched and needs no patience.
const TOKENS_PER_SECOND: u32 = 40;
const LOREM_TOKENS: u32 = 200;

const LOREM: &str =
    "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore magna aliqua";
const MARKDOWN: &str = include_str!("demo.md");

/// A model and its options.
#[derive(Debug, Clone, PartialEq)]
pub struct Demo {
    kind: Kind,
    tokens: u32,
    pace: Duration,
    gates: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Echo,
    Lorem,
    Markdown,
    Reasoning,
    Error,
    Cut,
    Hang,
}

impl Demo {
    /// Reads `name?option=value&…`.
    pub fn parse(model: &str) -> Result<Self, ProviderError> {
        let (name, options) = model.trim().split_once('?').unwrap_or((model.trim(), ""));
        let kind = match name {
            "echo" => Kind::Echo,
            "lorem" => Kind::Lorem,
            "markdown" => Kind::Markdown,
            "reasoning" => Kind::Reasoning,
            "error" => Kind::Error,
            "cut" => Kind::Cut,
            "hang" => Kind::Hang,
            _ => return Err(misconfigured("a scripted model is one of echo, lorem, markdown, reasoning, error, cut, hang.")),
        };
        let (mut tokens, mut tokens_per_second, mut gates) = (LOREM_TOKENS, TOKENS_PER_SECOND, None);
        for (option, value) in form_urlencoded::parse(options.as_bytes()) {
            match option.as_ref() {
                "tokens" => tokens = positive(&value)?,
                "tokens_per_second" => tokens_per_second = positive(&value)?,
                "gates" if Path::new(value.as_ref()).is_absolute() => gates = Some(PathBuf::from(value.as_ref())),
                "gates" => return Err(misconfigured("the gates folder needs its whole path.")),
                _ => return Err(misconfigured("the options of a scripted model are tokens, tokens_per_second and gates.")),
            }
        }
        Ok(Self { kind, tokens, pace: Duration::from_secs(1) / tokens_per_second, gates })
    }

    /// The folder of the files that scripts may wait for.
    pub fn gates(&self) -> Option<&Path> {
        self.gates.as_deref()
    }

    /// The answer to a prompt without a script.
    pub fn steps_for(&self, prompt: &Prompt) -> Vec<Step> {
        let question = prompt.question().unwrap_or("Nobody asked anything.");
        let mut steps = vec![Step::Pace(self.pace)];
        let (text, end) = match self.kind {
            Kind::Echo => (question.to_owned(), None),
            Kind::Lorem => (lorem(self.tokens), None),
            Kind::Markdown => (MARKDOWN.to_owned(), None),
            Kind::Reasoning => {
                steps.extend(words("Let me think about that. It may be best to say it again.").map(|word| Step::Reason(word.to_owned())));
                (question.to_owned(), None)
            }
            Kind::Error => {
                let said = ServerText::new("This model always fails.", str::to_owned);
                (String::new(), Some(Step::Fail(ProviderError::Failed { status: Some(500), said })))
            }
            Kind::Cut => ("This answer ends in the middle of a".to_owned(), Some(Step::Cut)),
            Kind::Hang => ("This answer falls silent in the middle of a".to_owned(), Some(Step::Hang)),
        };
        let so_far = prompt.continue_from.as_deref().unwrap_or_default();
        let rest = text.strip_prefix(so_far).unwrap_or(&text);
        steps.extend(words(rest).map(|word| Step::Say(word.to_owned())));
        let count = |text: &str| i64::try_from(words(text).count()).ok();
        steps.push(Step::Usage(Usage { prompt_tokens: count(question), completion_tokens: count(rest), ..Usage::default() }));
        steps.extend(end);
        steps
    }
}

/// Words with the blanks after them, so that they add up to the text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    iter::from_fn(move || {
        let blank = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let end = rest[blank..].find(|c: char| !c.is_whitespace()).map_or(rest.len(), |after| blank + after);
        let (word, after) = rest.split_at(end);
        rest = after;
        (!word.is_empty()).then_some(word)
    })
}

fn lorem(tokens: u32) -> String {
    // 12 words make a sentence and 60 a paragraph.
    let mut text = String::new();
    for (number, word) in (1..=tokens).zip(LOREM.split(' ').cycle()) {
        text.push_str(word);
        text.push_str(match number {
            _ if number == tokens || number % 60 == 0 => ".\n\n",
            _ if number % 12 == 0 => ". ",
            _ => " ",
        });
    }
    text.truncate(text.trim_end().len());
    text
}

fn positive(written: &str) -> Result<u32, ProviderError> {
    match written.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(misconfigured("tokens and tokens_per_second are whole numbers above 0.")),
    }
}

fn misconfigured(problem: &str) -> ProviderError {
    ProviderError::Misconfigured(problem.to_owned())
}
