//! A server of one test, and its people with a browser each.

use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::timeout;

use crate::cable::Cable;
use crate::driver::{Browser, Kind};
use crate::support::{On, Person, Server};
use crate::tab::Tab;

/// One test in all: more means that something hangs.
const WHOLE_TEST: Duration = Duration::from_secs(240);

pub use crate::support::{PASSWORD, script};

/// What a test plays on: the server, and all browsers that were opened. The cables are kept until those have ended: a window of a test may be gone
/// while its browser still fetches something, such as the icon of the page that it shows last.
pub struct Stage {
    server: Server,
    browsers: Mutex<Vec<Arc<Browser>>>,
    cables: Mutex<Vec<Arc<Cable>>>,
}

/// A room of Ada's.
#[derive(Clone, Debug)]
pub struct Room {
    pub id: String,
}

/// Plays a test: a server of its own, and at the end no browser may have anything to complain about.
pub async fn play(test: impl AsyncFnOnce(&Stage)) {
    let stage = Stage { server: Server::start(On::Sqlite).await, browsers: Mutex::default(), cables: Mutex::default() };
    timeout(WHOLE_TEST, test(&stage)).await.expect("the test ends in time");
    let browsers = stage.browsers.lock().unwrap().clone();
    let mut complaints = Vec::new();
    for browser in &browsers {
        complaints.extend(browser.complaints().await.into_iter().map(|line| format!("{}'s browser: {line}", browser.name)));
        browser.close().await;
    }
    assert!(complaints.is_empty(), "{complaints:#?}");
}

impl Deref for Stage {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl Stage {
    /// A room of Ada's in which no assistant is.
    pub async fn room(&self, ada: &Person, name: &str) -> Room {
        Room { id: ada.makes_room(name).await }
    }

    /// A room in which the scripted assistant answers everything.
    pub async fn room_with_echo(&self, ada: &Person, name: &str) -> Room {
        let room = self.room(ada, name).await;
        self.assistant("echo", &room.id, "always").await;
        room
    }

    // ---- browsers

    /// A fresh browser of somebody, with one empty window.
    pub async fn browser(&self, name: &str) -> Tab {
        self.browser_of(name, Kind::default()).await
    }

    pub async fn browser_without_script(&self, name: &str) -> Tab {
        self.browser_of(name, Kind { without_script: true, ..Kind::default() }).await
    }

    /// One that shows a page before it has ended.
    pub async fn impatient_browser_without_script(&self, name: &str) -> Tab {
        self.browser_of(name, Kind { without_script: true, impatient: true }).await
    }

    async fn browser_of(&self, name: &str, kind: Kind) -> Tab {
        let browser = Arc::new(Browser::start(name, kind).await);
        self.browsers.lock().unwrap().push(browser.clone());
        Tab { window: browser.first_window(), browser, origin: self.url.clone(), cable: None }
    }

    /// A browser that shows a room to somebody, over a network that can be lost.
    pub async fn in_room_by_cable(&self, name: &str, room: &Room) -> Tab {
        let cable = Arc::new(Cable::to(&self.url).await);
        self.cables.lock().unwrap().push(cable.clone());
        let tab = self.browser(name).await;
        let tab = Tab { origin: cable.origin.clone(), cable: Some(cable), ..tab };
        tab.signs_in(name, PASSWORD).await;
        tab.opens(&room.id).await;
        tab
    }

    /// Another window of the same browser: the same person, signed in.
    pub async fn another_tab(&self, tab: &Tab) -> Tab {
        Tab { window: tab.browser.new_window().await, ..tab.clone() }
    }

    /// A browser in which somebody has signed in.
    pub async fn signed_in(&self, name: &str) -> Tab {
        let tab = self.browser(name).await;
        tab.signs_in(name, PASSWORD).await;
        tab
    }

    /// Ada and Bob, who has joined her room, each with a browser that shows it.
    pub async fn both_in(&self, room: &Room) -> (Tab, Tab) {
        let bob = self.person("Bob").await;
        bob.joins(&room.id).await;
        tokio::join!(self.in_room("Ada", room), self.in_room("Bob", room))
    }

    /// A browser that shows a room to somebody.
    pub async fn in_room(&self, name: &str, room: &Room) -> Tab {
        let tab = self.signed_in(name).await;
        tab.opens(&room.id).await;
        tab
    }
}

impl Tab {
    pub async fn signs_in(&self, name: &str, password: &str) {
        self.goes("/sign-in").await;
        self.fills("Name", name).await;
        self.fills("Password", password).await;
        self.clicks("Sign in").await;
        self.waits("the sign-in is done", "location.pathname.startsWith('/rooms')", &[]).await;
    }
}
