//! The one inequality on which every flooded plaintext rests, computed and asserted (DESIGN.md D10).
//!
//! An opened word is m·Δ + e + E with squash noise |e| ≤ B, B = 2⁷⁰, and mask |E| ≤ 2·C(n,t)·2^stat·B. It is rounded
//! rightly if B + 2·C(n,t)·2^stat·B < Δ/2. A committee of one takes the same path: t = 0, one set A = {1}, C = 1.

use tkms_types::Committee;

/// Noise, statistical distance and message position of one kind of squashed sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloodBounds {
    /// log2 of B, the bound on the noise of a squashed sample.
    pub noise_log: u32,
    /// Bits by which one summand of the mask exceeds B: B1 = 2^(noise_log + stat).
    pub stat: u32,
    /// log2 of Δ: the message stands at this bit.
    pub delta_log: u32,
}

/// Parameters that would give wrong plaintexts without anyone noticing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "noise 2^{} and {subsets} subsets with masks of 2 x 2^{} reach half of delta 2^{}",
    bounds.noise_log, bounds.noise_log.saturating_add(bounds.stat), bounds.delta_log
)]
pub struct BoundError {
    /// The parameters.
    pub bounds: FloodBounds,
    /// C(n, t).
    pub subsets: u128,
}

impl FloodBounds {
    /// The 2_2 production parameters: four message bits and one padding bit on top of 2¹²³.
    pub const PRODUCTION: Self = Self { noise_log: 70, stat: 40, delta_log: 123 };

    /// log2 of B1: a summand of the mask is an integer in [−B1, B1).
    #[must_use]
    pub const fn summand_log(self) -> u32 {
        self.noise_log + self.stat
    }

    /// The largest distance of an opened word from its message's place, B + 2·C·B1, if it is below Δ/2.
    ///
    /// # Errors
    /// [`BoundError`] with the parameters otherwise.
    pub const fn check(self, subsets: u128) -> Result<u128, BoundError> {
        let error = BoundError { bounds: self, subsets };
        // 127 keeps every shift below inside the word
        if self.delta_log == 0 || self.delta_log > 127 || self.noise_log > 127 || self.stat > 127 - self.noise_log {
            return Err(error);
        }
        let Some(mask) = (1u128 << self.summand_log()).checked_mul(2) else { return Err(error) };
        let Some(mask) = mask.checked_mul(subsets) else { return Err(error) };
        let Some(distance) = mask.checked_add(1 << self.noise_log) else { return Err(error) };
        if distance < 1 << (self.delta_log - 1) { Ok(distance) } else { Err(error) }
    }
}

/// C(n, t): subsets of n − t parties, one mask key each.
#[must_use]
pub const fn subsets(committee: Committee) -> u128 {
    let (n, t) = (committee.size() as u128, committee.threshold().faults() as u128);
    let mut product = 1;
    let mut i = 0;
    while i < t {
        // exact at every step: a product of i + 1 consecutive numbers divided by (i + 1)!
        product = product * (n - i) / (i + 1);
        i += 1;
    }
    product
}

/// The production bound holds for every committee there is, or this crate does not compile.
const _: () = {
    let mut n = 1;
    while let Ok(committee) = Committee::new(n) {
        assert!(FloodBounds::PRODUCTION.check(subsets(committee)).is_ok());
        n += 3;
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsets_are_the_binomials() {
        let counts = [1, 4, 7, 10, 13].map(|n| subsets(Committee::new(n).unwrap()));
        assert_eq!(counts, [1, 4, 21, 120, 715]);
    }

    #[test]
    fn the_largest_number_of_subsets_is_2047() {
        assert_eq!(FloodBounds::PRODUCTION.check(2047), Ok((1 << 70) + 2047 * (1 << 111)));
        assert!(FloodBounds::PRODUCTION.check(2048).is_err());
        assert!(FloodBounds::PRODUCTION.check(u128::MAX).is_err());
        assert!(FloodBounds::PRODUCTION.check(4368).is_err(), "16 parties");
    }

    #[test]
    fn one_more_bit_of_statistical_distance_is_refused_where_it_does_not_fit() {
        let more = |stat| FloodBounds { stat, ..FloodBounds::PRODUCTION };
        assert!(more(41).check(715).is_ok(), "1430 of 2048");
        assert!(more(42).check(715).is_err(), "2860 of 2048");
        assert!(more(50).check(4).is_err());
    }

    #[test]
    fn absurd_parameters_are_refused_without_overflow() {
        let production = FloodBounds::PRODUCTION;
        for bad in [
            FloodBounds { stat: u32::MAX, ..production },
            FloodBounds { noise_log: 127, ..production },
            FloodBounds { noise_log: u32::MAX, ..production },
            FloodBounds { delta_log: 0, ..production },
            FloodBounds { delta_log: 128, ..production },
            FloodBounds { stat: 57, ..production },
            FloodBounds { noise_log: 100, stat: 10, delta_log: 100 },
        ] {
            let error = bad.check(4).unwrap_err();
            assert_eq!(error.bounds, bad);
        }
    }

    #[test]
    fn the_error_says_which_parameters() {
        let text = FloodBounds::PRODUCTION.check(2048).unwrap_err().to_string();
        assert!(text.contains("2^70") && text.contains("2048") && text.contains("2^110"), "{text}");
    }
}
