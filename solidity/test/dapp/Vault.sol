// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ZamaEthereumConfig} from "@fhevm/solidity/config/ZamaConfig.sol";
import {ebool, euint64, externalEuint64, FHE} from "@fhevm/solidity/lib/FHE.sol";
import {CoprocessorConfig, Impl} from "@fhevm/solidity/lib/Impl.sol";

/// Keeps encrypted numbers and passes every right on them around, through the library alone.
contract Vault is ZamaEthereumConfig {
    euint64 private item;

    function put(uint64 value) external returns (bytes32) {
        return _keep(FHE.asEuint64(value));
    }

    function putFrom(externalEuint64 value, bytes calldata proof) external returns (bytes32) {
        return _keep(FHE.fromExternal(value, proof));
    }

    function handle() external view returns (bytes32) {
        return euint64.unwrap(item);
    }

    /// Uses any handle, also one that is not this contract's.
    function increase(bytes32 value) public returns (bytes32) {
        return euint64.unwrap(FHE.add(euint64.wrap(value), 1));
    }

    function share(address account) external {
        FHE.allow(item, account);
    }

    function lend(address account) external {
        FHE.allowTransient(item, account);
    }

    function publish() external {
        FHE.makePubliclyDecryptable(item);
    }

    /// Lends to another vault, which uses it in the same transaction, before or after the permissions are forgotten.
    function lendAndUse(Vault borrower, bool clean) external returns (bytes32) {
        FHE.allowTransient(item, address(borrower));
        if (clean) FHE.cleanTransientStorage();
        return borrower.increase(euint64.unwrap(item));
    }

    /// Takes two inputs under one proof, the second after the proof was forgotten.
    function putTwice(externalEuint64 first, externalEuint64 second, bytes calldata proof) external {
        FHE.fromExternal(first, proof);
        FHE.cleanTransientStorage();
        _keep(FHE.fromExternal(second, proof));
    }

    function delegate(address to, address app, uint64 until) external {
        FHE.delegateUserDecryption(to, app, until);
    }

    function delegateForEver(address to, address app) external {
        FHE.delegateUserDecryptionWithoutExpiration(to, app);
    }

    function delegateAll(address to, address[] calldata apps, uint64 until) external {
        FHE.delegateUserDecryptions(to, apps, until);
    }

    function revoke(address to, address app) external {
        FHE.revokeUserDecryptionDelegation(to, app);
    }

    function revokeAll(address to, address[] calldata apps) external {
        FHE.revokeUserDecryptionDelegations(to, apps);
    }

    /// Calls to the ACL in one, as a smart account bundles them.
    function bundle(bytes[] calldata calls) external returns (bytes[] memory) {
        CoprocessorConfig storage $ = Impl.getCoprocessorConfig();
        return IMulticall($.ACLAddress).multicall(calls);
    }

    function expiryOf(address delegator, address to, address app) external view returns (uint64) {
        return FHE.getDelegatedUserDecryptionExpirationDate(delegator, to, app);
    }

    function mayReadFor(address delegator, address to, address app, bytes32 value) external view returns (bool) {
        return FHE.isDelegatedForUserDecryption(delegator, to, app, value);
    }

    function mayRead(address user, address app, bytes32 value) external view returns (bool) {
        return FHE.isUserDecryptable(value, user, app);
    }

    function isDenied(address account) external view returns (bool) {
        return FHE.isAccountDenied(account);
    }

    function accept(bytes32[] calldata handles, bytes calldata cleartexts, bytes calldata proof) external {
        FHE.checkSignatures(handles, cleartexts, proof);
    }

    function isValid(bytes32[] calldata handles, bytes calldata cleartexts, bytes calldata proof) external view returns (bool) {
        return FHE.isPublicDecryptionResultValid(handles, cleartexts, proof);
    }

    /// Whether the library's control of two equal numbers is one.
    function compare(bytes32 left, bytes32 right) external returns (bytes32) {
        return ebool.unwrap(FHE.eq(euint64.wrap(left), euint64.wrap(right)));
    }

    function _keep(euint64 value) private returns (bytes32) {
        FHE.allowThis(value);
        item = value;
        return euint64.unwrap(value);
    }
}

interface IMulticall {
    function multicall(bytes[] calldata data) external returns (bytes[] memory);
}
