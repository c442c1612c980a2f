//! Configuration of one node: a TOML file, unknown fields refused.
//!
//! | field | default | meaning |
//! | --- | --- | --- |
//! | `party` | – | this node's number in the cluster file |
//! | `data_dir` | – | key store and state |
//! | `passphrase_file` | – | file with the passphrase of the key store |
//! | `api_listen` | – | request API, plain HTTP/2: evidence is the permission |
//! | `peer_listen` | – | node to node, mutual TLS |
//! | `ops_listen` | – | `livez`, `readyz`, `metrics`: for the operator's network only |
//! | `rpc` | none | by chain id, for host chains trusted by RPC and for no other: `own`, the node's own endpoint, and `others`, independent ones |
//! | `objects` | – | stores that sample lists are fetched from, tried in order |
//! | `limits.requests_per_second` | 500 | of one caller's address |
//! | `limits.user_requests_per_second` | 20 | of one signer of permits |
//! | `limits.waiting_calls` | 512 | calls held open at once |
//! | `preprocessing` | – | see [`crate::stock::Preprocessing`] |

use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use tkms_types::PartyId;
use url::Url;

/// Bytes of the largest configuration file read.
const CONFIG_BYTES: u64 = 64 * 1024;

/// See the table at the top of this file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "tabled at the top of the file")]
pub struct Config {
    pub party: PartyId,
    pub data_dir: PathBuf,
    pub passphrase_file: PathBuf,
    pub api_listen: SocketAddr,
    pub peer_listen: SocketAddr,
    pub ops_listen: SocketAddr,
    #[serde(default, deserialize_with = "by_chain_id")]
    pub rpc: BTreeMap<u64, RpcUrls>,
    pub objects: Vec<Url>,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub preprocessing: crate::stock::Preprocessing,
}

/// Endpoints of one host chain.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RpcUrls {
    /// The node's own.
    pub own: Url,
    /// Independent ones, of other operators.
    #[serde(default)]
    pub others: Vec<Url>,
}

/// Rates and counts an operator may set.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "tabled at the top of the file")]
pub struct Limits {
    pub requests_per_second: NonZeroU32,
    pub user_requests_per_second: NonZeroU32,
    pub waiting_calls: NonZeroU32,
}

const fn at_least_one(value: u32) -> NonZeroU32 {
    match NonZeroU32::new(value) {
        Some(value) => value,
        None => NonZeroU32::MIN,
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_second: at_least_one(500),
            user_requests_per_second: at_least_one(20),
            waiting_calls: at_least_one(512),
        }
    }
}

/// TOML keys are strings; chain ids are numbers.
fn by_chain_id<'de, D: serde::Deserializer<'de>>(from: D) -> Result<BTreeMap<u64, RpcUrls>, D::Error> {
    let named = BTreeMap::<String, RpcUrls>::deserialize(from)?;
    let parse = |(id, urls): (String, RpcUrls)| match id.parse() {
        Ok(id) => Ok((id, urls)),
        Err(_) => Err(serde::de::Error::custom(format!("rpc: {id:?} is no chain id"))),
    };
    named.into_iter().map(parse).collect()
}

impl Config {
    /// Parses a configuration.
    ///
    /// # Errors
    /// [`ConfigError`] naming the field.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text)?;
        if config.rpc.values().any(|urls| urls.others.len() > tkms_types::limits::ENDPOINTS) {
            return Err(ConfigError::Field("rpc.others", "at most 32 endpoints are asked"));
        }
        if config.objects.is_empty() {
            return Err(ConfigError::Field("objects", "at least one store is needed"));
        }
        config.preprocessing.check()?;
        let addresses = [config.api_listen, config.peer_listen, config.ops_listen];
        let [api, peer, ops] = addresses;
        if api.port() != 0 && (api == peer || api == ops || peer == ops) {
            return Err(ConfigError::Field("api_listen, peer_listen, ops_listen", "must differ"));
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
            return Err(ConfigError::TooLong(length));
        }
        Self::from_toml(&std::fs::read_to_string(path).map_err(read)?)
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file.
    #[error("configuration {path}: {error}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Over the bound.
    #[error("configuration has {0} bytes, the limit is {CONFIG_BYTES}")]
    TooLong(u64),
    /// Not the expected TOML.
    #[error("configuration: {0}")]
    Toml(#[from] toml::de::Error),
    /// A field contradicts a rule.
    #[error("configuration, field {0}: {1}")]
    Field(&'static str, &'static str),
    /// Preprocessing that cannot be.
    #[error("configuration, field {0}")]
    Preprocessing(#[from] crate::stock::PlanError),
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        party = 2
        data_dir = "node-2"
        passphrase_file = "node-2.pass"
        api_listen = "127.0.0.1:7001"
        peer_listen = "127.0.0.1:7002"
        ops_listen = "127.0.0.1:7003"
        objects = ["http://127.0.0.1:9000/v1/objects/"]
        [rpc.31337]
        own = "http://127.0.0.1:8545"
    "#;

    #[test]
    fn a_minimal_file_gets_the_tabled_defaults() {
        let config = Config::from_toml(GOOD).unwrap();
        assert_eq!(config.party.number(), 2);
        assert_eq!(config.rpc.keys().collect::<Vec<_>>(), [&31337]);
        assert!(config.rpc[&31337].others.is_empty());
        let (without, _) = GOOD.split_once("[rpc.31337]").unwrap();
        assert!(Config::from_toml(without).unwrap().rpc.is_empty(), "a node that asks no chain");
        assert_eq!(config.limits.requests_per_second.get(), 500);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            (GOOD.replace("party = 2", "party = 14"), "party"),
            (GOOD.replace("party = 2", ""), "party"),
            (format!("{GOOD}\n[limits]\nrequests_per_second = 0"), "requests_per_second"),
            (format!("{GOOD}\n[limits]\nrequests_per_hour = 3"), "requests_per_hour"),
            (GOOD.replace("31337", "mainnet"), "mainnet"),
            (GOOD.replace("own =", "mine ="), "mine"),
            (format!("{GOOD}\nothers = [{}]", "\"http://127.0.0.1:1\",".repeat(33)), "rpc.others"),
            (format!("{GOOD}\n[preprocessing]\nbatch_items = 3"), "batch_items"),
            (GOOD.replace("[\"http://127.0.0.1:9000/v1/objects/\"]", "[]"), "objects"),
            (GOOD.replace("7002", "7001"), "peer_listen"),
            (GOOD.replace("127.0.0.1:7001", "somewhere"), "api_listen"),
        ];
        for (text, named) in cases {
            let error = Config::from_toml(&text).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
