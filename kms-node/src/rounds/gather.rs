//! Beginning a run together (steps 1 to 4 of `docs/protocol/sessions.md`): nodes start in any order, and none of them
//! may be taken for silent because it is slow to start.

use super::{Hub, Kind, Stand, State, Wish};
use crate::limits::{GO_TIME, MAX_LIFT, MAX_LIFTS, STAND_IDLE};
use crate::store::StoreError;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tkms_mpc::preprocessing::Standing;
use tkms_types::{PartyId, SessionId};

/// Who has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// Everyone that is not evicted.
    All,
    /// Everyone, or after this time 2t + 1 of us.
    QuorumAfter(Duration),
}

/// Names the session of a number under a standing.
pub type SessionOf<'a> = &'a dyn Fn(u64, &Standing) -> SessionId;
/// Stores that a number is used, before anybody is told that we begin.
pub type Burn<'a> = &'a dyn Fn(u64) -> Result<(), StoreError>;
/// Looks at the peers and says whether the wish is void.
pub type Abandon<'a> = &'a dyn Fn(&BTreeMap<PartyId, Stand>) -> bool;

/// What a node wants to begin.
pub struct Call<'a> {
    /// What for.
    pub kind: Kind,
    /// Our next number: no lower one is ever used.
    pub number: u64,
    /// Our standing.
    pub standing: Standing,
    /// Who has to be there.
    pub needed: Needed,
    /// See the type.
    pub session: SessionOf<'a>,
    /// See the type.
    pub burn: Burn<'a>,
    /// See the type. Not asked once we have said that we begin.
    pub abandon: Abandon<'a>,
}

/// A run that 2t + 1 begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The agreed number.
    pub number: u64,
    /// The agreed standing.
    pub standing: Standing,
    /// Its session.
    pub session: SessionId,
    /// Who had not said that it is ready.
    pub absent: Vec<PartyId>,
}

/// Why nothing begins.
#[derive(Debug, thiserror::Error)]
pub enum NotBegun {
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopped,
    /// The wish is void.
    #[error("there is no longer a reason to begin")]
    Abandoned,
    /// The number could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Hub {
    /// Waits until the committee begins what is called for, and opens its mailbox.
    ///
    /// # Errors
    /// [`NotBegun`].
    pub fn gather(&self, call: &Call<'_>) -> Result<Begun, NotBegun> {
        let outcome = self.meet_up(call);
        self.tell(|own| own.wish = None);
        if outcome.is_err() {
            self.tell(|own| own.going = None);
        }
        outcome
    }

    /// A run ended; numbers lifted on a peer's word alone are forgiven if it ended well.
    pub fn ended(&self, well: bool) {
        self.tell(|own| own.going = None);
        if well {
            self.lock().lifts.clear();
        }
    }

    fn meet_up(&self, call: &Call<'_>) -> Result<Begun, NotBegun> {
        let called = Instant::now();
        let (mut number, mut going): (u64, Option<Instant>) = (call.number, None);
        loop {
            let mut state = self.lock();
            let version = state.version;
            if state.stopped {
                return Err(NotBegun::Stopped);
            }
            if going.is_none() {
                if (call.abandon)(&state.peers) {
                    return Err(NotBegun::Abandoned);
                }
                number = self.lifted(&mut state, call.kind, number);
            }
            let standing = self.agreed(&state, call);
            let session = (call.session)(number, &standing);
            let wish = Wish { kind: call.kind, number, standing: standing.clone() };
            let go = state.peers.values().filter(|peer| peer.going == Some(session)).count();
            let threshold = self.committee.threshold();
            match going {
                None if go > threshold.faults() || self.complete(&state, &wish, session, (call, called)) => {
                    drop(state);
                    // Before anybody hears of it: a number is used once, whatever happens now
                    (call.burn)(number)?;
                    going = Some(Instant::now());
                    self.tell(|own| (own.wish, own.going) = (Some(wish), Some(session)));
                    continue;
                }
                Some(_) if go + 1 >= threshold.quorum() => {
                    let absent = self.absent(&state, &wish, session);
                    drop(state);
                    self.open(session);
                    return Ok(Begun { number, standing, session, absent });
                }
                Some(since) if since.elapsed() > GO_TIME => {
                    (number, going) = (number + 1, None);
                    drop(state);
                    self.tell(|own| own.going = None);
                    continue;
                }
                _ => {}
            }
            drop(state);
            self.tell(|own| own.wish = Some(wish));
            // Bounded: timers of ours count as well as a peer's word
            self.wait_past(version, STAND_IDLE / 10);
        }
    }

    /// Peers that are ready for the same, or have begun it.
    fn ready(&self, state: &State, wish: &Wish, session: SessionId) -> Vec<PartyId> {
        let same = |stand: &Stand| stand.wish.as_ref() == Some(wish) || stand.going == Some(session);
        state.peers.iter().filter(|(_, stand)| same(stand)).map(|(party, _)| *party).collect()
    }

    fn absent(&self, state: &State, wish: &Wish, session: SessionId) -> Vec<PartyId> {
        let ready = self.ready(state, wish, session);
        self.committee.parties().filter(|party| *party != self.me && !ready.contains(party)).collect()
    }

    fn complete(&self, state: &State, wish: &Wish, session: SessionId, (call, called): (&Call<'_>, Instant)) -> bool {
        let absent = self.absent(state, wish, session);
        let here = self.committee.size() - absent.len();
        match call.needed {
            Needed::All => absent.iter().all(|party| wish.standing.evicted.contains(party)),
            Needed::QuorumAfter(time) => {
                absent.is_empty() || (called.elapsed() >= time && here >= self.committee.threshold().quorum())
            }
        }
    }

    /// The highest number that t + 1 of us support, or, a few times, that one peer names: it may have burnt the others.
    fn lifted(&self, state: &mut State, kind: Kind, number: u64) -> u64 {
        let wishes = state.peers.iter().filter_map(|(party, stand)| Some((*party, stand.wish.as_ref()?)));
        let named: Vec<_> = wishes.filter(|(_, wish)| wish.kind == kind).map(|(p, wish)| (p, wish.number)).collect();
        let mut sorted: Vec<u64> = named.iter().map(|(_, number)| *number).chain([number]).collect();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        let supported = sorted.get(self.committee.threshold().faults()).copied().unwrap_or(number).max(number);
        let mut highest = supported;
        for (party, named) in named {
            if named <= highest || named - supported > MAX_LIFT {
                continue;
            }
            let lifts = state.lifts.entry(party).or_default();
            if *lifts < MAX_LIFTS {
                *lifts += 1;
                highest = named;
            }
        }
        highest
    }

    /// Our standing, and what t + 1 of us hold: one of them is honest, and convictions are just.
    fn agreed(&self, state: &State, call: &Call<'_>) -> Standing {
        let others = || {
            let wishes = state.peers.values().filter_map(|stand| stand.wish.as_ref());
            wishes.filter(|wish| wish.kind == call.kind).map(|wish| &wish.standing)
        };
        let enough = self.committee.threshold().faults() + 1;
        let mut standing = call.standing.clone();
        for party in self.committee.parties() {
            if others().filter(|standing| standing.evicted.contains(&party)).count() >= enough {
                let careful = standing.careful;
                standing.evict(party);
                standing.careful = careful;
            }
        }
        let careful = others().filter(|standing| standing.careful).count() + usize::from(call.standing.careful);
        standing.careful = careful >= enough;
        standing
    }
}
