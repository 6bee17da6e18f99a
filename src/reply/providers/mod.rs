//! The providers, and the parts they are built from.
//!
//! A provider of another API takes three steps: say what its events mean by implementing [`answer::EventReader`], build its requests,
//! and send them with [`http::Server`]. Limits, cutting, busy servers, error bodies and secrets are dealt with here, once.
//!
//! ```text
//! http ── bytes ──▶ event_stream ── events ──▶ EventReader of an API ── chunks ──▶ limits ──▶ reply engine
//!   └─ not 200 ──▶ refusal ── ProviderError, its quotes cleaned by secret
//! ```
//!
//! Nothing here writes logs, spawns tasks, or knows rooms and people.

pub mod answer;
pub mod event_stream;
pub mod http;
mod limits;
pub mod local;
pub mod openai;
mod refusal;
pub mod scripted;
pub mod secret;
pub mod think;

#[cfg(test)]
mod fake_server;
#[cfg(test)]
mod heard;
