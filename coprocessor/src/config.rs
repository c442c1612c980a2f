//! Configuration of one coprocessor. Defaults:
//!
//! | field | default |
//! |---|---|
//! | `store_url` | the directory `objects` in `data_dir` |
//! | `s3` | none: needed for a `store_url` of the form `s3://bucket/prefix`, and only then |
//! | `threads` | one for each core |
//! | `poll_ms` | 100 |
//! | `limits.requests` | 64 |
//! | `limits.input_queue` | 16 |
//! | `limits.asked_squashes` | 64 |
//! | `limits.queue` | 16,384 |
//! | `limits.workers` | one for each core, at most 16 |

use serde::Deserialize;
use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use url::Url;

/// File in `key_dir` with the compressed evaluation keys.
pub const SERVER_KEY_FILE: &str = "server-key.bin";
/// File in `key_dir` with what clients encrypt with.
pub const PUBLIC_KEY_FILE: &str = "public-key.bin";
/// File in `key_dir` with the common reference string of input proofs.
pub const CRS_FILE: &str = "crs.bin";

/// Bytes of the largest configuration file read.
const CONFIG_BYTES: u64 = 64 * 1024;
/// Tasks run at once where the configuration does not say: more would only take memory from each other.
const MOST_WORKERS: usize = 16;
const POLL_MS: NonZeroU64 = NonZeroU64::new(100).expect("not zero");

/// One coprocessor. Relative paths are relative to the working directory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the HTTP API listens.
    pub listen: SocketAddr,
    /// Database and, unless `store_url` says otherwise, ciphertexts. One directory for one process and deployment.
    pub data_dir: PathBuf,
    /// JSON-RPC endpoint of the host chain.
    pub rpc_url: Url,
    /// Which host chain of the cluster file this process serves.
    pub chain_id: u64,
    /// Directory with the three public key files, see [`SERVER_KEY_FILE`], [`PUBLIC_KEY_FILE`], [`CRS_FILE`].
    pub key_dir: PathBuf,
    /// File with the secp256k1 key that signs inputs and ciphertext digests.
    pub signer_key_file: PathBuf,
    /// Content-addressed store of ciphertexts and sample lists: a `file:`, `s3:` or `http:` (WebDAV) URL.
    #[serde(default)]
    pub store_url: Option<Url>,
    /// Access to the bucket of an `s3:` URL.
    #[serde(default)]
    pub s3: Option<S3>,
    /// Threads that operations are computed on. The library chooses algorithms by their number and other algorithms make
    /// other bytes, so all coprocessors of a quorum must state the same: it is part of the profile.
    #[serde(default)]
    pub threads: Option<NonZeroUsize>,
    /// Milliseconds between two looks at the chain.
    #[serde(default = "poll_ms")]
    pub poll_ms: NonZeroU64,
    /// Bounds on what others may make this process do at once.
    #[serde(default)]
    pub limits: Limits,
}

/// Where and as whom a bucket is reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    /// `http:` or `https:` URL of a server other than Amazon's.
    #[serde(default)]
    pub endpoint: Option<Url>,
    /// Region of the bucket; other servers take any name.
    pub region: String,
    /// Without them the machine's role must give access.
    #[serde(default)]
    pub credentials: Option<S3Credentials>,
}

/// A key pair of the S3 API.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Credentials {
    /// The public half.
    pub access_key_id: String,
    /// File with the secret half.
    pub secret_key_file: PathBuf,
}

/// Bounds; exceeding one is a refusal that says so, or makes the follower of the chain wait.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// HTTP requests served at once.
    pub requests: NonZeroUsize,
    /// Encrypted inputs accepted and not yet verified.
    pub input_queue: NonZeroUsize,
    /// Handles asked for over HTTP and not yet squashed.
    pub asked_squashes: NonZeroUsize,
    /// Runnable operations; beyond it no further events are read until some are computed.
    pub queue: NonZeroU64,
    /// Operations and squashes under way at once.
    pub workers: NonZeroUsize,
}

impl Default for Limits {
    fn default() -> Self {
        const REQUESTS: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");
        const INPUT_QUEUE: NonZeroUsize = NonZeroUsize::new(16).expect("not zero");
        const ASKED_SQUASHES: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");
        const QUEUE: NonZeroU64 = NonZeroU64::new(16_384).expect("not zero");
        const WORKERS: NonZeroUsize = NonZeroUsize::new(MOST_WORKERS).expect("not zero");
        let (requests, input_queue, asked_squashes) = (REQUESTS, INPUT_QUEUE, ASKED_SQUASHES);
        Self { requests, input_queue, asked_squashes, queue: QUEUE, workers: cores().min(WORKERS) }
    }
}

const fn poll_ms() -> NonZeroU64 {
    POLL_MS
}

/// Cores this process may use.
pub(crate) fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
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
        Self::parse(&std::fs::read_to_string(path).map_err(read)?)
    }

    /// Threads that operations are computed on.
    #[must_use]
    pub fn threads(&self) -> NonZeroUsize {
        self.threads.unwrap_or_else(cores)
    }

    /// Reads TOML text.
    ///
    /// # Errors
    /// [`ConfigError::Toml`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Ok(toml::from_str(text)?)
    }
}
