//! Sample lists: what is written is read back, anything else is refused.

use crate::fixture::rng;
use proptest::prelude::*;
use rand::Rng;
use tkms_types::{FheType, Id, KeyId, limits};
use tkms_wire::samples::{BLOCK_WORDS, SampleList, SamplesError, digest};

fn list(kind: FheType, seed: u64) -> SampleList {
    let mut rng = rng(seed);
    let words = (0..kind.squashed_blocks() * BLOCK_WORDS).map(|_| rng.random()).collect();
    SampleList::new(KeyId::numbered(1), kind, words).unwrap()
}

fn encoded() -> Vec<u8> {
    list(FheType::Bool, 1).encode()
}

fn changed(position: usize, byte: u8) -> Result<SampleList, SamplesError> {
    let mut bytes = encoded();
    bytes[position] = byte;
    SampleList::parse(&bytes)
}

#[test]
fn every_type_is_read_back_from_exactly_the_length_its_type_implies() {
    for kind in FheType::ALL {
        let written = list(kind, 2);
        let bytes = written.encode();
        assert_eq!(bytes.len(), SampleList::encoded_len(kind));
        assert!(bytes.len() <= limits::SAMPLES_BYTES);
        assert!(SampleList::parse(&bytes).unwrap() == written);
    }
}

#[test]
fn the_layout_is_fixed() {
    let mut words = vec![0u128; BLOCK_WORDS];
    words[0] = 0x0102;
    words[BLOCK_WORDS - 1] = 3;
    let bytes = SampleList::new(KeyId::numbered(5), FheType::Bool, words).unwrap().encode();
    let header = "544b4d534c5745010400000000000000000000000000000000000000000000000000000000000005";
    assert_eq!(alloy_primitives::hex::encode(&bytes[..40]), header);
    assert_eq!(bytes[40..53], [0, 128, 1, 0, 0, 0, 0, 16, 0, 0, 2, 1, 0]);
    assert_eq!(bytes[bytes.len() - 16], 3);
}

#[test]
fn a_block_is_its_mask_and_then_its_body() {
    let list = list(FheType::Uint8, 3);
    assert_eq!(list.blocks(), 2);
    assert_eq!(list.block(0), &list.words[..4097]);
    assert_eq!(list.block(1), &list.words[4097..]);
    assert!(list.block(2).is_empty());
}

#[test]
fn every_field_of_the_header_is_checked() {
    assert_eq!(changed(0, b'X').unwrap_err(), SamplesError::Magic);
    assert_eq!(changed(7, 2).unwrap_err(), SamplesError::Version(2));
    assert!(matches!(changed(8, 5).unwrap_err(), SamplesError::Key(_)));
    assert_eq!(changed(40, 1).unwrap_err(), SamplesError::Type(1));
    assert_eq!(changed(41, 64).unwrap_err(), SamplesError::Modulus(64));
    assert!(matches!(changed(40, 2).unwrap_err(), SamplesError::Blocks { found: 1, .. }));
    assert!(matches!(changed(42, 2).unwrap_err(), SamplesError::Blocks { found: 2, .. }));
    assert_eq!(changed(46, 1).unwrap_err(), SamplesError::Dimension(4097));
}

#[test]
fn other_lengths_are_refused() {
    let bytes = encoded();
    let longer = [bytes.as_slice(), &[0]].concat();
    for wrong in [&bytes[..bytes.len() - 1], &longer, &bytes[..50]] {
        assert!(matches!(SampleList::parse(wrong).unwrap_err(), SamplesError::Length { .. }));
    }
    for wrong in [&bytes[..49], &[]] {
        assert!(matches!(SampleList::parse(wrong).unwrap_err(), SamplesError::TooShort { .. }));
    }
}

#[test]
fn words_that_do_not_make_the_blocks_are_refused() {
    let made = SampleList::new(KeyId::numbered(1), FheType::Uint8, vec![0; BLOCK_WORDS]);
    assert!(matches!(made.unwrap_err(), SamplesError::Words { expected: 8194, found: 4097, .. }));
}

#[test]
fn the_digest_is_blake3_of_the_bytes() {
    let empty = "0xaf1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    assert_eq!(digest(&[]).to_string(), empty);
    assert_ne!(digest(&encoded()), digest(&list(FheType::Bool, 4).encode()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _unused = SampleList::parse(&bytes).is_ok();
    }

    #[test]
    fn a_changed_header_never_yields_the_same_list(position in 0usize..50, byte in any::<u8>()) {
        let original = encoded();
        prop_assume!(original[position] != byte);
        if let Ok(read) = changed(position, byte) {
            // Only another key can still be a list
            prop_assert!((9..40).contains(&position));
            prop_assert_ne!(read.key_id, KeyId::numbered(1));
        }
    }
}
