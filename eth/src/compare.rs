//! The cluster file against the contracts. The file is the only root of trust, and a contract's word never changes it; but where the
//! two differ, answers would not count or would be refused, and somebody has to be told.

use crate::bindings::{IInputVerifier, IKMSVerifier, Links};
use crate::proofs::{ProofError, hash_by_number};
use crate::rpc::{Rpc, RpcError, during, view};
use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::providers::Provider as _;
use alloy::sol_types::SolCall;
use std::fmt::Display;
use tkms_types::{Cluster, HostChain};

/// One field of the cluster file and what stands on the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Field of the cluster file.
    pub field: &'static str,
    /// Where the other value stands.
    pub place: &'static str,
    /// In the cluster file.
    pub ours: String,
    /// On the chain.
    pub theirs: String,
}

impl Comparison {
    fn new(field: &'static str, place: &'static str, ours: &impl Display, theirs: &impl Display) -> Self {
        Self { field, place, ours: ours.to_string(), theirs: theirs.to_string() }
    }

    /// Whether the two agree.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.ours == self.theirs
    }
}

/// The difference that ended a comparison.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: the cluster file says {}, {} says {}", .0.field, .0.ours, .0.place, .0.theirs)]
pub struct Differs(pub Comparison);

/// Compares chain id, checkpoint and code: what tells another chain or another deployment apart. Ends there if they differ, since the
/// contracts would be strangers.
///
/// # Errors
/// [`ProofError`] if the endpoint does not answer or has no checkpoint.
pub async fn deployment(rpc: &Rpc, chain: &HostChain) -> Result<Vec<Comparison>, ProofError> {
    let found = rpc.get_chain_id().await.map_err(during("eth_chainId"))?;
    let mut all = vec![Comparison::new("chains.chainId", "the endpoint", &chain.chain_id, &found)];
    let found = hash_by_number(rpc, chain.checkpoint_number.into()).await?;
    all.push(Comparison::new("chains.checkpointHash", "the chain", &chain.checkpoint_hash, &found));
    let (acl, executor) = (chain.contracts.acl, chain.contracts.executor);
    all.push(Comparison::new("chains.aclCodeHash", "the chain", &chain.acl_code_hash, &code_hash(rpc, acl).await?));
    let found = code_hash(rpc, executor).await?;
    all.push(Comparison::new("chains.executorCodeHash", "the chain", &chain.executor_code_hash, &found));
    Ok(all)
}

/// Compares the contracts' links, committee, context, coprocessors and domains.
///
/// # Errors
/// [`RpcError`] if the endpoint does not answer, or something else than the contract stands at an address.
pub async fn contracts(rpc: &Rpc, cluster: &Cluster, chain: &HostChain) -> Result<Vec<Comparison>, RpcError> {
    let mut all = links(rpc, chain).await?;
    all.extend(committee(rpc, cluster, chain).await?);
    all.extend(coprocessors(rpc, cluster, chain).await?);
    Ok(all)
}

/// Which contracts the contracts know of each other.
///
/// # Errors
/// As [`contracts`].
pub async fn links(rpc: &Rpc, chain: &HostChain) -> Result<Vec<Comparison>, RpcError> {
    let at = &chain.contracts;
    let acl = ask(rpc, at.executor, &Links::getACLAddressCall {}).await?;
    let executor = ask(rpc, at.acl, &Links::getFHEVMExecutorAddressCall {}).await?;
    let verifier = ask(rpc, at.executor, &Links::getInputVerifierAddressCall {}).await?;
    let linked = ask(rpc, at.decryption_oracle, &Links::getAddressesCall {}).await?;
    Ok(vec![
        Comparison::new("chains.contracts.acl", "the executor", &at.acl, &acl),
        Comparison::new("chains.contracts.executor", "the ACL", &at.executor, &executor),
        Comparison::new("chains.contracts.inputVerifier", "the executor", &at.input_verifier, &verifier),
        Comparison::new("chains.contracts.acl", "DecryptionOracle", &at.acl, &linked.acl),
        Comparison::new("chains.contracts.kmsVerifier", "DecryptionOracle", &at.kms_verifier, &linked.verifier),
    ])
}

/// What KMSVerifier says of the committee.
///
/// # Errors
/// As [`contracts`].
pub async fn committee(rpc: &Rpc, cluster: &Cluster, chain: &HostChain) -> Result<Vec<Comparison>, RpcError> {
    let (contract, place, gateway) = (chain.contracts.kms_verifier, "KMSVerifier", &cluster.gateway);
    let signers = ask(rpc, contract, &IKMSVerifier::getKmsSignersCall {}).await?;
    let threshold = ask(rpc, contract, &IKMSVerifier::getThresholdCall {}).await?;
    let context = B256::from(ask(rpc, contract, &IKMSVerifier::getCurrentKmsContextIdCall {}).await?);
    let domain = ask(rpc, contract, &IKMSVerifier::eip712DomainCall {}).await?;
    let ours: Vec<Address> = cluster.committee.iter().map(|node| node.signer).collect();
    Ok(vec![
        Comparison::new("committee.signer", place, &list(&ours), &list(&signers)),
        Comparison::new("thresholds.quorum", place, &cluster.thresholds.quorum, &threshold),
        Comparison::new("context", place, &cluster.context.bytes(), &context),
        Comparison::new("gateway.chainId", place, &U256::from(gateway.chain_id), &domain.chainId),
        Comparison::new("gateway.decryption", place, &gateway.decryption, &domain.verifyingContract),
    ])
}

/// What InputVerifier says of the coprocessors.
///
/// # Errors
/// As [`contracts`].
pub async fn coprocessors(rpc: &Rpc, cluster: &Cluster, chain: &HostChain) -> Result<Vec<Comparison>, RpcError> {
    let (contract, place, gateway) = (chain.contracts.input_verifier, "InputVerifier", &cluster.gateway);
    let mut signers = ask(rpc, contract, &IInputVerifier::getCoprocessorSignersCall {}).await?;
    signers.sort_unstable();
    let threshold = ask(rpc, contract, &IInputVerifier::getThresholdCall {}).await?;
    let domain = ask(rpc, contract, &IInputVerifier::eip712DomainCall {}).await?;
    let set = &chain.coprocessors;
    Ok(vec![
        Comparison::new("chains.coprocessors.members", place, &list(&set.members), &list(&signers)),
        Comparison::new("chains.coprocessors.quorum", place, &set.quorum, &threshold),
        Comparison::new("gateway.chainId", place, &U256::from(gateway.chain_id), &domain.chainId),
        Comparison::new("gateway.inputVerification", place, &gateway.input_verification, &domain.verifyingContract),
    ])
}

/// Who holds the powers that the contracts leave to somebody: contract, owner.
///
/// # Errors
/// [`RpcError`].
pub async fn owners(rpc: &Rpc, chain: &HostChain) -> Result<Vec<(&'static str, Address)>, RpcError> {
    let mut all = Vec::new();
    for (name, contract) in [("ACL", chain.contracts.acl), ("DecryptionOracle", chain.contracts.decryption_oracle)] {
        all.push((name, ask(rpc, contract, &Links::ownerCall {}).await?));
    }
    Ok(all)
}

async fn ask<C: SolCall>(rpc: &Rpc, contract: Address, call: &C) -> Result<C::Return, RpcError> {
    view(rpc, contract, call, BlockId::latest()).await
}

async fn code_hash(rpc: &Rpc, contract: Address) -> Result<B256, RpcError> {
    Ok(keccak256(rpc.get_code_at(contract).await.map_err(during("eth_getCode"))?))
}

fn list(all: &[Address]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
