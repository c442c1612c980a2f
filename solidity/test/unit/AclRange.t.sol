// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AclProofs} from "../../src/libraries/AclProofs.sol";
import {AclStorage} from "../../src/libraries/AclStorage.sol";
import {Handles} from "../../src/libraries/Handles.sol";
import {IACL} from "../../src/interfaces/IACL.sol";
import {Base} from "../Base.t.sol";

contract AclRangeTest is Base {
    bytes32 private handle;

    function setUp() public override {
        super.setUp();
        handle = owned(ALICE, 7, Handles.UINT64);
    }

    function test_each_permanent_grant_is_one_leaf() public {
        vm.assertEq(acl.grantCount(), 1);
        vm.assertEq(acl.grantPeak(0), leaf(AclProofs.PERSISTENT, handle, ALICE));
        vm.startPrank(ALICE);
        acl.allow(handle, BOB);
        vm.assertEq(acl.grantCount(), 2);
        acl.allowForDecryption(one(handle));
        vm.assertEq(acl.grantCount(), 3);
        vm.assertEq(acl.grantPeak(0), leaf(AclProofs.PUBLIC, handle, address(0)));
    }

    function testFuzz_granting_again_appends_nothing(address account, uint8 times) public {
        vm.startPrank(ALICE);
        acl.allow(handle, account);
        acl.allowForDecryption(one(handle));
        (uint64 count, bytes32 peak) = (acl.grantCount(), acl.grantPeak(0));
        for (uint256 i = 0; i < times % 4 + 1; ++i) {
            acl.allow(handle, account);
            acl.allow(handle, ALICE);
            acl.allowForDecryption(one(handle));
        }
        vm.assertEq(acl.grantCount(), count);
        vm.assertEq(acl.grantPeak(0), peak);
    }

    function test_a_list_that_repeats_a_handle_appends_it_once() public {
        bytes32[] memory list = new bytes32[](3);
        (list[0], list[1], list[2]) = (handle, handle, handle);
        vm.startPrank(ALICE);
        acl.allowForDecryption(list);
        vm.assertEq(acl.grantCount(), 2);
    }

    function test_a_list_is_appended_in_its_order_without_what_was_public() public {
        bytes32[] memory list = new bytes32[](3);
        (list[0], list[1], list[2]) = (owned(ALICE, 1, Handles.BOOL), handle, owned(ALICE, 2, Handles.BOOL));
        vm.startPrank(ALICE);
        acl.allowForDecryption(one(handle));
        vm.assertEq(acl.grantCount(), 4);
        acl.allowForDecryption(list);
        vm.assertEq(acl.grantCount(), 6);
        vm.assertTrue(acl.isGrantProven(AclProofs.PUBLIC, list[0], address(0), 4, one(leaf(AclProofs.PUBLIC, list[2], address(0)))));
    }

    function test_a_transient_grant_and_a_refused_one_append_nothing() public {
        vm.prank(ALICE);
        acl.allowTransient(handle, BOB);
        vm.expectRevert(abi.encodeWithSelector(IACL.SenderNotAllowed.selector, CAROL));
        vm.prank(CAROL);
        acl.allow(handle, CAROL);
        vm.assertEq(acl.grantCount(), 1);
    }

    function test_pause_and_count_share_a_word_and_leave_each_other_alone() public {
        vm.prank(PAUSER);
        acl.pause();
        vm.assertEq(acl.grantCount(), 1);
        vm.assertEq(vm.load(ACL_ADDRESS, AclStorage.RANGE), bytes32(uint256(1) << 64 | 1));
        vm.prank(OWNER);
        acl.unpause();
        vm.prank(ALICE);
        acl.allow(handle, BOB);
        vm.assertFalse(acl.paused());
        vm.assertEq(vm.load(ACL_ADDRESS, AclStorage.RANGE), bytes32(uint256(2)));
    }

    function test_a_path_dies_when_its_peak_is_merged() public {
        vm.assertTrue(acl.isGrantProven(AclProofs.PERSISTENT, handle, ALICE, 0, new bytes32[](0)));
        vm.prank(ALICE);
        acl.allow(handle, BOB);
        vm.assertFalse(acl.isGrantProven(AclProofs.PERSISTENT, handle, ALICE, 0, new bytes32[](0)));
        vm.assertTrue(acl.isGrantProven(AclProofs.PERSISTENT, handle, ALICE, 0, one(leaf(AclProofs.PERSISTENT, handle, BOB))));
    }

    function test_a_grant_to_nobody_is_not_proven_public() public {
        vm.prank(ALICE);
        acl.allow(handle, address(0));
        bytes32[] memory path = one(leaf(AclProofs.PERSISTENT, handle, ALICE));
        vm.assertTrue(acl.isGrantProven(AclProofs.PERSISTENT, handle, address(0), 1, path));
        vm.assertFalse(acl.isGrantProven(AclProofs.PUBLIC, handle, address(0), 1, path));
    }

    function testFuzz_no_path_proves_what_was_not_granted(uint8 kind, address subject, uint64 index, bytes32[] calldata path) public view {
        vm.assume(subject != ALICE || kind != AclProofs.PERSISTENT);
        vm.assertFalse(acl.isGrantProven(kind, handle, subject, index, path));
        vm.assertFalse(acl.isGrantProven(kind, handle, subject, 0, path));
    }

    function leaf(uint8 kind, bytes32 what, address subject) private pure returns (bytes32) {
        return AclProofs.leafOf(AclProofs.Grant({kind: kind, handle: what, subject: subject}));
    }
}
