//! Requests that every honest node must refuse by itself, whoever asks: typed, and with nothing computed.

use crate::devnet;
use alloy_primitives::{Address, B256, U256};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tkms_client::{Permit, PermitTerms, Trust};
use tkms_e2e::actors::{Actor, send};
use tkms_e2e::devnet::Devnet;
use tkms_e2e::evidence::{prove_public, prove_user};
use tkms_e2e::nodes::{self, assert_all_refused};
use tkms_eth::LocalKey;
use tkms_types::transcript::Protocol;
use tkms_types::{Handle, HandlePair, PublicRequest, UserRequest};
use tkms_wire::kms::{State, reply::Outcome};
use tkms_wire::material::{Format, Material};
use tkms_wire::request::Call;
use tkms_wire::samples::SampleList;
use tkms_wire::switched::SwitchedList;

const SEED: u64 = 4;
/// Long enough for a grant that exists to become final, so that a refusal is the last word.
const WAIT: Duration = Duration::from_secs(10);

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn public_call(handle: Handle, material: Material) -> Call<PublicRequest> {
    let request = PublicRequest { handles: vec![handle], extra_data: vec![0].into() };
    Call { request, materials: vec![material], evidence: None, finality: None, wait: WAIT, label: String::new() }
}

/// A value of Alice's own, with its material, final on the chain.
async fn private_value(devnet: &Devnet, alice: &Actor) -> (Handle, Material) {
    let receipt = send(&alice.provider, alice.probe.makeUint8(55).into_transaction_request()).await;
    let (index, handle) = Actor::made(&receipt)[0];
    send(&alice.provider, alice.probe.allowUser(index, alice.address()).into_transaction_request()).await;
    let material = nodes::material(devnet, Handle(handle)).await;
    nodes::wait_until_attested(devnet, alice).await;
    (Handle(handle), material)
}

/// What Alice signs to see a value through the probe.
fn permit(devnet: &Devnet, signer: &Actor, contract: Address, start: u64, days: u16) -> Permit {
    let trust = Trust::from_cluster(&devnet.cluster, devnet.deployment.chain_id).unwrap();
    let wallet = LocalKey::from_bytes(&signer.signer.to_bytes().0).unwrap();
    let terms = PermitTerms { contracts: vec![contract], start, days, delegator: None };
    Permit::sign(terms, &wallet, &trust, &mut ChaCha20Rng::seed_from_u64(SEED)).unwrap()
}

fn user_call(request: UserRequest, material: Material) -> Call<UserRequest> {
    Call { request, materials: vec![material], evidence: None, finality: None, wait: WAIT, label: String::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_that_is_not_public_is_refused_as_public() {
    let devnet = devnet().await;
    let alice = Actor::new(&devnet, 5).await;
    let (handle, material) = private_value(&devnet, &alice).await;
    let before = nodes::computed(&devnet).await;
    let mut call = public_call(handle, material);
    let replies = nodes::public_decrypt(&devnet, &(&call).into()).await;
    assert_all_refused(&replies, "EvidenceMissing");
    prove_public(&devnet, &mut call).await;
    let replies = nodes::public_decrypt(&devnet, &(&call).into()).await;
    assert_all_refused(&replies, "GrantMissing");
    assert_eq!(nodes::computed(&devnet).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_users_value_is_refused() {
    let devnet = devnet().await;
    let (alice, mallory) = (Actor::new(&devnet, 5).await, Actor::new(&devnet, 6).await);
    let (handle, material) = private_value(&devnet, &alice).await;
    let contract = *alice.probe.address();
    let before = nodes::computed(&devnet).await;
    let request = permit(&devnet, &mallory, contract, now() - 60, 1).request(&[HandlePair { handle, contract }]);
    let mut call = user_call(request, material);
    prove_user(&devnet, &mut call).await;
    let replies = nodes::user_decrypt(&devnet, &(&call).into()).await;
    assert_all_refused(&replies, "GrantMissing");
    assert_eq!(nodes::computed(&devnet).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_early_and_altered_permits_are_refused() {
    let devnet = devnet().await;
    let alice = Actor::new(&devnet, 5).await;
    let (handle, material) = private_value(&devnet, &alice).await;
    let contract = *alice.probe.address();
    let pairs = [HandlePair { handle, contract }];
    let before = nodes::computed(&devnet).await;
    let good = permit(&devnet, &alice, contract, now() - 60, 1).request(&pairs);
    let stranger = Address::repeat_byte(0x77);
    let cases: [(&str, UserRequest); 7] = [
        ("PermitExpired", permit(&devnet, &alice, contract, now() - 2 * 86_400, 1).request(&pairs)),
        ("PermitNotYetValid", permit(&devnet, &alice, contract, now() + 3_600, 1).request(&pairs)),
        ("PermitSignatureInvalid", UserRequest { days: 2, ..good.clone() }),
        ("PermitSignatureInvalid", UserRequest { start: good.start - 1, ..good.clone() }),
        ("PermitSignatureInvalid", UserRequest { user: stranger, ..good.clone() }),
        ("PermitSignatureInvalid", UserRequest { contracts: vec![contract, stranger], ..good.clone() }),
        ("PairNotInPermit", UserRequest { pairs: vec![HandlePair { handle, contract: stranger }], ..good.clone() }),
    ];
    for (code, request) in cases {
        let replies = nodes::user_decrypt(&devnet, &(&user_call(request, material.clone())).into()).await;
        assert_all_refused(&replies, code);
    }
    let mut other_key = good.public_key.to_vec();
    other_key[100] ^= 1;
    let request = UserRequest { public_key: other_key.into(), ..good };
    let replies = nodes::user_decrypt(&devnet, &(&user_call(request, material)).into()).await;
    assert_all_refused(&replies, "PermitSignatureInvalid");
    assert_eq!(nodes::computed(&devnet).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_of_another_handle_are_refused() {
    let devnet = devnet().await;
    let alice = Actor::new(&devnet, 5).await;
    let (_, secret) = private_value(&devnet, &alice).await;
    // A public handle of Mallory's, served with the attested bytes of Alice's secret.
    let receipt = send(&alice.provider, alice.probe.makeUint8(1).into_transaction_request()).await;
    let (index, handle) = Actor::made(&receipt)[0];
    send(&alice.provider, alice.probe.publish(vec![index]).into_transaction_request()).await;
    nodes::wait_until_attested(&devnet, &alice).await;
    let before = nodes::computed(&devnet).await;
    let swapped = Material { handle: Handle(handle), ..secret.clone() };
    let honest = nodes::material(&devnet, Handle(handle)).await;
    let digest = Material { digest: secret.digest, ..honest };
    for material in [swapped, digest] {
        let mut call = public_call(Handle(handle), material);
        prove_public(&devnet, &mut call).await;
        let replies = nodes::public_decrypt(&devnet, &(&call).into()).await;
        assert_all_refused(&replies, "MaterialQuorum");
    }
    assert_eq!(nodes::computed(&devnet).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_are_those_of_the_protocol_in_force_and_others_are_refused() {
    let devnet = devnet().await;
    let alice = Actor::new(&devnet, 5).await;
    let receipt = send(&alice.provider, alice.probe.makeRandomUint64(0).into_transaction_request()).await;
    let (index, handle) = Actor::made(&receipt)[0];
    send(&alice.provider, alice.probe.publish(vec![index]).into_transaction_request()).await;
    let material = nodes::material(&devnet, Handle(handle)).await;
    nodes::wait_until_attested(&devnet, &alice).await;
    let object = devnet.dir().join("run/coprocessor/objects").join(format!("{:x}", material.digest));
    let bytes = std::fs::read(object).unwrap();
    let (switched, other) = match tkms_e2e::protocol() {
        Protocol::Flood => (SampleList::parse(&bytes).is_err(), Format::Exact),
        Protocol::Exact => (SwitchedList::parse(&bytes).is_ok(), Format::Flood),
    };
    assert_eq!((switched, material.format), (material.format == Format::Exact, tkms_e2e::protocol().into()));
    let before = nodes::computed(&devnet).await;
    let mut call = public_call(Handle(handle), Material { format: other, ..material });
    prove_public(&devnet, &mut call).await;
    assert_all_refused(&nodes::public_decrypt(&devnet, &(&call).into()).await, "MaterialMissing");
    assert_eq!(nodes::computed(&devnet).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn altered_bytes_in_the_store_give_no_answer_until_they_are_right_again() {
    let devnet = devnet().await;
    let alice = Actor::new(&devnet, 5).await;
    let receipt = send(&alice.provider, alice.probe.makeRandomUint64(0).into_transaction_request()).await;
    let (index, handle) = Actor::made(&receipt)[0];
    send(&alice.provider, alice.probe.publish(vec![index]).into_transaction_request()).await;
    let material = nodes::material(&devnet, Handle(handle)).await;
    nodes::wait_until_attested(&devnet, &alice).await;
    let file = devnet.dir().join("run/coprocessor/objects").join(format!("{:x}", material.digest));
    let bytes = std::fs::read(&file).unwrap();
    let mut altered = bytes.clone();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    std::fs::write(&file, &altered).unwrap();
    let before = nodes::computed(&devnet).await;
    let mut call = public_call(Handle(handle), material);
    call.wait = Duration::from_secs(2);
    prove_public(&devnet, &mut call).await;
    for reply in nodes::public_decrypt(&devnet, &(&call).into()).await {
        match reply.outcome {
            Some(Outcome::Pending(pending)) => assert_eq!(pending.state(), State::WaitingCiphertext),
            Some(Outcome::Refusal(refusal)) => {
                assert!(["DigestMismatch", "MaterialUnavailable"].contains(&refusal.code.as_str()), "{refusal:?}");
            }
            other => panic!("a node answered from altered bytes: {other:?}"),
        }
    }
    assert_eq!(nodes::computed(&devnet).await, before);
    std::fs::write(&file, &bytes).unwrap();
    call.wait = WAIT;
    prove_public(&devnet, &mut call).await;
    for reply in nodes::public_decrypt(&devnet, &(&call).into()).await {
        assert!(matches!(reply.outcome, Some(Outcome::PublicAnswer(_))), "{reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_handles_and_limits_are_refused() {
    let devnet = devnet().await;
    let alice = Actor::new(&devnet, 5).await;
    let (handle, material) = private_value(&devnet, &alice).await;
    let with = |change: fn(&mut B256)| {
        let mut bytes = handle.0;
        change(&mut bytes);
        public_call(Handle(bytes), Material { handle: Handle(bytes), ..material.clone() })
    };
    for (code, call) in [
        ("HandleMalformed", with(|bytes| bytes.0[31] = 1)),
        ("TypeUnsupported", with(|bytes| bytes.0[30] = 1)),
        ("HostUnknown", with(|bytes| bytes.0[29] ^= 1)),
    ] {
        assert_all_refused(&nodes::public_decrypt(&devnet, &(&call).into()).await, code);
    }
    let mut many = public_call(handle, material);
    many.request.handles = vec![handle; 257];
    assert_all_refused(&nodes::public_decrypt(&devnet, &(&many).into()).await, "LimitExceeded");
    let mut version = many;
    version.request.handles = vec![handle];
    version.request.extra_data = vec![9].into();
    assert_all_refused(&nodes::public_decrypt(&devnet, &(&version).into()).await, "ExtraDataUnsupported");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_cannot_ask_for_a_handle_it_has_no_right_to() {
    let devnet = devnet().await;
    let (alice, mallory) = (Actor::new(&devnet, 5).await, Actor::new(&devnet, 6).await);
    let (handle, _) = private_value(&devnet, &alice).await;
    let ask = mallory.probe.askHandles(vec![handle.0], 200_000);
    assert!(ask.call().await.is_err(), "the oracle contract took a request for somebody else's handle");
    assert_eq!(mallory.probe.count().call().await.unwrap(), U256::ZERO);
}
