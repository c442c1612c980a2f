// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {externalEuint64, FHE} from "@fhevm/solidity/lib/FHE.sol";

import {ExecutorBase} from "../../src/ExecutorBase.sol";
import {IInputVerifier} from "../../src/interfaces/IInputVerifier.sol";
import {IKMSVerifier} from "../../src/interfaces/IKMSVerifier.sol";
import {Handles} from "../../src/libraries/Handles.sol";
import {Base} from "../Base.t.sol";
import {Vault} from "./Vault.sol";

/// Inputs that enter and plaintexts that come back, checked by a contract that uses the library. Every call is a transaction.
/// forge-config: default.isolate = true
contract ProofsTest is Base {
    event PublicDecryptionVerified(bytes32[] handlesList, bytes abiEncodedCleartexts);

    Vault private vault;
    bytes32[] private handles;
    bytes private words;

    function setUp() public override {
        super.setUp();
        vault = new Vault();
        handles = one(vault.put(42));
        words = abi.encode(uint64(42));
    }

    function signed(bytes memory extraData, uint256 count) private view returns (bytes memory) {
        return decryptionProof(handles, words, extraData, count);
    }

    function named(uint256 contextId) private pure returns (bytes memory) {
        return abi.encodePacked(uint8(1), contextId);
    }

    /// Both ways of the library refuse, each for its reason.
    function refuse(bytes memory proof, bytes memory checkReason, bytes memory viewReason) private {
        vm.expectRevert(checkReason);
        vault.accept(handles, words, proof);
        vm.expectRevert(viewReason);
        vault.isValid(handles, words, proof);
    }

    function refuse(bytes memory proof, bytes memory reason) private {
        refuse(proof, reason, reason);
    }

    // Plaintexts

    function test_every_way_to_name_the_context_in_office_is_accepted() public {
        bytes[4] memory extras = [bytes(""), hex"00", hex"00c0ffee", named(FIRST_CONTEXT)];
        for (uint256 i = 0; i < extras.length; ++i) {
            vm.expectEmit(address(vault));
            emit PublicDecryptionVerified(handles, words);
            vault.accept(handles, words, signed(extras[i], QUORUM));
            vm.assertTrue(vault.isValid(handles, words, signed(extras[i], QUORUM)));
        }
    }

    function test_a_context_that_is_not_is_refused() public {
        bytes memory unknown = abi.encodeWithSelector(IKMSVerifier.InvalidKmsContext.selector, FIRST_CONTEXT + 1);
        refuse(signed(named(FIRST_CONTEXT + 1), QUORUM), unknown);
        bytes memory version = abi.encodeWithSelector(IKMSVerifier.UnsupportedExtraDataVersion.selector, 2);
        refuse(signed(abi.encodePacked(uint8(2), FIRST_CONTEXT, uint256(1)), QUORUM), version);
        bytes memory short = abi.encodeWithSelector(IKMSVerifier.DeserializingExtraDataFail.selector);
        refuse(signed(abi.encodePacked(uint8(1), bytes31(0)), QUORUM), short);
    }

    function test_a_proof_for_one_context_is_not_one_for_another_name_of_it() public {
        bytes memory proof = signed("", QUORUM);
        bytes memory relabelled = abi.encodePacked(proof, named(FIRST_CONTEXT));
        vm.expectRevert();
        vault.accept(handles, words, relabelled);
        vm.expectRevert();
        vault.isValid(handles, words, relabelled);
    }

    function test_empty_short_and_unsigned_proofs_are_refused_by_name() public {
        refuse("", abi.encodeWithSelector(FHE.EmptyDecryptionProof.selector));
        refuse(hex"03aabb", abi.encodeWithSelector(FHE.DeserializingDecryptionProofFail.selector));
        refuse(hex"00", abi.encodeWithSelector(FHE.KMSZeroSignature.selector));
        refuse(signed("", QUORUM - 1), abi.encodeWithSelector(FHE.KMSSignatureThresholdNotReached.selector, QUORUM - 1));
    }

    function test_a_strangers_signature_is_named() public {
        uint256[] memory signers = keys(NODE_KEYS, QUORUM);
        signers[1] = STRANGER_KEY;
        bytes memory proof = proofOf(decryptionDigest(handles, words, ""), signers, "");
        refuse(proof, abi.encodeWithSelector(FHE.KMSInvalidSigner.selector, vm.addr(STRANGER_KEY)));
    }

    function test_repeated_signatures_are_no_quorum() public {
        uint256[] memory signers = keys(NODE_KEYS, QUORUM);
        signers[2] = signers[0];
        bytes memory proof = proofOf(decryptionDigest(handles, words, ""), signers, "");
        vm.expectRevert(abi.encodeWithSelector(FHE.InvalidKMSSignatures.selector));
        vault.accept(handles, words, proof);
        vm.assertFalse(vault.isValid(handles, words, proof), "the view says false");
    }

    function test_a_proof_says_nothing_of_another_value_handle_or_order() public {
        bytes memory proof = signed("", QUORUM);
        bytes32[] memory pair = new bytes32[](2);
        (pair[0], pair[1]) = (handles[0], vault.put(43));
        vm.expectRevert();
        vault.accept(handles, abi.encode(uint64(43)), proof);
        vm.expectRevert();
        vault.accept(one(pair[1]), words, proof);
        bytes memory both = abi.encode(uint64(42), uint64(43));
        proof = decryptionProof(pair, both, "", QUORUM);
        vault.accept(pair, both, proof);
        (pair[0], pair[1]) = (pair[1], pair[0]);
        vm.expectRevert();
        vault.accept(pair, both, proof);
    }

    function test_a_proof_is_good_again_and_for_everybody() public {
        bytes memory proof = signed("", QUORUM);
        vault.accept(handles, words, proof);
        vault.accept(handles, words, proof);
        new Vault().accept(handles, words, proof);
    }

    // Inputs

    function input(uint256 seed, address user, address app) private pure returns (externalEuint64, bytes memory) {
        bytes32[] memory list = one(inputHandle(seed, 0, Handles.UINT64));
        return (externalEuint64.wrap(list[0]), inputProof(list, user, app, QUORUM));
    }

    function enter(address sender, externalEuint64 handle, bytes memory proof) private {
        vm.prank(sender);
        vault.putFrom(handle, proof);
    }

    function test_an_input_enters_again_for_its_user_and_contract_alone() public {
        (externalEuint64 handle, bytes memory proof) = input(1, ALICE, address(vault));
        enter(ALICE, handle, proof);
        enter(ALICE, handle, proof);
        vm.expectRevert();
        enter(BOB, handle, proof);
        Vault copy = new Vault();
        vm.expectRevert();
        vm.prank(ALICE);
        copy.putFrom(handle, proof);
    }

    function test_a_handle_the_proof_does_not_list_is_refused() public {
        (, bytes memory proof) = input(1, ALICE, address(vault));
        vm.expectRevert(abi.encodeWithSelector(IInputVerifier.InvalidInputHandle.selector));
        enter(ALICE, externalEuint64.wrap(inputHandle(2, 0, Handles.UINT64)), proof);
        vm.expectRevert(abi.encodeWithSelector(IInputVerifier.InvalidIndex.selector));
        enter(ALICE, externalEuint64.wrap(inputHandle(1, 1, Handles.UINT64)), proof);
        vm.expectRevert(abi.encodeWithSelector(ExecutorBase.InvalidType.selector));
        enter(ALICE, externalEuint64.wrap(inputHandle(1, 0, Handles.UINT32)), proof);
    }

    function test_a_handle_of_another_chain_is_refused() public {
        bytes32 foreign = bytes32(uint256(inputHandle(1, 0, Handles.UINT64)) ^ (uint256(1) << 16));
        bytes memory proof = inputProof(one(foreign), ALICE, address(vault), QUORUM);
        vm.expectRevert(abi.encodeWithSelector(IInputVerifier.InvalidChainId.selector));
        enter(ALICE, externalEuint64.wrap(foreign), proof);
    }

    function test_an_input_without_its_quorum_is_refused() public {
        bytes32[] memory list = one(inputHandle(1, 0, Handles.UINT64));
        bytes memory proof = inputProof(list, ALICE, address(vault), QUORUM - 1);
        vm.expectRevert(abi.encodeWithSelector(IInputVerifier.SignatureThresholdNotReached.selector, QUORUM - 1));
        enter(ALICE, externalEuint64.wrap(list[0]), proof);
    }

    function test_a_computed_handle_is_no_input() public {
        bytes32 computed = vault.put(5);
        bytes memory proof = inputProof(one(computed), ALICE, address(vault), QUORUM);
        vm.expectRevert(abi.encodeWithSelector(IInputVerifier.InvalidIndex.selector));
        enter(ALICE, externalEuint64.wrap(computed), proof);
    }

    function test_cut_and_foreign_input_proofs_are_refused_by_name() public {
        bytes32[] memory list = one(inputHandle(1, 0, Handles.UINT64));
        externalEuint64 handle = externalEuint64.wrap(list[0]);
        vm.expectRevert(abi.encodeWithSelector(IInputVerifier.DeserializingInputProofFail.selector));
        enter(ALICE, handle, hex"01");
        vm.expectRevert(abi.encodeWithSelector(IInputVerifier.DeserializingInputProofFail.selector));
        enter(ALICE, handle, abi.encodePacked(uint8(1), uint8(QUORUM), list));
        vm.expectRevert(abi.encodeWithSelector(IInputVerifier.ZeroSignature.selector));
        enter(ALICE, handle, abi.encodePacked(uint8(1), uint8(0), list));
        bytes32 digest = inputDigest(list, ALICE, address(vault), DEV_CHAIN, "");
        bytes memory foreign = inputProofOf(list, digest, keys(STRANGER_KEY, QUORUM), "");
        vm.expectRevert(abi.encodeWithSelector(IInputVerifier.InvalidSigner.selector, vm.addr(STRANGER_KEY)));
        enter(ALICE, handle, foreign);
    }

    function test_without_proof_enters_what_the_sender_may_use_and_nothing_else() public {
        enter(ALICE, externalEuint64.wrap(bytes32(0)), "");
        vm.assertEq(Handles.typeOf(vault.handle()), Handles.UINT64);
        vault.share(ALICE);
        bytes32 handle = vault.handle();
        enter(ALICE, externalEuint64.wrap(handle), "");
        vm.assertEq(vault.handle(), handle);
        vm.expectRevert(abi.encodeWithSelector(FHE.SenderNotAllowedToUseHandle.selector, handle, BOB));
        enter(BOB, externalEuint64.wrap(handle), "");
        bytes32 fresh = inputHandle(9, 0, Handles.UINT64);
        vm.expectRevert(abi.encodeWithSelector(FHE.SenderNotAllowedToUseHandle.selector, fresh, ALICE));
        enter(ALICE, externalEuint64.wrap(fresh), "");
    }

    function test_a_forgotten_proof_is_checked_again() public {
        bytes32[] memory list = new bytes32[](2);
        (list[0], list[1]) = (inputHandle(1, 0, Handles.UINT64), inputHandle(2, 1, Handles.UINT64));
        bytes memory proof = inputProof(list, ALICE, address(vault), QUORUM);
        vm.prank(ALICE);
        vault.putTwice(externalEuint64.wrap(list[0]), externalEuint64.wrap(list[1]), proof);
        vm.assertEq(vault.handle(), list[1]);
    }
}
