//! What is handed in is mined once, through full blocks, lost pools, restarts and rivals.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::common::{Chain, DONE, ONCE, word_bytes};
use alloy::{
    primitives::{B256, U256},
    providers::{Provider, ext::AnvilApi},
};
use tkms_eth::submit::{
    Call, NonceStore, Outcome, PendingTx, StoreError, SubmitConfig, SubmitError, Submitted, Submitter,
};

/// A store that outlives its submitter and keeps JSON, as a file would.
#[derive(Clone, Default)]
struct Disk {
    rows: Arc<Mutex<BTreeMap<u64, String>>>,
    broken: Arc<AtomicBool>,
}

impl NonceStore for Disk {
    fn load(&self) -> Result<Vec<PendingTx>, StoreError> {
        Ok(self.rows.lock().unwrap().values().map(|row| serde_json::from_str(row).unwrap()).collect())
    }

    fn save(&self, transaction: &PendingTx) -> Result<(), StoreError> {
        if self.broken.load(Ordering::Relaxed) {
            return Err("disk full".into());
        }
        self.rows.lock().unwrap().insert(transaction.nonce, serde_json::to_string(transaction)?);
        Ok(())
    }

    fn remove(&self, nonce: u64) -> Result<(), StoreError> {
        self.rows.lock().unwrap().remove(&nonce);
        Ok(())
    }
}

fn call(word: u64) -> Call {
    Call { id: id(word), to: ONCE, data: word_bytes(word), min_gas: 0, done_error: Some(DONE) }
}

fn id(word: u64) -> B256 {
    U256::from(word).into()
}

async fn open(chain: &Chain, disk: &Disk) -> Submitter<Disk> {
    open_with(chain, disk, SubmitConfig::default()).await
}

async fn open_with(chain: &Chain, disk: &Disk, config: SubmitConfig) -> Submitter<Disk> {
    Submitter::open(chain.rpc.clone(), chain.key(3), disk.clone(), config).await.unwrap()
}

fn confirmed(outcomes: &[Outcome]) -> Vec<B256> {
    outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Confirmed { id, .. } => *id,
            other => panic!("{other:?}"),
        })
        .collect()
}

async fn is_set(chain: &Chain, word: u64) -> bool {
    chain.rpc.get_storage_at(ONCE, U256::from(word)).await.unwrap() == U256::ONE
}

#[tokio::test]
async fn fifty_calls_share_one_block() {
    let chain = Chain::quiet().await;
    let mut submitter = open(&chain, &Disk::default()).await;
    for word in 1..=50 {
        assert!(
            matches!(submitter.submit(call(word)).await.unwrap(), Submitted::Sent { nonce, .. } if nonce == word - 1)
        );
    }
    assert_eq!(submitter.tick().await.unwrap(), []);
    chain.mine(1).await;
    let outcomes = submitter.tick().await.unwrap();
    assert_eq!(confirmed(&outcomes), (1..=50).map(id).collect::<Vec<_>>());
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Confirmed { block: 1, .. })));
    assert!(is_set(&chain, 1).await && is_set(&chain, 50).await);
    assert_eq!(submitter.in_flight().count(), 0);
}

#[tokio::test]
async fn a_call_of_one_name_is_sent_once() {
    let chain = Chain::quiet().await;
    let mut submitter = open(&chain, &Disk::default()).await;
    submitter.submit(call(1)).await.unwrap();
    assert_eq!(submitter.submit(call(1)).await.unwrap(), Submitted::InFlight { nonce: 0 });
    assert_eq!(submitter.in_flight().count(), 1);
}

#[tokio::test]
async fn what_somebody_did_before_is_a_success_and_costs_nothing() {
    let chain = Chain::quiet().await;
    chain.send(0, ONCE, 1, 0).await;
    chain.mine(1).await;
    let mut submitter = open(&chain, &Disk::default()).await;
    assert_eq!(submitter.submit(call(1)).await.unwrap(), Submitted::AlreadyDone);
    assert_eq!(submitter.in_flight().count(), 0);
}

#[tokio::test]
async fn a_rival_in_the_same_block_is_a_success_too() {
    let chain = Chain::quiet().await;
    let mut submitter = open(&chain, &Disk::default()).await;
    submitter.submit(call(1)).await.unwrap();
    chain.send(0, ONCE, 1, 0).await; // pays more, so it comes first
    chain.mine(1).await;
    assert_eq!(submitter.tick().await.unwrap(), [Outcome::AlreadyDone { id: id(1) }]);
}

#[tokio::test]
async fn a_call_that_would_revert_is_not_sent() {
    let chain = Chain::quiet().await;
    chain.send(0, ONCE, 1, 0).await;
    chain.mine(1).await;
    let disk = Disk::default();
    let mut submitter = open(&chain, &disk).await;
    let refused = submitter.submit(Call { done_error: None, ..call(1) }).await;
    assert!(matches!(&refused, Err(SubmitError::Reverts { data, .. }) if data[..] == DONE), "{refused:?}");
    assert!(disk.load().unwrap().is_empty());
    // Its nonce was not spent.
    assert!(matches!(submitter.submit(call(2)).await.unwrap(), Submitted::Sent { nonce: 0, .. }));
}

#[tokio::test]
async fn a_transaction_that_reverts_in_its_block_is_named() {
    let chain = Chain::quiet().await;
    let mut submitter = open(&chain, &Disk::default()).await;
    submitter.submit(Call { done_error: None, ..call(1) }).await.unwrap();
    chain.send(0, ONCE, 1, 0).await;
    chain.mine(1).await;
    let outcomes = submitter.tick().await.unwrap();
    assert!(matches!(outcomes[..], [Outcome::Reverted { id: named, .. }] if named == id(1)), "{outcomes:?}");
}

#[tokio::test]
async fn a_restart_forgets_nothing_and_sends_nothing_twice() {
    let chain = Chain::quiet().await;
    let disk = Disk::default();
    let mut submitter = open(&chain, &disk).await;
    for word in 1..=5 {
        submitter.submit(call(word)).await.unwrap();
    }
    drop(submitter);
    let mut submitter = open(&chain, &disk).await;
    assert_eq!(submitter.in_flight().count(), 5);
    assert_eq!(submitter.submit(call(2)).await.unwrap(), Submitted::InFlight { nonce: 1 });
    assert!(matches!(submitter.submit(call(6)).await.unwrap(), Submitted::Sent { nonce: 5, .. }));
    assert_eq!(submitter.tick().await.unwrap(), []);
    chain.mine(1).await;
    assert_eq!(confirmed(&submitter.tick().await.unwrap()).len(), 6);
    let count = chain.rpc.get_transaction_count(chain.anvil.addresses()[3]).await.unwrap();
    assert_eq!(count, 6);
}

#[tokio::test]
async fn transactions_the_node_lost_are_sent_again() {
    let chain = Chain::quiet().await;
    let disk = Disk::default();
    let mut submitter = open(&chain, &disk).await;
    for word in 1..=3 {
        submitter.submit(call(word)).await.unwrap();
    }
    drop(submitter);
    chain.rpc.anvil_drop_all_transactions().await.unwrap();
    let mut submitter = open(&chain, &disk).await;
    assert!(matches!(submitter.submit(call(4)).await.unwrap(), Submitted::Sent { nonce: 3, .. }));
    submitter.tick().await.unwrap();
    chain.mine(1).await;
    assert_eq!(confirmed(&submitter.tick().await.unwrap()), (1..=4).map(id).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_transaction_that_waits_too_long_is_replaced_by_a_dearer_one() {
    let chain = Chain::quiet().await;
    let mut submitter = open(&chain, &Disk::default()).await;
    let Submitted::Sent { hash: first, .. } = submitter.submit(call(1)).await.unwrap() else { panic!("not sent") };
    for _ in 0..3 {
        assert_eq!(submitter.tick().await.unwrap(), []);
        chain.rpc.anvil_set_next_block_base_fee_per_gas(20_000_000_000).await.unwrap();
        chain.mine(1).await;
    }
    assert_eq!(submitter.tick().await.unwrap(), []);
    let attempts = submitter.in_flight().next().unwrap().attempts.clone();
    assert_eq!(attempts.len(), 2);
    assert!(attempts[1].1.max > 20_000_000_000 && attempts[1].1.tip > attempts[0].1.tip);
    chain.mine(1).await;
    let outcomes = submitter.tick().await.unwrap();
    assert!(
        matches!(outcomes[..], [Outcome::Confirmed { hash, .. }] if hash == attempts[1].0 && hash != first),
        "{outcomes:?}"
    );
}

#[tokio::test]
async fn fees_never_pass_the_bound() {
    let chain = Chain::quiet().await;
    let config = SubmitConfig { max_fee: 3_000_000_000, replace_after: 1, ..SubmitConfig::default() };
    let mut submitter = open_with(&chain, &Disk::default(), config).await;
    submitter.submit(call(1)).await.unwrap();
    for _ in 0..4 {
        chain.rpc.anvil_set_next_block_base_fee_per_gas(20_000_000_000).await.unwrap();
        chain.mine(1).await;
        submitter.tick().await.unwrap();
    }
    let waiting = submitter.in_flight().next().unwrap();
    assert!(waiting.attempts.iter().all(|(_, fees)| fees.max <= 3_000_000_000 && fees.tip <= fees.max));
}

#[tokio::test]
async fn a_call_above_the_gas_bound_is_refused() {
    let chain = Chain::quiet().await;
    let config = SubmitConfig { max_gas: 50_000, ..SubmitConfig::default() };
    let mut submitter = open_with(&chain, &Disk::default(), config).await;
    let refused = submitter.submit(call(1)).await;
    assert!(matches!(refused, Err(SubmitError::GasTooHigh { max: 50_000, .. })), "{refused:?}");
    assert_eq!(submitter.in_flight().count(), 0);
}

#[tokio::test]
async fn a_nonce_taken_by_somebody_else_is_reported_and_skipped() {
    let chain = Chain::quiet().await;
    let mut submitter = open(&chain, &Disk::default()).await;
    submitter.submit(call(1)).await.unwrap();
    chain.rpc.anvil_drop_all_transactions().await.unwrap();
    chain.send(3, ONCE, 9, 0).await;
    chain.send(3, ONCE, 10, 1).await;
    chain.mine(1).await;
    assert_eq!(submitter.tick().await.unwrap(), [Outcome::NonceTaken { id: id(1) }]);
    assert!(matches!(submitter.submit(call(1)).await.unwrap(), Submitted::Sent { nonce: 2, .. }));
    chain.mine(1).await;
    assert_eq!(confirmed(&submitter.tick().await.unwrap()), [id(1)]);
}

#[tokio::test]
async fn nothing_leaves_before_it_is_stored() {
    let chain = Chain::quiet().await;
    let disk = Disk::default();
    let mut submitter = open(&chain, &disk).await;
    disk.broken.store(true, Ordering::Relaxed);
    assert!(matches!(submitter.submit(call(1)).await, Err(SubmitError::Store(_))));
    chain.mine(1).await;
    assert!(!is_set(&chain, 1).await);
    assert_eq!(submitter.in_flight().count(), 0);
}

#[tokio::test]
async fn a_replacement_that_cannot_be_stored_does_not_leave() {
    let chain = Chain::quiet().await;
    let disk = Disk::default();
    let config = SubmitConfig { replace_after: 0, ..SubmitConfig::default() };
    let mut submitter = open_with(&chain, &disk, config).await;
    let Submitted::Sent { hash, .. } = submitter.submit(call(1)).await.unwrap() else { panic!("not sent") };
    disk.broken.store(true, Ordering::Relaxed);
    assert!(matches!(submitter.tick().await, Err(SubmitError::Store(_))));
    assert_eq!(submitter.in_flight().next().unwrap().attempts.len(), 1);
    chain.mine(1).await;
    let outcomes = submitter.tick().await.unwrap();
    assert!(matches!(outcomes[..], [Outcome::Confirmed { hash: mined, .. }] if mined == hash), "{outcomes:?}");
}

#[tokio::test]
async fn an_endpoint_that_died_leaves_nothing_half_done() {
    let chain = Chain::quiet().await;
    let disk = Disk::default();
    let mut submitter = open(&chain, &disk).await;
    submitter.submit(call(1)).await.unwrap();
    drop(chain.anvil);
    assert!(matches!(submitter.submit(call(2)).await, Err(SubmitError::Rpc(_))));
    assert!(matches!(submitter.tick().await, Err(SubmitError::Rpc(_))));
    assert_eq!(submitter.in_flight().count(), 1);
    assert_eq!(disk.load().unwrap().len(), 1);
}

#[tokio::test]
async fn a_transaction_counts_once_it_is_deep_enough() {
    let chain = Chain::quiet().await;
    let config = SubmitConfig { confirmations: 3, ..SubmitConfig::default() };
    let mut submitter = open_with(&chain, &Disk::default(), config).await;
    submitter.submit(call(1)).await.unwrap();
    for _ in 0..2 {
        chain.mine(1).await;
        assert_eq!(submitter.tick().await.unwrap(), []);
    }
    chain.mine(1).await;
    assert_eq!(confirmed(&submitter.tick().await.unwrap()), [id(1)]);
}
