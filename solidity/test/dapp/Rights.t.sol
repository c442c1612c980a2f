// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ExecutorBase} from "../../src/ExecutorBase.sol";
import {IACL} from "../../src/interfaces/IACL.sol";
import {Base} from "../Base.t.sol";
import {Vault} from "./Vault.sol";

/// Who may use and read what, asked by contracts that use the library. Every call is a transaction of its own.
/// forge-config: default.isolate = true
contract RightsTest is Base {
    address private constant EVERY_APP = address(type(uint160).max);

    Vault private vault;
    Vault private other;
    bytes32 private handle;
    uint64 private tomorrow;

    function setUp() public override {
        super.setUp();
        (vault, other) = (new Vault(), new Vault());
        handle = vault.put(7);
        tomorrow = uint64(block.timestamp + 1 days);
    }

    /// The vault is the delegator; BOB reads for it through the app `other`.
    function mayRead() private view returns (bool) {
        return vault.mayReadFor(address(vault), BOB, address(other), handle);
    }

    function nextBlock() private {
        vm.roll(block.number + 1);
    }

    // Delegation

    function test_a_delegation_by_a_contract_needs_the_apps_right_and_ends() public {
        vault.delegate(BOB, address(other), tomorrow);
        vm.assertFalse(mayRead(), "the app has no right yet");
        vault.share(address(other));
        vm.assertTrue(mayRead());
        vm.assertEq(vault.expiryOf(address(vault), BOB, address(other)), tomorrow);
        vm.warp(tomorrow - 1);
        vm.assertTrue(mayRead());
        vm.warp(tomorrow);
        vm.assertFalse(mayRead(), "expired");
    }

    function test_a_delegation_for_every_app_reaches_each_and_survives_the_single_one() public {
        vault.share(address(other));
        vault.delegate(BOB, address(other), tomorrow);
        vault.delegateForEver(BOB, EVERY_APP);
        vm.assertEq(vault.expiryOf(address(vault), BOB, EVERY_APP), type(uint64).max);
        vm.warp(tomorrow + 10_000 days);
        vm.assertTrue(mayRead(), "the one for every app does not end");
        nextBlock();
        vault.revoke(BOB, EVERY_APP);
        vm.assertFalse(mayRead());
    }

    function test_delegations_are_given_and_taken_back_together() public {
        address[] memory apps = new address[](2);
        (apps[0], apps[1]) = (address(other), CAROL);
        vault.share(address(other));
        vault.delegateAll(BOB, apps, tomorrow);
        vm.assertTrue(mayRead());
        vm.assertEq(vault.expiryOf(address(vault), BOB, CAROL), tomorrow);
        nextBlock();
        vault.revokeAll(BOB, apps);
        vm.assertFalse(mayRead());
        vm.assertEq(vault.expiryOf(address(vault), BOB, CAROL), 0);
    }

    function test_what_a_delegation_may_not_be_is_named() public {
        uint256 here = block.number;
        vm.expectRevert(abi.encodeWithSelector(IACL.ExpirationDateInThePast.selector));
        vault.delegate(BOB, address(other), uint64(block.timestamp));
        vm.expectRevert(abi.encodeWithSelector(IACL.SenderCannotBeContractAddress.selector, address(vault)));
        vault.delegate(BOB, address(vault), tomorrow);
        vm.expectRevert(abi.encodeWithSelector(IACL.SenderCannotBeDelegate.selector, address(vault)));
        vault.delegate(address(vault), address(other), tomorrow);
        vm.expectRevert(abi.encodeWithSelector(IACL.DelegateCannotBeContractAddress.selector, BOB));
        vault.delegate(BOB, BOB, tomorrow);
        vm.expectRevert(abi.encodeWithSelector(IACL.DelegateCannotBeWildcard.selector, EVERY_APP));
        vault.delegate(EVERY_APP, address(other), tomorrow);
        vm.expectRevert(abi.encodeWithSelector(IACL.NotDelegatedYet.selector, address(vault), BOB, address(other)));
        vault.revoke(BOB, address(other));
        vault.delegate(BOB, address(other), tomorrow);
        bytes memory tooSoon =
            abi.encodeWithSelector(IACL.AlreadyDelegatedOrRevokedInSameBlock.selector, address(vault), BOB, address(other), here);
        vm.expectRevert(tooSoon);
        vault.revoke(BOB, address(other));
        nextBlock();
        vm.expectRevert(
            abi.encodeWithSelector(IACL.ExpirationDateAlreadySetToSameValue.selector, address(vault), BOB, address(other), tomorrow)
        );
        vault.delegate(BOB, address(other), tomorrow);
    }

    function test_a_delegation_announces_who_what_and_until_when() public {
        vm.expectEmit(ACL_ADDRESS);
        emit IACL.DelegatedForUserDecryption(address(vault), BOB, address(other), 1, 0, tomorrow);
        vault.delegate(BOB, address(other), tomorrow);
        nextBlock();
        vm.expectEmit(ACL_ADDRESS);
        emit IACL.DelegatedForUserDecryption(address(vault), BOB, address(other), 2, tomorrow, type(uint64).max);
        vault.delegateForEver(BOB, address(other));
        nextBlock();
        vm.expectEmit(ACL_ADDRESS);
        emit IACL.RevokedDelegationForUserDecryption(address(vault), BOB, address(other), 3, type(uint64).max);
        vault.revoke(BOB, address(other));
    }

    // Bundles

    function delegation(address to, address app) private view returns (bytes memory) {
        return abi.encodeCall(IACL.delegateForUserDecryption, (to, app, tomorrow));
    }

    function test_a_bundle_acts_as_its_sender() public {
        bytes[] memory calls = new bytes[](3);
        (calls[0], calls[1]) = (delegation(BOB, address(other)), delegation(CAROL, EVERY_APP));
        calls[2] = abi.encodeCall(IACL.isAllowed, (handle, address(vault)));
        bytes[] memory answers = vault.bundle(calls);
        vm.assertEq(vault.expiryOf(address(vault), BOB, address(other)), tomorrow);
        vm.assertEq(vault.expiryOf(address(vault), CAROL, EVERY_APP), tomorrow);
        vm.assertTrue(abi.decode(answers[2], (bool)));
    }

    function test_a_bundle_is_done_whole_or_not_at_all() public {
        bytes[] memory calls = new bytes[](2);
        (calls[0], calls[1]) = (delegation(BOB, address(other)), delegation(BOB, BOB));
        vm.expectRevert(abi.encodeWithSelector(IACL.DelegateCannotBeContractAddress.selector, BOB));
        vault.bundle(calls);
        vm.assertEq(vault.expiryOf(address(vault), BOB, address(other)), 0);
    }

    function test_a_bundle_gives_no_right_its_sender_lacks() public {
        bytes[] memory calls = new bytes[](1);
        calls[0] = abi.encodeCall(IACL.allow, (handle, address(other)));
        vm.expectRevert(abi.encodeWithSelector(IACL.SenderNotAllowed.selector, address(other)));
        other.bundle(calls);
    }

    // Deny list

    function test_a_denied_contract_grants_publishes_and_lends_nothing() public {
        vm.assertFalse(vault.isDenied(address(vault)));
        vm.prank(OWNER);
        acl.blockAccount(address(vault));
        vm.assertTrue(vault.isDenied(address(vault)));
        bytes memory denied = abi.encodeWithSelector(IACL.SenderDenied.selector, address(vault));
        vm.expectRevert(denied);
        vault.share(BOB);
        vm.expectRevert(denied);
        vault.publish();
        vm.expectRevert(denied);
        vault.lend(BOB);
        vm.expectRevert(denied);
        vault.put(8);
        vm.assertTrue(vault.mayRead(address(vault), address(other), handle) == false && acl.persistAllowed(handle, address(vault)));
    }

    function test_a_pardoned_contract_goes_on() public {
        vm.startPrank(OWNER);
        acl.blockAccount(address(vault));
        acl.unblockAccount(address(vault));
        vm.stopPrank();
        vault.share(BOB);
        vm.assertTrue(acl.persistAllowed(handle, BOB));
    }

    // Transient permissions

    function test_a_loan_is_good_for_its_transaction_only() public {
        vault.lendAndUse(other, false);
        vault.lend(address(other));
        vm.expectRevert(abi.encodeWithSelector(ExecutorBase.ACLNotAllowed.selector, handle, address(other)));
        other.increase(handle);
    }

    function test_cleaning_ends_a_loan_at_once() public {
        vm.expectRevert(abi.encodeWithSelector(ExecutorBase.ACLNotAllowed.selector, handle, address(other)));
        vault.lendAndUse(other, true);
    }

    function test_a_result_is_not_its_makers_in_the_next_transaction() public {
        bytes32 result = vault.increase(handle);
        vm.assertFalse(acl.isAllowed(result, address(vault)));
        vm.expectRevert(abi.encodeWithSelector(ExecutorBase.ACLNotAllowed.selector, result, address(vault)));
        vault.increase(result);
    }

    function test_a_handle_of_another_contract_is_not_used() public {
        vm.expectRevert(abi.encodeWithSelector(ExecutorBase.ACLNotAllowed.selector, handle, address(other)));
        other.increase(handle);
        vm.expectRevert(abi.encodeWithSelector(ExecutorBase.ACLNotAllowed.selector, handle, address(other)));
        other.compare(handle, handle);
    }

    function test_grants_announce_giver_taker_and_handle() public {
        vm.expectEmit(ACL_ADDRESS);
        emit IACL.Allowed(address(vault), BOB, handle);
        vault.share(BOB);
        vm.expectEmit(ACL_ADDRESS);
        emit IACL.AllowedForDecryption(address(vault), one(handle));
        vault.publish();
        vm.assertTrue(vault.mayRead(BOB, address(vault), handle));
        vm.assertFalse(vault.mayRead(BOB, address(other), handle));
    }
}
