//! Step 4: masks r = Σ 2ʲ·rⱼ + 2^ℓ·u of ℓ preprocessed bits and a word from PRSS.

use super::ExactError;
use super::alloc::{Certificate, Range};
use super::bounds::Width;
use crate::fault::Owner;
use crate::ring::{Gr16, Ring};
use std::fmt;
use tkms_types::SessionId;
use zeroize::Zeroizing;

/// A party's shares of the bit part of masks: Σ 2ʲ·rⱼ, and the highest bit by itself.
pub(super) struct BitParts {
    pub low: Zeroizing<Vec<Gr16>>,
    pub half: Zeroizing<Vec<Gr16>>,
}

impl BitParts {
    /// Takes ℓ bits for every mask; what is over is dropped.
    pub fn fold(bits: &[Gr16], width: Width) -> Self {
        let masks = bits.len() / width.mask_bits();
        let mut parts =
            Self { low: Zeroizing::new(Vec::with_capacity(masks)), half: Zeroizing::new(Vec::with_capacity(masks)) };
        for bits in bits.chunks_exact(width.mask_bits()) {
            parts.low.push(bits.iter().rev().fold(Gr16::ZERO, |sum, bit| sum + sum + *bit));
            parts.half.extend(bits.last());
        }
        parts
    }
}

/// A party's shares of whole masks.
pub(super) struct MaskShares {
    /// r, to be added to phases.
    pub mask: Zeroizing<Vec<Gr16>>,
    /// r_(ℓ−1).
    pub half: Zeroizing<Vec<Gr16>>,
    /// u.
    pub top: Zeroizing<Vec<Gr16>>,
}

impl MaskShares {
    /// Puts a top on every bit part.
    pub fn new(parts: BitParts, top: Zeroizing<Vec<Gr16>>, width: Width) -> Self {
        let mut mask = parts.low;
        for (mask, top) in mask.iter_mut().zip(top.iter()) {
            *mask += top.shifted(width.mask_bits() as u32);
        }
        Self { mask, half: parts.half, top }
    }
}

/// The items of one range, for the session that a [`Certificate`] binds it to.
pub struct Items {
    pub(super) owner: Owner,
    pub(super) width: Width,
    pub(super) range: Range,
    pub(super) session: SessionId,
    pub(super) parts: BitParts,
}

impl Items {
    /// Items as a node keeps them: (Σ 2ʲ·rⱼ, r_(ℓ−1)) for each of the certified range, in order. The caller has taken
    /// them from its store for good, and they are those of the range.
    ///
    /// # Errors
    /// [`ExactError::Items`] unless there is one for each of the range.
    pub fn new(owner: Owner, width: Width, certificate: &Certificate, pairs: &[[Gr16; 2]]) -> Result<Self, ExactError> {
        let range = *certificate.range();
        if pairs.len() != range.items() {
            return Err(ExactError::Items { items: pairs.len(), blocks: range.items() });
        }
        let low = Zeroizing::new(pairs.iter().map(|[low, _]| *low).collect());
        let half = Zeroizing::new(pairs.iter().map(|[_, half]| *half).collect());
        Ok(Self { owner, width, range, session: *certificate.session(), parts: BitParts { low, half } })
    }

    /// The session that they are bound to.
    #[must_use]
    pub const fn session(&self) -> &SessionId {
        &self.session
    }
}

impl fmt::Debug for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Items({}, {:?}, redacted)", self.owner, self.range)
    }
}
