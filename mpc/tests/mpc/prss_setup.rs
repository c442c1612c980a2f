//! The claims of `docs/protocol/prss-setup.md`, one test each.

use crate::common::{SIZES, committee, evidence_is_just, party, seeds, t};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use tkms_mpc::fault::{Abort, Evidence, Owner, StepId};
use tkms_mpc::prss::PrssKeys;
use tkms_mpc::prss_setup::{PrssSetup, SetupMsg};
use tkms_mpc::ring::Gr64;
use tkms_mpc::shamir::{Received, decode};
use tkms_mpc::sim::liars::ReplaysDealing;
use tkms_mpc::sim::lies::{FlipsAfter, SilentAfter, WrongShape, WrongValue};
use tkms_mpc::sim::plots::draw;
use tkms_mpc::sim::rounds::{SyncReport, SyncRun};
use tkms_types::{Id, KeyId, PartyId, SessionId};

type Run = SyncRun<SetupMsg>;
type Report = SyncReport<Result<PrssKeys, Abort>>;

fn session(number: u64) -> SessionId {
    SessionId(KeyId::numbered(number).bytes())
}

fn plan(n: usize, seed: u64) -> Run {
    SyncRun::new(n, seed).unwrap()
}

/// The round in which shares are opened.
pub fn last_round(n: usize) -> u32 {
    PrssSetup::rounds(committee(n))
}

pub fn run(n: usize, plan: Run) -> Report {
    plan.run(|party, rng| PrssSetup::new(session(1), Owner { party, committee: committee(n) }, rng).unwrap())
}

/// Every honest party has keys, the same as the others of each subset: their masks and sharings lie on one polynomial.
pub fn sound(n: usize, report: &Report, cheaters: &[PartyId], note: &str) {
    evidence_is_just(report, cheaters, note);
    let honest: Vec<_> = (1..=n).map(party).filter(|p| !cheaters.contains(p)).collect();
    let keys: Vec<_> =
        honest.iter().map(|p| report.endings[p.index()].output.as_ref().expect(note).as_ref().expect(note)).collect();
    let masks: Vec<_> = keys.iter().map(|keys| (keys.owner().party, keys.mask_shares(&session(2), 2))).collect();
    let received: Vec<_> = masks.iter().map(|(party, shares)| Received { party: *party, shares }).collect();
    decode(&received, t(n), 0).expect(note);
    let draws: Vec<_> =
        keys.iter().map(|keys| (keys.owner().party, keys.batch(&session(3)).draws::<Gr64>().ring_shares(2))).collect();
    let received: Vec<_> = draws.iter().map(|(party, shares)| Received { party: *party, shares }).collect();
    assert_ne!(decode(&received, t(n), 0).expect(note).values[0], Gr64::ZERO);
    for one in &honest {
        let faults = &report.endings[one.index()].faults;
        assert!(faults.iter().all(|fault| cheaters.contains(&fault.culprit)), "{note}: {faults:?}");
    }
}

#[test]
fn an_honest_committee_gets_keys_that_mask_alike() {
    for n in [1, 4, 7, 10, 13] {
        sound(n, &run(n, plan(n, 1).lossy(10)), &[], "honest");
    }
}

#[test]
fn keys_differ_between_subsets_runs_and_from_dealt_ones() {
    let key_bytes = |report: &Report| -> Vec<[u8; 32]> {
        let keys = report.endings.iter().map(|e| e.output.as_ref().unwrap().as_ref().unwrap().to_secret_bytes());
        let mut all: Vec<_> = keys.flat_map(|bytes| bytes[3..].as_chunks::<32>().0.to_vec()).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let first = key_bytes(&run(7, plan(7, 1)));
    let second = key_bytes(&run(7, plan(7, 2)));
    assert_eq!((first.len(), second.len()), (21, 21), "C(7, 2), each known to its members only");
    assert!(first.iter().all(|key| !second.contains(key)));
}

#[test]
fn t_silent_parties_change_nothing_for_the_others() {
    for n in SIZES {
        let cheaters: Vec<_> = (1..=t(n)).map(|i| party(2 * i)).collect();
        let cheat = |plan: Run, cheater: &PartyId| plan.cheat(*cheater, SilentAfter(0));
        sound(n, &run(n, cheaters.iter().fold(plan(n, 1), cheat)), &cheaters, "silent");
    }
}

#[test]
fn wrong_shares_in_the_opening_are_corrected_and_blamed_by_every_party() {
    for n in SIZES {
        let cheaters: Vec<_> = (1..=t(n)).map(|i| party(3 * i)).collect();
        let last = PrssSetup::rounds(committee(n));
        let cheat = |plan: Run, cheater: &PartyId| plan.cheat(*cheater, WrongValue(last));
        let report = run(n, cheaters.iter().fold(plan(n, 1), cheat));
        sound(n, &report, &cheaters, "wrong share");
        for one in (1..=n).map(party).filter(|p| !cheaters.contains(p)) {
            let mut blamed: Vec<_> = report.endings[one.index()].faults.iter().map(|f| (f.culprit, f.step)).collect();
            blamed.sort_unstable_by_key(|(culprit, _)| *culprit);
            assert_eq!(blamed, cheaters.iter().map(|c| (*c, StepId::PrssSetup)).collect::<Vec<_>>());
        }
    }
}

#[test]
fn wrong_lengths_are_blamed() {
    let report = run(4, plan(4, 1).cheat(party(2), WrongShape));
    sound(4, &report, &[party(2)], "wrong shape");
    assert!(matches!(report.endings[0].faults[0].evidence, Evidence::WrongLength { .. }));
}

#[test]
fn a_message_of_another_step_is_blamed() {
    let report = run(7, plan(7, 1).cheat(party(2), ReplaysDealing::default()));
    sound(7, &report, &[party(2)], "old message");
    let last = PrssSetup::rounds(committee(7));
    assert_eq!(report.endings[0].faults[0].evidence, Evidence::WrongKind { round: last });
}

#[test]
fn liars_from_any_step_on_do_not_stop_it() {
    for n in SIZES {
        for round in [0, 1, 2, 3, 5] {
            let cheaters: Vec<_> = (0..t(n)).map(|i| party(n - i)).collect();
            let cheat = |plan: Run, cheater: &PartyId| plan.cheat(*cheater, FlipsAfter(round));
            let report = run(n, cheaters.iter().fold(plan(n, 9), cheat));
            sound(n, &report, &cheaters, &format!("lies after {round}"));
        }
    }
}

#[test]
fn more_than_t_silent_parties_are_named_and_there_are_no_keys() {
    let last = PrssSetup::rounds(committee(4)) - 1;
    let plan = plan(4, 1).cheat(party(2), SilentAfter(last)).cheat(party(3), SilentAfter(last));
    let report = run(4, plan);
    let abort = report.endings[0].output.as_ref().unwrap().as_ref().unwrap_err();
    assert_eq!((abort.silent.clone(), abort.heard, abort.needed), (vec![party(2), party(3)], 2, 3));
}

#[test]
fn with_any_t_cheaters_all_honest_parties_get_the_same_keys() {
    for seed in seeds(80) {
        // the largest committee costs as much as all others: it comes once in eight
        let n = [4, 7, 10, 4, 7, 10, 4, 13][(seed % 8) as usize];
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let drawn = draw(plan(n, seed), PrssSetup::rounds(committee(n)), &mut rng);
        let note = format!("seed {seed}, n {n}{}", drawn.note);
        let (faulty, cheaters) = (drawn.faulty(), drawn.cheaters);
        let report = run(n, drawn.plan);
        sound(n, &report, &faulty, &note);
        evidence_is_just(&report, &cheaters, &note);
    }
}

#[test]
fn debug_shows_no_share() {
    assert_eq!(format!("{:?}", SetupMsg::Open(vec![Gr64::ONE])), "Open(1 elements, redacted)");
}
