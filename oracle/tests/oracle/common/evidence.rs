//! What a node makes of evidence, written down once more: attested header, account, range, facts.

use alloy_primitives::{B256, keccak256};
use merkle_acl::compact::expand;
use merkle_acl::pack::unpack;
use merkle_acl::trust::{
    AnchorHistory, AnchorRules, Attestation, AttesterQuorum, AttesterSet, Finality, HeaderEvidence, HeaderStatement,
    SealFormat, ValidatorSeals, Witness, accept,
};
use merkle_acl::{AclBlock, AclProof, Anchor, Fact, Grant, ProofError, SlotProof, grants, leaf_hash, prove_account};
use tkms_oracle::prove::facts::{acl_host, facts};
use tkms_oracle::record::Ask;
use tkms_types::{HeaderTrustKind, HostChain, typed_data};
use tkms_wire::evidence::Evidence;

/// How evidence was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of it holds, in this block.
    Holds(u64),
    /// It is good, and a fact stands against the request.
    Denied(String),
    /// It is no evidence.
    Bad(String),
}

pub fn judge(evidence: &Evidence, ask: &Ask, chain: &HostChain) -> Verdict {
    match check(evidence, ask, chain) {
        Ok(Ok(number)) => Verdict::Holds(number),
        Ok(Err(denied)) => Verdict::Denied(denied),
        Err(bad) => Verdict::Bad(bad),
    }
}

fn check(evidence: &Evidence, ask: &Ask, chain: &HostChain) -> Result<Result<u64, String>, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let now = super::now();
    let wanted = facts(ask, chain, now);
    let mut accounts = vec![keccak256(chain.contracts.acl)];
    accounts.extend(evidence.executor.then(|| keccak256(chain.contracts.executor)));
    let mut accounts = unpack(&evidence.accounts, &accounts).map_err(|e| text(&e))?;
    let executor = accounts.split_off(1).pop().unwrap_or_default();
    let account = accounts.remove(0);
    let keys: Vec<B256> = evidence.slots.iter().map(keccak256).collect();
    let proofs = unpack(&evidence.storage, &keys).map_err(|e| text(&e))?;
    let slots = evidence.slots.iter().zip(proofs).map(|(slot, nodes)| SlotProof { slot: *slot, nodes });

    let anchor = trusted(evidence, chain, now)?;
    if !executor.is_empty() {
        prove_account(anchor.state_root(), chain.contracts.executor, &executor).map_err(|e| text(&e))?;
    }
    let layout = acl_host(chain).layout;
    let (shared, of_facts): (Vec<_>, Vec<_>) = slots.partition(|proof| AclBlock::is_block_slot(layout, proof.slot));
    let block = AclBlock::under(anchor, &account, &shared, &acl_host(chain)).map_err(|e| text(&e))?;

    let needed = grants(&wanted);
    if !evidence.places.is_empty() && evidence.places.len() != needed.len() {
        return Err(format!("{} places of {} grants", evidence.places.len(), needed.len()));
    }
    let placed: Vec<(Grant, u64)> = needed
        .into_iter()
        .zip(&evidence.places)
        .filter_map(|(grant, place)| Some((grant, place.checked_sub(1)?)))
        .collect();
    let leaves: Vec<_> = placed.iter().map(|(grant, index)| (*index, leaf_hash(grant))).collect();
    let paths = expand(&leaves, block.range_count().unwrap_or(0), &evidence.hashes).map_err(|e| text(&e))?;
    let paths = placed.into_iter().zip(paths).map(|((grant, _), path)| AclProof::Path { grant, path });
    let all: Vec<AclProof> = paths.chain(of_facts.into_iter().map(AclProof::Slot)).collect();
    match block.facts(&all, &wanted) {
        Ok(_) => Ok(Ok(anchor.number())),
        Err(ProofError::Acl(error)) if tkms_oracle::prove::facts::denies(&error) => Ok(Err(error.to_string())),
        Err(error) => {
            Err(format!("{error}; wanted {}", wanted.iter().filter(|f| matches!(f, Fact::Granted(_))).count()))
        }
    }
}

fn trusted(evidence: &Evidence, chain: &HostChain, now: u64) -> Result<Anchor, String> {
    if chain.trust == HeaderTrustKind::Rpc {
        // Such a node asks its own endpoints whether the block is final.
        assert!(evidence.attested.is_none());
        return Anchor::from_header_rlp(&evidence.header).map_err(|error| error.to_string());
    }
    let rules = AnchorRules {
        checkpoint_number: chain.checkpoint_number,
        min_finality: Finality::Finalized,
        max_age: chain.max_anchor_age,
        max_lag: chain.max_anchor_lag,
        clock_skew: chain.clock_skew,
    };
    let history = AnchorHistory::default();
    if chain.trust == HeaderTrustKind::Qbft {
        assert!(evidence.attested.is_none());
        let trust = ValidatorSeals::new(SealFormat::Qbft, chain.attesters.members.clone()).unwrap();
        let header = HeaderEvidence { header: evidence.header.clone().into(), witness: Witness::Seals };
        let anchor = accept(&header, &trust, &rules, &history, Finality::Finalized, now);
        return anchor.map(|anchor| *anchor.anchor()).map_err(|error| error.to_string());
    }
    let attested = evidence.attested.as_ref().ok_or("nobody vouches for the header")?;
    let attestations = attested.attestations.iter().map(|attestation| Attestation {
        signer: attestation.signer,
        finality: Finality::from_signed(attestation.finality.signed().0, attestation.finality.signed().1).unwrap(),
        signature: attestation.signature.to_vec().into(),
    });
    let witness = Witness::Attestations { set: attested.set, attestations: attestations.collect() };
    let header = HeaderEvidence { header: evidence.header.clone().into(), witness };
    let set = &chain.attesters;
    let set = AttesterSet::new(chain.attester_set_id(), set.members.clone(), set.quorum.into()).unwrap();
    let digest = |statement: &HeaderStatement| {
        let (finality, depth) = statement.finality.signed();
        let attestation = typed_data::HeaderAttestation {
            attesterSetId: statement.set,
            number: statement.number,
            blockHash: statement.hash,
            stateRoot: statement.state_root,
            timestamp: statement.timestamp,
            finality,
            depth,
        };
        typed_data::header_digest(&attestation, chain)
    };
    let trust = AttesterQuorum::new(vec![set], digest);
    let anchor = accept(&header, &trust, &rules, &history, Finality::Finalized, now);
    anchor.map(|anchor| *anchor.anchor()).map_err(|error| error.to_string())
}
