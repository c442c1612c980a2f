//! Robust opening of a batch of sharings of degree t (step 5 of `docs/protocol/decrypt.md`, steps 5 and 7 of
//! `docs/protocol/exact-decrypt.md`): on-line error correction, asynchronous, one message of every party.

use crate::fault::{Abort, Evidence, Fault, StepId};
use crate::ring::Ring;
use crate::shamir::{self, Received};
use tkms_types::{Committee, PartyId};

/// What has come in for one opening. It goes on after the values are out: a late share is checked too.
pub(crate) struct Opening<R> {
    committee: Committee,
    step: StepId,
    /// Elements of the batch.
    elements: usize,
    /// By party index: the first well-formed message of each.
    received: Vec<Option<Vec<R>>>,
    named: Vec<PartyId>,
    /// After the values: t + 1 parties whose shares are right.
    base: Option<Vec<PartyId>>,
}

/// What follows from a share.
pub(crate) struct Heard<R> {
    pub faults: Vec<Fault>,
    /// The opened elements, once.
    pub values: Option<Vec<R>>,
}

impl<R: Ring> Opening<R> {
    pub fn new(committee: Committee, step: StepId, elements: usize) -> Self {
        let received = vec![None; committee.size()];
        Self { committee, step, elements, received, named: Vec::new(), base: None }
    }

    /// Whether the values are out.
    pub const fn is_done(&self) -> bool {
        self.base.is_some()
    }

    /// Well-formed messages so far.
    pub fn count(&self) -> usize {
        self.received.iter().flatten().count()
    }

    fn heard(&self) -> Vec<Received<'_, R>> {
        let parties = self.committee.parties().zip(&self.received);
        parties.filter_map(|(party, shares)| Some(Received { party, shares: shares.as_deref()? })).collect()
    }

    /// Blames a party unless it has been blamed before.
    pub fn blame(&mut self, culprit: PartyId, evidence: Evidence) -> Vec<Fault> {
        if self.named.contains(&culprit) {
            return Vec::new();
        }
        self.named.push(culprit);
        vec![Fault { culprit, step: self.step, evidence }]
    }

    /// One party's shares. A repeated message is ignored, a different second one is a fault and the first one stands.
    pub fn receive(&mut self, from: PartyId, shares: Vec<R>) -> Heard<R> {
        let (expected, found) = (self.elements, shares.len());
        let fault = |faults| Heard { faults, values: None };
        let Some(slot) = self.received.get_mut(from.index()) else {
            return fault(self.blame(from, Evidence::NotAMember));
        };
        if found != expected {
            return fault(self.blame(from, Evidence::WrongLength { expected, found }));
        }
        if let Some(first) = slot {
            let differs = first.iter().zip(&shares).position(|(a, b)| a != b);
            return fault(differs.map_or_else(Vec::new, |element| self.blame(from, Evidence::Conflicting { element })));
        }
        *slot = Some(shares);
        match self.base.clone() {
            Some(base) => fault(self.check_late(from, &base)),
            None => self.attempt(),
        }
    }

    /// With h messages accept only if all but h − (2t + 1) of them lie on polynomials of degree t: t + 1 of those 2t + 1
    /// are honest and fix the polynomials, and all honest ones together are enough to get here.
    fn attempt(&mut self) -> Heard<R> {
        let threshold = self.committee.threshold();
        let heard = self.heard();
        let nothing = Heard { faults: Vec::new(), values: None };
        let Some(liars) = heard.len().checked_sub(threshold.quorum()) else { return nothing };
        let Ok(decoded) = shamir::decode(&heard, threshold.faults(), liars) else { return nothing };
        self.base = Some(decoded.good.into_iter().take(threshold.faults() + 1).collect());
        let blame = |(party, element)| self.blame(party, Evidence::OffPolynomial { element });
        let faults = decoded.liars.into_iter().flat_map(blame).collect();
        Heard { faults, values: Some(decoded.values) }
    }

    fn check_late(&mut self, from: PartyId, base: &[PartyId]) -> Vec<Fault> {
        let (good, rest): (Vec<_>, Vec<_>) = self.heard().into_iter().partition(|r| base.contains(&r.party));
        let late = rest.into_iter().find(|r| r.party == from);
        match late.and_then(|late| shamir::first_off(&good, late)) {
            Some(element) => self.blame(from, Evidence::OffPolynomial { element }),
            None => Vec::new(),
        }
    }

    /// The report of an opening that is given up.
    pub fn give_up(self) -> Abort {
        let heard: Vec<_> = self.heard().iter().map(|r| r.party).collect();
        let silent = |party: &PartyId| !heard.contains(party) && !self.named.contains(party);
        Abort {
            step: self.step,
            needed: self.committee.threshold().quorum(),
            heard: heard.len(),
            silent: self.committee.parties().filter(silent).collect(),
            faulty: self.named,
        }
    }
}
