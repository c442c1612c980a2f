//! What the error of a ciphertext does: inside the bound nothing, outside of it the answer is m or m + 1, and nothing else
//! is ever visible.

use super::network::Run;
use super::world::{MESSAGES, PlainKey, World, session, switch};
use rand::Rng;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use tkms_mpc::exact::{ExactBounds, FromStock, Masks, Reveal, Switched, SwitchedError, Width};
use tkms_mpc::machine::Machine;

/// A quarter of a cell over 2⁶⁴.
const QUARTER: i64 = 1 << 57;

fn digits(world: &World, number: u64) -> Vec<u8> {
    let shares = Run::new(number).run(world.start(number), FromStock::is_done);
    let shares: Vec<_> = shares.into_iter().map(|ending| ending.output.unwrap()).collect();
    let endings = Run::new(number).run(shares.iter().map(Reveal::start).collect(), Reveal::is_done);
    let mut answers: Vec<_> = endings.into_iter().map(|ending| ending.output.unwrap()).collect();
    answers.dedup();
    assert_eq!(answers.len(), 1, "all agree, whatever the ciphertext");
    answers.remove(0)
}

#[test]
fn every_message_survives_errors_up_to_the_margin() {
    let mut world = World::new(4);
    let messages: Vec<u8> = (0..16).collect();
    // what switching adds under a key of 64 coefficients stays below 12 units
    for error in [QUARTER - (12 << 49), -(QUARTER - (12 << 49)), 0] {
        world.encrypt(&messages, |_| error);
        assert_eq!(digits(&world, 1), messages, "{error}");
    }
}

#[test]
fn past_a_quarter_cell_the_answer_is_one_of_two_neighbours_by_chance() {
    let mut world = World::new(4);
    // past the quarter, at the half, and near three quarters: the chance of the upper answer goes from 0 to 1
    for (error, least, most) in
        [(QUARTER + QUARTER / 4, 15, 90), (2 * QUARTER, 130, 190), (3 * QUARTER - QUARTER / 4, 230, 305)]
    {
        let (mut upper, mut all) = (0, 0);
        for number in 0..20 {
            world.encrypt(&[7; 16], |_| error);
            for digit in digits(&world, number) {
                assert!(digit == 7 || digit == 8, "{digit}");
                upper += u32::from(digit == 8);
                all += 1;
            }
        }
        assert!(all == 320 && (least..=most).contains(&upper), "{error}: {upper} of {all}");
    }
}

#[test]
fn below_minus_a_quarter_cell_the_answer_is_the_message_or_the_one_below() {
    let mut world = World::new(4);
    world.encrypt(&[0, 5, 9, 15], |_| -2 * QUARTER);
    let all: Vec<_> = (0..12).flat_map(|number| digits(&world, number)).collect();
    for (i, digit) in all.iter().enumerate() {
        let message = [0u8, 5, 9, 15][i % 4];
        assert!(*digit == message || *digit == message.wrapping_sub(1) & 15, "{message}: {digit}");
    }
}

#[test]
fn an_error_of_three_quarters_is_another_message_and_nothing_shows_it() {
    let mut world = World::new(4);
    world.encrypt(&MESSAGES, |_| 4 * QUARTER - (12 << 49));
    assert_eq!(digits(&world, 1), MESSAGES.map(|message| (message + 1) % 16));
}

#[test]
fn a_set_padding_bit_is_dropped_from_a_public_answer_and_not_from_a_users() {
    let mut world = World::new(4);
    world.encrypt(&[16 + 5, 31, 16], |_| 0);
    assert_eq!(digits(&world, 1), [5, 15, 0]);
    let shares = Run::new(1).run(world.start(1), FromStock::is_done);
    let shares: Vec<_> = shares.into_iter().map(|ending| ending.output.unwrap()).collect();
    assert_eq!(world.opened(&shares), [21, 31, 16], "five bits, and no sixth");
}

#[test]
fn trivial_samples_are_decrypted_like_any() {
    let mut world = World::new(4);
    let trivial = |message: u64| {
        let mut sample = vec![0u64; 64];
        sample.push(message << 59);
        switch(&sample, Width::PRODUCTION)
    };
    world.words = (0..16).flat_map(trivial).collect();
    assert_eq!(digits(&world, 1), (0..16).collect::<Vec<u8>>());
}

#[test]
fn samples_under_another_key_give_some_digits_and_no_error() {
    let mut world = World::new(4);
    let mut rng = ChaCha20Rng::seed_from_u64(99);
    let other = PlainKey::random(64, &mut rng);
    world.words = (0..16).flat_map(|_| switch(&other.encrypt(5, 0, &mut rng), Width::PRODUCTION)).collect();
    let digits = digits(&world, 1);
    assert!(digits.iter().filter(|digit| **digit == 5).count() < 8, "{digits:?}");
}

#[test]
fn samples_of_other_parameters_are_refused() {
    let new = |dimension, words: &[u16]| Switched::new(Width::PRODUCTION, dimension, words).err();
    assert_eq!(new(64, &[0; 66]), Some(SwitchedError::Shape { words: 66, dimension: 64 }));
    assert_eq!(new(64, &[u16::MAX; 65]), Some(SwitchedError::Word { place: 0, log_modulus: 15 }));
    let world = World::new(4);
    let words = vec![0; 66];
    let samples = Switched::new(Width::PRODUCTION, 65, &words).unwrap();
    assert!(world.keys[0].phase_shares(&samples).is_err());
}

/// The error of switching alone, in units, of samples with uniform masks and no noise.
fn rounding_errors(dimension: usize, width: Width, count: usize, rng: &mut ChaCha20Rng) -> Vec<f64> {
    let plain = PlainKey::random(dimension, rng);
    let cell = 1i64 << width.mask_bits();
    let error = |_| {
        let words = switch(&plain.encrypt(0, 0, rng), width);
        let x = i64::from(plain.phase(&words, width)) - cell / 4;
        // the representative next to 0
        let modulus = 1i64 << width.log_modulus();
        (if x > modulus / 2 { x - modulus } else { x }) as f64
    };
    (0..count).map(error).collect()
}

#[test]
fn the_measured_rounding_error_agrees_with_the_computed_one_within_five_percent() {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    for dimension in [512, 2048] {
        let errors = rounding_errors(dimension, Width::PRODUCTION, 8000, &mut rng);
        let variance = errors.iter().map(|error| error * error).sum::<f64>() / errors.len() as f64;
        let computed = (dimension as f64 / 4.0 + 1.0) / 12.0;
        let ratio = (variance / computed).sqrt();
        assert!((ratio - 1.0).abs() < 0.05, "{dimension}: measured {} computed {}", variance.sqrt(), computed.sqrt());
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        assert!(mean.abs() < 0.5, "{mean}");
    }
}

/// The largest error that masks can be chosen for without the key: every residue at half a unit.
#[test]
fn masks_chosen_for_the_largest_error_stay_within_the_bound_for_any_mask() {
    let mut rng = ChaCha20Rng::seed_from_u64(6);
    let dimension = 2048;
    let mut worst = 0f64;
    let mut squares = 0f64;
    let count = 2000;
    for _ in 0..count {
        let plain = PlainKey::random(dimension, &mut rng);
        let unit = 1u64 << 49;
        let mask: Vec<u64> = (0..dimension).map(|_| (rng.random::<u64>() & !(unit - 1)) + (unit / 2 - 1)).collect();
        let product = mask.iter().zip(&plain.0).fold(0u64, |sum, (a, s)| sum.wrapping_add(a.wrapping_mul(*s as u64)));
        let words = switch(&mask.iter().copied().chain([product]).collect::<Vec<_>>(), Width::PRODUCTION);
        let error = f64::from(plain.phase(&words, Width::PRODUCTION)) - 256.0;
        worst = worst.max(error.abs());
        squares += error * error;
    }
    // variance N/16: Hoeffding's, met with equality
    let ratio = (squares / f64::from(count) / 128.0).sqrt();
    assert!((ratio - 1.0).abs() < 0.05, "{ratio}");
    assert!(worst < 80.0, "{worst}: seven standard deviations of a margin of 256");
    assert!(ExactBounds::PRODUCTION.failure_log2(Masks::Any).unwrap() < -300);
}

/// Step 2 with the residue of the word as it is stored: where a word rounds up past 2⁶⁴ that is not −1 but 2⁶⁴ − 1.
fn switch_without_sign(sample: &[u64], width: Width) -> Vec<u16> {
    let unit = 1i128 << (64 - width.log_modulus());
    let right = switch(sample, width);
    let (mask, kept) = (&sample[..sample.len() - 1], &right[..sample.len() - 1]);
    let taken: i128 = mask.iter().zip(kept).map(|(a, kept)| i128::from(*a) - unit * i128::from(*kept)).sum();
    let signed: i128 = mask.iter().map(|a| i128::from(*a) - unit * ((i128::from(*a) + unit / 2) / unit)).sum();
    let mut words = right.clone();
    let more = (taken - signed).div_euclid(2) / unit;
    let body = words.last_mut().unwrap();
    *body = (i128::from(*body) - more).rem_euclid(1 << width.log_modulus()) as u16;
    words
}

#[test]
fn residues_taken_without_their_sign_flip_the_padding_bit_of_one_block_in_thirty() {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let plain = PlainKey::random(2048, &mut rng);
    let (mut flipped, count) = (0, 3000);
    for i in 0..count {
        let message = (i % 16) as u8;
        let sample = plain.encrypt(message, 0, &mut rng);
        let top = |words: Vec<u16>| plain.phase(&words, Width::PRODUCTION) >> 10;
        assert_eq!(top(switch(&sample, Width::PRODUCTION)), u32::from(message));
        let without = top(switch_without_sign(&sample, Width::PRODUCTION));
        assert_eq!(without & 15, u32::from(message), "nothing but the padding bit");
        flipped += without >> 4;
    }
    // 2048 words, each with a chance of 2⁻¹⁶: 3.1 %, but for those that do it twice
    assert!((60..130).contains(&flipped), "{flipped} of {count}");
}

#[test]
fn a_session_is_a_function_of_its_inputs_alone() {
    // what any party sends depends on key share, samples, items and session, and on nothing that is drawn
    let world = World::new(4);
    let first: Vec<_> = world.start(1).into_iter().map(|(_, step)| step.send).collect();
    let again: Vec<_> = World::new(4).start(1).into_iter().map(|(_, step)| step.send).collect();
    assert_eq!(first, again);
    let items = world.items(1, session(2));
    let (mut machine, step) =
        FromStock::start(&world.keys[0], &world.samples(), items.into_iter().next().unwrap(), &world.prss[0]).unwrap();
    assert_ne!(step.send, first[0], "another session has another top");
    assert!(machine.round_over().send.is_empty());
}
