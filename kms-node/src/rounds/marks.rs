//! Signed counters: ours for the peers, theirs for the day they come back with an old store
//! (`docs/protocol/sessions.md`, "Old stores").

use super::{CommitteeSeal, Hub, Stand};
use crate::limiter::RateLimiter;
use crate::limits::{MARK_TIME, MARKS_PER_SECOND};
use crate::stock::Ledger;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tkms_mpc::preprocessing::{Counters, Mark};
use tkms_types::{ContextId, EpochId, PartyId};
use tokio::sync::Notify;

/// Signs marks of one epoch, and checks those of others.
pub struct Notary {
    names: (ContextId, EpochId),
    seal: CommitteeSeal,
    /// What each peer may make us check.
    rate: RateLimiter<PartyId>,
    /// There is something to sign or to store.
    pub(super) grown: Notify,
}

/// What the hub knows about marks.
#[derive(Default)]
pub(super) struct Marks {
    /// Ours as they stand on disk.
    pub(super) own: Counters,
    /// The highest we have seen of peers, ever.
    pub(super) seen: BTreeMap<PartyId, Mark>,
    /// Those of them that are not on disk yet.
    pub(super) unsaved: BTreeMap<PartyId, Mark>,
    /// What each peer has shown of our own marks since our start; zero if it showed none that says more than we know.
    pub(super) claims: BTreeMap<PartyId, Counters>,
}

impl Notary {
    /// Of a node, with its key among those of the cluster file.
    #[must_use]
    pub fn new(names: (ContextId, EpochId), seal: CommitteeSeal) -> Self {
        Self { names, seal, rate: RateLimiter::new(MARKS_PER_SECOND), grown: Notify::new() }
    }

    /// Whether a mark is its party's; `None` if `from` has made us check enough for now.
    fn checked(&self, from: PartyId, mark: &Mark) -> Option<bool> {
        let named = (mark.context, mark.epoch) == self.names;
        self.rate.allow(&from, Instant::now()).then(|| named && mark.verify(&self.seal))
    }
}

impl Hub {
    /// Our counters on disk have grown: the peers hear it, signed, within [`MARK_TIME`].
    pub fn count(&self, counters: Counters) {
        let mut state = self.lock();
        let grown = state.marks.own.highest(counters);
        if grown != state.marks.own {
            state.marks.own = grown;
            self.notary.grown.notify_one();
        }
    }

    /// Signs what was counted, if the peers have not been told.
    pub(super) fn sign(&self) {
        let counters = self.lock().marks.own;
        let told = self.own.borrow().own.map(|mark| mark.counters).unwrap_or_default();
        if !told.behind(counters) {
            return;
        }
        let mark = Mark::sign(self.me, self.notary.names, counters, &self.notary.seal);
        self.tell(|own| {
            if own.own.is_none_or(|known| known.counters.behind(counters)) {
                own.own = Some(mark);
            }
        });
    }

    /// Takes up what a stand says about counters: the peer's own mark, and the one it shows of ours. Signatures are looked
    /// at only where they would change something.
    pub(super) fn note_marks(&self, peer: PartyId, stand: &Stand) {
        let (seen, ours) = {
            let marks = &self.lock().marks;
            (marks.seen.get(&peer).map(|mark| mark.counters).unwrap_or_default(), marks.own)
        };
        if let Some(mark) = stand.own.filter(|mark| mark.party == peer && seen.behind(mark.counters)) {
            match self.notary.checked(peer, &mark) {
                Some(true) => self.saw(mark),
                Some(false) => tracing::warn!(%peer, "the peer shows counters that it has not signed"),
                None => {}
            }
        }
        let claim = match stand.yours.filter(|mark| mark.party == self.me && ours.behind(mark.counters)) {
            None => Some(Counters::default()),
            Some(mark) => match self.notary.checked(peer, &mark) {
                Some(true) => Some(mark.counters),
                Some(false) => {
                    tracing::warn!(%peer, "the peer shows counters of ours that we have not signed");
                    Some(Counters::default())
                }
                None => None,
            },
        };
        if let Some(claim) = claim {
            let claims = &mut self.lock().marks.claims;
            let known = claims.entry(peer).or_default();
            *known = known.highest(claim);
        }
    }

    fn saw(&self, mark: Mark) {
        let marks = &mut self.lock().marks;
        if marks.seen.get(&mark.party).is_none_or(|known| known.counters.behind(mark.counters)) {
            marks.seen.insert(mark.party, mark);
            marks.unsaved.insert(mark.party, mark);
            self.notary.grown.notify_one();
        }
    }

    /// What peers have shown, since our start, that we have signed.
    #[must_use]
    pub fn claims(&self) -> Vec<Counters> {
        self.lock().marks.claims.values().copied().collect()
    }

    /// Signs our counters as they grow and stores those of the peers, until cancelled. However fast they grow, one task
    /// does it, and not more often than every [`MARK_TIME`].
    pub async fn keep_marks(self: Arc<Self>, ledger: Ledger) {
        loop {
            self.notary.grown.notified().await;
            self.sign();
            let unsaved = std::mem::take(&mut self.lock().marks.unsaved);
            if !unsaved.is_empty()
                && let Err(error) = ledger.saw(unsaved.into_values().collect()).await
            {
                tracing::error!(%error, "counters of peers are not stored");
            }
            tokio::time::sleep(MARK_TIME).await;
        }
    }
}
