//! The Galois rings GR(2ᵏ, 4) = Z_2ᵏ[X]/(X⁴ + X + 1), k = 16, 64 or 128 (DESIGN.md D1).
//!
//! All arithmetic wraps, by name, and takes the same time for every value: there is no branch on an element.
//! An element is invertible exactly if its image in the residue field GF(16) is not zero.

mod batch;
mod gf16;
pub(crate) mod rs;

pub(crate) use batch::{TILE, combine_tile};
pub use batch::{combine, dot};
pub use gf16::Gf16;
use std::fmt::Debug;
use std::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};
use tkms_types::PartyId;
use zeroize::{DefaultIsZeroes, Zeroize};

/// Degree of the extension: coefficients of an element, and blocks packed into one element.
pub const DEGREE: usize = 4;

/// What sharings and their protocols need of a ring. Scalars are words: the base ring Z_2ᵏ.
pub trait Ring:
    Copy
    + Debug
    + Default
    + Eq
    + Zeroize
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Neg<Output = Self>
    + Mul<Output = Self>
    + AddAssign
    + SubAssign
{
    /// An element of the base ring Z_2ᵏ.
    type Word: Copy + Debug + Default + Eq + Zeroize + Send + Sync + 'static;
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// k: bits of a coefficient, so bit planes of an element.
    const BITS: u32;
    /// Bytes of an encoded element.
    const BYTES: usize;

    /// The image of an element of the largest ring. It keeps evaluation points.
    fn image(wide: &Gr128) -> Self;
    /// The element with these coefficients, constant first.
    fn from_words(words: [Self::Word; DEGREE]) -> Self;
    /// The coefficients, constant first.
    fn words(&self) -> &[Self::Word; DEGREE];
    /// A word from its little-endian bytes; missing ones are 0.
    fn word_from_le(bytes: &[u8]) -> Self::Word;
    /// Exceptional point of this index.
    fn exceptional(index: Gf16) -> Self;
    /// A party's evaluation point.
    fn point(party: PartyId) -> Self {
        Self::exceptional(Gf16::new(party.number()))
    }
    /// The image in the residue field of the element divided by 2^`plane`.
    fn bit_plane(&self, plane: u32) -> Gf16;
    /// Product with 2^`plane`.
    fn shifted(&self, plane: u32) -> Self;
    /// Product with a base-ring value.
    fn scale(&self, factor: Self::Word) -> Self;
    /// Product with X.
    fn times_x(&self) -> Self;
    /// The inverse, if the image in GF(16) is not zero.
    fn inverse(&self) -> Option<Self>;
    /// A uniform element.
    fn random(rng: &mut impl rand::CryptoRng) -> Self;
    /// Appends the encoding: coefficients one after the other, constant first, each little-endian.
    fn write_le(&self, bytes: &mut Vec<u8>);
    /// Reads what [`Self::write_le`] writes; missing bytes are 0.
    fn read_le(bytes: &[u8]) -> Self;
    /// sums += weight · words, place by place.
    fn add_scaled(sums: &mut [Self], weight: Self, words: &[Self::Word]);
    /// sums += weight · elements, place by place.
    fn add_products(sums: &mut [Self], weight: Self, elements: &[Self]);
    /// Four shares for each element: share ← −(share − ρ)/(1 + 2ρ), ρ the even root of x² + x = the element's word, which
    /// has to be even ([`Self::even_root`]).
    fn subtract_roots(shares: &mut [Self], elements: &[Self]);
    /// The even root ρ of x² + x = v over Z_2ᵏ and −1/(1 + 2ρ); `None` if v is odd: then there is no root.
    ///
    /// The other root is −1 − ρ. v is public: time may depend on whether there is a root.
    fn even_root(v: Self::Word) -> Option<(Self::Word, Self::Word)>;

    /// A root of x² + x = v in the ring, if the residue of v has trace 0; the other root is −1 − x. v is public.
    fn solve_square_plus_self(v: Self) -> Option<Self> {
        let residue = v.bit_plane(0);
        let start = (0..16).map(Gf16::new).find(|x| x.times(*x).plus(*x) == residue)?;
        let mut root = Self::exceptional(start);
        // Newton on x² + x − v: x ← (x² + v)/(2x + 1), right mod 2 at first, twice as many bits after each step
        let mut precision = 1;
        while precision < Self::BITS {
            let slope = Self::ONE + root + root;
            root = (root * root + v) * slope.inverse()?;
            precision *= 2;
        }
        Some(root)
    }
}

macro_rules! galois_ring {
    ($(#[$doc:meta])* $name:ident, $word:ty, newton = $newton:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name([$word; DEGREE]);

        /// Zeroed by one write, not by one a coefficient.
        impl DefaultIsZeroes for $name {}

        impl $name {
            /// 0.
            pub const ZERO: Self = Self([0; DEGREE]);
            /// 1.
            pub const ONE: Self = Self([1, 0, 0, 0]);
            /// Bytes of an encoded element.
            pub const BYTES: usize = DEGREE * size_of::<$word>();

            /// The element with these coefficients, constant first.
            #[must_use]
            pub const fn new(coefficients: [$word; DEGREE]) -> Self {
                Self(coefficients)
            }

            /// A base-ring value: the constant polynomial.
            #[must_use]
            #[inline]
            pub const fn constant(value: $word) -> Self {
                Self([value, 0, 0, 0])
            }

            /// The coefficients, constant first.
            #[must_use]
            pub const fn coefficients(&self) -> &[$word; DEGREE] {
                &self.0
            }

            /// Exceptional point of this index: the polynomial whose coefficients are the bits of `index`.
            /// Any two different ones differ by an invertible element.
            #[must_use]
            #[inline]
            pub const fn exceptional(index: Gf16) -> Self {
                let bits = index.bits() as $word;
                Self([bits & 1, (bits >> 1) & 1, (bits >> 2) & 1, (bits >> 3) & 1])
            }

            /// A party's evaluation point; 0 is the point of the secret and no party's.
            #[must_use]
            #[inline]
            pub const fn point(party: PartyId) -> Self {
                Self::exceptional(Gf16::new(party.number()))
            }

            /// The image in the residue field of the element divided by 2^`plane`: one bit of each coefficient.
            #[must_use]
            #[inline]
            pub fn bit_plane(&self, plane: u32) -> Gf16 {
                let [a, b, c, d] = self.0;
                let bit = |word: $word, shift: u32| (((word >> plane) & 1) as u8) << shift;
                Gf16::new(bit(a, 0) | bit(b, 1) | bit(c, 2) | bit(d, 3))
            }

            /// Product with a base-ring value: one wrapping product per coefficient.
            #[must_use]
            #[inline]
            pub fn scale(&self, factor: $word) -> Self {
                Self(self.0.map(|c| c.wrapping_mul(factor)))
            }

            /// Product with Xʳ; r < 4 packs blocks.
            #[must_use]
            #[inline]
            pub fn times_x(&self) -> Self {
                let [a, b, c, d] = self.0;
                Self([d.wrapping_neg(), a.wrapping_sub(d), b, c])
            }

            /// The inverse, if the image in GF(16) is not zero. Time does not depend on the value, only the answer does.
            #[must_use]
            #[inline]
            pub fn inverse(&self) -> Option<Self> {
                let residue = self.bit_plane(0);
                let two = Self::constant(2);
                // Newton: correct mod 2 at first, twice as many bits after each step
                let mut inverse = Self::exceptional(residue.inverse_or_zero());
                for _ in 0..$newton {
                    inverse = inverse * (two - *self * inverse);
                }
                (residue != Gf16::ZERO).then_some(inverse)
            }

            /// A uniform element.
            pub fn random(rng: &mut impl rand::CryptoRng) -> Self {
                let mut bytes = [0; Self::BYTES];
                rng.fill_bytes(&mut bytes);
                let element = Self::from_le_bytes(&bytes);
                bytes.zeroize();
                element
            }

            /// [`Ring::even_root`] without its check.
            #[inline]
            fn root_of_even(v: $word) -> ($word, $word) {
                let m = <$word>::wrapping_mul;
                // x = v and 1/(1 + 2x) = 1 are right mod 4; every step doubles the bits of both
                let (mut x, mut y): ($word, $word) = (v, 1);
                for _ in 1..$newton {
                    let miss = m(x, x).wrapping_add(x).wrapping_sub(v);
                    x = x.wrapping_sub(m(miss, y));
                    let slope = x.wrapping_add(x).wrapping_add(1);
                    y = m(y, (2 as $word).wrapping_sub(m(slope, y)));
                }
                (x, y.wrapping_neg())
            }

            /// Coefficients one after the other, constant first, each little-endian.
            #[must_use]
            pub fn to_le_bytes(&self) -> [u8; Self::BYTES] {
                let mut bytes = [0; Self::BYTES];
                for (chunk, word) in bytes.chunks_exact_mut(size_of::<$word>()).zip(self.0) {
                    chunk.copy_from_slice(&word.to_le_bytes());
                }
                bytes
            }

            /// Reads what [`Self::to_le_bytes`] writes; every byte string of this length is an element.
            #[must_use]
            pub fn from_le_bytes(bytes: &[u8; Self::BYTES]) -> Self {
                let mut words = [0; DEGREE];
                for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(size_of::<$word>())) {
                    let mut le = [0; size_of::<$word>()];
                    le.copy_from_slice(chunk);
                    *word = <$word>::from_le_bytes(le);
                }
                Self(words)
            }
        }

        impl Ring for $name {
            type Word = $word;
            const ZERO: Self = Self::ZERO;
            const ONE: Self = Self::ONE;
            const BITS: u32 = <$word>::BITS;
            const BYTES: usize = Self::BYTES;

            fn image(wide: &Gr128) -> Self {
                Self(wide.0.map(|word| word as $word))
            }
            #[inline]
            fn from_words(words: [$word; DEGREE]) -> Self {
                Self(words)
            }
            #[inline]
            fn words(&self) -> &[$word; DEGREE] {
                &self.0
            }
            #[inline]
            fn word_from_le(bytes: &[u8]) -> $word {
                if let Some(le) = bytes.first_chunk() {
                    return <$word>::from_le_bytes(*le);
                }
                let mut le = [0; size_of::<$word>()];
                for (to, from) in le.iter_mut().zip(bytes) {
                    *to = *from;
                }
                <$word>::from_le_bytes(le)
            }
            #[inline]
            fn exceptional(index: Gf16) -> Self {
                Self::exceptional(index)
            }
            #[inline]
            fn bit_plane(&self, plane: u32) -> Gf16 {
                self.bit_plane(plane)
            }
            #[inline]
            fn shifted(&self, plane: u32) -> Self {
                self.scale(1 << plane)
            }
            #[inline]
            fn scale(&self, factor: $word) -> Self {
                self.scale(factor)
            }
            #[inline]
            fn times_x(&self) -> Self {
                self.times_x()
            }
            #[inline]
            fn inverse(&self) -> Option<Self> {
                self.inverse()
            }
            fn random(rng: &mut impl rand::CryptoRng) -> Self {
                Self::random(rng)
            }
            #[inline]
            fn write_le(&self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
            #[inline]
            fn read_le(bytes: &[u8]) -> Self {
                if let Some(le) = bytes.first_chunk() {
                    return Self::from_le_bytes(le);
                }
                let mut le = [0; Self::BYTES];
                for (to, from) in le.iter_mut().zip(bytes) {
                    *to = *from;
                }
                Self::from_le_bytes(&le)
            }

            fn add_products(sums: &mut [Self], weight: Self, elements: &[Self]) {
                // the matrix of "times weight", row by row: the four sums of an element fill a vector register
                let by_x = weight.times_x();
                let by_x2 = by_x.times_x();
                let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (weight.0, by_x.0);
                let ([c0, c1, c2, c3], [d0, d1, d2, d3]) = (by_x2.0, by_x2.times_x().0);
                let rows = [[a0, b0, c0, d0], [a1, b1, c1, d1], [a2, b2, c2, d2], [a3, b3, c3, d3]];
                let rows = &rows;
                batch::vectorised!(|sums: &mut [$name], rows: &[[$word; DEGREE]; DEGREE], elements: &[$name]| {
                    let m = <$word>::wrapping_mul;
                    for (sum, element) in sums.iter_mut().zip(elements) {
                        let [p, q, r, s] = element.0;
                        for (sum, [a, b, c, d]) in sum.0.iter_mut().zip(rows) {
                            let products = m(p, *a).wrapping_add(m(q, *b)).wrapping_add(m(r, *c)).wrapping_add(m(s, *d));
                            *sum = sum.wrapping_add(products);
                        }
                    }
                });
            }

            fn add_scaled(sums: &mut [Self], weight: Self, words: &[$word]) {
                batch::vectorised!(|sums: &mut [$name], weight: $name, words: &[$word]| {
                    for (sum, word) in sums.iter_mut().zip(words) {
                        *sum += weight.scale(*word);
                    }
                });
            }

            fn subtract_roots(shares: &mut [Self], elements: &[Self]) {
                batch::vectorised!(|shares: &mut [$name], elements: &[$name]| {
                    for (shares, element) in shares.as_chunks_mut::<DEGREE>().0.iter_mut().zip(elements) {
                        for (share, v) in shares.iter_mut().zip(&element.0) {
                            let (root, divisor) = $name::root_of_even(*v);
                            *share = (*share - $name::constant(root)).scale(divisor);
                        }
                    }
                });
            }

            #[inline]
            fn even_root(v: $word) -> Option<($word, $word)> {
                (v & 1 == 0).then(|| Self::root_of_even(v))
            }
        }

        impl Add for $name {
            type Output = Self;
            #[inline]
            fn add(self, other: Self) -> Self {
                let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
                Self([a.wrapping_add(e), b.wrapping_add(f), c.wrapping_add(g), d.wrapping_add(h)])
            }
        }

        impl Sub for $name {
            type Output = Self;
            #[inline]
            fn sub(self, other: Self) -> Self {
                let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
                Self([a.wrapping_sub(e), b.wrapping_sub(f), c.wrapping_sub(g), d.wrapping_sub(h)])
            }
        }

        impl Neg for $name {
            type Output = Self;
            #[inline]
            fn neg(self) -> Self {
                Self(self.0.map(<$word>::wrapping_neg))
            }
        }

        impl AddAssign for $name {
            #[inline]
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }

        impl SubAssign for $name {
            #[inline]
            fn sub_assign(&mut self, other: Self) {
                *self = *self - other;
            }
        }

        impl Mul for $name {
            type Output = Self;
            #[inline]
            fn mul(self, other: Self) -> Self {
                let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
                let m = <$word>::wrapping_mul;
                let c4 = m(b, h).wrapping_add(m(c, g)).wrapping_add(m(d, f));
                let c5 = m(c, h).wrapping_add(m(d, g));
                let c6 = m(d, h);
                // X⁴ = −X − 1, X⁵ = −X² − X, X⁶ = −X³ − X²
                Self([
                    m(a, e).wrapping_sub(c4),
                    m(a, f).wrapping_add(m(b, e)).wrapping_sub(c4).wrapping_sub(c5),
                    m(a, g).wrapping_add(m(b, f)).wrapping_add(m(c, e)).wrapping_sub(c5).wrapping_sub(c6),
                    m(a, h).wrapping_add(m(b, g)).wrapping_add(m(c, f)).wrapping_add(m(d, e)).wrapping_sub(c6),
                ])
            }
        }
    };
}

galois_ring!(
    /// An element of GR(2¹⁶, 4).
    Gr16,
    u16,
    newton = 4
);
galois_ring!(
    /// An element of GR(2⁶⁴, 4).
    Gr64,
    u64,
    newton = 6
);
galois_ring!(
    /// An element of GR(2¹²⁸, 4).
    Gr128,
    u128,
    newton = 7
);

impl Gr128 {
    /// The image in GR(2⁶⁴, 4). A ring homomorphism that keeps evaluation points: shares map to shares of the
    /// secret modulo 2⁶⁴, nothing is dealt again.
    #[must_use]
    pub fn reduce(&self) -> Gr64 {
        Gr64(self.0.map(|word| word as u64))
    }
}

#[cfg(test)]
mod tests;
