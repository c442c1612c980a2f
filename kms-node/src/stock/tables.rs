//! Tables of the stock in the node's store. All of them die with their epoch.

use crate::store::StoreError;
use redb::{TableDefinition, WriteTransaction};

/// Context and epoch of everything here.
pub(super) const NAMES: TableDefinition<&str, &[u8]> = TableDefinition::new("epoch-names");
pub(super) const COUNTERS: TableDefinition<&str, u64> = TableDefinition::new("epoch-counters");
/// By party: begun, taken, its signature.
pub(super) const SEEN: TableDefinition<u8, (u64, u64, &[u8; 64])> = TableDefinition::new("peer-marks");
/// Evicted parties as a mask, careful.
pub(super) const STANDING: TableDefinition<&str, (u32, bool)> = TableDefinition::new("standing");
/// By batch: session, items, items left.
pub(super) const BATCHES: TableDefinition<u64, (&[u8; 32], u32, u32)> = TableDefinition::new("stock-batches");
/// By batch: who was left out of it, as a mask. Missing: nobody.
pub(super) const LEFT_OUT: TableDefinition<u64, u32> = TableDefinition::new("stock-left-out");
/// By batch and chunk: see `super::chunk`.
pub(super) const CHUNKS: TableDefinition<(u64, u32), &[u8]> = TableDefinition::new("stock-chunks");
/// Our votes, by batch and first item: one past the last, session. For ever, or until the batch is gone.
pub(super) const BALLOTS: TableDefinition<(u64, u32), (u32, &[u8; 32])> = TableDefinition::new("exact-ballots");
/// Sessions of `exact` that ended, by base session and attempt: see `super::shares`.
pub(super) const SHARES: TableDefinition<(&[u8; 32], u32), &[u8]> = TableDefinition::new("exact-shares");

/// Makes them, so that readers find every table.
pub(crate) fn create(tx: &WriteTransaction) -> Result<(), StoreError> {
    tx.open_table(NAMES)?;
    tx.open_table(COUNTERS)?;
    tx.open_table(SEEN)?;
    tx.open_table(STANDING)?;
    tx.open_table(BATCHES)?;
    tx.open_table(LEFT_OUT)?;
    tx.open_table(CHUNKS)?;
    tx.open_table(BALLOTS)?;
    tx.open_table(SHARES)?;
    Ok(())
}

/// Erases everything of the epoch.
pub(super) fn clear(tx: &WriteTransaction) -> Result<(), StoreError> {
    tx.delete_table(NAMES)?;
    tx.delete_table(COUNTERS)?;
    tx.delete_table(SEEN)?;
    tx.delete_table(STANDING)?;
    tx.delete_table(SHARES)?;
    clear_items(tx)?;
    create(tx)
}

/// Erases the items, and the votes on them.
pub(super) fn clear_items(tx: &WriteTransaction) -> Result<(), StoreError> {
    tx.delete_table(BATCHES)?;
    tx.delete_table(LEFT_OUT)?;
    tx.delete_table(CHUNKS)?;
    tx.delete_table(BALLOTS)?;
    tx.open_table(BATCHES)?;
    tx.open_table(LEFT_OUT)?;
    tx.open_table(CHUNKS)?;
    tx.open_table(BALLOTS)?;
    Ok(())
}
