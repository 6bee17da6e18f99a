//! Secrets that are given out once: session cookies, bearer tokens, invitation links. The database keeps fingerprints.

use sha2::{Digest, Sha256};

/// The fingerprint of a secret of at least 128 random bits: SHA-256 in hex. No salt and no slowness are needed, since such
/// a secret cannot be guessed; passwords are another matter (`chat::password`).
pub fn fingerprint(secret: &str) -> String {
    Sha256::digest(secret).iter().map(|byte| format!("{byte:02x}")).collect()
}
