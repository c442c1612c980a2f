//! Compact paths expand to what they were made of, or not at all.

use alloy_primitives::{B256, keccak256};
use merkle_acl::{
    compact::{CompactError, compress, expand, lone},
    range::{MAX_LEVEL, MountainRange, RangeError, RangeProof, covering_level},
};
use proptest::prelude::*;

fn leaf(i: u64) -> B256 {
    keccak256(i.to_be_bytes())
}

fn range(n: u64) -> MountainRange {
    let mut range = MountainRange::default();
    (0..n).for_each(|i| range.append(leaf(i)));
    range
}

fn paths(range: &MountainRange, indices: &[u64]) -> Vec<(B256, RangeProof)> {
    indices.iter().map(|i| (leaf(*i), range.prove(*i).unwrap())).collect()
}

fn leaves(indices: &[u64]) -> Vec<(u64, B256)> {
    indices.iter().map(|i| (*i, leaf(*i))).collect()
}

#[test]
fn paths_expand_to_themselves() {
    let range = range(77);
    for indices in [vec![], vec![0], vec![76], vec![0, 1], vec![5, 4, 70, 4], (0..77).collect()] {
        let paths = paths(&range, &indices);
        let hashes = compress(&paths, 77).unwrap();
        let expanded = expand(&leaves(&indices), 77, &hashes).unwrap();
        assert_eq!(expanded, paths.into_iter().map(|(_, path)| path).collect::<Vec<_>>());
    }
}

#[test]
fn what_follows_from_other_leaves_is_not_sent() {
    let range = range(64);
    assert!(compress(&paths(&range, &(0..64).collect::<Vec<_>>()), 64).unwrap().is_empty());
    assert_eq!(compress(&paths(&range, &[8, 9]), 64).unwrap().len(), 5);
    assert_eq!(compress(&paths(&range, &[0, 63]), 64).unwrap().len(), 10);
}

#[test]
fn hashes_too_few_or_too_many_are_refused() {
    let range = range(64);
    let hashes = compress(&paths(&range, &[3, 40]), 64).unwrap();
    let fewer = CompactError::TooFewHashes(hashes.len() - 1);
    assert_eq!(expand(&leaves(&[3, 40]), 64, &hashes[1..]), Err(fewer));
    let more = [hashes, vec![B256::ZERO; 2]].concat();
    assert_eq!(expand(&leaves(&[3, 40]), 64, &more), Err(CompactError::UnusedHashes(2)));
}

#[test]
fn leaves_outside_of_the_range_and_levels_above_the_bound_are_refused() {
    let outside = RangeError::OutOfRange { index: 5, count: 5 };
    assert_eq!(expand(&leaves(&[0, 5]), 5, &[]), Err(outside.into()));
    let high = RangeError::LevelTooHigh(MAX_LEVEL + 1);
    assert_eq!(expand(&leaves(&[0]), 1 << (MAX_LEVEL + 1), &[B256::ZERO; 64]), Err(high.into()));
    assert_eq!(expand(&vec![(0, leaf(0)); 3_000], 5, &[]), Err(CompactError::TooMany));
}

#[test]
fn two_leaves_in_one_place_prove_one_at_most() {
    let range = range(16);
    let hashes = compress(&paths(&range, &[6]), 16).unwrap();
    let expanded = expand(&[(6, leaf(6)), (6, leaf(666))], 16, &hashes).unwrap();
    let peak = range.peak(4).unwrap();
    assert_eq!(expanded[1].verify(leaf(666), 16, peak), Err(RangeError::WrongPeak));
}

#[test]
fn a_forged_leaf_does_not_pass_for_what_follows_from_it() {
    let range = range(16);
    let hashes = compress(&paths(&range, &[6, 7]), 16).unwrap();
    let expanded = expand(&[(6, leaf(666)), (7, leaf(7))], 16, &hashes).unwrap();
    let peak = range.peak(4).unwrap();
    assert_eq!(expanded[0].verify(leaf(666), 16, peak), Err(RangeError::WrongPeak));
    assert_eq!(expanded[1].verify(leaf(7), 16, peak), Err(RangeError::WrongPeak));
}

#[test]
fn leaves_alone_under_one_of_many_peaks_are_better_shown_by_slots() {
    // 0b1101: peaks over 0 to 7, 8 to 11, and 12
    assert_eq!(lone(&[0, 1, 8, 9], 13), Vec::<u64>::new(), "two peaks are worth their slots");
    assert_eq!(lone(&[0, 8], 13), Vec::<u64>::new());
    assert_eq!(lone(&[0, 1, 8, 9, 12], 13), [12]);
    assert_eq!(lone(&[12, 8, 0], 13), [12, 8, 0]);
    assert_eq!(lone(&[0, 8, 12, 13, 99], 13), [12, 8, 0], "who is not in the range is under no peak");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_paths_expand_to_themselves(count in 1u64..300, picks in prop::collection::vec(any::<u64>(), 0..12)) {
        let range = range(count);
        let indices: Vec<_> = picks.iter().map(|pick| pick % count).collect();
        let paths = paths(&range, &indices);
        let hashes = compress(&paths, count).unwrap();
        for (path, (leaf, _)) in expand(&leaves(&indices), count, &hashes).unwrap().iter().zip(&paths) {
            let peak = range.peak(covering_level(path.index, count).unwrap()).unwrap();
            prop_assert_eq!(path.verify(*leaf, count, peak), Ok(()));
        }
    }

    #[test]
    fn arbitrary_compact_paths_never_panic(
        leaves in prop::collection::vec((any::<u64>(), any::<[u8; 32]>()), 0..6), count in any::<u64>(), hashes in 0usize..200,
    ) {
        let leaves: Vec<_> = leaves.into_iter().map(|(index, leaf)| (index, B256::from(leaf))).collect();
        let expanded = expand(&leaves, count, &vec![B256::ZERO; hashes]);
        prop_assert!(expanded.is_err() || leaves.len() * 40 >= hashes);
    }
}
