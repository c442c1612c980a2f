// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IACL} from "./interfaces/IACL.sol";
import {IDecryptionOracle} from "./interfaces/IDecryptionOracle.sol";
import {IKMSVerifier} from "./interfaces/IKMSVerifier.sol";
import {Handles} from "./libraries/Handles.sol";
import {Quorum} from "./libraries/Quorum.sol";
import {Owned} from "./Owned.sol";

/// Immutable code. The owner can stop new requests and nothing else: what was asked can always be answered.
contract DecryptionOracle is IDecryptionOracle, Owned, ReentrancyGuardTransient {
    /// Most gas a receiver may ask for.
    uint32 public constant MAX_CALLBACK_GAS = 2_000_000;
    /// Most bits one request may ask for, a bool counting 2: what nodes accept.
    uint256 public constant MAX_BITS = 2048;
    /// What must be left once the callback has used all of its own: the call itself, a failure's slots, and per byte of
    /// result its hash and its place in the event.
    uint256 private constant RESERVE = 60_000;
    uint256 private constant RESERVE_PER_BYTE = 12;

    IACL private immutable _acl;
    IKMSVerifier private immutable _verifier;

    bool private _paused;
    uint256 private _nonce;
    mapping(uint256 requestId => Request) private _requests;

    constructor(address acl, address verifier, address initialOwner) Owned(initialOwner) {
        _acl = IACL(acl);
        _verifier = IKMSVerifier(verifier);
    }

    function requestDecryption(bytes32[] calldata handles, bytes4 callbackSelector, uint32 callbackGas)
        external
        returns (uint256 requestId)
    {
        if (_paused) revert EnforcedPause();
        if (callbackGas > MAX_CALLBACK_GAS) revert CallbackGasAboveLimit(callbackGas, MAX_CALLBACK_GAS);
        _checkHandles(handles);
        // The ACL sees this contract, not the requester: without this a denied account could publish through it.
        if (_acl.isAccountDenied(msg.sender)) revert RequesterDenied(msg.sender);
        _acl.allowForDecryption(handles);

        requestId = uint256(keccak256(abi.encode(block.chainid, address(this), _nonce++)));
        uint256 contextId = _verifier.getCurrentKmsContextId();
        Request storage request = _requests[requestId];
        (request.requester, request.callbackSelector, request.callbackGas) = (msg.sender, callbackSelector, callbackGas);
        request.state = State.Pending;
        request.contextId = contextId;
        request.handles = handles;
        emit DecryptionRequested(requestId, msg.sender, handles, _extraData(contextId), callbackSelector, callbackGas);
    }

    function fulfil(uint256 requestId, bytes calldata cleartexts, bytes calldata decryptionProof) external nonReentrant {
        Request storage request = _known(requestId);
        if (request.state != State.Pending) revert RequestNotPending(requestId, request.state);
        bytes32[] memory handles = request.handles;
        if (cleartexts.length != 32 * handles.length) revert CleartextsLengthInvalid(cleartexts.length, 32 * handles.length);
        _checkContext(request.contextId, decryptionProof);
        if (!_verifier.verifyDecryptionEIP712KMSSignatures(handles, cleartexts, decryptionProof)) revert ProofRejected(requestId);

        // Done before the call: no order of calls from inside it can deliver twice.
        request.state = State.Done;
        bool ok = _callback(request, request.callbackGas, requestId, cleartexts, decryptionProof);
        if (!ok) {
            request.state = State.CallbackFailed;
            // One word, whatever the size of the proof: a hostile receiver must not make delivery dear.
            request.failedResult = _resultHash(cleartexts, decryptionProof);
        }
        emit DecryptionFulfilled(requestId, cleartexts, decryptionProof, ok);
    }

    function retryCallback(uint256 requestId, bytes calldata cleartexts, bytes calldata decryptionProof) external nonReentrant {
        Request storage request = _known(requestId);
        if (request.state != State.CallbackFailed) revert CallbackNotFailed(requestId, request.state);
        bytes32 result = request.failedResult;
        if (result != _resultHash(cleartexts, decryptionProof)) revert ResultDiffers(requestId);

        request.state = State.Done;
        request.failedResult = bytes32(0);
        bool ok = _callback(request, MAX_CALLBACK_GAS, requestId, cleartexts, decryptionProof);
        if (!ok) {
            request.state = State.CallbackFailed;
            request.failedResult = result;
        }
        emit CallbackRetried(requestId, ok);
    }

    /// Stops new requests.
    function pause() external onlyOwner {
        if (_paused) revert EnforcedPause();
        _paused = true;
        emit Paused(msg.sender);
    }

    /// Takes requests again.
    function unpause() external onlyOwner {
        if (!_paused) revert ExpectedPause();
        _paused = false;
        emit Unpaused(msg.sender);
    }

    function getRequest(uint256 requestId) external view returns (Request memory) {
        return _requests[requestId];
    }

    function getExtraData(uint256 requestId) external view returns (bytes memory) {
        return _extraData(_known(requestId).contextId);
    }

    /// Whether new requests are refused.
    function paused() external view returns (bool) {
        return _paused;
    }

    /// The permissions this contract asks, and the verifier whose word it takes.
    function getAddresses() external view returns (address acl, address verifier) {
        return (address(_acl), address(_verifier));
    }

    /// Calls the receiver with exactly `gasLimit` and reads nothing of what it returns.
    function _callback(
        Request storage request,
        uint256 gasLimit,
        uint256 requestId,
        bytes calldata cleartexts,
        bytes calldata decryptionProof
    ) private returns (bool ok) {
        address target = request.requester;
        bytes memory message = abi.encodeWithSelector(request.callbackSelector, requestId, cleartexts, decryptionProof);
        // A call gets at most 63/64 of what is left, silently. Whoever delivers must bring enough, or could make any
        // callback fail by starving it.
        uint256 needed = gasLimit * 64 / 63 + RESERVE + RESERVE_PER_BYTE * (cleartexts.length + decryptionProof.length);
        if (gasleft() < needed) revert GasTooLow(gasleft(), needed);
        assembly ("memory-safe") {
            ok := call(gasLimit, target, 0, add(message, 0x20), mload(message), 0, 0)
        }
    }

    function _known(uint256 requestId) private view returns (Request storage request) {
        request = _requests[requestId];
        if (request.state == State.Unknown) revert RequestUnknown(requestId);
    }

    function _checkHandles(bytes32[] calldata handles) private view {
        if (handles.length == 0) revert HandlesListIsEmpty();
        uint256 bits;
        for (uint256 i = 0; i < handles.length; ++i) {
            bytes32 handle = handles[i];
            uint256 width = Handles.bitsOf(Handles.typeOf(handle));
            if (width == 0 || Handles.versionOf(handle) != Handles.VERSION) revert HandleMalformed(handle);
            uint64 chainId = Handles.chainIdOf(handle);
            if (chainId != block.chainid) revert HandleOfOtherChain(handle, chainId, block.chainid);
            if (!_acl.isAllowed(handle, msg.sender)) revert HandleNotAllowed(handle, msg.sender);
            bits += width;
        }
        if (bits > MAX_BITS) revert BitsAboveLimit(bits, MAX_BITS);
    }

    /// The pinned committee answers. Only if its context is no longer valid may the current one step in.
    function _checkContext(uint256 pinned, bytes calldata proof) private view {
        uint256 end = proof.length == 0 ? 0 : 1 + Quorum.SIGNATURE_BYTES * uint8(proof[0]);
        if (proof.length < end) end = proof.length; // the verifier refuses it with its own error
        uint256 given = _verifier.getContextIdFromExtraData(proof[end:]);
        if (given == pinned) return;
        bool current = given == _verifier.getCurrentKmsContextId();
        if (!current || _verifier.isValidKmsContext(pinned)) revert ProofOfOtherContext(given, pinned);
    }

    function _extraData(uint256 contextId) private pure returns (bytes memory) {
        return abi.encodePacked(uint8(1), contextId);
    }

    function _resultHash(bytes calldata cleartexts, bytes calldata decryptionProof) private pure returns (bytes32) {
        // The number of handles fixes where the first part ends.
        return keccak256(abi.encodePacked(cleartexts, decryptionProof));
    }
}
