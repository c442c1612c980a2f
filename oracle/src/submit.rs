//! Posts results on one host chain. The submitter of `tkms-eth` owns the nonces; this loop only knows what is due.

use crate::desk::Desk;
use crate::health::Health;
use crate::host::Host;
use crate::metrics;
use crate::record::{Answer, Delivery, OnChain, State};
use crate::store::{Store, StoreError};
use alloy_primitives::{B256, U256};
use alloy_sol_types::{SolCall, SolError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tkms_eth::LocalKey;
use tkms_eth::bindings::IDecryptionOracle::{RequestNotPending, fulfilCall};
use tkms_eth::submit::{
    Call, NonceStore, Outcome, PendingTx, StoreError as NonceError, SubmitConfig, SubmitError, Submitter,
};
use tokio::time::{Instant, sleep, timeout};

/// Longest wait for the bell of an answered request before everything else is looked at.
const TICK: Duration = Duration::from_millis(250);
/// Between two looks at transactions in flight: each costs a few calls to the endpoint.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks through everything undelivered, if nothing rings.
const SCAN: Duration = Duration::from_secs(5);
/// Undelivered requests looked at in one scan.
const SCAN_LIMIT: usize = 20_000;
/// First and longest pause before a fulfilment that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_LIMIT: Duration = Duration::from_secs(300);
/// Gas on top of the estimate: the callback may meet another state.
const SPARE_GAS: u64 = 50_000;

/// The submitter's table in our store.
struct Nonces {
    store: Arc<Store>,
    chain_id: u64,
}

impl NonceStore for Nonces {
    fn load(&self) -> Result<Vec<PendingTx>, NonceError> {
        Ok(self.store.transactions(self.chain_id)?)
    }

    fn save(&self, transaction: &PendingTx) -> Result<(), NonceError> {
        Ok(self.store.put_transaction(self.chain_id, transaction.nonce, Some(transaction))?)
    }

    fn remove(&self, nonce: u64) -> Result<(), NonceError> {
        Ok(self.store.put_transaction::<PendingTx>(self.chain_id, nonce, None)?)
    }
}

/// Delivers on one host chain.
pub struct Deliverer {
    desk: Arc<Desk>,
    host: Arc<Host>,
    health: Arc<Health>,
    part: String,
    /// What failed: when to try again, and the pause after that.
    failed: BTreeMap<U256, (Instant, Duration)>,
    /// When transactions in flight are looked at next.
    look: Instant,
}

/// Why one round of deliveries failed.
#[derive(Debug, thiserror::Error)]
enum DeliverError {
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Deliverer {
    /// Delivers what the desk has answered.
    #[must_use]
    pub fn new(desk: Arc<Desk>, host: Arc<Host>, health: Arc<Health>) -> Self {
        let part = format!("submit chain {}", host.chain.chain_id);
        Self { desk, host, health, part, failed: BTreeMap::new(), look: Instant::now() }
    }

    /// Delivers for ever. Only one may run for a key.
    pub async fn run(mut self, key: LocalKey, config: SubmitConfig) {
        let mut submitter = self.open(key.clone(), config).await;
        let mut scan = Instant::now();
        loop {
            let rung = timeout(TICK, self.host.answered.notified()).await.is_ok();
            if self.host.reorganised.swap(false, Ordering::AcqRel) {
                // It counted nonces on blocks that are gone; what is in flight it reads back.
                submitter = self.open(key.clone(), config).await;
            }
            let due = rung || Instant::now() >= scan;
            if due {
                scan = Instant::now() + SCAN;
            }
            match self.round(&mut submitter, due).await {
                Ok(()) => self.health.clear(&self.part),
                Err(error) => {
                    tracing::warn!(chain = self.host.chain.chain_id, %error, "delivering failed, trying again");
                    self.health.fail(&self.part, &error.to_string());
                    sleep(RETRY).await;
                    scan = Instant::now();
                }
            }
        }
    }

    async fn open(&self, key: LocalKey, config: SubmitConfig) -> Submitter<Nonces> {
        loop {
            let nonces = Nonces { store: self.desk.store.clone(), chain_id: self.host.chain.chain_id };
            match Submitter::open(self.host.rpc.clone(), key.clone(), nonces, config).await {
                Ok(submitter) => return submitter,
                Err(error) => {
                    tracing::warn!(chain = self.host.chain.chain_id, %error, "submitter cannot start, trying again");
                    self.health.fail(&self.part, &error.to_string());
                    sleep(RETRY).await;
                }
            }
        }
    }

    async fn round(&mut self, submitter: &mut Submitter<Nonces>, scan: bool) -> Result<(), DeliverError> {
        if Instant::now() >= self.look {
            self.look = Instant::now() + LOOK;
            for outcome in submitter.tick().await? {
                self.ended(outcome).await?;
            }
        }
        if !scan {
            return Ok(());
        }
        let chain_id = self.host.chain.chain_id;
        let undelivered = self.desk.on_disk(move |store| store.undelivered(chain_id, SCAN_LIMIT)).await?;
        let ids: std::collections::BTreeSet<U256> = undelivered.iter().map(|onchain| onchain.id).collect();
        self.failed.retain(|id, _| ids.contains(id));
        for onchain in undelivered {
            if self.failed.get(&onchain.id).is_some_and(|(again, _)| Instant::now() < *again) {
                continue;
            }
            let Some(call) = self.call(&onchain).await? else { continue };
            match submitter.submit(call).await {
                Ok(tkms_eth::submit::Submitted::AlreadyDone) => self.already_done(onchain.id).await?,
                Ok(sent) => tracing::debug!(id = %onchain.id, ?sent, "fulfilment"),
                // The rest waits for its turn.
                Err(SubmitError::Busy(_)) => return Ok(()),
                // About this one only: another must not suffer.
                Err(error @ (SubmitError::Reverts { .. } | SubmitError::GasTooHigh { .. })) => {
                    tracing::warn!(id = %onchain.id, %error, "fulfilment would fail");
                    self.put_off(onchain.id);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The transaction for a request, if it is answered.
    async fn call(&self, onchain: &OnChain) -> Result<Option<Call>, StoreError> {
        let Some(request) = onchain.request else { return Ok(None) };
        let record = self.desk.on_disk(move |store| store.request(request)).await?;
        let Some(record) = record.filter(|record| record.state == State::Done) else { return Ok(None) };
        let Some(Answer::Public(answer)) = record.answer else { return Ok(None) };
        let proof = answer.proof();
        let call = fulfilCall { requestId: onchain.id, cleartexts: answer.words, decryptionProof: proof };
        Ok(Some(Call {
            id: B256::from(onchain.id),
            to: self.host.chain.contracts.decryption_oracle,
            data: call.abi_encode().into(),
            min_gas: SPARE_GAS,
            done_error: Some(RequestNotPending::SELECTOR),
        }))
    }

    async fn ended(&mut self, outcome: Outcome) -> Result<(), StoreError> {
        match outcome {
            Outcome::Confirmed { id, hash, block, .. } => {
                tracing::info!(id = %U256::from_be_bytes(id.0), transaction = %hash, block, "fulfilled");
                metrics::delivered("confirmed");
                self.fulfilled(id.into(), Some(hash), Some(block)).await
            }
            Outcome::AlreadyDone { id } => self.already_done(id.into()).await,
            Outcome::Reverted { id, hash } => {
                tracing::warn!(id = %U256::from_be_bytes(id.0), transaction = %hash, "fulfilment reverted");
                metrics::delivered("reverted");
                self.put_off(id.into());
                Ok(())
            }
            // Somebody else uses the key. The next scan submits again.
            Outcome::NonceTaken { id } => {
                tracing::error!(id = %U256::from_be_bytes(id.0), "another program uses the oracle's key");
                metrics::delivered("nonce_taken");
                Ok(())
            }
        }
    }

    /// Anyone may fulfil; whoever did, it is done.
    async fn already_done(&self, id: U256) -> Result<(), StoreError> {
        metrics::delivered("already_done");
        self.fulfilled(id, None, None).await
    }

    async fn fulfilled(&self, id: U256, transaction: Option<B256>, block: Option<u64>) -> Result<(), StoreError> {
        let chain_id = self.host.chain.chain_id;
        let record = move |store: &Store| {
            // The watcher knows more if it was faster.
            let known = store.onchain(chain_id, id)?.is_none_or(|onchain| onchain.delivery != Delivery::Pending);
            let fulfilled = Delivery::Fulfilled { transaction, callback_ok: None, block };
            if known { Ok(()) } else { store.set_delivery(chain_id, id, &fulfilled) }
        };
        self.desk.on_disk(record).await
    }

    fn put_off(&mut self, id: U256) {
        let pause = self.failed.get(&id).map_or(RETRY, |(_, pause)| (*pause * 2).min(RETRY_LIMIT));
        self.failed.insert(id, (Instant::now() + pause, pause));
    }
}
