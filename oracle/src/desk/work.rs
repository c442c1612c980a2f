//! What the task of one request does: permission, ciphertexts, evidence, nodes, outcome; over and over until there is one.

use super::evidence::Sent;
use super::{Desk, DeskError};
use crate::clock::unix_now;
use crate::coprocessors::Look;
use crate::drive::{Round, STRAGGLERS};
use crate::host::Host;
use crate::metrics;
use crate::node::Question;
use crate::record::{Answer, Ask, Blamed, Delivery, Record, Refused, State};
use crate::store::Need;
use crate::tally::{Outcome, Tally};
use futures::{StreamExt, stream};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tkms_types::RequestId;
use tkms_wire::material::Material;
use tokio::time::{Instant, sleep, sleep_until};

/// How long a permission may be missing at the head of the chain before the request is refused: our endpoint may lag
/// behind the caller's.
const GRANT_PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks for it.
const GRANT_PAUSE: Duration = Duration::from_millis(500);
/// Between two looks for material, at first.
const MATERIAL_PAUSE: Duration = Duration::from_millis(100);
/// How long pauses stay short: finality comes, and a large ciphertext is squashed, within it.
const EAGER: Duration = Duration::from_secs(20);
/// Longest pause of anything that is tried again.
const PAUSE_LIMIT: Duration = Duration::from_secs(5);
/// Pause before another round of questions, at first.
const EVIDENCE_PAUSE: Duration = Duration::from_millis(200);
/// Pause after nodes contradicted each other beyond repair: somebody has to look at it.
const DISAGREEMENT_PAUSE: Duration = Duration::from_secs(60);
/// Handles of one request asked for at once.
const MATERIALS_AT_ONCE: usize = 8;

/// How one try ended.
enum Try {
    Final,
    Again(Duration),
}

impl Desk {
    pub(super) async fn see_through(self: Arc<Self>, id: RequestId) {
        let (start, mut pause) = (Instant::now(), EVIDENCE_PAUSE);
        loop {
            match self.try_once(id).await {
                Ok(Try::Final) => break,
                Ok(Try::Again(wanted)) => sleep(wanted.max(pause)).await,
                Err(error) => {
                    tracing::error!(request = %id, %error, "request cannot go on, trying again");
                    sleep(PAUSE_LIMIT).await;
                }
            }
            if start.elapsed() > EAGER {
                pause = (pause * 3 / 2).min(PAUSE_LIMIT);
            }
        }
        self.leave(id);
        // Somebody may have set it going again after our last look and found this task still listed.
        let again = self.on_disk(move |store| store.request(id)).await;
        if again.is_ok_and(|record| record.is_some_and(|record| !record.state.is_final())) {
            self.start(id);
        }
    }

    async fn try_once(&self, id: RequestId) -> Result<Try, DeskError> {
        let Some(record) = self.on_disk(move |store| store.request(id)).await? else { return Ok(Try::Final) };
        if record.state.is_final() {
            return Ok(Try::Final);
        }
        let chain_id = record.ask.host(&self.cluster)?.chain_id;
        let Some(host) = self.hosts.get(&chain_id).cloned() else {
            self.note(id, &format!("host chain {chain_id} is not configured here"));
            return Ok(Try::Again(PAUSE_LIMIT));
        };
        if self.on_disk(move |store| store.waiters(id)).await?.is_empty()
            && let Some(missing) = self.missing_grant(id, &host, &record.ask).await
        {
            self.refuse(id, &record, missing).await?;
            return Ok(Try::Final);
        }
        self.show(id, State::WaitingCiphertext).await?;
        let materials = match self.materials(id, &host, &record.ask).await? {
            Ok(materials) => materials,
            Err(failed) => {
                self.refuse(id, &record, failed).await?;
                return Ok(Try::Final);
            }
        };
        let Some(proven) = self.proven(id, &host, &record).await? else { return Ok(Try::Final) };
        let (sent, question) = Sent::new(&record.ask, materials, proven);
        self.ask_nodes(id, &host, record, (sent, question)).await
    }

    /// Nobody else pays for what the chain does not grant. Without an endpoint to ask, nodes decide alone.
    pub(super) async fn missing_grant(&self, id: RequestId, host: &Host, ask: &Ask) -> Option<Refused> {
        let deadline = Instant::now() + GRANT_PATIENCE;
        loop {
            match host.missing_grant(ask).await {
                Ok(None) => return None,
                Ok(Some(missing)) if Instant::now() >= deadline => return Some(missing),
                Ok(Some(missing)) => self.note(id, &missing.message),
                Err(error) => {
                    tracing::warn!(request = %id, %error, "host endpoint cannot say whether this is granted");
                    return None;
                }
            }
            sleep(GRANT_PAUSE).await;
        }
    }

    /// Waits, however long, until every ciphertext is attested. A refusal, when one never will be: except for who waits on chain,
    /// where it would be the last word, whatever an operator repairs.
    async fn materials(
        &self,
        id: RequestId,
        host: &Host,
        ask: &Ask,
    ) -> Result<Result<Vec<Material>, Refused>, DeskError> {
        let mut missing: BTreeSet<_> = ask.handles().into_iter().collect();
        let (start, mut pause, mut found) = (Instant::now(), MATERIAL_PAUSE, Vec::new());
        loop {
            let (asked, mut failed): (Vec<_>, _) = (missing.iter().copied().collect(), None);
            let look = |handle| async move { (handle, host.coprocessors.ask_material(handle).await) };
            let mut looks = stream::iter(asked.into_iter().map(look)).buffer_unordered(MATERIALS_AT_ONCE);
            while let Some((handle, look)) = looks.next().await {
                match look {
                    Look::Ready(material) => {
                        missing.remove(&handle);
                        found.push(*material);
                    }
                    Look::NotYet(why) => self.note(id, &format!("handle {handle}: {why}")),
                    Look::Failed(why) => {
                        self.note(id, &why);
                        failed = Some(Refused { code: "CiphertextFailed".into(), message: why });
                    }
                }
            }
            drop(looks);
            if missing.is_empty() {
                return Ok(Ok(found));
            }
            if let Some(failed) = failed
                && self.on_disk(move |store| store.waiters(id)).await?.is_empty()
            {
                return Ok(Err(failed));
            }
            sleep(pause).await;
            if start.elapsed() > EAGER {
                pause = (pause * 3 / 2).min(PAUSE_LIMIT);
            }
        }
    }

    async fn ask_nodes(
        &self,
        id: RequestId,
        host: &Host,
        record: Record,
        (mut sent, question): (Sent, Question),
    ) -> Result<Try, DeskError> {
        let tally = Tally::new(self.cluster.clone(), id, record.ask.clone())?;
        let mut round = Round::start(&self.nodes, question, tally);
        let mut shown = State::WaitingCiphertext;
        let outcome = loop {
            tokio::select! {
                more = round.step() => if !more {
                    break round.tally.outcome().unwrap_or(Outcome::Disagreement);
                },
                () = sleep_until(sent.look()) => {}
            }
            if let Some(outcome) = round.tally.outcome() {
                break outcome;
            }
            if let Some(refused) = sent.renew(host, &record.ask, &mut round).await {
                break Outcome::Refused(refused);
            }
            self.show_nodes(id, &round.tally);
            let state = round.tally.state();
            if state != shown {
                self.show(id, state.clone()).await?;
                shown = state;
            }
        };
        if let Outcome::Answered(_) = outcome {
            sent.served(host);
        }
        self.conclude(id, host, &record, (outcome, round)).await
    }

    async fn conclude(
        &self,
        id: RequestId,
        host: &Host,
        record: &Record,
        end: (Outcome, Round),
    ) -> Result<Try, DeskError> {
        let (outcome, round) = end;
        match outcome {
            Outcome::Answered(answer) => {
                self.answer(id, record, answer, &round.tally).await?;
                self.hear_stragglers(id, round).await?;
                Ok(Try::Final)
            }
            Outcome::Refused(refused) => {
                self.refuse(id, record, refused).await?;
                Ok(Try::Final)
            }
            Outcome::Ungranted(missing) => {
                drop(round);
                self.show(id, State::WaitingFinality).await?;
                self.note(id, &missing.message);
                // Final state lags behind: only if the head does not grant it either is there nothing to wait for.
                if self.on_disk(move |store| store.waiters(id)).await?.is_empty()
                    && let Some(missing) = self.missing_grant(id, host, &record.ask).await
                {
                    self.refuse(id, record, missing).await?;
                    return Ok(Try::Final);
                }
                Ok(Try::Again(EVIDENCE_PAUSE))
            }
            Outcome::Materials(why) => {
                self.note(id, &why);
                Ok(Try::Again(EVIDENCE_PAUSE))
            }
            Outcome::Disagreement => {
                metrics::disagreement();
                let blamed = round.tally.blamed().to_vec();
                tracing::error!(request = %id, ?blamed, "all nodes have spoken and no quorum agrees");
                self.note(id, "all nodes have spoken and no quorum agrees");
                self.update(id, Need::Durable, move |record| record.blamed = blamed).await?;
                Ok(Try::Again(DISAGREEMENT_PAUSE))
            }
        }
    }

    async fn answer(&self, id: RequestId, record: &Record, answer: Answer, tally: &Tally) -> Result<(), DeskError> {
        let (blamed, nodes) = (tally.blamed().to_vec(), tally.nodes());
        report(id, &[], &blamed);
        self.update(id, Need::Durable, move |record| {
            record.state = State::Done;
            (record.answer, record.nodes, record.blamed) = (Some(answer), nodes, blamed);
        })
        .await?;
        if let Ok(chain) = record.ask.host(&self.cluster)
            && let Some(host) = self.hosts.get(&chain.chain_id)
        {
            host.answered.notify_one();
        }
        finished(record, "done");
        Ok(())
    }

    pub(super) async fn refuse(&self, id: RequestId, record: &Record, refused: Refused) -> Result<(), DeskError> {
        tracing::info!(request = %id, code = refused.code, "refused");
        let nodes = self.live(id).map(|live| live.nodes).unwrap_or_default();
        let reason = format!("{}: {}", refused.code, refused.message);
        self.update(id, Need::Durable, move |record| {
            record.state = State::Refused(refused);
            record.nodes = nodes;
        })
        .await?;
        self.on_disk(move |store| {
            for waiter in store.waiters(id)? {
                store.set_delivery(waiter.chain_id, waiter.id, &Delivery::Impossible { reason: reason.clone() })?;
            }
            Ok(())
        })
        .await?;
        finished(record, "refused");
        Ok(())
    }

    /// The answer is out; what still comes serves users as spare shares, and names liars.
    async fn hear_stragglers(&self, id: RequestId, mut round: Round) -> Result<(), DeskError> {
        let until = Instant::now() + STRAGGLERS;
        while round.straggler(until).await {
            let Some(Outcome::Answered(answer)) = round.tally.outcome() else { continue };
            let (blamed, nodes) = (round.tally.blamed().to_vec(), round.tally.nodes());
            let known = self.on_disk(move |store| store.request(id)).await?;
            report(id, &known.map(|record| record.blamed).unwrap_or_default(), &blamed);
            self.update(id, Need::Eventual, move |record| {
                // A public answer is settled; a user's grows by the shares of the same sessions.
                if matches!(answer, Answer::User(_)) {
                    record.answer = Some(answer);
                }
                (record.nodes, record.blamed) = (nodes, blamed);
            })
            .await?;
        }
        round.stop().await;
        Ok(())
    }

    async fn update(
        &self,
        id: RequestId,
        need: Need,
        change: impl FnOnce(&mut Record) + Send + 'static,
    ) -> Result<(), DeskError> {
        let stamped = move |record: &mut Record| {
            change(record);
            record.updated = unix_now();
        };
        self.on_disk(move |store| store.update_request(id, need, stamped)).await?;
        Ok(())
    }

    pub(super) async fn show(&self, id: RequestId, state: State) -> Result<(), DeskError> {
        self.update(id, Need::Eventual, move |record| record.state = state).await
    }

    fn show_nodes(&self, id: RequestId, tally: &Tally) {
        if let Some(active) = self.active().get_mut(&id) {
            active.live.nodes = tally.nodes();
            active.live.detail.clear();
        }
    }

    pub(super) fn note(&self, id: RequestId, detail: &str) {
        if let Some(active) = self.active().get_mut(&id) {
            active.live.detail = detail.to_owned();
        }
    }
}

/// Names culprits that were not named before, once.
fn report(id: RequestId, before: &[Blamed], now: &[Blamed]) {
    for blamed in now.iter().filter(|blamed| !before.contains(blamed)) {
        tracing::warn!(request = %id, party = blamed.party.number(), by = ?blamed.reported_by, step = blamed.step, "node blamed");
        if blamed.reported_by.is_none() {
            metrics::lied(blamed.party);
        }
    }
}

fn finished(record: &Record, outcome: &'static str) {
    let kind = match record.ask {
        Ask::Public(_) => "public",
        Ask::User(_) => "user",
    };
    metrics::finished(kind, outcome, Duration::from_secs(unix_now().saturating_sub(record.created)));
}
