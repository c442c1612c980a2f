//! The cluster file: the one root of trust every process starts from (DESIGN.md §6, trust-rules §1).

use crate::transcript::{Protocol, Transcript, tags};
use crate::{Committee, CommitteeError, ContextId, EpochId, Handle, HostChain, KeyId, PartyId, Threshold};
use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

/// Bytes of the largest cluster file read.
pub const CLUSTER_BYTES: usize = 1024 * 1024;
/// Version of the format.
const VERSION: u32 = 1;

/// Everything the members of one deployment agree on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    /// Format version, 1.
    pub version: u32,
    /// Host chains, one record per chain id.
    pub chains: Vec<HostChain>,
    /// Names in the EIP-712 domains of answers.
    pub gateway: GatewayDomain,
    /// The nodes in party order.
    pub committee: Vec<Node>,
    /// t and 2t + 1, for people to read; checked against the committee's size.
    pub thresholds: Thresholds,
    /// The context in force.
    pub context: ContextId,
    /// The epoch in force.
    pub epoch: EpochId,
    /// The key set.
    pub key: KeyMaterial,
}

/// Chain id and addresses that stand in EIP-712 domains; no such chain need exist yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GatewayDomain {
    /// Fits 32 bits and differs from every host's.
    pub chain_id: u64,
    /// `verifyingContract` of the domain `Decryption`. Unique per deployment.
    pub decryption: Address,
    /// `verifyingContract` of the domain `InputVerification`. Unique per deployment.
    pub input_verification: Address,
}

/// One committee member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Node {
    /// Position in the list plus one.
    pub party_id: PartyId,
    /// Address of the key that signs answers.
    pub signer: Address,
    /// PEM of the node's self-signed TLS certificate.
    pub tls_certificate: String,
    /// `host:port` where its peers reach it.
    pub peer_address: String,
    /// URL of its request API.
    pub api_url: String,
}

/// t and 2t + 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Thresholds {
    /// Nodes that may lie or be silent.
    pub faults: usize,
    /// Signatures on chain, answers a user waits for, shares of an opening.
    pub quorum: usize,
}

/// Digests of the public material of the key in force (BLAKE3-256 of the exact bytes).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyMaterial {
    /// The key.
    pub id: KeyId,
    /// What clients encrypt with.
    pub public_key_digest: B256,
    /// What coprocessors evaluate with.
    pub server_key_digest: B256,
    /// The common reference string of input proofs.
    pub crs_digest: B256,
    /// Decryption protocols the key set has material for; the first is in force.
    pub decryption: Vec<Protocol>,
}

/// The file: the cluster and the hash of all of it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClusterFile {
    cluster: Cluster,
    hash: B256,
}

impl Cluster {
    /// Reads a cluster file and checks it against itself.
    ///
    /// # Errors
    /// [`ClusterError`] naming the field at fault.
    pub fn from_json(json: &str) -> Result<Self, ClusterError> {
        if json.len() > CLUSTER_BYTES {
            return Err(ClusterError::TooLong(json.len()));
        }
        let file: ClusterFile = serde_json::from_str(json)?;
        let computed = file.cluster.hash()?;
        if computed != file.hash {
            return Err(ClusterError::Hash { stated: file.hash, computed });
        }
        file.cluster.check()?;
        Ok(file.cluster)
    }

    /// Writes the file, hash included.
    ///
    /// # Errors
    /// [`ClusterError`] if the cluster contradicts itself.
    pub fn to_json(&self) -> Result<String, ClusterError> {
        self.check()?;
        let file = ClusterFile { cluster: self.clone(), hash: self.hash()? };
        Ok(serde_json::to_string_pretty(&file)?)
    }

    /// Hash of all of it: what peers compare in their hello.
    ///
    /// # Errors
    /// [`ClusterError::Json`]; not for a cluster that was read.
    pub fn hash(&self) -> Result<B256, ClusterError> {
        Ok(Transcript::new(tags::CLUSTER).bytes(&serde_json::to_vec(self)?).finish())
    }

    /// n and t. Only a checked cluster has one.
    ///
    /// # Errors
    /// [`ClusterError::Committee`].
    pub fn size(&self) -> Result<Committee, ClusterError> {
        Ok(Committee::new(self.committee.len())?)
    }

    /// The node with this party number.
    #[must_use]
    pub fn node(&self, party: PartyId) -> Option<&Node> {
        self.committee.get(party.index())
    }

    /// The decryption protocol in force. Only a checked cluster names one; `flood` stands for none.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.key.decryption.first().copied().unwrap_or(Protocol::Flood)
    }

    /// The record of the chain a handle belongs to.
    #[must_use]
    pub fn chain_of(&self, handle: Handle) -> Option<&HostChain> {
        self.chains.iter().find(|chain| chain.chain_id == handle.chain_id())
    }

    fn check(&self) -> Result<(), ClusterError> {
        if self.version != VERSION {
            return Err(ClusterError::Version(self.version));
        }
        let threshold = self.size()?.threshold();
        self.check_nodes(threshold)?;
        if self.chains.is_empty() {
            return Err(ClusterError::Field("chains", "at least one host chain is needed"));
        }
        for (position, chain) in self.chains.iter().enumerate() {
            chain.check()?;
            if self.chains.iter().take(position).any(|other| other.chain_id == chain.chain_id) {
                return Err(ClusterError::Field("chains", "two records share one chain id"));
            }
            if chain.chain_id == self.gateway.chain_id {
                return Err(ClusterError::Field("gateway.chainId", "must differ from every host chain's"));
            }
        }
        if u32::try_from(self.gateway.chain_id).is_err() {
            return Err(ClusterError::Field("gateway.chainId", "must fit 32 bits"));
        }
        match self.key.decryption.as_slice() {
            [] => return Err(ClusterError::Field("key.decryption", "names at least one of \"flood\" and \"exact\"")),
            [first, rest @ ..] if rest.contains(first) || rest.len() > 1 => {
                return Err(ClusterError::Field("key.decryption", "names a protocol twice"));
            }
            _ => {}
        }
        Ok(())
    }

    fn check_nodes(&self, threshold: Threshold) -> Result<(), ClusterError> {
        let stated = self.thresholds;
        if stated.faults != threshold.faults() || stated.quorum != threshold.quorum() {
            return Err(ClusterError::Field("thresholds", "must be t and 2t + 1 of the committee's 3t + 1"));
        }
        for (position, node) in self.committee.iter().enumerate() {
            if node.party_id.index() != position {
                return Err(ClusterError::Field("committee.partyId", "nodes stand in party order, from 1"));
            }
            if node.signer.is_zero() || self.committee.iter().take(position).any(|other| other.signer == node.signer) {
                return Err(ClusterError::Field("committee.signer", "signers are distinct and not zero"));
            }
        }
        Ok(())
    }
}

/// A cluster file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Not the expected JSON.
    #[error("cluster file: {0}")]
    Json(#[from] serde_json::Error),
    /// Over the bound.
    #[error("cluster file has {0} bytes, the limit is {CLUSTER_BYTES}")]
    TooLong(usize),
    /// Another format.
    #[error("cluster file has version {0}, this build reads {VERSION}")]
    Version(u32),
    /// The hash does not match the content.
    #[error("cluster file states hash {stated} but its content hashes to {computed}")]
    Hash {
        /// As written.
        stated: B256,
        /// Of the content.
        computed: B256,
    },
    /// The committee's size.
    #[error("cluster file: {0}")]
    Committee(#[from] CommitteeError),
    /// A field contradicts a rule.
    #[error("cluster file, field {0}: {1}")]
    Field(&'static str, &'static str),
}
