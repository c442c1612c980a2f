// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {euint64, externalEuint64} from "@fhevm/solidity/lib/FHE.sol";
import {FhevmTest} from "tkms/testing/FhevmTest.sol";

import {Tally} from "CONTRACTS/Tally.sol";

/// The few cheatcodes used here; with forge-std inherit its `Test` as well and drop this.
interface Vm {
    function prank(address sender) external;
    function expectRevert() external;
    function expectRevert(bytes calldata reason) external;
    function assertEq(uint256 left, uint256 right) external pure;
    function assertTrue(bool value) external pure;
}

/// Fast: no node runs. The contracts, the quorum and the gas are real; the values are computed in the clear by the test.
contract TallyTest is FhevmTest {
    Vm private constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
    address private constant ALICE = address(0xA1);
    address private constant BOB = address(0xB2);

    Tally private tally;

    function setUp() public {
        startFhevm(4, address(this));
        tally = new Tally();
    }

    function add(address who, uint64 amount) private {
        (externalEuint64 input, bytes memory proof) = encryptUint64(amount, who, address(tally));
        vm.prank(who);
        tally.add(input, proof);
    }

    function read(address who) private returns (uint256) {
        return userDecrypt(euint64.unwrap(tally.shareOf(who)), who, address(tally));
    }

    function test_each_reads_their_own_share() public {
        add(ALICE, 30);
        add(BOB, 12);
        add(ALICE, 5);
        vm.assertEq(read(ALICE), 35);
        vm.assertEq(read(BOB), 12);
        vm.assertTrue(!fhevm.acl.isAllowed(euint64.unwrap(tally.shareOf(ALICE)), BOB));
    }

    function test_a_sum_that_would_overflow_is_not_added() public {
        add(ALICE, type(uint64).max);
        add(BOB, 1);
        vm.assertEq(read(BOB), 0);
        vm.assertEq(peek(euint64.unwrap(tally.totalHandle())), type(uint64).max);
    }

    function test_the_total_is_settled_with_the_committees_proof() public {
        add(ALICE, 30);
        add(BOB, 12);
        tally.close();
        (uint256 value, bytes memory proof) = publicDecrypt(euint64.unwrap(tally.totalHandle()));
        vm.expectRevert();
        tally.settle(uint64(value) + 1, proof);
        vm.prank(BOB);
        tally.settle(uint64(value), proof);
        vm.assertEq(tally.result(), 42);
    }

    function test_an_input_of_another_user_is_refused() public {
        (externalEuint64 input, bytes memory proof) = encryptUint64(7, ALICE, address(tally));
        vm.expectRevert();
        vm.prank(BOB);
        tally.add(input, proof);
    }

    function test_only_the_owner_closes() public {
        vm.expectRevert(abi.encodeWithSelector(Tally.OnlyOwner.selector, ALICE));
        vm.prank(ALICE);
        tally.close();
    }
}
