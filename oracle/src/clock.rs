//! The one place that reads the machine's clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time in seconds; 0 if the machine's clock stands before 1970.
#[must_use]
pub fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
