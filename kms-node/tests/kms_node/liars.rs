//! Nodes that lie or fall silent inside the runs of the others: named at every honest node, convicted before third parties
//! where what they said is signed, and the others go on by the rules of `docs/protocol/preprocessing.md` and `sessions.md`.

use crate::cluster::eventually;
use crate::common::bent::{bent_frames, flooding};
use crate::common::cluster::{World, words};
use crate::common::{handle, public_ciphertext, signing_key};
use crate::stock::opened;
use alloy_primitives::{U256, hex};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;
use tkms_kms_node::exhibits::Kept;
use tkms_kms_node::rounds::CommitteeSeal;
use tkms_kms_node::stock::{BITS, Preprocessing};
use tkms_kms_node::transport::RoundFrame;
use tkms_mpc::exhibit::Exhibit;
use tkms_types::{Committee, FheType, PartyId};

const HONEST: [usize; 3] = [1, 2, 3];
const PLAN: Preprocessing = Preprocessing {
    items: 2_000,
    batch_items: 1_000,
    round_ms: 2_000,
    setup_wait_ms: 60_000,
    absent_ms: 0,
    evict_silent: false,
};
/// Short rounds: who is silent costs each of them.
const SHORT: Preprocessing = Preprocessing { round_ms: 400, ..PLAN };
/// Where a private frame has the tag of its message: after the round and the mark that nothing is signed.
const TAG: usize = 3;
const DEALING: u8 = 7;
const SHARES: u8 = 10;

/// The frame with one bit of its last element turned, if it is a private message of this kind.
fn flipped(frame: RoundFrame, tag: u8) -> RoundFrame {
    let mut bytes = frame.bytes.to_vec();
    if bytes.get(TAG - 1..=TAG) == Some(&[0, tag]) {
        *bytes.last_mut().unwrap() ^= 1;
    }
    RoundFrame { session: frame.session, bytes: bytes.into() }
}

fn lies_in_batches(_: PartyId, frame: RoundFrame) -> Option<RoundFrame> {
    Some(flipped(frame, SHARES))
}

/// Deals another polynomial to two of three.
fn deals_badly(to: PartyId, frame: RoundFrame) -> Option<RoundFrame> {
    Some(if to.number() <= 2 { flipped(frame, DEALING) } else { frame })
}

fn says_nothing(_: PartyId, _: RoundFrame) -> Option<RoundFrame> {
    None
}

/// Statements of all the others, which nobody signed: each of them has to be checked by whoever reads on.
fn floods(frame: RoundFrame, number: u32) -> Option<RoundFrame> {
    /// Round, mark that something is signed, signature, mask of whose statements follow.
    const PASSED_ON: usize = 3 + 64 + 2;
    let mut bytes = frame.bytes.to_vec();
    let signed = bytes.get(TAG - 1) == Some(&1);
    let count = bytes.get(PASSED_ON - 2).filter(|_| signed)?.count_ones() as usize;
    for statement in bytes.get_mut(PASSED_ON..)?.chunks_exact_mut(96).take(count) {
        statement[..4].copy_from_slice(&number.to_le_bytes());
    }
    (count > 0).then(|| RoundFrame { session: frame.session, bytes: bytes.into() })
}

async fn world_with_a_fourth(plan: Preprocessing, cheat: fn(PartyId, RoundFrame) -> Option<RoundFrame>) -> World {
    let mut world = World::new(4);
    world.preprocess(plan);
    world.start(HONEST).await;
    world.start_with(4, Some(bent_frames(cheat))).await;
    world
}

async fn blamed(world: &World, party: usize) -> BTreeSet<u32> {
    world.info(party).await.blamed.iter().map(|blame| blame.party).collect()
}

fn level(world: &World, party: usize) -> u64 {
    let batches = world.node(party).stock().map(|stock| stock.batches().unwrap()).unwrap_or_default();
    batches.iter().map(|(_, left)| u64::from(*left)).sum()
}

/// A batch that the three honest nodes have, once each of them has enough.
async fn common_batch(world: &World) -> u64 {
    eventually(async || {
        let numbers = |party: &usize| -> BTreeSet<u64> {
            let batches = world.node(*party).stock().map(|stock| stock.batches().unwrap()).unwrap_or_default();
            batches.into_iter().map(|(number, _)| number).collect()
        };
        let full = HONEST.iter().all(|party| level(world, *party) >= u64::from(PLAN.items));
        let [one, two, three] = HONEST.each_ref().map(numbers);
        full.then(|| one.into_iter().find(|number| two.contains(number) && three.contains(number)))?
    })
    .await
}

async fn decrypts(world: &World, value: u64) {
    let (handle, material) = public_ciphertext(world, handle(value as u8, FheType::Uint8), value).await;
    let reply = world.ask_public(1, &[handle], &[material], Duration::from_secs(20)).await;
    assert_eq!(words(&reply), [U256::from(value)]);
}

fn get(world: &World, party: usize, path: &str) -> String {
    let mut stream = TcpStream::connect(world.node(party).addresses().ops).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("200 OK"), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// What the operator of a node can hand over, read as a third party would: with the cluster file and nothing else.
fn convicted(world: &World, party: usize) -> Vec<(u64, String)> {
    let list: serde_json::Value = serde_json::from_str(&get(world, party, "/evidence")).unwrap();
    let reader = CommitteeSeal::new(signing_key(99), &world.cluster);
    let committee = Committee::new(4).unwrap();
    let row = |row: &serde_json::Value| {
        let exhibit = Exhibit::from_bytes(&hex::decode(row["bytes"].as_str().unwrap()).unwrap()).unwrap();
        let culprit = row["culprit"].as_u64().unwrap();
        let named = exhibit.convicted(committee, &reader);
        assert_eq!(named.iter().map(|party| u64::from(party.number())).collect::<Vec<_>>(), [culprit]);
        (culprit, row["what"].as_str().unwrap().to_owned())
    };
    list.as_array().unwrap().iter().map(row).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_liar_in_a_batch_is_named_by_all_convicted_by_its_keys_and_the_stock_fills_without_it() {
    let mut world = world_with_a_fourth(PLAN, lies_in_batches).await;
    let batch = common_batch(&world).await;
    for party in HONEST {
        assert_eq!(blamed(&world, party).await, BTreeSet::from([4]), "party {party}");
        let expected = (4, "another message than its keys make".to_owned());
        assert_eq!(convicted(&world, party), [expected], "party {party}");
    }
    // of the fourth no share was needed, and it takes none away: items of the three fit together
    let mut items = Vec::new();
    for party in HONEST {
        items.push(world.node(party).stock().unwrap().take(batch, 0..100).await.unwrap());
    }
    assert!(opened(&items).iter().all(|(sum, top)| *sum < 1 << BITS && *top == sum >> (BITS - 1)));
    decrypts(&world, 51).await;
    // evidence outlives the process that found it
    let kept = |world: &World| -> Vec<Kept> { world.node(2).health().background().exhibits().list().unwrap() };
    let before = kept(&world);
    world.stop(2).await;
    world.start([2]).await;
    assert_eq!(kept(&world), before);
    assert_eq!(convicted(&world, 2).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_floods_the_others_with_statements_of_nobody_is_named_and_stops_no_round() {
    let mut world = World::new(4);
    world.preprocess(Preprocessing { evict_silent: true, ..SHORT });
    world.start(HONEST).await;
    world.start_with(4, Some(flooding(floods))).await;
    common_batch(&world).await;
    for party in HONEST {
        assert_eq!(blamed(&world, party).await, BTreeSet::from([4]), "party {party}");
        assert_eq!(convicted(&world, party), [], "nobody signed for it");
    }
    decrypts(&world, 54).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_is_silent_in_batches_is_not_named_and_keeps_the_stock_empty_and_decryptions_go_on() {
    let world = world_with_a_fourth(SHORT, says_nothing).await;
    // the first batch is over, with every round waited for, and others have followed
    tokio::time::sleep(Duration::from_secs(12)).await;
    decrypts(&world, 52).await;
    for party in HONEST {
        assert_eq!(level(&world, party), 0, "party {party}: no batch was accepted");
        assert_eq!(blamed(&world, party).await, BTreeSet::new(), "silence proves nothing");
        assert_eq!(convicted(&world, party), []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_is_silent_in_batches_is_left_out_where_the_operators_chose_that() {
    let plan = Preprocessing { evict_silent: true, ..SHORT };
    let world = world_with_a_fourth(plan, says_nothing).await;
    let batch = common_batch(&world).await;
    let mut items = Vec::new();
    for party in HONEST {
        assert_eq!(blamed(&world, party).await, BTreeSet::new(), "left out, and not named all the same");
        items.push(world.node(party).stock().unwrap().take(batch, 0..100).await.unwrap());
    }
    assert!(opened(&items).iter().all(|(sum, _)| *sum < 1 << BITS));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bad_dealer_in_the_setup_is_named_and_convicted_and_the_others_have_keys() {
    let mut world = World::without_masks(4);
    world.preprocess(Preprocessing { items: 0, ..PLAN });
    world.start(HONEST).await;
    world.start_with(4, Some(bent_frames(deals_badly))).await;
    eventually(async || HONEST.iter().all(|party| world.masks_on_disk(*party).is_some()).then_some(())).await;
    for party in HONEST {
        assert_eq!(blamed(&world, party).await, BTreeSet::from([4]), "party {party}");
        assert_eq!(convicted(&world, party), [(4, "a bad dealing".to_owned())], "party {party}");
    }
    decrypts(&world, 53).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn honest_nodes_keep_no_evidence() {
    let mut world = World::new(4);
    world.preprocess(PLAN);
    world.start(1..=4).await;
    common_batch(&world).await;
    for party in 1..=4 {
        assert_eq!(convicted(&world, party), [], "party {party}");
    }
}
