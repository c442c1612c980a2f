//! The mirror of an ACL's grant range on disk: every grant with its block, every node of every tree, two hashes a grant.
//!
//! Nodes are final once they are there, so a path can be made for the count of any earlier block. Nothing is held in memory.

use super::{Bytes, META, Need, Store, StoreError, db, word};
use alloy_primitives::{Address, B256};
use merkle_acl::range::{RangeProof, covering_level};
use merkle_acl::{Grant, leaf_hash, node_hash};
use redb::{ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

/// Chain id ‖ index → grant ‖ block.
pub(super) const GRANTS: TableDefinition<Bytes, Bytes> = TableDefinition::new("range_grants");
/// Chain id ‖ grant → index, big-endian.
pub(super) const INDICES: TableDefinition<Bytes, Bytes> = TableDefinition::new("range_indices");
/// Chain id ‖ level ‖ position → root over the leaves below.
pub(super) const NODES: TableDefinition<Bytes, Bytes> = TableDefinition::new("range_nodes");

/// Grants forgotten in one transaction of [`Store::forget_range`].
const FORGOTTEN_AT_ONCE: u64 = 20_000;
/// Bytes of a grant: kind, handle, subject.
const GRANT_BYTES: usize = 53;

/// One permanent grant and the block that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// Which.
    pub grant: Grant,
    /// Number of its block.
    pub block: u64,
}

/// What one look at the log changes in the mirror: the cursor moves with what it brought, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeStep {
    /// Blocks from this one on are no longer on the chain.
    pub undone_from: Option<u64>,
    /// Grants in the order of the log; repeated ones change nothing.
    pub granted: Vec<Granted>,
    /// Where to go on; opaque to the store.
    pub cursor: Vec<u8>,
}

impl Store {
    /// Applies one step, cursor included, in one durable transaction. Returns the number of grants mirrored.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing of it happened.
    pub fn apply_range(&self, chain_id: u64, step: &RangeStep) -> Result<u64, StoreError> {
        self.write(Need::Durable, |txn| {
            if let Some(from) = step.undone_from {
                let kept = count_at(&txn.open_table(GRANTS).map_err(db)?, chain_id, from.saturating_sub(1))?;
                truncate(txn, chain_id, kept)?;
            }
            append(txn, chain_id, &step.granted)?;
            txn.open_table(META)
                .map_err(db)?
                .insert(cursor_key(chain_id).as_str(), step.cursor.as_slice())
                .map_err(db)?;
            count(&txn.open_table(GRANTS).map_err(db)?, chain_id)
        })
    }

    /// Where the mirror of a chain goes on. None: at the beginning, once [`Self::forget_range`] has run.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn range_cursor(&self, chain_id: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let table = self.db.begin_read().map_err(db)?.open_table(META).map_err(db)?;
        Ok(table.get(cursor_key(chain_id).as_str()).map_err(db)?.map(|value| value.value().to_vec()))
    }

    /// Forgets the mirror of a chain. The cursor goes first, so that one half forgotten is never used.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_range(&self, chain_id: u64) -> Result<(), StoreError> {
        self.write(Need::Durable, |txn| {
            txn.open_table(META).map_err(db)?.remove(cursor_key(chain_id).as_str()).map_err(db)?;
            Ok(())
        })?;
        loop {
            let left = self.write(Need::Durable, |txn| {
                let held = count(&txn.open_table(GRANTS).map_err(db)?, chain_id)?;
                let kept = held.saturating_sub(FORGOTTEN_AT_ONCE);
                truncate(txn, chain_id, kept)?;
                Ok(kept)
            })?;
            if left == 0 {
                return Ok(());
            }
        }
    }

    /// The mirror of a chain as it is now; later steps do not change what is read from it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn range(&self, chain_id: u64) -> Result<RangeView, StoreError> {
        let txn = self.db.begin_read().map_err(db)?;
        Ok(RangeView {
            chain_id,
            grants: txn.open_table(GRANTS).map_err(db)?,
            indices: txn.open_table(INDICES).map_err(db)?,
            nodes: txn.open_table(NODES).map_err(db)?,
        })
    }
}

/// A snapshot of one chain's mirror.
pub struct RangeView {
    chain_id: u64,
    grants: ReadOnlyTable<Bytes, Bytes>,
    indices: ReadOnlyTable<Bytes, Bytes>,
    nodes: ReadOnlyTable<Bytes, Bytes>,
}

impl RangeView {
    /// Grants mirrored.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn count(&self) -> Result<u64, StoreError> {
        count(&self.grants, self.chain_id)
    }

    /// Grants there were at the end of a block.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn count_at(&self, block: u64) -> Result<u64, StoreError> {
        count_at(&self.grants, self.chain_id, block)
    }

    /// The place of a grant, and the block that gave it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn place(&self, grant: &Grant) -> Result<Option<(u64, u64)>, StoreError> {
        let key = grant_key(self.chain_id, &grant_bytes(grant));
        let Some(value) = self.indices.get(key.as_slice()).map_err(db)? else { return Ok(None) };
        let index = number(value.value())?;
        Ok(Some((index, block_of(&self.grants, self.chain_id, index)?)))
    }

    /// The live peaks under `count` grants, lowest first; `None` if there are fewer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn peaks(&self, count: u64) -> Result<Option<Vec<(u8, B256)>>, StoreError> {
        let mut peaks = Vec::new();
        for level in (0u8..64).filter(|level| count >> level & 1 == 1) {
            match self.node(level, (count >> level) - 1)? {
                Some(hash) => peaks.push((level, hash)),
                None => return Ok(None),
            }
        }
        Ok(Some(peaks))
    }

    /// The path of the grant at `index` to its peak under `count` grants; `None` if it is not among them or not mirrored.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn path(&self, index: u64, count: u64) -> Result<Option<RangeProof>, StoreError> {
        let Ok(level) = covering_level(index, count) else { return Ok(None) };
        let siblings = (0..level).map(|level| self.node(level, (index >> level) ^ 1));
        let path = siblings.collect::<Result<Option<Vec<B256>>, StoreError>>()?;
        Ok(path.map(|path| RangeProof { index, path }))
    }

    fn node(&self, level: u8, position: u64) -> Result<Option<B256>, StoreError> {
        let value = self.nodes.get(node_key(self.chain_id, level, position).as_slice()).map_err(db)?;
        value.map(|value| word(value.value())).transpose()
    }
}

fn append(txn: &WriteTransaction, chain_id: u64, granted: &[Granted]) -> Result<(), StoreError> {
    let mut grants = txn.open_table(GRANTS).map_err(db)?;
    let mut indices = txn.open_table(INDICES).map_err(db)?;
    let mut nodes = txn.open_table(NODES).map_err(db)?;
    let mut index = count(&grants, chain_id)?;
    for Granted { grant, block } in granted {
        let bytes = grant_bytes(grant);
        let key = grant_key(chain_id, &bytes);
        if indices.get(key.as_slice()).map_err(db)?.is_some() {
            continue;
        }
        indices.insert(key.as_slice(), index.to_be_bytes().as_slice()).map_err(db)?;
        let value = [bytes.as_slice(), &block.to_be_bytes()].concat();
        grants.insert(index_key(chain_id, index).as_slice(), value.as_slice()).map_err(db)?;
        let (mut level, mut hash) = (0u8, leaf_hash(grant));
        nodes.insert(node_key(chain_id, 0, index).as_slice(), hash.as_slice()).map_err(db)?;
        // Each one bit at the low end of the index is a peak that this leaf completes to a higher one.
        while index >> level & 1 == 1 {
            let left = nodes.get(node_key(chain_id, level, (index >> level) ^ 1).as_slice()).map_err(db)?;
            let left = left.map(|left| word(left.value())).transpose()?.ok_or(StoreError::Mirror(index))?;
            hash = node_hash(left, hash);
            level += 1;
            nodes.insert(node_key(chain_id, level, index >> level).as_slice(), hash.as_slice()).map_err(db)?;
        }
        index += 1;
    }
    Ok(())
}

/// Forgets the grants from `kept` on, and every node above them.
fn truncate(txn: &WriteTransaction, chain_id: u64, kept: u64) -> Result<(), StoreError> {
    let mut grants = txn.open_table(GRANTS).map_err(db)?;
    let mut indices = txn.open_table(INDICES).map_err(db)?;
    let mut nodes = txn.open_table(NODES).map_err(db)?;
    let held = count(&grants, chain_id)?;
    for index in kept..held {
        let removed = grants.remove(index_key(chain_id, index).as_slice()).map_err(db)?;
        let value = removed.map(|value| value.value().to_vec()).ok_or(StoreError::Mirror(index))?;
        let grant = value.get(..GRANT_BYTES).ok_or(StoreError::Mirror(index))?;
        indices.remove(grant_key(chain_id, grant).as_slice()).map_err(db)?;
    }
    for level in 0u8..64 {
        let (kept, held) = (kept >> level, held >> level);
        if kept == held {
            break;
        }
        for position in kept..held {
            nodes.remove(node_key(chain_id, level, position).as_slice()).map_err(db)?;
        }
    }
    Ok(())
}

/// One more than the highest index.
fn count(grants: &impl ReadableTable<Bytes, Bytes>, chain_id: u64) -> Result<u64, StoreError> {
    let (low, high) = (index_key(chain_id, 0), index_key(chain_id, u64::MAX));
    match grants.range(low.as_slice()..=high.as_slice()).map_err(db)?.next_back() {
        Some(entry) => Ok(number(entry.map_err(db)?.0.value().get(8..).unwrap_or_default())? + 1),
        None => Ok(0),
    }
}

/// Blocks rise with the index: halve until the first later one is found.
fn count_at(grants: &impl ReadableTable<Bytes, Bytes>, chain_id: u64, block: u64) -> Result<u64, StoreError> {
    let (mut low, mut high) = (0, count(grants, chain_id)?);
    while low < high {
        let middle = low + (high - low) / 2;
        if block_of(grants, chain_id, middle)? <= block {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

fn block_of(grants: &impl ReadableTable<Bytes, Bytes>, chain_id: u64, index: u64) -> Result<u64, StoreError> {
    let value = grants.get(index_key(chain_id, index).as_slice()).map_err(db)?.ok_or(StoreError::Mirror(index))?;
    number(value.value().get(GRANT_BYTES..).unwrap_or_default())
}

fn grant_bytes(grant: &Grant) -> Vec<u8> {
    let (handle, subject): (B256, Address) = (grant.handle(), grant.subject());
    [&[grant.kind() as u8], handle.as_slice(), subject.as_slice()].concat()
}

fn number(bytes: &[u8]) -> Result<u64, StoreError> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| StoreError::Key(bytes.len()))
}

fn cursor_key(chain_id: u64) -> String {
    format!("range-cursor/{chain_id}")
}

fn grant_key(chain_id: u64, grant: &[u8]) -> Vec<u8> {
    [chain_id.to_be_bytes().as_slice(), grant].concat()
}

fn index_key(chain_id: u64, index: u64) -> Vec<u8> {
    [chain_id.to_be_bytes(), index.to_be_bytes()].concat()
}

fn node_key(chain_id: u64, level: u8, position: u64) -> Vec<u8> {
    [chain_id.to_be_bytes().as_slice(), &[level], &position.to_be_bytes()].concat()
}
