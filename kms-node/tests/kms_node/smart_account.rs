//! Permits of smart accounts (ERC-1271): who is believed, on what state, and at which place in the order of checks.

use crate::common::wallets::{
    BYSTANDER, DIGEST, IMPLEMENTATION, LIBRARY, NOBODY, WALLET, World, code, owned_by, owner, slot,
};
use crate::common::{paper_cluster, signing_key};
use crate::policy::{a_handle, changed, public, request};
use crate::trial::{NOW, says};
use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use tkms_kms_node::keystore::KeyState;
use tkms_kms_node::policy::{Admitted, HostState, View, admit};
use tkms_kms_node::refusal::{Refusal, RefusalClass};
use tkms_kms_node::request::{Ask, Request};
use tkms_types::UserRequest;
use tkms_wire::account_witness::AccountWitness;
use tkms_wire::evidence::Evidence;
use tkms_wire::kms;
use tkms_wire::request::Call;
use tkms_wire::signature::sign;

const RETRY: RefusalClass = RefusalClass::Retry;

/// All that a proxied wallet looks at.
fn whole(world: &World) -> AccountWitness {
    world.witness(&[(WALLET, &[slot(0), IMPLEMENTATION]), (LIBRARY, &[])])
}

#[test]
fn a_wallet_speaks_for_its_owner() {
    let accepted = World::owned().answer().unwrap();
    assert_eq!((accepted.account, accepted.code_hash), (WALLET, keccak256(code("OwnerWallet"))));
}

#[test]
fn a_proxy_speaks_with_the_code_of_its_implementation_and_its_own_storage() {
    let world = World::proxied();
    assert!(world.says(&whole(&world)).is_ok());
    // The implementation's own storage knows another owner
    let mut other = World::proxied();
    let library = other.accounts.get_mut(&LIBRARY).unwrap();
    library.storage.insert(slot(0), owned_by(&signing_key(9)));
    assert!(other.says(&whole(&other)).is_ok());
    assert!(other.says_to(&whole(&other), &sign(&signing_key(9), DIGEST).unwrap()).is_err());
}

#[test]
fn code_that_acts_for_a_key_is_asked_where_the_key_has_not_signed() {
    let mut world = World::owned();
    let library = std::mem::take(&mut world.accounts.get_mut(&WALLET).unwrap().code);
    world.accounts.get_mut(&WALLET).unwrap().code = [&hex!("ef0100")[..], LIBRARY.as_slice()].concat().into();
    world.accounts.entry(LIBRARY).or_default().code = library;
    assert!(world.says(&world.witness(&[(WALLET, &[slot(0)]), (LIBRARY, &[])])).is_ok());
    let refusal = world.says(&world.witness(&[(WALLET, &[slot(0)])])).unwrap_err();
    assert!(refusal.to_string().contains(&LIBRARY.to_string()), "{refusal}");
}

#[test]
fn nobody_but_the_owner_is_believed() {
    let world = World::owned();
    let witness = world.witness(&[(WALLET, &[slot(0)])]);
    let good = sign(&owner(), DIGEST).unwrap();
    let mut altered = good;
    altered[3] ^= 1;
    let other_digest = sign(&owner(), B256::repeat_byte(0xd2)).unwrap();
    let stranger = sign(&signing_key(9), DIGEST).unwrap();
    let long = [&good[..], &[0]].concat();
    for signature in [&altered[..], &other_digest, &stranger, &good[..64], &long, &[]] {
        let refused = world.says_to(&witness, signature);
        assert!(refused.as_ref().is_err_and(|refusal| refusal.to_string().contains("another word")), "{refused:?}");
        says(refused, "SmartAccountRejected", RETRY);
    }
    // A former owner
    let sold = World::with(code("OwnerWallet"), [(slot(0), owned_by(&signing_key(9)))]);
    says(sold.answer(), "SmartAccountRejected", RETRY);
}

#[test]
fn what_is_not_proven_is_named() {
    let word = |address: Address| U256::from_be_bytes(address.into_word().0);
    let slots = [slot(0), slot(1)];
    let named = |world: &World, witness: &AccountWitness, name: &str| {
        let refused = world.says(witness);
        assert!(refused.as_ref().is_err_and(|refusal| refusal.to_string().contains(name)), "{name}: {refused:?}");
        says(refused, "SmartAccountUnproven", RETRY);
    };
    let proxied = World::proxied();
    named(&proxied, &proxied.witness(&[(LIBRARY, &[])]), &WALLET.to_string());
    named(&proxied, &proxied.witness(&[(WALLET, &[slot(0), IMPLEMENTATION])]), &LIBRARY.to_string());
    named(&proxied, &proxied.witness(&[(WALLET, &[slot(0)]), (LIBRARY, &[])]), &IMPLEMENTATION.to_string());
    named(&proxied, &proxied.witness(&[(WALLET, &[IMPLEMENTATION]), (LIBRARY, &[])]), &slot(0).to_string());
    for mode in [14, 17] {
        let curious = World::odd(mode, word(BYSTANDER));
        named(&curious, &curious.witness(&[(WALLET, &slots)]), &BYSTANDER.to_string());
        assert!(curious.says(&curious.witness(&[(WALLET, &slots), (BYSTANDER, &[])])).is_ok());
        let curious = World::odd(mode, word(NOBODY));
        named(&curious, &curious.witness(&[(WALLET, &slots)]), &NOBODY.to_string());
        assert!(curious.says(&curious.witness(&[(WALLET, &slots), (NOBODY, &[])])).is_ok(), "proven not to be there");
    }
    let reads = World::odd(15, U256::from(99));
    named(&reads, &reads.witness(&[(WALLET, &slots)]), &slot(99).to_string());
    assert!(reads.says(&reads.witness(&[(WALLET, &[slot(0), slot(1), slot(99)])])).is_ok(), "proven to be 0");
    let hash = World::odd(16, U256::from(76));
    named(&hash, &hash.witness(&[(WALLET, &slots)]), "block 76");
}

#[test]
fn an_account_without_storage_needs_no_slots_proven() {
    let mut empty = World::with(Bytes::from(hex!("60016000526000546000f3")), []);
    // returns nothing of length sload(0) = 0: runs to its end without slot 0 in the witness
    empty.accounts.get_mut(&WALLET).unwrap().storage.clear();
    let refusal = empty.says(&empty.witness(&[(WALLET, &[])])).unwrap_err();
    assert!(refusal.to_string().contains("it returned 0 bytes"), "{refusal}");
}

#[test]
fn proofs_that_do_not_hold_are_refused() {
    let world = World::proxied();
    let good = whole(&world);
    let refused = |code: &str, change: &dyn Fn(&mut AccountWitness)| {
        let mut witness = good.clone();
        change(&mut witness);
        says(world.says(&witness), code, RETRY);
    };
    refused("AccountProofInvalid", &|w| w.accounts[0].code = w.accounts[1].code.clone());
    refused("AccountProofInvalid", &|w| w.accounts[1].code = Bytes::new().0);
    refused("AccountProofInvalid", &|w| w.accounts[0].address = BYSTANDER);
    refused("AccountProofInvalid", &|w| w.accounts[0].nodes = w.accounts[1].nodes.clone());
    refused("AccountProofInvalid", &|w| w.accounts[0].nodes.truncate(1));
    refused("AccountProofInvalid", &|w| w.accounts[0].nodes.clear());
    refused("SlotProofInvalid", &|w| w.accounts[0].slots[0].slot = slot(1));
    refused("SlotProofInvalid", &|w| w.accounts[0].slots[0].nodes.truncate(0));
    refused("SlotProofInvalid", &|w| w.accounts[0].slots[0].nodes = w.accounts[0].slots[1].nodes.clone());
    // The wallet as it stands under another root: the owner of yesterday
    let mut sold = World::proxied();
    sold.accounts.get_mut(&WALLET).unwrap().storage.insert(slot(0), owned_by(&signing_key(9)));
    says(sold.says(&good), "AccountProofInvalid", RETRY);
    // Its account of today, its slot of yesterday
    let mut mixed = whole(&sold);
    let base = u16::try_from(mixed.nodes.len()).unwrap();
    mixed.nodes.extend(good.nodes.iter().cloned());
    mixed.accounts[0].slots[0].nodes = good.accounts[0].slots[0].nodes.iter().map(|place| base + place).collect();
    says(sold.says(&mixed), "SlotProofInvalid", RETRY);
}

#[test]
fn where_no_contract_stands_nobody_is_asked() {
    let mut world = World::owned();
    world.accounts.get_mut(&WALLET).unwrap().code = Bytes::new();
    says(world.says(&world.witness(&[(WALLET, &[])])), "SmartAccountUndeployed", RETRY);
    world.accounts.remove(&WALLET);
    says(world.says(&world.witness(&[(WALLET, &[])])), "SmartAccountUndeployed", RETRY);
    // The code of another world beside the proof that none is there
    let mut lie = world.witness(&[(WALLET, &[])]);
    lie.accounts[0].code = code("OwnerWallet").0;
    says(world.says(&lie), "AccountProofInvalid", RETRY);
}

fn user_with(signature: Bytes, witness: Option<AccountWitness>) -> Request {
    let Ask::User(good) = changed(|_| {}).ask else { unreachable!() };
    let signature = if signature.is_empty() { good.signature.clone() } else { signature };
    let evidence = Evidence {
        header: Bytes::new().0,
        attested: None,
        accounts: Default::default(),
        executor: false,
        storage: Default::default(),
        slots: Vec::new(),
        places: Vec::new(),
        hashes: Vec::new(),
        witness,
    };
    Request { evidence: Some(evidence), ..request(Ask::User(UserRequest { signature, ..good })) }
}

fn admitted(request: &Request) -> Result<Admitted, Refusal> {
    let cluster = paper_cluster();
    let view = View { cluster: &cluster, key_state: KeyState::Active, now: NOW };
    admit(request, &view, |_| HostState::default())
}

#[test]
fn check_8_leaves_open_what_only_a_contract_can_say() {
    let world = World::owned();
    let witness = || Some(world.witness(&[(WALLET, &[slot(0)])]));
    let by_key = admitted(&user_with(Bytes::new(), None)).unwrap();
    assert_eq!(by_key.claim, None);
    let open = admitted(&user_with(Bytes::from_static(&[1; 300]), witness())).unwrap();
    let claim = open.claim.unwrap();
    assert_eq!((claim.signature.len(), open.id), (300, by_key.id), "neither signature nor witness is in the id");
    assert_ne!(claim.digest, B256::ZERO);

    let permanent = RefusalClass::Permanent;
    says(admitted(&user_with(Bytes::from_static(&[1; 65]), None)), "PermitSignatureInvalid", permanent);
    says(admitted(&user_with(Bytes::new(), witness())), "Malformed", permanent);
    let undeployed = [&[1; 65][..], &hex!("6492649264926492649264926492649264926492649264926492649264926492")].concat();
    says(admitted(&user_with(undeployed.into(), witness())), "SmartAccountUnsupported", permanent);
    let mut everybody = public(&[a_handle()]);
    everybody.evidence = user_with(Bytes::new(), witness()).evidence;
    says(admitted(&everybody), "Malformed", permanent);
}

#[test]
fn check_1_a_witness_has_room_of_its_own() {
    let big = |witness: bool| {
        let mut with = user_with(Bytes::from_static(&[1; 65]), None);
        let evidence = with.evidence.as_mut().unwrap();
        if witness {
            let world = World::with(vec![0; 60_000].into(), []);
            evidence.witness = Some(world.witness(&[(WALLET, &[])]));
        } else {
            evidence.storage = vec![0; 180_000].into();
        }
        let Ask::User(request) = with.ask else { unreachable!() };
        let (evidence, wait, label) = (with.evidence, std::time::Duration::ZERO, String::new());
        let call = Call { request, materials: Vec::new(), evidence, finality: None, wait, label };
        Request::user(kms::UserDecryptRequest::from(&call)).map(drop)
    };
    assert!(big(true).is_ok());
    says(big(false), "TooLarge", RefusalClass::Permanent);
}
