//! Mask keys made by the nodes themselves, over real TLS: with a dead node, a lying one, restarts at any time.

use crate::cluster::eventually;
use crate::common::bent::{bent_frames, bent_stands};
use crate::common::cluster::{World, words};
use crate::common::{handle, public_ciphertext};
use alloy_primitives::U256;
use std::collections::BTreeSet;
use std::time::Duration;
use tkms_kms_node::rounds::{Stage, Stand};
use tkms_kms_node::stock::Preprocessing;
use tkms_kms_node::transport::RoundFrame;
use tkms_types::{FheType, PartyId, SessionId};

const QUICK: Preprocessing = Preprocessing {
    items: 0,
    batch_items: 104_000,
    round_ms: 1_000,
    setup_wait_ms: 1_500,
    absent_ms: 0,
    evict_silent: false,
};

fn world() -> World {
    let mut world = World::without_masks(4);
    world.preprocess(QUICK);
    world
}

/// Mask keys of a node, as bytes.
fn masks(world: &World, party: usize) -> Option<(SessionId, Vec<u8>)> {
    let held = world.masks_on_disk(party)?;
    Some((held.session, held.keys.to_secret_bytes().to_vec()))
}

async fn all_hold(world: &World, parties: &[usize]) {
    eventually(async || parties.iter().all(|party| masks(world, *party).is_some()).then_some(())).await;
    let sessions: BTreeSet<_> = parties.iter().map(|party| masks(world, *party).unwrap().0.0).collect();
    assert_eq!(sessions.len(), 1, "keys of one setup");
}

/// A decryption is right only if the masks of 2t + 1 nodes fit together.
async fn decrypts(world: &World, parties: &[usize], value: u64) {
    let number = value as u8;
    let (handle, material) = public_ciphertext(world, handle(number, FheType::Uint8), value).await;
    let (handles, materials) = ([handle], [material]);
    let ask = |party: &usize| world.ask_public(*party, &handles, &materials, Duration::from_secs(20));
    for reply in futures::future::join_all(parties.iter().map(ask)).await {
        assert_eq!(words(&reply), [U256::from(value)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_nodes_make_keys_once_and_decrypt_with_them() {
    let mut world = world();
    world.start(1..=4).await;
    decrypts(&world, &[1, 2, 3, 4], 11).await;
    all_hold(&world, &[1, 2, 3, 4]).await;
    let before: Vec<_> = (1..=4).map(|party| masks(&world, party)).collect();
    for party in 1..=4 {
        assert!(world.info(party).await.blamed.is_empty());
        world.stop(party).await;
    }
    world.start(1..=4).await;
    decrypts(&world, &[1, 2, 3, 4], 12).await;
    let after: Vec<_> = (1..=4).map(|party| masks(&world, party)).collect();
    assert!(before == after, "a restart makes no new keys");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_alone_is_not_ready_and_says_that_it_waits_for_the_others() {
    let mut world = world();
    world.start(1..=2).await;
    let info = world.info(1).await;
    assert!(!info.ready);
    let reasons = info.not_ready_reasons.join("\n");
    assert!(reasons.contains("no mask keys yet; setup: waiting for the other nodes"), "{reasons}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(masks(&world, 1).is_none() && masks(&world, 2).is_none(), "two of four make no keys");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_nodes_make_keys_without_the_dead_one_which_gets_its_own_when_it_comes() {
    let mut world = world();
    world.start([1, 2, 4]).await;
    all_hold(&world, &[1, 2, 4]).await;
    decrypts(&world, &[1, 2, 4], 21).await;
    world.start([3]).await;
    all_hold(&world, &[1, 2, 3, 4]).await;
    decrypts(&world, &[1, 2, 3, 4], 22).await;
    for party in 1..=4 {
        assert!(world.info(party).await.blamed.is_empty(), "absence is no fault");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_restarts_in_the_middle_of_the_setup_has_keys_in_the_end() {
    let mut world = world();
    world.start(1..=4).await;
    // somewhere in its thirty rounds, or before, or after
    tokio::time::sleep(Duration::from_millis(120)).await;
    world.stop(2).await;
    world.start([2]).await;
    all_hold(&world, &[1, 2, 3, 4]).await;
    decrypts(&world, &[1, 2, 3, 4], 31).await;
}

/// Alters a frame: the node signs what it does not say.
fn garble(_: PartyId, frame: RoundFrame) -> Option<RoundFrame> {
    let mut bytes = frame.bytes.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    Some(RoundFrame { session: frame.session, bytes: bytes.into() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_garbles_its_frames_is_named_by_all_and_the_others_have_keys() {
    let mut world = world();
    // a frame that cannot be read is silence, and each of thirty rounds is waited for
    world.preprocess(Preprocessing { round_ms: 500, setup_wait_ms: 60_000, ..QUICK });
    world.start(1..=3).await;
    world.start_with(4, Some(bent_frames(garble))).await;
    all_hold(&world, &[1, 2, 3]).await;
    for party in 1..=3 {
        let blamed: BTreeSet<u32> = world.info(party).await.blamed.iter().map(|blame| blame.party).collect();
        assert_eq!(blamed, BTreeSet::from([4]), "party {party}");
    }
    decrypts(&world, &[1, 2, 3], 41).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keys_that_two_of_four_kept_through_a_crash_are_given_up_and_others_are_made() {
    let mut world = world();
    let lost = world.leave_pending(&[1, 2]);
    world.start(1..=4).await;
    all_hold(&world, &[1, 2, 3, 4]).await;
    assert_ne!(masks(&world, 1).unwrap().0, lost, "two cannot give the others their keys");
    decrypts(&world, &[1, 2, 3, 4], 71).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keys_that_three_of_four_kept_through_a_crash_come_into_force_and_the_fourth_gets_its_own() {
    let mut world = world();
    let kept = world.leave_pending(&[1, 2, 4]);
    world.start([1, 2, 4, 3]).await;
    all_hold(&world, &[1, 2, 3, 4]).await;
    assert_eq!(masks(&world, 3).unwrap().0, kept);
    decrypts(&world, &[1, 2, 3, 4], 72).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_liar_that_says_other_keys_are_in_force_keeps_nobody_from_new_ones() {
    let mut world = world();
    let lost = world.leave_pending(&[1, 2]);
    world.start(1..=3).await;
    let lies = |stand| Stand { stage: Stage::InForce, mask_keys: Some(SessionId([9; 32].into())), ..stand };
    world.start_with(4, Some(bent_stands(lies))).await;
    all_hold(&world, &[1, 2, 3]).await;
    assert_ne!(masks(&world, 1).unwrap().0, lost);
    decrypts(&world, &[1, 2, 3], 73).await;
}
