//! Parlor: a live chat for people and language models, in one binary.

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
