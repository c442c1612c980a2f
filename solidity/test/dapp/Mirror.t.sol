// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {GrantMirror} from "../../examples/GrantMirror.sol";
import {AclProofs} from "../../src/libraries/AclProofs.sol";
import {Handles} from "../../src/libraries/Handles.sol";
import {Base} from "../Base.t.sol";

contract GrantMirrorTest is Base {
    GrantMirror private mirror;
    bytes32 private handle;

    /// Three grants: the leaf of Carol's stands alone, the other two under one peak.
    function setUp() public override {
        super.setUp();
        handle = owned(ALICE, 7, Handles.UINT64);
        vm.startPrank(ALICE);
        acl.allow(handle, BOB);
        acl.allow(handle, CAROL);
        vm.stopPrank();
        mirror = new GrantMirror();
        bytes32[] memory live = new bytes32[](2);
        (live[0], live[1]) = (acl.grantPeak(0), acl.grantPeak(1));
        mirror.set(acl.grantCount(), live);
    }

    function test_anybody_enters_what_was_granted_elsewhere() public {
        mirror.enter(handle, BOB, 1, one(leafOf(ALICE)));
        mirror.enter(handle, CAROL, 2, new bytes32[](0));
        vm.assertTrue(mirror.mayUse(handle, BOB) && mirror.mayUse(handle, CAROL));
    }

    function test_what_was_not_granted_is_not_entered() public {
        bytes32[] memory path = one(leafOf(ALICE));
        vm.expectRevert(abi.encodeWithSelector(GrantMirror.NotProven.selector));
        mirror.enter(handle, OWNER, 1, path);
        vm.expectRevert(abi.encodeWithSelector(GrantMirror.NotProven.selector));
        mirror.enter(handle, BOB, 3, path);
        vm.expectRevert(abi.encodeWithSelector(GrantMirror.NotProven.selector));
        mirror.enter(handle, BOB, 0, path);
    }

    function test_only_the_keeper_sets_the_range() public {
        vm.expectRevert(abi.encodeWithSelector(GrantMirror.NotKeeper.selector));
        vm.prank(ALICE);
        mirror.set(0, new bytes32[](0));
    }

    function leafOf(address account) private view returns (bytes32) {
        return AclProofs.leafOf(AclProofs.Grant(AclProofs.PERSISTENT, handle, account));
    }
}
