//! The long-running services: configuration and cluster file in, until SIGINT or SIGTERM.

use crate::cli::ServiceArgs;
use anyhow::{Context as _, Result};
use metrics_exporter_prometheus::PrometheusBuilder;
use tkms_types::Cluster;
use tokio::io::AsyncReadExt as _;
use tokio::signal::unix::{SignalKind, signal};

/// `tkms node`.
///
/// # Errors
/// If the node refuses to start or fails.
pub async fn node(args: &ServiceArgs) -> Result<()> {
    let config = tkms_kms_node::config::Config::read(&args.config)?;
    let metrics = PrometheusBuilder::new().install_recorder().context("metrics")?;
    let hooks = tkms_kms_node::Hooks { metrics: Some(metrics), ..Default::default() };
    Ok(tkms_kms_node::run(config, cluster(args)?, hooks, stop(args.until_stdin_closes)?).await?)
}

/// `tkms oracle`.
///
/// # Errors
/// If the oracle refuses to start or fails.
pub async fn oracle(args: &ServiceArgs) -> Result<()> {
    let config = tkms_oracle::config::Config::read(&args.config)?;
    Ok(tkms_oracle::run(config, cluster(args)?, stop(args.until_stdin_closes)?).await?)
}

/// `tkms coprocessor`.
///
/// # Errors
/// If the coprocessor refuses to start or fails.
pub async fn coprocessor(args: &ServiceArgs) -> Result<()> {
    let config = tkms_coprocessor::config::Config::load(&args.config)?;
    Ok(tkms_coprocessor::run(config, cluster(args)?, stop(args.until_stdin_closes)?).await?)
}

/// `tkms attester`.
///
/// # Errors
/// If the attester refuses to start or fails.
pub async fn attester(args: &ServiceArgs) -> Result<()> {
    let config = tkms_attester::Config::load(&args.config)?;
    Ok(tkms_attester::run(config, cluster(args)?, stop(args.until_stdin_closes)?).await?)
}

fn cluster(args: &ServiceArgs) -> Result<Cluster> {
    let name = || args.cluster.display().to_string();
    let text = std::fs::read_to_string(&args.cluster).with_context(name)?;
    Cluster::from_json(&text).with_context(name)
}

/// Resolves at the first SIGINT or SIGTERM and, if that is wanted, when standard input closes.
pub(super) fn stop(until_stdin_closes: bool) -> Result<impl Future<Output = ()> + Send + 'static> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = stdin_closed(), if until_stdin_closes => {}
        }
    })
}

async fn stdin_closed() {
    let mut byte = [0];
    while tokio::io::stdin().read(&mut byte).await.is_ok_and(|read| read > 0) {}
}
