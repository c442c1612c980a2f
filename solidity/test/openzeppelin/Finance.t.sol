// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {euint64, externalEuint64} from "@fhevm/solidity/lib/FHE.sol";
import {BatcherConfidential} from "@openzeppelin/confidential-contracts/finance/BatcherConfidential.sol";
import {VestingWalletConfidentialFactory} from "@openzeppelin/confidential-contracts/finance/VestingWalletConfidentialFactory.sol";

import {Batcher, Coin, Vesting, VestingFactory} from "./Contracts.sol";
import {OzBase} from "./OzBase.t.sol";
import {PlainCoin, WrappedCoin} from "./Wrapped.sol";

/// Every call is a transaction of its own.
/// forge-config: default.isolate = true
contract OzFinanceTest is OzBase {
    uint256 private constant RATE = 1e12;

    PlainCoin private plain;
    WrappedCoin private wrapped;

    function setUp() public override {
        super.setUp();
        (plain, wrapped) = wrap("PL", 500);
    }

    /// A coin of eighteen decimals and its wrapper of six, of which ALICE holds `amount`.
    function wrap(string memory symbol, uint64 amount) private returns (PlainCoin coin, WrappedCoin wrapper) {
        coin = new PlainCoin(symbol);
        wrapper = new WrappedCoin(coin);
        coin.mint(ALICE, amount * RATE);
        vm.startPrank(ALICE);
        coin.approve(address(wrapper), amount * RATE);
        wrapper.wrap(ALICE, amount * RATE);
        vm.stopPrank();
    }

    function unwrap(address holder, uint64 amount) private returns (bytes32 requestId) {
        (externalEuint64 input, bytes memory proof) = encryptUint64(amount, holder, address(wrapped));
        vm.prank(holder);
        return wrapped.unwrap(holder, holder, input, proof);
    }

    function test_a_wrapped_coin_comes_back_with_the_committees_signatures() public {
        vm.assertEq(balance(wrapped, ALICE), 500);
        bytes32 requestId = unwrap(ALICE, 200);
        (uint256 amount, bytes memory proof) = publicDecrypt(requestId);
        vm.assertEq(amount, 200);
        vm.expectRevert();
        wrapped.finalizeUnwrap(requestId, 201, proof);
        wrapped.finalizeUnwrap(requestId, 200, proof);
        vm.assertEq(plain.balanceOf(ALICE), 200 * RATE);
        vm.assertEq(balance(wrapped, ALICE), 300);
        vm.expectRevert();
        wrapped.finalizeUnwrap(requestId, 200, proof);
    }

    function test_unwrapping_too_much_gives_nothing() public {
        bytes32 requestId = unwrap(ALICE, 501);
        (uint256 amount, bytes memory proof) = publicDecrypt(requestId);
        vm.assertEq(amount, 0);
        wrapped.finalizeUnwrap(requestId, 0, proof);
        vm.assertEq(plain.balanceOf(ALICE), 0);
        vm.assertEq(balance(wrapped, ALICE), 500);
    }

    function test_a_batch_is_unwrapped_swapped_and_claimed() public {
        (, WrappedCoin target) = wrap("TG", 1);
        Batcher batcher = new Batcher(wrapped, target);
        send(wrapped, ALICE, BOB, 100);
        sendAndCall(wrapped, ALICE, address(batcher), 300, "");
        sendAndCall(wrapped, BOB, address(batcher), 100, "");
        batcher.dispatchBatch();
        (uint256 total, bytes memory proof) = publicDecrypt(batcher.unwrapRequestId(1));
        vm.assertEq(total, 400);
        batcher.dispatchBatchCallback(1, 400, proof);
        vm.assertEq(uint256(batcher.batchState(1)), uint256(BatcherConfidential.BatchState.Finalized));
        batcher.claim(1, BOB);
        batcher.claim(1, ALICE);
        batcher.claim(1, ALICE);
        vm.assertEq(balance(target, BOB), 50);
        vm.assertEq(balance(target, ALICE), 1 + 150);
    }

    function test_a_deposit_leaves_a_batch_that_is_still_open() public {
        (, WrappedCoin target) = wrap("TG", 1);
        Batcher batcher = new Batcher(wrapped, target);
        sendAndCall(wrapped, ALICE, address(batcher), 300, "");
        vm.prank(ALICE);
        batcher.quit(1);
        vm.assertEq(balance(wrapped, ALICE), 500);
    }

    // Vesting: 1,000 over a hundred days, nothing before the tenth.

    function test_a_vesting_wallet_releases_with_time_and_not_before_its_cliff() public {
        Coin coin = new Coin();
        coin.mint(ALICE, 1000);
        VestingFactory factory = new VestingFactory();
        bytes memory args = abi.encode(BOB, uint48(block.timestamp), uint48(100 days), uint48(10 days));
        fund(coin, factory, args);
        Vesting wallet = Vesting(factory.createVestingWalletConfidential(args));
        vm.warp(block.timestamp + 9 days);
        wallet.release(address(coin));
        vm.assertEq(balance(coin, BOB), 0);
        vm.warp(block.timestamp + 16 days);
        wallet.release(address(coin));
        vm.assertEq(balance(coin, BOB), 250);
        vm.warp(block.timestamp + 100 days);
        wallet.release(address(coin));
        vm.assertEq(balance(coin, BOB), 1000);
    }

    function fund(Coin coin, VestingFactory factory, bytes memory args) private {
        vm.prank(ALICE);
        coin.setOperator(address(factory), uint48(block.timestamp + 1 days));
        (externalEuint64 input, bytes memory proof) = encryptUint64(1000, ALICE, address(factory));
        VestingWalletConfidentialFactory.VestingPlan[] memory plans = new VestingWalletConfidentialFactory.VestingPlan[](1);
        plans[0] = VestingWalletConfidentialFactory.VestingPlan({encryptedAmount: input, initArgs: args});
        vm.prank(ALICE);
        factory.batchFundVestingWalletConfidential(address(coin), plans, proof);
    }
}
