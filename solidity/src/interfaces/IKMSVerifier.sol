// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// Checks that the committee vouches for a plaintext. Function, error names and proof bytes are those of the fhEVM library.
///
/// Proof: number of signatures n (1 byte), n signatures of 65 bytes (r, s, v), then extraData: empty or `00...` for the
/// current context, `01` and a 32-byte context id for that one. Bytes behind the context id are signed but not read.
interface IKMSVerifier {
    event NewKmsContext(uint256 indexed contextId, address[] signers, uint256 threshold);

    error EmptyDecryptionProof();
    error DeserializingDecryptionProofFail();
    error DeserializingExtraDataFail();
    error UnsupportedExtraDataVersion(uint8 version);
    error InvalidKmsContext(uint256 kmsContextId);
    error KMSZeroSignature();
    error KMSSignatureThresholdNotReached(uint256 numSignatures);
    error KMSInvalidSigner(address invalidSigner);
    /// A committee has 3t+1 members, at most 13, and a threshold of 2t+1.
    error CommitteeInvalid(uint256 signers, uint256 threshold);

    /// True if the threshold of distinct members signed; false if signatures repeat and it was not reached. Anything else
    /// that is wrong with the proof reverts. Keeps no state: a caller that must act once remembers that itself.
    function verifyDecryptionEIP712KMSSignatures(
        bytes32[] calldata handlesList,
        bytes calldata decryptedResult,
        bytes calldata decryptionProof
    ) external view returns (bool);

    /// Signers, in party order, and threshold of the context that `extraData` names.
    function getContextSignersAndThresholdFromExtraData(bytes calldata extraData)
        external
        view
        returns (address[] memory signers, uint256 threshold);

    /// The context that `extraData` names; reverts if it is malformed or there is no such context.
    function getContextIdFromExtraData(bytes calldata extraData) external view returns (uint256);

    /// The context new requests are pinned to.
    function getCurrentKmsContextId() external view returns (uint256);

    /// Whether proofs of this context are still accepted.
    function isValidKmsContext(uint256 kmsContextId) external view returns (bool);

    /// Signers of a context, in party order.
    function getSignersForKmsContext(uint256 kmsContextId) external view returns (address[] memory);

    /// Signers of the current context, in party order: party id = index + 1.
    function getKmsSigners() external view returns (address[] memory);

    /// Threshold of the current context.
    function getThreshold() external view returns (uint256);

    /// Whether `account` is a member of the current context.
    function isSigner(address account) external view returns (bool);

    /// The domain of the committee's signatures (EIP-5267): gateway chain and gateway `Decryption` address.
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
        );
}
