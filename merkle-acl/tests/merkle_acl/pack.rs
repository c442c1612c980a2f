//! Packed proofs come out as they went in, in one form, and nothing else unpacks.

use crate::common::{Chain, Dice, list};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::encode;
use merkle_acl::{
    AclLayout, Grant,
    pack::{MAX_KEYS, PackError, pack, unpack},
};

type Proofs = Vec<(B256, Vec<Bytes>)>;

fn packed(proofs: &Proofs) -> Result<Vec<u8>, PackError> {
    pack(&proofs.iter().map(|(key, nodes)| (*key, nodes.as_slice())).collect::<Vec<_>>())
}

#[track_caller]
fn comes_back(proofs: &Proofs) -> Vec<u8> {
    let bytes = packed(proofs).unwrap();
    let keys: Vec<B256> = proofs.iter().map(|(key, _)| *key).collect();
    let nodes: Vec<_> = proofs.iter().map(|(_, nodes)| nodes.clone()).collect();
    assert_eq!(unpack(&bytes, &keys), Ok(nodes));
    bytes
}

/// Proofs of words that stand and of words that do not.
fn busy() -> Proofs {
    let mut chain = Chain::busy(AclLayout::Range);
    for i in 0..5u64 {
        chain.append(Grant::Persistent { handle: keccak256(i.to_be_bytes()), account: Address::repeat_byte(0x22) });
    }
    let mut slots: Vec<B256> = (190..260u64).map(|i| keccak256(i.to_be_bytes())).collect();
    slots.extend(merkle_acl::range_slots(AclLayout::Range, 5));
    let evidence = chain.evidence_for(&slots);
    evidence.slots.into_iter().map(|proof| (keccak256(proof.slot), proof.nodes)).collect()
}

fn branch(children: &[(usize, Vec<u8>)]) -> Vec<u8> {
    let mut items = vec![vec![0x80]; 17];
    children.iter().for_each(|(nibble, child)| items[*nibble] = child.clone());
    list(&items)
}

/// A trie in which two keys part at their last nibbles, so that leaves stand inside branches, and a branch inside an extension.
fn deep(value: u8) -> (Proofs, B256) {
    let leaf = |nibble: u8, value: u8| list(&[encode([0x30 | nibble].as_slice()), encode(value)]);
    // Nibbles 62 and 63 of the keys: 0a, 0b; 1c
    let inner = branch(&[
        (10, list(&[encode([0x20].as_slice()), encode(value)])),
        (11, list(&[encode([0x20].as_slice()), encode(2u8)])),
    ]);
    let outer = branch(&[(0, inner), (1, leaf(12, 3))]);
    let path = [vec![0x00], vec![0x11; 31]].concat();
    let child = if outer.len() < 32 { outer.clone() } else { encode(keccak256(&outer)) };
    let root = list(&[encode(path.as_slice()), child]);
    let key = |last: u8| {
        let mut key = [0x11; 32];
        key[31] = last;
        B256::from(key)
    };
    let nodes: Vec<Bytes> = if outer.len() < 32 { vec![root.into()] } else { vec![root.into(), outer.into()] };
    let proofs = [0x0a, 0x0b, 0x0f, 0x1c, 0x1d, 0x20].map(|last| (key(last), nodes.clone())).to_vec();
    (proofs, key(0x0a))
}

#[test]
fn proofs_of_presence_and_absence_come_out_as_they_went_in() {
    let all = busy();
    let bytes = comes_back(&all);
    let alone: usize = all.iter().map(|proof| comes_back(&vec![proof.clone()]).len()).sum();
    assert!(bytes.len() * 3 < alone, "{} bytes together, {alone} alone", bytes.len());
    let raw: usize = all.iter().flat_map(|(_, nodes)| nodes).map(|node| node.len()).sum();
    assert!(alone < raw, "{alone} bytes packed, {raw} raw");
    let mut reversed = all;
    reversed.reverse();
    assert_eq!(comes_back(&reversed), bytes, "the order of the keys does not matter");
}

#[test]
fn short_children_and_common_paths_come_out_as_they_went_in() {
    let (proofs, first) = deep(1);
    comes_back(&proofs);
    for proof in &proofs {
        comes_back(&vec![proof.clone()]);
    }
    // Keys that leave the common path early
    let nodes = proofs[0].1[..1].to_vec();
    comes_back(&vec![(B256::ZERO, nodes.clone())]);
    comes_back(&vec![(B256::ZERO, nodes), (first, proofs[0].1.clone())]);
}

#[test]
fn an_empty_trie_is_shown_by_nothing_or_by_its_one_node() {
    assert_eq!(comes_back(&vec![(B256::ZERO, Vec::new()), (B256::with_last_byte(1), Vec::new())]), Vec::<u8>::new());
    assert_eq!(comes_back(&vec![(B256::ZERO, vec![Bytes::from_static(&[0x80])])]), [0]);
    assert_eq!(comes_back(&Vec::new()), Vec::<u8>::new());
}

#[test]
fn incomplete_proofs_and_proofs_of_two_tries_do_not_pack() {
    let all = busy();
    let refused = |change: &dyn Fn(&mut Proofs)| {
        let mut proofs = all.clone();
        change(&mut proofs);
        let error = packed(&proofs).unwrap_err();
        assert!(matches!(error, PackError::Misfit(_) | PackError::RepeatedKey(_)), "{error}");
    };
    refused(&|proofs| drop(proofs[3].1.pop()));
    refused(&|proofs| proofs[3].1.clear());
    refused(&|proofs| drop(proofs[3].1.remove(0)));
    refused(&|proofs| {
        let last = proofs[3].1.last().unwrap().clone();
        proofs[3].1.push(last);
    });
    refused(&|proofs| proofs[3].1 = proofs[4].1.clone());
    refused(&|proofs| proofs[3].0 = proofs[4].0);
    refused(&|proofs| proofs.extend(deep(1).0));
    refused(&|proofs| {
        let mut node = proofs[3].1[1].to_vec();
        node[20] ^= 1;
        proofs[3].1[1] = node.into();
    });
    let many: Proofs = (0..=MAX_KEYS as u64).map(|i| (B256::from(U256::from(i)), Vec::new())).collect();
    assert_eq!(packed(&many), Err(PackError::TooMany));
}

#[test]
fn bytes_in_another_form_do_not_unpack() {
    let key = B256::repeat_byte(0x11);
    let refused = |bytes: &[u8]| unpack(bytes, &[key]).unwrap_err();
    let hash = [7u8; 32];
    assert_eq!(refused(&[9]), PackError::Form(0), "no such node");
    assert_eq!(refused(&[1, 2, 0]), PackError::CutShort);
    assert_eq!(refused(&[1, 1, 5, 0]), PackError::UnusedBytes(1));
    assert_eq!(unpack(&[1, 1, 5], &[]), Err(PackError::UnusedBytes(3)), "a trie nobody asked for");
    let own = [[2].as_slice(), &[0x11; 32], &[1, 5]].concat();
    assert_eq!(refused(&own), PackError::Form(2), "the own leaf as another's");
    assert_eq!(refused(&[3, 0]), PackError::Form(0), "no common path");
    let whole = [[3, 64].as_slice(), &[0x11; 32], &[0], &hash].concat();
    assert!(matches!(refused(&whole), PackError::Form(_)), "a common path that is the whole key");
    let odd = [[3, 1, 0x31].as_slice(), &[0], &hash].concat();
    assert!(matches!(refused(&odd), PackError::Form(_)), "two nibbles where one is meant");
    let no_short = [[5, 0x00, 0x01, 0].as_slice(), &hash].concat();
    assert!(matches!(refused(&no_short), PackError::Form(_)), "room for short children, and none");
    for child in [vec![1, 0x80], vec![2, 0xc0, 0xc0], vec![2, 0xc5, 0], [vec![32, 0xdf], vec![0; 31]].concat()] {
        let bytes = [vec![5, 0x00, 0x01], child].concat();
        assert!(matches!(refused(&bytes), PackError::Form(_)), "{bytes:?} has no short child");
    }
    // Empty anywhere but at the root
    assert!(matches!(refused(&[4, 0x00, 0x02, 0]), PackError::Form(_)));
    let deep = [[3, 63].as_slice(), &[0x01], &[0x11; 31], &[4, 0x00, 0x02, 4, 0, 0]].concat();
    assert!(matches!(refused(&deep), PackError::Form(_)), "a branch below the last nibble");
    assert!(matches!(unpack(&[], &[key, key]), Err(PackError::RepeatedKey(_))));
}

#[test]
fn whatever_unpacks_is_the_one_form_of_what_comes_out() {
    let mut dice = Dice(5);
    let seeds = [busy(), deep(1).0, deep(200).0];
    let mut unpacked = 0;
    for round in 0..6_000 {
        let proofs = &seeds[round % seeds.len()];
        let keys: Vec<B256> = proofs.iter().map(|(key, _)| *key).collect();
        let mut bytes = packed(proofs).unwrap();
        for _ in 0..=dice.roll(2) {
            let place = dice.roll(bytes.len());
            match dice.roll(4) {
                0 => bytes.truncate(place.max(1)),
                1 => bytes.insert(place, u8::try_from(dice.roll(256)).unwrap()),
                _ => bytes[place] ^= u8::try_from(dice.roll(255) + 1).unwrap(),
            }
        }
        if let Ok(nodes) = unpack(&bytes, &keys) {
            unpacked += 1;
            let out: Proofs = keys.into_iter().zip(nodes).collect();
            assert_eq!(packed(&out), Ok(bytes));
        }
    }
    assert!(unpacked > 500, "{unpacked} of the damaged ones are well-formed, for other roots");
}
