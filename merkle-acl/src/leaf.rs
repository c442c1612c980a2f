//! Leaf and node hashes of the grant range. Their first bytes differ, so an inner node never passes for a leaf.

use alloy_primitives::{B256, Keccak256};

use crate::facts::Grant;

const LEAF_TAG: u8 = 0;
const NODE_TAG: u8 = 1;
const LEAF_VERSION: u8 = 1;

/// `keccak256(0x00 ‖ 0x01 ‖ kind ‖ handle(32) ‖ subject(20))`, 55 bytes hashed once.
pub fn leaf_hash(grant: &Grant) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update([LEAF_TAG, LEAF_VERSION, grant.kind() as u8]);
    hasher.update(grant.handle());
    hasher.update(grant.subject());
    hasher.finalize()
}

/// `keccak256(0x01 ‖ left ‖ right)`, by position.
pub fn node_hash(left: B256, right: B256) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update([NODE_TAG]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize()
}
