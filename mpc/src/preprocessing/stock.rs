//! What of an accepted batch is stored, and how it is used up: every item once ("Use" in `docs/protocol/preprocessing.md`).
//!
//! A stored piece of a batch is a header (context, epoch, kind, batch number, first index), a mask of the items taken,
//! and the items. [`Piece::take`] erases what it gives: the caller stores the piece again *before* it uses the items,
//! so that a crash loses items and never repeats one.

use super::{BatchId, BitShares, TripleShares};
use crate::codec::Reader;
use crate::fault::Misuse;
use crate::ring::{Gr16, Gr64, Ring};
use std::fmt;
use std::ops::Range;
use tkms_types::{ContextId, EpochId, Id};
use zeroize::{Zeroize, Zeroizing};

/// First byte of a stored piece.
const VERSION: u8 = 1;
/// Bytes before the mask of taken items: version, kind, bits of an item, context, epoch, number, first, count.
const HEADER: usize = 3 + 32 + 32 + 8 + 4 + 4;
/// Most bits of a mask: bits of the ring.
pub const MAX_MASK_BITS: usize = 16;

/// A kind of item.
pub trait Item: Copy + Default + Zeroize {
    /// Tells kinds apart in storage.
    const KIND: u8;
    /// Bytes of a stored item.
    const BYTES: usize;
    /// Appends it.
    fn write(&self, bytes: &mut Vec<u8>);
    /// Reads what [`Self::write`] writes.
    fn read(bytes: &[u8]) -> Self;
}

/// Our shares of one mask of exact decryption: r = Σ_{j<ℓ} 2ʲ·r_j of random bits r_j, and r_(ℓ−1) by itself.
#[derive(Clone, Copy, Default, PartialEq, Eq, Zeroize)]
pub struct MaskItem {
    /// Of r.
    pub mask: Gr16,
    /// Of its top bit.
    pub top: Gr16,
}

/// Our shares of z = x·y.
#[derive(Clone, Copy, Default, PartialEq, Eq, Zeroize)]
pub struct TripleItem {
    /// First factor.
    pub x: Gr64,
    /// Second factor.
    pub y: Gr64,
    /// Their product.
    pub z: Gr64,
}

impl fmt::Debug for MaskItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskItem(redacted)")
    }
}

impl fmt::Debug for TripleItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TripleItem(redacted)")
    }
}

impl Item for MaskItem {
    const KIND: u8 = 1;
    const BYTES: usize = 2 * Gr16::BYTES;

    fn write(&self, bytes: &mut Vec<u8>) {
        self.mask.write_le(bytes);
        self.top.write_le(bytes);
    }

    fn read(bytes: &[u8]) -> Self {
        let (mask, top) = bytes.split_at_checked(Gr16::BYTES).unwrap_or_default();
        Self { mask: Gr16::read_le(mask), top: Gr16::read_le(top) }
    }
}

/// A bit over GR(2⁶⁴, 4).
impl Item for Gr64 {
    const KIND: u8 = 2;
    const BYTES: usize = Self::BYTES;

    fn write(&self, bytes: &mut Vec<u8>) {
        self.write_le(bytes);
    }

    fn read(bytes: &[u8]) -> Self {
        Self::read_le(bytes)
    }
}

impl Item for TripleItem {
    const KIND: u8 = 3;
    const BYTES: usize = 3 * Gr64::BYTES;

    fn write(&self, bytes: &mut Vec<u8>) {
        for factor in [self.x, self.y, self.z] {
            factor.write_le(bytes);
        }
    }

    fn read(bytes: &[u8]) -> Self {
        let mut chunks = bytes.chunks(Gr64::BYTES).map(Gr64::read_le);
        let [x, y, z] = std::array::from_fn(|_| chunks.next().unwrap_or_default());
        Self { x, y, z }
    }
}

/// Consecutive items of one accepted batch. Zeroed on drop, redacted in `Debug`.
#[derive(PartialEq, Eq)]
pub struct Piece<I: Item> {
    /// The batch.
    pub id: BatchId,
    /// Random bits in an item; 1 for what is not made of several.
    pub bits: u8,
    /// Index in the batch of the first item.
    pub first: usize,
    items: Zeroizing<Vec<I>>,
    taken: Vec<bool>,
}

impl<I: Item> fmt::Debug for Piece<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Piece(batch {}, items {:?}, {} left, redacted)", self.id.number, self.range(), self.left())
    }
}

impl Piece<MaskItem> {
    /// Masks of `bits` bits each from an accepted batch: item i is made of bits i·ℓ … (i + 1)·ℓ − 1; a rest is dropped.
    ///
    /// # Errors
    /// [`Misuse::Items`] unless `bits` is 1 to [`MAX_MASK_BITS`] and the batch has as many.
    pub fn masks(id: BatchId, shares: &BitShares<Gr16>, bits: usize) -> Result<Self, Misuse> {
        let refused = Misuse::Items { items: bits, max: MAX_MASK_BITS.min(shares.0.len()) };
        if bits == 0 || bits > MAX_MASK_BITS || bits > shares.0.len() {
            return Err(refused);
        }
        let mask = |bits: &[Gr16]| MaskItem {
            mask: bits.iter().rev().fold(Gr16::ZERO, |sum, bit| sum + sum + *bit),
            top: bits.last().copied().unwrap_or_default(),
        };
        let count = shares.0.len() / bits;
        let mut items = Zeroizing::new(Vec::with_capacity(count));
        items.extend(shares.0.chunks_exact(bits).map(mask));
        Ok(Self::whole(id, bits as u8, items))
    }
}

impl Piece<Gr64> {
    /// The bits of an accepted batch, one to an item.
    #[must_use]
    pub fn bits(id: BatchId, shares: BitShares<Gr64>) -> Self {
        Self::whole(id, 1, shares.0)
    }
}

impl Piece<TripleItem> {
    /// The triples of an accepted batch.
    #[must_use]
    pub fn triples(id: BatchId, shares: &TripleShares<Gr64>) -> Self {
        let mut items = Zeroizing::new(Vec::with_capacity(shares.x.len()));
        let factors = shares.x.iter().zip(shares.y.iter()).zip(shares.z.iter());
        items.extend(factors.map(|((x, y), z)| TripleItem { x: *x, y: *y, z: *z }));
        Self::whole(id, 1, items)
    }
}

impl<I: Item> Piece<I> {
    fn whole(id: BatchId, bits: u8, items: Zeroizing<Vec<I>>) -> Self {
        let taken = vec![false; items.len()];
        Self { id, bits, first: 0, items, taken }
    }

    /// Indices in the batch, taken ones included.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.first..self.first + self.items.len()
    }

    /// Items not yet taken.
    #[must_use]
    pub fn left(&self) -> usize {
        self.taken.iter().filter(|taken| !**taken).count()
    }

    /// Cuts it into pieces of this many items (the last may have fewer), so that taking some rewrites little.
    #[must_use]
    pub fn split(&self, size: usize) -> Vec<Self> {
        let parts = self.items.chunks(size.max(1)).zip(self.taken.chunks(size.max(1)));
        let part = |(number, (items, taken)): (usize, (&[I], &[bool]))| Self {
            id: self.id,
            bits: self.bits,
            first: self.first + number * size.max(1),
            items: Zeroizing::new(items.to_vec()),
            taken: taken.to_vec(),
        };
        parts.enumerate().map(part).collect()
    }

    /// Gives the items with these indices in the batch and erases them here. Store the piece before using them.
    ///
    /// # Errors
    /// [`Misuse::Range`] if one of them is not here or was taken before; then nothing is taken.
    pub fn take(&mut self, from: usize, to: usize) -> Result<Zeroizing<Vec<I>>, Misuse> {
        let refused = |why| Misuse::Range { from, to, why };
        let place = from.checked_sub(self.first).zip(to.checked_sub(self.first));
        let (start, end) = place.filter(|(start, end)| start < end).ok_or_else(|| refused("not in this piece"))?;
        let taken = self.taken.get_mut(start..end).ok_or_else(|| refused("not in this piece"))?;
        if taken.contains(&true) {
            return Err(refused("taken already"));
        }
        taken.fill(true);
        let items = self.items.get_mut(start..end).unwrap_or_default();
        let given = Zeroizing::new(items.to_vec());
        items.iter_mut().for_each(Zeroize::zeroize);
        Ok(given)
    }

    /// The piece as bytes for the encrypted store.
    #[must_use]
    pub fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        let count = self.items.len();
        // with its whole capacity: growing would leave copies of secrets behind
        let mut bytes = Zeroizing::new(Vec::with_capacity(HEADER + count.div_ceil(8) + count * I::BYTES));
        bytes.extend([VERSION, I::KIND, self.bits]);
        bytes.extend(self.id.context.bytes());
        bytes.extend(self.id.epoch.bytes());
        bytes.extend(self.id.number.to_le_bytes());
        bytes.extend((self.first as u32).to_le_bytes());
        bytes.extend((count as u32).to_le_bytes());
        let octet = |bits: &[bool]| bits.iter().zip(0..).fold(0, |octet, (bit, place)| octet | u8::from(*bit) << place);
        bytes.extend(self.taken.chunks(8).map(octet));
        for item in self.items.iter() {
            item.write(&mut bytes);
        }
        bytes
    }

    /// Reads what [`Self::to_secret_bytes`] writes.
    ///
    /// # Errors
    /// [`Misuse::Stored`] for anything else.
    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, Misuse> {
        let refused = |why| Misuse::Stored { what: "batch", why };
        let cut = |_| refused("header is cut short");
        let mut reader = Reader(bytes);
        let [version, kind, bits] = reader.array().map_err(cut)?;
        if version != VERSION {
            return Err(refused("unknown version"));
        }
        if kind != I::KIND {
            return Err(refused("another kind of item"));
        }
        let context = ContextId::parse(reader.array::<32>().map_err(cut)?.into());
        let epoch = EpochId::parse(reader.array::<32>().map_err(cut)?.into());
        let id = BatchId {
            context: context.map_err(|_| refused("no such context"))?,
            epoch: epoch.map_err(|_| refused("no such epoch"))?,
            number: u64::from_le_bytes(reader.array().map_err(cut)?),
        };
        let first = u32::from_le_bytes(reader.array().map_err(cut)?) as usize;
        let count = u32::from_le_bytes(reader.array().map_err(cut)?) as usize;
        let rest = reader.0;
        // lengths first: nothing is allocated by a number alone
        if rest.len() != count.div_ceil(8) + count * I::BYTES {
            return Err(refused("wrong length"));
        }
        let (octets, body) = rest.split_at_checked(count.div_ceil(8)).unwrap_or_default();
        let all: Vec<bool> = octets.iter().flat_map(|octet| (0..8).map(move |bit| octet >> bit & 1 == 1)).collect();
        let (taken, padding) = all.split_at_checked(count).unwrap_or_default();
        if padding.contains(&true) {
            return Err(refused("mask of taken items has bits too many"));
        }
        let mut items = Zeroizing::new(Vec::with_capacity(count));
        items.extend(body.chunks_exact(I::BYTES).map(I::read));
        Ok(Self { id, bits, first, items, taken: taken.to_vec() })
    }
}
