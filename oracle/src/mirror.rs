//! A mirror of the ACL's grant range, made from the log alone and held to what is proven: every final block's count and peaks must be
//! the mirror's own. If they are not, it is made anew from the ACL's deployment; if that does not help, the endpoint's log is false.

use crate::health::Health;
use crate::host::Host;
use crate::metrics;
use crate::prove::block::ProvenBlock;
use crate::store::{Granted, RangeStep, Store, StoreError};
use alloy_primitives::{Address, B256};
use alloy_sol_types::SolEvent;
use merkle_acl::Grant;
use std::sync::Arc;
use std::time::Duration;
use tkms_eth::bindings::IACL::{Allowed, AllowedForDecryption};
use tkms_eth::events::{Batch, ChainLog, Cursor, EventsError, Follow, LogFilter, LogReader};
use tkms_eth::proofs::{ProofError, hash_by_number};
use tokio::time::{Instant, sleep};

/// Blocks asked for at once while catching up.
const BLOCKS_AT_ONCE: u64 = 2_000;
/// Pause after the endpoint failed.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// Between two attempts to make the mirror anew: it takes the whole log.
const REBUILD_PAUSE: Duration = Duration::from_secs(600);
/// Looks that must find the mirror wrong before it is made anew: the first may have met a reorganisation half way.
const MISMATCHES: u32 = 3;

/// Permanent grants in the order of the log. Other contracts' logs, and logs that do not decode, grant nothing.
#[must_use]
pub fn fold(acl: Address, logs: &[ChainLog]) -> Vec<Granted> {
    let mut granted = Vec::new();
    for log in logs.iter().filter(|log| log.content.address == acl) {
        let block = log.block.number;
        if let Ok(event) = Allowed::decode_log(&log.content) {
            let (handle, account) = (event.data.handle, event.data.account);
            granted.push(Granted { grant: Grant::Persistent { handle, account }, block });
        } else if let Ok(event) = AllowedForDecryption::decode_log(&log.content) {
            let grants = event.data.handlesList.iter().map(|handle| Grant::Public { handle: *handle });
            granted.extend(grants.map(|grant| Granted { grant, block }));
        }
    }
    granted
}

/// The topics that matter.
#[must_use]
pub fn topics() -> Vec<B256> {
    vec![Allowed::SIGNATURE_HASH, AllowedForDecryption::SIGNATURE_HASH]
}

/// Why the mirror stands still.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The log.
    #[error(transparent)]
    Events(#[from] EventsError),
    /// A header.
    #[error(transparent)]
    Header(#[from] ProofError),
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cursor on disk.
    #[error("cursor: {0}")]
    Cursor(#[from] serde_json::Error),
    /// The endpoint serves another chain.
    #[error("the host endpoint has {found} as block {number}, the cluster file's checkpoint is {expected}")]
    OtherChain {
        /// The checkpoint's number.
        number: u64,
        /// The endpoint's hash.
        found: B256,
        /// The cluster file's.
        expected: B256,
    },
    /// The endpoint follows another branch than the attesters.
    #[error("the host endpoint has {found} as block {number}, the final one is {expected}")]
    OtherBranch {
        /// Number of the final block.
        number: u64,
        /// The endpoint's hash.
        found: B256,
        /// The attested one.
        expected: B256,
    },
    /// The log does not add up to the range.
    #[error(
        "the host endpoint's log gives {found} grants up to block {number}, its state proves {expected} or other ones"
    )]
    Mismatch {
        /// Number of the final block.
        number: u64,
        /// By the log.
        found: u64,
        /// By proof.
        expected: u64,
    },
}

/// Follows one chain's grants.
pub struct Mirror {
    host: Arc<Host>,
    store: Arc<Store>,
    health: Arc<Health>,
    reader: LogReader,
    poll: Duration,
    part: String,
    mismatches: u32,
    rebuilt: Option<Instant>,
}

impl Mirror {
    /// A mirror that goes on from what is on disk, looking every `poll`.
    #[must_use]
    pub fn new(host: Arc<Host>, store: Arc<Store>, health: Arc<Health>, poll: Duration) -> Self {
        let filter = LogFilter { contracts: vec![host.chain.contracts.acl], topics: topics() };
        let reader = LogReader::new(host.rpc.clone(), filter, Follow::Latest, BLOCKS_AT_ONCE, poll);
        let part = format!("grant range chain {}", host.chain.chain_id);
        Self { host, store, health, reader, poll, part, mismatches: 0, rebuilt: None }
    }

    /// Follows for ever. Failures are waited out; grants without a mirror are proven by their slots meanwhile.
    pub async fn run(mut self) {
        loop {
            match self.look().await {
                Ok(true) => {
                    self.health.clear(&self.part);
                    sleep(self.poll).await;
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(chain = self.host.chain.chain_id, %error, "the grant range is not mirrored");
                    self.health.fail(&self.part, &error.to_string());
                    sleep(FAILURE_PAUSE).await;
                }
            }
        }
    }

    /// One look at the log, and once all of it is read, at the newest final block. True: nothing more to read now.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub async fn look(&mut self) -> Result<bool, MirrorError> {
        let cursor = self.cursor().await?;
        let batch = match self.reader.poll(&cursor).await {
            Ok(batch) => batch,
            Err(EventsError::Reorged { from, cursor }) => {
                tracing::info!(chain = self.host.chain.chain_id, from, "grants of a dropped branch are taken back");
                self.apply(Some(from), Vec::new(), &cursor).await?;
                return Ok(false);
            }
            Err(EventsError::OtherChain { oldest }) => {
                // Farther back than the cursor remembers. The range itself will tell whether this is our chain.
                tracing::error!(
                    chain = self.host.chain.chain_id,
                    oldest,
                    "deep reorganisation: the mirror is made anew"
                );
                self.forget().await?;
                return Err(EventsError::OtherChain { oldest }.into());
            }
            Err(error) => return Err(error.into()),
        };
        let caught_up = batch.is_caught_up();
        if batch.cursor != cursor {
            let Batch { logs, cursor, .. } = batch;
            self.apply(None, fold(self.host.chain.contracts.acl, &logs), &cursor).await?;
        }
        if caught_up {
            self.check(batch.head.number).await?;
        }
        Ok(caught_up)
    }

    async fn cursor(&self) -> Result<Cursor, MirrorError> {
        let chain_id = self.host.chain.chain_id;
        if let Some(bytes) = self.on_disk(move |store| store.range_cursor(chain_id)).await? {
            return Ok(serde_json::from_slice(&bytes)?);
        }
        // What a rebuild left half forgotten.
        self.on_disk(move |store| store.forget_range(chain_id)).await?;
        let (number, expected) = (self.host.chain.checkpoint_number, self.host.chain.checkpoint_hash);
        let found = hash_by_number(&self.host.rpc, number.into()).await?;
        if found != expected {
            return Err(MirrorError::OtherChain { number, found, expected });
        }
        Ok(self.reader.start_at(number).await?)
    }

    async fn apply(&self, undone_from: Option<u64>, granted: Vec<Granted>, cursor: &Cursor) -> Result<(), MirrorError> {
        let (chain_id, block) = (self.host.chain.chain_id, cursor.block.number);
        let step = RangeStep { undone_from, granted, cursor: serde_json::to_vec(cursor)? };
        let count = self.on_disk(move |store| store.apply_range(chain_id, &step)).await?;
        metrics::mirrored(chain_id, block, count);
        Ok(())
    }

    /// Count and peaks as proven in the newest final block, once the mirror has come so far.
    async fn check(&mut self, head: u64) -> Result<(), MirrorError> {
        let Some(block) = self.host.prover.standing().block else { return Ok(()) };
        let number = block.anchor().number();
        if block.mirrored() || head < number {
            return Ok(());
        }
        let found = hash_by_number(&self.host.rpc, number.into()).await?;
        if found != block.anchor().hash() {
            return Err(MirrorError::OtherBranch { number, found, expected: block.anchor().hash() });
        }
        match self.compare(block).await? {
            None => {
                self.mismatches = 0;
                Ok(())
            }
            Some(mismatch) => self.mismatched(mismatch).await,
        }
    }

    async fn compare(&self, block: Arc<ProvenBlock>) -> Result<Option<MirrorError>, StoreError> {
        let chain_id = self.host.chain.chain_id;
        self.on_disk(move |store| {
            let (number, expected) = (block.anchor().number(), block.count());
            let mirror = store.range(chain_id)?;
            let found = mirror.count_at(number)?;
            if found == expected && mirror.peaks(expected)?.is_some_and(|peaks| peaks == block.peaks()) {
                block.set_mirrored();
                return Ok(None);
            }
            Ok(Some(MirrorError::Mismatch { number, found, expected }))
        })
        .await
    }

    async fn mismatched(&mut self, mismatch: MirrorError) -> Result<(), MirrorError> {
        self.mismatches = self.mismatches.saturating_add(1);
        if self.mismatches < MISMATCHES {
            tracing::debug!(chain = self.host.chain.chain_id, %mismatch, "looking again");
            return Ok(());
        }
        if self.rebuilt.is_none_or(|at| at.elapsed() > REBUILD_PAUSE) {
            tracing::error!(chain = self.host.chain.chain_id, %mismatch, "the mirror is made anew");
            metrics::mirror_rebuilt(self.host.chain.chain_id);
            (self.mismatches, self.rebuilt) = (0, Some(Instant::now()));
            self.forget().await?;
        }
        Err(mismatch)
    }

    async fn forget(&self) -> Result<(), StoreError> {
        let chain_id = self.host.chain.chain_id;
        self.on_disk(move |store| store.forget_range(chain_id)).await
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || work(&store)).await.map_err(|_| StoreError::Stopped)?
    }
}
