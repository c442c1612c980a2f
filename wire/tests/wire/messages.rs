//! Protobuf messages to checked words and back, and the digests around them.

use crate::fixture::{GATEWAY, handle, rng};
use alloy_primitives::{Address, B256, address, keccak256};
use bytes::Bytes;
use k256::ecdsa::SigningKey;
use rand::Rng;
use std::time::Duration;
use tkms_types::{
    AttesterSet, Contracts, CoprocessorSet, FheType, Handle, HandlePair, HeaderTrustKind, HostChain, Id, KeyId,
    MinFinality, PartyId, PublicRequest, RequestId, SessionId, UserRequest, typed_data,
};
use tkms_wire::answer::{Blame, PublicAnswer, UserAnswer, envelope_digest};
use tkms_wire::material::{Format, Material, material_digest};
use tkms_wire::request::{Call, StatusCall};
use tkms_wire::signature::sign;
use tkms_wire::{FieldError, Problem, kms};

fn material() -> Material {
    Material {
        handle: handle(1, FheType::Uint64),
        key_id: KeyId::numbered(1),
        format: Format::Flood,
        profile: B256::repeat_byte(2),
        digest: B256::repeat_byte(3),
        size: 1_048_882,
        signatures: vec![[4; 65], [5; 65]],
    }
}

fn public_call() -> Call<PublicRequest> {
    Call {
        request: PublicRequest { handles: vec![handle(1, FheType::Uint64)], extra_data: vec![0].into() },
        materials: vec![material()],
        evidence: Some(crate::evidence::evidence()),
        finality: Some(MinFinality::Depth(3)),
        wait: Duration::from_millis(1500),
        label: "label".into(),
    }
}

fn user_call(delegator: Option<Address>) -> Call<UserRequest> {
    let contract = Address::repeat_byte(6);
    Call {
        request: UserRequest {
            pairs: vec![HandlePair { handle: handle(1, FheType::Uint64), contract }],
            user: Address::repeat_byte(7),
            delegator,
            contracts: vec![contract],
            start: 1_700_000_000,
            days: 10,
            public_key: vec![8; 869].into(),
            extra_data: vec![0].into(),
            signature: vec![9; 65].into(),
        },
        materials: vec![material()],
        evidence: None,
        finality: None,
        wait: Duration::ZERO,
        label: String::new(),
    }
}

fn path(result: Result<impl Sized, FieldError>) -> String {
    result.err().expect("must be refused").path
}

fn public_refused(change: impl FnOnce(&mut kms::PublicDecryptRequest)) -> String {
    let mut message = kms::PublicDecryptRequest::from(&public_call());
    change(&mut message);
    path(Call::<PublicRequest>::try_from(message))
}

fn user_refused(change: impl FnOnce(&mut kms::UserDecryptRequest)) -> String {
    let mut message = kms::UserDecryptRequest::from(&user_call(None));
    change(&mut message);
    path(Call::<UserRequest>::try_from(message))
}

#[test]
fn calls_come_back_from_their_messages() {
    let call = public_call();
    assert_eq!(Call::try_from(kms::PublicDecryptRequest::from(&call)).unwrap(), call);
    for delegator in [None, Some(Address::repeat_byte(10))] {
        let call = user_call(delegator);
        assert_eq!(Call::try_from(kms::UserDecryptRequest::from(&call)).unwrap(), call);
    }
}

#[test]
fn a_refused_public_request_names_its_field() {
    let short = || Bytes::from_static(&[0; 31]);
    assert_eq!(public_refused(|m| m.handles.push(short())), "handles[1]");
    assert_eq!(public_refused(|m| m.handles = vec![Bytes::from(vec![0; 32]); 1025]), "handles");
    assert_eq!(public_refused(|m| m.extra_data = vec![0; 1025].into()), "extra_data");
    assert_eq!(public_refused(|m| m.label = "x".repeat(65)), "label");
    assert_eq!(public_refused(|m| m.materials[0].handle = short()), "materials[0].handle");
    assert_eq!(public_refused(|m| m.materials[0].key_id = short()), "materials[0].key_id");
    assert_eq!(public_refused(|m| m.materials[0].key_id = vec![7; 32].into()), "materials[0].key_id");
    assert_eq!(public_refused(|m| m.materials[0].format = 4), "materials[0].format");
    assert_eq!(public_refused(|m| m.materials[0].format = 257), "materials[0].format");
    assert_eq!(public_refused(|m| m.materials[0].profile = short()), "materials[0].profile");
    assert_eq!(public_refused(|m| m.materials[0].digest = short()), "materials[0].digest");
    assert_eq!(public_refused(|m| m.materials[0].signatures[1] = short()), "materials[0].signatures[1]");
    assert_eq!(public_refused(|m| m.materials[0].signatures = vec![short(); 65]), "materials[0].signatures");
    assert_eq!(public_refused(|m| m.evidence.as_mut().unwrap().attester_set = short()), "evidence.attester_set");
    assert_eq!(public_refused(|m| m.finality = Some(kms::Finality { class: 3, depth: 0 })), "finality.class");
    assert_eq!(public_refused(|m| m.finality = Some(kms::Finality::default())), "finality.class");
}

#[test]
fn a_refused_user_request_names_its_field() {
    let short = || Bytes::from_static(&[0; 19]);
    assert_eq!(user_refused(|m| m.pairs[0].handle = short()), "pairs[0].handle");
    assert_eq!(user_refused(|m| m.pairs[0].contract = short()), "pairs[0].contract");
    assert_eq!(user_refused(|m| m.user = short()), "user");
    assert_eq!(user_refused(|m| m.delegator = short()), "delegator");
    assert_eq!(user_refused(|m| m.contracts.push(short())), "contracts[1]");
    assert_eq!(user_refused(|m| m.days = 65536), "days");
    assert_eq!(user_refused(|m| m.public_key = vec![0; 870].into()), "public_key");
    assert_eq!(user_refused(|m| m.signature = vec![0; 4097].into()), "signature");
}

#[test]
fn a_question_for_a_status_needs_a_whole_id() {
    let message = kms::StatusRequest { request_id: vec![1; 32].into(), wait_ms: 7 };
    let call = StatusCall { request_id: RequestId(B256::repeat_byte(1)), wait: Duration::from_millis(7) };
    assert_eq!(StatusCall::try_from(message).unwrap(), call);
    let error = StatusCall::try_from(kms::StatusRequest::default()).unwrap_err();
    assert_eq!(error.problem, Problem::Width { found: 0, expected: 32 });
}

fn public_answer() -> PublicAnswer {
    let session = SessionId(B256::repeat_byte(1));
    PublicAnswer {
        party: PartyId::new(2).unwrap(),
        words: vec![B256::repeat_byte(1), B256::repeat_byte(2)],
        extra_data: Bytes::new(),
        signature: [3; 65],
        blamed: vec![Blame { party: PartyId::new(4).unwrap(), step: "open".into(), session }],
    }
}

fn user_answer() -> UserAnswer {
    UserAnswer {
        party: PartyId::new(13).unwrap(),
        payload: vec![1; 100].into(),
        extra_data: Bytes::new(),
        signature: [3; 65],
        sessions: vec![SessionId(B256::repeat_byte(1))],
        envelope_signature: [4; 65],
    }
}

#[test]
fn answers_come_back_from_their_messages() {
    assert_eq!(PublicAnswer::try_from(kms::PublicAnswer::from(&public_answer())).unwrap(), public_answer());
    assert_eq!(UserAnswer::try_from(kms::UserAnswer::from(&user_answer())).unwrap(), user_answer());
}

#[test]
fn a_refused_answer_names_its_field() {
    let public = |change: fn(&mut kms::PublicAnswer)| {
        let mut message = kms::PublicAnswer::from(&public_answer());
        change(&mut message);
        path(PublicAnswer::try_from(message))
    };
    assert_eq!(public(|m| m.party = 0), "party");
    assert_eq!(public(|m| m.party = 14), "party");
    assert_eq!(public(|m| m.party = 257), "party");
    assert_eq!(public(|m| m.words = vec![0; 33].into()), "words");
    assert_eq!(public(|m| m.words = vec![0; 32 * 1025].into()), "words");
    assert_eq!(public(|m| m.signature = vec![0; 64].into()), "signature");
    assert_eq!(public(|m| m.blamed[0].step = "x".repeat(65)), "blamed[0].step");
    assert_eq!(public(|m| m.blamed = vec![m.blamed[0].clone(); 65]), "blamed");
    let user = |change: fn(&mut kms::UserAnswer)| {
        let mut message = kms::UserAnswer::from(&user_answer());
        change(&mut message);
        path(UserAnswer::try_from(message))
    };
    assert_eq!(user(|m| m.payload = vec![0; 2 * 1024 * 1024 + 1].into()), "payload");
    assert_eq!(user(|m| m.sessions[0] = vec![0; 31].into()), "sessions[0]");
    assert_eq!(user(|m| m.envelope_signature = Bytes::new()), "envelope_signature");
}

#[test]
fn the_envelope_binds_request_sessions_and_payload() {
    let (request, session) = (RequestId(B256::repeat_byte(1)), SessionId(B256::repeat_byte(2)));
    let digest = envelope_digest(request, &[session], b"payload");
    let (tag, hash) = (keccak256("tkms/answer/v1"), keccak256("payload"));
    let fields = [tag.as_slice(), request.0.as_slice(), &[0, 0, 0, 1], session.0.as_slice(), hash.as_slice()];
    assert_eq!(digest, keccak256(fields.concat()));
    assert_ne!(digest, envelope_digest(RequestId(B256::ZERO), &[session], b"payload"));
    assert_ne!(digest, envelope_digest(request, &[], b"payload"));
    assert_ne!(digest, envelope_digest(request, &[session], b"other"));
}

pub fn host() -> HostChain {
    let contract = Address::repeat_byte(1);
    HostChain {
        chain_id: 31337,
        contracts: Contracts {
            acl: address!("0x50157CFfD6bBFA2DECe204a89ec419c23ef5755D"),
            executor: contract,
            kms_verifier: contract,
            input_verifier: contract,
            decryption_oracle: contract,
        },
        acl_code_hash: B256::repeat_byte(2),
        executor_code_hash: B256::repeat_byte(3),
        checkpoint_number: 1,
        checkpoint_hash: B256::repeat_byte(4),
        trust: HeaderTrustKind::Attesters,
        attesters: AttesterSet { version: 1, quorum: 3, members: (1..=4).map(Address::repeat_byte).collect() },
        former_attesters: None,
        min_finality: MinFinality::Finalized,
        max_anchor_age: 600,
        max_anchor_lag: 300,
        clock_skew: 5,
        deny_blocks_user_decryption: true,
        coprocessors: CoprocessorSet { version: 1, quorum: 1, members: vec![contract], profiles: vec![B256::ZERO] },
    }
}

#[test]
fn an_attestation_binds_every_field_of_the_material_and_the_host() {
    let digest = |change: &dyn Fn(&mut Material)| {
        let mut changed = material();
        change(&mut changed);
        material_digest(&changed, &host())
    };
    let original = digest(&|_| {});
    let changes: [&dyn Fn(&mut Material); 6] = [
        &|m| m.handle = Handle(B256::ZERO),
        &|m| m.key_id = KeyId::numbered(2),
        &|m| m.format = Format::Ciphertext,
        &|m| m.profile = B256::ZERO,
        &|m| m.digest = B256::ZERO,
        &|m| m.size = 1,
    ];
    for change in changes {
        assert_ne!(digest(change), original);
    }
    assert_eq!(digest(&|m| m.signatures.clear()), original);
    let mut other = host();
    other.coprocessors.version = 2;
    assert_ne!(material_digest(&material(), &other), original);
    assert_ne!(material_digest(&material(), &HostChain { checkpoint_number: 2, ..host() }), original);
}

#[test]
fn a_signature_is_recovered_to_its_signer() {
    let mut rng = rng(1);
    for _ in 0..20 {
        let key = SigningKey::from_slice(&rng.random::<[u8; 32]>()).unwrap();
        let digest = B256::new(rng.random());
        let signature = sign(&key, digest).unwrap();
        let signer = tkms_wire::signature::address(key.verifying_key());
        assert_eq!(typed_data::recover(digest, &signature), Some(signer));
        assert_ne!(typed_data::recover(B256::ZERO, &signature), Some(signer));
    }
    // And it is the signer the domain's users expect, not an empty one
    assert!(!GATEWAY.decryption.is_zero());
}
