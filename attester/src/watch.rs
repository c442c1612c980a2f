//! The loop: what does my own node call final, may I sign it, sign it.
//!
//! Before a signature, in this order (trust-rules §3): the node serves this very chain and its head is young; the checkpoint is on its
//! chain; what was signed last is still there; the header's bytes hash to the hash the node names; the ACL runs the recorded code in
//! that block; number, hash, parent and time contradict nothing signed before. Then the ledger, then the signature leaves.

use crate::ledger::{Candidate, Contradiction, Ledger, LedgerError, Vouched};
use alloy::eips::BlockNumberOrTag;
use alloy::providers::Provider as _;
use alloy_primitives::B256;
use merkle_acl::trust::{Finality, HeaderStatement};
use merkle_acl::{AclHost, AclLayout, Anchor, prove_account};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tkms_eth::proofs::{BlockHeader, ProofError, header_by_number, state_proof};
use tkms_eth::{DigestSigner, LocalKey, Rpc, RpcError, SignerError};
use tkms_types::{HostChain, MinFinality};

/// Blocks that are caught up on after a pause; older ones nobody builds on any more.
const CATCH_UP: u64 = 256;

/// Why nothing is signed at the moment.
#[derive(Debug, thiserror::Error)]
pub enum Hindrance {
    /// The node does not answer.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The node has no such block, or its header does not hash to its hash.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The node serves another chain.
    #[error("the node serves chain {found}, the configuration names {expected}")]
    OtherChain {
        /// Of the node.
        found: u64,
        /// Of the configuration.
        expected: u64,
    },
    /// The node is behind.
    #[error("the node's head is {age} s old, more than {limit} s: it is not synced")]
    NotSynced {
        /// Of its head.
        age: u64,
        /// Allowed.
        limit: u64,
    },
    /// Another chain with the same id, or a node that follows a fork.
    #[error("the checkpoint, block {number}, has hash {found} at the node, the cluster file says {expected}")]
    Checkpoint {
        /// Its number.
        number: u64,
        /// At the node.
        found: B256,
        /// In the cluster file.
        expected: B256,
    },
    /// The ACL's account in that block.
    #[error("block {number}: the ACL {reason}")]
    Acl {
        /// The block.
        number: u64,
        /// What is wrong.
        reason: String,
    },
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The key.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// For good.
    #[error("halted: {0}")]
    Halted(String),
}

impl From<Contradiction> for Hindrance {
    fn from(contradiction: Contradiction) -> Self {
        Self::Halted(contradiction.to_string())
    }
}

/// What the HTTP side tells of the loop.
#[derive(Clone, Default)]
pub struct Health(Arc<Mutex<Option<String>>>);

impl Health {
    /// Why nothing is signed, if so.
    #[must_use]
    pub fn hindrance(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets it; whether that is news.
    fn set(&self, hindrance: Option<String>) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let news = *known != hindrance;
        *known = hindrance;
        news
    }
}

/// Signs what the node calls final.
pub struct Watcher {
    /// The validator's own node.
    pub rpc: Rpc,
    /// The chain, as the cluster file has it.
    pub host: HostChain,
    /// The key.
    pub signer: LocalKey,
    /// What was signed.
    pub ledger: Arc<Ledger>,
    /// Told what hinders.
    pub health: Health,
    /// Between two looks.
    pub poll: Duration,
    /// Only numbers that this divides are signed.
    pub cadence: u64,
    /// Seconds; an older head shows that the node is not synced.
    pub max_head_age: u64,
}

impl Watcher {
    /// Runs until the process ends. What hinders it now is tried again; a halt is not.
    pub async fn run(&self) -> Infallible {
        let mut halted = None;
        loop {
            let hindrance = match &halted {
                Some(reason) => Some(Hindrance::Halted(String::clone(reason))),
                None => self.round().await.err(),
            };
            if let Some(Hindrance::Halted(reason)) = &hindrance {
                self.keep_halt(reason);
                halted = Some(reason.clone());
            }
            let text = hindrance.map(|hindrance| hindrance.to_string());
            if self.health.set(text.clone()) {
                match text {
                    Some(reason) => tracing::error!(%reason, "nothing is signed"),
                    None => tracing::info!("signing"),
                }
            }
            tokio::time::sleep(self.poll).await;
        }
    }

    /// Writes the halt unless it stands on disk; tried again at every look until it does.
    fn keep_halt(&self, reason: &str) {
        crate::metrics::halted();
        let written = match self.ledger.halted() {
            Ok(Some(_)) => Ok(()),
            Ok(None) => self.ledger.halt(reason),
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            tracing::error!(%error, "the halt could not be written; it holds as long as this process lives");
        }
    }

    /// One look at the node; signs everything new.
    ///
    /// # Errors
    /// [`Hindrance`]; what was signed before it stays signed.
    pub async fn round(&self) -> Result<(), Hindrance> {
        if let Some(reason) = self.ledger.halted()? {
            return Err(Hindrance::Halted(reason));
        }
        let head = self.check_node().await?;
        for finality in self.classes() {
            let top = match finality {
                Finality::Finalized => header_by_number(&self.rpc, BlockNumberOrTag::Finalized).await?.number,
                Finality::Safe => header_by_number(&self.rpc, BlockNumberOrTag::Safe).await?.number,
                Finality::Depth(depth) => head.number.saturating_sub(depth.into()),
            };
            let first = self.ledger.newest(finality)?.map_or(0, |newest| newest + 1);
            let first = first.max(self.host.checkpoint_number + 1).max(top.saturating_sub(CATCH_UP));
            for number in (first..=top).filter(|number| number % self.cadence == 0) {
                self.sign(number, finality).await?;
            }
        }
        Ok(())
    }

    /// The host's floor, and finality itself: a request may ask for more than the floor.
    fn classes(&self) -> Vec<Finality> {
        let mut classes = vec![self.floor()];
        if self.floor() != Finality::Finalized {
            classes.push(Finality::Finalized);
        }
        classes
    }

    const fn floor(&self) -> Finality {
        floor(&self.host)
    }

    /// The right chain, synced, and still the history that was signed.
    async fn check_node(&self) -> Result<BlockHeader, Hindrance> {
        let chain = self.rpc.get_chain_id().await;
        let found = chain.map_err(|source| RpcError::Call { call: "eth_chainId", source })?;
        if found != self.host.chain_id {
            return Err(Hindrance::OtherChain { found, expected: self.host.chain_id });
        }
        let head = header_by_number(&self.rpc, BlockNumberOrTag::Latest).await?;
        let age = unix_now().saturating_sub(head.timestamp);
        if age > self.max_head_age {
            return Err(Hindrance::NotSynced { age, limit: self.max_head_age });
        }
        let (number, expected) = (self.host.checkpoint_number, self.host.checkpoint_hash);
        let found = header_by_number(&self.rpc, BlockNumberOrTag::Number(number)).await?.hash;
        if found != expected {
            return Err(Hindrance::Checkpoint { number, found, expected });
        }
        if let Some((number, signed)) = self.ledger.highest()? {
            let found = header_by_number(&self.rpc, BlockNumberOrTag::Number(number)).await?.hash;
            if found != signed {
                return Err(Contradiction::TwoHashes { number, signed, found }.into());
            }
        }
        Ok(head)
    }

    async fn sign(&self, number: u64, finality: Finality) -> Result<(), Hindrance> {
        let header = header_by_number(&self.rpc, BlockNumberOrTag::Number(number)).await?;
        let unfit = |reason: String| Hindrance::Acl { number, reason };
        let anchor = Anchor::from_header_rlp(&header.rlp).map_err(|error| unfit(error.to_string()))?;
        let acl =
            AclHost { address: self.host.contracts.acl, code_hash: self.host.acl_code_hash, layout: AclLayout::Range };
        let proof = state_proof(&self.rpc, header.hash, acl.address, &[]).await?;
        let account = prove_account(anchor.state_root(), acl.address, &proof.account)
            .map_err(|error| unfit(format!("is not proven: {error}")))?;
        if account.code_hash != acl.code_hash {
            return Err(unfit(format!("runs code {}, the cluster file says {}", account.code_hash, acl.code_hash)));
        }
        // The history may have changed since `check_node`: a header that does not build on the one signed before shows it.
        self.ledger.check(&Candidate {
            number,
            hash: anchor.hash(),
            parent: header.parent,
            time: anchor.timestamp(),
        })??;
        let statement = HeaderStatement {
            set: self.host.attester_set_id(),
            number,
            hash: anchor.hash(),
            state_root: anchor.state_root(),
            timestamp: anchor.timestamp(),
            finality,
        };
        let signature = self.signer.sign_digest(&digest(&statement, &self.host))?;
        self.ledger.record(&Vouched {
            number,
            hash: anchor.hash(),
            state_root: anchor.state_root(),
            time: anchor.timestamp(),
            finality,
            header: header.rlp,
            signature: signature.to_vec().into(),
        })?;
        crate::metrics::signed(number, anchor.timestamp());
        tracing::debug!(number, hash = %anchor.hash(), ?finality, "signed");
        Ok(())
    }
}

/// The least finality the host's nodes build on.
#[must_use]
pub const fn floor(host: &HostChain) -> Finality {
    match host.min_finality {
        MinFinality::Finalized => Finality::Finalized,
        MinFinality::Safe => Finality::Safe,
        MinFinality::Depth(depth) => Finality::Depth(depth),
    }
}

/// The EIP-712 digest of a statement in this host's domain.
#[must_use]
pub fn digest(statement: &HeaderStatement, host: &HostChain) -> B256 {
    let (finality, depth) = statement.finality.signed();
    let attestation = tkms_types::typed_data::HeaderAttestation {
        attesterSetId: statement.set,
        number: statement.number,
        blockHash: statement.hash,
        stateRoot: statement.state_root,
        timestamp: statement.timestamp,
        finality,
        depth,
    };
    tkms_types::typed_data::header_digest(&attestation, host)
}

#[allow(clippy::disallowed_methods, reason = "an attester judges by its own clock whether its node is synced")]
fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
