//! One final block with everything that the requests under it share: header, who vouches for it, the ACL's account, count and peaks.

use super::facts::{self, acl_host};
use super::slots::{SlotError, Slots};
use super::{Proven, Unproven};
use crate::record::Ask;
use crate::store::{RangeView, StoreError};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use merkle_acl::compact::{self, CompactError};
use merkle_acl::pack::{PackError, pack};
use merkle_acl::range::{RangeProof, covering_level};
use merkle_acl::{
    AclBlock, AclError, AclLayout, AclProof, Anchor, Fact, Grant, ProofError, SlotProof, TrieError, fact_slots, grants,
    keys, leaf_hash, prove_account, range_slots,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use tkms_eth::Rpc;
use tkms_eth::proofs::{self, state_proof};
use tkms_types::HostChain;
use tkms_wire::evidence::{Attested, Evidence};

/// A block to build on.
pub struct FinalBlock {
    /// Parsed from the header.
    pub anchor: Anchor,
    /// RLP of the header.
    pub header: Bytes,
    /// Who vouches for it; none where nodes ask their own endpoints.
    pub attested: Option<Attested>,
}

/// Why a block cannot be built on.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// The endpoint does not have it (yet), or has no proofs of it (any more).
    #[error(transparent)]
    Endpoint(#[from] proofs::ProofError),
    /// What the endpoint gave does not prove the ACL's state.
    #[error("the host endpoint's proofs of block {number} are wrong: {reason}")]
    Wrong {
        /// The block.
        number: u64,
        /// What fails.
        reason: AclError,
    },
    /// The executor's account does not stand in the block.
    #[error("the host endpoint's proof of the executor in block {number} is wrong: {reason}")]
    Executor {
        /// The block.
        number: u64,
        /// What fails.
        reason: TrieError,
    },
    /// Proven, and nothing may be decrypted in it.
    #[error("the ACL is paused in block {0}")]
    Paused(u64),
}

/// A block whose shared part is proven.
pub struct ProvenBlock {
    block: FinalBlock,
    acl: AclBlock,
    /// Address and proof of the ACL's account, of the executor's.
    accounts: [(Address, Vec<Bytes>); 2],
    /// The range's first word and every live peak.
    range: BTreeMap<B256, Vec<Bytes>>,
    peaks: Vec<(u8, B256)>,
    slots: Slots,
    /// The mirror was found to hold exactly this block's grants.
    mirrored: AtomicBool,
}

impl ProvenBlock {
    /// Collects the shared proofs by the block's hash and checks them. To be called when the block is new: endpoints keep no old states.
    ///
    /// # Errors
    /// [`BlockError`].
    pub async fn prepare(rpc: &Rpc, chain: &HostChain, block: FinalBlock, likely: u64) -> Result<Self, BlockError> {
        let (host, number, hash) = (acl_host(chain), block.anchor.number(), block.anchor.hash());
        let wrong = |reason| match reason {
            AclError::AclPaused => BlockError::Paused(number),
            reason => BlockError::Wrong { number, reason },
        };
        // Most often the count is the one the mirror has, and one call is enough.
        let mut wanted = range_slots(host.layout, likely);
        let proof = state_proof(rpc, hash, host.address, &wanted).await?;
        let account = proof.account;
        let mut range: BTreeMap<B256, Vec<Bytes>> = proof.slots.into_iter().collect();
        let first = slot_proofs(&range, &[host.layout.pause_slot()]);
        let count = AclBlock::under(block.anchor, &account, &first, &host).map_err(wrong)?.range_count().unwrap_or(0);
        if count != likely {
            wanted = range_slots(host.layout, count);
            range = state_proof(rpc, hash, host.address, &wanted).await?.slots.into_iter().collect();
        }
        let shared = slot_proofs(&range, &wanted);
        let acl = AclBlock::under(block.anchor, &account, &shared, &host).map_err(wrong)?;
        let invalid = |reason| wrong(AclError::AccountProofInvalid { acl: host.address, reason });
        let storage_root =
            prove_account(block.anchor.state_root(), host.address, &account).map_err(invalid)?.storage_root;
        let peaks = peaks(storage_root, count, &range).map_err(wrong)?;
        let executor = state_proof(rpc, hash, chain.contracts.executor, &[]).await?.account;
        prove_account(block.anchor.state_root(), chain.contracts.executor, &executor)
            .map_err(|reason| BlockError::Executor { number, reason })?;
        let slots = Slots::new(rpc.clone(), hash, host.address, storage_root);
        let mirrored = AtomicBool::new(false);
        let accounts = [(host.address, account), (chain.contracts.executor, executor)];
        Ok(Self { block, acl, accounts, range, peaks, slots, mirrored })
    }

    /// The block.
    #[must_use]
    pub const fn anchor(&self) -> &Anchor {
        &self.block.anchor
    }

    /// Who vouches for it.
    #[must_use]
    pub fn signers(&self) -> Vec<Address> {
        let attested = self.block.attested.iter().flat_map(|attested| &attested.attestations);
        attested.map(|attestation| attestation.signer).collect()
    }

    /// Grants in the range.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.acl.range_count().unwrap_or(0)
    }

    /// The live peaks, lowest first.
    #[must_use]
    pub fn peaks(&self) -> &[(u8, B256)] {
        &self.peaks
    }

    /// Whether the mirror holds exactly this block's grants.
    #[must_use]
    pub fn mirrored(&self) -> bool {
        self.mirrored.load(Ordering::Acquire)
    }

    /// Notes that it does.
    pub fn set_mirrored(&self) {
        self.mirrored.store(true, Ordering::Release);
    }

    /// The path of a grant in this block, checked against the proven peak; `None` if the mirror does not lead to one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn path(&self, mirror: &RangeView, grant: Grant) -> Result<Option<RangeProof>, StoreError> {
        let Some((index, _)) = mirror.place(&grant)? else { return Ok(None) };
        let Some(path) = mirror.path(index, self.count())? else { return Ok(None) };
        let proof = [AclProof::Path { grant, path: path.clone() }];
        Ok(self.acl.facts(&proof, &[Fact::Granted(grant)]).is_ok().then_some(path))
    }

    /// Evidence for one request under this block, checked as a node will check it. A grant without a path is shown by its slot, and so are
    /// those that [`compact::lone`] names.
    ///
    /// # Errors
    /// [`Unproven`].
    pub async fn evidence(
        &self,
        ask: &Ask,
        chain: &HostChain,
        mut paths: BTreeMap<Grant, RangeProof>,
        with_executor: bool,
        now: u64,
    ) -> Result<Proven, Unproven> {
        let wanted = facts::facts(ask, chain, now);
        let known: BTreeSet<Grant> = paths.keys().copied().collect();
        let indices: Vec<u64> = paths.values().map(|path| path.index).collect();
        let lone = compact::lone(&indices, self.count());
        paths.retain(|_, path| !lone.contains(&path.index));
        let by_slot: Vec<&Fact> =
            wanted.iter().filter(|fact| !matches!(fact, Fact::Granted(grant) if paths.contains_key(grant))).collect();
        if self.mirrored()
            && let Some(Fact::Granted(grant)) =
                by_slot.iter().find(|fact| matches!(fact, Fact::Granted(grant) if !known.contains(grant)))
        {
            // The mirror has every grant of this block and not this one: no need to have its absence proven.
            let (handle, kind, subject) = (grant.handle(), grant.kind(), grant.subject());
            let error = AclError::GrantMissing { handle, kind, subject };
            return Err(facts::missing(&error).map_or(Unproven::Later(error.to_string()), Unproven::Missing));
        }
        let proofs = self.slots.get(&fact_slots(by_slot)).await?;
        let with_slots = proofs.iter().cloned().map(AclProof::Slot);
        let with_paths = paths.iter().map(|(grant, path)| AclProof::Path { grant: *grant, path: path.clone() });
        match self.acl.facts(&with_paths.chain(with_slots).collect::<Vec<_>>(), &wanted) {
            Ok(_) => {}
            Err(ProofError::Acl(error)) => match facts::missing(&error) {
                Some(refused) => return Err(Unproven::Missing(refused)),
                // Good proofs of a fact that stands against the request: nodes say so.
                None if facts::denies(&error) => {}
                None => return Err(Unproven::Wrong(error.to_string())),
            },
            Err(error) => return Err(Unproven::Wrong(error.to_string())),
        }
        let evidence = self.compact(&grants(&wanted), &paths, &proofs, with_executor)?;
        let anchor = self.anchor();
        Ok(Proven { evidence, number: anchor.number(), hash: anchor.hash(), with_executor })
    }

    /// Shared trie nodes once; of the peaks only those the paths lead to.
    fn compact(
        &self,
        grants: &[Grant],
        paths: &BTreeMap<Grant, RangeProof>,
        facts: &[SlotProof],
        with_executor: bool,
    ) -> Result<Evidence, Unproven> {
        let count = self.count();
        let levels = paths.values().map(|path| covering_level(path.index, count));
        let levels = levels.collect::<Result<BTreeSet<u8>, _>>().map_err(CompactError::from)?;
        let mut slots = vec![first_word()];
        slots.extend(levels.into_iter().map(keys::range_peak));
        let mut slots = slot_proofs(&self.range, &slots);
        slots.extend(facts.iter().cloned());
        let accounts = self.accounts.iter().take(1 + usize::from(with_executor));
        let accounts: Vec<_> = accounts.map(|(account, nodes)| (keccak256(account), nodes.as_slice())).collect();
        let storage: Vec<_> = slots.iter().map(|proof| (keccak256(proof.slot), proof.nodes.as_slice())).collect();
        let leaves: Vec<(B256, RangeProof)> =
            paths.iter().map(|(grant, path)| (leaf_hash(grant), path.clone())).collect();
        let place = |grant| paths.get(grant).map_or(0, |path| path.index.saturating_add(1));
        Ok(Evidence {
            header: self.block.header.0.clone(),
            attested: self.block.attested.clone(),
            accounts: pack(&accounts)?.into(),
            executor: with_executor,
            storage: pack(&storage)?.into(),
            slots: slots.iter().map(|proof| proof.slot).collect(),
            places: if paths.is_empty() { Vec::new() } else { grants.iter().map(place).collect() },
            hashes: compact::compress(&leaves, count)?,
            witness: None,
        })
    }
}

impl From<SlotError> for Unproven {
    fn from(error: SlotError) -> Self {
        match error {
            // Its own words may name its address, and that may hold a key.
            SlotError::Endpoint(reason) => {
                tracing::warn!(%reason, "the host endpoint proves no slots");
                Self::Later("the host endpoint proves nothing at the moment".to_owned())
            }
            SlotError::Slow(_) => Self::Later(error.to_string()),
            SlotError::Wrong { .. } => Self::Wrong(error.to_string()),
        }
    }
}

impl From<PackError> for Unproven {
    fn from(error: PackError) -> Self {
        Self::Wrong(error.to_string())
    }
}

impl From<CompactError> for Unproven {
    fn from(error: CompactError) -> Self {
        Self::Wrong(error.to_string())
    }
}

/// The word with pause flag and count.
const fn first_word() -> B256 {
    AclLayout::Range.pause_slot()
}

fn slot_proofs(known: &BTreeMap<B256, Vec<Bytes>>, slots: &[B256]) -> Vec<SlotProof> {
    let proof = |slot: &B256| known.get(slot).map(|nodes| SlotProof { slot: *slot, nodes: nodes.clone() });
    slots.iter().filter_map(proof).collect()
}

fn peaks(root: B256, count: u64, range: &BTreeMap<B256, Vec<Bytes>>) -> Result<Vec<(u8, B256)>, AclError> {
    let live = (0u8..64).filter(|level| count >> level & 1 == 1);
    live.map(|level| {
        let slot = keys::range_peak(level);
        let nodes = range.get(&slot).ok_or(AclError::SlotProofMissing { slot })?;
        let word =
            merkle_acl::prove_slot(root, slot, nodes).map_err(|reason| AclError::SlotProofInvalid { slot, reason })?;
        Ok((level, B256::from(word)))
    })
    .collect()
}
