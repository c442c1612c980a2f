use super::*;
use crate::ring::{Gr16, Gr64};
use proptest::prelude::*;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn committee(n: usize) -> Committee {
    Committee::new(n).unwrap()
}

/// Shares of random secrets: one list per party, and the secrets.
fn deal(n: usize, count: usize, seed: u64) -> (Vec<(PartyId, Vec<Gr128>)>, Vec<Gr128>) {
    let mut rng = rng(seed);
    let secrets: Vec<_> = (0..count).map(|_| Gr128::random(&mut rng)).collect();
    let mut parties: Vec<_> = committee(n).parties().map(|party| (party, Vec::new())).collect();
    for secret in &secrets {
        for ((_, list), s) in parties.iter_mut().zip(share(*secret, committee(n), &mut rng).iter()) {
            list.push(*s);
        }
    }
    (parties, secrets)
}

fn received(parties: &[(PartyId, Vec<Gr128>)]) -> Vec<Received<'_>> {
    parties.iter().map(|(party, shares)| Received { party: *party, shares }).collect()
}

#[test]
fn any_degree_plus_one_shares_reconstruct() {
    for n in [1, 4, 7] {
        let t = committee(n).threshold().faults();
        let (parties, secrets) = deal(n, 1, n as u64);
        for subset in 0u16..1 << n {
            if subset.count_ones() as usize == t + 1 {
                let chosen: Vec<_> =
                    (0..n).filter(|i| subset >> i & 1 == 1).map(|i| (parties[i].0, parties[i].1[0])).collect();
                assert_eq!(reconstruct(&chosen), Some(secrets[0]));
            }
        }
    }
}

#[test]
fn t_shares_are_consistent_with_every_secret() {
    let parties: Vec<_> = committee(7).parties().take(2).collect();
    let mut rng = rng(5);
    let held: Vec<_> = parties.iter().map(|party| (*party, Gr128::random(&mut rng))).collect();
    for secret in [Gr128::ZERO, Gr128::ONE, Gr128::random(&mut rng)] {
        // a polynomial of degree 2 through the two shares and this secret: shift by a multiple that is 0 at both
        let line = reconstruct(&held).unwrap();
        let [a, b] = [Gr128::point(parties[0]), Gr128::point(parties[1])];
        let factor = (secret - line) * (a * b).inverse().unwrap();
        let at = |x: Gr128| {
            let through: Gr128 =
                lagrange(&parties, x).unwrap().iter().zip(&held).fold(Gr128::ZERO, |s, (w, h)| s + *w * h.1);
            through + factor * (x - a) * (x - b)
        };
        assert_eq!((at(Gr128::ZERO), at(a), at(b)), (secret, held[0].1, held[1].1));
    }
}

#[test]
fn share_of_party_one_with_known_polynomial_is_known() {
    // f = 5 + (2 + X)·Y, party 3 stands at 1 + X: 5 + (2 + X)(1 + X) = 7 + 3X + X²
    let f = [Gr128::constant(5), Gr128::new([2, 1, 0, 0])];
    assert_eq!(evaluate(&f, Gr128::point(PartyId::new(3).unwrap())), Gr128::new([7, 3, 1, 0]));
    // party 12 stands at X² + X³: (2 + X)(X² + X³) = 2X² + 3X³ + X⁴ = −1 − X + 2X² + 3X³
    assert_eq!(evaluate(&f, Gr128::point(PartyId::new(12).unwrap())), Gr128::new([4, 1u128.wrapping_neg(), 2, 3]));
}

#[test]
fn a_party_listed_twice_reconstructs_nothing() {
    let (parties, _) = deal(4, 1, 3);
    let twice = [(parties[0].0, parties[0].1[0]); 2];
    assert_eq!(reconstruct(&twice), None);
    let list = [&parties[0], &parties[1], &parties[0]].map(|(party, shares)| Received { party: *party, shares });
    assert_eq!(decode(&list, 1, 0), Err(DecodeError::Shape(parties[0].0)));
}

#[test]
fn batches_of_different_lengths_are_refused() {
    let (mut parties, _) = deal(4, 3, 3);
    parties[2].1.pop();
    assert_eq!(decode(&received(&parties), 1, 1), Err(DecodeError::Shape(parties[2].0)));
}

#[test]
fn an_empty_batch_decodes_to_nothing() {
    let (parties, _) = deal(4, 0, 3);
    assert_eq!(decode(&received(&parties), 1, 1).unwrap().values, Vec::new());
    assert_eq!(decode::<Gr128>(&[], 1, 0), Err(DecodeError::TooFew { have: 0, need: 2 }));
}

/// Every set of at most `max` liars among 4 and 7, with errors in one random bit, one coefficient or everywhere.
#[test]
fn every_set_of_up_to_t_liars_is_located() {
    for n in [4, 7] {
        let t = committee(n).threshold().faults();
        let mut rng = rng(n as u64);
        for liars in 0u16..1 << n {
            if liars.count_ones() as usize > t {
                continue;
            }
            let (mut parties, secrets) = deal(n, 2, u64::from(liars));
            for i in (0..n).filter(|i| liars >> i & 1 == 1) {
                let error = match i % 3 {
                    0 => Gr128::constant(1 << 127),
                    1 => Gr128::new([0, 0, 1 << 64, 0]),
                    _ => Gr128::random(&mut rng),
                };
                parties[i].1[i % 2] += error;
            }
            let decoded = decode(&received(&parties), t, t).unwrap();
            assert_eq!(decoded.values, secrets);
            let named = decoded.liars.iter().fold(0, |mask, (party, _)| mask | 1 << party.index());
            assert_eq!(named, liars, "n = {n}");
            assert_eq!(decoded.good.len(), n - liars.count_ones() as usize);
        }
    }
}

#[test]
fn wrong_and_missing_shares_are_decoded_up_to_the_capacity() {
    for n in [4, 7, 10, 13] {
        let t = committee(n).threshold().faults();
        for wrong in 0..=t {
            for missing in 0..=2 * (t - wrong) {
                let (mut parties, secrets) = deal(n, 2, (n * 100 + wrong * 10 + missing) as u64);
                for (_, shares) in parties.iter_mut().take(wrong) {
                    shares[1] += Gr128::new([0, 4, 0, 0]);
                }
                let kept = &received(&parties)[..n - missing];
                let decoded = decode(kept, t, wrong).unwrap();
                assert_eq!(decoded.values, secrets, "{n} {wrong} {missing}");
                assert_eq!(decoded.liars.len(), wrong);
            }
        }
    }
}

#[test]
fn one_error_more_than_allowed_is_refused_not_guessed() {
    for n in [4, 7, 10, 13] {
        let t = committee(n).threshold().faults();
        let (mut parties, _) = deal(n, 1, n as u64);
        for (i, (_, shares)) in parties.iter_mut().take(t).enumerate() {
            shares[0] += Gr128::new([i as u128 + 1, 0, 7, 0]);
        }
        let list = received(&parties);
        assert_eq!(decode(&list, t, t - 1), Err(DecodeError::TooManyErrors { element: 0 }));
        assert_eq!(decode(&list[..2 * t], t, t), Err(DecodeError::TooFew { have: 2 * t, need: 3 * t + 1 }));
    }
}

#[test]
fn liars_who_lie_about_different_values_are_all_located() {
    let (mut parties, secrets) = deal(13, 40, 9);
    for i in 0..4 {
        parties[3 * i].1[10 * i] += Gr128::constant(1 << (30 * i));
    }
    let decoded = decode(&received(&parties), 4, 4).unwrap();
    assert_eq!(decoded.values, secrets);
    let named: Vec<_> = decoded.liars.iter().map(|(party, element)| (party.index(), *element)).collect();
    assert_eq!(named, [(0, 0), (3, 10), (6, 20), (9, 30)]);
}

#[test]
fn more_liars_over_the_batch_than_allowed_are_refused() {
    let (mut parties, _) = deal(7, 3, 9);
    for (i, (_, shares)) in parties.iter_mut().take(3).enumerate() {
        shares[i] += Gr128::ONE;
    }
    assert_eq!(decode(&received(&parties), 2, 2), Err(DecodeError::TooManyErrors { element: 2 }));
}

#[test]
fn a_late_share_is_compared_with_good_ones() {
    let (mut parties, _) = deal(7, 5, 2);
    parties[6].1[3] += Gr128::ONE;
    let list = received(&parties);
    assert_eq!(first_off(&list[..3], list[5]), None);
    assert_eq!(first_off(&list[..3], list[6]), Some(3));
    assert_eq!(first_off(&list[..3], list[1]), None, "one of the base itself");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn colluding_liars_on_their_own_polynomial_do_not_win(seed: u64, which in 0usize..4) {
        let n = [4, 7, 10, 13][which];
        let t = committee(n).threshold().faults();
        let (mut parties, secrets) = deal(n, 1, seed);
        let (others, _) = deal(n, 1, !seed);
        for i in 0..t {
            parties[n - 1 - i] = others[n - 1 - i].clone();
        }
        let decoded = decode(&received(&parties), t, t).unwrap();
        prop_assert_eq!(decoded.values, secrets);
        prop_assert_eq!(decoded.liars.len(), t);
    }
}

/// t liars are located in every ring, and a batch of degree 2t with one lie is refused, as is one with a share missing.
fn robust_in<R: Ring>() {
    for n in [4, 7, 10, 13] {
        let (mut rng, committee) = (rng(n as u64), committee(n));
        let t = committee.threshold().faults();
        let secrets: Vec<_> = (0..5).map(|_| R::random(&mut rng)).collect();
        for degree in [t, 2 * t] {
            let polynomials: Vec<_> = secrets.iter().map(|s| random_polynomial(*s, degree, &mut rng)).collect();
            let honest: Vec<(PartyId, Vec<R>)> = committee
                .parties()
                .map(|party| (party, polynomials.iter().map(|p| evaluate(p, R::point(party))).collect()))
                .collect();
            let mut lied = honest.clone();
            for (_, shares) in lied.iter_mut().take(t) {
                shares[3] += R::ONE.shifted(R::BITS - 1);
            }
            let honest: Vec<_> = honest.iter().map(|(party, shares)| Received { party: *party, shares }).collect();
            let lied: Vec<_> = lied.iter().map(|(party, shares)| Received { party: *party, shares }).collect();
            let expected: Vec<_> = committee.parties().collect();
            assert_eq!(decode_complete(&honest, &expected, degree).unwrap(), secrets);
            assert!(decode_complete(&lied, &expected, degree).is_err(), "n = {n}, degree {degree}");
            let missing = Err(DecodeError::Missing(expected[n - 1]));
            assert_eq!(decode_complete(&honest[..n - 1], &expected, degree), missing);
            if degree == t {
                let decoded = decode(&lied, t, t).unwrap();
                assert_eq!((decoded.values, decoded.liars.len()), (secrets.clone(), t));
            }
        }
    }
}

#[test]
fn every_ring_corrects_degree_t_and_detects_in_degree_2t() {
    robust_in::<Gr16>();
    robust_in::<Gr64>();
    robust_in::<Gr128>();
}
