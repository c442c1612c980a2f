use super::*;
use rand::Rng;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

fn committee(n: usize) -> Committee {
    Committee::new(n).unwrap()
}

/// A binary key and samples with uniform words.
fn random(dimension: usize, blocks: usize, seed: u64) -> (Vec<u128>, Vec<u128>, ChaCha20Rng) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let key = (0..dimension).map(|_| u128::from(rng.random::<bool>())).collect();
    let words = (0..blocks * (dimension + 1)).map(|_| rng.random()).collect();
    (key, words, rng)
}

/// The phase share by definition, with ring products.
fn plain_twin(key: &KeyShare, sample: &[u128]) -> Gr128 {
    let (body, mask) = sample.split_last().unwrap();
    let products = mask.iter().zip(key.shares.iter()).map(|(word, share)| Gr128::constant(*word) * *share);
    products.fold(Gr128::constant(*body), |phase, product| phase - product)
}

#[test]
fn tiled_kernel_equals_its_plain_twin() {
    for (dimension, blocks) in [(1, 1), (255, 3), (256, 8), (257, 9), (1000, 17), (4096, 2)] {
        let (key, words, mut rng) = random(dimension, blocks, 1);
        let share = &KeyShare::deal(&key, committee(4), &mut rng).unwrap()[2];
        let phases = share.phase_shares(&Samples::new(dimension, &words).unwrap()).unwrap();
        let twins: Vec<_> = words.chunks(dimension + 1).map(|sample| plain_twin(share, sample)).collect();
        assert_eq!(*phases, twins, "{dimension} {blocks}");
    }
}

#[test]
fn phases_of_all_parties_open_to_the_phase_under_the_key() {
    for n in [1, 4, 13] {
        let (key, words, mut rng) = random(300, 5, n as u64);
        let samples = Samples::new(300, &words).unwrap();
        let shares: Vec<_> = KeyShare::deal(&key, committee(n), &mut rng)
            .unwrap()
            .iter()
            .map(|share| (share.owner.party, share.phase_shares(&samples).unwrap()[4]))
            .collect();
        let sample = &words[4 * 301..];
        let expected = sample[..300].iter().zip(&key).fold(sample[300], |p, (a, s)| p.wrapping_sub(a.wrapping_mul(*s)));
        let t = committee(n).threshold().faults();
        assert_eq!(shamir::reconstruct(&shares[..=t]), Some(Gr128::constant(expected)));
        assert_eq!(shamir::reconstruct(&shares[n - t - 1..]), Some(Gr128::constant(expected)));
    }
}

#[test]
fn packing_puts_block_i_at_the_i_th_power() {
    let blocks: Vec<_> = (1..=6).map(Gr128::constant).collect();
    assert_eq!(pack(&blocks), [Gr128::new([1, 2, 3, 4]), Gr128::new([5, 6, 0, 0])]);
}

#[test]
fn samples_of_any_other_shape_are_refused() {
    let words = vec![0; 12];
    assert_eq!(Samples::new(3, &words).unwrap().blocks(), 3);
    for (dimension, count) in [(3, 11), (3, 0), (12, 12), (usize::MAX, 12), (4, 12)] {
        let refused = Samples::new(dimension, &words[..count]);
        assert!(matches!(refused, Err(Misuse::SampleShape { .. })), "{dimension} {count}");
    }
    let many = vec![0; 2 * (MAX_BLOCKS + 1)];
    assert!(Samples::new(1, &many[2..]).is_ok());
    assert!(matches!(Samples::new(1, &many), Err(Misuse::SampleShape { .. })));
}

#[test]
fn samples_of_another_dimension_are_refused() {
    let (key, words, mut rng) = random(8, 3, 1);
    let share = &KeyShare::deal(&key, committee(4), &mut rng).unwrap()[0];
    let samples = Samples::new(26, &words).unwrap();
    assert_eq!(share.phase_shares(&samples).unwrap_err(), Misuse::Dimension { samples: 26, key: 8 });
}

#[test]
fn only_a_binary_key_of_bounded_length_is_dealt() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for key in [vec![], vec![0, 1, 2], vec![1 << 127], vec![0; MAX_DIMENSION + 1]] {
        assert!(matches!(KeyShare::deal(&key, committee(4), &mut rng), Err(Misuse::Key { .. })));
    }
}

#[test]
fn a_stored_key_share_comes_back_and_anything_else_is_refused() {
    let (key, _, mut rng) = random(20, 1, 1);
    let share = &KeyShare::deal(&key, committee(7), &mut rng).unwrap()[6];
    let good = share.to_secret_bytes();
    let back = KeyShare::from_secret_bytes(&good).unwrap();
    assert_eq!((back.owner, &*back.shares), (share.owner, &*share.shares));
    let with = |at: usize, value: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = value;
        bytes
    };
    let short = good[..good.len() - 1].to_vec();
    let empty = vec![1, 7, 7, 0, 0, 0, 0];
    for bytes in [vec![], short, empty, with(0, 0), with(1, 4), with(1, 6), with(2, 0), with(3, 21), with(6, 255)] {
        assert!(matches!(KeyShare::from_secret_bytes(&bytes), Err(Misuse::Stored { what: "key share", .. })));
    }
}

#[test]
fn debug_shows_no_share() {
    let (key, _, mut rng) = random(20, 1, 1);
    let share = &KeyShare::deal(&key, committee(4), &mut rng).unwrap()[0];
    assert_eq!(format!("{share:?}"), "KeyShare(party 1 of 4, dimension 20, redacted)");
}
