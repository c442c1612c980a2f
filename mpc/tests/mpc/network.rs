//! The simulated network is what its page says: seeded, with loss, latency, reordering, crash and restart; one seed, one
//! trace. A test that rests on it says no more than this one.

use crate::broadcast::{agreed, rounds};
use crate::common::{SIZES, committee, party, t};
use crate::{broadcast, preprocessing, prss_setup, vss};
use rand_chacha::ChaCha20Rng;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use tkms_mpc::broadcast::{Broadcast, BroadcastId, BroadcastMsg, Delivered};
use tkms_mpc::preprocessing::{BatchMsg, Bits, Standing};
use tkms_mpc::prss_setup::SetupMsg;
use tkms_mpc::ring::{Gr16, Gr64};
use tkms_mpc::rounds::InRound;
use tkms_mpc::sim::lies::{CrashIn, Lies, Overheard, Rushes, Selective, SilentAfter};
use tkms_mpc::sim::rounds::{Arrival, ROUND, SyncReport, SyncRun};
use tkms_mpc::vss::VssMsg;
use tkms_types::{Id, KeyId, PartyId, SessionId};

type Report = SyncReport<Delivered>;

fn plan(n: usize, seed: u64) -> SyncRun<BroadcastMsg> {
    SyncRun::new(n, seed).unwrap()
}

fn honest(n: usize, seed: u64) -> Report {
    broadcast::run(n, plan(n, seed))
}

/// Ticks of the last arrival.
fn length(report: &Report) -> u64 {
    report.trace.last().map_or(0, |arrival| arrival.tick)
}

#[test]
fn one_seed_gives_one_trace_and_another_seed_another_in_every_protocol() {
    let cheated =
        |seed| broadcast::run(7, plan(7, seed).cheat(party(3), Rushes::new()).cheat(party(5), Selective(3)).lossy(10));
    assert_eq!(cheated(8), cheated(8));
    assert_ne!(cheated(8).trace, cheated(9).trace);
    let dealings = |seed| {
        let report = vss::run::<Gr64>(
            7,
            SyncRun::<VssMsg<Gr64>>::new(7, seed).unwrap().cheat(party(3), Rushes::new()).lossy(10),
        );
        let shares: Vec<_> =
            report.endings.iter().map(|e| e.output.as_ref().map(|dealt| dealt.shares.clone())).collect();
        (report.trace, shares)
    };
    assert_eq!(dealings(8), dealings(8));
    assert_ne!(dealings(8), dealings(9));
    let setups =
        |seed| prss_setup::run(4, SyncRun::<SetupMsg>::new(4, seed).unwrap().cheat(party(3), Rushes::new())).trace;
    assert_eq!(setups(8), setups(8));
    assert_ne!(setups(8), setups(9));
    let batches = |seed| {
        let plan = SyncRun::<BatchMsg<Gr16>>::new(4, seed).unwrap().cheat(party(3), Rushes::new());
        preprocessing::run(plan, &preprocessing::keys(4), Bits { count: 8 }, 1, &Standing::default())
    };
    assert_eq!(batches(8), batches(8));
    assert_ne!(batches(8).trace, batches(9).trace);
}

/// The rerun is what `TKMS_MPC_SEED` is for, so the seed has to be in what a failing test prints.
#[test]
fn every_random_run_prints_its_seed_and_the_printed_seed_repeats_it() {
    let this = std::env::current_exe().unwrap();
    let of_seed = |seed: &str| {
        let child = std::process::Command::new(&this)
            .args([
                "broadcast::with_any_t_cheaters_honest_parties_agree",
                "--exact",
                "--nocapture",
                "--test-threads",
                "1",
            ])
            .env("TKMS_MPC_SEED", seed)
            .env_remove("TKMS_MPC_RUNS")
            .output()
            .unwrap();
        assert!(child.status.success());
        String::from_utf8(child.stdout).unwrap()
    };
    // the harness has written the test's name on the same line
    let seed_in = |line: &str| line.find("seed ").map(|at| line[at..].to_owned());
    let printed = |seed: &str| of_seed(seed).lines().filter_map(seed_in).collect::<Vec<_>>();
    assert_eq!(printed("17"), ["seed 17"], "that run and no other");
    assert_eq!(printed("123456"), ["seed 123456"]);
}

#[test]
fn messages_take_time_and_overtake_each_other() {
    let report = honest(7, 3);
    let mut overtaken = 0;
    let mut last: BTreeMap<_, u32> = BTreeMap::new();
    let mut delays = Vec::new();
    for Arrival { tick, from, to, round, .. } in &report.trace {
        // between one pair at most the next round comes first: the one after it waits for an answer to this
        let before = last.insert((*from, *to), *round).unwrap_or(0);
        assert!(before <= *round + 1);
        delays.push((*round, *tick, *from));
    }
    for (round, tick, from) in &delays {
        overtaken += usize::from(delays.iter().any(|(r, t, f)| r > round && t < tick && f != from));
    }
    assert!(overtaken > 0, "messages of a round arrive after messages of the next");
    let first_round: Vec<_> = delays.iter().filter(|(round, ..)| *round == 1).map(|(_, tick, _)| *tick).collect();
    let (least, most) = (first_round.iter().min().unwrap(), first_round.iter().max().unwrap());
    assert!(most - least > 20, "latencies differ: {least} to {most}");
}

#[test]
fn two_messages_of_one_sender_arrive_in_another_order_than_they_were_sent() {
    // sent at one tick to parties 1 … n in their order
    let order = |seed| -> Vec<usize> {
        let report = honest(7, seed);
        let of_first = report.trace.iter().filter(|a| a.from == party(1) && a.round == 1);
        of_first.map(|a| a.to.index()).collect()
    };
    assert!((1..6).any(|seed| !order(seed).is_sorted()));
    assert!((1..6).any(|seed| order(seed) != order(seed + 1)));
}

#[test]
fn loss_delays_and_loses_nothing_for_good() {
    for n in SIZES {
        let (clear, lossy) = (honest(n, 3), broadcast::run(n, plan(n, 3).lossy(60)));
        agreed(n, &lossy, &[], "lossy");
        assert!(length(&lossy) > length(&clear) + 80, "n = {n}: what is lost is sent again");
        let count = |report: &Report| report.trace.len();
        assert_eq!(count(&lossy), count(&clear), "n = {n}: everything arrives");
        assert_eq!(count(&clear), n * (n - 1) * rounds(n) as usize, "one message to everybody in every round");
    }
}

#[test]
fn even_total_loss_is_within_the_deadline_of_a_round() {
    let report = broadcast::run(4, plan(4, 3).lossy(100));
    agreed(4, &report, &[], "every transmission lost as often as can be");
    let late = report.trace.iter().filter(|a| a.tick > ROUND * u64::from(a.round));
    assert_eq!(late.count(), 0, "synchrony is what the plan promises");
}

#[test]
fn a_hasty_plan_breaks_synchrony() {
    let report = broadcast::run(4, plan(4, 3).lossy(60).hasty(30));
    let late = report.trace.iter().filter(|a| a.tick > 30 * u64::from(a.round)).count();
    assert!(late > 10, "{late} messages came after the deadline of their round");
    let missing = report.endings.iter().filter(|ending| ending.output.as_ref().is_some_and(|d| d.contains(&None)));
    assert!(missing.count() > 0, "and somebody honest counted as silent");
}

#[test]
fn who_crashes_is_heard_until_then_and_never_after() {
    for n in SIZES {
        let (crashed, round, reached) = (party(2), 4, n as u8 / 2);
        let report = broadcast::run(n, plan(n, 1).cheat(crashed, CrashIn(round, reached)));
        let of_crashed: Vec<_> = report.trace.iter().filter(|a| a.from == crashed).collect();
        assert!(of_crashed.iter().all(|a| a.round < round || (a.round == round && a.to.number() <= reached)));
        let whole = |r: u32| of_crashed.iter().filter(|a| a.round == r).count() == n - 1;
        assert!((1..round).all(whole), "n = {n}: every round before");
        let receivers = committee(n).parties().filter(|to| *to != crashed && to.number() <= reached).count();
        assert_eq!(of_crashed.iter().filter(|a| a.round == round).count(), receivers, "n = {n}: while it sent");
    }
}

#[test]
fn who_restarts_misses_what_came_meanwhile_and_takes_part_again() {
    for n in SIZES {
        let out = ROUND..3 * ROUND;
        let report = broadcast::run(n, plan(n, 2).cheat(party(1), SilentAfter(1)).outage(party(2), out.clone()));
        let to_it = report.trace.iter().filter(|a| a.to == party(2));
        assert!(to_it.clone().all(|a| !out.contains(&a.tick)), "n = {n}: nothing is heard in an outage");
        assert!(to_it.clone().any(|a| a.tick >= out.end), "n = {n}: it hears again");
        let from_it = report.trace.iter().filter(|a| a.from == party(2));
        assert!(from_it.clone().any(|a| a.tick > out.end), "n = {n}: and speaks again, with its state");
        // one silent party is no more than t, the other only at seven and up
        if t(n) > 1 {
            agreed(n, &report, &[party(1), party(2)], "restart");
        }
    }
}

#[test]
fn a_rushing_party_speaks_after_everybody_else_in_its_round() {
    let report = broadcast::run(7, plan(7, 8).cheat(party(3), Rushes::new()));
    for round in 1..=rounds(7) {
        let of_round = report.trace.iter().filter(|a| a.round == round);
        let honest = of_round.clone().filter(|a| a.from != party(3)).map(|a| a.tick).max();
        let rushed = of_round.filter(|a| a.from == party(3)).map(|a| a.tick).min();
        assert!(rushed > honest, "round {round}: it has heard the others first");
    }
}

/// Is honest, and notes at every choice how many honest parties it has heard in the round.
struct Counts {
    rushes: bool,
    honest: Vec<PartyId>,
    heard: BTreeSet<(u32, PartyId)>,
    choices: Rc<RefCell<Vec<(u32, usize)>>>,
}

impl Lies<BroadcastMsg> for Counts {
    fn instead_of(
        &mut self,
        honest: &InRound<BroadcastMsg>,
        _: PartyId,
        _: &mut ChaCha20Rng,
    ) -> Vec<InRound<BroadcastMsg>> {
        let heard = self.honest.iter().filter(|party| self.heard.contains(&(honest.round, **party))).count();
        self.choices.borrow_mut().push((honest.round, heard));
        vec![honest.clone()]
    }

    fn hears(&mut self, overheard: &Overheard<'_, BroadcastMsg>) {
        self.heard.insert((overheard.said.round, overheard.from));
    }

    fn rushes(&self, _: PartyId) -> bool {
        self.rushes
    }
}

#[test]
fn who_rushes_has_heard_every_honest_party_of_the_round_before_it_chooses() {
    for (n, rushes) in SIZES.into_iter().flat_map(|n| [true, false].map(|rushes| (n, rushes))) {
        let cheaters: Vec<_> = (1..=t(n)).map(|i| party(3 * i)).collect();
        let honest: Vec<_> = committee(n).parties().filter(|one| !cheaters.contains(one)).collect();
        let choices = Rc::new(RefCell::new(Vec::new()));
        let counts = || Counts { rushes, honest: honest.clone(), heard: BTreeSet::new(), choices: Rc::clone(&choices) };
        let plan = cheaters.iter().fold(plan(n, 3).lossy(10), |plan, cheater| plan.cheat(*cheater, counts()));
        agreed(n, &broadcast::run(n, plan), &cheaters, "counts");
        let choices = choices.borrow();
        assert_eq!(choices.len(), t(n) * (n - 1) * rounds(n) as usize, "one choice for each peer and round");
        let informed = choices.iter().filter(|(_, heard)| *heard == honest.len()).count();
        if rushes {
            assert_eq!(informed, choices.len(), "n = {n}: {choices:?}");
        } else {
            // now and then it is the last one anyway
            assert!(4 * informed < choices.len(), "n = {n}: {informed} of {}", choices.len());
        }
    }
}

#[test]
fn cheaters_hear_what_reaches_any_of_them_and_no_more() {
    struct Notes(Rc<RefCell<BTreeSet<(PartyId, PartyId)>>>);
    impl Lies<BroadcastMsg> for Notes {
        fn instead_of(
            &mut self,
            honest: &InRound<BroadcastMsg>,
            _: PartyId,
            _: &mut ChaCha20Rng,
        ) -> Vec<InRound<BroadcastMsg>> {
            vec![honest.clone()]
        }

        fn hears(&mut self, overheard: &Overheard<'_, BroadcastMsg>) {
            self.0.borrow_mut().insert((overheard.from, overheard.to));
        }
    }
    let heard = Rc::new(RefCell::new(BTreeSet::new()));
    // the other cheater keeps no notes
    let plan = plan(7, 3).cheat(party(2), Notes(Rc::clone(&heard))).cheat(party(5), SilentAfter(9));
    agreed(7, &broadcast::run(7, plan), &[party(2), party(5)], "notes");
    let to_either =
        |to: usize| committee(7).parties().filter(move |from| *from != party(to)).map(move |from| (from, party(to)));
    assert_eq!(*heard.borrow(), to_either(2).chain(to_either(5)).collect());
}

/// The trace holds what was said: with other values and the same dice the same messages take the same way at the same time.
#[test]
fn traces_of_other_contents_differ_in_their_digests_only() {
    let traced = |values: u8| {
        let id = BroadcastId { session: SessionId(KeyId::numbered(1).bytes()), number: 1 };
        plan(4, 5).run(|me, _| Broadcast::new(id, (committee(4), me), 9, vec![values; 9])).trace
    };
    let (one, other) = (traced(1), traced(2));
    let ways = |trace: &[Arrival]| trace.iter().map(|a| (a.tick, a.from, a.to, a.round)).collect::<Vec<_>>();
    assert_eq!(traced(1), one);
    assert_eq!(ways(&one), ways(&other));
    for (a, b) in one.iter().zip(&other) {
        // values, hashes, hashes, and the statements that are passed on with the first bits; then everybody says yes
        assert_eq!(a.digest != b.digest, a.round <= 4, "round {}", a.round);
    }
}
