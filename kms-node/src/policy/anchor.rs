//! Checks 11 to 17: one block that its chain's witnesses vouch for, and under its state root every fact the request needs.
//!
//! Pure: request, evidence, cluster file, what the node remembers, and the clock. In RPC mode what the node's own
//! endpoints answered is an argument like the others.

use super::{HostState, smart_account};
use crate::evidence::{Evidence, LAYOUT, finality};
use crate::refusal::Refusal;
use alloy_primitives::{Address, B256, Bytes};
use merkle_acl::compact::expand;
use merkle_acl::range::{RangeProof, covering_level};
use merkle_acl::trust::{
    AnchorMark, AnchorRules, AttesterQuorum, AttesterSet as Attesters, EndpointAnswers, EndpointQuorum, Finality,
    HeaderStatement, HeaderTrust, Need, SealFormat, SetError, TrustError, ValidatorSeals, Witness, accept,
};
use merkle_acl::{
    AclBlock, AclError, AclHost, AclProof, Anchor, Fact, Grant, GrantKind, ProofError, SlotProof, keys, leaf_hash,
    prove_account,
};
use std::collections::{BTreeMap, BTreeSet};
use tkms_types::typed_data::{HeaderAttestation, header_digest};
use tkms_types::{AttesterSet, FormerAttesters, Handle, HeaderTrustKind, HostChain, MinFinality};
use tkms_wire::evidence::Attested;

/// A block that was accepted: what its hash stands for, how sure it is, and the bytes that showed it.
///
/// A trie proof of one thing has one form, so evidence about a known block is compared with what was verified. It stays
/// complete that way: what this node accepted, a peer that does not know the block accepts as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownBlock {
    /// The ACL in it.
    pub block: AclBlock,
    /// The strongest class shown for it.
    pub finality: Finality,
    /// The attestations that showed this class.
    pub attested: Option<Attested>,
    /// Trie nodes of the ACL's account.
    account: Vec<Bytes>,
    /// Trie nodes of the range's words.
    words: BTreeMap<B256, Vec<Bytes>>,
}

impl KnownBlock {
    fn extended(&self, evidence: &Evidence) -> Result<AclBlock, Refusal> {
        if evidence.account != self.account {
            return Err(Refusal::AccountProofInvalid("account proof: not the one of this block".to_owned()));
        }
        let other = |proof: &&SlotProof| self.words.get(&proof.slot).is_some_and(|nodes| *nodes != proof.nodes);
        if let Some(other) = evidence.block.iter().find(other) {
            return Err(Refusal::SlotProofInvalid(format!("proof of slot {}: not the one of this block", other.slot)));
        }
        self.block.with_peaks(&evidence.block).map_err(unproven)
    }
}

/// What the node's own endpoints say of the anchor's number.
#[derive(Clone, Debug)]
pub struct OwnView {
    /// How many others there are in the configuration.
    pub endpoints: usize,
    /// Their answers.
    pub answers: EndpointAnswers,
}

/// What a block is judged by beside the evidence.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// The chain's record in the cluster file.
    pub host: &'a HostChain,
    /// What the node remembers of the chain.
    pub state: &'a HostState,
    /// This very block, if it was accepted before.
    pub known: Option<&'a KnownBlock>,
    /// Least finality the request asks for.
    pub asked: Option<MinFinality>,
    /// In RPC mode; not needed for a block that is known to be sure enough.
    pub own: Option<&'a OwnView>,
    /// Unix seconds.
    pub now: u64,
}

/// A block that requests may be judged in.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The block, to be kept.
    pub known: KnownBlock,
    /// The executor's code was proven with it.
    pub executor: bool,
}

/// What the block's class is held to.
#[must_use]
pub fn need(host: &HostChain, asked: Option<MinFinality>) -> Need {
    Need { floor: finality(host.min_finality), asked: finality(asked.unwrap_or(host.min_finality)) }
}

/// The block as its header states it, by the rules of its chain. Nobody has vouched for it yet.
///
/// # Errors
/// [`Refusal::HeaderMalformed`].
pub fn read(evidence: &Evidence, host: &HostChain) -> Result<Anchor, Refusal> {
    let trust = trust(host, None)?;
    trust.anchor(&evidence.header).map_err(|error| refused(error.into()))
}

/// Checks 11 to 13. A block that is known is not proven again; only its age and what contradicts it are looked at, and its
/// class where that does not suffice.
///
/// # Errors
/// The first [`Refusal`]. [`Refusal::AnchorConflict`] also halts the host: the caller keeps that on disk.
pub fn judge(evidence: &Evidence, case: &Case<'_>) -> Result<Accepted, Refusal> {
    let (host, history) = (case.host, &case.state.history);
    let (anchor, need) = (read(evidence, host)?, need(host, case.asked));
    let known = case.known.filter(|known| known.block.anchor().hash() == anchor.hash());
    let finality = match known.filter(|known| need.met_by(known.finality)) {
        Some(known) => {
            rules(host).check_age(&anchor, history, case.now).map_err(refused)?;
            history.check(&anchor).map_err(refused)?;
            known.finality
        }
        None => {
            let trust = trust(host, case.own)?;
            let mut header = evidence.vouched(host.trust);
            if let Some(own) = case.own {
                header.witness = Witness::Endpoints(own.answers.clone());
            }
            let shown = accept(&header, trust.as_ref(), &rules(host), history, need.asked, case.now);
            shown.map_err(refused)?.finality()
        }
    };
    let acl = AclHost { address: host.contracts.acl, code_hash: host.acl_code_hash, layout: LAYOUT };
    let block = match known {
        Some(known) => known.extended(evidence)?,
        None => AclBlock::under(anchor, &evidence.account, &evidence.block, &acl).map_err(unproven)?,
    };
    history.check_count(&anchor, block.range_count().unwrap_or(0)).map_err(refused)?;
    let executor = !case.state.executor_proven || !evidence.executor.is_empty();
    if executor {
        check_executor(evidence, host, &anchor)?;
    }
    check_complete(evidence, &block)?;
    // Of two classes that do not compare, the one just shown
    let kept = known.filter(|known| known.finality.satisfies(finality));
    let words = evidence.block.iter().map(|proof| (proof.slot, proof.nodes.clone()));
    let known = KnownBlock {
        block,
        finality: kept.map_or(finality, |known| known.finality),
        attested: kept.map_or(&evidence.attested, |known| &known.attested).clone(),
        account: evidence.account.clone(),
        words: known.map(|known| known.words.clone()).unwrap_or_default().into_iter().chain(words).collect(),
    };
    Ok(Accepted { known, executor })
}

/// The range's first word and the peak of every path are in the evidence, also where the node knows them already.
fn check_complete(evidence: &Evidence, block: &AclBlock) -> Result<(), Refusal> {
    let sent: BTreeSet<B256> = evidence.block.iter().map(|proof| proof.slot).collect();
    let count = block.range_count().unwrap_or(0);
    // An index outside the range has no peak, and is refused with its path
    let levels = evidence.paths.iter().filter_map(|(_, index)| covering_level(*index, count).ok());
    let needed = levels.collect::<BTreeSet<u8>>().into_iter().map(keys::range_peak).chain([LAYOUT.pause_slot()]);
    match needed.into_iter().find(|slot| !sent.contains(slot)) {
        Some(slot) => Err(unproven(AclError::SlotProofMissing { slot })),
        None => Ok(()),
    }
}

/// The executor may grant itself anything: its code is proven in the first block a node accepts under a cluster file.
fn check_executor(evidence: &Evidence, host: &HostChain, anchor: &Anchor) -> Result<(), Refusal> {
    let (address, expected) = (host.contracts.executor, host.executor_code_hash);
    if evidence.executor.is_empty() {
        return Err(Refusal::ExecutorUnproven(address));
    }
    let account = prove_account(anchor.state_root(), address, &evidence.executor);
    let account = account.map_err(|error| Refusal::AccountProofInvalid(format!("account of the executor: {error}")))?;
    if account.code_hash != expected {
        return Err(Refusal::ExecutorCodeChanged { found: account.code_hash, expected });
    }
    Ok(())
}

/// How the facts of a request were shown.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Grants by their paths.
    pub paths: Vec<(Grant, RangeProof)>,
    /// Slots of all else.
    pub slots: Vec<B256>,
    /// The user, if it is a contract that accepted the permit's signature.
    pub account: Option<smart_account::Accepted>,
}

/// Checks 14 to 17: every fact holds in an accepted block.
///
/// # Errors
/// The first [`Refusal`].
pub fn facts(evidence: &Evidence, block: &AclBlock, wanted: &[Fact]) -> Result<Shown, Refusal> {
    let leaves: Vec<_> = evidence.paths.iter().map(|(grant, index)| (*index, leaf_hash(grant))).collect();
    let expanded = expand(&leaves, block.range_count().unwrap_or(0), &evidence.hashes);
    let expanded = expanded.map_err(|error| Refusal::GrantProofInvalid(format!("paths of the grants: {error}")))?;
    let paths: Vec<_> = evidence.paths.iter().map(|(grant, _)| *grant).zip(expanded).collect();
    check_named(evidence, wanted)?;
    let path = |(grant, path): &(Grant, RangeProof)| AclProof::Path { grant: *grant, path: path.clone() };
    let proofs: Vec<_> = paths.iter().map(path).chain(evidence.slots.iter().cloned().map(AclProof::Slot)).collect();
    block.facts(&proofs, wanted).map_err(|error| match error {
        ProofError::Acl(error) => unproven(error),
        other => Refusal::GrantProofInvalid(other.to_string()),
    })?;
    Ok(Shown { paths, slots: evidence.slots.iter().map(|proof| proof.slot).collect(), account: None })
}

/// A grant that nothing in the evidence is about is missing, whatever else the evidence holds.
fn check_named(evidence: &Evidence, wanted: &[Fact]) -> Result<(), Refusal> {
    let paths: BTreeSet<Grant> = evidence.paths.iter().map(|(grant, _)| *grant).collect();
    let slots: BTreeSet<B256> = evidence.slots.iter().map(|proof| proof.slot).collect();
    let named = |grant: &Grant| paths.contains(grant) || slots.contains(&grant.slot());
    let unnamed = wanted.iter().find_map(|fact| match fact {
        Fact::Granted(grant) if !named(grant) => Some(grant),
        _ => None,
    });
    match unnamed {
        Some(grant) => Err(missing(grant.handle(), grant.kind(), grant.subject())),
        None => Ok(()),
    }
}

/// The anchor as it is remembered.
#[must_use]
pub fn mark(block: &AclBlock) -> AnchorMark {
    let anchor = block.anchor();
    let count = block.range_count().unwrap_or(0);
    AnchorMark { number: anchor.number(), hash: anchor.hash(), time: anchor.timestamp(), count }
}

fn rules(host: &HostChain) -> AnchorRules {
    AnchorRules {
        checkpoint_number: host.checkpoint_number,
        min_finality: finality(host.min_finality),
        max_age: host.max_anchor_age,
        max_lag: host.max_anchor_lag,
        clock_skew: host.clock_skew,
    }
}

/// The host's way to know. `own` is looked at in RPC mode only; without it nobody vouches for anything there.
fn trust<'a>(host: &'a HostChain, own: Option<&OwnView>) -> Result<Box<dyn HeaderTrust + 'a>, Refusal> {
    let (quorum, members) = (usize::from(host.attesters.quorum), host.attesters.members.clone());
    let set = |set: &AttesterSet| Attesters::new(host.set_id_of(set), set.members.clone(), set.quorum.into());
    let seals =
        |format, members| ValidatorSeals::new(format, members).map(|seals| Box::new(seals) as Box<dyn HeaderTrust>);
    let built: Result<Box<dyn HeaderTrust>, SetError> = match host.trust {
        HeaderTrustKind::Attesters => {
            let retired = |former: &FormerAttesters| Ok(set(&former.set)?.retired(former.until, host.max_anchor_age));
            let sets = [set(&host.attesters)].into_iter().chain(host.former_attesters.as_ref().map(retired));
            sets.collect::<Result<_, _>>().map(|sets| {
                let digest = move |statement: &HeaderStatement| digest(statement, host);
                Box::new(AttesterQuorum::new(sets, digest)) as Box<dyn HeaderTrust>
            })
        }
        HeaderTrustKind::Qbft => seals(SealFormat::Qbft, members),
        HeaderTrustKind::Ibft2 => seals(SealFormat::Ibft2, members),
        HeaderTrustKind::Rpc => {
            let endpoints = own.map_or(quorum, |own| own.endpoints);
            EndpointQuorum::new(endpoints, quorum).map(|trust| Box::new(trust) as Box<dyn HeaderTrust>)
        }
    };
    built.map_err(|error| {
        tracing::error!(chain = host.chain_id, %error, "the cluster file's attesters are no set");
        Refusal::Internal("the cluster file's attesters are no set")
    })
}

fn digest(statement: &HeaderStatement, host: &HostChain) -> B256 {
    let (finality, depth) = statement.finality.signed();
    let attestation = HeaderAttestation {
        attesterSetId: statement.set,
        number: statement.number,
        blockHash: statement.hash,
        stateRoot: statement.state_root,
        timestamp: statement.timestamp,
        finality,
        depth,
    };
    header_digest(&attestation, host)
}

pub(crate) fn refused(error: TrustError) -> Refusal {
    match error {
        TrustError::HeaderMalformed(_) => Refusal::HeaderMalformed(error.to_string()),
        TrustError::HeaderUnattested(_) => Refusal::HeaderUnattested(error.to_string()),
        TrustError::AttesterSetUnknown(set) => Refusal::AttesterSetUnknown(set),
        TrustError::AnchorBeforeCheckpoint { number, checkpoint } => {
            Refusal::AnchorBeforeCheckpoint { number, checkpoint }
        }
        TrustError::AnchorTooOld(staleness) => Refusal::AnchorTooOld(staleness),
        TrustError::AnchorFromFuture { time, now } => Refusal::AnchorFromFuture { time, now },
        TrustError::NotFinal { .. } => Refusal::NotFinal(error.to_string()),
        TrustError::AnchorConflict(conflict) => Refusal::AnchorConflict(conflict),
    }
}

fn unproven(error: AclError) -> Refusal {
    match error {
        AclError::HeaderMalformed(_) => Refusal::HeaderMalformed(error.to_string()),
        AclError::AccountProofInvalid { .. } => Refusal::AccountProofInvalid(error.to_string()),
        AclError::AclCodeChanged { .. } => Refusal::AclCodeChanged(error.to_string()),
        AclError::TooManyFacts { .. } => Refusal::LimitExceeded(error.to_string()),
        AclError::AclPaused => Refusal::AclPaused,
        AclError::GrantMissing { handle, kind, subject } => missing(handle, kind, subject),
        AclError::DelegationMissing { .. } => Refusal::DelegationMissing(error.to_string()),
        AclError::DelegationExpired { .. } => Refusal::DelegationExpired(error.to_string()),
        AclError::PermitInvalidated { .. } => Refusal::PermitInvalidated(error.to_string()),
        AclError::AccountDenied(account) => Refusal::AccountDenied(account),
        AclError::SlotProofInvalid { .. }
        | AclError::SlotProofMissing { .. }
        | AclError::SlotProofRepeated { .. }
        | AclError::SlotProofUnneeded { .. }
        | AclError::SlotValueInvalid { .. } => Refusal::SlotProofInvalid(error.to_string()),
    }
}

fn missing(handle: B256, kind: GrantKind, subject: Address) -> Refusal {
    let kind = if kind == GrantKind::Public { "public" } else { "persistent" };
    Refusal::GrantMissing { handle: Handle(handle), kind, subject }
}
