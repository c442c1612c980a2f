//! The coprocessor: computes what the executor contract announces, keeps ciphertexts by handle, verifies encrypted
//! inputs, squashes what is to be decrypted, and signs digests. It holds no secret but its signing key: whatever it
//! does wrong, a quorum of others contradicts.
//!
//! ```text
//! chain → follow → translate → store (what to do, what was done) → execute → engine → objects
//!                                 ↑                                   ↓
//!                    inputs ── serve (HTTP) ────────── materials ── attest
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking"))]

pub mod attest;
pub mod config;
pub mod engine;
pub mod execute;
pub mod follow;
pub mod inputs;
pub mod measure;
pub mod metrics;
pub mod objects;
pub mod operation;
pub mod progress;
pub mod serve;
pub mod startup;
pub mod store;
pub mod translate;

pub use config::{Config, ConfigError};
pub use engine::local_profile;

use attest::Attester;
use execute::Worker;
use follow::{FollowError, Follower};
use inputs::Inputs;
use objects::{ObjectError, Objects};
use progress::{Phase, Progress};
use serve::Api;
use startup::{PublicFiles, StartError};
use std::convert::Infallible;
use std::future::IntoFuture;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use store::{Identity, Store, StoreError};
use tkms_eth::{DigestSigner, RpcError};
use tkms_types::{Cluster, HostChain};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};

/// Why the process ends.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The object store.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// The endpoint's URL.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The chain.
    #[error(transparent)]
    Follow(#[from] FollowError),
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

/// Runs one coprocessor until `shutdown` ends. A task under way is not waited for: it is run again after a restart.
///
/// # Errors
/// [`Error`], naming what differs or failed.
pub async fn run(config: Config, cluster: Cluster, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let signer = Arc::new(startup::signer(&config.signer_key_file)?);
    let chain = startup::chain(&config, &cluster, signer.address())?.clone();
    let files = PublicFiles::load(&config.key_dir, &cluster.key)?;
    let attester = Attester::new(signer, &cluster, &chain, &engine::arithmetic(config.threads()));
    let identity = Identity { host: chain.host_id(), key: cluster.key.id };
    let store = Arc::new(Store::open(&config.data_dir, identity, attester.format, attester.profile)?);
    let objects = Objects::open(config.store_url.as_ref(), config.s3.as_ref(), &config.data_dir.join("objects"))?;
    let service = Service { config, cluster, chain, store, objects, attester, files, progress: Progress::default() };
    tokio::select! {
        ended = service.run() => match ended? {},
        () = shutdown => Ok(()),
    }
}

/// The parts that all loops share.
struct Service {
    config: Config,
    cluster: Cluster,
    chain: HostChain,
    store: Arc<Store>,
    objects: Objects,
    attester: Attester,
    files: PublicFiles,
    progress: Progress,
}

impl Service {
    async fn run(self) -> Result<Infallible, Error> {
        let inputs = Arc::new(OnceLock::new());
        let wake = Arc::new(Notify::new());
        let address = self.config.listen;
        let listener = TcpListener::bind(address).await.map_err(|error| Error::Listen { address, error })?;
        let router = serve::router(self.api(Arc::clone(&inputs), Arc::clone(&wake)));
        tracing::info!(%address, signer = %self.attester.address(), chain = self.chain.chain_id, "listening");
        tokio::select! {
            served = axum::serve(listener, router).into_future() => match served {
                Ok(()) => Err(Error::Serve(std::io::Error::other("the server stopped"))),
                Err(error) => Err(Error::Serve(error)),
            },
            ended = self.work(inputs, wake) => ended,
        }
    }

    async fn work(&self, inputs: Arc<OnceLock<Inputs>>, wake: Arc<Notify>) -> Result<Infallible, Error> {
        let rpc = tkms_eth::connect(&self.config.rpc_url)?;
        startup::check_chain(&rpc, &self.cluster, &self.chain, self.attester.address(), &self.progress).await?;
        self.progress.enter(Phase::LoadingKeys("server key"));
        let engine = Arc::new(startup::engine(&self.config, &self.files, &self.cluster).await?);
        let worker = Worker {
            store: Arc::clone(&self.store),
            objects: self.objects.clone(),
            engine,
            attester: self.attester.clone(),
            wake: Arc::clone(&wake),
            workers: self.config.limits.workers,
        };
        let queue = self.config.limits.input_queue.get();
        inputs.get_or_init(|| Inputs::new(&worker, self.chain.contracts.acl, self.chain.chain_id, queue));
        let poll = Duration::from_millis(self.config.poll_ms.get());
        let parts = (Arc::clone(&self.store), wake, self.progress.clone());
        let follower = Follower::new(rpc, &self.chain, poll, self.config.limits.queue, parts);
        tokio::select! {
            ended = follower.run() => Ok(ended?),
            ended = worker.run() => Ok(ended?),
        }
    }

    fn api(&self, inputs: Arc<OnceLock<Inputs>>, wake: Arc<Notify>) -> Api {
        let limits = &self.config.limits;
        Api {
            store: Arc::clone(&self.store),
            objects: self.objects.clone(),
            attester: self.attester.clone(),
            inputs,
            files: self.files.clone(),
            progress: self.progress.clone(),
            metrics: metrics::install(),
            wake,
            asked_squashes: limits.asked_squashes.get(),
            requests: Arc::new(Semaphore::new(limits.requests.get())),
            downloads: Arc::new(Semaphore::new(limits.requests.get())),
        }
    }
}
