//! Headers and EIP-1186 proofs as raw bytes, in the shape a verifier wants them: header RLP and lists of trie nodes.
//!
//! Everything is pinned to one block by its hash (EIP-1898). A header is encoded anew from the endpoint's JSON and must hash to the hash
//! the endpoint names; so a fork whose new header fields we do not know shows at once, not in a verifier far away. Chains whose
//! validators seal inside the header hash it by a rule of their own.

pub use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::{
    consensus::Header,
    primitives::{Address, B256, Bytes, keccak256},
    providers::Provider,
    rlp,
    rpc::types::EIP1186AccountProofResponse,
};
use serde_json::json;

use crate::rpc::{Rpc, RpcError, during};

/// Slots asked for in one call; clients refuse more than 1,024.
const SLOTS_PER_CALL: usize = 256;

/// Why there is no header or no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The endpoint failed.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The endpoint has no such block (yet).
    #[error("no block {0}")]
    NoBlock(BlockId),
    /// The header's fields do not hash to the hash that came with them.
    #[error("block {number}: the endpoint names hash {named}, its header hashes to {computed}")]
    HashDiffers {
        /// Number in the header.
        number: u64,
        /// Hash the endpoint gave, or the one asked for.
        named: B256,
        /// Hash of the fields.
        computed: B256,
    },
    /// The answer is not about the account or the slots that were asked for.
    #[error("the endpoint's proof for {account} in block {block} answers another question")]
    OtherAnswer {
        /// The account asked for.
        account: Address,
        /// The block asked for.
        block: B256,
    },
}

/// One block's header with the bytes that hash to its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockHeader {
    /// keccak-256 of `rlp`, or what the chain's own rule makes of it.
    pub hash: B256,
    /// Block number.
    pub number: u64,
    /// Hash of the block before.
    pub parent: B256,
    /// Unix seconds.
    pub timestamp: u64,
    /// The header as consensus encodes it.
    pub rlp: Bytes,
}

/// Trie nodes for one account and some of its slots under one state root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateProof {
    /// Nodes of the account, root first.
    pub account: Vec<Bytes>,
    /// Each slot asked for, in the order asked, with its nodes, root first.
    pub slots: Vec<(B256, Vec<Bytes>)>,
}

/// The header behind a number or a tag (`finalized`, `safe`, `latest`).
///
/// # Errors
/// [`ProofError`]; [`ProofError::NoBlock`] if the chain has no such block yet.
pub async fn header_by_number(rpc: &Rpc, number: BlockNumberOrTag) -> Result<BlockHeader, ProofError> {
    header_by_number_as(rpc, number, |rlp| Some(keccak256(rlp))).await
}

/// The same on a chain that hashes its headers by `rule`; `None`: the bytes are no header of such a chain.
///
/// # Errors
/// As [`header_by_number`].
pub async fn header_by_number_as(
    rpc: &Rpc,
    number: BlockNumberOrTag,
    rule: impl Fn(&[u8]) -> Option<B256> + Send,
) -> Result<BlockHeader, ProofError> {
    let block = rpc.get_block_by_number(number).await.map_err(during("eth_getBlockByNumber"))?;
    let block = block.ok_or(ProofError::NoBlock(number.into()))?;
    checked(&block.header.inner, block.header.hash, rule)
}

/// The hash that the endpoint names for this number: to be compared with one that is known, and good for nothing else.
///
/// # Errors
/// As [`header_by_number`].
pub async fn hash_by_number(rpc: &Rpc, number: BlockNumberOrTag) -> Result<B256, ProofError> {
    let block = rpc.get_block_by_number(number).await.map_err(during("eth_getBlockByNumber"))?;
    block.map(|block| block.header.hash).ok_or(ProofError::NoBlock(number.into()))
}

/// The header with this hash.
///
/// # Errors
/// [`ProofError`]; [`ProofError::NoBlock`] if the endpoint does not know the hash.
pub async fn header_by_hash(rpc: &Rpc, hash: B256) -> Result<BlockHeader, ProofError> {
    let block = rpc.get_block_by_hash(hash).await.map_err(during("eth_getBlockByHash"))?;
    let block = block.ok_or(ProofError::NoBlock(hash.into()))?;
    checked(&block.header.inner, hash, |rlp| Some(keccak256(rlp)))
}

/// Proof of an account and of slots (as the contract numbers them) in the block with this hash.
///
/// Only the shape of the answer is checked here; whether the nodes prove anything is for a verifier.
///
/// # Errors
/// [`ProofError`]. Endpoints that keep no old states refuse blocks more than some 128 back.
pub async fn state_proof(rpc: &Rpc, block: B256, account: Address, slots: &[B256]) -> Result<StateProof, ProofError> {
    let mut proof = StateProof { account: Vec::new(), slots: Vec::with_capacity(slots.len()) };
    let mut first = true;
    let calls = if slots.is_empty() { vec![slots] } else { slots.chunks(SLOTS_PER_CALL).collect() };
    for chunk in calls {
        let parameters = (account, chunk, json!({ "blockHash": block }));
        let answer: EIP1186AccountProofResponse =
            rpc.raw_request("eth_getProof".into(), parameters).await.map_err(during("eth_getProof"))?;
        let keys = answer.storage_proof.iter().map(|slot| slot.key.as_b256());
        let same_account = answer.address == account && (first || answer.account_proof == proof.account);
        if !same_account || !keys.eq(chunk.iter().copied()) {
            return Err(ProofError::OtherAnswer { account, block });
        }
        proof.account = answer.account_proof;
        proof.slots.extend(chunk.iter().copied().zip(answer.storage_proof.into_iter().map(|slot| slot.proof)));
        first = false;
    }
    Ok(proof)
}

fn checked(header: &Header, named: B256, rule: impl Fn(&[u8]) -> Option<B256>) -> Result<BlockHeader, ProofError> {
    let rlp = rlp::encode(header);
    let computed = rule(&rlp).unwrap_or_else(|| keccak256(&rlp));
    if computed != named {
        return Err(ProofError::HashDiffers { number: header.number, named, computed });
    }
    let (number, parent, timestamp) = (header.number, header.parent_hash, header.timestamp);
    Ok(BlockHeader { hash: computed, number, parent, timestamp, rlp: rlp.into() })
}
