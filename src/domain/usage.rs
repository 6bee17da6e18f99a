//! How much is said and what it takes: sums over days, as the usage page draws them. Days are of UTC and counted from 1970-01-01.

use super::Millis;
use super::id::AssistantId;

/// Length of a day.
pub const DAY: Millis = 24 * 60 * 60 * 1000;

/// What happened on some days in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The first of the days.
    pub first: i64,
    /// One for each, also where nothing happened.
    pub days: Vec<DayUse>,
    /// Those who replied, who used most tokens first.
    pub assistants: Vec<AssistantUse>,
    /// Of all replies.
    pub first_text: Option<Spread>,
    pub speed: Option<Spread>,
    /// There were more replies than are added up at once: some are left out.
    pub partial: bool,
}

impl Usage {
    pub fn people(&self) -> u64 {
        self.days.iter().map(|day| day.people).sum()
    }

    pub fn replies(&self) -> u64 {
        self.days.iter().map(|day| day.replies).sum()
    }

    pub fn tokens(&self) -> Tokens {
        self.assistants.iter().fold(Tokens::default(), |sum, one| sum + one.total())
    }

    pub fn is_empty(&self) -> bool {
        self.people() == 0 && self.replies() == 0 && self.assistants.is_empty()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DayUse {
    /// Messages by people, and by assistants.
    pub people: u64,
    pub replies: u64,
    /// Of the attempts that were asked for on this day.
    pub first_text: Option<Spread>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssistantUse {
    pub id: AssistantId,
    pub name: String,
    /// One for each day.
    pub tokens: Vec<Tokens>,
    pub ends: Ends,
    pub first_text: Option<Spread>,
    pub speed: Option<Spread>,
}

impl AssistantUse {
    pub fn total(&self) -> Tokens {
        self.tokens.iter().fold(Tokens::default(), |sum, day| sum + *day)
    }
}

/// Tokens as models counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Of prompts.
    pub read: u64,
    /// Of answers.
    pub written: u64,
}

impl Tokens {
    pub fn all(self) -> u64 {
        self.read.saturating_add(self.written)
    }
}

impl std::ops::Add for Tokens {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { read: self.read.saturating_add(other.read), written: self.written.saturating_add(other.written) }
    }
}

/// How attempts ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    pub complete: u64,
    pub stopped: u64,
    pub interrupted: u64,
    pub failed: u64,
}

impl Ends {
    pub fn all(self) -> u64 {
        self.complete + self.stopped + self.interrupted + self.failed
    }
}

/// The middle of many values, and the one that nine of ten do not exceed: milliseconds, or tenths of a token a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    pub median: u64,
    pub ninth: u64,
}
