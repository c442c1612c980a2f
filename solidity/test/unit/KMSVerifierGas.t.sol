// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {KMSVerifier} from "../../src/KMSVerifier.sol";
import {Handles} from "../../src/libraries/Handles.sol";
import {Base} from "../Base.t.sol";

/// What a check of the committee's word costs as a whole transaction: 21,000, calldata, execution from cold storage. Isolation
/// makes every call from the test a transaction of its own.
/// forge-config: default.isolate = true
contract KMSVerifierGasTest is Base {
    uint256 private constant LIMIT_9_OF_13 = 95_000;

    function test_nine_of_thirteen_fits_its_budget() public {
        uint256 gas = transactionGas(13, 9, 1);
        vm.snapshotValue("KMSVerifier", "9 of 13, one handle, transaction", gas);
        vm.assertLe(gas, LIMIT_9_OF_13);
    }

    function test_the_other_committees_are_on_record() public {
        vm.snapshotValue("KMSVerifier", "1 of 1, one handle, transaction", transactionGas(1, 1, 1));
        vm.snapshotValue("KMSVerifier", "3 of 4, one handle, transaction", transactionGas(4, 3, 1));
        vm.snapshotValue("KMSVerifier", "9 of 13, eight handles, transaction", transactionGas(13, 9, 8));
    }

    function transactionGas(uint256 size, uint256 quorum, uint256 handleCount) private returns (uint256) {
        KMSVerifier verifier = new KMSVerifier(addresses(NODE_KEYS, size), quorum, GATEWAY_CHAIN, DECRYPTION);
        bytes32[] memory handles = new bytes32[](handleCount);
        bytes memory result;
        for (uint256 i = 0; i < handleCount; ++i) {
            handles[i] = inputHandle(i, 0, Handles.UINT64);
            result = abi.encodePacked(result, uint256(keccak256(abi.encode(i))) >> 192);
        }
        // The last signers, whom the search meets last.
        bytes memory proof = proofOf(decryptionDigest(handles, result, ""), keys(NODE_KEYS + size - quorum, quorum), "");
        bytes memory message = abi.encodeCall(verifier.verifyDecryptionEIP712KMSSignatures, (handles, result, proof));
        (bool ok, bytes memory answer) = address(verifier).call(message);
        vm.assertTrue(ok && abi.decode(answer, (bool)));
        return vm.lastCallGas().gasTotalUsed;
    }
}
