//! Synchronous protocols: a function from what was heard in one round to what is said in the next, and the machine
//! around it that sorts messages into rounds.
//!
//! A round ends when every party has spoken or when the node's timer says so; who has not spoken is silent in it.
//! Every party speaks in every round, if only to say nothing, so that rounds without silence cost one delay and no
//! timer. The timer: round r ends, at the latest, r round times after the start of the session, counted from one start
//! for all rounds. Timers that begin with each round would let a party that speaks to some only pull the others apart.

use crate::codec::Terms;
use crate::fault::{Abort, Evidence, Fault, StepId};
use crate::machine::{Machine, Outgoing, Step, To};
use std::collections::BTreeMap;
use tkms_types::{Committee, PartyId};

/// Rounds ahead of our own whose messages are kept: a party that heard everyone may be one ahead.
const AHEAD: u32 = 2;

/// A protocol in synchronous rounds, from one party's place.
pub trait Rounds {
    /// What peers tell each other in a round, unchecked.
    type Msg: Clone + PartialEq;
    /// What the run is for.
    type Output;

    /// The committee.
    fn committee(&self) -> Committee;
    /// Whose place it is.
    fn me(&self) -> PartyId;
    /// What everyone knows about the run.
    fn terms(&self) -> Terms;
    /// Whether a round lasts until this party has spoken, or the deadline.
    fn waits_for(&self, _: PartyId) -> bool {
        true
    }
    /// The step that the current round belongs to.
    fn step_id(&self) -> StepId;
    /// Ends the current round. `heard` is in the order of parties, our own message included; `None` is silence.
    fn close(&mut self, heard: Vec<Option<Self::Msg>>) -> Turn<Self::Msg, Self::Output>;
}

/// What follows from a round.
#[derive(Debug)]
pub struct Turn<M, O> {
    /// What to say in the next round.
    pub say: Say<M>,
    /// Who departed from the protocol.
    pub faults: Vec<Fault>,
    /// The result, which ends the run.
    pub output: Option<O>,
}

/// What a party says in a round.
#[derive(Debug)]
pub enum Say<M> {
    /// Nothing: the run is over.
    Nothing,
    /// One message for everybody, ourselves included.
    All(M),
    /// One message for each party, in their order, ourselves included.
    Each(Vec<M>),
}

impl<M, O> Turn<M, O> {
    /// The next round begins with this.
    pub(crate) const fn say(say: Say<M>, faults: Vec<Fault>) -> Self {
        Self { say, faults, output: None }
    }

    /// The run is over.
    pub(crate) const fn output(output: O, faults: Vec<Fault>) -> Self {
        Self { say: Say::Nothing, faults, output: Some(output) }
    }
}

impl<M> Say<M> {
    /// The same, one layer further out.
    pub(crate) fn map<N>(self, wrap: impl Fn(M) -> N) -> Say<N> {
        match self {
            Self::Nothing => Say::Nothing,
            Self::All(msg) => Say::All(wrap(msg)),
            Self::Each(list) => Say::Each(list.into_iter().map(wrap).collect()),
        }
    }
}

/// A message and the round it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InRound<M> {
    /// 1-based.
    pub round: u32,
    /// What is said.
    pub msg: M,
}

/// The machine around a protocol in rounds.
pub struct Synchronous<P: Rounds> {
    protocol: P,
    round: u32,
    /// What came for this round and later ones; `None` could not be read.
    inbox: BTreeMap<(u32, PartyId), Option<P::Msg>>,
    named: Vec<PartyId>,
    done: bool,
}

/// A step of a protocol in rounds.
pub type SyncStep<P> = Step<InRound<<P as Rounds>::Msg>, <P as Rounds>::Output>;

impl<P: Rounds> Synchronous<P> {
    /// Begins round 1 with what the protocol says first.
    pub fn start(protocol: P, first: Say<P::Msg>) -> (Self, SyncStep<P>) {
        let mut machine = Self { protocol, round: 1, inbox: BTreeMap::new(), named: Vec::new(), done: false };
        let mut step = Step::nothing();
        machine.speak(first, &mut step);
        machine.advance(&mut step);
        (machine, step)
    }

    /// The round in progress, from 1: the timer of an earlier one is void.
    #[must_use]
    pub const fn round(&self) -> u32 {
        self.round
    }

    /// Whether the output has been given.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.done
    }

    /// Parties the current round waits for.
    #[must_use]
    pub fn awaited(&self) -> Vec<PartyId> {
        let missing =
            |party: &PartyId| self.protocol.waits_for(*party) && !self.inbox.contains_key(&(self.round, *party));
        self.protocol.committee().parties().filter(missing).collect()
    }

    /// Whether a message of this round is still, or already, of use.
    #[must_use]
    pub(crate) const fn is_timely(&self, round: u32) -> bool {
        !self.done && round >= self.round && round <= self.round + AHEAD
    }

    /// Notes what the bytes of a party show, beside the protocol.
    pub(crate) fn blame(&mut self, culprit: PartyId, evidence: Evidence) -> SyncStep<P> {
        let mut step = Step::nothing();
        let id = self.protocol.step_id();
        self.note(Fault { culprit, step: id, evidence }, &mut step);
        step
    }

    /// A member's message of this round that is none: it has spoken, and said nothing.
    pub(crate) fn unreadable(&mut self, from: PartyId, round: u32, evidence: Evidence) -> SyncStep<P> {
        let mut step = self.blame(from, evidence);
        if self.is_timely(round) {
            self.inbox.entry((round, from)).or_insert(None);
            self.advance(&mut step);
        }
        step
    }

    fn speak(&mut self, say: Say<P::Msg>, step: &mut SyncStep<P>) {
        let (round, me) = (self.round, self.protocol.me());
        match say {
            Say::Nothing => {}
            Say::All(msg) => {
                self.inbox.insert((round, me), Some(msg.clone()));
                step.send.push(Outgoing { to: To::All, msg: InRound { round, msg } });
            }
            Say::Each(list) => {
                for (to, msg) in self.protocol.committee().parties().zip(list) {
                    if to == me {
                        self.inbox.insert((round, me), Some(msg));
                    } else {
                        step.send.push(Outgoing { to: To::One(to), msg: InRound { round, msg } });
                    }
                }
            }
        }
    }

    fn note(&mut self, fault: Fault, step: &mut SyncStep<P>) {
        if !self.named.contains(&fault.culprit) {
            self.named.push(fault.culprit);
            step.faults.push(fault);
        }
    }

    /// Ends rounds while everyone has spoken in them.
    fn advance(&mut self, step: &mut SyncStep<P>) {
        while !self.done && self.awaited().is_empty() {
            self.close(step);
        }
    }

    fn close(&mut self, step: &mut SyncStep<P>) {
        let parties = self.protocol.committee().parties();
        let heard = parties.map(|party| self.inbox.remove(&(self.round, party)).flatten()).collect();
        let turn = self.protocol.close(heard);
        self.round += 1;
        for fault in turn.faults {
            self.note(fault, step);
        }
        self.done = turn.output.is_some();
        step.output = turn.output;
        self.speak(turn.say, step);
    }
}

impl<P: Rounds> Machine for Synchronous<P> {
    type Msg = InRound<P::Msg>;
    type Output = P::Output;

    /// A message of a round that is over comes too late and is ignored; one from far ahead is not kept.
    fn receive(&mut self, from: PartyId, msg: InRound<P::Msg>) -> SyncStep<P> {
        let mut step = Step::nothing();
        let id = self.protocol.step_id();
        if !self.protocol.committee().contains(from) {
            self.note(Fault { culprit: from, step: id, evidence: Evidence::NotAMember }, &mut step);
            return step;
        }
        if !self.is_timely(msg.round) {
            return step;
        }
        match self.inbox.get(&(msg.round, from)) {
            None => {
                self.inbox.insert((msg.round, from), Some(msg.msg));
                self.advance(&mut step);
            }
            Some(Some(first)) if *first == msg.msg => {}
            Some(_) => {
                let evidence = Evidence::TwoMessages { round: msg.round };
                self.note(Fault { culprit: from, step: id, evidence }, &mut step);
            }
        }
        step
    }

    fn round_over(&mut self) -> SyncStep<P> {
        let mut step = Step::nothing();
        if !self.done {
            self.close(&mut step);
            self.advance(&mut step);
        }
        step
    }

    fn give_up(self) -> Abort {
        let committee = self.protocol.committee();
        let heard: Vec<_> = committee.parties().filter(|p| self.inbox.contains_key(&(self.round, *p))).collect();
        Abort {
            step: self.protocol.step_id(),
            needed: committee.threshold().quorum(),
            heard: heard.len(),
            silent: committee.parties().filter(|party| !heard.contains(party)).collect(),
            faulty: self.named,
        }
    }
}
