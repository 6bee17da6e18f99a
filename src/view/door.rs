//! The pages in front of the door: the first account, signing in, and accepting an invitation.

use askama::Template;

use super::Chrome;

/// The first visit: makes the first account, the administrator.
#[derive(Clone, Debug, Template)]
#[template(path = "setup.html")]
pub struct SetupPage<'a> {
    pub chrome: Chrome<'a>,
    /// The key of the set-up link, if the page was reached through one; comes back as `key`.
    pub key: Option<&'a str>,
    pub name: &'a str,
    pub error: Option<&'a str>,
}

/// Signing in.
#[derive(Clone, Debug, Template)]
#[template(path = "sign_in.html")]
pub struct SignInPage<'a> {
    pub chrome: Chrome<'a>,
    pub name: &'a str,
    /// Path to go on to, checked by the server to be one of ours.
    pub next: &'a str,
    pub error: Option<&'a str>,
    /// What just happened, if something did: “You are signed out.”
    pub notice: Option<&'a str>,
}

/// Accepting an invitation.
#[derive(Clone, Debug, Template)]
#[template(path = "join.html")]
pub struct JoinPage<'a> {
    pub chrome: Chrome<'a>,
    /// The secret of the invitation's link.
    pub token: &'a str,
    /// Who invites.
    pub inviter: Option<&'a str>,
    pub name: &'a str,
    pub error: Option<&'a str>,
}
