//! What a file is, by its bytes alone: a picture with its previews, text, or just bytes.
//!
//! Looking at a picture takes memory by its pixels, and seconds if it is very large. So only one large picture is looked at at a time, and
//! small ones, which are nearly all, have places of their own: whatever is sent, nobody's preview waits behind somebody else's poster.

use std::io;
use std::path::PathBuf;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;
use tracing::warn;

use super::picture::{self, Picture};
use crate::domain::file::PLAIN_TEXT;

/// How much of the beginning tells what a file is, in bytes.
pub(super) const HEAD: usize = 8 * 1024;
/// Files at once whose beginning is read as a picture's: some kinds are read whole for that.
const MEASURED: usize = 4;
/// Up to this many pixels a picture is small: a screen of the widest kind.
const SMALL_PIXELS: u64 = 9_000_000;
/// Small pictures that are decoded at once: each may take some sixty megabytes.
const SMALL: usize = 2;
/// Large pictures that are decoded at once: each may take some hundred megabytes.
const LARGE: usize = 1;
/// The type of what is nothing to be shown.
const BYTES: &str = "application/octet-stream";

/// Who may look at what at the same time.
pub(super) struct Inspector {
    measured: Semaphore,
    small: Semaphore,
    large: Semaphore,
}

impl Default for Inspector {
    fn default() -> Self {
        Self { measured: Semaphore::new(MEASURED), small: Semaphore::new(SMALL), large: Semaphore::new(LARGE) }
    }
}

impl Inspector {
    /// The picture that lies at `original`, whose previews are put into `folder`; nothing if it is none. A decoder that breaks on what it
    /// was given takes nothing else along.
    pub async fn picture(&self, original: PathBuf, folder: PathBuf) -> io::Result<Option<Picture>> {
        let pixels = {
            let _turn = turn(&self.measured).await?;
            let original = original.clone();
            unbroken(spawn_blocking(move || picture::pixels(&original)).await)
        };
        let Some(pixels) = pixels else { return Ok(None) };
        let places = if pixels <= SMALL_PIXELS { &self.small } else { &self.large };
        let _turn = turn(places).await?;
        unbroken(spawn_blocking(move || Some(picture::look(&original, &folder))).await).unwrap_or(Ok(None))
    }
}

async fn turn(places: &Semaphore) -> io::Result<SemaphorePermit<'_>> {
    places.acquire().await.map_err(io::Error::other)
}

fn unbroken<T>(looked: Result<Option<T>, tokio::task::JoinError>) -> Option<T> {
    looked.unwrap_or_else(|error| {
        warn!(%error, "a picture could not be looked at");
        None
    })
}

/// What a file is that is no picture, by its beginning. What a browser might run or draw as a page is just bytes here.
pub(super) fn media_type(head: &[u8]) -> &'static str {
    match infer::get(head).map(|kind| kind.mime_type()) {
        Some(kind) if kind.starts_with("text/") || ["html", "xml", "script"].iter().any(|word| kind.contains(word)) => BYTES,
        Some(kind) => kind,
        None if is_text(head) => PLAIN_TEXT,
        None => BYTES,
    }
}

/// Text that people read: UTF-8 without control characters, and not the beginning of markup.
fn is_text(head: &[u8]) -> bool {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // A character may go on after the beginning.
        Err(error) if error.error_len().is_none() && head.len() == HEAD => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let begins = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    !begins.starts_with('<') && !text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{c}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_come_from_the_bytes() {
        let long = "字".repeat(HEAD);
        for (head, found) in [
            (b"Hello\r\n\tworld".as_slice(), PLAIN_TEXT),
            (&long.as_bytes()[..HEAD], PLAIN_TEXT),
            (b"<!DOCTYPE html><script>alert(1)</script>", BYTES),
            (b" \n<!-- a --><html>", BYTES),
            (b"\xef\xbb\xbf<svg xmlns='http://www.w3.org/2000/svg'>", BYTES),
            (b"<?xml version=\"1.0\"?><svg/>", BYTES),
            (b"#!/bin/sh\necho", BYTES),
            (b"%PDF-1.7\n%\xe2\xe3", "application/pdf"),
            (b"PK\x03\x04\x14\x00", "application/zip"),
            (b"\x00\x01\x02", BYTES),
            (b"text\x00text", BYTES),
            (b"\xff\xfe\x00", BYTES),
        ] {
            assert_eq!(media_type(head), found, "{:?}", String::from_utf8_lossy(&head[..head.len().min(40)]));
        }
    }
}
