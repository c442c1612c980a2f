// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ExecutorBase} from "../src/ExecutorBase.sol";
import {Handles} from "../src/libraries/Handles.sol";

/// FOR TESTS. What the coprocessors compute under encryption, computed in the clear.
library PlainValues {
    /// Bits of a value: a bool has one.
    function widthOf(uint8 kind) internal pure returns (uint256) {
        return kind == Handles.BOOL ? 1 : Handles.bitsOf(kind);
    }

    /// `value` cut to the width of `kind`.
    function cut(uint256 value, uint8 kind) internal pure returns (uint256) {
        uint256 unused = 256 - widthOf(kind);
        return value << unused >> unused;
    }

    /// An operation on values of type `kind`; comparisons give 0 or 1, everything else wraps.
    function binary(ExecutorBase.Op op, uint8 kind, uint256 a, uint256 b) internal pure returns (uint256) {
        b = cut(b, kind);
        if (op >= ExecutorBase.Op.Eq && op <= ExecutorBase.Op.Lt) return compare(op, a, b) ? 1 : 0;
        if (op >= ExecutorBase.Op.Shl && op <= ExecutorBase.Op.Rotr) return move(op, kind, a, b);
        return cut(calculate(op, a, b), kind);
    }

    function calculate(ExecutorBase.Op op, uint256 a, uint256 b) private pure returns (uint256) {
        unchecked {
            if (op == ExecutorBase.Op.Add) return a + b;
            if (op == ExecutorBase.Op.Sub) return a - b;
            if (op == ExecutorBase.Op.Mul) return a * b;
            if (op == ExecutorBase.Op.Div) return a / b;
            if (op == ExecutorBase.Op.Rem) return a % b;
        }
        if (op == ExecutorBase.Op.BitAnd) return a & b;
        if (op == ExecutorBase.Op.BitOr) return a | b;
        if (op == ExecutorBase.Op.BitXor) return a ^ b;
        return (op == ExecutorBase.Op.Min) == (a < b) ? a : b;
    }

    function compare(ExecutorBase.Op op, uint256 a, uint256 b) private pure returns (bool) {
        if (op == ExecutorBase.Op.Eq) return a == b;
        if (op == ExecutorBase.Op.Ne) return a != b;
        if (op == ExecutorBase.Op.Ge) return a >= b;
        if (op == ExecutorBase.Op.Gt) return a > b;
        if (op == ExecutorBase.Op.Le) return a <= b;
        return a < b;
    }

    /// Shifts and rotations, by the amount modulo the width.
    function move(ExecutorBase.Op op, uint8 kind, uint256 a, uint256 b) private pure returns (uint256) {
        uint256 width = widthOf(kind);
        uint256 by = b % width;
        if (op == ExecutorBase.Op.Shl) return cut(a << by, kind);
        if (op == ExecutorBase.Op.Shr) return a >> by;
        if (op == ExecutorBase.Op.Rotl) return cut(a << by | a >> (width - by), kind);
        return cut(a >> by | a << (width - by), kind);
    }
}
