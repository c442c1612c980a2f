// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ExecutorBase} from "./ExecutorBase.sol";
import {FHEEvents} from "./interfaces/FHEEvents.sol";
import {ContextUserInputs, IInputVerifier} from "./interfaces/IInputVerifier.sol";
import {Handles} from "./libraries/Handles.sol";
import {HcuPrices} from "./libraries/HcuPrices.sol";

/// Symbolic execution: each call checks its operands, names the result by a handle, lets the caller use it and emits what the
/// coprocessors are to compute. Functions and errors are those of the fhEVM library. Immutable code, no owner.
contract FHEVMExecutor is ExecutorBase, FHEEvents {
    IInputVerifier private immutable _inputVerifier;

    /// Both may stand at addresses that have no code yet.
    constructor(address acl, address inputVerifier) ExecutorBase(acl) {
        _inputVerifier = IInputVerifier(inputVerifier);
    }

    /// lhs + rhs, wrapping, on 8 to 128 bits.
    function fheAdd(bytes32 lhs, bytes32 rhs, bytes1 scalarByte) external returns (bytes32 result) {
        result = _binary(Op.Add, HcuPrices.ADD, HcuPrices.ADD_SCALAR, lhs, rhs, scalarByte);
        emit FheAdd(msg.sender, lhs, rhs, scalarByte, result);
    }

    /// lhs - rhs, wrapping, on 8 to 128 bits.
    function fheSub(bytes32 lhs, bytes32 rhs, bytes1 scalarByte) external returns (bytes32 result) {
        result = _binary(Op.Sub, HcuPrices.SUB, HcuPrices.SUB_SCALAR, lhs, rhs, scalarByte);
        emit FheSub(msg.sender, lhs, rhs, scalarByte, result);
    }

    /// lhs * rhs, wrapping, on 8 to 128 bits.
    function fheMul(bytes32 lhs, bytes32 rhs, bytes1 scalarByte) external returns (bytes32 result) {
        result = _binary(Op.Mul, HcuPrices.MUL, HcuPrices.MUL_SCALAR, lhs, rhs, scalarByte);
        emit FheMul(msg.sender, lhs, rhs, scalarByte, result);
    }

    /// lhs / rhs on 8 to 128 bits; rhs a plaintext other than zero.
    function fheDiv(bytes32 lhs, bytes32 rhs, bytes1 scalarByte) external returns (bytes32 result) {
        result = _divide(Op.Div, HcuPrices.DIV_SCALAR, lhs, rhs, scalarByte);
        emit FheDiv(msg.sender, lhs, rhs, scalarByte, result);
    }

    /// lhs % rhs on 8 to 128 bits; rhs a plaintext other than zero.
    function fheRem(bytes32 lhs, bytes32 rhs, bytes1 scalarByte) external returns (bytes32 result) {
        result = _divide(Op.Rem, HcuPrices.REM_SCALAR, lhs, rhs, scalarByte);
        emit FheRem(msg.sender, lhs, rhs, scalarByte, result);
    }

    /// lhs & rhs on bool and 8 to 256 bits.
    function fheBitAnd(bytes32 lhs, bytes32 rhs, bytes1 scalarByte) external returns (bytes32 result) {
        result = _binary(Op.BitAnd, HcuPrices.AND, HcuPrices.AND_SCALAR, lhs, rhs, scalarByte);
        emit FheBitAnd(msg.sender, lhs, rhs, scalarByte, result);
    }

    /// lhs | rhs on bool and 8 to 256 bits.
    function fheBitOr(bytes32 lhs, bytes32 rhs, bytes1 scalarByte) external returns (bytes32 result) {
        result = _binary(Op.BitOr, HcuPrices.OR, HcuPrices.OR_SCALAR, lhs, rhs, scalarByte);
        emit FheBitOr(msg.sender, lhs, rhs, scalarByte, result);
    }

    /// lhs ^ rhs on bool and 8 to 256 bits.
    function fheBitXor(bytes32 lhs, bytes32 rhs, bytes1 scalarByte) external returns (bytes32 result) {
        result = _binary(Op.BitXor, HcuPrices.XOR, HcuPrices.XOR, lhs, rhs, scalarByte);
        emit FheBitXor(msg.sender, lhs, rhs, scalarByte, result);
    }

    /// lhs << rhs on 8 to 256 bits.
    function fheShl(bytes32 lhs, bytes32 rhs, bytes1 scalarByte) external returns (bytes32 result) {
        result = _binary(Op.Shl, HcuPrices.SHL, HcuPrices.SHL_SCALAR, lhs, rhs, scalarByte);
        emit FheShl(msg.sender, lhs, rhs, scalarByte, result);
    }

    /// lhs >> rhs on 8 to 256 bits.
    function fheShr(bytes32 lhs, bytes32 rhs, bytes1 scalarByte) external returns (bytes32 result) {
        result = _binary(Op.Shr, HcuPrices.SHR, HcuPrices.SHR_SCALAR, lhs, rhs, scalarByte);
        emit FheShr(msg.sender, lhs, rhs, scalarByte, result);
    }

    /// lhs rotated left by rhs on 8 to 256 bits.
    function fheRotl(bytes32 lhs, bytes32 rhs, bytes1 scalarByte) external returns (bytes32 result) {
        result = _binary(Op.Rotl, HcuPrices.ROTL, HcuPrices.ROTL_SCALAR, lhs, rhs, scalarByte);
        emit FheRotl(msg.sender, lhs, rhs, scalarByte, result);
    }

    /// lhs rotated right by rhs on 8 to 256 bits.
    function fheRotr(bytes32 lhs, bytes32 rhs, bytes1 scalarByte) external returns (bytes32 result) {
        result = _binary(Op.Rotr, HcuPrices.ROTR, HcuPrices.ROTR_SCALAR, lhs, rhs, scalarByte);
        emit FheRotr(msg.sender, lhs, rhs, scalarByte, result);
    }

    /// lhs == rhs on every type.
    function fheEq(bytes32 lhs, bytes32 rhs, bytes1 scalarByte) external returns (bytes32 result) {
        result = _compare(Op.Eq, HcuPrices.EQ, HcuPrices.EQ_SCALAR, lhs, rhs, scalarByte);
        emit FheEq(msg.sender, lhs, rhs, scalarByte, result);
    }

    /// lhs != rhs on every type.
    function fheNe(bytes32 lhs, bytes32 rhs, bytes1 scalarByte) external returns (bytes32 result) {
        result = _compare(Op.Ne, HcuPrices.NE, HcuPrices.NE_SCALAR, lhs, rhs, scalarByte);
        emit FheNe(msg.sender, lhs, rhs, scalarByte, result);
    }

    /// lhs >= rhs, unsigned, on 8 to 128 bits.
    function fheGe(bytes32 lhs, bytes32 rhs, bytes1 scalarByte) external returns (bytes32 result) {
        result = _compare(Op.Ge, HcuPrices.GE, HcuPrices.GE_SCALAR, lhs, rhs, scalarByte);
        emit FheGe(msg.sender, lhs, rhs, scalarByte, result);
    }

    /// lhs > rhs, unsigned, on 8 to 128 bits.
    function fheGt(bytes32 lhs, bytes32 rhs, bytes1 scalarByte) external returns (bytes32 result) {
        result = _compare(Op.Gt, HcuPrices.GT, HcuPrices.GT_SCALAR, lhs, rhs, scalarByte);
        emit FheGt(msg.sender, lhs, rhs, scalarByte, result);
    }

    /// lhs <= rhs, unsigned, on 8 to 128 bits.
    function fheLe(bytes32 lhs, bytes32 rhs, bytes1 scalarByte) external returns (bytes32 result) {
        result = _compare(Op.Le, HcuPrices.LE, HcuPrices.LE_SCALAR, lhs, rhs, scalarByte);
        emit FheLe(msg.sender, lhs, rhs, scalarByte, result);
    }

    /// lhs < rhs, unsigned, on 8 to 128 bits.
    function fheLt(bytes32 lhs, bytes32 rhs, bytes1 scalarByte) external returns (bytes32 result) {
        result = _compare(Op.Lt, HcuPrices.LT, HcuPrices.LT_SCALAR, lhs, rhs, scalarByte);
        emit FheLt(msg.sender, lhs, rhs, scalarByte, result);
    }

    /// The smaller on 8 to 128 bits.
    function fheMin(bytes32 lhs, bytes32 rhs, bytes1 scalarByte) external returns (bytes32 result) {
        result = _binary(Op.Min, HcuPrices.MIN, HcuPrices.MIN_SCALAR, lhs, rhs, scalarByte);
        emit FheMin(msg.sender, lhs, rhs, scalarByte, result);
    }

    /// The larger on 8 to 128 bits.
    function fheMax(bytes32 lhs, bytes32 rhs, bytes1 scalarByte) external returns (bytes32 result) {
        result = _binary(Op.Max, HcuPrices.MAX, HcuPrices.MAX_SCALAR, lhs, rhs, scalarByte);
        emit FheMax(msg.sender, lhs, rhs, scalarByte, result);
    }

    /// -ct, wrapping, on 8 to 256 bits.
    function fheNeg(bytes32 ct) external returns (bytes32 result) {
        result = _unary(Op.Neg, HcuPrices.NEG, ct);
        emit FheNeg(msg.sender, ct, result);
    }

    /// Every bit of ct flipped, on bool and 8 to 256 bits.
    function fheNot(bytes32 ct) external returns (bytes32 result) {
        result = _unary(Op.Not, HcuPrices.NOT, ct);
        emit FheNot(msg.sender, ct, result);
    }

    /// `ifTrue` or `ifFalse`, of one type, as the bool `control` says.
    function fheIfThenElse(bytes32 control, bytes32 ifTrue, bytes32 ifFalse) external returns (bytes32 result) {
        result = _select(control, ifTrue, ifFalse);
        emit FheIfThenElse(msg.sender, control, ifTrue, ifFalse, result);
    }

    /// The value in another width, cut or padded with zeros; never to bool (compare with zero instead), never to its own type.
    function cast(bytes32 ct, uint8 toType) external returns (bytes32 result) {
        result = _cast(ct, toType);
        emit Cast(msg.sender, ct, toType, result);
    }

    /// A plaintext as a handle; everybody sees the value.
    function trivialEncrypt(uint256 pt, uint8 toType) external returns (bytes32 result) {
        result = _trivial(pt, toType);
        emit TrivialEncrypt(msg.sender, pt, toType, result);
    }

    /// An input encrypted by `userAddress` for the calling contract, vouched for by the coprocessors.
    function verifyInput(bytes32 inputHandle, address userAddress, bytes calldata inputProof, uint8 inputType)
        external
        returns (bytes32 result)
    {
        if (Handles.typeOf(inputHandle) != inputType) revert InvalidType();
        if (!Handles.isIn(inputType, Handles.SET_ALL)) revert UnsupportedType();
        ContextUserInputs memory context = ContextUserInputs({userAddress: userAddress, contractAddress: msg.sender});
        result = _grant(_inputVerifier.verifyInput(context, inputHandle, inputProof));
        emit VerifyInput(msg.sender, inputHandle, userAddress, inputProof, inputType, result);
    }

    /// A random value nobody knows, on bool and 8 to 256 bits.
    function fheRand(uint8 randType) external returns (bytes32 result) {
        bytes16 seed = _nextSeed();
        result = _rand(randType, seed);
        emit FheRand(msg.sender, randType, seed, result);
    }

    /// A random value below `upperBound`, a power of two, on 8 to 256 bits.
    function fheRandBounded(uint256 upperBound, uint8 randType) external returns (bytes32 result) {
        bytes16 seed = _nextSeed();
        result = _randBounded(upperBound, randType, seed);
        emit FheRandBounded(msg.sender, upperBound, randType, seed, result);
    }

    /// The sum of a list, wrapping, on 8 to 128 bits.
    function fheSum(bytes32[] calldata values, uint8 resultType) external returns (bytes32 result) {
        result = _sum(values, resultType);
        emit FheSum(msg.sender, values, result);
    }

    /// Whether `value` is in a list of its own type, on 8 to 256 bits and addresses.
    function fheIsIn(bytes32 value, bytes32[] calldata values, uint8 valueType) external returns (bytes32 result) {
        result = _isIn(value, values, valueType);
        emit FheIsIn(msg.sender, value, values, result);
    }

    /// Who checks inputs; the library asks for it.
    function getInputVerifierAddress() external view returns (address) {
        return address(_inputVerifier);
    }

    /// Who keeps the permissions.
    function getACLAddress() external view returns (address) {
        return address(_acl);
    }

    /// Who keeps the limits on homomorphic cost: this contract.
    function getHCULimitAddress() external view returns (address) {
        return address(this);
    }

    /// Version byte of new handles.
    function getHandleVersion() external pure returns (uint8) {
        return Handles.VERSION;
    }
}
