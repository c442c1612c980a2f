//! Robust decoding against search: all codewords of the smallest codes, and all sets of liars of the larger ones. What
//! searching finds is the definition; the decoder has to find the same, or say that there is nothing.

use crate::common::{SIZES, committee, party, t};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tkms_mpc::ring::{Gf16, Gr16, Gr64, Gr128, Ring};
use tkms_mpc::shamir::{DecodeError, Decoded, Received, decode, decode_complete, evaluate, lagrange};
use tkms_types::PartyId;

type Columns<R> = Vec<(PartyId, Vec<R>)>;

fn received<R>(columns: &[(PartyId, Vec<R>)]) -> Vec<Received<'_, R>> {
    columns.iter().map(|(party, shares)| Received { party: *party, shares }).collect()
}

fn liars<R>(decoded: &Decoded<R>) -> Vec<PartyId> {
    let mut liars: Vec<_> = decoded.liars.iter().map(|(party, _)| *party).collect();
    liars.sort_unstable();
    liars
}

/// Shares of `count` random values with a polynomial of this degree.
fn dealt<R: Ring>(n: usize, degree: usize, count: usize, rng: &mut ChaCha20Rng) -> (Columns<R>, Vec<R>) {
    let polynomials: Vec<Vec<R>> = (0..count).map(|_| (0..=degree).map(|_| R::random(rng)).collect()).collect();
    let of_party = |party: PartyId| polynomials.iter().map(|p| evaluate(p, R::point(party))).collect();
    let columns = committee(n).parties().map(|party| (party, of_party(party))).collect();
    (columns, polynomials.iter().map(|polynomial| polynomial[0]).collect())
}

/// Whether these parties' shares lie on polynomials of this degree, by interpolating from the first of them.
fn consistent<R: Ring>(columns: &[(PartyId, Vec<R>)], degree: usize) -> bool {
    let Some((base, rest)) = columns.split_at_checked(degree + 1) else { return true };
    let parties: Vec<_> = base.iter().map(|(party, _)| *party).collect();
    rest.iter().all(|(party, shares)| {
        let weights = lagrange(&parties, R::point(*party)).unwrap();
        shares.iter().enumerate().all(|(place, share)| {
            let terms = weights.iter().zip(base).map(|(weight, (_, shares))| *weight * shares[place]);
            terms.fold(R::ZERO, |sum, term| sum + term) == *share
        })
    })
}

/// By trying every set of at most `most` parties: the smallest sets without which the rest is consistent.
fn search<R: Ring>(columns: &Columns<R>, degree: usize, most: usize) -> Vec<Vec<PartyId>> {
    for size in 0..=most {
        let sets = (0..1u32 << columns.len()).filter(|mask| mask.count_ones() as usize == size);
        let left_out = |mask: &u32| {
            let rest: Columns<R> = columns
                .iter()
                .enumerate()
                .filter(|(i, _)| mask >> i & 1 == 0)
                .map(|(_, column)| column.clone())
                .collect();
            consistent(&rest, degree)
        };
        let names = |mask: u32| {
            let out = columns.iter().enumerate().filter(|(i, _)| mask >> i & 1 == 1);
            out.map(|(_, (party, _))| *party).collect::<Vec<_>>()
        };
        let found: Vec<_> = sets.filter(left_out).map(names).collect();
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

/// Every word of four symbols of GF(16), as lowest bits of shares in GR(2¹⁶, 4), against all 256 lines.
#[test]
fn every_word_of_the_smallest_code_is_decoded_to_the_nearest_line_or_to_none() {
    let point = |number: u8| Gf16::new(number);
    let line = |a: u8, b: u8, x: u8| Gf16::new(a).plus(Gf16::new(b).times(point(x))).bits();
    let lines: Vec<(u8, [u8; 4])> =
        (0..=255u8).map(|ab| (ab >> 4, [1, 2, 3, 4].map(|x| line(ab >> 4, ab & 15, x)))).collect();
    let mut decoded_words = 0;
    for word in 0..1u32 << 16 {
        let symbols = [0, 4, 8, 12].map(|shift| (word >> shift & 15) as u8);
        let distance = |line: &[u8; 4]| line.iter().zip(&symbols).filter(|(a, b)| a != b).count();
        let near: Vec<_> = lines.iter().filter(|(_, line)| distance(line) <= 1).collect();
        assert!(near.len() <= 1, "the code has distance three");
        // multiplied by 2¹⁵ only the lowest bits count: the code over the field itself
        let columns: Columns<Gr16> = (1..=4u8)
            .map(|x| (party(x.into()), vec![Gr16::exceptional(Gf16::new(symbols[x as usize - 1])).shifted(15)]))
            .collect();
        match (decode(&received(&columns), 1, 1), near.first()) {
            (Ok(decoded), Some((a, line))) => {
                assert_eq!(decoded.values, [Gr16::exceptional(Gf16::new(*a)).shifted(15)], "{symbols:?}");
                assert_eq!(decoded.liars.len(), distance(line));
                decoded_words += 1;
            }
            (Err(DecodeError::TooManyErrors { element: 0 }), None) => {}
            (found, expected) => panic!("{symbols:?}: {found:?}, search finds {expected:?}"),
        }
    }
    assert_eq!(decoded_words, 256 * 61, "256 lines and 60 neighbours of each");
}

fn as_search_finds<R: Ring>(n: usize, rounds: usize, seed: u64) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    for round in 0..rounds {
        let degree = t(n);
        let (mut columns, secrets) = dealt::<R>(n, degree, 2, &mut rng);
        columns.shuffle(&mut rng);
        let missing = rng.random_range(0..=t(n));
        columns.truncate(n - missing);
        let most = (columns.len() - degree - 1) / 2;
        let lying = rng.random_range(0..=most.min(t(n)));
        for (_, shares) in columns.iter_mut().take(lying) {
            let (value, plane) = (rng.random_range(0..2usize), rng.random_range(0..R::BITS));
            shares[value] += R::point(party(rng.random_range(1..=13))).shifted(plane);
        }
        let mut truth: Vec<_> = columns.iter().take(lying).map(|(party, _)| *party).collect();
        truth.sort_unstable();
        columns.shuffle(&mut rng);
        let note = format!("n = {n}, round {round}: {missing} missing, {lying} lying");
        let decoded = decode(&received(&columns), degree, most).unwrap_or_else(|error| panic!("{note}: {error}"));
        assert_eq!(decoded.values, secrets, "{note}");
        assert_eq!(liars(&decoded), truth, "{note}");
        let mut found = search(&columns, degree, most);
        found.iter_mut().for_each(|set| set.sort_unstable());
        assert_eq!(found, [truth], "{note}: searching finds the same and nothing else");
    }
}

#[test]
fn liars_and_values_are_those_that_searching_all_sets_of_liars_finds() {
    as_search_finds::<Gr16>(4, 60, 1);
    as_search_finds::<Gr64>(7, 40, 2);
    as_search_finds::<Gr128>(10, 10, 3);
    as_search_finds::<Gr16>(13, 2, 4);
}

/// Words with more errors than can be corrected: nothing is made up that the definition does not allow.
#[test]
fn beyond_the_bound_the_decoder_says_nothing_that_searching_does_not_find() {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let (mut refused, mut another) = (0, 0);
    for _ in 0..120 {
        let (mut columns, secrets) = dealt::<Gr16>(7, 2, 1, &mut rng);
        columns.shuffle(&mut rng);
        for (_, shares) in columns.iter_mut().take(3) {
            // all errors in one bit plane, where wrong codewords are nearest
            shares[0] += Gr16::point(party(rng.random_range(1..=13))).shifted(15);
        }
        columns.sort_unstable_by_key(|(party, _)| *party);
        match decode(&received(&columns), 2, 2) {
            Err(error) => {
                refused += 1;
                assert_eq!(error, DecodeError::TooManyErrors { element: 0 });
                assert!(search(&columns, 2, 2).is_empty(), "there was something to find");
            }
            Ok(decoded) => {
                another += 1;
                assert_ne!(decoded.values, secrets, "three of seven outvote the truth at times: the caller's bound");
                assert_eq!(search(&columns, 2, 2), [liars(&decoded)]);
            }
        }
    }
    assert!(refused > 0 && another > 0, "{refused} refused, {another} decoded to another value");
}

fn every_pair_of_liars<R: Ring>(plane: u32) {
    let mut rng = ChaCha20Rng::seed_from_u64(6);
    let (honest, secrets) = dealt::<R>(7, 2, 1, &mut rng);
    for (i, j) in (0..7).flat_map(|i| (0..7).map(move |j| (i, j))) {
        for (e, f) in (1..16u8).step_by(2).flat_map(|e| (1..16u8).step_by(3).map(move |f| (e, f))) {
            let mut columns = honest.clone();
            columns[i].1[0] += R::exceptional(Gf16::new(e)).shifted(plane);
            if i != j {
                columns[j].1[0] += R::exceptional(Gf16::new(f)).shifted(R::BITS - 1 - plane);
            }
            let decoded = decode(&received(&columns), 2, 2).unwrap();
            assert_eq!(decoded.values, secrets);
            let mut truth = vec![party(i + 1), party(j + 1)];
            truth.sort_unstable();
            truth.dedup();
            assert_eq!(liars(&decoded), truth);
        }
    }
}

#[test]
fn every_pair_of_liars_with_errors_in_any_bit_plane_is_located() {
    for plane in [0, 1, 7, 15] {
        every_pair_of_liars::<Gr16>(plane);
    }
    every_pair_of_liars::<Gr64>(0);
    every_pair_of_liars::<Gr64>(63);
    every_pair_of_liars::<Gr128>(100);
}

#[test]
fn two_errors_and_one_erasure_meet_the_bound_exactly_in_every_committee() {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    for n in SIZES {
        for (errors, missing) in (0..=t(n)).flat_map(|e| (0..=2 * t(n)).map(move |s| (e, s))) {
            let (mut columns, secrets) = dealt::<Gr64>(n, t(n), 2, &mut rng);
            columns.truncate(n - missing);
            for (_, shares) in columns.iter_mut().take(errors) {
                shares[1] += Gr64::ONE;
            }
            let fits = 2 * errors + missing < n - t(n);
            match decode(&received(&columns), t(n), errors) {
                Ok(decoded) => {
                    assert!(fits, "n = {n}: {errors} errors, {missing} missing");
                    assert_eq!((decoded.values, decoded.liars.len()), (secrets, errors));
                }
                Err(error) => {
                    assert!(!fits, "n = {n}: {errors} errors, {missing} missing: {error}");
                    assert_eq!(error, DecodeError::TooFew { have: n - missing, need: t(n) + 1 + 2 * errors });
                }
            }
        }
    }
}

#[test]
fn degree_2t_detects_every_lie_of_t_parties_and_corrects_none() {
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    for n in SIZES {
        let everyone: Vec<_> = committee(n).parties().collect();
        let (honest, secrets) = dealt::<Gr16>(n, 2 * t(n), 3, &mut rng);
        assert_eq!(decode_complete(&received(&honest), &everyone, 2 * t(n)), Ok(secrets));
        for lying in 1..=t(n) {
            for _ in 0..20 {
                let mut columns = honest.clone();
                columns.shuffle(&mut rng);
                for (_, shares) in columns.iter_mut().take(lying) {
                    shares[rng.random_range(0..3usize)] +=
                        Gr16::point(party(rng.random_range(1..=13))).shifted(rng.random_range(0..16));
                }
                let opened = decode_complete(&received(&columns), &everyone, 2 * t(n));
                assert!(matches!(opened, Err(DecodeError::TooManyErrors { .. })), "n = {n}, {lying} lying: {opened:?}");
            }
        }
    }
}

/// The rule "a share of everyone" at every size: with one honest share missing t liars move the value where they like.
#[test]
fn without_one_honest_share_t_liars_open_any_value_they_like_and_with_it_none() {
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    for n in SIZES {
        let degree = 2 * t(n);
        let (honest, secrets) = dealt::<Gr64>(n, degree, 1, &mut rng);
        let target = Gr64::random(&mut rng);
        // t liars 1 … t, one honest party n … is late: 2t honest shares are left, and t of the liars' to choose
        let present: Vec<_> = (1..n).map(party).collect();
        let mut columns = honest.clone();
        // the polynomial through the 2t present honest shares and the target at 0
        let honest_present: Vec<_> = present.iter().filter(|p| p.index() >= t(n)).copied().collect();
        assert_eq!(honest_present.len(), degree);
        for (liar, shares) in columns.iter_mut().take(t(n)) {
            // value of that polynomial at the liar: Lagrange over the honest points and 0, the points of which differ
            let at = Gr64::point(*liar);
            let base =
                honest_present.iter().map(|p| (Gr64::point(*p), honest[p.index()].1[0])).chain([(Gr64::ZERO, target)]);
            let base: Vec<_> = base.collect();
            shares[0] = base.iter().fold(Gr64::ZERO, |sum, (x, y)| {
                let others = base.iter().filter(|(other, _)| other != x);
                sum + others.fold(*y, |term, (other, _)| term * (at - *other) * (*x - *other).inverse().unwrap())
            });
        }
        let all = received(&columns);
        let opened = decode_complete(&all[..n - 1], &present, degree).unwrap();
        assert_eq!(opened, [target], "n = {n}: the rule dropped, the liars choose");
        assert_ne!(opened, secrets);
        let everyone: Vec<_> = committee(n).parties().collect();
        assert!(matches!(decode_complete(&all, &everyone, degree), Err(DecodeError::TooManyErrors { .. })), "n = {n}");
        assert_eq!(decode_complete(&all[..n - 1], &everyone, degree), Err(DecodeError::Missing(party(n))), "n = {n}");
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused_by_name() {
    let mut rng = ChaCha20Rng::seed_from_u64(10);
    let (columns, _) = dealt::<Gr64>(4, 1, 2, &mut rng);
    let all = received(&columns);
    let twice = [all[0], all[1], all[0], all[2]];
    assert_eq!(decode(&twice, 1, 1), Err(DecodeError::Shape(party(1))));
    let short = [all[0], Received { party: party(2), shares: &all[1].shares[..1] }, all[2], all[3]];
    assert_eq!(decode(&short, 1, 1), Err(DecodeError::Shape(party(2))));
    assert_eq!(decode(&all[..3], 1, 1), Err(DecodeError::TooFew { have: 3, need: 4 }));
    assert_eq!(decode::<Gr64>(&[], 0, 0), Err(DecodeError::TooFew { have: 0, need: 1 }));
    let nobody = decode_complete(&all[..2], &[party(1), party(3)], 1);
    assert_eq!(nobody, Err(DecodeError::Missing(party(3))));
    // who is not expected is not looked at, whatever it sent
    let mut columns = columns;
    columns[3].1[0] += Gr64::ONE;
    let trusted: Vec<_> = (1..=3).map(party).collect();
    assert!(decode_complete(&received(&columns), &trusted, 1).is_ok());
}
