//! Bytes that contracts read.

use crate::fixture::handle;
use alloy_primitives::{Address, keccak256};
use tkms_types::{FheType, Handle};
use tkms_wire::proof::{decryption_proof, input_handles, input_proof};

const ACL: Address = Address::repeat_byte(5);

#[test]
fn an_input_s_handle_is_a_hash_of_list_position_acl_and_chain() {
    let kinds = [FheType::Uint64, FheType::Bool];
    let handles = input_handles(b"list", &kinds, ACL, 31337);
    let list = keccak256(b"ZK-w_rctlist");
    for (index, (handle, kind)) in handles.iter().zip(kinds).enumerate() {
        let index = index as u8;
        let mut bytes = [b"ZK-w_hdl", list.as_slice(), &[index], ACL.as_slice(), &[0; 30]].concat();
        bytes.extend([0x7a, 0x69]);
        assert_eq!(*handle, Handle::new(keccak256(bytes), index, 31337, kind));
    }
    let others = [
        input_handles(b"other", &kinds, ACL, 31337),
        input_handles(b"list", &kinds, Address::ZERO, 31337),
        input_handles(b"list", &kinds, ACL, 31338),
    ];
    assert!(others.iter().all(|other| other[0] != handles[0] && other[1] != handles[1]));
}

#[test]
fn no_input_handle_has_the_index_of_a_computed_one() {
    let handles = input_handles(b"list", &[FheType::Bool; 300], ACL, 31337);
    assert_eq!(handles.len(), 255);
    assert!(handles.iter().all(|handle| handle.index() != Handle::COMPUTED));
}

#[test]
fn an_input_proof_has_counts_handles_signatures_and_extra_data() {
    let handles = [handle(1, FheType::Bool), handle(2, FheType::Uint8)];
    let proof = input_proof(&handles, &[[7; 65]], &[0]).unwrap();
    assert_eq!(proof.len(), 2 + 64 + 65 + 1);
    assert_eq!(proof[..2], [2, 1]);
    assert_eq!(proof[2..34], handles[0].0);
    assert_eq!(proof[66..], [&[7; 65][..], &[0]].concat());
}

#[test]
fn a_decryption_proof_has_a_count_signatures_and_extra_data() {
    let proof = decryption_proof(&[[7; 65], [8; 65]], &[]).unwrap();
    assert_eq!(proof, [&[2][..], &[7; 65], &[8; 65]].concat());
    assert_eq!(decryption_proof(&[], &[1]).unwrap(), [0, 1]);
}

#[test]
fn a_count_that_does_not_fit_its_byte_makes_no_proof() {
    assert_eq!(decryption_proof(&[[0; 65]; 256], &[]), None);
    assert_eq!(input_proof(&[handle(1, FheType::Bool); 256], &[], &[]), None);
    assert_eq!(input_proof(&[], &[[0; 65]; 256], &[]), None);
}
