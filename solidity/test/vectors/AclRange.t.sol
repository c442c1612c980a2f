// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AclProofs} from "../../src/libraries/AclProofs.sol";
import {MountainRange} from "../../src/libraries/MountainRange.sol";
import {Base} from "../Base.t.sol";

/// Leaves, nodes and proofs of vectors/acl-range.json: reproduced by the library, and the sound ones by the real ACL too.
contract AclRangeVectorsTest is Base {
    string private json;
    string private entry;

    function setUp() public override {
        super.setUp();
        json = vm.readFile("vectors/acl-range.json");
    }

    function test_leaves_and_nodes_hash_as_the_vectors_say() public {
        uint256 count;
        for (; turnTo("grants", count); ++count) {
            vm.assertEq(AclProofs.leafOf(grant()), word("leaf"));
        }
        vm.assertGe(count, 13);
        vm.assertTrue(turnTo("nodes", 0));
        vm.assertEq(MountainRange.node(word("left"), word("right")), word("node"));
    }

    function test_sound_proofs_are_accepted_when_the_acl_has_that_many_grants() public {
        uint256 proofs;
        uint256 granted;
        for (; turnTo("proofs", proofs); ++proofs) {
            for (uint256 wanted = number("count"); granted < wanted; ++granted) {
                make(granted);
            }
            turnTo("proofs", proofs);
            (uint64 index, bytes32 peak) = (uint64(number("index")), word("peak"));
            uint256 level = AclProofs.levelOf(index, uint64(granted));
            vm.assertEq(level, number("level"));
            vm.assertEq(acl.grantPeak(level), peak);
            vm.assertTrue(this.verify(grant(), index, path(), uint64(granted), peak));
            AclProofs.Grant memory claimed = grant();
            vm.assertTrue(acl.isGrantProven(claimed.kind, claimed.handle, claimed.subject, index, path()));
            vm.assertTrue(this.verifyNow(claimed, index, path()));
        }
        vm.assertGe(proofs, 30);
    }

    function test_spoilt_proofs_are_refused() public {
        uint256 count;
        for (; turnTo("refused", count); ++count) {
            bool accepted = this.verify(grant(), uint64(number("index")), path(), uint64(number("count")), word("peak"));
            vm.assertFalse(accepted, vm.parseJsonString(json, string.concat(entry, ".claim")));
        }
        vm.assertGe(count, 20);
    }

    function verify(AclProofs.Grant calldata claimed, uint64 index, bytes32[] calldata siblings, uint64 count, bytes32 peak)
        external
        pure
        returns (bool)
    {
        return AclProofs.verify(claimed, index, siblings, count, peak);
    }

    function verifyNow(AclProofs.Grant calldata claimed, uint64 index, bytes32[] calldata siblings) external view returns (bool) {
        return AclProofs.verifyNow(acl, claimed, index, siblings);
    }

    /// Gives grant number `index` of the vectors by a real call.
    function make(uint256 index) private {
        turnTo("grants", index);
        AclProofs.Grant memory wanted = grant();
        vm.prank(EXECUTOR_ADDRESS);
        acl.allowTransient(wanted.handle, CAROL);
        vm.prank(CAROL);
        if (wanted.kind == AclProofs.PUBLIC) acl.allowForDecryption(one(wanted.handle));
        else acl.allow(wanted.handle, wanted.subject);
    }

    /// Turns to one entry of a list; whether it is there.
    function turnTo(string memory list, uint256 index) private returns (bool) {
        entry = string.concat(".", list, "[", vm.toString(index), "]");
        return vm.keyExistsJson(json, entry);
    }

    function grant() private view returns (AclProofs.Grant memory) {
        address subject = vm.parseJsonAddress(json, string.concat(entry, ".subject"));
        return AclProofs.Grant({kind: uint8(number("kind")), handle: word("handle"), subject: subject});
    }

    function path() private view returns (bytes32[] memory) {
        return vm.parseJsonBytes32Array(json, string.concat(entry, ".path"));
    }

    function word(string memory field) private view returns (bytes32) {
        return vm.parseJsonBytes32(json, string.concat(entry, ".", field));
    }

    function number(string memory field) private view returns (uint256) {
        return vm.parseJsonUint(json, string.concat(entry, ".", field));
    }
}
