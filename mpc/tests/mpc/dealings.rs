//! What the signed broadcasts of dealings prove to who was not there ("Evidence" in `docs/protocol/vss.md`): bad dealers
//! are convicted, honest ones by nothing that t liars and a broken network can do.

use crate::common::{SIZES, committee, party, seeds, t};
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use tkms_mpc::broadcast::{Broadcast, BroadcastId, BroadcastMsg};
use tkms_mpc::fault::Evidence;
use tkms_mpc::ring::Gr64;
use tkms_mpc::rounds::InRound;
use tkms_mpc::sim::ToySeal;
use tkms_mpc::sim::liars::{Accuses, DealsWrongTo, WrongDegree};
use tkms_mpc::sim::lies::{Lies, SilentAfter};
use tkms_mpc::sim::plots::draw;
use tkms_mpc::sim::rounds::{ROUND, SyncReport, SyncRun};
use tkms_mpc::statement::SignedWords;
use tkms_mpc::vss::{Dealt, Vss, VssMsg, convicted, terms};
use tkms_types::{Id, KeyId, PartyId, SessionId};

const COUNT: usize = 2;
/// Header and value of an answer.
const ANSWER: usize = 6 + Gr64::BYTES;

type Run = SyncRun<VssMsg<Gr64>>;
type Report = SyncReport<Dealt<Gr64>>;

fn session() -> SessionId {
    SessionId(KeyId::numbered(1).bytes())
}

fn plan(n: usize, seed: u64) -> Run {
    SyncRun::new(n, seed).unwrap()
}

fn run(n: usize, plan: Run) -> Report {
    let id = BroadcastId { session: session(), number: 0 };
    plan.run(|me, rng| Vss::new(id, (committee(n), me), &[Gr64::ONE, Gr64::point(me)], rng).unwrap())
}

fn judge(n: usize, words: &[SignedWords]) -> Vec<PartyId> {
    convicted::<Gr64>(&terms::<Gr64>(session(), committee(n), COUNT), COUNT, words, &ToySeal(party(1)))
}

/// What a party heard, as a third party would be given it, convicts these dealers and no other.
fn everyone_convicts(n: usize, report: &Report, cheaters: &[PartyId], expected: &[PartyId], note: &str) {
    for (i, ending) in report.endings.iter().enumerate().filter(|(i, _)| !cheaters.contains(&party(i + 1))) {
        assert_eq!(judge(n, &ending.values), expected, "{note}, n = {n}, words of {}", i + 1);
        let blamed = ending.faults.iter().filter(|fault| fault.evidence == Evidence::BadDealing);
        let mut blamed: Vec<_> = blamed.map(|fault| fault.culprit).collect();
        blamed.sort_unstable();
        assert_eq!(blamed, expected, "{note}, n = {n}: who is convicted is blamed");
    }
}

/// First rounds of the three broadcasts.
fn first_round(n: usize, broadcast: u32) -> u32 {
    3 + broadcast * Broadcast::rounds(committee(n))
}

/// Changes what a party broadcasts in the first round of one of the three broadcasts, and deals a wrong polynomial to so
/// many, so that there is something to answer.
struct Says<F> {
    wrong_to: u8,
    round: u32,
    change: F,
}

impl<F: FnMut(&mut Vec<u8>)> Lies<VssMsg<Gr64>> for Says<F> {
    fn instead_of(
        &mut self,
        honest: &InRound<VssMsg<Gr64>>,
        to: PartyId,
        rng: &mut ChaCha20Rng,
    ) -> Vec<InRound<VssMsg<Gr64>>> {
        let mut sent = DealsWrongTo(self.wrong_to).instead_of(honest, to, rng);
        for msg in &mut sent {
            if let (VssMsg::Broadcast(BroadcastMsg::Send(value)), true) = (&mut msg.msg, honest.round == self.round) {
                (self.change)(value);
            }
        }
        sent
    }
}

#[test]
fn a_dealing_of_too_high_a_degree_convicts_its_dealer() {
    for n in SIZES {
        let report = run(n, plan(n, 3).cheat(party(2), WrongDegree(t(n))));
        everyone_convicts(n, &report, &[party(2)], &[party(2)], "wrong degree");
    }
}

#[test]
fn polynomials_that_t_plus_one_parties_deny_convict_their_dealer_and_those_that_t_deny_do_not() {
    for n in SIZES {
        let faults = t(n) as u8;
        let report = run(n, plan(n, 3).cheat(party(n), DealsWrongTo(faults + 1)));
        everyone_convicts(n, &report, &[party(n)], &[party(n)], "wrong to t + 1");
        let report = run(n, plan(n, 3).cheat(party(n), DealsWrongTo(faults)));
        everyone_convicts(n, &report, &[party(n)], &[], "wrong to t");
        assert_eq!(
            report.endings[0].output.as_ref().unwrap().disputes.len(),
            t(n),
            "disputes of a dealing that stands"
        );
    }
}

#[test]
fn every_bad_dealer_is_convicted_and_none_of_the_others() {
    for n in [7, 10, 13] {
        let cheaters: Vec<_> = (1..=t(n)).map(|i| party(3 * i)).collect();
        let report = run(n, cheaters.iter().fold(plan(n, 3), |plan, dealer| plan.cheat(*dealer, WrongDegree(t(n)))));
        everyone_convicts(n, &report, &cheaters, &cheaters, "t dealers");
    }
}

#[test]
fn two_values_for_one_pair_convict_by_themselves() {
    for n in SIZES {
        let (dealer, round) = (party(n), first_round(n, 1));
        // parties 1 and 2 complain about each other; the second answer about their pair is made another one
        let change = |value: &mut Vec<u8>| {
            let pair = |answer: &[u8]| (answer[0].min(answer[1]), answer[0].max(answer[1]), answer[2]);
            let first = value.chunks(ANSWER).map(pair).next().unwrap();
            let again = value.chunks(ANSWER).skip(1).position(|answer| pair(answer) == first).unwrap() + 1;
            value[again * ANSWER + 6] ^= 1;
        };
        let report = run(n, plan(n, 3).cheat(dealer, Says { wrong_to: 1, round, change }));
        everyone_convicts(n, &report, &[dealer], &[dealer], "two values");
        let of_dealer: Vec<_> =
            report.endings[0].values.iter().filter(|words| words.party == dealer).cloned().collect();
        assert_eq!(judge(n, &of_dealer), [dealer], "its own words are enough");
    }
}

#[test]
fn a_publication_that_its_own_answers_contradict_convicts() {
    for n in SIZES {
        let (dealer, round) = (party(n), first_round(n, 2));
        let change = |value: &mut Vec<u8>| value[2] ^= 1;
        let report = run(n, plan(n, 3).cheat(dealer, Says { wrong_to: 1, round, change }));
        everyone_convicts(n, &report, &[dealer], &[dealer], "another polynomial");
    }
}

#[test]
fn silence_of_a_dealer_disqualifies_it_and_convicts_nobody() {
    for n in SIZES {
        let dealer = party(n);
        for (broadcast, what) in [(1, "no answers"), (2, "no polynomials")] {
            let round = first_round(n, broadcast);
            let change = |value: &mut Vec<u8>| value.clear();
            let report = run(n, plan(n, 3).cheat(dealer, Says { wrong_to: 1, round, change }));
            let ending = &report.endings[0];
            assert_eq!(ending.output.as_ref().unwrap().disqualified, [dealer], "{what}");
            assert_eq!(judge(n, &ending.values), [], "{what}, n = {n}: what is missing proves nothing");
        }
        let silent = run(n, plan(n, 3).cheat(dealer, SilentAfter(0)));
        assert_eq!(judge(n, &silent.endings[0].values), []);
    }
}

#[test]
fn t_false_accusers_convict_no_honest_dealer() {
    for n in SIZES {
        for dealer in [1, n] {
            let liars: Vec<_> = (2..2 + t(n)).map(party).collect();
            let report = run(
                n,
                liars
                    .iter()
                    .fold(plan(n, 5), |plan, liar| plan.cheat(*liar, Accuses::of((committee(n), *liar), dealer as u8))),
            );
            for ending in &report.endings {
                assert_eq!(judge(n, &ending.values), [], "n = {n}, dealer {dealer}");
            }
        }
    }
}

#[test]
fn whatever_is_withheld_or_altered_the_rest_convicts_nobody_else() {
    let n = 7;
    let dealer = party(7);
    let report = run(n, plan(n, 3).cheat(dealer, DealsWrongTo(3)));
    let words = &report.endings[1].values;
    assert_eq!(words.len(), 3 * n, "three broadcasts of everybody");
    assert_eq!(judge(n, words), [dealer]);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut proven = 0;
    for _ in 0..300 {
        let kept: Vec<_> = words.iter().filter(|_| rng.random()).cloned().collect();
        let culprits = judge(n, &kept);
        assert!(culprits.iter().all(|culprit| *culprit == dealer));
        proven += culprits.len();
    }
    assert!((1..300).contains(&proven), "{proven} of 300");
    let alterations: [fn(&mut SignedWords); 5] = [
        |words| words.signature[7] ^= 1,
        |words| words.said.push(0),
        |words| words.round += 1,
        |words| words.said.clear(),
        |words| words.party = party(if words.party == party(1) { 2 } else { 1 }),
    ];
    for (place, alter) in (0..words.len()).flat_map(|place| alterations.map(|alter| (place, alter))) {
        let mut words = words.clone();
        alter(&mut words[place]);
        assert!(judge(n, &words).iter().all(|culprit| *culprit == dealer), "as if it had not come");
    }
}

#[test]
fn fewer_than_t_plus_one_witnesses_prove_nothing() {
    for n in SIZES {
        let dealer = party(n);
        let report = run(n, plan(n, 3).cheat(dealer, DealsWrongTo(t(n) as u8 + 1)));
        let words = &report.endings[0].values;
        for left in 0..=t(n) {
            let few: Vec<_> = words.iter().filter(|w| w.party == dealer || w.party.index() < left).cloned().collect();
            assert_eq!(judge(n, &few), [], "n = {n}: {left} witnesses");
        }
        let without_the_dealer: Vec<_> = words.iter().filter(|words| words.party != dealer).cloned().collect();
        assert_eq!(judge(n, &without_the_dealer), [], "n = {n}: no word of its own");
    }
}

#[test]
fn words_of_another_run_prove_nothing_about_this_one() {
    let report = run(4, plan(4, 3).cheat(party(2), WrongDegree(1)));
    let words = &report.endings[0].values;
    let other = terms::<Gr64>(SessionId(KeyId::numbered(2).bytes()), committee(4), COUNT);
    assert_eq!(convicted::<Gr64>(&other, COUNT, words, &ToySeal(party(1))), []);
    let seven = terms::<Gr64>(session(), committee(7), COUNT);
    assert_eq!(convicted::<Gr64>(&seven, COUNT, words, &ToySeal(party(1))), [], "other rounds");
}

/// With deadlines far too early honest parties miss what honest dealers sent: agreement may fail, honest dealers may be
/// disqualified, but no third party is convinced of anything.
#[test]
fn a_network_that_is_not_synchronous_convicts_no_honest_dealer() {
    let (mut disqualified, mut runs) = (0, 0);
    for seed in seeds(60) {
        runs += 1;
        let n = SIZES[(seed % 2) as usize];
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        // deadlines far below the delays, or parties at random, more than t at times, that miss what all dealt
        let plan = match rng.random() {
            true => plan(n, seed).lossy(30).hasty(rng.random_range(ROUND / 40..ROUND / 5)),
            false => {
                let missing = committee(n).parties().filter(|_| rng.random());
                missing.fold(plan(n, seed), |plan, one| plan.outage(one, 0..ROUND))
            }
        };
        let report = run(n, plan);
        for ending in &report.endings {
            assert_eq!(judge(n, &ending.values), [], "seed {seed}, n {n}");
            disqualified += ending.output.as_ref().map_or(0, |dealt| dealt.disqualified.len());
        }
    }
    // one run by its seed may be a lucky one
    assert!(disqualified > 0 || runs < 60, "no network here that breaks a dealing");
}

#[test]
fn with_any_t_cheaters_only_cheaters_are_convicted_by_anybodys_words() {
    for seed in seeds(120) {
        let n = SIZES[(seed % 4) as usize];
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let drawn = draw(plan(n, seed), Vss::<Gr64>::rounds(committee(n)), &mut rng);
        let report = run(n, drawn.plan);
        // what the cheaters heard too: they may show what they like. Who was cut off is convicted by nobody
        for ending in &report.endings {
            let culprits = judge(n, &ending.values);
            let just = culprits.iter().all(|culprit| drawn.cheaters.contains(culprit));
            assert!(just, "seed {seed}, n {n}{}: {culprits:?}", drawn.note);
        }
    }
}
