// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {FHEVMExecutor} from "../../src/FHEVMExecutor.sol";
import {Handles} from "../../src/libraries/Handles.sol";
import {Base} from "../Base.t.sol";

/// The price of every operation on every type is the published one.
contract HcuPricesTest is Base {
    /// What the measured call paid, carried out of a frame that leaves no other trace.
    error Paid(bool ok, uint256 total, uint256 depth);

    uint256 private constant KINDS = 9;
    string private json;

    function setUp() public override {
        super.setUp();
        json = vm.readFile("vectors/hcu.json");
    }

    /// A handle ALICE may use that cost nothing in this transaction.
    function handleOf(uint256 kind, uint256 salt) private returns (bytes32 handle) {
        handle = Handles.computed(keccak256(abi.encode("priced", kind, salt)), uint8(kind));
        vm.prank(EXECUTOR_ADDRESS);
        acl.allowTransient(handle, ALICE);
    }

    function run(bytes calldata message) external {
        uint256 before = executor.getTransactionHCU();
        vm.prank(ALICE);
        (bool ok, bytes memory answer) = EXECUTOR_ADDRESS.call(message);
        uint256 depth = ok ? executor.getHandleHCU(abi.decode(answer, (bytes32))) : 0;
        revert Paid(ok, executor.getTransactionHCU() - before, depth);
    }

    /// The call costs `price`, in total and in depth, or is refused if that is 0.
    function check(bytes memory message, uint256 price) private {
        try this.run(message) {}
        catch (bytes memory reason) {
            vm.assertEq(reason, abi.encodeWithSelector(Paid.selector, price != 0, price, price));
        }
    }

    function prices(string memory key) private view returns (uint256[] memory list) {
        list = vm.parseJsonUintArray(json, key);
        vm.assertEq(list.length, KINDS);
    }

    function checkBinary(string memory name, bytes4 selector) private {
        uint256[] memory scalar = prices(string.concat(".scalar.", name));
        bool both = vm.keyExistsJson(json, string.concat(".encrypted.", name));
        uint256[] memory encrypted = both ? prices(string.concat(".encrypted.", name)) : new uint256[](KINDS);
        for (uint256 kind = 0; kind < KINDS; ++kind) {
            (bytes32 lhs, bytes32 rhs) = (handleOf(kind, 0), handleOf(kind, 1));
            check(abi.encodeWithSelector(selector, lhs, uint256(3), bytes1(0x01)), scalar[kind]);
            check(abi.encodeWithSelector(selector, lhs, rhs, bytes1(0x00)), encrypted[kind]);
        }
    }

    function test_arithmetic_costs_what_is_published() public {
        checkBinary("fheAdd", FHEVMExecutor.fheAdd.selector);
        checkBinary("fheSub", FHEVMExecutor.fheSub.selector);
        checkBinary("fheMul", FHEVMExecutor.fheMul.selector);
        checkBinary("fheDiv", FHEVMExecutor.fheDiv.selector);
        checkBinary("fheRem", FHEVMExecutor.fheRem.selector);
        checkBinary("fheMin", FHEVMExecutor.fheMin.selector);
        checkBinary("fheMax", FHEVMExecutor.fheMax.selector);
    }

    function test_bit_operations_cost_what_is_published() public {
        checkBinary("fheBitAnd", FHEVMExecutor.fheBitAnd.selector);
        checkBinary("fheBitOr", FHEVMExecutor.fheBitOr.selector);
        checkBinary("fheBitXor", FHEVMExecutor.fheBitXor.selector);
        checkBinary("fheShl", FHEVMExecutor.fheShl.selector);
        checkBinary("fheShr", FHEVMExecutor.fheShr.selector);
        checkBinary("fheRotl", FHEVMExecutor.fheRotl.selector);
        checkBinary("fheRotr", FHEVMExecutor.fheRotr.selector);
    }

    function test_comparisons_cost_what_is_published() public {
        checkBinary("fheEq", FHEVMExecutor.fheEq.selector);
        checkBinary("fheNe", FHEVMExecutor.fheNe.selector);
        checkBinary("fheGe", FHEVMExecutor.fheGe.selector);
        checkBinary("fheGt", FHEVMExecutor.fheGt.selector);
        checkBinary("fheLe", FHEVMExecutor.fheLe.selector);
        checkBinary("fheLt", FHEVMExecutor.fheLt.selector);
    }

    function test_other_operations_cost_what_is_published() public {
        bytes32 control = handleOf(Handles.BOOL, 7);
        for (uint256 i = 0; i < KINDS; ++i) {
            uint8 kind = uint8(i);
            bytes32 value = handleOf(kind, 0);
            check(abi.encodeCall(FHEVMExecutor.fheNeg, (value)), prices(".unary.fheNeg")[i]);
            check(abi.encodeCall(FHEVMExecutor.fheNot, (value)), prices(".unary.fheNot")[i]);
            check(abi.encodeCall(FHEVMExecutor.cast, (control, kind)), prices(".unary.cast")[i]);
            check(abi.encodeCall(FHEVMExecutor.trivialEncrypt, (1, kind)), prices(".unary.trivialEncrypt")[i]);
            check(abi.encodeCall(FHEVMExecutor.fheIfThenElse, (control, value, value)), prices(".unary.fheIfThenElse")[i]);
            check(abi.encodeCall(FHEVMExecutor.fheRand, (kind)), prices(".unary.fheRand")[i]);
            check(abi.encodeCall(FHEVMExecutor.fheRandBounded, (16, kind)), prices(".unary.fheRandBounded")[i]);
        }
    }

    function test_collections_cost_what_is_published_for_their_size() public {
        uint256 least = 1;
        for (uint256 band = 0; band < 4; ++band) {
            string memory place = string.concat("[", vm.toString(band), "]");
            uint256 most = vm.parseJsonUint(json, string.concat(".collection.fheSum", place, ".most"));
            uint256[] memory sums = prices(string.concat(".collection.fheSum", place, ".prices"));
            uint256[] memory finds = prices(string.concat(".collection.fheIsIn", place, ".prices"));
            for (uint8 kind = 0; kind < KINDS; ++kind) {
                checkCollections(kind, least, sums[kind], finds[kind]);
                checkCollections(kind, most, sums[kind], finds[kind]);
            }
            least = most + 1;
        }
    }

    function checkCollections(uint8 kind, uint256 size, uint256 sum, uint256 find) private {
        bytes32 value = handleOf(kind, 0);
        bytes32[] memory values = new bytes32[](size);
        for (uint256 i = 0; i < size; ++i) {
            values[i] = value;
        }
        check(abi.encodeCall(FHEVMExecutor.fheSum, (values, kind)), sum);
        check(abi.encodeCall(FHEVMExecutor.fheIsIn, (value, values, kind)), find);
    }

    function test_an_input_costs_nothing() public {
        bytes32 handle = inputHandle(1, 0, Handles.UINT64);
        bytes memory proof = inputProof(one(handle), BOB, ALICE, QUORUM);
        vm.prank(ALICE);
        executor.verifyInput(handle, BOB, proof, Handles.UINT64);
        vm.assertEq(executor.getTransactionHCU(), 0);
        vm.assertEq(executor.getHandleHCU(handle), 0);
    }
}
