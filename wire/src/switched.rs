//! The flat list of switched LWE samples that a node decrypts with `exact` (step 2 of `docs/protocol/exact-decrypt.md`).
//!
//! The container of [`crate::samples`] with log2 modulus 15, dimension 2048 and words of two bytes, each below 2¹⁵: 4 KB a
//! block. Its bytes follow from the ciphertext by integer arithmetic, so anybody can make them again.

use crate::samples::{HEADER_BYTES, SamplesError, parse_header, write_header};
use tkms_types::{FheType, KeyId, limits};

/// Words of a mask: the dimension of the key of stored ciphertexts.
pub const DIMENSION: u32 = 2048;
/// Words of a block: the mask and the body.
pub const BLOCK_WORDS: usize = DIMENSION as usize + 1;
/// L: every word is below 2^L.
pub const LOG2_MODULUS: u8 = 15;

const WORD_BYTES: usize = 2;

const _: () = assert!(SwitchedList::encoded_len(FheType::Uint256) <= limits::SAMPLES_BYTES);

/// The switched samples of one ciphertext. One that [`SwitchedList::parse`] or [`SwitchedList::new`] made has as many words as
/// its type implies, all of them below the modulus.
#[derive(Clone, PartialEq, Eq)]
pub struct SwitchedList {
    /// The key they are encrypted under.
    pub key_id: KeyId,
    /// Type of the handle.
    pub kind: FheType,
    /// The blocks, one after the other: mask, then body.
    pub words: Vec<u16>,
}

impl SwitchedList {
    /// A list from its words.
    ///
    /// # Errors
    /// [`SamplesError::Words`] unless there are [`BLOCK_WORDS`] for each block of the type, [`SamplesError::Word`] for one that
    /// is too large.
    pub fn new(key_id: KeyId, kind: FheType, words: Vec<u16>) -> Result<Self, SamplesError> {
        let expected = kind.squashed_blocks() * BLOCK_WORDS;
        if words.len() != expected {
            return Err(SamplesError::Words { kind, expected, found: words.len() });
        }
        match words.iter().position(|word| word >> LOG2_MODULUS != 0) {
            Some(place) => Err(SamplesError::Word { place }),
            None => Ok(Self { key_id, kind, words }),
        }
    }

    /// Bytes of an encoded list of this type.
    #[must_use]
    pub const fn encoded_len(kind: FheType) -> usize {
        HEADER_BYTES + kind.squashed_blocks() * BLOCK_WORDS * WORD_BYTES
    }

    /// Number of blocks.
    #[must_use]
    pub const fn blocks(&self) -> usize {
        self.kind.squashed_blocks()
    }

    /// The bytes that are stored and attested.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.words.len() * WORD_BYTES);
        write_header(&mut bytes, self.key_id, self.kind, LOG2_MODULUS, DIMENSION);
        bytes.extend(self.words.iter().flat_map(|word| word.to_le_bytes()));
        bytes
    }

    /// Reads a list, taking nothing on trust: every field of the header, the exact length, and every word.
    ///
    /// # Errors
    /// [`SamplesError`] naming what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, SamplesError> {
        let (header, words) =
            bytes.split_first_chunk::<HEADER_BYTES>().ok_or(SamplesError::TooShort { found: bytes.len() })?;
        let (key_id, kind) = parse_header(header, LOG2_MODULUS, DIMENSION)?;
        let expected = Self::encoded_len(kind);
        if bytes.len() != expected {
            return Err(SamplesError::Length { kind, expected, found: bytes.len() });
        }
        let (words, _) = words.as_chunks::<WORD_BYTES>();
        Self::new(key_id, kind, words.iter().map(|word| u16::from_le_bytes(*word)).collect())
    }
}

impl std::fmt::Debug for SwitchedList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SwitchedList({:?}, {}, {} blocks)", self.kind, self.key_id, self.blocks())
    }
}
