//! Cheats that fit every protocol in rounds, each by its name, and what a lie is in each protocol's messages.

use crate::broadcast::BroadcastMsg;
use crate::codec::Wire;
use crate::preprocessing::BatchMsg;
use crate::prss_setup::SetupMsg;
use crate::ring::Ring;
use crate::rounds::InRound;
use crate::vss::VssMsg;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use std::collections::BTreeMap;
use tkms_types::PartyId;

/// How the messages of a protocol can be falsified.
pub trait Lie: Wire + Clone + PartialEq {
    /// Says something else, of the same shape: a wrong share, another value, the opposite bit.
    fn falsify(&mut self, rng: &mut ChaCha20Rng);
    /// Takes another shape: a list too short or too long.
    fn misshape(&mut self);
}

/// A cheating party: what it sends to one peer instead of a message.
pub trait Lies<M> {
    /// Called once per message and peer.
    fn instead_of(&mut self, honest: &InRound<M>, to: PartyId, rng: &mut ChaCha20Rng) -> Vec<InRound<M>>;
    /// Whether it speaks last in every round.
    fn rushes(&self) -> bool {
        false
    }
}

fn falsified<M: Lie>(honest: &InRound<M>, rng: &mut ChaCha20Rng) -> InRound<M> {
    let mut msg = honest.clone();
    msg.msg.falsify(rng);
    msg
}

/// Sends nothing after this round; 0 is never anything.
pub struct SilentAfter(pub u32);

impl<M: Lie> Lies<M> for SilentAfter {
    fn instead_of(&mut self, honest: &InRound<M>, _: PartyId, _: &mut ChaCha20Rng) -> Vec<InRound<M>> {
        if honest.round <= self.0 { vec![honest.clone()] } else { Vec::new() }
    }
}

/// Crashes while it sends: in this round only parties up to that number hear it, later nobody does.
pub struct CrashIn(pub u32, pub u8);

impl<M: Lie> Lies<M> for CrashIn {
    fn instead_of(&mut self, honest: &InRound<M>, to: PartyId, _: &mut ChaCha20Rng) -> Vec<InRound<M>> {
        let sent = honest.round < self.0 || honest.round == self.0 && to.number() <= self.1;
        if sent { vec![honest.clone()] } else { Vec::new() }
    }
}

/// Lies in one round, or in all if it is 0, the same lie to everybody.
pub struct WrongValue(pub u32);

impl<M: Lie> Lies<M> for WrongValue {
    fn instead_of(&mut self, honest: &InRound<M>, _: PartyId, _: &mut ChaCha20Rng) -> Vec<InRound<M>> {
        if self.0 != 0 && self.0 != honest.round {
            return vec![honest.clone()];
        }
        vec![falsified(honest, &mut ChaCha20Rng::seed_from_u64(u64::from(honest.round)))]
    }
}

/// Tells every peer another lie in every round.
pub struct TellsEach;

impl<M: Lie> Lies<M> for TellsEach {
    fn instead_of(&mut self, honest: &InRound<M>, _: PartyId, rng: &mut ChaCha20Rng) -> Vec<InRound<M>> {
        vec![falsified(honest, rng)]
    }
}

/// Lies to the parties up to this number only.
pub struct Selective(pub u8);

impl<M: Lie> Lies<M> for Selective {
    fn instead_of(&mut self, honest: &InRound<M>, to: PartyId, rng: &mut ChaCha20Rng) -> Vec<InRound<M>> {
        vec![if to.number() <= self.0 { falsified(honest, rng) } else { honest.clone() }]
    }
}

/// Sends messages of the wrong length.
pub struct WrongShape;

impl<M: Lie> Lies<M> for WrongShape {
    fn instead_of(&mut self, honest: &InRound<M>, _: PartyId, _: &mut ChaCha20Rng) -> Vec<InRound<M>> {
        let mut msg = honest.clone();
        msg.msg.misshape();
        vec![msg]
    }
}

/// Sends its messages of the round before again, under the number of this one.
#[derive(Default)]
pub struct Repeats<M>(BTreeMap<PartyId, M>);

impl<M: Lie> Lies<M> for Repeats<M> {
    fn instead_of(&mut self, honest: &InRound<M>, to: PartyId, _: &mut ChaCha20Rng) -> Vec<InRound<M>> {
        let msg = self.0.insert(to, honest.msg.clone()).unwrap_or_else(|| honest.msg.clone());
        vec![InRound { round: honest.round, msg }]
    }
}

impl<M> Repeats<M> {
    /// Nothing to repeat yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }
}

/// Hears everyone before it speaks, and then says the truth and a lie by turns.
pub struct Rushes;

impl<M: Lie> Lies<M> for Rushes {
    fn instead_of(&mut self, honest: &InRound<M>, _: PartyId, rng: &mut ChaCha20Rng) -> Vec<InRound<M>> {
        vec![if rng.random() { falsified(honest, rng) } else { honest.clone() }]
    }

    fn rushes(&self) -> bool {
        true
    }
}

/// Sends its message and then a different one.
pub struct SaysTwice;

impl<M: Lie> Lies<M> for SaysTwice {
    fn instead_of(&mut self, honest: &InRound<M>, _: PartyId, rng: &mut ChaCha20Rng) -> Vec<InRound<M>> {
        vec![honest.clone(), falsified(honest, rng)]
    }
}

/// Is honest up to this round and then lies to everyone, each another lie: what a party does that has been found out.
pub struct FlipsAfter(pub u32);

impl<M: Lie> Lies<M> for FlipsAfter {
    fn instead_of(&mut self, honest: &InRound<M>, _: PartyId, rng: &mut ChaCha20Rng) -> Vec<InRound<M>> {
        vec![if honest.round > self.0 { falsified(honest, rng) } else { honest.clone() }]
    }
}

/// One of the cheats above, drawn at random: at most `rounds` rounds, numbers up to `n`.
pub fn any_cheat<M: Lie + 'static>(rounds: u32, n: usize, rng: &mut ChaCha20Rng) -> (&'static str, Box<dyn Lies<M>>) {
    let round = rng.random_range(0..=rounds);
    let number = rng.random_range(0..=n) as u8;
    match rng.random_range(0..10) {
        0 => ("silent after", Box::new(SilentAfter(round))),
        1 => ("crash in", Box::new(CrashIn(round, number))),
        2 => ("wrong value", Box::new(WrongValue(round))),
        3 => ("tells each", Box::new(TellsEach)),
        4 => ("selective", Box::new(Selective(number))),
        5 => ("wrong shape", Box::new(WrongShape)),
        6 => ("repeats", Box::new(Repeats::new())),
        7 => ("rushes", Box::new(Rushes)),
        8 => ("says twice", Box::new(SaysTwice)),
        _ => ("flips after", Box::new(FlipsAfter(round))),
    }
}

impl<M> Lies<M> for Box<dyn Lies<M>> {
    fn instead_of(&mut self, honest: &InRound<M>, to: PartyId, rng: &mut ChaCha20Rng) -> Vec<InRound<M>> {
        (**self).instead_of(honest, to, rng)
    }

    fn rushes(&self) -> bool {
        (**self).rushes()
    }
}

impl Lie for BroadcastMsg {
    fn falsify(&mut self, rng: &mut ChaCha20Rng) {
        match self {
            Self::Send(value) => match value.last_mut() {
                Some(byte) => *byte ^= rng.random_range(1..=255),
                None => value.push(0),
            },
            Self::Echo(list) | Self::Vote(list) => {
                for hash in list.iter_mut() {
                    *hash = if rng.random() { None } else { Some(rng.random()) };
                }
            }
            Self::Bits { bits, wanted } => {
                for bit in bits.iter_mut().chain(wanted) {
                    *bit = rng.random();
                }
            }
            Self::Marks { marks, supply } => {
                for mark in marks.iter_mut() {
                    *mark = [None, Some(false), Some(true)].into_iter().nth(rng.random_range(0..3)).flatten();
                }
                for value in supply.iter_mut() {
                    *value = Some(vec![rng.random(); 3]);
                }
            }
            Self::King(bits) => {
                let len = bits.as_ref().map_or(4, Vec::len);
                *bits = Some((0..len).map(|_| rng.random()).collect());
            }
        }
    }

    fn misshape(&mut self) {
        match self {
            Self::Send(value) => value.resize(1 << 20, 0),
            Self::Echo(list) | Self::Vote(list) => list.push(Some([0; 32])),
            Self::Bits { bits, .. } => bits.push(true),
            Self::Marks { marks, .. } => marks.push(Some(true)),
            // more bits than the largest committee has
            Self::King(bits) => *bits = Some(vec![true; 16]),
        }
    }
}

/// Changes one element of a list by an odd or even amount.
fn falsify_one<R: Ring>(list: &mut [R], rng: &mut ChaCha20Rng) {
    let place = rng.random_range(0..list.len().max(1));
    if let Some(element) = list.get_mut(place) {
        *element += R::ONE.shifted(rng.random_range(0..R::BITS));
    }
}

impl<R: Ring> Lie for VssMsg<R> {
    fn falsify(&mut self, rng: &mut ChaCha20Rng) {
        match self {
            Self::Deal(list) | Self::Cross(list) => falsify_one(list, rng),
            Self::Broadcast(msg) => msg.falsify(rng),
        }
    }

    fn misshape(&mut self) {
        match self {
            Self::Deal(list) | Self::Cross(list) => list.push(R::ONE),
            Self::Broadcast(msg) => msg.misshape(),
        }
    }
}

impl Lie for SetupMsg {
    fn falsify(&mut self, rng: &mut ChaCha20Rng) {
        match self {
            Self::Vss(msg) => msg.falsify(rng),
            Self::Open(list) => falsify_one(list, rng),
        }
    }

    fn misshape(&mut self) {
        match self {
            Self::Vss(msg) => msg.misshape(),
            Self::Open(list) => drop(list.pop()),
        }
    }
}

impl<R: Ring> Lie for BatchMsg<R> {
    fn falsify(&mut self, rng: &mut ChaCha20Rng) {
        match self {
            Self::Shares(list) | Self::Supply(Some(list)) => falsify_one(list, rng),
            Self::Broadcast(msg) => msg.falsify(rng),
            Self::Vote { accept, want } => {
                *accept = !*accept;
                *want = rng.random();
            }
            Self::Supply(None) => *self = Self::Supply(Some(vec![R::ONE; 3])),
        }
    }

    fn misshape(&mut self) {
        match self {
            Self::Shares(list) => list.push(R::ONE),
            Self::Broadcast(msg) => msg.misshape(),
            Self::Vote { .. } => *self = Self::Supply(None),
            Self::Supply(_) => *self = Self::Vote { accept: false, want: true },
        }
    }
}
