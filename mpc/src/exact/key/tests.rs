use super::*;
use rand::Rng;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use tkms_types::Committee;

fn shares(dimension: usize, n: usize) -> (Vec<u128>, Vec<KeyShare>, ChaCha20Rng) {
    let mut rng = ChaCha20Rng::seed_from_u64(dimension as u64);
    let key: Vec<u128> = (0..dimension).map(|_| u128::from(rng.random::<bool>())).collect();
    let shares = KeyShare::deal(&key, Committee::new(n).unwrap(), &mut rng).unwrap();
    (key, shares, rng)
}

#[test]
fn the_kernel_equals_its_plain_twin() {
    for dimension in [1, 31, 32, 33, 100, 2048] {
        let (_, shares, mut rng) = shares(dimension, 4);
        let words: Vec<u16> = (0..3 * (dimension + 1)).map(|_| rng.random::<u16>() >> 1).collect();
        let samples = Switched::new(Width::PRODUCTION, dimension, &words).unwrap();
        let phases = ExactKey::new(&shares[2], Width::PRODUCTION).phase_shares(&samples).unwrap();
        let twin = |sample: &[u16]| {
            let (body, mask) = sample.split_last().unwrap();
            let images = shares[2].elements().iter().map(Gr16::image);
            mask.iter().zip(images).fold(Gr16::constant(*body), |p, (a, s)| p - Gr16::constant(*a) * s)
        };
        let twins: Vec<_> = words.chunks(dimension + 1).map(twin).collect();
        assert_eq!(*phases, twins, "{dimension}");
    }
}

#[test]
fn words_of_another_shape_or_size_are_refused() {
    let new = |words: &[u16]| Switched::new(Width::PRODUCTION, 2, words).err();
    assert_eq!(new(&[]), Some(SwitchedError::Shape { words: 0, dimension: 2 }));
    assert_eq!(new(&[0; 4]), Some(SwitchedError::Shape { words: 4, dimension: 2 }));
    let many = vec![0; 3 * (MAX_BLOCKS + 1)];
    assert_eq!(new(&many), Some(SwitchedError::Shape { words: many.len(), dimension: 2 }));
    assert_eq!(new(&[0, 1 << 15, 0]), Some(SwitchedError::Word { place: 1, log_modulus: 15 }));
    assert_eq!(new(&[0x7fff; 3]), None);
    assert!(Switched::new(Width::PRODUCTION, usize::MAX, &[0; 3]).is_err());
    assert!(Switched::new(Width::insecure(16), 2, &[0xffff; 3]).is_ok(), "every word is below 2^16");
}

#[test]
fn a_key_of_another_dimension_is_refused_and_a_key_is_redacted() {
    let (_, shares, _) = shares(8, 4);
    let key = ExactKey::new(&shares[0], Width::PRODUCTION);
    let samples = Switched::new(Width::PRODUCTION, 7, &[0; 8]).unwrap();
    assert_eq!(key.phase_shares(&samples).err(), Some(Misuse::Dimension { samples: 7, key: 8 }));
    assert_eq!(format!("{key:?}"), "ExactKey(party 1 of 4, dimension 8, redacted)");
}
