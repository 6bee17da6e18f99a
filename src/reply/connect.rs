//! From an assistant's settings to the provider that answers for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::provider::{Limits, Provider, ProviderError};
use super::providers::local::Local;
use super::providers::openai::{Continuation, OpenAi, OpenAiConfig};
use super::providers::scripted::Scripted;
use super::providers::secret::Secret;
use crate::clock::Clock;
use crate::domain::assistant::{self, Assistant};
use crate::domain::id::AssistantId;
use crate::model::BuiltinModel;

/// Makes providers and keeps them, so that what was found out about a server is known for the next reply.
pub struct Connections {
    limits: Limits,
    builtin: Option<BuiltinModel>,
    clock: Clock,
    made: Mutex<HashMap<AssistantId, Made>>,
}

struct Made {
    /// The settings that it was made from: when they change, it is made anew.
    from: Assistant,
    key: Option<String>,
    provider: Arc<dyn Provider>,
}

impl Connections {
    /// `builtin` is none where the data folder holds no model.
    pub fn new(limits: Limits, builtin: Option<BuiltinModel>, clock: Clock) -> Self {
        Self { limits, builtin, clock, made: Mutex::default() }
    }

    /// What providers and runs are held to.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The provider of an assistant, or a sentence for the room that says what is wrong with its settings.
    pub fn provider_of(&self, assistant: &Assistant) -> Result<Arc<dyn Provider>, ProviderError> {
        let key = key_of(assistant)?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = made.get(&assistant.id)
            && made.from == *assistant
            && made.key == key
        {
            return Ok(made.provider.clone());
        }
        let provider = self.make(assistant, key.as_deref())?;
        made.insert(assistant.id, Made { from: assistant.clone(), key, provider: provider.clone() });
        Ok(provider)
    }

    fn make(&self, assistant: &Assistant, key: Option<&str>) -> Result<Arc<dyn Provider>, ProviderError> {
        match assistant.provider {
            assistant::Provider::Builtin => match &self.builtin {
                Some(model) => Ok(Arc::new(Local::new(model.clone(), self.clock.clone()))),
                None => Err(ProviderError::Misconfigured(
                    "there is no built-in model in the data folder. Add one with “parlor model add FILE” and start the server again, \
                     or connect a provider with “parlor assistant add”."
                        .into(),
                )),
            },
            assistant::Provider::OpenAi => Ok(Arc::new(OpenAi::new(OpenAiConfig {
                base_url: assistant.base_url.clone(),
                api_key: key.map(Secret::new),
                headers: assistant.headers.iter().map(|(name, value)| (name.clone(), Secret::new(value))).collect(),
                model: assistant.model.clone(),
                continuation: Continuation::default(),
                limits: self.limits,
            })?)),
            assistant::Provider::Scripted => Ok(Arc::new(Scripted::from_model(&assistant.model, self.limits)?)),
        }
    }
}

/// The key is read where it is used, so that it is stored nowhere.
fn key_of(assistant: &Assistant) -> Result<Option<String>, ProviderError> {
    let Some(variable) = &assistant.key_env else { return Ok(None) };
    match std::env::var(variable) {
        Ok(key) if !key.trim().is_empty() => Ok(Some(key.trim().to_owned())),
        _ => Err(ProviderError::Misconfigured(format!(
            "the server was started without {variable}, which holds the key. Set it and start the server again."
        ))),
    }
}
