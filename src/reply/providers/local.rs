//! The built-in model as a provider: the same promises as every other, kept by the child process behind it.

use async_stream::try_stream;
use futures_util::StreamExt;

use crate::clock::Clock;
use crate::model::{self, BuiltinModel, Event, ModelError};
use crate::reply::provider::{Chunk, ChunkStream, Finish, Prompt, Provider, ProviderError, Role, Usage};

/// How the built-in model is called under its replies: nobody shall take it for more than it is.
const LABEL: &str = "SmolLM2 135M, demo model on this machine";

/// The model inside.
pub struct Local {
    model: BuiltinModel,
    clock: Clock,
}

impl Local {
    pub fn new(model: BuiltinModel, clock: Clock) -> Self {
        Self { model, clock }
    }
}

impl Provider for Local {
    fn stream(&self, prompt: Prompt) -> ChunkStream {
        let (model, now) = (self.model.clone(), self.clock.now());
        Box::pin(try_stream! {
            let mut request = model::Request::new(prompt.turns.into_iter().map(turn).collect(), now);
            request.continue_from = prompt.continue_from;
            if let Some(max) = prompt.max_tokens {
                request.max_tokens = max;
            }
            if let Some(temperature) = prompt.temperature {
                request.sampling.temperature = temperature;
            }
            let mut events = model.generate(request);
            while let Some(event) = events.next().await {
                match event.map_err(|error| refused(&error))? {
                    Event::Started { .. } | Event::Reading { .. } => {}
                    Event::Piece(text) => yield Chunk::Answer(text),
                    Event::Usage { prompt_tokens, completion_tokens } => {
                        yield Chunk::Usage(Usage {
                            prompt_tokens: Some(prompt_tokens.into()),
                            completion_tokens: Some(completion_tokens.into()),
                            ..Usage::default()
                        });
                    }
                    Event::End(model::Finish::Stop) => yield Chunk::End(Finish::Stop),
                    Event::End(model::Finish::Length) => yield Chunk::End(Finish::Length),
                }
            }
        })
    }

    fn label(&self) -> &str {
        LABEL
    }
}

fn turn(turn: crate::reply::provider::Turn) -> model::Turn {
    let role = match turn.role {
        Role::System => model::Role::System,
        Role::User => model::Role::User,
        Role::Assistant => model::Role::Assistant,
    };
    model::Turn { role, text: turn.text }
}

/// The child's end, by a crash or with the server, cuts a reply off; everything else is a refusal.
fn refused(error: &ModelError) -> ProviderError {
    let cut_off = matches!(error, ModelError::Ended | ModelError::ShuttingDown);
    ProviderError::Local { sentence: error.to_string(), cut_off }
}
