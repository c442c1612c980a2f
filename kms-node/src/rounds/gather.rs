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
    /// Everyone that is neither evicted nor away. Whoever is not ready for this time is away, once 2t + 1 of us find so.
    Present(Option<Duration>),
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
    /// The agreed standing; who is away counts as evicted in this run.
    pub standing: Standing,
    /// Who is evicted in this run only.
    pub away: Vec<PartyId>,
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

/// A wish, and the run it is for.
struct Aim {
    wish: Wish,
    /// With those that are away.
    standing: Standing,
    session: SessionId,
}

/// Leaves a party out without a change in carefulness.
fn left_out(mut standing: Standing, party: PartyId) -> Standing {
    let careful = standing.careful;
    standing.evict(party);
    standing.careful = careful;
    standing
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
        let mut missing = BTreeMap::new();
        let mut aim = self.aim(&self.lock(), call, number);
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
                self.find_away(&mut state, call, &mut missing);
                aim = self.aim(&state, call, number);
            }
            let go = state.peers.values().filter(|peer| peer.going == Some(aim.session)).count();
            let threshold = self.committee.threshold();
            let away: Vec<_> = state.away.iter().copied().collect();
            match going {
                None if go > threshold.faults() || self.complete(&state, &aim, (call, called)) => {
                    drop(state);
                    // Before anybody hears of it: a number is used once, whatever happens now
                    (call.burn)(number)?;
                    going = Some(Instant::now());
                    let (wish, session) = (Some(aim.wish.clone()), Some(aim.session));
                    self.tell(|own| (own.wish, own.going, own.away) = (wish, session, away));
                    continue;
                }
                Some(_) if go + 1 >= threshold.quorum() => {
                    let absent = self.absent(&state, &aim);
                    drop(state);
                    self.open(aim.session);
                    let Aim { wish: Wish { away, .. }, standing, session } = aim;
                    return Ok(Begun { number, standing, away, session, absent });
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
            let wish = Some(aim.wish.clone());
            self.tell(|own| (own.wish, own.away) = (wish, away));
            // Bounded: timers of ours count as well as a peer's word
            self.wait_past(version, STAND_IDLE / 10);
        }
    }

    /// What we wish as things stand.
    fn aim(&self, state: &State, call: &Call<'_>, number: u64) -> Aim {
        let standing = self.agreed(state, call);
        let away = self.agreed_away(state, &standing);
        let wish = Wish { kind: call.kind, number, standing: standing.clone(), away };
        let standing = wish.away.iter().fold(standing, |standing, party| left_out(standing, *party));
        let session = (call.session)(number, &standing);
        Aim { wish, standing, session }
    }

    /// Takes note of who is ready, and who has not been for too long. A peer counts as ready by its own word alone, so
    /// nobody can make an honest one seem away.
    fn find_away(&self, state: &mut State, call: &Call<'_>, missing: &mut BTreeMap<PartyId, Instant>) {
        let Needed::Present(Some(patience)) = call.needed else { return };
        for party in self.committee.parties().filter(|party| *party != self.me) {
            let wishes = |stand: &Stand| stand.wish.as_ref().is_some_and(|wish| wish.kind == call.kind);
            if state.peers.get(&party).is_some_and(|stand| stand.going.is_some() || wishes(stand)) {
                missing.remove(&party);
                if state.away.remove(&party) {
                    tracing::info!(%party, "the peer is back: it is waited for again");
                }
            } else if missing.entry(party).or_insert_with(Instant::now).elapsed() >= patience
                && state.away.insert(party)
            {
                tracing::warn!(%party, "the peer is away: batches begin without it as soon as 2t + 1 nodes find so");
            }
        }
    }

    /// Who is left out of a run: whom 2t + 1 of us find away, t + 1 honest ones among them; nobody if they are more than t
    /// together with the evicted.
    fn agreed_away(&self, state: &State, standing: &Standing) -> Vec<PartyId> {
        let threshold = self.committee.threshold();
        let say = |party: &PartyId| {
            let peers = state.peers.values().filter(|stand| stand.away.contains(party)).count();
            peers + usize::from(state.away.contains(party))
        };
        let found = |party: &PartyId| !standing.evicted.contains(party) && say(party) >= threshold.quorum();
        let away: Vec<_> = self.committee.parties().filter(found).collect();
        if away.len() + standing.evicted.len() > threshold.faults() { Vec::new() } else { away }
    }

    /// Peers that are ready for the same, or have begun it.
    fn ready(&self, state: &State, aim: &Aim) -> Vec<PartyId> {
        let same = |stand: &Stand| stand.wish.as_ref() == Some(&aim.wish) || stand.going == Some(aim.session);
        state.peers.iter().filter(|(_, stand)| same(stand)).map(|(party, _)| *party).collect()
    }

    fn absent(&self, state: &State, aim: &Aim) -> Vec<PartyId> {
        let ready = self.ready(state, aim);
        self.committee.parties().filter(|party| *party != self.me && !ready.contains(party)).collect()
    }

    fn complete(&self, state: &State, aim: &Aim, (call, called): (&Call<'_>, Instant)) -> bool {
        let absent = self.absent(state, aim);
        let here = self.committee.size() - absent.len();
        match call.needed {
            Needed::Present(_) => absent.iter().all(|party| aim.standing.evicted.contains(party)),
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
                standing = left_out(standing, party);
            }
        }
        let careful = others().filter(|standing| standing.careful).count() + usize::from(call.standing.careful);
        standing.careful = careful >= enough;
        standing
    }
}
