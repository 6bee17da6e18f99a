//! What every page has around its middle: the assets it needs, the reader's rooms, and the reader.

use crate::domain::id::{PersonId, RoomId};
use crate::words::Words;

/// Around the middle of a page.
#[derive(Clone, Copy, Debug)]
pub struct Chrome<'a> {
    /// What the interface says, in the reader's language.
    pub w: Words,
    pub theme: Theme,
    /// Names the build in the addresses of assets (`/assets/{build}/…`), so that they can be kept for ever.
    pub build: &'a str,
    /// Who reads; nobody on the pages in front of the door.
    pub me: Option<Me<'a>>,
    /// The reader's rooms, in the order of the list.
    pub rooms: &'a [RoomLink],
    /// The room that the page is about.
    pub current: Option<RoomId>,
}

impl<'a> Chrome<'a> {
    /// For a reader who is not signed in.
    pub fn outside(build: &'a str, look: Look) -> Self {
        Self { w: look.w, theme: look.theme, build, me: None, rooms: &[], current: None }
    }

    /// The reader's id as the page carries it; empty outside.
    pub fn my_id(&self) -> String {
        self.me.map(|me| me.id.to_string()).unwrap_or_default()
    }

    pub fn is_current(&self, room: &RoomId) -> bool {
        self.current.as_ref() == Some(room)
    }
}

/// How a reader wants pages to be: found in what their browser asks for, or chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    pub w: Words,
    pub theme: Theme,
}

/// Light or dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the reader's system has it.
    #[default]
    Auto,
    Light,
    Dark,
}

impl Theme {
    pub const ALL: [Self; 3] = [Self::Auto, Self::Light, Self::Dark];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.as_str() == name)
    }

    /// For the page's root, where one was chosen.
    pub fn chosen(self) -> Option<&'static str> {
        (self != Self::Auto).then(|| self.as_str())
    }
}

/// The reader.
#[derive(Clone, Copy, Debug)]
pub struct Me<'a> {
    pub id: PersonId,
    pub name: &'a str,
    pub admin: bool,
}

/// A room in the list.
#[derive(Clone, Debug)]
pub struct RoomLink {
    pub id: RoomId,
    pub name: String,
    pub private: bool,
}

// Sentences with names in them come escaped already.
impl askama::filters::HtmlSafe for crate::words::Markup {}
