// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {HcuMeter} from "../../src/HcuMeter.sol";
import {Base} from "../Base.t.sol";
import {Spender} from "./Spender.sol";

/// What one transaction may ask of the coprocessors, from a contract that uses the library. Isolation makes every call from
/// the test a transaction of its own.
/// forge-config: default.isolate = true
contract HcuLimitsTest is Base {
    bytes private constant TOO_MUCH = abi.encodeWithSelector(HcuMeter.HCUTransactionLimitExceeded.selector);
    bytes private constant TOO_DEEP = abi.encodeWithSelector(HcuMeter.HCUTransactionDepthLimitExceeded.selector);

    // An addition on 128 bits is 259,000, a trivial encryption 32.
    uint256 private constant WIDEST = 77; // 77 * (259,000 + 64) = 19,947,928
    uint256 private constant DEEPEST = 19; // 32 + 19 * 259,000 = 4,921,032

    Spender private spender;

    function setUp() public override {
        super.setUp();
        spender = new Spender();
    }

    function test_the_limits_are_the_published_defaults() public view {
        vm.assertEq(executor.getMaxHCUPerTx(), 20_000_000);
        vm.assertEq(executor.getMaxHCUDepthPerTx(), 5_000_000);
        vm.assertEq(executor.getHCULimitAddress(), address(executor));
    }

    function test_a_transaction_up_to_the_limit_passes_and_beyond_it_is_refused() public {
        spender.wide(WIDEST);
        vm.expectRevert(TOO_MUCH);
        spender.wide(WIDEST + 1);
    }

    function test_a_chain_up_to_the_limit_passes_and_beyond_it_is_refused() public {
        spender.deep(DEEPEST);
        vm.expectRevert(TOO_DEEP);
        spender.deep(DEEPEST + 1);
    }

    function test_what_was_spent_side_by_side_is_no_depth() public {
        spender.wide(DEEPEST + 1);
    }

    function test_calls_of_one_transaction_are_counted_together() public {
        spender.deepInTwoCalls(DEEPEST - 4, 4);
        vm.expectRevert(TOO_DEEP);
        spender.deepInTwoCalls(DEEPEST - 4, 5);
    }

    function test_the_next_transaction_starts_anew_on_the_same_value() public {
        spender.deep(DEEPEST);
        for (uint256 i = 0; i < 6; ++i) {
            spender.deeper(DEEPEST);
        }
        vm.expectRevert(TOO_DEEP);
        spender.deeper(DEEPEST + 1);
    }

    function test_depth_runs_through_every_kind_of_operand() public {
        // One round: eq 120,000, select 55,000, sum of two 139,000, two casts of 32.
        uint256 rounds = 15; // 15 * 314,064 + 32 = 4,710,992
        spender.crooked(rounds);
        vm.expectRevert(TOO_DEEP);
        spender.crooked(rounds + 1);
    }

    function test_cleaning_the_transient_permissions_gives_no_new_budget() public {
        Cleaner cleaner = new Cleaner(spender);
        cleaner.spend(WIDEST / 2);
        vm.expectRevert(TOO_MUCH);
        cleaner.spend(WIDEST / 2 + 1);
    }
}

/// Spends, cleans, spends again, in one transaction.
contract Cleaner {
    Spender private immutable spender;

    constructor(Spender spender_) {
        spender = spender_;
    }

    function spend(uint256 each) external {
        spender.wide(each);
        (bool ok,) = 0x50157CFfD6bBFA2DECe204a89ec419c23ef5755D.call(abi.encodeWithSignature("cleanTransientStorage()"));
        require(ok);
        spender.wide(each);
    }
}
