//! A synthetic LWE key and sample lists under it: what a coprocessor's squash, or switch, yields, without any FHE.

use super::key_id;
use rand::{Rng as _, RngCore as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;
use tkms_types::FheType;
use tkms_wire::samples::{DIMENSION, SampleList};
use tkms_wire::switched::{self, LOG2_MODULUS, SwitchedList};
use zeroize::Zeroizing;

/// Message position and noise of squashed samples.
const DELTA_LOG: u32 = 123;
const NOISE_LOG: u32 = 69;

/// Message position of switched samples, and the middle of the noise that is in bound.
const SWITCHED_DELTA_LOG: u32 = LOG2_MODULUS as u32 - 5;
/// Noise of production parameters stays far below it.
const SWITCHED_NOISE: i16 = 60;

pub fn insecure_key(seed: u64) -> Zeroizing<Vec<u128>> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    Zeroizing::new((0..DIMENSION).map(|_| u128::from(rng.random::<bool>())).collect())
}

pub fn insecure_exact_key(seed: u64) -> Zeroizing<Vec<u128>> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    Zeroizing::new((0..switched::DIMENSION).map(|_| u128::from(rng.random::<bool>())).collect())
}

/// The encoded list of switched samples of a value.
pub fn encrypt_switched(key: &[u128], kind: FheType, value: u64, seed: u64) -> Vec<u8> {
    const MASK: u16 = (1 << LOG2_MODULUS) - 1;
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut words = Vec::new();
    for block in 0..kind.squashed_blocks() {
        let digit = (value.checked_shr(4 * block as u32).unwrap_or(0) & 0xf) as u16;
        let mut body = (digit << SWITCHED_DELTA_LOG) + (1 << (SWITCHED_DELTA_LOG - 2));
        for coefficient in key {
            let word = rng.random::<u16>() & MASK;
            words.push(word);
            body = body.wrapping_add(word.wrapping_mul(*coefficient as u16));
        }
        let noise = rng.random_range(-SWITCHED_NOISE..SWITCHED_NOISE);
        words.push(body.wrapping_add(noise.cast_unsigned()) & MASK);
    }
    SwitchedList::new(key_id(), kind, words).unwrap().encode()
}

/// The encoded list of a value; another seed gives another ciphertext of it.
pub fn encrypt(key: &[u128], kind: FheType, value: u64, seed: u64) -> Vec<u8> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut words = Vec::new();
    for block in 0..kind.squashed_blocks() {
        let digit = u128::from(value.checked_shr(4 * block as u32).unwrap_or(0) & 0xf);
        let mut body = digit << DELTA_LOG;
        for coefficient in key {
            let mut bytes = [0; 16];
            rng.fill_bytes(&mut bytes);
            let word = u128::from_le_bytes(bytes);
            words.push(word);
            body = body.wrapping_add(word.wrapping_mul(*coefficient));
        }
        let noise = rng.random_range(-(1i128 << NOISE_LOG)..1i128 << NOISE_LOG);
        words.push(body.wrapping_add(noise.cast_unsigned()));
    }
    SampleList::new(key_id(), kind, words).unwrap().encode()
}
