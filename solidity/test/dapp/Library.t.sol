// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {externalEbool, externalEuint64, FHE} from "@fhevm/solidity/lib/FHE.sol";

import {DecryptionProbe} from "../../examples/DecryptionProbe.sol";
import {IKMSVerifier} from "../../src/interfaces/IKMSVerifier.sol";
import {Handles} from "../../src/libraries/Handles.sol";
import {OracleBase} from "../OracleBase.t.sol";
import {LibraryTour} from "./LibraryTour.sol";

/// A contract that imports the unmodified library finds everything it calls.
contract LibraryTest is OracleBase {
    DecryptionProbe private probe;
    uint256[] private first;

    function setUp() public override {
        super.setUp();
        probe = new DecryptionProbe(address(oracle), ACL_ADDRESS);
        first.push(0);
    }

    function published(bytes memory extra) private returns (bytes memory words, bytes memory proof) {
        probe.makeUint64(42);
        probe.publish(first);
        words = abi.encode(uint64(42));
        proof = decryptionProof(one(probe.made(0)), words, extra, QUORUM);
    }

    function test_values_are_made_allowed_and_published() public {
        probe.makeUint64(42);
        bytes32 handle = probe.made(0);
        vm.assertEq(Handles.typeOf(handle), Handles.UINT64);
        vm.assertTrue(acl.persistAllowed(handle, address(probe)));
        probe.allowUser(0, ALICE);
        vm.assertTrue(acl.persistAllowed(handle, ALICE));
        vm.assertFalse(acl.isAllowedForDecryption(handle));
        probe.publish(first);
        vm.assertTrue(acl.isAllowedForDecryption(handle));
    }

    function test_every_maker_of_the_probe_works() public {
        probe.makeBool(true);
        probe.makeUint8(1);
        probe.makeUint16(1);
        probe.makeUint32(1);
        probe.makeAddress(ALICE);
        probe.makeRandomUint8();
        probe.makeRandomUint64(0);
        probe.makeRandomUint64(16);
        probe.computeUint64(3, 4);
        probe.computeUint8(3, 4);
        vm.assertEq(probe.count(), 18);
    }

    function test_signatures_are_checked_by_the_library() public {
        (bytes memory words, bytes memory proof) = published("");
        probe.check(first, words, proof);
        vm.assertTrue(probe.isValid(first, words, proof));
        (words, proof) = (words, decryptionProof(one(probe.made(0)), words, abi.encodePacked(uint8(1), FIRST_CONTEXT), QUORUM));
        probe.check(first, words, proof);
        vm.assertTrue(probe.isValid(first, words, proof), "the view reads the context through the verifier");
    }

    function test_a_forged_result_is_refused_by_both_ways() public {
        (, bytes memory proof) = published("");
        vm.expectRevert();
        probe.check(first, abi.encode(uint64(43)), proof);
        vm.expectRevert();
        probe.isValid(first, abi.encode(uint64(43)), proof);
    }

    function test_repeated_signatures_are_refused_by_the_library() public {
        (bytes memory words,) = published("");
        uint256[] memory signers = keys(NODE_KEYS, QUORUM);
        signers[0] = signers[1];
        bytes memory proof = proofOf(decryptionDigest(one(probe.made(0)), words, ""), signers, "");
        vm.expectRevert(abi.encodeWithSelector(FHE.InvalidKMSSignatures.selector));
        probe.check(first, words, proof);
    }

    function test_too_few_signatures_are_named_by_the_verifiers_error() public {
        (bytes memory words,) = published("");
        bytes memory proof = decryptionProof(one(probe.made(0)), words, "", QUORUM - 1);
        vm.expectRevert(abi.encodeWithSelector(IKMSVerifier.KMSSignatureThresholdNotReached.selector, QUORUM - 1));
        probe.check(first, words, proof);
    }

    function test_an_encrypted_input_enters_with_its_proof() public {
        bytes32[] memory handles = new bytes32[](2);
        handles[0] = inputHandle(1, 0, Handles.UINT64);
        handles[1] = inputHandle(2, 1, Handles.BOOL);
        bytes memory proof = inputProof(handles, ALICE, address(probe), QUORUM);
        vm.startPrank(ALICE);
        probe.makeUint64From(externalEuint64.wrap(handles[0]), proof);
        probe.makeBoolFrom(externalEbool.wrap(handles[1]), proof);
        vm.assertEq(probe.made(0), handles[0]);
        vm.assertTrue(acl.allowedTransient(handles[0], ALICE), "the library gives the sender the value for the transaction");
    }

    function test_an_input_of_another_user_or_contract_does_not_enter() public {
        bytes32[] memory handles = one(inputHandle(1, 0, Handles.UINT64));
        bytes memory proof = inputProof(handles, ALICE, address(probe), QUORUM);
        vm.expectRevert();
        vm.prank(BOB);
        probe.makeUint64From(externalEuint64.wrap(handles[0]), proof);
        proof = inputProof(handles, ALICE, BOB, QUORUM);
        vm.expectRevert();
        vm.prank(ALICE);
        probe.makeUint64From(externalEuint64.wrap(handles[0]), proof);
    }

    function test_a_handle_enters_without_proof_if_its_sender_may_use_it() public {
        bytes32 handle = owned(ALICE, 5, Handles.UINT64);
        vm.expectRevert(abi.encodeWithSelector(FHE.SenderNotAllowedToUseHandle.selector, handle, BOB));
        vm.prank(BOB);
        probe.makeUint64From(externalEuint64.wrap(handle), "");
        vm.startPrank(ALICE);
        acl.allowTransient(handle, address(probe));
        probe.makeUint64From(externalEuint64.wrap(handle), "");
        vm.assertEq(probe.made(0), handle);
    }

    function test_the_probe_is_called_back_once() public {
        probe.makeUint64(42);
        uint256 requestId = probe.ask(first, 200_000);
        (bytes memory words, bytes memory proof) = answer(requestId, 42);
        oracle.fulfil(requestId, words, proof);
        vm.assertEq(probe.cleartexts(requestId), words);
        vm.assertEq(probe.deliveries(requestId), 1);
        vm.assertEq(probe.lastDelivered(), requestId);
    }

    function test_the_probe_does_not_get_what_it_may_not_see() public {
        bytes32 handle = owned(ALICE, 5, Handles.UINT64);
        vm.expectRevert();
        probe.askHandles(one(handle), 200_000);
    }

    function test_the_rest_of_the_library_finds_its_counterparts() public {
        LibraryTour tour = new LibraryTour();
        tour.everyOperation();
        tour.collections();
        tour.permissions(ALICE);
        tour.delegations(BOB, CAROL);
        vm.roll(block.number + 1);
        tour.takeBack(BOB, CAROL);
        vm.assertEq(tour.confidentialProtocolId(), type(uint256).max);
    }
}
