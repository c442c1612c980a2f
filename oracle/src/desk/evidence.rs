//! The evidence of one request: waited for until its block is final, renewed while nodes find it too old.

use super::{Desk, DeskError};
use crate::drive::{LONG_POLL, Round};
use crate::host::Host;
use crate::metrics;
use crate::node::Question;
use crate::prove::{Proven, Unproven};
use crate::record::{Ask, Record, Refused, State};
use std::time::Duration;
use tkms_types::RequestId;
use tkms_wire::kms;
use tkms_wire::material::Material;
use tokio::time::Instant;

/// Longest wait for a newer final block before everything is looked at again.
const WAIT: Duration = Duration::from_secs(5);
/// Between two looks whether evidence must be renewed.
const LOOK: Duration = Duration::from_secs(1);
/// The first look comes sooner: a node may want the executor proven.
const FIRST_LOOK: Duration = Duration::from_millis(100);
/// How old evidence may get before a node that comes back is asked with newer.
const FRESH: Duration = Duration::from_secs(30);
/// Renewals that more nodes refuse than a quorum can miss, before the request is refused: no evidence of ours will do.
const RENEWALS: u32 = 8;

/// What nodes were asked with.
pub(super) struct Sent {
    materials: Vec<Material>,
    number: u64,
    with_executor: bool,
    at: Instant,
    look: Instant,
    refused: u32,
}

impl Sent {
    /// The question, and what to remember of it.
    pub(super) fn new(ask: &Ask, materials: Vec<Material>, proven: Proven) -> (Self, Question) {
        let now = Instant::now();
        let Proven { evidence, number, with_executor, .. } = proven;
        let question = Question::new(ask, materials.clone(), evidence, LONG_POLL);
        (Self { materials, number, with_executor, at: now, look: now + FIRST_LOOK, refused: 0 }, question)
    }

    /// When to look whether it must be renewed.
    pub(super) const fn look(&self) -> Instant {
        self.look
    }

    /// Asks with newer evidence if a node wants it or it grows old. The refusal, if renewing does not help.
    pub(super) async fn renew(&mut self, host: &Host, ask: &Ask, round: &mut Round) -> Option<Refused> {
        if Instant::now() < self.look {
            return None;
        }
        self.look = Instant::now() + LOOK;
        let verdict = round.tally.evidence();
        if verdict.executor {
            host.prover.want_executor();
        }
        let fresh = FRESH.min(Duration::from_secs(host.chain.max_anchor_age / 4));
        let wanted = verdict.refused || self.at.elapsed() > fresh;
        let newer = wanted && host.prover.number() > self.number;
        let executor = verdict.executor && !self.with_executor;
        if !newer && !executor {
            return None;
        }
        if verdict.by_all.is_some() && self.refused >= RENEWALS {
            return verdict.by_all;
        }
        // Not proven now: the nodes keep what they were sent, and the next look tries again.
        let proven = host.prover.evidence(ask).await.ok()?;
        measure(&proven, true);
        self.refused += u32::from(verdict.by_all.is_some());
        (self.number, self.with_executor, self.at) = (proven.number, proven.with_executor, Instant::now());
        round.tally.renewed();
        round.renew(Question::new(ask, self.materials.clone(), proven.evidence, LONG_POLL));
        None
    }

    /// A quorum has answered.
    pub(super) fn served(&self, host: &Host) {
        if self.with_executor {
            host.prover.has_executor();
        }
    }
}

impl Desk {
    /// Waits, however long, until the request is granted in a final block. `None`: the head of the chain does not grant it
    /// either, or no block could, and it is refused.
    pub(super) async fn proven(
        &self,
        id: RequestId,
        host: &Host,
        record: &Record,
    ) -> Result<Option<Proven>, DeskError> {
        let mut shown = false;
        loop {
            let number = host.prover.number();
            let why = match host.prover.evidence(&record.ask).await {
                Ok(proven) => {
                    measure(&proven, false);
                    return Ok(Some(proven));
                }
                Err(Unproven::Never(refused)) => {
                    self.refuse(id, record, refused).await?;
                    return Ok(None);
                }
                Err(why) => why,
            };
            if !shown {
                self.show(id, State::WaitingFinality).await?;
                shown = true;
            }
            self.note(id, &why.to_string());
            if let Unproven::Missing(_) = why
                && self.on_disk(move |store| store.waiters(id)).await?.is_empty()
                && let Some(missing) = self.missing_grant(id, host, &record.ask).await
            {
                self.refuse(id, record, missing).await?;
                return Ok(None);
            }
            host.prover.newer(number, WAIT).await;
        }
    }
}

fn measure(proven: &Proven, renewed: bool) {
    metrics::evidence(prost::Message::encoded_len(&kms::Evidence::from(&proven.evidence)), renewed);
}
