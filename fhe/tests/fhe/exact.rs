//! What `exact` relies on: stored ciphertexts, packed and switched, open to what tfhe itself decrypts; and what the bound
//! in `tkms-mpc` takes for granted of their noise.

use crate::fixture::{decrypt, encrypt, fixture, plaintext, rng, truncate, value};
use alloy_primitives::U256;
use rand::{Rng, RngCore};
use serde_json::Value;
use tkms_fhe::params::{BLOCK_DIMENSION, BLOCK_NOISE, DIGIT_BITS, SWITCH_LOG};
use tkms_fhe::{BinaryOp, Ciphertext, Operand, SwitchError, SwitchedSamples};
use tkms_mpc::exact::{Ending, ExactBounds, ExactKey, OnDemand, Reveal, Switched, Width};
use tkms_mpc::machine::{Machine, Step};
use tkms_mpc::phase::KeyShare;
use tkms_mpc::prss::PrssKeys;
use tkms_mpc::user::combine_user_shares;
use tkms_types::{Committee, FheType, Id, KeyId, Plaintext, SessionId};

/// Bits of a word below the digit.
const LOW: u32 = SWITCH_LOG - DIGIT_BITS - 1;
/// Where the error begins: a quarter of a cell.
const QUARTER: i64 = 1 << (LOW - 2);
/// Bytes of a stored ciphertext before the first block, and of a block.
const HEADER: usize = 8;
const BLOCK: usize = 2 + WORD * (BLOCK_DIMENSION + 1);
/// Bytes of a stored word: the highest ones of its eight.
const WORD: usize = 3;
/// Bits below them.
const BELOW: u32 = 64 - 8 * WORD as u32;

fn read_word(bytes: &[u8]) -> u64 {
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

fn deviation(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    (values.iter().map(|value| value * value).sum::<f64>() / values.len() as f64).sqrt()
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

/// How many random ciphertexts: more by the nightly.
fn runs() -> usize {
    std::env::var("TKMS_EXACT_CIPHERTEXTS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(1000)
}

/// Of every twenty one is the output of bootstraps. The noise of those and what switching adds are compared with what is
/// computed.
#[test]
fn random_ciphertexts_of_all_types_open_rightly_with_the_error_that_is_computed() {
    let evaluator = &fixture().evaluator;
    let mut rng = rng(4);
    let (mut noise, mut rounding, mut largest) = (Vec::new(), Vec::new(), 0);
    for i in 0..runs() {
        // the widest types more seldom: they have most of the blocks
        let kind = FheType::ALL[if i % 16 < 8 { i % 8 } else { i % 5 }];
        let clear = truncate(kind, U256::from_limbs(rng.random()));
        let ciphertext = if i % 20 == 0 {
            let kind = [FheType::Bool, FheType::Uint8, FheType::Uint16][i / 20 % 3];
            let (a, b) = (truncate(kind, clear), truncate(kind, U256::from(rng.next_u64())));
            let computed =
                evaluator.binary(BinaryOp::Xor, &encrypt(kind, a), Operand::Encrypted(&encrypt(kind, b))).unwrap();
            let errors = check(&computed, a ^ b);
            noise.extend(noises(&computed).into_iter().map(|noise| noise as f64));
            largest = errors.iter().fold(largest, |most, error| error.abs().max(most));
            continue;
        } else {
            encrypt(kind, clear)
        };
        let errors = check(&ciphertext, clear);
        largest = errors.iter().fold(largest, |most, error| error.abs().max(most));
        let pairs: Vec<f64> = noises(&ciphertext)
            .chunks(2)
            .map(|pair| (pair[0] + 4 * pair.get(1).copied().unwrap_or(0)) as f64 / 2f64.powi(64 - SWITCH_LOG as i32))
            .collect();
        rounding.extend(errors.iter().zip(pairs).map(|(error, noise)| *error as f64 - noise));
    }
    let (noise, rounding_deviation) = (deviation(noise.into_iter()), deviation(rounding.iter().copied()));
    let computed = ((BLOCK_DIMENSION as f64 / 4.0 + 1.0) / 12.0).sqrt();
    println!(
        "noise after a bootstrap 2^{:.2}, rounding {rounding_deviation:.2} units of {} blocks (computed {computed:.2}), \
         largest error {largest} of {QUARTER}",
        noise.log2(),
        rounding.len()
    );
    assert!((rounding_deviation / computed - 1.0).abs() < 0.05, "{rounding_deviation} {computed}");
    assert!(noise < BLOCK_NOISE as f64 * 1.05, "2^{}", noise.log2());
    assert!(largest < QUARTER / 3, "{largest}");
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
    for error in [0, quarter - margin, margin - quarter] {
        let hostile = with_error(&ciphertext, error);
        let (squashed, _) = crate::samples::open(&fixture().evaluator.squash(&hostile).unwrap());
        let (exact, _) = open(&hostile.switch().unwrap(), fixture().stored_bits());
        assert!(squashed == plaintext(FheType::Uint8, clear) && exact == squashed, "{error}");
        assert_eq!(decide(&hostile, 1), [2, 4]);
    }
    let outside: Vec<_> = (0..4).map(|number| decide(&with_error(&ciphertext, 2 * quarter), number)).collect();
    assert!(outside.iter().all(|digits| [2, 3].contains(&digits[0]) && [4, 5].contains(&digits[1])), "{outside:?}");
    assert_eq!(
        decide(&with_error(&ciphertext, 4 * quarter - margin), 1),
        [3, 5],
        "another message, and nobody sees it"
    );
}

/// A committee of four that shares the fixture's key decrypts without stock: the digits of the public answer.
fn decide(ciphertext: &Ciphertext, number: u64) -> Vec<u8> {
    committee_of(4, ciphertext, number).0
}

/// All nodes in step: the public digits and what a user combines.
fn committee_of(n: usize, ciphertext: &Ciphertext, number: u64) -> (Vec<u8>, Vec<u8>) {
    let committee = Committee::new(n).unwrap();
    let mut rng = rng(n as u64);
    let bits: Vec<u128> = fixture().stored_bits().iter().map(|bit| u128::from(*bit)).collect();
    let keys = KeyShare::deal(&bits, committee, &mut rng).unwrap();
    let prss = PrssKeys::deal(committee, &mut rng).unwrap();
    let switched = ciphertext.switch().unwrap();
    let samples = Switched::new(Width::PRODUCTION, switched.dimension, &switched.words).unwrap();
    let session = SessionId(KeyId::numbered(number).bytes());
    let start = |(key, prss): (&KeyShare, &PrssKeys)| {
        OnDemand::start(&ExactKey::new(key, Width::PRODUCTION), &samples, &session, prss).unwrap()
    };
    let started: Vec<_> = keys.iter().zip(&prss).map(start).collect();
    let shares = in_step::<OnDemand>(started).into_iter().map(|ending| match ending {
        Ending::Shares(shares) => shares,
        Ending::FallBack(reason) => panic!("{reason:?}"),
    });
    let shares: Vec<_> = shares.collect();
    let digits = in_step::<Reveal>(shares.iter().map(Reveal::start).collect());
    assert!(digits.iter().all(|other| *other == digits[0]));
    let answers: Vec<_> = committee.parties().zip(shares.iter().map(|own| own.user_share().to_vec())).collect();
    let combined = combine_user_shares(committee, switched.block_count, &answers).unwrap();
    let user = combined.opened.words().map(|word| (word >> 123) as u8).collect();
    assert!(combined.opened.words().all(|word| word << 5 == 0), "a user sees no noise");
    (digits[0].clone(), user)
}

/// A machine with its first step.
type Started<P> = (P, Step<<P as Machine>::Msg, <P as Machine>::Output>);

/// Delivers everything in order until nobody speaks. One output of each.
fn in_step<P: Machine>(started: Vec<Started<P>>) -> Vec<P::Output>
where
    P::Msg: Clone,
{
    let parties: Vec<_> = Committee::new(started.len()).unwrap().parties().collect();
    let mut outputs: Vec<Option<P::Output>> = started.iter().map(|_| None).collect();
    let (mut machines, mut queue) = (Vec::new(), Vec::new());
    for (party, (machine, step)) in parties.iter().zip(started) {
        queue.extend(step.send.into_iter().map(|out| (*party, out.msg)));
        outputs[party.index()] = step.output;
        machines.push(machine);
    }
    while !queue.is_empty() {
        for (from, msg) in std::mem::take(&mut queue) {
            for to in parties.iter().filter(|to| **to != from) {
                let step = machines[to.index()].receive(from, msg.clone());
                assert!(step.faults.is_empty(), "{:?}", step.faults);
                queue.extend(step.send.into_iter().map(|out| (*to, out.msg)));
                if step.output.is_some() {
                    outputs[to.index()] = step.output;
                }
            }
        }
    }
    outputs.into_iter().map(Option::unwrap).collect()
}

#[test]
fn a_committee_decrypts_real_ciphertexts_of_every_type_for_all_and_for_a_user() {
    let mut rng = rng(6);
    for (i, kind) in FheType::ALL.into_iter().enumerate() {
        let clear = value(kind, &mut rng);
        let n = if i % 3 == 2 { 7 } else { 4 };
        let (digits, user) = committee_of(n, &encrypt(kind, clear), i as u64);
        assert!(Plaintext::from_digits(kind, &digits).unwrap() == plaintext(kind, clear));
        assert_eq!(user, digits);
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
