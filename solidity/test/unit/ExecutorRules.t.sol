// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ExecutorBase} from "../../src/ExecutorBase.sol";
import {FHEVMExecutor} from "../../src/FHEVMExecutor.sol";
import {FHEEvents} from "../../src/interfaces/FHEEvents.sol";
import {Handles} from "../../src/libraries/Handles.sol";
import {Base} from "../Base.t.sol";
import {Vm} from "../Vm.sol";

contract ExecutorRulesTest is Base {
    bytes32 private a;
    bytes32 private b;

    function setUp() public override {
        super.setUp();
        a = owned(ALICE, 5, Handles.UINT64);
        b = owned(ALICE, 6, Handles.UINT64);
    }

    function notAllowed(bytes32 handle, address who) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ExecutorBase.ACLNotAllowed.selector, handle, who);
    }

    function testFuzz_the_scalar_byte_is_a_bool(bytes1 scalar) public {
        vm.assume(uint8(scalar) > 1);
        vm.startPrank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ExecutorBase.ScalarByteIsNotBoolean.selector));
        executor.fheAdd(a, b, scalar);
        vm.expectRevert(abi.encodeWithSelector(ExecutorBase.ScalarByteIsNotBoolean.selector));
        executor.fheEq(a, b, scalar);
    }

    function testFuzz_every_operand_needs_permission(address stranger) public {
        vm.assume(stranger != ALICE);
        bytes32 own = fresh(stranger, 1, Handles.UINT64);
        bytes32 bit = fresh(stranger, 1, Handles.BOOL);
        vm.startPrank(stranger);
        vm.expectRevert(notAllowed(a, stranger));
        executor.fheAdd(a, own, 0x00);
        vm.expectRevert(notAllowed(a, stranger));
        executor.fheAdd(own, a, 0x00);
        vm.expectRevert(notAllowed(a, stranger));
        executor.fheAdd(a, bytes32(uint256(1)), 0x01);
        vm.expectRevert(notAllowed(a, stranger));
        executor.fheNeg(a);
        vm.expectRevert(notAllowed(a, stranger));
        executor.cast(a, Handles.UINT8);
        vm.expectRevert(notAllowed(a, stranger));
        executor.fheIfThenElse(bit, a, own);
        vm.expectRevert(notAllowed(a, stranger));
        executor.fheIfThenElse(bit, own, a);
        vm.expectRevert(notAllowed(a, stranger));
        executor.fheSum(one(a), Handles.UINT64);
        vm.expectRevert(notAllowed(a, stranger));
        executor.fheIsIn(own, one(a), Handles.UINT64);
        vm.expectRevert(notAllowed(a, stranger));
        executor.fheIsIn(a, one(own), Handles.UINT64);
    }

    function test_the_control_of_a_select_needs_permission() public {
        bytes32 bit = fresh(BOB, 1, Handles.BOOL);
        vm.expectRevert(notAllowed(bit, ALICE));
        vm.prank(ALICE);
        executor.fheIfThenElse(bit, a, b);
    }

    function test_a_scalar_needs_no_permission() public {
        bytes32 foreign = fresh(BOB, 1, Handles.UINT64);
        vm.prank(ALICE);
        executor.fheAdd(a, foreign, 0x01);
    }

    function test_operands_are_of_one_type() public {
        bytes32 narrow = owned(ALICE, 1, Handles.UINT8);
        bytes32 bit = owned(ALICE, 1, Handles.BOOL);
        bytes memory reason = abi.encodeWithSelector(ExecutorBase.IncompatibleTypes.selector);
        vm.startPrank(ALICE);
        vm.expectRevert(reason);
        executor.fheAdd(a, narrow, 0x00);
        vm.expectRevert(reason);
        executor.fheLt(a, narrow, 0x00);
        vm.expectRevert(reason);
        executor.fheIfThenElse(bit, a, narrow);
        vm.expectRevert(reason);
        executor.fheSum(one(narrow), Handles.UINT64);
        vm.expectRevert(reason);
        executor.fheIsIn(a, one(narrow), Handles.UINT64);
        vm.expectRevert(reason);
        executor.fheIsIn(narrow, one(a), Handles.UINT64);
        vm.expectRevert(abi.encodeWithSelector(ExecutorBase.UnsupportedType.selector));
        executor.fheIfThenElse(narrow, a, b);
    }

    function test_divisors_are_plaintexts() public {
        vm.startPrank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ExecutorBase.IsNotScalar.selector));
        executor.fheDiv(a, b, 0x00);
        vm.expectRevert(abi.encodeWithSelector(ExecutorBase.IsNotScalar.selector));
        executor.fheRem(a, b, 0x00);
    }

    function testFuzz_divisors_are_cut_before_they_are_compared_with_zero(uint256 divisor, uint256 pick) public {
        uint8[5] memory numbers = [Handles.UINT8, Handles.UINT16, Handles.UINT32, Handles.UINT64, Handles.UINT128];
        uint8 kind = numbers[pick % 5];
        uint256 low = divisor & ((1 << Handles.bitsOf(kind)) - 1);
        bytes32 dividend = owned(ALICE, 9, kind);
        vm.startPrank(ALICE);
        if (low == 0) vm.expectRevert(abi.encodeWithSelector(ExecutorBase.DivisionByZero.selector));
        executor.fheDiv(dividend, bytes32(divisor), 0x01);
        vm.expectRevert(abi.encodeWithSelector(ExecutorBase.DivisionByZero.selector));
        executor.fheRem(dividend, bytes32(divisor ^ low), 0x01);
    }

    function testFuzz_random_bounds_are_powers_of_two_that_fit(uint8 exponent, uint256 other, uint256 pick) public {
        uint8 kind = [Handles.UINT8, Handles.UINT16, Handles.UINT32, Handles.UINT64, Handles.UINT128, Handles.UINT256][pick % 6];
        uint256 bound = uint256(1) << exponent;
        bool fits = exponent <= Handles.bitsOf(kind);
        if (!fits) vm.expectRevert(abi.encodeWithSelector(ExecutorBase.UpperBoundAboveMaxTypeValue.selector));
        executor.fheRandBounded(bound, kind);
        if (other & (other - (other == 0 ? 0 : 1)) == 0) other = 0;
        vm.expectRevert(abi.encodeWithSelector(ExecutorBase.NotPowerOfTwo.selector));
        executor.fheRandBounded(other, kind);
    }

    function test_collections_are_bounded() public {
        checkCollection(Handles.UINT8, 100);
        checkCollection(Handles.UINT32, 100);
        checkCollection(Handles.UINT64, 60);
        checkCollection(Handles.UINT128, 60);
    }

    function checkCollection(uint8 kind, uint256 most) private {
        bytes32 handle = owned(ALICE, 3, kind);
        bytes32[] memory list = new bytes32[](most + 1);
        for (uint256 i = 0; i <= most; ++i) {
            list[i] = handle;
        }
        vm.startPrank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ExecutorBase.FHECollectionSizeInvalid.selector, most + 1, most));
        executor.fheSum(list, kind);
        vm.expectRevert(abi.encodeWithSelector(ExecutorBase.FHECollectionSizeInvalid.selector, most + 1, most));
        executor.fheIsIn(handle, list, kind);
        assembly ("memory-safe") {
            mstore(list, most)
        }
        executor.fheSum(list, kind);
        executor.fheIsIn(handle, list, kind);
        vm.expectRevert(abi.encodeWithSelector(ExecutorBase.FHECollectionSizeInvalid.selector, 0, 1));
        executor.fheSum(new bytes32[](0), kind);
        vm.expectRevert(abi.encodeWithSelector(ExecutorBase.FHECollectionSizeInvalid.selector, 0, 1));
        executor.fheIsIn(handle, new bytes32[](0), kind);
        vm.stopPrank();
    }

    /// The hash is written out here once more: operation, operands, flag, then ACL, chain, parent block, time.
    function test_a_handle_hashes_all_it_depends_on() public {
        bytes memory place = abi.encodePacked(ACL_ADDRESS, block.chainid, blockhash(block.number - 1), block.timestamp);
        vm.startPrank(ALICE);
        bytes32 sum = executor.fheAdd(a, b, 0x00);
        vm.assertEq(sum, Handles.computed(keccak256(abi.encodePacked("FHE_comp", uint8(0), a, b, uint8(0), place)), Handles.UINT64));
        bytes32 narrow = executor.cast(a, Handles.UINT8);
        vm.assertEq(narrow, Handles.computed(keccak256(abi.encodePacked("FHE_comp", uint8(23), a, Handles.UINT8, place)), Handles.UINT8));
        bytes32 list = executor.fheSum(one(a), Handles.UINT64);
        vm.assertEq(list, Handles.computed(keccak256(abi.encodePacked("FHE_comp", uint8(28), uint256(1), a, place)), Handles.UINT64));
    }

    function test_other_operations_operands_flags_times_and_blocks_give_other_handles() public {
        vm.startPrank(ALICE);
        bytes32 sum = executor.fheAdd(a, b, 0x00);
        vm.assertEq(sum, executor.fheAdd(a, b, 0x00), "one operation in one block has one handle");
        vm.assertNotEq(sum, executor.fheSub(a, b, 0x00), "operation");
        vm.assertNotEq(sum, executor.fheAdd(b, a, 0x00), "operands");
        vm.assertNotEq(sum, executor.fheAdd(a, b, 0x01), "flag");
        vm.warp(block.timestamp + 1);
        vm.assertNotEq(sum, executor.fheAdd(a, b, 0x00), "time");
        vm.warp(block.timestamp - 1);
        vm.roll(block.number + 1);
        vm.assertNotEq(sum, executor.fheAdd(a, b, 0x00), "parent block");
    }

    function testFuzz_random_values_differ_within_a_block(uint8 draws) public {
        bytes32 last;
        for (uint256 i = 0; i < draws; ++i) {
            bytes32 next = executor.fheRand(Handles.UINT8);
            vm.assertNotEq(last, next);
            last = next;
        }
    }

    function test_the_seed_stands_in_the_event_and_makes_the_handle() public {
        vm.recordLogs();
        bytes32 result = executor.fheRandBounded(16, Handles.UINT8);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs[0].topics[0], FHEEvents.FheRandBounded.selector);
        (uint256 bound, uint8 kind, bytes16 seed, bytes32 named) = abi.decode(logs[0].data, (uint256, uint8, bytes16, bytes32));
        vm.assertEq(bound, 16);
        vm.assertEq(named, result);
        bytes memory preimage = abi.encodePacked("FHE_comp", uint8(27), bound, kind, seed);
        vm.assertEq(result, Handles.computed(keccak256(preimage), Handles.UINT8));
    }

    function test_events_name_caller_operands_and_result() public {
        vm.recordLogs();
        vm.prank(ALICE);
        bytes32 result = executor.fheAdd(a, b, 0x00);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 1);
        vm.assertEq(logs[0].emitter, EXECUTOR_ADDRESS);
        vm.assertEq(logs[0].topics[0], FHEEvents.FheAdd.selector);
        vm.assertEq(logs[0].topics[1], bytes32(uint256(uint160(ALICE))));
        vm.assertEq(logs[0].data, abi.encode(a, b, bytes1(0x00), result));
    }

    function testFuzz_an_input_is_verified_and_given_to_its_contract(uint256 seed, uint256 pick, address user) public {
        uint8 kind = kinds()[pick % 8];
        bytes32[] memory handles = one(inputHandle(seed, 0, kind));
        bytes memory proof = inputProof(handles, user, ALICE, QUORUM);
        vm.expectEmit(EXECUTOR_ADDRESS);
        emit FHEEvents.VerifyInput(ALICE, handles[0], user, proof, kind, handles[0]);
        vm.prank(ALICE);
        executor.verifyInput(handles[0], user, proof, kind);
        vm.assertTrue(acl.isAllowed(handles[0], ALICE));
        vm.assertFalse(user != ALICE && acl.isAllowed(handles[0], user));
    }

    function test_an_input_of_another_type_is_refused() public {
        bytes32[] memory handles = one(inputHandle(1, 0, Handles.UINT8));
        bytes memory proof = inputProof(handles, BOB, ALICE, QUORUM);
        vm.expectRevert(abi.encodeWithSelector(ExecutorBase.InvalidType.selector));
        vm.prank(ALICE);
        executor.verifyInput(handles[0], BOB, proof, Handles.UINT64);
    }

    function testFuzz_an_input_of_no_known_type_is_refused(uint8 kind) public {
        vm.assume(kind == 1 || kind > 8);
        bytes32[] memory handles = one(inputHandle(1, 0, kind));
        bytes memory proof = inputProof(handles, BOB, ALICE, QUORUM);
        vm.expectRevert(abi.encodeWithSelector(ExecutorBase.UnsupportedType.selector));
        vm.prank(ALICE);
        executor.verifyInput(handles[0], BOB, proof, kind);
    }
}
