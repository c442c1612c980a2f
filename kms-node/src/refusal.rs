//! Why a request is not served: the names and classes of the ordered policy table.
//!
//! Names that only rotated contexts can bring about appear with those.

use crate::keystore::KeyState;
use alloy_primitives::{Address, B256};
use merkle_acl::trust::{Conflict, Staleness};
use tkms_types::{ContextId, ExtraDataError, FheType, Handle, KeyId};
pub use tkms_wire::kms::RefusalClass;

/// A typed refusal. It says what was wrong and never a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant says in its message what its fields are")]
pub enum Refusal {
    #[error("more requests than allowed from {0}")]
    RateLimited(String),
    #[error("{what}: {found}, the limit is {limit}")]
    TooLarge { what: &'static str, found: usize, limit: usize },
    #[error("malformed request: {0}")]
    Malformed(String),
    #[error("{0}")]
    ExtraDataUnsupported(ExtraDataError),
    #[error("context {0} is not the one in force")]
    ContextUnknown(ContextId),
    #[error("{0}")]
    LimitExceeded(String),
    #[error("handle {0} has an unknown version")]
    HandleMalformed(Handle),
    #[error("handle {0} has an unsupported type")]
    TypeUnsupported(Handle),
    #[error("handle {0} belongs to no host chain of this cluster")]
    HostUnknown(Handle),
    #[error("handles of chains {0} and {1} in one request")]
    HostsMixed(u64, u64),
    #[error("host chain {chain_id} is halted until an operator clears it: {reason}")]
    HostHalted { chain_id: u64, reason: String },
    #[error("key {0} is not the key of this cluster")]
    KeyUnknown(KeyId),
    #[error("key is {0}: it may not decrypt")]
    KeyNotUsable(KeyState),
    #[error("public key: {0}")]
    PublicKeyMalformed(String),
    #[error("contracts of the permit: {0}")]
    ContractListInvalid(&'static str),
    #[error("contract {0} is not named by the permit")]
    PairNotInPermit(Address),
    #[error("{0} is user and contract at once")]
    UserIsContract(Address),
    #[error("permit window: {0}")]
    PermitWindowInvalid(&'static str),
    #[error("permit is valid from {start}, it is {now}")]
    PermitNotYetValid { start: u64, now: u64 },
    #[error("permit expired at {end}, it is {now}")]
    PermitExpired { end: u64, now: u64 },
    #[error("the permit's signature is not by {0}")]
    PermitSignatureInvalid(Address),
    #[error("not served: {0}")]
    SmartAccountUnsupported(&'static str),
    #[error("no contract stands at {0} in this block, and its key has not signed the permit")]
    SmartAccountUndeployed(Address),
    #[error("what the smart account {account} says depends on {what}, which is not proven")]
    SmartAccountUnproven { account: Address, what: String },
    #[error("the smart account {account} does not accept the permit's signature: {why}")]
    SmartAccountRejected { account: Address, why: String },
    #[error("the request brings no evidence")]
    EvidenceMissing,
    #[error("host endpoint: {0}")]
    HeaderUnavailable(String),
    #[error("{0}")]
    HeaderMalformed(String),
    #[error("{0}")]
    HeaderUnattested(String),
    #[error("attester set {0} is not in force")]
    AttesterSetUnknown(B256),
    #[error("block {number} is not above the checkpoint {checkpoint}")]
    AnchorBeforeCheckpoint { number: u64, checkpoint: u64 },
    #[error("anchor too old: {0}")]
    AnchorTooOld(Staleness),
    #[error("the evidence was good until {until}, it is {now}: send fresh one")]
    EvidenceStale { until: u64, now: u64 },
    #[error("block of time {time} is ahead of the clock, {now}")]
    AnchorFromFuture { time: u64, now: u64 },
    #[error("not final yet: {0}")]
    NotFinal(String),
    #[error("anchors in conflict: {0}")]
    AnchorConflict(Conflict),
    #[error("{0}")]
    AccountProofInvalid(String),
    #[error("{0}")]
    AclCodeChanged(String),
    #[error("the code of the executor {0} is not proven yet: send its account proof along")]
    ExecutorUnproven(Address),
    #[error("executor code changed: found {found}, expected {expected}")]
    ExecutorCodeChanged { found: B256, expected: B256 },
    #[error("{0}")]
    SlotProofInvalid(String),
    #[error("the ACL is paused")]
    AclPaused,
    #[error("no {kind} grant of {handle} to {subject} is shown in this block")]
    GrantMissing { handle: Handle, kind: &'static str, subject: Address },
    #[error("{0}")]
    GrantProofInvalid(String),
    #[error("{0}")]
    DelegationMissing(String),
    #[error("{0}")]
    DelegationExpired(String),
    #[error("{0}")]
    PermitInvalidated(String),
    #[error("{0} is denied")]
    AccountDenied(Address),
    #[error("no material for handle {0}")]
    MaterialMissing(Handle),
    #[error("material of {handle}: {found} of {needed} coprocessor signatures")]
    MaterialQuorum { handle: Handle, found: usize, needed: usize },
    #[error("material of {handle}: profile {profile} is not in force")]
    ProfileUnknown { handle: Handle, profile: B256 },
    #[error("material of {0}: another digest with a quorum is known; the handle is halted")]
    MaterialConflict(Handle),
    #[error("material of {handle}: {found} bytes, {kind:?} has {expected}")]
    MaterialSize { handle: Handle, kind: FheType, found: u64, expected: u64 },
    #[error("no store has {0} yet")]
    MaterialUnavailable(B256),
    #[error("store {store} returned other bytes for {digest}")]
    DigestMismatch { store: String, digest: B256 },
    #[error("sample list {digest}: {reason}")]
    SamplesMalformed { digest: B256, reason: String },
    #[error("{0}")]
    Busy(&'static str),
    #[error("no such request is running or answered here")]
    RequestUnknown,
    #[error("the node cannot answer: {0}")]
    Internal(&'static str),
}

impl Refusal {
    /// The name callers and operators see.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::RateLimited(_) => "RateLimited",
            Self::TooLarge { .. } => "TooLarge",
            Self::Malformed(_) => "Malformed",
            Self::ExtraDataUnsupported(_) => "ExtraDataUnsupported",
            Self::ContextUnknown(_) => "ContextUnknown",
            Self::LimitExceeded(_) => "LimitExceeded",
            Self::HandleMalformed(_) => "HandleMalformed",
            Self::TypeUnsupported(_) => "TypeUnsupported",
            Self::HostUnknown(_) => "HostUnknown",
            Self::HostsMixed(..) => "HostsMixed",
            Self::HostHalted { .. } => "HostHalted",
            Self::KeyUnknown(_) => "KeyUnknown",
            Self::KeyNotUsable(_) => "KeyNotUsable",
            Self::PublicKeyMalformed(_) => "PublicKeyMalformed",
            Self::ContractListInvalid(_) => "ContractListInvalid",
            Self::PairNotInPermit(_) => "PairNotInPermit",
            Self::UserIsContract(_) => "UserIsContract",
            Self::PermitWindowInvalid(_) => "PermitWindowInvalid",
            Self::PermitNotYetValid { .. } => "PermitNotYetValid",
            Self::PermitExpired { .. } => "PermitExpired",
            Self::PermitSignatureInvalid(_) => "PermitSignatureInvalid",
            Self::SmartAccountUnsupported(_) => "SmartAccountUnsupported",
            Self::SmartAccountUndeployed(_) => "SmartAccountUndeployed",
            Self::SmartAccountUnproven { .. } => "SmartAccountUnproven",
            Self::SmartAccountRejected { .. } => "SmartAccountRejected",
            Self::EvidenceMissing => "EvidenceMissing",
            Self::HeaderUnavailable(_) => "HeaderUnavailable",
            Self::HeaderMalformed(_) => "HeaderMalformed",
            Self::HeaderUnattested(_) => "HeaderUnattested",
            Self::AttesterSetUnknown(_) => "AttesterSetUnknown",
            Self::AnchorBeforeCheckpoint { .. } => "AnchorBeforeCheckpoint",
            Self::AnchorTooOld(_) => "AnchorTooOld",
            Self::EvidenceStale { .. } => "EvidenceStale",
            Self::AnchorFromFuture { .. } => "AnchorFromFuture",
            Self::NotFinal(_) => "NotFinal",
            Self::AnchorConflict(_) => "AnchorConflict",
            Self::AccountProofInvalid(_) => "AccountProofInvalid",
            Self::AclCodeChanged(_) => "AclCodeChanged",
            Self::ExecutorUnproven(_) => "ExecutorUnproven",
            Self::ExecutorCodeChanged { .. } => "ExecutorCodeChanged",
            Self::SlotProofInvalid(_) => "SlotProofInvalid",
            Self::AclPaused => "AclPaused",
            Self::GrantMissing { .. } => "GrantMissing",
            Self::GrantProofInvalid(_) => "GrantProofInvalid",
            Self::DelegationMissing(_) => "DelegationMissing",
            Self::DelegationExpired(_) => "DelegationExpired",
            Self::PermitInvalidated(_) => "PermitInvalidated",
            Self::AccountDenied(_) => "AccountDenied",
            Self::MaterialMissing(_) => "MaterialMissing",
            Self::MaterialQuorum { .. } => "MaterialQuorum",
            Self::ProfileUnknown { .. } => "ProfileUnknown",
            Self::MaterialConflict(_) => "MaterialConflict",
            Self::MaterialSize { .. } => "MaterialSize",
            Self::MaterialUnavailable(_) => "MaterialUnavailable",
            Self::DigestMismatch { .. } => "DigestMismatch",
            Self::SamplesMalformed { .. } => "SamplesMalformed",
            Self::Busy(_) => "Busy",
            Self::RequestUnknown => "RequestUnknown",
            Self::Internal(_) => "Internal",
        }
    }

    /// Whether it came before a block was accepted: then it is counted and not recorded, or the disk would be the attacker's.
    #[must_use]
    pub const fn before_anchor(&self) -> bool {
        matches!(
            self,
            Self::EvidenceMissing
                | Self::RateLimited(_)
                | Self::Malformed(_)
                | Self::HeaderUnavailable(_)
                | Self::HeaderMalformed(_)
                | Self::HeaderUnattested(_)
                | Self::AttesterSetUnknown(_)
                | Self::AnchorBeforeCheckpoint { .. }
                | Self::AnchorTooOld(_)
                | Self::AnchorFromFuture { .. }
                | Self::NotFinal(_)
        )
    }

    /// What a caller may hope for: nothing, better evidence, or time.
    #[must_use]
    pub const fn class(&self) -> RefusalClass {
        match self {
            Self::NotFinal(_)
            | Self::HeaderUnavailable(_)
            | Self::MaterialMissing(_)
            | Self::MaterialUnavailable(_)
            | Self::DigestMismatch { .. }
            | Self::Busy(_) => RefusalClass::Wait,
            Self::RateLimited(_)
            | Self::HostHalted { .. }
            | Self::PermitNotYetValid { .. }
            | Self::SmartAccountUndeployed(_)
            | Self::SmartAccountUnproven { .. }
            | Self::SmartAccountRejected { .. }
            | Self::EvidenceMissing
            | Self::EvidenceStale { .. }
            | Self::HeaderMalformed(_)
            | Self::HeaderUnattested(_)
            | Self::AttesterSetUnknown(_)
            | Self::AnchorBeforeCheckpoint { .. }
            | Self::AnchorTooOld(_)
            | Self::AnchorFromFuture { .. }
            | Self::AnchorConflict(_)
            | Self::AccountProofInvalid(_)
            | Self::ExecutorUnproven(_)
            | Self::SlotProofInvalid(_)
            | Self::AclPaused
            | Self::GrantMissing { .. }
            | Self::GrantProofInvalid(_)
            | Self::DelegationMissing(_)
            | Self::DelegationExpired(_)
            | Self::MaterialQuorum { .. }
            | Self::RequestUnknown
            | Self::Internal(_) => RefusalClass::Retry,
            _ => RefusalClass::Permanent,
        }
    }
}
