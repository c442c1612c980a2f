//! Token buckets, one per source, of bounded number.

use crate::limits::RATE_SOURCES;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Allows each source a rate, with bursts of twice a second's worth.
pub(crate) struct RateLimiter<K> {
    per_second: f64,
    buckets: Mutex<BTreeMap<K, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl<K: Ord + Clone> RateLimiter<K> {
    pub(crate) fn new(per_second: u32) -> Self {
        Self { per_second: f64::from(per_second), buckets: Mutex::new(BTreeMap::new()) }
    }

    /// Takes one token of this source, if it has one.
    pub(crate) fn allow(&self, source: &K, now: Instant) -> bool {
        let burst = 2.0 * self.per_second;
        let refilled = |bucket: &Bucket| {
            let earned = now.saturating_duration_since(bucket.at).as_secs_f64() * self.per_second;
            (bucket.tokens + earned).min(burst)
        };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= RATE_SOURCES && !buckets.contains_key(source) {
            // A full bucket remembers nothing
            buckets.retain(|_, bucket| refilled(bucket) < burst);
            if buckets.len() >= RATE_SOURCES {
                return false;
            }
        }
        let bucket = buckets.entry(source.clone()).or_insert(Bucket { tokens: burst, at: now });
        bucket.tokens = refilled(bucket);
        bucket.at = now;
        let allowed = bucket.tokens >= 1.0;
        if allowed {
            bucket.tokens -= 1.0;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_source_gets_its_rate_and_no_more() {
        let (limiter, start) = (RateLimiter::new(2), Instant::now());
        let allowed = (0..10).filter(|_| limiter.allow(&1, start)).count();
        assert_eq!(allowed, 4);
        assert!(limiter.allow(&2, start), "another source is not concerned");
        assert!(!limiter.allow(&1, start + Duration::from_millis(400)));
        assert!(limiter.allow(&1, start + Duration::from_millis(1000)));
    }

    #[test]
    fn the_number_of_sources_is_bounded() {
        let (limiter, start) = (RateLimiter::new(1), Instant::now());
        assert!((0..RATE_SOURCES).all(|source| limiter.allow(&source, start)));
        assert!(!limiter.allow(&RATE_SOURCES, start));
        assert!(limiter.allow(&RATE_SOURCES, start + Duration::from_secs(5)), "idle sources are forgotten");
    }
}
