//! Why the oracle is not ready, by part. Empty: it is.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Reasons by part.
#[derive(Debug, Default)]
pub struct Health(Mutex<BTreeMap<String, String>>);

impl Health {
    /// The part cannot do its work now.
    pub fn fail(&self, part: &str, reason: &str) {
        let mut reasons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reasons.insert(part.to_owned(), crate::record::foreign(reason));
    }

    /// The part works.
    pub fn clear(&self, part: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(part);
    }

    /// All reasons, as `part: reason`.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let reasons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reasons.iter().map(|(part, reason)| format!("{part}: {reason}")).collect()
    }
}
