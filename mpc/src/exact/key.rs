//! Step 3: the party's share of every phase, over GR(2¹⁶, 4).

use super::bounds::Width;
use crate::decrypt::MAX_BLOCKS;
use crate::fault::{Misuse, Owner};
use crate::phase::KeyShare;
use crate::ring::{DEGREE, Gr16, Ring};
use std::fmt;
use zeroize::Zeroizing;

/// Switched samples of one ciphertext: `dimension` mask words and a body each, modulo 2^L, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Switched<'a> {
    width: Width,
    dimension: usize,
    words: &'a [u16],
}

/// Words that are no switched samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SwitchedError {
    /// No whole number of samples, or none, or more than a session may hold.
    #[error("{words} words are not 1 to {MAX_BLOCKS} samples of {dimension} mask words and a body")]
    Shape {
        /// Words given.
        words: usize,
        /// Mask words of a sample.
        dimension: usize,
    },
    /// A word of 2^L or more.
    #[error("word {place} is not below 2^{log_modulus}")]
    Word {
        /// Its place.
        place: usize,
        /// L.
        log_modulus: u32,
    },
}

impl<'a> Switched<'a> {
    /// Checks shape and words.
    ///
    /// # Errors
    /// [`SwitchedError`] unless the words are 1 to [`MAX_BLOCKS`] whole samples modulo 2^L.
    pub fn new(width: Width, dimension: usize, words: &'a [u16]) -> Result<Self, SwitchedError> {
        let sample = dimension.saturating_add(1);
        if words.is_empty() || !words.len().is_multiple_of(sample) || words.len() / sample > MAX_BLOCKS {
            return Err(SwitchedError::Shape { words: words.len(), dimension });
        }
        // all at once first: the check costs less than the phases
        let log_modulus = width.log_modulus();
        let excess = |word: u16| u32::from(word) >> log_modulus != 0;
        if excess(words.iter().fold(0, |bits, word| bits | word))
            && let Some(place) = words.iter().position(|word| excess(*word))
        {
            return Err(SwitchedError::Word { place, log_modulus });
        }
        Ok(Self { width, dimension, words })
    }

    /// Number of samples, one per block.
    #[must_use]
    pub const fn blocks(&self) -> usize {
        self.words.len() / (self.dimension + 1)
    }

    /// The modulus.
    #[must_use]
    pub const fn width(&self) -> Width {
        self.width
    }
}

/// One party's share of the LWE key in GR(2¹⁶, 4), for one modulus: the image of its [`KeyShare`].
///
/// Zeroed on drop, redacted in `Debug`. Coefficients lie side by side, so that words of a mask meet whole registers.
pub struct ExactKey {
    owner: Owner,
    width: Width,
    planes: [Zeroizing<Vec<u16>>; DEGREE],
}

impl ExactKey {
    /// Reduces a share. Nothing is dealt again.
    #[must_use]
    pub fn new(share: &KeyShare, width: Width) -> Self {
        let plane = |k: usize| {
            // with its whole capacity: growing would leave copies of shares behind
            let mut plane = Zeroizing::new(Vec::with_capacity(share.dimension()));
            plane.extend(share.elements().iter().filter_map(|share| share.coefficients().get(k).map(|c| *c as u16)));
            plane
        };
        Self { owner: share.owner(), width, planes: std::array::from_fn(plane) }
    }

    /// Whose share this is.
    #[must_use]
    pub const fn owner(&self) -> Owner {
        self.owner
    }

    /// The modulus it serves.
    #[must_use]
    pub const fn width(&self) -> Width {
        self.width
    }

    /// Coefficients of the key.
    #[must_use]
    pub fn dimension(&self) -> usize {
        let [plane, ..] = &self.planes;
        plane.len()
    }

    /// Step 3: b' − Σ a'ᵢ·⟨sᵢ⟩ of every sample. Above the lowest L bits of its value it means nothing.
    ///
    /// # Errors
    /// [`Misuse::Dimension`] if the samples are under a key of another dimension.
    pub fn phase_shares(&self, samples: &Switched<'_>) -> Result<Zeroizing<Vec<Gr16>>, Misuse> {
        if samples.dimension != self.dimension() {
            return Err(Misuse::Dimension { samples: samples.dimension, key: self.dimension() });
        }
        let mut phases = Zeroizing::new(Vec::with_capacity(samples.blocks()));
        for sample in samples.words.chunks_exact(samples.dimension + 1) {
            let Some((body, mask)) = sample.split_last() else { continue };
            let [p0, p1, p2, p3] = &self.planes;
            let inner = [p0, p1, p2, p3].map(|plane| inner_product(mask, plane));
            phases.push(Gr16::constant(*body) - Gr16::new(inner));
        }
        Ok(phases)
    }
}

/// Σ aᵢ·bᵢ modulo 2¹⁶. The compiler makes vector code of this plain loop, eleven times as fast as of one over chunks.
fn inner_product(a: &[u16], b: &[u16]) -> u16 {
    a.iter().zip(b).fold(0, |sum, (a, b)| sum.wrapping_add(a.wrapping_mul(*b)))
}

impl fmt::Debug for ExactKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExactKey({}, dimension {}, redacted)", self.owner, self.dimension())
    }
}

/// Packs consecutive blocks four to an element, as images modulo 2^bits at the top of the word.
pub(super) fn pack(blocks: &[Gr16], bits: u32) -> Vec<Gr16> {
    let element = |four: &[Gr16]| four.iter().rev().fold(Gr16::ZERO, |sum, c| sum.times_x() + *c);
    blocks.chunks(DEGREE).map(|four| element(four).shifted(super::bounds::WORD_BITS - bits)).collect()
}

#[cfg(test)]
mod tests;
