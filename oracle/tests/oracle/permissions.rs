//! Proofs of permissions for anyone, over HTTP.

use crate::common::oracle::Setup;
use crate::common::{CONTRACT, address_of, alice, grants, handle};
use alloy::primitives::{Address, B256};
use merkle_acl::range::RangeProof;
use merkle_acl::{Grant, leaf_hash};
use serde_json::Value;
use tkms_types::FheType;

fn path(grant: &Grant) -> String {
    match grant {
        Grant::Public { handle } => format!("/v1/acl/proofs/{handle}/public"),
        Grant::Persistent { handle, account } => format!("/v1/acl/proofs/{handle}/{account}"),
    }
}

/// Setup whose mirror agrees with the newest final block.
async fn ready(setup: &Setup) -> Value {
    let mirrored = async || {
        let anchor = setup.json("/v1/acl/anchor").await.2["chains"][0].clone();
        (anchor["mirrored"] == true && anchor["block"]["number"] == setup.chain().head() - 2).then_some(anchor)
    };
    setup.wait("the mirror agrees", mirrored).await
}

fn verify(grant: &Grant, reply: &Value) {
    let path: Vec<B256> = serde_json::from_value(reply["path"].clone()).unwrap();
    let proof = RangeProof { index: reply["index"].as_u64().unwrap(), path };
    let peak: B256 = serde_json::from_value(reply["peak"].clone()).unwrap();
    proof.verify(leaf_hash(grant), reply["block"]["count"].as_u64().unwrap(), peak).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_grant_has_a_proof_that_verifies_against_the_final_block() {
    let setup = Setup::running().await;
    let anchor = ready(&setup).await;
    for grant in grants() {
        let response = setup.get(&path(&grant)).await.unwrap();
        assert_eq!(response.headers()["cache-control"], "public, max-age=2");
        let reply: Value = response.json().await.unwrap();
        verify(&grant, &reply);
        assert_eq!(reply["block"], anchor["block"]);
        assert_eq!(reply["kind"], grant.kind() as u8);
    }
    let metrics = setup.get("/metrics").await.unwrap().text().await.unwrap();
    for name in ["anchor_block", "anchor_age_seconds", "attesters_answering", "mirror_block", "mirror_grants"] {
        assert!(metrics.contains(&format!("tkms_oracle_{name}")), "{name}");
    }
    assert_eq!(anchor["attesters"].as_array().unwrap().len(), 3);
    assert_eq!(anchor["quorum"], 3);
    assert_eq!(anchor["block"]["hash"], setup.chain().hash(setup.chain().head() - 2).to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_granted_not_final_or_not_asked_rightly_has_a_typed_reason() {
    let setup = Setup::running().await;
    ready(&setup).await;
    let stranger = Grant::Persistent { handle: handle(1, FheType::Bool).0, account: Address::repeat_byte(0x33) };
    let unknown = Grant::Public { handle: handle(30, FheType::Bool).0 };
    let elsewhere = Grant::Public { handle: tkms_types::Handle::new(B256::repeat_byte(1), 0xff, 5, FheType::Bool).0 };
    for (grant, code) in [(stranger, "GrantMissing"), (unknown, "GrantMissing"), (elsewhere, "HostUnknown")] {
        let (status, _, reply) = setup.json(&path(&grant)).await;
        assert_eq!((status, reply["code"].as_str()), (404, Some(code)), "{reply}");
        assert_ne!(reply["message"], "");
    }
    for bad in ["/v1/acl/proofs/0x01/public", "/v1/acl/proofs/nothing/public"] {
        assert_eq!(setup.json(bad).await.0, 400, "{bad}");
    }
    let bad = format!("/v1/acl/proofs/{}/everybody", handle(1, FheType::Bool).0);
    assert_eq!(setup.json(&bad).await.0, 400);

    let fresh = Grant::Persistent { handle: handle(30, FheType::Bool).0, account: CONTRACT };
    setup.chain().grant(&[fresh]);
    let waits = async || {
        let (status, retry, reply) = setup.json(&path(&fresh)).await;
        (status == 202).then_some((retry, reply))
    };
    let (retry, reply) = setup.wait("the grant is seen", waits).await;
    assert_eq!((retry.as_deref(), reply["code"].as_str()), (Some("1"), Some("NotFinal")), "{reply}");
    setup.chain().settle();
    let proven = async || {
        let (status, _, reply) = setup.json(&path(&fresh)).await;
        (status == 200).then_some(reply)
    };
    verify(&fresh, &setup.wait("the grant is final", proven).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn mirror_is_right_again_after_a_restart_and_a_reorganisation() {
    let mut setup = Setup::running().await;
    ready(&setup).await;
    let grant = |number: u8| Grant::Public { handle: handle(number, FheType::Uint64).0 };
    setup.chain().grant(&[grant(40), grant(41), grant(42)]);
    let seen = async || (setup.json(&path(&grant(42))).await.0 == 202).then_some(());
    setup.wait("the grant is seen", seen).await;
    setup.stop().await;
    // While the oracle is away the branch is dropped; the new one has two of the grants, in another order.
    setup.chain().rewind(1);
    setup.chain().grant(&[grant(42), grant(40)]);
    setup.chain().settle();
    setup.start().await;
    ready(&setup).await;
    for number in [42, 40] {
        let (status, _, reply) = setup.json(&path(&grant(number))).await;
        assert_eq!(status, 200, "{reply}");
        verify(&grant(number), &reply);
    }
    assert_eq!(setup.json(&path(&grant(41))).await.0, 404);
    let own = Grant::Persistent { handle: handle(1, FheType::Bool).0, account: address_of(&alice()) };
    verify(&own, &setup.json(&path(&own)).await.2);
}
