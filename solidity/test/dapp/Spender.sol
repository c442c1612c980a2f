// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ZamaEthereumConfig} from "@fhevm/solidity/config/ZamaConfig.sol";
import {ebool, euint128, euint64, FHE} from "@fhevm/solidity/lib/FHE.sol";

/// Spends homomorphic cost through the library: side by side, or each step waiting for the one before.
contract Spender is ZamaEthereumConfig {
    euint128 private kept;

    /// `count` additions of 259,000 that do not wait for one another.
    function wide(uint256 count) external {
        for (uint256 i = 0; i < count; ++i) {
            FHE.add(FHE.asEuint128(uint128(2 * i)), FHE.asEuint128(uint128(2 * i + 1)));
        }
    }

    /// `count` additions of 259,000, each to the sum of the ones before.
    function deep(uint256 count) public {
        euint128 sum = FHE.asEuint128(1);
        for (uint256 i = 0; i < count; ++i) {
            sum = FHE.add(sum, sum);
        }
        FHE.allowThis(sum);
        kept = sum;
    }

    /// The same chain over two calls of one transaction.
    function deepInTwoCalls(uint256 first, uint256 second) external {
        this.deep(first);
        this.deeper(second);
    }

    /// Goes on with what an earlier call or transaction kept.
    function deeper(uint256 count) external {
        euint128 sum = kept;
        for (uint256 i = 0; i < count; ++i) {
            sum = FHE.add(sum, sum);
        }
        FHE.allowThis(sum);
        kept = sum;
    }

    /// A chain through the control of a select, a collection and a cast.
    function crooked(uint256 count) external {
        euint64 value = FHE.asEuint64(1);
        euint64[] memory list = new euint64[](2);
        for (uint256 i = 0; i < count; ++i) {
            ebool bit = FHE.eq(value, FHE.asEuint64(1));
            list[1] = FHE.select(bit, FHE.asEuint64(2), FHE.asEuint64(3));
            list[0] = FHE.asEuint64(4);
            value = FHE.asEuint64(FHE.asEuint128(FHE.sum(list)));
        }
    }
}
