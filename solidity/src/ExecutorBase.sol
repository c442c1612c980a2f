// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {HcuMeter} from "./HcuMeter.sol";
import {IACL} from "./interfaces/IACL.sol";
import {Handles} from "./libraries/Handles.sol";
import {HcuPrices} from "./libraries/HcuPrices.sol";

/// Checks of operands and types, what an operation costs, and how a result gets its handle. An operation takes the types its row
/// of prices has a price for.
///
/// A handle hashes everything its value depends on: operation, operands, types, scalar flag, ACL, chain, parent block and
/// time. So a reorganisation can repeat a handle but never with another value.
abstract contract ExecutorBase is HcuMeter {
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

    function _binary(Op op, uint256 prices, uint256 scalarPrices, bytes32 lhs, bytes32 rhs, bytes1 scalarByte) internal returns (bytes32) {
        uint8 kind = Handles.typeOf(lhs);
        return _binaryTo(op, kind, _price(scalarByte == SCALAR ? scalarPrices : prices, kind), lhs, rhs, scalarByte);
    }

    function _compare(Op op, uint256 prices, uint256 scalarPrices, bytes32 lhs, bytes32 rhs, bytes1 scalarByte) internal returns (bytes32) {
        uint256 price = _price(scalarByte == SCALAR ? scalarPrices : prices, Handles.typeOf(lhs));
        return _binaryTo(op, Handles.BOOL, price, lhs, rhs, scalarByte);
    }

    /// Division and remainder: a plaintext divisor that is not zero once cut to the width of the dividend.
    function _divide(Op op, uint256 prices, bytes32 lhs, bytes32 rhs, bytes1 scalarByte) internal returns (bytes32) {
        if (scalarByte != SCALAR) revert IsNotScalar();
        uint8 kind = Handles.typeOf(lhs);
        uint256 price = _price(prices, kind);
        if (uint256(rhs) << (256 - Handles.bitsOf(kind)) == 0) revert DivisionByZero();
        return _binaryTo(op, kind, price, lhs, rhs, scalarByte);
    }

    function _unary(Op op, uint256 prices, bytes32 ct) internal returns (bytes32) {
        uint8 kind = Handles.typeOf(ct);
        uint256 price = _price(prices, kind);
        _checkAllowed(ct);
        return _result(kind, price, _depthOf(ct), abi.encodePacked(COMPUTATION, op, ct));
    }

    function _select(bytes32 control, bytes32 ifTrue, bytes32 ifFalse) internal returns (bytes32) {
        uint8 kind = Handles.typeOf(ifTrue);
        uint256 price = _price(HcuPrices.SELECT, kind);
        _checkAllowed(control);
        _checkAllowed(ifTrue);
        _checkAllowed(ifFalse);
        if (Handles.typeOf(control) != Handles.BOOL) revert UnsupportedType();
        if (Handles.typeOf(ifFalse) != kind) revert IncompatibleTypes();
        uint256 deepest = _deeper(_deeper(_depthOf(control), ifTrue), ifFalse);
        return _result(kind, price, deepest, abi.encodePacked(COMPUTATION, Op.IfThenElse, control, ifTrue, ifFalse));
    }

    function _cast(bytes32 ct, uint8 toType) internal returns (bytes32) {
        _checkAllowed(ct);
        uint8 kind = Handles.typeOf(ct);
        if (!Handles.isIn(kind, Handles.SET_BOOL | Handles.SET_8_TO_256)) revert UnsupportedType();
        uint256 price = _price(HcuPrices.CAST, toType);
        if (kind == toType) revert InvalidType();
        return _result(toType, price, _depthOf(ct), abi.encodePacked(COMPUTATION, Op.Cast, ct, toType));
    }

    function _trivial(uint256 pt, uint8 toType) internal returns (bytes32) {
        return _result(toType, _price(HcuPrices.TRIVIAL, toType), 0, abi.encodePacked(COMPUTATION, Op.TrivialEncrypt, pt, toType));
    }

    /// The seed holds ACL, chain, block and time already.
    function _rand(uint8 kind, bytes16 seed) internal returns (bytes32) {
        return _named(kind, _price(HcuPrices.RAND, kind), 0, abi.encodePacked(COMPUTATION, Op.Rand, kind, seed));
    }

    function _randBounded(uint256 bound, uint8 kind, bytes16 seed) internal returns (bytes32) {
        uint256 price = _price(HcuPrices.RAND_BOUNDED, kind);
        if (bound == 0 || bound & (bound - 1) != 0) revert NotPowerOfTwo();
        // 2^256 can not be said, so a 256-bit bound always fits.
        if (kind != Handles.UINT256 && bound > uint256(1) << Handles.bitsOf(kind)) revert UpperBoundAboveMaxTypeValue();
        return _named(kind, price, 0, abi.encodePacked(COMPUTATION, Op.RandBounded, bound, kind, seed));
    }

    function _nextSeed() internal returns (bytes16) {
        return bytes16(keccak256(abi.encodePacked(SEED, _seeds++, _place())));
    }

    function _sum(bytes32[] calldata values, uint8 kind) internal returns (bytes32) {
        uint256 price = _price(HcuPrices.sum(values.length), kind);
        uint256 deepest = _checkCollection(values, kind);
        return _result(kind, price, deepest, abi.encodePacked(COMPUTATION, Op.Sum, values.length, values));
    }

    function _isIn(bytes32 value, bytes32[] calldata values, uint8 kind) internal returns (bytes32) {
        uint256 price = _price(HcuPrices.isIn(values.length), kind);
        _checkAllowed(value);
        if (Handles.typeOf(value) != kind) revert IncompatibleTypes();
        uint256 deepest = _deeper(_checkCollection(values, kind), value);
        return _result(Handles.BOOL, price, deepest, abi.encodePacked(COMPUTATION, Op.IsIn, values.length, value, values));
    }

    /// Gives the caller a result for the rest of the transaction.
    function _grant(bytes32 result) internal returns (bytes32) {
        _acl.allowTransient(result, msg.sender);
        return result;
    }

    function _binaryTo(Op op, uint8 resultType, uint256 price, bytes32 lhs, bytes32 rhs, bytes1 scalarByte) private returns (bytes32) {
        if (scalarByte != ENCRYPTED && scalarByte != SCALAR) revert ScalarByteIsNotBoolean();
        _checkAllowed(lhs);
        uint256 deepest = _depthOf(lhs);
        if (scalarByte == ENCRYPTED) {
            _checkAllowed(rhs);
            if (Handles.typeOf(lhs) != Handles.typeOf(rhs)) revert IncompatibleTypes();
            deepest = _deeper(deepest, rhs);
        }
        return _result(resultType, price, deepest, abi.encodePacked(COMPUTATION, op, lhs, rhs, scalarByte));
    }

    function _result(uint8 kind, uint256 price, uint256 deepest, bytes memory operation) private returns (bytes32) {
        return _named(kind, price, deepest, abi.encodePacked(operation, _place()));
    }

    /// Pays for the result that `preimage` names, and gives it to the caller.
    function _named(uint8 kind, uint256 price, uint256 deepest, bytes memory preimage) private returns (bytes32 result) {
        uint256 depth = _spend(price, deepest);
        result = Handles.computed(keccak256(preimage), kind);
        _setDepth(result, depth);
        return _grant(result);
    }

    /// The price for this type; a row without one does not support it.
    function _price(uint256 prices, uint8 kind) private pure returns (uint256 price) {
        price = HcuPrices.priceOf(prices, kind);
        if (price == 0) revert UnsupportedType();
    }

    function _checkAllowed(bytes32 handle) private view {
        if (!_acl.isAllowed(handle, msg.sender)) revert ACLNotAllowed(handle, msg.sender);
    }

    /// Checks every item and returns how deep the deepest is.
    function _checkCollection(bytes32[] calldata values, uint8 kind) private view returns (uint256 deepest) {
        uint256 most = Handles.bitsOf(kind) > 32 ? MAX_WIDE_COLLECTION : MAX_NARROW_COLLECTION;
        if (values.length == 0) revert FHECollectionSizeInvalid(0, 1);
        if (values.length > most) revert FHECollectionSizeInvalid(values.length, most);
        for (uint256 i = 0; i < values.length; ++i) {
            _checkAllowed(values[i]);
            if (Handles.typeOf(values[i]) != kind) revert IncompatibleTypes();
            deepest = _deeper(deepest, values[i]);
        }
    }

    /// Where and when: the part of every hash that no caller chooses.
    function _place() private view returns (bytes memory) {
        return abi.encodePacked(_acl, block.chainid, blockhash(block.number - 1), block.timestamp);
    }
}
