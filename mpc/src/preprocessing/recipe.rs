//! What a batch makes (steps 1 to 3 of `docs/protocol/preprocessing.md`): which sharings are drawn, what of them is
//! opened, and what the items are then.

use crate::prss::Draws;
use crate::ring::{DEGREE, Gf16, Ring, TILE};
use std::fmt;
use zeroize::Zeroizing;

/// One kind of batch. Everything but `finish` is a function of the batch keys: others can recompute it.
pub trait Recipe<R: Ring> {
    /// Tells kinds apart in the batch's session.
    const KIND: u8;
    /// What a party keeps until the opening.
    type Kept;
    /// The party's shares of the items.
    type Items;

    /// Items of the batch, a multiple of four.
    fn items(&self) -> usize;
    /// Step 1: our sharings, and our shares of degree 2t of what is opened, four items to an element.
    fn prepare(&self, draws: &mut Draws<R>) -> (Self::Kept, Vec<R>);
    /// Whether these opened elements can be what honest parties open.
    fn plausible(&self, opened: &[R]) -> bool;
    /// Step 3: the items; `None` if the opened elements are not plausible.
    fn finish(&self, kept: Self::Kept, opened: &[R]) -> Option<Self::Items>;
}

/// elements += Σ Xᵏ·values_k, four values to an element.
fn add_packed<R: Ring>(elements: &mut [R], values: &[R]) {
    let (values, _) = values.as_chunks::<DEGREE>();
    for (element, four) in elements.iter_mut().zip(values) {
        *element += four.iter().rev().fold(R::ZERO, |sum, value| sum.times_x() + *value);
    }
}

/// The shares of what is opened, tile by tile: each is drawn, multiplied and packed while it is in the cache.
fn message<R: Ring>(items: usize, mut tile: impl FnMut(&mut [R], &mut [R])) -> Vec<R> {
    let mut message = Vec::with_capacity(items / DEGREE);
    let (mut masked, mut packed) = (Zeroizing::new([R::ZERO; TILE]), Zeroizing::new([R::ZERO; TILE / DEGREE]));
    for start in (0..items).step_by(TILE) {
        let count = TILE.min(items - start);
        let masked = masked.get_mut(..count).unwrap_or_default();
        let packed = packed.get_mut(..count / DEGREE).unwrap_or_default();
        packed.fill(R::ZERO);
        tile(masked, packed);
        add_packed(packed, masked);
        message.extend_from_slice(packed);
    }
    message
}

/// Fresh sharings of uniform words in the place of what is there.
fn draw<R: Ring>(shares: &mut [R], draws: &mut Draws<R>) {
    shares.fill(R::ZERO);
    draws.add_base_shares(shares);
}

/// A public word as a sharing of degree 0.
fn constant<R: Ring>(word: R::Word) -> R {
    let zero = R::Word::default();
    R::from_words([word, zero, zero, zero])
}

/// Random bits: a is uniform in Z_2ᵏ, v = a² + a is opened, ρ its even root, and b = −(a − ρ)/(1 + 2ρ) = a mod 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bits {
    /// How many, a multiple of four.
    pub count: usize,
}

/// A party's shares of bits, over the whole ring. Zeroed on drop, redacted in `Debug`.
#[derive(PartialEq, Eq)]
pub struct BitShares<R: Ring>(pub Zeroizing<Vec<R>>);

impl<R: Ring> fmt::Debug for BitShares<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BitShares({}, redacted)", self.0.len())
    }
}

impl<R: Ring> Recipe<R> for Bits {
    const KIND: u8 = 1;
    type Kept = Zeroizing<Vec<R>>;
    type Items = BitShares<R>;

    fn items(&self) -> usize {
        self.count
    }

    fn prepare(&self, draws: &mut Draws<R>) -> (Self::Kept, Vec<R>) {
        // with its whole capacity: growing would leave copies of shares behind
        let mut kept = Zeroizing::new(Vec::with_capacity(self.count));
        let mut a = Zeroizing::new([R::ZERO; TILE]);
        let message = message(self.count, |masked, zeros| {
            let a = a.get_mut(..masked.len()).unwrap_or_default();
            draw(a, draws);
            draws.add_zeros(zeros);
            masked.iter_mut().zip(&*a).for_each(|(masked, a)| *masked = *a * *a + *a);
            kept.extend_from_slice(a);
        });
        (kept, message)
    }

    fn plausible(&self, opened: &[R]) -> bool {
        // a² + a is even
        opened.iter().all(|element| element.bit_plane(0) == Gf16::ZERO)
    }

    fn finish(&self, mut a: Self::Kept, opened: &[R]) -> Option<BitShares<R>> {
        if !Recipe::<R>::plausible(self, opened) {
            return None;
        }
        R::subtract_roots(&mut a, opened);
        Some(BitShares(a))
    }
}

/// Products of random words: x, y, r are uniform in Z_2ᵏ, d = x·y + r is opened, and z = d − r.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Triples {
    /// How many, a multiple of four.
    pub count: usize,
}

/// A party's shares of triples z = x·y. Zeroed on drop, redacted in `Debug`.
#[derive(PartialEq, Eq)]
pub struct TripleShares<R: Ring> {
    /// First factors.
    pub x: Zeroizing<Vec<R>>,
    /// Second factors.
    pub y: Zeroizing<Vec<R>>,
    /// Their products.
    pub z: Zeroizing<Vec<R>>,
}

impl<R: Ring> fmt::Debug for TripleShares<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TripleShares({}, redacted)", self.x.len())
    }
}

impl<R: Ring> Recipe<R> for Triples {
    const KIND: u8 = 2;
    /// With the masks r where the products will be.
    type Kept = TripleShares<R>;
    type Items = TripleShares<R>;

    fn items(&self) -> usize {
        self.count
    }

    fn prepare(&self, draws: &mut Draws<R>) -> (Self::Kept, Vec<R>) {
        let mut lists = [(); 3].map(|()| Zeroizing::new(Vec::with_capacity(self.count)));
        let mut tiles = Zeroizing::new([[R::ZERO; TILE]; 3]);
        let message = message(self.count, |masked, zeros| {
            for (list, tile) in lists.iter_mut().zip(tiles.iter_mut()) {
                let tile = tile.get_mut(..masked.len()).unwrap_or_default();
                draw(tile, draws);
                list.extend_from_slice(tile);
            }
            draws.add_zeros(zeros);
            let [x, y, r] = &*tiles;
            masked.iter_mut().zip(x).zip(y).zip(r).for_each(|(((masked, x), y), r)| *masked = *x * *y + *r);
        });
        let [x, y, z] = lists;
        (TripleShares { x, y, z }, message)
    }

    fn plausible(&self, _: &[R]) -> bool {
        true
    }

    fn finish(&self, mut kept: Self::Kept, opened: &[R]) -> Option<TripleShares<R>> {
        for (r, d) in kept.z.iter_mut().zip(opened.iter().flat_map(R::words)) {
            *r = constant::<R>(*d) - *r;
        }
        Some(kept)
    }
}
