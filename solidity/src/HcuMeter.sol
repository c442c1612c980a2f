// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// Bounds what one transaction makes the coprocessors compute, in homomorphic complexity units: all of it together, and the
/// longest chain of operations that wait for one another. Errors and defaults are those of fhEVM 0.13; the limits are fixed,
/// as the executor has no owner. There is no limit for a block: the released default is the largest number there is.
abstract contract HcuMeter {
    uint48 private constant MAX_HCU_PER_TX = 20_000_000;
    uint48 private constant MAX_HCU_DEPTH_PER_TX = 5_000_000;

    /// What the operations of this transaction have cost so far.
    uint256 private transient _spent;

    error HCUTransactionLimitExceeded();
    error HCUTransactionDepthLimitExceeded();

    /// Most HCU of one transaction.
    function getMaxHCUPerTx() external pure returns (uint48) {
        return MAX_HCU_PER_TX;
    }

    /// Most HCU of operations in one transaction each of which needs the result of the one before.
    function getMaxHCUDepthPerTx() external pure returns (uint48) {
        return MAX_HCU_DEPTH_PER_TX;
    }

    /// HCU spent in this transaction so far.
    function getTransactionHCU() external view returns (uint256) {
        return _spent;
    }

    /// HCU of the longest chain of this transaction's operations that ends in `handle`; 0 for what was there before.
    function getHandleHCU(bytes32 handle) external view returns (uint256) {
        return _depthOf(handle);
    }

    /// Pays for one operation on operands at most `deepest` deep and returns the depth of its result.
    function _spend(uint256 price, uint256 deepest) internal returns (uint256 depth) {
        uint256 spent = _spent + price;
        if (spent > MAX_HCU_PER_TX) revert HCUTransactionLimitExceeded();
        depth = deepest + price;
        if (depth > MAX_HCU_DEPTH_PER_TX) revert HCUTransactionDepthLimitExceeded();
        _spent = spent;
    }

    // A handle is its own transient slot. It holds a hash and a chain id, so none is the slot of `_spent`.
    function _setDepth(bytes32 handle, uint256 depth) internal {
        assembly ("memory-safe") {
            tstore(handle, depth)
        }
    }

    function _depthOf(bytes32 handle) internal view returns (uint256 depth) {
        assembly ("memory-safe") {
            depth := tload(handle)
        }
    }

    /// The depth of `handle` if that is larger than `depth`.
    function _deeper(uint256 depth, bytes32 handle) internal view returns (uint256) {
        uint256 other = _depthOf(handle);
        return other > depth ? other : depth;
    }
}
