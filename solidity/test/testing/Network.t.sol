// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {externalEuint64} from "@fhevm/solidity/lib/FHE.sol";

import {DecryptionProbe} from "../../examples/DecryptionProbe.sol";
import {IDecryptionOracle} from "../../src/interfaces/IDecryptionOracle.sol";
import {Handles} from "../../src/libraries/Handles.sol";
import {FhevmTest} from "../../testing/FhevmTest.sol";
import {PlainCoprocessor} from "../../testing/PlainCoprocessor.sol";
import {Vault} from "../dapp/Vault.sol";
import {Vm} from "../Vm.sol";

/// The network dApp authors test on refuses and answers as a real one. Every call is a transaction of its own.
/// forge-config: default.isolate = true
contract NetworkTest is FhevmTest {
    Vm private constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
    address private constant OWNER = address(0xA11CE);
    address private constant ALICE = address(0xA1);
    address private constant BOB = address(0xB2);

    Vault private vault;
    DecryptionProbe private probe;
    uint256[] private first;
    /// Made before the test starts.
    bytes32 private kept;

    function setUp() public {
        vm.roll(1000);
        vm.warp(1_800_000_000);
        startFhevm(4, OWNER);
        vault = new Vault();
        probe = new DecryptionProbe(address(fhevm.oracle), address(fhevm.acl));
        first.push(0);
        kept = new Vault().put(77);
    }

    // What internal functions refuse is caught from outside.

    function read(bytes32 handle, address user) external returns (uint256) {
        return userDecrypt(handle, user, address(vault));
    }

    function readFor(bytes32 handle, address delegate, address delegator) external returns (uint256) {
        return delegatedUserDecrypt(handle, delegate, delegator, address(vault));
    }

    function reveal(bytes32 handle) external returns (uint256 value, bytes memory proof) {
        return publicDecrypt(handle);
    }

    function revealAll(bytes32[] calldata handles) external returns (bytes memory cleartexts) {
        (cleartexts,) = publicDecrypt(handles);
    }

    function test_an_input_is_computed_on_and_read_by_whom_it_was_shared_with() public {
        (externalEuint64 input, bytes memory proof) = encryptUint64(41, ALICE, address(vault));
        vm.prank(ALICE);
        bytes32 handle = vault.putFrom(input, proof);
        vm.expectRevert(abi.encodeWithSelector(NotReadable.selector, handle, ALICE));
        this.read(handle, ALICE);
        vault.share(ALICE);
        vm.assertEq(this.read(handle, ALICE), 41);
        vm.expectRevert(abi.encodeWithSelector(NotReadable.selector, handle, BOB));
        this.read(handle, BOB);
    }

    function test_a_value_the_contract_may_not_use_is_not_read_through_it() public {
        Vault other = new Vault();
        bytes32 handle = other.put(5);
        other.share(ALICE);
        vm.expectRevert(abi.encodeWithSelector(NotReadable.selector, handle, address(vault)));
        this.read(handle, ALICE);
    }

    function test_a_delegate_reads_until_the_term_ends() public {
        bytes32 handle = vault.put(5);
        vault.share(ALICE);
        vm.prank(ALICE);
        fhevm.acl.delegateForUserDecryption(BOB, address(vault), uint64(block.timestamp + 1 days));
        vm.assertEq(this.readFor(handle, BOB, ALICE), 5);
        vm.warp(block.timestamp + 1 days);
        vm.expectRevert(abi.encodeWithSelector(NotReadable.selector, handle, BOB));
        this.readFor(handle, BOB, ALICE);
    }

    function test_only_what_was_made_public_is_revealed_with_the_committees_proof() public {
        bytes32 handle = vault.put(5);
        vm.expectRevert(abi.encodeWithSelector(NotPublic.selector, handle));
        this.reveal(handle);
        vault.publish();
        (uint256 value, bytes memory proof) = publicDecrypt(handle);
        vm.assertEq(value, 5);
        bytes32[] memory handles = new bytes32[](1);
        handles[0] = handle;
        vault.accept(handles, abi.encode(value), proof);
        vm.assertTrue(vault.isValid(handles, abi.encode(value), proof));
        vm.expectRevert();
        vault.accept(handles, abi.encode(value + 1), proof);
    }

    function test_a_request_to_the_oracle_is_answered_once() public {
        probe.makeUint64(42);
        uint256 requestId = probe.ask(first, 200_000);
        vm.assertEq(answerRequests(), 1);
        vm.assertEq(probe.cleartexts(requestId), abi.encode(42));
        vm.assertEq(answerRequests(), 0);
        vm.assertEq(uint256(fhevm.oracle.getRequest(requestId).state), uint256(IDecryptionOracle.State.Done));
    }

    function test_requests_are_answered_in_order() public {
        probe.makeUint64(1);
        probe.makeUint64(2);
        probe.ask(first, 200_000);
        uint256[] memory second = new uint256[](1);
        second[0] = 1;
        uint256 last = probe.ask(second, 200_000);
        vm.assertEq(answerRequests(), 2);
        vm.assertEq(probe.lastDelivered(), last);
    }

    function test_a_paused_network_answers_nothing() public {
        bytes32 handle = vault.put(5);
        vault.publish();
        vm.prank(OWNER);
        fhevm.acl.pause();
        vm.expectRevert(abi.encodeWithSelector(NetworkPaused.selector));
        this.reveal(handle);
    }

    function test_more_bits_than_nodes_take_are_refused() public {
        bytes32 handle = vault.put(5);
        vault.publish();
        bytes32[] memory handles = new bytes32[](33);
        for (uint256 i = 0; i < handles.length; ++i) {
            handles[i] = handle;
        }
        vm.expectRevert(abi.encodeWithSelector(TooManyBits.selector, 33 * 64, 2048));
        this.revealAll(handles);
    }

    function test_a_value_whose_making_was_not_seen_has_no_plaintext_and_harms_no_other() public {
        bytes32 unseen = vault.put(5);
        vm.getRecordedLogs();
        vault.share(ALICE);
        vault.increase(unseen);
        vm.expectRevert(abi.encodeWithSelector(PlainCoprocessor.PlaintextUnknown.selector, unseen));
        this.read(unseen, ALICE);
        bytes32 seen = vault.put(6);
        vault.share(ALICE);
        vm.assertEq(this.read(seen, ALICE), 6);
    }

    function testFuzz_every_run_starts_with_what_set_up_made(uint64 value) public {
        (externalEuint64 input, bytes memory proof) = encryptUint64(value, ALICE, address(vault));
        vm.prank(ALICE);
        vault.putFrom(input, proof);
        vm.assertEq(peek(kept), 77);
        vm.assertEq(peek(vault.handle()), value);
    }

    function test_lists_of_an_input_are_of_one_length() public {
        vm.expectRevert(abi.encodeWithSelector(ListsDiffer.selector, 1, 2));
        this.encryptLists(new uint8[](1), new uint256[](2));
    }

    function encryptLists(uint8[] calldata kinds, uint256[] calldata values) external {
        encryptAll(kinds, values, ALICE, address(vault));
    }
}

contract CommitteeSizesTest is FhevmTest {
    Vm private constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    function check(uint256 size, uint256 quorum) private {
        startFhevm(size, address(0xA11CE));
        Vault vault = new Vault();
        bytes32 handle = vault.put(5);
        vault.publish();
        (, bytes memory proof) = publicDecrypt(handle);
        vm.assertEq(proof.length, 1 + 65 * quorum);
        vm.assertEq(fhevm.kmsVerifier.getThreshold(), quorum);
    }

    function test_one_node_signs_alone() public {
        check(1, 1);
    }

    function test_three_of_four_sign() public {
        check(4, 3);
    }

    function test_five_of_seven_sign() public {
        check(7, 5);
    }

    function test_seven_of_ten_sign() public {
        check(10, 7);
    }

    function test_nine_of_thirteen_sign() public {
        check(13, 9);
    }
}
