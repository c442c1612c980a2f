//! Why a piece of evidence was refused. Every variant names the proof or the fact it is about.

use alloy_primitives::{Address, B256, U256};

use crate::facts::{Grant, GrantKind};
use crate::range::RangeError;

/// What is wrong with a block header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Longer than [`crate::MAX_HEADER_BYTES`].
    #[error("header of {len} bytes, at most {max} are read")]
    TooLong {
        /// Bytes given.
        len: usize,
        /// The bound.
        max: usize,
    },
    /// The bytes are not exactly one RLP list of header fields.
    #[error("header field {field}: {reason}")]
    Rlp {
        /// Position of the field, counted from 0 (0 also for the list itself).
        field: usize,
        /// The decoder's reason.
        reason: alloy_rlp::Error,
    },
    /// Bytes after the list.
    #[error("{0} bytes after the header")]
    TrailingBytes(usize),
    /// More fields than [`crate::MAX_HEADER_FIELDS`].
    #[error("more than {0} header fields")]
    TooManyFields(usize),
    /// The extra data is not that of a sealed block of this consensus.
    #[error("seals: {0}")]
    Extra(alloy_rlp::Error),
    /// Block 0: a genesis header may name a state root that is not its state (Anvil's does).
    #[error("genesis is never an anchor")]
    Genesis,
}

/// What is wrong with one Merkle-Patricia proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrieError {
    /// More nodes than [`crate::MAX_PROOF_NODES`].
    #[error("{len} proof nodes, at most {max} are read")]
    TooManyNodes {
        /// Nodes given.
        len: usize,
        /// The bound.
        max: usize,
    },
    /// A node longer than [`crate::MAX_NODE_BYTES`].
    #[error("proof node {index} has {len} bytes, at most {max} are read")]
    NodeTooLong {
        /// Position of the node in the proof.
        index: usize,
        /// Bytes given.
        len: usize,
        /// The bound.
        max: usize,
    },
    /// The node does not hash to what its parent (or the root) names.
    #[error("proof node {index} is not the one its parent names")]
    WrongNode {
        /// Position of the node in the proof.
        index: usize,
    },
    /// The bytes are no trie node.
    #[error("proof node {index}: {reason}")]
    Node {
        /// Position of the node in the proof.
        index: usize,
        /// The decoder's reason.
        reason: alloy_rlp::Error,
    },
    /// A node that no trie over 32-byte keys contains.
    #[error("proof node {index} cannot occur under a 32-byte key")]
    ImpossibleNode {
        /// Position of the node in the proof.
        index: usize,
    },
    /// The proof ends before the path does: neither presence nor absence is shown.
    #[error("proof is cut short")]
    Truncated,
    /// Nodes after the one that settles the answer.
    #[error("{0} unused proof nodes")]
    UnusedNodes(usize),
    /// The leaf is there, but its value is not what the trie stores in this place.
    #[error("value in the leaf: {0}")]
    Value(alloy_rlp::Error),
    /// An account that had to exist is proven absent.
    #[error("the account does not exist")]
    NoAccount,
}

/// Why a set of facts is not proven by the evidence. Names follow the refusals of the node policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AclError {
    /// The block header is unusable.
    #[error("header malformed: {0}")]
    HeaderMalformed(#[from] HeaderError),
    /// The proof of the ACL's account fails under the header's state root.
    #[error("account proof of {acl} invalid: {reason}")]
    AccountProofInvalid {
        /// The ACL contract.
        acl: Address,
        /// What failed.
        reason: TrieError,
    },
    /// The account is there, but runs other code than the one on record.
    #[error("ACL code changed: found {found}, expected {expected}")]
    AclCodeChanged {
        /// Code hash in the state.
        found: B256,
        /// Code hash on record.
        expected: B256,
    },
    /// The proof of one storage slot fails under the ACL's storage root.
    #[error("proof of slot {slot} invalid: {reason}")]
    SlotProofInvalid {
        /// The storage slot.
        slot: B256,
        /// What failed.
        reason: TrieError,
    },
    /// No proof was given for a slot the facts depend on.
    #[error("no proof for slot {slot}")]
    SlotProofMissing {
        /// The storage slot.
        slot: B256,
    },
    /// Two proofs for one slot.
    #[error("slot {slot} is proven twice")]
    SlotProofRepeated {
        /// The storage slot.
        slot: B256,
    },
    /// A proof for a slot that no wanted fact depends on.
    #[error("slot {slot} was not asked for")]
    SlotProofUnneeded {
        /// The storage slot.
        slot: B256,
    },
    /// A slot holds what the ACL's code never writes there.
    #[error("slot {slot} holds {value:#x}, which the ACL never writes")]
    SlotValueInvalid {
        /// The storage slot.
        slot: B256,
        /// The value found.
        value: U256,
    },
    /// More facts than [`crate::MAX_FACTS`].
    #[error("{len} facts wanted, at most {max} are checked")]
    TooManyFacts {
        /// Facts asked for.
        len: usize,
        /// The bound.
        max: usize,
    },
    /// The ACL is paused in this block.
    #[error("the ACL is paused")]
    AclPaused,
    /// The permission is proven not to be there.
    #[error("no {kind} grant of {handle} to {subject}")]
    GrantMissing {
        /// The ciphertext.
        handle: B256,
        /// Which permission.
        kind: GrantKind,
        /// Who should have it (zero for a public grant).
        subject: Address,
    },
    /// No delegation for the contract nor for all contracts.
    #[error("{delegator} has not delegated {contract} to {delegate}")]
    DelegationMissing {
        /// Whose right it is.
        delegator: Address,
        /// Who asks.
        delegate: Address,
        /// The contract whose handles are asked for.
        contract: Address,
    },
    /// A delegation was there and its time is over.
    #[error("delegation of {contract} by {delegator} to {delegate} expired at {expiry}")]
    DelegationExpired {
        /// Whose right it was.
        delegator: Address,
        /// Who asks.
        delegate: Address,
        /// The contract whose handles are asked for.
        contract: Address,
        /// The later of the two expiries found, unix seconds.
        expiry: u64,
    },
    /// The signer withdrew all permits that start before a time, and this one does.
    #[error("{account} invalidated permits before {before}, this one starts at {start}")]
    PermitInvalidated {
        /// Signer of the permit.
        account: Address,
        /// Start of the permit, unix seconds.
        start: u64,
        /// Earliest start still valid, unix seconds.
        before: U256,
    },
    /// The account is on the ACL's deny list.
    #[error("{0} is denied")]
    AccountDenied(Address),
}

/// Why facts are not proven under a known block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The state, a slot proof or a fact itself.
    #[error(transparent)]
    Acl(#[from] AclError),
    /// The path of a grant does not show it in the range.
    #[error("path of the {} grant of {} to {}: {reason}", .grant.kind(), .grant.handle(), .grant.subject())]
    GrantProofInvalid {
        /// The grant claimed.
        grant: Grant,
        /// What failed.
        reason: RangeError,
    },
    /// Two paths for one grant.
    #[error("the {} grant of {} to {} is proven twice", .0.kind(), .0.handle(), .0.subject())]
    GrantProofRepeated(Grant),
    /// A path for a grant that is not among the wanted facts.
    #[error("the {} grant of {} to {} was not asked for", .0.kind(), .0.handle(), .0.subject())]
    GrantProofUnneeded(Grant),
}
