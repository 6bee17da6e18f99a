//! What people see: tests that drive real browsers against the real program. They need Debian's packages chromium and chromium-driver.

#![allow(clippy::unwrap_used, reason = "what a test does not expect ends it")]

mod access;
mod cable;
mod code;
mod column;
mod coming_back;
mod composer;
mod door;
mod driver;
mod ending;
mod faults;
mod growing;
mod installable;
mod leaving;
mod log;
mod looks;
mod plain;
mod presses;
mod programs;
mod reading;
mod saw;
mod screens;
mod search;
mod shared;
mod sidebar;
mod signs;
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod tab;
mod talk;
mod targets;
mod text;
