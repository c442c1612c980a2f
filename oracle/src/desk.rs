//! The desk: every accepted request has one task that sees it through, over failures of everybody else and over
//! restarts of our own.

use crate::clock::unix_now;
use crate::coprocessors::Look;
use crate::drive::{LONG_POLL, Round, STRAGGLERS};
use crate::host::Host;
use crate::metrics;
use crate::node::{NodeLink, Question};
use crate::record::{Answer, Ask, AskError, Blamed, Delivery, NodeStatus, Record, Refused, State};
use crate::store::{Need, Store, StoreError};
use crate::tally::{Outcome, Tally};
use futures::{StreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tkms_types::{Cluster, CommitteeError, RequestId};
use tkms_wire::material::Material;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

/// How long a permission may be missing at the head of the chain before the request is refused: our endpoint may lag
/// behind the caller's.
const GRANT_PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks for it.
const GRANT_PAUSE: Duration = Duration::from_millis(500);
/// Between two looks for material, at first.
const MATERIAL_PAUSE: Duration = Duration::from_millis(100);
/// How long pauses stay short: finality comes, and a large ciphertext is squashed, within it.
const EAGER: Duration = Duration::from_secs(20);
/// Longest pause of anything that is tried again.
const PAUSE_LIMIT: Duration = Duration::from_secs(5);
/// Pause before another round of questions, at first.
const EVIDENCE_PAUSE: Duration = Duration::from_millis(200);
/// Pause after nodes contradicted each other beyond repair: somebody has to look at it.
const DISAGREEMENT_PAUSE: Duration = Duration::from_secs(60);
/// Handles of one request asked for at once.
const MATERIALS_AT_ONCE: usize = 8;

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
    Committee(#[from] CommitteeError),
}

/// How one try ended.
enum Try {
    Final,
    Again(Duration),
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
        let known = self
            .on_disk(move |store| {
                store.update_request(id, Need::Durable, |record| {
                    record.web = true;
                    record.expires = Some(expires);
                    match record.state {
                        State::Done => record.asked_again = record.asked_again.saturating_add(1),
                        // Never cached: the evidence may be better now, and the caller another one (trust-rules §5).
                        State::Refused(_) => record.state = State::WaitingCiphertext,
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
        if let Some(active) = self.active().remove(&id) {
            active.abort.abort();
        }
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

    async fn see_through(self: Arc<Self>, id: RequestId) {
        let (start, mut pause) = (Instant::now(), EVIDENCE_PAUSE);
        loop {
            match self.try_once(id).await {
                Ok(Try::Final) => break,
                Ok(Try::Again(wanted)) => sleep(wanted.max(pause)).await,
                Err(error) => {
                    tracing::error!(request = %id, %error, "request cannot go on, trying again");
                    sleep(PAUSE_LIMIT).await;
                }
            }
            if start.elapsed() > EAGER {
                pause = (pause * 3 / 2).min(PAUSE_LIMIT);
            }
        }
        let mut active = self.active();
        active.remove(&id);
        metrics::active(active.len());
    }

    async fn try_once(&self, id: RequestId) -> Result<Try, DeskError> {
        let Some(record) = self.on_disk(move |store| store.request(id)).await? else { return Ok(Try::Final) };
        if record.state.is_final() {
            return Ok(Try::Final);
        }
        let chain_id = record.ask.host(&self.cluster)?.chain_id;
        let Some(host) = self.hosts.get(&chain_id).cloned() else {
            self.note(id, &format!("host chain {chain_id} is not configured here"));
            return Ok(Try::Again(PAUSE_LIMIT));
        };
        if self.on_disk(move |store| store.waiters(id)).await?.is_empty()
            && let Some(missing) = self.missing_grant(id, &host, &record.ask).await
        {
            self.refuse(id, &record, missing).await?;
            return Ok(Try::Final);
        }
        self.show(id, State::WaitingCiphertext).await?;
        let materials = self.materials(id, &host, &record.ask).await;
        self.ask_nodes(id, &host, record, materials).await
    }

    /// Nobody else pays for what the chain does not grant. Without an endpoint to ask, nodes decide alone.
    async fn missing_grant(&self, id: RequestId, host: &Host, ask: &Ask) -> Option<Refused> {
        let deadline = Instant::now() + GRANT_PATIENCE;
        loop {
            match host.missing_grant(ask).await {
                Ok(None) => return None,
                Ok(Some(missing)) if Instant::now() >= deadline => return Some(missing),
                Ok(Some(missing)) => self.note(id, &missing.message),
                Err(error) => {
                    tracing::warn!(request = %id, %error, "host endpoint cannot say whether this is granted");
                    return None;
                }
            }
            sleep(GRANT_PAUSE).await;
        }
    }

    /// Waits, however long, until every ciphertext is attested.
    async fn materials(&self, id: RequestId, host: &Host, ask: &Ask) -> Vec<Material> {
        let mut missing: BTreeSet<_> = ask.handles().into_iter().collect();
        let (start, mut pause, mut found) = (Instant::now(), MATERIAL_PAUSE, Vec::new());
        loop {
            let asked: Vec<_> = missing.iter().copied().collect();
            let look = |handle| async move { (handle, host.coprocessors.ask_material(handle).await) };
            let mut looks = stream::iter(asked.into_iter().map(look)).buffer_unordered(MATERIALS_AT_ONCE);
            while let Some((handle, look)) = looks.next().await {
                match look {
                    Look::Ready(material) => {
                        missing.remove(&handle);
                        found.push(*material);
                    }
                    Look::NotYet(why) => self.note(id, &format!("handle {handle}: {why}")),
                }
            }
            if missing.is_empty() {
                return found;
            }
            sleep(pause).await;
            if start.elapsed() > EAGER {
                pause = (pause * 3 / 2).min(PAUSE_LIMIT);
            }
        }
    }

    async fn ask_nodes(&self, id: RequestId, host: &Host, record: Record, materials: Vec<Material>) -> Result<Try, DeskError> {
        let tally = Tally::new(self.cluster.clone(), id, record.ask.clone())?;
        let mut round = Round::start(&self.nodes, &Question::new(&record.ask, materials, LONG_POLL), tally);
        let mut shown = State::WaitingCiphertext;
        let outcome = loop {
            if let Some(outcome) = round.tally.outcome() {
                break outcome;
            }
            if !round.step().await {
                break round.tally.outcome().unwrap_or(Outcome::Disagreement);
            }
            self.show_nodes(id, &round.tally);
            let state = round.tally.state();
            if state != shown {
                self.show(id, state.clone()).await?;
                shown = state;
            }
        };
        self.conclude(id, host, &record, (outcome, round)).await
    }

    async fn conclude(&self, id: RequestId, host: &Host, record: &Record, end: (Outcome, Round)) -> Result<Try, DeskError> {
        let (outcome, round) = end;
        match outcome {
            Outcome::Answered(answer) => {
                self.answer(id, record, answer, &round.tally).await?;
                self.hear_stragglers(id, round).await?;
                Ok(Try::Final)
            }
            Outcome::Refused(refused) => {
                self.refuse(id, record, refused).await?;
                Ok(Try::Final)
            }
            Outcome::Ungranted(missing) => {
                drop(round);
                self.show(id, State::WaitingFinality).await?;
                self.note(id, &missing.message);
                // Final state lags behind: only if the head does not grant it either is there nothing to wait for.
                if self.on_disk(move |store| store.waiters(id)).await?.is_empty()
                    && let Some(missing) = self.missing_grant(id, host, &record.ask).await
                {
                    self.refuse(id, record, missing).await?;
                    return Ok(Try::Final);
                }
                Ok(Try::Again(EVIDENCE_PAUSE))
            }
            Outcome::Materials(why) => {
                self.note(id, &why);
                Ok(Try::Again(EVIDENCE_PAUSE))
            }
            Outcome::Disagreement => {
                metrics::disagreement();
                let blamed = round.tally.blamed().to_vec();
                tracing::error!(request = %id, ?blamed, "all nodes have spoken and no quorum agrees");
                self.note(id, "all nodes have spoken and no quorum agrees");
                self.update(id, Need::Durable, move |record| record.blamed = blamed).await?;
                Ok(Try::Again(DISAGREEMENT_PAUSE))
            }
        }
    }

    async fn answer(&self, id: RequestId, record: &Record, answer: Answer, tally: &Tally) -> Result<(), DeskError> {
        let (blamed, nodes) = (tally.blamed().to_vec(), tally.nodes());
        report(id, &[], &blamed);
        self.update(id, Need::Durable, move |record| {
            record.state = State::Done;
            (record.answer, record.nodes, record.blamed) = (Some(answer), nodes, blamed);
        })
        .await?;
        if let Ok(chain) = record.ask.host(&self.cluster)
            && let Some(host) = self.hosts.get(&chain.chain_id)
        {
            host.answered.notify_one();
        }
        finished(record, "done");
        Ok(())
    }

    async fn refuse(&self, id: RequestId, record: &Record, refused: Refused) -> Result<(), DeskError> {
        tracing::info!(request = %id, code = refused.code, "refused");
        let nodes = self.live(id).map(|live| live.nodes).unwrap_or_default();
        let reason = format!("{}: {}", refused.code, refused.message);
        self.update(id, Need::Durable, move |record| {
            record.state = State::Refused(refused);
            record.nodes = nodes;
        })
        .await?;
        self.on_disk(move |store| {
            for waiter in store.waiters(id)? {
                store.set_delivery(waiter.chain_id, waiter.id, &Delivery::Impossible { reason: reason.clone() })?;
            }
            Ok(())
        })
        .await?;
        finished(record, "refused");
        Ok(())
    }

    /// The answer is out; what still comes serves users as spare shares, and names liars.
    async fn hear_stragglers(&self, id: RequestId, mut round: Round) -> Result<(), DeskError> {
        let until = Instant::now() + STRAGGLERS;
        while round.straggler(until).await {
            let Some(Outcome::Answered(answer)) = round.tally.outcome() else { continue };
            let (blamed, nodes) = (round.tally.blamed().to_vec(), round.tally.nodes());
            let known = self.on_disk(move |store| store.request(id)).await?;
            report(id, &known.map(|record| record.blamed).unwrap_or_default(), &blamed);
            self.update(id, Need::Eventual, move |record| {
                // A public answer is settled; a user's grows by the shares of the same sessions.
                if matches!(answer, Answer::User(_)) {
                    record.answer = Some(answer);
                }
                (record.nodes, record.blamed) = (nodes, blamed);
            })
            .await?;
        }
        round.stop().await;
        Ok(())
    }

    async fn update(
        &self,
        id: RequestId,
        need: Need,
        change: impl FnOnce(&mut Record) + Send + 'static,
    ) -> Result<(), DeskError> {
        let stamped = move |record: &mut Record| {
            change(record);
            record.updated = unix_now();
        };
        self.on_disk(move |store| store.update_request(id, need, stamped)).await?;
        Ok(())
    }

    async fn show(&self, id: RequestId, state: State) -> Result<(), DeskError> {
        self.update(id, Need::Eventual, move |record| record.state = state).await
    }

    fn show_nodes(&self, id: RequestId, tally: &Tally) {
        if let Some(active) = self.active().get_mut(&id) {
            active.live.nodes = tally.nodes();
            active.live.detail.clear();
        }
    }

    fn note(&self, id: RequestId, detail: &str) {
        if let Some(active) = self.active().get_mut(&id) {
            active.live.detail = detail.to_owned();
        }
    }
}

/// Names culprits that were not named before, once.
fn report(id: RequestId, before: &[Blamed], now: &[Blamed]) {
    for blamed in now.iter().filter(|blamed| !before.contains(blamed)) {
        tracing::warn!(request = %id, party = blamed.party.number(), by = ?blamed.reported_by, step = blamed.step, "node blamed");
        if blamed.reported_by.is_none() {
            metrics::lied(blamed.party);
        }
    }
}

fn finished(record: &Record, outcome: &'static str) {
    let kind = match record.ask {
        Ask::Public(_) => "public",
        Ask::User(_) => "user",
    };
    metrics::finished(kind, outcome, Duration::from_secs(unix_now().saturating_sub(record.created)));
}
