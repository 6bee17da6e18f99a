//! Rooms and their members. Who may see a room is part of the question here: a room is found through its membership.

use super::decode::parse;
use super::{Conn, StoreError, assistants};
use crate::domain::Millis;
use crate::domain::id::{PersonId, RoomId};
use crate::domain::room::{Member, Role, Room, RoomDetail};

#[derive(sqlx::FromRow)]
struct RoomRow {
    id: String,
    name: String,
    topic: String,
    kind: String,
    private: bool,
    epoch: String,
    head: i64,
    rev_seq: i64,
    created_at: i64,
    role: Option<String>,
}

impl RoomRow {
    fn decode(self) -> Result<(Room, Option<Role>), StoreError> {
        let role = self.role.as_deref().map(decode_role).transpose()?;
        let room = Room {
            id: parse("rooms.id", &self.id)?,
            name: self.name,
            topic: self.topic,
            kind: parse("rooms.kind", &self.kind)?,
            private: self.private,
            epoch: parse("rooms.epoch", &self.epoch)?,
            head: self.head,
            rev: self.rev_seq,
            created_at: self.created_at,
        };
        Ok((room, role))
    }

    fn decode_member(self) -> Result<(Room, Role), StoreError> {
        match self.decode()? {
            (room, Some(role)) => Ok((room, role)),
            (room, None) => Err(StoreError::Corrupt(format!("a membership of {} has no role", room.id))),
        }
    }
}

fn decode_role(text: &str) -> Result<Role, StoreError> {
    match text {
        "owner" => Ok(Role::Owner),
        "member" => Ok(Role::Member),
        _ => Err(StoreError::Corrupt(format!("members.role = {text:?}"))),
    }
}

fn encode_role(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::Member => "member",
    }
}

pub async fn insert(conn: &mut Conn<'_>, room: &Room) -> Result<(), StoreError> {
    with!(conn, |db| {
        sqlx::query(
            "INSERT INTO rooms (id, name, topic, private, epoch, head, rev_seq, access_seq, created_at, active_at, kind)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $8, $9)",
        )
        .bind(room.id.to_string())
        .bind(&room.name)
        .bind(&room.topic)
        .bind(room.private)
        .bind(room.epoch.to_string())
        .bind(room.head)
        .bind(room.rev)
        .bind(room.created_at)
        .bind(room.kind.as_str())
        .execute(&mut **db)
        .await
        .map(|_| ())
    })?;
    Ok(())
}

/// Makes a room the talk of these two. There is one for each pair: a second is refused as a unique violation.
pub async fn set_pair(conn: &mut Conn<'_>, room: RoomId, pair: (PersonId, PersonId)) -> Result<(), StoreError> {
    let (low, high) = in_order(pair);
    with!(conn, |db| sqlx::query("UPDATE rooms SET pair_low = $2, pair_high = $3 WHERE id = $1")
        .bind(room.to_string())
        .bind(low)
        .bind(high)
        .execute(&mut **db)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// The talk of these two, if they have one.
pub async fn of_pair(conn: &mut Conn<'_>, pair: (PersonId, PersonId)) -> Result<Option<RoomId>, StoreError> {
    let (low, high) = in_order(pair);
    let id: Option<String> = with!(conn, |db| sqlx::query_scalar("SELECT id FROM rooms WHERE pair_low = $1 AND pair_high = $2")
        .bind(low)
        .bind(high)
        .fetch_optional(&mut **db)
        .await)?;
    id.map(|id| parse("rooms.id", &id)).transpose()
}

fn in_order((one, other): (PersonId, PersonId)) -> (String, String) {
    let (one, other) = (one.to_string(), other.to_string());
    if one <= other { (one, other) } else { (other, one) }
}

/// With whom a person talks in a direct room, whether or not both are in it at the moment.
pub async fn other_of(conn: &mut Conn<'_>, room: RoomId, person: PersonId) -> Result<Option<(PersonId, String)>, StoreError> {
    let row: Option<(String, String)> = with!(conn, |db| sqlx::query_as(
        "SELECT p.id, p.name
           FROM rooms r JOIN people p ON p.id = CASE WHEN r.pair_low = $2 THEN r.pair_high ELSE r.pair_low END
          WHERE r.id = $1"
    )
    .bind(room.to_string())
    .bind(person.to_string())
    .fetch_optional(&mut **db)
    .await)?;
    row.map(|(id, name)| Ok((parse("rooms.pair", &id)?, name))).transpose()
}

/// Takes the next number of a room. The caller writes it into the row that changes, in the same transaction.
pub(super) async fn next_head(conn: &mut Conn<'_>, room: RoomId) -> Result<i64, StoreError> {
    let head: Option<i64> = with!(conn, |db| sqlx::query_scalar("UPDATE rooms SET head = head + 1 WHERE id = $1 RETURNING head")
        .bind(room.to_string())
        .fetch_optional(&mut **db)
        .await)?;
    head.ok_or(StoreError::NoRoom)
}

/// The same for a new message, with its time: the room was active then.
pub(super) async fn next_head_at(conn: &mut Conn<'_>, room: RoomId, at: Millis) -> Result<i64, StoreError> {
    let head: Option<i64> =
        with!(conn, |db| sqlx::query_scalar("UPDATE rooms SET head = head + 1, active_at = $2 WHERE id = $1 RETURNING head")
            .bind(room.to_string())
            .bind(at)
            .fetch_optional(&mut **db)
            .await)?;
    head.ok_or(StoreError::NoRoom)
}

/// Holds a room's row until the transaction ends, without taking a number.
pub(super) async fn hold(conn: &mut Conn<'_>, room: RoomId) -> Result<(), StoreError> {
    let held = with!(conn, |db| sqlx::query("UPDATE rooms SET head = head WHERE id = $1")
        .bind(room.to_string())
        .execute(&mut **db)
        .await
        .map(|done| done.rows_affected()))?;
    match held {
        1 => Ok(()),
        _ => Err(StoreError::NoRoom),
    }
}

/// The room with this person's role in it; nothing if the person is no member, or is shut out.
pub async fn find_for(conn: &mut Conn<'_>, room: RoomId, person: PersonId) -> Result<Option<(Room, Role)>, StoreError> {
    let row: Option<RoomRow> = with!(conn, |db| sqlx::query_as(
        "SELECT r.id, r.name, r.topic, r.kind, r.private, r.epoch, r.head, r.rev_seq, r.created_at, m.role
           FROM members m JOIN rooms r ON r.id = m.room_id JOIN people p ON p.id = m.person_id
          WHERE m.room_id = $1 AND m.person_id = $2 AND NOT p.disabled"
    )
    .bind(room.to_string())
    .bind(person.to_string())
    .fetch_optional(&mut **db)
    .await)?;
    row.map(RoomRow::decode_member).transpose()
}

/// The room if it is open, for who wants to join.
pub async fn find_open(conn: &mut Conn<'_>, room: RoomId) -> Result<Option<Room>, StoreError> {
    Ok(find(conn, room).await?.filter(|room| !room.private))
}

/// The room, whoever asks: for the house itself and the command line.
pub async fn find(conn: &mut Conn<'_>, room: RoomId) -> Result<Option<Room>, StoreError> {
    let row: Option<RoomRow> = with!(conn, |db| sqlx::query_as(
        "SELECT id, name, topic, kind, private, epoch, head, rev_seq, created_at, NULL AS role FROM rooms WHERE id = $1"
    )
    .bind(room.to_string())
    .fetch_optional(&mut **db)
    .await)?;
    Ok(row.map(RoomRow::decode).transpose()?.map(|(room, _)| room))
}

/// The rooms that a person is in, by name.
pub async fn list_for(conn: &mut Conn<'_>, person: PersonId) -> Result<Vec<(Room, Role)>, StoreError> {
    let rows: Vec<RoomRow> = with!(conn, |db| sqlx::query_as(
        "SELECT r.id, r.name, r.topic, r.kind, r.private, r.epoch, r.head, r.rev_seq, r.created_at, m.role
           FROM members m JOIN rooms r ON r.id = m.room_id
          WHERE m.person_id = $1 ORDER BY r.name, r.id"
    )
    .bind(person.to_string())
    .fetch_all(&mut **db)
    .await)?;
    rows.into_iter().map(RoomRow::decode_member).collect()
}

/// Open rooms that a person is not in, by name.
pub async fn list_joinable(conn: &mut Conn<'_>, person: PersonId) -> Result<Vec<Room>, StoreError> {
    let rows: Vec<RoomRow> = with!(conn, |db| sqlx::query_as(
        "SELECT r.id, r.name, r.topic, r.kind, r.private, r.epoch, r.head, r.rev_seq, r.created_at, NULL AS role
           FROM rooms r
          WHERE NOT r.private AND NOT EXISTS (SELECT 1 FROM members m WHERE m.room_id = r.id AND m.person_id = $1)
          ORDER BY r.name, r.id"
    )
    .bind(person.to_string())
    .fetch_all(&mut **db)
    .await)?;
    rows.into_iter().map(|row| Ok(row.decode()?.0)).collect()
}

/// Rooms with the names by which a text in this room can link to them: the open ones, this one, and those that the writer is
/// in. What an assistant writes (no writer) links only to what all its readers may find.
pub async fn linked(conn: &mut Conn<'_>, room: RoomId, writer: Option<PersonId>) -> Result<Vec<(RoomId, String)>, StoreError> {
    let rows: Vec<(String, String)> = with!(conn, |db| sqlx::query_as(
        "SELECT r.id, r.name
           FROM rooms r
          WHERE r.kind = 'room'
            AND (NOT r.private OR r.id = $1
                 OR EXISTS (SELECT 1 FROM members m WHERE m.room_id = r.id AND m.person_id = $2))
          ORDER BY r.name, r.id"
    )
    .bind(room.to_string())
    .bind(writer.map(|person| person.to_string()).unwrap_or_default())
    .fetch_all(&mut **db)
    .await)?;
    rows.into_iter().map(|(id, name)| Ok((parse("rooms.id", &id)?, name))).collect()
}

/// Every room, by name: for the command line.
pub async fn list_all(conn: &mut Conn<'_>) -> Result<Vec<Room>, StoreError> {
    let rows: Vec<RoomRow> = with!(conn, |db| sqlx::query_as(
        "SELECT id, name, topic, kind, private, epoch, head, rev_seq, created_at, NULL AS role FROM rooms ORDER BY name, id"
    )
    .fetch_all(&mut **db)
    .await)?;
    rows.into_iter().map(|row| Ok(row.decode()?.0)).collect()
}

/// Changes a room's own fields; `rev` is the number that was taken for it.
pub async fn update(conn: &mut Conn<'_>, room: RoomId, name: &str, topic: &str, private: bool, rev: i64) -> Result<(), StoreError> {
    with!(conn, |db| sqlx::query("UPDATE rooms SET name = $2, topic = $3, private = $4, rev_seq = $5 WHERE id = $1")
        .bind(room.to_string())
        .bind(name)
        .bind(topic)
        .bind(private)
        .bind(rev)
        .execute(&mut **db)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// Marks the room's own row as changed (its members or assistants did); `access` if somebody's access changed with it.
pub async fn touch(conn: &mut Conn<'_>, room: RoomId, rev: i64, access: bool) -> Result<(), StoreError> {
    with!(conn, |db| sqlx::query("UPDATE rooms SET rev_seq = $2, access_seq = access_seq + $3 WHERE id = $1")
        .bind(room.to_string())
        .bind(rev)
        .bind(i64::from(access))
        .execute(&mut **db)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// Whoever enters has read what was there before. False if the person was a member already.
pub async fn add_member(conn: &mut Conn<'_>, room: RoomId, person: PersonId, role: Role, now: Millis) -> Result<bool, StoreError> {
    let done = with!(conn, |db| sqlx::query(
        "INSERT INTO members (room_id, person_id, role, joined_at, read_seq)
         SELECT r.id, $2, $3, $4, r.head FROM rooms r WHERE r.id = $1
             ON CONFLICT DO NOTHING"
    )
    .bind(room.to_string())
    .bind(person.to_string())
    .bind(encode_role(role))
    .bind(now)
    .execute(&mut **db)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(done == 1)
}

/// True if the person was a member.
pub async fn remove_member(conn: &mut Conn<'_>, room: RoomId, person: PersonId) -> Result<bool, StoreError> {
    let done = with!(conn, |db| sqlx::query("DELETE FROM members WHERE room_id = $1 AND person_id = $2")
        .bind(room.to_string())
        .bind(person.to_string())
        .execute(&mut **db)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(done == 1)
}

/// By name.
pub async fn members(conn: &mut Conn<'_>, room: RoomId) -> Result<Vec<Member>, StoreError> {
    let rows: Vec<(String, String, String)> = with!(conn, |db| sqlx::query_as(
        "SELECT p.id, p.name, m.role FROM members m JOIN people p ON p.id = m.person_id WHERE m.room_id = $1 ORDER BY p.name, p.id"
    )
    .bind(room.to_string())
    .fetch_all(&mut **db)
    .await)?;
    rows.into_iter().map(|(id, name, role)| Ok(Member { id: parse("members.person_id", &id)?, name, role: decode_role(&role)? })).collect()
}

/// A room that was found, with everyone in it.
pub async fn detail(conn: &mut Conn<'_>, room: Room) -> Result<RoomDetail, StoreError> {
    let members = members(conn, room.id).await?;
    let assistants = assistants::of_room(conn, room.id).await?;
    Ok(RoomDetail { room, members, assistants })
}

/// Heads of these rooms, as they are now.
pub async fn heads(conn: &mut Conn<'_>, rooms: &[RoomId]) -> Result<Vec<(RoomId, i64)>, StoreError> {
    let mut heads = Vec::with_capacity(rooms.len());
    for some in rooms.chunks(10_000) {
        let more: Vec<(String, i64)> = with!(conn, |db| {
            let mut query = sqlx::QueryBuilder::new("SELECT id, head FROM rooms WHERE id IN (");
            let mut list = query.separated(", ");
            for room in some {
                list.push_bind(room.to_string());
            }
            query.push(")");
            query.build_query_as().fetch_all(&mut **db).await
        })?;
        for (id, head) in more {
            heads.push((parse("rooms.id", &id)?, head));
        }
    }
    Ok(heads)
}

/// Who is in these rooms: for the regular check of all open streams.
pub async fn members_of(conn: &mut Conn<'_>, rooms: &[RoomId]) -> Result<Vec<(RoomId, PersonId)>, StoreError> {
    let mut pairs = Vec::new();
    for some in rooms.chunks(10_000) {
        let more: Vec<(String, String)> = with!(conn, |db| {
            let mut query = sqlx::QueryBuilder::new("SELECT room_id, person_id FROM members WHERE room_id IN (");
            let mut list = query.separated(", ");
            for room in some {
                list.push_bind(room.to_string());
            }
            query.push(")");
            query.build_query_as().fetch_all(&mut **db).await
        })?;
        for (room, person) in more {
            pairs.push((parse("members.room_id", &room)?, parse("members.person_id", &person)?));
        }
    }
    Ok(pairs)
}
