//! Items of a batch in the rows of the store.

use super::chunk::{CHUNK_ITEMS, Chunk};
use super::{ExactItems, TAKE_ITEMS, TakeError};
use crate::store::StoreError;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;
use tkms_mpc::exact;
use zeroize::Zeroizing;

/// One batch on disk, for those who look for items in it.
pub(super) struct Rows {
    pub batch: u64,
    pub count: u32,
    pub key: Zeroizing<[u8; 32]>,
}

/// Items of a range, and the chunks without them.
pub(super) type Taken = (ExactItems, BTreeMap<u32, Chunk>);

impl Rows {
    /// Takes a range out of its chunks, in memory.
    pub fn take(
        &self,
        range: Range<u32>,
        row: impl Fn(u32) -> Result<Option<Vec<u8>>, StoreError>,
    ) -> Result<Result<Taken, TakeError>, StoreError> {
        let batch = self.batch;
        if range.is_empty() || range.end > self.count || range.len() > TAKE_ITEMS as usize {
            return Ok(Err(TakeError::Range { range, items: self.count }));
        }
        let mut opened = BTreeMap::new();
        let mut items = ExactItems(Zeroizing::new(Vec::with_capacity(range.len())));
        for index in range {
            let (number, item) = (index / CHUNK_ITEMS as u32, index as usize % CHUNK_ITEMS);
            let chunk = match opened.entry(number) {
                Entry::Occupied(chunk) => chunk.into_mut(),
                Entry::Vacant(place) => {
                    // an emptied chunk has no row
                    let Some(row) = row(number)? else { return Ok(Err(TakeError::Taken { batch, index })) };
                    let Some(chunk) = Chunk::open(number, &row, &self.key) else {
                        return Ok(Err(TakeError::Damaged(batch)));
                    };
                    place.insert(chunk)
                }
            };
            let Some(item) = chunk.take(item) else { return Ok(Err(TakeError::Taken { batch, index })) };
            items.push_secret_bytes(item.as_slice());
        }
        Ok(Ok((items, opened)))
    }
}

/// Ranges that follow each other as one, so that a chunk is written once: at most [`TAKE_ITEMS`] each.
pub(super) fn joined(mut ranges: Vec<exact::Range>) -> Vec<(u64, Range<u32>)> {
    ranges.sort_unstable_by_key(|range| (range.batch.number, range.from));
    let mut joined: Vec<(u64, Range<u32>)> = Vec::new();
    for exact::Range { batch, from, to } in ranges {
        match joined.last_mut() {
            Some((number, last)) if *number == batch.number && last.end == from && to - last.start <= TAKE_ITEMS => {
                last.end = to;
            }
            _ => joined.push((batch.number, from..to)),
        }
    }
    joined
}
