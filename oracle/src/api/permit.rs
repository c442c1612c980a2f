//! The cheap part of a node's policy, checked here so that nobody else works for requests that must fail (trust-rules
//! §6, checks 2, 3, 5 to 8). Nodes check all of it again.

use super::App;
use crate::record::Ask;
use crate::smart_account::Question;
use alloy_primitives::Address;
use tkms_types::limits::{PERMIT_CONTRACTS, PERMIT_DAYS, PERMIT_START, REQUEST_BITS};
use tkms_types::{Handle, HostChain, UserRequest};
use tkms_wire::account_witness::is_for_undeployed;
use tkms_wire::relayer::{ApiError, Label};
use tkms_wire::user_payload::UserKey;

const DAY: u64 = 86_400;

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
pub(super) fn check(request: &UserRequest, chain: &HostChain, now: u64) -> Result<(), ApiError> {
    let list: Vec<Handle> = request.pairs.iter().map(|pair| pair.handle).collect();
    handles(&list)?;
    UserKey::parse(&request.public_key).map_err(|error| ApiError::invalid("publicKey", error.to_string()))?;
    contracts(request)?;
    window(request, chain, now)
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

/// Check 8: the user's key has signed, or the user is a contract that says so at the head of the chain.
pub(super) async fn signature(ask: &Ask, app: &App, chain: &HostChain) -> Result<(), ApiError> {
    let (Some(question), Ask::User(request)) = (Question::of(ask, &app.cluster.gateway, chain), ask) else {
        return Ok(());
    };
    if is_for_undeployed(&request.signature) {
        let issue = format!("is for an account that is not deployed: deploy {} first", request.user);
        return Err(ApiError::invalid("signature", issue));
    }
    let accepted = match app.desk.hosts.get(&chain.chain_id) {
        Some(host) => question.accepted(&host.rpc, Default::default()).await,
        None => Ok(false),
    };
    match accepted {
        Ok(true) => Ok(()),
        Ok(false) => Err(ApiError::invalid(
            "signature",
            format!(
                "is not by {} over this permit: sign it with that key, or an owner of that contract, for chain {}",
                request.user, chain.chain_id
            ),
        )),
        Err(error) => {
            tracing::warn!(chain = chain.chain_id, %error, "the host endpoint cannot say what a smart account answers");
            let message = "the chain cannot be asked at the moment: ask again in a while";
            Err(ApiError::new(Label::ReadinessCheckTimedOut, message))
        }
    }
}
