//! The permissions themselves, for anyone: the path of a grant to its peak in the newest final block, and that block.

use super::App;
use super::caller::Caller;
use super::reply::Failed;
use crate::desk::DeskError;
use crate::host::Host;
use crate::prove::attesters::AttesterFault;
use crate::prove::block::ProvenBlock;
use alloy_primitives::{Address, B256};
use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use merkle_acl::range::RangeProof;
use merkle_acl::{Grant, GrantKind};
use serde::Serialize;
use std::sync::Arc;
use tkms_types::Handle;

/// In place of an account: the grant to everybody.
const PUBLIC: &str = "public";
/// A path is right for its block for ever; that the block is the newest one is true for seconds.
const SHORT: HeaderValue = HeaderValue::from_static("public, max-age=2");
/// Seconds after which something that is not there yet may be.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// A final block as people see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Block {
    number: u64,
    hash: B256,
    state_root: B256,
    timestamp: u64,
    /// Grants in the range.
    count: u64,
}

impl From<&ProvenBlock> for Block {
    fn from(block: &ProvenBlock) -> Self {
        let (anchor, count) = (block.anchor(), block.count());
        let (number, timestamp) = (anchor.number(), anchor.timestamp());
        Self { number, hash: anchor.hash(), state_root: anchor.state_root(), timestamp, count }
    }
}

/// `GET /v1/acl/proofs/{handle}/{account}`: what `ACL.isGrantProven` and the crate `merkle-acl` take.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GrantProof {
    chain_id: u64,
    acl: Address,
    /// 1 persistent, 2 public.
    kind: u8,
    handle: B256,
    /// Zero for a public grant.
    account: Address,
    /// Position of the leaf in the whole range.
    index: u64,
    /// Siblings, lowest first.
    path: Vec<B256>,
    /// Level of the peak.
    level: usize,
    /// Where the path leads.
    peak: B256,
    block: Block,
}

/// Why there is no proof.
#[derive(Debug, Serialize)]
struct Unproven {
    code: &'static str,
    message: String,
}

/// `GET /v1/acl/anchor`: the final block in use, for each chain.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Anchors {
    chains: Vec<AnchorOf>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AnchorOf {
    chain_id: u64,
    block: Option<Block>,
    /// Why there is no block, or what was said last.
    detail: String,
    /// Whose signatures the block has.
    attesters: Vec<Address>,
    quorum: u16,
    /// Whether the mirror of the grants was found to agree with the block.
    mirrored: bool,
    /// Attesters that lied lately.
    faults: Vec<AttesterFault>,
}

pub(super) async fn anchor(app: Extension<Arc<App>>) -> Response {
    let of = |host: &Arc<Host>| {
        let standing = host.prover.standing();
        let block = standing.block.as_deref();
        AnchorOf {
            chain_id: host.chain.chain_id,
            block: block.map(Block::from),
            detail: standing.why.clone(),
            attesters: block.map(ProvenBlock::signers).unwrap_or_default(),
            quorum: host.chain.attesters.quorum,
            mirrored: block.is_some_and(ProvenBlock::mirrored),
            faults: host.prover.attester_faults(),
        }
    };
    let body = Anchors { chains: app.desk.hosts.values().map(of).collect() };
    ([(header::CACHE_CONTROL, SHORT)], Json(body)).into_response()
}

pub(super) async fn proof(
    app: Extension<Arc<App>>,
    caller: Caller,
    Path((handle, account)): Path<(String, String)>,
) -> Result<Response, Failed> {
    app.charge_reader(&caller)?;
    let Some(grant) = grant(&handle, &account) else {
        return Ok(unproven(StatusCode::BAD_REQUEST, "Malformed", "a handle and an account, or `public`"));
    };
    let chain_id = Handle(grant.handle()).chain_id();
    let Some(host) = app.desk.hosts.get(&chain_id).cloned() else {
        return Ok(unproven(StatusCode::NOT_FOUND, "HostUnknown", &format!("chain {chain_id} is not served here")));
    };
    let standing = host.prover.standing();
    let Some(block) = standing.block else {
        return Ok(unproven(StatusCode::SERVICE_UNAVAILABLE, "HeaderUnavailable", &standing.why));
    };
    let shown = block.clone();
    let found = app.desk.on_disk(move |store| {
        let mirror = store.range(chain_id)?;
        Ok((block.path(&mirror, grant)?, mirror.place(&grant)?))
    });
    let (path, place) = found.await.map_err(DeskError::from)?;
    let number = shown.anchor().number();
    match (path, place) {
        (Some(path), _) => Ok(proven(&host, &shown, grant, path)),
        (None, Some((_, given))) if given > number => {
            let message = format!("granted in block {given}, the newest final one is {number}");
            Ok(unproven(StatusCode::ACCEPTED, "NotFinal", &message))
        }
        (None, None) if shown.mirrored() => {
            let message = format!("no {} grant of {handle} to {account} up to block {number}", grant.kind());
            Ok(unproven(StatusCode::NOT_FOUND, "GrantMissing", &message))
        }
        // The mirror is behind or wrong: health says which. Whether it is granted cannot be told from it.
        _ => Ok(unproven(StatusCode::SERVICE_UNAVAILABLE, "MirrorBehind", "the grants are being read, try again")),
    }
}

fn grant(handle: &str, account: &str) -> Option<Grant> {
    let handle = handle.parse().ok()?;
    if account == PUBLIC {
        return Some(Grant::Public { handle });
    }
    Some(Grant::Persistent { handle, account: account.parse().ok()? })
}

fn proven(host: &Host, block: &ProvenBlock, grant: Grant, path: RangeProof) -> Response {
    let level = path.path.len();
    let peak = block.peaks().iter().find(|(of, _)| usize::from(*of) == level).map(|(_, hash)| *hash);
    let body = GrantProof {
        chain_id: host.chain.chain_id,
        acl: host.chain.contracts.acl,
        kind: match grant.kind() {
            GrantKind::Persistent => 1,
            GrantKind::Public => 2,
        },
        handle: grant.handle(),
        account: grant.subject(),
        index: path.index,
        path: path.path,
        level,
        // A checked path leads to a live peak of its own level.
        peak: peak.unwrap_or_default(),
        block: block.into(),
    };
    ([(header::CACHE_CONTROL, SHORT)], Json(body)).into_response()
}

fn unproven(status: StatusCode, code: &'static str, message: &str) -> Response {
    let body = Json(Unproven { code, message: message.to_owned() });
    match status {
        StatusCode::ACCEPTED | StatusCode::SERVICE_UNAVAILABLE => {
            (status, [(header::RETRY_AFTER, RETRY_AFTER)], body).into_response()
        }
        _ => (status, [(header::CACHE_CONTROL, SHORT)], body).into_response(),
    }
}
