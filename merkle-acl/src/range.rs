//! The mountain range of grants: a row of perfect trees ("peaks"), one for each set bit of the count.
//!
//! rs_merkle checks the paths inside one peak. Handed to a caller as it is, it accepts repeated indices, a leaf count chosen by
//! the prover (an inner node then passes for a leaf) and trailing hashes; [`RangeProof::verify`] is the one door and closes these:
//! one leaf, level computed from index and count, exactly that many siblings. It rebuilds a tree for every proof it makes, so
//! [`MountainRange`] keeps the nodes itself; tests hold its paths to those of rs_merkle.

use alloy_primitives::B256;
use rs_merkle::{Hasher, MerkleProof};

use crate::leaf::node_hash;

/// Highest peak a proof may use: 2^40 grants.
pub const MAX_LEVEL: u8 = 40;

/// Why a leaf is not shown to be in the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// There is no such leaf.
    #[error("leaf {index} of a range of {count}")]
    OutOfRange {
        /// Position asked for.
        index: u64,
        /// Leaves in the range.
        count: u64,
    },
    /// The covering peak is above [`MAX_LEVEL`].
    #[error("peak of level {0} is above the bound")]
    LevelTooHigh(u8),
    /// The path is not as long as index and count say.
    #[error("path of {found} hashes, {expected} expected")]
    PathLength {
        /// Hashes given.
        found: usize,
        /// Level of the covering peak.
        expected: u8,
    },
    /// The block's state proof does not cover the peak the leaf lies under.
    #[error("peak of level {0} is not proven")]
    NoPeak(u8),
    /// The ACL keeps no range.
    #[error("this ACL keeps no range")]
    NoRange,
    /// Leaf and path do not lead to the peak.
    #[error("the path does not lead to the peak")]
    WrongPeak,
}

/// Level of the one live peak that covers leaf `index` of `count`: the highest bit in which the two differ.
///
/// # Errors
/// [`RangeError::OutOfRange`] unless `index < count`.
pub fn covering_level(index: u64, count: u64) -> Result<u8, RangeError> {
    match (index ^ count).checked_ilog2().and_then(|level| u8::try_from(level).ok()) {
        Some(level) if index < count => Ok(level),
        _ => Err(RangeError::OutOfRange { index, count }),
    }
}

/// Position of one leaf and the siblings on its way to the covering peak, lowest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeProof {
    /// Position of the leaf in the whole range.
    pub index: u64,
    /// Siblings; as many as the peak's level.
    pub path: Vec<B256>,
}

impl RangeProof {
    /// Checks that `leaf` stands at `self.index` of a range with `count` leaves whose peak of the level
    /// [`covering_level`]`(index, count)` is `peak`. Count and peak must be proven under one state root.
    ///
    /// # Errors
    /// [`RangeError`].
    pub fn verify(&self, leaf: B256, count: u64, peak: B256) -> Result<(), RangeError> {
        let level = covering_level(self.index, count)?;
        if level > MAX_LEVEL {
            return Err(RangeError::LevelTooHigh(level));
        }
        if self.path.len() != usize::from(level) {
            return Err(RangeError::PathLength { found: self.path.len(), expected: level });
        }
        let width = 1u64 << level;
        let (Ok(position), Ok(leaves)) = (usize::try_from(self.index % width), usize::try_from(width)) else {
            return Err(RangeError::LevelTooHigh(level));
        };
        let proof = MerkleProof::<NodeHasher>::new(self.path.iter().map(|hash| hash.0).collect());
        if proof.verify(peak.0, &[position], &[leaf.0], leaves) { Ok(()) } else { Err(RangeError::WrongPeak) }
    }
}

/// The range as one who follows the grants in order holds it: every node of every tree, two hashes a grant.
///
/// Nodes are final once they are there, so proofs can also be made for the count of an earlier block.
#[derive(Debug, Clone, Default)]
pub struct MountainRange {
    /// `layers[l][i]`: root over leaves i·2^l … (i+1)·2^l − 1.
    layers: Vec<Vec<B256>>,
}

impl MountainRange {
    /// Appends one leaf: as many hashes as the count has trailing one bits, at most log2 of the count.
    pub fn append(&mut self, leaf: B256) {
        let mut node = Some(leaf);
        let mut level = 0;
        while let Some(hash) = node {
            if level == self.layers.len() {
                self.layers.push(Vec::new());
            }
            node = self.layers.get_mut(level).and_then(|layer| {
                let left = (layer.len() % 2 == 1).then(|| layer.last().copied()).flatten();
                layer.push(hash);
                left.map(|left| node_hash(left, hash))
            });
            level += 1;
        }
    }

    /// Number of leaves.
    pub fn count(&self) -> u64 {
        self.layers.first().map_or(0, Vec::len) as u64
    }

    /// Forgets the leaves from `count` on, as a reorganised chain has.
    pub fn truncate(&mut self, count: u64) {
        for (level, layer) in self.layers.iter_mut().enumerate() {
            layer.truncate(usize::try_from(count).unwrap_or(usize::MAX) >> level);
        }
        self.layers.retain(|layer| !layer.is_empty());
    }

    /// The peak of this level, if the count has that bit.
    pub fn peak(&self, level: u8) -> Option<B256> {
        self.peak_at(level, self.count())
    }

    /// The peak of this level when there were `count` leaves; `None` if that count has no such bit or is not reached.
    pub fn peak_at(&self, level: u8, count: u64) -> Option<B256> {
        let live = count.checked_shr(level.into()).filter(|trees| trees & 1 == 1 && count <= self.count())?;
        self.node(level.into(), live - 1)
    }

    /// Proof for the leaf at `index` under the current count.
    ///
    /// # Errors
    /// [`RangeError::OutOfRange`].
    pub fn prove(&self, index: u64) -> Result<RangeProof, RangeError> {
        self.prove_at(index, self.count())
    }

    /// Proof for the leaf at `index` as it was when there were `count` leaves.
    ///
    /// # Errors
    /// [`RangeError::OutOfRange`]; also if `count` is not reached.
    pub fn prove_at(&self, index: u64, count: u64) -> Result<RangeProof, RangeError> {
        let level = covering_level(index, count)?;
        let siblings = (0..level).map(|level| self.node(level.into(), (index >> level) ^ 1));
        match siblings.collect::<Option<Vec<B256>>>() {
            Some(path) if count <= self.count() => Ok(RangeProof { index, path }),
            _ => Err(RangeError::OutOfRange { index, count: self.count() }),
        }
    }

    fn node(&self, level: usize, position: u64) -> Option<B256> {
        self.layers.get(level)?.get(usize::try_from(position).ok()?).copied()
    }
}

/// Gives rs_merkle the tagged, position-ordered node hash.
#[derive(Clone)]
struct NodeHasher;

impl Hasher for NodeHasher {
    type Hash = [u8; 32];

    fn hash(data: &[u8]) -> [u8; 32] {
        alloy_primitives::keccak256(data).0
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        // A perfect tree has no odd node; rs_merkle's promotion is kept for what it is then: unused.
        right.map_or(*left, |right| node_hash((*left).into(), (*right).into()).0)
    }
}
