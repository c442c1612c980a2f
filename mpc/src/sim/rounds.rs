//! The seeded network for protocols in rounds: latency, loss, reordering, outages, absolute deadlines, cheats. What
//! travels are the bytes a node would send, signed; a cheat signs its lies with its own key.

use super::{LATENCY, RESEND, RESENDS, ToySeal};
use crate::codec::Terms;
use crate::fault::{Abort, Fault};
use crate::machine::{Outgoing, To};
use crate::rounds::{Rounds, Say};
use crate::run::{Run, RunStep};
use crate::sim::lies::{Lie, Lies};
use crate::statement::{SignedEvidence, SignedWords};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use std::collections::BTreeMap;
use std::ops::Range;
use tkms_types::{Committee, CommitteeError, PartyId};

/// Ticks of a round: the worst latency after all losses, and the spread of starts.
pub const ROUND: u64 = 2 * LATENCY + RESEND * RESENDS;

/// A plan of one synchronous run among a committee.
pub struct SyncRun<M> {
    committee: Committee,
    rng: ChaCha20Rng,
    loss_percent: u32,
    round: u64,
    cheats: BTreeMap<PartyId, Box<dyn Lies<M>>>,
    outages: BTreeMap<PartyId, Range<u64>>,
}

/// A message that arrived: tick, sender, receiver, round.
pub type Arrival = (u64, PartyId, PartyId, u32);

/// How a run ended for one party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncEnding<O> {
    /// Its result.
    pub output: Option<O>,
    /// Whom it blamed.
    pub faults: Vec<Fault>,
    /// What it could show to others.
    pub evidence: Vec<SignedEvidence>,
    /// The values of its last broadcast, signed.
    pub values: Vec<SignedWords>,
    /// If it has no result: its report when it was told to give up.
    pub abort: Option<Abort>,
}

/// Everything that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncReport<O> {
    /// By party index.
    pub endings: Vec<SyncEnding<O>>,
    /// Every arrival, in order.
    pub trace: Vec<Arrival>,
    /// What evidence is checked against.
    pub terms: Option<Terms>,
}

enum Event {
    Arrival { from: PartyId, to: PartyId, round: u32, bytes: Vec<u8> },
    Deadline { party: PartyId, round: u32 },
}

struct Queue {
    events: BTreeMap<(u64, u64), Event>,
    count: u64,
}

impl Queue {
    fn push(&mut self, tick: u64, event: Event) {
        // the count keeps events of one tick apart, in the order of sending
        self.count += 1;
        self.events.insert((tick, self.count), event);
    }
}

impl<M: Lie> SyncRun<M> {
    /// A run in which all are honest and no message is lost.
    ///
    /// # Errors
    /// [`CommitteeError`] if there is no committee of `n`.
    pub fn new(n: usize, seed: u64) -> Result<Self, CommitteeError> {
        Ok(Self {
            committee: Committee::new(n)?,
            rng: ChaCha20Rng::seed_from_u64(seed),
            loss_percent: 0,
            round: ROUND,
            cheats: BTreeMap::new(),
            outages: BTreeMap::new(),
        })
    }

    /// This party cheats.
    #[must_use]
    pub fn cheat(mut self, party: PartyId, cheat: impl Lies<M> + 'static) -> Self {
        self.cheats.insert(party, Box::new(cheat));
        self
    }

    /// This party neither hears nor speaks in these ticks; it comes back with its state.
    #[must_use]
    pub fn outage(mut self, party: PartyId, ticks: Range<u64>) -> Self {
        self.outages.insert(party, ticks);
        self
    }

    /// So many of a hundred transmissions are lost; the transport sends again.
    #[must_use]
    pub const fn lossy(mut self, percent: u32) -> Self {
        self.loss_percent = percent;
        self
    }

    /// Deadlines come after so many ticks: with fewer than [`ROUND`] the network is not synchronous.
    #[must_use]
    pub const fn hasty(mut self, ticks: u64) -> Self {
        self.round = ticks;
        self
    }

    /// Runs it: `start` makes what each party's constructor gives.
    #[must_use]
    pub fn run<P: Rounds<Msg = M>>(
        mut self,
        mut start: impl FnMut(PartyId, &mut ChaCha20Rng) -> (P, Say<M>),
    ) -> SyncReport<P::Output> {
        let mut queue = Queue { events: BTreeMap::new(), count: 0 };
        let mut machines = Vec::new();
        for party in self.committee.parties() {
            let tick = self.rng.random_range(0..LATENCY);
            let (protocol, first) = start(party, &mut self.rng);
            let (mut machine, step) = Run::start(protocol, first, ToySeal(party));
            let mut ending =
                SyncEnding { output: None, faults: Vec::new(), evidence: Vec::new(), values: Vec::new(), abort: None };
            let send = ending.note(step);
            self.send(&mut queue, tick, (party, &mut machine), send);
            queue.push(self.round, Event::Deadline { party, round: 1 });
            machines.push((machine, ending));
        }
        let terms = machines.first().map(|(machine, _)| *machine.terms());
        let mut trace = Vec::new();
        while let Some(((tick, _), event)) = queue.events.pop_first() {
            let party = match &event {
                Event::Arrival { to, .. } => *to,
                Event::Deadline { party, .. } => *party,
            };
            let Some((machine, ending)) = machines.get_mut(party.index()) else { continue };
            let step = match event {
                Event::Deadline { party, round } => {
                    if machine.is_done() {
                        continue;
                    }
                    queue.push(self.round * u64::from(round + 1), Event::Deadline { party, round: round + 1 });
                    if machine.round() != round {
                        continue;
                    }
                    machine.round_over()
                }
                Event::Arrival { .. } if self.is_out(party, tick) => continue,
                Event::Arrival { from, to, round, bytes } => {
                    trace.push((tick, from, to, round));
                    machine.receive(from, &bytes)
                }
            };
            let send = ending.note(step);
            self.send(&mut queue, tick, (party, machine), send);
        }
        let endings = machines.into_iter().map(|(mut machine, mut ending)| {
            ending.evidence = machine.take_evidence();
            ending.values = machine.signed_values().to_vec();
            ending.abort = (!machine.is_done()).then(|| machine.give_up());
            ending
        });
        SyncReport { endings: endings.collect(), trace, terms }
    }

    fn is_out(&self, party: PartyId, tick: u64) -> bool {
        self.outages.get(&party).is_some_and(|ticks| ticks.contains(&tick))
    }

    fn send<P: Rounds<Msg = M>>(
        &mut self,
        queue: &mut Queue,
        now: u64,
        (from, run): (PartyId, &mut Run<P, ToySeal>),
        sent: Vec<Outgoing<Vec<u8>>>,
    ) {
        for outgoing in sent {
            let Some(honest) = run.own_message(&outgoing.msg) else { continue };
            let round = honest.round;
            let addressed = |to: &PartyId| *to != from && (outgoing.to == To::All || outgoing.to == To::One(*to));
            for to in self.committee.parties().filter(addressed) {
                let said = match self.cheats.get_mut(&from) {
                    Some(cheat) => cheat.instead_of(&honest, to, &mut self.rng),
                    None => Vec::new(),
                };
                let mut frames: Vec<_> = said.into_iter().map(|msg| run.forge(msg.round, msg.msg)).collect();
                if !self.cheats.contains_key(&from) {
                    frames.push(outgoing.msg.clone());
                }
                let rushes = self.cheats.get(&from).is_some_and(|cheat| cheat.rushes());
                for bytes in frames {
                    let losses = (0..RESENDS).take_while(|_| self.rng.random_range(0..100) < self.loss_percent).count();
                    let latency = self.rng.random_range(1..=LATENCY) + RESEND * losses as u64;
                    let deadline = self.round * u64::from(round);
                    // one that rushes speaks last, just before the round ends
                    let tick = if rushes { (deadline - 1).max(now + 1) } else { now + latency };
                    if !self.is_out(from, now) {
                        queue.push(tick, Event::Arrival { from, to, round, bytes });
                    }
                }
            }
        }
    }
}

impl<O> SyncEnding<O> {
    fn note(&mut self, step: RunStep<O>) -> Vec<Outgoing<Vec<u8>>> {
        self.faults.extend(step.faults);
        if step.output.is_some() {
            self.output = step.output;
        }
        step.send
    }
}
