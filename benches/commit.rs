//! What sharing a commit is worth: posts a second, and how long one takes to be on disk, with 1, 10 and 100 people who post as fast as they
//! are answered. The same posts through the same chat and store, with the product's group commit and with one commit for each; on Postgres
//! too where `PARLOR_TEST_POSTGRES` names a server.
//!
//! `cargo bench --bench commit [-- FOLDER]`: the database lies in FOLDER, else in the folder for temporary files; a folder in memory would
//! measure nothing. About a minute.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parlor::chat::Chat;
use parlor::chat::messages::Post;
use parlor::clock::Clock;
use parlor::domain::id::{MessageId, PersonId, RoomId};
use parlor::store::{Announce, Announcement, Store};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection};

const POSTERS: [usize; 3] = [1, 10, 100];
/// How long each line is measured, after a moment that is not.
const MEASURED: Duration = Duration::from_secs(5);
const WARM_UP: Duration = Duration::from_millis(500);
/// More than anybody posts here: what is measured is the writer, not the limit of posts.
const NO_LIMIT: u32 = 100_000_000;

/// Counts commits: each announces once.
#[derive(Default)]
struct Commits(AtomicU64);

impl Announce for Commits {
    fn announce(&self, _: Vec<Announcement>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::main]
async fn main() {
    // Cargo adds “--bench”.
    let folder = std::env::args().skip(1).find(|arg| !arg.starts_with("--")).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(folder).expect("there is such a folder");
    println!("in {}; a flush of its disk takes {}", folder.path().display(), ms(flush(folder.path())));
    println!("{:24} {:>8} {:>10} {:>10} {:>10} {:>10} {:>12}", "", "posters", "posts/s", "p50", "p99", "longest", "posts/commit");
    for (n, posters) in POSTERS.into_iter().enumerate() {
        for (name, batch) in [("SQLite, one commit each", 1), ("SQLite, group commit", 200)] {
            let url = format!("sqlite:{}", folder.path().join(format!("{n}-{batch}.db")).display());
            measure(name, &url, batch, posters).await;
        }
    }
    let Ok(server) = std::env::var("PARLOR_TEST_POSTGRES") else { return };
    let conn = PgConnection::connect(&server).await.expect("PARLOR_TEST_POSTGRES can be reached");
    println!("Postgres with {}", settings(conn).await);
    for posters in POSTERS {
        let name = format!("bench_{}", Clock::system().new_id().simple());
        on_postgres(&server, &format!("CREATE DATABASE {name}")).await;
        let (host, _) = server.rsplit_once('/').expect("it looks like postgres://user@host/postgres");
        measure("Postgres", &format!("{host}/{name}"), 1, posters).await;
        on_postgres(&server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    }
}

async fn measure(name: &str, url: &str, batch: usize, posters: usize) {
    let commits = Arc::<Commits>::default();
    let store = Store::open_batching(url, Clock::system(), commits.clone(), batch).await.expect("the database can be opened");
    let chat = Chat::new(store.clone(), NO_LIMIT);
    let (ada, _) = chat.set_up("Ada", "four small blue words", IpAddr::V4(Ipv4Addr::LOCALHOST)).await.expect("the first account");
    let mut rooms = Vec::new();
    // Ten people to a room, so that on Postgres, where a room's posts go one after the other, others go beside them.
    for n in 0..posters.div_ceil(10) {
        rooms.push(chat.add_room(ada.id, &format!("Room {n}"), "", false).await.expect("a room").id);
    }
    post_for(&chat, ada.id, &rooms, posters, WARM_UP).await;
    let before = commits.0.load(Ordering::Relaxed);
    let began = Instant::now();
    let mut took = post_for(&chat, ada.id, &rooms, posters, MEASURED).await;
    let (seconds, commits) = (began.elapsed().as_secs_f64(), commits.0.load(Ordering::Relaxed) - before);
    took.sort_unstable();
    let at = |share: usize| took[(took.len() - 1) * share / 100];
    println!(
        "{name:24} {posters:>8} {:>10.0} {:>10} {:>10} {:>10} {:>12.1}",
        took.len() as f64 / seconds,
        ms(at(50)),
        ms(at(99)),
        ms(at(100)),
        took.len() as f64 / commits as f64
    );
    store.close().await;
}

/// Lets everybody post for a while, each as soon as the post before is answered; says how long each took.
async fn post_for(chat: &Chat, person: PersonId, rooms: &[RoomId], posters: usize, time: Duration) -> Vec<Duration> {
    let until = Instant::now() + time;
    let posters: Vec<_> = (0..posters)
        .map(|n| {
            let (chat, room) = (chat.clone(), rooms[n % rooms.len()]);
            tokio::spawn(async move {
                let mut took = Vec::new();
                while Instant::now() < until {
                    let post = Post {
                        id: MessageId(chat.clock().new_id()),
                        text: format!("Shall we **cook** today, at number {}? I have leeks and `{n}` potatoes.", took.len()),
                        reply_to: None,
                        files: Vec::new(),
                    };
                    let began = Instant::now();
                    chat.post(person, room, post).await.expect("it is stored");
                    took.push(began.elapsed());
                }
                took
            })
        })
        .collect();
    let mut all = Vec::new();
    for poster in posters {
        all.extend(poster.await.expect("a poster goes on to the end"));
    }
    all
}

/// What a commit cannot be faster than: the median of appending a page to a file and flushing it.
fn flush(folder: &std::path::Path) -> Duration {
    use std::io::Write;
    let mut file = std::fs::File::create(folder.join("flushed")).expect("the folder can be written to");
    let mut took: Vec<Duration> = (0..50)
        .map(|_| {
            let began = Instant::now();
            file.write_all(&[1; 4096]).and_then(|()| file.sync_data()).expect("it can be flushed");
            began.elapsed()
        })
        .collect();
    took.sort_unstable();
    took[took.len() / 2]
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

/// Whether its commits wait for the disk.
async fn settings(mut conn: PgConnection) -> String {
    let mut said = Vec::new();
    for name in ["fsync", "synchronous_commit"] {
        let value: String =
            sqlx::query_scalar(AssertSqlSafe(format!("SHOW {name}"))).fetch_one(&mut conn).await.expect("it has this setting");
        said.push(format!("{name} = {value}"));
    }
    said.join(", ")
}

async fn on_postgres(server: &str, sql: &str) {
    let options = PgConnectOptions::from_str(server).expect("PARLOR_TEST_POSTGRES is the address of a server");
    let mut conn = PgConnection::connect_with(&options).await.expect("it can be reached");
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut conn).await.expect("databases can be made there");
}
