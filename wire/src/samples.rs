//! The flat list of LWE samples that a node decrypts (DESIGN.md D16).
//!
//! ```text
//! "TKMSLWE" ‖ u8 version 1 ‖ key id (32) ‖ u8 handle type ‖ u8 log2 modulus 128 ‖ u32 blocks ‖ u32 dimension ‖ words
//! ```
//! Integers and words little-endian. A block is `dimension` mask words and the body, each a u128; blocks stand lowest
//! digits first. Everything but the words follows from key and type, so the length does too, and a list can be
//! refused before a word of it is read.

use alloy_primitives::B256;
use tkms_types::{FheType, Id, IdError, KeyId, limits};

/// Words of a mask: the dimension of the squashed key.
pub const DIMENSION: u32 = 4096;
/// Words of a block: the mask and the body.
pub const BLOCK_WORDS: usize = DIMENSION as usize + 1;

const MAGIC: &[u8; 7] = b"TKMSLWE";
const VERSION: u8 = 1;
const LOG2_MODULUS: u8 = 128;
const WORD_BYTES: usize = 16;
pub(crate) const HEADER_BYTES: usize = 50;

// The widest type fits the bound that stores and nodes reserve.
const _: () = assert!(SampleList::encoded_len(FheType::Uint256) <= limits::SAMPLES_BYTES);

/// The samples of one ciphertext. One that [`SampleList::parse`] or [`SampleList::new`] made has as many words as its type implies.
#[derive(Clone, PartialEq, Eq)]
pub struct SampleList {
    /// The key they are encrypted under.
    pub key_id: KeyId,
    /// Type of the handle.
    pub kind: FheType,
    /// Words of a mask, [`DIMENSION`].
    pub dimension: u32,
    /// The blocks, one after the other: mask, then body.
    pub words: Vec<u128>,
}

impl SampleList {
    /// A list from its words.
    ///
    /// # Errors
    /// [`SamplesError::Words`] unless there are [`BLOCK_WORDS`] for each block of the type.
    pub fn new(key_id: KeyId, kind: FheType, words: Vec<u128>) -> Result<Self, SamplesError> {
        let expected = kind.squashed_blocks() * BLOCK_WORDS;
        if words.len() != expected {
            return Err(SamplesError::Words { kind, expected, found: words.len() });
        }
        Ok(Self { key_id, kind, dimension: DIMENSION, words })
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

    /// Block `i`, mask then body; empty past the last block.
    #[must_use]
    pub fn block(&self, i: usize) -> &[u128] {
        self.words.chunks_exact(BLOCK_WORDS).nth(i).unwrap_or_default()
    }

    /// The bytes that are stored and attested.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.words.len() * WORD_BYTES);
        write_header(&mut bytes, self.key_id, self.kind, LOG2_MODULUS, self.dimension);
        bytes.extend(self.words.iter().flat_map(|word| word.to_le_bytes()));
        bytes
    }

    /// Reads a list, taking nothing on trust: every field of the header and the exact length.
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
        let words = words.iter().map(|word| u128::from_le_bytes(*word)).collect();
        Ok(Self { key_id, kind, dimension: DIMENSION, words })
    }
}

/// The header of a list, of squashed or of switched samples.
pub(crate) fn write_header(bytes: &mut Vec<u8>, key_id: KeyId, kind: FheType, log2_modulus: u8, dimension: u32) {
    bytes.extend_from_slice(MAGIC);
    bytes.push(VERSION);
    bytes.extend_from_slice(key_id.bytes().as_slice());
    bytes.extend_from_slice(&[kind as u8, log2_modulus]);
    // At most 64 blocks
    bytes.extend_from_slice(&(kind.squashed_blocks() as u32).to_le_bytes());
    bytes.extend_from_slice(&dimension.to_le_bytes());
}

/// Reads the header of a list with this modulus and dimension.
pub(crate) fn parse_header(
    header: &[u8; HEADER_BYTES],
    log2_modulus: u8,
    expected_dimension: u32,
) -> Result<(KeyId, FheType), SamplesError> {
    let mut reader = crate::codec::Reader::new(header);
    let magic: [u8; 7] = reader.array("magic")?;
    if magic != *MAGIC {
        return Err(SamplesError::Magic);
    }
    let version = reader.u8("version")?;
    if version != VERSION {
        return Err(SamplesError::Version(version));
    }
    let key_id = KeyId::parse(B256::new(reader.array("key id")?))?;
    let number = reader.u8("type")?;
    let kind = FheType::from_number(number).ok_or(SamplesError::Type(number))?;
    let modulus = reader.u8("modulus")?;
    if modulus != log2_modulus {
        return Err(SamplesError::Modulus(modulus));
    }
    let blocks = reader.u32("blocks")?;
    if blocks as usize != kind.squashed_blocks() {
        return Err(SamplesError::Blocks { kind, found: blocks });
    }
    let dimension = reader.u32("dimension")?;
    if dimension != expected_dimension {
        return Err(SamplesError::Dimension(dimension));
    }
    Ok((key_id, kind))
}

impl std::fmt::Debug for SampleList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SampleList({:?}, {}, {} blocks)", self.kind, self.key_id, self.blocks())
    }
}

/// What coprocessors attest and stores are asked for: BLAKE3-256 of the exact bytes.
#[must_use]
pub fn digest(bytes: &[u8]) -> B256 {
    B256::new(*blake3::hash(bytes).as_bytes())
}

/// Bytes that are no sample list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SamplesError {
    /// Not even a header.
    #[error("{found} bytes are too few for the header of a sample list")]
    TooShort {
        /// Bytes given.
        found: usize,
    },
    /// Something else.
    #[error("not a sample list: the first bytes are other ones")]
    Magic,
    /// Another version of the format.
    #[error("sample list of version {0}, this build reads {VERSION}")]
    Version(u8),
    /// The key id's tag.
    #[error("sample list, key: {0}")]
    Key(#[from] IdError),
    /// No type in use.
    #[error("sample list of unsupported type {0}")]
    Type(u8),
    /// Another modulus.
    #[error("sample list with modulus 2^{0}, another is in use here")]
    Modulus(u8),
    /// Not the number of blocks of the type.
    #[error("sample list of {kind:?} states {found} blocks, expected {}", kind.squashed_blocks())]
    Blocks {
        /// The type stated.
        kind: FheType,
        /// The number stated.
        found: u32,
    },
    /// Another dimension.
    #[error("sample list of dimension {0}, another is in use here")]
    Dimension(u32),
    /// Cut short, or with something behind it.
    #[error("sample list of {kind:?} has {found} bytes, expected {expected}")]
    Length {
        /// The type stated.
        kind: FheType,
        /// Bytes that the header implies.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// Words that do not make the type's blocks.
    #[error("{found} words do not make the blocks of {kind:?}, expected {expected}")]
    Words {
        /// The type.
        kind: FheType,
        /// Words of its blocks.
        expected: usize,
        /// Words given.
        found: usize,
    },
    /// A word that is not below the modulus.
    #[error("word {place} of the sample list is not below the modulus")]
    Word {
        /// Its place.
        place: usize,
    },
    /// The header's fields; cannot happen, its length is fixed.
    #[error("sample list: {0}")]
    Header(#[from] crate::codec::DecodeError),
}
