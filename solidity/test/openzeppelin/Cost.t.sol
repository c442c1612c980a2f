// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ZamaEthereumConfig} from "@fhevm/solidity/config/ZamaConfig.sol";
import {euint64, FHE} from "@fhevm/solidity/lib/FHE.sol";

import {FHEVMExecutor} from "../../src/FHEVMExecutor.sol";
import {HcuMeter} from "../../src/HcuMeter.sol";
import {Coin} from "./Contracts.sol";
import {OzBase} from "./OzBase.t.sol";

/// Pays many in one transaction, out of its own balance.
contract Paymaster is ZamaEthereumConfig {
    event Spent(uint256 total, uint256 balanceDepth, uint256 payeeDepth);

    function pay(Coin coin, FHEVMExecutor executor, uint160 count) external {
        euint64 amount = FHE.asEuint64(1);
        FHE.allowTransient(amount, address(coin));
        for (uint160 i = 1; i <= count; ++i) {
            coin.confidentialTransfer(address(i), amount);
        }
        emit Spent(
            executor.getTransactionHCU(),
            executor.getHandleHCU(euint64.unwrap(coin.confidentialBalanceOf(address(this)))),
            executor.getHandleHCU(euint64.unwrap(coin.confidentialBalanceOf(address(1))))
        );
    }
}

/// The figures of docs/for-dapps.md. Every call is a transaction of its own.
/// forge-config: default.isolate = true
contract OzCostTest is OzBase {
    Coin private coin;
    Paymaster private paymaster;

    function setUp() public override {
        super.setUp();
        (coin, paymaster) = (new Coin(), new Paymaster());
        coin.mint(address(paymaster), 1000);
        for (uint160 i = 1; i <= 40; ++i) {
            coin.mint(address(i), 1);
        }
    }

    function test_a_transfer_costs_what_the_documentation_says() public {
        vm.expectEmit(address(paymaster));
        // ge 152,000, sub 162,000, two selects of 55,000, add 162,000; two trivial encryptions of 32.
        emit Paymaster.Spent(586_064, 217_032, 369_032);
        paymaster.pay(coin, fhevm.executor, 1);
    }

    function test_so_many_transfers_fit_into_one_transaction() public {
        paymaster.pay(coin, fhevm.executor, 22);
        vm.expectRevert(abi.encodeWithSelector(HcuMeter.HCUTransactionDepthLimitExceeded.selector));
        paymaster.pay(coin, fhevm.executor, 23);
    }
}
