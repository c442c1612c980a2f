// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Eip712} from "../src/libraries/Eip712.sol";
import {CIPHERTEXT_VERIFICATION_TYPEHASH, PUBLIC_DECRYPT_TYPEHASH} from "../src/TypedData.sol";
import {Cheats} from "./Cheats.sol";

/// FOR TESTS. What committee and coprocessors sign, signed with keys the test holds.
library Signing {
    Cheats private constant cheats = Cheats(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    /// The names in the EIP-712 domains.
    struct Gateway {
        uint64 chainId;
        address decryption;
        address inputVerification;
    }

    /// Keys firstKey, firstKey + 1, ...
    function keys(uint256 firstKey, uint256 count) internal pure returns (uint256[] memory list) {
        list = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            list[i] = firstKey + i;
        }
    }

    /// Their addresses.
    function addresses(uint256 firstKey, uint256 count) internal pure returns (address[] memory list) {
        list = new address[](count);
        for (uint256 i = 0; i < count; ++i) {
            list[i] = cheats.addr(firstKey + i);
        }
    }

    function signature(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = cheats.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// Count byte, signatures of `signers` over `digest`, extraData.
    function kmsProof(bytes32 digest, uint256[] memory signers, bytes memory extraData) internal pure returns (bytes memory proof) {
        proof = abi.encodePacked(uint8(signers.length));
        for (uint256 i = 0; i < signers.length; ++i) {
            proof = abi.encodePacked(proof, signature(signers[i], digest));
        }
        proof = abi.encodePacked(proof, extraData);
    }

    /// Count bytes, handles, signatures of `signers` over `digest`, extraData.
    function inputProof(bytes32[] memory handles, bytes32 digest, uint256[] memory signers, bytes memory extraData)
        internal
        pure
        returns (bytes memory proof)
    {
        proof = abi.encodePacked(uint8(handles.length), uint8(signers.length), handles);
        for (uint256 i = 0; i < signers.length; ++i) {
            proof = abi.encodePacked(proof, signature(signers[i], digest));
        }
        proof = abi.encodePacked(proof, extraData);
    }

    /// What a committee member signs: `result` is the plaintext of `handles`, one word each.
    function decryptionDigest(Gateway memory gateway, bytes32[] memory handles, bytes memory result, bytes memory extraData)
        internal
        pure
        returns (bytes32)
    {
        bytes32 structHash = keccak256(
            abi.encode(PUBLIC_DECRYPT_TYPEHASH, keccak256(abi.encodePacked(handles)), keccak256(result), keccak256(extraData))
        );
        return Eip712.digest(Eip712.separator("Decryption", gateway.chainId, gateway.decryption), structHash);
    }

    /// What a coprocessor signs: `user` encrypted `handles` for the contract `app` on chain `hostChain`.
    function inputDigest(
        Gateway memory gateway,
        bytes32[] memory handles,
        address user,
        address app,
        uint256 hostChain,
        bytes memory extraData
    ) internal pure returns (bytes32) {
        bytes32 list = keccak256(abi.encodePacked(handles));
        bytes32 structHash = keccak256(abi.encode(CIPHERTEXT_VERIFICATION_TYPEHASH, list, user, app, hostChain, keccak256(extraData)));
        return Eip712.digest(Eip712.separator("InputVerification", gateway.chainId, gateway.inputVerification), structHash);
    }
}
