// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ZamaEthereumConfig} from "@fhevm/solidity/config/ZamaConfig.sol";
import {eaddress, ebool, euint16, euint256, euint64, euint8, FHE} from "@fhevm/solidity/lib/FHE.sol";

/// Calls what the library offers at least once.
contract LibraryTour is ZamaEthereumConfig {
    error Wrong(string what);

    function everyOperation() external {
        euint64 x = FHE.asEuint64(9);
        euint64 y = FHE.asEuint64(4);
        numbers(x, y);
        euint8 narrow = FHE.asEuint8(2);
        x = FHE.shl(x, narrow);
        x = FHE.shr(x, uint8(1));
        x = FHE.rotl(x, narrow);
        x = FHE.rotr(x, uint8(1));
        euint256 wide = FHE.asEuint256(1 << 200);
        wide = FHE.neg(FHE.xor(wide, FHE.randEuint256()));
        ebool bit = FHE.and(FHE.randEbool(), FHE.eq(FHE.asEaddress(address(1)), address(2)));
        eaddress who = FHE.select(bit, FHE.asEaddress(address(1)), FHE.asEaddress(address(2)));
        if (!FHE.isInitialized(who) || !FHE.isInitialized(wide)) revert Wrong("handles");
        euint16 cut = FHE.asEuint16(x);
        if (!FHE.isAllowed(cut, address(this))) revert Wrong("results are the caller's");
        FHE.randEuint64(1 << 32);
    }

    function numbers(euint64 x, euint64 y) private {
        x = FHE.mul(FHE.add(x, y), FHE.sub(x, uint64(1)));
        x = FHE.rem(FHE.div(x, 3), 1000);
        x = FHE.min(FHE.max(x, y), uint64(12));
        x = FHE.or(FHE.and(x, y), FHE.not(x));
        ebool all = FHE.and(FHE.ge(x, y), FHE.gt(x, uint64(1)));
        all = FHE.or(all, FHE.and(FHE.le(x, y), FHE.lt(x, y)));
        all = FHE.xor(all, FHE.ne(x, y));
        FHE.select(all, x, y);
    }

    function collections() external {
        euint64[] memory list = new euint64[](3);
        for (uint64 i = 0; i < 3; ++i) {
            list[i] = FHE.asEuint64(i);
        }
        euint64 total = FHE.sum(list);
        ebool found = FHE.isIn(total, list);
        if (!FHE.isAllowed(found, address(this))) revert Wrong("results are the caller's");
    }

    function permissions(address user) external {
        euint64 value = FHE.asEuint64(7);
        FHE.allowThis(value);
        FHE.allow(value, user);
        FHE.allowTransient(value, address(1));
        if (!FHE.isAllowed(value, user) || !FHE.isSenderAllowed(FHE.allow(value, msg.sender))) revert Wrong("allow");
        if (!FHE.isUserDecryptable(euint64.unwrap(value), user, address(this))) revert Wrong("user decryption");
        if (FHE.isPubliclyDecryptable(value)) revert Wrong("public too early");
        FHE.makePubliclyDecryptable(value);
        if (!FHE.isPubliclyDecryptable(value)) revert Wrong("public");
        if (FHE.isAccountDenied(user)) revert Wrong("deny list");
        FHE.cleanTransientStorage();
        if (FHE.isAllowed(value, address(1))) revert Wrong("transient permission outlived its cleaning");
    }

    function delegations(address delegate, address app) external {
        address[] memory apps = new address[](2);
        (apps[0], apps[1]) = (app, address(0xDA99));
        FHE.delegateUserDecryptions(delegate, apps, uint64(block.timestamp + 1 days));
        FHE.delegateUserDecryptionWithoutExpiration(delegate, address(0xDA9A));
        if (FHE.getDelegatedUserDecryptionExpirationDate(address(this), delegate, app) == 0) revert Wrong("delegation");
    }

    function takeBack(address delegate, address app) external {
        FHE.revokeUserDecryptionDelegation(delegate, app);
        if (FHE.getDelegatedUserDecryptionExpirationDate(address(this), delegate, app) != 0) revert Wrong("revocation");
    }
}
