//! Reads `text/event-stream`, the format in which servers send events, as the WHATWG HTML standard defines it.
//!
//! - Bytes come in any pieces; the events are the same for every way of cutting them.
//! - Lines end in LF, CRLF or a lone CR, in any mixture. One leading byte order mark is dropped.
//! - Text is UTF-8; bytes that are not become U+FFFD, exactly as in a decoder that saw the whole stream at once.
//! - An event that the end of the stream cuts off is never returned.
//! - Memory is bounded: what is kept of an unfinished event, and any single line, is at most the given number of bytes (three times
//!   that while invalid bytes are replaced).
//!
//! Nothing here knows what is in the events, or where the bytes come from.

use std::mem;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// One dispatched event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What the `event` field said, or `message`.
    pub name: String,
    /// The `data` lines, joined with LF. It may be empty: a lone `data:` line is enough for an event.
    pub data: String,
    /// The last `id` seen so far on the stream, which may have come with an earlier event.
    pub id: String,
}

/// An event, or a single line, exceeded the limit. The parser returns nothing else from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventTooLarge;

/// The state between two reads.
#[derive(Debug)]
pub struct EventStreamParser {
    max_bytes: usize,
    /// The bytes of the line that has not ended yet. Neither CR nor LF is ever part of a longer UTF-8 sequence, so lines can be cut as
    /// bytes and decoded one by one, with the same result as decoding everything first.
    line: Vec<u8>,
    /// The last byte was a CR, so an LF that follows belongs to the same line end.
    after_cr: bool,
    first_line: bool,
    data: String,
    name: String,
    id: String,
    /// Milliseconds to wait before reconnecting, from the last valid `retry` field.
    retry: Option<u64>,
    overflown: bool,
}

impl EventStreamParser {
    /// Starts before the first byte of a stream. `max_bytes` bounds one event and one line.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            line: Vec::new(),
            after_cr: false,
            first_line: true,
            data: String::new(),
            name: String::new(),
            id: String::new(),
            retry: None,
            overflown: false,
        }
    }

    /// Takes the next bytes and appends the events that they complete, in order. The events before one that is too large are appended
    /// as well.
    pub fn read(&mut self, mut bytes: &[u8], events: &mut Vec<Event>) -> Result<(), EventTooLarge> {
        while !bytes.is_empty() {
            if mem::take(&mut self.after_cr) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            match bytes.iter().position(|&byte| byte == b'\n' || byte == b'\r') {
                None => {
                    self.extend_line(bytes)?;
                    return Ok(());
                }
                Some(end) => {
                    self.extend_line(&bytes[..end])?;
                    self.after_cr = bytes[end] == b'\r';
                    events.extend(self.end_line());
                    self.check(0)?;
                    bytes = &bytes[end + 1..];
                }
            }
        }
        match self.overflown {
            true => Err(EventTooLarge),
            false => Ok(()),
        }
    }

    /// How long the server wants to be left alone before a reconnection, in milliseconds.
    pub fn retry(&self) -> Option<u64> {
        self.retry
    }

    fn extend_line(&mut self, bytes: &[u8]) -> Result<(), EventTooLarge> {
        self.check(bytes.len())?;
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    /// Whether `more` bytes fit beside all that is kept. What is kept only grows until an event or a comment is over, so the answer does
    /// not depend on how the bytes were cut.
    fn check(&mut self, more: usize) -> Result<(), EventTooLarge> {
        let kept = self.line.len() + self.data.len() + self.name.len() + self.id.len();
        self.overflown |= kept + more > self.max_bytes;
        match self.overflown {
            true => Err(EventTooLarge),
            false => Ok(()),
        }
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = mem::take(&mut self.line);
        let mut text = line.as_slice();
        if mem::take(&mut self.first_line) {
            text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        }
        let event = match text {
            [] => self.dispatch(),
            [b':', ..] => None,
            text => {
                self.field(&String::from_utf8_lossy(text));
                None
            }
        };
        // The line's memory serves the next one.
        self.line = line;
        self.line.clear();
        event
    }

    fn dispatch(&mut self) -> Option<Event> {
        let name = mem::take(&mut self.name);
        let mut data = mem::take(&mut self.data);
        // Each data line was stored with an LF, so empty means that there was none.
        data.pop()?;
        let name = if name.is_empty() { "message".to_owned() } else { name };
        Some(Event { name, data, id: self.id.clone() })
    }

    fn field(&mut self, line: &str) {
        let (name, value) = match line.split_once(':') {
            None => (line, ""),
            Some((name, value)) => (name, value.strip_prefix(' ').unwrap_or(value)),
        };
        match name {
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "event" => value.clone_into(&mut self.name),
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                // A number that no u64 holds is no time to wait; like other nonsense it is ignored.
                self.retry = value.parse().ok().or(self.retry);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
