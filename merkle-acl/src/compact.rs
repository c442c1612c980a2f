//! Paths in fewer bytes: hashes of one path that follow from another are sent once. (Trie proofs: [`crate::pack`].)
//!
//! This is compression and nothing else. What comes out of [`expand`] is as untrusted as what went over the wire, and is checked one
//! leaf at a time.

use std::collections::BTreeMap;

use alloy_primitives::B256;

use crate::{
    leaf::node_hash,
    proof::MAX_FACTS,
    range::{MAX_LEVEL, RangeError, RangeProof, covering_level},
};

/// Why compact paths do not expand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CompactError {
    /// More paths than are read.
    #[error("too many paths")]
    TooMany,
    /// Fewer hashes than the paths need.
    #[error("{0} hashes are too few")]
    TooFewHashes(usize),
    /// Hashes that no path needs.
    #[error("{0} hashes are not needed")]
    UnusedHashes(usize),
    /// A leaf that cannot be in the range, or under a peak above the bound.
    #[error(transparent)]
    Range(#[from] RangeError),
}

/// Peaks of one request that are worth their slots whatever leads to them.
const PEAKS: usize = 2;

/// Of the leaves at `indices`, those that a request of many peaks shows by the slots of their grants: the ones alone under their peak. The
/// peak would take a slot as well, and the path its hashes besides. With one or two peaks there are none: paths cost no call to the chain.
pub fn lone(indices: &[u64], count: u64) -> Vec<u64> {
    let mut under: BTreeMap<u8, Vec<u64>> = BTreeMap::new();
    for index in indices {
        if let Ok(level) = covering_level(*index, count) {
            under.entry(level).or_default().push(*index);
        }
    }
    if under.len() <= PEAKS {
        return Vec::new();
    }
    under.into_values().filter(|leaves| leaves.len() == 1).flatten().collect()
}

/// The hashes that `paths` under one count need beside each other and their leaves, level by level and from the left: what
/// [`expand`] takes.
///
/// # Errors
/// [`RangeError`] as in [`expand`].
pub fn compress(paths: &[(B256, RangeProof)], count: u64) -> Result<Vec<B256>, CompactError> {
    let leaves: Vec<_> = paths.iter().map(|(leaf, path)| (path.index, *leaf)).collect();
    let mut given = BTreeMap::new();
    for (_, path) in paths {
        let siblings = (0u8..).zip(&path.path);
        given.extend(siblings.map(|(level, hash)| ((level, (path.index >> level) ^ 1), *hash)));
    }
    let mut hashes = Vec::new();
    fill(&leaves, count, |place| {
        let hash = given.get(&place).copied();
        hashes.extend(hash);
        hash
    })?;
    Ok(hashes)
}

/// The paths of these leaves (index and hash) under `count`, from the hashes that do not follow from the leaves themselves.
///
/// # Errors
/// [`CompactError`]; the hashes must be exactly as many as are needed.
pub fn expand(leaves: &[(u64, B256)], count: u64, hashes: &[B256]) -> Result<Vec<RangeProof>, CompactError> {
    let mut rest = hashes.iter().copied();
    let nodes = fill(leaves, count, |_| rest.next())?;
    let left = rest.count();
    if left > 0 {
        return Err(CompactError::UnusedHashes(left));
    }
    let path = |index: u64| {
        let level = covering_level(index, count)?;
        let siblings = (0..level).map(|level| nodes.get(&(level, (index >> level) ^ 1)).copied());
        let path = siblings.collect::<Option<Vec<B256>>>().ok_or(CompactError::TooFewHashes(hashes.len()))?;
        Ok(RangeProof { index, path })
    };
    leaves.iter().map(|(index, _)| path(*index)).collect()
}

/// Level of a node, and its position there.
type Place = (u8, u64);

/// Every node on the way of these leaves to their peaks and beside it. `ask` is called for those that do not follow from the leaves,
/// in order of level and position.
fn fill(
    leaves: &[(u64, B256)],
    count: u64,
    mut ask: impl FnMut(Place) -> Option<B256>,
) -> Result<BTreeMap<Place, B256>, CompactError> {
    if leaves.len() > MAX_FACTS {
        return Err(CompactError::TooMany);
    }
    let mut nodes: BTreeMap<Place, B256> = leaves.iter().map(|(index, leaf)| ((0, *index), *leaf)).collect();
    let mut below: Vec<(u64, u8)> = Vec::new();
    for (index, _) in leaves {
        let level = covering_level(*index, count)?;
        if level > MAX_LEVEL {
            return Err(RangeError::LevelTooHigh(level).into());
        }
        below.push((*index, level));
    }
    below.sort_unstable();
    let mut asked = 0;
    for level in 0..MAX_LEVEL {
        below.retain(|(_, top)| *top > level);
        below.dedup();
        for (position, _) in &below {
            let mut at = |position| {
                if let Some(hash) = nodes.get(&(level, position)) {
                    return Ok(*hash);
                }
                let hash = ask((level, position)).ok_or(CompactError::TooFewHashes(asked))?;
                asked += 1;
                nodes.insert((level, position), hash);
                Ok::<_, CompactError>(hash)
            };
            let (left, right) = (at(position & !1)?, at(position | 1)?);
            nodes.insert((level + 1, position >> 1), node_hash(left, right));
        }
        below.iter_mut().for_each(|(position, _)| *position >>= 1);
    }
    Ok(nodes)
}
