//! Between the commit of a revocation and the moment when the hub has heard of it, nobody reads rows for streams: else a stream would
//! show what was committed with the revocation, or after it.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures_util::StreamExt;
use parlor::chat::Chat;
use parlor::clock::Clock;
use parlor::live::{Feed, Follow, Hub, Reader, View};
use parlor::store::{Announce, Announcement, Store};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::support::database::Database;
use crate::support::{On, PASSWORD, PATIENCE, on_both};

/// Longer than the hub takes to compare the rooms' heads with the database.
const HEALS: Duration = Duration::from_millis(3500);

/// Keeps a revocation to itself until it is let go on.
struct Slow {
    hub: OnceLock<Hub>,
    committed: Sender<()>,
    go_on: Mutex<Receiver<()>>,
}

impl Announce for Slow {
    fn announce(&self, batch: Vec<Announcement>) {
        if batch.iter().any(|what| matches!(what, Announcement::Revoked(_))) {
            self.committed.send(()).unwrap();
            // The runtime goes on without this thread.
            tokio::task::block_in_place(|| self.go_on.lock().unwrap().recv()).unwrap();
        }
        if let Some(hub) = self.hub.get() {
            hub.announce(batch);
        }
    }
}

on_both! {
    async fn nothing_is_read_between_a_revocation_and_word_of_it(on: On) {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::new(on, folder.path()).await;
        let (committed, is_committed) = channel();
        let (let_go, go_on) = channel();
        let slow = Arc::new(Slow { hub: OnceLock::new(), committed, go_on: Mutex::new(go_on) });
        let store = Store::open(&database.url(), Clock::system(), slow.clone()).await.unwrap();
        let stop = CancellationToken::new();
        let hub = Hub::new(store.clone(), TaskTracker::new(), stop.clone());
        slow.hub.set(hub.clone()).ok().unwrap();
        let chat = Chat::new(store, 6000);
        let ada = chat.add_person("Ada", PASSWORD, true).await.unwrap();
        let bob = chat.add_person("Bob", PASSWORD, false).await.unwrap();
        let room = chat.add_room(ada.id, "Kitchen", "", false).await.unwrap().id;
        chat.join(bob.id, room).await.unwrap();
        let (token, _) = chat.add_token(bob.id).await.unwrap();
        let mut feed = Feed::open(&hub, Reader { person: bob.id, credential: token.to_string() }, &[Follow::Now(room)], &[], View::Text).unwrap();
        let mut heard = String::new();
        while !heard.contains("event: caught-up") {
            let piece = timeout(PATIENCE, feed.next()).await.unwrap().unwrap();
            heard.push_str(std::str::from_utf8(&piece).unwrap());
        }

        let removal = { let chat = chat.clone(); tokio::spawn(async move { chat.remove_member(ada.id, room, bob.id).await }) };
        tokio::task::spawn_blocking(move || is_committed.recv_timeout(PATIENCE)).await.unwrap().unwrap();
        // The change is in the database, and nobody has told the hub. It looks for itself, and has to wait.
        let early = timeout(HEALS, feed.next()).await;
        assert!(early.is_err(), "something was said before the revocation was: {early:?}");
        let_go.send(()).unwrap();
        let last = timeout(PATIENCE, feed.next()).await.unwrap().unwrap();
        assert_eq!(&last[..], format!("event: bye\ndata: {{\"why\":\"revoked\",\"room\":\"{room}\"}}\n\n").as_bytes());
        assert!(timeout(PATIENCE, feed.next()).await.unwrap().is_none());
        removal.await.unwrap().unwrap();
        stop.cancel();
    }
}
