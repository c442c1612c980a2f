// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {euint64, externalEuint64} from "@fhevm/solidity/lib/FHE.sol";
import {ERC7984Restricted} from "@openzeppelin/confidential-contracts/token/ERC7984/extensions/ERC7984Restricted.sol";
import {ERC7984BalanceCapHookModule} from "@openzeppelin/confidential-contracts/token/ERC7984/utils/ERC7984BalanceCapHookModule.sol";
import {ZamaEthereumConfig} from "@fhevm/solidity/config/ZamaConfig.sol";

import {Asset} from "./Contracts.sol";
import {OzBase} from "./OzBase.t.sol";

contract BalanceCap is ZamaEthereumConfig, ERC7984BalanceCapHookModule {}

/// A regulated asset: agents mint, freeze, block and force. Every call is a transaction of its own.
/// forge-config: default.isolate = true
contract OzRwaTest is OzBase {
    address private constant AGENT = address(0xA6);

    Asset private asset;

    function setUp() public override {
        super.setUp();
        asset = new Asset(ADMIN);
        vm.prank(ADMIN);
        asset.addAgent(AGENT);
        mint(ALICE, 1000);
    }

    function mint(address to, uint64 amount) private {
        (externalEuint64 input, bytes memory proof) = encryptUint64(amount, AGENT, address(asset));
        vm.prank(AGENT);
        asset.confidentialMint(to, input, proof);
    }

    function freeze(address holder, uint64 amount) private {
        (externalEuint64 input, bytes memory proof) = encryptUint64(amount, AGENT, address(asset));
        vm.prank(AGENT);
        asset.setConfidentialFrozen(holder, input, proof);
    }

    function test_what_is_frozen_stays() public {
        freeze(ALICE, 800);
        send(asset, ALICE, BOB, 201);
        vm.assertEq(balance(asset, ALICE), 1000);
        send(asset, ALICE, BOB, 200);
        vm.assertEq(balance(asset, ALICE), 800);
        vm.assertEq(balance(asset, BOB), 200);
    }

    function test_a_blocked_holder_is_only_moved_by_force() public {
        vm.prank(AGENT);
        asset.blockUser(ALICE);
        (externalEuint64 input, bytes memory proof) = encryptUint64(10, ALICE, address(asset));
        vm.expectRevert(abi.encodeWithSelector(ERC7984Restricted.UserRestricted.selector, ALICE));
        vm.prank(ALICE);
        asset.confidentialTransfer(BOB, input, proof);
        (input, proof) = encryptUint64(10, AGENT, address(asset));
        vm.prank(AGENT);
        asset.forceConfidentialTransferFrom(ALICE, BOB, input, proof);
        vm.assertEq(balance(asset, BOB), 10);
    }

    function test_a_lost_account_is_recovered_with_its_frozen_part() public {
        freeze(ALICE, 600);
        vm.prank(AGENT);
        asset.recoverAddress(ALICE, CAROL);
        vm.assertEq(balance(asset, CAROL), 1000);
        send(asset, CAROL, BOB, 401);
        vm.assertEq(balance(asset, CAROL), 1000);
        send(asset, CAROL, BOB, 400);
        vm.assertEq(balance(asset, CAROL), 600);
    }

    function test_a_burn_and_a_pause_are_the_agents() public {
        (externalEuint64 input, bytes memory proof) = encryptUint64(250, AGENT, address(asset));
        vm.prank(AGENT);
        asset.confidentialBurn(ALICE, input, proof);
        vm.assertEq(balance(asset, ALICE), 750);
        vm.prank(AGENT);
        asset.pause();
        (input, proof) = encryptUint64(1, ALICE, address(asset));
        vm.expectRevert();
        vm.prank(ALICE);
        asset.confidentialTransfer(BOB, input, proof);
        vm.expectRevert();
        vm.prank(ALICE);
        asset.unpause();
    }

    function test_a_module_caps_every_balance_without_showing_it() public {
        BalanceCap module = new BalanceCap();
        (externalEuint64 cap, bytes memory proof) = encryptUint64(300, address(asset), address(module));
        vm.prank(ADMIN);
        asset.installModule(address(module), abi.encode(cap, proof));
        send(asset, ALICE, BOB, 301);
        vm.assertEq(balance(asset, BOB), 0);
        send(asset, ALICE, BOB, 300);
        vm.assertEq(balance(asset, BOB), 300);
        send(asset, ALICE, BOB, 1);
        vm.assertEq(balance(asset, BOB), 300);
        vm.assertFalse(fhevm.acl.isAllowed(euint64.unwrap(module.maxBalance(address(asset))), BOB));
    }
}
