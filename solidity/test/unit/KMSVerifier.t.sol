// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IKMSVerifier} from "../../src/interfaces/IKMSVerifier.sol";
import {KMSVerifier} from "../../src/KMSVerifier.sol";
import {Handles} from "../../src/libraries/Handles.sol";
import {Quorum} from "../../src/libraries/Quorum.sol";
import {SignerSet} from "../../src/libraries/SignerSet.sol";
import {Base} from "../Base.t.sol";

contract KMSVerifierTest is Base {
    bytes private constant RESULT = abi.encode(uint256(42));
    bytes32[] private handles;

    function setUp() public override {
        super.setUp();
        handles.push(inputHandle(1, 0, Handles.UINT64));
    }

    function verify(bytes memory proof) private view returns (bool) {
        return kms.verifyDecryptionEIP712KMSSignatures(handles, RESULT, proof);
    }

    function refuse(bytes memory reason, bytes memory proof) private {
        vm.expectRevert(reason);
        verify(proof);
    }

    function proofBy(uint256[] memory signers) private view returns (bytes memory) {
        return proofOf(decryptionDigest(handles, RESULT, ""), signers, "");
    }

    function versionOne(uint256 contextId) private pure returns (bytes memory) {
        return abi.encodePacked(uint8(1), contextId);
    }

    function testFuzz_any_quorum_convinces(uint256 seed) public view {
        uint256[] memory signers = keys(NODE_KEYS, COMMITTEE_SIZE);
        for (uint256 i = COMMITTEE_SIZE - 1; i > 0; --i) {
            uint256 j = uint256(keccak256(abi.encode(seed, i))) % (i + 1);
            (signers[i], signers[j]) = (signers[j], signers[i]);
        }
        assembly ("memory-safe") {
            mstore(signers, QUORUM)
        }
        vm.assertTrue(verify(proofBy(signers)));
    }

    function testFuzz_other_words_do_not_convince(bytes32 handle, bytes memory result, bytes memory extra) public {
        bytes memory proof = proofBy(keys(NODE_KEYS, QUORUM));
        vm.assume(handle != handles[0] && keccak256(result) != keccak256(RESULT) && extra.length > 0);
        vm.expectRevert();
        kms.verifyDecryptionEIP712KMSSignatures(one(handle), RESULT, proof);
        vm.expectRevert();
        kms.verifyDecryptionEIP712KMSSignatures(handles, result, proof);
        vm.expectRevert();
        verify(abi.encodePacked(proof, extra));
    }

    function test_the_same_proof_convinces_again() public view {
        bytes memory proof = proofBy(keys(NODE_KEYS, QUORUM));
        vm.assertTrue(verify(proof) && verify(proof));
    }

    function test_no_proof_and_no_signatures_are_refused() public {
        refuse(abi.encodeWithSelector(IKMSVerifier.EmptyDecryptionProof.selector), "");
        refuse(abi.encodeWithSelector(IKMSVerifier.KMSZeroSignature.selector), hex"00");
    }

    function testFuzz_a_cut_proof_is_refused(uint16 length) public {
        bytes memory proof = proofBy(keys(NODE_KEYS, QUORUM));
        length = uint16(1 + length % (proof.length - 1));
        assembly ("memory-safe") {
            mstore(proof, length)
        }
        refuse(abi.encodeWithSelector(IKMSVerifier.DeserializingDecryptionProofFail.selector), proof);
    }

    function test_fewer_than_the_threshold_are_refused() public {
        for (uint256 i = 1; i < QUORUM; ++i) {
            refuse(abi.encodeWithSelector(IKMSVerifier.KMSSignatureThresholdNotReached.selector, i), proofBy(keys(NODE_KEYS, i)));
        }
    }

    function test_one_signer_repeated_is_one_signer() public view {
        uint256[] memory signers = keys(NODE_KEYS, QUORUM);
        signers[1] = signers[0];
        vm.assertFalse(verify(proofBy(signers)));
        signers = keys(NODE_KEYS, QUORUM + 1);
        signers[1] = signers[0];
        vm.assertTrue(verify(proofBy(signers)), "repetition costs nothing if enough others sign");
    }

    function test_a_stranger_is_named() public {
        uint256[] memory signers = keys(NODE_KEYS, QUORUM);
        signers[0] = STRANGER_KEY;
        refuse(abi.encodeWithSelector(IKMSVerifier.KMSInvalidSigner.selector, vm.addr(STRANGER_KEY)), proofBy(signers));
    }

    function test_what_follows_the_threshold_is_not_looked_at() public view {
        bytes32 digest = decryptionDigest(handles, RESULT, "");
        bytes memory proof = abi.encodePacked(uint8(QUORUM + 2));
        for (uint256 i = 0; i < QUORUM; ++i) {
            proof = abi.encodePacked(proof, signature(NODE_KEYS + i, digest));
        }
        vm.assertTrue(verify(abi.encodePacked(proof, new bytes(130))));
    }

    function test_the_twin_of_a_signature_is_refused() public {
        bytes32 digest = decryptionDigest(handles, RESULT, "");
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(NODE_KEYS, digest);
        bytes32 high = bytes32(GROUP_ORDER - uint256(s));
        bytes memory proof = abi.encodePacked(uint8(QUORUM), r, high, 55 - v, new bytes(130));
        refuse(abi.encodeWithSelector(Quorum.ECDSAInvalidSignatureS.selector, high), proof);
    }

    function testFuzz_a_recovery_byte_is_27_or_28(uint8 v) public {
        vm.assume(v != 27 && v != 28);
        (, bytes32 r, bytes32 s) = vm.sign(NODE_KEYS, decryptionDigest(handles, RESULT, ""));
        bytes memory proof = abi.encodePacked(uint8(QUORUM), r, s, v, new bytes(130));
        refuse(abi.encodeWithSelector(Quorum.ECDSAInvalidSignature.selector), proof);
    }

    function test_zeros_are_nobodys_signature() public {
        refuse(abi.encodeWithSelector(Quorum.ECDSAInvalidSignature.selector), abi.encodePacked(uint8(QUORUM), new bytes(195)));
    }

    function test_a_context_is_named_by_extra_data() public view {
        bytes[4] memory accepted =
            [bytes(hex"00"), hex"00ffff", versionOne(FIRST_CONTEXT), abi.encodePacked(versionOne(FIRST_CONTEXT), hex"beef")];
        for (uint256 i = 0; i < accepted.length; ++i) {
            vm.assertTrue(verify(decryptionProof(handles, RESULT, accepted[i], QUORUM)));
            (address[] memory signers, uint256 threshold) = kms.getContextSignersAndThresholdFromExtraData(accepted[i]);
            vm.assertEq(signers, addresses(NODE_KEYS, COMMITTEE_SIZE));
            vm.assertEq(threshold, QUORUM);
            vm.assertEq(kms.getContextIdFromExtraData(accepted[i]), FIRST_CONTEXT);
        }
    }

    function testFuzz_an_unknown_context_is_refused(uint256 contextId) public {
        vm.assume(contextId != FIRST_CONTEXT);
        bytes memory reason = abi.encodeWithSelector(IKMSVerifier.InvalidKmsContext.selector, contextId);
        refuse(reason, decryptionProof(handles, RESULT, versionOne(contextId), QUORUM));
        vm.expectRevert(reason);
        kms.getContextIdFromExtraData(versionOne(contextId));
        vm.expectRevert(reason);
        kms.getSignersForKmsContext(contextId);
        vm.assertFalse(kms.isValidKmsContext(contextId));
    }

    function testFuzz_another_version_of_extra_data_is_refused(uint8 version) public {
        vm.assume(version > 1);
        bytes memory extra = abi.encodePacked(version, FIRST_CONTEXT);
        refuse(
            abi.encodeWithSelector(IKMSVerifier.UnsupportedExtraDataVersion.selector, version),
            decryptionProof(handles, RESULT, extra, QUORUM)
        );
    }

    function testFuzz_a_cut_context_id_is_refused(uint8 length) public {
        bytes memory extra = versionOne(FIRST_CONTEXT);
        uint256 cut = 1 + uint256(length) % 32;
        assembly ("memory-safe") {
            mstore(extra, cut)
        }
        refuse(abi.encodeWithSelector(IKMSVerifier.DeserializingExtraDataFail.selector), decryptionProof(handles, RESULT, extra, QUORUM));
    }

    function test_signers_are_reported_in_party_order() public view {
        vm.assertEq(kms.getKmsSigners(), addresses(NODE_KEYS, COMMITTEE_SIZE));
        vm.assertEq(kms.getSignersForKmsContext(FIRST_CONTEXT), addresses(NODE_KEYS, COMMITTEE_SIZE));
        vm.assertEq(kms.getThreshold(), QUORUM);
        vm.assertEq(kms.getCurrentKmsContextId(), FIRST_CONTEXT);
        vm.assertTrue(kms.isSigner(vm.addr(NODE_KEYS + 3)));
        vm.assertFalse(kms.isSigner(vm.addr(STRANGER_KEY)));
        vm.assertFalse(kms.isSigner(address(0)));
    }

    function test_the_domain_is_the_gateways() public view {
        (bytes1 fields, string memory name, string memory version, uint256 chain, address place, bytes32 salt, uint256[] memory more) =
            kms.eip712Domain();
        vm.assertTrue(fields == 0x0f && salt == 0 && more.length == 0);
        vm.assertEq(name, "Decryption");
        vm.assertEq(version, "1");
        vm.assertEq(chain, GATEWAY_CHAIN);
        vm.assertEq(place, DECRYPTION);
    }

    function testFuzz_a_committee_has_3t_plus_1_members_and_a_quorum_of_2t_plus_1(uint256 count, uint256 threshold) public {
        count %= 20;
        threshold %= 20;
        bool sound = (count == 1 && threshold == 1) || (count == 4 && threshold == 3) || (count == 7 && threshold == 5)
            || (count == 10 && threshold == 7) || (count == 13 && threshold == 9);
        address[] memory signers = addresses(NODE_KEYS, count);
        if (!sound) vm.expectRevert(abi.encodeWithSelector(IKMSVerifier.CommitteeInvalid.selector, count, threshold));
        new KMSVerifier(signers, threshold, GATEWAY_CHAIN, DECRYPTION);
    }

    function test_every_committee_size_verifies() public {
        for (uint256 t = 0; t <= 4; ++t) {
            address[] memory signers = addresses(NODE_KEYS, 3 * t + 1);
            KMSVerifier verifier = new KMSVerifier(signers, 2 * t + 1, GATEWAY_CHAIN, DECRYPTION);
            vm.assertEq(verifier.getKmsSigners(), signers);
            bytes memory proof = proofBy(keys(NODE_KEYS + t, 2 * t + 1));
            vm.assertTrue(verifier.verifyDecryptionEIP712KMSSignatures(handles, RESULT, proof));
        }
    }

    function test_a_committee_has_no_duplicate_and_no_zero() public {
        address[] memory signers = addresses(NODE_KEYS, 4);
        signers[2] = signers[0];
        vm.expectRevert(abi.encodeWithSelector(SignerSet.SignerDuplicate.selector, signers[0]));
        new KMSVerifier(signers, 3, GATEWAY_CHAIN, DECRYPTION);
        signers[2] = address(0);
        vm.expectRevert(abi.encodeWithSelector(SignerSet.SignerNull.selector, 2));
        new KMSVerifier(signers, 3, GATEWAY_CHAIN, DECRYPTION);
    }
}
