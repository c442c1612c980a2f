//! Checks 11 to 17: one final block, and under its state root every fact the request needs.
//!
//! `HeaderTrust` of this build is the RPC mode with k = 0: the node's own endpoint names the final block, and nobody
//! else is asked. What lies under the block's hash is proven.

use super::{AnchorMark, HostState};
use crate::refusal::Refusal;
use alloy_primitives::B256;
use merkle_acl::{AclError, AclEvidence, AclHost, AclLayout, Anchor, Fact, GrantKind, VerifiedFacts, verify};
use tkms_types::{Handle, HostChain};

/// Evidence for one request and the block its source names as final.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Hash of the block that the header's source calls final.
    pub final_hash: B256,
    /// Header, account proof and slot proofs.
    pub acl: AclEvidence,
}

/// Checks 11 to 17.
///
/// # Errors
/// The first [`Refusal`]. [`Refusal::AnchorConflict`] also halts the host: the caller keeps that on disk.
pub fn judge(
    evidence: &Evidence,
    facts: &[Fact],
    host: &HostChain,
    state: &HostState,
    now: u64,
) -> Result<VerifiedFacts, Refusal> {
    let anchor =
        Anchor::from_header_rlp(&evidence.acl.header).map_err(|error| Refusal::HeaderMalformed(error.to_string()))?;
    check_anchor(&anchor, evidence.final_hash, host, now)?;
    check_history(&anchor, state)?;
    let acl = AclHost { address: host.contracts.acl, code_hash: host.acl_code_hash, layout: AclLayout::Range };
    let verified = verify(&evidence.acl, &acl, facts).map_err(refused)?;
    check_count(&verified, state)?;
    Ok(verified)
}

/// The anchor as it is remembered.
#[must_use]
pub fn mark(verified: &VerifiedFacts) -> AnchorMark {
    let anchor = verified.anchor();
    AnchorMark {
        number: anchor.number(),
        hash: anchor.hash(),
        time: anchor.timestamp(),
        count: verified.range_count().unwrap_or(0),
    }
}

/// Check 11 but for the history: attested, above the checkpoint, of the right age.
pub(crate) fn check_anchor(anchor: &Anchor, final_hash: B256, host: &HostChain, now: u64) -> Result<(), Refusal> {
    let (number, time) = (anchor.number(), anchor.timestamp());
    if anchor.hash() != final_hash {
        return Err(Refusal::HeaderUnattested { found: anchor.hash(), named: final_hash });
    }
    if number <= host.checkpoint_number {
        return Err(Refusal::AnchorBeforeCheckpoint { number, checkpoint: host.checkpoint_number });
    }
    if time > now.saturating_add(host.clock_skew) {
        return Err(Refusal::AnchorFromFuture { time, now });
    }
    if now.saturating_sub(time) > host.max_anchor_age {
        return Err(Refusal::AnchorTooOld { time, now, limit: host.max_anchor_age });
    }
    Ok(())
}

/// Final blocks that contradict each other: somebody lies about finality, or the chain is broken below it.
fn check_history(anchor: &Anchor, state: &HostState) -> Result<(), Refusal> {
    let (number, hash, time) = (anchor.number(), anchor.hash(), anchor.timestamp());
    let known = state.newest.iter().map(|mark| (mark.number, mark.hash)).chain(state.recent.iter().copied());
    if let Some((_, other)) = known.into_iter().find(|(other, known)| *other == number && *known != hash) {
        return Err(Refusal::AnchorConflict(format!("two final blocks of number {number}: {other} and {hash}")));
    }
    match state.newest {
        Some(newest) if number > newest.number && time < newest.time => Err(Refusal::AnchorConflict(format!(
            "final block {number} has time {time}, block {} before it has {}",
            newest.number, newest.time
        ))),
        _ => Ok(()),
    }
}

/// Check 13, its second half: grants are never taken back, so their number never falls.
fn check_count(verified: &VerifiedFacts, state: &HostState) -> Result<(), Refusal> {
    let (number, count) = (verified.anchor().number(), verified.range_count().unwrap_or(0));
    match state.newest {
        Some(newest) if number > newest.number && count < newest.count => Err(Refusal::AnchorConflict(format!(
            "final block {number} has {count} grants, block {} before it has {}",
            newest.number, newest.count
        ))),
        _ => Ok(()),
    }
}

fn refused(error: AclError) -> Refusal {
    match error {
        AclError::HeaderMalformed(_) => Refusal::HeaderMalformed(error.to_string()),
        AclError::AccountProofInvalid { .. } => Refusal::AccountProofInvalid(error.to_string()),
        AclError::AclCodeChanged { .. } => Refusal::AclCodeChanged(error.to_string()),
        AclError::TooManyFacts { .. } => Refusal::LimitExceeded(error.to_string()),
        AclError::AclPaused => Refusal::AclPaused,
        AclError::GrantMissing { handle, kind, subject } => {
            let kind = if kind == GrantKind::Public { "public" } else { "persistent" };
            Refusal::GrantMissing { handle: Handle(handle), kind, subject }
        }
        AclError::DelegationMissing { .. } => Refusal::DelegationMissing(error.to_string()),
        AclError::DelegationExpired { .. } => Refusal::DelegationExpired(error.to_string()),
        AclError::PermitInvalidated { .. } => Refusal::PermitInvalidated(error.to_string()),
        AclError::AccountDenied(account) => Refusal::AccountDenied(account),
        AclError::SlotProofInvalid { .. }
        | AclError::SlotProofMissing { .. }
        | AclError::SlotProofRepeated { .. }
        | AclError::SlotProofUnneeded { .. }
        | AclError::SlotValueInvalid { .. } => Refusal::SlotProofInvalid(error.to_string()),
    }
}

/// Whether the facts hold in a block that may not be final yet: then waiting is worth while. Decides nothing else.
#[must_use]
pub fn holds(evidence: &Evidence, facts: &[Fact], host: &HostChain) -> bool {
    let acl = AclHost { address: host.contracts.acl, code_hash: host.acl_code_hash, layout: AclLayout::Range };
    verify(&evidence.acl, &acl, facts).is_ok()
}
