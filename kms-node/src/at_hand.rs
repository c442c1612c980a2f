//! Ciphertexts of public requests that are here already, being judged or on their way: none of them is taken over from a peer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tkms_types::SessionId;

/// See the module. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct AtHand(Arc<Mutex<BTreeMap<SessionId, usize>>>);

/// Some ciphertexts that are at hand until this is dropped.
#[derive(Default)]
pub(crate) struct Held {
    at_hand: AtHand,
    sessions: Vec<SessionId>,
}

impl AtHand {
    /// Puts ciphertexts at hand; one may be there several times.
    pub(crate) fn hold(&self, sessions: Vec<SessionId>) -> Held {
        let mut held = self.lock();
        for session in &sessions {
            *held.entry(*session).or_default() += 1;
        }
        drop(held);
        Held { at_hand: self.clone(), sessions }
    }

    /// Whether a ciphertext is at hand.
    pub(crate) fn contains(&self, session: &SessionId) -> bool {
        self.lock().contains_key(session)
    }

    /// How many are.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SessionId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self.at_hand.lock();
        for session in &self.sessions {
            if let Some(times) = held.get_mut(session) {
                *times -= 1;
                if *times == 0 {
                    held.remove(session);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;

    #[test]
    fn a_ciphertext_is_at_hand_until_the_last_request_for_it_has_gone() {
        let (at_hand, session) = (AtHand::default(), |byte| SessionId(B256::repeat_byte(byte)));
        let first = at_hand.hold(vec![session(1), session(2), session(2)]);
        let second = at_hand.hold(vec![session(2), session(3)]);
        assert_eq!(at_hand.count(), 3);
        drop(first);
        assert!(!at_hand.contains(&session(1)) && at_hand.contains(&session(2)));
        drop(second);
        assert_eq!(at_hand.count(), 0, "nothing is left behind");
    }
}
