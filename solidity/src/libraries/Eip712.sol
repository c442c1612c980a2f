// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {DOMAIN_TYPEHASH} from "../TypedData.sol";

/// EIP-712 for domains that name another chain and another contract than the ones that verify.
library Eip712 {
    /// Separator of the domain (name, "1", chainId, verifyingContract).
    function separator(string memory name, uint256 chainId, address verifyingContract) internal pure returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, keccak256(bytes(name)), keccak256("1"), chainId, verifyingContract));
    }

    /// The digest a member signs.
    function digest(bytes32 domainSeparator, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domainSeparator, structHash));
    }
}
