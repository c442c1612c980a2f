//! Step 4: masks r = Σ 2ʲ·rⱼ + 2^ℓ·u of ℓ preprocessed bits and a word from PRSS.

use super::ExactError;
use super::alloc::{Certificate, Range};
use super::bounds::Width;
use crate::fault::{Misuse, Owner};
use crate::preprocessing::{BatchId, BitShares};
use crate::ring::{Gr16, Ring};
use std::fmt;
use tkms_types::{Committee, SessionId};
use zeroize::{Zeroize, Zeroizing};

/// First byte of a stored stock.
const STORED_VERSION: u8 = 1;
/// Bytes before the masks: version, n, party, L, u32 masks.
const STORED_HEADER: usize = 8;
/// Bytes of a mask: whether it is taken, and its two shares.
const STORED_MASK: usize = 1 + 2 * Gr16::BYTES;

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

/// One party's masks of one accepted batch, from its bits. Zeroed on drop and as they are taken, redacted in `Debug`.
pub struct Stock {
    owner: Owner,
    batch: BatchId,
    width: Width,
    parts: BitParts,
    taken: Vec<bool>,
}

/// The items of one range, for one session. Only a [`Certificate`] gets them out of a [`Stock`].
pub struct Items {
    pub(super) owner: Owner,
    pub(super) width: Width,
    pub(super) range: Range,
    pub(super) session: SessionId,
    pub(super) parts: BitParts,
}

/// A range that the stock cannot give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StockError {
    /// Of another batch, empty, or past the end.
    #[error("no items {from} to {to} of batch {batch} here")]
    Range {
        /// Number of the batch.
        batch: u64,
        /// First item.
        from: u32,
        /// One past the last.
        to: u32,
    },
    /// Taken before.
    #[error("an item of {from} to {to} of batch {batch} has been taken")]
    Taken {
        /// Number of the batch.
        batch: u64,
        /// First item.
        from: u32,
        /// One past the last.
        to: u32,
    },
}

impl Stock {
    /// Folds the bits of a batch into masks, ℓ to each; bits that make no whole mask are dropped.
    #[must_use]
    pub fn new(owner: Owner, batch: BatchId, width: Width, bits: &BitShares<Gr16>) -> Self {
        let parts = BitParts::fold(&bits.0, width);
        let taken = vec![false; parts.low.len()];
        Self { owner, batch, width, parts, taken }
    }

    /// The masks as bytes for the node's store, the taken ones as zeros: version, n, party, L, u32 masks, then for each
    /// whether it is taken and 16 bytes. A node that reads them back takes nothing before its [`super::Ledger`] says so.
    #[must_use]
    pub fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        let size = STORED_HEADER + STORED_MASK * self.items();
        let mut bytes = Zeroizing::new(Vec::with_capacity(size));
        let Owner { party, committee } = self.owner;
        bytes.extend([STORED_VERSION, u8::from(committee), party.number(), self.width.log_modulus() as u8]);
        bytes.extend((self.items() as u32).to_le_bytes());
        for ((taken, low), half) in self.taken.iter().zip(self.parts.low.iter()).zip(self.parts.half.iter()) {
            bytes.push((*taken).into());
            bytes.extend(Zeroizing::new(low.to_le_bytes()).iter());
            bytes.extend(Zeroizing::new(half.to_le_bytes()).iter());
        }
        bytes
    }

    /// Reads what [`Self::to_secret_bytes`] writes. The store names the batch.
    ///
    /// # Errors
    /// [`Misuse::Stored`] for anything else.
    pub fn from_secret_bytes(batch: BatchId, width: Width, bytes: &[u8]) -> Result<Self, Misuse> {
        let refused = |why| Misuse::Stored { what: "stock of masks", why };
        let [version, n, party, log_modulus, a, b, c, d, rest @ ..] = bytes else {
            return Err(refused("header is cut short"));
        };
        if *version != STORED_VERSION {
            return Err(refused("unknown version"));
        }
        let committee = Committee::try_from(*n).map_err(|_| refused("no such committee"))?;
        let party = committee.party(*party).map_err(|_| refused("not a member"))?;
        if u32::from(*log_modulus) != width.log_modulus() {
            return Err(refused("another modulus"));
        }
        let (masks, odd) = rest.as_chunks::<STORED_MASK>();
        if masks.len() != u32::from_le_bytes([*a, *b, *c, *d]) as usize || !odd.is_empty() {
            return Err(refused("wrong number of masks"));
        }
        let mut parts = BitParts {
            low: Zeroizing::new(Vec::with_capacity(masks.len())),
            half: Zeroizing::new(Vec::with_capacity(masks.len())),
        };
        let mut taken = Vec::with_capacity(masks.len());
        for [flag, elements @ ..] in masks {
            if *flag > 1 {
                return Err(refused("a mask is neither taken nor not"));
            }
            let (low, half) = elements.split_at(Gr16::BYTES);
            taken.push(*flag == 1);
            parts.low.push(Gr16::read_le(low));
            parts.half.push(Gr16::read_le(half));
        }
        Ok(Self { owner: Owner { party, committee }, batch, width, parts, taken })
    }

    /// Masks of the batch, taken ones included.
    #[must_use]
    pub const fn items(&self) -> usize {
        self.taken.len()
    }

    /// Masks not taken yet.
    #[must_use]
    pub fn left(&self) -> usize {
        self.taken.iter().filter(|taken| !**taken).count()
    }

    /// Gives out a certified range, once, and wipes it here.
    ///
    /// # Errors
    /// [`StockError`] if it is not here or has been taken.
    pub fn take(&mut self, certificate: &Certificate) -> Result<Items, StockError> {
        let range = *certificate.range();
        let (batch, from, to) = (range.batch.number, range.from, range.to);
        let place = from as usize..to as usize;
        let here = |stock: &Self| range.batch == stock.batch && from < to && to as usize <= stock.items();
        if !here(self) {
            return Err(StockError::Range { batch, from, to });
        }
        let taken = self.taken.get_mut(place.clone()).unwrap_or_default();
        if taken.contains(&true) {
            return Err(StockError::Taken { batch, from, to });
        }
        taken.fill(true);
        let out = |list: &mut Vec<Gr16>| {
            let kept = list.get_mut(place.clone()).unwrap_or_default();
            let out = Zeroizing::new(kept.to_vec());
            kept.iter_mut().for_each(Zeroize::zeroize);
            out
        };
        let parts = BitParts { low: out(&mut self.parts.low), half: out(&mut self.parts.half) };
        Ok(Items { owner: self.owner, width: self.width, range, session: *certificate.session(), parts })
    }
}

impl Items {
    /// Items that a node keeps elsewhere: (Σ 2ʲ·rⱼ, r_(ℓ−1)) for each of the certified range, in order. The caller has taken
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

impl fmt::Debug for Stock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stock({}, batch {}, {} of {}, redacted)", self.owner, self.batch.number, self.left(), self.items())
    }
}

impl fmt::Debug for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Items({}, {:?}, redacted)", self.owner, self.range)
    }
}
