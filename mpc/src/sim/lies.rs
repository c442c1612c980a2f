//! Cheats that fit every protocol in rounds, each by its name. `falsify.rs` says what a lie is in each protocol's messages.

use crate::broadcast::BroadcastMsg;
use crate::codec::Wire;
use crate::rounds::InRound;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use std::collections::BTreeMap;
use tkms_types::{Committee, PartyId};

/// How the messages of a protocol can be falsified.
pub trait Lie: Wire + Clone + PartialEq + 'static {
    /// Says something else, of the same shape: a wrong share, another value, the opposite bit.
    fn falsify(&mut self, rng: &mut ChaCha20Rng);
    /// Takes another shape: a list too short or too long.
    fn misshape(&mut self);
    /// The message of a broadcast inside.
    fn broadcast(&mut self) -> Option<&mut BroadcastMsg>;
    /// If it opens shares: as if the sender's lay on another polynomial of the right degree, the same for all of `cheaters`,
    /// that as many honest parties as possible lie on as well.
    fn stray(&mut self, place: &Place<'_>);
    /// A cheat for this party that knows this protocol, drawn at random.
    fn any_liar(of: (Committee, PartyId), rng: &mut ChaCha20Rng) -> Named<Self>;
    /// A plot of all cheaters that knows this protocol, if there is one: what each does, in their order.
    fn any_plot(committee: Committee, cheaters: &[PartyId], rng: &mut ChaCha20Rng) -> Option<Plot<Self>>;
}

/// A cheat and its name.
pub type Named<M> = (&'static str, Box<dyn Lies<M>>);
/// What each cheater does, and the name of it.
pub type Plot<M> = (&'static str, Vec<Box<dyn Lies<M>>>);

/// Where a message stands: its round, who sends it, who cheats and who does not.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The round.
    pub round: u32,
    /// The cheater that sends it.
    pub from: PartyId,
    /// Parties that do not cheat, in an order that all cheaters know.
    pub honest: &'a [PartyId],
}

/// What has reached a cheater, this one or another: they tell each other everything.
#[derive(Clone, Copy, Debug)]
pub struct Overheard<'a, M> {
    /// Who said it.
    pub from: PartyId,
    /// To which cheater.
    pub to: PartyId,
    /// What.
    pub said: &'a InRound<M>,
}

/// A cheating party: what it sends to one peer instead of a message.
pub trait Lies<M> {
    /// Called once per message and peer.
    fn instead_of(&mut self, honest: &InRound<M>, to: PartyId, rng: &mut ChaCha20Rng) -> Vec<InRound<M>>;
    /// Called for everything that reaches a cheater.
    fn hears(&mut self, _: &Overheard<'_, M>) {}
    /// Whether it chooses what it says to this party only when the round is about to end. All punctual parties have
    /// spoken by then, and it has heard them.
    fn rushes(&self, _: PartyId) -> bool {
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

/// Hears everyone before it speaks, and then says the truth, a lie, or as its own what another has just said, by turns.
#[derive(Default)]
pub struct Rushes<M>(BTreeMap<PartyId, InRound<M>>);

impl<M> Rushes<M> {
    /// Has heard nobody yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }
}

impl<M: Lie> Lies<M> for Rushes<M> {
    fn instead_of(&mut self, honest: &InRound<M>, _: PartyId, rng: &mut ChaCha20Rng) -> Vec<InRound<M>> {
        let of_round: Vec<_> = self.0.values().filter(|said| said.round == honest.round).collect();
        let another = of_round.get(rng.random_range(0..of_round.len().max(1)));
        vec![match (rng.random_range(0..3), another) {
            (0, _) => honest.clone(),
            (1, Some(another)) => (*another).clone(),
            _ => falsified(honest, rng),
        }]
    }

    fn hears(&mut self, overheard: &Overheard<'_, M>) {
        self.0.insert(overheard.from, overheard.said.clone());
    }

    fn rushes(&self, _: PartyId) -> bool {
        true
    }
}

/// Is honest, but speaks at once to the parties up to this number and at the last moment to the others: they go through
/// the rounds at different times.
pub struct Hurries(pub u8);

impl<M: Lie> Lies<M> for Hurries {
    fn instead_of(&mut self, honest: &InRound<M>, _: PartyId, _: &mut ChaCha20Rng) -> Vec<InRound<M>> {
        vec![honest.clone()]
    }

    fn rushes(&self, to: PartyId) -> bool {
        to.number() > self.0
    }
}

/// Is honest, but so many of a hundred of its messages are never sent.
pub struct Stutters(pub u32);

impl<M: Lie> Lies<M> for Stutters {
    fn instead_of(&mut self, honest: &InRound<M>, _: PartyId, rng: &mut ChaCha20Rng) -> Vec<InRound<M>> {
        if rng.random_range(0..100) < self.0 { Vec::new() } else { vec![honest.clone()] }
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

/// Cheats that [`any_cheat`] draws from, besides those of [`Lie::any_liar`], and how often it draws one of these.
const COMMON: u32 = 12;
const KNOWING: u32 = 4;

/// One of the cheats above or one that knows the protocol, drawn at random for a party: at most `rounds` rounds.
pub fn any_cheat<M: Lie>(rounds: u32, of: (Committee, PartyId), rng: &mut ChaCha20Rng) -> Named<M> {
    let round = rng.random_range(0..=rounds);
    let number = rng.random_range(0..=of.0.size()) as u8;
    match rng.random_range(0..COMMON + KNOWING) {
        0 => ("silent after", Box::new(SilentAfter(round))),
        1 => ("crash in", Box::new(CrashIn(round, number))),
        2 => ("wrong value", Box::new(WrongValue(round))),
        3 => ("tells each", Box::new(TellsEach)),
        4 => ("selective", Box::new(Selective(number))),
        5 => ("wrong shape", Box::new(WrongShape)),
        6 => ("repeats", Box::new(Repeats::new())),
        7 => ("rushes", Box::new(Rushes::new())),
        8 => ("says twice", Box::new(SaysTwice)),
        9 => ("flips after", Box::new(FlipsAfter(round))),
        10 => ("hurries", Box::new(Hurries(number))),
        11 => ("stutters", Box::new(Stutters(rng.random_range(1..80)))),
        _ => M::any_liar(of, rng),
    }
}

impl<M> Lies<M> for Box<dyn Lies<M>> {
    fn instead_of(&mut self, honest: &InRound<M>, to: PartyId, rng: &mut ChaCha20Rng) -> Vec<InRound<M>> {
        (**self).instead_of(honest, to, rng)
    }

    fn hears(&mut self, overheard: &Overheard<'_, M>) {
        (**self).hears(overheard);
    }

    fn rushes(&self, to: PartyId) -> bool {
        (**self).rushes(to)
    }
}
