//! Exhibits: what a node keeps convinces who has the committee's keys and nothing else, survives the way as bytes, and
//! says nothing about any other run.

use crate::common::{SIZES, committee, party, t};
use crate::preprocessing::{keys, run as run_batch};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tkms_mpc::codec::Malformed;
use tkms_mpc::exhibit::{Exhibit, MAX_EXHIBIT, RunName, Shown};
use tkms_mpc::fault::Owner;
use tkms_mpc::preprocessing::{BatchId, BatchMsg, Bits, Standing, Triples};
use tkms_mpc::prss_setup::{PrssSetup, SetupMsg};
use tkms_mpc::ring::{Gr16, Gr64};
use tkms_mpc::rounds::InRound;
use tkms_mpc::sim::ToySeal;
use tkms_mpc::sim::liars::{InSetup, SpoilsAndShows, WrongDegree};
use tkms_mpc::sim::lies::{FlipsAfter, Lies, TellsEach};
use tkms_mpc::sim::rounds::SyncRun;
use tkms_types::transcript::setup_session;
use tkms_types::{ContextId, EpochId, Id, PartyId};

const SEAL: fn() -> ToySeal = || ToySeal(party(1));

fn names() -> (ContextId, EpochId) {
    (ContextId::numbered(1), EpochId::numbered(1))
}

fn id(number: u64) -> BatchId {
    BatchId { context: names().0, epoch: names().1, number }
}

fn bits(number: u64) -> RunName {
    RunName::batch::<Gr16, _>(id(number), &Bits { count: 4 }, Standing::default())
}

fn setup(attempt: u64) -> RunName {
    RunName::Setup { context: names().0, epoch: names().1, attempt }
}

fn of_setup(n: usize, cheat: impl Lies<SetupMsg> + 'static) -> Vec<Exhibit> {
    let session = setup_session(names().0, names().1, 1);
    let plan: SyncRun<SetupMsg> = SyncRun::new(n, 1).unwrap().cheat(party(2), cheat);
    let report =
        plan.run(|me, rng| PrssSetup::new(session, Owner { party: me, committee: committee(n) }, rng).unwrap());
    let ending = &report.endings[0];
    let words = std::iter::once(Shown::Words(ending.values.clone()));
    let shown = ending.evidence.iter().cloned().map(Shown::Statements).chain(words);
    shown.map(|shown| Exhibit { committee: committee(n), run: setup(1), shown }).collect()
}

fn of_batch(n: usize, cheat: impl Lies<BatchMsg<Gr16>> + 'static) -> Vec<Exhibit> {
    let plan = SyncRun::new(n, 1).unwrap().cheat(party(2), cheat);
    let report = run_batch::<Gr16, _>(plan, &keys(n), Bits { count: 4 }, 1, &Standing::default());
    let ending = &report.endings[0];
    let words = std::iter::once(Shown::Words(ending.values.clone()));
    let shown = ending.evidence.iter().cloned().map(Shown::Statements).chain(words);
    shown.map(|shown| Exhibit { committee: committee(n), run: bits(1), shown }).collect()
}

/// One of each kind, all against party 2.
fn every_kind(n: usize) -> Vec<Exhibit> {
    let convicts = |exhibit: &Exhibit| exhibit.convicted(committee(n), &SEAL()) == [party(2)];
    let mut kinds: Vec<Exhibit> = Vec::new();
    kinds.extend(of_setup(n, InSetup(Box::new(WrongDegree(t(n))))).into_iter().find(convicts));
    kinds.extend(of_setup(n, TellsEach).into_iter().find(convicts));
    kinds.extend(of_batch(n, SpoilsAndShows(|value| value[0] ^= 1)).into_iter().find(convicts));
    kinds.extend(of_batch(n, FlipsAfter(1)).into_iter().find(convicts));
    kinds
}

#[test]
fn every_kind_convicts_its_culprit_in_every_committee() {
    for n in SIZES {
        let kinds = every_kind(n);
        let what: Vec<_> = kinds.iter().map(Exhibit::what).collect();
        let expected = [
            "a bad dealing",
            "two statements in a round",
            "another message than its keys make",
            "two statements in a round",
        ];
        assert_eq!(what, expected, "n = {n}");
    }
}

#[test]
fn an_exhibit_comes_back_from_its_bytes_and_no_other_bytes_make_one() {
    for exhibit in SIZES.into_iter().flat_map(every_kind) {
        let bytes = exhibit.to_bytes();
        assert_eq!(Exhibit::from_bytes(&bytes).as_ref(), Ok(&exhibit));
        for cut in [0, 1, 3, 4, 40, 75, bytes.len() / 2, bytes.len() - 1] {
            // words of no honest party reach to the end, whatever they are: shorter ones are other ones
            assert_ne!(Exhibit::from_bytes(&bytes[..cut]).as_ref(), Ok(&exhibit), "cut at {cut}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(Exhibit::from_bytes(&longer).is_err() || Exhibit::from_bytes(&longer).as_ref() != Ok(&exhibit));
    }
}

#[test]
fn headers_out_of_range_are_refused_by_name() {
    let good = every_kind(4).remove(2).to_bytes();
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        Exhibit::from_bytes(&bytes).unwrap_err()
    };
    assert_eq!(with(0, 2), Malformed::Tag(2), "version");
    assert_eq!(with(1, 5), Malformed::Tag(5), "no committee of five");
    assert_eq!(with(2, 2), Malformed::Tag(2), "kind of run");
    assert_eq!(with(3, 3), Malformed::Tag(3), "kind of proof");
    assert_eq!(with(4, 9), Malformed::Tag(9), "context");
    assert_eq!(with(36, 9), Malformed::Tag(9), "epoch");
    let (careful, evicted) = (4 + 72 + 1, 4 + 72 + 2);
    assert_eq!(with(careful, 2), Malformed::Mask);
    assert!(matches!(with(evicted, 200), Malformed::Tag(_) | Malformed::Mask), "more evicted than there are");
    let found = MAX_EXHIBIT + 1;
    assert_eq!(Exhibit::from_bytes(&vec![0; found]), Err(Malformed::TooLong { limit: MAX_EXHIBIT, found }));
}

#[test]
fn the_evicted_have_one_order() {
    let standing = |evicted: &[usize]| Standing { evicted: evicted.iter().map(|i| party(*i)).collect(), careful: true };
    let with = |evicted: &[usize]| Exhibit {
        committee: committee(7),
        run: RunName::batch::<Gr64, _>(id(3), &Triples { count: 8 }, standing(evicted)),
        shown: Shown::Words(Vec::new()),
    };
    for good in [&[][..], &[2], &[1, 7]] {
        assert_eq!(Exhibit::from_bytes(&with(good).to_bytes()), Ok(with(good)));
    }
    for bad in [&[2, 1][..], &[3, 3]] {
        assert_eq!(Exhibit::from_bytes(&with(bad).to_bytes()), Err(Malformed::Mask));
    }
}

#[test]
fn what_was_said_in_one_run_proves_nothing_about_another() {
    for exhibit in every_kind(4) {
        let renamed = |run: RunName| Exhibit { run, ..exhibit.clone() };
        let mut others =
            vec![setup(2), bits(2), RunName::batch::<Gr64, _>(id(1), &Bits { count: 4 }, Standing::default())];
        others.push(RunName::batch::<Gr16, _>(id(1), &Bits { count: 8 }, Standing::default()));
        others.push(RunName::batch::<Gr16, _>(id(1), &Triples { count: 4 }, Standing::default()));
        others.push(RunName::batch::<Gr16, _>(
            id(1),
            &Bits { count: 4 },
            Standing { evicted: vec![party(3)], careful: false },
        ));
        others.push(RunName::batch::<Gr16, _>(id(1), &Bits { count: 4 }, Standing { evicted: vec![], careful: true }));
        others.push(if matches!(exhibit.run, RunName::Setup { .. }) { bits(1) } else { setup(1) });
        for other in others {
            let note = format!("{} as if in {other:?}", exhibit.what());
            assert_eq!(renamed(other).convicted(committee(4), &SEAL()), [], "{note}");
        }
    }
}

#[test]
fn the_committee_is_the_readers_and_not_the_exhibits() {
    for exhibit in every_kind(4) {
        assert_eq!(exhibit.convicted(committee(7), &SEAL()), [], "another committee than the reader's");
        let claimed = Exhibit { committee: committee(7), ..exhibit };
        assert_eq!(claimed.convicted(committee(4), &SEAL()), [], "nor of the exhibit's own");
    }
}

#[test]
fn a_claim_of_no_recipe_or_of_absurd_size_proves_nothing_and_costs_nothing() {
    let batch = |kind, bits, items| RunName::Batch { id: id(1), kind, bits, items, standing: Standing::default() };
    let words = every_kind(4).remove(2).shown;
    for run in [batch(9, 16, 4), batch(1, 17, 4), batch(1, 16, 0), batch(1, 16, u32::MAX), batch(0, 0, 0)] {
        let exhibit = Exhibit { committee: committee(4), run, shown: words.clone() };
        assert_eq!(exhibit.convicted(committee(4), &SEAL()), []);
    }
}

#[test]
fn noise_and_damage_convict_no_honest_party() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for exhibit in every_kind(4) {
        let bytes = exhibit.to_bytes();
        let mut convicting = 0;
        for _ in 0..200 {
            let mut damaged = bytes.clone();
            let place = rng.random_range(0..damaged.len());
            damaged[place] ^= 1 << rng.random_range(0..8);
            let Ok(read) = Exhibit::from_bytes(&damaged) else { continue };
            let culprits = read.convicted(committee(4), &SEAL());
            assert!(culprits.iter().all(|culprit| *culprit == party(2)), "{culprits:?}");
            convicting += culprits.len();
        }
        // several words may be spared, a statement has no byte to spare
        assert!(convicting < 200 || matches!(exhibit.shown, Shown::Words(_)));
        let noise: Vec<u8> = (0..300).map(|_| rng.random()).collect();
        assert!(Exhibit::from_bytes(&noise).is_err());
    }
}

#[test]
fn honest_runs_leave_nothing_that_convicts() {
    struct Honest;
    impl<M: Clone> Lies<M> for Honest {
        fn instead_of(&mut self, honest: &InRound<M>, _: PartyId, _: &mut ChaCha20Rng) -> Vec<InRound<M>> {
            vec![honest.clone()]
        }
    }
    for n in [4, 7] {
        for exhibit in of_setup(n, Honest).into_iter().chain(of_batch(n, Honest)) {
            assert!(matches!(exhibit.shown, Shown::Words(_)), "no statement against anybody");
            assert_eq!(exhibit.convicted(committee(n), &SEAL()), [], "t = {}", t(n));
        }
    }
}
