//! Preprocessing between real nodes: items of all nodes fit together, are taken once, survive restarts; an old store
//! gives nothing.

use crate::cluster::eventually;
use crate::common::bent::bent_stands;
use crate::common::cluster::{World, words};
use crate::common::{handle, public_ciphertext};
use alloy_primitives::U256;
use std::collections::BTreeSet;
use std::time::Duration;
use tkms_kms_node::rounds::Stand;
use tkms_kms_node::stock::{BITS, CHUNK_ITEMS, ExactItems, Preprocessing, Stock, TakeError, Trust};
use tkms_mpc::ring::Gr16;
use tkms_mpc::shamir::{Received, decode};
use tkms_types::{FheType, PartyId};

const BATCH: u32 = 1_000;
const PLAN: Preprocessing = Preprocessing {
    items: 2_000,
    batch_items: BATCH,
    round_ms: 1_000,
    setup_wait_ms: 30_000,
    absent_ms: 0,
    evict_silent: false,
};

fn world() -> World {
    let mut world = World::new(4);
    world.preprocess(PLAN);
    world
}

fn stock(world: &World, party: usize) -> Stock {
    world.node(party).stock().unwrap().clone()
}

/// Waits until every node has so many items, and names a batch that all have.
async fn common_batch(world: &World, items: u64) -> u64 {
    eventually(async || {
        let mut common: Option<Vec<u64>> = None;
        for party in 1..=4 {
            let batches = world.node(party).stock()?.batches().unwrap();
            if batches.iter().map(|(_, left)| u64::from(*left)).sum::<u64>() < items {
                return None;
            }
            let numbers: Vec<_> = batches.into_iter().map(|(number, _)| number).collect();
            common = Some(common.map_or(numbers.clone(), |c| c.into_iter().filter(|n| numbers.contains(n)).collect()));
        }
        common?.first().copied()
    })
    .await
}

/// Opens items of all parties: values of Σ 2ʲ·r_j and of the highest bit.
pub fn opened(items: &[ExactItems]) -> Vec<(u16, u16)> {
    let column = |part: usize| {
        let shares: Vec<Vec<Gr16>> =
            items.iter().map(|items| items.0.iter().map(|item| item[part]).collect()).collect();
        let received: Vec<_> = (1..)
            .zip(&shares)
            .map(|(party, shares)| Received { party: PartyId::new(party).unwrap(), shares })
            .collect();
        decode(&received, 1, items.len() - 3).unwrap().values
    };
    let word = |element: &Gr16| {
        assert_eq!(element.coefficients()[1..], [0, 0, 0], "in the base ring");
        element.coefficients()[0]
    };
    column(0).iter().zip(&column(1)).map(|(sum, top)| (word(sum), word(top))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn items_of_all_nodes_fit_together_and_are_taken_once() {
    let mut world = world();
    world.start(1..=4).await;
    let batch = common_batch(&world, 2_000).await;
    let range = 200..400;
    let mut items = Vec::new();
    for party in 1..=4 {
        items.push(stock(&world, party).take(batch, range.clone()).await.unwrap());
    }
    let values = opened(&items);
    assert!(values.iter().all(|(sum, top)| *sum < 1 << BITS && *top == sum >> (BITS - 1)), "ten bits, and the highest");
    let ones: u32 = values.iter().map(|(sum, _)| sum.count_ones()).sum();
    assert!((800..1200).contains(&ones), "{ones} of 2,000 bits are 1");

    let stock = stock(&world, 1);
    let left = |batches: Vec<(u64, u32)>| batches.into_iter().find(|(number, _)| *number == batch).unwrap().1;
    assert_eq!(left(stock.batches().unwrap()), BATCH - 200);
    for (range, first) in [(200..201, 200), (399..401, 399), (0..300, 200)] {
        match stock.take(batch, range).await {
            Err(TakeError::Taken { index, .. }) => assert_eq!(index, first),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(left(stock.batches().unwrap()), BATCH - 200, "a refused taking takes nothing");
    stock.take(batch, 0..200).await.unwrap();
    for range in [5..5, 999..1_001, 0..u32::MAX] {
        assert!(matches!(stock.take(batch, range).await, Err(TakeError::Range { items: BATCH, .. })));
    }
    assert!(matches!(stock.take(batch + 1_000, 0..1).await, Err(TakeError::NoBatch(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_taken_stays_taken_after_a_restart_and_the_rest_is_there() {
    let mut world = world();
    world.start(1..=4).await;
    let batch = common_batch(&world, 2_000).await;
    let chunk = CHUNK_ITEMS as u32;
    stock(&world, 2).take(batch, 0..chunk + 10).await.unwrap();
    world.stop(2).await;
    world.start([2]).await;
    let again = eventually(async || {
        let stock = world.node(2).stock()?.clone();
        (stock.trust() == Trust::Confirmed).then_some(stock)
    })
    .await;
    for index in [0, chunk - 1, chunk, chunk + 9] {
        assert!(matches!(again.take(batch, index..index + 1).await, Err(TakeError::Taken { .. })), "item {index}");
    }
    again.take(batch, chunk + 10..chunk + 20).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_restart_in_the_middle_of_batches_costs_batches_and_nothing_else() {
    let mut world = world();
    world.preprocess(Preprocessing { items: 20_000, ..PLAN });
    world.start(1..=4).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    world.stop(3).await;
    world.start([3]).await;
    let batch = common_batch(&world, 20_000).await;
    let mut items = Vec::new();
    for party in 1..=4 {
        items.push(stock(&world, party).take(batch, 0..100).await.unwrap());
    }
    assert!(opened(&items).iter().all(|(sum, _)| *sum < 1 << BITS));
}

/// Nobody has the file open any more.
async fn closed(file: &std::path::Path) {
    eventually(async || redb::Database::open(file).ok().map(drop)).await;
}

/// Stops the first node, lets it run again and take items, and puts back its store as it was before. Names the batch.
async fn put_back_an_old_store(world: &mut World) -> u64 {
    world.start(1..=4).await;
    let batch = common_batch(world, 2_000).await;
    world.stop(1).await;
    let file = world.config(1).data_dir.join("node.redb");
    closed(&file).await;
    let old = std::fs::read(&file).unwrap();
    world.start([1]).await;
    let fresh =
        eventually(async || world.node(1).stock().filter(|stock| stock.trust() == Trust::Confirmed).cloned()).await;
    fresh.take(batch, 0..50).await.unwrap();
    drop(fresh);
    // The peers hear of it
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.stop(1).await;
    closed(&file).await;
    std::fs::write(&file, old).unwrap();
    batch
}

/// Whatever the state of the first node is meanwhile, the items of its old copy are not given, and it knows why.
async fn gives_nothing_of_an_old_store_and_takes_part_again(world: &mut World, batch: u64, missing: Option<usize>) {
    let stock = eventually(async || world.node(1).stock().cloned()).await;
    for _ in 0..40 {
        match stock.take(batch, 0..50).await {
            Err(TakeError::Distrusted(_) | TakeError::NoBatch(_)) => {}
            other => panic!("an item was given twice: {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let trust = eventually(async || Some(stock.trust()).filter(|trust| *trust == Trust::Confirmed)).await;
    assert_eq!(trust, Trust::Confirmed, "re-synchronised");
    assert!(stock.batches().unwrap().iter().all(|(number, _)| *number != batch), "old batches are given up");
    world.start(missing).await;
    eventually(async || stock.batches().unwrap().iter().any(|(number, _)| *number > batch).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_old_store_is_recognised_by_its_peers_memory_and_gives_no_item() {
    let mut world = world();
    let batch = put_back_an_old_store(&mut world).await;
    world.start([1]).await;
    gives_nothing_of_an_old_store_and_takes_part_again(&mut world, batch, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_old_store_is_recognised_by_one_honest_peer_while_a_liar_hides_it_and_another_is_slow() {
    let mut world = world();
    let batch = put_back_an_old_store(&mut world).await;
    world.stop(3).await;
    world.stop(4).await;
    world.start_with(3, Some(bent_stands(|stand| Stand { yours: None, ..stand }))).await;
    world.start([1]).await;
    gives_nothing_of_an_old_store_and_takes_part_again(&mut world, batch, Some(4)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_every_node_no_batch_begins_and_the_node_stays_ready() {
    let mut world = world();
    world.start(1..=3).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    for party in 1..=3 {
        let info = world.info(party).await;
        assert_eq!(info.stock[0].items, 0);
        assert_eq!(info.stock[0].target, 2_000);
        assert!(info.ready, "{:?}", info.not_ready_reasons);
        assert_eq!(info.phase, "ready; preprocessing waits for every node");
    }
    world.start([4]).await;
    common_batch(&world, 2_000).await;
    let phase = eventually(async || Some(world.info(4).await.phase).filter(|phase| phase == "ready")).await;
    assert_eq!(phase, "ready");
}

fn numbers(world: &World, party: usize) -> BTreeSet<u64> {
    let batches = world.node(party).stock().map(|stock| stock.batches().unwrap()).unwrap_or_default();
    batches.into_iter().map(|(number, _)| number).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_of_four_fill_their_stock_without_the_dead_one_and_answer_and_take_it_back_when_it_comes() {
    let mut world = World::new(4).exact();
    world.preprocess(Preprocessing { absent_ms: 1_500, ..PLAN });
    world.start(1..=3).await;
    let has = async |world: &World, party: usize, items: u64| {
        eventually(async || world.node(party).stock().filter(|stock| stock.free() >= items).map(drop)).await;
    };
    for party in 1..=3 {
        has(&world, party, 2_000).await;
    }
    let three: Vec<_> = (1..=3).map(|party| numbers(&world, party)).collect();
    let common = three[0].iter().find(|number| three.iter().all(|list| list.contains(number))).copied().unwrap();
    let mut items = Vec::new();
    for party in 1..=3 {
        items.push(stock(&world, party).take(common, 900..1_000).await.unwrap());
    }
    assert!(opened(&items).iter().all(|(sum, top)| *sum < 1 << BITS && *top == sum >> (BITS - 1)));
    decrypts(&world, &[1, 2, 3], 61).await;
    // nobody holds anything against it: it gets its part of what is made from now on, and decrypts with the others
    world.start([4]).await;
    has(&world, 4, 1_000).await;
    let shared = numbers(&world, 4);
    assert!(shared.iter().all(|number| *number > common) && !shared.is_empty());
    eventually(async || (1..=3).all(|party| !numbers(&world, party).is_disjoint(&shared)).then_some(())).await;
    decrypts(&world, &[1, 2, 3, 4], 62).await;
    for party in 1..=4 {
        assert!(world.info(party).await.blamed.is_empty(), "absence is no fault");
    }
}

async fn decrypts(world: &World, parties: &[usize], value: u64) {
    let (handle, material) = public_ciphertext(world, handle(value as u8, FheType::Uint8), value).await;
    let (handles, materials) = ([handle], [material]);
    let ask = |party: &usize| world.ask_public(*party, &handles, &materials, Duration::from_secs(30));
    for reply in futures::future::join_all(parties.iter().map(ask)).await {
        assert_eq!(words(&reply), [U256::from(value)]);
    }
}
