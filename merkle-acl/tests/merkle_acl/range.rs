//! Every grant of the range is provable under its live peak, and nothing else is.

use alloy_primitives::{B256, b256, keccak256};
use merkle_acl::{
    Grant, leaf_hash, node_hash,
    range::{MAX_LEVEL, MountainRange, RangeError, RangeProof, covering_level},
};
use proptest::prelude::*;
use rs_merkle::{Hasher, MerkleProof, MerkleTree};

fn leaf(i: u64) -> B256 {
    keccak256(i.to_be_bytes())
}

fn range(n: u64) -> MountainRange {
    let mut range = MountainRange::default();
    (0..n).for_each(|i| range.append(leaf(i)));
    range
}

/// What the contract does: `peak[level]` slots, stale ones kept.
fn contract_peaks(n: u64) -> [B256; 64] {
    let mut peaks = [B256::ZERO; 64];
    for count in 0..n {
        let (mut hash, mut level) = (leaf(count), 0);
        while count >> level & 1 == 1 {
            hash = node_hash(peaks[level], hash);
            level += 1;
        }
        peaks[level] = hash;
    }
    peaks
}

#[test]
fn leaves_and_nodes_hash_as_the_vectors_say() {
    let handle = B256::repeat_byte(0x11);
    let persistent = leaf_hash(&Grant::Persistent { handle, account: alloy_primitives::Address::repeat_byte(0x22) });
    let public = leaf_hash(&Grant::Public { handle });
    let to_zero = leaf_hash(&Grant::Persistent { handle, account: alloy_primitives::Address::ZERO });
    assert_eq!(persistent, b256!("af4a6efb0fcb7669cc5fa39856c39a9960908cddf3082e3c9ce5f352542a90e1"));
    assert_eq!(public, b256!("e109d5397561277a7d2027642392fbd078e343a153cc286f914e6f7466e09853"));
    assert_eq!(to_zero, b256!("a4028c3a87027a7316a2172d8a26d89aa70b826608a8d7a1b5491814a63a0758"));
    let node = node_hash(persistent, public);
    assert_eq!(node, b256!("f3b8816f146649f3f8afe858cec2059bf11b0e11fa9cd202656ad7a43c00d1cb"));
}

#[test]
fn every_leaf_of_every_count_is_proven_under_the_contract_s_peak() {
    for n in (0..70).chain([127, 128, 129]) {
        let (range, peaks) = (range(n), contract_peaks(n));
        for index in 0..n {
            let level = covering_level(index, n).unwrap();
            assert_eq!(range.peak(level), Some(peaks[usize::from(level)]));
            assert_eq!(range.prove(index).unwrap().verify(leaf(index), n, peaks[usize::from(level)]), Ok(()));
        }
    }
}

#[test]
fn there_is_no_peak_where_the_count_has_no_bit() {
    let range = range(0b101);
    let live: Vec<u8> = (0..=64).filter(|level| range.peak(*level).is_some()).collect();
    assert_eq!(live, [0, 2]);
}

#[test]
fn an_index_at_or_past_the_count_is_refused() {
    for (index, count) in [(0, 0), (5, 5), (6, 5), (u64::MAX, 5), (u64::MAX, u64::MAX)] {
        assert_eq!(covering_level(index, count), Err(RangeError::OutOfRange { index, count }));
        let proof = RangeProof { index, path: Vec::new() };
        assert_eq!(proof.verify(leaf(0), count, leaf(0)), Err(RangeError::OutOfRange { index, count }));
    }
    assert!(range(5).prove(5).is_err());
}

#[test]
fn another_leaf_index_or_peak_is_refused() {
    let range = range(11);
    let peak = range.peak(3).unwrap();
    let proof = range.prove(6).unwrap();
    assert_eq!(proof.verify(leaf(7), 11, peak), Err(RangeError::WrongPeak));
    assert_eq!(proof.verify(leaf(6), 11, range.peak(1).unwrap()), Err(RangeError::WrongPeak));
    for index in (0..8).filter(|index| *index != 6) {
        let moved = RangeProof { index, ..proof.clone() };
        assert_eq!(moved.verify(leaf(6), 11, peak), Err(RangeError::WrongPeak));
    }
}

#[test]
fn a_path_of_another_length_is_refused() {
    let range = range(11);
    let (peak, honest) = (range.peak(3).unwrap(), range.prove(6).unwrap());
    let mut longer = honest.clone();
    longer.path.push(leaf(0));
    assert_eq!(longer.verify(leaf(6), 11, peak), Err(RangeError::PathLength { found: 4, expected: 3 }));
    let mut shorter = honest;
    shorter.path.pop();
    assert_eq!(shorter.verify(leaf(6), 11, peak), Err(RangeError::PathLength { found: 2, expected: 3 }));
}

#[test]
fn an_inner_node_is_no_leaf() {
    let range = range(8);
    let peak = range.peak(3).unwrap();
    // The parent of leaves 0 and 1 with the upper part of their path, claimed as leaf 0.
    let path = range.prove(0).unwrap().path[1..].to_vec();
    let inner = node_hash(leaf(0), leaf(1));
    // With a count the sender may choose, it would pass: this is why the count comes from the state.
    assert_eq!(RangeProof { index: 0, path: path.clone() }.verify(inner, 4, peak), Ok(()));
    assert_eq!(
        RangeProof { index: 0, path }.verify(inner, 8, peak),
        Err(RangeError::PathLength { found: 2, expected: 3 })
    );
    assert!(RangeProof { index: 0, path: Vec::new() }.verify(peak, 8, peak).is_err());
}

#[test]
fn a_stale_peak_is_never_chosen() {
    let peaks = contract_peaks(8);
    // Slot 2 still holds the root of leaves 4..8 (stale); count 8 sends every index to level 3.
    let path = vec![leaf(5), node_hash(leaf(6), leaf(7))];
    assert!(RangeProof { index: 4, path }.verify(leaf(4), 8, peaks[2]).is_err());
}

#[test]
fn levels_above_the_bound_are_refused() {
    let count = 1u64 << (MAX_LEVEL + 1);
    let proof = RangeProof { index: 0, path: vec![B256::ZERO; usize::from(MAX_LEVEL) + 1] };
    assert_eq!(proof.verify(leaf(0), count, leaf(0)), Err(RangeError::LevelTooHigh(MAX_LEVEL + 1)));
    let highest = RangeProof { index: 0, path: vec![B256::ZERO; usize::from(MAX_LEVEL)] };
    assert_eq!(highest.verify(leaf(0), 1 << MAX_LEVEL, leaf(0)), Err(RangeError::WrongPeak));
}

#[test]
fn paths_are_those_of_rs_merkle() {
    for n in [1, 2, 5, 8, 21, 64] {
        let range = range(n);
        for index in 0..n {
            let width = 1 << covering_level(index, n).unwrap();
            let start = index - index % width;
            let leaves: Vec<_> = (start..start + width).map(|i| leaf(i).0).collect();
            let tree = MerkleTree::<Nodes>::from_leaves(&leaves);
            let expected = tree.proof(&[usize::try_from(index - start).unwrap()]);
            let found: Vec<_> = range.prove(index).unwrap().path.iter().map(|hash| hash.0).collect();
            assert_eq!(found, expected.proof_hashes());
        }
    }
}

#[test]
fn proofs_can_be_made_for_the_count_of_an_earlier_block() {
    let late = range(37);
    for count in 1..=37 {
        let early = range(count);
        for index in 0..count {
            assert_eq!(late.prove_at(index, count), early.prove(index));
            let level = covering_level(index, count).unwrap();
            assert_eq!(late.peak_at(level, count), early.peak(level));
        }
        assert!(late.prove_at(count, count).is_err());
    }
    assert!(late.prove_at(0, 38).is_err());
    assert_eq!(late.peak_at(1, 38), None);
    assert_eq!(late.peak_at(64, u64::MAX), None);
}

#[test]
fn a_range_cut_back_is_the_range_it_was() {
    for count in 0..20 {
        let mut cut = range(20);
        cut.truncate(count);
        assert_eq!(cut.count(), count);
        (count..33).for_each(|i| cut.append(leaf(i + 100)));
        let mut straight = range(count);
        (count..33).for_each(|i| straight.append(leaf(i + 100)));
        for index in 0..33 {
            assert_eq!(cut.prove(index), straight.prove(index));
        }
        assert_eq!((cut.peak(0), cut.peak(5)), (straight.peak(0), straight.peak(5)));
    }
}

#[test]
fn truncating_past_the_end_changes_nothing() {
    let mut whole = range(9);
    whole.truncate(u64::MAX);
    assert_eq!((whole.count(), whole.peak(3)), (9, range(9).peak(3)));
}

// What rs_merkle accepts when it is handed the prover's words, and what the wrapper makes of the same bytes.

#[test]
fn hole_a_repeated_index_carries_a_forged_leaf() {
    let (range, forged) = (range(4), leaf(666));
    let peak = range.peak(2).unwrap();
    let proof = MerkleProof::<Nodes>::new(vec![node_hash(leaf(2), leaf(3)).0]);
    assert!(proof.verify(peak.0, &[0, 1, 1], &[leaf(0).0, leaf(1).0, forged.0], 4), "the hole is closed upstream");
    // One leaf a call: the forged one has to stand by itself, and does not.
    for index in 0..4 {
        let path = range.prove(index).unwrap().path;
        assert_eq!(RangeProof { index, path }.verify(forged, 4, peak), Err(RangeError::WrongPeak));
    }
}

#[test]
fn hole_a_chosen_leaf_count_makes_an_inner_node_a_leaf() {
    let range = range(4);
    let (peak, inner) = (range.peak(2).unwrap(), node_hash(leaf(0), leaf(1)));
    let upper = node_hash(leaf(2), leaf(3));
    assert!(
        MerkleProof::<Nodes>::new(vec![upper.0]).verify(peak.0, &[0], &[inner.0], 2),
        "the hole is closed upstream"
    );
    assert!(MerkleProof::<Nodes>::new(Vec::new()).verify(peak.0, &[0], &[peak.0], 1), "the hole is closed upstream");
    // The count is the state's, so the length is fixed; and no grant hashes to a node, whose first byte is another.
    assert_eq!(
        RangeProof { index: 0, path: vec![upper] }.verify(inner, 4, peak),
        Err(RangeError::PathLength { found: 1, expected: 2 })
    );
    assert_eq!(
        RangeProof { index: 0, path: Vec::new() }.verify(peak, 4, peak),
        Err(RangeError::PathLength { found: 0, expected: 2 })
    );
}

#[test]
fn hole_trailing_hashes_are_overlooked() {
    let range = range(4);
    let (peak, mut path) = (range.peak(2).unwrap(), range.prove(1).unwrap().path);
    path.push(leaf(666));
    let hashes = path.iter().map(|hash| hash.0).collect();
    assert!(MerkleProof::<Nodes>::new(hashes).verify(peak.0, &[1], &[leaf(1).0], 4), "the hole is closed upstream");
    assert_eq!(
        RangeProof { index: 1, path }.verify(leaf(1), 4, peak),
        Err(RangeError::PathLength { found: 3, expected: 2 })
    );
}

#[test]
fn hole_a_proof_of_a_leaf_that_is_not_there_is_made() {
    let leaves: Vec<_> = (0..4).map(|i| leaf(i).0).collect();
    let tree = MerkleTree::<Nodes>::from_leaves(&leaves);
    assert!(tree.proof(&[7]).proof_hashes().len() < 4, "no refusal, only a useless proof");
    assert_eq!(range(4).prove(7), Err(RangeError::OutOfRange { index: 7, count: 4 }));
}

/// The node hash as rs_merkle wants it.
#[derive(Clone)]
struct Nodes;

impl Hasher for Nodes {
    type Hash = [u8; 32];

    fn hash(data: &[u8]) -> [u8; 32] {
        keccak256(data).0
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        right.map_or(*left, |right| node_hash((*left).into(), (*right).into()).0)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_paths_never_panic_and_prove_nothing(
        index in any::<u64>(), count in any::<u64>(), path in prop::collection::vec(any::<[u8; 32]>(), 0..70), exact in any::<bool>(),
    ) {
        let mut path: Vec<B256> = path.into_iter().map(B256::from).collect();
        let level = covering_level(index, count).unwrap_or(0).into();
        if exact && level > 0 {
            path.resize(level, B256::ZERO);
        }
        let proof = RangeProof { index, path };
        prop_assert!(proof.verify(leaf(1), count, leaf(2)).is_err());
    }
}
