//! Configuration of the oracle: a TOML file, unknown fields refused.
//!
//! | field | default | meaning |
//! | --- | --- | --- |
//! | `listen` | – | HTTP API |
//! | `public_url` | – | how clients reach the API, without `/v2`; stands in `keyurl` |
//! | `data_dir` | – | state of one oracle and deployment |
//! | `submitter_key_file` | – | file with the key that pays for callbacks: 64 hex digits. The only secret, and it opens nothing |
//! | `key_dir` | fetched | directory with `public-key.bin` and `crs.bin` |
//! | `cors_origins` | `["*"]` | origins browsers may call from; listed ones also with cookies |
//! | `proxies` | `[]` | addresses of our reverse proxies: their `X-Forwarded-For` says who calls |
//! | `keys_only` | `false` | callers without an API key are turned away |
//! | `[[api_key]]` | none | `name`, `digest` (BLAKE3-256 of the key, so this file holds no secret), `per_minute` |
//! | `[[host]]` | – | `chain_id`, `rpc_url`, `coprocessor_urls`, `poll_ms` (100), `max_fee_gwei` (500), and the two below |
//! | `host.attesters` | none | URLs of the chain's attesters; at least a quorum where the cluster file trusts attesters |
//! | `host.attester_timeout_ms` | 2,000 | longest wait for one attester |
//! | `limits.active` | 4,096 | requests over HTTP in work at once |
//! | `limits.inputs` | 64 | encrypted inputs in work at once |
//! | `limits.records` | 100,000 | requests kept |
//! | `limits.keep_hours` | 24 | how long requests over HTTP are kept |
//! | `limits.connections` | 1,024 | open connections |
//! | `limits.user_per_minute` | 60 | user decryptions of one signer of permits |
//! | `limits.caller_per_minute` | 600 | inputs and decryptions of one IP address (IPv6: of one /64 network); proofs of permissions likewise, apart |
//! | `limits.all_per_minute` | 6,000 | of everybody together, each kind |

use alloy_primitives::B256;
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use tkms_eth::{LocalKey, SignerError};
use tkms_types::limits;
use url::Url;
use zeroize::Zeroizing;

/// Bytes of the largest configuration file read.
const CONFIG_BYTES: u64 = 64 * 1024;
/// Bytes of the largest key file read: 64 digits, a prefix and a line break.
const KEY_BYTES: u64 = 128;

/// See the table at the top of this file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "tabled at the top of the file")]
pub struct Config {
    pub listen: SocketAddr,
    pub public_url: Url,
    pub data_dir: PathBuf,
    pub submitter_key_file: PathBuf,
    #[serde(default)]
    pub key_dir: Option<PathBuf>,
    #[serde(default = "any_origin")]
    pub cors_origins: Vec<String>,
    #[serde(default)]
    pub proxies: Vec<IpAddr>,
    #[serde(default)]
    pub keys_only: bool,
    #[serde(default)]
    pub api_key: Vec<ApiKey>,
    pub host: Vec<HostConfig>,
    #[serde(default)]
    pub limits: Limits,
}

/// A key given to a caller who may ask more often than strangers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "tabled at the top of the file")]
pub struct ApiKey {
    pub name: String,
    pub digest: B256,
    pub per_minute: NonZeroU32,
}

/// One host chain.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "tabled at the top of the file")]
pub struct HostConfig {
    pub chain_id: u64,
    pub rpc_url: Url,
    pub coprocessor_urls: Vec<Url>,
    #[serde(default)]
    pub attesters: Vec<Url>,
    #[serde(default = "attester_timeout_ms")]
    pub attester_timeout_ms: NonZeroU64,
    #[serde(default = "poll_ms")]
    pub poll_ms: NonZeroU64,
    #[serde(default = "max_fee_gwei")]
    pub max_fee_gwei: NonZeroU64,
}

/// Bounds an operator may set.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "tabled at the top of the file")]
pub struct Limits {
    pub active: NonZeroU32,
    pub inputs: NonZeroU32,
    pub records: NonZeroU32,
    pub keep_hours: NonZeroU32,
    pub connections: NonZeroU32,
    pub user_per_minute: NonZeroU32,
    pub caller_per_minute: NonZeroU32,
    pub all_per_minute: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        const fn count(value: u32) -> NonZeroU32 {
            NonZeroU32::MIN.saturating_add(value - 1)
        }
        Self {
            active: count(4_096),
            inputs: count(64),
            records: count(100_000),
            keep_hours: count(24),
            connections: count(1_024),
            user_per_minute: count(60),
            caller_per_minute: count(600),
            all_per_minute: count(6_000),
        }
    }
}

fn any_origin() -> Vec<String> {
    vec!["*".to_owned()]
}

const fn poll_ms() -> NonZeroU64 {
    NonZeroU64::MIN.saturating_add(99)
}

const fn attester_timeout_ms() -> NonZeroU64 {
    NonZeroU64::MIN.saturating_add(1_999)
}

const fn max_fee_gwei() -> NonZeroU64 {
    NonZeroU64::MIN.saturating_add(499)
}

impl Config {
    /// Parses a configuration.
    ///
    /// # Errors
    /// [`ConfigError`] naming the field.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text)?;
        if config.host.is_empty() {
            return Err(ConfigError::Field("host", "at least one host chain is needed"));
        }
        for (position, host) in config.host.iter().enumerate() {
            if host.coprocessor_urls.is_empty() {
                return Err(ConfigError::Field("host.coprocessor_urls", "at least one coprocessor is needed"));
            }
            if host.attesters.len() > limits::SET_MEMBERS {
                return Err(ConfigError::Field("host.attesters", "more URLs than a set has members"));
            }
            if config.host.iter().take(position).any(|other| other.chain_id == host.chain_id) {
                return Err(ConfigError::Field("host.chain_id", "two entries share one chain id"));
            }
        }
        // One with a slash at its end would never equal what browsers send
        let origin = |text: &String| {
            text == "*" || Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == *text)
        };
        if !config.cors_origins.iter().all(origin) {
            return Err(ConfigError::Field("cors_origins", "must be `*` or origins like https://dapp.example"));
        }
        for (position, key) in config.api_key.iter().enumerate() {
            if config.api_key.iter().take(position).any(|other| other.digest == key.digest) {
                return Err(ConfigError::Field("api_key.digest", "two entries are the same key"));
            }
        }
        if config.keys_only && config.api_key.is_empty() {
            return Err(ConfigError::Field("keys_only", "no API key is given: nobody could call"));
        }
        if config.public_url.cannot_be_a_base() {
            return Err(ConfigError::Field("public_url", "must be an http or https URL"));
        }
        Ok(config)
    }

    /// Reads a configuration file.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let read = |error| ConfigError::Read { path: path.to_path_buf(), error };
        let length = std::fs::metadata(path).map_err(read)?.len();
        if length > CONFIG_BYTES {
            return Err(ConfigError::TooLong { path: path.to_path_buf(), length, limit: CONFIG_BYTES });
        }
        Self::from_toml(&std::fs::read_to_string(path).map_err(read)?)
    }

    /// Reads the submitter's key.
    ///
    /// # Errors
    /// [`ConfigError`]; says nothing about the key.
    pub fn submitter_key(&self) -> Result<LocalKey, ConfigError> {
        let path = &self.submitter_key_file;
        let read = |error| ConfigError::Read { path: path.clone(), error };
        let length = std::fs::metadata(path).map_err(read)?.len();
        if length > KEY_BYTES {
            return Err(ConfigError::TooLong { path: path.clone(), length, limit: KEY_BYTES });
        }
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(read)?);
        let mut bytes = Zeroizing::new([0; 32]);
        alloy_primitives::hex::decode_to_slice(text.trim(), bytes.as_mut_slice())
            .map_err(|_| ConfigError::Field("submitter_key_file", "the file must hold 64 hex digits"))?;
        Ok(LocalKey::from_bytes(&bytes)?)
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file.
    #[error("{path}: {error}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Over the bound.
    #[error("{path} has {length} bytes, the limit is {limit}")]
    TooLong {
        /// Which.
        path: PathBuf,
        /// Its bytes.
        length: u64,
        /// The bound.
        limit: u64,
    },
    /// Not the expected TOML.
    #[error("configuration: {0}")]
    Toml(#[from] toml::de::Error),
    /// A field contradicts a rule.
    #[error("configuration, field {0}: {1}")]
    Field(&'static str, &'static str),
    /// Not a key.
    #[error("submitter_key_file: {0}")]
    Key(#[from] SignerError),
}
