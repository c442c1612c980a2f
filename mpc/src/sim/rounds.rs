//! The seeded network for protocols in rounds: latency, loss, reordering, outages, absolute deadlines, cheats. What
//! travels are the bytes a node would send, signed; a cheat signs its lies with its own key.

use super::{LATENCY, RESEND, RESENDS, ToySeal};
use crate::codec::Terms;
use crate::fault::{Abort, Fault};
use crate::machine::{Outgoing, To};
use crate::rounds::{InRound, Rounds, Say};
use crate::run::{Run, RunStep};
use crate::sim::lies::{Lie, Lies, Overheard};
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

/// A message that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub tick: u64,
    /// Its sender.
    pub from: PartyId,
    /// Its receiver.
    pub to: PartyId,
    /// The round it is of.
    pub round: u32,
    /// Hash of its bytes: traces are equal only if the contents are.
    pub digest: [u8; 32],
}

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

enum Event<M> {
    Arrival {
        from: PartyId,
        to: PartyId,
        round: u32,
        bytes: Vec<u8>,
    },
    Deadline {
        party: PartyId,
        round: u32,
    },
    /// A cheat that has waited chooses what it says instead of this.
    Choice {
        from: PartyId,
        to: PartyId,
        honest: InRound<M>,
    },
}

struct Queue<M> {
    events: BTreeMap<(u64, u64), Event<M>>,
    count: u64,
}

impl<M> Queue<M> {
    fn push(&mut self, tick: u64, event: Event<M>) {
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

    /// Who takes part.
    #[must_use]
    pub const fn committee(&self) -> Committee {
        self.committee
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
        let mut queue = Queue::<M> { events: BTreeMap::new(), count: 0 };
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
                Event::Deadline { party, .. } | Event::Choice { from: party, .. } => *party,
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
                Event::Choice { from, to, honest } => {
                    for bytes in self.instead(machine, (from, to), &honest) {
                        queue.push(tick, Event::Arrival { from, to, round: honest.round, bytes });
                    }
                    continue;
                }
                Event::Arrival { .. } if self.is_out(party, tick) => continue,
                Event::Arrival { from, to, round, bytes } => {
                    trace.push(Arrival { tick, from, to, round, digest: blake3::hash(&bytes).into() });
                    self.overhear(machine, (from, to), &bytes);
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

    /// What reaches a cheater is known to all of them.
    fn overhear<P: Rounds<Msg = M>>(&mut self, run: &Run<P, ToySeal>, (from, to): (PartyId, PartyId), bytes: &[u8]) {
        if let (true, Some(said)) = (self.cheats.contains_key(&to), run.own_message(bytes)) {
            for cheat in self.cheats.values_mut() {
                cheat.hears(&Overheard { from, to, said: &said });
            }
        }
    }

    /// The frames of a cheater to one party in the place of an honest message.
    fn instead<P: Rounds<Msg = M>>(
        &mut self,
        run: &mut Run<P, ToySeal>,
        (from, to): (PartyId, PartyId),
        honest: &InRound<M>,
    ) -> Vec<Vec<u8>> {
        let Some(cheat) = self.cheats.get_mut(&from) else { return Vec::new() };
        let said = cheat.instead_of(honest, to, &mut self.rng);
        said.into_iter().map(|msg| run.forge(msg.round, msg.msg)).collect()
    }

    fn send<P: Rounds<Msg = M>>(
        &mut self,
        queue: &mut Queue<M>,
        now: u64,
        (from, run): (PartyId, &mut Run<P, ToySeal>),
        sent: Vec<Outgoing<Vec<u8>>>,
    ) {
        if self.is_out(from, now) {
            return;
        }
        for outgoing in sent {
            let Some(honest) = run.own_message(&outgoing.msg) else { continue };
            let round = honest.round;
            let addressed = |to: &PartyId| *to != from && (outgoing.to == To::All || outgoing.to == To::One(*to));
            for to in self.committee.parties().filter(addressed) {
                if self.cheats.get(&from).is_some_and(|cheat| cheat.rushes(to)) {
                    // just before the round ends
                    let last = (self.round * u64::from(round) - 1).max(now + 1);
                    queue.push(last, Event::Choice { from, to, honest: honest.clone() });
                    continue;
                }
                let frames = match self.cheats.contains_key(&from) {
                    true => self.instead(run, (from, to), &honest),
                    false => vec![outgoing.msg.clone()],
                };
                for bytes in frames {
                    let losses = (0..RESENDS).take_while(|_| self.rng.random_range(0..100) < self.loss_percent).count();
                    let latency = self.rng.random_range(1..=LATENCY) + RESEND * losses as u64;
                    queue.push(now + latency, Event::Arrival { from, to, round, bytes });
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
