//! Silence, sizes and ends, on a paused clock and without a network. The reader here takes each event's data for text; `fin` finishes
//! and `end` ends.

use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tokio::time::sleep;

use super::{Broken, Bytes, Event, EventReader, Instant, Progress, read_answer};
use crate::reply::provider::{Chunk, Finish, Limits, ProviderError};

#[derive(Default)]
struct Plain {
    finished: bool,
}

impl EventReader for Plain {
    fn read(&mut self, event: &Event, chunks: &mut Vec<Chunk>) -> Result<Progress, ProviderError> {
        match event.data.as_str() {
            "fin" => self.finished = true,
            "end" => return Ok(Progress::Ended),
            "bad" => return Err(ProviderError::Malformed { what: "bad" }),
            text => chunks.push(Chunk::Answer(text.to_owned())),
        }
        Ok(if self.finished { Progress::Finished } else { Progress::Going })
    }

    fn flush(&mut self, chunks: &mut Vec<Chunk>) {
        chunks.push(Chunk::Answer("(flushed)".to_owned()));
    }

    fn close(&mut self, chunks: &mut Vec<Chunk>) -> Result<(), ProviderError> {
        match self.finished {
            true => chunks.push(Chunk::End(Finish::Stop)),
            false => return Err(ProviderError::CutOff { after_text: true }),
        }
        Ok(())
    }
}

const LIMITS: Limits = Limits {
    event_bytes: 100,
    reply_bytes: 1000,
    connect: Duration::from_secs(10),
    silence: Duration::from_secs(60),
    after_finish: Duration::from_secs(5),
    total: Duration::from_secs(600),
    tries: 3,
    first_wait: Duration::from_secs(2),
    waiting: Duration::from_secs(30),
};

/// Pieces of a body, each after so many seconds; then it stays open for ever.
fn open(pieces: &'static [(u64, &str)]) -> impl Stream<Item = Result<Bytes, Broken>> {
    closed(pieces).chain(stream::pending())
}

fn closed(pieces: &'static [(u64, &str)]) -> impl Stream<Item = Result<Bytes, Broken>> {
    stream::iter(pieces).then(|&(seconds, text)| async move {
        sleep(Duration::from_secs(seconds)).await;
        Ok(Bytes::from_static(text.as_bytes()))
    })
}

/// The text, how it ended, and after how many seconds.
async fn read(bytes: impl Stream<Item = Result<Bytes, Broken>>) -> (String, Result<(), ProviderError>, u64) {
    let started = Instant::now();
    let mut text = String::new();
    let mut outcome = None;
    let mut chunks = Box::pin(read_answer(bytes, Plain::default(), LIMITS));
    while let Some(chunk) = chunks.next().await {
        assert_eq!(outcome, None, "something followed the end: {chunk:?}");
        match chunk {
            Ok(Chunk::Answer(piece)) => text += &piece,
            Ok(Chunk::End(_)) => outcome = Some(Ok(())),
            Ok(other) => panic!("unexpected {other:?}"),
            Err(error) => outcome = Some(Err(error)),
        }
    }
    (text, outcome.expect("an end or an error"), started.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn silence_ends_an_answer_and_any_byte_breaks_it() {
    let silent = Err(ProviderError::Silent { limit: LIMITS.silence });
    assert_eq!(read(open(&[])).await, ("(flushed)".to_owned(), silent.clone(), 60));
    assert_eq!(read(open(&[(1, "data:a\n\n")])).await, ("a(flushed)".to_owned(), silent.clone(), 61));
    // Comments ask for patience, and half an event is a sign of life too.
    assert_eq!(
        read(open(&[(59, ":\n\n"), (59, ":\n\n"), (59, "data:a"), (59, "\n\n")])).await,
        ("a(flushed)".to_owned(), silent, 4 * 59 + 60)
    );
}

#[tokio::test(start_paused = true)]
async fn a_finished_answer_waits_a_little_for_the_end_and_is_complete_without_it() {
    let complete = |seconds| ("a(flushed)".to_owned(), Ok(()), seconds);
    assert_eq!(read(open(&[(0, "data:a\n\ndata:fin\n\n")])).await, complete(5));
    assert_eq!(read(open(&[(0, "data:a\n\ndata:fin\n\n"), (4, ":\n\n"), (4, "data:end\n\n")])).await, complete(5));
    assert_eq!(read(open(&[(0, "data:a\n\ndata:fin\n\n"), (4, "data:end\n\n")])).await, complete(4));
    assert_eq!(read(closed(&[(0, "data:a\n\ndata:fin\n\n")])).await, complete(0));
    assert_eq!(read(closed(&[(0, "data:a\n\ndata:fin\n\n")]).chain(stream::iter([Err(Broken)]))).await, complete(0));
}

#[tokio::test(start_paused = true)]
async fn without_a_finish_the_answer_is_cut_off_however_the_connection_ended() {
    let cut_off = || ("a(flushed)".to_owned(), Err(ProviderError::CutOff { after_text: true }), 0);
    assert_eq!(read(closed(&[(0, "data:a\n\ndata:b\n")])).await, cut_off());
    assert_eq!(read(closed(&[(0, "data:a\n\n")]).chain(stream::iter([Err(Broken)]))).await, cut_off());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_after_the_end_or_an_error() {
    assert_eq!(read(open(&[(0, "data:fin\n\ndata:end\n\ndata:a\n\n")])).await, ("(flushed)".to_owned(), Ok(()), 0));
    let bad = Err(ProviderError::Malformed { what: "bad" });
    assert_eq!(read(open(&[(0, "data:a\n\ndata:bad\n\ndata:b\n\n")])).await, ("a(flushed)".to_owned(), bad, 0));
}

#[tokio::test(start_paused = true)]
async fn an_event_beyond_the_limit_ends_an_answer_and_what_came_before_it_is_kept() {
    let too_large = |text: &str| (text.to_owned(), Err(ProviderError::EventTooLarge { limit: 100 }), 0);
    let long: &'static str = Box::leak(format!("data:a\n\ndata:{}", "x".repeat(96)).into_boxed_str());
    let pieces: &'static [(u64, &str)] = Box::leak(Box::new([(0, long)]));
    assert_eq!(read(open(pieces)).await, too_large("a(flushed)"));
}
