//! Handles of encrypted inputs.

use crate::insecure::{ACL, CHAIN};
use alloy_primitives::{B256, address, b256};
use tkms_coprocessor::inputs::input_handles;
use tkms_types::FheType;

const KINDS: [FheType; 3] = [FheType::Uint64, FheType::Bool, FheType::Uint160];

/// Computed with another keccak implementation from the formula of the official client.
const EXPECTED: [B256; 3] = [
    b256!("d2d64df024e7ed106ce8c51a9d0a9d0acfcdc19582000000000000007a690500"),
    b256!("780eb83ae44b0be0016cffa664eaba9512e5e664f6010000000000007a690000"),
    b256!("1936bbe9b72711612ad13fc893d267762094d63251020000000000007a690700"),
];

#[test]
fn handles_of_an_input_are_those_the_official_client_computes() {
    let handles = input_handles(b"a proven list", &KINDS, ACL, CHAIN);
    assert_eq!(handles.iter().map(|handle| handle.0).collect::<Vec<_>>(), EXPECTED);
    for (index, (handle, kind)) in handles.iter().zip(KINDS).enumerate() {
        assert_eq!((handle.check().unwrap(), handle.chain_id(), usize::from(handle.index())), (kind, CHAIN, index));
    }
}

#[test]
fn list_acl_and_chain_each_change_every_handle() {
    let others = [
        input_handles(b"another list", &KINDS, ACL, CHAIN),
        input_handles(b"a proven list", &KINDS, address!("0000000000000000000000000000000000000001"), CHAIN),
        input_handles(b"a proven list", &KINDS, ACL, CHAIN + 1),
    ];
    for other in others {
        assert!(other.iter().zip(EXPECTED).all(|(handle, expected)| handle.0[..21] != expected[..21]));
    }
}

#[test]
fn no_input_takes_the_index_of_computed_handles() {
    let handles = input_handles(b"a proven list", &[FheType::Bool; 300], ACL, CHAIN);
    assert_eq!((handles.len(), handles[254].index()), (255, 254));
}
