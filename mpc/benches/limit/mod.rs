//! What arithmetic alone would allow: the limit beside the figures of preprocessing. Shared by benches.

use super::record::Clock;
use aes::cipher::{BlockEncrypt, KeyInit};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use std::hint::black_box;
use tkms_mpc::ring::{DEGREE, Gr128, Ring};
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

/// Microseconds of one party on one core for the opening of an element from 2t + 1 shares that fit, if nothing cost time but
/// the ring products of t values to compare with and of the opened one, t + 1 products each.
#[allow(dead_code, reason = "not every bench that shares this file opens")]
pub fn opening_us(n: usize) -> f64 {
    let faults = Committee::new(n).unwrap().threshold().faults();
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let elements: Vec<Gr128> = (0..256).map(|_| Gr128::random(&mut rng)).collect();
    let rounds = 2_000;
    let clock = Clock::start();
    let mut sum = Gr128::ZERO;
    for weight in elements.iter().cycle().take(rounds) {
        sum = black_box(&elements).iter().fold(sum, |sum, element| sum + *weight * *element);
    }
    black_box(sum);
    let product = clock.spent().as_secs_f64() / (rounds * elements.len()) as f64;
    product * 1e6 * ((faults + 1) * (faults + 1)) as f64
}
