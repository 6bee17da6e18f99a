//! People: who they are and what an account may be.

use super::{Invalid, Millis, id::PersonId};

/// An account as others of the house see it. The hash of its password never leaves `store` and `chat::accounts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub id: PersonId,
    pub name: String,
    /// May invite, add assistants and manage accounts.
    pub admin: bool,
    /// A disabled account cannot sign in, and its sessions and tokens are refused.
    pub disabled: bool,
    pub created_at: Millis,
}

/// Shortest password, in characters. Length is the one rule that helps (NIST SP 800-63B §3.1.1).
pub const PASSWORD_MIN: usize = 8;
/// Longest password, in bytes: more would only make the server hash for a stranger.
pub const PASSWORD_MAX: usize = 1024;

/// A password that a person chose, checked for length. Not printable.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.chars().count() < PASSWORD_MIN {
            return Err(Invalid::new(
                "bad_password",
                format!("The password is too short: use at least {PASSWORD_MIN} characters, for instance four words."),
            ));
        }
        if text.len() > PASSWORD_MAX {
            return Err(Invalid::new("bad_password", format!("The password is too long: at most {PASSWORD_MAX} bytes.")));
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}
