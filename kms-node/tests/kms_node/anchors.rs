//! Evidence at running nodes: what is refused blocks nobody else, what is accepted is remembered, what conflicts halts.

use crate::common::cluster::{World, code, words};
use crate::common::evidence::attest;
use crate::common::{handle, public_request};
use alloy_primitives::{B256, U256, keccak256};
use bytes::Bytes;
use merkle_acl::{Anchor, Grant};
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};
use prost::Message as _;
use std::collections::BTreeSet;
use std::time::Duration;
use tkms_kms_node::hosts::{clear_halt, halt_evidence};
use tkms_kms_node::request::Ask;
use tkms_kms_node::store::Store;
use tkms_types::{FheType, Handle, MinFinality};
use tkms_wire::evidence::Evidence;
use tkms_wire::kms;
use tkms_wire::material::Material;

const WAIT: Duration = Duration::from_secs(20);

/// A publicly decryptable ciphertext, final.
async fn public(world: &World, number: u8) -> (Handle, Material) {
    let handle = handle(number, FheType::Bool);
    let material = world.ciphertext(handle, 1).await;
    world.chain.grant(Grant::Public { handle: handle.0 });
    world.chain.mine(3);
    (handle, material)
}

fn evidence(world: &World, handle: Handle) -> Evidence {
    world.evidence(Ask::Public(public_request(&[handle])))
}

async fn ask(world: &World, asked: &(Handle, Material), evidence: Option<Evidence>) -> kms::Reply {
    world.ask_public_with(1, &[asked.0], std::slice::from_ref(&asked.1), evidence, WAIT).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn bad_evidence_sent_first_is_its_senders_trouble_alone() {
    let mut world = World::new(1);
    world.start([1]).await;
    let asked = public(&world, 1).await;
    let good = evidence(&world, asked.0);
    assert_eq!(code(&ask(&world, &asked, None).await), "EvidenceMissing");
    let mut two = good.clone();
    two.attested.as_mut().unwrap().attestations.pop();
    assert_eq!(code(&ask(&world, &asked, Some(two)).await), "HeaderUnattested");
    let mut cut = good.clone();
    cut.hashes.push(B256::ZERO);
    assert_eq!(code(&ask(&world, &asked, Some(cut)).await), "GrantProofInvalid");
    let status = world.info(1).await.hosts.remove(0);
    assert_eq!(status.trust, "attesters");
    assert_eq!(status.newest_number, world.chain.final_number() as u64, "the block was good, the path was not");
    assert_eq!(words(&ask(&world, &asked, Some(good)).await), [U256::ONE]);
    assert!(world.info(1).await.ready);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_has_seen_no_block_is_ready_and_says_so() {
    let mut world = World::new(1);
    world.start([1]).await;
    // Its mask keys it makes first
    let info = loop {
        let info = world.info(1).await;
        if !info.not_ready_reasons.iter().any(|reason| reason.contains("mask keys")) {
            break info;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(info.ready, "{:?}", info.not_ready_reasons);
    assert_eq!((info.hosts[0].newest_number, info.hosts[0].newest_time), (0, 0));
    let asked = public(&world, 1).await;
    assert_eq!(words(&ask(&world, &asked, Some(evidence(&world, asked.0))).await), [U256::ONE]);
    let newest = world.info(1).await.hosts[0].newest_time;
    world.stop(1).await;
    world.start([1]).await;
    assert_eq!(world.info(1).await.hosts[0].newest_time, newest, "the newest block survives a restart");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn blocks_new_to_the_node_are_bounded_and_a_known_one_costs_nothing() {
    let mut world = World::new(1);
    world.start([1]).await;
    let (one, two) = (public(&world, 1).await, public(&world, 2).await);
    let known = evidence(&world, one.0);
    let again = evidence(&world, two.0);
    assert_eq!(words(&ask(&world, &one, Some(known.clone())).await), [U256::ONE]);
    let forged = (1..60u8).map(|number| {
        let mut forged = known.clone();
        let mut header = forged.header.to_vec();
        let end = header.len() - 1;
        header[end] = number;
        forged.header = header.into();
        forged
    });
    let replies = futures::future::join_all(forged.map(|forged| ask(&world, &two, Some(forged)))).await;
    let codes: BTreeSet<String> = replies.iter().map(|reply| code(reply).to_owned()).collect();
    assert_eq!(codes, BTreeSet::from(["HeaderUnattested".to_owned(), "RateLimited".to_owned()]));
    assert_eq!(words(&ask(&world, &two, Some(again)).await), [U256::ONE]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_requests_that_show_one_new_block_at_once_are_all_answered() {
    let mut world = World::new(1);
    world.start([1]).await;
    let mut asked = Vec::new();
    for number in 0..100 {
        let handle = handle(number, FheType::Bool);
        asked.push((handle, world.ciphertext(handle, 1).await));
        world.chain.grant(Grant::Public { handle: handle.0 });
    }
    world.chain.mine(3);
    let shown: Vec<_> = asked.iter().map(|asked| (asked, evidence(&world, asked.0))).collect();
    let replies = shown.into_iter().map(|(asked, evidence)| ask(&world, asked, Some(evidence)));
    for reply in futures::future::join_all(replies).await {
        assert_eq!(words(&reply), [U256::ONE]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_permission_that_ages_out_while_the_request_waits_is_refused() {
    let mut world = World::new(1);
    world.start([1]).await;
    let asked = public(&world, 1).await;
    let path = Path::from(format!("{:x}", asked.1.digest));
    let bytes = world.store.get(&path).await.unwrap().bytes().await.unwrap();
    world.store.delete(&path).await.unwrap();
    let evidence = evidence(&world, asked.0);
    let waiting = ask(&world, &asked, Some(evidence));
    let late = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.pass(700);
        world.store.put(&path, PutPayload::from(bytes)).await.unwrap();
    };
    let (reply, ()) = tokio::join!(waiting, late);
    assert_eq!(code(&reply), "EvidenceStale");
    assert_eq!(world.info(1).await.sessions_computed, 0);
}

/// The attesters' word for another block of the same number: what t of them alone cannot give.
fn other_history(world: &World, good: &Evidence, number: u8) -> Evidence {
    let mut header = good.header.to_vec();
    let end = header.len() - 1;
    header[end] = number;
    let header = Bytes::from(header);
    let host = &world.cluster.chains[0];
    let mut other = good.clone();
    let attestations = (1..=3).map(|by| attest(host, &header, by, MinFinality::Finalized)).collect();
    other.attested.as_mut().unwrap().attestations = attestations;
    other.header = header;
    other
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_final_blocks_at_one_height_halt_the_host_with_both_until_an_operator_clears_it() {
    let mut world = World::new(1);
    world.start([1]).await;
    let (one, two) = (public(&world, 1).await, public(&world, 2).await);
    let first = evidence(&world, one.0);
    assert_eq!(words(&ask(&world, &one, Some(first.clone())).await), [U256::ONE]);
    let fork = other_history(&world, &evidence(&world, two.0), 7);
    // Two attesters are t and one: nobody halts for them
    let mut few = fork.clone();
    few.attested.as_mut().unwrap().attestations.pop();
    assert_eq!(code(&ask(&world, &two, Some(few)).await), "HeaderUnattested");
    assert_eq!(code(&ask(&world, &two, Some(fork.clone())).await), "AnchorConflict");
    let good = evidence(&world, two.0);
    assert_eq!(code(&ask(&world, &two, Some(good.clone())).await), "HostHalted", "also for the right history");
    world.stop(1).await;
    world.start([1]).await;
    assert_eq!(code(&ask(&world, &two, Some(good.clone())).await), "HostHalted");
    let info = world.info(1).await;
    assert!(info.not_ready_reasons.iter().any(|reason| reason.contains("halted")));
    assert!(info.hosts[0].halted.contains("block"));
    world.stop(1).await;

    let hash = |bytes: &[u8]| keccak256(kms::Evidence::decode(bytes).unwrap().header);
    {
        let store = Store::open(&world.config(1).data_dir.join("node.redb")).unwrap();
        let shown = halt_evidence(&store, 31337).unwrap().unwrap();
        assert_eq!((hash(&shown.before), hash(&shown.found)), (keccak256(&first.header), keccak256(&fork.header)));
        assert!(clear_halt(&store, 31337).await.unwrap());
        assert_eq!(halt_evidence(&store, 31337).unwrap(), None);
    }
    world.start([1]).await;
    assert_eq!(words(&ask(&world, &two, Some(good)).await), [U256::ONE]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_journal_names_the_block_and_how_each_fact_was_shown() {
    let mut world = World::new(1);
    world.start([1]).await;
    let asked = public(&world, 1).await;
    let good = evidence(&world, asked.0);
    let anchor = Anchor::from_header_rlp(&good.header).unwrap();
    assert_eq!(words(&ask(&world, &asked, Some(good)).await), [U256::ONE]);
    let records = world.node(1).journal().newest(10).unwrap();
    let started = records.iter().find(|record| record.contains("\"started\"")).unwrap();
    let record: serde_json::Value = serde_json::from_str(started).unwrap();
    assert_eq!(record["anchor"]["number"], anchor.number());
    assert_eq!(record["anchor"]["hash"], anchor.hash().to_string());
    assert_eq!((&record["anchor"]["class"], &record["facts"][0]["kind"]), (&1.into(), &2.into()));
}
