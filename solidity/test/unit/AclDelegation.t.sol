// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IACL} from "../../src/interfaces/IACL.sol";
import {Handles} from "../../src/libraries/Handles.sol";
import {Base} from "../Base.t.sol";

contract AclDelegationTest is Base {
    address private constant APP = address(0xA99);
    address private constant WILDCARD = address(type(uint160).max);
    bytes32 private handle;
    uint64 private expiry;

    function setUp() public override {
        super.setUp();
        expiry = uint64(block.timestamp + 1 days);
        handle = owned(ALICE, 7, Handles.UINT64);
        vm.prank(ALICE);
        acl.allow(handle, APP);
    }

    function delegate(address to, address app, uint64 until) private {
        vm.prank(ALICE);
        acl.delegateForUserDecryption(to, app, until);
    }

    function refuse(bytes memory reason, address to, address app, uint64 until) private {
        vm.expectRevert(reason);
        delegate(to, app, until);
    }

    function test_a_delegation_holds_until_it_expires() public {
        vm.expectEmit(ACL_ADDRESS);
        emit IACL.DelegatedForUserDecryption(ALICE, BOB, APP, 1, 0, expiry);
        delegate(BOB, APP, expiry);
        vm.assertEq(acl.getUserDecryptionDelegationExpirationDate(ALICE, BOB, APP), expiry);
        vm.assertTrue(acl.isHandleDelegatedForUserDecryption(ALICE, BOB, APP, handle));
        vm.warp(expiry - 1);
        vm.assertTrue(acl.isHandleDelegatedForUserDecryption(ALICE, BOB, APP, handle));
        vm.warp(expiry);
        vm.assertFalse(acl.isHandleDelegatedForUserDecryption(ALICE, BOB, APP, handle));
    }

    function test_a_delegation_for_all_contracts_covers_each() public {
        delegate(BOB, WILDCARD, type(uint64).max);
        vm.assertTrue(acl.isHandleDelegatedForUserDecryption(ALICE, BOB, APP, handle));
        vm.assertFalse(acl.isHandleDelegatedForUserDecryption(ALICE, BOB, CAROL, handle), "the contract needs the grant itself");
        vm.assertFalse(acl.isHandleDelegatedForUserDecryption(ALICE, CAROL, APP, handle), "another delegate has nothing");
    }

    function test_a_delegation_is_worth_nothing_without_the_grants() public {
        bytes32 foreign = owned(CAROL, 8, Handles.UINT8);
        delegate(BOB, APP, expiry);
        vm.assertFalse(acl.isHandleDelegatedForUserDecryption(ALICE, BOB, APP, foreign));
        vm.prank(CAROL);
        acl.allow(foreign, APP);
        vm.assertFalse(acl.isHandleDelegatedForUserDecryption(ALICE, BOB, APP, foreign));
    }

    function test_a_delegation_is_taken_back() public {
        delegate(BOB, APP, expiry);
        vm.roll(block.number + 1);
        vm.expectEmit(ACL_ADDRESS);
        emit IACL.RevokedDelegationForUserDecryption(ALICE, BOB, APP, 2, expiry);
        vm.prank(ALICE);
        acl.revokeDelegationForUserDecryption(BOB, APP);
        vm.assertFalse(acl.isHandleDelegatedForUserDecryption(ALICE, BOB, APP, handle));
    }

    function test_what_was_not_given_is_not_taken_back() public {
        vm.expectRevert(abi.encodeWithSelector(IACL.NotDelegatedYet.selector, ALICE, BOB, APP));
        vm.prank(ALICE);
        acl.revokeDelegationForUserDecryption(BOB, APP);
    }

    function test_one_change_a_block() public {
        delegate(BOB, APP, expiry);
        bytes memory reason = abi.encodeWithSelector(IACL.AlreadyDelegatedOrRevokedInSameBlock.selector, ALICE, BOB, APP, block.number);
        refuse(reason, BOB, APP, expiry + 1);
        vm.expectRevert(reason);
        vm.prank(ALICE);
        acl.revokeDelegationForUserDecryption(BOB, APP);
        delegate(CAROL, APP, expiry);
    }

    function test_roles_must_differ() public {
        refuse(abi.encodeWithSelector(IACL.SenderCannotBeContractAddress.selector, ALICE), BOB, ALICE, expiry);
        refuse(abi.encodeWithSelector(IACL.SenderCannotBeDelegate.selector, ALICE), ALICE, APP, expiry);
        refuse(abi.encodeWithSelector(IACL.DelegateCannotBeContractAddress.selector, APP), APP, APP, expiry);
        refuse(abi.encodeWithSelector(IACL.DelegateCannotBeWildcard.selector, WILDCARD), WILDCARD, APP, expiry);
    }

    function testFuzz_an_expiry_lies_ahead(uint64 until) public {
        until = uint64(until % (block.timestamp + 1));
        refuse(abi.encodeWithSelector(IACL.ExpirationDateInThePast.selector), BOB, APP, until);
    }

    function test_an_expiry_changes_or_is_refused() public {
        delegate(BOB, APP, expiry);
        vm.roll(block.number + 1);
        refuse(abi.encodeWithSelector(IACL.ExpirationDateAlreadySetToSameValue.selector, ALICE, BOB, APP, expiry), BOB, APP, expiry);
        vm.expectEmit(ACL_ADDRESS);
        emit IACL.DelegatedForUserDecryption(ALICE, BOB, APP, 2, expiry, expiry + 1);
        delegate(BOB, APP, expiry + 1);
    }

    function test_many_delegations_in_one_call() public {
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(IACL.delegateForUserDecryption, (BOB, APP, expiry));
        calls[1] = abi.encodeCall(IACL.delegateForUserDecryption, (CAROL, APP, expiry));
        vm.prank(ALICE);
        acl.multicall(calls);
        vm.assertEq(acl.getUserDecryptionDelegationExpirationDate(ALICE, CAROL, APP), expiry);
    }

    function test_permits_are_voided_forwards_only() public {
        vm.startPrank(ALICE);
        uint256 past = block.timestamp - 100;
        vm.expectEmit(ACL_ADDRESS);
        emit IACL.DecryptionSignaturesInvalidated(ALICE, past);
        acl.invalidateDecryptionSignaturesBefore(past);
        vm.assertEq(acl.decryptionSignatureInvalidatedBefore(ALICE), past);
        vm.assertEq(acl.decryptionSignatureInvalidatedBefore(BOB), 0);
        vm.expectRevert(abi.encodeWithSelector(IACL.InvalidationNotLater.selector, past, past));
        acl.invalidateDecryptionSignaturesBefore(past);
        uint256 future = block.timestamp + 1;
        vm.expectRevert(abi.encodeWithSelector(IACL.InvalidationInTheFuture.selector, future, block.timestamp));
        acl.invalidateDecryptionSignaturesBefore(future);
    }
}
