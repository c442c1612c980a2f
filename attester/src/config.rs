//! Configuration of one attester. Defaults:
//!
//! | field | default |
//! |---|---|
//! | `poll_ms` | 250 |
//! | `cadence` | 1: every block |
//! | `max_head_age` | 120 s |
//! | `requests` | 64 at once |

use serde::Deserialize;
use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use url::Url;

/// Bytes of the largest configuration file read.
const CONFIG_BYTES: u64 = 64 * 1024;
const POLL_MS: NonZeroU64 = NonZeroU64::new(250).expect("not zero");
const CADENCE: NonZeroU64 = NonZeroU64::new(1).expect("not zero");
const REQUESTS: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");
const MAX_HEAD_AGE: u64 = 120;

/// One attester of one host chain. Relative paths are relative to the working directory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the HTTP API listens.
    pub listen: SocketAddr,
    /// What was signed, for ever. One directory for one key; whoever loses it must make a new key.
    pub data_dir: PathBuf,
    /// JSON-RPC endpoint of the validator's own node.
    pub rpc_url: Url,
    /// Which host chain of the cluster file this process attests.
    pub chain_id: u64,
    /// File with the secp256k1 key. It signs headers and nothing else.
    pub signer_key_file: PathBuf,
    /// Milliseconds between two looks at the chain.
    #[serde(default = "poll_ms")]
    pub poll_ms: NonZeroU64,
    /// Only numbers that this divides are signed. All attesters of a host use the same.
    #[serde(default = "cadence")]
    pub cadence: NonZeroU64,
    /// A head older than this, in seconds, shows that the node is not synced: nothing is signed.
    #[serde(default = "max_head_age")]
    pub max_head_age: u64,
    /// HTTP requests served at once.
    #[serde(default = "requests")]
    pub requests: NonZeroUsize,
}

const fn poll_ms() -> NonZeroU64 {
    POLL_MS
}

const fn cadence() -> NonZeroU64 {
    CADENCE
}

const fn max_head_age() -> u64 {
    MAX_HEAD_AGE
}

const fn requests() -> NonZeroUsize {
    REQUESTS
}

/// A configuration file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file {path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is far longer than any configuration.
    #[error("configuration file {path} has {bytes} bytes, at most {CONFIG_BYTES} are read")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// Not TOML, an unknown field or a value of the wrong type.
    #[error("configuration: {0}")]
    Toml(#[from] toml::de::Error),
}

impl Config {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// [`ConfigError`] naming the file or the field.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let read = |error| ConfigError::Read { path: path.into(), error };
        let bytes = std::fs::metadata(path).map_err(read)?.len();
        if bytes > CONFIG_BYTES {
            return Err(ConfigError::TooLong { path: path.into(), bytes });
        }
        Ok(toml::from_str(&std::fs::read_to_string(path).map_err(read)?)?)
    }
}
