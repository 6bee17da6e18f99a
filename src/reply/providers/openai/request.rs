//! The request of chat completions, in the words that a given server understands.

use serde::Serialize;

use crate::reply::provider::{Prompt, Role};
use crate::reply::providers::refusal::Complaint;

/// How to get a server to go on with a text that was cut off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Continuation {
    /// Show the text so far and ask for the rest in words. Every server understands that; the seam depends on the model.
    #[default]
    Ask,
    /// Leave the text so far as the last message. Servers that continue such a message (llama.cpp, OpenRouter, many local ones) do so without
    /// a seam; others refuse it, or begin anew.
    Prefill,
}

/// Said by nobody in the room, so it is only ever part of a request.
const PLEASE_CONTINUE: &str = "Your last message was cut off. Continue it exactly where it ends: begin with the next character, \
     repeat nothing, and add no introduction.";

/// Which optional fields a server understands. Everything is tried at first, and what a server objects to is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestShape {
    stream_options: bool,
    temperature: bool,
    token_limit: TokenLimit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenLimit {
    /// What nearly every server knows.
    MaxTokens,
    /// What OpenAI's reasoning models want instead.
    MaxCompletionTokens,
}

impl Default for RequestShape {
    fn default() -> Self {
        Self { stream_options: true, temperature: true, token_limit: TokenLimit::MaxTokens }
    }
}

impl RequestShape {
    /// The shape without the field that a server complains about, if we can do without it.
    pub fn without_what_is_named(self, complaint: &Complaint) -> Option<Self> {
        if self.stream_options && (complaint.names("stream_options") || complaint.names("include_usage")) {
            return Some(Self { stream_options: false, ..self });
        }
        if self.token_limit == TokenLimit::MaxTokens && complaint.names("max_completion_tokens") {
            return Some(Self { token_limit: TokenLimit::MaxCompletionTokens, ..self });
        }
        // A temperature may also be refused because of its value, which somebody chose and should hear about.
        let is_about_support = ["support", "permitted", "deprecated"].iter().any(|word| complaint.names(word));
        if self.temperature && complaint.names("temperature") && is_about_support {
            return Some(Self { temperature: false, ..self });
        }
        None
    }
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: std::borrow::Cow<'a, str>,
}

/// The body of the request, as JSON.
pub fn body(model: &str, prompt: &Prompt, shape: RequestShape, continuation: Continuation) -> String {
    let limit_as = |field| prompt.max_tokens.filter(|_| shape.token_limit == field);
    let request = Request {
        model,
        messages: messages(prompt, continuation),
        stream: true,
        stream_options: shape.stream_options.then_some(StreamOptions { include_usage: true }),
        max_tokens: limit_as(TokenLimit::MaxTokens),
        max_completion_tokens: limit_as(TokenLimit::MaxCompletionTokens),
        temperature: prompt.temperature.filter(|_| shape.temperature),
    };
    serde_json::to_string(&request).expect("strings and numbers always become JSON")
}

/// Turns as messages. Several in a row by the same role become one: in a room with many people that is usual, and the templates of many
/// models refuse it.
fn messages(prompt: &Prompt, continuation: Continuation) -> Vec<Message<'_>> {
    let mut messages: Vec<Message<'_>> = Vec::with_capacity(prompt.turns.len() + 2);
    let mut push = |role, text| match messages.last_mut() {
        Some(last) if last.role == role => {
            let content = last.content.to_mut();
            content.push_str("\n\n");
            content.push_str(text);
        }
        _ => messages.push(Message { role, content: text.into() }),
    };
    for turn in &prompt.turns {
        push(role_name(turn.role), turn.text.as_str());
    }
    if let Some(so_far) = &prompt.continue_from {
        push(role_name(Role::Assistant), so_far);
        if continuation == Continuation::Ask {
            push(role_name(Role::User), PLEASE_CONTINUE);
        }
    }
    messages
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Complaint, Continuation, PLEASE_CONTINUE, Prompt, RequestShape, Role, body};
    use crate::reply::provider::Turn;

    fn turn(role: Role, text: &str) -> Turn {
        Turn { role, text: text.to_owned() }
    }

    fn sent(prompt: &Prompt, shape: RequestShape, continuation: Continuation) -> Value {
        serde_json::from_str(&body("m", prompt, shape, continuation)).unwrap()
    }

    fn complaint(message: &str) -> Complaint {
        Complaint::from_body(json!({"error": {"message": message}}).to_string().as_bytes())
    }

    #[test]
    fn a_prompt_becomes_a_request() {
        let prompt = Prompt {
            turns: vec![
                turn(Role::System, "Be kind."),
                turn(Role::User, "ada: Hello"),
                turn(Role::User, "bob: Hi"),
                turn(Role::Assistant, "Hello both."),
                turn(Role::User, "ada: Well?"),
            ],
            continue_from: None,
            max_tokens: Some(200),
            temperature: Some(0.7),
        };
        let messages = json!([
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "ada: Hello\n\nbob: Hi"},
            {"role": "assistant", "content": "Hello both."},
            {"role": "user", "content": "ada: Well?"},
        ]);
        assert_eq!(
            sent(&prompt, RequestShape::default(), Continuation::Ask),
            json!({
                "model": "m", "messages": messages, "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 200, "temperature": 0.7,
            })
        );
    }

    #[test]
    fn what_nobody_asked_for_is_not_sent() {
        let request = sent(&Prompt::default(), RequestShape::default(), Continuation::Ask);
        assert_eq!(request, json!({"model": "m", "messages": [], "stream": true, "stream_options": {"include_usage": true}}));
    }

    #[test]
    fn a_continuation_shows_the_text_so_far() {
        let prompt = Prompt { turns: vec![turn(Role::User, "Count.")], continue_from: Some("One, t".to_owned()), ..Prompt::default() };
        let question = json!({"role": "user", "content": "Count."});
        let so_far = json!({"role": "assistant", "content": "One, t"});
        let messages = |continuation| sent(&prompt, RequestShape::default(), continuation)["messages"].take();
        assert_eq!(messages(Continuation::Prefill), json!([question, so_far]));
        assert_eq!(messages(Continuation::Ask), json!([question, so_far, {"role": "user", "content": PLEASE_CONTINUE}]));
    }

    #[test]
    fn each_field_that_is_objected_to_is_left_out_once() {
        let shape = RequestShape::default();
        let prompt = Prompt { max_tokens: Some(5), temperature: Some(1.0), ..Prompt::default() };

        let shape = shape.without_what_is_named(&complaint("Unrecognized request argument supplied: stream_options")).unwrap();
        assert_eq!(sent(&prompt, shape, Continuation::Ask)["stream_options"], Value::Null);
        assert_eq!(shape.without_what_is_named(&complaint("stream_options")), None);

        let shape = shape.without_what_is_named(&complaint("'max_tokens' is not supported. Use 'max_completion_tokens' instead.")).unwrap();
        assert_eq!(
            sent(&prompt, shape, Continuation::Ask),
            json!({
                "model": "m", "messages": [], "stream": true, "max_completion_tokens": 5, "temperature": 1.0,
            })
        );

        let shape = shape.without_what_is_named(&complaint("'temperature' does not support 1.0 with this model.")).unwrap();
        assert_eq!(sent(&prompt, shape, Continuation::Ask)["temperature"], Value::Null);

        assert_eq!(shape.without_what_is_named(&complaint("max_tokens is too large")), None);
        assert_eq!(RequestShape::default().without_what_is_named(&complaint("temperature must be at most 2")), None);
    }

    #[test]
    fn the_list_of_invalid_fields_of_a_framework_is_understood() {
        let fields =
            json!({"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]});
        let complaint = Complaint::from_body(fields.to_string().as_bytes());
        assert!(RequestShape::default().without_what_is_named(&complaint).is_some());
    }
}
