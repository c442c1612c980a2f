// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {euint64, externalEuint64, FHE} from "@fhevm/solidity/lib/FHE.sol";

import {SealedAuction} from "../../examples/SealedAuction.sol";
import {FhevmTest} from "../../testing/FhevmTest.sol";
import {Vm} from "../Vm.sol";

/// Every call is a transaction of its own.
/// forge-config: default.isolate = true
contract AuctionTest is FhevmTest {
    Vm private constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
    address private constant ALICE = address(0xA1);
    address private constant BOB = address(0xB2);
    address private constant CAROL = address(0xC3);

    SealedAuction private auction;
    uint256 private end;

    function setUp() public {
        vm.roll(1000);
        vm.warp(1_800_000_000);
        startFhevm(4, address(this));
        end = block.timestamp + 1 days;
        auction = new SealedAuction(end);
    }

    function bid(address who, uint64 amount) private {
        (externalEuint64 input, bytes memory proof) = encryptUint64(amount, who, address(auction));
        vm.prank(who);
        auction.bid(input, proof);
    }

    /// Closes and settles on what the committee says.
    function finish() private {
        vm.warp(end);
        auction.close();
        (bytes memory words, bytes memory proof) = publicDecrypt(auction.outcome());
        (address winner, uint64 price) = abi.decode(words, (address, uint64));
        auction.settle(winner, price, proof);
    }

    function test_the_highest_bid_wins_and_only_it_is_seen() public {
        bid(ALICE, 100);
        bid(BOB, 300);
        bid(CAROL, 200);
        finish();
        vm.assertEq(auction.winner(), BOB);
        vm.assertEq(auction.price(), 300);
        bytes32 losing = euint64.unwrap(auction.bidOf(CAROL));
        vm.assertEq(userDecrypt(losing, CAROL, address(auction)), 200);
        vm.assertFalse(fhevm.acl.isAllowedForDecryption(losing));
        vm.assertFalse(fhevm.acl.isAllowed(losing, BOB));
    }

    function test_of_equal_bids_the_first_wins() public {
        bid(ALICE, 100);
        bid(BOB, 100);
        finish();
        vm.assertEq(auction.winner(), ALICE);
    }

    function test_a_bid_is_raised_and_never_lowered() public {
        bid(ALICE, 100);
        bid(BOB, 150);
        bid(ALICE, 200);
        bid(ALICE, 10);
        vm.assertEq(userDecrypt(euint64.unwrap(auction.bidOf(ALICE)), ALICE, address(auction)), 200);
        finish();
        vm.assertEq(auction.winner(), ALICE);
        vm.assertEq(auction.price(), 200);
    }

    function test_bids_are_taken_only_in_time_and_from_their_makers() public {
        (externalEuint64 input, bytes memory proof) = encryptUint64(5, ALICE, address(auction));
        vm.expectRevert();
        vm.prank(BOB);
        auction.bid(input, proof);
        vm.warp(end);
        vm.expectRevert(abi.encodeWithSelector(SealedAuction.Over.selector, end));
        vm.prank(ALICE);
        auction.bid(input, proof);
    }

    function test_nothing_is_closed_early_twice_or_without_bids() public {
        vm.expectRevert(abi.encodeWithSelector(SealedAuction.NotOver.selector, end));
        auction.close();
        bid(ALICE, 1);
        vm.warp(end);
        auction.close();
        vm.expectRevert(abi.encodeWithSelector(SealedAuction.AlreadyClosed.selector));
        auction.close();
        SealedAuction empty = new SealedAuction(end);
        vm.expectRevert(abi.encodeWithSelector(SealedAuction.NoBids.selector));
        empty.close();
    }

    function test_a_false_outcome_is_not_settled_and_a_true_one_once() public {
        bid(ALICE, 100);
        vm.expectRevert(abi.encodeWithSelector(SealedAuction.NotClosed.selector));
        auction.settle(ALICE, 100, "");
        vm.warp(end);
        auction.close();
        (, bytes memory proof) = publicDecrypt(auction.outcome());
        vm.expectRevert();
        auction.settle(BOB, 100, proof);
        vm.expectRevert();
        auction.settle(ALICE, 99, proof);
        vm.expectRevert(abi.encodeWithSelector(FHE.EmptyDecryptionProof.selector));
        auction.settle(ALICE, 100, "");
        auction.settle(ALICE, 100, proof);
        vm.expectRevert(abi.encodeWithSelector(SealedAuction.AlreadySettled.selector));
        auction.settle(ALICE, 100, proof);
    }
}
