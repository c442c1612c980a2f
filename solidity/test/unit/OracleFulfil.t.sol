// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IDecryptionOracle} from "../../src/interfaces/IDecryptionOracle.sol";
import {IKMSVerifier} from "../../src/interfaces/IKMSVerifier.sol";
import {OracleBase} from "../OracleBase.t.sol";

contract OracleFulfilTest is OracleBase {
    uint256 private requestId;
    bytes private cleartexts;
    bytes private proof;

    function setUp() public override {
        super.setUp();
        requestId = askOne(ALICE);
        (cleartexts, proof) = answer(requestId, 7);
    }

    function refuse(bytes memory reason, bytes memory words, bytes memory evidence) private {
        vm.expectRevert(reason);
        oracle.fulfil(requestId, words, evidence);
        assertState(requestId, IDecryptionOracle.State.Pending);
    }

    function testFuzz_anyone_delivers_once(address anyone) public {
        vm.expectEmit(address(oracle));
        emit IDecryptionOracle.DecryptionFulfilled(requestId, cleartexts, proof, true);
        vm.prank(anyone);
        oracle.fulfil(requestId, cleartexts, proof);
        assertState(requestId, IDecryptionOracle.State.Done);

        bytes memory reason = abi.encodeWithSelector(IDecryptionOracle.RequestNotPending.selector, requestId, IDecryptionOracle.State.Done);
        vm.expectRevert(reason);
        oracle.fulfil(requestId, cleartexts, proof);
        reason = abi.encodeWithSelector(IDecryptionOracle.CallbackNotFailed.selector, requestId, IDecryptionOracle.State.Done);
        vm.expectRevert(reason);
        oracle.retryCallback(requestId, cleartexts, proof);
    }

    function testFuzz_an_unknown_request_is_not_answered(uint256 other) public {
        vm.assume(other != requestId);
        bytes memory reason = abi.encodeWithSelector(IDecryptionOracle.RequestUnknown.selector, other);
        vm.expectRevert(reason);
        oracle.fulfil(other, cleartexts, proof);
        vm.expectRevert(reason);
        oracle.retryCallback(other, cleartexts, proof);
        vm.expectRevert(reason);
        oracle.getExtraData(other);
        assertState(other, IDecryptionOracle.State.Unknown);
    }

    function testFuzz_another_value_is_not_delivered(uint256 word) public {
        vm.assume(word != 7);
        vm.expectRevert();
        oracle.fulfil(requestId, abi.encode(word), proof);
    }

    function testFuzz_cleartexts_are_one_word_a_handle(uint8 length) public {
        vm.assume(length != 32);
        bytes memory words = new bytes(length);
        bytes32[] memory handles = oracle.getRequest(requestId).handles;
        bytes memory signed = decryptionProof(handles, words, oracle.getExtraData(requestId), QUORUM);
        refuse(abi.encodeWithSelector(IDecryptionOracle.CleartextsLengthInvalid.selector, uint256(length), 32), words, signed);
    }

    function test_an_answer_to_another_request_is_not_delivered() public {
        uint256 other = askOne(BOB);
        (bytes memory words, bytes memory evidence) = answer(other, 7);
        vm.assertNotEq(keccak256(abi.encode(oracle.getRequest(other).handles)), bytes32(0));
        vm.roll(block.number + 1);
        uint256 third = askOne(CAROL);
        (words, evidence) = answer(third, 7);
        vm.expectRevert();
        oracle.fulfil(requestId, words, evidence);
    }

    function test_too_few_or_repeated_signatures_deliver_nothing() public {
        bytes32[] memory handles = oracle.getRequest(requestId).handles;
        bytes memory extra = oracle.getExtraData(requestId);
        bytes memory few = decryptionProof(handles, cleartexts, extra, QUORUM - 1);
        refuse(abi.encodeWithSelector(IKMSVerifier.KMSSignatureThresholdNotReached.selector, QUORUM - 1), cleartexts, few);
        uint256[] memory signers = keys(NODE_KEYS, QUORUM);
        signers[2] = signers[1];
        bytes memory repeated = proofOf(decryptionDigest(handles, cleartexts, extra), signers, extra);
        refuse(abi.encodeWithSelector(IDecryptionOracle.ProofRejected.selector, requestId), cleartexts, repeated);
    }

    function test_malformed_proofs_are_refused_by_the_verifiers_own_errors() public {
        refuse(abi.encodeWithSelector(IKMSVerifier.EmptyDecryptionProof.selector), cleartexts, "");
        refuse(abi.encodeWithSelector(IKMSVerifier.DeserializingDecryptionProofFail.selector), cleartexts, hex"03aabb");
        refuse(abi.encodeWithSelector(IKMSVerifier.UnsupportedExtraDataVersion.selector, 2), cleartexts, hex"0002");
    }

    function test_a_proof_of_the_current_context_without_its_name_is_as_good() public {
        bytes memory unnamed = decryptionProof(oracle.getRequest(requestId).handles, cleartexts, "", QUORUM);
        oracle.fulfil(requestId, cleartexts, unnamed);
        assertState(requestId, IDecryptionOracle.State.Done);
    }

    function test_whoever_delivers_brings_enough_gas_or_nothing_happens() public {
        // Enough for all the checks, not for the callback after the 63/64 rule.
        uint256 starving = uint256(CALLBACK_GAS) + 100_000;
        (bool ok, bytes memory reason) =
            address(oracle).call{gas: starving}(abi.encodeCall(IDecryptionOracle.fulfil, (requestId, cleartexts, proof)));
        vm.assertFalse(ok);
        vm.assertTrue(bytes4(reason) == IDecryptionOracle.GasTooLow.selector);
        assertState(requestId, IDecryptionOracle.State.Pending);
    }
}
