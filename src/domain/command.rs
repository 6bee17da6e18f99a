//! Commands that are typed like messages: `/topic Soup`. Parsed here once, for the form and for the script alike.
//!
//! Only a slash and a word of letters, alone or followed by white space, looks like a command: `/etc/passwd` and `/8` are text. A word
//! that is no command is refused rather than said, since a mistyped command is nothing to tell everybody. Who wants to say it as it is
//! begins with two slashes.

use super::Invalid;

/// Messages that are summarised unless a number is given, and at most.
pub const SUMMARY: u32 = 50;
pub const SUMMARY_MAX: u32 = 500;

/// What a typed text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Something to say: the text as it is, or without the slash that kept it from being a command.
    Text(String),
    Command(Command),
}

/// Something to do. Names are as they were typed; whom they mean is found in the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// An assistant's name and a question, which only the room can tell apart; or just a question.
    Ask(String),
    Stop(Option<String>),
    Retry(Option<String>),
    Continue(Option<String>),
    Summarise(u32),
    Model(Option<String>),
    Invite,
    /// Nothing asks what the topic is.
    Topic(Option<String>),
    Me(String),
}

/// The words of the commands, as they are shown where one of them is expected.
pub const WORDS: [&str; 9] = ["ask", "stop", "retry", "continue", "summarise", "model", "invite", "topic", "me"];

/// Reads what was typed.
pub fn parse(text: &str) -> Result<Typed, Invalid> {
    let Some(rest) = text.strip_prefix(['/', '／']) else { return Ok(Typed::Text(text.to_owned())) };
    if let Some(escaped) = rest.strip_prefix(['/', '／']) {
        // Two slashes before anything else are a comment in many languages, and stay.
        let said = if split(escaped).is_some() { rest } else { text };
        return Ok(Typed::Text(said.to_owned()));
    }
    let Some((word, rest)) = split(rest) else { return Ok(Typed::Text(text.to_owned())) };
    let given = (!rest.is_empty()).then(|| rest.to_owned());
    let command = match word.to_ascii_lowercase().as_str() {
        "ask" => Command::Ask(given.ok_or_else(|| lacks("Write what to ask: /ask Name question."))?),
        "stop" => Command::Stop(given),
        "retry" => Command::Retry(given),
        "continue" => Command::Continue(given),
        "summarise" | "summarize" => Command::Summarise(match given {
            None => SUMMARY,
            Some(number) => number
                .parse()
                .ok()
                .filter(|n| (1..=SUMMARY_MAX).contains(n))
                .ok_or_else(|| lacks(format!("Write how many messages to summarise, 1 to {SUMMARY_MAX}: /summarise 50.")))?,
        }),
        "model" => Command::Model(given),
        "invite" => Command::Invite,
        "topic" => Command::Topic(given),
        "me" => Command::Me(given.ok_or_else(|| lacks("Write what you do: /me waves."))?),
        _ => {
            let known = WORDS.map(|word| format!("/{word}")).join(", ");
            let sentence = format!("There is no command /{word}. There are {known}. To say it as it is, begin with two slashes: //{word}.");
            return Err(Invalid::new("no_command", sentence));
        }
    };
    Ok(Typed::Command(command))
}

fn lacks(sentence: impl Into<String>) -> Invalid {
    Invalid::new("bad_command", sentence)
}

/// The word of letters at the beginning, if it stands alone or before white space, and what follows.
fn split(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    (!word.is_empty() && rest.chars().next().is_none_or(char::is_whitespace)).then(|| (word, rest.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Typed {
        Typed::Text(text.to_owned())
    }

    fn command(given: &str) -> Command {
        match parse(given) {
            Ok(Typed::Command(command)) => command,
            other => panic!("{given}: {other:?}"),
        }
    }

    #[test]
    fn only_what_looks_like_a_command_is_one() {
        for said in ["hello", "/etc/passwd", "/etc/passwd and more", "/", "/ ", "/8", "/8 times", " /stop", "/用法", "/dev", ""] {
            match said {
                "/dev" => assert_eq!(parse(said).map_err(|error| error.code), Err("no_command")),
                _ => assert_eq!(parse(said), Ok(text(said)), "{said:?}"),
            }
        }
        assert_eq!(command("/STOP"), Command::Stop(None));
        assert_eq!(command("／stop"), Command::Stop(None));
        assert_eq!(command("/stop\tParlor "), Command::Stop(Some("Parlor".into())));
    }

    #[test]
    fn two_slashes_say_it_as_it_is() {
        assert_eq!(parse("//stop it"), Ok(text("/stop it")));
        assert_eq!(parse("//dev"), Ok(text("/dev")));
        assert_eq!(parse("// a comment"), Ok(text("// a comment")));
        assert_eq!(parse("//example.org/x"), Ok(text("//example.org/x")));
    }

    #[test]
    fn each_command_has_what_it_needs() {
        assert_eq!(command("/ask Parlor how\nmuch?"), Command::Ask("Parlor how\nmuch?".into()));
        assert_eq!(command("/summarise"), Command::Summarise(SUMMARY));
        assert_eq!(command("/summarize 7"), Command::Summarise(7));
        assert_eq!(command("/topic  Soup "), Command::Topic(Some("Soup".into())));
        assert_eq!(command("/me waves"), Command::Me("waves".into()));
        for lacking in ["/ask", "/me ", "/summarise 0", "/summarise 501", "/summarise all", "/summarise 5 6"] {
            assert_eq!(parse(lacking).map_err(|error| error.code), Err("bad_command"), "{lacking}");
        }
    }

    #[test]
    fn an_unknown_word_is_refused_with_those_that_are_known() {
        let error = parse("/shrug no idea").unwrap_err();
        assert_eq!(error.code, "no_command");
        for word in WORDS {
            assert!(error.sentence.contains(&format!("/{word}")), "{word}");
        }
        assert!(error.sentence.ends_with("//shrug."), "{}", error.sentence);
    }
}
