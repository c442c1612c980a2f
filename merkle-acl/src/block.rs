//! The ACL in one block, checked once and kept, and the facts of many requests under it.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{B256, Bytes};

use crate::{
    anchor::Anchor,
    error::{AclError, ProofError},
    facts::{Fact, Grant, fact_slots},
    keys::{self, AclLayout},
    leaf::leaf_hash,
    proof::{AclEvidence, AclHost, AclState, MAX_FACTS, SlotProof, VerifiedFacts, open},
    range::{MAX_LEVEL, RangeError, RangeProof, covering_level},
};

/// How one fact is shown under a known block. A grant may be shown either way; everything that can be taken back has only its slot,
/// since the range says what was granted and not what still holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AclProof {
    /// The way of a grant to its peak.
    Path {
        /// The grant claimed.
        grant: Grant,
        /// Its place and siblings.
        path: RangeProof,
    },
    /// A storage slot with its trie nodes.
    Slot(SlotProof),
}

/// The slots that prove a range of `count` grants: its first word and every live peak. What to ask the chain for once a block.
pub fn range_slots(layout: AclLayout, count: u64) -> Vec<B256> {
    let mut slots = vec![layout.pause_slot()];
    if layout == AclLayout::Range {
        slots.extend((0..=MAX_LEVEL).filter(|level| count >> level & 1 == 1).map(keys::range_peak));
    }
    slots
}

/// The ACL's state in one block: code checked, not paused, count and peaks proven under one root.
///
/// Everything here follows from the block's hash, so it can be kept for as long as that block is accepted. Whether to accept it is
/// the question [`crate::trust`] answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclBlock {
    anchor: Anchor,
    layout: AclLayout,
    storage_root: B256,
    count: Option<u64>,
    peaks: BTreeMap<u8, B256>,
}

impl AclBlock {
    /// Checks header, account, code and pause, and takes in the peaks that are proven with them. `evidence.slots` holds the slot
    /// with the pause flag and any of [`range_slots`], each once and no other: a peak is live only if the count has its bit.
    ///
    /// # Errors
    /// [`AclError`] for the first check that fails.
    pub fn verify(evidence: &AclEvidence, acl: &AclHost) -> Result<Self, AclError> {
        Self::under(Anchor::from_header_rlp(&evidence.header)?, &evidence.account, &evidence.slots, acl)
    }

    /// The same under a block whose header was read before, as [`crate::trust::accept`] does.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn under(anchor: Anchor, account: &[Bytes], slots: &[SlotProof], acl: &AclHost) -> Result<Self, AclError> {
        let storage_root = open(&anchor, account, acl)?;
        let pause = acl.layout.pause_slot();
        let first = slots.iter().find(|proof| proof.slot == pause);
        let count = AclState::prove(storage_root, &[pause], first)?.range_count(acl.layout)?;
        let mut needed = range_slots(acl.layout, count.unwrap_or(0));
        needed.retain(|slot| slots.iter().any(|proof| proof.slot == *slot));
        needed.sort_unstable();
        let state = AclState::prove(storage_root, &needed, slots)?;
        Ok(Self { anchor, layout: acl.layout, storage_root, count, peaks: peaks(&state) })
    }

    /// The same block with more peaks. `slots` is as in [`Self::under`]; what is known of this block already is not proven again.
    ///
    /// # Errors
    /// [`AclError`] for the first check that fails.
    pub fn with_peaks(&self, slots: &[SlotProof]) -> Result<Self, AclError> {
        let mut possible = range_slots(self.layout, self.count.unwrap_or(0));
        possible.sort_unstable();
        let (mut seen, mut missing) = (BTreeSet::new(), Vec::new());
        for proof in slots {
            if possible.binary_search(&proof.slot).is_err() {
                return Err(AclError::SlotProofUnneeded { slot: proof.slot });
            }
            if !seen.insert(proof.slot) {
                return Err(AclError::SlotProofRepeated { slot: proof.slot });
            }
            let known = |(level, _): (&u8, &B256)| keys::range_peak(*level) == proof.slot;
            if proof.slot != self.layout.pause_slot() && !self.peaks.iter().any(known) {
                missing.push(proof);
            }
        }
        let mut needed: Vec<B256> = missing.iter().map(|proof| proof.slot).collect();
        needed.sort_unstable();
        let found = peaks(&AclState::prove(self.storage_root, &needed, missing)?);
        let peaks = self.peaks.iter().map(|(level, peak)| (*level, *peak)).chain(found).collect();
        Ok(Self { peaks, ..self.clone() })
    }

    /// Whether the slot belongs to the block itself and not to a fact: what [`Self::under`] and [`Self::with_peaks`] take.
    pub fn is_block_slot(layout: AclLayout, slot: B256) -> bool {
        range_slots(layout, u64::MAX).contains(&slot)
    }

    /// The block.
    pub const fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    /// Number of grants in the range; `None` if the ACL keeps none.
    pub const fn range_count(&self) -> Option<u64> {
        self.count
    }

    /// Checks that `proofs` show every fact of `wanted` in this block: a path or the slot for each grant, the slots for all
    /// else. Each proof must be needed, and be there once.
    ///
    /// Order of checks: paths, slots, then the facts in the order grants, delegations, permits, deny list.
    ///
    /// # Errors
    /// [`ProofError`] for the first check that fails.
    pub fn facts(&self, proofs: &[AclProof], wanted: &[Fact]) -> Result<VerifiedFacts, ProofError> {
        if wanted.len() > MAX_FACTS {
            return Err(AclError::TooManyFacts { len: wanted.len(), max: MAX_FACTS }.into());
        }
        let grants: BTreeSet<Grant> = wanted.iter().filter_map(granted).collect();
        let mut shown = BTreeSet::new();
        for (grant, path) in proofs.iter().filter_map(as_path) {
            if !grants.contains(grant) {
                return Err(ProofError::GrantProofUnneeded(*grant));
            }
            if !shown.insert(*grant) {
                return Err(ProofError::GrantProofRepeated(*grant));
            }
            self.check_path(grant, path).map_err(|reason| ProofError::GrantProofInvalid { grant: *grant, reason })?;
        }
        let by_slot = wanted.iter().filter(|fact| granted(fact).is_none_or(|grant| !shown.contains(&grant)));
        let state = AclState::prove(self.storage_root, &fact_slots(by_slot), proofs.iter().filter_map(as_slot))?;
        state.with_shown(shown).check_all(wanted)?;
        Ok(VerifiedFacts::new(self.anchor, self.count, wanted))
    }

    /// Count and peak are this block's; the level follows from index and count alone.
    fn check_path(&self, grant: &Grant, path: &RangeProof) -> Result<(), RangeError> {
        let count = self.count.ok_or(RangeError::NoRange)?;
        let level = covering_level(path.index, count)?;
        let peak = self.peaks.get(&level).ok_or(RangeError::NoPeak(level))?;
        path.verify(leaf_hash(grant), count, *peak)
    }
}

/// The peaks among proven words.
fn peaks(state: &AclState) -> BTreeMap<u8, B256> {
    let peak = |level| Some((level, B256::from(state.word(keys::range_peak(level)).ok()?)));
    (0..=MAX_LEVEL).filter_map(peak).collect()
}

fn granted(fact: &Fact) -> Option<Grant> {
    match fact {
        Fact::Granted(grant) => Some(*grant),
        _ => None,
    }
}

fn as_path(proof: &AclProof) -> Option<(&Grant, &RangeProof)> {
    match proof {
        AclProof::Path { grant, path } => Some((grant, path)),
        AclProof::Slot(_) => None,
    }
}

fn as_slot(proof: &AclProof) -> Option<&SlotProof> {
    match proof {
        AclProof::Slot(proof) => Some(proof),
        AclProof::Path { .. } => None,
    }
}
