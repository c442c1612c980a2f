//! How far samples may be switched down, computed and asserted (DESIGN.md D10; "Correctness" of
//! `docs/protocol/exact-decrypt.md`).
//!
//! A packed block switched to 2^L is right if its error stays below a quarter of a cell, 2^(L−7) units. Two rounding
//! steps take at most one unit of that. The rest of the error is sub-Gaussian with variance V, so it fails with
//! probability at most 2·exp(−(2^(L−7) − 1)²/2V).

/// Bits of a packed block on top of its error: four of the message and the padding bit.
pub(crate) const TOP_BITS: u32 = 5;
/// Bits of a share's coefficient.
pub(crate) const WORD_BITS: u32 = 16;
/// A block is right but for this probability, or it is not decrypted.
const FAILURE_LOG2: i64 = -128;
/// 1² + 4²: the variance of a pair packed as ct₀ + 4·ct₁, in variances of a block.
const PACKED: u128 = 17;

/// What the error of a switched block depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExactBounds {
    /// N: coefficients of the key.
    pub dimension: u32,
    /// L: bits that are kept of a word.
    pub log_modulus: u32,
    /// Standard deviation of the noise of one block before packing, over Z_2⁶⁴.
    pub noise: u64,
}

/// Who chose the masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Masks {
    /// Uniform ones: what is cut off is uniform in half a unit to both sides, of variance 1/12.
    Honest,
    /// Any, but without knowledge of the key: Hoeffding over the key, with the largest residues there are.
    Any,
}

/// Parameters that would give wrong plaintexts without anyone noticing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a key of {} coefficients and noise of {} leave 2^{} too few bits: a block may fail with more than 2^{FAILURE_LOG2}",
    bounds.dimension, bounds.noise, bounds.log_modulus
)]
pub struct ExactBoundError {
    /// The parameters.
    pub bounds: ExactBounds,
}

/// A modulus 2^L that has passed the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width {
    log_modulus: u32,
}

impl ExactBounds {
    /// Stored blocks of the 2_2 production parameters. The noise of a bootstrap's output is 2^49.17 by the library's
    /// formula, here rounded up to 2^49.25.
    pub const PRODUCTION: Self = Self { dimension: 2048, log_modulus: 15, noise: 670_000_000_000_000 };

    /// log2 of the bound on the probability that a block comes out wrong, rounded up; `None` for parameters outside of
    /// what the formula and the 16-bit shares cover.
    #[must_use]
    pub const fn failure_log2(self, masks: Masks) -> Option<i64> {
        let sixteen_bits = self.log_modulus > TOP_BITS + 2 && self.log_modulus <= WORD_BITS;
        if !sixteen_bits || self.dimension == 0 || self.dimension > 1 << 20 || self.noise >> 56 != 0 {
            return None;
        }
        // 48·V: N/48 for uniform residues times ±1/2, N/16 for residues of 1/2 times ±1/2, and the noise of the pair
        let rounding = match masks {
            Masks::Honest => self.dimension as u128,
            Masks::Any => 3 * self.dimension as u128,
        };
        let noise = (48 * PACKED * self.noise as u128 * self.noise as u128) >> (2 * (64 - self.log_modulus));
        let variance = rounding + noise + 1;
        let margin = (1 << (self.log_modulus - TOP_BITS - 2)) - 1;
        // margin²/2V · log2 e
        let exponent = margin * margin * 24 * 1_442_695 / (variance * 1_000_000);
        Some(1 - exponent as i64)
    }

    /// The modulus, if blocks fail with probability at most 2⁻¹²⁸ whoever chose their masks.
    ///
    /// # Errors
    /// [`ExactBoundError`] with the parameters otherwise.
    pub const fn check(self) -> Result<Width, ExactBoundError> {
        match (self.failure_log2(Masks::Honest), self.failure_log2(Masks::Any)) {
            (Some(honest), Some(any)) if honest <= FAILURE_LOG2 && any <= FAILURE_LOG2 => {
                Ok(Width { log_modulus: self.log_modulus })
            }
            _ => Err(ExactBoundError { bounds: self }),
        }
    }

    /// The smallest modulus for a key and a noise.
    ///
    /// # Errors
    /// [`ExactBoundError`] if not even 2¹⁶ is enough.
    pub fn smallest(dimension: u32, noise: u64) -> Result<Width, ExactBoundError> {
        let bounds = |log_modulus| Self { dimension, log_modulus, noise };
        let mut passed = (1..=WORD_BITS).filter_map(|log_modulus| bounds(log_modulus).check().ok());
        passed.next().ok_or(ExactBoundError { bounds: bounds(WORD_BITS) })
    }
}

impl Width {
    /// The modulus of the production parameters.
    pub const PRODUCTION: Self = match ExactBounds::PRODUCTION.check() {
        Ok(width) => width,
        Err(_) => panic!("the production parameters break the bound of exact decryption"),
    };

    /// L.
    #[must_use]
    pub const fn log_modulus(self) -> u32 {
        self.log_modulus
    }

    /// ℓ = L − 5: random bits of a mask; a cell is 2^ℓ.
    #[must_use]
    pub const fn mask_bits(self) -> usize {
        (self.log_modulus - TOP_BITS) as usize
    }

    /// Places by which a value modulo 2^L is shifted up in a 16-bit word: its image is the ideal of multiples of that.
    pub(crate) const fn shift(self) -> u32 {
        WORD_BITS - self.log_modulus
    }

    /// Any modulus, whatever its bound: for tests on reduced parameters.
    #[cfg(any(test, feature = "sim"))]
    #[must_use]
    pub const fn insecure(log_modulus: u32) -> Self {
        assert!(log_modulus > TOP_BITS && log_modulus <= WORD_BITS);
        Self { log_modulus }
    }
}

#[cfg(test)]
mod tests;
