// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// What the 32 bytes of a handle say: bytes 0-20 hash, 21 index, 22-29 chain id, 30 type, 31 version.
library Handles {
    uint8 internal constant BOOL = 0;
    uint8 internal constant UINT8 = 2;
    uint8 internal constant UINT16 = 3;
    uint8 internal constant UINT32 = 4;
    uint8 internal constant UINT64 = 5;
    uint8 internal constant UINT128 = 6;
    uint8 internal constant ADDRESS = 7;
    uint8 internal constant UINT256 = 8;

    /// Version byte of every handle there is so far.
    uint8 internal constant VERSION = 0;

    /// Index byte of a handle that was computed on chain; inputs carry their place in the input list, at most 254.
    uint8 internal constant COMPUTED = 0xff;

    // Sets of types, one bit per type id.
    uint256 internal constant SET_BOOL = 1 << BOOL;
    uint256 internal constant SET_8_TO_128 = 1 << UINT8 | 1 << UINT16 | 1 << UINT32 | 1 << UINT64 | 1 << UINT128;
    uint256 internal constant SET_8_TO_256 = SET_8_TO_128 | 1 << UINT256;
    uint256 internal constant SET_ALL = SET_BOOL | SET_8_TO_256 | 1 << ADDRESS;

    /// The type id in byte 30; any value, also one no contract supports.
    function typeOf(bytes32 handle) internal pure returns (uint8) {
        return uint8(uint256(handle) >> 8);
    }

    /// Place in the input list, or `COMPUTED`.
    function indexOf(bytes32 handle) internal pure returns (uint8) {
        return uint8(uint256(handle) >> 80);
    }

    /// The chain the handle belongs to.
    function chainIdOf(bytes32 handle) internal pure returns (uint64) {
        return uint64(uint256(handle) >> 16);
    }

    /// The version byte.
    function versionOf(bytes32 handle) internal pure returns (uint8) {
        return uint8(uint256(handle));
    }

    /// Whether `kind` is in the set `set`.
    function isIn(uint8 kind, uint256 set) internal pure returns (bool) {
        return (set >> kind) & 1 == 1;
    }

    /// Width in bits as counted against the limit of a decryption request: a bool counts 2. Unsupported types give 0.
    function bitsOf(uint8 kind) internal pure returns (uint256) {
        if (!isIn(kind, SET_ALL)) return 0;
        if (kind == BOOL) return 2;
        if (kind == ADDRESS) return 160;
        if (kind == UINT256) return 256;
        return uint256(8) << (kind - UINT8);
    }

    /// A handle computed on this chain: the hash cut to 21 bytes, then the metadata.
    function computed(bytes32 hash, uint8 kind) internal view returns (bytes32) {
        uint256 head = uint256(hash) & ~uint256(type(uint88).max);
        uint256 metadata = uint256(COMPUTED) << 80 | uint256(uint64(block.chainid)) << 16 | uint256(kind) << 8 | VERSION;
        return bytes32(head | metadata);
    }
}
