//! The evidence of a request as `merkle_acl` takes it: packed proofs taken apart, places with the grants they are for.
//! Nothing is believed here; what is wrong inside shows when it is checked.

use crate::refusal::Refusal;
use alloy_primitives::{Address, B256, Bytes, keccak256};
use merkle_acl::compact::compress;
use merkle_acl::pack::{PackError, pack, unpack};
use merkle_acl::range::RangeProof;
use merkle_acl::trust::{Attestation, Finality, HeaderEvidence, Witness};
use merkle_acl::{AclBlock, AclLayout, Fact, Grant, SlotProof, grants, keys, leaf_hash, range::covering_level};
use prost::Message as _;
use tkms_types::{Contracts, HeaderTrustKind, HostChain, MinFinality};
use tkms_wire::account_witness::AccountWitness;
use tkms_wire::evidence::{self as wire, Attested};
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
    /// Takes the compact form apart. `wanted`: the facts of the request it came with.
    ///
    /// # Errors
    /// [`Refusal::AccountProofInvalid`], [`Refusal::SlotProofInvalid`] for bytes that are no proofs of accounts or slots,
    /// [`Refusal::GrantProofInvalid`] for places of other grants than the request's.
    pub fn open(sent: &wire::Evidence, host: &HostChain, wanted: &[Fact]) -> Result<Self, Refusal> {
        let no_accounts = |error: PackError| Refusal::AccountProofInvalid(format!("accounts: {error}"));
        let mut accounts =
            unpack(&sent.accounts, &account_keys(&host.contracts, sent.executor)).map_err(no_accounts)?;
        let executor = if sent.executor { accounts.pop().unwrap_or_default() } else { Vec::new() };
        let keys: Vec<B256> = sent.slots.iter().map(keccak256).collect();
        let no_slots = |error: PackError| Refusal::SlotProofInvalid(format!("slots: {error}"));
        let proofs = unpack(&sent.storage, &keys).map_err(no_slots)?;
        let slots = sent.slots.iter().zip(proofs).map(|(slot, nodes)| SlotProof { slot: *slot, nodes });
        let (block, slots) = slots.partition(|proof| AclBlock::is_block_slot(LAYOUT, proof.slot));
        let grants = grants(wanted);
        if !sent.places.is_empty() && sent.places.len() != grants.len() {
            let (found, expected) = (sent.places.len(), grants.len());
            return Err(Refusal::GrantProofInvalid(format!("places of {found} grants, {expected} are needed")));
        }
        let place = |(grant, place): (Grant, &u64)| place.checked_sub(1).map(|index| (grant, index));
        Ok(Self {
            header: sent.header.clone().into(),
            attested: sent.attested.clone(),
            account: accounts.pop().unwrap_or_default(),
            executor,
            block,
            slots,
            paths: grants.into_iter().zip(&sent.places).filter_map(place).collect(),
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
            accounts: bytes::Bytes::new(),
            executor: false,
            storage: bytes::Bytes::new(),
            slots: Vec::new(),
            places: Vec::new(),
            hashes: Vec::new(),
            witness: None,
        }
    }

    /// The part of it that shows one grant, for a peer that has to open one ciphertext of a larger request. `path` is
    /// the grant's own, if it was shown by one; `count` is the block's, `host` its chain's.
    ///
    /// # Errors
    /// [`Refusal::Internal`] if the grant is not part of this evidence.
    pub fn for_grant(
        &self,
        host: &Contracts,
        grant: Grant,
        path: Option<&RangeProof>,
        count: u64,
    ) -> Result<wire::Evidence, Refusal> {
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
        let with_executor = !self.executor.is_empty();
        let accounts: Vec<_> = account_keys(host, with_executor)
            .into_iter()
            .zip([self.account.as_slice(), self.executor.as_slice()])
            .collect();
        let slots: Vec<_> = kept.iter().map(|proof| (keccak256(proof.slot), proof.nodes.as_slice())).collect();
        let leaves: Vec<_> = path.map(|path| (leaf_hash(&grant), path.clone())).into_iter().collect();
        Ok(wire::Evidence {
            accounts: pack(&accounts).map_err(|_| incomplete.clone())?.into(),
            executor: with_executor,
            storage: pack(&slots).map_err(|_| incomplete.clone())?.into(),
            slots: kept.iter().map(|proof| proof.slot).collect(),
            places: path.map(|path| path.index.saturating_add(1)).into_iter().collect(),
            hashes: compress(&leaves, count).map_err(|_| incomplete)?,
            ..self.bare()
        })
    }
}

/// Keys in the state trie of the accounts that evidence shows.
fn account_keys(host: &Contracts, with_executor: bool) -> Vec<B256> {
    let executor = with_executor.then_some(host.executor);
    [host.acl].into_iter().chain(executor).map(|account: Address| keccak256(account)).collect()
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
