//! What the wire carries to who has lost access: raw bytes of a raw socket, in which nothing may stand that was committed after. A guard
//! who keeps access hears everything, so what the other does not hear was there to be heard.
//!
//! Words carry their number, so that they are found in bytes whatever is around them.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::support::person::text;
use crate::support::{On, Options, PASSWORD, PATIENCE, Person, Server, Stream, encoded, on_both};

/// Posts of one round, of which the revocation lands among those in the middle.
const POSTS: usize = 12;
/// Rounds where each costs no password; those that do are fewer, because one address may try only so often.
const ROUNDS: usize = 20;
const ROUNDS_TWO: usize = 15;
const ROUNDS_THREE: usize = 11;

/// A stream of which every byte is kept.
struct Raw {
    socket: TcpStream,
    bytes: Vec<u8>,
}

/// The header by which somebody is known.
fn known_by(person: &Person) -> String {
    let cookies: Vec<String> = person.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("Cookie: {}", cookies.join("; "))
}

impl Raw {
    async fn open(server: &Server, who: &str, path: &str) -> Self {
        Self::with_buffer(server, who, path, None).await
    }

    /// With a receive buffer of about so many bytes: what a reader that stops can still be sent.
    async fn with_buffer(server: &Server, who: &str, path: &str, buffer: Option<u32>) -> Self {
        let host = server.url.trim_start_matches("http://");
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = buffer {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let mut socket = socket.connect(host.parse().unwrap()).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{who}\r\nAccept: text/event-stream\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        Self { socket, bytes: Vec::new() }
    }

    /// Reads a piece. False at the end.
    async fn more(&mut self) -> bool {
        let mut piece = vec![0; 64 * 1024];
        let read = timeout(PATIENCE, self.socket.read(&mut piece)).await.expect("the server says something or ends").unwrap();
        self.bytes.extend_from_slice(&piece[..read]);
        read > 0
    }

    async fn until(&mut self, words: &str) {
        while !self.has(words) {
            assert!(self.more().await, "the stream ended before {words:?}: {}", self.tail());
        }
    }

    async fn reads_on(&mut self) {
        while self.more().await {}
    }

    fn has(&self, words: &str) -> bool {
        self.bytes.windows(words.len()).any(|window| window == words.as_bytes())
    }

    fn tail(&self) -> String {
        String::from_utf8_lossy(&self.bytes[self.bytes.len().saturating_sub(600)..]).into_owned()
    }

    /// The last frame of the body, whatever the connection puts around it.
    fn ends_with(&self, frame: &str) -> bool {
        let text = String::from_utf8_lossy(&self.bytes).replace("\r\n0\r\n\r\n", "");
        text.trim_end_matches("\r\n").ends_with(frame)
    }
}

/// The status that a request for a stream is answered with.
async fn status(server: &Server, who: &str, path: &str) -> u16 {
    let mut raw = Raw::open(server, who, path).await;
    raw.until("\r\n\r\n").await;
    String::from_utf8_lossy(&raw.bytes).split(' ').nth(1).unwrap().parse().unwrap()
}

const SIGNED_OUT: &str = "event: bye\ndata: {\"why\":\"signed-out\"}\n\n";

fn revoked(room: &str) -> String {
    format!("event: bye\ndata: {{\"why\":\"revoked\",\"room\":\"{room}\"}}\n\n")
}

/// A house with a kitchen and a hall, and Carol, who hears everything in both.
struct Scene {
    server: Server,
    ada: Person,
    kitchen: String,
    hall: String,
}

impl Scene {
    async fn new(on: On) -> Self {
        let server = Server::with(on, Options { posts_per_minute: Some(60_000), ..Options::default() }).await;
        let ada = server.first("Ada").await;
        let (kitchen, hall) = (ada.makes_room("Kitchen").await, ada.makes_room("Hall").await);
        Self { server, ada, kitchen, hall }
    }

    async fn posts(&self, words: &str) -> i64 {
        let posted = self.ada.tries_to_post(&self.kitchen, json!({ "text": words })).await.ok();
        posted["seq"].as_i64().unwrap()
    }

    /// One round: somebody's streams, of one room and of two, are open while Ada posts, and in the middle of it `revoke` happens.
    /// `rooms_alone` says that only the kitchen is lost, and not the reader's right to be here.
    async fn round(&self, round: usize, who: &str, rooms_alone: bool, revoke: impl Future<Output = ()>) {
        let (server, kitchen, hall) = (&self.server, &self.kitchen, &self.hall);
        let one = format!("/rooms/{kitchen}/live");
        let at = [self.ada.cursor(kitchen).await, self.ada.cursor(hall).await];
        let two = format!("/live?{}", encoded(&[("at", &at[0]), ("at", &at[1])]));
        let mut guard = self.ada.live(kitchen).await;
        let (mut alone, mut both) = tokio::join!(Raw::open(server, who, &one), Raw::open(server, who, &two));
        alone.until("event: caught-up").await;
        both.until(&format!("\"room\":\"{kitchen}\",\"seq\"")).await;
        both.until(&format!("\"room\":\"{hall}\",\"seq\"")).await;

        let word = |n: usize| format!("word-{round}-{n}-");
        // Each post with its place, and whether it was begun after the revocation was answered.
        let done = std::sync::atomic::AtomicBool::new(false);
        let posts = async {
            let mut posts = Vec::new();
            let mut after = 0;
            while after < 3 {
                let late = done.load(std::sync::atomic::Ordering::SeqCst);
                after += usize::from(late);
                let words = word(posts.len());
                let seq = self.posts(&words).await;
                posts.push((words, seq, late));
                assert!(posts.len() < 100 * POSTS, "the revocation does not end");
            }
            posts
        };
        let revocation = async {
            // At another moment each time.
            guard.sees(&word(2 + round % (POSTS - 6))).await;
            revoke.await;
            done.store(true, std::sync::atomic::Ordering::SeqCst);
        };
        let (posts, ()) = tokio::join!(posts, revocation);
        guard.sees(&posts.last().unwrap().0).await;

        alone.reads_on().await;
        let bye = if rooms_alone { revoked(kitchen) } else { SIGNED_OUT.to_owned() };
        assert!(alone.ends_with(&bye), "{}", alone.tail());
        if rooms_alone {
            both.until(&bye).await;
            let words = format!("the hall goes on {round}");
            self.ada.says(hall, &words).await;
            both.until(&words).await;
        } else {
            both.reads_on().await;
            assert!(both.ends_with(&bye), "{}", both.tail());
        }
        // A member's removal is a change of the room, with a number of its own. Signing out is none: there it is the answer that counts.
        let removed_at = match rooms_alone {
            true => guard.rooms[kitchen]["rev"].as_i64().unwrap(),
            false => i64::MAX,
        };
        assert!(posts.iter().any(|(words, ..)| alone.has(words)), "it heard what came before");
        for (words, seq, late) in &posts {
            assert!(guard.heard(words));
            for raw in [&alone, &both] {
                assert!(
                    !raw.has(words) || (*seq < removed_at && !late),
                    "{words} at {seq} came after the revocation at {removed_at}: {}",
                    raw.tail()
                );
            }
        }
        // What was heard has no holes: it is cut off, and that is all.
        for raw in [&alone, &both] {
            let heard = posts.iter().take_while(|(words, ..)| raw.has(words)).count();
            assert!(posts[heard..].iter().all(|(words, ..)| !raw.has(words)), "it heard something after something that it did not hear");
        }
        let refused = if rooms_alone { 404 } else { 401 };
        assert_eq!(status(server, who, &one).await, refused);
        let two = status(server, who, &two).await;
        assert_eq!(two, if rooms_alone { 200 } else { 401 });
    }

    /// What the kernel holds of what the server has handed it for this reader, in bytes.
    fn on_the_way(raw: &Raw) -> i64 {
        let port = |address: std::net::SocketAddr| format!(":{:04X}", address.port());
        let (ours, theirs) = (port(raw.socket.local_addr().unwrap()), port(raw.socket.peer_addr().unwrap()));
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let row = rows.find(|row| {
            row.get(1).is_some_and(|local| local.ends_with(&theirs)) && row.get(2).is_some_and(|remote| remote.ends_with(&ours))
        });
        row.and_then(|row| i64::from_str_radix(row[4].split(':').next()?, 16).ok()).unwrap_or(0)
    }

    /// Posts until the kernel takes nothing more for a reader that does not read; gives what was said last, which waits in the server.
    async fn fill(&self, raw: &Raw, guard: &mut Stream, bytes: usize) -> String {
        let long = "x".repeat(bytes);
        let (mut last, mut still) = (0, 0);
        for n in 0..400 {
            let words = format!("before-{n}-");
            self.posts(&format!("{words} {long}")).await;
            guard.sees(&words).await;
            // Full is what does not grow any more.
            let now = Self::on_the_way(raw);
            still = if now == last && now > 16 * 1024 { still + 1 } else { 0 };
            last = now;
            if still == 8 {
                return words;
            }
        }
        panic!("the socket takes everything");
    }

    /// A reader that does not read, while it loses access. With big posts, of `bytes` each, what waits for it is soon no longer in the
    /// room's ring, and it would be read from rows; with small ones it is.
    async fn stuck(&self, who: &str, path: &str, bytes: usize, bye: &str, revoke: impl Future<Output = ()>) -> Raw {
        let mut raw = Raw::with_buffer(&self.server, who, path, Some(8 * 1024)).await;
        raw.until(&format!("\"room\":\"{}\",\"seq\"", self.kitchen)).await;
        let mut guard = self.ada.live(&self.kitchen).await;
        let last = self.fill(&raw, &mut guard, bytes).await;
        revoke.await;
        let late: Vec<String> = (0..5).map(|n| format!("after-{n}-")).collect();
        join_all(late.iter().map(|words| self.posts(words))).await;
        for words in &late {
            guard.sees(words).await;
        }
        raw.until(bye).await;
        assert!(raw.has("before-0-"), "it had something in its socket");
        assert!(!raw.has(&last), "what waited is dropped, not drained");
        for words in &late {
            assert!(!raw.has(words), "{words} was committed after the revocation: {}", raw.tail());
        }
        raw
    }
}

/// Sizes of posts of which a ring holds two or three, and dozens.
const BIG: usize = 60_000;
const SMALL: usize = 3_000;

/// Somebody of their own for each round, who is a member of both rooms.
async fn somebody(scene: &Scene, round: usize) -> Person {
    let person = scene.server.person(&format!("Person {round}")).await;
    person.joins(&scene.kitchen).await;
    person.joins(&scene.hall).await;
    person
}

on_both! {
    async fn who_is_removed_hears_nothing_committed_after(on: On) {
        let scene = Scene::new(on).await;
        let bob = somebody(&scene, 0).await;
        for round in 0..ROUNDS {
            scene.round(round, &known_by(&bob), true, scene.ada.removes(&scene.kitchen, &bob)).await;
            scene.ada.adds(&scene.kitchen, &bob).await;
        }
        scene.server.database.holds().await;
    }

    async fn who_leaves_hears_nothing_committed_after(on: On) {
        let scene = Scene::new(on).await;
        let bob = somebody(&scene, 0).await;
        for round in 0..ROUNDS {
            scene.round(round, &known_by(&bob), true, bob.leaves(&scene.kitchen)).await;
            bob.joins(&scene.kitchen).await;
        }
    }

    async fn who_signs_out_hears_nothing_begun_after(on: On) {
        let scene = Scene::new(on).await;
        for round in 0..ROUNDS {
            let bob = somebody(&scene, round).await;
            let who = known_by(&bob);
            scene.round(round, &who, false, async { drop(bob.signs_out().await) }).await;
        }
    }

    async fn whose_session_is_ended_from_elsewhere_hears_nothing_begun_after(on: On) {
        let scene = Scene::new(on).await;
        for round in 0..ROUNDS_TWO {
            let bob = somebody(&scene, round).await;
            let phone = scene.server.signs_in(&bob.name).await;
            let account = phone.get("/account").await;
            let end = format!("/account/sessions/{}/end", account.between("/account/sessions/", "/end"));
            scene.round(round, &known_by(&bob), false, async { assert_eq!(phone.post(&end, &[]).await.status, 303) }).await;
            assert_eq!(status(&scene.server, &known_by(&phone), &format!("/rooms/{}/live", scene.kitchen)).await, 200);
        }
    }

    async fn whose_password_is_changed_elsewhere_hears_nothing_begun_after(on: On) {
        let scene = Scene::new(on).await;
        for round in 0..ROUNDS_THREE {
            let bob = somebody(&scene, round).await;
            let phone = scene.server.signs_in(&bob.name).await;
            let change = async {
                let page = phone.post("/account/password", &[("current", PASSWORD), ("new", "five other small blue words")]).await;
                assert_eq!(page.status, 303, "{}", page.body);
            };
            scene.round(round, &known_by(&bob), false, change).await;
            // Who changed it stays.
            assert_eq!(status(&scene.server, &known_by(&phone), &format!("/rooms/{}/live", scene.kitchen)).await, 200);
        }
    }

    async fn whose_account_is_disabled_hears_nothing_begun_after(on: On) {
        let scene = Scene::new(on).await;
        let bob = somebody(&scene, 0).await;
        let token = scene.server.cli(&["token", "add", &bob.name], "").await.ok().to_owned();
        let disable = async |word: &str| scene.ada.post(&format!("/people/{}/{word}", bob.id), &[]).await;
        for round in 0..ROUNDS {
            // By a session as long as there is one, then by a token, which comes back with the account.
            let who = if round == 0 { known_by(&bob) } else { format!("Authorization: Bearer {token}") };
            scene.round(round, &who, false, async { assert_eq!(disable("disable").await.status, 303) }).await;
            assert_eq!(disable("enable").await.status, 303);
        }
    }

    async fn whose_token_is_revoked_hears_nothing_begun_after(on: On) {
        let scene = Scene::new(on).await;
        let bob = somebody(&scene, 0).await;
        for round in 0..ROUNDS {
            let token = scene.server.cli(&["token", "add", &bob.name], "").await.ok().to_owned();
            let tokens = scene.server.cli(&["token", "list", "--json"], "").await.json();
            let good = tokens.as_array().unwrap().iter().find(|token| token["revoked"] != true).expect("the one that was just made");
            let revoke = format!("/account/tokens/{}/revoke", text(&good["id"]));
            let who = format!("Authorization: Bearer {token}");
            scene.round(round, &who, false, async { assert_eq!(bob.post(&revoke, &[]).await.status, 303) }).await;
        }
    }

    /// A room that becomes private loses none of its members; who is none was never in its streams, and now cannot come in.
    async fn a_room_made_private_keeps_its_members_and_shuts_its_door(on: On) {
        let scene = Scene::new(on).await;
        let (bob, eve) = (somebody(&scene, 0).await, scene.server.person("Eve").await);
        let (server, kitchen) = (&scene.server, &scene.kitchen);
        let path = format!("/rooms/{kitchen}/live");
        assert_eq!(status(server, &known_by(&eve), &path).await, 404, "an open room is not listened to from outside either");
        let mut his = Raw::open(server, &known_by(&bob), &path).await;
        his.until("event: caught-up").await;
        for round in 0..ROUNDS {
            let (secret, private) = (format!("secret-{round}-"), round % 2 == 0);
            let room = format!("/api/rooms/{kitchen}");
            let change = scene.ada.call(Method::PATCH, &room, Some(json!({ "private": private })));
            let (changed, _) = tokio::join!(change, scene.posts(&secret));
            changed.ok();
            his.until(&secret).await;
            his.until(&format!("\"private\":{private}")).await;
            assert_eq!(status(server, &known_by(&eve), &path).await, 404);
            let knock = eve.call(Method::POST, &format!("/api/rooms/{kitchen}/members"), Some(json!({}))).await;
            match private {
                true => assert_eq!(knock.status, 404, "{}", knock.body),
                // Whoever is in leaves again, for the next round.
                false => {
                    knock.ok();
                    eve.leaves(kitchen).await;
                }
            }
        }
        assert!(!his.has("event: bye"));
    }

    async fn a_stuck_stream_that_loses_its_room_gets_nothing_later(on: On) {
        let scene = Scene::new(on).await;
        let (bob, kitchen) = (somebody(&scene, 0).await, &scene.kitchen);
        let bye = revoked(kitchen);
        for bytes in [SMALL, BIG] {
            let removal = scene.ada.removes(kitchen, &bob);
            let mut raw = scene.stuck(&known_by(&bob), &format!("/rooms/{kitchen}/live"), bytes, &bye, removal).await;
            raw.reads_on().await;
            assert!(raw.ends_with(&bye), "{}", raw.tail());
            scene.ada.adds(kitchen, &bob).await;
        }
    }

    async fn a_stuck_stream_of_two_rooms_loses_the_one_and_goes_on_with_the_other(on: On) {
        let scene = Scene::new(on).await;
        let (bob, kitchen, hall) = (somebody(&scene, 0).await, &scene.kitchen, &scene.hall);
        for bytes in [SMALL, BIG] {
            let at = [scene.ada.cursor(hall).await, scene.ada.cursor(kitchen).await];
            let path = format!("/live?{}", encoded(&[("at", &at[0]), ("at", &at[1])]));
            let mut raw = scene.stuck(&known_by(&bob), &path, bytes, &revoked(kitchen), bob.leaves(kitchen)).await;
            let words = format!("still in the hall {bytes}");
            scene.ada.says(hall, &words).await;
            raw.until(&words).await;
            assert!(!raw.has("after-"));
            bob.joins(kitchen).await;
        }
    }

    async fn a_stuck_stream_that_is_signed_out_gets_nothing_later(on: On) {
        let scene = Scene::new(on).await;
        let kitchen = &scene.kitchen;
        for (round, bytes) in [SMALL, BIG].into_iter().enumerate() {
            let bob = somebody(&scene, round).await;
            let (who, path) = (known_by(&bob), format!("/rooms/{kitchen}/live"));
            let mut raw = scene.stuck(&who, &path, bytes, SIGNED_OUT, async { drop(bob.signs_out().await) }).await;
            raw.reads_on().await;
            assert!(raw.ends_with(SIGNED_OUT), "{}", raw.tail());
            assert_eq!(status(&scene.server, &who, &path).await, 401);
        }
    }
}
