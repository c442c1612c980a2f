// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {HostileReceiver} from "../../examples/HostileReceiver.sol";
import {IDecryptionOracle} from "../../src/interfaces/IDecryptionOracle.sol";
import {OracleBase} from "../OracleBase.t.sol";
import {Vm} from "../Vm.sol";

/// Asks, delivers, delivers again, retries, with receivers that change their mind; keeps count of what the oracle announced.
contract OracleHandler is OracleBase {
    HostileReceiver public receiver;
    uint256[] public requests;
    mapping(uint256 requestId => uint256) public fulfilments;
    mapping(uint256 requestId => uint256) public successes;
    uint256 public refusals;

    constructor() {
        super.setUp();
        receiver = new HostileReceiver(address(oracle));
    }

    /// Given by its constructor already.
    function setUp() public override {}

    function request(uint64 value, uint32 gas, uint8 mode) external {
        receiver.setMode(HostileReceiver.Mode(mode % 8));
        requests.push(receiver.ask(value, gas % oracle.MAX_CALLBACK_GAS()));
    }

    function deliver(uint256 pick, uint8 mode) external {
        attempt(pick, mode, IDecryptionOracle.fulfil.selector);
    }

    function retry(uint256 pick, uint8 mode) external {
        attempt(pick, mode, IDecryptionOracle.retryCallback.selector);
    }

    function count() external view returns (uint256) {
        return requests.length;
    }

    function state(uint256 requestId) external view returns (IDecryptionOracle.State) {
        return stateOf(requestId);
    }

    function attempt(uint256 pick, uint8 mode, bytes4 selector) private {
        if (requests.length == 0) return;
        uint256 requestId = requests[pick % requests.length];
        receiver.setMode(HostileReceiver.Mode(mode % 8));
        (bytes memory cleartexts, bytes memory proof) = answer(requestId, 5);
        vm.recordLogs();
        (bool ok,) = address(oracle).call(abi.encodeWithSelector(selector, requestId, cleartexts, proof));
        if (!ok) ++refusals;
        tally(vm.getRecordedLogs());
    }

    /// Counts the oracle's own announcements; a receiver may have asked for more from inside its callback.
    function tally(Vm.Log[] memory logs) private {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != address(oracle)) continue;
            uint256 requestId = uint256(logs[i].topics[1]);
            if (logs[i].topics[0] == IDecryptionOracle.DecryptionFulfilled.selector) {
                ++fulfilments[requestId];
                (,, bool delivered) = abi.decode(logs[i].data, (bytes, bytes, bool));
                if (delivered) ++successes[requestId];
            } else if (logs[i].topics[0] == IDecryptionOracle.CallbackRetried.selector) {
                if (abi.decode(logs[i].data, (bool))) ++successes[requestId];
            } else if (logs[i].topics[0] == IDecryptionOracle.DecryptionRequested.selector) {
                // The record also holds what was announced inside a callback and undone with it.
                if (stateOf(requestId) == IDecryptionOracle.State.Pending) requests.push(requestId);
            }
        }
    }
}

contract OnceOnlyInvariant is OracleBase {
    /// The form in which forge asks what to call.
    struct Target {
        address addr;
        bytes4[] selectors;
    }

    OracleHandler private handler;

    function setUp() public override {
        handler = new OracleHandler();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// Only the handler's three actions are called.
    function targetSelectors() external view returns (Target[] memory targets) {
        bytes4[] memory selectors = new bytes4[](3);
        (selectors[0], selectors[1], selectors[2]) =
        (OracleHandler.request.selector, OracleHandler.deliver.selector, OracleHandler.retry.selector);
        targets = new Target[](1);
        targets[0] = Target({addr: address(handler), selectors: selectors});
    }

    function invariant_a_request_is_fulfilled_at_most_once() external view {
        for (uint256 i = 0; i < handler.count(); ++i) {
            vm.assertLe(handler.fulfilments(handler.requests(i)), 1);
        }
    }

    function invariant_a_state_tells_what_was_announced() external view {
        for (uint256 i = 0; i < handler.count(); ++i) {
            uint256 requestId = handler.requests(i);
            IDecryptionOracle.State state = handler.state(requestId);
            vm.assertTrue((state == IDecryptionOracle.State.Done) == (handler.successes(requestId) == 1));
            vm.assertTrue((state == IDecryptionOracle.State.Pending) == (handler.fulfilments(requestId) == 0));
        }
    }

    function invariant_a_callback_succeeds_at_most_once() external view {
        uint256 total;
        for (uint256 i = 0; i < handler.count(); ++i) {
            uint256 successes = handler.successes(handler.requests(i));
            vm.assertLe(successes, 1);
            total += successes;
        }
        vm.assertEq(handler.receiver().deliveries(), total);
        vm.assertEq(handler.receiver().entered(), 0);
    }
}
