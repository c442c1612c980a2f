//! Evidence as anybody can collect it for a request to nodes: attestations from the attesters, proofs from a chain's endpoint.
//!
//! Every fact by its own slot, whatever stands there; an oracle shows grants by their paths, which are shorter.

use alloy_primitives::{B256, Bytes, keccak256};
use anyhow::{Context as _, Result, ensure};
use merkle_acl::pack::pack;
use merkle_acl::{AclLayout, Fact, slots_for};
use std::time::Duration;
use tkms_eth::Rpc;
use tkms_eth::proofs::state_proof;
use tkms_types::HostChain;
use tkms_wire::attestation::{JSON_BYTES, LATEST_PATH, PATH, SignedHeader};
use tkms_wire::evidence::{Attested, Evidence};
use url::Url;

/// Longest wait for one attester.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// What every attester that answers says of the newest block they all signed. A slower one is asked again by the caller.
///
/// # Errors
/// If no attester answers.
pub async fn attestations(attesters: &[Url]) -> Result<Vec<SignedHeader>> {
    let mut newest = Vec::new();
    for url in attesters {
        newest.extend(get(url, LATEST_PATH).await.ok());
    }
    let number = newest.iter().map(|signed| signed.number).min().context("no attester answers")?;
    let mut signed = Vec::new();
    for url in attesters {
        signed.extend(get(url, &format!("{PATH}{number}")).await.ok());
    }
    Ok(signed)
}

/// One answer of an attester.
///
/// # Errors
/// If it does not give one.
pub(crate) async fn get(attester: &Url, path: &str) -> Result<SignedHeader> {
    let client = reqwest::Client::builder().timeout(ANSWER_TIME).build()?;
    let mut answer = client.get(attester.join(path)?).send().await?.error_for_status()?;
    let mut json = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        json.extend_from_slice(&chunk);
        ensure!(json.len() <= JSON_BYTES, "{attester} answers with more than {JSON_BYTES} bytes");
    }
    Ok(SignedHeader::from_json(&json)?)
}

/// Evidence for facts under the block that these attestations name.
///
/// # Errors
/// If the endpoint does not know the block.
pub async fn under(rpc: &Rpc, host: &HostChain, signed: &[SignedHeader], facts: &[Fact]) -> Result<Evidence> {
    with_slots(rpc, host, signed, &slots_for(AclLayout::Range, facts)).await
}

/// The same for slots of the ACL.
///
/// # Errors
/// If the endpoint does not know the block.
pub async fn with_slots(rpc: &Rpc, host: &HostChain, signed: &[SignedHeader], slots: &[B256]) -> Result<Evidence> {
    let first = signed.first().context("no attestation")?;
    let proof = state_proof(rpc, first.hash, host.contracts.acl, slots).await?;
    let executor = state_proof(rpc, first.hash, host.contracts.executor, &[]).await?;
    let accounts = [(host.contracts.acl, &proof.account), (host.contracts.executor, &executor.account)];
    let accounts = accounts.map(|(account, nodes)| (keccak256(account), nodes.as_slice()));
    let slots: Vec<(B256, &[Bytes])> =
        proof.slots.iter().map(|(slot, nodes)| (keccak256(slot), nodes.as_slice())).collect();
    let attestations = signed.iter().map(SignedHeader::attestation).collect::<Result<_, _>>()?;
    Ok(Evidence {
        header: first.header.0.0.clone(),
        attested: Some(Attested { set: first.set, attestations }),
        accounts: pack(&accounts)?.into(),
        executor: true,
        storage: pack(&slots)?.into(),
        slots: proof.slots.iter().map(|(slot, _)| *slot).collect(),
        places: Vec::new(),
        hashes: Vec::new(),
        witness: None,
    })
}
