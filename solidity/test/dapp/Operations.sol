// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ZamaEthereumConfig} from "@fhevm/solidity/config/ZamaConfig.sol";
import {eaddress, ebool, euint128, euint16, euint256, euint32, euint64, euint8, externalEuint32, FHE} from "@fhevm/solidity/lib/FHE.sol";

import {FHEEvents} from "../../src/interfaces/FHEEvents.sol";

/// Calls every operation through the library and writes down what each should announce: topic and unindexed arguments.
contract Operations is ZamaEthereumConfig {
    struct Expected {
        bytes32 topic;
        bytes data;
    }

    bytes1 private constant CIPHER = 0x00;
    bytes1 private constant PLAIN = 0x01;

    Expected[] private expected;
    euint32 private x;
    euint32 private y;

    function note(bytes32 topic, bytes memory data) private {
        expected.push(Expected(topic, data));
    }

    function two(bytes32 topic, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result) private {
        note(topic, abi.encode(lhs, rhs, scalarByte, result));
    }

    function numbers(bytes32 topic, euint32 result) private {
        two(topic, euint32.unwrap(x), euint32.unwrap(y), CIPHER, euint32.unwrap(result));
    }

    function scalars(bytes32 topic, uint256 scalar, euint32 result) private {
        two(topic, euint32.unwrap(x), bytes32(scalar), PLAIN, euint32.unwrap(result));
    }

    function bits(bytes32 topic, ebool result) private {
        two(topic, euint32.unwrap(x), euint32.unwrap(y), CIPHER, ebool.unwrap(result));
    }

    function start() public {
        delete expected;
        (x, y) = (FHE.asEuint32(9), FHE.asEuint32(4));
        note(FHEEvents.TrivialEncrypt.selector, abi.encode(9, 4, x));
        note(FHEEvents.TrivialEncrypt.selector, abi.encode(4, 4, y));
    }

    function arithmetic() external returns (Expected[] memory) {
        start();
        numbers(FHEEvents.FheAdd.selector, FHE.add(x, y));
        numbers(FHEEvents.FheSub.selector, FHE.sub(x, y));
        numbers(FHEEvents.FheMul.selector, FHE.mul(x, y));
        numbers(FHEEvents.FheMin.selector, FHE.min(x, y));
        numbers(FHEEvents.FheMax.selector, FHE.max(x, y));
        scalars(FHEEvents.FheAdd.selector, 5, FHE.add(x, 5));
        scalars(FHEEvents.FheAdd.selector, 6, FHE.add(6, x));
        scalars(FHEEvents.FheSub.selector, 7, FHE.sub(x, 7));
        scalars(FHEEvents.FheMul.selector, 8, FHE.mul(x, 8));
        scalars(FHEEvents.FheDiv.selector, 3, FHE.div(x, 3));
        scalars(FHEEvents.FheRem.selector, 3, FHE.rem(x, 3));
        scalars(FHEEvents.FheMin.selector, 2, FHE.min(x, 2));
        scalars(FHEEvents.FheMax.selector, 2, FHE.max(x, 2));
        return expected;
    }

    function comparisons() external returns (Expected[] memory) {
        start();
        bits(FHEEvents.FheEq.selector, FHE.eq(x, y));
        bits(FHEEvents.FheNe.selector, FHE.ne(x, y));
        bits(FHEEvents.FheGe.selector, FHE.ge(x, y));
        bits(FHEEvents.FheGt.selector, FHE.gt(x, y));
        bits(FHEEvents.FheLe.selector, FHE.le(x, y));
        bits(FHEEvents.FheLt.selector, FHE.lt(x, y));
        eaddress who = FHE.asEaddress(address(7));
        note(FHEEvents.TrivialEncrypt.selector, abi.encode(7, 7, who));
        ebool same = FHE.eq(who, address(8));
        two(FHEEvents.FheEq.selector, eaddress.unwrap(who), bytes32(uint256(8)), PLAIN, ebool.unwrap(same));
        return expected;
    }

    function bitwise() external returns (Expected[] memory) {
        start();
        numbers(FHEEvents.FheBitAnd.selector, FHE.and(x, y));
        numbers(FHEEvents.FheBitOr.selector, FHE.or(x, y));
        numbers(FHEEvents.FheBitXor.selector, FHE.xor(x, y));
        scalars(FHEEvents.FheShl.selector, 3, FHE.shl(x, uint8(3)));
        scalars(FHEEvents.FheShr.selector, 33, FHE.shr(x, uint8(33)));
        scalars(FHEEvents.FheRotl.selector, 3, FHE.rotl(x, uint8(3)));
        scalars(FHEEvents.FheRotr.selector, 3, FHE.rotr(x, uint8(3)));
        note(FHEEvents.FheNeg.selector, abi.encode(x, FHE.neg(x)));
        note(FHEEvents.FheNot.selector, abi.encode(x, FHE.not(x)));
        return expected;
    }

    function conversions(externalEuint32 input, bytes calldata proof) external returns (Expected[] memory) {
        start();
        note(FHEEvents.Cast.selector, abi.encode(x, 6, FHE.asEuint128(x)));
        note(FHEEvents.Cast.selector, abi.encode(x, 2, FHE.asEuint8(x)));
        ebool bit = FHE.asEbool(true);
        note(FHEEvents.TrivialEncrypt.selector, abi.encode(1, 0, bit));
        note(FHEEvents.FheIfThenElse.selector, abi.encode(bit, x, y, FHE.select(bit, x, y)));
        euint32 entered = FHE.fromExternal(input, proof);
        note(FHEEvents.VerifyInput.selector, abi.encode(input, msg.sender, proof, 4, entered));
        return expected;
    }

    function collections() external returns (Expected[] memory) {
        start();
        euint32[] memory list = new euint32[](3);
        (list[0], list[1], list[2]) = (x, y, x);
        note(FHEEvents.FheSum.selector, abi.encode(list, FHE.sum(list)));
        note(FHEEvents.FheIsIn.selector, abi.encode(y, list, FHE.isIn(y, list)));
        return expected;
    }

    function randoms() external returns (bytes32[] memory handles) {
        handles = new bytes32[](13);
        handles[0] = ebool.unwrap(FHE.randEbool());
        handles[1] = euint8.unwrap(FHE.randEuint8());
        handles[2] = euint8.unwrap(FHE.randEuint8(128));
        handles[3] = euint16.unwrap(FHE.randEuint16());
        handles[4] = euint16.unwrap(FHE.randEuint16(1));
        handles[5] = euint32.unwrap(FHE.randEuint32());
        handles[6] = euint32.unwrap(FHE.randEuint32(2));
        handles[7] = euint64.unwrap(FHE.randEuint64());
        handles[8] = euint64.unwrap(FHE.randEuint64(1 << 63));
        handles[9] = euint128.unwrap(FHE.randEuint128());
        handles[10] = euint128.unwrap(FHE.randEuint128(1 << 127));
        handles[11] = euint256.unwrap(FHE.randEuint256());
        handles[12] = euint256.unwrap(FHE.randEuint256(1 << 255));
    }

    function randomBelow(uint64 bound) external returns (euint64) {
        return FHE.randEuint64(bound);
    }

    function sum64(uint256 count) external {
        euint64[] memory list = new euint64[](count);
        for (uint256 i = 0; i < count; ++i) {
            list[i] = FHE.asEuint64(uint64(i));
        }
        FHE.sum(list);
    }

    function isIn8(uint256 count) external {
        euint8[] memory list = new euint8[](count);
        euint8 value = FHE.asEuint8(1);
        for (uint256 i = 0; i < count; ++i) {
            list[i] = value;
        }
        FHE.isIn(value, list);
    }

    function isInWide(uint256 count) external {
        eaddress[] memory people = new eaddress[](count);
        euint256[] memory words = new euint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            people[i] = FHE.asEaddress(address(uint160(i)));
            words[i] = FHE.asEuint256(i);
        }
        FHE.isIn(FHE.asEaddress(address(1)), people);
        FHE.isIn(FHE.asEuint256(1), words);
    }

    function divide(uint32 divisor) external {
        FHE.div(FHE.asEuint32(9), divisor);
    }

    /// Two numbers of a type each that the library would never put together.
    function mixed() external {
        FHE.add(FHE.asEuint64(1), euint64.wrap(euint32.unwrap(FHE.asEuint32(1))));
    }
}
