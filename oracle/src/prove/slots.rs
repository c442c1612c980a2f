//! Storage proofs of one block, asked for together: while one call is under way, the wishes of all other requests gather for the next.

use alloy_primitives::{Address, B256, Bytes};
use merkle_acl::{SlotProof, TrieError, prove_slot};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tkms_eth::Rpc;
use tkms_eth::proofs::{ProofError, state_proof};
use tokio::time::timeout;

/// Proofs kept for one block. Over it all are forgotten: they can be asked for again.
const KEPT: usize = 8_192;
/// Slots in one call of everybody together; a request alone may need more.
const WISHES: usize = 4_096;
/// Longest wait for a turn: whoever waits longer looks again, under a newer block perhaps.
const TURN: Duration = Duration::from_secs(5);

/// Why there is no proof of a slot.
#[derive(Debug, thiserror::Error)]
pub enum SlotError {
    /// The endpoint.
    #[error(transparent)]
    Endpoint(#[from] ProofError),
    /// Calls of others take too long.
    #[error("the host endpoint is slow to prove slots in block {0}")]
    Slow(B256),
    /// The endpoint lied, or the block is not the one it proves for.
    #[error("the host endpoint's proof of slot {slot} in block {block} is wrong: {reason}")]
    Wrong {
        /// Which.
        slot: B256,
        /// Under which block.
        block: B256,
        /// What fails.
        reason: TrieError,
    },
}

#[derive(Default)]
struct Shelf {
    known: BTreeMap<B256, Vec<Bytes>>,
    wishes: BTreeSet<B256>,
}

/// The ACL's slots in one block.
pub struct Slots {
    rpc: Rpc,
    block: B256,
    acl: Address,
    storage_root: B256,
    shelf: Mutex<Shelf>,
    turn: tokio::sync::Mutex<()>,
}

impl Slots {
    /// Nothing asked for yet. `storage_root`: the ACL's, proven in that block.
    pub(super) fn new(rpc: Rpc, block: B256, acl: Address, storage_root: B256) -> Self {
        Self { rpc, block, acl, storage_root, shelf: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    /// Checked proofs of these slots, in their order.
    ///
    /// # Errors
    /// [`SlotError`].
    pub async fn get(&self, slots: &[B256]) -> Result<Vec<SlotProof>, SlotError> {
        if let Some(found) = self.look(slots, true) {
            return Ok(found);
        }
        let _turn = timeout(TURN, self.turn.lock()).await.map_err(|_| SlotError::Slow(self.block))?;
        // Whoever had the turn before may have brought ours along.
        if let Some(found) = self.look(slots, false) {
            return Ok(found);
        }
        let mut batch = std::mem::take(&mut self.shelf().wishes);
        batch.extend(slots);
        let batch: Vec<B256> = batch.into_iter().collect();
        let proof = state_proof(&self.rpc, self.block, self.acl, &batch).await?;
        for (slot, nodes) in &proof.slots {
            let checked = prove_slot(self.storage_root, *slot, nodes);
            checked.map_err(|reason| SlotError::Wrong { slot: *slot, block: self.block, reason })?;
        }
        let proven: BTreeMap<B256, Vec<Bytes>> = proof.slots.into_iter().collect();
        let found = collect(&proven, slots);
        let mut shelf = self.shelf();
        if shelf.known.len() + proven.len() > KEPT {
            shelf.known.clear();
        }
        shelf.known.extend(proven);
        found.ok_or_else(|| ProofError::OtherAnswer { account: self.acl, block: self.block }.into())
    }

    fn look(&self, slots: &[B256], wish: bool) -> Option<Vec<SlotProof>> {
        let mut shelf = self.shelf();
        let found = collect(&shelf.known, slots);
        if found.is_none() && wish && shelf.wishes.len() + slots.len() <= WISHES {
            let missing: Vec<B256> = slots.iter().filter(|slot| !shelf.known.contains_key(*slot)).copied().collect();
            shelf.wishes.extend(missing);
        }
        found
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn collect(known: &BTreeMap<B256, Vec<Bytes>>, slots: &[B256]) -> Option<Vec<SlotProof>> {
    let proof = |slot: &B256| known.get(slot).map(|nodes| SlotProof { slot: *slot, nodes: nodes.clone() });
    slots.iter().map(proof).collect()
}
