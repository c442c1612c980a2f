//! What a lie is in each protocol's messages, and which cheats and plots know the protocol.

use crate::broadcast::BroadcastMsg;
use crate::codec::{read_elements, write_elements};
use crate::preprocessing::BatchMsg;
use crate::prss_setup::SetupMsg;
use crate::ring::{Gr64, Ring};
use crate::sim::liars::{
    Accuses, Complains, DealsWrongTo, Frames, InSetup, ReplaysDealing, SendsToSome, Slanders, SpoilsAndShows,
    TwoPolynomials, Votes, WrongDegree,
};
use crate::sim::lies::{Lie, Lies, Named, Place, Plot};
use crate::vss::VssMsg;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha20Rng;
use tkms_types::{Committee, PartyId};

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

    fn broadcast(&mut self) -> Option<&mut BroadcastMsg> {
        Some(self)
    }

    fn stray(&mut self, _: &Place<'_>) {}

    fn any_liar((committee, _): (Committee, PartyId), rng: &mut ChaCha20Rng) -> Named<Self> {
        ("sends to some", Box::new(SendsToSome(rng.random_range(0..=committee.size()) as u8)))
    }

    fn any_plot(_: Committee, _: &[PartyId], _: &mut ChaCha20Rng) -> Option<Plot<Self>> {
        None
    }
}

/// Adds to shares, which the sender opens, the value at its point of the product of (X − αᵢ) over these parties.
fn off<R: Ring>(list: &mut [R], from: PartyId, zeros: &[PartyId]) {
    let error = zeros.iter().fold(R::ONE, |product, zero| product * (R::point(from) - R::point(*zero)));
    for share in list {
        *share += error;
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

    fn broadcast(&mut self) -> Option<&mut BroadcastMsg> {
        if let Self::Broadcast(msg) = self { Some(msg) } else { None }
    }

    fn stray(&mut self, _: &Place<'_>) {}

    fn any_liar((committee, me): (Committee, PartyId), rng: &mut ChaCha20Rng) -> Named<Self> {
        let number = rng.random_range(1..=committee.size()) as u8;
        match rng.random_range(0..4) {
            0 => ("wrong degree", Box::new(WrongDegree(committee.threshold().faults()))),
            1 => ("deals wrong to", Box::new(DealsWrongTo(number))),
            2 => ("accuses", Box::new(Accuses::of((committee, me), number))),
            _ => ("complains", Box::new(Complains(committee, me))),
        }
    }

    fn any_plot(committee: Committee, cheaters: &[PartyId], rng: &mut ChaCha20Rng) -> Option<Plot<Self>> {
        if rng.random_bool(0.3) {
            let dealer = rng.random_range(1..=committee.size()) as u8;
            return Some((
                "all accuse",
                cheaters.iter().map(|me| boxed(Accuses::of((committee, *me), dealer))).collect(),
            ));
        }
        let plots = TwoPolynomials::among(committee, cheaters, rng);
        Some(("all back two polynomials", plots.into_iter().map(boxed).collect()))
    }
}

fn boxed<M, L: Lies<M> + 'static>(cheat: L) -> Box<dyn Lies<M>> {
    Box::new(cheat)
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

    fn broadcast(&mut self) -> Option<&mut BroadcastMsg> {
        if let Self::Vss(msg) = self { msg.broadcast() } else { None }
    }

    fn stray(&mut self, place: &Place<'_>) {
        // opened with degree t
        let faults = place.honest.len() / 2;
        if let Self::Open(list) = self {
            off(list, place.from, place.honest.get(..faults).unwrap_or_default());
        }
    }

    fn any_liar((committee, me): (Committee, PartyId), rng: &mut ChaCha20Rng) -> Named<Self> {
        match rng.random_range(0..6) {
            0 => ("replays its dealing", Box::new(ReplaysDealing::default())),
            _ => {
                let (name, cheat) = VssMsg::<Gr64>::any_liar((committee, me), rng);
                (name, Box::new(InSetup(cheat)))
            }
        }
    }

    fn any_plot(committee: Committee, cheaters: &[PartyId], rng: &mut ChaCha20Rng) -> Option<Plot<Self>> {
        let (name, cheats) = VssMsg::<Gr64>::any_plot(committee, cheaters, rng)?;
        Some((name, cheats.into_iter().map(|cheat| boxed(InSetup(cheat))).collect()))
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
    fn broadcast(&mut self) -> Option<&mut BroadcastMsg> {
        if let Self::Broadcast(msg) = self { Some(msg) } else { None }
    }

    fn stray(&mut self, place: &Place<'_>) {
        // opened with degree 2t: all honest parties but one
        let zeros = place.honest.get(1..).unwrap_or_default();
        match self {
            Self::Shares(list) => off(list, place.from, zeros),
            // the shares of a careful batch
            Self::Broadcast(BroadcastMsg::Send(value)) if place.round == 1 && value.len().is_multiple_of(R::BYTES) => {
                let mut list: Vec<R> = read_elements(value);
                off(&mut list, place.from, zeros);
                value.clear();
                write_elements(&list, value);
            }
            _ => {}
        }
    }

    fn any_liar((committee, _): (Committee, PartyId), rng: &mut ChaCha20Rng) -> Named<Self> {
        let victim = rng.random_range(1..=committee.size()) as u8;
        let shows: [fn(&mut Vec<u8>); 4] = [
            |value| value.iter_mut().take(1).for_each(|byte| *byte ^= 1),
            |value| value.iter_mut().rev().take(1).for_each(|byte| *byte ^= 1),
            |value| value.truncate(40),
            Vec::clear,
        ];
        match rng.random_range(0..5) {
            0 => ("slanders", Box::new(Slanders(victim))),
            1 => ("votes", Box::new(Votes(rng.random()))),
            2 => ("frames", Box::new(Frames { committee, victim, spoils: rng.random() })),
            _ => ("spoils and shows", Box::new(SpoilsAndShows(*shows.choose(rng).unwrap_or(&shows[0])))),
        }
    }

    fn any_plot(committee: Committee, cheaters: &[PartyId], rng: &mut ChaCha20Rng) -> Option<Plot<Self>> {
        let (victim, spoils) = (rng.random_range(1..=committee.size()) as u8, rng.random());
        let frames = |_| boxed(Frames { committee, victim, spoils });
        Some(("all frame", cheaters.iter().map(frames).collect()))
    }
}
