//! Encrypted inputs: verified, expanded, stored by handle and signed (fhevm-compat §2.2, §3.4).

use crate::attest::Attester;
use crate::engine::Engine;
use crate::metrics;
use crate::objects::{ObjectError, Objects};
use crate::store::{Store, StoreError};
use alloy_primitives::{Address, B256, keccak256};
use std::sync::Arc;
use tkms_eth::SignerError;
use tkms_fhe::{InputContext, InputError};
use tkms_types::limits::INPUT_BYTES;
use tkms_types::{FheType, Handle};
use tkms_wire::coprocessor::{InputAnswer, InputRequest};
use tkms_wire::proof::input_handles;
use tkms_wire::relayer::Hex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Bytes of `extraData` that are signed unread.
pub const EXTRA_DATA_BYTES: usize = 128;
/// Inputs verified at once: one uses every core.
const AT_ONCE: usize = 1;

/// Receives inputs for one chain.
#[derive(Clone)]
pub struct Inputs {
    store: Arc<Store>,
    objects: Objects,
    engine: Arc<dyn Engine>,
    attester: Attester,
    wake: Arc<Notify>,
    acl: Address,
    chain_id: u64,
    queue: usize,
    waiting: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

/// Why an input is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum InputRefusal {
    /// For a chain this process does not serve.
    #[error("this coprocessor serves chain {served}, the input is for chain {asked}")]
    Chain {
        /// Ours.
        served: u64,
        /// The caller's.
        asked: u64,
    },
    /// More than is signed unread.
    #[error("extraData has {0} bytes, at most {EXTRA_DATA_BYTES} are allowed")]
    ExtraData(usize),
    /// The list or its proof.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Too many inputs are waiting: try again.
    #[error("too many inputs are waiting to be verified, try again")]
    Busy,
    /// The verification panicked.
    #[error("the verification did not end: {0}")]
    Panicked(#[from] tokio::task::JoinError),
    /// Our store.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// Our database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Our key.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

impl InputRefusal {
    /// Short name for the caller.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Chain { .. } => "wrong_chain",
            Self::ExtraData(_) => "extra_data_too_long",
            Self::Input(InputError::TooLong(_)) => "input_too_long",
            Self::Input(InputError::Malformed(_) | InputError::Trailing(_)) => "malformed_input",
            Self::Input(InputError::Count(_) | InputError::Bits(_)) => "too_many_values",
            Self::Input(InputError::Type { .. }) => "unsupported_type",
            Self::Input(InputError::Proof) => "invalid_proof",
            Self::Busy => "busy",
            Self::Input(InputError::Expand(_) | InputError::Encrypt(_))
            | Self::Panicked(_)
            | Self::Objects(_)
            | Self::Store(_)
            | Self::Signer(_) => "internal",
        }
    }
}

impl Inputs {
    /// `queue` bounds the inputs accepted and not yet verified; `worker` lends its parts.
    #[must_use]
    pub fn new(worker: &crate::execute::Worker, acl: Address, chain_id: u64, queue: usize) -> Self {
        Self {
            store: Arc::clone(&worker.store),
            objects: worker.objects.clone(),
            engine: Arc::clone(&worker.engine),
            attester: worker.attester.clone(),
            wake: Arc::clone(&worker.wake),
            acl,
            chain_id,
            queue,
            waiting: Arc::new(Semaphore::new(queue)),
            running: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Verifies an input, stores its ciphertexts by handle and signs. The same input in the same context is verified
    /// and expanded once.
    ///
    /// # Errors
    /// [`InputRefusal`].
    pub async fn accept(&self, request: InputRequest) -> Result<InputAnswer, InputRefusal> {
        let outcome = self.try_accept(request).await;
        metrics::input(outcome.as_ref().map_or_else(InputRefusal::code, |_| "accepted"));
        self.report_waiting();
        outcome
    }

    fn report_waiting(&self) {
        metrics::inputs_waiting(self.queue.saturating_sub(self.waiting.available_permits()));
    }

    async fn try_accept(&self, request: InputRequest) -> Result<InputAnswer, InputRefusal> {
        let (list, extra_data) = (request.ciphertext.0, request.extra_data.0);
        if request.contract_chain_id != self.chain_id {
            return Err(InputRefusal::Chain { served: self.chain_id, asked: request.contract_chain_id });
        }
        if extra_data.len() > EXTRA_DATA_BYTES {
            return Err(InputRefusal::ExtraData(extra_data.len()));
        }
        if list.len() > INPUT_BYTES {
            return Err(InputError::TooLong(list.len()).into());
        }
        let (contract, user) = (request.contract_address, request.user_address);
        let context = InputContext { contract, user, acl: self.acl, chain_id: self.chain_id };
        // The metadata has a fixed length, so the two cannot be confused.
        let id = keccak256([context.metadata().as_slice(), &list].concat());
        let handles = match self.store.run(move |store| store.input_list(id)).await? {
            Some(handles) => handles,
            None => self.verify(id, list, context).await?,
        };
        let signature = self.attester.inputs(&handles, user, contract, &extra_data)?;
        let (signature, extra_data) = (Hex(signature), Hex(extra_data));
        Ok(InputAnswer { handles, signature, signer: self.attester.address(), extra_data })
    }

    async fn verify(
        &self,
        id: B256,
        list: alloy_primitives::Bytes,
        context: InputContext,
    ) -> Result<Vec<Handle>, InputRefusal> {
        let place = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| InputRefusal::Busy)?;
        self.report_waiting();
        let turn = Arc::clone(&self.running).acquire_owned().await.map_err(|_| InputRefusal::Busy)?;
        let (engine, bytes) = (Arc::clone(&self.engine), list.clone());
        // The permits go along: a caller that hangs up does not stop the computation, so it must keep its place.
        let verified = move || holding((place, turn), || engine.verify_input(&bytes, &context));
        let values = tokio::task::spawn_blocking(verified).await??;
        let kinds: Vec<FheType> = values.iter().map(|(kind, _)| *kind).collect();
        let handles = input_handles(&list, &kinds, self.acl, self.chain_id);
        let mut stored = Vec::with_capacity(handles.len());
        for (handle, (_, bytes)) in handles.iter().zip(values) {
            stored.push((*handle, self.objects.put(bytes).await?));
        }
        self.store.run(move |store| store.input(id, &stored)).await?;
        self.wake.notify_one();
        Ok(handles)
    }
}

fn holding<T>(permits: (OwnedSemaphorePermit, OwnedSemaphorePermit), work: impl FnOnce() -> T) -> T {
    let result = work();
    drop(permits);
    result
}
