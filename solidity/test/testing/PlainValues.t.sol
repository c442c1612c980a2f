// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ExecutorBase} from "../../src/ExecutorBase.sol";
import {Handles} from "../../src/libraries/Handles.sol";
import {FhevmTest} from "../../testing/FhevmTest.sol";
import {PlainValues} from "../../testing/PlainValues.sol";
import {Operations} from "../dapp/Operations.sol";
import {Vm} from "../Vm.sol";

/// The clear evaluation of the test tools equals Solidity's own arithmetic on types of that width.
contract PlainValuesTest is FhevmTest {
    Vm private constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    function on(ExecutorBase.Op op, uint8 kind, uint256 a, uint256 b) private pure returns (uint256) {
        return PlainValues.binary(op, kind, a, b);
    }

    function test_numbers_wrap_at_their_width(uint64 a, uint64 b) public pure {
        unchecked {
            vm.assertEq(on(ExecutorBase.Op.Add, Handles.UINT64, a, b), a + b);
            vm.assertEq(on(ExecutorBase.Op.Sub, Handles.UINT64, a, b), a - b);
            vm.assertEq(on(ExecutorBase.Op.Mul, Handles.UINT64, a, b), a * b);
            vm.assertEq(on(ExecutorBase.Op.Add, Handles.UINT8, uint8(a), uint8(b)), uint8(a) + uint8(b));
            vm.assertEq(on(ExecutorBase.Op.Sub, Handles.UINT8, uint8(a), uint8(b)), uint8(uint8(a) - uint8(b)));
            uint128 square = uint128(uint256(a) * a);
            vm.assertEq(on(ExecutorBase.Op.Mul, Handles.UINT128, square, square), square * square);
        }
        vm.assertEq(on(ExecutorBase.Op.Min, Handles.UINT64, a, b), a < b ? a : b);
        vm.assertEq(on(ExecutorBase.Op.Max, Handles.UINT64, a, b), a < b ? b : a);
    }

    function test_division_is_by_what_fits_the_width(uint32 a, uint32 b) public pure {
        vm.assume(b != 0);
        vm.assertEq(on(ExecutorBase.Op.Div, Handles.UINT32, a, b), a / b);
        vm.assertEq(on(ExecutorBase.Op.Rem, Handles.UINT32, a, b), a % b);
        uint256 beyond = uint256(b) | 1 << 32;
        vm.assertEq(on(ExecutorBase.Op.Div, Handles.UINT32, a, beyond), a / b);
    }

    function test_bits_are_bits(uint256 a, uint256 b) public pure {
        vm.assertEq(on(ExecutorBase.Op.BitAnd, Handles.UINT256, a, b), a & b);
        vm.assertEq(on(ExecutorBase.Op.BitOr, Handles.UINT256, a, b), a | b);
        vm.assertEq(on(ExecutorBase.Op.BitXor, Handles.UINT256, a, b), a ^ b);
        vm.assertEq(on(ExecutorBase.Op.BitXor, Handles.BOOL, a & 1, b & 1), (a ^ b) & 1);
    }

    function test_shifts_go_by_the_amount_modulo_the_width(uint16 a, uint16 b) public pure {
        uint16 by = b % 16;
        vm.assertEq(on(ExecutorBase.Op.Shl, Handles.UINT16, a, b), uint16(a << by));
        vm.assertEq(on(ExecutorBase.Op.Shr, Handles.UINT16, a, b), a >> by);
        vm.assertEq(on(ExecutorBase.Op.Rotl, Handles.UINT16, a, b), uint16(a << by) | a >> (16 - by));
        vm.assertEq(on(ExecutorBase.Op.Rotr, Handles.UINT16, a, b), a >> by | uint16(uint256(a) << (16 - by)));
    }

    function test_wide_rotations_lose_nothing(uint256 a, uint8 by) public pure {
        uint256 turned = on(ExecutorBase.Op.Rotl, Handles.UINT256, a, by);
        vm.assertEq(on(ExecutorBase.Op.Rotr, Handles.UINT256, turned, by), a);
        vm.assertEq(on(ExecutorBase.Op.Rotl, Handles.UINT256, a, 256), a);
    }

    function test_comparisons_are_unsigned(uint128 a, uint128 b) public pure {
        vm.assertEq(on(ExecutorBase.Op.Eq, Handles.UINT128, a, b), a == b ? 1 : 0);
        vm.assertEq(on(ExecutorBase.Op.Ne, Handles.UINT128, a, b), a != b ? 1 : 0);
        vm.assertEq(on(ExecutorBase.Op.Ge, Handles.UINT128, a, b), a >= b ? 1 : 0);
        vm.assertEq(on(ExecutorBase.Op.Gt, Handles.UINT128, a, b), a > b ? 1 : 0);
        vm.assertEq(on(ExecutorBase.Op.Le, Handles.UINT128, a, b), a <= b ? 1 : 0);
        vm.assertEq(on(ExecutorBase.Op.Lt, Handles.UINT128, a, b), a < b ? 1 : 0);
    }

    /// x = 9 and y = 4 on 32 bits, as the app has them.
    function test_what_a_contract_asks_for_is_computed() public {
        vm.roll(1000);
        startFhevm(1, address(0xA11CE));
        Operations app = new Operations();
        uint8[11] memory arithmetic = [13, 5, 36, 4, 9, 14, 15, 2, 72, 3, 0];
        Operations.Expected[] memory asked = app.arithmetic();
        for (uint256 i = 0; i < arithmetic.length; ++i) {
            vm.assertEq(result(asked[i + 2], 3), arithmetic[i]);
        }
        asked = app.bitwise();
        vm.assertEq(result(asked[2 + 4], 3), 9 >> 1, "33 modulo 32");
        vm.assertEq(result(asked[2 + 7], 1), type(uint32).max - 8, "neg");
        vm.assertEq(result(asked[2 + 8], 1), type(uint32).max - 9, "not");
        asked = app.collections();
        vm.assertEq(result(asked[2], 1), 22, "sum");
        vm.assertEq(result(asked[3], 2), 1, "is in");
    }

    /// The value behind the result, which stands in one word of what is announced.
    function result(Operations.Expected memory asked, uint256 word) private returns (uint256) {
        bytes memory data = asked.data;
        bytes32 handle;
        assembly ("memory-safe") {
            handle := mload(add(data, mul(32, add(word, 1))))
        }
        return peek(handle);
    }
}
