// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

// Peaks of a range, by level. A merged peak is not cleared: only those are live whose bit is set in the count.
uint256 constant PEAKS = 64;

/// A row of perfect Merkle trees ("peaks"), one for each set bit of the number of leaves. Appending costs the peaks a binary
/// counter carries over: one on average, however many leaves there are.
///
/// Leaf, node and choice of the peak are those of the Rust crate `merkle-acl`; examples stand in vectors/acl-range.json.
library MountainRange {
    /// Highest peak a proof may use: 2^40 leaves.
    uint256 internal constant MAX_PROOF_LEVEL = 40;

    // First bytes of what is hashed: an inner node never passes for a leaf, nor a leaf of another version for one of this.
    uint256 private constant LEAF_TAG = 0x00;
    uint256 private constant LEAF_VERSION = 0x01;
    uint256 private constant NODE_TAG = 0x01;

    /// keccak256(0x00 ++ 0x01 ++ kind ++ handle ++ subject), 55 bytes.
    function leaf(uint8 kind, bytes32 handle, address subject) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore8(start, LEAF_TAG)
            mstore8(add(start, 1), LEAF_VERSION)
            mstore8(add(start, 2), kind)
            mstore(add(start, 3), handle)
            mstore(add(start, 35), shl(96, subject))
            hash := keccak256(start, 55)
        }
    }

    /// keccak256(0x01 ++ left ++ right), 65 bytes, by position.
    function node(bytes32 left, bytes32 right) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore8(start, NODE_TAG)
            mstore(add(start, 1), left)
            mstore(add(start, 33), right)
            hash := keccak256(start, 65)
        }
    }

    /// Enters leaf number `count` (counted from 0, so `count` leaves are there) into the peaks. The caller keeps the count.
    function append(bytes32[PEAKS] storage peaks, uint256 count, bytes32 hash) internal {
        uint256 level = 0;
        for (; (count >> level) & 1 == 1; ++level) {
            hash = node(peaks[level], hash);
        }
        peaks[level] = hash;
    }

    /// Level of the one live peak that covers leaf `index` of `count`: the highest bit in which the two differ. Only for
    /// index < count.
    function coveringLevel(uint256 index, uint256 count) internal pure returns (uint256) {
        return Math.log2(index ^ count);
    }

    /// Whether `path` (siblings, lowest first) leads from the leaf at `index` of `count` to `peak`, the live peak of level
    /// `coveringLevel(index, count)`. Count and peak must come from one state the caller trusts.
    function includes(bytes32 hash, uint256 index, bytes32[] calldata path, uint256 count, bytes32 peak) internal pure returns (bool) {
        if (index >= count) return false;
        uint256 level = coveringLevel(index, count);
        if (level > MAX_PROOF_LEVEL || path.length != level) return false;
        for (uint256 i = 0; i < level; ++i) {
            hash = (index >> i) & 1 == 0 ? node(hash, path[i]) : node(path[i], hash);
        }
        return hash == peak;
    }
}
