//! Receivers that misbehave when the oracle calls them back.

use crate::devnet;
use alloy_primitives::U256;
use tkms_e2e::actors::{Actor, send};
use tkms_e2e::contracts::{DecryptionOracle, HostileReceiver};

const ACCEPT: u8 = 0;
const REVERT: u8 = 1;
const GAS_BOMB: u8 = 2;
const RETURN_BOMB: u8 = 3;
const REENTER_FULFIL: u8 = 5;
const CALLBACK_GAS: u32 = 200_000;

/// Has a hostile receiver ask for a value; what became of it.
async fn answer(alice: &Actor, mode: u8) -> (DecryptionOracle::DecryptionFulfilled, U256, u64, u64) {
    let receiver = alice.hostile(mode).await;
    let receipt = send(&alice.provider, receiver.ask(40 + u64::from(mode), CALLBACK_GAS).into_transaction_request()).await;
    let asked = receipt.logs().iter().filter_map(|log| {
        use alloy::sol_types::SolEvent;
        HostileReceiver::Asked::decode_log(&log.inner).ok()
    });
    let request = asked.map(|event| event.requestId).next().unwrap();
    let event = alice.fulfilled(request).await;
    let deliveries = receiver.deliveries().call().await.unwrap().to::<u64>();
    let entered = receiver.entered().call().await.unwrap().to::<u64>();
    if mode == REVERT {
        send(&alice.provider, receiver.setMode(ACCEPT).into_transaction_request()).await;
    }
    (event, request, deliveries, entered)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reverting_callback_leaves_the_result_pullable_once() {
    let devnet = devnet().await;
    let alice = Actor::new(&devnet, 1).await;
    let (event, request, deliveries, _) = answer(&alice, REVERT).await;
    assert!(!event.callbackOk && deliveries == 0);
    let oracle = DecryptionOracle::new(devnet.deployment.contracts.decryption_oracle, alice.provider.clone());
    let retry = || oracle.retryCallback(request, event.cleartexts.clone(), event.decryptionProof.clone());
    let receipt = send(&alice.provider, retry().into_transaction_request()).await;
    assert!(receipt.status());
    retry().call().await.expect_err("the second retry has nothing left to deliver");
    let fulfil = oracle.fulfil(request, event.cleartexts.clone(), event.decryptionProof.clone());
    fulfil.call().await.expect_err("a request is fulfilled once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gas_bomb_costs_its_own_gas_only() {
    let devnet = devnet().await;
    let alice = Actor::new(&devnet, 1).await;
    let (event, _, deliveries, _) = answer(&alice, GAS_BOMB).await;
    assert!(!event.callbackOk && deliveries == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn returned_data_is_not_copied() {
    let devnet = devnet().await;
    let alice = Actor::new(&devnet, 1).await;
    let (event, ..) = answer(&alice, RETURN_BOMB).await;
    assert_eq!(words_of(&event), [U256::from(40 + RETURN_BOMB)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_re_entering_callback_is_not_let_in() {
    let devnet = devnet().await;
    let alice = Actor::new(&devnet, 1).await;
    let (event, _, deliveries, entered) = answer(&alice, REENTER_FULFIL).await;
    assert!(event.callbackOk);
    assert_eq!((deliveries, entered), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_starved_fulfilment_is_refused_and_costs_the_request_nothing() {
    let devnet = devnet().await;
    let alice = Actor::new(&devnet, 1).await;
    let (event, ..) = answer(&alice, ACCEPT).await;
    // The same proof for a request that is still open: too little gas must revert, not deliver a failure.
    let receiver = alice.hostile(ACCEPT).await;
    let ask = receiver.ask(40 + u64::from(ACCEPT), 2_000_000).into_transaction_request();
    let receipt = send(&alice.provider, ask).await;
    assert!(receipt.status());
    let request = U256::from_be_bytes(receipt.logs().last().unwrap().topics()[1].0);
    let oracle = DecryptionOracle::new(devnet.deployment.contracts.decryption_oracle, alice.provider.clone());
    let starved = oracle.fulfil(request, event.cleartexts, event.decryptionProof).gas(400_000).call().await;
    starved.expect_err("the callback could be starved");
    assert!(alice.fulfilled(request).await.callbackOk);
}

fn words_of(event: &DecryptionOracle::DecryptionFulfilled) -> Vec<U256> {
    tkms_e2e::actors::words(&event.cleartexts)
}
