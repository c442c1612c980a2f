//! What arithmetic alone would allow: the limit beside the figures of preprocessing. Shared by benches.

use super::record::Clock;
use aes::cipher::{BlockEncrypt, KeyInit};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use std::hint::black_box;
use tkms_mpc::ring::{DEGREE, Ring};
use tkms_types::Committee;

/// AES blocks per second, and products of a word and a sum per second in this ring, each by itself in the cache.
fn speeds<R: Ring>() -> (f64, f64) {
    let cipher = aes::Aes128Enc::new(&[7; 16].into());
    let mut blocks = [aes::Block::default(); 64];
    let rounds = 200_000;
    let clock = Clock::start();
    for _ in 0..rounds {
        cipher.encrypt_blocks(black_box(&mut blocks));
    }
    let aes = (rounds * blocks.len()) as f64 / clock.spent().as_secs_f64();
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let elements: Vec<R> = (0..256).map(|_| R::random(&mut rng)).collect();
    let mut sums = elements.clone();
    let clock = Clock::start();
    for _ in 0..rounds / 4 {
        R::add_products(black_box(&mut sums), R::ONE, black_box(&elements));
    }
    let products = (rounds / 4 * elements.len() * DEGREE * DEGREE) as f64 / clock.spent().as_secs_f64();
    (aes, products)
}

/// Items per second and core of one party if step 1 cost nothing but its AES blocks and its products of words. `draws` are
/// words of an item.
pub fn per_core<R: Ring>(n: usize, draws: f64) -> f64 {
    let committee = Committee::new(n).unwrap();
    let faults = committee.threshold().faults();
    let subsets = (0..faults).fold(1, |count, i| count * (n - 1 - i) / (i + 1)) as f64;
    let words = subsets * (draws + faults as f64);
    let (aes, products) = speeds::<R>();
    1.0 / (words * f64::from(R::BITS / 8) / 16.0 / aes + words * DEGREE as f64 / products)
}
