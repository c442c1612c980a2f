// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IDecryptionOracle} from "../src/interfaces/IDecryptionOracle.sol";
import {Handles} from "../src/libraries/Handles.sol";
import {Base} from "./Base.t.sol";

/// Requests by plain accounts and answers by the test committee.
abstract contract OracleBase is Base {
    bytes4 internal constant SELECTOR = 0x11223344;
    uint32 internal constant CALLBACK_GAS = 300_000;

    /// `who` gives the oracle transient permission and asks.
    function ask(address who, bytes32[] memory handles, uint32 callbackGas) internal returns (uint256 requestId) {
        vm.startPrank(who);
        for (uint256 i = 0; i < handles.length; ++i) {
            acl.allowTransient(handles[i], address(oracle));
        }
        requestId = oracle.requestDecryption(handles, SELECTOR, callbackGas);
        vm.stopPrank();
    }

    function askOne(address who) internal returns (uint256 requestId) {
        return ask(who, one(fresh(who, 7, Handles.UINT64)), CALLBACK_GAS);
    }

    /// One word per handle of the request, all `word`, and the committee's proof over them.
    function answer(uint256 requestId, uint256 word) internal view returns (bytes memory cleartexts, bytes memory proof) {
        bytes32[] memory handles = oracle.getRequest(requestId).handles;
        for (uint256 i = 0; i < handles.length; ++i) {
            cleartexts = abi.encodePacked(cleartexts, word);
        }
        proof = decryptionProof(handles, cleartexts, oracle.getExtraData(requestId), QUORUM);
    }

    function stateOf(uint256 requestId) internal view returns (IDecryptionOracle.State) {
        return oracle.getRequest(requestId).state;
    }

    function assertState(uint256 requestId, IDecryptionOracle.State expected) internal view {
        vm.assertEq(uint256(stateOf(requestId)), uint256(expected));
    }
}
