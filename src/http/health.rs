//! Whether the server lives, and whether it can be sent work: for whoever watches over it.

use axum::extract::State;

use super::Site;
use super::error::{Answer, Trouble};

/// The process answers.
pub async fn alive() -> &'static str {
    "ok\n"
}

/// The database answers, and the server is not on its way out.
pub async fn ready(State(site): State<Site>) -> Answer<&'static str> {
    if site.stopping.is_cancelled() {
        return Err(Trouble::shutting_down());
    }
    site.chat.store().ping().await?;
    Ok("ready\n")
}
