// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ExecutorBase} from "../../src/ExecutorBase.sol";
import {FHEVMExecutor} from "../../src/FHEVMExecutor.sol";
import {Handles} from "../../src/libraries/Handles.sol";
import {Base} from "../Base.t.sol";

/// Which operation takes which types, written out again as lists and tried for every type id there could be.
contract ExecutorTypesTest is Base {
    uint256 private constant NUMBERS = 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6;
    uint256 private constant WITH_256 = NUMBERS | 1 << 8;
    uint256 private constant WITH_BOOL = WITH_256 | 1;
    uint256 private constant EVERY = WITH_BOOL | 1 << 7;

    bytes private constant UNSUPPORTED = abi.encodeWithSelector(ExecutorBase.UnsupportedType.selector);

    /// A handle ALICE may use, of any type id.
    function handleOf(uint8 kind) private returns (bytes32 handle) {
        handle = Handles.computed(keccak256(abi.encode("any", kind)), kind);
        vm.prank(EXECUTOR_ADDRESS);
        acl.allowTransient(handle, ALICE);
    }

    function call(bytes memory message) private returns (bool ok, bytes memory answer) {
        vm.prank(ALICE);
        (ok, answer) = EXECUTOR_ADDRESS.call(message);
    }

    /// The call succeeds with a handle of `resultKind` exactly if `kind` is in `types`, else says why.
    function check(bytes memory message, uint8 kind, uint256 types, uint8 resultKind) private {
        (bool ok, bytes memory answer) = call(message);
        if (types >> kind & 1 == 0) {
            vm.assertFalse(ok, "type taken");
            vm.assertEq(answer, UNSUPPORTED);
            return;
        }
        vm.assertTrue(ok, "type refused");
        bytes32 result = abi.decode(answer, (bytes32));
        vm.assertEq(Handles.typeOf(result), resultKind, "result type");
        vm.assertEq(Handles.indexOf(result), 0xff, "result index");
        vm.assertEq(Handles.chainIdOf(result), DEV_CHAIN, "result chain");
        vm.assertEq(Handles.versionOf(result), 0, "result version");
        vm.assertTrue(acl.allowedTransient(result, ALICE), "the caller may use the result");
        vm.assertFalse(acl.persistAllowed(result, ALICE), "no permission outlives the transaction by itself");
    }

    function checkBinary(bytes4 selector, uint256 types, bool toBool) private {
        for (uint256 i = 0; i < 256; ++i) {
            uint8 kind = uint8(i);
            bytes32 handle = handleOf(kind);
            uint8 resultKind = toBool ? Handles.BOOL : kind;
            check(abi.encodeWithSelector(selector, handle, handle, bytes1(0x00)), kind, types, resultKind);
            check(abi.encodeWithSelector(selector, handle, uint256(1), bytes1(0x01)), kind, types, resultKind);
        }
    }

    function test_arithmetic_takes_8_to_128_bits() public {
        checkBinary(FHEVMExecutor.fheAdd.selector, NUMBERS, false);
        checkBinary(FHEVMExecutor.fheSub.selector, NUMBERS, false);
        checkBinary(FHEVMExecutor.fheMul.selector, NUMBERS, false);
        checkBinary(FHEVMExecutor.fheMin.selector, NUMBERS, false);
        checkBinary(FHEVMExecutor.fheMax.selector, NUMBERS, false);
    }

    function test_division_takes_8_to_128_bits() public {
        for (uint256 i = 0; i < 256; ++i) {
            uint8 kind = uint8(i);
            bytes32 handle = handleOf(kind);
            check(abi.encodeCall(FHEVMExecutor.fheDiv, (handle, bytes32(uint256(1)), 0x01)), kind, NUMBERS, kind);
            check(abi.encodeCall(FHEVMExecutor.fheRem, (handle, bytes32(uint256(1)), 0x01)), kind, NUMBERS, kind);
        }
    }

    function test_bit_operations_take_bool_and_8_to_256_bits() public {
        checkBinary(FHEVMExecutor.fheBitAnd.selector, WITH_BOOL, false);
        checkBinary(FHEVMExecutor.fheBitOr.selector, WITH_BOOL, false);
        checkBinary(FHEVMExecutor.fheBitXor.selector, WITH_BOOL, false);
    }

    function test_shifts_take_8_to_256_bits() public {
        checkBinary(FHEVMExecutor.fheShl.selector, WITH_256, false);
        checkBinary(FHEVMExecutor.fheShr.selector, WITH_256, false);
        checkBinary(FHEVMExecutor.fheRotl.selector, WITH_256, false);
        checkBinary(FHEVMExecutor.fheRotr.selector, WITH_256, false);
    }

    function test_equality_takes_every_type_and_gives_a_bool() public {
        checkBinary(FHEVMExecutor.fheEq.selector, EVERY, true);
        checkBinary(FHEVMExecutor.fheNe.selector, EVERY, true);
    }

    function test_order_takes_8_to_128_bits_and_gives_a_bool() public {
        checkBinary(FHEVMExecutor.fheGe.selector, NUMBERS, true);
        checkBinary(FHEVMExecutor.fheGt.selector, NUMBERS, true);
        checkBinary(FHEVMExecutor.fheLe.selector, NUMBERS, true);
        checkBinary(FHEVMExecutor.fheLt.selector, NUMBERS, true);
    }

    function test_one_operand_and_no_operand() public {
        for (uint256 i = 0; i < 256; ++i) {
            uint8 kind = uint8(i);
            bytes32 handle = handleOf(kind);
            check(abi.encodeCall(FHEVMExecutor.fheNeg, (handle)), kind, WITH_256, kind);
            check(abi.encodeCall(FHEVMExecutor.fheNot, (handle)), kind, WITH_BOOL, kind);
            check(abi.encodeCall(FHEVMExecutor.trivialEncrypt, (7, kind)), kind, EVERY, kind);
            check(abi.encodeCall(FHEVMExecutor.fheRand, (kind)), kind, WITH_BOOL, kind);
            check(abi.encodeCall(FHEVMExecutor.fheRandBounded, (16, kind)), kind, WITH_256, kind);
        }
    }

    function test_select_takes_every_type() public {
        bytes32 control = handleOf(Handles.BOOL);
        for (uint256 i = 0; i < 256; ++i) {
            uint8 kind = uint8(i);
            bytes32 handle = handleOf(kind);
            check(abi.encodeCall(FHEVMExecutor.fheIfThenElse, (control, handle, handle)), kind, EVERY, kind);
        }
    }

    function test_collections_take_numbers() public {
        for (uint256 i = 0; i < 256; ++i) {
            uint8 kind = uint8(i);
            bytes32 handle = handleOf(kind);
            check(abi.encodeCall(FHEVMExecutor.fheSum, (one(handle), kind)), kind, NUMBERS, kind);
            check(abi.encodeCall(FHEVMExecutor.fheIsIn, (handle, one(handle), kind)), kind, WITH_256 | 1 << 7, Handles.BOOL);
        }
    }

    function test_casts_go_from_bool_and_numbers_to_other_numbers() public {
        uint8[8] memory known = kinds();
        for (uint256 i = 0; i < known.length; ++i) {
            for (uint256 j = 0; j < known.length; ++j) {
                (uint8 from, uint8 to) = (known[i], known[j]);
                (bool ok, bytes memory answer) = call(abi.encodeCall(FHEVMExecutor.cast, (handleOf(from), to)));
                bool typesFit = WITH_BOOL >> from & WITH_256 >> to & 1 == 1;
                vm.assertTrue(ok == (typesFit && from != to), "cast");
                if (ok) vm.assertEq(Handles.typeOf(abi.decode(answer, (bytes32))), to, "result type");
                else vm.assertEq(answer, typesFit ? abi.encodeWithSelector(ExecutorBase.InvalidType.selector) : UNSUPPORTED);
            }
        }
    }
}
