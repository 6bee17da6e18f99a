//! What assistants do: find the jobs that questions left in the database, ask a model, and write down what it says, piece by piece.
//!
//! A reply belongs to nobody's request and nobody's tab: it runs in a task of its own, goes on when everyone leaves, and ends in one
//! transaction. Nothing here knows who listens; what is committed is announced, and that is all.

pub mod connect;
pub mod engine;
pub mod prompt;
pub mod provider;
pub mod providers;
mod run;

pub use connect::Connections;
pub use engine::Engine;
