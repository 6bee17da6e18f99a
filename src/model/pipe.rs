//! The frames between the app and the model's process: one JSON object a line, UTF-8, LF.
//!
//! To the worker (its stdin): first one `load`, then any number of `generate` and `cancel`. The end of stdin means: stop at once.
//! From the worker (its stdout): one `ready`, or an `error` without id if the file cannot be served; then for each request `started`, `reading`s,
//! `piece`s and `end`, or `error`. Nothing follows an `end`, an `error` or a `cancel` of an id, except what crossed it on the way.
//! stderr is for logs, line by line, and never carries text of a conversation.
//!
//! A line is at most [`FRAME_LIMIT`] bytes. A longer or an unreadable one breaks the connection: both ends are the same binary, so it is a bug or a
//! broken process, and starting over is the cure.

use std::io::{self, BufRead, Read};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::model::error::Refusal;
use crate::model::{Finish, Info, Request};

/// Bytes of one frame with its line feed. A prompt that fills 8192 tokens is about 40 kB; 4 MiB leave room for models that read much more.
pub const FRAME_LIMIT: usize = 4 << 20;

/// What the app asks of the worker.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    Load(Load),
    Generate { id: u64, request: Request },
    Cancel { id: u64 },
}

/// What to load, and how much of the machine to use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// A GGUF file; UTF-8, as llama.cpp needs it.
    pub file: String,
    /// Tokens of context for all conversations together; the model's own limit if that is less.
    pub context_tokens: u32,
    /// Conversations written at the same time.
    pub slots: u32,
    /// Threads that compute.
    pub threads: u32,
}

/// What the worker tells the app.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "snake_case")]
pub enum Tell {
    Ready(Info),
    Started {
        id: u64,
        prompt_tokens: u32,
        cached_tokens: u32,
    },
    Reading {
        id: u64,
        tokens: u32,
    },
    Piece {
        id: u64,
        text: String,
    },
    End {
        id: u64,
        finish: Finish,
        prompt_tokens: u32,
        completion_tokens: u32,
    },
    /// Without an id: about the process as a whole, which then ends.
    Error {
        id: Option<u64>,
        refusal: Refusal,
        sentence: String,
    },
}

/// Writes a frame as bytes, line feed included.
///
/// # Errors
/// `InvalidInput` if it would be longer than [`FRAME_LIMIT`].
pub fn encode<T: Serialize>(frame: &T) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(frame)?;
    bytes.push(b'\n');
    if bytes.len() > FRAME_LIMIT {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("a frame of {} bytes is longer than {FRAME_LIMIT}", bytes.len())));
    }
    Ok(bytes)
}

/// Reads the next frame, waiting for it; none at the end of the stream.
///
/// # Errors
/// `InvalidData` for a line that is too long, cut off or not a frame; else the stream's own errors.
pub fn read<T: DeserializeOwned>(stream: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    let limit = u64::try_from(FRAME_LIMIT).unwrap_or(u64::MAX);
    match stream.take(limit).read_until(b'\n', &mut line)? {
        0 => Ok(None),
        _ if line.last() == Some(&b'\n') => decode(&line).map(Some),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a frame without an end")),
    }
}

fn decode<T: DeserializeOwned>(line: &[u8]) -> io::Result<T> {
    // serde's message may quote the text of a frame, and errors are logged: only the place is kept.
    serde_json::from_slice(line)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("not a frame, at byte {} of {}", error.column(), line.len())))
}

/// Bytes that have arrived, to be cut into lines: for readers that cannot wait, because they wait for other things too.
#[derive(Debug, Default)]
pub struct Lines {
    bytes: Vec<u8>,
    /// How far `bytes` is known to hold no line feed, so that a long line is searched once.
    searched: usize,
}

impl Lines {
    /// Where the next bytes go: append to this.
    pub fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The next whole line, its line feed removed.
    ///
    /// # Errors
    /// `InvalidData` once a line has grown past `limit` bytes without an end.
    pub fn next(&mut self, limit: usize) -> io::Result<Option<Vec<u8>>> {
        match self.bytes[self.searched..].iter().position(|&byte| byte == b'\n') {
            Some(at) => {
                let rest = self.bytes.split_off(self.searched + at + 1);
                let mut line = std::mem::replace(&mut self.bytes, rest);
                line.pop();
                self.searched = 0;
                Ok(Some(line))
            }
            None if self.bytes.len() > limit => Err(io::Error::new(io::ErrorKind::InvalidData, "a line without an end")),
            None => {
                self.searched = self.bytes.len();
                Ok(None)
            }
        }
    }

    /// The next whole frame.
    ///
    /// # Errors
    /// As for [`read`].
    pub fn next_frame<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        match self.next(FRAME_LIMIT)? {
            Some(line) => decode(&line).map(Some),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;
    use crate::model::Turn;

    fn asks() -> Vec<Ask> {
        let mut request = Request::new(vec![Turn::user("two\nlines and a \u{2028} one"), Turn::assistant("äö😀")], 1);
        request.continue_from = Some("Well,".to_owned());
        vec![
            Ask::Load(Load { file: "/models/a b.gguf".to_owned(), context_tokens: 8192, slots: 4, threads: 1 }),
            Ask::Generate { id: 7, request },
            Ask::Cancel { id: 7 },
        ]
    }

    #[test]
    fn a_frame_is_one_line_and_comes_back_as_it_went() {
        let mut wire = Vec::new();
        for ask in asks() {
            let frame = encode(&ask).unwrap();
            assert_eq!(frame.iter().filter(|&&byte| byte == b'\n').count(), 1);
            wire.extend(frame);
        }
        let mut stream = wire.as_slice();
        for ask in asks() {
            assert_eq!(read::<Ask>(&mut stream).unwrap(), Some(ask));
        }
        assert_eq!(read::<Ask>(&mut stream).unwrap(), None);
    }

    #[test]
    fn frames_are_the_same_for_every_way_of_cutting_the_bytes() {
        let wire: Vec<u8> = asks().iter().flat_map(|ask| encode(ask).unwrap()).collect();
        for size in 1..=wire.len() {
            let mut lines = Lines::default();
            let mut seen = Vec::new();
            for cut in wire.chunks(size) {
                lines.tail().extend(cut);
                while let Some(ask) = lines.next_frame::<Ask>().unwrap() {
                    seen.push(ask);
                }
            }
            assert_eq!(seen, asks(), "cut into pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_refused_before_it_fills_the_memory() {
        let mut endless = BufReader::new(io::repeat(b'x'));
        assert_eq!(read::<Ask>(&mut endless).unwrap_err().kind(), io::ErrorKind::InvalidData);

        let mut lines = Lines::default();
        lines.tail().resize(FRAME_LIMIT + 1, b'x');
        assert_eq!(lines.next_frame::<Ask>().unwrap_err().kind(), io::ErrorKind::InvalidData);
        let request = Request::new(vec![Turn::user("x".repeat(FRAME_LIMIT))], 0);
        assert_eq!(encode(&Ask::Generate { id: 1, request }).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn what_is_no_frame_is_refused_without_quoting_it() {
        for line in ["{\"ask\":\"generate\",\"secret\":1}\n", "secret\n", "{\"ask\":\"secret\"}\n", "secret, cut off"] {
            let error = read::<Ask>(&mut line.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{line}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
