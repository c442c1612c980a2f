//! One production key set for the whole binary, and plain conversions between values and ciphertexts.

use alloy_primitives::{Address, U256};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;
use std::sync::OnceLock;
use std::time::Instant;
use tfhe::core_crypto::prelude::LweCiphertextOwned;
use tfhe::integer::{BooleanBlock, RadixCiphertext, U256 as Scalar};
use tfhe::shortint::ciphertext::{Ciphertext as Block, Degree, NoiseLevel};
use tfhe::shortint::parameters::CiphertextModulus;
use tfhe::shortint::parameters::noise_squashing::NoiseSquashingParameters;
use tfhe::shortint::parameters::v1_8::meta::cpu::V1_8_META_PARAM_CPU_2_2_KS_PBS_PKE_TO_SMALL_ZKV2_TUNIFORM_2M128 as META;
use tfhe::shortint::{AtomicPatternKind, CarryModulus, MessageModulus, PBSOrder};
use tfhe::{ClientKey, ConfigBuilder};
use tkms_fhe::{Ciphertext, DealtKeys, Decryption, Evaluator, InputContext, PublicKeys, deal_for_from};
use tkms_types::{FheType, Plaintext};

/// Bytes before the first block of a stored ciphertext.
const HEADER: usize = 8;
/// Words of a block: 2048 of the mask and the body.
const WORDS: usize = 2049;
/// Bytes of a stored word: the highest of eight.
const WORD: usize = 3;

pub struct Fixture {
    /// What only tests keep: the whole secret key, to compare with tfhe's own decryption.
    pub client_key: ClientKey,
    /// Made for both protocols.
    pub dealt: DealtKeys,
    pub evaluator: Evaluator,
    pub public: PublicKeys,
}

pub fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let client_key = ClientKey::generate(config());
        let mut last = Instant::now();
        let dealt = deal_for_from(Decryption::Both, client_key.clone(), &mut |step| {
            println!("{:>6.1?} until: {step}", last.elapsed());
            last = Instant::now();
        })
        .unwrap();
        println!("{:>6.1?} for the last", last.elapsed());
        let start = Instant::now();
        let evaluator = Evaluator::load(dealt.server_key.as_slice()).unwrap();
        println!("{:>6.1?} to load the server key of {} bytes", start.elapsed(), dealt.server_key.len());
        let start = Instant::now();
        let public = PublicKeys::parse(&dealt.public_key, &dealt.crs).unwrap();
        println!(
            "{:>6.1?} to load the public key of {} and the CRS of {} bytes",
            start.elapsed(),
            dealt.public_key.len(),
            dealt.crs.len()
        );
        Fixture { client_key, dealt, evaluator, public }
    })
}

impl Fixture {
    pub fn squash_bits(&self) -> &[u64] {
        self.dealt.squash_key.as_ref().unwrap().bits()
    }

    /// Key of stored ciphertexts.
    pub fn stored_bits(&self) -> &[u64] {
        self.dealt.stored_key.as_ref().unwrap().bits()
    }
}

/// The configuration written out again: the product's own is private to it.
fn config() -> tfhe::Config {
    let public_key = META.dedicated_compact_public_key_parameters.unwrap();
    let NoiseSquashingParameters::Classic(squash) = META.noise_squashing_parameters.unwrap().parameters else {
        panic!("the squash is classic")
    };
    ConfigBuilder::with_custom_parameters(META.compute_parameters)
        .use_dedicated_compact_public_key_parameters((public_key.pke_params, public_key.ksk_params))
        .enable_noise_squashing(NoiseSquashingParameters::Classic(squash))
        .build()
}

pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// A random value of a type with its highest bit set.
pub fn value(kind: FheType, rng: &mut impl RngCore) -> U256 {
    let mut limbs = [0; 4];
    limbs.fill_with(|| rng.next_u64());
    truncate(kind, U256::from_limbs(limbs)) | (U256::ONE << (kind.bits() - 1))
}

pub fn truncate(kind: FheType, value: U256) -> U256 {
    value & (U256::MAX >> (256 - kind.bits()))
}

pub fn plaintext(kind: FheType, value: U256) -> Plaintext {
    Plaintext::new(kind, value).unwrap()
}

pub fn context() -> InputContext {
    InputContext {
        contract: Address::repeat_byte(0x11),
        user: Address::repeat_byte(0x22),
        acl: Address::repeat_byte(0x33),
        chain_id: 31337,
    }
}

/// Encrypts with the secret key and writes the stored form by hand.
pub fn encrypt(kind: FheType, value: U256) -> Ciphertext {
    let key: &tfhe::integer::ClientKey = fixture().client_key.as_ref();
    let blocks: Vec<Block> = if kind == FheType::Bool {
        vec![key.encrypt_bool(!value.is_zero()).into_raw_parts()]
    } else {
        let radix = key.encrypt_radix(Scalar::from(value.into_limbs()), kind.bits() / 2);
        tfhe::integer::prelude::IntegerRadixCiphertext::into_blocks(radix)
    };
    Ciphertext::parse(kind, &stored(kind, blocks)).unwrap()
}

/// The stored form, written by hand.
pub fn stored(kind: FheType, blocks: Vec<Block>) -> Vec<u8> {
    let mut bytes = b"tkmsct".to_vec();
    bytes.extend([2, kind as u8]);
    for block in blocks {
        bytes.extend([block.degree.get() as u8, block.noise_level().get() as u8]);
        let rounded = block.ct.as_ref().iter().map(|word| word.wrapping_add(1 << 39).to_le_bytes());
        bytes.extend(rounded.flat_map(|word| [word[5], word[6], word[7]]));
    }
    bytes
}

/// Decrypts with tfhe alone, from the stored form.
pub fn decrypt(ciphertext: &Ciphertext) -> U256 {
    let key: &tfhe::integer::ClientKey = fixture().client_key.as_ref();
    let bytes = ciphertext.to_bytes();
    let mut blocks: Vec<Block> = bytes[HEADER..].chunks_exact(2 + WORDS * WORD).map(block).collect();
    if ciphertext.kind() == FheType::Bool {
        return U256::from(key.decrypt_bool(&BooleanBlock::new_unchecked(blocks.remove(0))));
    }
    let clear: Scalar = key.decrypt_radix(&RadixCiphertext::from(blocks));
    let mut le = [0; 32];
    clear.copy_to_le_byte_slice(&mut le);
    U256::from_le_bytes(le)
}

/// Decrypts a result and checks that its stored form is readable and the same again.
pub fn settle(ciphertext: &Ciphertext) -> U256 {
    let bytes = ciphertext.to_bytes();
    let parsed = Ciphertext::parse(ciphertext.kind(), &bytes).unwrap();
    assert_eq!(parsed.to_bytes(), bytes);
    decrypt(ciphertext)
}

fn block(bytes: &[u8]) -> Block {
    let word = |word: &[u8]| u64::from_le_bytes([0, 0, 0, 0, 0, word[0], word[1], word[2]]);
    let words = bytes[2..].chunks_exact(WORD).map(word).collect::<Vec<_>>();
    Block::new(
        LweCiphertextOwned::from_container(words, CiphertextModulus::new_native()),
        Degree::new(bytes[0].into()),
        NoiseLevel::NOMINAL * u64::from(bytes[1]),
        MessageModulus(4),
        CarryModulus(4),
        AtomicPatternKind::Standard(PBSOrder::KeyswitchBootstrap),
    )
}
