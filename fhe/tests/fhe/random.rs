//! Random ciphertexts of all types, fresh and computed, decrypted by a committee: a thousand, or as many as
//! `TKMS_EXACT_CIPHERTEXTS` says (the nightly takes 100,000, 5,000 of them outputs of bootstraps).

use crate::committee::Members;
use crate::exact::{BLOCK, HEADER, QUARTER, WORD, open, read_word};
use crate::fixture::{decrypt, encrypt, fixture, plaintext, rng, truncate};
use alloy_primitives::U256;
use rand::Rng;
use rand_chacha::ChaCha20Rng;
use std::collections::BTreeSet;
use tkms_fhe::params::{BLOCK_DIMENSION, BLOCK_NOISE, SWITCH_LOG};
use tkms_fhe::{BinaryOp, Ciphertext, Operand};
use tkms_types::{FheType, Plaintext};

/// Of so many ciphertexts one is computed.
const COMPUTED_EVERY: usize = 20;

fn runs() -> usize {
    std::env::var("TKMS_EXACT_CIPHERTEXTS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(1000)
}

/// The noise of every 2-bit block over 2⁶⁴.
fn noises(ciphertext: &Ciphertext) -> Vec<i64> {
    let noise = |block: &[u8]| {
        let words: Vec<u64> = block[2..].chunks_exact(WORD).map(read_word).collect();
        let (body, mask) = words.split_last().unwrap();
        let inner =
            mask.iter().zip(fixture().stored_bits()).fold(0u64, |sum, (a, s)| sum.wrapping_add(a.wrapping_mul(*s)));
        let phase = body.wrapping_sub(inner);
        phase.wrapping_sub(phase.wrapping_add(1 << 58) >> 59 << 59).cast_signed()
    };
    ciphertext.to_bytes()[HEADER..].chunks_exact(BLOCK).map(noise).collect()
}

/// The wider a type the more seldom: what it costs is its number of blocks.
fn kind_of(i: usize) -> FheType {
    FheType::ALL[if i % 16 < 8 { i % 8 } else { i % 5 }]
}

/// As [`kind_of`], for what costs a bootstrap a block and more.
fn computed_kind(number: usize) -> FheType {
    let [bool, u8, u16, u32, wide @ ..] = &FheType::ALL;
    match number % 50 {
        place @ 0..4 => wide[place],
        place if place % 10 == 9 => *u32,
        place => [*bool, *u8, *u16][place % 3],
    }
}

fn random(kind: FheType, rng: &mut ChaCha20Rng) -> U256 {
    truncate(kind, U256::from_limbs(rng.random()))
}

/// An output of bootstraps as a coprocessor stores it, and its value.
fn computed(number: usize, rng: &mut ChaCha20Rng) -> (Ciphertext, U256) {
    let kind = computed_kind(number);
    let (a, b) = (random(kind, rng), random(kind, rng));
    let (left, right) = (encrypt(kind, a), encrypt(kind, b));
    let evaluator = &fixture().evaluator;
    let binary = |op, value| (evaluator.binary(op, &left, Operand::Encrypted(&right)).unwrap(), value);
    let (result, value) = match number % 4 {
        // an address has no arithmetic, but it is chosen
        _ if kind == FheType::Uint160 => {
            let yes: bool = rng.random();
            let condition = encrypt(FheType::Bool, U256::from(yes));
            (evaluator.select(&condition, &left, &right).unwrap(), if yes { a } else { b })
        }
        // carries are propagated: several bootstraps in a row for every block
        1 if kind == FheType::Uint8 => binary(BinaryOp::Add, truncate(kind, a.wrapping_add(b))),
        2 => binary(BinaryOp::And, a & b),
        3 => binary(BinaryOp::Or, a | b),
        _ => binary(BinaryOp::Xor, a ^ b),
    };
    let stored = evaluator.clean(&result).to_bytes();
    (Ciphertext::parse(kind, &stored).unwrap(), value)
}

#[derive(Default)]
struct Measured {
    /// Of blocks after a bootstrap, over 2⁶⁴.
    noise: Vec<f64>,
    /// What switching added, in units.
    rounding: Vec<f64>,
    largest: i64,
    /// Types, and whether computed.
    kinds: BTreeSet<(u8, bool)>,
    computed: usize,
}

impl Measured {
    fn note(&mut self, ciphertext: &Ciphertext, errors: &[i64], computed: bool) {
        let noises = noises(ciphertext);
        let unit = 2f64.powi(64 - SWITCH_LOG as i32);
        let pairs = noises.chunks(2).map(|pair| (pair[0] + 4 * pair.get(1).copied().unwrap_or(0)) as f64 / unit);
        self.rounding.extend(errors.iter().zip(pairs).map(|(error, noise)| *error as f64 - noise));
        self.largest = errors.iter().fold(self.largest, |most, error| error.abs().max(most));
        self.kinds.insert((ciphertext.kind() as u8, computed));
        if computed {
            self.computed += 1;
            self.noise.extend(noises.into_iter().map(|noise| noise as f64));
        }
    }
}

fn deviation(values: &[f64]) -> f64 {
    (values.iter().map(|value| value * value).sum::<f64>() / values.len() as f64).sqrt()
}

/// Every answer, for all and for a user, is what tfhe's own client key decrypts. The noise after bootstraps and what
/// switching adds are compared with what is computed.
#[test]
fn random_ciphertexts_of_all_types_are_decrypted_rightly_with_the_error_that_is_computed() {
    let members = Members::new(4);
    let mut rng = rng(4);
    let mut measured = Measured::default();
    for i in 0..runs() {
        if i % 10_000 == 9_999 {
            println!("{i} ciphertexts");
        }
        let is_computed = i % COMPUTED_EVERY == 0;
        let (ciphertext, value) = if is_computed {
            computed(i / COMPUTED_EVERY, &mut rng)
        } else {
            let value = random(kind_of(i), &mut rng);
            (encrypt(kind_of(i), value), value)
        };
        let kind = ciphertext.kind();
        assert_eq!(decrypt(&ciphertext), value, "{kind:?} {i}");
        let switched = ciphertext.switch().unwrap();
        let answers = members.decrypt(&switched, i as u64);
        assert!(Plaintext::from_digits(kind, &answers.public).unwrap() == plaintext(kind, value), "{kind:?} {i}");
        assert_eq!(answers.user, answers.public, "{kind:?} {i}");
        let (_, errors) = open(&switched, fixture().stored_bits());
        measured.note(&ciphertext, &errors, is_computed);
    }
    let Measured { noise, rounding, largest, kinds, computed } = measured;
    let (noise, rounding_deviation) = (deviation(&noise), deviation(&rounding));
    let by_formula = ((BLOCK_DIMENSION as f64 / 4.0 + 1.0) / 12.0).sqrt();
    println!(
        "{} ciphertexts, {computed} computed, {} blocks: noise after a bootstrap 2^{:.2}, rounding {rounding_deviation:.3} \
         units (computed {by_formula:.3}), largest error {largest} of {QUARTER}",
        runs(),
        rounding.len(),
        noise.log2(),
    );
    assert!(computed * COMPUTED_EVERY >= runs() && kinds.len() == 2 * FheType::ALL.len(), "{kinds:?}");
    assert!((rounding_deviation / by_formula - 1.0).abs() < 0.05, "{rounding_deviation} {by_formula}");
    assert!(noise < BLOCK_NOISE as f64 * 1.05, "2^{}", noise.log2());
    assert!(largest < QUARTER / 3, "{largest}");
}
