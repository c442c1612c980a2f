//! After policy: checks 18 to 23, the sessions and the answer.

use super::permit::Permit;
use super::{Engine, Job, Progress, unreadable};
use crate::fetch::Wanted;
use crate::journal::{Entry, MaterialRecord, Subject};
use crate::limits::{CIPHERTEXT_WAIT, POLL};
use crate::policy::provenance::{self, Attested};
use crate::refusal::Refusal;
use crate::request::Ask;
use crate::session::{Make, Opened};
use alloy_primitives::{B256, keccak256};
use futures::future::{Either, FutureExt as _, join_all, select, try_join_all};
use prost::Message as _;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;
use tkms_types::transcript::{self, Protocol};
use tkms_types::{Handle, HostChain, PartyId, SessionId};
use tkms_wire::kms::{self, State, reply};
use tkms_wire::material::Format;

type ByHandle = BTreeMap<Handle, (Attested, SessionId)>;

impl Engine {
    /// Checks 11 to 23, then the answer.
    pub(super) async fn serve(&self, job: &Job) -> Result<reply::Outcome, Refusal> {
        let host = self.host(job)?;
        // Fetching reveals nothing, so attested bytes may come while the grant becomes final
        let attested = provenance::attested(&job.request, &job.admitted, host);
        let checked = match self.permitted_beside_prefetch(job, host, attested.as_ref().ok()).await {
            Ok(permit) => self.materials(job, host, attested, permit).await,
            Err(refusal) => Err(refusal),
        };
        let (permit, by_handle) = match checked {
            Ok(checked) => checked,
            Err(refusal) => {
                self.record_refusal(job, host, &refusal).await?;
                return Err(refusal);
            }
        };
        self.record_start(job, host, &permit, &by_handle).await?;
        job.progress.send_replace(Progress::Pending(State::Running, "decrypting".to_owned()));
        let (outcome, blamed) = match &job.request.ask {
            Ask::Public(_) => self.answer_public(job, &by_handle).await?,
            Ask::User(_) => self.answer_user(job, &by_handle).await?,
        };
        self.keep(job, host, &outcome, blamed).await?;
        Ok(outcome)
    }

    fn host(&self, job: &Job) -> Result<&HostChain, Refusal> {
        let found = self.parts.cluster.chains.iter().find(|host| host.chain_id == job.admitted.chain_id);
        found.ok_or(Refusal::Internal("an admitted request names no host"))
    }

    /// Policy's outcome; a refusal does not wait for the bytes.
    async fn permitted_beside_prefetch(
        &self,
        job: &Job,
        host: &HostChain,
        attested: Option<&BTreeMap<Handle, Attested>>,
    ) -> Result<Permit, Refusal> {
        let (permitted, prefetch) = (pin!(self.permitted(job, host)), pin!(self.prefetch(attested)));
        match select(permitted, prefetch).await {
            Either::Left((permit, prefetch)) => {
                let permit = permit?;
                prefetch.await;
                Ok(permit)
            }
            Either::Right(((), permitted)) => permitted.await,
        }
    }

    async fn prefetch(&self, attested: Option<&BTreeMap<Handle, Attested>>) {
        let Some(attested) = attested else { return };
        // Whatever is wrong shows again at check 20
        join_all(attested.values().map(|material| self.parts.samples.get(self.wanted(material)))).await;
    }

    fn wanted(&self, attested: &Attested) -> Wanted {
        Wanted { digest: attested.digest, key: self.parts.cluster.key.id, kind: attested.kind }
    }

    /// Checks 18 to 21; policy's facts are looked at again if the bytes took longer than an anchor is good.
    async fn materials(
        &self,
        job: &Job,
        host: &HostChain,
        attested: Result<BTreeMap<Handle, Attested>, Refusal>,
        permit: Permit,
    ) -> Result<(Permit, ByHandle), Refusal> {
        let attested = attested?;
        self.pin(host, &attested).await?;
        try_join_all(attested.values().map(|material| self.fetch(job, material))).await?;
        let stale = self.parts.clock.now().saturating_sub(permit.at) > host.max_anchor_age;
        let permit = if stale { self.permitted(job, host).await? } else { permit };
        let session = |attested: Attested| {
            let cluster = &self.parts.cluster;
            let (context, epoch, key) = (cluster.context, cluster.epoch, cluster.key.id);
            let session = transcript::session_id(Protocol::Flood, context, epoch, key, attested.digest);
            (attested, session)
        };
        Ok((permit, attested.into_iter().map(|(handle, attested)| (handle, session(attested))).collect()))
    }

    /// The first digest accepted for a handle is the only one; a second one with a quorum halts the handle.
    async fn pin(&self, host: &HostChain, attested: &BTreeMap<Handle, Attested>) -> Result<(), Refusal> {
        let key = self.parts.cluster.key.id;
        // The name of a row in this node's own table; nobody else ever sees or signs it
        let name = |material: &Attested| {
            let named = [host.host_id(), material.handle.0, key.bytes(), material.profile];
            let row = keccak256([named.concat().as_slice(), &[u8::from(Format::Flood)]].concat());
            (row, material.digest)
        };
        let pins: Vec<_> = attested.values().map(name).collect();
        let conflict = self.parts.hosts.pin(pins).await.map_err(|error| unreadable(&error))?;
        let Some(conflict) = conflict else { return Ok(()) };
        let halted = attested.values().find(|material| name(material).0 == conflict);
        let handle = halted.map(|material| material.handle).ok_or(Refusal::Internal("a pin without handle"))?;
        tracing::error!(%handle, "a coprocessor quorum attests two digests for one handle");
        Err(Refusal::MaterialConflict(handle))
    }

    /// Checks 20 and 21. A store that has nothing yet is asked again for a while; wrong bytes are refused at once.
    async fn fetch(&self, job: &Job, material: &Attested) -> Result<(), Refusal> {
        let started = Instant::now();
        loop {
            match self.parts.samples.get(self.wanted(material)).await {
                Ok(_) => return Ok(()),
                Err(refusal @ Refusal::MaterialUnavailable(_)) if started.elapsed() < CIPHERTEXT_WAIT => {
                    job.progress.send_replace(Progress::Pending(State::WaitingCiphertext, refusal.to_string()));
                    tokio::time::sleep(POLL).await;
                }
                Err(refusal) => return Err(refusal),
            }
        }
    }

    fn make(&self, attested: &Attested, session: SessionId) -> Make {
        let (engine, wanted) = (self.clone(), self.wanted(attested));
        Box::new(move || {
            async move {
                let list = engine.parts.samples.get(wanted).await?;
                engine.parts.sessions.local_shares(session, list).await
            }
            .boxed()
        })
    }

    async fn open_all(
        &self,
        by_handle: &ByHandle,
        request: &kms::PublicDecryptRequest,
    ) -> Result<BTreeMap<Handle, Arc<Opened>>, Refusal> {
        let open = async |(handle, (attested, session)): (&Handle, &(Attested, SessionId))| {
            let make = self.make(attested, *session);
            let opened = self.parts.sessions.open(*session, request.clone(), make).await?;
            Ok::<_, Refusal>((*handle, opened))
        };
        Ok(try_join_all(by_handle.iter().map(open)).await?.into_iter().collect())
    }

    async fn answer_public(&self, job: &Job, by_handle: &ByHandle) -> Result<(reply::Outcome, Vec<PartyId>), Refusal> {
        let request = job.request.for_peers().ok_or(Refusal::Internal("not a public request"))?;
        let opened = self.open_all(by_handle, &request).await?;
        let answer = self.parts.responder.public(&job.admitted, &opened)?;
        let blamed = answer.blamed.iter().map(|blame| blame.party).collect();
        Ok((reply::Outcome::PublicAnswer((&answer).into()), blamed))
    }

    async fn answer_user(&self, job: &Job, by_handle: &ByHandle) -> Result<(reply::Outcome, Vec<PartyId>), Refusal> {
        let Ask::User(request) = &job.request.ask else { return Err(Refusal::Internal("not a user's request")) };
        let sessions = by_handle.iter().map(|(handle, (_, session))| (*handle, *session)).collect();
        let sealed = if self.parts.responder.alone() {
            let opened = self.open_all(by_handle, &kms::PublicDecryptRequest::default()).await?;
            self.parts.responder.user_alone(&job.admitted, request, &opened, &sessions).await?
        } else {
            let share = async |(handle, (attested, session)): (&Handle, &(Attested, SessionId))| {
                let shares = (self.make(attested, *session))().await?;
                Ok::<_, Refusal>((*handle, shares))
            };
            let shares = try_join_all(by_handle.iter().map(share)).await?.into_iter().collect();
            self.parts.responder.user(&job.admitted, request, shares, &sessions).await?
        };
        Ok((reply::Outcome::UserAnswer((&sealed).into()), Vec::new()))
    }

    /// The answer to disk and its digest to the journal, before anybody sees it.
    async fn keep(
        &self,
        job: &Job,
        host: &HostChain,
        outcome: &reply::Outcome,
        blamed: Vec<PartyId>,
    ) -> Result<(), Refusal> {
        let now = self.parts.clock.now();
        let until = match job.request.ask {
            Ask::Public(_) => u64::MAX,
            Ask::User(_) => now.saturating_add(host.max_anchor_age),
        };
        let reply = kms::Reply { outcome: Some(outcome.clone()), ..kms::Reply::default() }.encode_to_vec();
        let answer_digest = B256::new(*blake3::hash(&reply).as_bytes());
        let stored = self.parts.store.put_answer(job.admitted.id, until, reply);
        let entry = Entry::Answered { answer_digest, blamed };
        let recorded = self.parts.journal.append(now, self.subject(job, host), entry);
        tokio::try_join!(stored, recorded).map_err(|error| unreadable(&error))?;
        Ok(())
    }

    async fn record_start(
        &self,
        job: &Job,
        host: &HostChain,
        permit: &Permit,
        by_handle: &ByHandle,
    ) -> Result<(), Refusal> {
        let material = |(attested, _): &(Attested, SessionId)| MaterialRecord {
            handle: attested.handle,
            profile: attested.profile,
            digest: attested.digest,
            signers: attested.signers,
        };
        let in_order = job.admitted.handles.iter();
        let entry = Entry::Started {
            anchor_number: permit.anchor.0,
            anchor_hash: permit.anchor.1,
            slots: permit.slots.clone(),
            materials: by_handle.values().map(material).collect(),
            sessions: in_order.filter_map(|(handle, _)| by_handle.get(handle)).map(|(_, session)| *session).collect(),
        };
        let recorded = self.parts.journal.append(self.parts.clock.now(), self.subject(job, host), entry).await;
        recorded.map(drop).map_err(|error| unreadable(&error))
    }

    /// Refusals before check 11 has passed are only counted: else the disk would be the attacker's.
    async fn record_refusal(&self, job: &Job, host: &HostChain, refusal: &Refusal) -> Result<(), Refusal> {
        let before_anchor = matches!(
            refusal,
            Refusal::HeaderUnavailable(_)
                | Refusal::HeaderMalformed(_)
                | Refusal::HeaderUnattested { .. }
                | Refusal::AnchorBeforeCheckpoint { .. }
                | Refusal::AnchorTooOld { .. }
                | Refusal::AnchorFromFuture { .. }
                | Refusal::NotFinal(_)
        );
        if before_anchor {
            return Ok(());
        }
        let entry = Entry::Refused { code: refusal.code(), message: refusal.to_string() };
        let recorded = self.parts.journal.append(self.parts.clock.now(), self.subject(job, host), entry).await;
        recorded.map(drop).map_err(|error| unreadable(&error))
    }

    fn subject(&self, job: &Job, host: &HostChain) -> Subject {
        let cluster = &self.parts.cluster;
        let user = match &job.request.ask {
            Ask::Public(_) => None,
            Ask::User(user) => Some(user),
        };
        Subject {
            request_id: job.admitted.id,
            kind: job.request.kind(),
            host_id: host.host_id(),
            names: [cluster.context.bytes(), cluster.epoch.bytes(), cluster.key.id.bytes()],
            handles: job.request.handles(),
            user: user.map(|user| user.user),
            delegator: user.and_then(|user| user.delegator),
            contracts: user.map(|user| user.pairs.iter().map(|pair| pair.contract).collect()).unwrap_or_default(),
            public_key_hash: user.map(|user| keccak256(&user.public_key)),
            cluster_hash: self.parts.cluster_hash,
        }
    }
}
