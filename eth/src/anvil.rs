//! A local Anvil for devnet and tests.

use std::path::{Path, PathBuf};

pub use alloy::node_bindings::AnvilInstance;
use alloy::node_bindings::{Anvil, NodeError};

/// Chain id of local chains, at which the contracts stand where dApps expect them.
pub const LOCAL_CHAIN_ID: u64 = 31337;
/// Longest wait for Anvil to say that it listens.
const START_MILLIS: u64 = 30_000;

/// How to run it.
#[derive(Debug, Clone)]
pub struct AnvilConfig {
    /// TCP port on the loopback interface; 0 lets the system choose.
    pub port: u16,
    /// Seconds between blocks; `None` mines a block for each transaction.
    pub block_time: Option<f64>,
    /// Half the distance from `latest` back to `finalized`: 1 makes a block final two blocks later, Anvil's own default 64.
    pub slots_in_an_epoch: u64,
    /// Chain id.
    pub chain_id: u64,
}

impl Default for AnvilConfig {
    fn default() -> Self {
        Self { port: 0, block_time: None, slots_in_an_epoch: 1, chain_id: LOCAL_CHAIN_ID }
    }
}

/// Why Anvil does not run.
#[derive(Debug, thiserror::Error)]
pub enum AnvilError {
    /// The pinned npm package is not installed.
    #[error("no {package}/bin/anvil in node_modules of {} or above it: run `npm ci`", start.display())]
    NotInstalled {
        /// The package for this machine.
        package: String,
        /// Where the search began.
        start: PathBuf,
    },
    /// It did not start.
    #[error("{}: {source}", program.display())]
    Start {
        /// The program run.
        program: PathBuf,
        /// What happened.
        source: NodeError,
    },
}

/// The native Anvil of the pinned npm package, looked for in `start` and the directories above it.
///
/// # Errors
/// [`AnvilError::NotInstalled`].
pub fn find_anvil(start: &Path) -> Result<PathBuf, AnvilError> {
    let system = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let package = format!("@foundry-rs/anvil-{system}-{machine}");
    let found = start
        .ancestors()
        .map(|directory| directory.join("node_modules").join(&package).join("bin").join("anvil"))
        .find(|program| program.is_file());
    found.ok_or_else(|| AnvilError::NotInstalled { package, start: start.to_owned() })
}

/// Starts `program` and waits until it listens. Dropping the instance ends it.
///
/// # Errors
/// [`AnvilError::Start`].
pub fn spawn(program: &Path, config: &AnvilConfig) -> Result<AnvilInstance, AnvilError> {
    let mut anvil = Anvil::at(program)
        .port(config.port)
        .chain_id(config.chain_id)
        .timeout(START_MILLIS)
        .arg("--slots-in-an-epoch")
        .arg(config.slots_in_an_epoch.to_string());
    if let Some(seconds) = config.block_time {
        anvil = anvil.block_time_f64(seconds);
    }
    anvil.try_spawn().map_err(|source| AnvilError::Start { program: program.to_owned(), source })
}
