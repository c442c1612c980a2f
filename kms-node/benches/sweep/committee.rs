//! A committee of processes, its ciphertexts, and what it takes to decrypt them.

use super::common::cluster::{World, free_port, words};
use super::common::lwe::{encrypt, encrypt_switched};
use super::common::{CHAIN_ID, material_of, public_request};
use super::node::{CLUSTER, CONFIG, Said};
use super::wire::relay;
use super::{Mode, NODE};
use alloy_primitives::{U256, keccak256};
use merkle_acl::Grant;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tkms_kms_node::request::Ask;
use tkms_kms_node::stock::Preprocessing;
use tkms_types::{Committee as Size, FheType, Handle};
use tkms_wire::kms::kms_client::KmsClient;
use tkms_wire::kms::{InfoRequest, PublicDecryptRequest};
use tkms_wire::material::Format;
use tkms_wire::request::Call;
use tkms_wire::samples::digest;
use tokio::task::JoinSet;
use tonic::transport::Channel;

/// How long anything may take.
const WAIT: Duration = Duration::from_secs(120);
/// Between two looks at a node.
const LOOK: Duration = Duration::from_millis(10);
/// Clock ticks of /proc in a second, on every Linux in use.
const TICKS: f64 = 100.0;

/// What is known of a committee before it starts.
#[derive(Clone, Copy)]
pub struct Plan {
    pub n: usize,
    pub mode: Mode,
    /// One way.
    pub delay: Duration,
    /// Items of a batch.
    pub batch: u32,
    /// Batches of the first stock.
    pub batches: u32,
}

/// A request and the value it must be answered with.
pub struct Prepared {
    message: PublicDecryptRequest,
    value: U256,
}

/// What everybody has spent so far.
#[derive(Clone, Copy)]
pub struct Spent {
    pub at: Instant,
    /// Milliseconds of processor time, user and system, of all nodes.
    pub cpu: f64,
    /// Of sessions, to single peers.
    pub said: Said,
    /// Through all relays.
    pub wire: u64,
}

struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

pub struct Committee {
    world: World,
    plan: Plan,
    processes: Vec<Process>,
    nodes: Vec<KmsClient<Channel>>,
    wire: Arc<AtomicU64>,
    /// Sample lists by digest, where all nodes fetch them.
    store: TempDir,
    made: u64,
}

impl Committee {
    pub async fn start(plan: Plan) -> Self {
        let mut world = World::new(plan.n);
        if plan.mode == Mode::Exact {
            world = world.exact();
        }
        let (store, wire) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU64::new(0)));
        if !plan.delay.is_zero() {
            for party in 1..=plan.n {
                let from: SocketAddr = format!("127.0.0.1:{}", free_port()).parse().unwrap();
                relay(from, world.config(party).peer_listen, plan.delay, Arc::clone(&wire)).await;
                world.cluster.committee[party - 1].peer_address = from.to_string();
            }
        }
        let cluster = world.cluster.to_json().unwrap();
        let mut ports = Vec::new();
        let mut processes = Vec::new();
        for party in 1..=plan.n {
            let (config, port) = (world.config(party), free_port());
            std::fs::write(config.data_dir.join(CLUSTER), &cluster).unwrap();
            let text = node_config(&config, port, store.path(), &plan);
            std::fs::write(config.data_dir.join(CONFIG), text).unwrap();
            processes.push(Process::start(&config.data_dir));
            ports.push(port);
        }
        let mut nodes = Vec::new();
        for port in ports {
            nodes.push(connect(port).await);
        }
        let committee = Self { world, plan, processes, nodes, wire, store, made: 0 };
        committee.all_connected().await;
        committee
    }

    /// Ciphertexts of each type, publicly decryptable in a final block, and requests for them with all that nodes want to see.
    pub fn prepare(&mut self, wanted: &[(FheType, usize)]) -> Vec<Vec<Prepared>> {
        let ciphertexts: Vec<Vec<_>> =
            wanted.iter().map(|(kind, count)| (0..*count).map(|_| self.ciphertext(*kind)).collect()).collect();
        self.world.chain.mine(3);
        let call = |(handle, material, value): &(Handle, _, U256)| {
            let request = public_request(&[*handle]);
            let evidence = Some(self.world.evidence(Ask::Public(request.clone())));
            let call = Call {
                request,
                materials: vec![Clone::clone(material)],
                evidence,
                finality: None,
                wait: Duration::from_secs(30),
                label: String::new(),
            };
            Prepared { message: (&call).into(), value: *value }
        };
        ciphertexts.iter().map(|some| some.iter().map(call).collect()).collect()
    }

    fn ciphertext(&mut self, kind: FheType) -> (Handle, tkms_wire::material::Material, U256) {
        self.made += 1;
        let number = self.made;
        let bits = 4 * kind.squashed_blocks().min(16);
        let value = match kind {
            FheType::Bool => number % 2,
            _ => number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - bits),
        };
        let (format, bytes) = match self.plan.mode {
            Mode::Flood => (Format::Flood, encrypt(&self.world.lwe_key, kind, value, number)),
            Mode::Exact => (Format::Exact, encrypt_switched(&self.world.exact_key, kind, value, number)),
        };
        let named = digest(&bytes);
        std::fs::write(self.store.path().join(format!("{named:x}")), bytes).unwrap();
        let handle = Handle::new(keccak256(number.to_be_bytes()), Handle::COMPUTED, CHAIN_ID, kind);
        self.world.chain.grant(Grant::Public { handle: handle.0 });
        (handle, material_of(format, handle, named, &self.world.cluster.chains[0]), U256::from(value))
    }

    /// Asks all nodes; the time until a quorum has answered. Comes back when all have.
    pub async fn ask(&self, prepared: &Prepared) -> Duration {
        let quorum = Size::new(self.plan.n).unwrap().threshold().quorum();
        let start = Instant::now();
        let mut asked = JoinSet::new();
        for mut node in self.nodes.iter().cloned() {
            let message = prepared.message.clone();
            asked.spawn(async move { node.public_decrypt(message).await });
        }
        let mut elapsed = None;
        for answers in 1..=self.plan.n {
            let reply = asked.join_next().await.unwrap().unwrap().unwrap().into_inner();
            if answers == quorum {
                elapsed = Some(start.elapsed());
            }
            assert_eq!(words(&reply), [prepared.value], "a node's answer");
        }
        elapsed.unwrap()
    }

    /// What the committee has spent since it started.
    pub fn spent(&mut self) -> Spent {
        let (mut cpu, mut said) = (0.0, Said::default());
        for process in &mut self.processes {
            let own = process.said();
            said.messages += own.messages;
            said.bytes += own.bytes;
            cpu += process.cpu_ms();
        }
        Spent { at: Instant::now(), cpu, said, wire: self.wire.load(Ordering::Relaxed) }
    }

    /// Waits until every node has so many items.
    pub async fn await_stock(&self, items: u64) {
        let start = Instant::now();
        for node in &self.nodes {
            let mut node = node.clone();
            while node.info(InfoRequest {}).await.unwrap().into_inner().stock[0].items < items {
                assert!(start.elapsed() < WAIT, "no stock after {WAIT:?}");
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    async fn all_connected(&self) {
        let start = Instant::now();
        for node in &self.nodes {
            let mut node = node.clone();
            while !node.info(InfoRequest {}).await.unwrap().into_inner().peers.iter().all(|peer| peer.connected) {
                assert!(start.elapsed() < WAIT, "the nodes do not reach each other");
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

/// With a target between the last two batches of the first stock: requests do not take it below.
fn node_config(config: &tkms_kms_node::config::Config, port: u16, store: &Path, plan: &Plan) -> String {
    let Preprocessing { round_ms, .. } = Preprocessing::default();
    let target = match plan.mode {
        Mode::Flood => 0,
        Mode::Exact => plan.batch * (plan.batches - 1) + plan.batch / 4,
    };
    format!(
        r#"
        party = {}
        data_dir = "{2}"
        passphrase_file = "{2}/passphrase"
        api_listen = "127.0.0.1:{port}"
        peer_listen = "{1}"
        ops_listen = "127.0.0.1:0"
        objects = ["file://{3}"]
        preprocessing = {{ items = {target}, batch_items = {4}, round_ms = {round_ms} }}
        "#,
        config.party.number(),
        config.peer_listen,
        config.data_dir.display(),
        store.display(),
        plan.batch,
    )
}

async fn connect(port: u16) -> KmsClient<Channel> {
    let start = Instant::now();
    loop {
        match KmsClient::connect(format!("http://127.0.0.1:{port}")).await {
            Ok(client) => return client,
            Err(error) => assert!(start.elapsed() < WAIT, "a node does not start: {error}"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

impl Process {
    fn start(dir: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("--bench")
            .env(NODE, PathBuf::from(dir))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    fn said(&mut self) -> Said {
        let mut line = String::new();
        writeln!(self.input).unwrap();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn cpu_ms(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // the name of the program, in brackets, may hold anything
        let fields = stat.rsplit(')').next().unwrap().split_whitespace();
        fields.skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() * 1e3 / TICKS
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
