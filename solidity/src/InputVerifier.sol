// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ContextUserInputs, IInputVerifier} from "./interfaces/IInputVerifier.sol";
import {Eip712} from "./libraries/Eip712.sol";
import {Handles} from "./libraries/Handles.sol";
import {Quorum} from "./libraries/Quorum.sol";
import {SignerSet} from "./libraries/SignerSet.sol";
import {CIPHERTEXT_VERIFICATION_TYPEHASH} from "./TypedData.sol";

/// Immutable code, no owner. It guards what enters the chain; it is never the source of the nodes' trust in coprocessors.
contract InputVerifier is IInputVerifier {
    string private constant DOMAIN_NAME = "InputVerification";
    /// Index 255 marks computed handles.
    uint256 private constant MAX_INDEX = 254;
    uint256 private constant HEADER_BYTES = 2;
    uint256 private constant DEV_CHAIN_ID = 31337;

    uint256 private immutable _gatewayChainId;
    address private immutable _inputVerification;
    bytes32 private immutable _domainSeparator;
    address private immutable _signers;
    uint256 private immutable _threshold;

    /// Names the proofs remembered in this transaction; a new number forgets them all at once.
    uint256 private transient _generation;

    /// `inputVerification` is only a name in the domain and need not be a contract of this chain.
    constructor(address[] memory signers, uint256 threshold, uint64 gatewayChainId, address inputVerification) {
        _checkQuorum(signers.length, threshold);
        _gatewayChainId = gatewayChainId;
        _inputVerification = inputVerification;
        _domainSeparator = Eip712.separator(DOMAIN_NAME, gatewayChainId, inputVerification);
        _signers = SignerSet.store(signers);
        _threshold = threshold;
        emit NewCoprocessorSet(signers, threshold);
    }

    function verifyInput(ContextUserInputs calldata context, bytes32 inputHandle, bytes calldata inputProof) external returns (bytes32) {
        if (inputProof.length == 0) revert EmptyInputProof();
        if (inputProof.length < HEADER_BYTES) revert DeserializingInputProofFail();
        if (Handles.chainIdOf(inputHandle) != block.chainid) revert InvalidChainId();
        uint256 count = uint8(inputProof[0]);
        uint256 index = Handles.indexOf(inputHandle);
        if (index >= count || index > MAX_INDEX) revert InvalidIndex();

        bytes32 key = keccak256(abi.encode(_generation, context.contractAddress, context.userAddress, keccak256(inputProof)));
        if (!_remembered(key)) {
            _verifyProof(context, count, inputProof);
            _remember(key);
        }
        uint256 offset = HEADER_BYTES + 32 * index;
        if (bytes32(inputProof[offset:offset + 32]) != inputHandle) revert InvalidInputHandle();
        return inputHandle;
    }

    function cleanTransientStorage() external {
        ++_generation;
    }

    function getCoprocessorSigners() external view returns (address[] memory) {
        return SignerSet.load(_signers);
    }

    function getThreshold() external view returns (uint256) {
        return _threshold;
    }

    function isSigner(address account) external view returns (bool) {
        return Quorum.contains(SignerSet.load(_signers), account);
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
        return (hex"0f", DOMAIN_NAME, "1", _gatewayChainId, _inputVerification, bytes32(0), new uint256[](0));
    }

    function _verifyProof(ContextUserInputs calldata context, uint256 handleCount, bytes calldata proof) private view {
        uint256 signatureCount = uint8(proof[1]);
        uint256 handlesEnd = HEADER_BYTES + 32 * handleCount;
        uint256 end = handlesEnd + Quorum.SIGNATURE_BYTES * signatureCount;
        if (proof.length < end) revert DeserializingInputProofFail();
        for (uint256 offset = HEADER_BYTES; offset < handlesEnd; offset += 32) {
            if (Handles.versionOf(bytes32(proof[offset:offset + 32])) != Handles.VERSION) revert InvalidHandleVersion();
        }
        if (signatureCount == 0) revert ZeroSignature();
        if (signatureCount < _threshold) revert SignatureThresholdNotReached(signatureCount);

        bytes32 digest = Eip712.digest(
            _domainSeparator,
            keccak256(
                abi.encode(
                    CIPHERTEXT_VERIFICATION_TYPEHASH,
                    keccak256(proof[HEADER_BYTES:handlesEnd]),
                    context.userAddress,
                    context.contractAddress,
                    block.chainid,
                    keccak256(proof[end:])
                )
            )
        );
        (bool ok, address stranger) = Quorum.reached(digest, proof[handlesEnd:end], SignerSet.load(_signers), _threshold);
        if (stranger != address(0)) revert InvalidSigner(stranger);
        if (!ok) revert SignaturesVerificationFailed();
    }

    function _checkQuorum(uint256 count, uint256 threshold) private view {
        uint256 faults = count == 0 ? 0 : (count - 1) / 3;
        bool overlaps = 2 * threshold > count + faults;
        bool reachable = threshold <= count - faults;
        // One coprocessor alone decides what every input says: for development only.
        bool alone = count == 1 && block.chainid != DEV_CHAIN_ID;
        if (!overlaps || !reachable || alone) revert CoprocessorQuorumInvalid(count, threshold);
    }

    function _remembered(bytes32 key) private view returns (bool passed) {
        assembly ("memory-safe") {
            passed := tload(key)
        }
    }

    function _remember(bytes32 key) private {
        assembly ("memory-safe") {
            tstore(key, 1)
        }
    }
}
