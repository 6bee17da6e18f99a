//! One's own account: password, sessions, tokens.

use askama::Template;

use super::{Chrome, Theme, when};
use crate::domain::{Millis, id::TokenId};
use crate::words::Words;

#[derive(Clone, Debug, Template)]
#[template(path = "account.html")]
pub struct AccountPage<'a> {
    pub chrome: Chrome<'a>,
    /// The one that reads this page first.
    pub sessions: &'a [SessionRow],
    pub tokens: &'a [TokenRow],
    pub error: Option<&'a str>,
    pub notice: Option<&'a str>,
}

impl Words {
    /// What a choice of colours is called.
    fn theme(self, theme: &Theme) -> &'static str {
        match theme {
            Theme::Auto => self.theme_auto(),
            Theme::Light => self.theme_light(),
            Theme::Dark => self.theme_dark(),
        }
    }
}

/// A place where the reader is signed in.
#[derive(Clone, Debug)]
pub struct SessionRow {
    /// Names the session in `POST /account/sessions/{id}/end`; never the secret of its cookie.
    pub id: String,
    /// The browser in words: “Firefox on Linux”.
    pub device: String,
    pub since: Millis,
    pub last_seen: Millis,
    /// This very session.
    pub current: bool,
}

/// A bearer token for programs. Made on the command line.
#[derive(Clone, Debug)]
pub struct TokenRow {
    pub id: TokenId,
    pub created_at: Millis,
    pub last_used: Option<Millis>,
}
