//! Pseudo-random sharings of a batch: PRSS and PRZS (Cramer, Damgård, Ishai, TCC 2005; step 1 of
//! `docs/protocol/preprocessing.md`).
//!
//! A batch has a secret of its own for every subset, by a KDF from r_A. It can be shown to all when the batch is
//! rejected, and tells nothing about r_A or any other batch. Every kind of sharing has its own AES key and counter.

mod words;

use super::{KEY_BYTES, PrssKeys, Subset, held_subsets, weights};
use crate::fault::Owner;
use crate::ring::{DEGREE, Ring};
use crate::tags;
use aes::cipher::{BlockEncrypt, Key, KeyInit};
use aes::{Aes128Enc, Block};
use std::collections::BTreeMap;
use std::fmt;
use tkms_types::SessionId;
use tkms_types::transcript::Transcript;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of an AES block.
const BLOCK_BYTES: usize = 16;
/// AES blocks encrypted in one call.
const CHUNK: usize = 64;
/// Bytes of them.
const CHUNK_BYTES: usize = CHUNK * BLOCK_BYTES;

/// One party's secrets of one batch, by subset. Zeroed on drop, redacted in `Debug`.
pub struct BatchKeys {
    owner: Owner,
    /// In ascending order of the owner's subsets.
    secrets: Zeroizing<Vec<[u8; KEY_BYTES]>>,
}

impl PrssKeys {
    /// The secrets of a batch. Its id must not be used for another batch, ever.
    #[must_use]
    pub fn batch(&self, id: &SessionId) -> BatchKeys {
        let context = Transcript::new(tags::PRSS_BATCH).word(id.0).finish().0;
        // with its whole capacity: growing would leave copies of secrets behind
        let mut secrets = Zeroizing::new(Vec::with_capacity(self.keys.len()));
        secrets.extend(self.keys.iter().map(|key| *blake3::keyed_hash(key, &context).as_bytes()));
        BatchKeys { owner: self.owner, secrets }
    }
}

impl BatchKeys {
    /// Whose.
    #[must_use]
    pub const fn owner(&self) -> Owner {
        self.owner
    }

    /// The secrets, to be shown when, and only when, the batch is rejected.
    #[must_use]
    pub fn show(&self) -> Vec<[u8; KEY_BYTES]> {
        self.secrets.to_vec()
    }

    /// The secrets of a party of a rejected batch, from those of all subsets; `None` if one is missing.
    pub(crate) fn shown(owner: Owner, all: &BTreeMap<Subset, [u8; KEY_BYTES]>) -> Option<Self> {
        let secrets = held_subsets(owner).iter().map(|subset| all.get(subset).copied()).collect::<Option<_>>()?;
        Some(Self { owner, secrets: Zeroizing::new(secrets) })
    }

    /// Starts drawing, every counter at 0. Two draws from one batch are the same.
    #[must_use]
    pub fn draws<R: Ring>(&self) -> Draws<R> {
        let at = R::point(self.owner.party);
        let contexts = [tags::PRSS_RING, tags::PRSS_BASE, tags::PRSS_ZERO].map(|tag| Transcript::new(tag).finish().0);
        let subset = |(weight, secret): (R, &[u8; KEY_BYTES])| {
            let [ring, base, zero] = contexts.map(|context| Stream::new(secret, &context));
            let mut power = weight;
            let zeros = (0..self.owner.committee.threshold().faults()).map(|j| {
                power = power * at;
                (zero.at_range(j), power)
            });
            let zeros = zeros.collect();
            SubsetDraws { ring, base, zeros, weight }
        };
        let subsets = weights(self.owner).into_iter().zip(self.secrets.iter()).map(subset).collect();
        Draws { subsets, scratch: Scratch::new() }
    }
}

impl fmt::Debug for BatchKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BatchKeys({}, redacted)", self.owner)
    }
}

/// One subset's generators.
struct SubsetDraws<R> {
    ring: Stream,
    base: Stream,
    /// For j = 1 … t: χ_(A,j), and f_A(α)·αʲ.
    zeros: Vec<(Stream, R)>,
    /// f_A at the party's point α.
    weight: R,
}

/// The sharings of a batch, drawn one after the other: all parties draw the same kinds in the same numbers.
pub struct Draws<R: Ring> {
    subsets: Vec<SubsetDraws<R>>,
    scratch: Scratch<R>,
}

impl<R: Ring> Draws<R> {
    /// PRSS.Next: shares of uniform ring elements, degree t.
    pub fn ring_shares(&mut self, count: usize) -> Zeroizing<Vec<R>> {
        let mut sums = Zeroizing::new(vec![R::ZERO; count]);
        for sums in sums.chunks_mut(CHUNK_BYTES / R::BYTES) {
            for subset in &mut self.subsets {
                let weight = subset.weight;
                let add = |sums: &mut [R], elements: &[R]| R::add_products(sums, weight, elements);
                subset.ring.elements(sums, &mut self.scratch, add);
            }
        }
        sums
    }

    /// PRSS.Next in the base ring: shares of uniform words, degree t. The shares fill the whole ring.
    pub fn base_shares(&mut self, count: usize) -> Zeroizing<Vec<R>> {
        let mut sums = Zeroizing::new(vec![R::ZERO; count]);
        self.add_base_shares(&mut sums);
        sums
    }

    /// The same, added to what is there. A draw in parts of whole AES blocks is the draw as a whole.
    pub(crate) fn add_base_shares(&mut self, sums: &mut [R]) {
        // all subsets for one part after the other: the part stays in the fastest cache
        for sums in sums.chunks_mut(CHUNK_BYTES * DEGREE / R::BYTES) {
            for subset in &mut self.subsets {
                let weight = subset.weight;
                subset.base.words(sums, &mut self.scratch, |sums, words| R::add_scaled(sums, weight, words));
            }
        }
    }

    /// PRZS.Next: shares of 0, degree 2t, Σ_A f_A·Σⱼ χ_(A,j)·Xʲ with χ uniform in the whole ring.
    ///
    /// The whole ring even where base-ring values are opened: with χ in the base ring a party could tell from the
    /// other coefficients what it must not know (`docs/protocol/preprocessing.md`, "Zero in the full ring").
    pub fn zeros(&mut self, count: usize) -> Zeroizing<Vec<R>> {
        let mut sums = Zeroizing::new(vec![R::ZERO; count]);
        self.add_zeros(&mut sums);
        sums
    }

    /// The same, added to what is there, in parts as [`Self::add_base_shares`].
    pub(crate) fn add_zeros(&mut self, sums: &mut [R]) {
        for sums in sums.chunks_mut(CHUNK_BYTES / R::BYTES) {
            for (stream, power) in self.subsets.iter_mut().flat_map(|subset| &mut subset.zeros) {
                let add = |sums: &mut [R], elements: &[R]| R::add_products(sums, *power, elements);
                stream.elements(sums, &mut self.scratch, add);
            }
        }
    }

    /// Zero-sharings with χ in the base ring: what the rule forbids, for the test that shows why.
    #[cfg(test)]
    pub(crate) fn zeros_in_the_base_ring(&mut self, count: usize) -> Zeroizing<Vec<R>> {
        let mut sums = Zeroizing::new(vec![R::ZERO; count]);
        for (stream, power) in self.subsets.iter_mut().flat_map(|subset| &mut subset.zeros) {
            stream.words::<R>(&mut sums, &mut self.scratch, |sums, words| R::add_scaled(sums, *power, words));
        }
        sums
    }

    /// Leaves out the last subset, which the others share without party 1: what party 1 can compute for them.
    #[cfg(test)]
    pub(crate) fn without_last(mut self) -> Self {
        self.subsets.pop();
        self
    }

    /// Double sharings: the same uniform elements with degree t and with degree 2t.
    pub fn double_shares(&mut self, count: usize) -> (Zeroizing<Vec<R>>, Zeroizing<Vec<R>>) {
        let low = self.ring_shares(count);
        let mut high = self.zeros(count);
        for (high, low) in high.iter_mut().zip(low.iter()) {
            *high += *low;
        }
        (low, high)
    }
}

/// AES-128 in counter mode under a key of its own. Every draw begins at a fresh block.
struct Stream {
    cipher: Aes128Enc,
    next: u128,
}

impl Stream {
    fn new(secret: &[u8; KEY_BYTES], context: &[u8; 32]) -> Self {
        let mut derived = *blake3::keyed_hash(secret, context).as_bytes();
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = derived;
        let mut aes_key: Key<Aes128Enc> = [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p].into();
        let cipher = Aes128Enc::new(&aes_key);
        aes_key.zeroize();
        derived.zeroize();
        Self { cipher, next: 0 }
    }

    /// The same key, from a block that counting from 0, or from another range, does not reach.
    fn at_range(&self, range: usize) -> Self {
        Self { cipher: self.cipher.clone(), next: (range as u128) << 64 }
    }

    /// The next bytes, `used` of them.
    fn fill<R: Ring>(&mut self, scratch: &mut Scratch<R>, used: usize) {
        let count = used.div_ceil(BLOCK_BYTES);
        let blocks = scratch.blocks.get_mut(..count).unwrap_or_default();
        for (block, counter) in blocks.iter_mut().zip(self.next..) {
            *block = counter.to_le_bytes().into();
        }
        self.next += count as u128;
        self.cipher.encrypt_blocks(blocks);
    }

    /// Feeds uniform words to `add`, one for every sum.
    fn words<R: Ring>(&mut self, sums: &mut [R], scratch: &mut Scratch<R>, add: impl Fn(&mut [R], &[R::Word])) {
        let size = R::BYTES / DEGREE;
        for sums in sums.chunks_mut(CHUNK_BYTES / size) {
            self.fill(scratch, sums.len() * size);
            let blocks = scratch.blocks.iter().take((sums.len() * size).div_ceil(BLOCK_BYTES));
            for (words, block) in scratch.words.chunks_mut(BLOCK_BYTES / size).zip(blocks) {
                for (word, bytes) in words.iter_mut().zip(block.chunks_exact(size)) {
                    *word = R::word_from_le(bytes);
                }
            }
            add(sums, &scratch.words);
        }
    }

    /// Feeds uniform elements to `add`, one for every sum.
    fn elements<R: Ring>(&mut self, sums: &mut [R], scratch: &mut Scratch<R>, add: impl Fn(&mut [R], &[R])) {
        for sums in sums.chunks_mut(CHUNK_BYTES / R::BYTES) {
            let used = sums.len() * R::BYTES;
            self.fill(scratch, used);
            let blocks = scratch.blocks.iter().take(used.div_ceil(BLOCK_BYTES));
            for (to, from) in scratch.bytes.chunks_mut(BLOCK_BYTES).zip(blocks) {
                to.copy_from_slice(from);
            }
            let elements = scratch.elements.iter_mut().take(sums.len());
            for (element, bytes) in elements.zip(scratch.bytes.chunks_exact(R::BYTES)) {
                *element = R::read_le(bytes);
            }
            add(sums, &scratch.elements);
        }
    }
}

/// Buffers of all draws of a batch: clearing them for each would cost as much as the encryption.
struct Scratch<R: Ring> {
    blocks: [Block; CHUNK],
    bytes: Zeroizing<[u8; CHUNK_BYTES]>,
    words: Zeroizing<Vec<R::Word>>,
    elements: Zeroizing<Vec<R>>,
}

impl<R: Ring> Scratch<R> {
    fn new() -> Self {
        Self {
            blocks: [Block::default(); CHUNK],
            bytes: Zeroizing::new([0; CHUNK_BYTES]),
            words: Zeroizing::new(vec![R::Word::default(); CHUNK_BYTES * DEGREE / R::BYTES]),
            elements: Zeroizing::new(vec![R::ZERO; CHUNK_BYTES / R::BYTES]),
        }
    }
}

impl<R: Ring> Drop for Scratch<R> {
    fn drop(&mut self) {
        self.blocks.zeroize();
    }
}

#[cfg(test)]
mod tests;
