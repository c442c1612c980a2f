//! Preprocessed items on disk: persisted before use, taken once, erased as they are taken.
//!
//! Items have names, (context, epoch, batch, index), and are taken by name: which ciphertext an item belongs to, the
//! committee decides, never the order in which one node happens to need them.

mod background;
mod chunk;
mod exact;
mod ledger;
mod plan;
mod status;
pub(crate) mod tables;
mod trust;

pub use background::{Finished, PreprocessingError, Preprocessor};
pub use chunk::CHUNK_ITEMS;
pub use exact::{BITS, ExactItems, ITEM_BYTES};
pub use ledger::Ledger;
pub use plan::{PlanError, Preprocessing};
pub use status::Status;
pub use trust::{Trust, judge};

use crate::rounds::{Counters, Hub};
use crate::store::{Store, StoreError};
use chunk::Chunk;
use ledger::count_taken;
use redb::{ReadableTable as _, WriteTransaction};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;
use std::sync::Arc;
use tables::{BATCHES, CHUNKS};
use tkms_mpc::prss::PrssKeys;
use tkms_types::transcript::{Transcript, tags};
use tkms_types::{ContextId, EpochId, SessionId};
use zeroize::Zeroizing;

/// Most items of one taking.
pub const TAKE_ITEMS: u32 = 1024;

/// The items of an epoch. Cheap to clone.
#[derive(Clone)]
pub struct Stock(Arc<Inner>);

struct Inner {
    store: Store,
    ledger: Ledger,
    hub: Arc<Hub>,
    context: ContextId,
    epoch: EpochId,
    /// Keys of batches on disk come from it.
    root: Zeroizing<[u8; 32]>,
}

/// Items that are not given.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The store is old, or might be.
    #[error("{0}")]
    Distrusted(Trust),
    /// No such batch is in stock here.
    #[error("batch {0} is not in stock here")]
    NoBatch(u64),
    /// No items, too many, or beyond the batch.
    #[error("items {from} to {to} of a batch of {items}; at most {TAKE_ITEMS} at once", from = .range.start, to = .range.end)]
    Range {
        /// As asked.
        range: Range<u32>,
        /// Items of the batch.
        items: u32,
    },
    /// One of them was taken before. None is taken now.
    #[error("item {index} of batch {batch} was taken before")]
    Taken {
        /// Of which batch.
        batch: u64,
        /// Which.
        index: u32,
    },
    /// A row does not open.
    #[error("batch {0} is damaged on disk")]
    Damaged(u64),
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Stock {
    /// The stock of the ledger's epoch.
    #[must_use]
    pub fn new(store: Store, ledger: Ledger, hub: Arc<Hub>, names: (ContextId, EpochId), keys: &PrssKeys) -> Self {
        let root = Zeroizing::new(blake3::derive_key(tags::STOCK, &keys.to_secret_bytes()));
        Self(Arc::new(Inner { store, ledger, hub, context: names.0, epoch: names.1, root }))
    }

    fn batch_key(&self, batch: u64, session: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        let names = Transcript::new(tags::STOCK).word(self.0.context).word(self.0.epoch).u64(batch).word(*session);
        Zeroizing::new(*blake3::keyed_hash(&self.0.root, &names.finish().0).as_bytes())
    }

    /// What the peers' memory says about this store.
    #[must_use]
    pub fn trust(&self) -> Trust {
        judge(self.0.hub.committee(), self.0.ledger.own(), &self.0.hub.claims())
    }

    /// Keeps the items of an agreed batch; they may be taken when this returns.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(&self, batch: u64, session: SessionId, items: &ExactItems) -> Result<(), StoreError> {
        let key = self.batch_key(batch, &session.0.0);
        let bytes = items.to_secret_bytes();
        let chunks = bytes.chunks(CHUNK_ITEMS * ITEM_BYTES).zip(0..);
        let rows = chunks.map(|(bytes, number)| Chunk::new(number, bytes).seal(&key));
        let rows = rows.collect::<Option<Vec<_>>>().ok_or(StoreError::Closed)?;
        let count = items.0.len() as u32;
        let written = self.0.store.write(move |tx| {
            let mut chunks = tx.open_table(CHUNKS)?;
            for (number, row) in (0..).zip(&rows) {
                chunks.insert((batch, number), row.as_slice())?;
            }
            tx.open_table(BATCHES)?.insert(batch, (&session.0.0, count, count))?;
            Ok(())
        });
        written.await
    }

    /// Takes items by name, once: they are erased on disk when this returns.
    ///
    /// # Errors
    /// [`TakeError`]; nothing is taken then.
    pub async fn take(&self, batch: u64, range: Range<u32>) -> Result<ExactItems, TakeError> {
        let trust = self.trust();
        if trust != Trust::Confirmed {
            return Err(TakeError::Distrusted(trust));
        }
        let stock = self.clone();
        // An error of the taking must not undo what shares its transaction, so it is a value there
        let taken = self.0.store.write(move |tx| stock.take_in(tx, batch, range)).await?;
        let (items, own) = taken?;
        self.0.ledger.note(own);
        self.0.hub.tell(|stand| stand.own = stand.own.highest(own));
        Ok(items)
    }

    fn take_in(
        &self,
        tx: &WriteTransaction,
        batch: u64,
        range: Range<u32>,
    ) -> Result<Result<(ExactItems, Counters), TakeError>, StoreError> {
        let mut batches = tx.open_table(BATCHES)?;
        let row = batches.get(batch)?.map(|row| {
            let (session, items, left) = row.value();
            (*session, items, left)
        });
        let Some((session, count, left)) = row else { return Ok(Err(TakeError::NoBatch(batch))) };
        if range.is_empty() || range.end > count || range.len() > TAKE_ITEMS as usize {
            return Ok(Err(TakeError::Range { range, items: count }));
        }
        let key = self.batch_key(batch, &session);
        let mut chunks = tx.open_table(CHUNKS)?;
        let mut opened = BTreeMap::new();
        let mut items = ExactItems(Zeroizing::new(Vec::with_capacity(range.len())));
        let taken = range.len() as u32;
        for index in range {
            let (number, item) = (index / CHUNK_ITEMS as u32, index as usize % CHUNK_ITEMS);
            let chunk = match opened.entry(number) {
                Entry::Occupied(chunk) => chunk.into_mut(),
                Entry::Vacant(place) => {
                    // an emptied chunk has no row
                    let Some(row) = chunks.get((batch, number))? else {
                        return Ok(Err(TakeError::Taken { batch, index }));
                    };
                    let Some(chunk) = Chunk::open(number, row.value(), &key) else {
                        return Ok(Err(TakeError::Damaged(batch)));
                    };
                    place.insert(chunk)
                }
            };
            let Some(item) = chunk.take(item) else { return Ok(Err(TakeError::Taken { batch, index })) };
            items.push_secret_bytes(item.as_slice());
        }
        let rewritten = opened.into_iter().map(|(number, chunk)| {
            let row = if chunk.is_empty() { Some(None) } else { chunk.rewritten().seal(&key).map(Some) };
            row.map(|row| (number, row))
        });
        let Some(rows) = rewritten.collect::<Option<Vec<_>>>() else { return Ok(Err(TakeError::Damaged(batch))) };
        for (number, row) in rows {
            match row {
                None => drop(chunks.remove((batch, number))?),
                Some(row) => drop(chunks.insert((batch, number), row.as_slice())?),
            }
        }
        if left == taken {
            batches.remove(batch)?;
        } else {
            batches.insert(batch, (&session, count, left - taken))?;
        }
        let own = count_taken(tx, u64::from(taken))?;
        Ok(Ok((items, own)))
    }

    /// Batches in stock: number, and items left.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn batches(&self) -> Result<Vec<(u64, u32)>, StoreError> {
        self.0.store.read(|tx| {
            let table = tx.open_table(BATCHES)?;
            table
                .iter()?
                .map(|row| row.map(|(number, row)| (number.value(), row.value().2)).map_err(Into::into))
                .collect()
        })
    }

    /// Gives up every item of an old store and lifts the counters to what the peers saw.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn resynchronise(&self, seen: Counters) -> Result<(), StoreError> {
        self.0.store.write(tables::clear_items).await?;
        self.0.ledger.raise(seen).await
    }
}
