// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {DecryptionOracle} from "../../src/DecryptionOracle.sol";
import {IDecryptionOracle} from "../../src/interfaces/IDecryptionOracle.sol";
import {OracleBase} from "../OracleBase.t.sol";

/// Stands for a verifier whose contexts come and go: every signature holds, extraData `01` and an id names the context.
contract ContextStand {
    uint256 public getCurrentKmsContextId;
    bool private _firstIsValid = true;
    uint256 private immutable _first;

    constructor(uint256 first) {
        _first = first;
        getCurrentKmsContextId = first;
    }

    function set(uint256 current, bool firstIsValid) external {
        getCurrentKmsContextId = current;
        _firstIsValid = firstIsValid;
    }

    function isValidKmsContext(uint256 contextId) external view returns (bool) {
        return contextId == _first ? _firstIsValid : contextId == getCurrentKmsContextId;
    }

    function getContextIdFromExtraData(bytes calldata extraData) external pure returns (uint256) {
        return uint256(bytes32(extraData[1:33]));
    }

    function verifyDecryptionEIP712KMSSignatures(bytes32[] calldata, bytes calldata, bytes calldata) external pure returns (bool) {
        return true;
    }
}

/// The rule that the pinned committee answers, over a verifier whose contexts can come and go.
contract OracleContextTest is OracleBase {
    uint256 private constant OTHER = FIRST_CONTEXT + 1;

    function test_a_pinned_context_is_the_only_one_while_it_is_valid() public {
        ContextStand stand = new ContextStand(FIRST_CONTEXT);
        uint256 requestId = prepare(stand);
        stand.set(OTHER, true);
        bytes memory proof = abi.encodePacked(uint8(0), uint8(1), OTHER);
        vm.expectRevert(abi.encodeWithSelector(IDecryptionOracle.ProofOfOtherContext.selector, OTHER, FIRST_CONTEXT));
        oracle.fulfil(requestId, abi.encode(1), proof);
        oracle.fulfil(requestId, abi.encode(1), abi.encodePacked(uint8(0), uint8(1), FIRST_CONTEXT));
    }

    function test_the_current_context_steps_in_when_the_pinned_one_is_gone() public {
        ContextStand stand = new ContextStand(FIRST_CONTEXT);
        uint256 requestId = prepare(stand);
        stand.set(OTHER, false);
        vm.expectRevert(abi.encodeWithSelector(IDecryptionOracle.ProofOfOtherContext.selector, OTHER + 1, FIRST_CONTEXT));
        oracle.fulfil(requestId, abi.encode(1), abi.encodePacked(uint8(0), uint8(1), OTHER + 1));
        oracle.fulfil(requestId, abi.encode(1), abi.encodePacked(uint8(0), uint8(1), OTHER));
        assertState(requestId, IDecryptionOracle.State.Done);
    }

    function prepare(ContextStand stand) private returns (uint256) {
        oracle = new DecryptionOracle(ACL_ADDRESS, address(stand), OWNER);
        return askOne(ALICE);
    }
}
