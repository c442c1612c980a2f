// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {PEAKS} from "./MountainRange.sol";

/// Where the ACL keeps its facts. Nodes prove these very slots, so fields are appended and never moved; the formulas and
/// examples stand in vectors/acl-slots.json.
library AclStorage {
    /// One word: bits 0-63 expiry, 64-127 block of the last change, 128-191 number of changes.
    struct Delegation {
        uint64 expirationDate;
        uint64 lastBlock;
        uint64 counter;
    }

    /// @custom:storage-location erc7201:fhevm.storage.ACL
    struct Facts {
        mapping(bytes32 handle => mapping(address account => bool)) persistent;
        mapping(bytes32 handle => bool) publiclyDecryptable;
        mapping(address delegator => mapping(address delegate => mapping(address contractAddress => Delegation))) delegations;
        mapping(address account => bool) denied;
        mapping(address account => uint256) invalidatedBefore;
    }

    /// The word nodes read with every request: bits 0-63 number of grants, bit 64 pause. The peaks of the grants' range
    /// follow it, one slot each.
    /// @custom:storage-location erc7201:tkms.storage.AclRange
    struct Range {
        uint64 count;
        bool paused;
        bytes32[PEAKS] peaks;
    }

    bytes32 internal constant FACTS = 0xa688f31953c2015baaf8c0a488ee1ee22eb0e05273cc1fd31ea4cbee42febc00;
    bytes32 internal constant RANGE = 0x58b750285530fbe515ab71865d93aefc12b8a8e8919db4fa881be483c9cdb400;

    function facts() internal pure returns (Facts storage $) {
        assembly {
            $.slot := FACTS
        }
    }

    function range() internal pure returns (Range storage $) {
        assembly {
            $.slot := RANGE
        }
    }
}
