//! The mountain range of grants: a row of perfect trees ("peaks"), one for each set bit of the count.
//!
//! rs_merkle does the paths inside one peak. Handed to a caller as it is, it accepts repeated indices, a leaf count chosen by
//! the prover (an inner node then passes for a leaf) and trailing hashes; [`RangeProof::verify`] is the one door and closes these:
//! one leaf, level computed from index and count, exactly that many siblings.

use alloy_primitives::B256;
use rs_merkle::{Hasher, MerkleProof, MerkleTree};

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

/// The range as one who follows the grants in order holds it: all leaves, and the peaks of their count.
#[derive(Debug, Clone, Default)]
pub struct MountainRange {
    leaves: Vec<[u8; 32]>,
}

impl MountainRange {
    /// Appends one leaf.
    pub fn append(&mut self, leaf: B256) {
        self.leaves.push(leaf.0);
    }

    /// Number of leaves.
    pub fn count(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// The peak of this level, if the count has that bit. Hashes all leaves below it.
    pub fn peak(&self, level: u8) -> Option<B256> {
        let count = self.count();
        let width = 1u64.checked_shl(u32::from(level)).filter(|width| count & width != 0)?;
        // Peaks stand from the left in falling size: what the higher bits count comes before this one.
        let start = count & !(width | (width - 1));
        self.tree(start, width)?.root().map(B256::from)
    }

    /// Proof for the leaf at `index` under the current count. Hashes all leaves of its peak.
    ///
    /// # Errors
    /// [`RangeError::OutOfRange`].
    pub fn prove(&self, index: u64) -> Result<RangeProof, RangeError> {
        let count = self.count();
        let outside = RangeError::OutOfRange { index, count };
        let width = 1u64 << covering_level(index, count)?;
        let start = index - index % width;
        let tree = self.tree(start, width).ok_or(outside)?;
        let position = usize::try_from(index - start).map_err(|_| outside)?;
        let path = tree.proof(&[position]).proof_hashes().iter().map(|hash| B256::from(*hash)).collect();
        Ok(RangeProof { index, path })
    }

    fn tree(&self, start: u64, width: u64) -> Option<MerkleTree<NodeHasher>> {
        let start = usize::try_from(start).ok()?;
        let end = start.checked_add(usize::try_from(width).ok()?)?;
        Some(MerkleTree::from_leaves(self.leaves.get(start..end)?))
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
