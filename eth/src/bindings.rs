//! Contract interfaces, expanded from the Solidity files themselves, so that an event and its reader cannot differ.
//!
//! Decode a log with, for example, `FHEEvents::FHEEventsEvents::decode_log(&log)`; every event knows its `SIGNATURE_HASH`.
#![allow(missing_docs, reason = "documented in the Solidity files, which are the source")]

use alloy::sol;

sol!("../solidity/src/interfaces/FHEEvents.sol");
sol!("../solidity/src/interfaces/IACL.sol");
sol!("../solidity/src/interfaces/IDecryptionOracle.sol");
sol!("../solidity/src/interfaces/IInputVerifier.sol");
sol!("../solidity/src/interfaces/IKMSVerifier.sol");

sol! {
    /// What of the contracts has no interface file: links between them, and the executor's functions used off chain.
    interface Links {
        function owner() external view returns (address);
        function isPauser(address account) external view returns (bool);
        function getFHEVMExecutorAddress() external view returns (address);
        function getACLAddress() external view returns (address);
        function getInputVerifierAddress() external view returns (address);
        function getAddresses() external view returns (address acl, address verifier);
        function trivialEncrypt(uint256 pt, uint8 toType) external returns (bytes32 result);
        function fheAdd(bytes32 lhs, bytes32 rhs, bytes1 scalarByte) external returns (bytes32 result);
    }
}

sol! {
    /// Constructors, in the order of their parameters.
    contract Constructors {
        struct Acl { address executor; address owner; address pauser; }
        struct Executor { address acl; address inputVerifier; }
        struct Verifier { address[] signers; uint256 threshold; uint64 gatewayChainId; address verifyingContract; }
        struct Oracle { address acl; address verifier; address owner; }
    }
}
