//! Reliable broadcast among the committee, every party a sender at once. `docs/protocol/broadcast.md` numbers the steps.
//!
//! References: Bracha, "Asynchronous Byzantine agreement protocols", 1987 (send, echo, vote); Turpin, Coan, "Extending
//! binary Byzantine agreement to multivalued Byzantine agreement", 1984; Berman, Garay, Perry, "Towards optimal
//! distributed consensus", FOCS 1989 (the phase king on one bit per sender).
//! Assumes: at most t of n = 3t + 1 parties are malicious; synchronous rounds; authenticated channels; no signatures;
//! a collision-resistant hash. Changed: only the first message carries a value, the others its hash; who lacks an
//! accepted value is given it beside the first phase of the king, without rounds of its own.

use crate::codec::{RunKind, Terms};
use crate::fault::{Evidence, Fault, StepId};
use crate::rounds::{Rounds, Say, Turn};
use crate::tags;
use std::mem;
use tkms_types::transcript::Transcript;
use tkms_types::{Committee, PartyId, SessionId};

/// Hash of a value, bound to the session, the broadcast's place in it and the sender.
pub type Digest = [u8; 32];

/// Rounds before the phases of the king.
const FIRST_ROUNDS: u32 = 3;
/// Rounds of a phase.
const PHASE_ROUNDS: u32 = 3;

/// One message of a round. Unchecked. Lists have one entry per sender, in the order of parties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BroadcastMsg {
    /// Round 1: the sender's value.
    Send(Vec<u8>),
    /// Round 2: the hash of what each sender sent us.
    Echo(Vec<Option<Digest>>),
    /// Round 3: the hash that n − t parties echoed.
    Vote(Vec<Option<Digest>>),
    /// First round of a phase: shall the value be accepted? And, in the first phase, whose accepted value we lack.
    Bits {
        /// Our bit on each sender.
        bits: Vec<bool>,
        /// Senders whose value we ask for.
        wanted: Vec<bool>,
    },
    /// Second round of a phase: the bit that n − t parties sent. And, in the first phase, values the receiver lacks.
    Marks {
        /// Our mark on each sender.
        marks: Vec<Option<bool>>,
        /// Values that the receiver asked for.
        supply: Vec<Option<Vec<u8>>>,
    },
    /// Third round of a phase: the king's bits; the others say nothing.
    King(Option<Vec<bool>>),
}

/// What every honest party holds in the end: one entry per sender, `None` if it sent no value or not the same to all.
pub type Delivered = Vec<Option<Vec<u8>>>;

/// Which broadcast: the session and its place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BroadcastId {
    /// The session.
    pub session: SessionId,
    /// Counts the broadcasts of a session.
    pub number: u32,
}

/// What one party knows about one sender's broadcast.
#[derive(Default)]
struct Instance {
    /// What the sender sent us, or a peer supplied.
    value: Option<Vec<u8>>,
    /// Hash of what the sender sent us.
    received: Option<Digest>,
    /// The hash with t + 1 votes: that of the value, if there is one to accept.
    candidate: Option<Digest>,
    bit: bool,
    /// n − t marks say so: the king is not asked.
    firm: bool,
}

impl Instance {
    fn holds_candidate(&self) -> bool {
        self.candidate.is_some() && self.candidate == self.received
    }
}

/// n broadcasts in parallel, from one party's place.
pub struct Broadcast {
    id: BroadcastId,
    committee: Committee,
    me: PartyId,
    /// Longest value accepted from a sender, in bytes.
    limit: usize,
    round: u32,
    instances: Vec<Instance>,
}

impl Broadcast {
    /// Step 1: sends our value. Values of others longer than `limit` bytes count as silence.
    #[must_use]
    pub fn new(
        id: BroadcastId,
        (committee, me): (Committee, PartyId),
        limit: usize,
        value: Vec<u8>,
    ) -> (Self, Say<BroadcastMsg>) {
        let instances = committee.parties().map(|_| Instance::default()).collect();
        (Self { id, committee, me, limit, round: 1, instances }, Say::All(BroadcastMsg::Send(value)))
    }

    /// Rounds of a broadcast in this committee.
    #[must_use]
    pub const fn rounds(committee: Committee) -> u32 {
        FIRST_ROUNDS + PHASE_ROUNDS * (committee.threshold().faults() as u32 + 1)
    }

    fn digest(&self, sender: PartyId, value: &[u8]) -> Digest {
        let hash = Transcript::new(tags::BROADCAST).word(self.id.session.0).u32(self.id.number);
        hash.u8(sender.number()).bytes(value).finish().0
    }

    fn quorum(&self) -> usize {
        self.committee.size() - self.committee.threshold().faults()
    }

    /// Step 2: echo the hash of what came.
    fn echo(&mut self, heard: Vec<Option<BroadcastMsg>>) -> (Say<BroadcastMsg>, Vec<Fault>) {
        let mut faults = Vec::new();
        for (sender, msg) in self.committee.parties().zip(heard) {
            let evidence = match msg {
                None => continue,
                Some(BroadcastMsg::Send(value)) if value.len() <= self.limit => {
                    let digest = self.digest(sender, &value);
                    if let Some(instance) = self.instances.get_mut(sender.index()) {
                        (instance.received, instance.value) = (Some(digest), Some(value));
                    }
                    continue;
                }
                Some(BroadcastMsg::Send(value)) => Evidence::WrongLength { expected: self.limit, found: value.len() },
                Some(_) => Evidence::WrongKind { round: self.round },
            };
            faults.push(fault(sender, evidence));
        }
        (Say::All(BroadcastMsg::Echo(self.instances.iter().map(|i| i.received).collect())), faults)
    }

    /// Step 3: vote for a hash that n − t parties echo.
    fn vote(&self, heard: Vec<Option<BroadcastMsg>>) -> (Say<BroadcastMsg>, Vec<Fault>) {
        let (lists, faults) = self.lists(heard, |msg| match msg {
            BroadcastMsg::Echo(list) => Some(list),
            _ => None,
        });
        let vote = |sender| most(&lists, sender).filter(|(_, count)| *count >= self.quorum()).map(|(hash, _)| hash);
        (Say::All(BroadcastMsg::Vote((0..self.committee.size()).map(vote).collect())), faults)
    }

    /// Step 4: the hash with t + 1 votes is the candidate; n − t votes say that it shall be accepted.
    fn decide_input(&mut self, heard: Vec<Option<BroadcastMsg>>) -> (Say<BroadcastMsg>, Vec<Fault>) {
        let (lists, faults) = self.lists(heard, |msg| match msg {
            BroadcastMsg::Vote(list) => Some(list),
            _ => None,
        });
        let (faulty, quorum) = (self.committee.threshold().faults(), self.quorum());
        for (sender, instance) in self.instances.iter_mut().enumerate() {
            let leader = most(&lists, sender).filter(|(_, count)| *count > faulty);
            instance.candidate = leader.map(|(hash, _)| hash);
            instance.bit = leader.is_some_and(|(_, count)| count >= quorum);
        }
        (Say::All(self.bits()), faults)
    }

    fn bits(&self) -> BroadcastMsg {
        let wanted = |i: &Instance| self.round == FIRST_ROUNDS && i.candidate.is_some() && !i.holds_candidate();
        BroadcastMsg::Bits {
            bits: self.instances.iter().map(|i| i.bit).collect(),
            wanted: self.instances.iter().map(wanted).collect(),
        }
    }

    /// Step 5a: mark a bit that n − t parties sent, and supply who lacks an accepted value.
    fn mark(&self, heard: Vec<Option<BroadcastMsg>>) -> (Say<BroadcastMsg>, Vec<Fault>) {
        let (lists, faults) = self.lists(heard, |msg| match msg {
            BroadcastMsg::Bits { bits, wanted } if bits.len() == wanted.len() => {
                Some(bits.into_iter().zip(wanted).collect::<Vec<(bool, bool)>>())
            }
            _ => None,
        });
        let count = |sender: usize, bit: bool| entries(&lists, sender).filter(|(b, _)| *b == bit).count();
        let mark = |sender| [false, true].into_iter().find(|bit| count(sender, *bit) >= self.quorum());
        let marks: Vec<_> = (0..self.committee.size()).map(mark).collect();
        let supply = |list: &Option<Vec<(bool, bool)>>| -> Vec<Option<Vec<u8>>> {
            let asked = list.iter().flatten().map(|(_, wanted)| *wanted && self.in_first_phase());
            let give = |(asked, i): (bool, &Instance)| i.value.clone().filter(|_| asked && i.holds_candidate());
            asked.zip(&self.instances).map(give).collect()
        };
        let each = lists.iter().map(|list| BroadcastMsg::Marks { marks: marks.clone(), supply: supply(list) });
        (Say::Each(each.collect()), faults)
    }

    /// Step 5b: follow a bit with t + 1 marks; it is firm with n − t.
    fn follow(&mut self, heard: Vec<Option<BroadcastMsg>>) -> (Say<BroadcastMsg>, Vec<Fault>) {
        let mut supplies = Vec::new();
        let (lists, faults) = self.lists(heard, |msg| match msg {
            BroadcastMsg::Marks { marks, supply } => {
                supplies.push(supply);
                Some(marks)
            }
            _ => None,
        });
        if self.in_first_phase() {
            self.take(supplies);
        }
        let (faulty, quorum) = (self.committee.threshold().faults(), self.quorum());
        for (sender, instance) in self.instances.iter_mut().enumerate() {
            let leader = most(&lists, sender).filter(|(_, count)| *count > faulty);
            instance.bit = leader.map_or(instance.bit, |(bit, _)| bit);
            instance.firm = leader.is_some_and(|(_, count)| count >= quorum);
        }
        let reigns = self.king() == Some(self.me);
        (Say::All(BroadcastMsg::King(reigns.then(|| self.instances.iter().map(|i| i.bit).collect()))), faults)
    }

    /// Step 5c: who is not firm takes the king's bit.
    fn obey(&mut self, heard: Vec<Option<BroadcastMsg>>) -> Vec<Fault> {
        let king = self.king();
        let (lists, faults) = self.lists(heard, |msg| match msg {
            BroadcastMsg::King(bits) => Some(bits.unwrap_or_default()),
            _ => None,
        });
        let bits = king.and_then(|king| lists.get(king.index())?.clone()).unwrap_or_default();
        for (sender, instance) in self.instances.iter_mut().enumerate().filter(|(_, i)| !i.firm) {
            instance.bit = bits.get(sender).copied().unwrap_or(false);
        }
        faults
    }

    /// Step 6: accepted values. A sender that sent us something and is not accepted did not send it to all.
    fn deliver(&mut self, mut faults: Vec<Fault>) -> Turn<BroadcastMsg, Delivered> {
        let mut delivered = Vec::new();
        for (sender, instance) in self.committee.parties().zip(&mut self.instances) {
            if !instance.bit && instance.received.is_some() {
                faults.push(fault(sender, Evidence::Split));
            }
            let accepted = instance.bit && instance.holds_candidate();
            delivered.push(mem::take(&mut instance.value).filter(|_| accepted));
        }
        Turn::output(delivered, faults)
    }

    /// Keeps supplied values whose hash is the candidate.
    fn take(&mut self, supplies: Vec<Vec<Option<Vec<u8>>>>) {
        for supply in supplies {
            for (sender, value) in self.committee.parties().zip(supply) {
                let Some(value) = value.filter(|value| value.len() <= self.limit) else { continue };
                let digest = Some(self.digest(sender, &value));
                if let Some(instance) = self.instances.get_mut(sender.index())
                    && instance.candidate == digest
                {
                    (instance.received, instance.value) = (digest, Some(value));
                }
            }
        }
    }

    const fn in_first_phase(&self) -> bool {
        self.round <= FIRST_ROUNDS + PHASE_ROUNDS
    }

    /// Party k reigns in phase k.
    fn king(&self) -> Option<PartyId> {
        let phase = (self.round - FIRST_ROUNDS).div_ceil(PHASE_ROUNDS);
        self.committee.parties().nth(phase as usize - 1)
    }

    /// Opens the messages of a round; who sent another kind of message, or not one entry per sender, is at fault.
    fn lists<T>(
        &self,
        heard: Vec<Option<BroadcastMsg>>,
        mut open: impl FnMut(BroadcastMsg) -> Option<Vec<T>>,
    ) -> (Vec<Option<Vec<T>>>, Vec<Fault>) {
        let mut faults = Vec::new();
        let expected = self.committee.size();
        let mut list = |(party, msg): (PartyId, Option<BroadcastMsg>)| {
            let msg = msg?;
            let idle = matches!(&msg, BroadcastMsg::King(None));
            match open(msg) {
                Some(list) if list.len() == expected || idle => Some(list),
                Some(list) => {
                    faults.push(fault(party, Evidence::WrongLength { expected, found: list.len() }));
                    None
                }
                None => {
                    faults.push(fault(party, Evidence::WrongKind { round: self.round }));
                    None
                }
            }
        };
        let lists = self.committee.parties().zip(heard).map(&mut list).collect();
        (lists, faults)
    }
}

const fn fault(culprit: PartyId, evidence: Evidence) -> Fault {
    Fault { culprit, step: StepId::Broadcast, evidence }
}

/// What the parties say about one sender.
fn entries<T>(lists: &[Option<Vec<T>>], sender: usize) -> impl Iterator<Item = &T> {
    lists.iter().flatten().filter_map(move |list| list.get(sender))
}

/// What most parties say about one sender, and how many.
fn most<T: Copy + PartialEq>(lists: &[Option<Vec<Option<T>>>], sender: usize) -> Option<(T, usize)> {
    let said: Vec<T> = entries(lists, sender).flatten().copied().collect();
    let counted = said.iter().map(|value| (*value, said.iter().filter(|other| *other == value).count()));
    counted.max_by_key(|(_, count)| *count)
}

impl Rounds for Broadcast {
    type Msg = BroadcastMsg;
    type Output = Delivered;

    fn committee(&self) -> Committee {
        self.committee
    }

    fn me(&self) -> PartyId {
        self.me
    }

    fn step_id(&self) -> StepId {
        StepId::Broadcast
    }

    fn terms(&self) -> Terms {
        let (session, committee) = (self.id.session, self.committee);
        Terms { session, committee, kind: RunKind::Broadcast, value: self.limit, list: 0 }
    }

    fn close(&mut self, heard: Vec<Option<BroadcastMsg>>) -> Turn<BroadcastMsg, Delivered> {
        let (say, faults) = match self.round {
            1 => self.echo(heard),
            2 => self.vote(heard),
            3 => self.decide_input(heard),
            round => match (round - FIRST_ROUNDS) % PHASE_ROUNDS {
                1 => self.mark(heard),
                2 => self.follow(heard),
                _ => {
                    let faults = self.obey(heard);
                    if round >= Self::rounds(self.committee) {
                        return self.deliver(faults);
                    }
                    (Say::All(self.bits()), faults)
                }
            },
        };
        self.round += 1;
        Turn::say(say, faults)
    }
}
