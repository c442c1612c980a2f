//! Every refusal of the policy table but those about the block, by name, at its place in the order.

use crate::common::{
    CHAIN_ID, DAPP, PROFILE, address_of, coprocessor, handle, key_id, material, paper_cluster, permit, public_request,
    signed, signing_key, user, user_request,
};
use crate::trial::{NOW, says};
use alloy_primitives::{Address, B256, Bytes, U256};
use merkle_acl::trust::{AnchorHistory, AnchorMark};
use rand::SeedableRng as _;
use std::sync::LazyLock;
use tkms_kms_node::keystore::KeyState;
use tkms_kms_node::policy::provenance::attested;
use tkms_kms_node::policy::{Admitted, HostState, View, admit};
use tkms_kms_node::refusal::{Refusal, RefusalClass};
use tkms_kms_node::request::{Ask, Request};
use tkms_types::{Cluster, ContextId, FheType, Handle, HostChain, Id as _, KeyId, UserRequest};
use tkms_wire::kms;
use tkms_wire::user_payload::UserKeyPair;

static PUBLIC_KEY: LazyLock<Bytes> = LazyLock::new(|| {
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
    UserKeyPair::generate(&mut rng).unwrap().public().to_bytes()
});

pub fn a_handle() -> Handle {
    handle(1, FheType::Uint64)
}

pub fn request(ask: Ask) -> Request {
    Request { ask, materials: Vec::new(), evidence: None, finality: None }
}

pub fn public(handles: &[Handle]) -> Request {
    request(Ask::Public(public_request(handles)))
}

fn a_user_request(cluster: &Cluster) -> UserRequest {
    user_request(&[a_handle()], PUBLIC_KEY.clone(), NOW - 100, cluster)
}

/// A request of the user after a change, signed anew.
pub fn changed(change: impl Fn(&mut UserRequest)) -> Request {
    let cluster = paper_cluster();
    let mut request = a_user_request(&cluster);
    change(&mut request);
    self::request(Ask::User(permit(request, &cluster, &user())))
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
        self::request(Ask::Public(request))
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
    let history = AnchorHistory { newest: Some(newest), ..AnchorHistory::default() };
    let state = |_| HostState { history: history.clone(), ..HostState::default() };
    let refusal = admit(&request, &view, state).unwrap_err();
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
        let request = self::request(Ask::User(request));
        refused(&request, "PermitSignatureInvalid", RefusalClass::Permanent);
    }
}

fn provenance(change: impl Fn(&mut Request, &HostChain)) -> Result<(), Refusal> {
    let host = crate::common::host();
    let mut request = public(&[a_handle()]);
    request.materials = vec![material(a_handle(), B256::repeat_byte(0xd1), &host)];
    let admitted = admitted(&request).unwrap();
    change(&mut request, &host);
    attested(&request, &admitted, &host, tkms_wire::material::Format::Flood).map(|_| ())
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
    says(
        attested(&request, &admitted, &host, tkms_wire::material::Format::Flood).map(|_| ()),
        "MaterialQuorum",
        RefusalClass::Retry,
    );
    request.materials = vec![signed(unsigned, &host, &[coprocessor(), signing_key(2)])];
    assert_eq!(
        attested(&request, &admitted, &host, tkms_wire::material::Format::Flood).unwrap()[&a_handle()]
            .signers
            .count_ones(),
        2
    );
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
