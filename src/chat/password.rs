//! Passwords: hashed with argon2id, a few at a time, on threads that may block; the same work for names that do not exist.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::{OnceCell, Semaphore};

use super::ChatError;
use crate::domain::person::Password;
use crate::store::StoreError;

/// Hashes under way at once: each takes 19 MiB and a core for tens of milliseconds (OWASP's argon2id parameters, the crate's defaults).
const AT_ONCE: usize = 2;

#[derive(Clone)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    /// Hash of a random password, verified against when the name is unknown, so that the answer takes as long.
    decoy: Arc<OnceCell<String>>,
}

impl Passwords {
    pub(super) fn new() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), decoy: Arc::default() }
    }

    /// The PHC string of a password.
    pub async fn hash(&self, password: Password) -> Result<String, ChatError> {
        self.in_turn(move || Argon2::default().hash_password(password.as_str().as_bytes()).map(|hash| hash.to_string()))
            .await?
            .map_err(|error| broken(&error))
    }

    /// Whether a password is the one that was hashed. With no hash the answer is no, after the same work.
    pub async fn verify(&self, given: String, hash: Option<String>, decoy_seed: &str) -> Result<bool, ChatError> {
        let known = hash.is_some();
        let hash = match hash {
            Some(hash) => hash,
            None => self.decoy(decoy_seed).await?,
        };
        // Longer than any password that was ever taken: hashing it would only cost time. Not verified, and not told apart either.
        let given = if given.len() > crate::domain::person::PASSWORD_MAX { String::new() } else { given };
        let right = self
            .in_turn(move || {
                let hash = PasswordHash::new(&hash)?;
                Ok::<_, argon2::password_hash::Error>(Argon2::default().verify_password(given.as_bytes(), &hash).is_ok())
            })
            .await?
            .map_err(|error| broken(&error))?;
        Ok(right && known)
    }

    async fn decoy(&self, seed: &str) -> Result<String, ChatError> {
        self.decoy.get_or_try_init(|| async { self.hash(Password::parse(&format!("decoy {seed}"))?).await }).await.cloned()
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ChatError> {
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| StoreError::Closed)?;
        // The turn goes with the work, which goes on when whoever asked for it has hung up.
        let work = move || {
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| StoreError::Corrupt(format!("hashing a password failed: {error}")).into())
    }
}

fn broken(error: &impl std::fmt::Display) -> ChatError {
    StoreError::Corrupt(format!("a password's hash cannot be made or read: {error}")).into()
}
