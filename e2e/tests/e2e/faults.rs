//! Nodes that die and nodes that lie.

use crate::devnet;
use alloy_primitives::U256;
use std::time::Duration;
use tkms_e2e::actors::{Actor, send};
use tkms_e2e::{nodes, wait_until};

/// Long enough that an answer would have come, had there been a quorum.
const NO_ANSWER: Duration = Duration::from_secs(12);

/// A fresh value of the probe: random, so that nobody has decrypted its ciphertext before.
async fn fresh(alice: &Actor) -> U256 {
    let receipt = send(&alice.provider, alice.probe.makeRandomUint64(0).into_transaction_request()).await;
    Actor::made(&receipt)[0].0
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_node_dead_answers_arrive() {
    let mut devnet = devnet().await;
    let alice = Actor::new(&devnet, 3).await;
    devnet.kill_node(2);
    let index = fresh(&alice).await;
    alice.decrypt(vec![index]).await;
    devnet.restart_node(2);
    nodes::all_ready(&devnet).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_sends_random_shares_is_named_and_the_answer_is_right() {
    let mut devnet = devnet().await;
    let alice = Actor::new(&devnet, 3).await;
    devnet.kill_node(3);
    devnet.start_liar(3);
    nodes::all_ready(&devnet).await;
    send(&alice.provider, alice.probe.computeUint64(1_000_003, 77).into_transaction_request()).await;
    let values = alice.decrypt((0..4).map(U256::from).collect()).await;
    assert_eq!(values, [1_000_080, 999_926, 0, 1_000_003].map(U256::from));
    wait_until("every honest node names party 3 and nobody else", || async {
        let infos = nodes::infos(&devnet).await;
        let blamed = |info: &tkms_wire::kms::InfoReply| {
            !info.blamed.is_empty() && info.blamed.iter().all(|blame| blame.party == 3)
        };
        infos.iter().filter(|info| info.party != 3).all(blamed)
    })
    .await;
    devnet.kill_node(3);
    devnet.restart_node(3);
    nodes::all_ready(&devnet).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_two_nodes_dead_a_request_waits_and_completes_when_one_returns() {
    let mut devnet = devnet().await;
    let alice = Actor::new(&devnet, 3).await;
    devnet.kill_node(1);
    devnet.kill_node(4);
    let index = fresh(&alice).await;
    let request = alice.ask(vec![index]).await;
    assert!(alice.fulfilled_within(request, NO_ANSWER).await.is_none(), "two of four nodes gave an answer");
    devnet.restart_node(4);
    assert!(alice.fulfilled(request).await.callbackOk);
    devnet.restart_node(1);
    nodes::all_ready(&devnet).await;
}
