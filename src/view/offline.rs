//! What is shown when the server cannot be reached, by the browser's own copy: nothing in it is anybody's.

use askama::Template;

use super::Chrome;

#[derive(Clone, Debug, Template)]
#[template(path = "offline.html")]
pub struct OfflinePage<'a> {
    pub chrome: Chrome<'a>,
}
