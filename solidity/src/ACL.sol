// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";

import {IACL} from "./interfaces/IACL.sol";
import {IGrantRange} from "./interfaces/IGrantRange.sol";
import {AclProofs} from "./libraries/AclProofs.sol";
import {AclStorage} from "./libraries/AclStorage.sol";
import {MountainRange} from "./libraries/MountainRange.sol";
import {Owned} from "./Owned.sol";

/// Immutable code. Neither owner nor pauser can grant or take back a permission, or replace the executor.
contract ACL is IACL, IGrantRange, Owned, Multicall {
    /// As contract address of a delegation: every contract. No contract can stand there.
    address public constant WILDCARD_DELEGATION_ADDRESS = address(type(uint160).max);

    address private immutable _executor;

    address private _pauser;

    /// Names the transient permissions of this transaction; a new number forgets them all at once.
    uint256 private transient _generation;

    modifier whenNotPaused() {
        if (AclStorage.range().paused) revert EnforcedPause();
        _;
    }

    /// `executor` may stand at an address that has no code yet.
    constructor(address executor, address initialOwner, address pauser) Owned(initialOwner) {
        _executor = executor;
        _setPauser(pauser);
    }

    function allow(bytes32 handle, address account) external whenNotPaused {
        _requireNotDenied();
        _requireAllowed(handle);
        mapping(address account => bool) storage allowed = AclStorage.facts().persistent[handle];
        if (!allowed[account]) {
            allowed[account] = true;
            _append(AclProofs.PERSISTENT, handle, account);
        }
        emit Allowed(msg.sender, account, handle);
    }

    function allowTransient(bytes32 handle, address account) external whenNotPaused {
        if (msg.sender != _executor) {
            _requireNotDenied();
            _requireAllowed(handle);
        }
        bytes32 key = _transientKey(handle, account);
        assembly ("memory-safe") {
            tstore(key, 1)
        }
    }

    function allowForDecryption(bytes32[] calldata handlesList) external whenNotPaused {
        if (handlesList.length == 0) revert HandlesListIsEmpty();
        _requireNotDenied();
        AclStorage.Facts storage $ = AclStorage.facts();
        for (uint256 i = 0; i < handlesList.length; ++i) {
            bytes32 handle = handlesList[i];
            _requireAllowed(handle);
            if ($.publiclyDecryptable[handle]) continue;
            $.publiclyDecryptable[handle] = true;
            _append(AclProofs.PUBLIC, handle, address(0));
        }
        emit AllowedForDecryption(msg.sender, handlesList);
    }

    function cleanTransientStorage() external {
        ++_generation;
    }

    function delegateForUserDecryption(address delegate, address contractAddress, uint64 expirationDate) external whenNotPaused {
        AclStorage.Delegation storage delegation = _changeDelegation(delegate, contractAddress);
        if (contractAddress == msg.sender) revert SenderCannotBeContractAddress(contractAddress);
        if (delegate == msg.sender) revert SenderCannotBeDelegate(delegate);
        if (delegate == WILDCARD_DELEGATION_ADDRESS) revert DelegateCannotBeWildcard(delegate);
        if (delegate == contractAddress) revert DelegateCannotBeContractAddress(contractAddress);
        if (expirationDate <= block.timestamp) revert ExpirationDateInThePast();
        uint64 previous = delegation.expirationDate;
        if (previous == expirationDate) {
            revert ExpirationDateAlreadySetToSameValue(msg.sender, delegate, contractAddress, previous);
        }
        delegation.expirationDate = expirationDate;
        emit DelegatedForUserDecryption(msg.sender, delegate, contractAddress, delegation.counter, previous, expirationDate);
    }

    function revokeDelegationForUserDecryption(address delegate, address contractAddress) external whenNotPaused {
        AclStorage.Delegation storage delegation = _changeDelegation(delegate, contractAddress);
        uint64 previous = delegation.expirationDate;
        if (previous == 0) revert NotDelegatedYet(msg.sender, delegate, contractAddress);
        delegation.expirationDate = 0;
        emit RevokedDelegationForUserDecryption(msg.sender, delegate, contractAddress, delegation.counter, previous);
    }

    /// Works while paused: it only takes rights away.
    function invalidateDecryptionSignaturesBefore(uint256 timestamp) external {
        AclStorage.Facts storage $ = AclStorage.facts();
        uint256 current = $.invalidatedBefore[msg.sender];
        if (timestamp <= current) revert InvalidationNotLater(timestamp, current);
        if (timestamp > block.timestamp) revert InvalidationInTheFuture(timestamp, block.timestamp);
        $.invalidatedBefore[msg.sender] = timestamp;
        emit DecryptionSignaturesInvalidated(msg.sender, timestamp);
    }

    /// Stops the account from granting anything. What it was granted stays.
    function blockAccount(address account) external onlyOwner {
        if (isAccountDenied(account)) revert AccountAlreadyBlocked(account);
        AclStorage.facts().denied[account] = true;
        emit BlockedAccount(account);
    }

    /// Takes the account off the deny list.
    function unblockAccount(address account) external onlyOwner {
        if (!isAccountDenied(account)) revert AccountNotBlocked(account);
        AclStorage.facts().denied[account] = false;
        emit UnblockedAccount(account);
    }

    /// Stops every grant and every operation at once, and nodes under this header refuse to decrypt. Pauser or owner.
    function pause() external whenNotPaused {
        if (!isPauser(msg.sender)) revert NotPauser(msg.sender);
        AclStorage.range().paused = true;
        emit Paused(msg.sender);
    }

    /// Ends the pause. Owner only: who can stop things in haste need not be who decides that they are safe again.
    function unpause() external onlyOwner {
        if (!paused()) revert ExpectedPause();
        AclStorage.range().paused = false;
        emit Unpaused(msg.sender);
    }

    /// Replaces the pauser; the zero address leaves the owner alone with that power.
    function setPauser(address next) external onlyOwner {
        _setPauser(next);
    }

    function persistAllowed(bytes32 handle, address account) external view returns (bool) {
        return _persistAllowed(handle, account);
    }

    function isAllowedForDecryption(bytes32 handle) external view returns (bool) {
        return AclStorage.facts().publiclyDecryptable[handle];
    }

    function getUserDecryptionDelegationExpirationDate(address delegator, address delegate, address contractAddress)
        external
        view
        returns (uint64)
    {
        return _expiry(delegator, delegate, contractAddress);
    }

    function isHandleDelegatedForUserDecryption(address delegator, address delegate, address contractAddress, bytes32 handle)
        external
        view
        returns (bool)
    {
        if (!_persistAllowed(handle, delegator) || !_persistAllowed(handle, contractAddress)) return false;
        return _expiry(delegator, delegate, contractAddress) > block.timestamp
            || _expiry(delegator, delegate, WILDCARD_DELEGATION_ADDRESS) > block.timestamp;
    }

    function decryptionSignatureInvalidatedBefore(address account) external view returns (uint256) {
        return AclStorage.facts().invalidatedBefore[account];
    }

    function grantCount() external view returns (uint64) {
        return AclStorage.range().count;
    }

    function grantPeak(uint256 level) external view returns (bytes32) {
        return AclStorage.range().peaks[level];
    }

    function isGrantProven(uint8 kind, bytes32 handle, address subject, uint64 index, bytes32[] calldata path)
        external
        view
        returns (bool)
    {
        AclStorage.Range storage $ = AclStorage.range();
        uint64 count = $.count;
        if (index >= count) return false;
        AclProofs.Grant memory grant = AclProofs.Grant({kind: kind, handle: handle, subject: subject});
        return AclProofs.verify(grant, index, path, count, $.peaks[AclProofs.levelOf(index, count)]);
    }

    /// The contract whose results get their first permission without asking.
    function getFHEVMExecutorAddress() external view returns (address) {
        return _executor;
    }

    function isAllowed(bytes32 handle, address account) public view returns (bool) {
        return allowedTransient(handle, account) || _persistAllowed(handle, account);
    }

    function allowedTransient(bytes32 handle, address account) public view returns (bool allowed) {
        bytes32 key = _transientKey(handle, account);
        assembly ("memory-safe") {
            allowed := tload(key)
        }
    }

    function isAccountDenied(address account) public view returns (bool) {
        return AclStorage.facts().denied[account];
    }

    /// Whether the account may pause.
    function isPauser(address account) public view returns (bool) {
        return account == _pauser || account == owner();
    }

    /// Whether grants and operations are stopped.
    function paused() public view returns (bool) {
        return AclStorage.range().paused;
    }

    /// Enters a grant that was not there before: each has one leaf, and nobody makes the range grow by repeating one.
    function _append(uint8 kind, bytes32 handle, address subject) private {
        AclStorage.Range storage $ = AclStorage.range();
        uint64 count = $.count;
        MountainRange.append($.peaks, count, MountainRange.leaf(kind, handle, subject));
        $.count = count + 1;
    }

    /// Enters one change of the caller's delegation in its block and counter; the expiry is the caller's to set.
    function _changeDelegation(address delegate, address contractAddress) private returns (AclStorage.Delegation storage delegation) {
        delegation = AclStorage.facts().delegations[msg.sender][delegate][contractAddress];
        if (delegation.lastBlock == block.number) {
            revert AlreadyDelegatedOrRevokedInSameBlock(msg.sender, delegate, contractAddress, block.number);
        }
        delegation.lastBlock = uint64(block.number);
        ++delegation.counter;
    }

    function _setPauser(address next) private {
        emit PauserChanged(_pauser, next);
        _pauser = next;
    }

    function _requireAllowed(bytes32 handle) private view {
        if (!isAllowed(handle, msg.sender)) revert SenderNotAllowed(msg.sender);
    }

    function _requireNotDenied() private view {
        if (isAccountDenied(msg.sender)) revert SenderDenied(msg.sender);
    }

    function _persistAllowed(bytes32 handle, address account) private view returns (bool) {
        return AclStorage.facts().persistent[handle][account];
    }

    function _expiry(address delegator, address delegate, address contractAddress) private view returns (uint64) {
        return AclStorage.facts().delegations[delegator][delegate][contractAddress].expirationDate;
    }

    function _transientKey(bytes32 handle, address account) private view returns (bytes32) {
        return keccak256(abi.encode(_generation, handle, account));
    }
}
