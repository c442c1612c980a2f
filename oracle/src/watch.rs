//! Follows one host chain from where it left off: requests to the oracle contract, fulfilments by anyone, and handles
//! that became publicly decryptable. A pure fold over logs, and a thin loop around it.

use crate::clock::unix_now;
use crate::desk::Desk;
use crate::health::Health;
use crate::host::Host;
use crate::metrics;
use crate::record::{Ask, Delivery, OnChain, Record};
use crate::store::{ChainStep, Fulfilled, StoreError};
use alloy_primitives::{B256, U256};
use alloy_sol_types::SolEvent;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tkms_eth::bindings::IACL::AllowedForDecryption;
use tkms_eth::bindings::IDecryptionOracle::{DecryptionFulfilled, DecryptionRequested, State as OracleState};
use tkms_eth::bindings::IKMSVerifier;
use tkms_eth::events::{Batch, ChainLog, Cursor, EventsError, Follow, LogFilter, LogReader};
use tkms_eth::view;
use tkms_types::{Cluster, Handle, HostChain, PublicRequest, RequestId};
use tokio::sync::Semaphore;
use tokio::time::sleep;

/// Blocks asked for at once while catching up.
const BLOCKS_AT_ONCE: u64 = 2_000;
/// Pause after the endpoint failed.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// Requests in work beyond which no further events are read: they stay safely on the chain.
const ACTIVE_LIMIT: usize = 8_192;
/// Requests looked up on chain at start-up.
const RECONCILED: usize = 10_000;
/// Squashes asked for ahead of a request, at once; beyond that the request itself asks.
const AHEAD_AT_ONCE: usize = 64;

/// What a batch of logs amounts to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// For the store.
    pub step: ChainStep,
    /// Handles that will be decrypted sooner or later.
    pub published: Vec<Handle>,
}

/// The topics that matter.
#[must_use]
pub fn topics() -> Vec<B256> {
    vec![DecryptionRequested::SIGNATURE_HASH, DecryptionFulfilled::SIGNATURE_HASH, AllowedForDecryption::SIGNATURE_HASH]
}

/// Reads logs in their order. Logs of other contracts and logs that do not decode are nobody's requests.
#[must_use]
pub fn fold(cluster: &Cluster, chain: &HostChain, logs: &[ChainLog], now: u64) -> Seen {
    let mut seen = Seen::default();
    for log in logs {
        if log.content.address == chain.contracts.acl {
            if let Ok(event) = AllowedForDecryption::decode_log(&log.content) {
                seen.published.extend(event.data.handlesList.iter().map(|handle| Handle(*handle)));
            }
        } else if log.content.address == chain.contracts.decryption_oracle {
            if let Ok(event) = DecryptionRequested::decode_log(&log.content) {
                seen.step.added.push(requested(cluster, chain, event.data, (log.block.number, now)));
            } else if let Ok(event) = DecryptionFulfilled::decode_log(&log.content) {
                seen.step.fulfilled.push(Fulfilled {
                    id: event.data.requestId,
                    callback_ok: event.data.callbackOk,
                    transaction: log.transaction,
                    block: log.block.number,
                });
            }
        }
    }
    seen
}

fn requested(
    cluster: &Cluster,
    chain: &HostChain,
    event: DecryptionRequested,
    (block, now): (u64, u64),
) -> (OnChain, Option<Record>) {
    let handles = event.handles.into_iter().map(Handle).collect();
    let ask = Ask::Public(PublicRequest { handles, extra_data: event.extraData });
    let id = ask.id(cluster);
    let delivery = match &id {
        Ok(_) => Delivery::Pending,
        Err(error) => Delivery::Impossible { reason: error.to_string() },
    };
    let request = id.ok();
    let onchain = OnChain {
        chain_id: chain.chain_id,
        id: event.requestId,
        request,
        requester: event.requester,
        callback_gas: event.callbackGas,
        block,
        delivery,
    };
    (onchain, request.map(|_| Record::new(ask, false, now)))
}

/// The loop around [`fold`].
pub struct Watcher {
    desk: Arc<Desk>,
    host: Arc<Host>,
    health: Arc<Health>,
    reader: LogReader,
    ahead: Arc<Semaphore>,
    part: String,
}

/// Why one step of the watcher failed.
#[derive(Debug, thiserror::Error)]
enum WatchError {
    #[error(transparent)]
    Events(#[from] EventsError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cursor: {0}")]
    Cursor(#[from] serde_json::Error),
    #[error(transparent)]
    Rpc(#[from] tkms_eth::RpcError),
    #[error("the chain's KMSVerifier has other {0} than the cluster file")]
    OtherCommittee(&'static str),
}

impl Watcher {
    /// A watcher of one host chain, looking every `poll`.
    #[must_use]
    pub fn new(desk: Arc<Desk>, host: Arc<Host>, health: Arc<Health>, poll: Duration) -> Self {
        let contracts = vec![host.chain.contracts.acl, host.chain.contracts.decryption_oracle];
        let filter = LogFilter { contracts, topics: topics() };
        // Asking early costs nobody anything: nodes wait for finality themselves.
        let reader = LogReader::new(host.rpc.clone(), filter, Follow::Latest, BLOCKS_AT_ONCE, poll);
        let part = format!("watch chain {}", host.chain.chain_id);
        Self { desk, host, health, reader, ahead: Arc::new(Semaphore::new(AHEAD_AT_ONCE)), part }
    }

    /// Follows the chain for ever. Failures are waited out; nothing is skipped.
    pub async fn run(self) {
        self.health.fail(&self.part, "has not read the chain yet");
        while let Err(error) = self.reconcile().await {
            self.failed(&error).await;
        }
        loop {
            match self.next().await {
                Ok(()) => self.health.clear(&self.part),
                Err(error) => self.failed(&error).await,
            }
        }
    }

    async fn failed(&self, error: &WatchError) {
        tracing::warn!(chain = self.host.chain.chain_id, %error, "watching the chain failed, trying again");
        self.health.fail(&self.part, &error.to_string());
        sleep(FAILURE_PAUSE).await;
    }

    /// Nothing is posted that the chain's verifier would refuse.
    async fn compare(&self) -> Result<(), WatchError> {
        let (verifier, latest) = (self.host.chain.contracts.kms_verifier, Default::default());
        let signers = view(&self.host.rpc, verifier, &IKMSVerifier::getKmsSignersCall {}, latest).await?;
        let threshold = view(&self.host.rpc, verifier, &IKMSVerifier::getThresholdCall {}, latest).await?;
        let cluster = &self.desk.cluster;
        if !signers.iter().eq(cluster.committee.iter().map(|node| &node.signer)) {
            return Err(WatchError::OtherCommittee("signers"));
        }
        if threshold != U256::from(cluster.thresholds.quorum) {
            return Err(WatchError::OtherCommittee("a threshold"));
        }
        Ok(())
    }

    /// What was fulfilled while we were away need not wait for its event.
    async fn reconcile(&self) -> Result<(), WatchError> {
        self.compare().await?;
        let chain_id = self.host.chain.chain_id;
        let undelivered = self.desk.on_disk(move |store| store.undelivered(chain_id, RECONCILED)).await?;
        for onchain in undelivered {
            let state = self.host.request(onchain.id).await?.state;
            if matches!(state, OracleState::Done | OracleState::CallbackFailed) {
                let callback_ok = Some(matches!(state, OracleState::Done));
                let fulfilled = Delivery::Fulfilled { transaction: None, callback_ok, block: None };
                self.desk.on_disk(move |store| store.set_delivery(chain_id, onchain.id, &fulfilled)).await?;
            }
        }
        Ok(())
    }

    async fn cursor(&self) -> Result<Cursor, WatchError> {
        let chain_id = self.host.chain.chain_id;
        match self.desk.on_disk(move |store| store.cursor(chain_id)).await? {
            Some(bytes) => Ok(serde_json::from_slice(&bytes)?),
            None => Ok(self.reader.start_at(self.host.chain.checkpoint_number).await?),
        }
    }

    async fn next(&self) -> Result<(), WatchError> {
        while self.desk.active_count() >= ACTIVE_LIMIT {
            sleep(FAILURE_PAUSE).await;
        }
        let cursor = self.cursor().await?;
        match self.reader.next(&cursor).await {
            Ok(batch) => self.apply(batch).await,
            Err(EventsError::Reorged { from, cursor }) => self.undo(from, &cursor).await,
            Err(error) => Err(error.into()),
        }
    }

    async fn apply(&self, batch: Batch) -> Result<(), WatchError> {
        let chain = &self.host.chain;
        let mut seen = fold(&self.desk.cluster, chain, &batch.logs, unix_now());
        seen.step.cursor = serde_json::to_vec(&batch.cursor)?;
        let requests: Vec<RequestId> = seen.step.added.iter().filter_map(|(onchain, _)| onchain.request).collect();
        for (onchain, _) in &seen.step.added {
            tracing::info!(chain = chain.chain_id, id = %onchain.id, request = ?onchain.request, "requested on chain");
        }
        let (chain_id, step) = (chain.chain_id, seen.step);
        self.desk.on_disk(move |store| store.apply(chain_id, &step)).await?;
        for request in requests {
            // Answered long ago, perhaps: then only the delivery is new.
            self.desk.start(request);
        }
        self.host.answered.notify_one();
        self.squash_ahead(seen.published);
        metrics::watched(chain_id, batch.cursor.block.number);
        Ok(())
    }

    async fn undo(&self, from: u64, cursor: &Cursor) -> Result<(), WatchError> {
        let chain_id = self.host.chain.chain_id;
        tracing::warn!(chain = chain_id, from, "the chain reorganised");
        metrics::reorged(chain_id);
        let step = ChainStep { undone_from: Some(from), cursor: serde_json::to_vec(cursor)?, ..ChainStep::default() };
        for request in self.desk.on_disk(move |store| store.apply(chain_id, &step)).await? {
            self.desk.drop_orphan(request).await?;
        }
        self.host.reorganised.store(true, Ordering::Release);
        self.host.answered.notify_one();
        Ok(())
    }

    /// The squash takes as long as finality: ask for it now, so that the two overlap.
    fn squash_ahead(&self, handles: Vec<Handle>) {
        for handle in handles {
            let Ok(permit) = self.ahead.clone().try_acquire_owned() else { return };
            let host = self.host.clone();
            tokio::spawn(async move {
                drop(host.coprocessors.ask_material(handle).await);
                drop(permit);
            });
        }
    }
}
