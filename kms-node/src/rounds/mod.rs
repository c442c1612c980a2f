//! Protocols in rounds between nodes: who is ready, when a run begins, whose frames belong to it, when a round is over.
//! `docs/protocol/sessions.md` numbers the steps.
//!
//! One run at a time. Its machine works on a thread of its own ([`drive`]); the frames of peers wait in bounded
//! mailboxes. Timers are this module's: `tkms_mpc` knows no clock.

mod drive;
mod gather;
mod seal;
mod stand;

pub use drive::{Driver, Ended};
pub use gather::{Begun, Call, Needed, NotBegun};
pub use seal::CommitteeSeal;
pub use stand::{Counters, Kind, Stand, Wish, evicted_mask, evicted_of};

use crate::limits::{BLAMES, EARLY_FRAME_BYTES, EARLY_FRAMES, MAILBOX_FRAMES, STAND_IDLE, STAND_RETRY};
use crate::stock::Ledger;
use crate::transport::{RoundFrame, Transport};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tkms_mpc::exhibit::Shown;
use tkms_mpc::fault::Fault;
use tkms_types::{Committee, PartyId, SessionId};
use tkms_wire::answer::Blame;
use tokio::sync::watch;

/// What this node knows of its peers' stands and frames. Shared by the transport's tasks and the thread of the runs.
pub struct Hub {
    me: PartyId,
    committee: Committee,
    state: Mutex<State>,
    changed: Condvar,
    own: watch::Sender<Stand>,
}

#[derive(Default)]
struct State {
    peers: BTreeMap<PartyId, Stand>,
    /// What peers said they had seen of us, since our start.
    claims: BTreeMap<PartyId, Counters>,
    /// The highest we have seen of peers, ever.
    seen: BTreeMap<PartyId, Counters>,
    open: Option<Open>,
    early: BTreeMap<PartyId, Early>,
    /// How often each peer has lifted our number on its word alone since a run ended well.
    lifts: BTreeMap<PartyId, u32>,
    blames: VecDeque<Blame>,
    /// What the run in progress, or the last one, can show to third parties.
    shown: Vec<Shown>,
    /// Counts what was heard: a wait that began before does not miss it.
    version: u64,
    stopped: bool,
}

/// Frames of the run in progress.
struct Open {
    session: SessionId,
    frames: BTreeMap<PartyId, VecDeque<Bytes>>,
}

/// Frames of a run that a peer has begun before us.
struct Early {
    session: SessionId,
    frames: VecDeque<Bytes>,
}

impl Hub {
    /// Knows nobody yet, but what it had seen of its peers before.
    #[must_use]
    pub fn new(me: PartyId, committee: Committee, seen: BTreeMap<PartyId, Counters>) -> Arc<Self> {
        let state = Mutex::new(State { seen, ..State::default() });
        Arc::new(Self { me, committee, state, changed: Condvar::new(), own: watch::Sender::new(Stand::default()) })
    }

    /// This node.
    #[must_use]
    pub const fn me(&self) -> PartyId {
        self.me
    }

    /// Its committee.
    #[must_use]
    pub const fn committee(&self) -> Committee {
        self.committee
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends every wait, for good.
    pub fn stop(&self) {
        self.lock().stopped = true;
        self.heard();
    }

    fn heard(&self) {
        self.lock().version += 1;
        self.changed.notify_all();
    }

    /// Whether it was stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Waits until a peer says something new, at most so long.
    pub fn pause(&self, time: Duration) {
        let version = self.lock().version;
        self.wait_past(version, time);
    }

    /// The same, counted from an earlier look.
    fn wait_past(&self, version: u64, time: Duration) {
        let same = |state: &mut State| !state.stopped && state.version == version;
        drop(self.changed.wait_timeout_while(self.lock(), time, same));
    }

    /// Changes what is told to the peers.
    pub fn tell(&self, change: impl FnOnce(&mut Stand)) {
        self.own.send_if_modified(|own| {
            let before = own.clone();
            change(own);
            *own != before
        });
    }

    /// What this node tells a peer now.
    #[must_use]
    pub fn stand_for(&self, peer: PartyId) -> Stand {
        let yours = self.lock().seen.get(&peer).copied().unwrap_or_default();
        Stand { yours, ..self.own.borrow().clone() }
    }

    /// A peer told how it stands. Returns its counters if they are higher than any seen before: to be stored.
    pub fn note(&self, peer: PartyId, stand: Stand) -> Option<Counters> {
        let mut state = self.lock();
        let seen = state.seen.get(&peer).copied().unwrap_or_default();
        let highest = seen.highest(stand.own);
        state.claims.insert(peer, stand.yours);
        state.seen.insert(peer, highest);
        let changed = state.peers.insert(peer, stand.clone()).as_ref() != Some(&stand);
        drop(state);
        if changed {
            self.heard();
        }
        (highest != seen).then_some(highest)
    }

    /// A peer does not answer: what it said no longer counts.
    fn lost(&self, peer: PartyId) {
        self.lock().peers.remove(&peer);
    }

    /// How the peers stand that answer.
    #[must_use]
    pub fn peers(&self) -> BTreeMap<PartyId, Stand> {
        self.lock().peers.clone()
    }

    /// What peers said since our start they had seen of us.
    #[must_use]
    pub fn claims(&self) -> Vec<Counters> {
        self.lock().claims.values().copied().collect()
    }

    /// Takes a frame into the mailbox of its run; `false` if there is none, or no room.
    pub fn deliver(&self, from: PartyId, frame: RoundFrame) -> bool {
        let mut state = self.lock();
        if let Some(open) = state.open.as_mut().filter(|open| open.session == frame.session) {
            let waiting = open.frames.entry(from).or_default();
            let room = waiting.len() < MAILBOX_FRAMES;
            if room {
                waiting.push_back(frame.bytes);
            }
            drop(state);
            self.changed.notify_all();
            return room;
        }
        let fresh = || Early { session: frame.session, frames: VecDeque::new() };
        let early = state.early.entry(from).or_insert_with(fresh);
        if early.session != frame.session {
            *early = fresh();
        }
        let bytes: usize = early.frames.iter().map(Bytes::len).sum();
        let room = early.frames.len() < EARLY_FRAMES && bytes + frame.bytes.len() <= EARLY_FRAME_BYTES;
        if room {
            early.frames.push_back(frame.bytes);
        }
        room
    }

    /// Opens the mailbox of a run, with what came early.
    fn open(&self, session: SessionId) {
        let mut state = self.lock();
        let early = std::mem::take(&mut state.early).into_iter().filter(|(_, early)| early.session == session);
        let frames = early.map(|(party, early)| (party, early.frames)).collect();
        state.open = Some(Open { session, frames });
        state.shown.clear();
    }

    fn close(&self) {
        self.lock().open = None;
    }

    /// Says a fault once, with the culprit, and keeps it for `Info`.
    pub fn blame(&self, session: SessionId, fault: &Fault) {
        tracing::warn!(culprit = %fault.culprit, %session, %fault, "peer departed from the protocol");
        crate::metrics::fault(fault.culprit);
        let mut state = self.lock();
        if state.blames.len() >= BLAMES {
            state.blames.pop_front();
        }
        state.blames.push_back(Blame { party: fault.culprit, step: format!("{:?}", fault.step), session });
    }

    /// Keeps what convicts somebody before third parties. A run has one piece for each party, and its words.
    fn show(&self, shown: Shown) {
        self.lock().shown.push(shown);
    }

    /// What the last run can show.
    #[must_use]
    pub fn take_shown(&self) -> Vec<Shown> {
        std::mem::take(&mut self.lock().shown)
    }

    /// The newest blames.
    #[must_use]
    pub fn blames(&self) -> Vec<Blame> {
        self.lock().blames.iter().cloned().collect()
    }

    /// Tells one peer how this node stands whenever that changes, and hears how the peer does, until cancelled.
    pub async fn keep_in_touch(self: Arc<Self>, transport: Arc<dyn Transport>, peer: PartyId, ledger: Ledger) {
        let mut own = self.own.subscribe();
        loop {
            own.mark_unchanged();
            let pause = match transport.meet(peer, self.stand_for(peer)).await {
                Ok(stand) => {
                    if let Some(counters) = self.note(peer, stand) {
                        ledger.saw_or_log(peer, counters).await;
                    }
                    STAND_IDLE
                }
                Err(error) => {
                    tracing::trace!(%peer, %error, "stand not told");
                    self.lost(peer);
                    STAND_RETRY
                }
            };
            // Its sender is our own field: it does not end before us
            drop(tokio::time::timeout(pause, own.changed()).await);
        }
    }

    /// The next frame of the open run; `None` at the deadline or when stopped.
    fn next_frame(&self, deadline: Instant) -> Option<(PartyId, Bytes)> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            let open = state.open.as_mut()?;
            let next = open.frames.iter_mut().find_map(|(party, frames)| Some((*party, frames.pop_front()?)));
            if next.is_some() {
                return next;
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
