// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {FHEVMExecutor} from "../../src/FHEVMExecutor.sol";
import {Handles} from "../../src/libraries/Handles.sol";
import {IACL} from "../../src/interfaces/IACL.sol";
import {Base} from "../Base.t.sol";
import {Vm} from "../Vm.sol";

/// A contract that makes values and keeps them, and tells what each `allow` burned inside the ACL.
contract Grantor {
    Vm private constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
    FHEVMExecutor private immutable executor;
    IACL private immutable acl;

    constructor(FHEVMExecutor executor_, IACL acl_) {
        (executor, acl) = (executor_, acl_);
    }

    /// Grants `count` new values, and with `cold` forgets before each which of the ACL's slots were touched already. Gas of
    /// all but the first `skipped` grants.
    function grant(uint256 seed, uint256 count, uint256 skipped, bool cold) external returns (uint256 gas) {
        for (uint256 i = 0; i < count; ++i) {
            bytes32 handle = executor.trivialEncrypt(uint256(keccak256(abi.encode(seed, i))), Handles.UINT256);
            if (cold) vm.cool(address(acl));
            acl.allow(handle, address(this));
            if (i >= skipped) gas += vm.lastCallGas().gasTotalUsed;
        }
    }
}

/// What a grant costs in execution: the real `allow` with every check, by a caller whose right is transient as a computed
/// value's is. Isolation makes every call from the test a transaction of its own.
/// forge-config: default.isolate = true
contract AclGasTest is Base {
    uint256 private constant GRANTS = 1024;
    uint256 private constant COLD_LIMIT = 41_000;
    uint256 private constant WARM_LIMIT = 28_000;
    uint256 private constant BATCH = 65;

    Grantor private grantor;

    function setUp() public override {
        super.setUp();
        grantor = new Grantor(executor, acl);
    }

    function test_a_lone_grant_fits_its_budget() public {
        uint256 total;
        for (uint256 i = 0; i < GRANTS; ++i) {
            total += grantor.grant(i, 1, 0, true);
        }
        vm.assertEq(acl.grantCount(), GRANTS);
        vm.snapshotValue("ACL", "allow, cold, mean of 1024, execution", total / GRANTS);
        vm.assertLe(total / GRANTS, COLD_LIMIT);
    }

    function test_a_further_grant_of_a_transaction_fits_its_budget() public {
        uint256 total;
        uint256 batches = GRANTS / (BATCH - 1);
        for (uint256 i = 0; i < batches; ++i) {
            total += grantor.grant(i, BATCH, 1, false);
        }
        vm.assertEq(acl.grantCount(), batches * BATCH);
        vm.snapshotValue("ACL", "allow, warm, mean of 1024, execution", total / GRANTS);
        vm.assertLe(total / GRANTS, WARM_LIMIT);
    }
}
