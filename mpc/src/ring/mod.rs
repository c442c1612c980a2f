//! The Galois rings GR(2ᵏ, 4) = Z_2ᵏ[X]/(X⁴ + X + 1), k = 64 or 128 (DESIGN.md D1).
//!
//! All arithmetic wraps, by name, and takes the same time for every value: there is no branch on an element.
//! An element is invertible exactly if its image in the residue field GF(16) is not zero.

mod gf16;
pub(crate) mod rs;

pub use gf16::Gf16;
use std::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};
use tkms_types::PartyId;
use zeroize::Zeroize;

/// Degree of the extension: coefficients of an element, and blocks packed into one element.
pub const DEGREE: usize = 4;

macro_rules! galois_ring {
    ($(#[$doc:meta])* $name:ident, $word:ty, newton = $newton:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Zeroize)]
        pub struct $name([$word; DEGREE]);

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
            pub const fn exceptional(index: Gf16) -> Self {
                let bits = index.bits() as $word;
                Self([bits & 1, (bits >> 1) & 1, (bits >> 2) & 1, (bits >> 3) & 1])
            }

            /// A party's evaluation point; 0 is the point of the secret and no party's.
            #[must_use]
            pub const fn point(party: PartyId) -> Self {
                Self::exceptional(Gf16::new(party.number()))
            }

            /// The image in the residue field of the element divided by 2^`plane`: one bit of each coefficient.
            #[must_use]
            pub fn bit_plane(&self, plane: u32) -> Gf16 {
                let [a, b, c, d] = self.0;
                let bit = |word: $word, shift: u32| (((word >> plane) & 1) as u8) << shift;
                Gf16::new(bit(a, 0) | bit(b, 1) | bit(c, 2) | bit(d, 3))
            }

            /// Product with a base-ring value: one wrapping product per coefficient.
            #[must_use]
            pub fn scale(&self, factor: $word) -> Self {
                Self(self.0.map(|c| c.wrapping_mul(factor)))
            }

            /// Product with Xʳ; r < 4 packs blocks.
            #[must_use]
            pub fn times_x(&self) -> Self {
                let [a, b, c, d] = self.0;
                Self([d.wrapping_neg(), a.wrapping_sub(d), b, c])
            }

            /// The inverse, if the image in GF(16) is not zero. Time does not depend on the value, only the answer does.
            #[must_use]
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

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
                Self([a.wrapping_add(e), b.wrapping_add(f), c.wrapping_add(g), d.wrapping_add(h)])
            }
        }

        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
                Self([a.wrapping_sub(e), b.wrapping_sub(f), c.wrapping_sub(g), d.wrapping_sub(h)])
            }
        }

        impl Neg for $name {
            type Output = Self;
            fn neg(self) -> Self {
                Self(self.0.map(<$word>::wrapping_neg))
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }

        impl SubAssign for $name {
            fn sub_assign(&mut self, other: Self) {
                *self = *self - other;
            }
        }

        impl Mul for $name {
            type Output = Self;
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
