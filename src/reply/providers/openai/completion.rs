//! What the events of a chat completion mean, in the accents of all servers known to us.
//!
//! A state machine over one answer: no I/O, no time. It takes what it knows from each event and ignores everything else, so a field
//! nobody has heard of does no harm. What it knows:
//!
//! - `data: [DONE]` ends; so does the end of the body after a `finish_reason`. Some servers send usage between the two, in a chunk of its
//!   own with or without choices; others on the last chunk, on every chunk, or never.
//! - Reasoning comes as `reasoning_content`, as `reasoning`, as parts of an array in `content`, or inside the text as `<think>`.
//! - An error may come in the middle, as `{"error": …}` in any shape or as `finish_reason`.
//! - The first choice is the answer; others were not asked for. A choice may lack a `delta`, a `delta` may lack everything.

use std::sync::Arc;

use serde_json::Value;

use crate::reply::provider::{Chunk, Finish, ProviderError, ServerText, Usage};
use crate::reply::providers::answer::{EventReader, Progress};
use crate::reply::providers::event_stream::Event;
use crate::reply::providers::refusal::Complaint;
use crate::reply::providers::secret::Secrets;
use crate::reply::providers::think::ThinkSplitter;

/// The state of one answer between two events.
#[derive(Debug)]
pub struct ChatCompletionParser {
    secrets: Arc<Secrets>,
    max_tokens: Option<u32>,
    text: ThinkSplitter,
    /// How many pieces of text came. Most servers send a piece per token, so it stands in for a count that was not sent.
    pieces: i64,
    usage: Option<Usage>,
    finish: Option<Finish>,
    done: bool,
}

impl ChatCompletionParser {
    /// Starts before the first event. `secrets` are hidden in what the server says about errors; `max_tokens` is the limit it was given.
    pub fn new(secrets: Arc<Secrets>, max_tokens: Option<u32>) -> Self {
        Self { secrets, max_tokens, text: ThinkSplitter::default(), pieces: 0, usage: None, finish: None, done: false }
    }

    /// Takes a whole answer in one piece, from a server that does not stream. Such an answer to a message that was to be continued may repeat
    /// it (llama.cpp does, though not in a stream), so `so_far` at its beginning is passed over.
    pub fn read_whole(&mut self, body: &[u8], so_far: Option<&str>, chunks: &mut Vec<Chunk>) -> Result<(), ProviderError> {
        if body.trim_ascii().is_empty() {
            return Ok(());
        }
        let mut completion = self.parse(body)?;
        let Some(choices) = completion.get_mut("choices").and_then(Value::as_array_mut) else {
            return Err(ProviderError::Malformed { what: "JSON without choices" });
        };
        for choice in choices.iter_mut().filter(|choice| is_first(choice)) {
            if let (Some(so_far), Some(Value::String(text))) = (so_far, choice.pointer_mut("/message/content"))
                && text.starts_with(so_far)
            {
                text.drain(..so_far.len());
            }
            self.read_text(choice.get("message"), chunks);
            self.read_finish(choice)?;
        }
        self.read_usage(&completion);
        self.done = true;
        Ok(())
    }

    fn read_chunk(&mut self, chunk: &Value, chunks: &mut Vec<Chunk>) -> Result<(), ProviderError> {
        self.read_usage(chunk);
        let choices = chunk.get("choices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for choice in choices.iter().filter(|choice| is_first(choice)) {
            self.read_text(choice.get("delta"), chunks);
            self.read_finish(choice)?;
        }
        Ok(())
    }

    /// JSON that is no complaint.
    fn parse(&self, json: &[u8]) -> Result<Value, ProviderError> {
        let value: Value = serde_json::from_slice(json).map_err(|_| ProviderError::Malformed { what: "text that is not JSON" })?;
        match Complaint::from_json(&value) {
            None => Ok(value),
            Some(complaint) => Err(complaint.into_error_after_200(&self.secrets)),
        }
    }

    /// Reads a `delta` or a `message`.
    fn read_text(&mut self, delta: Option<&Value>, chunks: &mut Vec<Chunk>) {
        let Some(delta) = delta else { return };
        // Some servers send both names with the same text.
        let reasoning = ["reasoning_content", "reasoning"].into_iter().find_map(|name| text_of(delta, name));
        if let Some(reasoning) = reasoning {
            self.push_reasoning(reasoning, chunks);
        }
        match delta.get("content") {
            Some(Value::String(text)) => self.push_text(text, chunks),
            Some(Value::Array(parts)) => parts.iter().for_each(|part| self.read_part(part, chunks)),
            _ => {}
        }
        // Where a model declines, OpenAI sends its words under another name.
        if let Some(refusal) = text_of(delta, "refusal") {
            self.push_text(refusal, chunks);
        }
    }

    fn read_part(&mut self, part: &Value, chunks: &mut Vec<Chunk>) {
        match part.get("type").and_then(Value::as_str) {
            Some("text") => self.push_text(text_of(part, "text").unwrap_or_default(), chunks),
            Some("thinking") => match part.get("thinking") {
                Some(Value::String(thought)) => self.push_reasoning(thought, chunks),
                Some(Value::Array(thoughts)) => {
                    thoughts.iter().filter_map(|thought| text_of(thought, "text")).for_each(|thought| self.push_reasoning(thought, chunks));
                }
                _ => {}
            },
            // Images, references and whatever else there will be.
            _ => {}
        }
    }

    fn push_text(&mut self, text: &str, chunks: &mut Vec<Chunk>) {
        if !text.is_empty() {
            self.pieces += 1;
            self.text.push(text, chunks);
        }
    }

    fn push_reasoning(&mut self, text: &str, chunks: &mut Vec<Chunk>) {
        if !text.is_empty() {
            self.pieces += 1;
            chunks.push(Chunk::Reasoning(text.to_owned()));
        }
    }

    fn read_finish(&mut self, choice: &Value) -> Result<(), ProviderError> {
        let finish = match text_of(choice, "finish_reason") {
            None => return Ok(()),
            Some("length" | "max_tokens" | "model_length") => Finish::Length,
            Some("content_filter" | "safety" | "sensitive" | "refusal") => Finish::ContentFilter,
            // The answer is not over, the server is: OpenRouter, DeepSeek, vLLM and others, when something breaks on their side.
            Some("error" | "network_error" | "insufficient_system_resource" | "abort") => {
                return Err(ProviderError::Failed { status: None, said: ServerText::default() });
            }
            Some(_) => Finish::Stop,
        };
        self.finish = Some(finish);
        Ok(())
    }

    fn read_usage(&mut self, chunk: &Value) {
        // Groq's streams have it in a field of its own.
        let usage = [chunk.get("usage"), chunk.pointer("/x_groq/usage")].into_iter().flatten().find(|usage| usage.is_object());
        let Some(usage) = usage else { return };
        let count = |path: &str| usage.pointer(path).and_then(Value::as_i64);
        self.usage = Some(Usage {
            prompt_tokens: count("/prompt_tokens"),
            cached_prompt_tokens: count("/prompt_tokens_details/cached_tokens"),
            completion_tokens: count("/completion_tokens"),
            reasoning_tokens: count("/completion_tokens_details/reasoning_tokens"),
        });
    }

    /// Some servers say "stop" although their limit cut the answer. A text of exactly the tokens allowed was cut; where tokens were not
    /// counted, more pieces than that only show that a piece is no token there.
    fn reached_limit(&self) -> bool {
        let Some(max) = self.max_tokens.map(i64::from) else { return false };
        match self.usage.and_then(|usage| usage.completion_tokens) {
            Some(tokens) => tokens >= max,
            None => self.pieces == max,
        }
    }
}

impl EventReader for ChatCompletionParser {
    fn read(&mut self, event: &Event, chunks: &mut Vec<Chunk>) -> Result<Progress, ProviderError> {
        match event.data.trim() {
            "" => {}
            "[DONE]" => self.done = true,
            data if event.name == "error" => return Err(Complaint::from_body(data.as_bytes()).into_error_after_200(&self.secrets)),
            data => {
                let chunk = self.parse(data.as_bytes())?;
                self.read_chunk(&chunk, chunks)?;
            }
        }
        Ok(match (self.done, self.finish) {
            (true, _) => Progress::Ended,
            (false, Some(_)) => Progress::Finished,
            (false, None) => Progress::Going,
        })
    }

    fn flush(&mut self, chunks: &mut Vec<Chunk>) {
        self.text.flush(chunks);
    }

    fn close(&mut self, chunks: &mut Vec<Chunk>) -> Result<(), ProviderError> {
        let finish = match self.finish {
            None if !self.done => return Err(ProviderError::CutOff { after_text: self.pieces > 0 }),
            None | Some(Finish::Stop) if self.reached_limit() => Finish::Length,
            None => Finish::Stop,
            Some(finish) => finish,
        };
        chunks.extend(self.usage.map(Chunk::Usage));
        chunks.push(Chunk::End(finish));
        Ok(())
    }
}

/// The text under `name`, unless it is missing, empty or something else.
fn text_of<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str().filter(|text| !text.is_empty())
}

fn is_first(choice: &Value) -> bool {
    choice.get("index").and_then(Value::as_u64).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests;
