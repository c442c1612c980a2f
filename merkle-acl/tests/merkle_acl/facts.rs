//! Which facts a state proves, and the name under which each other one is refused.

use crate::common::{Chain, NUMBER, TIME, header_fields, list};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use merkle_acl::{
    ANY_CONTRACT, AclError, AclLayout, Fact, Grant, GrantKind, MAX_FACTS, SlotProof, TrieError, keys, slots_for, verify,
};

const HANDLE: B256 = B256::repeat_byte(0x11);
const USER: Address = Address::repeat_byte(0x22);
const FRIEND: Address = Address::repeat_byte(0x33);
const DAPP: Address = Address::repeat_byte(0x44);
const LAYOUTS: [AclLayout; 2] = [AclLayout::Range, AclLayout::SlotsOnly];

fn public() -> Fact {
    Fact::Granted(Grant::Public { handle: HANDLE })
}

fn allowed(account: Address) -> Fact {
    Fact::Granted(Grant::Persistent { handle: HANDLE, account })
}

fn delegated(now: u64) -> Fact {
    Fact::Delegated { delegator: USER, delegate: FRIEND, contract: DAPP, now }
}

fn check(chain: &Chain, facts: &[Fact]) -> Result<(), AclError> {
    verify(&chain.evidence(facts), &chain.acl, facts).map(|_| ())
}

#[test]
fn grants_are_proven_in_both_layouts() {
    for layout in LAYOUTS {
        let mut chain = Chain::busy(layout);
        let facts = [public(), allowed(USER), allowed(DAPP)];
        facts.iter().for_each(|fact| {
            chain.grant(*fact);
        });
        let verified = verify(&chain.evidence(&facts), &chain.acl, &facts).unwrap();
        assert_eq!((verified.anchor().number(), verified.anchor().timestamp()), (NUMBER, TIME));
        assert_eq!(verified.facts(), facts);
        assert_eq!(verified.range_count(), (layout == AclLayout::Range).then_some(0));
    }
}

#[test]
fn a_whole_user_decryption_is_proven_at_once() {
    let mut chain = Chain::busy(AclLayout::Range);
    let permit = Fact::PermitStands { account: FRIEND, start: TIME };
    let facts = [permit, Fact::NotDenied(USER), Fact::NotDenied(FRIEND), delegated(TIME), allowed(USER), allowed(DAPP)];
    chain.grant(allowed(USER)).grant(allowed(DAPP));
    chain.set(keys::delegation(USER, FRIEND, DAPP), U256::from(TIME + 1));
    chain.set(keys::RANGE_NAMESPACE, U256::from(2));
    let verified = verify(&chain.evidence(&facts), &chain.acl, &facts).unwrap();
    assert_eq!(verified.range_count(), Some(2));
}

#[test]
fn a_grant_that_is_not_there_is_refused_by_its_name() {
    let mut chain = Chain::busy(AclLayout::Range);
    chain.grant(allowed(USER));
    let missing = |kind, subject| Err(AclError::GrantMissing { handle: HANDLE, kind, subject });
    assert_eq!(check(&chain, &[allowed(USER), allowed(DAPP)]), missing(GrantKind::Persistent, DAPP));
    assert_eq!(check(&chain, &[public()]), missing(GrantKind::Public, Address::ZERO));
    let other = Fact::Granted(Grant::Persistent { handle: B256::repeat_byte(0x12), account: USER });
    assert!(matches!(check(&chain, &[other]), Err(AclError::GrantMissing { .. })));
}

#[test]
fn a_grant_to_the_zero_address_is_not_public() {
    let mut chain = Chain::busy(AclLayout::Range);
    chain.grant(allowed(Address::ZERO));
    assert_eq!(check(&chain, &[allowed(Address::ZERO)]), Ok(()));
    assert!(matches!(check(&chain, &[public()]), Err(AclError::GrantMissing { kind: GrantKind::Public, .. })));
}

#[test]
fn a_flag_other_than_one_is_no_grant() {
    for word in [U256::from(2), U256::MAX, U256::from(1) << 8, (U256::from(1) << 64) + U256::ONE] {
        let mut chain = Chain::busy(AclLayout::Range);
        chain.set(keys::public(HANDLE), word);
        let refused = AclError::SlotValueInvalid { slot: keys::public(HANDLE), value: word };
        assert_eq!(check(&chain, &[public()]), Err(refused));
    }
}

#[test]
fn a_paused_acl_proves_nothing() {
    for layout in LAYOUTS {
        let mut chain = Chain::busy(layout);
        chain.grant(public());
        let paused = match layout {
            AclLayout::Range => (U256::from(1) << 64) + U256::from(5),
            AclLayout::SlotsOnly => U256::from(1),
        };
        chain.set(layout.pause_slot(), paused);
        assert_eq!(check(&chain, &[public()]), Err(AclError::AclPaused));
    }
}

#[test]
fn the_range_word_holds_count_and_pause_only() {
    let mut chain = Chain::busy(AclLayout::Range);
    chain.set(keys::RANGE_NAMESPACE, U256::from(1) << 65);
    assert!(matches!(check(&chain, &[]), Err(AclError::SlotValueInvalid { .. })));
    chain.set(keys::RANGE_NAMESPACE, U256::from(1) << 128);
    assert!(matches!(check(&chain, &[]), Err(AclError::SlotValueInvalid { .. })));
    chain.set(keys::RANGE_NAMESPACE, U256::from(u64::MAX));
    assert_eq!(check(&chain, &[]), Ok(()));
}

#[test]
fn a_delegation_must_outlast_now() {
    // Bits above 63 hold the last block and a counter.
    let word = |expiry: u64| U256::from(expiry) + (U256::from(9) << 64) + (U256::from(3) << 128);
    let mut chain = Chain::busy(AclLayout::Range);
    let missing = AclError::DelegationMissing { delegator: USER, delegate: FRIEND, contract: DAPP };
    assert_eq!(check(&chain, &[delegated(TIME)]), Err(missing.clone()));
    chain.set(keys::delegation(USER, FRIEND, DAPP), word(0));
    assert_eq!(check(&chain, &[delegated(TIME)]), Err(missing));
    chain.set(keys::delegation(USER, FRIEND, DAPP), word(TIME));
    let expired = AclError::DelegationExpired { delegator: USER, delegate: FRIEND, contract: DAPP, expiry: TIME };
    assert_eq!(check(&chain, &[delegated(TIME)]), Err(expired));
    assert_eq!(check(&chain, &[delegated(TIME - 1)]), Ok(()));
}

#[test]
fn a_delegation_for_all_contracts_counts_and_another_one_does_not() {
    let mut chain = Chain::busy(AclLayout::Range);
    let forever = U256::from(u64::MAX);
    chain.set(keys::delegation(USER, FRIEND, USER), forever);
    chain.set(keys::delegation(FRIEND, USER, DAPP), forever);
    assert!(matches!(check(&chain, &[delegated(TIME)]), Err(AclError::DelegationMissing { .. })));
    chain.set(keys::delegation(USER, FRIEND, DAPP), U256::from(1));
    chain.set(keys::delegation(USER, FRIEND, ANY_CONTRACT), forever);
    assert_eq!(check(&chain, &[delegated(TIME)]), Ok(()));
}

#[test]
fn an_invalidated_permit_is_refused() {
    for layout in LAYOUTS {
        let mut chain = Chain::busy(layout);
        let permit = |start| [Fact::PermitStands { account: USER, start }];
        assert_eq!(check(&chain, &permit(0)), Ok(()));
        chain.set(keys::invalidated_before(USER), U256::from(TIME));
        assert_eq!(check(&chain, &permit(TIME)), Ok(()));
        assert!(matches!(check(&chain, &permit(TIME - 1)), Err(AclError::PermitInvalidated { .. })));
        chain.set(keys::invalidated_before(USER), U256::MAX);
        assert!(matches!(check(&chain, &permit(u64::MAX)), Err(AclError::PermitInvalidated { .. })));
    }
}

#[test]
fn a_denied_account_is_refused_whatever_the_flag_holds() {
    for word in [1, 2, 256] {
        let mut chain = Chain::busy(AclLayout::Range);
        chain.set(keys::denied(USER), U256::from(word));
        assert_eq!(
            check(&chain, &[Fact::NotDenied(FRIEND), Fact::NotDenied(USER)]),
            Err(AclError::AccountDenied(USER))
        );
    }
}

#[test]
fn the_absence_of_a_deny_entry_cannot_be_faked_by_a_cut_proof() {
    let mut chain = Chain::busy(AclLayout::Range);
    chain.set(keys::denied(USER), U256::ONE);
    let facts = [Fact::NotDenied(USER)];
    let honest = chain.evidence(&facts);
    let position = honest.slots.iter().position(|proof| proof.slot == keys::denied(USER)).unwrap();
    for kept in 0..honest.slots[position].nodes.len() {
        let mut cut = honest.clone();
        cut.slots[position].nodes.truncate(kept);
        let refused = AclError::SlotProofInvalid { slot: keys::denied(USER), reason: TrieError::Truncated };
        assert_eq!(verify(&cut, &chain.acl, &facts), Err(refused));
    }
}

#[test]
fn an_empty_storage_proves_absence_only() {
    let chain = Chain::new(AclLayout::Range);
    assert_eq!(check(&chain, &[Fact::NotDenied(USER)]), Ok(()));
    assert!(matches!(check(&chain, &[public()]), Err(AclError::GrantMissing { .. })));
}

#[test]
fn other_code_at_the_acl_is_refused() {
    let mut chain = Chain::busy(AclLayout::Range);
    let evidence = chain.grant(public()).evidence(&[public()]);
    let found = chain.acl.code_hash;
    chain.acl.code_hash = keccak256("another code");
    let refused = AclError::AclCodeChanged { found, expected: chain.acl.code_hash };
    assert_eq!(verify(&evidence, &chain.acl, &[public()]), Err(refused));
}

#[test]
fn the_state_of_another_account_is_refused() {
    let mut chain = Chain::busy(AclLayout::Range);
    let evidence = chain.grant(public()).evidence(&[public()]);
    let mut elsewhere = chain.acl;
    elsewhere.address = Address::repeat_byte(7);
    assert!(matches!(verify(&evidence, &elsewhere, &[public()]), Err(AclError::AccountProofInvalid { .. })));
    elsewhere.address = Address::repeat_byte(0xee);
    assert!(matches!(verify(&evidence, &elsewhere, &[public()]), Err(AclError::AccountProofInvalid { .. })));
}

#[test]
fn a_proof_under_another_header_is_refused() {
    let mut chain = Chain::busy(AclLayout::Range);
    let mut evidence = chain.grant(public()).evidence(&[public()]);
    evidence.header = list(&header_fields(B256::repeat_byte(1), NUMBER, TIME)).into();
    let reason = TrieError::WrongNode { index: 0 };
    let refused = AclError::AccountProofInvalid { acl: chain.acl.address, reason };
    assert_eq!(verify(&evidence, &chain.acl, &[public()]), Err(refused));
    evidence.header = Bytes::from_static(b"header");
    assert!(matches!(verify(&evidence, &chain.acl, &[public()]), Err(AclError::HeaderMalformed(_))));
}

#[test]
fn storage_of_an_earlier_block_is_refused() {
    let mut chain = Chain::busy(AclLayout::Range);
    let old = chain.grant(public()).evidence(&[public()]);
    chain.set(keys::denied(USER), U256::ONE);
    let mut mixed = chain.evidence(&[public()]);
    mixed.slots = old.slots;
    assert!(matches!(verify(&mixed, &chain.acl, &[public()]), Err(AclError::SlotProofInvalid { .. })));
}

#[test]
fn a_proof_relabelled_as_another_slot_is_refused() {
    let mut chain = Chain::busy(AclLayout::Range);
    chain.grant(allowed(DAPP));
    let mut evidence = chain.evidence_for(&[keys::RANGE_NAMESPACE, keys::persistent(HANDLE, DAPP)]);
    evidence.slots[1].slot = keys::persistent(HANDLE, USER);
    assert!(matches!(verify(&evidence, &chain.acl, &[allowed(USER)]), Err(AclError::SlotProofInvalid { .. })));
}

#[test]
fn every_needed_slot_is_proven_exactly_once_and_no_other() {
    let mut chain = Chain::busy(AclLayout::Range);
    let honest = chain.grant(public()).evidence(&[public()]);
    for missing in 0..honest.slots.len() {
        let mut evidence = honest.clone();
        let SlotProof { slot, .. } = evidence.slots.remove(missing);
        assert_eq!(verify(&evidence, &chain.acl, &[public()]), Err(AclError::SlotProofMissing { slot }));
    }
    let mut twice = honest.clone();
    twice.slots.push(honest.slots[0].clone());
    assert!(matches!(verify(&twice, &chain.acl, &[public()]), Err(AclError::SlotProofRepeated { .. })));
    assert!(matches!(verify(&honest, &chain.acl, &[]), Err(AclError::SlotProofUnneeded { .. })));
}

#[test]
fn the_number_of_facts_is_bounded() {
    let chain = Chain::new(AclLayout::Range);
    let facts = vec![public(); MAX_FACTS + 1];
    assert!(matches!(check(&chain, &facts), Err(AclError::TooManyFacts { .. })));
}

#[test]
fn refusals_come_in_the_order_of_the_policy() {
    let mut chain = Chain::busy(AclLayout::Range);
    chain.set(keys::denied(USER), U256::ONE);
    let facts = [Fact::NotDenied(USER), delegated(TIME), public()];
    assert!(matches!(check(&chain, &facts), Err(AclError::GrantMissing { .. })));
    chain.grant(public());
    assert!(matches!(check(&chain, &facts), Err(AclError::DelegationMissing { .. })));
    chain.set(keys::delegation(USER, FRIEND, DAPP), U256::from(u64::MAX));
    assert!(matches!(check(&chain, &facts), Err(AclError::AccountDenied(_))));
}

#[test]
fn slots_are_listed_once_however_often_facts_repeat() {
    let facts = [
        public(),
        public(),
        delegated(1),
        Fact::Delegated { delegator: USER, delegate: FRIEND, contract: USER, now: 1 },
    ];
    // Pause word, public flag, two contracts and the wildcard they share.
    assert_eq!(slots_for(AclLayout::Range, &facts).len(), 5);
}
