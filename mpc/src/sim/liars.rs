//! Cheats that know the protocol they cheat in.

use crate::broadcast::BroadcastMsg;
use crate::preprocessing::BatchMsg;
use crate::prss_setup::SetupMsg;
use crate::ring::{Gr64, Ring};
use crate::rounds::InRound;
use crate::sim::lies::{Lies, Overheard};
use crate::vss::VssMsg;
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha20Rng;
use std::iter;
use tkms_types::{Committee, PartyId};

/// Bytes of a report; what is shown of a rejected batch is longer.
const REPORT: usize = 32;

/// Its broadcast value reaches the parties up to this number only.
pub struct SendsToSome(pub u8);

impl Lies<BroadcastMsg> for SendsToSome {
    fn instead_of(
        &mut self,
        honest: &InRound<BroadcastMsg>,
        to: PartyId,
        _: &mut ChaCha20Rng,
    ) -> Vec<InRound<BroadcastMsg>> {
        if honest.round == 1 && to.number() > self.0 { Vec::new() } else { vec![honest.clone()] }
    }
}

/// Deals its first secret with a polynomial of degree t + 1, for this t: Xᵗ⁺¹ at the receiver's point is added.
pub struct WrongDegree(pub usize);

impl<R: Ring> Lies<VssMsg<R>> for WrongDegree {
    fn instead_of(&mut self, honest: &InRound<VssMsg<R>>, to: PartyId, _: &mut ChaCha20Rng) -> Vec<InRound<VssMsg<R>>> {
        let mut msg = honest.clone();
        if let VssMsg::Deal(list) = &mut msg.msg {
            let power = (0..=self.0).fold(R::ONE, |power, _| power * R::point(to));
            if let Some(first) = list.first_mut() {
                *first += power;
            }
        }
        vec![msg]
    }
}

/// Deals a wrong polynomial to the parties up to this number, and is honest otherwise.
pub struct DealsWrongTo(pub u8);

impl<R: Ring> Lies<VssMsg<R>> for DealsWrongTo {
    fn instead_of(&mut self, honest: &InRound<VssMsg<R>>, to: PartyId, _: &mut ChaCha20Rng) -> Vec<InRound<VssMsg<R>>> {
        let mut msg = honest.clone();
        if let (VssMsg::Deal(list), true) = (&mut msg.msg, to.number() <= self.0)
            && let Some(coefficient) = list.get_mut(1)
        {
            *coefficient += R::ONE;
        }
        vec![msg]
    }
}

/// Round of the complaints about dealings.
const COMPLAINTS: u32 = 3;

/// A complaint about a dealer, with an impossible value.
fn complaint<R: Ring>(dealer: u8, with: u8) -> Vec<u8> {
    let mut bytes = vec![dealer, with, 1, 0, 0, 0, 0];
    bytes.resize(bytes.len() + R::BYTES, 9);
    bytes
}

/// Complains about one dealer with nonsense towards everybody, and publishes nonsense about it.
pub struct Accuses {
    committee: Committee,
    me: PartyId,
    dealer: u8,
    /// What each dealer deals, as the first messages show.
    secrets: usize,
}

impl Accuses {
    /// This party accuses this dealer.
    #[must_use]
    pub const fn of((committee, me): (Committee, PartyId), dealer: u8) -> Self {
        Self { committee, me, dealer, secrets: 0 }
    }
}

impl<R: Ring> Lies<VssMsg<R>> for Accuses {
    fn instead_of(&mut self, honest: &InRound<VssMsg<R>>, _: PartyId, _: &mut ChaCha20Rng) -> Vec<InRound<VssMsg<R>>> {
        let mut msg = honest.clone();
        // nobody has a pair with itself
        let with = (1..=3).find(|with| ![self.dealer, self.me.number()].contains(with)).unwrap_or(1);
        match &mut msg.msg {
            VssMsg::Cross(list) => self.secrets = list.len() / self.committee.size(),
            VssMsg::Broadcast(BroadcastMsg::Send(value)) if msg.round == COMPLAINTS => {
                *value = complaint::<R>(self.dealer, with);
            }
            VssMsg::Broadcast(BroadcastMsg::Send(value)) => {
                *value = vec![self.dealer, with];
                value.resize(2 + self.secrets * R::BYTES, 9);
            }
            _ => {}
        }
        vec![msg]
    }
}

/// Complains about every dealer, whatever it was dealt: this party of this committee.
pub struct Complains(pub Committee, pub PartyId);

impl<R: Ring> Lies<VssMsg<R>> for Complains {
    fn instead_of(&mut self, honest: &InRound<VssMsg<R>>, _: PartyId, _: &mut ChaCha20Rng) -> Vec<InRound<VssMsg<R>>> {
        let mut msg = honest.clone();
        if let (COMPLAINTS, VssMsg::Broadcast(BroadcastMsg::Send(value))) = (msg.round, &mut msg.msg) {
            let n = self.0.size() as u8;
            // nobody complains about its pair with itself
            let pairs = (1..=n).map(|dealer| (dealer, 1 + dealer % n)).filter(|(_, with)| *with != self.1.number());
            *value = pairs.flat_map(|(dealer, with)| complaint::<R>(dealer, with)).collect();
        }
        vec![msg]
    }
}

/// Of t cheaters that deal two polynomials: one to the honest parties, and to `second` of them another, which agrees with it
/// at t honest parties. Each shows everybody the values that fit what that party was dealt.
pub struct TwoPolynomials {
    committee: Committee,
    me: PartyId,
    dealer: PartyId,
    zeros: Vec<PartyId>,
    second: Vec<PartyId>,
}

impl TwoPolynomials {
    /// One for each of the cheaters; one of them deals.
    pub fn among(committee: Committee, cheaters: &[PartyId], rng: &mut ChaCha20Rng) -> Vec<Self> {
        let mut honest: Vec<_> = committee.parties().filter(|party| !cheaters.contains(party)).collect();
        honest.shuffle(rng);
        let (zeros, others) = honest.split_at(committee.threshold().faults().min(honest.len()));
        let second = others.get(..rng.random_range(1..=others.len())).unwrap_or_default();
        let dealer = cheaters.choose(rng);
        let one = |me: &PartyId| {
            let (zeros, second) = (zeros.to_vec(), second.to_vec());
            Some(Self { committee, me: *me, dealer: *dealer?, zeros, second })
        };
        cheaters.iter().filter_map(one).collect()
    }

    /// Z at a party's point, Z the product of X − αᵢ over the honest parties that cannot tell: F + Z(X)·Z(Y) is the other F.
    fn at<R: Ring>(&self, party: PartyId) -> R {
        self.zeros.iter().fold(R::ONE, |product, zero| product * (R::point(party) - R::point(*zero)))
    }

    /// The coefficients of Z, constant first.
    fn coefficients<R: Ring>(&self) -> Vec<R> {
        self.zeros.iter().fold(vec![R::ONE], |product, zero| {
            let times_x = iter::once(R::ZERO).chain(product.iter().copied());
            let times_zero = product.iter().copied().chain(iter::once(R::ZERO)).map(|c| c * R::point(*zero));
            times_x.zip(times_zero).map(|(a, b)| a - b).collect()
        })
    }
}

impl<R: Ring> Lies<VssMsg<R>> for TwoPolynomials {
    fn instead_of(&mut self, honest: &InRound<VssMsg<R>>, to: PartyId, _: &mut ChaCha20Rng) -> Vec<InRound<VssMsg<R>>> {
        let mut msg = honest.clone();
        let at_receiver: R = self.at(to);
        match &mut msg.msg {
            _ if !self.second.contains(&to) => {}
            VssMsg::Deal(list) if self.me == self.dealer => {
                let coefficients = self.coefficients::<R>();
                for row in list.chunks_mut(coefficients.len()) {
                    row.iter_mut().zip(&coefficients).for_each(|(f, c)| *f += at_receiver * *c);
                }
            }
            VssMsg::Cross(list) => {
                let secrets = list.len() / self.committee.size();
                let of_dealer = list.iter_mut().skip(self.dealer.index() * secrets).take(secrets);
                of_dealer.for_each(|value| *value += self.at::<R>(self.me) * at_receiver);
            }
            _ => {}
        }
        vec![msg]
    }
}

/// A cheat of dealings in the dealings of a setup; honest in the opening.
pub struct InSetup(pub Box<dyn Lies<VssMsg<Gr64>>>);

impl Lies<SetupMsg> for InSetup {
    fn instead_of(&mut self, honest: &InRound<SetupMsg>, to: PartyId, rng: &mut ChaCha20Rng) -> Vec<InRound<SetupMsg>> {
        let SetupMsg::Vss(msg) = &honest.msg else { return vec![honest.clone()] };
        let said = self.0.instead_of(&InRound { round: honest.round, msg: msg.clone() }, to, rng);
        said.into_iter().map(|said| InRound { round: said.round, msg: SetupMsg::Vss(said.msg) }).collect()
    }

    fn hears(&mut self, overheard: &Overheard<'_, SetupMsg>) {
        if let SetupMsg::Vss(msg) = &overheard.said.msg {
            let said = InRound { round: overheard.said.round, msg: msg.clone() };
            self.0.hears(&Overheard { from: overheard.from, to: overheard.to, said: &said });
        }
    }

    fn rushes(&self, to: PartyId) -> bool {
        self.0.rushes(to)
    }
}

/// Was honest in the dealing, and sends its old message in the opening.
#[derive(Default)]
pub struct ReplaysDealing(Option<SetupMsg>);

impl Lies<SetupMsg> for ReplaysDealing {
    fn instead_of(&mut self, honest: &InRound<SetupMsg>, _: PartyId, _: &mut ChaCha20Rng) -> Vec<InRound<SetupMsg>> {
        let first = self.0.get_or_insert_with(|| honest.msg.clone()).clone();
        let late = matches!(honest.msg, SetupMsg::Open(_));
        vec![if late { InRound { round: honest.round, msg: first } } else { honest.clone() }]
    }
}

/// Spoils a batch, and then shows something else than the secrets it had.
pub struct SpoilsAndShows(pub fn(&mut Vec<u8>));

impl<R: Ring> Lies<BatchMsg<R>> for SpoilsAndShows {
    fn instead_of(
        &mut self,
        honest: &InRound<BatchMsg<R>>,
        _: PartyId,
        _: &mut ChaCha20Rng,
    ) -> Vec<InRound<BatchMsg<R>>> {
        let mut msg = honest.clone();
        match &mut msg.msg {
            BatchMsg::Shares(list) => list.iter_mut().for_each(|share| *share += R::ONE),
            BatchMsg::Broadcast(BroadcastMsg::Send(value)) if value.len() > REPORT => self.0(value),
            _ => {}
        }
        vec![msg]
    }
}

/// Spoils a batch towards the parties from this number on, reports that it could not open, and claims that everybody
/// sent it something else.
pub struct Slanders(pub u8);

impl<R: Ring> Lies<BatchMsg<R>> for Slanders {
    fn instead_of(
        &mut self,
        honest: &InRound<BatchMsg<R>>,
        to: PartyId,
        _: &mut ChaCha20Rng,
    ) -> Vec<InRound<BatchMsg<R>>> {
        let mut msg = honest.clone();
        match &mut msg.msg {
            BatchMsg::Shares(list) if to.number() >= self.0 => list.iter_mut().for_each(|share| *share += R::ONE),
            BatchMsg::Broadcast(BroadcastMsg::Send(value)) if value.len() == REPORT => value.clear(),
            BatchMsg::Broadcast(BroadcastMsg::Send(value)) if value.len() > REPORT => {
                // the last digests are those of the messages of others
                value.iter_mut().rev().take(4 * REPORT).for_each(|byte| *byte = 7);
            }
            _ => {}
        }
        vec![msg]
    }
}

/// Votes against every batch, or for it, whatever was reported.
pub struct Votes(pub bool);

impl<R: Ring> Lies<BatchMsg<R>> for Votes {
    fn instead_of(
        &mut self,
        honest: &InRound<BatchMsg<R>>,
        _: PartyId,
        _: &mut ChaCha20Rng,
    ) -> Vec<InRound<BatchMsg<R>>> {
        let mut msg = honest.clone();
        if let BatchMsg::Vote { accept, .. } = &mut msg.msg {
            *accept = self.0;
        }
        vec![msg]
    }
}

/// Has a batch rejected, and then says that this party sent it something else; it may spoil the batch besides.
pub struct Frames {
    /// The committee.
    pub committee: Committee,
    /// Who is framed.
    pub victim: u8,
    /// Whether it sends wrong shares.
    pub spoils: bool,
}

impl<R: Ring> Lies<BatchMsg<R>> for Frames {
    fn instead_of(
        &mut self,
        honest: &InRound<BatchMsg<R>>,
        _: PartyId,
        _: &mut ChaCha20Rng,
    ) -> Vec<InRound<BatchMsg<R>>> {
        let mut msg = honest.clone();
        match &mut msg.msg {
            BatchMsg::Shares(list) if self.spoils => list.iter_mut().for_each(|share| *share += R::ONE),
            BatchMsg::Vote { accept, .. } => *accept = false,
            BatchMsg::Broadcast(BroadcastMsg::Send(value)) if value.len() == REPORT => value.clear(),
            BatchMsg::Broadcast(BroadcastMsg::Send(value)) if value.len() > REPORT => {
                // the last digests are those of the messages of others, in their order
                let from_end = (self.committee.size() + 1).saturating_sub(self.victim.into());
                let place = value.len().saturating_sub(REPORT * from_end);
                value.iter_mut().skip(place).take(REPORT).for_each(|byte| *byte ^= 7);
            }
            _ => {}
        }
        vec![msg]
    }
}
