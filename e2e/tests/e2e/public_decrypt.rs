//! Public decryption: by callback to a contract, and fetched off chain.

use crate::devnet;
use alloy_primitives::{Address, U256};
use tkms_e2e::actors::Actor;
use tkms_e2e::nodes;

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_gets_back_what_it_encrypted_for_every_type() {
    let devnet = devnet().await;
    let alice = Actor::new(&devnet, 0).await;
    let account = Address::repeat_byte(0xa7);
    for call in [
        alice.probe.makeBool(true).into_transaction_request(),
        alice.probe.makeUint8(201).into_transaction_request(),
        alice.probe.makeUint64(u64::MAX - 5).into_transaction_request(),
        alice.probe.makeAddress(account).into_transaction_request(),
    ] {
        tkms_e2e::actors::send(&alice.provider, call).await;
    }
    let values = alice.decrypt((0..4).map(U256::from).collect()).await;
    assert_eq!(values, [U256::ONE, U256::from(201), U256::from(u64::MAX - 5), U256::from_be_slice(account.as_slice())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn computed_values_decrypt_to_what_plain_arithmetic_gives() {
    let devnet = devnet().await;
    let alice = Actor::new(&devnet, 0).await;
    let (a, b) = (0xfedc_ba98_7654_3210_u64, 0x0123_4567_89ab_cdef_u64);
    tkms_e2e::actors::send(&alice.provider, alice.probe.computeUint64(a, b).into_transaction_request()).await;
    let values = alice.decrypt((0..4).map(U256::from).collect()).await;
    let expected = [a.wrapping_add(b), a.wrapping_sub(b), u64::from(a < b), a.max(b)];
    assert_eq!(values, expected.map(U256::from));
}

#[tokio::test(flavor = "multi_thread")]
async fn bitwise_operations_and_casts_decrypt_to_what_plain_arithmetic_gives() {
    let devnet = devnet().await;
    let alice = Actor::new(&devnet, 0).await;
    let (a, b) = (0b1100_1010_u8, 0b1010_0110_u8);
    tkms_e2e::actors::send(&alice.provider, alice.probe.computeUint8(a, b).into_transaction_request()).await;
    let values = alice.decrypt((0..6).map(U256::from).collect()).await;
    let expected = [a & b, a | b, a ^ b, !a, a, u8::from(a != b)];
    assert_eq!(values, expected.map(U256::from));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounded_random_value_stays_below_its_bound() {
    let devnet = devnet().await;
    let alice = Actor::new(&devnet, 0).await;
    tkms_e2e::actors::send(&alice.provider, alice.probe.makeRandomUint64(16).into_transaction_request()).await;
    let values = alice.decrypt(vec![U256::ZERO]).await;
    assert!(values[0] < U256::from(16));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_ciphertext_asked_ten_times_is_computed_once() {
    let devnet = devnet().await;
    let alice = Actor::new(&devnet, 0).await;
    tkms_e2e::actors::send(&alice.provider, alice.probe.makeUint8(77).into_transaction_request()).await;
    assert_eq!(alice.decrypt(vec![U256::ZERO]).await, [U256::from(77)]);
    let before = nodes::computed(&devnet).await;
    let mut requests = Vec::new();
    for repeats in 2..=10 {
        // Each is another request (so many handles), each opens the same session: one masked value is all there ever is.
        requests.push((repeats, alice.ask(vec![U256::ZERO; repeats]).await));
    }
    for (repeats, request) in requests {
        let event = alice.fulfilled(request).await;
        assert_eq!(tkms_e2e::actors::words(&event.cleartexts), vec![U256::from(77); repeats]);
    }
    assert_eq!(nodes::computed(&devnet).await, before);
}
