//! A committee of real tonic servers that do as they are told, a coprocessor and attesters of the same kind, a chain, and an
//! oracle between them. Keys come from a fixed seed.

pub mod attester;
pub mod coprocessor;
pub mod evidence;
pub mod host;
pub mod node;
pub mod oracle;
pub mod schema;

use alloy_primitives::{Address, B256, Bytes, address, b256};
use k256::ecdsa::SigningKey;
use merkle_acl::Grant;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use std::net::TcpListener;
use tkms_types::typed_data::{permit_digest, permit_domain};
use tkms_types::{
    AttesterSet, Cluster, ContextId, Contracts, CoprocessorSet, EpochId, FheType, GatewayDomain, Handle, HandlePair,
    HeaderTrustKind, HostChain, Id, KeyId, KeyMaterial, MinFinality, Node, PartyId, Thresholds, UserRequest,
};
use tkms_wire::signature::{address as signer, sign};
use tkms_wire::user_payload::UserKeyPair;

pub const CHAIN: u64 = 31337;
pub const CONTRACT: Address = address!("00000000000000000000000000000000000000c1");
pub const PUBLIC_KEY: &[u8] = b"the public key file of this test, long enough for a range";
pub const CRS: &[u8] = b"the common reference string of this test";
pub const PROFILE: B256 = b256!("00000000000000000000000000000000000000000000000000000000000000aa");

pub fn key(number: u8) -> SigningKey {
    let mut bytes = [0x11; 32];
    bytes[31] = number;
    SigningKey::from_slice(&bytes).unwrap()
}

/// Key of a node.
pub fn node_key(party: u8) -> SigningKey {
    key(party)
}

/// Key of the coprocessor.
pub fn coprocessor_key() -> SigningKey {
    key(100)
}

/// Key of Alice.
pub fn alice() -> SigningKey {
    key(200)
}

pub fn address_of(key: &SigningKey) -> Address {
    signer(key.verifying_key())
}

/// Whose rights Alice may use.
pub const DELEGATOR: Address = Address::repeat_byte(0xd1);

/// What the chain of these tests grants before anything happens: everything a test asks for by default.
pub fn grants() -> Vec<Grant> {
    let mut grants = Vec::new();
    for (number, kind) in (1..=9).flat_map(|number| [FheType::Bool, FheType::Uint64].map(|kind| (number, kind))) {
        let handle = handle(number, kind).0;
        let accounts = [address_of(&alice()), CONTRACT, DELEGATOR];
        grants.extend(accounts.map(|account| Grant::Persistent { handle, account }));
        grants.push(Grant::Public { handle });
    }
    grants
}

/// A port nobody listens on, for now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn handle(number: u8, kind: FheType) -> Handle {
    Handle::new(B256::repeat_byte(number), Handle::COMPUTED, CHAIN, kind)
}

pub fn cluster(node_ports: &[u16]) -> Cluster {
    let node = |(index, port): (usize, &u16)| {
        let number = u8::try_from(index + 1).unwrap();
        Node {
            party_id: PartyId::new(number).unwrap(),
            signer: address_of(&node_key(number)),
            tls_certificate: String::new(),
            peer_address: "127.0.0.1:1".into(),
            api_url: format!("http://127.0.0.1:{port}"),
        }
    };
    let faults = (node_ports.len() - 1) / 3;
    Cluster {
        version: 1,
        chains: vec![HostChain {
            chain_id: CHAIN,
            contracts: Contracts {
                acl: host::ACL,
                executor: host::EXECUTOR,
                kms_verifier: Address::repeat_byte(3),
                input_verifier: Address::repeat_byte(4),
                decryption_oracle: Address::repeat_byte(5),
            },
            acl_code_hash: host::ACL_CODE,
            executor_code_hash: host::EXECUTOR_CODE,
            checkpoint_number: 1,
            checkpoint_hash: B256::repeat_byte(8),
            trust: HeaderTrustKind::Attesters,
            attesters: AttesterSet { version: 1, quorum: attester::QUORUM, members: attester::members() },
            former_attesters: None,
            min_finality: MinFinality::Finalized,
            max_anchor_age: 600,
            max_anchor_lag: 300,
            clock_skew: 30,
            deny_blocks_user_decryption: true,
            coprocessors: CoprocessorSet {
                version: 1,
                quorum: 1,
                members: vec![address_of(&coprocessor_key())],
                profiles: vec![PROFILE],
            },
        }],
        gateway: GatewayDomain {
            chain_id: 54321,
            decryption: Address::repeat_byte(9),
            input_verification: Address::repeat_byte(10),
        },
        committee: node_ports.iter().enumerate().map(node).collect(),
        thresholds: Thresholds { faults, quorum: 2 * faults + 1 },
        context: ContextId::numbered(1),
        epoch: EpochId::numbered(1),
        key: KeyMaterial {
            id: KeyId::numbered(1),
            public_key_digest: digest(PUBLIC_KEY),
            server_key_digest: B256::repeat_byte(11),
            crs_digest: digest(CRS),
            decryption: vec![tkms_types::transcript::Protocol::Flood],
        },
    }
}

pub fn digest(bytes: &[u8]) -> B256 {
    B256::new(*blake3::hash(bytes).as_bytes())
}

pub fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(7)
}

pub fn user_keys() -> UserKeyPair {
    UserKeyPair::generate(&mut rng()).unwrap()
}

pub fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// Alice asks for one value, under a permit of ten days that she has not signed yet.
pub fn unsigned_request() -> UserRequest {
    UserRequest {
        pairs: vec![HandlePair { handle: handle(1, FheType::Uint64), contract: CONTRACT }],
        user: address_of(&alice()),
        delegator: None,
        contracts: vec![CONTRACT],
        start: now() - 60,
        days: 10,
        public_key: user_keys().public().to_bytes(),
        extra_data: Bytes::from_static(&[0]),
        signature: Bytes::new(),
    }
}

pub fn signed(mut request: UserRequest, cluster: &Cluster) -> UserRequest {
    let digest = permit_digest(&request, &permit_domain(&cluster.gateway, CHAIN));
    request.signature = sign(&alice(), digest).unwrap().into();
    request
}
