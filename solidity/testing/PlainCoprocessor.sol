// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ExecutorBase} from "../src/ExecutorBase.sol";
import {FHEEvents} from "../src/interfaces/FHEEvents.sol";
import {Handles} from "../src/libraries/Handles.sol";
import {Cheats} from "./Cheats.sol";
import {PlainValues} from "./PlainValues.sol";

/// FOR TESTS. Follows the executor's events as coprocessors do and keeps the value behind each handle, in the clear.
abstract contract PlainCoprocessor {
    /// Nothing is known of this handle: it was not made in this test.
    error PlaintextUnknown(bytes32 handle);

    struct Plain {
        bool known;
        uint256 value;
    }

    mapping(bytes32 handle => Plain) private _plain;
    /// Number of the operation plus one.
    mapping(bytes32 topic => uint8) private _binaryOps;
    /// The event at hand has an operand nothing is known of.
    bool private _missing;

    constructor() {
        bytes32[20] memory topics = [
            FHEEvents.FheAdd.selector,
            FHEEvents.FheSub.selector,
            FHEEvents.FheMul.selector,
            FHEEvents.FheDiv.selector,
            FHEEvents.FheRem.selector,
            FHEEvents.FheBitAnd.selector,
            FHEEvents.FheBitOr.selector,
            FHEEvents.FheBitXor.selector,
            FHEEvents.FheShl.selector,
            FHEEvents.FheShr.selector,
            FHEEvents.FheRotl.selector,
            FHEEvents.FheRotr.selector,
            FHEEvents.FheEq.selector,
            FHEEvents.FheNe.selector,
            FHEEvents.FheGe.selector,
            FHEEvents.FheGt.selector,
            FHEEvents.FheLe.selector,
            FHEEvents.FheLt.selector,
            FHEEvents.FheMin.selector,
            FHEEvents.FheMax.selector
        ];
        for (uint8 op = 0; op < topics.length; ++op) {
            _binaryOps[topics[op]] = op + 1;
        }
    }

    /// The value behind a handle.
    function _valueOf(bytes32 handle) internal view returns (uint256) {
        Plain memory plain = _plain[handle];
        if (!plain.known) revert PlaintextUnknown(handle);
        return plain.value;
    }

    /// Notes the value behind a handle, cut to the width of its type.
    function _learn(bytes32 handle, uint256 value) internal {
        _plain[handle] = Plain({known: true, value: PlainValues.cut(value, Handles.typeOf(handle))});
    }

    /// Computes what one event of the executor asks for.
    function _execute(Cheats.Log memory log) internal {
        _missing = false;
        bytes32 topic = log.topics[0];
        uint8 op = _binaryOps[topic];
        if (op != 0) return _executeBinary(ExecutorBase.Op(op - 1), log.data);
        if (topic == FHEEvents.FheNeg.selector || topic == FHEEvents.FheNot.selector) {
            (bytes32 ct, bytes32 result) = abi.decode(log.data, (bytes32, bytes32));
            // -x = ~x + 1
            unchecked {
                _conclude(result, ~_operand(ct) + (topic == FHEEvents.FheNeg.selector ? 1 : 0));
            }
        } else if (topic == FHEEvents.Cast.selector) {
            (bytes32 ct,, bytes32 result) = abi.decode(log.data, (bytes32, uint8, bytes32));
            _conclude(result, _operand(ct));
        } else if (topic == FHEEvents.TrivialEncrypt.selector) {
            (uint256 pt,, bytes32 result) = abi.decode(log.data, (uint256, uint8, bytes32));
            _conclude(result, pt);
        } else if (topic == FHEEvents.FheIfThenElse.selector) {
            (bytes32 control, bytes32 ifTrue, bytes32 ifFalse, bytes32 result) = abi.decode(log.data, (bytes32, bytes32, bytes32, bytes32));
            _conclude(result, _operand(_operand(control) == 1 ? ifTrue : ifFalse));
        } else {
            _executeMore(topic, log.data);
        }
    }

    function _executeMore(bytes32 topic, bytes memory data) private {
        if (topic == FHEEvents.FheRand.selector) {
            (, bytes16 seed, bytes32 result) = abi.decode(data, (uint8, bytes16, bytes32));
            _conclude(result, _random(seed));
        } else if (topic == FHEEvents.FheRandBounded.selector) {
            (uint256 bound,, bytes16 seed, bytes32 result) = abi.decode(data, (uint256, uint8, bytes16, bytes32));
            _conclude(result, _random(seed) & (bound - 1));
        } else if (topic == FHEEvents.FheSum.selector) {
            (bytes32[] memory values, bytes32 result) = abi.decode(data, (bytes32[], bytes32));
            uint256 total;
            for (uint256 i = 0; i < values.length; ++i) {
                total += _operand(values[i]);
            }
            _conclude(result, total);
        } else if (topic == FHEEvents.FheIsIn.selector) {
            (bytes32 value, bytes32[] memory values, bytes32 result) = abi.decode(data, (bytes32, bytes32[], bytes32));
            uint256 found;
            for (uint256 i = 0; i < values.length; ++i) {
                if (_operand(values[i]) == _operand(value)) found = 1;
            }
            _conclude(result, found);
        }
        // VerifyInput names the handle whose value is known since it was encrypted.
    }

    function _executeBinary(ExecutorBase.Op op, bytes memory data) private {
        (bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result) = abi.decode(data, (bytes32, bytes32, bytes1, bytes32));
        uint256 right = scalarByte == 0x01 ? uint256(rhs) : _operand(rhs);
        _conclude(result, PlainValues.binary(op, Handles.typeOf(lhs), _operand(lhs), right));
    }

    /// An operand's value; nothing is concluded from an unknown one.
    function _operand(bytes32 handle) private returns (uint256) {
        if (!_plain[handle].known) _missing = true;
        return _plain[handle].value;
    }

    function _conclude(bytes32 result, uint256 value) private {
        if (!_missing) _learn(result, value);
    }

    /// Another value than the one a network would draw from this seed, and as hard to guess for a contract.
    function _random(bytes16 seed) private pure returns (uint256) {
        return uint256(keccak256(abi.encode("test randomness", seed)));
    }
}
