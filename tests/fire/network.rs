//! Bad networks: posters and viewers behind a relay with faults (`support/proxy.rs`), while replies grow. When the fault has ended, every
//! viewer shows what a fresh page shows, what was answered is there once, and nothing was shown that is not stored.

use std::future::Future;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;

use crate::ledger::{Answer, Kept, Ledger, Poster, Viewer, Watching};
use crate::support::proxy::{Door, End, Faults, Flow, Proxy, Way};
use crate::support::{On, Options, Person, Server, on_both};

/// Silence after which a viewer here comes back: heartbeats come every 15 s, so that a quiet one does so in vain now and then.
const SILENCE: Duration = Duration::from_secs(2);
/// Viewers behind the relay; every second one is a page.
const VIEWERS: usize = 4;

/// A room with an assistant; somebody in it has a good network, the others are behind the relay.
struct Stage<'s> {
    server: &'s Server,
    ledger: Ledger<'s>,
    /// Reached without the relay.
    near: Poster,
    control: Viewer,
    proxy: Proxy,
    far: Vec<Poster>,
    viewers: Vec<Viewer>,
}

/// What happens while a reply grows.
enum Trouble {
    /// These faults, from the reply's first words to its end.
    Lasts(Faults),
    /// These, and every connection that is open when they begin is closed.
    Meets(Faults),
    /// Every connection ends like this, again and again.
    Ends(End),
}

async fn server(on: On) -> (Server, Person, String) {
    let server = Server::with(on, Options { posts_per_minute: Some(100_000), ..Options::default() }).await;
    let ada = server.first("Ada").await;
    let room = ada.makes_room("Kitchen").await;
    server.assistant("Echo", &room, "mention").await;
    (server, ada, room)
}

impl<'s> Stage<'s> {
    async fn new(server: &'s Server, ada: &Person, room: &str, seed: u64) -> Self {
        let ledger = Ledger::over(server);
        let proxy = Proxy::seeded(&server.url, seed).await;
        let (mut far, mut viewers) = (Vec::new(), Vec::new());
        for n in 0..VIEWERS {
            let name = format!("Guest {n}");
            server.person(&name).await.joins(room).await;
            let token = server.cli(&["token", "add", &name], "").await.ok().to_owned();
            let guest = Person::program(&proxy.url, &token).known().await;
            let view = if n % 2 == 0 { "text" } else { "html" };
            viewers.push(ledger.viewer_with(&guest, room, Watching { view, silence: SILENCE, ..Watching::default() }));
            far.push(ledger.poster(&guest, room));
        }
        far.truncate(2);
        let stage = Self { server, near: ledger.poster(ada, room), control: ledger.viewer(ada, room), ledger, proxy, far, viewers };
        stage.follows().await;
        stage
    }

    async fn follows(&self) {
        self.control.follows().await;
        join_all(self.viewers.iter().map(Viewer::follows)).await;
    }

    /// Asks for a reply and waits until everybody shows its first words.
    async fn reply_begins(&self, steps: &[&str]) -> String {
        let question = self.near.asks("Echo", steps).await;
        let begun = |kept: &Kept| {
            let reply = kept.rows.iter().find(|(_, row)| row.json["reply_to"]["id"] == question.as_str() && row.attempt > 0);
            reply.filter(|(_, row)| row.state == "streaming" && row.answer.len > 0).map(|(id, _)| id.clone())
        };
        self.control.until("a reply has begun", |kept| begun(kept).is_some()).await;
        for viewer in &self.viewers {
            viewer.until("a reply has begun", |kept| begun(kept).is_some()).await;
        }
        self.control.looks(begun).expect("it was there")
    }

    /// What happens to the posts of those behind the relay while something else is under way: each sends one after the other, once, and
    /// changes or deletes some of them.
    async fn posts_while(&self, what: &str, under_way: impl Future<Output = ()>) -> Vec<(String, Answer)> {
        let (over, is_over) = tokio::sync::watch::channel(false);
        let posting = join_all(self.far.iter().enumerate().map(|(who, poster)| {
            let mut is_over = is_over.clone();
            async move {
                let mut answers = Vec::new();
                for n in 0.. {
                    let (id, answer) = poster.tries_to_say(&format!("{what}: {who} says {n}")).await;
                    // What has an answer may be changed; the ledger writes down whether that has one.
                    match n % 6 {
                        3 if answer.is_ok() => drop(poster.edits(&id, &format!("{what}: {who} says {n}, or something like it")).await),
                        5 if answer.is_ok() => drop(poster.deletes(&id).await),
                        _ => {}
                    }
                    answers.push((id, answer));
                    // A pause as people make them; and a network that refuses at once is not asked ten thousand times.
                    if tokio::time::timeout(Duration::from_millis(30), is_over.wait_for(|over| *over)).await.is_ok() {
                        return answers;
                    }
                }
                answers
            }
        }));
        let (answers, ()) = tokio::join!(posting, async {
            under_way.await;
            over.send_replace(true);
        });
        answers.into_iter().flatten().collect()
    }

    /// One trouble, from before it to after it; gives what became of the posts in it.
    async fn goes_through(&self, what: &str, trouble: Trouble) -> Vec<(String, Answer)> {
        self.goes_through_with(what, trouble, 10, "").await
    }

    /// The same with so many posts from outside of the trouble, each with these words.
    async fn goes_through_with(&self, what: &str, trouble: Trouble, posts: usize, words: &str) -> Vec<(String, Answer)> {
        let gate = what.replace(' ', "-");
        let reply =
            self.reply_begins(&["pace 20", "repeat 20 \"some **words** \"", &format!("wait {gate}"), "repeat 30 \"and more \""]).await;
        let answers = self
            .posts_while(what, async {
                let growing = async {
                    for n in 0..posts {
                        self.near.says(&format!("{what}: from here {n} {words}")).await;
                    }
                    self.server.open(&gate);
                    let done = |kept: &Kept| kept.rows[&reply].state == "complete";
                    self.control.until("the reply is complete", done).await;
                };
                match trouble {
                    Trouble::Lasts(faults) => {
                        self.proxy.set(faults).await;
                        growing.await;
                    }
                    Trouble::Meets(faults) => {
                        self.proxy.set(faults).await;
                        self.proxy.close().await;
                        growing.await;
                    }
                    Trouble::Ends(end) => {
                        let ending = async {
                            loop {
                                match end {
                                    End::Fin => self.proxy.close().await,
                                    End::Rst => self.proxy.reset().await,
                                }
                                sleep(Duration::from_millis(100)).await;
                            }
                        };
                        tokio::select! {
                            () = growing => {}
                            () = ending => {}
                        }
                    }
                }
                self.proxy.mend().await;
            })
            .await;
        self.ledger.settles().await;
        self.follows().await;
        println!("{what}: {}", self.ledger.summary());
        answers
    }

    fn opened(&self) -> usize {
        self.viewers.iter().map(|viewer| viewer.looks(|kept| kept.opened)).sum()
    }

    /// How many of these posts have no answer although they are stored.
    async fn stored_without_answer(&self, answers: &[(String, Answer)]) -> i64 {
        let lost: Vec<String> = answers.iter().filter(|(_, answer)| !answer.is_ok()).map(|(id, _)| format!("'{id}'")).collect();
        let sql = format!("SELECT COUNT(*) FROM messages WHERE id IN ({})", lost.join(", "));
        if lost.is_empty() { 0 } else { self.server.database.number(&sql).await }
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn flow(flow: Flow) -> Way {
    Way { flow, ..Way::default() }
}

fn cut(bytes: usize, end: End) -> Way {
    Way { cut: Some((bytes, end)), ..Way::default() }
}

fn rate(rate: u32) -> Way {
    Way { rate: Some(rate), ..Way::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_network_delays_and_breaks_nothing() {
    let (server, ada, room) = server(On::Sqlite).await;
    let stage = Stage::new(&server, &ada, &room, 1).await;
    let late = Way { latency: ms(60), jitter: ms(60), ..Way::default() };
    let sliced = Way { sliced: true, ..Way::default() };
    let opened = stage.opened();
    for (what, faults) in [
        ("latency", Faults::both(&late)),
        ("latency of answers", Faults::down(late.clone())),
        ("slices", Faults::both(&sliced)),
        ("late slices", Faults::both(&Way { sliced: true, ..late.clone() })),
        ("held for a moment", Faults::down(flow(Flow::Held))),
    ] {
        let answers = stage.goes_through(what, Trouble::Lasts(faults)).await;
        assert!(answers.iter().all(|(_, answer)| answer.is_ok()), "{what}: every post is answered: {answers:?}");
    }
    // Two seconds of silence may pass while nothing comes; nothing else ends a stream.
    assert!(stage.opened() <= opened + 4 * VIEWERS, "streams live through what is only slow");
    stage.ledger.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_bytes_a_second_are_enough_to_come_back_later() {
    let (server, ada, room) = server(On::Sqlite).await;
    let stage = Stage::new(&server, &ada, &room, 2).await;
    // More than everything between the server and a viewer can hold.
    let words = "lots of words ".repeat(1500);
    stage.goes_through_with("a trickle down", Trouble::Lasts(Faults::down(rate(100))), 40, &words).await;
    stage.goes_through("a trickle up", Trouble::Lasts(Faults::up(rate(100)))).await;
    stage.ledger.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_end_in_the_middle_lose_nothing() {
    let (server, ada, room) = server(On::Sqlite).await;
    let stage = Stage::new(&server, &ada, &room, 3).await;
    for (what, trouble) in [
        ("resets", Trouble::Ends(End::Rst)),
        ("ends", Trouble::Ends(End::Fin)),
        ("answers cut off", Trouble::Lasts(Faults::down(cut(3001, End::Fin)))),
        ("answers torn off", Trouble::Lasts(Faults::down(cut(777, End::Rst)))),
        ("requests torn off", Trouble::Meets(Faults::up(cut(150, End::Rst)))),
        ("requests cut off", Trouble::Meets(Faults::up(cut(400, End::Fin)))),
    ] {
        let opened = stage.opened();
        stage.goes_through(what, trouble).await;
        assert!(stage.opened() > opened, "{what}: streams were broken");
    }
    stage.ledger.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_falls_into_a_black_hole() {
    let (server, ada, room) = server(On::Sqlite).await;
    let stage = Stage::new(&server, &ada, &room, 4).await;
    stage.goes_through("a black hole", Trouble::Lasts(Faults::black_hole())).await;
    let answers = stage.goes_through("a black hole for requests", Trouble::Lasts(Faults::up(flow(Flow::Swallowed)))).await;
    assert!(answers.iter().any(|(_, answer)| !answer.is_ok()), "posts were lost");
    let (proxy, swallowed) = (&stage.proxy, Faults::down(flow(Flow::Swallowed)));
    let stored = stage.posts_while("a black hole for answers", async {
        // Until each of them has sent something into it.
        proxy.set(swallowed).await;
        let before = stage.control.looks(|kept| kept.rows.len());
        stage.control.until("posts without an answer are seen", |kept| kept.rows.len() >= before + stage.far.len()).await;
        proxy.mend().await;
    });
    let answers = stored.await;
    assert!(stage.stored_without_answer(&answers).await >= 1, "a post is stored although its answer was lost: {answers:?}");
    stage.ledger.settles().await;
    stage.ledger.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_be_reached_is_found_again() {
    let (server, ada, room) = server(On::Sqlite).await;
    let stage = Stage::new(&server, &ada, &room, 5).await;
    let refused = stage.goes_through("refusals", Trouble::Meets(Faults::door(Door::Refuses))).await;
    assert!(refused.iter().any(|(_, answer)| matches!(answer, Answer::Lost(_))), "{refused:?}");
    let unavailable = stage.goes_through("a proxy without its server", Trouble::Meets(Faults::door(Door::Unavailable))).await;
    assert!(unavailable.iter().any(|(_, answer)| matches!(answer, Answer::Came { status: 503, .. })), "{unavailable:?}");
    assert!(stage.viewers.iter().any(|viewer| viewer.looks(|kept| kept.refused.contains(&503))));
    stage.ledger.judge().await;
}

/// A number below `below`: SplitMix64, as the relay's own.
fn draw(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) % below
}

/// Whatever a network may do next, one way.
fn any_way(state: &mut u64) -> Way {
    let mut way = Way { sliced: draw(state, 4) == 0, ..Way::default() };
    if draw(state, 3) == 0 {
        (way.latency, way.jitter) = (ms(draw(state, 100)), ms(draw(state, 100)));
    }
    match draw(state, 8) {
        0 => way.rate = Some(100 + draw(state, 20_000) as u32),
        1 => way.flow = Flow::Held,
        2 => way.flow = Flow::Swallowed,
        3 | 4 => {
            let end = if draw(state, 2) == 0 { End::Fin } else { End::Rst };
            way.cut = Some((1 + draw(state, 5000) as usize, end));
        }
        _ => {}
    }
    way
}

fn rounds() -> u64 {
    std::env::var("PARLOR_FIRE_ROUNDS").map_or(1, |rounds| rounds.parse().expect("PARLOR_FIRE_ROUNDS is a whole number"))
}

fn seed() -> u64 {
    std::env::var("PARLOR_FIRE_SEED")
        .map_or_else(|_| parlor::clock::Clock::system().draw(0, 1 << 32), |seed| seed.parse().expect("a number"))
}

on_both! {
    /// Faults change every few hundred milliseconds, each with whatever comes to mind. `PARLOR_FIRE_SEED` repeats a run's faults.
    async fn whatever_the_network_does_everything_is_right_afterwards(on: On) {
        let (server, ada, room) = server(on).await;
        let seed = seed();
        println!("PARLOR_FIRE_SEED={seed} on {on:?}");
        let stage = Stage::new(&server, &ada, &room, seed).await;
        let mut state = seed;
        for round in 0..rounds() {
            let what = format!("round {round}");
            let answers = stage.posts_while(&what, async {
                for change in 0..20 {
                    if change % 5 == 0 {
                        let steps = ["pace 15", "reason \"Well. \"", "repeat 60 \"*words* \"", "say \"and an end\""];
                        stage.near.asks("Echo", &steps).await;
                    }
                    let door = match draw(&mut state, 10) {
                        0 => Door::Refuses,
                        1 => Door::Unavailable,
                        _ => Door::Open,
                    };
                    let (up, down) = (any_way(&mut state), any_way(&mut state));
                    stage.proxy.set(Faults { up, down, door }).await;
                    match draw(&mut state, 6) {
                        0 => stage.proxy.reset().await,
                        1 => stage.proxy.close().await,
                        _ => {}
                    }
                    stage.near.says(&format!("{what}: after change {change}")).await;
                    sleep(ms(100 + draw(&mut state, 400))).await;
                }
                stage.proxy.mend().await;
            });
            let answers = answers.await;
            stage.ledger.settles().await;
            let answered = answers.iter().filter(|(_, answer)| answer.is_ok()).count();
            println!("{what}: {answered} of {} posts were answered at once; {}", answers.len(), stage.ledger.summary());
        }
        stage.ledger.judge().await;
    }
}
