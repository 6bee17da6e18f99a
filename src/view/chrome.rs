//! What every page has around its middle: the assets it needs, the reader's rooms, and the reader.

use crate::domain::Millis;
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

    /// The list of rooms in its groups, each with a name for the script and the styles: the latest activity first.
    pub(super) fn groups(&self) -> [Group<'a>; 3] {
        let all = |id, title, wanted: fn(&RoomLink) -> bool| {
            let mut rooms: Vec<&RoomLink> = self.rooms.iter().filter(|room| wanted(room)).collect();
            rooms.sort_by(|a, b| (b.active_at, &a.name).cmp(&(a.active_at, &b.name)));
            Group { id, title, rooms }
        };
        [
            all("favourites", self.w.favourites(), |room| room.favourite),
            all("rooms", self.w.rooms(), |room| !room.favourite && !room.direct),
            all("talks", self.w.talks(), |room| !room.favourite && room.direct),
        ]
    }

    /// What the script makes new lines of the list from.
    pub(super) fn blank(&self) -> Option<RoomLink> {
        Some(RoomLink {
            id: RoomId(uuid::Uuid::nil()),
            name: String::new(),
            private: false,
            unread: 0,
            mentions: 0,
            favourite: false,
            direct: false,
            writing: false,
            active_at: 0,
        })
    }
}

/// A part of the list of rooms.
pub struct Group<'a> {
    pub id: &'static str,
    pub title: &'static str,
    pub rooms: Vec<&'a RoomLink>,
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
    /// As the reader sees it: of a direct talk the other's name.
    pub name: String,
    pub private: bool,
    /// Messages of others that the reader has not read, and those of them that concern the reader; 100 stands for more.
    pub unread: u32,
    pub mentions: u32,
    pub favourite: bool,
    /// A talk of two people.
    pub direct: bool,
    /// An assistant is writing there, or about to.
    pub writing: bool,
    /// Time of the newest message, or of the room's making.
    pub active_at: Millis,
}

/// From here on it is not said how many.
const MANY: u32 = 100;

impl RoomLink {
    pub(super) fn icon(&self) -> &'static str {
        match (self.direct, self.private) {
            (true, _) => "talk",
            (false, true) => "lock",
            (false, false) => "room",
        }
    }

    /// How much in it concerns the reader: in a direct talk, all of it.
    pub(super) fn badge(&self) -> Option<String> {
        match if self.direct { self.unread } else { self.mentions } {
            0 => None,
            MANY.. => Some(format!("{}+", MANY - 1)),
            count => Some(count.to_string()),
        }
    }

    /// `3 unread, 1 mention`.
    pub(super) fn unread_words(&self, w: &Words) -> String {
        match self.mentions {
            0 => w.unread_here(self.unread),
            mentions => format!("{}{}{}", w.unread_here(self.unread), w.comma(), w.has_mentions(mentions)),
        }
    }

    /// What those hear who do not see how its line looks. The script says the same.
    pub(super) fn says(&self, w: &Words) -> String {
        let said = [
            (self.private && !self.direct).then(|| w.is_private().to_owned()),
            (self.unread > 0).then(|| w.unread_here(self.unread)),
            (self.mentions > 0).then(|| w.has_mentions(self.mentions)),
            self.writing.then(|| w.is_writing().to_owned()),
        ];
        let said: Vec<String> = said.into_iter().flatten().collect();
        if said.is_empty() { String::new() } else { w.aside(said.join(w.comma())) }
    }
}

// Sentences with names in them come escaped already.
impl askama::filters::HtmlSafe for crate::words::Markup {}
