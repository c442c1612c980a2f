//! The claims of `docs/protocol/vss.md`, one test each.

use crate::common::{SIZES, committee, evidence_is_just, party, seeds, t};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use tkms_mpc::broadcast::BroadcastId;
use tkms_mpc::fault::{Evidence, Misuse};
use tkms_mpc::ring::{Gr16, Gr64, Gr128, Ring};
use tkms_mpc::shamir::{Received, decode};
use tkms_mpc::sim::liars::{Complains, DealsWrongTo, WrongDegree};
use tkms_mpc::sim::lies::{CrashIn, FlipsAfter, SilentAfter, TellsEach, WrongShape};
use tkms_mpc::sim::plots::draw;
use tkms_mpc::sim::rounds::{SyncReport, SyncRun};
use tkms_mpc::vss::{Dealt, MAX_SECRETS, Vss, VssMsg};
use tkms_types::{Id, KeyId, PartyId, SessionId};

pub const COUNT: usize = 3;
type Run<R> = SyncRun<VssMsg<R>>;

fn secrets<R: Ring>(party: PartyId) -> Vec<R> {
    (0..COUNT).map(|i| R::ONE.shifted(i as u32) + R::point(party)).collect()
}

fn plan<R: Ring>(n: usize, seed: u64) -> Run<R> {
    SyncRun::new(n, seed).unwrap()
}

pub fn run<R: Ring>(n: usize, plan: Run<R>) -> SyncReport<Dealt<R>> {
    let id = BroadcastId { session: SessionId(KeyId::numbered(1).bytes()), number: 0 };
    plan.run(|me, rng| Vss::new(id, (committee(n), me), &secrets::<R>(me), rng).unwrap())
}

/// Honest parties agree on who is disqualified and on disputes; every dealing is one polynomial of degree t through
/// their shares, that of an honest dealer through its secrets; nobody honest is blamed, disqualified or in dispute with
/// somebody honest. Returns the disqualified.
pub fn sound<R: Ring>(n: usize, report: &SyncReport<Dealt<R>>, cheaters: &[PartyId], note: &str) -> Vec<PartyId> {
    evidence_is_just(report, cheaters, note);
    let honest: Vec<_> = (1..=n).map(party).filter(|p| !cheaters.contains(p)).collect();
    let dealt: Vec<_> = honest.iter().map(|p| report.endings[p.index()].output.as_ref().expect(note)).collect();
    for (one, dealt) in honest.iter().zip(&dealt) {
        assert_eq!(
            dealt.disqualified,
            report.endings[honest[0].index()].output.as_ref().unwrap().disqualified,
            "{note}"
        );
        assert_eq!(dealt.disputes, report.endings[honest[0].index()].output.as_ref().unwrap().disputes, "{note}");
        let faults = &report.endings[one.index()].faults;
        assert!(faults.iter().all(|fault| cheaters.contains(&fault.culprit)), "{note}: {faults:?}");
    }
    assert!(dealt[0].disqualified.iter().all(|p| cheaters.contains(p)), "{note}");
    assert!(dealt[0].disputes.iter().all(|(a, b)| cheaters.contains(a) || cheaters.contains(b)), "{note}");
    for dealer in (1..=n).map(party) {
        let shares: Vec<_> = dealt.iter().map(|dealt| &dealt.shares[dealer.index()]).collect();
        let received: Vec<_> =
            honest.iter().zip(&shares).map(|(party, shares)| Received { party: *party, shares }).collect();
        let decoded = decode(&received, t(n), 0).unwrap_or_else(|error| panic!("{note}, dealer {dealer}: {error}"));
        if honest.contains(&dealer) {
            assert_eq!(decoded.values, secrets::<R>(dealer), "{note}");
        } else if dealt[0].disqualified.contains(&dealer) {
            assert!(decoded.values.iter().all(|value| *value == R::ZERO), "{note}");
        }
    }
    dealt[0].disqualified.clone()
}

#[test]
fn honest_dealers_share_their_secrets_in_every_ring() {
    for n in [1, 4, 7, 10, 13] {
        assert_eq!(sound(n, &run::<Gr64>(n, plan(n, 1).lossy(10)), &[], "honest"), []);
    }
    sound(7, &run::<Gr16>(7, plan(7, 1)), &[], "16 bits");
    sound(7, &run::<Gr128>(7, plan(7, 1)), &[], "128 bits");
}

#[test]
fn silent_dealers_deal_zeros_and_are_not_blamed() {
    for n in SIZES {
        let cheaters: Vec<_> = (1..=t(n)).map(|i| party(2 * i)).collect();
        let plan = cheaters.iter().fold(plan::<Gr64>(n, 1), |plan, cheater| plan.cheat(*cheater, SilentAfter(0)));
        let report = run(n, plan);
        assert_eq!(sound(n, &report, &cheaters, "silent"), []);
        for dealt in report.endings.iter().enumerate().filter(|(i, _)| !cheaters.contains(&party(i + 1))) {
            let shares = &dealt.1.output.as_ref().unwrap().shares;
            assert!(cheaters.iter().all(|dealer| *shares[dealer.index()] == vec![Gr64::ZERO; COUNT]));
            assert_eq!(dealt.1.faults, []);
        }
    }
}

#[test]
fn a_dealing_of_too_high_a_degree_is_disqualified_and_blamed_by_all() {
    for n in SIZES {
        let report = run::<Gr64>(n, plan(n, 3).cheat(party(2), WrongDegree(t(n))));
        assert_eq!(sound(n, &report, &[party(2)], "wrong degree"), [party(2)]);
        for ending in report.endings.iter().enumerate().filter(|(i, _)| *i != 1).map(|(_, ending)| ending) {
            assert_eq!(ending.faults.iter().map(|f| f.evidence).collect::<Vec<_>>(), [Evidence::BadDealing]);
        }
    }
}

#[test]
fn up_to_t_parties_that_were_dealt_a_wrong_polynomial_get_the_right_one() {
    for n in SIZES {
        let faults = t(n);
        let report = run::<Gr64>(n, plan(n, 3).cheat(party(n), DealsWrongTo(faults as u8)));
        assert_eq!(sound(n, &report, &[party(n)], "wrong to some"), [], "the dealing stands");
        let disputes = &report.endings[0].output.as_ref().unwrap().disputes;
        assert_eq!(*disputes, (1..=faults).map(|i| (party(n), party(i))).collect::<Vec<_>>());
        let shares: Vec<_> = (0..n).map(|i| report.endings[i].output.as_ref().unwrap().shares[n - 1].clone()).collect();
        let received: Vec<_> = (0..n).map(|i| Received { party: party(i + 1), shares: &shares[i] }).collect();
        assert_eq!(decode(&received, faults, 0).unwrap().values, secrets::<Gr64>(party(n)), "its own secrets");
        let report = run::<Gr64>(n, plan(n, 3).cheat(party(n), DealsWrongTo(faults as u8 + 1)));
        assert_eq!(sound(n, &report, &[party(n)], "wrong to t + 1"), [party(n)]);
    }
}

#[test]
fn liars_about_an_honest_dealing_do_not_harm_it() {
    for n in SIZES {
        for round in 1..=2 {
            let cheaters: Vec<_> = (1..=t(n)).map(|i| party(3 * i)).collect();
            let cheat = |plan: Run<Gr64>, cheater: &PartyId| plan.cheat(*cheater, FlipsAfter(round));
            let report = run(n, cheaters.iter().fold(plan(n, 7), cheat));
            sound(n, &report, &cheaters, &format!("lies after {round}"));
        }
        let report = run::<Gr64>(n, plan(n, 7).cheat(party(1), TellsEach));
        sound(n, &report, &[party(1)], "tells each");
        let report = run::<Gr64>(n, plan(n, 7).cheat(party(1), WrongShape));
        sound(n, &report, &[party(1)], "wrong shape");
        assert!(report.endings[1].faults.iter().any(|f| matches!(f.evidence, Evidence::WrongLength { .. })));
    }
}

#[test]
fn false_complaints_make_their_author_unhappy_and_nobody_else() {
    let report = run(7, plan::<Gr64>(7, 7).cheat(party(4), Complains(committee(7), party(4))));
    assert_eq!(sound(7, &report, &[party(4)], "complains"), []);
    let disputes = &report.endings[0].output.as_ref().unwrap().disputes;
    assert!(disputes.len() >= 5 && disputes.iter().all(|(_, by)| *by == party(4)), "{disputes:?}");
}

#[test]
fn a_crash_in_any_round_leaves_one_polynomial_for_every_dealer() {
    for round in 1..=Vss::<Gr64>::rounds(committee(4)) {
        for reached in 0..=4 {
            let report = run::<Gr64>(4, plan(4, 2).cheat(party(3), CrashIn(round, reached)));
            sound(4, &report, &[party(3)], &format!("crash in {round} after {reached}"));
        }
    }
}

#[test]
fn with_any_t_cheaters_every_dealing_is_one_polynomial() {
    for seed in seeds(160) {
        let n = SIZES[(seed % 4) as usize];
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let drawn = draw(plan::<Gr16>(n, seed), Vss::<Gr16>::rounds(committee(n)), &mut rng);
        let note = format!("seed {seed}, n {n}{}", drawn.note);
        let (faulty, cheaters) = (drawn.faulty(), drawn.cheaters);
        let report = run(n, drawn.plan);
        sound(n, &report, &faulty, &note);
        evidence_is_just(&report, &cheaters, &note);
    }
}

/// What t parties are dealt by an honest dealer of 0 and of 1 has the same distribution: the lowest bits of the
/// constants of party 1 over GR(2^16, 4), chi-square over 16 cells, 0.1 % point 37.7. Seeded.
#[test]
fn t_shares_are_uniform_whatever_the_secret() {
    for secret in [Gr16::ZERO, Gr16::ONE] {
        let mut cells = [0f64; 16];
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        let draws = 2048;
        let id = BroadcastId { session: SessionId(KeyId::numbered(1).bytes()), number: 0 };
        for _ in 0..draws / 1024 {
            let (_, say) = Vss::new(id, (committee(4), party(2)), &vec![secret; 1024], &mut rng).unwrap();
            let tkms_mpc::rounds::Say::Each(list) = say else { panic!("one message each") };
            let VssMsg::Deal(list) = &list[0] else { panic!("a dealing") };
            list.chunks(2).for_each(|f| cells[f[0].bit_plane(0).bits() as usize] += 1.0);
        }
        let expected = f64::from(draws) / 16.0;
        let chi: f64 = cells.iter().map(|count| (count - expected).powi(2) / expected).sum();
        assert!(chi < 37.7, "{chi}");
    }
}

#[test]
fn no_secret_and_too_many_are_refused_and_debug_shows_none() {
    let id = BroadcastId { session: SessionId(KeyId::numbered(1).bytes()), number: 0 };
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for count in [0, MAX_SECRETS + 1] {
        let refused = Vss::new(id, (committee(4), party(1)), &vec![Gr16::ONE; count], &mut rng).err();
        assert_eq!(refused, Some(Misuse::Secrets { secrets: count, max: MAX_SECRETS }));
    }
    assert_eq!(format!("{:?}", VssMsg::Deal(vec![Gr16::ONE])), "Deal(1 elements, redacted)");
    let report = run::<Gr64>(4, plan(4, 1));
    let shown = format!("{:?}", report.endings[0].output.as_ref().unwrap());
    assert_eq!(shown, "Dealt(redacted, disqualified [], disputes [])");
}
