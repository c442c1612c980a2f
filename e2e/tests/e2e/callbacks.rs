//! Receivers that misbehave when the oracle calls them back.

use crate::devnet;
use alloy::sol_types::SolError as _;
use alloy_primitives::U256;
use tkms_e2e::actors::{Actor, send};
use tkms_e2e::contracts::{DecryptionOracle, HostileReceiver};
use tkms_e2e::nodes;
use tkms_types::Handle;

const ACCEPT: u8 = 0;
const REVERT: u8 = 1;
const GAS_BOMB: u8 = 2;
const RETURN_BOMB: u8 = 3;
const REENTER_FULFIL: u8 = 5;
const CALLBACK_GAS: u32 = 200_000;

/// Has a hostile receiver ask for a value; what became of it.
async fn answer(alice: &Actor, mode: u8) -> (DecryptionOracle::DecryptionFulfilled, U256, u64, u64) {
    let receiver = alice.hostile(mode).await;
    let receipt =
        send(&alice.provider, receiver.ask(40 + u64::from(mode), CALLBACK_GAS).into_transaction_request()).await;
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
    assert!(retry().call().await.is_err(), "the second retry has nothing left to deliver");
    let fulfil = oracle.fulfil(request, event.cleartexts.clone(), event.decryptionProof.clone());
    assert!(fulfil.call().await.is_err(), "a request is fulfilled once");
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
async fn without_an_oracle_anyone_may_fulfil_but_not_starve_the_callback() {
    let mut devnet = devnet().await;
    let alice = Actor::new(&devnet, 1).await;
    devnet.kill_service("oracle");
    send(&alice.provider, alice.probe.makeUint8(91).into_transaction_request()).await;
    let request = alice.ask(vec![U256::ZERO]).await;
    nodes::wait_until_attested(&devnet, &alice).await;
    let handle = Handle(alice.probe.made(U256::ZERO).call().await.unwrap());
    let oracle = DecryptionOracle::new(devnet.deployment.contracts.decryption_oracle, alice.provider.clone());
    let extra_data = oracle.getExtraData(request).call().await.unwrap();
    let (words, proof) = nodes::signed_plaintext(&devnet, handle, extra_data).await;

    let starved = oracle.fulfil(request, words.clone(), proof.clone()).gas(400_000).call().await;
    let reason = starved.err().and_then(|error| error.as_revert_data()).expect("a starving fulfilment was let through");
    assert_eq!(reason[..4], DecryptionOracle::GasTooLow::SELECTOR);
    let forged = oracle.fulfil(request, vec![7; 32].into(), proof.clone()).call().await;
    assert!(forged.is_err(), "a plaintext nobody signed was taken");
    let fulfil = oracle.fulfil(request, words, proof).gas(3_000_000);
    send(&alice.provider, fulfil.into_transaction_request()).await;
    assert_eq!(alice.probe.deliveries(request).call().await.unwrap(), U256::ONE);
    devnet.restart_service("oracle");
    // The restarted oracle finds the request done: the next one shows that it goes on.
    assert_eq!(alice.decrypt(vec![U256::ZERO]).await, [U256::from(91)]);
}

fn words_of(event: &DecryptionOracle::DecryptionFulfilled) -> Vec<U256> {
    tkms_e2e::actors::words(&event.cleartexts)
}
