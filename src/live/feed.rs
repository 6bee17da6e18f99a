//! One tab's stream: catch up from rows, then follow the rings of its rooms (live-protocol §5, steps a to e).
//!
//! A feed owns positions, not frames: what waits for it lies in the rings, shared by all, and is taken out in one piece when its
//! socket can take more. Between two polls it is a few hundred bytes. No read transaction is open while a socket is written:
//! catching up gives finished bytes before any of them is handed out.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream};

use super::admission::Admission;
use super::catch_up::{self, From, Outcome};
use super::channel::Channel;
use super::frame::{self, ByeWhy, View};
use super::hub::{HEARTBEAT, Hub, TooManyStreams};
use super::listener::{Listener, Reader};
use super::ring::{Return, Waiting};
use crate::domain::Millis;
use crate::domain::cursor::Cursor;
use crate::domain::id::RoomId;

/// Where in a room a stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// From now on.
    Now(RoomId),
    After(Cursor),
    /// The reader named the room, but no place in it that can be read: it is told to load the room anew.
    Lost(RoomId),
}

impl Follow {
    pub fn room(self) -> RoomId {
        match self {
            Self::Now(room) | Self::Lost(room) => room,
            Self::After(cursor) => cursor.room,
        }
    }
}

/// What a stream may be asked for besides its rooms' frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// The reader's list of rooms.
    pub rooms: bool,
    /// Who else has its rooms open.
    pub people: bool,
}

/// The range from which a reader's reconnection delay is drawn, in ms.
const RETRY_MS: (u64, u64) = (2000, 5000);
/// Bytes after which no further room is looked at before these are handed out: a reader that stops holds on to no more.
const ENOUGH: usize = 256 * 1024;

/// A stream of frames for one reader. Yields all that waits as one piece; ends after a `bye`.
pub struct Feed {
    hub: Hub,
    listener: Arc<Listener>,
    view: View,
    rooms: Vec<Following>,
    /// The room that is looked at first, so that a busy one does not keep the others waiting.
    turn: usize,
    /// Goes out first: the `retry` line, and rooms that are not there.
    opening: Option<Bytes>,
    renew_at: Millis,
    heartbeat_at: Millis,
    extras: Extras,
    ended: bool,
}

struct Following {
    channel: Arc<Channel>,
    /// Its reader counts as being here.
    present: bool,
    /// Every change up to this number has been handed out (or is in the bytes of the step under way).
    sent: i64,
    step: Step,
}

impl Following {
    /// Reads on from what has been sent.
    fn catch_up(&mut self, hub: &Hub, listener: &Listener, view: View) {
        self.step = Step::CatchingUp(catch_up::begin(hub, listener, &self.channel, From::Seq(self.sent), view));
    }
}

impl Following {
    /// Its reader was found to be a member, and has all that there is.
    fn arrive(&mut self, hub: &Hub, listener: &Arc<Listener>, extras: Extras) {
        if extras.people && !self.present {
            self.present = true;
            hub.enter(self.channel.room, listener);
        }
    }
}

enum Step {
    /// The ring alone could tell what was missed.
    Returned(Box<Return>),
    CatchingUp(BoxFuture<'static, Outcome>),
    /// At this position in the ring.
    AtRing(u64),
}

impl Feed {
    /// Opens a stream. Nothing is read before it is polled, and then it is asked whether the reader may still read. `absent` are rooms that
    /// were asked for and are not for this reader: they are told so first, and cost the hub nothing.
    pub fn open(hub: &Hub, reader: Reader, rooms: &[Follow], absent: &[RoomId], view: View) -> Result<Self, TooManyStreams> {
        Self::begin(hub, reader, None, rooms, absent, view)
    }

    /// Opens a stream for a reader of whom is known what the database says. While that is so, whoever comes back to a room that others
    /// listen to costs the database nothing.
    pub fn open_for(hub: &Hub, of: &Admission, rooms: &[Follow], absent: &[RoomId], view: View) -> Result<Self, TooManyStreams> {
        Self::begin(hub, of.reader.clone(), Some(of), rooms, absent, view)
    }

    fn begin(
        hub: &Hub,
        reader: Reader,
        of: Option<&Admission>,
        rooms: &[Follow],
        absent: &[RoomId],
        view: View,
    ) -> Result<Self, TooManyStreams> {
        let listener = hub.listen(reader)?;
        let clock = hub.store().clock();
        let mut opening = BytesMut::new();
        opening.extend_from_slice(&frame::retry(clock.draw(RETRY_MS.0, RETRY_MS.1)));
        for room in absent {
            opening.extend_from_slice(&frame::bye(ByeWhy::Revoked, Some(*room)));
        }
        // What is held until its turn comes is bounded too: beyond, rows are read in turn.
        let mut left = ENOUGH;
        let rooms = rooms
            .iter()
            .map(|follow| {
                let channel = hub.join(follow.room(), &listener);
                let from = match follow {
                    Follow::Now(_) => From::Now,
                    Follow::After(cursor) => From::Cursor(*cursor),
                    Follow::Lost(_) => From::Lost,
                };
                // Asked after the stream is registered with the hub: what is revoked from here on, it is told.
                let is_known = |of: &Admission| of.rooms.contains(&channel.room) && hub.is_certain(of);
                let back = match follow {
                    Follow::After(cursor) if of.is_some_and(is_known) => channel.return_from(*cursor, view, left),
                    _ => None,
                };
                let step = match back {
                    Some(back) => {
                        left -= back.bytes.len().min(left);
                        Step::Returned(Box::new(back))
                    }
                    None => Step::CatchingUp(catch_up::begin(hub, &listener, &channel, from, view)),
                };
                Following { channel, present: false, sent: 0, step }
            })
            .collect();
        let now = clock.now();
        Ok(Self {
            view,
            rooms,
            turn: 0,
            opening: Some(opening.freeze()),
            renew_at: hub.renewal(),
            heartbeat_at: now + HEARTBEAT.as_millis() as i64,
            extras: Extras::default(),
            ended: false,
            hub: hub.clone(),
            listener,
        })
    }

    /// The same stream with more in it. To be said before it is polled.
    pub fn with(mut self, extras: Extras) -> Self {
        if extras.rooms && !self.extras.rooms {
            self.hub.watch_list(&self.listener);
        }
        self.extras = extras;
        self
    }

    /// The time of day, by the house's clock.
    pub fn now(&self) -> Millis {
        self.hub.store().clock().now()
    }

    /// What waits cannot be handed out now: the stream is woken no more for frames, only when it ends. Then this gives its last words, and
    /// what waited is to be dropped. The next poll goes on as if nothing had been.
    pub fn stuck(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        self.listener.register(cx.waker());
        self.listener.wants_waking_at(Millis::MAX);
        self.listener.set_stuck(true);
        let notice = self.listener.notice()?;
        if let Some(why) = notice.end {
            return Some(frame::bye(why, None));
        }
        let rooms: Vec<RoomId> = self.rooms.iter().map(|following| following.channel.room).collect();
        let all_gone = rooms.iter().all(|room| notice.revoked.contains(room));
        // A list of rooms goes on without any of them.
        let ends = all_gone && !rooms.is_empty() && !self.extras.rooms;
        ends.then(|| rooms.iter().flat_map(|room| frame::bye(ByeWhy::Revoked, Some(*room))).collect())
    }

    /// Moves one room on to its next piece. Where it would have to read rows it only prepares that, unless it may begin.
    fn advance(&mut self, index: usize, may_read: bool, cx: &mut Context<'_>) -> Progress {
        loop {
            let Some(following) = self.rooms.get_mut(index) else { return Progress::Waits };
            match &mut following.step {
                Step::Returned(back) => {
                    let back = std::mem::replace(&mut **back, Return { bytes: Bytes::new(), position: 0, sent: 0 });
                    following.sent = back.sent;
                    following.step = Step::AtRing(back.position);
                    following.arrive(&self.hub, &self.listener, self.extras);
                    return Progress::Piece(back.bytes);
                }
                Step::CatchingUp(catching_up) => match catching_up.poll_unpin(cx) {
                    Poll::Pending => return Progress::Waits,
                    Poll::Ready(Outcome::CaughtUp { bytes, sent, position }) => {
                        following.sent = following.sent.max(sent);
                        following.step = Step::AtRing(position);
                        following.arrive(&self.hub, &self.listener, self.extras);
                        return Progress::Piece(bytes);
                    }
                    Poll::Ready(Outcome::Further { bytes, sent }) => {
                        following.sent = following.sent.max(sent);
                        following.catch_up(&self.hub, &self.listener, self.view);
                        return Progress::Piece(bytes);
                    }
                    Poll::Ready(Outcome::NotThere) => return Progress::NotThere,
                    Poll::Ready(Outcome::SignedOut) => return Progress::SignedOut,
                    Poll::Ready(Outcome::Failed) => return Progress::Failed,
                },
                Step::AtRing(position) => match following.channel.waiting(*position, following.sent, self.view) {
                    Waiting::Nothing => return Progress::Waits,
                    Waiting::Piece { bytes, next, sent } => {
                        *position = next;
                        following.sent = sent;
                        if !bytes.is_empty() {
                            return Progress::Piece(bytes);
                        }
                    }
                    Waiting::Gap | Waiting::FellOut => {
                        following.catch_up(&self.hub, &self.listener, self.view);
                        if !may_read {
                            return Progress::Waits;
                        }
                    }
                },
            }
        }
    }

    fn end(&mut self, why: ByeWhy) -> Bytes {
        self.ended = true;
        frame::bye(why, None)
    }

    /// Ends one room, and says so; nothing if it was not followed.
    fn drop_room(&mut self, room: RoomId) -> Bytes {
        if !self.rooms.iter().any(|following| following.channel.room == room) {
            return Bytes::new();
        }
        self.rooms.retain(|following| {
            let stays = following.channel.room != room;
            if !stays {
                following.channel.remove(&self.listener);
                if following.present {
                    self.hub.exit(room, &self.listener);
                }
            }
            stays
        });
        // With its last room the stream has nothing more to say, unless it is about all of them.
        self.ended = self.rooms.is_empty() && !self.extras.rooms;
        frame::bye(ByeWhy::Revoked, Some(room))
    }
}

enum Progress {
    Waits,
    Piece(Bytes),
    NotThere,
    SignedOut,
    Failed,
}

impl Stream for Feed {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let feed = self.get_mut();
        if feed.ended {
            return Poll::Ready(None);
        }
        feed.listener.set_stuck(false);
        // Registered before looking: what comes in between wakes us again.
        feed.listener.register(cx.waker());
        let mut gathered: Vec<(RoomId, Bytes)> = Vec::new();
        let mut failed = false;
        let (mut catching_up, mut size, mut cut_short) = (false, 0, false);
        for step in 0..feed.rooms.len() {
            let index = (feed.turn + step) % feed.rooms.len();
            if size > ENOUGH {
                (feed.turn, cut_short) = (index, true);
                break;
            }
            // One room catches up at a time: what a stream holds is bounded by a room's share, not by the number of its rooms.
            if catching_up && matches!(feed.rooms[index].step, Step::CatchingUp(_)) {
                continue;
            }
            match feed.advance(index, !catching_up, cx) {
                Progress::Waits => catching_up = catching_up || matches!(feed.rooms[index].step, Step::CatchingUp(_)),
                Progress::Piece(bytes) => {
                    size += bytes.len();
                    gathered.push((feed.rooms[index].channel.room, bytes));
                }
                Progress::NotThere => feed.listener.revoke(feed.rooms[index].channel.room),
                Progress::SignedOut => feed.listener.end(ByeWhy::SignedOut),
                Progress::Failed => failed = true,
            }
        }
        // Looked at last and obeyed first: what was gathered above may have been committed after a revocation, and goes nowhere.
        let notice = feed.listener.take_notice().unwrap_or_default();
        let mut out = Out(feed.opening.take().unwrap_or_default());
        if let Some(why) = notice.end {
            let bye = feed.end(why);
            out.add(bye);
            return Poll::Ready(Some(out.0));
        }
        for (room, bytes) in gathered {
            if !notice.revoked.contains(&room) {
                out.add(bytes);
            }
        }
        for room in notice.revoked {
            out.add(feed.drop_room(room));
        }
        if failed {
            feed.ended = true;
            return Poll::Ready(None);
        }
        // Taken last: what is there now was not taken back by any revocation so far.
        if let Some(mail) = feed.listener.take_mail() {
            out.add(mail.rooms_frame());
            for (room, frame) in mail.people {
                if feed.rooms.iter().any(|following| following.channel.room == room && following.present) {
                    out.add(frame);
                }
            }
        }
        let now = feed.now();
        if now >= feed.renew_at && !feed.ended {
            let bye = feed.end(ByeWhy::Renew);
            out.add(bye);
        }
        if out.0.is_empty() && now >= feed.heartbeat_at {
            out.add(frame::heartbeat());
        }
        if out.0.is_empty() {
            feed.listener.wants_waking_at(feed.heartbeat_at.min(feed.renew_at));
            if cut_short {
                // What was gathered belonged to rooms that are gone; the others were not looked at.
                cx.waker().wake_by_ref();
            }
            return if feed.ended { Poll::Ready(None) } else { Poll::Pending };
        }
        feed.heartbeat_at = now + HEARTBEAT.as_millis() as i64;
        feed.listener.wants_waking_at(feed.heartbeat_at.min(feed.renew_at));
        Poll::Ready(Some(out.0))
    }
}

/// A piece on its way out: what comes alone is handed on, not copied.
struct Out(Bytes);

impl Out {
    fn add(&mut self, bytes: Bytes) {
        match (self.0.is_empty(), bytes.is_empty()) {
            (true, _) => self.0 = bytes,
            (false, true) => {}
            (false, false) => self.0 = [&self.0[..], &bytes].concat().into(),
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        if self.extras.rooms {
            self.hub.leave_list(&self.listener);
        }
        for following in self.rooms.iter().filter(|following| following.present) {
            self.hub.exit(following.channel.room, &self.listener);
        }
        self.hub.leave(&self.listener, self.rooms.iter().map(|f| f.channel.clone()));
    }
}
