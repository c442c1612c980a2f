//! A committee with keys, and a relayer that answers what a test tells it.

use alloy_primitives::{Address, B256, keccak256};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use k256::ecdsa::SigningKey;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde_json::{Value as Json, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tkms_client::{Client, Config, Trust};
use tkms_types::{
    AttesterSet, Cluster, ContextId, Contracts, CoprocessorSet, EpochId, FheType, GatewayDomain, Handle,
    HeaderTrustKind, HostChain, Id, KeyId, KeyMaterial, MinFinality, Node, PartyId, Thresholds,
};
use tkms_wire::signature::{address, sign};

pub const CHAIN: u64 = 31337;

pub fn rng(seed: u64) -> ChaCha20Rng {
    println!("seed {seed}");
    ChaCha20Rng::seed_from_u64(seed)
}

pub fn handle(number: u8, kind: FheType) -> Handle {
    Handle::new(keccak256([number]), Handle::COMPUTED, CHAIN, kind)
}

/// Signers and what a cluster file says of them.
pub struct Scene {
    pub nodes: Vec<SigningKey>,
    pub coprocessors: Vec<SigningKey>,
    pub cluster: Cluster,
}

impl Scene {
    pub fn new(n: u8, rng: &mut ChaCha20Rng) -> Self {
        let mut key = || SigningKey::from_slice(&rng.random::<[u8; 32]>()).unwrap();
        let nodes: Vec<_> = (0..n).map(|_| key()).collect();
        let mut coprocessors: Vec<_> = (0..3).map(|_| key()).collect();
        coprocessors.sort_by_key(|key| address(key.verifying_key()));
        let members = coprocessors.iter().map(|key| address(key.verifying_key())).collect();
        let cluster = cluster(&nodes, CoprocessorSet { version: 1, quorum: 2, members, profiles: vec![B256::ZERO] });
        Self { nodes, coprocessors, cluster }
    }

    pub fn trust(&self) -> Trust {
        Trust::from_cluster(&self.cluster, CHAIN).unwrap()
    }

    pub fn sign(&self, party: PartyId, digest: B256) -> [u8; 65] {
        sign(&self.nodes[party.index()], digest).unwrap()
    }
}

fn cluster(nodes: &[SigningKey], coprocessors: CoprocessorSet) -> Cluster {
    let node = |(number, key): (u8, &SigningKey)| Node {
        party_id: PartyId::new(number).unwrap(),
        signer: address(key.verifying_key()),
        tls_certificate: String::new(),
        peer_address: String::new(),
        api_url: String::new(),
    };
    let faults = (nodes.len() - 1) / 3;
    let contract = Address::repeat_byte;
    Cluster {
        version: 1,
        chains: vec![HostChain {
            chain_id: CHAIN,
            contracts: Contracts {
                acl: contract(1),
                executor: contract(2),
                kms_verifier: contract(3),
                input_verifier: contract(4),
                decryption_oracle: contract(5),
            },
            acl_code_hash: B256::ZERO,
            executor_code_hash: B256::ZERO,
            checkpoint_number: 1,
            checkpoint_hash: B256::ZERO,
            trust: HeaderTrustKind::Attesters,
            attesters: AttesterSet { version: 1, quorum: 3, members: (1..=4).map(Address::repeat_byte).collect() },
            former_attesters: None,
            min_finality: MinFinality::Finalized,
            max_anchor_age: 600,
            max_anchor_lag: 300,
            clock_skew: 30,
            deny_blocks_user_decryption: true,
            coprocessors,
        }],
        gateway: GatewayDomain { chain_id: 54321, decryption: contract(6), input_verification: contract(7) },
        committee: (1..).zip(nodes).map(node).collect(),
        thresholds: Thresholds { faults, quorum: 2 * faults + 1 },
        context: ContextId::numbered(1),
        epoch: EpochId::numbered(1),
        key: KeyMaterial {
            id: KeyId::numbered(1),
            public_key_digest: tkms_wire::samples::digest(b"public key"),
            server_key_digest: B256::ZERO,
            crs_digest: tkms_wire::samples::digest(b"crs"),
            decryption: vec![tkms_types::transcript::Protocol::Flood],
        },
    }
}

/// One answer of the scripted relayer.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub retry_after: Option<&'static str>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(status: u16, body: &Json) -> Self {
        Self { status, retry_after: Some("0"), body: body.to_string().into_bytes() }
    }

    pub fn job() -> Self {
        Self::json(202, &json!({"status": "queued", "requestId": "r", "result": {"jobId": "job-1"}}))
    }

    pub fn result(result: Json) -> Self {
        Self::json(200, &json!({"status": "succeeded", "requestId": "r", "result": result}))
    }

    pub fn failed(status: u16, label: &str) -> Self {
        Self::json(status, &json!({"status": "failed", "error": {"label": label, "message": "m"}}))
    }
}

#[derive(Default)]
struct Script {
    answers: VecDeque<Answer>,
    asked: Vec<(String, Vec<u8>)>,
}

/// A relayer on a port of its own that gives its answers in order, then 404.
pub struct Relayer {
    script: Arc<Mutex<Script>>,
    base: url::Url,
}

impl Relayer {
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let script = Arc::new(Mutex::new(Script { answers: answers.into_iter().collect(), asked: Vec::new() }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/v2", listener.local_addr().unwrap()).parse().unwrap();
        let router = Router::new().fallback(serve).with_state(script.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { script, base }
    }

    pub fn push(&self, answer: Answer) {
        self.script.lock().unwrap().answers.push_back(answer);
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    pub fn client(&self, trust: Trust) -> Client {
        let config = Config {
            shortest_wait: Duration::from_millis(1),
            timeout: Duration::from_secs(5),
            ..Config::new(self.base.clone())
        };
        Client::new(config, trust).unwrap()
    }

    /// Method and path of each call so far.
    pub fn asked(&self) -> Vec<String> {
        self.script.lock().unwrap().asked.iter().map(|(what, _)| what.clone()).collect()
    }

    /// Body of a call as JSON.
    pub fn body(&self, call: usize) -> Json {
        serde_json::from_slice(&self.script.lock().unwrap().asked[call].1).unwrap()
    }
}

async fn serve(script: State<Arc<Mutex<Script>>>, method: Method, uri: Uri, body: Bytes) -> Response {
    let mut script = script.lock().unwrap();
    script.asked.push((format!("{method} {}", uri.path()), body.to_vec()));
    let Some(answer) = script.answers.pop_front() else { return StatusCode::NOT_FOUND.into_response() };
    let mut response = (StatusCode::from_u16(answer.status).unwrap(), answer.body).into_response();
    if let Some(wait) = answer.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, wait.parse().unwrap());
    }
    response
}
