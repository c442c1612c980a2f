//! Transactions of one key, each sent until it is mined: one owner of the nonces, replacement by fee, nothing lost in a restart.
//!
//! A transaction is written to the caller's store before its bytes leave; signing is deterministic, so after a crash the same bytes are
//! sent again. A nonce is never given twice. Only one [`Submitter`] may exist for a key.

use std::collections::BTreeMap;

use alloy::{
    consensus::TxEip1559,
    eips::BlockNumberOrTag,
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes, TxKind, U256},
    providers::Provider,
    rpc::types::TransactionRequest,
};
use serde::{Deserialize, Serialize};

pub use crate::fees::Fees;
use crate::{
    fees,
    rpc::{Rpc, RpcError, during},
    signer::{DigestSigner, LocalKey, SignerError},
};

/// Transactions in flight of one key; nodes queue not many more for one account.
pub const MAX_IN_FLIGHT: usize = 256;
/// Attempts at one nonce with rising fees.
pub const MAX_ATTEMPTS: usize = 16;
/// Nonces tried in one submission, if others of this key's transactions appear meanwhile.
const MAX_NONCE_TRIES: usize = 4;

/// Bounds and patience.
#[derive(Debug, Clone, Copy)]
pub struct SubmitConfig {
    /// Most gas of one transaction.
    pub max_gas: u64,
    /// Most wei per gas, base fee included.
    pub max_fee: u128,
    /// Wei per gas for the block's producer, at the first attempt.
    pub tip: u128,
    /// Blocks an attempt waits before its fee is raised.
    pub replace_after: u64,
    /// Blocks, its own included, before a transaction counts as done.
    pub confirmations: u64,
}

impl Default for SubmitConfig {
    fn default() -> Self {
        Self { max_gas: 8_000_000, max_fee: 500_000_000_000, tip: 1_000_000_000, replace_after: 3, confirmations: 1 }
    }
}

/// One call to be made once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The caller's name for it; a second call of one name is not sent while the first is in flight.
    pub id: B256,
    /// The contract.
    pub to: Address,
    /// Its input.
    pub data: Bytes,
    /// Gas to give at least, on top of what the node estimates.
    pub min_gas: u64,
    /// Selector of the error by which the contract says that somebody has done this already.
    pub done_error: Option<[u8; 4]>,
}

/// A transaction in flight, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingTx {
    /// Its nonce.
    pub nonce: u64,
    /// What it does.
    pub call: Call,
    /// Gas limit.
    pub gas: u64,
    /// Every attempt made, oldest first: hash and fees.
    pub attempts: Vec<(B256, Fees)>,
    /// Newest block when the last attempt was sent.
    pub sent_at: u64,
}

/// The caller's durable table nonce → transaction. Each method returns after the data is on disk.
pub trait NonceStore: Send + Sync {
    /// All transactions in flight.
    ///
    /// # Errors
    /// Whatever the store says.
    fn load(&self) -> Result<Vec<PendingTx>, StoreError>;

    /// Inserts, or replaces the one with this nonce.
    ///
    /// # Errors
    /// Whatever the store says.
    fn save(&self, transaction: &PendingTx) -> Result<(), StoreError>;

    /// Forgets the one with this nonce; no error if there is none.
    ///
    /// # Errors
    /// Whatever the store says.
    fn remove(&self, nonce: u64) -> Result<(), StoreError>;
}

/// What a store may say.
pub type StoreError = Box<dyn std::error::Error + Send + Sync>;

/// Why a call was not sent, or the transactions in flight not looked after.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The endpoint failed.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The caller's store failed.
    #[error("store of transactions in flight: {0}")]
    Store(StoreError),
    /// The key refused.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The contract would revert.
    #[error("{to} would revert with {data}")]
    Reverts {
        /// The contract.
        to: Address,
        /// Its revert data.
        data: Bytes,
    },
    /// It would need more than the bound.
    #[error("{gas} gas needed, at most {max} are paid")]
    GasTooHigh {
        /// Estimate with margin.
        gas: u64,
        /// The bound.
        max: u64,
    },
    /// [`MAX_IN_FLIGHT`] is reached.
    #[error("{0} transactions in flight")]
    Busy(usize),
    /// Somebody else sends with this key.
    #[error("nonces of {0} are used by somebody else")]
    NonceContested(Address),
}

/// What became of a call handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submitted {
    /// On its way.
    Sent {
        /// Its nonce.
        nonce: u64,
        /// Hash of the first attempt.
        hash: B256,
    },
    /// A call of this name is on its way since earlier.
    InFlight {
        /// Its nonce.
        nonce: u64,
    },
    /// The contract says that it is done.
    AlreadyDone,
}

/// How a transaction in flight ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Mined and successful.
    Confirmed {
        /// Name of the call.
        id: B256,
        /// The attempt that made it.
        hash: B256,
        /// Its block.
        block: u64,
        /// Gas it used.
        gas_used: u64,
    },
    /// Mined and reverted, because somebody else was first.
    AlreadyDone {
        /// Name of the call.
        id: B256,
    },
    /// Mined and reverted.
    Reverted {
        /// Name of the call.
        id: B256,
        /// The attempt that was mined.
        hash: B256,
    },
    /// Another transaction of this key took the nonce. Submit the call again.
    NonceTaken {
        /// Name of the call.
        id: B256,
    },
}

/// The one sender of one key.
#[derive(Debug)]
pub struct Submitter<S> {
    rpc: Rpc,
    key: LocalKey,
    store: S,
    config: SubmitConfig,
    chain_id: u64,
    next_nonce: u64,
    in_flight: BTreeMap<u64, PendingTx>,
}

impl<S: NonceStore> Submitter<S> {
    /// Reads back what was in flight. Nothing is sent before the first [`Submitter::tick`].
    ///
    /// # Errors
    /// [`SubmitError::Rpc`], [`SubmitError::Store`].
    pub async fn open(rpc: Rpc, key: LocalKey, store: S, config: SubmitConfig) -> Result<Self, SubmitError> {
        let chain_id = rpc.get_chain_id().await.map_err(during("eth_chainId"))?;
        let pending = rpc.get_transaction_count(key.address()).pending().await;
        let pending = pending.map_err(during("eth_getTransactionCount"))?;
        let stored = store.load().map_err(SubmitError::Store)?;
        let in_flight: BTreeMap<u64, PendingTx> = stored.into_iter().map(|tx| (tx.nonce, tx)).collect();
        let after_stored = in_flight.keys().next_back().map_or(0, |nonce| nonce.saturating_add(1));
        Ok(Self { rpc, key, store, config, chain_id, next_nonce: pending.max(after_stored), in_flight })
    }

    /// Transactions in flight, by nonce.
    pub fn in_flight(&self) -> impl Iterator<Item = &PendingTx> {
        self.in_flight.values()
    }

    /// Simulates the call against the newest block and, if it would succeed, sends it with the next nonce.
    ///
    /// # Errors
    /// [`SubmitError`]; after one nothing is in flight that was not before.
    pub async fn submit(&mut self, call: Call) -> Result<Submitted, SubmitError> {
        if let Some(known) = self.in_flight.values().find(|tx| tx.call.id == call.id) {
            return Ok(Submitted::InFlight { nonce: known.nonce });
        }
        if self.in_flight.len() >= MAX_IN_FLIGHT {
            return Err(SubmitError::Busy(self.in_flight.len()));
        }
        let Some(gas) = self.simulate(&call).await? else {
            return Ok(Submitted::AlreadyDone);
        };
        let fees = Fees::current(&self.rpc, self.config.tip, self.config.max_fee).await?;
        let head = self.head().await?;
        for _ in 0..MAX_NONCE_TRIES {
            let mut tx =
                PendingTx { nonce: self.next_nonce, call: call.clone(), gas, attempts: Vec::new(), sent_at: 0 };
            match self.attempt(&mut tx, fees, head).await {
                Ok(hash) => {
                    let nonce = tx.nonce;
                    self.in_flight.insert(nonce, tx);
                    self.next_nonce = nonce.saturating_add(1);
                    return Ok(Submitted::Sent { nonce, hash });
                }
                Err(SubmitError::Rpc(error)) if error.is_refusal() => {
                    // Refused, so it is nowhere: the nonce is free, or belongs to somebody else's transaction.
                    self.store.remove(tx.nonce).map_err(SubmitError::Store)?;
                    if !error.refusal().is_some_and(|reason| reason.contains("nonce too low")) {
                        return Err(error.into());
                    }
                    self.next_nonce = self.next_nonce.saturating_add(1).max(self.mined_nonce().await?);
                }
                Err(SubmitError::Rpc(error)) => {
                    // No answer: it may be out there. It keeps its nonce, and `tick` goes on with it.
                    tracing::warn!(nonce = tx.nonce, %error, "sent without an answer");
                    let (nonce, hash) = (tx.nonce, tx.attempts.last().map(|(hash, _)| *hash).unwrap_or_default());
                    self.in_flight.insert(nonce, tx);
                    self.next_nonce = nonce.saturating_add(1);
                    return Ok(Submitted::Sent { nonce, hash });
                }
                Err(error) => return Err(error),
            }
        }
        Err(SubmitError::NonceContested(self.key.address()))
    }

    /// Looks after everything in flight, to be called about once a block: finds what was mined, sends again what was lost, raises the fee
    /// of what waits too long.
    ///
    /// # Errors
    /// [`SubmitError`]; outcomes not returned come with the next call.
    pub async fn tick(&mut self) -> Result<Vec<Outcome>, SubmitError> {
        let mut outcomes = Vec::new();
        if self.in_flight.is_empty() {
            return Ok(outcomes);
        }
        let head = self.head().await?;
        let mined = self.mined_nonce().await?;
        let mut finished = Vec::new();
        for tx in self.in_flight.values().filter(|tx| tx.nonce < mined) {
            if let Some(outcome) = self.outcome(tx, head).await? {
                finished.push((tx.nonce, outcome));
            }
        }
        let waiting: Vec<PendingTx> = self.in_flight.values().filter(|tx| tx.nonce >= mined).cloned().collect();
        let now = Fees::current(&self.rpc, self.config.tip, self.config.max_fee).await?;
        for tx in waiting {
            self.push_on(tx, head, now).await?;
        }
        for (nonce, outcome) in finished {
            match self.store.remove(nonce) {
                Ok(()) => self.in_flight.remove(&nonce),
                // What is removed already must be reported: the rest comes next time.
                Err(_) if !outcomes.is_empty() => break,
                Err(error) => return Err(SubmitError::Store(error)),
            };
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    /// Gas limit for the call, or `None` if it is done already.
    async fn simulate(&self, call: &Call) -> Result<Option<u64>, SubmitError> {
        let request = TransactionRequest::default()
            .with_from(self.key.address())
            .with_to(call.to)
            .with_input(call.data.clone())
            .with_gas_limit(self.config.max_gas);
        if let Err(error) = self.rpc.call(request.clone()).await.map_err(during("eth_call")) {
            let Some(data) = error.revert_data() else { return Err(error.into()) };
            let done = call.done_error.is_some_and(|selector| data.starts_with(&selector));
            return if done { Ok(None) } else { Err(SubmitError::Reverts { to: call.to, data }) };
        }
        let estimate = self.rpc.estimate_gas(request).await.map_err(during("eth_estimateGas"))?;
        // A quarter more: the state it meets may be another one.
        let gas = estimate.saturating_add(estimate / 4).saturating_add(call.min_gas);
        let max = self.config.max_gas;
        if gas > max { Err(SubmitError::GasTooHigh { gas, max }) } else { Ok(Some(gas)) }
    }

    /// Stores one more attempt and sends it. An RPC error means that it is stored.
    async fn attempt(&self, tx: &mut PendingTx, fees: Fees, head: u64) -> Result<B256, SubmitError> {
        let (hash, raw) = self.sign(tx, fees)?;
        tx.attempts.push((hash, fees));
        tx.sent_at = head;
        self.store.save(tx).map_err(SubmitError::Store)?;
        self.send(&raw).await?;
        Ok(hash)
    }

    /// Sends the last attempt again if the node has lost it, or a dearer one if it is due.
    async fn push_on(&mut self, mut tx: PendingTx, head: u64, now: Fees) -> Result<(), SubmitError> {
        let Some((hash, fees)) = tx.attempts.last().copied() else { return Ok(()) };
        let due = head.saturating_sub(tx.sent_at) >= self.config.replace_after && tx.attempts.len() < MAX_ATTEMPTS;
        let result = match fees.raised(now, self.config.max_fee).filter(|_| due) {
            Some(raised) => self.attempt(&mut tx, raised, head).await.map(|_| ()),
            None => {
                let known = self.rpc.get_transaction_by_hash(hash).await.map_err(during("eth_getTransactionByHash"))?;
                match known {
                    Some(_) => Ok(()),
                    None => {
                        let (_, raw) = self.sign(&tx, fees)?;
                        self.send(&raw).await
                    }
                }
            }
        };
        match result {
            Ok(()) => {}
            // Refusals here pass by themselves: mined meanwhile, fee still too low, funds missing. The next round sees.
            Err(SubmitError::Rpc(error)) if error.is_refusal() => tracing::warn!(%hash, %error, "attempt refused"),
            Err(SubmitError::Rpc(error)) => {
                self.in_flight.insert(tx.nonce, tx);
                return Err(error.into());
            }
            // Not stored, so it did not leave: what is remembered stays as it was.
            Err(error) => return Err(error),
        }
        self.in_flight.insert(tx.nonce, tx);
        Ok(())
    }

    /// What the mined transaction of this nonce did; `None` if it is not deep enough yet.
    async fn outcome(&self, tx: &PendingTx, head: u64) -> Result<Option<Outcome>, SubmitError> {
        let id = tx.call.id;
        for (hash, _) in tx.attempts.iter().rev() {
            let receipt = self.rpc.get_transaction_receipt(*hash).await.map_err(during("eth_getTransactionReceipt"))?;
            let Some(receipt) = receipt else { continue };
            let block = receipt.block_number.unwrap_or(head);
            if head.saturating_add(1) < block.saturating_add(self.config.confirmations) {
                return Ok(None);
            }
            if receipt.status() {
                return Ok(Some(Outcome::Confirmed { id, hash: *hash, block, gas_used: receipt.gas_used }));
            }
            let done = matches!(self.simulate(&tx.call).await, Ok(None));
            return Ok(Some(if done { Outcome::AlreadyDone { id } } else { Outcome::Reverted { id, hash: *hash } }));
        }
        Ok(Some(Outcome::NonceTaken { id }))
    }

    fn sign(&self, tx: &PendingTx, fees: Fees) -> Result<(B256, Bytes), SignerError> {
        let transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce: tx.nonce,
            gas_limit: tx.gas,
            max_fee_per_gas: fees.max,
            max_priority_fee_per_gas: fees.tip,
            to: TxKind::Call(tx.call.to),
            value: U256::ZERO,
            input: tx.call.data.clone(),
            ..Default::default()
        };
        fees::sign(&self.key, transaction)
    }

    async fn send(&self, raw: &[u8]) -> Result<(), SubmitError> {
        match self.rpc.send_raw_transaction(raw).await.map_err(during("eth_sendRawTransaction")) {
            Ok(_) => Ok(()),
            Err(error) if error.refusal().is_some_and(|reason| reason.contains("already")) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn head(&self) -> Result<u64, SubmitError> {
        Ok(self.rpc.get_block_number().await.map_err(during("eth_blockNumber"))?)
    }

    /// Nonces below this one are mined.
    async fn mined_nonce(&self) -> Result<u64, SubmitError> {
        let count = self.rpc.get_transaction_count(self.key.address()).block_id(BlockNumberOrTag::Latest.into());
        Ok(count.await.map_err(during("eth_getTransactionCount"))?)
    }
}
