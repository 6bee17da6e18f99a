//! The product under fire: kills, faults of the network, crowds, stuck readers, and every interleaving that can be thought of. What
//! happened is judged by the ledger (`ledger.rs`): what was acknowledged against what is stored, what was shown against what is stored.
//!
//! Rounds are few by default, so that all of this runs with every change; `PARLOR_FIRE_ROUNDS` asks for more.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

#[path = "../support/mod.rs"]
mod support;

mod crowd;
mod ending;
mod kill;
mod ledger;
mod life;
mod model;
mod network;
mod relay;
mod splice;
mod stuck;
