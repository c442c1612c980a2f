//! Evidence for the nodes: a final block, who vouches for it, and under its state root every fact a request depends on
//! (docs/protocol/acl.md). Nothing here is trusted by anybody; it is checked all the same, so that a lying endpoint or attester
//! is named here and nothing of its making is sent.

pub mod attesters;
pub mod block;
pub mod facts;
pub mod keep;
pub mod slots;
mod vouch;

use crate::clock::unix_now;
use crate::metrics;
use crate::record::{Ask, Refused};
use crate::smart_account::Question;
use crate::store::{Store, StoreError};
use alloy_primitives::B256;
use attesters::Attesters;
use block::ProvenBlock;
use merkle_acl::range::RangeProof;
use merkle_acl::{Fact, Grant};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tkms_eth::Rpc;
use tkms_types::{GatewayDomain, HostChain};
use tkms_wire::evidence::Evidence;
use tokio::sync::watch;
use tokio::time::timeout;

/// Evidence and the block it is under.
#[derive(Clone, Debug)]
pub struct Proven {
    /// What nodes are sent.
    pub evidence: Evidence,
    /// Of the block.
    pub number: u64,
    /// Of the block.
    pub hash: B256,
    /// Whether the executor's account is proven too.
    pub with_executor: bool,
}

/// Why there is no evidence for a request now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// The newest final block does not grant it.
    #[error("{}", .0.message)]
    Missing(Refused),
    /// No final block to build on, or an endpoint that does not answer.
    #[error("{0}")]
    Later(String),
    /// Proofs that do not hold: somebody lies. They are not sent.
    #[error("{0}")]
    Wrong(String),
    /// More than nodes look at, in this block or another.
    #[error("{}", .0.message)]
    Never(Refused),
}

impl From<StoreError> for Unproven {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the mirror of the grants cannot be read");
        Self::Later("the store failed".to_owned())
    }
}

/// The block to build on, and why there is none or no newer one.
#[derive(Clone, Default)]
pub struct Standing {
    /// The newest final block. Older ones are dropped: what they grant it grants too, and what can be taken back it knows better.
    pub block: Option<Arc<ProvenBlock>>,
    /// For people.
    pub why: String,
}

/// Makes evidence about one host chain.
pub struct Prover {
    chain: HostChain,
    rpc: Rpc,
    store: Arc<Store>,
    attesters: Option<Attesters>,
    gateway: GatewayDomain,
    standing: watch::Sender<Standing>,
    /// Nodes need the executor's account once; until one of them has said so it is sent along with the first requests.
    executor_wanted: AtomicBool,
}

impl Prover {
    /// Has no block yet: see [`keep::Keeper`]. Without attesters the chain's blocks are final by the word of our own endpoint.
    #[must_use]
    pub fn new(
        chain: HostChain,
        rpc: Rpc,
        store: Arc<Store>,
        attesters: Option<Attesters>,
        gateway: GatewayDomain,
    ) -> Self {
        let why = "no final block was looked for yet".to_owned();
        let standing = watch::Sender::new(Standing { block: None, why });
        Self { chain, rpc, store, attesters, gateway, standing, executor_wanted: AtomicBool::new(true) }
    }

    /// Where we stand.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// Number of the newest final block, 0 if there is none.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.standing.borrow().block.as_ref().map_or(0, |block| block.anchor().number())
    }

    /// Attesters that lied lately.
    #[must_use]
    pub fn attester_faults(&self) -> Vec<attesters::AttesterFault> {
        self.attesters.as_ref().map(Attesters::faults).unwrap_or_default()
    }

    /// Waits until there is a block above `number`, at most `patience`.
    pub async fn newer(&self, number: u64, patience: Duration) {
        let mut standing = self.standing.subscribe();
        let above = |standing: &Standing| standing.block.as_ref().is_some_and(|block| block.anchor().number() > number);
        // Elapsed or not, the caller looks again.
        drop(timeout(patience, standing.wait_for(above)).await);
    }

    /// A node wants the executor's account proven.
    pub fn want_executor(&self) {
        self.executor_wanted.store(true, Ordering::Release);
    }

    /// A quorum has answered evidence with the executor in it: later requests need it no more.
    pub fn has_executor(&self) {
        self.executor_wanted.store(false, Ordering::Release);
    }

    /// Evidence for a request under the newest final block.
    ///
    /// # Errors
    /// [`Unproven`].
    pub async fn evidence(&self, ask: &Ask) -> Result<Proven, Unproven> {
        let Standing { block, why } = self.standing();
        let block = block.ok_or(Unproven::Later(why))?;
        let (chain, now) = (&self.chain, unix_now());
        let grants = facts::facts(ask, chain, now).into_iter().filter_map(|fact| match fact {
            Fact::Granted(grant) => Some(grant),
            _ => None,
        });
        let paths = self.paths(block.clone(), grants.collect()).await?;
        let mut made = block.evidence(ask, chain, paths, self.executor_wanted.load(Ordering::Acquire), now).await;
        if let (Ok(proven), Some(question)) = (&mut made, self.question(ask)) {
            match question.witness(&self.rpc, block.anchor()).await {
                Ok(witness) => proven.evidence.witness = Some(witness),
                Err(why) => made = Err(why),
            }
        }
        if let Err(Unproven::Wrong(reason)) = &made {
            tracing::error!(chain = chain.chain_id, reason, "evidence that does not hold is not sent");
            metrics::wrong_proof(chain.chain_id);
        }
        made
    }

    /// What only the user's contract can say, if the permit leaves something open.
    #[must_use]
    pub fn question(&self, ask: &Ask) -> Option<Question> {
        Question::of(ask, &self.gateway, &self.chain)
    }

    /// Paths of the grants that have one.
    async fn paths(
        &self,
        block: Arc<ProvenBlock>,
        grants: Vec<Grant>,
    ) -> Result<BTreeMap<Grant, RangeProof>, StoreError> {
        let (store, chain_id) = (self.store.clone(), self.chain.chain_id);
        let work = move || {
            let mirror = store.range(chain_id)?;
            let mut paths = BTreeMap::new();
            for grant in grants {
                if let Some(path) = block.path(&mirror, grant)? {
                    paths.insert(grant, path);
                }
            }
            Ok(paths)
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Stopped)?
    }
}
