//! One stream, as the hub knows it: whose it is, what it must know before it hands out anything more, and how it is woken.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use futures_util::task::AtomicWaker;

use super::channel::lock;
use super::frame::ByeWhy;
use super::mail::Mail;
use crate::domain::Millis;
use crate::domain::id::{PersonId, RoomId};

/// Who reads a stream, and by what right.
#[derive(Clone, Debug)]
pub struct Reader {
    pub person: PersonId,
    /// The stored id of the session or token that the stream was opened with; when it ends, so does the stream.
    pub credential: String,
}

/// One stream, as the hub knows it.
pub struct Listener {
    pub id: u64,
    pub reader: Reader,
    waker: AtomicWaker,
    /// Set with a notice, so that a stream need not take the lock to learn that there is none.
    alerted: AtomicBool,
    notice: Mutex<Notice>,
    /// When it wants to be woken for its own sake (heartbeat, renewal), in ms.
    due: AtomicI64,
    /// Its socket takes nothing, so frames need not wake it.
    stuck: AtomicBool,
    /// What waits for it besides its rooms' frames. A stream that did not ask for any has none.
    mail: Mutex<Option<Box<Mail>>>,
    has_mail: AtomicBool,
}

/// What a stream must know before it hands out anything more.
#[derive(Clone, Debug, Default)]
pub struct Notice {
    pub end: Option<ByeWhy>,
    pub revoked: Vec<RoomId>,
}

impl Listener {
    pub(super) fn new(id: u64, reader: Reader) -> Self {
        Self {
            id,
            reader,
            waker: AtomicWaker::new(),
            alerted: AtomicBool::new(false),
            notice: Mutex::default(),
            due: AtomicI64::new(i64::MAX),
            stuck: AtomicBool::new(false),
            mail: Mutex::default(),
            has_mail: AtomicBool::new(false),
        }
    }

    pub fn wake(&self) {
        self.waker.wake();
    }

    /// Wakes it for frames, unless it could not hand them out. Whoever is no longer stuck says so before it looks at the rings; a
    /// frame is put there before this is asked: one of the two sees the other.
    pub(super) fn wake_for_frames(&self) {
        if !self.stuck.load(Ordering::Acquire) {
            self.waker.wake();
        }
    }

    /// Changes what waits for it besides its rooms' frames.
    pub(super) fn mail(&self, change: impl FnOnce(&mut Mail)) {
        change(lock(&self.mail).get_or_insert_default());
        self.has_mail.store(true, Ordering::Release);
        self.wake_for_frames();
    }

    pub(super) fn take_mail(&self) -> Option<Box<Mail>> {
        self.has_mail.swap(false, Ordering::AcqRel).then(|| lock(&self.mail).take()).flatten()
    }

    pub(super) fn set_stuck(&self, stuck: bool) {
        self.stuck.store(stuck, Ordering::Release);
    }

    /// What it was told since it last looked, which stays to be taken.
    pub(super) fn notice(&self) -> Option<Notice> {
        self.alerted.load(Ordering::Acquire).then(|| lock(&self.notice).clone())
    }

    pub fn register(&self, waker: &std::task::Waker) {
        self.waker.register(waker);
    }

    pub fn wants_waking_at(&self, due: Millis) {
        self.due.store(due, Ordering::Relaxed);
    }

    pub(super) fn wake_if_due(&self, now: Millis) {
        if self.due.load(Ordering::Relaxed) <= now {
            self.wake();
        }
    }

    /// What it was told since it last looked.
    pub fn take_notice(&self) -> Option<Notice> {
        self.alerted.swap(false, Ordering::AcqRel).then(|| std::mem::take(&mut *lock(&self.notice)))
    }

    fn notify(&self, tell: impl FnOnce(&mut Notice)) {
        tell(&mut lock(&self.notice));
        self.alerted.store(true, Ordering::Release);
        self.wake();
    }

    /// One room ends for this stream.
    pub fn revoke(&self, room: RoomId) {
        self.notify(|notice| notice.revoked.push(room));
    }

    /// The whole stream ends.
    pub fn end(&self, why: ByeWhy) {
        self.notify(|notice| {
            notice.end.get_or_insert(why);
        });
    }
}
