//! A store, a hub, three people and their tabs in this process, with time standing still: what the steps of a case are done to.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use parlor::chat::Chat;
use parlor::chat::messages::Post;
use parlor::chat::rooms::RoomChange;
use parlor::chat::{ChatError, assistants::NewAssistant};
use parlor::clock::Clock;
use parlor::domain::assistant::{Provider, Speaks};
use parlor::domain::cursor::Epoch;
use parlor::domain::id::{MessageId, PersonId, RoomId, TokenId};
use parlor::domain::message::{AuthorId, Facts, Part, StateKind, utf16_len};
use parlor::domain::name::Name;
use parlor::domain::person::Person;
use parlor::live::{Feed, Follow, Hub, Reader, View, frame};
use parlor::render::{Context, Growing, RENDERER, plain_excerpt, render};
use parlor::reply::provider::Limits;
use parlor::reply::{Connections, Engine};
use parlor::store::accounts::NameOwner;
use parlor::store::attempts::{Claim, SoFar};
use parlor::store::messages::{Body, Ending, NewMessage};
use parlor::store::sessions::Session;
use parlor::store::{Announcement, ChunkDelta, Patience, Revocation, Store, StoreError, accounts, attempts, messages, rooms, sessions};
use parlor::words::Lang;
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::bus::{Fate, Script};
use super::tab::{Growth, Page, Row, Shown, Tab};
use crate::support::On;
use crate::support::database::Database;

const START: i64 = 1_777_593_600_000;
const YEAR: i64 = 365 * 24 * 60 * 60 * 1000;
/// How long a case waits for what must come, in real time. When one has failed, those that are tried to find a shorter one wait less.
const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(600);
static FAILED: AtomicBool = AtomicBool::new(false);

/// Time after which everything that was lost on the way to the hub has been found, in ms: heads are compared every two seconds.
const HEALED: u64 = 4_000;

pub const TABS: usize = 6;
pub const NAMES: [&str; 3] = ["Ada", "Bob", "Carol"];

/// One reply that is being written, as its run knows it.
#[derive(Clone, Debug)]
pub struct Run {
    pub room: RoomId,
    pub claim: Claim,
    pub text: SoFar,
}

/// A write with everything that it names: several of them can be under way at once.
#[derive(Clone, Debug)]
pub enum Write {
    Post {
        by: PersonId,
        room: RoomId,
        post: (MessageId, String, Option<MessageId>),
    },
    /// Many rows in one transaction.
    Storm {
        by: PersonId,
        room: RoomId,
        rows: usize,
        bytes: usize,
    },
    Edit {
        by: PersonId,
        room: RoomId,
        id: MessageId,
        text: String,
    },
    Delete {
        by: PersonId,
        room: RoomId,
        id: MessageId,
    },
    Rename {
        by: PersonId,
        room: RoomId,
        name: String,
    },
    Remove {
        by: PersonId,
        room: RoomId,
        who: PersonId,
    },
    SignOut {
        who: PersonId,
        session: String,
    },
    Revoke {
        token: TokenId,
    },
    Disable {
        by: PersonId,
        who: PersonId,
    },
    Stop {
        by: PersonId,
        room: RoomId,
        id: MessageId,
    },
    Retry {
        by: PersonId,
        room: RoomId,
        id: MessageId,
    },
    Continue {
        by: PersonId,
        room: RoomId,
        id: MessageId,
    },
    Append {
        run: Run,
        pieces: Vec<(Part, String)>,
    },
    End {
        run: Run,
        state: StateKind,
    },
}

impl Write {
    pub fn is_of(&self, run: &Run) -> bool {
        matches!(self, Self::Append { run: its, .. } | Self::End { run: its, .. } if its.claim == run.claim)
    }
}

/// What a write has changed for its run.
#[derive(Clone, Debug)]
pub enum Done {
    Other,
    Appended(Claim, Vec<(Part, String)>),
    /// The attempt is not this run's any more, or has ended.
    Over(Claim),
}

struct House {
    store: Store,
    hub: Hub,
    chat: Chat,
    stop: CancellationToken,
    tasks: TaskTracker,
}

pub struct World {
    house: Option<House>,
    pub bus: Arc<Script>,
    clock: Clock,
    pub rooms: [RoomId; 2],
    pub people: [Person; 3],
    /// What each signs in with: a session and a token.
    credentials: [[String; 2]; 3],
    pub messages: Vec<(RoomId, MessageId, PersonId)>,
    pub replies: Vec<(RoomId, MessageId)>,
    pub runs: Vec<Run>,
    pub tabs: Vec<Tab>,
    /// Where each tab's connection began in the list of what was revoked, its person, its credential, and the rooms it has no right to.
    seats: Vec<Seat>,
    /// Tabs that do not read.
    pub stalled: [bool; TABS],
    /// What is known to be stored of each growing text.
    stored: HashMap<(String, i64, String), String>,
    said: usize,
    database: Database,
    _folder: TempDir,
}

#[derive(Clone, Debug, Default)]
struct Seat {
    told: usize,
    person: usize,
    credential: String,
    barred: Vec<String>,
}

/// A room as a page that is loaded now would show it.
pub struct Fresh {
    cursor: String,
    room: Value,
    rows: BTreeMap<String, Row>,
}

impl World {
    pub async fn new(on: On) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::new(on, folder.path()).await;
        let (clock, bus) = (Clock::manual(START), Arc::new(Script::default()));
        let house = open(&database, &clock, &bus).await;
        let people: [Person; 3] = std::array::from_fn(|n| Person {
            id: PersonId(clock.new_id()),
            name: NAMES[n].to_owned(),
            admin: n == 0,
            disabled: false,
            created_at: START,
        });
        let newcomers = people.clone();
        written(&house.store, move |tx| {
            Box::pin(async move {
                for person in &newcomers {
                    let name = Name::parse(&person.name).unwrap();
                    accounts::take_name(&mut tx.conn(), &name, NameOwner::Person(person.id)).await?;
                    // Nobody signs in here.
                    accounts::insert(&mut tx.conn(), person, "").await?;
                }
                Ok(())
            })
        })
        .await;
        let kitchen = house.chat.add_room(people[0].id, "Kitchen", "", false).await.unwrap().id;
        let hall = house.chat.add_room(people[0].id, "Hall", "", false).await.unwrap().id;
        let echo = NewAssistant {
            name: "Echo".into(),
            provider: Provider::Scripted,
            base_url: String::new(),
            model: "echo".into(),
            key_env: None,
            headers: Vec::new(),
            system_prompt: String::new(),
        };
        let echo = house.chat.add_assistant(echo, Some((kitchen, Speaks::Mention))).await.unwrap();
        house.chat.put_assistant(people[0].id, hall, echo.id, Speaks::Mention).await.unwrap();
        let views = [View::Text, View::Html(Lang::En), View::Text, View::Html(Lang::En), View::Text, View::Html(Lang::En)];
        let tabs = views.iter().enumerate().map(|(n, view)| Tab::new(format!("tab {n} of {}", NAMES[n % 3]), *view)).collect();
        let mut world = Self {
            house: Some(house),
            bus,
            clock,
            rooms: [kitchen, hall],
            people,
            credentials: Default::default(),
            messages: Vec::new(),
            replies: Vec::new(),
            runs: Vec::new(),
            tabs,
            seats: vec![Seat::default(); TABS],
            stalled: [false; TABS],
            stored: HashMap::new(),
            said: 0,
            database,
            _folder: folder,
        };
        for person in 0..3 {
            world.admit(person).await;
        }
        world
    }

    fn house(&self) -> &House {
        self.house.as_ref().expect("it is open")
    }

    /// Lets somebody in, in every way in which they may have been shut out.
    pub async fn admit(&mut self, person: usize) {
        let (chat, clock) = (self.house().chat.clone(), self.clock.clone());
        let id = self.people[person].id;
        let session = Session {
            id: format!("{} {}", self.people[person].name, clock.new_id()),
            person: Some(id),
            data: "{}".into(),
            address: String::new(),
            agent: String::new(),
            created_at: clock.now(),
            seen_at: clock.now(),
            expires_at: clock.now() + YEAR,
        };
        if person > 0 {
            chat.set_disabled(self.people[0].id, id, false).await.unwrap();
            for room in self.rooms {
                chat.add_person_to_room(self.people[0].id, room, id).await.unwrap();
            }
        }
        // Whoever knocked while shut out, with what is good again, may be let in after all.
        for tab in (0..TABS).filter(|tab| tab % 3 == person) {
            self.seats[tab].barred.clear();
        }
        self.credentials[person][0] = session.id.clone();
        chat.save_session(session).await.unwrap();
        let known = chat.tokens(Some(id)).await.unwrap();
        if !known.iter().any(|token| token.id.to_string() == self.credentials[person][1] && !token.revoked) {
            self.credentials[person][1] = chat.add_token(id).await.unwrap().0.to_string();
        }
    }

    pub fn session(&self, person: usize) -> &str {
        &self.credentials[person][0]
    }

    pub fn token(&self, person: usize) -> TokenId {
        self.credentials[person][1].parse().unwrap()
    }

    /// New words, never said before.
    pub fn words(&mut self, words: &str) -> String {
        self.said += 1;
        format!("{words} {}", self.said)
    }

    pub fn new_message(&mut self, room: RoomId, by: PersonId) -> MessageId {
        let id = MessageId(self.clock.new_id());
        self.messages.push((room, id, by));
        id
    }

    // ---- writing ----

    /// Does all of this at once, while the tabs read on.
    pub async fn write(&mut self, writes: Vec<Write>) {
        let (store, chat) = (self.house().store.clone(), self.house().chat.clone());
        let clock = self.clock.clone();
        let mut under_way = tokio::task::JoinSet::new();
        for write in writes {
            under_way.spawn(perform(store.clone(), chat.clone(), clock.clone(), write));
        }
        let until = patience();
        while !under_way.is_empty() {
            assert!(Instant::now() < until, "a write waits for ever");
            while let Some(done) = under_way.try_join_next() {
                self.settle(done.expect("a write does not panic"));
            }
            self.turn().await;
        }
        let mut snapshot = store.snapshot().await.unwrap();
        for room in self.rooms {
            for row in messages::page_before(&mut snapshot.conn(), room, i64::MAX, 100_000).await.unwrap() {
                let key = (room, row.message.id);
                if row.message.author.is_assistant() && !self.replies.contains(&key) {
                    self.replies.push(key);
                }
            }
        }
        drop(snapshot);
        self.notice_seeds().await;
    }

    fn settle(&mut self, done: Done) {
        match done {
            Done::Other => {}
            Done::Over(claim) => self.runs.retain(|run| run.claim != claim),
            Done::Appended(claim, pieces) => {
                if let Some(run) = self.runs.iter_mut().find(|run| run.claim == claim) {
                    for (part, piece) in pieces {
                        match part {
                            Part::Answer => run.text.answer.push_str(&piece),
                            Part::Reasoning => run.text.reasoning.push_str(&piece),
                        }
                        let key = (claim.message.to_string(), claim.attempt, part.as_str().to_owned());
                        self.stored.entry(key).or_default().push_str(&piece);
                    }
                }
            }
        }
    }

    /// A continued attempt begins with text that no delta brought.
    async fn notice_seeds(&mut self) {
        let store = self.house().store.clone();
        let mut snapshot = store.snapshot().await.unwrap();
        for (room, id) in self.replies.clone() {
            let Some(row) = messages::find(&mut snapshot.conn(), room, id).await.unwrap() else { continue };
            let attempt = row.message.attempt;
            if !row.message.state.kind().is_open() {
                continue;
            }
            let so_far = attempts::so_far(&mut snapshot.conn(), id, attempt).await.unwrap();
            for part in Part::ALL {
                let len = utf16_len(so_far.part(part)) as i64;
                if len > 0 {
                    let mut bus = self.bus.state();
                    let known = bus.committed.lens.entry((id, attempt, part)).or_default();
                    *known = len.max(*known);
                    let key = (id.to_string(), attempt, part.as_str().to_owned());
                    self.stored.insert(key, so_far.part(part).to_owned());
                }
            }
        }
    }

    /// Takes the reply that has waited longest, as the engine does.
    pub async fn claim(&mut self) {
        let store = self.house().store.clone();
        let waiting = attempts::queued(&mut store.snapshot().await.unwrap().conn(), 1).await.unwrap();
        let Some(job) = waiting.into_iter().next() else { return };
        let claimed = store
            .write(Patience::Wait, move |tx| {
                Box::pin(async move {
                    let rev = tx.advance(job.room).await?;
                    let now = tx.now();
                    let claim = attempts::claim(&mut tx.conn(), job.message, job.attempt, "this run", now, now + YEAR).await?;
                    let claim = claim.ok_or(StoreError::NoRoom)?;
                    messages::reopen(tx, job.message, StateKind::Streaming, job.attempt, job.asked_by, rev).await?;
                    Ok::<_, StoreError>(claim)
                })
            })
            .await
            .unwrap();
        let text = attempts::so_far(&mut store.snapshot().await.unwrap().conn(), claimed.message, claimed.attempt).await.unwrap();
        self.runs.push(Run { room: job.room, claim: claimed, text });
    }

    // ---- tabs ----

    /// Loads the pages of both rooms, or of one.
    pub async fn load(&mut self, tab: usize, both: bool) {
        let rooms = self.rooms;
        self.load_rooms(tab, if both { &rooms } else { &rooms[..1] }).await;
    }

    /// What a tab does when it is opened, or after a `reset`.
    async fn load_rooms(&mut self, tab: usize, rooms: &[RoomId]) {
        let mut pages = BTreeMap::new();
        for room in rooms.iter().copied() {
            if !self.may_read(tab, room).await {
                continue;
            }
            let fresh = self.fresh(room, self.tabs[tab].view).await;
            let rows = fresh.rows.into_iter().map(|(id, row)| (id, Row { data: row.data, ..Row::default() })).collect();
            let page = Page { rows, room: fresh.room, cursor: Some(fresh.cursor), ..Page::default() };
            pages.insert(room.to_string(), page);
        }
        self.tabs[tab].close();
        self.tabs[tab].pages = pages;
    }

    async fn may_read(&self, tab: usize, room: RoomId) -> bool {
        let person = tab % 3;
        let mut snapshot = self.house().store.snapshot().await.unwrap();
        let conn = &mut snapshot.conn();
        rooms::find_for(conn, room, self.people[person].id).await.unwrap().is_some()
            && self.is_valid(conn, &self.credentials[person][tab / 3]).await
    }

    async fn is_valid(&self, conn: &mut parlor::store::Conn<'_>, credential: &str) -> bool {
        !sessions::still_valid(conn, &[credential.to_owned()], self.clock.now()).await.unwrap().is_empty()
    }

    /// Opens a tab's stream, each of its rooms from its own cursor as `at` bends it. A tab that knows nothing loads its page first.
    pub async fn open(&mut self, tab: usize, at: At) {
        let pages = &self.tabs[tab].pages;
        // After a `reset` it is the page that says where to go on.
        if pages.is_empty() {
            self.load(tab, tab < 3).await;
        } else if pages.values().any(|page| page.stale) {
            let rooms: Vec<RoomId> = pages.keys().map(|room| room.parse().unwrap()).collect();
            self.load_rooms(tab, &rooms).await;
        }
        let person = tab % 3;
        let (mut follows, mut from, mut barred) = (Vec::new(), BTreeMap::new(), Vec::new());
        let rooms: Vec<String> = self.tabs[tab].pages.keys().cloned().collect();
        for name in rooms {
            let room: RoomId = name.parse().unwrap();
            if !self.may_read(tab, room).await {
                barred.push(name.clone());
            }
            let head = self.fresh_head(room).await;
            let page = self.tabs[tab].pages.get_mut(&name).unwrap();
            page.stale = false;
            let cursor = page.cursor.as_deref().map(|cursor| cursor.parse::<parlor::domain::cursor::Cursor>().unwrap());
            let follow = match (at, cursor) {
                (At::Own, Some(cursor)) => Follow::After(cursor),
                (At::Own | At::Now, _) => Follow::Now(room),
                (At::Lost, _) => Follow::Lost(room),
                (At::Ahead, Some(cursor)) => Follow::After(parlor::domain::cursor::Cursor { seq: head + 1000, ..cursor }),
                (At::OtherEpoch, Some(cursor)) => Follow::After(parlor::domain::cursor::Cursor { epoch: Epoch(!cursor.epoch.0), ..cursor }),
                (At::Ahead | At::OtherEpoch, None) => Follow::Lost(room),
            };
            // A program that begins now has no page.
            if let Follow::Now(_) = follow {
                *page = Page { since: Some(i64::MAX), ..Page::default() };
            }
            let sent = if let Follow::After(cursor) = follow { cursor.seq.min(head) } else { 0 };
            from.insert(name, sent);
            follows.push(follow);
        }
        if follows.is_empty() {
            return;
        }
        let credential = self.credentials[person][tab / 3].clone();
        let reader = Reader { person: self.people[person].id, credential: credential.clone() };
        self.tabs[tab].close();
        let (hub, view) = (&self.house().hub, self.tabs[tab].view);
        // As a request does it: who was let in a moment ago is not asked again, unless somebody has lost access since. A signal that never
        // came cannot be remembered; where that can happen, nothing is. And whoever knocks without a right does so past the door here.
        let known = hub.admission(&credential).filter(|known| follows.iter().all(|follow| known.rooms.contains(&follow.room())));
        let feed = match known {
            Some(known) if !self.bus.state().lost => Feed::open_for(hub, &known, &follows, &[], view),
            _ if !barred.is_empty() => Feed::open(hub, reader, &follows, &[], view),
            _ => {
                let revocations = hub.revocations();
                let rooms = rooms::list_for(&mut self.house().store.snapshot().await.unwrap().conn(), reader.person).await.unwrap();
                let rooms = rooms.into_iter().map(|(room, _)| room.id).collect();
                let admission = hub.admit(&credential, reader, rooms, revocations);
                Feed::open_for(hub, &admission, &follows, &[], view)
            }
        };
        let feed = feed.expect("there are few streams");
        let told = self.bus.state().told.len();
        self.seats[tab] = Seat { told, person, credential, barred };
        self.tabs[tab].open(feed, &from);
    }

    async fn fresh_head(&self, room: RoomId) -> i64 {
        let mut snapshot = self.house().store.snapshot().await.unwrap();
        rooms::find(&mut snapshot.conn(), room).await.unwrap().unwrap().head
    }

    /// The hub was told to end this room of this tab's stream, by the first revocation that hits it.
    fn hit(&self, tab: usize, room: &str) -> Option<super::bus::Told> {
        let seat = &self.seats[tab];
        let bus = self.bus.state();
        let hits = |what: &Revocation| match what {
            Revocation::Member { room: its, person } => its.to_string() == room && *person == self.people[seat.person].id,
            Revocation::Person(person) => *person == self.people[seat.person].id,
            Revocation::Credential(credential) => *credential == seat.credential,
        };
        bus.told[seat.told.min(bus.told.len())..].iter().find(|told| hits(&told.what)).cloned()
    }

    /// Lets a tab read what waits for it, and judges what came.
    pub async fn read(&mut self, tab: usize, pieces: usize) -> bool {
        if !self.tabs[tab].is_open() {
            return false;
        }
        let name = self.tabs[tab].name.clone();
        let rooms: Vec<String> = self.tabs[tab].pages.keys().cloned().collect();
        let mut ended = Vec::new();
        for room in &rooms {
            let Some(told) = self.hit(tab, room) else { continue };
            ended.push(room.clone());
            // What this connection had shown by then was committed before the revocation.
            let Some(before) = told.before else { continue };
            let most = before.heads.get(&room.parse().unwrap()).copied().unwrap_or(1);
            let shown = self.tabs[tab].revs.get(room).copied().unwrap_or(0);
            assert!(shown <= most, "{name}: it has shown change {shown}, committed after its revocation at {most}");
            for ((id, attempt, part), len) in &self.tabs[tab].lens {
                let part = if part == "answer" { Part::Answer } else { Part::Reasoning };
                let stored = before.lens.get(&(id.parse().unwrap(), *attempt, part)).copied().unwrap_or(0);
                let its_room = self.replies.iter().find(|(_, reply)| reply.to_string() == *id).map(|(room, _)| room.to_string());
                if its_room.as_ref() == Some(room) {
                    assert!(*len as i64 <= stored, "{name}: it has shown {len} units of {id}, {stored} were stored when it was revoked");
                }
            }
        }
        let any = self.tabs[tab].read(pieces, self.stalled[tab]);
        for (event, room) in self.tabs[tab].came.clone() {
            let over = ended.contains(&room) || self.seats[tab].barred.contains(&room);
            assert!(!over || event == "bye", "{name}: a {event} of a room to which it has no right any more\n{}", self.describe(tab));
        }
        // A whole stream that ends says nothing else.
        let shown = std::mem::take(&mut self.tabs[tab].shown);
        for shown in shown {
            self.is_stored(tab, &shown).await;
        }
        any
    }

    /// What a tab shows of a growing text is a beginning of what is stored.
    async fn is_stored(&mut self, tab: usize, shown: &Shown) {
        let view = self.tabs[tab].view;
        let key = (shown.id.clone(), shown.attempt, shown.part.clone());
        if !self.stored.get(&key).is_some_and(|stored| is_shown(stored, shown, view)) {
            let id: MessageId = shown.id.parse().unwrap();
            let store = self.house().store.clone();
            let mut snapshot = store.snapshot().await.unwrap();
            let conn = &mut snapshot.conn();
            let part = if shown.part == "answer" { Part::Answer } else { Part::Reasoning };
            let mut stored = attempts::so_far(conn, id, shown.attempt).await.unwrap().part(part).to_owned();
            for room in self.rooms {
                if let Some(row) = messages::find(conn, room, id).await.unwrap().map(|stored| stored.message) {
                    if row.state.kind() == StateKind::Deleted {
                        return;
                    }
                    if row.attempt == shown.attempt && !row.state.kind().is_open() {
                        stored = if part == Part::Answer { row.text } else { row.reasoning };
                    } else if row.attempt > shown.attempt {
                        // What an earlier attempt said is kept elsewhere, or goes on in the later one.
                        return;
                    }
                }
            }
            assert!(is_shown(&stored, shown, view), "{}: shown {shown:?}, stored {stored:?}\n{}", self.tabs[tab].name, self.describe(tab));
            self.stored.insert(key, stored);
        }
    }

    /// Gives everything a turn: the hub's tasks, the database, and the tabs that read.
    pub async fn turn(&mut self) {
        tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_micros(100))).await.unwrap();
        for tab in 0..TABS {
            self.read(tab, 4).await;
            // A reader that finds a gap opens its stream again, from its last cursor; one that is told to renews it.
            let renew = !self.tabs[tab].is_open() && self.tabs[tab].bye.as_deref() == Some("renew");
            if self.tabs[tab].gap || renew {
                let pages = &self.tabs[tab].pages;
                let excused = pages.values().any(|page| page.stale || page.since.is_some());
                assert!(!self.tabs[tab].gap || excused, "{}: a gap that the server made\n{}", self.tabs[tab].name, self.describe(tab));
                self.reopen(tab).await;
            }
        }
    }

    async fn reopen(&mut self, tab: usize) {
        let since: Vec<(String, Option<i64>)> = self.tabs[tab].pages.iter().map(|(room, page)| (room.clone(), page.since)).collect();
        self.open(tab, At::Own).await;
        for (room, since) in since {
            if let Some(page) = self.tabs[tab].pages.get_mut(&room) {
                page.since = page.since.or(since);
            }
        }
    }

    /// Lets time pass, for the hub and for the clock.
    pub async fn pass(&mut self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
        tokio::time::advance(Duration::from_millis(ms)).await;
        self.turn().await;
        if ms >= 1000 {
            // What waits for the database has got its answer before more time passes, or time-outs would be met that nobody has seen.
            self.fresh_head(self.rooms[0]).await;
        }
    }

    /// Hours go by at once: streams want to be renewed.
    pub async fn hours(&mut self) {
        self.clock.advance(Duration::from_secs(5 * 60 * 60));
        self.pass(1000).await;
    }

    // ---- the server ends and starts again ----

    pub async fn restart(&mut self, gracefully: bool, restored: bool) {
        if gracefully {
            let hub = self.house().hub.clone();
            let farewell = tokio::spawn(async move { hub.shutdown().await });
            while !farewell.is_finished() {
                self.pass(100).await;
            }
        }
        self.tabs.iter_mut().for_each(Tab::close);
        let House { store, hub, chat, stop, tasks } = self.house.take().unwrap();
        drop((hub, chat));
        {
            let mut bus = self.bus.state();
            bus.hub = None;
            bus.held.clear();
            // Streams are gone, and who was lost with them.
            bus.lost = false;
            bus.behind.clear();
        }
        stop.cancel();
        tasks.close();
        tasks.wait().await;
        store.close().await;
        self.runs.clear();
        if restored {
            let epoch = Epoch(u128::from_be_bytes(self.clock.random()));
            self.database.execute(&format!("UPDATE rooms SET epoch = '{epoch}' WHERE id = '{}'", self.rooms[0])).await;
        }
        let fates = std::mem::take(&mut self.bus.state().fates);
        let house = open(&self.database, &self.clock, &self.bus).await;
        // The engine marks what the last process left behind; it has nothing else to do here.
        let connections = Arc::new(Connections::new(Limits::default(), None, self.clock.clone()));
        let engine = Engine::start(house.store.clone(), connections, TaskTracker::new(), true).await.unwrap();
        engine.shutdown().await;
        self.house = Some(house);
        self.bus.state().fates = fates;
    }

    // ---- judging ----

    pub async fn fresh(&self, room: RoomId, view: View) -> Fresh {
        let mut snapshot = self.house().store.snapshot().await.unwrap();
        let conn = &mut snapshot.conn();
        let found = rooms::find(conn, room).await.unwrap().unwrap();
        let cursor = found.cursor().to_string();
        let detail = rooms::detail(conn, found).await.unwrap();
        let mut rows = BTreeMap::new();
        for stored in messages::page_before(conn, room, i64::MAX, 100_000).await.unwrap() {
            let mut row = Row { data: json(&frame::message(&stored, view)), ..Row::default() };
            let message = &stored.message;
            if message.state.kind() == StateKind::Streaming {
                let so_far = attempts::so_far(conn, message.id, message.attempt).await.unwrap();
                row.answer = growth(&so_far.answer, &message.id.to_string(), view);
                row.reasoning = growth(&so_far.reasoning, &format!("{}-r", message.id), view);
            }
            rows.insert(message.id.to_string(), row);
        }
        Fresh { cursor, room: json(&frame::room(&detail)), rows }
    }

    /// What is wrong with what a tab shows; nothing if it is what a fresh page would show.
    fn differs(&self, tab: usize, exactly: bool, truth: &[Vec<Fresh>; 2]) -> Option<String> {
        let shows = &self.tabs[tab];
        for (name, page) in &shows.pages {
            let at = self.rooms.iter().position(|room| room.to_string() == *name).unwrap();
            let fresh = &truth[usize::from(shows.view == View::Html(Lang::En))][at];
            if !page.caught_up {
                return Some(format!("{name}: it has not caught up"));
            }
            if page.cursor.as_deref() != Some(&fresh.cursor) {
                return Some(format!("{name}: it is at {:?}, the room at {}", page.cursor, fresh.cursor));
            }
            if !page.room.is_null() && page.room != fresh.room || page.room.is_null() && fresh.room["rev"].as_i64() > page.since {
                return Some(format!("{name}: the room is {}, it shows {}", fresh.room, page.room));
            }
            for (id, row) in &page.rows {
                match fresh.rows.get(id) {
                    Some(fresh) if fresh.data == row.data => {}
                    fresh => return Some(format!("{id} is {:?}, it shows {}", fresh.map(|row| &row.data), row.data)),
                }
            }
            for (id, row) in &fresh.rows {
                let Some(shown) = page.rows.get(id) else {
                    match page.since {
                        Some(since) if row.rev() <= since => continue,
                        _ => return Some(format!("{id} is not there: {}", row.data)),
                    }
                };
                for (part, is, shown) in [(Part::Answer, &row.answer, &shown.answer), (Part::Reasoning, &row.reasoning, &shown.reasoning)] {
                    let behind = self.bus.state().behind.contains(&(id.parse().unwrap(), row.attempt(), part));
                    let partly = page.since.is_some() && shown.len == 0;
                    if row.state() == "streaming" && is != shown && !(partly || behind && !exactly) {
                        return Some(format!("{id} {part:?} is {is:?}, it shows {shown:?}"));
                    }
                }
            }
        }
        None
    }

    /// Waits until everybody who is connected, reads, and has not been told otherwise shows what is stored.
    pub async fn agree(&mut self, exactly: bool, what: &str) {
        let until = patience();
        // Nobody writes meanwhile.
        let mut truth = [Vec::new(), Vec::new()];
        for (view, fresh) in [View::Text, View::Html(Lang::En)].into_iter().zip(&mut truth) {
            for room in self.rooms {
                fresh.push(self.fresh(room, view).await);
            }
        }
        let mut passed = 0;
        for tab in 0..TABS {
            loop {
                if self.stalled[tab] || !self.tabs[tab].is_open() || self.told_otherwise(tab) {
                    break;
                }
                // Lost signals are not healed yet: the regular check has its own time.
                if self.bus.state().lost && !self.keeps_its_right(tab).await {
                    break;
                }
                let Some(why) = self.differs(tab, exactly, &truth) else { break };
                if Instant::now() > until {
                    panic!("{what}: {} does not show what is stored: {why}\n{}", self.tabs[tab].name, self.describe(tab));
                }
                // What is lost heals within two seconds. More time does not pass, or a tab that nobody woke would be woken by a heartbeat.
                match passed < HEALED {
                    true => self.pass(16).await,
                    false => self.turn().await,
                }
                passed += 16;
            }
        }
    }

    /// A tab that has been told to load again, or of whose rooms one has ended, has nothing to be compared with.
    fn told_otherwise(&self, tab: usize) -> bool {
        let rooms = &self.tabs[tab].pages;
        rooms.iter().any(|(room, page)| page.stale || page.gone || self.hit(tab, room).is_some())
    }

    async fn keeps_its_right(&self, tab: usize) -> bool {
        let seat = &self.seats[tab];
        let mut snapshot = self.house().store.snapshot().await.unwrap();
        let conn = &mut snapshot.conn();
        for room in self.tabs[tab].pages.keys() {
            if rooms::find_for(conn, room.parse().unwrap(), self.people[seat.person].id).await.unwrap().is_none() {
                return false;
            }
        }
        self.is_valid(conn, &seat.credential).await
    }

    /// The end of a case: no more is lost, what heals has its time, and then everybody shows what is stored, or nothing any more.
    pub async fn end(&mut self) {
        {
            let mut bus = self.bus.state();
            bus.fates = [Fate::Now; 3];
            bus.held.clear();
        }
        self.stalled = [false; TABS];
        // The next piece of each text tells the hub what it has missed.
        let last: Vec<Write> = self.runs.iter().map(|run| Write::Append { run: run.clone(), pieces: last_pieces() }).collect();
        self.write(last).await;
        for _ in 0..if self.bus.state().lost { 17 } else { 3 } {
            self.pass(1000).await;
        }
        let until = patience();
        for tab in 0..TABS {
            // Who has lost a room is told so, whether the signal came or not, and hears nothing more of it.
            while self.tabs[tab].is_open() && !self.keeps_its_right(tab).await && !self.is_told(tab) {
                if Instant::now() > until {
                    panic!("{} is not told that it has lost its right\n{}", self.tabs[tab].name, self.describe(tab));
                }
                self.pass(16).await;
            }
        }
        self.bus.state().lost = false;
        for tab in 0..TABS {
            let pages = &self.tabs[tab].pages;
            let again = !self.tabs[tab].is_open() || pages.values().any(|page| page.stale || page.gone) || self.told_otherwise(tab);
            if !again {
                continue;
            }
            self.tabs[tab].close();
            let keys: Vec<String> = self.tabs[tab].pages.keys().cloned().collect();
            for room in keys {
                if !self.may_read(tab, room.parse().unwrap()).await {
                    self.tabs[tab].pages.remove(&room);
                }
            }
            if !self.tabs[tab].pages.is_empty() {
                self.reopen(tab).await;
            }
        }
        self.agree_after_resets().await;
        for _ in 0..3 {
            self.pass(1000).await;
        }
        self.agree(true, "some time later").await;
        self.database.holds().await;
    }

    /// An old cursor may be answered with a reset once more; after the page was loaded there is no reason for another.
    async fn agree_after_resets(&mut self) {
        let until = patience();
        for tab in 0..TABS {
            while self.tabs[tab].is_open() && self.tabs[tab].pages.values().any(|page| !page.caught_up && !page.stale && !page.gone) {
                if Instant::now() > until {
                    panic!("{} does not catch up\n{}", self.tabs[tab].name, self.describe(tab));
                }
                self.pass(16).await;
            }
            if self.tabs[tab].pages.values().any(|page| page.stale) {
                self.open(tab, At::Own).await;
            }
        }
        self.agree(true, "in the end").await;
    }

    /// Every room that the tab has lost has been ended for it.
    fn is_told(&self, tab: usize) -> bool {
        self.tabs[tab].pages.values().any(|page| page.gone) || !self.tabs[tab].is_open()
    }

    fn describe(&self, tab: usize) -> String {
        let tab = &self.tabs[tab];
        format!("bye {:?}, {} gaps; the last frames are\n  {}", tab.bye, tab.gaps, tab.last.join("\n  "))
    }
}

/// Where a stream is asked to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Where the tab is.
    Own,
    /// No cursor: from now on.
    Now,
    Lost,
    Ahead,
    OtherEpoch,
}

fn patience() -> Instant {
    Instant::now() + if FAILED.load(Ordering::Relaxed) { SHORT } else { LONG }
}

/// From now on less is waited for.
pub fn failed() {
    FAILED.store(true, Ordering::Relaxed);
}

fn last_pieces() -> Vec<(Part, String)> {
    Part::ALL.map(|part| (part, "The end.".to_owned())).to_vec()
}

pub fn pieces(text: &str) -> Vec<(Part, String)> {
    vec![(Part::Answer, text.to_owned())]
}

fn json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

fn growth(text: &str, scope: &str, view: View) -> Growth {
    let len = utf16_len(text);
    match view {
        View::Text => Growth { len, text: text.to_owned(), blocks: Vec::new() },
        View::Html(_) if len == 0 => Growth::default(),
        View::Html(_) => {
            Growth { len, text: String::new(), blocks: Growing::from(text, &Context { scope, names: &[], rooms: &[] }).blocks().to_vec() }
        }
    }
}

/// Whether a tab that shows this shows a beginning of what is stored.
fn is_shown(stored: &str, shown: &Shown, view: View) -> bool {
    let mut units = 0;
    let end = stored.char_indices().find(|(_, c)| {
        let full = units >= shown.growth.len;
        units += c.len_utf16();
        full
    });
    let beginning = end.map_or(stored, |(end, _)| &stored[..end]);
    let scope = if shown.part == "answer" { shown.id.clone() } else { format!("{}-r", shown.id) };
    growth(beginning, &scope, view) == shown.growth
}

async fn open(database: &Database, clock: &Clock, bus: &Arc<Script>) -> House {
    let store = Store::open(&database.url(), clock.clone(), bus.clone()).await.unwrap();
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let hub = Hub::new(store.clone(), tasks.clone(), stop.clone());
    bus.state().hub = Some(hub.clone());
    House { chat: Chat::new(store.clone(), 6_000_000), store, hub, stop, tasks }
}

async fn written<F>(store: &Store, work: F)
where
    F: for<'t> FnOnce(&'t mut parlor::store::Tx) -> BoxFuture<'t, Result<(), StoreError>> + Send + 'static,
{
    store.write(Patience::Wait, work).await.unwrap();
}

/// Does one write, as a person or a run does it. A refusal by the rules is an answer like any other; a broken database is not.
async fn perform(store: Store, chat: Chat, clock: Clock, write: Write) -> Done {
    let done = match write {
        Write::Post { by, room, post: (id, text, reply_to) } => {
            chat.post(by, room, Post { id, text, reply_to, files: Vec::new() }).await.map(drop)
        }
        Write::Edit { by, room, id, text } => chat.edit(by, room, id, &text, None).await,
        Write::Delete { by, room, id } => chat.delete(by, room, id).await,
        Write::Rename { by, room, name } => chat.change_room(by, room, RoomChange { name: Some(name), ..RoomChange::default() }).await,
        Write::Remove { by, room, who } => chat.remove_member(by, room, who).await,
        Write::SignOut { who, session } => chat.end_session(who, session).await,
        Write::Revoke { token } => chat.revoke_token(None, token).await,
        Write::Disable { by, who } => chat.set_disabled(by, who, true).await,
        Write::Stop { by, room, id } => chat.stop(by, room, id, None).await,
        Write::Retry { by, room, id } => chat.retry(by, room, id, None).await,
        Write::Continue { by, room, id } => chat.continue_reply(by, room, id, None).await,
        Write::Storm { by, room, rows, bytes } => {
            let ids: Vec<MessageId> = (0..rows).map(|_| MessageId(clock.new_id())).collect();
            written(&store, move |tx| Box::pin(async move { storm(tx, by, room, ids, bytes).await })).await;
            Ok(())
        }
        Write::Append { run, pieces } => return append(&store, run, pieces).await,
        Write::End { run, state } => return end(&store, run, state).await,
    };
    if let Err(ChatError::Store(error)) = done {
        panic!("the store refused: {error}");
    }
    Done::Other
}

async fn storm(tx: &mut parlor::store::Tx, by: PersonId, room: RoomId, ids: Vec<MessageId>, bytes: usize) -> Result<(), StoreError> {
    let text = "x".repeat(bytes);
    for id in ids {
        let seq = tx.advance(room).await?;
        let body = Body { html: format!("<p>{text}</p>"), excerpt: "x".into(), text: text.clone(), renderer: RENDERER };
        let new = NewMessage {
            id,
            room,
            author: AuthorId::Person(by),
            post_hash: String::new(),
            seq,
            state: StateKind::Complete,
            attempt: 0,
            reply_to: None,
            asked_by: None,
            body,
            at: tx.now(),
        };
        messages::insert(tx, &new).await?;
    }
    Ok(())
}

/// What a run's write can meet, besides a database that works.
enum Refused {
    NotOurs,
    Store(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Stores pieces of text, as a run does: each proves that the attempt is its own, and each is announced.
async fn append(store: &Store, run: Run, pieces: Vec<(Part, String)>) -> Done {
    let (claim, room, mut text, wanted) = (run.claim, run.room, run.text.clone(), pieces.clone());
    let done = store
        .write(Patience::Wait, move |tx| {
            Box::pin(async move {
                for (part, piece) in wanted {
                    let off = utf16_len(text.part(part)) as i64;
                    if !attempts::append(&mut tx.conn(), claim, part, off, &piece).await? {
                        return Err(Refused::NotOurs);
                    }
                    let (message, attempt) = (claim.message, claim.attempt);
                    tx.announce(Announcement::Delta(ChunkDelta { room, message, attempt, part, off, text: piece.clone() }));
                    match part {
                        Part::Answer => text.answer.push_str(&piece),
                        Part::Reasoning => text.reasoning.push_str(&piece),
                    }
                }
                Ok(())
            })
        })
        .await;
    match done {
        Ok(()) => Done::Appended(claim, pieces),
        // Stopped, deleted or overtaken: the run ends, with what is stored.
        Err(Refused::NotOurs) => end(store, run, StateKind::Stopped).await,
        Err(Refused::Store(error)) => panic!("the store refused: {error}"),
    }
}

/// The end of a reply: text, state, its number, and the quotes of it, in one transaction.
async fn end(store: &Store, run: Run, state: StateKind) -> Done {
    let (claim, room, text) = (run.claim, run.room, run.text);
    let scope = claim.message.to_string();
    let body = Body {
        html: render(&text.answer, &Context { scope: &scope, names: &[], rooms: &[] }),
        excerpt: plain_excerpt(&text.answer, 120),
        text: text.answer.clone(),
        renderer: RENDERER,
    };
    let done = store
        .write(Patience::Wait, move |tx| {
            Box::pin(async move {
                let rev = tx.advance(room).await?;
                let by = attempts::find(&mut tx.conn(), claim.message, claim.attempt).await?.and_then(|attempt| attempt.stop_by);
                let state = if by.is_some() { StateKind::Stopped } else { state };
                let why = if matches!(state, StateKind::Failed | StateKind::Interrupted) { "It broke." } else { "" };
                let (now, facts) = (tx.now(), Facts::default());
                if !attempts::end(&mut tx.conn(), claim, StateKind::Streaming, state, why, Some(&facts), now).await? {
                    return Err(Refused::NotOurs);
                }
                let ending = Ending { state, by, why, body: &body, reasoning: &text.reasoning, facts: &facts };
                messages::finish(tx, claim.message, claim.attempt, &ending, rev).await?;
                for quoting in messages::quoting(&mut tx.conn(), claim.message).await? {
                    let rev = tx.advance(room).await?;
                    messages::touch(&mut tx.conn(), quoting, rev).await?;
                }
                Ok(())
            })
        })
        .await;
    match done {
        Ok(()) | Err(Refused::NotOurs) => Done::Over(claim),
        Err(Refused::Store(error)) => panic!("the store refused: {error}"),
    }
}
