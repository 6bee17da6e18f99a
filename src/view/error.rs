//! The page for what went wrong: what happened, what to do next, and the text that was typed.

use askama::Template;

use super::Chrome;

#[derive(Clone, Debug, Template)]
#[template(path = "error.html")]
pub struct ErrorPage<'a> {
    pub chrome: Chrome<'a>,
    /// The HTTP status, shown small.
    pub status: u16,
    /// What happened, in a few words: “There is no such room”.
    pub title: &'a str,
    /// What it may mean and what to do.
    pub text: &'a str,
    /// Where to go from here, the best first.
    pub ways_out: &'a [WayOut<'a>],
    /// What the reader had typed, kept for copying.
    pub typed: Option<&'a str>,
    /// The request's number in the log.
    pub request_id: Option<&'a str>,
}

/// A link out of an error.
#[derive(Clone, Copy, Debug)]
pub struct WayOut<'a> {
    pub href: &'a str,
    pub label: &'a str,
}
