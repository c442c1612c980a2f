//! Checks 11 to 17 on the evidence that came with the request. They are made before the request joins or starts anything,
//! so that bad evidence is its sender's trouble alone.

use super::verifying::Verifying;
use super::{Engine, unreadable};
use crate::endpoints::Endpoints;
use crate::evidence::Evidence;
use crate::hosts::AcceptError;
use crate::limiter::RateLimiter;
use crate::limits::{NEW_ANCHORS_PER_SECOND, VERIFYING};
use crate::policy::anchor::{self, Accepted, Case, KnownBlock, OwnView, Shown};
use crate::policy::smart_account::{self, Claim};
use crate::policy::{self, Admitted};
use crate::refusal::Refusal;
use crate::request::{Ask, Request};
use merkle_acl::trust::{AnchorMark, Conflict, Finality};
use merkle_acl::{Anchor, Fact, Grant};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use tkms_types::{Handle, HeaderTrustKind, HostChain, PartyId};
use tkms_wire::evidence as wire;
use tkms_wire::kms;
use tokio::sync::Semaphore;

const DAY: u64 = 24 * 3600;

/// Who brought a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A caller of the request API.
    Caller(IpAddr),
    /// A peer, for a session this node missed.
    Peer(PartyId),
}

/// What headers are judged with beside policy.
pub(crate) struct Witnesses {
    /// In RPC mode, by chain id.
    endpoints: BTreeMap<u64, Endpoints>,
    /// Blocks new to the node: a forged header costs as much as a good one, so each source pays for its own.
    rate: RateLimiter<(u64, Source)>,
    verifying: Verifying,
    cores: Arc<Semaphore>,
}

impl Witnesses {
    pub(crate) fn new(endpoints: BTreeMap<u64, Endpoints>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from).min(VERIFYING);
        let rate = RateLimiter::new(NEW_ANCHORS_PER_SECOND);
        Self { endpoints, rate, verifying: Verifying::default(), cores: Arc::new(Semaphore::new(cores)) }
    }

    /// What the node's own endpoints say, where the chain is trusted by them.
    async fn own_view(&self, host: &HostChain, anchor: &Anchor, request: &Request) -> Result<Option<OwnView>, Refusal> {
        if host.trust != HeaderTrustKind::Rpc {
            return Ok(None);
        }
        // Start-up has shown that every such chain has endpoints
        let endpoints = self.endpoints.get(&host.chain_id).ok_or(Refusal::Internal("no endpoint for this chain"))?;
        let need = anchor::need(host, request.finality);
        endpoints.answers(anchor.number(), need).await.map(Some)
    }
}

/// Every fact holds in an accepted block.
#[derive(Debug)]
pub(crate) struct Permit {
    /// The block.
    pub(crate) anchor: AnchorMark,
    /// The class shown for it.
    pub(crate) finality: Finality,
    /// How the facts were shown.
    pub(crate) shown: Shown,
    /// Nothing is computed after this time, Unix seconds: the block is too old then, or the user's permit over.
    pub(crate) until: u64,
    evidence: Evidence,
}

impl Permit {
    /// Evidence for one public handle alone.
    ///
    /// # Errors
    /// [`Refusal::Internal`] if the handle is not part of the request.
    pub(crate) fn for_peers(&self, host: &HostChain, handle: Handle) -> Result<wire::Evidence, Refusal> {
        let grant = Grant::Public { handle: handle.0 };
        let path = self.shown.paths.iter().find(|(shown, _)| *shown == grant).map(|(_, path)| path);
        self.evidence.for_grant(&host.contracts, grant, path, self.anchor.count)
    }

    /// A public request as a peer that missed it gets it: with the attestations that were checked. Nothing for a user's.
    pub(crate) fn whole_for_peers(&self, request: &Request) -> Option<kms::PublicDecryptRequest> {
        let sent = request.evidence.as_ref()?;
        request.whole_for_peers(wire::Evidence { attested: self.evidence.attested.clone(), ..sent.clone() })
    }

    /// Whether it still counts.
    ///
    /// # Errors
    /// [`Refusal::EvidenceStale`].
    pub(crate) const fn check(&self, now: u64) -> Result<(), Refusal> {
        if now > self.until { Err(Refusal::EvidenceStale { until: self.until, now }) } else { Ok(()) }
    }
}

/// What one judgement on a worker thread needs.
struct Brief {
    evidence: Evidence,
    cluster: Arc<tkms_types::Cluster>,
    chain_id: u64,
    known: Option<Arc<KnownBlock>>,
    state: policy::HostState,
    asked: Option<tkms_types::MinFinality>,
    own: Option<OwnView>,
    now: u64,
    wanted: Vec<Fact>,
    claim: Option<Claim>,
}

/// Evidence given back, the block if it was accepted, and the facts in it if they hold.
type Judgement = (Evidence, Result<(Accepted, Result<Shown, Refusal>), Refusal>);

impl Brief {
    fn judge(mut self) -> Judgement {
        let Some(host) = self.cluster.chains.iter().find(|host| host.chain_id == self.chain_id) else {
            return (self.evidence, Err(Refusal::Internal("an admitted request names no host")));
        };
        let case = Case {
            host,
            state: &self.state,
            known: self.known.as_deref(),
            asked: self.asked,
            own: self.own.as_ref(),
            now: self.now,
        };
        let outcome = anchor::judge(&self.evidence, &case).map(|accepted| {
            let shown = anchor::facts(&self.evidence, &accepted.known.block, &self.wanted);
            let shown = shown.and_then(|shown| self.ask_account(host, &accepted, shown));
            (accepted, shown)
        });
        if let Ok((accepted, _)) = &outcome {
            // Peers get the attestations that were checked, which need not be those that came now
            self.evidence.attested.clone_from(&accepted.known.attested);
        }
        (self.evidence, outcome)
    }

    /// What check 8 left open: the dearest question, asked last.
    fn ask_account(&self, host: &HostChain, accepted: &Accepted, shown: Shown) -> Result<Shown, Refusal> {
        let Some(claim) = &self.claim else { return Ok(shown) };
        let witness = self.evidence.witness.as_ref().ok_or(Refusal::PermitSignatureInvalid(claim.account))?;
        let anchor = accepted.known.block.anchor();
        let account = smart_account::ask(claim, witness, anchor, &self.evidence.header, host.chain_id)?;
        Ok(Shown { account: Some(account), ..shown })
    }
}

impl Engine {
    /// One accepted block in which every fact of the request holds.
    pub(super) async fn permitted(
        &self,
        request: &Request,
        admitted: &Admitted,
        source: Source,
    ) -> Result<Permit, Refusal> {
        let parts = &self.parts;
        let host = self.host(admitted)?;
        let sent = request.evidence.as_ref().ok_or(Refusal::EvidenceMissing)?;
        let evidence = Evidence::open(sent, host, &policy::facts(request, host, parts.clock.now()))?;
        let anchor = anchor::read(&evidence, host)?;
        let need = anchor::need(host, request.finality);
        let known = || parts.hosts.known(host.chain_id, anchor.hash());
        let sure = || known().filter(|known| need.met_by(known.finality));
        let turn = parts.witnesses.verifying.turn((host.chain_id, anchor.hash()), sure).await;
        let (known, own, turn) = match turn {
            Ok(sure) => (Some(sure), None, None),
            Err(turn) => {
                if !parts.witnesses.rate.allow(&(host.chain_id, source), Instant::now()) {
                    return Err(Refusal::RateLimited(format!("{source:?}: blocks new to this node")));
                }
                crate::metrics::anchor(host.chain_id);
                (known(), parts.witnesses.own_view(host, &anchor, request).await?, Some(turn))
            }
        };
        let (now, state) = (parts.clock.now(), parts.hosts.state(host.chain_id));
        let wanted = policy::facts(request, host, now);
        let brief = Brief {
            evidence,
            cluster: Arc::clone(&parts.cluster),
            chain_id: host.chain_id,
            known,
            state,
            asked: request.finality,
            own,
            now,
            wanted,
            claim: admitted.claim.clone(),
        };
        let (evidence, outcome) = self.on_a_core(brief).await?;
        let (accepted, shown) = match outcome {
            Err(Refusal::AnchorConflict(conflict)) => return Err(self.halt(host, conflict, &evidence).await),
            other => other?,
        };
        let (mark, finality) = (anchor::mark(&accepted.known.block), accepted.known.finality);
        match parts.hosts.accept(host.chain_id, accepted, evidence.statement()).await {
            Ok(()) => {}
            Err(AcceptError::Conflict(conflict)) => return Err(self.halt(host, conflict, &evidence).await),
            Err(AcceptError::Store(error)) => return Err(unreadable(&error)),
        }
        drop(turn);
        Ok(Permit { anchor: mark, finality, shown: shown?, until: until(request, host, mark.time), evidence })
    }

    async fn on_a_core(&self, brief: Brief) -> Result<Judgement, Refusal> {
        let permit = Arc::clone(&self.parts.witnesses.cores).acquire_owned().await;
        let permit = permit.map_err(|_| Refusal::Internal("it is stopping"))?;
        let work = move || {
            let _held_while_working = permit;
            brief.judge()
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| Refusal::Internal("a worker ended early"))
    }

    async fn halt(&self, host: &HostChain, conflict: Conflict, evidence: &Evidence) -> Refusal {
        match self.parts.hosts.halt(host.chain_id, &conflict, evidence.statement()).await {
            Ok(()) => Refusal::AnchorConflict(conflict),
            Err(error) => unreadable(&error),
        }
    }

    /// Asked again right before anything is computed: the permission may have aged, the chain been halted.
    pub(super) fn still_permitted(&self, permit: &Permit, chain_id: u64) -> Result<(), Refusal> {
        permit.check(self.parts.clock.now())?;
        match self.parts.hosts.state(chain_id).halted {
            Some(reason) => Err(Refusal::HostHalted { chain_id, reason }),
            None => Ok(()),
        }
    }

    /// What is remembered of a chain.
    pub(crate) fn host_state(&self, chain_id: u64) -> policy::HostState {
        self.parts.hosts.state(chain_id)
    }

    pub(super) fn host(&self, admitted: &Admitted) -> Result<&HostChain, Refusal> {
        let found = self.parts.cluster.chains.iter().find(|host| host.chain_id == admitted.chain_id);
        found.ok_or(Refusal::Internal("an admitted request names no host"))
    }
}

/// The block's age binds every permission; a user's permit ends by itself too.
fn until(request: &Request, host: &HostChain, time: u64) -> u64 {
    let aged = time.saturating_add(host.max_anchor_age);
    match &request.ask {
        Ask::Public(_) => aged,
        // Its first second after the end is refused, so the last one before still counts
        Ask::User(user) => aged.min(user.start.saturating_add(DAY * u64::from(user.days)).saturating_sub(1)),
    }
}
