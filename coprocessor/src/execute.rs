//! Runs tasks side by side along the graph of dependencies: what is in the queue waits for nothing but its turn, so any
//! of it may run, the most urgent first. Small operations do not fill all cores, and the store's reads and writes of one
//! task run beside the computation of another.

use crate::attest::Attester;
use crate::engine::{Engine, EngineError};
use crate::metrics;
use crate::objects::{Object, ObjectError, Objects};
use crate::store::{Material, Store, StoreError, Task};
use bytes::Bytes;
use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tkms_eth::SignerError;
use tkms_types::Handle;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Pause after an error of the object store or the signer, before the next task.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs tasks. Only one may run on a store.
#[derive(Clone)]
pub struct Worker {
    /// Where tasks come from and results go.
    pub store: Arc<Store>,
    /// Bytes of ciphertexts and sample lists.
    pub objects: Objects,
    /// Does the computing.
    pub engine: Arc<dyn Engine>,
    /// Signs sample lists.
    pub attester: Attester,
    /// Rung when there may be new tasks.
    pub wake: Arc<Notify>,
    /// Tasks under way at once.
    pub workers: NonZeroUsize,
}

#[derive(Debug, thiserror::Error)]
enum TaskError {
    /// The same call would fail again.
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the computation panicked: {0}")]
    Panicked(#[from] tokio::task::JoinError),
    /// May pass.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// Nothing can go on.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Worker {
    /// Works until the database fails.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn run(self) -> Result<Infallible, StoreError> {
        let mut running = JoinSet::new();
        let mut busy: Vec<Handle> = Vec::new();
        loop {
            while busy.len() < self.workers.get() {
                let taken = busy.clone();
                let Some(task) = self.store.run(move |store| store.next(&taken)).await? else { break };
                let (handle, worker) = (task.handle(), self.clone());
                busy.push(handle);
                running.spawn(async move { (handle, worker.perform(task).await) });
            }
            metrics::running(busy.len());
            tokio::select! {
                Some(ended) = running.join_next() => {
                    let (handle, outcome) = ended.map_err(|error| StoreError::Panicked(error.to_string()))?;
                    busy.retain(|other| *other != handle);
                    outcome?;
                }
                () = self.wake.notified() => {}
            }
        }
    }

    async fn perform(&self, task: Task) -> Result<(), StoreError> {
        let (handle, start) = (task.handle(), Instant::now());
        let name = match &task {
            Task::Compute { .. } => "compute",
            Task::Squash { .. } => "squash",
        };
        let outcome = match &task {
            Task::Compute { .. } => self.compute(&task).await,
            Task::Squash { ciphertext, .. } => self.squash(&task, *ciphertext).await,
        };
        let outcome = match outcome {
            Ok(()) => {
                tracing::debug!(%handle, task = name, milliseconds = start.elapsed().as_millis(), "done");
                metrics::Outcome::Done
            }
            Err(TaskError::Store(error)) => return Err(error),
            Err(error @ (TaskError::Objects(_) | TaskError::Signer(_))) => {
                tracing::warn!(%handle, task = name, %error, "postponed");
                self.store.run(move |store| store.postpone(&task)).await?;
                tokio::time::sleep(PAUSE).await;
                metrics::Outcome::Postponed
            }
            Err(error @ (TaskError::Engine(_) | TaskError::Panicked(_))) => {
                tracing::error!(%handle, task = name, %error, "failed for good");
                let reason = error.to_string();
                self.store
                    .run(move |store| match task {
                        Task::Compute { .. } => store.failed(handle, &reason),
                        Task::Squash { .. } => store.squash_failed(handle, &reason),
                    })
                    .await?;
                metrics::Outcome::Failed
            }
        };
        metrics::task(name, outcome, start.elapsed());
        Ok(())
    }

    async fn compute(&self, task: &Task) -> Result<(), TaskError> {
        let Task::Compute { operation, operands } = task else { return Ok(()) };
        let operands = self.load(operands).await?;
        let (engine, operation) = (Arc::clone(&self.engine), operation.clone());
        let handle = operation.result;
        let bytes = tokio::task::spawn_blocking(move || engine.compute(&operation, &operands)).await??;
        let object = self.objects.put(bytes).await?;
        Ok(self.store.run(move |store| store.computed(handle, object)).await?)
    }

    async fn squash(&self, task: &Task, ciphertext: Object) -> Result<(), TaskError> {
        let handle = task.handle();
        let kind = handle.check().map_err(EngineError::from)?;
        let bytes = self.objects.get(ciphertext).await?;
        let (engine, key) = (Arc::clone(&self.engine), self.attester.key);
        let samples = tokio::task::spawn_blocking(move || engine.samples(key, kind, &bytes)).await??;
        let object = self.objects.put(samples).await?;
        let material = Material { object, signature: self.attester.samples(handle, object)? };
        Ok(self.store.run(move |store| store.squashed(handle, &material)).await?)
    }

    async fn load(&self, operands: &[Object]) -> Result<Vec<Bytes>, ObjectError> {
        let mut bytes = Vec::with_capacity(operands.len());
        for operand in operands {
            bytes.push(self.objects.get(*operand).await?);
        }
        Ok(bytes)
    }
}
