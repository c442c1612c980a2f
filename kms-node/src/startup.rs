//! A node proves its configuration before it serves: cluster file, identity, key share and chains must agree, and the
//! first field that does not is named.

use crate::config::Config;
use crate::evidence::{At, HostError, HostReader, RawHeader};
use crate::keystore::{Keystore, KeystoreError, NodeIdentity, ShareNames, read_passphrase};
use alloy_primitives::{Address, B256, U256};
use merkle_acl::{Anchor, prove_account};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use tkms_mpc::phase::KeyShare;
use tkms_types::{Cluster, ClusterError, Committee, HostChain};

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
    /// The endpoint does not answer.
    #[error("endpoint of host chain {chain_id}: {error}")]
    Endpoint {
        /// Which chain.
        chain_id: u64,
        /// Why.
        error: HostError,
    },
    /// The endpoint's proof of a contract's code does not hold.
    #[error("host chain {chain_id}, {contract}: {reason}")]
    Proof {
        /// Which chain.
        chain_id: u64,
        /// Which contract.
        contract: &'static str,
        /// What is wrong.
        reason: String,
    },
}

/// The node's identity and its share of the key in force.
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
    let secrets = store.share(&names, &identity)?;
    Ok((identity, secrets))
}

fn not_a_member(config: &Config, committee: Committee) -> StartError {
    StartError::Config(format!("party: {} is not in the committee of {}", config.party, committee.size()))
}

/// Every chain of the cluster file stands behind its endpoint as the file says.
pub(crate) async fn prove_chains(
    cluster: &Cluster,
    readers: &BTreeMap<u64, Arc<dyn HostReader>>,
) -> Result<(), StartError> {
    for host in &cluster.chains {
        let chain_id = host.chain_id;
        let reader = readers.get(&chain_id);
        let reader = reader.ok_or_else(|| StartError::Config(format!("rpc.{chain_id}: no endpoint is given")))?;
        prove_chain(cluster, host, reader.as_ref()).await?;
        tracing::warn!(
            chain = chain_id,
            "header trust of host chain {chain_id}: RPC with k = 0, its one endpoint is trusted to name final blocks"
        );
    }
    Ok(())
}

async fn prove_chain(cluster: &Cluster, host: &HostChain, reader: &dyn HostReader) -> Result<(), StartError> {
    let chain_id = host.chain_id;
    let endpoint = |error| StartError::Endpoint { chain_id, error };
    let place = || format!("the endpoint of host chain {chain_id}");
    same("chains.chainId", chain_id, reader.chain_id().await.map_err(endpoint)?, place)?;

    let checkpoint = reader.header(At::Hash(host.checkpoint_hash)).await.map_err(endpoint)?;
    let number = checkpoint.map(|header| header.number);
    same("chains.checkpointNumber", Some(host.checkpoint_number), number, place)?;

    let latest = reader.header(At::Latest).await.map_err(endpoint)?;
    let latest = latest.ok_or_else(|| endpoint(HostError("the chain has no block".to_owned())))?;
    let codes = [
        ("chains.aclCodeHash", "ACL", host.contracts.acl, host.acl_code_hash),
        ("chains.executorCodeHash", "executor", host.contracts.executor, host.executor_code_hash),
    ];
    for (field, contract, address, expected) in codes {
        let found = code_hash(reader, &latest, address).await.map_err(|fault| match fault {
            CodeFault::Endpoint(error) => endpoint(error),
            CodeFault::Proof(reason) => StartError::Proof { chain_id, contract, reason },
        })?;
        same(field, expected, found, place)?;
    }

    let verifier = reader.verifier(latest.hash, host.contracts.kms_verifier).await.map_err(endpoint)?;
    let signers: Vec<Address> = cluster.committee.iter().map(|node| node.signer).collect();
    let place = || format!("KMSVerifier of host chain {chain_id}");
    same("committee.signer", signers, verifier.signers, place)?;
    same("thresholds.quorum", U256::from(cluster.thresholds.quorum), verifier.threshold, place)?;
    same("context", cluster.context.number(), verifier.context, place)?;
    let domain = (U256::from(cluster.gateway.chain_id), cluster.gateway.decryption);
    same("gateway", domain, verifier.domain, place)
}

enum CodeFault {
    Endpoint(HostError),
    Proof(String),
}

/// Proven under the header's own state root.
async fn code_hash(reader: &dyn HostReader, header: &RawHeader, address: Address) -> Result<B256, CodeFault> {
    let anchor = Anchor::from_header_rlp(&header.rlp).map_err(|error| CodeFault::Proof(error.to_string()))?;
    let proof = reader.proof(anchor.hash(), address, &[]).await.map_err(CodeFault::Endpoint)?;
    let account = prove_account(anchor.state_root(), address, &proof.account);
    account.map(|account| account.code_hash).map_err(|error| CodeFault::Proof(error.to_string()))
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
