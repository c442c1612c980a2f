//! Encrypted inputs: one job each, until a quorum of coprocessors has signed or refused.

use crate::clock::unix_now;
use crate::coprocessors::InputError;
use crate::desk::{Desk, DeskError};
use crate::host::Host;
use alloy_primitives::{B256, Bytes};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tkms_types::{Handle, transcript::Transcript};
use tkms_wire::coprocessor::{Failure, InputRequest};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::sleep;

/// Names a job by its content, so that the same input asked again is the same job. Nothing is signed over it.
const JOB_TAG: &str = "tkms/oracle/input/v1";
/// Inputs at the coprocessors at once.
const AT_ONCE: usize = 4;
/// First and longest pause before the coprocessors are asked again.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_LIMIT: Duration = Duration::from_secs(10);

/// One input on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputJob {
    /// What is asked; forgotten once there is an outcome.
    pub request: Option<InputRequest>,
    /// As sent and signed.
    pub extra_data: Bytes,
    /// The outcome, once there is one.
    pub outcome: Option<InputOutcome>,
    /// Unix second after which it may be forgotten.
    pub expires: u64,
}

/// How an input ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputOutcome {
    /// Verified by a quorum.
    Verified {
        /// One a value, in order.
        handles: Vec<Handle>,
        /// 65 bytes each.
        signatures: Vec<Bytes>,
    },
    /// Refused by more coprocessors than a quorum can miss.
    Refused(Failure),
}

/// The jobs.
pub struct Inputs {
    desk: Arc<Desk>,
    /// Jobs in work at once.
    limit: usize,
    keep_seconds: u64,
    running: Semaphore,
    active: Mutex<BTreeMap<B256, AbortHandle>>,
}

impl Inputs {
    /// No job yet; see [`Inputs::resume`].
    #[must_use]
    pub fn new(desk: Arc<Desk>, limit: usize, keep_seconds: u64) -> Self {
        Self { desk, limit, keep_seconds, running: Semaphore::new(AT_ONCE), active: Mutex::default() }
    }

    /// The id of the job for an input.
    #[must_use]
    pub fn id(request: &InputRequest) -> B256 {
        Transcript::new(JOB_TAG)
            .address(request.contract_address)
            .address(request.user_address)
            .u64(request.contract_chain_id)
            .bytes(&request.ciphertext.0)
            .bytes(&request.extra_data.0)
            .finish()
    }

    /// Takes up what a previous process left unfinished.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn resume(self: &Arc<Self>) -> Result<(), DeskError> {
        for (id, job) in self.desk.on_disk(|store| store.inputs::<InputJob>()).await? {
            if job.outcome.is_none() {
                self.start(id);
            }
        }
        Ok(())
    }

    /// Takes an input. The same one again is the same job; one that was refused is tried again.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn accept(self: &Arc<Self>, request: InputRequest) -> Result<B256, DeskError> {
        let id = Self::id(&request);
        let known = self.desk.on_disk(move |store| store.input::<InputJob>(id)).await?;
        match known.map(|job| job.outcome) {
            Some(None) => self.start(id),
            Some(Some(InputOutcome::Verified { .. })) => {}
            Some(Some(InputOutcome::Refused(_))) | None => {
                let count = self.active().len();
                if count >= self.limit {
                    return Err(DeskError::Full { count: count as u64, limit: self.limit as u64 });
                }
                let (extra_data, expires) = (request.extra_data.0.clone(), unix_now() + self.keep_seconds);
                self.put(id, InputJob { request: Some(request), extra_data, outcome: None, expires }).await?;
                self.start(id);
            }
        }
        Ok(id)
    }

    /// A job.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn job(&self, id: B256) -> Result<Option<InputJob>, DeskError> {
        Ok(self.desk.on_disk(move |store| store.input(id)).await?)
    }

    /// Ends all work; what is unfinished stays on disk.
    pub fn stop_all(&self) {
        for (_, abort) in std::mem::take(&mut *self.active()) {
            abort.abort();
        }
    }

    async fn put(&self, id: B256, job: InputJob) -> Result<(), DeskError> {
        Ok(self.desk.on_disk(move |store| store.put_input(id, &job, job.expires)).await?)
    }

    fn active(&self) -> MutexGuard<'_, BTreeMap<B256, AbortHandle>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(self: &Arc<Self>, id: B256) {
        let mut active = self.active();
        if active.contains_key(&id) {
            return;
        }
        let inputs = self.clone();
        let task = tokio::spawn(async move {
            if let Err(error) = inputs.see_through(id).await {
                tracing::error!(job = %id, %error, "input job cannot go on");
            }
            inputs.active().remove(&id);
            // Asked again after our last look, while this task was still listed.
            if let Ok(Some(InputJob { outcome: None, .. })) = inputs.job(id).await {
                inputs.start(id);
            }
        });
        active.insert(id, task.abort_handle());
    }

    /// Until there is an outcome or the job has expired.
    async fn see_through(&self, id: B256) -> Result<(), DeskError> {
        let mut pause = PAUSE;
        loop {
            let Some(mut job) = self.job(id).await? else { return Ok(()) };
            let Some(request) = job.request.take() else { return Ok(()) };
            if let Some(outcome) = self.try_once(id, &request).await {
                job.outcome = Some(outcome);
                return self.put(id, job).await;
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_LIMIT);
        }
    }

    async fn try_once(&self, id: B256, request: &InputRequest) -> Option<InputOutcome> {
        let host: &Arc<Host> = self.desk.hosts.get(&request.contract_chain_id)?;
        let _permit = self.running.acquire().await.ok()?;
        match host.coprocessors.verify_input(request).await {
            Ok(input) => Some(InputOutcome::Verified { handles: input.handles, signatures: input.signatures }),
            Err(InputError::Refused(failure)) => Some(InputOutcome::Refused(failure)),
            Err(error @ InputError::NoQuorum { .. }) => {
                tracing::warn!(job = %id, %error, "input waits");
                None
            }
        }
    }
}
