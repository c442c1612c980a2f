// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// Who may use, read or publish which handle. Functions, events and errors are those of the fhEVM library.
///
/// A grant is never taken back. What can change is a delegation, the deny list, the pause and the time before which an
/// account's permits are void.
interface IACL {
    event Allowed(address indexed caller, address indexed account, bytes32 handle);
    event AllowedForDecryption(address indexed caller, bytes32[] handlesList);
    event DelegatedForUserDecryption(
        address indexed delegator,
        address indexed delegate,
        address contractAddress,
        uint64 delegationCounter,
        uint64 oldExpirationDate,
        uint64 newExpirationDate
    );
    event RevokedDelegationForUserDecryption(
        address indexed delegator, address indexed delegate, address contractAddress, uint64 delegationCounter, uint64 oldExpirationDate
    );
    event DecryptionSignaturesInvalidated(address indexed account, uint256 beforeTimestamp);
    event BlockedAccount(address indexed account);
    event UnblockedAccount(address indexed account);
    event Paused(address account);
    event Unpaused(address account);
    event PauserChanged(address indexed previous, address indexed next);

    error SenderNotAllowed(address sender);
    error SenderDenied(address sender);
    error HandlesListIsEmpty();
    error AlreadyDelegatedOrRevokedInSameBlock(address delegator, address delegate, address contractAddress, uint256 blockNumber);
    error SenderCannotBeContractAddress(address contractAddress);
    error SenderCannotBeDelegate(address delegate);
    error DelegateCannotBeWildcard(address delegate);
    error DelegateCannotBeContractAddress(address contractAddress);
    error ExpirationDateInThePast();
    error ExpirationDateAlreadySetToSameValue(address delegator, address delegate, address contractAddress, uint256 expirationDate);
    error NotDelegatedYet(address delegator, address delegate, address contractAddress);
    error InvalidationNotLater(uint256 given, uint256 current);
    error InvalidationInTheFuture(uint256 given, uint256 current);
    error AccountAlreadyBlocked(address account);
    error AccountNotBlocked(address account);
    error NotPauser(address sender);
    error EnforcedPause();
    error ExpectedPause();

    /// Lets `account` use and read `handle` for ever. The caller must be allowed itself and not denied.
    function allow(bytes32 handle, address account) external;

    /// Lets `account` use `handle` until the transaction ends. The executor may always; others as in `allow`.
    function allowTransient(bytes32 handle, address account) external;

    /// Lets anyone learn the plaintexts, for ever. The caller must be allowed on each handle and not denied.
    function allowForDecryption(bytes32[] calldata handlesList) external;

    /// Forgets every transient permission of this transaction, so that bundled user operations can not lean on one another.
    function cleanTransientStorage() external;

    /// Lets `delegate` read what the caller may read through `contractAddress` until `expirationDate` (seconds; the largest
    /// number means always). All contracts at once: 0xff...ff. At most one change a block for each such triple.
    function delegateForUserDecryption(address delegate, address contractAddress, uint64 expirationDate) external;

    /// Takes a delegation back.
    function revokeDelegationForUserDecryption(address delegate, address contractAddress) external;

    /// Makes the caller's permits that start before `timestamp` void. It only moves forward and not past the present.
    function invalidateDecryptionSignaturesBefore(uint256 timestamp) external;

    /// Transient or persistent permission.
    function isAllowed(bytes32 handle, address account) external view returns (bool);

    /// Transient permission only.
    function allowedTransient(bytes32 handle, address account) external view returns (bool);

    /// Persistent permission only.
    function persistAllowed(bytes32 handle, address account) external view returns (bool);

    /// Whether anyone may learn the plaintext.
    function isAllowedForDecryption(bytes32 handle) external view returns (bool);

    /// Whether the account may no longer grant anything.
    function isAccountDenied(address account) external view returns (bool);

    /// When the delegation ends; 0 if there is none.
    function getUserDecryptionDelegationExpirationDate(address delegator, address delegate, address contractAddress)
        external
        view
        returns (uint64);

    /// Whether `delegate` may read `handle` for `delegator` now: the delegation, or the one for all contracts, is alive and
    /// delegator and contract both have persistent permission.
    function isHandleDelegatedForUserDecryption(address delegator, address delegate, address contractAddress, bytes32 handle)
        external
        view
        returns (bool);

    /// Permits of `account` that start earlier are void.
    function decryptionSignatureInvalidatedBefore(address account) external view returns (uint256);
}
