//! How much is said, and what it takes. A person sees their rooms, an administrator may see all; numbers alone, never words.

use std::collections::{BTreeMap, HashMap};

use super::{Chat, ChatError};
use crate::domain::Millis;
use crate::domain::id::AssistantId;
use crate::domain::message::StateKind;
use crate::domain::person::Person;
use crate::domain::usage::{AssistantUse, DAY, DayUse, Ends, Spread, Tokens, Usage};
use crate::store::StoreError;
use crate::store::usage::{self, Said, Tried};

/// Attempts that are added up at most: more would keep a connection for too long.
const MOST: usize = 250_000;

impl Chat {
    /// The last `days` days, today among them: of a person's rooms, or of all.
    pub async fn usage(&self, person: &Person, all: bool, days: usize) -> Result<Usage, ChatError> {
        if all && !person.admin {
            return Err(ChatError::Forbidden("Only an administrator may see the usage of all rooms."));
        }
        let of = (!all).then_some(person.id);
        let first = first_day(self.clock().now(), days);
        let (from, to) = (first * DAY, (first + days as i64) * DAY);
        let _alone = self.adding_up.acquire().await.map_err(|_| StoreError::Closed)?;
        let (said, tried, names) = {
            let mut snapshot = self.store.snapshot().await?;
            let conn = &mut snapshot.conn();
            let said = usage::messages_a_day(conn, of, from, to).await?;
            (said, usage::attempts(conn, of, from, to, MOST + 1).await?, usage::names(conn).await?)
        };
        Ok(add_up(first, days, &said, &tried[..tried.len().min(MOST)], &names.into_iter().collect(), tried.len() > MOST))
    }
}

/// The first of so many days up to and with today.
fn first_day(now: Millis, days: usize) -> i64 {
    now.div_euclid(DAY) + 1 - days as i64
}

/// What is collected of many attempts.
#[derive(Clone, Debug, Default)]
struct Pile {
    ends: Ends,
    first_text: Vec<u64>,
    speed: Vec<u64>,
}

impl Pile {
    fn add(&mut self, tried: &Tried) {
        match tried.state {
            StateKind::Complete => self.ends.complete += 1,
            StateKind::Stopped => self.ends.stopped += 1,
            StateKind::Interrupted => self.ends.interrupted += 1,
            StateKind::Failed => self.ends.failed += 1,
            StateKind::Queued | StateKind::Streaming | StateKind::Deleted => {}
        }
        self.first_text.extend(first_text(tried));
        self.speed.extend(speed(tried));
    }
}

fn first_text(tried: &Tried) -> Option<u64> {
    tried.facts.first_text_ms.and_then(|ms| u64::try_from(ms).ok())
}

/// Tenths of a token a second, from the first text on: waiting for the prompt to be read says nothing of how fast it writes.
fn speed(tried: &Tried) -> Option<u64> {
    let (tokens, total) = (tried.facts.completion_tokens?, tried.facts.total_ms?);
    let writing = total - tried.facts.first_text_ms.unwrap_or(0);
    match tokens > 1 && writing > 0 {
        true => u64::try_from(tokens.saturating_mul(10_000) / writing).ok(),
        false => None,
    }
}

/// The value in the middle, and the one that nine of ten do not exceed, by nearest rank: each is a value that was there.
fn spread(mut values: Vec<u64>) -> Option<Spread> {
    values.sort_unstable();
    let rank = |tenths: usize| values.get((values.len() * tenths).div_ceil(10).saturating_sub(1)).copied();
    Some(Spread { median: rank(5)?, ninth: rank(9)? })
}

fn count(n: Option<i64>) -> u64 {
    n.and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
}

fn add_up(first: i64, days: usize, said: &[Said], tried: &[Tried], names: &HashMap<AssistantId, String>, partial: bool) -> Usage {
    let place = |day: i64| usize::try_from(day - first).ok().filter(|place| *place < days);
    let mut all = vec![DayUse::default(); days];
    for said in said {
        if let Some(day) = place(said.day).and_then(|place| all.get_mut(place)) {
            *if said.by_assistants { &mut day.replies } else { &mut day.people } += said.count;
        }
    }
    let mut whole = Pile::default();
    let mut by_day = vec![Vec::new(); days];
    // By id, so that who used as much as another keeps its place from page to page.
    let mut by_assistant: BTreeMap<[u8; 16], (AssistantId, Pile, Vec<Tokens>)> = BTreeMap::new();
    for tried in tried {
        let Some(place) = place(tried.day) else { continue };
        let (_, pile, tokens) = by_assistant
            .entry(tried.assistant.0.into_bytes())
            .or_insert_with(|| (tried.assistant, Pile::default(), vec![Tokens::default(); days]));
        let used = Tokens { read: count(tried.facts.prompt_tokens), written: count(tried.facts.completion_tokens) };
        tokens[place] = tokens[place] + used;
        pile.add(tried);
        by_day[place].extend(first_text(tried));
        whole.add(tried);
    }
    for (day, times) in all.iter_mut().zip(by_day) {
        day.first_text = spread(times);
    }
    let mut assistants: Vec<AssistantUse> = by_assistant
        .into_values()
        .map(|(id, pile, tokens)| AssistantUse {
            id,
            name: names.get(&id).cloned().unwrap_or_default(),
            tokens,
            ends: pile.ends,
            first_text: spread(pile.first_text),
            speed: spread(pile.speed),
        })
        .collect();
    assistants.sort_by_key(|one| std::cmp::Reverse((one.total().all(), one.ends.all())));
    Usage { first, days: all, assistants, first_text: spread(whole.first_text), speed: spread(whole.speed), partial }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::store::usage::Measured;

    fn assistant(n: u128) -> AssistantId {
        AssistantId(Uuid::from_u128(n))
    }

    fn tried(n: u128, day: i64, state: StateKind, facts: [i64; 4]) -> Tried {
        let [read, written, first, total] = facts.map(Some);
        let facts = Measured { prompt_tokens: read, completion_tokens: written, first_text_ms: first, total_ms: total };
        Tried { assistant: assistant(n), day, state, facts }
    }

    #[test]
    fn days_end_with_today() {
        assert_eq!(first_day(100 * DAY, 7), 94);
        assert_eq!(first_day(101 * DAY - 1, 7), 94);
        assert_eq!(first_day(101 * DAY, 1), 101);
    }

    #[test]
    fn the_middle_is_a_value_that_was_there() {
        assert_eq!(spread(vec![]), None);
        assert_eq!(spread(vec![7]), Some(Spread { median: 7, ninth: 7 }));
        assert_eq!(spread((1..=10).rev().collect()), Some(Spread { median: 5, ninth: 9 }));
        assert_eq!(spread(vec![1, 1_000]), Some(Spread { median: 1, ninth: 1_000 }));
    }

    #[test]
    fn sums_by_day_and_by_assistant() {
        let said = [
            Said { day: 10, by_assistants: false, count: 3 },
            Said { day: 12, by_assistants: true, count: 2 },
            Said { day: 9, by_assistants: false, count: 99 },
            Said { day: 13, by_assistants: false, count: 99 },
        ];
        let tries = [
            tried(1, 10, StateKind::Complete, [100, 20, 500, 1_500]),
            tried(1, 12, StateKind::Failed, [0, 0, 0, 0]),
            tried(2, 12, StateKind::Complete, [1_000, 300, 2_000, 12_000]),
            tried(2, 99, StateKind::Complete, [1_000, 300, 2_000, 12_000]),
            Tried { facts: Measured::default(), ..tried(3, 11, StateKind::Stopped, [0; 4]) },
        ];
        let names = HashMap::from([(assistant(1), "One".to_owned()), (assistant(2), "Two".to_owned())]);
        let usage = add_up(10, 3, &said, &tries, &names, false);
        assert_eq!(usage.days.iter().map(|day| (day.people, day.replies)).collect::<Vec<_>>(), [(3, 0), (0, 0), (0, 2)]);
        let of: Vec<(&str, Tokens, u64)> = usage.assistants.iter().map(|one| (one.name.as_str(), one.total(), one.ends.all())).collect();
        assert_eq!(
            of,
            [("Two", Tokens { read: 1_000, written: 300 }, 1), ("One", Tokens { read: 100, written: 20 }, 2), ("", Tokens::default(), 1)]
        );
        assert_eq!(usage.assistants[1].tokens[0], Tokens { read: 100, written: 20 });
        // 20 tokens in the second after the first.
        assert_eq!(usage.assistants[1].speed, Some(Spread { median: 200, ninth: 200 }));
        assert_eq!(usage.assistants[1].ends, Ends { complete: 1, failed: 1, ..Ends::default() });
        assert_eq!(usage.assistants[2].ends, Ends { stopped: 1, ..Ends::default() });
        assert_eq!(usage.days.iter().map(|day| day.first_text).collect::<Vec<_>>()[..2], [Some(Spread { median: 500, ninth: 500 }), None]);
        assert_eq!(usage.tokens(), Tokens { read: 1_100, written: 320 });
        assert!(!usage.is_empty() && add_up(10, 3, &[], &[], &names, false).is_empty());
    }
}
