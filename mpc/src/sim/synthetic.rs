//! A binary LWE key known in the clear and samples under it, for tests and benches: the plain reference.

use crate::bounds::FloodBounds;
use rand::Rng;
use rand_chacha::ChaCha20Rng;

/// An LWE key in the clear.
pub struct PlainKey {
    /// Its coefficients, 0 or 1.
    pub coefficients: Vec<u128>,
}

impl PlainKey {
    /// A uniform binary key.
    pub fn random(dimension: usize, rng: &mut ChaCha20Rng) -> Self {
        Self { coefficients: (0..dimension).map(|_| u128::from(rng.random::<bool>())).collect() }
    }

    /// A sample of each message (four bits each) with the noise that `noise` returns for it, as flat words.
    pub fn encrypt(
        &self,
        messages: &[u8],
        rng: &mut ChaCha20Rng,
        mut noise: impl FnMut(&mut ChaCha20Rng) -> i128,
    ) -> Vec<u128> {
        let mut words = Vec::with_capacity(messages.len() * (self.coefficients.len() + 1));
        for message in messages {
            let start = words.len();
            words.extend(self.coefficients.iter().map(|_| rng.random::<u128>()));
            let mask = words.get(start..).unwrap_or_default();
            let product =
                mask.iter().zip(&self.coefficients).fold(0u128, |sum, (a, s)| sum.wrapping_add(a.wrapping_mul(*s)));
            let place = u128::from(*message) << FloodBounds::PRODUCTION.delta_log;
            words.push(product.wrapping_add(place).wrapping_add_signed(noise(rng)));
        }
        words
    }

    /// What a holder of the whole key decrypts: b − Σ aᵢ·sᵢ, rounded.
    #[must_use]
    pub fn decrypt(&self, words: &[u128]) -> Vec<u8> {
        let delta_log = FloodBounds::PRODUCTION.delta_log;
        let decrypt = |sample: &[u128]| {
            let (body, mask) = sample.split_last()?;
            let pairs = mask.iter().zip(&self.coefficients);
            let phase = pairs.fold(*body, |phase, (a, s)| phase.wrapping_sub(a.wrapping_mul(*s)));
            Some((phase.wrapping_add(1 << (delta_log - 1)) >> delta_log) as u8 & 0xf)
        };
        words.chunks(self.coefficients.len() + 1).filter_map(decrypt).collect()
    }
}
