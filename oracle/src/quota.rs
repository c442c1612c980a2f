//! Token buckets: how often one caller, and all together, may cause work.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Callers remembered; a full bucket is forgotten first.
const CALLERS: usize = 65_536;
const MINUTE: f64 = 60.0;

/// A rate for each caller and one for all.
#[derive(Debug)]
pub struct Quota<K>(Mutex<Buckets<K>>);

#[derive(Debug)]
struct Buckets<K> {
    callers: BTreeMap<K, Bucket>,
    all: Bucket,
}

/// A minute's worth of tokens at most.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    rate: f64,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn full(rate: NonZeroU32, now: Instant) -> Self {
        let rate = f64::from(rate.get());
        Self { rate, tokens: rate, at: now }
    }

    fn refilled(self, now: Instant) -> Self {
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * self.rate / MINUTE;
        Self { tokens: (self.tokens + earned).min(self.rate), at: now, ..self }
    }

    /// How long until there is a whole token.
    fn wait(self) -> Duration {
        Duration::from_secs_f64((1.0 - self.tokens).max(0.0) * MINUTE / self.rate)
    }
}

impl<K: Ord + Clone> Quota<K> {
    /// So many a minute for all together, with bursts of a minute's worth.
    #[must_use]
    pub fn new(all: NonZeroU32) -> Self {
        Self(Mutex::new(Buckets { callers: BTreeMap::new(), all: Bucket::full(all, Instant::now()) }))
    }

    /// Charges the caller, who has so many a minute, and everybody for one piece of work.
    ///
    /// # Errors
    /// How long to wait; nothing is charged then.
    pub fn charge(&self, caller: &K, rate: NonZeroU32, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = buckets.callers.get(caller).copied().unwrap_or_else(|| Bucket::full(rate, now));
        let (mut own, mut all) = (known.refilled(now), buckets.all.refilled(now));
        let wait = own.wait().max(all.wait());
        let charged = if wait.is_zero() { Ok(()) } else { Err(wait) };
        if charged.is_ok() {
            own.tokens -= 1.0;
            all.tokens -= 1.0;
        }
        buckets.all = all;
        if buckets.callers.len() >= CALLERS && !buckets.callers.contains_key(caller) {
            buckets.callers.retain(|_, bucket| bucket.refilled(now).tokens < bucket.rate);
            if buckets.callers.len() >= CALLERS {
                // So many active callers that not even their names fit: only the common rate holds for a stranger.
                return charged;
            }
        }
        buckets.callers.insert(caller.clone(), own);
        charged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: NonZeroU32 = NonZeroU32::MIN.saturating_add(59);
    const ALL: NonZeroU32 = NonZeroU32::MIN.saturating_add(89);

    #[test]
    fn a_caller_has_a_minutes_worth_and_is_told_when_there_is_more() {
        let (quota, now) = (Quota::new(ALL), Instant::now());
        for _ in 0..60 {
            quota.charge(&'a', RATE, now).unwrap();
        }
        let wait = quota.charge(&'a', RATE, now).unwrap_err();
        assert!(wait > Duration::from_millis(990) && wait <= Duration::from_secs(1), "{wait:?}");
        quota.charge(&'a', RATE, now + Duration::from_millis(1001)).unwrap();
        quota.charge(&'b', RATE, now).unwrap();
    }

    #[test]
    fn all_together_have_their_own_rate() {
        let (quota, now) = (Quota::new(ALL), Instant::now());
        for caller in 0..90 {
            quota.charge(&caller, RATE, now).unwrap();
        }
        quota.charge(&90, RATE, now).unwrap_err();
    }

    #[test]
    fn what_is_refused_is_not_charged() {
        let (quota, now) = (Quota::new(RATE), Instant::now());
        for _ in 0..60 {
            quota.charge(&'a', RATE, now).unwrap();
        }
        for _ in 0..1000 {
            quota.charge(&'a', RATE, now).unwrap_err();
        }
        quota.charge(&'a', RATE, now + Duration::from_millis(1001)).unwrap();
    }
}
