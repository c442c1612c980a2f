//! User keys in the official client's bytes.

use crate::fixture::rng;
use proptest::prelude::*;
use tkms_types::limits::USER_KEY_BYTES;
use tkms_wire::user_payload::{UserKey, UserKeyError, UserKeyPair};

fn public() -> Vec<u8> {
    UserKeyPair::generate(&mut rng(1)).unwrap().public().serialised().to_vec()
}

fn changed(position: usize, byte: u8) -> Result<UserKey, UserKeyError> {
    let mut bytes = public();
    bytes[position] = byte;
    UserKey::parse(&bytes)
}

#[test]
fn the_public_form_has_the_header_the_client_expects() {
    let bytes = public();
    assert_eq!(bytes.len(), USER_KEY_BYTES);
    let header = "0300000000000000302e35000000000300000000000000302e311300000000000000556e6966696564\
                  5075626c6963456e634b657900000000000000002003000000000000";
    assert_eq!(alloy_primitives::hex::encode(&bytes[..69]), header);
    assert_eq!(UserKey::parse(&bytes).unwrap().kem_key(), &bytes[69..]);
}

#[test]
fn the_private_form_gives_the_pair_back() {
    let pair = UserKeyPair::generate(&mut rng(2)).unwrap();
    let bytes = pair.to_private_bytes();
    assert_eq!(bytes.len(), 1640);
    assert_eq!(bytes[..8], 1632u64.to_le_bytes());
    assert_eq!(UserKeyPair::from_private_bytes(&bytes).unwrap().public(), pair.public());
}

#[test]
fn another_kind_of_key_is_refused() {
    // The header's bytes: versions, name, enum version, ML-KEM variant, length
    for position in [0, 8, 11, 15, 23, 26, 34, 53, 57, 61] {
        assert!(matches!(changed(position, 0xff).unwrap_err(), UserKeyError::Layout(_)), "{position}");
    }
}

#[test]
fn another_length_is_refused() {
    let bytes = public();
    for wrong in [&bytes[1..], &bytes[..868], &[bytes.as_slice(), &[0]].concat(), &[]] {
        assert_eq!(UserKey::parse(wrong).unwrap_err(), UserKeyError::Length { found: wrong.len() });
    }
}

#[test]
fn a_coefficient_that_is_not_reduced_is_refused() {
    let mut bytes = public();
    // 3329 = 0xd01 as the first coefficient; 3328 is the largest that stands
    (bytes[69], bytes[70]) = (0x01, bytes[70] & 0xf0 | 0x0d);
    assert_eq!(UserKey::parse(&bytes).unwrap_err(), UserKeyError::NotReduced);
    bytes[69] = 0x00;
    UserKey::parse(&bytes).unwrap();
    // And as the last one
    (bytes[835], bytes[836]) = (bytes[835] & 0x0f | 0x10, 0xd0);
    assert_eq!(UserKey::parse(&bytes).unwrap_err(), UserKeyError::NotReduced);
}

#[test]
fn a_private_key_that_contradicts_itself_is_refused() {
    let mut bytes = UserKeyPair::generate(&mut rng(3)).unwrap().to_private_bytes();
    bytes[8 + 768 + 799] ^= 1;
    assert_eq!(UserKeyPair::from_private_bytes(&bytes).unwrap_err(), UserKeyError::Mismatch);
    UserKeyPair::from_private_bytes(&bytes[..1639]).unwrap_err();
    UserKeyPair::from_private_bytes(&[bytes.as_slice(), &[0]].concat()).unwrap_err();
}

#[test]
fn the_secret_half_is_redacted() {
    let shown = format!("{:?}", UserKeyPair::generate(&mut rng(4)).unwrap());
    assert!(shown.contains("redacted") && shown.len() < 200, "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _unused = (UserKey::parse(&bytes).is_ok(), UserKeyPair::from_private_bytes(&bytes).is_ok());
    }
}
