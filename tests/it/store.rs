//! The store on both databases: every function of it, the writer's promises, and the two schemas as one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use parlor::clock::Clock;
use parlor::domain::assistant::{Assistant, Provider, Speaks};
use parlor::domain::cursor::Epoch;
use parlor::domain::id::{AssistantId, InviteId, MessageId, PersonId, RoomId, TokenId};
use parlor::domain::message::{AttemptKind, AuthorId, Facts, Part, State, StateKind};
use parlor::domain::name::Name;
use parlor::domain::person::Person;
use parlor::domain::room::{Role, Room, RoomKind};
use parlor::store::accounts::NameOwner;
use parlor::store::attempts::{Claim, NewAttempt};
use parlor::store::invites::Invite;
use parlor::store::messages::{Body, Changes, Ending, NewMessage};
use parlor::store::sessions::Session;
use parlor::store::{
    Announce, Announcement, Patience, Revocation, Store, StoreError, Tx, accounts, assistants, attempts, invites, messages, rooms,
    sessions, tokens,
};
use tempfile::TempDir;

use crate::support::database::Database;
use crate::support::{On, on_both};

const START: i64 = 1_777_593_600_000;

/// Notes what is announced, in order.
#[derive(Default)]
struct Ears(Mutex<Vec<Vec<Announcement>>>);

impl Announce for Ears {
    fn announce(&self, batch: Vec<Announcement>) {
        self.0.lock().unwrap().push(batch);
    }
}

impl Ears {
    fn heard(&self) -> Vec<Announcement> {
        self.0.lock().unwrap().iter().flatten().cloned().collect()
    }
}

/// A store of a test, with a clock that stands still.
struct House {
    store: Store,
    clock: Clock,
    ears: Arc<Ears>,
    database: Database,
    _folder: TempDir,
}

impl House {
    async fn new(on: On) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::new(on, folder.path()).await;
        let (clock, ears) = (Clock::manual(START), Arc::<Ears>::default());
        let store = Store::open(&database.url(), clock.clone(), ears.clone()).await.unwrap();
        Self { store, clock, ears, database, _folder: folder }
    }

    /// Writes something that must go well.
    async fn write<T, F>(&self, work: F) -> T
    where
        F: for<'t> FnOnce(&'t mut Tx) -> futures_util::future::BoxFuture<'t, Result<T, StoreError>> + Send + 'static,
        T: Send + 'static,
    {
        self.store.write(Patience::Wait, work).await.unwrap()
    }

    fn person(&self, name: &str) -> Person {
        Person { id: PersonId(self.clock.new_id()), name: name.to_owned(), admin: false, disabled: false, created_at: self.clock.now() }
    }

    fn room(&self, name: &str) -> Room {
        Room {
            id: RoomId(self.clock.new_id()),
            name: name.to_owned(),
            topic: "of old".to_owned(),
            kind: RoomKind::Room,
            private: false,
            epoch: Epoch(u128::MAX / 3),
            head: 1,
            rev: 1,
            created_at: self.clock.now(),
        }
    }

    fn assistant(&self, name: &str) -> Assistant {
        Assistant {
            id: AssistantId(self.clock.new_id()),
            name: name.to_owned(),
            provider: Provider::OpenAi,
            base_url: "https://models.example.org/v1".to_owned(),
            model: "m".to_owned(),
            key_env: Some("KEY".to_owned()),
            headers: vec![("X-One".to_owned(), "two \"three\"".to_owned())],
            system_prompt: "Be ‘kind’.".to_owned(),
            created_at: self.clock.now(),
            removed: false,
        }
    }

    fn message(&self, room: RoomId, author: AuthorId, text: &str) -> NewMessage {
        NewMessage {
            id: MessageId(self.clock.new_id()),
            room,
            author,
            post_hash: format!("hash of {text}"),
            seq: 0,
            state: StateKind::Complete,
            attempt: 0,
            reply_to: None,
            asked_by: None,
            body: body(text),
            at: self.clock.now(),
        }
    }

    /// A person in a room, with an assistant.
    async fn stage(&self) -> (Person, Room, Assistant) {
        let (person, room, assistant) = (self.person("Ada"), self.room("Kitchen"), self.assistant("Echo"));
        let (p, r, a) = (person.clone(), room.clone(), assistant.clone());
        self.write(move |tx| {
            Box::pin(async move {
                accounts::take_name(&mut tx.conn(), &Name::parse(&p.name).unwrap(), NameOwner::Person(p.id)).await?;
                accounts::insert(&mut tx.conn(), &p, "hash").await?;
                rooms::insert(&mut tx.conn(), &r).await?;
                rooms::add_member(&mut tx.conn(), r.id, p.id, Role::Owner, START).await?;
                accounts::take_name(&mut tx.conn(), &Name::parse(&a.name).unwrap(), NameOwner::Assistant(a.id)).await?;
                assistants::insert(&mut tx.conn(), &a).await?;
                assistants::put_into_room(&mut tx.conn(), r.id, a.id, Speaks::Always).await
            })
        })
        .await;
        (person, room, assistant)
    }

    /// Puts a message into a room, with the room's next number.
    async fn says(&self, new: NewMessage) -> i64 {
        self.write(move |tx| {
            Box::pin(async move {
                let seq = tx.advance(new.room).await?;
                messages::insert(tx, &NewMessage { seq, ..new }).await?;
                Ok(seq)
            })
        })
        .await
    }

    /// A reply that waits, with its first attempt.
    async fn asks(&self, room: &Room, person: &Person, assistant: &Assistant, question: Option<MessageId>) -> MessageId {
        let mut reply = self.message(room.id, AuthorId::Assistant(assistant.id), "");
        reply.state = StateKind::Queued;
        reply.attempt = 1;
        reply.reply_to = question;
        reply.asked_by = Some(person.id);
        let attempt = NewAttempt {
            message: reply.id,
            attempt: 1,
            kind: AttemptKind::First,
            asked_by: person.id,
            assistant: assistant.id,
            first_seq: 1,
            at: self.clock.now(),
        };
        let id = reply.id;
        self.says(reply).await;
        self.write(move |tx| Box::pin(async move { attempts::insert(&mut tx.conn(), &attempt).await })).await;
        id
    }

    async fn claim(&self, reply: MessageId, owner: &'static str) -> Option<Claim> {
        self.write(move |tx| Box::pin(async move { attempts::claim(&mut tx.conn(), reply, 1, owner, START, START + 1000).await })).await
    }
}

fn body(text: &str) -> Body {
    match text {
        "" => Body::default(),
        text => Body { text: text.to_owned(), html: format!("<p>{text}</p>"), excerpt: text.to_owned(), renderer: 1 },
    }
}

/// Reads from a new snapshot.
macro_rules! read {
    ($house:expr, |$conn:ident| $body:expr) => {{
        let mut snapshot = $house.store.snapshot().await.unwrap();
        let $conn = &mut snapshot.conn();
        $body.await.unwrap()
    }};
}

on_both! {
    async fn accounts_and_their_names(on: On) {
        let house = House::new(on).await;
        assert!(!read!(house, |c| accounts::any(c)));
        let ada = Person { admin: true, ..house.person("Ada") };
        house.clock.advance(Duration::from_millis(1));
        let bob = house.person("Bob");
        let (a, b) = (ada.clone(), bob.clone());
        house.write(move |tx| Box::pin(async move {
            let name = Name::parse("Ada").unwrap();
            assert!(accounts::take_name(&mut tx.conn(), &name, NameOwner::Person(a.id)).await?);
            // The same name, the same in capitals, and one that looks like it.
            for taken in ["Ada", "ADA", "Аda"] {
                assert!(!accounts::take_name(&mut tx.conn(), &Name::parse(taken).unwrap(), NameOwner::Person(b.id)).await?, "{taken}");
            }
            accounts::insert(&mut tx.conn(), &a, "her hash").await?;
            assert!(accounts::take_name(&mut tx.conn(), &Name::parse("Bob").unwrap(), NameOwner::Person(b.id)).await?);
            accounts::insert(&mut tx.conn(), &b, "his hash").await
        })).await;
        assert!(read!(house, |c| accounts::any(c)));
        assert_eq!(read!(house, |c| accounts::find(c, ada.id)), Some(ada.clone()));
        assert_eq!(read!(house, |c| accounts::find_by_name(c, "ada")), Some(ada.clone()));
        assert_eq!(read!(house, |c| accounts::find_by_name(c, "Ada")), None, "it is found by its key");
        assert_eq!(read!(house, |c| accounts::owner_of_name(c, "bob")), Some(NameOwner::Person(bob.id)));
        assert_eq!(read!(house, |c| accounts::list(c)), [ada.clone(), bob.clone()]);
        assert_eq!(read!(house, |c| accounts::password_hash(c, ada.id)).as_deref(), Some("her hash"));
        assert_eq!(read!(house, |c| accounts::password_hash(c, PersonId(house.clock.new_id()))), None);
        let id = bob.id;
        let (first, second, enabled) = house.write(move |tx| Box::pin(async move {
            accounts::set_password(&mut tx.conn(), id, "new hash", START + 5).await?;
            accounts::hold_admins(&mut tx.conn()).await?;
            Ok((
                accounts::set_disabled(&mut tx.conn(), id, true).await?,
                accounts::set_disabled(&mut tx.conn(), id, true).await?,
                accounts::set_disabled(&mut tx.conn(), id, false).await?,
            ))
        })).await;
        assert!(first && !second && enabled, "it says whether anything changed");
        assert_eq!(read!(house, |c| accounts::password_hash(c, bob.id)).as_deref(), Some("new hash"));
        assert_eq!(read!(house, |c| accounts::count_active_admins(c)), 1);
    }

    async fn sessions_and_tokens(on: On) {
        let house = House::new(on).await;
        let (ada, ..) = house.stage().await;
        let session = |id: &str, person| Session { id: id.to_owned(), person, data: "{}".to_owned(), address: String::new(), agent: String::new(), created_at: START, seen_at: START, expires_at: START + 1000 };
        let (one, two, nobody) = (session("one", Some(ada.id)), session("two", Some(ada.id)), session("nobody", None));
        let all = [one.clone(), two.clone(), nobody.clone()];
        house.write(move |tx| Box::pin(async move {
            for session in &all {
                sessions::save(&mut tx.conn(), session).await?;
            }
            // Saved again: its data and end change, where it was seen stays.
            sessions::seen(&mut tx.conn(), "one", "127.0.0.1", "Firefox", START + 7, START + 2000).await?;
            sessions::save(&mut tx.conn(), &Session { data: "{\"a\":1}".to_owned(), expires_at: START + 2000, ..all[0].clone() }).await
        })).await;
        let found = read!(house, |c| sessions::find(c, "one", START)).unwrap();
        assert_eq!((found.data.as_str(), found.address.as_str(), found.agent.as_str(), found.seen_at, found.expires_at), ("{\"a\":1}", "127.0.0.1", "Firefox", START + 7, START + 2000));
        assert_eq!(read!(house, |c| sessions::find(c, "two", START + 1000)), None, "expired");
        let listed: Vec<String> = read!(house, |c| sessions::list(c, ada.id, START)).into_iter().map(|s| s.id).collect();
        assert_eq!(listed, ["one", "two"]);

        let token = TokenId(house.clock.new_id());
        house.write(move |tx| Box::pin(async move { tokens::insert(&mut tx.conn(), token, ada.id, "secret print", START).await })).await;
        let (id, person, used) = read!(house, |c| tokens::find_by_secret(c, "secret print")).unwrap();
        assert_eq!((id, person.name.as_str(), used), (token, "Ada", None));
        house.write(move |tx| Box::pin(async move { tokens::used(&mut tx.conn(), token, START + 3).await })).await;
        assert_eq!(read!(house, |c| tokens::list(c, None)), read!(house, |c| tokens::list(c, Some(ada.id))));
        assert_eq!(read!(house, |c| tokens::list(c, Some(PersonId(house.clock.new_id())))), []);
        assert_eq!(read!(house, |c| tokens::list(c, None))[0].used_at, Some(START + 3));

        let credentials = ["one".to_owned(), "two".to_owned(), "nobody".to_owned(), token.to_string(), "gone".to_owned()];
        let valid = |found: Vec<String>| found.into_iter().collect::<BTreeSet<_>>();
        assert_eq!(valid(read!(house, |c| sessions::still_valid(c, &credentials, START))), valid(vec!["one".to_owned(), "two".to_owned(), token.to_string()]));
        assert_eq!(valid(read!(house, |c| sessions::still_valid(c, &credentials, START + 1500))), valid(vec!["one".to_owned(), token.to_string()]));
        let (first, second) = house.write(move |tx| Box::pin(async move { Ok((tokens::revoke(&mut tx.conn(), token).await?, tokens::revoke(&mut tx.conn(), token).await?)) })).await;
        assert!(first && !second);
        assert_eq!(read!(house, |c| tokens::find_by_secret(c, "secret print")), None);
        house.write(move |tx| Box::pin(async move { accounts::set_disabled(&mut tx.conn(), ada.id, true).await })).await;
        assert!(read!(house, |c| sessions::still_valid(c, &credentials, START)).is_empty());

        let ended = house.write(move |tx| Box::pin(async move { sessions::delete_of_person(&mut tx.conn(), ada.id, Some("one")).await })).await;
        assert_eq!(ended, ["two"]);
        assert_eq!(house.write(|tx| Box::pin(async move { sessions::delete_expired(&mut tx.conn(), START + 1000).await })).await, 1, "nobody's");
        house.write(|tx| Box::pin(async move { sessions::delete(&mut tx.conn(), "one").await })).await;
        assert_eq!(read!(house, |c| sessions::list(c, ada.id, START)), []);
    }

    async fn invitations(on: On) {
        let house = House::new(on).await;
        let (ada, room, _) = house.stage().await;
        let invite = Invite { id: InviteId(house.clock.new_id()), room: Some(room.id), created_by: Some(ada.id), created_at: START, expires_at: START + 10, uses_left: 2, revoked: false };
        let (given, id) = (invite.clone(), invite.id);
        house.write(move |tx| Box::pin(async move { invites::insert(&mut tx.conn(), &given, "print").await })).await;
        assert_eq!(read!(house, |c| invites::find_by_secret(c, "print")), Some(invite.clone()));
        assert_eq!(read!(house, |c| invites::find_by_secret(c, "another")), None);
        let taken = house.write(move |tx| Box::pin(async move {
            let mut taken = Vec::new();
            for now in [START + 10, START, START, START] {
                taken.push(invites::take_use(&mut tx.conn(), id, now).await?);
            }
            Ok(taken)
        })).await;
        assert_eq!(taken, [false, true, true, false], "expired, twice good, used up");
        assert_eq!(read!(house, |c| invites::list(c))[0].uses_left, 0);
        let (first, second) = house.write(move |tx| Box::pin(async move { Ok((invites::revoke(&mut tx.conn(), id).await?, invites::revoke(&mut tx.conn(), id).await?)) })).await;
        assert!(first && !second);
    }

    async fn rooms_and_members(on: On) {
        let house = House::new(on).await;
        let (ada, kitchen, echo) = house.stage().await;
        let bob = house.person("Bob");
        let attic = Room { private: true, ..house.room("Attic") };
        let (b, r) = (bob.clone(), attic.clone());
        house.write(move |tx| Box::pin(async move {
            accounts::insert(&mut tx.conn(), &b, "hash").await?;
            rooms::insert(&mut tx.conn(), &r).await
        })).await;
        assert_eq!(read!(house, |c| rooms::find(c, attic.id)), Some(attic.clone()));
        assert_eq!(read!(house, |c| rooms::find_open(c, attic.id)), None);
        assert_eq!(read!(house, |c| rooms::find_open(c, kitchen.id)), Some(kitchen.clone()));
        assert_eq!(read!(house, |c| rooms::find_for(c, kitchen.id, ada.id)), Some((kitchen.clone(), Role::Owner)));
        assert_eq!(read!(house, |c| rooms::find_for(c, kitchen.id, bob.id)), None);
        assert_eq!(read!(house, |c| rooms::list_joinable(c, bob.id)), std::slice::from_ref(&kitchen));
        assert_eq!(read!(house, |c| rooms::list_all(c)), [attic.clone(), kitchen.clone()]);
        let (room, person) = (kitchen.id, bob.id);
        let (first, second) = house.write(move |tx| Box::pin(async move {
            let rev = tx.advance(room).await?;
            rooms::touch(&mut tx.conn(), room, rev, true).await?;
            Ok((rooms::add_member(&mut tx.conn(), room, person, Role::Member, START).await?, rooms::add_member(&mut tx.conn(), room, person, Role::Member, START).await?))
        })).await;
        assert!(first && !second);
        let members: Vec<(String, Role)> = read!(house, |c| rooms::members(c, kitchen.id)).into_iter().map(|m| (m.name, m.role)).collect();
        assert_eq!(members, [("Ada".to_owned(), Role::Owner), ("Bob".to_owned(), Role::Member)]);
        assert_eq!(read!(house, |c| rooms::list_for(c, bob.id)).len(), 1);
        let mut pairs = read!(house, |c| rooms::members_of(c, &[kitchen.id, attic.id]));
        pairs.sort();
        let mut expected = vec![(kitchen.id, ada.id), (kitchen.id, bob.id)];
        expected.sort();
        assert_eq!(pairs, expected);
        let mut heads = read!(house, |c| rooms::heads(c, &[kitchen.id, attic.id]));
        heads.sort();
        let mut expected = vec![(kitchen.id, 2), (attic.id, 1)];
        expected.sort();
        assert_eq!(heads, expected);
        house.write(move |tx| Box::pin(async move {
            let rev = tx.advance(room).await?;
            rooms::update(&mut tx.conn(), room, "Cuisine", "new", true, rev).await
        })).await;
        let changed = read!(house, |c| rooms::find(c, kitchen.id)).unwrap();
        assert_eq!((changed.name.as_str(), changed.topic.as_str(), changed.private, changed.head, changed.rev), ("Cuisine", "new", true, 3, 3));
        let (first, second) = house.write(move |tx| Box::pin(async move { Ok((rooms::remove_member(&mut tx.conn(), room, person).await?, rooms::remove_member(&mut tx.conn(), room, person).await?)) })).await;
        assert!(first && !second);

        // Assistants.
        assert_eq!(read!(house, |c| assistants::find(c, echo.id)), Some(echo.clone()));
        assert_eq!(read!(house, |c| assistants::list(c)), std::slice::from_ref(&echo));
        assert_eq!(read!(house, |c| assistants::rooms_of(c, echo.id)), [kitchen.id]);
        let detail = read!(house, |c| rooms::detail(c, changed.clone()));
        assert_eq!((detail.assistants[0].name.as_str(), detail.assistants[0].speaks), ("Echo", Speaks::Always));
        let id = echo.id;
        let (taken, again) = house.write(move |tx| Box::pin(async move {
            assistants::put_into_room(&mut tx.conn(), room, id, Speaks::Mention).await?;
            assert_eq!(assistants::of_room(&mut tx.conn(), room).await?[0].speaks, Speaks::Mention);
            Ok((assistants::take_from_room(&mut tx.conn(), room, id).await?, assistants::take_from_room(&mut tx.conn(), room, id).await?))
        })).await;
        assert!(taken && !again);
        house.write(move |tx| Box::pin(async move { assistants::remove(&mut tx.conn(), id).await })).await;
        assert_eq!(read!(house, |c| assistants::list(c)), []);
        assert!(read!(house, |c| assistants::find(c, id)).unwrap().removed);
        assert_eq!(read!(house, |c| accounts::owner_of_name(c, "echo")), None, "its name is free");
        let nowhere = RoomId(house.clock.new_id());
        let refused: Result<i64, StoreError> = house.store.write(Patience::Wait, move |tx| Box::pin(async move { tx.advance(nowhere).await })).await;
        assert!(matches!(refused, Err(StoreError::NoRoom)));
    }

    async fn messages_and_their_changes(on: On) {
        let house = House::new(on).await;
        let (ada, room, _) = house.stage().await;
        let author = AuthorId::Person(ada.id);
        let parent = house.message(room.id, author, "parent 🌱");
        let (parent_id, hash) = (parent.id, parent.post_hash.clone());
        assert_eq!(house.says(parent).await, 2);
        let child = NewMessage { reply_to: Some(parent_id), ..house.message(room.id, author, "child") };
        let child_id = child.id;
        assert_eq!(house.says(child.clone()).await, 3);
        assert_eq!(read!(house, |c| messages::find_post(c, parent_id)), Some((room.id, hash, 2)));
        let stored = read!(house, |c| messages::find(c, room.id, child_id)).unwrap();
        let message = &stored.message;
        assert_eq!((message.seq, message.rev, message.author_name.as_str(), message.text.as_str(), &message.state), (3, 3, "Ada", "child", &State::Complete));
        let quote = message.reply_to.clone().unwrap();
        assert_eq!((quote.id, quote.author.as_str(), quote.excerpt.as_str(), quote.deleted), (parent_id, "Ada", "parent 🌱", false));
        assert_eq!(read!(house, |c| messages::find(c, RoomId(house.clock.new_id()), child_id)), None, "never through another room");
        assert_eq!(read!(house, |c| messages::quoting(c, parent_id)), [child_id]);

        // The same id again changes nothing, and the transaction goes on: it can look what stands there, and undo itself.
        let again: Result<(), StoreError> = house.store.write(Patience::Wait, move |tx| Box::pin(async move {
            let seq = tx.advance(child.room).await?;
            let is_new = messages::insert(tx, &NewMessage { seq, body: body("another text"), ..child }).await?;
            let found = messages::find(&mut tx.conn(), room.id, child_id).await?.map(|found| found.message.text);
            Err(StoreError::Corrupt(format!("{is_new} {found:?}")))
        })).await;
        assert!(matches!(&again, Err(StoreError::Corrupt(said)) if said == "false Some(\"child\")"), "{again:?}");
        assert_eq!(read!(house, |c| rooms::find(c, room.id)).unwrap().head, 3, "and the number that it took is given back");

        for n in 0..8 {
            house.says(house.message(room.id, author, &format!("{n}"))).await;
        }
        let texts = |found: Vec<messages::Stored>| found.into_iter().map(|s| s.message.text).collect::<Vec<_>>();
        assert_eq!(texts(read!(house, |c| messages::page_before(c, room.id, 6, 3))), ["child", "0", "1"]);
        assert_eq!(texts(read!(house, |c| messages::page_after(c, room.id, 9, 10))), ["6", "7"]);
        house.write(move |tx| Box::pin(async move {
            let rev = tx.advance(room.id).await?;
            messages::edit(tx, parent_id, &body("parent, edited"), rev, START + 9).await?;
            let rev = tx.advance(room.id).await?;
            messages::touch(&mut tx.conn(), child_id, rev).await
        })).await;
        let Changes::Rows(rows) = read!(house, |c| messages::changed_since(c, room.id, 10, 100, 1_000_000)) else { panic!("there is room") };
        assert_eq!(texts(rows), ["7", "parent, edited", "child"], "each row once, in the order of its latest change");
        assert!(matches!(read!(house, |c| messages::changed_since(c, room.id, 0, 9, 1_000_000)), Changes::TooMany));
        assert!(matches!(read!(house, |c| messages::changed_since(c, room.id, 0, 10, 1_000_000)), Changes::Rows(rows) if rows.len() == 10));
        assert!(matches!(read!(house, |c| messages::changed_since(c, room.id, 0, 10, 50)), Changes::TooMany), "bytes count too");
        house.write(move |tx| Box::pin(async move {
            let rev = tx.advance(room.id).await?;
            messages::erase(tx, parent_id, rev).await
        })).await;
        let erased = read!(house, |c| messages::find(c, room.id, parent_id)).unwrap().message;
        assert_eq!((erased.state, erased.text.as_str(), erased.html.as_str()), (State::Deleted, "", ""));
        assert!(read!(house, |c| messages::find(c, room.id, child_id)).unwrap().message.reply_to.unwrap().deleted);
        assert!(read!(house, |c| messages::find_post(c, parent_id)).is_some(), "a late repetition still finds it");
        house.database.holds().await;
    }

    async fn a_reply_from_its_claim_to_its_end(on: On) {
        let house = House::new(on).await;
        let (ada, room, echo) = house.stage().await;
        let question = house.message(room.id, AuthorId::Person(ada.id), "question");
        let question_id = question.id;
        house.says(question).await;
        let reply = house.asks(&room, &ada, &echo, Some(question_id)).await;
        let jobs = read!(house, |c| attempts::queued(c, 10));
        assert_eq!((jobs.len(), jobs[0].message, jobs[0].question, jobs[0].assistant, jobs[0].asked_by), (1, reply, Some(question_id), echo.id, ada.id));

        // One owner at a time.
        let claim = house.claim(reply, "me").await.unwrap();
        assert_eq!(house.claim(reply, "another").await, None);
        assert!(read!(house, |c| attempts::queued(c, 10)).is_empty());
        house.write(move |tx| Box::pin(async move {
            let rev = tx.advance(room.id).await?;
            messages::reopen(tx, reply, StateKind::Streaming, 1, ada.id, rev).await
        })).await;
        assert_eq!(read!(house, |c| messages::streaming(c, room.id)), [(reply, 1)]);

        // Text grows; a part's pieces are in order whatever their length in bytes.
        let wrote = house.write(move |tx| Box::pin(async move {
            let conn = &mut tx.conn();
            let wrong = Claim { fence: claim.fence + 1, ..claim };
            Ok([
                attempts::append(conn, claim, Part::Answer, 0, "wörd 🌱").await?,
                attempts::append(conn, claim, Part::Answer, 7, " and more").await?,
                attempts::append(conn, claim, Part::Reasoning, 0, "hm").await?,
                attempts::append(conn, wrong, Part::Answer, 16, "not mine").await?,
            ])
        })).await;
        assert_eq!(wrote, [true, true, true, false]);
        let so_far = read!(house, |c| attempts::so_far(c, reply, 1));
        assert_eq!((so_far.answer.as_str(), so_far.reasoning.as_str()), ("wörd 🌱 and more", "hm"));

        // Leases.
        assert!(read!(house, |c| attempts::orphans(c, START + 999)).is_empty());
        assert_eq!(read!(house, |c| attempts::orphans(c, START + 1000)), [(room.id, claim)]);
        house.write(|tx| Box::pin(async move { attempts::renew(&mut tx.conn(), "me", START + 5000).await })).await;
        assert!(read!(house, |c| attempts::orphans(c, START + 1000)).is_empty());

        // A stop is asked for once, and nothing is written after it.
        let (first, second, after) = house.write(move |tx| Box::pin(async move {
            let conn = &mut tx.conn();
            Ok((attempts::ask_stop(conn, reply, 1, ada.id).await?, attempts::ask_stop(conn, reply, 1, ada.id).await?, attempts::append(conn, claim, Part::Answer, 16, "late").await?))
        })).await;
        assert!(first && !second && !after);
        assert_eq!(read!(house, |c| attempts::stops_wanted(c, "me")), [(reply, 1)]);
        assert!(read!(house, |c| attempts::stops_wanted(c, "another")).is_empty());

        // The end, once.
        let facts = Facts { model: "m".to_owned(), total_ms: Some(5), ..Facts::default() };
        let f = facts.clone();
        let (first, second) = house.write(move |tx| Box::pin(async move {
            let rev = tx.advance(room.id).await?;
            let first = attempts::end(&mut tx.conn(), claim, StateKind::Streaming, StateKind::Stopped, "", Some(&f), START + 20).await?;
            let ending = Ending { state: StateKind::Stopped, by: Some(ada.id), why: "", body: &body("wörd 🌱 and more"), reasoning: "hm", facts: &f };
            messages::finish(tx, reply, 1, &ending, rev).await?;
            Ok((first, attempts::end(&mut tx.conn(), claim, StateKind::Streaming, StateKind::Complete, "", None, START + 21).await?))
        })).await;
        assert!(first && !second);
        let message = read!(house, |c| messages::find(c, room.id, reply)).unwrap().message;
        assert_eq!(message.state.by().unwrap().name, "Ada");
        assert_eq!((message.text.as_str(), message.reasoning.as_str(), message.facts), ("wörd 🌱 and more", "hm", Some(facts)));
        assert_eq!(house.database.number("SELECT COUNT(*) FROM chunks").await, 0);
        house.database.holds().await;

        // The next attempt keeps what this one said.
        let (kept, seeded) = house.write(move |tx| Box::pin(async move {
            attempts::keep_text(&mut tx.conn(), reply, 1).await?;
            let rev = tx.advance(room.id).await?;
            let next = NewAttempt { message: reply, attempt: 2, kind: AttemptKind::Continue, asked_by: ada.id, assistant: echo.id, first_seq: rev, at: START + 30 };
            attempts::insert(&mut tx.conn(), &next).await?;
            messages::reopen(tx, reply, StateKind::Queued, 2, ada.id, rev).await?;
            attempts::seed(&mut tx.conn(), reply, 2, Part::Answer, "wörd").await?;
            Ok((attempts::find(&mut tx.conn(), reply, 1).await?, attempts::so_far(&mut tx.conn(), reply, 2).await?))
        })).await;
        let kept = kept.unwrap();
        assert_eq!((kept.text.as_str(), kept.reasoning.as_str(), kept.state, kept.stop_by), ("wörd 🌱 and more", "hm", StateKind::Stopped, Some(ada.id)));
        assert_eq!(seeded.answer, "wörd");
        let numbers: Vec<i64> = read!(house, |c| attempts::list(c, reply)).iter().map(|a| a.attempt).collect();
        assert_eq!(numbers, [1, 2]);
        let (first, second) = house.write(move |tx| Box::pin(async move { Ok((attempts::cancel(&mut tx.conn(), reply, 2, ada.id, START).await?, attempts::cancel(&mut tx.conn(), reply, 2, ada.id, START).await?)) })).await;
        assert!(first && !second);
        assert_eq!(house.database.number("SELECT COUNT(*) FROM chunks").await, 0);
        house.write(move |tx| Box::pin(async move {
            let rev = tx.advance(room.id).await?;
            messages::erase(tx, reply, rev).await?;
            attempts::erase(&mut tx.conn(), reply, START).await
        })).await;
        assert!(read!(house, |c| attempts::list(c, reply)).iter().all(|a| a.text.is_empty() && a.reasoning.is_empty() && a.state == StateKind::Deleted));
    }

    async fn one_that_fails_undoes_itself_and_not_its_neighbours(on: On) {
        let house = House::new(on).await;
        let (ada, room, _) = house.stage().await;
        // All of these wait at once, so that on SQLite they share a transaction; every third fails, every fifth panics.
        let writes = (0..60).map(|n| {
            let store = house.store.clone();
            let message = house.message(room.id, AuthorId::Person(ada.id), &format!("{n}"));
            async move {
                let written: Result<i64, StoreError> = store.write(Patience::Wait, move |tx| Box::pin(async move {
                    let seq = tx.advance(message.room).await?;
                    messages::insert(tx, &NewMessage { seq, ..message }).await?;
                    match n {
                        n if n % 5 == 4 => panic!("number {n} panics"),
                        n if n % 3 == 2 => Err(StoreError::Corrupt(format!("number {n} fails"))),
                        _ => Ok(seq),
                    }
                })).await;
                (n, written)
            }
        });
        let written = futures_util::future::join_all(writes).await;
        let mut stored = Vec::new();
        for (n, written) in written {
            match written {
                Ok(seq) => stored.push((seq, n.to_string())),
                Err(StoreError::Undone(why)) => assert!(n % 5 == 4 && why.contains(&format!("number {n} panics")), "{why}"),
                Err(StoreError::Corrupt(why)) => assert!(n % 3 == 2 && why == format!("number {n} fails")),
                Err(error) => panic!("{error}"),
            }
        }
        stored.sort();
        let there = read!(house, |c| messages::page_after(c, room.id, 0, 100));
        assert_eq!(there.iter().map(|s| (s.message.seq, s.message.text.clone())).collect::<Vec<_>>(), stored);
        // Numbers have no gaps, and none is announced that does not stand.
        let numbers: Vec<i64> = stored.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(numbers, (2..2 + numbers.len() as i64).collect::<Vec<_>>());
        let heads: BTreeSet<i64> = house.ears.heard().iter().filter_map(|a| if let Announcement::Head { head, .. } = a { Some(*head) } else { None }).collect();
        assert_eq!(heads, numbers.into_iter().collect());
        house.database.holds().await;
    }

    async fn what_is_announced_has_been_committed_and_revocations_go_first(on: On) {
        let house = House::new(on).await;
        let (ada, room, _) = house.stage().await;
        let (id, person) = (room.id, ada.id);
        house.write(move |tx| Box::pin(async move {
            tx.advance(id).await?;
            let rev = tx.advance(id).await?;
            rooms::touch(&mut tx.conn(), id, rev, true).await?;
            tx.announce(Announcement::Asked);
            tx.announce(Announcement::Revoked(Revocation::Member { room: id, person }));
            Ok(())
        })).await;
        let expected = [
            Announcement::Revoked(Revocation::Member { room: id, person }),
            Announcement::Head { room: id, head: 2 },
            Announcement::Head { room: id, head: 3 },
            Announcement::Asked,
        ];
        assert_eq!(house.ears.heard(), expected);
        let refused: Result<(), StoreError> = house.store.write(Patience::Wait, move |tx| Box::pin(async move {
            tx.advance(id).await?;
            tx.announce(Announcement::Revoked(Revocation::Person(person)));
            Err(StoreError::Busy)
        })).await;
        assert!(refused.is_err());
        assert_eq!(house.ears.heard(), expected, "what was undone is not announced");
    }

    async fn numbers_go_out_in_the_order_of_commits_to_many_at_once(on: On) {
        let house = House::new(on).await;
        let (ada, kitchen, _) = house.stage().await;
        let hall = house.room("Hall");
        let h = hall.clone();
        house.write(move |tx| Box::pin(async move { rooms::insert(&mut tx.conn(), &h).await })).await;
        let writes = (0..120).map(|n| {
            let room = if n % 2 == 0 { kitchen.id } else { hall.id };
            house.says(house.message(room, AuthorId::Person(ada.id), &format!("{n}")))
        });
        let seqs = futures_util::future::join_all(writes).await;
        for offset in [0, 1] {
            let mut own: Vec<i64> = seqs.iter().skip(offset).step_by(2).copied().collect();
            own.sort_unstable();
            assert_eq!(own, (2..62).collect::<Vec<_>>());
        }
        // What is announced last for a room is its head.
        let last = |room: RoomId| house.ears.heard().iter().filter_map(|a| match a {
            Announcement::Head { room: of, head } if *of == room => Some(*head),
            _ => None,
        }).max();
        assert_eq!((last(kitchen.id), last(hall.id)), (Some(61), Some(61)));
        house.database.holds().await;
    }

    async fn a_snapshot_is_one_state(on: On) {
        let house = House::new(on).await;
        let (ada, room, _) = house.stage().await;
        let author = AuthorId::Person(ada.id);
        house.says(house.message(room.id, author, "before")).await;
        let mut snapshot = house.store.snapshot().await.unwrap();
        let conn = &mut snapshot.conn();
        let head = rooms::find(conn, room.id).await.unwrap().unwrap().head;
        house.says(house.message(room.id, author, "meanwhile")).await;
        let seen = messages::page_before(conn, room.id, i64::MAX, 10).await.unwrap();
        assert_eq!((seen.len(), seen[0].message.rev), (1, head), "the cursor and the messages are of one state");
        drop(snapshot);
        assert_eq!(read!(house, |c| messages::page_before(c, room.id, i64::MAX, 10)).len(), 2);
    }

    async fn readers_that_go_away_leave_nothing_behind(on: On) {
        let house = House::new(on).await;
        let (ada, room, _) = house.stage().await;
        for n in 0..200_u64 {
            // Dropped at every stage of its beginning.
            let _ = tokio::time::timeout(Duration::from_micros(n * 20), async {
                let mut snapshot = house.store.snapshot().await?;
                messages::page_before(&mut snapshot.conn(), room.id, 5, 5).await
            })
            .await;
        }
        let writes = (0..40).map(|n| house.says(house.message(room.id, AuthorId::Person(ada.id), &format!("{n}"))));
        futures_util::future::join_all(writes).await;
        assert_eq!(read!(house, |c| messages::page_before(c, room.id, i64::MAX, 100)).len(), 40, "every reader sees what is there now");
    }

    async fn a_store_that_is_closed_has_written_everything(on: On) {
        let house = House::new(on).await;
        let (ada, room, _) = house.stage().await;
        let messages: Vec<NewMessage> = (0..30).map(|n| house.message(room.id, AuthorId::Person(ada.id), &format!("{n}"))).collect();
        let writes: Vec<_> = messages.into_iter().map(|new| {
            let store = house.store.clone();
            tokio::spawn(async move {
                store.write(Patience::Wait, move |tx| Box::pin(async move {
                    let seq = tx.advance(new.room).await?;
                    messages::insert(tx, &NewMessage { seq, ..new }).await
                })).await
            })
        }).collect();
        tokio::task::yield_now().await;
        house.store.close().await;
        let mut written = 0;
        for write in writes {
            match write.await.unwrap() {
                Ok(is_new) => written += i64::from(is_new),
                Err(error) => assert!(matches!(error, StoreError::Closed | StoreError::Database(_)), "{error}"),
            }
        }
        let after: Result<(), StoreError> = house.store.write(Patience::Wait, |_| Box::pin(async { Ok(()) })).await;
        assert!(matches!(after, Err(StoreError::Closed)), "{after:?}");
        assert_eq!(house.database.number("SELECT COUNT(*) FROM messages").await, written);
    }

    async fn what_makes_no_sense_is_said_and_not_guessed(on: On) {
        let house = House::new(on).await;
        let (ada, room, _) = house.stage().await;
        house.says(house.message(room.id, AuthorId::Person(ada.id), "fine")).await;
        house.database.execute("UPDATE messages SET state = 'dancing'").await;
        let mut snapshot = house.store.snapshot().await.unwrap();
        let error = messages::page_before(&mut snapshot.conn(), room.id, 100, 10).await.unwrap_err();
        assert!(matches!(&error, StoreError::Corrupt(what) if what.contains("messages.state") && what.contains("dancing")), "{error}");
    }

    /// Opened again, the tables are as they were: migrations run over rows that exist.
    async fn migrations_run_over_rows(on: On) {
        let house = House::new(on).await;
        let (ada, room, echo) = house.stage().await;
        house.says(house.message(room.id, AuthorId::Person(ada.id), "kept")).await;
        house.asks(&room, &ada, &echo, None).await;
        house.store.close().await;
        let again = Store::open(&house.database.url(), house.clock.clone(), Arc::<Ears>::default()).await.unwrap();
        let mut snapshot = again.snapshot().await.unwrap();
        assert_eq!(messages::page_before(&mut snapshot.conn(), room.id, i64::MAX, 10).await.unwrap()[0].message.text, "kept");
        drop(snapshot);
        again.close().await;
        // Tables of a newer version are left alone.
        house.database.execute("UPDATE _sqlx_migrations SET version = version + 1000").await;
        let refused = Store::open(&house.database.url(), house.clock.clone(), Arc::<Ears>::default()).await.err().expect("it is refused");
        assert!(refused.to_string().contains("newer Parlor"), "{refused}");
    }
}

/// Tables, columns, their types and whether they may be null, keys, and indexes: the same on both. Except for the index of words, which each
/// database makes in its own way (`store/dialect.rs`); that it finds the same is for `search.rs` to show.
#[tokio::test]
async fn both_schemas_are_the_same() {
    let (lite, post) = (House::new(On::Sqlite).await, House::new(On::Postgres).await);
    let flat = |rows: Vec<Vec<Option<String>>>| -> BTreeSet<String> {
        rows.into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join(" ")).collect()
    };
    let sqlite = flat(
        lite.database
            .rows(
                "SELECT m.name, c.name, lower(c.type), c.\"notnull\" FROM sqlite_schema m JOIN pragma_table_info(m.name) c
                  WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '_sqlx%' AND m.name NOT LIKE 'search_words%'",
            )
            .await,
    );
    let postgres = flat(
        post.database
            .rows(
                "SELECT table_name::text, column_name::text, data_type::text, CASE is_nullable WHEN 'NO' THEN '1' ELSE '0' END
                   FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx%' AND table_name <> 'search_words'",
            )
            .await,
    );
    assert!(sqlite.len() > 60, "{sqlite:?}");
    assert_eq!(sqlite, postgres);
    let sqlite = flat(
        lite.database
            .rows(
                "SELECT m.name, i.\"unique\", (SELECT group_concat(x.name, ',') FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno) x)
                   FROM sqlite_schema m JOIN pragma_index_list(m.name) i
                  WHERE m.type = 'table' AND m.name NOT LIKE '_sqlx%' AND m.name NOT LIKE 'search_words%'",
            )
            .await,
    );
    let postgres = flat(
        post.database
            .rows(
                "SELECT t.relname::text, CASE WHEN i.indisunique THEN '1' ELSE '0' END,
                        (SELECT string_agg(a.attname::text, ',' ORDER BY k.n)
                           FROM unnest(i.indkey) WITH ORDINALITY AS k(attnum, n) JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum)
                   FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace s ON s.oid = t.relnamespace
                  WHERE s.nspname = 'public' AND t.relname NOT LIKE '\\_sqlx%' AND t.relname <> 'search_words'",
            )
            .await,
    );
    assert_eq!(sqlite, postgres);
    let names = |folder: &str| -> BTreeSet<String> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    assert_eq!(names("sqlite"), names("postgres"), "both have the same steps");
}

#[tokio::test]
async fn sqlite_is_set_to_lose_nothing() {
    let house = House::new(On::Sqlite).await;
    assert_eq!(house.database.rows("PRAGMA journal_mode").await[0][0].as_deref(), Some("wal"), "kept in the file itself");
    // The others are settings of the writer's own connection.
    let found = house
        .write(|tx| {
            Box::pin(async move {
                let parlor::store::Db::Sqlite(conn) = tx.conn() else { panic!("this is SQLite") };
                let mut found = Vec::new();
                for pragma in ["synchronous", "foreign_keys", "secure_delete", "busy_timeout"] {
                    let value: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("PRAGMA {pragma}"))).fetch_one(&mut *conn).await?;
                    found.push((pragma, value));
                }
                let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut *conn).await?;
                let numbers: Vec<u32> = version.split('.').map(|n| n.parse().unwrap()).collect();
                assert!(numbers >= vec![3, 51, 3], "{version}");
                Ok(found)
            })
        })
        .await;
    assert_eq!(found, [("synchronous", 2), ("foreign_keys", 1), ("secure_delete", 1), ("busy_timeout", 5000)]);
    // Readers cannot write.
    let mut snapshot = house.store.snapshot().await.unwrap();
    let parlor::store::Db::Sqlite(conn) = snapshot.conn() else { panic!("this is SQLite") };
    assert!(sqlx::query("DELETE FROM people").execute(conn).await.is_err());
}
