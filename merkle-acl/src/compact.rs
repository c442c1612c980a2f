//! The same evidence in fewer bytes: nodes that several trie proofs share, and hashes of one path that follow from another, are sent
//! once.
//!
//! This is compression and nothing else. What comes out of [`unpool`] and [`expand`] is as untrusted as what went over the wire, and
//! is checked proof by proof, one leaf at a time.

use std::collections::BTreeMap;

use alloy_primitives::{B256, Bytes};

use crate::{
    leaf::node_hash,
    proof::MAX_FACTS,
    range::{MAX_LEVEL, RangeError, RangeProof, covering_level},
    slot::MAX_PROOF_NODES,
};

/// Most proofs of one pool: every fact's slot, every peak, the account.
const MAX_PROOFS: usize = 2 * MAX_FACTS;

/// Why compact evidence does not expand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CompactError {
    /// More proofs, or nodes of a proof, than are read.
    #[error("too many proofs or nodes")]
    TooMany,
    /// A proof names a node that is not in the pool.
    #[error("node {0} is not in the pool")]
    NoNode(u16),
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

/// Trie proofs with each node once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodePool {
    /// Distinct nodes.
    pub nodes: Vec<Bytes>,
    /// Each proof as places in `nodes`, root first.
    pub proofs: Vec<Vec<u16>>,
}

/// Puts proofs into a pool.
///
/// # Errors
/// [`CompactError::TooMany`].
pub fn pool<'a>(proofs: impl IntoIterator<Item = &'a [Bytes]>) -> Result<NodePool, CompactError> {
    let mut places = BTreeMap::new();
    let mut out = NodePool::default();
    for proof in proofs {
        let mut refs = Vec::with_capacity(proof.len());
        for node in proof {
            let next = u16::try_from(out.nodes.len()).map_err(|_| CompactError::TooMany)?;
            let place = *places.entry(node).or_insert(next);
            if place == next {
                out.nodes.push(node.clone());
            }
            refs.push(place);
        }
        out.proofs.push(refs);
    }
    Ok(out)
}

/// The proofs of a pool, in order. Nodes are shared, not copied.
///
/// # Errors
/// [`CompactError`].
pub fn unpool(pool: &NodePool) -> Result<Vec<Vec<Bytes>>, CompactError> {
    if pool.proofs.len() > MAX_PROOFS || pool.proofs.iter().any(|refs| refs.len() > MAX_PROOF_NODES) {
        return Err(CompactError::TooMany);
    }
    let node = |place: &u16| pool.nodes.get(usize::from(*place)).cloned().ok_or(CompactError::NoNode(*place));
    pool.proofs.iter().map(|refs| refs.iter().map(node).collect()).collect()
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
