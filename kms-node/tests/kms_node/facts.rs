//! Checks 14 to 17: what the ACL must say in the accepted block. Faults 9 and 10: never allowed, allowed to another, taken back.

use crate::common::chain::InMemoryChain;
use crate::common::{DAPP, address_of, handle, user};
use crate::policy::{a_handle, changed, public};
use crate::trial::{NOW, Trial, grant_public, public_trial, says};
use alloy_primitives::{Address, B256, U256};
use merkle_acl::{ANY_CONTRACT, Grant, keys};
use tkms_kms_node::evidence::Evidence as Opened;
use tkms_kms_node::policy::anchor;
use tkms_kms_node::refusal::{Refusal, RefusalClass};
use tkms_kms_node::request::Request;
use tkms_types::{FheType, HandlePair};
use tkms_wire::evidence::Evidence;

/// A chain of whose state `change` is part, judged for a request on an honest oracle's evidence.
fn judged(request: &Request, change: impl Fn(&InMemoryChain)) -> Result<(), Refusal> {
    let trial = Trial::new(request.clone(), change);
    trial.judge(&trial.evidence()).map(drop)
}

fn allow(chain: &InMemoryChain, account: Address) {
    chain.grant(Grant::Persistent { handle: a_handle().0, account });
}

fn allow_both(chain: &InMemoryChain) {
    allow(chain, address_of(&user()));
    allow(chain, DAPP);
}

#[test]
fn grants_are_shown_by_path_or_by_slot() {
    assert_eq!(judged(&public(&[a_handle()]), grant_public), Ok(()));
    assert_eq!(judged(&changed(|_| {}), allow_both), Ok(()));
    // An ACL that keeps the mapping and no range
    let slot = Grant::Public { handle: a_handle().0 }.slot();
    assert_eq!(judged(&public(&[a_handle()]), |chain| chain.set(slot, U256::ONE)), Ok(()));
    says(
        judged(&public(&[a_handle()]), |chain| chain.set(slot, U256::from(2))),
        "SlotProofInvalid",
        RefusalClass::Retry,
    );
}

#[test]
fn a_grant_that_the_evidence_does_not_speak_of_is_missing() {
    let trial = public_trial();
    let mut silent = trial.evidence();
    silent.places.clear();
    silent.hashes.clear();
    says(trial.judge(&silent), "GrantMissing", RefusalClass::Retry);
}

#[test]
fn paths_that_do_not_lead_to_the_peak_are_refused() {
    let trial = public_trial();
    let refused = |change: &dyn Fn(&mut Evidence)| {
        let mut evidence = trial.evidence();
        change(&mut evidence);
        says(trial.judge(&evidence), "GrantProofInvalid", RefusalClass::Retry);
    };
    refused(&|e| e.places[0] = 1);
    refused(&|e| e.places[0] = 3);
    refused(&|e| e.places[0] = u64::MAX);
    refused(&|e| e.hashes[0] = B256::ZERO);
    refused(&|e| e.hashes.clear());
    refused(&|e| e.hashes.push(B256::ZERO));
    refused(&|e| e.places.push(e.places[0]));
    refused(&|e| {
        // The place of a grant that nobody asked for, from which the first one's path would follow
        e.places.insert(0, 1);
        e.hashes.clear();
    });
    // The path of a grant to nobody, offered as public
    let nobody = Trial::new(public(&[a_handle()]), |chain| {
        chain.grant(Grant::Public { handle: B256::ZERO });
        allow(chain, Address::ZERO);
    });
    let all = [Grant::Persistent { handle: a_handle().0, account: Address::ZERO }].map(merkle_acl::Fact::Granted);
    let forged = nobody.chain.parts(5, &all).compact(nobody.evidence().attested);
    assert!(forged.places.len() == 1 && !forged.slots.contains(&Grant::Public { handle: a_handle().0 }.slot()));
    says(nobody.judge(&forged), "GrantProofInvalid", RefusalClass::Retry);
}

#[test]
fn ten_grants_of_one_request_are_shown_together_and_each_alone_to_peers() {
    let handles: Vec<_> = (1..=10).map(|number| handle(number, FheType::Bool)).collect();
    let trial = Trial::new(public(&handles), |chain| {
        for handle in &handles {
            chain.grant(Grant::Persistent { handle: handle.0, account: DAPP });
            chain.grant(Grant::Public { handle: handle.0 });
        }
    });
    let opened = Opened::open(&trial.evidence(), &trial.host, &trial.wanted()).unwrap();
    let block = trial.judge(&trial.evidence()).unwrap().block;
    let wanted = tkms_kms_node::policy::facts(&trial.request, &trial.host, NOW);
    let shown = anchor::facts(&opened, &block, &wanted).unwrap();
    assert_eq!((shown.paths.len(), shown.slots.len()), (10, 0));
    for handle in &handles {
        let grant = Grant::Public { handle: handle.0 };
        let (_, path) = shown.paths.iter().find(|(other, _)| *other == grant).unwrap();
        let alone = opened.for_grant(&trial.host.contracts, grant, Some(path), block.range_count().unwrap()).unwrap();
        let mut single = public_trial();
        (single.chain, single.request) = (trial.chain.clone(), public(&[*handle]));
        assert!(single.judge(&alone).is_ok());
        single.request = public(&handles);
        says(single.judge(&alone), "GrantProofInvalid", RefusalClass::Retry);
    }
}

#[test]
fn check_14_grants() {
    let (me, user_request) = (address_of(&user()), changed(|_| {}));
    says(judged(&public(&[a_handle()]), |_| {}), "GrantMissing", RefusalClass::Retry);
    says(judged(&public(&[a_handle()]), allow_both), "GrantMissing", RefusalClass::Retry);
    says(judged(&public(&[a_handle()]), |chain| allow(chain, Address::ZERO)), "GrantMissing", RefusalClass::Retry);
    says(judged(&user_request, |chain| allow(chain, me)), "GrantMissing", RefusalClass::Retry);
    says(judged(&user_request, |chain| allow(chain, DAPP)), "GrantMissing", RefusalClass::Retry);
    says(judged(&user_request, grant_public), "GrantMissing", RefusalClass::Retry);
    let two = public(&[a_handle(), handle(2, FheType::Bool)]);
    says(judged(&two, grant_public), "GrantMissing", RefusalClass::Retry);
}

#[test]
fn check_14_another_contract_cannot_use_the_handle() {
    let other = Address::repeat_byte(0xee);
    let request = changed(|request| {
        request.contracts = vec![other];
        request.pairs = vec![HandlePair { handle: a_handle(), contract: other }];
    });
    says(judged(&request, allow_both), "GrantMissing", RefusalClass::Retry);
}

#[test]
fn check_15_delegation() {
    let (me, owner) = (address_of(&user()), Address::repeat_byte(0x0e));
    let request = changed(move |request| request.delegator = Some(owner));
    let with = |contract: Address, expiry: u64| {
        judged(&request, move |chain| {
            allow(chain, owner);
            allow(chain, DAPP);
            chain.set(keys::delegation(owner, me, contract), U256::from(expiry));
        })
    };
    assert_eq!(with(DAPP, NOW + 10), Ok(()));
    assert_eq!(with(ANY_CONTRACT, u64::MAX), Ok(()));
    says(with(DAPP, 0), "DelegationMissing", RefusalClass::Retry);
    says(with(Address::repeat_byte(0xee), NOW + 10), "DelegationMissing", RefusalClass::Retry);
    says(with(DAPP, NOW - 1), "DelegationExpired", RefusalClass::Retry);
    says(judged(&request, allow_both), "GrantMissing", RefusalClass::Retry);
}

#[test]
fn checks_16_and_17_withdrawn_permits_and_denied_accounts() {
    let me = address_of(&user());
    let request = changed(|_| {});
    let with = |slot: B256, word: U256| {
        judged(&request, move |chain| {
            allow_both(chain);
            chain.set(slot, word);
        })
    };
    assert_eq!(with(keys::invalidated_before(me), U256::from(NOW - 100)), Ok(()));
    says(with(keys::invalidated_before(me), U256::from(NOW - 99)), "PermitInvalidated", RefusalClass::Permanent);
    says(with(keys::denied(me), U256::ONE), "AccountDenied", RefusalClass::Permanent);
}

#[test]
fn check_17_is_for_chains_that_say_so() {
    let me = address_of(&user());
    let mut trial = Trial::new(changed(|_| {}), |chain| {
        allow_both(chain);
        chain.set(keys::denied(me), U256::ONE);
    });
    says(trial.judge(&trial.evidence()), "AccountDenied", RefusalClass::Permanent);
    trial.host.deny_blocks_user_decryption = false;
    assert!(trial.judge(&trial.evidence()).is_ok());
}
