//! What a batch makes (steps 1 to 3 of `docs/protocol/preprocessing.md`): which sharings are drawn, what of them is
//! opened, and what the items are then.

use crate::prss::Draws;
use crate::ring::{DEGREE, Gf16, Ring};
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

/// Σ Xᵏ·values_k + zero, four values to an element.
fn packed<R: Ring>(values: impl Iterator<Item = R>, zeros: &[R]) -> Vec<R> {
    let mut values = values;
    let element = |zero: &R| {
        let mut four = [R::ZERO; DEGREE];
        for value in &mut four {
            *value = values.next().unwrap_or_default();
        }
        four.iter().rev().fold(R::ZERO, |sum, value| sum.times_x() + *value) + *zero
    };
    zeros.iter().map(element).collect()
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
        let a = draws.base_shares(self.count);
        let zeros = draws.zeros(self.count / DEGREE);
        let message = packed(a.iter().map(|a| *a * *a + *a), &zeros);
        (a, message)
    }

    fn plausible(&self, opened: &[R]) -> bool {
        // a² + a is even
        opened.iter().all(|element| element.bit_plane(0) == Gf16::ZERO)
    }

    fn finish(&self, mut a: Self::Kept, opened: &[R]) -> Option<BitShares<R>> {
        for (share, v) in a.iter_mut().zip(opened.iter().flat_map(R::words)) {
            let (root, divisor) = R::even_root(*v)?;
            *share = (*share - constant(root)).scale(divisor);
        }
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
        let [x, y, z] = [(); 3].map(|()| draws.base_shares(self.count));
        let zeros = draws.zeros(self.count / DEGREE);
        let masked = x.iter().zip(y.iter()).zip(z.iter()).map(|((x, y), r)| *x * *y + *r);
        let message = packed(masked, &zeros);
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
