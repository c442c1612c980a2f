// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Eip712} from "../../src/libraries/Eip712.sol";
import "../../src/TypedData.sol";
import {Base} from "../Base.t.sol";

/// Every struct of TypedData.sol against vectors/eip712.json, which another implementation made.
contract Eip712VectorsTest is Base {
    string private json;
    string private entry;

    function setUp() public override {
        json = vm.readFile("vectors/eip712.json");
    }

    function test_every_vector_is_reproduced() public {
        uint256 count;
        for (; vm.keyExistsJson(json, string.concat(".vectors[", vm.toString(count), "]")); ++count) {
            entry = string.concat(".vectors[", vm.toString(count), "]");
            string memory struct_ = vm.parseJsonString(json, string.concat(entry, ".struct"));
            (bytes32 typeHash, bytes32 structHash) = hashOf(keccak256(bytes(struct_)));
            vm.assertEq(typeHash, vm.parseJsonBytes32(json, string.concat(entry, ".typeHash")), struct_);
            vm.assertEq(typeHash, keccak256(bytes(vm.parseJsonString(json, string.concat(entry, ".type")))), struct_);
            vm.assertEq(structHash, vm.parseJsonBytes32(json, string.concat(entry, ".structHash")), struct_);
            bytes32 separator = domainSeparator();
            vm.assertEq(separator, vm.parseJsonBytes32(json, string.concat(entry, ".domainSeparator")), struct_);
            vm.assertEq(Eip712.digest(separator, structHash), vm.parseJsonBytes32(json, string.concat(entry, ".digest")), struct_);
        }
        vm.assertGe(count, 15);
    }

    function domainSeparator() private view returns (bytes32) {
        string memory name = vm.parseJsonString(json, string.concat(entry, ".domain.name"));
        uint256 chain = vm.parseJsonUint(json, string.concat(entry, ".domain.chainId"));
        address place = vm.parseJsonAddress(json, string.concat(entry, ".domain.verifyingContract"));
        string memory saltKey = string.concat(entry, ".domain.salt");
        if (!vm.keyExistsJson(json, saltKey)) return Eip712.separator(name, chain, place);
        bytes32 salt = vm.parseJsonBytes32(json, saltKey);
        return keccak256(abi.encode(SALTED_DOMAIN_TYPEHASH, keccak256(bytes(name)), keccak256("1"), chain, place, salt));
    }

    function hashOf(bytes32 name) private view returns (bytes32 typeHash, bytes32 structHash) {
        bytes memory fields;
        if (name == keccak256("PublicDecryptVerification")) {
            typeHash = PUBLIC_DECRYPT_TYPEHASH;
            fields = abi.encode(words("ctHandles"), blob("decryptedResult"), blob("extraData"));
        } else if (name == keccak256("UserDecryptRequestVerification")) {
            typeHash = USER_DECRYPT_REQUEST_TYPEHASH;
            fields = abi.encode(
                blob("publicKey"), accounts("contractAddresses"), number("startTimestamp"), number("durationDays"), blob("extraData")
            );
        } else if (name == keccak256("DelegatedUserDecryptRequestVerification")) {
            typeHash = DELEGATED_USER_DECRYPT_REQUEST_TYPEHASH;
            fields = abi.encode(
                blob("publicKey"),
                accounts("contractAddresses"),
                account("delegatorAddress"),
                number("startTimestamp"),
                number("durationDays"),
                blob("extraData")
            );
        } else if (name == keccak256("UserDecryptResponseVerification")) {
            typeHash = USER_DECRYPT_RESPONSE_TYPEHASH;
            fields = abi.encode(blob("publicKey"), words("ctHandles"), blob("userDecryptedShare"), blob("extraData"));
        } else if (name == keccak256("UserDecryptionLinker")) {
            typeHash = USER_DECRYPTION_LINKER_TYPEHASH;
            fields = abi.encode(blob("publicKey"), words("handles"), account("userAddress"));
        } else if (name == keccak256("CiphertextVerification")) {
            typeHash = CIPHERTEXT_VERIFICATION_TYPEHASH;
            fields = abi.encode(
                words("ctHandles"), account("userAddress"), account("contractAddress"), number("contractChainId"), blob("extraData")
            );
        } else {
            (typeHash, fields) = attestation(name);
        }
        structHash = keccak256(abi.encodePacked(typeHash, fields));
    }

    function attestation(bytes32 name) private view returns (bytes32, bytes memory) {
        if (name == keccak256("HeaderAttestation")) {
            return (
                HEADER_ATTESTATION_TYPEHASH,
                abi.encode(
                    word("attesterSetId"),
                    number("number"),
                    word("blockHash"),
                    word("stateRoot"),
                    number("timestamp"),
                    number("finality"),
                    number("depth")
                )
            );
        }
        if (name == keccak256("CiphertextAttestation")) {
            return (
                CIPHERTEXT_ATTESTATION_TYPEHASH,
                abi.encode(
                    word("coprocessorSetId"),
                    word("handle"),
                    number("keyId"),
                    number("format"),
                    word("profile"),
                    word("digest"),
                    number("size")
                )
            );
        }
        vm.assertEq(name, keccak256("ContextChange"));
        return (
            CONTEXT_CHANGE_TYPEHASH,
            abi.encode(
                number("contextId"),
                word("clusterHash"),
                accounts("signers"),
                number("threshold"),
                number("activation"),
                number("previousExpires")
            )
        );
    }

    function path(string memory field) private view returns (string memory) {
        return string.concat(entry, ".message.", field);
    }

    function blob(string memory field) private view returns (bytes32) {
        return keccak256(vm.parseJsonBytes(json, path(field)));
    }

    function words(string memory field) private view returns (bytes32) {
        return keccak256(abi.encodePacked(vm.parseJsonBytes32Array(json, path(field))));
    }

    function accounts(string memory field) private view returns (bytes32) {
        return keccak256(abi.encodePacked(vm.parseJsonAddressArray(json, path(field))));
    }

    function word(string memory field) private view returns (bytes32) {
        return vm.parseJsonBytes32(json, path(field));
    }

    function number(string memory field) private view returns (uint256) {
        return vm.parseJsonUint(json, path(field));
    }

    function account(string memory field) private view returns (address) {
        return vm.parseJsonAddress(json, path(field));
    }
}
