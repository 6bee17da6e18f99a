//! Parlor: a live chat for people and language models, in one binary.
//!
//! # Bird's eye
//!
//! What people do ([`chat`]) becomes rows ([`store`]), one transaction each. A question leaves a job; the engine ([`reply`]) finds it, asks a
//! model, and commits the text piece by piece. After each commit the writer announces; the hub ([`live`]) reads what changed once, encodes it
//! once, and every open stream takes it from there. [`http`] turns requests into verbs and answers into pages, JSON and streams.
//!
//! # Code map
//!
//! `domain` words and rules · `store` the only SQL · `live` who listens · `render` Markdown to safe markup · `chat` what people do · `reply`
//! what assistants do · `model` the built-in model's process · `http` the web · `view` what pages hold · `words` what they say, in each language · `cli`, `app`, `config`, `clock`,
//! `telemetry` the frame around it. ARCHITECTURE.md has the table, the rules of who may know whom, and three walks through the house.
//!
//! # Invariants
//!
//! Nothing is shown that is not stored. Numbers of a room are given in commit order, without gaps. Every write of a reply proves that the
//! attempt is still its own. Who lost access receives nothing that was committed later. Recovery is the ordinary path: a stream that fell
//! behind and a tab that was just opened do the same.

pub mod app;
pub mod chat;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod http;
pub mod live;
pub mod model;
pub mod render;
pub mod reply;
pub mod store;
pub mod telemetry;
pub mod view;
pub mod words;
