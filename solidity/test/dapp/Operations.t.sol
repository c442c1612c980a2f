// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {externalEuint32} from "@fhevm/solidity/lib/FHE.sol";

import {ExecutorBase} from "../../src/ExecutorBase.sol";
import {FHEEvents} from "../../src/interfaces/FHEEvents.sol";
import {Handles} from "../../src/libraries/Handles.sol";
import {Base} from "../Base.t.sol";
import {Vm} from "../Vm.sol";
import {Operations} from "./Operations.sol";

/// What the coprocessors are told when a contract uses the library, argument by argument. Every call is a transaction.
/// forge-config: default.isolate = true
contract OperationsTest is Base {
    Operations private app;

    function setUp() public override {
        super.setUp();
        app = new Operations();
        vm.recordLogs();
    }

    /// The executor's events since the last look are exactly these, in order, each by the app.
    function announced(Operations.Expected[] memory expected) private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, expected.length);
        for (uint256 i = 0; i < logs.length; ++i) {
            vm.assertEq(logs[i].emitter, EXECUTOR_ADDRESS);
            vm.assertEq(logs[i].topics.length, 2);
            vm.assertEq(logs[i].topics[0], expected[i].topic);
            vm.assertEq(logs[i].topics[1], bytes32(uint256(uint160(address(app)))));
            vm.assertEq(logs[i].data, expected[i].data);
        }
    }

    function test_arithmetic_announces_operands_scalar_flag_and_result() public {
        announced(app.arithmetic());
    }

    function test_comparisons_announce_operands_scalar_flag_and_result() public {
        announced(app.comparisons());
    }

    function test_bit_operations_announce_operands_scalar_flag_and_result() public {
        announced(app.bitwise());
    }

    function test_collections_announce_every_item() public {
        announced(app.collections());
    }

    function test_conversions_and_inputs_announce_types_user_and_proof() public {
        bytes32 handle = inputHandle(1, 0, Handles.UINT32);
        bytes memory proof = inputProof(one(handle), ALICE, address(app), QUORUM);
        vm.prank(ALICE);
        announced(app.conversions(externalEuint32.wrap(handle), proof));
    }

    function test_equal_operations_of_one_block_have_one_result() public {
        Operations.Expected[] memory first = app.collections();
        Operations.Expected[] memory second = app.collections();
        for (uint256 i = 0; i < first.length; ++i) {
            vm.assertEq(first[i].data, second[i].data);
        }
        vm.roll(block.number + 1);
        vm.warp(block.timestamp + 1);
        vm.assertNotEq(keccak256(app.collections()[0].data), keccak256(first[0].data));
    }

    // Random values

    function test_every_random_value_has_its_type_bound_and_a_seed_of_its_own() public {
        bytes32[] memory handles = app.randoms();
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, handles.length);
        uint8[13] memory types = [0, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 8, 8];
        uint256[13] memory bounds = [uint256(0), 0, 128, 0, 1, 0, 2, 0, 1 << 63, 0, 1 << 127, 0, 1 << 255];
        bytes16[13] memory seeds;
        for (uint256 i = 0; i < logs.length; ++i) {
            (uint8 kind, bytes32 result) = (0, 0);
            if (bounds[i] == 0) {
                vm.assertEq(logs[i].topics[0], FHEEvents.FheRand.selector);
                (kind, seeds[i], result) = abi.decode(logs[i].data, (uint8, bytes16, bytes32));
            } else {
                uint256 bound;
                vm.assertEq(logs[i].topics[0], FHEEvents.FheRandBounded.selector);
                (bound, kind, seeds[i], result) = abi.decode(logs[i].data, (uint256, uint8, bytes16, bytes32));
                vm.assertEq(bound, bounds[i]);
            }
            vm.assertEq(kind, types[i]);
            vm.assertEq(result, handles[i]);
            vm.assertEq(Handles.typeOf(result), types[i]);
            for (uint256 j = 0; j < i; ++j) {
                vm.assertNotEq(bytes32(seeds[i]), bytes32(seeds[j]));
            }
        }
    }

    function test_a_random_value_is_never_drawn_twice() public {
        bytes32[] memory first = app.randoms();
        bytes32[] memory second = app.randoms();
        for (uint256 i = 0; i < first.length; ++i) {
            vm.assertNotEq(first[i], second[i]);
        }
    }

    function test_a_bound_that_is_no_power_of_two_is_refused() public {
        bytes memory reason = abi.encodeWithSelector(ExecutorBase.NotPowerOfTwo.selector);
        vm.expectRevert(reason);
        app.randomBelow(0);
        vm.expectRevert(reason);
        app.randomBelow(3);
    }

    // Collections

    function refusedSize(uint256 size, uint256 limit) private {
        vm.expectRevert(abi.encodeWithSelector(ExecutorBase.FHECollectionSizeInvalid.selector, size, limit));
    }

    function test_a_collection_has_at_least_one_item_and_at_most_its_types_limit() public {
        app.sum64(60);
        app.isIn8(100);
        app.isInWide(60);
        refusedSize(0, 1);
        app.sum64(0);
        refusedSize(61, 60);
        app.sum64(61);
        refusedSize(101, 100);
        app.isIn8(101);
        refusedSize(61, 60);
        app.isInWide(61);
    }

    function test_division_by_zero_and_mixed_types_are_refused() public {
        app.divide(3);
        vm.expectRevert(abi.encodeWithSelector(ExecutorBase.DivisionByZero.selector));
        app.divide(0);
        vm.expectRevert(abi.encodeWithSelector(ExecutorBase.IncompatibleTypes.selector));
        app.mixed();
    }
}
