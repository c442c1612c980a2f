//! The small process a host validator runs: it signs which blocks its own node calls final, and hands the signatures to whoever asks.
//!
//! It is the root of a KMS node's belief about the host chain, so it does as little as can be: no key but its own, no request that
//! changes anything, one hash for each number for ever.
//!
//! ```text
//! the validator's node → watch → ledger (sign once, on disk first) → serve (HTTP) → oracles → KMS nodes
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking"))]

pub mod config;
pub mod ledger;
pub mod metrics;
pub mod serve;
pub mod watch;

pub use config::{Config, ConfigError};

use alloy_primitives::Address;
use ledger::{Ledger, LedgerError};
use std::future::IntoFuture as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tkms_eth::signer::KeyFileError;
use tkms_eth::{DigestSigner as _, LocalKey, RpcError};
use tkms_types::{Cluster, HostChain};
use tokio::net::TcpListener;
use watch::{Health, Watcher};

/// Why the process ends.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster file has no such chain.
    #[error("the cluster file has no host chain {0}, which is the configuration's chain_id")]
    NoSuchChain(u64),
    /// The key is no member's.
    #[error("chains.attesters.members: the cluster file names {members:?}, this process signs as {signer}")]
    NotAMember {
        /// Whom the cluster file names.
        members: Vec<Address>,
        /// The key's address.
        signer: Address,
    },
    /// The signer's key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The data directory.
    #[error("data directory {path}: {error}")]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The endpoint's URL.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The address to listen on.
    #[error("listening on {address}: {error}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
    /// The HTTP server.
    #[error("serving HTTP: {0}")]
    Serve(std::io::Error),
}

/// Runs one attester until `shutdown` ends.
///
/// # Errors
/// [`Error`], naming what differs or failed.
pub async fn run(config: Config, cluster: Cluster, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let signer = LocalKey::read(&config.signer_key_file)?;
    let host = chain(&config, &cluster, signer.address())?.clone();
    if host.attesters.members.len() == 1 {
        tracing::warn!(chain = host.chain_id, "INSECURE: one attester alone decides what is final on this chain");
    }
    let path = config.data_dir.clone();
    std::fs::create_dir_all(&path).map_err(|error| Error::DataDir { path, error })?;
    let ledger = Ledger::open(&config.data_dir.join("attester.redb"), host.host_id(), signer.address())?;
    let (ledger, health) = (Arc::new(ledger), Health::default());
    let address = config.listen;
    let listener = TcpListener::bind(address).await.map_err(|error| Error::Listen { address, error })?;
    tracing::info!(%address, signer = %signer.address(), chain = host.chain_id, "listening");
    let api = serve::Api {
        ledger: Arc::clone(&ledger),
        health: health.clone(),
        set: host.attester_set_id(),
        signer: signer.address(),
        floor: watch::floor(&host),
        metrics: metrics::install(),
    };
    let watcher = Watcher {
        rpc: tkms_eth::connect(&config.rpc_url)?,
        host,
        signer,
        ledger,
        health,
        poll: Duration::from_millis(config.poll_ms.get()),
        cadence: config.cadence.get(),
        max_head_age: config.max_head_age,
    };
    let router = serve::router(api, config.requests.get());
    tokio::select! {
        served = axum::serve(listener, router).into_future() => served.map_err(Error::Serve),
        never = watcher.run() => match never {},
        () = shutdown => Ok(()),
    }
}

fn chain<'c>(config: &Config, cluster: &'c Cluster, signer: Address) -> Result<&'c HostChain, Error> {
    let host = cluster.chains.iter().find(|chain| chain.chain_id == config.chain_id);
    let host = host.ok_or(Error::NoSuchChain(config.chain_id))?;
    if !host.attesters.members.contains(&signer) {
        return Err(Error::NotAMember { members: host.attesters.members.clone(), signer });
    }
    Ok(host)
}
