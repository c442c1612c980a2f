//! An asynchronous network for any machine: seeded latency, loss and reordering, parties that cheat in one of their rounds.

use rand::Rng;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::collections::BTreeMap;
use tkms_mpc::exact::{Masked, OnDemandMsg, Revealed};
use tkms_mpc::fault::{Abort, Fault};
use tkms_mpc::machine::{Machine, Outgoing, Step, To};
use tkms_mpc::ring::{Gr16, Ring};
use tkms_types::PartyId;

const LATENCY: u64 = 50;
const RESEND: u64 = 80;

/// What a party does instead of the protocol, in one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cheat {
    /// The same wrong share to everybody, some time later.
    BadShare(u64),
    /// Nothing.
    Silent,
    /// One share too many.
    TooLong,
    /// None at all.
    Empty,
    /// Other random shares to every peer.
    Equivocate,
    /// A wrong share to the parties up to this number only.
    Selective(u8),
    /// The truth, and something else much later.
    ChangeOfMind,
    /// The truth, three times.
    Repeat,
    /// The truth, after everything else has been said.
    Late,
    /// The truth to the parties up to this number, then it crashes.
    Crash(u8),
    /// Its message of another session.
    Replay,
    /// All liars on one other polynomial, through as many honest shares as it can have: the closest lie there is.
    Collude,
}

pub const CHEATS: [Cheat; 13] = [
    Cheat::BadShare(0),
    Cheat::BadShare(10_000),
    Cheat::Silent,
    Cheat::TooLong,
    Cheat::Empty,
    Cheat::Equivocate,
    Cheat::Selective(2),
    Cheat::ChangeOfMind,
    Cheat::Repeat,
    Cheat::Late,
    Cheat::Crash(2),
    Cheat::Replay,
    Cheat::Collude,
];

/// What of a message can be falsified.
pub trait Shares: Clone + PartialEq {
    /// The round it belongs to.
    fn round(&self) -> u32;
    fn shares(&mut self) -> &mut Vec<Gr16>;
    /// Degree of what is opened, in t.
    fn degree(&self) -> usize {
        1
    }
}

impl Shares for Masked {
    fn round(&self) -> u32 {
        1
    }
    fn shares(&mut self) -> &mut Vec<Gr16> {
        &mut self.0
    }
}

impl Shares for Revealed {
    fn round(&self) -> u32 {
        1
    }
    fn shares(&mut self) -> &mut Vec<Gr16> {
        &mut self.0
    }
}

impl Shares for OnDemandMsg {
    fn round(&self) -> u32 {
        match self {
            Self::Bits(_) => 1,
            Self::Masked(_) => 2,
        }
    }
    fn shares(&mut self) -> &mut Vec<Gr16> {
        match self {
            Self::Bits(list) | Self::Masked(list) => list,
        }
    }
    fn degree(&self) -> usize {
        match self {
            Self::Bits(_) => 2,
            Self::Masked(_) => 1,
        }
    }
}

/// What was said, by whom and in which round: what a liar has of another session.
pub type Trace = BTreeMap<(PartyId, u32), Vec<Gr16>>;

/// A plan of one run.
pub struct Run {
    pub rng: ChaCha20Rng,
    pub loss_percent: u32,
    /// By party: the round, and what it does in it.
    pub cheats: BTreeMap<PartyId, (u32, Cheat)>,
    /// Of another session, for those who replay.
    pub old: Trace,
    said: Trace,
}

/// How a run ended for one party.
pub struct Ending<O> {
    pub output: Option<O>,
    pub faults: Vec<Fault>,
    pub abort: Option<Abort>,
}

impl<O> Ending<O> {
    pub fn blamed(&self) -> Vec<PartyId> {
        let mut blamed: Vec<_> = self.faults.iter().map(|fault| fault.culprit).collect();
        blamed.sort_unstable();
        blamed
    }
}

/// A machine with its first step.
pub type Started<P> = (P, Step<<P as Machine>::Msg, <P as Machine>::Output>);
type Network<M> = BTreeMap<(u64, u64), (PartyId, PartyId, M)>;

impl Run {
    pub fn new(seed: u64) -> Self {
        Self {
            rng: ChaCha20Rng::seed_from_u64(seed),
            loss_percent: 20,
            cheats: BTreeMap::new(),
            old: Trace::new(),
            said: Trace::new(),
        }
    }

    pub fn old(mut self, old: &Trace) -> Self {
        self.old = old.clone();
        self
    }

    pub fn cheat(mut self, party: PartyId, round: u32, cheat: Cheat) -> Self {
        self.cheats.insert(party, (round, cheat));
        self
    }

    /// Runs machines of parties 1, 2, … until nothing more is said; then time is over for those that are not done.
    pub fn run<P: Machine>(self, started: Vec<Started<P>>, is_done: fn(&P) -> bool) -> Vec<Ending<P::Output>>
    where
        P::Msg: Shares,
    {
        self.run_traced(started, is_done).0
    }

    /// As [`Run::run`], and what honest parties said.
    pub fn run_traced<P: Machine>(
        mut self,
        started: Vec<Started<P>>,
        is_done: fn(&P) -> bool,
    ) -> (Vec<Ending<P::Output>>, Trace)
    where
        P::Msg: Shares,
    {
        let parties: Vec<_> = (1..=started.len() as u8).map(|number| PartyId::new(number).unwrap()).collect();
        let mut network = Network::new();
        let (mut machines, mut endings) = (Vec::new(), Vec::new());
        for (party, (machine, step)) in parties.iter().zip(started) {
            let mut ending = Ending { output: None, faults: Vec::new(), abort: None };
            let start = self.rng.random_range(0..LATENCY);
            let sent = ending.note(step);
            self.send(&mut network, &parties, (start, *party), sent);
            machines.push(machine);
            endings.push(ending);
        }
        let mut now = 0;
        for over in [false, true] {
            if over {
                for party in &parties {
                    if !is_done(&machines[party.index()]) {
                        let sent = endings[party.index()].note(machines[party.index()].round_over());
                        self.send(&mut network, &parties, (now, *party), sent);
                    }
                }
            }
            while let Some(((tick, _), (from, to, msg))) = network.pop_first() {
                now = tick;
                let step = machines[to.index()].receive(from, msg);
                let sent = endings[to.index()].note(step);
                self.send(&mut network, &parties, (tick, to), sent);
            }
        }
        for (machine, ending) in machines.into_iter().zip(&mut endings) {
            if ending.output.is_none() {
                ending.abort = Some(machine.give_up());
            }
        }
        (endings, self.said)
    }

    fn send<M: Shares>(
        &mut self,
        network: &mut Network<M>,
        parties: &[PartyId],
        (now, from): (u64, PartyId),
        sent: Vec<Outgoing<M>>,
    ) {
        for Outgoing { to, msg } in sent {
            assert_eq!(to, To::All, "every message is for all");
            self.said.insert((from, msg.round()), msg.clone().shares().clone());
            for to in parties.iter().filter(|to| **to != from) {
                for (delay, msg) in self.instead_of(from, *to, (&msg, parties)) {
                    let losses = (0..8).take_while(|_| self.rng.random_range(0..100) < self.loss_percent).count();
                    let tick = now + delay + self.rng.random_range(1..=LATENCY) + RESEND * losses as u64;
                    let mut place = (tick, network.len() as u64);
                    while network.contains_key(&place) {
                        place.1 += 1;
                    }
                    network.insert(place, (from, *to, msg));
                }
            }
        }
    }

    fn instead_of<M: Shares>(
        &mut self,
        from: PartyId,
        to: PartyId,
        (honest, parties): (&M, &[PartyId]),
    ) -> Vec<(u64, M)> {
        let cheat = self.cheats.get(&from).filter(|(round, _)| *round == honest.round()).map(|(_, cheat)| *cheat);
        let mut msg = honest.clone();
        let lie = |msg: &mut M| *msg.shares().last_mut().unwrap() += Gr16::new([0, 0, 0, 1 << 14]);
        match cheat {
            None => vec![(0, msg)],
            Some(Cheat::Silent) => Vec::new(),
            Some(Cheat::Crash(up_to)) => {
                if to.number() <= up_to {
                    vec![(0, msg)]
                } else {
                    Vec::new()
                }
            }
            Some(Cheat::Replay) => {
                msg.shares().clone_from(&self.old[&(from, honest.round())]);
                vec![(0, msg)]
            }
            Some(Cheat::Collude) => {
                let honest_ones = parties.iter().filter(|party| !self.cheats.contains_key(party));
                let friends: Vec<_> = honest_ones.copied().take((parties.len() - 1) / 3 * honest.degree()).collect();
                *msg.shares().last_mut().unwrap() += through::<Gr16>(&friends, from).shifted(14);
                vec![(0, msg)]
            }
            Some(Cheat::Late) => vec![(20_000, msg)],
            Some(Cheat::Repeat) => vec![(0, msg.clone()), (9, msg.clone()), (9_000, msg)],
            Some(Cheat::ChangeOfMind) => {
                lie(&mut msg);
                vec![(0, honest.clone()), (10_000, msg)]
            }
            Some(cheat) => {
                let delay = if let Cheat::BadShare(delay) = cheat { delay } else { 0 };
                match cheat {
                    Cheat::TooLong => msg.shares().push(Gr16::ONE),
                    Cheat::Empty => msg.shares().clear(),
                    Cheat::Equivocate => {
                        msg.shares().iter_mut().for_each(|share| *share = Gr16::random(&mut self.rng));
                    }
                    Cheat::Selective(up_to) if to.number() > up_to => {}
                    _ => lie(&mut msg),
                }
                vec![(delay, msg)]
            }
        }
    }
}

/// Π (α − α_h) over these parties: what two polynomials that meet there differ by.
pub fn through<R: Ring>(friends: &[PartyId], at: PartyId) -> R {
    friends.iter().fold(R::ONE, |product, friend| product * (R::point(at) - R::point(*friend)))
}

impl<O> Ending<O> {
    fn note<M>(&mut self, step: Step<M, O>) -> Vec<Outgoing<M>> {
        self.faults.extend(step.faults);
        if let Some(output) = step.output {
            assert!(self.output.is_none(), "one output");
            self.output = Some(output);
        }
        step.send
    }
}
