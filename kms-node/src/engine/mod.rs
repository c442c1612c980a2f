//! The way of a request through the node: policy, evidence, bytes, audit record, sessions, answer.
//!
//! One task per request id; whoever asks the same joins. Evidence is judged before that, each caller's own: bad evidence
//! sent first must not block the honest caller. A request whose bytes no store has yet waits in its task. Whether a block
//! is final or a grant given yet, the node cannot see: it refuses, and who asks waits and sends newer evidence. Answers are
//! kept: public ones for ever, a user's for as long as an anchor is good; refusals never.

mod permit;
mod verifying;
mod work;

pub use permit::Source;
pub(crate) use permit::{Permit, Witnesses};

use crate::at_hand::{AtHand, Held};
use crate::clock::Clock;
use crate::decryptor::Decryptor;
use crate::fetch::Samples;
use crate::hosts::Hosts;
use crate::journal::Journal;
use crate::keystore::KeyState;
use crate::limiter::RateLimiter;
use crate::limits::{REQUESTS_IN_FLIGHT, TAKEN_OVER};
use crate::policy::{self, Admitted, View};
use crate::refusal::Refusal;
use crate::request::{Ask, Request};
use crate::respond::Responder;
use crate::store::Store;
use crate::tasks::Tasks;
use alloy_primitives::{Address, B256};
use prost::Message as _;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tkms_types::transcript::session_id;
use tkms_types::{Cluster, RequestId, RequestKind, SessionId};
use tkms_wire::kms::{self, State, reply};
use tokio::sync::watch;
use tracing::Instrument as _;

/// Where a request stands.
#[derive(Clone, Debug)]
pub enum Progress {
    /// Not done: why, and in words.
    Pending(State, String),
    /// Refused; the next caller may do better.
    Refused(Refusal),
    /// Answered; the outcome as it goes out.
    Done(Arc<reply::Outcome>),
}

impl Progress {
    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !matches!(self, Self::Pending(..))
    }
}

/// A request that passed checks 1 to 10.
#[derive(Debug)]
pub struct Ticket {
    /// Its id.
    pub id: RequestId,
    /// Where it stands; the last value is final.
    pub progress: watch::Receiver<Progress>,
}

/// What the engine works with.
pub(crate) struct Parts {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) cluster_hash: B256,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) witnesses: Witnesses,
    pub(crate) hosts: Hosts,
    pub(crate) samples: Arc<Samples>,
    pub(crate) decryptor: Decryptor,
    /// Ciphertexts of public requests, from their first judgement to their answer.
    pub(crate) at_hand: AtHand,
    pub(crate) responder: Responder,
    pub(crate) journal: Journal,
    pub(crate) store: Store,
    pub(crate) user_rate: RateLimiter<Address>,
    pub(crate) tasks: Arc<Tasks>,
}

/// Serves requests. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    parts: Arc<Parts>,
    running: Arc<Mutex<BTreeMap<RequestId, watch::Receiver<Progress>>>>,
}

/// A request on its way.
pub(crate) struct Job {
    request: Request,
    admitted: Admitted,
    permit: Arc<Permit>,
    progress: watch::Sender<Progress>,
    _held: Held,
}

impl Engine {
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), running: Arc::default() }
    }

    /// Checks 2 to 17; then the request is answered, joined or started.
    ///
    /// # Errors
    /// [`Refusal`] of one of these checks, counted and recorded.
    pub async fn submit(&self, request: Request, source: Source) -> Result<Ticket, Refusal> {
        let kind = request.kind();
        let outcome = self.take(request, source).await;
        if let Err(refusal) = &outcome {
            note(kind, refusal);
        }
        outcome
    }

    async fn take(&self, request: Request, source: Source) -> Result<Ticket, Refusal> {
        let parts = &self.parts;
        let view = View { cluster: &parts.cluster, key_state: self.key_state()?, now: parts.clock.now() };
        let admitted = policy::admit(&request, &view, |chain| parts.hosts.state(chain))?;
        // A smart account has not signed anything before its code was asked
        let asked = match admitted.claim {
            Some(_) => Some(self.judged(&request, &admitted, source).await?),
            None => None,
        };
        if let Ask::User(user) = &request.ask
            && !parts.user_rate.allow(&user.user, Instant::now())
        {
            return Err(Refusal::RateLimited(format!("user {}", user.user)));
        }
        let id = admitted.id;
        if let Some(done) = self.answered(id)? {
            return Ok(Ticket { id, progress: watch::channel(done).1 });
        }
        let joined = self.lock().get(&id).cloned();
        if let Some(progress) = joined {
            return Ok(Ticket { id, progress });
        }
        let held = match request.ask {
            Ask::Public(_) => parts.at_hand.hold(self.sessions(&request)),
            Ask::User(_) => Held::default(),
        };
        let permit = match asked {
            Some(permit) => permit,
            None => self.judged(&request, &admitted, source).await?,
        };
        Ok(Ticket { id, progress: self.start(request, admitted, (permit, held))? })
    }

    /// Sessions of the ciphertexts that a request names, at attempt 0.
    pub(crate) fn sessions(&self, request: &Request) -> Vec<SessionId> {
        let Cluster { context, epoch, key, .. } = &*self.parts.cluster;
        let protocol = self.parts.cluster.protocol();
        let of = |digest| session_id(protocol, *context, *epoch, key.id, digest, 0);
        let ours = request.materials.iter().filter(|material| material.format == protocol.into());
        ours.map(|material| of(material.digest)).collect()
    }

    /// Checks 11 to 17; a refusal is recorded.
    async fn judged(&self, request: &Request, admitted: &Admitted, source: Source) -> Result<Arc<Permit>, Refusal> {
        match self.permitted(request, admitted, source).await {
            Ok(permit) => Ok(Arc::new(permit)),
            Err(refusal) => {
                self.record_refusal(request, admitted, &refusal).await?;
                Err(refusal)
            }
        }
    }

    /// Where a request stands that was asked before.
    ///
    /// # Errors
    /// [`Refusal::RequestUnknown`].
    pub fn status(&self, id: RequestId) -> Result<Ticket, Refusal> {
        if let Some(progress) = self.lock().get(&id) {
            return Ok(Ticket { id, progress: progress.clone() });
        }
        let done = self.answered(id)?.ok_or(Refusal::RequestUnknown)?;
        Ok(Ticket { id, progress: watch::channel(done).1 })
    }

    /// Requests on their way.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lock().len()
    }

    /// Ciphertexts of public requests that are here.
    pub(crate) fn at_hand(&self) -> &AtHand {
        &self.parts.at_hand
    }

    /// The protocol in force.
    #[must_use]
    pub fn decryptor(&self) -> &Decryptor {
        &self.parts.decryptor
    }

    /// State of the cluster's key here. A key that was never moved by hand is in use: the cluster file names it.
    ///
    /// # Errors
    /// [`Refusal::Internal`] if the store cannot be read.
    pub fn key_state(&self) -> Result<KeyState, Refusal> {
        let Cluster { key, epoch, .. } = &*self.parts.cluster;
        let found = self.parts.store.key_state(key.id, *epoch).map_err(|error| unreadable(&error))?;
        Ok(found.unwrap_or(KeyState::Active))
    }

    /// Why this node cannot serve, as far as chains and key go. That no block was accepted lately is no reason: blocks come
    /// with requests, and a node that nobody asks for want of them would never see one.
    pub fn not_ready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        match self.key_state() {
            Ok(state) if state.may_decrypt() => {}
            Ok(state) => reasons.push(format!("the key is {state}")),
            Err(refusal) => reasons.push(refusal.to_string()),
        }
        for (chain, reason) in self.parts.hosts.halted() {
            reasons.push(format!("host chain {chain} is halted: {reason}"));
        }
        reasons
    }

    fn start(
        &self,
        request: Request,
        admitted: Admitted,
        (permit, held): (Arc<Permit>, Held),
    ) -> Result<watch::Receiver<Progress>, Refusal> {
        let mut running = self.lock();
        if let Some(joined) = running.get(&admitted.id) {
            return Ok(joined.clone());
        }
        // what is taken over from peers takes nothing away from callers
        if running.len() >= REQUESTS_IN_FLIGHT + TAKEN_OVER {
            return Err(Refusal::Busy("too many requests are on their way"));
        }
        let first = Progress::Pending(State::WaitingCiphertext, "fetching the ciphertexts".to_owned());
        let (progress, receiver) = watch::channel(first);
        let id = admitted.id;
        running.insert(id, receiver.clone());
        drop(running);
        let span = tracing::info_span!("request", %id, kind = ?request.kind());
        let (engine, job) = (self.clone(), Job { request, admitted, permit, progress, _held: held });
        self.parts.tasks.spawn(async move { engine.run(job).await }.instrument(span));
        Ok(receiver)
    }

    async fn run(self, job: Job) {
        let (id, kind, started) = (job.admitted.id, job.request.kind(), Instant::now());
        // The entry goes whatever happens, also when the task is cancelled
        let _entry = scopeguard(|| drop(self.lock().remove(&id)));
        let outcome = self.serve(&job).await;
        crate::metrics::request_seconds(kind, started.elapsed().as_secs_f64());
        match outcome {
            Ok(outcome) => {
                crate::metrics::request(kind, "answered");
                tracing::info!(elapsed_ms = started.elapsed().as_millis() as u64, "answered");
                job.progress.send_replace(Progress::Done(Arc::new(outcome)));
            }
            Err(refusal) => {
                note(kind, &refusal);
                job.progress.send_replace(Progress::Refused(refusal));
            }
        }
    }

    fn answered(&self, id: RequestId) -> Result<Option<Progress>, Refusal> {
        let stored = self.parts.store.answer(id, self.parts.clock.now()).map_err(|error| unreadable(&error))?;
        let Some(bytes) = stored else { return Ok(None) };
        let reply =
            kms::Reply::decode(bytes.as_slice()).map_err(|_| Refusal::Internal("a stored answer is damaged"))?;
        Ok(reply.outcome.map(|outcome| Progress::Done(Arc::new(outcome))))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<RequestId, watch::Receiver<Progress>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts and logs a refusal.
pub(crate) fn note(kind: RequestKind, refusal: &Refusal) {
    crate::metrics::request(kind, "refused");
    crate::metrics::refusal(refusal.code());
    tracing::info!(code = refusal.code(), %refusal, "refused");
}

fn unreadable(error: &crate::store::StoreError) -> Refusal {
    tracing::error!(%error, "the node's store fails");
    Refusal::Internal("its store fails")
}

/// Runs a closure when it goes out of scope.
fn scopeguard<F: FnOnce()>(run: F) -> impl Drop {
    struct Guard<F: FnOnce()>(Option<F>);
    impl<F: FnOnce()> Drop for Guard<F> {
        fn drop(&mut self) {
            if let Some(run) = self.0.take() {
                run();
            }
        }
    }
    Guard(Some(run))
}
