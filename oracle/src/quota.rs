//! Token buckets: how often one caller, and all together, may cause work.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Callers remembered; a full bucket is forgotten first.
const CALLERS: usize = 65_536;
const MINUTE: f64 = 60.0;

/// A rate for each caller and one for all.
#[derive(Debug)]
pub struct Quota<K> {
    each: f64,
    buckets: Mutex<Buckets<K>>,
    all: f64,
}

#[derive(Debug)]
struct Buckets<K> {
    callers: BTreeMap<K, Bucket>,
    all: Bucket,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    /// Tokens now, at most `rate`: a minute's worth.
    fn refilled(self, rate: f64, now: Instant) -> Self {
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * rate / MINUTE;
        Self { tokens: (self.tokens + earned).min(rate), at: now }
    }
}

impl<K: Ord + Clone> Quota<K> {
    /// So many a minute for each caller and for all together, with bursts of a minute's worth.
    #[must_use]
    pub fn new(each: NonZeroU32, all: NonZeroU32) -> Self {
        let (each, all) = (f64::from(each.get()), f64::from(all.get()));
        let buckets = Buckets { callers: BTreeMap::new(), all: Bucket { tokens: all, at: Instant::now() } };
        Self { each, all, buckets: Mutex::new(buckets) }
    }

    /// Charges the caller and everybody for one piece of work. False: not now, and nothing is charged.
    pub fn charge(&self, caller: &K, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let known = buckets.callers.get(caller).copied().unwrap_or(Bucket { tokens: self.each, at: now });
        let (mut own, mut all) = (known.refilled(self.each, now), buckets.all.refilled(self.all, now));
        let enough = own.tokens >= 1.0 && all.tokens >= 1.0;
        if enough {
            own.tokens -= 1.0;
            all.tokens -= 1.0;
        }
        buckets.all = all;
        if buckets.callers.len() >= CALLERS && !buckets.callers.contains_key(caller) {
            let each = self.each;
            buckets.callers.retain(|_, bucket| bucket.refilled(each, now).tokens < each);
            if buckets.callers.len() >= CALLERS {
                // So many active callers that not even their names fit: only the common rate holds for a stranger.
                return enough;
            }
        }
        buckets.callers.insert(caller.clone(), own);
        enough
    }
}
