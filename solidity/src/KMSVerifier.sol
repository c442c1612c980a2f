// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IKMSVerifier} from "./interfaces/IKMSVerifier.sol";
import {Eip712} from "./libraries/Eip712.sol";
import {Quorum} from "./libraries/Quorum.sol";
import {SignerSet} from "./libraries/SignerSet.sol";
import {PUBLIC_DECRYPT_TYPEHASH} from "./TypedData.sol";

/// Immutable code, no owner: contexts (committees) are the only state. The order of signers is the order of parties, which
/// is part of the sharing of the key, so a context is written once and never edited.
contract KMSVerifier is IKMSVerifier {
    /// One slot, so that the check reads one word and one account.
    struct Context {
        address signers;
        uint8 threshold;
    }

    string private constant DOMAIN_NAME = "Decryption";
    uint256 private constant FIRST_CONTEXT_ID = (7 << 248) | 1;
    /// The sharing has fifteen points, of which 3t+1 are used.
    uint256 private constant MAX_COMMITTEE = 13;
    uint256 private constant CONTEXT_ID_END = 33;

    uint256 private immutable _gatewayChainId;
    address private immutable _decryption;
    bytes32 private immutable _domainSeparator;

    uint256 private _currentContextId;
    mapping(uint256 contextId => Context) private _contexts;

    /// `signers` in party order; `decryption` is only a name in the domain and need not be a contract of this chain.
    constructor(address[] memory signers, uint256 threshold, uint64 gatewayChainId, address decryption) {
        _gatewayChainId = gatewayChainId;
        _decryption = decryption;
        _domainSeparator = Eip712.separator(DOMAIN_NAME, gatewayChainId, decryption);
        _addContext(FIRST_CONTEXT_ID, signers, threshold);
    }

    function verifyDecryptionEIP712KMSSignatures(
        bytes32[] calldata handlesList,
        bytes calldata decryptedResult,
        bytes calldata decryptionProof
    ) external view returns (bool) {
        if (decryptionProof.length == 0) revert EmptyDecryptionProof();
        uint256 count = uint8(decryptionProof[0]);
        uint256 end = 1 + count * Quorum.SIGNATURE_BYTES;
        if (decryptionProof.length < end) revert DeserializingDecryptionProofFail();
        bytes calldata extraData = decryptionProof[end:];

        Context memory context = _context(_contextId(extraData));
        if (count == 0) revert KMSZeroSignature();
        if (count < context.threshold) revert KMSSignatureThresholdNotReached(count);

        bytes32 digest = _digest(handlesList, decryptedResult, extraData);
        (bool ok, address stranger) = Quorum.reached(digest, decryptionProof[1:end], SignerSet.load(context.signers), context.threshold);
        if (stranger != address(0)) revert KMSInvalidSigner(stranger);
        return ok;
    }

    function getContextSignersAndThresholdFromExtraData(bytes calldata extraData)
        external
        view
        returns (address[] memory signers, uint256 threshold)
    {
        Context memory context = _context(_contextId(extraData));
        return (SignerSet.load(context.signers), context.threshold);
    }

    function getContextIdFromExtraData(bytes calldata extraData) external view returns (uint256 contextId) {
        contextId = _contextId(extraData);
        if (!isValidKmsContext(contextId)) revert InvalidKmsContext(contextId);
    }

    function getCurrentKmsContextId() external view returns (uint256) {
        return _currentContextId;
    }

    function getSignersForKmsContext(uint256 kmsContextId) external view returns (address[] memory) {
        return SignerSet.load(_context(kmsContextId).signers);
    }

    function getKmsSigners() external view returns (address[] memory) {
        return SignerSet.load(_context(_currentContextId).signers);
    }

    function getThreshold() external view returns (uint256) {
        return _context(_currentContextId).threshold;
    }

    function isSigner(address account) external view returns (bool) {
        return Quorum.contains(SignerSet.load(_context(_currentContextId).signers), account);
    }

    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        // 0x0f: name, version, chain id and contract are set, there is no salt.
        return (hex"0f", DOMAIN_NAME, "1", _gatewayChainId, _decryption, bytes32(0), new uint256[](0));
    }

    function isValidKmsContext(uint256 kmsContextId) public view returns (bool) {
        return _contexts[kmsContextId].signers != address(0);
    }

    function _addContext(uint256 contextId, address[] memory signers, uint256 threshold) private {
        uint256 count = signers.length;
        bool shape = count % 3 == 1 && count <= MAX_COMMITTEE;
        // t = (n-1)/3 may lie: any smaller quorum could contain only liars, any larger one the silent can prevent.
        if (!shape || threshold != 2 * (count / 3) + 1) revert CommitteeInvalid(count, threshold);
        _contexts[contextId] = Context({signers: SignerSet.store(signers), threshold: uint8(threshold)});
        _currentContextId = contextId;
        emit NewKmsContext(contextId, signers, threshold);
    }

    function _context(uint256 contextId) private view returns (Context memory context) {
        context = _contexts[contextId];
        if (context.signers == address(0)) revert InvalidKmsContext(contextId);
    }

    function _contextId(bytes calldata extraData) private view returns (uint256) {
        if (extraData.length == 0 || extraData[0] == 0x00) return _currentContextId;
        if (extraData[0] != 0x01) revert UnsupportedExtraDataVersion(uint8(extraData[0]));
        if (extraData.length < CONTEXT_ID_END) revert DeserializingExtraDataFail();
        return uint256(bytes32(extraData[1:CONTEXT_ID_END]));
    }

    function _digest(bytes32[] calldata handles, bytes calldata result, bytes calldata extraData) private view returns (bytes32) {
        bytes32 structHash =
            keccak256(abi.encode(PUBLIC_DECRYPT_TYPEHASH, keccak256(abi.encodePacked(handles)), keccak256(result), keccak256(extraData)));
        return Eip712.digest(_domainSeparator, structHash);
    }
}
