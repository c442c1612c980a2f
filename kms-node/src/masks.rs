//! The node's mask keys: absent until the committee has made them, then the same for the epoch.

use crate::keystore::HeldMasks;
use std::sync::{Arc, Mutex, PoisonError};
use tkms_types::SessionId;
use tokio::sync::watch;

/// Shared by the setup, which fills it, and whoever needs the keys. Cheap to clone.
#[derive(Clone)]
pub struct MaskKeys(Arc<Inner>);

struct Inner {
    /// Pending or in force: what peers may ask for.
    held: Mutex<Option<Arc<HeldMasks>>>,
    in_force: watch::Sender<Option<Arc<HeldMasks>>>,
}

impl Default for MaskKeys {
    fn default() -> Self {
        Self(Arc::new(Inner { held: Mutex::default(), in_force: watch::Sender::new(None) }))
    }
}

impl MaskKeys {
    /// The keys in force, when there are; `None` if there will be none.
    pub async fn wait(&self) -> Option<Arc<HeldMasks>> {
        let mut keys = self.0.in_force.subscribe();
        let found = keys.wait_for(Option::is_some).await.ok()?;
        found.clone()
    }

    /// The setup and keys in force now.
    #[must_use]
    pub fn in_force(&self) -> Option<Arc<HeldMasks>> {
        self.0.in_force.borrow().clone()
    }

    /// What is held of a setup, in force or not.
    #[must_use]
    pub fn of(&self, setup: SessionId) -> Option<Arc<HeldMasks>> {
        let held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.clone().filter(|held| held.session == setup)
    }

    /// Keys that a setup left with this node, or none.
    pub(crate) fn hold(&self, held: Option<Arc<HeldMasks>>) {
        *self.0.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
    }

    /// From now on these are in force.
    pub(crate) fn put_in_force(&self, held: Arc<HeldMasks>) {
        self.hold(Some(Arc::clone(&held)));
        self.0.in_force.send_replace(Some(held));
    }
}
