//! An engine whose ciphertexts are the values themselves, and the fixtures all modules share.

use alloy_primitives::{Address, B256, U256, address};
use bytes::Bytes;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tkms_coprocessor::attest::Attester;
use tkms_coprocessor::engine::{Engine, EngineError};
use tkms_coprocessor::execute::Worker;
use tkms_coprocessor::objects::Objects;
use tkms_coprocessor::operation::{Expression, Operation, Right};
use tkms_coprocessor::store::{HandleState, Identity, Store};
use tkms_eth::LocalKey;
use tkms_fhe::{BinaryOp, InputContext, InputError};
use tkms_types::transcript::Protocol;
use tkms_types::{
    AttesterSet, Cluster, Contracts, CoprocessorSet, FheType, GatewayDomain, Handle, HeaderTrustKind, HostChain, Id,
    KeyId, KeyMaterial, MinFinality, Thresholds,
};
use tkms_wire::samples::{BLOCK_WORDS, SampleList};
use tkms_wire::switched::SwitchedList;
use tokio::sync::Notify;

pub const CHAIN: u64 = 31337;
pub const ACL: Address = address!("50157CFfD6bBFA2DECe204a89ec419c23ef5755D");
pub const EXECUTOR: Address = address!("e3a9105a3a932253A70F126eb1E3b589C643dD24");
pub const WORKERS: NonZeroUsize = NonZeroUsize::new(3).unwrap();
pub const ARITHMETIC: &str = "insecure";
const SIGNER: [u8; 32] = [7; 32];

/// Adds, and knows constants and inputs; panics on `Max`, refuses everything else.
#[derive(Default)]
pub struct InsecureEngine {
    pub computed: AtomicUsize,
    pub squashed: AtomicUsize,
    pub verified: AtomicUsize,
    /// Computations under way, and the most there ever were.
    running: AtomicUsize,
    pub most: AtomicUsize,
    /// Computations wait until so many run at once, or [`GATE_TIME`] is over.
    pub gate: AtomicUsize,
    /// Makes samples for `exact`.
    pub exact: bool,
}

/// Samples without mask or error whose digits are the value's.
fn switched(kind: FheType, ciphertext: &[u8]) -> Vec<u16> {
    let mut words = vec![0; kind.squashed_blocks() * tkms_wire::switched::BLOCK_WORDS];
    for (i, block) in words.chunks_exact_mut(tkms_wire::switched::BLOCK_WORDS).enumerate() {
        let digit = (ciphertext[i / 2] >> (4 * (i % 2))) & 15;
        *block.last_mut().unwrap() = (u16::from(digit) << 10) + 256;
    }
    words
}

/// How long a computation waits for others to run beside it.
const GATE_TIME: Duration = Duration::from_secs(10);

impl InsecureEngine {
    fn meet(&self) {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        let deadline = Instant::now() + GATE_TIME;
        while self.most.load(Ordering::SeqCst) < self.gate.load(Ordering::SeqCst) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Engine for InsecureEngine {
    fn compute(&self, operation: &Operation, operands: &[Bytes]) -> Result<Vec<u8>, EngineError> {
        self.computed.fetch_add(1, Ordering::SeqCst);
        self.meet();
        let value = |i: usize| U256::from_le_slice(&operands[i]);
        let result = match &operation.expression {
            Expression::Trivial(value) => *value,
            Expression::Binary { code, right, .. } if *code == BinaryOp::Add as u8 => match right {
                Right::Handle(_) => value(0) + value(1),
                Right::Scalar(scalar) => value(0) + *scalar,
            },
            Expression::Binary { code, .. } if *code == BinaryOp::Max as u8 => panic!("a bug in the library"),
            Expression::Binary { code, .. } | Expression::Unary { code, .. } => {
                return Err(EngineError::Unsupported(*code));
            }
            _ => return Err(EngineError::Unsupported(u8::MAX)),
        };
        Ok(result.to_le_bytes_vec())
    }

    fn samples(&self, key: KeyId, kind: FheType, ciphertext: &[u8]) -> Result<Vec<u8>, EngineError> {
        self.squashed.fetch_add(1, Ordering::SeqCst);
        if self.exact {
            return Ok(SwitchedList::new(key, kind, switched(kind, ciphertext))?.encode());
        }
        let mut words = vec![0; kind.squashed_blocks() * BLOCK_WORDS];
        for (i, block) in words.chunks_exact_mut(BLOCK_WORDS).enumerate() {
            let digit = (ciphertext[i / 2] >> (4 * (i % 2))) & 15;
            block[BLOCK_WORDS - 1] = u128::from(digit) << 123;
        }
        Ok(SampleList::new(key, kind, words)?.encode())
    }

    /// A list is its context's metadata and then one byte for each euint64.
    fn verify_input(&self, list: &[u8], context: &InputContext) -> Result<Vec<(FheType, Vec<u8>)>, InputError> {
        self.verified.fetch_add(1, Ordering::SeqCst);
        let metadata = context.metadata();
        if list.len() < metadata.len() {
            return Err(InputError::Malformed("too short".into()));
        }
        let values = list.strip_prefix(metadata.as_slice()).ok_or(InputError::Proof)?;
        Ok(values.iter().map(|value| (FheType::Uint64, U256::from(*value).to_le_bytes_vec())).collect())
    }
}

pub fn key() -> KeyId {
    KeyId::numbered(1)
}

pub fn signer() -> LocalKey {
    LocalKey::from_bytes(&SIGNER).unwrap()
}

pub fn chain() -> HostChain {
    HostChain {
        chain_id: CHAIN,
        contracts: Contracts {
            acl: ACL,
            executor: EXECUTOR,
            kms_verifier: Address::repeat_byte(3),
            input_verifier: Address::repeat_byte(4),
            decryption_oracle: Address::repeat_byte(5),
        },
        acl_code_hash: B256::repeat_byte(1),
        executor_code_hash: B256::repeat_byte(2),
        checkpoint_number: 1,
        checkpoint_hash: B256::repeat_byte(3),
        trust: HeaderTrustKind::Attesters,
        attesters: AttesterSet { version: 1, quorum: 3, members: (1..=4).map(Address::repeat_byte).collect() },
        former_attesters: None,
        min_finality: MinFinality::Finalized,
        max_anchor_age: 600,
        max_anchor_lag: 300,
        clock_skew: 10,
        deny_blocks_user_decryption: false,
        coprocessors: CoprocessorSet {
            version: 1,
            quorum: 1,
            members: vec![tkms_eth::DigestSigner::address(&signer())],
            profiles: vec![tkms_coprocessor::local_profile(Protocol::Flood)],
        },
    }
}

pub fn cluster() -> Cluster {
    Cluster {
        version: 1,
        chains: vec![chain()],
        gateway: GatewayDomain {
            chain_id: 54321,
            decryption: Address::repeat_byte(8),
            input_verification: Address::repeat_byte(9),
        },
        committee: Vec::new(),
        thresholds: Thresholds { faults: 0, quorum: 1 },
        context: Id::numbered(1),
        epoch: Id::numbered(1),
        key: KeyMaterial {
            id: key(),
            public_key_digest: tkms_wire::samples::digest(b"public key"),
            server_key_digest: tkms_wire::samples::digest(b"server key"),
            crs_digest: tkms_wire::samples::digest(b"crs"),
            decryption: vec![Protocol::Flood],
        },
    }
}

/// A deployment where this protocol is in force.
pub fn cluster_for(protocol: Protocol) -> Cluster {
    let mut cluster = cluster();
    cluster.key.decryption = vec![protocol];
    cluster.chains[0].coprocessors.profiles = vec![tkms_coprocessor::local_profile(protocol)];
    cluster
}

pub fn attester() -> Attester {
    attester_for(Protocol::Flood)
}

pub fn attester_for(protocol: Protocol) -> Attester {
    Attester::new(Arc::new(signer()), &cluster_for(protocol), &chain(), ARITHMETIC)
}

pub fn identity() -> Identity {
    Identity { host: chain().host_id(), key: key() }
}

pub fn open(directory: &Path) -> Arc<Store> {
    open_for(Protocol::Flood, directory)
}

pub fn open_for(protocol: Protocol, directory: &Path) -> Arc<Store> {
    let attester = attester_for(protocol);
    Arc::new(Store::open(directory, identity(), attester.format, attester.profile).unwrap())
}

pub fn worker(directory: &Path) -> (Worker, Arc<InsecureEngine>) {
    worker_for(Protocol::Flood, directory)
}

pub fn worker_for(protocol: Protocol, directory: &Path) -> (Worker, Arc<InsecureEngine>) {
    let engine = Arc::new(InsecureEngine { exact: protocol == Protocol::Exact, ..InsecureEngine::default() });
    let worker = Worker {
        store: open_for(protocol, directory),
        objects: Objects::open(None, None, &directory.join("objects")).unwrap(),
        engine: engine.clone(),
        attester: attester_for(protocol),
        wake: Arc::new(Notify::new()),
        workers: WORKERS,
    };
    (worker, engine)
}

/// A computed handle of a euint64.
pub fn handle(number: u8) -> Handle {
    Handle::new(B256::repeat_byte(number), Handle::COMPUTED, CHAIN, FheType::Uint64)
}

pub fn operation(result: u8, expression: Expression) -> Operation {
    Operation { result: handle(result), kind: FheType::Uint64, expression }
}

pub fn trivial(result: u8, value: u64) -> Operation {
    operation(result, Expression::Trivial(U256::from(value)))
}

pub fn binary(op: BinaryOp, result: u8, left: u8, right: u8) -> Operation {
    let right = Right::Handle(handle(right));
    operation(result, Expression::Binary { code: op as u8, left: handle(left), right })
}

pub fn add(result: u8, left: u8, right: u8) -> Operation {
    binary(BinaryOp::Add, result, left, right)
}

/// Waits until the state of a handle is as wanted.
pub async fn wait_for(store: &Store, handle: Handle, wanted: impl Fn(&HandleState) -> bool) -> HandleState {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let state = store.state(handle).unwrap();
        if wanted(&state) {
            return state;
        }
        assert!(std::time::Instant::now() < deadline, "{handle} is still {state:?}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
