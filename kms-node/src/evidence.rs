//! Evidence from the node's own endpoint: final header and proofs, all by block hash, believed by nobody before
//! `merkle_acl` has verified them.

use crate::limits::{HOST_CALL, POLL};
use crate::policy::anchor::Evidence;
use crate::refusal::Refusal;
use alloy::eips::BlockNumberOrTag;
use alloy::providers::Provider as _;
use alloy_primitives::{Address, B256, Bytes, U256};
use merkle_acl::{AclEvidence, AclLayout, Anchor, Fact, HeaderError, SlotProof, slots_for};
use std::sync::Arc;
use std::time::Instant;
use tkms_eth::Rpc;
use tkms_eth::bindings::IKMSVerifier;
use tkms_eth::proofs::{self, BlockHeader, ProofError};
use tkms_types::HostChain;
use tokio::sync::Mutex;
use url::Url;

/// Which block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// What the endpoint calls finalized.
    Final,
    /// The newest.
    Latest,
    /// The one with this hash.
    Hash(B256),
}

/// A header as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawHeader {
    /// Hash the endpoint names.
    pub hash: B256,
    /// Number the endpoint names.
    pub number: u64,
    /// The header's bytes.
    pub rlp: Bytes,
}

/// Proofs as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawProof {
    /// Trie nodes of the account.
    pub account: Vec<Bytes>,
    /// Trie nodes of each slot asked for.
    pub slots: Vec<SlotProof>,
}

/// What the verifier contract says about the committee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierView {
    /// `getKmsSigners()`.
    pub signers: Vec<Address>,
    /// `getThreshold()`.
    pub threshold: U256,
    /// `getCurrentKmsContextId()`.
    pub context: U256,
    /// Chain id and contract of `eip712Domain()`.
    pub domain: (U256, Address),
}

/// Reads a host chain. One implementation speaks JSON-RPC; tests have another.
#[tonic::async_trait]
pub trait HostReader: Send + Sync + 'static {
    /// `eth_chainId`.
    async fn chain_id(&self) -> Result<u64, HostError>;
    /// A header; `None` if the chain has no such block.
    async fn header(&self, at: At) -> Result<Option<RawHeader>, HostError>;
    /// Proof of an account and slots in the block with this hash.
    async fn proof(&self, block: B256, account: Address, slots: &[B256]) -> Result<RawProof, HostError>;
    /// What the verifier contract says, in the block with this hash.
    async fn verifier(&self, block: B256, contract: Address) -> Result<VerifierView, HostError>;
}

/// The endpoint failed or has not answered in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HostError(pub String);

/// An endpoint over HTTP.
pub struct RpcHost(Rpc);

impl RpcHost {
    /// Does not speak to it yet.
    ///
    /// # Errors
    /// [`HostError`] if no HTTP client can be made.
    pub fn new(url: &Url) -> Result<Self, HostError> {
        Ok(Self(tkms_eth::connect(url).map_err(|error| failed(&error))?))
    }
}

fn failed(error: &impl std::error::Error) -> HostError {
    HostError(error.to_string())
}

async fn in_time<T, E: std::error::Error>(call: impl Future<Output = Result<T, E>>) -> Result<T, HostError> {
    match tokio::time::timeout(HOST_CALL, call).await {
        Ok(answer) => answer.map_err(|error| failed(&error)),
        Err(_) => Err(HostError(format!("no answer within {HOST_CALL:?}"))),
    }
}

#[tonic::async_trait]
impl HostReader for RpcHost {
    async fn chain_id(&self) -> Result<u64, HostError> {
        in_time(async { self.0.get_chain_id().await }).await
    }

    async fn header(&self, at: At) -> Result<Option<RawHeader>, HostError> {
        let missing_is_none = |answer: Result<BlockHeader, ProofError>| match answer {
            Ok(header) => Ok(Some(RawHeader { hash: header.hash, number: header.number, rlp: header.rlp })),
            Err(ProofError::NoBlock(_)) => Ok(None),
            Err(error) => Err(error),
        };
        let tag = match at {
            At::Final => BlockNumberOrTag::Finalized,
            At::Latest => BlockNumberOrTag::Latest,
            At::Hash(hash) => {
                return in_time(async { missing_is_none(proofs::header_by_hash(&self.0, hash).await) }).await;
            }
        };
        in_time(async { missing_is_none(proofs::header_by_number(&self.0, tag).await) }).await
    }

    async fn proof(&self, block: B256, account: Address, slots: &[B256]) -> Result<RawProof, HostError> {
        let proof = in_time(proofs::state_proof(&self.0, block, account, slots)).await?;
        let slots = proof.slots.into_iter().map(|(slot, nodes)| SlotProof { slot, nodes }).collect();
        Ok(RawProof { account: proof.account, slots })
    }

    async fn verifier(&self, block: B256, contract: Address) -> Result<VerifierView, HostError> {
        let rpc = &self.0;
        let signers = in_time(tkms_eth::view(rpc, contract, &IKMSVerifier::getKmsSignersCall {}, block.into()));
        let threshold = in_time(tkms_eth::view(rpc, contract, &IKMSVerifier::getThresholdCall {}, block.into()));
        let context =
            in_time(tkms_eth::view(rpc, contract, &IKMSVerifier::getCurrentKmsContextIdCall {}, block.into()));
        let domain = in_time(tkms_eth::view(rpc, contract, &IKMSVerifier::eip712DomainCall {}, block.into()));
        let (signers, threshold, context, domain) = tokio::try_join!(signers, threshold, context, domain)?;
        Ok(VerifierView { signers, threshold, context, domain: (domain.chainId, domain.verifyingContract) })
    }
}

/// Collects evidence about one host chain.
pub struct HostView {
    reader: Arc<dyn HostReader>,
    /// The final header, shared by whoever asks within one poll.
    newest: Mutex<Option<(Instant, RawHeader)>>,
}

impl HostView {
    /// Over a reader.
    #[must_use]
    pub fn new(reader: Arc<dyn HostReader>) -> Self {
        Self { reader, newest: Mutex::new(None) }
    }

    /// The newest final header, at most one poll old.
    ///
    /// # Errors
    /// [`Refusal::HeaderUnavailable`], [`Refusal::NotFinal`] while only the genesis is final.
    pub async fn final_header(&self) -> Result<RawHeader, Refusal> {
        let mut newest = self.newest.lock().await;
        if let Some((_, header)) = newest.as_ref().filter(|(read, _)| read.elapsed() < POLL) {
            return Ok(header.clone());
        }
        let header = self.header(At::Final).await?;
        let header = header.ok_or_else(|| Refusal::NotFinal("the chain has no final block".to_owned()))?;
        if matches!(Anchor::from_header_rlp(&header.rlp), Err(HeaderError::Genesis)) {
            return Err(Refusal::NotFinal("only the genesis is final".to_owned()));
        }
        *newest = Some((Instant::now(), header.clone()));
        Ok(header)
    }

    /// Evidence for facts in the newest block, final or not.
    ///
    /// # Errors
    /// [`Refusal::HeaderUnavailable`].
    pub async fn latest(&self, host: &HostChain, facts: &[Fact]) -> Result<Evidence, Refusal> {
        let header = self.header(At::Latest).await?;
        let header = header.ok_or_else(|| Refusal::HeaderUnavailable("the chain has no block".to_owned()))?;
        self.evidence(&header, host, facts).await
    }

    /// Evidence for facts in the state of one header.
    ///
    /// # Errors
    /// [`Refusal::HeaderUnavailable`].
    pub async fn evidence(&self, header: &RawHeader, host: &HostChain, facts: &[Fact]) -> Result<Evidence, Refusal> {
        let slots = slots_for(AclLayout::Range, facts);
        let proof = self.reader.proof(header.hash, host.contracts.acl, &slots).await.map_err(unavailable)?;
        let acl = AclEvidence { header: header.rlp.clone(), account: proof.account, slots: proof.slots };
        Ok(Evidence { final_hash: header.hash, acl })
    }

    async fn header(&self, at: At) -> Result<Option<RawHeader>, Refusal> {
        self.reader.header(at).await.map_err(unavailable)
    }
}

fn unavailable(error: HostError) -> Refusal {
    Refusal::HeaderUnavailable(error.0)
}
