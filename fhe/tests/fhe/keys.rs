//! Key material: what is made can be read back, and nothing else can.

use crate::fixture::{context, fixture, plaintext};
use alloy_primitives::U256;
use tkms_fhe::params::{BLOCK_DIMENSION, SAMPLE_DIMENSION};
use tkms_fhe::{BinaryOp, Decryption, EvalError, Evaluator, KeyError, Operand, PublicKeys, deal_for, deal_from};
use tkms_types::FheType;

fn parse(public_key: &[u8], crs: &[u8]) -> KeyError {
    PublicKeys::parse(public_key, crs).err().expect("refused")
}

#[test]
fn the_squash_key_is_4096_bits_about_half_of_them_set() {
    let bits = fixture().squash_bits();
    assert_eq!(bits.len(), SAMPLE_DIMENSION);
    assert!(bits.iter().all(|bit| *bit < 2));
    let ones = bits.iter().sum::<u64>();
    // Eight standard deviations around the mean of 4096 fair bits.
    assert!((1792..=2304).contains(&ones), "{ones}");
}

#[test]
fn the_secret_keys_are_redacted() {
    assert_eq!(format!("{:?}", fixture().dealt.squash_key), "Some(SquashKey(redacted))");
    assert_eq!(format!("{:?}", fixture().dealt.stored_key), "Some(StoredKey(redacted))");
}

#[test]
fn the_key_of_stored_ciphertexts_is_2048_bits_about_half_of_them_set() {
    let bits = fixture().stored_bits();
    assert_eq!(bits.len(), BLOCK_DIMENSION);
    assert!(bits.iter().all(|bit| *bit < 2));
    // Eight standard deviations around the mean of 2048 fair bits.
    assert!((843..=1205).contains(&bits.iter().sum::<u64>()));
}

/// Encrypts, computes and switches with nothing of the squash path.
#[test]
fn a_key_set_for_exact_alone_is_small_and_does_everything_but_squash() {
    let start = std::time::Instant::now();
    let dealt = deal_for(Decryption::Exact, &mut |_| ()).unwrap();
    println!("{:.1?} for a key set of {} bytes of server key", start.elapsed(), dealt.server_key.len());
    assert!(dealt.server_key.len() <= 90_000_000 && dealt.squash_key.is_none());
    let start = std::time::Instant::now();
    let evaluator = Evaluator::load(dealt.server_key.as_slice()).unwrap();
    println!("{:.1?} to load it", start.elapsed());
    let public = PublicKeys::parse_pinned(&dealt.public_key, &dealt.crs).unwrap();
    let input = public.encrypt(&[plaintext(FheType::Uint8, U256::from(0x5a))], &context()).unwrap();
    let a = evaluator.verify_input(&public, &input, &context()).unwrap().remove(0);
    let sum = evaluator.binary(BinaryOp::Add, &a, Operand::Clear(U256::from(0x11))).unwrap();
    let samples = sum.switch().unwrap();
    let (opened, _) = crate::exact::open(&samples, dealt.stored_key.unwrap().bits());
    assert!(opened == plaintext(FheType::Uint8, U256::from(0x6b)));
    assert!(!evaluator.can_squash() && fixture().evaluator.can_squash());
    assert!(matches!(evaluator.squash(&sum), Err(EvalError::NoSquashKey)));
}

#[test]
fn a_public_key_that_goes_on_is_refused() {
    let dealt = &fixture().dealt;
    let longer = [dealt.public_key.as_slice(), &[0]].concat();
    assert!(matches!(parse(&longer, &dealt.crs), KeyError::Trailing { what: "public key", extra: 1 }));
    let longer = [dealt.crs.as_slice(), &[0; 3]].concat();
    assert!(matches!(parse(&dealt.public_key, &longer), KeyError::Trailing { what: "CRS", extra: 3 }));
}

#[test]
fn a_truncated_or_swapped_key_is_refused() {
    let dealt = &fixture().dealt;
    let short = &dealt.public_key[..dealt.public_key.len() - 1];
    assert!(matches!(parse(short, &dealt.crs), KeyError::Malformed { what: "public key", .. }));
    assert!(matches!(parse(&dealt.crs, &dealt.crs), KeyError::Malformed { what: "public key", .. }));
    assert!(matches!(parse(&dealt.public_key, &dealt.public_key), KeyError::Malformed { what: "CRS", .. }));
    assert!(matches!(parse(&[], &dealt.crs), KeyError::Malformed { what: "public key", .. }));
}

#[test]
fn a_crs_of_points_off_the_curve_is_refused() {
    let dealt = &fixture().dealt;
    let mut crs = dealt.crs.clone();
    let middle = crs.len() / 2;
    crs[middle] ^= 1;
    assert!(matches!(parse(&dealt.public_key, &crs), KeyError::Parameters { what: "CRS" }));
}

#[test]
fn a_crs_for_fewer_values_is_refused() {
    let dealt = &fixture().dealt;
    let public_key: tfhe::CompactPublicKey =
        tfhe::safe_serialization::safe_deserialize(dealt.public_key.as_slice(), 1 << 20).unwrap();
    let count = tfhe::core_crypto::prelude::LweCiphertextCount(4);
    let small = tfhe::zk::CompactPkeCrs::from_shortint_params(public_key.parameters(), count).unwrap();
    let mut crs = Vec::new();
    tfhe::safe_serialization::safe_serialize(&small, &mut crs, 1 << 24).unwrap();
    let refused = PublicKeys::parse_pinned(&dealt.public_key, &crs).err();
    assert!(matches!(refused, Some(KeyError::Parameters { what: "CRS" })));
}

#[test]
fn a_server_key_that_is_cut_or_of_another_kind_is_refused() {
    let dealt = &fixture().dealt;
    let cut = &dealt.server_key[..1_000_000];
    assert!(matches!(Evaluator::load(cut), Err(KeyError::Malformed { what: "server key", .. })));
    let other = dealt.public_key.as_slice();
    assert!(matches!(Evaluator::load(other), Err(KeyError::Malformed { what: "server key", .. })));
}

#[test]
fn secret_keys_without_a_squash_key_deal_nothing() {
    use tfhe::shortint::parameters::v1_8::V1_8_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128 as COMPUTE;
    let bare = tfhe::ClientKey::generate(tfhe::ConfigBuilder::with_custom_parameters(COMPUTE).build());
    assert!(deal_from(bare, &mut |_| ()).is_err());
}
