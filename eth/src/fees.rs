//! Fees and signed bytes of a transaction.

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::{BlockNumberOrTag, Encodable2718},
    primitives::{B256, Bytes},
    providers::Provider,
    signers::SignerSync,
};
use serde::{Deserialize, Serialize};

use crate::{
    rpc::{Rpc, RpcError, during},
    signer::{DigestSigner, LocalKey, SignerError},
};

/// Fee per gas of one attempt, in wei.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fees {
    /// Most paid per gas, base fee included.
    pub max: u128,
    /// Paid to the block's producer.
    pub tip: u128,
}

impl Fees {
    /// Twice the base fee of the newest block (it may rise by an eighth a block) plus the tip, at most `cap`.
    pub(crate) async fn current(rpc: &Rpc, tip: u128, cap: u128) -> Result<Self, RpcError> {
        let latest = rpc.get_block_by_number(BlockNumberOrTag::Latest).await.map_err(during("eth_getBlockByNumber"))?;
        let base = latest.and_then(|block| block.header.inner.base_fee_per_gas).unwrap_or_default();
        let max = u128::from(base).saturating_mul(2).saturating_add(tip).min(cap);
        Ok(Self { max, tip: tip.min(max) })
    }

    /// What replaces an attempt at these fees: an eighth more (nodes ask for a tenth), or `now` if that is more.
    /// `None` if that would be over `cap`.
    pub(crate) fn raised(self, now: Self, cap: u128) -> Option<Self> {
        let more = |fee: u128| fee.saturating_add(fee / 8).saturating_add(1);
        let raised = Self { max: more(self.max).max(now.max), tip: more(self.tip).max(now.tip) };
        (raised.max <= cap).then_some(raised)
    }
}

/// Hash and raw bytes of the signed transaction. Signing is deterministic: the same transaction gives the same bytes.
pub(crate) fn sign(key: &LocalKey, transaction: TxEip1559) -> Result<(B256, Bytes), SignerError> {
    let digest = transaction.signature_hash();
    let signature = key.inner().sign_hash_sync(&digest).map_err(|_| SignerError::Refused { signer: key.address() })?;
    let envelope = TxEnvelope::from(transaction.into_signed(signature));
    Ok((*envelope.tx_hash(), envelope.encoded_2718().into()))
}
