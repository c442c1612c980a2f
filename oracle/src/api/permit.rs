//! The cheap part of a node's policy, checked here so that nobody else works for requests that must fail (trust-rules
//! §6, checks 2, 3, 5 to 8). Nodes check all of it again.

use alloy_primitives::Address;
use tkms_types::limits::{PERMIT_CONTRACTS, PERMIT_DAYS, PERMIT_START, REQUEST_BITS};
use tkms_types::typed_data::{permit_digest, permit_domain, recover};
use tkms_types::{Cluster, Handle, HostChain, UserRequest};
use tkms_wire::relayer::ApiError;
use tkms_wire::user_payload::UserKey;

const DAY: u64 = 86_400;
/// Bytes of an ECDSA signature; others belong to smart accounts, which nodes do not serve yet.
const SIGNATURE_BYTES: usize = 65;

/// Checks types and versions of handles and their summed bits.
pub(super) fn handles(handles: &[Handle]) -> Result<(), ApiError> {
    let mut bits = 0;
    for handle in handles {
        let kind = handle.check().map_err(|error| ApiError::invalid("handles", error.to_string()))?;
        bits += kind.counted_bits();
    }
    if bits > REQUEST_BITS {
        return Err(ApiError::invalid(
            "handles",
            format!("{bits} bits in one request, at most {REQUEST_BITS} are decrypted: ask in several requests"),
        ));
    }
    Ok(())
}

/// Checks everything about a user's request that needs no chain.
pub(super) fn check(request: &UserRequest, cluster: &Cluster, chain: &HostChain, now: u64) -> Result<(), ApiError> {
    let list: Vec<Handle> = request.pairs.iter().map(|pair| pair.handle).collect();
    handles(&list)?;
    UserKey::parse(&request.public_key).map_err(|error| ApiError::invalid("publicKey", error.to_string()))?;
    contracts(request)?;
    window(request, chain, now)?;
    signature(request, cluster, chain)
}

fn contracts(request: &UserRequest) -> Result<(), ApiError> {
    let invalid = |issue: String| Err(ApiError::invalid("contractAddresses", issue));
    let list = &request.contracts;
    if list.is_empty() || list.len() > PERMIT_CONTRACTS {
        return invalid(format!("{} contracts, a permit names 1 to {PERMIT_CONTRACTS}", list.len()));
    }
    for (position, contract) in list.iter().enumerate() {
        if contract.is_zero() || list.iter().take(position).any(|other| other == contract) {
            return invalid(format!("{contract} is zero or named twice"));
        }
        if *contract == request.user || Some(*contract) == request.delegator {
            return invalid(format!("{contract} is user and contract at once"));
        }
    }
    if let Some(pair) = request.pairs.iter().find(|pair| !list.contains(&pair.contract)) {
        return invalid(format!("{} is not named by the permit: sign one that names it", pair.contract));
    }
    if request.delegator == Some(request.user) || request.delegator == Some(Address::ZERO) {
        return Err(ApiError::invalid("delegatorAddress", "is zero or the delegate"));
    }
    Ok(())
}

fn window(request: &UserRequest, chain: &HostChain, now: u64) -> Result<(), ApiError> {
    let invalid = |issue: String| Err(ApiError::invalid("requestValidity", issue));
    let (start, days) = (request.start, request.days);
    if days == 0 || days > PERMIT_DAYS || start >= PERMIT_START {
        return invalid(format!("{days} days from {start}: a permit lasts 1 to {PERMIT_DAYS} days"));
    }
    if start > now.saturating_add(chain.clock_skew) {
        return invalid(format!("valid from {start}, it is {now}: ask then, or set the clock right"));
    }
    // Both bounds above keep the sum far below overflow.
    let end = start + DAY * u64::from(days);
    if now >= end {
        return invalid(format!("expired at {end}, it is {now}: sign a new permit"));
    }
    Ok(())
}

fn signature(request: &UserRequest, cluster: &Cluster, chain: &HostChain) -> Result<(), ApiError> {
    if request.signature.len() != SIGNATURE_BYTES {
        let issue =
            format!("{} bytes: only keys of {SIGNATURE_BYTES}-byte signatures are served", request.signature.len());
        return Err(ApiError::invalid("signature", issue));
    }
    let digest = permit_digest(request, &permit_domain(&cluster.gateway, chain.chain_id));
    if recover(digest, &request.signature) != Some(request.user) {
        return Err(ApiError::invalid(
            "signature",
            format!("is not by {} over this permit: sign it with that key for chain {}", request.user, chain.chain_id),
        ));
    }
    Ok(())
}
