//! All cheaters as one: they share what they hear and what they intend. And the whole adversary drawn at random, with
//! parties that are cut off for a while and a network that loses.

use crate::broadcast::BroadcastMsg;
use crate::rounds::InRound;
use crate::sim::lies::{Lie, Lies, Overheard, Place, Plot, any_cheat};
use crate::sim::rounds::{ROUND, SyncRun};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use tkms_types::{Committee, PartyId};

/// What all cheaters of a run know.
struct Common<M> {
    seed: u64,
    cheaters: Vec<PartyId>,
    /// The others, in an order of the cheaters' own.
    honest: Vec<PartyId>,
    /// The last thing each honest party said to each cheater.
    heard: BTreeMap<(PartyId, PartyId), InRound<M>>,
}

/// What they agree to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Each lies to its own part of the committee, so that everybody has one liar; the lie is the same.
    Divide,
    /// Their opened shares lie on one wrong polynomial that as many honest parties as possible lie on too.
    Stray,
    /// In broadcasts they back to some parties what most honest parties say, to the others the opposite, so that the first
    /// just reach a quorum and the others just miss it. They have heard the honest parties of the round before they choose.
    Tip,
    /// Each says as its own what one honest party has just said.
    Mirror,
    /// One of them lies in each round, by turns: no two in one round, no round without.
    Turns,
}

impl Scheme {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Divide, Self::Stray, Self::Tip, Self::Mirror, Self::Turns];

    /// What each of these cheaters does, in their order.
    pub fn among<M: Lie>(
        self,
        committee: Committee,
        cheaters: &[PartyId],
        rng: &mut ChaCha20Rng,
    ) -> Vec<Box<dyn Lies<M>>> {
        let mut honest: Vec<_> = committee.parties().filter(|party| !cheaters.contains(party)).collect();
        honest.shuffle(rng);
        let common = Common { seed: rng.random(), cheaters: cheaters.to_vec(), honest, heard: BTreeMap::new() };
        let common = Rc::new(RefCell::new(common));
        let one = |me: &PartyId| -> Box<dyn Lies<M>> {
            Box::new(Conspirator { me: *me, scheme: self, common: Rc::clone(&common) })
        };
        cheaters.iter().map(one).collect()
    }
}

/// One of the cheaters.
struct Conspirator<M> {
    me: PartyId,
    scheme: Scheme,
    common: Rc<RefCell<Common<M>>>,
}

impl<M: Lie> Common<M> {
    /// Dice that fall alike for all of them in a round.
    fn dice(&self, round: u32) -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(self.seed ^ u64::from(round))
    }

    /// The lie of a round.
    fn lie(&self, honest: &InRound<M>) -> InRound<M> {
        let mut msg = honest.clone();
        msg.msg.falsify(&mut self.dice(honest.round));
        msg
    }

    fn place_of(&self, me: PartyId) -> usize {
        self.cheaters.iter().position(|cheater| *cheater == me).unwrap_or_default()
    }

    /// Whether a party is one of those that are backed in a round.
    fn backs(&self, round: u32, to: PartyId) -> bool {
        let mut dice = self.dice(round);
        let (count, mut order) = (dice.random_range(1..=self.honest.len()), self.honest.clone());
        order.shuffle(&mut dice);
        order.iter().take(count).any(|party| *party == to)
    }

    /// What honest parties said in the broadcasts of a round, one message of each.
    fn broadcasts(&self, round: u32) -> Vec<BroadcastMsg> {
        let of_round = self.heard.iter().filter(|(_, said)| said.round == round);
        let by_sender: BTreeMap<_, _> = of_round.map(|((from, _), said)| (*from, said)).collect();
        by_sender.values().filter_map(|said| said.msg.clone().broadcast().cloned()).collect()
    }
}

/// The entry that most of the lists have at a place, if they have one.
fn most<T: Copy + PartialEq>(lists: &[&Vec<T>], place: usize) -> Option<T> {
    let said: Vec<T> = lists.iter().filter_map(|list| list.get(place).copied()).collect();
    said.iter().copied().max_by_key(|one| said.iter().filter(|other| *other == one).count())
}

/// Makes a list what most say, or what `otherwise` makes of that.
fn take_side<T: Copy + PartialEq>(list: &mut [T], heard: &[&Vec<T>], backs: bool, otherwise: fn(T) -> T) {
    for (place, entry) in list.iter_mut().enumerate() {
        let Some(said) = most(heard, place) else { continue };
        *entry = if backs { said } else { otherwise(said) };
    }
}

/// Step by step of a broadcast: backs what most honest parties said, or the opposite.
fn tip(msg: &mut BroadcastMsg, heard: &[BroadcastMsg], backs: bool) {
    let hashes = |msg: &'_ BroadcastMsg| match msg {
        BroadcastMsg::Echo(list) | BroadcastMsg::Vote(list) => Some(list.clone()),
        _ => None,
    };
    match msg {
        BroadcastMsg::Send(value) if !backs => value.push(1),
        BroadcastMsg::Send(_) => {}
        BroadcastMsg::Echo(list) | BroadcastMsg::Vote(list) => {
            let said: Vec<_> = heard.iter().filter_map(hashes).collect();
            take_side(list, &said.iter().collect::<Vec<_>>(), backs, |_| None);
        }
        BroadcastMsg::Bits { bits, .. } => {
            let said =
                heard.iter().filter_map(|m| if let BroadcastMsg::Bits { bits, .. } = m { Some(bits) } else { None });
            take_side(bits, &said.collect::<Vec<_>>(), backs, |bit| !bit);
        }
        BroadcastMsg::Marks { marks, .. } => {
            let said =
                heard.iter().filter_map(|m| if let BroadcastMsg::Marks { marks, .. } = m { Some(marks) } else { None });
            take_side(marks, &said.collect::<Vec<_>>(), backs, |mark| Some(mark == Some(false)));
        }
        BroadcastMsg::King(Some(bits)) => bits.iter_mut().for_each(|bit| *bit = backs),
        BroadcastMsg::King(None) => {}
    }
}

impl<M: Lie> Lies<M> for Conspirator<M> {
    fn instead_of(&mut self, honest: &InRound<M>, to: PartyId, _: &mut ChaCha20Rng) -> Vec<InRound<M>> {
        let common = self.common.borrow();
        let (count, place, round) = (common.cheaters.len().max(1), common.place_of(self.me), honest.round);
        let lies = match self.scheme {
            Scheme::Divide => to.index() % count == place,
            Scheme::Turns => round as usize % count == place,
            Scheme::Stray | Scheme::Tip | Scheme::Mirror => false,
        };
        if lies {
            return vec![common.lie(honest)];
        }
        let mut msg = honest.clone();
        match self.scheme {
            Scheme::Stray => msg.msg.stray(&Place { round, from: self.me, honest: &common.honest }),
            Scheme::Tip => {
                if let Some(inner) = msg.msg.broadcast() {
                    tip(inner, &common.broadcasts(round), common.backs(round, to));
                }
            }
            Scheme::Mirror => {
                let model = common.honest.get(place % common.honest.len().max(1));
                let said = model.and_then(|model| common.heard.get(&(*model, self.me)));
                if let Some(said) = said.filter(|said| said.round == round) {
                    msg = said.clone();
                }
            }
            Scheme::Divide | Scheme::Turns => {}
        }
        vec![msg]
    }

    fn hears(&mut self, overheard: &Overheard<'_, M>) {
        let mut common = self.common.borrow_mut();
        // what reaches one is told to all by the network already
        if overheard.to == self.me && !common.cheaters.contains(&overheard.from) {
            common.heard.insert((overheard.from, overheard.to), overheard.said.clone());
        }
    }

    fn rushes(&self, _: PartyId) -> bool {
        matches!(self.scheme, Scheme::Tip | Scheme::Mirror)
    }
}

/// A plot of these cheaters, drawn at random: one of the schemes, or one that knows the protocol.
pub fn any_plot<M: Lie>(committee: Committee, cheaters: &[PartyId], rng: &mut ChaCha20Rng) -> Plot<M> {
    let knowing = if rng.random_bool(0.4) { M::any_plot(committee, cheaters, rng) } else { None };
    knowing.unwrap_or_else(|| {
        let scheme = *Scheme::ALL.choose(rng).unwrap_or(&Scheme::Tip);
        let name = match scheme {
            Scheme::Divide => "all divide",
            Scheme::Stray => "all stray",
            Scheme::Tip => "all tip",
            Scheme::Mirror => "all mirror",
            Scheme::Turns => "all by turns",
        };
        (name, scheme.among(committee, cheaters, rng))
    })
}

/// Lets these parties cheat, each on its own or all in one plot; also tells how.
#[must_use]
pub fn corrupt<M: Lie>(
    plan: SyncRun<M>,
    cheaters: &[PartyId],
    rounds: u32,
    rng: &mut ChaCha20Rng,
) -> (SyncRun<M>, String) {
    let committee = plan.committee();
    if !cheaters.is_empty() && rng.random_bool(0.4) {
        let (name, cheats) = any_plot::<M>(committee, cheaters, rng);
        let plan = cheaters.iter().zip(cheats).fold(plan, |plan, (cheater, cheat)| plan.cheat(*cheater, cheat));
        return (plan, format!(", {cheaters:?} {name}"));
    }
    cheaters.iter().fold((plan, String::new()), |(plan, note), cheater| {
        let (name, cheat) = any_cheat(rounds, (committee, *cheater), rng);
        (plan.cheat(*cheater, cheat), format!("{note}, {cheater} {name}"))
    })
}

/// An adversary drawn at random.
pub struct Drawn<M> {
    /// The run with all that it does.
    pub plan: SyncRun<M>,
    /// Who cheats.
    pub cheaters: Vec<PartyId>,
    /// Who is honest, and cut off for a while: with the cheaters t parties at most.
    pub absent: Vec<PartyId>,
    /// What it does, for messages of failing tests.
    pub note: String,
}

impl<M> Drawn<M> {
    /// All that theorems of synchronous rounds promise nothing about.
    #[must_use]
    pub fn faulty(&self) -> Vec<PartyId> {
        [self.cheaters.as_slice(), &self.absent].concat()
    }
}

/// Draws t parties (now and then fewer), some of them to be cut off for some time of a run of so many rounds and the others to
/// cheat, and how many transmissions of everybody are lost.
#[must_use]
pub fn draw<M: Lie>(plan: SyncRun<M>, rounds: u32, rng: &mut ChaCha20Rng) -> Drawn<M> {
    let committee = plan.committee();
    let mut order: Vec<_> = committee.parties().collect();
    order.shuffle(rng);
    let faults = committee.threshold().faults();
    order.truncate(if rng.random_bool(0.1) { rng.random_range(0..=faults) } else { faults });
    let cut_off = if rng.random_bool(0.25) { rng.random_range(0..=order.len()) } else { 0 };
    let cheaters = order.split_off(cut_off);
    let loss = rng.random_range(0..20);
    let (mut plan, mut note) = corrupt(plan.lossy(loss), &cheaters, rounds, rng);
    note += &format!(", loses {loss} %");
    for party in &order {
        let from = rng.random_range(0..ROUND * u64::from(rounds));
        let ticks = from..from + rng.random_range(1..ROUND * u64::from(rounds));
        note += &format!(", {party} cut off in {ticks:?}");
        plan = plan.outage(*party, ticks);
    }
    Drawn { plan, cheaters, absent: order, note }
}
