//! Decryption by `exact`: the ciphertexts on their way, the votes that bind ranges of stock to them, and their answers.
//! `docs/protocol/exact-decrypt.md`, "At a node", numbers the steps.
//!
//! A ciphertext is worked on only after this node's own policy accepted a request with it. A peer's message is never a
//! reason: an early one waits, bounded. Nothing is opened in public but for a public request; for a user's request the nodes
//! stop at shared messages, of which no node learns anything.
//!
//! All state is in one table. What follows from an event (messages, votes, rows) is queued there; three tasks ([`tasks`])
//! empty the queues, so that whatever came up meanwhile shares a frame, a signature, a commit.

mod asked;
mod attempt;
mod backlog;
mod codec;
mod early;
mod session;
mod strangers;
mod tasks;

pub(crate) use asked::Asked;

use crate::at_hand::AtHand;
use crate::blames::Blames;
use crate::clock::Clock;
use crate::fetch::{Samples, Wanted};
use crate::limits::{EXACT_IN_FLIGHT, EXACT_SHARE, SESSION_TIME};
use crate::masks::MaskKeys;
use crate::refusal::Refusal;
use crate::rounds::CommitteeSeal;
use crate::session::Opened;
use crate::stock::{Claim, EndedSession, Stock};
use crate::store::Store;
use crate::tasks::Tasks;
use crate::transport::{PeerMessage, Transport};
use alloy_primitives::B256;
use codec::{Ballot, Part, Vote};
use early::{Early, Heard};
use session::{Desk, Session};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tkms_mpc::exact::{ExactKey, MessageShares, Range, Reveal, ballot_digest};
use tkms_mpc::fault::Fault;
use tkms_mpc::preprocessing::BatchId;
use tkms_mpc::statement::Seal as _;
use tkms_types::transcript::{Protocol, session_id};
use tkms_types::{Committee, ContextId, EpochId, KeyId, PartyId, SessionId};
use tkms_wire::answer::Blame;
use tkms_wire::kms;
use tkms_wire::switched::SwitchedList;
use tokio::sync::{Notify, Semaphore};

/// Between two looks for the stock while the committee makes its mask keys.
const LOOK: Duration = Duration::from_millis(20);

/// What everything here is named with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    pub(crate) me: PartyId,
    pub(crate) committee: Committee,
    pub(crate) context: ContextId,
    pub(crate) epoch: EpochId,
    pub(crate) key: KeyId,
}

impl Names {
    fn session(&self, digest: B256, attempt: u32) -> SessionId {
        session_id(Protocol::Exact, self.context, self.epoch, self.key, digest, attempt)
    }

    /// Most attempts of a ciphertext with stock: two for each proposer.
    const fn attempts(&self) -> u32 {
        // at most 26
        2 * self.committee.size() as u32
    }

    /// Who proposes the range of an attempt: (last eight bytes of the session at attempt 0, plus the attempt) modulo n.
    fn proposer(&self, base: SessionId, attempt: u32) -> PartyId {
        let last = base.0.0.last_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        let n = self.committee.size() as u64;
        let index = (last % n + u64::from(attempt)) % n;
        self.committee.parties().nth(index as usize).unwrap_or(self.me)
    }

    fn range(&self, vote: &Vote) -> Range {
        let batch = BatchId { context: self.context, epoch: self.epoch, number: vote.batch };
        Range { batch, from: vote.from, to: vote.to }
    }

    /// What the voter signs.
    fn signed(&self, votes: &[Vote]) -> [u8; 32] {
        let votes: Vec<_> =
            votes.iter().map(|vote| (self.range(vote), self.session(vote.digest, vote.attempt))).collect();
        ballot_digest(&votes)
    }
}

/// What decryption by `exact` works with.
pub(crate) struct Parts {
    pub(crate) names: Names,
    pub(crate) key: ExactKey,
    pub(crate) masks: MaskKeys,
    /// There once mask keys are in force.
    pub(crate) stock: Arc<OnceLock<Stock>>,
    pub(crate) samples: Arc<Samples>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) seal: CommitteeSeal,
    pub(crate) at_hand: AtHand,
    pub(crate) tasks: Arc<Tasks>,
}

/// All ciphertexts of a node under `exact`. Cheap to clone.
#[derive(Clone)]
pub struct Exact(Arc<Inner>);

struct Inner {
    parts: Parts,
    table: Mutex<Table>,
    slots: Semaphore,
    /// Held while peers are asked for what they said.
    pulling: Arc<Semaphore>,
    /// Ciphertexts without outcome, as the clock last saw them.
    on_their_way: AtomicU32,
    blames: Blames,
    votes: Notify,
    rows: Notify,
    frames: Notify,
}

#[derive(Default)]
struct Table {
    sessions: BTreeMap<SessionId, Session>,
    early: Early,
    queues: Queues,
    computed: u64,
}

/// A ciphertext, the public request behind it and its digits.
type OpenedSession = (SessionId, Arc<Asked>, Vec<u8>);

/// What followed from events and is still to be done.
#[derive(Default)]
struct Queues {
    /// For all peers.
    send: Vec<Part>,
    /// Votes to be cast: ciphertext, attempt, range.
    claims: Vec<(SessionId, u32, Claim)>,
    ended: Vec<EndedSession>,
    opened: Vec<OpenedSession>,
    /// Whose rows are on their way to disk.
    stored: BTreeSet<SessionId>,
    faults: Vec<(Blame, Fault)>,
    computed: u64,
}

impl Queues {
    /// Ciphertexts with rows that are not on disk: until they are, only the table knows what ended.
    fn unstored(&self) -> BTreeSet<SessionId> {
        let ended = self.ended.iter().map(|ended| ended.base);
        let opened = self.opened.iter().map(|(base, ..)| *base);
        ended.chain(opened).chain(self.stored.iter().copied()).collect()
    }
}

/// A ciphertext that is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) base: SessionId,
    pub(crate) wanted: Wanted,
}

impl Exact {
    /// No ciphertext yet.
    pub(crate) fn new(parts: Parts) -> Self {
        let tasks = Arc::clone(&parts.tasks);
        let inner = Arc::new(Inner {
            parts,
            table: Mutex::default(),
            slots: Semaphore::new(EXACT_IN_FLIGHT),
            pulling: Arc::new(Semaphore::new(1)),
            on_their_way: AtomicU32::new(0),
            blames: Blames::default(),
            votes: Notify::new(),
            rows: Notify::new(),
            frames: Notify::new(),
        });
        tasks.spawn(tasks::vote(Arc::clone(&inner)));
        tasks.spawn(tasks::write(Arc::clone(&inner)));
        tasks.spawn(tasks::send(Arc::clone(&inner)));
        tasks.spawn(tasks::tick(Arc::clone(&inner)));
        Self(inner)
    }

    /// The messages of a ciphertext, for a public request: from disk, by joining, or by running it.
    pub(crate) async fn open(
        &self,
        target: Target,
        list: Arc<SwitchedList>,
        asked: Arc<Asked>,
    ) -> Result<Arc<Opened>, Refusal> {
        if let Some(digits) = self.0.digits(target.base) {
            return Ok(Arc::new(Opened { digits, blamed: Vec::new() }));
        }
        let _slot = self.0.slots.acquire().await.map_err(|_| Refusal::Internal("it is stopping"))?;
        let mut opened = self.0.accept(target, list, Some(asked), |session| session.opened.subscribe()).await?;
        self.0.wait(&mut opened).await
    }

    /// Our shares of a ciphertext's messages and the session they belong to, for a user's request.
    pub(crate) async fn share(
        &self,
        target: Target,
        list: Arc<SwitchedList>,
    ) -> Result<(SessionId, Arc<MessageShares>), Refusal> {
        let _slot = self.0.slots.acquire().await.map_err(|_| Refusal::Internal("it is stopping"))?;
        let mut shares = self.0.accept(target, list, None, |session| session.shares.subscribe()).await?;
        let (attempt, shares) = self.0.wait(&mut shares).await?;
        Ok((self.0.parts.names.session(target.wanted.digest, attempt), shares))
    }

    /// A peer's message.
    pub(crate) fn deliver(&self, from: PartyId, message: &PeerMessage) {
        self.0.deliver(from, message);
    }

    /// Everything we said of a ciphertext, running or ended.
    pub(crate) fn message_of(&self, base: SessionId) -> Option<PeerMessage> {
        let parts = self.0.said(base);
        let body = codec::frames(&parts).into_iter().next()?;
        Some(PeerMessage { session: base, body })
    }

    /// The public request behind a ciphertext.
    pub(crate) fn request_of(&self, base: SessionId) -> Option<kms::PublicDecryptRequest> {
        self.0.asked(base)?.message()
    }

    /// A ciphertext of a peer that this node has no request for.
    pub(crate) fn stranger(&self, peer: PartyId) -> Option<SessionId> {
        self.0.stranger(peer)
    }

    /// A peer asks for what we said of a ciphertext, and we have said nothing: it has a request for it.
    pub(crate) fn note_stranger(&self, peer: PartyId, base: SessionId) {
        self.0.note_stranger(peer, base);
    }

    /// Whether this node has said anything about a ciphertext: a permission that lapses before that is void.
    pub(crate) fn has_begun(&self, base: SessionId) -> bool {
        self.0.lock().sessions.get(&base).is_some_and(Session::is_begun)
    }

    /// Ciphertexts without outcome.
    pub(crate) fn running(&self) -> usize {
        self.0.lock().sessions.values().filter(|session| !session.is_done()).count()
    }

    /// Local computations since start.
    pub(crate) fn computed(&self) -> u64 {
        self.0.lock().computed
    }

    /// The newest blames.
    pub(crate) fn blames(&self) -> Vec<Blame> {
        self.0.blames.newest()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on the table, if there are mask keys; what follows from it is under way when this returns.
    fn work<T>(&self, look: impl FnOnce(&Desk<'_>, &mut Table) -> T) -> Option<T> {
        let (stock, masks) = (self.parts.stock.get()?, self.parts.masks.in_force()?);
        let names = &self.parts.names;
        let desk =
            Desk { names, key: &self.parts.key, prss: &masks.keys, stock, now: Instant::now(), load: self.load() };
        let mut table = self.lock();
        let outcome = look(&desk, &mut table);
        let queues = &mut table.queues;
        let faults = std::mem::take(&mut queues.faults);
        let computed = std::mem::take(&mut queues.computed);
        let wake =
            [!queues.claims.is_empty(), !queues.ended.is_empty() || !queues.opened.is_empty(), !queues.send.is_empty()];
        table.computed += computed;
        drop(table);
        (0..computed).for_each(|_| crate::metrics::session_computed());
        for (blame, fault) in faults {
            self.blames.note(blame, &fault);
        }
        for (wake, who) in wake.into_iter().zip([&self.votes, &self.rows, &self.frames]) {
            if wake {
                who.notify_one();
            }
        }
        Some(outcome)
    }

    /// What is on its way here, or waits to be judged, makes everything slower by this.
    fn load(&self) -> Duration {
        let at_hand = self.parts.at_hand.count().min(EXACT_IN_FLIGHT) as u32;
        EXACT_SHARE * self.on_their_way.load(Ordering::Relaxed).max(at_hand)
    }

    fn stored(&self, base: SessionId) -> Option<crate::store::StoredSession> {
        self.parts.store.session(base).unwrap_or_else(|error| {
            tracing::error!(session = %base, %error, "sessions cannot be read");
            None
        })
    }

    /// The public request behind a ciphertext, running or opened.
    fn asked(&self, base: SessionId) -> Option<Arc<Asked>> {
        let running = self.lock().sessions.get(&base).and_then(|session| session.request.clone());
        running.or_else(|| {
            let said = self.stored(base)?.request;
            let found = self.parts.store.request(said).unwrap_or_else(|error| {
                tracing::error!(session = %base, %error, "requests cannot be read");
                None
            });
            found.map(Asked::of)
        })
    }

    fn digits(&self, base: SessionId) -> Option<Vec<u8>> {
        self.stored(base).and_then(|stored| stored.digits)
    }

    /// What is on disk of a ciphertext's attempts.
    fn ended(&self, base: SessionId) -> Vec<EndedSession> {
        let ended = self.parts.stock.get().map(|stock| stock.ended(base));
        ended
            .transpose()
            .unwrap_or_else(|error| {
                tracing::error!(session = %base, %error, "shares cannot be read");
                None
            })
            .unwrap_or_default()
    }

    /// Puts a ciphertext into the table, with what is on disk of it and what peers said early.
    async fn accept<T>(
        &self,
        Target { base, wanted }: Target,
        list: Arc<SwitchedList>,
        request: Option<Arc<Asked>>,
        watch: impl FnOnce(&Session) -> T,
    ) -> Result<T, Refusal> {
        self.parts.masks.wait().await.ok_or(Refusal::Internal("it is stopping"))?;
        while self.parts.stock.get().is_none() {
            tokio::time::sleep(LOOK).await;
        }
        let ended = if self.lock().sessions.contains_key(&base) { Vec::new() } else { self.ended(base) };
        let connected = self.connected();
        let accepted = self.work(|desk, table| {
            let Table { sessions, early, queues, .. } = table;
            let fresh = !sessions.contains_key(&base);
            let session = sessions.entry(base).or_insert_with(|| Session::new(base, wanted.digest, wanted.kind, desk));
            if fresh {
                ended.into_iter().for_each(|ended| session.restore(ended));
            }
            session.finished = None;
            let watched = watch(session);
            session.accept(desk, list, request, queues);
            for (from, heard) in early.take(base) {
                hear(session, desk, (from, heard), queues);
            }
            session.tick(desk, &|party| connected.contains(&party), queues);
            watched
        });
        accepted.ok_or(Refusal::Internal("it has no mask keys"))
    }

    async fn wait<T: Clone>(&self, watched: &mut tokio::sync::watch::Receiver<Option<T>>) -> Result<T, Refusal> {
        let ended = tokio::time::timeout(SESSION_TIME, watched.wait_for(Option::is_some)).await;
        let ended = ended.map_err(|_| Refusal::Internal("the session ended without outcome"))?;
        let ended = ended.map_err(|_| Refusal::Internal("it is stopping"))?;
        ended.clone().ok_or(Refusal::Internal("a session ended without outcome"))
    }

    /// Ourselves, and peers whose last call succeeded.
    fn connected(&self) -> Vec<PartyId> {
        let peers = self.parts.transport.peers().into_iter().filter(|peer| peer.connected);
        peers.map(|peer| peer.party).chain([self.parts.names.me]).collect()
    }

    fn deliver(&self, from: PartyId, message: &PeerMessage) {
        let names = &self.parts.names;
        let parts = match codec::parts(names.committee, &message.body) {
            Ok(parts) => parts,
            Err(error) => {
                tracing::warn!(culprit = %from, %error, "message refused");
                return crate::metrics::peer_refused(from);
            }
        };
        let mut heard = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Part::Word(word) => heard.push((word.base, Heard::Word(word))),
                Part::Ballot(ballot) if ballot.voter == names.me => {}
                Part::Ballot(ballot) => {
                    let bases: Vec<_> = ballot.votes.iter().map(|vote| names.session(vote.digest, 0)).collect();
                    if !self.is_news(&ballot, &bases, message.session) {
                        continue;
                    }
                    if !self.parts.seal.verify(ballot.voter, &names.signed(&ballot.votes), &ballot.signature) {
                        tracing::warn!(culprit = %from, voter = %ballot.voter, "a ballot without its voter's signature");
                        crate::metrics::peer_refused(from);
                        continue;
                    }
                    let vote = |(vote, base): (&Vote, SessionId)| {
                        (base, Heard::Vote(ballot.voter, Some(Arc::clone(&ballot)), *vote))
                    };
                    heard.extend(ballot.votes.iter().zip(bases).map(vote));
                }
            }
        }
        self.work(|desk, Table { sessions, early, queues, .. }| {
            for (base, heard) in heard {
                match sessions.get_mut(&base) {
                    Some(session) => hear(session, desk, (from, heard), queues),
                    None => early.keep(from, base, heard, desk.now),
                }
            }
        });
    }

    /// Whether some vote of a ballot may be of use. A voter's first vote counts until the range is certified, and a signature is dear.
    /// What was asked for is looked at for the ciphertext it was asked for only.
    fn is_news(&self, ballot: &Ballot, bases: &[SessionId], asked: SessionId) -> bool {
        let table = self.lock();
        ballot.votes.iter().zip(bases).any(|(vote, base)| match table.sessions.get(base) {
            Some(session) => session.wants_vote(ballot.voter, vote.attempt),
            None => asked == tasks::FRAME || asked == *base,
        })
    }

    /// What we said of a ciphertext. Votes of before a restart are signed again: the same votes.
    fn said(&self, base: SessionId) -> Vec<Part> {
        let names = &self.parts.names;
        let running =
            self.lock().sessions.get(&base).map(|session| (session.digest, session.parts(), session.unshown(names.me)));
        let (digest, mut parts, unshown) = match running {
            Some(running) => running,
            None => {
                let ended = self.ended(base);
                let Some(digest) = ended.first().map(|ended| ended.digest) else { return Vec::new() };
                let public = self.digits(base).is_some();
                let parts = ended.iter().flat_map(|ended| words(ended, public)).collect();
                let ranges = ended.iter().filter_map(|ended| Some((ended.attempt, ended.range?))).collect();
                (digest, parts, ranges)
            }
        };
        if !unshown.is_empty() {
            let vote = |(attempt, range): (u32, Range)| {
                let Range { batch, from, to } = range;
                Vote { digest, attempt, batch: batch.number, from, to }
            };
            parts.push(Part::Ballot(Arc::new(self.ballot(unshown.into_iter().map(vote).collect()))));
        }
        parts
    }

    fn ballot(&self, votes: Vec<Vote>) -> Ballot {
        let signature = self.parts.seal.sign(&self.parts.names.signed(&votes));
        Ballot { voter: self.parts.names.me, votes, signature }
    }
}

/// The messages of an attempt that ended, as they were sent.
fn words(ended: &EndedSession, public: bool) -> Vec<Part> {
    let word = |what, elements| Part::Word(codec::Word { base: ended.base, attempt: ended.attempt, what, elements });
    let mut words = vec![word(codec::What::Masked, codec::read_elements(&ended.masked))];
    if public {
        let (_, step) = Reveal::start(&ended.shares);
        words.extend(step.send.into_iter().map(|outgoing| word(codec::What::Revealed, outgoing.msg.0)));
    }
    words
}

fn hear(session: &mut Session, desk: &Desk<'_>, (from, heard): (PartyId, Heard), queues: &mut Queues) {
    match heard {
        Heard::Vote(voter, ballot, vote) => session.hear_vote(desk, (voter, ballot), &vote, queues),
        Heard::Word(word) => session.hear_word(desk, from, word, queues),
    }
}
