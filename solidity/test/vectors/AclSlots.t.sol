// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AclStorage} from "../../src/libraries/AclStorage.sol";
import {Base} from "../Base.t.sol";

/// Makes each fact of vectors/acl-slots.json true by real calls, then reads the slot nodes would prove.
contract AclSlotsTest is Base {
    string private json;
    string private entry;

    function setUp() public override {
        super.setUp();
        json = vm.readFile("vectors/acl-slots.json");
    }

    function test_namespaces_are_those_of_the_vectors() public view {
        vm.assertEq(AclStorage.FACTS, vm.parseJsonBytes32(json, ".namespaces.acl"));
        vm.assertEq(AclStorage.RANGE, vm.parseJsonBytes32(json, ".namespaces.aclRange"));
    }

    function test_every_fact_stands_in_its_slot() public {
        uint256 count;
        for (; vm.keyExistsJson(json, string.concat(".slots[", vm.toString(count), "]")); ++count) {
            entry = string.concat(".slots[", vm.toString(count), "]");
            bytes32 slot = word("slot");
            bytes32 value = word("value");
            bytes32 fact = keccak256(bytes(text("fact")));
            // Peaks are what the grants before them have left.
            if (fact != keccak256("peak")) {
                vm.assertNotEq(vm.load(ACL_ADDRESS, slot), value, "true before it was made so");
            }
            make(fact);
            vm.assertEq(vm.load(ACL_ADDRESS, slot), value, text("fact"));
        }
        vm.assertGe(count, 13);
    }

    function make(bytes32 fact) private {
        if (fact == keccak256("persistent")) {
            lend(word("handle"));
            vm.prank(CAROL);
            acl.allow(word("handle"), account("account"));
        } else if (fact == keccak256("public")) {
            lend(word("handle"));
            vm.prank(CAROL);
            acl.allowForDecryption(one(word("handle")));
        } else if (fact == keccak256("delegation")) {
            vm.roll(number("lastBlock"));
            vm.prank(account("delegator"));
            acl.delegateForUserDecryption(account("delegate"), account("contract"), uint64(number("expirationDate")));
        } else if (fact == keccak256("denied")) {
            vm.prank(OWNER);
            acl.blockAccount(account("account"));
        } else if (fact == keccak256("invalidatedBefore")) {
            vm.prank(account("account"));
            acl.invalidateDecryptionSignaturesBefore(number("timestamp"));
        } else if (fact == keccak256("range")) {
            vm.prank(PAUSER);
            acl.pause();
        } else {
            vm.assertEq(fact, keccak256("peak"));
        }
    }

    function lend(bytes32 handle) private {
        vm.prank(EXECUTOR_ADDRESS);
        acl.allowTransient(handle, CAROL);
    }

    function text(string memory field) private view returns (string memory) {
        return vm.parseJsonString(json, string.concat(entry, ".", field));
    }

    function word(string memory field) private view returns (bytes32) {
        return vm.parseJsonBytes32(json, string.concat(entry, ".", field));
    }

    function number(string memory field) private view returns (uint256) {
        return vm.parseJsonUint(json, string.concat(entry, ".", field));
    }

    function account(string memory field) private view returns (address) {
        return vm.parseJsonAddress(json, string.concat(entry, ".", field));
    }
}
