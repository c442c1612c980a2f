//! May this request be served? A pure function of request, evidence, cluster file, own state and clock.
//!
//! Checks in their order, each with its refusal; cheap before dear, nothing is fetched or computed here:
//!
//! | # | check | where |
//! | --- | --- | --- |
//! | 1 | size, strict decoding | [`crate::request`] |
//! | 2–4 | `extraData`, handles, host, key | [`admit`] |
//! | 5–8 | the user's key, permit and signature | [`permit`], called by [`admit`]; a smart account's word after 17: [`smart_account`] |
//! | 9–10 | quota, answered already | [`crate::engine`] |
//! | 11–13 | anchor, account, pause | [`anchor::judge`] |
//! | 14–17 | facts | [`anchor::facts`] |
//! | 18–19 | who attests the bytes, their size | [`provenance::attested`] |
//! | 20–23 | fetch, parse, room, audit record | [`crate::engine`] |

pub mod anchor;
pub mod permit;
pub mod provenance;
pub mod smart_account;

use crate::keystore::KeyState;
use crate::refusal::Refusal;
use crate::request::{Ask, Request};
use merkle_acl::trust::AnchorHistory;
use merkle_acl::{Fact, Grant};
use smart_account::Claim;
use std::collections::BTreeSet;
use tkms_types::{Cluster, ExtraData, FheType, Handle, HandleError, HostChain, RequestId, limits, transcript};

/// What a node knows about a host chain beside the cluster file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostState {
    /// Why nothing of this chain is served until an operator clears it.
    pub halted: Option<String>,
    /// Anchors accepted before.
    pub history: AnchorHistory,
    /// The executor's code was proven under this cluster file.
    pub executor_proven: bool,
}

/// Everything a decision depends on but the request and its evidence.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The cluster file.
    pub cluster: &'a Cluster,
    /// State of the cluster's key.
    pub key_state: KeyState,
    /// Unix seconds.
    pub now: u64,
}

/// Handles in the order of the answer, with their types.
pub type Typed = Vec<(Handle, FheType)>;

/// A request that passed checks 2 to 8.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// Its id.
    pub id: RequestId,
    /// Its host's chain id.
    pub chain_id: u64,
    /// `extraData`, checked.
    pub extra: ExtraData,
    /// Handles in the order of the answer, with their types.
    pub handles: Typed,
    /// What a smart account has yet to say to check 8.
    pub claim: Option<Claim>,
}

/// Checks 2 to 8.
///
/// # Errors
/// The first [`Refusal`] in the order of the table.
pub fn admit(request: &Request, view: &View<'_>, state: impl Fn(u64) -> HostState) -> Result<Admitted, Refusal> {
    let extra = check_context(request, view.cluster)?;
    let (handles, host) = check_handles(&request.handles(), view.cluster)?;
    let state = state(host.chain_id);
    if let Some(reason) = state.halted {
        return Err(Refusal::HostHalted { chain_id: host.chain_id, reason });
    }
    check_key(request, view)?;
    let (id, claim) = match &request.ask {
        Ask::Public(public) => {
            (transcript::public_request_id(host.host_id(), view.cluster.context, &extra, &public.handles), None)
        }
        Ask::User(user) => {
            let now = view.now.max(state.history.newest.map_or(0, |mark| mark.time));
            let claim = permit::check(user, host, view.cluster, now)?;
            (transcript::user_request_id(host.host_id(), view.cluster.context, user), claim)
        }
    };
    check_witness(request, claim.as_ref())?;
    Ok(Admitted { id, chain_id: host.chain_id, extra, handles, claim })
}

/// A witness is there exactly if somebody has to be asked with it.
fn check_witness(request: &Request, claim: Option<&Claim>) -> Result<(), Refusal> {
    let witness = request.evidence.as_ref().is_some_and(|evidence| evidence.witness.is_some());
    match claim {
        Some(claim) if !witness => Err(Refusal::PermitSignatureInvalid(claim.account)),
        None if witness => Err(Refusal::Malformed("evidence: a witness that nobody has to be asked with".to_owned())),
        _ => Ok(()),
    }
}

/// Check 2.
fn check_context(request: &Request, cluster: &Cluster) -> Result<ExtraData, Refusal> {
    let extra = ExtraData::parse(request.extra_data()).map_err(Refusal::ExtraDataUnsupported)?;
    match extra {
        ExtraData::Context(named) if named != cluster.context => Err(Refusal::ContextUnknown(named)),
        _ => Ok(extra),
    }
}

/// Check 3.
fn check_handles<'a>(handles: &[Handle], cluster: &'a Cluster) -> Result<(Typed, &'a HostChain), Refusal> {
    let Some(first) = handles.first() else {
        return Err(Refusal::LimitExceeded("no handle is named".to_owned()));
    };
    let mut typed = Vec::with_capacity(handles.len());
    let mut bits = 0;
    for handle in handles {
        let kind = handle.check().map_err(|error| match error {
            HandleError::Version { handle, .. } => Refusal::HandleMalformed(handle),
            HandleError::Type { handle, .. } => Refusal::TypeUnsupported(handle),
        })?;
        bits += kind.counted_bits();
        typed.push((*handle, kind));
    }
    if bits > limits::REQUEST_BITS {
        return Err(Refusal::LimitExceeded(format!(
            "{bits} bits are asked for, the limit is {}",
            limits::REQUEST_BITS
        )));
    }
    if let Some(unknown) = handles.iter().find(|handle| cluster.chain_of(**handle).is_none()) {
        return Err(Refusal::HostUnknown(*unknown));
    }
    if let Some(other) = handles.iter().find(|handle| handle.chain_id() != first.chain_id()) {
        return Err(Refusal::HostsMixed(first.chain_id(), other.chain_id()));
    }
    let host = cluster.chain_of(*first).ok_or(Refusal::HostUnknown(*first))?;
    Ok((typed, host))
}

/// Check 4, after the host.
fn check_key(request: &Request, view: &View<'_>) -> Result<(), Refusal> {
    let key = view.cluster.key.id;
    if let Some(other) = request.materials.iter().find(|material| material.key_id != key) {
        return Err(Refusal::KeyUnknown(other.key_id));
    }
    if !view.key_state.may_decrypt() {
        return Err(Refusal::KeyNotUsable(view.key_state));
    }
    Ok(())
}

/// What must be proven about the ACL for checks 14 to 17, each fact once.
#[must_use]
pub fn facts(request: &Request, host: &HostChain, now: u64) -> Vec<Fact> {
    let mut facts = BTreeSet::new();
    match &request.ask {
        Ask::Public(public) => {
            facts.extend(public.handles.iter().map(|handle| Fact::Granted(Grant::Public { handle: handle.0 })));
        }
        Ask::User(user) => {
            let owner = user.delegator.unwrap_or(user.user);
            for pair in &user.pairs {
                let granted = |account| Fact::Granted(Grant::Persistent { handle: pair.handle.0, account });
                facts.extend([granted(owner), granted(pair.contract)]);
                if let Some(delegator) = user.delegator {
                    let (delegate, contract) = (user.user, pair.contract);
                    facts.insert(Fact::Delegated { delegator, delegate, contract, now });
                }
            }
            facts.insert(Fact::PermitStands { account: user.user, start: user.start });
            if host.deny_blocks_user_decryption {
                facts.extend([user.user, owner].map(Fact::NotDenied));
            }
        }
    }
    facts.into_iter().collect()
}
