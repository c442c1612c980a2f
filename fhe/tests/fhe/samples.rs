//! What the committee relies on: body − ⟨mask, key⟩ rounds to the digits that tfhe itself decrypts.

use crate::fixture::{decrypt, encrypt, fixture, plaintext, rng, value};
use alloy_primitives::U256;
use rand::RngCore;
use std::time::Instant;
use tkms_fhe::params::{DIGIT_BITS, SAMPLE_DELTA_LOG, SAMPLE_DIMENSION, SQUASH_NOISE_LOG};
use tkms_fhe::{BinaryOp, Ciphertext, Operand, Samples};
use tkms_types::{FheType, Plaintext};

/// Opens samples with the raw key bits: the plaintext and log2 of the largest noise.
pub fn open(samples: &Samples) -> (Plaintext, f64) {
    let key = fixture().squash_bits();
    assert_eq!((samples.dimension, key.len()), (SAMPLE_DIMENSION, SAMPLE_DIMENSION));
    let mut noise = 0;
    let digits: Vec<u8> = samples
        .words
        .chunks_exact(SAMPLE_DIMENSION + 1)
        .map(|sample| {
            let (body, mask) = sample.split_last().unwrap();
            let inner = mask.iter().zip(key).fold(0u128, |sum, (a, s)| sum.wrapping_add(a * u128::from(*s)));
            let phase = body.wrapping_sub(inner);
            let digit = phase.wrapping_add(1 << (SAMPLE_DELTA_LOG - 1)) >> SAMPLE_DELTA_LOG;
            assert!(digit < 1 << DIGIT_BITS, "the padding bit is clear");
            noise = noise.max((phase.wrapping_sub(digit << SAMPLE_DELTA_LOG) as i128).unsigned_abs());
            digit as u8
        })
        .collect();
    assert_eq!(digits.len(), samples.block_count);
    (Plaintext::from_digits(samples.kind, &digits).unwrap(), (noise as f64).log2())
}

fn check(name: &str, ciphertext: &Ciphertext, expected: U256) {
    let start = Instant::now();
    let samples = fixture().evaluator.squash(ciphertext).unwrap();
    let elapsed = start.elapsed();
    let (opened, noise) = open(&samples);
    println!("{name}: squashed {} blocks in {elapsed:.2?}, noise 2^{noise:.1}", samples.block_count);
    assert!(noise < f64::from(SQUASH_NOISE_LOG));
    assert!(opened == plaintext(ciphertext.kind(), expected), "{name}");
    assert_eq!(decrypt(ciphertext), expected, "{name}");
}

#[test]
fn samples_open_to_what_tfhe_decrypts_for_every_type() {
    let mut rng = rng(1);
    for kind in FheType::ALL {
        let clear = value(kind, &mut rng);
        check(&format!("fresh {kind:?}"), &encrypt(kind, clear), clear);
    }
}

#[test]
fn computed_values_squash_within_the_same_noise() {
    let evaluator = &fixture().evaluator;
    let mut rng = rng(2);
    let (a, b) = (rng.next_u32(), rng.next_u32());
    let (x, y) = (encrypt(FheType::Uint32, U256::from(a)), encrypt(FheType::Uint32, U256::from(b)));
    let product = evaluator.binary(BinaryOp::Mul, &x, Operand::Encrypted(&y)).unwrap();
    check("product", &product, U256::from(a.wrapping_mul(b)));
    let less = evaluator.binary(BinaryOp::Lt, &x, Operand::Encrypted(&y)).unwrap();
    check("comparison", &less, U256::from(a < b));
    let not = evaluator.unary(tkms_fhe::UnaryOp::Not, &x).unwrap();
    check("complement", &not, U256::from(!a));
    let random = evaluator.random(FheType::Uint16, [9; 16]).unwrap();
    check("random", &random, decrypt(&random));
    let bit = evaluator.random(FheType::Bool, [9; 16]).unwrap();
    check("random bit", &bit, decrypt(&bit));
}

#[test]
fn trivial_values_squash_to_samples_without_mask_or_noise() {
    let mut rng = rng(3);
    for kind in [FheType::Bool, FheType::Uint8, FheType::Uint64] {
        let clear = value(kind, &mut rng);
        let trivial = fixture().evaluator.trivial(kind, clear);
        check(&format!("trivial {kind:?}"), &trivial, clear);
        let samples = fixture().evaluator.squash(&trivial).unwrap();
        let masks = samples.words.chunks_exact(SAMPLE_DIMENSION + 1).flat_map(|sample| &sample[..SAMPLE_DIMENSION]);
        assert!(masks.copied().all(|word| word == 0));
    }
}

#[test]
fn the_same_ciphertext_squashes_to_the_same_words() {
    let ciphertext = encrypt(FheType::Uint16, U256::from(0xbeefu32));
    let stored = Ciphertext::parse(FheType::Uint16, &ciphertext.to_bytes()).unwrap();
    let evaluator = &fixture().evaluator;
    assert!(evaluator.squash(&ciphertext).unwrap() == evaluator.squash(&stored).unwrap());
}
