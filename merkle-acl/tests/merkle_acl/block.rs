//! Under one checked block: a path or a slot for each grant, slots for what can be taken back, and every bound.

use crate::common::{Chain, NUMBER};
use alloy_primitives::{Address, B256, U256, keccak256};
use merkle_acl::{
    AclBlock, AclError, AclLayout, AclProof, Fact, Grant, GrantKind, MAX_FACTS, ProofError, TrieError, keys,
    range::{RangeError, RangeProof},
    range_slots,
};

const USER: Address = Address::repeat_byte(0x22);

fn handle(i: u64) -> B256 {
    keccak256(i.to_be_bytes())
}

fn grant(i: u64) -> Grant {
    match i % 3 {
        2 => Grant::Public { handle: handle(i) },
        _ => Grant::Persistent { handle: handle(i), account: USER },
    }
}

/// A chain with `n` grants.
fn chain(n: u64) -> Chain {
    let mut chain = Chain::busy(AclLayout::Range);
    (0..n).for_each(|i| {
        chain.append(grant(i));
    });
    chain
}

fn block(chain: &Chain) -> AclBlock {
    AclBlock::verify(&chain.block(), &chain.acl).unwrap()
}

fn check(chain: &Chain, proofs: &[AclProof], wanted: &[Fact]) -> Result<(), ProofError> {
    block(chain).facts(proofs, wanted).map(|verified| assert_eq!(verified.facts(), wanted))
}

fn refused_path(i: u64, reason: RangeError) -> Result<(), ProofError> {
    Err(ProofError::GrantProofInvalid { grant: grant(i), reason })
}

#[test]
fn every_grant_is_proven_by_its_path_and_by_its_slot() {
    let chain = chain(13);
    let block = block(&chain);
    assert_eq!((block.anchor().number(), block.range_count()), (NUMBER, Some(13)));
    for i in 0..13 {
        let wanted = [Fact::Granted(grant(i))];
        let by_path = block.facts(&[chain.path(grant(i))], &wanted).unwrap();
        let by_slot = block.facts(&[chain.slot(grant(i).slot())], &wanted).unwrap();
        assert_eq!(by_path, by_slot);
        assert_eq!((by_path.anchor(), by_path.range_count()), (block.anchor(), Some(13)));
    }
}

#[test]
fn both_kinds_of_proof_and_of_fact_go_together() {
    let chain = chain(6);
    let wanted = [
        Fact::Granted(grant(1)),
        Fact::Granted(grant(4)),
        Fact::NotDenied(USER),
        Fact::PermitStands { account: USER, start: 9 },
        Fact::Granted(grant(1)),
    ];
    let proofs = [
        chain.slot(keys::denied(USER)),
        chain.path(grant(1)),
        chain.slot(grant(4).slot()),
        chain.slot(keys::invalidated_before(USER)),
    ];
    assert_eq!(check(&chain, &proofs, &wanted), Ok(()));
    assert_eq!(check(&chain, &[], &[]), Ok(()));
}

#[test]
fn a_grant_without_proof_is_refused() {
    let chain = chain(6);
    let missing = AclError::SlotProofMissing { slot: grant(1).slot() };
    assert_eq!(
        check(&chain, &[chain.path(grant(0))], &[Fact::Granted(grant(0)), Fact::Granted(grant(1))]),
        Err(missing.into())
    );
}

#[test]
fn a_grant_never_given_is_refused_either_way() {
    let chain = chain(6);
    let wanted = [Fact::Granted(grant(9))];
    let AclProof::Path { path, .. } = chain.path(grant(0)) else { panic!() };
    assert_eq!(
        check(&chain, &[AclProof::Path { grant: grant(9), path }], &wanted),
        refused_path(9, RangeError::WrongPeak)
    );
    let missing = AclError::GrantMissing { handle: handle(9), kind: GrantKind::Persistent, subject: USER };
    assert_eq!(check(&chain, &[chain.slot(grant(9).slot())], &wanted), Err(missing.into()));
}

#[test]
fn the_path_of_a_grant_to_nobody_shows_no_public_grant() {
    let mut chain = chain(3);
    let to_zero = Grant::Persistent { handle: handle(50), account: Address::ZERO };
    chain.append(to_zero);
    let AclProof::Path { path, .. } = chain.path(to_zero) else { panic!() };
    let public = Grant::Public { handle: handle(50) };
    let refused = ProofError::GrantProofInvalid { grant: public, reason: RangeError::WrongPeak };
    assert_eq!(check(&chain, &[AclProof::Path { grant: public, path }], &[Fact::Granted(public)]), Err(refused));
    assert_eq!(check(&chain, &[chain.path(to_zero)], &[Fact::Granted(to_zero)]), Ok(()));
}

#[test]
fn a_path_of_an_earlier_count_is_refused_once_its_peak_is_merged() {
    let mut chain = chain(6);
    let old = chain.path(grant(5));
    assert_eq!(check(&chain, std::slice::from_ref(&old), &[Fact::Granted(grant(5))]), Ok(()));
    chain.append(grant(6)).append(grant(7));
    let wrong = RangeError::PathLength { found: 1, expected: 3 };
    assert_eq!(check(&chain, &[old], &[Fact::Granted(grant(5))]), refused_path(5, wrong));
}

#[test]
fn a_stale_peak_is_no_part_of_a_block() {
    let chain = chain(8);
    // Levels 0 to 2 still hold what they held before the merge.
    for level in 0..3 {
        let evidence = chain.evidence_for(&[keys::RANGE_NAMESPACE, keys::range_peak(3), keys::range_peak(level)]);
        let refused = AclError::SlotProofUnneeded { slot: keys::range_peak(level) };
        assert_eq!(AclBlock::verify(&evidence, &chain.acl), Err(refused));
    }
}

#[test]
fn a_block_may_cover_some_peaks_only_and_says_which_is_missing() {
    let chain = chain(13);
    let evidence = chain.evidence_for(&[keys::RANGE_NAMESPACE, keys::range_peak(2)]);
    let block = AclBlock::verify(&evidence, &chain.acl).unwrap();
    assert!(block.facts(&[chain.path(grant(9))], &[Fact::Granted(grant(9))]).is_ok());
    let refused = ProofError::GrantProofInvalid { grant: grant(0), reason: RangeError::NoPeak(3) };
    assert_eq!(block.facts(&[chain.path(grant(0))], &[Fact::Granted(grant(0))]), Err(refused));
}

#[test]
fn the_word_with_the_count_is_needed_once() {
    let chain = chain(4);
    let honest = chain.block();
    let mut missing = honest.clone();
    missing.slots.retain(|proof| proof.slot != keys::RANGE_NAMESPACE);
    let refused = AclError::SlotProofMissing { slot: keys::RANGE_NAMESPACE };
    assert_eq!(AclBlock::verify(&missing, &chain.acl), Err(refused));
    for repeated in honest.slots.clone() {
        let mut twice = honest.clone();
        twice.slots.push(repeated.clone());
        assert_eq!(AclBlock::verify(&twice, &chain.acl), Err(AclError::SlotProofRepeated { slot: repeated.slot }));
    }
}

#[test]
fn count_and_peak_of_different_blocks_do_not_mix() {
    let mut chain = chain(5);
    let old = chain.block();
    chain.append(grant(5));
    let mut mixed = chain.block();
    let place = mixed.slots.iter().position(|proof| proof.slot == keys::range_peak(2)).unwrap();
    mixed.slots[place] = old.slots.iter().find(|proof| proof.slot == keys::range_peak(2)).unwrap().clone();
    assert!(matches!(AclBlock::verify(&mixed, &chain.acl), Err(AclError::SlotProofInvalid { .. })));
}

#[test]
fn proofs_nobody_needs_are_refused() {
    let chain = chain(6);
    let wanted = [Fact::Granted(grant(1))];
    let (one, other) = (chain.path(grant(1)), chain.path(grant(2)));
    assert_eq!(check(&chain, &[one.clone(), other], &wanted), Err(ProofError::GrantProofUnneeded(grant(2))));
    assert_eq!(check(&chain, &[one.clone(), one.clone()], &wanted), Err(ProofError::GrantProofRepeated(grant(1))));
    // The slot of a grant that its path shows already, and the block's own word.
    for slot in [grant(1).slot(), keys::RANGE_NAMESPACE] {
        let refused = AclError::SlotProofUnneeded { slot };
        assert_eq!(check(&chain, &[one.clone(), chain.slot(slot)], &wanted), Err(refused.into()));
    }
}

#[test]
fn what_can_be_taken_back_is_read_in_this_block() {
    let mut chain = chain(3);
    let wanted = [Fact::NotDenied(USER)];
    let old = chain.slot(keys::denied(USER));
    assert_eq!(check(&chain, std::slice::from_ref(&old), &wanted), Ok(()));
    chain.set(keys::denied(USER), U256::ONE);
    let reason = TrieError::WrongNode { index: 0 };
    let stale = AclError::SlotProofInvalid { slot: keys::denied(USER), reason };
    assert_eq!(check(&chain, &[old], &wanted), Err(stale.into()));
    assert_eq!(check(&chain, &[chain.slot(keys::denied(USER))], &wanted), Err(AclError::AccountDenied(USER).into()));
    assert_eq!(check(&chain, &[], &wanted), Err(AclError::SlotProofMissing { slot: keys::denied(USER) }.into()));
}

#[test]
fn a_paused_acl_or_other_code_gives_no_block() {
    let mut chain = chain(3);
    let evidence = chain.block();
    let mut other = chain.acl;
    other.code_hash = B256::ZERO;
    assert!(matches!(AclBlock::verify(&evidence, &other), Err(AclError::AclCodeChanged { .. })));
    chain.set(keys::RANGE_NAMESPACE, (U256::from(1) << 64) + U256::from(3));
    assert_eq!(AclBlock::verify(&chain.block(), &chain.acl), Err(AclError::AclPaused));
}

#[test]
fn an_acl_without_range_takes_slots_only() {
    let mut chain = Chain::busy(AclLayout::SlotsOnly);
    chain.grant(Fact::Granted(grant(0)));
    let wanted = [Fact::Granted(grant(0))];
    assert_eq!(block(&chain).range_count(), None);
    assert_eq!(check(&chain, &[chain.slot(grant(0).slot())], &wanted), Ok(()));
    let path = AclProof::Path { grant: grant(0), path: RangeProof { index: 0, path: Vec::new() } };
    assert_eq!(check(&chain, &[path], &wanted), refused_path(0, RangeError::NoRange));
}

#[test]
fn an_empty_range_proves_no_grant() {
    let chain = chain(0);
    let path = AclProof::Path { grant: grant(0), path: RangeProof { index: 0, path: Vec::new() } };
    assert_eq!(block(&chain).range_count(), Some(0));
    let nothing = RangeError::OutOfRange { index: 0, count: 0 };
    assert_eq!(check(&chain, &[path], &[Fact::Granted(grant(0))]), refused_path(0, nothing));
}

#[test]
fn facts_are_bounded_and_slots_of_a_block_are_the_live_ones() {
    let chain = chain(1);
    let many = vec![Fact::Granted(grant(0)); MAX_FACTS + 1];
    let refused = AclError::TooManyFacts { len: MAX_FACTS + 1, max: MAX_FACTS };
    assert_eq!(check(&chain, &[], &many), Err(refused.into()));
    assert_eq!(
        range_slots(AclLayout::Range, 0b1010),
        [keys::RANGE_NAMESPACE, keys::range_peak(1), keys::range_peak(3)]
    );
    assert_eq!(range_slots(AclLayout::Range, u64::MAX).len(), 42);
    assert_eq!(range_slots(AclLayout::SlotsOnly, 0b1010), [keys::FOREIGN_PAUSE_SLOT]);
}

#[test]
fn a_known_block_takes_in_further_peaks_of_its_own() {
    let chain = chain(13);
    let only_word = chain.evidence_for(&[keys::RANGE_NAMESPACE]);
    let bare = AclBlock::verify(&only_word, &chain.acl).unwrap();
    let all = chain.block();
    assert_eq!(bare.with_peaks(&all.slots).unwrap(), block(&chain));
    assert_eq!(block(&chain).with_peaks(&all.slots).unwrap(), block(&chain), "nothing is proven again");
    assert_eq!(bare.with_peaks(&[]).unwrap(), bare);
    for slot in [keys::range_peak(0), keys::range_peak(2), keys::range_peak(3)] {
        assert!(AclBlock::is_block_slot(AclLayout::Range, slot));
        let one = bare.with_peaks(&chain.evidence_for(&[slot]).slots).unwrap();
        assert_ne!(one, bare);
    }
    assert!(!AclBlock::is_block_slot(AclLayout::Range, keys::denied(USER)));
    assert!(!AclBlock::is_block_slot(AclLayout::SlotsOnly, keys::range_peak(0)));
}

#[test]
fn what_is_no_live_peak_of_this_very_block_is_not_taken_in() {
    let chain = chain(13);
    let bare = AclBlock::verify(&chain.evidence_for(&[keys::RANGE_NAMESPACE]), &chain.acl).unwrap();
    // Level 1 was merged long ago and still has its word
    for slot in [keys::range_peak(1), keys::range_peak(4), keys::denied(USER)] {
        let proofs = chain.evidence_for(&[slot]).slots;
        assert_eq!(bare.with_peaks(&proofs), Err(AclError::SlotProofUnneeded { slot }));
    }
    let slot = keys::range_peak(0);
    let twice = [chain.evidence_for(&[slot]).slots, chain.evidence_for(&[slot]).slots].concat();
    assert_eq!(bare.with_peaks(&twice), Err(AclError::SlotProofRepeated { slot }));
    let later = self::chain(15).evidence_for(&[slot]).slots;
    assert!(matches!(bare.with_peaks(&later), Err(AclError::SlotProofInvalid { .. })));
}
