//! Shares of the LWE key, and the linear part of decryption: ⟨p⟩ = b − Σ aᵢ·⟨sᵢ⟩ (step 2 of `docs/protocol/decrypt.md`).

use crate::decrypt::MAX_BLOCKS;
use crate::fault::{Misuse, Owner};
use crate::ring::{DEGREE, Gr128, Ring};
use crate::shamir;
use std::fmt;
use tkms_types::Committee;
use zeroize::Zeroizing;

/// Longest key that is dealt or read: four times that of the squashed samples in use.
pub const MAX_DIMENSION: usize = 1 << 14;
/// First byte of a stored key share.
const STORED_VERSION: u8 = 1;
/// Bytes before the elements: version, n, party, u32 dimension.
const STORED_HEADER: usize = 7;
/// Key coefficients worked on before turning to the next sample: 16 KiB, so that they stay in the first-level cache.
const KEY_TILE: usize = 256;
/// Samples that share a tile of the key.
const SAMPLE_GROUP: usize = 8;

/// Samples of one ciphertext: `dimension` mask words and a body each, modulo 2¹²⁸, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Samples<'a> {
    dimension: usize,
    words: &'a [u128],
}

impl<'a> Samples<'a> {
    /// Checks the shape.
    ///
    /// # Errors
    /// [`Misuse::SampleShape`] unless the words are 1 to [`MAX_BLOCKS`] whole samples.
    pub fn new(dimension: usize, words: &'a [u128]) -> Result<Self, Misuse> {
        let sample = dimension.saturating_add(1);
        if words.is_empty() || !words.len().is_multiple_of(sample) || words.len() / sample > MAX_BLOCKS {
            return Err(Misuse::SampleShape { words: words.len(), dimension, max: MAX_BLOCKS });
        }
        Ok(Self { dimension, words })
    }

    /// Number of samples, one per block.
    #[must_use]
    pub const fn blocks(&self) -> usize {
        self.words.len() / (self.dimension + 1)
    }
}

/// One party's Shamir shares of the binary LWE key, one ring element per coefficient.
///
/// Zeroed on drop, redacted in `Debug`. It carries no key id: the key store names what it keeps.
pub struct KeyShare {
    owner: Owner,
    shares: Zeroizing<Vec<Gr128>>,
}

impl KeyShare {
    /// Step 1: the dealer shares a binary key with degree t; one key share per party, in their order.
    ///
    /// # Errors
    /// [`Misuse::Key`] if the key is empty, longer than [`MAX_DIMENSION`] or not binary.
    pub fn deal(key: &[u128], committee: Committee, rng: &mut impl rand::CryptoRng) -> Result<Vec<Self>, Misuse> {
        let not_binary = key.iter().fold(0, |bits, coefficient| bits | coefficient >> 1);
        if key.is_empty() || key.len() > MAX_DIMENSION || not_binary != 0 {
            return Err(Misuse::Key { len: key.len(), max: MAX_DIMENSION });
        }
        let empty = |party| Self {
            owner: Owner { party, committee },
            // with its whole capacity: growing would leave copies of shares behind
            shares: Zeroizing::new(Vec::with_capacity(key.len())),
        };
        let mut parties: Vec<_> = committee.parties().map(empty).collect();
        for coefficient in key {
            let dealt = shamir::share(Gr128::constant(*coefficient), committee, rng);
            for (party, share) in parties.iter_mut().zip(dealt.iter()) {
                party.shares.push(*share);
            }
        }
        Ok(parties)
    }

    /// Whose share this is.
    #[must_use]
    pub const fn owner(&self) -> Owner {
        self.owner
    }

    /// Coefficients of the key.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.shares.len()
    }

    /// The elements, for images of the share in smaller rings.
    pub(crate) fn elements(&self) -> &[Gr128] {
        &self.shares
    }

    /// The share as bytes for the key store: version, n, party, u32 dimension, then the elements, little-endian.
    #[must_use]
    pub fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(STORED_HEADER + Gr128::BYTES * self.shares.len()));
        bytes.extend([STORED_VERSION, u8::from(self.owner.committee), self.owner.party.number()]);
        bytes.extend((self.shares.len() as u32).to_le_bytes());
        for share in self.shares.iter() {
            bytes.extend(Zeroizing::new(share.to_le_bytes()).iter());
        }
        bytes
    }

    /// Reads what [`Self::to_secret_bytes`] writes.
    ///
    /// # Errors
    /// [`Misuse::Stored`] for anything else.
    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, Misuse> {
        let refused = |why| Misuse::Stored { what: "key share", why };
        let [version, n, party, a, b, c, d, rest @ ..] = bytes else { return Err(refused("header is cut short")) };
        if *version != STORED_VERSION {
            return Err(refused("unknown version"));
        }
        let committee = Committee::try_from(*n).map_err(|_| refused("no such committee"))?;
        let party = committee.party(*party).map_err(|_| refused("not a member"))?;
        let dimension = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        if dimension == 0 || dimension > MAX_DIMENSION || rest.len() != dimension * Gr128::BYTES {
            return Err(refused("wrong number of elements"));
        }
        let (chunks, _) = rest.as_chunks::<{ Gr128::BYTES }>();
        let shares = Zeroizing::new(chunks.iter().map(Gr128::from_le_bytes).collect());
        Ok(Self { owner: Owner { party, committee }, shares })
    }

    /// Step 2: the party's share of the phase of every sample. The body is public, so it is a constant sharing.
    ///
    /// # Errors
    /// [`Misuse::Dimension`] if the samples are under a key of another dimension.
    pub fn phase_shares(&self, samples: &Samples<'_>) -> Result<Zeroizing<Vec<Gr128>>, Misuse> {
        if samples.dimension != self.shares.len() {
            return Err(Misuse::Dimension { samples: samples.dimension, key: self.shares.len() });
        }
        let mut phases = Zeroizing::new(Vec::with_capacity(samples.blocks()));
        for group in samples.words.chunks(SAMPLE_GROUP * (samples.dimension + 1)) {
            let mut sums = Zeroizing::new([[0u128; DEGREE]; SAMPLE_GROUP]);
            let samples = || group.chunks_exact(samples.dimension + 1);
            for (tile, key) in self.shares.chunks(KEY_TILE).enumerate() {
                for (sample, sum) in samples().zip(sums.iter_mut()) {
                    add_products(sum, sample.get(tile * KEY_TILE..).unwrap_or_default(), key);
                }
            }
            for (sample, sum) in samples().zip(sums.iter()) {
                let body = sample.last().copied().unwrap_or_default();
                phases.push(Gr128::constant(body) - Gr128::new(*sum));
            }
        }
        Ok(phases)
    }
}

/// sum += Σ mask · key, coefficient by coefficient: a mask word is public and in the base ring, so nothing is reduced.
fn add_products(sum: &mut [u128; DEGREE], mask: &[u128], key: &[Gr128]) {
    let [mut s0, mut s1, mut s2, mut s3] = *sum;
    for (word, share) in mask.iter().zip(key) {
        let [k0, k1, k2, k3] = share.coefficients();
        s0 = s0.wrapping_add(word.wrapping_mul(*k0));
        s1 = s1.wrapping_add(word.wrapping_mul(*k1));
        s2 = s2.wrapping_add(word.wrapping_mul(*k2));
        s3 = s3.wrapping_add(word.wrapping_mul(*k3));
    }
    *sum = [s0, s1, s2, s3];
}

impl fmt::Debug for KeyShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyShare({}, dimension {}, redacted)", self.owner, self.shares.len())
    }
}

/// Packs consecutive blocks four to an element: Σ Xⁱ·⟨cᵢ⟩. A shorter tail has implicit zeros.
pub(crate) fn pack<R: Ring>(blocks: &[R]) -> Vec<R> {
    blocks.chunks(DEGREE).map(|four| four.iter().rev().fold(R::ZERO, |sum, c| sum.times_x() + *c)).collect()
}

#[cfg(test)]
mod tests;
