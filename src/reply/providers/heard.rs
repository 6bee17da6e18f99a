//! For tests: what an answer amounts to, however it was cut into chunks.

use futures_util::StreamExt;

use crate::reply::provider::{Chunk, ChunkStream, Finish, ProviderError, Usage};

/// One answer, put together.
#[derive(Debug, Default, PartialEq)]
pub struct Heard {
    pub reasoning: String,
    pub text: String,
    pub usage: Option<Usage>,
    /// Nothing as long as the answer goes on.
    pub outcome: Option<Result<Finish, ProviderError>>,
}

impl Heard {
    /// Listens to the end.
    pub async fn all_of(mut stream: ChunkStream) -> Self {
        let mut heard = Self::default();
        while let Some(chunk) = stream.next().await {
            heard.hear([chunk]);
        }
        heard
    }

    /// Adds chunks, and checks what holds for every answer.
    pub fn hear(&mut self, chunks: impl IntoIterator<Item = Result<Chunk, ProviderError>>) {
        for chunk in chunks {
            assert_eq!(self.outcome, None, "something followed the end: {chunk:?}");
            match chunk {
                Ok(Chunk::Answer(piece) | Chunk::Reasoning(piece)) if piece.is_empty() => panic!("an empty chunk"),
                Ok(Chunk::Answer(piece)) => self.text += &piece,
                Ok(Chunk::Reasoning(piece)) => self.reasoning += &piece,
                Ok(Chunk::Usage(usage)) => assert_eq!(self.usage.replace(usage), None, "usage comes once"),
                Ok(Chunk::End(finish)) => self.outcome = Some(Ok(finish)),
                Err(error) => self.outcome = Some(Err(error)),
            }
        }
    }

    /// The error it ended with.
    #[track_caller]
    pub fn error(self) -> ProviderError {
        match self.outcome {
            Some(Err(error)) => error,
            other => panic!("expected an error, not {other:?}"),
        }
    }
}
