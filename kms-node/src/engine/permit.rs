//! Checks 11 to 17 on evidence from the node's own endpoint, waiting for finality where that can help.

use super::{Engine, Job, Progress, unreadable};
use crate::evidence::HostView;
use crate::limits::{FINALITY_WAIT, POLL};
use crate::policy::{self, anchor};
use crate::refusal::Refusal;
use alloy_primitives::B256;
use merkle_acl::{AclLayout, Anchor, slots_for};
use std::time::Instant;
use tkms_types::HostChain;
use tkms_wire::kms::State;

/// Every fact holds in a final block.
pub(super) struct Permit {
    /// Number and hash of the block.
    pub(super) anchor: (u64, B256),
    /// Storage slots that were proven.
    pub(super) slots: Vec<B256>,
    /// When, by the node's clock.
    pub(super) at: u64,
}

impl Engine {
    /// Waits, bounded, for a final block in which every fact holds.
    pub(super) async fn permitted(&self, job: &Job, host: &HostChain) -> Result<Permit, Refusal> {
        let view = self.view(host)?;
        let started = Instant::now();
        loop {
            let refusal = match self.judge_final(job, host, view).await {
                Ok(permit) => return Ok(permit),
                Err(refusal) => refusal,
            };
            if started.elapsed() > FINALITY_WAIT || !self.may_become_true(job, host, view, &refusal).await {
                return Err(refusal);
            }
            job.progress.send_replace(Progress::Pending(State::WaitingFinality, refusal.to_string()));
            let left = FINALITY_WAIT.saturating_sub(started.elapsed());
            // After the time is over the last look decides
            if tokio::time::timeout(left, self.next_block(view)).await.is_err() {
                return Err(refusal);
            }
        }
    }

    async fn judge_final(&self, job: &Job, host: &HostChain, view: &HostView) -> Result<Permit, Refusal> {
        let now = self.parts.clock.now();
        let facts = policy::facts(&job.request, host, now);
        let header = view.final_header().await?;
        let evidence = view.evidence(&header, host, &facts).await?;
        let state = self.parts.hosts.state(host.chain_id);
        if let Some(reason) = state.halted {
            return Err(Refusal::HostHalted { chain_id: host.chain_id, reason });
        }
        let verified = match anchor::judge(&evidence, &facts, host, &state, now) {
            Err(Refusal::AnchorConflict(reason)) => {
                let halted = self.parts.hosts.halt(host.chain_id, reason.clone()).await;
                halted.map_err(|error| unreadable(&error))?;
                return Err(Refusal::AnchorConflict(reason));
            }
            other => other?,
        };
        let mark = anchor::mark(&verified);
        self.parts.hosts.accept(host.chain_id, mark).await.map_err(|error| unreadable(&error))?;
        Ok(Permit { anchor: (mark.number, mark.hash), slots: slots_for(AclLayout::Range, &facts), at: now })
    }

    /// Whether time alone may turn a refusal into a yes: something is not final yet.
    async fn may_become_true(&self, job: &Job, host: &HostChain, view: &HostView, refusal: &Refusal) -> bool {
        match refusal {
            Refusal::NotFinal(_) | Refusal::HeaderUnavailable(_) | Refusal::AnchorBeforeCheckpoint { .. } => true,
            Refusal::GrantMissing { .. } | Refusal::DelegationMissing(_) => {
                let facts = policy::facts(&job.request, host, self.parts.clock.now());
                let latest = view.latest(host, &facts).await;
                latest.is_ok_and(|evidence| anchor::holds(&evidence, &facts, host))
            }
            _ => false,
        }
    }

    /// Returns when another block is final, or the endpoint fails.
    async fn next_block(&self, view: &HostView) {
        let seen = view.final_header().await.ok().map(|header| header.hash);
        loop {
            tokio::time::sleep(POLL).await;
            match view.final_header().await {
                Ok(header) if Some(header.hash) == seen => {}
                _ => return,
            }
        }
    }

    fn view(&self, host: &HostChain) -> Result<&HostView, Refusal> {
        // Start-up has shown that every chain of the cluster file has an endpoint
        self.parts.views.get(&host.chain_id).ok_or(Refusal::Internal("no endpoint for this chain"))
    }

    /// Whether the endpoint's newest final block is one that policy would take.
    pub(super) async fn fresh_anchor(&self, host: &HostChain) -> Result<(), Refusal> {
        let header = self.view(host)?.final_header().await?;
        let anchor =
            Anchor::from_header_rlp(&header.rlp).map_err(|error| Refusal::HeaderMalformed(error.to_string()))?;
        anchor::check_anchor(&anchor, header.hash, host, self.parts.clock.now())
    }
}
