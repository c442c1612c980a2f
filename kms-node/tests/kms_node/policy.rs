//! Every refusal of the policy table, by name, at its place in the order.

use crate::common::chain::InMemoryChain;
use crate::common::{
    CHAIN_ID, DAPP, PROFILE, address_of, coprocessor, handle, key_id, material, paper_cluster, permit, public_request,
    signed, signing_key, user, user_request,
};
use alloy_primitives::{Address, B256, Bytes, U256};
use merkle_acl::{ANY_CONTRACT, AclLayout, Grant, keys, slots_for};
use rand::SeedableRng as _;
use std::sync::LazyLock;
use tkms_kms_node::keystore::KeyState;
use tkms_kms_node::policy::anchor::{Evidence, judge};
use tkms_kms_node::policy::provenance::attested;
use tkms_kms_node::policy::{Admitted, AnchorMark, HostState, View, admit, facts};
use tkms_kms_node::refusal::{Refusal, RefusalClass};
use tkms_kms_node::request::{Ask, Request};
use tkms_types::{Cluster, ContextId, FheType, Handle, HandlePair, HostChain, Id as _, KeyId, UserRequest};
use tkms_wire::kms;
use tkms_wire::user_payload::UserKeyPair;

const NOW: u64 = 1_800_000_000;

static PUBLIC_KEY: LazyLock<Bytes> = LazyLock::new(|| {
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
    UserKeyPair::generate(&mut rng).unwrap().public().to_bytes()
});

fn a_handle() -> Handle {
    handle(1, FheType::Uint64)
}

fn public(handles: &[Handle]) -> Request {
    Request { ask: Ask::Public(public_request(handles)), materials: Vec::new() }
}

fn a_user_request(cluster: &Cluster) -> UserRequest {
    user_request(&[a_handle()], PUBLIC_KEY.clone(), NOW - 100, cluster)
}

/// A request of the user after a change, signed anew.
fn changed(change: impl Fn(&mut UserRequest)) -> Request {
    let cluster = paper_cluster();
    let mut request = a_user_request(&cluster);
    change(&mut request);
    Request { ask: Ask::User(permit(request, &cluster, &user())), materials: Vec::new() }
}

fn admitted(request: &Request) -> Result<Admitted, Refusal> {
    let cluster = paper_cluster();
    let view = View { cluster: &cluster, key_state: KeyState::Active, now: NOW };
    admit(request, &view, |_| HostState::default())
}

fn refused(request: &Request, code: &str, class: RefusalClass) {
    let refusal = admitted(request).map(|admitted| admitted.id).unwrap_err();
    assert_eq!((refusal.code(), refusal.class()), (code, class), "{refusal}");
}

#[test]
fn good_requests_are_admitted_and_their_ids_differ() {
    let one = admitted(&public(&[a_handle()])).unwrap();
    let two = admitted(&public(&[a_handle(), a_handle()])).unwrap();
    let three = admitted(&changed(|_| {})).unwrap();
    assert_eq!(one.chain_id, CHAIN_ID);
    assert!(one.id != two.id && two.id != three.id);
}

#[test]
fn signature_and_materials_are_not_in_the_id() {
    let cluster = paper_cluster();
    let mut with_material = public(&[a_handle()]);
    with_material.materials = vec![material(a_handle(), B256::ZERO, &cluster.chains[0])];
    assert_eq!(admitted(&with_material).unwrap().id, admitted(&public(&[a_handle()])).unwrap().id);
}

#[test]
fn check_1_oversize_and_misshapen_messages() {
    let huge = kms::PublicDecryptRequest { extra_data: vec![0; 100_000].into(), ..Default::default() };
    let long = kms::PublicDecryptRequest { label: "x".repeat(65), ..Default::default() };
    let short = kms::PublicDecryptRequest { handles: vec![Bytes::from_static(&[1; 31]).into()], ..Default::default() };
    let cases = [(huge, "TooLarge"), (long, "Malformed"), (short, "Malformed")];
    for (message, code) in cases {
        let refusal = Request::public(message).unwrap_err();
        assert_eq!((refusal.code(), refusal.class()), (code, RefusalClass::Permanent));
    }
    let refusal = Request::user(kms::UserDecryptRequest::default()).unwrap_err();
    assert_eq!(refusal.code(), "Malformed");
}

#[test]
fn check_2_extra_data() {
    let with = |extra: Vec<u8>| {
        let mut request = public_request(&[a_handle()]);
        request.extra_data = extra.into();
        Request { ask: Ask::Public(request), materials: Vec::new() }
    };
    let named = |id: ContextId| [&[1], id.bytes().as_slice()].concat();
    for good in [vec![], vec![0], named(ContextId::numbered(1))] {
        assert!(admitted(&with(good)).is_ok());
    }
    refused(&with(vec![2]), "ExtraDataUnsupported", RefusalClass::Permanent);
    refused(&with([named(ContextId::numbered(1)), vec![0]].concat()), "ExtraDataUnsupported", RefusalClass::Permanent);
    refused(&with(named(ContextId::numbered(2))), "ContextUnknown", RefusalClass::Permanent);
}

#[test]
fn check_3_handles() {
    let mut version = a_handle();
    version.0.0[31] = 1;
    let mut kind = a_handle();
    kind.0.0[30] = 1;
    let foreign = Handle::new(B256::repeat_byte(1), 0, 1, FheType::Bool);
    let cases = [
        (public(&[]), "LimitExceeded"),
        (public(&[handle(1, FheType::Uint256); 9]), "LimitExceeded"),
        (public(&[version]), "HandleMalformed"),
        (public(&[kind]), "TypeUnsupported"),
        (public(&[a_handle(), foreign]), "HostUnknown"),
    ];
    for (request, code) in cases {
        refused(&request, code, RefusalClass::Permanent);
    }
    assert!(admitted(&public(&[handle(1, FheType::Uint256); 8])).is_ok(), "2048 bits are allowed");
}

#[test]
fn check_3_handles_of_two_hosts_do_not_mix() {
    let mut cluster = paper_cluster();
    let mut other = cluster.chains[0].clone();
    other.chain_id = 1;
    cluster.chains.push(other);
    let view = View { cluster: &cluster, key_state: KeyState::Active, now: NOW };
    let foreign = Handle::new(B256::repeat_byte(1), 0, 1, FheType::Bool);
    let refusal = admit(&public(&[a_handle(), foreign]), &view, |_| HostState::default()).unwrap_err();
    assert_eq!(refusal, Refusal::HostsMixed(CHAIN_ID, 1));
}

#[test]
fn check_4_host_and_key() {
    let cluster = paper_cluster();
    let view = |key_state| View { cluster: &cluster, key_state, now: NOW };
    let halted = |_| HostState { halted: Some("why".to_owned()), ..HostState::default() };
    let refusal = admit(&public(&[a_handle()]), &view(KeyState::Active), halted).unwrap_err();
    assert_eq!((refusal.code(), refusal.class()), ("HostHalted", RefusalClass::Retry));

    let mut other_key = public(&[a_handle()]);
    other_key.materials = vec![material(a_handle(), B256::ZERO, &cluster.chains[0])];
    other_key.materials[0].key_id = KeyId::numbered(2);
    refused(&other_key, "KeyUnknown", RefusalClass::Permanent);

    for state in [KeyState::PreActivation, KeyState::Suspended, KeyState::Compromised, KeyState::Destroyed] {
        let refusal = admit(&public(&[a_handle()]), &view(state), |_| HostState::default()).unwrap_err();
        assert_eq!(refusal, Refusal::KeyNotUsable(state));
    }
}

#[test]
fn check_5_the_users_key() {
    let header = changed(|request| request.public_key = [&[9], &PUBLIC_KEY[1..]].concat().into());
    let short = changed(|request| request.public_key = PUBLIC_KEY.slice(..868));
    let unreduced = changed(|request| {
        let mut bytes = PUBLIC_KEY.to_vec();
        bytes[69..72].fill(0xff);
        request.public_key = bytes.into();
    });
    for request in [header, short, unreduced] {
        refused(&request, "PublicKeyMalformed", RefusalClass::Permanent);
    }
}

#[test]
fn check_6_contracts() {
    let me = address_of(&user());
    let other = Address::repeat_byte(0xee);
    let list = |contracts: Vec<Address>| changed(move |request| request.contracts = contracts.clone());
    let cases = [
        (list(vec![]), "ContractListInvalid"),
        (list((0..11).map(|i| Address::with_last_byte(i + 1)).collect()), "ContractListInvalid"),
        (list(vec![DAPP, DAPP]), "ContractListInvalid"),
        (list(vec![DAPP, Address::ZERO]), "ContractListInvalid"),
        (list(vec![other]), "PairNotInPermit"),
        (list(vec![DAPP, me]), "UserIsContract"),
        (changed(|request| request.delegator = Some(DAPP)), "UserIsContract"),
        (changed(move |request| request.delegator = Some(me)), "ContractListInvalid"),
        (changed(|request| request.delegator = Some(Address::ZERO)), "ContractListInvalid"),
    ];
    for (request, code) in cases {
        refused(&request, code, RefusalClass::Permanent);
    }
}

#[test]
fn check_7_the_window() {
    let cases = [
        (changed(|request| request.days = 0), "PermitWindowInvalid", RefusalClass::Permanent),
        (changed(|request| request.days = 366), "PermitWindowInvalid", RefusalClass::Permanent),
        (changed(|request| request.start = 1 << 40), "PermitWindowInvalid", RefusalClass::Permanent),
        (changed(|request| request.start = u64::MAX), "PermitWindowInvalid", RefusalClass::Permanent),
        (changed(|request| request.start = NOW + 6), "PermitNotYetValid", RefusalClass::Retry),
        (changed(|request| request.start = NOW - 86_400), "PermitExpired", RefusalClass::Permanent),
    ];
    for (request, code, class) in cases {
        refused(&request, code, class);
    }
    assert!(admitted(&changed(|request| request.start = NOW + 5)).is_ok(), "within the clock's skew");
    assert!(admitted(&changed(|request| request.start = NOW - 86_399)).is_ok(), "the last second");
}

#[test]
fn check_7_a_slow_clock_does_not_prolong_a_permit() {
    let cluster = paper_cluster();
    let request = changed(|request| request.start = NOW - 86_000);
    let view = View { cluster: &cluster, key_state: KeyState::Active, now: NOW };
    let newest = AnchorMark { number: 9, hash: B256::ZERO, time: NOW + 500, count: 0 };
    let refusal = admit(&request, &view, |_| HostState { newest: Some(newest), ..HostState::default() }).unwrap_err();
    assert_eq!(refusal.code(), "PermitExpired");
}

#[test]
fn check_8_the_signature() {
    let cluster = paper_cluster();
    let good = a_user_request(&cluster);
    let other_signer = permit(good.clone(), &cluster, &signing_key(9));
    let mut altered = good.clone();
    altered.days = 2;
    let mut high_s = good.clone();
    high_s.signature = {
        let signature = alloy_primitives::Signature::from_raw(&good.signature).unwrap();
        let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
        let order = U256::from_str_radix(order, 16).unwrap();
        let flipped = alloy_primitives::Signature::new(signature.r(), order - signature.s(), !signature.v());
        flipped.as_bytes().to_vec().into()
    };
    let mut long = good.clone();
    long.signature = [&good.signature[..], &[0]].concat().into();
    let gateway = {
        let mut foreign = cluster.clone();
        foreign.gateway.decryption = Address::repeat_byte(0xdd);
        permit(good, &foreign, &user())
    };
    for request in [other_signer, altered, high_s, long, gateway] {
        let request = Request { ask: Ask::User(request), materials: Vec::new() };
        refused(&request, "PermitSignatureInvalid", RefusalClass::Permanent);
    }
}

/// A chain of whose state `change` is part, judged at block 4 (time NOW) for a request.
fn judged(request: &Request, change: impl Fn(&InMemoryChain)) -> Result<(), Refusal> {
    judged_with(request, change, &HostState::default(), NOW, |_, _| {})
}

fn judged_with(
    request: &Request,
    change: impl Fn(&InMemoryChain),
    state: &HostState,
    now: u64,
    tamper: impl Fn(&mut Evidence, &mut HostChain),
) -> Result<(), Refusal> {
    let chain = InMemoryChain::new(NOW - 4);
    change(&chain);
    chain.mine(1);
    let (mut host, at) = (crate::common::host(), 5);
    let facts = facts(request, &host, now);
    let acl = chain.evidence(at, &slots_for(AclLayout::Range, &facts));
    let mut evidence = Evidence { final_hash: chain.block_hash(at), acl };
    tamper(&mut evidence, &mut host);
    judge(&evidence, &facts, &host, state, now).map(|_| ())
}

fn grant_public(chain: &InMemoryChain) {
    chain.grant(Grant::Public { handle: a_handle().0 });
}

fn allow(chain: &InMemoryChain, account: Address) {
    chain.grant(Grant::Persistent { handle: a_handle().0, account });
}

fn allow_both(chain: &InMemoryChain) {
    allow(chain, address_of(&user()));
    allow(chain, DAPP);
}

fn says(outcome: Result<(), Refusal>, code: &str, class: RefusalClass) {
    let refusal = outcome.unwrap_err();
    assert_eq!((refusal.code(), refusal.class()), (code, class), "{refusal}");
}

#[test]
fn granted_requests_are_judged_good() {
    assert_eq!(judged(&public(&[a_handle()]), grant_public), Ok(()));
    assert_eq!(judged(&changed(|_| {}), allow_both), Ok(()));
}

#[test]
fn check_11_the_anchor() {
    let request = public(&[a_handle()]);
    let default = HostState::default();
    let with = |now, tamper: &dyn Fn(&mut Evidence, &mut HostChain)| {
        judged_with(&request, grant_public, &default, now, tamper)
    };
    says(with(NOW, &|e, _| e.acl.header = Bytes::from_static(b"x")), "HeaderMalformed", RefusalClass::Retry);
    says(with(NOW, &|e, _| e.final_hash = B256::ZERO), "HeaderUnattested", RefusalClass::Retry);
    says(with(NOW, &|_, h| h.checkpoint_number = 5), "AnchorBeforeCheckpoint", RefusalClass::Retry);
    says(with(NOW + 602, &|_, _| {}), "AnchorTooOld", RefusalClass::Retry);
    says(with(NOW - 5, &|_, _| {}), "AnchorFromFuture", RefusalClass::Retry);
    assert_eq!(with(NOW + 601, &|_, _| {}), Ok(()));
}

#[test]
fn check_11_final_blocks_that_contradict_each_other_halt() {
    let request = public(&[a_handle()]);
    let mark = |number, time, count| AnchorMark { number, hash: B256::repeat_byte(1), time, count };
    let states = [
        HostState { newest: Some(mark(5, NOW, 0)), ..HostState::default() },
        HostState { recent: vec![(5, B256::repeat_byte(1))], ..HostState::default() },
        HostState { newest: Some(mark(4, NOW + 2, 0)), ..HostState::default() },
        HostState { newest: Some(mark(4, NOW, 1)), ..HostState::default() },
    ];
    for state in states {
        let outcome = judged_with(&request, grant_public, &state, NOW, |_, _| {});
        says(outcome, "AnchorConflict", RefusalClass::Retry);
    }
    let older = HostState { newest: Some(mark(6, NOW + 2, 3)), ..HostState::default() };
    assert_eq!(judged_with(&request, grant_public, &older, NOW, |_, _| {}), Ok(()), "an older block is no conflict");
}

#[test]
fn checks_12_and_13_account_code_slots_and_pause() {
    let request = public(&[a_handle()]);
    let default = HostState::default();
    let with =
        |tamper: &dyn Fn(&mut Evidence, &mut HostChain)| judged_with(&request, grant_public, &default, NOW, tamper);
    says(with(&|e, _| drop(e.acl.account.pop())), "AccountProofInvalid", RefusalClass::Retry);
    says(with(&|_, h| h.contracts.acl = crate::common::chain::EXECUTOR), "AccountProofInvalid", RefusalClass::Retry);
    says(with(&|_, h| h.acl_code_hash = B256::ZERO), "AclCodeChanged", RefusalClass::Permanent);
    says(with(&|e, _| drop(e.acl.slots.pop())), "SlotProofInvalid", RefusalClass::Retry);
    says(with(&|e, _| drop(e.acl.slots[0].nodes.pop())), "SlotProofInvalid", RefusalClass::Retry);
    let paused = judged(&request, |chain| {
        grant_public(chain);
        chain.set(keys::RANGE_NAMESPACE, U256::ONE << 64);
    });
    says(paused, "AclPaused", RefusalClass::Retry);
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
    says(with(DAPP, NOW - 1), "DelegationExpired", RefusalClass::Permanent);
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
    let lenient = |_: &mut Evidence, host: &mut HostChain| host.deny_blocks_user_decryption = true;
    assert_eq!(judged_with(&request, allow_both, &HostState::default(), NOW, lenient), Ok(()));
}

fn provenance(change: impl Fn(&mut Request, &HostChain)) -> Result<(), Refusal> {
    let host = crate::common::host();
    let mut request = public(&[a_handle()]);
    request.materials = vec![material(a_handle(), B256::repeat_byte(0xd1), &host)];
    let admitted = admitted(&request).unwrap();
    change(&mut request, &host);
    attested(&request, &admitted, &host).map(|_| ())
}

#[test]
fn check_18_who_attests_the_bytes() {
    assert_eq!(provenance(|_, _| {}), Ok(()));
    says(provenance(|request, _| request.materials.clear()), "MaterialMissing", RefusalClass::Wait);
    says(
        provenance(|request, host| {
            request.materials[0].handle = handle(9, FheType::Uint64);
            request.materials[0] = signed(request.materials[0].clone(), host, &[coprocessor()]);
        }),
        "MaterialMissing",
        RefusalClass::Wait,
    );
    says(provenance(|request, _| request.materials[0].signatures.clear()), "MaterialQuorum", RefusalClass::Retry);
    says(
        provenance(|request, host| {
            request.materials[0] = signed(request.materials[0].clone(), host, &[signing_key(1)]);
        }),
        "MaterialQuorum",
        RefusalClass::Retry,
    );
    says(
        provenance(|request, _| request.materials[0].digest = B256::repeat_byte(0xd2)),
        "MaterialQuorum",
        RefusalClass::Retry,
    );
    says(
        provenance(|request, host| {
            let mut fork = host.clone();
            fork.checkpoint_hash = B256::ZERO;
            request.materials[0] = signed(request.materials[0].clone(), &fork, &[coprocessor()]);
        }),
        "MaterialQuorum",
        RefusalClass::Retry,
    );
    says(
        provenance(|request, host| {
            request.materials[0].profile = B256::ZERO;
            request.materials[0] = signed(request.materials[0].clone(), host, &[coprocessor()]);
        }),
        "ProfileUnknown",
        RefusalClass::Permanent,
    );
}

#[test]
fn check_18_one_member_that_signs_twice_is_no_quorum_of_two() {
    let mut host = crate::common::host();
    let mut members = vec![address_of(&coprocessor()), address_of(&signing_key(1)), address_of(&signing_key(2))];
    members.sort();
    host.coprocessors.members = members;
    host.coprocessors.quorum = 2;
    let unsigned = material(a_handle(), B256::ZERO, &host);
    let mut request = public(&[a_handle()]);
    let admitted = admitted(&request).unwrap();
    request.materials = vec![signed(unsigned.clone(), &host, &[coprocessor(), coprocessor()])];
    says(attested(&request, &admitted, &host).map(|_| ()), "MaterialQuorum", RefusalClass::Retry);
    request.materials = vec![signed(unsigned, &host, &[coprocessor(), signing_key(2)])];
    assert_eq!(attested(&request, &admitted, &host).unwrap()[&a_handle()].signers.count_ones(), 2);
}

#[test]
fn check_19_the_size_is_the_types() {
    let outcome = provenance(|request, host| {
        request.materials[0].size += 1;
        request.materials[0] = signed(request.materials[0].clone(), host, &[coprocessor()]);
    });
    says(outcome, "MaterialSize", RefusalClass::Permanent);
    assert_eq!(key_id(), KeyId::numbered(1));
    assert_ne!(PROFILE, B256::ZERO);
}
