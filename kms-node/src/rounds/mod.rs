//! Protocols in rounds between nodes: who is ready, when a run begins, whose frames belong to it, when a round is over.
//! `docs/protocol/sessions.md` numbers the steps.
//!
//! One run at a time. Its machine works on a thread of its own ([`drive`]); the frames of peers wait in bounded
//! mailboxes. Timers are this module's: `tkms_mpc` knows no clock.

mod drive;
mod gather;
mod marks;
mod seal;
mod stand;

pub use drive::{Driver, Ended};
pub use gather::{Begun, Call, Needed, NotBegun};
pub use marks::Notary;
pub use seal::CommitteeSeal;
pub use stand::{Kind, Stage, Stand, Wish, mask_of, parties_of};
pub use tkms_mpc::preprocessing::{Counters, Mark};

use crate::limits::{BLAMES, EARLY_FRAME_BYTES, EARLY_FRAMES, MAILBOX_FRAMES, STAND_IDLE, STAND_RETRY};
use crate::transport::{RoundFrame, Transport};
use bytes::Bytes;
use marks::Marks;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
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
    notary: Notary,
    own: watch::Sender<Stand>,
}

#[derive(Default)]
struct State {
    peers: BTreeMap<PartyId, Stand>,
    marks: Marks,
    /// Peers that were not ready for so long that batches should go on without them, until they are.
    away: BTreeSet<PartyId>,
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

/// Frames of the run in progress, with the time each came.
struct Open {
    session: SessionId,
    frames: BTreeMap<PartyId, VecDeque<(Instant, Bytes)>>,
    /// Whose frame was taken last.
    served: Option<PartyId>,
}

impl Open {
    /// The next frame that came in time, in turns: nobody is heard twice while somebody else waits.
    fn next(&mut self, deadline: Instant) -> Option<(PartyId, Bytes)> {
        let waits = |(party, frames): (&PartyId, &VecDeque<(Instant, Bytes)>)| {
            frames.front().is_some_and(|(came, _)| *came <= deadline).then_some(*party)
        };
        let after = self.frames.range((self.served.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        let party = after.chain(&self.frames).find_map(waits)?;
        self.served = Some(party);
        let (_, frame) = self.frames.get_mut(&party)?.pop_front()?;
        Some((party, frame))
    }
}

/// Frames of a run that a peer has begun before us.
struct Early {
    session: SessionId,
    frames: VecDeque<Bytes>,
}

impl Hub {
    /// Knows nobody yet, but what it had seen of its peers before.
    #[must_use]
    pub fn new(me: PartyId, committee: Committee, notary: Notary, seen: BTreeMap<PartyId, Mark>) -> Arc<Self> {
        let state = Mutex::new(State { marks: Marks { seen, ..Marks::default() }, ..State::default() });
        let own = watch::Sender::new(Stand::default());
        Arc::new(Self { me, committee, state, changed: Condvar::new(), notary, own })
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
        let yours = self.lock().marks.seen.get(&peer).copied();
        Stand { yours, ..self.own.borrow().clone() }
    }

    /// A peer told how it stands.
    pub fn note(&self, peer: PartyId, stand: Stand) {
        self.note_marks(peer, &stand);
        let changed = self.lock().peers.insert(peer, stand.clone()).as_ref() != Some(&stand);
        if changed {
            self.heard();
        }
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

    /// Peers that are away, as this node tells.
    #[must_use]
    pub fn away(&self) -> Vec<PartyId> {
        self.own.borrow().away.clone()
    }

    /// Takes a frame into the mailbox of its run; `false` if there is none, or no room.
    pub fn deliver(&self, from: PartyId, frame: RoundFrame) -> bool {
        let mut state = self.lock();
        if let Some(open) = state.open.as_mut().filter(|open| open.session == frame.session) {
            let waiting = open.frames.entry(from).or_default();
            let room = waiting.len() < MAILBOX_FRAMES;
            if room {
                waiting.push_back((Instant::now(), frame.bytes));
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
        let now = Instant::now();
        let stamped = |early: Early| early.frames.into_iter().map(|frame| (now, frame)).collect();
        let frames = early.map(|(party, early)| (party, stamped(early))).collect();
        state.open = Some(Open { session, frames, served: None });
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
    pub async fn keep_in_touch(self: Arc<Self>, transport: Arc<dyn Transport>, peer: PartyId) {
        let mut own = self.own.subscribe();
        loop {
            own.mark_unchanged();
            let pause = match transport.meet(peer, self.stand_for(peer)).await {
                Ok(stand) => {
                    self.note(peer, stand);
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

    /// The next frame of the open run, in turns between the peers; `None` when stopped, and at the deadline once all that
    /// came before it is read. Mailboxes are bounded: whoever goes on talking does not keep a round from ending.
    fn next_frame(&self, deadline: Instant) -> Option<(PartyId, Bytes)> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            let next = state.open.as_mut()?.next(deadline);
            if next.is_some() {
                return next;
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests;
