// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {HostileReceiver} from "../../examples/HostileReceiver.sol";
import {DecryptionOracle} from "../../src/DecryptionOracle.sol";
import {IDecryptionOracle} from "../../src/interfaces/IDecryptionOracle.sol";
import {Handles} from "../../src/libraries/Handles.sol";
import {OracleBase} from "../OracleBase.t.sol";

/// Delivers another request from inside its own callback.
contract CrossReceiver {
    DecryptionOracle private immutable _oracle;
    bytes private _message;
    bytes public refusal;

    constructor(DecryptionOracle oracle) {
        _oracle = oracle;
    }

    function ask(bytes32[] calldata handles, uint32 callbackGas) external returns (uint256) {
        return _oracle.requestDecryption(handles, this.onDecrypted.selector, callbackGas);
    }

    function prepare(bytes calldata message) external {
        _message = message;
    }

    function onDecrypted(uint256, bytes calldata, bytes calldata) external {
        (bool ok, bytes memory reason) = address(_oracle).call(_message);
        if (!ok) refusal = reason;
    }
}

contract OracleHostileTest is OracleBase {
    HostileReceiver private receiver;
    uint256 private requestId;
    bytes private cleartexts;
    bytes private proof;

    function setUp() public override {
        super.setUp();
        receiver = new HostileReceiver(address(oracle));
        requestId = receiver.ask(99, CALLBACK_GAS);
        (cleartexts, proof) = answer(requestId, 99);
    }

    function deliver(HostileReceiver.Mode mode) private {
        receiver.setMode(mode);
        oracle.fulfil(requestId, cleartexts, proof);
    }

    /// Delivery succeeds, the callback does not, and the result can be pulled later.
    function checkFailsAndIsPulled(HostileReceiver.Mode mode) private {
        receiver.setMode(mode);
        vm.expectEmit(address(oracle));
        emit IDecryptionOracle.DecryptionFulfilled(requestId, cleartexts, proof, false);
        oracle.fulfil(requestId, cleartexts, proof);
        assertState(requestId, IDecryptionOracle.State.CallbackFailed);
        vm.assertEq(oracle.getRequest(requestId).failedResult, keccak256(abi.encodePacked(cleartexts, proof)));
        vm.assertEq(receiver.deliveries(), 0);

        vm.expectRevert(
            abi.encodeWithSelector(IDecryptionOracle.RequestNotPending.selector, requestId, IDecryptionOracle.State.CallbackFailed)
        );
        oracle.fulfil(requestId, cleartexts, proof);

        vm.expectEmit(address(oracle));
        emit IDecryptionOracle.CallbackRetried(requestId, false);
        oracle.retryCallback(requestId, cleartexts, proof);
        assertState(requestId, IDecryptionOracle.State.CallbackFailed);

        receiver.setMode(HostileReceiver.Mode.Accept);
        vm.expectEmit(address(oracle));
        emit IDecryptionOracle.CallbackRetried(requestId, true);
        oracle.retryCallback(requestId, cleartexts, proof);
        assertState(requestId, IDecryptionOracle.State.Done);
        vm.assertEq(oracle.getRequest(requestId).failedResult, bytes32(0));
        vm.assertEq(receiver.deliveries(), 1);
        vm.assertEq(receiver.lastCleartexts(), cleartexts);

        vm.expectRevert(abi.encodeWithSelector(IDecryptionOracle.CallbackNotFailed.selector, requestId, IDecryptionOracle.State.Done));
        oracle.retryCallback(requestId, cleartexts, proof);
    }

    function test_an_honest_receiver_gets_the_words() public {
        deliver(HostileReceiver.Mode.Accept);
        vm.assertEq(receiver.deliveries(), 1);
        vm.assertEq(receiver.lastCleartexts(), abi.encode(99));
    }

    function test_a_revert_does_not_stop_delivery() public {
        checkFailsAndIsPulled(HostileReceiver.Mode.Revert);
    }

    function test_a_gas_bomb_burns_what_was_asked_and_no_more() public {
        receiver.setMode(HostileReceiver.Mode.GasBomb);
        uint256 before = gasleft();
        oracle.fulfil(requestId, cleartexts, proof);
        vm.assertLe(before - gasleft(), uint256(CALLBACK_GAS) + 150_000);
        assertState(requestId, IDecryptionOracle.State.CallbackFailed);
    }

    function test_a_gas_bomb_does_not_stop_delivery() public {
        checkFailsAndIsPulled(HostileReceiver.Mode.GasBomb);
    }

    function test_what_a_receiver_returns_or_reverts_with_is_not_copied() public {
        requestId = receiver.ask(99, oracle.MAX_CALLBACK_GAS());
        (cleartexts, proof) = answer(requestId, 99);
        // What 600,000 returned bytes cost to copy is as much again as they cost the receiver.
        uint256 before = gasleft();
        deliver(HostileReceiver.Mode.ReturnBomb);
        vm.assertLe(before - gasleft(), 1_300_000);
        assertState(requestId, IDecryptionOracle.State.Done);
        requestId = receiver.ask(99, oracle.MAX_CALLBACK_GAS());
        (cleartexts, proof) = answer(requestId, 99);
        before = gasleft();
        deliver(HostileReceiver.Mode.RevertBomb);
        vm.assertLe(before - gasleft(), 1_300_000);
        assertState(requestId, IDecryptionOracle.State.CallbackFailed);
    }

    function test_a_return_bomb_beyond_its_gas_fails_alone() public {
        deliver(HostileReceiver.Mode.ReturnBomb);
        assertState(requestId, IDecryptionOracle.State.CallbackFailed);
    }

    function test_delivery_is_not_re_entered() public {
        deliver(HostileReceiver.Mode.ReenterFulfil);
        vm.assertEq(receiver.entered(), 0);
        vm.assertEq(receiver.deliveries(), 1);
        assertState(requestId, IDecryptionOracle.State.Done);
    }

    function test_a_retry_is_not_re_entered() public {
        deliver(HostileReceiver.Mode.Revert);
        receiver.setMode(HostileReceiver.Mode.ReenterRetry);
        oracle.retryCallback(requestId, cleartexts, proof);
        vm.assertEq(receiver.entered(), 0);
        vm.assertEq(receiver.deliveries(), 1);
    }

    function test_a_delivery_does_not_let_its_own_retry_in() public {
        deliver(HostileReceiver.Mode.ReenterRetry);
        vm.assertEq(receiver.entered(), 0);
        vm.assertEq(receiver.deliveries(), 1);
    }

    function test_no_request_is_delivered_from_inside_the_callback_of_another() public {
        CrossReceiver cross = new CrossReceiver(oracle);
        bytes32[] memory handles = one(fresh(address(cross), 3, Handles.UINT64));
        vm.prank(address(cross));
        acl.allowTransient(handles[0], address(oracle));
        uint256 outer = cross.ask(handles, 1_000_000);
        cross.prepare(abi.encodeCall(IDecryptionOracle.fulfil, (requestId, cleartexts, proof)));
        (bytes memory words, bytes memory evidence) = answer(outer, 3);
        oracle.fulfil(outer, words, evidence);
        assertState(outer, IDecryptionOracle.State.Done);
        assertState(requestId, IDecryptionOracle.State.Pending);
        vm.assertEq(cross.refusal(), abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector));
    }

    function test_a_receiver_may_ask_again_from_inside_its_callback() public {
        requestId = receiver.ask(99, 600_000);
        (cleartexts, proof) = answer(requestId, 99);
        deliver(HostileReceiver.Mode.ReenterRequest);
        vm.assertEq(receiver.deliveries(), 1);
        // The third request of this oracle: two were asked before.
        uint256 inner = uint256(keccak256(abi.encode(block.chainid, address(oracle), uint256(2))));
        assertState(inner, IDecryptionOracle.State.Pending);
    }

    function test_a_retry_delivers_the_same_result_and_no_other() public {
        deliver(HostileReceiver.Mode.Revert);
        receiver.setMode(HostileReceiver.Mode.Accept);
        bytes memory reason = abi.encodeWithSelector(IDecryptionOracle.ResultDiffers.selector, requestId);
        vm.expectRevert(reason);
        oracle.retryCallback(requestId, abi.encode(98), proof);
        vm.expectRevert(reason);
        oracle.retryCallback(requestId, cleartexts, abi.encodePacked(proof, hex"00"));
    }

    /// For every amount of gas: either nothing happens, or the callback had all it asked for and so succeeds.
    function testFuzz_no_gas_limit_makes_a_good_callback_fail(uint256 gas) public {
        gas = 50_000 + gas % 900_000;
        (bool ok,) = address(oracle).call{gas: gas}(abi.encodeCall(IDecryptionOracle.fulfil, (requestId, cleartexts, proof)));
        assertState(requestId, ok ? IDecryptionOracle.State.Done : IDecryptionOracle.State.Pending);
        vm.assertEq(receiver.deliveries(), ok ? 1 : 0);
    }

    /// The same for a receiver that burns everything: what is left always suffices to record the failure.
    function testFuzz_the_reserve_suffices_to_record_a_failure(uint256 gas) public {
        receiver.setMode(HostileReceiver.Mode.GasBomb);
        gas = 50_000 + gas % 900_000;
        (bool ok, bytes memory reason) =
            address(oracle).call{gas: gas}(abi.encodeCall(IDecryptionOracle.fulfil, (requestId, cleartexts, proof)));
        assertState(requestId, ok ? IDecryptionOracle.State.CallbackFailed : IDecryptionOracle.State.Pending);
        bool tooLittleToCheck = reason.length == 0 && gas < CALLBACK_GAS;
        vm.assertTrue(ok || tooLittleToCheck || bytes4(reason) == IDecryptionOracle.GasTooLow.selector, "ran out after the callback");
    }
}
