// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {euint64, externalEuint64} from "@fhevm/solidity/lib/FHE.sol";

import {ConfidentialToken} from "../../examples/ConfidentialToken.sol";
import {Handles} from "../../src/libraries/Handles.sol";
import {OracleBase} from "../OracleBase.t.sol";

contract TokenTest is OracleBase {
    ConfidentialToken private token;

    function setUp() public override {
        super.setUp();
        token = new ConfidentialToken(address(oracle));
    }

    function balance(address who) private view returns (bytes32) {
        return euint64.unwrap(token.balanceOf(who));
    }

    function test_a_balance_is_its_owners_and_the_tokens() public {
        token.mint(ALICE, 100);
        vm.assertTrue(acl.persistAllowed(balance(ALICE), ALICE));
        vm.assertTrue(acl.persistAllowed(balance(ALICE), address(token)));
        vm.assertFalse(acl.isAllowed(balance(ALICE), BOB));
        vm.assertFalse(acl.isAllowedForDecryption(balance(ALICE)));
    }

    function test_an_encrypted_amount_is_minted_and_moved() public {
        bytes32[] memory amount = one(inputHandle(1, 0, Handles.UINT64));
        token.mintEncrypted(ALICE, externalEuint64.wrap(amount[0]), inputProof(amount, address(this), address(token), QUORUM));
        bytes32 before = balance(ALICE);
        bytes memory proof = inputProof(amount, ALICE, address(token), QUORUM);
        vm.prank(ALICE);
        token.transfer(BOB, externalEuint64.wrap(amount[0]), proof);
        vm.assertNotEq(balance(ALICE), before);
        vm.assertTrue(acl.persistAllowed(balance(BOB), BOB));
        vm.assertFalse(acl.isAllowed(balance(BOB), ALICE));
    }

    function test_only_the_minter_mints() public {
        vm.expectRevert(abi.encodeWithSelector(ConfidentialToken.OnlyMinter.selector, ALICE));
        vm.prank(ALICE);
        token.mint(ALICE, 1);
    }

    function test_the_supply_is_revealed_by_the_oracle_and_by_nobody_else() public {
        vm.expectRevert(abi.encodeWithSelector(ConfidentialToken.NothingMinted.selector));
        token.requestTotalSupplyDecryption();
        token.mint(ALICE, 100);
        uint256 requestId = token.requestTotalSupplyDecryption();
        (bytes memory cleartexts, bytes memory proof) = answer(requestId, 100);
        vm.expectRevert(abi.encodeWithSelector(ConfidentialToken.OnlyOracle.selector, ALICE));
        vm.prank(ALICE);
        token.onTotalSupply(requestId, cleartexts, proof);
        vm.assertFalse(token.supplyIsRevealed());

        vm.prank(CAROL);
        oracle.fulfil(requestId, cleartexts, proof);
        vm.assertTrue(token.supplyIsRevealed());
        vm.assertEq(token.revealedSupply(), 100);
        vm.assertEq(token.pendingRequest(), 0);
    }

    function test_an_answer_to_a_superseded_request_is_not_taken() public {
        token.mint(ALICE, 100);
        uint256 old = token.requestTotalSupplyDecryption();
        token.mint(ALICE, 1);
        token.requestTotalSupplyDecryption();
        (bytes memory cleartexts, bytes memory proof) = answer(old, 100);
        oracle.fulfil(old, cleartexts, proof);
        vm.assertFalse(token.supplyIsRevealed());
    }
}
