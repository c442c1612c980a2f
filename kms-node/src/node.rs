//! A running node: everything put together, started and stopped.

use crate::api::Api;
use crate::at_hand::AtHand;
use crate::background::{self, Background};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::decryptor::Decryptor;
use crate::endpoints::Endpoints;
use crate::engine::{self, Engine, Witnesses};
use crate::exact::{self, Exact};
use crate::fetch::{ObjectSource, Samples};
use crate::health::Health;
use crate::hosts::Hosts;
use crate::journal::Journal;
use crate::keystore::{Keystore, MaskNames, NodeIdentity};
use crate::limiter::RateLimiter;
use crate::limits::{BODY_BYTES, LONGEST_WAIT};
use crate::masks::MaskKeys;
use crate::ops::{self, Ops};
use crate::peer::PeerDesk;
use crate::respond::Responder;
use crate::rounds::CommitteeSeal;
use crate::session::{self, Sessions};
use crate::startup::{self, StartError};
use crate::stock::Stock;
use crate::store::{Store, StoreError};
use crate::tasks::{self, Tasks};
use crate::transport::{MtlsTransport, Names, PeerTls, Transport, TransportError};
use alloy_primitives::Address;
use metrics_exporter_prometheus::PrometheusHandle;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;
use tkms_mpc::exact::{ExactKey, Width};
use tkms_types::transcript::Protocol;
use tkms_types::{Cluster, Committee, limits};
use tkms_wire::kms::kms_server::KmsServer;
use tokio::sync::{Semaphore, watch};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server};

/// Streams of one API connection.
const API_STREAMS: u32 = 256;
/// Between two looks at what may be forgotten.
const PRUNING: Duration = Duration::from_secs(600);

/// Puts itself between the node and its peers.
pub type WrapTransport = Box<dyn FnOnce(Arc<dyn Transport>) -> Arc<dyn Transport> + Send>;

/// Parts of a node that tests replace. The default is the real thing.
pub struct Hooks {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Endpoints of host chains in RPC mode, by chain id, instead of those of the configuration.
    pub endpoints: Option<BTreeMap<u64, Endpoints>>,
    /// Stores instead of those of the configuration.
    pub objects: Option<Vec<ObjectSource>>,
    /// Around the real transport.
    pub transport: Option<WrapTransport>,
    /// Renders what the process's recorder has counted.
    pub metrics: Option<PrometheusHandle>,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), endpoints: None, objects: None, transport: None, metrics: None }
    }
}

/// A running node.
pub struct Node {
    addresses: Addresses,
    health: Arc<Health>,
    journal: Journal,
    stop: watch::Sender<bool>,
    tasks: Arc<Tasks>,
    transport: Arc<MtlsTransport>,
    background: Arc<Background>,
    thread: JoinHandle<()>,
}

/// Where a node listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Request API.
    pub api: SocketAddr,
    /// Peers.
    pub peer: SocketAddr,
    /// Operator.
    pub ops: SocketAddr,
}

/// Runs a node until `shutdown`.
///
/// # Errors
/// [`NodeError`] if it does not start.
pub async fn run(
    config: Config,
    cluster: Cluster,
    hooks: Hooks,
    shutdown: impl Future<Output = ()>,
) -> Result<(), NodeError> {
    let node = Node::start_with(config, cluster, hooks).await?;
    shutdown.await;
    node.stop().await;
    Ok(())
}

impl Node {
    /// Proves the configuration and starts to serve.
    ///
    /// # Errors
    /// [`NodeError`] naming what is wrong.
    pub async fn start(config: Config, cluster: Cluster) -> Result<Self, NodeError> {
        Self::start_with(config, cluster, Hooks::default()).await
    }

    /// The same with some parts replaced.
    ///
    /// # Errors
    /// [`NodeError`] naming what is wrong.
    pub async fn start_with(config: Config, cluster: Cluster, hooks: Hooks) -> Result<Self, NodeError> {
        let cluster = Arc::new(cluster);
        let (identity, key) = {
            // scrypt takes half a second of a core
            let (config, cluster) = (config.clone(), Arc::clone(&cluster));
            let opened = tokio::task::spawn_blocking(move || startup::open_keys(&config, &cluster));
            opened.await.map_err(|_| NodeError::Ended)??
        };
        let identity = Arc::new(identity);
        let endpoints = match hooks.endpoints {
            Some(endpoints) => endpoints,
            None => startup::endpoints(&cluster, &config.rpc)?,
        };
        let committee = cluster.size().map_err(StartError::from)?;
        if committee.size() == 1 {
            tracing::warn!("this committee has one member: one machine holds the whole key");
        }

        let store = Store::open(&config.data_dir.join("node.redb"))?;
        let (mtls, transport) = open_transport(&config, &cluster, &identity, hooks.transport).await?;
        let tasks = Arc::new(Tasks::default());
        let background = open_background(&config, &cluster, &identity, (&store, &transport)).await?;
        let samples = Arc::new(Samples::new(match hooks.objects {
            Some(objects) => objects,
            None => stores(&config)?,
        }));
        let parts = session::Parts {
            me: config.party,
            committee,
            key,
            masks: background.masks().clone(),
            transport: Arc::clone(&transport),
            store: store.clone(),
            clock: Arc::clone(&hooks.clock),
        };
        let at_hand = AtHand::default();
        let decryptor = match cluster.protocol() {
            Protocol::Flood => Decryptor::Flood(Sessions::new(parts, Arc::clone(&tasks))),
            Protocol::Exact => {
                let seal = CommitteeSeal::new(identity.signing_key().clone(), &cluster);
                let shared = (background.stock_cell(), Arc::clone(&samples), seal, at_hand.clone());
                Decryptor::Exact(open_exact(&cluster, parts, shared, &tasks))
            }
        };
        let journal = Journal::new(store.clone(), identity.signing_key().clone());
        let cluster_hash = cluster.hash().map_err(StartError::from)?;
        let engine = Engine::new(engine::Parts {
            cluster: Arc::clone(&cluster),
            cluster_hash,
            clock: Arc::clone(&hooks.clock),
            witnesses: Witnesses::new(endpoints),
            hosts: Hosts::load(store.clone(), cluster_hash)?,
            samples,
            decryptor,
            at_hand,
            responder: responder(&config, &cluster, committee, &identity),
            journal: journal.clone(),
            store: store.clone(),
            user_rate: RateLimiter::new(config.limits.user_requests_per_second.get()),
            tasks: Arc::clone(&tasks),
        });
        tasks.spawn(prune(store, hooks.clock));
        let opened = Opened { config, cluster, signer: identity.signer(), engine, background, transport };
        opened.serve(hooks.metrics, journal, (mtls, tasks)).await
    }

    /// Where it listens.
    #[must_use]
    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Who it is and how it is.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Its preprocessed items, once the committee has mask keys.
    #[must_use]
    pub fn stock(&self) -> Option<&crate::stock::Stock> {
        self.background.stock()
    }

    /// Its audit records.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Closes the ports, ends the tasks, and lets go of the store.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.background.stop();
        // It may be in the middle of a computation, and holds the store until it is done with it
        let thread = self.thread;
        if tokio::task::spawn_blocking(move || thread.join()).await.is_err() {
            tracing::error!("background work ended by a panic");
        }
        self.transport.stop().await;
        self.tasks.stop().await;
        tracing::info!("node stopped");
    }
}

/// A node that does not serve yet.
struct Opened {
    config: Config,
    cluster: Arc<Cluster>,
    signer: Address,
    engine: Engine,
    background: Arc<Background>,
    transport: Arc<dyn Transport>,
}

impl Opened {
    /// Answers peers, callers and the operator from now on.
    async fn serve(
        self,
        metrics: Option<PrometheusHandle>,
        journal: Journal,
        (mtls, tasks): (Arc<MtlsTransport>, Arc<Tasks>),
    ) -> Result<Node, NodeError> {
        let Self { config, cluster, signer, engine, background, transport } = self;
        let party = config.party;
        let committee = cluster.size().map_err(StartError::from)?;
        let cluster_hash = cluster.hash().map_err(StartError::from)?;
        let desk = PeerDesk::new(
            Arc::clone(&cluster),
            engine.clone(),
            Arc::clone(&transport),
            Arc::clone(&background),
            Arc::clone(&tasks),
        );
        tasks.spawn(Arc::clone(&desk).run());
        for peer in committee.parties().filter(|peer| *peer != party) {
            tasks.spawn(Arc::clone(&desk).look_for_strangers(peer));
        }
        let decryptor = engine.decryptor().clone();
        let health = Health {
            party,
            committee,
            signer,
            cluster,
            cluster_hash,
            engine: engine.clone(),
            transport,
            background: Arc::clone(&background),
        };
        let health = Arc::new(health);
        let (stop, stopped) = watch::channel(false);
        let api = serve_api(&config, engine, Arc::clone(&health), (&tasks, stopped.clone()))?;
        let ops = serve_ops(&config, Ops { health: Arc::clone(&health), metrics }, (&tasks, stopped)).await?;
        let addresses = Addresses { api, peer: mtls.listening(), ops };
        // Last: a start that fails leaves no thread behind
        let thread = background.start(decryptor, &tasks).map_err(|_| NodeError::Ended)?;
        tracing::info!(%party, %signer, cluster = %cluster_hash, ?addresses, "node started");
        Ok(Node { addresses, health, journal, stop, tasks, transport: mtls, background, thread })
    }
}

/// Mask keys, stock and the peers' stands.
async fn open_background(
    config: &Config,
    cluster: &Arc<Cluster>,
    identity: &Arc<NodeIdentity>,
    (store, transport): (&Store, &Arc<dyn Transport>),
) -> Result<Arc<Background>, NodeError> {
    let committee = cluster.size().map_err(StartError::from)?;
    let parts = background::Parts {
        names: MaskNames { committee, party: config.party, epoch: cluster.epoch, context: cluster.context },
        cluster: Arc::clone(cluster),
        identity: Arc::clone(identity),
        keystore: Keystore::new(&config.data_dir),
        store: store.clone(),
        transport: Arc::clone(transport),
        masks: MaskKeys::default(),
        plan: config.preprocessing,
    };
    Ok(Background::open(parts).await?)
}

/// Decryption by `exact`.
fn open_exact(
    cluster: &Cluster,
    parts: session::Parts,
    (stock, samples, seal, at_hand): (Arc<OnceLock<Stock>>, Arc<Samples>, CommitteeSeal, AtHand),
    tasks: &Arc<Tasks>,
) -> Exact {
    let session::Parts { me, committee, key, masks, transport, store, clock } = parts;
    let Cluster { context, epoch, key: material, .. } = cluster;
    let names = exact::Names { me, committee, context: *context, epoch: *epoch, key: material.id };
    let key = ExactKey::new(&key, Width::PRODUCTION);
    let tasks = Arc::clone(tasks);
    Exact::new(exact::Parts { names, key, masks, stock, samples, transport, store, clock, seal, at_hand, tasks })
}

/// The real transport, and what the node sees of it.
async fn open_transport(
    config: &Config,
    cluster: &Cluster,
    identity: &NodeIdentity,
    wrap: Option<WrapTransport>,
) -> Result<(Arc<MtlsTransport>, Arc<dyn Transport>), TransportError> {
    let names = Names { context: cluster.context, epoch: cluster.epoch, key: cluster.key.id };
    let (certificate, key) = identity.tls();
    let identity = Identity::from_pem(certificate, key);
    let tls = PeerTls { party: config.party, listen: config.peer_listen, identity };
    let mtls = MtlsTransport::start(tls, cluster, names).await?;
    let shared: Arc<dyn Transport> = Arc::clone(&mtls) as Arc<dyn Transport>;
    let seen = match wrap {
        Some(wrap) => wrap(shared),
        None => shared,
    };
    Ok((mtls, seen))
}

fn stores(config: &Config) -> Result<Vec<ObjectSource>, StartError> {
    let open = |url: &url::Url| {
        ObjectSource::from_url(url).map_err(|error| StartError::Config(format!("objects: {url}: {error}")))
    };
    config.objects.iter().map(open).collect()
}

fn responder(config: &Config, cluster: &Cluster, committee: Committee, identity: &NodeIdentity) -> Responder {
    let key = Arc::new(identity.signing_key().clone());
    Responder { party: config.party, committee, gateway: cluster.gateway, key }
}

async fn prune(store: Store, clock: Arc<dyn Clock>) {
    loop {
        let now = clock.now();
        if let Err(error) = store.prune(now.saturating_sub(limits::FINISHED_SESSION_TIME.as_secs()), now).await {
            tracing::error!(%error, "old sessions stay");
        }
        tokio::time::sleep(PRUNING).await;
    }
}

fn serve_api(
    config: &Config,
    engine: Engine,
    health: Arc<Health>,
    (spawner, stopped): (&Tasks, watch::Receiver<bool>),
) -> Result<SocketAddr, NodeError> {
    let listen = |error: std::io::Error| NodeError::Listen { address: config.api_listen, error };
    let incoming = TcpIncoming::bind(config.api_listen).map_err(listen)?.with_nodelay(Some(true));
    let address = incoming.local_addr().map_err(listen)?;
    let api = Api {
        engine,
        health,
        rate: RateLimiter::new(config.limits.requests_per_second.get()),
        waiting: Semaphore::new(config.limits.waiting_calls.get() as usize),
    };
    let service = KmsServer::new(api)
        .max_decoding_message_size(limits::REQUEST_BYTES + BODY_BYTES)
        .max_encoding_message_size(limits::REQUEST_BYTES + BODY_BYTES);
    let router = Server::builder().timeout(2 * LONGEST_WAIT).max_concurrent_streams(API_STREAMS).add_service(service);
    spawner.spawn(async move {
        if let Err(error) = router.serve_with_incoming_shutdown(incoming, tasks::stopped(stopped)).await {
            tracing::error!(%error, "request port closed");
        }
    });
    Ok(address)
}

async fn serve_ops(
    config: &Config,
    ops: Ops,
    (spawner, stopped): (&Tasks, watch::Receiver<bool>),
) -> Result<SocketAddr, NodeError> {
    let listen = |error: std::io::Error| NodeError::Listen { address: config.ops_listen, error };
    let listener = tokio::net::TcpListener::bind(config.ops_listen).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    spawner.spawn(async move {
        if let Err(error) =
            axum::serve(listener, ops::router(ops)).with_graceful_shutdown(tasks::stopped(stopped)).await
        {
            tracing::error!(%error, "operator port closed");
        }
    });
    Ok(address)
}

/// Why there is no node.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Configuration, cluster file, keys and chains do not agree.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The node's state on disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The peer port.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Another port.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// A worker ended early.
    #[error("the start was interrupted")]
    Ended,
}
