//! Tagged hashes: what they bind and what not.

use alloy_primitives::{Address, B256, keccak256};
use tkms_types::transcript::{
    Protocol, SetRole, Transcript, host_id, public_request_id, session_id, set_id, tags, user_request_id,
};
use tkms_types::{ContextId, EpochId, ExtraData, FheType, Handle, HandlePair, Id, KeyId, UserRequest};

const TAGS: [&str; 11] = [
    tags::HOST,
    tags::SET,
    tags::PUBLIC_REQUEST,
    tags::USER_REQUEST,
    tags::SESSION,
    tags::PRSS_MASK,
    tags::PROFILE,
    tags::CLUSTER,
    tags::ANSWER,
    tags::AUDIT,
    tags::GATEWAY,
];

fn handle(number: u8) -> Handle {
    Handle::new(B256::repeat_byte(number), Handle::COMPUTED, 31337, FheType::Uint64)
}

#[test]
fn tags_are_distinct_and_named_alike() {
    for (position, tag) in TAGS.iter().enumerate() {
        assert!(tag.starts_with("tkms/") && tag.ends_with("/v1"), "{tag}");
        assert!(!TAGS[..position].contains(tag), "{tag}");
    }
}

#[test]
fn fields_are_big_endian_lists_are_counted_and_bytes_are_hashed() {
    let hash = Transcript::new(tags::HOST)
        .u8(1)
        .u16(0x0203)
        .u32(0x0405_0607)
        .u64(8)
        .word(B256::repeat_byte(9))
        .address(Address::repeat_byte(10))
        .bytes(b"bytes")
        .list(&[11u8, 12], |hash, element| hash.u8(*element))
        .finish();
    let mut expected = keccak256(tags::HOST).to_vec();
    expected.extend([1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 0, 0, 0, 0, 8]);
    expected.extend([9; 32]);
    expected.extend([10; 20]);
    expected.extend(keccak256("bytes"));
    expected.extend([0, 0, 0, 2, 11, 12]);
    assert_eq!(hash, keccak256(expected));
}

#[test]
fn a_host_is_its_chain_acl_code_and_checkpoint() {
    let (acl, code, block) = (Address::repeat_byte(1), B256::repeat_byte(2), B256::repeat_byte(3));
    let host = host_id(31337, acl, code, (7, block));
    let others = [
        host_id(31338, acl, code, (7, block)),
        host_id(31337, Address::ZERO, code, (7, block)),
        host_id(31337, acl, B256::ZERO, (7, block)),
        host_id(31337, acl, code, (8, block)),
        host_id(31337, acl, code, (7, B256::ZERO)),
    ];
    assert!(!others.contains(&host));
}

#[test]
fn a_set_is_its_host_role_version_quorum_and_members() {
    let (host, members) = (B256::repeat_byte(1), [Address::repeat_byte(1), Address::repeat_byte(2)]);
    let set = set_id(host, SetRole::Coprocessor, 1, 2, &members);
    let others = [
        set_id(B256::ZERO, SetRole::Coprocessor, 1, 2, &members),
        set_id(host, SetRole::Attester, 1, 2, &members),
        set_id(host, SetRole::Coprocessor, 2, 2, &members),
        set_id(host, SetRole::Coprocessor, 1, 1, &members),
        set_id(host, SetRole::Coprocessor, 1, 2, &members[..1]),
    ];
    assert!(!others.contains(&set));
}

#[test]
fn a_public_request_is_its_context_extra_data_and_handles_in_order() {
    let (host, context) = (B256::repeat_byte(1), ContextId::numbered(1));
    let id = |extra: &ExtraData, handles: &[Handle]| public_request_id(host, context, extra, handles);
    let named = ExtraData::Context(context);
    let original = id(&ExtraData::Current, &[handle(1), handle(2)]);
    assert_ne!(original, id(&ExtraData::Current, &[handle(2), handle(1)]));
    assert_ne!(original, id(&ExtraData::Current, &[handle(1)]));
    assert_ne!(original, id(&named, &[handle(1), handle(2)]));
    assert_ne!(original, public_request_id(B256::ZERO, context, &ExtraData::Current, &[handle(1), handle(2)]));
    let later = ContextId::numbered(2);
    assert_ne!(original, public_request_id(host, later, &ExtraData::Current, &[handle(1), handle(2)]));
}

fn user_request() -> UserRequest {
    let contract = Address::repeat_byte(5);
    UserRequest {
        pairs: vec![HandlePair { handle: handle(1), contract }],
        user: Address::repeat_byte(6),
        delegator: None,
        contracts: vec![contract],
        start: 1_800_000_000,
        days: 10,
        public_key: vec![7; 869].into(),
        extra_data: vec![0].into(),
        signature: vec![8; 65].into(),
    }
}

#[test]
fn a_user_request_is_everything_but_the_signature() {
    let id = |change: &dyn Fn(&mut UserRequest)| {
        let mut request = user_request();
        change(&mut request);
        user_request_id(B256::repeat_byte(1), ContextId::numbered(1), &request)
    };
    let original = id(&|_| {});
    let changes: [&dyn Fn(&mut UserRequest); 9] = [
        &|r| r.user = Address::ZERO,
        &|r| r.delegator = Some(Address::repeat_byte(1)),
        &|r| r.public_key = vec![9; 869].into(),
        &|r| r.contracts.push(Address::repeat_byte(1)),
        &|r| r.start += 1,
        &|r| r.days += 1,
        &|r| r.extra_data = vec![].into(),
        &|r| r.pairs[0].handle = handle(2),
        &|r| r.pairs[0].contract = Address::repeat_byte(1),
    ];
    for change in changes {
        assert_ne!(id(change), original);
    }
    // Signatures can be rewritten by anyone
    assert_eq!(id(&|r| r.signature = vec![].into()), original);
}

#[test]
fn a_session_is_one_ciphertext_under_one_key_epoch_and_context() {
    let (context, epoch, key) = (ContextId::numbered(1), EpochId::numbered(1), KeyId::numbered(1));
    let digest = B256::repeat_byte(1);
    let session = session_id(Protocol::Flood, context, epoch, key, digest, 0);
    let others = [
        session_id(Protocol::Flood, ContextId::numbered(2), epoch, key, digest, 0),
        session_id(Protocol::Flood, context, EpochId::numbered(2), key, digest, 0),
        session_id(Protocol::Flood, context, epoch, KeyId::numbered(2), digest, 0),
        session_id(Protocol::Flood, context, epoch, key, B256::ZERO, 0),
        session_id(Protocol::Exact, context, epoch, key, digest, 0),
        session_id(Protocol::Flood, context, epoch, key, digest, 1),
    ];
    assert!(!others.contains(&session));
    let mut fields = keccak256("tkms/decrypt/session/v1").to_vec();
    fields.push(1);
    fields.extend([context.bytes(), epoch.bytes(), key.bytes(), digest].concat());
    fields.extend([0; 5]);
    assert_eq!(session.0, keccak256(fields));
}
