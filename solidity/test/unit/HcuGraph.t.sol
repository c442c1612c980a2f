// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {HcuMeter} from "../../src/HcuMeter.sol";
import {Handles} from "../../src/libraries/Handles.sol";
import {Base} from "../Base.t.sol";

/// Random graphs of operations in one transaction: the total is the sum of all prices, the depth of a value its own price on
/// top of its deepest operand, and what was reverted was never spent.
contract HcuGraphTest is Base {
    uint256 private constant STEPS = 40;
    uint256 private constant TRIVIAL = 32;
    uint256 private constant EQ = 120_000;
    uint256 private constant ADD = 162_000;
    uint256 private constant ADD_SCALAR = 133_000;
    uint256 private constant MUL = 596_000;
    uint256 private constant SELECT = 55_000;
    uint256 private constant SUM = 139_000;

    bytes32[] private values;
    mapping(bytes32 handle => uint256) private depths;
    uint256 private total;

    function made(bytes32 handle, uint256 price, uint256 deepest) private {
        total += price;
        depths[handle] = deepest + price;
        vm.assertEq(executor.getTransactionHCU(), total);
        vm.assertEq(executor.getHandleHCU(handle), depths[handle]);
    }

    function deeper(bytes32 a, bytes32 b) private view returns (uint256) {
        return depths[a] > depths[b] ? depths[a] : depths[b];
    }

    function pick(uint256 word) private view returns (bytes32) {
        return values[word % values.length];
    }

    /// One operation on values made before.
    function step(uint256 word) private {
        (bytes32 a, bytes32 b) = (pick(word >> 8), pick(word >> 72));
        bytes32 result;
        if (word % 5 == 0) {
            made(result = executor.fheAdd(a, b, 0x00), ADD, deeper(a, b));
        } else if (word % 5 == 1) {
            // The plaintext is another value's handle: as a number it has no depth.
            made(result = executor.fheAdd(a, b, 0x01), ADD_SCALAR, depths[a]);
        } else if (word % 5 == 2) {
            made(result = executor.fheMul(a, b, 0x00), MUL, deeper(a, b));
        } else if (word % 5 == 3) {
            bytes32 bit = executor.fheEq(a, b, 0x00);
            made(bit, EQ, deeper(a, b));
            made(result = executor.fheIfThenElse(bit, a, b), SELECT, deeper(bit, a));
        } else {
            bytes32[] memory list = new bytes32[](3);
            (list[0], list[1], list[2]) = (a, b, pick(word >> 136));
            uint256 deepest = deeper(a, b);
            if (depths[list[2]] > deepest) deepest = depths[list[2]];
            made(result = executor.fheSum(list, Handles.UINT64), SUM, deepest);
        }
        values.push(result);
    }

    function seed() private {
        for (uint256 i = 0; i < 3; ++i) {
            bytes32 handle = executor.trivialEncrypt(i, Handles.UINT64);
            made(handle, TRIVIAL, 0);
            values.push(handle);
        }
    }

    /// Every price above, at most: so much is always left for one more step.
    function roomLeft() private view returns (bool) {
        uint256 deepest;
        for (uint256 i = 0; i < values.length; ++i) {
            if (depths[values[i]] > deepest) deepest = depths[values[i]];
        }
        return total + MUL <= executor.getMaxHCUPerTx() && deepest + MUL <= executor.getMaxHCUDepthPerTx();
    }

    function testFuzz_cost_is_the_sum_and_depth_the_longest_path(uint256 word) public {
        seed();
        for (uint256 i = 0; i < STEPS && roomLeft(); ++i) {
            step(uint256(keccak256(abi.encode(word, i))));
        }
    }

    function spendAndRevert() external {
        executor.fheMul(values[0], values[1], 0x00);
        revert("no");
    }

    function test_what_was_reverted_was_not_spent() public {
        seed();
        try this.spendAndRevert() {} catch {}
        vm.assertEq(executor.getTransactionHCU(), total);
    }

    function test_a_refused_operation_leaves_the_meter_as_it_was() public {
        seed();
        bytes32 value = values[0];
        while (depths[value] + MUL <= executor.getMaxHCUDepthPerTx()) {
            bytes32 next = executor.fheMul(value, value, 0x00);
            made(next, MUL, depths[value]);
            value = next;
        }
        vm.expectRevert(abi.encodeWithSelector(HcuMeter.HCUTransactionDepthLimitExceeded.selector));
        executor.fheMul(value, value, 0x00);
        vm.assertEq(executor.getTransactionHCU(), total);
        made(executor.fheAdd(values[1], values[2], 0x00), ADD, deeper(values[1], values[2]));
    }
}
