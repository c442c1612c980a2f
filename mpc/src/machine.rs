//! What every protocol looks like from outside: a pure, synchronous machine that is fed authenticated messages.

use crate::fault::{Abort, Fault};
use tkms_types::PartyId;

/// One party's part in one run of one protocol.
///
/// A constructor takes the party's secrets (and an RNG where the protocol draws) and returns the machine with its
/// first step. Messages may come in any order, late, twice or never.
pub trait Machine: Sized {
    /// What peers send each other, unchecked.
    type Msg;
    /// What the run is for.
    type Output;

    /// Consumes one authenticated message. Never panics on what a peer sent.
    fn receive(&mut self, from: PartyId, msg: Self::Msg) -> Step<Self::Msg, Self::Output>;

    /// The time of the current round is over: who has not spoken is silent in it. Asynchronous protocols ignore it.
    fn round_over(&mut self) -> Step<Self::Msg, Self::Output>;

    /// Ends a run that has no output yet and names who was silent.
    fn give_up(self) -> Abort;
}

/// What follows from one event. It may send, blame and finish at once: a liar costs itself its name, nobody the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<M, O> {
    /// Messages for peers.
    pub send: Vec<Outgoing<M>>,
    /// Who departed from the protocol, each party at most once in a run.
    pub faults: Vec<Fault>,
    /// The result, at most once in a run.
    pub output: Option<O>,
}

impl<M, O> Step<M, O> {
    /// Nothing follows.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { send: Vec::new(), faults: Vec::new(), output: None }
    }

    /// Only blame follows.
    #[must_use]
    pub fn blame(fault: Fault) -> Self {
        Self { faults: vec![fault], ..Self::nothing() }
    }
}

/// A message and whom it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing<M> {
    /// Its receivers.
    pub to: To,
    /// The message.
    pub msg: M,
}

/// Receivers of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// One party.
    One(PartyId),
    /// Every other party of the committee.
    All,
}
