//! Services killed in the middle of a request.

use crate::devnet;
use alloy_primitives::U256;
use std::time::Duration;
use tkms_e2e::actors::{Actor, send};

#[tokio::test(flavor = "multi_thread")]
async fn an_oracle_killed_after_the_request_answers_after_its_restart() {
    let mut devnet = devnet().await;
    let alice = Actor::new(&devnet, 4).await;
    let receipt = send(&alice.provider, alice.probe.makeRandomUint64(0).into_transaction_request()).await;
    let request = alice.ask(vec![Actor::made(&receipt)[0].0]).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    devnet.kill_service("oracle");
    devnet.restart_service("oracle");
    assert!(alice.fulfilled(request).await.callbackOk);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_made_while_the_oracle_was_dead_is_answered() {
    let mut devnet = devnet().await;
    let alice = Actor::new(&devnet, 4).await;
    devnet.kill_service("oracle");
    send(&alice.provider, alice.probe.makeUint8(19).into_transaction_request()).await;
    let request = alice.ask(vec![U256::ZERO]).await;
    devnet.restart_service("oracle");
    assert_eq!(tkms_e2e::actors::words(&alice.fulfilled(request).await.cleartexts), [U256::from(19)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coprocessor_killed_while_it_computes_goes_on_after_its_restart() {
    let mut devnet = devnet().await;
    let alice = Actor::new(&devnet, 4).await;
    send(&alice.provider, alice.probe.computeUint64(500, 41).into_transaction_request()).await;
    let request = alice.ask((0..4).map(U256::from).collect()).await;
    devnet.kill_service("coprocessor");
    devnet.restart_service("coprocessor");
    let event = alice.fulfilled(request).await;
    assert_eq!(tkms_e2e::actors::words(&event.cleartexts), [541, 459, 0, 500].map(U256::from));
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_requests_in_one_block_are_all_answered() {
    let devnet = devnet().await;
    let alice = Actor::new(&devnet, 4).await;
    send(&alice.provider, alice.probe.makeUint8(3).into_transaction_request()).await;
    // One ciphertext, so that the test is about transactions: each request is one of its own for the chain.
    let mut pending = Vec::new();
    for _ in 0..50 {
        pending.push(alice.probe.ask(vec![U256::ZERO], 200_000).send().await.unwrap());
    }
    let mut requests = Vec::new();
    for transaction in pending {
        requests.push(Actor::asked(&transaction.get_receipt().await.unwrap()));
    }
    for request in requests {
        assert!(alice.fulfilled(request).await.callbackOk);
    }
}
