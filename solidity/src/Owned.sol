// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

/// An owner that can only be replaced by one who accepts.
abstract contract Owned is Ownable2Step {
    error OwnerRequired();

    constructor(address initialOwner) Ownable(initialOwner) {}

    /// Refused: a contract that is paused and owned by nobody would stay paused for ever.
    function renounceOwnership() public pure override {
        revert OwnerRequired();
    }
}
