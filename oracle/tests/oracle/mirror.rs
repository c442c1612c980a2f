//! The mirror of the grant range on disk against a tree rebuilt from nothing.

use crate::common::rng;
use alloy::sol_types::SolEvent;
use alloy_primitives::{Address, B256, Log};
use merkle_acl::range::MountainRange;
use merkle_acl::{Grant, leaf_hash};
use rand::Rng;
use std::collections::BTreeSet;
use std::path::Path;
use tkms_eth::bindings::IACL::{Allowed, AllowedForDecryption};
use tkms_eth::events::{BlockRef, ChainLog};
use tkms_oracle::mirror::fold;
use tkms_oracle::store::{Granted, RangeStep, RangeView, Store};

const CHAIN: u64 = 31337;

fn open(dir: &Path) -> Store {
    Store::open(&dir.join("db")).unwrap()
}

fn grant(number: u64) -> Grant {
    let handle = B256::from(alloy_primitives::U256::from(number / 2));
    match number % 2 {
        0 => Grant::Public { handle },
        _ => Grant::Persistent { handle, account: Address::repeat_byte(7) },
    }
}

fn step(undone_from: Option<u64>, granted: &[Granted]) -> RangeStep {
    RangeStep { undone_from, granted: granted.to_vec(), cursor: vec![1] }
}

fn numbered(count: u64) -> Vec<Granted> {
    (0..count).map(|number| Granted { grant: grant(number), block: number / 3 }).collect()
}

/// The log as it is on the chain, and the tree over its first occurrences.
#[derive(Default)]
struct Reference {
    log: Vec<Granted>,
}

impl Reference {
    fn leaves(&self) -> Vec<Granted> {
        let mut seen = BTreeSet::new();
        self.log.iter().filter(|granted| seen.insert(granted.grant)).copied().collect()
    }

    fn agrees(&self, mirror: &RangeView) {
        let leaves = self.leaves();
        let mut tree = MountainRange::default();
        leaves.iter().for_each(|granted| tree.append(leaf_hash(&granted.grant)));
        let count = tree.count();
        assert_eq!(mirror.count().unwrap(), count);
        let peaks: Vec<_> = (0..64).filter_map(|level| Some((level, tree.peak(level)?))).collect();
        assert_eq!(mirror.peaks(count).unwrap(), Some(peaks));
        for (index, granted) in (0u64..).zip(&leaves) {
            assert_eq!(mirror.place(&granted.grant).unwrap(), Some((index, granted.block)));
            let path = mirror.path(index, count).unwrap().unwrap();
            assert_eq!(path, tree.prove(index).unwrap());
            let level = u8::try_from(path.path.len()).unwrap();
            path.verify(leaf_hash(&granted.grant), count, tree.peak(level).unwrap()).unwrap();
        }
        for block in 0..=self.log.last().map_or(0, |granted| granted.block) {
            let expected = leaves.iter().filter(|granted| granted.block <= block).count();
            assert_eq!(mirror.count_at(block).unwrap(), expected as u64, "block {block}");
        }
    }
}

#[test]
fn mirror_equals_a_tree_rebuilt_over_random_grants_reorganisations_and_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, mut reference, mut rng) = (open(dir.path()), Reference::default(), rng());
    let (mut block, mut most): (u64, usize) = (1, 0);
    for _ in 0..120 {
        match rng.random_range(0..10) {
            0 if block > 1 => {
                let from = rng.random_range(block.saturating_sub(6).max(1)..=block);
                reference.log.retain(|granted| granted.block < from);
                store.apply_range(CHAIN, &step(Some(from), &[])).unwrap();
                block = from;
            }
            2 => {
                drop(store);
                store = open(dir.path());
            }
            _ => {
                let mut granted = Vec::new();
                for _ in 0..rng.random_range(0..8) {
                    block += u64::from(rng.random_bool(0.4));
                    granted.push(Granted { grant: grant(rng.random_range(0..150)), block });
                }
                reference.log.extend(&granted);
                store.apply_range(CHAIN, &step(None, &granted)).unwrap();
                block += 1;
            }
        }
        reference.agrees(&store.range(CHAIN).unwrap());
        most = most.max(reference.leaves().len());
    }
    assert!(most > 40, "the run did something: {most}");
}

#[test]
fn every_leaf_has_a_path_under_every_count_that_has_it_and_under_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let granted = numbered(70);
    store.apply_range(CHAIN, &step(None, &granted)).unwrap();
    let mirror = store.range(CHAIN).unwrap();
    for count in 1..=70 {
        let peaks = mirror.peaks(count).unwrap().unwrap();
        for index in 0..count {
            let path = mirror.path(index, count).unwrap().unwrap();
            let peak = peaks.iter().find(|(level, _)| usize::from(*level) == path.path.len()).unwrap().1;
            path.verify(leaf_hash(&grant(index)), count, peak).unwrap();
            assert!(path.verify(leaf_hash(&grant(index + 1)), count, peak).is_err());
        }
        assert_eq!(mirror.path(count, count).unwrap(), None);
    }
    // Counts nobody has reached yet have no peaks, and a path needs nodes that are not there.
    assert_eq!(mirror.peaks(71).unwrap(), None);
    assert_eq!(mirror.path(70, 71).unwrap(), Some(merkle_acl::range::RangeProof { index: 70, path: Vec::new() }));
    assert_eq!(mirror.path(69, 128).unwrap(), None);
    assert_eq!(mirror.place(&grant(70)).unwrap(), None);
}

#[test]
fn what_was_read_is_not_changed_by_later_steps() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.apply_range(CHAIN, &step(None, &numbered(10))).unwrap();
    let before = store.range(CHAIN).unwrap();
    store.apply_range(CHAIN, &step(Some(1), &[])).unwrap();
    assert_eq!(before.count().unwrap(), 10);
    assert!(before.path(9, 10).unwrap().is_some());
    assert_eq!(store.range(CHAIN).unwrap().count().unwrap(), 3);
}

#[test]
fn forgotten_mirror_begins_anew_and_other_chains_keep_theirs() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for chain in [CHAIN - 1, CHAIN, CHAIN + 1] {
        store.apply_range(chain, &step(None, &numbered(9))).unwrap();
    }
    store.forget_range(CHAIN).unwrap();
    assert_eq!(store.range_cursor(CHAIN).unwrap(), None);
    for (chain, count) in [(CHAIN - 1, 9), (CHAIN, 0), (CHAIN + 1, 9)] {
        assert_eq!(store.range(chain).unwrap().count().unwrap(), count);
    }
    store.apply_range(CHAIN, &step(None, &numbered(5))).unwrap();
    Reference { log: numbered(5) }.agrees(&store.range(CHAIN).unwrap());
    Reference { log: numbered(9) }.agrees(&store.range(CHAIN + 1).unwrap());
}

#[test]
fn grants_are_read_in_the_order_of_the_log_and_from_the_acl_alone() {
    let acl = Address::repeat_byte(1);
    let (account, caller) = (Address::repeat_byte(3), Address::repeat_byte(2));
    let [a, b, c] = [1, 2, 3].map(B256::repeat_byte);
    let log = |address: Address, data, block, index| ChainLog {
        block: BlockRef { number: block, hash: B256::ZERO },
        index,
        transaction: B256::ZERO,
        content: Log { address, data },
    };
    let allowed = Allowed { caller, account, handle: a }.encode_log_data();
    let published = AllowedForDecryption { caller, handlesList: vec![c, b, c] }.encode_log_data();
    let mut cut = allowed.clone();
    cut.data = cut.data.slice(..31);
    let logs = [
        log(acl, published, 5, 0),
        log(Address::repeat_byte(9), allowed.clone(), 5, 1),
        log(acl, cut, 5, 2),
        log(acl, allowed, 6, 0),
    ];
    let public = |handle| Granted { grant: Grant::Public { handle }, block: 5 };
    let persistent = Granted { grant: Grant::Persistent { handle: a, account }, block: 6 };
    assert_eq!(fold(acl, &logs), [public(c), public(b), public(c), persistent]);
}

#[test]
fn a_grant_of_a_dropped_branch_takes_the_place_the_new_branch_gives_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut order: Vec<Granted> = numbered(6);
    store.apply_range(CHAIN, &step(None, &order)).unwrap();
    let moved: Vec<Granted> = [5, 4, 3].map(|number| Granted { grant: grant(number), block: 1 }).to_vec();
    store.apply_range(CHAIN, &step(Some(1), &moved)).unwrap();
    order.truncate(3);
    order.extend(moved);
    Reference { log: order }.agrees(&store.range(CHAIN).unwrap());
}
