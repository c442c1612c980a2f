// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IACL} from "../../src/interfaces/IACL.sol";
import {Handles} from "../../src/libraries/Handles.sol";
import {Base} from "../Base.t.sol";

contract AclGrantsTest is Base {
    bytes32 private handle;

    function setUp() public override {
        super.setUp();
        handle = owned(ALICE, 7, Handles.UINT64);
    }

    function test_contracts_stand_where_the_library_expects_them() public view {
        vm.assertEq(address(acl), ACL_ADDRESS);
        vm.assertEq(address(executor), EXECUTOR_ADDRESS);
        vm.assertEq(address(kms), KMS_VERIFIER_ADDRESS);
        vm.assertEq(address(inputs), INPUT_VERIFIER_ADDRESS);
        vm.assertEq(executor.getInputVerifierAddress(), INPUT_VERIFIER_ADDRESS);
        vm.assertEq(executor.getACLAddress(), ACL_ADDRESS);
        vm.assertEq(acl.getFHEVMExecutorAddress(), EXECUTOR_ADDRESS);
    }

    function testFuzz_only_an_allowed_account_grants(address stranger, address friend) public {
        vm.assume(stranger != ALICE && stranger != friend);
        vm.expectRevert(abi.encodeWithSelector(IACL.SenderNotAllowed.selector, stranger));
        vm.prank(stranger);
        acl.allow(handle, friend);

        vm.expectEmit(ACL_ADDRESS);
        emit IACL.Allowed(ALICE, friend, handle);
        vm.prank(ALICE);
        acl.allow(handle, friend);
        vm.assertTrue(acl.persistAllowed(handle, friend));
        vm.assertTrue(acl.isAllowed(handle, friend));
        vm.assertFalse(acl.allowedTransient(handle, friend));
    }

    function test_a_repeated_grant_is_announced_again() public {
        vm.startPrank(ALICE);
        acl.allow(handle, BOB);
        vm.expectEmit(ACL_ADDRESS);
        emit IACL.Allowed(ALICE, BOB, handle);
        acl.allow(handle, BOB);
    }

    function test_a_transient_grant_is_no_persistent_one() public {
        vm.prank(ALICE);
        acl.allowTransient(handle, BOB);
        vm.assertTrue(acl.isAllowed(handle, BOB));
        vm.assertTrue(acl.allowedTransient(handle, BOB));
        vm.assertFalse(acl.persistAllowed(handle, BOB));
        vm.assertFalse(acl.isAllowed(handle, CAROL));
    }

    function test_a_transient_grant_can_be_made_persistent_by_who_has_it() public {
        vm.prank(ALICE);
        acl.allowTransient(handle, BOB);
        vm.prank(BOB);
        acl.allow(handle, CAROL);
        vm.assertTrue(acl.persistAllowed(handle, CAROL));
    }

    function testFuzz_a_stranger_grants_no_transient_permission(address stranger) public {
        vm.assume(stranger != ALICE && stranger != EXECUTOR_ADDRESS);
        vm.expectRevert(abi.encodeWithSelector(IACL.SenderNotAllowed.selector, stranger));
        vm.prank(stranger);
        acl.allowTransient(handle, stranger);
    }

    function test_the_executor_grants_transiently_and_only_so() public {
        bytes32 other = inputHandle(1, 0, Handles.UINT8);
        vm.startPrank(EXECUTOR_ADDRESS);
        acl.allowTransient(other, BOB);
        vm.assertTrue(acl.isAllowed(other, BOB));
        vm.expectRevert(abi.encodeWithSelector(IACL.SenderNotAllowed.selector, EXECUTOR_ADDRESS));
        acl.allow(other, BOB);
    }

    function test_cleaning_forgets_all_transient_grants_and_no_other() public {
        vm.startPrank(ALICE);
        acl.allowTransient(handle, BOB);
        acl.allowTransient(handle, CAROL);
        acl.cleanTransientStorage();
        vm.assertFalse(acl.isAllowed(handle, BOB));
        vm.assertFalse(acl.isAllowed(handle, CAROL));
        vm.assertTrue(acl.isAllowed(handle, ALICE));
        acl.allowTransient(handle, BOB);
        vm.assertTrue(acl.isAllowed(handle, BOB));
    }

    function test_a_list_is_published_with_one_event() public {
        bytes32[] memory list = new bytes32[](2);
        list[0] = handle;
        list[1] = fresh(ALICE, 8, Handles.BOOL);
        vm.expectEmit(ACL_ADDRESS);
        emit IACL.AllowedForDecryption(ALICE, list);
        vm.prank(ALICE);
        acl.allowForDecryption(list);
        vm.assertTrue(acl.isAllowedForDecryption(list[0]));
        vm.assertTrue(acl.isAllowedForDecryption(list[1]));
    }

    function test_an_empty_list_is_not_published() public {
        vm.expectRevert(abi.encodeWithSelector(IACL.HandlesListIsEmpty.selector));
        vm.prank(ALICE);
        acl.allowForDecryption(new bytes32[](0));
    }

    function test_one_foreign_handle_spoils_the_list() public {
        bytes32[] memory list = new bytes32[](2);
        list[0] = handle;
        list[1] = fresh(BOB, 8, Handles.BOOL);
        vm.expectRevert(abi.encodeWithSelector(IACL.SenderNotAllowed.selector, ALICE));
        vm.prank(ALICE);
        acl.allowForDecryption(list);
        vm.assertFalse(acl.isAllowedForDecryption(handle));
    }

    function test_a_grant_to_nobody_publishes_nothing() public {
        vm.prank(ALICE);
        acl.allow(handle, address(0));
        vm.assertFalse(acl.isAllowedForDecryption(handle));
    }

    function test_multicall_acts_for_its_caller() public {
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(IACL.allow, (handle, BOB));
        calls[1] = abi.encodeCall(IACL.allow, (handle, CAROL));
        vm.prank(ALICE);
        acl.multicall(calls);
        vm.assertTrue(acl.persistAllowed(handle, BOB) && acl.persistAllowed(handle, CAROL));
    }

    function test_multicall_lends_no_rights() public {
        bytes[] memory calls = new bytes[](1);
        calls[0] = abi.encodeCall(IACL.allow, (handle, BOB));
        vm.expectRevert(abi.encodeWithSelector(IACL.SenderNotAllowed.selector, BOB));
        vm.prank(BOB);
        acl.multicall(calls);
    }
}
