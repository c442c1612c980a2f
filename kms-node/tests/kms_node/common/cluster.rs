//! Nodes in this process, over real TLS on loopback, on the in-memory chain.

use super::chain::InMemoryChain;
use super::evidence::attested;
use super::lwe::{encrypt, encrypt_switched, insecure_exact_key, insecure_key};
use super::{address_of, cluster_of, host, key_id, material_of, public_request};
use age::secrecy::SecretString;
use alloy_primitives::{Address, B256, U256};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use object_store::{ObjectStoreExt as _, PutPayload};
use rand::SeedableRng as _;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tkms_kms_node::clock::Clock;
use tkms_kms_node::config::Config;
use tkms_kms_node::fetch::ObjectSource;
use tkms_kms_node::keygen::{DealNames, KeyBits, deal};
use tkms_kms_node::keystore::{HeldMasks, Keystore, MaskNames, NodeIdentity};
use tkms_kms_node::node::WrapTransport;
use tkms_kms_node::policy::facts;
use tkms_kms_node::request::{Ask, Request};
use tkms_kms_node::stock::Preprocessing;
use tkms_kms_node::{Hooks, Node};
use tkms_mpc::prss::PrssKeys;
use tkms_types::transcript::Protocol;
use tkms_types::{
    Cluster, Committee, ContextId, EpochId, Handle, Id as _, MinFinality, PublicRequest, SessionId, UserRequest,
};
use tkms_wire::evidence::Evidence;
use tkms_wire::kms::kms_client::KmsClient;
use tkms_wire::kms::{self, Reply, reply};
use tkms_wire::material::{Format, Material};
use tkms_wire::request::Call;
use tkms_wire::samples::digest;
use tonic::transport::Channel;
use zeroize::Zeroizing;

const PASSPHRASE: &str = "insecure test passphrase";

pub fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Directories, keys, chain and stores of a cluster; nodes are started and stopped by number.
pub struct World {
    pub cluster: Cluster,
    pub chain: InMemoryChain,
    pub lwe_key: Zeroizing<Vec<u128>>,
    pub exact_key: Zeroizing<Vec<u128>>,
    pub store: Arc<InMemory>,
    /// Gone with the world.
    _dirs: Vec<TempDir>,
    configs: Vec<Config>,
    identities: Vec<NodeIdentity>,
    nodes: BTreeMap<usize, Node>,
    /// How far the nodes' clocks go ahead, in seconds.
    ahead: Arc<AtomicU64>,
}

/// The machine's clock, set ahead.
struct AheadClock(Arc<AtomicU64>);

impl Clock for AheadClock {
    fn now(&self) -> u64 {
        unix_now() + self.0.load(Ordering::Relaxed)
    }
}

/// A port nobody listens on, below those the system gives to outgoing connections; each is given out once.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let offset = (std::process::id() % 100) as u16 * 100 + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 15_000 + offset % 15_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl World {
    /// `n` nodes with dealt shares and mask keys; none of them runs, and none will preprocess.
    pub fn new(n: usize) -> Self {
        let world = Self::without_masks(n);
        let committee = Committee::new(n).unwrap();
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(4);
        let session = SessionId(B256::repeat_byte(4));
        let keys = PrssKeys::deal(committee, &mut rng).unwrap();
        for ((keys, party), identity) in keys.into_iter().zip(1..).zip(&world.identities) {
            let (store, names) = (Keystore::new(&world.configs[party - 1].data_dir), world.mask_names(party));
            store.store_pending_masks(&names, &HeldMasks { session, keys }, identity).unwrap();
            store.activate_masks(&names).unwrap();
        }
        world
    }

    /// `n` nodes with dealt shares: mask keys they have to make themselves.
    pub fn without_masks(n: usize) -> Self {
        let dirs: Vec<_> = (0..n).map(|_| tempfile::tempdir().unwrap()).collect();
        let identities: Vec<_> = (0..n).map(|_| NodeIdentity::generate().unwrap()).collect();
        let records: Vec<_> = identities.iter().map(NodeIdentity::record).collect();
        let (lwe_key, exact_key) = (insecure_key(1), insecure_exact_key(3));
        let names = DealNames { key: key_id(), epoch: EpochId::numbered(1), context: ContextId::numbered(1) };
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(2);
        let dealt = {
            let bits = KeyBits { flood: Some(lwe_key.clone()), exact: Some(exact_key.clone()) };
            deal(&bits, &records, names, &mut rng).unwrap()
        };
        let passphrase = SecretString::from(PASSPHRASE.to_owned());
        std::thread::scope(|scope| {
            for ((dir, identity), share) in dirs.iter().zip(&identities).zip(&dealt) {
                let passphrase = &passphrase;
                scope.spawn(move || {
                    let keystore = Keystore::new(dir.path());
                    keystore.create_identity(identity, passphrase).unwrap();
                    keystore.store_share(&share.names, &share.package).unwrap();
                    std::fs::write(dir.path().join("passphrase"), format!("{PASSPHRASE}\n")).unwrap();
                });
            }
        });
        let configs: Vec<_> = dirs.iter().zip(1u8..).map(|(dir, party)| config(dir, party)).collect();
        let node = |(config, record): (&Config, &tkms_kms_node::keystore::NodeRecord)| tkms_types::Node {
            party_id: config.party,
            signer: record.signer,
            tls_certificate: record.tls_certificate.clone(),
            peer_address: config.peer_listen.to_string(),
            api_url: format!("http://{}", config.api_listen),
        };
        let chain = InMemoryChain::new(unix_now() - 200);
        let mut host = host();
        host.checkpoint_hash = chain.block_hash(1);
        let cluster = cluster_of(configs.iter().zip(&records).map(node).collect(), host);
        Self {
            cluster,
            chain,
            lwe_key,
            exact_key,
            store: Arc::new(InMemory::new()),
            _dirs: dirs,
            configs,
            identities,
            nodes: BTreeMap::new(),
            ahead: Arc::default(),
        }
    }

    /// The key is decrypted by `exact` on nodes started from now on.
    pub fn exact(mut self) -> Self {
        self.cluster.key.decryption = vec![Protocol::Exact, Protocol::Flood];
        self
    }

    /// Time passes for all nodes.
    pub fn pass(&self, seconds: u64) {
        self.ahead.fetch_add(seconds, Ordering::Relaxed);
    }

    pub fn config(&self, party: usize) -> Config {
        self.configs[party - 1].clone()
    }

    /// Requests a second of one user, on nodes started from now on.
    pub fn limit_users(&mut self, per_second: u32) {
        for config in &mut self.configs {
            config.limits.user_requests_per_second = per_second.try_into().unwrap();
        }
    }

    /// Mask keys in force in a node's key store.
    pub fn masks_on_disk(&self, party: usize) -> Option<HeldMasks> {
        let store = Keystore::new(&self.configs[party - 1].data_dir);
        store.masks(&self.mask_names(party), &self.identities[party - 1]).unwrap()
    }

    /// These nodes have made mask keys of one setup and have stopped before they were in force.
    pub fn leave_pending(&self, parties: &[usize]) -> SessionId {
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(5);
        let keys = PrssKeys::deal(Committee::new(self.configs.len()).unwrap(), &mut rng).unwrap();
        let session = SessionId(B256::repeat_byte(5));
        for (keys, party) in keys.into_iter().zip(1..).filter(|(_, party)| parties.contains(party)) {
            let store = Keystore::new(&self.configs[party - 1].data_dir);
            let held = HeldMasks { session, keys };
            store.store_pending_masks(&self.mask_names(party), &held, &self.identities[party - 1]).unwrap();
        }
        session
    }

    fn mask_names(&self, party: usize) -> MaskNames {
        MaskNames {
            committee: Committee::new(self.configs.len()).unwrap(),
            party: self.configs[party - 1].party,
            epoch: EpochId::numbered(1),
            context: ContextId::numbered(1),
        }
    }

    /// Preprocessing of nodes started from now on.
    pub fn preprocess(&mut self, plan: Preprocessing) {
        for config in &mut self.configs {
            config.preprocessing = plan;
        }
    }

    pub fn hooks(&self, wrap: Option<WrapTransport>) -> Hooks {
        let objects = vec![ObjectSource::new("memory".to_owned(), self.store.clone(), Path::default())];
        Hooks {
            clock: Arc::new(AheadClock(Arc::clone(&self.ahead))),
            objects: Some(objects),
            transport: wrap,
            ..Hooks::default()
        }
    }

    pub async fn start(&mut self, parties: impl IntoIterator<Item = usize>) {
        for party in parties {
            self.start_with(party, None).await;
        }
    }

    pub async fn start_with(&mut self, party: usize, wrap: Option<WrapTransport>) {
        let node = Node::start_with(self.config(party), self.cluster.clone(), self.hooks(wrap)).await.unwrap();
        self.nodes.insert(party, node);
    }

    /// A node whose store of samples takes so long for each answer.
    pub async fn start_with_slow_store(&mut self, party: usize, wait: Duration) {
        let config = ThrottleConfig { wait_get_per_call: wait, ..ThrottleConfig::default() };
        let slow = ThrottledStore::new(Arc::clone(&self.store), config);
        let objects = vec![ObjectSource::new("slow".to_owned(), Arc::new(slow), Path::default())];
        let hooks = Hooks { objects: Some(objects), ..self.hooks(None) };
        let node = Node::start_with(self.config(party), self.cluster.clone(), hooks).await.unwrap();
        self.nodes.insert(party, node);
    }

    /// A node that was started elsewhere.
    pub fn adopt(&mut self, party: usize, node: Node) {
        self.nodes.insert(party, node);
    }

    pub async fn stop(&mut self, party: usize) {
        self.nodes.remove(&party).unwrap().stop().await;
    }

    pub fn node(&self, party: usize) -> &Node {
        &self.nodes[&party]
    }

    pub fn signer(&self, party: usize) -> Address {
        self.cluster.committee[party - 1].signer
    }

    /// Encrypts a value, stores its samples, and names them as the coprocessor does.
    pub async fn ciphertext(&self, handle: Handle, value: u64) -> Material {
        let (kind, seed) = (handle.check().unwrap(), u64::from(handle.0[0]));
        let (format, bytes) = match self.cluster.protocol() {
            Protocol::Flood => (Format::Flood, encrypt(&self.lwe_key, kind, value, seed)),
            Protocol::Exact => (Format::Exact, encrypt_switched(&self.exact_key, kind, value, seed)),
        };
        let named = digest(&bytes);
        self.store.put(&Path::from(format!("{named:x}")), PutPayload::from(bytes)).await.unwrap();
        material_of(format, handle, named, &self.cluster.chains[0])
    }

    pub async fn client(&self, party: usize) -> KmsClient<Channel> {
        let url = format!("http://{}", self.node(party).addresses().api);
        KmsClient::connect(url).await.unwrap().max_decoding_message_size(8 << 20)
    }

    pub async fn info(&self, party: usize) -> kms::InfoReply {
        self.client(party).await.info(kms::InfoRequest {}).await.unwrap().into_inner()
    }

    /// What an honest oracle sends along: the newest final block, attested.
    pub fn evidence(&self, ask: Ask) -> Evidence {
        self.evidence_at(ask, self.chain.final_number())
    }

    pub fn evidence_at(&self, ask: Ask, number: usize) -> Evidence {
        let host = &self.cluster.chains[0];
        let request = Request { ask, materials: Vec::new(), evidence: None, finality: None };
        let parts = self.chain.parts(number, &facts(&request, host, unix_now()));
        parts.compact(Some(attested(host, &parts.header, MinFinality::Finalized)))
    }

    pub async fn ask_public(&self, party: usize, handles: &[Handle], materials: &[Material], wait: Duration) -> Reply {
        let evidence = self.evidence(Ask::Public(public_request(handles)));
        self.ask_public_with(party, handles, materials, Some(evidence), wait).await
    }

    pub async fn ask_public_with(
        &self,
        party: usize,
        handles: &[Handle],
        materials: &[Material],
        evidence: Option<Evidence>,
        wait: Duration,
    ) -> Reply {
        let call: Call<PublicRequest> = Call {
            request: public_request(handles),
            materials: materials.to_vec(),
            evidence,
            finality: None,
            wait,
            label: format!("to {party}"),
        };
        self.client(party).await.public_decrypt(kms::PublicDecryptRequest::from(&call)).await.unwrap().into_inner()
    }

    pub async fn ask_user(&self, party: usize, request: &UserRequest, materials: &[Material]) -> Reply {
        let call = Call {
            request: request.clone(),
            materials: materials.to_vec(),
            evidence: Some(self.evidence(Ask::User(request.clone()))),
            finality: None,
            wait: Duration::from_secs(20),
            label: String::new(),
        };
        self.client(party).await.user_decrypt(kms::UserDecryptRequest::from(&call)).await.unwrap().into_inner()
    }
}

fn config(dir: &TempDir, party: u8) -> Config {
    Config::from_toml(&format!(
        r#"
        party = {party}
        data_dir = "{0}"
        passphrase_file = "{0}/passphrase"
        api_listen = "127.0.0.1:0"
        peer_listen = "127.0.0.1:{1}"
        ops_listen = "127.0.0.1:0"
        objects = ["memory:///"]
        preprocessing = {{ items = 0 }}
        "#,
        dir.path().display(),
        free_port(),
    ))
    .unwrap()
}

/// The words of a public answer.
pub fn words(reply: &Reply) -> Vec<U256> {
    let Some(reply::Outcome::PublicAnswer(answer)) = &reply.outcome else { panic!("no answer: {reply:?}") };
    answer.words.chunks(32).map(U256::from_be_slice).collect()
}

/// The code of a refusal.
pub fn code(reply: &Reply) -> &str {
    let Some(reply::Outcome::Refusal(refusal)) = &reply.outcome else { panic!("no refusal: {reply:?}") };
    &refusal.code
}

/// The state of a request that is not done.
pub fn pending(reply: &Reply) -> kms::State {
    let Some(reply::Outcome::Pending(pending)) = &reply.outcome else { panic!("not pending: {reply:?}") };
    pending.state()
}

pub fn user_address() -> Address {
    address_of(&super::user())
}
