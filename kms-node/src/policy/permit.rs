//! Checks 5 to 8: what a user's wallet signed.

use super::smart_account::Claim;
use crate::refusal::Refusal;
use alloy_primitives::Address;
use tkms_types::typed_data::{permit_digest, permit_domain, recover};
use tkms_types::{Cluster, HostChain, UserRequest, limits};
use tkms_wire::user_payload::UserKey;

const DAY: u64 = 24 * 3600;

/// A claim is what remains of check 8: then it is the user's contract that must accept the signature.
pub(super) fn check(
    request: &UserRequest,
    host: &HostChain,
    cluster: &Cluster,
    now: u64,
) -> Result<Option<Claim>, Refusal> {
    UserKey::parse(&request.public_key).map_err(|error| Refusal::PublicKeyMalformed(error.to_string()))?;
    check_contracts(request)?;
    check_window(request, host.clock_skew, now)?;
    // 8: the user's key comes first, also where code stands beside it (EIP-7702)
    let digest = permit_digest(request, &permit_domain(&cluster.gateway, host.chain_id));
    if recover(digest, &request.signature) == Some(request.user) {
        return Ok(None);
    }
    Claim::new(request.user, digest, request.signature.clone()).map(Some)
}

/// Check 6. The user must not be one of the contracts: otherwise the second of the two grants vanishes.
fn check_contracts(request: &UserRequest) -> Result<(), Refusal> {
    let contracts = &request.contracts;
    let invalid = |why| Err(Refusal::ContractListInvalid(why));
    if contracts.is_empty() || contracts.len() > limits::PERMIT_CONTRACTS {
        return invalid("one to ten are named");
    }
    for (position, contract) in contracts.iter().enumerate() {
        if contract.is_zero() {
            return invalid("the zero address is none");
        }
        if contracts.iter().take(position).any(|other| other == contract) {
            return invalid("one is named twice");
        }
    }
    if let Some(pair) = request.pairs.iter().find(|pair| !contracts.contains(&pair.contract)) {
        return Err(Refusal::PairNotInPermit(pair.contract));
    }
    if request.user.is_zero() || request.delegator == Some(Address::ZERO) {
        return invalid("user and delegator are not the zero address");
    }
    if request.delegator == Some(request.user) {
        return invalid("nobody delegates to themselves");
    }
    let owner = request.delegator.unwrap_or(request.user);
    match contracts.iter().find(|contract| **contract == request.user || **contract == owner) {
        Some(contract) => Err(Refusal::UserIsContract(*contract)),
        None => Ok(()),
    }
}

/// Check 7. The bounds come first, so that no sum overflows.
fn check_window(request: &UserRequest, clock_skew: u64, now: u64) -> Result<(), Refusal> {
    let (start, days) = (request.start, request.days);
    if days == 0 || days > limits::PERMIT_DAYS {
        return Err(Refusal::PermitWindowInvalid("it lasts 1 to 365 days"));
    }
    if start >= limits::PERMIT_START {
        return Err(Refusal::PermitWindowInvalid("its start is beyond all times in use"));
    }
    if start > now.saturating_add(clock_skew) {
        return Err(Refusal::PermitNotYetValid { start, now });
    }
    let end = start + DAY * u64::from(days);
    if now >= end {
        return Err(Refusal::PermitExpired { end, now });
    }
    Ok(())
}
