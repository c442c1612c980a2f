// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IACL} from "./interfaces/IACL.sol";
import {Handles} from "./libraries/Handles.sol";

/// Checks of operands and types, and how a result gets its handle.
///
/// A handle hashes everything its value depends on: operation, operands, types, scalar flag, ACL, chain, parent block and
/// time. So a reorganisation can repeat a handle but never with another value.
abstract contract ExecutorBase {
    /// Number of an operation inside the hash; part of the format, so the order never changes.
    enum Op {
        Add,
        Sub,
        Mul,
        Div,
        Rem,
        BitAnd,
        BitOr,
        BitXor,
        Shl,
        Shr,
        Rotl,
        Rotr,
        Eq,
        Ne,
        Ge,
        Gt,
        Le,
        Lt,
        Min,
        Max,
        Neg,
        Not,
        VerifyInput,
        Cast,
        TrivialEncrypt,
        IfThenElse,
        Rand,
        RandBounded,
        Sum,
        IsIn
    }

    error ACLNotAllowed(bytes32 handle, address account);
    error DivisionByZero();
    error IncompatibleTypes();
    error InvalidType();
    error IsNotScalar();
    error NotPowerOfTwo();
    error ScalarByteIsNotBoolean();
    error UnsupportedType();
    error UpperBoundAboveMaxTypeValue();
    error FHECollectionSizeInvalid(uint256 size, uint256 limit);

    bytes1 internal constant ENCRYPTED = 0x00;
    bytes1 internal constant SCALAR = 0x01;

    /// Longest list of a collection operation, by width of its elements.
    uint256 internal constant MAX_NARROW_COLLECTION = 100;
    uint256 internal constant MAX_WIDE_COLLECTION = 60;

    bytes8 private constant COMPUTATION = "FHE_comp";
    bytes8 private constant SEED = "FHE_seed";

    IACL internal immutable _acl;

    /// Makes every seed different, also within one block.
    uint256 private _seeds;

    constructor(address acl) {
        _acl = IACL(acl);
    }

    function _binary(Op op, uint256 types, bytes32 lhs, bytes32 rhs, bytes1 scalarByte) internal returns (bytes32) {
        return _binaryTo(op, _checkType(Handles.typeOf(lhs), types), lhs, rhs, scalarByte);
    }

    function _compare(Op op, uint256 types, bytes32 lhs, bytes32 rhs, bytes1 scalarByte) internal returns (bytes32) {
        _checkType(Handles.typeOf(lhs), types);
        return _binaryTo(op, Handles.BOOL, lhs, rhs, scalarByte);
    }

    /// Division and remainder: a plaintext divisor that is not zero once cut to the width of the dividend.
    function _divide(Op op, bytes32 lhs, bytes32 rhs, bytes1 scalarByte) internal returns (bytes32) {
        if (scalarByte != SCALAR) revert IsNotScalar();
        uint8 kind = _checkType(Handles.typeOf(lhs), Handles.SET_8_TO_128);
        if (uint256(rhs) << (256 - Handles.bitsOf(kind)) == 0) revert DivisionByZero();
        return _binaryTo(op, kind, lhs, rhs, scalarByte);
    }

    function _unary(Op op, uint256 types, bytes32 ct) internal returns (bytes32) {
        uint8 kind = _checkType(Handles.typeOf(ct), types);
        _checkAllowed(ct);
        return _result(kind, abi.encodePacked(COMPUTATION, op, ct));
    }

    function _select(bytes32 control, bytes32 ifTrue, bytes32 ifFalse) internal returns (bytes32) {
        uint8 kind = _checkType(Handles.typeOf(ifTrue), Handles.SET_ALL);
        _checkAllowed(control);
        _checkAllowed(ifTrue);
        _checkAllowed(ifFalse);
        if (Handles.typeOf(control) != Handles.BOOL) revert UnsupportedType();
        if (Handles.typeOf(ifFalse) != kind) revert IncompatibleTypes();
        return _result(kind, abi.encodePacked(COMPUTATION, Op.IfThenElse, control, ifTrue, ifFalse));
    }

    function _cast(bytes32 ct, uint8 toType) internal returns (bytes32) {
        _checkAllowed(ct);
        uint8 kind = _checkType(Handles.typeOf(ct), Handles.SET_BOOL | Handles.SET_8_TO_256);
        _checkType(toType, Handles.SET_8_TO_256);
        if (kind == toType) revert InvalidType();
        return _result(toType, abi.encodePacked(COMPUTATION, Op.Cast, ct, toType));
    }

    function _trivial(uint256 pt, uint8 toType) internal returns (bytes32) {
        _checkType(toType, Handles.SET_ALL);
        return _result(toType, abi.encodePacked(COMPUTATION, Op.TrivialEncrypt, pt, toType));
    }

    /// The seed holds ACL, chain, block and time already.
    function _rand(uint8 kind, bytes16 seed) internal returns (bytes32) {
        _checkType(kind, Handles.SET_BOOL | Handles.SET_8_TO_256);
        return _grant(Handles.computed(keccak256(abi.encodePacked(COMPUTATION, Op.Rand, kind, seed)), kind));
    }

    function _randBounded(uint256 bound, uint8 kind, bytes16 seed) internal returns (bytes32) {
        _checkType(kind, Handles.SET_8_TO_256);
        if (bound == 0 || bound & (bound - 1) != 0) revert NotPowerOfTwo();
        // 2^256 can not be said, so a 256-bit bound always fits.
        if (kind != Handles.UINT256 && bound > uint256(1) << Handles.bitsOf(kind)) revert UpperBoundAboveMaxTypeValue();
        return _grant(Handles.computed(keccak256(abi.encodePacked(COMPUTATION, Op.RandBounded, bound, kind, seed)), kind));
    }

    function _nextSeed() internal returns (bytes16) {
        return bytes16(keccak256(abi.encodePacked(SEED, _seeds++, _place())));
    }

    function _sum(bytes32[] calldata values, uint8 kind) internal returns (bytes32) {
        _checkType(kind, Handles.SET_8_TO_128);
        _checkCollection(values, kind);
        return _result(kind, abi.encodePacked(COMPUTATION, Op.Sum, values.length, values));
    }

    function _isIn(bytes32 value, bytes32[] calldata values, uint8 kind) internal returns (bytes32) {
        _checkType(kind, Handles.SET_8_TO_256 | 1 << Handles.ADDRESS);
        _checkAllowed(value);
        if (Handles.typeOf(value) != kind) revert IncompatibleTypes();
        _checkCollection(values, kind);
        return _result(Handles.BOOL, abi.encodePacked(COMPUTATION, Op.IsIn, values.length, value, values));
    }

    function _checkType(uint8 kind, uint256 types) internal pure returns (uint8) {
        if (!Handles.isIn(kind, types)) revert UnsupportedType();
        return kind;
    }

    /// Gives the caller a result for the rest of the transaction.
    function _grant(bytes32 result) internal returns (bytes32) {
        _acl.allowTransient(result, msg.sender);
        return result;
    }

    function _binaryTo(Op op, uint8 resultType, bytes32 lhs, bytes32 rhs, bytes1 scalarByte) private returns (bytes32) {
        if (scalarByte != ENCRYPTED && scalarByte != SCALAR) revert ScalarByteIsNotBoolean();
        _checkAllowed(lhs);
        if (scalarByte == ENCRYPTED) {
            _checkAllowed(rhs);
            if (Handles.typeOf(lhs) != Handles.typeOf(rhs)) revert IncompatibleTypes();
        }
        return _result(resultType, abi.encodePacked(COMPUTATION, op, lhs, rhs, scalarByte));
    }

    function _result(uint8 kind, bytes memory operation) private returns (bytes32) {
        return _grant(Handles.computed(keccak256(abi.encodePacked(operation, _place())), kind));
    }

    function _checkAllowed(bytes32 handle) private view {
        if (!_acl.isAllowed(handle, msg.sender)) revert ACLNotAllowed(handle, msg.sender);
    }

    function _checkCollection(bytes32[] calldata values, uint8 kind) private view {
        uint256 most = Handles.bitsOf(kind) > 32 ? MAX_WIDE_COLLECTION : MAX_NARROW_COLLECTION;
        if (values.length == 0) revert FHECollectionSizeInvalid(0, 1);
        if (values.length > most) revert FHECollectionSizeInvalid(values.length, most);
        for (uint256 i = 0; i < values.length; ++i) {
            _checkAllowed(values[i]);
            if (Handles.typeOf(values[i]) != kind) revert IncompatibleTypes();
        }
    }

    /// Where and when: the part of every hash that no caller chooses.
    function _place() private view returns (bytes memory) {
        return abi.encodePacked(_acl, block.chainid, blockhash(block.number - 1), block.timestamp);
    }
}
