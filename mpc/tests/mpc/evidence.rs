//! Runs in bytes, and what of them convinces a third party (`docs/protocol/broadcast.md`, "Evidence").

use crate::common::{SIZES, committee, evidence_is_just, party, t};
use k256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use k256::ecdsa::{Signature, SigningKey, VerifyingKey};
use rand_chacha::ChaCha20Rng;
use std::cell::Cell;
use std::rc::Rc;
use tkms_mpc::broadcast::{Broadcast, BroadcastId, BroadcastMsg, Delivered};
use tkms_mpc::codec::{RunKind, Terms, Wire};
use tkms_mpc::fault::Evidence;
use tkms_mpc::machine::To;
use tkms_mpc::preprocessing::BatchMsg;
use tkms_mpc::ring::Gr16;
use tkms_mpc::rounds::InRound;
use tkms_mpc::run::{LOOKED_AT, Run, RunStep};
use tkms_mpc::sim::ToySeal;
use tkms_mpc::sim::lies::{Lies, Rushes, SaysTwice, TellsEach, WrongShape};
use tkms_mpc::sim::rounds::{SyncReport, SyncRun};
use tkms_mpc::statement::{Proof, Seal, SignedEvidence, Statement};
use tkms_types::{Id, KeyId, PartyId, SessionId};

fn session(number: u64) -> SessionId {
    SessionId(KeyId::numbered(number).bytes())
}

fn broadcast(n: usize, me: PartyId, number: u64) -> (Broadcast, tkms_mpc::rounds::Say<BroadcastMsg>) {
    let id = BroadcastId { session: session(number), number: 0 };
    Broadcast::new(id, (committee(n), me), 40, vec![me.number(); 5])
}

fn terms(n: usize) -> Terms {
    Terms { session: session(1), committee: committee(n), kind: RunKind::Broadcast, value: 40, list: 0 }
}

fn plan(n: usize, cheat: impl Fn() -> Box<dyn Lies<BroadcastMsg>>) -> SyncReport<Delivered> {
    let cheaters = (1..=t(n)).map(|i| party(3 * i));
    let plan = cheaters.fold(SyncRun::new(n, 1).unwrap(), |plan, cheater| plan.cheat(cheater, cheat()));
    plan.run(|me, _| broadcast(n, me, 1))
}

/// Secp256k1 as a node has it.
struct Keys {
    own: SigningKey,
    all: Vec<VerifyingKey>,
}

fn signing_key(party: PartyId) -> SigningKey {
    SigningKey::from_slice(&[party.number(); 32]).unwrap()
}

impl Keys {
    fn of(n: usize, me: PartyId) -> Self {
        let all = committee(n).parties().map(|party| *signing_key(party).verifying_key()).collect();
        Self { own: signing_key(me), all }
    }
}

impl Seal for Keys {
    fn sign(&self, hash: &[u8; 32]) -> [u8; 64] {
        let signature: Signature = self.own.sign_prehash(hash).unwrap();
        signature.to_bytes().into()
    }

    fn verify(&self, party: PartyId, hash: &[u8; 32], signature: &[u8; 64]) -> bool {
        let key = self.all.get(party.index());
        key.zip(Signature::from_slice(signature).ok()).is_some_and(|(key, s)| key.verify_prehash(hash, &s).is_ok())
    }
}

/// All parties, in lock-step, every frame through `tamper` (sender, receiver, frame); returns faults and evidence too.
fn in_step(
    n: usize,
    tamper: impl Fn(PartyId, PartyId, &[u8]) -> Vec<Vec<u8>>,
) -> Vec<(RunStep<Delivered>, Vec<SignedEvidence>)> {
    let mut ends: Vec<(RunStep<Delivered>, Vec<SignedEvidence>)> = Vec::new();
    let mut runs = Vec::new();
    let mut sent = Vec::new();
    for me in committee(n).parties() {
        let (protocol, first) = broadcast(n, me, 1);
        let (run, step) = Run::start(protocol, first, Keys::of(n, me));
        let (mut end, mut first) = (RunStep::nothing(), Vec::new());
        note(&mut end, &mut first, step);
        sent.push(first);
        runs.push(run);
        ends.push((end, Vec::new()));
    }
    while sent.iter().any(|list| !list.is_empty()) {
        let mut next = vec![Vec::new(); n];
        for (from, list) in committee(n).parties().zip(&sent) {
            for outgoing in list {
                let addressed = |to: &PartyId| *to != from && [To::All, To::One(*to)].contains(&outgoing.to);
                for to in committee(n).parties().filter(addressed) {
                    for bytes in tamper(from, to, &outgoing.msg) {
                        let step = runs[to.index()].receive(from, &bytes);
                        note(&mut ends[to.index()].0, &mut next[to.index()], step);
                    }
                }
            }
        }
        sent = next;
        if sent.iter().all(Vec::is_empty) {
            for (i, run) in runs.iter_mut().enumerate() {
                let step = run.round_over();
                note(&mut ends[i].0, &mut sent[i], step);
            }
        }
    }
    for (run, end) in runs.iter_mut().zip(&mut ends) {
        end.1 = run.take_evidence();
    }
    ends
}

fn note<T>(end: &mut RunStep<Delivered>, sent: &mut Vec<T>, step: RunStep<Delivered>)
where
    Vec<T>: Extend<tkms_mpc::machine::Outgoing<Vec<u8>>>,
{
    end.faults.extend(step.faults);
    end.output = end.output.take().or(step.output);
    sent.extend(step.send);
}

#[test]
fn real_signatures_carry_a_run() {
    for n in [1, 4, 7] {
        for (step, evidence) in in_step(n, |_, _, bytes| vec![bytes.to_vec()]) {
            let delivered = step.output.unwrap();
            assert!(delivered.iter().enumerate().all(|(i, value)| *value == Some(vec![i as u8 + 1; 5])));
            assert!(step.faults.is_empty() && evidence.is_empty());
        }
    }
}

#[test]
fn what_one_party_is_told_otherwise_every_honest_party_can_show() {
    type Make = fn() -> Box<dyn Lies<BroadcastMsg>>;
    let cheats: [Make; 2] = [|| Box::new(TellsEach), || Box::new(SaysTwice)];
    for (n, cheat) in SIZES.into_iter().flat_map(|n| cheats.map(|cheat| (n, cheat))) {
        let report = plan(n, cheat);
        let cheaters: Vec<_> = (1..=t(n)).map(|i| party(3 * i)).collect();
        assert_eq!(evidence_is_just(&report, &cheaters, "equivocation"), cheaters);
        for one in (1..=n).map(party).filter(|one| !cheaters.contains(one)) {
            let mut convicted: Vec<_> = report.endings[one.index()].evidence.iter().map(|e| e.culprit).collect();
            convicted.sort_unstable();
            assert_eq!(convicted, cheaters, "{one} can show all of them");
        }
    }
}

#[test]
fn signed_words_that_no_honest_party_says_convict() {
    for n in SIZES {
        let report = plan(n, || Box::new(WrongShape));
        let cheaters: Vec<_> = (1..=t(n)).map(|i| party(3 * i)).collect();
        assert_eq!(evidence_is_just(&report, &cheaters, "out of shape"), cheaters);
        let broken = |e: &SignedEvidence| matches!(e.proof, Proof::BrokenRule { .. });
        assert!(report.endings.iter().flat_map(|ending| &ending.evidence).all(broken));
    }
}

#[test]
fn evidence_is_about_one_party_round_run_and_pair_of_statements() {
    let report = plan(4, || Box::new(TellsEach));
    let terms = report.terms.unwrap();
    let seal = ToySeal(party(1));
    let good = report.endings[0].evidence[0].clone();
    assert!(good.verify(&terms, &seal));
    let Proof::Equivocation { first, second } = good.proof.clone() else { panic!("two statements") };
    let with = |first, second| SignedEvidence { proof: Proof::Equivocation { first, second }, ..good.clone() };
    assert!(with(second, first).verify(&terms, &seal));
    let flip = |statement: Statement, at: usize| {
        let mut other = statement;
        if at < 32 {
            other.digest[at] ^= 1
        } else {
            other.signature[at - 32] ^= 1
        };
        other
    };
    for bad in (0..96).flat_map(|at| [with(flip(first, at), second), with(first, flip(second, at))]) {
        assert!(!bad.verify(&terms, &seal), "forged");
    }
    assert!(!with(first, first).verify(&terms, &seal), "one statement twice");
    for other in [1, 2, 4, 5] {
        assert!(!SignedEvidence { culprit: party(other), ..good.clone() }.verify(&terms, &seal), "another party");
    }
    for round in [0, good.round + 1, u32::MAX] {
        assert!(!SignedEvidence { round, ..good.clone() }.verify(&terms, &seal), "another round");
    }
    assert!(!good.verify(&Terms { session: session(2), ..terms }, &seal), "another run");
}

#[test]
fn what_honest_parties_sign_convicts_nobody() {
    // every statement of an honest run, held against its author as a broken rule and in pairs
    let terms = terms(4);
    let seal = ToySeal(party(1));
    let (protocol, first) = broadcast(4, party(2), 1);
    let (_, step) = Run::start(protocol, first, ToySeal(party(2)));
    let said = BroadcastMsg::Send(vec![2; 5]).to_bytes();
    let signature: [u8; 64] = step.send[0].msg[3..67].try_into().unwrap();
    let evidence =
        SignedEvidence { culprit: party(2), round: 1, proof: Proof::BrokenRule { said: said.clone(), signature } };
    assert!(terms.permits(1, &said));
    assert!(!evidence.verify(&terms, &seal));
    // the same words in a round they do not belong to would convict, had it signed them there
    assert!(!SignedEvidence { round: 2, ..evidence.clone() }.verify(&terms, &seal));
    assert!(!SignedEvidence { round: 0, ..evidence }.verify(&terms, &seal));
}

#[test]
fn an_altered_frame_is_unsigned_and_convicts_nobody() {
    for at in [3, 40, 66] {
        let ends = in_step(4, |from, to, bytes| {
            let mut bytes = bytes.to_vec();
            if (from, to) == (party(2), party(1)) {
                bytes[at] ^= 1;
            }
            vec![bytes]
        });
        let unsigned: Vec<_> = ends[0].0.faults.iter().map(|f| (f.culprit, f.evidence)).collect();
        assert_eq!(unsigned, [(party(2), Evidence::Unsigned { round: 1 })]);
        assert!(ends.iter().all(|(step, evidence)| step.output.is_some() && evidence.is_empty()));
    }
}

#[test]
fn a_passed_on_statement_with_a_wrong_signature_convicts_nobody_and_is_blamed_on_who_passed_it_on() {
    let ends = in_step(4, |from, to, bytes| {
        let mut bytes = bytes.to_vec();
        // round 2 passes on four statements, of 96 bytes each: spoil the digest of the first towards one party
        if (from, to) == (party(2), party(3)) && bytes[0] == 2 {
            bytes[69] ^= 1;
        }
        // a signature beside a digest that everyone knows is not looked at
        if from == party(3) && bytes[0] == 2 {
            bytes[69 + 40] ^= 1;
        }
        vec![bytes]
    });
    for (me, (step, evidence)) in (1..).map(party).zip(&ends) {
        let blamed: Vec<_> = step.faults.iter().map(|fault| (fault.culprit, fault.evidence)).collect();
        let expected = if me == party(3) { vec![(party(2), Evidence::PassedOn { round: 2 })] } else { vec![] };
        assert_eq!((blamed, evidence.len()), (expected, 0), "at {me}");
        assert!(step.output.is_some());
    }
}

/// Counts what it is asked to check.
struct Counts(Rc<Cell<u32>>);

impl Seal for Counts {
    fn sign(&self, hash: &[u8; 32]) -> [u8; 64] {
        ToySeal(party(1)).sign(hash)
    }

    fn verify(&self, party: PartyId, hash: &[u8; 32], signature: &[u8; 64]) -> bool {
        self.0.set(self.0.get() + 1);
        ToySeal(party).verify(party, hash, signature)
    }
}

#[test]
fn a_party_that_never_stops_talking_makes_nobody_check_signatures_without_end() {
    let checked = Rc::new(Cell::new(0));
    let (protocol, first) = broadcast(4, party(1), 1);
    let mut run = Run::start(protocol, first, Counts(Rc::clone(&checked))).0;
    for from in [2, 3, 4].map(party) {
        run.receive(from, &first_frame(1, from));
    }
    assert_eq!((run.round(), checked.get()), (2, 3));
    let frame = |round: u8, number: u32| {
        let mut bytes = [&[round, 0, 1][..], &[0; 64], &[0b1111, 0]].concat();
        for _ in 0..4 {
            bytes.extend([&number.to_le_bytes()[..], &[7; 92]].concat());
        }
        bytes.extend(BroadcastMsg::Echo(vec![None; 4]).to_bytes());
        bytes
    };
    let mut blamed = Vec::new();
    for (round, number) in [2, 3, 4].into_iter().flat_map(|round| (0..500).map(move |number| (round, number))) {
        blamed.extend(run.receive(party(4), &frame(round, number)).faults);
    }
    assert_eq!(blamed.len(), 1, "named once");
    assert_eq!((blamed[0].culprit, blamed[0].evidence), (party(4), Evidence::PassedOn { round: 2 }));
    assert!(checked.get() - 3 <= 3 * u32::from(LOOKED_AT), "{} signatures checked for 1,500 frames", checked.get());
    assert_eq!(run.awaited(), [party(2), party(3)], "it has spoken, and the others are still heard");
}

fn lone(n: usize) -> Run<Broadcast, ToySeal> {
    let (protocol, first) = broadcast(n, party(1), 1);
    Run::start(protocol, first, ToySeal(party(1))).0
}

fn first_frame(number: u64, from: PartyId) -> Vec<u8> {
    let (protocol, first) = broadcast(4, from, number);
    Run::start(protocol, first, ToySeal(from)).1.send[0].msg.clone()
}

#[test]
fn frames_of_other_runs_and_parties_are_unsigned() {
    for (from, frame) in [(party(2), first_frame(2, party(2))), (party(3), first_frame(1, party(2)))] {
        let mut run = lone(4);
        let step = run.receive(from, &frame);
        assert_eq!((step.faults[0].culprit, step.faults[0].evidence), (from, Evidence::Unsigned { round: 1 }));
        assert_eq!(run.awaited(), (2..=4).map(party).filter(|p| *p != from).collect::<Vec<_>>(), "it has spoken");
        assert!(run.take_evidence().is_empty());
    }
}

#[test]
fn the_same_frame_twice_is_no_fault_and_another_one_is_evidence() {
    let mut run = lone(4);
    let frame = first_frame(1, party(2));
    for _ in 0..3 {
        assert!(run.receive(party(2), &frame).faults.is_empty());
    }
    assert!(run.take_evidence().is_empty());
    let id = BroadcastId { session: session(1), number: 0 };
    let (protocol, first) = Broadcast::new(id, (committee(4), party(2)), 40, vec![9; 9]);
    let other = Run::start(protocol, first, ToySeal(party(2))).1.send[0].msg.clone();
    for expected in [1, 0] {
        let faults = run.receive(party(2), &other).faults;
        assert_eq!(faults.len(), expected, "named once");
    }
    let evidence = run.take_evidence();
    assert!(evidence.len() == 1 && evidence[0].verify(run.terms(), &ToySeal(party(4))));
    assert!(run.take_evidence().is_empty(), "given once");
}

#[test]
fn frames_that_cannot_be_read_are_blamed_on_their_sender() {
    let good = first_frame(1, party(2));
    let with = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    let whole = Evidence::Unreadable { round: None };
    let cases = [
        (vec![], whole),
        (vec![1], whole),
        (vec![1, 0], whole),
        (vec![1, 0, 2], whole),
        (good[..60].to_vec(), whole),
        (with(68, 0xff), whole),
        (vec![1, 0, 0], Evidence::Unreadable { round: Some(1) }),
        (vec![1, 0, 0, 99], Evidence::Unreadable { round: Some(1) }),
        (vec![1, 0, 0, 0], Evidence::Unsigned { round: 1 }),
    ];
    for (bytes, evidence) in cases {
        let mut run = lone(4);
        let step = run.receive(party(2), &bytes);
        assert_eq!((step.faults[0].culprit, step.faults[0].evidence), (party(2), evidence), "{bytes:?}");
        assert!(run.take_evidence().is_empty());
    }
    let step = lone(4).receive(party(5), &good);
    assert_eq!(step.faults[0].evidence, Evidence::NotAMember);
}

#[test]
fn late_and_far_frames_change_nothing() {
    let mut run = lone(4);
    let mut frame = first_frame(1, party(2));
    for round in [0u16, 4, u16::MAX] {
        frame[..2].copy_from_slice(&round.to_le_bytes());
        assert_eq!(run.receive(party(2), &frame), RunStep::nothing());
    }
    assert_eq!((run.round(), run.awaited().len(), run.is_done()), (1, 3, false));
    assert_eq!(run.give_up().silent, [party(2), party(3), party(4)]);
}

#[test]
fn each_round_of_a_run_permits_its_own_kind_of_message_only() {
    let said = |msg: &BroadcastMsg| msg.statement().unwrap();
    let msgs = [
        BroadcastMsg::Send(vec![1]),
        BroadcastMsg::Echo(vec![None; 4]),
        BroadcastMsg::Vote(vec![None; 4]),
        BroadcastMsg::Bits { bits: vec![true; 4], wanted: vec![false; 4] },
        BroadcastMsg::Marks { marks: vec![None; 4], supply: vec![None; 4] },
        BroadcastMsg::King(Some(vec![true; 4])),
    ];
    let kinds = |terms: &Terms, round| (0..6).filter(|i| terms.permits(round, &said(&msgs[*i]))).collect::<Vec<_>>();
    let of = |kind| Terms { kind, ..terms(4) };
    // n = 4: nine rounds
    let each = [0, 1, 2, 3, 4, 5, 3, 4, 5];
    let alone: Vec<_> = (1..=10).map(|round| kinds(&of(RunKind::Broadcast), round)).collect();
    assert_eq!(alone[..9], each.map(|kind| vec![kind]));
    assert_eq!(alone[9], [] as [usize; 0]);
    let dealing = of(RunKind::Dealing);
    assert_eq!([1, 2, 30].map(|round| kinds(&dealing, round)), [vec![0usize; 0], vec![], vec![]]);
    assert_eq!(
        [3, 11, 12, 29].map(|round| kinds(&dealing, round)),
        [[0usize], [5], [0], [5]].map(|kind| kind.to_vec())
    );
    let vote = BatchMsg::<Gr16>::Vote { accept: true, want: true }.to_bytes();
    for (careful, before) in [(false, 1), (true, 9)] {
        let batch = of(RunKind::Batch { careful });
        let votes: Vec<u32> = (0..60).filter(|round| batch.permits(*round, &vote)).collect();
        assert_eq!(votes, [before + 10]);
        assert_eq!(kinds(&batch, 1), if careful { vec![0] } else { vec![] });
        assert_eq!(
            [before + 1, before + 11].map(|round| kinds(&batch, round)),
            [[0usize], [0]].map(|kind| kind.to_vec())
        );
        assert_eq!(kinds(&batch, before + 20), [] as [usize; 0]);
    }
    assert!(!terms(4).permits(11, &vote), "no vote outside of a batch");
    assert!(!of(RunKind::Batch { careful: false }).permits(11, &[11, 4]));
    let supplied = BroadcastMsg::Marks { marks: vec![None; 4], supply: vec![Some(vec![1]); 4] }.to_bytes();
    assert!(!terms(4).permits(5, &supplied), "what is supplied is not signed");
}

#[test]
fn a_rushing_liar_convicts_itself_and_nobody_else() {
    for n in SIZES {
        let cheaters: Vec<_> = (1..=t(n)).map(|i| party(3 * i)).collect();
        evidence_is_just(&plan(n, || Box::new(Rushes::new())), &cheaters, "rushes");
    }
}

/// Tells all parties the same lie: nothing to show, and nothing to fear.
struct SameLie;

impl Lies<BroadcastMsg> for SameLie {
    fn instead_of(
        &mut self,
        honest: &InRound<BroadcastMsg>,
        _: PartyId,
        _: &mut ChaCha20Rng,
    ) -> Vec<InRound<BroadcastMsg>> {
        let mut msg = honest.clone();
        if let BroadcastMsg::Send(value) = &mut msg.msg {
            value.push(7);
        }
        vec![msg]
    }
}

#[test]
fn a_lie_that_all_are_told_alike_is_a_value_like_any_other() {
    let report = plan(7, || Box::new(SameLie));
    assert_eq!(evidence_is_just(&report, &[], "same lie"), []);
    assert_eq!(report.endings[0].output.as_ref().unwrap()[2], Some(vec![3, 3, 3, 3, 3, 7]));
}
