//! The witness of a smart account's answer: comes back from its message, and whatever is misshapen is named by its field.

use crate::evidence::evidence;
use alloy_primitives::{Address, B256, hex, keccak256};
use bytes::Bytes;
use prost::Message as _;
use tkms_wire::account_witness::{
    ACCEPTS, ACCOUNTS, AccountWitness, CODE_BYTES, NODES, SLOTS, WITNESS_BYTES, WitnessedAccount, WitnessedSlot,
    is_for_undeployed, signature_call,
};
use tkms_wire::evidence::Evidence;
use tkms_wire::{Problem, kms};

fn node(number: u8) -> Bytes {
    vec![number; 532].into()
}

fn witness() -> AccountWitness {
    let slot = |number, nodes| WitnessedSlot { slot: B256::repeat_byte(number), nodes };
    AccountWitness {
        nodes: (0..5).map(node).collect(),
        accounts: vec![
            WitnessedAccount {
                address: Address::repeat_byte(1),
                nodes: vec![0, 1],
                code: Bytes::from_static(&[0x60, 0x00]),
                slots: vec![slot(1, vec![3]), slot(2, vec![])],
            },
            WitnessedAccount {
                address: Address::repeat_byte(2),
                nodes: vec![0, 2],
                code: Bytes::new(),
                slots: vec![slot(1, vec![4])],
            },
        ],
    }
}

#[test]
fn a_witness_comes_back_from_its_message_and_inside_evidence() {
    let bytes = kms::AccountWitness::from(&witness()).encode_to_vec();
    let read = kms::AccountWitness::decode(bytes.as_slice()).unwrap();
    assert_eq!(AccountWitness::try_from(read).unwrap(), witness());
    let with = Evidence { witness: Some(witness()), ..evidence() };
    let bytes = kms::Evidence::from(&with).encode_to_vec();
    assert_eq!(Evidence::try_from(kms::Evidence::decode(bytes.as_slice()).unwrap()).unwrap(), with);
    // Nobody is asked: nothing is there, not an empty list
    assert_eq!(kms::Evidence::from(&evidence()).witness, None);
}

fn refused(change: impl FnOnce(&mut kms::AccountWitness)) -> (String, Problem) {
    let mut message = kms::AccountWitness::from(&witness());
    change(&mut message);
    let error = AccountWitness::try_from(message).unwrap_err();
    (error.path, error.problem)
}

fn path(change: impl FnOnce(&mut kms::AccountWitness)) -> String {
    refused(change).0
}

#[test]
fn wrong_widths_and_places_are_named() {
    assert_eq!(path(|m| m.accounts[1].address = vec![0; 19].into()), "accounts[1].address");
    assert_eq!(path(|m| m.accounts[0].slots[1].slot = vec![0; 33].into()), "accounts[0].slots[1].slot");
    assert_eq!(path(|m| m.accounts[1].nodes[0] = 5), "accounts[1].nodes[0]");
    assert_eq!(path(|m| m.accounts[1].nodes[0] = 1 << 16), "accounts[1].nodes[0]");
    assert_eq!(path(|m| m.accounts[0].slots[0].nodes[0] = u32::MAX), "accounts[0].slots[0].nodes[0]");
    let mut message = kms::Evidence::from(&Evidence { witness: Some(witness()), ..evidence() });
    message.witness.as_mut().unwrap().accounts[0].address = Bytes::new();
    assert_eq!(Evidence::try_from(message).unwrap_err().path, "witness.accounts[0].address");
}

#[test]
fn what_is_there_twice_or_for_nothing_is_named() {
    assert_eq!(refused(|m| m.nodes.push(node(9))), ("nodes[5]".to_owned(), Problem::Unused));
    assert_eq!(refused(|m| m.accounts[1].slots.clear()), ("nodes[4]".to_owned(), Problem::Unused));
    assert_eq!(refused(|m| m.nodes[4] = node(3)), ("nodes".to_owned(), Problem::Repeated));
    let twice = refused(|m| m.accounts[1].address = m.accounts[0].address.clone());
    assert_eq!(twice, ("accounts".to_owned(), Problem::Repeated));
    let twice = refused(|m| m.accounts[0].slots[1].slot = m.accounts[0].slots[0].slot.clone());
    assert_eq!(twice, ("accounts[0].slots".to_owned(), Problem::Repeated));
}

#[test]
fn each_bound_holds() {
    assert_eq!(path(|m| m.nodes[0] = vec![0; 601].into()), "nodes[0]");
    assert_eq!(path(|m| m.nodes = vec![Bytes::new(); NODES + 1]), "nodes");
    assert_eq!(path(|m| m.accounts[0].code = vec![0; CODE_BYTES + 1].into()), "accounts[0].code");
    assert_eq!(path(|m| m.accounts[0].nodes = vec![0; 65]), "accounts[0].nodes");
    assert_eq!(path(|m| m.accounts = vec![m.accounts[0].clone(); ACCOUNTS + 1]), "accounts");
    let many = refused(|m| {
        // Of all accounts together
        m.accounts[0].slots = vec![m.accounts[0].slots[0].clone(); SLOTS / 2];
        m.accounts[1].slots = vec![m.accounts[1].slots[0].clone(); SLOTS / 2 + 1];
    });
    assert_eq!(many, ("accounts".to_owned(), Problem::TooMany { found: SLOTS + 1, limit: SLOTS }));
    let (whole, problem) = refused(|m| {
        let code = Bytes::from(vec![0; CODE_BYTES]);
        m.accounts = vec![kms::WitnessedAccount { code, ..m.accounts[0].clone() }; 4];
    });
    assert!(whole.is_empty() && matches!(problem, Problem::TooLong { limit: WITNESS_BYTES, .. }));
}

/// Noise and damaged messages: no panic, and what is read is read the same again.
#[test]
fn damaged_bytes_are_refused_or_read_the_same_again() {
    let honest = kms::AccountWitness::from(&witness()).encode_to_vec();
    let (mut dice, mut read) = (keccak256("seed 1271"), 0);
    for _ in 0..20_000 {
        dice = keccak256(dice);
        let at = usize::from(u16::from_be_bytes([dice[0], dice[1]])) % honest.len();
        let mut bytes = honest.clone();
        match dice[2] % 3 {
            0 => bytes.truncate(at),
            1 => bytes[at] ^= dice[3].max(1),
            _ => bytes[at..].iter_mut().zip(dice.iter().cycle()).for_each(|(byte, other)| *byte = *other),
        }
        let Ok(message) = kms::AccountWitness::decode(bytes.as_slice()) else { continue };
        let Ok(witness) = AccountWitness::try_from(message) else { continue };
        read += 1;
        assert_eq!(AccountWitness::try_from(kms::AccountWitness::from(&witness)), Ok(witness));
    }
    assert!(read > 100, "only {read} damaged messages could be read at all");
}

#[test]
fn the_call_is_the_abi_encoding_of_is_valid_signature() {
    for len in [0, 1, 31, 32, 33, 65, 4096] {
        let (digest, signature) = (B256::repeat_byte(0xd1), vec![7; len]);
        let call = signature_call(digest, &signature);
        assert_eq!(call[..4], keccak256("isValidSignature(bytes32,bytes)")[..4]);
        assert_eq!(call[..4], ACCEPTS[..4]);
        assert_eq!((&call[4..36], call[67], call[4..].len() % 32), (digest.as_slice(), 64, 0));
        assert_eq!(usize::from(u16::from_be_bytes([call[98], call[99]])), len);
        assert_eq!(call.len(), 4 + 96 + len.next_multiple_of(32));
        assert!(call[100..].starts_with(&signature) && call[100 + len..].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn signatures_for_undeployed_accounts_end_in_their_mark() {
    let mark = hex!("6492649264926492649264926492649264926492649264926492649264926492");
    assert!(is_for_undeployed(&mark) && is_for_undeployed(&[&[1; 65][..], &mark].concat()));
    assert!(
        !is_for_undeployed(&[]) && !is_for_undeployed(&mark[1..]) && !is_for_undeployed(&[&mark[..], &[0]].concat())
    );
}
