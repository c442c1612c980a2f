use super::*;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

const DELTA: u128 = 1 << 123;

/// Answers of every party for five blocks 1, 2, 3, 4, 5 without noise.
fn answers(n: usize) -> (Committee, Vec<(PartyId, Vec<Gr128>)>) {
    let committee = Committee::new(n).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(n as u64);
    let elements = [Gr128::new([DELTA, 2 * DELTA, 3 * DELTA, 4 * DELTA]), Gr128::constant(5 * DELTA)];
    let dealt = elements.map(|element| shamir::share(element, committee, &mut rng));
    let answers = committee.parties().map(|party| (party, dealt.iter().map(|d| d[party.index()]).collect())).collect();
    (committee, answers)
}

fn lie(answer: &mut (PartyId, Vec<Gr128>)) {
    answer.1[1] += Gr128::new([0, 1 << 90, 0, 0]);
}

#[test]
fn wrong_and_missing_answers_are_corrected_while_2e_plus_s_is_at_most_2t() {
    for n in [1, 4, 7, 10, 13] {
        let (committee, honest) = answers(n);
        let t = committee.threshold().faults();
        for (wrong, missing) in (0..=t).flat_map(|e| (0..=2 * (t - e)).map(move |s| (e, s))) {
            let mut some = honest[missing..].to_vec();
            some.iter_mut().take(wrong).for_each(lie);
            let combined = combine_user_shares(committee, 5, &some).unwrap();
            assert_eq!(combined.opened.digits().unwrap(), [1, 2, 3, 4, 5], "n {n} e {wrong} s {missing}");
            let named: Vec<_> = combined.faults.iter().map(|fault| fault.culprit).collect();
            assert_eq!(named, some[..wrong].iter().map(|(party, _)| *party).collect::<Vec<_>>());
            assert_eq!(combined.assurance == Assurance::Proven, wrong + missing <= t);
        }
    }
}

#[test]
fn one_wrong_answer_too_many_is_refused() {
    for n in [4, 7, 10, 13] {
        let (committee, mut some) = answers(n);
        let t = committee.threshold().faults();
        some.drain(..2 * t - 1);
        lie(&mut some[0]);
        let error = combine_user_shares(committee, 5, &some).unwrap_err();
        let CombineError::Abort(abort) = error else { panic!("{error}") };
        assert_eq!((abort.heard, abort.silent.len(), abort.needed), (t + 2, 2 * t - 1, 2 * t + 1));
    }
}

#[test]
fn t_answers_are_too_few() {
    for n in [1, 4, 7, 10, 13] {
        let (committee, some) = answers(n);
        let few = &some[..committee.threshold().faults()];
        assert!(matches!(combine_user_shares(committee, 5, few), Err(CombineError::Abort(_))));
    }
}

#[test]
fn an_answer_of_the_wrong_length_is_blamed_and_counts_as_missing() {
    let (committee, mut some) = answers(4);
    some[2].1.push(Gr128::ONE);
    let combined = combine_user_shares(committee, 5, &some).unwrap();
    assert_eq!(combined.opened.digits().unwrap(), [1, 2, 3, 4, 5]);
    let evidence = Evidence::WrongLength { expected: 2, found: 3 };
    assert_eq!(combined.faults, [Fault { culprit: some[2].0, step: StepId::Combine, evidence }]);
}

#[test]
fn of_two_answers_of_one_party_the_first_counts() {
    let (committee, mut some) = answers(4);
    let mut second = some[0].clone();
    lie(&mut second);
    some.push(second);
    let combined = combine_user_shares(committee, 5, &some).unwrap();
    assert_eq!((combined.faults, combined.assurance), (vec![], Assurance::Proven));
}

#[test]
fn strangers_and_absurd_block_counts_are_misuse() {
    let (committee, mut some) = answers(4);
    for blocks in [0, MAX_BLOCKS + 1, usize::MAX] {
        let error = combine_user_shares(committee, blocks, &some).unwrap_err();
        assert!(matches!(error, CombineError::Misuse(Misuse::Blocks { .. })));
    }
    let stranger = PartyId::new(5).unwrap();
    some[0].0 = stranger;
    let error = combine_user_shares(committee, 5, &some).unwrap_err();
    assert_eq!(error, CombineError::Misuse(Misuse::NotAMember { party: stranger, size: 4 }));
}
