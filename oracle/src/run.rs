//! Puts the parts together.

use crate::api::{App, router};
use crate::clock::unix_now;
use crate::config::{Config, ConfigError, HostConfig};
use crate::coprocessors::Coprocessors;
use crate::desk::{Desk, DeskError, DeskLimits};
use crate::health::Health;
use crate::host::Host;
use crate::inputs::Inputs;
use crate::keys::Keys;
use crate::mirror::Mirror;
use crate::node::{NodeError, NodeLink};
use crate::prove::Prover;
use crate::prove::attesters::Attesters;
use crate::prove::keep::Keeper;
use crate::server::{BoundedListener, Peer};
use crate::store::{Store, StoreError};
use crate::submit::Deliverer;
use crate::watch::Watcher;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tkms_eth::compare::{self, Differs};
use tkms_eth::proofs::ProofError;
use tkms_eth::submit::SubmitConfig;
use tkms_eth::{LocalKey, RpcError};
use tkms_types::{Cluster, HeaderTrustKind, HostChain};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Name of the database in the data directory.
pub const DATABASE: &str = "oracle.redb";
/// Directory of fetched key files in the data directory.
const KEYS: &str = "keys";
/// Between two sweeps of what has expired.
const SWEEP: Duration = Duration::from_secs(60);
/// Longest wait for the contracts at start.
const COMPARING: Duration = Duration::from_secs(10);
/// Entries swept at once.
const SWEPT_AT_ONCE: usize = 1_000;
/// How long open exchanges may go on once we are told to stop.
const GRACE: Duration = Duration::from_secs(5);
/// Shortest time between two looks at the attesters.
const ATTESTER_POLL: Duration = Duration::from_millis(250);
/// Between two looks whether the store is free.
const RELEASE_POLL: Duration = Duration::from_millis(10);
/// Blocks for which the submitter looks after a mined transaction: a short reorganisation may lose it.
const CONFIRMATIONS: u64 = 4;
const GWEI: u128 = 1_000_000_000;

/// Why the oracle cannot start or had to stop. What fails later and may recover is waited out instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A configured chain that the cluster file does not have.
    #[error("host chain {0} is not in the cluster file")]
    UnknownChain(u64),
    /// Nobody could ever show that a block is final.
    #[error("chain {chain_id}: {found} attesters are configured, its quorum is {quorum}")]
    TooFewAttesters {
        /// Which chain.
        chain_id: u64,
        /// URLs configured.
        found: usize,
        /// Needed by the cluster file.
        quorum: u16,
    },
    /// The data directory.
    #[error("{path}: {error}")]
    DataDir {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The address to listen on.
    #[error("listen on {address}: {error}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was left unfinished.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// A node's address.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A chain's endpoint.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// A contract is not what the cluster file says.
    #[error("chain {0}: {1}")]
    Contract(u64, Differs),
    /// Something else than the cluster file's contracts stands at their addresses.
    #[error("chain {0}: {1}")]
    Stranger(u64, RpcError),
    /// The HTTP client.
    #[error("http client: {0}")]
    Http(#[from] reqwest::Error),
    /// The server ended by itself.
    #[error("http server: {0}")]
    Server(std::io::Error),
}

/// Runs until `shutdown`. What is unfinished then stays on disk and goes on at the next start.
///
/// # Errors
/// [`Error`].
pub async fn run(
    config: Config,
    cluster: Cluster,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let cluster = Arc::new(cluster);
    let key = config.submitter_key()?;
    let data_dir = |error| Error::DataDir { path: config.data_dir.clone(), error };
    std::fs::create_dir_all(&config.data_dir).map_err(data_dir)?;
    let store = Arc::new(Store::open(&config.data_dir.join(DATABASE))?);
    let hosts = hosts(&config, &cluster, &store)?;
    for host in hosts.values() {
        compare(host, &cluster).await?;
    }
    let nodes = NodeLink::all(&cluster)?;
    let keep_seconds = u64::from(config.limits.keep_hours.get()) * 3600;
    let limits = DeskLimits {
        web_active: config.limits.active.get() as usize,
        records: config.limits.records.get().into(),
        keep_seconds,
    };
    let desk = Arc::new(Desk::new(cluster.clone(), store.clone(), hosts.clone(), nodes, limits));
    let inputs = Arc::new(Inputs::new(desk.clone(), config.limits.inputs.get() as usize, keep_seconds));
    let health = Arc::new(Health::default());
    let all = hosts.values().cloned().collect();
    let keys = Keys::new(cluster, all, config.key_dir.clone(), config.data_dir.join(KEYS));

    let app = Arc::new(App::new(desk.clone(), inputs.clone(), keys, health.clone(), &config));
    let listen = |error| Error::Listen { address: config.listen, error };
    let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
    let listener = BoundedListener::new(listener, config.limits.connections.get() as usize);
    let resumed = desk.resume().await?;
    inputs.resume().await?;
    tracing::info!(address = %config.listen, resumed, "oracle started");

    let mut loops = JoinSet::new();
    for host in &config.host {
        follow(&mut loops, host, &desk, &health, &key)?;
    }
    loops.spawn(sweep(desk.clone()));
    let routes = router(app, &config.cors_origins).into_make_service_with_connect_info::<Peer>();
    let result = serve(listener, routes, shutdown).await;
    loops.shutdown().await;
    inputs.stop_all();
    desk.stop_all();
    drop((inputs, desk));
    released(&store).await;
    result
}

/// Ended tasks let go of the store a little later; whoever starts the next oracle wants the file free.
async fn released(store: &Arc<Store>) {
    let deadline = Instant::now() + GRACE;
    while Arc::strong_count(store) > 1 && Instant::now() < deadline {
        tokio::time::sleep(RELEASE_POLL).await;
    }
}

type Routes = axum::extract::connect_info::IntoMakeServiceWithConnectInfo<axum::Router, Peer>;

async fn serve(
    listener: BoundedListener,
    routes: Routes,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let stopping = Arc::new(Notify::new());
    let told = stopping.clone();
    let graceful = async move {
        shutdown.await;
        told.notify_one();
    };
    tokio::select! {
        ended = axum::serve(listener, routes).with_graceful_shutdown(graceful).into_future() => ended.map_err(Error::Server),
        // Idle connections of keep-alive clients must not hold us.
        () = async { stopping.notified().await; tokio::time::sleep(GRACE).await; } => Ok(()),
    }
}

fn hosts(config: &Config, cluster: &Cluster, store: &Arc<Store>) -> Result<BTreeMap<u64, Arc<Host>>, Error> {
    let host = |host: &HostConfig| {
        let chain = cluster.chains.iter().find(|chain| chain.chain_id == host.chain_id);
        let chain = chain.ok_or(Error::UnknownChain(host.chain_id))?.clone();
        let coprocessors = Coprocessors::new(host.coprocessor_urls.clone(), chain.clone(), cluster)?;
        let rpc = tkms_eth::connect(&host.rpc_url)?;
        let attesters = attesters(host, &chain)?;
        let prover = Arc::new(Prover::new(chain.clone(), rpc.clone(), store.clone(), attesters, cluster.gateway));
        let (answered, reorganised) = (Notify::new(), AtomicBool::new(false));
        Ok((host.chain_id, Arc::new(Host { chain, rpc, coprocessors, prover, answered, reorganised })))
    };
    config.host.iter().map(host).collect()
}

/// The contracts are those of the cluster file: answers for others would count nowhere. An endpoint that does not answer is waited for
/// later, and what blocks prove of ACL and executor is compared in each of them.
async fn compare(host: &Host, cluster: &Cluster) -> Result<(), Error> {
    let chain_id = host.chain.chain_id;
    let unanswered = |error: &dyn std::fmt::Display| {
        tracing::warn!(chain = chain_id, %error, "the contracts cannot be compared with the cluster file now");
    };
    let looked = tokio::time::timeout(COMPARING, async {
        let all = compare::deployment(&host.rpc, &host.chain).await?;
        if let Some(difference) = all.into_iter().find(|one| !one.agrees()) {
            return Ok(Some(difference));
        }
        let all = compare::contracts(&host.rpc, cluster, &host.chain).await?;
        Ok::<_, ProofError>(all.into_iter().find(|one| !one.agrees()))
    });
    match looked.await {
        Ok(Ok(Some(difference))) => return Err(Error::Contract(chain_id, Differs(difference))),
        Ok(Ok(None)) => {}
        Ok(Err(ProofError::Rpc(error))) if error.is_from_a_stranger() => return Err(Error::Stranger(chain_id, error)),
        Ok(Err(error)) => unanswered(&error),
        Err(late) => unanswered(&late),
    }
    Ok(())
}

fn attesters(host: &HostConfig, chain: &HostChain) -> Result<Option<Attesters>, Error> {
    if chain.trust != HeaderTrustKind::Attesters {
        return Ok(None);
    }
    let (found, quorum) = (host.attesters.len(), chain.attesters.quorum);
    if found < usize::from(quorum) {
        return Err(Error::TooFewAttesters { chain_id: chain.chain_id, found, quorum });
    }
    let timeout = Duration::from_millis(host.attester_timeout_ms.get());
    Ok(Some(Attesters::new(host.attesters.clone(), chain.clone(), timeout)?))
}

fn follow(
    loops: &mut JoinSet<()>,
    config: &HostConfig,
    desk: &Arc<Desk>,
    health: &Arc<Health>,
    key: &LocalKey,
) -> Result<(), StoreError> {
    let Some(host) = desk.hosts.get(&config.chain_id).cloned() else { return Ok(()) };
    let poll = Duration::from_millis(config.poll_ms.get());
    loops.spawn(Watcher::new(desk.clone(), host.clone(), health.clone(), poll).run());
    loops.spawn(Mirror::new(host.clone(), desk.store.clone(), health.clone(), poll).run());
    loops.spawn(Keeper::new(host.prover.clone(), health.clone(), poll.max(ATTESTER_POLL))?.run());
    let max_fee = u128::from(config.max_fee_gwei.get()) * GWEI;
    let submit = SubmitConfig { max_fee, confirmations: CONFIRMATIONS, ..SubmitConfig::default() };
    loops.spawn(Deliverer::new(desk.clone(), host, health.clone()).run(key.clone(), submit));
    Ok(())
}

async fn sweep(desk: Arc<Desk>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let now = unix_now();
        match desk.on_disk(move |store| store.sweep(now, SWEPT_AT_ONCE)).await {
            Ok(forgotten) => forgotten.into_iter().for_each(|id| desk.stop(id)),
            Err(error) => tracing::error!(%error, "sweeping failed"),
        }
    }
}
