// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// Ask once, be called back once with a plaintext the committee signed.
///
/// The receiver is the caller itself: `selector(uint256 requestId, bytes cleartexts, bytes decryptionProof)`. It should
/// accept the call from this contract only. `cleartexts` holds one 32-byte word per handle, in the order asked.
interface IDecryptionOracle {
    /// Unknown: never asked. Pending: no result yet. CallbackFailed: result checked, receiver reverted. Done: called back.
    enum State {
        Unknown,
        Pending,
        CallbackFailed,
        Done
    }

    /// `failedResult` is keccak256(cleartexts, proof) while the state is CallbackFailed, else zero.
    struct Request {
        address requester;
        bytes4 callbackSelector;
        uint32 callbackGas;
        State state;
        uint256 contextId;
        bytes32 failedResult;
        bytes32[] handles;
    }

    /// `extraData` names the pinned context and is what the committee has to sign over.
    event DecryptionRequested(
        uint256 indexed requestId,
        address indexed requester,
        bytes32[] handles,
        bytes extraData,
        bytes4 callbackSelector,
        uint32 callbackGas
    );
    event DecryptionFulfilled(uint256 indexed requestId, bytes cleartexts, bytes decryptionProof, bool callbackOk);
    event CallbackRetried(uint256 indexed requestId, bool callbackOk);
    event Paused(address account);
    event Unpaused(address account);

    error EnforcedPause();
    error ExpectedPause();
    error HandlesListIsEmpty();
    error CallbackGasAboveLimit(uint256 given, uint256 limit);
    error BitsAboveLimit(uint256 given, uint256 limit);
    error HandleMalformed(bytes32 handle);
    error HandleOfOtherChain(bytes32 handle, uint256 handleChainId, uint256 chainId);
    error HandleNotAllowed(bytes32 handle, address requester);
    error RequesterDenied(address requester);
    error RequestUnknown(uint256 requestId);
    error RequestNotPending(uint256 requestId, State state);
    error CallbackNotFailed(uint256 requestId, State state);
    error CleartextsLengthInvalid(uint256 given, uint256 expected);
    error ProofOfOtherContext(uint256 given, uint256 pinned);
    error ProofRejected(uint256 requestId);
    error ResultDiffers(uint256 requestId);
    error GasTooLow(uint256 given, uint256 needed);

    /// Asks for the plaintexts of `handles`, which become publicly decryptable. The caller must be allowed on each, not be
    /// denied, and have given this contract transient permission. Pins the committee in office.
    function requestDecryption(bytes32[] calldata handles, bytes4 callbackSelector, uint32 callbackGas) external returns (uint256 requestId);

    /// Delivers the result; anyone may, once. Reverts unless the callback can be given all the gas it asked for.
    function fulfil(uint256 requestId, bytes calldata cleartexts, bytes calldata decryptionProof) external;

    /// Calls a receiver again whose callback failed, with the same result and the most gas a request may ask for; anyone may,
    /// until it succeeds once.
    function retryCallback(uint256 requestId, bytes calldata cleartexts, bytes calldata decryptionProof) external;

    /// Everything kept about a request.
    function getRequest(uint256 requestId) external view returns (Request memory);

    /// The extraData a proof for this request carries.
    function getExtraData(uint256 requestId) external view returns (bytes memory);
}
