//! A reply watched as it is written, without script: the frame around a text that goes on coming.

use askama::Template;

use super::Chrome;
use crate::domain::message::Message;

#[derive(Clone, Debug, Template)]
#[template(path = "watch.html")]
pub struct WatchPage<'a> {
    pub chrome: Chrome<'a>,
    pub message: &'a Message,
}

impl WatchPage<'_> {
    /// Where in the page the text goes: what stands before it is sent at once, what stands behind it at the end.
    pub const HERE: &'static str = "<!--here-->";
}
