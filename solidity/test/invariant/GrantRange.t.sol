// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AclProofs} from "../../src/libraries/AclProofs.sol";
import {Handles} from "../../src/libraries/Handles.sol";
import {MountainRange} from "../../src/libraries/MountainRange.sol";
import {Base} from "../Base.t.sol";

/// Grants, grants again, publishes lists, pauses; writes down each leaf that the mapping did not have before.
contract GrantHandler is Base {
    bytes32[] private handles;
    bytes32[] public leaves;

    constructor() {
        super.setUp();
        for (uint256 i = 0; i < 12; ++i) {
            handles.push(inputHandle(i, 0, Handles.UINT64));
        }
    }

    /// Given by its constructor already.
    function setUp() public override {}

    function allow(uint256 pick, uint160 account) external {
        bytes32 handle = handles[pick % handles.length];
        address grantee = address(account % 24);
        lend(handle);
        if (!acl.persistAllowed(handle, grantee)) note(AclProofs.PERSISTENT, handle, grantee);
        vm.prank(ALICE);
        acl.allow(handle, grantee);
    }

    function publish(uint256[4] calldata picks, uint256 length) external {
        bytes32[] memory list = new bytes32[](length % 4 + 1);
        for (uint256 i = 0; i < list.length; ++i) {
            list[i] = handles[picks[i] % handles.length];
            lend(list[i]);
            if (isNew(list, i)) note(AclProofs.PUBLIC, list[i], address(0));
        }
        vm.prank(ALICE);
        acl.allowForDecryption(list);
    }

    function lendOnly(uint256 pick) external {
        lend(handles[pick % handles.length]);
    }

    function pauseAndResume() external {
        vm.prank(PAUSER);
        acl.pause();
        vm.prank(OWNER);
        acl.unpause();
    }

    function count() external view returns (uint256) {
        return leaves.length;
    }

    function range() external view returns (uint64, bytes32[64] memory peaks) {
        for (uint256 level = 0; level < peaks.length; ++level) {
            peaks[level] = acl.grantPeak(level);
        }
        return (acl.grantCount(), peaks);
    }

    /// Not public before, and not earlier in the list.
    function isNew(bytes32[] memory list, uint256 place) private view returns (bool) {
        for (uint256 i = 0; i < place; ++i) {
            if (list[i] == list[place]) return false;
        }
        return !acl.isAllowedForDecryption(list[place]);
    }

    function note(uint8 kind, bytes32 handle, address subject) private {
        leaves.push(MountainRange.leaf(kind, handle, subject));
    }

    function lend(bytes32 handle) private {
        vm.prank(EXECUTOR_ADDRESS);
        acl.allowTransient(handle, ALICE);
    }
}

contract GrantRangeInvariant is Base {
    /// The form in which forge asks what to call.
    struct Target {
        address addr;
        bytes4[] selectors;
    }

    GrantHandler private handler;

    function setUp() public override {
        handler = new GrantHandler();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// Only the handler's actions are called.
    function targetSelectors() external view returns (Target[] memory targets) {
        bytes4[] memory selectors = new bytes4[](4);
        (selectors[0], selectors[1]) = (GrantHandler.allow.selector, GrantHandler.publish.selector);
        (selectors[2], selectors[3]) = (GrantHandler.lendOnly.selector, GrantHandler.pauseAndResume.selector);
        targets = new Target[](1);
        targets[0] = Target({addr: address(handler), selectors: selectors});
    }

    function invariant_the_peaks_are_the_trees_of_all_leaves() external view {
        (uint64 count, bytes32[64] memory peaks) = handler.range();
        vm.assertEq(count, handler.count());
        uint256 start;
        for (uint256 level = peaks.length; level > 0; --level) {
            uint256 width = uint256(1) << (level - 1);
            if (count & width == 0) continue;
            vm.assertEq(peaks[level - 1], root(start, width));
            start += width;
        }
        vm.assertEq(start, count);
    }

    function invariant_levels_the_count_never_reached_are_empty() external view {
        (uint64 count, bytes32[64] memory peaks) = handler.range();
        for (uint256 level = 0; level < peaks.length; ++level) {
            vm.assertTrue((peaks[level] == 0) == (count >> level == 0));
        }
    }

    /// Root over `width` leaves from `start`, from nothing but the leaves.
    function root(uint256 start, uint256 width) private view returns (bytes32) {
        if (width == 1) return handler.leaves(start);
        return keccak256(abi.encodePacked(bytes1(0x01), root(start, width / 2), root(start + width / 2, width / 2)));
    }
}
