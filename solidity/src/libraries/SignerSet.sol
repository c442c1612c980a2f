// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// An ordered list of signers kept as the code of a contract that can not run: reading thirteen addresses costs one cold
/// account (2,600 gas) where a mapping costs 2,100 for every signer asked about.
library SignerSet {
    /// More signers than this would make the linear search dearer than the signatures.
    uint256 internal constant MAX_SIGNERS = 64;

    /// First byte of the stored code, STOP: nobody can make the list execute.
    uint256 private constant PREFIX = 1;

    error SignerNull(uint256 index);
    error SignerDuplicate(address signer);
    error SignerCountInvalid(uint256 given, uint256 most);
    error SignerListNotStored();

    /// Stores `signers` in order and returns where. Refuses none, too many, the zero address and duplicates.
    function store(address[] memory signers) internal returns (address list) {
        uint256 count = signers.length;
        if (count == 0 || count > MAX_SIGNERS) revert SignerCountInvalid(count, MAX_SIGNERS);
        bytes memory packed;
        for (uint256 i = 0; i < count; ++i) {
            if (signers[i] == address(0)) revert SignerNull(i);
            for (uint256 j = 0; j < i; ++j) {
                if (signers[j] == signers[i]) revert SignerDuplicate(signers[i]);
            }
            packed = abi.encodePacked(packed, signers[i]);
        }
        // PUSH2 size, DUP1, PUSH1 10 (where the code starts), RETURNDATASIZE (0), CODECOPY, RETURNDATASIZE, RETURN
        bytes memory creation = abi.encodePacked(hex"61", uint16(packed.length + PREFIX), hex"80600a3d393df3", hex"00", packed);
        assembly ("memory-safe") {
            list := create(0, add(creation, 0x20), mload(creation))
        }
        if (list == address(0)) revert SignerListNotStored();
    }

    /// The signers stored at `list`, in order.
    function load(address list) internal view returns (address[] memory signers) {
        uint256 count = (list.code.length - PREFIX) / 20;
        signers = new address[](count);
        assembly ("memory-safe") {
            // Packed addresses are copied to the end of the array's own room, then spread over it from the front: entry i
            // is read at its packed place before any later write reaches that place.
            let data := add(signers, 0x20)
            let size := mul(count, 20)
            let source := add(data, mul(count, 12))
            extcodecopy(list, source, PREFIX, size)
            for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                mstore(add(data, mul(i, 32)), shr(96, mload(add(source, mul(i, 20)))))
            }
        }
    }
}
