//! A trie proof shows presence or absence completely, or is refused.

use crate::common::{list, trie};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::encode;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount, proof::verify_proof};
use merkle_acl::{MAX_NODE_BYTES, MAX_PROOF_NODES, TrieError, prove_account, prove_slot};
use proptest::prelude::*;

fn slot(i: u64) -> B256 {
    keccak256(i.to_be_bytes())
}

/// Root and proof for slot `wanted` of a storage in which slots 0..n hold their own number plus one.
fn storage(n: u64, wanted: B256) -> (B256, Vec<Bytes>) {
    let pairs: Vec<_> = (0..n).map(|i| (slot(i).to_vec(), encode(U256::from(i + 1)))).collect();
    let (root, mut proofs) = trie(&pairs, &[wanted.to_vec()]);
    (root, proofs.remove(0))
}

#[test]
fn every_stored_word_is_proven() {
    for i in 0..60 {
        let (root, nodes) = storage(60, slot(i));
        assert_eq!(prove_slot(root, slot(i), &nodes), Ok(U256::from(i + 1)));
    }
}

#[test]
fn short_words_are_the_numbers_they_stand_for() {
    for word in [U256::from(1), U256::from(0x80), U256::from(1) << 247, U256::MAX] {
        let (root, proofs) = trie(&[(slot(0).to_vec(), encode(word))], &[slot(0).to_vec()]);
        assert_eq!(prove_slot(root, slot(0), &proofs[0]), Ok(word));
    }
}

#[test]
fn absence_is_proven_at_a_branch_a_leaf_and_an_extension() {
    for n in [1, 2, 3, 60, 400] {
        for i in n..n + 40 {
            let (root, nodes) = storage(n, slot(i));
            assert_eq!(prove_slot(root, slot(i), &nodes), Ok(U256::ZERO), "slot {i} of {n}");
        }
    }
}

#[test]
fn an_existing_slot_is_not_shown_absent_by_a_proof_cut_short() {
    let (root, nodes) = storage(400, slot(5));
    assert!(nodes.len() > 2);
    for kept in 0..nodes.len() {
        assert_eq!(prove_slot(root, slot(5), &nodes[..kept]), Err(TrieError::Truncated), "{kept} nodes");
    }
}

#[test]
fn a_proof_for_another_slot_is_refused() {
    let (root, nodes) = storage(400, slot(5));
    for other in 6..40 {
        assert!(prove_slot(root, slot(other), &nodes).is_err());
    }
}

#[test]
fn a_proof_under_another_root_is_refused() {
    let (_, nodes) = storage(400, slot(5));
    let (other, _) = storage(401, slot(5));
    assert_eq!(prove_slot(other, slot(5), &nodes), Err(TrieError::WrongNode { index: 0 }));
}

#[test]
fn an_inner_node_is_no_root_and_no_value() {
    let (root, nodes) = storage(400, slot(5));
    assert_eq!(prove_slot(root, slot(5), &nodes[1..]), Err(TrieError::WrongNode { index: 0 }));
    let mut doubled = nodes.clone();
    doubled.insert(1, nodes[0].clone());
    assert_eq!(prove_slot(root, slot(5), &doubled), Err(TrieError::WrongNode { index: 1 }));
}

#[test]
fn nodes_that_are_not_needed_are_refused() {
    for wanted in [5, 1_000] {
        let (root, mut nodes) = storage(400, slot(wanted));
        nodes.push(nodes[0].clone());
        assert_eq!(prove_slot(root, slot(wanted), &nodes), Err(TrieError::UnusedNodes(1)));
    }
}

#[test]
fn the_real_child_of_an_extension_that_leads_elsewhere_is_an_unused_node() {
    // Two keys that share a prefix make an extension at the root; a third key leaves it at once.
    let branch =
        [vec![vec![0xa0; 1].into_iter().chain([7u8; 32]).collect::<Vec<u8>>(); 2], vec![vec![0x80]; 15]].concat();
    let branch = list(&branch);
    let first = keccak256(slot(0)).0[0] ^ 0xff;
    let extension = list(&[encode([0x00, first].as_slice()), encode(keccak256(&branch))]);
    let nodes: Vec<Bytes> = vec![extension.clone().into(), branch.into()];
    assert_eq!(prove_slot(keccak256(&extension), slot(0), &nodes[..1]), Ok(U256::ZERO));
    assert_eq!(prove_slot(keccak256(&extension), slot(0), &nodes), Err(TrieError::UnusedNodes(1)));
}

#[test]
fn bounds_hold_before_anything_is_hashed() {
    let (root, nodes) = storage(400, slot(5));
    let many = vec![nodes[0].clone(); MAX_PROOF_NODES + 1];
    assert!(matches!(prove_slot(root, slot(5), &many), Err(TrieError::TooManyNodes { .. })));
    let mut long = nodes;
    long[1] = vec![0; MAX_NODE_BYTES + 1].into();
    assert!(matches!(prove_slot(root, slot(5), &long), Err(TrieError::NodeTooLong { index: 1, .. })));
}

#[test]
fn the_empty_proof_belongs_to_the_empty_root_only() {
    let empty = Bytes::from_static(&[0x80]);
    assert_eq!(prove_slot(EMPTY_ROOT_HASH, slot(0), &[]), Ok(U256::ZERO));
    assert_eq!(prove_slot(EMPTY_ROOT_HASH, slot(0), std::slice::from_ref(&empty)), Ok(U256::ZERO));
    assert_eq!(prove_slot(EMPTY_ROOT_HASH, slot(0), &[empty.clone(), empty.clone()]), Err(TrieError::UnusedNodes(1)));
    let (root, nodes) = storage(3, slot(0));
    assert_eq!(prove_slot(root, slot(9), &[]), Err(TrieError::Truncated));
    assert_eq!(prove_slot(root, slot(9), &[empty]), Err(TrieError::WrongNode { index: 0 }));
    assert_eq!(prove_slot(EMPTY_ROOT_HASH, slot(0), &nodes), Err(TrieError::WrongNode { index: 0 }));
}

#[test]
fn a_root_made_for_the_purpose_gives_an_error_and_no_panic() {
    let key = keccak256(slot(0)).0;
    // Two extensions of 62 nibbles: longer together than any path.
    let tail = list(&[encode([&[0u8][..], &key[31..], &[0; 30]].concat().as_slice()), encode([7u8; 32].as_slice())]);
    let head = list(&[encode([&[0u8][..], &key[..31]].concat().as_slice()), encode(keccak256(&tail))]);
    let nodes: Vec<Bytes> = vec![head.clone().into(), tail.into()];
    assert_eq!(prove_slot(keccak256(&head), slot(0), &nodes), Ok(U256::ZERO));
    // A branch below a complete path.
    let branch = list(&vec![vec![0x80]; 17]);
    let head = list(&[encode([&[0u8][..], &key[..]].concat().as_slice()), encode(keccak256(&branch))]);
    let nodes: Vec<Bytes> = vec![head.clone().into(), branch.into()];
    assert_eq!(prove_slot(keccak256(&head), slot(0), &nodes), Err(TrieError::ImpossibleNode { index: 1 }));
    // Text, and a node with bytes behind it.
    let text = Bytes::from_static(b"not a node");
    assert!(matches!(prove_slot(keccak256(&text), slot(0), &[text]), Err(TrieError::Node { index: 0, .. })));
    let mut long = list(&vec![vec![0x80]; 17]);
    long.push(0);
    let root = keccak256(&long);
    assert_eq!(prove_slot(root, slot(0), &[long.into()]), Err(TrieError::ImpossibleNode { index: 0 }));
}

#[test]
fn a_word_that_is_not_a_canonical_integer_is_refused() {
    for value in [vec![0x82, 0, 1], vec![0xc0], [vec![0xa1], vec![1; 33]].concat(), vec![1, 1]] {
        let (root, proofs) = trie(&[(slot(0).to_vec(), value)], &[slot(0).to_vec()]);
        assert!(matches!(prove_slot(root, slot(0), &proofs[0]), Err(TrieError::Value(_))));
    }
}

#[test]
fn accounts_are_proven_and_absent_ones_refused() {
    let account = |i: u8| TrieAccount { nonce: i.into(), storage_root: slot(i.into()), ..Default::default() };
    let pairs: Vec<_> = (0..50).map(|i| (Address::repeat_byte(i).to_vec(), encode(account(i)))).collect();
    let wanted: Vec<_> = [7, 99].map(|i| Address::repeat_byte(i).to_vec()).into();
    let (root, proofs) = trie(&pairs, &wanted);
    assert_eq!(prove_account(root, Address::repeat_byte(7), &proofs[0]), Ok(account(7)));
    assert_eq!(prove_account(root, Address::repeat_byte(99), &proofs[1]), Err(TrieError::NoAccount));
    assert!(prove_account(root, Address::repeat_byte(8), &proofs[0]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_answer_is_that_of_alloy_trie(n in 0u64..120, wanted in 0u64..160) {
        let (root, nodes) = storage(n, slot(wanted));
        let key = Nibbles::unpack(keccak256(slot(wanted)));
        let word = prove_slot(root, slot(wanted), &nodes).unwrap();
        prop_assert_eq!(word, if wanted < n { U256::from(wanted + 1) } else { U256::ZERO });
        let expected = (!word.is_zero()).then(|| encode(word));
        prop_assert!(verify_proof(root, key, expected, &nodes).is_ok());
    }

    #[test]
    fn no_damaged_proof_shows_another_word(
        n in 1u64..120, wanted in 0u64..160, node in any::<usize>(), byte in any::<usize>(), change in 1u8..,
    ) {
        let (root, mut nodes) = storage(n, slot(wanted));
        let node = node % nodes.len();
        let mut bytes = nodes[node].to_vec();
        let byte = byte % bytes.len();
        bytes[byte] ^= change;
        nodes[node] = bytes.into();
        prop_assert_eq!(prove_slot(root, slot(wanted), &nodes), Err(TrieError::WrongNode { index: node }));
    }

    #[test]
    fn arbitrary_nodes_under_their_own_root_never_panic(
        nodes in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..4),
    ) {
        let root = keccak256(&nodes[0]);
        let nodes: Vec<Bytes> = nodes.into_iter().map(Bytes::from).collect();
        prop_assert!(prove_slot(root, slot(0), &nodes).is_err());
    }

    #[test]
    fn arbitrary_two_item_nodes_never_panic(
        path in prop::collection::vec(any::<u8>(), 0..40), child in prop::collection::vec(any::<u8>(), 0..40), raw in any::<bool>(),
    ) {
        let child = if raw { child } else { encode(child.as_slice()) };
        let node = list(&[encode(path.as_slice()), child]);
        let root = keccak256(&node);
        let answer = prove_slot(root, slot(0), &[node.into()]);
        prop_assert!(!matches!(answer, Ok(word) if !word.is_zero()));
    }
}
