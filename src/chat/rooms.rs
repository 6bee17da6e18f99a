//! Rooms: made, renamed, joined, left; members added and removed.

use std::collections::HashMap;

use super::{Chat, ChatError, managed_room, room_of};
use crate::domain::assistant::Provider;
use crate::domain::cursor::Epoch;
use crate::domain::id::{MessageId, PersonId, RoomId};
use crate::domain::name::{self, RoomName, Topic};
use crate::domain::room::{Role, Room, RoomDetail, RoomKind, RoomLine};
use crate::domain::{Invalid, Millis};
use crate::store::attempts::SoFar;
use crate::store::messages::Stored;
use crate::store::{Announcement, Conn, Patience, Revocation, Tx, accounts, assistants, attempts, messages, reading, rooms};

/// Messages of one page of a room, at most and by default.
pub const PAGE: usize = 50;
/// The most that the API gives at once.
pub const PAGE_MAX: usize = 200;

/// A room as its page shows it: one state, with the cursor of that state.
#[derive(Clone, Debug)]
pub struct RoomState {
    pub detail: RoomDetail,
    pub role: Role,
    /// In order of place.
    pub messages: Vec<Stored>,
    /// The texts so far of those that are being written, as they were in the same state.
    pub so_far: HashMap<MessageId, SoFar>,
    /// There are older messages than these.
    pub more_before: bool,
    /// There are newer messages than these.
    pub more_after: bool,
    /// How far the reader has read.
    pub read: i64,
    /// What others have said after that.
    pub unread: Option<Unread>,
}

/// What somebody has not read of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread {
    pub first: MessageId,
    /// The first one's place and time.
    pub seq: i64,
    pub since: Millis,
    /// How many, counted to [`COUNT_MOST`](crate::domain::room::COUNT_MOST).
    pub count: u32,
}

/// Which messages of a room are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    Latest,
    /// Those before this place.
    Before(i64),
    /// Those after this place.
    After(i64),
    /// Those around this place.
    Around(i64),
}

/// What a new room, or a room from now on, is like.
#[derive(Clone, Debug, Default)]
pub struct RoomChange {
    pub name: Option<String>,
    pub topic: Option<String>,
    pub private: Option<bool>,
}

impl Chat {
    /// The rooms that a person is in, by name.
    pub async fn rooms_of(&self, person: PersonId) -> Result<Vec<(Room, Role)>, ChatError> {
        let mut reader = self.store.reader().await?;
        Ok(rooms::list_for(&mut reader.conn(), person).await?)
    }

    /// A person's rooms as their list shows them, by name.
    pub async fn room_lines(&self, person: PersonId) -> Result<Vec<RoomLine>, ChatError> {
        let mut reader = self.store.reader().await?;
        let lines = reading::lines_of_people(&mut reader.conn(), &[person]).await?;
        Ok(lines.into_iter().map(|(_, line)| line).collect())
    }

    /// A person's rooms, and the open ones that they could join: one state.
    pub async fn all_rooms(&self, person: PersonId) -> Result<(Vec<(RoomLine, Room, Role)>, Vec<Room>), ChatError> {
        let mut snapshot = self.store.snapshot().await?;
        let conn = &mut snapshot.conn();
        let mut mine: HashMap<RoomId, (Room, Role)> =
            rooms::list_for(conn, person).await?.into_iter().map(|(room, role)| (room.id, (room, role))).collect();
        let lines = reading::lines_of_people(conn, &[person]).await?;
        let mine = lines.into_iter().filter_map(|(_, line)| mine.remove(&line.id).map(|(room, role)| (line, room, role))).collect();
        Ok((mine, rooms::list_joinable(conn, person).await?))
    }

    /// The open rooms that a person could join.
    pub async fn open_rooms(&self, person: PersonId) -> Result<Vec<Room>, ChatError> {
        let mut reader = self.store.reader().await?;
        Ok(rooms::list_joinable(&mut reader.conn(), person).await?)
    }

    /// Every room, for the command line.
    pub async fn every_room(&self) -> Result<Vec<Room>, ChatError> {
        let mut snapshot = self.store.snapshot().await?;
        Ok(rooms::list_all(&mut snapshot.conn()).await?)
    }

    /// The room of that name or id, for the command line.
    pub async fn room_named(&self, given: &str) -> Result<Room, ChatError> {
        let all = self.every_room().await?;
        let key = name::key(given);
        let mut found = all.into_iter().filter(|room| room.id.to_string() == given || name::key(&room.name) == key);
        match (found.next(), found.next()) {
            (Some(room), None) => Ok(room),
            (Some(_), Some(_)) => {
                Err(Invalid::new("which_room", format!("Several rooms are called “{given}”: give the room's id, see “parlor room list”."))
                    .into())
            }
            (None, _) => Err(Invalid::new("no_room", format!("There is no room “{given}”: see “parlor room list”.")).into()),
        }
    }

    /// The room, if the person is a member of any of these: for who opens a stream.
    pub async fn is_member(&self, person: PersonId, room: RoomId) -> Result<bool, ChatError> {
        let mut snapshot = self.store.snapshot().await?;
        Ok(rooms::find_for(&mut snapshot.conn(), room, person).await?.is_some())
    }

    /// A room with everyone in it, for a member.
    pub async fn room(&self, person: PersonId, room: RoomId) -> Result<(RoomDetail, Role), ChatError> {
        let mut snapshot = self.store.snapshot().await?;
        let conn = &mut snapshot.conn();
        let (room, role) = room_of(conn, room, person).await?;
        Ok((detail_for(conn, room, person).await?, role))
    }

    /// An open room's name and topic, for everyone signed in.
    pub async fn open_room(&self, room: RoomId) -> Result<Room, ChatError> {
        let mut snapshot = self.store.snapshot().await?;
        rooms::find_open(&mut snapshot.conn(), room).await?.ok_or(ChatError::NotFound)
    }

    /// A window of a room: its messages and the cursor are of one and the same state.
    pub async fn room_state(&self, person: PersonId, room: RoomId, window: Window, limit: usize) -> Result<RoomState, ChatError> {
        let limit = limit.clamp(1, PAGE_MAX);
        let mut snapshot = self.store.snapshot().await?;
        let conn = &mut snapshot.conn();
        let (room, role) = room_of(conn, room, person).await?;
        let id = room.id;
        let detail = detail_for(conn, room, person).await?;
        let read = reading::mark(conn, id, person, 0).await?.map_or(0, |mark| mark.read);
        let unread = unread(conn, id, person, read).await?;
        // One more than wanted says whether there is more.
        let (messages, more_before, more_after) = match window {
            Window::Latest => {
                let (found, more) = before(conn, id, i64::MAX, limit).await?;
                (found, more, false)
            }
            Window::Before(seq) => {
                let (found, more) = before(conn, id, seq, limit).await?;
                (found, more, true)
            }
            Window::After(seq) => {
                let (found, more) = after(conn, id, seq, limit).await?;
                (found, true, more)
            }
            Window::Around(seq) => {
                let (mut older, more_before) = before(conn, id, seq + 1, limit / 2 + 1).await?;
                let (newer, more_after) = after(conn, id, seq, limit / 2).await?;
                older.extend(newer);
                (older, more_before, more_after)
            }
        };
        let mut so_far = HashMap::new();
        for Stored { message, .. } in messages.iter().filter(|stored| stored.message.state.kind().is_open()) {
            so_far.insert(message.id, attempts::so_far(conn, message.id, message.attempt).await?);
        }
        Ok(RoomState { detail, role, messages, so_far, more_before, more_after, read, unread })
    }

    /// Makes a room with its maker as owner and the built-in assistant listening for its name.
    pub async fn add_room(&self, by: PersonId, name: &str, topic: &str, private: bool) -> Result<Room, ChatError> {
        let (name, topic) = (RoomName::parse(name)?, Topic::parse(topic)?);
        let room = self.new_room(&name, &topic, private);
        self.store
            .write(Patience::Refuse, move |tx| {
                Box::pin(async move {
                    insert(tx, &room).await?;
                    put_member(tx, room.id, by, Role::Owner).await?;
                    Ok(room)
                })
            })
            .await
    }

    /// Makes a room from the command line. Every administrator is an owner, or nobody could manage it.
    pub async fn add_room_for_admins(&self, name: &str, private: bool) -> Result<Room, ChatError> {
        let name = RoomName::parse(name)?;
        let room = self.new_room(&name, &Topic::default(), private);
        self.store
            .write(Patience::Wait, move |tx| {
                Box::pin(async move {
                    insert(tx, &room).await?;
                    for person in accounts::list(&mut tx.conn()).await?.into_iter().filter(|p| p.admin && !p.disabled) {
                        put_member(tx, room.id, person.id, Role::Owner).await?;
                    }
                    Ok(room)
                })
            })
            .await
    }

    fn new_room(&self, name: &RoomName, topic: &Topic, private: bool) -> Room {
        let clock = self.clock();
        Room {
            id: RoomId(clock.new_id()),
            name: name.as_str().to_owned(),
            topic: topic.as_str().to_owned(),
            kind: RoomKind::Room,
            private,
            epoch: Epoch(u128::from_be_bytes(clock.random())),
            head: 1,
            rev: 1,
            created_at: clock.now(),
        }
    }

    /// Changes a room's name, topic or privacy.
    pub async fn change_room(&self, by: PersonId, room: RoomId, change: RoomChange) -> Result<(), ChatError> {
        let name = change.name.as_deref().map(RoomName::parse).transpose()?;
        let topic = change.topic.as_deref().map(Topic::parse).transpose()?;
        self.store
            .write(Patience::Refuse, move |tx| {
                Box::pin(async move {
                    let rev = tx.advance(room).await?;
                    let old = managed_room(&mut tx.conn(), room, by).await?;
                    let name = name.as_ref().map_or(old.name.as_str(), RoomName::as_str);
                    let topic = topic.as_ref().map_or(old.topic.as_str(), Topic::as_str);
                    let private = change.private.unwrap_or(old.private);
                    Ok(rooms::update(&mut tx.conn(), room, name, topic, private, rev).await?)
                })
            })
            .await
    }

    /// Joins an open room.
    pub async fn join(&self, person: PersonId, room: RoomId) -> Result<(), ChatError> {
        self.store
            .write(Patience::Refuse, move |tx| {
                Box::pin(async move {
                    let rev = tx.advance(room).await?;
                    if rooms::find_for(&mut tx.conn(), room, person).await?.is_none() {
                        rooms::find_open(&mut tx.conn(), room).await?.ok_or(ChatError::NotFound)?;
                    }
                    enter(tx, room, person, rev).await
                })
            })
            .await
    }

    /// Adds somebody to a room, by name.
    pub async fn add_member(&self, by: PersonId, room: RoomId, given_name: &str) -> Result<PersonId, ChatError> {
        let key = name::key(given_name);
        let shown = given_name.trim().to_owned();
        self.store
            .write(Patience::Refuse, move |tx| {
                Box::pin(async move {
                    let rev = tx.advance(room).await?;
                    managed_room(&mut tx.conn(), room, by).await?;
                    let person = accounts::find_by_name(&mut tx.conn(), &key).await?.filter(|person| !person.disabled);
                    let person = person.ok_or_else(|| {
                        Invalid::new("nobody", format!("There is nobody of the name “{shown}”: check the spelling, or invite them."))
                    })?;
                    enter(tx, room, person.id, rev).await?;
                    Ok(person.id)
                })
            })
            .await
    }

    /// Adds somebody to a room, by id.
    pub async fn add_person_to_room(&self, by: PersonId, room: RoomId, person: PersonId) -> Result<(), ChatError> {
        self.store
            .write(Patience::Refuse, move |tx| {
                Box::pin(async move {
                    let rev = tx.advance(room).await?;
                    managed_room(&mut tx.conn(), room, by).await?;
                    let found = accounts::find(&mut tx.conn(), person).await?.filter(|person| !person.disabled);
                    found.ok_or_else(|| Invalid::new("nobody", "There is nobody of that id."))?;
                    enter(tx, room, person, rev).await
                })
            })
            .await
    }

    /// Removes a member, or leaves. The last owner of a room with others in it must first make room for another.
    pub async fn remove_member(&self, by: PersonId, room: RoomId, person: PersonId) -> Result<(), ChatError> {
        self.store
            .write(Patience::Refuse, move |tx| {
                Box::pin(async move {
                    let rev = tx.advance(room).await?;
                    let found = match by == person {
                        true => room_of(&mut tx.conn(), room, by).await?.0,
                        false => managed_room(&mut tx.conn(), room, by).await?,
                    };
                    if !rooms::remove_member(&mut tx.conn(), room, person).await? {
                        return Err(ChatError::NotFound);
                    }
                    let left = rooms::members(&mut tx.conn(), room).await?;
                    if !found.kind.is_direct() && !left.is_empty() && !left.iter().any(|member| member.role.may_manage()) {
                        return Err(ChatError::Forbidden("You are the room's only owner: remove the other members first, or stay."));
                    }
                    rooms::touch(&mut tx.conn(), room, rev, true).await?;
                    tx.announce(Announcement::Revoked(Revocation::Member { room, person }));
                    Ok(())
                })
            })
            .await
    }
}

/// A room with everyone in it, under the name that this member sees.
async fn detail_for(conn: &mut Conn<'_>, room: Room, person: PersonId) -> Result<RoomDetail, ChatError> {
    let mut detail = rooms::detail(conn, room).await?;
    if detail.room.kind.is_direct()
        && let Some((_, name)) = rooms::other_of(conn, detail.room.id, person).await?
    {
        detail.room.name = name;
    }
    Ok(detail)
}

async fn unread(conn: &mut Conn<'_>, room: RoomId, person: PersonId, read: i64) -> Result<Option<Unread>, ChatError> {
    let Some((first, seq)) = reading::first_unread(conn, room, person, read).await? else { return Ok(None) };
    let since = messages::find(conn, room, first).await?.map_or(0, |stored| stored.message.at);
    let lines = reading::lines_of_pairs(conn, &[(person, room)]).await?;
    Ok(Some(Unread { first, seq, since, count: lines.first().map_or(1, |(_, line)| line.unread) }))
}

async fn before(conn: &mut Conn<'_>, room: RoomId, seq: i64, limit: usize) -> Result<(Vec<Stored>, bool), ChatError> {
    let mut found = messages::page_before(conn, room, seq, limit + 1).await?;
    let more = found.len() > limit;
    if more {
        found.remove(0);
    }
    Ok((found, more))
}

async fn after(conn: &mut Conn<'_>, room: RoomId, seq: i64, limit: usize) -> Result<(Vec<Stored>, bool), ChatError> {
    let mut found = messages::page_after(conn, room, seq, limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    Ok((found, more))
}

/// A new room's row. The built-in assistant comes along and speaks when it is spoken to, unless there is a real provider: then nobody
/// gets the demo model without choosing it.
async fn insert(tx: &mut Tx, room: &Room) -> Result<(), ChatError> {
    rooms::insert(&mut tx.conn(), room).await?;
    let all = assistants::list(&mut tx.conn()).await?;
    let of = |provider: Provider| all.iter().find(|a| a.provider == provider);
    if let (Some(builtin), None) = (of(Provider::Builtin), of(Provider::OpenAi)) {
        assistants::put_into_room(&mut tx.conn(), room.id, builtin.id, crate::domain::assistant::Speaks::Mention).await?;
    }
    Ok(())
}

/// Makes somebody a member. `rev` was taken before permissions were read: on Postgres it holds the room, so that they stay true.
async fn enter(tx: &mut Tx, room: RoomId, person: PersonId, rev: i64) -> Result<(), ChatError> {
    if put_member(tx, room, person, Role::Member).await? {
        rooms::touch(&mut tx.conn(), room, rev, true).await?;
        return Ok(());
    }
    // A member already: the number that was taken must still belong to a row.
    Ok(rooms::touch(&mut tx.conn(), room, rev, false).await?)
}

/// A membership's row, and word of it. False if it was there.
pub(super) async fn put_member(tx: &mut Tx, room: RoomId, person: PersonId, role: Role) -> Result<bool, ChatError> {
    let now = tx.now();
    let new = rooms::add_member(&mut tx.conn(), room, person, role, now).await?;
    if new {
        tx.announce(Announcement::Concerns { room, person });
    }
    Ok(new)
}
