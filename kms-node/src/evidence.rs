//! The evidence of a request as `merkle_acl` takes it: pooled proofs taken apart, paths with the grants they are for.
//! Nothing is believed here; what is wrong inside shows when it is checked.

use crate::refusal::Refusal;
use alloy_primitives::{B256, Bytes};
use merkle_acl::compact::{NodePool, compress, pool, unpool};
use merkle_acl::range::RangeProof;
use merkle_acl::trust::{Attestation, Finality, HeaderEvidence, Witness};
use merkle_acl::{AclBlock, AclLayout, Grant, SlotProof, keys, leaf_hash, range::covering_level};
use prost::Message as _;
use tkms_types::{HeaderTrustKind, MinFinality};
use tkms_wire::account_witness::AccountWitness;
use tkms_wire::evidence::{self as wire, Attested, GrantPath};
use tkms_wire::kms;

/// Layout of the ACLs this build serves.
pub const LAYOUT: AclLayout = AclLayout::Range;

/// Evidence for one request.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// RLP of the header.
    pub header: Bytes,
    /// Who vouches for it.
    pub attested: Option<Attested>,
    /// Trie nodes of the ACL's account.
    pub account: Vec<Bytes>,
    /// Trie nodes of the executor's account; none if it was not sent.
    pub executor: Vec<Bytes>,
    /// The range's first word and peaks.
    pub block: Vec<SlotProof>,
    /// Slots of facts.
    pub slots: Vec<SlotProof>,
    /// Grants that are shown by their place in the range.
    pub paths: Vec<(Grant, u64)>,
    /// What the paths need beside their own leaves.
    pub hashes: Vec<B256>,
    /// What a smart account's word depends on.
    pub witness: Option<AccountWitness>,
}

impl Evidence {
    /// Takes the compact form apart.
    ///
    /// # Errors
    /// [`Refusal::Malformed`].
    pub fn open(sent: &wire::Evidence) -> Result<Self, Refusal> {
        let malformed = |reason: &dyn std::fmt::Display| Refusal::Malformed(format!("evidence: {reason}"));
        let proofs = [&sent.account, &sent.executor].into_iter().chain(sent.slots.iter().map(|slot| &slot.nodes));
        let pool = NodePool {
            nodes: sent.nodes.clone().into_iter().map(Bytes::from).collect(),
            proofs: proofs.cloned().collect(),
        };
        let mut proofs = unpool(&pool).map_err(|error| malformed(&error))?.into_iter();
        let (account, executor) = (proofs.next().unwrap_or_default(), proofs.next().unwrap_or_default());
        let slots = sent.slots.iter().zip(proofs).map(|(sent, nodes)| SlotProof { slot: sent.slot, nodes });
        let (block, slots) = slots.partition(|proof| AclBlock::is_block_slot(LAYOUT, proof.slot));
        let grant = |path: &GrantPath| {
            let grant = Grant::from_leaf(path.kind, path.handle, path.subject);
            grant.map(|grant| (grant, path.index)).ok_or_else(|| malformed(&"a path of no grant"))
        };
        Ok(Self {
            header: sent.header.clone().into(),
            attested: sent.attested.clone(),
            account,
            executor,
            block,
            slots,
            paths: sent.paths.iter().map(grant).collect::<Result<_, _>>()?,
            hashes: sent.hashes.clone(),
            witness: sent.witness.clone(),
        })
    }

    /// The header with what its chain is trusted by, as far as a request can bring it along.
    #[must_use]
    pub fn vouched(&self, trust: HeaderTrustKind) -> HeaderEvidence {
        let witness = match (trust, &self.attested) {
            (HeaderTrustKind::Attesters, Some(Attested { set, attestations })) => Witness::Attestations {
                set: *set,
                attestations: attestations
                    .iter()
                    .map(|attestation| Attestation {
                        signer: attestation.signer,
                        finality: finality(attestation.finality),
                        signature: Bytes::copy_from_slice(&attestation.signature),
                    })
                    .collect(),
            },
            _ => Witness::Seals,
        };
        HeaderEvidence { header: self.header.clone(), witness }
    }

    /// Header and attestations alone, encoded: what is kept of a block that was accepted, should another one contradict it.
    #[must_use]
    pub fn statement(&self) -> Vec<u8> {
        kms::Evidence::from(&self.bare()).encode_to_vec()
    }

    fn bare(&self) -> wire::Evidence {
        wire::Evidence {
            header: self.header.clone().into(),
            attested: self.attested.clone(),
            nodes: Vec::new(),
            account: Vec::new(),
            executor: Vec::new(),
            slots: Vec::new(),
            paths: Vec::new(),
            hashes: Vec::new(),
            witness: None,
        }
    }

    /// The part of it that shows one grant, for a peer that has to open one ciphertext of a larger request. `path` is
    /// the grant's own, if it was shown by one; `count` is the block's.
    ///
    /// # Errors
    /// [`Refusal::Internal`] if the grant is not part of this evidence.
    pub fn for_grant(&self, grant: Grant, path: Option<&RangeProof>, count: u64) -> Result<wire::Evidence, Refusal> {
        let incomplete = Refusal::Internal("accepted evidence does not show its own grant");
        let slot = match path {
            Some(path) => keys::range_peak(covering_level(path.index, count).map_err(|_| incomplete.clone())?),
            None => grant.slot(),
        };
        let wanted = [LAYOUT.pause_slot(), slot];
        let mut kept: Vec<&SlotProof> = Vec::new();
        for slot in wanted {
            let found = self.block.iter().chain(&self.slots).find(|proof| proof.slot == slot);
            kept.push(found.ok_or(incomplete.clone())?);
        }
        let proofs = [&self.account, &self.executor].into_iter().chain(kept.iter().map(|proof| &proof.nodes));
        let pooled = pool(proofs.map(Vec::as_slice)).map_err(|_| incomplete.clone())?;
        let mut places = pooled.proofs.into_iter();
        let (account, executor) = (places.next().unwrap_or_default(), places.next().unwrap_or_default());
        let leaves: Vec<_> = path.map(|path| (leaf_hash(&grant), path.clone())).into_iter().collect();
        Ok(wire::Evidence {
            nodes: pooled.nodes.into_iter().map(Into::into).collect(),
            account,
            executor,
            slots: kept.iter().zip(places).map(|(proof, nodes)| wire::SlotProof { slot: proof.slot, nodes }).collect(),
            paths: path.map(|path| place(&grant, path.index)).into_iter().collect(),
            hashes: compress(&leaves, count).map_err(|_| incomplete)?,
            ..self.bare()
        })
    }
}

fn place(grant: &Grant, index: u64) -> GrantPath {
    GrantPath { kind: grant.kind() as u8, handle: grant.handle(), subject: grant.subject(), index }
}

/// The class as `merkle_acl` calls it.
#[must_use]
pub const fn finality(class: MinFinality) -> Finality {
    match class {
        MinFinality::Finalized => Finality::Finalized,
        MinFinality::Safe => Finality::Safe,
        MinFinality::Depth(depth) => Finality::Depth(depth),
    }
}
