// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// Who an encrypted input was made by and for.
struct ContextUserInputs {
    address userAddress;
    address contractAddress;
}

/// Checks that the coprocessors vouch for encrypted inputs. Error names and proof bytes are those of the fhEVM library.
///
/// Proof: number of handles (1 byte), number of signatures (1 byte), handles of 32 bytes, signatures of 65 bytes (r, s, v),
/// then extraData, which is signed but not read.
interface IInputVerifier {
    event NewCoprocessorSet(address[] signers, uint256 threshold);

    error EmptyInputProof();
    error DeserializingInputProofFail();
    error InvalidChainId();
    error InvalidIndex();
    error InvalidHandleVersion();
    error InvalidInputHandle();
    error ZeroSignature();
    error SignatureThresholdNotReached(uint256 numSignatures);
    error SignaturesVerificationFailed();
    error InvalidSigner(address signerRecovered);
    /// With f = (m-1)/3 liars among m, a quorum q must overlap in an honest member and be reachable without the liars.
    error CoprocessorQuorumInvalid(uint256 signers, uint256 threshold);

    /// Returns `inputHandle` if the proof covers it for this user and contract on this chain; reverts otherwise. A proof
    /// that passed is remembered for the rest of the transaction.
    function verifyInput(ContextUserInputs calldata context, bytes32 inputHandle, bytes calldata inputProof) external returns (bytes32);

    /// Forgets the proofs of this transaction, so that bundled user operations can not lean on one another's.
    function cleanTransientStorage() external;

    /// The coprocessors, in the order given at deployment.
    function getCoprocessorSigners() external view returns (address[] memory);

    /// Distinct coprocessor signatures an input needs.
    function getThreshold() external view returns (uint256);

    /// Whether `account` is one of the coprocessors.
    function isSigner(address account) external view returns (bool);

    /// The domain of the coprocessors' signatures (EIP-5267): gateway chain and gateway `InputVerification` address.
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
