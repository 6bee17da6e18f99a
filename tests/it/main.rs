//! What the product promises, proved through its front door: the real binary, its pages, its API, its streams, its command line.
//!
//! Each file is a subject. Almost every test runs on SQLite and on Postgres (`on_both!`). `./test` sets what they need:
//! `PARLOR_TEST_POSTGRES` (a server where databases can be made), `PARLOR_TEST_MODEL` (the demo model's file) and `PARLOR_TEST_PYTHON`
//! (a Python with the package `xllamacpp`). What is missing is a failure, never a skip.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod accounts;
mod api;
mod architecture;
mod builtin_model;
mod code;
mod command_line;
mod commands;
mod connections;
mod feeds;
mod files;
mod languages;
mod live;
mod messages;
mod models;
mod pages;
mod reading;
mod replies;
mod restart;
mod rooms;
mod saw;
mod search;
mod store;
mod talks;
mod text;
mod usage;
mod words;
mod writer;
