//! The desk: every accepted request has one task that sees it through, over failures of everybody else and over
//! restarts of our own.

mod evidence;
mod work;

use crate::clock::unix_now;
use crate::host::Host;
use crate::metrics;
use crate::node::NodeLink;
use crate::record::{Ask, AskError, NodeStatus, Record, State};
use crate::store::{Need, Store, StoreError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tkms_types::{Cluster, ClusterError, RequestId};
use tokio::task::AbortHandle;

/// Bounds of the desk.
#[derive(Clone, Copy, Debug)]
pub struct DeskLimits {
    /// Requests over HTTP in work at once.
    pub web_active: usize,
    /// Requests kept on disk.
    pub records: u64,
    /// Seconds a request over HTTP is kept after its last change.
    pub keep_seconds: u64,
}

/// What a live request shows beyond what is on disk.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// Why it stands where it stands.
    pub detail: String,
    /// The nodes.
    pub nodes: Vec<NodeStatus>,
}

struct Active {
    abort: AbortHandle,
    live: Live,
}

/// The desk.
pub struct Desk {
    /// The cluster file.
    pub cluster: Arc<Cluster>,
    /// The state on disk.
    pub store: Arc<Store>,
    /// Host chains by id.
    pub hosts: BTreeMap<u64, Arc<Host>>,
    nodes: Vec<Arc<NodeLink>>,
    limits: DeskLimits,
    active: Mutex<BTreeMap<RequestId, Active>>,
}

/// Why a request is not taken.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// It names nothing we know.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// As much as we take is in work or kept.
    #[error("{count} requests are held, the limit is {limit}")]
    Full {
        /// How many.
        count: u64,
        /// The bound.
        limit: u64,
    },
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Not for a cluster file that was read.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl Desk {
    /// A desk with nothing on it; see [`Desk::resume`].
    #[must_use]
    pub fn new(
        cluster: Arc<Cluster>,
        store: Arc<Store>,
        hosts: BTreeMap<u64, Arc<Host>>,
        nodes: Vec<NodeLink>,
        limits: DeskLimits,
    ) -> Self {
        let nodes = nodes.into_iter().map(Arc::new).collect();
        Self { cluster, store, hosts, nodes, limits, active: Mutex::default() }
    }

    /// Takes up what a previous process left unfinished.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn resume(self: &Arc<Self>) -> Result<usize, StoreError> {
        let unfinished = self.on_disk(Store::unfinished).await?;
        for id in &unfinished {
            self.start(*id);
        }
        Ok(unfinished.len())
    }

    /// Takes a request over HTTP: new ones start, refused ones start again, answered ones stay answered.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn accept(self: &Arc<Self>, ask: Ask) -> Result<RequestId, DeskError> {
        let id = ask.id(&self.cluster)?;
        let expires = unix_now() + self.limits.keep_seconds;
        let again = ask.clone();
        let known = self
            .on_disk(move |store| {
                store.update_request(id, Need::Durable, |record| {
                    record.web = true;
                    record.expires = Some(expires);
                    match record.state {
                        State::Done => record.asked_again = record.asked_again.saturating_add(1),
                        // Never cached: the evidence may be better now, and the caller another one (trust-rules §5).
                        // Its signature may be another one too, which a smart account takes and the former not.
                        State::Refused(_) => (record.state, record.ask) = (State::WaitingCiphertext, again.clone()),
                        _ => {}
                    }
                })
            })
            .await?;
        let state = match known {
            Some(record) => record.state,
            None => {
                self.check_room().await?;
                let mut record = Record::new(ask, true, unix_now());
                record.expires = Some(expires);
                self.on_disk(move |store| store.put_request(id, &record)).await?;
                State::WaitingCiphertext
            }
        };
        if !state.is_final() {
            self.start(id);
        }
        Ok(id)
    }

    async fn check_room(&self) -> Result<(), DeskError> {
        let active = self.active().len();
        if active >= self.limits.web_active {
            return Err(DeskError::Full { count: active as u64, limit: self.limits.web_active as u64 });
        }
        let (count, limit) = (self.on_disk(Store::request_count).await?, self.limits.records);
        if count >= limit { Err(DeskError::Full { count, limit }) } else { Ok(()) }
    }

    /// Requests in work.
    #[must_use]
    pub fn active_count(&self) -> usize {
        self.active().len()
    }

    /// What a live request shows.
    #[must_use]
    pub fn live(&self, id: RequestId) -> Option<Live> {
        self.active().get(&id).map(|active| active.live.clone())
    }

    /// Ends the work on requests nobody waits for any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn drop_orphan(&self, id: RequestId) -> Result<(), StoreError> {
        if self.on_disk(move |store| store.drop_orphan(id)).await? {
            self.stop(id);
        }
        Ok(())
    }

    /// Ends the work on one request.
    pub fn stop(&self, id: RequestId) {
        let stopped = self.active().remove(&id);
        if let Some(active) = stopped {
            active.abort.abort();
        }
    }

    /// The task of a request is over.
    fn leave(&self, id: RequestId) {
        let mut active = self.active();
        active.remove(&id);
        metrics::active(active.len());
    }

    /// Ends all work; what is unfinished stays on disk.
    pub fn stop_all(&self) {
        for (_, active) in std::mem::take(&mut *self.active()) {
            active.abort.abort();
        }
    }

    /// Runs a piece of work on the store outside of the async threads.
    ///
    /// # Errors
    /// The work's own.
    pub async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || work(&store)).await.map_err(|_| StoreError::Stopped)?
    }

    fn active(&self) -> MutexGuard<'_, BTreeMap<RequestId, Active>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the task of a request unless it runs.
    pub fn start(self: &Arc<Self>, id: RequestId) {
        // Held while spawning: the task takes the same lock to remove itself, so it cannot be faster than the insertion.
        let mut active = self.active();
        if active.contains_key(&id) {
            return;
        }
        let desk = self.clone();
        let abort = tokio::spawn(async move { desk.see_through(id).await }).abort_handle();
        active.insert(id, Active { abort, live: Live::default() });
        metrics::active(active.len());
    }
}
