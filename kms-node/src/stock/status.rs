//! What the node's background work is at, for `readyz`, `Info` and `tkms status`.

use std::sync::{Arc, Mutex, PoisonError};

/// Cheap to clone; all clones say the same.
#[derive(Clone, Default)]
pub struct Status(Arc<Mutex<String>>);

impl Status {
    /// From now on this is the phase. It is logged once.
    pub fn say(&self, phase: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != phase {
            tracing::info!(phase, "background work");
            phase.clone_into(&mut known);
        }
    }

    /// The phase in words; empty before the first.
    #[must_use]
    pub fn phase(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
