//! The one parameter set in use (DESIGN.md D9): 2 message and 2 carry bits a block, 128 bits of security,
//! failure probability at most 2^-128. What the committee's arithmetic relies on is asserted when this crate
//! is compiled, so a set that breaks a bound cannot even be built (D10).

use tfhe::shortint::parameters::meta::DedicatedCompactPublicKeyParameters;
use tfhe::shortint::parameters::noise_squashing::{NoiseSquashingClassicParameters, NoiseSquashingParameters};
use tfhe::shortint::parameters::v1_8::meta::cpu::V1_8_META_PARAM_CPU_2_2_KS_PBS_PKE_TO_SMALL_ZKV2_TUNIFORM_2M128;
use tfhe::shortint::{AtomicPatternParameters, ClassicPBSParameters, PBSParameters};
use tfhe::{Config, ConfigBuilder};

/// Name of the parameter set, part of the profile under which coprocessors attest.
pub const NAME: &str = "V1_8_META_PARAM_CPU_2_2_KS_PBS_PKE_TO_SMALL_ZKV2_TUNIFORM_2M128";
/// The FHE library whose arithmetic produced a ciphertext, part of the same profile.
pub const LIBRARY: &str = "tfhe 1.8.2";

/// Form of stored ciphertexts and what is done to inputs: whoever changes either makes other bytes than before, so it
/// is part of the same profile.
pub const FORM: &str = "stored form 2, inputs re-randomised";

/// Mask words of a squashed LWE sample: GLWE dimension times polynomial size.
pub const SAMPLE_DIMENSION: usize = 4096;
/// log2 Δ: a squashed sample carries its digit in bits 123 … 126, bit 127 is padding.
pub const SAMPLE_DELTA_LOG: u32 = 123;
/// Bits of one squashed sample's digit: two packed blocks of 2 bits.
pub const DIGIT_BITS: u32 = 4;
/// log2 of the bound on the noise of a squashed sample. Measured noise reaches about 2^66.
pub const SQUASH_NOISE_LOG: u32 = 70;
/// Mask words of a stored (not squashed) LWE ciphertext.
pub const BLOCK_DIMENSION: usize = 2048;
/// log2 of the modulus that stored ciphertexts are switched down to for `exact`. The bound behind it is computed in
/// `tkms-mpc` from [`BLOCK_DIMENSION`] and [`BLOCK_NOISE`].
pub const SWITCH_LOG: u32 = 15;
/// Standard deviation of the noise of a clean block over Z_2^64, an upper bound: 2^49.17 by the library's formula for
/// the output of a bootstrap, 2^49.25 here.
pub const BLOCK_NOISE: u64 = 670_000_000_000_000;
/// Names how ciphertexts are packed and switched: integers only, the same on every machine.
pub const SWITCH_ARITHMETIC: &str = "pack-switch-15/v1";
/// Bits of one block before packing.
pub(crate) const BLOCK_BITS: usize = 2;
/// Bits kept of each word of a stored ciphertext. The error of the others drowns in that of the next bootstrap, which
/// rounds every word to log2 of twice the polynomial size itself: asserted below.
pub(crate) const STORED_WORD_BITS: u32 = 24;
/// log2 of how much smaller the variance of that error is than what the next bootstrap adds.
const STORED_ERROR_LOG: u32 = 14;

const META: tfhe::shortint::parameters::MetaParameters =
    V1_8_META_PARAM_CPU_2_2_KS_PBS_PKE_TO_SMALL_ZKV2_TUNIFORM_2M128;

pub(crate) const COMPUTE: ClassicPBSParameters = match META.compute_parameters {
    AtomicPatternParameters::Standard(PBSParameters::PBS(compute)) => compute,
    _ => panic!("the parameter set computes with a classic bootstrap"),
};

pub(crate) const PUBLIC_KEY: DedicatedCompactPublicKeyParameters = match META.dedicated_compact_public_key_parameters {
    Some(public_key) => public_key,
    None => panic!("the parameter set has a compact public key of its own"),
};

const SQUASH: NoiseSquashingClassicParameters = match META.noise_squashing_parameters {
    Some(squash) => match squash.parameters {
        NoiseSquashingParameters::Classic(classic) => classic,
        NoiseSquashingParameters::MultiBit(_) => panic!("the parameter set squashes with a classic bootstrap"),
    },
    None => panic!("the parameter set squashes noise"),
};

const _: () = {
    assert!(SQUASH.glwe_dimension.0 * SQUASH.polynomial_size.0 == SAMPLE_DIMENSION);
    assert!(COMPUTE.glwe_dimension.0 * COMPUTE.polynomial_size.0 == BLOCK_DIMENSION);
    assert!(SQUASH.message_modulus.0 == 1 << BLOCK_BITS && COMPUTE.message_modulus.0 == 1 << BLOCK_BITS);
    assert!(SQUASH.message_modulus.0 * SQUASH.carry_modulus.0 == 1 << DIGIT_BITS);
    assert!(SAMPLE_DELTA_LOG + DIGIT_BITS + 1 == u128::BITS);
    // Rounding needs |noise| < Δ/2; the committee's mask must fit in what is left (checked in `tkms-mpc`).
    assert!(SQUASH_NOISE_LOG < SAMPLE_DELTA_LOG - 1);
    assert!(COMPUTE.log2_p_fail <= -128.0);
    // two blocks make a digit of four bits below one padding bit, and something is left for the noise
    assert!(2 * BLOCK_BITS as u32 == DIGIT_BITS && SWITCH_LOG > DIGIT_BITS + 2 && SWITCH_LOG <= u16::BITS);
    // Rounding a word to b of its 64 bits has variance 4^(64-b)/12. A sample sums up to 2049 such errors and an operation
    // up to `max_noise_level` samples. The bootstrap rounds 918 words to 12 bits; a quarter of them counts, since key bits
    // are half ones and the mean is corrected. The failure exponent loses at most that share of itself.
    let step = 64 - COMPUTE.polynomial_size.0.ilog2() - 1;
    let stored = (COMPUTE.max_noise_level.get().pow(2) * (BLOCK_DIMENSION as u64 + 1)) << STORED_ERROR_LOG;
    let switched = (COMPUTE.lwe_dimension.0 as u64 / 4) << (2 * (step - (64 - STORED_WORD_BITS)));
    assert!(stored <= switched);
    assert!(COMPUTE.log2_p_fail * (1.0 - 1.0 / (1u64 << STORED_ERROR_LOG) as f64) <= -128.0);
    assert!(PUBLIC_KEY.pke_params.message_modulus.0 == COMPUTE.message_modulus.0);
    assert!(PUBLIC_KEY.pke_params.carry_modulus.0 == COMPUTE.carry_modulus.0);
};

/// The keys to make: compute, compact public key, noise squashing, and a key of its own for encrypted randomness
/// (drawing it from the compute key is possible but ties the security of the two together). No compression keys:
/// the committee takes uncompressed samples.
pub(crate) fn config() -> Config {
    builder().enable_noise_squashing(NoiseSquashingParameters::Classic(SQUASH)).build()
}

/// As [`config`] without noise squashing: all that `exact` needs.
pub(crate) fn exact_config() -> Config {
    builder().build()
}

fn builder() -> ConfigBuilder {
    ConfigBuilder::with_custom_parameters(COMPUTE)
        .use_dedicated_compact_public_key_parameters((PUBLIC_KEY.pke_params, PUBLIC_KEY.ksk_params))
        .use_dedicated_oprf_key(true)
}
