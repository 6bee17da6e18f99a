//! From the bytes of an event stream to chunks, for any API whose answers are event streams.
//!
//! Bytes, their cutting, silence and the end of the stream are dealt with here; what an event means is told by an [`EventReader`].
//! Nothing here knows HTTP: the bytes may come from anywhere.

use std::pin::pin;

use async_stream::stream;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::event_stream::{Event, EventStreamParser};
use crate::reply::provider::{Chunk, Limits, ProviderError};

/// What the events of one API mean: a state machine over the events of one answer, without I/O.
pub trait EventReader {
    /// Takes one event and appends what it says.
    fn read(&mut self, event: &Event, chunks: &mut Vec<Chunk>) -> Result<Progress, ProviderError>;

    /// Appends text held back so far, because nothing more will come. Called once, whether the answer went well or not.
    fn flush(&mut self, chunks: &mut Vec<Chunk>);

    /// Judges whether the answer was complete when the events ended, and if so appends its usage and its end.
    fn close(&mut self, chunks: &mut Vec<Chunk>) -> Result<(), ProviderError>;
}

/// How far an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// More is to come.
    Going,
    /// The server told why the answer ended; token counts may follow.
    Finished,
    /// The server told that it says nothing more.
    Ended,
}

/// The connection broke. Why does not matter: the answer is as incomplete as if the server had closed it.
#[derive(Debug)]
pub struct Broken;

/// Reads one answer.
pub fn read_answer(
    bytes: impl Stream<Item = Result<Bytes, Broken>>,
    mut reader: impl EventReader,
    limits: Limits,
) -> impl Stream<Item = Result<Chunk, ProviderError>> {
    stream! {
        let mut bytes = pin!(bytes);
        let mut parser = EventStreamParser::new(limits.event_bytes);
        let (mut events, mut chunks) = (Vec::new(), Vec::new());
        let mut finished_until: Option<Instant> = None;

        let outcome = loop {
            let read = match finished_until {
                None => timeout(limits.silence, bytes.next()).await,
                Some(until) => timeout_at(until, bytes.next()).await,
            };
            let piece = match read {
                Ok(Some(Ok(piece))) => piece,
                Ok(Some(Err(Broken)) | None) => break Ok(()),
                Err(_elapsed) if finished_until.is_some() => break Ok(()),
                Err(_elapsed) => break Err(ProviderError::Silent { limit: limits.silence }),
            };
            let fits = parser.read(&piece, &mut events);
            let progress = read_events(&mut events, &mut reader, &mut chunks);
            for chunk in chunks.drain(..) {
                yield Ok(chunk);
            }
            match progress {
                Ok(Progress::Ended) => break Ok(()),
                Ok(_) if fits.is_err() => break Err(ProviderError::EventTooLarge { limit: limits.event_bytes }),
                Ok(Progress::Finished) => finished_until = finished_until.or(Some(Instant::now() + limits.after_finish)),
                Ok(Progress::Going) => {}
                Err(error) => break Err(error),
            }
        };

        reader.flush(&mut chunks);
        let outcome = outcome.and_then(|()| reader.close(&mut chunks));
        for chunk in chunks {
            yield Ok(chunk);
        }
        if let Err(error) = outcome {
            yield Err(error);
        }
    }
}

/// Reads the events of one piece, up to the end of the answer or the first error.
fn read_events(events: &mut Vec<Event>, reader: &mut impl EventReader, chunks: &mut Vec<Chunk>) -> Result<Progress, ProviderError> {
    let mut progress = Progress::Going;
    for event in events.drain(..) {
        progress = progress.max(reader.read(&event, chunks)?);
        if progress == Progress::Ended {
            break;
        }
    }
    Ok(progress)
}

#[cfg(test)]
mod tests;
