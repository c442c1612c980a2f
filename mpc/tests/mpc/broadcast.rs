//! The claims of `docs/protocol/broadcast.md`, one test each.

use crate::common::{SIZES, evidence_is_just, party, seeds, t};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use tkms_mpc::broadcast::{Broadcast, BroadcastId, BroadcastMsg, Delivered};
use tkms_mpc::fault::{Evidence, StepId};
use tkms_mpc::machine::Machine;
use tkms_mpc::rounds::{InRound, Say, Synchronous};
use tkms_mpc::sim::liars::SendsToSome;
use tkms_mpc::sim::lies::{
    CrashIn, Lies, Repeats, Rushes, SaysTwice, Selective, SilentAfter, TellsEach, WrongShape, WrongValue,
};
use tkms_mpc::sim::plots::draw;
use tkms_mpc::sim::rounds::{ROUND, SyncReport, SyncRun};
use tkms_types::{Committee, Id, KeyId, PartyId, SessionId};

const LIMIT: usize = 100;
type Run = SyncRun<BroadcastMsg>;

pub fn rounds(n: usize) -> u32 {
    Broadcast::rounds(Committee::new(n).unwrap())
}

fn id() -> BroadcastId {
    BroadcastId { session: SessionId(KeyId::numbered(1).bytes()), number: 1 }
}

fn value(party: PartyId) -> Vec<u8> {
    vec![party.number(); 40 + party.index()]
}

fn start(n: usize, me: PartyId) -> (Broadcast, Say<BroadcastMsg>) {
    Broadcast::new(id(), (Committee::new(n).unwrap(), me), LIMIT, value(me))
}

pub fn run(n: usize, run: Run) -> SyncReport<Delivered> {
    run.run(|me, _| start(n, me))
}

fn plan(n: usize, seed: u64) -> Run {
    Run::new(n, seed).unwrap()
}

/// Every honest party has the same list, and in it every honest party's value; nobody honest is blamed. Returns the list.
pub fn agreed(n: usize, report: &SyncReport<Delivered>, cheaters: &[PartyId], note: &str) -> Delivered {
    evidence_is_just(report, cheaters, note);
    let honest: Vec<_> = (1..=n).map(party).filter(|p| !cheaters.contains(p)).collect();
    let first = report.endings[honest[0].index()].output.clone().unwrap();
    for one in &honest {
        let ending = &report.endings[one.index()];
        assert_eq!(ending.output.as_ref(), Some(&first), "{note}: {one} agrees");
        assert_eq!(first[one.index()], Some(value(*one)), "{note}: value of {one}");
        assert!(ending.faults.iter().all(|fault| cheaters.contains(&fault.culprit)), "{note}: {:?}", ending.faults);
    }
    first
}

#[test]
fn every_value_reaches_everyone_without_a_timer() {
    for n in [1, 4, 7, 10, 13] {
        let report = run(n, plan(n, 3));
        agreed(n, &report, &[], "honest");
        let longest = report.trace.last().map_or(0, |arrival| arrival.tick);
        assert!(longest < ROUND * u64::from(rounds(n)) / 8, "n = {n}: {longest} ticks, no deadline was waited for");
    }
}

#[test]
fn lost_messages_change_nothing() {
    let report = run(7, plan(7, 3).lossy(40));
    agreed(7, &report, &[], "lossy");
}

#[test]
fn a_sender_that_tells_each_another_value_is_refused_and_blamed_by_all() {
    for n in SIZES {
        let cheaters: Vec<_> = (1..=t(n)).map(|i| party(3 * i)).collect();
        let plan = cheaters.iter().fold(plan(n, 5), |plan, cheater| plan.cheat(*cheater, TellsEach));
        let report = run(n, plan);
        let delivered = agreed(n, &report, &cheaters, "tells each");
        for cheater in &cheaters {
            assert_eq!(delivered[cheater.index()], None);
            for (i, ending) in report.endings.iter().enumerate().filter(|(i, _)| !cheaters.contains(&party(i + 1))) {
                assert!(ending.faults.iter().any(|f| f.culprit == *cheater), "{} blames {cheater}", party(i + 1));
            }
        }
    }
}

#[test]
fn silence_from_any_round_on_is_survived() {
    for n in [4, 7] {
        for last in 0..=rounds(n) {
            let cheaters: Vec<_> = (1..=t(n)).map(party).collect();
            let plan = cheaters.iter().fold(plan(n, 1), |plan, cheater| plan.cheat(*cheater, SilentAfter(last)));
            let delivered = agreed(n, &run(n, plan), &cheaters, &format!("silent after {last}"));
            let expected = (last > 0).then(|| value(party(1)));
            assert_eq!(delivered[0], expected, "who sent its value to all is delivered");
        }
    }
}

#[test]
fn a_crash_in_any_round_at_any_receiver_is_survived() {
    for n in [4, 7] {
        for (round, reached) in (1..=rounds(n)).flat_map(|round| (0..=n as u8).map(move |reached| (round, reached))) {
            let cheaters: Vec<_> = (0..t(n)).map(|i| party(n - i)).collect();
            let cheat = |plan: Run, cheater: &PartyId| plan.cheat(*cheater, CrashIn(round, reached));
            let report = run(n, cheaters.iter().fold(plan(n, 2), cheat));
            agreed(n, &report, &cheaters, &format!("n = {n}, crash in {round} after {reached}"));
        }
    }
    for n in [10, 13] {
        for round in 1..=rounds(n) {
            let cheaters: Vec<_> = (1..=t(n)).map(party).collect();
            let cheat = |plan: Run, cheater: &PartyId| plan.cheat(*cheater, CrashIn(round, n as u8 / 2));
            agreed(n, &run(n, cheaters.iter().fold(plan(n, 2), cheat)), &cheaters, "crash");
        }
    }
}

#[test]
fn an_outage_and_return_of_one_party_is_survived() {
    let report = run(4, plan(4, 2).outage(party(2), ROUND..3 * ROUND));
    agreed(4, &report, &[party(2)], "outage");
    let report = run(4, plan(4, 2).outage(party(2), 20..60));
    agreed(4, &report, &[party(2)], "short outage");
}

#[test]
fn who_was_left_out_by_the_sender_is_given_the_value() {
    // the value reaches 2t + 1 parties; the others know its hash and ask for it
    for n in SIZES {
        let quorum = (n - t(n)) as u8;
        let report = run(n, plan(n, 4).cheat(party(1), SendsToSome(quorum)));
        let delivered = agreed(n, &report, &[party(1)], "sends to some");
        assert_eq!(delivered[0], Some(value(party(1))), "n = {n}");
    }
}

#[test]
fn malformed_and_repeated_messages_are_blamed_on_their_sender() {
    for n in SIZES {
        let report = run(n, plan(n, 5).cheat(party(2), WrongShape));
        agreed(n, &report, &[party(2)], "wrong shape");
        for (i, ending) in report.endings.iter().enumerate().filter(|(i, _)| *i != 1) {
            let blame: Vec<_> = ending.faults.iter().map(|f| (f.culprit, f.step)).collect();
            assert_eq!(blame, [(party(2), StepId::Broadcast)], "{}", party(i + 1));
            assert!(matches!(ending.faults[0].evidence, Evidence::Unreadable { .. }));
        }
        let report = run(n, plan(n, 5).cheat(party(2), Repeats::new()));
        agreed(n, &report, &[party(2)], "repeats");
        assert!(matches!(report.endings[0].faults[0].evidence, Evidence::WrongKind { round: 2 }));
        let report = run(n, plan(n, 5).cheat(party(2), SaysTwice));
        agreed(n, &report, &[party(2)], "says twice");
        assert!(
            report.endings.iter().any(|e| e.faults.iter().any(|f| matches!(f.evidence, Evidence::TwoMessages { .. })))
        );
    }
}

/// The form with t + 1 rounds of votes (vote at t + r − 3 votes, accept at n − t) splits honest parties under these
/// messages at n = 4: one party accepts, two do not. Here party 4 sends its value to 1 and 2 only, lets only 1 see a
/// third echo, and helps only 1 afterwards.
#[test]
fn votes_shown_to_one_party_do_not_split_the_others() {
    struct HelpsOne;
    impl Lies<BroadcastMsg> for HelpsOne {
        fn instead_of(
            &mut self,
            honest: &InRound<BroadcastMsg>,
            to: PartyId,
            _: &mut ChaCha20Rng,
        ) -> Vec<InRound<BroadcastMsg>> {
            let mut msg = honest.clone();
            let favoured = to.number() == 1;
            match &mut msg.msg {
                BroadcastMsg::Send(value) if to.number() == 3 => value.push(1),
                BroadcastMsg::Echo(list) if !favoured => list[3] = None,
                BroadcastMsg::Vote(list) if !favoured => list[3] = None,
                BroadcastMsg::Bits { bits, .. } => bits[3] = favoured,
                BroadcastMsg::Marks { marks, .. } => marks[3] = Some(favoured),
                _ => {}
            }
            vec![msg]
        }
    }
    let report = run(4, plan(4, 1).cheat(party(4), HelpsOne));
    agreed(4, &report, &[party(4)], "helps one");
}

#[test]
fn with_any_t_cheaters_honest_parties_agree() {
    for seed in seeds(400) {
        let n = SIZES[(seed % 4) as usize];
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let drawn = draw(plan(n, seed), rounds(n), &mut rng);
        let note = format!("seed {seed}, n {n}{}", drawn.note);
        let (faulty, cheaters) = (drawn.faulty(), drawn.cheaters);
        let report = run(n, drawn.plan);
        agreed(n, &report, &faulty, &note);
        evidence_is_just(&report, &cheaters, &note);
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let once = |seed| run(7, plan(7, seed).cheat(party(3), Rushes::new()).cheat(party(5), Selective(3)).lossy(10));
    assert_eq!(once(8), once(8));
    assert_ne!(once(8).trace, once(9).trace);
}

#[test]
fn a_party_alone_delivers_at_once_and_a_cut_off_one_names_the_silent() {
    let (broadcast, say) = start(1, party(1));
    let (machine, step) = Synchronous::start(broadcast, say);
    assert!(machine.is_done());
    assert_eq!(step.output, Some(vec![Some(value(party(1)))]));
    let (broadcast, say) = start(4, party(2));
    let abort = Synchronous::start(broadcast, say).0.give_up();
    assert_eq!(abort.silent, [party(1), party(3), party(4)]);
}

#[test]
fn strangers_late_and_far_messages_change_nothing() {
    let (broadcast, say) = start(4, party(1));
    let (mut machine, _) = Synchronous::start(broadcast, say);
    let echo = |round| InRound { round, msg: BroadcastMsg::Echo(vec![None; 4]) };
    let step = machine.receive(party(5), echo(1));
    assert_eq!(step.faults[0].evidence, Evidence::NotAMember);
    for round in [0, 4, u32::MAX] {
        let step = machine.receive(party(2), echo(round));
        assert!(step.faults.is_empty() && step.send.is_empty());
    }
    assert_eq!(machine.round(), 1);
}

#[test]
fn a_liar_in_one_round_only_does_no_harm_in_any() {
    for n in [4, 7] {
        for round in 1..=rounds(n) {
            let report = run(n, plan(n, 6).cheat(party(1), WrongValue(round)));
            agreed(n, &report, &[party(1)], &format!("lies in {round}"));
        }
    }
}
