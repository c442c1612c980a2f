//! The fuzz targets on seeded bytes: random ones, and messages with a few bytes changed.

use crate::common::seeds;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tkms_mpc::sim::fuzz::{decode, machine_receive, parse};

/// Random bytes, often small: so that tags, masks and counts are met.
fn bytes(rng: &mut ChaCha20Rng, longest: usize) -> Vec<u8> {
    let len = rng.random_range(0..longest);
    let small = rng.random_bool(0.5);
    (0..len).map(|_| if small { rng.random_range(0..16) } else { rng.random() }).collect()
}

#[test]
fn decoding_says_no_more_than_its_shares_hold() {
    for seed in seeds(2000) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        decode(&bytes(&mut rng, 500));
        // few liars among zeros: decodes, and corrects
        let mut mostly_zero = vec![0; 3 + 8 * 13 * 2];
        mostly_zero[..3].copy_from_slice(&[rng.random(), rng.random_range(0..5), rng.random_range(0..5)]);
        for _ in 0..rng.random_range(0..4) {
            let place = rng.random_range(3..mostly_zero.len());
            mostly_zero[place] = rng.random();
        }
        decode(&mostly_zero);
    }
}

#[test]
fn what_can_be_read_has_one_form() {
    for seed in seeds(5000) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut data = bytes(&mut rng, 120);
        if let Some(tag) = data.get_mut(1) {
            *tag = rng.random_range(0..15);
        }
        parse(&data);
    }
}

#[test]
fn no_bytes_confuse_a_machine() {
    for seed in seeds(400) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut data = bytes(&mut rng, 4000);
        for chunk in data.chunks_mut(48).skip(1) {
            // many readable messages, and now and then a deadline
            if let [head, _, tag, ..] = chunk {
                *head = if rng.random_bool(0.2) { 0x20 } else { rng.random() };
                *tag = rng.random_range(0..14);
            }
        }
        machine_receive(&data);
    }
}
