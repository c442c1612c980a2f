//! Evidence as anybody can collect it, honest or not.

use crate::devnet::Devnet;
use merkle_acl::Fact;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tkms_eth::{DigestSigner as _, LocalKey};
use tkms_kms_node::policy::facts;
use tkms_kms_node::request::{Ask, Request};
use tkms_types::{HostChain, PublicRequest, UserRequest};
use tkms_wire::attestation::SignedHeader;
use tkms_wire::evidence::Evidence;
use tkms_wire::relayer::Hex;
use tkms_wire::request::Call;
use url::Url;

/// URLs of the devnet's attesters.
#[must_use]
pub fn attesters(devnet: &Devnet) -> Vec<Url> {
    devnet.deployment.attesters()
}

/// What all attesters say of the newest block they all signed.
pub async fn attestations(devnet: &Devnet) -> Vec<SignedHeader> {
    let (urls, start) = (attesters(devnet), Instant::now());
    loop {
        let signed = tkms::evidence::attestations(&urls).await.unwrap();
        if signed.len() == urls.len() {
            return signed;
        }
        assert!(start.elapsed().as_secs() < 30, "the attesters never agree on a block");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Puts the evidence beside a public request that shows what the chain's newest attested block says of it.
pub async fn prove_public(devnet: &Devnet, call: &mut Call<PublicRequest>) {
    let facts = facts_of(devnet, Ask::Public(call.request.clone()));
    call.evidence = Some(evidence_under(devnet, &attestations(devnet).await, &facts).await);
}

/// The same for a user's request.
pub async fn prove_user(devnet: &Devnet, call: &mut Call<UserRequest>) {
    let facts = facts_of(devnet, Ask::User(call.request.clone()));
    call.evidence = Some(evidence_under(devnet, &attestations(devnet).await, &facts).await);
}

/// What nodes want to see proven.
#[must_use]
pub fn facts_of(devnet: &Devnet, ask: Ask) -> Vec<Fact> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    facts(&Request { ask, materials: Vec::new(), evidence: None, finality: None }, host(devnet), now)
}

/// Evidence for facts under a block with these attestations.
pub async fn evidence_under(devnet: &Devnet, signed: &[SignedHeader], facts: &[Fact]) -> Evidence {
    let rpc = tkms_eth::connect(&devnet.deployment.host_rpc_url).unwrap();
    tkms::evidence::under(&rpc, host(devnet), signed, facts).await.unwrap()
}

/// A header signed with the key of one of the devnet's attesters, as a lying one would.
#[must_use]
pub fn sign(devnet: &Devnet, unsigned: &SignedHeader, number: u16) -> SignedHeader {
    let key = LocalKey::read(&devnet.keys().join(format!("attester-{number}.key"))).unwrap();
    let signed = SignedHeader { signer: key.address(), ..unsigned.clone() };
    let signature = key.sign_digest(&signed.digest(host(devnet))).unwrap();
    SignedHeader { signature: Hex(signature.to_vec().into()), ..signed }
}

/// The devnet's only host chain.
#[must_use]
pub fn host(devnet: &Devnet) -> &HostChain {
    &devnet.cluster.chains[0]
}
