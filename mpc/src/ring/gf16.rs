//! GF(16) = Z_2[X]/(X⁴ + X + 1), the residue field of the Galois rings. No branch and no table depends on a value.

/// A field element: four coefficient bits, lowest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gf16(u8);

impl Gf16 {
    /// 0.
    pub const ZERO: Self = Self(0);
    /// 1.
    pub const ONE: Self = Self(1);

    /// The element with these coefficient bits; higher bits are ignored.
    #[must_use]
    pub const fn new(bits: u8) -> Self {
        Self(bits & 0xf)
    }

    /// The coefficient bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The sum, which is also the difference.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }

    /// The product.
    #[must_use]
    pub const fn times(self, other: Self) -> Self {
        let mut product = 0;
        let mut bit = 0;
        while bit < 4 {
            product ^= ((other.0 >> bit) & 1).wrapping_neg() & (self.0 << bit);
            bit += 1;
        }
        // X⁶, X⁵, X⁴ in turn: X⁴ = X + 1
        let mut bit = 6;
        while bit >= 4 {
            product ^= ((product >> bit) & 1).wrapping_neg() & (0b1_0011 << (bit - 4));
            bit -= 1;
        }
        Self(product)
    }

    /// a¹⁴: the inverse, and 0 for 0.
    #[must_use]
    pub const fn inverse_or_zero(self) -> Self {
        let square = self.times(self);
        let fourth = square.times(square);
        let eighth = fourth.times(fourth);
        square.times(fourth).times(eighth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_nonzero_element_times_its_inverse_is_one() {
        for bits in 1..16 {
            let a = Gf16::new(bits);
            assert_eq!(a.times(a.inverse_or_zero()), Gf16::ONE, "{bits}");
        }
        assert_eq!(Gf16::ZERO.inverse_or_zero(), Gf16::ZERO);
    }

    #[test]
    fn x_generates_the_whole_group() {
        let x = Gf16::new(2);
        let mut seen = [false; 16];
        let mut power = Gf16::ONE;
        for _ in 0..15 {
            assert!(!seen[power.bits() as usize]);
            seen[power.bits() as usize] = true;
            power = power.times(x);
        }
        assert_eq!(power, Gf16::ONE);
    }

    /// Against long multiplication of bit strings and long division by X⁴ + X + 1.
    #[test]
    fn every_product_is_that_of_long_multiplication_and_division() {
        for (a, b) in (0..16u32).flat_map(|a| (0..16u32).map(move |b| (a, b))) {
            let mut long = (0..4).filter(|bit| b >> bit & 1 == 1).fold(0, |sum, bit| sum ^ a << bit);
            while long > 15 {
                long ^= 0b1_0011 << (long.ilog2() - 4);
            }
            assert_eq!(u32::from(Gf16::new(a as u8).times(Gf16::new(b as u8)).bits()), long, "{a} · {b}");
        }
    }

    #[test]
    fn higher_bits_are_no_part_of_an_element() {
        assert_eq!(Gf16::new(0xf3), Gf16::new(3));
        assert_eq!(Gf16::new(9).plus(Gf16::new(9)), Gf16::ZERO, "a sum is also the difference");
    }

    #[test]
    fn multiplication_distributes_over_every_pair() {
        for a in 0..16 {
            for b in 0..16 {
                for c in 0..16 {
                    let [a, b, c] = [a, b, c].map(Gf16::new);
                    assert_eq!(a.times(b.plus(c)), a.times(b).plus(a.times(c)));
                    assert_eq!(a.times(b), b.times(a));
                }
            }
        }
    }
}
