//! How often is too often: sign-ins per account and per address, posts and marks per person. Counted in memory; a restart forgives.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::ChatError;
use crate::domain::id::PersonId;
use crate::domain::secret::fingerprint;

/// Tries to sign in to one account: ten at once, then one every half minute.
const ACCOUNT: (u32, Duration) = (10, Duration::from_secs(30));
/// Tries from one address, to whatever accounts: a household or office shares one.
const ADDRESS: (u32, Duration) = (40, Duration::from_secs(5));
/// Posts of one person at once; then as many a minute as the settings say.
const POSTS_BURST: u32 = 10;
/// Posts of one person a minute, unless the settings say otherwise.
pub const POSTS_PER_MINUTE: u32 = 30;
/// What somebody marks for themselves (read, favourite, a talk begun): so many times as often as they may post.
const MARKS_PER_POST: u32 = 10;
/// Marks of one person at once, at least.
const MARKS_BURST: u32 = 100;
/// Keys in one limiter beyond which those that are fully recovered are forgotten.
const TIDY_AT: usize = 10_000;

pub struct Throttles {
    accounts: Limiter<String>,
    addresses: Limiter<IpAddr>,
    posts: Limiter<PersonId>,
    marks: Limiter<PersonId>,
}

impl Throttles {
    pub(super) fn new(posts_per_minute: u32) -> Self {
        let per_minute = posts_per_minute.max(1);
        let posts = (POSTS_BURST.max(per_minute / 6), Duration::from_secs(60) / per_minute);
        let marks_per_minute = per_minute.saturating_mul(MARKS_PER_POST);
        let marks = (MARKS_BURST.max(marks_per_minute / 6), Duration::from_secs(60) / marks_per_minute);
        Self { accounts: Limiter::new(ACCOUNT), addresses: Limiter::new(ADDRESS), posts: Limiter::new(posts), marks: Limiter::new(marks) }
    }

    /// Before a password is looked at.
    pub(super) fn sign_in(&self, account: &str, address: IpAddr) -> Result<(), ChatError> {
        self.addresses.take(&network(address))?;
        // As a fingerprint: a name that somebody made up may be as long as a form.
        self.accounts.take(&fingerprint(account))
    }

    /// Before anything else that costs a hash, for who has no account yet.
    pub(super) fn stranger(&self, address: IpAddr) -> Result<(), ChatError> {
        self.addresses.take(&network(address))
    }

    pub(super) fn post(&self, person: PersonId) -> Result<(), ChatError> {
        self.posts.take(&person)
    }

    /// Before something is written that concerns one person alone.
    pub(super) fn mark(&self, person: PersonId) -> Result<(), ChatError> {
        self.marks.take(&person)
    }
}

/// An IPv6 customer has a /64 of addresses: they count as one.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        },
    }
}

struct Limiter<K: Hash + Eq + Clone>(DefaultKeyedRateLimiter<K>);

impl<K: Hash + Eq + Clone> Limiter<K> {
    fn new((burst, every): (u32, Duration)) -> Self {
        let quota = Quota::with_period(every).unwrap_or(Quota::per_second(NonZeroU32::MIN));
        Self(RateLimiter::keyed(quota.allow_burst(NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN))))
    }

    fn take(&self, key: &K) -> Result<(), ChatError> {
        if self.0.len() > TIDY_AT {
            self.0.retain_recent();
        }
        self.0.check_key(key).map_err(|not_until| ChatError::TooMany(not_until.wait_time_from(DefaultClock::default().now())))
    }
}
