//! The variant without stock: the bits of the masks are made under the session itself, in one round more. It needs every
//! party present and honest in that round; otherwise the session falls back to stock, by rule.

use super::ExactError;
use super::key::{ExactKey, Switched};
use super::masks::{BitParts, MaskShares};
use super::message::MessageShares;
use super::rounding::{Phases, Rounding, elements};
use crate::fault::{Abort, Evidence, Fault, Owner, StepId};
use crate::machine::{Machine, Outgoing, Step, To};
use crate::preprocessing::{Bits, Recipe};
use crate::prss::PrssKeys;
use crate::ring::{DEGREE, Gr16};
use crate::shamir::{self, Received};
use crate::tags;
use std::{fmt, mem};
use tkms_types::transcript::Transcript;
use tkms_types::{PartyId, SessionId};
use zeroize::Zeroizing;

/// One message. Unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnDemandMsg {
    /// Step 4a: shares of degree 2t of the masked squares, four bits to an element.
    Bits(Vec<Gr16>),
    /// Step 5.
    Masked(Vec<Gr16>),
}

/// How a session without stock ends.
#[derive(Debug, PartialEq, Eq)]
pub enum Ending {
    /// The messages, shared.
    Shares(MessageShares),
    /// Not this way: the ciphertext is decrypted from stock.
    FallBack(Reason),
}

/// Why a session falls back. Nobody is named: a wrong share of degree 2t shows that somebody lied and not who.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// These parties had not sent their shares of the bits when time was over.
    Missing(Vec<PartyId>),
    /// The shares of the bits are not on one polynomial.
    Spoiled,
    /// Time was over before 2t + 1 parties agreed on the masked values: others have fallen back.
    Stalled,
}

enum Stage {
    /// Step 4a: waiting for every party's share of the bits.
    Bits { phases: Phases, kept: Zeroizing<Vec<Gr16>>, tops: Zeroizing<Vec<Gr16>> },
    /// Step 5.
    Masked(Rounding),
    /// Fallen back.
    Over,
}

/// Steps 3 to 6 of one session without stock.
pub struct OnDemand {
    owner: Owner,
    bits: Bits,
    blocks: usize,
    stage: Stage,
    /// By party index: the first well-formed shares of the bits.
    squares: Vec<Option<Vec<Gr16>>>,
    /// By party index: masked shares that came before the bits were known.
    early: Vec<Option<Vec<Gr16>>>,
    named: Vec<PartyId>,
}

type OnDemandStep = Step<OnDemandMsg, Ending>;

impl OnDemand {
    /// Phases, squares and their masks, and the party's shares to all. With n = 1 it is also the end.
    ///
    /// # Errors
    /// [`ExactError`] if key, masks and samples do not belong together.
    pub fn start(
        key: &ExactKey,
        samples: &Switched<'_>,
        session: &SessionId,
        prss: &PrssKeys,
    ) -> Result<(Self, OnDemandStep), ExactError> {
        let phases = Phases::new(key, samples, prss)?;
        let (owner, blocks) = (phases.owner, phases.blocks());
        let bits = Bits { count: (blocks * phases.width.mask_bits()).next_multiple_of(DEGREE) };
        let named = |tag| SessionId(Transcript::new(tag).word(session.0).finish());
        let (kept, own) = bits.prepare(&mut prss.batch(&named(tags::EXACT_BITS)).draws::<Gr16>());
        let tops = prss.word_shares(&named(tags::EXACT_TOP), blocks);
        let nobody = vec![None; owner.committee.size()];
        let stage = Stage::Bits { phases, kept, tops };
        let mut machine =
            Self { owner, bits, blocks, stage, squares: nobody.clone(), early: nobody, named: Vec::new() };
        let mut step = machine.receive(owner.party, OnDemandMsg::Bits(own.clone()));
        step.send.insert(0, Outgoing { to: To::All, msg: OnDemandMsg::Bits(own) });
        Ok((machine, step))
    }

    /// Whether the messages are shared or the session has fallen back.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        match &self.stage {
            Stage::Bits { .. } => false,
            Stage::Masked(rounding) => rounding.is_done(),
            Stage::Over => true,
        }
    }

    fn blame(&mut self, culprit: PartyId, step: StepId, evidence: Evidence) -> Vec<Fault> {
        if self.named.contains(&culprit) {
            return Vec::new();
        }
        self.named.push(culprit);
        vec![Fault { culprit, step, evidence }]
    }

    fn fall_back(&mut self, reason: Reason, faults: Vec<Fault>) -> OnDemandStep {
        self.stage = Stage::Over;
        Step { send: Vec::new(), faults, output: Some(Ending::FallBack(reason)) }
    }

    /// Step 4a, received. After the bits are known only a second, different message matters.
    fn take_bits(&mut self, from: PartyId, shares: Vec<Gr16>) -> OnDemandStep {
        let (expected, found) = (self.bits.count / DEGREE, shares.len());
        if found != expected {
            let faults = self.blame(from, StepId::ExactBits, Evidence::WrongLength { expected, found });
            return match self.stage {
                Stage::Bits { .. } => self.fall_back(Reason::Spoiled, faults),
                _ => Step { faults, ..Step::nothing() },
            };
        }
        match first_of(&mut self.squares, from, shares) {
            Some(element) => {
                let faults = self.blame(from, StepId::ExactBits, Evidence::Conflicting { element });
                Step { faults, ..Step::nothing() }
            }
            None if matches!(self.stage, Stage::Bits { .. }) && self.squares.iter().all(Option::is_some) => {
                self.open_bits()
            }
            None => Step::nothing(),
        }
    }

    /// Step 4b: with everyone's shares on one polynomial of degree 2t the bits are right; then steps 4 and 5.
    fn open_bits(&mut self) -> OnDemandStep {
        let Owner { party: me, committee } = self.owner;
        let parties: Vec<_> = committee.parties().collect();
        let received: Vec<_> = parties
            .iter()
            .zip(&self.squares)
            .filter_map(|(party, shares)| Some(Received { party: *party, shares: shares.as_deref()? }))
            .collect();
        let opened = shamir::decode_complete(&received, &parties, 2 * committee.threshold().faults()).ok();
        let Stage::Bits { phases, kept, tops } = mem::replace(&mut self.stage, Stage::Over) else {
            return Step::nothing();
        };
        let width = phases.width;
        let bits = opened.and_then(|opened| self.bits.finish(kept, &opened));
        let Some(bits) = bits else { return self.fall_back(Reason::Spoiled, Vec::new()) };
        let used = bits.0.get(..self.blocks * width.mask_bits()).unwrap_or_default();
        let (rounding, own) = phases.mask(MaskShares::new(BitParts::fold(used, width), tops, width));
        self.stage = Stage::Masked(rounding);
        let mut step = self.take_masked(me, own.clone());
        step.send = vec![Outgoing { to: To::All, msg: OnDemandMsg::Masked(own) }];
        let early = mem::take(&mut self.early);
        for (party, shares) in parties.into_iter().zip(early).filter_map(|(party, shares)| Some((party, shares?))) {
            let next = self.take_masked(party, shares);
            step.faults.extend(next.faults);
            step.output = step.output.or(next.output);
        }
        step
    }

    /// Step 5, received.
    fn take_masked(&mut self, from: PartyId, shares: Vec<Gr16>) -> OnDemandStep {
        let (expected, found) = (elements(self.blocks), shares.len());
        match &mut self.stage {
            Stage::Over => Step::nothing(),
            Stage::Masked(rounding) => {
                let (mut faults, shares) = rounding.receive(from, shares);
                // who has been named for its bits is not named again
                faults.retain(|fault| !self.named.contains(&fault.culprit));
                Step { send: Vec::new(), faults, output: shares.map(Ending::Shares) }
            }
            Stage::Bits { .. } if found != expected => {
                let faults = self.blame(from, StepId::ExactMask, Evidence::WrongLength { expected, found });
                Step { faults, ..Step::nothing() }
            }
            Stage::Bits { .. } => {
                let differs = first_of(&mut self.early, from, shares);
                let blame = |element| self.blame(from, StepId::ExactMask, Evidence::Conflicting { element });
                Step { faults: differs.map_or_else(Vec::new, blame), ..Step::nothing() }
            }
        }
    }
}

/// Keeps the first shares of a party; the first element where others of it differ.
fn first_of(slots: &mut [Option<Vec<Gr16>>], from: PartyId, shares: Vec<Gr16>) -> Option<usize> {
    let slot = slots.get_mut(from.index())?;
    match slot {
        Some(first) => first.iter().zip(&shares).position(|(a, b)| a != b),
        None => {
            *slot = Some(shares);
            None
        }
    }
}

impl Machine for OnDemand {
    type Msg = OnDemandMsg;
    type Output = Ending;

    fn receive(&mut self, from: PartyId, msg: OnDemandMsg) -> OnDemandStep {
        if !self.owner.committee.contains(from) {
            return Step { faults: self.blame(from, StepId::ExactBits, Evidence::NotAMember), ..Step::nothing() };
        }
        match msg {
            OnDemandMsg::Bits(shares) => self.take_bits(from, shares),
            OnDemandMsg::Masked(shares) => self.take_masked(from, shares),
        }
    }

    /// The rule for falling back: when time is over before the messages are shared.
    fn round_over(&mut self) -> OnDemandStep {
        let reason = match &self.stage {
            Stage::Bits { .. } => {
                let parties = self.owner.committee.parties().zip(&self.squares);
                Reason::Missing(parties.filter(|(_, shares)| shares.is_none()).map(|(party, _)| party).collect())
            }
            Stage::Masked(rounding) if !rounding.is_done() => Reason::Stalled,
            _ => return Step::nothing(),
        };
        self.fall_back(reason, Vec::new())
    }

    fn give_up(self) -> Abort {
        let committee = self.owner.committee;
        match self.stage {
            Stage::Masked(rounding) => rounding.give_up(),
            _ => Abort {
                step: StepId::ExactBits,
                needed: committee.size(),
                heard: self.squares.iter().flatten().count(),
                silent: committee
                    .parties()
                    .zip(&self.squares)
                    .filter(|(_, shares)| shares.is_none())
                    .map(|(party, _)| party)
                    .collect(),
                faulty: self.named,
            },
        }
    }
}

impl fmt::Debug for OnDemand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heard = self.squares.iter().flatten().count();
        write!(f, "OnDemand({}, bits of {heard} heard, done: {})", self.owner, self.is_done())
    }
}
