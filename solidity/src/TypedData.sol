// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

// Every EIP-712 struct of the system, and beside each its type hash, which Solidity cannot derive.
// This file is import-free by rule: contracts import it and Rust expands the same text, so a field
// added here is added everywhere or the digests of vectors/eip712.json no longer match.
//
// Domains. "Decryption" version 1 names the gateway chain id and the gateway's Decryption address in
// answers of the committee, but the HOST chain id (same address) in what a user's wallet signs.
// "InputVerification" version 1 names the gateway chain id and its InputVerification address.
// "tKMS Header", "tKMS Ciphertext" name the host chain id, the ACL and, as salt, the host id.
// "tKMS Governance" names the host chain id and the verifier whose contexts change.

// Domain type without a salt: `Decryption`, `InputVerification`, `tKMS Governance`.
bytes32 constant DOMAIN_TYPEHASH = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

// Domain type with a salt, the host id: `tKMS Header`, `tKMS Ciphertext`.
bytes32 constant SALTED_DOMAIN_TYPEHASH =
    keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)");

/// A plaintext the committee vouches for. `decryptedResult`: one 32-byte word per handle, in order.
struct PublicDecryptVerification {
    bytes32[] ctHandles;
    bytes decryptedResult;
    bytes extraData;
}

bytes32 constant PUBLIC_DECRYPT_TYPEHASH =
    keccak256("PublicDecryptVerification(bytes32[] ctHandles,bytes decryptedResult,bytes extraData)");

/// A user's permit: seal to `publicKey` what the signer may see through these contracts, for so many days.
struct UserDecryptRequestVerification {
    bytes publicKey;
    address[] contractAddresses;
    uint256 startTimestamp;
    uint256 durationDays;
    bytes extraData;
}

bytes32 constant USER_DECRYPT_REQUEST_TYPEHASH = keccak256(
    "UserDecryptRequestVerification(bytes publicKey,address[] contractAddresses,uint256 startTimestamp,uint256 durationDays,bytes extraData)"
);

/// The same permit signed by a delegate, for what `delegatorAddress` may see.
struct DelegatedUserDecryptRequestVerification {
    bytes publicKey;
    address[] contractAddresses;
    address delegatorAddress;
    uint256 startTimestamp;
    uint256 durationDays;
    bytes extraData;
}

bytes32 constant DELEGATED_USER_DECRYPT_REQUEST_TYPEHASH = keccak256(
    "DelegatedUserDecryptRequestVerification(bytes publicKey,address[] contractAddresses,address delegatorAddress,uint256 startTimestamp,uint256 durationDays,bytes extraData)"
);

/// One node's answer to a user; `userDecryptedShare` is the whole payload, byte for byte.
struct UserDecryptResponseVerification {
    bytes publicKey;
    bytes32[] ctHandles;
    bytes userDecryptedShare;
    bytes extraData;
}

bytes32 constant USER_DECRYPT_RESPONSE_TYPEHASH =
    keccak256("UserDecryptResponseVerification(bytes publicKey,bytes32[] ctHandles,bytes userDecryptedShare,bytes extraData)");

/// Ties the shares of one answer to one key, handle list and user. Never signed by itself: its digest is inside the payload.
struct UserDecryptionLinker {
    bytes publicKey;
    bytes32[] handles;
    address userAddress;
}

bytes32 constant USER_DECRYPTION_LINKER_TYPEHASH = keccak256("UserDecryptionLinker(bytes publicKey,bytes32[] handles,address userAddress)");

/// A coprocessor's word that the proof of these inputs holds for this user, contract and chain.
struct CiphertextVerification {
    bytes32[] ctHandles;
    address userAddress;
    address contractAddress;
    uint256 contractChainId;
    bytes extraData;
}

bytes32 constant CIPHERTEXT_VERIFICATION_TYPEHASH = keccak256(
    "CiphertextVerification(bytes32[] ctHandles,address userAddress,address contractAddress,uint256 contractChainId,bytes extraData)"
);

/// A host validator's word for one header. `finality`: 1 finalized, 2 safe, 3 `depth` blocks deep (else depth is 0).
struct HeaderAttestation {
    bytes32 attesterSetId;
    uint64 number;
    bytes32 blockHash;
    bytes32 stateRoot;
    uint64 timestamp;
    uint8 finality;
    uint32 depth;
}

bytes32 constant HEADER_ATTESTATION_TYPEHASH = keccak256(
    "HeaderAttestation(bytes32 attesterSetId,uint64 number,bytes32 blockHash,bytes32 stateRoot,uint64 timestamp,uint8 finality,uint32 depth)"
);

/// A coprocessor's word for the stored bytes of one handle. `format`: 1 sample list for flood, 2 for exact, 3 ciphertext.
struct CiphertextAttestation {
    bytes32 coprocessorSetId;
    bytes32 handle;
    uint256 keyId;
    uint8 format;
    bytes32 profile;
    bytes32 digest;
    uint64 size;
}

bytes32 constant CIPHERTEXT_ATTESTATION_TYPEHASH = keccak256(
    "CiphertextAttestation(bytes32 coprocessorSetId,bytes32 handle,uint256 keyId,uint8 format,bytes32 profile,bytes32 digest,uint64 size)"
);

/// A committee's consent to the context that follows it.
struct ContextChange {
    uint256 contextId;
    bytes32 clusterHash;
    address[] signers;
    uint256 threshold;
    uint64 activation;
    uint64 previousExpires;
}

bytes32 constant CONTEXT_CHANGE_TYPEHASH = keccak256(
    "ContextChange(uint256 contextId,bytes32 clusterHash,address[] signers,uint256 threshold,uint64 activation,uint64 previousExpires)"
);
