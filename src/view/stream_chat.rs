//! The working check of streaming: a hundred numbers, one a second, and whether they came one by one.

use askama::Template;

use super::Chrome;

#[derive(Clone, Debug, Template)]
#[template(path = "stream_chat.html")]
pub struct StreamChatPage<'a> {
    pub chrome: Chrome<'a>,
    /// How many numbers.
    pub n: u32,
    /// Time between two of them, in ms.
    pub every_ms: u32,
}

impl StreamChatPage<'_> {
    /// `second`, `2 seconds`, `100 ms`.
    fn every(&self) -> String {
        let w = self.chrome.w;
        match self.every_ms {
            ms if ms % 1000 == 0 => w.every_seconds(ms / 1000),
            ms => w.every_ms(ms),
        }
    }
}
