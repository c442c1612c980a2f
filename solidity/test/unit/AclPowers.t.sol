// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {IACL} from "../../src/interfaces/IACL.sol";
import {Handles} from "../../src/libraries/Handles.sol";
import {Owned} from "../../src/Owned.sol";
import {Base} from "../Base.t.sol";

contract AclPowersTest is Base {
    bytes32 private handle;

    function setUp() public override {
        super.setUp();
        handle = owned(ALICE, 7, Handles.UINT64);
    }

    function notOwner(address who) private pure returns (bytes memory) {
        return abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, who);
    }

    function pause() private {
        vm.prank(PAUSER);
        acl.pause();
    }

    function test_a_denied_account_grants_nothing() public {
        vm.expectEmit(ACL_ADDRESS);
        emit IACL.BlockedAccount(ALICE);
        vm.prank(OWNER);
        acl.blockAccount(ALICE);
        vm.assertTrue(acl.isAccountDenied(ALICE));
        bytes memory reason = abi.encodeWithSelector(IACL.SenderDenied.selector, ALICE);
        vm.startPrank(ALICE);
        vm.expectRevert(reason);
        acl.allow(handle, BOB);
        vm.expectRevert(reason);
        acl.allowTransient(handle, BOB);
        vm.expectRevert(reason);
        acl.allowForDecryption(one(handle));
    }

    function test_a_denied_account_keeps_what_it_was_granted() public {
        vm.prank(OWNER);
        acl.blockAccount(ALICE);
        vm.assertTrue(acl.isAllowed(handle, ALICE));
    }

    function test_an_account_comes_off_the_list() public {
        vm.startPrank(OWNER);
        acl.blockAccount(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IACL.AccountAlreadyBlocked.selector, ALICE));
        acl.blockAccount(ALICE);
        vm.expectEmit(ACL_ADDRESS);
        emit IACL.UnblockedAccount(ALICE);
        acl.unblockAccount(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IACL.AccountNotBlocked.selector, ALICE));
        acl.unblockAccount(ALICE);
        vm.stopPrank();
        vm.prank(ALICE);
        acl.allow(handle, BOB);
    }

    function test_a_pause_stops_every_change_of_rights() public {
        pause();
        vm.assertTrue(acl.paused());
        bytes memory reason = abi.encodeWithSelector(IACL.EnforcedPause.selector);
        vm.startPrank(ALICE);
        vm.expectRevert(reason);
        acl.allow(handle, BOB);
        vm.expectRevert(reason);
        acl.allowTransient(handle, BOB);
        vm.expectRevert(reason);
        acl.allowForDecryption(one(handle));
        vm.expectRevert(reason);
        acl.delegateForUserDecryption(BOB, CAROL, type(uint64).max);
        vm.expectRevert(reason);
        acl.revokeDelegationForUserDecryption(BOB, CAROL);
        vm.expectRevert(reason);
        executor.trivialEncrypt(1, Handles.UINT8);
        vm.expectRevert(reason);
        acl.pause();
    }

    function test_a_pause_does_not_stop_voiding_permits() public {
        pause();
        vm.prank(ALICE);
        acl.invalidateDecryptionSignaturesBefore(block.timestamp);
        vm.assertEq(acl.decryptionSignatureInvalidatedBefore(ALICE), block.timestamp);
    }

    function test_the_owner_ends_a_pause_and_the_pauser_does_not() public {
        pause();
        vm.expectRevert(notOwner(PAUSER));
        vm.prank(PAUSER);
        acl.unpause();
        vm.startPrank(OWNER);
        acl.unpause();
        vm.assertFalse(acl.paused());
        vm.expectRevert(abi.encodeWithSelector(IACL.ExpectedPause.selector));
        acl.unpause();
    }

    function testFuzz_nobody_else_has_a_power(address stranger) public {
        vm.assume(stranger != OWNER && stranger != PAUSER);
        vm.startPrank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IACL.NotPauser.selector, stranger));
        acl.pause();
        vm.expectRevert(notOwner(stranger));
        acl.unpause();
        vm.expectRevert(notOwner(stranger));
        acl.blockAccount(ALICE);
        vm.expectRevert(notOwner(stranger));
        acl.unblockAccount(ALICE);
        vm.expectRevert(notOwner(stranger));
        acl.setPauser(stranger);
        vm.expectRevert(notOwner(stranger));
        acl.transferOwnership(stranger);
    }

    function test_the_owner_grants_nothing() public {
        vm.startPrank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(IACL.SenderNotAllowed.selector, OWNER));
        acl.allow(handle, OWNER);
        vm.expectRevert(abi.encodeWithSelector(IACL.SenderNotAllowed.selector, OWNER));
        acl.allowForDecryption(one(handle));
    }

    function test_the_pauser_is_replaced() public {
        vm.expectEmit(ACL_ADDRESS);
        emit IACL.PauserChanged(PAUSER, BOB);
        vm.prank(OWNER);
        acl.setPauser(BOB);
        vm.assertTrue(acl.isPauser(BOB));
        vm.expectRevert(abi.encodeWithSelector(IACL.NotPauser.selector, PAUSER));
        vm.prank(PAUSER);
        acl.pause();
    }

    function test_an_owner_takes_over_by_accepting() public {
        vm.prank(OWNER);
        acl.transferOwnership(BOB);
        vm.assertEq(acl.owner(), OWNER);
        vm.expectRevert(notOwner(CAROL));
        vm.prank(CAROL);
        acl.acceptOwnership();
        vm.prank(BOB);
        acl.acceptOwnership();
        vm.assertEq(acl.owner(), BOB);
    }

    function test_ownership_is_never_given_to_nobody() public {
        vm.expectRevert(abi.encodeWithSelector(Owned.OwnerRequired.selector));
        vm.prank(OWNER);
        acl.renounceOwnership();
    }
}
