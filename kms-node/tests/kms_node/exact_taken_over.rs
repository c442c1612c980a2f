//! Sessions that a node missed under `exact`: it takes over the requests behind them, each once, in bounds of their own, and none of
//! those that are here already, however slow this node is with them.

use crate::cluster::{WAIT, ask, eventually, public};
use crate::common::bent::bent_and_asked;
use crate::common::cluster::{World, words};
use crate::exact::{await_stock, computed};
use crate::exact_load::{Asked, PLAN, VALUES, full, requests};
use alloy_primitives::U256;
use futures::future::join_all;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tkms_types::FheType;

const REQUESTS: u64 = 20;
/// Kind of the parts of a frame that carry masked shares.
const MASKED: u8 = 2;

/// Asks a node for all of them at once, and checks the answers.
async fn answered(world: &World, party: usize, all: &[Asked]) {
    let client = world.client(party).await;
    let asked = all.iter().map(|(request, _)| {
        let mut client = client.clone();
        async move { client.public_decrypt(request.clone()).await.unwrap().into_inner() }
    });
    for (reply, (_, values)) in join_all(asked).await.iter().zip(all) {
        assert_eq!(&words(reply), values, "party {party}");
    }
}

/// The first of them brings their block to all nodes, which take few new ones at once; the others.
async fn known<'a>(world: &World, all: &'a [Asked]) -> &'a [Asked] {
    let (first, rest) = all.split_at(1);
    join_all((1..=4).map(|party| answered(world, party, first))).await;
    rest
}

/// Every request has two records at this node, that of its beginning and that of its answer.
async fn answered_once(world: &World, party: usize) {
    assert_eq!(world.node(party).journal().verify().unwrap(), 2 * REQUESTS, "party {party}");
    assert_eq!(world.info(party).await.sessions_running, 0, "party {party}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_is_slow_with_its_requests_refuses_none_and_takes_none_of_them_over() {
    let mut world = World::new(4).exact();
    world.preprocess(PLAN);
    let taken = Arc::new(AtomicUsize::new(0));
    for party in 1..=3 {
        let taken = Arc::clone(&taken);
        let note = move || {
            taken.fetch_add(1, Ordering::Relaxed);
            false
        };
        world.start_with(party, Some(bent_and_asked(Some, note))).await;
    }
    // eight at once: four seconds for all
    world.start_with_slow_store(4, Duration::from_millis(100)).await;
    let all = requests(&world, REQUESTS).await;
    full(&world).await;
    let all = known(&world, &all).await;
    join_all((1..=4).map(|party| answered(&world, party, all))).await;
    for party in 1..=4 {
        answered_once(&world, party).await;
    }
    assert_eq!(taken.load(Ordering::Relaxed), 0, "it had all of them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_gets_requests_late_has_taken_each_of_them_over_once() {
    let mut world = World::new(4).exact();
    world.preprocess(PLAN);
    world.start(1..=4).await;
    let all = requests(&world, REQUESTS).await;
    full(&world).await;
    let all = known(&world, &all).await;
    join_all((1..=3).map(|party| answered(&world, party, all))).await;
    // nobody has asked it yet
    eventually(async || (computed(&world, 4).await >= VALUES * REQUESTS).then_some(())).await;
    answered(&world, 4, all).await;
    for party in 1..=4 {
        answered_once(&world, party).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_that_follow_an_answer_find_it_before_it_is_on_disk() {
    let mut world = World::new(4).exact();
    world.preprocess(PLAN);
    world.start(1..=4).await;
    let all = requests(&world, REQUESTS).await;
    full(&world).await;
    let all = known(&world, &all).await;
    // of the same values, in another order: another request
    let again = |(request, values): &Asked| {
        let (mut request, mut values) = (request.clone(), values.clone());
        request.handles.reverse();
        values.reverse();
        (request, values)
    };
    let both = async |party: usize, asked: &Asked| {
        answered(&world, party, std::slice::from_ref(asked)).await;
        answered(&world, party, &[again(asked)]).await;
    };
    let world = &world;
    join_all((1..=4).flat_map(|party| all.iter().map(move |asked| both(party, asked)))).await;
    for party in 1..=4 {
        assert_eq!(computed(world, party).await, VALUES * REQUESTS, "party {party}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_peer_that_invents_sessions_and_holds_back_requests_keeps_no_honest_one_from_being_taken_over() {
    let invent = |mut message: tkms_kms_node::transport::PeerMessage| {
        let mut body = message.body.to_vec();
        for number in 0..200u8 {
            // a masked share of attempt 1, one element
            let name = alloy_primitives::keccak256([&[number], &body[..body.len().min(64)]].concat());
            body.push(MASKED);
            body.extend(name);
            body.extend(1u32.to_le_bytes());
            body.push(1);
            body.extend([0; 8]);
        }
        message.body = body.into();
        Some(message)
    };
    let mut world = World::new(4).exact();
    world.preprocess(crate::exact::PLAN);
    world.start([1, 2, 4]).await;
    world.start_with(3, Some(bent_and_asked(invent, || true))).await;
    await_stock(&world).await;
    let decoy = public(&world, 1, FheType::Uint8, 1).await;
    let asked = join_all([1, 2, 3].map(|party| ask(&world, party, &decoy))).await;
    assert!(asked.iter().all(|reply| words(reply) == [U256::ONE]));
    // more than the liar's part has been invented by now, and waited for
    tokio::time::sleep(Duration::from_secs(3)).await;
    let started = std::time::Instant::now();
    let ciphertext = public(&world, 2, FheType::Uint8, 2).await;
    let replies = join_all([1, 2].map(|party| ask(&world, party, &ciphertext))).await;
    assert!(replies.iter().all(|reply| words(reply) == [U256::from(2)]));
    // by nobody's request but its peers'
    eventually(async || (computed(&world, 4).await == 2).then_some(())).await;
    assert!(started.elapsed() < WAIT / 2, "{:?}", started.elapsed());
}
