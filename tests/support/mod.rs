//! A running Parlor, and people who use it: what the integration tests and the browser tests have in common.
//!
//! ```text
//! let server = Server::start(on).await;
//! let ada = server.first("Ada").await;                  // through the set-up page
//! let bob = server.person("Bob").await;                 // through an invitation
//! let room = ada.makes_room("Kitchen").await;
//! bob.joins(&room).await;
//! let mut tab = bob.live(&room).await;                  // a page's rows, then its stream
//! ada.says(&room, "Hello").await;
//! tab.sees("Hello").await;
//! ```
//!
//! Everything is the real binary as a process of its own, on a folder of its own, on a free port of the loopback interface. Tests wait for
//! facts, never for time; each wait ends after [`PATIENCE`] with a description of what was there instead. What a test starts ends with it,
//! by process id, and a failed test prints its server's log.

#![allow(dead_code, reason = "each of the test programs uses its own part of this")]

pub mod database;
pub mod person;
pub mod proxy;
pub mod server;
pub mod stream;

use std::time::Duration;

use tokio::time::{Instant, sleep};

#[allow(unused_imports, reason = "each of the test programs uses its own part of this")]
pub use self::{
    database::On,
    person::{Page, Person},
    server::{Done, Options, Server},
    stream::{Frame, Refused, Row, Stream},
};

/// How long a test waits for a fact. Far more than anything takes: a test that comes this far has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The password of everybody here.
pub const PASSWORD: &str = "four small blue words";

/// Turns one test into two: on SQLite and on Postgres.
///
/// ```text
/// on_both! {
///     async fn a_post_is_seen(on: On) { … }
/// }
/// ```
#[allow(unused_macros, reason = "each of the test programs uses its own part of this")]
macro_rules! on_both {
    ($($(#[$doc:meta])* async fn $name:ident($on:ident: $ty:ty) $body:block)*) => {$(
        $(#[$doc])*
        async fn $name($on: $ty) $body

        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$name($crate::support::On::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$name($crate::support::On::Postgres).await;
            }
        }
    )*};
}

#[allow(unused_imports, reason = "each of the test programs uses its own part of this")]
pub(crate) use on_both;

/// Asks again and again until there is an answer: for facts that nothing announces (a process that ends, a file that appears).
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < until, "in vain: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// A new id as a client makes it: a UUID of version 7.
pub fn new_id() -> String {
    parlor::clock::Clock::system().new_id().to_string()
}

/// A server with Ada, who made it, and Bob, in one room.
pub async fn kitchen(on: On) -> (Server, Person, Person, String) {
    let server = Server::start(on).await;
    let (ada, bob, room) = kitchen_of(&server).await;
    (server, ada, bob, room)
}

/// The same with an assistant that always answers.
pub async fn kitchen_that_answers(on: On, options: Options) -> (Server, Person, Person, String) {
    let server = Server::with(on, options).await;
    let (ada, bob, room) = kitchen_of(&server).await;
    server.assistant("Echo", &room, "always").await;
    (server, ada, bob, room)
}

/// Ada, the first of a server, and Bob, in one room of it.
pub async fn kitchen_of(server: &Server) -> (Person, Person, String) {
    let ada = server.first("Ada").await;
    let bob = server.person("Bob").await;
    let room = ada.makes_room("Kitchen").await;
    bob.joins(&room).await;
    (ada, bob, room)
}

/// A question that a scripted assistant answers as these steps say.
pub fn script(steps: &[&str]) -> String {
    format!("Please:\n\n```script\n{}\n```", steps.join("\n"))
}

/// Text as a form's field or a query's value carries it.
pub fn encoded(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}
