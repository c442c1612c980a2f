// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {euint64, externalEuint64} from "@fhevm/solidity/lib/FHE.sol";
import {IERC7984} from "@openzeppelin/confidential-contracts/interfaces/IERC7984.sol";

import {FhevmTest} from "../../testing/FhevmTest.sol";
import {Vm} from "../Vm.sol";

/// OpenZeppelin's confidential contracts as npm has them, on a committee of thirteen.
abstract contract OzBase is FhevmTest {
    Vm internal constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
    address internal constant ADMIN = address(0xA11CE);
    address internal constant ALICE = address(0xA1);
    address internal constant BOB = address(0xB2);
    address internal constant CAROL = address(0xC3);

    function setUp() public virtual {
        vm.roll(1000);
        vm.warp(1_800_000_000);
        startFhevm(13, ADMIN);
    }

    /// The balance as its holder reads it.
    function balance(IERC7984 token, address holder) internal returns (uint256) {
        return userDecrypt(euint64.unwrap(token.confidentialBalanceOf(holder)), holder, address(token));
    }

    function send(IERC7984 token, address from, address to, uint64 amount) internal {
        (externalEuint64 input, bytes memory proof) = encryptUint64(amount, from, address(token));
        vm.prank(from);
        token.confidentialTransfer(to, input, proof);
    }

    function sendAndCall(IERC7984 token, address from, address to, uint64 amount, bytes memory data) internal {
        (externalEuint64 input, bytes memory proof) = encryptUint64(amount, from, address(token));
        vm.prank(from);
        token.confidentialTransferAndCall(to, input, proof, data);
    }
}
