//! Running openings, one per ciphertext: requests for the same ciphertext join, peers' messages find their machine,
//! and what ended is kept so that late peers get it.
//!
//! A session is opened only for a **public** request that this node's own policy accepted. A peer's message is never a
//! reason: an early one waits, bounded, while the request behind it is asked for. A user's request needs no opening;
//! were one made for it, the nodes would learn the user's value.

mod early;
mod run;

pub use run::Make;

use crate::blames::Blames;
use crate::clock::Clock;
use crate::decrypt;
use crate::masks::MaskKeys;
use crate::refusal::Refusal;
use crate::store::{Store, StoreError};
use crate::tasks::Tasks;
use crate::transport::{PeerMessage, Transport};
use bytes::Bytes;
use early::EarlyMessages;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tkms_mpc::decrypt::{MaskedShares, Opening};
use tkms_mpc::phase::KeyShare;
use tkms_types::{Committee, PartyId, SessionId, limits};
use tkms_wire::answer::Blame;
use tkms_wire::kms;
use tkms_wire::samples::SampleList;
use tokio::sync::{Semaphore, watch};

/// What a session ended with.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Four bits a block, lowest first.
    pub digits: Vec<u8>,
    /// Peers that were found lying before it ended.
    pub blamed: Vec<Blame>,
}

type Outcome = Option<Result<Arc<Opened>, Refusal>>;

/// All sessions of a node. Cheap to clone.
#[derive(Clone)]
pub struct Sessions(Arc<Inner>);

/// What sessions work with.
pub struct Parts {
    /// This node.
    pub me: PartyId,
    /// Its committee.
    pub committee: Committee,
    /// Its share of the key.
    pub key: KeyShare,
    /// Its mask keys, once the committee has made them.
    pub masks: MaskKeys,
    /// The way to its peers.
    pub transport: Arc<dyn Transport>,
    /// Where sessions are kept.
    pub store: Store,
    /// Its clock.
    pub clock: Arc<dyn Clock>,
}

struct Inner {
    parts: Parts,
    table: Mutex<Table>,
    /// Sessions in flight; further ones wait in order of acceptance.
    slots: Semaphore,
    /// Local computations at once.
    cores: Arc<Semaphore>,
    core_count: usize,
    computed: AtomicU64,
    blames: Blames,
    tasks: Arc<Tasks>,
}

#[derive(Default)]
struct Table {
    running: BTreeMap<SessionId, Running>,
    early: EarlyMessages,
}

struct Running {
    /// None until the local work is done.
    opening: Option<Opening>,
    own: Option<PeerMessage>,
    request: kms::PublicDecryptRequest,
    /// The first message of each peer that came before the machine was there.
    before: BTreeMap<PartyId, Bytes>,
    heard: BTreeSet<PartyId>,
    blamed: Vec<Blame>,
    outcome: watch::Sender<Outcome>,
}

impl Sessions {
    /// No session yet.
    pub(crate) fn new(parts: Parts, tasks: Arc<Tasks>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Inner {
            parts,
            table: Mutex::new(Table::default()),
            slots: Semaphore::new(limits::SESSIONS_IN_FLIGHT),
            cores: Arc::new(Semaphore::new(cores)),
            core_count: cores,
            computed: AtomicU64::new(0),
            blames: Blames::default(),
            tasks,
        }))
    }

    /// The opened value of a session: from disk, by joining, or by running it. `make` does the local work and is
    /// called at most once per session.
    ///
    /// # Errors
    /// What `make` refuses, [`Refusal::SamplesMalformed`] for samples that are no message under the key.
    pub async fn open(
        &self,
        session: SessionId,
        request: kms::PublicDecryptRequest,
        make: Make,
    ) -> Result<Arc<Opened>, Refusal> {
        if let Some(digits) = self.0.stored(session).and_then(|stored| stored.digits) {
            return Ok(Arc::new(Opened { digits, blamed: Vec::new() }));
        }
        let mut outcome = self.join(session, request, make);
        let ended = outcome.wait_for(Option::is_some).await;
        let ended = ended.map_err(|_| Refusal::Internal("it is stopping"))?;
        ended.clone().unwrap_or(Err(Refusal::Internal("a session ended without outcome")))
    }

    fn join(&self, session: SessionId, request: kms::PublicDecryptRequest, make: Make) -> watch::Receiver<Outcome> {
        let mut table = self.0.lock();
        if let Some(running) = table.running.get(&session) {
            return running.outcome.subscribe();
        }
        let (outcome, receiver) = watch::channel(None);
        let before = table.early.take(session);
        let heard = before.keys().copied().collect();
        let running = Running { opening: None, own: None, request, before, heard, blamed: Vec::new(), outcome };
        table.running.insert(session, running);
        drop(table);
        let inner = Arc::clone(&self.0);
        self.0.tasks.spawn(run::drive(inner, session, make));
        receiver
    }

    /// Whether a decryption is being computed: background work gives way to it.
    #[must_use]
    pub fn computing(&self) -> bool {
        self.0.cores.available_permits() < self.0.core_count
    }

    /// The local work of one session, on a bounded number of threads. Waits until there are mask keys.
    ///
    /// # Errors
    /// [`Refusal::SamplesMalformed`] if the samples do not fit the key.
    pub async fn local_shares(&self, session: SessionId, list: Arc<SampleList>) -> Result<MaskedShares, Refusal> {
        let inner = Arc::clone(&self.0);
        let masks = inner.parts.masks.wait().await.ok_or(Refusal::Internal("it is stopping"))?;
        let permit = Arc::clone(&inner.cores).acquire_owned().await;
        let permit = permit.map_err(|_| Refusal::Internal("it is stopping"))?;
        let work = move || {
            let _held_while_working = permit;
            inner.computed.fetch_add(1, Ordering::Relaxed);
            crate::metrics::session_computed();
            decrypt::local_shares((&inner.parts.key, &masks.keys), &list, session)
        };
        let shares = tokio::task::spawn_blocking(work).await.map_err(|_| Refusal::Internal("a worker ended early"))?;
        shares.map_err(|error| {
            tracing::error!(%session, %error, "samples do not fit the key share");
            Refusal::Internal("samples do not fit the key share")
        })
    }

    /// A peer's message. Whether its session is known here; if not, the message waits for its request.
    pub fn deliver(&self, from: PartyId, message: PeerMessage) -> bool {
        let mut table = self.0.lock();
        if table.running.contains_key(&message.session) {
            self.0.receive(&mut table, from, &message);
            return true;
        }
        if self.0.stored(message.session).is_some_and(|stored| stored.digits.is_some()) {
            return true;
        }
        table.early.keep(from, message, Instant::now());
        false
    }

    /// Our message of a session that we opened for a public request, running or ended.
    #[must_use]
    pub fn message_of(&self, session: SessionId) -> Option<PeerMessage> {
        if let Some(running) = self.0.lock().running.get(&session) {
            return running.own.clone();
        }
        self.0.stored(session).map(|stored| PeerMessage { session, body: stored.message.into() })
    }

    /// The public request behind a session.
    #[must_use]
    pub fn request_of(&self, session: SessionId) -> Option<kms::PublicDecryptRequest> {
        if let Some(running) = self.0.lock().running.get(&session) {
            return Some(running.request.clone());
        }
        let stored = self.0.stored(session)?;
        kms::PublicDecryptRequest::decode(stored.request.as_slice()).ok()
    }

    /// Whether the session runs here or ended here.
    #[must_use]
    pub fn knows(&self, session: SessionId) -> bool {
        self.0.lock().running.contains_key(&session)
            || self.0.stored(session).is_some_and(|stored| stored.digits.is_some())
    }

    /// Sessions without outcome.
    #[must_use]
    pub fn running(&self) -> usize {
        self.0.lock().running.values().filter(|running| running.outcome.borrow().is_none()).count()
    }

    /// Local computations since start.
    #[must_use]
    pub fn computed(&self) -> u64 {
        self.0.computed.load(Ordering::Relaxed)
    }

    /// The newest blames.
    #[must_use]
    pub fn blames(&self) -> Vec<Blame> {
        self.0.blames.newest()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A store that cannot be read knows nothing; the session is then run again, to the same result.
    fn stored(&self, session: SessionId) -> Option<crate::store::StoredSession> {
        let found: Result<_, StoreError> = self.parts.store.session(session);
        found.unwrap_or_else(|error| {
            tracing::error!(%session, %error, "sessions cannot be read");
            None
        })
    }
}
