//! Time, ids and randomness come from here and nowhere else, so that tests can hold them in their hands.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use uuid::{NoContext, Timestamp, Uuid};

use crate::domain::Millis;

/// Where the house gets the time of day and new ids from.
#[derive(Clone)]
pub struct Clock(Arc<Source>);

enum Source {
    System,
    Manual(AtomicI64),
}

impl Clock {
    pub fn system() -> Self {
        Self(Arc::new(Source::System))
    }

    /// A clock that stands still until a test moves it with [`Clock::advance`].
    pub fn manual(now: Millis) -> Self {
        Self(Arc::new(Source::Manual(AtomicI64::new(now))))
    }

    /// Moves a manual clock on. The system's clock goes by itself.
    pub fn advance(&self, by: Duration) {
        match &*self.0 {
            Source::System => {}
            Source::Manual(now) => {
                now.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
            }
        }
    }

    pub fn now(&self) -> Millis {
        match &*self.0 {
            Source::System => system_now(),
            Source::Manual(now) => now.load(Ordering::SeqCst),
        }
    }

    /// A new UUID of version 7: its leading 48 bits are the time, the rest is random.
    pub fn new_id(&self) -> Uuid {
        let now = self.now().max(0) as u64;
        Uuid::new_v7(Timestamp::from_unix(NoContext, now / 1000, (now % 1000) as u32 * 1_000_000))
    }

    /// Random bytes from the operating system, fit for secrets.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        // The one failure that nothing can continue from: without randomness there are no secrets.
        getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
        bytes
    }

    /// A number drawn evenly from `low..high` (`low` if that is empty): for spreading things in time.
    pub fn draw(&self, low: u64, high: u64) -> u64 {
        low + u64::from_le_bytes(self.random()) % high.saturating_sub(low).max(1)
    }

    /// A new secret for a link or a token: 256 random bits as 43 characters that need no escaping in an address.
    pub fn new_secret(&self) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(self.random::<32>())
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn system_now() -> Millis {
    // Before 1970 only on a machine whose clock was never set: then the epoch is as good as any time.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
