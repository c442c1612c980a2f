//! Switched sample lists: what is written is read back, anything else is refused.

use crate::fixture::rng;
use proptest::prelude::*;
use rand::Rng;
use tkms_types::{FheType, Id, KeyId, limits};
use tkms_wire::samples::{SampleList, SamplesError};
use tkms_wire::switched::{BLOCK_WORDS, SwitchedList};

fn list(kind: FheType, seed: u64) -> SwitchedList {
    let mut rng = rng(seed);
    let words = (0..kind.squashed_blocks() * BLOCK_WORDS).map(|_| rng.random::<u16>() >> 1).collect();
    SwitchedList::new(KeyId::numbered(1), kind, words).unwrap()
}

fn changed(position: usize, byte: u8) -> Result<SwitchedList, SamplesError> {
    let mut bytes = list(FheType::Bool, 1).encode();
    bytes[position] = byte;
    SwitchedList::parse(&bytes)
}

#[test]
fn every_type_is_read_back_from_exactly_the_length_its_type_implies() {
    for kind in FheType::ALL {
        let written = list(kind, 2);
        let bytes = written.encode();
        assert_eq!(bytes.len(), SwitchedList::encoded_len(kind));
        assert!(bytes.len() <= limits::SAMPLES_BYTES);
        assert!(SwitchedList::parse(&bytes).unwrap() == written);
    }
    assert_eq!(SwitchedList::encoded_len(FheType::Uint64), 50 + 16 * 2049 * 2);
}

#[test]
fn the_layout_is_fixed() {
    let mut words = vec![0u16; BLOCK_WORDS];
    words[0] = 0x0102;
    words[BLOCK_WORDS - 1] = 3;
    let bytes = SwitchedList::new(KeyId::numbered(5), FheType::Bool, words).unwrap().encode();
    let header = "544b4d534c5745010400000000000000000000000000000000000000000000000000000000000005";
    assert_eq!(alloy_primitives::hex::encode(&bytes[..40]), header);
    assert_eq!(bytes[40..53], [0, 15, 1, 0, 0, 0, 0, 8, 0, 0, 2, 1, 0]);
    assert_eq!(bytes[bytes.len() - 2], 3);
}

#[test]
fn every_field_of_the_header_is_checked() {
    assert_eq!(changed(0, b'X').unwrap_err(), SamplesError::Magic);
    assert_eq!(changed(7, 2).unwrap_err(), SamplesError::Version(2));
    assert!(matches!(changed(8, 5).unwrap_err(), SamplesError::Key(_)));
    assert_eq!(changed(40, 1).unwrap_err(), SamplesError::Type(1));
    assert_eq!(changed(41, 14).unwrap_err(), SamplesError::Modulus(14));
    assert!(matches!(changed(42, 2).unwrap_err(), SamplesError::Blocks { found: 2, .. }));
    assert_eq!(changed(46, 1).unwrap_err(), SamplesError::Dimension(2049));
}

#[test]
fn a_word_of_the_modulus_or_more_is_refused() {
    assert_eq!(changed(51, 0x80).unwrap_err(), SamplesError::Word { place: 0 });
    let mut words = vec![0u16; BLOCK_WORDS];
    words[7] = 1 << 15;
    let made = SwitchedList::new(KeyId::numbered(1), FheType::Bool, words);
    assert_eq!(made.unwrap_err(), SamplesError::Word { place: 7 });
}

#[test]
fn other_lengths_are_refused() {
    let bytes = list(FheType::Bool, 1).encode();
    let longer = [bytes.as_slice(), &[0]].concat();
    for wrong in [&bytes[..bytes.len() - 1], &longer, &bytes[..50]] {
        assert!(matches!(SwitchedList::parse(wrong).unwrap_err(), SamplesError::Length { .. }));
    }
    assert!(matches!(SwitchedList::parse(&bytes[..49]).unwrap_err(), SamplesError::TooShort { found: 49 }));
    let made = SwitchedList::new(KeyId::numbered(1), FheType::Uint8, vec![0; BLOCK_WORDS]);
    assert!(matches!(made.unwrap_err(), SamplesError::Words { expected: 4098, found: 2049, .. }));
}

#[test]
fn lists_of_the_two_protocols_are_not_mistaken_for_each_other() {
    let switched = list(FheType::Bool, 1).encode();
    assert_eq!(SampleList::parse(&switched).unwrap_err(), SamplesError::Modulus(15));
    let squashed = SampleList::new(KeyId::numbered(1), FheType::Bool, vec![0; 4097]).unwrap().encode();
    assert_eq!(SwitchedList::parse(&squashed).unwrap_err(), SamplesError::Modulus(128));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _unused = SwitchedList::parse(&bytes).is_ok();
    }
}
