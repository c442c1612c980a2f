//! The claims of `docs/protocol/preprocessing.md`, one test each; the two known breaks stand beside the code.

use crate::common::{SIZES, committee, evidence_is_just, party, seeds, t};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tkms_mpc::fault::{Evidence, Misuse, StepId};
use tkms_mpc::preprocessing::{
    Batch, BatchId, BatchMsg, BitShares, Bits, MAX_ITEMS, Outcome, Recipe, Standing, TripleShares, Triples, convicted,
};
use tkms_mpc::prss::PrssKeys;
use tkms_mpc::ring::{Gr16, Gr64, Gr128, Ring};
use tkms_mpc::shamir::{Received, decode};
use tkms_mpc::sim::ToySeal;
use tkms_mpc::sim::liars::{Slanders, SpoilsAndShows};
use tkms_mpc::sim::lies::{CrashIn, FlipsAfter, Selective, SilentAfter, TellsEach, WrongShape, WrongValue};
use tkms_mpc::sim::plots::{corrupt, draw};
use tkms_mpc::sim::rounds::{SyncReport, SyncRun};
use tkms_mpc::statement::SignedWords;
use tkms_types::{Committee, ContextId, EpochId, Id, PartyId};

const COUNT: usize = 12;
/// Rounds of a batch that is accepted, and of the check of one that is not, are fewer.
const ROUNDS: u32 = 40;
type Run<R> = SyncRun<BatchMsg<R>>;

pub fn keys(n: usize) -> Vec<PrssKeys> {
    PrssKeys::deal(Committee::new(n).unwrap(), &mut ChaCha20Rng::seed_from_u64(n as u64)).unwrap()
}

fn id(number: u64) -> BatchId {
    BatchId { context: ContextId::numbered(1), epoch: EpochId::numbered(1), number }
}

fn plan<R: Ring>(n: usize, seed: u64) -> Run<R> {
    SyncRun::new(n, seed).unwrap()
}

pub fn run<R: Ring, C: Recipe<R> + Copy>(
    plan: Run<R>,
    keys: &[PrssKeys],
    recipe: C,
    number: u64,
    standing: &Standing,
) -> SyncReport<Outcome<C::Items>> {
    plan.run(|party, _| Batch::<R, C>::new(&id(number), &keys[party.index()], recipe, standing).unwrap())
}

/// The secrets of honest parties' shares, all of which lie on polynomials of degree t.
fn secrets<R: Ring>(shares: &[(PartyId, &[R])], degree: usize, note: &str) -> Vec<R> {
    let received: Vec<_> = shares.iter().map(|(party, shares)| Received { party: *party, shares }).collect();
    decode(&received, degree, 0).unwrap_or_else(|error| panic!("{note}: {error}")).values
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    Accepted,
    Rejected(tkms_mpc::preprocessing::Rejection),
}

/// Under synchrony all honest parties end alike; nobody honest is blamed, evicted, or in dispute with somebody honest; a
/// rejection names somebody. Returns how it ended and the honest parties' items.
pub fn agreed<'a, I: std::fmt::Debug>(
    n: usize,
    report: &'a SyncReport<Outcome<I>>,
    cheaters: &[PartyId],
    note: &str,
) -> (Ended, Vec<(PartyId, &'a I)>) {
    evidence_is_just(report, cheaters, note);
    let (mut ends, mut items) = (Vec::new(), Vec::new());
    for one in (1..=n).map(party).filter(|p| !cheaters.contains(p)) {
        let ending = &report.endings[one.index()];
        assert!(ending.faults.iter().all(|f| cheaters.contains(&f.culprit)), "{note}: {:?}", ending.faults);
        match ending.output.as_ref().expect(note) {
            Outcome::Accepted(shares) => {
                items.push((one, shares));
                ends.push(Ended::Accepted);
            }
            Outcome::Rejected(rejection) => ends.push(Ended::Rejected(rejection.clone())),
            Outcome::Dropped => panic!("{note}: {one} dropped the batch"),
        }
    }
    assert!(ends.iter().all(|end| *end == ends[0]), "{note}: {ends:?}");
    if let Ended::Rejected(rejection) = &ends[0] {
        assert!(rejection.corrupt.iter().chain(&rejection.silent).all(|p| cheaters.contains(p)), "{note}");
        assert!(rejection.disputes.iter().all(|(a, b)| cheaters.contains(a) || cheaters.contains(b)), "{note}");
        let named = rejection.corrupt.len() + rejection.silent.len() + rejection.disputes.len();
        assert!(named > 0, "{note}: rejected and nobody named");
    }
    (ends.remove(0), items)
}

/// Bits that are bits, as many as were asked for; both kinds occur.
pub fn are_bits<R: Ring>(n: usize, items: &[(PartyId, &BitShares<R>)], note: &str) -> Vec<R> {
    let shares: Vec<_> = items.iter().map(|(party, bits)| (*party, bits.0.as_slice())).collect();
    let bits = secrets(&shares, t(n), note);
    assert!(bits.iter().all(|bit| *bit == R::ZERO || *bit == R::ONE), "{note}: {bits:?}");
    bits
}

fn bits_in<R: Ring>() {
    for n in [1, 4, 7, 10, 13] {
        let report = run::<R, _>(plan(n, 1).lossy(10), &keys(n), Bits { count: 200 }, 1, &Standing::default());
        let (end, items) = agreed(n, &report, &[], "honest");
        assert_eq!(end, Ended::Accepted);
        let ones = are_bits(n, &items, "honest").iter().filter(|bit| **bit == R::ONE).count();
        assert!((60..140).contains(&ones), "{ones} of 200");
    }
}

#[test]
fn bits_are_bits_in_every_ring() {
    bits_in::<Gr16>();
    bits_in::<Gr64>();
    bits_in::<Gr128>();
}

pub fn are_triples<R: Ring>(n: usize, items: &[(PartyId, &TripleShares<R>)], note: &str) {
    let list = |pick: fn(&TripleShares<R>) -> &[R]| -> Vec<R> {
        secrets(&items.iter().map(|(party, triples)| (*party, pick(triples))).collect::<Vec<_>>(), t(n), note)
    };
    let (x, y, z) = (list(|t| &t.x), list(|t| &t.y), list(|t| &t.z));
    for i in 0..x.len() {
        assert_eq!(x[i] * y[i], z[i], "{note}");
        assert_eq!(x[i].words()[1..], R::ZERO.words()[1..], "{note}: a word");
    }
}

#[test]
fn triples_are_products_of_words_in_every_ring() {
    for n in [1, 4, 7, 10, 13] {
        let report = run::<Gr64, _>(plan(n, 1), &keys(n), Triples { count: COUNT }, 1, &Standing::default());
        are_triples(n, &agreed(n, &report, &[], "honest").1, "64");
        let report = run::<Gr16, _>(plan(n, 1), &keys(n), Triples { count: COUNT }, 1, &Standing::default());
        are_triples(n, &agreed(n, &report, &[], "honest").1, "16");
        let report = run::<Gr128, _>(plan(n, 1), &keys(n), Triples { count: COUNT }, 1, &Standing::default());
        are_triples(n, &agreed(n, &report, &[], "honest").1, "128");
    }
}

#[test]
fn batches_of_other_numbers_kinds_and_standings_have_other_sessions() {
    let standing = Standing::default();
    let careful = Standing { careful: true, ..Standing::default() };
    let mut sessions = vec![
        id(1).session::<Gr16, _>(&Bits { count: 4 }, &standing),
        id(2).session::<Gr16, _>(&Bits { count: 4 }, &standing),
        id(1).session::<Gr64, _>(&Bits { count: 4 }, &standing),
        id(1).session::<Gr16, _>(&Bits { count: 8 }, &standing),
        id(1).session::<Gr16, _>(&Triples { count: 4 }, &standing),
        id(1).session::<Gr16, _>(&Bits { count: 4 }, &careful),
        id(1).session::<Gr16, _>(&Bits { count: 4 }, &Standing { evicted: vec![party(1)], careful: false }),
        BatchId { epoch: EpochId::numbered(2), ..id(1) }.session::<Gr16, _>(&Bits { count: 4 }, &standing),
        BatchId { context: ContextId::numbered(2), ..id(1) }.session::<Gr16, _>(&Bits { count: 4 }, &standing),
    ];
    let count = sessions.len();
    sessions.sort_unstable();
    sessions.dedup();
    assert_eq!(sessions.len(), count);
}

#[test]
fn one_wrong_share_stops_a_batch_and_names_its_author() {
    for n in SIZES {
        let cheaters: Vec<_> = (1..=t(n)).map(|i| party(3 * i)).collect();
        let cheat = |plan: Run<Gr16>, cheater: &PartyId| plan.cheat(*cheater, WrongValue(1));
        let plan = cheaters.iter().fold(plan(n, 1), cheat);
        let report = run(plan, &keys(n), Bits { count: COUNT }, 1, &Standing::default());
        let (Ended::Rejected(rejection), _) = agreed(n, &report, &cheaters, "wrong share") else {
            panic!("a batch with a wrong share was accepted")
        };
        assert_eq!(rejection.corrupt, cheaters);
        for one in (1..=n).map(party).filter(|p| !cheaters.contains(p)) {
            for fault in &report.endings[one.index()].faults {
                assert_eq!(fault.step, StepId::Check);
                assert!(matches!(fault.evidence, Evidence::OffPolynomial { .. }));
            }
            assert_eq!(report.endings[one.index()].faults.len(), cheaters.len(), "{one}");
        }
    }
}

#[test]
fn a_lie_to_fewer_than_are_needed_to_report_is_survived_and_the_values_are_supplied() {
    for n in SIZES {
        // t parties are lied to: 2t + 1 − t = t + 1 honest ones still report alike
        let report = run::<Gr16, _>(
            plan(n, 1).cheat(party(n), Selective(t(n) as u8)),
            &keys(n),
            Bits { count: COUNT },
            1,
            &Standing::default(),
        );
        let (end, items) = agreed(n, &report, &[party(n)], "selective");
        assert_eq!((end, items.len()), (Ended::Accepted, n - 1), "n = {n}");
        are_bits(n, &items, "selective");
    }
}

#[test]
fn silence_stops_a_batch_and_is_told_from_a_lie() {
    for n in SIZES {
        let report = run::<Gr16, _>(
            plan(n, 1).cheat(party(2), SilentAfter(0)),
            &keys(n),
            Bits { count: 4 },
            1,
            &Standing::default(),
        );
        let (Ended::Rejected(rejection), _) = agreed(n, &report, &[party(2)], "silent") else { panic!("accepted") };
        assert_eq!((rejection.corrupt, rejection.silent), (vec![], vec![party(2)]));
        assert_eq!(report.endings[0].faults, [], "silence is no proof");
        let mut standing = Standing::default();
        standing.evict(party(2));
        let plan = plan::<Gr16>(n, 1).cheat(party(2), SilentAfter(0));
        let report = run(plan, &keys(n), Bits { count: COUNT }, 2, &standing);
        let (end, items) = agreed(n, &report, &[party(2)], "evicted");
        assert_eq!(end, Ended::Accepted, "without the evicted party's share");
        are_bits(n, &items, "evicted");
    }
}

#[test]
fn a_liar_that_lies_about_its_secrets_too_is_named_all_the_same() {
    let shows: [fn(&mut Vec<u8>); 4] = [
        |value| value[0] ^= 1,
        |value| value.truncate(40),
        |value| value.clear(),
        |value| value.iter_mut().for_each(|byte| *byte = 0xff),
    ];
    for n in SIZES {
        for show in shows {
            let plan = plan::<Gr16>(n, 1).cheat(party(1), SpoilsAndShows(show));
            let report = run(plan, &keys(n), Bits { count: 4 }, 1, &Standing::default());
            let (Ended::Rejected(rejection), _) = agreed(n, &report, &[party(1)], "shows") else { panic!("accepted") };
            assert_eq!(rejection.corrupt, [party(1)]);
        }
    }
}

#[test]
fn slander_makes_disputes_and_convicts_nobody_honest() {
    let report =
        run::<Gr16, _>(plan(4, 1).cheat(party(1), Slanders(3)), &keys(4), Bits { count: 4 }, 1, &Standing::default());
    let (Ended::Rejected(rejection), _) = agreed(4, &report, &[party(1)], "slander") else { panic!("accepted") };
    assert!(rejection.corrupt.is_empty() || rejection.corrupt == [party(1)]);
}

#[test]
fn what_is_shown_of_a_rejected_batch_convicts_the_liar_before_a_third_party() {
    let (standing, recipe, seal) = (Standing::default(), Bits { count: 4 }, ToySeal(party(1)));
    for n in SIZES {
        let plan = plan::<Gr16>(n, 1).cheat(party(2), SpoilsAndShows(|value| value[0] ^= 1));
        let report = run(plan, &keys(n), recipe, 1, &standing);
        let judge = |standing: &Standing, words: &[SignedWords]| {
            convicted::<Gr16, _>((&id(1), &recipe, standing), committee(n), words, &seal)
        };
        let words = &report.endings[0].values;
        assert_eq!(words.len(), n, "everyone's, ours included");
        assert_eq!(judge(&standing, words), [party(2)], "n = {n}");
        let without_the_liar: Vec<_> = words.iter().filter(|words| words.party != party(2)).cloned().collect();
        assert_eq!(judge(&standing, &without_the_liar), [party(2)], "the others got what its keys do not make");
        // fewer words convict nobody wrongly
        for left in 0..n {
            assert!(judge(&standing, &words[..left]).iter().all(|culprit| *culprit == party(2)));
        }
        assert_eq!(judge(&standing, &words[..t(n)]), [], "t parties prove nothing");
        let careful = Standing { careful: true, ..Standing::default() };
        assert_eq!(judge(&careful, words), [], "another batch");
    }
}

#[test]
fn forged_and_replayed_words_of_a_check_convict_nobody_honest() {
    let (standing, recipe, seal) = (Standing::default(), Bits { count: 4 }, ToySeal(party(1)));
    let plan = plan::<Gr16>(4, 1).cheat(party(2), SpoilsAndShows(|value| value[0] ^= 1));
    let report = run(plan, &keys(4), recipe, 1, &standing);
    let judge = |words: &[SignedWords]| convicted::<Gr16, _>((&id(1), &recipe, &standing), committee(4), words, &seal);
    let good = report.endings[0].values.clone();
    let forgeries: [fn(&mut SignedWords); 4] = [
        |words| words.said[1] ^= 1,
        |words| words.signature[0] ^= 1,
        |words| words.round -= 1,
        |words| words.said.truncate(40),
    ];
    for (place, forge) in (0..4).flat_map(|place| forgeries.map(|forge| (place, forge))) {
        let mut words = good.clone();
        forge(&mut words[place]);
        assert!(judge(&words).iter().all(|culprit| *culprit == party(2)), "as if it had not come");
    }
    let mut swapped = good.clone();
    (swapped[0].party, swapped[2].party) = (swapped[2].party, swapped[0].party);
    assert!(judge(&swapped).iter().all(|culprit| *culprit == party(2)));
    let mut twice = good.clone();
    twice.extend(good);
    assert_eq!(judge(&twice), [party(2)]);
}

#[test]
fn a_party_that_crashed_in_one_batch_is_back_in_the_next() {
    for n in SIZES {
        let (keys, standing) = (keys(n), Standing::default());
        let report = run(plan::<Gr16>(n, 1).cheat(party(2), CrashIn(1, 1)), &keys, Bits { count: 4 }, 1, &standing);
        let (end, _) = agreed(n, &report, &[party(2)], "crash");
        let Ended::Rejected(rejection) = end else { panic!("a batch without a share is not accepted") };
        let mut standing = Standing::default();
        standing.note(&rejection);
        assert_eq!(standing.evicted, [], "a crash convicts nobody");
        let report = run(plan::<Gr16>(n, 1), &keys, Bits { count: 4 }, 2, &standing);
        let (end, items) = agreed(n, &report, &[], "restarted");
        assert_eq!((end, items.len()), (Ended::Accepted, n));
    }
}

/// Every liar lies in every batch, to as many as it takes; sooner or later all are evicted or harmless.
#[test]
fn liars_spoil_two_batches_each_at_most() {
    for (n, seed) in SIZES.into_iter().flat_map(|n| (0..3).map(move |seed| (n, seed))) {
        let keys = keys(n);
        let cheaters: Vec<_> = (1..=t(n)).map(|i| party(3 * i)).collect();
        let (mut standing, mut rejected) = (Standing::default(), 0);
        for number in 0..2 * t(n) as u64 + 2 {
            let cheat = |plan: Run<Gr16>, cheater: &PartyId| match seed % 3 {
                0 => plan.cheat(*cheater, TellsEach),
                1 => plan.cheat(*cheater, FlipsAfter(0)),
                _ => plan.cheat(*cheater, Selective((cheater.number() + 2) % n as u8)),
            };
            let plan = cheaters.iter().fold(plan(n, seed), cheat);
            let report = run(plan, &keys, Bits { count: COUNT }, number, &standing);
            match agreed(n, &report, &cheaters, &format!("n {n}, seed {seed}, batch {number}")) {
                (Ended::Accepted, items) => drop(are_bits(n, &items, "after rejections")),
                (Ended::Rejected(rejection), _) => {
                    rejected += 1;
                    standing.note(&rejection);
                    rejection.silent.iter().for_each(|party| standing.evict(*party));
                }
            }
        }
        assert!(rejected <= 2 * t(n), "n {n}, seed {seed}: {rejected} batches spoiled");
    }
}

#[test]
fn a_careful_batch_with_a_lie_names_a_liar() {
    let standing = Standing { careful: true, evicted: Vec::new() };
    for n in SIZES {
        let honest = run::<Gr16, _>(plan(n, 1), &keys(n), Bits { count: COUNT }, 1, &standing);
        are_bits(n, &agreed(n, &honest, &[], "careful").1, "careful");
        let lies_in = |round| {
            let plan = plan(n, 1).cheat(party(2), WrongValue(round));
            run::<Gr16, _>(plan, &keys(n), Bits { count: 4 }, 1, &standing)
        };
        let report = lies_in(1);
        let (Ended::Rejected(rejection), _) = agreed(n, &report, &[party(2)], "careful lie") else {
            panic!("n = {n}: a careful batch with a wrong share was accepted")
        };
        assert_eq!((rejection.corrupt, rejection.silent), (vec![party(2)], vec![]));
        // a lie about what others broadcast is outvoted
        let report = lies_in(2);
        let (end, items) = agreed(n, &report, &[party(2)], "careful echo");
        assert_eq!((end, items.len()), (Ended::Accepted, n - 1));
        are_bits(n, &items, "careful echo");
    }
}

#[test]
fn malformed_messages_are_blamed_on_their_sender() {
    for n in SIZES {
        let report = run::<Gr16, _>(
            plan(n, 5).cheat(party(2), WrongShape),
            &keys(n),
            Bits { count: 4 },
            1,
            &Standing::default(),
        );
        agreed(n, &report, &[party(2)], "wrong shape");
        for one in (1..=n).filter(|i| *i != 2) {
            let fault = report.endings[one - 1].faults[0];
            // whichever of its messages arrives first
            let unreadable = matches!(fault.evidence, Evidence::Unreadable { .. });
            assert!(fault.culprit == party(2) && unreadable, "{fault}");
        }
    }
}

#[test]
fn a_crash_in_any_round_leaves_all_with_one_outcome() {
    for (round, reached) in (1..=24).flat_map(|round| (0..=4).map(move |reached| (round, reached))) {
        let plan = plan::<Gr16>(4, 2).cheat(party(3), CrashIn(round, reached));
        let report = run(plan, &keys(4), Bits { count: 4 }, 1, &Standing::default());
        let note = format!("crash in {round} after {reached}");
        let (end, items) = agreed(4, &report, &[party(3)], &note);
        if end == Ended::Accepted {
            are_bits(4, &items, &note);
        }
    }
}

#[test]
fn with_any_t_cheaters_honest_parties_end_with_the_same_right_output() {
    for seed in seeds(200) {
        // the largest committee costs as much as all others: it comes once in eight
        let n = [4, 7, 10, 4, 7, 10, 4, 13][(seed % 8) as usize];
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let drawn = draw(plan::<Gr16>(n, seed), ROUNDS, &mut rng);
        let note = format!("seed {seed}, n {n}{}", drawn.note);
        let (faulty, cheaters) = (drawn.faulty(), drawn.cheaters);
        let standing = Standing { careful: rng.random(), evicted: Vec::new() };
        if rng.random() {
            let report = run(drawn.plan, &keys(n), Bits { count: COUNT }, seed, &standing);
            safe(n, &report, &cheaters, &note);
            if let (Ended::Accepted, items) = agreed(n, &report, &faulty, &note) {
                are_bits(n, &items, &note);
            }
        } else {
            let report = run(drawn.plan, &keys(n), Triples { count: COUNT }, seed, &standing);
            safe(n, &report, &cheaters, &note);
            if let (Ended::Accepted, items) = agreed(n, &report, &faulty, &note) {
                are_triples(n, &items, &note);
            }
        }
    }
}

/// What needs no timer, so that it holds for honest parties that were cut off too: nobody uses a batch that another has
/// shown, and no honest party is convicted. Returns who uses it, and how many have shown it.
fn safe<'a, I>(
    n: usize,
    report: &'a SyncReport<Outcome<I>>,
    cheaters: &[PartyId],
    note: &str,
) -> (Vec<(PartyId, &'a I)>, usize) {
    evidence_is_just(report, cheaters, note);
    let (mut used, mut shown) = (Vec::new(), 0);
    for one in (1..=n).map(party).filter(|p| !cheaters.contains(p)) {
        match report.endings[one.index()].output.as_ref() {
            Some(Outcome::Accepted(items)) => used.push((one, items)),
            Some(Outcome::Rejected(rejection)) => {
                shown += 1;
                assert!(rejection.corrupt.iter().all(|p| cheaters.contains(p)), "{note}: proofs need no timer");
            }
            Some(Outcome::Dropped) | None => {}
        }
    }
    assert!(used.is_empty() || shown == 0, "{note}: {} used it, {shown} showed it", used.len());
    (used, shown)
}

/// With deadlines far below the delays, parties drop out of rounds at random. Honest ones may disagree on whether a batch
/// ends, but none uses what another has shown, and what is used is right.
#[test]
fn no_batch_is_both_used_and_shown_whatever_the_timing() {
    let (mut ends, mut runs) = ([0; 3], 0);
    for seed in seeds(600) {
        runs += 1;
        let n = SIZES[(seed % 2) as usize];
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut order: Vec<_> = committee(n).parties().collect();
        order.shuffle(&mut rng);
        let cheaters = order[..rng.random_range(0..=t(n))].to_vec();
        let plan = plan::<Gr16>(n, seed).lossy(rng.random_range(0..10)).hasty(rng.random_range(40..110));
        let (mut plan, note) = corrupt(plan, &cheaters, ROUNDS, &mut rng);
        // whom the network cuts off is no part of the t here
        for one in order {
            if rng.random_range(0..8) > 0 {
                continue;
            }
            let from = rng.random_range(0..600);
            plan = plan.outage(one, from..from + rng.random_range(0..400));
        }
        let report = run(plan, &keys(n), Bits { count: 4 }, seed, &Standing::default());
        let note = format!("seed {seed}, n {n}{note}");
        let (used, shown) = safe(n, &report, &cheaters, &note);
        if used.len() > t(n) {
            are_bits(n, &used, &note);
        }
        let honest = n - cheaters.len();
        for (end, count) in ends.iter_mut().zip([used.len(), shown, honest - used.len() - shown]) {
            *end += count;
        }
    }
    assert!(runs < 600 || ends.iter().all(|count| *count > 20), "all three ends occur: {ends:?}");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let once = |seed| {
        let plan = plan::<Gr16>(7, seed).cheat(party(3), TellsEach).lossy(10);
        run(plan, &keys(7), Bits { count: 4 }, 1, &Standing::default())
    };
    assert_eq!(once(3), once(3));
    assert_ne!(once(3).trace, once(4).trace);
}

#[test]
fn odd_counts_and_too_many_are_refused_and_debug_shows_no_share() {
    let keys = keys(4);
    for items in [0, 1, 6, MAX_ITEMS + 4] {
        let refused = Batch::<Gr16, _>::new(&id(1), &keys[0], Bits { count: items }, &Standing::default()).err();
        assert_eq!(refused, Some(Misuse::Items { items, max: MAX_ITEMS }));
    }
    let report = run::<Gr16, _>(plan(4, 1), &keys, Bits { count: 4 }, 1, &Standing::default());
    assert_eq!(format!("{:?}", report.endings[0].output.as_ref().unwrap()), "Accepted(BitShares(4, redacted))");
}
