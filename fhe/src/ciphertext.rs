//! A typed ciphertext and its stored form.
//!
//! The stored form is flat, so that its digest and its length do not change with a release of the library:
//! magic, version, type, then per 2-bit block degree, noise level and the LWE words (mask, then body), little-endian.
//! Of each word the [`STORED_WORD_BITS`] highest bits are kept, rounded: the library's own compression would cost a
//! bootstrap a block at every use, this costs nothing and leaves 38 % of the bytes.

use crate::params::{BLOCK_BITS, BLOCK_DIMENSION, COMPUTE, STORED_WORD_BITS};
use std::fmt;
use tfhe::core_crypto::prelude::LweCiphertextOwned;
use tfhe::integer::prelude::IntegerCiphertext;
use tfhe::integer::{BooleanBlock, RadixCiphertext};
use tfhe::shortint::atomic_pattern::AtomicPatternKind;
use tfhe::shortint::ciphertext::{Degree, NoiseLevel};
use tfhe::shortint::{Ciphertext as Block, PBSOrder};
use tkms_types::FheType;

const MAGIC: [u8; 6] = *b"tkmsct";
const VERSION: u8 = 2;
const HEADER_BYTES: usize = MAGIC.len() + 2;
const WORD_BYTES: usize = (STORED_WORD_BITS / 8) as usize;
/// Bits of a word that are rounded away.
const ROUNDED_BITS: u32 = 64 - STORED_WORD_BITS;
const BLOCK_BYTES: usize = 2 + (BLOCK_DIMENSION + 1) * WORD_BYTES;

/// A ciphertext of a known type.
#[derive(Clone)]
pub struct Ciphertext {
    kind: FheType,
    pub(crate) value: Value,
}

#[derive(Clone)]
pub(crate) enum Value {
    Bool(BooleanBlock),
    Uint(RadixCiphertext),
}

impl fmt::Debug for Ciphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ciphertext({:?})", self.kind)
    }
}

/// Stored bytes that are no ciphertext of the type asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CiphertextError {
    /// Another length than the type implies.
    #[error("a stored {kind:?} has {} bytes, not {found}", Ciphertext::stored_bytes(*kind))]
    Length {
        /// The type asked for.
        kind: FheType,
        /// Bytes found.
        found: usize,
    },
    /// The header is not ours, or of a version this program does not know.
    #[error("the bytes do not start as a stored ciphertext of version {VERSION}")]
    Header,
    /// The header names another type.
    #[error("the stored ciphertext has type {found}, asked for was {expected:?}")]
    Type {
        /// The type asked for.
        expected: FheType,
        /// The type byte found.
        found: u8,
    },
    /// A block claims carries or more noise than the parameters allow.
    #[error("block {block} claims degree {degree} and noise level {noise}, outside the parameters")]
    Block {
        /// Position of the block.
        block: usize,
        /// Its degree.
        degree: u8,
        /// Its noise level.
        noise: u8,
    },
}

impl Ciphertext {
    pub(crate) const fn bool(block: BooleanBlock) -> Self {
        Self { kind: FheType::Bool, value: Value::Bool(block) }
    }

    /// `radix` must have the blocks of `kind`, which must not be bool.
    pub(crate) const fn uint(kind: FheType, radix: RadixCiphertext) -> Self {
        Self { kind, value: Value::Uint(radix) }
    }

    /// The type.
    #[must_use]
    pub const fn kind(&self) -> FheType {
        self.kind
    }

    /// Length of the stored form of a type.
    #[must_use]
    pub const fn stored_bytes(kind: FheType) -> usize {
        HEADER_BYTES + block_count(kind) * BLOCK_BYTES
    }

    /// The stored form. Equal ciphertexts have equal bytes, and what is read back is stored as the same bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::stored_bytes(self.kind));
        bytes.extend(MAGIC);
        bytes.extend([VERSION, self.kind as u8]);
        for block in self.blocks() {
            // Both numbers are under 16 for anything `Evaluator` makes; larger ones are refused on reading.
            bytes.push(u8::try_from(block.degree.get()).unwrap_or(u8::MAX));
            bytes.push(u8::try_from(block.noise_level().get()).unwrap_or(u8::MAX));
            bytes.extend(block.ct.as_ref().iter().flat_map(|word| stored_word(*word)));
        }
        bytes
    }

    /// Reads a stored form of the type named by the handle.
    ///
    /// # Errors
    /// [`CiphertextError`] if the bytes are anything else than what [`Ciphertext::to_bytes`] writes for that type.
    pub fn parse(kind: FheType, bytes: &[u8]) -> Result<Self, CiphertextError> {
        if bytes.len() != Self::stored_bytes(kind) {
            return Err(CiphertextError::Length { kind, found: bytes.len() });
        }
        let (header, blocks) = bytes.split_at(HEADER_BYTES);
        match header.strip_prefix(&MAGIC) {
            Some([VERSION, found]) if *found == kind as u8 => {}
            Some([VERSION, found]) => return Err(CiphertextError::Type { expected: kind, found: *found }),
            _ => return Err(CiphertextError::Header),
        }
        let largest_degree = if kind == FheType::Bool { 1 } else { (1 << BLOCK_BITS) - 1 };
        let blocks = blocks
            .chunks_exact(BLOCK_BYTES)
            .enumerate()
            .map(|(index, bytes)| parse_block(index, bytes, largest_degree))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(match (kind, blocks) {
            (FheType::Bool, blocks) => {
                let block = blocks.into_iter().next().ok_or(CiphertextError::Length { kind, found: 0 })?;
                Self::bool(BooleanBlock::new_unchecked(block))
            }
            (kind, blocks) => Self::uint(kind, RadixCiphertext::from(blocks)),
        })
    }

    pub(crate) fn blocks(&self) -> &[Block] {
        match &self.value {
            Value::Bool(block) => std::slice::from_ref(block.as_ref()),
            Value::Uint(radix) => radix.blocks(),
        }
    }
}

/// 2-bit blocks of a type; a bool takes one.
pub(crate) const fn block_count(kind: FheType) -> usize {
    kind.bits().div_ceil(BLOCK_BITS)
}

fn parse_block(index: usize, bytes: &[u8], largest_degree: u8) -> Result<Block, CiphertextError> {
    let [degree, noise, words @ ..] = bytes else { return Err(CiphertextError::Header) };
    let (degree, noise) = (*degree, *noise);
    if degree > largest_degree || u64::from(noise) > COMPUTE.max_noise_level.get() {
        return Err(CiphertextError::Block { block: index, degree, noise });
    }
    let (words, _) = words.as_chunks::<WORD_BYTES>();
    let words: Vec<u64> = words.iter().map(|word| read_word(*word)).collect();
    Ok(Block::new(
        LweCiphertextOwned::from_container(words, COMPUTE.ciphertext_modulus),
        Degree::new(u64::from(degree)),
        NoiseLevel::NOMINAL * u64::from(noise),
        COMPUTE.message_modulus,
        COMPUTE.carry_modulus,
        AtomicPatternKind::Standard(PBSOrder::KeyswitchBootstrap),
    ))
}

/// The highest bits of a word of the torus, rounded to the nearest; the largest words round up to zero, which is near.
fn stored_word(word: u64) -> [u8; WORD_BYTES] {
    let [low, middle, high, ..] = (word.wrapping_add(1 << (ROUNDED_BITS - 1)) >> ROUNDED_BITS).to_le_bytes();
    [low, middle, high]
}

fn read_word([low, middle, high]: [u8; WORD_BYTES]) -> u64 {
    u64::from_le_bytes([0, 0, 0, 0, 0, low, middle, high])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_word_is_the_nearest_and_stays_as_it_is() {
        let mut word = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..1000 {
            word = word.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            let read = read_word(stored_word(word));
            assert!(read.wrapping_sub(word).cast_signed().unsigned_abs() <= 1 << (ROUNDED_BITS - 1), "{word:#x}");
            assert_eq!(read_word(stored_word(read)), read);
        }
        assert_eq!(read_word(stored_word(u64::MAX)), 0);
        assert_eq!(read_word(stored_word((1 << (ROUNDED_BITS - 1)) - 1)), 0);
        assert_eq!(read_word(stored_word(1 << (ROUNDED_BITS - 1))), 1 << ROUNDED_BITS);
    }
}
