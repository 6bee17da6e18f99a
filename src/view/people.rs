//! For administrators: accounts and invitations.

use askama::Template;

use super::{Chrome, avatar, when};
use crate::domain::{
    Millis,
    id::{InviteId, PersonId},
    person::Person,
};

#[derive(Clone, Debug, Template)]
#[template(path = "people.html")]
pub struct PeoplePage<'a> {
    pub chrome: Chrome<'a>,
    pub people: &'a [Person],
    /// Invitations that can still be used.
    pub invites: &'a [InviteRow],
    /// The whole link of an invitation that was just made.
    pub new_link: Option<&'a str>,
    /// What was typed in the form for a new invitation.
    pub uses: &'a str,
    pub days: &'a str,
    pub error: Option<&'a str>,
    pub notice: Option<&'a str>,
}

/// An invitation.
#[derive(Clone, Debug)]
pub struct InviteRow {
    pub id: InviteId,
    /// Who made it; nobody if it was made on the command line.
    pub by: Option<String>,
    /// Its whole link, where it is still known.
    pub link: Option<String>,
    pub uses_left: i64,
    pub expires_at: Millis,
}

impl PeoplePage<'_> {
    fn is_me(&self, id: &PersonId) -> bool {
        self.chrome.me.is_some_and(|me| me.id == *id)
    }
}
