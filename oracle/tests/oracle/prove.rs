//! Evidence when attesters or the endpoint lie, lag or die. Every node of these tests judges the evidence it is sent, and each
//! test fails if any of it did not hold.

use crate::common::attester::{FakeAttester, Word, attester_key};
use crate::common::host::Lie;
use crate::common::node::{Act, WORD};
use crate::common::oracle::Setup;
use crate::common::{address_of, alice, grants, handle, signed, unsigned_request};
use alloy::primitives::U256;
use merkle_acl::{Grant, keys};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tkms_oracle::store::Store;
use tkms_types::{AttesterSet, FheType, HeaderTrustKind};
use tkms_wire::kms::RefusalClass;
use tkms_wire::relayer::UserDecryptRequest;

const PUBLIC: &str = "/v2/public-decrypt";
const USER: &str = "/v2/user-decrypt";

fn public(numbers: &[u8]) -> Value {
    let handles: Vec<_> = numbers.iter().map(|number| handle(*number, FheType::Uint64).0).collect();
    json!({ "ciphertextHandles": handles, "extraData": "0x00" })
}

fn user(setup: &Setup) -> Value {
    serde_json::to_value(UserDecryptRequest::new(&signed(unsigned_request(), &setup.cluster))).unwrap()
}

async fn right(setup: &Setup, job: &str) {
    let (status, reply) = setup.outcome(PUBLIC, job).await;
    assert_eq!(status, 200, "{reply}");
    assert!(reply["result"]["decryptedValue"].as_str().unwrap().starts_with(&format!("{WORD:064x}")));
}

fn calls(setup: &Setup) -> usize {
    setup.nodes.iter().map(|node| node.calls.load(Ordering::Relaxed)).sum()
}

/// Nothing reaches a node for a while; the request waits.
async fn waits(setup: &Setup, job: &str) {
    let waiting = async || {
        let status = setup.status(job).await;
        (status["state"] == "waiting-finality" && status["detail"] != "").then_some(status)
    };
    let status = setup.wait("it waits and says why", waiting).await;
    assert!(!status.to_string().contains("127.0.0.1"), "and names nobody's address: {status}");
    let anchor = setup.json("/v1/acl/anchor").await.2;
    assert!(!anchor.to_string().contains("127.0.0.1"), "{anchor}");
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert_eq!(setup.status(job).await["state"], "waiting-finality");
    assert_eq!(calls(setup), 0);
}

/// Waits until health says this.
async fn alarmed(setup: &Setup, reason: &str) {
    let said = async || setup.json("/readyz").await.2["reasons"].to_string().contains(reason).then_some(());
    setup.wait(reason, said).await;
}

async fn faults(setup: &Setup) -> Vec<Value> {
    setup.json("/v1/acl/anchor").await.2["chains"][0]["faults"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_attester_of_four_may_lie_lag_or_die_and_liars_are_named() {
    let words = [
        (Word::Dead, None),
        (Word::Hangs, None),
        (Word::Lags(1), None),
        (Word::OtherBlock, Some("the quorum signed")),
        (Word::Stranger, Some("no signature of a member")),
        (Word::OtherHeader, Some("not the one that is signed")),
        (Word::Noise, Some("attestation")),
        (Word::Flood, Some("more than")),
        (Word::FarAhead, None),
    ];
    for (word, named) in words {
        let mut setup = Setup::new().await;
        setup.attesters[1].says(word);
        setup.start().await;
        let job = setup.job(PUBLIC, &public(&[1])).await;
        right(&setup, &job).await;
        let Some(named) = named else { continue };
        let said = async || {
            let faults = faults(&setup).await;
            faults.iter().any(|fault| fault["reason"].as_str().unwrap().contains(named)).then_some(faults)
        };
        let faults = setup.wait(&format!("{word:?} is named"), said).await;
        assert!(faults.iter().all(|fault| fault["attester"] == 2), "and nobody else: {faults:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_of_attesters_nothing_is_sent() {
    for word in [Word::Dead, Word::OtherBlock, Word::Stranger, Word::Hangs] {
        let mut setup = Setup::new().await;
        setup.attesters[0].says(word);
        setup.attesters[3].says(word);
        setup.start().await;
        let job = setup.job(PUBLIC, &public(&[1])).await;
        waits(&setup, &job).await;
        alarmed(&setup, "attesters").await;
        setup.attesters[3].says(Word::Honest);
        // What it signed for the block before is not forgiven: with two hashes at one height it counts for neither.
        setup.chain().mine(1);
        right(&setup, &job).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attesters_at_different_heights_are_asked_for_the_highest_they_share() {
    let mut setup = Setup::new().await;
    setup.attesters[0].says(Word::Lags(1));
    setup.attesters[1].says(Word::Lags(1));
    setup.chain().mine(2);
    setup.start().await;
    let job = setup.job(PUBLIC, &public(&[1])).await;
    right(&setup, &job).await;
    let anchor = setup.json("/v1/acl/anchor").await.2;
    assert_eq!(anchor["chains"][0]["block"]["number"], setup.chain().head() - 3, "{anchor}");
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_with_wrong_proofs_is_noticed_and_nothing_of_it_is_sent() {
    for (lie, reason) in [
        (Lie::Proof, "wrong"),
        (Lie::Count, "wrong"),
        (Lie::Dead, "the endpoint is down"),
        (Lie::Forgets, "missing trie node"),
    ] {
        let mut setup = Setup::new().await;
        setup.chain().mine(4);
        setup.attesters.iter().for_each(|attester| attester.says(Word::Lags(4)));
        if lie != Lie::Forgets {
            setup.attesters.iter().for_each(|attester| attester.says(Word::Honest));
        }
        setup.chain().lie(lie);
        setup.start().await;
        let job = setup.job(PUBLIC, &public(&[1])).await;
        waits(&setup, &job).await;
        alarmed(&setup, reason).await;
        setup.chain().lie(Lie::None);
        right(&setup, &job).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_that_turns_to_lying_after_the_block_is_ready_is_noticed_at_the_facts() {
    let setup = Setup::running().await;
    let ready = async || {
        let anchor = setup.json("/v1/acl/anchor").await.2;
        (anchor["chains"][0]["mirrored"] == true).then_some(())
    };
    setup.wait("the block is ready", ready).await;
    for lie in [Lie::Proof, Lie::Count] {
        setup.chain().lie(lie);
        let job = setup.job(USER, &user(&setup)).await;
        let noticed = async || {
            let status = setup.status(&job).await;
            status["detail"].as_str().unwrap().contains("is wrong").then_some(())
        };
        setup.wait("the lie is noticed", noticed).await;
        assert_eq!(calls(&setup), 0);
    }
    setup.chain().lie(Lie::None);
    let job = setup.job(USER, &user(&setup)).await;
    assert_eq!(setup.outcome(USER, &job).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn header_under_a_false_hash_is_named_and_does_not_matter() {
    let mut setup = Setup::new().await;
    setup.chain().lie(Lie::Header);
    setup.start().await;
    let job = setup.job(PUBLIC, &public(&[1])).await;
    // Headers come from attesters, grants by slot: the endpoint's headers only feed the mirror.
    right(&setup, &job).await;
    alarmed(&setup, "its header hashes to").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn log_that_hides_a_grant_is_noticed_and_grants_are_shown_by_their_slots() {
    let mut setup = Setup::new().await;
    setup.chain().lie(Lie::Log);
    setup.start().await;
    alarmed(&setup, &format!("its state proves {}", grants().len())).await;
    let job = setup.job(PUBLIC, &public(&[1, 5])).await;
    right(&setup, &job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_final_waits_over_a_restart_and_is_never_refused() {
    let mut setup = Setup::new().await;
    setup.chain().grant(&[Grant::Public { handle: handle(20, FheType::Uint64).0 }]);
    setup.start().await;
    let job = setup.job(PUBLIC, &public(&[20])).await;
    waits(&setup, &job).await;
    setup.stop().await;
    setup.start().await;
    // Longer than a grant that is missing at the head is waited for.
    tokio::time::sleep(Duration::from_secs(6)).await;
    waits(&setup, &job).await;
    let block = setup.chain().head();
    setup.chain().settle();
    right(&setup, &job).await;
    let anchors = setup.nodes[0].anchors.lock().unwrap().clone();
    assert!(anchors.iter().all(|anchor| *anchor >= block), "{anchors:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn request_whose_grant_a_reorganisation_takes_away_is_refused_and_one_that_comes_again_is_answered() {
    let setup = Setup::running().await;
    let grants = [20, 21].map(|number| Grant::Public { handle: handle(number, FheType::Uint64).0 });
    setup.chain().grant(&grants);
    let gone = setup.job(PUBLIC, &public(&[20])).await;
    let moved = setup.job(PUBLIC, &public(&[21])).await;
    waits(&setup, &gone).await;
    setup.chain().rewind(1);
    setup.chain().mine(1);
    setup.chain().grant(&grants[1..]);
    setup.chain().settle();
    right(&setup, &moved).await;
    let (status, reply) = setup.outcome(PUBLIC, &gone).await;
    assert_eq!((status, reply["error"]["label"].as_str()), (400, Some("not_allowed_on_host_acl")), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_on_another_branch_than_the_attesters_proves_nothing_and_is_named() {
    for checkpoint in [true, false] {
        let mut setup = Setup::new().await;
        // As many blocks and the same grants, by other hashes from the first or from a later block on.
        let other = setup.chain().fork(if checkpoint { 2 } else { 1 }).await;
        other.grant(&grants());
        other.settle();
        setup.rpc_url = other.url.to_string();
        setup.start().await;
        let job = setup.job(PUBLIC, &public(&[1])).await;
        waits(&setup, &job).await;
        alarmed(&setup, "no such block").await;
        if !checkpoint {
            alarmed(&setup, "the cluster file's checkpoint is").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_final_histories_halt_the_chain_until_an_operator_clears_it() {
    let mut setup = Setup::running().await;
    let job = setup.job(PUBLIC, &public(&[1])).await;
    right(&setup, &job).await;
    // Below what was final, and every grant is gone.
    setup.chain().rewind(4);
    setup.chain().mine(8);
    alarmed(&setup, "anchors in conflict").await;
    let before = calls(&setup);
    setup.chain().grant(&[Grant::Public { handle: handle(2, FheType::Uint64).0 }]);
    setup.chain().settle();
    let job = setup.job(PUBLIC, &public(&[2])).await;
    let waiting = async || (setup.status(&job).await["state"] == "waiting-finality").then_some(());
    setup.wait("it waits", waiting).await;
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert_eq!(calls(&setup), before);
    // The attesters are of one mind by now, and a restart changes nothing
    for _ in 0..2 {
        setup.stop().await;
        setup.start().await;
        alarmed(&setup, "halted: anchors in conflict").await;
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        assert_eq!(calls(&setup), before);
    }
    setup.stop().await;
    {
        let store = Store::open(&setup.dir.path().join("data").join(tkms_oracle::DATABASE)).unwrap();
        assert!(store.halt(31337).unwrap().unwrap().contains("anchors in conflict"));
        assert_eq!(store.halt(31338).unwrap(), None);
        assert!(!store.clear_halt(31338).unwrap());
        assert!(store.clear_halt(31337).unwrap());
        assert!(!store.clear_halt(31337).unwrap());
    }
    setup.start().await;
    right(&setup, &job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chains_whose_validators_seal_are_served_without_attesters() {
    let mut setup = Setup::new().await;
    let validators: Vec<_> = (1..=4).map(attester_key).collect();
    let mut members: Vec<_> = validators.iter().map(address_of).collect();
    members.sort_unstable();
    setup.change(|cluster| {
        cluster.chains[0].trust = HeaderTrustKind::Qbft;
        cluster.chains[0].attesters = AttesterSet { version: 1, quorum: 3, members };
    });
    setup.attesters.iter().for_each(|attester| attester.says(Word::Dead));
    // Sealed by too few: nothing to build on
    setup.chain().sealed_by(validators[..2].to_vec());
    setup.chain().mine(2);
    setup.start().await;
    let job = setup.job(PUBLIC, &public(&[1])).await;
    waits(&setup, &job).await;
    alarmed(&setup, "header").await;
    setup.chain().sealed_by(validators);
    setup.chain().mine(1);
    right(&setup, &job).await;
    let anchor = setup.json("/v1/acl/anchor").await.2;
    assert_eq!(anchor["chains"][0]["block"]["number"], setup.chain().head(), "a sealed block is final at once");
    // Two blocks at one height, each sealed by a quorum
    setup.chain().rewind(1);
    setup.chain().mine(1);
    alarmed(&setup, "anchors in conflict").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_while_the_acl_is_paused() {
    let setup = Setup::running().await;
    let count = U256::from(grants().len());
    setup.chain().set(keys::RANGE_NAMESPACE, count | U256::ONE << 64);
    setup.chain().settle();
    alarmed(&setup, "paused").await;
    let job = setup.job(PUBLIC, &public(&[1])).await;
    waits(&setup, &job).await;
    setup.chain().set(keys::RANGE_NAMESPACE, count);
    setup.chain().settle();
    right(&setup, &job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_account_is_refused_by_the_nodes_under_true_evidence() {
    let setup = Setup::running().await;
    setup.chain().set(keys::denied(address_of(&alice())), U256::ONE);
    setup.chain().settle();
    let newest = async || {
        let anchor = setup.json("/v1/acl/anchor").await.2;
        (anchor["chains"][0]["block"]["number"] == setup.chain().head() - 2).then_some(())
    };
    setup.wait("the denial is final", newest).await;
    let job = setup.job(USER, &user(&setup)).await;
    let (status, reply) = setup.outcome(USER, &job).await;
    assert_eq!((status, reply["error"]["label"].as_str()), (400, Some("not_allowed_on_host_acl")), "{reply}");
    assert!(calls(&setup) >= 2, "nodes said so");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_permissions_take_at_most_sixteen_kilobytes() {
    let setup = Setup::running().await;
    let mirrored = async || {
        let anchor = setup.json("/v1/acl/anchor").await.2;
        (anchor["chains"][0]["mirrored"] == true).then_some(())
    };
    setup.wait("paths can be made", mirrored).await;
    let handles: Vec<_> = (1..=5).flat_map(|n| [handle(n, FheType::Uint64).0, handle(n, FheType::Bool).0]).collect();
    let job = setup.job(PUBLIC, &json!({ "ciphertextHandles": handles, "extraData": "0x00" })).await;
    right(&setup, &job).await;
    let bytes = setup.nodes[0].evidence_bytes.load(Ordering::Relaxed);
    println!("evidence of ten permissions: {bytes} bytes");
    assert!(
        setup.nodes[0].paths.load(Ordering::Relaxed) >= 8,
        "all by path, but for those alone under one of many peaks"
    );
    assert!((1_000..=16_000).contains(&bytes), "{bytes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_under_one_block_share_its_proofs() {
    let setup = Setup::running().await;
    let job = setup.job(USER, &user(&setup)).await;
    assert_eq!(setup.outcome(USER, &job).await.0, 200);
    let before = setup.chain().calls("eth_getProof");
    for number in 1..=6 {
        let job = setup.job(PUBLIC, &public(&[number])).await;
        right(&setup, &job).await;
    }
    let again = signed(tkms_types::UserRequest { days: 11, ..unsigned_request() }, &setup.cluster);
    let job = setup.job(USER, &serde_json::to_value(UserDecryptRequest::new(&again)).unwrap()).await;
    assert_eq!(setup.outcome(USER, &job).await.0, 200);
    assert_eq!(setup.chain().calls("eth_getProof"), before, "all of it was known");
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_nodes_find_too_old_is_renewed_with_the_next_block() {
    let setup = Setup::running().await;
    setup.nodes.iter().for_each(|node| node.act(Act::Refuses(RefusalClass::Retry, "AnchorTooOld")));
    let job = setup.job(PUBLIC, &public(&[1])).await;
    let anchors = || setup.nodes[0].anchors.lock().unwrap().clone();
    setup.wait("nodes are asked", async || (!anchors().is_empty()).then_some(())).await;
    setup.chain().mine(1);
    setup.wait("newer evidence is sent", async || (anchors().first() < anchors().last()).then_some(())).await;
    setup.nodes.iter().for_each(|node| node.act(Act::Honest));
    right(&setup, &job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_no_renewal_makes_acceptable_ends_in_the_nodes_reason() {
    let setup = Setup::running().await;
    setup.nodes.iter().for_each(|node| node.act(Act::Refuses(RefusalClass::Retry, "AttesterSetUnknown")));
    let job = setup.job(PUBLIC, &public(&[1])).await;
    let over = async || {
        setup.chain().mine(1);
        tokio::time::sleep(Duration::from_millis(300)).await;
        let status = setup.status(&job).await;
        (status["state"] == "refused").then_some(status)
    };
    let status = setup.wait("it is refused", over).await;
    assert_eq!(status["refused"]["code"], "AttesterSetUnknown", "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn node_that_wants_the_executor_proven_gets_it() {
    let setup = Setup::running().await;
    setup.nodes[3].kill();
    let job = setup.job(PUBLIC, &public(&[1])).await;
    right(&setup, &job).await;
    // The fourth was away when the others were shown it; the third dies, so the fourth is needed.
    setup.nodes[3].start().await;
    setup.nodes[2].kill();
    let job = setup.job(PUBLIC, &public(&[2])).await;
    right(&setup, &job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chain_trusted_by_endpoints_needs_no_attester() {
    let mut setup = Setup::new().await;
    setup.change(|cluster| {
        cluster.chains[0].trust = HeaderTrustKind::Rpc;
        cluster.chains[0].attesters = AttesterSet { version: 1, quorum: 0, members: Vec::new() };
    });
    setup.start().await;
    let job = setup.job(PUBLIC, &public(&[1])).await;
    right(&setup, &job).await;
    let asked = |attester: &FakeAttester| attester.asked.load(Ordering::Relaxed);
    assert_eq!(setup.attesters.iter().map(asked).sum::<usize>(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn fewer_attesters_than_the_quorum_are_refused_at_the_start() {
    let mut setup = Setup::new().await;
    setup.attesters.truncate(2);
    let run = setup.run(std::future::pending()).await;
    assert!(matches!(run, Err(tkms_oracle::Error::TooFewAttesters { found: 2, quorum: 3, .. })), "{run:?}");
}
