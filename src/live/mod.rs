//! Who is listening, and what they should hear.
//!
//! A room that anyone listens to has a [`channel`]: a ring of its latest frames, the drafts of its growing replies, and one task that
//! turns what the writer announces into frames, in order, once for everybody. A tab's stream is a [`feed`]: it catches up from rows,
//! then follows the ring, holding nothing of its own but positions. The [`hub`] finds channels, ends streams and heals lost signals.
//! Besides its rooms' frames a stream may get its reader's list of rooms (`board`) and who else is there (`presence`).
//!
//! Promises (docs/live-protocol.md): rows are replicated, not events; nothing is shown that is not stored; a stream that fell behind
//! catches up from rows; who lost access receives nothing that was committed after.
//!
//! Nothing here knows HTTP, and nothing here writes to the database.

pub mod admission;
mod board;
pub mod bus;
pub mod catch_up;
pub mod channel;
pub mod draft;
pub mod feed;
pub mod frame;
pub mod hub;
pub mod listener;
mod mail;
pub mod markup;
mod presence;
pub mod ring;

pub use admission::Admission;
pub use bus::LocalBus;
pub use feed::{Extras, Feed, Follow};
pub use frame::View;
pub use hub::{Hub, TooManyStreams};
pub use listener::Reader;
