use super::*;
use crate::shamir;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use tkms_types::Id;

const SIZES: [usize; 5] = [1, 4, 7, 10, 13];

fn keys(n: usize, seed: u64) -> Vec<PrssKeys> {
    PrssKeys::deal(Committee::new(n).unwrap(), &mut ChaCha20Rng::seed_from_u64(seed)).unwrap()
}

fn session(number: u64) -> SessionId {
    SessionId(tkms_types::KeyId::numbered(number).bytes())
}

/// The masks themselves, from all parties' shares; every share must lie on the polynomials.
fn masks(keys: &[PrssKeys], session: &SessionId, blocks: usize) -> Vec<i128> {
    let shares: Vec<_> = keys.iter().map(|k| (k.owner.party, k.mask_shares(session, blocks))).collect();
    let received: Vec<_> = shares.iter().map(|(party, shares)| shamir::Received { party: *party, shares }).collect();
    let degree = keys[0].owner.committee.threshold().faults();
    let decoded = shamir::decode(&received, degree, 0).unwrap();
    let integer = |value: &Gr128| {
        let [word, rest @ ..] = *value.coefficients();
        assert_eq!(rest, [0; 3], "a mask is an integer");
        word.cast_signed()
    };
    decoded.values.iter().map(integer).collect()
}

#[test]
fn shares_of_a_mask_are_a_sharing_of_an_integer_within_the_bound() {
    for n in SIZES {
        let keys = keys(n, n as u64);
        let bound = 2 * subsets(keys[0].owner.committee) as i128 * (1 << 110);
        for mask in masks(&keys, &session(1), 37) {
            assert!(mask.abs() <= bound, "n = {n}");
        }
    }
}

#[test]
fn a_party_holds_the_subsets_it_is_in_and_no_other() {
    for n in SIZES {
        let keys = keys(n, 1);
        let t = keys[0].owner.committee.threshold().faults();
        let all = subsets(keys[0].owner.committee) as usize;
        // C(n−1, t) = C(n, t) · (n − t) / n
        assert!(keys.iter().all(|k| k.keys.len() == all * (n - t) / n));
        let mut distinct: Vec<_> = keys.iter().flat_map(|k| k.keys.iter().copied()).collect();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), all);
    }
}

#[test]
fn t_parties_miss_a_key_and_t_plus_one_have_all() {
    for n in [4, 7, 10, 13] {
        let keys = keys(n, 1);
        let t = keys[0].owner.committee.threshold().faults();
        let known = |count: usize| {
            let mut known: Vec<_> = keys.iter().take(count).flat_map(|k| k.keys.iter().copied()).collect();
            known.sort_unstable();
            known.dedup();
            known.len()
        };
        let all = subsets(keys[0].owner.committee) as usize;
        assert_eq!((known(t), known(t + 1)), (all - 1, all));
    }
}

#[test]
fn the_same_session_has_the_same_masks_and_a_longer_one_extends_them() {
    let keys = keys(4, 8);
    let long = masks(&keys, &session(1), 40);
    assert_eq!(masks(&keys, &session(1), 3), long[..3]);
    assert_eq!(masks(&keys, &session(1), 17), long[..17]);
}

#[test]
fn other_sessions_keys_and_blocks_have_other_masks() {
    let (ours, theirs) = (keys(4, 8), keys(4, 9));
    let mut seen = masks(&ours, &session(1), 32);
    seen.extend(masks(&ours, &session(2), 32));
    seen.extend(masks(&theirs, &session(1), 32));
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 96);
}

/// One summand is uniform on [−B1, B1): its top four bits, over 2^14 draws, pass a chi-square test (15 degrees of
/// freedom, 0.1 % point 37.7). Seeded: it passes always or never.
#[test]
fn a_summand_is_uniform() {
    let prf = SubsetPrf::new(&[7; 32], &kdf_context(&session(3)), 110);
    let mut cells = [0i64; 16];
    let draws = 1 << 14;
    for block in 0..draws {
        let mut input = counter(block, 0).to_le_bytes().into();
        prf.cipher.encrypt_block(&mut input);
        let value = prf.summand(&input).cast_signed();
        assert!((-(1i128 << 110)..1 << 110).contains(&value));
        cells[((value + (1 << 110)) >> 107) as usize] += 1;
    }
    let expected = draws as f64 / 16.0;
    let chi: f64 = cells.iter().map(|c| (*c as f64 - expected).powi(2) / expected).sum();
    assert!(chi < 37.7, "{chi}");
}

/// The mask of n = 4 sums 2·C = 8 uniforms: mean 0, variance 8·B1²/3, within four standard errors of 2^12 draws.
#[test]
fn a_mask_has_the_mean_and_variance_of_its_summands() {
    let count = 1 << 12;
    let scaled: Vec<f64> =
        masks(&keys(4, 5), &session(4), count).iter().map(|m| *m as f64 / (1u128 << 110) as f64).collect();
    let mean = scaled.iter().sum::<f64>() / count as f64;
    let variance = scaled.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count as f64;
    let expected: f64 = 8.0 / 3.0;
    assert!(mean.abs() < 4.0 * (expected / count as f64).sqrt(), "{mean}");
    assert!((variance - expected).abs() < 4.0 * expected * (2.0 / count as f64).sqrt(), "{variance}");
}

#[test]
fn two_summands_of_a_block_differ() {
    let prf = SubsetPrf::new(&[7; 32], &kdf_context(&session(3)), 110);
    let mut buffer = [Block::default(); 2 * BATCH];
    let sums: Vec<_> = prf.sums(0, &mut buffer).collect();
    assert_eq!(sums.len(), BATCH);
    // twice one summand would be even every time
    assert!(sums.iter().any(|sum| sum % 2 == 1));
}

#[test]
fn stored_keys_come_back_and_mask_alike() {
    for n in SIZES {
        for key in keys(n, 3) {
            let back = PrssKeys::from_secret_bytes(&key.to_secret_bytes()).unwrap();
            assert_eq!(back.owner, key.owner);
            assert_eq!(*back.mask_shares(&session(1), 5), *key.mask_shares(&session(1), 5));
        }
    }
}

#[test]
fn malformed_stored_keys_are_refused() {
    let good = keys(4, 3)[1].to_secret_bytes();
    let with = |at: usize, value: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = value;
        bytes
    };
    let cases = [
        vec![],
        good[..2].to_vec(),
        good[..good.len() - 1].to_vec(),
        with(0, 2),
        with(1, 5),
        with(1, 7),
        with(2, 0),
        with(2, 5),
    ];
    for bytes in cases {
        assert!(matches!(PrssKeys::from_secret_bytes(&bytes), Err(Misuse::Stored { what: "mask keys", .. })));
    }
}

#[test]
fn debug_shows_no_key() {
    assert_eq!(format!("{:?}", keys(4, 3)[1]), "PrssKeys(party 2 of 4, redacted)");
}
