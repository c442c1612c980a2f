//! The tests' transport and adversary: a seeded network with latency, loss, reordering and crashes, and parties that
//! cheat. One seed gives one run, message for message. For tests only; nothing in a node depends on it.

pub mod cheats;
mod falsify;
pub mod fuzz;
pub mod liars;
pub mod lies;
pub mod plots;
pub mod rounds;
pub mod synthetic;

use crate::decrypt::{MaskedShares, Opened, Opening, PartialDecryption};
use crate::fault::{Abort, Fault};
use crate::machine::{Machine, Outgoing, Step, To};
use crate::statement::{SIGNATURE_BYTES, Seal};
use cheats::Cheat;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use std::collections::BTreeMap;
use tkms_types::{Committee, CommitteeError, PartyId};

/// Ticks a message takes at most; at least one. Messages overtake each other within it.
const LATENCY: u64 = 50;
/// Ticks until the transport sends a lost message again.
const RESEND: u64 = 80;
/// Losses of one message after which the transport gets it through.
const RESENDS: u64 = 8;

/// Signatures that only look like some: keyed hashes under keys that everyone knows. Fast, and as good as real ones
/// against cheats that do not forge.
#[derive(Clone, Copy, Debug)]
pub struct ToySeal(pub PartyId);

impl ToySeal {
    fn mac(party: PartyId, hash: &[u8; 32]) -> [u8; SIGNATURE_BYTES] {
        let mut signature = [0; SIGNATURE_BYTES];
        blake3::Hasher::new_keyed(&[party.number(); 32]).update(hash).finalize_xof().fill(&mut signature);
        signature
    }
}

impl Seal for ToySeal {
    fn sign(&self, hash: &[u8; 32]) -> [u8; SIGNATURE_BYTES] {
        Self::mac(self.0, hash)
    }

    fn verify(&self, party: PartyId, hash: &[u8; 32], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        Self::mac(party, hash) == *signature
    }
}

/// A plan of one opening among a committee.
pub struct Run {
    committee: Committee,
    rng: ChaCha20Rng,
    loss_percent: u32,
    cheats: BTreeMap<PartyId, Box<dyn Cheat>>,
    crashes: BTreeMap<PartyId, u64>,
}

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When it arrives.
    pub tick: u64,
    /// Its sender.
    pub from: PartyId,
    /// Its receiver.
    pub to: PartyId,
    /// What it says.
    pub msg: PartialDecryption,
}

/// How a run ended for one party.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// What it opened.
    pub output: Option<Opened>,
    /// Whom it blamed.
    pub faults: Vec<Fault>,
    /// If it opened nothing: its report when it was told to give up.
    pub abort: Option<Abort>,
}

/// Everything that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// By party index.
    pub endings: Vec<Ending>,
    /// Every delivery, in order.
    pub trace: Vec<Delivery>,
}

impl Run {
    /// A run in which all are honest and no message is lost.
    ///
    /// # Errors
    /// [`CommitteeError`] if there is no committee of `n`.
    pub fn new(n: usize, seed: u64) -> Result<Self, CommitteeError> {
        Ok(Self {
            committee: Committee::new(n)?,
            rng: ChaCha20Rng::seed_from_u64(seed),
            loss_percent: 0,
            cheats: BTreeMap::new(),
            crashes: BTreeMap::new(),
        })
    }

    /// This party cheats.
    #[must_use]
    pub fn cheat(mut self, party: PartyId, cheat: impl Cheat + 'static) -> Self {
        self.cheats.insert(party, Box::new(cheat));
        self
    }

    /// This party stops at that tick: it hears nothing from then on, and what it would send later is not sent.
    #[must_use]
    pub fn crash(mut self, party: PartyId, tick: u64) -> Self {
        self.crashes.insert(party, tick);
        self
    }

    /// So many of a hundred transmissions are lost; the transport sends again.
    #[must_use]
    pub const fn lossy(mut self, percent: u32) -> Self {
        self.loss_percent = percent;
        self
    }

    /// Opens what the parties hold (one entry per party, in order). Parties start at random times.
    #[must_use]
    pub fn open(mut self, own: &[MaskedShares]) -> Report {
        let mut network = BTreeMap::new();
        let mut machines = Vec::new();
        let mut endings = vec![Ending::default(); own.len()];
        for ((party, shares), ending) in self.committee.parties().zip(own).zip(&mut endings) {
            let start = self.rng.random_range(0..LATENCY);
            let (machine, step) = Opening::start(shares);
            machines.push((party, machine));
            for outgoing in ending.note(step) {
                self.send(&mut network, start, party, &outgoing);
            }
        }
        let mut trace = Vec::new();
        while let Some((_, delivery)) = network.pop_first() {
            if self.crashed(delivery.to, delivery.tick) {
                continue;
            }
            let index = delivery.to.index();
            if let (Some((_, machine)), Some(ending)) = (machines.get_mut(index), endings.get_mut(index)) {
                for outgoing in ending.note(machine.receive(delivery.from, delivery.msg.clone())) {
                    self.send(&mut network, delivery.tick, delivery.to, &outgoing);
                }
            }
            trace.push(delivery);
        }
        for ((_, machine), ending) in machines.into_iter().zip(&mut endings) {
            if !machine.is_done() {
                ending.abort = Some(machine.give_up());
            }
        }
        Report { endings, trace }
    }

    fn crashed(&self, party: PartyId, tick: u64) -> bool {
        self.crashes.get(&party).is_some_and(|at| tick >= *at)
    }

    fn send(
        &mut self,
        network: &mut BTreeMap<(u64, usize), Delivery>,
        now: u64,
        from: PartyId,
        outgoing: &Outgoing<PartialDecryption>,
    ) {
        if self.crashed(from, now) {
            return;
        }
        let addressed = |to: &PartyId| *to != from && (outgoing.to == To::All || outgoing.to == To::One(*to));
        for to in self.committee.parties().filter(addressed) {
            let sent = match self.cheats.get_mut(&from) {
                Some(cheat) => cheat.instead_of(&outgoing.msg, &mut self.rng),
                None => vec![(0, outgoing.msg.clone())],
            };
            for (delay, msg) in sent {
                let losses = (0..RESENDS).take_while(|_| self.rng.random_range(0..100) < self.loss_percent).count();
                let tick = now + delay + self.rng.random_range(1..=LATENCY) + RESEND * losses as u64;
                // the count keeps messages of one tick apart, in the order of sending
                let mut place = (tick, network.len());
                while network.contains_key(&place) {
                    place.1 += 1;
                }
                network.insert(place, Delivery { tick, from, to, msg });
            }
        }
    }
}

impl Ending {
    fn note(&mut self, step: Step<PartialDecryption, Opened>) -> Vec<Outgoing<PartialDecryption>> {
        self.faults.extend(step.faults);
        if step.output.is_some() {
            self.output = step.output;
        }
        step.send
    }
}
