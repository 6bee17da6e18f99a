//! What each person has and has not read: the counts, the marks, and the list of rooms that is kept current in every open stream.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parlor::clock::Clock;
use parlor::domain::id::{PersonId, RoomId};
use parlor::domain::room::RoomKind;
use parlor::live::LocalBus;
use parlor::store::{Store, reading};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::support::database::Database;
use crate::support::person::text;
use crate::support::{On, Options, PATIENCE, Person, Server, Stream, kitchen, kitchen_of, new_id, on_both, script};

/// A room as somebody's list has it; null if it is not theirs.
pub async fn line(person: &Person, room: &str) -> Value {
    let all = person.call(Method::GET, "/api/rooms", None).await.ok();
    let mine = |line: &&Value| line["id"] == room && line["member"] == true;
    all["rooms"].as_array().unwrap().iter().find(mine).cloned().unwrap_or_default()
}

/// Unread messages, and those of them that concern this person.
async fn counts(person: &Person, room: &str) -> (i64, i64) {
    let line = line(person, room).await;
    (line["unread"].as_i64().unwrap(), line["mentions"].as_i64().unwrap())
}

async fn reads(person: &Person, room: &str, seq: i64) {
    let page = person.call(Method::POST, &format!("/api/rooms/{room}/read"), Some(json!({ "seq": seq }))).await;
    assert_eq!(page.status, 204, "{}", page.body);
}

async fn unreads(person: &Person, room: &str, seq: i64) {
    let page = person.call(Method::POST, &format!("/api/rooms/{room}/read"), Some(json!({ "seq": seq, "unread": true }))).await;
    assert_eq!(page.status, 204, "{}", page.body);
}

/// A stream of the list alone, which has come.
async fn list_of(person: &Person) -> Stream {
    let mut stream = person.stream("/live?rooms=1").await;
    stream.until("the whole list", |tab| !tab.list_frames.is_empty()).await;
    stream
}

async fn place_of(person: &Person, room: &str, id: &str) -> i64 {
    person.message(room, id).await["seq"].as_i64().unwrap()
}

/// Numbers by chance, the same for the same beginning.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % end
    }
}

/// What the product should count, kept by the plainest of means.
#[derive(Default)]
struct Model {
    messages: Vec<Said>,
    read: BTreeMap<usize, i64>,
}

struct Said {
    id: String,
    seq: i64,
    author: usize,
    deleted: bool,
    parent: Option<usize>,
    concerns: BTreeSet<usize>,
}

impl Model {
    fn counts(&self, who: usize) -> (i64, i64) {
        let read = self.read[&who];
        let unread: Vec<&Said> = self.messages.iter().filter(|m| m.seq > read && m.author != who && !m.deleted).collect();
        let mentions = unread.iter().filter(|m| m.concerns.contains(&who)).count();
        ((unread.len() as i64).min(100), (mentions as i64).min(100))
    }

    fn concerned(&self, author: usize, named: &BTreeSet<usize>, parent: Option<usize>) -> BTreeSet<usize> {
        let answered = parent.map(|parent| self.messages[parent].author);
        named.iter().copied().chain(answered).filter(|who| *who != author).collect()
    }
}

on_both! {
    async fn any_sequence_of_what_people_do_gives_the_counts_of_a_plain_model(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let carol = server.person("Carol").await;
        carol.joins(&room).await;
        let people = [&ada, &bob, &carol];
        let seed = parlor::clock::Clock::system().draw(1, u64::MAX);
        println!("the dice begin with {seed}");
        let mut dice = Dice(seed);
        let mut model = Model::default();
        for (who, person) in people.iter().enumerate() {
            model.read.insert(who, line(person, &room).await["read"].as_i64().unwrap());
        }
        let mut carol_is_here = true;
        for step in 0..140 {
            let who = dice.below(if carol_is_here { 3 } else { 2 });
            let named: BTreeSet<usize> = (0..3).filter(|_| dice.below(4) == 0).collect();
            let words: Vec<String> = named.iter().map(|n| format!("@{}", people[*n].name)).collect();
            let words = format!("step {step} {}", words.join(" and "));
            // Who is not in the room is not named by it.
            let named: BTreeSet<usize> = named.into_iter().filter(|n| *n != 2 || carol_is_here).collect();
            let highest = model.messages.last().map_or(1, |m| m.seq);
            match dice.below(10) {
                0..=3 => {
                    let parent = match model.messages.is_empty() || dice.below(3) > 0 {
                        true => None,
                        false => Some(dice.below(model.messages.len())),
                    };
                    let reply_to = parent.map(|parent| model.messages[parent].id.clone());
                    let posted = people[who].tries_to_post(&room, json!({ "id": new_id(), "text": words, "reply_to": reply_to })).await.ok();
                    let concerns = model.concerned(who, &named, parent);
                    let seq = posted["seq"].as_i64().unwrap();
                    model.messages.push(Said { id: text(&posted["id"]), seq, author: who, deleted: false, parent, concerns });
                    model.read.insert(who, seq.max(model.read[&who]));
                }
                4 | 5 => {
                    let own: Vec<usize> = (0..model.messages.len()).filter(|n| model.messages[*n].author == who && !model.messages[*n].deleted).collect();
                    if own.is_empty() {
                        continue;
                    }
                    let at = own[dice.below(own.len())];
                    people[who].edits(&room, &model.messages[at].id, &words).await;
                    model.messages[at].concerns = model.concerned(who, &named, model.messages[at].parent);
                }
                6 => {
                    let own: Vec<usize> = (0..model.messages.len()).filter(|n| model.messages[*n].author == who && !model.messages[*n].deleted).collect();
                    if own.is_empty() {
                        continue;
                    }
                    let at = own[dice.below(own.len())];
                    people[who].deletes(&room, &model.messages[at].id).await;
                    model.messages[at].deleted = true;
                }
                7 => {
                    let seq = dice.below(highest as usize + 20) as i64;
                    reads(people[who], &room, seq).await;
                    let upto = model.messages.iter().filter(|m| m.seq <= seq).map(|m| m.seq).max().unwrap_or(0);
                    model.read.insert(who, upto.max(model.read[&who]));
                }
                8 => {
                    let seq = dice.below(highest as usize + 20) as i64;
                    unreads(people[who], &room, seq).await;
                    model.read.insert(who, seq.min(model.read[&who]));
                }
                _ if carol_is_here => {
                    carol.leaves(&room).await;
                    carol_is_here = false;
                }
                _ => {
                    carol.joins(&room).await;
                    carol_is_here = true;
                    // Who joins has read what was there.
                    model.read.insert(2, carol.room(&room).await["head"].as_i64().unwrap());
                }
            }
            for (who, person) in people.iter().enumerate().filter(|(who, _)| *who != 2 || carol_is_here) {
                assert_eq!(counts(person, &room).await, model.counts(who), "{} after step {step}", person.name);
            }
        }
        // What is stored says the same after the end of the process.
        server.kill9().await;
        server.restart().await;
        for (who, person) in people.iter().enumerate().filter(|(who, _)| *who != 2 || carol_is_here) {
            assert_eq!(counts(person, &room).await, model.counts(who), "{} after a crash", person.name);
        }
        server.database.holds().await;
    }

    async fn counts_are_exact_when_all_happens_at_once(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let carol = server.person("Carol").await;
        carol.joins(&room).await;
        let posts = async {
            for n in 0..40 {
                ada.says(&room, &format!("{n} @Carol")).await;
            }
        };
        let more = async {
            for n in 0..40 {
                let id = bob.says(&room, &format!("{n}")).await;
                if n % 4 == 0 {
                    bob.deletes(&room, &id).await;
                }
            }
        };
        let marks = async {
            for _ in 0..40 {
                let head = carol.room(&room).await["head"].as_i64().unwrap();
                reads(&carol, &room, head).await;
                unreads(&carol, &room, head - 3).await;
                reads(&carol, &room, head - 9).await;
            }
        };
        tokio::join!(posts, more, marks);
        let (unread, mentions) = counts(&carol, &room).await;
        let read = line(&carol, &room).await["read"].as_i64().unwrap();
        let sql = format!("SELECT COUNT(*) FROM messages WHERE room_id = '{room}' AND created_seq > {read} AND state <> 'deleted' AND author_id");
        let count = async |whose: &str| -> i64 {
            server.database.rows(&format!("{sql} {whose}")).await[0][0].as_deref().unwrap().parse().unwrap()
        };
        assert_eq!(unread, count(&format!("<> '{}'", carol.id)).await);
        assert_eq!(mentions, count(&format!("= '{}'", ada.id)).await);
        server.database.holds().await;
    }

    async fn a_mark_goes_on_and_back_only_when_asked_and_never_beyond_what_is_there(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let mut places = Vec::new();
        for n in 0..5 {
            let id = ada.says(&room, &format!("{n}")).await;
            places.push(place_of(&ada, &room, &id).await);
        }
        assert_eq!(counts(&bob, &room).await, (5, 0));
        assert_eq!(counts(&ada, &room).await, (0, 0), "one's own messages are read");
        reads(&bob, &room, places[2]).await;
        reads(&bob, &room, places[0]).await;
        reads(&bob, &room, -7).await;
        assert_eq!(counts(&bob, &room).await, (2, 0), "reading never goes back");
        reads(&bob, &room, i64::MAX).await;
        assert_eq!(counts(&bob, &room).await, (0, 0));
        ada.says(&room, "one more").await;
        assert_eq!(counts(&bob, &room).await, (1, 0), "what comes later is unread although more was said to be read than there was");
        unreads(&bob, &room, places[1]).await;
        unreads(&bob, &room, places[4]).await;
        assert_eq!(counts(&bob, &room).await, (4, 0), "going back never goes on");
        // To speak is to have read.
        bob.says(&room, "I am back").await;
        assert_eq!(counts(&bob, &room).await, (0, 0));
        // A stranger learns nothing, and marks nothing.
        let carol = server.person("Carol").await;
        for body in [json!({ "seq": 1 }), json!({ "seq": 1, "unread": true })] {
            assert_eq!(carol.call(Method::POST, &format!("/api/rooms/{room}/read"), Some(body)).await.status, 404);
        }
        assert_eq!(carol.call(Method::PUT, &format!("/api/rooms/{room}/favourite"), None).await.status, 404);
        assert_eq!(carol.call(Method::POST, &format!("/api/rooms/{room}/typing"), None).await.status, 404);
        // Who comes in has read what was there.
        carol.joins(&room).await;
        assert_eq!(counts(&carol, &room).await, (0, 0));
        for n in 0..120 {
            ada.says(&room, &format!("{n} @carol")).await;
        }
        assert_eq!(counts(&carol, &room).await, (100, 100), "nobody needs a number beyond that");
        server.database.holds().await;
    }

    async fn a_reply_is_unread_once_it_has_ended_and_concerns_who_asked(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        server.assistant("Echo", &room, "mention").await;
        let mut tab = bob.live(&room).await;
        let question = ada.says(&room, &format!("@Echo {}", script(&["say \"@Bob, too \"", "wait end", "say done"]))).await;
        let reply = tab.sees_reply_to(&question).await;
        tab.sees_so_far(&reply, "@Bob, too ").await;
        assert_eq!(line(&ada, &room).await["writing"], true);
        assert_eq!(counts(&ada, &room).await, (0, 0), "there is nothing to read before the end");
        // Reading everything does not read what is not written yet.
        let head = ada.room(&room).await["head"].as_i64().unwrap();
        reads(&ada, &room, head).await;
        reads(&bob, &room, head).await;
        server.open("end");
        tab.sees_state(&reply, "complete").await;
        assert_eq!(line(&ada, &room).await["writing"], false);
        assert_eq!(counts(&ada, &room).await, (1, 1), "the answer is to her question");
        assert_eq!(counts(&bob, &room).await, (1, 1), "and names him");
        // Asked again it is open again, and then there again.
        server.close("end");
        ada.retries(&room, &reply).await;
        tab.sees_so_far(&reply, "@Bob, too ").await;
        assert_eq!(counts(&bob, &room).await, (0, 0));
        server.open("end");
        tab.sees_state(&reply, "complete").await;
        assert_eq!(counts(&bob, &room).await, (1, 1));
        ada.deletes(&room, &reply).await;
        assert_eq!((counts(&ada, &room).await, counts(&bob, &room).await), ((0, 0), (0, 0)));
        server.database.holds().await;
    }

    async fn a_message_concerns_however_many_it_names(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        // More than one statement takes at once.
        let numbers = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 2100)";
        let people = "SELECT 'p' || n, 'P' || n || 'x', '', FALSE, FALSE, 0, 0 FROM numbers";
        let columns = "people (id, name, password_hash, admin, disabled, created_at, password_changed_at)";
        let ids = "SELECT '00000000-0000-7000-8000-' || SUBSTR('00000000000' || n, LENGTH('00000000000' || n) - 11)";
        let people = people.replace("SELECT 'p' || n", ids);
        server.database.execute(&format!("INSERT INTO {columns} {numbers} {people}")).await;
        let members = format!("SELECT '{room}', id, 'member', 0, 0 FROM people WHERE name LIKE 'P%x'");
        server.database.execute(&format!("INSERT INTO members (room_id, person_id, role, joined_at, read_seq) {members}")).await;
        let all: String = (1..=2100).map(|n| format!("@P{n}x ")).collect();
        let question = bob.says(&room, "Who comes?").await;
        let id = ada.replies(&room, &question, &format!("@Bob @Bob {all}")).await;
        let concerned = format!("SELECT COUNT(*) FROM mentions WHERE message_id = '{id}'");
        assert_eq!(server.database.number(&concerned).await, 2101, "each once, also who is named and answered");
        ada.edits(&room, &id, "@P7x alone").await;
        assert_eq!(server.database.number(&concerned).await, 2, "and who is answered");
        server.database.holds().await;
    }

    async fn a_page_leads_to_what_is_unread_and_reads_what_it_shows(on: On) {
        let (_server, ada, bob, room) = kitchen(on).await;
        bob.says(&room, "before").await;
        let mut ids = Vec::new();
        for n in 0..60 {
            ids.push(ada.says(&room, &format!("new {n}")).await);
        }
        assert_eq!(counts(&bob, &room).await, (60, 0));
        let page = bob.get(&format!("/rooms/{room}?at=unread")).await;
        assert_eq!(page.header("location"), format!("/rooms/{room}?around={0}#m-{0}", ids[0]));
        // The page around it does not reach the end, so it reads nothing yet.
        assert_eq!(page.follow(&bob).await.status, 200);
        assert_eq!(counts(&bob, &room).await, (60, 0));
        assert_eq!(bob.get(&format!("/rooms/{room}")).await.status, 200);
        assert_eq!(counts(&bob, &room).await, (0, 0));
        assert_eq!(bob.get(&format!("/rooms/{room}?at=unread")).await.header("location"), format!("/rooms/{room}"));
        // By form.
        let place = place_of(&bob, &room, &ids[57]).await;
        let page = bob.post(&format!("/rooms/{room}/read"), &[("seq", &place.to_string()), ("unread", "true")]).await;
        assert_eq!((page.status, page.header("location")), (303, "/rooms"));
        assert_eq!(counts(&bob, &room).await, (2, 0));
        let page = bob.post(&format!("/rooms/{room}/read"), &[("seq", &(place + 1).to_string())]).await;
        assert_eq!((page.status, page.header("location")), (303, &*format!("/rooms/{room}")));
        assert_eq!(counts(&bob, &room).await, (1, 0));
        for (on, is) in [("true", true), ("false", false)] {
            let page = bob.post(&format!("/rooms/{room}/favourite"), &[("on", on)]).await;
            assert_eq!((page.status, page.header("location")), (303, &*format!("/rooms/{room}")));
            assert_eq!(line(&bob, &room).await["favourite"], is);
        }
        assert_eq!(line(&ada, &room).await["favourite"], false);
    }

    async fn every_stream_of_a_person_has_their_list_and_nobody_elses(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let attic = ada.makes_private_room("Attic").await;
        let elsewhere = server.signs_in("Bob").await;
        let (mut one, mut two, mut hers) = (list_of(&bob).await, list_of(&elsewhere).await, list_of(&ada).await);
        assert!(hers.list.contains_key(&attic));
        assert_eq!(one.list.keys().collect::<Vec<_>>(), two.list.keys().collect::<Vec<_>>());
        ada.says(&room, "for @bob").await;
        let id = ada.says(&room, "and more").await;
        for stream in [&mut one, &mut two] {
            stream.lists("what Ada said", &room, |line| line["unread"] == 2 && line["mentions"] == 1).await;
            assert!(stream.list[&room]["at"].as_i64().unwrap() > 0);
        }
        // Read in one browser, it is read in the other.
        reads(&bob, &room, place_of(&bob, &room, &id).await).await;
        one.lists("that it is read", &room, |line| line["unread"] == 0 && line["mentions"] == 0).await;
        two.lists("that it is read", &room, |line| line["unread"] == 0 && line["mentions"] == 0).await;
        // Favourites, names, being added, leaving, being removed.
        assert_eq!(bob.call(Method::PUT, &format!("/api/rooms/{room}/favourite"), None).await.status, 204);
        two.lists("a favourite", &room, |line| line["favourite"] == true).await;
        ada.call(Method::PATCH, &format!("/api/rooms/{room}"), Some(json!({ "name": "Cellar" }))).await.ok();
        one.lists("the new name", &room, |line| line["name"] == "Cellar").await;
        hers.lists("the new name", &room, |line| line["name"] == "Cellar" && line["favourite"] == false).await;
        assert!(!one.heard(&attic) && !two.heard(&attic), "nothing of a room that is not his");
        ada.adds(&attic, &bob).await;
        one.lists("the attic", &attic, |line| line["unread"] == 0 && line["private"] == true).await;
        ada.removes(&attic, &bob).await;
        one.until("the attic has gone", |tab| !tab.list.contains_key(&attic)).await;
        bob.leaves(&room).await;
        two.until("all has gone", |tab| !tab.list.contains_key(&room)).await;
        bob.joins(&room).await;
        two.lists("the room again", &room, |line| line["unread"] == 0 && line["favourite"] == false).await;
        let mine = bob.makes_room("Bob's").await;
        one.lists("his own room", &mine, |_| true).await;
        // What it says is what the API says.
        let said = line(&bob, &mine).await;
        for field in ["id", "name", "kind", "private", "head", "at", "read", "unread", "mentions", "favourite", "writing"] {
            assert_eq!(one.list[&mine][field], said[field], "{field}");
        }
    }

    async fn a_list_says_where_somebody_is_being_answered(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        server.assistant("Echo", &room, "always").await;
        let mut list = list_of(&bob).await;
        ada.says(&room, &script(&["say a", "wait end", "say b"])).await;
        list.lists("writing", &room, |line| line["writing"] == true).await;
        server.open("end");
        list.lists("the answer", &room, |line| line["writing"] == false && line["unread"] == 2).await;
    }

    async fn much_that_happens_is_told_in_few_frames(on: On) {
        let (_server, ada, bob, room) = kitchen(on).await;
        let mut list = list_of(&bob).await;
        let began = Instant::now();
        let posts = async {
            for n in 0..150 {
                ada.says(&room, &format!("{n}")).await;
            }
        };
        // Read while it goes on, so that each frame is seen when it comes.
        tokio::join!(posts, list.lists("all that can be counted", &room, |line| line["unread"] == 100));
        let head = ada.room(&room).await["head"].clone();
        list.lists("the head", &room, |line| line["head"] == head).await;
        let most = began.elapsed().as_secs() as usize + 3;
        assert!(list.list_frames.len() <= most, "{} frames in {:?}", list.list_frames.len(), began.elapsed());
        for pair in list.list_frames[1..].windows(2) {
            assert!(pair[1] - pair[0] >= Duration::from_millis(500), "at most one a second, as far as a network keeps time");
        }
    }

    async fn what_is_taken_back_at_once_stays_in_no_list(on: On) {
        let (_server, ada, bob, room) = kitchen(on).await;
        let other = ada.makes_room("Hall").await;
        bob.joins(&other).await;
        let path = format!("/api/rooms/{room}/favourite");
        let mut first = list_of(&bob).await;
        for round in 1..=3 {
            // Changes are told now, and then not for a second; a list that opens meanwhile is told at once.
            ada.says(&other, "Listen").await;
            first.lists("what was said", &other, |line| line["unread"] == 3 * round - 2).await;
            assert_eq!(bob.call(Method::PUT, &path, None).await.status, 204);
            let mut second = list_of(&bob).await;
            second.lists("the list", &room, |_| true).await;
            assert_eq!(bob.call(Method::DELETE, &path, None).await.status, 204);
            // What is told after what was told after it.
            for later in [1, 0] {
                ada.says(&other, "And then?").await;
                for list in [&mut first, &mut second] {
                    list.lists("what was said afterwards", &other, |line| line["unread"] == 3 * round - later).await;
                }
            }
            for list in [&first, &second] {
                assert_eq!(list.list[&room]["favourite"], false, "round {round}");
            }
        }
    }

    async fn a_stream_that_was_not_asked_has_none_of_it_and_the_list_alone_is_enough(on: On) {
        let (_server, ada, bob, room) = kitchen(on).await;
        let mut plain = bob.live(&room).await;
        let cursor = bob.cursor(&room).await;
        let mut both = bob.stream(&format!("/live?rooms=1&people=1&at={cursor}")).await;
        both.until("list and people", |tab| tab.list.contains_key(&room) && tab.people.contains_key(&room)).await;
        let id = ada.says(&room, "Hello").await;
        both.until("the message and its line", |tab| tab.rows.contains_key(&id) && tab.list[&room]["unread"] == 1).await;
        plain.sees("Hello").await;
        assert!(plain.frames.iter().all(|frame| !matches!(frame.event.as_str(), "rooms" | "people")));
        // With its room gone a stream of the list goes on.
        ada.removes(&room, &bob).await;
        both.until("the room has gone", |tab| tab.byes.iter().any(|bye| bye["why"] == "revoked") && !tab.list.contains_key(&room)).await;
        let own = bob.makes_room("Own").await;
        both.lists("his own room", &own, |_| true).await;
        assert_eq!(bob.tries_stream("/live").await.unwrap_err().status, 404);
        assert_eq!(bob.tries_stream(&format!("/live?rooms=1&at={cursor}")).await.unwrap_err().status, 404);
    }

    async fn marks_without_end_are_throttled_and_nobody_else_is(on: On) {
        let server = Server::with(on, Options { posts_per_minute: Some(30), ..Options::default() }).await;
        let (ada, bob, room) = kitchen_of(&server).await;
        ada.says(&room, "Hello").await;
        // What one does by hand is far from it.
        let favourite = async |n: usize| {
            let method = if n.is_multiple_of(2) { Method::PUT } else { Method::DELETE };
            bob.call(method, &format!("/api/rooms/{room}/favourite"), None).await
        };
        for n in 0..60 {
            assert_eq!(favourite(n).await.status, 204);
        }
        let too_many = join_all((0..200).map(favourite)).await.into_iter().find(|page| page.status == 429).expect("it is too much at last");
        assert_eq!(too_many.code(), "too_many");
        assert!(!too_many.header("retry-after").is_empty());
        // It is one measure for all of them, and one for each person. What is read already costs nothing.
        let read = |seq: i64, unread: bool| json!({ "seq": seq, "unread": unread });
        let path = format!("/api/rooms/{room}/read");
        let marks = join_all((0..20).map(|_| bob.call(Method::POST, &path, Some(read(0, true))))).await;
        assert!(marks.iter().any(|page| page.status == 429));
        let talk = format!("/api/people/{}/talk", ada.id);
        let talks = join_all((0..20).map(|_| bob.call(Method::POST, &talk, Some(json!({}))))).await;
        assert!(talks.iter().any(|page| page.status == 429));
        let others = join_all((0..20).map(|_| ada.call(Method::POST, &path, Some(read(1, false))))).await;
        assert!(others.iter().all(|page| page.status == 204));
        assert_eq!(ada.call(Method::PUT, &format!("/api/rooms/{room}/favourite"), None).await.status, 204);
        bob.says(&room, "Who has marked too much may still speak").await;
    }

    async fn nothing_of_a_room_is_told_to_who_was_removed_from_it(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let mut guard = list_of(&ada).await;
        for round in 0..6 {
            let who: Vec<String> = bob.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
            let mut raw = Raw::open(&server, &who.join("; "), "/live?rooms=1").await;
            raw.until(&room).await;
            let renames = async |word: &str, from: usize| {
                for n in from..from + 4 {
                    ada.call(Method::PATCH, &format!("/api/rooms/{room}"), Some(json!({ "name": format!("{word}-{round}-{n}") }))).await.ok();
                }
            };
            // Some are on their way when it happens.
            renames("early", 0).await;
            if round % 2 == 0 {
                raw.until(&format!("early-{round}-")).await;
            }
            ada.removes(&room, &bob).await;
            renames("late", 4).await;
            let last = format!("late-{round}-7");
            guard.lists("the last name", &room, |line| line["name"] == *last).await;
            raw.until(&format!("\"gone\":[\"{room}\"]")).await;
            // Something else is heard after it: what was not heard by now was not sent.
            let own = bob.makes_room("Own").await;
            raw.until(&own).await;
            assert!(!raw.has(&format!("late-{round}-")), "{}", raw.text());
            // The id alone, and nothing of what it names, stands after the removal.
            let (_, after) = raw.text().split_once("\"gone\":").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
            assert!(!after.contains("early-"), "{after}");
            ada.adds(&room, &bob).await;
            raw.until(&last).await;
        }
    }

    async fn marking_much_at_once_costs_no_frames_to_others(on: On) {
        let (_server, ada, bob, room) = kitchen(on).await;
        let mut places = Vec::new();
        for n in 0..10 {
            let id = ada.says(&room, &format!("{n}")).await;
            places.push(place_of(&ada, &room, &id).await);
        }
        let head = ada.room(&room).await["head"].clone();
        let mut hers = list_of(&ada).await;
        let mut tab = ada.live(&room).await;
        tab.catches_up().await;
        for place in &places {
            reads(&bob, &room, *place).await;
        }
        // The guard: this is heard, and nothing before it.
        let frames = (hers.list_frames.len(), tab.frames.len());
        assert_eq!(ada.room(&room).await["head"], head, "reading takes no number");
        bob.says(&room, "done").await;
        hers.lists("the post", &room, |line| line["unread"] == 1).await;
        tab.sees("done").await;
        assert_eq!((hers.list_frames.len(), tab.frames.len()), (frames.0 + 1, frames.1 + 1));
    }
}

/// The tables as the first migration made them.
fn first_alone(mut all: Migrator) -> Migrator {
    all.migrations = all.migrations.iter().filter(|migration| migration.version == 1).cloned().collect();
    all
}

on_both! {
    async fn what_was_there_before_counts_as_read(on: On) {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::new(on, folder.path()).await;
        match &database {
            Database::Sqlite(path) => {
                let mut conn = SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap();
                first_alone(sqlx::migrate!("migrations/sqlite")).run(&mut conn).await.unwrap();
            }
            Database::Postgres { url, .. } => {
                let mut conn = PgConnection::connect(url).await.unwrap();
                first_alone(sqlx::migrate!("migrations/postgres")).run(&mut conn).await.unwrap();
            }
        }
        let clock = Clock::system();
        let [ada, bob] = [(); 2].map(|()| PersonId(clock.new_id()));
        let [kitchen, attic] = [(); 2].map(|()| RoomId(clock.new_id()));
        for (id, name) in [(ada, "Ada"), (bob, "Bob")] {
            database.execute(&format!("INSERT INTO people VALUES ('{id}', '{name}', '', TRUE, FALSE, 1, 1)")).await;
        }
        for (id, head) in [(kitchen, 9), (attic, 1)] {
            let epoch = "0".repeat(32);
            database.execute(&format!("INSERT INTO rooms VALUES ('{id}', 'R', '', FALSE, '{epoch}', {head}, 1, 0, 5)")).await;
            for person in [ada, bob] {
                database.execute(&format!("INSERT INTO members VALUES ('{id}', '{person}', 'owner', 5, 0)")).await;
            }
        }
        for seq in 2..10 {
            let id = clock.new_id();
            let row = format!("'{id}', '{kitchen}', '{ada}', 'person', '', {seq}, {seq}, 'complete', NULL, '', 0, NULL, NULL");
            database.execute(&format!("INSERT INTO messages VALUES ({row}, 'Hi', '', '', '', 1, '', '{{}}', {}, NULL)", 100 * seq)).await;
        }
        let store = Store::open(&database.url(), clock, Arc::new(LocalBus::default())).await.unwrap();
        let lines = reading::lines_of_people(&mut store.reader().await.unwrap().conn(), &[bob]).await.unwrap();
        let line = |room: RoomId| lines.iter().find(|(_, line)| line.id == room).unwrap().1.clone();
        assert_eq!(lines.len(), 2);
        assert_eq!((line(kitchen).read, line(kitchen).unread, line(kitchen).at), (9, 0, 900));
        assert_eq!((line(attic).read, line(attic).unread, line(attic).at), (1, 0, 5));
        assert_eq!((line(kitchen).kind, line(kitchen).favourite, line(kitchen).mentions), (RoomKind::Room, false, 0));
        // They can be counted all the same.
        database.execute("UPDATE members SET read_seq = 4").await;
        let pairs = [(bob, kitchen), (ada, kitchen), (bob, RoomId(uuid::Uuid::nil()))];
        let lines = reading::lines_of_pairs(&mut store.reader().await.unwrap().conn(), &pairs).await.unwrap();
        let unread: BTreeMap<String, u32> = lines.into_iter().map(|(person, line)| (person.to_string(), line.unread)).collect();
        assert_eq!(unread, BTreeMap::from([(ada.to_string(), 0), (bob.to_string(), 5)]));
        store.close().await;
    }
}

/// A stream of which every byte is kept.
struct Raw {
    socket: TcpStream,
    bytes: Vec<u8>,
}

impl Raw {
    async fn open(server: &Server, cookies: &str, path: &str) -> Self {
        let host = server.url.trim_start_matches("http://");
        let mut socket = TcpStream::connect(host).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookies}\r\nAccept: text/event-stream\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        Self { socket, bytes: Vec::new() }
    }

    async fn until(&mut self, words: &str) {
        while !self.has(words) {
            let mut piece = vec![0; 64 * 1024];
            let read =
                timeout(PATIENCE, self.socket.read(&mut piece)).await.unwrap_or_else(|_| panic!("in vain: {words}: {}", self.text()));
            let read = read.unwrap();
            assert!(read > 0, "the stream ended before {words:?}: {}", self.text());
            self.bytes.extend_from_slice(&piece[..read]);
        }
    }

    fn has(&self, words: &str) -> bool {
        self.bytes.windows(words.len()).any(|window| window == words.as_bytes())
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}
