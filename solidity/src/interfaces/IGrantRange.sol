// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// The Merkle mountain range of all permanent grants, in the order they were first given. Granting again appends nothing.
///
/// Beyond the fhEVM library's ACL: what nodes, and contracts of other chains, check a permission against.
interface IGrantRange {
    /// Number of grants so far.
    function grantCount() external view returns (uint64);

    /// The peak of this level, 0 to 63. It means something only if the count has that bit; others are stale or zero.
    function grantPeak(uint256 level) external view returns (bytes32);

    /// Whether `path` (siblings, lowest first) shows that the grant is leaf `index` of the range as it stands now. `kind` 1:
    /// `subject` may use the handle; 2: anyone may learn the plaintext, the subject is the zero address.
    function isGrantProven(uint8 kind, bytes32 handle, address subject, uint64 index, bytes32[] calldata path) external view returns (bool);
}
