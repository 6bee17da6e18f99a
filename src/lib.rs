//! Parlor: a live chat for people and language models, in one binary.

pub mod clock;
pub mod domain;
pub mod store;
