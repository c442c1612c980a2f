//! Signatures are what contracts accept, and keys do not show.

use alloy::primitives::{U256, keccak256, uint};
use tkms_eth::{DigestSigner, LocalKey, SignerError};

const HALF_ORDER: U256 = uint!(0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0_U256);

#[test]
fn signatures_recover_to_the_signer_with_low_s_and_v_27_or_28() {
    let key = LocalKey::from_bytes(&[7; 32]).unwrap();
    for i in 0u32..200 {
        let digest = keccak256(i.to_be_bytes());
        let signature = key.sign_digest(&digest).unwrap();
        assert!(U256::from_be_slice(&signature[32..64]) <= HALF_ORDER);
        assert!(matches!(signature[64], 27 | 28));
        assert_eq!(tkms_types::typed_data::recover(digest, &signature), Some(key.address()));
        assert_ne!(tkms_types::typed_data::recover(keccak256(digest), &signature), Some(key.address()));
    }
}

#[test]
fn a_key_shows_its_address_and_nothing_else() {
    let key = LocalKey::from_bytes(&[0x5c; 32]).unwrap();
    let shown = format!("{key:?}").to_lowercase();
    assert!(shown.contains(&key.address().to_string().to_lowercase()));
    assert!(!shown.contains("5c5c") && !shown.contains("92, 92"));
}

#[test]
fn numbers_that_are_no_keys_are_refused() {
    for bytes in [[0; 32], [0xff; 32]] {
        assert_eq!(LocalKey::from_bytes(&bytes).unwrap_err(), SignerError::InvalidKey);
    }
}
