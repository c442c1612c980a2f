//! `flood`: noise-flooded threshold decryption with one robust opening. `docs/protocol/decrypt.md` numbers the steps.
//!
//! Reference: Dahl et al., "Noah's Ark: Efficient threshold-FHE using noise flooding", WAHC 2023, in its variant for
//! few subsets; on-line error correction after Ben-Or, Canetti, Goldreich (STOC 1993) and Canetti's thesis.
//! Assumes: at most t of n = 3t + 1 parties are malicious; authenticated private channels that may delay, reorder
//! and repeat; no clock. Changed: four blocks are opened in one ring element, and the mask is a function of the
//! ciphertext (the session id), so that asking again shows nothing new.

use crate::bounds::{FloodBounds, subsets};
use crate::fault::{Abort, Evidence, Fault, Misuse, Owner, StepId};
use crate::machine::{Machine, Outgoing, Step, To};
use crate::phase::{KeyShare, Samples, pack};
use crate::prss::PrssKeys;
use crate::ring::{DEGREE, Gr128};
use crate::shamir::{self, Received};
use std::fmt;
use tkms_types::{Committee, PartyId, SessionId};
use zeroize::Zeroizing;

/// Most blocks of one session; the largest ciphertext has 64.
pub const MAX_BLOCKS: usize = 4096;
/// Message bits of a block.
const BLOCK_BITS: u32 = 4;

/// Round 1, the only one: a party's share of every masked value, four blocks to an element. Unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialDecryption {
    /// ⌈blocks / 4⌉ shares.
    pub shares: Vec<Gr128>,
}

/// A party's shares of the masked phases of one session, packed; zeroed on drop, redacted in `Debug`.
///
/// The same shares go to the peers of a public decryption and, sealed, to the user of a user decryption.
pub struct MaskedShares {
    owner: Owner,
    blocks: usize,
    shares: Zeroizing<Vec<Gr128>>,
}

/// Steps 2 to 4, all the local work of a session: phases, masks, packing. A pure function: the same input gives the
/// same shares, whoever asks.
///
/// # Errors
/// [`Misuse`] if key and masks belong to different parties, or the samples are under a key of another dimension.
pub fn masked_shares(
    key: &KeyShare,
    samples: &Samples<'_>,
    masks: &PrssKeys,
    session: &SessionId,
) -> Result<MaskedShares, Misuse> {
    if key.owner() != masks.owner() {
        return Err(Misuse::OwnersDiffer { key: key.owner(), masks: masks.owner() });
    }
    let mut masked = key.phase_shares(samples)?;
    for (phase, mask) in masked.iter_mut().zip(masks.mask_shares(session, samples.blocks()).iter()) {
        *phase += *mask;
    }
    Ok(MaskedShares { owner: key.owner(), blocks: samples.blocks(), shares: Zeroizing::new(pack(&masked)) })
}

impl MaskedShares {
    /// Blocks of the session.
    #[must_use]
    pub const fn blocks(&self) -> usize {
        self.blocks
    }

    /// Step 7: what a user decryption sends to the user, in the order of the official payload:
    /// one element per four blocks, four coefficients of 16 bytes each.
    #[must_use]
    pub fn user_share(&self) -> &[Gr128] {
        &self.shares
    }
}

impl fmt::Debug for MaskedShares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MaskedShares({}, {} blocks, redacted)", self.owner, self.blocks)
    }
}

/// Opened masked phases, public to whoever opened them: mᵢ·Δ + eᵢ + Eᵢ for every block i.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    committee: Committee,
    blocks: usize,
    elements: Vec<Gr128>,
}

/// An opened word that is no message with noise and mask on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("block {block} is no message: the samples are not under this key, or too noisy")]
pub struct Implausible {
    /// The block.
    pub block: usize,
}

impl Opened {
    pub(crate) const fn new(committee: Committee, blocks: usize, elements: Vec<Gr128>) -> Self {
        Self { committee, blocks, elements }
    }

    /// The masked phase of every block.
    pub fn words(&self) -> impl Iterator<Item = u128> + '_ {
        self.elements.iter().flat_map(|element| *element.coefficients()).take(self.blocks)
    }

    /// Step 6: the four-bit message of every block, lowest block first.
    ///
    /// # Errors
    /// [`Implausible`] for a word farther from every message than noise and mask can carry it, for a set padding
    /// bit, and for anything but 0 in the unused coefficients of the last element: samples under another key end
    /// here instead of in a plaintext. All nodes see the same words and so agree on this.
    pub fn digits(&self) -> Result<Vec<u8>, Implausible> {
        let bounds = FloodBounds::PRODUCTION;
        let reach = bounds.check(subsets(self.committee)).map_err(|_| Implausible { block: 0 })?;
        let mut tail = self.elements.iter().flat_map(|element| *element.coefficients()).skip(self.blocks);
        if tail.any(|coefficient| coefficient != 0) {
            return Err(Implausible { block: self.blocks });
        }
        let digit = |(block, word)| round(word, bounds.delta_log, reach).ok_or(Implausible { block });
        self.words().enumerate().map(digit).collect()
    }
}

/// The nearest multiple of Δ, modulo 2¹²⁸: a small negative error on message 0 wraps round to 0.
fn round(word: u128, delta_log: u32, reach: u128) -> Option<u8> {
    let shifted = word.wrapping_add(1 << (delta_log - 1));
    let message = shifted >> delta_log;
    let distance = word.wrapping_sub(message << delta_log).cast_signed().unsigned_abs();
    (message < 1 << BLOCK_BITS && distance <= reach).then_some(message as u8)
}

/// The opening of one session (step 5): asynchronous, one message each way, done as soon as 2t + 1 parties agree.
///
/// It goes on after its output: a share that comes late is checked too and its sender named if it is wrong.
pub struct Opening {
    committee: Committee,
    me: PartyId,
    blocks: usize,
    /// By party index: the first well-formed message of each.
    received: Vec<Option<Vec<Gr128>>>,
    /// Parties already blamed.
    named: Vec<PartyId>,
    /// After the output: t + 1 parties whose shares are right.
    base: Option<Vec<PartyId>>,
}

type OpeningStep = Step<PartialDecryption, Opened>;

impl Opening {
    /// Starts with the party's own shares: the step sends them to all. With n = 1 it is also the end.
    #[must_use]
    pub fn start(own: &MaskedShares) -> (Self, OpeningStep) {
        let Owner { party: me, committee } = own.owner;
        let mut opening = Self {
            committee,
            me,
            blocks: own.blocks,
            received: vec![None; committee.size()],
            named: Vec::new(),
            base: None,
        };
        let msg = PartialDecryption { shares: own.shares.to_vec() };
        let mut step = opening.receive(me, msg.clone());
        step.send = vec![Outgoing { to: To::All, msg }];
        (opening, step)
    }

    /// Whether the output has been given.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.base.is_some()
    }

    fn heard(&self) -> Vec<Received<'_>> {
        let parties = self.committee.parties().zip(&self.received);
        parties.filter_map(|(party, shares)| Some(Received { party, shares: shares.as_deref()? })).collect()
    }

    /// Blames a party unless it has been blamed before.
    fn blame(&mut self, culprit: PartyId, evidence: Evidence) -> Vec<Fault> {
        if self.named.contains(&culprit) {
            return Vec::new();
        }
        self.named.push(culprit);
        vec![Fault { culprit, step: StepId::Open, evidence }]
    }

    /// Step 5b: on-line error correction. With h shares accept only if all but h − (2t + 1) of them lie on
    /// polynomials of degree t. Those 2t + 1 hold t + 1 honest ones, which fix the polynomials; all honest shares
    /// together are enough to get here, whatever the others send.
    fn attempt(&mut self) -> OpeningStep {
        let threshold = self.committee.threshold();
        let heard = self.heard();
        let Some(liars) = heard.len().checked_sub(threshold.quorum()) else { return Step::nothing() };
        let Ok(decoded) = shamir::decode(&heard, threshold.faults(), liars) else { return Step::nothing() };
        self.base = Some(decoded.good.into_iter().take(threshold.faults() + 1).collect());
        let blame = |(party, element)| self.blame(party, Evidence::OffPolynomial { element });
        let faults = decoded.liars.into_iter().flat_map(blame).collect();
        Step { send: Vec::new(), faults, output: Some(Opened::new(self.committee, self.blocks, decoded.values)) }
    }

    /// Step 5c: a share that comes after the output.
    fn check_late(&mut self, from: PartyId, base: &[PartyId]) -> Vec<Fault> {
        let heard = self.heard();
        let (good, rest): (Vec<_>, Vec<_>) = heard.into_iter().partition(|r| base.contains(&r.party));
        let late = rest.into_iter().find(|r| r.party == from);
        match late.and_then(|late| shamir::first_off(&good, late)) {
            Some(element) => self.blame(from, Evidence::OffPolynomial { element }),
            None => Vec::new(),
        }
    }
}

impl Machine for Opening {
    type Msg = PartialDecryption;
    type Output = Opened;

    /// Step 5a. A repeated message is ignored, a different second one is a fault and the first one stands.
    fn receive(&mut self, from: PartyId, msg: PartialDecryption) -> OpeningStep {
        let expected = self.blocks.div_ceil(DEGREE);
        let found = msg.shares.len();
        let Some(slot) = self.received.get_mut(from.index()) else {
            return Step { faults: self.blame(from, Evidence::NotAMember), ..Step::nothing() };
        };
        if found != expected {
            return Step { faults: self.blame(from, Evidence::WrongLength { expected, found }), ..Step::nothing() };
        }
        if let Some(first) = slot {
            let differs = first.iter().zip(&msg.shares).position(|(a, b)| a != b);
            let blame = |element| self.blame(from, Evidence::Conflicting { element });
            return Step { faults: differs.map_or_else(Vec::new, blame), ..Step::nothing() };
        }
        *slot = Some(msg.shares);
        match self.base.clone() {
            Some(base) => Step { faults: self.check_late(from, &base), ..Step::nothing() },
            None => self.attempt(),
        }
    }

    fn round_over(&mut self) -> OpeningStep {
        Step::nothing()
    }

    fn give_up(self) -> Abort {
        let heard: Vec<_> = self.heard().iter().map(|r| r.party).collect();
        let silent = |party: &PartyId| !heard.contains(party) && !self.named.contains(party);
        Abort {
            step: StepId::Open,
            needed: self.committee.threshold().quorum(),
            heard: heard.len(),
            silent: self.committee.parties().filter(silent).collect(),
            faulty: self.named,
        }
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heard = self.received.iter().flatten().count();
        write!(f, "Opening({} of {}, {heard} heard, done: {})", self.me, self.committee.size(), self.is_done())
    }
}

#[cfg(test)]
mod tests;
