//! Packing and switching (steps 1 and 2 of `docs/protocol/exact-decrypt.md`): a stored ciphertext becomes the short LWE
//! samples that the committee decrypts with `exact`. No key is needed, and integers alone are used: whoever has the
//! ciphertext gets the same words.

use crate::ciphertext::{Ciphertext, Value};
use crate::eval::Evaluator;
use crate::params::{BLOCK_BITS, BLOCK_DIMENSION, DIGIT_BITS, SWITCH_LOG};
use std::fmt;
use tfhe::shortint::Ciphertext as Block;
use tfhe::shortint::ciphertext::NoiseLevel;
use tkms_types::FheType;

/// Bits that a word loses.
const CUT: u32 = u64::BITS - SWITCH_LOG;
/// Half a unit, for rounding.
const HALF: u64 = 1 << (CUT - 1);
/// A quarter of a cell, in units: what is added to the body, so that the error stays in the lower half of its cell.
const QUARTER: u64 = 1 << (SWITCH_LOG - DIGIT_BITS - 3);

/// Switched LWE samples of one ciphertext over Z / 2^15. Sample i carries bits 4i … 4i+3 of the value (a bool is one
/// sample): body − ⟨mask, key⟩ = digit · 2^10 + error + 2^8, |error| < 2^8.
#[derive(Clone, PartialEq, Eq)]
pub struct SwitchedSamples {
    /// Type of the ciphertext.
    pub kind: FheType,
    /// Number of samples.
    pub block_count: usize,
    /// Mask words of each sample.
    pub dimension: usize,
    /// Per sample the mask words, then the body.
    pub words: Vec<u16>,
}

impl fmt::Debug for SwitchedSamples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SwitchedSamples({:?}, {} blocks)", self.kind, self.block_count)
    }
}

/// A ciphertext that is no input of `exact`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SwitchError {
    /// A block with a carry, or with more noise than one bootstrap leaves: two such blocks do not make a digit.
    #[error("block {block} of a {kind:?} has to be cleaned first: degree {degree}, noise level {noise}")]
    Unclean {
        /// The type.
        kind: FheType,
        /// Position of the block.
        block: usize,
        /// Its degree.
        degree: u64,
        /// Its noise level.
        noise: u64,
    },
}

impl Ciphertext {
    /// Packs two blocks to a sample and switches it to 15 bits, centred. The same words on every machine.
    ///
    /// # Errors
    /// [`SwitchError::Unclean`] if a block carries more than its two bits and the noise of one bootstrap; see
    /// [`Evaluator::clean`].
    pub fn switch(&self) -> Result<SwitchedSamples, SwitchError> {
        let kind = self.kind();
        for (position, block) in self.blocks().iter().enumerate() {
            if !is_clean(block) {
                let (degree, noise) = (block.degree.get(), block.noise_level().get());
                return Err(SwitchError::Unclean { kind, block: position, degree, noise });
            }
        }
        let mut words = Vec::with_capacity(kind.squashed_blocks() * (BLOCK_DIMENSION + 1));
        for pair in self.blocks().chunks(2) {
            switch_pair(pair, &mut words);
        }
        Ok(SwitchedSamples { kind, block_count: kind.squashed_blocks(), dimension: BLOCK_DIMENSION, words })
    }
}

impl Evaluator {
    /// The same value with empty carries and the noise of one bootstrap in every block. It costs a bootstrap for every block
    /// that is not clean, and none otherwise. Its words depend on the machine, as those of every operation do: a
    /// coprocessor cleans what it stores, not what it switches.
    #[must_use]
    pub fn clean(&self, ciphertext: &Ciphertext) -> Ciphertext {
        let mut clean = ciphertext.clone();
        match &mut clean.value {
            Value::Bool(block) => {
                if !is_clean(block.as_ref()) {
                    let mut inner = block.as_ref().clone();
                    let key: &tfhe::shortint::ServerKey = self.compute().as_ref();
                    key.message_extract_assign(&mut inner);
                    *block = tfhe::integer::BooleanBlock::new_unchecked(inner);
                }
            }
            Value::Uint(radix) => self.compute().full_propagate_parallelized(radix),
        }
        clean
    }
}

fn is_clean(block: &Block) -> bool {
    block.carry_is_empty() && block.noise_level() <= NoiseLevel::NOMINAL
}

/// One sample: ct₀ + 4·ct₁ (or ct₀ alone), every word rounded to its upper 15 bits.
///
/// What rounding takes from the masks, δᵢ, comes back in the phase as Σ δᵢ·sᵢ. Half of the sum of all δᵢ is taken from the
/// body beforehand, which leaves Σ δᵢ·(sᵢ − ½): smaller, and the same whatever the weight of the key. δᵢ has a sign: where
/// a word rounds up past 2^64 it is negative.
fn switch_pair(pair: &[Block], words: &mut Vec<u16>) {
    let [low, high @ ..] = pair else { return };
    let low = low.ct.as_ref().iter();
    let packed: Vec<u64> = match high.first() {
        Some(high) => low.zip(high.ct.as_ref()).map(|(low, high)| low.wrapping_add(high << BLOCK_BITS)).collect(),
        None => low.copied().collect(),
    };
    let Some((body, mask)) = packed.split_last() else { return };
    let round = |word: u64| word.wrapping_add(HALF) >> CUT;
    words.extend(mask.iter().map(|word| round(*word) as u16));
    let cut_off = |word: &u64| word.wrapping_sub(round(*word) << CUT).cast_signed();
    let cut_off = mask.iter().fold(0i64, |sum, word| sum.wrapping_add(cut_off(word)));
    let body = round(body.wrapping_sub((cut_off >> 1).cast_unsigned())).wrapping_add(QUARTER);
    words.push(body as u16 & ((1 << SWITCH_LOG) - 1));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::COMPUTE;
    use tfhe::core_crypto::prelude::LweCiphertextOwned;
    use tfhe::integer::RadixCiphertext;
    use tfhe::shortint::ciphertext::Degree;
    use tfhe::shortint::{AtomicPatternKind, PBSOrder};

    /// An euint8 of zeros whose blocks claim these degrees and noise levels.
    fn claiming(levels: [(u64, u64); 4]) -> Ciphertext {
        let block = |(degree, noise)| {
            Block::new(
                LweCiphertextOwned::from_container(vec![0; BLOCK_DIMENSION + 1], COMPUTE.ciphertext_modulus),
                Degree::new(degree),
                NoiseLevel::NOMINAL * noise,
                COMPUTE.message_modulus,
                COMPUTE.carry_modulus,
                AtomicPatternKind::Standard(PBSOrder::KeyswitchBootstrap),
            )
        };
        Ciphertext::uint(FheType::Uint8, RadixCiphertext::from(levels.map(block).to_vec()))
    }

    #[test]
    fn a_block_with_a_carry_or_more_noise_is_refused_by_its_position() {
        let clean = claiming([(3, 1), (0, 0), (3, 1), (1, 1)]).switch().unwrap();
        assert!(clean.words.chunks(BLOCK_DIMENSION + 1).all(|sample| sample.last() == Some(&256)));
        for (levels, block, degree, noise) in
            [([(3, 1), (3, 1), (3, 1), (4, 1)], 3, 4, 1), ([(3, 1), (3, 2), (15, 1), (3, 1)], 1, 3, 2)]
        {
            let refused = SwitchError::Unclean { kind: FheType::Uint8, block, degree, noise };
            assert_eq!(claiming(levels).switch(), Err(refused));
        }
    }
}
