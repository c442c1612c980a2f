//! A node proves its configuration before it serves: cluster file, identity, key share and settings must agree, and the
//! first field that does not is named. It asks no chain for that: the code of ACL and executor is proven with the first
//! block a request brings, and what contracts say of the committee is for `tkms doctor` to compare.

use crate::config::{Config, RpcUrls};
use crate::endpoints::{Endpoint, EndpointError, Endpoints, RpcEndpoint};
use crate::health::trust_name;
use crate::keystore::{Keystore, KeystoreError, NodeIdentity, ShareNames, read_passphrase};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use tkms_mpc::phase::KeyShare;
use tkms_types::transcript::Protocol;
use tkms_types::{Cluster, ClusterError, Committee, HeaderTrustKind, HostChain};
use tkms_wire::{samples, switched};

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The cluster file contradicts itself.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Identity, passphrase or share.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// A field of the cluster file is not what this node or the chain has.
    #[error("{field}: the cluster file says {ours}, {place} says {theirs}")]
    Differs {
        /// Which field.
        field: String,
        /// In the cluster file.
        ours: String,
        /// Where the other value is.
        place: String,
        /// The other value.
        theirs: String,
    },
    /// The configuration lacks something the cluster file needs.
    #[error("configuration, field {0}")]
    Config(String),
    /// The key was dealt for the other protocol only.
    #[error("key.decryption: {0:?} is in force, the key store holds no share of the key for it")]
    NoShare(Protocol),
    /// A share of some other key.
    #[error("the share for {protocol:?} has {found} coefficients, the key in force has {expected}")]
    Dimension {
        /// Whose share.
        protocol: Protocol,
        /// N of the key of such samples.
        expected: usize,
        /// Of the share.
        found: usize,
    },
    /// No client can be made for an endpoint.
    #[error("endpoint of host chain {chain_id}: {error}")]
    Endpoint {
        /// Which chain.
        chain_id: u64,
        /// Why.
        error: EndpointError,
    },
}

/// Coefficients of the key that a protocol decrypts under.
const fn dimension(protocol: Protocol) -> usize {
    match protocol {
        Protocol::Flood => samples::DIMENSION as usize,
        Protocol::Exact => switched::DIMENSION as usize,
    }
}

/// The node's identity and its share of the key in force, for the protocol in force.
pub(crate) fn open_keys(config: &Config, cluster: &Cluster) -> Result<(NodeIdentity, KeyShare), StartError> {
    let committee = cluster.size()?;
    let node = cluster.node(config.party).ok_or_else(|| not_a_member(config, committee))?;
    let store = Keystore::new(&config.data_dir);
    let identity = store.identity(&read_passphrase(&config.passphrase_file)?)?;
    let record = identity.record();
    let place = || "the identity file".to_owned();
    same("committee.signer", node.signer, record.signer, place)?;
    same("committee.tlsCertificate", node.tls_certificate.trim(), record.tls_certificate.trim(), place)?;
    let names = ShareNames {
        committee,
        party: config.party,
        key: cluster.key.id,
        epoch: cluster.epoch,
        context: cluster.context,
    };
    let protocol = cluster.protocol();
    let share = store.share(&names, &identity)?.of(protocol).ok_or(StartError::NoShare(protocol))?;
    let (expected, found) = (dimension(protocol), share.dimension());
    if found != expected {
        return Err(StartError::Dimension { protocol, expected, found });
    }
    Ok((identity, share))
}

fn not_a_member(config: &Config, committee: Committee) -> StartError {
    StartError::Config(format!("party: {} is not in the committee of {}", config.party, committee.size()))
}

/// The endpoints of every chain that is trusted by them, and of no other. Says who is believed about each chain.
pub(crate) fn endpoints(
    cluster: &Cluster,
    configured: &BTreeMap<u64, RpcUrls>,
) -> Result<BTreeMap<u64, Endpoints>, StartError> {
    let mut found = BTreeMap::new();
    for host in &cluster.chains {
        let chain_id = host.chain_id;
        match (host.trust, configured.get(&chain_id)) {
            (HeaderTrustKind::Rpc, None) => {
                return Err(StartError::Config(format!("rpc.{chain_id}: no endpoint is given")));
            }
            (HeaderTrustKind::Rpc, Some(urls)) => drop(found.insert(chain_id, open_endpoints(host, urls)?)),
            (trust, Some(_)) => {
                let trust = trust_name(trust);
                return Err(StartError::Config(format!(
                    "rpc.{chain_id}: this chain is trusted by {trust}, nobody asks it"
                )));
            }
            _ => {}
        }
        say_trust(host);
    }
    match configured.keys().find(|chain_id| !found.contains_key(chain_id)) {
        Some(unknown) => Err(StartError::Config(format!("rpc.{unknown}: the cluster file names no such chain"))),
        None => Ok(found),
    }
}

fn open_endpoints(host: &HostChain, urls: &RpcUrls) -> Result<Endpoints, StartError> {
    let chain_id = host.chain_id;
    let needed = usize::from(host.attesters.quorum);
    if urls.others.len() < needed {
        let given = urls.others.len();
        return Err(StartError::Config(format!("rpc.{chain_id}.others: {needed} must agree, {given} are given")));
    }
    let open = |url: &url::Url| {
        let endpoint = RpcEndpoint::new(url).map_err(|error| StartError::Endpoint { chain_id, error })?;
        Ok(Arc::new(endpoint) as Arc<dyn Endpoint>)
    };
    Ok(Endpoints { own: open(&urls.own)?, others: urls.others.iter().map(open).collect::<Result<_, StartError>>()? })
}

fn say_trust(host: &HostChain) {
    let (chain, trust) = (host.chain_id, trust_name(host.trust));
    let (quorum, members) = (host.attesters.quorum, host.attesters.members.len());
    if host.trusts_one() {
        tracing::warn!(
            chain,
            trust,
            "INSECURE: one party alone is believed about which blocks of this host chain are final"
        );
    } else {
        tracing::info!(chain, trust, quorum, members, min_finality = ?host.min_finality, "who is believed about this host chain");
    }
}

fn same<T: PartialEq + Debug>(field: &str, ours: T, theirs: T, place: impl Fn() -> String) -> Result<(), StartError> {
    if ours == theirs {
        return Ok(());
    }
    Err(StartError::Differs {
        field: field.to_owned(),
        ours: format!("{ours:?}"),
        place: place(),
        theirs: format!("{theirs:?}"),
    })
}
