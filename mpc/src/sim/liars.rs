//! Cheats that know the protocol they cheat in.

use crate::broadcast::BroadcastMsg;
use crate::preprocessing::BatchMsg;
use crate::prss_setup::SetupMsg;
use crate::ring::Ring;
use crate::rounds::InRound;
use crate::sim::lies::Lies;
use crate::vss::VssMsg;
use rand_chacha::ChaCha20Rng;
use tkms_types::PartyId;

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

/// Deals its first secret of so many with a polynomial of degree t + 1: Xᵗ⁺¹ at the receiver's point is added.
pub struct WrongDegree(pub usize);

impl<R: Ring> Lies<VssMsg<R>> for WrongDegree {
    fn instead_of(&mut self, honest: &InRound<VssMsg<R>>, to: PartyId, _: &mut ChaCha20Rng) -> Vec<InRound<VssMsg<R>>> {
        let mut msg = honest.clone();
        if let VssMsg::Deal(list) = &mut msg.msg {
            let power = (0..list.len() / self.0.max(1)).fold(R::ONE, |power, _| power * R::point(to));
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
