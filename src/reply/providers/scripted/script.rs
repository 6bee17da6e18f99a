//! The language of scripts: one step a line, blank lines and lines that begin with `#` ignored.
//!
//! ```text
//! say TEXT             a piece of the answer
//! repeat 100 TEXT      the same piece a hundred times, each by itself
//! reason TEXT          a piece of reasoning
//! pace 20              from here on 20 ms before each piece
//! sleep 50             50 ms of nothing
//! wait FILE            nothing until FILE exists
//! unless FILE STEP     the step, except when FILE exists (so that a retry may go better)
//! usage 12 34          12 tokens of prompt, 34 of answer, told at the end
//! error 503 TEXT       what a server's status and words lead to; without a status, an error in the middle of an answer
//! cut                  the connection ends
//! hang                 nothing more, until the limit on silence
//! end length           the end, and why: stop, length or filter; a script that just runs out ends with stop
//! continue             what follows is for Continue; without it, Continue plays the script from its beginning
//! ```
//!
//! TEXT counts without blanks around it; written as a JSON string ("two\nlines "), it counts as it is. A FILE lies in the gates folder that
//! the model's name gives (`echo?gates=/some/folder`), by its name or its whole path, and nothing else is ever looked at: otherwise
//! questions could find out what files this machine has.

use std::path::{Component, Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::reply::provider::{Finish, ProviderError, Usage};
use crate::reply::providers::refusal::Complaint;
use crate::reply::providers::secret::Secrets;

/// One step of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Say(String),
    Repeat {
        times: u32,
        text: String,
    },
    Reason(String),
    /// The time before each piece from here on.
    Pace(Duration),
    Sleep(Duration),
    WaitFor(PathBuf),
    Unless {
        file: PathBuf,
        step: Box<Step>,
    },
    /// Told at the end of the answer, wherever it stands.
    Usage(Usage),
    Fail(ProviderError),
    /// The stream ends without an end.
    Cut,
    Hang,
    End(Finish),
}

/// A script that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    steps: Vec<Step>,
    continuation: Option<Vec<Step>>,
}

/// What opens a script inside a question. The name of its author may stand before it on the line.
const FENCE: &str = "```script";

impl Script {
    /// Reads the last script in `question`, if there is one. `gates` is the folder of the files that it may wait for.
    pub fn in_question(question: &str, gates: Option<&Path>) -> Result<Option<Self>, ProviderError> {
        let lines: Vec<&str> = question.lines().collect();
        let Some(fence) = lines.iter().rposition(|line| line.trim_end().ends_with(FENCE)) else {
            return Ok(None);
        };
        let inside = &lines[fence + 1..];
        match inside.iter().position(|line| line.trim() == "```") {
            Some(end) => Self::parse(&inside[..end], gates).map(Some),
            None => Err(bad(inside.len() + 1, "the block is never closed")),
        }
    }

    fn parse(lines: &[&str], gates: Option<&Path>) -> Result<Self, ProviderError> {
        let mut script = Self { steps: Vec::new(), continuation: None };
        for (number, line) in (1..).zip(lines) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line == "continue" {
                if script.continuation.replace(Vec::new()).is_some() {
                    return Err(bad(number, "there is a second `continue`"));
                }
                continue;
            }
            let step = parse_step(line, gates).map_err(|problem| bad(number, &problem))?;
            script.continuation.as_mut().unwrap_or(&mut script.steps).push(step);
        }
        Ok(script)
    }

    /// What to play, for a continued answer or for one from the beginning.
    pub fn steps_for(self, continued: bool) -> Vec<Step> {
        match self.continuation {
            Some(continuation) if continued => continuation,
            _ => self.steps,
        }
    }
}

fn bad(line: usize, problem: &str) -> ProviderError {
    ProviderError::BadScript { line, problem: problem.to_owned() }
}

fn parse_step(line: &str, gates: Option<&Path>) -> Result<Step, String> {
    let (word, rest) = split_word(line);
    Ok(match word {
        "say" => Step::Say(text(rest)?),
        "repeat" => {
            let (times, rest) = split_word(rest);
            Step::Repeat { times: number(times)?, text: text(rest)? }
        }
        "reason" => Step::Reason(text(rest)?),
        "pace" => Step::Pace(Duration::from_millis(number(rest)?)),
        "sleep" => Step::Sleep(Duration::from_millis(number(rest)?)),
        "wait" => Step::WaitFor(gate_file(rest, gates)?),
        "unless" => {
            let (file, rest) = split_word(rest);
            Step::Unless { file: gate_file(file, gates)?, step: Box::new(parse_step(rest, gates)?) }
        }
        "usage" => {
            let (prompt, completion) = split_word(rest);
            Step::Usage(Usage { prompt_tokens: Some(number(prompt)?), completion_tokens: Some(number(completion)?), ..Usage::default() })
        }
        "error" => Step::Fail(error(rest)?),
        "cut" | "hang" if !rest.is_empty() => return Err(format!("`{word}` takes nothing")),
        "cut" => Step::Cut,
        "hang" => Step::Hang,
        "end" => Step::End(finish(rest)?),
        // What was written is not repeated: it may be anything, and an error message is no place for it.
        _ => {
            return Err(
                "it begins with none of say, repeat, reason, pace, sleep, wait, unless, usage, error, cut, hang, end, continue".to_owned()
            );
        }
    })
}

fn split_word(line: &str) -> (&str, &str) {
    match line.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (line, ""),
    }
}

fn text(written: &str) -> Result<String, String> {
    match written.starts_with('"') {
        true => serde_json::from_str(written).map_err(|_| "a text that begins with a quotation mark must be a JSON string".to_owned()),
        false => Ok(written.to_owned()),
    }
}

fn number<N: FromStr>(written: &str) -> Result<N, String> {
    written.parse().map_err(|_| "it needs a whole number".to_owned())
}

fn gate_file(written: &str, gates: Option<&Path>) -> Result<PathBuf, String> {
    let Some(gates) = gates else {
        return Err("it names a file, but this assistant's model names no folder for them, as in echo?gates=/some/folder".to_owned());
    };
    let file = gates.join(written);
    let stays_inside = file.starts_with(gates) && file != gates && !file.components().any(|part| part == Component::ParentDir);
    match stays_inside {
        true => Ok(file),
        false => Err("the file is not in the gates folder".to_owned()),
    }
}

fn error(written: &str) -> Result<ProviderError, String> {
    let (word, rest) = split_word(written);
    let hint = "Check the script.";
    match word.parse() {
        Ok(status @ 300..=599) => Ok(Complaint::from_body(text(rest)?.as_bytes()).into_error(status, None, &Secrets::default(), hint)),
        Ok(_) => Err("an error's status is between 300 and 599".to_owned()),
        Err(_) => Ok(Complaint::from_body(text(written)?.as_bytes()).into_error_after_200(&Secrets::default())),
    }
}

fn finish(written: &str) -> Result<Finish, String> {
    match written {
        "" | "stop" => Ok(Finish::Stop),
        "length" => Ok(Finish::Length),
        "filter" => Ok(Finish::ContentFilter),
        _ => Err("an end is stop, length or filter".to_owned()),
    }
}
