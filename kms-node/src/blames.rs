//! The newest departures from a protocol, for `Info`.

use crate::limits::BLAMES;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use tkms_mpc::fault::Fault;
use tkms_wire::answer::Blame;

/// Newest last; the oldest go first.
#[derive(Default)]
pub(crate) struct Blames(Mutex<VecDeque<Blame>>);

impl Blames {
    /// Says it once, with the culprit, and keeps it.
    pub(crate) fn note(&self, blame: Blame, fault: &Fault) {
        tracing::warn!(culprit = %fault.culprit, session = %blame.session, %fault, "peer departed from the protocol");
        crate::metrics::fault(fault.culprit);
        let mut blames = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if blames.len() >= BLAMES {
            blames.pop_front();
        }
        blames.push_back(blame);
    }

    pub(crate) fn newest(&self) -> Vec<Blame> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
