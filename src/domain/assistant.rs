//! Assistants: names under which a model answers, and when they speak.

use std::str::FromStr;

use super::{Invalid, Millis, id::AssistantId};

/// Where an assistant's replies come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// The small model inside, on this machine's processor.
    Builtin,
    /// Any server with OpenAI's chat completions.
    OpenAi,
    /// For tests and development: the question itself says what is answered.
    Scripted,
}

impl Provider {
    pub const ALL: [Self; 3] = [Self::Builtin, Self::OpenAi, Self::Scripted];

    /// The word for it on the command line, in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::OpenAi => "openai",
            Self::Scripted => "scripted",
        }
    }
}

impl FromStr for Provider {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|p| p.as_str() == text)
            .ok_or_else(|| Invalid::new("bad_provider", format!("There is no provider “{text}”: use openai, builtin or scripted.")))
    }
}

/// When an assistant answers in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// Every message of a person.
    Always,
    /// When it is mentioned, or one of its messages is replied to.
    Mention,
}

impl Speaks {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Mention => "mention",
        }
    }
}

impl FromStr for Speaks {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "always" => Ok(Self::Always),
            "mention" => Ok(Self::Mention),
            _ => Err(Invalid::new("bad_speaks", "An assistant speaks “always” or on “mention”.")),
        }
    }
}

/// An assistant and how its model is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assistant {
    pub id: AssistantId,
    pub name: String,
    pub provider: Provider,
    /// Address of the server's API, normally ending in `/v1`; empty where the provider needs none.
    pub base_url: String,
    /// The model's name at that server.
    pub model: String,
    /// Name of the environment variable that holds the key. The key itself is never stored.
    pub key_env: Option<String>,
    /// Additional request headers.
    pub headers: Vec<(String, String)>,
    /// The system prompt; empty for the default.
    pub system_prompt: String,
    pub created_at: Millis,
    /// Removed assistants answer no more; their messages stay.
    pub removed: bool,
}
