//! Postgres: each request runs in a task of its own, so that a client that goes away cannot leave a transaction half done. A server
//! that is gone is met again by the pool. Where the answer to a COMMIT is lost, it is not known whether it stands: the request is told
//! so, and streams whose right to go on is in doubt open again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::postgres::PgPool;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::error;

use super::{Announcer, Patience, Request, Tx};
use crate::clock::Clock;
use crate::store::{ACQUIRE, Db, StoreError};

/// Writes under way at once on Postgres: fewer than its connections, so that readers are never starved.
pub(super) const POSTGRES_WRITES: usize = 10;

pub(super) struct PostgresWriter {
    pub(super) pool: PgPool,
    /// One permit a write; closed at shutdown.
    pub(super) turns: Semaphore,
    /// Requests that were taken and are not answered: the counterpart of SQLite's queue.
    pub(super) waiting: AtomicUsize,
    pub(super) announcer: Announcer,
    pub(super) clock: Clock,
}

impl PostgresWriter {
    pub(super) async fn run(self: Arc<Self>, request: Box<dyn Request>, patience: Patience) {
        self.commit(request, patience).await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    async fn commit(&self, mut request: Box<dyn Request>, patience: Patience) {
        let turn = match patience {
            Patience::Wait => self.turns.acquire().await,
            // A server that is gone costs each turn its whole patience. Behind a thousand others that would be minutes.
            Patience::Refuse => match timeout(ACQUIRE, self.turns.acquire()).await {
                Ok(turn) => turn,
                Err(_) => return request.answer(Err(StoreError::Busy), false),
            },
        };
        let Ok(_turn) = turn else { return request.answer(Err(StoreError::Closed), false) };
        let link = match self.pool.begin().await {
            Ok(link) => link,
            Err(error) => return request.answer(Err(error.into()), false),
        };
        let mut tx = Tx { link: Db::Postgres(link), now: self.clock.now(), said: Vec::new(), news: Vec::new() };
        let stands = request.run(&mut tx).await;
        let Db::Postgres(link) = tx.link else { return request.answer(Err(StoreError::Closed), false) };
        let fate = match stands {
            true => self.announcer.commit(tx.said, link.commit()).await,
            false => link.rollback().await,
        };
        let fate = fate.map_err(|error| {
            error!(%error, "a write was not committed");
            match StoreError::from(error) {
                // The server has said no. Where it has said nothing, or only that it goes away, it may have committed before that.
                StoreError::Database(sqlx::Error::Database(error)) if error.code().is_none_or(|code| !code.starts_with("57P")) => {
                    StoreError::Undone(error.to_string().into())
                }
                StoreError::Database(error) => StoreError::Unknown(error.to_string().into()),
                error => error,
            }
        });
        // What it saw of others was committed.
        request.answer(fate, false);
    }
}
