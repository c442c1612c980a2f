// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {InputVerifier} from "../../src/InputVerifier.sol";
import {ContextUserInputs, IInputVerifier} from "../../src/interfaces/IInputVerifier.sol";
import {Handles} from "../../src/libraries/Handles.sol";
import {Quorum} from "../../src/libraries/Quorum.sol";
import {SignerSet} from "../../src/libraries/SignerSet.sol";
import {Base} from "../Base.t.sol";

contract InputVerifierTest is Base {
    bytes32[] private handles;

    function setUp() public override {
        super.setUp();
        handles.push(inputHandle(1, 0, Handles.UINT64));
        handles.push(inputHandle(2, 1, Handles.BOOL));
        handles.push(inputHandle(3, 2, Handles.ADDRESS));
    }

    function verify(bytes32 handle, bytes memory proof) private returns (bytes32) {
        return inputs.verifyInput(ContextUserInputs({userAddress: ALICE, contractAddress: BOB}), handle, proof);
    }

    function good() private view returns (bytes memory) {
        return inputProof(handles, ALICE, BOB, QUORUM);
    }

    function refuse(bytes memory reason, bytes32 handle, bytes memory proof) private {
        vm.expectRevert(reason);
        verify(handle, proof);
    }

    function signedBy(uint256[] memory signers) private view returns (bytes memory) {
        return inputProofOf(handles, inputDigest(handles, ALICE, BOB, DEV_CHAIN, hex"00"), signers, hex"00");
    }

    function test_every_handle_of_a_proven_list_is_accepted() public {
        bytes memory proof = good();
        for (uint256 i = 0; i < handles.length; ++i) {
            vm.assertEq(verify(handles[i], proof), handles[i]);
        }
    }

    function test_a_proof_is_checked_once_a_transaction() public {
        bytes memory proof = good();
        uint256 before = gasleft();
        verify(handles[0], proof);
        uint256 first = before - gasleft();
        before = gasleft();
        verify(handles[1], proof);
        vm.assertLe((before - gasleft()) * 3, first);
        inputs.cleanTransientStorage();
        before = gasleft();
        verify(handles[1], proof);
        vm.assertGe(before - gasleft(), QUORUM * 3000);
    }

    function test_a_remembered_proof_serves_its_own_user_and_contract_only() public {
        bytes memory proof = good();
        verify(handles[0], proof);
        vm.expectRevert();
        inputs.verifyInput(ContextUserInputs({userAddress: CAROL, contractAddress: BOB}), handles[0], proof);
        vm.expectRevert();
        inputs.verifyInput(ContextUserInputs({userAddress: ALICE, contractAddress: CAROL}), handles[0], proof);
    }

    function test_a_remembered_proof_does_not_cover_other_handles() public {
        bytes memory proof = good();
        verify(handles[0], proof);
        refuse(abi.encodeWithSelector(IInputVerifier.InvalidInputHandle.selector), inputHandle(9, 1, Handles.UINT64), proof);
        refuse(abi.encodeWithSelector(IInputVerifier.InvalidIndex.selector), inputHandle(9, 3, Handles.UINT64), proof);
    }

    function test_an_index_beyond_the_list_is_refused() public {
        bytes memory reason = abi.encodeWithSelector(IInputVerifier.InvalidIndex.selector);
        refuse(reason, inputHandle(1, 3, Handles.UINT64), good());
        refuse(reason, inputHandle(1, 255, Handles.UINT64), good());
        refuse(reason, handles[0], inputProof(new bytes32[](0), ALICE, BOB, QUORUM));
    }

    function test_a_handle_of_another_chain_is_refused() public {
        bytes32 foreign = bytes32(uint256(handles[0]) ^ (1 << 16));
        refuse(abi.encodeWithSelector(IInputVerifier.InvalidChainId.selector), foreign, good());
    }

    function test_a_handle_of_another_version_is_refused() public {
        handles[2] = bytes32(uint256(handles[2]) | 1);
        refuse(abi.encodeWithSelector(IInputVerifier.InvalidHandleVersion.selector), handles[0], good());
    }

    function testFuzz_a_cut_proof_is_refused(uint16 length) public {
        bytes memory whole = good();
        uint256 signed = whole.length - 1; // the last byte is extraData
        length = uint16(length % signed);
        assembly ("memory-safe") {
            mstore(whole, length)
        }
        vm.expectRevert();
        verify(handles[0], whole);
    }

    function test_no_proof_is_refused() public {
        refuse(abi.encodeWithSelector(IInputVerifier.EmptyInputProof.selector), handles[0], "");
        refuse(abi.encodeWithSelector(IInputVerifier.DeserializingInputProofFail.selector), handles[0], hex"01");
    }

    function test_signatures_are_counted_by_distinct_signers() public {
        uint256[] memory signers = keys(COPROCESSOR_KEYS, QUORUM);
        signers[2] = signers[0];
        refuse(abi.encodeWithSelector(IInputVerifier.SignaturesVerificationFailed.selector), handles[0], signedBy(signers));
        refuse(abi.encodeWithSelector(IInputVerifier.ZeroSignature.selector), handles[0], signedBy(new uint256[](0)));
        refuse(
            abi.encodeWithSelector(IInputVerifier.SignatureThresholdNotReached.selector, QUORUM - 1),
            handles[0],
            signedBy(keys(COPROCESSOR_KEYS, QUORUM - 1))
        );
    }

    function test_a_stranger_among_the_signers_is_named() public {
        uint256[] memory signers = keys(COPROCESSOR_KEYS, QUORUM);
        signers[1] = STRANGER_KEY;
        refuse(abi.encodeWithSelector(IInputVerifier.InvalidSigner.selector, vm.addr(STRANGER_KEY)), handles[0], signedBy(signers));
    }

    function test_what_was_signed_is_what_is_proven() public {
        bytes32 digest = inputDigest(handles, ALICE, BOB, DEV_CHAIN + 1, hex"00");
        vm.expectRevert();
        verify(handles[0], inputProofOf(handles, digest, keys(COPROCESSOR_KEYS, QUORUM), hex"00"));
        digest = inputDigest(handles, ALICE, BOB, DEV_CHAIN, hex"00");
        vm.expectRevert();
        verify(handles[0], inputProofOf(handles, digest, keys(COPROCESSOR_KEYS, QUORUM), hex"01"));
        bytes32[] memory others = handles;
        others[1] = inputHandle(7, 1, Handles.BOOL);
        vm.expectRevert();
        verify(handles[0], inputProofOf(others, digest, keys(COPROCESSOR_KEYS, QUORUM), hex"00"));
    }

    function test_the_committee_does_not_prove_inputs() public {
        refuse(
            abi.encodeWithSelector(IInputVerifier.InvalidSigner.selector, vm.addr(NODE_KEYS)), handles[0], signedBy(keys(NODE_KEYS, QUORUM))
        );
    }

    function test_the_twin_of_a_signature_is_refused() public {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(COPROCESSOR_KEYS, inputDigest(handles, ALICE, BOB, DEV_CHAIN, hex"00"));
        bytes32 high = bytes32(GROUP_ORDER - uint256(s));
        bytes memory proof = abi.encodePacked(uint8(3), uint8(QUORUM), handles, r, high, 55 - v, new bytes(130), hex"00");
        refuse(abi.encodeWithSelector(Quorum.ECDSAInvalidSignatureS.selector, high), handles[0], proof);
    }

    function test_the_domain_is_the_gateways() public view {
        (bytes1 fields, string memory name, string memory version, uint256 chain, address place, bytes32 salt, uint256[] memory more) =
            inputs.eip712Domain();
        vm.assertTrue(fields == 0x0f && salt == 0 && more.length == 0);
        vm.assertEq(name, "InputVerification");
        vm.assertEq(version, "1");
        vm.assertEq(chain, GATEWAY_CHAIN);
        vm.assertEq(place, INPUT_VERIFICATION);
        vm.assertEq(inputs.getCoprocessorSigners(), addresses(COPROCESSOR_KEYS, COPROCESSORS));
        vm.assertEq(inputs.getThreshold(), QUORUM);
        vm.assertTrue(inputs.isSigner(vm.addr(COPROCESSOR_KEYS + 3)));
        vm.assertFalse(inputs.isSigner(vm.addr(STRANGER_KEY)));
    }

    function testFuzz_a_quorum_overlaps_in_an_honest_member_and_is_reachable(uint256 count, uint256 threshold) public {
        count %= 20;
        threshold %= 22;
        uint256 liars = count == 0 ? 0 : (count - 1) / 3;
        bool sound = count > 0 && 2 * threshold > count + liars && threshold + liars <= count;
        address[] memory signers = addresses(COPROCESSOR_KEYS, count);
        if (!sound) vm.expectRevert(abi.encodeWithSelector(IInputVerifier.CoprocessorQuorumInvalid.selector, count, threshold));
        new InputVerifier(signers, threshold, GATEWAY_CHAIN, INPUT_VERIFICATION);
    }

    function test_one_coprocessor_alone_is_for_development() public {
        address[] memory signers = addresses(COPROCESSOR_KEYS, 1);
        new InputVerifier(signers, 1, GATEWAY_CHAIN, INPUT_VERIFICATION);
        vm.chainId(1);
        vm.expectRevert(abi.encodeWithSelector(IInputVerifier.CoprocessorQuorumInvalid.selector, 1, 1));
        new InputVerifier(signers, 1, GATEWAY_CHAIN, INPUT_VERIFICATION);
    }

    function test_a_set_has_no_duplicate_and_no_zero() public {
        address[] memory signers = addresses(COPROCESSOR_KEYS, 4);
        signers[3] = signers[1];
        vm.expectRevert(abi.encodeWithSelector(SignerSet.SignerDuplicate.selector, signers[1]));
        new InputVerifier(signers, 3, GATEWAY_CHAIN, INPUT_VERIFICATION);
        signers[3] = address(0);
        vm.expectRevert(abi.encodeWithSelector(SignerSet.SignerNull.selector, 3));
        new InputVerifier(signers, 3, GATEWAY_CHAIN, INPUT_VERIFICATION);
    }
}
