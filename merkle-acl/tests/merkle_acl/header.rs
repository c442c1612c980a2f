//! A header is read strictly, or not at all.

use crate::common::{NUMBER, TIME, header_fields, list};
use alloy_primitives::{B256, keccak256};
use alloy_rlp::Encodable;
use merkle_acl::{Anchor, HeaderError, MAX_HEADER_BYTES, MAX_HEADER_FIELDS};
use proptest::prelude::*;

fn fields() -> Vec<Vec<u8>> {
    header_fields(B256::repeat_byte(0x77), NUMBER, TIME)
}

#[test]
fn header_gives_hash_number_root_and_time() {
    let rlp = list(&fields());
    let anchor = Anchor::from_header_rlp(&rlp).unwrap();
    assert_eq!(anchor.hash(), keccak256(&rlp));
    assert_eq!((anchor.number(), anchor.timestamp()), (NUMBER, TIME));
    assert_eq!(anchor.state_root(), B256::repeat_byte(0x77));
}

#[test]
fn fields_of_later_forks_are_allowed_at_the_end() {
    let mut fields = fields();
    fields.extend([alloy_rlp::encode(7u64), alloy_rlp::encode(B256::ZERO)]);
    assert_eq!(Anchor::from_header_rlp(&list(&fields)).unwrap().number(), NUMBER);
}

#[test]
fn genesis_is_refused() {
    let rlp = list(&header_fields(B256::ZERO, 0, TIME));
    assert_eq!(Anchor::from_header_rlp(&rlp), Err(HeaderError::Genesis));
}

#[test]
fn a_missing_field_is_refused_and_named() {
    for kept in 0..15 {
        let result = Anchor::from_header_rlp(&list(&fields()[..kept]));
        assert!(matches!(result, Err(HeaderError::Rlp { field, .. }) if field == kept), "{kept}: {result:?}");
    }
}

#[test]
fn a_field_of_another_length_is_refused_and_named() {
    for field in (0..15).filter(|field| *field != 12) {
        let mut fields = fields();
        fields[field] = alloy_rlp::encode([1u8; 33].as_slice());
        let result = Anchor::from_header_rlp(&list(&fields));
        assert!(matches!(result, Err(HeaderError::Rlp { field: named, .. }) if named == field), "{field}: {result:?}");
    }
}

#[test]
fn a_list_in_place_of_a_string_is_refused() {
    for field in [12, 15] {
        let mut fields = fields();
        fields.push(alloy_rlp::encode(1u64));
        fields[field] = list(&[]);
        assert!(
            matches!(Anchor::from_header_rlp(&list(&fields)), Err(HeaderError::Rlp { field: named, .. }) if named == field)
        );
    }
}

#[test]
fn a_number_with_leading_zeros_is_refused() {
    let mut fields = fields();
    fields[8] = vec![0x82, 0x00, 0x4d];
    assert!(matches!(Anchor::from_header_rlp(&list(&fields)), Err(HeaderError::Rlp { field: 8, .. })));
}

#[test]
fn bytes_after_the_header_are_refused() {
    let mut rlp = list(&fields());
    rlp.push(0x80);
    assert_eq!(Anchor::from_header_rlp(&rlp), Err(HeaderError::TrailingBytes(1)));
}

#[test]
fn a_string_in_place_of_the_list_is_refused() {
    let mut rlp = Vec::new();
    list(&fields()).as_slice().encode(&mut rlp);
    assert!(matches!(Anchor::from_header_rlp(&rlp), Err(HeaderError::Rlp { field: 0, .. })));
}

#[test]
fn too_many_fields_and_too_many_bytes_are_refused() {
    let mut many = fields();
    many.resize(MAX_HEADER_FIELDS + 1, vec![0x80]);
    assert_eq!(Anchor::from_header_rlp(&list(&many)), Err(HeaderError::TooManyFields(MAX_HEADER_FIELDS)));
    let mut long = fields();
    long[12] = alloy_rlp::encode(vec![1u8; MAX_HEADER_BYTES].as_slice());
    assert!(matches!(Anchor::from_header_rlp(&list(&long)), Err(HeaderError::TooLong { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..700)) {
        prop_assert!(Anchor::from_header_rlp(&bytes).is_err());
    }

    #[test]
    fn no_changed_byte_keeps_the_hash(position in 0usize..500, change in 1u8..) {
        let rlp = list(&fields());
        let mut changed = rlp.clone();
        let position = position % changed.len();
        changed[position] ^= change;
        if let Ok(anchor) = Anchor::from_header_rlp(&changed) {
            prop_assert_ne!(anchor.hash(), keccak256(&rlp));
        }
    }
}
