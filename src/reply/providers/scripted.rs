//! The provider for tests and for trying Parlor out: no model, no network, always the same answer.
//!
//! What it answers is decided, in this order, by
//!
//! 1. a fenced block in the question, which is how a test that drives the real program, or somebody at a keyboard, is in control:
//!
//!    ````text
//!    ```script
//!    say "Hello "
//!    wait go
//!    say world
//!    ```
//!    ````
//!
//!    (`script.rs` has all the words of that language);
//! 2. the name of its model, for instance `echo` or `lorem?tokens=400&tokens_per_second=50` (`demo.rs` has all of them).
//!
//! Inside a process, [`Scripted::with_gate`] plays given steps and lets a test pull piece by piece.
//!
//! It keeps the promises and limits of every provider. It is not meant for rooms with strangers in them: whoever may ask it may make it
//! talk nonsense for as long as the limits allow. It reads no file; it only looks whether files in one folder exist, if given one.

use std::path::Path;
use std::time::Duration;

use async_stream::stream;
use futures_util::Stream;
use tokio::time::{Instant, sleep, sleep_until};

use super::limits::bounded;
use crate::reply::provider::{Chunk, ChunkStream, Finish, Limits, Prompt, Provider, ProviderError};

mod demo;
mod gate;
mod script;
#[cfg(test)]
mod tests;

use demo::Demo;
pub use gate::Gate;
use script::Script;
pub use script::Step;

/// How often a script that waits for a file looks for it.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A provider without a model.
#[derive(Debug)]
pub struct Scripted {
    part: Part,
    label: String,
    limits: Limits,
}

/// What it plays when the question holds no script.
#[derive(Debug, Clone)]
enum Part {
    Demo(Demo),
    Steps { steps: Vec<Step>, gate: Gate },
}

impl Scripted {
    /// Reads the name of a model, such as `echo?tokens_per_second=20`.
    pub fn from_model(model: &str, limits: Limits) -> Result<Self, ProviderError> {
        Ok(Self { part: Part::Demo(Demo::parse(model)?), label: format!("{model} (scripted)"), limits })
    }

    /// Plays `steps` for every prompt, each piece of text only when the gate lets it through.
    pub fn with_gate(steps: Vec<Step>) -> (Self, Gate) {
        let gate = Gate::default();
        let part = Part::Steps { steps, gate: gate.clone() };
        (Self { part, label: "gated (scripted)".to_owned(), limits: Limits::default() }, gate)
    }

    /// The same with other limits.
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }
}

impl Provider for Scripted {
    fn stream(&self, prompt: Prompt) -> ChunkStream {
        bounded(self.limits, play(self.part.clone(), prompt, self.limits.silence))
    }

    fn label(&self) -> &str {
        &self.label
    }
}

impl Part {
    /// The steps for one prompt.
    fn steps_for(self, prompt: &Prompt) -> Result<Vec<Step>, ProviderError> {
        let gates = match &self {
            Self::Demo(demo) => demo.gates(),
            Self::Steps { .. } => None,
        };
        match Script::in_question(prompt.question().unwrap_or_default(), gates)? {
            Some(script) => Ok(script.steps_for(prompt.continue_from.is_some())),
            None => Ok(match self {
                Self::Demo(demo) => demo.steps_for(prompt),
                Self::Steps { steps, .. } => steps,
            }),
        }
    }

    fn gate(&self) -> Option<Gate> {
        match self {
            Self::Demo(_) => None,
            Self::Steps { gate, .. } => Some(gate.clone()),
        }
    }
}

/// Plays one answer. `silence` is how long a step that hangs may hang.
fn play(part: Part, prompt: Prompt, silence: Duration) -> impl Stream<Item = Result<Chunk, ProviderError>> {
    stream! {
        let gate = part.gate();
        let _running = gate.as_ref().map(|gate| gate.enter(&prompt));
        let mut steps = match part.steps_for(&prompt) {
            Ok(steps) => steps.into_iter(),
            Err(error) => {
                yield Err(error);
                return;
            }
        };
        let mut pace = Pace::default();
        let mut usage = None;
        let mut finish = Finish::Stop;

        while let Some(step) = next_step(&mut steps).await {
            let (pieces, piece) = match step {
                Step::Say(text) => (1, Chunk::Answer(text)),
                Step::Reason(text) => (1, Chunk::Reasoning(text)),
                Step::Repeat { times, text } => (times, Chunk::Answer(text)),
                Step::Usage(counts) => {
                    usage = Some(counts);
                    continue;
                }
                Step::Sleep(duration) => {
                    sleep(duration).await;
                    pace.start_again();
                    continue;
                }
                Step::Pace(duration) => {
                    pace = Pace::new(duration);
                    continue;
                }
                Step::WaitFor(file) => {
                    while !exists(&file).await {
                        sleep(LOOK_EVERY).await;
                    }
                    pace.start_again();
                    continue;
                }
                Step::Unless { .. } => unreachable!("next_step returns what stands behind it"),
                Step::Hang => {
                    sleep(silence).await;
                    yield Err(ProviderError::Silent { limit: silence });
                    return;
                }
                // The limits make a stream that runs dry an answer that was cut off.
                Step::Cut => return,
                Step::Fail(error) => {
                    yield Err(error);
                    return;
                }
                Step::End(reason) => {
                    finish = reason;
                    break;
                }
            };
            if matches!(&piece, Chunk::Answer(text) | Chunk::Reasoning(text) if text.is_empty()) {
                continue;
            }
            for _ in 0..pieces {
                pace.wait().await;
                if let Some(gate) = &gate {
                    gate.wait().await;
                }
                yield Ok(piece.clone());
            }
        }
        if let Some(usage) = usage {
            yield Ok(Chunk::Usage(usage));
        }
        yield Ok(Chunk::End(finish));
    }
}

/// The next step that is to be done, behind any conditions.
async fn next_step(steps: &mut impl Iterator<Item = Step>) -> Option<Step> {
    loop {
        let mut step = steps.next()?;
        let mut wanted = true;
        while let Step::Unless { file, step: inner } = step {
            wanted &= !exists(&file).await;
            step = *inner;
        }
        if wanted {
            return Some(step);
        }
    }
}

/// A file that cannot be looked for does not exist.
async fn exists(file: &Path) -> bool {
    tokio::fs::try_exists(file).await.unwrap_or(false)
}

/// A steady rhythm: delays do not add up, and rates beyond the timer's resolution come out as bursts of the right size.
#[derive(Debug, Default)]
struct Pace {
    every: Duration,
    last: Option<Instant>,
}

impl Pace {
    fn new(every: Duration) -> Self {
        Self { every, last: None }
    }

    /// Forgets a pause that was meant, so that it is not caught up on.
    fn start_again(&mut self) {
        self.last = None;
    }

    async fn wait(&mut self) {
        if self.every.is_zero() {
            return;
        }
        let due = self.last.unwrap_or_else(Instant::now) + self.every;
        sleep_until(due).await;
        self.last = Some(due);
    }
}
