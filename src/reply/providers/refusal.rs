//! What a server says when it does not answer, in all the shapes that servers have, and which [`ProviderError`] that is.
//!
//! What it said goes nowhere but into a cleaned [`ServerText`].

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::secret::Secrets;
use crate::reply::provider::{ProviderError, ServerText};

/// A server's complaint, as it was sent: never to be shown or logged like this, which is why its `Debug` is silent.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Complaint {
    message: String,
    /// The machine-readable parts (`type`, `code`, `param`), one after the other.
    kind: String,
    /// A number in `code` that is an HTTP status.
    status: Option<u16>,
}

impl Complaint {
    /// Reads the body of a response that is not 2xx: JSON in any of the known shapes, a proxy's web page, or plain text.
    pub fn from_body(body: &[u8]) -> Self {
        let json: Option<Value> = serde_json::from_slice(body).ok();
        if let Some(complaint) = json.as_ref().and_then(Self::from_json) {
            return complaint;
        }
        if let Some(error) = json.filter(|json| json.get("message").is_some_and(Value::is_string)) {
            return Self::from_error_object(&error);
        }
        let text = String::from_utf8_lossy(body);
        let message = match text.trim_start().starts_with('<') {
            // Of a web page, its title says most ("502 Bad Gateway"); the rest is meant for a browser.
            true => title(&text).unwrap_or_default(),
            false => &text,
        };
        Self { message: message.to_owned(), ..Self::default() }
    }

    /// Reads a JSON value that may be a complaint: `{"error": {"message", "type", "code", "param"}}`, `{"error": "text"}`,
    /// `{"detail": …}`, `{"object": "error", "message": …}`, and any of these in an array.
    pub fn from_json(value: &Value) -> Option<Self> {
        if let Value::Array(values) = value {
            return values.first().and_then(Self::from_json);
        }
        match value.get("error") {
            None | Some(Value::Null | Value::Bool(false)) => {}
            Some(Value::String(message)) if message.is_empty() => {}
            Some(error @ Value::Object(_)) => return Some(Self::from_error_object(error)),
            Some(Value::String(message)) => return Some(Self { message: message.clone(), ..Self::default() }),
            Some(other) => return Some(Self { message: other.to_string(), ..Self::default() }),
        }
        if value.get("choices").is_some() {
            return None;
        }
        match value.get("detail") {
            None | Some(Value::Null) => {}
            Some(Value::String(message)) => return Some(Self { message: message.clone(), ..Self::default() }),
            // FastAPI's list of invalid fields: each with the path to the field and what is wrong with it.
            Some(detail) => {
                let problems = detail.as_array().map(Vec::as_slice).unwrap_or_default();
                let messages: Vec<&str> = problems.iter().filter_map(|problem| problem.get("msg")?.as_str()).collect();
                return Some(Self { message: messages.join("; "), kind: detail.to_string(), status: None });
            }
        }
        let is_error = ["object", "type"].into_iter().any(|key| value.get(key).and_then(Value::as_str) == Some("error"));
        is_error.then(|| Self::from_error_object(value))
    }

    fn from_error_object(error: &Value) -> Self {
        let code = error.get("code");
        let status = code.and_then(|code| code.as_u64().or_else(|| code.as_str()?.parse().ok())).filter(|code| (400..600).contains(code));
        let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
        let kind: Vec<&str> = ["type", "code", "param"].into_iter().filter_map(|key| error.get(key)?.as_str()).collect();
        Self { message: message.to_owned(), kind: kind.join(" "), status: status.and_then(|code| code.try_into().ok()) }
    }

    /// Whether it speaks of `word`, for instance the name of a field.
    pub fn names(&self, word: &str) -> bool {
        self.message.contains(word) || self.kind.contains(word)
    }

    /// A response with `status` and this complaint as its body. `hint` helps when the address or the model is unknown.
    pub fn into_error(self, status: u16, retry_after: Option<Duration>, secrets: &Secrets, hint: &str) -> ProviderError {
        let said = self.said(secrets);
        match status {
            300..=399 => ProviderError::Redirected { status },
            _ if status == 402 || self.names("insufficient_quota") => ProviderError::OutOfCredit { status, said },
            _ if self.is_about_length() => ProviderError::PromptTooLong { said },
            401 => ProviderError::KeyRefused { status, said },
            404 => ProviderError::NotFound { said, hint: hint.to_owned() },
            // 529 is Anthropic's "overloaded".
            429 | 503 | 529 => ProviderError::Busy { status, said, retry_after },
            400..=499 => ProviderError::Refused { status, said },
            _ => ProviderError::Failed { status: Some(status), said },
        }
    }

    /// The same in the middle of an answer, where there is no status but perhaps a code that is one.
    pub fn into_error_after_200(self, secrets: &Secrets) -> ProviderError {
        match self.status {
            Some(status) => self.into_error(status, None, secrets, "Check the model's name."),
            None if self.is_about_length() => ProviderError::PromptTooLong { said: self.said(secrets) },
            None => ProviderError::Failed { status: None, said: self.said(secrets) },
        }
    }

    fn said(&self, secrets: &Secrets) -> ServerText {
        ServerText::new(&self.message, |text| secrets.hide(text))
    }

    fn is_about_length(&self) -> bool {
        let message = self.message.to_lowercase();
        self.names("exceed_context_size_error")
            || self.names("context_length_exceeded")
            || ["context size", "context length", "context window"].iter().any(|words| message.contains(words))
    }
}

impl fmt::Debug for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Complaint([hidden])")
    }
}

fn title(html: &str) -> Option<&str> {
    // Only ASCII is made lowercase, so positions are the same in both.
    let lowercase = html.to_ascii_lowercase();
    let start = lowercase.find("<title>")? + "<title>".len();
    let end = start + lowercase[start..].find("</title>")?;
    html.get(start..end)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Complaint, ProviderError, Secrets, ServerText};
    use crate::reply::providers::secret::Secret;

    fn error(status: u16, body: &str) -> ProviderError {
        Complaint::from_body(body.as_bytes()).into_error(status, None, &Secrets::default(), "Look again.")
    }

    fn said(text: &str) -> ServerText {
        ServerText::new(text, str::to_owned)
    }

    #[test]
    fn every_shape_of_body_gives_its_message() {
        for (body, message) in [
            (r#"{"error":{"message":"no","type":"t","code":400}}"#, "no"),
            (r#"{"error":{"message":"no","code":"400"}}"#, "no"),
            (r#"{"error":{"message":"no"}}"#, "no"),
            (r#"{"error":"no"}"#, "no"),
            (r#"[{"error":{"message":"no","code":400}}]"#, "no"),
            (r#"{"detail":"no"}"#, "no"),
            (r#"{"detail":[{"loc":["body","x"],"msg":"no"},{"msg":"never"}]}"#, "no; never"),
            (r#"{"object":"error","message":"no","code":40303}"#, "no"),
            (r#"{"message":"no","request_id":"1"}"#, "no"),
            (r#"{"error":{}}"#, ""),
            ("no", "no"),
            ("", ""),
            ("{\"broken", "{\"broken"),
            ("<html><head><TITLE>400 No</TITLE></head><body>x</body></html>", "400 No"),
            ("<!doctype html><p>x", ""),
            ("\u{130}<title>", "\u{130}<title>"),
            ("<title>İ</title>", "İ"),
        ] {
            assert_eq!(error(400, body), ProviderError::Refused { status: 400, said: said(message) }, "{body}");
        }
    }

    #[test]
    fn the_status_decides_unless_the_body_knows_better() {
        assert_eq!(error(401, "no"), ProviderError::KeyRefused { status: 401, said: said("no") });
        assert_eq!(error(404, ""), ProviderError::NotFound { said: said(""), hint: "Look again.".to_owned() });
        assert_eq!(error(429, ""), ProviderError::Busy { status: 429, said: said(""), retry_after: None });
        assert_eq!(error(503, ""), ProviderError::Busy { status: 503, said: said(""), retry_after: None });
        assert_eq!(error(502, "<title>Bad Gateway</title>"), ProviderError::Failed { status: Some(502), said: said("Bad Gateway") });
        assert_eq!(error(308, "moved"), ProviderError::Redirected { status: 308 });
        assert_eq!(error(402, ""), ProviderError::OutOfCredit { status: 402, said: said("") });
        assert_eq!(
            error(429, r#"{"error":{"message":"Pay.","type":"insufficient_quota","code":"insufficient_quota"}}"#),
            ProviderError::OutOfCredit { status: 429, said: said("Pay.") }
        );
        assert_eq!(
            error(400, r#"{"error":{"message":"Too many.","code":"context_length_exceeded"}}"#),
            ProviderError::PromptTooLong { said: said("Too many.") }
        );
        assert_eq!(
            error(500, r#"{"error":{"message":"Requested tokens (9031) exceed context window of 2048"}}"#),
            ProviderError::PromptTooLong { said: said("Requested tokens (9031) exceed context window of 2048") }
        );
    }

    #[test]
    fn an_ordinary_chunk_is_no_complaint() {
        assert_eq!(Complaint::from_json(&json!({"choices": [], "error": null})), None);
        assert_eq!(Complaint::from_json(&json!({"choices": [], "detail": "x", "message": "x"})), None);
        assert_eq!(Complaint::from_json(&json!({"type": "status", "message": "working"})), None);
        assert_eq!(Complaint::from_json(&json!({"error": ""})), None);
        assert_eq!(Complaint::from_json(&json!(5)), None);
    }

    #[test]
    fn an_error_after_200_takes_its_code_for_a_status() {
        let after_200 = |value| Complaint::from_json(&value).expect("a complaint").into_error_after_200(&Secrets::default());
        assert_eq!(
            after_200(json!({"error": {"message": "m", "code": 502}})),
            ProviderError::Failed { status: Some(502), said: said("m") }
        );
        assert_eq!(
            after_200(json!({"error": {"message": "m", "code": "server_error"}})),
            ProviderError::Failed { status: None, said: said("m") }
        );
        let busy = ProviderError::Busy { status: 429, said: said("m"), retry_after: None };
        assert_eq!(after_200(json!({"error": {"message": "m", "code": "429"}})), busy);
    }

    #[test]
    fn an_echoed_key_is_hidden() {
        let secrets = Secrets::new([Secret::new("sk-0123456789")]);
        let body = r#"{"error":{"message":"Incorrect API key provided: sk-01234***789."}}"#;
        let message = Complaint::from_body(body.as_bytes()).into_error(401, None, &secrets, "").to_string();
        assert_eq!(
            message,
            "The provider did not accept the API key (401). It said: “Incorrect API key provided: [hidden]***789.” Check the key of this assistant."
        );
    }
}
