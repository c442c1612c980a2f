// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {IACL} from "../../src/interfaces/IACL.sol";
import {IDecryptionOracle} from "../../src/interfaces/IDecryptionOracle.sol";
import {Handles} from "../../src/libraries/Handles.sol";
import {OracleBase} from "../OracleBase.t.sol";

contract OracleRequestTest is OracleBase {
    function refuse(bytes memory reason, address who, bytes32[] memory handles, uint32 callbackGas) private {
        vm.expectRevert(reason);
        vm.prank(who);
        oracle.requestDecryption(handles, SELECTOR, callbackGas);
    }

    function test_a_request_publishes_its_handles_and_pins_the_context() public {
        bytes32[] memory handles = new bytes32[](2);
        handles[0] = fresh(ALICE, 7, Handles.UINT64);
        handles[1] = fresh(ALICE, 1, Handles.BOOL);
        uint256 expected = uint256(keccak256(abi.encode(block.chainid, address(oracle), uint256(0))));
        vm.startPrank(ALICE);
        acl.allowTransient(handles[0], address(oracle));
        acl.allowTransient(handles[1], address(oracle));
        bytes memory extra = abi.encodePacked(uint8(1), FIRST_CONTEXT);
        vm.expectEmit(address(oracle));
        emit IDecryptionOracle.DecryptionRequested(expected, ALICE, handles, extra, SELECTOR, CALLBACK_GAS);
        uint256 requestId = oracle.requestDecryption(handles, SELECTOR, CALLBACK_GAS);
        vm.stopPrank();

        vm.assertEq(requestId, expected);
        vm.assertTrue(acl.isAllowedForDecryption(handles[0]) && acl.isAllowedForDecryption(handles[1]));
        IDecryptionOracle.Request memory request = oracle.getRequest(requestId);
        vm.assertEq(request.requester, ALICE);
        vm.assertEq(request.handles, handles);
        vm.assertEq(request.contextId, FIRST_CONTEXT);
        vm.assertEq(request.callbackGas, CALLBACK_GAS);
        vm.assertTrue(request.callbackSelector == SELECTOR && request.failedResult == 0);
        vm.assertEq(oracle.getExtraData(requestId), extra);
        assertState(requestId, IDecryptionOracle.State.Pending);
    }

    function testFuzz_every_request_has_its_own_id(uint8 count) public {
        uint256 last;
        for (uint256 i = 0; i < uint256(count) % 20; ++i) {
            uint256 next = askOne(ALICE);
            vm.assertNotEq(last, next);
            last = next;
        }
    }

    function test_a_requester_must_be_allowed_itself() public {
        bytes32 handle = fresh(ALICE, 7, Handles.UINT64);
        vm.prank(ALICE);
        acl.allowTransient(handle, address(oracle));
        refuse(abi.encodeWithSelector(IDecryptionOracle.HandleNotAllowed.selector, handle, BOB), BOB, one(handle), CALLBACK_GAS);
    }

    function test_the_oracle_must_be_given_permission() public {
        bytes32 handle = fresh(ALICE, 7, Handles.UINT64);
        refuse(abi.encodeWithSelector(IACL.SenderNotAllowed.selector, address(oracle)), ALICE, one(handle), CALLBACK_GAS);
    }

    function test_a_denied_account_does_not_publish_through_the_oracle() public {
        bytes32 handle = fresh(ALICE, 7, Handles.UINT64);
        vm.prank(ALICE);
        acl.allow(handle, address(oracle));
        vm.prank(ALICE);
        acl.allow(handle, ALICE);
        vm.prank(OWNER);
        acl.blockAccount(ALICE);
        refuse(abi.encodeWithSelector(IDecryptionOracle.RequesterDenied.selector, ALICE), ALICE, one(handle), CALLBACK_GAS);
        vm.assertFalse(acl.isAllowedForDecryption(handle));
    }

    function test_no_handles_no_request() public {
        refuse(abi.encodeWithSelector(IDecryptionOracle.HandlesListIsEmpty.selector), ALICE, new bytes32[](0), CALLBACK_GAS);
    }

    function testFuzz_a_handle_of_another_chain_is_refused(uint64 chain) public {
        vm.assume(chain != DEV_CHAIN);
        uint256 own = uint256(inputHandle(1, 0, Handles.UINT8));
        bytes32 handle = bytes32(own & ~(uint256(type(uint64).max) << 16) | uint256(chain) << 16);
        bytes memory reason = abi.encodeWithSelector(IDecryptionOracle.HandleOfOtherChain.selector, handle, uint256(chain), DEV_CHAIN);
        refuse(reason, ALICE, one(handle), CALLBACK_GAS);
    }

    function testFuzz_a_handle_of_unknown_type_or_version_is_refused(uint8 kind, uint8 version) public {
        vm.assume(!Handles.isIn(kind, Handles.SET_ALL) || version != 0);
        bytes32 handle = bytes32(uint256(inputHandle(1, 0, kind)) | version);
        refuse(abi.encodeWithSelector(IDecryptionOracle.HandleMalformed.selector, handle), ALICE, one(handle), CALLBACK_GAS);
    }

    function testFuzz_a_callback_has_a_gas_limit(uint32 gas) public {
        bytes32[] memory handles = one(fresh(ALICE, 7, Handles.UINT64));
        uint32 limit = oracle.MAX_CALLBACK_GAS();
        if (gas > limit) {
            refuse(abi.encodeWithSelector(IDecryptionOracle.CallbackGasAboveLimit.selector, gas, limit), ALICE, handles, gas);
        } else {
            vm.assertEq(oracle.getRequest(ask(ALICE, handles, gas)).callbackGas, gas);
        }
    }

    function test_a_request_counts_its_bits() public {
        checkBits(Handles.BOOL, 2048 / 2);
        checkBits(Handles.UINT8, 2048 / 8);
        checkBits(Handles.UINT64, 2048 / 64);
        checkBits(Handles.ADDRESS, 12);
        checkBits(Handles.UINT256, 2048 / 256);
    }

    function checkBits(uint8 kind, uint256 most) private {
        bytes32 handle = fresh(ALICE, 1, kind);
        bytes32[] memory handles = new bytes32[](most + 1);
        for (uint256 i = 0; i <= most; ++i) {
            handles[i] = handle;
        }
        uint256 bits = (most + 1) * Handles.bitsOf(kind);
        refuse(abi.encodeWithSelector(IDecryptionOracle.BitsAboveLimit.selector, bits, 2048), ALICE, handles, CALLBACK_GAS);
        assembly ("memory-safe") {
            mstore(handles, most)
        }
        ask(ALICE, handles, CALLBACK_GAS);
    }

    function test_a_paused_acl_takes_no_request() public {
        bytes32 handle = owned(ALICE, 7, Handles.UINT64);
        vm.prank(ALICE);
        acl.allow(handle, address(oracle));
        vm.prank(PAUSER);
        acl.pause();
        refuse(abi.encodeWithSelector(IACL.EnforcedPause.selector), ALICE, one(handle), CALLBACK_GAS);
    }

    function test_the_owner_stops_new_requests_but_no_answers() public {
        uint256 requestId = askOne(ALICE);
        bytes32 handle = fresh(ALICE, 8, Handles.UINT64);
        vm.prank(OWNER);
        oracle.pause();
        vm.assertTrue(oracle.paused());
        refuse(abi.encodeWithSelector(IDecryptionOracle.EnforcedPause.selector), ALICE, one(handle), CALLBACK_GAS);
        (bytes memory cleartexts, bytes memory proof) = answer(requestId, 7);
        oracle.fulfil(requestId, cleartexts, proof);
        vm.prank(OWNER);
        oracle.unpause();
        askOne(ALICE);
    }

    function testFuzz_nobody_else_stops_requests(address stranger) public {
        vm.assume(stranger != OWNER);
        bytes memory reason = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, stranger);
        vm.startPrank(stranger);
        vm.expectRevert(reason);
        oracle.pause();
        vm.expectRevert(reason);
        oracle.unpause();
    }
}
