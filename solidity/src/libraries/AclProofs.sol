// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IGrantRange} from "../interfaces/IGrantRange.sol";
import {MountainRange} from "./MountainRange.sol";

/// Checks proofs of permissions, for any contract: on the ACL's own chain against the ACL as it is now, elsewhere against a
/// count and a peak which that contract has reason to believe.
library AclProofs {
    /// `subject` may use the handle.
    uint8 internal constant PERSISTENT = 1;
    /// Anyone may learn the plaintext; the subject is the zero address.
    uint8 internal constant PUBLIC = 2;

    /// One permission that is never taken back.
    struct Grant {
        uint8 kind;
        bytes32 handle;
        address subject;
    }

    /// Whether the path shows that `grant` is leaf `index` of the `count` grants whose covering peak is `peak`.
    ///
    /// `count` and `peak` must be of one state of the ACL: they are the words in its slots R and R + 1 + `levelOf(index, count)`.
    function verify(Grant memory grant, uint64 index, bytes32[] calldata path, uint64 count, bytes32 peak) internal pure returns (bool) {
        if (grant.kind != PERSISTENT && (grant.kind != PUBLIC || grant.subject != address(0))) return false;
        return MountainRange.includes(leafOf(grant), index, path, count, peak);
    }

    /// The same against the present state of the ACL of this chain. A path dies when its peak is merged into a higher one.
    function verifyNow(IGrantRange acl, Grant memory grant, uint64 index, bytes32[] calldata path) internal view returns (bool) {
        uint64 count = acl.grantCount();
        if (index >= count) return false;
        return verify(grant, index, path, count, acl.grantPeak(levelOf(index, count)));
    }

    /// Level of the peak that covers leaf `index` of `count`, where index < count.
    function levelOf(uint64 index, uint64 count) internal pure returns (uint256) {
        return MountainRange.coveringLevel(index, count);
    }

    /// What the range holds for this permission.
    function leafOf(Grant memory grant) internal pure returns (bytes32) {
        return MountainRange.leaf(grant.kind, grant.handle, grant.subject);
    }
}
