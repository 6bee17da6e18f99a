//! A test's hold on a scripted provider in the same process.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, watch};

use crate::reply::provider::Prompt;

/// Lets pieces of text through one by one, and tells what goes on behind it. All clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// A permit is a piece of text. Closed means that the gate stands open.
    permits: Semaphore,
    running: watch::Sender<usize>,
    prompts: Mutex<Vec<Prompt>>,
}

/// One answer that is being played; it stops when this is dropped.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
}

impl Default for Gate {
    fn default() -> Self {
        let (running, _) = watch::channel(0);
        Self { shared: Arc::new(Shared { permits: Semaphore::new(0), running, prompts: Mutex::default() }) }
    }
}

impl Gate {
    /// Lets one more piece of text through, now or when the answer comes to it.
    pub fn pull(&self) {
        self.shared.permits.add_permits(1);
    }

    /// Lets everything through from now on.
    pub fn open(&self) {
        self.shared.permits.close();
    }

    /// Every prompt so far, oldest first.
    pub fn prompts(&self) -> Vec<Prompt> {
        self.shared.prompts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns as soon as exactly `count` answers are being played: 0 when all of them ended or were dropped.
    pub async fn running(&self, count: usize) {
        let mut running = self.shared.running.subscribe();
        // The sender lives as long as this gate, so waiting cannot fail.
        let _ = running.wait_for(|&now| now == count).await;
    }

    pub(super) fn enter(&self, prompt: &Prompt) -> Running {
        self.shared.prompts.lock().unwrap_or_else(PoisonError::into_inner).push(prompt.clone());
        self.shared.running.send_modify(|running| *running += 1);
        Running { shared: self.shared.clone() }
    }

    pub(super) async fn wait(&self) {
        if let Ok(permit) = self.shared.permits.acquire().await {
            permit.forget();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.running.send_modify(|running| *running -= 1);
    }
}
