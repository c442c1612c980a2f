//! A small insecure world for nodes: a host chain in memory, a coprocessor key, a synthetic LWE key, a cluster.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

pub mod bent;
pub mod chain;
pub mod cluster;
pub mod evidence;
pub mod lwe;
pub mod wallets;

use alloy_primitives::{Address, B256, Bytes, keccak256};
use k256::ecdsa::SigningKey;
use tkms_types::typed_data::{permit_digest, permit_domain};
use tkms_types::{
    AttesterSet, Cluster, Committee, ContextId, Contracts, CoprocessorSet, EpochId, FheType, GatewayDomain, Handle,
    HandlePair, HeaderTrustKind, HostChain, Id as _, KeyId, KeyMaterial, MinFinality, Node, PublicRequest, Thresholds,
    UserRequest,
};
use tkms_wire::material::{Format, Material, material_digest};
use tkms_wire::samples::SampleList;
use tkms_wire::signature::{address, sign};
use tkms_wire::switched::SwitchedList;

pub const CHAIN_ID: u64 = 31337;
pub const PROFILE: B256 = B256::repeat_byte(0x77);
pub const DAPP: Address = Address::repeat_byte(0xda);

pub fn key_id() -> KeyId {
    KeyId::numbered(1)
}

pub fn signing_key(number: u8) -> SigningKey {
    SigningKey::from_slice(&[number; 32]).unwrap()
}

pub fn coprocessor() -> SigningKey {
    signing_key(0xc0)
}

pub fn user() -> SigningKey {
    signing_key(0x05)
}

pub fn address_of(key: &SigningKey) -> Address {
    address(key.verifying_key())
}

pub fn handle(number: u8, kind: FheType) -> Handle {
    Handle::new(keccak256([number]), Handle::COMPUTED, CHAIN_ID, kind)
}

/// The record of the chain in [`chain`].
pub fn host() -> HostChain {
    HostChain {
        chain_id: CHAIN_ID,
        contracts: Contracts {
            acl: chain::ACL,
            executor: chain::EXECUTOR,
            kms_verifier: Address::repeat_byte(0xa3),
            input_verifier: Address::repeat_byte(0xa4),
            decryption_oracle: Address::repeat_byte(0xa5),
        },
        acl_code_hash: chain::acl_code(),
        executor_code_hash: chain::executor_code(),
        checkpoint_number: 1,
        checkpoint_hash: B256::repeat_byte(0x99),
        trust: HeaderTrustKind::Attesters,
        attesters: AttesterSet { version: 1, quorum: 3, members: evidence::attesters() },
        former_attesters: None,
        min_finality: MinFinality::Finalized,
        max_anchor_age: 600,
        max_anchor_lag: 100,
        clock_skew: 5,
        deny_blocks_user_decryption: true,
        coprocessors: CoprocessorSet {
            version: 1,
            quorum: 1,
            members: vec![address_of(&coprocessor())],
            profiles: vec![PROFILE],
        },
    }
}

/// A cluster of these nodes on one host.
pub fn cluster_of(nodes: Vec<Node>, host: HostChain) -> Cluster {
    let threshold = Committee::new(nodes.len()).unwrap().threshold();
    Cluster {
        version: 1,
        chains: vec![host],
        gateway: GatewayDomain {
            chain_id: 54321,
            decryption: Address::repeat_byte(0xd1),
            input_verification: Address::repeat_byte(0xd2),
        },
        committee: nodes,
        thresholds: Thresholds { faults: threshold.faults(), quorum: threshold.quorum() },
        context: ContextId::numbered(1),
        epoch: EpochId::numbered(1),
        key: KeyMaterial {
            id: key_id(),
            public_key_digest: B256::ZERO,
            server_key_digest: B256::ZERO,
            crs_digest: B256::ZERO,
            decryption: vec![tkms_types::transcript::Protocol::Flood],
        },
    }
}

/// A cluster on paper, for policy: four signers, no real certificates.
pub fn paper_cluster() -> Cluster {
    let node = |number: u8| Node {
        party_id: number.try_into().unwrap(),
        signer: Address::repeat_byte(number),
        tls_certificate: String::new(),
        peer_address: String::new(),
        api_url: String::new(),
    };
    cluster_of((1..=4).map(node).collect(), host())
}

/// A publicly decryptable ciphertext, final.
pub async fn public_ciphertext(world: &cluster::World, handle: Handle, value: u64) -> (Handle, Material) {
    let material = world.ciphertext(handle, value).await;
    world.chain.grant(merkle_acl::Grant::Public { handle: handle.0 });
    world.chain.mine(3);
    (handle, material)
}

/// What the coprocessor says about a handle's bytes for `flood`.
pub fn material(handle: Handle, digest: B256, host: &HostChain) -> Material {
    material_of(Format::Flood, handle, digest, host)
}

/// What the coprocessor says about a handle's bytes.
pub fn material_of(format: Format, handle: Handle, digest: B256, host: &HostChain) -> Material {
    let kind = handle.check().unwrap_or(FheType::Bool);
    let unsigned = Material {
        handle,
        key_id: key_id(),
        format,
        profile: PROFILE,
        digest,
        size: match format {
            Format::Exact => SwitchedList::encoded_len(kind) as u64,
            _ => SampleList::encoded_len(kind) as u64,
        },
        signatures: Vec::new(),
    };
    signed(unsigned, host, &[coprocessor()])
}

pub fn signed(mut material: Material, host: &HostChain, keys: &[SigningKey]) -> Material {
    let digest = material_digest(&material, host);
    material.signatures = keys.iter().map(|key| sign(key, digest).unwrap()).collect();
    material
}

pub fn public_request(handles: &[Handle]) -> PublicRequest {
    PublicRequest { handles: handles.to_vec(), extra_data: Bytes::from_static(&[0]) }
}

/// A permit for [`DAPP`] signed by [`user`], valid for a day from `start`.
pub fn user_request(handles: &[Handle], public_key: Bytes, start: u64, cluster: &Cluster) -> UserRequest {
    let pairs = handles.iter().map(|handle| HandlePair { handle: *handle, contract: DAPP }).collect();
    let request = UserRequest {
        pairs,
        user: address_of(&user()),
        delegator: None,
        contracts: vec![DAPP],
        start,
        days: 1,
        public_key,
        extra_data: Bytes::from_static(&[0]),
        signature: Bytes::new(),
    };
    permit(request, cluster, &user())
}

/// Signs (again) what the request says.
pub fn permit(mut request: UserRequest, cluster: &Cluster, key: &SigningKey) -> UserRequest {
    let digest = permit_digest(&request, &permit_domain(&cluster.gateway, CHAIN_ID));
    request.signature = sign(key, digest).unwrap().to_vec().into();
    request
}
