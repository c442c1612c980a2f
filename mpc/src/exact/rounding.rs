//! Steps 5 and 6, shared by the variants: opening of c = x + r, and what it makes of the masks.

use super::bounds::{TOP_BITS, Width};
use super::key::{ExactKey, Switched, pack};
use super::masks::MaskShares;
use super::message::MessageShares;
use super::{ExactError, same_owner};
use crate::fault::{Abort, Fault, Owner, StepId};
use crate::opening::Opening;
use crate::prss::PrssKeys;
use crate::ring::{DEGREE, Gr16};
use tkms_types::PartyId;
use zeroize::Zeroizing;

/// Phases of one session, before their masks.
pub(super) struct Phases {
    pub owner: Owner,
    pub width: Width,
    shares: Zeroizing<Vec<Gr16>>,
}

impl Phases {
    /// Step 3, with the check that key, masks and samples belong together.
    pub fn new(key: &ExactKey, samples: &Switched<'_>, prss: &PrssKeys) -> Result<Self, ExactError> {
        let owner = same_owner(key.owner(), prss.owner())?;
        let (expected, found) = (key.width().log_modulus(), samples.width().log_modulus());
        if expected != found {
            return Err(ExactError::Width { expected, found });
        }
        Ok(Self { owner, width: key.width(), shares: key.phase_shares(samples)? })
    }

    pub fn blocks(&self) -> usize {
        self.shares.len()
    }

    /// Steps 4 and 5: masks the phases and begins the opening. Also returns what is sent to all.
    pub fn mask(mut self, masks: MaskShares) -> (Rounding, Vec<Gr16>) {
        for (phase, mask) in self.shares.iter_mut().zip(masks.mask.iter()) {
            *phase += *mask;
        }
        let message = pack(&self.shares, self.width.log_modulus());
        let opening = Opening::new(self.owner.committee, StepId::ExactMask, message.len());
        (Rounding { owner: self.owner, width: self.width, masks: Some(masks), opening }, message)
    }
}

/// The opening in progress.
pub(super) struct Rounding {
    pub owner: Owner,
    width: Width,
    /// Until c is known.
    masks: Option<MaskShares>,
    opening: Opening<Gr16>,
}

impl Rounding {
    pub const fn is_done(&self) -> bool {
        self.opening.is_done()
    }

    pub fn count(&self) -> usize {
        self.opening.count()
    }

    /// Step 5; step 6 when c is known.
    pub fn receive(&mut self, from: PartyId, shares: Vec<Gr16>) -> (Vec<Fault>, Option<MessageShares>) {
        let heard = self.opening.receive(from, shares);
        let masks = heard.values.as_ref().and_then(|_| self.masks.take());
        let rounded = heard.values.zip(masks).map(|(opened, masks)| {
            let words = opened.iter().flat_map(|element| *element.coefficients());
            let words = words.map(|word| word >> self.width.shift());
            MessageShares::new(self.owner, round(words, &masks, self.width))
        });
        (heard.faults, rounded)
    }

    pub fn give_up(self) -> Abort {
        self.opening.give_up()
    }
}

/// Step 6: ⟨m⟩ = c_top − ⟨u⟩ − (1 − c_mid)·⟨r_(ℓ−1)⟩ modulo 2⁵. c is public.
fn round(words: impl Iterator<Item = u16>, masks: &MaskShares, width: Width) -> Zeroizing<Vec<Gr16>> {
    let low = width.mask_bits();
    let mut shares = Zeroizing::new(Vec::with_capacity(masks.top.len()));
    for ((word, top), half) in words.zip(masks.top.iter()).zip(masks.half.iter()) {
        let (c_top, c_mid) = (word >> low, word >> (low - 1) & 1);
        let carried = half.scale(1 - c_mid);
        let share = Gr16::constant(c_top) - *top - carried;
        // above its lowest five bits a share means nothing
        shares.push(Gr16::new(share.coefficients().map(|c| c & ((1 << TOP_BITS) - 1))));
    }
    shares
}

/// Elements of an opening of so many blocks.
pub(super) const fn elements(blocks: usize) -> usize {
    blocks.div_ceil(DEGREE)
}
