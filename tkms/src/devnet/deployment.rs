//! `deployment.json`: what a program needs to know to use a running devnet.

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tkms_types::PartyId;
use url::Url;

/// A running devnet.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// Host chain.
    pub chain_id: u64,
    /// Coordination chain id in EIP-712 domains; no such chain runs.
    pub gateway_chain_id: u64,
    /// Anvil.
    pub host_rpc_url: Url,
    /// Ends in `/v2`.
    pub relayer_url: Url,
    /// The demo page.
    pub demo_url: Url,
    /// Where the contracts stand.
    pub contracts: DeployedContracts,
    /// The committee.
    pub nodes: Vec<DeployedNode>,
    /// Anvil's funded accounts, for tests and demos.
    pub accounts: Vec<Account>,
    /// The other programs.
    pub services: Vec<Service>,
    /// Cluster file of this devnet.
    pub cluster: PathBuf,
}

impl Deployment {
    /// Where the attesters answer.
    #[must_use]
    pub fn attesters(&self) -> Vec<Url> {
        let attesters = self.services.iter().filter(|service| service.name.starts_with("attester-"));
        attesters.map(|service| service.url.clone()).collect()
    }
}

/// Addresses on the host chain, and the two that only stand in domains.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names say it")]
pub struct DeployedContracts {
    pub acl: Address,
    pub executor: Address,
    pub kms_verifier: Address,
    pub input_verifier: Address,
    pub decryption_oracle: Address,
    pub decryption_verifying_contract: Address,
    pub input_verifying_contract: Address,
}

/// One node process.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeployedNode {
    /// Its number.
    pub party_id: PartyId,
    /// Address of its signing key.
    pub signer: Address,
    /// Request API (gRPC).
    pub api_url: Url,
    /// Process id at start.
    pub pid: u32,
    /// Its configuration file: `tkms node --config <this> --cluster <cluster>` starts it again.
    pub config: PathBuf,
}

/// Another program of the devnet.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// `oracle`, `coprocessor` or `attester-<number>`; without the number the subcommand that starts it.
    pub name: String,
    /// Process id at start.
    pub pid: u32,
    /// Its configuration file.
    pub config: PathBuf,
    /// Base URL of its HTTP API.
    pub url: Url,
}

/// A funded development account. Anvil prints these keys to everybody.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Its address.
    pub address: Address,
    /// Its well-known key.
    pub private_key: B256,
}
