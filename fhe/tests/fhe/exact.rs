//! What `exact` relies on: stored ciphertexts, packed and switched, open to what tfhe itself decrypts; and what the bound
//! in `tkms-mpc` takes for granted of their noise.

use crate::committee::Members;
use crate::fixture::{decrypt, encrypt, fixture, plaintext, rng, value};
use alloy_primitives::U256;
use serde_json::Value;
use tkms_fhe::params::{BLOCK_DIMENSION, BLOCK_NOISE, DIGIT_BITS, SWITCH_LOG};
use tkms_fhe::{Ciphertext, SwitchError, SwitchedSamples};
use tkms_mpc::exact::ExactBounds;
use tkms_types::{FheType, Plaintext};

/// Bits of a word below the digit.
const LOW: u32 = SWITCH_LOG - DIGIT_BITS - 1;
/// Where the error begins: a quarter of a cell.
pub const QUARTER: i64 = 1 << (LOW - 2);
/// Bytes of a stored ciphertext before the first block, and of a block.
pub const HEADER: usize = 8;
pub const BLOCK: usize = 2 + WORD * (BLOCK_DIMENSION + 1);
/// Bytes of a stored word: the highest ones of its eight.
pub const WORD: usize = 3;
/// Bits below them.
const BELOW: u32 = 64 - 8 * WORD as u32;

pub fn read_word(bytes: &[u8]) -> u64 {
    u64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0])) << BELOW
}

fn stored_word(word: u64) -> [u8; WORD] {
    (word >> BELOW).to_le_bytes()[..WORD].try_into().unwrap()
}

/// Opens samples with the raw key bits: the plaintext and the error of every sample, in units. Every error has to be inside
/// of the bound.
pub fn open(samples: &SwitchedSamples, key: &[u64]) -> (Plaintext, Vec<i64>) {
    assert_eq!((samples.dimension, key.len()), (BLOCK_DIMENSION, BLOCK_DIMENSION));
    let mut errors = Vec::new();
    let digit = |sample: &[u16]| {
        let (body, mask) = sample.split_last().unwrap();
        let inner = mask.iter().zip(key).map(|(a, s)| i64::from(*a) * *s as i64).sum::<i64>();
        let x = (i64::from(*body) - inner).rem_euclid(1 << SWITCH_LOG);
        let error = (x & ((1 << LOW) - 1)) - QUARTER;
        assert!(error < QUARTER, "in the lower half of its cell");
        errors.push(error);
        let digit = (x >> LOW) as u8;
        assert!(digit < 1 << DIGIT_BITS, "the padding bit is clear");
        digit
    };
    let digits: Vec<u8> = samples.words.chunks_exact(BLOCK_DIMENSION + 1).map(digit).collect();
    assert_eq!(digits.len(), samples.block_count);
    (Plaintext::from_digits(samples.kind, &digits).unwrap(), errors)
}

/// Switches, opens, and compares with tfhe's own decryption. The errors, in units.
fn check(ciphertext: &Ciphertext, expected: U256) -> Vec<i64> {
    let (opened, errors) = open(&ciphertext.switch().unwrap(), fixture().stored_bits());
    assert!(opened == plaintext(ciphertext.kind(), expected), "{:?}", ciphertext.kind());
    assert_eq!(decrypt(ciphertext), expected);
    errors
}

#[test]
fn the_numbers_of_the_bound_are_those_of_the_committee() {
    let bounds = ExactBounds::PRODUCTION;
    assert_eq!(
        (bounds.dimension as usize, bounds.log_modulus, bounds.noise),
        (BLOCK_DIMENSION, SWITCH_LOG, BLOCK_NOISE)
    );
}

#[test]
fn switched_samples_open_to_what_tfhe_decrypts_for_every_type() {
    let mut rng = rng(1);
    for kind in FheType::ALL {
        let clear = value(kind, &mut rng);
        check(&encrypt(kind, clear), clear);
    }
}

#[test]
fn trivial_values_switch_to_samples_without_mask_or_error() {
    let mut rng = rng(3);
    for kind in [FheType::Bool, FheType::Uint8, FheType::Uint64] {
        let clear = value(kind, &mut rng);
        let trivial = fixture().evaluator.trivial(kind, clear);
        assert!(check(&trivial, clear).iter().all(|error| *error == 0));
        let samples = trivial.switch().unwrap();
        let masks = samples.words.chunks_exact(BLOCK_DIMENSION + 1).flat_map(|sample| &sample[..BLOCK_DIMENSION]);
        assert!(masks.copied().all(|word| word == 0));
    }
}

#[test]
fn the_same_ciphertext_switches_to_the_same_words() {
    let ciphertext = encrypt(FheType::Uint16, U256::from(0xbeefu32));
    let stored = Ciphertext::parse(FheType::Uint16, &ciphertext.to_bytes()).unwrap();
    assert!(ciphertext.switch().unwrap() == stored.switch().unwrap());
}

/// A stored ciphertext with `change` made to every block's level and words.
fn changed(ciphertext: &Ciphertext, change: impl Fn(&mut [u8])) -> Ciphertext {
    let mut bytes = ciphertext.to_bytes();
    bytes[HEADER..].chunks_exact_mut(BLOCK).for_each(change);
    Ciphertext::parse(ciphertext.kind(), &bytes).unwrap()
}

#[test]
fn a_block_with_more_noise_than_a_bootstrap_leaves_is_refused_until_it_is_cleaned() {
    for kind in [FheType::Bool, FheType::Uint8] {
        let clear = value(kind, &mut rng(5));
        let noisy = changed(&encrypt(kind, clear), |block| block[1] = 2);
        let refused = noisy.switch().unwrap_err();
        let SwitchError::Unclean { kind: named, block, noise, .. } = refused;
        assert_eq!((named, block, noise), (kind, 0, 2));
        let clean = fixture().evaluator.clean(&noisy);
        check(&clean, clear);
        let again = fixture().evaluator.clean(&clean);
        assert_eq!(again.to_bytes(), clean.to_bytes(), "what is clean stays as it is");
    }
}

/// Adds an error to the phase of every low block, and so to the digit's.
fn with_error(ciphertext: &Ciphertext, error: i64) -> Ciphertext {
    let mut bytes = ciphertext.to_bytes();
    for pair in bytes[HEADER..].chunks_exact_mut(2 * BLOCK) {
        let body = &mut pair[BLOCK - WORD..BLOCK];
        let word = read_word(body).wrapping_add_signed(error);
        body.copy_from_slice(&stored_word(word));
    }
    Ciphertext::parse(ciphertext.kind(), &bytes).unwrap()
}

#[test]
fn inside_the_bound_flood_and_exact_agree_and_outside_exact_gives_the_next_digit_or_the_right_one() {
    let clear = U256::from(0x42);
    let ciphertext = encrypt(FheType::Uint8, clear);
    let quarter = 1i64 << 57;
    let margin = 80i64 << (64 - SWITCH_LOG);
    let members = Members::new(4);
    for error in [0, quarter / 2, -quarter / 2, quarter - margin, margin - quarter] {
        let hostile = with_error(&ciphertext, error);
        let (squashed, _) = crate::samples::open(&fixture().evaluator.squash(&hostile).unwrap());
        let (exact, _) = open(&hostile.switch().unwrap(), fixture().stored_bits());
        assert!(squashed == plaintext(FheType::Uint8, clear) && exact == squashed, "{error}");
        assert_eq!(decide(&members, &hostile, 1), [2, 4]);
    }
    let outside: Vec<_> =
        (0..4).map(|number| decide(&members, &with_error(&ciphertext, 2 * quarter), number)).collect();
    assert!(outside.iter().all(|digits| [2, 3].contains(&digits[0]) && [4, 5].contains(&digits[1])), "{outside:?}");
    assert_eq!(
        decide(&members, &with_error(&ciphertext, 4 * quarter - margin), 1),
        [3, 5],
        "another message, and nobody sees it"
    );
}

/// A committee of four decrypts: the digits of the public answer.
fn decide(members: &Members, ciphertext: &Ciphertext, number: u64) -> Vec<u8> {
    members.decrypt(&ciphertext.switch().unwrap(), number).public
}

/// What no level tells: a store may say that a block is clean whose carry is not empty.
#[test]
fn a_carry_that_is_hidden_is_added_to_the_next_block_by_both_protocols_and_shows_nothing_else() {
    let members = Members::new(4);
    // a carry of one in the lower block of every pair: four more in the digit
    let with_carry = |clear: u8| with_error(&encrypt(FheType::Uint8, U256::from(clear)), 4 << 59);
    let hostile = with_carry(0x42);
    let (squashed, _) = crate::samples::open(&fixture().evaluator.squash(&hostile).unwrap());
    assert!(squashed == plaintext(FheType::Uint8, U256::from(0x86)));
    let answers = members.decrypt(&hostile.switch().unwrap(), 1);
    assert_eq!((answers.public, answers.user), (vec![6, 8], vec![6, 8]));
    // past the digit it is the padding bit, which a public answer has not and a user's has
    let answers = members.decrypt(&with_carry(0xc2).switch().unwrap(), 2);
    assert_eq!((answers.public, answers.user), (vec![6, 0], vec![6, 16]));
}

#[test]
fn a_committee_decrypts_real_ciphertexts_of_every_type_for_all_and_for_a_user() {
    let mut rng = rng(6);
    for (i, kind) in FheType::ALL.into_iter().enumerate() {
        let clear = value(kind, &mut rng);
        let members = Members::new(if i % 3 == 2 { 7 } else { 4 });
        let answers = members.decrypt(&encrypt(kind, clear).switch().unwrap(), i as u64);
        assert!(Plaintext::from_digits(kind, &answers.public).unwrap() == plaintext(kind, clear));
        assert_eq!(answers.user, answers.public);
    }
}

fn splitmix(seed: u64, index: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15u64.wrapping_mul(index + 1));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[test]
fn switched_words_are_those_of_the_other_implementation() {
    let vectors: Value = serde_json::from_str(include_str!("../../../vectors/exact.json")).unwrap();
    let cases = vectors["switch"].as_array().unwrap();
    assert!(cases.len() >= 3);
    for case in cases {
        let kind = FheType::from_number(case["type"].as_u64().unwrap() as u8).unwrap();
        let mut bytes = b"tkmsct".to_vec();
        bytes.extend([2, kind as u8]);
        for seed in case["seeds"].as_array().unwrap() {
            bytes.extend([1, 1]);
            let or = case["or"].as_u64().unwrap();
            let words = (0..=BLOCK_DIMENSION as u64).map(|index| splitmix(seed.as_u64().unwrap(), index) | or);
            bytes.extend(words.flat_map(stored_word));
        }
        let samples = Ciphertext::parse(kind, &bytes).unwrap().switch().unwrap();
        let expected = |name: &str| -> Vec<u16> {
            case[name].as_array().unwrap().iter().map(|word| word.as_u64().unwrap() as u16).collect()
        };
        assert_eq!(samples.words[..8], expected("first"));
        let bodies: Vec<u16> =
            samples.words.chunks(BLOCK_DIMENSION + 1).map(|sample| sample[BLOCK_DIMENSION]).collect();
        assert_eq!(bodies, expected("bodies"));
        let sum = samples.words.iter().zip(1u64..).fold(0u64, |sum, (word, place)| sum + place * u64::from(*word));
        assert_eq!(sum, case["sum"].as_u64().unwrap());
    }
}
