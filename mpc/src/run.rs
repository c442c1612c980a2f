//! One party's part in one run, in bytes: what a node puts on its authenticated channels and takes from them.
//!
//! [`Run`] is the machine of a protocol in rounds with its messages encoded ([`crate::codec`]) and its public ones
//! signed ([`crate::statement`]). A node drives it with four calls:
//!
//! ```text
//! let (mut run, step) = Run::start(protocol, first, seal);     // what the constructors of the protocols give
//! send step.send; note step.faults, run.take_evidence(); step.output ends the run
//! on a frame of a peer (authenticated, of this session):        run.receive(peer, &bytes) -> step
//! on the deadline of round run.round(), start + round · T:      run.round_over()          -> step
//! on shutdown:                                                  run.give_up()             -> who was silent
//! ```
//!
//! A run that is interrupted is not taken up again: its messages would contradict those of before the crash. The next
//! one has another session.
//!
//! Frame: round u16; 0 for a private message, or 1, the sender's signature, a mask of the parties whose statements of
//! the round before follow, and these (digest, signature); then the message to the end. Little-endian.

use crate::codec::{Malformed, Reader, RunKind, SEND, Terms, Wire, bits_of, mask_of};
use crate::fault::{Abort, Evidence, Fault};
use crate::machine::{Machine, Outgoing, Step};
use crate::rounds::{InRound, Rounds, Say, SyncStep, Synchronous};
use crate::statement::{Proof, SIGNATURE_BYTES, Seal, SignedEvidence, SignedWords, Statement, digest_of};
use std::collections::BTreeMap;
use std::mem;
use tkms_types::{Committee, PartyId};

/// Bytes of a statement that is passed on.
const PASSED_ON: usize = 32 + SIGNATURE_BYTES;

/// Bytes of a broadcast value that is kept for evidence: what is shown of a rejected batch is shorter, and so is what a
/// dealer publishes about t parties.
pub const MAX_KEPT: usize = 64 << 10;

/// Frames of one party in one round that are looked at; an honest one sends one, and a second one shows a liar. So nobody
/// makes us check signatures without end.
pub const LOOKED_AT: u8 = 4;

/// Bytes of the longest frame of a run.
#[must_use]
pub fn longest_frame(terms: &Terms) -> usize {
    3 + SIGNATURE_BYTES + 2 + terms.committee.size() * PASSED_ON + terms.longest()
}

/// One party's part in one run.
pub struct Run<P: Rounds, S> {
    machine: Synchronous<P>,
    terms: Terms,
    committee: Committee,
    me: PartyId,
    seal: S,
    /// What parties said in public, by round and party.
    heard: BTreeMap<(u32, PartyId), Statement>,
    /// How many frames each party sent in rounds that are not over.
    frames: BTreeMap<(u32, PartyId), u8>,
    /// Parties against whom there is evidence: the first piece is enough, and there are at most n.
    convicted: Vec<PartyId>,
    evidence: Vec<SignedEvidence>,
    /// The values of broadcasts, as they were signed.
    values: Vec<SignedWords>,
    /// Faults that go out with the next step.
    faults: Vec<Fault>,
    /// Our last signature: a message to each is one statement.
    signed: Option<(u32, Statement)>,
}

/// A step in bytes.
pub type RunStep<O> = Step<Vec<u8>, O>;

/// A frame taken apart; the message is still bytes.
struct Frame<'a> {
    round: u32,
    signature: Option<[u8; SIGNATURE_BYTES]>,
    passed_on: Vec<(PartyId, Statement)>,
    body: &'a [u8],
}

impl<P: Rounds, S: Seal> Run<P, S>
where
    P::Msg: Wire,
{
    /// Begins, with what the protocol's constructor gave.
    pub fn start(protocol: P, first: Say<P::Msg>, seal: S) -> (Self, RunStep<P::Output>) {
        let (terms, committee, me) = (protocol.terms(), protocol.committee(), protocol.me());
        let (machine, step) = Synchronous::start(protocol, first);
        let mut run = Self {
            machine,
            terms,
            committee,
            me,
            seal,
            heard: BTreeMap::new(),
            frames: BTreeMap::new(),
            convicted: Vec::new(),
            evidence: Vec::new(),
            values: Vec::new(),
            faults: Vec::new(),
            signed: None,
        };
        let step = run.encode(step);
        (run, step)
    }

    /// The round in progress, from 1: the timer of an earlier one is void.
    #[must_use]
    pub const fn round(&self) -> u32 {
        self.machine.round()
    }

    /// Whether the output has been given.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.machine.is_done()
    }

    /// Parties the current round waits for.
    #[must_use]
    pub fn awaited(&self) -> Vec<PartyId> {
        self.machine.awaited()
    }

    /// What everyone knows about the run.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// What a third party can check against parties of the committee; each piece is given once.
    pub fn take_evidence(&mut self) -> Vec<SignedEvidence> {
        mem::take(&mut self.evidence)
    }

    /// The values of broadcasts, as their senders signed them, ours included: of a batch those of the last one, which after
    /// a rejection [`crate::preprocessing::convicted`] takes; of a dealing those of all three, for [`crate::vss::convicted`].
    /// One for each party and broadcast; values longer than [`MAX_KEPT`] are not kept.
    #[must_use]
    pub fn signed_values(&self) -> &[SignedWords] {
        &self.values
    }

    fn keep(&mut self, words: SignedWords) {
        if words.said.first() != Some(&SEND) || words.said.len() > MAX_KEPT {
            return;
        }
        let all = self.terms.kind == RunKind::Dealing;
        self.values.retain(|other| all || other.round >= words.round);
        // a party's first value of a round counts
        let known = |other: &SignedWords| (other.round, other.party) == (words.round, words.party);
        if !self.values.iter().any(|other| known(other) || (!all && other.round > words.round)) {
            self.values.push(words);
        }
    }

    /// Consumes one frame that the channel says is `from`'s and of this session.
    pub fn receive(&mut self, from: PartyId, bytes: &[u8]) -> RunStep<P::Output> {
        if !self.committee.contains(from) {
            let step = self.machine.blame(from, Evidence::NotAMember);
            return self.encode(step);
        }
        let Ok(frame) = Frame::parse(bytes, self.committee) else {
            let step = self.machine.blame(from, Evidence::Unreadable { round: None });
            return self.encode(step);
        };
        if !self.machine.is_timely(frame.round) || !self.looks_at(from, frame.round) {
            return Step::nothing();
        }
        let step = match self.check_passed_on(&frame).and_then(|()| self.open(from, &frame)) {
            Ok(msg) => self.machine.receive(from, InRound { round: frame.round, msg }),
            Err(evidence) => self.machine.unreadable(from, frame.round, evidence),
        };
        self.encode(step)
    }

    /// Counts a frame; `false` if there were enough of this party in this round.
    fn looks_at(&mut self, from: PartyId, round: u32) -> bool {
        let count = self.frames.entry((round, from)).or_insert(0);
        *count = count.saturating_add(1);
        *count <= LOOKED_AT
    }

    /// Compares what is passed on with what we heard. Honest parties pass on what they have checked, so the first
    /// statement that its author did not sign ends it: whoever passed it on has lied.
    fn check_passed_on(&mut self, frame: &Frame<'_>) -> Result<(), Evidence> {
        let before = frame.round.saturating_sub(1);
        let mut genuine = |(party, statement): &(PartyId, Statement)| self.compare(before, *party, statement);
        if frame.passed_on.iter().all(&mut genuine) { Ok(()) } else { Err(Evidence::PassedOn { round: frame.round }) }
    }

    /// The deadline of the current round has passed: who has not spoken is silent in it.
    pub fn round_over(&mut self) -> RunStep<P::Output> {
        let step = self.machine.round_over();
        self.encode(step)
    }

    /// Ends a run that has no output yet and names who was silent.
    pub fn give_up(self) -> Abort {
        self.machine.give_up()
    }

    /// The message of a frame, if its public part is signed.
    fn open(&mut self, from: PartyId, frame: &Frame<'_>) -> Result<P::Msg, Evidence> {
        let round = frame.round;
        let unreadable = Evidence::Unreadable { round: Some(round) };
        let parsed = P::Msg::parse(frame.body, &self.terms).map_err(|_| unreadable);
        let (said, signature) = match (&parsed, frame.signature) {
            (Ok(msg), signature) => match (msg.statement(), signature) {
                (None, None) => return parsed,
                (None, Some(_)) => return Err(unreadable),
                (Some(_), None) => return Err(Evidence::Unsigned { round }),
                (Some(said), Some(signature)) => (said, signature),
            },
            (Err(_), None) => return parsed,
            // what is signed and cannot be read convicts
            (Err(_), Some(signature)) => (frame.body.to_vec(), signature),
        };
        let statement = Statement { digest: digest_of(&said), signature };
        if !statement.verify(&self.terms, (from, round), &self.seal) {
            return Err(Evidence::Unsigned { round });
        }
        if !self.terms.permits(round, &said) {
            self.convict(SignedEvidence { culprit: from, round, proof: Proof::BrokenRule { said, signature } });
            return Err(parsed.err().unwrap_or(Evidence::WrongKind { round }));
        }
        self.compare(round, from, &statement);
        self.heard.entry((round, from)).or_insert(statement);
        self.keep(SignedWords { party: from, round, said, signature });
        parsed
    }

    /// Two statements of one party in one round convict it. `false` if the other one is not its own.
    fn compare(&mut self, round: u32, party: PartyId, other: &Statement) -> bool {
        let Some(ours) = self.heard.get(&(round, party)).filter(|ours| ours.digest != other.digest) else {
            return true;
        };
        if self.convicted.contains(&party) {
            return true;
        }
        if !other.verify(&self.terms, (party, round), &self.seal) {
            return false;
        }
        let proof = Proof::Equivocation { first: *ours, second: *other };
        self.faults.extend(self.machine.blame(party, Evidence::TwoMessages { round }).faults);
        self.convict(SignedEvidence { culprit: party, round, proof });
        true
    }

    /// A frame with any message, as this party would send it: for cheats.
    #[cfg(feature = "sim")]
    pub(crate) fn forge(&mut self, round: u32, msg: P::Msg) -> Vec<u8> {
        self.frame(InRound { round, msg })
    }

    /// The message of a frame of our own.
    #[cfg(feature = "sim")]
    pub(crate) fn own_message(&self, bytes: &[u8]) -> Option<InRound<P::Msg>> {
        let frame = Frame::parse(bytes, self.committee).ok()?;
        let msg = P::Msg::parse(frame.body, &self.terms).ok()?;
        Some(InRound { round: frame.round, msg })
    }

    fn convict(&mut self, evidence: SignedEvidence) {
        if !self.convicted.contains(&evidence.culprit) {
            self.convicted.push(evidence.culprit);
            self.evidence.push(evidence);
        }
    }

    fn encode(&mut self, step: SyncStep<P>) -> RunStep<P::Output> {
        let send =
            step.send.into_iter().map(|outgoing| Outgoing { to: outgoing.to, msg: self.frame(outgoing.msg) }).collect();
        // statements of the round before the current one are still to be passed on
        let oldest = self.machine.round().saturating_sub(1);
        self.heard.retain(|(round, _), _| *round >= oldest);
        let current = self.machine.round();
        self.frames.retain(|(round, _), _| *round >= current);
        let mut faults = mem::take(&mut self.faults);
        faults.extend(step.faults);
        Step { send, faults, output: step.output }
    }

    fn sign(&mut self, round: u32, said: &[u8]) -> Statement {
        let digest = digest_of(said);
        match self.signed {
            Some((at, statement)) if at == round && statement.digest == digest => statement,
            _ => {
                let signature = self.seal.sign(&Statement::signed_hash(&self.terms, (self.me, round), &digest));
                let statement = Statement { digest, signature };
                self.signed = Some((round, statement));
                statement
            }
        }
    }

    fn frame(&mut self, InRound { round, msg }: InRound<P::Msg>) -> Vec<u8> {
        // a run has fewer than a hundred rounds
        let mut bytes = u16::try_from(round).unwrap_or(u16::MAX).to_le_bytes().to_vec();
        match msg.statement() {
            None => bytes.push(0),
            Some(said) => {
                bytes.push(1);
                let signature = self.sign(round, &said).signature;
                bytes.extend(signature);
                let before = |party| round.checked_sub(1).and_then(|before| self.heard.get(&(before, party)));
                let mask = mask_of(self.committee.parties().map(|party| before(party).is_some()));
                bytes.extend(mask.to_le_bytes());
                for statement in self.committee.parties().filter_map(before) {
                    bytes.extend(statement.digest);
                    bytes.extend(statement.signature);
                }
                self.keep(SignedWords { party: self.me, round, said, signature });
            }
        }
        msg.write(&mut bytes);
        bytes
    }
}

/// A frame of a party without its run: for what is fed with bytes.
#[cfg(feature = "sim")]
pub(crate) fn signed_frame<M: Wire>(terms: &Terms, from: PartyId, said: &InRound<M>) -> Vec<u8> {
    let mut bytes = u16::try_from(said.round).unwrap_or(u16::MAX).to_le_bytes().to_vec();
    match said.msg.statement() {
        None => bytes.push(0),
        Some(words) => {
            let hash = Statement::signed_hash(terms, (from, said.round), &digest_of(&words));
            bytes.push(1);
            bytes.extend(crate::sim::ToySeal(from).sign(&hash));
            bytes.extend([0, 0]);
        }
    }
    said.msg.write(&mut bytes);
    bytes
}

impl<'a> Frame<'a> {
    fn parse(bytes: &'a [u8], committee: Committee) -> Result<Self, Malformed> {
        let mut reader = Reader(bytes);
        let round = u32::from(u16::from_le_bytes(reader.array()?));
        let (mut signature, mut passed_on) = (None, Vec::new());
        match reader.byte()? {
            0 => {}
            1 => {
                signature = Some(reader.array()?);
                let mask = reader.mask(committee)?;
                for (party, there) in committee.parties().zip(bits_of(mask, committee)) {
                    if there {
                        passed_on.push((party, Statement { digest: reader.array()?, signature: reader.array()? }));
                    }
                }
            }
            tag => return Err(Malformed::Tag(tag)),
        }
        Ok(Self { round, signature, passed_on, body: reader.0 })
    }
}
