//! The loop that keeps the newest final block ready: found, checked as a node will check it, and its shared proofs collected while
//! endpoints still have the state.

use super::attesters::{AttestedBlock, Attesters};
use super::block::{BlockError, FinalBlock, ProvenBlock};
use super::{Prover, Standing, vouch};
use crate::clock::unix_now;
use crate::health::Health;
use crate::metrics;
use crate::store::StoreError;
use merkle_acl::Anchor;
use merkle_acl::trust::{AnchorHistory, AnchorMark, HeaderEvidence, SetError, TrustError, accept};
use std::sync::Arc;
use std::time::Duration;
use tkms_eth::proofs::{self, BlockNumberOrTag, header_by_number, header_by_number_as};
use tkms_types::{HeaderTrustKind, MinFinality};
use tokio::time::{Instant, sleep};

/// Blocks remembered to find a second hash at one height.
const REMEMBERED: usize = 256;
/// How long attesters may disagree or be silent before it is said: they do not see a new block at one moment.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no newer block.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// Too few attesters, or none agree.
    #[error("{why} {last}")]
    Unattested {
        /// For people.
        why: String,
        /// For operators.
        last: String,
    },
    /// The block is not one nodes would build on.
    #[error(transparent)]
    Untrusted(#[from] TrustError),
    /// The set of the cluster file.
    #[error("attester set: {0}")]
    Set(#[from] SetError),
    /// Header or proofs.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The endpoint's header.
    #[error(transparent)]
    Endpoint(#[from] proofs::ProofError),
    /// The endpoint's header, by its bytes.
    #[error("header: {0}")]
    Header(#[from] merkle_acl::HeaderError),
    /// The mirror's count.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The newest block grows old.
    #[error("the newest final block is {age} s old, nodes take {limit} s")]
    Old {
        /// Its age.
        age: u64,
        /// The chain's bound.
        limit: u64,
    },
    /// None are configured.
    #[error("no attesters are configured for this chain")]
    NoAttesters,
    /// Two histories were vouched for, now or before a restart.
    #[error("halted: {0}; `tkms halt --oracle` clears it")]
    Halted(String),
}

impl KeepError {
    /// Without what an endpoint said: its address may hold a key.
    fn public(&self) -> String {
        match self {
            Self::Unattested { why, .. } => why.clone(),
            Self::Endpoint(_) | Self::Block(BlockError::Endpoint(_)) => {
                "the host endpoint does not serve the newest final block".to_owned()
            }
            Self::Store(_) => "the store failed".to_owned(),
            error => error.to_string(),
        }
    }
}

/// Keeps one chain's newest final block.
pub struct Keeper {
    prover: Arc<Prover>,
    health: Arc<Health>,
    poll: Duration,
    part: String,
    history: AnchorHistory,
    /// When a block was found last.
    found: Option<Instant>,
    /// Two histories were vouched for: nothing more is built on until an operator has looked and cleared it.
    halted: Option<String>,
    /// The halt stands on disk.
    kept: bool,
}

impl Keeper {
    /// Looks every `poll`. A halt of before stands.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn new(prover: Arc<Prover>, health: Arc<Health>, poll: Duration) -> Result<Self, StoreError> {
        let chain_id = prover.chain.chain_id;
        let part = format!("final block chain {chain_id}");
        let halted = prover.store.halt(chain_id)?;
        if let Some(reason) = &halted {
            tracing::error!(chain = chain_id, reason, "the chain is halted until an operator clears it");
            metrics::halted(chain_id);
        }
        let (kept, history) = (halted.is_some(), AnchorHistory::default());
        Ok(Self { prover, health, poll, part, history, found: None, halted, kept })
    }

    /// Runs for ever. Failures are waited out.
    pub async fn run(mut self) {
        self.health.fail(&self.part, "none was found yet");
        let mut last = String::new();
        loop {
            let result = match &self.halted {
                Some(reason) => Err(KeepError::Halted(reason.clone())),
                None => self.look().await,
            };
            match result {
                Ok(()) => {
                    last.clear();
                    self.health.clear(&self.part);
                }
                Err(error) => {
                    let reason = error.to_string();
                    if reason != last {
                        tracing::warn!(chain = self.prover.chain.chain_id, reason, "no newer final block");
                    }
                    self.failed(&error);
                    last = reason;
                }
            }
            self.measure();
            sleep(self.poll).await;
        }
    }

    fn failed(&mut self, error: &KeepError) {
        self.health.fail(&self.part, &error.to_string());
        let halts = matches!(error, KeepError::Untrusted(error) if error.halts());
        // Older blocks say less than they did: the chain is paused, or there are two of it.
        let drop_block = halts || matches!(error, KeepError::Block(BlockError::Paused(_)));
        if let KeepError::Untrusted(error) = error
            && halts
            && self.halted.is_none()
        {
            tracing::error!(chain = self.prover.chain.chain_id, %error, "two histories are vouched for: halted");
            metrics::halted(self.prover.chain.chain_id);
            self.halted = Some(error.to_string());
        }
        self.keep_halt();
        let why = error.public();
        self.prover.standing.send_modify(|standing| {
            standing.why = why;
            if drop_block {
                standing.block = None;
            }
        });
    }

    /// Writes the halt; tried again at every look until it stands.
    fn keep_halt(&mut self) {
        let (Some(reason), false) = (&self.halted, self.kept) else { return };
        match self.prover.store.set_halt(self.prover.chain.chain_id, reason) {
            Ok(()) => self.kept = true,
            Err(error) => {
                tracing::error!(%error, "the halt could not be written; it holds as long as this process lives")
            }
        }
    }

    fn measure(&self) {
        let chain_id = self.prover.chain.chain_id;
        if let Some(block) = &self.prover.standing.borrow().block {
            let anchor = block.anchor();
            metrics::anchor(chain_id, anchor.number(), unix_now().saturating_sub(anchor.timestamp()));
        }
    }

    /// One look; a newer block is ready when it returns.
    ///
    /// # Errors
    /// [`KeepError`].
    pub async fn look(&mut self) -> Result<(), KeepError> {
        let known = self.history.newest.map_or(0, |mark| mark.number);
        let chain = &self.prover.chain;
        let found = match (&self.prover.attesters, chain.trust) {
            (Some(attesters), HeaderTrustKind::Attesters) => self.attested(attesters, known).await?,
            (None, HeaderTrustKind::Attesters) => return Err(KeepError::NoAttesters),
            (_, HeaderTrustKind::Rpc) => self.endpoint(known).await?,
            // Sealed is final: there is nothing to wait for
            (_, HeaderTrustKind::Qbft | HeaderTrustKind::Ibft2) => self.sealed(known).await?,
        };
        let Some(block) = found else { return self.check_age() };
        let anchor = self.trusted(&block)?;
        let (store, chain_id, number) = (self.prover.store.clone(), chain.chain_id, anchor.number());
        let likely = tokio::task::spawn_blocking(move || store.range(chain_id)?.count_at(number));
        let likely = likely.await.map_err(|_| StoreError::Stopped)??;
        let proven = ProvenBlock::prepare(&self.prover.rpc, chain, block, likely).await?;
        self.history.check_count(&anchor, proven.count())?;
        self.remember(&anchor, proven.count());
        tracing::debug!(chain = chain_id, number, hash = %anchor.hash(), grants = proven.count(), "final block ready");
        let standing =
            Standing { block: Some(Arc::new(proven)), why: "the newest final block does not grant it".into() };
        self.prover.standing.send_replace(standing);
        self.check_age()
    }

    /// As nodes judge it. In RPC mode they ask their own endpoints.
    fn trusted(&self, block: &FinalBlock) -> Result<Anchor, KeepError> {
        let (chain, now) = (&self.prover.chain, unix_now());
        let rules = vouch::rules(chain);
        let Some(trust) = vouch::trust(chain)? else {
            rules.check_age(&block.anchor, &self.history, now)?;
            self.history.check(&block.anchor)?;
            return Ok(block.anchor);
        };
        let evidence = HeaderEvidence { header: block.header.clone(), witness: vouch::witness(block) };
        let trusted = accept(&evidence, trust.as_ref(), &rules, &self.history, rules.min_finality, now)?;
        Ok(*trusted.anchor())
    }

    async fn attested(&self, attesters: &Attesters, known: u64) -> Result<Option<FinalBlock>, KeepError> {
        let look = attesters.newest(known).await;
        let patient = look.enough || self.found.is_some_and(|found| found.elapsed() < PATIENCE);
        match look.block {
            Some(AttestedBlock { anchor, header, attested }) => {
                Ok(Some(FinalBlock { anchor, header, attested: Some(attested) }))
            }
            None if patient => Ok(None),
            None => Err(KeepError::Unattested { why: look.why, last: look.last }),
        }
    }

    async fn endpoint(&self, known: u64) -> Result<Option<FinalBlock>, KeepError> {
        let tag = match self.prover.chain.min_finality {
            MinFinality::Finalized => BlockNumberOrTag::Finalized,
            MinFinality::Safe => BlockNumberOrTag::Safe,
            MinFinality::Depth(depth) => {
                let head = header_by_number(&self.prover.rpc, BlockNumberOrTag::Latest).await?;
                BlockNumberOrTag::Number(head.number.saturating_sub(depth.into()))
            }
        };
        self.header(tag, known).await
    }

    /// The newest block; or another one than is known at the known height, which halts the chain if it is sealed as well.
    async fn sealed(&self, known: u64) -> Result<Option<FinalBlock>, KeepError> {
        if let Some(newest) = self.history.newest
            && let Some(there) = self.header(newest.number.into(), 0).await?
            && there.anchor.hash() != newest.hash
        {
            return Ok(Some(there));
        }
        self.header(BlockNumberOrTag::Latest, known).await
    }

    /// A header from the endpoint, hashed as its chain does, if it is above `known`.
    async fn header(&self, tag: BlockNumberOrTag, known: u64) -> Result<Option<FinalBlock>, KeepError> {
        let chain = &self.prover.chain;
        let hash = |rlp: &[u8]| vouch::anchor(chain, rlp).ok().map(|anchor| anchor.hash());
        let header = header_by_number_as(&self.prover.rpc, tag, hash).await?;
        if header.number <= known.max(chain.checkpoint_number) {
            return Ok(None);
        }
        let anchor = vouch::anchor(chain, &header.rlp)?;
        Ok(Some(FinalBlock { anchor, header: header.rlp, attested: None }))
    }

    fn remember(&mut self, anchor: &Anchor, count: u64) {
        if let Some(newest) = self.history.newest {
            self.history.recent.push((newest.number, newest.hash));
            let surplus = self.history.recent.len().saturating_sub(REMEMBERED);
            self.history.recent.drain(..surplus);
        }
        let (number, hash, time) = (anchor.number(), anchor.hash(), anchor.timestamp());
        self.history.newest = Some(AnchorMark { number, hash, time, count });
        self.found = Some(Instant::now());
    }

    /// No newer block is no failure while nodes still take the one there is.
    fn check_age(&self) -> Result<(), KeepError> {
        let limit = self.prover.chain.max_anchor_age;
        let Some(newest) = self.history.newest else {
            return Err(KeepError::Unattested { why: "no block is final yet".to_owned(), last: String::new() });
        };
        let age = unix_now().saturating_sub(newest.time);
        // Half the bound: requests take time too.
        if age > limit / 2 { Err(KeepError::Old { age, limit }) } else { Ok(()) }
    }
}
