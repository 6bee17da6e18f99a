//! What is committed reaches who listens: within this process by plain calls, in the order of commits.

use std::sync::{Arc, OnceLock};

use crate::store::{Announce, Announcement};

/// Carries announcements from the writer to the hub and the engine. It exists before them, because they need the store and the store
/// needs it; what is announced before [`LocalBus::connect`] is heard by nobody, which is as it should be: nobody listens yet.
#[derive(Default)]
pub struct LocalBus {
    listeners: OnceLock<Vec<Arc<dyn Announce>>>,
}

impl LocalBus {
    /// Says who listens, once. A second call changes nothing.
    pub fn connect(&self, listeners: Vec<Arc<dyn Announce>>) {
        let _ = self.listeners.set(listeners);
    }
}

impl Announce for LocalBus {
    fn announce(&self, batch: Vec<Announcement>) {
        for listener in self.listeners.get().into_iter().flatten() {
            listener.announce(batch.clone());
        }
    }
}
