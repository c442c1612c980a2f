//! Many requests of many values at once under `exact`: every node answers every one of them, in bounded time.

use crate::common::cluster::{World, words};
use crate::common::{CHAIN_ID, public_request};
use alloy_primitives::{U256, keccak256};
use futures::future::join_all;
use std::time::{Duration, Instant};
use tkms_kms_node::request::Ask;
use tkms_kms_node::stock::Preprocessing;
use tkms_types::{FheType, Handle, PublicRequest};
use tkms_wire::kms::PublicDecryptRequest;
use tkms_wire::request::Call;

pub const PLAN: Preprocessing = Preprocessing {
    items: 52_000,
    batch_items: 52_000,
    round_ms: 20_000,
    setup_wait_ms: 30_000,
    absent_ms: 0,
    evict_silent: false,
};
const REQUESTS: u64 = 100;
pub const VALUES: u64 = 16;

/// A request, and the values it is for.
pub type Asked = (PublicDecryptRequest, Vec<U256>);

/// Requests with values that nobody has decrypted.
pub async fn requests(world: &World, count: u64) -> Vec<Asked> {
    let mut all = Vec::new();
    for request in 0..count {
        let mut of = Vec::new();
        for value in (0..VALUES).map(|place| request * VALUES + place) {
            let handle = Handle::new(keccak256(value.to_be_bytes()), Handle::COMPUTED, CHAIN_ID, FheType::Uint64);
            of.push((handle, world.ciphertext(handle, value).await, U256::from(value)));
            world.chain.grant(merkle_acl::Grant::Public { handle: handle.0 });
        }
        all.push(of);
    }
    world.chain.mine(3);
    let call = |of: Vec<(Handle, _, U256)>| {
        let handles: Vec<_> = of.iter().map(|(handle, ..)| *handle).collect();
        let call: Call<PublicRequest> = Call {
            request: public_request(&handles),
            materials: of
                .iter()
                .map(|(_, material, _): &(_, tkms_wire::material::Material, _)| material.clone())
                .collect(),
            evidence: Some(world.evidence(Ask::Public(public_request(&handles)))),
            finality: None,
            wait: Duration::from_secs(30),
            label: String::new(),
        };
        ((&call).into(), of.into_iter().map(|(.., value)| value).collect())
    };
    all.into_iter().map(call).collect()
}

/// Waits for the stock.
pub async fn full(world: &World) {
    crate::cluster::eventually(async || {
        let ready = |party: usize| world.node(party).stock().is_some_and(|stock| stock.free() >= PLAN.items.into());
        (1..=4).all(ready).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_requests_of_sixteen_values_at_once_are_answered_by_every_node() {
    let mut world = World::new(4).exact();
    world.preprocess(PLAN);
    world.start(1..=4).await;
    let all = requests(&world, REQUESTS + 1).await;
    let (first, all) = all.split_first().unwrap();
    full(&world).await;
    let mut clients = Vec::new();
    for party in 1..=4 {
        clients.push(world.client(party).await);
    }
    let ask = async |(request, values): &(PublicDecryptRequest, Vec<U256>)| {
        let asked = clients.iter().map(|client| {
            let mut client = client.clone();
            async move { client.public_decrypt(request.clone()).await.unwrap().into_inner() }
        });
        for reply in join_all(asked).await {
            assert_eq!(&words(&reply), values);
        }
    };
    // the block is new to the nodes: one request brings it, all others show it
    ask(first).await;
    let start = Instant::now();
    join_all(all.iter().map(ask)).await;
    println!("{:.0} values a second", (REQUESTS * VALUES) as f64 / start.elapsed().as_secs_f64());
    for party in 1..=4 {
        let info = world.info(party).await;
        assert_eq!(info.sessions_running, 0, "party {party}");
        assert!(info.blamed.is_empty());
    }
}
