//! Streams in this process, where a test holds the clock: signs of life, renewal, and what heals a signal that was lost.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use parlor::chat::Chat;
use parlor::chat::messages::Post;
use parlor::clock::Clock;
use parlor::domain::id::{MessageId, RoomId};
use parlor::domain::person::Person;
use parlor::live::{Feed, Follow, Hub, LocalBus, Reader, View};
use parlor::store::sessions::Session;
use parlor::store::{Announce, Store};
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::support::database::Database;
use crate::support::{On, PASSWORD, PATIENCE, on_both};

const START: i64 = 1_777_593_600_000;

/// What carries announcements to the hub, or loses them.
enum Signals {
    Arrive,
    AreLost,
}

struct House {
    chat: Chat,
    hub: Hub,
    clock: Clock,
    ada: Person,
    room: RoomId,
    database: Database,
    stop: CancellationToken,
    _folder: TempDir,
}

impl House {
    async fn new(on: On, signals: Signals) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::new(on, folder.path()).await;
        let (clock, bus) = (Clock::manual(START), Arc::new(LocalBus::default()));
        let store = Store::open(&database.url(), clock.clone(), bus.clone()).await.unwrap();
        let stop = CancellationToken::new();
        let hub = Hub::new(store.clone(), TaskTracker::new(), stop.clone());
        let listeners: Vec<Arc<dyn Announce>> = match signals {
            Signals::Arrive => vec![Arc::new(hub.clone())],
            Signals::AreLost => vec![],
        };
        bus.connect(listeners);
        let chat = Chat::new(store, 6000);
        let ada = chat.add_person("Ada", PASSWORD, true).await.unwrap();
        let room = chat.add_room(ada.id, "Kitchen", "", false).await.unwrap().id;
        let session = Session {
            id: "her session".to_owned(),
            person: Some(ada.id),
            data: "{}".to_owned(),
            address: String::new(),
            agent: String::new(),
            created_at: START,
            seen_at: START,
            expires_at: START + 365 * 24 * 60 * 60 * 1000,
        };
        chat.save_session(session).await.unwrap();
        Self { chat, hub, clock, ada, room, database, stop, _folder: folder }
    }

    fn opens(&self) -> Feed {
        let reader = Reader { person: self.ada.id, credential: "her session".to_owned() };
        Feed::open(&self.hub, reader, &[Follow::Now(self.room)], &[], View::Text).unwrap()
    }

    async fn says(&self, words: &str) {
        let post = Post { id: MessageId(self.clock.new_id()), text: words.to_owned(), reply_to: None, files: Vec::new() };
        self.chat.post(self.ada.id, self.room, post).await.unwrap();
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Reads until these words have come.
async fn hears(feed: &mut Feed, words: &str) -> String {
    let mut heard = String::new();
    while !heard.contains(words) {
        match timeout(PATIENCE, feed.next()).await {
            Ok(Some(bytes)) => heard.push_str(std::str::from_utf8(&bytes).unwrap()),
            Ok(None) => panic!("the stream ended before {words:?}: {heard}"),
            Err(_) => panic!("{words:?} never came: {heard}"),
        }
    }
    heard
}

on_both! {
    async fn silence_is_broken_by_a_heartbeat(on: On) {
        let house = House::new(on, Signals::Arrive).await;
        let mut feed = house.opens();
        hears(&mut feed, "event: caught-up").await;
        house.clock.advance(Duration::from_secs(14));
        house.says("not silent").await;
        assert!(!hears(&mut feed, "not silent").await.contains("heartbeat"));
        // 15 s from the last frame, and not from the last heartbeat.
        house.clock.advance(Duration::from_secs(14));
        assert!(futures_util::poll!(feed.next()).is_pending());
        house.clock.advance(Duration::from_secs(1));
        assert_eq!(hears(&mut feed, "heartbeat").await, "event: heartbeat\ndata: {}\n\n");
        assert!(futures_util::poll!(feed.next()).is_pending(), "one is enough");
        house.clock.advance(Duration::from_secs(15));
        hears(&mut feed, "heartbeat").await;
    }

    async fn a_stream_is_renewed_after_some_hours(on: On) {
        let house = House::new(on, Signals::Arrive).await;
        let mut feed = house.opens();
        hears(&mut feed, "event: caught-up").await;
        house.clock.advance(Duration::from_secs(3 * 60 * 60));
        hears(&mut feed, "heartbeat").await;
        house.clock.advance(Duration::from_secs(2 * 60 * 60));
        let last = hears(&mut feed, "event: bye").await;
        assert!(last.ends_with("event: bye\ndata: {\"why\":\"renew\"}\n\n"), "{last}");
        assert!(timeout(PATIENCE, feed.next()).await.unwrap().is_none());
        assert_eq!(house.hub.count(), 1);
        drop(feed);
        assert_eq!(house.hub.count(), 0, "a stream that is gone is forgotten");
    }

    async fn a_lost_wake_up_heals_by_itself(on: On) {
        let house = House::new(on, Signals::AreLost).await;
        let mut feed = house.opens();
        hears(&mut feed, "event: caught-up").await;
        house.says("nobody told the hub").await;
        hears(&mut feed, "nobody told the hub").await;
        house.says("and again").await;
        hears(&mut feed, "and again").await;
    }

    async fn a_lost_revocation_is_noticed(on: On) {
        let house = House::new(on, Signals::AreLost).await;
        let mut feed = house.opens();
        hears(&mut feed, "event: caught-up").await;
        house.database.execute("DELETE FROM sessions").await;
        let last = hears(&mut feed, "event: bye").await;
        assert!(last.contains("{\"why\":\"expired\"}"), "{last}");
    }

    async fn more_frames_than_the_ring_holds_are_read_from_rows(on: On) {
        let house = House::new(on, Signals::Arrive).await;
        let mut feed = house.opens();
        hears(&mut feed, "event: caught-up").await;
        // Nobody reads while the ring turns over: a room's ring holds a megabyte.
        let long = "x".repeat(30_000);
        for n in 0..30 {
            house.says(&format!("{long} number {n}.")).await;
        }
        let heard = hears(&mut feed, "number 29.").await;
        for n in 0..30 {
            assert_eq!(heard.matches(&format!("number {n}.")).count(), 1, "each once: {n}");
        }
    }
}
