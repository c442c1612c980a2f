//! Evidence as anybody can collect it, honest or not: attestations from the attesters, proofs from the chain's endpoint.

use crate::devnet::Devnet;
use merkle_acl::compact::pool;
use merkle_acl::{AclLayout, Fact, slots_for};
use std::time::{SystemTime, UNIX_EPOCH};
use tkms_eth::proofs::state_proof;
use tkms_kms_node::policy::facts;
use tkms_kms_node::request::{Ask, Request};
use tkms_types::{HostChain, PublicRequest, UserRequest};
use tkms_wire::attestation::{LATEST_PATH, PATH, SignedHeader};
use tkms_wire::evidence::{Attested, Evidence, SlotProof};
use tkms_wire::request::Call;
use url::Url;

/// URLs of the devnet's attesters.
#[must_use]
pub fn attesters(devnet: &Devnet) -> Vec<Url> {
    let services = devnet.deployment.services.iter();
    services.filter(|service| service.name.starts_with("attester-")).map(|service| service.url.clone()).collect()
}

/// What every attester that answers says of the newest block they all signed.
pub async fn attestations(devnet: &Devnet) -> Vec<SignedHeader> {
    let start = std::time::Instant::now();
    loop {
        let mut newest = Vec::new();
        for url in attesters(devnet) {
            newest.extend(get(&url, LATEST_PATH).await);
        }
        let number = newest.iter().map(|signed| signed.number).min().expect("an attester answers");
        let mut signed = Vec::new();
        for url in attesters(devnet) {
            signed.extend(get(&url, &format!("{PATH}{number}")).await);
        }
        if signed.len() == newest.len() {
            return signed;
        }
        assert!(start.elapsed().as_secs() < 30, "the attesters never agree on a block");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

async fn get(attester: &Url, path: &str) -> Option<SignedHeader> {
    let answer = reqwest::get(attester.join(path).unwrap()).await.ok()?;
    SignedHeader::from_json(&answer.bytes().await.ok()?).ok()
}

/// Puts the evidence beside a public request that an honest oracle would.
pub async fn prove_public(devnet: &Devnet, call: &mut Call<PublicRequest>) {
    let ask = Ask::Public(call.request.clone());
    call.evidence = Some(evidence(devnet, &facts_of(devnet, ask)).await);
}

/// The same for a user's request.
pub async fn prove_user(devnet: &Devnet, call: &mut Call<UserRequest>) {
    let ask = Ask::User(call.request.clone());
    call.evidence = Some(evidence(devnet, &facts_of(devnet, ask)).await);
}

/// What nodes want to see proven.
#[must_use]
pub fn facts_of(devnet: &Devnet, ask: Ask) -> Vec<Fact> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    facts(&Request { ask, materials: Vec::new() }, host(devnet), now)
}

/// Evidence under the newest attested block, every fact by its slot, whatever stands there.
pub async fn evidence(devnet: &Devnet, facts: &[Fact]) -> Evidence {
    evidence_under(devnet, &attestations(devnet).await, facts).await
}

/// The same under a block with these attestations.
pub async fn evidence_under(devnet: &Devnet, signed: &[SignedHeader], facts: &[Fact]) -> Evidence {
    let rpc = tkms_eth::connect(&devnet.deployment.host_rpc_url).unwrap();
    let first = &signed[0];
    let wanted = slots_for(AclLayout::Range, facts);
    let proof = state_proof(&rpc, first.hash, host(devnet).contracts.acl, &wanted).await.unwrap();
    let executor = state_proof(&rpc, first.hash, host(devnet).contracts.executor, &[]).await.unwrap();
    let accounts = [proof.account.as_slice(), executor.account.as_slice()];
    let pooled = pool(accounts.into_iter().chain(proof.slots.iter().map(|(_, nodes)| nodes.as_slice()))).unwrap();
    let mut places = pooled.proofs.into_iter();
    let (account, executor) = (places.next().unwrap(), places.next().unwrap());
    Evidence {
        header: first.header.0.clone().into(),
        attested: Some(Attested {
            set: first.set,
            attestations: signed.iter().map(|signed| signed.attestation().unwrap()).collect(),
        }),
        nodes: pooled.nodes.into_iter().map(|node| node.0).collect(),
        account,
        executor,
        slots: proof.slots.iter().zip(places).map(|((slot, _), nodes)| SlotProof { slot: *slot, nodes }).collect(),
        paths: Vec::new(),
        hashes: Vec::new(),
    }
}

/// The devnet's only host chain.
#[must_use]
pub fn host(devnet: &Devnet) -> &HostChain {
    &devnet.cluster.chains[0]
}
