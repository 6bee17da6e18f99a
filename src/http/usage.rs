//! How much is said and what it takes, for who reads it: their rooms, or, for an administrator, all.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::Site;
use super::error::Answer;
use super::extract::{Asked, SignedIn};
use super::page::{Around, show};
use crate::view::UsagePage;
use crate::view::usage::SPANS;

/// What is shown where nothing is chosen.
const DAYS: usize = SPANS[1];

#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    days: Option<String>,
    of: Option<String>,
}

/// `GET /usage`, of 7, 30 or 90 `days`; `of=all` for all rooms.
pub async fn page(State(site): State<Site>, SignedIn(caller): SignedIn, Asked(wanted): Asked<Wanted>) -> Answer<Response> {
    let asked = wanted.days.and_then(|days| days.parse().ok());
    let days = asked.filter(|days| SPANS.contains(days)).unwrap_or(DAYS);
    let all = wanted.of.as_deref() == Some("all");
    let usage = site.chat.usage(&caller.person, all, days).await?;
    let around = Around::read(&site, &caller).await?;
    show(&UsagePage::new(around.chrome(None), &usage, all))
}
