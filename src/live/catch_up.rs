//! Catching up with a room from its rows (live-protocol §5, steps b to d): a position in the ring, one snapshot, finished bytes.
//!
//! No read transaction is open while anything is handed out. What is more than a portion is read in several turns, each after the one before
//! has gone, so that a reader that stops holds on to no more than one.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use super::channel::{CATCH_UP_BYTES, CATCH_UP_ROWS, Channel};
use super::frame::{self, Frame, Numbers, ResetWhy, View};
use super::hub::Hub;
use super::listener::{Listener, Reader};
use crate::domain::cursor::Cursor;
use crate::domain::id::MessageId;
use crate::store::messages::Changes;
use crate::store::{Store, StoreError, messages, rooms, sessions};

/// Tries to read a room's rows before the stream gives up and the reader comes back by itself.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);
/// Bytes after which the rest is left for another turn.
const PORTION: usize = 256 * 1024;

/// Where catching up begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum From {
    Now,
    Cursor(Cursor),
    Lost,
    /// After this number, which this stream has had.
    Seq(i64),
}

pub(super) enum Outcome {
    CaughtUp {
        bytes: Bytes,
        sent: i64,
        position: u64,
    },
    /// There is more, which is read when this has been handed out.
    Further {
        bytes: Bytes,
        sent: i64,
    },
    /// No such room for this reader.
    NotThere,
    /// The session or token that the stream was opened with is no longer good.
    SignedOut,
    Failed,
}

pub(super) fn begin(hub: &Hub, listener: &Listener, channel: &Arc<Channel>, from: From, view: View) -> BoxFuture<'static, Outcome> {
    let (store, reader, channel) = (hub.store().clone(), listener.reader.clone(), channel.clone());
    Box::pin(async move {
        // In a task of its own, begun when it is first asked for and ended with the stream: a stream is not polled while its socket takes
        // nothing, and must not hold the gate and a connection meanwhile, for which everybody who writes would wait.
        AbortOnDropHandle::new(tokio::spawn(read(store, channel, reader, from, view))).await.unwrap_or(Outcome::Failed)
    })
}

async fn read(store: Store, channel: Arc<Channel>, reader: Reader, from: From, view: View) -> Outcome {
    for attempt in 1..=TRIES {
        match catch_up(&store, &channel, &reader, from, view).await {
            Ok(outcome) => return outcome,
            Err(error) => {
                warn!(room.id = %channel.room, %error, attempt, "a stream cannot catch up");
                tokio::time::sleep(PAUSE * attempt).await;
            }
        }
    }
    Outcome::Failed
}

/// Steps (b) to (d): a position in the ring first, then rows in one snapshot together with the question who may see them, then the
/// drafts of that position.
async fn catch_up(store: &Store, channel: &Channel, reader: &Reader, from: From, view: View) -> Result<Outcome, StoreError> {
    let Some(entry) = channel.enter(view).await else { return Ok(Outcome::NotThere) };
    let mut snapshot = store.snapshot().await?;
    let gate = store.gate().await;
    let conn = &mut snapshot.conn();
    let Some((room, _)) = rooms::find_for(conn, channel.room, reader.person).await? else { return Ok(Outcome::NotThere) };
    // The reader was looked at before this stream could be told of anything; what was revoked in between is seen here.
    let now = store.clock().now();
    if sessions::still_valid(conn, std::slice::from_ref(&reader.credential), now).await?.is_empty() {
        return Ok(Outcome::SignedOut);
    }
    let head = room.cursor();
    let reset = |why| Outcome::CaughtUp { bytes: frame::reset(head, why), sent: head.seq, position: entry.position };
    let after = match from {
        From::Now => head.seq,
        From::Lost => return Ok(reset(ResetWhy::BadCursor)),
        From::Cursor(cursor) if cursor.epoch != head.epoch => return Ok(reset(ResetWhy::OtherEpoch)),
        From::Cursor(cursor) if cursor.seq > head.seq => return Ok(reset(ResetWhy::Ahead)),
        From::Cursor(cursor) => cursor.seq,
        From::Seq(seq) => seq,
    };
    let Changes::Rows(rows) = messages::changed_since(conn, channel.room, after, CATCH_UP_ROWS, CATCH_UP_BYTES).await? else {
        return Ok(reset(ResetWhy::TooFar));
    };
    let room_frame = match room.rev > after {
        true => Some(rooms::detail(conn, room).await?),
        false => None,
    };
    drop((snapshot, gate));

    // A draft is pointless if its row has ended or is at another attempt meanwhile.
    let overtaken: Vec<(MessageId, i64, bool)> =
        rows.iter().map(|s| (s.message.id, s.message.attempt, s.message.state.kind().is_open())).collect();
    let mut frames: Vec<Frame> = rows.into_iter().map(|stored| Frame::message(head.epoch, stored, 0)).collect();
    if let Some(detail) = room_frame {
        let rev = detail.room.rev;
        let place = frames.partition_point(|f| f.durable.is_some_and(|n| n.rev < rev));
        frames.insert(place, Frame::room(detail, 0));
    }
    let mut bytes = BytesMut::new();
    let mut frames = frames.iter().peekable();
    while let Some(frame) = frames.next() {
        bytes.extend_from_slice(&frame.bytes(view));
        if let Some(Numbers { rev: sent, .. }) = frame.durable.filter(|_| bytes.len() > PORTION && frames.peek().is_some()) {
            return Ok(Outcome::Further { bytes: bytes.freeze(), sent });
        }
    }
    if !matches!(from, From::Now) {
        for (id, attempt, frames) in &entry.drafts {
            if overtaken.iter().all(|(known, at, open)| known != id || (at == attempt && *open)) {
                frames.iter().for_each(|frame| bytes.extend_from_slice(frame));
            }
        }
    }
    bytes.extend_from_slice(&frame::caught_up(head));
    Ok(Outcome::CaughtUp { bytes: bytes.freeze(), sent: head.seq, position: entry.position })
}
