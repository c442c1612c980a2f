//! Squashing: a ciphertext becomes the flat LWE samples under the squash key that the committee decrypts.

use crate::ciphertext::{Ciphertext, Value};
use crate::eval::{EvalError, Evaluator};
use crate::params::SAMPLE_DIMENSION;
use std::fmt;
use tfhe::shortint::ciphertext::SquashedNoiseCiphertext;
use tkms_types::FheType;

/// Squashed LWE samples of one ciphertext over Z / 2^128. Sample i carries bits 4i … 4i+3 of the value
/// (a bool is one sample): body − ⟨mask, key⟩ = digit · 2^123 + noise, |noise| < 2^70.
#[derive(Clone, PartialEq, Eq)]
pub struct Samples {
    /// Type of the ciphertext.
    pub kind: FheType,
    /// Number of samples.
    pub block_count: usize,
    /// Mask words of each sample.
    pub dimension: usize,
    /// Per sample the mask words, then the body.
    pub words: Vec<u128>,
}

impl fmt::Debug for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Samples({:?}, {} blocks)", self.kind, self.block_count)
    }
}

impl Evaluator {
    /// Whether the key set has what [`Evaluator::squash`] needs.
    #[must_use]
    pub fn can_squash(&self) -> bool {
        self.key.noise_squashing_key().is_some()
    }

    /// Squashes a ciphertext: some 0.2 s of one core for each block, blocks in parallel. The same key and ciphertext
    /// give the same words on machines with equal [`arithmetic`]. A trivial ciphertext gives samples with zero masks
    /// and no noise.
    ///
    /// # Errors
    /// [`EvalError::NoSquashKey`] for a key set for `exact` alone, [`EvalError::Library`] if the library refuses the
    /// ciphertext.
    pub fn squash(&self, ciphertext: &Ciphertext) -> Result<Samples, EvalError> {
        let squash_key = self.key.noise_squashing_key().ok_or(EvalError::NoSquashKey)?;
        let kind = ciphertext.kind();
        match &ciphertext.value {
            Value::Bool(block) => {
                let squashed = squash_key.squash_boolean_block_noise(self.compute(), block)?;
                flatten(kind, std::slice::from_ref(squashed.packed_blocks()))
            }
            Value::Uint(radix) => {
                let squashed = squash_key.squash_radix_ciphertext_noise(self.compute(), radix)?;
                flatten(kind, squashed.packed_blocks())
            }
        }
    }
}

fn flatten(kind: FheType, blocks: &[SquashedNoiseCiphertext]) -> Result<Samples, EvalError> {
    let mut words = Vec::with_capacity(blocks.len() * (SAMPLE_DIMENSION + 1));
    for block in blocks {
        words.extend_from_slice(block.lwe_ciphertext().as_ref());
    }
    if blocks.len() != kind.squashed_blocks() || words.len() != blocks.len() * (SAMPLE_DIMENSION + 1) {
        return Err(EvalError::Shape { kind, blocks: blocks.len(), words: words.len() });
    }
    Ok(Samples { kind, block_count: blocks.len(), dimension: SAMPLE_DIMENSION, words })
}

/// Names the arithmetic that squashes on this machine. tfhe's double-double transforms round alike with AVX2 and
/// AVX-512 but not without fused multiply-add, so only coprocessors of one arithmetic make equal bytes.
#[must_use]
pub fn arithmetic() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        return "f128-fft/x86-fma";
    }
    "f128-fft/scalar"
}
