//! What holds for every provider alike: how much, how long, that an answer has an end, and that its text can be stored.
//!
//! Limits on single events and on silence need to see bytes, so they are kept where bytes are read.

use std::pin::pin;

use async_stream::stream;
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout_at};

use crate::reply::provider::{Chunk, ChunkStream, Limits, ProviderError};

/// Passes chunks on until the first end or error, and ends the answer itself when a limit is met. Time runs from the first poll.
pub fn bounded(limits: Limits, chunks: impl Stream<Item = Result<Chunk, ProviderError>> + Send + 'static) -> ChunkStream {
    Box::pin(stream! {
        let deadline = Instant::now() + limits.total;
        let mut chunks = pin!(chunks);
        let mut reply_bytes = 0;
        loop {
            let chunk = match timeout_at(deadline, chunks.next()).await {
                Ok(Some(Ok(chunk))) => without_nul(chunk),
                Ok(Some(Err(error))) => {
                    yield Err(error);
                    return;
                }
                Ok(None) => {
                    yield Err(ProviderError::CutOff { after_text: reply_bytes > 0 });
                    return;
                }
                Err(_elapsed) => {
                    yield Err(ProviderError::TookTooLong { limit: limits.total });
                    return;
                }
            };
            reply_bytes += match &chunk {
                Chunk::Answer(text) | Chunk::Reasoning(text) => text.len(),
                Chunk::Usage(_) | Chunk::End(_) => 0,
            };
            if reply_bytes > limits.reply_bytes {
                yield Err(ProviderError::ReplyTooLarge { limit: limits.reply_bytes });
                return;
            }
            let is_end = matches!(chunk, Chunk::End(_));
            yield Ok(chunk);
            if is_end {
                return;
            }
        }
    })
}

/// Replaces NUL characters, which Postgres does not take as text and which mean nothing to a reader.
fn without_nul(chunk: Chunk) -> Chunk {
    match chunk {
        Chunk::Answer(text) if text.contains('\0') => Chunk::Answer(text.replace('\0', "\u{fffd}")),
        Chunk::Reasoning(text) if text.contains('\0') => Chunk::Reasoning(text.replace('\0', "\u{fffd}")),
        chunk => chunk,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::{StreamExt, stream};

    use super::{Chunk, Instant, Limits, ProviderError, bounded};
    use crate::reply::provider::Finish;

    fn say(text: &str) -> Result<Chunk, ProviderError> {
        Ok(Chunk::Answer(text.to_owned()))
    }

    const END: Result<Chunk, ProviderError> = Ok(Chunk::End(Finish::Stop));

    #[tokio::test]
    async fn answer_and_reasoning_together_are_bounded() {
        let limits = Limits { reply_bytes: 10, ..Limits::default() };
        let reason = || Ok(Chunk::Reasoning("12345".to_owned()));
        let fits: Vec<_> = bounded(limits, stream::iter([reason(), say("12345"), END])).collect().await;
        assert_eq!(fits, [reason(), say("12345"), END]);
        let too_large: Vec<_> = bounded(limits, stream::iter([reason(), say("12345"), say("6"), END])).collect().await;
        assert_eq!(too_large, [reason(), say("12345"), Err(ProviderError::ReplyTooLarge { limit: 10 })]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_keeps_coming_is_ended_in_time() {
        let limits = Limits { total: Duration::from_secs(600), ..Limits::default() };
        let started = Instant::now();
        let drip = stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_secs(59)).await;
            Some((say("x"), ()))
        });
        let chunks: Vec<_> = bounded(limits, drip).collect().await;
        assert_eq!(chunks.len(), 11);
        assert_eq!(chunks.last(), Some(&Err(ProviderError::TookTooLong { limit: limits.total })));
        assert_eq!(started.elapsed(), limits.total);
    }

    #[tokio::test]
    async fn text_holds_no_nul_characters() {
        let chunks: Vec<_> = bounded(Limits::default(), stream::iter([say("a\0b"), END])).collect().await;
        assert_eq!(chunks, [say("a\u{fffd}b"), END]);
    }

    #[tokio::test]
    async fn nothing_follows_an_end_or_an_error_and_running_dry_is_an_error() {
        let error = || Err(ProviderError::CutOff { after_text: true });
        for (given, expected) in [
            (vec![say("a"), END, say("b"), END], vec![say("a"), END]),
            (vec![say("a"), error(), say("b"), END], vec![say("a"), error()]),
            (vec![say("a")], vec![say("a"), error()]),
            (vec![], vec![Err(ProviderError::CutOff { after_text: false })]),
        ] {
            assert_eq!(bounded(Limits::default(), stream::iter(given)).collect::<Vec<_>>().await, expected);
        }
    }
}
