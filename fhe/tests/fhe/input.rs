//! Encrypted inputs made by our own client: accepted as made, refused in every other form.

use crate::fixture::{context, decrypt, fixture, plaintext, rng, stored, value};
use alloy_primitives::{Address, U256};
use rand::Rng;
use std::sync::OnceLock;
use std::time::Instant;
use tfhe::integer::prelude::IntegerRadixCiphertext;
use tfhe::prelude::CiphertextList;
use tfhe::safe_serialization::{safe_deserialize, safe_serialize};
use tfhe::zk::{CompactPkeCrs, ZkComputeLoad};
use tfhe::{
    CompactPublicKey, CompressedServerKey, FheUint64, ProvenCompactCiphertextList, ServerKey,
    with_server_key_as_context,
};
use tkms_fhe::{Ciphertext, InputContext, InputError, PublicKeys};
use tkms_types::limits::INPUT_BYTES;
use tkms_types::{FheType, Plaintext};

const KINDS: [FheType; 4] = [FheType::Uint64, FheType::Bool, FheType::Uint160, FheType::Uint8];

fn values() -> Vec<Plaintext> {
    let mut rng = rng(10);
    KINDS.into_iter().map(|kind| plaintext(kind, value(kind, &mut rng))).collect()
}

/// One honest list, proven once.
fn list() -> &'static [u8] {
    static LIST: OnceLock<Vec<u8>> = OnceLock::new();
    LIST.get_or_init(|| {
        let public = &fixture().public;
        let start = Instant::now();
        let list = public.encrypt(&values(), &context()).unwrap();
        println!("{:.2?} to prove 4 values, {} bytes", start.elapsed(), list.len());
        list
    })
}

fn verify(list: &[u8], context: &InputContext) -> Result<Vec<Ciphertext>, InputError> {
    fixture().evaluator.verify_input(&fixture().public, list, context)
}

/// A list made with the library directly, past the client's own checks.
fn raw_list(fill: impl FnOnce(&mut tfhe::CompactCiphertextListBuilder)) -> Vec<u8> {
    let dealt = &fixture().dealt;
    let public_key: CompactPublicKey =
        tfhe::safe_serialization::safe_deserialize(dealt.public_key.as_slice(), 1 << 20).unwrap();
    let crs: CompactPkeCrs = tfhe::safe_serialization::safe_deserialize(dealt.crs.as_slice(), 1 << 24).unwrap();
    let mut builder = ProvenCompactCiphertextList::builder(&public_key);
    fill(&mut builder);
    let list = builder.build_with_proof_packed(&crs, &context().metadata(), ZkComputeLoad::Verify).unwrap();
    let mut bytes = Vec::new();
    safe_serialize(&list, &mut bytes, 1 << 24).unwrap();
    bytes
}

#[test]
fn an_honest_input_expands_to_its_values_in_order() {
    let honest = list();
    let start = Instant::now();
    let expanded = verify(honest, &context()).unwrap();
    println!("{:.2?} to verify and expand 4 values", start.elapsed());
    assert_eq!(expanded.iter().map(Ciphertext::kind).collect::<Vec<_>>(), KINDS);
    for (ciphertext, clear) in expanded.iter().zip(values()) {
        assert_eq!(decrypt(ciphertext), clear.value());
        assert!(Ciphertext::parse(ciphertext.kind(), &ciphertext.to_bytes()).is_ok());
    }
}

/// The first value as tfhe expands what was sent, without re-randomisation.
fn expanded_as_sent(list: &[u8]) -> Vec<u8> {
    let key: CompressedServerKey = safe_deserialize(fixture().dealt.server_key.as_slice(), 1 << 30).unwrap();
    let (compute, casting, .., tag) = key.into_raw_parts();
    let casting = casting.map(|key| key.decompress());
    let key = ServerKey::from_raw_parts(compute.decompress(), casting, None, None, None, None, None, None, None, tag);
    let list: ProvenCompactCiphertextList = safe_deserialize(list, 1 << 20).unwrap();
    let expander = with_server_key_as_context(key, || list.expand_without_verification()).unwrap();
    let value: FheUint64 = expander.get(0).unwrap().unwrap();
    stored(FheType::Uint64, value.into_raw_parts().0.into_blocks())
}

#[test]
fn an_input_is_re_randomised_and_alike_for_every_coprocessor() {
    let [first, again] = [(); 2].map(|()| verify(list(), &context()).unwrap());
    let bytes = |values: &[Ciphertext]| values.iter().map(Ciphertext::to_bytes).collect::<Vec<_>>();
    assert_eq!(bytes(&first), bytes(&again));
    let (ours, sent) = (first[0].to_bytes(), expanded_as_sent(list()));
    assert_eq!(ours.len(), sent.len());
    let same = ours.iter().zip(&sent).filter(|(a, b)| a == b).count();
    assert!(same < ours.len() / 100, "{same} of {} bytes are as sent", ours.len());
    assert_eq!(decrypt(&Ciphertext::parse(FheType::Uint64, &sent).unwrap()), decrypt(&first[0]));
}

#[test]
fn an_input_is_refused_under_any_other_context() {
    let other = Address::repeat_byte(0x44);
    let contexts = [
        InputContext { contract: other, ..context() },
        InputContext { user: other, ..context() },
        InputContext { acl: other, ..context() },
        InputContext { chain_id: 1, ..context() },
        InputContext { contract: context().user, user: context().contract, ..context() },
    ];
    for context in contexts {
        assert!(matches!(verify(list(), &context), Err(InputError::Proof)), "{context:?}");
    }
}

#[test]
fn a_changed_byte_anywhere_is_refused() {
    let mut rng = rng(11);
    let honest = list();
    for _ in 0..24 {
        let mut changed = honest.to_vec();
        let at = rng.random_range(0..changed.len());
        changed[at] ^= 1 << rng.random_range(0..8);
        let error = verify(&changed, &context()).expect_err("refused");
        assert!(
            matches!(
                error,
                InputError::Malformed(_) | InputError::Proof | InputError::Type { .. } | InputError::Count(_)
            ),
            "byte {at}: {error}"
        );
    }
}

#[test]
fn random_and_cut_bytes_are_refused_before_any_proof_is_checked() {
    let mut rng = rng(12);
    for length in [0, 1, 8, 100, 5000] {
        let mut noise = vec![0; length];
        rng.fill(noise.as_mut_slice());
        assert!(matches!(verify(&noise, &context()), Err(InputError::Malformed(_))), "{length}");
    }
    let honest = list();
    for length in [honest.len() / 2, honest.len() - 1] {
        assert!(matches!(verify(&honest[..length], &context()), Err(InputError::Malformed(_))), "{length}");
    }
}

#[test]
fn an_input_that_is_too_long_or_goes_on_is_refused() {
    assert!(matches!(verify(&vec![0; INPUT_BYTES + 1], &context()), Err(InputError::TooLong(_))));
    let longer = [list(), &[0, 0]].concat();
    assert!(matches!(verify(&longer, &context()), Err(InputError::Trailing(2))));
}

#[test]
fn too_many_values_or_bits_are_refused() {
    let many = raw_list(|builder| {
        builder.extend([true; 256].into_iter());
    });
    assert!(matches!(verify(&many, &context()), Err(InputError::Count(256))));
    let none: Vec<Plaintext> = Vec::new();
    assert!(matches!(fixture().public.encrypt(&none, &context()), Err(InputError::Count(0))));
    let wide = vec![plaintext(FheType::Uint256, U256::ONE); 9];
    assert!(matches!(fixture().public.encrypt(&wide, &context()), Err(InputError::Bits(2304))));
    let many = vec![plaintext(FheType::Bool, U256::ONE); 256];
    assert!(matches!(fixture().public.encrypt(&many, &context()), Err(InputError::Count(256))));
}

#[test]
fn a_type_the_executor_does_not_know_is_refused() {
    let signed = raw_list(|builder| {
        builder.push(7u8).push(-7i16);
    });
    assert!(matches!(verify(&signed, &context()), Err(InputError::Type { index: 1 })));
    let narrow = raw_list(|builder| {
        builder.push_with_num_bits(3u8, 4).unwrap();
    });
    assert!(matches!(verify(&narrow, &context()), Err(InputError::Type { index: 0 })));
}

#[test]
fn a_proof_under_another_crs_or_public_key_is_refused() {
    let dealt = &fixture().dealt;
    let fresh = {
        let public_key: CompactPublicKey =
            tfhe::safe_serialization::safe_deserialize(dealt.public_key.as_slice(), 1 << 20).unwrap();
        CompactPkeCrs::from_shortint_params(
            public_key.parameters(),
            tfhe::core_crypto::prelude::LweCiphertextCount(512),
        )
        .unwrap()
    };
    let mut crs = Vec::new();
    safe_serialize(&fresh, &mut crs, 1 << 24).unwrap();
    let other = PublicKeys::parse_pinned(&dealt.public_key, &crs).unwrap();
    let result = fixture().evaluator.verify_input(&other, list(), &context());
    assert!(matches!(result, Err(InputError::Proof)));
    // The last mask word of the public key: same shape, another key.
    let mut public_key = dealt.public_key.clone();
    public_key[20_000] ^= 1;
    let other = PublicKeys::parse_pinned(&public_key, &dealt.crs).unwrap();
    let result = fixture().evaluator.verify_input(&other, list(), &context());
    assert!(matches!(result, Err(InputError::Proof)));
}
