//! What people see: one struct of plain fields for each page, and the fragment of a message that page, stream and API share.
//!
//! A page says what it shows and nothing of how it came: nothing here knows HTTP, a session or a database. Templates
//! escape whatever they are given; markup that is already safe comes from `render` alone, in fields that say so.
//! Fragments are the same for every viewer, so that one encoding serves all streams: what only the author may do is
//! opened by the page's script, which knows who reads, and without script by the message's own page.

pub mod account;
pub mod avatar;
pub mod chart;
pub mod chrome;
pub mod door;
pub mod error;
pub mod files;
pub mod members;
pub mod message;
pub mod message_page;
pub mod offline;
pub mod people;
pub mod room;
pub mod room_settings;
pub mod rooms;
pub mod saw;
pub mod search;
pub mod stream_chat;
pub mod usage;
pub mod watch;
pub mod when;

#[cfg(test)]
mod samples;

pub use account::{AccountPage, SessionRow, TokenRow};
pub use chrome::{Chrome, Look, Me, RoomLink, Theme};
pub use door::{JoinPage, SetupPage, SignInPage};
pub use error::{ErrorPage, WayOut};
pub use members::MembersPage;
pub use message::{Line, MessageFragment, Place};
pub use message_page::{AttemptView, MessagePage};
pub use offline::OfflinePage;
pub use people::{InviteRow, PeoplePage};
pub use room::{Composer, RoomPage, Unread};
pub use room_settings::{AssistantChoice, RoomSettingsPage};
pub use rooms::{OpenRoom, RoomsPage};
pub use saw::SawPage;
pub use search::SearchPage;
pub use stream_chat::StreamChatPage;
pub use usage::UsagePage;
pub use watch::WatchPage;
