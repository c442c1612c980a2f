// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AclProofs} from "../src/libraries/AclProofs.sol";

/// A contract of another chain that believes one keeper about the ACL's range and takes permissions from anybody who can prove
/// them: a bridge, a registry of readers, a game. Who the keeper is, and why to believe it, is the real question and not shown here.
contract GrantMirror {
    address public immutable keeper;

    /// Number of grants when the mirror was last set, and the peaks that were live then.
    uint64 public count;
    mapping(uint256 level => bytes32) public peaks;

    mapping(bytes32 handle => mapping(address account => bool)) public mayUse;

    error NotKeeper();
    error NotProven();

    constructor() {
        keeper = msg.sender;
    }

    /// Sets the range as it is on the ACL's chain: `live` holds the peak of each set bit of `newCount`, lowest first.
    function set(uint64 newCount, bytes32[] calldata live) external {
        if (msg.sender != keeper) revert NotKeeper();
        count = newCount;
        uint256 next;
        for (uint256 level = 0; level < 64; ++level) {
            if ((newCount >> level) & 1 == 1) peaks[level] = live[next++];
        }
    }

    /// Enters a persistent permission, given its place in the range.
    function enter(bytes32 handle, address account, uint64 index, bytes32[] calldata path) external {
        if (!accepts(AclProofs.Grant(AclProofs.PERSISTENT, handle, account), index, path)) revert NotProven();
        mayUse[handle][account] = true;
    }

    /// Whether the path shows the grant under the count and peaks held here.
    function accepts(AclProofs.Grant memory grant, uint64 index, bytes32[] calldata path) public view returns (bool) {
        return index < count && judge(grant, index, path, count, peaks[AclProofs.levelOf(index, count)]);
    }

    /// Whether the path shows the grant under this count and peak.
    function judge(AclProofs.Grant memory grant, uint64 index, bytes32[] calldata path, uint64 underCount, bytes32 peak)
        public
        pure
        returns (bool)
    {
        return AclProofs.verify(grant, index, path, underCount, peak);
    }
}
