//! Why an answer did not come, or did not come whole.
//!
//! Each message is a sentence or three for the people in the room: what happened, and what to do about it. None contains a key, a
//! header, or an address with more than scheme, host and port. What a server said is quoted only as a [`ServerText`], which cannot be
//! made without cleaning.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

/// One reason for one answer that failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProviderError {
    /// The settings cannot work. Found before anything is sent.
    #[error("This assistant's provider is not set up right: {0}")]
    Misconfigured(String),

    #[error("Could not reach {server}: {why}. Check that the server runs and that the address is right.")]
    Unreachable { server: String, why: &'static str },

    #[error("The provider did not accept the API key ({status}).{said} Check the key of this assistant.")]
    KeyRefused { status: u16, said: ServerText },

    #[error("The provider says that the account has no credit left ({status}).{said} Top it up, or choose another provider.")]
    OutOfCredit { status: u16, said: ServerText },

    /// Usually a wrong model name or a wrong address.
    #[error("The provider does not know this address or this model (404).{said} {hint}")]
    NotFound { said: ServerText, hint: String },

    #[error("The conversation is too long for this model.{said} Ask in a new room, or choose a model with a larger context.")]
    PromptTooLong { said: ServerText },

    /// Any other 4xx.
    #[error("The provider refused the request ({status}).{said}")]
    Refused { status: u16, said: ServerText },

    /// Still busy or still loading after all the tries that [`Limits`](super::Limits) allow.
    #[error("The provider is busy ({status}).{said} {}", try_again(.retry_after))]
    Busy { status: u16, said: ServerText, retry_after: Option<Duration> },

    /// A failure on the provider's side: 5xx, or an error in the middle of an answer (then without a status).
    #[error("The provider failed{}.{said} Retry in a moment.", in_brackets(.status))]
    Failed { status: Option<u16>, said: ServerText },

    /// Redirects are not followed: they would carry the key and the conversation to somewhere nobody chose.
    #[error("The provider's address answers with a redirect ({status}), which is not followed. Set the address it redirects to.")]
    Redirected { status: u16 },

    #[error(
        "What answers at this address is not a chat API: it sent {found} instead of an answer. Check the address and any proxy on the way."
    )]
    NotAnAnswer { found: String },

    #[error(
        "The provider sent something that could not be understood ({what}). Retry, or check that its API is the one chosen for this assistant."
    )]
    Malformed { what: &'static str },

    /// The connection ended without an end of the answer.
    #[error("{}", cut_off(.after_text))]
    CutOff { after_text: bool },

    #[error("The provider sent nothing for {}. Retry, or continue from here.", for_people(.limit))]
    Silent { limit: Duration },

    #[error("The answer took longer than {}, so it was ended. Continue from here if you need the rest.", for_people(.limit))]
    TookTooLong { limit: Duration },

    #[error("The provider sent a single event of more than {limit} bytes, so the answer was ended.")]
    EventTooLarge { limit: usize },

    #[error("The answer was longer than {limit} bytes, so it was ended.")]
    ReplyTooLarge { limit: usize },

    /// From the built-in model alone, in its own words. `cut_off`: its process ended, with the server or by a crash.
    #[error("{sentence}")]
    Local { sentence: String, cut_off: bool },

    /// From the scripted provider alone. `line` counts from 1 inside the script.
    #[error("Line {line} of the script cannot be followed: {problem}.")]
    BadScript { line: usize, problem: String },
}

impl ProviderError {
    /// Whether the connection simply ended before the answer did. Such a reply is interrupted rather than failed.
    pub fn is_cut_off(&self) -> bool {
        matches!(self, Self::CutOff { .. } | Self::Local { cut_off: true, .. })
    }

    /// How long the provider asked to be left alone, if it did.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Words of a server, made safe to show: at most [`ServerText::MAX_CHARS`] characters on one line, without control and direction
/// characters, and without anything that was told to be secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerText(String);

impl ServerText {
    pub const MAX_CHARS: usize = 300;

    /// Cleaning looks at no more than this of what a server said, so that a huge error page costs nothing.
    const LOOKED_AT_CHARS: usize = 4096;

    /// Cleans `raw`. `hide` gets the text on one line and returns it without secrets; it runs before anything is cut off, so that no
    /// half of a secret survives at the cut.
    pub fn new(raw: &str, hide: impl FnOnce(&str) -> String) -> Self {
        let visible = raw.chars().take(Self::LOOKED_AT_CHARS).map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|&c| is_harmless(c));
        let words: Vec<String> = visible.collect::<String>().split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        let hidden = hide(&words.join(" "));
        match hidden.char_indices().nth(Self::MAX_CHARS) {
            None => Self(hidden),
            Some(_) => {
                let mut short: String = hidden.chars().take(Self::MAX_CHARS - 1).collect();
                short.truncate(short.trim_end().len());
                short.push('…');
                Self(short)
            }
        }
    }

    /// The words alone, without quotation marks.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// As part of a message: a space and a sentence, or nothing.
impl fmt::Display for ServerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, " It said: “{}”", self.0)?;
        match self.0.ends_with(['.', '!', '?', '…']) {
            true => Ok(()),
            false => f.write_str("."),
        }
    }
}

/// Control characters could break a log line or a terminal; direction characters could make text read as something else.
fn is_harmless(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn try_again(retry_after: &Option<Duration>) -> String {
    match retry_after {
        None => "Retry in a moment.".to_owned(),
        Some(wait) => format!("Retry in {}.", for_people(wait)),
    }
}

fn in_brackets(status: &Option<u16>) -> String {
    match status {
        None => String::new(),
        Some(status) => format!(" ({status})"),
    }
}

fn cut_off(after_text: &bool) -> &'static str {
    match after_text {
        true => "The provider cut the answer off before its end. Continue from here, or retry.",
        false => {
            "The provider closed the connection without a word. The conversation may be too long for this model; retry, or ask in a new room."
        }
    }
}

/// A duration in whole seconds, or minutes where that is exact, rounded up: nobody is told to come back too early.
fn for_people(duration: &Duration) -> String {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    let (number, unit) = match seconds {
        120.. if seconds.is_multiple_of(60) => (seconds / 60, "minute"),
        _ => (seconds, "second"),
    };
    match number {
        1 => format!("1 {unit}"),
        _ => format!("{number} {unit}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::{ProviderError, ServerText, for_people};
    use std::time::Duration;

    fn said(raw: &str) -> ServerText {
        ServerText::new(raw, str::to_owned)
    }

    #[test]
    fn a_server_is_quoted_as_one_clean_line() {
        assert_eq!(said("  too\r\n\tmany \u{1b}[31m requests\u{202e}\u{0} ").as_str(), "too many [31m requests");
        assert_eq!(said("slow down").to_string(), " It said: “slow down”.");
        assert_eq!(said("Slow down!").to_string(), " It said: “Slow down!”");
        assert_eq!(said(" \n ").to_string(), "");
    }

    #[test]
    fn a_server_is_quoted_in_at_most_300_characters() {
        for length in [299, 300, 301, 100_000] {
            let quoted = said(&"é".repeat(length));
            assert_eq!(quoted.as_str().chars().count(), length.min(300));
            assert_eq!(quoted.as_str().ends_with('…'), length > 300);
        }
    }

    #[test]
    fn secrets_are_hidden_before_the_text_is_cut() {
        let raw = format!("{}SECRET", "x".repeat(ServerText::MAX_CHARS - 3));
        let quoted = ServerText::new(&raw, |text| text.replace("SECRET", "*"));
        assert!(!quoted.as_str().contains('S'));
    }

    #[test]
    fn messages_say_what_happened_and_what_to_do() {
        let busy = ProviderError::Busy { status: 429, said: said("Rate limit reached"), retry_after: Some(Duration::from_millis(1_500)) };
        assert_eq!(busy.to_string(), "The provider is busy (429). It said: “Rate limit reached”. Retry in 2 seconds.");
        let failed = ProviderError::Failed { status: None, said: ServerText::default() };
        assert_eq!(failed.to_string(), "The provider failed. Retry in a moment.");
        let silent = ProviderError::Silent { limit: Duration::from_secs(60) };
        assert_eq!(silent.to_string(), "The provider sent nothing for 60 seconds. Retry, or continue from here.");
    }

    #[test]
    fn only_a_missing_end_is_cut_off() {
        assert!(ProviderError::CutOff { after_text: true }.is_cut_off());
        assert!(!ProviderError::Silent { limit: Duration::ZERO }.is_cut_off());
    }

    #[test]
    fn durations_are_rounded_up() {
        assert_eq!(for_people(&Duration::from_millis(200)), "1 second");
        assert_eq!(for_people(&Duration::from_secs(90)), "90 seconds");
        assert_eq!(for_people(&Duration::from_secs(600)), "10 minutes");
    }
}
