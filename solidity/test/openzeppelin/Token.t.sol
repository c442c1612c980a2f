// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {eaddress, euint64, externalEaddress, externalEuint64} from "@fhevm/solidity/lib/FHE.sol";
import {ERC7984} from "@openzeppelin/confidential-contracts/token/ERC7984/ERC7984.sol";
import {ERC7984Omnibus} from "@openzeppelin/confidential-contracts/token/ERC7984/extensions/ERC7984Omnibus.sol";

import {Handles} from "../../src/libraries/Handles.sol";
import {Vm} from "../Vm.sol";
import {Coin, Payee, VotesCoin} from "./Contracts.sol";
import {OzBase} from "./OzBase.t.sol";

/// Every call is a transaction of its own.
/// forge-config: default.isolate = true
contract OzTokenTest is OzBase {
    Coin private coin;

    function setUp() public override {
        super.setUp();
        coin = new Coin();
        coin.mint(ALICE, 1000);
    }

    function test_a_transfer_moves_the_amount_and_nobody_else_reads_it() public {
        send(coin, ALICE, BOB, 300);
        vm.assertEq(balance(coin, ALICE), 700);
        vm.assertEq(balance(coin, BOB), 300);
        bytes32 handle = euint64.unwrap(coin.confidentialBalanceOf(ALICE));
        vm.assertFalse(fhevm.acl.isAllowed(handle, BOB));
        vm.assertFalse(fhevm.acl.isAllowedForDecryption(handle));
    }

    function test_more_than_the_balance_moves_nothing() public {
        send(coin, ALICE, BOB, 1001);
        vm.assertEq(balance(coin, ALICE), 1000);
        vm.assertEq(balance(coin, BOB), 0);
        send(coin, BOB, CAROL, 1);
        vm.assertEq(balance(coin, CAROL), 0);
    }

    function test_an_amount_on_chain_is_spent_by_whoever_may_use_it() public {
        send(coin, ALICE, BOB, 300);
        euint64 amount = coin.confidentialBalanceOf(BOB);
        vm.prank(BOB);
        coin.confidentialTransfer(CAROL, amount);
        vm.assertEq(balance(coin, CAROL), 300);
        vm.expectRevert(abi.encodeWithSelector(ERC7984.ERC7984UnauthorizedUseOfEncryptedAmount.selector, amount, ALICE));
        vm.prank(ALICE);
        coin.confidentialTransfer(CAROL, amount);
    }

    function test_an_operator_spends_until_the_end_of_the_term() public {
        vm.prank(ALICE);
        coin.setOperator(BOB, uint48(block.timestamp + 1 days));
        (externalEuint64 input, bytes memory proof) = encryptUint64(100, BOB, address(coin));
        vm.prank(BOB);
        coin.confidentialTransferFrom(ALICE, CAROL, input, proof);
        vm.assertEq(balance(coin, CAROL), 100);
        vm.warp(block.timestamp + 2 days);
        vm.expectRevert(abi.encodeWithSelector(ERC7984.ERC7984UnauthorizedSpender.selector, ALICE, BOB));
        vm.prank(BOB);
        coin.confidentialTransferFrom(ALICE, CAROL, input, proof);
    }

    function test_a_payee_takes_or_returns_the_payment() public {
        Payee payee = new Payee();
        sendAndCall(coin, ALICE, address(payee), 200, abi.encode(true));
        vm.assertEq(balance(coin, ALICE), 800);
        sendAndCall(coin, ALICE, address(payee), 200, abi.encode(false));
        vm.assertEq(balance(coin, ALICE), 800);
    }

    function test_a_burn_takes_what_is_there() public {
        coin.burn(ALICE, 400);
        vm.assertEq(balance(coin, ALICE), 600);
        coin.burn(ALICE, 601);
        vm.assertEq(balance(coin, ALICE), 600);
    }

    function test_a_balance_is_disclosed_with_the_committees_signatures() public {
        euint64 amount = coin.confidentialBalanceOf(ALICE);
        vm.prank(ALICE);
        coin.requestDiscloseEncryptedAmount(amount);
        (uint256 value, bytes memory proof) = publicDecrypt(euint64.unwrap(amount));
        vm.assertEq(value, 1000);
        vm.assertEq(proof.length, 1 + 9 * 65);
        coin.discloseEncryptedAmount(amount, 1000, proof);
        vm.expectRevert();
        coin.discloseEncryptedAmount(amount, 1001, proof);
    }

    function test_an_observer_reads_along_from_now_on() public {
        vm.prank(ALICE);
        coin.setObserver(ALICE, CAROL);
        send(coin, ALICE, BOB, 1);
        bytes32 handle = euint64.unwrap(coin.confidentialBalanceOf(ALICE));
        vm.assertEq(userDecrypt(handle, CAROL, address(coin)), 999);
        vm.prank(CAROL);
        coin.setObserver(ALICE, address(0));
        send(coin, ALICE, BOB, 1);
        vm.assertFalse(fhevm.acl.isAllowed(euint64.unwrap(coin.confidentialBalanceOf(ALICE)), CAROL));
    }

    function test_an_omnibus_transfer_names_its_parties_to_both_houses_only() public {
        (uint8[] memory kinds, uint256[] memory values) = (new uint8[](3), new uint256[](3));
        (kinds[0], kinds[1], kinds[2]) = (Handles.ADDRESS, Handles.ADDRESS, Handles.UINT64);
        (values[0], values[1], values[2]) = (uint160(0x111), uint160(0x222), 50);
        (bytes32[] memory inputs, bytes memory proof) = encryptAll(kinds, values, ALICE, address(coin));
        vm.prank(ALICE);
        coin.confidentialTransferOmnibus(
            BOB, externalEaddress.wrap(inputs[0]), externalEaddress.wrap(inputs[1]), externalEuint64.wrap(inputs[2]), proof
        );
        vm.assertEq(balance(coin, BOB), 50);
        vm.assertEq(userDecrypt(inputs[1], BOB, address(coin)), 0x222);
        vm.assertFalse(fhevm.acl.isAllowed(inputs[1], CAROL));
    }

    function test_votes_follow_the_balance_and_the_delegate() public {
        VotesCoin votes = new VotesCoin();
        votes.mint(ALICE, 100);
        vm.prank(ALICE);
        votes.delegate(BOB);
        uint256 then = block.number;
        vm.roll(then + 1);
        send(votes, ALICE, CAROL, 40);
        vm.assertEq(votesOf(votes, votes.getVotes(BOB)), 60);
        vm.roll(then + 2);
        vm.assertEq(euint64.unwrap(votes.getPastVotes(BOB, then + 1)), euint64.unwrap(votes.getVotes(BOB)));
        vm.assertNotEq(euint64.unwrap(votes.getPastVotes(BOB, then)), euint64.unwrap(votes.getVotes(BOB)));
    }

    function votesOf(VotesCoin votes, euint64 held) private returns (uint256) {
        bytes32 handle = euint64.unwrap(held);
        vm.prank(BOB);
        votes.getHandleAllowance(handle, BOB, true);
        return userDecrypt(handle, BOB, address(votes));
    }
}
