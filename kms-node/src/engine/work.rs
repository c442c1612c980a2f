//! After policy: checks 18 to 23, the sessions and the answer.

use super::{Engine, Job, Permit, Progress, unreadable};
use crate::decryptor::Decryptor;
use crate::exact::{Asked, Exact, Target};
use crate::fetch::Wanted;
use crate::hosts::pin_in;
use crate::journal::{AnchorRecord, Entry, FactRecord, MaterialRecord, Subject};
use crate::limits::{CIPHERTEXT_WAIT, PERMIT_CHECK, POLL};
use crate::policy::Admitted;
use crate::policy::provenance::{self, Attested};
use crate::refusal::Refusal;
use crate::request::{Ask, Request};
use crate::session::{Make, Opened};
use crate::store::put_answer_in;
use alloy_primitives::{B256, keccak256};
use futures::future::{FutureExt as _, try_join_all};
use merkle_acl::Grant;
use merkle_acl::range::RangeProof;
use merkle_acl::trust::AnchorMark;
use prost::Message as _;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tkms_mpc::ring::Gr128;
use tkms_types::transcript;
use tkms_types::{Handle, HostChain, PartyId, SessionId};
use tkms_wire::kms::{self, State, reply};
use tkms_wire::material::Format;
use tkms_wire::switched::SwitchedList;
use zeroize::Zeroizing;

/// With the session; under `exact` that of attempt 0.
type ByHandle = BTreeMap<Handle, (Attested, SessionId)>;
/// The session it belongs to, and our share.
type UserShare = (SessionId, Zeroizing<Vec<Gr128>>);

/// Fetched lists are of the format that was asked for.
const WRONG_LIST: Refusal = Refusal::Internal("samples of the other protocol");

impl Engine {
    /// Checks 18 to 23, then the answer.
    pub(super) async fn serve(&self, job: &Job) -> Result<reply::Outcome, Refusal> {
        let host = self.host(&job.admitted)?;
        let by_handle = match self.begin(job, host).await {
            Ok(by_handle) => by_handle,
            Err(refusal) => {
                self.record_refusal(&job.request, &job.admitted, &refusal).await?;
                return Err(refusal);
            }
        };
        job.progress.send_replace(Progress::Pending(State::Running, "decrypting".to_owned()));
        let (outcome, blamed) = match &job.request.ask {
            Ask::Public(_) => self.answer_public(job, &by_handle).await?,
            Ask::User(_) => self.answer_user(job, &by_handle).await?,
        };
        self.keep(job, host, &outcome, blamed).await?;
        Ok(outcome)
    }

    /// Of the bytes that the protocol in force decrypts.
    fn format(&self) -> Format {
        self.parts.cluster.protocol().into()
    }

    fn wanted(&self, attested: &Attested) -> Wanted {
        Wanted { digest: attested.digest, key: self.parts.cluster.key.id, kind: attested.kind, format: self.format() }
    }

    /// Checks 18 to 23; what follows may be computed.
    async fn begin(&self, job: &Job, host: &HostChain) -> Result<ByHandle, Refusal> {
        let by_handle = self.materials(job, host).await?;
        self.record_start(job, host, &by_handle).await?;
        Ok(by_handle)
    }

    /// Checks 18 to 21. Bytes that are at hand are pinned with the record of the start, which comes next: one commit less. Others are
    /// pinned before they are waited for.
    async fn materials(&self, job: &Job, host: &HostChain) -> Result<ByHandle, Refusal> {
        let attested = provenance::attested(&job.request, &job.admitted, host, self.format())?;
        let fetched = attested.values().map(|material| self.parts.samples.get(self.wanted(material)));
        if try_join_all(fetched).await.is_err() {
            let pins = attested.values().map(|material| self.pin(host, material)).collect();
            let conflict = self.parts.hosts.pin(pins).await.map_err(|error| unreadable(&error))?;
            self.no_conflict(host, attested.values(), conflict)?;
            try_join_all(attested.values().map(|material| self.fetch(job, material))).await?;
        }
        self.still_permitted(&job.permit, host.chain_id)?;
        let session = |attested: Attested| {
            let cluster = &self.parts.cluster;
            let (context, epoch, key) = (cluster.context, cluster.epoch, cluster.key.id);
            let session = transcript::session_id(cluster.protocol(), context, epoch, key, attested.digest, 0);
            (attested, session)
        };
        Ok(attested.into_iter().map(|(handle, attested)| (handle, session(attested))).collect())
    }

    /// Name and digest of a pin: a row in this node's own table, whose name nobody else ever sees or signs.
    fn pin(&self, host: &HostChain, material: &Attested) -> (B256, B256) {
        let key = self.parts.cluster.key.id;
        let named = [host.host_id(), material.handle.0, key.bytes(), material.profile];
        let row = keccak256([named.concat().as_slice(), &[u8::from(self.format())]].concat());
        (row, material.digest)
    }

    /// The first digest accepted for a handle is the only one; a second one with a quorum halts the handle.
    fn no_conflict<'a>(
        &self,
        host: &HostChain,
        mut materials: impl Iterator<Item = &'a Attested>,
        conflict: Option<B256>,
    ) -> Result<(), Refusal> {
        let Some(conflict) = conflict else { return Ok(()) };
        let halted = materials.find(|material| self.pin(host, material).0 == conflict);
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

    /// The local work of a session of `flood`, when its turn comes. It may have waited long, so the permission is looked
    /// at again.
    fn make(&self, job: &Job, attested: &Attested, session: SessionId) -> Make {
        let (engine, wanted) = (self.clone(), self.wanted(attested));
        let (permit, chain_id) = (Arc::clone(&job.permit), job.admitted.chain_id);
        Box::new(move || {
            async move {
                let list = engine.parts.samples.get(wanted).await?.squashed().ok_or(WRONG_LIST)?;
                engine.still_permitted(&permit, chain_id)?;
                match &engine.parts.decryptor {
                    Decryptor::Flood(sessions) => sessions.local_shares(session, list).await,
                    Decryptor::Exact(_) => Err(WRONG_LIST),
                }
            }
            .boxed()
        })
    }

    /// The samples of a ciphertext under `exact`.
    async fn target(&self, attested: &Attested, base: SessionId) -> Result<(Target, Arc<SwitchedList>), Refusal> {
        let wanted = self.wanted(attested);
        let list = self.parts.samples.get(wanted).await?.switched().ok_or(WRONG_LIST)?;
        Ok((Target { base, wanted }, list))
    }

    /// A ciphertext may wait long for stock and peers: until this node has said anything about it, its permission is looked
    /// at again.
    async fn while_permitted<T>(
        &self,
        job: &Job,
        (exact, base): (&Exact, SessionId),
        work: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(PERMIT_CHECK) => {}
            }
            if !exact.has_begun(base) {
                self.still_permitted(&job.permit, job.admitted.chain_id)?;
            }
        }
    }

    /// What a peer that missed a session of `flood` is told.
    fn for_handle(&self, job: &Job, handle: Handle) -> Result<kms::PublicDecryptRequest, Refusal> {
        if let Ask::User(_) = job.request.ask {
            // a committee of one has no peers
            return Ok(kms::PublicDecryptRequest::default());
        }
        let evidence = job.permit.for_peers(self.host(&job.admitted)?, handle)?;
        job.request.for_peers(handle, evidence).ok_or(Refusal::Internal("not a public request"))
    }

    /// Opens every ciphertext.
    async fn open_all(&self, job: &Job, by_handle: &ByHandle) -> Result<BTreeMap<Handle, Arc<Opened>>, Refusal> {
        let asked = match &self.parts.decryptor {
            Decryptor::Flood(_) => Asked::new(None),
            Decryptor::Exact(_) => Asked::new(job.permit.whole_for_peers(&job.request).as_ref()),
        };
        let open = async |(handle, (attested, session)): (&Handle, &(Attested, SessionId))| {
            let opened = match &self.parts.decryptor {
                Decryptor::Flood(sessions) => {
                    let request = self.for_handle(job, *handle)?;
                    sessions.open(*session, request, self.make(job, attested, *session)).await?
                }
                Decryptor::Exact(exact) => {
                    let (target, list) = self.target(attested, *session).await?;
                    let opening = exact.open(target, list, Arc::clone(&asked));
                    self.while_permitted(job, (exact, *session), opening).await?
                }
            };
            Ok::<_, Refusal>((*handle, opened))
        };
        Ok(try_join_all(by_handle.iter().map(open)).await?.into_iter().collect())
    }

    /// Our share of a ciphertext for a user, and the session it belongs to.
    async fn share(&self, job: &Job, attested: &Attested, session: SessionId) -> Result<UserShare, Refusal> {
        match &self.parts.decryptor {
            Decryptor::Flood(_) => {
                let masked = (self.make(job, attested, session))().await?;
                Ok((session, Zeroizing::new(masked.user_share().to_vec())))
            }
            Decryptor::Exact(exact) => {
                let (target, list) = self.target(attested, session).await?;
                let share = exact.share(target, list);
                let (session, shares) = self.while_permitted(job, (exact, session), share).await?;
                Ok((session, shares.user_share()))
            }
        }
    }

    async fn answer_public(&self, job: &Job, by_handle: &ByHandle) -> Result<(reply::Outcome, Vec<PartyId>), Refusal> {
        let opened = self.open_all(job, by_handle).await?;
        let answer = self.parts.responder.public(&job.admitted, &opened)?;
        let blamed = answer.blamed.iter().map(|blame| blame.party).collect();
        Ok((reply::Outcome::PublicAnswer((&answer).into()), blamed))
    }

    async fn answer_user(&self, job: &Job, by_handle: &ByHandle) -> Result<(reply::Outcome, Vec<PartyId>), Refusal> {
        let Ask::User(request) = &job.request.ask else { return Err(Refusal::Internal("not a user's request")) };
        let sealed = if self.parts.responder.alone() {
            let sessions = by_handle.iter().map(|(handle, (_, session))| (*handle, *session)).collect();
            let opened = self.open_all(job, by_handle).await?;
            self.parts.responder.user_alone(&job.admitted, request, &opened, &sessions).await?
        } else {
            let share = async |(handle, (attested, session)): (&Handle, &(Attested, SessionId))| {
                let (session, share) = self.share(job, attested, *session).await?;
                Ok::<_, Refusal>(((*handle, session), (*handle, share)))
            };
            let (sessions, shares) = try_join_all(by_handle.iter().map(share)).await?.into_iter().unzip();
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
        let (journal, id) = (self.parts.journal.clone(), job.admitted.id);
        let subject = self.subject(&job.request, &job.admitted, host);
        let written = self.parts.store.write(move |tx| {
            put_answer_in(tx, id, until, &reply)?;
            journal.append_in(tx, now, &subject, &Entry::Answered { answer_digest, blamed })
        });
        written.await.map_err(|error| unreadable(&error))?;
        Ok(())
    }

    /// On disk before anything is computed: what begins, and the pins of its bytes.
    async fn record_start(&self, job: &Job, host: &HostChain, by_handle: &ByHandle) -> Result<(), Refusal> {
        let material = |(attested, _): &(Attested, SessionId)| MaterialRecord {
            handle: attested.handle,
            profile: attested.profile,
            digest: attested.digest,
            signers: attested.signers,
        };
        let in_order = job.admitted.handles.iter();
        let entry = Entry::Started {
            anchor: anchor_record(&job.permit, host),
            facts: facts_record(&job.permit),
            materials: by_handle.values().map(material).collect(),
            sessions: in_order.filter_map(|(handle, _)| by_handle.get(handle)).map(|(_, session)| *session).collect(),
        };
        let (journal, now) = (self.parts.journal.clone(), self.parts.clock.now());
        let subject = self.subject(&job.request, &job.admitted, host);
        let materials = || by_handle.values().map(|(attested, _)| attested);
        let pins: Vec<_> = materials().map(|material| self.pin(host, material)).collect();
        let written = self.parts.store.write(move |tx| {
            let conflict = pin_in(tx, &pins)?;
            if conflict.is_none() {
                journal.append_in(tx, now, &subject, &entry)?;
            }
            Ok(conflict)
        });
        self.no_conflict(host, materials(), written.await.map_err(|error| unreadable(&error))?)
    }

    /// A record of what was refused after a block was accepted.
    pub(super) async fn record_refusal(
        &self,
        request: &Request,
        admitted: &Admitted,
        refusal: &Refusal,
    ) -> Result<(), Refusal> {
        if refusal.before_anchor() {
            return Ok(());
        }
        let subject = self.subject(request, admitted, self.host(admitted)?);
        let entry = Entry::Refused { code: refusal.code(), message: refusal.to_string() };
        let recorded = self.parts.journal.append(self.parts.clock.now(), subject, entry).await;
        recorded.map(drop).map_err(|error| unreadable(&error))
    }

    fn subject(&self, request: &Request, admitted: &Admitted, host: &HostChain) -> Subject {
        let cluster = &self.parts.cluster;
        let user = match &request.ask {
            Ask::Public(_) => None,
            Ask::User(user) => Some(user),
        };
        Subject {
            request_id: admitted.id,
            kind: request.kind(),
            host_id: host.host_id(),
            names: [cluster.context.bytes(), cluster.epoch.bytes(), cluster.key.id.bytes()],
            handles: request.handles(),
            user: user.map(|user| user.user),
            delegator: user.and_then(|user| user.delegator),
            contracts: user.map(|user| user.pairs.iter().map(|pair| pair.contract).collect()).unwrap_or_default(),
            public_key_hash: user.map(|user| keccak256(&user.public_key)),
            cluster_hash: self.parts.cluster_hash,
        }
    }
}

fn anchor_record(permit: &Permit, host: &HostChain) -> AnchorRecord {
    let (class, depth) = permit.finality.signed();
    let AnchorMark { number, hash, count, .. } = permit.anchor;
    AnchorRecord { number, hash, class, depth, count, set: host.attester_set_id() }
}

fn facts_record(permit: &Permit) -> Vec<FactRecord> {
    let path = |(grant, path): &(Grant, RangeProof)| FactRecord::Path {
        kind: grant.kind() as u8,
        handle: grant.handle(),
        subject: grant.subject(),
        index: path.index,
    };
    let slots = permit.shown.slots.iter().map(|slot| FactRecord::Slot { slot: *slot });
    let account = permit.shown.account.iter();
    let account =
        account.map(|accepted| FactRecord::Account { account: accepted.account, code_hash: accepted.code_hash });
    permit.shown.paths.iter().map(path).chain(slots).chain(account).collect()
}
